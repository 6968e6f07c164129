/**
 * The software side of VMSAv8-64 tables, as an operating system or hypervisor keeps them: map, unmap, protect, split, collapse
 * and fold on tables in memory. Every operation is a sequence of 64-bit writes; `...Steps` yields after each, for those who
 * watch between, and where hardware must drop something before the operation goes on.
 */
import { mask } from '../bits.ts';
import type { Memory } from '../memory.ts';
import { decodeAttributes } from './attributes.ts';
import { allSteps, type Change, ChangeRecord, type FreedTable, type MappingAttributes } from './changes.ts';
import { type Leaf, type TableStep, unrestricted } from './format.ts';
import { mapRange } from './map.ts';
import { checkRange, protectRange } from './protect.ts';
import { collapseTable, foldRun, splitBlock } from './resize.ts';
import { entriesOf, type Entry, entryAt, inputOf, runOf, type SoftwareTables, type Steps } from './software-tables.ts';
import type { TableFrames } from './table-frames.ts';
import { unfold, unmapRange } from './unmap.ts';
import { leafOf, restrict } from './vmsav8-descriptor.ts';
import { type Regime, startTableLog2 } from './vmsav8-regime.ts';
import { isInRange, vmsav8 } from './vmsav8.ts';

export type { Change, FreedTable, MappingAttributes, SoftwareStep } from './changes.ts';

export interface MapOptions {
  /** Use blocks where addresses and length allow; true by default. */
  readonly blocks?: boolean;
  /** Set the contiguous hint where a whole run is mapped; false by default. */
  readonly contiguous?: boolean;
}

export interface PageTablesOptions {
  /** The tables at `regime.base` exist: keep them. Otherwise a start table is allocated, and `regime.base` is ignored. */
  readonly adopt?: boolean;
  /**
   * Changes between blocks, tables and runs, and of the memory type: `break before make` (by default) makes the descriptor
   * invalid first, with an invalidation between; `at once` needs IDR3.BBML = 2.
   */
  readonly blockChange?: 'break before make' | 'at once';
}

/**
 * Tables of one regime. Inputs are whole addresses: those of an upper half have ones above. Inputs, outputs and lengths are
 * multiples of the granule and inside the regime's sizes, else `RangeError`; when a table cannot be allocated as well.
 */
export class PageTables {
  /** With the address of the start table. */
  readonly regime: Regime;
  readonly #tables: SoftwareTables;
  readonly #frames: TableFrames;
  /** Those from `frames`: adopted tables are not released. */
  readonly #own = new Map<bigint, number>();

  constructor(memory: Memory, regime: Regime, frames: TableFrames, options: PageTablesOptions = {}) {
    this.#frames = frames;
    const own: TableFrames = {
      allocate: (length) => {
        const address = frames.allocate(length);
        this.#own.set(address, length);
        return address;
      },
      release: (address, length) => {
        frames.release(address, length);
        this.#own.delete(address);
      },
    };
    this.regime = options.adopt === true ? regime : { ...regime, base: own.allocate(2 ** startTableLog2(regime)) };
    const breakFirst = options.blockChange !== 'at once';
    this.#tables = { memory, regime: this.regime, frames: own, breakFirst };
  }

  /** The address of the start table: TTB0, TTB1 or S2TTB. */
  get base(): bigint {
    return this.regime.base;
  }

  /** Maps a range. Throws `RangeError` where something is mapped already. A mapping that fails changes nothing. */
  map(input: bigint, output: bigint, length: bigint, attributes: MappingAttributes, options: MapOptions = {}): Change {
    return allSteps(this.mapSteps(input, output, length, attributes, options));
  }

  /** Unmaps whatever is mapped in a range; a block or run that reaches beyond it is split. Empty tables are freed. */
  unmap(input: bigint, length: bigint): Change {
    return allSteps(this.unmapSteps(input, length));
  }

  /** Changes the attributes of whatever is mapped in a range; those not given stay. What reaches beyond it is split.
   * Throws `RangeError`, and changes nothing, where the attributes contradict those that stay. */
  protect(input: bigint, length: bigint, attributes: Partial<MappingAttributes>): Change {
    return allSteps(this.protectSteps(input, length, attributes));
  }

  /** Takes the contiguous hint from the run at an input, or splits the block into leaves of the next size. */
  split(input: bigint): Change {
    return allSteps(this.splitSteps(input));
  }

  /** Replaces the table below `level` by a block at `level`, if all its leaves are alike and follow each other. */
  collapse(input: bigint, level: number): Change | undefined {
    return allSteps(this.collapseSteps(input, level));
  }

  /** Gives the run at an input the contiguous hint, if all its leaves are alike and follow each other. */
  fold(input: bigint): Change | undefined {
    return allSteps(this.foldSteps(input));
  }

