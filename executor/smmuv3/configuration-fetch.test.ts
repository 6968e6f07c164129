import { describe, expect, it } from 'vitest';
import {
  asid,
  bench,
  look,
  putCd,
  putL1Cd,
  putL1Std,
  putNested,
  putSte,
  strtab,
  twoLevel,
  vmid,
} from './configuration.fixture.ts';
import type { Identity } from './identity.ts';
import { defaultIdentity, identityWith, svaIdentity } from './identity.ts';

describe('the linear Stream table', () => {
  it('has 64 bytes a stream, and as many streams as LOG2SIZE says', () => {
    const smmu = bench();
    putSte(smmu, strtab, { S2VMID: 1 });
    putSte(smmu, strtab + 64n, { S2VMID: 2 });
    putSte(smmu, strtab + 64n * 255n, { S2VMID: 3 });
    putSte(smmu, strtab + 64n * 256n, { S2VMID: 4 });
    expect([0, 1, 255, 256].map((sid) => vmid(smmu, sid))).toEqual([1, 2, 3, 'C_BAD_STREAMID']);
  });

  it('is aligned to its size', () => {
    const smmu = bench({ registers: { strtabBase: strtab + 0x3fc0n } });
    putSte(smmu, strtab, { S2VMID: 1 });
    expect(vmid(smmu, 0)).toBe(1);
    // 2^8 entries of 64 bytes: bit 14 is of the address.
    const next = bench({ registers: { strtabBase: strtab + 0x4000n } });
    putSte(next, strtab + 0x4000n, { S2VMID: 1 });
    expect(vmid(next, 0)).toBe(1);
  });

  it('has at most 2^SIDSIZE streams, aligned by LOG2SIZE as written', () => {
    const smmu = bench({
      identity: identityWith({ SIDSIZE: 4 }),
      registers: { strtabBase: strtab + 0x400n, strtabBaseCfg: 5 },
    });
    putSte(smmu, strtab + 64n * 15n, { S2VMID: 1 });
    expect([15, 16].map((sid) => vmid(smmu, sid))).toEqual([1, 'C_BAD_STREAMID']);
  });

  it('is read where bits of the base register are no address', () => {
    const smmu = bench({ registers: { strtabBase: strtab | (1n << 62n) | (1n << 52n) | 0x3fn } });
    putSte(smmu, strtab, { S2VMID: 1 });
    expect(vmid(smmu, 0)).toBe(1);
  });

  it('is what FMT 2 and 3 are, and FMT 1 without two-level tables', () => {
    for (const fmt of [2, 3]) {
      const smmu = bench({ registers: { strtabBaseCfg: (fmt << 16) | (6 << 6) | 8 } });
      putSte(smmu, strtab + 64n * 3n, { S2VMID: 3 });
      expect(vmid(smmu, 3)).toBe(3);
    }
    const smmu = bench({
      identity: identityWith({ ST_LEVEL: 0, SIDSIZE: 6 }),
      registers: { strtabBaseCfg: twoLevel(6, 6) },
    });
    putSte(smmu, strtab + 64n * 3n, { S2VMID: 3 });
    expect(vmid(smmu, 3)).toBe(3);
  });
});

