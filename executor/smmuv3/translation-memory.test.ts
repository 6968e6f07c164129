/** Translation with nothing given but bytes in memory and registers, as real software writes them. */
import { describe, expect, it } from 'vitest';
import { Memory } from '../memory.ts';
import { answerTranslationRequest, translateTranslated } from './ats.ts';
import { ConfigurationCache } from './configuration.ts';
import type { ConfigurationRegisters } from './configuration.ts';
import { cdLayout } from './context-descriptor.ts';
import { encodeEvent } from './events.ts';
import { defaultIdentity, identityWith, svaIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import { steLayout } from './stream-table-entry.ts';
import { command } from './tlb.fixture.ts';
import { Tlb } from './tlb.ts';
import { HandmadeTables, nested, ordinary, ordinary2, read, s1, s2, write } from './translation.fixture.ts';
import { translateAccess } from './translation.ts';
import type { Outcome, TranslationUnit } from './translation.ts';

const STRTAB = 0x100_0000n;

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../gu) ?? [], (byte) => Number.parseInt(byte, 16));
}

/** A unit with a linear stream table. */
function unitOf(identity: Identity): TranslationUnit & { readonly configuration: ConfigurationCache } {
  const memory = new Memory();
  const registers: ConfigurationRegisters & TranslationUnit['registers'] = {
    enabled: true,
    atsCheck: true,
    e2h: false,
    recordInvalidStreamId: true,
    recordConfigurationAts: true,
    globalBypassAbort: false,
    strtabBase: STRTAB,
    strtabBaseCfg: 8,
  };
  const tlb = new Tlb({ identity, e2h: () => false });
  return { memory, identity, tlb, registers, configuration: new ConfigurationCache(memory, identity, registers) };
}

