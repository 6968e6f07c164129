import { describe, expect, it } from 'vitest';
import type { LeafEntry, Tag, TlbEntry } from './tlb-entry.ts';
import { combinedEntry, leafTag, outputOf, stageLeaf, withoutTagByte } from './tlb-entry.ts';
import { combinedAt, command, stage1At, stage2At, stageLeafAt, tableAt } from './tlb.fixture.ts';
import { Tlb } from './tlb.ts';

const el1: Tag = { world: 'NS-EL1', vmid: 1, asid: 7 };
const global: Tag = { world: 'NS-EL1', vmid: 1, aset: true };
const lookupTag: Tag = { ...el1, aset: true };

function tlb(entries: readonly TlbEntry[] = [], e2h = false, RIL = true): Tlb {
  const made = new Tlb({ identity: { RIL }, e2h: () => e2h });
  for (const entry of entries) made.insert(entry);
  return made;
}

/** Which entries a command leaves. */
function left(entries: readonly TlbEntry[], fields: Parameters<typeof command>[0], e2h = false): readonly TlbEntry[] {
  const made = tlb(entries, e2h);
  const dropped = made.invalidate(command(fields));
  expect(dropped).toStrictEqual(entries.filter((entry) => !made.has(entry)));
  return made.entries;
}

describe('A TLB lookup (3.17)', () => {
  const entry = stage1At(el1, 0x1000n);

  it('matches regime, VMID and ASID, and knows no StreamID', () => {
    const made = tlb([entry]);
    expect(made.lookup('stage 1', lookupTag, 0x1fffn)).toBe(entry);
    expect(made.lookup('stage 1', { ...lookupTag, aset: false }, 0x1000n)).toBe(entry);
    expect(made.lookup('stage 1', { ...lookupTag, asid: 8 }, 0x1000n)).toBeUndefined();
    expect(made.lookup('stage 1', { ...lookupTag, vmid: 2 }, 0x1000n)).toBeUndefined();
    expect(made.lookup('stage 1', { ...lookupTag, world: 'EL2-E2H' }, 0x1000n)).toBeUndefined();
    expect(made.lookup('stage 1', lookupTag, 0x2000n)).toBeUndefined();
    expect(made.lookup('stage 1', lookupTag, 0xfffn)).toBeUndefined();
    expect(made.lookup('combined', lookupTag, 0x1000n)).toBeUndefined();
    expect(made.lookup('stage 2', lookupTag, 0x1000n)).toBeUndefined();
  });

  it('matches global entries of any ASID, of the same ASET only', () => {
    const shared = stage1At(global, 0x1000n);
    const made = tlb([shared]);
    expect(made.lookup('stage 1', { ...lookupTag, asid: 99 }, 0x1000n)).toBe(shared);
    expect(made.lookup('stage 1', { ...lookupTag, aset: false }, 0x1000n)).toBeUndefined();
    expect(made.lookup('stage 1', { ...lookupTag, vmid: 2 }, 0x1000n)).toBeUndefined();
  });

  it('matches all of EL2 alike: it has no ASIDs', () => {
    const el2 = stage1At({ world: 'EL2' }, 0x1000n);
    expect(tlb([el2]).lookup('stage 1', { world: 'EL2' }, 0x1000n)).toBe(el2);
  });

  it('covers a block with one entry, at its whole size', () => {
    const block = stage1At(el1, 0x20_0000n, 2);
    expect(tlb([block]).lookup('stage 1', lookupTag, 0x3f_ffffn)).toBe(block);
    expect(tlb([block]).lookup('stage 1', lookupTag, 0x40_0000n)).toBeUndefined();
  });

  it('gives the older of two that overlap, and replaces one of the same range', () => {
    const block = stage1At(el1, 0x20_0000n, 2);
    const page = stage1At(el1, 0x20_1000n);
    expect(tlb([block, page]).lookup('stage 1', lookupTag, 0x20_1000n)).toBe(block);
    expect(tlb([page, block]).lookup('stage 1', lookupTag, 0x20_1000n)).toBe(page);
    const again = stage1At(el1, 0x20_1000n);
    const made = tlb([page, block, again]);
    expect(made.entries).toStrictEqual([block, again]);
    expect(made.has(page)).toBe(false);
    expect(made.lookup('stage 1', lookupTag, 0x20_1000n)).toBe(block);
  });

  it('finds the deepest table descriptor of the granule', () => {
    const tables = [tableAt(1, el1, 0n, 0), tableAt(1, el1, 0n, 1), tableAt(1, el1, 0x20_0000n, 2)];
    const made = tlb(tables);
    expect(made.lookupTable('stage 1 table', el1, 0x20_0000n, 12)).toBe(tables[2]);
    expect(tlb(tables.toReversed()).lookupTable('stage 1 table', el1, 0x20_0000n, 12)).toBe(tables[2]);
    expect(made.lookupTable('stage 1 table', el1, 0x40_0000n, 12)).toBe(tables[1]);
    expect(made.lookupTable('stage 1 table', el1, 0x20_0000n, 14)).toBeUndefined();
    expect(made.lookupTable('stage 2 table', el1, 0x20_0000n, 12)).toBeUndefined();
    expect(made.lookupTable('stage 1 table', { ...el1, asid: 8 }, 0x20_0000n, 12)).toBeUndefined();
  });

  it('loses what is evicted, once', () => {
    const made = tlb([entry]);
    expect(made.evict(entry)).toBe(true);
    expect(made.evict(entry)).toBe(false);
    expect(made.lookup('stage 1', lookupTag, 0x1000n)).toBeUndefined();
    made.insert(entry);
    made.clear();
    expect(made.entries).toStrictEqual([]);
    expect(made.lookup('stage 1', lookupTag, 0x1000n)).toBeUndefined();
  });
});

