/**
 * The past of a bank's shards: room for what is kept of the states of earlier levels, and how likely it is that a state which
 * is not among them is taken for one.
 */
import {
  entriesPerPage,
  lineBits,
  past as place,
  type PastExports,
  type PastShape,
  bitsPerState,
  spareEntries,
} from '../compile/past.ts';

/** A bank's memory as the past sees it. */
export interface Ground {
  readonly number: (address: number) => number;
  readonly setNumber: (address: number, value: number) => void;
  /** A block that is 0 all over; `undefined` where there is no room. */
  readonly zeroed: (bytes: number) => number | undefined;
  /** A block of the size of a page that was a state's place before, or is new. */
  readonly page: () => number | undefined;
  /** A list with room for so many addresses, in the place of a shorter one, or of none (0). */
  readonly list: (before: number, length: number) => number | undefined;
  readonly exports: () => PastExports;
}

/** The homes have at most this share of fingerprints: the more, the longer are the walks from a home to its fingerprint. */
const maxLoad = 7 / 8;
/** There are at least so many more homes each time, as a share, so that they do not all move with every level. */
const growth = 1 / 16;

/** The past of the shards of one bank. */
export class Past {
  private readonly shape: PastShape;
  private readonly ground: Ground;
  /** Where the descriptors of the shards are. */
  private readonly start: number;

  constructor(shape: PastShape, ground: Ground, start: number) {
    this.shape = shape;
    this.ground = ground;
    this.start = start;
  }

  private of(shard: number): number {
    return this.start + shard * place.bytes;
  }

  /** Moves those of a shard's `n` sorted successors to the front that are not in the past; returns how many these are. */
  sieve(shard: number, from: number, n: number): number {
    const of = this.of(shard);
    return this.ground.number(of + place.homes) === 0 ? n : this.ground.exports().sieve(of, from, n);
  }

  /** Takes in `n` states, for which there is room. */
  remember(shard: number, address: number, n: number): void {
    this.ground.exports().remember(this.of(shard), address, n);
  }

  /** Makes room for so many states more; false where that would exceed the memory. */
  reserve(shard: number, states: number): boolean {
    return this.shape.kind === 'compact'
      ? this.reserveHomes(shard, states)
      : this.reserveLines(shard, this.shape.lines);
  }

  private reserveLines(shard: number, lines: number): boolean {
    const of = this.of(shard);
    if (this.ground.number(of + place.lines) !== 0) return true;
    const block = this.ground.zeroed((lines * lineBits) / 8);
    if (block === undefined) return false;
    this.ground.setNumber(of + place.address, block);
    this.ground.setNumber(of + place.lines, lines);
    return true;
  }

  private reserveHomes(shard: number, states: number): boolean {
    const of = this.of(shard);
    const homes = this.ground.number(of + place.homes) >>> 0;
    const needed = Math.ceil((this.ground.number(of + place.count) + states) / maxLoad);
    if (needed <= homes) return true;
    const wanted = Math.ceil((Math.max(needed, homes * (1 + growth)) + spareEntries) / entriesPerPage);
    const list = this.ground.list(this.ground.number(of + place.pages) >>> 0, wanted);
    if (list === undefined) return false;
    this.ground.setNumber(of + place.pages, list);
    for (let pages = this.ground.number(list - 4); pages < wanted; pages++) {
      const page = this.ground.page();
      if (page === undefined) return false;
      this.ground.setNumber(list + pages * 4, page);
      this.ground.setNumber(list - 4, pages + 1);
    }
    this.ground.exports().widen(of, wanted * entriesPerPage - spareEntries);
    return true;
  }

  /** The share of all states that are not in a shard's past but would be taken for one that is, if hashes are random. */
  chance(shard: number): number {
    const of = this.of(shard);
    if (this.shape.kind === 'compact') return this.ground.number(of + place.count) / 2 ** this.shape.bits;
    const cubes = (this.ground.number(of + place.cubes) >>> 0) + this.ground.number(of + place.cubes + 4) * 2 ** 32;
    return cubes / (this.shape.lines * lineBits ** bitsPerState);
  }
}
