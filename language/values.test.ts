import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SetValue } from './collections.ts';
import { concrete } from './concrete.ts';
import { bag, bool, type Domain, domainBrand, each, optional, queue, range, record, setOf } from './domain.ts';
import { Device, Page, sizes } from './one-action.fixture.ts';
import { domains, inOneOrder, maker, plainValues } from './values.fixture.ts';

const valueOfAnyDomain = domains.chain((domain) => fc.tuple(fc.constant(domain), plainValues(domain)));

/** Two values of the same domain that are often equal: the same, the same in another order, or any other. */
const pairs = domains.chain((domain) =>
  fc
    .tuple(fc.constant(domain), plainValues(domain))
    .chain(([, first]) =>
      fc.tuple(
        fc.constant(domain),
        fc.constant(first),
        fc.oneof(fc.constant(inOneOrder(domain, first)), fc.constant(first), plainValues(domain)),
      ),
    ),
);

describe('the key of a value', () => {
  it('is the same exactly when the values are equal, whatever order bags and sets were filled in', () => {
    fc.assert(
      fc.property(pairs, ([domain, a, b]) => {
        const { concrete: of, make } = maker(domain);
        const equal = isDeepStrictEqual(inOneOrder(domain, a), inOneOrder(domain, b));
        expect(of.key(make(a)) === of.key(make(b))).toBe(equal);
        expect(isDeepStrictEqual(make(a), make(b))).toBe(equal);
      }),
      { numRuns: 1000 },
    );
  });

  it('tells apart values whose parts only add up to the same', () => {
    const domain = record({ a: queue(3, range(0, 3)), b: queue(3, range(0, 3)) });
    const { concrete: of, make } = maker(domain);
    const keys = [
      { a: [1], b: [1, 1] },
      { a: [1, 1], b: [1] },
      { a: [], b: [1, 1, 1] },
      { a: [1, 1, 1], b: [] },
    ].map((plain) => of.key(make(plain)));
    expect(new Set(keys).size).toBe(4);
  });

  it.each([0, 1, 0xffef, 0xfff0, 0xffff, 0x10000, 2 ** 20, 2 ** 30, 2 ** 31 - 3])(
    'tells the %i-th value of a wide range apart from its neighbours',
    (value) => {
      const { key } = concrete(range(0, 2 ** 31 - 1), sizes.ci);
      expect(new Set([key(value), key(value + 1), key(0x1234), key(2 ** 31 - 1)]).size).toBe(4);
    },
  );

  it.each([1, 15, 16, 20, 40])('tells subsets of a sort of %i members apart that differ in one', (size) => {
    const { key, initial } = concrete(setOf(Page), { page: size });
    const ones = Array.from({ length: size }, (_, member) => {
      const set = new SetValue<number>(size);
      set.add(member);
      return set;
    });
    expect(new Set([initial, ...ones].map(key)).size).toBe(size + 1);
  });

  it('refuses a value outside the domain', () => {
    expect(() => concrete(range(0, 3), sizes.ci).key(4)).toThrow('4 is not an integer from 0 to 3');
    expect(() => concrete(Page, sizes.ci).key(3)).toThrow("3 is not a member of 'page', which has 3");
  });
});

describe('a bag', () => {
  it('is one and the same value in whatever order its items were added', () => {
    const domain = bag(3, { page: Page, device: optional(Device) });
    const { concrete: of, make } = maker(domain);
    fc.assert(
      fc.property(
        plainValues(domain).chain((items) =>
          fc.tuple(
            fc.constant(items),
            fc.shuffledSubarray(items as unknown[], { minLength: (items as unknown[]).length }),
          ),
        ),
        ([items, shuffled]) => {
          expect(make(shuffled)).toEqual(make(items));
          expect(of.show(make(shuffled))).toBe(of.show(make(items)));
        },
      ),
    );
  });
});

const absent = Symbol('absent');
const junk = fc.oneof(
  fc.integer({ min: -4, max: 7 }),
  fc.boolean(),
  fc.constantFrom<unknown>(undefined, null, '', 'a', 'b', 'zapp', Number.NaN, 0.5, 1n, Symbol('junk'), absent),
  fc.constantFrom<unknown>({}, [], [true], { f0: false }, { f0: false, f1: 0 }, new Map(), new Date(0), () => true),
);

