import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AtsTranslation } from '../pcie/messages.ts';
import { decodeTranslation, encodeTranslation } from './ats-completion.ts';

const none: AtsTranslation = {
  address: 0n,
  sizeLog2: 12,
  read: false,
  write: false,
  execute: false,
  privileged: false,
  global: false,
  untranslatedOnly: false,
};

describe('The entry of a Translation Completion', () => {
  it.each([
    ['read', 0],
    ['write', 1],
    ['untranslatedOnly', 2],
    ['execute', 3],
    ['privileged', 4],
    ['global', 5],
  ] as const)('has %s in bit %i', (flag, bit) => {
    expect(encodeTranslation({ ...none, [flag]: true })).toBe(1n << BigInt(bit));
  });

  it.each([
    [12, 0x0n],
    [13, 0x0800n],
    [14, 0x1800n],
    [16, 0x7800n],
    [21, 0xff800n],
    [30, 0x1ffff800n],
    [63, 0x3ffffffffffff800n],
    [64, 0x7ffffffffffff800n],
  ] as const)('codes 2^%i bytes in S and the address', (sizeLog2, word) => {
    expect(encodeTranslation({ ...none, sizeLog2 })).toBe(word);
    expect(decodeTranslation(word).sizeLog2).toBe(sizeLog2);
  });

  it('keeps the address above the size', () => {
    expect(encodeTranslation({ ...none, address: 0x12_3456_7000n, read: true })).toBe(0x12_3456_7001n);
    expect(encodeTranslation({ ...none, address: 0x12_3440_0000n, sizeLog2: 21 })).toBe(0x12_344f_f800n);
    expect(decodeTranslation(0x12_344f_f803n)).toStrictEqual({
      ...none,
      address: 0x12_3440_0000n,
      sizeLog2: 21,
      read: true,
      write: true,
    });
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: 12, max: 64 }),
        fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
        (raw, sizeLog2, [read, write, execute, privileged, global, untranslatedOnly]) => {
          const address = (raw >> BigInt(sizeLog2)) << BigInt(sizeLog2);
          const translation = {
            address,
            sizeLog2,
            read,
            write,
            execute,
            privileged,
            global,
            untranslatedOnly,
          };
          expect(decodeTranslation(encodeTranslation(translation))).toStrictEqual(translation);
        },
      ),
    );
  });

  it('has no code for less than a page, for more than everything, or for an unaligned address', () => {
    expect(() => encodeTranslation({ ...none, sizeLog2: 11 })).toThrow('2^11');
    expect(() => encodeTranslation({ ...none, sizeLog2: 65 })).toThrow('2^65');
    expect(() => encodeTranslation({ ...none, address: 0x1000n, sizeLog2: 13 })).toThrow('0x1000');
    expect(() => encodeTranslation({ ...none, address: 1n << 64n })).toThrow('aligned');
    expect(() => decodeTranslation(0xffff_ffff_ffff_f800n)).toThrow('no size');
  });
});
