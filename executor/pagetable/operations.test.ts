/**
 * The operations on software tables one by one: what they write, in which order, and what they ask to invalidate.
 */
import { describe, expect, it } from 'vitest';
import { Memory } from '../memory.ts';
import { type SoftwareStep } from './changes.ts';
import { PageTables } from './software.ts';
import { tablesOf } from './software-twin.fixture.ts';
import { tableFrames } from './table-frames.ts';
import { stage1, stage2 } from './tables.fixture.ts';
import { vmsav8 } from './vmsav8.ts';

const write = { write: true };
const K = 0x1000n;
const M2 = 0x20_0000n;
const G = 0x4000_0000n;

/** The steps of an operation in words: whether a valid or an invalid descriptor was written, and what must go. */
function told(steps: Generator<SoftwareStep, unknown>): string[] {
  return [...steps].map((step) => {
    if (step.kind === 'invalidate')
      return `drop ${step.invalidation.leaf ? 'leaves' : 'tables'} of ${step.invalidation.length / K} pages`;
    return (step.after & 1n) === 0n ? 'break' : 'make';
  });
}

describe('map', () => {
  it('writes what Linux writes', () => {
    const one = tablesOf(stage1({ outputBits: 44, physicalBits: 44 }));
    const executable = { privilegedExecute: true, unprivilegedExecute: true };
    one.tables.map(0xffff_b000n, 0x4417_4000n, K, { write: true, ...executable, memoryAttributes: 1 });
    one.tables.map(0xffff_6000n, 0x480b_c000n, K, { write: false, ...executable, memoryAttributes: 1 });
    one.tables.map(0xffff_f000n, 0x809_0000n, K, { write: true, memoryAttributes: 2, shareability: 2 });
    const words = (of: typeof one, ...inputs: bigint[]): unknown =>
      inputs.map((input) => of.tables.lookup(input)?.descriptor.word);
    expect(words(one, 0xffff_b000n, 0xffff_6000n, 0xffff_f000n)).toEqual([
      0x4417_4f47n,
      0x480b_cfc7n,
      0x60_0000_0809_0e4bn,
    ]);
    const two = tablesOf(stage2({ sizeOffset: 20, startLevelCode: 2, outputBits: 44, physicalBits: 44 }));
    two.tables.map(0xffff_b000n, 0x43c9_1000n, K, { ...executable, write: true });
    two.tables.map(0xffff_6000n, 0x4808_6000n, K, { ...executable, write: false });
    two.tables.map(0xffff_8000n, 0x43cc_4000n, K, { ...executable, write: true, read: false });
    expect(words(two, 0xffff_b000n, 0xffff_6000n, 0xffff_8000n)).toEqual([0x43c9_17ffn, 0x4808_677fn, 0x43cc_47bfn]);
    expect(two.tables.path(0xffff_b000n).map(({ word }) => word & 0xfffn)).toEqual([3n, 3n, 3n, 0x7ffn]);
  });

  it('uses the largest leaves that fit, or pages alone', () => {
    const { tables } = tablesOf(stage1());
    tables.map(G - M2 - K, 2n * G - M2 - K, G + 2n * M2 + 2n * K, write);
    const sizes = (): readonly (readonly [bigint, number])[] =>
      [...tables.leaves()].map(({ input, leaf }) => [input, leaf.sizeLog2]);
    expect(sizes()).toEqual([
      [G - M2 - K, 12],
      [G - M2, 21],
      [G, 30],
      [2n * G, 21],
      [2n * G + M2, 12],
    ]);
    expect(tables.unmap(G - M2 - K, G + 2n * M2 + 2n * K).bytes).toBe(G + 2n * M2 + 2n * K);
    tables.map(G, G, M2, write, { blocks: false });
    expect(sizes()).toHaveLength(512);
    // Outputs that are not aligned as the inputs are.
    tables.map(2n * G, K, M2, write);
    expect(tables.lookup(2n * G)?.sizeLog2).toBe(12);
  });

  it('has blocks of 4 TiB with 64K and 52 physical bits', () => {
    const size = 1n << 42n;
    const { tables, memory } = tablesOf(stage1({ granuleLog2: 16, outputBits: 52, physicalBits: 52 }));
    tables.map(size, (1n << 52n) - size, size, write);
    expect(tables.lookup(size)).toMatchObject({ level: 1, output: (1n << 52n) - size });
    expect(memory.readWord(tables.base + 8n)).toBe(0x60_fc00_0000_ff41n);
    tables.split(size + 5n);
    expect(tables.lookup(2n * size - 1n)).toMatchObject({ level: 2, output: (1n << 52n) - (1n << 29n) });
    expect(tables.collapse(size, 1)?.freed).toHaveLength(1);
    expect(memory.readWord(tables.base + 8n)).toBe(0x60_fc00_0000_ff41n);
    // With 48 physical bits the largest are of 512 MiB: a table of them.
    const small = tablesOf(stage1({ granuleLog2: 16 })).tables;
    small.map(size, size, size, write);
    expect(small.lookup(size)).toMatchObject({ level: 2, sizeLog2: 29 });
  });

  it('gives the contiguous hint to whole runs of aligned outputs', () => {
    const { tables } = tablesOf(stage1());
    tables.map(15n * K, 31n * K, 34n * K, write, { contiguous: true });
    const runs = [...tables.leaves()].filter(({ leaf }) => leaf.contiguousLog2 === 16).map(({ input }) => input / K);
    expect(runs).toEqual(Array.from({ length: 32 }, (_, index) => 16n + BigInt(index)));
    tables.map(G, 8n * K, 16n * K, write, { contiguous: true });
    expect(tables.lookup(G)?.contiguousLog2).toBeUndefined();
    tables.map(2n * G, 0n, 32n * M2, write, { contiguous: true });
    expect(tables.lookup(2n * G + 31n * M2)).toMatchObject({ sizeLog2: 21, contiguousLog2: 25 });
    // A run that has a table among its blocks.
    tables.map(3n * G + M2, 0n, K, write);
    tables.unmap(3n * G + M2, K);
    tables.map(3n * G + M2, 0n, K, write);
    expect(() => tables.map(3n * G, 0n, 32n * M2, write, { contiguous: true })).toThrow(RangeError);
  });

  it('links a table before it fills it, and writes each descriptor once', () => {
    const { tables } = tablesOf(stage1());
    const written = [...tables.mapSteps(0n, 0n, 2n * K, write)].flatMap((step) =>
      step.kind === 'write' ? [step] : [],
    );
    expect(written).toHaveLength(5);
    expect(written.every(({ before }) => before === 0n)).toBe(true);
    const tablesAt = [
      tables.base,
      ...tables.path(0n).flatMap(({ below }) => (below === undefined ? [] : [below.table])),
    ];
    expect(written.map(({ address }) => address)).toEqual([...tablesAt, (tablesAt[3] ?? 0n) + 8n]);
  });

  it('refuses what is mapped, whatever its size, and changes nothing', () => {
    const { tables, memory } = tablesOf(stage1());
    tables.map(4n * M2, 0n, M2, write);
    tables.map(8n * M2, 0n, K, write);
    for (const [from, length] of [
      [4n * M2 + K, K],
      [3n * M2, 2n * M2],
      [0n, G],
      [7n * M2 + K, M2],
      [8n * M2, K],
    ] as const) {
      const before = memory.copy();
      expect(() => tables.map(from, 0n, length, write)).toThrow(/mapped already/);
      expect([...tables.leaves()].map(({ input }) => input)).toEqual([4n * M2, 8n * M2]);
      expect(memory.readWord(tables.base)).toBe(before.readWord(tables.base));
    }
  });

  it('that runs out of tables changes nothing and keeps none', () => {
    const memory = new Memory();
    const frames = tableFrames(memory, { base: G, size: 4n * K });
    const tables = new PageTables(memory, stage1(), frames);
    expect(() => tables.map(M2 - K, 0n, 2n * K, write)).toThrow(/no room/);
    expect(memory.readWord(tables.base)).toBe(0n);
    tables.map(0n, 0n, K, write);
    expect(() => frames.allocate(0x1000)).toThrow(/no room/);
  });

  it('refuses addresses that are not the regime’s', () => {
    const lower = tablesOf(stage1({ sizeOffset: 25, outputBits: 40 })).tables;
    const upper = tablesOf(stage1({ sizeOffset: 25, upper: true })).tables;
    const top = (1n << 64n) - M2;
    for (const attempt of [
      () => lower.map(0x800n, 0n, K, write),
      () => lower.map(0n, 0x800n, K, write),
      () => lower.map(0n, 0n, 0x800n, write),
      () => lower.map(0n, 0n, 0n, write),
      () => lower.map(1n << 39n, 0n, K, write),
      () => lower.map((1n << 39n) - K, 0n, 2n * K, write),
      () => lower.map(0n, 1n << 40n, K, write),
      () => lower.map(0n, (1n << 40n) - K, 2n * K, write),
      () => lower.map(0n, -K, K, write),
      () => lower.map(top, 0n, K, write),
      () => upper.map(0n, 0n, K, write),
      () => lower.unmap(0x800n, K),
      () => lower.protect(1n << 39n, K, {}),
      () => lower.split(1n << 39n),
      () => tablesOf(stage1({ outputBits: 52, physicalBits: 52 })).tables.map(0n, 1n << 48n, K, write),
    ]) {
      expect(attempt).toThrow(RangeError);
    }
    lower.map((1n << 39n) - K, (1n << 40n) - K, K, write);
    upper.map(top, 0n, M2, write);
    expect(upper.lookup((1n << 64n) - 1n)?.sizeLog2).toBe(21);
    expect(upper.unmap(top, K).invalidations.map(({ input }) => input)).toEqual([top, top]);
    expect([...upper.leaves()][0]?.input).toBe(top + K);
  });

  it('refuses attributes that the regime cannot say', () => {
    const one = tablesOf(stage1()).tables;
    const single = tablesOf(stage1({ twoPrivileges: false })).tables;
    const two = tablesOf(stage2()).tables;
    for (const attempt of [
      () => one.map(0n, 0n, K, { write: true, read: false }),
      () => one.map(0n, 0n, K, { write: true, memoryAttributes: 8 }),
      () => one.map(0n, 0n, K, { write: true, shareability: 4 }),
      () => single.map(0n, 0n, K, { write: true, unprivileged: false }),
      () => single.map(0n, 0n, K, { write: true, global: false }),
      () => single.map(0n, 0n, K, { write: true, privilegedExecute: true }),
      () => two.map(0n, 0n, K, { write: true, global: true }),
      () => two.map(0n, 0n, K, { write: true, unprivileged: true }),
      () => two.map(0n, 0n, K, { write: true, memoryAttributes: 16 }),
      () => two.map(0n, 0n, K, { write: true, privilegedExecute: true }),
    ]) {
      expect(attempt).toThrow(RangeError);
    }
    const four = tablesOf(stage2({ executeNeverPrivileges: true })).tables;
    for (const [page, privilegedExecute, unprivilegedExecute] of [
      [0n, false, false],
      [1n, false, true],
      [2n, true, false],
      [3n, true, true],
    ] as const) {
      const attributes = { write: false, privilegedExecute, unprivilegedExecute };
      four.map(page * K, 0n, K, attributes);
      const found = four.lookup(page * K);
      expect([found?.permissions.privileged.execute, found?.permissions.unprivileged.execute]).toEqual([
        privilegedExecute,
        unprivilegedExecute,
      ]);
      expect(four.attributesOf(page * K)).toMatchObject(attributes);
    }
  });
});

