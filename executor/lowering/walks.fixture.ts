/**
 * Random walks of a model with its machine at its side.
 */
import {
  type ActionData,
  type Bound,
  initialStates,
  type Instance,
  type Rule,
  type State,
} from '../../language/index.ts';
import { fire } from '../../language/meaning.ts';
import type { AnyLowering, Consequence } from './lowering.ts';
import { begin, type Disagreement } from './session.ts';

/** What came of one walk. */
export interface Walked {
  readonly steps: readonly ActionData[];
  /** How the machine disagrees, after the last step. */
  readonly disagreement: Disagreement | undefined;
  readonly consequence: Consequence | undefined;
}

/** Numbers from 0 up to 1, by a seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** How likely actions and procedures are, against 1 of those that are not named: walks get further with less of what ends them. */
export type Likelihood = Readonly<Record<string, number>>;

/** Walks until nothing is enabled, the machine disagrees, or so many steps are done. */
export function walk(
  lowering: AnyLowering,
  instance: Instance,
  seed: number,
  length: number,
  likelihood: Likelihood = {},
): Walked {
  const next = random(seed);
  const first = shuffled(initialStates(instance) as readonly State[], next)[0];
  if (first === undefined) throw new Error('there is no initial state');
  let state = first;
  const session = begin(lowering, instance, state);
  const steps: ActionData[] = [];
  let disagreement = session.initially;
  while (disagreement === undefined && steps.length < length) {
    const taken = anyStep(instance, state, next, likelihood);
    if (taken === undefined) break;
    steps.push(taken.action);
    disagreement = session.step(taken.action, state, taken.after);
    state = taken.after;
  }
  return { steps, disagreement, consequence: disagreement === undefined ? session.consequence() : undefined };
}

/** A step that is enabled: first which action or procedure, since those with many parameters would crowd out the others. */
function anyStep(
  instance: Instance,
  state: State,
  next: () => number,
  likelihood: Likelihood,
): { readonly action: ActionData; readonly after: State } | undefined {
  const types = [...new Set(instance.rules.map(({ type }) => type))];
  for (const type of shuffled(types, next, (of) => likelihood[of] ?? 1)) {
    const ways = instance.rules
      .filter((rule) => rule.type === type)
      .flatMap((rule) => rule.bindings.map((bound): readonly [Rule, Bound] => [rule, bound]));
    for (const [rule, bound] of shuffled(ways, next)) {
      const after = fire(instance, rule, bound, state);
      if (after !== undefined) return { action: bound.action, after };
    }
  }
  return undefined;
}

/** `weight`: how much more likely an item comes early. */
function shuffled<T>(items: readonly T[], next: () => number, weight: (item: T) => number = () => 1): readonly T[] {
  return items
    .map((item) => ({ item, place: -Math.log(1 - next()) / weight(item) }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
