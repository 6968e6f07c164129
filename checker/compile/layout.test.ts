import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bag,
  bool,
  type Domain,
  each,
  instantiate,
  type Instance,
  model,
  oneOf,
  optional,
  queue,
  range,
  record,
  setOf,
  type Shape,
  sort,
  type State,
} from '../../language/index.ts';
import { domains } from '../../language/values.fixture.ts';
import { oneAction } from '../../language/one-action.fixture.ts';
import { picker, stateOf, valueOf } from '../random/states.fixture.ts';
import { leafAt, layoutOf, type Layout, packPart, type SequencePart } from './layout.ts';

const Few = sort('few');
const Many = sort('many');

function instanceOf(state: Shape): Instance {
  const size = { few: 3, many: 40 };
  return instantiate(model({ name: 'a', sizes: { smoke: size, ci: size, deep: size }, state, actions: () => ({}) }));
}

function isFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Object.isFrozen(value) && Object.values(value).every(isFrozen);
}

const samples: Readonly<Record<string, Domain | Shape>> = {
  'wide ranges': { a: range(0, 2 ** 31 - 1), b: range(-(2 ** 31), -1), c: range(-5, 2 ** 30), d: bool },
  'ranges of one value': { a: range(7, 7), b: oneOf('only'), c: optional(oneOf('only')) },
  'optional wide ranges': { a: optional(range(0, 2 ** 31 - 1)), b: optional(range(1, 2 ** 30)), c: optional(Few) },
  'optional records': { a: optional({ b: optional({ c: range(1, 3) }), d: optional(Many) }), e: bool },
  'large sets': { a: setOf(Many), b: each(Few, setOf(Many)) },
  'families of families': { a: each(Few, Few, { b: each(Few, range(-1, 1)), c: optional(bool) }) },
  'collections in families': { a: each(Few, { q: queue(3, { x: Few, y: bool }), b: bag(2, Many), s: setOf(Few) }) },
  'long queues': { a: queue(40, { x: Many, y: optional(bool) }) },
  'wide items': { a: bag(3, { x: range(0, 2 ** 31 - 1), y: optional({ z: range(-9, 2 ** 20) }), w: bool }) },
  'items of one value': { a: queue(3, oneOf('only')), b: bag(4, { x: range(2, 2) }), c: queue(2, {}) },
  'collections in items': { a: bag(2, { s: setOf(Few), e: each(Few, optional(bool)) }), b: queue(2, queue(2, bool)) },
};

/** Random states of an instance, and copies of some of them that share nothing. */
function statesOf(instance: Instance, count: number, seed: number): readonly State[] {
  const pick = picker(seed);
  return Array.from({ length: count }, () => stateOf(instance.domain, pick));
}

function expectRoundTrips(instance: Instance, states: readonly State[]): void {
  const layout = layoutOf(instance);
  const byWords = new Map<string, string>();
  const byKey = new Map<string, string>();
  for (const state of states) {
    const words = layout.pack(state);
    expect(words).toHaveLength(layout.words);
    const back = layout.unpack(words);
    const key = instance.domain.key(state);
    expect(instance.domain.key(back)).toBe(key);
    expect(instance.domain.misfit(back, '')).toBeUndefined();
    expect(isFrozen(back)).toBe(true);
    expect(back).toEqual(state);
    expect(layout.pack(back)).toEqual(words);
    // Equal states are equal words, and other states are other words.
    expect(byWords.get(String(words)) ?? key).toBe(key);
    expect(byKey.get(key) ?? String(words)).toBe(String(words));
    byWords.set(String(words), key);
    byKey.set(key, String(words));
    // Where in memory the words stand makes no difference.
    expect(layout.unpack(Int32Array.from([-1, ...words, -1]), 1)).toEqual(state);
  }
}

