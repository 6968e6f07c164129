/**
 * Addresses in descriptors: what fits is read back, and nothing else can be written.
 */
import { describe, expect, it } from 'vitest';
import { stage1 } from './tables.fixture.ts';
import { attributeBits, decodeDescriptor, leafDescriptor, tableDescriptor } from './vmsav8-descriptor.ts';

describe('descriptors', () => {
  const small = stage1();
  const large = stage1({ granuleLog2: 16, outputBits: 52, physicalBits: 52 });

  it('hold every address bit of their size', () => {
    for (const [regime, low, high] of [
      [small, 12, 47],
      [large, 16, 51],
    ] as const) {
      for (let bit = low; bit <= high; bit++) {
        const address = 1n << BigInt(bit);
        expect(decodeDescriptor(regime, 2, tableDescriptor(regime, address))).toEqual({
          kind: 'table',
          table: address,
        });
        const page = leafDescriptor(regime, 3, address, 0x400n);
        expect(decodeDescriptor(regime, 3, page)).toEqual({ kind: 'leaf', output: address });
        expect(attributeBits(regime, 3, page)).toBe(0x400n);
      }
    }
  });

  it('refuse an address that is not aligned or too large', () => {
    for (const attempt of [
      () => tableDescriptor(small, 0x1800n),
      () => tableDescriptor(small, 1n << 48n),
      () => tableDescriptor(large, 0x1000n),
      () => tableDescriptor(large, 1n << 52n),
      () => leafDescriptor(small, 2, 0x1000n, 0n),
      () => leafDescriptor(small, 3, 1n << 48n, 0n),
      () => leafDescriptor(stage1({ granuleLog2: 16 }), 3, 1n << 48n, 0n),
    ]) {
      expect(attempt).toThrow(RangeError);
    }
  });
});
