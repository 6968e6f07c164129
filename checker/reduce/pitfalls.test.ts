import { describe, expect, it } from 'vitest';
import {
  bool,
  each,
  instantiate,
  model,
  oneOf,
  properties,
  type PropertySet,
  range,
  record,
  sort,
} from '../../language/index.ts';
import type { Model } from '../../language/index.ts';
import { search, type SearchOptions } from '../index.ts';

const Node = sort('node');
const sizes = { smoke: { node: 2 }, ci: { node: 2 }, deep: { node: 3 } };

/** The verdicts and lengths of all properties, by the plain engine and with the reductions. */
function both(of: Model, set: PropertySet, options: SearchOptions): readonly (readonly string[])[] {
  return [{ engine: 'plain' as const }, options].map((how) =>
    search(instantiate(of), [set], { keepGoing: true, ...how }).properties.map(
      ({ name, verdict, path }) => `${name}: ${verdict} ${path?.actions.length ?? ''}`,
    ),
  );
}

describe('no violation is missed', () => {
  it('where a thread that goes on alone only changes the name that it is at', () => {
    const token = model({
      name: 'token',
      sizes,
      state: { token: Node, z: bool },
      initial: { choose: { n: Node }, then: (s, { n }) => void (s.token = n) },
      actions: ({ action }) => ({
        pass: action(
          { a: Node, b: Node },
          {
            actor: 'x',
            when: { 'a has it': (s, { a, b }) => s.token === a && a !== b },
            then: { 'give it to b': (s, { b }) => void (s.token = b) },
          },
        ),
        late: action(
          {},
          { actor: 'y', when: { 'not yet': (s) => !s.z }, then: { 'set it': (s) => void (s.z = true) } },
        ),
      }),
    });
    const set = properties(token, ({ invariant }) => ({ 'never z': invariant({ holds: (s) => !s.z }) }));
    const [plain, reduced] = both(token, set, { symmetry: true, partialOrder: true });
    expect(plain).toContain('never z: violated 1');
    expect(reduced).toEqual(plain);
  });

  it('where a slice keeps a field of one member and not of the others', () => {
    const pages = model({
      name: 'pages',
      sizes,
      state: { node: each(Node, { f: range(0, 1), x: range(0, 2) }) },
      initial: (s) => {
        for (const node of s.node) node.f = 1;
      },
      actions: ({ action }) => ({
        mark: action(
          { node: Node },
          {
            actor: 'x',
            when: { 'it can be': (s, { node }) => s.node[node].f === 1 && s.node[node].x === 0 },
            then: { 'mark it': (s, { node }) => void (s.node[node].x = 1) },
          },
        ),
      }),
    });
    const set = properties(pages, ({ invariant, members, deadlockFree }) => ({
      'the last is not marked': invariant({ holds: (s) => s.node[members(Node).at(-1) ?? ('' as never)].x !== 1 }),
      'it may end': deadlockFree({ final: { any: () => true } }),
    }));
    const [plain, reduced] = both(pages, set, { symmetry: true, slice: true });
    expect(plain).toContain('the last is not marked: violated 1');
    expect(reduced).toEqual(plain);
  });

  it('where a guard does with the state what the packed form cannot', () => {
    const cloning = model({
      name: 'cloning',
      state: { a: record({ x: range(0, 3) }), b: record({ x: range(0, 3) }), other: bool },
      actions: ({ action }) => ({
        set: action(
          {},
          {
            actor: 'x',
            when: { 'its clone is small': (s) => structuredClone(s.b).x < 3 },
            then: { 'make it large': (s) => void (s.a.x = 3) },
          },
        ),
        flip: action({}, { actor: 'y', then: { 'flip it': (s) => void (s.other = !s.other) } }),
      }),
    });
    const set = properties(cloning, ({ invariant }) => ({ 'x is small': invariant({ holds: (s) => s.a.x < 3 }) }));
    for (const options of [{ slice: true }, { partialOrder: true }, { slice: true, partialOrder: true }]) {
      const [plain, reduced] = both(cloning, set, options);
      expect(plain).toContain('x is small: violated 1');
      expect(reduced).toEqual(plain);
    }
  });
});

it('symmetry holds for functions that are run on immutable states too', () => {
  const odd = model({
    name: 'odd',
    sizes: { ...sizes, ci: { node: 3 } },
    state: { node: each(Node, { x: range(0, 2), mood: oneOf('calm', 'loud') }) },
    actions: ({ action }) => ({
      more: action(
        { node: Node },
        {
          actor: 'x',
          when: { 'there is room': (s, { node }) => s.node[node].x < 2 },
          then: { 'add one': (s, { node }) => void s.node[node].x++ },
        },
      ),
      less: action(
        { node: Node },
        {
          actor: 'x',
          when: { 'there is one': (s, { node }) => s.node[node].x > 0 },
          then: {
            'take one': (s, { node }) => {
              Object.preventExtensions(s.node[node]);
              s.node[node].x--;
            },
          },
        },
      ),
    }),
  });
  const set = properties(odd, ({ invariant }) => ({
    'not all': invariant({ holds: (s) => !s.node.every(({ x }) => x === 2) }),
  }));
  const [plain, reduced] = both(odd, set, { symmetry: true });
  expect(reduced).toEqual(plain);
  const { states, reductions } = search(instantiate(odd), [set], { symmetry: true, keepGoing: true });
  // Three members with three values each: as many states as there are multisets.
  expect(states).toBe(10);
  expect(reductions?.symmetry?.sorts).toEqual(['node']);
});

it('slices are explored until everything is violated that the search was to find', () => {
  const two = model({
    name: 'two',
    state: { x: range(0, 3), y: range(0, 3) },
    actions: ({ action }) => ({
      x: action({}, { actor: 'a', when: { small: (s) => s.x < 3 }, then: { more: (s) => void s.x++ } }),
      y: action({}, { actor: 'a', when: { small: (s) => s.y < 3 }, then: { more: (s) => void s.y++ } }),
    }),
  });
  const set = properties(two, ({ invariant, deadlockFree }) => ({
    x: invariant({ holds: (s) => s.x < 2 }),
    y: invariant({ holds: (s) => s.y < 3 }),
    'it may end': deadlockFree({ final: { any: () => true } }),
  }));
  const { properties: found } = search(instantiate(two), [set], { slice: true, until: ['x', 'y'] });
  expect(found.map(({ name, verdict, path }) => [name, verdict, path?.actions.length])).toEqual([
    ['x', 'violated', 2],
    ['y', 'violated', 3],
    ['it may end', 'unknown', undefined],
  ]);
});
