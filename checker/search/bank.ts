/**
 * A bank: one WebAssembly memory with some shards of the visited set, and the buffers through which successors reach them.
 * All that describes it lies in the memory itself, so that several threads can work on it, one at a time.
 */
import { allRules } from '../compile/program.ts';
import { chunkBitsOf, descriptor, idBits, noteBytes, shards, stridesOf } from '../compile/format.ts';
import type { ProgramExports } from '../compile/module.ts';
import type { StoreExports } from '../compile/store.ts';
import { pageBytes, type PastShape } from '../compile/past.ts';
import { Past } from './past.ts';

/** Byte addresses in a bank's memory. */
const at = {
  /** Numbers of the allocator, see `meta`. */
  meta: 64,
  descriptors: 1024,
  /** Per shard: what is known of earlier levels, where states are not kept. */
  pasts: 2048,
  /** Per shard: how many sorted successors there are for it, and where they start. */
  counts: 4096,
  starts: 4608,
  offsets: 5120,
  /** Per shard: the number of states whose successors are known, and of states on this level or before. */
  explored: 5632,
  levelEnd: 6144,
  /**
   * Per shard, where states are not kept: the number of the first state that the index and its descriptor count from, and how
   * many chunks are gone.
   */
  bases: 6656,
  gone: 7168,
  /** Freed blocks: address and size; up to the place that generated code uses from 32768 on. */
  scraps: 8192,
  buffers: 65536,
} as const;
/** Positions of numbers in `meta`, counted in 32-bit words from its address. */
const meta = {
  next: 0,
  scraps: 1,
  bytes: 2,
  digestA: 3,
  digestB: 4,
  successors: 5,
  freeChunks: 6,
  freePages: 7,
} as const;
const maxScraps = 2048;

const page = 65536;
/** A 32-bit memory has at most 4 GiB; the last page is left out, so that addresses stay below 2^32. */
export const maxPages = 65535;
/** An index has at most this share of its entries in use. */
const maxLoad = 0.7;
const firstIndex = 256;
/** A memory grows by at least so many bytes, where the limit lets it. */
const growth = 2 ** 23;
/**
 * How many successors the banks collect together in a round, and how many bytes their buffers have together: the more at a
 * time, the more of them fall on the same cache lines of the visited set.
 */
const roundSize = 2 ** 19;
/** Where states are not kept, the room for those of a round counts for more than the cache lines. */
const roundSizeOfPast = 2 ** 17;
const roundBytes = 2 ** 25;
const mostStatesPerCall = 1024;

/** Where the buffers of a bank lie: depends on the words of a state and the number of rules alone. */
export interface BankShape {
  readonly words: number;
  readonly rules: number;
  readonly tests: number;
  /** What is kept of the states of earlier levels, if they are not kept themselves. */
  readonly past: PastShape | undefined;
  /** How many banks share the work. */
  readonly banks: number;
}

/** Notes about states, three numbers each: shard, number in the shard, and a function. */
export type Notes = number[];

interface Buffers {
  readonly successors: number;
  readonly hashes: number;
  readonly sorted: number;
  readonly inbox: number;
  readonly masks: number;
  readonly missed: number;
  readonly stuck: number;
  readonly found: number;
  readonly guest: number;
  readonly end: number;
  readonly capacity: number;
  readonly notes: number;
}

function buffersOf({ words, rules, tests, past, banks }: BankShape): Buffers {
  const strides = stridesOf(words);
  const each = strides.successor + 4 + 2 * strides.sorted + 4;
  const size = past === undefined ? roundSize : roundSizeOfPast;
  const capacity = Math.max(2 * rules, Math.floor(Math.min(size, roundBytes / each) / banks));
  const notes = Math.max(16384, rules, tests);
  let next: number = at.buffers;
  const take = (bytes: number): number => {
    const start = next;
    next += Math.ceil(bytes / 64) * 64;
    return start;
  };
  return {
    successors: take(capacity * strides.successor),
    hashes: take(capacity * 4),
    sorted: take(capacity * strides.sorted),
    inbox: take(capacity * strides.sorted),
    masks: take(capacity * 4),
    missed: take(notes * noteBytes),
    stuck: take(notes * noteBytes),
    found: take(notes * noteBytes),
    guest: take(past === undefined ? 0 : strides.state * 2 ** chunkBitsOf(words, past)),
    end: next,
    capacity,
    notes,
  };
}

