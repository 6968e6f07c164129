/**
 * Replay: a trace of a model done step by step on the concrete machine, which shows that real structures, queues and caches
 * can go that way, and what it physically comes to.
 */
import type { AnyLowering, Consequence, Entry, Harm } from '../executor/lowering/lowering.ts';
import { begin, type Disagreement } from '../executor/lowering/session.ts';
import { ModelError } from '../language/index.ts';
import type { Trace } from './trace.ts';

export type { Consequence, Disagreement, Entry, Harm };

/**
 * What a replay comes to. `confirmed`: the machine did every step, and its state was that of the model after each.
 * `disagrees`: at step `at`, from 1 (0: in the initial state), it did not do the step or had another state after it.
 * `not possible`: the variant edits hardware in a way that the machine has no defect for.
 */
export type Replay =
  | { readonly verdict: 'confirmed'; readonly steps: number; readonly consequence: Consequence }
  | { readonly verdict: 'disagrees'; readonly at: number; readonly title: string; readonly how: Disagreement }
  | { readonly verdict: 'not possible'; readonly reason: string };

/** Replays a trace of the lowering's model; of a lasso, the steps to its loop and the loop once. */
export function replay(lowering: AnyLowering, { instance, initial, steps }: Trace): Replay {
  let session;
  try {
    session = begin(lowering, instance, initial);
  } catch (error) {
    if (error instanceof ModelError) return { verdict: 'not possible', reason: error.problem };
    throw error;
  }
  const { initially } = session;
  if (initially !== undefined) return { verdict: 'disagrees', at: 0, title: 'the initial state', how: initially };
  let before = initial;
  for (const [i, { action, title, state }] of steps.entries()) {
    const how = session.step(action, before, state);
    if (how !== undefined) return { verdict: 'disagrees', at: i + 1, title, how };
    before = state;
  }
  return { verdict: 'confirmed', steps: steps.length, consequence: session.consequence() };
}
