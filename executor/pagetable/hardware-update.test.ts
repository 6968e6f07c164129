/**
 * Hardware sets the access flag and the dirty state as the specification says, and only then (IHI 0070, 3.13).
 */
import { describe, expect, it } from 'vitest';
import { permits } from './format.ts';
import { faultOf, leafAt, stage1, stage2, Words } from './tables.fixture.ts';
import { type Regime, swapped, vmsav8 } from './vmsav8.ts';

const accessFlag = 1n << 10n;
const readOnly = 1n << 7n;
const dirtyModifier = 1n << 51n;
const httu = { hardwareAccess: true, hardwareDirty: true } as const;

/** A level-1 table whose only leaf is a block. */
const block = (word: bigint): Words => new Words({ 0x0: word });
const one = (flags: object = {}): Regime => stage1({ sizeOffset: 25, ...flags });
const two = (flags: object = {}): Regime => stage2(flags);
const mayWrite = (regime: Regime, memory: Words): boolean =>
  permits(leafAt(regime, 0n, memory).permissions, { kind: 'write', privileged: true });

describe('the access flag', () => {
  it.each([one, two])('is set by a walk with HA, and nothing else changes', (regime) => {
    const word = 0x4000_0241n;
    const memory = block(word);
    const leaf = leafAt(regime({ hardwareAccess: true }), 0n, memory);
    expect(memory.words.get(0n)).toBe(word | accessFlag);
    expect(leaf).toMatchObject({ accessFlag: true, descriptor: { address: 0n, word: word | accessFlag } });
    leafAt(regime({ hardwareAccess: true }), 0n, memory);
    expect(memory.updates).toEqual([[0n, word, word | accessFlag]]);
  });

  it('is set with HA whatever AFFD says, so that the flag is true', () => {
    const memory = block(0x1n);
    leafAt(one({ hardwareAccess: true, accessFlagFaults: false }), 0n, memory);
    expect(memory.words.get(0n)).toBe(0x401n);
  });

  it('is not set without HA, or before other faults', () => {
    const memory = block(0x1n);
    expect(faultOf(vmsav8.walk(one(), 0n, memory))).toBe('access 1');
    leafAt(one({ accessFlagFaults: false }), 0n, memory);
    const beyond = block((1n << 40n) | 1n);
    expect(faultOf(vmsav8.walk(one({ hardwareAccess: true, outputBits: 40 }), 0n, beyond))).toBe('address size 1');
    expect([...memory.updates, ...beyond.updates]).toEqual([]);
  });

  it('stays clear in a walk that may change nothing, until it is marked', () => {
    const memory = block(0x1n);
    const regime = one({ hardwareAccess: true });
    const walk = vmsav8.walk(regime, 0n, { fetch: (address, level) => memory.fetch(address, level) });
    if (!walk.ok) throw new Error(walk.fault);
    expect(walk.leaf.accessFlag).toBe(false);
    expect(memory.words.get(0n)).toBe(0x1n);
    expect(vmsav8.markAccessed(regime, walk.leaf, memory)).toMatchObject({ ok: true, leaf: { accessFlag: true } });
    expect(memory.words.get(0n)).toBe(0x401n);
    expect(vmsav8.markAccessed(one(), { ...walk.leaf }, memory)).toEqual({ ok: true, leaf: walk.leaf });
  });

  it('is set in what stands there: the walk is made again when the word changed', () => {
    const memory = block(0x4000_0001n);
    const fetch = memory.fetch.bind(memory);
    let fetches = 0;
    memory.fetch = (address, level) => {
      const fetched = fetch(address, level);
      if (fetches++ === 0) memory.set(0n, 0x8000_0001n);
      return fetched;
    };
    expect(leafAt(one({ hardwareAccess: true }), 0n, memory).output).toBe(0x8000_0000n);
    expect(memory.words.get(0n)).toBe(0x8000_0401n);
    expect(fetches).toBe(2);
  });

  it('is not set in a descriptor that went: the walk made again faults', () => {
    const memory = block(0x4000_0001n);
    const fetch = memory.fetch.bind(memory);
    memory.fetch = (address, level) => {
      const fetched = fetch(address, level);
      memory.set(0n, 0n);
      return fetched;
    };
    expect(faultOf(vmsav8.walk(one({ hardwareAccess: true }), 0n, memory))).toBe('translation 1');
    expect(memory.words.get(0n)).toBe(0n);
  });

  it('that cannot be written is a fault of the update', () => {
    const memory = block(0x1n);
    memory.readOnly.add(0n);
    expect(vmsav8.walk(one({ hardwareAccess: true }), 0n, memory)).toMatchObject({
      fault: 'fetch',
      cause: 'abort',
      update: true,
      address: 0n,
      level: 1,
    });
  });

  it('is set in the byte order of the regime', () => {
    const memory = block(swapped(0x4000_0001n));
    leafAt(one({ hardwareAccess: true, bigEndian: true }), 0n, memory);
    expect(memory.words.get(0n)).toBe(swapped(0x4000_0401n));
  });
});

