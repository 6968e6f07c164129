/**
 * A bank: one WebAssembly memory with some shards of the visited set, and the buffers through which successors reach them.
 * All that describes it lies in the memory itself, so that several threads can work on it, one at a time.
 */
import { allRules } from '../compile/program.ts';
import { chunkBitsOf, descriptor, type Exports, idBits, noteBytes, shards, stridesOf } from '../compile/module.ts';

/** Byte addresses in a bank's memory. */
const at = {
  /** Numbers of the allocator, see `meta`. */
  meta: 64,
  descriptors: 1024,
  /** Per shard: how many sorted successors there are for it, and where they start. */
  counts: 4096,
  starts: 4608,
  offsets: 5120,
  /** Per shard: the number of states whose successors are known, and of states on this level or before. */
  explored: 5632,
  levelEnd: 6144,
  /** Freed blocks: address and size; up to the place that generated code uses from 32768 on. */
  scraps: 8192,
  buffers: 65536,
} as const;
/** Positions of numbers in `meta`, counted in 32-bit words from its address. */
const meta = { next: 0, scraps: 1, bytes: 2, digestA: 3, digestB: 4, successors: 5 } as const;
const maxScraps = 2048;

const page = 65536;
/** A 32-bit memory has at most 4 GiB; the last page is left out, so that addresses stay below 2^32. */
export const maxPages = 65535;
/** An index has at most this share of its entries in use. */
const maxLoad = 0.7;
const firstIndex = 256;
/**
 * How many successors the banks collect together in a round, and how many bytes their buffers have together: the more at a
 * time, the more of them fall on the same cache lines of the visited set.
 */
const roundSize = 2 ** 19;
const roundBytes = 2 ** 25;
const mostStatesPerCall = 1024;

/** Where the buffers of a bank lie: depends on the words of a state and the number of rules alone. */
export interface BankShape {
  readonly words: number;
  readonly rules: number;
  readonly tests: number;
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
  readonly end: number;
  readonly capacity: number;
  readonly notes: number;
}

function buffersOf({ words, rules, tests, banks }: BankShape): Buffers {
  const strides = stridesOf(words);
  const each = strides.successor + 4 + 2 * strides.sorted + 4;
  const capacity = Math.max(2 * rules, Math.floor(Math.min(roundSize, roundBytes / each) / banks));
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
    end: next,
    capacity,
    notes,
  };
}