/** Memories that are not in use any more: to make one takes longer than to search a small model. */
const spares: WebAssembly.Memory[] = [];
const mostSpares = 8;
/** A memory that has grown beyond so many bytes is given back instead. */
const largestSpare = 2 ** 26;

/** Makes the memory of a bank. */
export function newMemory(shape: BankShape): WebAssembly.Memory {
  const { end } = buffersOf(shape);
  const pages = Math.ceil(end / page) + 1;
  const memory = spares.pop() ?? new WebAssembly.Memory({ initial: pages, maximum: maxPages, shared: true });
  const missing = pages - memory.buffer.byteLength / page;
  if (missing > 0) memory.grow(missing);
  const words = new Int32Array(memory.buffer);
  const used = words[at.meta / 4 + meta.next] as number;
  const next = Math.ceil(end / page) * page;
  words.fill(0, 0, at.buffers / 4);
  // What lies behind the buffers is 0 where it was never in use.
  if (used > next) words.fill(0, next / 4, used / 4);
  words[at.meta / 4 + meta.next] = next;
  words[at.meta / 4 + meta.bytes] = memory.buffer.byteLength;
  return memory;
}

/** Takes back a memory that no thread uses any more. */
export function release(memory: WebAssembly.Memory): void {
  if (spares.length < mostSpares && memory.buffer.byteLength <= largestSpare) spares.push(memory);
}

/** How many states a shard has, those included that are not kept. */
function countIn(numbers: Int32Array, shard: number): number {
  const counted = numbers[(at.descriptors + shard * descriptor.bytes + descriptor.count) / 4] as number;
  return counted + (numbers[at.bases / 4 + shard] as number);
}

/** One thread's hold on a bank. */
export class Bank {
  readonly number: number;
  readonly memory: WebAssembly.Memory;
  /** The shards that it holds: `first` to `end - 1`. */
  readonly first: number;
  readonly end: number;
  private readonly shape: BankShape;
  private readonly buffers: Buffers;
  private readonly strides: ReturnType<typeof stridesOf>;
  private readonly chunkBits: number;
  private readonly past: Past | undefined;
  /** The chunk in the buffer for guests. */
  private guest: { readonly shard: number; readonly chunk: number } | undefined;
  /** The most bytes that the memory may have. */
  private readonly limit: number;
  private view: Int32Array;
  private module: WebAssembly.Module | undefined;
  /** Of the module in use, once it is needed. */
  private code: ProgramExports | undefined;
  private readonly store: WebAssembly.Module;
  private storeCode: StoreExports | undefined;

  constructor(number: number, memory: WebAssembly.Memory, store: WebAssembly.Module, shape: BankShape, limit: number) {
    const { banks } = shape;
    this.number = number;
    this.memory = memory;
    this.store = store;
    this.first = Math.ceil((number * shards) / banks);
    this.end = Math.ceil(((number + 1) * shards) / banks);
    this.shape = shape;
    this.buffers = buffersOf(shape);
    this.strides = stridesOf(shape.words);
    this.chunkBits = chunkBitsOf(shape.words, shape.past);
    this.past = shape.past && new Past(shape.past, this.ground(), at.pasts);
    this.limit = Math.min(limit, maxPages * page);
    this.view = new Int32Array(memory.buffer);
  }

  /** Takes another module of the program in use. */
  link(module: WebAssembly.Module): void {
    this.module = module;
    this.code = undefined;
  }