describe('a value', () => {
  it('that an effect can build from what a domain offers is never found outside of it', () => {
    fc.assert(
      fc.property(valueOfAnyDomain, ([domain, plain]) => {
        const { concrete: of, make } = maker(domain);
        expect(of.misfit(make(plain), 'it')).toBeUndefined();
        expect(of.misfit(make(plain), 'it', of.initial)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it('with any part exchanged is accepted exactly if it is still a value of the domain', () => {
    let refused = 0;
    fc.assert(
      fc.property(valueOfAnyDomain, fc.nat(), junk, ([domain, plain], place, part) => {
        const { concrete: of, make } = maker(domain);
        const value = make(plain);
        const places = placesIn(value);
        const path = places[place % places.length] ?? [];
        const broken = exchanged(value, path, part);
        const misfit = of.misfit(broken, 'it', value);
        expect(misfit === undefined).toBe(isIn(domain, broken));
        if (misfit === undefined) return;
        refused++;
        expect(misfit.field.startsWith('it')).toBe(true);
        expect(misfit.problem).not.toBe('');
      }),
      { numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(1000);
  });

  it('with one field more is refused, with a suggestion', () => {
    const { misfit } = concrete(record({ page: record({ pte: range(0, 1), owner: Device }) }), sizes.ci);
    expect(misfit({ page: { pte: 0, owner: 0, ownr: 1 } }, '')).toEqual({
      field: 'page.ownr',
      problem: "there is no such field; did you mean 'owner'?",
    });
  });

  it('with more elements than its sort has members is refused', () => {
    const { misfit } = concrete(each(Device, range(0, 1)), sizes.ci);
    expect(misfit([0, 0, 0], 'it')).toEqual({ field: 'it[2]', problem: "'device' has only 2 member(s)" });
    expect(misfit(Object.assign([0, 0], { length: 3 }), 'it')?.field).toBe('it[2]');
    expect(misfit(Object.assign([0, 0], { extra: 0 }), 'it')?.field).toBe('it[extra]');
  });

  it('of a class of its own is refused, even with the right fields', () => {
    class Pair {
      a = 0;
    }
    expect(concrete(record({ a: range(0, 1) }), sizes.ci).misfit(new Pair(), 'it')).toEqual({
      field: 'it',
      problem: '{"a":0} is not a plain record',
    });
  });

  it('is named by the member and field where it does not fit', () => {
    const { concrete: of } = maker(each(Device, Page, { entry: range(0, 1) }));
    const rows = [0, 1].map((device) => [0, 1, 2].map((page) => ({ entry: device === 1 && page === 2 ? 7 : 0 })));
    expect(of.misfit(rows, 'atc')).toEqual({
      field: 'atc[device1][page2].entry',
      problem: '7 is not an integer from 0 to 1',
    });
  });
});

type Path = readonly (string | number)[];

/** The paths to all parts of a value that an effect can put another in place of, itself included. */
function placesIn(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null || value instanceof SetValue) return [path];
  const below = Object.entries(value).flatMap(([name, part]) => placesIn(part, [...path, name]));
  return [path, ...below.filter((place) => place.at(-1) !== 'items')];
}

/** The value with another part in one place. */
function exchanged(value: unknown, path: Path, part: unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return part === absent ? undefined : part;
  const from = value as Record<string, unknown>;
  const copy = (
    Array.isArray(from) ? [...(from as unknown[])] : Object.create(Object.getPrototypeOf(from) as object)
  ) as Record<string | number, unknown>;
  Object.assign(copy, from);
  if (rest.length === 0 && part === absent) delete copy[name];
  else copy[name] = exchanged(from[name], rest, part);
  return copy;
}

/** Whether a value is one of the domain: the definition, once more and without regard to speed. */
function isIn(domain: Domain, value: unknown): boolean {
  const kind = domain[domainBrand];
  const sizeOf = (name: string): number => (sizes.ci as Record<string, number>)[name] ?? 0;
  const isWhole = (low: number, high: number): boolean =>
    typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high;
  const fields = (names: readonly string[]): boolean =>
    isDeepStrictEqual(Object.keys(value as object).toSorted(), names.toSorted());
  const part = (name: string): unknown =>
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  const isListOf = (list: unknown, of: Domain): boolean =>
    Array.isArray(list) && Array.from(list, (item) => isIn(of, item)).every(Boolean);
  switch (kind.kind) {
    case 'bool':
      return typeof value === 'boolean';
    case 'range':
      return isWhole(kind.low, kind.high);
    case 'oneOf':
      return kind.values.includes(value as string);
    case 'sort':
      return isWhole(0, sizeOf(kind.name) - 1);
    case 'optional':
      return value === null || isIn(kind.of, value);
    case 'record':
      return (
        Object.prototype.toString.call(value) === '[object Object]' &&
        Object.getPrototypeOf(value) === Object.prototype &&
        fields(Object.keys(kind.fields)) &&
        Object.entries(kind.fields).every(([name, of]) => isIn(of, part(name)))
      );
    case 'each':
      return isListOf(value, kind.of) && part('length') === sizeOf(kind.sort.name);
    case 'setOf':
      return isListOf(part('flags'), bool) && (part('flags') as unknown[]).length === sizeOf(kind.sort.name);
    case 'queue':
    case 'bag':
      return isListOf(part('items'), kind.of);
    default:
      return kind satisfies never;
  }
}
