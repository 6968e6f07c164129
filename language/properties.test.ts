import { describe, expect, it } from 'vitest';
import { bool, each, instantiate, model, properties, propertiesOf, range } from './index.ts';
import { Device, Page, page1, sizes } from './one-action.fixture.ts';
import { messageOf, run, start } from './runs.fixture.ts';

const protocol = model({
  name: 'protocol',
  sizes,
  state: () => ({ page: each(Page, { mapped: bool, uses: range(0, 2) }) }),
  actions: ({ action, procedure }) => ({
    use: action(
      { page: Page },
      {
        actor: 'device',
        when: {
          'it is mapped': (s, { page }) => s.page[page].mapped,
          'it is not worn out': (s, { page }) => s.page[page].uses < 2,
        },
        then: { 'count it': (s, { page }) => void s.page[page].uses++ },
      },
    ),
    map: procedure(
      { page: Page },
      {
        actor: 'cpu',
        steps: ({ step }) => [
          step('map', { then: { 'write the PTE': (s, { page }) => void (s.page[page].mapped = true) } }),
        ],
      },
    ),
  }),
});
const instance = instantiate(protocol);
const first = start(protocol);
const mapped = run(protocol, { type: 'map', step: 'map', page: page1 });
const used = run(protocol, { type: 'map', step: 'map', page: page1 }, { type: 'use', page: page1 });

describe('a property', () => {
  it('is tested for each combination of the members that it is quantified over', () => {
    const set = properties(protocol, ({ invariant, reachable }) => ({
      unused: invariant({ forall: { page: Page, device: Device }, holds: (s, { page }) => s.page[page].uses === 0 }),
      used: reachable({ exists: { page: Page }, holds: (s, { page }) => s.page[page].uses > 0 }),
      once: invariant({ holds: (s) => s.page.every(({ uses }) => uses <= 1) }),
    }));
    const [unused, isUsed, once] = propertiesOf(instance, [set]);
    const holdsFor = (of: typeof unused, state: typeof first): unknown[] =>
      (of?.bindings ?? []).filter((binding) => of?.test(state, binding) === true);
    expect(unused?.bindings).toHaveLength(3 * 2);
    expect(holdsFor(unused, first)).toHaveLength(6);
    expect(holdsFor(unused, used)).toHaveLength(4);
    expect(holdsFor(isUsed, used)).toEqual([{ page: page1 }]);
    expect(once?.bindings).toEqual([{}]);
    expect(holdsFor(once, used)).toEqual([{}]);
  });

  it('counts only the states in which what is given is true', () => {
    const set = properties(protocol, ({ invariant }) => ({
      'a mapped page is used': invariant({
        forall: { page: Page },
        given: (s, { page }) => s.page[page].mapped,
        holds: (s, { page }) => s.page[page].uses > 0,
      }),
    }));
    const [property] = propertiesOf(instance, [set]);
    const holdsFor1 = [first, mapped, used].map((state) => property?.test(state, { page: page1 }));
    expect(holdsFor1).toEqual([true, false, true]);
  });

  it('sees the places and locals of procedures', () => {
    const set = properties(protocol, ({ invariant }) => ({
      'never done': invariant({ holds: (s) => s.map.every(({ at }) => at !== 'done') }),
    }));
    const [property] = propertiesOf(instance, [set]);
    expect([first, mapped].map((state) => property?.test(state, {}))).toEqual([true, false]);
  });

  it('tells its kind, its words and its requirements, one or several', () => {
    const set = properties(protocol, ({ invariant, reachable, deadlockFree }) => ({
      a: invariant({ doc: 'in words', requirement: 'INV-01', holds: () => true }),
      b: reachable({ requirement: ['INV-01', 'ATS-02'], holds: () => true }),
      c: deadlockFree({}),
    }));
    expect(propertiesOf(instance, [set])).toMatchObject([
      { name: 'a', kind: 'invariant', doc: 'in words', requirements: ['INV-01'] },
      { name: 'b', kind: 'reachable', doc: '', requirements: ['INV-01', 'ATS-02'] },
      { name: 'c', kind: 'deadlock', doc: '', requirements: [] },
    ]);
  });
});