  /** The memory as numbers, which another thread may have made larger. */
  private get numbers(): Int32Array {
    const bytes = this.view[at.meta / 4 + meta.bytes] as number;
    if (bytes >>> 0 > this.view.byteLength) {
      this.memory.grow(0);
      this.view = new Int32Array(this.memory.buffer);
    }
    return this.view;
  }

  private number32(address: number): number {
    return this.numbers[address >>> 2] as number;
  }
  private setNumber(address: number, value: number): void {
    this.numbers[address >>> 2] = value;
  }
  private perShard(address: number, shard: number): number {
    return this.number32(address + shard * 4);
  }

  private descriptorOf(shard: number): number {
    return at.descriptors + shard * descriptor.bytes;
  }

  /** How many states a shard has, those included that are not kept. */
  count(shard: number): number {
    return countIn(this.numbers, shard);
  }

  /** The number of the state that the descriptor counts as the first. */
  private base(shard: number): number {
    return this.perShard(at.bases, shard);
  }

  /** Where the list of a shard's chunks is, or 0. */
  private chunksOf(shard: number): number {
    const from = this.number32(this.descriptorOf(shard) + descriptor.chunks) >>> 0;
    return from === 0 ? 0 : from - (this.base(shard) >>> this.chunkBits) * 4;
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.number32(at.meta + meta.next * 4) >>> 0;
  }

  get digest(): readonly [number, number] {
    return [this.number32(at.meta + meta.digestA * 4), this.number32(at.meta + meta.digestB * 4)];
  }

  /** How many states there are, and how many of them wait for their successors. */
  totals(): { readonly states: number; readonly waiting: number } {
    const { numbers, first, end } = this;
    let states = 0;
    let waiting = 0;
    for (let shard = first; shard < end; shard++) {
      const count = countIn(numbers, shard);
      states += count;
      waiting += count - (numbers[at.explored / 4 + shard] as number);
    }
    return { states, waiting };
  }

  /** How many states of this level wait for their successors. */
  left(): number {
    const { numbers, first, end } = this;
    let left = 0;
    for (let shard = first; shard < end; shard++) {
      left += (numbers[at.levelEnd / 4 + shard] as number) - (numbers[at.explored / 4 + shard] as number);
    }
    return left;
  }

  /** How far the successors of the shards' states are known. */
  progress(): Int32Array {
    return this.numbers.slice(at.explored / 4, at.explored / 4 + shards);
  }

  /** Goes back to an earlier progress: the successors since are forgotten. */
  rewind(progress: Int32Array): void {
    this.numbers.set(progress, at.explored / 4);
  }

  /** All states that were found belong to the level that begins; returns the ends of the shards' levels. */
  beginLevel(): readonly number[] {
    const { numbers, first, end } = this;
    const ends: number[] = [];
    for (let shard = first; shard < end; shard++) {
      const count = countIn(numbers, shard);
      numbers[at.levelEnd / 4 + shard] = count;
      ends.push(count);
    }
    return ends;
  }

  /**
   * Of the states that were found since the last level began, what is kept of earlier levels is taken in; the index is to find
   * those of the next level alone. False if that would exceed the memory.
   */
  settle(): boolean {
    const { past } = this;
    if (past === undefined) return true;
    const statesPerChunk = 2 ** this.chunkBits;
    for (let shard = this.first; shard < this.end; shard++) {
      const end = this.count(shard);
      let id = this.perShard(at.levelEnd, shard);
      if (!past.reserve(shard, end - id)) return false;
      if (id < end) this.emptyIndex(shard, end - id);
      while (id < end) {
        const n = Math.min(end - id, statesPerChunk - (id & (statesPerChunk - 1)));
        past.remember(shard, this.position(shard, id) * 4, n);
        id += n;
      }
    }
    return true;
  }

