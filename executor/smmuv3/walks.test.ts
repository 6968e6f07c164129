import { describe, expect, it } from 'vitest';
import { command } from './tlb.fixture.ts';
import {
  bypassing,
  HandmadeTables,
  nested,
  nestedStream,
  ordinary,
  ordinary2,
  read,
  someSte,
  stage1With,
  stage2With,
  TestUnit,
  translating,
} from './translation.fixture.ts';
import { translateAccess } from './translation.ts';
import type { WalkBegun, WalkInFlight } from './walks.ts';

const requester = { streamId: 1 };
const IPA = 0x70_0000n;

function begun(result: WalkBegun): WalkInFlight {
  if (!result.ok) throw new Error(result.reason);
  return result.walk;
}

/** A nested stream with one page, where nothing is cached unless it is asked for. */
function nestedPage(): ReturnType<typeof nestedStream> & {
  readonly unit: TestUnit;
  readonly vaDescriptor: bigint;
  readonly ipaDescriptor: bigint;
} {
  const unit = new TestUnit({ policy: 'chosen' });
  const made = nestedStream(unit);
  const vaDescriptor = made.guest.map(0x5000n, IPA, ordinary);
  const ipaDescriptor = made.host.map(IPA, 0x9000n, ordinary2);
  return { ...made, unit, vaDescriptor, ipaDescriptor };
}

function reached(unit: TestUnit, address: bigint): bigint | string {
  const outcome = translateAccess(unit, read(address));
  return outcome.outcome === 'admitted' ? (outcome.pieces[0]?.physical ?? 'nowhere') : outcome.outcome;
}

