import { describe, expect, it } from 'vitest';
import { Memory } from '../memory.ts';
import type { AtsTranslation, TranslationRequest } from '../pcie/messages.ts';
import { answerTranslationRequest, smallestTranslationUnit } from './ats.ts';
import type { AtsAnswer } from './ats.ts';
import type { EventRecord } from './events.ts';
import { command } from './tlb.fixture.ts';
import {
  bypassing,
  HandmadeTables,
  nested,
  nestedStream,
  ordinary,
  ordinary2,
  s1,
  s2,
  someSte,
  stage1With,
  stage2With,
  TestUnit,
  translating,
} from './translation.fixture.ts';

const BASE = 0x1000_0000n;

function stage1Stream(
  options: ConstructorParameters<typeof TestUnit>[0] = {},
  fields: Parameters<typeof stage1With>[1] = {},
  given: Parameters<typeof translating>[1] = {},
): { readonly unit: TestUnit; readonly tables: HandmadeTables } {
  const unit = new TestUnit(options);
  const tables = new HandmadeTables(unit.memory, BASE);
  unit.stream(1, translating({ stage1: stage1With(BASE, fields, { abort: false, stall: true }) }, given));
  return { unit, tables };
}

function ask(unit: TestUnit, address: bigint, given: Partial<TranslationRequest> = {}): AtsAnswer {
  return answerTranslationRequest(unit, { streamId: 1, address, ...given });
}

/** The first translation of a success without event. */
function granted(unit: TestUnit, address: bigint, given: Partial<TranslationRequest> = {}): AtsTranslation | string {
  const { completion, event } = ask(unit, address, given);
  if (event !== undefined) return event.name;
  return completion.status === 'success' ? (completion.translations[0] ?? 'none') : completion.status;
}

const denied: AtsTranslation = {
  address: 0n,
  sizeLog2: 12,
  read: false,
  write: false,
  execute: false,
  privileged: false,
  global: false,
  untranslatedOnly: false,
};

const UR = { completion: { status: 'unsupported request' } };
const CA = { completion: { status: 'completer abort' } };

/** What F_BAD_ATS_TREQ says of a plain request. */
const disallowed = {
  name: 'F_BAD_ATS_TREQ',
  sid: 1,
  ssv: false,
  ssid: 0,
  read: true,
  write: true,
  execute: false,
  privileged: false,
  span: 1,
  inputAddr: 0x5000n,
};