  /** The index of a shard is to count from its last chunk on, and finds nothing. */
  private emptyIndex(shard: number, states: number): void {
    const of = this.descriptorOf(shard);
    const [chunks, end] = [this.chunksOf(shard), this.count(shard)];
    const base = end - (end & (2 ** this.chunkBits - 1));
    this.setNumber(at.bases + shard * 4, base);
    this.setNumber(of + descriptor.count, end - base);
    this.setNumber(of + descriptor.chunks, chunks + (base >>> this.chunkBits) * 4);
    const index = this.number32(of + descriptor.index) >>> 0;
    if (index === 0) return;
    const size = this.number32(of + descriptor.mask) + 1;
    if (size > Math.max(firstIndex, 16 * states)) {
      this.free(index, size * 4);
      this.setNumber(of + descriptor.index, 0);
    } else {
      this.numbers.fill(0, index >>> 2, (index >>> 2) + size);
    }
  }

  /** The chance that a state which is not in a shard's past would be taken for one that is; and how many are new to it. */
  outlook(shard: number): { readonly chance: number; readonly fresh: number } {
    return { chance: this.past?.chance(shard) ?? 0, fresh: this.count(shard) - this.perShard(at.levelEnd, shard) };
  }

  /** Gives the chunks of states away that are explored; the memory is used again. */
  release(keep: (shard: number, states: Uint8Array) => void): void {
    const bytes = this.strides.state * 2 ** this.chunkBits;
    for (let shard = this.first; shard < this.end; shard++) {
      const explored = this.perShard(at.explored, shard) >>> this.chunkBits;
      for (let chunk = this.perShard(at.gone, shard); chunk < explored; chunk++) {
        const entry = this.chunksOf(shard) + chunk * 4;
        const block = this.number32(entry) >>> 0;
        keep(shard, new Uint8Array(this.numbers.buffer, block, bytes));
        this.setNumber(entry, 0);
        this.setNumber(at.gone + shard * 4, chunk + 1);
        this.putBy(meta.freeChunks, block);
      }
    }
  }

  /** Has a state in memory that may have been given away, and those of its chunk, until it is called again. */
  recall(shard: number, id: number, read: (chunk: number, into: Uint8Array) => void): void {
    const chunk = id >>> this.chunkBits;
    if (chunk >= this.perShard(at.gone, shard) || (this.guest?.shard === shard && this.guest.chunk === chunk)) return;
    if (this.guest !== undefined) this.setNumber(this.chunksOf(this.guest.shard) + this.guest.chunk * 4, 0);
    this.guest = { shard, chunk };
    const bytes = this.strides.state * 2 ** this.chunkBits;
    read(chunk, new Uint8Array(this.numbers.buffer, this.buffers.guest, bytes));
    this.setNumber(this.chunksOf(shard) + chunk * 4, this.buffers.guest);
  }

  /** Where the state numbered `id` of a shard is, in 32-bit words. */
  private position(shard: number, id: number): number {
    const chunk = this.number32(this.chunksOf(shard) + (id >>> this.chunkBits) * 4) >>> 0;
    return (chunk + (id & (2 ** this.chunkBits - 1)) * this.strides.state) >>> 2;
  }

  /** The packed state at a place, copied. */
  state(shard: number, id: number): Int32Array {
    const position = this.position(shard, id);
    return this.numbers.slice(position, position + this.shape.words);
  }

  /** The states of a shard as bytes, those that lie together at a time. */
  *pieces(shard: number): Generator<Uint8Array, void> {
    const end = this.count(shard);
    for (let id = 0; id < end; id += 2 ** this.chunkBits) {
      const bytes = Math.min(end - id, 2 ** this.chunkBits) * this.strides.state;
      yield new Uint8Array(this.numbers.buffer, this.position(shard, id) * 4, bytes);
    }
  }

  /**
   * Gives a shard that has none the states of an earlier search, which `read` puts where it is told, and how far that search
   * had explored them. False if they would exceed the memory.
   */
  restore(
    shard: number,
    states: { readonly count: number; readonly explored: number; readonly levelEnd: number },
    read: (into: Uint8Array) => void,
  ): boolean {
    if (states.count > 0 && !this.reserveShard(shard, states.count)) return false;
    this.setNumber(this.descriptorOf(shard) + descriptor.count, states.count);
    this.setNumber(at.explored + shard * 4, states.explored);
    this.setNumber(at.levelEnd + shard * 4, states.levelEnd);
    for (const piece of this.pieces(shard)) read(piece);
    if (states.count > 0) this.visited.rehash(this.descriptorOf(shard));
    return true;
  }

