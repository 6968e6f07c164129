/**
 * Steps that hardware's rules may forbid: a step is done, or says why it cannot be done now and changes nothing. Values
 * outside their domain are errors of the caller and throw `RangeError`.
 */

/** A step that was done, or why hardware cannot do it now. */
export type Outcome<T = undefined> =
  | { readonly done: true; readonly value: T }
  | { readonly done: false; readonly why: string };

/** The step was done. */
export function done(): Outcome;
export function done<T>(value: T): Outcome<T>;
export function done<T>(value?: T): Outcome<T | undefined> {
  return { done: true, value };
}

/** The step is forbidden now. */
export function refused(why: string): { readonly done: false; readonly why: string } {
  return { done: false, why };
}

/** The value of a step that must have been done. Throws `Error` with the reason if it was refused. */
export function must<T>(outcome: Outcome<T>): T {
  if (!outcome.done) throw new Error(outcome.why);
  return outcome.value;
}
