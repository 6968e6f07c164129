/**
 * The walk finds what an independent reading of the tables finds, in every regime, and faults in the order of the specification.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { everyRegime, faultOf, leafAt, nameOf, stage1, stage2, Words } from './tables.fixture.ts';
import { halfOf, isDevice, type Regime, swapped, vmsav8 } from './vmsav8.ts';

/** Where the descriptors of an input lie, by division: level, number of the entry, bytes that it covers. */
function places(regime: Regime, offset: bigint): readonly { level: number; index: bigint; covers: bigint }[] {
  const result = [];
  let covers = 2n ** BigInt(regime.granuleLog2);
  const entries = covers / 8n;
  for (let level = 3; level >= regime.startLevel; level--) {
    const index = level === regime.startLevel ? offset / covers : (offset / covers) % entries;
    result.unshift({ level, index, covers });
    covers *= entries;
  }
  return result;
}

/** The levels at which a leaf may stand. */
function leafLevels(regime: Regime): readonly number[] {
  const levels = { 12: [1, 2, 3], 14: [2, 3], 16: regime.largeOutputs ? [1, 2, 3] : [2, 3] }[regime.granuleLog2];
  return levels.filter((level) => level >= regime.startLevel);
}

/** The address field of a descriptor: 52-bit addresses have bits [51:48] at [15:12]. */
function addressField(address: bigint): bigint {
  return (address % 2n ** 48n) + (address / 2n ** 48n) * 2n ** 12n;
}

/** The whole address of an offset: in the upper half the bits above are ones. */
function inputOf(regime: Regime, offset: bigint): bigint {
  return regime.upper ? 2n ** 64n - 2n ** BigInt(regime.inputBits) + offset : offset;
}

const base = 0x1234_5600_0000n;
const regimes = everyRegime(base);
const tableOf = (level: number): bigint => 0x8000_0000n + BigInt(level) * 0x1_0000n;
const leafBits = 0x7fcn & ~0x300n;

/** Tables that map an offset with a leaf at a level; returns the addresses of the descriptors. */
function build(regime: Regime, words: Words, offset: bigint, leafLevel: number, output: bigint): bigint[] {
  const addresses: bigint[] = [];
  for (const { level, index } of places(regime, offset)) {
    if (level > leafLevel) break;
    const address = (level === regime.startLevel ? regime.base : tableOf(level)) + 8n * index;
    addresses.push(address);
    const type = level === leafLevel && level < 3 ? 1n : 3n;
    words.set(address, level === leafLevel ? addressField(output) + leafBits + type : tableOf(level + 1) + 3n);
  }
  return addresses;
}

