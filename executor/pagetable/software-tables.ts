/**
 * Tables in memory as software sees and writes them: one entry at a time.
 */
import { mask } from '../bits.ts';
import type { Memory } from '../memory.ts';
import type { Invalidation, SoftwareStep } from './changes.ts';
import { contiguousBit, decodeDescriptor, type Descriptor } from './vmsav8-descriptor.ts';
import { contiguousCountLog2, indexBitsOf, type Regime, shiftOf } from './vmsav8-regime.ts';
import { swapped } from './vmsav8.ts';
import type { TableFrames } from './table-frames.ts';

/** Tables of a regime, and how they are changed. */
export interface SoftwareTables {
  readonly memory: Memory;
  readonly regime: Regime;
  readonly frames: TableFrames;
  /** Break before make: where a change is not safe under translation, it is made through an invalid descriptor. */
  readonly breakFirst: boolean;
}

/** An entry of a table: what it says, and for which inputs (as offsets into the range of the tables). */
export interface Entry {
  readonly address: bigint;
  readonly word: bigint;
  readonly says: Descriptor;
  readonly level: number;
  readonly start: bigint;
  readonly size: bigint;
}

/** The operations yield after each write, and where hardware must drop something before they go on. */
export type Steps<R = void> = Generator<SoftwareStep, R>;

/** The entry for an offset in a table at a level. */
export function entryAt(tables: SoftwareTables, table: bigint, level: number, offset: bigint): Entry {
  const { regime } = tables;
  const shift = shiftOf(regime.granuleLog2, level);
  const index = (offset >> BigInt(shift)) & mask(indexBitsOf(regime, level));
  const address = table + index * 8n;
  const word = read(tables, address);
  const start = offset & ~mask(shift);
  return { address, word, says: decodeDescriptor(regime, level, word), level, start, size: 1n << BigInt(shift) };
}

/** The entries of a table at a level that is for the offsets from `start`. */
export function* entriesOf(tables: SoftwareTables, table: bigint, level: number, start: bigint): Generator<Entry> {
  const size = 1n << BigInt(shiftOf(tables.regime.granuleLog2, level));
  const count = 1n << BigInt(indexBitsOf(tables.regime, level));
  for (let index = 0n; index < count; index++) yield entryAt(tables, table, level, start + index * size);
}

/** The descriptor at an address. */
export function read(tables: SoftwareTables, address: bigint): bigint {
  const raw = tables.memory.readWord(address);
  return tables.regime.bigEndian ? swapped(raw) : raw;
}

/** Writes a descriptor. */
export function* store(tables: SoftwareTables, address: bigint, after: bigint): Steps {
  const before = fill(tables, address, after);
  yield { kind: 'write', address, before, after };
}

/** Writes a descriptor that hardware cannot see yet: in a table that nothing refers to. Returns what stood there. */
export function fill(tables: SoftwareTables, address: bigint, after: bigint): bigint {
  const before = read(tables, address);
  tables.memory.writeWord(address, tables.regime.bigEndian ? swapped(after) : after);
  return before;
}

/** The table is one granule, but for the start table. */
export function tableLength(regime: Regime): number {
  return 2 ** regime.granuleLog2;
}

/** Whether no descriptor of a table (not the start table) is valid. */
export function isEmpty(tables: SoftwareTables, table: bigint): boolean {
  const end = table + BigInt(tableLength(tables.regime));
  for (let address = table; address < end; address += 8n) if ((read(tables, address) & 1n) !== 0n) return false;
  return true;
}

/** The input for an offset into the range of the tables: of the upper half the bits above are ones. */
export function inputOf(regime: Regime, offset: bigint): bigint {
  return regime.upper ? offset | (mask(64) & ~mask(regime.inputBits)) : offset;
}

/** The invalidation of leaves at one level. */
export function leafInvalidation(regime: Regime, level: number, offset: bigint, length: bigint): Invalidation {
  return { input: inputOf(regime, offset), length, level, sizeLog2: shiftOf(regime.granuleLog2, level), leaf: true };
}

/** The invalidation of all that a table descriptor led to. */
export function tableInvalidation(regime: Regime, offset: bigint, length: bigint): Invalidation {
  return { input: inputOf(regime, offset), length, level: undefined, sizeLog2: regime.granuleLog2, leaf: false };
}

/** The run of leaves that the contiguous hint of an entry joins; `undefined` if it has none. */
export function runOf(regime: Regime, entry: Entry): { start: bigint; length: bigint } | undefined {
  return (entry.word & contiguousBit) === 0n ? undefined : runAround(regime, entry.level, entry.start);
}

/** The run of leaves at a level that the contiguous hint could join; `undefined` where it has no meaning. */
export function runAround(
  regime: Regime,
  level: number,
  offset: bigint,
): { start: bigint; length: bigint } | undefined {
  const count = contiguousCountLog2(regime.granuleLog2, level);
  const log2 = shiftOf(regime.granuleLog2, level) + count;
  if (count === 0 || log2 > regime.inputBits) return undefined;
  return { start: offset & ~mask(log2), length: 1n << BigInt(log2) };
}