describe('TLBI by scope (4.4)', () => {
  const page = 0x1000n;
  const own = stage1At(el1, page);
  const otherAsid = stage1At({ ...el1, asid: 8 }, page);
  const otherVmid = stage1At({ ...el1, vmid: 2 }, page);
  const shared = stage1At(global, page);
  const both = combinedAt(el1, page);
  const ipa = stage2At(1, page);
  const otherIpa = stage2At(2, page);
  const table = tableAt(1, el1, 0n, 2);
  const table2 = tableAt(2, { world: 'NS-EL1', vmid: 1 }, 0n, 2);
  const el2 = stage1At({ world: 'EL2' }, page);
  const e2h = stage1At({ world: 'EL2-E2H', asid: 7 }, page);
  const e2hGlobal = stage1At({ world: 'EL2-E2H', aset: false }, page);
  const all = [own, otherAsid, otherVmid, shared, both, ipa, otherIpa, table, table2, el2, e2h, e2hGlobal];
  const without = (...gone: readonly TlbEntry[]): readonly TlbEntry[] => all.filter((entry) => !gone.includes(entry));

  it('NH_ALL: stage 1 of the VMID, with global and combined entries; stage 2 stays (NEST-06)', () => {
    expect(left(all, { op: 'TLBI_NH_ALL', vmid: 1 })).toStrictEqual(without(own, otherAsid, shared, both, table));
  });

  it('NH_ASID: what has the ASID; global entries stay', () => {
    expect(left(all, { op: 'TLBI_NH_ASID', vmid: 1, asid: 7 })).toStrictEqual(without(own, both, table));
  });

  it('NH_VA: of the ASID and global', () => {
    const fields = { op: 'TLBI_NH_VA', vmid: 1, asid: 7, address: page } as const;
    expect(left(all, fields)).toStrictEqual(without(own, shared, both, table));
  });

  it('NH_VAA: of all ASIDs', () => {
    const fields = { op: 'TLBI_NH_VAA', vmid: 1, address: page } as const;
    expect(left(all, fields)).toStrictEqual(without(own, otherAsid, shared, both, table));
  });

  it('S2_IPA: stage 2 of the VMID; combined entries stay (NEST-05)', () => {
    const fields = { op: 'TLBI_S2_IPA', vmid: 1, address: page } as const;
    expect(left(all, fields)).toStrictEqual(without(ipa, table2));
  });

  it('S12_VMALL: both stages of the VMID', () => {
    const fields = { op: 'TLBI_S12_VMALL', vmid: 1 } as const;
    expect(left(all, fields)).toStrictEqual(without(own, otherAsid, shared, both, ipa, table, table2));
  });

  it('NSNH_ALL: all but EL2', () => {
    expect(left(all, { op: 'TLBI_NSNH_ALL' })).toStrictEqual([el2, e2h, e2hGlobal]);
  });

  it('EL2_ALL: EL2 with and without E2H', () => {
    expect(left(all, { op: 'TLBI_EL2_ALL' })).toStrictEqual(without(el2, e2h, e2hGlobal));
  });

  it('EL2_VA: what CR2.E2H says, with E2H by ASID (INV-04)', () => {
    const fields = { op: 'TLBI_EL2_VA', asid: 7, address: page } as const;
    expect(left(all, fields, false)).toStrictEqual(without(el2));
    expect(left(all, fields, true)).toStrictEqual(without(e2h, e2hGlobal));
    expect(left(all, { ...fields, asid: 8 }, false)).toStrictEqual(without(el2));
    expect(left(all, { ...fields, asid: 8 }, true)).toStrictEqual(without(e2hGlobal));
  });

  it('EL2_VAA: what CR2.E2H says, of all ASIDs', () => {
    const fields = { op: 'TLBI_EL2_VAA', address: page } as const;
    expect(left(all, fields, false)).toStrictEqual(without(el2));
    expect(left(all, fields, true)).toStrictEqual(without(e2h, e2hGlobal));
  });

  it('EL2_ASID: what has the ASID', () => {
    expect(left(all, { op: 'TLBI_EL2_ASID', asid: 7 })).toStrictEqual(without(e2h));
    expect(left(all, { op: 'TLBI_EL2_ASID', asid: 8 })).toStrictEqual(all);
  });

  it('does not match the VMID where stage 2 is not implemented: entries have none', () => {
    const entry = stage1At({ world: 'NS-EL1', asid: 7 }, page);
    expect(left([entry], { op: 'TLBI_NH_VA', vmid: 5, asid: 7, address: page })).toStrictEqual([]);
  });

  it('drops nothing by other commands', () => {
    for (const fields of [{ op: 'CFGI_ALL' }, { op: 'SYNC' }, { op: 'ATC_INV', size: 52 }] as const) {
      expect(left(all, fields)).toStrictEqual(all);
    }
  });
});

