/**
 * The compiled search finds what the plain one finds, on the shipped protocols with all their bugs, and on models that are
 * large in one way or another.
 */
import { describe, expect, it } from 'vitest';
import {
  bag,
  bool,
  each,
  type Instance,
  instantiate,
  type Model,
  model,
  properties,
  queue,
  range,
  sort,
} from '../language/index.ts';
import type { PropertySpec } from '../language/properties.ts';
import { messageOf } from '../language/runs.fixture.ts';
import { protocols } from '../properties/index.ts';
import { compare } from './engines.fixture.ts';
import { search } from './index.ts';
import { isDeep } from './random/depth.fixture.ts';

describe.each(protocols.map((protocol) => ({ protocol, name: protocol.model.name })))('$name', ({ protocol }) => {
  it('comes to the same at size smoke', () => {
    expect(compare(instantiate(protocol.model, 'smoke'), protocol.properties)).toMatchObject({ verdict: 'holds' });
  });

  // There are many, and where a property over time is violated the plain search goes to the end.
  const bugs = isDeep ? protocol.variants.flatMap(({ variants }) => variants) : [];
  it.each(bugs)('with the bug $name comes to the same', (variant) => {
    const instance = instantiate(protocol.model, variant.size, { set: variant.set, variant: variant.edit });
    expect(compare(instance, protocol.properties)).toMatchObject({ verdict: 'violated' });
  });
});

const Cell = sort('cell');

/** What a counter does to the rest of the state at each of its steps. */
interface Counted {
  readonly n: number;
  readonly cell: { at: number; flag: boolean }[];
  readonly queue: {
    readonly isEmpty: boolean;
    readonly isFull: boolean;
    readonly head: number;
    push(item: number): void;
    shift(): number;
  };
  readonly bag: {
    readonly isFull: boolean;
    add(item: unknown): void;
    remove(test: (item: { readonly n: number }) => boolean): void;
    has(item: unknown): boolean;
  };
}

/** A model that counts from `first` to `last` (it could count further), with so many cells that hold numbers below `top`. */
function counting(
  { cell, top = 2 ** 31, first = 0, last }: { cell: number; top?: number; first?: number; last: number },
  change: (s: Counted) => void,
): Instance {
  const sizes = { cell };
  const counter = model({
    name: 'counting',
    sizes: { smoke: sizes, ci: sizes, deep: sizes },
    state: {
      n: range(first, 2000),
      cell: each(Cell, { at: range(0, top - 1), flag: bool }),
      queue: queue(40, Cell),
      bag: bag(6, { at: Cell, n: range(-9, 2 ** 30), m: range(-(2 ** 31), -1) }),
    },
    actions: ({ action }) => ({
      count: action(
        {},
        {
          actor: 'any',
          when: { 'not at the end': (s) => s.n < last },
          then: { count: (s) => void s.n++, change: (s) => change(s as never) },
        },
      ),
    }),
  });
  return instantiate(counter as Model);
}

const claims = (instance: Instance, build: Parameters<typeof properties<Model, Record<string, PropertySpec>>>[1]) =>
  properties(instance.model, build);
const at = (s: unknown): Counted => s as Counted;

describe('a model', () => {
  it('with more properties than a word has bits comes to the same', () => {
    const many = counting({ cell: 80, last: 79 }, ({ n, cell }) => {
      cell[n]!.at = n % 7 === 3 ? 2 ** 31 - 1 : 5 * n;
      cell[n - 1]!.flag = n % 2 === 0;
    });
    const set = claims(many, ({ invariant, reachable }) =>
      Object.fromEntries(
        Array.from({ length: 70 }, (_, i) => [
          [`${i} is never high`, invariant({ holds: (s) => at(s).cell[i]!.at < 2 ** 31 - 1 })] as const,
          [`${i} is flagged`, reachable({ holds: (s) => at(s).cell[i]!.flag && at(s).n > i + 5 })] as const,
        ]).flat(),
      ),
    );
    const result = compare(many, [set], { keepGoing: true });
    expect(result?.properties).toHaveLength(141);
    expect(new Set(result?.properties.map(({ verdict }) => verdict))).toEqual(new Set(['holds', 'violated']));
  });

  it('whose functions go hundreds of ways by a field of thousands of values comes to the same', () => {
    const wide = counting({ cell: 3, first: -150, last: 150 }, ({ n, cell }) => {
      cell[0]!.at = (n + 150) * 5_000_000;
      cell[1]!.flag = n % 5 === 0;
    });
    const set = claims(wide, ({ invariant }) => ({
      low: invariant({ forall: { cell: Cell }, holds: (s, { cell }) => at(s).cell[cell as never]!.at < 1_499_000_000 }),
    }));
    expect(compare(wide, [set], { keepGoing: true })).toMatchObject({ states: 301, verdict: 'violated' });
  });

  it('whose properties read more than a tree may comes to the same', () => {
    const large = counting({ cell: 1100, top: 2, last: 12 }, ({ n, cell }) => {
      cell[n]!.flag = true;
      cell[1000 + n]!.at = 1;
    });
    const set = claims(large, ({ invariant, reachable }) => ({
      few: invariant({ holds: (s) => at(s).cell.filter(({ flag }) => flag).length < 9 }),
      none: reachable({ holds: (s) => at(s).cell.every(({ flag }) => !flag) && at(s).n > 0 }),
    }));
    expect(compare(large, [set], { keepGoing: true })).toMatchObject({ states: 13, verdict: 'violated' });
  });

  it('with long queues and wide items comes to the same', () => {
    const long = counting({ cell: 40, last: 130 }, ({ n, queue: waiting, bag: open }) => {
      if (waiting.isFull || (n % 4 === 3 && !waiting.isEmpty)) waiting.shift();
      waiting.push((n * 7) % 40);
      const item = { at: waiting.head, n: n % 9 === 0 ? 2 ** 30 - n : -(n % 9), m: -1 - n * 10_000_000 };
      if (open.isFull) open.remove((one) => one.n < 0 || n % 2 === 0);
      if (!open.isFull && !open.has(item)) open.add(item);
    });
    expect(compare(long, [], { keepGoing: true })).toMatchObject({ states: 131 });
  });

  it('whose states take too many words is refused', () => {
    const large = counting({ cell: 2000, last: 3 }, () => undefined);
    expect(messageOf(() => search(large, []))).toContain("more than 990 need the engine 'plain'");
    expect(search(large, [], { engine: 'plain' })).toMatchObject({ states: 4 });
  });
});
