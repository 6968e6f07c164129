/**
 * INVALIDATE requests in guest memory: where the fields of VIOMMU-22 are.
 */
import { expect, it } from 'vitest';
import { Memory } from '../memory.ts';
import { invalidateLength, readInvalidate, useInvalidate, writeInvalidate } from './virtio-invalidate.ts';

const at = 0x4000_0000n;

function bytes(memory: Memory): string {
  return Buffer.from(memory.read(at, invalidateLength)).toString('hex');
}

it('of an address: type 7, scope 3, TLB, leaf with an id, ASID, address, one page of 4 KiB', () => {
  const memory = new Memory();
  const request = { scope: 'address', asid: 0x1234, address: 0x7f00_0000_1000n } as const;
  writeInvalidate(memory, at, request);
  const head = `0700000003020500${'00'.repeat(8)}`;
  const body = `341200000000000000100000007f000001000000000000000c`;
  expect(bytes(memory)).toBe(`${head}${body}${'00'.repeat(19)}ff000000`);
  expect(readInvalidate(memory, at)).toEqual(request);
});

it('of a PASID: scope 2, and nothing in the fields of the address', () => {
  const memory = new Memory();
  writeInvalidate(memory, at, { scope: 'address', asid: 1, address: 0x5000n });
  writeInvalidate(memory, at, { scope: 'PASID', asid: 2 });
  expect(bytes(memory)).toBe(`0700000002020400${'00'.repeat(8)}0200000000000000${'00'.repeat(36)}ff000000`);
  expect(readInvalidate(memory, at)).toEqual({ scope: 'PASID', asid: 2 });
});

it('waits until it was used, with status OK', () => {
  const memory = new Memory();
  expect(readInvalidate(memory, at)).toBeUndefined();
  writeInvalidate(memory, at, { scope: 'PASID', asid: 2 });
  useInvalidate(memory, at);
  expect(readInvalidate(memory, at)).toBeUndefined();
  expect(bytes(memory).slice(120)).toBe('00000000');
});