  *mapSteps(
    input: bigint,
    output: bigint,
    length: bigint,
    attributes: MappingAttributes,
    options: MapOptions = {},
  ): Steps<Change> {
    const offset = this.#range(input, length);
    const { granuleLog2, outputBits } = this.regime;
    const limit = 1n << BigInt(granuleLog2 === 16 ? outputBits : Math.min(outputBits, 48));
    if ((output & mask(granuleLog2)) !== 0n || output < 0n || output + length > limit) {
      throw new RangeError(`no output of this regime: 0x${output.toString(16)}, ${length} bytes`);
    }
    const { blocks = true, contiguous = false } = options;
    return yield* mapRange(this.#tables, { offset, output, length, attributes, blocks, contiguous });
  }

  *unmapSteps(input: bigint, length: bigint): Steps<Change> {
    const from = this.#range(input, length);
    const record = new ChangeRecord();
    yield* unmapRange(this.#tables, { ...this.#start, from, to: from + length }, record);
    return record.change;
  }

  *protectSteps(input: bigint, length: bigint, attributes: Partial<MappingAttributes>): Steps<Change> {
    const from = this.#range(input, length);
    const range = { ...this.#start, from, to: from + length };
    checkRange(this.#tables, range, attributes);
    const record = new ChangeRecord();
    yield* protectRange(this.#tables, range, attributes, record);
    return record.change;
  }

  *splitSteps(input: bigint): Steps<Change> {
    const { table, entry } = this.#entry(input);
    const { says } = entry;
    const record = new ChangeRecord();
    const run = says.kind === 'leaf' ? runOf(this.regime, entry) : undefined;
    if (run !== undefined) {
      yield* unfold(this.#tables, table, entry.level, run, record);
      record.bytes = run.length;
    } else if (says.kind === 'leaf' && entry.level < 3) {
      yield* splitBlock(this.#tables, { ...entry, says }, record);
    } else throw new RangeError(`no block at 0x${input.toString(16)}`);
    return record.change;
  }

  *collapseSteps(input: bigint, level: number): Steps<Change | undefined> {
    const { entry } = this.#entry(input, level);
    const record = new ChangeRecord();
    return (yield* collapseTable(this.#tables, entry, record)) ? record.change : undefined;
  }

  *foldSteps(input: bigint): Steps<Change | undefined> {
    const { table, entry } = this.#entry(input);
    const record = new ChangeRecord();
    return (yield* foldRun(this.#tables, table, entry, record)) ? record.change : undefined;
  }

  /** The leaf that an input is mapped by, as it stands in memory; `undefined` if none. */
  lookup(input: bigint): Leaf | undefined {
    const walk = this.#walk(input);
    return walk.ok ? walk.leaf : undefined;
  }

  /** What the mapping of an input says; `undefined` if there is none. */
  attributesOf(input: bigint): MappingAttributes | undefined {
    const leaf = this.lookup(input);
    return leaf === undefined ? undefined : decodeAttributes(this.regime, leaf.descriptor.word);
  }

  /** The descriptors on the way to an input. */
  path(input: bigint): readonly TableStep[] {
    return this.#walk(input).path;
  }

  /** All leaves, by ascending input. */
  *leaves(): Generator<{ readonly input: bigint; readonly leaf: Leaf }> {
    yield* this.#leavesOf(this.base, this.regime.startLevel, 0n, unrestricted);
  }

  /** Gives back tables that an operation freed: after the invalidation that it asked for is complete. */
  release(freed: readonly FreedTable[]): void {
    for (const { address, length } of freed) if (this.#own.has(address)) this.#tables.frames.release(address, length);
  }

  /** Gives back all tables, those freed and not released and the start table included. Nothing may refer to them. */
  destroy(): void {
    for (const [address, length] of this.#own) this.#frames.release(address, length);
    this.#own.clear();
  }

  get #start(): { readonly table: bigint; readonly level: number } {
    return { table: this.base, level: this.regime.startLevel };
  }

  /** The offset of a range of inputs. */
  #range(input: bigint, length: bigint): bigint {
    const { granuleLog2, inputBits } = this.regime;
    const offset = input & mask(inputBits);
    const aligned = ((input | length) & mask(granuleLog2)) === 0n && length > 0n;
    if (!aligned || inputOf(this.regime, offset) !== input || offset + length > 1n << BigInt(inputBits)) {
      throw new RangeError(`no inputs of this regime: 0x${input.toString(16)}, ${length} bytes`);
    }
    return offset;
  }

  /** The entry that an input ends at: a leaf or an invalid one, or that at a level. */
  #entry(input: bigint, level?: number): { readonly table: bigint; readonly entry: Entry } {
    if (!isInRange(this.regime, input)) throw new RangeError(`no input of this regime: 0x${input.toString(16)}`);
    const offset = input & mask(this.regime.inputBits);
    let { table } = this.#start;
    for (let at = this.regime.startLevel; ; at++) {
      const entry = entryAt(this.#tables, table, at, offset);
      if (entry.says.kind !== 'table' || at === level) return { table, entry };
      table = entry.says.table;
    }
  }

  /** A walk that neither faults for the access flag nor changes anything. */
  #walk(input: bigint): ReturnType<typeof vmsav8.walk<never>> {
    const { memory, regime } = this.#tables;
    return vmsav8.walk<never>({ ...regime, hardwareAccess: true }, input, {
      fetch: (address) => ({ ok: true, word: memory.readWord(address) }),
    });
  }

  *#leavesOf(
    table: bigint,
    level: number,
    start: bigint,
    restrictions: typeof unrestricted,
  ): Generator<{ readonly input: bigint; readonly leaf: Leaf }> {
    for (const { says, word, address, start: offset } of entriesOf(this.#tables, table, level, start)) {
      if (says.kind === 'table') {
        yield* this.#leavesOf(says.table, level + 1, offset, restrict(this.regime, restrictions, word));
      } else if (says.kind === 'leaf') {
        const leaf = leafOf(this.regime, level, { address, word }, says.output, restrictions);
        yield { input: inputOf(this.regime, offset), leaf };
      }
    }
  }
}
