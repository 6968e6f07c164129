import { describe, expect, it } from 'vitest';
import { translateTranslated } from './ats-translated.ts';
import type { EventRecord } from './events.ts';
import type { Identity } from './identity.ts';
import {
  bypassing,
  HandmadeTables,
  nested,
  ordinary2,
  read,
  s2,
  someSte,
  stage1With,
  stage2With,
  TestUnit,
  translating,
  write,
} from './translation.fixture.ts';

const full = translating({ stage1: stage1With(0n) }, { eats: 'full' });

function silent(): object {
  return { outcome: 'aborted', pieces: [] };
}

function forbidden(given: Partial<EventRecord> = {}): object {
  const event = { name: 'F_TRANSL_FORBIDDEN', sid: 1, rnw: false, inputAddr: 0x5678n, ...given };
  return { outcome: 'aborted', event, pieces: [] };
}

/** A stream with split-stage ATS. */
function splitStream(
  identity: Partial<Identity> = {},
  given: Parameters<typeof translating>[1] = {},
  ofStage2: Parameters<typeof stage2With>[2] = {},
): { readonly unit: TestUnit; readonly host: HandmadeTables } {
  const unit = new TestUnit({ identity });
  const host = new HandmadeTables(unit.memory, nested.s2Tables, 1);
  const stage2 = stage2With(host.base, { executeNeverPrivileges: true }, ofStage2);
  unit.stream(1, translating({ stage1: stage1With(0n), stage2 }, { eats: 'split', ...given }));
  return { unit, host };
}

describe('A Translated transaction (3.9.1.3)', () => {
  it('is forbidden with SMMUEN = 0', () => {
    const unit = new TestUnit();
    unit.registers = { ...unit.registers, enabled: false };
    expect(translateTranslated(unit, write(0x5678n))).toStrictEqual(forbidden());
    expect(translateTranslated(unit, read(0x5678n))).toMatchObject({ event: { rnw: true } });
  });

  it('passes unchecked with ATSCHK = 0, up to OAS (ATS-13)', () => {
    const unit = new TestUnit();
    unit.registers = { ...unit.registers, atsCheck: false };
    expect(translateTranslated(unit, write(0x5ff8n, { bytes: new Uint8Array(16) }))).toStrictEqual({
      outcome: 'admitted',
      pieces: [{ physical: 0x5ff8n, offset: 0, length: 16, used: [] }],
    });
    expect(translateTranslated(unit, write((1n << 48n) - 8n))).toMatchObject({ outcome: 'admitted' });
    expect(translateTranslated(unit, write((1n << 48n) - 7n))).toStrictEqual(silent());
  });

  it('is checked with ATSCHK = 1: Config 000 is silent, bypass and EATS 00 forbid, 01 passes (ATS-02)', () => {
    const unit = new TestUnit();
    unit.stream(1, { kind: 'abort', ste: someSte });
    expect(translateTranslated(unit, write(0x5678n))).toStrictEqual(silent());
    unit.stream(1, bypassing());
    expect(translateTranslated(unit, write(0x5678n))).toStrictEqual(forbidden());
    unit.stream(1, translating({ stage1: stage1With(0n) }, { eats: 'none' }));
    expect(translateTranslated(unit, write(0x5678n))).toStrictEqual(forbidden());
    unit.stream(1, full);
    expect(translateTranslated(unit, write(0x5678n))).toMatchObject({ pieces: [{ physical: 0x5678n }] });
    expect(translateTranslated(unit, write(1n << 48n))).toStrictEqual(silent());
  });

  it('is aborted by configuration errors, recorded with REC_CFG_ATS whatever RECINVSID says', () => {
    const unit = new TestUnit();
    const event: EventRecord = { name: 'C_BAD_STREAMID', sid: 1, ssv: false, ssid: 0 };
    const answer = { ok: false, reason: 'configuration', event, recorded: false, recordedForAts: false } as const;
    unit.entry(1, { ...answer, event: { ...event, ssid: 99 } });
    unit.answer(1, answer);
    expect(translateTranslated(unit, write(0x5678n))).toStrictEqual(silent());
    unit.registers = { ...unit.registers, recordConfigurationAts: true };
    expect(translateTranslated(unit, write(0x5678n))).toStrictEqual({ ...silent(), event });
  });

  it('has a byte at least', () => {
    const unit = new TestUnit();
    unit.stream(1, full);
    expect(() => translateTranslated(unit, read(0n, { length: 0 }))).toThrow('at least one byte');
  });
});

