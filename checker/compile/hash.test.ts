/**
 * Fingerprints tell states apart that differ in few bits, whichever these are.
 */
import { expect, it } from 'vitest';
import { emitFingerprint } from './hash.ts';
import { ModuleBuilder } from './wasm.ts';

const words = 4;

/** The fingerprint of so many bits, as generated code computes it. */
function fingerprint(bits: number): (state: readonly number[]) => bigint {
  const builder = new ModuleBuilder();
  const [, code] = builder.func('fingerprint', ['i32'], ['i64'], ['i64', 'i64']);
  emitFingerprint(code, words, 0, 1, 2, bits);
  code.get(1);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(builder.bytes(1)), { env: { memory } });
  const run = exports['fingerprint'] as (address: number) => bigint;
  return (state) => {
    new Int32Array(memory.buffer).set(state);
    return BigInt.asUintN(64, run(0));
  };
}

/** All states that have some of these bits, and no others. */
function subsets(bits: readonly number[]): readonly (readonly number[])[] {
  return Array.from({ length: 2 ** bits.length }, (_, subset) => {
    const state = Array.from({ length: words }, () => 0);
    for (const [i, bit] of bits.entries()) {
      if (((subset >> i) & 1) === 1) state[bit >> 5] = (state[bit >> 5] as number) | (1 << (bit & 31));
    }
    return state;
  });
}

it.each([
  ['the lowest bits of a word', Array.from({ length: 14 }, (_, i) => i)],
  ['the highest bits of all words', [29, 30, 31, 61, 62, 63, 93, 94, 95, 125, 126, 127]],
  ['bits that a multiplication and a shift would bring together', [63, 34, 127, 98, 62, 33, 126, 97, 95, 66, 31, 2]],
  ['one bit in eight', Array.from({ length: 16 }, (_, i) => 8 * i + 7)],
])('states that differ in %s have different fingerprints', (_what, bits) => {
  const states = subsets(bits);
  expect(new Set(states.map(fingerprint(64))).size).toBe(states.length);
  // Of fewer bits as many are alike as of numbers chosen at random.
  const few = bits.length + 4;
  const alike = states.length - new Set(states.map(fingerprint(few))).size;
  const expected = states.length ** 2 / 2 ** (few + 1);
  expect(Math.abs(alike - expected)).toBeLessThan(6 * Math.sqrt(expected));
});

it('a fingerprint is never 0, and has as many bits as are wanted, the highest', () => {
  const states = subsets([0, 9, 40, 70, 100, 127]);
  expect(states.map(fingerprint(64))).not.toContain(0n);
  for (const bits of [1, 8, 33, 63]) {
    const rest = 2n ** BigInt(64 - bits);
    const whole = states.map(fingerprint(64));
    expect(states.map(fingerprint(bits))).toEqual(
      whole.map((value) => (value / rest === 0n ? 1n : (value / rest) * rest)),
    );
  }
});
