/**
 * Generated code for the past of a search that does not keep all its states: what it still knows of the states of earlier
 * levels, as fingerprints or as bits. It sieves out successors that are among them, and takes in the states of a level.
 */
import { emitFingerprint } from './hash.ts';
import type { Code, ModuleBuilder, ValueType } from './wasm.ts';

/** What is kept of a state of an earlier level: a fingerprint of so many bits, or a few bits in an array of so many lines. */
export type PastShape =
  | { readonly kind: 'compact'; readonly bits: number }
  | { readonly kind: 'bitstate'; /** Of each shard. */ readonly lines: number };

/**
 * The past of a shard in memory: 32-bit numbers at these byte offsets.
 *
 * `compact`: its fingerprints stand in ascending order on pages, each at its home or behind it, with empty entries (0) between.
 * The homes are spread evenly over all numbers of 64 bits, so that the table can grow in place, by as little as is needed.
 *
 * `bitstate`: an array of lines of 512 bits, which are cache lines; a state has all its bits on one of them.
 */
export const past = {
  /** compact: where the list of pages is; how many homes there are, and how many fingerprints. */
  pages: 0,
  homes: 4,
  count: 8,
  /** bitstate: where the lines are, how many, and the sum of the third powers of their numbers of bits set, in 64 bits. */
  address: 0,
  lines: 4,
  cubes: 8,
  bytes: 16,
} as const;

/** The binary logarithm of how many fingerprints a page has. */
const pageBits = 9;
export const entriesPerPage = 2 ** pageBits;
export const pageBytes = 8 * entriesPerPage;
/** Entries behind the last home: with seven of eight homes in use, no run of fingerprints is ever as long. */
export const spareEntries = 256;
export const lineBits = 512;
/** With more bits for each state, fewer states would be told apart once there are less than about 12 bits for each. */
export const bitsPerState = 3;

/** How many entries from its home on are looked at for a fingerprint at first sight. */
const entriesSeen = 6;

/** The functions that are added to a module. */
export interface PastExports {
  /** Moves those of `n` sorted successors to the front that are not in the past; returns how many these are. */
  readonly sieve: (past: number, from: number, n: number) => number;
  /** Takes in `n` states from `address` on. */
  readonly remember: (past: number, address: number, n: number) => void;
  /** Spreads fingerprints over more homes, whose pages are there. */
  readonly widen: (past: number, homes: number) => void;
}

/** What the code works on: sizes in bytes of a state and of a sorted successor, and the address of notes for a block. */
interface Surroundings {
  readonly words: number;
  readonly state: number;
  readonly sorted: number;
  readonly notes: number;
  readonly block: number;
}

/** A note about a state: its fingerprint, where this leads, and something that is there. */
const note = { fingerprint: 0, place: 8, there: 12, bytes: 16 } as const;
const unsure = 2;

/** Adds the functions to a module. */
export function emitPast(
  module: ModuleBuilder,
  shape: PastShape,
  { words, state, sorted, notes, block }: Surroundings,
): void {
  const kind = shape.kind === 'compact' ? fingerprints : bits;
  sieveFunction();
  rememberFunction();
  widenFunction(module);

  function sieveFunction(): void {
    const [of, from, n, to, kept] = [0, 1, 2, 3, 4];
    const locals = localsFrom(5);
    const [, code] = module.func('sieve', ['i32', 'i32', 'i32'], ['i32'], ['i32', 'i32', ...locals.types]);
    code.get(from).set(to);
    inBlocks(code, of, from, n, sorted, locals, () => {
      const { entry: isKnown } = locals;
      kind.isSeen(code, locals);
      code.tee(isKnown).i32(unsure).do('eq').if();
      kind.isKnown(code, locals);
      code.set(isKnown).end();
      // It is copied in any case, since no one could predict a branch here.
      for (let word = 0; word < sorted / 4; word += 2) {
        if (word + 1 < sorted / 4)
          code
            .get(to)
            .get(from)
            .load64(word * 4)
            .store64(word * 4);
        else
          code
            .get(to)
            .get(from)
            .load(word * 4)
            .store(word * 4);
      }
      code.get(isKnown).i32(1).do('xor').tee(isKnown).get(kept).do('add').set(kept);
      code.get(isKnown).i32(sorted).do('mul').get(to).do('add').set(to);
    });
    code.get(kept);
  }

  function rememberFunction(): void {
    const [of, address, n] = [0, 1, 2];
    const locals = localsFrom(3);
    const [, code] = module.func('remember', ['i32', 'i32', 'i32'], [], locals.types);
    inBlocks(code, of, address, n, state, locals, () => kind.remember(code, of, locals));
  }

  /**
   * Goes through `n` states from an address on. For each block of them it first computes all fingerprints, then touches the
   * memory where they lead, in a loop so short that the processor has many cache misses under way at once.
   */
  function inBlocks(
    code: Code,
    of: number,
    from: number,
    n: number,
    stride: number,
    locals: Locals,
    each: () => void,
  ): void {
    const { base, size, left, look, at, place, fingerprint, other } = locals;
    const forEachNote = (work: () => void): void => {
      code.i32(notes).set(at).loop();
      work();
      code.get(at).i32(note.bytes).do('add').tee(at);
      code.get(left).i32(note.bytes).do('mul').i32(notes).do('add', 'ltU').brIf(0).end();
    };
    code.get(of).load(past.pages).set(base).get(of).load(past.homes).set(size);
    code.block().loop().get(n).do('eqz').brIf(1);
    code.get(n).i32(block).get(n).i32(block).do('ltU', 'select').set(left);
    code.get(n).get(left).do('sub').set(n).get(from).set(look);
    forEachNote(() => {
      emitFingerprint(code, words, look, fingerprint, other, shape.kind === 'compact' ? shape.bits : 64);
      code.get(at).get(fingerprint).store64(note.fingerprint);
      kind.findPlace(code, locals);
      code.get(at).get(place).store(note.place);
      code.get(look).i32(stride).do('add').set(look);
    });
    forEachNote(() => {
      code.get(at).get(at).load(note.place).set(place);
      kind.findAddress(code, locals);
      code.load().store(note.there);
    });
    forEachNote(() => {
      code.get(at).load64(note.fingerprint).set(fingerprint).get(at).load(note.place).set(place);
      each();
      code.get(from).i32(stride).do('add').set(from);
    });
    code.br(0).end().end();
  }
}

