/**
 * Counterexamples over time: a shortest way into a fair set, and a short loop in it that meets every obligation.
 */
import type { Fairness } from './fairness.ts';
import type { Graph } from './graph.ts';
import { enabledAt, ShortestRounds } from './shortest.ts';

/** Steps of the graph by number: a way from an initial state, and what is repeated for ever behind it; nothing if it ends. */
export interface Lasso {
  readonly initial: number;
  readonly prefix: readonly number[];
  readonly loop: readonly number[];
}

/** A search stops looking for a shorter lasso once it has looked at so many steps. */
const mostWork = 5_000_000;

/** Breadth-first from the initial states; steps in the order of their labels, so that no numbering of states matters. */
export class Ways {
  private readonly graph: Graph;
  /** The step by which each state was first reached, plus 1; 0 where it was not, or is an initial state. */
  private readonly by: Uint32Array;
  private readonly from: Uint32Array;

  /** All states in the order in which they are met. */
  readonly order: Uint32Array;

  constructor(graph: Graph) {
    const { states, initial, first, targets } = graph;
    this.graph = graph;
    this.by = new Uint32Array(states);
    this.from = new Uint32Array(states);
    const order = new Uint32Array(states);
    const isMet = new Uint8Array(states);
    let count = 0;
    const meet = (state: number): void => {
      if (isMet[state] !== 0) return;
      isMet[state] = 1;
      order[count++] = state;
    };
    initial.forEach(meet);
    for (let i = 0; i < count; i++) {
      const state = order[i] as number;
      for (let step = first[state] as number; step < (first[state + 1] as number); step++) {
        const target = targets[step] as number;
        if (isMet[target] !== 0) continue;
        this.by[target] = step + 1;
        this.from[target] = state;
        meet(target);
      }
    }
    this.order = order.subarray(0, count);
  }

  /** A shortest way to a state: where it starts, and its steps. */
  to(state: number): { readonly initial: number; readonly steps: readonly number[] } {
    const steps: number[] = [];
    let at = state;
    for (let by = this.by[at] as number; by !== 0; by = this.by[at] as number) {
      steps.push(by - 1);
      at = this.from[at] as number;
    }
    return { initial: at, steps: steps.toReversed() };
  }

  /**
   * The ways that first reach a state where `starts` is true and from there stay where `inside` is, in the order of their
   * lengths; for the states of that second part alone.
   */
  *into(
    starts: Uint8Array,
    inside: Uint8Array,
  ): Generator<{ readonly state: number; readonly length: number; readonly way: () => WayInto }, void> {
    const { first, targets } = this.graph;
    const { states } = this.graph;
    // A state counts twice: as one before the start, of which `Ways` itself knows the way, and as one behind it.
    const length = new Int32Array(states).fill(-1);
    const by = new Uint32Array(states);
    const from = new Uint32Array(states);
    const own = this.lengths();
    const starting = this.order.filter((state) => starts[state] !== 0 && inside[state] !== 0);
    let frontier: number[] = [];
    let nextStart = 0;
    const wayTo = (state: number): WayInto => {
      const steps: number[] = [];
      let at = state;
      for (; by[at] !== 0; at = from[at] as number) steps.push((by[at] as number) - 1);
      const { initial, steps: before } = this.to(at);
      return { initial, steps: [...before, ...steps.toReversed()] };
    };
    for (let level = 0; frontier.length > 0 || nextStart < starting.length; level++) {
      for (; nextStart < starting.length && own[starting[nextStart] as number] === level; nextStart++) {
        const state = starting[nextStart] as number;
        if (length[state] !== -1) continue;
        length[state] = level;
        frontier.push(state);
      }
      const next: number[] = [];
      for (const state of frontier) yield { state, length: level, way: () => wayTo(state) };
      for (const state of frontier) {
        for (let step = first[state] as number; step < (first[state + 1] as number); step++) {
          const target = targets[step] as number;
          if (inside[target] === 0 || length[target] !== -1) continue;
          length[target] = level + 1;
          by[target] = step + 1;
          from[target] = state;
          next.push(target);
        }
      }
      frontier = next;
    }
  }

  /** The length of a shortest way to each state. */
  private lengths(): Int32Array {
    const lengths = new Int32Array(this.graph.states);
    for (const state of this.order) {
      lengths[state] = this.by[state] === 0 ? 0 : (lengths[this.from[state] as number] as number) + 1;
    }
    return lengths;
  }
}

interface WayInto {
  readonly initial: number;
  readonly steps: readonly number[];
}

