/**
 * The state as the functions of a model see it on the recording machine: objects, arrays, sets, queues and bags with the same
 * interface as the immutable form, whose every access reads or writes packed words.
 */
import { BagValue, QueueValue, SetValue } from '../../language/collections.ts';
import {
  type EachPart,
  type Leaf,
  leafAt,
  leavesOf,
  packPart,
  type Part,
  type RecordPart,
  type SequencePart,
  type SetPart,
  type Slot,
} from './layout.ts';
import { type Entry, type Machine, type Operand, Unsupported } from './machine.ts';

/** What an item or record stands for: a part, and what each of its leaves holds. */
interface Source {
  readonly part: Part;
  readonly entry: (leaf: Leaf) => Entry;
  /** Whether it stands in the state and can be written there. */
  readonly live: boolean;
}

/** The state on a machine. */
export interface Views {
  /** The state before or as written, which cannot be changed. */
  readonly frozen: object;
  /** The state to be changed. */
  readonly draft: object;
  /** Forgets what the functions of an earlier run hold. */
  readonly begin: () => void;
}

type Structured = RecordPart | EachPart | SetPart | SequencePart;
type Field = PropertyDescriptor & ThisType<unknown>;

/** Views of the machine's state. */
export function viewsOn(machine: Machine): Views {
  const sources = new WeakMap<object, Source>();
  /** How often a part was assigned as a whole: a view from before is stale, as the draft that it stands for is detached. */
  let versions = new Map<Part, number>();
  const frozen = new Map<Part, { readonly version: number; readonly view: object }>();
  const drafts = new Map<Part, { readonly version: number; readonly view: object }>();
  const items = new Map<Slot, unknown>();
  let run = 0;

  const versionOf = (part: Part): number => versions.get(part) ?? 0;
  const touch = (part: Part): void => {
    if (part.kind === 'leaf') return;
    versions.set(part, versionOf(part) + 1);
    if (part.kind === 'optional') touch(part.of);
    if (part.kind === 'record') for (const [, field] of part.fields) touch(field);
    if (part.kind === 'each') for (const element of part.elements) touch(element);
  };

  const viewOf = (part: Structured, writable: boolean): object => {
    const cache = writable ? drafts : frozen;
    const version = versionOf(part);
    const cached = cache.get(part);
    if (cached?.version === version) return cached.view;
    const view = build(part, writable, () => {
      if (versionOf(part) !== version) throw new Unsupported('a part of the state is used after another was put there');
    });
    if (part.kind === 'record') {
      sources.set(view, { part, entry: (leaf) => machine.entry(leaf), live: true });
    }
    cache.set(part, { version, view });
    return view;
  };

  const build = (part: Structured, writable: boolean, fresh: () => void): object => {
    switch (part.kind) {
      case 'record': {
        const fields = part.fields.map(([name, field]) => [name, fieldOf(field, writable, fresh)] as const);
        return Object.preventExtensions(Object.defineProperties({}, Object.fromEntries(fields)));
      }
      case 'each':
        return arrayOf(part.elements.map((element) => fieldOf(element, writable, fresh)));
      case 'set': {
        const flags = part.flags.map((leaf) => fieldOf({ kind: 'leaf', leaf }, writable, fresh));
        return Object.freeze(Object.assign(Object.create(SetValue.prototype) as object, { flags: arrayOf(flags) }));
      }
      case 'queue':
        return sequenceView(new QueueView(), part, writable, fresh);
      case 'bag':
        return sequenceView(new BagView(), part, writable, fresh);
      default:
        return part satisfies never;
    }
  };

  const fieldOf = (part: Part, writable: boolean, fresh: () => void): Field => ({
    enumerable: true,
    get: () => {
      fresh();
      return valueOf(part, writable);
    },
    set: (value: unknown) => {
      fresh();
      if (!writable) throw new Unsupported('a guard or property writes');
      assign(part, value);
    },
  });

  const valueOf = (part: Part, writable: boolean): unknown => {
    if (part.kind === 'leaf') return machine.read(part.leaf);
    if (part.kind === 'optional') return machine.read(part.present) === true ? valueOf(part.of, writable) : null;
    return viewOf(part, writable);
  };

  const assign = (part: Part, value: unknown): void => {
    if (part.kind === 'leaf') {
      machine.write(part.leaf, { value });
      return;
    }
    const isObject = typeof value === 'object' && value !== null;
    if (isObject && part.kind !== 'optional' && value === drafts.get(part)?.view) return;
    const source = isObject ? sources.get(value) : undefined;
    touch(part);
    if (source !== undefined) {
      copy(part, source.part, source.entry);
      if (source.live) for (const leaf of [...leavesOf(part), ...leavesOf(source.part)]) machine.share(leaf);
    } else store(part, value);
  };

  /** Writes a value made of plain objects, which may contain views. */
  const store = (part: Part, value: unknown): void => {
    switch (part.kind) {
      case 'leaf':
        machine.write(part.leaf, { value });
        return;
      case 'optional':
        if (value === null) {
          clear(part);
          return;
        }
        machine.write(part.present, { value: true });
        assign(part.of, value);
        return;
      case 'record':
        for (const [name, field] of part.fields) assign(field, (value as Record<string, unknown>)[name]);
        return;
      case 'each':
        for (const [i, element] of part.elements.entries()) assign(element, (value as readonly unknown[])[i]);
        return;
      default:
        throw new Unsupported('a collection is assigned');
    }
  };

  /** Writes what another part holds; leaves with the same values are copied unseen. */
  const copy = (to: Part, from: Part, entryOf: (leaf: Leaf) => Entry): void => {
    if (to.kind === 'leaf' && from.kind === 'leaf') {
      const entry = entryOf(from.leaf);
      const unseen = 'value' in entry || areAlike(to.leaf, entry.copy);
      machine.write(to.leaf, unseen ? entry : { value: machine.valueOf(entry) });
    } else if (to.kind === 'optional' && from.kind === 'optional') {
      machine.write(to.present, entryOf(from.present));
      copy(to.of, from.of, entryOf);
    } else if (to.kind === 'optional' && from.kind !== 'leaf') {
      machine.write(to.present, { value: true });
      copy(to.of, from, entryOf);
    } else if (to.kind === 'record' && from.kind === 'record' && to.fields.length === from.fields.length) {
      const fields = new Map(from.fields);
      for (const [name, field] of to.fields) {
        const other = fields.get(name);
        if (other === undefined) throw new Unsupported('records with other fields are assigned');
        copy(field, other, entryOf);
      }
    } else if (to.kind === 'each' && from.kind === 'each' && to.elements.length === from.elements.length) {
      for (const [i, element] of to.elements.entries()) copy(element, from.elements[i] as Part, entryOf);
    } else if (to.kind === 'set' && from.kind === 'set' && to.flags.length === from.flags.length) {
      for (const [i, flag] of to.flags.entries()) machine.write(flag, entryOf(from.flags[i] as Leaf));
    } else throw new Unsupported('a part of another shape is assigned');
  };

  const clear = (part: Part): void => {
    for (const leaf of leavesOf(part)) machine.write(leaf, { value: leaf.value(0) });
  };

  /** An item, as it is when it is looked at. */
  const itemOf = (slot: Slot, entries: ReadonlyMap<Leaf, Entry>): unknown => {
    const isOriginal = slot.leaves.every((leaf) => isCopyOf(entries.get(leaf), leaf));
    if (isOriginal && items.has(slot)) return items.get(slot);
    const item = snapshot(slot.part, (leaf) => entries.get(leaf) as Entry);
    if (isOriginal) items.set(slot, item);
    return item;
  };

  /** The value of a part from what its leaves held; records are read when their fields are. */
  const snapshot = (part: Part, entry: (leaf: Leaf) => Entry): unknown => {
    switch (part.kind) {
      case 'leaf':
        return machine.valueOf(entry(part.leaf));
      case 'optional':
        return machine.valueOf(entry(part.present)) === true ? snapshot(part.of, entry) : null;
      case 'record': {
        const record = {};
        for (const [name, field] of part.fields) {
          let known: { readonly value: unknown } | undefined;
          const get = (): unknown => (known ??= { value: snapshot(field, entry) }).value;
          Object.defineProperty(record, name, { enumerable: true, get });
        }
        sources.set(record, { part, entry, live: false });
        return Object.preventExtensions(record);
      }
      case 'each':
        return Object.freeze(part.elements.map((element) => snapshot(element, entry)));
      case 'set': {
        const set = new SetValue(part.flags.length);
        for (const [i, flag] of part.flags.entries()) set.flags[i] = machine.valueOf(entry(flag)) === true;
        Object.freeze(set.flags);
        return Object.freeze(set);
      }
      case 'queue':
      case 'bag': {
        const length = machine.valueOf(entry(part.length)) as number;
        const sequence = new part.structure.class();
        sequence.items = Object.freeze(part.slots.slice(0, length).map((inner) => snapshot(inner.part, entry)));
        return Object.freeze(sequence);
      }
      default:
        return part satisfies never;
    }
  };

  const sequenceView = <V extends QueueView | BagView>(
    view: V,
    part: SequencePart,
    writable: boolean,
    fresh: () => void,
  ): V => {
    let seen: readonly Entry[] = [];
    let array: readonly unknown[] = [];
    let seenIn = -1;
    const leaves = part.slots.flatMap((slot) => slot.leaves);
    const now = (): readonly unknown[] => {
      fresh();
      const length = machine.read(part.length) as number;
      const slots = part.slots.slice(0, length);
      const entries = new Map(slots.flatMap((slot) => slot.leaves).map((leaf) => [leaf, machine.entry(leaf)]));
      const present = [...entries.values()];
      if (seenIn === run && array.length === length && present.every((entry, i) => isSame(entry, seen[i]))) return array;
      array = arrayOf(
        slots.map((slot) => {
          let known: { readonly value: unknown } | undefined;
          return { enumerable: true, get: () => (known ??= { value: itemOf(slot, entries) }).value };
        }),
      );
      seen = present;
      seenIn = run;
      return array;
    };
    const rearrange = (plan: Plan): void => {
      fresh();
      if (!writable) throw new Unsupported('a guard or property writes');
      const before = machine.read(part.length) as number;
      const held = new Map(leaves.map((leaf) => [leaf, machine.entry(leaf)]));
      for (const [i, from] of plan.entries()) {
        const to = part.slots[i] as Slot;
        if (from === i) continue;
        if (typeof from === 'number') {
          for (const [j, leaf] of to.leaves.entries()) {
            machine.write(leaf, held.get((part.slots[from] as Slot).leaves[j] as Leaf) as Entry);
          }
          continue;
        }
        const source = sources.get(from.item as object);
        if (source === undefined) store(to.part, from.item);
        else copy(to.part, source.part, source.entry);
      }
      for (const slot of part.slots.slice(plan.length, before)) clear(slot.part);
      machine.write(part.length, { value: plan.length });
    };
    const first = part.slots[0] as Slot;
    const operand = (item: unknown): Operand => {
      const source = typeof item === 'object' && item !== null ? sources.get(item) : undefined;
      const from = source === undefined ? [] : leavesOf(source.part);
      if (source !== undefined && haveAlikeLeaves(from, first.leaves)) {
        return from.map((leaf) => {
          const entry = source.entry(leaf);
          return 'copy' in entry ? entry.copy : (leaf.index(entry.value) ?? outside());
        });
      }
      const packed = new Int32Array(machine.layout.words);
      packPart(first.part, item, packed);
      return first.leaves.map((leaf) => leafAt(leaf, packed));
    };
    const compare = (ask: 'equal' | 'behind', item: unknown): ((other: unknown) => boolean) => {
      const b = operand(item);
      return (other) => machine.compare(ask, operand(other), b);
    };
    const domain = {
      label: part.structure.label,
      capacity: part.structure.capacity,
      equalTo: (item: unknown) => compare('equal', item),
      behind: (item: unknown) => compare('behind', item),
    };
    Object.defineProperty(view, 'domain', { value: domain });
    Object.defineProperty(view, 'now', { value: now });
    Object.defineProperty(view, 'place', { value: rearrange });
    Object.defineProperty(view, 'items', { get: now, enumerable: true });
    return Object.preventExtensions(view);
  };

  return {
    get frozen() {
      return viewOf(machine.layout.root, false);
    },
    get draft() {
      return viewOf(machine.layout.root, true);
    },
    begin: () => {
      run++;
      if (versions.size > 0) {
        for (const part of versions.keys()) {
          frozen.delete(part);
          drafts.delete(part);
        }
        versions = new Map();
      }
      items.clear();
    },
  };
}