  /** Counts states in that were not inserted here. */
  addDigest([a, b]: readonly [number, number]): void {
    const digest = at.meta + meta.digestA * 4;
    this.setNumber(digest, this.number32(digest) + a);
    this.setNumber(digest + 4, this.number32(digest + 4) + b);
  }

  private get visited(): StoreExports {
    if (this.storeCode === undefined) {
      const instance = new WebAssembly.Instance(this.store, { env: { memory: this.memory } });
      this.storeCode = instance.exports as unknown as StoreExports;
    }
    return this.storeCode;
  }

  private get exports(): ProgramExports {
    if (this.code === undefined) {
      if (this.module === undefined) throw new Error('the bank has no code');
      const instance = new WebAssembly.Instance(this.module, { env: { memory: this.memory } });
      this.code = instance.exports as unknown as ProgramExports;
    }
    return this.code;
  }

  /** Begins a round: no successors are collected. */
  beginRound(): void {
    this.setSuccessors(0);
    this.numbers.fill(0, at.counts / 4, at.counts / 4 + shards);
  }

  private get successors(): number {
    return this.number32(at.meta + meta.successors * 4);
  }
  private setSuccessors(count: number): void {
    this.setNumber(at.meta + meta.successors * 4, count);
  }

  /**
   * Collects successors of states of this level that wait for them, at most `most` states, until the buffer is full.
   * Notes what the code did not know, and states that have no successors.
   */
  expand(most: number, missed: Notes, stuck: Notes): number {
    let left = most;
    /** How many successors may follow from what is noted. */
    let noted = 0;
    const { numbers } = this;
    for (let shard = this.first; shard < this.end && left > 0; shard++) {
      const end = numbers[at.levelEnd / 4 + shard] as number;
      let id = numbers[at.explored / 4 + shard] as number;
      while (id < end && left > 0) {
        const n = Math.min(end - id, left, this.fitting(noted));
        if (n < 1) return most - left;
        const before = missed.length;
        const done = this.expandRun(shard, id, n, missed, stuck);
        for (let i = before + 2; i < missed.length; i += 3) noted += missed[i] === allRules ? this.shape.rules : 1;
        id += done;
        left -= done;
        this.setNumber(at.explored + shard * 4, id);
      }
    }
    return most - left;
  }

  /** Of how many states the successors certainly fit into the buffers, of which some are left free for what is noted. */
  private fitting(noted: number): number {
    const { capacity, notes } = this.buffers;
    const rules = Math.max(1, this.shape.rules);
    const room = capacity - this.successors - noted;
    return Math.min(mostStatesPerCall, Math.floor(room / rules), Math.floor(notes / rules));
  }

  /** Collects successors of at most `n` states from one on, within one chunk; returns of how many. */
  expandRun(shard: number, id: number, n: number, missed: Notes, stuck: Notes): number {
    const count = Math.min(n, 2 ** this.chunkBits - (id & (2 ** this.chunkBits - 1)));
    const { exports, buffers, strides } = this;
    exports.shard.value = shard;
    exports.id.value = id;
    exports.out.value = buffers.successors + this.successors * strides.successor;
    exports.missed.value = buffers.missed;
    exports.stuck.value = buffers.stuck;
    exports.expand(this.position(shard, id) * 4, count);
    this.setSuccessors(((exports.out.value >>> 0) - buffers.successors) / strides.successor);
    this.takeNotes(buffers.missed, exports.missed.value >>> 0, missed);
    this.takeNotes(buffers.stuck, exports.stuck.value >>> 0, stuck);
    return count;
  }

