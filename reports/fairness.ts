/**
 * What a verdict assumes of the scheduler, in words.
 */
import type { Instance } from '../language/index.ts';

/** `assuming weak fairness of ..., strong fairness of ...`: by actions and procedures, with their steps where not all are. */
export function assumptionsInWords(instance: Instance): string {
  const parts = (['weak', 'strong'] as const).flatMap((kind) => {
    const names = fairOnes(instance, kind);
    return names.length === 0 ? [] : [`${kind} fairness of ${names.join(', ')}`];
  });
  return parts.length === 0 ? 'assuming no fairness at all' : `assuming ${parts.join('; ')}`;
}

function fairOnes({ rules }: Instance, kind: 'weak' | 'strong'): readonly string[] {
  const fair = rules.filter(({ fairness }) => fairness === kind);
  return [...new Set(fair.map(({ type }) => type))].map((type) => {
    const stepsOf = (of: typeof rules): string =>
      of.flatMap((rule) => (rule.type === type && rule.step !== undefined ? [rule.step] : [])).join(', ');
    const own = fair.filter((rule) => rule.type === type);
    const others = rules.filter((rule) => rule.type === type && rule.fairness !== kind);
    if (others.length === 0) return type;
    return others.length < own.length / 2 ? `${type} (all but ${stepsOf(others)})` : `${type} (${stepsOf(fair)})`;
  });
}
