/**
 * Where each part of a state lies in a few 32-bit words: every leaf in the bits that its domain needs, items of queues and
 * bags as slots whose bits compare as the items do, so that equal states are equal words.
 */
import { SetValue } from '../../language/collections.ts';
import type { Concrete, Instance, SortAtSize, State, Structure } from '../../language/index.ts';

/** A value without parts, and its place: `bits` bits of word `word` from bit `shift` up. */
export interface Leaf {
  readonly id: number;
  /** The field, for people: `page[page1].pte`. */
  readonly path: string;
  readonly count: number;
  readonly index: (value: unknown) => number | undefined;
  readonly value: (index: number) => unknown;
  /** The sort whose members it holds, and the index of the first member: 1 where index 0 is `null`. */
  readonly members: { readonly sort: SortAtSize; readonly offset: number } | undefined;
  word: number;
  shift: number;
  readonly bits: number;
}

/** A part of the state. */
export type Part = LeafPart | OptionalPart | RecordPart | EachPart | SetPart | SequencePart;
export interface LeafPart {
  readonly kind: 'leaf';
  readonly leaf: Leaf;
}
export interface OptionalPart {
  readonly kind: 'optional';
  readonly present: Leaf;
  readonly of: Part;
}
export interface RecordPart {
  readonly kind: 'record';
  readonly fields: readonly (readonly [name: string, part: Part])[];
}
export interface EachPart {
  readonly kind: 'each';
  readonly sort: SortAtSize;
  readonly elements: readonly Part[];
}
export interface SetPart {
  readonly kind: 'set';
  readonly sort: SortAtSize;
  readonly flags: readonly Leaf[];
}
export interface SequencePart {
  readonly kind: 'queue' | 'bag';
  readonly length: Leaf;
  readonly slots: readonly Slot[];
  readonly structure: SequenceStructure;
}
type SequenceStructure = Extract<Structure, { readonly kind: 'queue' | 'bag' }>;

/** The place of one item. */
export interface Slot {
  readonly part: Part;
  /** Its leaves in the order in which items compare. */
  readonly leaves: readonly Leaf[];
}

/** The layout of an instance's states. */
export interface Layout {
  readonly words: number;
  readonly leaves: readonly Leaf[];
  readonly root: RecordPart;
  /** Packs a state of the domain. */
  readonly pack: (state: State) => Int32Array;
  /** The state in `words` from `offset` on, frozen. */
  readonly unpack: (words: Int32Array, offset?: number) => State;
}

/** The number that a leaf has in packed words. */
export function leafAt(leaf: Leaf, words: Int32Array, offset = 0): number {
  return ((words[offset + leaf.word] ?? 0) >>> leaf.shift) & maskOf(leaf.bits);
}

/** The lowest `bits` bits. A leaf has at most 31 bits and is never negative. */
export function maskOf(bits: number): number {
  if (bits === 0) return 0;
  return bits >= 32 ? -1 : 0xffffffff >>> (32 - bits);
}

/** The leaves of a part in the order in which its values compare. */
export function leavesOf(part: Part): readonly Leaf[] {
  switch (part.kind) {
    case 'leaf':
      return [part.leaf];
    case 'optional':
      return [part.present, ...leavesOf(part.of)];
    case 'record':
      return part.fields.flatMap(([, field]) => leavesOf(field));
    case 'each':
      return part.elements.flatMap(leavesOf);
    case 'set':
      return inKeyOrder(part.flags);
    case 'queue':
    case 'bag':
      return [part.length, ...part.slots.flatMap(({ leaves }) => leaves)];
    default:
      return part satisfies never;
  }
}

/** A set's key has its members in groups of 15, the later of a group in front. */
function inKeyOrder(flags: readonly Leaf[]): readonly Leaf[] {
  const groups = Array.from({ length: Math.ceil(flags.length / 15) }, (_, i) => flags.slice(i * 15, i * 15 + 15));
  return groups.flatMap((group) => group.toReversed());
}

const layouts = new WeakMap<Instance, Layout>();

