/**
 * The state as the functions of a model see it on the recording machine: objects, arrays, sets, queues and bags that behave
 * like the immutable state and its drafts, but read and write packed words. What they cannot do like these, they refuse.
 */
import { BagValue, QueueValue, SetValue } from '../../language/collections.ts';
import {
  type EachPart,
  type Leaf,
  leavesOf,
  type Part,
  type RecordPart,
  type SequencePart,
  type SetPart,
  type Slot,
} from './layout.ts';
import type { Entry, Machine, Operand } from './machine.ts';

/** What an object stands for. */
interface Source {
  readonly part: Part;
  /** What a leaf of the part holds. */
  readonly entry: (leaf: Leaf) => Entry;
  /** What was assigned to parts within it as a whole. */
  readonly assigned: ReadonlyMap<Part, unknown>;
  /** Whether it follows the state; otherwise it is a value, and stays as it is. */
  readonly isLive: boolean;
}

/** The state on a machine. */
export interface Views {
  /** The state as it is now, which cannot be changed. */
  readonly frozen: object;
  /** Lets `work` change a draft of the state. */
  readonly change: (work: (draft: object) => void) => void;
  /** Forgets an earlier run. */
  readonly begin: () => void;
}

type Structured = RecordPart | EachPart | SetPart | SequencePart;
type Field = PropertyDescriptor & ThisType<unknown>;
type Write = (leaf: Leaf, entry: Entry) => void;