describe('every legal regime', () => {
  it('there are many', () => {
    expect(regimes.length).toBeGreaterThan(250);
  });

  it('walks to the leaf at each level, through the descriptors where they lie', () => {
    for (const regime of regimes) {
      const last = 2n ** BigInt(regime.inputBits) - 1n;
      const offsets = [0n, last, last / 3n, (last * 2n) / 3n, last / 2n + 1n];
      for (const leafLevel of leafLevels(regime)) {
        for (const offset of offsets) {
          const covers = places(regime, offset).find(({ level }) => level === leafLevel)?.covers ?? 0n;
          const output = ((2n ** BigInt(regime.outputBits) - 1n) / covers) * covers;
          const words = new Words();
          const addresses = build(regime, words, offset, leafLevel, output);
          const walk = vmsav8.walk(regime, inputOf(regime, offset), words);
          if (!walk.ok) throw new Error(`${nameOf(regime)}: leaf at ${leafLevel}, offset 0x${offset.toString(16)}`);
          expect(words.fetched.map(([address]) => address)).toEqual(addresses);
          expect(walk.path.map(({ level }) => level)).toEqual(words.fetched.map(([, level]) => level));
          expect(walk.leaf).toMatchObject({ output, level: leafLevel });
          expect(2n ** BigInt(walk.leaf.sizeLog2)).toBe(covers);
          expect(walk.leaf.descriptor.address).toBe(addresses.at(-1));
        }
      }
    }
  });

  it('faults at the start for inputs outside', () => {
    for (const regime of regimes) {
      const words = new Words();
      const size = 2n ** BigInt(regime.inputBits);
      const outside = regime.upper
        ? [2n ** 64n - size - 1n, 0n, 2n ** 63n - 1n, 2n ** 64n - 1n - 2n ** 63n, 2n ** 64n - 1n - size]
        : [size, 2n ** 64n - 1n, 2n ** 63n, 2n ** 55n];
      for (const input of outside) {
        expect([nameOf(regime), faultOf(vmsav8.walk(regime, input, words))]).toEqual([
          nameOf(regime),
          `translation ${regime.startLevel}`,
        ]);
      }
      expect(words.fetched).toEqual([]);
    }
  });

  it('faults at each level: fetch, invalid, reserved, beyond the output size', () => {
    for (const regime of regimes) {
      const small = { ...regime, outputBits: 40 };
      const offset = (2n ** BigInt(regime.inputBits) * 5n) / 7n;
      const input = inputOf(regime, offset);
      for (let level = regime.startLevel; level <= 3; level++) {
        const where = `${nameOf(regime)}, level ${level}`;
        const made = (change: (words: Words, address: bigint) => unknown): Words => {
          const words = new Words();
          change(words, build(regime, words, offset, 3, 0x1_0000n)[level - regime.startLevel] ?? 0n);
          return words;
        };
        const fault = (change: (words: Words, address: bigint) => unknown, of = regime): string =>
          faultOf(vmsav8.walk(of, input, made(change)));
        const set =
          (word: bigint) =>
          (words: Words, address: bigint): unknown =>
            words.set(address, word);
        const block = leafLevels(regime).includes(level) && level < 3;
        const covers = places(regime, offset).find((place) => place.level === level)?.covers ?? 0n;
        const wide = covers > 2n ** 40n ? covers : 2n ** 40n;
        const found = {
          fetch: fault((words, address) => words.broken.add(address)),
          // Invalid, whatever else the descriptor says.
          invalid: [0n, 2n, 2n ** 64n - 2n, 2n ** 64n - 4n].map((word) => fault(set(word))),
          block: fault(set(0x401n)),
          table: fault(set(2n ** 40n + 0x403n), small),
          blockBeyond: fault(set(addressField(wide) + 0x401n), small),
        };
        const translation = `translation ${level}`;
        const beyond = `address size ${level}`;
        expect({ where, ...found }).toEqual({
          where,
          fetch: `fetch ${level}`,
          invalid: [translation, translation, translation, translation],
          block: block ? 'none' : translation,
          table: beyond,
          blockBeyond: block ? beyond : translation,
        });
      }
    }
  });
});