describe('freedom from deadlock', () => {
  it('is checked also where no property says so', () => {
    expect(propertiesOf(instance, [])).toMatchObject([{ name: 'no deadlock', kind: 'deadlock' }]);
  });

  it('takes a state for final in which every procedure is done, unless final states are named', () => {
    const [implicit] = propertiesOf(instance, []);
    const done = run(
      instance,
      ...[0, 1, 2].map((page) => ({ type: 'map', step: 'map', page: page as never }) as const),
    );
    expect([first, mapped, done].map((state) => implicit?.finalState(state))).toEqual([
      undefined,
      undefined,
      'every procedure is done',
    ]);
    const named = properties(protocol, ({ deadlockFree }) => ({
      'no deadlock': deadlockFree({
        final: { unmapped: (s) => !s.page[page1].mapped, 'in use': (s) => s.page[page1].uses > 0 },
      }),
    }));
    const [explicit] = propertiesOf(instance, [named]);
    expect([first, mapped, used, done].map((state) => explicit?.finalState(state))).toEqual([
      'unmapped',
      undefined,
      'in use',
      undefined,
    ]);
  });
});

describe('the choice of properties', () => {
  const set = properties(protocol, ({ invariant }) => ({
    'nothing stale': invariant({ holds: () => true }),
    'no leak': invariant({ holds: () => true }),
  }));

  it('leaves those that are named, in the order of their declaration', () => {
    const names = (only: readonly string[]): string[] => propertiesOf(instance, [set], only).map(({ name }) => name);
    expect(names(['no leak', 'nothing stale'])).toEqual(['nothing stale', 'no leak']);
    expect(names(['no deadlock'])).toEqual(['no deadlock']);
  });

  it('of an unknown name is an error with a suggestion', () => {
    expect(messageOf(() => propertiesOf(instance, [set], ['no leek']))).toBe(
      "ModelError: model 'protocol': there is no property 'no leek'; did you mean 'no leak'?",
    );
  });
});

describe('properties that are wrong as they are written are refused:', () => {
  const invariant = (holds: () => boolean) =>
    properties(protocol, ({ invariant: declare }) => ({ same: declare({ holds }) }));

  it('two of one name, in whatever set they are', () => {
    expect(messageOf(() => propertiesOf(instance, [invariant(() => true), invariant(() => false)]))).toBe(
      "ModelError: model 'protocol': two properties are named 'same'",
    );
  });

  it('two about deadlock', () => {
    const two = properties(protocol, ({ deadlockFree }) => ({ a: deadlockFree({}), b: deadlockFree({}) }));
    expect(messageOf(() => propertiesOf(instance, [two]))).toBe(
      "ModelError: model 'protocol': 'b' is a second deadlock property",
    );
  });

  it("another kind named 'no deadlock', which is the name of the one that is always there", () => {
    const named = properties(protocol, (b) => ({ 'no deadlock': b.invariant({ holds: () => true }) }));
    expect(messageOf(() => propertiesOf(instance, [named]))).toBe(
      "ModelError: model 'protocol': only the deadlock property can be named 'no deadlock'",
    );
  });

  it('a quantifier with too many combinations', () => {
    const wide = properties(protocol, (b) => ({
      wide: b.invariant({ forall: { a: range(1, 1001), b: range(1, 1000) }, holds: () => true }),
    }));
    expect(messageOf(() => propertiesOf(instance, [wide]))).toBe(
      "ModelError: model 'protocol', 'wide': the parameters have 1001000 combinations: at most 1000000 are possible",
    );
  });

  it('a function that throws while they are built', () => {
    const failing = properties(protocol, () => expect.fail('no properties'));
    expect(messageOf(() => propertiesOf(instance, [failing]))).toBe(
      "ModelError: model 'protocol': the properties cannot be built: AssertionError: no properties",
    );
  });

  it.each([
    ['throws', () => expect.fail('no way'), 'threw: no way'],
    ['answers neither yes nor no', () => 'yes' as never, 'returned yes, not true or false'],
    ['is a promise', () => Promise.resolve(true) as never, 'returned a promise: a model is synchronous'],
  ])('a test that %s', (_, holds, problem) => {
    const [property] = propertiesOf(instance, [invariant(holds)]);
    expect(messageOf(() => property?.test(first, {}))).toBe(`ModelError: model 'protocol', 'same': ${problem}`);
  });

  it('a test that writes the state', () => {
    const writing = properties(protocol, (b) => ({
      writes: b.invariant({ holds: (s) => Object.assign(s.page[page1], { uses: 2 }) !== null }),
    }));
    const [property] = propertiesOf(instance, [writing]);
    expect(messageOf(() => property?.test(first, {}))).toContain("'writes': changes what it may only read");
  });

  it('a final state whose test throws, in its own name', () => {
    const failing = properties(protocol, (b) => ({
      free: b.deadlockFree({ final: { end: () => expect.fail('no end') } }),
    }));
    const [property] = propertiesOf(instance, [failing]);
    expect(messageOf(() => property?.finalState(first))).toBe("ModelError: model 'protocol', 'end': threw: no end");
  });
});
