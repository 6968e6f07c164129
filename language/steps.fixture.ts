/**
 * Models of a counter with the procedure `work`, whose steps a test writes.
 */
import type { Node, StepBuilder } from './behaviour.ts';
import { bool, type Model, model, range, type Shape, type Sort, type Value } from './index.ts';
import { sizes } from './one-action.fixture.ts';

/** The model but for its actions. */
export const counter = { name: 'steps', sizes, state: () => ({ n: range(0, 9), odd: bool }) };
type Counter = { n: number; odd: boolean };

/** The model with these steps. */
export function withSteps<const L extends Shape = Record<never, never>>(
  steps: (builder: StepBuilder<Counter, object, Value<L>>) => readonly Node[],
  options: {
    readonly params?: Readonly<Record<string, Sort>>;
    readonly locals?: L;
    readonly repeat?: boolean;
    readonly initial?: (s: Counter) => void;
  } = {},
): Model {
  const { params = {}, locals, repeat = false, initial = () => undefined } = options;
  return model({
    ...counter,
    initial,
    actions: ({ procedure }) => ({
      work: procedure(params, { actor: 'cpu', locals: locals ?? ({} as L), repeat, steps }),
    }),
  });
}
