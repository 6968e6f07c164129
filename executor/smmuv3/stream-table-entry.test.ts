import { describe, expect, it } from 'vitest';
import { defaultIdentity, identityWith, svaIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import type { Ste } from './stream-table-entry.ts';
import {
  effectiveEats,
  illegalSte,
  l1StdLayout,
  stage2RegimeOf,
  steLayout,
  streamWorldOf,
  usesVmid,
} from './stream-table-entry.ts';

function bytes(...words: readonly bigint[]): Uint8Array {
  const raw = new Uint8Array(words.length * 8);
  for (const [index, word] of words.entries()) new DataView(raw.buffer).setBigUint64(index * 8, word, true);
  return raw;
}

const all = 0xffff_ffff_ffff_ffffn;

/** Entries as Linux 6.12 wrote them: stage 1, and stage 2 with VMID 4. */
const linux1 = steLayout.decode(
  Uint8Array.from(Buffer.from(`0b70434300000000d600000000000000${'00'.repeat(48)}`, 'hex')),
);
const linux2 = steLayout.decode(bytes(0xdn, 0n, 0x044c_3594_0000_0004n, 0x4397_4000n, 0n, 0n, 0n, 0n));

const stage1: Ste = { ...steLayout.decode(new Uint8Array(64)), V: true, Config: 0b101, S1ContextPtr: 0x4000n };
const stage2: Ste = { ...stage1, Config: 0b110, S2AA64: true, S2T0SZ: 24, S2SL0: 1, S2PS: 5, S2TTB: 0x10000n };
const both: Ste = { ...stage2, Config: 0b111 };
const bypass: Ste = { ...stage1, Config: 0b100 };

describe('layouts', () => {
  it('read what Linux wrote', () => {
    expect(linux1).toMatchObject({
      V: true,
      Config: 0b101,
      S1ContextPtr: 0x4343_7000n,
      S1CDMax: 0,
      S1DSS: 2,
      S1CIR: 1,
      S1COR: 1,
      S1CSH: 3,
      EATS: 0,
      STRW: 0,
      S1STALLD: false,
    });
    expect(linux2).toMatchObject({
      Config: 0b110,
      S2VMID: 4,
      S2T0SZ: 20,
      S2SL0: 2,
      S2IR0: 1,
      S2OR0: 1,
      S2SH0: 3,
      S2TG: 0,
      S2PS: 4,
      S2AA64: true,
      S2PTW: true,
      S2R: true,
      S2S: false,
      S2TTB: 0x4397_4000n,
    });
    expect(illegalSte(linux1, defaultIdentity)).toBeUndefined();
    expect(illegalSte(linux2, defaultIdentity)).toBeUndefined();
  });

  it.each<[Partial<Ste>, number, bigint]>([
    [{ V: true }, 0, 1n],
    [{ Config: 7 }, 0, 0xen],
    [{ S1Fmt: 3 }, 0, 0x30n],
    [{ S1ContextPtr: 0xf_ffff_ffff_ffc0n }, 0, 0xf_ffff_ffff_ffc0n],
    [{ S1CDMax: 31 }, 0, 0xf800_0000_0000_0000n],
    [{ S1DSS: 3, S1CIR: 1, S1COR: 2, S1CSH: 3 }, 1, 0xe7n],
    [{ S2HWU59: true, S2HWU62: true }, 1, 0x900n],
    [{ DRE: true, CONT: 15, DCP: true, PPAR: true, MEV: true, SW_RESERVED: 15 }, 1, 0xff_f000n],
    [{ S1PIE: true, S2FWB: true, S1MPAM: true, S1STALLD: true }, 1, 0xf00_0000n],
    [{ EATS: 3 }, 1, 0x3000_0000n],
    [{ STRW: 3 }, 1, 0xc000_0000n],
    [{ MemAttr: 15, MTCFG: true, ALLOCCFG: 15 }, 1, 0x1ff_0000_0000n],
    [{ SHCFG: 3, NSCFG: 1, PRIVCFG: 2, INSTCFG: 3 }, 1, 0xe_7000_0000_0000n],
    [{ S2VMID: 0xffff, S2T0SZ: 63, S2SL0: 2 }, 2, 0xbf_0000_ffffn],
    [{ S2IR0: 1, S2OR0: 2, S2SH0: 3, S2TG: 2, S2PS: 7 }, 2, 0x7_b900_0000_0000n],
    [{ S2AA64: true }, 2, 1n << 51n],
    [{ S2ENDI: true }, 2, 1n << 52n],
    [{ S2AFFD: true }, 2, 1n << 53n],
    [{ S2PTW: true }, 2, 1n << 54n],
    [{ S2HD: true }, 2, 1n << 55n],
    [{ S2HA: true }, 2, 1n << 56n],
    [{ S2S: true }, 2, 1n << 57n],
    [{ S2R: true }, 2, 1n << 58n],
    [{ S2HAFT: true, S2PIE: true, S2POE: true, DPT_VMATCH: 3 }, 2, 0xf800_0000_0000_0000n],
    [{ S2NSW: true, S2NSA: true, S2SL0_2: true, S2DS: true }, 3, 0xfn],
    [{ S2TTB: 0xf_ffff_ffff_fff0n }, 3, 0xf_ffff_ffff_fff0n],
  ])('place %o', (fields, word, value) => {
    const words = Array.from({ length: 8 }, (_, index) => (index === word ? value : 0n));
    expect(steLayout.encode(fields)).toEqual(bytes(...words));
    expect(steLayout.decode(bytes(...words))).toMatchObject(fields);
  });

  it('read no bit of a neighbour', () => {
    const ones = steLayout.decode(bytes(all, all, all, all, 0n, 0n, 0n, 0n));
    expect(steLayout.encode(ones)).toEqual(
      bytes(
        0xf80f_ffff_ffff_ffffn,
        0x000f_f1ff_ffff_ffffn,
        0xffff_ffff_0000_ffffn,
        0x000f_ffff_ffff_ffffn,
        0n,
        0n,
        0n,
        0n,
      ),
    );
    expect(ones).toMatchObject({ STRW: 3, S1CDMax: 31, S2T0SZ: 63, S2PS: 7, INSTCFG: 3, SHCFG: 3 });
  });

  it('place Span and L2Ptr', () => {
    expect(l1StdLayout.decode(bytes(all))).toEqual({ Span: 31, L2Ptr: 0xf_ffff_ffff_ffc0n });
  });
});

describe('ILLEGAL entries', () => {
  it.each<[string, Ste, Partial<Identity>, boolean]>([
    ['stage 1', stage1, {}, true],
    ['stage 2', stage2, {}, true],
    ['both stages', both, {}, true],
    ['V = 0', { ...stage1, V: false }, {}, false],
    ['V = 0, aborted', { ...stage1, V: false, Config: 0 }, {}, false],
    [
      'aborted, all else wrong',
      { ...both, Config: 0b011, EATS: 2, S2AA64: false, S1ContextPtr: 1n << 51n },
      { ATS: true },
      true,
    ],
    [
      'bypass, all else wrong',
      { ...both, Config: 0b100, EATS: 2, S2AA64: false, S1ContextPtr: 1n << 51n },
      { ATS: true },
      true,
    ],
    ['stage 1 where there is none', stage1, { S1P: false }, false],
    ['both where there is no stage 1', both, { S1P: false }, false],
    ['stage 2 where there is no stage 1', stage2, { S1P: false }, true],
    ['stage 2 where there is none', stage2, { S2P: false }, false],
    ['both where there is no stage 2', both, { S2P: false }, false],
    ['stage 1 where there is no stage 2', stage1, { S2P: false }, true],
    // EATS
    ['split-stage ATS of both stages', { ...both, EATS: 2 }, { ATS: true }, true],
    ['split-stage ATS of stage 1', { ...stage1, EATS: 2 }, { ATS: true }, false],
    ['split-stage ATS of stage 2', { ...stage2, EATS: 2 }, { ATS: true }, false],
    ['split-stage ATS of a bypass', { ...bypass, EATS: 2 }, { ATS: true }, true],
    ['split-stage ATS without ATS', { ...stage1, EATS: 2 }, {}, true],
    ['split-stage ATS with S2S', { ...both, EATS: 2, S2S: true }, { ATS: true, STALL_MODEL: 0 }, false],
    ['split-stage ATS where NS1ATS forbids it', { ...both, EATS: 2 }, { ATS: true, NS1ATS: true }, false],
    ['full ATS', { ...both, EATS: 1 }, { ATS: true }, true],
    ['full ATS with S2S', { ...both, EATS: 1, S2S: true }, { ATS: true, STALL_MODEL: 0 }, false],
    ['full ATS of stage 2 with S2S', { ...stage2, EATS: 1, S2S: true }, { ATS: true, STALL_MODEL: 0 }, false],
    ['full ATS of stage 1 with S2S, which is ignored', { ...stage1, EATS: 1, S2S: true }, { ATS: true }, true],
    ['no ATS with S2S', { ...both, EATS: 0, S2S: true }, { ATS: true, STALL_MODEL: 0 }, true],
    ['full ATS with S2S, without ATS', { ...both, EATS: 1, S2S: true }, { STALL_MODEL: 0 }, true],
    ['EATS = 3, without DPT', { ...both, EATS: 3, S2S: true }, { ATS: true, STALL_MODEL: 0 }, true],
    // STRW
    ['STRW = 1', { ...stage1, STRW: 1 }, { HYP: true }, false],
    ['STRW = 3', { ...stage1, STRW: 3 }, { HYP: true }, false],
    ['STRW = 2', { ...stage1, STRW: 2 }, { HYP: true }, true],
    ['STRW = 1 without EL2', { ...stage1, STRW: 1 }, {}, true],
    ['STRW = 1 with stage 2', { ...both, STRW: 1 }, { HYP: true }, true],
    ['STRW = 1 of stage 2', { ...stage2, STRW: 1 }, { HYP: true }, true],
    ['STRW = 1 of a bypass', { ...bypass, STRW: 1 }, { HYP: true }, true],
    // Stage 1
    ['S1STALLD where stalls can be chosen', { ...stage1, S1STALLD: true }, { STALL_MODEL: 0 }, true],
    ['S1STALLD where there are none', { ...stage1, S1STALLD: true }, { STALL_MODEL: 1 }, false],
    ['S1STALLD where they are forced', { ...stage1, S1STALLD: true }, { STALL_MODEL: 2 }, false],
    ['S1STALLD of stage 2', { ...stage2, S1STALLD: true }, {}, true],
    ['S1CDMax = SSIDSIZE', { ...stage1, S1CDMax: 5 }, { SSIDSIZE: 5 }, true],
    ['S1CDMax > SSIDSIZE', { ...stage1, S1CDMax: 6 }, { SSIDSIZE: 5 }, false],
    ['S1CDMax without substreams', { ...stage1, S1CDMax: 6 }, {}, true],
    ['S1CDMax of stage 2', { ...stage2, S1CDMax: 6 }, { SSIDSIZE: 5 }, true],
    ['S1Fmt 1, implemented', { ...stage1, S1CDMax: 5, S1Fmt: 1 }, { SSIDSIZE: 5, CD2L: true }, true],
    ['S1Fmt 1', { ...stage1, S1CDMax: 5, S1Fmt: 1 }, { SSIDSIZE: 5, CD2L: false }, false],
    ['S1Fmt 2', { ...stage1, S1CDMax: 5, S1Fmt: 2 }, { SSIDSIZE: 5, CD2L: false }, false],
    ['S1Fmt 3, as 0', { ...stage1, S1CDMax: 5, S1Fmt: 3 }, { SSIDSIZE: 5, CD2L: false }, true],
    ['S1Fmt 1 of one descriptor', { ...stage1, S1CDMax: 0, S1Fmt: 1 }, { SSIDSIZE: 5, CD2L: false }, true],
    ['S1Fmt 1 without substreams', { ...stage1, S1CDMax: 5, S1Fmt: 1 }, { CD2L: false }, true],
    ['S1ContextPtr at the end', { ...stage1, S1ContextPtr: (1n << 44n) - 64n }, {}, true],
    ['S1ContextPtr out of range', { ...stage1, S1ContextPtr: 1n << 44n }, {}, false],
    ['S1ContextPtr out of range, an IPA', { ...both, S1ContextPtr: 1n << 44n }, {}, false],
    // Stage 2
    ['S2S where stalls can be chosen', { ...stage2, S2S: true }, { STALL_MODEL: 0 }, true],
    ['S2S where there are none', { ...stage2, S2S: true }, { STALL_MODEL: 1 }, false],
    ['S2S where they are forced', { ...stage2, S2S: true }, { STALL_MODEL: 2 }, true],
    ['S2S = 0 where they are forced', stage2, { STALL_MODEL: 2 }, false],
    ['S2S = 0 of stage 1 where they are forced', stage1, { STALL_MODEL: 2 }, true],
    ['AArch32', { ...stage2, S2AA64: false }, {}, false],
    ['S2HA without HTTU', { ...stage2, S2HA: true }, {}, false],
    ['S2HD without HTTU', { ...stage2, S2HD: true }, {}, false],
    ['S2HA with update of the access flag', { ...stage2, S2HA: true }, { HTTU: 1 }, true],
    ['S2HD with update of the access flag', { ...stage2, S2HA: true, S2HD: true }, { HTTU: 1 }, false],
    ['S2HD', { ...stage2, S2HA: true, S2HD: true }, { HTTU: 2 }, true],
    ['S2TG = 3', { ...stage2, S2TG: 3 }, {}, false],
    ['4K unsupported', stage2, { GRAN4K: false }, false],
    ['64K', { ...stage2, S2TG: 1 }, {}, true],
    ['64K unsupported', { ...stage2, S2TG: 1 }, { GRAN64K: false }, false],
    ['16K', { ...stage2, S2TG: 2 }, {}, true],
    ['16K unsupported', { ...stage2, S2TG: 2 }, { GRAN16K: false }, false],
    ['S2TTB at the end of S2PS', { ...stage2, S2PS: 1, S2TTB: (1n << 36n) - 4096n }, {}, true],
    ['S2TTB beyond S2PS', { ...stage2, S2PS: 1, S2TTB: 1n << 36n }, {}, false],
    ['S2TTB beyond OAS', { ...stage2, S2PS: 5, S2TTB: 1n << 44n }, {}, false],
    ['S2TTB beyond 48 bits with 4K', { ...stage2, S2PS: 6, S2TTB: 1n << 48n }, { OAS: 6 }, false],
    ['S2TTB beyond 48 bits with 64K', { ...stage2, S2TG: 1, S2PS: 6, S2TTB: 1n << 48n }, { OAS: 6 }, true],
    ['S2T0SZ 19 with a 44-bit IAS', { ...stage2, S2T0SZ: 19, S2SL0: 2 }, {}, false],
    ['S2T0SZ 20 with a 44-bit IAS', { ...stage2, S2T0SZ: 20, S2SL0: 2 }, {}, true],
    ['S2T0SZ 15 with 4K', { ...stage2, S2T0SZ: 15, S2SL0: 2 }, { OAS: 6 }, false],
    ['S2T0SZ 12 with 64K', { ...stage2, S2TG: 1, S2T0SZ: 12, S2SL0: 2 }, { OAS: 6 }, true],
    ['S2T0SZ 39', { ...stage2, S2T0SZ: 39, S2SL0: 0 }, {}, true],
    ['S2T0SZ 40', { ...stage2, S2T0SZ: 40, S2SL0: 0 }, {}, false],
    ['S2T0SZ 40 with STT', { ...stage2, S2T0SZ: 40, S2SL0: 0 }, { STT: true }, true],
    ['S2SL0 that 16 tables are too few for', { ...stage2, S2T0SZ: 20, S2SL0: 1 }, {}, false],
    ['S2SL0 that 16 tables are enough for', { ...stage2, S2T0SZ: 21, S2SL0: 1 }, {}, true],
    ['S2SL0 = 3', { ...stage2, S2SL0: 3 }, {}, false],
    ['big-endian', { ...stage2, S2ENDI: true }, {}, false],
    ['big-endian where both are', { ...stage2, S2ENDI: true }, { TTENDIAN: 0 }, true],
    ['little-endian where only big is', stage2, { TTENDIAN: 3 }, false],
    ['big-endian where only big is', { ...stage2, S2ENDI: true }, { TTENDIAN: 3 }, true],
    // VMID
    ['S2VMID of 9 bits', { ...stage2, S2VMID: 0x100 }, { VMID16: false }, false],
    ['S2VMID of 8 bits', { ...stage2, S2VMID: 0xff }, { VMID16: false }, true],
    ['S2VMID of 16 bits', { ...stage2, S2VMID: 0xffff }, {}, true],
    ['S2VMID of 9 bits of stage 1', { ...stage1, S2VMID: 0x100 }, { VMID16: false }, false],
    ['S2VMID of 9 bits of a bypass', { ...bypass, S2VMID: 0x100 }, { VMID16: false }, true],
    ['S2VMID of 9 bits without stage 2', { ...stage1, S2VMID: 0x100 }, { VMID16: false, S2P: false }, true],
    ['S2VMID of 9 bits of EL2', { ...stage1, S2VMID: 0x100, STRW: 2 }, { VMID16: false, HYP: true }, true],
    ['S2VMID of 9 bits, STRW ignored', { ...both, S2VMID: 0x100, STRW: 2 }, { VMID16: false, HYP: true }, false],
  ])('%s', (_, ste, changes, legal) => {
    const found = illegalSte(ste, identityWith(changes));
    expect({ legal: found === undefined, found }).toMatchObject({ legal });
  });

  it('report the first rule in the order of the specification', () => {
    const wrong: Ste = { ...both, S1ContextPtr: 1n << 51n, S2AA64: false, S2T0SZ: 0, EATS: 2, S2S: true };
    const identity = identityWith({ ATS: true });
    expect(illegalSte({ ...wrong, V: false }, identity)).toMatch(/^V/);
    expect(illegalSte(wrong, identity)).toMatch(/^EATS/);
    expect(illegalSte({ ...wrong, EATS: 0 }, identity)).toMatch(/^S1ContextPtr/);
    expect(illegalSte({ ...wrong, EATS: 0, S1ContextPtr: 0n }, identity)).toMatch(/^S2S/);
    expect(illegalSte({ ...wrong, EATS: 0, S1ContextPtr: 0n, S2S: false }, identity)).toMatch(/^S2AA64/);
  });
});

describe('what an entry means', () => {
  it('StreamWorld is chosen by STRW and E2H with stage 1 only and EL2 implemented', () => {
    const hyp = identityWith({ HYP: true });
    expect(streamWorldOf(stage1, hyp, true)).toBe('NS-EL1');
    expect(streamWorldOf({ ...stage1, STRW: 2 }, hyp, false)).toBe('EL2');
    expect(streamWorldOf({ ...stage1, STRW: 2 }, hyp, true)).toBe('EL2-E2H');
    expect(streamWorldOf({ ...stage1, STRW: 2 }, defaultIdentity, true)).toBe('NS-EL1');
    expect(streamWorldOf({ ...both, STRW: 2 }, hyp, true)).toBe('NS-EL1');
    expect(streamWorldOf({ ...stage2, STRW: 2 }, hyp, true)).toBe('NS-EL1');
  });

  it('S2VMID tags EL1 also without stage 2 enabled', () => {
    expect([stage1, stage2, both].map((ste) => usesVmid(ste, defaultIdentity))).toEqual([true, true, true]);
    expect(usesVmid(bypass, defaultIdentity)).toBe(false);
    expect(usesVmid({ ...stage1, Config: 0 }, defaultIdentity)).toBe(false);
    expect(usesVmid(stage1, identityWith({ S2P: false }))).toBe(false);
    expect(usesVmid({ ...stage1, STRW: 2 }, identityWith({ HYP: true }))).toBe(false);
    expect(usesVmid({ ...stage1, STRW: 2 }, defaultIdentity)).toBe(true);
  });

  it('EATS acts with ATS and a stage of translation; split-stage needs ATSCHK', () => {
    const eats = (ste: Ste, EATS: number, atsCheck = true, identity = svaIdentity) =>
      effectiveEats({ ...ste, EATS }, identity, atsCheck);
    expect([0, 1, 2, 3].map((code) => eats(both, code))).toEqual(['none', 'full', 'split', 'none']);
    expect([0, 1, 2, 3].map((code) => eats(both, code, false))).toEqual(['none', 'full', 'none', 'none']);
    expect(eats(stage1, 1)).toBe('full');
    expect(eats(bypass, 1)).toBe('none');
    expect(eats({ ...both, Config: 0 }, 1)).toBe('none');
    expect(eats(both, 1, true, defaultIdentity)).toBe('none');
  });

  it('gives the stage-2 regime its fields', () => {
    const result = stage2RegimeOf(
      { ...linux2, S2AFFD: true, S2ENDI: true },
      identityWith({ TTENDIAN: 0, XNX: true, OAS: 5 }),
    );
    expect(result).toMatchObject({
      ok: true,
      regime: {
        stage: 2,
        granuleLog2: 12,
        inputBits: 44,
        startLevel: 0,
        base: 0x4397_4000n,
        outputBits: 44,
        bigEndian: true,
        accessFlagFaults: false,
        hardwareAccess: false,
        hardwareDirty: false,
        executeNeverPrivileges: true,
        upper: false,
      },
    });
    // S2HA: S2AFFD is ignored.
    expect(stage2RegimeOf({ ...linux2, S2AFFD: true, S2HA: true, S2HD: true }, svaIdentity)).toMatchObject({
      regime: { accessFlagFaults: true, hardwareAccess: true, hardwareDirty: true },
    });
    expect(stage2RegimeOf({ ...linux2, S2PS: 1 }, identityWith({ XNX: false }))).toMatchObject({
      regime: { outputBits: 36, accessFlagFaults: true, executeNeverPrivileges: false, bigEndian: false },
    });
  });
});
