/**
 * Queues and bags on packed words: see `views.test.ts`.
 */
import { describe, expect, it } from 'vitest';
import { page0, page1, page2 } from '../../language/one-action.fixture.ts';
import { formOf } from './agreement.fixture.ts';
import { type I, items } from './shapes.fixture.ts';

describe('on queues', () => {
  it.each<[string, (s: I) => void]>([
    [
      'a literal is pushed',
      (s) => {
        if (!s.q.isFull) s.q.push({ x: 1, y: s.a.y });
      },
    ],
    [
      'a literal is pushed with its fields in another order',
      (s) => {
        if (!s.q.isFull) s.q.push({ y: s.a.x, x: 0 });
      },
    ],
    [
      'a part of the state is pushed and then changed',
      (s) => {
        if (!s.q.isFull) s.q.push(s.a);
        s.a.x = 0;
      },
    ],
    [
      'a part of the state with its fields in another order is pushed',
      (s) => {
        if (!s.other.isFull) s.other.push(s.a);
      },
    ],
    [
      'a part of the state that was assigned is pushed',
      (s) => {
        s.a = { x: 1, y: 0 };
        s.a.y = 1;
        if (!s.q.isFull) s.q.push(s.a);
        s.a.x = 0;
      },
    ],
    [
      'an item goes from one to the other',
      (s) => {
        if (!s.q.isEmpty && !s.other.isFull) s.other.push(s.q.shift());
      },
    ],
    [
      'an item goes round',
      (s) => {
        if (!s.q.isEmpty) s.q.push(s.q.shift());
      },
    ],
    [
      'an item is shifted, and read later',
      (s) => {
        if (!s.q.isEmpty) {
          const item = s.q.shift();
          s.q.push({ x: 0, y: 0 });
          s.a.x = item.y;
        }
      },
    ],
    [
      'an item is assigned',
      (s) => {
        if (!s.q.isEmpty) s.a = s.q.head;
        s.f = s.a.x === 1;
      },
    ],
    ['an item is assigned where there may be none', (s) => void (s.maybe = s.q.isEmpty ? null : s.q.head)],
    [
      'an item is copied',
      (s) => {
        if (!s.q.isEmpty) s.a = { ...s.q.head, y: 0 };
      },
    ],
    [
      'items are set',
      (s) => {
        if (s.q.length > 1) s.q.set(1, { ...s.q.head, x: 1 });
      },
    ],
    [
      'head, at, length, capacity',
      (s) => {
        s.n = s.q.length;
        if (s.q.length === s.q.capacity) s.a.x = s.q.at(2).x + s.q.head.x === 2 ? 1 : 0;
      },
    ],
    [
      'has, count',
      (s) => {
        s.f = s.q.has({ x: 1, y: 0 }) || s.q.has(s.a);
        s.n = s.q.count({ y: 0, x: 0 });
      },
    ],
    [
      'has, count by tests',
      (s) => {
        s.f = s.q.has(({ x }) => x === 1);
        s.n = s.q.count(({ x, y }) => x === y);
      },
    ],
    ['has an item of another', (s) => void (s.f = !s.other.isEmpty && s.q.has(s.other.head))],
    [
      'some, every, find',
      (s) =>
        void (s.f =
          s.q.some(({ x }) => x === s.a.x) && s.q.every(({ y }) => y === 0) && s.q.find(({ x }) => x === 0)?.y === 1),
    ],
    [
      'it is iterated while it changes',
      (s) => {
        for (const item of s.q) {
          s.q.shift();
          if (item.x === 1) s.q.push({ x: 0, y: item.y });
        }
      },
    ],
    [
      'it is cleared and filled again',
      (s) => {
        const all = [...s.q];
        s.q.clear();
        for (const item of all.toReversed()) s.q.push(item);
      },
    ],
    [
      'scalars are pushed and found',
      (s) => {
        if (!s.scalars.isFull && s.scalars.has(page1)) s.scalars.push(page0);
        s.f = s.scalars.find((p) => p === page2) === page2;
      },
    ],
    [
      'an item stays the same',
      (s) => {
        const [a] = s.q;
        s.f = a === s.q.find(() => true);
        if (a !== undefined && s.q.length < 3) {
          s.q.push(a);
          s.f = s.q.at(s.q.length - 1) === a;
        }
      },
    ],
    [
      'one frozen item is pushed twice',
      (s) => {
        const item = Object.freeze({ x: 0, y: 0 });
        s.q.clear();
        s.q.push(item);
        s.q.push(item);
        s.f = s.q.at(0) === s.q.at(1);
      },
    ],
    [
      'an item outside the domain is pushed and taken back',
      (s) => {
        s.q.clear();
        s.q.push({ x: 9, y: 0 });
        s.n = s.q.has(({ x }) => x === 9) ? 1 : 0;
        s.q.shift();
      },
    ],
    ['it is full: that is an error', (s) => s.q.push({ x: 0, y: 0 })],
    ['it is empty: that is an error', (s) => void s.q.shift()],
    ['there is no such item: that is an error', (s) => void (s.a.x = s.q.at(1).x)],
    ['there is no item from the end: that is an error', (s) => void s.q.at(-1)],
    [
      'it is full, which is caught',
      (s) => {
        try {
          s.q.push({ x: 1, y: 1 });
        } catch {
          s.f = true;
        }
      },
    ],
    [
      'it is empty, which is caught',
      (s) => {
        try {
          s.a.x = 1;
          s.a.y = s.q.shift().x;
        } catch {
          s.n = 3;
        }
      },
    ],
  ])('%s', (_, effect) => {
    expect(formOf(items, effect)).toBe('tree');
  });
});

