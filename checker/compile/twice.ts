/**
 * A test is a function of the state alone: it is run twice where that could be otherwise, and the second answer must be the first.
 */
import { ModelError } from '../../language/index.ts';

/** What a test says. Throws `ModelError` with the test's name where it says something else the second time. */
export function twice<A>(name: string, test: () => A): A {
  const answer = test();
  if (test() !== answer) throw unsteady(name);
  return answer;
}

/** The mistake of a test that does not say the same of the same state. */
export function unsteady(name: string): ModelError {
  return new ModelError('gives different answers for the same state: it must not keep state of its own', {
    part: name,
  });
}