  private takeNotes(from: number, to: number, notes: Notes): void {
    const { numbers } = this;
    for (let i = from >>> 2; i < to >>> 2; i++) notes.push(numbers[i] as number);
  }

  /** Adds a successor that was found in another way; all properties are to be tested on it. */
  addSuccessor(state: Int32Array): void {
    const position = (this.buffers.successors + this.successors * this.strides.successor) >>> 2;
    this.numbers.set(state, position);
    this.numbers[position + this.shape.words] = -1;
    this.setSuccessors(this.successors + 1);
  }

  /** How many successors were collected in this round. */
  get collected(): number {
    return this.successors;
  }

  /** The successors that were collected since there were `from`, as words; valid until the next call of anything. */
  successorsFrom(from: number): { readonly words: Int32Array; readonly stride: number; readonly count: number } {
    const { buffers, strides } = this;
    this.canonicalise(from);
    const start = (buffers.successors + from * strides.successor) >>> 2;
    const count = this.successors - from;
    const stride = strides.successor / 4;
    return { words: this.numbers.subarray(start, start + count * stride), stride, count };
  }

  private canonicalise(from: number): void {
    const { buffers, strides } = this;
    this.visited.hash(buffers.successors + from * strides.successor, this.successors - from, buffers.hashes, at.counts);
  }

  /** The successors of this round as they were collected, in words; valid until the next call of anything. */
  asCollected(): { readonly words: Int32Array; readonly stride: number } {
    const { buffers, strides } = this;
    const start = buffers.successors >>> 2;
    const stride = strides.successor / 4;
    return { words: this.numbers.subarray(start, start + this.successors * stride), stride };
  }

  /** Sorts the successors of this round by shard. */
  sort(): void {
    const { buffers, strides, numbers } = this;
    this.canonicalise(0);
    let start = buffers.sorted;
    for (let shard = 0; shard < shards; shard++) {
      numbers[at.starts / 4 + shard] = start;
      numbers[at.offsets / 4 + shard] = start;
      start += (numbers[at.counts / 4 + shard] as number) * strides.sorted;
    }
    this.visited.scatter(buffers.successors, this.successors, buffers.hashes, at.offsets);
  }

  /** How many successors of this round belong to a shard. */
  private arriving(shard: number): number {
    return this.perShard(at.counts, shard);
  }

  /** Makes room for all successors that the banks have for this one; false if that would exceed the memory. */
  reserve(banks: readonly Bank[]): boolean {
    const views = banks.map((bank) => bank.numbers);
    for (let shard = this.first; shard < this.end; shard++) {
      let arriving = 0;
      for (const view of views) arriving += view[at.counts / 4 + shard] as number;
      if (arriving > 0 && !this.reserveShard(shard, arriving)) return false;
    }
    return true;
  }

  private reserveShard(shard: number, arriving: number): boolean {
    const of = this.descriptorOf(shard);
    const count = this.number32(of + descriptor.count) + arriving;
    if (count >= 2 ** idBits) return false;
    return this.reserveIndex(of, count) && this.reserveChunks(shard, this.base(shard) + count);
  }

  private reserveIndex(of: number, count: number): boolean {
    const index = this.number32(of + descriptor.index) >>> 0;
    const size = index === 0 ? 0 : this.number32(of + descriptor.mask) + 1;
    let wanted = Math.max(size, firstIndex);
    while (count > wanted * maxLoad) wanted *= 2;
    if (wanted === size) return true;
    const block = this.allocate(wanted * 4);
    if (block === undefined) return false;
    this.numbers.fill(0, block >>> 2, (block >>> 2) + wanted);
    this.setNumber(of + descriptor.index, block);
    this.setNumber(of + descriptor.mask, wanted - 1);
    if (index !== 0) {
      this.visited.rehash(of);
      this.free(index, size * 4);
    }
    return true;
  }

