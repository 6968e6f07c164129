import { describe, expect, it } from 'vitest';
import { decodePageRequest, encodePageRequest, isStopMarker } from './page-request-record.ts';

function words(raw: Uint8Array): readonly bigint[] {
  const view = new DataView(raw.buffer);
  return [view.getBigUint64(0, true), view.getBigUint64(8, true)];
}

describe('a page request record', () => {
  it('has its fields in their places', () => {
    expect(words(encodePageRequest({ sid: 0xffff_ffff, ssid: 0xabcde, ssv: true }))).toEqual([
      0x800a_bcde_ffff_ffffn,
      0n,
    ]);
    expect(words(encodePageRequest({ privileged: true }))[0]).toBe(1n << 58n);
    expect(words(encodePageRequest({ execute: true }))[0]).toBe(1n << 59n);
    expect(words(encodePageRequest({ read: true }))[0]).toBe(1n << 60n);
    expect(words(encodePageRequest({ write: true }))[0]).toBe(1n << 61n);
    expect(words(encodePageRequest({ last: true }))[0]).toBe(1n << 62n);
    expect(words(encodePageRequest({ prgIndex: 511, address: 0xffff_ffff_ffff_f000n }))).toEqual([
      0n,
      0xffff_ffff_ffff_f1ffn,
    ]);
  });

  it('comes back', () => {
    const record = {
      sid: 0x28,
      ssid: 5,
      ssv: true,
      privileged: false,
      execute: true,
      read: true,
      write: false,
      last: true,
      prgIndex: 3,
      address: 0x7000n,
    };
    const queue = new Uint8Array(32);
    queue.set(encodePageRequest(record), 16);
    expect(decodePageRequest(queue, 16)).toEqual(record);
  });

  it('is a Stop marker only with a PASID and without any access', () => {
    const marker = decodePageRequest(encodePageRequest({ ssv: true, last: true }));
    expect(isStopMarker(marker)).toBe(true);
    for (const change of [{ ssv: false }, { last: false }, { read: true }, { write: true }]) {
      expect(isStopMarker({ ...marker, ...change })).toBe(false);
    }
  });
});
