/**
 * The canonical form of a packed state under renamings: the least of all renamed states, computed by generated code.
 */
import type { Layout, Leaf, SequencePart } from '../compile/layout.ts';
import { maskOf } from '../compile/layout.ts';
import type { Code, ModuleBuilder } from '../compile/wasm.ts';
import { type Move, type Permutation, permutationOf, permuted } from './permutation.ts';

/** The least of a state and all its renamings. */
export function canonicalForm(permutations: readonly Permutation[], words: Int32Array): Int32Array {
  let least = words;
  for (const permutation of permutations) {
    const other = permuted(permutation, words);
    if (isLess(other, least)) least = other;
  }
  return least;
}

function isLess(a: Int32Array, b: Int32Array): boolean {
  const i = a.findIndex((word, j) => word !== b[j]);
  return i >= 0 && (a[i] as number) >>> 0 < (b[i] as number) >>> 0;
}

/** Why states cannot be brought into canonical form for a sort; `undefined` where they can. */
export function canonicalObstacle(layout: Layout, sort: string, size: number): string | undefined {
  const order = Array.from({ length: size }, (_, i) => (i + 1) % size);
  const { bags } = permutationOf(layout, new Map([[sort, order]]));
  const bag = bags.find(({ slots }) => slots.some(({ leaves }) => runOf(leaves) === undefined));
  return bag && `the items of the bag '${bag.structure.label}' need more than 31 bits`;
}

/** Adds a function that brings the state at an address into canonical form; returns its index. */
export function emitCanonical(module: ModuleBuilder, layout: Layout, permutations: readonly Permutation[]): number {
  const { words } = layout;
  const slots = permutations.flatMap(({ bags }) => bags).reduce((most, bag) => Math.max(most, bag.slots.length), 0);
  // Locals: the address; the state as it was; the least form so far; a renamed state; then numbers.
  const address = 0;
  const [state, least, renamed, number] = [1, 1 + words, 1 + 2 * words, 1 + 3 * words];
  const [index, code] = module.func(
    '',
    ['i32'],
    [],
    Array.from({ length: 3 * words + 3 + slots }, () => 'i32' as const),
  );
  for (let w = 0; w < words; w++)
    code
      .get(address)
      .load(w * 4)
      .tee(state + w)
      .set(least + w);
  for (const permutation of permutations) {
    emitRenamed(code, words, permutation, state, renamed);
    for (const bag of permutation.bags) emitSorted(code, bag, renamed, number);
    emitLess(code, words, renamed, least);
    code.if();
    for (let w = 0; w < words; w++) code.get(renamed + w).set(least + w);
    code.end();
  }
  for (let w = 0; w < words; w++)
    code
      .get(address)
      .get(least + w)
      .store(w * 4);
  return index;
}

function emitRenamed(code: Code, words: number, { moves }: Permutation, state: number, renamed: number): void {
  for (let word = 0; word < words; word++) {
    const shifted = new Map<string, { readonly from: number; readonly by: number; mask: number }>();
    const mapped: Move[] = [];
    for (const move of moves) {
      const { from, to, numbers } = move;
      if (to.word !== word || to.bits === 0) continue;
      if (numbers !== undefined) {
        mapped.push(move);
        continue;
      }
      const by = to.shift - from.shift;
      const key = `${from.word} ${by}`;
      const group = shifted.get(key) ?? { from: from.word, by, mask: 0 };
      group.mask |= maskOf(to.bits) << to.shift;
      shifted.set(key, group);
    }
    code.i32(0);
    for (const { from, by, mask } of shifted.values()) {
      code.get(state + from);
      if (by > 0) code.i32(by).do('shl');
      if (by < 0) code.i32(-by).do('shrU');
      code.i32(mask).do('and', 'or');
    }
    for (const { from, to, numbers = [], where } of mapped) {
      emitMapped(code, state, from, numbers);
      for (const { leaf, above } of where) {
        emitNumber(code, state, leaf);
        code.i32(above).do('gtU', 'mul');
      }
      if (to.shift > 0) code.i32(to.shift).do('shl');
      code.do('or');
    }
    code.set(renamed + word);
  }
}

