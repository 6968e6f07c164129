/**
 * The kinds of properties in words.
 */
import type { PropertyKind } from '../language/index.ts';

const words: Readonly<Record<PropertyKind, string>> = {
  invariant: 'invariant',
  reachable: 'reachable',
  deadlock: 'deadlock freedom',
  transition: 'of every step',
  leadsTo: 'leads to',
  eventually: 'eventually',
  recoverable: 'always reachable',
};

/** What kind of claim a property is, in a word or three. */
export function kindInWords(kind: PropertyKind): string {
  return words[kind];
}
