import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command, CommandToEncode } from './commands.ts';
import { decodeCommand, encodeCommand, isIllegal, opcodes } from './commands.ts';
import { defaultIdentity, identityWith, svaIdentity } from './identity.ts';

/** 16 bytes of two 64-bit words. */
function raw(low: bigint, high = 0n): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, low, true);
  new DataView(bytes.buffer).setBigUint64(8, high, true);
  return bytes;
}

function command(fields: CommandToEncode): Command {
  return decodeCommand(encodeCommand(fields));
}

describe('commands of the Linux driver', () => {
  it.each<[string, CommandToEncode]>([
    ['04000000000000001f00000000000000', { op: 'CFGI_ALL' }],
    ['4620c00f000000000000000000000000', { op: 'SYNC', cs: 2, msh: 3, msiAttr: 15 }],
    ['30000000000000000000000000000000', { op: 'TLBI_NSNH_ALL' }],
    ['11000000000005000000000000000000', { op: 'TLBI_NH_ASID', asid: 5 }],
    ['05000000280000000100000000000000', { op: 'CFGI_CD', sid: 0x28, ssid: 0, leaf: true }],
    ['03000000280000000100000000000000', { op: 'CFGI_STE', sid: 0x28, leaf: true }],
    ['01000000280000000000000000000000', { op: 'PREFETCH_CONFIG', sid: 0x28 }],
    [
      '12000000000001000167ffff00000000',
      { op: 'TLBI_NH_VA', asid: 1, leaf: true, ttl: 3, tg: 1, address: 0xffff6000n },
    ],
    ['28000000050000000000000000000000', { op: 'TLBI_S12_VMALL', vmid: 5 }],
    [
      '2a0000000200000001e7feff00000000',
      { op: 'TLBI_S2_IPA', vmid: 2, leaf: true, ttl: 3, tg: 1, address: 0xfffee000n },
    ],
  ])('%s', (hex, expected) => {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    expect(decodeCommand(bytes)).toEqual(command(expected));
    expect(Buffer.from(encodeCommand(expected)).toString('hex')).toBe(hex);
  });
});

