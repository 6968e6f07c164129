/**
 * Which regimes are legal, and where their walks start: every input size, granule and start level.
 */
import { describe, expect, it } from 'vitest';
import {
  type GranuleLog2,
  indexBitsOf,
  type Regime,
  type RegimeResult,
  stage1Regime,
  type Stage1Fields,
  stage2Regime,
  type Stage2Fields,
} from './vmsav8-regime.ts';

const granules: readonly GranuleLog2[] = [12, 14, 16];

function stage1(fields: Partial<Stage1Fields>): RegimeResult {
  return stage1Regime({ granuleLog2: 12, sizeOffset: 16, base: 0n, outputBits: 48, physicalBits: 52, ...fields });
}

function stage2(fields: Partial<Stage2Fields>): RegimeResult {
  const defaults = {
    granuleLog2: 12,
    sizeOffset: 25,
    startLevelCode: 1,
    base: 0n,
    outputBits: 48,
    physicalBits: 52,
  } as const;
  return stage2Regime({ ...defaults, ...fields });
}

/** Start level and input size of a legal one; what is illegal of another. */
function shortly(result: RegimeResult): unknown {
  return result.ok ? [result.regime.startLevel, result.regime.inputBits] : result.illegal;
}

function legal(result: RegimeResult): Regime {
  if (!result.ok) throw new Error(result.illegal);
  return result.regime;
}

describe('stage 1', () => {
  it.each([
    [12, 16, 0],
    [12, 25, 1],
    [12, 32, 1],
    [12, 39, 2],
    [14, 16, 0],
    [14, 25, 1],
    [14, 32, 2],
    [14, 39, 3],
    [16, 16, 1],
    [16, 25, 2],
    [16, 32, 2],
    [16, 39, 3],
  ] as const)('granule 2^%i, T0SZ %i: level %i, as real walks do', (granuleLog2, sizeOffset, level) => {
    expect(legal(stage1({ granuleLog2, sizeOffset })).startLevel).toBe(level);
  });

  it('has the input sizes that STT and VAX allow, and starts at the last level from which they can be resolved', () => {
    for (const granuleLog2 of granules) {
      for (const smallTables of [false, true]) {
        for (const largeInputs of [false, true]) {
          for (let sizeOffset = 0; sizeOffset < 64; sizeOffset++) {
            const result = stage1({ granuleLog2, sizeOffset, smallTables, largeInputs });
            const most = smallTables ? { 12: 48, 14: 48, 16: 47 }[granuleLog2] : 39;
            const least = largeInputs && granuleLog2 === 16 ? 12 : 16;
            let resolved: number = granuleLog2;
            let level = 4;
            while (resolved < 64 - sizeOffset) {
              resolved += granuleLog2 - 3;
              level--;
            }
            expect({ granuleLog2, sizeOffset, found: shortly(result) }).toEqual({
              granuleLog2,
              sizeOffset,
              found: sizeOffset >= least && sizeOffset <= most ? [level, 64 - sizeOffset] : 'input size',
            });
          }
        }
      }
    }
  });
});

describe('stage 2', () => {
  /** Granule, S2SL0, start level, and the input sizes: one bit of index to a table's and four (DDI 0487, S2InconsistentSL). */
  const table = [
    [12, 0, 2, 22, 34],
    [12, 1, 1, 31, 43],
    [12, 2, 0, 40, 48],
    [12, 3, 3, 16, 25],
    [14, 0, 3, 16, 29],
    [14, 1, 2, 26, 40],
    [14, 2, 1, 37, 48],
    [16, 0, 3, 17, 33],
    [16, 1, 2, 30, 46],
    [16, 2, 1, 43, 52],
  ] as const;

  it.each(table)(
    'granule 2^%i, S2SL0 %i: level %i for %i to %i bits',
    (granuleLog2, startLevelCode, level, least, most) => {
      for (let bits = 1; bits < 64; bits++) {
        for (const smallTables of [false, true]) {
          const result = stage2({ granuleLog2, startLevelCode, sizeOffset: 64 - bits, smallTables });
          const needsSmallTables = bits < 25 || (granuleLog2 === 12 && startLevelCode === 3);
          const expected = bits >= least && bits <= most && (smallTables || !needsSmallTables);
          expect([bits, smallTables, result.ok && shortly(result)]).toEqual([
            bits,
            smallTables,
            expected && [level, bits],
          ]);
        }
      }
    },
  );

  it('has no S2SL0 = 3 but for 4K', () => {
    for (let sizeOffset = 12; sizeOffset < 49; sizeOffset++) {
      expect(stage2({ granuleLog2: 14, startLevelCode: 3, sizeOffset, smallTables: true }).ok).toBe(false);
      expect(stage2({ granuleLog2: 16, startLevelCode: 3, sizeOffset, smallTables: true }).ok).toBe(false);
    }
  });

  it('says which field is wrong', () => {
    expect(stage2({ sizeOffset: 15 })).toEqual({ ok: false, illegal: 'input size' });
    expect(stage2({ sizeOffset: 25, startLevelCode: 2 })).toEqual({ ok: false, illegal: 'start level' });
    expect(stage2({ startLevelCode: 3 })).toEqual({ ok: false, illegal: 'start level' });
    expect(stage2({ base: 1n << 48n })).toEqual({ ok: false, illegal: 'base' });
  });

  it('has no inputs beyond IAS', () => {
    for (const [granuleLog2, startLevelCode] of [
      [12, 2],
      [14, 2],
      [16, 2],
    ] as const) {
      const sizes = { granuleLog2, startLevelCode, physicalBits: 44, outputBits: 44 };
      expect(stage2({ ...sizes, sizeOffset: 20 }).ok).toBe(true);
      expect(stage2({ ...sizes, sizeOffset: 19 })).toEqual({ ok: false, illegal: 'input size' });
    }
  });

  it.each([
    [12, 44],
    [14, 42],
    [16, 44],
  ] as const)('granule 2^%i starts at the first level only with %i physical bits', (granuleLog2, least) => {
    for (const physicalBits of [40, 42, 44, 48]) {
      const sizes = { granuleLog2, startLevelCode: 2, physicalBits, outputBits: physicalBits };
      const sizeOffsets = Array.from({ length: 24 }, (_, index) => index + 1).filter(
        (offset) => 64 - offset <= physicalBits,
      );
      const some = sizeOffsets.some((sizeOffset) => stage2({ ...sizes, sizeOffset }).ok);
      expect([physicalBits, some]).toEqual([physicalBits, physicalBits >= least]);
    }
  });

  it('of real traffic: S2T0SZ 20, S2SL0 2, 4K, 44 bits', () => {
    const dw2 = 0x044c_3594_0000_0004n;
    const field = (high: number, low: number): number =>
      Number((dw2 >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n));
    expect([field(37, 32), field(39, 38), field(47, 46), field(50, 48)]).toEqual([20, 2, 0, 4]);
    const regime = legal(
      stage2({ sizeOffset: 20, startLevelCode: 2, base: 0x4397_4000n, outputBits: 44, physicalBits: 44 }),
    );
    expect(regime).toMatchObject({ startLevel: 0, inputBits: 44, base: 0x4397_4000n });
    expect(indexBitsOf(regime, 0)).toBe(5);
  });
});

