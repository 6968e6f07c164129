/**
 * A domain once the sizes of its sorts are known: how many values it has, which is the first, what a value's key is, and
 * whether a value lies in it.
 */
import { bagClass, BagValue, queueClass, QueueValue, SetValue } from './collections.ts';
import { type Domain, domainBrand } from './domain.ts';
import { ModelError, suggest } from './errors.ts';

/** Why a value is not in its domain, and which field it is. */
export interface Misfit {
  readonly field: string;
  readonly problem: string;
}

/** What a domain is made of, for whoever lays its values out in bits. */
export type Structure =
  | {
      readonly kind: 'leaf';
      readonly count: number;
      /** The number of a value, from 0 for the first; `undefined` for a value outside the domain. */
      readonly index: (value: unknown) => number | undefined;
      readonly value: (index: number) => unknown;
      /** The sort whose members these are. */
      readonly sort?: SortAtSize;
    }
  | { readonly kind: 'optional'; readonly of: Concrete }
  | { readonly kind: 'record'; readonly fields: readonly (readonly [name: string, of: Concrete])[] }
  | { readonly kind: 'each'; readonly sort: SortAtSize; readonly of: Concrete }
  | { readonly kind: 'setOf'; readonly sort: SortAtSize }
  | {
      readonly kind: 'queue' | 'bag';
      readonly capacity: number;
      readonly label: string;
      readonly of: Concrete;
      readonly class: new () => QueueValue<unknown> | BagValue<unknown>;
    };

/** A sort with its number of members. */
export interface SortAtSize {
  readonly name: string;
  readonly ordered: boolean;
  readonly size: number;
}

/** A finite set of values with everything that the checker asks of it. Values are frozen plain data. */
export interface Concrete<T = unknown> {
  readonly kind: string;
  readonly structure: Structure;
  /** How many values there are. */
  readonly count: bigint;
  /** The value that a fresh state has. */
  readonly initial: T;
  /** A string of fixed meaning: two values have the same key exactly when they are equal. */
  key(value: T): string;
  /**
   * Why `value` is not in the domain, or `undefined`. Parts that are the very same object in `known`, a value of the
   * domain, are not looked at again.
   */
  misfit(value: unknown, field: string, known?: unknown): Misfit | undefined;
  /** All values in a fixed order; an error if the domain is not meant to be enumerated. */
  values(): readonly T[];
  /** A value for people: members by name, records with their fields. */
  show(value: T): string;
  /** The names of the fields or members below, and their domains; for paths such as `page[page1].pte`. */
  child(key: string | number): { readonly label: string; readonly domain: Concrete } | undefined;
}

/** Sizes by name: how many members each sort has, and the model's other constants. */
export type Sizes = Readonly<Record<string, number>>;

const leafKeyLimit = 0xfff0;

function code(index: number): string {
  return index < leafKeyLimit
    ? String.fromCharCode(index)
    : String.fromCharCode(leafKeyLimit + (index >>> 28), (index >>> 14) & 0x3fff, index & 0x3fff);
}

/** `value` as it would be written in a message. */
function showRaw(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (value === undefined) return 'nothing (undefined)';
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) {
    try {
      return JSON.stringify(value) ?? 'an object';
    } catch {
      return 'an object';
    }
  }
  return typeof value === 'symbol' ? 'a symbol' : `${value as number}`;
}

function leaf<T>(
  kind: string,
  values: readonly T[],
  describe: string,
  show: (value: T) => string,
  sort?: SortAtSize,
): Concrete<T> {
  const indices = new Map<unknown, number>(values.map((value, index) => [value, index]));
  const keys = new Map(values.map((value, index) => [value, code(index)]));
  return {
    kind,
    structure: {
      kind: 'leaf',
      count: values.length,
      index: (value) => indices.get(value),
      value: (index) => values[index],
      ...(sort === undefined ? {} : { sort }),
    },
    count: BigInt(values.length),
    initial: values[0] as T,
    key: (value) => keys.get(value) ?? outside(describe, value),
    misfit: (value, field) =>
      keys.has(value as T) ? undefined : { field, problem: `${showRaw(value)} is not ${describe}` },
    values: () => values,
    show,
    child: () => undefined,
  };
}

