/** The TLB against a slow twin: after random commands exactly what they must drop is gone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from './commands.ts';
import type { Tag, TlbEntry } from './tlb-entry.ts';
import { isLeafEntry } from './tlb-entry.ts';
import { combinedAt, command, leafLog2, stage1At, stage2At, tableAt } from './tlb.fixture.ts';
import { Tlb } from './tlb.ts';

/** What each command names, as 4.4.2 to 4.4.4 say it. */
const rules = {
  TLBI_NH_ALL: { stages: [1], worlds: () => ['NS-EL1'], vmid: true, asid: 'any', address: false },
  TLBI_NH_ASID: { stages: [1], worlds: () => ['NS-EL1'], vmid: true, asid: 'equal', address: false },
  TLBI_NH_VA: { stages: [1], worlds: () => ['NS-EL1'], vmid: true, asid: 'equal or global', address: true },
  TLBI_NH_VAA: { stages: [1], worlds: () => ['NS-EL1'], vmid: true, asid: 'any', address: true },
  TLBI_EL2_ALL: { stages: [1], worlds: () => ['EL2', 'EL2-E2H'], vmid: false, asid: 'any', address: false },
  TLBI_EL2_ASID: { stages: [1], worlds: () => ['EL2-E2H'], vmid: false, asid: 'equal', address: false },
  TLBI_EL2_VA: {
    stages: [1],
    worlds: (e2h: boolean) => [e2h ? 'EL2-E2H' : 'EL2'],
    vmid: false,
    asid: 'equal or global',
    address: true,
  },
  TLBI_EL2_VAA: {
    stages: [1],
    worlds: (e2h: boolean) => [e2h ? 'EL2-E2H' : 'EL2'],
    vmid: false,
    asid: 'any',
    address: true,
  },
  TLBI_S2_IPA: { stages: [2], worlds: () => ['NS-EL1'], vmid: true, asid: 'any', address: true },
  TLBI_S12_VMALL: { stages: [1, 2], worlds: () => ['NS-EL1'], vmid: true, asid: 'any', address: false },
  TLBI_NSNH_ALL: { stages: [1, 2], worlds: () => ['NS-EL1'], vmid: false, asid: 'any', address: false },
} as const;

type Op = keyof typeof rules;

const granules = [0, 12, 14, 16];

/** The page numbers (of 4 KiB) that a command names, one by one. */
function pagesOf(given: Extract<Command, { tg: number }>): Set<bigint> | 'unpredictable' {
  const first = given.address >> 12n;
  if (given.tg === 0) return new Set([first]);
  const granule = granules[given.tg] ?? 0;
  const level = levelOf(given) ?? 3;
  if (given.address % 2n ** BigInt(leafLog2(granule, level)) !== 0n) return 'unpredictable';
  const count = (given.num + 1) * 2 ** given.scale * 2 ** (granule - 12);
  return new Set(Array.from({ length: count }, (_, index) => first + BigInt(index)));
}

function levelOf(given: Extract<Command, { tg: number }>): number | undefined {
  if (given.tg === 0 || given.ttl === 0 || (given.tg === 2 && given.ttl === 1)) return undefined;
  return given.ttl;
}

/** Whether an entry must go. */
function mustGo(given: Command, entry: TlbEntry, e2h: boolean): boolean {
  const rule = rules[given.op as Op];
  const isTable = entry.kind === 'stage 1 table' || entry.kind === 'stage 2 table';
  const stage = entry.kind === 'stage 2' || entry.kind === 'stage 2 table' ? 2 : 1;
  if (!rule.stages.some((each) => each === stage)) return false;
  if (!rule.worlds(e2h).some((each) => each === entry.tag.world)) return false;
  if (rule.vmid && 'vmid' in given && entry.tag.vmid !== given.vmid) return false;
  const asidCounts = given.op !== 'TLBI_EL2_VA' || e2h;
  if (asidCounts && rule.asid !== 'any' && 'asid' in given) {
    const isGlobal = entry.tag.asid === undefined;
    if (isGlobal ? rule.asid === 'equal' : entry.tag.asid !== given.asid) return false;
  }
  if (!rule.address || !('tg' in given)) return true;
  const pages = pagesOf(given);
  if (pages === 'unpredictable') return false;
  const described = 'stage1' in entry && entry.stage1 !== undefined ? entry.stage1 : undefined;
  const whole = described ?? ('stage2' in entry && entry.stage2 !== undefined ? entry.stage2 : undefined) ?? entry;
  const from = whole.input >> 12n;
  const to = (whole.input + 2n ** BigInt(whole.sizeLog2)) >> 12n;
  if (![...pages].some((page) => page >= from && page < to)) return false;
  const granule = 'granuleLog2' in whole ? whole.granuleLog2 : 0;
  if (given.tg !== 0 && granules[given.tg] !== granule) return false;
  const level = levelOf(given);
  if (isTable) return !given.leaf && (level === undefined || entry.level < level);
  return level === undefined || ('leaf' in whole && whole.leaf.level === level);
}

