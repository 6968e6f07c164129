/**
 * Mapping: the plan is made and its tables are allocated before anything is written, so that a mapping that cannot be made
 * changes nothing.
 */
import { mask } from '../bits.ts';
import { encodeAttributes } from './attributes.ts';
import { type Change, ChangeRecord, type MappingAttributes } from './changes.ts';
import { entryAt, inputOf, runAround, type SoftwareTables, type Steps, store, tableLength } from './software-tables.ts';
import { contiguousBit, leafDescriptor, tableDescriptor } from './vmsav8-descriptor.ts';
import { indexBitsOf, isLeafLevel, type Regime, shiftOf } from './vmsav8-regime.ts';

/** A range of offsets to be mapped. */
export interface Mapping {
  readonly offset: bigint;
  readonly output: bigint;
  readonly length: bigint;
  readonly attributes: MappingAttributes;
  /** Use blocks where addresses and length allow. */
  readonly blocks: boolean;
  /** Set the contiguous hint where a whole run is mapped. */
  readonly contiguous: boolean;
}

interface Plan {
  readonly writes: { address: bigint; word: bigint }[];
  readonly allocated: bigint[];
}

/** Maps a range in which nothing is mapped. New tables are linked before they are filled. */
export function* mapRange(tables: SoftwareTables, mapping: Mapping): Steps<Change> {
  const plan: Plan = { writes: [], allocated: [] };
  try {
    planTable(tables, mapping, plan, { table: tables.regime.base, level: tables.regime.startLevel, known: true });
  } catch (error) {
    for (const table of plan.allocated) tables.frames.release(table, tableLength(tables.regime));
    throw error;
  }
  for (const { address, word } of plan.writes) yield* store(tables, address, word);
  const record = new ChangeRecord();
  record.bytes = mapping.length;
  return record.change;
}

/** Plans the entries of one table. `known`: it stands in memory; otherwise it is new and empty. */
function planTable(
  tables: SoftwareTables,
  mapping: Mapping,
  plan: Plan,
  at: { readonly table: bigint; readonly level: number; readonly known: boolean },
): void {
  const { regime } = tables;
  const { table, level, known } = at;
  const size = 1n << BigInt(shiftOf(regime.granuleLog2, level));
  const attributes = encodeAttributes(regime, mapping.attributes);
  const end = mapping.offset + mapping.length;
  for (let start = mapping.offset & ~(size - 1n); start < end; start += size) {
    const entry = known
      ? entryAt(tables, table, level, start)
      : { address: table + indexOf(regime, level, start) * 8n, says: { kind: 'invalid' } as const };
    const { says, address } = entry;
    if (says.kind === 'leaf') {
      throw new RangeError(`0x${inputOf(regime, start).toString(16)} is mapped already`);
    }
    const from = start > mapping.offset ? start : mapping.offset;
    const to = start + size < end ? start + size : end;
    const output = mapping.output + (from - mapping.offset);
    if (says.kind === 'table') {
      planTable(tables, { ...mapping, offset: from, output, length: to - from }, plan, {
        table: says.table,
        level: level + 1,
        known: true,
      });
      continue;
    }
    const fits = to - from === size && (output & (size - 1n)) === 0n && isLeafLevel(regime, level);
    if (fits && (level === 3 || mapping.blocks)) {
      const joined = mapping.contiguous && isJoined(tables, mapping, at, start) ? contiguousBit : 0n;
      plan.writes.push({ address, word: leafDescriptor(regime, level, output, attributes | joined) });
      continue;
    }
    const child = tables.frames.allocate(tableLength(regime));
    plan.allocated.push(child);
    plan.writes.push({ address, word: tableDescriptor(regime, child) });
    planTable(tables, { ...mapping, offset: from, output, length: to - from }, plan, {
      table: child,
      level: level + 1,
      known: false,
    });
  }
}

/** Whether the whole run around a leaf is mapped by leaves of this level, from an aligned output. */
function isJoined(
  tables: SoftwareTables,
  mapping: Mapping,
  at: { readonly table: bigint; readonly level: number; readonly known: boolean },
  offset: bigint,
): boolean {
  const run = runAround(tables.regime, at.level, offset);
  if (run === undefined) return false;
  const inside = run.start >= mapping.offset && run.start + run.length <= mapping.offset + mapping.length;
  const output = mapping.output + (run.start - mapping.offset);
  if (!inside || (output & (run.length - 1n)) !== 0n) return false;
  if (!at.known) return true;
  const size = 1n << BigInt(shiftOf(tables.regime.granuleLog2, at.level));
  for (let start = run.start; start < run.start + run.length; start += size) {
    if (entryAt(tables, at.table, at.level, start).says.kind !== 'invalid') return false;
  }
  return true;
}

function indexOf(regime: Regime, level: number, offset: bigint): bigint {
  return (offset >> BigInt(shiftOf(regime.granuleLog2, level))) & mask(indexBitsOf(regime, level));
}
