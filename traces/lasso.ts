/**
 * Lassos, which are runs that never end: what could happen in their loop and never does, and since when something is due.
 */
import { type ActionData, enabled, type Instance, type Property, type Rule } from '../language/index.ts';
import { ruleOf, statesOf, titleOf, type Trace } from './trace.ts';

/** Whether a trace ends in a loop of at least one step. */
export function hasLoop({ steps, loopFrom }: Trace): boolean {
  return loopFrom !== undefined && loopFrom < steps.length;
}

/** An action, or the step of an instance of a procedure, that a lasso leaves out for ever. */
export interface PassedOver {
  readonly title: string;
  readonly fairness: Rule['fairness'];
  /** In how many states of the loop it is enabled. */
  readonly enabledIn: number;
  /** How many states the loop has; where nothing more happens it is one. */
  readonly of: number;
}

/** What is enabled in some state of a lasso's loop, and is not taken there; what is fair first. */
export function passedOver(trace: Trace): readonly PassedOver[] {
  const { instance, steps, loopFrom } = trace;
  if (loopFrom === undefined) return [];
  const states = statesOf(trace).slice(loopFrom, hasLoop(trace) ? -1 : undefined);
  const taken = new Set(steps.slice(loopFrom).map(({ action }) => obligationOf(instance, action).title));
  const found = new Map<string, PassedOver>();
  for (const state of states) {
    const here = enabled(instance, state as never).map((action) => obligationOf(instance, action));
    for (const { title, fairness } of new Map(here.map((one) => [one.title, one])).values()) {
      if (taken.has(title)) continue;
      const enabledIn = (found.get(title)?.enabledIn ?? 0) + 1;
      found.set(title, { title, fairness, enabledIn, of: states.length });
    }
  }
  return [...found.values()].toSorted((a, b) => Number(a.fairness === 'none') - Number(b.fairness === 'none'));
}

/** What is fair together: an action with its parameters, or an instance's step whatever it chooses. */
function obligationOf(instance: Instance, action: ActionData): Pick<PassedOver, 'title' | 'fairness'> {
  const rule = ruleOf(instance, action);
  const { control, fairness } = rule;
  if (control === undefined) return { title: titleOf(rule, action), fairness };
  const params = Object.entries(rule.params).filter(([name]) => name === control.instance);
  return { title: titleOf({ ...rule, params: Object.fromEntries(params) }, action), fairness };
}

/** After how many steps of a lasso its antecedent is true and what it leads to is true at no time from there on. */
export function dueAfter(
  trace: Trace,
  { given, test }: Property,
  binding: Readonly<Record<string, unknown>>,
): number | undefined {
  if (given === undefined) return undefined;
  const states = statesOf(trace);
  const last = states.findLastIndex((state) => test(state, binding));
  const due = states.findIndex((state, i) => i > last && given(state, binding));
  return due < 0 ? undefined : due;
}
