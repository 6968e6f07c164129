/**
 * The generated module of a search: successors of packed states, their hashes, the visited set, and the properties, all over
 * one memory. What does not depend on the model is written here by hand; the rest comes from the trees.
 */
import { emitAfter, type Ends, TreeEmitter } from './emit.ts';
import { emitDigest, emitHash } from './hash.ts';
import { type Leaf, maskOf } from './layout.ts';
import { emitPast, type PastExports, type PastShape } from './past.ts';
import { allRules, type Compiled, type Program } from './program.ts';
import { type Code, ModuleBuilder } from './wasm.ts';

/** The bits of an index entry that number a state within its shard, from 1; 0 is an empty entry. The rest is a tag. */
export const idBits = 26;
/** How many shards the visited set has; the highest bits of a hash choose one. */
export const shards = 64;
const shardShift = 26;

/** A shard's descriptor in memory: 32-bit numbers at these byte offsets. */
export const descriptor = { index: 0, mask: 4, count: 8, chunks: 12, bytes: 16 } as const;

/** Sizes in bytes of what the module reads and writes. */
export interface Strides {
  /** A state. */
  readonly state: number;
  /** A successor: its state, and the properties that the step may have changed. */
  readonly successor: number;
  /** A sorted successor: the same and its hash. */
  readonly sorted: number;
}

export function stridesOf(words: number): Strides {
  return { state: words * 4, successor: words * 4 + 4, sorted: words * 4 + 8 };
}

/**
 * The binary logarithm of the number of states in a chunk, which has at least 16 states, but at most 64 KiB; 16 where only the
 * last chunks are kept.
 */
export function chunkBitsOf(words: number, kept?: PastShape): number {
  return Math.max(4, Math.floor(Math.log2((kept === undefined ? 65536 : 16384) / (words * 4))));
}

/** A 32-bit global of a module. */
interface Counter {
  value: number;
}

/** The functions and globals that a module exports; those of the past where it has one. */
export interface Exports extends PastExports {
  /** Appends the successors of `n` states from `address` on, the first of them numbered `id` in `shard`. */
  readonly expand: (address: number, n: number) => void;
  /** Brings `n` successors into canonical form, hashes them, and counts them by shard. */
  readonly hash: (from: number, n: number, hashes: number, counts: number) => void;
  /** Copies `n` successors to the places that `offsets` has for their shards. */
  readonly scatter: (from: number, n: number, hashes: number, offsets: number) => void;
  /** Puts `n` sorted successors into a shard; returns the end of the masks of those that are new. */
  readonly insert: (shard: number, from: number, n: number, masks: number) => number;
  /** Builds a shard's index anew from its states. */
  readonly rehash: (shard: number) => void;
  /** Tests properties on `n` states from `address` on. */
  readonly check: (address: number, n: number, masks: number) => void;
  readonly out: Counter;
  readonly missed: Counter;
  readonly stuck: Counter;
  readonly found: Counter;
  readonly shard: Counter;
  readonly id: Counter;
  readonly active: Counter;
  readonly digestA: Counter;
  readonly digestB: Counter;
}

/** Bytes of a note about a state: its shard, its number there, and a function. */
export const noteBytes = 12;
/** In a note about a property: its function did not know the way. */
export const unknownNote = 0x80000000;

/** The bit of a property in the masks that say what to test; beyond 31 properties some share a bit. */
export function propertyBit(property: number): number {
  return 1 << property % 31;
}

/**
 * Generates the module for what the program's trees know now. `pages`: the most that the memory may have, in 64 KiB.
 * `canonical` adds a function that brings the state at an address into canonical form. `kept`: what is known of the states of
 * earlier levels, if they are not kept themselves.
 */