const page = fc.integer({ min: 0, max: 0x47f }).map((number) => BigInt(number) << 12n);
const vmid = fc.constantFrom(1, 2);
const asid = fc.constantFrom(7, 8);

const tag: fc.Arbitrary<Tag> = fc.oneof(
  fc.record({ world: fc.constant('NS-EL1' as const), vmid, asid }),
  fc.record({ world: fc.constant('NS-EL1' as const), vmid, aset: fc.boolean() }),
  fc.record({ world: fc.constant('EL2' as const) }),
  fc.record({ world: fc.constant('EL2-E2H' as const), asid }),
  fc.record({ world: fc.constant('EL2-E2H' as const), aset: fc.boolean() }),
);

const shape = fc.constantFrom(
  ...([12, 14, 16] as const).flatMap((granule) => [2, 3].map((level) => ({ granule, level }))),
  { granule: 12, level: 1 },
);

const entry: fc.Arbitrary<TlbEntry> = fc
  .tuple(fc.constantFrom('stage 1' as const, 'stage 2', 'combined', 'table 1', 'table 2'), tag, page, shape, vmid)
  .map(([kind, ofTag, address, { granule, level }, ofVmid]) => {
    const size = BigInt(leafLog2(granule, level));
    const input = (address >> size) << size;
    const { aset: _, ...owner } = ofTag.asid === undefined && ofTag.world !== 'EL2' ? { ...ofTag, asid: 7 } : ofTag;
    return {
      'stage 1': () => stage1At(ofTag, input, level, granule),
      'stage 2': () => stage2At(ofVmid, input, level, granule),
      combined: () => combinedAt(ofTag, address, level, granule),
      'table 1': () => tableAt(1, owner, input, level, granule),
      'table 2': () => tableAt(2, { world: 'NS-EL1', vmid: ofVmid }, input, level, granule),
    }[kind]();
  });

const fields = fc.record({
  vmid,
  asid,
  address: fc.oneof(
    page,
    page.map((address) => (address >> 21n) << 21n),
    fc.constantFrom(0n, 0x20_0000n, 0x40_0000n),
  ),
  tg: fc.integer({ min: 0, max: 3 }),
  ttl: fc.integer({ min: 0, max: 3 }),
  num: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 31 })),
  scale: fc.integer({ min: 0, max: 3 }),
  leaf: fc.boolean(),
});

const tlbi = fc.tuple(fc.constantFrom(...(Object.keys(rules) as Op[])), fields).map(([op, given]): Command => {
  // Each command takes the fields that it has.
  const bare = command({ op });
  return command({ op, ...Object.fromEntries(Object.entries(given).filter(([name]) => name in bare)) });
});

describe('Any sequence of TLBI commands', () => {
  it('leaves exactly the entries that none of them must drop', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), fc.array(tlbi, { maxLength: 3 }), fc.boolean(), (...given) => {
        const [entries, commands, e2h] = given;
        const tlb = new Tlb({ identity: { RIL: true }, e2h: () => e2h });
        for (const each of entries) tlb.insert(each);
        let expected = [...tlb.entries];
        for (const each of commands) {
          expected = expected.filter((one) => !mustGo(each, one, e2h));
          tlb.invalidate(each);
          expect(tlb.entries).toStrictEqual(expected);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('is found by lookups: what is left is found, what is gone is not', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), tlbi, (entries, given) => {
        const tlb = new Tlb({ identity: { RIL: true }, e2h: () => false });
        for (const each of entries) tlb.insert(each);
        const gone = tlb.invalidate(given);
        const leaves = tlb.entries.filter((each) => isLeafEntry(each));
        const lost = gone.filter((each) => isLeafEntry(each));
        expect(leaves.map(({ kind, tag: of, input }) => tlb.lookup(kind, of, input))).not.toContain(undefined);
        expect(lost.filter((each) => tlb.lookup(each.kind, each.tag, each.input) === each)).toStrictEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
