/**
 * The 64-bit entry of a Translation Completion as it travels (PCIe, ATS chapter): flags, and an address of which the low bits
 * code the size.
 */
import { isSet, mask } from '../bits.ts';
import type { AtsTranslation } from '../pcie/messages.ts';

const READ = 0;
const WRITE = 1;
const UNTRANSLATED_ONLY = 2;
const EXECUTE = 3;
const PRIVILEGED = 4;
const GLOBAL = 5;
/** S: more than 4 KiB. Bit 10 is N (no snoop), which an SMMU never sets (13.6.2.1). */
const SIZE = 11;

const PAGE_LOG2 = 12;

/**
 * The entry of a translation. With S the address bits from 12 up are ones, and end with a zero at bit sizeLog2 - 1: 8 KiB is a
 * zero in bit 12, 2 MiB eight ones and a zero in bit 20. Throws `RangeError` for less than 4 KiB or more than
 * 2^64 bytes, and for an address that is not aligned to the size.
 */
export function encodeTranslation(translation: AtsTranslation): bigint {
  const { address, sizeLog2 } = translation;
  if (sizeLog2 < PAGE_LOG2 || sizeLog2 > 64) {
    throw new RangeError(`a translation of 2^${sizeLog2} bytes has no code`);
  }
  if (address < 0n || address >> 64n !== 0n || (address & mask(sizeLog2)) !== 0n) {
    throw new RangeError(`0x${address.toString(16)} is not an address aligned to 2^${sizeLog2} bytes`);
  }
  const size = sizeLog2 === PAGE_LOG2 ? 0n : (mask(sizeLog2 - 1) & ~mask(PAGE_LOG2)) | (1n << BigInt(SIZE));
  const at = (set: boolean, bit: number): bigint => (set ? 1n << BigInt(bit) : 0n);
  return (
    address |
    size |
    at(translation.read, READ) |
    at(translation.write, WRITE) |
    at(translation.untranslatedOnly, UNTRANSLATED_ONLY) |
    at(translation.execute, EXECUTE) |
    at(translation.privileged, PRIVILEGED) |
    at(translation.global, GLOBAL)
  );
}

/** What an entry says. Throws `RangeError` if S is set and no bit from 12 up is zero: no such size. */
export function decodeTranslation(word: bigint): AtsTranslation {
  let sizeLog2 = PAGE_LOG2;
  if (isSet(word, SIZE)) {
    let zero = PAGE_LOG2;
    while (zero < 63 && isSet(word, zero)) {
      zero += 1;
    }
    if (isSet(word, zero)) {
      throw new RangeError(`0x${word.toString(16)} codes no size`);
    }
    sizeLog2 = zero + 1;
  }
  return {
    address: word & mask(64) & ~mask(sizeLog2),
    sizeLog2,
    read: isSet(word, READ),
    write: isSet(word, WRITE),
    execute: isSet(word, EXECUTE),
    privileged: isSet(word, PRIVILEGED),
    global: isSet(word, GLOBAL),
    untranslatedOnly: isSet(word, UNTRANSLATED_ONLY),
  };
}