describe('A Translated transaction with a PASID', () => {
  const bad: EventRecord = { name: 'C_BAD_SUBSTREAMID', sid: 1, ssid: 9 };
  const answer = { ok: false, reason: 'configuration', event: bad, recorded: true, recordedForAts: true } as const;

  it('is looked at without PASIDTT as if it had none', () => {
    const unit = new TestUnit();
    unit.stream(1, full);
    unit.answer(1, answer, 9);
    expect(translateTranslated(unit, write(0x5678n, { pasid: 9 }))).toMatchObject({ outcome: 'admitted' });
  });

  it('has its SubstreamID checked with PASIDTT, after EATS', () => {
    const unit = new TestUnit({ identity: { PASIDTT: true } });
    unit.stream(1, full);
    unit.answer(1, answer, 9);
    expect(translateTranslated(unit, write(0x5678n, { pasid: 9 }))).toStrictEqual(silent());
    unit.registers = { ...unit.registers, recordConfigurationAts: true };
    expect(translateTranslated(unit, write(0x5678n, { pasid: 9 }))).toStrictEqual({ ...silent(), event: bad });
    expect(translateTranslated(unit, write(0x5678n, { pasid: 8 }))).toMatchObject({ outcome: 'admitted' });
    unit.entry(1, { ok: true, configuration: translating({}, { eats: 'none' }) });
    expect(translateTranslated(unit, write(0x5678n, { pasid: 9 }))).toStrictEqual(forbidden());
  });

  it('without one is only asked whether the stream allows that', () => {
    const unit = new TestUnit({ identity: { PASIDTT: true } });
    unit.entry(1, { ok: true, configuration: full });
    unit.answer(1, { ...answer, event: { name: 'F_STREAM_DISABLED', sid: 1 } });
    expect(translateTranslated(unit, write(0x5678n))).toStrictEqual(silent());
    unit.answer(1, { ...answer, event: { name: 'C_BAD_CD', sid: 1, ssv: false, ssid: 0 } });
    expect(translateTranslated(unit, write(0x5678n))).toMatchObject({ outcome: 'admitted' });
    const stage2 = stage2With(0n);
    const fault = { name: 'F_TRANSLATION', stage: 2, class: 'CD', ipa: 0x3000n } as const;
    unit.answer(1, { ok: false, reason: 'stage 2', fault, ipa: 0x3000n, ste: someSte, stage2 });
    expect(translateTranslated(unit, write(0x5678n))).toMatchObject({ outcome: 'admitted' });
    unit.answer(1, { ok: false, reason: 'stage 2', fault, ipa: 0x3000n, ste: someSte, stage2 }, 9);
    expect(translateTranslated(unit, write(0x5678n, { pasid: 9 }))).toMatchObject({
      outcome: 'aborted',
      event: { name: 'F_TRANSLATION', s2: true, class: 0, ssv: true, ssid: 9, ipa: 0x3000n },
    });
  });
});

