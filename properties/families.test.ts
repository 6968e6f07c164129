import { describe, expect, it } from 'vitest';
import { instantiate, propertiesOf } from '../language/index.ts';
import { families, requirementsOf } from './families.ts';
import { protocols } from './index.ts';
import { pasidLifecycleSeedRows } from './pasid-lifecycle.requirements.ts';

/** The protocol that a model belongs to. */
function familyOf(model: string): string {
  return model.split('/', 1)[0] ?? '';
}

it('has a family for each model', () => {
  const names = protocols.map(({ model }) => familyOf(model.name));
  expect([...new Set(names)]).toEqual(families.map(({ name }) => name));
});

it('says of each row of the text on the life cycle of a PASID what carries it', () => {
  const rows = Array.from({ length: 37 }, (_, i) => `S1-${String(i + 1).padStart(2, '0')}`);
  expect(Object.keys(pasidLifecycleSeedRows)).toEqual(rows);
});

describe.each(families.map((family) => ({ family, name: family.name })))('$name', ({ family, name }) => {
  const own = protocols.filter(({ model }) => familyOf(model.name) === name);
  const carried = new Set(
    own.flatMap(({ model, properties }) =>
      Object.keys(model.sizes).flatMap((size) =>
        propertiesOf(instantiate(model, size), properties).flatMap(({ requirements }) => requirements),
      ),
    ),
  );
  const references = own.flatMap(({ variants }) => variants.flatMap((set) => set.variants)).map((of) => of.reference);
  const isShown = (bug: string): boolean =>
    references.some((reference) => new RegExp(`(^|[^\\w-])${bug}($|[^\\w-])`).test(reference));

  it('carries each requirement of its areas by a property, or says why not', () => {
    const open = requirementsOf(family).filter((id) => !carried.has(id) && !Object.hasOwn(family.notCarried, id));
    expect(open).toEqual([]);
  });

  it('gives reasons only for requirements of its areas that no property carries', () => {
    const all = requirementsOf(family);
    const reasons = Object.keys(family.notCarried);
    expect(reasons.filter((id) => carried.has(id) || !all.includes(id))).toEqual([]);
  });

  it('shows each of its bugs by a variant, or says why not', () => {
    expect(family.bugs.filter((bug) => !isShown(bug) && !Object.hasOwn(family.bugsNotCarried, bug))).toEqual([]);
    expect(Object.keys(family.bugsNotCarried).filter((bug) => isShown(bug) || !family.bugs.includes(bug))).toEqual([]);
  });
});