describe('unmap', () => {
  it('of pages asks for their leaves, joined', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, 0n, 16n * K, write);
    expect(tables.unmap(2n * K, 3n * K)).toEqual({
      bytes: 3n * K,
      invalidations: [{ input: 2n * K, length: 3n * K, level: 3, sizeLog2: 12, leaf: true }],
      freed: [],
    });
    expect(tables.unmap(2n * K, 3n * K)).toEqual({ bytes: 0n, invalidations: [], freed: [] });
  });

  it('of the last page takes the tables with it, the lowest first, and asks for tables', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, 0n, K, write);
    const below = tables.path(0n).flatMap((step) => (step.below === undefined ? [] : [step.below.table]));
    const change = tables.unmap(0n, K);
    expect(change.freed).toEqual(below.toReversed().map((address) => ({ address, length: 4096 })));
    expect(change.invalidations).toEqual([
      { input: 0n, length: 512n * G, level: undefined, sizeLog2: 12, leaf: false },
    ]);
  });

  it('of all that a table maps is one write, and frees what is below', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, 0n, 2n * M2, write, { blocks: false });
    tables.map(G, 0n, K, write);
    const operation = tables.unmapSteps(0n, G);
    expect(told(operation)).toEqual(['break']);
    const again = tablesOf(stage1()).tables;
    again.map(0n, 0n, 2n * M2, write, { blocks: false });
    again.map(G, 0n, K, write);
    const change = again.unmap(0n, G);
    expect(change.freed).toHaveLength(3);
    expect(change.bytes).toBe(2n * M2);
    expect(change.invalidations).toEqual([{ input: 0n, length: G, level: undefined, sizeLog2: 12, leaf: false }]);
  });

  it('of part of a block splits it first, through an invalid descriptor', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, 0n, 2n * M2, write);
    expect(told(tables.unmapSteps(K, K))).toEqual(['break', 'drop leaves of 512 pages', 'make', 'break']);
    expect(tables.lookup(0n)).toMatchObject({ sizeLog2: 12, output: 0n });
    expect(tables.lookup(M2 - K)).toMatchObject({ output: M2 - K });
    expect(tables.unmap(M2, K).invalidations).toEqual([
      { input: M2, length: M2, level: 2, sizeLog2: 21, leaf: true },
      { input: M2, length: K, level: 3, sizeLog2: 12, leaf: true },
    ]);
  });

  it('of part of a run takes the hint from the run first', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, 0n, 32n * K, write, { contiguous: true });
    const sixteen = (what: string): string[] => Array.from({ length: 16 }, () => what);
    expect(told(tables.unmapSteps(K, K))).toEqual([
      ...sixteen('break'),
      'drop leaves of 16 pages',
      ...sixteen('make'),
      'break',
    ]);
    expect(tables.lookup(2n * K)?.contiguousLog2).toBeUndefined();
    expect(tables.lookup(16n * K)?.contiguousLog2).toBe(16);
    expect(told(tables.unmapSteps(16n * K, 16n * K))).toEqual(sixteen('break'));
  });

  it('at once makes the change with one write', () => {
    const { tables } = tablesOf(stage1(), { blockChange: 'at once' });
    tables.map(0n, 0n, M2, write);
    expect(told(tables.unmapSteps(K, K))).toEqual(['make', 'break']);
    tables.map(2n * M2, 0n, 16n * K, write, { contiguous: true });
    expect(told(tables.splitSteps(2n * M2))).toEqual(Array.from({ length: 16 }, () => 'make'));
  });
});