function outside(describe: string, value: unknown): never {
  throw new ModelError(`${showRaw(value)} is not ${describe}`);
}

function rangeOf(low: number, high: number): Concrete<number> {
  const describe = `an integer from ${low} to ${high}`;
  const inside = (value: unknown): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high;
  return {
    kind: 'range',
    structure: {
      kind: 'leaf',
      count: high - low + 1,
      index: (value) => (inside(value) ? value - low : undefined),
      value: (index) => low + index,
    },
    count: BigInt(high - low + 1),
    initial: low,
    key: (value) => (inside(value) ? code(value - low) : outside(describe, value)),
    misfit: (value, field) => (inside(value) ? undefined : { field, problem: `${showRaw(value)} is not ${describe}` }),
    values: () => Array.from({ length: high - low + 1 }, (_, i) => low + i),
    show: String,
    child: () => undefined,
  };
}

/** The names of a sort's members: `page0`, `page1`. */
function memberName(sort: string, member: number): string {
  return `${sort}${member}`;
}

/** The number of members of a sort, checked. */
export function sortSize(name: string, sizes: Sizes): number {
  const size = Object.hasOwn(sizes, name) ? sizes[name] : undefined;
  if (size === undefined) throw new ModelError(`sort '${name}' has no size: give one in the model's sizes`);
  if (size === 0) throw new ModelError(`sort '${name}' has size 0: it needs at least one member`);
  if (size > 0xffff) throw new ModelError(`sort '${name}' has ${size} members: at most 65535 are possible`);
  return size;
}

function optionalOf(of: Concrete): Concrete {
  const none = code(0);
  const some = code(1);
  return {
    kind: 'optional',
    structure: { kind: 'optional', of },
    count: of.count + 1n,
    initial: null,
    key: (value) => (value === null ? none : some + of.key(value)),
    misfit: (value, field, known) => (value === null ? undefined : of.misfit(value, field, known ?? undefined)),
    values: () => [null, ...of.values()],
    show: (value) => (value === null ? 'none' : of.show(value)),
    child: (key) => of.child(key),
  };
}

type Plain = Readonly<Record<string, unknown>>;