  private reserveChunks(shard: number, count: number): boolean {
    const wanted = Math.ceil(count / 2 ** this.chunkBits);
    const chunks = this.list(this.chunksOf(shard), wanted);
    if (chunks === undefined) return false;
    this.setNumber(this.descriptorOf(shard) + descriptor.chunks, chunks + (this.base(shard) >>> this.chunkBits) * 4);
    for (let length = this.number32(chunks - 4); length < wanted; length++) {
      const chunk = this.reused(meta.freeChunks) ?? this.allocate(this.strides.state * 2 ** this.chunkBits);
      if (chunk === undefined) return false;
      this.setNumber(chunks + length * 4, chunk);
      this.setNumber(chunks - 4, length + 1);
    }
    return true;
  }

  /** A list with room for so many addresses, in the place of a shorter one. Its capacity and length stand in front of it. */
  private list(before: number, length: number): number | undefined {
    if (before !== 0 && this.number32(before - 8) >= length) return before;
    const capacity = Math.max(30, 2 * length);
    const block = this.allocate(capacity * 4 + 8);
    if (block === undefined) return undefined;
    const list = block + 8;
    const used = before === 0 ? 0 : this.number32(before - 4);
    this.setNumber(list - 8, capacity);
    this.setNumber(list - 4, used);
    for (let i = 0; i < used; i++) this.setNumber(list + i * 4, this.number32(before + i * 4));
    if (before !== 0) this.free(before - 8, this.number32(before - 8) * 4 + 8);
    return list;
  }

  /** Puts a block by that will be used again as it is. Each has the address of the one before. */
  private putBy(which: number, block: number): void {
    this.setNumber(block, this.number32(at.meta + which * 4));
    this.setNumber(at.meta + which * 4, block);
  }

  private reused(which: number): number | undefined {
    const block = this.number32(at.meta + which * 4) >>> 0;
    if (block === 0) return undefined;
    this.setNumber(at.meta + which * 4, this.number32(block));
    return block;
  }

  /** A block of memory, from what was freed if something fits; `undefined` where the memory is at its limit. */
  private allocate(bytes: number): number | undefined {
    const size = Math.ceil(bytes / 64) * 64;
    const scraps = this.number32(at.meta + meta.scraps * 4);
    for (let i = 0; i < scraps; i++) {
      const entry = at.scraps + i * 8;
      const room = this.number32(entry + 4) >>> 0;
      if (room < size) continue;
      const block = this.number32(entry) >>> 0;
      if (room > size) {
        this.setNumber(entry, block + size);
        this.setNumber(entry + 4, room - size);
      } else {
        this.setNumber(at.meta + meta.scraps * 4, scraps - 1);
        this.setNumber(entry, this.number32(at.scraps + (scraps - 1) * 8));
        this.setNumber(entry + 4, this.number32(at.scraps + (scraps - 1) * 8 + 4));
      }
      return block;
    }
    const block = this.number32(at.meta + meta.next * 4) >>> 0;
    const end = block + size;
    if (end > this.limit) return undefined;
    const there = this.number32(at.meta + meta.bytes * 4) >>> 0;
    if (end > there) {
      // More than is needed now, so that the memory does not grow at every turn.
      const pages = Math.ceil((end - there + Math.max(growth, there / 16)) / page);
      try {
        this.memory.grow(Math.min(pages, maxPages - there / page));
      } catch {
        return undefined;
      }
      if (end > this.memory.buffer.byteLength) return undefined;
      this.view = new Int32Array(this.memory.buffer);
      this.setNumber(at.meta + meta.bytes * 4, this.memory.buffer.byteLength);
    }
    this.setNumber(at.meta + meta.next * 4, end);
    return block;
  }

  /** A block that is 0 all over: as all memory is that was not in use before. */
  private zeroed(bytes: number): number | undefined {
    const used = this.number32(at.meta + meta.next * 4) >>> 0;
    const block = this.allocate(bytes);
    if (block !== undefined && block < used) this.numbers.fill(0, block >>> 2, (block + bytes) >>> 2);
    return block;
  }

