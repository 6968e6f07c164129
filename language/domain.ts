/**
 * The finite domains that a state is made of, and the TypeScript type of each domain's values.
 */
import type { Bag, MemberSet, Queue, ReadonlyBag, ReadonlyMemberSet, ReadonlyQueue } from './collections.ts';
import { ModelError } from './errors.ts';

/** Brand by a registered symbol, so that two copies of this package understand each other's models. */
export const domainBrand: unique symbol = Symbol.for('svacheck.domain') as never;
declare const valueType: unique symbol;

/** What a domain is, before the sizes of its sorts are known. */
export type DomainKind =
  | { readonly kind: 'bool' }
  | { readonly kind: 'range'; readonly low: number; readonly high: number }
  | { readonly kind: 'oneOf'; readonly values: readonly string[] }
  | { readonly kind: 'sort'; readonly name: string; readonly ordered: boolean }
  | { readonly kind: 'optional'; readonly of: Domain }
  | { readonly kind: 'record'; readonly fields: Readonly<Record<string, Domain>> }
  | { readonly kind: 'each'; readonly sort: Sort; readonly of: Domain }
  | { readonly kind: 'setOf'; readonly sort: Sort }
  | { readonly kind: 'queue'; readonly capacity: number; readonly of: Domain }
  | { readonly kind: 'bag'; readonly capacity: number; readonly of: Domain };

/** A finite set of values of type `T`. */
export interface Domain<out T = unknown> {
  readonly [domainBrand]: DomainKind;
  readonly [valueType]?: T;
}

/** A record of domains; plain nested objects are records too. */
export interface Shape {
  readonly [field: string]: Domain | Shape;
}

/**
 * A member of a sort. At run time it is the member's number, counted from 0; the type is opaque, so that members of
 * different sorts cannot be mixed up and no code can single one member out by a literal.
 */
export type Member<Name extends string> = `a ${Name}`;

/** A named finite set, such as pages or processes; its size comes from the model's sizes. */
export interface Sort<Name extends string = string, Ordered extends boolean = boolean> extends Domain<Member<Name>> {
  readonly name: Name;
  readonly ordered: Ordered;
}

/** What an indexed family offers beside `family[member]`: the reading half of a JavaScript array. */
export interface EachView<Name extends string, T> {
  readonly length: number;
  every(test: (value: T, member: Member<Name>) => boolean): boolean;
  some(test: (value: T, member: Member<Name>) => boolean): boolean;
  filter(test: (value: T, member: Member<Name>) => boolean): readonly T[];
  find(test: (value: T, member: Member<Name>) => boolean): T | undefined;
  forEach(visit: (value: T, member: Member<Name>) => void): void;
  keys(): IterableIterator<Member<Name>>;
  entries(): IterableIterator<[Member<Name>, T]>;
  [Symbol.iterator](): IterableIterator<T>;
}

/** One value for every member of a sort. */
export type Each<Name extends string, T> = { [member in Member<Name>]: T } & EachView<Name, T>;

/** The values of a domain or shape, as an effect may change them. */
export type Value<D> =
  D extends Domain<infer T> ? T : D extends Shape ? { -readonly [Field in keyof D]: Value<D[Field]> } : never;

/** The same values as a guard or property sees them: deeply read-only. */
export type Frozen<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends ReadonlyQueue<infer Item>
    ? ReadonlyQueue<Frozen<Item>>
    : T extends ReadonlyBag<infer Item>
      ? ReadonlyBag<Frozen<Item>>
      : T extends ReadonlyMemberSet<infer M>
        ? ReadonlyMemberSet<M>
        : T extends EachView<infer Name, infer Item>
          ? { readonly [member in Member<Name>]: Frozen<Item> } & EachView<Name, Frozen<Item>>
          : T extends object
            ? { readonly [Field in keyof T]: Frozen<T[Field]> }
            : T;

function domain<T>(kind: DomainKind): Domain<T> {
  return Object.freeze({ [domainBrand]: Object.freeze(kind) });
}

/** Whether a value is a domain (made by any copy of this package). */
function isDomain(value: unknown): value is Domain {
  return typeof value === 'object' && value !== null && domainBrand in value;
}

/** A domain or a shape, as a domain. */
export function toDomain(shape: Domain | Shape): Domain {
  return isDomain(shape) ? shape : record(shape);
}

/** `false` or `true`; initially `false`. */
export const bool: Domain<boolean> = domain({ kind: 'bool' });