type Plan = readonly (number | { readonly item: unknown })[];

class QueueView extends QueueValue<unknown> {
  declare readonly now: () => readonly unknown[];
  declare readonly place: (plan: Plan) => void;
  constructor() {
    super();
    Reflect.deleteProperty(this, 'items');
  }
  protected override settledItems(): readonly unknown[] {
    return this.now();
  }
  protected override rearrange(plan: Plan): void {
    this.place(plan);
  }
}

class BagView extends BagValue<unknown> {
  declare readonly now: () => readonly unknown[];
  declare readonly place: (plan: Plan) => void;
  constructor() {
    super();
    Reflect.deleteProperty(this, 'items');
  }
  protected override settledItems(): readonly unknown[] {
    return this.now();
  }
  protected override rearrange(plan: Plan): void {
    this.place(plan);
  }
}

function arrayOf(elements: readonly Field[]): readonly unknown[] {
  const array: unknown[] = [];
  for (const [i, element] of elements.entries()) Object.defineProperty(array, i, element);
  return Object.preventExtensions(array);
}

/** Whether the numbers of two leaves mean the same values. */
function areAlike(a: Leaf, b: Leaf): boolean {
  if (a.count !== b.count || a.value(0) !== b.value(0) || a.value(a.count - 1) !== b.value(b.count - 1)) return false;
  if (a.count > 64) return typeof a.value(0) === 'number';
  return Array.from({ length: a.count }, (_, i) => i).every((i) => a.value(i) === b.value(i));
}

function haveAlikeLeaves(a: readonly Leaf[], b: readonly Leaf[]): boolean {
  return a.length === b.length && a.every((leaf, i) => areAlike(leaf, b[i] as Leaf));
}

function outside(): never {
  throw new Unsupported('an item lies outside its domain');
}

function isCopyOf(entry: Entry | undefined, leaf: Leaf): boolean {
  return entry !== undefined && 'copy' in entry && entry.copy === leaf;
}

function isSame(a: Entry, b: Entry | undefined): boolean {
  if (b === undefined) return false;
  return 'copy' in a ? 'copy' in b && a.copy === b.copy : 'value' in b && Object.is(a.value, b.value);
}
