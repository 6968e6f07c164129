/**
 * The generated module of a visited set: hashes of successors, their order by shard, and the states of a shard with their
 * index. It depends on the layout of states alone.
 */
import { blockSize, chunkBitsOf, type Counter, descriptor, idBits, lookups, shardShift, stridesOf } from './format.ts';
import { emitDigest, emitHash } from './hash.ts';
import { emitPast, type PastExports, type PastShape } from './past.ts';
import { type Code, ModuleBuilder } from './wasm.ts';

/** What the module of a visited set exports; what is of the past where it has one. */
export interface StoreExports extends PastExports {
  /** Brings `n` successors into canonical form, hashes them, and counts them by shard. */
  readonly hash: (from: number, n: number, hashes: number, counts: number) => void;
  /** Copies `n` successors to the places that `offsets` has for their shards. */
  readonly scatter: (from: number, n: number, hashes: number, offsets: number) => void;
  /** Puts `n` sorted successors into a shard; returns the end of the masks of those that are new. */
  readonly insert: (shard: number, from: number, n: number, masks: number) => number;
  /** Builds a shard's index anew from its states. */
  readonly rehash: (shard: number) => void;
  readonly digestA: Counter;
  readonly digestB: Counter;
}

/**
 * Generates the module for states of so many words. `pages`: the most that the memory may have, in 64 KiB. `canonical` adds a
 * function that brings the state at an address into canonical form. `kept`: what is known of the states of earlier levels, if
 * they are not kept themselves.
 */
export function generateStore(
  words: number,
  pages: number,
  canonical?: (module: ModuleBuilder) => number,
  kept?: PastShape,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const globals = { digestA: module.global('digestA'), digestB: module.global('digestB') };
  const strides = stridesOf(words);
  const chunkBits = chunkBitsOf(words, kept);

  hashFunction();
  scatterFunction();
  insertFunction();
  rehashFunction();
  if (kept !== undefined) {
    emitPast(module, kept, { words, state: strides.state, sorted: strides.sorted, notes: lookups, block: blockSize });
  }
  return module.bytes(pages);

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
      if (word + 1 < words + 1)
        code
          .get(to)
          .get(address)
          .load64(word * 4)
          .store64(word * 4);
      else
        code
          .get(to)
          .get(address)
          .load(word * 4)
          .store(word * 4);
    }
    code.get(to).get(hashes).load(0).store(strides.successor);
    code.get(hashes).i32(4).do('add').set(hashes);
    code.get(address).i32(strides.successor).do('add').set(address);
    code.get(count).i32(1).do('sub').set(count).br(0).end().end();
  }

  /** Leaves in `address` where the state numbered `id` of a shard is. */
  function emitStateAddress(code: Code, chunks: number, id: number, address: number): void {
    code.get(chunks).get(id).i32(chunkBits).do('shrU').i32(2).do('shl', 'add').load(0);
    code
      .get(id)
      .i32(2 ** chunkBits - 1)
      .do('and')
      .i32(strides.state)
      .do('mul', 'add')
      .set(address);
  }

  /** The tag of a hash in its place in an index entry. */
  function emitTag(code: Code, hash: number): void {
    code
      .get(hash)
      .i32(6)
      .do('shl')
      .i32(-(2 ** idBits))
      .do('and');
  }

  /** Leaves on the stack whether the states at two addresses are equal. */
  function emitEqual(code: Code, a: number, b: number): void {
    for (let w = 0; w < words; w += 2) {
      if (w + 1 < words)
        code
          .get(a)
          .load64(w * 4)
          .get(b)
          .load64(w * 4)
          .do('eq64');
      else
        code
          .get(a)
          .load(w * 4)
          .get(b)
          .load(w * 4)
          .do('eq');
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
    const [index, mask, count, chunks, hash, tag, slot, entry, id, at, scratch] = [
      4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    ];
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
    code
      .set(tag)
      .get(note)
      .load(0)
      .tee(entry)
      .i32(2 ** idBits - 1)
      .do('and')
      .tee(id);
    code
      .i32(0)
      .do('ne')
      .get(entry)
      .get(tag)
      .do('xor')
      .i32(-(2 ** idBits))
      .do('and', 'eqz', 'and')
      .set(hash);
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
    code
      .get(entry)
      .get(tag)
      .do('xor')
      .i32(-(2 ** idBits))
      .do('and', 'eqz')
      .if();
    code
      .get(entry)
      .i32(2 ** idBits - 1)
      .do('and')
      .i32(1)
      .do('sub')
      .set(id);
    emitStateAddress(code, chunks, id, at);
    emitEqual(code, at, from);
    code.brIf(3).end();
    code.get(slot).i32(1).do('add').set(slot).br(0).end().end();
    // A new state.
    code.get(slot).i32(2).do('shl').get(index).do('add').get(count).i32(1).do('add').get(tag).do('or').store(0);
    emitStateAddress(code, chunks, count, at);
    for (let w = 0; w < words; w++) {
      code
        .get(at)
        .get(from)
        .load(w * 4)
        .tee(word + w)
        .store(w * 4);
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
    const [, code] = module.func('rehash', ['i32'], [], [...Array.from({ length: 8 }, () => 'i32' as const), 'i64']);
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
}