describe('the base', () => {
  it('is aligned down to the size of the start table', () => {
    const base = 0x7fff_ffff_fff0n;
    // 9 bits of index, 4 KiB; 1 bit, 16 bytes.
    expect(legal(stage1({ base })).base).toBe(0x7fff_ffff_f000n);
    expect(legal(stage1({ base, sizeOffset: 24 })).base).toBe(0x7fff_ffff_fff0n);
    expect(legal(stage1({ base, sizeOffset: 23 })).base).toBe(0x7fff_ffff_ffe0n);
  });

  it('is aligned down to all concatenated tables', () => {
    const base = 0x7fff_ffff_fff0n;
    // 4K from level 1 with 40 bits: 1024 entries; 43 bits: 16 tables.
    expect(legal(stage2({ base, sizeOffset: 24 })).base).toBe(0x7fff_ffff_e000n);
    expect(legal(stage2({ base, sizeOffset: 21 })).base).toBe(0x7fff_ffff_0000n);
    expect(legal(stage2({ base, granuleLog2: 16, startLevelCode: 0, sizeOffset: 31 })).base).toBe(0x7fff_fff0_0000n);
  });

  it('is aligned to 64 bytes at least when outputs have 52 bits', () => {
    const sizes = {
      granuleLog2: 16,
      sizeOffset: 39,
      base: 0xf_ffff_ffff_fff0n,
      outputBits: 52,
      smallTables: true,
    } as const;
    expect(legal(stage1({ ...sizes, sizeOffset: 47 })).base).toBe(0xf_ffff_ffff_ffc0n);
    expect(legal(stage1({ ...sizes, sizeOffset: 47, outputBits: 48, base: 0xffff_ffff_fff0n })).base).toBe(
      0xffff_ffff_fff0n,
    );
  });

  it('is illegal beyond the output size, and beyond 48 bits for 4K and 16K', () => {
    for (const outputBits of [32, 36, 40, 42, 44, 48, 52]) {
      for (const granuleLog2 of granules) {
        const most = granuleLog2 === 16 ? outputBits : Math.min(48, outputBits);
        const last = (1n << BigInt(most)) - 0x10_0000n;
        for (const regime of [
          (base: bigint) => stage1({ granuleLog2, outputBits, base }),
          (base: bigint) =>
            stage2({
              granuleLog2,
              outputBits,
              base,
              sizeOffset: 31,
              startLevelCode: granuleLog2 === 14 ? 1 : granuleLog2 === 12 ? 1 : 0,
            }),
        ]) {
          expect(regime(last).ok).toBe(true);
          expect(regime(1n << BigInt(most))).toEqual({ ok: false, illegal: 'base' });
        }
      }
    }
  });
});

describe('flags', () => {
  it('are off, but for access flag faults, table attributes and two privileges', () => {
    const on = Object.entries(legal(stage1({ outputBits: 48, physicalBits: 48 }))).flatMap(([name, value]) =>
      value === true ? [name] : [],
    );
    expect(on).toEqual(['accessFlagFaults', 'hierarchicalPermissions', 'twoPrivileges']);
  });

  it('HD without HA is nothing', () => {
    expect(legal(stage1({ hardwareDirty: true })).hardwareDirty).toBe(false);
    expect(legal(stage1({ hardwareDirty: true, hardwareAccess: true })).hardwareDirty).toBe(true);
    expect(legal(stage2({ hardwareDirty: true })).hardwareDirty).toBe(false);
  });
});