describe('protect', () => {
  it('writes once, and asks for what it changed', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, 0n, 4n * K, write);
    expect(told(tables.protectSteps(K, K, { write: false }))).toEqual(['make']);
    expect(tables.protect(0n, 4n * K, { write: false }).invalidations).toEqual([
      { input: 0n, length: K, level: 3, sizeLog2: 12, leaf: true },
      { input: 2n * K, length: 2n * K, level: 3, sizeLog2: 12, leaf: true },
    ]);
    expect(tables.protect(0n, 4n * K, { write: false })).toEqual({ bytes: 0n, invalidations: [], freed: [] });
  });

  it('goes through an invalid descriptor where the memory type changes, or a leaf becomes global', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, 0n, K, { write: true, memoryAttributes: 1 });
    const broken = ['break', 'drop leaves of 1 pages', 'make'];
    expect(told(tables.protectSteps(0n, K, { memoryAttributes: 2 }))).toEqual(broken);
    expect(told(tables.protectSteps(0n, K, { shareability: 2 }))).toEqual(broken);
    expect(told(tables.protectSteps(0n, K, { global: true }))).toEqual(broken);
    expect(told(tables.protectSteps(0n, K, { global: false }))).toEqual(['make']);
    expect(told(tables.protectSteps(0n, K, { accessFlag: false }))).toEqual(['make']);
    expect(tables.attributesOf(0n)).toMatchObject({
      write: true,
      memoryAttributes: 2,
      shareability: 2,
      accessFlag: false,
    });
    const once = tablesOf(stage1(), { blockChange: 'at once' }).tables;
    once.map(0n, 0n, K, write);
    expect(told(once.protectSteps(0n, K, { memoryAttributes: 2 }))).toEqual(['make']);
  });

  it('keeps the bits of software and NS', () => {
    const { tables, memory } = tablesOf(stage1());
    tables.map(0n, 0n, K, write);
    const { address, word } = tables.lookup(0n)?.descriptor ?? { address: 0n, word: 0n };
    const others = (0xfn << 55n) | (1n << 5n) | (0xfn << 59n);
    memory.writeWord(address, word | others);
    tables.protect(0n, K, { write: false, memoryAttributes: 3 });
    expect((memory.readWord(address) & others) === others).toBe(true);
  });

  it('that cannot be said changes nothing', () => {
    const { tables } = tablesOf(stage2());
    tables.map(0n, 0n, K, write);
    tables.map(K, 0n, K, { write: true, privilegedExecute: true, unprivilegedExecute: true });
    expect(() => tables.protect(0n, 2n * K, { write: false, privilegedExecute: false })).toThrow(RangeError);
    expect(tables.attributesOf(0n)?.write).toBe(true);
  });

  it('of a whole run keeps the hint, and changes it as a whole', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, 0n, 16n * K, write, { contiguous: true });
    const change = tables.protectSteps(0n, 16n * K, { write: false });
    const words = told(change);
    expect(words.slice(0, 16).every((word) => word === 'break')).toBe(true);
    expect(words.slice(16)).toEqual(['drop leaves of 16 pages', ...Array.from({ length: 16 }, () => 'make')]);
    expect(tables.lookup(15n * K)).toMatchObject({ contiguousLog2: 16 });
    expect(told(tables.protectSteps(0n, 16n * K, { write: false }))).toEqual([]);
    expect(told(tables.protectSteps(0n, K, { write: false }))).toEqual([]);
    tables.protect(0n, K, { write: true });
    expect(tables.lookup(0n)?.permissions.unprivileged.write).toBe(true);
    expect(tables.lookup(K)?.permissions.unprivileged.write).toBe(false);
    expect(tables.lookup(K)?.contiguousLog2).toBeUndefined();
  });
});

