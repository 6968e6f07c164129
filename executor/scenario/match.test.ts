/**
 * Partial, deep comparison of results with what was expected.
 */
import { describe, expect, it } from 'vitest';
import { matches } from './match.ts';

describe('a result', () => {
  const actual = {
    name: 'F_PERMISSION',
    sid: 16,
    inputAddr: '0x10001000',
    list: [{ a: 1, b: 2 }, { a: 3 }],
    hex: '10',
  };

  it.each([
    {},
    { sid: 16 },
    { sid: '0x10' },
    { inputAddr: 0x1000_1000 },
    { inputAddr: '0x0000000010001000' },
    { list: [{ a: 1 }, {}] },
    actual,
  ])('matches %j', (expected) => {
    expect(matches(actual, expected)).toBe(true);
  });

  it.each([
    { sid: 17 },
    { sid: null },
    { missing: 0 },
    { list: [{ a: 1 }] },
    { list: [{ a: 1 }, {}, {}] },
    { list: [{ a: 1 }, { b: 1 }] },
    { list: { 0: { a: 1 } } },
    { hex: 10 },
    { hex: '0x10' },
    { name: 'F_ACCESS' },
    [],
  ])('does not match %j', (expected) => {
    expect(matches(actual, expected)).toBe(false);
  });
});