describe('A Translation Request is refused (3.9.1.2)', () => {
  it('with SMMUEN = 0: UR, and F_BAD_ATS_TREQ with what was asked for', () => {
    const { unit } = stage1Stream();
    unit.registers = { ...unit.registers, enabled: false };
    expect(ask(unit, 0x5678n)).toStrictEqual({ ...UR, event: disallowed });
    const given = { pasid: 3, count: 2, noWrite: true, execute: true, privileged: true };
    expect(ask(unit, 0x5678n, given).event).toStrictEqual({
      ...disallowed,
      ssv: true,
      ssid: 3,
      write: false,
      execute: true,
      privileged: true,
      span: 2,
    });
    expect(ask(unit, 0n, { count: 256 }).event).toMatchObject({ span: 255 });
    // Without a PASID there is neither.
    expect(ask(unit, 0x5678n, { execute: true, privileged: true }).event).toStrictEqual(disallowed);
  });

  it('with Config 000: UR, and nothing is recorded', () => {
    const unit = new TestUnit();
    unit.stream(1, { kind: 'abort', ste: someSte });
    expect(ask(unit, 0x5000n)).toStrictEqual(UR);
  });

  it('in bypass, and with EATS 00: UR and F_BAD_ATS_TREQ, before the SubstreamID is looked at', () => {
    const unit = new TestUnit();
    unit.stream(1, bypassing());
    expect(ask(unit, 0x5000n)).toStrictEqual({ ...UR, event: disallowed });
    unit.stream(1, translating({ stage1: stage1With(BASE) }, { eats: 'none' }));
    const event: EventRecord = { name: 'C_BAD_SUBSTREAMID', sid: 1, ssid: 3 };
    unit.answer(1, { ok: false, reason: 'configuration', event, recorded: true, recordedForAts: true }, 3);
    expect(ask(unit, 0x5000n, { pasid: 3 })).toStrictEqual({ ...UR, event: { ...disallowed, ssv: true, ssid: 3 } });
  });

  it('with configuration errors: CA, recorded as the lookup says', () => {
    const event: EventRecord = { name: 'C_BAD_CD', sid: 1, ssv: false, ssid: 0 };
    for (const [recorded, recordedForAts] of [
      [true, false],
      [false, true],
    ] as const) {
      const answer = { ok: false, reason: 'configuration', event, recorded, recordedForAts } as const;
      const { unit } = stage1Stream();
      // Of the entry alone the SubstreamID is not known: the whole lookup's event is recorded.
      unit.entry(1, { ...answer, event: { ...event, ssid: 99 } });
      unit.answer(1, answer);
      expect(ask(unit, 0x5000n)).toStrictEqual(recordedForAts ? { ...CA, event } : CA);
      unit.entry(1, { ok: true, configuration: translating({}) });
      unit.answer(1, answer);
      expect(ask(unit, 0x5000n)).toStrictEqual(recordedForAts ? { ...CA, event } : CA);
    }
  });

  it('with an external abort: CA, recorded with REC_CFG_ATS', () => {
    const { unit } = stage1Stream({ memory: new Memory({ ranges: [{ base: 0n, size: 0x1000n }] }) });
    expect(ask(unit, 0x5000n)).toStrictEqual(CA);
    unit.registers = { ...unit.registers, recordConfigurationAts: true };
    const answer = ask(unit, 0x5000n, { pasid: 3, privileged: true });
    expect(answer).toMatchObject({
      ...CA,
      event: {
        name: 'F_WALK_EABT',
        sid: 1,
        ssv: true,
        ssid: 3,
        s2: false,
        class: 1,
        inputAddr: 0x5000n,
        fetchAddr: BASE,
      },
    });
  });

  it('with an external abort of a stage-2 descriptor too, recorded as such', () => {
    const memory = new Memory({
      ranges: [
        { base: nested.s2Tables, size: 0x10_0000n },
        { base: nested.ipaOfTables + nested.offset, size: 0x10_0000n },
      ],
    });
    const unit = new TestUnit({ memory });
    const { guest, host, stage2 } = nestedStream(unit);
    unit.registers = { ...unit.registers, recordConfigurationAts: true };
    guest.map(0x5000n, 1n << 30n, ordinary);
    memory.writeWord(host.descriptor(1n << 30n, 1), 0x5000n | 3n);
    const event = { name: 'F_WALK_EABT', s2: true, class: 2, rnw: true, fetchAddr: 0x5000n };
    expect(ask(unit, 0x5000n)).toMatchObject({ ...CA, event });
    unit.stream(1, translating({ stage2 }));
    expect(ask(unit, 1n << 30n)).toMatchObject({ ...CA, event });
  });

  it('of no translation at all: that is not a request', () => {
    const { unit } = stage1Stream();
    expect(() => ask(unit, 0n, { count: 0 })).toThrow('0 translations');
    expect(() => ask(unit, 0n, { count: 1.5 })).toThrow('1.5 translations');
  });
});

