/**
 * Random domains, and their values told as plain data: a queue, bag or set is the list of what is in it, in any order where
 * there is none.
 */
import fc from 'fast-check';
import { createDraft, finishDraft } from 'immer';
import type { Bag, MemberSet, Queue } from './collections.ts';
import { type Concrete, concrete } from './concrete.ts';
import { bag, bool, type Domain, domainBrand, each, oneOf, optional, queue, range, record, setOf } from './domain.ts';
import { Device, Cpu, Page, sizes as namedSizes } from './one-action.fixture.ts';

const sizes: Readonly<Record<string, number>> = namedSizes.ci;

const sorts = [Page, Device, Cpu] as const;
const scalar = fc.oneof(
  fc.constant<Domain>(bool),
  fc.tuple(fc.integer({ min: -3, max: 3 }), fc.nat(3)).map(([low, more]): Domain => range(low, low + more)),
  fc.constantFrom<Domain>(oneOf('a'), oneOf('a', 'b'), oneOf('', 'done', 'b')),
  fc.constantFrom<Domain>(...sorts),
);

const trees = fc.letrec<{ datum: Domain; any: Domain }>((tie) => ({
  // What an effect can write down as a literal, and thus an item of a queue or bag.
  datum: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    tie('datum')
      .filter((of) => of[domainBrand].kind !== 'optional')
      .map((of) => optional(of)),
    fc.array(tie('datum'), { maxLength: 3 }).map(recordOf),
  ),
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('datum'),
    fc.constantFrom(...sorts).map((of): Domain => setOf(of)),
    fc.tuple(fc.integer({ min: 1, max: 3 }), tie('datum')).map(([capacity, of]): Domain => queue(capacity, of)),
    fc.tuple(fc.integer({ min: 1, max: 3 }), tie('datum')).map(([capacity, of]): Domain => bag(capacity, of)),
    fc.array(tie('any'), { maxLength: 3 }).map(recordOf),
    fc.tuple(fc.constantFrom(...sorts), tie('any')).map(([of, what]): Domain => each(of, what)),
    tie('any').map((of): Domain => each(Device, Page, of)),
  ),
}));

function recordOf(fields: readonly Domain[]): Domain {
  return record(Object.fromEntries(fields.map((field, i) => [`f${i}`, field])));
}

/** Any domain. */
export const domains: fc.Arbitrary<Domain> = trees.any;

/** The values of a domain as plain data. */
export function plainValues(domain: Domain): fc.Arbitrary<unknown> {
  const kind = domain[domainBrand];
  const members = (name: string): number[] => Array.from({ length: sizes[name] ?? 0 }, (_, i) => i);
  switch (kind.kind) {
    case 'bool':
      return fc.boolean();
    case 'range':
      return fc.integer({ min: kind.low, max: kind.high });
    case 'oneOf':
      return fc.constantFrom(...kind.values);
    case 'sort':
      return fc.constantFrom(...members(kind.name));
    case 'optional':
      return fc.option(plainValues(kind.of));
    case 'record':
      return fc.record(Object.fromEntries(Object.entries(kind.fields).map(([name, of]) => [name, plainValues(of)])), {
        noNullPrototype: true,
      });
    case 'each':
      return fc.tuple(...members(kind.sort.name).map(() => plainValues(kind.of)));
    case 'setOf':
      return fc.shuffledSubarray(members(kind.sort.name));
    case 'queue':
    case 'bag':
      return fc.array(plainValues(kind.of), { maxLength: kind.capacity });
    default:
      return kind satisfies never;
  }
}

/** Plain data with the items of each bag and set in the same order, whatever order they were in. */
export function inOneOrder(domain: Domain, plain: unknown): unknown {
  const kind = domain[domainBrand];
  const byText = (items: readonly unknown[]): unknown[] =>
    items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  switch (kind.kind) {
    case 'optional':
      return plain === null ? null : inOneOrder(kind.of, plain);
    case 'record':
      return Object.fromEntries(
        Object.entries(kind.fields).map(([name, of]) => [name, inOneOrder(of, partOf(plain, name))]),
      );
    case 'each':
    case 'queue':
      return (plain as unknown[]).map((item) => inOneOrder(kind.of, item));
    case 'bag':
      return byText((plain as unknown[]).map((item) => inOneOrder(kind.of, item)));
    case 'setOf':
      return byText(plain as unknown[]);
    case 'bool':
    case 'range':
    case 'oneOf':
    case 'sort':
      return plain;
    default:
      return kind satisfies never;
  }
}

function partOf(whole: unknown, name: string): unknown {
  return (whole as Readonly<Record<string, unknown>>)[name];
}

/** Makes values of a domain from plain data, as an effect would. */
export function maker(domain: Domain): { readonly concrete: Concrete; readonly make: (plain: unknown) => unknown } {
  const state = concrete(record({ value: domain }), sizes) as Concrete<Readonly<Record<string, unknown>>>;
  return {
    concrete: state.child('value')?.domain as Concrete,
    make: (plain) => {
      const draft = createDraft(state.initial as Record<string, unknown>);
      write(draft, 'value', domain, plain);
      return finishDraft(draft)['value'];
    },
  };
}

function write(target: Record<string | number, unknown>, name: string | number, domain: Domain, plain: unknown): void {
  const kind = domain[domainBrand];
  const at = target[name] as Record<string | number, unknown>;
  switch (kind.kind) {
    case 'record':
      for (const [inner, of] of Object.entries(kind.fields)) write(at, inner, of, partOf(plain, inner));
      break;
    case 'each':
      for (const [i, value] of (plain as unknown[]).entries()) write(at, i, kind.of, value);
      break;
    case 'setOf':
      for (const member of plain as number[]) (at as unknown as MemberSet<number>).add(member);
      break;
    case 'queue':
      for (const item of plain as unknown[]) (at as unknown as Queue<unknown>).push(item);
      break;
    case 'bag':
      for (const item of plain as unknown[]) (at as unknown as Bag<unknown>).add(item);
      break;
    case 'bool':
    case 'range':
    case 'oneOf':
    case 'sort':
    case 'optional':
      target[name] = plain;
      break;
    default:
      kind satisfies never;
  }
}