/** Lays out the states of an instance: the same for every search of it. */
export function layoutOf(instance: Instance): Layout {
  const known = layouts.get(instance) ?? newLayout(instance);
  layouts.set(instance, known);
  return known;
}

function newLayout(instance: Instance): Layout {
  const space = new Space();
  const root = space.partOf(instance.domain, '', false) as RecordPart;
  const words = Math.max(1, space.free.length);
  return {
    words,
    leaves: space.leaves,
    root,
    pack: (state) => {
      const packed = new Int32Array(words);
      packPart(root, state, packed);
      return packed;
    },
    unpack: (packed, offset = 0) => deepFreeze(unpackPart(root, packed, offset)) as State,
  };
}

const wordBits = 32;

/** The words while they fill up. */
class Space {
  readonly leaves: Leaf[] = [];
  /** The unused bits of each word. */
  readonly free: number[] = [];

  /** `inSlot`: the leaves are placed together with the slot that they belong to. */
  partOf(domain: Concrete, path: string, inSlot: boolean): Part {
    const { structure } = domain;
    switch (structure.kind) {
      case 'leaf':
        return { kind: 'leaf', leaf: this.leaf(path, structure, inSlot) };
      case 'optional': {
        const of = structure.of.structure;
        if (of.kind === 'leaf' && of.count < 2 ** 30) {
          return { kind: 'leaf', leaf: this.leaf(path, optionalLeaf(of), inSlot) };
        }
        const present = this.flag(`${path} (present)`, inSlot);
        return { kind: 'optional', present, of: this.partOf(structure.of, path, inSlot) };
      }
      case 'record':
        return {
          kind: 'record',
          fields: structure.fields.map(([name, field]) => [
            name,
            this.partOf(field, path === '' ? name : `${path}.${name}`, inSlot),
          ]),
        };
      case 'each': {
        const { sort, of } = structure;
        const elements = Array.from({ length: sort.size }, (_, i) =>
          this.partOf(of, `${path}[${sort.name}${i}]`, inSlot),
        );
        return { kind: 'each', sort, elements };
      }
      case 'setOf': {
        const { sort } = structure;
        const flags = Array.from({ length: sort.size }, (_, i) => this.flag(`${path} (has ${sort.name}${i})`, inSlot));
        return { kind: 'set', sort, flags };
      }
      case 'queue':
      case 'bag': {
        const { kind, capacity, of } = structure;
        const length = this.leaf(`${path}.length`, numbers(capacity + 1), inSlot);
        const slots = Array.from({ length: capacity }, (_, i) => this.slot(of, `${path}[${i}]`, inSlot));
        return { kind, length, slots, structure };
      }
      default:
        return structure satisfies never;
    }
  }

  private leaf(path: string, structure: LeafStructure, inSlot: boolean): Leaf {
    const { count, index, value, sort, offset = 0 } = structure;
    const leaf: Leaf = {
      id: this.leaves.length,
      path,
      count,
      index,
      value,
      members: sort === undefined ? undefined : { sort, offset },
      word: 0,
      shift: 0,
      bits: count === 1 ? 0 : 32 - Math.clz32(count - 1),
    };
    this.leaves.push(leaf);
    if (!inSlot) this.place([leaf]);
    return leaf;
  }

  private flag(path: string, inSlot: boolean): Leaf {
    return this.leaf(path, flagStructure, inSlot);
  }

  private slot(of: Concrete, path: string, inSlot: boolean): Slot {
    const part = this.partOf(of, path, true);
    const leaves = leavesOf(part);
    if (inSlot) return { part, leaves };
    let run: Leaf[] = [];
    for (const leaf of leaves) {
      if (bitsOf(run) + leaf.bits > wordBits) {
        this.place(run);
        run = [];
      }
      run.push(leaf);
    }
    this.place(run);
    return { part, leaves };
  }

