/**
 * Where tables live: frames of memory that are handed out and taken back.
 */
import type { Memory } from '../memory.ts';
import type { Owner } from '../pcie/messages.ts';

/** An allocator of tables. */
export interface TableFrames {
  /** The address of `length` zeroed bytes, aligned to `length` (a power of two). Throws `RangeError` when there is no room. */
  allocate(length: number): bigint;
  /** Takes them back. Throws `RangeError` for what was not handed out. */
  release(address: bigint, length: number): void;
}

/**
 * Tables from a range of memory. The 4 KiB frames of tables in use belong to `owner`. Those released last are used again first.
 * Throws `RangeError` unless the range is whole frames that are backed.
 */
export function tableFrames(
  memory: Memory,
  range: { readonly base: bigint; readonly size: bigint },
  owner?: Owner,
): TableFrames {
  const frame = 4096;
  if (range.base % BigInt(frame) !== 0n || range.size % BigInt(frame) !== 0n) {
    throw new RangeError('tables live in whole frames of 4 KiB');
  }
  if (!memory.isBacked(range.base, Number(range.size))) throw new RangeError('no memory for tables');
  const free = new Map<number, bigint[]>();
  const used = new Map<bigint, number>();
  const end = range.base + range.size;
  let untouched = range.base;

  const listOf = (length: number): bigint[] => {
    const known = free.get(length);
    if (known !== undefined) return known;
    const list: bigint[] = [];
    free.set(length, list);
    return list;
  };
  /** Gives back [from, to) in the largest aligned pieces of at least a frame. */
  const keep = (from: bigint, to: bigint): void => {
    for (let at = from; at < to;) {
      let length = BigInt(frame);
      while (at % (length * 2n) === 0n && at + length * 2n <= to) length *= 2n;
      listOf(Number(length)).push(at);
      at += length;
    }
  };
  const take = (length: number): bigint => {
    const again = listOf(length).pop();
    if (again !== undefined) return again;
    if (length >= frame) {
      const size = BigInt(length);
      const start = (untouched + size - 1n) & ~(size - 1n);
      if (start + size <= end) {
        keep(untouched, start);
        untouched = start + size;
        return start;
      }
    }
    const larger =
      length < frame
        ? frame
        : [...free.keys()].filter((known) => known > length && listOf(known).length > 0).toSorted((a, b) => a - b)[0];
    if (larger === undefined) throw new RangeError(`no room for a table of ${length} bytes`);
    const whole = take(larger);
    for (let at = larger - length; at >= length; at -= length) listOf(length).push(whole + BigInt(at));
    return whole;
  };

  return {
    allocate: (length) => {
      if (!Number.isInteger(Math.log2(length)) || length < 8) throw new RangeError(`${length} bytes is no table`);
      const address = take(length);
      used.set(address, length);
      memory.write(address, new Uint8Array(length));
      const start = address & ~BigInt(frame - 1);
      memory.give(start, Math.max(length, frame), owner);
      return address;
    },
    release: (address, length) => {
      if (used.get(address) !== length)
        throw new RangeError(`no table of ${length} bytes at 0x${address.toString(16)}`);
      used.delete(address);
      listOf(length).push(address);
      // Smaller tables share a frame, which stays with its owner.
      if (length >= frame) memory.give(address, length, undefined);
    },
  };
}
