/**
 * Runs of a model from its only initial state, as a test writes them down.
 */
import { type ActionOf, initialStates, type Instance, type Model, ModelError, type StateOf, step } from './index.ts';

/** The only initial state; an error if there are several. */
export function start<M extends Model>(at: M | Instance<M>): StateOf<M> {
  const [state, ...others] = initialStates(at);
  if (state === undefined || others.length > 0) throw new Error('expected one initial state');
  return state;
}

/** The state after some actions. */
export function run<M extends Model>(at: M | Instance<M>, ...actions: readonly ActionOf<M>[]): StateOf<M> {
  return actions.reduce((state, action) => step(at, state, action).state, start(at));
}

/** The message of the error that `work` throws. */
export function messageOf(work: () => unknown): string {
  const error = errorOf(work);
  return error === undefined ? 'no error' : `${error.name}: ${error.message}`;
}

/** The model error that `work` throws. */
export function errorOf(work: () => unknown): ModelError | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  return undefined;
}