/** Local variables of the functions that go through states. */
interface Locals {
  readonly types: readonly ValueType[];
  /** Where the list of pages or the lines are, and how many homes or lines there are. */
  readonly base: number;
  readonly size: number;
  readonly left: number;
  readonly look: number;
  readonly at: number;
  /** The position of an entry, or the address of a line; an address of an entry. */
  readonly place: number;
  readonly entry: number;
  readonly fingerprint: number;
  readonly other: number;
}

function localsFrom(first: number): Locals {
  const [base, size, left, look, at, place, entry] = [0, 1, 2, 3, 4, 5, 6].map((i) => first + i) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const types = [...Array.from({ length: 7 }, () => 'i32' as const), 'i64', 'i64'] as const;
  return { types, base, size, left, look, at, place, entry, fingerprint: first + 7, other: first + 8 };
}

/** Code that asks a kind of past about the fingerprint in its local variable, and adds it. */
interface Kind {
  /** Sets `place`. */
  readonly findPlace: (code: Code, locals: Locals) => void;
  /** Leaves the address of the place. */
  readonly findAddress: (code: Code, locals: Locals) => void;
  /** Leaves 1 if it is seen there at once, 0 if it is not there, or `unsure`. */
  readonly isSeen: (code: Code, locals: Locals) => void;
  /** Leaves 1 if it is there, and 0 if not, where that is unsure. */
  readonly isKnown: (code: Code, locals: Locals) => void;
  readonly remember: (code: Code, of: number, locals: Locals) => void;
}

/** Leaves a number below that in `size`: the upper half of the fingerprint in proportion. */
function emitShare(code: Code, fingerprint: number, size: number): void {
  code.get(fingerprint).i64(32n).do('shrU64').get(size).do('extend', 'mul64').i64(32n).do('shrU64', 'wrap');
}

/** Leaves the address of an entry. */
function emitEntry(code: Code, pages: number, position: number): void {
  code.get(pages).get(position).i32(pageBits).do('shrU').i32(2).do('shl', 'add').load();
  code
    .get(position)
    .i32(entriesPerPage - 1)
    .do('and')
    .i32(3)
    .do('shl', 'add');
}

/** Leaves whether the entry on the stack is empty or not less than the fingerprint, which is not behind it then. */
function emitIsEnd(code: Code, fingerprint: number): void {
  // An empty entry less 1 is the greatest number.
  code.i64(1n).do('sub64').get(fingerprint).i64(1n).do('sub64', 'geU64');
}

/** Goes from the home to the first entry that is empty or not less, and leaves this one in `other`. */
function emitWalk(code: Code, { base, place, fingerprint, other }: Locals): void {
  code.block().loop();
  emitEntry(code, base, place);
  code.load64().tee(other);
  emitIsEnd(code, fingerprint);
  code.brIf(1);
  code.get(place).i32(1).do('add').set(place).br(0).end().end();
}

