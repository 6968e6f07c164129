/**
 * Slicing: for a property only the part of the state is kept that it depends on, directly or through rules, and only the
 * rules that change that part. The slice has the same verdict, and its traces are traces of the whole model.
 */
import type { Leaf } from '../compile/layout.ts';
import type { Compiled, Program } from '../compile/program.ts';
import { isOverTime, type Property } from '../../language/index.ts';
import { type Footprint, type FootprintOf, meets } from './footprint.ts';

/** A part of a model that decides some properties. */
export interface Slice {
  readonly properties: readonly Property[];
  readonly leaves: ReadonlySet<Leaf>;
  readonly rules: ReadonlySet<Compiled>;
}

/** The slices of a program: properties with the same cone of influence share one. */
export function slicesOf(program: Program, footprint: FootprintOf): readonly Slice[] {
  const slices = new Map<string, { properties: Property[]; leaves: ReadonlySet<Leaf>; rules: ReadonlySet<Compiled> }>();
  for (const property of program.properties) {
    const leaves = coneOf(program, property, footprint);
    const rules = new Set(program.rules.filter((rule) => changes(footprint(rule), leaves)));
    const isWhole = leaves.size === program.layout.leaves.length;
    const key = isWhole
      ? 'all'
      : [...leaves]
          .map(({ id }) => id)
          .toSorted((a, b) => a - b)
          .join();
    const slice = slices.get(key);
    if (slice !== undefined) slice.properties.push(property);
    else {
      slices.set(key, {
        properties: [property],
        leaves: isWhole ? new Set(program.layout.leaves) : leaves,
        rules: isWhole ? new Set(program.rules) : rules,
      });
    }
  }
  return [...slices.values()];
}

/** All leaves that may have an influence on a property. */
function coneOf(program: Program, property: Property, footprint: FootprintOf): ReadonlySet<Leaf> {
  const all = new Set(program.layout.leaves);
  // Whether a state has successors, and on which runs it lies, depends on every rule.
  if (property.kind === 'deadlock' || isOverTime(property)) return all;
  const cone = new Set<Leaf>();
  for (const compiled of program.functions) {
    if (compiled.what.kind !== 'property' || compiled.what.property !== property) continue;
    const of = footprint(compiled);
    if (of === undefined) return all;
    for (const leaf of of.reads) cone.add(leaf);
  }
  for (let size = -1; size !== cone.size;) {
    size = cone.size;
    for (const rule of program.rules) {
      const of = footprint(rule);
      if (!changes(of, cone)) continue;
      if (of === undefined) return all;
      for (const leaf of of.reads) cone.add(leaf);
    }
  }
  return cone;
}

function changes(footprint: Footprint | undefined, leaves: ReadonlySet<Leaf>): boolean {
  return footprint === undefined || meets(footprint.writes, leaves);
}
