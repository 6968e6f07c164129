/**
 * Models of a counter `n` from 0 to 3 with the procedure `work`, whose steps a test writes.
 */
import type { Node, StepBuilder } from './behaviour.ts';
import { type Model, model, range, type Shape, type Sort } from './index.ts';
import { sizes } from './one-action.fixture.ts';

/** The model but for its actions. */
export const counter = { name: 'steps', sizes, state: () => ({ n: range(0, 3) }) };
/** The model with these steps. */
export function withSteps(
  steps: (b: StepBuilder<{ n: number }, object, object>) => readonly Node[],
  options: { params?: Readonly<Record<string, Sort>>; locals?: Shape } = {},
): Model {
  return model({
    ...counter,
    actions: ({ procedure }) => ({
      work: procedure(options.params ?? {}, { actor: 'cpu', locals: options.locals ?? {}, steps }),
    }),
  });
}