describe('A walk in flight', () => {
  it('inserts what it fetched, not what memory has by then', () => {
    const { unit, vaDescriptor } = nestedPage();
    const walk = begun(unit.walks.begin(1, requester, 0x5123n));
    expect(unit.walks.walks).toStrictEqual([walk]);
    expect(unit.tlb.entries).toStrictEqual([]);
    unit.memory.writeWord(vaDescriptor, 0n);
    expect(unit.walks.insert(walk)).toMatchObject({ kind: 'stage 1', input: 0x5000n, output: IPA, tag: { asid: 7 } });
    expect(unit.walks.walks).toStrictEqual([]);
    expect(reached(unit, 0x5123n)).toBe(0x9123n);
  });

  it('is inserted once', () => {
    const { unit } = nestedPage();
    const walk = begun(unit.walks.begin(2, requester, IPA));
    expect(unit.walks.insert(walk)).toMatchObject({ kind: 'stage 2', input: IPA, output: 0x9000n });
    expect(() => unit.walks.insert(walk)).toThrow('not in flight');
    expect(() => unit.walks.insertTables(walk)).toThrow('not in flight');
  });

  it('is discarded by an invalidation that covers its leaf', () => {
    const { unit } = nestedPage();
    const walk = begun(unit.walks.begin(1, requester, 0x5123n));
    const nhVa = { op: 'TLBI_NH_VA', vmid: 1, asid: 7, leaf: true } as const;
    expect(unit.walks.invalidate(command({ ...nhVa, address: 0x6000n }))).toStrictEqual([]);
    expect(unit.walks.invalidate(command({ ...nhVa, asid: 8, address: 0x5000n }))).toStrictEqual([]);
    expect(unit.walks.invalidate(command({ ...nhVa, address: 0x5000n }))).toStrictEqual([walk]);
    expect(() => unit.walks.insert(walk)).toThrow('0x5123 is not in flight');
  });

  it('is discarded by one of a neighbour that covers its tables', () => {
    const { unit } = nestedPage();
    const walk = begun(unit.walks.begin(1, requester, 0x5123n));
    const neighbour = command({ op: 'TLBI_NH_VA', vmid: 1, asid: 7, address: 0x6000n, leaf: false });
    expect(unit.walks.invalidate(neighbour)).toStrictEqual([walk]);
  });

  it('of stage 1 stays over an invalidation of the stage 2 that translated its tables (3.21.1)', () => {
    const { unit } = nestedPage();
    const first = begun(unit.walks.begin(1, requester, 0x5000n));
    const second = begun(unit.walks.begin(2, requester, IPA));
    const s2Ipa = { op: 'TLBI_S2_IPA', vmid: 1 } as const;
    expect(unit.walks.invalidate(command({ ...s2Ipa, address: nested.ipaOfTables, leaf: true }))).toStrictEqual([]);
    expect(unit.walks.invalidate(command({ ...s2Ipa, address: IPA }))).toStrictEqual([second]);
    expect(unit.walks.invalidate(command({ op: 'TLBI_S12_VMALL', vmid: 1 }))).toStrictEqual([first]);
  });

  it('walks again although the TLB has the translation, by the table descriptors that it has', () => {
    const { unit, guest, vaDescriptor } = nestedPage();
    const walk = begun(unit.walks.begin(1, requester, 0x5000n));
    expect(walk.tables.map(({ level }) => level)).toStrictEqual([0, 1, 2]);
    expect(unit.walks.insertTables(walk)).toStrictEqual(walk.tables);
    unit.walks.insert(walk);
    unit.memory.writeWord(vaDescriptor, 0x71_0000n | ordinary | 3n);
    unit.memory.writeWord(guest.descriptor(0x5000n, 0), 0n);
    const again = begun(unit.walks.begin(1, requester, 0x5000n));
    expect(again.entry.output).toBe(0x71_0000n);
    // It went on from the deepest table, which is covered as if it had been read.
    expect(again.tables).toStrictEqual([walk.tables[2]]);
    expect(unit.walks.invalidate(command({ op: 'TLBI_NH_VA', vmid: 1, asid: 7, address: 0x6000n }))).toHaveLength(1);
  });

  it('is not inserted with SMMUEN = 0', () => {
    const { unit } = nestedPage();
    const first = unit.walks.insert(begun(unit.walks.begin(1, requester, 0x5000n)));
    const second = unit.walks.insert(begun(unit.walks.begin(2, requester, IPA)));
    const walk = begun(unit.walks.begin(1, requester, 0x5000n));
    unit.registers = { ...unit.registers, enabled: false };
    expect(() => unit.walks.insert(walk)).toThrow('SMMUEN');
    expect(() => unit.walks.insertTables(walk)).toThrow('SMMUEN');
    expect(() => unit.walks.combine(first, second, 0x5000n)).toThrow('SMMUEN');
  });

  it('can be given up', () => {
    const { unit } = nestedPage();
    const walk = begun(unit.walks.begin(1, requester, 0x5000n));
    expect(unit.walks.discard(walk)).toBe(true);
    expect(unit.walks.discard(walk)).toBe(false);
    expect(unit.walks.walks).toStrictEqual([]);
  });

  it('ignores the tag byte as lookups do', () => {
    const unit = new TestUnit({ policy: 'chosen' });
    const tables = new HandmadeTables(unit.memory, 0x1000_0000n);
    tables.map(0x5000n, 0x9000n, ordinary);
    unit.stream(1, translating({ stage1: stage1With(tables.base, { topByteIgnored: true }, { cd: { TBI0: true } }) }));
    unit.walks.insert(begun(unit.walks.begin(1, requester, 0xab00_0000_0000_5000n)));
    unit.memory.writeWord(tables.descriptor(0x5000n), 0n);
    expect(reached(unit, 0xcd00_0000_0000_5000n)).toBe(0x9000n);
  });
});

