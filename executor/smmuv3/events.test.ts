import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EventToEncode } from './events.ts';
import { decodeEvent, decodeEventFields, encodeEvent, eventClass, eventTypes } from './events.ts';

/** 32 bytes of four 64-bit words. */
function raw(...words: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(32);
  for (const [index, word] of words.entries()) new DataView(bytes.buffer).setBigUint64(index * 8, word, true);
  return bytes;
}

const all = 0xffff_ffff_ffff_ffffn;

describe('a record of Linux on QEMU', () => {
  const bytes = Uint8Array.from(Buffer.from('1000000028000000000000000802000020436507000000000000000000000000', 'hex'));
  it('is a read of an unmapped address', () => {
    expect(decodeEvent(bytes)).toEqual({
      name: 'F_TRANSLATION',
      ssv: false,
      ssid: 0,
      sid: 0x28,
      stag: 0,
      stall: false,
      pnu: false,
      ind: false,
      rnw: true,
      nsipa: false,
      s2: false,
      class: eventClass.IN,
      ttrnw: false,
      inputAddr: 0x7654320n,
      ipa: 0n,
    });
    expect(decodeEventFields(bytes)).toEqual({
      type: 0x10,
      name: 'F_TRANSLATION',
      ssv: 0,
      ssid: 0,
      sid: 0x28,
      stag: 0,
      stall: 0,
      pnu: 0,
      ind: 0,
      rnw: 1,
      nsipa: 0,
      s2: 0,
      class: 2,
      ttrnw: 0,
      inputAddr: 0x7654320n,
      addr2: 0n,
    });
  });
});

