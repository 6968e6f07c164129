/**
 * The circular buffers in memory between software and the SMMU (IHI 0070, 3.5.1). The same functions serve both ends: a
 * position is an index with the wrap bit above it, as in the PROD and CONS registers.
 */
import { mask } from '../bits.ts';

/** Bytes of one entry of each queue. */
export const entryLength = { command: 16, event: 32, 'page request': 16 } as const;

/** The largest size of any queue: 2^19 entries. */
const maximumSizeLog2 = 19;

/** OVFLG of a PROD register and OVACKFLG of a CONS register. */
export const overflowBit = 31;

/** A queue in memory. */
export interface Ring {
  /** Physical address of the first entry. */
  readonly base: bigint;
  /** log2 of the number of entries, 0 to 19. */
  readonly sizeLog2: number;
  /** Bytes of one entry. */
  readonly entryLength: number;
}

/** PROD and CONS, each an index with its wrap bit, between 0 and 2^(sizeLog2 + 1) - 1. */
export interface Positions {
  readonly producer: number;
  readonly consumer: number;
}

/** The queue that a *_BASE register describes: LOG2SIZE [4:0], ADDR [51:5], aligned to the size of the queue. */
export function ringOf(base: bigint, length: number, limitLog2: number = maximumSizeLog2): Ring {
  const sizeLog2 = Math.min(Number(base & 0x1fn), limitLog2);
  const address = base & (mask(52) ^ mask(5));
  const bytes = BigInt(length) << BigInt(sizeLog2);
  return { base: address & ~(bytes - 1n), sizeLog2, entryLength: length };
}

/** A *_BASE register. Throws `RangeError` for a base that is not aligned to the size of the queue (6.3.26). */
export function baseRegister(ring: Ring, hint = false): bigint {
  if (ringOf(ring.base | BigInt(ring.sizeLog2), ring.entryLength).base !== ring.base) {
    throw new RangeError(`the base 0x${ring.base.toString(16)} is not aligned to the size of the queue`);
  }
  return ring.base | BigInt(ring.sizeLog2) | (hint ? 1n << 62n : 0n);
}

/** Index and wrap bit of a PROD or CONS register; the bits above the wrap bit are ignored. */
export function positionOf(ring: Ring, register: bigint): number {
  return Number(register & mask(ring.sizeLog2 + 1));
}

/** The entry of a position. */
export function indexOf(ring: Ring, position: number): number {
  return position & (2 ** ring.sizeLog2 - 1);
}

/** The wrap bit of a position. */
export function wrapOf(ring: Ring, position: number): boolean {
  return (position & (2 ** ring.sizeLog2)) !== 0;
}

/** Physical address of the entry of a position. */
export function entryAddress(ring: Ring, position: number): bigint {
  return ring.base + BigInt(indexOf(ring, position)) * BigInt(ring.entryLength);
}

/** The position after `count` entries. */
export function advance(ring: Ring, position: number, count = 1): number {
  return (position + count) & (2 ** (ring.sizeLog2 + 1) - 1);
}

/** How many entries wait to be consumed; more than 2^sizeLog2 in an inconsistent state. */
export function occupancy(ring: Ring, at: Positions): number {
  return advance(ring, at.producer, -at.consumer);
}

/** Equal, with equal wrap bits. */
export function isEmpty(ring: Ring, at: Positions): boolean {
  return occupancy(ring, at) === 0;
}

/**
 * Equal, but for the wrap bits. Indexes that no sequence of operations can give count as full: then nothing is produced,
 * which is one of the behaviours that 3.5.1 permits.
 */
export function isFull(ring: Ring, at: Positions): boolean {
  return occupancy(ring, at) >= 2 ** ring.sizeLog2;
}

/** Whether a sequence of operations can give these indexes (3.5.1). */
export function isConsistent(ring: Ring, at: Positions): boolean {
  return occupancy(ring, at) <= 2 ** ring.sizeLog2;
}
