import { describe, expect, it } from 'vitest';
import {
  bool,
  each,
  initialStates,
  instantiate,
  model,
  properties,
  propertiesOf,
  range,
  type Shape,
  sort,
  variants,
} from './index.ts';
import { Cpu, Page } from './one-action.fixture.ts';
import { errorOf, messageOf, start } from './runs.fixture.ts';

type Sizes = { page: number; cpu: number; retries: number };
const sized = model({
  name: 'sized',
  sizes: {
    smoke: { page: 1, cpu: 1, retries: 0 },
    ci: { page: 2, cpu: 3, retries: 1 },
    deep: { page: 4, cpu: 5, retries: 2 },
    huge: { page: 70_000, cpu: 1, retries: 0 },
  },
  state: ({ size }) => ({ page: each(Page, bool), tries: range(0, size.retries) }),
  actions: ({ action, size }) => ({
    retry: action({ count: range(0, size.retries) }, { actor: 'cpu', then: {} }),
  }),
});

describe('a named size', () => {
  it.each([
    ['smoke', 1],
    ['ci', 2],
    ['deep', 4],
  ])('%s gives the sorts and constants their values', (size, pages) => {
    const instance = instantiate(sized, size);
    expect(instance.size).toBe(size);
    expect(instance.sizes).toEqual(sized.sizes[size]);
    expect(start(instance).page).toHaveLength(pages);
  });

  it('is ci where none is named', () => {
    expect(instantiate(sized).size).toBe('ci');
  });

  it.each([
    ['depe', "there is no size 'depe'; did you mean 'deep'?"],
    ['enormous', "there is no size 'enormous'; known: 'smoke', 'ci', 'deep', 'huge'"],
    ['toString', "there is no size 'toString'; known: 'smoke', 'ci', 'deep', 'huge'"],
  ])('that is not declared is an error: %s', (size, problem) => {
    expect(messageOf(() => instantiate(sized, size))).toBe(`ModelError: model 'sized': ${problem}`);
  });

  it('need not be declared by a model without sorts and constants', () => {
    const still = model({ name: 'still', state: () => ({ x: bool }), actions: () => ({}) });
    for (const size of ['smoke', 'ci', 'deep']) expect(instantiate(still, size).sizes).toEqual({});
  });
});

describe('a size that is set otherwise', () => {
  it('takes the place of the one declared, and leaves the declaration as it is', () => {
    const instance = instantiate(sized, 'ci', { set: { page: 7 } });
    expect(instance.sizes).toEqual({ page: 7, cpu: 3, retries: 1 });
    expect(instantiate(sized, 'ci').sizes['page']).toBe(2);
    expect(Object.isFrozen(instance.sizes)).toBe(true);
  });

  it.each([
    [{ pgae: 3 }, "there is no sort or constant 'pgae' to set; did you mean 'page'?"],
    [{ endpoint: 3 }, "there is no sort or constant 'endpoint' to set; known: 'page', 'cpu', 'retries'"],
    [{ valueOf: 3 }, "there is no sort or constant 'valueOf' to set; known: 'page', 'cpu', 'retries'"],
    [{ page: 1.5 }, 'size page=1.5 is not a whole number from 0 up'],
    [{ page: -1 }, 'size page=-1 is not a whole number from 0 up'],
    [{ page: Number.NaN }, 'size page=NaN is not a whole number from 0 up'],
    [{ retries: Number.POSITIVE_INFINITY }, 'size retries=Infinity is not a whole number from 0 up'],
    [{ page: '3' as unknown as number }, 'size page=3 is not a whole number from 0 up'],
    [{ page: 0 }, "sort 'page' has size 0: it needs at least one member"],
    [{ page: 65_536 }, "sort 'page' has 65536 members: at most 65535 are possible"],
  ])('must be a whole number, and name something: %j', (set: Record<string, number>, problem) => {
    expect(messageOf(() => instantiate(sized, 'ci', { set }))).toBe(`ModelError: model 'sized': ${problem}`);
  });

  it('may be 0 where it is a constant', () => {
    expect(instantiate(sized, 'ci', { set: { retries: 0 } }).rules[0]?.bindings).toHaveLength(1);
  });
});