describe('A Translation Request that faults is answered Success with R = W = 0 (ATS-04)', () => {
  it('at stage 1, of one STU, whatever A, R and S say', () => {
    const { unit, tables } = stage1Stream({}, { outputBits: 40 });
    expect(granted(unit, 0x5000n)).toStrictEqual(denied);
    tables.map(0x5000n, 0x9000n, ordinary & ~s1.af);
    expect(granted(unit, 0x5000n)).toStrictEqual(denied);
    tables.map(0x5000n, 1n << 40n, ordinary);
    expect(granted(unit, 0x5000n)).toStrictEqual(denied);
    tables.map(0x5000n, 0x9000n, ordinary & ~s1.user);
    expect(granted(unit, 0x5000n)).toStrictEqual(denied);
    expect(granted(unit, 1n << 48n)).toStrictEqual(denied);
    expect(unit.tlb.entries).toStrictEqual([]);
  });

  it('at stage 2 of the page, of a table, and of a context descriptor', () => {
    const unit = new TestUnit();
    const { guest, host, stage2 } = nestedStream(unit);
    guest.map(0x5000n, 0x70_0000n, ordinary);
    expect(granted(unit, 0x5000n)).toStrictEqual(denied);
    host.map(nested.ipaOfTables, nested.ipaOfTables + nested.offset, ordinary2 & ~s2.read);
    unit.tlb.clear();
    expect(granted(unit, 0x5000n)).toStrictEqual(denied);
    unit.entry(1, { ok: true, configuration: translating({ stage2 }) });
    const at = { ok: false, reason: 'stage 2', ipa: 0n, ste: someSte, stage2 } as const;
    unit.answer(1, { ...at, fault: { name: 'F_PERMISSION', stage: 2, class: 'CD', ipa: 0n } });
    expect(granted(unit, 0x5000n)).toStrictEqual(denied);
    unit.answer(1, { ...at, fault: { name: 'F_WALK_EABT', stage: 2, class: 'CD', fetchAddress: 0n } });
    expect(ask(unit, 0x5000n)).toStrictEqual(CA);
  });

  it('with the privilege of the request, and the STU of the granules', () => {
    const { unit } = stage1Stream();
    expect(granted(unit, 0x5000n, { pasid: 1, privileged: true })).toStrictEqual({ ...denied, privileged: true });
    const coarse = stage1Stream({ identity: { GRAN4K: false } });
    expect(granted(coarse.unit, 0x5000n)).toStrictEqual({ ...denied, sizeLog2: 14 });
    expect(smallestTranslationUnit({ GRAN4K: false, GRAN16K: false })).toBe(16);
  });
});