describe('dirty state', () => {
  const clean1 = 0x441n | readOnly | dirtyModifier;
  const clean2 = 0x441n | dirtyModifier;

  it('with HD, writable-clean counts as writable and becomes writable with the write', () => {
    for (const [regime, clean, dirty] of [
      [one(httu), clean1, clean1 & ~readOnly],
      [two(httu), clean2, clean2 | readOnly],
    ] as const) {
      const memory = block(clean);
      const leaf = leafAt(regime, 0n, memory);
      expect(leaf).toMatchObject({ writableClean: true, dirtyModifier: true });
      expect(mayWrite(regime, memory)).toBe(true);
      expect(memory.words.get(0n)).toBe(clean);
      const marked = vmsav8.markDirty(regime, leaf, memory);
      expect(memory.words.get(0n)).toBe(dirty);
      expect(marked).toMatchObject({ ok: true, leaf: { writableClean: false, descriptor: { word: dirty } } });
      expect(leafAt(regime, 0n, memory)).toMatchObject({ writableClean: false, dirtyModifier: true });
    }
  });

  it('makes accessed as well', () => {
    const memory = block(clean1 & ~accessFlag);
    const regime = one(httu);
    const walk = vmsav8.walk(regime, 0n, { fetch: (address, level) => memory.fetch(address, level) });
    if (!walk.ok) throw new Error(walk.fault);
    expect(vmsav8.markDirty(regime, walk.leaf, memory)).toMatchObject({ ok: true, leaf: { accessFlag: true } });
    expect(memory.words.get(0n)).toBe((clean1 | accessFlag) & ~readOnly);
  });

  it('stays clean when the access flag is set', () => {
    const memory = block(clean1 & ~accessFlag);
    expect(leafAt(one(httu), 0n, memory).writableClean).toBe(true);
    expect(memory.words.get(0n)).toBe(clean1);
  });

  it.each([
    ['without HD', one({ hardwareAccess: true }), clean1],
    ['without HA', one({ hardwareDirty: true }), clean1],
    ['without DBM', one(httu), clean1 & ~dirtyModifier],
    ['without HD at stage 2', two({ hardwareAccess: true }), clean2],
    ['without DBM at stage 2', two(httu), clean2 & ~dirtyModifier],
  ])('%s is read-only', (_, regime, word) => {
    const memory = block(word);
    const leaf = leafAt(regime, 0n, memory);
    expect(leaf.writableClean).toBe(false);
    expect(mayWrite(regime, memory)).toBe(false);
    expect(vmsav8.markDirty(regime, leaf, memory)).toEqual({ ok: true, leaf });
    expect(memory.updates).toEqual([]);
  });

  it('is not given where a table took the write', () => {
    const memory = new Words({ 0x0: 0x1003n | (1n << 62n), 0x1000: clean1 });
    expect(leafAt(stage1(httu), 0n, memory)).toMatchObject({ writableClean: false });
    expect(mayWrite(stage1(httu), memory)).toBe(false);
    expect(leafAt(stage1({ ...httu, hierarchicalPermissions: false }), 0n, memory).writableClean).toBe(true);
  });

  it('a dirty page is not marked again', () => {
    const memory = block(clean1 & ~readOnly);
    const leaf = leafAt(one(httu), 0n, memory);
    expect(vmsav8.markDirty(one(httu), leaf, memory)).toEqual({ ok: true, leaf });
    expect(memory.updates).toEqual([]);
  });

  it('writable-clean counts as writable for WXN and PXN', () => {
    const { permissions } = leafAt(one({ ...httu, writeNotExecute: true }), 0n, block(clean1 & ~(1n << 6n)));
    expect(permissions.privileged.execute).toBe(false);
    expect(leafAt(one(httu), 0n, block(clean1)).permissions.privileged.execute).toBe(false);
  });

  it('of a leaf that a TLB kept is marked only if the same word still stands in memory', () => {
    const regime = one(httu);
    const memory = block(clean1);
    const kept = leafAt(regime, 0n, memory);
    for (const now of [0n, clean1 | (1n << 55n), clean1 & ~readOnly]) {
      memory.set(0n, now);
      expect(vmsav8.markDirty(regime, kept, memory)).toEqual({ ok: false, fault: 'changed' });
      expect(memory.words.get(0n)).toBe(now);
    }
    memory.set(0n, clean1).readOnly.add(0n);
    expect(vmsav8.markDirty(regime, kept, memory)).toEqual({ ok: false, fault: 'fetch', cause: 'abort' });
  });
});