describe('faults', () => {
  const words = (leaf: bigint): Words => new Words({ 0x0: 0x1003n, 0x1000: 0x2003n, 0x2000: 0x3003n, 0x3000: leaf });

  it('come in order: invalid before address size before access', () => {
    const beyond = 1n << 47n;
    const regime = stage1({ outputBits: 40 });
    expect(faultOf(vmsav8.walk(regime, 0n, words(beyond | 0x2n)))).toBe('translation 3');
    expect(faultOf(vmsav8.walk(regime, 0n, words(beyond | 0x1n)))).toBe('translation 3');
    expect(faultOf(vmsav8.walk(regime, 0n, words(beyond | 0x3n)))).toBe('address size 3');
    expect(faultOf(vmsav8.walk(regime, 0n, words(0x3n)))).toBe('access 3');
    expect(faultOf(vmsav8.walk(regime, 0n, words(0x403n)))).toBe('none');
  });

  it('leave the path with the bad descriptor, but not one that could not be read', () => {
    const bad = vmsav8.walk(stage1(), 0n, words(0x2n));
    expect(bad.path.at(-1)).toEqual({ level: 3, address: 0x3000n, word: 0x2n });
    expect(bad.path).toHaveLength(4);
    const broken = words(0x403n);
    broken.broken.add(0x2000n);
    expect(vmsav8.walk(stage1(), 0n, broken)).toMatchObject({ cause: 'abort', address: 0x2000n, update: false });
    expect(vmsav8.walk(stage1(), 0n, broken).path).toHaveLength(2);
  });

  it('never come from AF with AFFD, and the leaf counts as accessed', () => {
    const leaf = leafAt(stage1({ accessFlagFaults: false }), 0n, words(0x3n));
    expect(leaf.accessFlag).toBe(true);
    const two = stage2({ sizeOffset: 24, startLevelCode: 2, accessFlagFaults: false });
    expect(leafAt(two, 0n, words(0x3n)).accessFlag).toBe(true);
    expect(faultOf(vmsav8.walk(stage2({ sizeOffset: 24, startLevelCode: 2 }), 0n, words(0x3n)))).toBe('access 3');
  });

  it('of address size look at every bit above the output size', () => {
    for (const outputBits of [32, 36, 40, 42, 44, 48]) {
      for (let bit = 30; bit < 48; bit++) {
        const fault = faultOf(vmsav8.walk(stage1({ outputBits }), 0n, words((1n << BigInt(bit)) | 0x403n)));
        expect(fault, `bit ${bit} of ${outputBits}`).toBe(bit < outputBits ? 'none' : 'address size 3');
      }
    }
  });
});

describe('inputs', () => {
  it('with TBI have no top byte', () => {
    const memory = new Words({ 0x0: 0x1003n, 0x1000: 0x401n, 0xff8: 0x1003n, 0x1ff8: 0x401n });
    const lower = stage1({ topByteIgnored: true });
    const upper = stage1({ topByteIgnored: true, upper: true });
    expect(faultOf(vmsav8.walk(lower, 0xff00_0000_0000_0000n, memory))).toBe('none');
    expect(faultOf(vmsav8.walk(lower, 0x0080_0000_0000_0000n, memory))).toBe('translation 0');
    expect(faultOf(vmsav8.walk(lower, 0x0001_0000_0000_0000n, memory))).toBe('translation 0');
    expect(faultOf(vmsav8.walk(upper, 0x00ff_ffff_ffff_f000n, memory))).toBe('none');
    expect(faultOf(vmsav8.walk(upper, 0x007f_ffff_ffff_f000n, memory))).toBe('translation 0');
    expect(faultOf(vmsav8.walk(upper, 0x00fe_ffff_ffff_f000n, memory))).toBe('translation 0');
    expect(faultOf(vmsav8.walk(stage1(), 0x0100_0000_0000_0000n, memory))).toBe('translation 0');
    expect(faultOf(vmsav8.walk(stage1({ upper: true }), 0x00ff_ffff_ffff_f000n, memory))).toBe('translation 0');
  });

  it('belong to a half by bit 55', () => {
    expect(halfOf(0xff7f_ffff_ffff_ffffn)).toBe('lower');
    expect(halfOf(0x0080_0000_0000_0000n)).toBe('upper');
  });
});