describe('TLBI by address (4.4.1)', () => {
  const at = { op: 'TLBI_NH_VA', vmid: 1, asid: 7 } as const;
  const block = stage1At(el1, 0x20_0000n, 2);

  it('drops a block by any address in it, and no neighbour', () => {
    const next = stage1At(el1, 0x40_0000n, 2);
    expect(left([block, next], { ...at, address: 0x3f_f000n })).toStrictEqual([next]);
    expect(left([block, next], { ...at, address: 0x1f_f000n })).toStrictEqual([block, next]);
  });

  it('drops all parts of a stage-1 block that stage 2 broke up, by any address in the block', () => {
    const parts = [combinedAt(el1, 0x20_0000n, 2), combinedAt(el1, 0x3f_f000n, 2), combinedAt(el1, 0x40_0000n, 2)];
    expect(left(parts, { ...at, address: 0x30_0000n })).toStrictEqual([parts[2]]);
  });

  it('Leaf = 1 leaves tables, Leaf = 0 drops those on the way (INV-05)', () => {
    const page = stage1At(el1, 0x1000n);
    const tables = [tableAt(1, el1, 0n, 0), tableAt(1, el1, 0n, 1), tableAt(1, el1, 0n, 2)];
    const aside = tableAt(1, el1, 0x20_0000n, 2);
    const entries = [page, ...tables, aside];
    expect(left(entries, { ...at, address: 0x1000n, leaf: true })).toStrictEqual([...tables, aside]);
    expect(left(entries, { ...at, address: 0x1000n, leaf: false })).toStrictEqual([aside]);
  });

  it('keeps global entries in Leaf and range as others', () => {
    const shared = stage1At(global, 0x5000n);
    expect(left([shared], { ...at, asid: 99, address: 0x5000n })).toStrictEqual([]);
    expect(left([shared], { ...at, asid: 99, address: 0x6000n })).toStrictEqual([shared]);
  });

  it('matches VAs of the upper half by all 64 bits', () => {
    const upper = stage1At(el1, 0xffff_8000_0000_0000n);
    expect(left([upper], { ...at, address: 0x0000_8000_0000_0000n })).toStrictEqual([upper]);
    expect(left([upper], { ...at, address: 0xffff_8000_0000_0000n })).toStrictEqual([]);
  });
});

