/**
 * Renaming the members of sorts in packed states: which leaf goes where, which numbers change, and which bags have to be
 * sorted anew.
 */
import type { Concrete } from '../../language/index.ts';
import { type Layout, type Leaf, leafAt, type Part, type SequencePart } from '../compile/layout.ts';

/** For each renamed sort, by name, the new number of each member. */
export type Renaming = ReadonlyMap<string, readonly number[]>;

/** What a renaming does to packed states. */
export interface Permutation {
  readonly renaming: Renaming;
  /** Where each leaf goes, and its new number for each old one; `undefined` where numbers stay. */
  readonly moves: readonly Move[];
  /** The same by the leaf that is left, and by the leaf that is reached. */
  readonly bySource: ReadonlyMap<Leaf, Move>;
  readonly byTarget: ReadonlyMap<Leaf, Move>;
  /** The bags whose items change, where they are afterwards. */
  readonly bags: readonly SequencePart[];
}
export interface Move {
  readonly from: Leaf;
  readonly to: Leaf;
  readonly numbers: readonly number[] | undefined;
  /** The leaf holds something only where these are above these numbers: else it is 0, and stays so. */
  readonly where: readonly Guard[];
}
interface Guard {
  readonly leaf: Leaf;
  readonly above: number;
}

/** All renamings of some sorts but the one that changes nothing; those that move few members first. */
export function renamingsOf(sorts: ReadonlyMap<string, number>): readonly Renaming[] {
  let all: readonly (readonly (readonly [string, readonly number[]])[])[] = [[]];
  for (const [name, size] of sorts) {
    const own = ordersOf(Array.from({ length: size }, (_, i) => i));
    all = all.flatMap((some) => own.map((order) => [...some, [name, order] as const]));
  }
  const moved = (renaming: (typeof all)[number]): number =>
    renaming.reduce((sum, [, order]) => sum + order.filter((to, from) => to !== from).length, 0);
  return all
    .filter((renaming) => moved(renaming) > 0)
    .toSorted((a, b) => moved(a) - moved(b))
    .map((renaming) => new Map(renaming));
}

function ordersOf(members: readonly number[]): readonly (readonly number[])[] {
  if (members.length === 0) return [[]];
  return members.flatMap((first) =>
    ordersOf(members.filter((member) => member !== first)).map((rest) => [first, ...rest]),
  );
}

/** How many renamings some sorts have, the one included that changes nothing. */
export function countRenamings(sizes: readonly number[]): number {
  let count = 1;
  for (const size of sizes) for (let i = 2; i <= size; i++) count *= i;
  return count;
}

/** What a renaming does to the states of a layout. */
export function permutationOf(layout: Layout, renaming: Renaming): Permutation {
  const moves: Move[] = [];
  const bags: SequencePart[] = [];
  const walk = (from: Part, to: Part, where: readonly Guard[]): void => {
    const move = (leaf: Leaf, target: Leaf): void => {
      moves.push({ from: leaf, to: target, numbers: numbersOf(leaf, renaming), where });
    };
    if (from.kind === 'leaf' && to.kind === 'leaf') move(from.leaf, to.leaf);
    else if (from.kind === 'optional' && to.kind === 'optional') {
      move(from.present, to.present);
      walk(from.of, to.of, [...where, { leaf: from.present, above: 0 }]);
    } else if (from.kind === 'record' && to.kind === 'record') {
      for (const [i, [, field]] of from.fields.entries()) {
        walk(field, (to.fields[i] as (typeof to.fields)[number])[1], where);
      }
    } else if (from.kind === 'each' && to.kind === 'each') {
      const order = renaming.get(from.sort.name);
      for (const [i, element] of from.elements.entries()) {
        walk(element, to.elements[order?.[i] ?? i] as Part, where);
      }
    } else if (from.kind === 'set' && to.kind === 'set') {
      const order = renaming.get(from.sort.name);
      for (const [i, flag] of from.flags.entries()) move(flag, to.flags[order?.[i] ?? i] as Leaf);
    } else if ('slots' in from && 'slots' in to) {
      move(from.length, to.length);
      for (const [i, slot] of from.slots.entries()) {
        walk(slot.part, (to.slots[i] as typeof slot).part, [...where, { leaf: from.length, above: i }]);
      }
      if (from.kind === 'bag' && from.slots[0]?.leaves.some((leaf) => isRenamed(leaf, renaming)) === true)
        bags.push(to);
      else if (from.kind === 'bag' && holdsFamilies(from.slots[0]?.part, renaming)) bags.push(to);
    } else throw new Error('a renaming cannot change the shape of a state');
  };
  walk(layout.root, layout.root, []);
  return {
    renaming,
    moves,
    bySource: new Map(moves.map((one) => [one.from, one])),
    byTarget: new Map(moves.map((one) => [one.to, one])),
    bags,
  };
}

