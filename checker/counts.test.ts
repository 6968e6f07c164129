import { describe, expect, it } from 'vitest';
import { instantiate, type Model, model, range } from '../language/index.ts';
import { channel, peterson, petersonProperties, philosophers, pool, tokenRing } from '../language/models.fixture.ts';
import { type CheckResult, search } from './index.ts';

function explored(of: Model, set: Readonly<Record<string, number>>): CheckResult {
  return search(instantiate(of, 'ci', { set }), []);
}

describe('the number of states and transitions', () => {
  it('of Peterson is 20 and 34, as everywhere', () => {
    expect(search(instantiate(peterson), [petersonProperties])).toMatchObject({
      verdict: 'holds',
      states: 20,
      transitions: 34,
      size: 'ci',
      sizes: { process: 2 },
    });
  });

  it.each([1, 2, 5, 40])('of a ring of %i nodes is twice that', (node) => {
    expect(explored(tokenRing, { node })).toMatchObject({
      states: 2 * node,
      transitions: 2 * node,
      depth: 2 * node - 1,
    });
  });

  it.each([
    [1, 2],
    [3, 4],
    [5, 3],
    [4, 1],
    [8, 4],
  ])('of a channel for %i of %i messages is the number of their sequences', (capacity, values) => {
    const sequences = Array.from({ length: capacity + 1 }, (_, length) => values ** length);
    const states = sequences.reduce((sum, count) => sum + count);
    const sends = values * (states - values ** capacity);
    expect(explored(channel, { capacity, values })).toMatchObject({
      states,
      transitions: sends + states - 1,
      depth: capacity,
    });
  });

  it.each([
    [1, 2],
    [3, 4],
    [5, 3],
    [8, 2],
  ])('of a pool of %i of %i messages is the number of their multisets', (capacity, values) => {
    const multisets = (n: number): number => binomial(n + values - 1, n);
    const states = binomial(capacity + values, capacity);
    // Each multiset can be left by the sending, and reached by the receiving, of each of its kinds of message.
    const moves = Array.from({ length: capacity }, (_, n) => values * multisets(n)).reduce((sum, count) => sum + count);
    expect(explored(pool, { capacity, values })).toMatchObject({ states, transitions: 2 * moves, depth: capacity });
  });

  it('of philosophers is twice that for one less, and that for two less', () => {
    const [two = 0, three = 0, four, five] = [2, 3, 4, 5].map(
      (seat) => search(instantiate(philosophers, 'ci', { set: { seat } }), [], { keepGoing: true }).states,
    );
    expect([two, three, four, five]).toEqual([6, 14, 2 * three + two, 2 * (2 * three + two) + three]);
  });

  it('is the same with every order of the actions', () => {
    const twoWays = [false, true].map((reversed) => {
      const ordered = model({
        name: 'ordered',
        state: { a: range(0, 3), b: range(0, 3) },
        actions: ({ action }) => {
          const up = (field: 'a' | 'b') =>
            action({}, { actor: field, when: { room: (s) => s[field] < 3 }, then: { up: (s) => void s[field]++ } });
          return reversed ? { b: up('b'), a: up('a') } : { a: up('a'), b: up('b') };
        },
      });
      const { states, transitions, depth } = search(instantiate(ordered), []);
      return { states, transitions, depth };
    });
    expect(twoWays).toEqual([
      { states: 16, transitions: 24, depth: 6 },
      { states: 16, transitions: 24, depth: 6 },
    ]);
  });
});

function binomial(n: number, k: number): number {
  return Array.from({ length: k }, (_, i) => i + 1).reduce((product, i) => (product * (n - k + i)) / i, 1);
}
