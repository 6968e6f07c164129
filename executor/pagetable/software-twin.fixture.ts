/**
 * The slow twin of software tables: a map from page to what it is mapped to; and the hardware that looks on: it notes for some
 * inputs, after every write, what a walk finds.
 */
import { Memory } from '../memory.ts';
import type { Change, Invalidation, MappingAttributes, SoftwareStep } from './changes.ts';
import type { Leaf, Walk } from './format.ts';
import { PageTables, type PageTablesOptions } from './software.ts';
import { tableFrames } from './table-frames.ts';
import { inputOf } from './software-tables.ts';
import type { Regime } from './vmsav8-regime.ts';
import { vmsav8 } from './vmsav8.ts';

/** What a page is mapped to; attributes as they were given. */
export interface Page {
  readonly output: bigint;
  readonly attributes: MappingAttributes;
}

/** Tables of a regime under test, in a memory of their own. */
export function tablesOf(regime: Regime, options: PageTablesOptions = {}): { memory: Memory; tables: PageTables } {
  const memory = new Memory();
  const frames = tableFrames(memory, { base: 0x1_0000_0000n, size: 0x4000_0000n }, 'kernel');
  return { memory, tables: new PageTables(memory, regime, frames, options) };
}

/** What hardware finds, without changing anything. */
function walkOf(tables: PageTables, memory: Memory, input: bigint): Walk<never> {
  return vmsav8.walk<never>(tables.regime, input, {
    fetch: (address) => ({ ok: true, word: memory.readWord(address) }),
  });
}

/** The leaf that hardware finds. */
export function found(tables: PageTables, memory: Memory, input: bigint): Leaf | undefined {
  const walk = walkOf(tables, memory, input);
  return walk.ok ? walk.leaf : undefined;
}

/** Where a leaf sends an input. */
function outputOf(leaf: Leaf, input: bigint): bigint {
  return leaf.output + (input & ((1n << BigInt(leaf.sizeLog2)) - 1n));
}

/** What a TLB keeps of a leaf, besides its size. */
export function essence(leaf: Leaf, input: bigint): string {
  const { permissions, memoryAttributes, shareability, global } = leaf;
  return JSON.stringify([`${outputOf(leaf, input)}`, permissions, memoryAttributes, shareability, global]);
}

/**
 * Hardware that caches everything it can find for some inputs, and drops what an invalidation names. `problems` says what is
 * wrong: what it may still hold after an operation that the tables do not say any more; with break before make also two sizes or
 * memory types of one input at one time.
 */
export class Onlooker {
  readonly #tables: PageTables;
  readonly #memory: Memory;
  readonly #breakFirst: boolean;
  readonly #seen: { readonly input: bigint; on: ReadonlySet<bigint>; leaves: Leaf[]; tables: Set<bigint> }[];
  readonly problems: string[] = [];

  constructor(tables: PageTables, memory: Memory, inputs: readonly bigint[], breakFirst: boolean) {
    this.#tables = tables;
    this.#memory = memory;
    this.#breakFirst = breakFirst;
    this.#seen = inputs.map((input) => ({ input, on: new Set(), leaves: [], tables: new Set() }));
    this.#look();
  }

  /** Does an operation, looking after each step; what it asks to invalidate is dropped. */
  follow(steps: Generator<SoftwareStep, Change | undefined>): Change | undefined {
    for (;;) {
      const next = steps.next();
      if (next.done === true) {
        for (const invalidation of next.value?.invalidations ?? []) this.#drop(invalidation);
        this.#check(next.value);
        return next.value;
      }
      if (next.value.kind === 'invalidate') this.#drop(next.value.invalidation);
      else this.#look(next.value.address);
    }
  }

  /** Walks anew for the inputs whose walk reads the descriptor that was written. */
  #look(written?: bigint): void {
    for (const seen of this.#seen) {
      if (written !== undefined && !seen.on.has(written)) continue;
      const walk = walkOf(this.#tables, this.#memory, seen.input);
      seen.on = new Set(walk.path.map(({ address }) => address));
      for (const { below } of walk.path) if (below !== undefined) seen.tables.add(below.table);
      if (!walk.ok) continue;
      const { leaf } = walk;
      const { word } = leaf.descriptor;
      if (!seen.leaves.some((other) => other.descriptor.word === word && other.level === leaf.level))
        seen.leaves.push(leaf);
      const kinds = new Set(
        seen.leaves.map((one) => `${one.sizeLog2} ${one.contiguousLog2} ${one.memoryAttributes} ${one.shareability}`),
      );
      if (this.#breakFirst && kinds.size > 1) this.#problem(seen.input, [...kinds].join(' and '));
    }
  }

  #drop(invalidation: Invalidation): void {
    const { level, leaf } = invalidation;
    for (const seen of this.#seen) {
      if (seen.input < invalidation.input || seen.input >= invalidation.input + invalidation.length) continue;
      seen.leaves = seen.leaves.filter((one) => level !== undefined && one.level !== level);
      if (!leaf) seen.tables.clear();
    }
  }

  #check(change: Change | undefined): void {
    const freed = new Set(change?.freed.map(({ address }) => address));
    for (const { input, leaves, tables } of this.#seen) {
      const walk = walkOf(this.#tables, this.#memory, input);
      for (const held of leaves) {
        const same = walk.ok && essence(walk.leaf, input) === essence(held, input);
        if (!same) this.#problem(input, `a stale leaf of level ${held.level} may be kept`);
      }
      for (const table of tables) if (freed.has(table)) this.#problem(input, 'a freed table may be walked');
      const used = walk.path.some(({ below }) => below !== undefined && freed.has(below.table));
      if (used) this.#problem(input, 'a table in use was freed');
    }
    this.#look();
  }

  #problem(input: bigint, what: string): void {
    this.problems.push(`0x${input.toString(16)}: ${what}`);
  }
}

/** The input of a page of a window that starts at an offset. */
export function pageInput(regime: Regime, window: bigint, page: number): bigint {
  return inputOf(regime, window + (BigInt(page) << BigInt(regime.granuleLog2)));
}
