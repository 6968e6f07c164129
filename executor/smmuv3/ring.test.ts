import { describe, expect, it } from 'vitest';
import {
  advance,
  baseRegister,
  entryAddress,
  entryLength,
  indexOf,
  isConsistent,
  isEmpty,
  isFull,
  occupancy,
  positionOf,
  ringOf,
  wrapOf,
} from './ring.ts';
import { ringOfSize } from './smmu.fixture.ts';

describe('a ring of each size', () => {
  it.each(Array.from({ length: 20 }, (_, sizeLog2) => sizeLog2))('2^%i: fills, wraps and empties', (sizeLog2) => {
    const ring = ringOfSize(sizeLog2);
    const entries = 2 ** sizeLog2;
    expect(isEmpty(ring, { producer: 0, consumer: 0 })).toBe(true);
    const full = advance(ring, 0, entries);
    expect(full).toBe(entries);
    expect(indexOf(ring, full)).toBe(0);
    expect([wrapOf(ring, full), wrapOf(ring, 0)]).toEqual([true, false]);
    expect(isFull(ring, { producer: full, consumer: 0 })).toBe(true);
    expect(isEmpty(ring, { producer: full, consumer: 0 })).toBe(false);
    expect(isFull(ring, { producer: full, consumer: 1 })).toBe(false);
    expect(isEmpty(ring, { producer: full, consumer: full })).toBe(true);
    // A second time around the wrap bit is clear again.
    expect(advance(ring, full, entries)).toBe(0);
    expect(isFull(ring, { producer: 0, consumer: full })).toBe(true);
  });

  it('steps over the end of the buffer to its first entry', () => {
    const ring = ringOfSize(2);
    const slots = Array.from({ length: 9 }, (_, count) => entryAddress(ring, advance(ring, 0, count)) - ring.base);
    expect(slots).toEqual([0n, 16n, 32n, 48n, 0n, 16n, 32n, 48n, 0n]);
  });

  it('counts entries across the wrap', () => {
    const ring = ringOfSize(3);
    expect(occupancy(ring, { producer: 0b1001, consumer: 0b0110 })).toBe(3);
    expect(occupancy(ring, { producer: 0b0001, consumer: 0b1110 })).toBe(3);
  });

  it('knows the inconsistent states of 3.5.1', () => {
    const ring = ringOfSize(3);
    expect(isConsistent(ring, { producer: 0b1010, consumer: 0b0001 })).toBe(false);
    expect(isConsistent(ring, { producer: 0b0001, consumer: 0b0010 })).toBe(false);
    expect(isConsistent(ring, { producer: 0b1001, consumer: 0b0010 })).toBe(true);
    expect(isConsistent(ring, { producer: 0b0010, consumer: 0b0001 })).toBe(true);
    // Nothing is produced then.
    expect(isFull(ring, { producer: 0b1010, consumer: 0b0001 })).toBe(true);
  });

  it('ignores register bits above the wrap bit', () => {
    expect(positionOf(ringOfSize(3), 0x8000_0ff5n)).toBe(5);
    expect(positionOf(ringOfSize(0), 0x3n)).toBe(1);
  });
});

describe('a base register', () => {
  it('gives size and base', () => {
    expect(ringOf(0x4000_0000_0012_3000n | 8n, entryLength.command)).toEqual({
      base: 0x12_3000n,
      sizeLog2: 8,
      entryLength: 16,
    });
  });

  it('is aligned down to the size of the queue', () => {
    expect(ringOf(0x12_3400n | 8n, entryLength.command).base).toBe(0x12_3000n);
    expect(ringOf(0x12_3400n | 8n, entryLength.event).base).toBe(0x12_2000n);
    expect(ringOf(0x12_3420n, entryLength.command).base).toBe(0x12_3420n);
  });

  it('has its size capped to what the SMMU has, for the alignment too', () => {
    expect(ringOf(0x12_3400n | 19n, entryLength.command, 6)).toMatchObject({ sizeLog2: 6, base: 0x12_3400n });
  });

  it('is written for an aligned queue only', () => {
    expect(baseRegister({ base: 0x12_3000n, sizeLog2: 8, entryLength: 16 }, true)).toBe(0x4000_0000_0012_3008n);
    expect(baseRegister({ base: 0x12_3000n, sizeLog2: 8, entryLength: 16 })).toBe(0x12_3008n);
    expect(() => baseRegister({ base: 0x12_3800n, sizeLog2: 8, entryLength: 16 })).toThrow(RangeError);
  });
});