/** The integers from `low` to `high`, both included; initially `low`. */
export function range(low: number, high: number): Domain<number> {
  if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high)) {
    throw new ModelError(`range(${low}, ${high}): both bounds must be integers`);
  }
  if (high < low) throw new ModelError(`range(${low}, ${high}) is empty: the upper bound is below the lower`);
  if (high - low >= 2 ** 31) throw new ModelError(`range(${low}, ${high}) has 2^31 values or more`);
  return domain({ kind: 'range', low, high });
}

/** One of the given names; initially the first. */
export function oneOf<const Names extends readonly [string, ...string[]]>(...values: Names): Domain<Names[number]> {
  const twice = values.find((value, i) => values.indexOf(value) !== i);
  if (twice !== undefined) throw new ModelError(`oneOf: '${twice}' is named twice`);
  if (values.length === 0) throw new ModelError('oneOf needs at least one name');
  return domain({ kind: 'oneOf', values });
}

/**
 * A named finite set of members, such as `sort('page')`. Its size is the entry of that name in the model's sizes.
 * Members are interchangeable unless `ordered` is true: then `next` and `index` work on them, and no reduction by
 * symmetry will be applied.
 */
export function sort<const Name extends string>(name: Name): Sort<Name, false>;
export function sort<const Name extends string, const Ordered extends boolean>(
  name: Name,
  options: { readonly ordered: Ordered },
): Sort<Name, Ordered>;
export function sort(name: string, options = { ordered: false }): Sort {
  return Object.freeze({
    [domainBrand]: Object.freeze({ kind: 'sort', name, ordered: options.ordered } as const),
    name,
    ordered: options.ordered,
  });
}

/** A value of the domain, or `null`; initially `null`. */
export function optional<const D extends Domain | Shape>(of: D): Domain<Value<D> | null> {
  const some = toDomain(of);
  if (some[domainBrand].kind === 'optional') throw new ModelError('optional: the domain has null already');
  return domain({ kind: 'optional', of: some });
}

/** A record; where a domain is expected a plain object means the same. */
export function record<const Fields extends Shape>(fields: Fields): Domain<Value<Fields>> {
  const resolved = Object.entries(fields).map(([name, field]) => [name, toDomain(field)] as const);
  return domain({ kind: 'record', fields: Object.fromEntries(resolved) });
}

/** A subset of a sort; initially empty. */
export function setOf<Name extends string>(of: Sort<Name>): Domain<MemberSet<Member<Name>>> {
  return domain({ kind: 'setOf', sort: of });
}

/** First in, first out, with at most `capacity` items; initially empty. Pushing to a full one is an error. */
export function queue<const D extends Domain | Shape>(capacity: number, of: D): Domain<Queue<Frozen<Value<D>>>> {
  checkCapacity('queue', capacity);
  return domain({ kind: 'queue', capacity, of: toDomain(of) });
}

/**
 * A multiset with at most `capacity` items, for what may happen in any order; initially empty. Two bags with the same
 * items are the same state, in whatever order they were added.
 */
export function bag<const D extends Domain | Shape>(capacity: number, of: D): Domain<Bag<Frozen<Value<D>>>> {
  checkCapacity('bag', capacity);
  return domain({ kind: 'bag', capacity, of: toDomain(of) });
}

function checkCapacity(kind: string, capacity: number): void {
  if (!Number.isSafeInteger(capacity) || capacity < 1 || capacity > 0xffff) {
    throw new ModelError(`${kind}: capacity ${capacity} is not an integer between 1 and 65535`);
  }
}

/** One value for each member of a sort, or for each combination of members: `each(Device, Page, {...})`. */
export function each<A extends string, const D extends Domain | Shape>(a: Sort<A>, of: D): Domain<Each<A, Value<D>>>;
export function each<A extends string, B extends string, const D extends Domain | Shape>(
  a: Sort<A>,
  b: Sort<B>,
  of: D,
): Domain<Each<A, Each<B, Value<D>>>>;
export function each<A extends string, B extends string, C extends string, const D extends Domain | Shape>(
  a: Sort<A>,
  b: Sort<B>,
  c: Sort<C>,
  of: D,
): Domain<Each<A, Each<B, Each<C, Value<D>>>>>;
export function each(...sortsAndShape: readonly (Sort | Domain | Shape)[]): Domain<never> {
  const sorts = sortsAndShape.slice(0, -1) as readonly Sort[];
  const shape = sortsAndShape.at(-1);
  if (shape === undefined || sorts.length === 0) throw new ModelError('each needs a sort and a shape');
  let result = toDomain(shape);
  for (const of of sorts.toReversed()) {
    if (!isDomain(of) || of[domainBrand].kind !== 'sort') {
      throw new ModelError('each: all arguments but the last must be sorts');
    }
    result = domain({ kind: 'each', sort: of, of: result });
  }
  return result as Domain<never>;
}
