/**
 * What leaves permit: every combination of attributes at both stages, against the rules told one right at a time.
 */
import { describe, expect, it } from 'vitest';
import { bothPermit, type Demand, permits, type Permissions } from './format.ts';
import { leafAt, stage1, stage2, Words } from './tables.fixture.ts';

const demands: readonly Demand[] = (['read', 'write', 'execute'] as const).flatMap((kind) => [
  { kind, privileged: true },
  { kind, privileged: false },
]);

/** The rights that permissions give, as letters: privileged / unprivileged. */
function letters(permissions: Permissions): string {
  const of = (privileged: boolean): string =>
    demands
      .filter((demand) => demand.privileged === privileged && permits(permissions, demand))
      .map(({ kind }) => kind.slice(0, 1))
      .join('');
  return `${of(true)}/${of(false)}`;
}

/** A number's bits as flags. */
function flags<const N extends readonly string[]>(value: number, names: N): Record<N[number], boolean> {
  return Object.fromEntries(names.map((name, bit) => [name, ((value >> bit) & 1) === 1])) as Record<N[number], boolean>;
}

const where = (set: Readonly<Record<string, boolean>>): string =>
  Object.keys(set)
    .filter((name) => set[name] === true)
    .join(' ');
const bit = (set: boolean, place: number): bigint => (set ? 1n << BigInt(place) : 0n);

describe('stage 1', () => {
  const leaf = ['ap1', 'ap2', 'pxn', 'uxn'] as const;
  const table = ['noPriv59', 'noUnpriv60', 'apTable0', 'apTable1'] as const;
  const context = ['wxn', 'pan', 'epan', 'had', 'onePrivilege'] as const;
  const names = [...leaf, ...table, ...context] as const;

  function permissionsOf(set: Record<(typeof names)[number], boolean>, tableLevel = 2): string {
    const regime = stage1({
      writeNotExecute: set.wxn,
      privilegedAccessNever: set.pan,
      privilegedAccessNeverExecute: set.epan,
      hierarchicalPermissions: !set.had,
      twoPrivileges: !set.onePrivilege,
    });
    const above =
      bit(set.noPriv59, 59) | bit(set.noUnpriv60, 60) | bit(set.apTable0, 61) | bit(set.apTable1, 62) | (1n << 63n);
    const memory = new Words();
    for (let level = 0; level < 3; level++) {
      memory.set(BigInt(level) << 12n, (BigInt(level + 1) << 12n) | 3n | (level === tableLevel ? above : 0n));
    }
    memory.set(0x3000n, 0x403n | bit(set.ap1, 6) | bit(set.ap2, 7) | bit(set.pxn, 53) | bit(set.uxn, 54));
    return letters(leafAt(regime, 0n, memory).permissions);
  }

  it('permits what no rule takes', () => {
    for (let value = 0; value < 2 ** names.length; value++) {
      const set = flags(value, names);
      const hierarchy = !set.had;
      // Each right, and all that takes it.
      const takesWrite = [set.ap2, hierarchy && set.apTable1];
      const takesUnprivileged = [!set.ap1, hierarchy && set.apTable0];
      const writable = !takesWrite.includes(true);
      const accessible = !takesUnprivileged.includes(true);
      const takesUnprivilegedExecute = [set.uxn, hierarchy && set.noUnpriv60, set.wxn && writable && accessible];
      const takesPrivilegedExecute = [set.pxn, hierarchy && set.noPriv59, writable && accessible, set.wxn && writable];
      const panned = set.pan && (accessible || (set.epan && !takesUnprivilegedExecute.includes(true)));
      const alone = `r${writable ? 'w' : ''}${[set.uxn, hierarchy && set.noUnpriv60, set.wxn && writable].includes(true) ? '' : 'e'}`;
      const privileged = `${panned ? '' : `r${writable ? 'w' : ''}`}${takesPrivilegedExecute.includes(true) ? '' : 'e'}`;
      const unprivileged = `${accessible ? `r${writable ? 'w' : ''}` : ''}${takesUnprivilegedExecute.includes(true) ? '' : 'e'}`;
      const expected = set.onePrivilege ? `${alone}/${alone}` : `${privileged}/${unprivileged}`;
      expect(`${where(set)}: ${permissionsOf(set)}`).toBe(`${where(set)}: ${expected}`);
    }
  });

  it.each([
    ['', 'rwe/e'],
    ['ap1', 'rw/rwe'],
    ['ap2', 're/e'],
    ['ap1 ap2', 're/re'],
    ['ap1 ap2 uxn pxn', 'r/r'],
    ['ap1 wxn', 'rw/rw'],
    ['wxn', 'rw/e'],
    ['ap1 apTable0', 'rwe/e'],
    ['ap1 apTable1', 're/re'],
    ['ap1 apTable0 apTable1', 're/e'],
    ['ap1 apTable0 apTable1 had', 'rw/rwe'],
    ['ap1 pan', '/rwe'],
    ['pan', 'rwe/e'],
    ['pan epan', 'e/e'],
    ['pan epan uxn', 'rwe/'],
    ['onePrivilege', 'rwe/rwe'],
    ['onePrivilege ap1 pan pxn apTable0', 'rwe/rwe'],
    ['onePrivilege ap2 uxn', 'r/r'],
  ])('%s: %s', (given, expected) => {
    const set = Object.fromEntries(names.map((name) => [name, given.split(' ').includes(name)]));
    expect(permissionsOf(set as Record<(typeof names)[number], boolean>)).toBe(expected);
  });

  it.each([
    ['noPriv59', false, 'rw/e'],
    ['noUnpriv60', false, 'rwe/'],
    ['apTable0', true, 'rwe/e'],
    ['apTable1', false, 're/e'],
  ] as const)('%s in a table at any level takes what it takes', (name, ap1, expected) => {
    for (const level of [0, 1, 2])
      expect(permissionsOf({ ...flags(0, names), ap1, [name]: true }, level)).toBe(expected);
  });
});