describe('What is granted (13.7.1)', () => {
  const privRW = s1.af | s1.ng;
  const userRO = ordinary | s1.readOnly;

  it.each([
    ['user RW', ordinary, {}, { read: true, write: true, execute: false }],
    ['user RO', userRO, {}, { read: true, write: false, execute: false }],
    ['user RW, NW', ordinary, { noWrite: true }, { read: true, write: true, execute: false }],
    ['user RX, Exe', userRO, { pasid: 1, execute: true }, { read: true, write: false, execute: true }],
    ['user RX, no Exe', userRO, { pasid: 1 }, { read: true, write: false, execute: false }],
    ['user R, Exe', userRO | s1.uxn, { pasid: 1, execute: true }, { read: true, write: false, execute: false }],
    ['user RX, Exe without PASID', userRO, { execute: true }, { read: true, write: false, execute: false }],
    ['user X, Exe', privRW, { pasid: 1, execute: true }, { read: false, write: false, execute: false }],
    ['priv RW, unprivileged', privRW, { pasid: 1 }, { read: false, write: false, execute: false }],
    ['priv RW, Priv', privRW, { pasid: 1, privileged: true }, { read: true, write: true, execute: false }],
    ['priv RW, Priv without PASID', privRW, { privileged: true }, { read: false, write: false, execute: false }],
    [
      'priv RX, Priv Exe',
      privRW | s1.readOnly,
      { pasid: 1, privileged: true, execute: true },
      { read: true, write: false, execute: true },
    ],
  ] as const)('%s', (_, bits, request, rights) => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, bits);
    const privileged = 'pasid' in request && 'privileged' in request;
    const some = rights.read;
    const expected = { ...denied, ...rights, privileged, address: some ? 0x9000n : 0n };
    expect(granted(unit, 0x5000n, request)).toStrictEqual(expected);
    // The same of a TLB hit.
    expect(granted(unit, 0x5000n, request)).toStrictEqual(expected);
  });

  it('is never Global, since global translations differ between ASETs', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, ordinary & ~s1.ng);
    expect(granted(unit, 0x5000n, { pasid: 1 })).toMatchObject({ read: true, global: false, untranslatedOnly: false });
  });

  it('PRIVCFG changes the rights, not the Priv of the completion', () => {
    const { unit, tables } = stage1Stream({}, {}, { privilege: 'unprivileged' });
    tables.map(0x5000n, 0x9000n, privRW);
    expect(granted(unit, 0x5000n, { pasid: 1, privileged: true })).toStrictEqual({ ...denied, privileged: true });
    const raised = stage1Stream({}, {}, { privilege: 'privileged' });
    raised.tables.map(0x5000n, 0x9000n, privRW);
    expect(granted(raised.unit, 0x5000n)).toMatchObject({ read: true, write: true, privileged: false });
  });

  it('INSTCFG = Instruction makes R of X; Data makes X of R', () => {
    const inst = stage1Stream({}, {}, { instruction: 'instruction' });
    inst.tables.map(0x5000n, 0x9000n, s1.af | s1.ng);
    inst.tables.map(0x6000n, 0xa000n, ordinary | s1.uxn);
    const given = { pasid: 1, execute: true };
    expect(granted(inst.unit, 0x5000n, given)).toMatchObject({ read: true, write: false, execute: true });
    expect(granted(inst.unit, 0x5000n)).toMatchObject({ read: true, execute: false });
    expect(granted(inst.unit, 0x6000n, given)).toMatchObject({ read: false, write: true, execute: false });
    const data = stage1Stream({}, {}, { instruction: 'data' });
    data.tables.map(0x5000n, 0x9000n, ordinary | s1.uxn);
    expect(granted(data.unit, 0x5000n, given)).toMatchObject({ read: true, execute: true });
    expect(granted(data.unit, 0x5000n)).toMatchObject({ read: true, execute: false });
  });

  it('of both stages is what both permit, of the smaller page (ATS-05)', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit);
    guest.map(0x20_0000n, 0x80_0000n, ordinary, 2);
    host.map(0x80_0000n, 0x9000n, ordinary2 & ~s2.write);
    host.map(0x4000_0000n, 0x8000_0000n, ordinary2, 2);
    guest.map(0x7000n, 0x4000_3000n, ordinary);
    guest.map(0x60_0000n, 0x4000_0000n, ordinary, 2);
    expect(granted(unit, 0x20_0123n)).toStrictEqual({ ...denied, address: 0x9000n, read: true });
    expect(granted(unit, 0x7000n)).toMatchObject({ address: 0x8000_3000n, sizeLog2: 12, read: true, write: true });
    const both = { address: 0x8000_0000n, sizeLog2: 21, read: true, write: true };
    expect(granted(unit, 0x61_2345n)).toMatchObject(both);
    // From the combined entry the same, once the tables are gone.
    unit.memory.writeWord(guest.descriptor(0x60_0000n, 2), 0n);
    expect(granted(unit, 0x61_2345n)).toMatchObject(both);
  });

  it('by stage 1 is nothing: stage 2 is not walked', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit, { stage2: { hardwareAccess: true } });
    guest.map(0x5000n, 0x70_0000n, ordinary & ~s1.user);
    const descriptor = host.map(0x70_0000n, 0x9000n, ordinary2 & ~s2.af);
    expect(granted(unit, 0x5000n)).toStrictEqual(denied);
    expect(unit.memory.readWord(descriptor) & s2.af).toBe(0n);
    expect(granted(unit, 0x5000n, { pasid: 1, privileged: true })).toMatchObject({ read: true });
    expect(unit.memory.readWord(descriptor) & s2.af).toBe(s2.af);
  });
});

