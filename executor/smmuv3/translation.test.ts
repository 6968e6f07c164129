import { describe, expect, it } from 'vitest';
import { Memory } from '../memory.ts';
import { stage1Regime } from '../pagetable/vmsav8.ts';
import type { EventRecord } from './events.ts';
import { command } from './tlb.fixture.ts';
import {
  bypassing,
  HandmadeTables,
  legal,
  nested,
  nestedStream,
  ordinary,
  ordinary2,
  read,
  s1,
  s2,
  someSte,
  stage1With,
  stage2With,
  TestUnit,
  translating,
  write,
} from './translation.fixture.ts';
import { holdsUp, translateAccess } from './translation.ts';
import type { Outcome } from './translation.ts';

const BASE = 0x1000_0000n;

/** A stage-1 stream 1 with tables. */
function stage1Stream(
  options: ConstructorParameters<typeof TestUnit>[0] = {},
  fields: Parameters<typeof stage1With>[1] = {},
  given: Parameters<typeof stage1With>[2] = {},
): { readonly unit: TestUnit; readonly tables: HandmadeTables } {
  const unit = new TestUnit(options);
  const tables = new HandmadeTables(unit.memory, BASE);
  unit.stream(1, translating({ stage1: stage1With(BASE, fields, given) }));
  return { unit, tables };
}

/** Where a transaction of one piece goes. */
function physicalOf(outcome: Outcome): bigint | string {
  return outcome.outcome === 'admitted' ? (outcome.pieces[0]?.physical ?? 'nowhere') : outcome.outcome;
}

function eventOf(outcome: Outcome): EventRecord | undefined {
  return outcome.outcome === 'admitted' ? undefined : outcome.event;
}

