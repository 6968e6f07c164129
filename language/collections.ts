/**
 * Sets, queues and bags inside a state. Each is an immutable value outside an effect and a draft inside one (immer drafts
 * them like records); a bag keeps its items sorted, so that equal bags are equal states.
 */
import { current, freeze, immerable, isDraft, isDraftable } from 'immer';
import { ModelError } from './errors.ts';

/** How the items of one particular queue or bag are named, bounded and ordered; it sits on the prototype. */
export interface Items<T> {
  /** The field in the state, for messages: `endpoint[*].pending`. */
  readonly label: string;
  readonly capacity: number;
  /** Tells which items are equal to this one. Throws on a value outside the domain. */
  readonly equalTo: (item: T) => (other: T) => boolean;
  /** Tells which items stand behind this one in a bag, which is sorted. Throws on a value outside the domain. */
  readonly behind: (item: T) => (other: T) => boolean;
}

/** An item by its value, or by a test on it. */
type Choice<T> = T | ((item: T) => boolean);

/** What queues and bags have in common to read. */
export interface ReadonlyItems<T> {
  readonly length: number;
  readonly capacity: number;
  readonly isEmpty: boolean;
  readonly isFull: boolean;
  /** The item at a position from 0; an error where there is none. */
  at(position: number): T;
  /** Whether an item equal to this one, or one that passes the test, is in it. */
  has(choice: Choice<T>): boolean;
  /** How many items are equal to this one, or pass the test. */
  count(choice: Choice<T>): number;
  some(test: (item: T) => boolean): boolean;
  every(test: (item: T) => boolean): boolean;
  find(test: (item: T) => boolean): T | undefined;
  [Symbol.iterator](): IterableIterator<T>;
}

declare const itemType: unique symbol;

/** A first-in first-out queue, read-only. */
export interface ReadonlyQueue<T> extends ReadonlyItems<T> {
  readonly [itemType]?: 'queue';
  /** The item that `shift` would take; an error if the queue is empty. */
  readonly head: T;
}

/** A first-in first-out queue. Its items are read-only: to change one, `set` it. */
export interface Queue<T> extends ReadonlyQueue<T> {
  /** Appends an item; an error if the queue is full. */
  push(item: T): void;
  /** Takes the oldest item; an error if the queue is empty. */
  shift(): T;
  /** Puts another item at a position from 0; an error where there is none. */
  set(position: number, item: T): void;
  clear(): void;
}

/** A multiset, read-only. */
export interface ReadonlyBag<T> extends ReadonlyItems<T> {
  readonly [itemType]?: 'bag';
}

/** A multiset. Its items are read-only: to change one, `replace` it. */
export interface Bag<T> extends ReadonlyBag<T> {
  /** Adds an item; an error if the bag is full. */
  add(item: T): void;
  /** Takes one item equal to this one, or the first that passes the test; an error if there is none. */
  remove(choice: Choice<T>): T;
  /** Takes all items that pass the test, which may be none; returns how many. */
  removeAll(test: (item: T) => boolean): number;
  /** Takes one item as `remove` does and adds another. */
  replace(choice: Choice<T>, item: T): void;
  clear(): void;
}

/** A subset of a sort, read-only; iterates in the order of the members. */
export interface ReadonlyMemberSet<M> {
  readonly [itemType]?: 'set';
  readonly size: number;
  readonly isEmpty: boolean;
  has(member: M): boolean;
  some(test: (member: M) => boolean): boolean;
  every(test: (member: M) => boolean): boolean;
  [Symbol.iterator](): IterableIterator<M>;
}

/** A subset of a sort. */
export interface MemberSet<M> extends ReadonlyMemberSet<M> {
  /** Adds a member; no error if it is in the set already. */
  add(member: M): void;
  /** Removes a member; no error if it is not in the set. */
  delete(member: M): void;
  clear(): void;
}

/** The value as it is now, frozen: no later change of a draft or record that it was made of reaches it. */
export function settled<T>(value: T): T {
  if (isDraft(value)) return freeze(current(value as object), true) as T;
  if (!isDraftable(value) || Object.isFrozen(value)) return value;
  const parts = Object.entries(value as object).map(
    ([name, part]: [string, unknown]) => [name, settled(part)] as const,
  );
  return Object.freeze(Array.isArray(value) ? parts.map(([, part]) => part) : Object.fromEntries(parts)) as T;
}

/** What a sequence is made of after a change: an item that is in it now, by position, or another. */
type Plan<T> = (number | { readonly item: T })[];

/** Queues and bags: a sequence of items with a capacity. Every change puts a new array in place. */
abstract class Sequence<T> implements ReadonlyItems<T> {
  static readonly [immerable] = true;
  /** From the prototype. */
  declare readonly domain: Items<T>;
  items: readonly T[] = [];

  get length(): number {
    return this.settledItems().length;
  }
  get capacity(): number {
    return this.domain.capacity;
  }
  get isEmpty(): boolean {
    return this.length === 0;
  }
  get isFull(): boolean {
    return this.length >= this.domain.capacity;
  }

  at(position: number): T {
    const items = this.settledItems();
    this.refuseMissing(position, items);
    return items[position] as T;
  }
  has(choice: Choice<T>): boolean {
    return this.settledItems().some(this.testFor(choice));
  }
  count(choice: Choice<T>): number {
    return this.settledItems().filter(this.testFor(choice)).length;
  }
  some(test: (item: T) => boolean): boolean {
    return this.settledItems().some((item) => test(item));
  }
  every(test: (item: T) => boolean): boolean {
    return this.settledItems().every((item) => test(item));
  }
  find(test: (item: T) => boolean): T | undefined {
    return this.settledItems().find((item) => test(item));
  }
  [Symbol.iterator](): IterableIterator<T> {
    return this.settledItems()[Symbol.iterator]();
  }
  clear(): void {
    this.rearrange([]);
  }