  /** Puts a run of leaves into the first word that has room for all of it, the first of them in the highest bits. */
  private place(run: readonly Leaf[]): void {
    const bits = bitsOf(run);
    if (bits === 0) return;
    let word = this.free.findIndex((free) => free >= bits);
    if (word < 0) word = this.free.push(wordBits) - 1;
    const shift = wordBits - (this.free[word] as number);
    let end = shift + bits;
    for (const leaf of run) {
      end -= leaf.bits;
      leaf.word = word;
      leaf.shift = leaf.bits === 0 ? 0 : end;
    }
    this.free[word] = wordBits - shift - bits;
  }
}

function bitsOf(run: readonly Leaf[]): number {
  return run.reduce((sum, { bits }) => sum + bits, 0);
}

interface LeafStructure {
  readonly count: number;
  readonly index: (value: unknown) => number | undefined;
  readonly value: (index: number) => unknown;
  readonly sort?: SortAtSize;
  readonly offset?: number;
}

function numbers(count: number): LeafStructure {
  return { count, index: (value) => value as number, value: (index) => index };
}

const flagStructure: LeafStructure = {
  count: 2,
  index: (value) => (typeof value === 'boolean' ? Number(value) : undefined),
  value: (index) => index === 1,
};

function optionalLeaf({ count, index, value, sort }: LeafStructure): LeafStructure {
  return {
    count: count + 1,
    index: (some) => {
      if (some === null) return 0;
      const of = index(some);
      return of === undefined ? undefined : of + 1;
    },
    value: (of) => (of === 0 ? null : value(of - 1)),
    ...(sort === undefined ? {} : { sort, offset: 1 }),
  };
}

type Table = Readonly<Record<string | number, unknown>>;
interface Items {
  items: readonly unknown[];
}

function put(leaf: Leaf, value: unknown, packed: Int32Array): void {
  const index = leaf.index(value);
  if (index === undefined) throw new Error(`${leaf.path}: ${String(value)} is outside its domain`);
  packed[leaf.word] = (packed[leaf.word] as number) | (index << leaf.shift);
}

/** Packs the value of a part into words that are zero there; an error if a leaf is outside its domain. */
export function packPart(part: Part, value: unknown, packed: Int32Array): void {
  switch (part.kind) {
    case 'leaf':
      put(part.leaf, value, packed);
      break;
    case 'optional':
      put(part.present, value !== null, packed);
      if (value !== null) packPart(part.of, value, packed);
      break;
    case 'record':
      for (const [name, field] of part.fields) packPart(field, (value as Table)[name], packed);
      break;
    case 'each':
      for (const [i, element] of part.elements.entries()) packPart(element, (value as Table)[i], packed);
      break;
    case 'set':
      for (const [i, flag] of part.flags.entries()) {
        put(flag, (value as { readonly flags: readonly boolean[] }).flags[i], packed);
      }
      break;
    case 'queue':
    case 'bag': {
      const { items } = value as Items;
      put(part.length, items.length, packed);
      for (const [i, item] of items.entries()) packPart((part.slots[i] as Slot).part, item, packed);
      break;
    }
    default:
      part satisfies never;
  }
}

function unpackPart(part: Part, words: Int32Array, offset: number): unknown {
  switch (part.kind) {
    case 'leaf':
      return part.leaf.value(leafAt(part.leaf, words, offset));
    case 'optional':
      return leafAt(part.present, words, offset) === 0 ? null : unpackPart(part.of, words, offset);
    case 'record':
      return Object.fromEntries(part.fields.map(([name, field]) => [name, unpackPart(field, words, offset)]));
    case 'each':
      return part.elements.map((element) => unpackPart(element, words, offset));
    case 'set': {
      const set = new SetValue(part.sort.size);
      for (const [i, flag] of part.flags.entries()) set.flags[i] = leafAt(flag, words, offset) === 1;
      return set;
    }
    case 'queue':
    case 'bag': {
      const sequence = new part.structure.class() as Items;
      const length = leafAt(part.length, words, offset);
      sequence.items = part.slots.slice(0, length).map((slot) => unpackPart(slot.part, words, offset));
      return sequence;
    }
    default:
      return part satisfies never;
  }
}

function deepFreeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
