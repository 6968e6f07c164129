/**
 * Hashes of packed states: one for the visited set, generated only, and one for the digest of the reachable set, which every
 * engine computes alike.
 */
import type { Code } from './wasm.ts';

/** Each of the digest's two halves has its own constants. */
const lanes = [
  { seed: 0x9e3779b9, times: 0x85ebca6b, last: 0xc2b2ae35 },
  { seed: 0x7f4a7c15, times: 0x27d4eb2f, last: 0x165667b1 },
] as const;

/** A 32-bit hash of the `count` words from `at`; the two lanes are independent of each other. */
export function hashOf(words: Int32Array, at: number, count: number, lane: 0 | 1 = 0): number {
  const { seed, times, last } = lanes[lane];
  let hash = seed | 0;
  for (let i = at; i < at + count; i++) {
    hash = Math.imul(hash ^ (words[i] as number), times);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, last);
  return hash ^ (hash >>> 13);
}

/**
 * An order-independent digest of a set of states: the sums, modulo 2^32, of two hashes of each packed state. It depends on
 * the states and the layout, and on nothing of how they were found.
 */
export class Digest {
  private readonly sums = new Uint32Array(2);

  /** Adds one state. */
  add(words: Int32Array): void {
    for (const i of [0, 1] as const) this.sums[i] = (this.sums[i] as number) + hashOf(words, 0, words.length, i);
  }

  /** Adds the sums of a part of the set. */
  addSums(a: number, b: number): void {
    this.sums[0] = (this.sums[0] as number) + a;
    this.sums[1] = (this.sums[1] as number) + b;
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return [...this.sums].map((sum) => sum.toString(16).padStart(8, '0')).join('');
  }
}

/** Emits the addition of the state in locals `word`.. to the digest's globals. */
export function emitDigest(
  code: Code,
  words: number,
  word: number,
  hash: number,
  globals: readonly [number, number],
): void {
  for (const [i, { seed, times, last }] of lanes.entries()) {
    code.i32(seed).set(hash);
    for (let w = 0; w < words; w++) {
      code
        .get(hash)
        .get(word + w)
        .do('xor')
        .i32(times)
        .do('mul')
        .tee(hash);
      code.get(hash).i32(15).do('shrU', 'xor').set(hash);
    }
    code.get(hash).i32(last).do('mul').tee(hash).get(hash).i32(13).do('shrU', 'xor');
    code
      .getGlobal(globals[i] as number)
      .do('add')
      .setGlobal(globals[i] as number);
  }
}

const seed64 = 0x243f6a8885a308d3n;
const times64 = 0x9e3779b97f4a7c15n;
const last64 = 0xff51afd7ed558ccdn;

/** Emits the 64-bit hash of the words at the address in local `address`; leaves it in the 64-bit local `hash`. */
export function emitHash(code: Code, words: number, address: number, hash: number): void {
  code.i64(seed64).set(hash);
  for (let word = 0; word < words; word += 2) {
    code.get(hash).get(address);
    if (word + 1 < words) code.load64(word * 4);
    else code.load(word * 4).do('extend');
    code.do('xor64').i64(times64).do('mul64').tee(hash);
    code.get(hash).i64(29n).do('shrU64', 'xor64').set(hash);
  }
  code.get(hash).i64(last64).do('mul64').tee(hash).get(hash).i64(32n).do('shrU64', 'xor64').set(hash);
}

/** Numbers as if chosen at random: the output of SplitMix64. */
function randomNumber(i: number): bigint {
  let bits = BigInt.asUintN(64, seed64 + BigInt(i + 1) * times64);
  bits = BigInt.asUintN(64, (bits ^ (bits >> 30n)) * 0xbf58476d1ce4e5b9n);
  bits = BigInt.asUintN(64, (bits ^ (bits >> 27n)) * 0x94d049bb133111ebn);
  return bits ^ (bits >> 31n);
}

/**
 * Emits a fingerprint that may stand for a state: a number of 64 bits but 0, of which the upper `bits` are used. The words at the
 * address in local `address` are multiplied by numbers chosen at random and added, once for each half. Of this hash it is proved
 * that any two states have the same fingerprint for one in 2^64 choices (Dietzfelbinger 1996; Lemire, Kaser 2014); the hash
 * above, though faster, gives it to states that differ in certain bits whatever its constants are.
 */
export function emitFingerprint(
  code: Code,
  words: number,
  address: number,
  fingerprint: number,
  scratch: number,
  bits: number,
): void {
  const half = (number: number): void => {
    code.i64(randomNumber(number));
    for (let word = 0; word < words; word++) {
      code
        .get(address)
        .load(word * 4)
        .do('extend')
        .i64(randomNumber(number + word + 1))
        .do('mul64', 'add64');
    }
  };
  half(0);
  code.i64(32n).do('shrU64').set(scratch);
  half(words + 1);
  code
    .i64(-(2n ** 32n))
    .do('and64')
    .get(scratch)
    .do('or64')
    .set(fingerprint);
  // What follows can be undone, so that it makes no two alike; it spreads them evenly.
  for (const times of [last64, times64]) {
    code.get(fingerprint).get(fingerprint).i64(32n).do('shrU64', 'xor64').i64(times).do('mul64').set(fingerprint);
  }
  code.get(fingerprint).get(fingerprint).i64(32n).do('shrU64', 'xor64').set(fingerprint);
  if (bits < 64)
    code
      .get(fingerprint)
      .i64(-(2n ** BigInt(64 - bits)))
      .do('and64')
      .set(fingerprint);
  code.get(fingerprint).get(fingerprint).do('eqz64', 'extend', 'add64').set(fingerprint);
}