describe('A transaction through stage 1', () => {
  it('goes where its page is', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, ordinary);
    expect(physicalOf(translateAccess(unit, read(0x5123n)))).toBe(0x9123n);
    expect(physicalOf(translateAccess(unit, write(0x5ff8n)))).toBe(0x9ff8n);
  });

  it('goes page by page', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, ordinary);
    tables.map(0x6000n, 0x3000n, ordinary);
    const outcome = translateAccess(unit, read(0x5ff0n, { length: 0x20 }));
    expect(outcome).toMatchObject({
      outcome: 'admitted',
      pieces: [
        { physical: 0x9ff0n, offset: 0, length: 0x10 },
        { physical: 0x3000n, offset: 0x10, length: 0x10 },
      ],
    });
  });

  it('lands what lies before the first page that faults', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, ordinary);
    tables.map(0x7000n, 0x3000n, ordinary);
    const outcome = translateAccess(unit, write(0x5ff0n, { bytes: new Uint8Array(0x1020) }));
    expect(outcome).toMatchObject({ outcome: 'aborted', pieces: [{ physical: 0x9ff0n, offset: 0, length: 0x10 }] });
    expect(eventOf(outcome)).toMatchObject({ name: 'F_TRANSLATION', inputAddr: 0x6000n });
  });

  it('has a byte at least', () => {
    const { unit } = stage1Stream();
    expect(() => translateAccess(unit, read(0n, { length: 0 }))).toThrow('at least one byte');
  });

  it('records a fault with everything about the access', () => {
    const { unit } = stage1Stream();
    const outcome = translateAccess(unit, read(0x765_4321n, { pasid: 3, privileged: true, execute: true }));
    expect(eventOf(outcome)).toStrictEqual({
      name: 'F_TRANSLATION',
      sid: 1,
      ssv: true,
      ssid: 3,
      stag: 0,
      stall: false,
      pnu: true,
      ind: true,
      rnw: true,
      nsipa: false,
      s2: false,
      class: 2,
      ttrnw: false,
      inputAddr: 0x765_4321n,
      ipa: 0n,
    });
    expect(eventOf(translateAccess(unit, write(0x765_4321n)))).toMatchObject({
      ssv: false,
      ssid: 0,
      pnu: false,
      ind: false,
      rnw: false,
    });
  });

  it('is unprivileged data without a PASID, whatever else it says (13.7)', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, s1.af | s1.ng);
    const given = { privileged: true, execute: true };
    expect(eventOf(translateAccess(unit, read(0x5000n, given)))).toMatchObject({
      name: 'F_PERMISSION',
      pnu: false,
      ind: false,
    });
    expect(physicalOf(translateAccess(unit, read(0x5000n, { pasid: 3, privileged: true })))).toBe(0x9000n);
  });

  it('is privileged without a PASID if the client is no PCIe function, and says so', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, s1.af | s1.ng);
    const given = { privilegedClient: true };
    expect(physicalOf(translateAccess(unit, read(0x5000n, given)))).toBe(0x9000n);
    expect(eventOf(translateAccess(unit, read(0x8000n, given)))).toMatchObject({ pnu: true, ind: false });
    expect(eventOf(translateAccess(unit, read(0x5000n, { ...given, pasid: 3 })))).toMatchObject({ pnu: false });
  });

  it('faults on permission for what it does, and only for that', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, ordinary | s1.readOnly | s1.uxn);
    expect(physicalOf(translateAccess(unit, read(0x5000n)))).toBe(0x9000n);
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_PERMISSION', s2: false, class: 2 });
    const fetch = read(0x5000n, { pasid: 3, execute: true });
    expect(eventOf(translateAccess(unit, fetch))).toMatchObject({ name: 'F_PERMISSION', ind: true });
    // Of a write Execute means nothing.
    tables.map(0x6000n, 0x9000n, ordinary | s1.uxn);
    expect(physicalOf(translateAccess(unit, write(0x6000n, { pasid: 3, execute: true })))).toBe(0x9000n);
  });

  it('checks permissions of both stages on a hit of a combined entry', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    guest.map(0x6000n, 0x71_0000n, ordinary | s1.readOnly);
    host.map(0x70_0000n, 0x9000n, ordinary2 & ~s2.write);
    host.map(0x71_0000n, 0xa000n, ordinary2);
    for (const address of [0x5000n, 0x6000n]) translateAccess(unit, read(address));
    unit.memory.writeWord(guest.descriptor(0x5000n, 0), 0n);
    const at = { name: 'F_PERMISSION', class: 2, rnw: false };
    const first = translateAccess(unit, write(0x5123n));
    expect(eventOf(first)).toMatchObject({ ...at, s2: true, ipa: 0x70_0000n, inputAddr: 0x5123n });
    expect(eventOf(translateAccess(unit, write(0x6000n)))).toMatchObject({ ...at, s2: false });
  });

  it('checks permission on a TLB hit', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, ordinary | s1.readOnly);
    translateAccess(unit, read(0x5000n));
    expect(unit.tlb.entries).toHaveLength(1);
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_PERMISSION' });
  });

  it('faults on AF, on output size, and on the address range, in the order of 7.3.22', () => {
    const { unit, tables } = stage1Stream({}, { outputBits: 40 });
    tables.map(0x5000n, 0x9000n, ordinary & ~s1.af & ~s1.user);
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_ACCESS', s2: false, class: 2 });
    tables.map(0x5000n, 1n << 40n, ordinary & ~s1.af);
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_ADDR_SIZE', s2: false, class: 2 });
    expect(eventOf(translateAccess(unit, read(1n << 48n)))).toMatchObject({
      name: 'F_TRANSLATION',
      inputAddr: 1n << 48n,
    });
  });

  it('records where the descriptor was that memory does not answer for', () => {
    const memory = new Memory({ ranges: [{ base: BASE, size: 0x1000n }] });
    const { unit } = stage1Stream({ memory });
    memory.writeWord(BASE, 0xdead_0000n | 3n);
    const outcome = translateAccess(unit, write(0x5000n));
    expect(outcome.outcome).toBe('aborted');
    expect(eventOf(outcome)).toStrictEqual({
      name: 'F_WALK_EABT',
      sid: 1,
      ssv: false,
      ssid: 0,
      pnu: false,
      ind: false,
      rnw: false,
      s2: false,
      class: 1,
      reason: 0,
      gpcf: false,
      inputAddr: 0x5000n,
      fetchAddr: 0xdead_0000n,
    });
  });

  it('uses TTB1 in the upper half, and faults where a half is disabled', () => {
    const { unit, tables } = stage1Stream();
    const common = { granuleLog2: 12, sizeOffset: 16, outputBits: 48, physicalBits: 48, base: BASE } as const;
    const upper = legal(stage1Regime({ ...common, upper: true }));
    tables.map(0xffff_0000_0000_5000n, 0x9000n, ordinary);
    const address = 0xffff_0000_0000_5000n;
    expect(eventOf(translateAccess(unit, read(address)))).toMatchObject({ name: 'F_TRANSLATION' });
    unit.stream(1, translating({ stage1: stage1With(BASE, {}, { upper, lower: undefined }) }));
    expect(physicalOf(translateAccess(unit, read(address)))).toBe(0x9000n);
    expect(eventOf(translateAccess(unit, read(0x5000n)))).toMatchObject({ name: 'F_TRANSLATION' });
    // A disabled half is one of walks: what the TLB holds is used (5.4 EPDx).
    unit.stream(1, translating({ stage1: stage1With(BASE) }));
    expect(physicalOf(translateAccess(unit, read(address)))).toBe(0x9000n);
  });

  it('ignores the tag byte with TBI, in tables and in the TLB, but not in the event', () => {
    const { unit, tables } = stage1Stream({}, { topByteIgnored: true }, { cd: { TBI0: true } });
    tables.map(0x5000n, 0x9000n, ordinary);
    expect(physicalOf(translateAccess(unit, read(0xab00_0000_0000_5000n)))).toBe(0x9000n);
    tables.map(0x5000n, 0x8000n, ordinary);
    expect(physicalOf(translateAccess(unit, read(0xcd00_0000_0000_5000n)))).toBe(0x9000n);
    unit.tlb.invalidate(command({ op: 'TLBI_NH_VA', vmid: 1, asid: 7, address: 0x5000n }));
    expect(physicalOf(translateAccess(unit, read(0xcd00_0000_0000_5000n)))).toBe(0x8000n);
    const tagged = translateAccess(unit, read(0xcd00_0000_0000_6001n));
    expect(eventOf(tagged)).toMatchObject({ inputAddr: 0xcd00_0000_0000_6001n });
  });
});