describe('a state that is packed', () => {
  it.each(Object.entries(samples))('with %s is the same when it is unpacked, and has words of its own', (_, domain) => {
    const instance = instanceOf({ it: domain });
    expectRoundTrips(instance, statesOf(instance, 300, 1));
  });

  it('of any domain is the same when it is unpacked, and has words of its own', () => {
    fc.assert(
      fc.property(fc.array(domains, { minLength: 1, maxLength: 3 }), fc.integer(), (fields, seed) => {
        const shape = Object.fromEntries(fields.map((field, i) => [`f${i}`, field]));
        const instance = instantiate(oneAction(shape, []));
        expectRoundTrips(instance, statesOf(instance, 10, seed));
      }),
      { numRuns: 150 },
    );
  });

  it('with all first values has no bit set', () => {
    const instance = instanceOf(samples);
    expect(new Set(layoutOf(instance).pack(instance.domain.initial))).toEqual(new Set([0]));
  });
});

describe('the places of leaves', () => {
  it.each(Object.entries(samples))('with %s lie in one word each and overlap nowhere', (_, domain) => {
    const layout = layoutOf(instanceOf({ it: domain, more: record({ a: bool, b: range(0, 2 ** 31 - 1) }) }));
    const taken = new Set<string>();
    for (const { word, shift, bits, count } of layout.leaves) {
      expect(2 ** bits).toBeGreaterThanOrEqual(count);
      expect(shift + bits).toBeLessThanOrEqual(32);
      expect(word).toBeLessThan(layout.words);
      for (let bit = shift; bit < shift + bits; bit++) {
        expect(taken.has(`${word} ${bit}`)).toBe(false);
        taken.add(`${word} ${bit}`);
      }
    }
    expect(taken.size).toBe(layout.leaves.reduce((sum, { bits }) => sum + bits, 0));
  });

  it('are the same for the same model', () => {
    const places = (): unknown => layoutOf(instanceOf(samples)).leaves.map(({ word, shift }) => [word, shift]);
    expect(places()).toEqual(places());
  });
});

describe('the items of a bag', () => {
  const items: Readonly<Record<string, Domain | Shape>> = {
    'wide and negative ranges': { a: range(-5, 2 ** 31 - 6), b: range(-(2 ** 31), -1), c: range(-1, 1) },
    'names and members': { a: oneOf('b', 'a', 'c'), b: Many, c: Few },
    'optional leaves': { a: optional(Few), b: optional(range(0, 2 ** 31 - 1)), c: optional(bool) },
    'optional records': { a: optional({ b: Few, c: optional({ d: bool }) }), e: optional({ f: range(-3, 70_000) }) },
    'sets of more than 15 members': { a: setOf(Many), b: bool },
    families: { a: each(Few, { b: optional(Few) }), c: each(Few, Few, bool) },
    collections: { a: queue(2, Few), b: bag(3, { c: Few, d: bool }) },
    'a single leaf': range(-70_000, 70_000),
    nothing: {},
  };

  it.each(Object.entries(items))('with %s compare in packed words as their keys do', (_, item) => {
    const instance = instanceOf({ it: bag(2, item) });
    const layout: Layout = layoutOf(instance);
    const part = layout.root.fields[0]?.[1] as SequencePart;
    const [slot] = part.slots;
    const { structure } = part;
    const pick = picker(7);
    const all = Array.from({ length: 60 }, () => {
      const value = valueOf(structure.of, pick);
      const packed = new Int32Array(layout.words);
      packPart(slot!.part, value, packed);
      return { key: structure.of.key(value), numbers: slot!.leaves.map((leaf) => leafAt(leaf, packed)) };
    });
    for (const a of all) {
      for (const b of all) {
        const first = a.numbers.findIndex((number, i) => number !== b.numbers[i]);
        const order = first < 0 ? 0 : Math.sign(a.numbers[first]! - b.numbers[first]!);
        expect(order).toBe(a.key < b.key ? -1 : Number(a.key > b.key));
      }
    }
  });
});

it('a value outside its domain is refused', () => {
  const instance = instanceOf({ n: range(0, 2), who: optional(Few) });
  const layout = layoutOf(instance);
  expect(() => layout.pack({ n: 3, who: null })).toThrow('n: 3 is outside its domain');
  expect(() => layout.pack({ n: 0, who: 3 })).toThrow('who: 3 is outside its domain');
});
