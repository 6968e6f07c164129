/**
 * Runs of given steps with the machine at the side of the model, for tests of single lowerings.
 */
import {
  type ActionData,
  type Instance,
  instantiate,
  type State,
  step,
  type VariantSet,
} from '../../language/index.ts';
import type { AnyLowering, Consequence } from './lowering.ts';
import { begin, type Disagreement } from './session.ts';

/** What came of a run: how the machine disagrees with its last step, or what it physically came to. */
export interface Ran {
  readonly at: number;
  readonly disagreement: Disagreement | undefined;
  readonly consequence: Consequence | undefined;
}

/** Does the steps from an initial state, up to the first with which the machine disagrees; 0 is the initial state. */
export function runFrom(
  lowering: AnyLowering,
  instance: Instance,
  initial: State | undefined,
  actions: readonly ActionData[],
): Ran {
  if (initial === undefined) throw new Error('there is such an initial state');
  let state = initial;
  const session = begin(lowering, instance, state);
  if (session.initially !== undefined) return { at: 0, disagreement: session.initially, consequence: undefined };
  for (const [i, action] of actions.entries()) {
    const after: State = step(instance, state as never, action as never).state;
    const disagreement = session.step(action, state, after);
    if (disagreement !== undefined) return { at: i + 1, disagreement, consequence: undefined };
    state = after;
  }
  return { at: actions.length, disagreement: undefined, consequence: session.consequence() };
}

/** The fields in which the machine differs from the model. */
export function differing({ disagreement }: Pick<Ran, 'disagreement'>): readonly string[] {
  return disagreement?.kind === 'differs' ? disagreement.differences.map(({ field }) => field) : [];
}

/** A lowering onto a machine that is broken so. */
export function withDefects(lowering: AnyLowering, ...defects: readonly unknown[]): AnyLowering {
  return { ...lowering, build: (setting) => lowering.build({ ...setting, defects }) };
}

/** A variant as it is recorded. */
export function variantOf({ properties: { model }, variants }: VariantSet, name: string): Instance {
  const found = variants.find((variant) => variant.name === name);
  if (found === undefined) throw new Error(`no variant ${name}`);
  return instantiate(model, found.size, { set: found.set, variant: found.edit });
}
