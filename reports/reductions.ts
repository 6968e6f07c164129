/**
 * What a search left out of a model, in words.
 */
import type { CheckResult } from '../checker/index.ts';
import { number } from './summary.ts';
import { pageWidth, wrap } from './table.ts';

/** The lines about a result's reductions; none where nothing was asked for. */
export function reductionLines({ model, variant, reductions, properties }: CheckResult): readonly string[] {
  if (reductions === undefined) return [];
  const { symmetry, partialOrder, slices } = reductions;
  const name = variant === undefined ? model : `${model}, variant ${variant}`;
  const lines: string[] = [];
  if (symmetry !== undefined) {
    const { sorts, refused } = symmetry;
    lines.push(
      sorts.length === 0
        ? 'symmetry: no sort is interchangeable'
        : `symmetry: states that differ in the names of ${listed(sorts)} count as one`,
      ...refused.map(({ sort, reason }) => `symmetry: not for ${sort}, whose members are told apart: ${reason}`),
    );
  }
  if (partialOrder !== undefined) {
    lines.push(
      partialOrder.length === 0
        ? 'partial order: no step is independent of all others and unseen by the properties'
        : `partial order: explored alone at ${listed(partialOrder)}; traces may not be shortest`,
    );
  }
  for (const slice of slices ?? []) {
    const of = slice.properties.length === properties.length ? 'all properties' : listed(slice.properties);
    const kept = `${number(slice.fields)} leaves, ${number(slice.rules)} rules`;
    const counts = `${number(slice.states)} states, ${number(slice.transitions)} transitions`;
    lines.push(`slice: ${kept}, ${counts} for ${of}`);
  }
  return lines.flatMap((line) => wrap(`${name}: ${line}`, pageWidth, 2));
}

function listed(names: readonly string[]): string {
  const [a, b, c, ...rest] = names;
  return (
    [a, b, c].filter((one) => one !== undefined).join(', ') + (rest.length === 0 ? '' : ` and ${rest.length} more`)
  );
}
