/**
 * Rules for other members and with other parameters: which rule does for one member what another does for another.
 */
import type { Bound, Rule } from '../../language/index.ts';
import type { Program } from '../compile/program.ts';

/** Rules with their parameters bound, by what they are bound to. */
interface Renamings {
  /** Walks in which one member of a sort takes over what another one does; the fewer members are left, the sooner. */
  readonly mergers: (rules: Int32Array) => Iterable<Int32Array>;
  /** Walks in which two members change places, or one step has smaller parameters. */
  readonly simpler: (rules: Int32Array) => Iterable<Int32Array>;
  /** The rules that speak only of members of which the given rules speak, with parameters of any kind. */
  readonly ofMembers: (rules: Int32Array) => readonly number[];
  /** Of these, those of the same actions and steps. */
  readonly like: (rules: Int32Array) => readonly number[];
}

interface Entry {
  readonly rule: Rule;
  readonly bound: Bound;
  /** The members that it speaks of, and their places in the parameters. */
  readonly members: readonly Member[];
}
interface Member {
  readonly sort: string;
  readonly parameter: string;
  readonly member: number;
}

const known = new WeakMap<Program, Renamings>();

/** How the rules of a program can be renamed. */
export function renamings(program: Program): Renamings {
  const made = known.get(program) ?? make(program);
  known.set(program, made);
  return made;
}

function make({ rules, instance }: Program): Renamings {
  const entries = rules.map(({ what }): Entry => {
    if (what.kind !== 'rule') throw new Error('a property is no rule');
    const { rule, bound } = what;
    return { rule, bound, members: membersOf(rule, bound) };
  });
  const numbers = new Map(entries.map((entry, i) => [keyOf(entry.rule, entry.bound.values), i]));
  const bindingsOf = new Map(
    instance.rules.map((rule) => [rule.index, entries.flatMap((entry, i) => (entry.rule === rule ? [i] : []))]),
  );

  /** The rule with members renamed; itself if there is none. */
  const renamed = (index: number, to: (sort: string, member: number) => number): number => {
    const { rule, bound, members } = entries[index] as Entry;
    const values = { ...bound.values };
    for (const { sort, parameter, member } of members) values[parameter] = to(sort, member);
    return numbers.get(keyOf(rule, values)) ?? index;
  };
  /** The members that rules speak of, by sort. */
  const used = (of: Iterable<number>): ReadonlyMap<string, readonly number[]> => {
    const found = new Map<string, Set<number>>();
    for (const index of of) {
      for (const { sort, member } of (entries[index] as Entry).members) {
        const members = found.get(sort) ?? new Set();
        found.set(sort, members.add(member));
      }
    }
    return new Map([...found].map(([sort, members]) => [sort, [...members].toSorted((a, b) => a - b)]));
  };
  const ofMembers = (of: Int32Array): readonly number[] => {
    const members = used(of);
    const isUsed = (one: Member): boolean => members.get(one.sort)?.includes(one.member) ?? one.member === 0;
    return entries.flatMap((entry, i) => (entry.members.every(isUsed) ? [i] : []));
  };

  return {
    *mergers(of) {
      for (const [sort, members] of used(of)) {
        for (const from of members.toReversed()) {
          for (const into of members) {
            if (into >= from) break;
            yield of.map((index) => renamed(index, (s, member) => (s === sort && member === from ? into : member)));
          }
        }
      }
    },
    *simpler(of) {
      for (const [sort, members] of used(of)) {
        for (const b of members) {
          for (let a = 0; a < b; a++) {
            const swapped = (s: string, member: number): number =>
              s !== sort ? member : member === a ? b : member === b ? a : member;
            yield of.map((index) => renamed(index, swapped));
          }
        }
      }
      for (const [i, index] of of.entries()) {
        for (const other of bindingsOf.get((entries[index] as Entry).rule.index) ?? []) {
          if (other >= index) break;
          yield of.with(i, other);
        }
      }
    },
    ofMembers,
    like: (of) => {
      const own = new Set(Array.from(of, (index) => (entries[index] as Entry).rule));
      return ofMembers(of).filter((index) => own.has((entries[index] as Entry).rule));
    },
  };
}

function membersOf({ params }: Rule, { values }: Bound): readonly Member[] {
  return Object.entries(params).flatMap(([parameter, { structure }]) =>
    structure.kind === 'leaf' && structure.sort !== undefined
      ? [{ sort: structure.sort.name, parameter, member: values[parameter] as number }]
      : [],
  );
}

function keyOf({ index, params }: Rule, values: Readonly<Record<string, unknown>>): string {
  return `${index} ${Object.entries(params)
    .map(([name, domain]) => domain.key(values[name]))
    .join(' ')}`;
}