describe('Several translations in one completion', () => {
  it('are of one size, and fewer where one does not fit it', () => {
    const { unit, tables } = stage1Stream();
    tables.map(0x5000n, 0x9000n, ordinary);
    tables.map(0x7000n, 0xa000n, ordinary | s1.readOnly);
    const { completion } = ask(unit, 0x5000n, { count: 3 });
    expect(completion).toStrictEqual({
      status: 'success',
      translations: [
        { ...denied, address: 0x9000n, read: true, write: true },
        denied,
        { ...denied, address: 0xa000n, read: true },
      ],
    });
    tables.map(0x20_0000n, 0x80_0000n, ordinary, 2);
    expect(ask(unit, 0x3f_f000n, { count: 2 }).completion).toStrictEqual({
      status: 'success',
      translations: [{ ...denied, address: 0x80_0000n, sizeLog2: 21, read: true, write: true }],
    });
    // A page first: the block that follows is cut to pages.
    tables.map(0x1f_f000n, 0x3000n, ordinary);
    expect(ask(unit, 0x1f_f000n, { count: 3 }).completion).toMatchObject({
      translations: [
        { address: 0x3000n, sizeLog2: 12 },
        { address: 0x80_0000n, sizeLog2: 12 },
        { address: 0x80_1000n, sizeLog2: 12 },
      ],
    });
  });

  it('end before a descriptor that cannot be read', () => {
    const memory = new Memory({ ranges: [{ base: BASE, size: 0x10_0000n }] });
    const { unit, tables } = stage1Stream({ memory });
    tables.map(0x1f_f000n, 0x3000n, ordinary);
    memory.writeWord(tables.descriptor(0x20_0000n, 2), 0xdead_0000n | 3n);
    expect(ask(unit, 0x1f_f000n, { count: 2 })).toMatchObject({ completion: { translations: [{ address: 0x3000n }] } });
    expect(ask(unit, 0x20_0000n)).toStrictEqual(CA);
  });
});

describe('A stream that skips stage 1 (S1DSS = 01, 13.6.4)', () => {
  it('without stage 2 is granted all addresses as they are', () => {
    const unit = new TestUnit();
    unit.stream(1, bypassing({ eats: 'full', stage1Skipped: true }));
    const all = { ...denied, address: 0n, sizeLog2: 48, read: true, write: true };
    expect(granted(unit, 0x5000n)).toStrictEqual(all);
    expect(granted(unit, 1n << 48n)).toStrictEqual(denied);
  });

  it('with stage 2 is granted the PA, or with split-stage ATS the IPA and the rights of stage 2', () => {
    for (const eats of ['full', 'split'] as const) {
      const unit = new TestUnit();
      const host = new HandmadeTables(unit.memory, nested.s2Tables, 1);
      unit.stream(1, translating({ stage2: stage2With(host.base) }, { eats, stage1Skipped: true }));
      host.map(0x4000_0000n, 0x8000_0000n, ordinary2 & ~s2.write, 2);
      expect(granted(unit, 0x4000_5000n)).toStrictEqual({
        ...denied,
        address: eats === 'full' ? 0x8000_0000n : 0x4000_0000n,
        sizeLog2: 21,
        read: true,
      });
      expect(granted(unit, 0x5000n)).toStrictEqual(denied);
      expect(granted(unit, 1n << 48n)).toStrictEqual(denied);
    }
  });
});

describe('Split-stage ATS (13.6.3)', () => {
  it('answers with the IPA, and the rights and size of both stages', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit, { configuration: { eats: 'split' } });
    guest.map(0x20_0000n, 0x80_0000n, ordinary, 2);
    host.map(0x80_3000n, 0x9000n, ordinary2 & ~s2.write);
    const expected = { ...denied, address: 0x80_3000n, read: true };
    expect(granted(unit, 0x20_3000n)).toStrictEqual(expected);
    expect(granted(unit, 0x20_3000n)).toStrictEqual(expected);
    expect(granted(unit, 0x20_4000n)).toStrictEqual(denied);
  });

  it('makes stage 1 dirty, and leaves stage 2 to the Translated write, which counts as permitted', () => {
    const hardware = { hardwareAccess: true, hardwareDirty: true };
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit, {
      stage1: hardware,
      stage2: hardware,
      configuration: { eats: 'split' },
    });
    const first = guest.map(0x5000n, 0x70_0000n, ordinary | s1.readOnly | s1.dbm);
    const second = host.map(0x70_0000n, 0x9000n, (ordinary2 & ~s2.write) | s2.dbm);
    expect(granted(unit, 0x5000n)).toMatchObject({ address: 0x70_0000n, write: true });
    expect(unit.memory.readWord(first) & s1.readOnly).toBe(0n);
    expect(unit.memory.readWord(second) & s2.write).toBe(0n);
    // With NW too: that of stage 1 is dirty by now.
    expect(granted(unit, 0x5000n, { noWrite: true })).toMatchObject({ write: true });
  });
});