describe('A, R and S (5.5)', () => {
  it.each([
    [false, false, false, 'read as zero, write ignored', undefined],
    [false, true, false, 'read as zero, write ignored', false],
    [true, false, false, 'aborted', undefined],
    [true, true, false, 'aborted', false],
    [false, false, true, 'stalled', true],
    [true, false, true, 'stalled', true],
    [true, true, true, 'stalled', true],
  ] as const)('of stage 1: A %s, R %s, S %s', (abort, record, stall, outcome, stallOfEvent) => {
    const { unit } = stage1Stream({}, {}, { abort, record, stall });
    const result = translateAccess(unit, read(0x5000n));
    expect(result.outcome).toBe(outcome);
    const event = eventOf(result);
    expect(event !== undefined && 'stall' in event ? event.stall : undefined).toBe(stallOfEvent);
  });

  it('of stage 2 are those of the STE; it always aborts', () => {
    for (const [record, stall] of [
      [false, false],
      [true, false],
      [false, true],
    ] as const) {
      const unit = new TestUnit();
      const { guest } = nestedStream(unit, {
        ofStage1: { abort: false, record: !record, stall: !stall },
        ofStage2: { record, stall },
      });
      guest.map(0x5000n, 0x70_0000n, ordinary);
      const result = translateAccess(unit, read(0x5000n));
      expect(result.outcome).toBe(stall ? 'stalled' : 'aborted');
      expect(eventOf(result) !== undefined).toBe(record || stall);
    }
  });

  it('do not act on external aborts', () => {
    const memory = new Memory({ ranges: [{ base: 0n, size: 0x1000n }] });
    const unit = new TestUnit({ memory });
    unit.stream(1, translating({ stage1: stage1With(BASE, {}, { abort: false, record: false, stall: true }) }));
    const result = translateAccess(unit, read(0x5000n));
    expect(result.outcome).toBe('aborted');
    expect(eventOf(result)).toMatchObject({ name: 'F_WALK_EABT', fetchAddr: BASE });
  });
});

describe('A transaction that is not translated', () => {
  it('passes with SMMUEN = 0, unless GBPA.ABORT or its address is beyond OAS: then nothing is recorded', () => {
    const unit = new TestUnit();
    const registers = { ...unit.registers, enabled: false };
    unit.registers = registers;
    expect(physicalOf(translateAccess(unit, read(0xffff_ffff_f000n)))).toBe(0xffff_ffff_f000n);
    expect(translateAccess(unit, read(1n << 48n))).toStrictEqual({ outcome: 'aborted', pieces: [] });
    unit.registers = { ...registers, globalBypassAbort: true };
    expect(translateAccess(unit, read(0x1000n))).toStrictEqual({ outcome: 'aborted', pieces: [] });
  });

  it('passes in bypass; beyond the input size it is F_ADDR_SIZE of stage 1', () => {
    const unit = new TestUnit();
    unit.stream(1, bypassing());
    expect(physicalOf(translateAccess(unit, write(0xffff_ffff_f000n)))).toBe(0xffff_ffff_f000n);
    expect(unit.tlb.entries).toStrictEqual([]);
    const beyond = translateAccess(unit, read(1n << 48n));
    expect(beyond.outcome).toBe('aborted');
    expect(eventOf(beyond)).toMatchObject({ name: 'F_ADDR_SIZE', s2: false, class: 2, inputAddr: 1n << 48n });
  });

  it('is aborted silently by Config 000', () => {
    const unit = new TestUnit();
    unit.stream(1, { kind: 'abort', ste: someSte });
    expect(translateAccess(unit, read(0x1000n))).toStrictEqual({ outcome: 'aborted', pieces: [] });
  });

  it('is aborted by configuration errors, recorded as the lookup says', () => {
    const unit = new TestUnit();
    const event: EventRecord = { name: 'C_BAD_STE', sid: 1, ssv: false, ssid: 0 };
    const answer = { ok: false, reason: 'configuration', event, recordedForAts: false } as const;
    unit.answer(1, { ...answer, recorded: true });
    expect(translateAccess(unit, read(0x1000n))).toStrictEqual({ outcome: 'aborted', event, pieces: [] });
    unit.answer(1, { ...answer, recorded: false });
    expect(translateAccess(unit, read(0x1000n))).toStrictEqual({ outcome: 'aborted', pieces: [] });
  });
});

describe('Overrides of the STE', () => {
  it('PRIVCFG decides about privilege, and shows in events', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, s1.af | s1.ng);
    const stage1 = stage1With(BASE);
    unit.stream(1, translating({ stage1 }, { privilege: 'privileged' }));
    expect(physicalOf(translateAccess(unit, read(0x5000n)))).toBe(0x9000n);
    unit.stream(1, translating({ stage1 }, { privilege: 'unprivileged' }));
    const outcome = translateAccess(unit, read(0x5000n, { pasid: 1, privileged: true }));
    expect(eventOf(outcome)).toMatchObject({ name: 'F_PERMISSION', pnu: false });
  });

  it('INSTCFG decides about reads, not about writes', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, ordinary | s1.uxn);
    const stage1 = stage1With(BASE);
    unit.stream(1, translating({ stage1 }, { instruction: 'instruction' }));
    expect(eventOf(translateAccess(unit, read(0x5000n)))).toMatchObject({ name: 'F_PERMISSION', ind: true });
    expect(physicalOf(translateAccess(unit, write(0x5000n)))).toBe(0x9000n);
    unit.stream(1, translating({ stage1 }, { instruction: 'data' }));
    expect(physicalOf(translateAccess(unit, read(0x5000n, { pasid: 1, execute: true })))).toBe(0x9000n);
  });
});

