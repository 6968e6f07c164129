/**
 * The earlier levels of a search that does not keep their states: what it still knows of them, which may make it take a new
 * state for an old one; how probable that is; and a file with the states, for paths.
 */
import { lineBits, type PastShape } from '../compile/past.ts';
import { shards } from '../compile/format.ts';
import type { Omission, Store, StoreLimit } from '../result.ts';
import type { Crew } from './crew.ts';
import { Spill } from './spill.ts';

/** Of a fingerprint, where nothing else is wanted. */
const fingerprintBits = 64;
/** The array of bits has at most this share of the memory, the rest is for the states of two levels; and so many lines a shard. */
const shareOfBits = 0.5;
const mostLines = 2 ** 25;

/** What a store keeps of the states of earlier levels; `undefined` where it keeps them all. */
export function pastOf(store: Store, bits: number | undefined, maxMemory: number): PastShape | undefined {
  switch (store) {
    case 'exact':
      return undefined;
    case 'compact': {
      const kept = bits ?? fingerprintBits;
      if (!Number.isInteger(kept) || kept < 1 || kept > 64) {
        throw new RangeError(`a fingerprint has 1 to 64 bits, not ${kept}`);
      }
      return { kind: 'compact', bits: kept };
    }
    case 'bitstate': {
      // A power of two, so that the array is as large with a little more or less memory.
      const wanted = bits ?? 2 ** Math.floor(Math.log2(maxMemory * shareOfBits * 8));
      return { kind: 'bitstate', lines: Math.min(mostLines, Math.max(1, Math.floor(wanted / lineBits / shards))) };
    }
    default:
      return store satisfies never;
  }
}

/** Why nothing can be said of all states where all are explored that were found. */
export function limitOf(store: Store): StoreLimit | undefined {
  if (store === 'exact') return undefined;
  return store === 'compact' ? 'hash compaction' : 'bitstate';
}

/**
 * The earlier levels.
 *
 * How many states a search omits: a state on a level is looked for among those of earlier levels before it is taken in. If it is
 * new and hashes are random, it is taken for one of these with the chance `p` that its shard has while the level is explored:
 * with fingerprints of `b` bits, for `n` states with different ones, `p = n / 2^b`; with an array of bits, the share of all lines
 * and choices of 3 bits on them that are all set. So for each state that was taken in there are `p / (1 - p)` that were not, as
 * an expectation, and their sum over all states is what is told. That at least one state was omitted is at most as probable as
 * so many are expected (Markov), and it is by an omission of this kind that all others begin: a state that was not found since
 * those before it were omitted does not count. The states of a level are told apart exactly, so that the states that are found,
 * those that are omitted, and all paths do not depend on the order of the search.
 *
 * For hash compaction that is the bound of Stern and Dill, "Improved probabilistic verification by hash compaction" (CHARME 1995),
 * who improve on Wolper and Leroy, "Reliable hashing without collision detection" (CAV 1993): the sum, over all pairs of states
 * that are compared, of `2^-b`; here these are the pairs in the same shard and on different levels, at most `N^2 / 2^(b + 7)` of
 * `N` states. For bitstate hashing see Holzmann, "An analysis of bitstate hashing" (1998).
 */
export class Earlier {
  private readonly crew: Crew;
  private readonly spill = new Spill();
  private expected = 0;

  constructor(crew: Crew) {
    this.crew = crew;
  }

  /** Takes in the level that is about to begin, with helpers if it has `much`; false if there is no room for that. */
  settle(much: number): boolean {
    const { fresh, expected } = this.next();
    if (this.crew.do({ do: 'settle' }, fresh >= much).full) return false;
    this.expected += expected;
    return true;
  }

  /** How many states were found that are on the next level, and how many are expected to have been omitted there. */
  private next(): { readonly fresh: number; readonly expected: number } {
    let [fresh, expected] = [0, 0];
    for (let shard = 0; shard < shards; shard++) {
      const outlook = this.crew.bankOf(shard).outlook(shard);
      fresh += outlook.fresh;
      if (outlook.fresh > 0) expected += (outlook.fresh * outlook.chance) / (1 - outlook.chance);
    }
    return { fresh, expected };
  }

  /** Moves states that were explored to the file; false where that cannot be written. */
  release(): boolean {
    try {
      for (const bank of this.crew.banks) bank.release((shard, states) => this.spill.add(shard, states));
      return true;
    } catch {
      return false;
    }
  }

  /** Has a state in memory again, until the next call. */
  recall(shard: number, id: number): void {
    this.crew.bankOf(shard).recall(shard, id, (chunk, into) => this.spill.read(shard, chunk, into));
  }

  omission(): Omission {
    return omissionOf(this.expected + this.next().expected);
  }

  close(): void {
    this.spill.close();
  }
}

/** What is told where so many states are expected to have been omitted. */
export function omissionOf(states: number): Omission {
  const expected = roundedUp(states);
  return { expected, probability: Math.min(1, expected) };
}

/** The least number of two digits that is not less. */
function roundedUp(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log10(value)) - 1;
  return Number(`${Math.ceil(value / 10 ** exponent)}e${exponent}`);
}
