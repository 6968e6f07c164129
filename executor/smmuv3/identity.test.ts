import { describe, expect, it } from 'vitest';
import {
  defaultIdentity,
  effectiveBits,
  identityFrom,
  identityWith,
  outputBits,
  registersOf,
  svaIdentity,
} from './identity.ts';

describe('an identity', () => {
  it('reads by default as QEMU 10 with both stages does', () => {
    expect(registersOf(defaultIdentity)).toEqual({
      IDR0: 0x0d44101b,
      IDR1: 0x02730010,
      IDR2: 0,
      IDR3: 0x1414,
      IDR4: 0,
      IDR5: 0x74,
      IIDR: 0,
      AIDR: 1,
    });
    expect(defaultIdentity).toMatchObject({
      S1P: true,
      S2P: true,
      ATS: false,
      PRI: false,
      SSIDSIZE: 0,
      STALL_MODEL: 1,
      SIDSIZE: 16,
      OAS: 4,
      ASID16: true,
      VMID16: true,
      RIL: true,
      GRAN4K: true,
      GRAN16K: true,
      GRAN64K: true,
    });
  });

  it('comes back from its registers', () => {
    expect(identityFrom(registersOf(svaIdentity))).toEqual(svaIdentity);
    // Linux on QEMU with stage 2 only.
    expect(identityFrom({ IDR0: 0xd441019, IDR1: 0x2730010, IDR3: 0x1414, IDR5: 0x74, AIDR: 1 })).toEqual({
      ...defaultIdentity,
      S1P: false,
    });
  });

  it('places the fields of ATS, PRI, substreams and stalls', () => {
    const registers = registersOf(svaIdentity);
    expect((registers.IDR0 >>> 10) & 1).toBe(1);
    expect((registers.IDR0 >>> 16) & 1).toBe(1);
    expect((registers.IDR0 >>> 24) & 3).toBe(0);
    expect((registers.IDR0 >>> 6) & 3).toBe(2);
    expect((registers.IDR1 >>> 6) & 31).toBe(20);
    expect((registers.IDR1 >>> 11) & 31).toBe(19);
    expect(registers.IDR5 >>> 16).toBe(64);
    expect(registersOf(identityWith({ ECMDQ: true })).IDR1 >>> 31).toBe(1);
    expect(registersOf(identityWith({ Implementer: 0x43b, Revision: 1, Variant: 2, ProductID: 0x483 })).IIDR).toBe(
      0x4832143b,
    );
  });

  it('reads STALL_MAX as zero where stalls are not supported', () => {
    expect(registersOf(identityWith({ STALL_MAX: 8 })).IDR5 >>> 16).toBe(0);
  });

  it('gives PRI a queue and substreams two-level tables, unless told', () => {
    expect(identityWith({ PRI: true, ATS: true })).toMatchObject({ PRIQS: 19, CD2L: false });
    expect(identityWith({ PRI: true, PRIQS: 3 })).toMatchObject({ PRIQS: 3 });
    expect(identityWith({ SSIDSIZE: 8 })).toMatchObject({ CD2L: true });
    expect(identityWith({ SSIDSIZE: 8, CD2L: false })).toMatchObject({ CD2L: false });
    expect(identityWith({ CD2L: false }, svaIdentity)).toMatchObject({ CD2L: false });
  });

  it('caps sizes of addresses to the OAS', () => {
    expect([0, 1, 2, 3, 4, 5, 6].map((OAS) => outputBits(identityWith({ OAS })))).toEqual([32, 36, 40, 42, 44, 48, 52]);
    expect([0, 3, 4, 5, 7].map((code) => effectiveBits(code, defaultIdentity))).toEqual([32, 42, 44, 44, 44]);
    expect([6, 7].map((code) => effectiveBits(code, identityWith({ OAS: 6 })))).toEqual([52, 52]);
  });

  it.each([
    { TTF: 3 },
    { BTM: true },
    { MPAM: true },
    { DPT: true },
    { HTTU: 3 },
    { STALL_MODEL: 3 },
    { SSIDSIZE: 21 },
    { SIDSIZE: 33 },
    { CMDQS: 20 },
    { OAS: 7 },
    { VAX: 2 },
    { TTENDIAN: 1 },
    { S1P: false, S2P: false },
    { HYP: true, S2P: false },
    { ATSRECERR: true },
    { NS1ATS: true },
    { ST_LEVEL: 0 },
    { GRAN4K: false, GRAN16K: false, GRAN64K: false },
    { VAX: 1, GRAN64K: false },
  ])('is refused: %o', (changes) => {
    expect(() => identityWith(changes)).toThrow(RangeError);
  });

  it('is allowed at the limits', () => {
    expect(() =>
      identityWith({ SSIDSIZE: 20, SIDSIZE: 32, CMDQS: 19, OAS: 6, VAX: 1, HTTU: 2, STALL_MODEL: 2 }),
    ).not.toThrow();
    expect(() => identityWith({ SIDSIZE: 6, ST_LEVEL: 0 })).not.toThrow();
  });
});
