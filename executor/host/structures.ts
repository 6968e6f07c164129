/**
 * Stream table entries and Context descriptors as the words that software stores, and which of their bits hardware looks at.
 */
import { mask } from '../bits.ts';
import { type Cd, cdLayout } from '../smmuv3/context-descriptor.ts';
import { type Ste, steLayout } from '../smmuv3/stream-table-entry.ts';
import type { EntryKind } from './entry-writer.ts';

/** The 64-bit words of a structure's bytes. */
export function wordsOf(raw: Uint8Array): readonly bigint[] {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Array.from({ length: raw.byteLength / 8 }, (_, index) => view.getBigUint64(index * 8, true));
}

/** The words of a Stream table entry; fields that are not given are zero. */
export function steWords(fields: Partial<Ste>): readonly bigint[] {
  return wordsOf(steLayout.encode(fields));
}

/** The words of a Context descriptor; fields that are not given are zero. */
export function cdWords(fields: Partial<Cd>): readonly bigint[] {
  return wordsOf(cdLayout.encode(fields));
}

const stage1Fields = [
  'S1Fmt',
  'S1ContextPtr',
  'S1CDMax',
  'S1DSS',
  'S1CIR',
  'S1COR',
  'S1CSH',
  'S1STALLD',
  'STRW',
  'EATS',
  'PPAR',
  'MEV',
  'S2VMID',
] as const satisfies readonly (keyof Ste)[];

const stage2Fields = [
  'S2FWB',
  'EATS',
  'SHCFG',
  'PPAR',
  'MEV',
  'S2VMID',
  'S2T0SZ',
  'S2SL0',
  'S2IR0',
  'S2OR0',
  'S2SH0',
  'S2TG',
  'S2PS',
  'S2AA64',
  'S2ENDI',
  'S2AFFD',
  'S2PTW',
  'S2HD',
  'S2HA',
  'S2S',
  'S2R',
  'S2TTB',
] as const satisfies readonly (keyof Ste)[];

/** A Stream table entry (5.2): V alone while it is invalid, then what Config makes of it. */
export const steKind: EntryKind = {
  name: 'STE',
  valid: 1n,
  used: (words) => {
    const ste = steLayout.decode(bytesOf(words));
    if (!ste.V) return masks(steLayout, ['V']);
    const fields = new Set<keyof Ste>(['V', 'Config']);
    if (ste.Config === 0b100) fields.add('SHCFG');
    if ((ste.Config & 0b101) === 0b101) for (const field of stage1Fields) fields.add(field);
    if ((ste.Config & 0b110) === 0b110) for (const field of stage2Fields) fields.add(field);
    return masks(steLayout, [...fields]);
  },
};

const lowerHalf = ['T0SZ', 'TG0', 'IR0', 'OR0', 'SH0', 'TTB0'] as const satisfies readonly (keyof Cd)[];
const upperHalf = ['T1SZ', 'TG1', 'IR1', 'OR1', 'SH1', 'TTB1'] as const satisfies readonly (keyof Cd)[];

/** A Context descriptor (5.4): V alone while it is invalid; a half that EPDx disables is not looked at. */
export const cdKind: EntryKind = {
  name: 'CD',
  valid: 1n << 31n,
  used: (words) => {
    const cd = cdLayout.decode(bytesOf(words));
    if (!cd.V) return masks(cdLayout, ['V']);
    const fields = new Set(Object.keys(cdLayout.places) as (keyof Cd)[]);
    if (cd.EPD0) for (const field of lowerHalf) fields.delete(field);
    if (cd.EPD1) for (const field of upperHalf) fields.delete(field);
    return masks(cdLayout, [...fields]);
  },
};

interface Bits {
  readonly word: number;
  readonly high: number;
  readonly low: number;
}

function masks<K extends string>(
  { length, places }: { readonly length: number; readonly places: Readonly<Record<K, Bits>> },
  fields: readonly K[],
): readonly bigint[] {
  const result = Array.from({ length: length / 8 }, () => 0n);
  for (const field of fields) {
    const { word, high, low } = places[field];
    result[word] = (result[word] ?? 0n) | (mask(high - low + 1) << BigInt(low));
  }
  return result;
}

function bytesOf(words: readonly bigint[]): Uint8Array {
  const raw = new Uint8Array(words.length * 8);
  const view = new DataView(raw.buffer);
  for (const [index, word] of words.entries()) view.setBigUint64(index * 8, word, true);
  return raw;
}