describe('A walk does not begin', () => {
  it('for a stage that the stream does not have, or with SMMUEN = 0', () => {
    const unit = new TestUnit();
    const none = { ok: false, reason: 'not translated' };
    unit.stream(1, bypassing());
    expect(unit.walks.begin(1, requester, 0n)).toStrictEqual(none);
    unit.stream(1, { kind: 'abort', ste: someSte });
    expect(unit.walks.begin(2, requester, 0n)).toStrictEqual(none);
    unit.stream(1, translating({ stage1: stage1With(0n) }));
    expect(unit.walks.begin(2, requester, 0n)).toStrictEqual(none);
    unit.stream(1, translating({ stage2: stage2With(0n) }));
    expect(unit.walks.begin(1, requester, 0n)).toStrictEqual(none);
    unit.stream(1, translating({ stage1: stage1With(0n) }));
    unit.registers = { ...unit.registers, enabled: false };
    expect(unit.walks.begin(1, requester, 0n)).toStrictEqual(none);
  });

  it('where it faults, or the configuration is wrong', () => {
    const { unit, stage2 } = nestedPage();
    expect(unit.walks.begin(1, requester, 0x8000n)).toMatchObject({
      reason: 'fault',
      fault: { name: 'F_TRANSLATION' },
    });
    expect(unit.walks.begin(2, requester, 0x8000n)).toMatchObject({
      reason: 'fault',
      fault: { stage: 2, class: 'IN' },
    });
    const event = { name: 'C_BAD_STREAMID', sid: 1, ssv: false, ssid: 0 } as const;
    unit.answer(1, { ok: false, reason: 'configuration', event, recorded: false, recordedForAts: false });
    expect(unit.walks.begin(1, requester, 0n)).toStrictEqual({ ok: false, reason: 'configuration', event });
    const fault = { name: 'F_TRANSLATION', stage: 2, class: 'CD', ipa: 0n } as const;
    unit.answer(1, { ok: false, reason: 'stage 2', fault, ipa: 0n, ste: someSte, stage2 });
    expect(unit.walks.begin(1, requester, 0n)).toStrictEqual({ ok: false, reason: 'fault', fault });
    expect(unit.walks.walks).toStrictEqual([]);
  });
});

describe('A combination by hand', () => {
  it('is made of two entries in the TLB, and outlives both', () => {
    const { unit, vaDescriptor, ipaDescriptor } = nestedPage();
    const first = unit.walks.insert(begun(unit.walks.begin(1, requester, 0x5000n)));
    const second = unit.walks.insert(begun(unit.walks.begin(2, requester, IPA)));
    const combined = unit.walks.combine(first, second, 0x5000n);
    expect(combined).toMatchObject({ kind: 'combined', input: 0x5000n, output: 0x9000n, tag: { vmid: 1, asid: 7 } });
    unit.memory.writeWord(vaDescriptor, 0n);
    unit.memory.writeWord(ipaDescriptor, 0n);
    unit.tlb.invalidate(command({ op: 'TLBI_S2_IPA', vmid: 1, address: IPA }));
    expect(unit.tlb.entries).toStrictEqual([first, combined]);
    expect(reached(unit, 0x5000n)).toBe(0x9000n);
    unit.tlb.invalidate(command({ op: 'TLBI_NH_ALL', vmid: 1 }));
    expect(reached(unit, 0x5000n)).toBe('aborted');
  });

  it('is refused of what was dropped, of other kinds or VMIDs, and of another address', () => {
    const { unit } = nestedPage();
    const first = unit.walks.insert(begun(unit.walks.begin(1, requester, 0x5000n)));
    const second = unit.walks.insert(begun(unit.walks.begin(2, requester, IPA)));
    expect(() => unit.walks.combine(second, first, 0x5000n)).toThrow('do not combine');
    const combined = unit.walks.combine(first, second, 0x5000n);
    expect(() => unit.walks.combine(combined, second, 0x5000n)).toThrow('do not combine');
    expect(() => unit.walks.combine(first, combined, 0x5000n)).toThrow('do not combine');
    expect(() => unit.walks.combine(first, second, 0x6000n)).toThrow('0x6000 is not in');
    const foreign = { ...second, tag: { world: 'NS-EL1', vmid: 2 } } as const;
    unit.tlb.insert(foreign);
    expect(() => unit.walks.combine(first, foreign, 0x5000n)).toThrow('VMIDs 1 and 2');
    unit.tlb.evict(second);
    expect(() => unit.walks.combine(first, second, 0x5000n)).toThrow('not in the TLB');
  });
});