describe('split, collapse and fold', () => {
  it('go there and back', () => {
    const { tables } = tablesOf(stage1());
    tables.map(G, 0n, G, write);
    const { word = 0n } = tables.lookup(G)?.descriptor ?? {};
    expect(tables.split(G + 5n)).toEqual({
      bytes: G,
      invalidations: [{ input: G, length: G, level: 1, sizeLog2: 30, leaf: true }],
      freed: [],
    });
    tables.split(G + M2);
    expect(() => tables.split(G + M2)).toThrow(/no block/);
    expect(() => tables.split(0n)).toThrow(/no block/);
    // Not all leaves are of the next size.
    expect(tables.collapse(G, 1)).toBeUndefined();
    expect(tables.fold(G + M2 + 3n * K)).toMatchObject({ bytes: 16n * K });
    const back = tables.collapse(G + M2, 2);
    expect(back).toMatchObject({ bytes: M2, freed: [{ length: 4096 }] });
    expect(back?.invalidations).toEqual([{ input: G + M2, length: M2, level: undefined, sizeLog2: 12, leaf: false }]);
    tables.release(back?.freed ?? []);
    expect(tables.collapse(G, 1)?.bytes).toBe(G);
    expect(tables.lookup(G)?.descriptor.word).toBe(word);
    expect(tables.collapse(G, 1)).toBeUndefined();
    expect(tables.collapse(0n, 0)).toBeUndefined();
  });

  it('collapse goes through an invalid descriptor', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, 0n, M2, write, { blocks: false });
    expect(told(tables.collapseSteps(0n, 2))).toEqual(['break', 'drop tables of 512 pages', 'make']);
    tables.split(0n);
    tables.protect(K, K, { write: false });
    expect(tables.collapse(0n, 2)).toBeUndefined();
    expect(tables.fold(0n)).toBeUndefined();
    expect(tables.fold(16n * K)).toMatchObject({ bytes: 16n * K });
    expect(tables.fold(17n * K)).toBeUndefined();
  });

  it('need outputs that follow each other from an aligned one', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, K, M2, write, { blocks: false });
    expect([tables.collapse(0n, 2), tables.fold(0n)]).toEqual([undefined, undefined]);
    tables.map(M2, 0n, K, write);
    tables.map(M2 + K, 0n, 511n * K, write, { blocks: false });
    expect([tables.collapse(M2, 2), tables.fold(M2)]).toEqual([undefined, undefined]);
    tables.map(2n * M2, 0n, M2 - K, write);
    expect(tables.collapse(2n * M2, 2)).toBeUndefined();
    expect(tables.fold(3n * M2 - K)).toBeUndefined();
  });
});

