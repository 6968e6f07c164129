/**
 * The state read off a machine against that of the model, field by field.
 */
import type { Concrete, Instance } from '../../language/index.ts';

/** A field in which they differ, as people read it. */
export interface Difference {
  readonly field: string;
  readonly model: string;
  readonly machine: string;
}

/** Where a state as it is read off a machine differs from the state of the model; fields that are left out do not. */
export function differences({ domain }: Instance, machine: unknown, model: unknown): readonly Difference[] {
  return compare(domain, '', machine, model);
}

function compare(domain: Concrete, field: string, machine: unknown, model: unknown): readonly Difference[] {
  if (machine === undefined) return [];
  const { structure } = domain;
  switch (structure.kind) {
    case 'leaf':
      return Object.is(machine, model) ? [] : [{ field, model: shown(domain, model), machine: shown(domain, machine) }];
    case 'optional':
      if (machine !== null && model !== null) return compare(structure.of, field, machine, model);
      return machine === model ? [] : [{ field, model: shown(domain, model), machine: shown(domain, machine) }];
    case 'record':
    case 'each':
      return partsOf(domain, machine).flatMap(([key, part]) => {
        const child = domain.child(key);
        if (child === undefined) return [{ field: `${field}.${key}`, model: 'no such field', machine: raw(part) }];
        const path = field === '' ? child.label.replace(/^\./, '') : field + child.label;
        return compare(child.domain, path, part, (model as Readonly<Record<string, unknown>>)[key]);
      });
    case 'setOf': {
      const show = (members: Iterable<unknown>): string =>
        `{${[...members]
          .map(Number)
          .toSorted((a, b) => a - b)
          .map((member) => `${structure.sort.name}${member}`)
          .join(', ')}}`;
      const [is, should] = [show(machine as Iterable<unknown>), show(model as Iterable<unknown>)];
      return is === should ? [] : [{ field, model: should, machine: is }];
    }
    case 'queue':
    case 'bag': {
      const show = (items: Iterable<unknown>): string => {
        const texts = [...items].map((item) => shown(structure.of, item));
        return structure.kind === 'queue' ? `<${texts.join(', ')}>` : `{|${texts.toSorted().join(', ')}|}`;
      };
      const [is, should] = [show(machine as Iterable<unknown>), show(model as Iterable<unknown>)];
      return is === should ? [] : [{ field, model: should, machine: is }];
    }
    default:
      return structure satisfies never;
  }
}

/** The named fields of a record, or the members' values. */
function partsOf({ structure }: Concrete, value: unknown): readonly (readonly [string, unknown])[] {
  if (structure.kind === 'each') {
    // A member that is missing differs, rather than not being compared.
    return Array.from({ length: structure.sort.size }, (_, i) => [String(i), (value as readonly unknown[])[i] ?? {}]);
  }
  return Object.entries(value as Readonly<Record<string, unknown>>);
}

/** A value for people; one that the domain does not have, raw. */
function shown(domain: Concrete, value: unknown): string {
  return domain.misfit(value, '') === undefined ? domain.show(value) : raw(value);
}

function raw(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

/** The paths of all fields of a state without members: `page.pte`, `queue.window`. Queues, bags and sets are one field. */
export function fieldsOf({ domain }: Instance): readonly string[] {
  const walk = ({ structure }: Concrete, field: string): readonly string[] => {
    if (structure.kind === 'each') return walk(structure.of, field);
    if (structure.kind !== 'record') return [field];
    return structure.fields.flatMap(([name, of]) => walk(of, field === '' ? name : `${field}.${name}`));
  };
  return walk(domain, '');
}

/** The paths of the fields that a state read off a machine has, in the same form. */
export function fieldsRead({ domain }: Instance, machine: unknown): readonly string[] {
  const walk = (of: Concrete, value: unknown, field: string): readonly string[] => {
    const { structure } = of;
    if (value === undefined) return [];
    if (structure.kind === 'each') {
      return (value as readonly unknown[]).flatMap((part) => walk(structure.of, part, field));
    }
    if (structure.kind !== 'record') return [field];
    return structure.fields.flatMap(([name, part]) =>
      walk(part, (value as Readonly<Record<string, unknown>>)[name], field === '' ? name : `${field}.${name}`),
    );
  };
  return [...new Set(walk(domain, machine, ''))];
}
