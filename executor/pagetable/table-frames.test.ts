/**
 * Frames for tables: never two tables in one place, always zeroed, always aligned.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Memory } from '../memory.ts';
import { tableFrames } from './table-frames.ts';

const range = { base: 0x1000n, size: 0x7_f000n };

/** The address; `undefined` if there is no room. */
function attempt(allocate: () => bigint): bigint | undefined {
  try {
    return allocate();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

describe('table frames', () => {
  it('are apart, aligned, zeroed and inside, through any sequence', () => {
    const step = fc.record({ log2: fc.integer({ min: 4, max: 18 }), release: fc.boolean(), which: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const memory = new Memory();
        const frames = tableFrames(memory, range, 'kernel');
        const used: { address: bigint; length: number }[] = [];
        for (const { log2, release, which } of steps) {
          const victim = used[which % Math.max(used.length, 1)];
          if (release && victim !== undefined) {
            frames.release(victim.address, victim.length);
            used.splice(used.indexOf(victim), 1);
            continue;
          }
          const length = 2 ** log2;
          const address = attempt(() => frames.allocate(length));
          if (address === undefined) continue;
          expect(address % BigInt(length)).toBe(0n);
          expect(address >= range.base && address + BigInt(length) <= range.base + range.size).toBe(true);
          expect(memory.read(address, length).every((byte) => byte === 0)).toBe(true);
          for (const other of used) {
            const apart = address + BigInt(length) <= other.address || other.address + BigInt(other.length) <= address;
            expect(apart).toBe(true);
          }
          memory.write(address, new Uint8Array(length).fill(0xff));
          expect(memory.ownerOf(address)).toBe('kernel');
          used.push({ address, length });
        }
      }),
    );
  });

  it('use the whole range, and again what was released last', () => {
    const frames = tableFrames(new Memory(), { base: 0x1000n, size: 0xf000n });
    const large = [frames.allocate(0x4000), frames.allocate(0x4000), frames.allocate(0x4000)];
    expect(large).toEqual([0x4000n, 0x8000n, 0xc000n]);
    const small = [frames.allocate(0x1000), frames.allocate(0x1000), frames.allocate(0x1000)];
    expect(new Set(small)).toEqual(new Set([0x1000n, 0x2000n, 0x3000n]));
    expect(() => frames.allocate(0x1000)).toThrow(RangeError);
    frames.release(0x8000n, 0x4000);
    frames.release(0x2000n, 0x1000);
    expect(frames.allocate(0x1000)).toBe(0x2000n);
    expect(frames.allocate(0x2000)).toBe(0x8000n);
    expect(frames.allocate(0x2000)).toBe(0xa000n);
    expect(() => frames.allocate(0x800)).toThrow(RangeError);
  });

  it('belong to nobody once released', () => {
    const memory = new Memory();
    const frames = tableFrames(memory, range, 'kernel');
    const address = frames.allocate(0x2000);
    expect(memory.ownerOf(address + 0x1fffn)).toBe('kernel');
    frames.release(address, 0x2000);
    expect(memory.ownerOf(address)).toBeUndefined();
    expect(memory.ownerOf(address + 0x1fffn)).toBeUndefined();
  });

  it('refuse what is not theirs', () => {
    const memory = new Memory({ ranges: [{ base: 0n, size: 0x4000n }] });
    const frames = tableFrames(memory, { base: 0n, size: 0x4000n });
    const address = frames.allocate(0x1000);
    expect(() => frames.release(address, 0x2000)).toThrow(RangeError);
    frames.release(address, 0x1000);
    expect(() => frames.release(address, 0x1000)).toThrow(RangeError);
    expect(() => frames.allocate(0x3000)).toThrow(RangeError);
    expect(() => frames.allocate(4)).toThrow(RangeError);
    expect(() => tableFrames(memory, { base: 0n, size: 0x5000n })).toThrow(RangeError);
    expect(() => tableFrames(memory, { base: 0x800n, size: 0x1000n })).toThrow(RangeError);
  });
});
