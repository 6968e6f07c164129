/**
 * Where a run can stay for ever and be fair: maximal sets of states, found by components, and for strong fairness by taking
 * away the states that oblige to what is not possible there (Streett; Emerson and Lei).
 */
import { Components } from './components.ts';
import type { Fairness } from './fairness.ts';
import type { Graph } from './graph.ts';

/**
 * The fair sets that can be reached from the roots within a part of the graph (the states where `inside` is not 0): in each, a
 * fair run can go round through all states for ever, or stay where it is. A run may stop wherever no obligation forbids it.
 */
export function fairSets(
  graph: Graph,
  { obligations, of }: Fairness,
  inside: Uint8Array,
  roots: Iterable<number>,
): readonly Uint32Array[] {
  const { first, targets, labels } = graph;
  const found: Uint32Array[] = [];
  const components = new Components(graph, inside);
  let parts = 1;

  /** In how many states of the component an obligation is enabled, and whether it can be met without leaving it. */
  const enabledIn = new Uint32Array(obligations.length);
  const isMet = new Uint8Array(obligations.length);
  const lastState = new Int32Array(obligations.length).fill(-1);
  const open: { readonly states: Uint32Array; readonly part: number }[] = [];

  const judge = (states: Uint32Array, own: number): void => {
    const touched: number[] = [];
    for (const state of states) {
      for (let step = first[state] as number; step < (first[state + 1] as number); step++) {
        const obligation = of[labels[step] as number] as number;
        if (obligation < 0) continue;
        if (lastState[obligation] !== state) {
          lastState[obligation] = state;
          if (enabledIn[obligation] === 0) touched.push(obligation);
          enabledIn[obligation] = (enabledIn[obligation] as number) + 1;
        }
        if (isMet[obligation] === 0 && components.of(targets[step] as number) === own) isMet[obligation] = 1;
      }
    }
    let isDismissed = false;
    const impossible = new Set<number>();
    for (const obligation of touched) {
      if (isMet[obligation] === 0) {
        if (obligations[obligation]?.kind === 'strong') impossible.add(obligation);
        else if (enabledIn[obligation] === states.length) isDismissed = true;
      }
      enabledIn[obligation] = 0;
      isMet[obligation] = 0;
      lastState[obligation] = -1;
    }
    if (isDismissed) return;
    if (impossible.size === 0) {
      found.push(states.slice());
      return;
    }
    // What obliges here to what is impossible here can be met only finitely often.
    const rest = states.filter((state) => {
      for (let step = first[state] as number; step < (first[state + 1] as number); step++) {
        if (impossible.has(of[labels[step] as number] as number)) return false;
      }
      return true;
    });
    if (rest.length > 0) open.push({ states: rest, part: ++parts });
  };

  components.visit(roots, 1, judge);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    components.move(next.states, next.part);
    components.visit(next.states, next.part, judge);
  }
  return found;
}