/** Makes the memory of a bank. */
export function newMemory(shape: BankShape): WebAssembly.Memory {
  const { end } = buffersOf(shape);
  const memory = new WebAssembly.Memory({ initial: Math.ceil(end / page) + 1, maximum: maxPages, shared: true });
  const words = new Int32Array(memory.buffer);
  words[at.meta / 4 + meta.next] = Math.ceil(end / page) * page;
  words[at.meta / 4 + meta.bytes] = memory.buffer.byteLength;
  return memory;
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
  /** The most bytes that the memory may have. */
  private readonly limit: number;
  private view: Int32Array;
  private code: Exports | undefined;

  constructor(number: number, memory: WebAssembly.Memory, shape: BankShape, limit: number) {
    const { banks } = shape;
    this.number = number;
    this.memory = memory;
    this.first = Math.ceil((number * shards) / banks);
    this.end = Math.ceil(((number + 1) * shards) / banks);
    this.shape = shape;
    this.buffers = buffersOf(shape);
    this.strides = stridesOf(shape.words);
    this.chunkBits = chunkBitsOf(shape.words);
    this.limit = Math.min(limit, maxPages * page);
    this.view = new Int32Array(memory.buffer);
  }

  /** Takes another module in use. */
  link(module: WebAssembly.Module): void {
    const instance = new WebAssembly.Instance(module, { env: { memory: this.memory } });
    this.code = instance.exports as unknown as Exports;
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

  /** How many states a shard has. */
  count(shard: number): number {
    return this.number32(this.descriptorOf(shard) + descriptor.count);
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.number32(at.meta + meta.bytes * 4) >>> 0;
  }

  get digest(): readonly [number, number] {
    return [this.number32(at.meta + meta.digestA * 4), this.number32(at.meta + meta.digestB * 4)];
  }

  /** How many states there are, and how many of them wait for their successors. */
  totals(): { readonly states: number; readonly waiting: number } {
    let states = 0;
    let waiting = 0;
    for (let shard = this.first; shard < this.end; shard++) {
      const count = this.count(shard);
      states += count;
      waiting += count - this.perShard(at.explored, shard);
    }
    return { states, waiting };
  }

  /** How many states of this level wait for their successors. */
  left(): number {
    let left = 0;
    for (let shard = this.first; shard < this.end; shard++) {
      left += this.perShard(at.levelEnd, shard) - this.perShard(at.explored, shard);
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
    const ends: number[] = [];
    for (let shard = this.first; shard < this.end; shard++) {
      const count = this.count(shard);
      this.setNumber(at.levelEnd + shard * 4, count);
      ends.push(count);
    }
    return ends;
  }

  /** Where the state numbered `id` of a shard is, in 32-bit words. */
  private position(shard: number, id: number): number {
    const chunks = this.number32(this.descriptorOf(shard) + descriptor.chunks) >>> 0;
    const chunk = this.number32(chunks + (id >>> this.chunkBits) * 4) >>> 0;
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
    if (states.count > 0) this.exports.rehash(this.descriptorOf(shard));
    return true;
  }

  /** Counts states in that were not inserted here. */
  addDigest([a, b]: readonly [number, number]): void {
    const digest = at.meta + meta.digestA * 4;
    this.setNumber(digest, this.number32(digest) + a);
    this.setNumber(digest + 4, this.number32(digest + 4) + b);
  }

  private get exports(): Exports {
    if (this.code === undefined) throw new Error('the bank has no code');
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
    for (let shard = this.first; shard < this.end && left > 0; shard++) {
      const end = this.perShard(at.levelEnd, shard);
      let id = this.perShard(at.explored, shard);
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
    this.exports.hash(buffers.successors + from * strides.successor, this.successors - from, buffers.hashes, at.counts);
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
    this.exports.scatter(buffers.successors, this.successors, buffers.hashes, at.offsets);
  }

  /** How many successors of this round belong to a shard. */
  private arriving(shard: number): number {
    return this.perShard(at.counts, shard);
  }

  /** Makes room for all successors that the banks have for this one; false if that would exceed the memory. */
  reserve(banks: readonly Bank[]): boolean {
    for (let shard = this.first; shard < this.end; shard++) {
      let arriving = 0;
      for (const bank of banks) arriving += bank.arriving(shard);
      if (arriving > 0 && !this.reserveShard(shard, arriving)) return false;
    }
    return true;
  }

  private reserveShard(shard: number, arriving: number): boolean {
    const of = this.descriptorOf(shard);
    const count = this.count(shard) + arriving;
    if (count >= 2 ** idBits) return false;
    return this.reserveIndex(of, count) && this.reserveChunks(of, count);
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
      this.exports.rehash(of);
      this.free(index, size * 4);
    }
    return true;
  }

  private reserveChunks(of: number, count: number): boolean {
    const chunkBytes = this.strides.state * 2 ** this.chunkBits;
    const wanted = Math.ceil(count / 2 ** this.chunkBits);
    // The directory's capacity and the number of chunks stand in front of it.
    let directory = this.number32(of + descriptor.chunks) >>> 0;
    if (directory === 0 || this.number32(directory - 8) < wanted) {
      const capacity = Math.max(30, 2 * wanted);
      const block = this.allocate(capacity * 4 + 8);
      if (block === undefined) return false;
      const chunks = directory === 0 ? 0 : this.number32(directory - 4);
      this.setNumber(block, capacity);
      this.setNumber(block + 4, chunks);
      for (let i = 0; i < chunks; i++) this.setNumber(block + 8 + i * 4, this.number32(directory + i * 4));
      if (directory !== 0) this.free(directory - 8, this.number32(directory - 8) * 4 + 8);
      directory = block + 8;
      this.setNumber(of + descriptor.chunks, directory);
    }
    for (let chunks = this.number32(directory - 4); chunks < wanted; chunks++) {
      const chunk = this.allocate(chunkBytes);
      if (chunk === undefined) return false;
      this.setNumber(directory + chunks * 4, chunk);
      this.setNumber(directory - 4, chunks + 1);
    }
    return true;
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
    if (end > this.bytes) {
      // A sixteenth more than is needed now, so that the memory does not grow at every turn.
      const pages = Math.ceil((end - this.bytes + this.bytes / 16) / page);
      const allowed = Math.min(pages, Math.floor((this.limit - this.bytes) / page));
      if (end > this.bytes + allowed * page) return undefined;
      try {
        this.memory.grow(allowed);
      } catch {
        return undefined;
      }
      this.view = new Int32Array(this.memory.buffer);
      this.setNumber(at.meta + meta.bytes * 4, this.memory.buffer.byteLength);
    }
    this.setNumber(at.meta + meta.next * 4, end);
    return block;
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
    const { exports, buffers, strides } = this;
    exports.active.value = active;
    exports.digestA.value = 0;
    exports.digestB.value = 0;
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
      for (let shard = this.first; shard < this.end; shard++) {
        const arriving = bank.arriving(shard);
        if (arriving === 0) continue;
        const before = this.count(shard);
        exports.insert(this.descriptorOf(shard), source, arriving, buffers.masks);
        source += arriving * strides.sorted;
        if (active !== 0) this.check(shard, before, found);
      }
    }
    this.addDigest([exports.digestA.value, exports.digestB.value]);
  }

  /** Tests properties on the states of a shard from `first` on, whose masks are in the buffer. */
  private check(shard: number, first: number, found: (notes: Notes) => void): void {
    const { exports, buffers } = this;
    const end = this.count(shard);
    const most = Math.max(1, Math.floor(buffers.notes / Math.max(1, this.shape.tests)));
    for (let id = first; id < end; ) {
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