describe('the two-level Stream table', () => {
  it.each([
    [6, 6],
    [8, 8],
    [10, 10],
    [0, 6],
    [7, 6],
    [9, 6],
    [11, 6],
    [16, 6],
    [32 + 8, 8],
  ])('with SPLIT %i has 2^%i streams a level-1 descriptor', (written, split) => {
    const smmu = bench({ registers: { strtabBaseCfg: twoLevel(12, written) } });
    putL1Std(smmu, strtab, split + 1, 0x40_0000n);
    putL1Std(smmu, strtab + 8n, split + 1, 0x50_0000n);
    putSte(smmu, 0x40_0000n + 64n * BigInt(2 ** split - 1), { S2VMID: 1 });
    putSte(smmu, 0x50_0000n, { S2VMID: 2 });
    expect(vmid(smmu, 2 ** split - 1)).toBe(1);
    expect(vmid(smmu, 2 ** split)).toBe(2);
  });

  it('has 2^(Span-1) streams below a descriptor', () => {
    for (const [span, streams] of [
      [1, 1],
      [2, 2],
      [5, 16],
      [9, 256],
    ] as const) {
      const smmu = bench({ registers: { strtabBaseCfg: twoLevel(10, 8) } });
      putL1Std(smmu, strtab, span, 0x40_0000n);
      for (const sid of [streams - 1, streams]) putSte(smmu, 0x40_0000n + 64n * BigInt(sid), { S2VMID: sid });
      expect(vmid(smmu, streams - 1)).toBe(streams - 1);
      expect(vmid(smmu, streams)).toBe('C_BAD_STREAMID');
    }
  });

  it('refuses a Span of 0, beyond the split, or Reserved', () => {
    for (const [split, span, valid] of [
      [8, 0, false],
      [8, 9, true],
      [8, 10, false],
      [6, 7, true],
      [6, 8, false],
      [10, 11, true],
      [10, 12, false],
      [10, 31, false],
    ] as const) {
      const smmu = bench({ registers: { strtabBaseCfg: twoLevel(12, split) } });
      putL1Std(smmu, strtab, span, 0x40_0000n);
      putSte(smmu, 0x40_0000n, { S2VMID: 1 });
      expect([split, span, vmid(smmu, 0)]).toEqual([split, span, valid ? 1 : 'C_BAD_STREAMID']);
    }
  });

  it('aligns L2Ptr to the size of its array', () => {
    const smmu = bench({ registers: { strtabBaseCfg: twoLevel(8, 8) } });
    putL1Std(smmu, strtab, 3, 0x40_01c0n);
    putSte(smmu, 0x40_0100n, { S2VMID: 1 });
    expect(vmid(smmu, 0)).toBe(1);
  });

  it('aligns the base to the size of level 1, at least 64 bytes', () => {
    // 2^(12-8) descriptors of 8 bytes.
    const smmu = bench({ registers: { strtabBase: strtab + 0x40n, strtabBaseCfg: twoLevel(12, 8) } });
    putL1Std(smmu, strtab, 1, 0x40_0000n);
    putSte(smmu, 0x40_0000n, { S2VMID: 1 });
    expect(vmid(smmu, 0)).toBe(1);
    const small = bench({ registers: { strtabBase: strtab + 0x40n, strtabBaseCfg: twoLevel(10, 8) } });
    putL1Std(small, strtab + 0x40n, 1, 0x40_0000n);
    putSte(small, 0x40_0000n, { S2VMID: 2 });
    expect(vmid(small, 0)).toBe(2);
  });
});

describe('errors of the Stream table', () => {
  it('C_BAD_STREAMID is recorded with RECINVSID only, for ATS with REC_CFG_ATS too', () => {
    for (const recordInvalidStreamId of [false, true]) {
      for (const recordConfigurationAts of [false, true]) {
        const smmu = bench({ registers: { recordInvalidStreamId, recordConfigurationAts } });
        expect(look(smmu, 0x1234, 5)).toEqual({
          ok: false,
          reason: 'configuration',
          event: { name: 'C_BAD_STREAMID', sid: 0x1234, ssv: true, ssid: 5 },
          recorded: recordInvalidStreamId,
          recordedForAts: recordInvalidStreamId && recordConfigurationAts,
        });
      }
    }
  });

  it('C_BAD_STE is recorded, for ATS with REC_CFG_ATS only', () => {
    const smmu = bench({ registers: { recordInvalidStreamId: false } });
    expect(look(smmu, 3)).toEqual({
      ok: false,
      reason: 'configuration',
      event: { name: 'C_BAD_STE', sid: 3, ssv: false, ssid: 0 },
      recorded: true,
      recordedForAts: false,
      because: 'V = 0',
    });
    smmu.registers.recordConfigurationAts = true;
    expect(look(smmu, 3)).toMatchObject({ recorded: true, recordedForAts: true });
  });

  it('F_STE_FETCH is an entry where there is no memory', () => {
    const smmu = bench({ registers: { strtabBase: 0x5000_0000n } });
    expect(look(smmu, 2, 7)).toEqual({
      ok: false,
      reason: 'configuration',
      event: {
        name: 'F_STE_FETCH',
        sid: 2,
        ssv: true,
        ssid: 7,
        reason: 0,
        gpcf: false,
        fetchAddr: 0x5000_0080n,
      },
      recorded: true,
      recordedForAts: false,
    });
  });

  it('F_STE_FETCH is a level-1 descriptor where there is no memory', () => {
    const smmu = bench({ registers: { strtabBase: 0x5000_0000n, strtabBaseCfg: twoLevel(10, 8) } });
    expect(look(smmu, 0x101)).toMatchObject({ event: { name: 'F_STE_FETCH', ssv: false, fetchAddr: 0x5000_0008n } });
  });

  it('F_STE_FETCH is an address beyond the OAS, backed or not', () => {
    const smmu = bench({
      identity: defaultIdentity,
      ranges: [{ base: 0n, size: 1n << 50n }],
      registers: { strtabBaseCfg: twoLevel(8, 8) },
    });
    putL1Std(smmu, strtab, 9, 1n << 44n);
    expect(look(smmu, 0)).toMatchObject({ event: { name: 'F_STE_FETCH', fetchAddr: 1n << 44n } });
  });
});

