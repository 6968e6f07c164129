/**
 * What JavaScript offers besides: functions that use it come to the same on packed words, or are run on the immutable form.
 * See `views.test.ts`.
 */
import { describe, expect, it } from 'vitest';
import { each, instantiate, model, properties, range } from '../../language/index.ts';
import { page0, page1, Page } from '../../language/one-action.fixture.ts';
import { search } from '../index.ts';
import { formOf } from './agreement.fixture.ts';
import { arrays, type I, items, loose, type S, state } from './shapes.fixture.ts';

describe('JavaScript at large', () => {
  it.each<[string, (s: S) => void]>([
    [
      'keys and entries',
      (s) => {
        s.n = Object.keys(s.a).length;
        s.f = Object.entries(s.page).every(([, { n }]) => n > 0);
      },
    ],
    [
      'keys in the order of a literal',
      (s) => {
        s.a = { y: 1, x: 0 };
        const [key] = Object.keys(s.a);
        if (key === 'y' && s.f) s.n = 0;
        s.a = { x: 0, y: 0 };
      },
    ],
    [
      'for in',
      (s) => {
        for (const key in s.a) if (key === 'y') s.f = true;
      },
    ],
    [
      'in and hasOwn',
      (s) => void (s.f = 'x' in s.a && !('z' in s.a) && Object.hasOwn(s.b, 'y') && 1 in s.page && !(5 in s.page)),
    ],
    [
      'texts of parts of the state',
      (s) =>
        void (s.f = JSON.stringify(s.a) === JSON.stringify(s.b) && JSON.stringify(s.set) === JSON.stringify(s.set2)),
    ],
    ['texts of the whole state', (s) => void (s.n = JSON.stringify(s).length % 3)],
    [
      'what kind of object it is',
      (s) =>
        void (s.f =
          s.a instanceof Object &&
          Array.isArray(s.page) &&
          !Object.isFrozen(s.a) &&
          !Object.isFrozen(s.page) &&
          typeof s.set === 'object'),
    ],
    [
      'objects as keys',
      (s) => {
        const known = new Map([
          [s.a, 1],
          [s.b, 2],
        ]);
        s.n = known.get(s.a) ?? 0;
        s.m = new Set([s.a, s.a, s.b]).size;
      },
    ],
    [
      'a generator',
      (s) => {
        const valid = function* () {
          for (const page of s.page) if (page.pte === 'valid') yield page;
        };
        for (const page of valid()) page.n = 0;
      },
    ],
    [
      'a getter that is evaluated late',
      (s) => {
        const late = {
          get x() {
            return s.a.x;
          },
        };
        s.a.x = s.b.x;
        s.n = late.x;
      },
    ],
    [
      'an exception for control',
      (s) => {
        try {
          s.n = 1;
          if (s.f) throw new Error('out');
          s.n = 2;
        } catch {
          s.m = s.n;
        } finally {
          s.f = false;
        }
      },
    ],
    [
      'reduce, slice, destructuring with rest',
      (s) => {
        const [first, ...rest] = s.page;
        s.n = rest.reduce((sum, { n }) => Math.min(2, sum + n), 0);
        if (first !== undefined) first.n = s.n;
      },
    ],
  ])('%s', (_, effect) => {
    expect(formOf(state, effect)).toBe('tree');
  });

  it('guards see what is frozen', () => {
    const nothing = (): undefined => undefined;
    expect(formOf(state, nothing, (s) => Object.isFrozen(s.a) && Object.isFrozen(s.page) && s.f)).toBe('tree');
    expect(formOf(state, nothing, (s) => s.page.some((page) => page === s.page[page1] && page.n === 1))).toBe('tree');
    expect(formOf(items, nothing, (s) => s.q.some((item) => Object.isFrozen(item) && item.x === 1))).toBe('tree');
    expect(formOf(items, nothing, (s) => [...s.bag].every(({ x }) => x === 1) && s.set.has(page0))).toBe('tree');
  });
});

