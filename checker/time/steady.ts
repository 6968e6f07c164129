/**
 * What the answer of a test must not depend on: how often it is run, and whether equal parts of two states are the same object.
 */
import { ModelError, type State } from '../../language/index.ts';
import { twice } from '../compile/twice.ts';

type StepTest = (before: State, after: State) => boolean | undefined;

/** Some first calls of a test are checked, and then one in so many. */
const checkedCalls = 500;
const checkedShare = 997;

/** Whether a call is one of those that are checked. */
export function isChecked(call: number): boolean {
  return call < checkedCalls || call % checkedShare === 0;
}

/** What a test says of a state, by its name. Throws `ModelError` where it says something else the second time. */
export function steadyAnswer(name: string, test: (state: State) => boolean, state: State): boolean {
  return twice(name, () => test(state));
}

/**
 * What a test says of the states before and after a step, which must have no object in common. Throws `ModelError` where it says
 * something else the second time, or of the same states where equal parts are the same object.
 */
export function steadyAnswerOfStep(name: string, test: StepTest, before: State, after: State): boolean | undefined {
  const answer = twice(name, () => test(before, after));
  if (test(before, sharing(before, after) as State) === answer) return answer;
  const problem =
    'compares parts of the states before and after a step that are no scalars: whether equal ones are the same object is chance, so compare the scalars in them';
  throw new ModelError(problem, { part: name });
}

/** The second value, with each part of it that equals the same part of the first replaced by that. */
function sharing(first: unknown, second: unknown): unknown {
  if (typeof first !== 'object' || typeof second !== 'object' || first === null || second === null) return second;
  const fields = Object.entries(second);
  const others = first as Readonly<Record<string, unknown>>;
  const shared = fields.map(([name, part]) => [name, sharing(others[name], part)] as const);
  if (fields.length === Object.keys(first).length && shared.every(([name, part]) => part === others[name]))
    return first;
  const copy = Array.isArray(second) ? [] : (Object.create(Object.getPrototypeOf(second) as object) as object);
  return Object.freeze(Object.assign(copy, Object.fromEntries(shared)));
}