describe('SubstreamIDs', () => {
  const withTable = (fields: Parameters<typeof putSte>[2] = {}, identity: Identity = svaIdentity) => {
    const smmu = bench({ identity });
    putSte(smmu, strtab, { S1CDMax: 4, S1ContextPtr: 0x2_0000n, ...fields });
    for (let ssid = 0; ssid < 32; ssid++) putCd(smmu, 0x2_0000n + 64n * BigInt(ssid), { ASID: 100 + ssid });
    return smmu;
  };

  it('choose a Context descriptor below 2^S1CDMax', () => {
    const smmu = withTable();
    expect([0, 1, 15, 16].map((ssid) => asid(smmu, 0, ssid))).toEqual([100, 101, 115, 'C_BAD_SUBSTREAMID']);
    expect(look(smmu, 0, 16)).toMatchObject({ event: { name: 'C_BAD_SUBSTREAMID', sid: 0, ssid: 16 }, recorded: true });
  });

  it('are bad where there is one Context descriptor', () => {
    const smmu = withTable({ S1CDMax: 0 });
    expect([undefined, 0, 1].map((ssid) => asid(smmu, 0, ssid))).toEqual([
      100,
      'C_BAD_SUBSTREAMID',
      'C_BAD_SUBSTREAMID',
    ]);
  });

  it('are bad without substreams, where S1CDMax, S1Fmt and S1DSS are ignored', () => {
    const smmu = withTable({ S1CDMax: 4, S1Fmt: 1, S1DSS: 0 }, identityWith({ SSIDSIZE: 0 }, svaIdentity));
    expect([undefined, 0].map((ssid) => asid(smmu, 0, ssid))).toEqual([100, 'C_BAD_SUBSTREAMID']);
  });

  it('are linear with S1Fmt 0 and 3, aligned to the table', () => {
    for (const S1Fmt of [0, 3]) {
      expect(asid(withTable({ S1Fmt, S1ContextPtr: 0x2_03c0n }), 0, 2)).toBe(102);
      expect(asid(withTable({ S1Fmt, S1ContextPtr: 0x2_0400n }), 0, 0)).toBe(116);
    }
  });

  it('may be absent as S1DSS says', () => {
    const codes = [0, 1, 2, 3].map((S1DSS) => withTable({ S1DSS }));
    expect(codes.map((smmu) => asid(smmu, 0))).toEqual(['F_STREAM_DISABLED', -1, 100, 'F_STREAM_DISABLED']);
    expect(codes.map((smmu) => asid(smmu, 0, 0))).toEqual([100, 100, 'F_STREAM_DISABLED', 100]);
    expect(codes.map((smmu) => asid(smmu, 0, 1))).toEqual([101, 101, 101, 101]);
    expect(look(withTable(), 0)).toMatchObject({
      event: { name: 'F_STREAM_DISABLED', sid: 0 },
      recorded: true,
      recordedForAts: false,
    });
    // Out of range comes before disabled.
    expect(asid(withTable({ S1DSS: 2 }), 0, 16)).toBe('C_BAD_SUBSTREAMID');
  });

  it('absent skip stage 1 with S1DSS 1: a bypass that keeps its ATS, or stage 2', () => {
    const smmu = withTable({ S1DSS: 1, EATS: 1 });
    expect(look(smmu, 0)).toMatchObject({ configuration: { kind: 'bypass', stage1Skipped: true, eats: 'full' } });
    expect(look(smmu, 0, 1)).toMatchObject({ configuration: { kind: 'translate', stage1Skipped: false } });
    const nested = bench();
    putNested(nested, strtab, { S1CDMax: 4, S1DSS: 1 });
    const found = look(nested, 0);
    expect(found).toMatchObject({ configuration: { kind: 'translate', stage1Skipped: true, stage2: {} } });
    expect(found).not.toHaveProperty('configuration.stage1');
    expect(nested.ipas).toEqual([]);
  });
});

