/**
 * Models of a single action, for tests of what guards and effects can do with a state.
 */
import { type Frozen, instantiate, type Member, model, type Shape, sort, step, type Value } from './index.ts';
import { start } from './runs.fixture.ts';

export const Page = sort('page');
export const Device = sort('device');
export const Cpu = sort('cpu', { ordered: true });

/** The sizes of these sorts, under each of the names that a model must have. */
export const sizes = {
  smoke: { page: 1, device: 1, cpu: 1 },
  ci: { page: 3, device: 2, cpu: 4 },
  deep: { page: 5, device: 3, cpu: 6 },
};

export const [page0, page1, page2] = [0, 1, 2] as unknown as [Member<'page'>, Member<'page'>, Member<'page'>];
export const [device0, device1] = [0, 1] as unknown as [Member<'device'>, Member<'device'>];

type EffectOn<D extends Shape> = (s: Value<D>) => void;
type TestOf<D extends Shape> = (s: Frozen<Value<D>>) => boolean;

/** A model named `one` with the action `act`, whose guards are named `guard 1`, ... and its effects `effect 1`, ... */
export function oneAction<const D extends Shape>(
  state: D,
  effects: readonly EffectOn<D>[],
  guards: readonly TestOf<D>[] = [],
) {
  return model({
    name: 'one',
    sizes,
    state: () => state,
    actions: ({ action }) => ({
      act: action({}, { actor: 'tester', when: numbered('guard', guards), then: numbered('effect', effects) }),
    }),
  });
}

function numbered<F>(what: string, functions: readonly F[]): Readonly<Record<string, F>> {
  return Object.fromEntries(functions.map((run, i) => [`${what} ${i + 1}`, run]));
}

/** What the effects, all in one step, make of the first value of the state. */
export function after<const D extends Shape>(state: D, ...effects: readonly EffectOn<D>[]): Frozen<Value<D>> {
  return stepOf(state, effects).state;
}

/** The same step with its patches and the state before it. */
export function stepOf<const D extends Shape>(state: D, effects: readonly EffectOn<D>[]) {
  const instance = instantiate(oneAction(state, effects));
  const before = start(instance);
  return { before, ...step(instance, before, { type: 'act' } as never) };
}
