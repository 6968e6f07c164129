/**
 * What the functions of a model may do with a state, they may do with its packed form: there they come to the same, or are
 * run on the immutable form instead. Every function here is tried in many states, as what was noted in one state must not
 * be wrong in another.
 */
import { describe, expect, it } from 'vitest';
import { page0, page1, page2 } from '../../language/one-action.fixture.ts';
import { formOf } from './agreement.fixture.ts';
import { type S, state } from './shapes.fixture.ts';

describe('on records', () => {
  it.each<[string, (s: S) => void]>([
    ['fields are read and written', (s) => void (s.n = s.f ? 2 : s.m)],
    ['fields are counted up', (s) => void (s.n < 2 && s.n++)],
    ['fields are read after they were written', (s) => void ((s.a.x = s.b.x), (s.n = s.a.x + 1))],
    ['a field is written twice', (s) => void ((s.n = s.m), (s.n = s.f ? 1 : s.n))],
    ['a value outside the domain is corrected', (s) => void ((s.n = 99), (s.n = s.n === 99 && s.f ? 1 : 0))],
    ['names and members are exchanged', (s) => void (s.page[page0].pte = s.page[page1].pte)],
    ['a member is compared', (s) => void (s.f = s.who === page1)],
    ['a member is where none may be', (s) => void (s.who = s.who === null ? page2 : null)],
    ['a literal is assigned', (s) => void (s.a = { x: 1, y: s.b.y })],
    ['a literal is assigned with its fields in another order', (s) => void (s.a = { y: s.n > 0 ? 1 : 0, x: 0 })],
    [
      'a literal is changed after it was assigned',
      (s) => {
        const r = { x: 0, y: 0 };
        s.a = r;
        r.x = s.b.x;
        s.f = s.a.x === 1;
      },
    ],
    [
      'a literal is written through the state after it was assigned',
      (s) => {
        s.a = { x: 0, y: 0 };
        s.a.x = s.b.x;
      },
    ],
    [
      'one literal is assigned twice and written through one of the two',
      (s) => {
        const r = { x: 0, y: 0 };
        s.a = r;
        s.b = r;
        s.a.x = s.f ? 1 : 0;
      },
    ],
    ['another is assigned', (s) => void (s.a = s.b)],
    ['another with its fields in another order is assigned', (s) => void (s.a = s.other)],
    [
      'another is assigned, then the one is written',
      (s) => {
        s.a = s.b;
        s.a.x = 1;
      },
    ],
    [
      'another is assigned, then the other is written',
      (s) => {
        s.a = s.b;
        s.b.x = s.f ? 1 : 0;
        s.n = s.a.x;
      },
    ],
    [
      'another is assigned and is the same then',
      (s) => {
        s.a = s.b;
        s.n = s.a === s.b ? 1 : 0;
        if (s.a === s.b && s.f) s.m = 0;
      },
    ],
    [
      'another is assigned and replaced',
      (s) => {
        s.a = s.b;
        s.b = { x: 1, y: 1 };
      },
    ],
    [
      'it is assigned to itself',
      (s) => {
        const { a } = s;
        s.a = a;
        s.a.x = s.f ? 1 : 0;
      },
    ],
    [
      'two are exchanged',
      (s) => {
        [s.a, s.b] = [s.b, s.a];
      },
    ],
    [
      'two are exchanged and written',
      (s) => {
        const { a } = s;
        s.a = s.b;
        s.b = a;
        a.x = 1;
        s.a.y = s.f ? 1 : 0;
      },
    ],
    [
      'a held one is written',
      (s) => {
        const { a } = s;
        a.x = 1;
        s.b.x = a.x;
      },
    ],
    [
      'a held one is used after another was put there',
      (s) => {
        const { a } = s;
        s.a = { x: 1, y: 0 };
        s.b = a;
      },
    ],
    [
      'a held one is read after another was put there',
      (s) => {
        const { a } = s;
        s.a = { x: 1, y: 0 };
        s.n = a.x;
      },
    ],
    [
      'a held one is written after another was put there',
      (s) => {
        const { a } = s;
        s.a = { x: 1, y: 0 };
        a.y = 1;
        s.f = a.y === 1;
      },
    ],
    [
      'a copy is changed and assigned',
      (s) => {
        const copy = { ...s.b };
        copy.x = 1;
        s.a = copy;
      },
    ],
    ['a copy is assigned with one field replaced', (s) => void (s.a = { ...s.b, y: s.f ? 1 : 0 })],
    ['fields are assigned at once', (s) => void Object.assign(s.a, s.b, { x: 0 })],
    ['a nested one is assigned', (s) => void (s.nested.inner = s.a)],
    [
      'a copy shares what is nested',
      (s) => {
        s.nested = { ...s.nested2 };
        s.nested.inner.x = 1;
        s.f = s.nested2.inner.x === 1;
      },
    ],
    [
      'what is nested in an assigned literal is a part of the state',
      (s) => {
        s.nested = { inner: s.a, flag: true };
        s.a.x = 1;
      },
    ],
    [
      'a nested one is held while all is replaced',
      (s) => {
        const { inner } = s.nested;
        s.nested = s.nested2;
        inner.x = 1;
        s.a = inner;
      },
    ],
    [
      'a nested one is replaced in one that was assigned',
      (s) => {
        s.nested = s.nested2;
        s.nested.inner = { x: 0, y: 1 };
      },
    ],
    [
      'it is destructured',
      (s) => {
        const { x, y } = s.a;
        s.b.x = y;
        s.b.y = x;
      },
    ],
  ])('%s', (_, effect) => {
    expect(formOf(state, effect)).toBe('tree');
  });
});