describe('two-level Context descriptor tables', () => {
  const l1 = 0x2_0000n;
  const withTable = (S1Fmt: number, S1CDMax: number, S1DSS = 2) => {
    const smmu = bench();
    putSte(smmu, strtab, { S1Fmt, S1CDMax, S1DSS, S1ContextPtr: l1 });
    return smmu;
  };

  it.each([
    [1, 6],
    [2, 10],
  ])('S1Fmt %i: 2^%i descriptors a leaf', (S1Fmt, leaf) => {
    const smmu = withTable(S1Fmt, 14);
    putL1Cd(smmu, l1, 0x80_0000n);
    putL1Cd(smmu, l1 + 8n, 0x90_0000n);
    putCd(smmu, 0x80_0000n, { ASID: 1 });
    putCd(smmu, 0x80_0000n + 64n * BigInt(2 ** leaf - 1), { ASID: 2 });
    putCd(smmu, 0x90_0000n, { ASID: 3 });
    expect([undefined, 2 ** leaf - 1, 2 ** leaf].map((ssid) => asid(smmu, 0, ssid))).toEqual([1, 2, 3]);
  });

  it('of no more than a leaf use the first level-1 descriptor', () => {
    for (const [S1Fmt, S1CDMax] of [
      [1, 6],
      [2, 10],
      [1, 1],
    ] as const) {
      const smmu = withTable(S1Fmt, S1CDMax);
      putL1Cd(smmu, l1, 0x10_0000n);
      const last = 2 ** S1CDMax - 1;
      putCd(smmu, 0x10_0000n + 64n * BigInt(last), { ASID: 5 });
      expect(asid(smmu, 0, last)).toBe(5);
      expect(asid(smmu, 0, last + 1)).toBe('C_BAD_SUBSTREAMID');
    }
  });

  it('align level 1 to its size, at least 64 bytes, and 64K leaves', () => {
    // 2^(14-6) pointers of 8 bytes are 2 KiB.
    const smmu = bench();
    putSte(smmu, strtab, { S1Fmt: 1, S1CDMax: 14, S1ContextPtr: l1 + 0x7c0n });
    putL1Cd(smmu, l1, 0x10_0000n);
    putCd(smmu, 0x10_0000n + 64n, { ASID: 6 });
    expect(asid(smmu, 0, 1)).toBe(6);
    // Bit 11 is of the address.
    putSte(smmu, strtab + 64n, { S1Fmt: 1, S1CDMax: 14, S1ContextPtr: l1 + 0x800n });
    putL1Cd(smmu, l1 + 0x800n, 0x20_0000n);
    putCd(smmu, 0x20_0000n + 64n, { ASID: 9 });
    expect(asid(smmu, 1, 1)).toBe(9);
    const wide = bench();
    putSte(wide, strtab, { S1Fmt: 2, S1CDMax: 10, S1ContextPtr: l1 + 0x40n });
    putL1Cd(wide, l1 + 0x40n, 0x10_f000n);
    putCd(wide, 0x10_0000n + 64n, { ASID: 7 });
    expect(asid(wide, 0, 1)).toBe(7);
    const large = bench();
    putSte(large, strtab, { S1Fmt: 2, S1CDMax: 14, S1ContextPtr: l1 + 0x40n });
    putL1Cd(large, l1, 0x10_0000n);
    putCd(large, 0x10_0000n + 64n, { ASID: 8 });
    expect(asid(large, 0, 1)).toBe(8);
  });

  it('are bad where a level-1 descriptor is invalid or out of range', () => {
    const smmu = withTable(1, 14);
    expect(look(smmu, 0, 0x41)).toMatchObject({ event: { name: 'C_BAD_SUBSTREAMID', sid: 0, ssid: 0x41 } });
    // Without SubstreamID the index is 0.
    expect(look(smmu, 0)).toMatchObject({ event: { name: 'C_BAD_SUBSTREAMID', sid: 0, ssid: 0 } });
    putL1Cd(smmu, l1 + 8n, 1n << 48n);
    expect(look(smmu, 0, 0x41)).toMatchObject({ event: { name: 'C_BAD_SUBSTREAMID', ssid: 0x41 } });
  });
});