const fingerprints: Kind = {
  findPlace: (code, { size, place, fingerprint }) => {
    emitShare(code, fingerprint, size);
    code.set(place);
  },
  findAddress: (code, { base, place }) => emitEntry(code, base, place),
  isSeen: (code, { base, place, fingerprint, entry }) => {
    emitEntry(code, base, place);
    code.set(entry);
    for (let i = 0; i < entriesSeen; i++) {
      code
        .get(entry)
        .load64(i * 8)
        .get(fingerprint)
        .do('eq64');
      if (i > 0) code.do('or');
    }
    // It is not sure where the last of them is less, or behind the end of the page.
    code
      .i32(unsure)
      .get(entry)
      .load64(8 * (entriesSeen - 1));
    emitIsEnd(code, fingerprint);
    code
      .get(place)
      .i32(entriesPerPage - 1)
      .do('and')
      .i32(entriesPerPage - entriesSeen)
      .do('leU', 'and', 'select');
  },
  isKnown: (code, locals) => {
    emitWalk(code, locals);
    code.get(locals.other).get(locals.fingerprint).do('eq64');
  },
  remember: (code, of, locals) => {
    const { base, size, place, fingerprint, other } = locals;
    code.block();
    emitWalk(code, locals);
    code.get(other).get(fingerprint).do('eq64').brIf(0);
    // Those that are greater move on by one entry, up to an empty one.
    code.block().loop();
    emitEntry(code, base, place);
    code.get(fingerprint).store64().get(other).do('eqz64').brIf(1);
    code.get(other).set(fingerprint).get(place).i32(1).do('add').set(place);
    emitEntry(code, base, place);
    code.load64().set(other).br(0).end().end();
    trapAtEnd(code, place, size);
    code.get(of).get(of).load(past.count).i32(1).do('add').store(past.count).end();
  },
};

/** The last entry stays empty, so that every walk ends. */
function trapAtEnd(code: Code, position: number, homes: number): void {
  code
    .get(position)
    .get(homes)
    .i32(spareEntries - 1)
    .do('add', 'geU')
    .if()
    .unreachable()
    .end();
}

/** The bit of the fingerprint's line with a number from 0: its address, and how far it has to be shifted. */
function emitBit(
  code: Code,
  { place, fingerprint }: Locals,
  number: number,
): { address: () => Code; shift: () => Code } {
  const shift = (): Code =>
    code
      .get(fingerprint)
      .do('wrap')
      .i32(number * 9)
      .do('shrU');
  const address = (): Code => {
    code.get(place);
    return shift()
      .i32(5)
      .do('shrU')
      .i32(2)
      .do('shl')
      .i32(lineBits / 8 - 4)
      .do('and', 'add');
  };
  return { address, shift };
}

/** Adds the third power of the number of bits set on the line to the sum, or takes it away. */
function emitCubes(code: Code, of: number, { place, other }: Locals, operation: 'add64' | 'sub64'): void {
  for (let byte = 0; byte < lineBits / 8; byte += 8) {
    code.get(place).load64(byte).do('popcnt64');
    if (byte > 0) code.do('add64');
  }
  code.set(other).get(of).get(of).load64(past.cubes).get(other).get(other).do('mul64').get(other).do('mul64');
  code.do(operation).store64(past.cubes);
}

const bits: Kind = {
  findPlace: (code, { base, size, place, fingerprint }) => {
    emitShare(code, fingerprint, size);
    code.i32(6).do('shl').get(base).do('add').set(place);
  },
  findAddress: (code, { place }) => {
    code.get(place);
  },
  isKnown: (code) => {
    code.i32(0);
  },
  isSeen: (code, locals) => {
    for (let number = 0; number < bitsPerState; number++) {
      const { address, shift } = emitBit(code, locals, number);
      address().load();
      shift().do('shrU');
      if (number > 0) code.do('and');
    }
    code.i32(1).do('and');
  },
  remember: (code, of, locals) => {
    emitCubes(code, of, locals, 'sub64');
    for (let number = 0; number < bitsPerState; number++) {
      const { address, shift } = emitBit(code, locals, number);
      address();
      address().load().i32(1);
      shift().do('shl', 'or').store();
    }
    emitCubes(code, of, locals, 'add64');
  },
};

function widenFunction(module: ModuleBuilder): void {
  const [of, homes, pages, read, write, at, fingerprint] = [0, 1, 2, 3, 4, 5, 6];
  const [, code] = module.func('widen', ['i32', 'i32'], [], ['i32', 'i32', 'i32', 'i32', 'i64']);
  code.get(of).load(past.pages).set(pages);
  // First all fingerprints move together at the end of the pages ..
  code.get(homes).i32(spareEntries).do('add').set(write);
  code.get(of).load(past.homes).tee(read).if().get(read).i32(spareEntries).do('add').set(read).end();
  code.block().loop().get(read).do('eqz').brIf(1).get(read).i32(1).do('sub').set(read);
  emitEntry(code, pages, read);
  code.tee(at).load64().tee(fingerprint).do('eqz64').brIf(0);
  code.get(at).i64(0n).store64().get(write).i32(1).do('sub').set(write);
  emitEntry(code, pages, write);
  code.get(fingerprint).store64().br(0).end().end();
  // .. and from there each to its home, or behind the one before it. None can overtake those that follow.
  code.get(write).set(read).i32(0).set(write);
  code.block().loop().get(read).get(homes).i32(spareEntries).do('add', 'geU').brIf(1);
  emitEntry(code, pages, read);
  code.tee(at).load64().set(fingerprint).get(at).i64(0n).store64();
  emitShare(code, fingerprint, homes);
  code.tee(at).get(write).get(at).get(write).do('gtU', 'select').set(write);
  trapAtEnd(code, write, homes);
  emitEntry(code, pages, write);
  code.get(fingerprint).store64().get(write).i32(1).do('add').set(write);
  code.get(read).i32(1).do('add').set(read).br(0).end().end();
  code.get(of).get(homes).store(past.homes);
}