describe('what hardware sets while software works', () => {
  const httu = stage1({ hardwareAccess: true, hardwareDirty: true });
  const clean = { write: false, dirtyModifier: true, accessFlag: false } as const;

  /** A write of a device through the tables. */
  function deviceWrites(memory: Memory, tables: PageTables, input: bigint): boolean {
    const words = {
      fetch: (address: bigint) => ({ ok: true, word: memory.readWord(address) }) as const,
      update: (address: bigint, expected: bigint, desired: bigint) => {
        const word = memory.readWord(address);
        if (word === expected) memory.writeWord(address, desired);
        return { ok: true, word } as const;
      },
    };
    const walk = vmsav8.walk<never>(tables.regime, input, words);
    return walk.ok && vmsav8.markDirty(tables.regime, walk.leaf, words).ok;
  }

  it('of one leaf of a run is true of all when the run loses its hint', () => {
    for (const regime of [httu, stage2({ hardwareAccess: true, hardwareDirty: true })]) {
      const { tables, memory } = tablesOf(regime);
      tables.map(0n, 0n, 16n * K, clean, { contiguous: true });
      expect(deviceWrites(memory, tables, 3n * K)).toBe(true);
      tables.split(0n);
      for (const page of [0n, 3n, 15n]) {
        expect(tables.attributesOf(page * K)).toMatchObject({ write: true, accessFlag: true, dirtyModifier: true });
      }
    }
  });

  it('is not spread where hardware does not manage it', () => {
    const { tables } = tablesOf(stage1());
    tables.map(0n, 0n, 16n * K, clean, { contiguous: true });
    tables.split(0n);
    expect(tables.attributesOf(0n)).toMatchObject({ write: false, accessFlag: false });
  });

  it('up to the break is in what is made', () => {
    for (const change of ['split', 'collapse', 'protect'] as const) {
      const { tables, memory } = tablesOf(httu);
      tables.map(0n, 0n, M2, clean, { blocks: change !== 'collapse' });
      const operation = {
        split: () => tables.splitSteps(0n),
        collapse: () => tables.collapseSteps(0n, 2),
        protect: () => tables.protectSteps(0n, M2, { memoryAttributes: 3 }),
      }[change]();
      if (change === 'collapse') {
        for (let page = 0n; page < 512n; page++) deviceWrites(memory, tables, page * K);
      } else deviceWrites(memory, tables, 0n);
      for (const step of operation) {
        // Once broken, nothing can be reached.
        const reached = deviceWrites(memory, tables, 5n * K);
        expect(reached).toBe(step.kind === 'write' && (step.after & 1n) === 1n);
      }
      expect(tables.attributesOf(5n * K)).toMatchObject({ write: true, accessFlag: true });
    }
  });
});

