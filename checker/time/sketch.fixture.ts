/**
 * Small explicit graphs, as plain data, and what is true of their fair runs: worked out by fixpoints on sets of states, straight
 * from the definitions, with nothing of what the checker does.
 */
import fc from 'fast-check';
import type { ActionData, Instance } from '../../language/index.ts';
import type { Fairness } from './fairness.ts';
import { type Graph, GraphBuilder } from './graph.ts';

/** A step from a state to a state; its label says which obligation it meets. */
export interface SketchStep {
  readonly from: number;
  readonly label: number;
  readonly to: number;
}

/** A graph with obligations. */
export interface Sketch {
  readonly states: number;
  readonly initial: readonly number[];
  readonly steps: readonly SketchStep[];
  readonly kinds: readonly ('weak' | 'strong')[];
  /** Of each label: its obligation, or -1. */
  readonly of: readonly number[];
}

/** Graphs in which some states may be out of reach; a label may lead from a state to several. */
export function sketches(mostStates: number, mostObligations: number): fc.Arbitrary<Sketch> {
  return fc
    .tuple(
      fc.integer({ min: 1, max: mostStates }),
      fc.array(fc.constantFrom('weak' as const, 'strong' as const), { maxLength: mostObligations, size: 'max' }),
    )
    .chain(([states, kinds]) => {
      const state = fc.nat(states - 1);
      return fc
        .array(fc.integer({ min: -1, max: kinds.length - 1 }), { minLength: 1, maxLength: 6, size: 'max' })
        .chain((of) => {
          const step = fc.record({ from: state, label: fc.nat(of.length - 1), to: state });
          const round = fc
            .nat(of.length - 1)
            .map((label) => Array.from({ length: states }, (_, from) => ({ from, label, to: (from + 1) % states })));
          const none = fc.constant<SketchStep[]>([]);
          return fc.record({
            states: fc.constant(states),
            initial: fc.uniqueArray(state, { minLength: 1, maxLength: 3 }),
            steps: fc
              .tuple(fc.array(step, { maxLength: 3 * states, size: 'max' }), fc.oneof(none, round))
              .map((lists) => lists.flat()),
            kinds: fc.constant(kinds),
            of: fc.constant(of.toSorted((a, b) => a - b)),
          });
        });
    });
}

/** The part of a graph that can be reached, numbered anew. */
export function reachablePart(sketch: Sketch): Sketch {
  const reached = [...closure(sketch, sketch.initial)].toSorted((a, b) => a - b);
  const number = new Map(reached.map((state, i) => [state, i]));
  const known = (state: number): number => number.get(state) as number;
  return {
    ...sketch,
    states: reached.length,
    initial: sketch.initial.map(known),
    steps: sketch.steps
      .filter(({ from }) => number.has(from))
      .map(({ from, label, to }) => ({ from: known(from), label, to: known(to) })),
  };
}

/** All states that can be reached from some. */
export function closure({ steps }: Sketch, from: Iterable<number>): ReadonlySet<number> {
  const met = new Set(from);
  for (const state of met) for (const step of steps) if (step.from === state) met.add(step.to);
  return met;
}

/** The graph as the checker lays it out. */
export function graphOfSketch({ states, initial, steps }: Sketch): Graph {
  const builder = new GraphBuilder(1);
  for (let state = 0; state < states; state++) builder.add(Int32Array.of(state));
  for (let state = 0; state < states; state++) {
    const own = steps.filter(({ from }) => from === state).toSorted((a, b) => a.label - b.label);
    for (const { label, to } of own) builder.addStep(label, to);
    builder.endState();
  }
  return builder.graph(initial);
}

/** The obligations as the checker takes them. */
export function fairnessOfSketch({ kinds, of }: Sketch): Fairness {
  return { obligations: kinds.map((kind) => ({ kind, rule: undefined as never })), of: Int32Array.from(of) };
}

/** As much of an instance as the checker needs to know labels and obligations: one rule for each, labels in order. */
export function instanceOfSketch({ kinds, of }: Sketch): Instance {
  const rules = [...new Set(of)].map((obligation, index) => ({
    index,
    fairness: kinds[obligation] ?? 'none',
    control: { instance: undefined },
    bindings: of.flatMap((own, label) => {
      const action: ActionData = { type: `step ${label}` };
      return own === obligation ? [{ values: {}, action }] : [];
    }),
  }));
  return { rules } as unknown as Instance;
}

function isEnabled({ steps, of }: Sketch, state: number, obligation: number): boolean {
  return steps.some(({ from, label }) => from === state && of[label] === obligation);
}

/**
 * The states where a fair run begins that stays for ever among some: by trying in turn which strong obligations are in the end
 * not enabled any more, as all others then must be met again and again, which is a greatest fixpoint (Emerson and Lei).
 */
export function fairStates(sketch: Sketch, inside: (state: number) => boolean): ReadonlySet<number> {
  const strong = sketch.kinds.flatMap((kind, obligation) => (kind === 'strong' ? [obligation] : []));
  const all = Array.from({ length: sketch.states }, (_, state) => state).filter(inside);
  const fair = new Set<number>();
  for (let choice = 0; choice < 2 ** strong.length; choice++) {
    const silent = strong.filter((_, i) => (choice >> i) % 2 === 1);
    const part = all.filter((state) => !silent.some((obligation) => isEnabled(sketch, state, obligation)));
    const loud = sketch.kinds.map((_, obligation) => obligation).filter((obligation) => !silent.includes(obligation));
    for (const state of recurring(sketch, part, loud)) fair.add(state);
  }
  return backwards(sketch.steps, new Set(all), fair);
}