describe('errors of Context descriptors', () => {
  it('C_BAD_CD names the transaction', () => {
    const smmu = bench();
    putSte(smmu, strtab, { S1CDMax: 4, S1DSS: 2 });
    expect(look(smmu, 0, 3)).toMatchObject({
      event: { name: 'C_BAD_CD', sid: 0, ssv: true, ssid: 3 },
      recorded: true,
      because: 'V = 0',
    });
    expect(look(smmu, 0)).toMatchObject({ event: { name: 'C_BAD_CD', sid: 0, ssv: false, ssid: 0 } });
  });

  it('C_BAD_CD depends on the entry that leads there', () => {
    const smmu = bench();
    putCd(smmu, 0x2_0000n, { S: true });
    putSte(smmu, strtab);
    putSte(smmu, strtab + 64n, { S1STALLD: true });
    expect([asid(smmu, 0), asid(smmu, 1)]).toEqual([0, 'C_BAD_CD']);
  });

  it('F_CD_FETCH is a descriptor of either level where there is no memory', () => {
    const smmu = bench();
    putSte(smmu, strtab, { S1ContextPtr: 0x5000_0000n, S1CDMax: 4 });
    expect(look(smmu, 0, 2)).toMatchObject({
      event: { name: 'F_CD_FETCH', sid: 0, ssv: true, ssid: 2, fetchAddr: 0x5000_0080n },
      recorded: true,
    });
    putSte(smmu, strtab + 64n, { S1ContextPtr: 0x5000_0000n, S1Fmt: 1, S1CDMax: 8 });
    expect(look(smmu, 1, 0x41)).toMatchObject({ event: { name: 'F_CD_FETCH', fetchAddr: 0x5000_0008n } });
    putSte(smmu, strtab + 128n, { S1ContextPtr: 0x2_0000n, S1Fmt: 1, S1CDMax: 8 });
    putL1Cd(smmu, 0x2_0000n, 0x5000_0000n);
    expect(look(smmu, 2, 1)).toMatchObject({ event: { name: 'F_CD_FETCH', fetchAddr: 0x5000_0040n } });
  });
});

describe('Context descriptors behind stage 2', () => {
  it('are at IPAs', () => {
    const smmu = bench();
    putNested(smmu, strtab, { S1Fmt: 1, S1CDMax: 8 });
    putL1Cd(smmu, 0x12_0008n, 0x3_0000n);
    putCd(smmu, 0x13_0040n, { ASID: 9 });
    expect(asid(smmu, 0, 0x41)).toBe(9);
    expect(smmu.ipas).toEqual([0x2_0008n, 0x3_0040n]);
  });

  it('fault with the IPA of what was fetched', () => {
    const smmu = bench();
    putNested(smmu, strtab, { S1Fmt: 1, S1CDMax: 8, S1ContextPtr: 0x2000_0000n, S2VMID: 5 });
    expect(look(smmu, 0, 0x41)).toMatchObject({
      ok: false,
      reason: 'stage 2',
      fault: 'not mapped',
      ipa: 0x2000_0008n,
      stage2: { vmid: 5 },
      ste: { S2VMID: 5 },
    });
    putNested(smmu, strtab + 64n, { S1Fmt: 1, S1CDMax: 8 });
    putL1Cd(smmu, 0x12_0008n, 0x2000_0000n);
    expect(look(smmu, 1, 0x41)).toMatchObject({ reason: 'stage 2', ipa: 0x2000_0040n });
    expect(smmu.cache.entries.map(({ kind }) => kind)).toEqual(['STE', 'STE', 'L1CD']);
  });

  it('are aborted with the physical address', () => {
    const smmu = bench({ ranges: [{ base: 0n, size: 0x11_0000n }] });
    putNested(smmu, strtab);
    expect(look(smmu, 0)).toMatchObject({ event: { name: 'F_CD_FETCH', fetchAddr: 0x12_0000n } });
  });
});
