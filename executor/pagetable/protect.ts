/**
 * Changing the attributes of what is mapped.
 */
import { needsBreak, withAttributes } from './attributes.ts';
import type { ChangeRecord, MappingAttributes } from './changes.ts';
import { entriesIn, rewriteRun } from './resize.ts';
import {
  type Entry,
  entryAt,
  leafInvalidation,
  read,
  runOf,
  type SoftwareTables,
  type Steps,
  store,
} from './software-tables.ts';
import { splitQuietly, type TableRange, unfold } from './unmap.ts';

/** Changes the attributes of whatever is mapped in a range. A block or a run that reaches beyond it is split first. */
export function* protectRange(
  tables: SoftwareTables,
  range: TableRange,
  changed: Partial<MappingAttributes>,
  record: ChangeRecord,
): Steps {
  const { regime } = tables;
  const { table, level, from, to } = range;
  const change = (word: bigint): bigint => withAttributes(regime, word, changed);
  for (let at = from; at < to;) {
    const entry = entryAt(tables, table, level, at);
    const { says, start, size } = entry;
    const next = start + size < to ? start + size : to;
    if (says.kind === 'table') {
      yield* protectRange(tables, { table: says.table, level: level + 1, from: at, to: next }, changed, record);
    } else if (says.kind === 'leaf') {
      const run = runOf(regime, entry);
      if (run !== undefined) {
        const words = entriesIn(tables, table, level, run).map(({ word }) => word);
        const same = words.every((word) => change(word) === word);
        if (run.start >= from && run.start + run.length <= to) {
          // Between two leaves of a run nothing may differ, so that the run goes and comes back as a whole.
          if (!same) yield* rewriteRun(tables, table, level, run, change, record);
          at = run.start + run.length;
          continue;
        }
        if (!same) {
          yield* unfold(tables, table, level, run, record);
          continue;
        }
      } else if (change(entry.word) !== entry.word) {
        if (at !== start || next !== start + size) {
          yield* splitQuietly(tables, { ...entry, says }, record);
          continue;
        }
        yield* replace(tables, entry, change, record);
      }
    }
    at = next;
  }
}

/** Throws `RangeError` if a leaf of the range cannot have the attributes. */
export function checkRange(tables: SoftwareTables, range: TableRange, changed: Partial<MappingAttributes>): void {
  const { table, level, from, to } = range;
  for (let at = from; at < to;) {
    const { says, word, start, size } = entryAt(tables, table, level, at);
    const next = start + size < to ? start + size : to;
    if (says.kind === 'table') checkRange(tables, { table: says.table, level: level + 1, from: at, to: next }, changed);
    else if (says.kind === 'leaf') withAttributes(tables.regime, word, changed);
    at = next;
  }
}

/** Rewrites one leaf: through an invalid descriptor where its memory type changes or it becomes global. */
function* replace(tables: SoftwareTables, entry: Entry, change: (word: bigint) => bigint, record: ChangeRecord): Steps {
  const { regime } = tables;
  const before = read(tables, entry.address);
  const invalidation = leafInvalidation(regime, entry.level, entry.start, entry.size);
  if (tables.breakFirst && needsBreak(regime, before, change(before))) {
    yield* store(tables, entry.address, 0n);
    yield { kind: 'invalidate', invalidation };
  } else record.invalidate(invalidation);
  yield* store(tables, entry.address, change(before));
  record.bytes += entry.size;
}