/** Where runs begin within a part that meet each obligation again and again; one may also stay where it is for ever. */
function recurring(sketch: Sketch, part: readonly number[], obligations: readonly number[]): ReadonlySet<number> {
  const { steps, of, kinds } = sketch;
  let set = new Set(part);
  for (;;) {
    let kept: ReadonlySet<number> = set;
    for (const obligation of obligations) {
      const meets = steps.flatMap(({ from, label, to }) =>
        of[label] === obligation && set.has(from) && set.has(to) ? [from] : [],
      );
      const free = [...set].filter((state) => kinds[obligation] === 'weak' && !isEnabled(sketch, state, obligation));
      const can = backwards(steps, set, new Set([...meets, ...free]));
      kept = new Set([...kept].filter((state) => can.has(state)));
    }
    if (kept.size === set.size) return set;
    set = new Set(kept);
  }
}

/** The states from which a way within `part` leads into `goal`. */
export function backwards(
  steps: readonly SketchStep[],
  part: ReadonlySet<number>,
  goal: ReadonlySet<number>,
): ReadonlySet<number> {
  const found = new Set(goal);
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const { from, to } of steps) if (part.has(from) && found.has(to)) found.add(from);
  }
  return found;
}

/** A run that goes on for ever: the steps of its beginning, and those that repeat; none where it stops. */
export interface SketchRun {
  readonly initial: number;
  readonly prefix: readonly SketchStep[];
  readonly loop: readonly SketchStep[];
}

/** What is wrong with a run as a counterexample: not a run of the graph, not unfair to nobody, or not without the goal. */
export function faultOf(
  sketch: Sketch,
  { initial, prefix, loop }: SketchRun,
  starts: (state: number) => boolean,
  inside: (state: number) => boolean,
): string | undefined {
  const steps = [...prefix, ...loop];
  if (!sketch.initial.includes(initial)) return 'it begins nowhere';
  let at = initial;
  for (const step of steps) {
    if (step.from !== at) return 'its steps do not follow each other';
    at = step.to;
  }
  const entry = prefix.at(-1)?.to ?? initial;
  if (at !== entry) return 'its loop does not close';
  const visited = [initial, ...steps.map(({ to }) => to)];
  const isCounted = visited.some(
    (state, i) => i <= prefix.length && starts(state) && visited.slice(i).every((later) => inside(later)),
  );
  if (!isCounted) return 'it meets the goal, or does not have to';
  const forEver = [entry, ...loop.map(({ to }) => to)];
  for (const [obligation, kind] of sketch.kinds.entries()) {
    const enabled = forEver.filter((state) => isEnabled(sketch, state, obligation)).length;
    const isTaken = loop.some(({ label }) => sketch.of[label] === obligation);
    if (isTaken) continue;
    if (kind === 'strong' ? enabled > 0 : enabled === forEver.length) return `it is unfair to ${obligation}`;
  }
  return undefined;
}

/** The least number of steps, beginning and loop together, of a run that breaks a property; nothing if there is none. */
export function leastLength(
  sketch: Sketch,
  starts: (state: number) => boolean,
  inside: (state: number) => boolean,
): number | undefined {
  const { states, steps, initial } = sketch;
  // A state before what starts the property, or (from `states` on) behind it.
  const behind = (state: number): number[] => (starts(state) && inside(state) ? [state, state + states] : [state]);
  const lengths = distances(initial.flatMap(behind), (node) =>
    steps.flatMap(({ from, to }) => {
      if (from !== node % states) return [];
      if (node < states) return behind(to);
      return inside(to) ? [to + states] : [];
    }),
  );
  let least: number | undefined;
  for (const [node, length] of lengths) {
    if (node < states || (least !== undefined && length >= least)) continue;
    const loop = leastLoop(sketch, node - states, inside);
    if (loop !== undefined && (least === undefined || length + loop < least)) least = length + loop;
  }
  return least;
}

/** The length of a shortest fair loop from a state back to it. */
function leastLoop(sketch: Sketch, anchor: number, inside: (state: number) => boolean): number | undefined {
  const { kinds, of, steps, states } = sketch;
  const all = 2 ** kinds.length;
  /** The obligations that are strong and enabled, or weak and not enabled. */
  const seen = Array.from({ length: states }, (_, state) =>
    kinds.reduce((sum, kind, i) => sum + (isEnabled(sketch, state, i) === (kind === 'strong') ? 2 ** i : 0), 0),
  );
  const nodeOf = (state: number, met: number, taken: number): number => (state * all + met) * all + taken;
  const lengths = distances([nodeOf(anchor, seen[anchor] as number, 0)], (node) => {
    const taken = node % all;
    const met = Math.floor(node / all) % all;
    const state = Math.floor(node / all / all);
    return steps.flatMap(({ from, label, to }) => {
      if (from !== state || !inside(to)) return [];
      const obligation = of[label] as number;
      return [nodeOf(to, met | (seen[to] as number), obligation < 0 ? taken : taken | (2 ** obligation))];
    });
  });
  let least: number | undefined;
  for (const [node, length] of lengths) {
    const taken = node % all;
    const met = Math.floor(node / all) % all;
    if (Math.floor(node / all / all) !== anchor) continue;
    const isFair = kinds.every((kind, i) => (taken >> i) % 2 === 1 || ((met >> i) % 2 === 1) === (kind === 'weak'));
    if (isFair && (least === undefined || length < least)) least = length;
  }
  return least;
}

/** How many steps lead to each node at least. */
function distances(from: readonly number[], next: (node: number) => readonly number[]): ReadonlyMap<number, number> {
  const lengths = new Map(from.map((node) => [node, 0]));
  for (const [node, length] of lengths) {
    for (const after of next(node)) if (!lengths.has(after)) lengths.set(after, length + 1);
  }
  return lengths;
}
