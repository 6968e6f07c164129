/**
 * Writes a structure that hardware may fetch at any time, 64 bits at a time (IHI 0070, 3.21.3): no fetch may ever see a mixture
 * that means something. Words of which no bit is in use are prepared first; if then one word is left, its store makes the
 * change; otherwise the entry is invalid meanwhile.
 */
import type { Memory } from '../memory.ts';
import type { Steps } from './steps.ts';

/** A kind of structure. */
export interface EntryKind {
  readonly name: string;
  /** The bits of word 0 that make it valid. */
  readonly valid: bigint;
  /** The bits that hardware looks at, given what the entry says. */
  used(words: readonly bigint[]): readonly bigint[];
}

/**
 * Changes an entry to `target`. `sync`: drops cached copies and waits, after each group of stores. Returns whether the entry was
 * valid in the old or the new sense all the time.
 */
export function* writeEntry(
  memory: Memory,
  address: bigint,
  target: readonly bigint[],
  kind: EntryKind,
  sync: () => Steps<unknown>,
): Steps<'hitless' | 'through invalid'> {
  const now = target.map((_, index) => memory.readWord(address + BigInt(index * 8)));
  const used = kind.used(now);
  const usedThen = kind.used(target);
  const prepared = now.map((word, index) => {
    const inUse = used[index] ?? 0n;
    return (word & inUse) | ((target[index] ?? 0n) & ~inUse);
  });
  const critical = target.flatMap((word, index) =>
    ((prepared[index] ?? 0n) & (usedThen[index] ?? 0n)) === (word & (usedThen[index] ?? 0n)) ? [] : [index],
  );
  const store = function* (words: readonly bigint[], indexes: readonly number[]): Steps<void> {
    let changed = false;
    for (const index of indexes) {
      const at = address + BigInt(index * 8);
      const word = words[index] ?? 0n;
      if (memory.readWord(at) === word) continue;
      memory.writeWord(at, word);
      changed = true;
      yield { kind: 'store', what: `${kind.name} word ${index}`, address: at };
    }
    if (changed) yield* sync();
  };
  const all = target.map((_, index) => index);
  const [only] = critical;
  if (only === undefined) {
    yield* store(target, all);
    return 'hitless';
  }
  if (critical.length === 1) {
    yield* store(
      prepared,
      all.filter((index) => index !== only),
    );
    yield* store(target, [only]);
    yield* store(target, all);
    return 'hitless';
  }
  const invalid = now.map((word, index) => (index === 0 ? word & ~kind.valid : word));
  yield* store(invalid, [0]);
  yield* store(target, all.slice(1));
  yield* store(target, [0]);
  return 'through invalid';
}
