/**
 * Physical memory keeps what was written, refuses what is not backed, and sees every access of a device that is not its owner's.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Memory } from './memory.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('contents', () => {
  it('are zero until written, and what was written last', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(12_000), fc.uint8Array({ minLength: 1, maxLength: 9000 })), { maxLength: 8 }),
        fc.constantFrom(0n, 0x4000_0000n, (1n << 52n) - 24_576n),
        (writes, base) => {
          const memory = new Memory();
          const twin = new Uint8Array(24_576);
          for (const [at, data] of writes) {
            memory.write(base + BigInt(at), data);
            twin.set(data, at);
          }
          expect(Buffer.compare(memory.read(base, twin.length), twin)).toBe(0);
        },
      ),
    );
  });

  it('are little-endian words', () => {
    const memory = new Memory();
    memory.writeWord(0xff8n, 0x8877_6655_4433_2211n);
    expect(memory.read(0xff8n, 8)).toEqual(bytes(0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88));
    memory.write(0x1000n, bytes(1, 2, 3, 4, 5, 6, 7, 0xff));
    expect(memory.readWord(0x1000n)).toBe(0xff07_0605_0403_0201n);
    expect(memory.readWord(0x9000n)).toBe(0n);
    expect(() => memory.readWord(0x1004n)).toThrow(RangeError);
    expect(() => memory.writeWord(0x1001n, 0n)).toThrow(RangeError);
  });

  it('do not change when what was read or given changes', () => {
    const memory = new Memory();
    const data = bytes(1, 2);
    memory.write(0n, data);
    data[0] = 9;
    memory.read(0n, 2)[1] = 9;
    expect(memory.read(0n, 2)).toEqual(bytes(1, 2));
  });
});

describe('what is backed', () => {
  const ranges = [
    { base: 0x3000n, size: 0x1000n },
    { base: 0x1000n, size: 0x1000n },
    { base: 0x2000n, size: 0x800n },
  ];

  it('is 52 bits by default', () => {
    const memory = new Memory();
    expect(memory.isBacked((1n << 52n) - 1n, 1)).toBe(true);
    expect(memory.isBacked((1n << 52n) - 1n, 2)).toBe(false);
    expect(memory.isBacked(1n << 52n, 1)).toBe(false);
    expect(memory.isBacked(-1n, 1)).toBe(false);
  });

  it('is what the ranges say, across ranges that touch', () => {
    const memory = new Memory({ ranges });
    expect(memory.isBacked(0x1ff8n, 0x10)).toBe(true);
    expect(memory.isBacked(0x1000n, 0x1800)).toBe(true);
    expect(memory.isBacked(0x1000n, 0x1801)).toBe(false);
    expect(memory.isBacked(0xfffn, 1)).toBe(false);
    expect(memory.isBacked(0x2fffn, 2)).toBe(false);
    expect(memory.isBacked(0x3fffn, 1)).toBe(true);
    expect(() => new Memory({ ranges: [{ base: (1n << 52n) - 1n, size: 2n }] })).toThrow(RangeError);
  });

  it('is all that can be accessed; a write that leaves it writes nothing', () => {
    const memory = new Memory({ ranges });
    expect(() => memory.read(0x27fcn, 8)).toThrow(RangeError);
    expect(() => memory.write(0x27fen, bytes(1, 2, 3))).toThrow(RangeError);
    expect(() => memory.access({ by: 'd', kind: 'write', address: 0x27fen, bytes: bytes(1, 2, 3) })).toThrow(
      RangeError,
    );
    expect(memory.read(0x27fen, 2)).toEqual(bytes(0, 0));
    expect(memory.accesses).toEqual([]);
    expect(() => memory.readWord(0x2800n)).toThrow(RangeError);
  });
});

describe('owners', () => {
  it('are of whole frames', () => {
    const memory = new Memory();
    memory.give(0x1000n, 0x2000, 'A');
    memory.give(0x2000n, 0x1000, undefined);
    expect([0xfffn, 0x1000n, 0x1fffn, 0x2000n, 0x3000n].map((address) => memory.ownerOf(address))).toEqual([
      undefined,
      'A',
      'A',
      undefined,
      undefined,
    ]);
    expect(() => memory.give(0x1800n, 0x1000, 'A')).toThrow(RangeError);
    expect(() => memory.give(0x1000n, 0x800, 'A')).toThrow(RangeError);
  });
});

describe('the access of a device', () => {
  const owned = (): Memory => {
    const memory = new Memory();
    memory.give(0x1000n, 0x1000, 'A');
    memory.give(0x2000n, 0x1000, 'B');
    memory.write(0x1ffen, bytes(1, 2, 3, 4));
    return memory;
  };

  it('is done, and recorded with the bytes before and after', () => {
    const memory = owned();
    const result = memory.access({ by: 'nic', on: 'A', kind: 'write', address: 0x1ffen, bytes: bytes(9) });
    expect(memory.read(0x1ffen, 1)).toEqual(bytes(9));
    expect(result.parts).toEqual([
      { by: 'nic', on: 'A', kind: 'write', address: 0x1ffen, before: bytes(1), after: bytes(9), owner: 'A' },
    ]);
    expect(result.intrusions).toEqual([]);
    expect(memory.accesses).toEqual(result.parts);
    expect(memory.intrusions).toEqual([]);
  });

  it('is judged frame by frame', () => {
    const memory = owned();
    const access = { by: 'nic', on: 'A', kind: 'write', address: 0x1ffen, bytes: bytes(5, 6, 7, 8) } as const;
    const { parts, intrusions } = memory.access(access);
    expect(parts.map((part) => [part.address, part.owner])).toEqual([
      [0x1ffen, 'A'],
      [0x2000n, 'B'],
    ]);
    expect(intrusions).toEqual([
      { by: 'nic', on: 'A', kind: 'write', address: 0x2000n, before: bytes(3, 4), after: bytes(7, 8), owner: 'B' },
    ]);
    expect(memory.intrusions).toEqual(intrusions);
    expect(memory.read(0x1ffen, 4)).toEqual(bytes(5, 6, 7, 8));
  });

  it('is an intrusion in a frame of nobody, and when it reads', () => {
    const memory = owned();
    const read = memory.access({ by: 'nic', on: 'A', kind: 'read', address: 0x2000n, length: 2 });
    expect(read.bytes).toEqual(bytes(3, 4));
    expect(read.intrusions[0]).toMatchObject({ owner: 'B', before: bytes(3, 4), after: bytes(3, 4) });
    memory.give(0x1000n, 0x1000, undefined);
    expect(memory.access({ by: 'nic', on: 'A', kind: 'read', address: 0x1000n, length: 1 }).intrusions).toHaveLength(1);
    expect(memory.intrusions.map(({ owner }) => owner)).toEqual(['B', undefined]);
  });

  it('is judged by who owned the frame then', () => {
    const memory = owned();
    memory.access({ by: 'nic', on: 'A', kind: 'read', address: 0x1000n, length: 1 });
    memory.give(0x1000n, 0x1000, 'B');
    expect(memory.accesses[0]?.owner).toBe('A');
    expect(memory.intrusions).toEqual([]);
  });

  it('is not judged when it is on behalf of nobody', () => {
    const memory = owned();
    expect(memory.access({ by: 'smmu', kind: 'write', address: 0x2000n, bytes: bytes(1) }).intrusions).toEqual([]);
    expect(memory.accesses).toHaveLength(1);
  });

  it('must have bytes when it writes', () => {
    expect(() => owned().access({ by: 'nic', kind: 'write', address: 0x1000n })).toThrow(RangeError);
  });
});

it('a copy is a memory of its own', () => {
  const memory = new Memory({ ranges: [{ base: 0x1000n, size: 0x1000n }] });
  memory.give(0x1000n, 0x1000, 'A');
  memory.writeWord(0x1000n, 1n);
  memory.access({ by: 'nic', on: 'B', kind: 'read', address: 0x1000n, length: 1 });
  const copy = memory.copy();
  copy.writeWord(0x1000n, 2n);
  copy.give(0x1000n, 0x1000, 'C');
  copy.access({ by: 'nic', on: 'C', kind: 'read', address: 0x1000n, length: 1 });
  expect([memory.readWord(0x1000n), memory.ownerOf(0x1000n), memory.accesses.length]).toEqual([1n, 'A', 1]);
  expect([copy.readWord(0x1000n), copy.accesses.length, copy.intrusions.length]).toEqual([2n, 2, 1]);
  expect(copy.isBacked(0x2000n, 1)).toBe(false);
});