describe('on optional records', () => {
  it.each<[string, (s: S) => void]>([
    ['a literal is put in', (s) => void (s.maybe = { x: 1, y: s.n > 1 ? 1 : 0 })],
    ['it is taken away', (s) => void (s.maybe = null)],
    ['it is looked for', (s) => void (s.f = s.maybe === null)],
    [
      'it is written where there is one',
      (s) => {
        if (s.maybe !== null) s.maybe.x = 1;
      },
    ],
    ['it is written through a question mark', (s) => void (s.n = s.maybe?.x ?? 2)],
    ['another is assigned', (s) => void (s.maybe = s.maybe2)],
    [
      'another of another domain is assigned',
      (s) => {
        if (s.later?.x !== 2 && s.later?.y !== -1) s.maybe = s.later;
      },
    ],
    [
      'a record is assigned',
      (s) => {
        s.maybe = s.a;
        s.maybe.x = 1;
      },
    ],
    [
      'it is assigned to a record',
      (s) => {
        if (s.maybe !== null) s.a = s.maybe;
      },
    ],
    [
      'it is held while it is taken away',
      (s) => {
        const r = s.maybe;
        s.maybe = null;
        if (r !== null) {
          r.x = 1;
          s.a = r;
        }
      },
    ],
    [
      'it is held, taken away and put back',
      (s) => {
        const r = s.maybe;
        s.maybe = null;
        if (r !== null) r.x = 1;
        s.maybe = r;
      },
    ],
    [
      'it is assigned to itself',
      (s) => {
        const { maybe } = s;
        s.maybe = maybe;
        if (s.maybe !== null) s.maybe.y = 0;
      },
    ],
  ])('%s', (_, effect) => {
    expect(formOf(state, effect)).toBe('tree');
  });

  it('a field is read where there is none: that is an error', () => {
    expect(formOf(state, (s) => void (s.n = s.maybe!.x))).toBe('tree');
    expect(
      formOf(state, (s) => {
        try {
          s.n = s.maybe!.x;
        } catch {
          s.n = 2;
        }
      }),
    ).toBe('tree');
  });
});
