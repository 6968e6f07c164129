import { describe, expect, it } from 'vitest';
import type { Cd } from './context-descriptor.ts';
import { cdLayout, illegalCd, isDisabled, l1CdLayout, stage1RegimeOf } from './context-descriptor.ts';
import { defaultIdentity, identityWith, svaIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import type { Ste, StreamWorld } from './stream-table-entry.ts';
import { steLayout } from './stream-table-entry.ts';

function bytes(...words: readonly bigint[]): Uint8Array {
  const raw = new Uint8Array(words.length * 8);
  for (const [index, word] of words.entries()) new DataView(raw.buffer).setBigUint64(index * 8, word, true);
  return raw;
}

/** A descriptor as Linux 6.12 wrote it. */
const linux = cdLayout.decode(
  Uint8Array.from(
    Buffer.from(`103500c004e201000080434300000000000000000000000044ff04f4ffffffff${'00'.repeat(32)}`, 'hex'),
  ),
);

const ste: Ste = { ...steLayout.decode(new Uint8Array(64)), V: true, Config: 0b101 };
const one: Cd = {
  ...cdLayout.decode(new Uint8Array(64)),
  V: true,
  AA64: true,
  A: true,
  R: true,
  T0SZ: 25,
  TTB0: 0x8000n,
  EPD1: true,
  IPS: 5,
};
const two: Cd = { ...one, EPD1: false, T1SZ: 25, TG1: 2, TTB1: 0x9000n };

describe('layouts', () => {
  it('read what Linux wrote', () => {
    expect(linux).toMatchObject({
      V: true,
      T0SZ: 16,
      TG0: 0,
      IR0: 1,
      OR0: 1,
      SH0: 3,
      EPD0: false,
      EPD1: true,
      IPS: 4,
      AA64: true,
      A: true,
      R: true,
      S: false,
      ASET: true,
      ASID: 1,
      TTB0: 0x4343_8000n,
      MAIR0: 0xf404_ff44,
      MAIR1: 0xffff_ffff,
    });
    expect(illegalCd(linux, ste, 'NS-EL1', defaultIdentity)).toBeUndefined();
  });

  it.each<[Partial<Cd>, number, bigint]>([
    [{ T0SZ: 63, TG0: 1, IR0: 2, OR0: 1, SH0: 3 }, 0, 0x367fn],
    [{ EPD0: true }, 0, 1n << 14n],
    [{ ENDI: true }, 0, 1n << 15n],
    [{ T1SZ: 63, TG1: 1, IR1: 2, OR1: 1, SH1: 3 }, 0, 0x367f_0000n],
    [{ EPD1: true }, 0, 1n << 30n],
    [{ V: true }, 0, 1n << 31n],
    [{ IPS: 7 }, 0, 7n << 32n],
    [{ AFFD: true }, 0, 1n << 35n],
    [{ WXN: true }, 0, 1n << 36n],
    [{ UWXN: true }, 0, 1n << 37n],
    [{ TBI0: true }, 0, 1n << 38n],
    [{ TBI1: true }, 0, 1n << 39n],
    [{ PAN: true }, 0, 1n << 40n],
    [{ AA64: true }, 0, 1n << 41n],
    [{ HD: true }, 0, 1n << 42n],
    [{ HA: true }, 0, 1n << 43n],
    [{ S: true }, 0, 1n << 44n],
    [{ R: true }, 0, 1n << 45n],
    [{ A: true }, 0, 1n << 46n],
    [{ ASET: true }, 0, 1n << 47n],
    [{ ASID: 0xffff }, 0, 0xffffn << 48n],
    [{ NSCFG0: true, HAD0: true, E0PD0: true, HAFT: true }, 1, 0xfn],
    [{ TTB0: 0xf_ffff_ffff_fff0n }, 1, 0xf_ffff_ffff_fff0n],
    [{ HAD0: true }, 1, 2n],
    [{ PnCH: true }, 1, 1n << 58n],
    [{ EPAN: true }, 1, 1n << 59n],
    [{ HAD1: true }, 2, 2n],
    [{ NSCFG1: true, E0PD1: true, AIE: true }, 2, 0xdn],
    [{ TTB1: 0xf_ffff_ffff_fff0n }, 2, 0xf_ffff_ffff_fff0n],
    [{ DS: true }, 2, 1n << 58n],
    [{ PIE: true }, 2, 1n << 59n],
    [{ MAIR0: 1, MAIR1: 2 }, 3, 0x2_0000_0001n],
    [{ AMAIR0: 1, AMAIR1: 2 }, 4, 0x2_0000_0001n],
  ])('place %o', (fields, word, value) => {
    const words = Array.from({ length: 8 }, (_, index) => (index === word ? value : 0n));
    expect(cdLayout.encode(fields)).toEqual(bytes(...words));
    expect(cdLayout.decode(bytes(...words))).toMatchObject(fields);
  });

  it('read no bit of a neighbour', () => {
    const ones = cdLayout.decode(bytes(...Array<bigint>(8).fill(0xffff_ffff_ffff_ffffn)));
    expect(cdLayout.encode(ones)).toEqual(
      bytes(
        0xffff_ffff_ffff_ffffn,
        0x0c0f_ffff_ffff_ffffn,
        0x0c0f_ffff_ffff_ffffn,
        0xffff_ffff_ffff_ffffn,
        0xffff_ffff_ffff_ffffn,
        0n,
        0n,
        0n,
      ),
    );
    expect(ones).toMatchObject({ T0SZ: 63, TG0: 3, T1SZ: 63, TG1: 3, IPS: 7, ASID: 0xffff });
  });

  it('place V and L2Ptr', () => {
    expect(l1CdLayout.decode(bytes(0xffff_ffff_ffff_ffffn))).toEqual({ V: true, L2Ptr: 0xf_ffff_ffff_f000n });
    expect(l1CdLayout.decode(bytes(0xffen))).toEqual({ V: false, L2Ptr: 0n });
  });
});

describe('ILLEGAL descriptors', () => {
  const stalls = { STALL_MODEL: 0 };
  it.each<[string, Cd, Partial<Identity>, boolean, Partial<Ste>?, StreamWorld?]>([
    ['one half', one, {}, true],
    ['two halves', two, {}, true],
    ['V = 0', { ...one, V: false }, {}, false],
    ['S', { ...one, S: true }, stalls, true],
    ['S where S1STALLD forbids it', { ...one, S: true }, stalls, false, { S1STALLD: true }],
    ['S = 0 with S1STALLD', one, stalls, true, { S1STALLD: true }],
    ['S without stalls', { ...one, S: true }, {}, false],
    ['S where they are forced', { ...one, S: true }, { STALL_MODEL: 2 }, true],
    ['S = 0 where they are forced', one, { STALL_MODEL: 2 }, false],
    ['A = 0 where transactions always abort', { ...one, A: false }, {}, false],
    ['A = 0', { ...one, A: false }, { TERM_MODEL: false }, true],
    ['big-endian', { ...one, ENDI: true }, {}, false],
    ['big-endian with the lower half disabled', { ...two, EPD0: true, ENDI: true }, {}, false],
    ['big-endian with both halves disabled', { ...one, EPD0: true, ENDI: true }, {}, true],
    ['big-endian where both are', { ...one, ENDI: true }, { TTENDIAN: 0 }, true],
    ['little-endian where only big is', one, { TTENDIAN: 3 }, false],
    ['big-endian where only big is', { ...one, ENDI: true }, { TTENDIAN: 3 }, true],
    ['little-endian with both halves disabled', { ...one, EPD0: true }, { TTENDIAN: 3 }, true],
    ['big-endian in EL2, which ignores EPD0', { ...one, EPD0: true, ENDI: true }, { HYP: true }, false, {}, 'EL2'],
    ['AArch32', { ...one, AA64: false }, {}, false],
    ['HA without HTTU', { ...one, HA: true }, {}, false],
    ['HD without HTTU', { ...one, HD: true }, {}, false],
    ['HA with update of the access flag', { ...one, HA: true }, { HTTU: 1 }, true],
    ['HD with update of the access flag', { ...one, HA: true, HD: true }, { HTTU: 1 }, false],
    ['HD', { ...one, HA: true, HD: true }, { HTTU: 2 }, true],
    ['ASID of 9 bits', { ...one, ASID: 0x100 }, { ASID16: false }, false],
    ['ASID of 8 bits', { ...one, ASID: 0xff }, { ASID16: false }, true],
    ['ASID of 16 bits', { ...one, ASID: 0xffff }, {}, true],
    ['ASID of 9 bits in EL2', { ...one, ASID: 0x100 }, { ASID16: false }, true, {}, 'EL2'],
    ['ASID of 9 bits in EL2-E2H', { ...one, ASID: 0x100 }, { ASID16: false }, false, {}, 'EL2-E2H'],
    // Lower half
    ['T0SZ 16', { ...one, T0SZ: 16 }, {}, true],
    ['T0SZ 15', { ...one, T0SZ: 15 }, {}, false],
    ['T0SZ 39', { ...one, T0SZ: 39 }, {}, true],
    ['T0SZ 40', { ...one, T0SZ: 40 }, {}, false],
    ['T0SZ 48 with STT', { ...one, T0SZ: 48 }, { STT: true }, true],
    ['T0SZ 49 with STT', { ...one, T0SZ: 49 }, { STT: true }, false],
    ['T0SZ 47 with STT and 64K', { ...one, TG0: 1, T0SZ: 47 }, { STT: true }, true],
    ['T0SZ 48 with STT and 64K', { ...one, TG0: 1, T0SZ: 48 }, { STT: true }, false],
    ['T0SZ 12 with 64K and 52-bit VAs', { ...one, TG0: 1, T0SZ: 12 }, { VAX: 1 }, true],
    ['T0SZ 11 with 64K and 52-bit VAs', { ...one, TG0: 1, T0SZ: 11 }, { VAX: 1 }, false],
    ['T0SZ 12 with 64K', { ...one, TG0: 1, T0SZ: 12 }, {}, false],
    ['T0SZ 12 with 4K and 52-bit VAs', { ...one, T0SZ: 12 }, { VAX: 1 }, false],
    ['T0SZ 40, disabled', { ...two, T0SZ: 40, EPD0: true }, {}, true],
    ['T0SZ 40, disabled in EL2', { ...one, T0SZ: 40, EPD0: true }, {}, false, {}, 'EL2'],
    ['TG0 = 3', { ...one, TG0: 3 }, {}, false],
    ['TG0 = 3, disabled', { ...two, TG0: 3, EPD0: true }, {}, true],
    ['4K unsupported', one, { GRAN4K: false }, false],
    ['64K', { ...one, TG0: 1 }, {}, true],
    ['64K unsupported', { ...one, TG0: 1 }, { GRAN64K: false }, false],
    ['16K', { ...one, TG0: 2 }, {}, true],
    ['16K unsupported', { ...one, TG0: 2 }, { GRAN16K: false }, false],
    ['TTB0 at the end of IPS', { ...one, IPS: 0, TTB0: 0xffff_f000n }, {}, true],
    ['TTB0 beyond IPS', { ...one, IPS: 0, TTB0: 1n << 32n }, {}, false],
    ['TTB0 beyond OAS', { ...one, IPS: 5, TTB0: 1n << 44n }, {}, false],
    ['TTB0 beyond 48 bits with 4K', { ...one, IPS: 6, TTB0: 1n << 48n }, { OAS: 6 }, false],
    ['TTB0 beyond 48 bits with 64K', { ...one, TG0: 1, IPS: 6, TTB0: 1n << 48n }, { OAS: 6 }, true],
    ['TTB0 out of range, disabled', { ...two, TTB0: 1n << 44n, EPD0: true }, {}, true],
    // Upper half
    ['T1SZ 15', { ...two, T1SZ: 15 }, {}, false],
    ['T1SZ 40', { ...two, T1SZ: 40 }, {}, false],
    ['T1SZ 40, disabled', { ...two, T1SZ: 40, EPD1: true }, {}, true],
    ['T1SZ 40 in EL2, which has no upper half', { ...two, T1SZ: 40 }, {}, true, {}, 'EL2'],
    ['T1SZ 40 in EL2-E2H', { ...two, T1SZ: 40 }, {}, false, {}, 'EL2-E2H'],
    ['TG1 = 0', { ...two, TG1: 0 }, {}, false],
    ['TG1 = 0, disabled', { ...two, TG1: 0, EPD1: true }, {}, true],
    ['TG1 of 16K', { ...two, TG1: 1 }, {}, true],
    ['TG1 of 16K unsupported', { ...two, TG1: 1 }, { GRAN16K: false }, false],
    ['TG1 of 4K unsupported', { ...two, TG0: 1, TG1: 2 }, { GRAN4K: false }, false],
    ['TG1 of 64K unsupported', { ...two, TG1: 3 }, { GRAN64K: false }, false],
    ['TTB1 beyond IPS', { ...two, IPS: 0, TTB1: 1n << 32n }, {}, false],
    ['TTB1 out of range, disabled', { ...two, TTB1: 1n << 44n, EPD1: true }, {}, true],
  ])('%s', (_, cd, changes, legal, steChanges = {}, world = 'NS-EL1') => {
    const found = illegalCd(cd, { ...ste, ...steChanges }, world, identityWith(changes));
    expect({ legal: found === undefined, found }).toMatchObject({ legal });
  });

  it('report the first rule in the order of the specification', () => {
    const wrong: Cd = { ...two, V: false, S: true, ENDI: true, AA64: false, HA: true, T0SZ: 0, TG1: 0 };
    const why = (changes: Partial<Cd>) => illegalCd({ ...wrong, ...changes }, ste, 'NS-EL1', defaultIdentity);
    expect(why({})).toMatch(/^V /);
    expect(why({ V: true })).toMatch(/^S /);
    expect(why({ V: true, A: false })).toMatch(/^A /);
    expect(why({ V: true, S: false })).toMatch(/^ENDI/);
    expect(why({ V: true, S: false, ENDI: false })).toMatch(/^AA64/);
    expect(why({ V: true, S: false, ENDI: false, AA64: true })).toMatch(/^HA/);
    expect(why({ V: true, S: false, ENDI: false, AA64: true, HA: false })).toMatch(/^T0SZ/);
    expect(why({ V: true, S: false, ENDI: false, AA64: true, HA: false, T0SZ: 16 })).toMatch(/^TG1/);
  });
});

describe('halves', () => {
  it('are disabled by EPDx, in EL2 by having no TTB1', () => {
    const both = { ...one, EPD0: true, EPD1: true };
    expect([isDisabled(two, 'lower', 'NS-EL1'), isDisabled(two, 'upper', 'NS-EL1')]).toEqual([false, false]);
    expect([isDisabled(both, 'lower', 'NS-EL1'), isDisabled(both, 'upper', 'EL2-E2H')]).toEqual([true, true]);
    expect([isDisabled(both, 'lower', 'EL2'), isDisabled(two, 'upper', 'EL2')]).toEqual([false, true]);
  });

  it('have the granule of their own code', () => {
    const granule = (cd: Partial<Cd>, half: 'lower' | 'upper') => {
      const result = stage1RegimeOf({ ...two, ...cd }, half, 'NS-EL1', defaultIdentity);
      return result?.ok === true ? result.regime.granuleLog2 : undefined;
    };
    expect([0, 1, 2, 3].map((TG0) => granule({ TG0 }, 'lower'))).toEqual([12, 16, 14, undefined]);
    expect([0, 1, 2, 3].map((TG1) => granule({ TG1 }, 'upper'))).toEqual([undefined, 14, 12, 16]);
  });

  it('have their own size, table, TBI and HAD; the other fields are common', () => {
    const cd = { ...two, T1SZ: 16, TBI1: true, HAD0: true, WXN: true, IPS: 2 };
    expect(stage1RegimeOf(cd, 'lower', 'NS-EL1', defaultIdentity)).toMatchObject({
      regime: {
        stage: 1,
        inputBits: 39,
        base: 0x8000n,
        upper: false,
        topByteIgnored: false,
        hierarchicalPermissions: false,
        writeNotExecute: true,
        outputBits: 40,
        twoPrivileges: true,
        accessFlagFaults: true,
        bigEndian: false,
      },
    });
    expect(stage1RegimeOf(cd, 'upper', 'NS-EL1', defaultIdentity)).toMatchObject({
      regime: { inputBits: 48, base: 0x9000n, upper: true, topByteIgnored: true, hierarchicalPermissions: true },
    });
    expect(
      stage1RegimeOf({ ...cd, TBI0: true, TBI1: false, HAD1: true }, 'upper', 'NS-EL1', svaIdentity),
    ).toMatchObject({
      regime: { topByteIgnored: false, hierarchicalPermissions: false },
    });
    expect(stage1RegimeOf({ ...cd, TBI0: true }, 'lower', 'NS-EL1', identityWith({ HAD: false }))).toMatchObject({
      regime: { topByteIgnored: true, hierarchicalPermissions: true },
    });
  });

  it('cap IPS to OAS, and ignore AFFD with HA', () => {
    const httu = identityWith({ HTTU: 2, TTENDIAN: 0, EPAN: true });
    expect(
      stage1RegimeOf({ ...one, AFFD: true, ENDI: true, PAN: true, EPAN: true }, 'lower', 'NS-EL1', httu),
    ).toMatchObject({
      regime: {
        outputBits: 44,
        accessFlagFaults: false,
        hardwareAccess: false,
        hardwareDirty: false,
        bigEndian: true,
        privilegedAccessNever: true,
        privilegedAccessNeverExecute: true,
      },
    });
    expect(stage1RegimeOf({ ...one, AFFD: true, HA: true, HD: true }, 'lower', 'NS-EL1', httu)).toMatchObject({
      regime: { accessFlagFaults: true, hardwareAccess: true, hardwareDirty: true, privilegedAccessNever: false },
    });
    expect(stage1RegimeOf({ ...one, PAN: true, EPAN: true }, 'lower', 'EL2', defaultIdentity)).toMatchObject({
      regime: { privilegedAccessNever: false, privilegedAccessNeverExecute: false, twoPrivileges: false },
    });
    expect(stage1RegimeOf({ ...one, PAN: true }, 'lower', 'EL2-E2H', defaultIdentity)).toMatchObject({
      regime: { privilegedAccessNever: true, twoPrivileges: true },
    });
  });
});