describe('on bags', () => {
  it.each<[string, (s: I) => void]>([
    [
      'literals are added',
      (s) => {
        if (!s.bag.isFull) s.bag.add({ x: 0, y: s.a.y });
      },
    ],
    [
      'parts of the state are added',
      (s) => {
        if (!s.bag.isFull) s.bag.add(s.a);
        s.a.x = 1;
      },
    ],
    [
      'items with their fields in another order are added',
      (s) => {
        for (const item of s.other) if (!s.bag.isFull) s.bag.add(item);
      },
    ],
    [
      'numbers are added',
      (s) => {
        if (!s.numbers.isFull) s.numbers.add(s.a.x - 1);
      },
    ],
    [
      'one is removed by its value',
      (s) => {
        if (s.bag.has(s.a)) s.bag.remove(s.a);
      },
    ],
    [
      'one is removed by a test, and used',
      (s) => {
        if (s.bag.has(({ x }) => x === 1)) s.a = s.bag.remove(({ x }) => x === 1);
      },
    ],
    ['one is removed that is not there: that is an error', (s) => void s.bag.remove({ x: 1, y: 1 })],
    [
      'one is removed that is not there, which is caught',
      (s) => {
        try {
          s.bag.remove(s.a);
        } catch {
          s.f = true;
        }
      },
    ],
    ['all that pass are removed', (s) => void (s.n = s.bag.removeAll(({ x }) => x === s.a.x))],
    [
      'one is replaced',
      (s) => {
        if (!s.bag.isEmpty) s.bag.replace(s.bag.at(0), s.a);
      },
    ],
    [
      'one is replaced by a test',
      (s) => {
        if (s.bag.some(({ y }) => y === 0)) s.bag.replace(({ y }) => y === 0, { x: 1, y: 1 });
      },
    ],
    [
      'at, length, count, find',
      (s) => {
        s.n = s.bag.count(({ x }) => x === 0);
        if (s.bag.length > 1) s.a.x = s.bag.at(1).y;
        s.f = s.bag.find(({ y }) => y === 1) === undefined;
      },
    ],
    [
      'it is iterated while it changes',
      (s) => {
        for (const item of s.bag) {
          s.bag.remove(item);
          if (!s.q.isFull) s.q.push(item);
        }
      },
    ],
    [
      'an item with optional and wide fields is added',
      (s) => {
        if (!s.deep.isFull) s.deep.add({ at: s.f ? null : { page: page1, on: s.a.x === 1 }, n: 300, m: 2 ** 31 - 1 });
      },
    ],
    [
      'an item with optional and wide fields is replaced',
      (s) => {
        if (!s.deep.isEmpty) {
          const item = s.deep.at(0);
          s.deep.replace(item, { ...item, n: 5 });
        }
      },
    ],
    [
      'items with optional and wide fields are found',
      (s) => void (s.f = s.deep.has(({ at }) => at?.page === page2) || s.deep.has({ at: null, n: 0, m: 0 })),
    ],
  ])('%s', (_, effect) => {
    expect(formOf(items, effect)).toBe('tree');
  });
});

it('an item outside its domain that is compared with others makes a function run on the immutable form', () => {
  const wrong = { x: 9, y: 0 };
  const tolerant = (replace: (s: I) => void) => (s: I) => {
    try {
      replace(s);
    } catch {
      s.f = !s.f;
    }
  };
  expect(
    formOf(
      items,
      tolerant((s) => s.bag.replace(() => true, wrong)),
    ),
  ).toBe('immutable');
  expect(
    formOf(
      items,
      tolerant((s) => s.bag.add(wrong)),
    ),
  ).toBe('immutable');
  expect(
    formOf(
      items,
      tolerant((s) => void (s.f = s.q.has(wrong))),
    ),
  ).toBe('immutable');
});