function recorded(outcome: Outcome): string | undefined {
  if (outcome.outcome === 'admitted' || outcome.event === undefined || outcome.event.name === 'unknown')
    return undefined;
  return [...encodeEvent(outcome.event)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

describe('A stream as Linux sets it up', () => {
  const unit = unitOf(defaultIdentity);
  const { memory } = unit;
  memory.write(STRTAB + 0x28n * 64n, bytes('0b70434300000000d6'));
  memory.write(0x4343_7000n, bytes('103500c004e201000080434300000000000000000000000044ff04f4ffffffff'));
  const tables = new HandmadeTables(memory, 0x4343_8000n);

  it('records an unmapped read with the very bytes that were seen', () => {
    expect(recorded(translateAccess(unit, read(0x765_4320n, { streamId: 0x28 })))).toBe(
      '1000000028000000000000000802000020436507000000000000000000000000',
    );
  });

  it('translates a mapped one, and keeps the translation under its ASID and VMID 0', () => {
    tables.map(0x765_4000n, 0x4848_0000n, ordinary);
    expect(translateAccess(unit, read(0x765_4320n, { streamId: 0x28 }))).toMatchObject({
      outcome: 'admitted',
      pieces: [{ physical: 0x4848_0320n, offset: 0, length: 8 }],
    });
    expect(unit.tlb.entries).toMatchObject([{ kind: 'stage 1', tag: { world: 'NS-EL1', vmid: 0, asid: 1 } }]);
  });
});

describe('A nested stream in memory', () => {
  /** Both stages with two PASIDs; the descriptors and tables of stage 1 are behind stage 2. */
  function nestedUnit(ste: Parameters<typeof steLayout.encode>[0] = {}): {
    readonly unit: ReturnType<typeof unitOf>;
    readonly guest: HandmadeTables;
    readonly host: HandmadeTables;
  } {
    const unit = unitOf(identityWith({}, svaIdentity));
    const { memory } = unit;
    const guest = new HandmadeTables(memory, nested.ipaOfTables, 0, nested.offset);
    const host = new HandmadeTables(memory, nested.s2Tables, 1);
    for (let page = 0n; page < 16n; page++) {
      const ipa = nested.ipaOfTables + (page << 12n);
      host.map(ipa, ipa + nested.offset, ordinary2);
    }
    const cds = 0x3_4000n;
    host.map(cds, 0x8_8000n, ordinary2);
    const entry = {
      V: true,
      Config: 0b111,
      S1CDMax: 1,
      S1DSS: 0b10,
      S1ContextPtr: cds,
      EATS: 0b01,
      S2VMID: 5,
    } as const;
    const stage2 = { S2T0SZ: 25, S2SL0: 1, S2TG: 0, S2PS: 5, S2AA64: true, S2R: true, S2TTB: host.base } as const;
    memory.write(STRTAB + 64n, steLayout.encode({ ...entry, ...stage2, ...ste }));
    const cd = { T0SZ: 16, EPD1: true, V: true, IPS: 5, AA64: true, R: true, A: true, TTB0: guest.base } as const;
    memory.write(0x8_8000n, cdLayout.encode({ ...cd, ASID: 3 }));
    memory.write(0x8_8040n, cdLayout.encode({ ...cd, ASID: 4 }));
    return { unit, guest, host };
  }

  it('translates with and without PASID by the two context descriptors', () => {
    const { unit, guest, host } = nestedUnit();
    guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(0x70_0000n, 0x9000n, ordinary2);
    for (const given of [{}, { pasid: 1 }]) {
      expect(translateAccess(unit, write(0x5008n, given))).toMatchObject({ pieces: [{ physical: 0x9008n }] });
    }
    expect(unit.tlb.entries.filter(({ kind }) => kind === 'combined').map(({ tag }) => tag)).toStrictEqual([
      { world: 'NS-EL1', vmid: 5, asid: 3 },
      { world: 'NS-EL1', vmid: 5, asid: 4 },
    ]);
    expect(translateAccess(unit, write(0x5008n, { pasid: 0 }))).toMatchObject({ event: { name: 'F_STREAM_DISABLED' } });
    expect(translateAccess(unit, write(0x5008n, { pasid: 2 }))).toMatchObject({ event: { name: 'C_BAD_SUBSTREAMID' } });
  });

  it('faults where stage 2 does not map the context descriptors, until it does', () => {
    const { unit, guest, host } = nestedUnit({ PRIVCFG: 0b11 });
    guest.map(0x5000n, 0x70_0000n, s1.af | s1.ng);
    host.map(0x70_0000n, 0x9000n, ordinary2);
    const word = unit.memory.readWord(host.descriptor(0x3_4000n));
    unit.memory.writeWord(host.descriptor(0x3_4000n), 0n);
    const at = { s2: true, class: 0, ipa: 0x3_4000n, ssid: 1, pnu: true, stall: false };
    expect(translateAccess(unit, write(0x5008n, { pasid: 1 }))).toMatchObject({
      event: { name: 'F_TRANSLATION', ...at },
    });
    unit.memory.writeWord(host.descriptor(0x3_4000n), word);
    expect(translateAccess(unit, write(0x5008n, { pasid: 1 }))).toMatchObject({ outcome: 'admitted' });
  });

  it('answers ATS, passes what was answered, and refills from the TLB until that is invalidated', () => {
    const { unit, guest, host } = nestedUnit();
    const descriptor = guest.map(0x5000n, 0x70_0000n, ordinary);
    host.map(0x70_0000n, 0x9000n, ordinary2 & ~s2.write);
    const request = { streamId: 1, pasid: 1, address: 0x5000n };
    const ask = (): unknown => answerTranslationRequest(unit, request).completion;
    const yes = { status: 'success', translations: [{ address: 0x9000n, sizeLog2: 12, read: true, write: false }] };
    expect(ask()).toMatchObject(yes);
    expect(translateTranslated(unit, read(0x9010n, { pasid: 1, translated: true }))).toMatchObject({
      outcome: 'admitted',
      pieces: [{ physical: 0x9010n }],
    });
    unit.memory.writeWord(descriptor, 0n);
    expect(ask()).toMatchObject(yes);
    unit.tlb.invalidate(command({ op: 'TLBI_NH_VA', vmid: 5, asid: 4, address: 0x5000n }));
    expect(ask()).toMatchObject({ status: 'success', translations: [{ read: false, write: false }] });
  });

  it('with EATS 10 answers with IPAs, which stage 2 still checks (ATS-12)', () => {
    const { unit, guest, host } = nestedUnit({ EATS: 0b10 });
    guest.map(0x5000n, 0x70_0000n, ordinary);
    const page = host.map(0x70_0000n, 0x9000n, ordinary2);
    const { completion } = answerTranslationRequest(unit, { streamId: 1, pasid: 1, address: 0x5000n });
    expect(completion).toMatchObject({ translations: [{ address: 0x70_0000n, read: true, write: true }] });
    const use = write(0x70_0008n, { pasid: 1, translated: true });
    expect(translateTranslated(unit, use)).toMatchObject({ pieces: [{ physical: 0x9008n }] });
    unit.memory.writeWord(page, 0n);
    unit.tlb.invalidate(command({ op: 'TLBI_S2_IPA', vmid: 5, address: 0x70_0000n }));
    expect(translateTranslated(unit, use)).toMatchObject({
      outcome: 'aborted',
      event: { name: 'F_TRANSLATION', s2: true, class: 2, ipa: 0x70_0000n, ssv: false },
    });
  });

  it('refuses ATS as the entry says, with the SubstreamID in the record', () => {
    const request = { streamId: 1, pasid: 1, address: 0x5000n };
    const off = nestedUnit({ EATS: 0b00 });
    expect(answerTranslationRequest(off.unit, request)).toMatchObject({
      completion: { status: 'unsupported request' },
      event: { name: 'F_BAD_ATS_TREQ', ssv: true, ssid: 1 },
    });
    const bad = nestedUnit({ S2AA64: false });
    expect(answerTranslationRequest(bad.unit, request)).toMatchObject({
      completion: { status: 'completer abort' },
      event: { name: 'C_BAD_STE', ssv: true, ssid: 1 },
    });
    expect(translateTranslated(bad.unit, read(0x9000n, { pasid: 1, translated: true }))).toMatchObject({
      outcome: 'aborted',
      event: { name: 'C_BAD_STE', ssv: false, ssid: 0 },
    });
  });
});