describe('places of fields', () => {
  it.each<[CommandToEncode, bigint, bigint]>([
    [{ op: 'PREFETCH_CONFIG', ssv: true, ssid: 0xfffff, sid: 1 }, 0x1_ffff_f801n, 0n],
    [
      { op: 'PREFETCH_ADDR', sid: 1, size: 31, stride: 1, address: 0xffff_ffff_ffff_f000n },
      0x1_0000_0002n,
      0xffff_ffff_ffff_f03fn,
    ],
    [{ op: 'CFGI_STE', sid: 0xffff_ffff }, 0xffff_ffff_0000_0003n, 0n],
    [{ op: 'CFGI_STE_RANGE', sid: 0x100, range: 7 }, 0x100_0000_0004n, 7n],
    [{ op: 'CFGI_CD', sid: 2, ssid: 0xabcde }, 0x2_abcd_e005n, 0n],
    [{ op: 'CFGI_CD_ALL', sid: 3 }, 0x3_0000_0006n, 0n],
    [{ op: 'CFGI_VMS_PIDM', vmid: 4 }, 0x4_0000_0007n, 0n],
    [{ op: 'TLBI_NH_ALL', vmid: 0x1234 }, 0x1234_0000_0010n, 0n],
    [{ op: 'TLBI_NH_ASID', vmid: 0x1234, asid: 0x5678 }, 0x5678_1234_0000_0011n, 0n],
    [
      { op: 'TLBI_NH_VA', vmid: 1, asid: 2, num: 31, scale: 31, ttl128: true, ttl: 3, tg: 2, address: 1n << 63n },
      0x0002_0001_01f1_f012n,
      0x8000_0000_0000_0b80n,
    ],
    [{ op: 'TLBI_NH_VAA', vmid: 1, num: 1, scale: 1 }, 0x1_0010_1013n, 0n],
    [{ op: 'TLBI_EL2_ALL' }, 0x20n, 0n],
    [{ op: 'TLBI_EL2_ASID', asid: 1 }, 0x0001_0000_0000_0021n, 0n],
    [{ op: 'TLBI_EL2_VA', asid: 1, leaf: true }, 0x0001_0000_0000_0022n, 1n],
    [{ op: 'TLBI_EL2_VAA', tg: 3, address: 0x1000n }, 0x23n, 0x1c00n],
    [{ op: 'ATC_INV', global: true, ssv: true, ssid: 1, sid: 2, size: 52, address: 0x7000n }, 0x2_0000_1a40n, 0x7034n],
    [{ op: 'PRI_RESP', ssv: true, ssid: 1, sid: 2, prgIndex: 511, resp: 2 }, 0x2_0000_1841n, 0x21ffn],
    [{ op: 'RESUME', retry: true, sid: 2, stag: 0xffff }, 0x2_0000_1044n, 0xffffn],
    [{ op: 'RESUME', abort: true, sid: 2 }, 0x2_0000_2044n, 0n],
    [{ op: 'STALL_TERM', sid: 2 }, 0x2_0000_0045n, 0n],
    [
      { op: 'SYNC', cs: 1, msiData: 0xdead_beef, msiAddress: 0xf_ffff_ffff_fffcn },
      0xdead_beef_0000_1046n,
      0xf_ffff_ffff_fffcn,
    ],
  ])('%o', (fields, low, high) => {
    expect(encodeCommand(fields)).toEqual(raw(low, high));
    expect(decodeCommand(raw(low, high))).toMatchObject(fields);
  });

  it('reads SSec where a stream is named', () => {
    for (const op of [
      'PREFETCH_CONFIG',
      'CFGI_STE',
      'CFGI_STE_RANGE',
      'CFGI_CD',
      'CFGI_CD_ALL',
      'STALL_TERM',
    ] as const) {
      expect(decodeCommand(raw(BigInt(opcodes[op]) | 0x400n))).toMatchObject({ op, ssec: true });
    }
    expect(decodeCommand(raw(0x404n, 31n))).toEqual({ op: 'CFGI_ALL', ssec: true });
    expect(decodeCommand(raw(0x430n))).toEqual({ op: 'TLBI_NSNH_ALL' });
  });

  it('refuses values that do not fit', () => {
    expect(() => encodeCommand({ op: 'ATC_INV', address: 0x123n })).toThrow(RangeError);
    expect(() => encodeCommand({ op: 'TLBI_NH_ASID', asid: 0x1_0000 })).toThrow(RangeError);
  });

  it('reads at an offset', () => {
    const queue = new Uint8Array(48);
    queue.set(encodeCommand({ op: 'CFGI_STE', sid: 7 }), 16);
    expect(decodeCommand(queue, 16)).toMatchObject({ op: 'CFGI_STE', sid: 7 });
  });
});

describe('any bytes', () => {
  it('decode; what decodes encodes to the same command', () => {
    const known = fc.constantFrom(...Object.values(opcodes));
    const bytes = fc.tuple(fc.oneof(known, fc.nat(255)), fc.uint8Array({ minLength: 15, maxLength: 15 }));
    fc.assert(
      fc.property(bytes, ([opcode, rest]) => {
        const once = decodeCommand(Uint8Array.from([opcode, ...rest]));
        const isKnown = Object.values<number>(opcodes).includes(opcode);
        const again = once.op === 'unknown' ? { op: 'unknown', opcode } : decodeCommand(encodeCommand(once));
        expect({ isKnown: once.op !== 'unknown', command: once }).toEqual({ isKnown, command: again });
      }),
    );
  });

  it('of the Secure queue or of nothing are unknown', () => {
    for (const opcode of [0x00, 0x08, 0x18, 0x1a, 0x29, 0x42, 0x47, 0x50, 0x60, 0x70, 0x80, 0xff]) {
      expect(decodeCommand(raw(BigInt(opcode)))).toEqual({ op: 'unknown', opcode });
      expect(isIllegal(decodeCommand(raw(BigInt(opcode))), svaIdentity)).toBeDefined();
    }
  });
});

