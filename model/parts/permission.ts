/**
 * What a translation grants: nothing, reading, or reading and writing.
 */
import { oneOf } from '../../language/index.ts';

/** `none` is also "no entry". */
export const permission = oneOf('none', 'read-only', 'read-write');

/** What a device may want to do with a page. */
export const access = oneOf('write', 'read');

/** Whether a translation with this permission lets such an access through. */
export function allows(granted: 'none' | 'read-only' | 'read-write', wanted: 'read' | 'write'): boolean {
  return granted === 'read-write' || (granted === 'read-only' && wanted === 'read');
}

const rank = { none: 0, 'no access': 0, pending: 0, 'read-only': 1, 'read-write': 2 } as const;

/** Whether one permission grants more than another; an answer that grants nothing counts as `none`. */
export function exceeds(granted: keyof typeof rank, limit: keyof typeof rank): boolean {
  return rank[granted] > rank[limit];
}
