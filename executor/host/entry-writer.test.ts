import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Memory } from '../memory.ts';
import { writeEntry } from './entry-writer.ts';
import { cdKind, cdWords, steKind, steWords } from './structures.ts';

const entries = fc.constantFrom(
  steWords({}),
  steWords({ V: true, Config: 0 }),
  steWords({ V: true, Config: 0b100, SHCFG: 1 }),
  steWords({ V: true, Config: 0b101, S1ContextPtr: 0x4000n, S1DSS: 2, S1CIR: 1 }),
  steWords({ V: true, Config: 0b101, S1ContextPtr: 0x4000n, S1DSS: 2, S1CIR: 1, EATS: 1 }),
  steWords({ V: true, Config: 0b101, S1ContextPtr: 0x8000n, S1CDMax: 4 }),
  steWords({ V: true, Config: 0b110, S2VMID: 3, S2T0SZ: 20, S2TTB: 0x1000n, S2AA64: true }),
  steWords({ V: true, Config: 0b111, S1ContextPtr: 0x8000n, S2VMID: 3, S2T0SZ: 20, S2TTB: 0x1000n, S2AA64: true }),
);

const contexts = fc.constantFrom(
  cdWords({}),
  cdWords({ V: true, ASID: 1, TTB0: 0x1000n, T0SZ: 16, EPD1: true, R: true, A: true }),
  cdWords({ V: true, ASID: 2, TTB0: 0x2000n, T0SZ: 25, EPD1: true, R: true, A: true }),
  cdWords({ V: true, ASID: 1, EPD0: true, EPD1: true, A: true }),
);

describe('an entry that is changed while hardware may fetch it', () => {
  it.each([
    ['STE', steKind, entries],
    ['CD', cdKind, contexts],
  ] as const)('never means anything but the old, the new, or nothing: %s', (_, kind, which) => {
    fc.assert(
      fc.property(which, which, (before, after) => {
        const memory = new Memory();
        const read = (): readonly bigint[] => before.map((_word, index) => memory.readWord(BigInt(index * 8)));
        for (const [index, word] of before.entries()) memory.writeWord(BigInt(index * 8), word);
        const meanings = [meaning(before, kind), meaning(after, kind)];
        // What hardware can have fetched since the last SYNC: each word as it was then or later.
        let versions = before.map((word) => new Set([word]));
        const sync = function* () {
          versions = read().map((word) => new Set([word]));
          yield { kind: 'wait', what: 'CMD_SYNC' } as const;
        };
        for (const step of writeEntry(memory, 0n, after, kind, sync)) {
          if (step.kind !== 'store') continue;
          for (const [index, word] of read().entries()) versions[index]?.add(word);
          const seen = new Set([...choices(versions)].map((fetched) => meaning(fetched, kind)));
          for (const possible of [...meanings, 'invalid']) seen.delete(possible);
          expect(seen).toEqual(new Set());
        }
        expect(read()).toEqual(after);
        // The last store is followed by a SYNC: nothing old is left.
        expect(versions.every((words) => words.size === 1)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('is valid all the time if one word makes the change', () => {
    const memory = new Memory();
    const on = steWords({ V: true, Config: 0b101, S1ContextPtr: 0x4000n, EATS: 1 });
    for (const [index, word] of steWords({ V: true, Config: 0b101, S1ContextPtr: 0x4000n }).entries()) {
      memory.writeWord(BigInt(index * 8), word);
    }
    const steps = writeEntry(memory, 0n, on, steKind, function* () {
      yield { kind: 'wait', what: 'CMD_SYNC' };
    });
    const stores: bigint[] = [];
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) if (step.value.kind === 'store') stores.push(step.value.address);
    expect(step.value).toBe('hitless');
    expect(stores).toEqual([8n]);
  });
});

/** What hardware makes of an entry: the bits that it looks at. */
function meaning(words: readonly bigint[], kind: typeof steKind): string {
  if (((words[0] ?? 0n) & kind.valid) === 0n) return 'invalid';
  return kind
    .used(words)
    .map((used, index) => ((words[index] ?? 0n) & used).toString(16))
    .join(' ');
}

function* choices(versions: readonly ReadonlySet<bigint>[]): Generator<readonly bigint[]> {
  const [first, ...rest] = versions;
  if (first === undefined) {
    yield [];
    return;
  }
  for (const word of first) for (const others of choices(rest)) yield [word, ...others];
}