describe('Hardware update of flags by Translation Requests (3.13.7)', () => {
  const hardware = { hardwareAccess: true, hardwareDirty: true };
  const clean = ordinary | s1.readOnly | s1.dbm;

  it('sets AF, or denies access where hardware does not', () => {
    const { unit, tables } = stage1Stream({}, { hardwareAccess: true });
    const descriptor = tables.map(0x5000n, 0x9000n, ordinary & ~s1.af);
    expect(granted(unit, 0x5000n, { noWrite: true })).toMatchObject({ read: true });
    expect(unit.memory.readWord(descriptor) & s1.af).toBe(s1.af);
  });

  it('makes a clean page dirty for a request without NW, and grants W', () => {
    const { unit, tables } = stage1Stream({}, hardware);
    const descriptor = tables.map(0x5000n, 0x9000n, clean);
    expect(granted(unit, 0x5000n, { noWrite: true })).toMatchObject({ read: true, write: false });
    expect(unit.memory.readWord(descriptor) & s1.readOnly).toBe(s1.readOnly);
    expect(granted(unit, 0x5000n)).toMatchObject({ read: true, write: true });
    expect(unit.memory.readWord(descriptor) & s1.readOnly).toBe(0n);
    expect(granted(unit, 0x5000n, { noWrite: true })).toMatchObject({ read: true, write: true });
    expect(unit.tlb.entries).toHaveLength(1);
  });

  it('grants no W on a clean page without HD', () => {
    const { unit, tables } = stage1Stream({}, { hardwareAccess: true });
    const descriptor = tables.map(0x5000n, 0x9000n, clean);
    expect(granted(unit, 0x5000n)).toMatchObject({ read: true, write: false });
    expect(unit.memory.readWord(descriptor)).toBe(0x9000n | clean | 3n);
  });

  it('makes no page of stage 2 dirty where stage 1 is read-only, and none of stage 1 where stage 2 is', () => {
    const unit = new TestUnit();
    const { guest, host } = nestedStream(unit, { stage1: hardware, stage2: hardware });
    guest.map(0x5000n, 0x70_0000n, ordinary | s1.readOnly);
    const second = host.map(0x70_0000n, 0x9000n, (ordinary2 & ~s2.write) | s2.dbm);
    expect(granted(unit, 0x5000n)).toMatchObject({ read: true, write: false });
    expect(unit.memory.readWord(second) & s2.write).toBe(0n);
    const first = guest.map(0x6000n, 0x71_0000n, clean);
    host.map(0x71_0000n, 0xa000n, ordinary2 & ~s2.write);
    expect(granted(unit, 0x6000n)).toMatchObject({ read: true, write: false });
    expect(unit.memory.readWord(first) & s1.readOnly).toBe(s1.readOnly);
  });

  it('makes both stages dirty, also from a combined entry', () => {
    for (const warm of [false, true]) {
      const unit = new TestUnit();
      const { guest, host } = nestedStream(unit, { stage1: hardware, stage2: hardware });
      const first = guest.map(0x5000n, 0x70_0000n, clean);
      const second = host.map(0x70_0000n, 0x9000n, (ordinary2 & ~s2.write) | s2.dbm);
      if (warm) granted(unit, 0x5000n, { noWrite: true });
      expect(granted(unit, 0x5000n)).toMatchObject({ read: true, write: true, address: 0x9000n });
      expect(unit.memory.readWord(first) & s1.readOnly).toBe(0n);
      expect(unit.memory.readWord(second) & s2.write).toBe(s2.write);
      expect(unit.tlb.entries.filter(({ kind }) => kind === 'combined')).toMatchObject([
        { stage1: { leaf: { writableClean: false } }, stage2: { leaf: { writableClean: false } } },
      ]);
    }
  });

  it('finds a descriptor of either stage changed since a combined entry was made, and asks again', () => {
    for (const stage of [1, 2]) {
      const unit = new TestUnit();
      const { guest, host } = nestedStream(unit, { stage1: hardware, stage2: hardware });
      const first = guest.map(0x5000n, 0x70_0000n, clean);
      const second = host.map(0x70_0000n, 0x9000n, (ordinary2 & ~s2.write) | s2.dbm);
      granted(unit, 0x5000n, { noWrite: true });
      unit.memory.writeWord(stage === 1 ? first : second, 0n);
      expect(granted(unit, 0x5000n)).toStrictEqual(denied);
      expect(unit.memory.readWord(stage === 1 ? first : second)).toBe(0n);
    }
  });

  it('finds a descriptor that was changed since, and asks again', () => {
    const { unit, tables } = stage1Stream({}, hardware);
    const descriptor = tables.map(0x5000n, 0x9000n, clean);
    granted(unit, 0x5000n, { noWrite: true });
    unit.memory.writeWord(descriptor, 0n);
    expect(granted(unit, 0x5000n)).toStrictEqual(denied);
    expect(unit.memory.readWord(descriptor)).toBe(0n);
  });
});

