import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCommand, encodeCommand, isIllegal } from '../smmuv3/commands.ts';
import { svaIdentity } from '../smmuv3/identity.ts';
import { dropAtc, dropRanges, type StaleRange, type TlbTags } from './invalidation.ts';

const granule = fc.constantFrom(12 as const, 14 as const, 16 as const);

/** Ranges of leaves of one size, as tables give them. */
const stale = granule.chain((granuleLog2) =>
  fc
    .record({
      up: fc.constantFrom(0, 1),
      first: fc.bigInt({ min: 0n, max: 1n << 12n }),
      count: fc.bigInt({ min: 1n, max: 100n }),
      leaf: fc.boolean(),
    })
    .map(({ up, first, count, leaf }) => {
      const sizeLog2 = granuleLog2 + up * (granuleLog2 - 3);
      const range: StaleRange = { input: first << BigInt(sizeLog2), length: count << BigInt(sizeLog2), sizeLog2, leaf };
      return { granuleLog2, range };
    }),
);

describe('TLB invalidation by range', () => {
  it('covers every page of the range, with commands that are legal', () => {
    fc.assert(
      fc.property(stale, fc.boolean(), ({ granuleLog2, range }, rangeInvalidation) => {
        const tags: TlbTags = { stage: 1, vmid: 0, asid: 7, granuleLog2 };
        const commands = dropRanges(tags, [range], rangeInvalidation).map((command) =>
          decodeCommand(encodeCommand(command)),
        );
        const covered: { from: bigint; to: bigint }[] = [];
        for (const command of commands) {
          expect(isIllegal(command, svaIdentity)).toBeUndefined();
          if (command.op !== 'TLBI_NH_VA') throw new Error(`no range: ${command.op}`);
          expect(command).toMatchObject({ asid: 7, vmid: 0, leaf: range.leaf });
          expect(command.tg).toBe(rangeInvalidation ? (granuleLog2 - 10) / 2 : 0);
          // A single address drops the leaf that it is in.
          const length = rangeInvalidation
            ? BigInt(command.num + 1) << BigInt(command.scale + granuleLog2)
            : 1n << BigInt(range.sizeLog2);
          covered.push({ from: command.address, to: command.address + length });
        }
        // One after the other, from the start to the end, or a page beyond it that keeps a command legal.
        const ends = covered.reduce((at, { from, to }) => (from === at ? to : -1n), range.input);
        const end = range.input + range.length;
        expect([end, end + (1n << BigInt(granuleLog2))]).toContain(ends);
      }),
      { numRuns: 300 },
    );
  });

  it('names the level of leaves, where that has a code', () => {
    const ttl = (granuleLog2: 12 | 14 | 16, sizeLog2: number, leaf = true): number => {
      const range = { input: 0n, length: 1n << BigInt(sizeLog2), sizeLog2, leaf };
      const [command] = dropRanges({ stage: 2, vmid: 1, granuleLog2, nested: false }, [range], true);
      if (command?.op !== 'TLBI_S2_IPA') throw new Error('no range');
      return command.ttl ?? 0;
    };
    expect([ttl(12, 12), ttl(12, 21), ttl(12, 30)]).toEqual([3, 2, 1]);
    expect([ttl(14, 14), ttl(14, 25), ttl(14, 36)]).toEqual([3, 2, 0]);
    expect([ttl(16, 16), ttl(16, 29)]).toEqual([3, 2]);
    expect(ttl(12, 12, false)).toBe(0);
  });

  it('is one command for the address space where it would be too many', () => {
    const tags: TlbTags = { stage: 1, vmid: 0, asid: 7, granuleLog2: 12 };
    const range = { input: 0n, length: 0x10_0000n, sizeLog2: 12, leaf: true };
    expect(dropRanges(tags, [range], false, 255)).toEqual([{ op: 'TLBI_NH_ASID', vmid: 0, asid: 7 }]);
    expect(dropRanges(tags, [range], false, 256)).toHaveLength(256);
  });

  it('covers ranges beyond what one SCALE counts', () => {
    const tags: TlbTags = { stage: 1, vmid: 0, asid: 7, granuleLog2: 12 };
    const range = { input: 0n, length: 1n << 48n, sizeLog2: 39, leaf: false };
    expect(dropRanges(tags, [range], true)).toMatchObject([{ address: 0n, num: 31, scale: 31, tg: 1, ttl: 0 }]);
  });
});

describe('ATC invalidation', () => {
  it('is the smallest aligned power of two that holds the range (INV-06)', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: mask36 }), fc.bigInt({ min: 1n, max: 1n << 20n }), (first, pages) => {
        const last = first + pages - 1n;
        const command = dropAtc({ sid: 3 }, { input: first << 12n, length: pages << 12n });
        if (command.op !== 'ATC_INV') throw new Error('no ATC_INV');
        const { size = 0, address = 0n } = command;
        const start = address >> 12n;
        expect(start % (1n << BigInt(size))).toBe(0n);
        expect(start <= first && last < start + (1n << BigInt(size))).toBe(true);
        // Half of it would not do.
        const half = size - 1;
        expect(size > 0 && first >> BigInt(half) === last >> BigInt(half)).toBe(false);
      }),
    );
  });

  it('is of all addresses without a range, and of a PASID where there is one', () => {
    expect(dropAtc({ sid: 3 })).toEqual({ op: 'ATC_INV', sid: 3, size: 52 });
    expect(dropAtc({ sid: 3, pasid: 9 })).toEqual({ op: 'ATC_INV', sid: 3, ssv: true, ssid: 9, size: 52 });
  });
});

const mask36 = (1n << 36n) - 1n;
