import { describe, expect, it } from 'vitest';
import { concrete } from './concrete.ts';
import { bag, bool, type Domain, each, oneOf, optional, queue, range, record, setOf, sort } from './domain.ts';
import { instantiate, stateSpaceBound } from './index.ts';
import { Device, Cpu, oneAction, Page, sizes } from './one-action.fixture.ts';

const deep = {
  page: each(Page, { pte: oneOf('none', 'valid'), owner: optional(Device) }),
  link: { requests: queue(2, { page: Page, tagged: bool }), answers: bag(2, range(0, 1)) },
  reached: each(Device, Page, setOf(Cpu)),
};

/** Each domain with its number of values and its first value as people see it. */
const examples: readonly (readonly [name: string, domain: Domain, count: number, first: string])[] = [
  ['bool', bool, 2, 'false'],
  ['range(3, 5)', range(3, 5), 3, '3'],
  ['range(-2, 2)', range(-2, 2), 5, '-2'],
  ['range(7, 7)', range(7, 7), 1, '7'],
  ['oneOf', oneOf('idle', 'busy', 'done'), 3, "'idle'"],
  ['an interchangeable sort', Page, 3, 'page0'],
  ['an ordered sort', Cpu, 4, 'cpu0'],
  ['optional(bool)', optional(bool), 3, 'none'],
  ['optional(record)', optional({ page: Page }), 4, 'none'],
  ['record', record({ a: bool, b: Page }), 6, '{ a: false, b: page0 }'],
  ['an empty record', record({}), 1, '{  }'],
  ['setOf', setOf(Page), 8, '{}'],
  ['each over one sort', each(Page, bool), 8, '[page0: false, page1: false, page2: false]'],
  [
    'each over two sorts',
    each(Device, Page, bool),
    64,
    '[device0: [page0: false, page1: false, page2: false], device1: [page0: false, page1: false, page2: false]]',
  ],
  [
    'each over three sorts',
    each(Device, Device, Device, range(1, 3)),
    3 ** 8,
    '[device0: [device0: [device0: 1, device1: 1], device1: [device0: 1, device1: 1]], device1: [device0: [device0: 1, device1: 1], device1: [device0: 1, device1: 1]]]',
  ],
  ['queue(2, bool)', queue(2, bool), 1 + 2 + 4, '<>'],
  ['queue(3, oneOf)', queue(3, oneOf('a', 'b', 'c')), 1 + 3 + 9 + 27, '<>'],
  ['bag(2, bool)', bag(2, bool), 1 + 2 + 3, '{||}'],
  ['bag(3, record)', bag(3, { page: Page }), 1 + 3 + 6 + 10, '{||}'],
];

describe('a domain', () => {
  it.each(examples)('%s has as many values as there are, and starts with its first', (_, domain, count, first) => {
    const { count: counted, initial, misfit, show } = concrete(domain, sizes.ci);
    expect(counted).toBe(BigInt(count));
    expect(show(initial)).toBe(first);
    expect(misfit(initial, 'it')).toBeUndefined();
  });

  it.each([
    ['bool', bool],
    ['range', range(-1, 3)],
    ['oneOf', oneOf('a', 'b')],
    ['a sort', Page],
    ['optional', optional({ a: bool, b: Device })],
    ['record', record({ a: optional(bool), b: { c: range(1, 2) } })],
  ] satisfies [string, Domain][])('%s lists each of its values once', (_, domain) => {
    const { count, key, values } = concrete(domain, sizes.ci);
    expect(new Set(values().map((value) => key(value))).size).toBe(Number(count));
    expect(values()).toHaveLength(Number(count));
  });

  it('gives a nested state the product of its domains as its state space bound', () => {
    const instance = instantiate(oneAction(deep, []));
    const page = (2 * 3) ** 3;
    const link = (1 + 6 + 36) * (1 + 2 + 3);
    const reached = (2 ** 4) ** (2 * 3);
    expect(stateSpaceBound(instance)).toBeCloseTo(Math.log2(page * link * reached), 9);
  });

  it('tells a state space bound far beyond what a number can hold', () => {
    const many = sort('page');
    const state = { a: each(many, many, bool) };
    const instance = instantiate(oneAction(state, []), 'ci', { set: { page: 60 } });
    expect(stateSpaceBound(instance)).toBe(3600);
  });

  it('nests to any depth, with all of the initial value frozen', () => {
    const { initial } = concrete(record(deep), sizes.ci);
    expect(isDeeplyFrozen(initial)).toBe(true);
    expect(initial).toMatchObject({
      page: [
        { pte: 'none', owner: null },
        { pte: 'none', owner: null },
        { pte: 'none', owner: null },
      ],
    });
  });

  it('names its parts for messages and traces', () => {
    const state = concrete(record(deep), sizes.ci);
    const page = state.child('page');
    const page1 = page?.domain.child(1);
    expect([page?.label, page1?.label, page1?.domain.child('pte')?.label]).toEqual(['.page', '[page1]', '.pte']);
    expect(state.child('nothing')).toBeUndefined();
  });
});

function isDeeplyFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen);
}

describe('a domain that makes no sense is refused:', () => {
  it.each([
    ['a range without values', () => range(2, 1), 'range(2, 1) is empty'],
    ['a range with a bound that is no integer', () => range(0, 1.5), 'range(0, 1.5): both bounds must be integers'],
    ['a range with a bound that is no number', () => range(0, Number.NaN), 'both bounds must be integers'],
    ['a range too wide to be explored', () => range(0, 2 ** 31), 'has 2^31 values or more'],
    ['a name given twice', () => oneOf('a', 'b', 'a'), "oneOf: 'a' is named twice"],
    ['no name at all', () => oneOf(...([] as unknown as ['a'])), 'oneOf needs at least one name'],
    ['a queue that holds nothing', () => queue(0, bool), 'queue: capacity 0 is not an integer between 1 and 65535'],
    ['a bag for half an item', () => bag(1.5, bool), 'bag: capacity 1.5 is not an integer between 1 and 65535'],
    ['a queue longer than 65535', () => queue(65536, bool), 'queue: capacity 65536'],
    ['an optional of an optional', () => optional(optional(bool)), 'optional: the domain has null already'],
    ['each over what is no sort', () => each(bool as never, bool), 'each: all arguments but the last must be sorts'],
    ['each over nothing', () => (each as (of: Domain) => Domain)(bool), 'each needs a sort and a shape'],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(message);
  });

  it.each(['', '7', '__proto__'])('a field that cannot keep its name %j', (name) => {
    const state = { outer: record(Object.fromEntries([[name, bool]])) };
    expect(() => instantiate(oneAction(state, []))).toThrow(`'${name}' cannot name a field`);
  });
});