/** A short lasso: from an initial state to one where `starts` is true, then within `inside` into one of the sets, and round. */
export function shortLasso(
  graph: Graph,
  ways: Ways,
  fairness: Fairness,
  starts: Uint8Array,
  inside: Uint8Array,
  sets: readonly Uint32Array[],
): Lasso {
  const setOf = new Int32Array(graph.states);
  for (const [i, states] of sets.entries()) for (const state of states) setOf[state] = i + 1;
  const rounds = new Rounds(graph, fairness, setOf);
  let best: Lasso | undefined;
  let most = Number.POSITIVE_INFINITY;
  const improve = (loopAt: (state: number, shorterThan: number) => readonly number[] | undefined): void => {
    for (const { state, length, way } of ways.into(starts, inside)) {
      if (length >= most) return;
      if (setOf[state] === 0) continue;
      const loop = loopAt(state, most - length);
      if (loop === undefined || length + loop.length >= most) continue;
      const { initial, steps } = way();
      best = { initial, prefix: steps, loop };
      most = length + loop.length;
    }
  };
  improve((state, shorterThan) =>
    best === undefined || rounds.work < mostWork ? rounds.through(state, shorterThan) : undefined,
  );
  if (best === undefined) throw new Error('a fair set without a way into it');
  const shortest = new ShortestRounds(graph, fairness, sets, setOf);
  improve((state, shorterThan) => shortest.through(state, shorterThan));
  return best;
}

/** Loops within fair sets. */
class Rounds {
  /** How many steps were looked at. */
  work = 0;
  private readonly graph: Graph;
  private readonly fairness: Fairness;
  private readonly setOf: Int32Array;
  /** In which search a state was met last, and by which step. */
  private readonly met: Uint32Array;
  private readonly by: Uint32Array;
  private readonly from: Uint32Array;
  private searches = 0;

  constructor(graph: Graph, fairness: Fairness, setOf: Int32Array) {
    this.graph = graph;
    this.fairness = fairness;
    this.setOf = setOf;
    this.met = new Uint32Array(graph.states);
    this.by = new Uint32Array(graph.states);
    this.from = new Uint32Array(graph.states);
  }

  /** A loop from a state of a fair set that meets every obligation, shorter than so many steps; empty if it can stay there. */
  through(start: number, shorterThan: number): readonly number[] | undefined {
    const loop: number[] = [];
    let at = start;
    for (;;) {
      const open = this.unmet(start, loop);
      if (open.size === 0 && at === start) return loop;
      const way =
        open.size === 0
          ? this.search(at, (state) => state === start)
          : this.search(at, (state, step) => this.helps(state, step, open));
      if (way === undefined) throw new Error('a fair set in which an obligation cannot be met');
      for (const step of way) loop.push(step);
      at = this.graph.targets[way.at(-1) as number] as number;
      if (loop.length >= shorterThan) return undefined;
    }
  }

  /** The obligations that going round the loop for ever would leave unmet. */
  private unmet(start: number, loop: readonly number[]): ReadonlySet<number> {
    const { targets, labels } = this.graph;
    const { obligations, of } = this.fairness;
    const visited = [start, ...loop.map((step) => targets[step] as number)];
    this.work += visited.length;
    const enabled = visited.map((state) => enabledAt(this.graph, this.fairness, state));
    const taken = new Set(loop.map((step) => of[labels[step] as number] as number));
    const unmet = new Set<number>();
    for (const obligation of new Set(enabled.flatMap((some) => [...some]))) {
      if (taken.has(obligation)) continue;
      const isStrong = obligations[obligation]?.kind === 'strong';
      if (isStrong || enabled.every((some) => some.has(obligation))) unmet.add(obligation);
    }
    return unmet;
  }

  /** Whether a step to a state meets one of the obligations: takes it, or leads where a weak one is not enabled. */
  private helps(state: number, step: number, open: ReadonlySet<number>): boolean {
    const { obligations, of } = this.fairness;
    if (open.has(of[this.graph.labels[step] as number] as number)) return true;
    const enabled = enabledAt(this.graph, this.fairness, state);
    return [...open].some((obligation) => obligations[obligation]?.kind === 'weak' && !enabled.has(obligation));
  }

  /** A shortest way within the set by at least one step, to where `isThere` is true of the step and its target. */
  private search(start: number, isThere: (state: number, step: number) => boolean): number[] | undefined {
    const { first, targets } = this.graph;
    const { met, by, from, setOf } = this;
    const own = setOf[start];
    const search = ++this.searches;
    let frontier = [start];
    const back = (last: number, step: number): number[] => {
      const steps = [step];
      for (let at = last; at !== start; at = from[at] as number) steps.push(by[at] as number);
      return steps.toReversed();
    };
    met[start] = search;
    while (frontier.length > 0) {
      const next: number[] = [];
      for (const state of frontier) {
        for (let step = first[state] as number; step < (first[state + 1] as number); step++) {
          this.work++;
          const target = targets[step] as number;
          if (setOf[target] !== own) continue;
          if (isThere(target, step)) return back(state, step);
          if (met[target] === search) continue;
          met[target] = search;
          by[target] = step;
          from[target] = state;
          next.push(target);
        }
      }
      frontier = next;
    }
    return undefined;
  }
}
