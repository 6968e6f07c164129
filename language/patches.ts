/**
 * What differs between two states, as immer patches. They are told from the states themselves, which share what did not
 * change: immer's own patches lose what is changed through a draft that also stands inside a newly assigned record.
 */
import type { Patch } from 'immer';

/** The patches that make `before` into `after`; none where nothing changed. */
export function patchesBetween(before: unknown, after: unknown, path: readonly string[] = []): readonly Patch[] {
  if (before === after) return [];
  if (!isTable(before) || !isTable(after) || !haveSameKeys(before, after)) {
    return [{ op: 'replace', path: [...path], value: after }];
  }
  return Object.keys(after).flatMap((key) => {
    const step = Array.isArray(after) ? Number(key) : key;
    return patchesBetween(before[key], after[key], [...path, step as string]);
  });
}

type Table = Readonly<Record<string, unknown>>;

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null;
}

function haveSameKeys(a: Table, b: Table): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key));
}
