/**
 * What a model assumes of the scheduler: which steps are taken at last if they are enabled without a break (weak fairness), or
 * again and again (strong fairness).
 */
import type { Bound, Instance, Rule } from '../../language/index.ts';
import type { Assumptions } from '../result.ts';

/** Steps that are fair together: one of them taken is enough. */
export interface Obligation {
  readonly kind: 'weak' | 'strong';
  readonly rule: Rule;
}

/** The obligations of an instance. */
export interface Fairness {
  readonly obligations: readonly Obligation[];
  /** For each label of the graph, the number of its obligation, or -1. */
  readonly of: Int32Array;
}

/** The labels of the steps of an instance: each rule with each of its bindings, in order. */
export function labelsOf({ rules }: Instance): readonly { readonly rule: Rule; readonly bound: Bound }[] {
  return rules.flatMap((rule) => rule.bindings.map((bound) => ({ rule, bound })));
}

/**
 * An action is fair for each binding of its parameters by itself. A step of a procedure is fair for each instance of the
 * procedure: what the step chooses is left free.
 */
export function fairnessOf(instance: Instance): Fairness {
  const labels = labelsOf(instance);
  const obligations: Obligation[] = [];
  const of = new Int32Array(labels.length).fill(-1);
  const numbers = new Map<string, number>();
  for (const [label, { rule, bound }] of labels.entries()) {
    const { fairness: kind, control } = rule;
    if (kind === 'none') continue;
    const own = control === undefined ? label : control.instance === undefined ? '' : bound.values[control.instance];
    const key = `${rule.index} ${String(own)}`;
    let number = numbers.get(key);
    if (number === undefined) {
      number = obligations.push({ kind, rule }) - 1;
      numbers.set(key, number);
    }
    of[label] = number;
  }
  return { obligations, of };
}

/** What is assumed, by name (`unmap: wait for CMD_SYNC`), in the order of declaration. */
export function assumptionsOf({ rules }: Instance): Assumptions {
  const named = (kind: string): readonly string[] =>
    rules
      .filter(({ fairness }) => fairness === kind)
      .map(({ type, step }) => (step === undefined ? type : `${type}: ${step}`));
  return { weak: named('weak'), strong: named('strong') };
}