/** Views of the machine's state. */
export function viewsOn(machine: Machine): Views {
  const { root } = machine.layout;
  const sources = new Map<object, Source>();
  /** What stands behind the views. */
  const readers = new Map<Part, object>();
  const writers = new Map<Part, object>();
  /** New for every run and after every change, as a function may remember what it found out about an object. */
  const frozen = new Map<Part, unknown>();
  const drafts = new Map<Part, unknown>();
  let age = 0;
  const entryNow = (leaf: Leaf): Entry => machine.entry(leaf);
  /**
   * Until the change ends, a part to which a value was assigned as a whole reads as that very value, as in a draft; the
   * object that stood there keeps its leaves, and may stand elsewhere by now.
   */
  const assigned = new Map<Part, unknown>();

  const refusals: ProxyHandler<object> = {
    defineProperty: () => machine.refuse('a field is added'),
    deleteProperty: () => machine.refuse('a field is deleted'),
    preventExtensions: () => machine.refuse('a part of the state is frozen'),
    setPrototypeOf: () => machine.refuse('a part of the state gets another prototype'),
  };
  /** Ends the views that a function could still hold: what they stood for is gone. */
  const revoked: (() => void)[] = [];
  const guarded = <T extends object>(target: T): T => {
    const { proxy, revoke } = Proxy.revocable(target, refusals);
    revoked.push(revoke);
    return proxy as T;
  };

  /** Made anew at every age, when it is needed. */
  const eachAge = <T>(make: () => T): (() => T) => {
    let made: { readonly at: number; readonly value: T } | undefined;
    return () => {
      if (made?.at !== age) made = { at: age, value: make() };
      return made.value;
    };
  };

  const viewOf = (part: Structured, writable: boolean): unknown => {
    const cache = writable ? drafts : frozen;
    const cached = cache.get(part);
    if (cached !== undefined) return cached;
    const view = guarded(targetOf(part, writable));
    cache.set(part, view);
    sources.set(view, { part, entry: entryNow, assigned, isLive: true });
    return view;
  };

  const targetOf = (part: Structured, writable: boolean): object => {
    const cache = writable ? writers : readers;
    let target = cache.get(part);
    if (target === undefined) {
      target = build(part, writable);
      if (!writable) Object.freeze(target);
      cache.set(part, target);
    }
    return target;
  };

  const build = (part: Structured, writable: boolean): object => {
    switch (part.kind) {
      case 'record': {
        const fields = part.fields.map(([name, field]) => [name, fieldOf(field, writable)] as const);
        return Object.defineProperties({}, Object.fromEntries(fields));
      }
      case 'each':
        return arrayOf(part.elements.map((element) => fieldOf(element, writable)));
      case 'set': {
        const fields = part.flags.map((leaf) => fieldOf({ kind: 'leaf', leaf }, writable));
        const target = writable ? arrayOf(fields) : Object.freeze(arrayOf(fields));
        const flags = eachAge(() => guarded(target));
        return internally(Object.create(SetValue.prototype) as object, 'flags', flags);
      }
      case 'queue':
        return sequenceView(new QueueView(), part, writable);
      case 'bag':
        return sequenceView(new BagView(), part, writable);
      default:
        return part satisfies never;
    }
  };

  /** Defines what only collections themselves may replace. */
  const internally = <T extends object>(view: T, name: string, get: () => unknown): T =>
    Object.defineProperty(view, name, {
      enumerable: true,
      get,
      set: () => {
        machine.refuse('the inside of a collection is assigned');
      },
    });

  const fieldOf = (part: Part, writable: boolean): Field => ({
    enumerable: true,
    get: () => valueOf(part, writable),
    set: (value: unknown) => {
      if (!writable) machine.refuse('a guard or property writes');
      if (part.kind === 'leaf') machine.write(part.leaf, { value });
      else assigned.set(part, value);
    },
  });

  const valueOf = (part: Part, writable: boolean): unknown => {
    if (part.kind === 'leaf') return machine.read(part.leaf);
    if (assigned.has(part)) {
      if (writable) return assigned.get(part);
      if (!frozen.has(part)) frozen.set(part, settled(assigned.get(part)));
      return frozen.get(part);
    }
    if (part.kind !== 'optional') return viewOf(part, writable);
    return machine.read(part.present) === true ? valueOf(part.of, writable) : null;
  };

  /** Gives the leaves of a part what a value comes to, which may be a view or contain some. */
  const put = (to: Part, value: unknown, write: Write): void => {
    if (to.kind === 'leaf') {
      write(to.leaf, { value });
      return;
    }
    const source = isObject(value) ? sources.get(value) : undefined;
    if (source !== undefined) move(to, source.part, source, write);
    else if (to.kind === 'optional') {
      if (value === null) clear(to, write);
      else {
        write(to.present, { value: true });
        put(to.of, value, write);
      }
    } else if (to.kind === 'record' && isRecordOf(to, value)) {
      for (const [name, field] of to.fields) put(field, value[name], write);
    } else if (to.kind === 'each' && isArrayOf(to, value)) {
      for (const [i, element] of to.elements.entries()) put(element, value[i], write);
    } else if (to.kind === 'set' && value instanceof SetValue && value.flags.length === to.flags.length) {
      for (const [i, flag] of to.flags.entries()) write(flag, { value: value.flags[i] });
    } else machine.refuse('something else is assigned than a value of the domain');
  };

  /** Gives the leaves of a part what another part holds; where both have the same values, unseen. */
  const move = (to: Part, from: Part, source: Source, write: Write): void => {
    if (from.kind === 'leaf') {
      const held = source.entry(from.leaf);
      const isUnseen = to.kind === 'leaf' && ('value' in held || areAlike(to.leaf, held.copy));
      if (isUnseen) write(to.leaf, held);
      else put(to, machine.valueOf(held), write);
    } else if (from.kind === 'optional') {
      if (to.kind === 'optional' && haveSameShape(to.of, from.of)) {
        write(to.present, source.entry(from.present));
        move(to.of, from.of, source, write);
      } else if (machine.valueOf(source.entry(from.present)) === true) move(to, from.of, source, write);
      else put(to, null, write);
    } else if (to.kind === 'optional') {
      write(to.present, { value: true });
      move(to.of, from, source, write);
    } else if (to.kind === 'record' && from.kind === 'record' && haveSameNames(to, from)) {
      const fields = new Map(from.fields);
      for (const [name, field] of to.fields) moveWithin(field, fields.get(name) as Part, source, write);
    } else if (to.kind === 'each' && from.kind === 'each' && to.elements.length === from.elements.length) {
      for (const [i, element] of to.elements.entries()) moveWithin(element, from.elements[i] as Part, source, write);
    } else if (to.kind === 'set' && from.kind === 'set' && to.flags.length === from.flags.length) {
      for (const [i, flag] of to.flags.entries()) write(flag, source.entry(from.flags[i] as Leaf));
    } else if (isSequence(to) && isSequence(from) && haveSameShape(to, from)) {
      const leaves = leavesOf(from);
      for (const [i, leaf] of leavesOf(to).entries()) write(leaf, source.entry(leaves[i] as Leaf));
    } else machine.refuse('a part of another shape is assigned');
  };

  const moveWithin = (to: Part, from: Part, source: Source, write: Write): void => {
    if (source.assigned.has(from)) put(to, source.assigned.get(from), write);
    else move(to, from, source, write);
  };

  const clear = (part: Part, write: Write): void => {
    for (const leaf of leavesOf(part)) write(leaf, { value: leaf.value(0) });
  };

  /** Ends a change: what was assigned as a whole is written into the leaves. */
  const finish = (): void => {
    const writes: (readonly [Leaf, Entry])[] = [];
    const visit = (part: Part): void => {
      if (assigned.has(part)) put(part, assigned.get(part), (leaf, entry) => void writes.push([leaf, entry]));
      else for (const inner of partsOf(part)) visit(inner);
    };
    if (assigned.size > 0) visit(root);
    assigned.clear();
    for (const [leaf, entry] of writes) machine.write(leaf, entry);
    renew();
  };

  const renew = (): void => {
    age++;
    for (const revoke of revoked) revoke();
    revoked.length = 0;
    frozen.clear();
    drafts.clear();
  };

  /** The value as it is now: no later change reaches it. */
  const settled = (value: unknown): unknown => {
    if (!isObject(value)) return value;
    const source = sources.get(value);
    if (source !== undefined) return source.isLive ? valueIn(source.part, captured(source.part)) : value;
    if (Object.isFrozen(value)) return value;
    if (Array.isArray(value)) return Object.freeze(value.map(settled));
    if (!isPlain(value)) return value;
    return Object.freeze(Object.fromEntries(Object.entries(value).map(([name, part]) => [name, settled(part)])));
  };

  const captured = (part: Part): Source => {
    const entries = new Map(leavesOf(part).map((leaf) => [leaf, machine.entry(leaf)]));
    const values = new Map<Part, unknown>();
    const visit = (inner: Part): void => {
      if (assigned.has(inner)) values.set(inner, settled(assigned.get(inner)));
      else for (const further of partsOf(inner)) visit(further);
    };
    if (assigned.size > 0) for (const inner of partsOf(part)) visit(inner);
    return { part, entry: (leaf) => entries.get(leaf) as Entry, assigned: values, isLive: false };
  };

  /** The value of a part within a source that stays as it is; a leaf is read when a record's field with it is. */
  const valueIn = (part: Part, source: Source): unknown => {
    if (source.assigned.has(part)) return source.assigned.get(part);
    switch (part.kind) {
      case 'leaf':
        return machine.valueOf(source.entry(part.leaf));
      case 'optional':
        return machine.valueOf(source.entry(part.present)) === true ? valueIn(part.of, source) : null;
      case 'record': {
        const { run } = machine;
        const fields = part.fields.map(([name, field]) => {
          const get = once(() => {
            if (machine.run !== run) machine.refuse('an item of an earlier run is looked at');
            return valueIn(field, source);
          });
          return [name, { enumerable: true, get }] as const;
        });
        const value = Object.freeze(Object.defineProperties({}, Object.fromEntries(fields)));
        sources.set(value, { ...source, part });
        return value;
      }
      case 'each':
        return Object.freeze(part.elements.map((element) => valueIn(element, source)));
      case 'set': {
        const set = new SetValue(part.flags.length);
        for (const [i, flag] of part.flags.entries()) set.flags[i] = machine.valueOf(source.entry(flag)) === true;
        Object.freeze(set.flags);
        return Object.freeze(set);
      }
      case 'queue':
      case 'bag': {
        const length = machine.valueOf(source.entry(part.length)) as number;
        const sequence = new part.structure.class();
        sequence.items = Object.freeze(part.slots.slice(0, length).map((slot) => valueIn(slot.part, source)));
        return Object.freeze(sequence);
      }
      default:
        return part satisfies never;
    }
  };

  const sequenceView = <V extends QueueView | BagView>(view: V, part: SequencePart, writable: boolean): V => {
    let items: readonly (() => unknown)[] | undefined;
    let array: readonly unknown[] | undefined;
    let seenAt = age;
    const held = (): readonly (() => unknown)[] => {
      if (seenAt !== age) {
        seenAt = age;
        items = undefined;
        array = undefined;
      }
      items ??= part.slots.slice(0, machine.read(part.length) as number).map((slot) => {
        const source = captured(slot.part);
        return once(() => valueIn(slot.part, source));
      });
      return items;
    };
    const now = (): readonly unknown[] => {
      const present = held();
      array ??= guarded(Object.freeze(arrayOf(present.map((get) => ({ enumerable: true, get })))));
      return array;
    };
    const place = (plan: Plan): void => {
      if (!writable) machine.refuse('a guard or property writes');
      const before = held();
      const entries = part.slots.map(({ leaves }) => leaves.map(entryNow));
      const write: Write = (leaf, entry) => machine.write(leaf, entry);
      for (const [i, from] of plan.entries()) {
        const to = part.slots[i] as Slot;
        if (typeof from !== 'number') put(to.part, from.item, write);
        else if (from !== i) for (const [j, leaf] of to.leaves.entries()) write(leaf, entries[from]?.[j] as Entry);
      }
      for (const slot of part.slots.slice(plan.length, before.length)) clear(slot.part, write);
      machine.write(part.length, { value: plan.length });
      items = plan.map((from) => (typeof from === 'number' ? (before[from] as () => unknown) : () => from.item));
      array = undefined;
    };
    const [first] = part.slots as readonly [Slot];
    const operand = (item: unknown): Operand => {
      const entries = new Map<Leaf, Entry>();
      put(first.part, item, (leaf, entry) => entries.set(leaf, entry));
      return first.leaves.map((leaf) => {
        const entry = entries.get(leaf) as Entry;
        if ('copy' in entry) return entry.copy;
        return leaf.index(entry.value) ?? machine.refuse('an item lies outside its domain');
      });
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
    Object.defineProperty(view, 'inside', { value: { now, place, settled } satisfies Inside });
    return internally(view, 'items', now);
  };

  return {
    get frozen() {
      return viewOf(root, false) as object;
    },
    change: (work) => {
      renew();
      work(viewOf(root, true) as object);
      finish();
    },
    begin: () => {
      sources.clear();
      assigned.clear();
      renew();
    },
  };
}

type Plan = readonly (number | { readonly item: unknown })[];

/** How a queue or bag reaches its items. */
interface Inside {
  readonly now: () => readonly unknown[];
  readonly place: (plan: Plan) => void;
  readonly settled: (value: unknown) => unknown;
}

class QueueView extends QueueValue<unknown> {
  declare readonly inside: Inside;
  constructor() {
    super();
    Reflect.deleteProperty(this, 'items');
  }
  protected override settledItems(): readonly unknown[] {
    return this.inside.now();
  }
  protected override settled<V>(value: V): V {
    return this.inside.settled(value) as V;
  }
  protected override rearrange(plan: Plan): void {
    this.inside.place(plan);
  }
}

class BagView extends BagValue<unknown> {
  declare readonly inside: Inside;
  constructor() {
    super();
    Reflect.deleteProperty(this, 'items');
  }
  protected override settledItems(): readonly unknown[] {
    return this.inside.now();
  }
  protected override settled<V>(value: V): V {
    return this.inside.settled(value) as V;
  }
  protected override rearrange(plan: Plan): void {
    this.inside.place(plan);
  }
}

function arrayOf(elements: readonly Field[]): readonly unknown[] {
  const array: unknown[] = [];
  for (const [i, element] of elements.entries()) Object.defineProperty(array, i, element);
  return array;
}

function once(get: () => unknown): () => unknown {
  let known: { readonly value: unknown } | undefined;
  return () => (known ??= { value: get() }).value;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

type Table = Readonly<Record<string, unknown>>;

function isPlain(value: unknown): value is Table {
  return isObject(value) && (Object.getPrototypeOf(value) ?? Object.prototype) === Object.prototype;
}

/** Whether a value has the fields of a record and no others. */
function isRecordOf({ fields }: RecordPart, value: unknown): value is Table {
  return (
    isPlain(value) &&
    Object.keys(value).length === fields.length &&
    fields.every(([name]) => Object.hasOwn(value, name))
  );
}

function isArrayOf({ elements }: EachPart, value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length === elements.length && Object.keys(value).length === elements.length;
}

/** The parts to which something can be assigned as a whole, or in which there are some. */
function partsOf(part: Part): readonly Part[] {
  if (part.kind === 'record') return part.fields.map(([, field]) => field);
  if (part.kind === 'each') return part.elements;
  return part.kind === 'optional' ? [part.of] : [];
}

function isSequence(part: Part): part is SequencePart {
  return part.kind === 'queue' || part.kind === 'bag';
}

/** Whether the numbers of two leaves mean the same values. */
function areAlike(a: Leaf, b: Leaf): boolean {
  if (a.count !== b.count || a.value(0) !== b.value(0) || a.value(a.count - 1) !== b.value(b.count - 1)) return false;
  if (a.count > 64) return typeof a.value(0) === 'number';
  return Array.from({ length: a.count }, (_, i) => i).every((i) => a.value(i) === b.value(i));
}

function haveSameNames(a: RecordPart, b: RecordPart): boolean {
  const names = new Set(b.fields.map(([name]) => name));
  return a.fields.length === b.fields.length && a.fields.every(([name]) => names.has(name));
}

/** Whether the same bits mean the same value in both parts. */
function haveSameShape(a: Part, b: Part): boolean {
  if (a.kind === 'leaf') return b.kind === 'leaf' && areAlike(a.leaf, b.leaf);
  if (a.kind === 'optional') return b.kind === 'optional' && haveSameShape(a.of, b.of);
  if (a.kind === 'record') {
    if (b.kind !== 'record' || !haveSameNames(a, b)) return false;
    const fields = new Map(b.fields);
    return a.fields.every(([name, field]) => haveSameShape(field, fields.get(name) as Part));
  }
  if (a.kind === 'each') {
    if (b.kind !== 'each' || a.elements.length !== b.elements.length) return false;
    return a.elements.every((element, i) => haveSameShape(element, b.elements[i] as Part));
  }
  if (a.kind === 'set') return b.kind === 'set' && a.flags.length === b.flags.length;
  return (
    isSequence(b) && a.kind === b.kind && a.structure.label === b.structure.label && a.slots.length === b.slots.length
  );
}