function isPlain(value: unknown): value is Plain {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether a value is the very object that is known to be in the domain. */
function isKnown(value: unknown, known: unknown): boolean {
  return value === known && known !== undefined;
}

function recordOf(fields: Readonly<Record<string, Concrete>>): Concrete<Plain> {
  const entries = Object.entries(fields);
  const initial: Record<string, unknown> = {};
  for (const [name, field] of entries) initial[name] = field.initial;
  const result: Concrete<Plain> = {
    kind: 'record',
    structure: { kind: 'record', fields: entries },
    count: entries.reduce((product, [, field]) => product * field.count, 1n),
    initial: Object.freeze(initial),
    key: (value) => {
      let key = '';
      for (const [name, field] of entries) key += field.key(value[name]);
      return key;
    },
    misfit: (value, path, known) => {
      if (isKnown(value, known)) return undefined;
      if (!isPlain(value)) return { field: path, problem: `${showRaw(value)} is not a plain record` };
      for (const [name, field] of entries) {
        const path1 = path === '' ? name : `${path}.${name}`;
        if (!Object.hasOwn(value, name)) return { field: path1, problem: 'the field is missing' };
        const misfit = field.misfit(value[name], path1, (known as Plain | undefined)?.[name]);
        if (misfit !== undefined) return misfit;
      }
      const names = Object.keys(value);
      if (names.length === entries.length) return undefined;
      const extra = names.find((name) => !Object.hasOwn(fields, name)) ?? '';
      return {
        field: path === '' ? extra : `${path}.${extra}`,
        problem: `there is no such field${suggest(extra, Object.keys(fields))}`,
      };
    },
    values: () => {
      let values: readonly Plain[] = [{}];
      for (const [name, field] of entries) {
        values = values.flatMap((value) => field.values().map((v) => ({ ...value, [name]: v })));
      }
      return values.map((value) => Object.freeze(value));
    },
    show: (value) => `{ ${entries.map(([name, field]) => `${name}: ${field.show(value[name])}`).join(', ')} }`,
    child: (key) => {
      const field = fields[String(key)];
      return field === undefined ? undefined : { label: `.${key}`, domain: field };
    },
  };
  return result;
}

function eachOf(over: SortAtSize, of: Concrete): Concrete<readonly unknown[]> {
  const { name: sort, size } = over;
  return {
    kind: 'each',
    structure: { kind: 'each', sort: over, of },
    count: of.count ** BigInt(size),
    initial: Object.freeze(Array.from({ length: size }, () => of.initial)),
    key: (value) => {
      let key = '';
      for (const element of value) key += of.key(element);
      return key;
    },
    misfit: (value, field, known) => {
      if (isKnown(value, known)) return undefined;
      if (!Array.isArray(value)) return { field, problem: `${showRaw(value)} is not one value for each ${sort}` };
      for (let i = 0; i < size; i++) {
        const before = (known as readonly unknown[] | undefined)?.[i];
        const misfit = of.misfit(value[i], `${field}[${memberName(sort, i)}]`, before);
        if (misfit !== undefined) return misfit;
      }
      const extra = Object.keys(value)[size] ?? (value.length > size ? size : undefined);
      return extra === undefined
        ? undefined
        : { field: `${field}[${extra}]`, problem: `'${sort}' has only ${size} member(s)` };
    },
    values: () => notEnumerable('each'),
    show: (value) => `[${value.map((element, i) => `${memberName(sort, i)}: ${of.show(element)}`).join(', ')}]`,
    child: (key) => ({ label: `[${memberName(sort, Number(key))}]`, domain: of }),
  };
}

function notEnumerable(kind: string): never {
  throw new ModelError(`a parameter cannot range over '${kind}': use bool, range, oneOf, optional, a sort or a record`);
}

function setOfSort(over: SortAtSize): Concrete<SetValue<number>> {
  const { name: sort, size } = over;
  return {
    kind: 'setOf',
    structure: { kind: 'setOf', sort: over },
    count: 2n ** BigInt(size),
    initial: deepFreeze(new SetValue<number>(size)),
    key: (value) => {
      let key = '';
      for (let i = 0; i < size; i += 15) {
        let bits = 0;
        for (let j = i; j < Math.min(size, i + 15); j++) bits |= (value.flags[j] === true ? 1 : 0) << (j - i);
        key += code(bits);
      }
      return key;
    },
    misfit: (value, field, known) => {
      if (isKnown(value, known)) return undefined;
      return value instanceof SetValue && value.flags.length === size
        ? undefined
        : { field, problem: `${showRaw(value)} is not a set of members of '${sort}', which has ${size}` };
    },
    values: () => notEnumerable('setOf'),
    show: (value) => `{${[...value].map((member) => memberName(sort, member)).join(', ')}}`,
    child: () => undefined,
  };
}

function itemsOf(
  kind: 'queue' | 'bag',
  capacity: number,
  of: Concrete,
  label: string,
): Concrete<QueueValue<unknown> | BagValue<unknown>> {
  const keyOf = (item: unknown): string => {
    const misfit = of.misfit(item, label);
    if (misfit !== undefined) throw new ModelError(misfit.problem, { field: misfit.field });
    return of.key(item);
  };
  const equalTo = (item: unknown): ((other: unknown) => boolean) => {
    const key = keyOf(item);
    return (other) => keyOf(other) === key;
  };
  const behind = (item: unknown): ((other: unknown) => boolean) => {
    const key = keyOf(item);
    return (other) => keyOf(other) > key;
  };
  const domain = { label, capacity, equalTo, behind };
  const Class = kind === 'queue' ? queueClass(domain) : bagClass(domain);
  const Base = kind === 'queue' ? QueueValue : BagValue;
  return {
    kind,
    structure: { kind, capacity, label, of, class: Class },
    count: kind === 'queue' ? sequences(of.count, capacity) : multisets(of.count, capacity),
    initial: deepFreeze(new Class()),
    key: (value) => {
      let key = code(value.items.length);
      for (const item of value.items) key += of.key(item);
      return key;
    },
    misfit: (value, field, known) => {
      if (isKnown(value, known)) return undefined;
      // Its class may be that of another instance of the same model: a state is plain data.
      if (!(value instanceof Base) || value.domain.label !== label || value.capacity !== capacity) {
        return { field, problem: `${showRaw(value)} is not the ${kind} '${label}'` };
      }
      const before = (known as typeof value | undefined)?.items;
      for (const [i, item] of value.items.entries()) {
        const misfit = of.misfit(item, `${field}[${i}]`, before?.[i]);
        if (misfit !== undefined) return misfit;
      }
      return undefined;
    },
    values: () => notEnumerable(kind),
    show: (value) => {
      const items = value.items.map((item) => of.show(item)).join(', ');
      return kind === 'queue' ? `<${items}>` : `{|${items}|}`;
    },
    child: (key) => (key === 'items' ? { label: '', domain: eachItem(of) } : undefined),
  };
}

/** The items of a queue or bag as patches see them: an array below the collection. */
function eachItem(of: Concrete): Concrete {
  return { ...of, child: (key) => ({ label: `[${key}]`, domain: of }) };
}

/** Sequences of at most `capacity` items out of `n`. */
function sequences(n: bigint, capacity: number): bigint {
  let sum = 0n;
  for (let k = 0, power = 1n; k <= capacity; k++, power *= n) sum += power;
  return sum;
}

/** Multisets of at most `capacity` items out of `n`: C(n + capacity, capacity). */
function multisets(n: bigint, capacity: number): bigint {
  let product = 1n;
  for (let i = 1n; i <= BigInt(capacity); i++) product = (product * (n + i)) / i;
  return product;
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}

/** Whether a field name would lose its place or meaning in a JavaScript object. */
export function isOrdinaryName(name: string): boolean {
  return name !== '' && !/^\d+$/.test(name) && name !== '__proto__';
}

function atSize(name: string, ordered: boolean, sizes: Sizes): SortAtSize {
  return { name, ordered, size: sortSize(name, sizes) };
}

/** The concrete domain for given sizes. `label` is the path of the field, for messages. */
export function concrete(domain: Domain, sizes: Sizes, label = ''): Concrete {
  const kind = domain[domainBrand];
  switch (kind.kind) {
    case 'bool':
      return leaf('bool', [false, true], 'true or false', String);
    case 'range':
      return rangeOf(kind.low, kind.high);
    case 'oneOf':
      return leaf('oneOf', kind.values, `one of ${kind.values.map((v) => `'${v}'`).join(', ')}`, showRaw);
    case 'sort': {
      const sort = atSize(kind.name, kind.ordered, sizes);
      const members = Array.from({ length: sort.size }, (_, i) => i);
      const describe = `a member of '${kind.name}', which has ${sort.size}`;
      return leaf('sort', members, describe, (member) => memberName(kind.name, member), sort);
    }
    case 'optional':
      return optionalOf(concrete(kind.of, sizes, label));
    case 'record': {
      const fields: Record<string, Concrete> = {};
      for (const [name, field] of Object.entries(kind.fields)) {
        const path = label === '' ? name : `${label}.${name}`;
        if (!isOrdinaryName(name)) throw new ModelError(`'${name}' cannot name a field`, { field: path });
        fields[name] = concrete(field, sizes, path);
      }
      return recordOf(fields);
    }
    case 'each':
      return eachOf(atSize(kind.sort.name, kind.sort.ordered, sizes), concrete(kind.of, sizes, `${label}[*]`));
    case 'setOf':
      return setOfSort(atSize(kind.sort.name, kind.sort.ordered, sizes));
    case 'queue':
    case 'bag':
      return itemsOf(kind.kind, kind.capacity, concrete(kind.of, sizes, `${label}[*]`), label);
    default:
      return kind satisfies never;
  }
}

/** The binary logarithm of a count, for "at most 2^n states". */
export function log2(count: bigint): number {
  const digits = count.toString(2);
  return (
    digits.length - 1 + Math.log2(Number.parseInt(digits.slice(0, 52), 2) / 2 ** (Math.min(digits.length, 52) - 1))
  );
}