describe('CERROR_ILL', () => {
  const stage1 = identityWith({ S2P: false });
  const stage2 = identityWith({ S1P: false });
  const legal = (fields: CommandToEncode, identity = svaIdentity) => isIllegal(command(fields), identity) === undefined;

  it('is no command of a machine that has everything', () => {
    for (const op of Object.keys(opcodes) as (keyof typeof opcodes)[]) {
      expect([op, legal({ op })]).toEqual([op, op !== 'CFGI_VMS_PIDM']);
    }
  });

  it('is a stage-1 command without stage 1', () => {
    for (const op of ['CFGI_CD', 'CFGI_CD_ALL', 'TLBI_NH_ALL', 'TLBI_NH_ASID', 'TLBI_NH_VA', 'TLBI_NH_VAA'] as const) {
      expect([op, legal({ op }, stage2), legal({ op }, stage1)]).toEqual([op, false, true]);
    }
  });

  it('is a stage-2 command without stage 2', () => {
    for (const op of ['TLBI_S12_VMALL', 'TLBI_S2_IPA'] as const) {
      expect([op, legal({ op }, stage2), legal({ op }, stage1)]).toEqual([op, true, false]);
    }
    expect(legal({ op: 'TLBI_NSNH_ALL' }, stage1)).toBe(true);
    expect(legal({ op: 'TLBI_NSNH_ALL' }, stage2)).toBe(true);
  });

  it('is an EL2 command without EL2', () => {
    for (const op of ['TLBI_EL2_ALL', 'TLBI_EL2_ASID', 'TLBI_EL2_VA', 'TLBI_EL2_VAA'] as const) {
      expect([op, legal({ op }, defaultIdentity)]).toEqual([op, false]);
    }
  });

  it('is a command of ATS, PRI or stalls without them', () => {
    for (const op of ['ATC_INV', 'PRI_RESP', 'RESUME', 'STALL_TERM'] as const) {
      expect([op, legal({ op }, defaultIdentity)]).toEqual([op, false]);
    }
    expect(legal({ op: 'PRI_RESP' }, identityWith({ ATS: true }))).toBe(false);
    expect(legal({ op: 'ATC_INV' }, identityWith({ PRI: true }))).toBe(false);
    expect(legal({ op: 'RESUME' }, identityWith({ STALL_MODEL: 2 }))).toBe(true);
  });

  it('is a Reserved response or signal', () => {
    expect([0, 1, 2, 3].map((resp) => legal({ op: 'PRI_RESP', resp }))).toEqual([true, true, true, false]);
    expect([0, 1, 2, 3].map((cs) => legal({ op: 'SYNC', cs }))).toEqual([true, true, true, false]);
  });

  it('is a stream of the Secure table', () => {
    expect(legal({ op: 'CFGI_STE', ssec: true })).toBe(false);
    expect(legal({ op: 'RESUME', ssec: true })).toBe(false);
    expect(legal({ op: 'CFGI_ALL', ssec: true })).toBe(false);
  });

  it.each(['TLBI_NH_VA', 'TLBI_NH_VAA', 'TLBI_EL2_VA', 'TLBI_EL2_VAA', 'TLBI_S2_IPA'] as const)(
    'is a granule of %s without range and level',
    (op) => {
      for (const tg of [1, 2, 3]) {
        expect(legal({ op, tg })).toBe(false);
        expect(legal({ op, tg, num: 1 })).toBe(true);
        expect(legal({ op, tg, scale: 1 })).toBe(true);
        expect(legal({ op, tg, ttl: 3 })).toBe(true);
        // 16K: TTL 1 is Reserved, taken as 0.
        expect(legal({ op, tg, ttl: 1 })).toBe(tg !== 2);
      }
      expect(legal({ op })).toBe(true);
      expect(legal({ op, tg: 1 }, identityWith({ RIL: false, HYP: true }))).toBe(true);
    },
  );
});
