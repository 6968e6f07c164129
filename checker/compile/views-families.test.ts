/**
 * Families and sets on packed words: see `views.test.ts`.
 */
import { describe, expect, it } from 'vitest';
import { page0, page1, page2 } from '../../language/one-action.fixture.ts';
import { formOf } from './agreement.fixture.ts';
import { arrays, type S, state } from './shapes.fixture.ts';

describe('on families', () => {
  it.each<[string, (s: S) => void]>([
    ['an element is written', (s) => void (s.page[page1].n = s.page[page0].n)],
    [
      'an element is told by what is in the state',
      (s) => {
        if (s.who !== null) s.page[s.who].n = 1;
      },
    ],
    [
      'all elements are visited',
      (s) =>
        s.page.forEach((page) => {
          page.n = 0;
        }),
    ],
    [
      'it is iterated',
      (s) => {
        for (const page of s.page) if (page.pte === 'valid') page.n = 2;
      },
    ],
    [
      'it is iterated with members',
      (s) => {
        for (const [page, { n }] of s.page.entries()) if (n === 1) s.who = page;
      },
    ],
    [
      'its keys are iterated',
      (s) => {
        for (const page of s.page.keys()) s.flags[page] = s.page[page].n > 0;
      },
    ],
    [
      'some, every, find, filter',
      (s) => {
        s.f = s.page.some(({ n }) => n === 2) || s.flags.every(Boolean);
        s.n = s.page.find(({ pte }) => pte === 'valid')?.n ?? 0;
        s.m = s.page.filter(({ n }) => n > 0).length > 1 ? 1 : 0;
      },
    ],
    [
      'one that was found is written',
      (s) => {
        const found = s.page.find(({ n }) => n === 0);
        if (found) found.n = 1;
      },
    ],
    [
      'it is mapped',
      (s) => {
        arrays(s)['page'] = [...s.page].map((page) => ({ ...page, n: 0 }));
      },
    ],
    [
      'another is assigned',
      (s) => {
        s.flags = s.flags2;
        s.flags2[page0] = true;
        s.f = s.flags[page0];
      },
    ],
    [
      'another is assigned, read and replaced',
      (s) => {
        s.flags = s.flags2;
        s.flags2[page0] = true;
        if (s.flags[page0] && s.n === 1) s.f = true;
        arrays(s)['flags'] = [false, false, false] as never;
      },
    ],
    [
      'an element is assigned to another',
      (s) => {
        s.page[page0] = s.page[page1];
        s.page[page0].n = 1;
      },
    ],
    // Both in place.
    ['its elements are turned round', (s) => void Array.prototype.reverse.call(s.page)],
    ['its values are sorted', (s) => void Array.prototype.sort.call(s.flags)],
    [
      'a copy of it is sorted',
      (s) => {
        const [least] = [...s.page].toSorted((a, b) => b.n - a.n);
        if (least !== undefined) least.pte = 'valid';
      },
    ],
    ['it is filled', (s) => void arrays(s)['flags']!.fill(s.f)],
    [
      'it is counted and addressed from its end',
      (s) => {
        const flags = s.flags as unknown as boolean[];
        s.f = flags.at(-1) === true && flags.length === 3 && flags[-1] === undefined && flags[7] === undefined;
      },
    ],
    ['an element is told by a text', (s) => void (s.f = (s.flags as unknown as Record<string, boolean>)['1']!)],
    [
      'its elements are themselves',
      (s) => {
        const pages = [...s.page];
        s.n = pages.indexOf(s.page[page1]);
        s.f = pages.includes(s.page[page2]) && s.page[page0] !== s.page[page1];
      },
    ],
    [
      'families of families are read and written',
      (s) => {
        for (const row of s.grid) for (const cell of row) cell.on = !cell.on;
      },
    ],
    [
      'a row is assigned',
      (s) => {
        const [a, b] = [...s.grid];
        if (a && b) arrays(s)['grid']![0] = b;
        if (a) a[page0].on = true;
      },
    ],
    ['it is flattened', (s) => void (s.f = [...s.grid].flatMap((row) => [...row]).every(({ on }) => on))],
    [
      'elements are exchanged',
      (s) => {
        [s.page[page0], s.page[page1]] = [s.page[page1], s.page[page0]];
      },
    ],
  ])('%s', (_, effect) => {
    expect(formOf(state, effect)).toBe('tree');
  });
});

describe('on sets', () => {
  it.each<[string, (s: S) => void]>([
    [
      'members are added and deleted',
      (s) => {
        s.set.add(page1);
        if (s.set.has(page0)) s.set.delete(page0);
      },
    ],
    [
      'a member of the state is added',
      (s) => {
        if (s.who !== null) s.set.add(s.who);
      },
    ],
    [
      'it is cleared',
      (s) => {
        if (s.set.size > 1) s.set.clear();
      },
    ],
    [
      'some, every, isEmpty',
      (s) => void (s.f = s.set.some((p) => p === page2) || s.set.every((p) => s.flags[p]) || s.set.isEmpty),
    ],
    [
      'it is iterated while it changes',
      (s) => {
        for (const page of s.set) {
          s.set.delete(page);
          s.set2.add(page);
        }
      },
    ],
    ['it is spread', (s) => void (s.n = Math.min(2, [...s.set, ...s.set2].length))],
    [
      'a stranger is refused',
      (s) => {
        try {
          s.set.add(7 as never);
        } catch {
          s.f = s.set.isEmpty;
        }
      },
    ],
    [
      'another is assigned',
      (s) => {
        s.set = s.set2;
        s.set2.add(page0);
        s.f = s.set.has(page0);
      },
    ],
  ])('%s', (_, effect) => {
    expect(formOf(state, effect)).toBe('tree');
  });
});