/** Puts the new number of a leaf on the stack, from a table in a constant where that fits. */
function emitMapped(code: Code, state: number, leaf: Leaf, numbers: readonly number[]): void {
  const { bits } = leaf;
  if (numbers.length * bits <= 64) {
    const table = numbers.reduce((sum, to, from) => sum | (BigInt(to) << BigInt(from * bits)), 0n);
    code.i64(table);
    emitNumber(code, state, leaf);
    code.i32(bits).do('mul', 'extend', 'shrU64', 'wrap').i32(maskOf(bits)).do('and');
    return;
  }
  code.i32(0);
  for (const [from, to] of numbers.entries()) {
    if (to === 0) continue;
    emitNumber(code, state, leaf);
    code.i32(from).do('eq').i32(to).do('mul', 'or');
  }
}

/** Puts the number of a leaf on the stack. */
function emitNumber(code: Code, state: number, { word, shift, bits }: Leaf): void {
  code.get(state + word);
  if (shift > 0) code.i32(shift).do('shrU');
  if (shift + bits < 32) code.i32(maskOf(bits)).do('and');
}

/** The word, lowest bit and width of adjacent leaves, if they are. */
function runOf(
  leaves: readonly Leaf[],
): { readonly word: number; readonly shift: number; readonly bits: number } | undefined {
  const wide = leaves.filter(({ bits }) => bits > 0);
  const last = wide.at(-1);
  if (last === undefined) return { word: 0, shift: 0, bits: 0 };
  let end = last.shift;
  for (const leaf of wide.toReversed()) {
    if (leaf.word !== last.word || leaf.shift !== end) return undefined;
    end += leaf.bits;
  }
  const bits = end - last.shift;
  return bits > 31 ? undefined : { word: last.word, shift: last.shift, bits };
}

/** Sorts the items of a bag in the words from local `words` on; the locals from `number` on are free. */
function emitSorted(code: Code, { length, slots }: SequencePart, words: number, number: number): void {
  const runs = slots.map(({ leaves }) => runOf(leaves)).filter((run) => run !== undefined);
  if (runs[0]?.bits === 0) return;
  const [least, most, item] = [number, number + 1, number + 2];
  /** -1 for a slot that is free, 0 for another. */
  const emitFree = (slot: number): void => {
    code.i32(0);
    emitNumber(code, words, length);
    code.i32(slot).do('leU', 'sub');
  };
  for (const [i, { word, shift, bits }] of runs.entries()) {
    code
      .get(words + word)
      .i32(shift)
      .do('shrU')
      .i32(maskOf(bits))
      .do('and');
    emitFree(i);
    code.do('or').set(item + i);
  }
  for (let end = runs.length - 1; end > 0; end--) {
    for (let i = 0; i < end; i++) {
      const [a, b] = [item + i, item + i + 1];
      code.get(a).get(b).get(a).get(b).do('ltU', 'select').set(least);
      code.get(b).get(a).get(a).get(b).do('ltU', 'select').set(most);
      code.get(least).set(a).get(most).set(b);
    }
  }
  for (const [i, { word, shift, bits }] of runs.entries()) {
    code
      .get(words + word)
      .i32(~(maskOf(bits) << shift))
      .do('and');
    code.get(item + i);
    emitFree(i);
    code
      .i32(-1)
      .do('xor', 'and')
      .i32(shift)
      .do('shl', 'or')
      .set(words + word);
  }
}

/** Puts 1 on the stack if the words from local `a` on come before those from `b` on. */
function emitLess(code: Code, words: number, a: number, b: number): void {
  code.i32(0);
  for (let w = words - 1; w >= 0; w--) {
    code
      .get(a + w)
      .get(b + w)
      .do('eq', 'and');
    code
      .get(a + w)
      .get(b + w)
      .do('ltU', 'or');
  }
}
