/**
 * A walk: an initial state and the rules that are taken from there. Where it is replayed leniently, rules that are not enabled
 * where they stand are left out.
 */
import type { ActionData, Property } from '../../language/index.ts';
import type { Compiled, Program } from '../compile/program.ts';
import type { Path } from '../result.ts';

/** A walk, and what is wrong at its end. */
export interface Walk {
  /** A packed state. */
  readonly initial: Int32Array;
  /** Numbers of rules with their parameters bound. */
  readonly rules: Int32Array;
  readonly failure: Failure | undefined;
  /** What was suspected about it, led on. */
  readonly suspicion?: Suspicion | undefined;
}

/** A run that may go on for ever although something is due. */
export interface Suspicion extends Failure {
  readonly rules: Int32Array;
  /** For `leadsTo` and `eventually`: how many steps lead to the loop, or to where the run stops. */
  readonly loopFrom: number | undefined;
}

/** A property, and the members for which it does not hold in the last state, or of the last step. */
export interface Failure {
  readonly property: Property;
  readonly binding: Readonly<Record<string, unknown>>;
}

/** A rule by its number. */
export function ruleAt(program: Program, index: number): Compiled {
  return program.rules[index] as Compiled;
}

/** The action that a rule with its parameters bound is. */
export function actionOf({ what }: Compiled): ActionData {
  if (what.kind !== 'rule') throw new Error('a property is no action');
  return what.bound.action;
}

/** A walk as a path of immutable states. */
export function pathOf(program: Program, initial: Int32Array, rules: Iterable<number>): Path {
  return {
    initial: program.layout.unpack(initial),
    actions: Array.from(rules, (index) => actionOf(ruleAt(program, index))),
  };
}