export function generate(
  program: Program,
  pages: number,
  canonical?: (module: ModuleBuilder) => number,
  kept?: PastShape,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const globals = {
    out: module.global('out'),
    missed: module.global('missed'),
    stuck: module.global('stuck'),
    found: module.global('found'),
    shard: module.global('shard'),
    id: module.global('id'),
    active: module.global('active'),
    digestA: module.global('digestA'),
    digestB: module.global('digestB'),
    unsure: module.global('unsure'),
  };
  const { words } = program.layout;
  const strides = stridesOf(words);
  const chunkBits = chunkBitsOf(words, kept);

  /** A function that appends a note to the buffer whose end a global holds. */
  const noteTo = (end: number): number => {
    const [index, code] = module.func('', ['i32'], []);
    code.getGlobal(end).getGlobal(globals.shard).store(0);
    code.getGlobal(end).getGlobal(globals.id).store(4);
    code.getGlobal(end).get(0).store(8);
    code.getGlobal(end).i32(noteBytes).do('add').setGlobal(end);
    return index;
  };
  const miss = noteTo(globals.missed);
  const stuck = noteTo(globals.stuck);
  const found = noteTo(globals.found);

  expandFunction();
  hashFunction();
  scatterFunction();
  insertFunction();
  rehashFunction();
  checkFunction();
  if (kept !== undefined) {
    emitPast(module, kept, { words, state: strides.state, sorted: strides.sorted, notes: lookups, block: blockSize });
  }
  return module.bytes(pages);

  function expandFunction(): void {
    const emitter = new TreeEmitter(module, program.layout);
    const masks = new PropertyMasks(program);
    const { leaves: kept, rules: chosen, amples = [] } = program.narrowing;
    /** Emits a rule; its ways get a name of their own for every meaning of `unknown`. */
    const emitRule = (rule: Compiled, into: Code, name: string, unknown: (code: Code) => void): void => {
      if (rule.form !== 'tree') {
        unknown(into);
        return;
      }
      const ends: Ends = {
        at: (outcome, code) => {
          if (typeof outcome !== 'object') return;
          const writes = outcome.writes.filter(({ leaf }) => kept?.has(leaf) ?? true);
          emitAfter(code, words, writes, emitter.value);
          code.get(emitter.value).i32(masks.after(writes.map(({ leaf }) => leaf))).store(strides.state);
          code.get(emitter.value).i32(strides.successor).do('add').set(emitter.value);
        },
        unknown,
      };
      emitter.emit(into, rule.tree.root, ends, `${name} ${rule.index}`);
    };

    const groups: { index: number; code: Code; size: number }[] = [];
    for (const rule of program.rules) {
      if (chosen?.has(rule) === false) continue;
      let group = groups.at(-1);
      if (group === undefined || group.size > groupSize) {
        const [index, code] = module.func('', emitter.params, ['i32']);
        group = { index, code, size: 0 };
        groups.push(group);
      }
      group.size += rule.form === 'tree' ? emitter.sizeOf(rule.tree.root) : 1;
      emitRule(rule, group.code, 'rule', (code) => {
        code.i32(rule.index).call(miss);
      });
    }
    for (const { code } of groups) code.get(emitter.value);

    const alone = amples.map((ample) => {
      const [index, code] = module.func('', emitter.params, ['i32']);
      for (const rule of ample.rules) {
        emitRule(rule, code, 'alone', (into) => {
          into.i32(1).setGlobal(globals.unsure);
        });
      }
      code.get(emitter.value);
      return { ...ample, index };
    });

    const [address, count, start, missedBefore, end, word] = [0, 1, 2, 3, 4, 5];
    const [, code] = module.func('expand', ['i32', 'i32'], [], [
      ...(['i32', 'i32', 'i32'] as const),
      ...Array.from({ length: words }, () => 'i32' as const),
    ]);
    const callGroup = (index: number): void => {
      for (let w = 0; w < words; w++) code.get(word + w);
      code.get(end).call(index).set(end);
    };
    code.block().loop().get(count).do('eqz').brIf(1);
    for (let w = 0; w < words; w++) code.get(address).load(w * 4).set(word + w);
    code.getGlobal(globals.out).tee(start).set(end).getGlobal(globals.missed).set(missedBefore);
    code.block(); // until the state is explored
    for (const { place, at, index } of alone) {
      code.get(word + place.word).i32(maskOf(place.bits) << place.shift).do('and').i32(at << place.shift).do('eq').if();
      code.i32(0).setGlobal(globals.unsure);
      callGroup(index);
      // What these rules do is not all known: the state is explored elsewhere.
      code.getGlobal(globals.unsure).if().get(start).set(end).i32(allRules).call(miss).br(2).end();
      code.get(end).get(start).do('ne').brIf(1).end();
    }
    for (const { index } of groups) callGroup(index);
    code.end();
    code.get(end).setGlobal(globals.out);
    code.get(end).get(start).do('eq');
    code.getGlobal(globals.missed).get(missedBefore).do('eq', 'and');
    code.if().i32(0).call(stuck).end();
    code.getGlobal(globals.id).i32(1).do('add').setGlobal(globals.id);
    code.get(address).i32(strides.state).do('add').set(address);
    code.get(count).i32(1).do('sub').set(count).br(0).end().end();
  }

  function hashFunction(): void {
    const canonicalise = canonical?.(module);
    const [address, count, hashes, counts, at, hash] = [0, 1, 2, 3, 4, 5];
    const [, code] = module.func('hash', ['i32', 'i32', 'i32', 'i32'], [], ['i32', 'i64']);
    code.block().loop().get(count).do('eqz').brIf(1);
    if (canonicalise !== undefined) code.get(address).call(canonicalise);
    emitHash(code, words, address, hash);
    code.get(hashes).get(hash).do('wrap').store(0);
    code.get(hashes).i32(4).do('add').set(hashes);
    code.get(hash).do('wrap').i32(shardShift).do('shrU').i32(2).do('shl').get(counts).do('add').tee(at);
    code.get(at).load(0).i32(1).do('add').store(0);
    code.get(address).i32(strides.successor).do('add').set(address);
    code.get(count).i32(1).do('sub').set(count).br(0).end().end();
  }

  function scatterFunction(): void {
    const [address, count, hashes, offsets, at, to] = [0, 1, 2, 3, 4, 5];
    const [, code] = module.func('scatter', ['i32', 'i32', 'i32', 'i32'], [], ['i32', 'i32']);
    code.block().loop().get(count).do('eqz').brIf(1);
    code.get(hashes).load(0).i32(shardShift).do('shrU').i32(2).do('shl').get(offsets).do('add').tee(at);
    code.load(0).set(to);
    code.get(at).get(to).i32(strides.sorted).do('add').store(0);
    for (let word = 0; word < words + 1; word += 2) {
      if (word + 1 < words + 1) code.get(to).get(address).load64(word * 4).store64(word * 4);
      else code.get(to).get(address).load(word * 4).store(word * 4);
    }
    code.get(to).get(hashes).load(0).store(strides.successor);
    code.get(hashes).i32(4).do('add').set(hashes);
    code.get(address).i32(strides.successor).do('add').set(address);
    code.get(count).i32(1).do('sub').set(count).br(0).end().end();
  }

  /** Leaves in `address` where the state numbered `id` of a shard is. */
  function emitStateAddress(code: Code, chunks: number, id: number, address: number): void {
    code.get(chunks).get(id).i32(chunkBits).do('shrU').i32(2).do('shl', 'add').load(0);
    code.get(id).i32(2 ** chunkBits - 1).do('and').i32(strides.state).do('mul', 'add').set(address);
  }

  /** The tag of a hash in its place in an index entry. */
  function emitTag(code: Code, hash: number): void {
    code.get(hash).i32(6).do('shl').i32(-(2 ** idBits)).do('and');
  }

  /** Leaves on the stack whether the states at two addresses are equal. */
  function emitEqual(code: Code, a: number, b: number): void {
    for (let w = 0; w < words; w += 2) {
      if (w + 1 < words) code.get(a).load64(w * 4).get(b).load64(w * 4).do('eq64');
      else code.get(a).load(w * 4).get(b).load(w * 4).do('eq');
      if (w > 0) code.do('and');
    }
  }

  /**
   * Most successors are known states, and a look into the index and then at the state are two cache misses. So a block of them
   * is looked up first without any decision, which lets the processor have many misses under way at once; only what was not
   * found at its first entry is then inserted one by one.
   */
  function insertFunction(): void {
    const [shard, from, n, masks] = [0, 1, 2, 3];
    const [index, mask, count, chunks, hash, tag, slot, entry, id, at, scratch] = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
    const [left, look, note] = [15, 16, 17];
    const word = 18;
    const [, code] = module.func(
      'insert',
      ['i32', 'i32', 'i32', 'i32'],
      ['i32'],
      Array.from({ length: 14 + words }, () => 'i32' as const),
    );
    code.get(shard).load(descriptor.index).set(index).get(shard).load(descriptor.mask).set(mask);
    code.get(shard).load(descriptor.count).set(count).get(shard).load(descriptor.chunks).set(chunks);
    code.block().loop().get(n).do('eqz').brIf(1);
    code.get(n).i32(blockSize).get(n).i32(blockSize).do('ltU', 'select').set(left);

    code.get(from).set(look).i32(lookups).set(note);
    code.loop();
    code.get(note).get(look).load(strides.successor).get(mask).do('and').i32(2).do('shl').get(index).do('add').load(0);
    code.store(0);
    code.get(look).i32(strides.sorted).do('add').set(look);
    code.get(note).i32(4).do('add').tee(note).get(left).i32(2).do('shl').i32(lookups).do('add', 'ltU').brIf(0).end();

    code.get(from).set(look).i32(lookups).set(note);
    code.loop();
    code.get(look).load(strides.successor).set(tag);
    emitTag(code, tag);
    code.set(tag).get(note).load(0).tee(entry).i32(2 ** idBits - 1).do('and').tee(id);
    code.i32(0).do('ne').get(entry).get(tag).do('xor').i32(-(2 ** idBits)).do('and', 'eqz', 'and').set(hash);
    // Where it cannot be the same state, the first one is looked at: that costs nothing, and a branch would.
    code.get(id).i32(1).do('sub').i32(0).get(hash).do('select').set(id);
    emitStateAddress(code, chunks, id, at);
    code.get(note);
    emitEqual(code, at, look);
    code.get(hash).do('and').store(0);
    code.get(look).i32(strides.sorted).do('add').set(look);
    code.get(note).i32(4).do('add').tee(note).get(left).i32(2).do('shl').i32(lookups).do('add', 'ltU').brIf(0).end();

    code.get(n).get(left).do('sub').set(n).i32(lookups).set(note);
    code.loop();
    code.block(); // until the state is dealt with
    code.get(note).load(0).brIf(0);
    code.get(from).load(strides.successor).tee(hash).set(tag);
    emitTag(code, tag);
    code.set(tag).get(hash).set(slot);
    code.block().loop(); // until an empty entry
    code.get(slot).get(mask).do('and').tee(slot).i32(2).do('shl').get(index).do('add').load(0).tee(entry);
    code.do('eqz').brIf(1);
    code.get(entry).get(tag).do('xor').i32(-(2 ** idBits)).do('and', 'eqz').if();
    code.get(entry).i32(2 ** idBits - 1).do('and').i32(1).do('sub').set(id);
    emitStateAddress(code, chunks, id, at);
    emitEqual(code, at, from);
    code.brIf(3).end();
    code.get(slot).i32(1).do('add').set(slot).br(0).end().end();
    // A new state.
    code.get(slot).i32(2).do('shl').get(index).do('add').get(count).i32(1).do('add').get(tag).do('or').store(0);
    emitStateAddress(code, chunks, count, at);
    for (let w = 0; w < words; w++) {
      code.get(at).get(from).load(w * 4).tee(word + w).store(w * 4);
    }
    emitDigest(code, words, word, scratch, [globals.digestA, globals.digestB]);
    code.get(masks).get(from).load(strides.state).store(0).get(masks).i32(4).do('add').set(masks);
    code.get(count).i32(1).do('add').set(count);
    code.end();
    code.get(from).i32(strides.sorted).do('add').set(from).get(note).i32(4).do('add').set(note);
    code.get(left).i32(1).do('sub').tee(left).brIf(0).end();
    code.br(0).end().end();
    code.get(shard).get(count).store(descriptor.count).get(masks);
  }

  function rehashFunction(): void {
    const [shard, index, mask, count, chunks, id, at, slot, tag, hash] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    const [, code] = module.func('rehash', ['i32'], [], [
      ...Array.from({ length: 8 }, () => 'i32' as const),
      'i64',
    ]);
    code.get(shard).load(descriptor.index).set(index).get(shard).load(descriptor.mask).set(mask);
    code.get(shard).load(descriptor.count).set(count).get(shard).load(descriptor.chunks).set(chunks);
    code.block().loop().get(id).get(count).do('eq').brIf(1);
    emitStateAddress(code, chunks, id, at);
    emitHash(code, words, at, hash);
    code.get(hash).do('wrap').tee(slot).set(tag);
    emitTag(code, tag);
    code.set(tag);
    code.block().loop();
    code.get(slot).get(mask).do('and').tee(slot).i32(2).do('shl').get(index).do('add').load(0).do('eqz').brIf(1);
    code.get(slot).i32(1).do('add').set(slot).br(0).end().end();
    code.get(slot).i32(2).do('shl').get(index).do('add').get(id).i32(1).do('add').tee(id).get(tag).do('or').store(0);
    code.br(0).end().end();
  }

  function checkFunction(): void {
    const emitter = new TreeEmitter(module, program.layout);
    const properties = program.properties.map((property, i) => {
      const parts: { index: number; code: Code; size: number }[] = [];
      for (const compiled of program.functions) {
        if (compiled.what.kind !== 'property' || compiled.what.property !== property) continue;
        let part = parts.at(-1);
        if (part === undefined || part.size > groupSize) {
          const [index, code] = module.func('', emitter.params, ['i32']);
          part = { index, code, size: 0 };
          parts.push(part);
        }
        part.size += compiled.form === 'tree' ? emitter.sizeOf(compiled.tree.root) : 1;
        const { code } = part;
        const deciding = property.kind === 'reachable';
        const unknown = (into: Code): void => {
          into.i32(compiled.index | unknownNote).call(found);
        };
        const ends: Ends = {
          at: (outcome, into) => {
            if (outcome === deciding) into.i32(compiled.index).call(found).i32(1).set(emitter.value);
          },
          unknown,
        };
        code.get(emitter.value).do('eqz').if();
        if (compiled.form === 'tree') emitter.emit(code, compiled.tree.root, ends, `property ${compiled.index}`);
        else unknown(code);
        code.end();
      }
      for (const { code } of parts) code.get(emitter.value);
      return { parts, bit: propertyBit(i) };
    });
    const [address, count, masks, mask, decided, word] = [0, 1, 2, 3, 4, 5];
    const [, code] = module.func(
      'check',
      ['i32', 'i32', 'i32'],
      [],
      Array.from({ length: 2 + words }, () => 'i32' as const),
    );
    code.block().loop().get(count).do('eqz').brIf(1);
    code.get(masks).load(0).getGlobal(globals.active).do('and').tee(mask).if();
    for (let w = 0; w < words; w++) code.get(address).load(w * 4).set(word + w);
    for (const { parts, bit } of properties) {
      if (parts.length === 0) continue;
      code.get(mask).i32(bit).do('and').if().i32(0).set(decided);
      for (const { index } of parts) {
        for (let w = 0; w < words; w++) code.get(word + w);
        code.get(decided).call(index).set(decided);
      }
      code.end();
    }
    code.end();
    code.getGlobal(globals.id).i32(1).do('add').setGlobal(globals.id);
    code.get(masks).i32(4).do('add').set(masks);
    code.get(address).i32(strides.state).do('add').set(address);
    code.get(count).i32(1).do('sub').set(count).br(0).end().end();
  }
}

/** How many successors are looked up at once, and where in memory the results are noted. */
const blockSize = 128;
const lookups = 32768;
/** A function of the module is filled up with rules until it has this many nodes. */
const groupSize = 400;

/** Which properties may change their value when leaves are written. */
class PropertyMasks {
  private readonly byLeaf = new Map<Leaf, number>();
  private readonly always: number;

  constructor({ properties, functions }: Program) {
    let always = 0;
    for (const { what, tree, form } of functions) {
      if (what.kind !== 'property') continue;
      const bit = propertyBit(properties.indexOf(what.property));
      if (form !== 'tree') always |= bit;
      for (const leaf of tree.reads) this.byLeaf.set(leaf, (this.byLeaf.get(leaf) ?? 0) | bit);
    }
    this.always = always;
  }

  after(leaves: readonly Leaf[]): number {
    return leaves.reduce((mask, leaf) => mask | (this.byLeaf.get(leaf) ?? 0), this.always);
  }
}