describe('A Translated transaction with split-stage ATS (ATS-12)', () => {
  it('is an IPA, and is translated by stage 2 page by page', () => {
    const { unit, host } = splitStream();
    host.map(0x5000n, 0x9000n, ordinary2);
    host.map(0x6000n, 0x3000n, ordinary2);
    expect(translateTranslated(unit, write(0x5ff8n, { bytes: new Uint8Array(16) }))).toMatchObject({
      outcome: 'admitted',
      pieces: [
        { physical: 0x9ff8n, offset: 0, length: 8, used: expect.any(Array) as unknown },
        { physical: 0x3000n, offset: 8, length: 8 },
      ],
    });
    expect(unit.tlb.entries).toMatchObject([
      { kind: 'stage 2', input: 0x5000n },
      { kind: 'stage 2', input: 0x6000n },
    ]);
  });

  it('faults at stage 2 as an ordinary one: recorded by S2R, always an abort', () => {
    const { unit, host } = splitStream();
    host.map(0x5000n, 0x9000n, ordinary2 & ~s2.write);
    const at = { s2: true, class: 2, ssv: false, rnw: false, ipa: 0x5000n, inputAddr: 0x5678n };
    const outcome = translateTranslated(unit, write(0x5678n, { pasid: 3 }));
    expect(outcome).toMatchObject({ outcome: 'aborted', event: { name: 'F_PERMISSION', ...at } });
    const quiet = splitStream({}, {}, { record: false });
    expect(translateTranslated(quiet.unit, write(0x5678n))).toStrictEqual(silent());
    expect(translateTranslated(unit, write(1n << 48n))).toMatchObject({
      outcome: 'aborted',
      event: { name: 'F_ADDR_SIZE', s2: false, class: 2 },
    });
  });

  it('never stalls', () => {
    const { unit } = splitStream({}, {}, { stall: true });
    expect(translateTranslated(unit, write(0x5678n)).outcome).toBe('aborted');
  });

  it('is unprivileged data without PASIDTT, and what its prefix says with it; overrides apply (13.7)', () => {
    // XN = 11: executable by privileged code only.
    const privilegedOnly = ordinary2 | s2.xn | (1n << 53n);
    const fetch = read(0x5000n, { pasid: 3, privileged: true, execute: true });
    const plain = splitStream();
    plain.host.map(0x5000n, 0x9000n, privilegedOnly);
    expect(translateTranslated(plain.unit, fetch)).toMatchObject({ outcome: 'admitted' });
    plain.host.map(0x5000n, 0x9000n, privilegedOnly & ~s2.read);
    plain.unit.tlb.clear();
    expect(translateTranslated(plain.unit, fetch)).toMatchObject({
      event: { name: 'F_PERMISSION', ind: false, pnu: false },
    });
    const prefixed = splitStream({ PASIDTT: true });
    prefixed.host.map(0x5000n, 0x9000n, privilegedOnly);
    expect(translateTranslated(prefixed.unit, fetch)).toMatchObject({ outcome: 'admitted' });
    expect(translateTranslated(prefixed.unit, { ...fetch, privileged: false })).toMatchObject({
      event: { name: 'F_PERMISSION', ind: true, pnu: false, ssv: true },
    });
    const overridden = splitStream({}, { instruction: 'instruction' });
    overridden.host.map(0x5000n, 0x9000n, privilegedOnly);
    expect(translateTranslated(overridden.unit, fetch)).toMatchObject({ event: { name: 'F_PERMISSION', ind: true } });
  });

  it('makes the page dirty that the Translation Request left clean', () => {
    const unit = new TestUnit();
    const host = new HandmadeTables(unit.memory, nested.s2Tables, 1);
    const stage2 = stage2With(host.base, { hardwareAccess: true, hardwareDirty: true });
    unit.stream(1, translating({ stage1: stage1With(0n), stage2 }, { eats: 'split' }));
    const descriptor = host.map(0x5000n, 0x9000n, (ordinary2 & ~s2.write) | s2.dbm);
    expect(translateTranslated(unit, write(0x5000n))).toMatchObject({ outcome: 'admitted' });
    expect(unit.memory.readWord(descriptor) & s2.write).toBe(s2.write);
  });
});