describe('A transaction through stage 2 alone', () => {
  it('is translated as an IPA, and faults with S2 = 1 and its IPA', () => {
    const unit = new TestUnit();
    const host = new HandmadeTables(unit.memory, nested.s2Tables, 1);
    unit.stream(1, translating({ stage2: stage2With(host.base) }));
    host.map(0x5000n, 0x9000n, ordinary2 & ~s2.write);
    expect(physicalOf(translateAccess(unit, read(0x5123n)))).toBe(0x9123n);
    expect(eventOf(translateAccess(unit, write(0x5123n)))).toMatchObject({
      name: 'F_PERMISSION',
      s2: true,
      class: 2,
      ttrnw: false,
      ipa: 0x5000n,
      inputAddr: 0x5123n,
    });
    expect(eventOf(translateAccess(unit, write(0x6123n)))).toMatchObject({
      name: 'F_TRANSLATION',
      s2: true,
      ipa: 0x6000n,
    });
    expect(eventOf(translateAccess(unit, write(1n << 39n)))).toMatchObject({ name: 'F_TRANSLATION', s2: true });
    // Beyond the IAS it is the bypassed stage 1 that faults.
    expect(eventOf(translateAccess(unit, write(1n << 48n)))).toMatchObject({ name: 'F_ADDR_SIZE', s2: false });
  });
});

describe('A transaction through both stages', () => {
  it('goes from VA to IPA to PA, with table addresses that are IPAs (NEST-01)', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(0x70_0000n, 0x9000n, ordinary2);
    expect(physicalOf(translateAccess(unit, read(0x5123n)))).toBe(0x9123n);
  });

  it('faults at stage 2 on the final IPA: class IN', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    const fault = { s2: true, class: 2, ipa: 0x70_0000n, inputAddr: 0x5123n };
    expect(eventOf(translateAccess(unit, write(0x5123n)))).toMatchObject({ name: 'F_TRANSLATION', ...fault });
    host.map(0x70_0000n, 0x9000n, ordinary2 & ~s2.af);
    expect(eventOf(translateAccess(unit, write(0x5123n)))).toMatchObject({ name: 'F_ACCESS', ...fault });
    host.map(0x70_0000n, 0x9000n, ordinary2 & ~s2.write);
    expect(eventOf(translateAccess(unit, write(0x5123n)))).toMatchObject({ name: 'F_PERMISSION', ...fault });
  });

  it('faults at stage 2 on a stage-1 descriptor: class TT, S2 = 1, the IPA of the page (NEST-02)', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(nested.ipaOfTables + 0x2000n, 0n, 0n);
    unit.memory.writeWord(host.descriptor(nested.ipaOfTables + 0x2000n), 0n);
    const outcome = translateAccess(unit, write(0x5123n));
    const at = { s2: true, class: 1, ipa: nested.ipaOfTables + 0x2000n, rnw: false, inputAddr: 0x5123n };
    expect(eventOf(outcome)).toMatchObject({ name: 'F_TRANSLATION', ...at });
    host.map(nested.ipaOfTables + 0x2000n, nested.ipaOfTables + 0x2000n + nested.offset, ordinary2 & ~s2.read);
    // The walk reads: TTRnW says so, while RnW says what the transaction does.
    expect(eventOf(translateAccess(unit, write(0x5123n)))).toMatchObject({ name: 'F_PERMISSION', ttrnw: true, ...at });
  });

  it('faults of stage 1 come before those of the final IPA, and hide them', () => {
    const unit = new TestUnit();
    const { guest } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary | s1.readOnly);
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_PERMISSION', s2: false });
    expect(eventOf(translateAccess(unit, read(0x5000n)))).toMatchObject({ name: 'F_TRANSLATION', s2: true });
    expect(eventOf(translateAccess(unit, read(0x6000n)))).toMatchObject({ name: 'F_TRANSLATION', s2: false });
  });

  it('external aborts say whose descriptor it was', () => {
    const memory = new Memory({
      ranges: [
        { base: nested.s2Tables, size: 0x10_0000n },
        { base: nested.ipaOfTables + nested.offset, size: 0x10_0000n },
      ],
    });
    const unit = new TestUnit({ memory });
    const { guest, host } = nestedStream(unit);
    // A stage-1 table in memory that is not there: stage 1, at the PA.
    memory.writeWord(guest.descriptor(0x5000n, 0), 0x60_0000n | 3n);
    host.map(0x60_0000n, 0x1000n, ordinary2);
    expect(eventOf(translateAccess(unit, read(0x5000n)))).toMatchObject({
      name: 'F_WALK_EABT',
      s2: false,
      class: 1,
      fetchAddr: 0x1000n,
    });
    // A stage-2 table that is not there: for the stage-1 table, then for the final IPA.
    memory.writeWord(host.descriptor(1n << 30n, 1), 0x5000n | 3n);
    memory.writeWord(guest.descriptor(0x5000n, 0), (1n << 30n) | 3n);
    expect(eventOf(translateAccess(unit, read(0x5000n)))).toMatchObject({
      name: 'F_WALK_EABT',
      s2: true,
      class: 1,
      fetchAddr: 0x5000n,
    });
    memory.writeWord(guest.descriptor(0x5000n, 0), 0n);
    guest.map(0x5000n, 1n << 30n, ordinary);
    expect(eventOf(translateAccess(unit, read(0x5000n)))).toMatchObject({
      name: 'F_WALK_EABT',
      s2: true,
      class: 2,
      fetchAddr: 0x5000n,
    });
  });

  it('S2PTW forbids stage-1 tables in Device memory, and nothing else', () => {
    for (const protectedTableWalk of [true, false]) {
      const unit = new TestUnit();
      const { guest, host } = nestedStream(unit, { ofStage2: { protectedTableWalk }, tables: ordinary2 & ~s2.normal });
      guest.map(0x5000n, 0x70_0000n, ordinary);
      host.map(0x70_0000n, 0x9000n, ordinary2 & ~s2.normal);
      const event = eventOf(translateAccess(unit, read(0x5000n)));
      const fault = { name: 'F_PERMISSION', s2: true, class: 1, ipa: nested.ipaOfTables };
      expect([event]).toMatchObject([protectedTableWalk ? fault : undefined]);
    }
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit, { ofStage2: { protectedTableWalk: true } });
    guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(0x70_0000n, 0x9000n, ordinary2 & ~s2.normal);
    expect(physicalOf(translateAccess(unit, read(0x5000n)))).toBe(0x9000n);
  });

  it('the fetch of a context descriptor faults at stage 2 with class CD, by A, R and S of stage 2', () => {
    const unit = new TestUnit();
    const host = new HandmadeTables(unit.memory, nested.s2Tables, 1);
    const stage2 = stage2With(host.base, {}, { protectedTableWalk: true });
    const fetched: unknown[] = [];
    unit.answer(1, (fetch) => {
      const result = fetch(0x3_4040n, stage2);
      fetched.push(result);
      if (result.ok) return { ok: true, configuration: translating({ stage2 }) };
      return { ok: false, reason: 'stage 2', fault: result.fault, ipa: 0x3_4040n, ste: someSte, stage2 };
    });
    const at = { s2: true, class: 0, ipa: 0x3_4000n, inputAddr: 0x5000n, rnw: false };
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_TRANSLATION', ...at });
    host.map(0x3_4000n, 0x8_8000n, ordinary2 & ~s2.read);
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_PERMISSION', ...at });
    host.map(0x3_4000n, 0x8_8000n, ordinary2 & ~s2.normal);
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_PERMISSION', ...at });
    unit.entry(1, { ok: true, configuration: translating({ stage2 }, { privilege: 'privileged' }) });
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ ...at, pnu: true });
    host.map(0x3_4000n, 0x8_8000n, ordinary2);
    translateAccess(unit, write(0x5000n));
    expect(fetched.at(-1)).toStrictEqual({ ok: true, physical: 0x8_8040n });
  });
});

