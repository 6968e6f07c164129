/**
 * Unmapping: leaves go, tables that become empty go with them.
 */
import type { ChangeRecord } from './changes.ts';
import { rewriteRun, splitBlock } from './resize.ts';
import {
  entriesOf,
  entryAt,
  isEmpty,
  leafInvalidation,
  runOf,
  type SoftwareTables,
  type Steps,
  store,
  tableInvalidation,
  tableLength,
} from './software-tables.ts';
import { contiguousBit } from './vmsav8-descriptor.ts';

/** A range of offsets that lies in one table. */
export interface TableRange {
  readonly table: bigint;
  readonly level: number;
  readonly from: bigint;
  readonly to: bigint;
}

/** Unmaps whatever is mapped in a range. A block or a run that reaches beyond it is split first. */
export function* unmapRange(tables: SoftwareTables, range: TableRange, record: ChangeRecord): Steps {
  const { regime } = tables;
  const { table, level, from, to } = range;
  for (let at = from; at < to;) {
    const entry = entryAt(tables, table, level, at);
    const { says, start, size, address } = entry;
    const next = start + size < to ? start + size : to;
    const whole = at === start && next === start + size;
    if (says.kind === 'table') {
      const child = { table: says.table, level: level + 1 };
      if (whole) record.bytes += mappedIn(tables, child.table, child.level);
      else yield* unmapRange(tables, { ...child, from: at, to: next }, record);
      if (whole || isEmpty(tables, child.table)) {
        yield* store(tables, address, 0n);
        record.invalidate(tableInvalidation(regime, start, size));
        record.freed.push(...tablesIn(tables, child.table, child.level));
      }
    } else if (says.kind === 'leaf') {
      const run = runOf(regime, entry);
      if (run !== undefined && (run.start < from || run.start + run.length > to)) {
        yield* unfold(tables, table, level, run, record);
        continue;
      }
      if (!whole) {
        yield* splitQuietly(tables, { ...entry, says }, record);
        continue;
      }
      yield* store(tables, address, 0n);
      record.invalidate(leafInvalidation(regime, level, start, size));
      record.bytes += size;
    }
    at = next;
  }
}

/** Takes the contiguous hint from a run. */
export function* unfold(
  tables: SoftwareTables,
  table: bigint,
  level: number,
  run: { readonly start: bigint; readonly length: bigint },
  record: ChangeRecord,
): Steps {
  const { bytes } = record;
  yield* rewriteRun(tables, table, level, run, (word) => word & ~contiguousBit, record);
  record.bytes = bytes;
}

/** Splits a block on the way of another operation, whose bytes alone count. */
export function* splitQuietly(
  tables: SoftwareTables,
  entry: Parameters<typeof splitBlock>[1],
  record: ChangeRecord,
): Steps {
  const { bytes } = record;
  yield* splitBlock(tables, entry, record);
  record.bytes = bytes;
}

/** The bytes mapped by a table and those below. */
function mappedIn(tables: SoftwareTables, table: bigint, level: number): bigint {
  let bytes = 0n;
  for (const { says, size } of entriesOf(tables, table, level, 0n)) {
    if (says.kind === 'leaf') bytes += size;
    else if (says.kind === 'table') bytes += mappedIn(tables, says.table, level + 1);
  }
  return bytes;
}

/** A table and those below, the lowest first. */
function tablesIn(
  tables: SoftwareTables,
  table: bigint,
  level: number,
): readonly { address: bigint; length: number }[] {
  const below = [...entriesOf(tables, table, level, 0n)].flatMap(({ says }) =>
    says.kind === 'table' ? tablesIn(tables, says.table, level + 1) : [],
  );
  return [...below, { address: table, length: tableLength(tables.regime) }];
}
