/**
 * How states, successors and notes lie in memory: what generated code and the banks agree on.
 */
import type { PastShape } from './past.ts';

/** The bits of an index entry that number a state within its shard, from 1; 0 is an empty entry. The rest is a tag. */
export const idBits = 26;
/** How many shards the visited set has; the highest bits of a hash choose one. */
export const shards = 64;
export const shardShift = 26;

/** A shard's descriptor in memory: 32-bit numbers at these byte offsets. */
export const descriptor = { index: 0, mask: 4, count: 8, chunks: 12, bytes: 16 } as const;

/** Sizes in bytes of what the module reads and writes. */
export interface Strides {
  /** A state. */
  readonly state: number;
  /** A successor: its state, and the properties that the step may have changed. */
  readonly successor: number;
  /** A sorted successor: the same and its hash. */
  readonly sorted: number;
}

export function stridesOf(words: number): Strides {
  return { state: words * 4, successor: words * 4 + 4, sorted: words * 4 + 8 };
}

/**
 * The binary logarithm of the number of states in a chunk, which has at least 16 states, but at most 64 KiB; 16 where only the
 * last chunks are kept.
 */
export function chunkBitsOf(words: number, kept?: PastShape): number {
  return Math.max(4, Math.floor(Math.log2((kept === undefined ? 65536 : 16384) / (words * 4))));
}

/** Bytes of a note about a state: its shard, its number there, and a function. */
export const noteBytes = 12;
/** In a note about a property: its function did not know the way. */
export const unknownNote = 0x80000000;

/** The bit of a property in the masks that say what to test; beyond 31 properties some share a bit. */
export function propertyBit(property: number): number {
  return 1 << (property % 31);
}

/** How many successors are looked up at once, and where in memory the results are noted. */
export const blockSize = 128;
export const lookups = 32768;

/** A 32-bit global of a module. */
export interface Counter {
  value: number;
}