describe('the tables themselves', () => {
  it('are as large as the start level needs, and aligned to it', () => {
    for (const [regime, size] of [
      [stage1({ sizeOffset: 25 }), 4096n],
      [stage1({ sizeOffset: 24 }), 16n],
      [stage2({ sizeOffset: 21 }), 0x1_0000n],
    ] as const) {
      const { tables, memory } = tablesOf(regime);
      expect(tables.base % size).toBe(0n);
      expect(tables.regime.base).toBe(tables.base);
      expect(memory.ownerOf(tables.base + size - 1n)).toBe('kernel');
    }
  });

  it('go back when they are released or destroyed', () => {
    const memory = new Memory();
    const frames = tableFrames(memory, { base: G, size: 4n * K });
    const tables = new PageTables(memory, stage1(), frames);
    tables.map(0n, 0n, K, write);
    const { freed } = tables.unmap(0n, K);
    expect(() => tables.map(0n, 0n, K, write)).toThrow(/no room/);
    tables.release(freed);
    tables.release(freed);
    tables.map(0n, 0n, K, write);
    tables.destroy();
    expect(Array.from({ length: 4 }, () => frames.allocate(0x1000))).toHaveLength(4);
  });

  it('may be adopted, and are then not released', () => {
    const { memory, tables } = tablesOf(stage1());
    tables.map(0n, 0n, K, write);
    const frames = tableFrames(memory, { base: 16n * G, size: 0x1_0000n });
    const adopted = new PageTables(memory, tables.regime, frames, { adopt: true });
    expect(adopted.base).toBe(tables.base);
    expect(adopted.lookup(0n)).toEqual(tables.lookup(0n));
    const { freed } = adopted.unmap(0n, K);
    expect(freed).toHaveLength(3);
    adopted.release(freed);
    adopted.map(0n, 0n, K, write);
    expect(tables.path(0n)[1]?.address).toBe(16n * G);
    adopted.destroy();
  });
});