describe('TLBI by range, with TG, NUM, SCALE and TTL (4.4.1.1)', () => {
  const at = { op: 'TLBI_NH_VA', vmid: 1, asid: 7, tg: 1 } as const;
  const page = (number: bigint): LeafEntry => stage1At(el1, number << 12n);

  it('drops (NUM + 1) << SCALE granules from the address', () => {
    const pages = [page(9n), page(10n), page(21n), page(22n)];
    expect(left(pages, { ...at, address: 10n << 12n, num: 2, scale: 2 })).toStrictEqual([pages[0], pages[3]]);
    expect(left(pages, { ...at, address: 10n << 12n, num: 11, scale: 0 })).toStrictEqual([pages[0], pages[3]]);
    expect(left(pages, { ...at, address: 10n << 12n, num: 10, scale: 0 })).toStrictEqual([
      pages[0],
      pages[2],
      pages[3],
    ]);
  });

  it('drops a block that the range touches', () => {
    const block = stage1At(el1, 0x20_0000n, 2);
    expect(left([block], { ...at, address: 0x1f_f000n, num: 1 })).toStrictEqual([]);
    expect(left([block], { ...at, address: 0x1f_e000n, num: 1 })).toStrictEqual([block]);
    expect(left([block], { ...at, address: 0x3f_f000n, num: 1 })).toStrictEqual([]);
  });

  it.each([
    [1, 12],
    [2, 14],
    [3, 16],
  ] as const)('TG = %i drops entries of 2^%i granules only', (tg, granuleLog2) => {
    const entries = [12, 14, 16].map((each) => stage1At(el1, 0x40_0000n, 3, each));
    const tables = [12, 14, 16].map((each) => tableAt(1, el1, 0n, 1, each));
    // Leaves of one place replace each other: one TLB for each.
    for (const entry of entries) {
      const stays = entry.stage1?.granuleLog2 === granuleLog2 ? [] : [entry];
      expect(left([entry], { ...at, address: 0x40_0000n, tg, num: 1 })).toStrictEqual(stays);
    }
    expect(left(tables, { ...at, address: 0x40_0000n, tg, num: 1 })).toStrictEqual(
      tables.filter((entry) => entry.granuleLog2 !== granuleLog2),
    );
    expect(left(tables, { ...at, tg: 0, address: 0x40_0000n })).toStrictEqual([]);
  });

  it('TTL drops leaves of that level, and tables above it', () => {
    const base = 0x4000_0000n;
    const leaves = [stage1At(el1, base, 1), stage1At(el1, base, 2), stage1At(el1, base, 3)];
    const tables = [tableAt(1, el1, 0n, 0), tableAt(1, el1, base, 1), tableAt(1, el1, base, 2)];
    const entries = [...leaves, ...tables];
    const stay = (ttl: number): readonly TlbEntry[] => left(entries, { ...at, address: base, ttl, num: 1 });
    expect(stay(3)).toStrictEqual([leaves[0], leaves[1]]);
    expect(stay(2)).toStrictEqual([leaves[0], leaves[2], tables[2]]);
    expect(stay(1)).toStrictEqual([leaves[1], leaves[2], tables[1], tables[2]]);
    expect(stay(0)).toStrictEqual([]);
  });

  it('TTL of a combined entry is the level of its stage-1 leaf', () => {
    const part = combinedAt(el1, 0x20_1000n, 2);
    expect(left([part], { ...at, address: 0x20_0000n, ttl: 3, num: 1 })).toStrictEqual([part]);
    expect(left([part], { ...at, address: 0x20_0000n, ttl: 2, num: 1 })).toStrictEqual([]);
  });

  it('TTL = 1 is reserved with 16 KiB, and is no hint', () => {
    const entry = stage1At(el1, 0x4000n, 3, 14);
    expect(left([entry], { ...at, tg: 2, address: 0x4000n, ttl: 1, num: 1 })).toStrictEqual([]);
  });

  it.each([
    [1, 1, 30],
    [1, 2, 21],
    [2, 2, 25],
    [2, 0, 14],
    [2, 1, 14],
    [2, 3, 14],
    [3, 1, 42],
    [3, 2, 29],
    [3, 0, 16],
    [3, 3, 16],
  ] as const)('TG %i, TTL %i with an address not aligned to 2^%i drops nothing for certain', (tg, ttl, aligned) => {
    const level = ttl === 0 || (tg === 2 && ttl === 1) ? 3 : ttl;
    const entry = stage1At(el1, 1n << 43n, level, 10 + 2 * tg);
    const fields = { ...at, tg, ttl, num: 31, scale: 24 };
    expect(left([entry], { ...fields, address: (1n << 43n) - (1n << BigInt(aligned)) })).toStrictEqual([]);
    expect(left([entry], { ...fields, address: (1n << 43n) - (1n << BigInt(aligned - 1)) })).toStrictEqual([entry]);
  });

  it('does not wrap at the top of the address space', () => {
    const low = page(0n);
    const top = stage1At(el1, 0xffff_ffff_ffff_f000n);
    expect(left([low, top], { ...at, address: 0xffff_ffff_ffff_f000n, num: 1 })).toStrictEqual([low]);
  });

  it('uses nothing of that with TG = 0, or without IDR3.RIL', () => {
    const pages = [page(10n), page(11n)];
    const fields = { ...at, tg: 0, num: 1, scale: 3, ttl: 2, address: 10n << 12n };
    expect(left(pages, fields)).toStrictEqual([pages[1]]);
    const made = tlb(pages, false, false);
    made.invalidate(command({ ...fields, tg: 3 }));
    expect(made.entries).toStrictEqual([pages[1]]);
  });

  it('S2_IPA has ranges too', () => {
    const entries = [stage2At(1, 0x1000n), stage2At(1, 0x2000n), stage2At(1, 0x3000n)];
    const fields = { op: 'TLBI_S2_IPA', vmid: 1, tg: 1, num: 1, address: 0x1000n } as const;
    expect(left(entries, fields)).toStrictEqual([entries[2]]);
    expect(left(entries, { ...fields, vmid: 2 })).toStrictEqual(entries);
    expect(left(entries, { ...fields, ttl: 2, address: 0n })).toStrictEqual(entries);
  });
});

