/**
 * Whether a trace breaks a property, by the meaning of the language alone: whatever has found it, nothing else is shown.
 */
import { type Binding, enabled, type Property } from '../language/index.ts';
import { finalState, statesOf, type Trace } from './trace.ts';

/** Whether the last state of a trace, or its last step, breaks a property for some members. Not for what lassos show. */
export function breaks(trace: Trace, property: Property, binding: Binding): boolean {
  const state = finalState(trace);
  switch (property.kind) {
    case 'invariant':
      return !property.test(state, binding);
    case 'deadlock':
      return enabled(trace.instance, state as never).length === 0 && property.finalState(state) === undefined;
    case 'transition': {
      const [before] = statesOf(trace).slice(-2);
      const action = trace.steps.at(-1)?.action;
      return (
        action !== undefined && before !== undefined && property.testStep(before, action, state, binding) === false
      );
    }
    case 'reachable':
    case 'recoverable':
    case 'leadsTo':
    case 'eventually':
      return false;
    default:
      return property.kind satisfies never;
  }
}