describe('a function is run on the immutable form', () => {
  it.each<[string, (s: S) => void]>([
    [
      'if it adds a field and deletes it',
      (s) => {
        loose(s)['a']!['z'] = 1;
        delete loose(s)['a']!['z'];
        s.n = 1;
      },
    ],
    [
      'if it takes a field away and puts it back',
      (s) => {
        delete loose(s)['a']!['x'];
        loose(s)['a']!['x'] = 0;
      },
    ],
    [
      'if it makes a family longer for a while',
      (s) => {
        arrays(s)['flags']!.push(true);
        s.f = arrays(s)['flags']!.pop() === true;
      },
    ],
    [
      'if it moves the elements of a family round',
      (s) => {
        const flags = arrays(s)['flags']!;
        flags.push(flags.shift());
      },
    ],
    [
      'if it sets the length of a family',
      (s) => {
        arrays(s)['flags']!.length = 3;
      },
    ],
    [
      'if it changes a record of the state by its properties',
      (s) => {
        Object.setPrototypeOf({ ...s.a }, null);
        try {
          Object.defineProperty(s.a, 'x', { value: 1 });
        } catch {
          s.n = 1;
        }
      },
    ],
    [
      'if it catches that',
      (s) => {
        try {
          loose(s)['a']!['z'] = 1;
          delete loose(s)['a']!['z'];
          if (s.f) s.n = 1;
        } catch {
          s.n = 0;
        }
      },
    ],
    [
      'if it assigns a record with more fields and reads them, for a while',
      (s) => {
        const more = { x: 0, y: 0, z: 1 };
        s.a = more;
        s.f = loose(s)['a']!['z'] === 1;
        s.set = s.set2;
        s.a = { x: 1, y: 1 };
        arrays(s)['flags']!.length = 3;
      },
    ],
  ])('%s', (_, effect) => {
    expect(formOf(state, effect)).toBe('immutable');
  });

  it('if it pushes an item with more fields, or less, for a while', () => {
    const pushed = (item: unknown) => (s: I) => {
      s.q.clear();
      s.q.push(item as never);
      s.n = Object.keys(s.q.shift()).length;
    };
    expect(formOf(items, pushed({ x: 0, y: 0, z: 1 }))).toBe('immutable');
    expect(formOf(items, pushed({ x: 0 }))).toBe('immutable');
    expect(formOf(items, pushed(3))).toBe('immutable');
  });
});

it('a function may remember what it found out about a state or a part of it', () => {
  // Two actions and a property share what they remember, as a helper does that is costly.
  const known = new WeakMap<object, number>();
  const sum = (of: { readonly page: Iterable<{ readonly n: number }> }): number => {
    const result = known.get(of) ?? [...of.page].reduce((total, { n }) => total + n, 0);
    known.set(of, result);
    return result;
  };
  const remembering = model({
    name: 'remembering',
    sizes: {
      smoke: { page: 1, device: 1, cpu: 1 },
      ci: { page: 3, device: 2, cpu: 4 },
      deep: { page: 3, device: 2, cpu: 4 },
    },
    state: { page: each(Page, { n: range(0, 2) }) },
    actions: ({ action }) => ({
      up: action(
        { page: Page },
        {
          actor: 'any',
          when: { few: (s, { page }) => sum(s) < 5 && s.page[page].n < 2 },
          then: { up: (s, { page }) => void s.page[page].n++ },
        },
      ),
      down: action(
        { page: Page },
        {
          actor: 'any',
          when: { many: (s, { page }) => sum(s) > 1 && s.page[page].n > 0 },
          then: { down: (s, { page }) => void s.page[page].n-- },
        },
      ),
    }),
  });
  const set = properties(remembering, ({ invariant, reachable }) => ({
    few: invariant({ forall: { page: Page }, holds: (s, { page }) => sum(s) < 5 || s.page[page].n > 0 }),
    five: reachable({ exists: { page: Page }, holds: (s, { page }) => sum(s) === 5 && s.page[page].n === 2 }),
    six: reachable({ holds: (s) => sum(s) === 6 }),
  }));
  const told = (engine: 'plain' | 'compiled'): unknown => {
    const { seconds: _, ...result } = search(instantiate(remembering), [set], { engine, keepGoing: true });
    return {
      ...result,
      properties: result.properties.map(({ name, verdict, path }) => [name, verdict, path?.actions.length]),
    };
  };
  expect(told('compiled')).toMatchObject({ states: 26, digest: (told('plain') as { digest: string }).digest });
  expect((told('compiled') as { properties: unknown }).properties).toEqual(
    (told('plain') as { properties: unknown }).properties,
  );
});