describe('descriptors', () => {
  it('of real S1 traffic', () => {
    const memory = new Words({
      0x4414_8000: 0x4417_3003n,
      0x4417_3018: 0x4417_1003n,
      0x4417_1ff8: 0x4417_0003n,
      0x4417_0fd8: 0x4417_4f47n,
      0x4417_0fb0: 0x480b_cfc7n,
      0x4417_0ff8: 0x60_0000_0809_0e4bn,
    });
    const regime = stage1({ base: 0x4414_8000n, outputBits: 44, physicalBits: 44 });
    const rights = { read: true, write: true, execute: true };
    expect(leafAt(regime, 0xffff_b002n, memory)).toMatchObject({
      output: 0x4417_4000n,
      sizeLog2: 12,
      level: 3,
      global: false,
      shareability: 3,
      memoryAttributes: 1,
      // Writable by the unprivileged: never executable by the privileged.
      permissions: { privileged: { ...rights, execute: false }, unprivileged: rights },
    });
    expect(leafAt(regime, 0xffff_6600n, memory).permissions.unprivileged).toMatchObject({ read: true, write: false });
    const msi = leafAt(regime, 0xffff_f040n, memory);
    expect(msi).toMatchObject({ output: 0x809_0000n, memoryAttributes: 2, shareability: 2 });
    expect(msi.permissions.unprivileged).toEqual({ read: true, write: true, execute: false });
    expect(faultOf(vmsav8.walk(regime, 0x765_4320n, memory))).toBe('translation 1');
  });

  it('of real S2 traffic', () => {
    const memory = new Words({
      0x4397_4000: 0x4404_f003n,
      0x4404_f018: 0x4405_c003n,
      0x4405_cff8: 0x4404_e003n,
      0x4404_efd8: 0x43c9_17ffn,
      0x4404_efb0: 0x4808_677fn,
      0x4404_efc0: 0x43cc_47bfn,
      0x4404_eff8: 0x60_0000_0809_0687n,
    });
    const sizes = { sizeOffset: 20, startLevelCode: 2, outputBits: 44, physicalBits: 44 } as const;
    const regime = stage2({ ...sizes, base: 0x4397_4000n });
    const rights = (input: bigint): unknown => leafAt(regime, input, memory).permissions.unprivileged;
    expect(rights(0xffff_b002n)).toEqual({ read: true, write: true, execute: true });
    expect(rights(0xffff_6fc0n)).toEqual({ read: true, write: false, execute: true });
    expect(rights(0xffff_8000n)).toEqual({ read: false, write: true, execute: true });
    expect(rights(0xffff_f040n)).toEqual({ read: false, write: true, execute: false });
    expect(isDevice(leafAt(regime, 0xffff_f040n, memory))).toBe(true);
    expect(isDevice(leafAt(regime, 0xffff_b002n, memory))).toBe(false);
    expect(leafAt(regime, 0xffff_b002n, memory).global).toBe(true);
  });

  it('say nG, and are global where there are no ASIDs', () => {
    const memory = new Words({ 0x0: 0x1003n, 0x1000: 0xc01n, 0x1008: 0x401n });
    expect(leafAt(stage1(), 0n, memory).global).toBe(false);
    expect(leafAt(stage1(), 1n << 30n, memory).global).toBe(true);
    expect(leafAt(stage1({ twoPrivileges: false }), 0n, memory).global).toBe(true);
  });

  it('say which MemAttr is Device', () => {
    for (let attributes = 0; attributes < 16; attributes++) {
      const memory = new Words({ 0x0: BigInt(attributes * 4) | 0x401n });
      const leaf = leafAt(stage2(), 0n, memory);
      expect(leaf.memoryAttributes).toBe(attributes);
      expect(isDevice(leaf)).toBe(attributes < 4);
    }
  });

  it('have the contiguous hint for 16 to 128 leaves', () => {
    const runs = [
      [12, 3, 16],
      [12, 2, 25],
      [12, 1, 34],
      [14, 3, 21],
      [14, 2, 30],
      [16, 3, 21],
      [16, 2, 34],
    ] as const;
    for (const [granuleLog2, leafLevel, log2] of runs) {
      const regime = stage1({ granuleLog2, base });
      const memory = new Words();
      const address = build(regime, memory, 0n, leafLevel, 0n).at(-1) ?? 0n;
      expect(leafAt(regime, 0n, memory)).not.toHaveProperty('contiguousLog2');
      memory.set(address, (memory.words.get(address) ?? 0n) | (1n << 52n));
      expect(leafAt(regime, 0n, memory).contiguousLog2).toBe(log2);
    }
  });

  it('have no contiguous hint for a run that is larger than all inputs', () => {
    for (const [inputBits, expected] of [
      [24, undefined],
      [25, 25],
    ] as const) {
      const regime = stage1({ sizeOffset: 64 - inputBits, smallTables: true });
      expect(leafAt(regime, 0n, new Words({ 0x0: (1n << 52n) | 0x401n })).contiguousLog2).toBe(expected);
    }
  });

  it('of 64K have address bits [51:48] only when there are 52 physical bits', () => {
    const field = 0xf000n;
    for (const physicalBits of [48, 52]) {
      const memory = new Words();
      const regime = stage1({ granuleLog2: 16, base, outputBits: physicalBits, physicalBits });
      const [table = 0n, , leaf = 0n] = build(regime, memory, 0n, 3, 0n);
      memory.set(leaf, 0x403n | field);
      expect(leafAt(regime, 0n, memory).output).toBe(physicalBits === 52 ? 0xf_0000_0000_0000n : 0n);
      memory.set(table, (memory.words.get(table) ?? 0n) | field);
      const walk = vmsav8.walk(regime, 0n, memory);
      expect(walk.path[1]?.address).toBe(tableOf(2) + (physicalBits === 52 ? 0xf_0000_0000_0000n : 0n));
    }
    // Outputs of 48 bits on a machine of 52: the bits are there, and are too large.
    const memory = new Words();
    const regime = stage1({ granuleLog2: 16, base, outputBits: 48, physicalBits: 52 });
    const leaf = build(regime, memory, 0n, 3, 0n).at(-1) ?? 0n;
    memory.set(leaf, 0x1403n);
    expect(faultOf(vmsav8.walk(regime, 0n, memory))).toBe('address size 3');
  });

  it('are read in the byte order of the regime', () => {
    const memory = new Words({ 0x0: swapped(0x1003n), 0x1000: swapped(0x4000_0c41n) });
    const leaf = leafAt(stage1({ bigEndian: true }), 0n, memory);
    expect(leaf).toMatchObject({ output: 0x4000_0000n, descriptor: { address: 0x1000n, word: 0x4000_0c41n } });
    expect(swapped(0x0102_0304_0506_0708n)).toBe(0x0807_0605_0403_0201n);
  });
});