describe('What translations leave in the TLB', () => {
  it('always: the final translation, and of nested streams those of table fetches', () => {
    const single = stage1Stream();
    single.tables.map(0x5000n, 0x9000n, ordinary);
    translateAccess(single.unit, read(0x5000n));
    expect(single.unit.tlb.entries).toMatchObject([{ kind: 'stage 1', input: 0x5000n, output: 0x9000n }]);

    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(0x70_0000n, 0x9000n, ordinary2);
    translateAccess(unit, read(0x5000n));
    const base = nested.ipaOfTables;
    expect(unit.tlb.entries).toMatchObject([
      ...[0n, 0x1000n, 0x2000n, 0x3000n].map((page) => ({ kind: 'stage 2', input: base + page, tag: { vmid: 1 } })),
      { kind: 'combined', input: 0x5000n, output: 0x9000n, tag: { vmid: 1, asid: 7 } },
    ]);
  });

  it('everything: also both stages and the table descriptors', () => {
    const unit = new TestUnit({ policy: 'everything' });
    const { guest, host } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(0x70_0000n, 0x9000n, ordinary2);
    translateAccess(unit, read(0x5000n));
    const kinds = unit.tlb.entries.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'stage 1 table')).toHaveLength(3);
    expect(kinds).toContain('stage 2 table');
    expect(kinds).toContain('combined');
    expect(unit.tlb.lookup('stage 1', { world: 'NS-EL1', vmid: 1, asid: 7 }, 0x5000n)?.output).toBe(0x70_0000n);
    expect(unit.tlb.lookup('stage 2', { world: 'NS-EL1', vmid: 1 }, 0x70_0000n)?.output).toBe(0x9000n);
  });

  it('chosen: nothing', () => {
    const unit = new TestUnit({ policy: 'chosen' });
    const { guest, host } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(0x70_0000n, 0x9000n, ordinary2);
    expect(physicalOf(translateAccess(unit, read(0x5000n)))).toBe(0x9000n);
    expect(unit.tlb.entries).toStrictEqual([]);
  });

  it('nothing new on a hit: the order of entries stays', () => {
    const unit = new TestUnit({ policy: 'everything' });
    const { guest, host } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(0x70_0000n, 0x9000n, ordinary2);
    translateAccess(unit, read(0x5000n));
    const combined = unit.tlb.entries.find(({ kind }) => kind === 'combined');
    if (combined !== undefined) unit.tlb.evict(combined);
    const before = unit.tlb.entries;
    // Made again of a hit of each stage.
    translateAccess(unit, read(0x5000n));
    expect(unit.tlb.entries.slice(0, before.length)).toStrictEqual(before);
    expect(unit.tlb.entries.map((entry) => entry.kind).at(-1)).toBe('combined');
    const after = unit.tlb.entries;
    translateAccess(unit, read(0x5000n));
    expect(unit.tlb.entries.every((entry, index) => entry === after[index])).toBe(true);
  });

  it('no faults', () => {
    const { unit, tables } = stage1Stream();
    translateAccess(unit, read(0x5000n));
    tables.map(0x5000n, 0x9000n, ordinary);
    expect(physicalOf(translateAccess(unit, read(0x5000n)))).toBe(0x9000n);
  });

  it('is stale until it is invalidated: an unmapped page stays reachable', () => {
    const { unit, tables } = stage1Stream();
    const descriptor = tables.map(0x5000n, 0x9000n, ordinary);
    translateAccess(unit, write(0x5000n));
    unit.memory.writeWord(descriptor, 0n);
    expect(physicalOf(translateAccess(unit, write(0x5000n)))).toBe(0x9000n);
    unit.tlb.invalidate(command({ op: 'TLBI_NH_VA', vmid: 1, asid: 8, address: 0x5000n }));
    expect(physicalOf(translateAccess(unit, write(0x5000n)))).toBe(0x9000n);
    unit.tlb.invalidate(command({ op: 'TLBI_NH_VA', vmid: 1, asid: 7, address: 0x5000n, leaf: true }));
    expect(physicalOf(translateAccess(unit, write(0x5000n)))).toBe('aborted');
  });

  it('is shared by streams with one ASID and VMID, and by none else', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, ordinary);
    translateAccess(unit, read(0x5000n));
    const empty = stage1With(0x5000_0000n);
    unit.stream(2, translating({ stage1: empty }));
    expect(physicalOf(translateAccess(unit, read(0x5000n, { streamId: 2 })))).toBe(0x9000n);
    unit.stream(2, translating({ stage1: { ...empty, asid: 8 } }));
    expect(physicalOf(translateAccess(unit, read(0x5000n, { streamId: 2 })))).toBe('aborted');
    unit.stream(2, translating({ stage1: empty }, { vmid: 2 }));
    expect(physicalOf(translateAccess(unit, read(0x5000n, { streamId: 2 })))).toBe('aborted');
    unit.stream(2, translating({ stage1: empty }, { world: 'EL2-E2H' }));
    expect(physicalOf(translateAccess(unit, read(0x5000n, { streamId: 2 })))).toBe('aborted');
  });

  it('shares global pages with all ASIDs of the ASET', () => {
    const { unit, tables } = stage1Stream({}, {}, { cd: { ASET: true } });
    tables.map(0x5000n, 0x9000n, ordinary & ~s1.ng);
    translateAccess(unit, read(0x5000n));
    const other = stage1With(0x5000_0000n, {}, { asid: 8, cd: { ASET: true } });
    unit.stream(2, translating({ stage1: other }));
    expect(physicalOf(translateAccess(unit, read(0x5000n, { streamId: 2 })))).toBe(0x9000n);
    unit.stream(2, translating({ stage1: { ...other, cd: { ...other.cd, ASET: false } } }));
    expect(physicalOf(translateAccess(unit, read(0x5000n, { streamId: 2 })))).toBe('aborted');
  });

  it('has no ASID in EL2', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, ordinary);
    const stage1 = stage1With(BASE, { twoPrivileges: false });
    unit.stream(1, translating({ stage1 }, { world: 'EL2', vmid: undefined }));
    translateAccess(unit, read(0x5000n));
    expect(unit.tlb.entries.map(({ tag }) => tag)).toStrictEqual([{ world: 'EL2' }]);
  });

  it('keeps freed tables in use until Leaf = 0 (INV-05)', () => {
    const { unit, tables } = stage1Stream({ policy: 'everything' });
    tables.map(0x5000n, 0x9000n, ordinary);
    translateAccess(unit, read(0x5000n));
    // The table of level 3 is taken out, freed and used for something else.
    const level2 = tables.descriptor(0x5000n, 2);
    const freed = unit.memory.readWord(level2) & ~0xfffn;
    unit.memory.writeWord(level2, 0n);
    unit.memory.writeWord(freed + 6n * 8n, 0x6666_6000n | ordinary | 3n);
    unit.tlb.invalidate(command({ op: 'TLBI_NH_VA', vmid: 1, asid: 7, address: 0x5000n, leaf: true }));
    expect(physicalOf(translateAccess(unit, read(0x6000n)))).toBe(0x6666_6000n);
    unit.tlb.invalidate(command({ op: 'TLBI_NH_VA', vmid: 1, asid: 7, address: 0x6000n, leaf: false }));
    expect(physicalOf(translateAccess(unit, read(0x6000n)))).toBe('aborted');
  });

  it('keeps a combined entry over S2_IPA, and rebuilds one from a stale stage-2 entry (NEST-06)', () => {
    const unit = new TestUnit({ policy: 'everything' });
    const { guest, host } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    const descriptor = host.map(0x70_0000n, 0x9000n, ordinary2);
    translateAccess(unit, read(0x5000n));
    unit.memory.writeWord(descriptor, 0n);
    const s2Ipa = command({ op: 'TLBI_S2_IPA', vmid: 1, address: 0x70_0000n });
    const nhAll = command({ op: 'TLBI_NH_ALL', vmid: 1 });
    // The wrong order: between the two the combined entry is made again.
    unit.tlb.invalidate(nhAll);
    expect(physicalOf(translateAccess(unit, read(0x5000n)))).toBe(0x9000n);
    unit.tlb.invalidate(s2Ipa);
    expect(physicalOf(translateAccess(unit, read(0x5000n)))).toBe(0x9000n);
    // The right one.
    unit.tlb.invalidate(s2Ipa);
    unit.tlb.invalidate(nhAll);
    expect(physicalOf(translateAccess(unit, read(0x5000n)))).toBe('aborted');
  });

  it('covers a contiguous run with one entry if the TLB uses the hint', () => {
    for (const contiguous of [undefined, true]) {
      const { unit, tables } = stage1Stream(contiguous === undefined ? {} : { contiguous });
      for (let page = 0n; page < 16n; page++) {
        tables.map(0x1_0000n + (page << 12n), 0x8_0000n + (page << 12n), ordinary | (1n << 52n));
      }
      expect(physicalOf(translateAccess(unit, read(0x1_3456n)))).toBe(0x8_3456n);
      unit.memory.writeWord(tables.descriptor(0x1_7000n), 0n);
      expect(physicalOf(translateAccess(unit, read(0x1_7000n)))).toBe(contiguous === true ? 0x8_7000n : 'aborted');
    }
  });
});