describe('Translation Requests and the TLB', () => {
  it('use and insert entries as transactions do: a stale one refills an ATC (INV-01)', () => {
    const { unit, tables } = stage1Stream();
    const descriptor = tables.map(0x5000n, 0x9000n, ordinary);
    granted(unit, 0x5000n);
    expect(unit.tlb.entries).toMatchObject([{ kind: 'stage 1', input: 0x5000n }]);
    unit.memory.writeWord(descriptor, 0n);
    expect(granted(unit, 0x5000n)).toMatchObject({ address: 0x9000n, read: true });
    unit.tlb.invalidate(command({ op: 'TLBI_NH_ASID', vmid: 1, asid: 7 }));
    expect(granted(unit, 0x5000n)).toStrictEqual(denied);
  });

  it('insert the combination of both stages; under `everything` the parts as well', () => {
    for (const policy of ['always', 'everything', 'chosen'] as const) {
      const unit = new TestUnit({ policy });
      const { guest, host } = nestedStream(unit);
      guest.map(0x5000n, 0x70_0000n, ordinary);
      host.map(0x70_0000n, 0x9000n, ordinary2);
      granted(unit, 0x5000n);
      const tag = { world: 'NS-EL1', vmid: 1, asid: 7 } as const;
      expect(unit.tlb.lookup('combined', tag, 0x5000n)?.output).toBe(policy === 'chosen' ? undefined : 0x9000n);
      const parts = policy === 'everything';
      expect(unit.tlb.lookup('stage 1', tag, 0x5000n) !== undefined).toBe(parts);
      expect(unit.tlb.lookup('stage 2', tag, 0x70_0000n) !== undefined).toBe(parts);
      expect(unit.tlb.entries.some(({ kind }) => kind === 'stage 1 table')).toBe(parts);
    }
  });

  it('know the tag byte', () => {
    const unit = new TestUnit();
    const tables = new HandmadeTables(unit.memory, BASE);
    unit.stream(1, translating({ stage1: stage1With(BASE, { topByteIgnored: true }, { cd: { TBI0: true } }) }));
    tables.map(0x5000n, 0x9000n, ordinary);
    expect(granted(unit, 0xab00_0000_0000_5000n)).toMatchObject({ address: 0x9000n });
  });
});