describe('a walk that is resumed', () => {
  it('finds what the whole walk finds, from each table, with its restrictions', () => {
    const attributes = fc.tuple(fc.nat(31), fc.nat(31), fc.nat(31), fc.bigInt(0n, 2n ** 12n - 1n), fc.nat(7));
    fc.assert(
      fc.property(fc.constantFrom(...regimes), attributes, fc.bigInt(0n, 2n ** 52n), (regime, [...bits], far) => {
        const offset = far % 2n ** BigInt(regime.inputBits);
        const memory = new Words();
        const addresses = build(regime, memory, offset, 3, 0x7_0000n);
        for (const [place, address] of addresses.entries()) {
          const high = place < addresses.length - 1 ? BigInt(Number(bits[place] ?? 0)) << 59n : BigInt(bits[4]) << 51n;
          memory.set(address, (memory.words.get(address) ?? 0n) | high);
        }
        const input = inputOf(regime, offset);
        const whole = vmsav8.walk(regime, input, memory);
        expect(whole.ok).toBe(true);
        for (const [place, step] of whole.path.entries()) {
          if (step.below === undefined) continue;
          expect(2n ** BigInt(step.below.coversLog2)).toBe(places(regime, offset)[place]?.covers);
          memory.fetched.length = 0;
          const resumed = vmsav8.walk(regime, input, memory, step.below);
          expect(resumed.ok && whole.ok && resumed.leaf).toEqual(whole.ok && whole.leaf);
          expect(memory.fetched.map(([address]) => address)).toEqual(addresses.slice(place + 1));
        }
        expect(whole.path.filter(({ below }) => below !== undefined)).toHaveLength(whole.path.length - 1);
      }),
    );
  });
});
