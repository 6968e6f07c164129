import { describe, expect, it } from 'vitest';
import { AddressTranslationCache, names, permits, serves, type Translation } from './address-translation-cache.ts';
import type { InvalidateRequest } from './messages.ts';

const page: Translation = {
  untranslated: 0x5000n,
  address: 0x9000n,
  sizeLog2: 12,
  read: true,
  write: false,
  execute: false,
  privileged: false,
  global: false,
  untranslatedOnly: false,
  request: 0,
};

function invalidation(values: Partial<InvalidateRequest>): InvalidateRequest {
  return { itag: 0, global: false, address: 0x5000n, sizeLog2: 12, ...values };
}

describe('a translation serves requests', () => {
  it('of every address in its range and of none outside', () => {
    const block = { ...page, untranslated: 0x40_0000n, sizeLog2: 21 };
    for (const [address, expected] of [
      [0x3f_ffffn, false],
      [0x40_0000n, true],
      [0x5f_ffffn, true],
      [0x60_0000n, false],
    ] as const) {
      expect(serves(block, { address })).toBe(expected);
    }
  });

  it('of its PASID alone, or of none (ATS-06)', () => {
    const address = 0x5000n;
    expect(serves({ ...page, pasid: 3 }, { address, pasid: 3 })).toBe(true);
    expect(serves({ ...page, pasid: 3 }, { address, pasid: 4 })).toBe(false);
    expect(serves({ ...page, pasid: 3 }, { address })).toBe(false);
    expect(serves({ ...page, pasid: 0 }, { address })).toBe(false);
    expect(serves(page, { address, pasid: 0 })).toBe(false);
    expect(serves(page, { address })).toBe(true);
  });

  it('of every PASID if it is global, and never of a request without one (ATS-06)', () => {
    const address = 0x5000n;
    expect(serves({ ...page, pasid: 3, global: true }, { address, pasid: 4 })).toBe(true);
    expect(serves({ ...page, pasid: 3, global: true }, { address })).toBe(false);
    expect(serves({ ...page, global: true }, { address, pasid: 4 })).toBe(false);
  });

  it('of its own mode (ATS-07)', () => {
    const address = 0x5000n;
    const privileged = { ...page, pasid: 3, privileged: true };
    expect(serves(privileged, { address, pasid: 3 })).toBe(false);
    expect(serves(privileged, { address, pasid: 3, privileged: true })).toBe(true);
    expect(serves({ ...page, pasid: 3 }, { address, pasid: 3, privileged: true })).toBe(false);
  });
});

it('permits what the completion granted (ATS-05)', () => {
  expect(permits(page, { kind: 'read' })).toBe(true);
  expect(permits(page, { kind: 'write' })).toBe(false);
  expect(permits({ ...page, write: true }, { kind: 'write' })).toBe(true);
  expect(permits({ ...page, read: false, write: true }, { kind: 'read' })).toBe(false);
  expect(permits(page, { kind: 'read', execute: true })).toBe(false);
  expect(permits({ ...page, execute: true }, { kind: 'read', execute: true })).toBe(true);
  expect(permits({ ...page, read: false, execute: true }, { kind: 'read', execute: true })).toBe(false);
});

describe('an Invalidate Request names', () => {
  it('every translation whose range overlaps its own, larger or smaller', () => {
    const block = { ...page, untranslated: 0x40_0000n, sizeLog2: 21 };
    expect(names(invalidation({ address: 0x5f_f000n }), block, false)).toBe(true);
    expect(names(invalidation({ address: 0x60_0000n }), block, false)).toBe(false);
    expect(names(invalidation({ address: 0x3f_f000n }), block, false)).toBe(false);
    expect(names(invalidation({ address: 0x4000n, sizeLog2: 13 }), page, false)).toBe(true);
    expect(names(invalidation({ address: 0x4000n, sizeLog2: 12 }), page, false)).toBe(false);
    expect(names(invalidation({ address: 0x6000n, sizeLog2: 13 }), page, false)).toBe(false);
  });

  it('everything if its size is 64', () => {
    const far = { ...page, untranslated: 0xffff_ffff_ffff_f000n };
    expect(names(invalidation({ address: 0n, sizeLog2: 64 }), far, false)).toBe(true);
    expect(names(invalidation({ address: 0n, sizeLog2: 63 }), far, false)).toBe(false);
  });

  it('all PASIDs of the range, and none, if it has no PASID (ATS-34, INV-07)', () => {
    expect(names(invalidation({}), page, false)).toBe(true);
    expect(names(invalidation({}), { ...page, pasid: 3 }, false)).toBe(true);
  });

  it('its PASID alone if it has one, with global translations, which serve it too', () => {
    expect(names(invalidation({ pasid: 3 }), { ...page, pasid: 3 }, false)).toBe(true);
    expect(names(invalidation({ pasid: 3 }), { ...page, pasid: 4 }, false)).toBe(false);
    expect(names(invalidation({ pasid: 3 }), page, false)).toBe(false);
    expect(names(invalidation({ pasid: 3 }), { ...page, pasid: 4, global: true }, false)).toBe(true);
    expect(names(invalidation({ pasid: 0 }), page, false)).toBe(false);
  });

  it('every PASID by Global Invalidate, with the capability (ATS-33, INV-08)', () => {
    const global = invalidation({ pasid: 3, global: true });
    expect(names(global, { ...page, pasid: 4 }, true)).toBe(true);
    expect(names(global, { ...page, pasid: 4 }, false)).toBe(false);
    expect(names(global, { ...page, pasid: 3 }, false)).toBe(true);
    expect(names(global, page, true)).toBe(false);
  });
});

describe('the cache', () => {
  it('finds the latest translation of an address', () => {
    const atc = new AddressTranslationCache();
    const block = { ...page, untranslated: 0n, sizeLog2: 21, request: 1 };
    atc.insert(page);
    atc.insert(block);
    expect(atc.lookup({ address: 0x5123n })).toBe(block);
    expect(atc.lookup({ address: 0x5123n, pasid: 1 })).toBeUndefined();
  });

  it('replaces a translation of the same range, PASID and mode, and no other', () => {
    const atc = new AddressTranslationCache();
    const others: readonly Translation[] = [
      { ...page, untranslated: 0x6000n },
      { ...page, untranslated: 0x4000n, sizeLog2: 13 },
      { ...page, sizeLog2: 13 },
      { ...page, pasid: 1 },
      { ...page, privileged: true },
    ];
    for (const other of [page, ...others]) atc.insert(other);
    const again = { ...page, write: true, request: 1 };
    atc.insert(again);
    expect(atc.translations).toEqual([...others, again]);
  });

  it('drops what is selected and says what it was', () => {
    const atc = new AddressTranslationCache();
    const other = { ...page, untranslated: 0x6000n };
    atc.insert(page);
    atc.insert(other);
    expect(atc.drop((translation) => translation === page)).toEqual([page]);
    expect(atc.has(page)).toBe(false);
    expect(atc.has(other)).toBe(true);
    expect(atc.clear()).toEqual([other]);
    expect(atc.translations).toEqual([]);
  });
});