describe('a size as declared', () => {
  it('is checked like one that is set', () => {
    expect(errorOf(() => instantiate(sized, 'huge'))?.problem).toContain('at most 65535 are possible');
    const half = { cpu: 0.5 };
    const halved = model({
      name: 'halved',
      sizes: { smoke: half, ci: half, deep: half },
      state: () => ({}),
      actions: () => ({}),
    });
    expect(errorOf(() => instantiate(halved))?.problem).toBe('size cpu=0.5 is not a whole number from 0 up');
  });

  it.each([
    ['in the state', 'of', () => ({ x: each(sort('of'), bool) })],
    ['that is called like something that every object has', 'constructor', () => ({ x: sort('constructor') })],
  ] satisfies [string, string, () => Shape][])(
    'must not be missing for a sort %s',
    (...[, name, state]: [string, string, () => Shape]) => {
      const unsized = model({ name: 'unsized', state, actions: () => ({}) });
      expect(messageOf(() => instantiate(unsized))).toBe(
        `ModelError: model 'unsized': sort '${name}' has no size: give one in the model's sizes`,
      );
    },
  );

  it('must not be missing for a sort that only an action, or only a property, ranges over', () => {
    const acting = model({
      name: 'acting',
      state: () => ({ x: bool }),
      actions: ({ action }) => ({ act: action({ page: Page }, { actor: 'any', then: {} }) }),
    });
    expect(messageOf(() => instantiate(acting))).toContain("model 'acting', action 'act': sort 'page' has no size");
    const quantified = properties(sized, ({ invariant }) => ({
      'for all': invariant({ forall: { other: sort('other') }, holds: () => true }),
    }));
    expect(messageOf(() => propertiesOf(instantiate(sized), [quantified]))).toContain(
      "model 'sized', 'for all': sort 'other' has no size",
    );
  });
});

describe('what a model is told about its size', () => {
  it('are the members of a sort, and the order of an ordered one, which closes to a ring', () => {
    const told: unknown[] = [];
    const asking = model({
      name: 'asking',
      sizes: { smoke: { page: 1, cpu: 1 }, ci: { page: 2, cpu: 3 }, deep: { page: 2, cpu: 3 } },
      state: ({ members, first, next, index, size }) => {
        const last = members(Cpu).at(-1) ?? first(Cpu);
        told.push(
          members(Page),
          members(Cpu).map((cpu) => next(Cpu, cpu)),
          index(Cpu, last),
          first(Cpu),
          size,
        );
        return {};
      },
      actions: () => ({}),
    });
    instantiate(asking);
    expect(told).toEqual([[0, 1], [1, 2, 0], 2, 0, { page: 2, cpu: 3 }]);
  });

  it('is told to its initial state, whether that is one or many', () => {
    const shape = { last: Page };
    const one = model({
      name: 'one',
      sizes: sized.sizes as { smoke: Sizes; ci: Sizes; deep: Sizes },
      state: shape,
      initial: (s, { members }) => void (s.last = members(Page).at(-1)!),
      actions: () => ({}),
    });
    expect(initialStates(instantiate(one, 'deep'))).toEqual([{ last: 3 }]);
    const many = model({
      name: 'many',
      sizes: sized.sizes as { smoke: Sizes; ci: Sizes; deep: Sizes },
      state: shape,
      initial: {
        choose: { page: Page },
        when: (_s, { page }, { members }) => page !== members(Page)[0],
        then: (s, { page }, { size, members }) => void (s.last = size.retries > 1 ? page : members(Page)[0]!),
      },
      actions: () => ({}),
    });
    expect(initialStates(instantiate(many, 'deep'))).toEqual([{ last: 1 }, { last: 2 }, { last: 3 }]);
    expect(initialStates(instantiate(many, 'ci'))).toEqual([{ last: 0 }]);
  });

  it('is told to its properties and variants as well', () => {
    const seen: unknown[] = [];
    const set = properties(sized, ({ invariant, size, members }) => {
      seen.push(size.retries, members(Page).length);
      return { fine: invariant({ holds: () => true }) };
    });
    const { variants: all } = variants(set, {
      bug: {
        doc: '',
        reference: '',
        violates: { fine: 0 },
        edits: ({ drop, size, members }) => {
          seen.push(size.page, members(Cpu).length);
          return [drop(['retry'])];
        },
      },
    });
    const options = { set: { page: 5 }, variant: all[0]!.edit };
    propertiesOf(instantiate(sized, 'deep', options), [set]);
    expect(seen).toEqual([5, 5, 2, 5]);
  });
});