  /** The items as values: inside an effect they are those of the moment, and cannot be changed in place. */
  protected settledItems(): readonly T[] {
    return settled(this).items;
  }
  /** The value as it is now, as an item is kept or compared. */
  protected settled<V>(value: V): V {
    return settled(value);
  }
  /** Puts other items in place: those at the given present positions, and new ones. */
  protected rearrange(plan: Readonly<Plan<T>>): void {
    const items = this.settledItems();
    this.items = plan.map((part) => (typeof part === 'number' ? (items[part] as T) : part.item));
  }
  protected testFor(choice: Choice<T>): (item: T) => boolean {
    if (typeof choice === 'function') return (item) => (choice as (item: T) => boolean)(item);
    return this.domain.equalTo(this.settled(choice));
  }
  protected refuseMissing(position: number, items: readonly T[]): void {
    if (Number.isInteger(position) && position >= 0 && position < items.length) return;
    const { label } = this.domain;
    throw new ModelError(
      items.length === 0
        ? `'${label}' is empty`
        : `there is no item ${position} in '${label}', which holds ${items.length}`,
      { field: label },
    );
  }
  protected refuseFull(items: readonly T[]): void {
    const { label, capacity } = this.domain;
    if (items.length >= capacity) {
      throw new ModelError(`'${label}' is full: it holds at most ${capacity}`, { field: label });
    }
  }
}

/** The run-time form of `Queue`. */
export class QueueValue<T> extends Sequence<T> implements Queue<T> {
  get head(): T {
    return this.at(0);
  }
  push(item: T): void {
    const items = this.settledItems();
    this.refuseFull(items);
    this.rearrange([...items.keys(), { item: this.settled(item) }]);
  }
  shift(): T {
    const items = this.settledItems();
    this.refuseMissing(0, items);
    this.rearrange([...items.keys()].slice(1));
    return items[0] as T;
  }
  set(position: number, item: T): void {
    const items = this.settledItems();
    this.refuseMissing(position, items);
    const plan: Plan<T> = [...items.keys()];
    plan[position] = { item: this.settled(item) };
    this.rearrange(plan);
  }
}

/** The run-time form of `Bag`. */
export class BagValue<T> extends Sequence<T> implements Bag<T> {
  add(item: T): void {
    const items = this.settledItems();
    this.refuseFull(items);
    const value = this.settled(item);
    const after = items.findIndex(this.domain.behind(value));
    const plan: Plan<T> = [...items.keys()];
    plan.splice(after < 0 ? items.length : after, 0, { item: value });
    this.rearrange(plan);
  }
  remove(choice: Choice<T>): T {
    const items = this.settledItems();
    const position = items.findIndex(this.testFor(choice));
    if (position < 0) {
      const { label } = this.domain;
      throw new ModelError(`there is no such item in '${label}'`, { field: label });
    }
    this.rearrange([...items.keys()].toSpliced(position, 1));
    return items[position] as T;
  }
  removeAll(test: (item: T) => boolean): number {
    const items = this.settledItems();
    const kept = [...items.keys()].filter((position) => !test(items[position] as T));
    if (kept.length < items.length) this.rearrange(kept);
    return items.length - kept.length;
  }
  replace(choice: Choice<T>, item: T): void {
    this.remove(choice);
    this.add(item);
  }
}

/** The run-time form of `MemberSet`: one flag for each member of the sort. */
export class SetValue<M> implements MemberSet<M> {
  static readonly [immerable] = true;
  readonly flags: boolean[];

  constructor(members: number) {
    this.flags = Array.from({ length: members }, () => false);
  }
  get size(): number {
    return this.flags.filter(Boolean).length;
  }
  get isEmpty(): boolean {
    return !this.flags.includes(true);
  }
  has(member: M): boolean {
    return this.flags[member as number] === true;
  }
  some(test: (member: M) => boolean): boolean {
    return this.members().some((member) => test(member));
  }
  every(test: (member: M) => boolean): boolean {
    return this.members().every((member) => test(member));
  }
  [Symbol.iterator](): IterableIterator<M> {
    return this.members()[Symbol.iterator]();
  }
  add(member: M): void {
    this.refuseStranger(member);
    this.flags[member as number] = true;
  }
  delete(member: M): void {
    this.refuseStranger(member);
    this.flags[member as number] = false;
  }
  clear(): void {
    this.flags.fill(false);
  }
  private members(): readonly M[] {
    return this.flags.flatMap((flag, member) => (flag ? [member as M] : []));
  }
  private refuseStranger(member: M): void {
    if (typeof this.flags[member as number] === 'boolean') return;
    throw new ModelError(`${String(member)} is not a member of the set's sort, which has ${this.flags.length}`);
  }
}

/** The class of the queues of one domain; capacity, label and item order live on its prototype. */
export function queueClass<T>(items: Items<T>): new () => QueueValue<T> {
  const Class = class extends QueueValue<T> {};
  Object.defineProperty(Class.prototype, 'domain', { value: items });
  return Class;
}

/** The class of the bags of one domain. */
export function bagClass<T>(items: Items<T>): new () => BagValue<T> {
  const Class = class extends BagValue<T> {};
  Object.defineProperty(Class.prototype, 'domain', { value: items });
  return Class;
}