describe('stage 2', () => {
  it('permits by S2AP and XN, and table attributes do not count', () => {
    const names = ['r', 'w', 'x53', 'x54', 'xnx', 'above'] as const;
    for (let value = 0; value < 2 ** names.length; value++) {
      const set = flags(value, names);
      const memory = new Words({
        0x0: 0x1003n | (set.above ? 0xf8n << 56n : 0n),
        0x1000: 0x2003n,
        0x2000: 0x403n | bit(set.r, 6) | bit(set.w, 7) | bit(set.x53, 53) | bit(set.x54, 54),
      });
      // XN[1:0] is {bit 54, bit 53}: which privileges may execute. Without XNX, bit 53 does not count.
      const code = `${set.x54 ? 1 : 0}${set.x53 && set.xnx ? 1 : 0}`;
      const execute = { '00': 'both', '01': 'unprivileged', '10': 'none', '11': 'privileged' }[code];
      const data = `${set.r ? 'r' : ''}${set.w ? 'w' : ''}`;
      const privileged = execute === 'both' || execute === 'privileged' ? 'e' : '';
      const unprivileged = execute === 'both' || execute === 'unprivileged' ? 'e' : '';
      const { permissions } = leafAt(stage2({ executeNeverPrivileges: set.xnx }), 0n, memory);
      const expected = `${data}${privileged}/${data}${unprivileged}`;
      expect(`${where(set)}: ${letters(permissions)}`).toBe(`${where(set)}: ${expected}`);
    }
  });
});

it('two stages permit what both permit', () => {
  const rights = (value: number): Permissions['privileged'] => ({
    read: value % 2 > 0,
    write: value % 4 > 1,
    execute: value > 3,
  });
  for (let one = 0; one < 8; one++) {
    for (let other = 0; other < 8; other++) {
      const a = { privileged: rights(one), unprivileged: rights(7 - one) };
      const b = { privileged: rights(other), unprivileged: rights(7 - other) };
      for (const demand of demands) {
        expect(permits(bothPermit(a, b), demand)).toBe(permits(a, demand) && permits(b, demand));
      }
    }
  }
});