describe('places of fields', () => {
  const substream = { ssv: true, ssid: 0xabcde, sid: 0x1234_5678 };
  const dw0 = 0x1234_5678_abcd_e800n;
  it.each<[EventToEncode, bigint, bigint, bigint, bigint]>([
    [
      { name: 'F_UUT', ...substream, reason: 0xffff, pnu: true, ind: true, rnw: true, inputAddr: all },
      dw0 | 0x01n,
      0xe_0000_ffffn,
      all,
      0n,
    ],
    [{ name: 'C_BAD_STREAMID', ...substream }, dw0 | 0x02n, 0n, 0n, 0n],
    [
      { name: 'F_STE_FETCH', ...substream, reason: 1, gpcf: true, fetchAddr: 0xf_ffff_ffff_fff8n },
      dw0 | 0x03n,
      0x1_0001n,
      0n,
      0xf_ffff_ffff_fff8n,
    ],
    [{ name: 'C_BAD_STE', ...substream }, dw0 | 0x04n, 0n, 0n, 0n],
    [
      { name: 'F_BAD_ATS_TREQ', ...substream, span: 0xff, inputAddr: 0xffff_ffff_ffff_f000n },
      dw0 | 0x05n,
      0xff00_0000_0000n << 4n,
      0xffff_ffff_ffff_f000n,
      0n,
    ],
    [{ name: 'F_STREAM_DISABLED', sid: 0x1234_5678 }, 0x1234_5678_0000_0006n, 0n, 0n, 0n],
    [
      { name: 'F_TRANSL_FORBIDDEN', sid: 0x1234_5678, rnw: true, inputAddr: all },
      0x1234_5678_0000_0007n,
      0x8_0000_0000n,
      all,
      0n,
    ],
    [{ name: 'C_BAD_SUBSTREAMID', ssid: 0xabcde, sid: 0x1234_5678 }, 0x1234_5678_abcd_e008n, 0n, 0n, 0n],
    [{ name: 'F_CD_FETCH', ...substream, fetchAddr: 0x1238n }, dw0 | 0x09n, 0n, 0n, 0x1238n],
    [{ name: 'C_BAD_CD', ...substream }, dw0 | 0x0an, 0n, 0n, 0n],
    [
      {
        name: 'F_WALK_EABT',
        ...substream,
        reason: 1,
        gpcf: true,
        pnu: true,
        ind: true,
        rnw: true,
        s2: true,
        class: eventClass.TT,
        inputAddr: 1n,
        fetchAddr: 0x1238n,
      },
      dw0 | 0x0bn,
      0x18e_0001_0001n,
      1n,
      0x1238n,
    ],
    [
      {
        name: 'F_TRANSLATION',
        ...substream,
        stag: 0xffff,
        stall: true,
        pnu: true,
        ind: true,
        rnw: true,
        s2: true,
        class: eventClass.IN,
        ttrnw: true,
        inputAddr: all,
        ipa: 0xf_ffff_ffff_f000n,
      },
      dw0 | 0x10n,
      0x128e_8000_ffffn,
      all,
      0xf_ffff_ffff_f000n,
    ],
    [{ name: 'F_ADDR_SIZE', pnu: true }, 0x11n, 0x2_0000_0000n, 0n, 0n],
    [{ name: 'F_ACCESS', ind: true }, 0x12n, 0x4_0000_0000n, 0n, 0n],
    [{ name: 'F_PERMISSION', s2: true }, 0x13n, 0x80_0000_0000n, 0n, 0n],
    [{ name: 'F_TLB_CONFLICT', reason: 1, s2: true, ipa: 0x1000n }, 0x20n, 0x80_0000_0001n, 0n, 0x1000n],
    [{ name: 'F_CFG_CONFLICT', ...substream, reason: 2 }, dw0 | 0x21n, 2n, 0n, 0n],
    [
      { name: 'E_PAGE_REQUEST', privilegedRead: true, unprivilegedExecute: true, span: 1, inputAddr: 0x1000n },
      0x24n,
      0x1084_0000_0000n,
      0x1000n,
      0n,
    ],
    [{ name: 'F_VMS_FETCH', fetchAddr: 8n }, 0x25n, 0n, 0n, 8n],
  ])('%o', (record, ...words) => {
    expect(encodeEvent(record)).toEqual(raw(...words));
    expect(decodeEvent(raw(...words))).toMatchObject(record);
  });

  it('of the general fields', () => {
    expect(decodeEventFields(raw(dw0 | 0x13n, 0x129e_8000_ffffn, 5n, 7n))).toEqual({
      type: 0x13,
      name: 'F_PERMISSION',
      ssv: 1,
      ssid: 0xabcde,
      sid: 0x1234_5678,
      stag: 0xffff,
      stall: 1,
      pnu: 1,
      ind: 1,
      rnw: 1,
      nsipa: 1,
      s2: 1,
      class: 2,
      ttrnw: 1,
      inputAddr: 5n,
      addr2: 7n,
    });
    expect(decodeEventFields(raw(0xe0n))).toMatchObject({ type: 0xe0, name: 'unknown' });
    // Bits that belong to no field.
    expect(decodeEventFields(raw(0x713n, all & ~0x139e_8000_ffffn))).toEqual(decodeEventFields(raw(0x13n)));
  });

  it('drop the bits below an address, and keep all bits of InputAddr', () => {
    expect(encodeEvent({ name: 'F_ACCESS', inputAddr: 0xfffn, ipa: 0x1fffn })).toEqual(raw(0x12n, 0n, 0xfffn, 0x1000n));
    expect(encodeEvent({ name: 'F_WALK_EABT', fetchAddr: 0x100fn })).toEqual(raw(0x0bn, 0n, 0n, 0x1008n));
  });

  it('refuse a value that does not fit', () => {
    expect(() => encodeEvent({ name: 'F_ACCESS', ssid: 0x10_0000 })).toThrow(RangeError);
  });
});

describe('any bytes', () => {
  it('decode, and encode to the same record', () => {
    const types = fc.oneof(fc.constantFrom(...Object.values(eventTypes)), fc.nat(255));
    fc.assert(
      fc.property(types, fc.uint8Array({ minLength: 31, maxLength: 31 }), (type, rest) => {
        const record = decodeEvent(Uint8Array.from([type, ...rest]));
        expect(decodeEvent(encodeEvent(record))).toEqual(record);
        expect(record.name === 'unknown' ? record.type : eventTypes[record.name]).toBe(type);
      }),
    );
  });

  it('of no known type keep their words', () => {
    expect(decodeEvent(raw(0x7_0000_00e1n, 1n, 2n, 3n))).toEqual({
      name: 'unknown',
      type: 0xe1,
      sid: 7,
      words: [0x7_0000_00e1n, 1n, 2n, 3n],
    });
  });

  it('are read at an offset', () => {
    const queue = new Uint8Array(96);
    queue.set(encodeEvent({ name: 'C_BAD_CD', sid: 9 }), 32);
    expect(decodeEvent(queue, 32)).toMatchObject({ name: 'C_BAD_CD', sid: 9 });
    expect(decodeEventFields(queue, 32)).toMatchObject({ name: 'C_BAD_CD', sid: 9 });
  });
});