describe('Entries', () => {
  it('of both stages span the smaller leaf', () => {
    const block = stageLeafAt(0x20_0000n, 0x80_0000n, 2);
    const page = stageLeafAt(0x81_2000n, 0x7000n);
    expect(combinedEntry(el1, block, page, 0x21_2345n)).toMatchObject({
      kind: 'combined',
      input: 0x21_2000n,
      sizeLog2: 12,
      output: 0x7000n,
    });
    const wide = stageLeafAt(0n, 0x4000_0000n, 1);
    expect(combinedEntry(el1, block, wide, 0x21_2345n)).toMatchObject({
      input: 0x20_0000n,
      sizeLog2: 21,
      output: 0x4080_0000n,
    });
    expect(() => combinedEntry(el1, block, page, 0x21_3000n)).toThrow('0x813000');
    expect(outputOf(page, 0x81_2fffn)).toBe(0x7fffn);
  });

  it('cover a contiguous run only if asked for, and not while its pages are still clean', () => {
    const { leaf } = stageLeafAt(0n, 0x1_5000n);
    const run = { ...leaf, contiguousLog2: 16 };
    expect(stageLeaf(run, 0x5123n, 12, true)).toMatchObject({ input: 0n, sizeLog2: 16, output: 0x1_0000n });
    expect(stageLeaf(run, 0x5123n, 12, false)).toMatchObject({ input: 0x5000n, sizeLog2: 12, output: 0x1_5000n });
    expect(stageLeaf({ ...run, writableClean: true }, 0x5123n, 12, true)).toMatchObject({ sizeLog2: 12 });
  });

  it('of global leaves have the ASET instead of the ASID, where there are ASIDs', () => {
    expect(leafTag(lookupTag, true)).toStrictEqual(global);
    expect(leafTag(lookupTag, false)).toStrictEqual(el1);
    expect(leafTag({ world: 'EL2' }, true)).toStrictEqual({ world: 'EL2' });
  });

  it('have VAs without tag byte where it is ignored', () => {
    expect(withoutTagByte(0xab00_0000_0000_1000n, true)).toBe(0x1000n);
    expect(withoutTagByte(0x00ff_8000_0000_0000n, true)).toBe(0xffff_8000_0000_0000n);
    expect(withoutTagByte(0xab00_0000_0000_1000n, false)).toBe(0xab00_0000_0000_1000n);
  });
});