  /** A page for the past: where chunks are no longer needed, out of one of these. */
  private page(): number | undefined {
    const chunkBytes = this.strides.state * 2 ** this.chunkBits;
    let block = this.reused(meta.freePages);
    if (block === undefined && chunkBytes >= pageBytes) {
      block = this.reused(meta.freeChunks);
      const pages = block === undefined ? 0 : Math.floor(chunkBytes / pageBytes);
      for (let i = 1; i < pages; i++) this.putBy(meta.freePages, (block as number) + i * pageBytes);
    }
    if (block === undefined) return this.zeroed(pageBytes);
    this.numbers.fill(0, block >>> 2, (block + pageBytes) >>> 2);
    return block;
  }

  private ground(): ConstructorParameters<typeof Past>[1] {
    return {
      number: (address) => this.number32(address),
      setNumber: (address, value) => this.setNumber(address, value),
      zeroed: (bytes) => this.zeroed(bytes),
      page: () => this.page(),
      list: (before, length) => this.list(before, length),
      exports: () => this.visited,
    };
  }

  /** Bytes that the states take and what finds them: all that was ever in use but the buffers. */
  get stored(): number {
    return (this.number32(at.meta + meta.next * 4) >>> 0) - this.buffers.end;
  }

  private free(block: number, bytes: number): void {
    const size = Math.ceil(bytes / 64) * 64;
    const scraps = this.number32(at.meta + meta.scraps * 4);
    if (scraps === maxScraps) return;
    this.setNumber(at.scraps + scraps * 8, block);
    this.setNumber(at.scraps + scraps * 8 + 4, size);
    this.setNumber(at.meta + meta.scraps * 4, scraps + 1);
  }

  /**
   * Takes in the sorted successors that the banks have for this one, and tests the properties in the mask `active` on new
   * states. `reserve` must have made room. Notes what is found.
   */
  insert(banks: readonly Bank[], active: number, found: (notes: Notes) => void): void {
    const { exports, visited, buffers, strides } = this;
    exports.active.value = active;
    visited.digestA.value = 0;
    visited.digestB.value = 0;
    for (const bank of banks) {
      const from = bank.perShard(at.starts, this.first);
      const last = this.end - 1;
      const to = bank.perShard(at.starts, last) + bank.arriving(last) * strides.sorted;
      if (to === from) continue;
      let source = from;
      if (bank !== this) {
        source = buffers.inbox;
        this.numbers.set(bank.numbers.subarray(from >>> 2, to >>> 2), source >>> 2);
      }
      const { numbers } = bank;
      for (let shard = this.first; shard < this.end; shard++) {
        const arriving = numbers[at.counts / 4 + shard] as number;
        if (arriving === 0) continue;
        const before = this.count(shard);
        const unknown = this.past === undefined ? arriving : this.past.sieve(shard, source, arriving);
        if (unknown > 0) visited.insert(this.descriptorOf(shard), source, unknown, buffers.masks);
        source += arriving * strides.sorted;
        if (active !== 0) this.check(shard, before, found);
      }
    }
    this.addDigest([visited.digestA.value, visited.digestB.value]);
  }

  /** Tests properties on the states of a shard from `first` on, whose masks are in the buffer. */
  private check(shard: number, first: number, found: (notes: Notes) => void): void {
    const { exports, buffers } = this;
    const end = this.count(shard);
    const most = Math.max(1, Math.floor(buffers.notes / Math.max(1, this.shape.tests)));
    for (let id = first; id < end;) {
      const inChunk = 2 ** this.chunkBits - (id & (2 ** this.chunkBits - 1));
      const n = Math.min(end - id, inChunk, most);
      exports.shard.value = shard;
      exports.id.value = id;
      exports.found.value = buffers.found;
      exports.check(this.position(shard, id) * 4, n, buffers.masks + (id - first) * 4);
      if (exports.found.value !== buffers.found) {
        const notes: Notes = [];
        this.takeNotes(buffers.found, exports.found.value >>> 0, notes);
        found(notes);
      }
      id += n;
    }
  }
}
