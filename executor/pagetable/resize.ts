/**
 * Changes of the size of leaves: blocks become tables and tables blocks; runs gain and lose the contiguous hint. Each goes
 * through an invalid descriptor, unless the tables are changed at once (break before make: DDI 0487, D8.16).
 */
import type { ChangeRecord } from './changes.ts';
import {
  entriesOf,
  type Entry,
  entryAt,
  fill,
  leafInvalidation,
  read,
  runAround,
  type SoftwareTables,
  type Steps,
  store,
  tableInvalidation,
  tableLength,
} from './software-tables.ts';
import {
  accessFlagBit,
  attributeBits,
  contiguousBit,
  dirtyModifierBit,
  leafDescriptor,
  readOnlyBit,
  stage2WriteBit,
  tableDescriptor,
} from './vmsav8-descriptor.ts';
import { isLeafLevel, type Regime } from './vmsav8-regime.ts';

/** A leaf, and where it leads. */
interface LeafEntry extends Entry {
  readonly says: { readonly kind: 'leaf'; readonly output: bigint };
}

/** Replaces a block by a table of leaves of the next size, without contiguous hints. */
export function* splitBlock(tables: SoftwareTables, entry: LeafEntry, record: ChangeRecord): Steps {
  const { regime, frames } = tables;
  const level = entry.level + 1;
  const table = frames.allocate(tableLength(regime));
  const invalidation = leafInvalidation(regime, entry.level, entry.start, entry.size);
  // Read now: hardware may set flags until the block is gone.
  const attributes = attributeBits(regime, entry.level, read(tables, entry.address)) & ~contiguousBit;
  if (tables.breakFirst) yield* store(tables, entry.address, 0n);
  for (const child of entriesOf(tables, table, level, entry.start)) {
    const output = entry.says.output + (child.start - entry.start);
    fill(tables, child.address, leafDescriptor(regime, level, output, attributes));
  }
  if (tables.breakFirst) yield { kind: 'invalidate', invalidation };
  else record.invalidate(invalidation);
  yield* store(tables, entry.address, tableDescriptor(regime, table));
  record.bytes += entry.size;
}

/**
 * Replaces the table that an entry refers to by a block, if all its entries are leaves with the same attributes that follow
 * each other from an aligned output; otherwise does nothing. Returns whether it did.
 */
export function* collapseTable(tables: SoftwareTables, entry: Entry, record: ChangeRecord): Steps<boolean> {
  const { regime } = tables;
  if (entry.says.kind !== 'table' || !isLeafLevel(regime, entry.level)) return false;
  const table = entry.says.table;
  const output = commonOutput(tables, [...entriesOf(tables, table, entry.level + 1, entry.start)], entry.size);
  if (output === undefined) return false;
  const invalidation = tableInvalidation(regime, entry.start, entry.size);
  if (tables.breakFirst) {
    yield* store(tables, entry.address, 0n);
    yield { kind: 'invalidate', invalidation };
  } else record.invalidate(invalidation);
  const words = [...entriesOf(tables, table, entry.level + 1, entry.start)].map(({ word }) => word);
  const [first = 0n] = gathered(regime, words);
  const attributes = attributeBits(regime, entry.level + 1, first) & ~contiguousBit;
  yield* store(tables, entry.address, leafDescriptor(regime, entry.level, output, attributes));
  record.freed.push({ address: table, length: tableLength(regime) });
  record.bytes += entry.size;
  return true;
}

/** Gives the run around a leaf the contiguous hint, if the run may have it; returns whether it did. */
export function* foldRun(tables: SoftwareTables, table: bigint, entry: Entry, record: ChangeRecord): Steps<boolean> {
  const run = runAround(tables.regime, entry.level, entry.start);
  if (run === undefined || (entry.word & contiguousBit) !== 0n) return false;
  const entries = entriesIn(tables, table, entry.level, run);
  if (commonOutput(tables, entries, run.length) === undefined) return false;
  yield* rewriteRun(tables, table, entry.level, run, (word) => word | contiguousBit, record);
  return true;
}

/**
 * Rewrites the leaves of a run together. Hardware may have set the flags of one for all: those are gathered first (DDI 0487,
 * D8.7: the Contiguous bit).
 */
export function* rewriteRun(
  tables: SoftwareTables,
  table: bigint,
  level: number,
  run: { readonly start: bigint; readonly length: bigint },
  change: (word: bigint) => bigint,
  record: ChangeRecord,
): Steps {
  const { regime } = tables;
  const entries = entriesIn(tables, table, level, run);
  const invalidation = leafInvalidation(regime, level, run.start, run.length);
  const words: bigint[] = [];
  for (const { address } of entries) {
    words.push(read(tables, address));
    if (tables.breakFirst) yield* store(tables, address, 0n);
  }
  if (tables.breakFirst) yield { kind: 'invalidate', invalidation };
  else record.invalidate(invalidation);
  for (const [index, word] of gathered(regime, words).entries()) {
    const entry = entries[index];
    if (entry !== undefined) yield* store(tables, entry.address, change(word));
  }
  record.bytes += run.length;
}

/** The entries of a run. */
export function entriesIn(
  tables: SoftwareTables,
  table: bigint,
  level: number,
  run: { readonly start: bigint; readonly length: bigint },
): readonly Entry[] {
  const entries: Entry[] = [];
  for (let start = run.start; start < run.start + run.length;) {
    const entry = entryAt(tables, table, level, start);
    entries.push(entry);
    start += entry.size;
  }
  return entries;
}

/** Leaves with the access flag and the dirty state that hardware gave any of them. */
function gathered(regime: Regime, words: readonly bigint[]): readonly bigint[] {
  const isDirty = (word: bigint): boolean =>
    (word & dirtyModifierBit) !== 0n &&
    (regime.stage === 1 ? (word & readOnlyBit) === 0n : (word & stage2WriteBit) !== 0n);
  const accessed = regime.hardwareAccess && words.some((word) => (word & accessFlagBit) !== 0n);
  const dirty = regime.hardwareDirty && words.some(isDirty);
  return words.map((word) => {
    const marked = accessed ? word | accessFlagBit : word;
    if (!dirty || (word & dirtyModifierBit) === 0n) return marked;
    return regime.stage === 1 ? marked & ~readOnlyBit : marked | stage2WriteBit;
  });
}

/** The output of leaves that are alike and follow each other, if it is aligned to their whole length. */
function commonOutput(tables: SoftwareTables, entries: readonly Entry[], length: bigint): bigint | undefined {
  const [first] = entries;
  if (first === undefined || first.says.kind !== 'leaf' || (first.says.output & (length - 1n)) !== 0n) return undefined;
  const { output } = first.says;
  const attributes = ({ level, word }: Entry): bigint => attributeBits(tables.regime, level, word) & ~contiguousBit;
  const alike = entries.every(
    (entry) =>
      entry.says.kind === 'leaf' &&
      entry.says.output === output + (entry.start - first.start) &&
      attributes(entry) === attributes(first),
  );
  return alike ? output : undefined;
}