describe('Hardware update of flags (3.13)', () => {
  const hardware = { hardwareAccess: true, hardwareDirty: true };
  const clean = ordinary | s1.readOnly | s1.dbm;

  it('sets AF instead of faulting', () => {
    const { unit, tables } = stage1Stream({}, { hardwareAccess: true });
    const descriptor = tables.map(0x5000n, 0x9000n, ordinary & ~s1.af);
    expect(physicalOf(translateAccess(unit, read(0x5000n)))).toBe(0x9000n);
    expect(unit.memory.readWord(descriptor)).toBe(0x9000n | ordinary | 3n);
  });

  it('makes a clean page dirty by a write, not by a read', () => {
    const { unit, tables } = stage1Stream({}, hardware);
    const descriptor = tables.map(0x5000n, 0x9000n, clean);
    translateAccess(unit, read(0x5000n));
    expect(unit.memory.readWord(descriptor)).toBe(0x9000n | clean | 3n);
    expect(physicalOf(translateAccess(unit, write(0x5000n)))).toBe(0x9000n);
    expect(unit.memory.readWord(descriptor)).toBe(0x9000n | (clean & ~s1.readOnly) | 3n);
    // The TLB's entry is dirty now as well: there is nothing to update any more.
    unit.memory.writeWord(descriptor, 0n);
    expect(physicalOf(translateAccess(unit, write(0x5000n)))).toBe(0x9000n);
    expect(unit.tlb.entries).toHaveLength(1);
  });

  it('faults on a write to a clean page without HD, and on one without DBM', () => {
    const { unit, tables } = stage1Stream({}, { hardwareAccess: true });
    tables.map(0x5000n, 0x9000n, clean);
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_PERMISSION' });
    const dirty = stage1Stream({}, hardware);
    dirty.tables.map(0x5000n, 0x9000n, clean & ~s1.dbm);
    expect(eventOf(translateAccess(dirty.unit, write(0x5000n)))).toMatchObject({ name: 'F_PERMISSION' });
  });

  it('never writes over a descriptor that was changed since: the walk is made again', () => {
    const { unit, tables } = stage1Stream({}, hardware);
    const descriptor = tables.map(0x5000n, 0x9000n, clean);
    translateAccess(unit, read(0x5000n));
    unit.memory.writeWord(descriptor, 0n);
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_TRANSLATION' });
    expect(unit.memory.readWord(descriptor)).toBe(0n);
    unit.memory.writeWord(descriptor, 0x7000n | clean | 3n);
    expect(physicalOf(translateAccess(unit, write(0x5000n)))).toBe(0x7000n);
  });

  it('never writes over one that a combined entry holds either, of both stages', () => {
    for (const stage of [1, 2]) {
      const unit = new TestUnit();
      const { guest, host } = nestedStream(unit, { stage1: hardware, stage2: hardware });
      const first = guest.map(0x5000n, 0x70_0000n, clean);
      const second = host.map(0x70_0000n, 0x9000n, (ordinary2 & ~s2.write) | s2.dbm);
      translateAccess(unit, read(0x5000n));
      const changed = stage === 1 ? first : second;
      unit.memory.writeWord(changed, 0n);
      expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ name: 'F_TRANSLATION', s2: stage === 2 });
      expect(unit.memory.readWord(changed)).toBe(0n);
    }
  });

  it('aborts where the descriptor to be made dirty is in no memory', () => {
    const memory = new Memory({ ranges: [{ base: nested.s2Tables, size: 0x10_0000n }] });
    const unit = new TestUnit({ memory });
    const host = new HandmadeTables(memory, nested.s2Tables, 1);
    const stage2 = stage2With(host.base, hardware);
    unit.stream(1, translating({ stage2 }));
    host.map(0x5000n, 0x9000n, (ordinary2 & ~s2.write) | s2.dbm);
    translateAccess(unit, read(0x5000n));
    // The same entry, as if its descriptor had been where memory is gone.
    const [entry] = unit.tlb.entries;
    const found = entry !== undefined && 'stage2' in entry ? entry.stage2 : undefined;
    if (entry?.kind !== 'stage 2' || found === undefined) throw new Error('not cached');
    const descriptor = { ...found.leaf.descriptor, address: 0x1008n };
    unit.tlb.insert({ ...entry, stage2: { ...found, leaf: { ...found.leaf, descriptor } } });
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({
      name: 'F_WALK_EABT',
      s2: true,
      class: 2,
      fetchAddr: 0x1008n,
    });
  });

  it('of both stages: the update of stage 1 is a write at stage 2', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit, {
      stage1: hardware,
      stage2: hardware,
      tables: (ordinary2 & ~s2.write) | s2.dbm,
    });
    const first = guest.map(0x5000n, 0x70_0000n, clean);
    const second = host.map(0x70_0000n, 0x9000n, (ordinary2 & ~s2.write) | s2.dbm);
    const ofTable = host.descriptor(nested.ipaOfTables + 0x3000n);
    translateAccess(unit, read(0x5000n));
    expect(unit.memory.readWord(ofTable) & s2.write).toBe(0n);
    expect(physicalOf(translateAccess(unit, write(0x5000n)))).toBe(0x9000n);
    expect(unit.memory.readWord(first) & s1.readOnly).toBe(0n);
    expect(unit.memory.readWord(second) & s2.write).toBe(s2.write);
    expect(unit.memory.readWord(ofTable) & s2.write).toBe(s2.write);
    // On a hit of the combined entry both are known to be dirty.
    unit.memory.writeWord(first, 0n);
    unit.memory.writeWord(second, 0n);
    expect(physicalOf(translateAccess(unit, write(0x5000n)))).toBe(0x9000n);
  });

  it('faults with TTRnW = 0 where stage 2 does not let the descriptor be written', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit, { stage1: hardware, tables: ordinary2 & ~s2.write });
    host.map(0x70_0000n, 0x9000n, ordinary2);
    guest.map(0x5000n, 0x70_0000n, ordinary & ~s1.af);
    const at = { name: 'F_PERMISSION', s2: true, class: 1, ttrnw: false, ipa: nested.ipaOfTables + 0x3000n };
    expect(eventOf(translateAccess(unit, read(0x5000n)))).toMatchObject({ ...at, rnw: true });
    guest.map(0x5000n, 0x70_0000n, clean);
    expect(eventOf(translateAccess(unit, write(0x5000n)))).toMatchObject({ ...at, rnw: false });
  });
});