function isRenamed({ members }: Leaf, renaming: Renaming): boolean {
  return members !== undefined && renaming.has(members.sort.name);
}

/** Whether a part has a family or set over a renamed sort. */
function holdsFamilies(part: Part | undefined, renaming: Renaming): boolean {
  switch (part?.kind) {
    case undefined:
    case 'leaf':
      return false;
    case 'optional':
      return holdsFamilies(part.of, renaming);
    case 'record':
      return part.fields.some(([, field]) => holdsFamilies(field, renaming));
    case 'each':
      return renaming.has(part.sort.name) || part.elements.some((element) => holdsFamilies(element, renaming));
    case 'set':
      return renaming.has(part.sort.name);
    case 'queue':
    case 'bag':
      return part.slots.some((slot) => holdsFamilies(slot.part, renaming));
    default:
      return part satisfies never;
  }
}

function numbersOf({ members, count }: Leaf, renaming: Renaming): readonly number[] | undefined {
  const order = members === undefined ? undefined : renaming.get(members.sort.name);
  if (members === undefined || order === undefined || order.every((to, from) => to === from)) return undefined;
  const { offset } = members;
  return Array.from({ length: count }, (_, i) => (i < offset ? i : (order[i - offset] as number) + offset));
}

/** The state after a renaming. */
export function permuted({ moves, bags }: Permutation, words: Int32Array): Int32Array {
  const after = new Int32Array(words.length);
  const put = (leaf: Leaf, number: number): void => {
    after[leaf.word] = (after[leaf.word] as number) | (number << leaf.shift);
  };
  for (const { from, to, numbers, where } of moves) {
    const number = leafAt(from, words);
    const isHeld = where.every(({ leaf, above }) => leafAt(leaf, words) > above);
    put(to, isHeld ? (numbers?.[number] ?? number) : number);
  }
  for (const bag of bags) sortBag(bag, after);
  return after;
}

/** Puts the items of a bag into their order. */
function sortBag(bag: SequencePart, words: Int32Array): void {
  const slots = bag.slots.slice(0, leafAt(bag.length, words));
  const items = slots.map(({ leaves }) => leaves.map((leaf) => leafAt(leaf, words)));
  items.sort((a, b) => {
    const i = a.findIndex((number, j) => number !== b[j]);
    return i < 0 ? 0 : (a[i] as number) - (b[i] as number);
  });
  for (const [i, { leaves }] of slots.entries()) {
    for (const [j, leaf] of leaves.entries()) {
      const clear = leaf.bits === 0 ? 0 : (2 ** leaf.bits - 1) << leaf.shift;
      words[leaf.word] = ((words[leaf.word] as number) & ~clear) | ((items[i]?.[j] ?? 0) << leaf.shift);
    }
  }
}

/** A parameter's value after a renaming. */
export function renamedValue(domain: Concrete, value: unknown, renaming: Renaming): unknown {
  const { structure } = domain;
  switch (structure.kind) {
    case 'leaf':
      return structure.sort === undefined ? value : (renaming.get(structure.sort.name)?.[value as number] ?? value);
    case 'optional':
      return value === null ? null : renamedValue(structure.of, value, renaming);
    case 'record':
      return Object.fromEntries(
        structure.fields.map(([name, field]) => [
          name,
          renamedValue(field, (value as Readonly<Record<string, unknown>>)[name], renaming),
        ]),
      );
    case 'each':
    case 'setOf':
    case 'queue':
    case 'bag':
      throw new Error(`a parameter cannot range over '${structure.kind}'`);
    default:
      return structure satisfies never;
  }
}