describe('What an invalidation must wait for (INV-02)', () => {
  it('is every transaction that was translated with what it drops, be it in the TLB or not', () => {
    const { unit, tables } = stage1Stream({ policy: 'chosen' });
    tables.map(0x5000n, 0x9000n, ordinary);
    const { pieces } = translateAccess(unit, write(0x5000n));
    const nhVa = { op: 'TLBI_NH_VA', vmid: 1, asid: 7, leaf: true } as const;
    expect(holdsUp(unit, command({ ...nhVa, address: 0x5000n }), pieces)).toBe(true);
    expect(holdsUp(unit, command({ ...nhVa, address: 0x6000n }), pieces)).toBe(false);
    expect(holdsUp(unit, command({ ...nhVa, address: 0x5000n, asid: 8 }), pieces)).toBe(false);
    // A table that it went through is dropped with another page.
    expect(holdsUp(unit, command({ ...nhVa, address: 0x6000n, leaf: false }), pieces)).toBe(true);
    expect(holdsUp(unit, command({ op: 'SYNC' }), pieces)).toBe(false);
  });

  it('of stage 2: the final IPA, but not what translated the tables, nor a combined entry (3.21.1)', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(0x70_0000n, 0x9000n, ordinary2);
    const s2Ipa = (address: bigint): ReturnType<typeof command> =>
      command({ op: 'TLBI_S2_IPA', vmid: 1, address, leaf: true });
    const walked = translateAccess(unit, write(0x5000n)).pieces;
    expect(holdsUp(unit, s2Ipa(0x70_0000n), walked)).toBe(true);
    expect(holdsUp(unit, s2Ipa(nested.ipaOfTables + 0x3000n), walked)).toBe(false);
    const hit = translateAccess(unit, write(0x5000n)).pieces;
    expect(holdsUp(unit, s2Ipa(0x70_0000n), hit)).toBe(false);
    expect(holdsUp(unit, command({ op: 'TLBI_NH_ALL', vmid: 1 }), hit)).toBe(true);
    expect(holdsUp(unit, command({ op: 'TLBI_S12_VMALL', vmid: 2 }), hit)).toBe(false);
  });

  it('is what went through a table that is dropped with a neighbour, of either stage', () => {
    const unit = new TestUnit({ policy: 'chosen' });
    const { guest, host, stage2 } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(0x70_0000n, 0x9000n, ordinary2);
    const s2Ipa = { op: 'TLBI_S2_IPA', vmid: 1, address: 0x70_1000n } as const;
    const { pieces } = translateAccess(unit, write(0x5000n));
    expect(holdsUp(unit, command({ op: 'TLBI_NH_VAA', vmid: 1, address: 0x6000n }), pieces)).toBe(true);
    expect(holdsUp(unit, command({ op: 'TLBI_NH_VAA', vmid: 1, address: 0x6000n, leaf: true }), pieces)).toBe(false);
    expect(holdsUp(unit, command(s2Ipa), pieces)).toBe(true);
    expect(holdsUp(unit, command({ ...s2Ipa, leaf: true }), pieces)).toBe(false);
    unit.stream(1, translating({ stage2 }));
    const alone = translateAccess(unit, write(0x70_0000n)).pieces;
    expect(holdsUp(unit, command(s2Ipa), alone)).toBe(true);
    expect(holdsUp(unit, command({ ...s2Ipa, leaf: true }), alone)).toBe(false);
  });

  it('is nothing of a transaction that was not translated', () => {
    const unit = new TestUnit();
    unit.stream(1, bypassing());
    const { pieces } = translateAccess(unit, write(0x5000n));
    expect(holdsUp(unit, command({ op: 'TLBI_NSNH_ALL' }), pieces)).toBe(false);
  });
});
