import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CommandToEncode } from './commands.ts';
import { decodeCommand, encodeCommand } from './commands.ts';
import type { Bench } from './configuration.fixture.ts';
import {
  asid,
  bench,
  look,
  putCd,
  putL1Cd,
  putL1Std,
  putNested,
  putSte,
  strtab,
  twoLevel,
  vmid,
} from './configuration.fixture.ts';
import type { ConfigurationEntry, ConfigurationFetch, ConfigurationResult } from './configuration.ts';

/** Performs a command, and says what it dropped. */
function perform(smmu: Bench, command: CommandToEncode): readonly string[] {
  return smmu.cache.invalidate(decodeCommand(encodeCommand(command))).map(nameOf);
}

function nameOf(entry: ConfigurationEntry): string {
  switch (entry.kind) {
    case 'L1STD':
      return `L1STD ${entry.firstSid}+${entry.sids}`;
    case 'STE':
      return `STE ${entry.sid}`;
    case 'L1CD':
      return `L1CD ${entry.sid}/${entry.firstSsid}+${entry.ssids}`;
    case 'CD':
      return `CD ${entry.sid}/${entry.ssid}`;
    default:
      return entry satisfies never;
  }
}

function cached(smmu: Bench): readonly string[] {
  return smmu.cache.entries.map(nameOf);
}

const l1 = 0x2_0000n;
const leaf0 = 0x80_0000n;
const leaf1 = 0x90_0000n;

/** Two-level tables: streams 0 to 255 and 256 to 511; each stream has substreams 0 to 63 and 64 to 127. */
function twoLevels(options?: Parameters<typeof bench>[0]): Bench {
  const smmu = bench({ ...options, registers: { strtabBaseCfg: twoLevel(10, 8), ...options?.registers } });
  for (const half of [0, 1]) putL1Std(smmu, strtab + 8n * BigInt(half), 9, 0x40_0000n + 0x4000n * BigInt(half));
  for (let sid = 0; sid < 512; sid++) {
    putSte(smmu, 0x40_0000n + 64n * BigInt(sid), {
      S1Fmt: 1,
      S1CDMax: 7,
      S1DSS: 2,
      S1ContextPtr: l1,
      S2VMID: sid,
    });
  }
  putL1Cd(smmu, l1, leaf0);
  putL1Cd(smmu, l1 + 8n, leaf1);
  for (let ssid = 0; ssid < 64; ssid++) {
    putCd(smmu, leaf0 + 64n * BigInt(ssid), { ASID: ssid });
    putCd(smmu, leaf1 + 64n * BigInt(ssid), { ASID: 64 + ssid });
  }
  return smmu;
}

describe('the configuration cache', () => {
  it('keeps every structure that a lookup read', () => {
    const smmu = twoLevels();
    look(smmu, 5, 0x41);
    look(smmu, 5);
    expect(cached(smmu)).toEqual(['L1STD 0+256', 'STE 5', 'L1CD 5/64+64', 'CD 5/65', 'L1CD 5/0+64', 'CD 5/0']);
  });

  it('answers from what it keeps, whatever memory says', () => {
    const smmu = twoLevels();
    expect([asid(smmu, 5, 3), vmid(smmu, 5)]).toEqual([3, 5]);
    putCd(smmu, leaf0 + 64n * 3n, { ASID: 1003 });
    putSte(smmu, 0x40_0000n + 64n * 5n, { V: false });
    putL1Std(smmu, strtab, 0, 0n);
    putL1Cd(smmu, l1, 0n, false);
    expect([asid(smmu, 5, 3), vmid(smmu, 5)]).toEqual([3, 5]);
    // Others through the cached level-1 descriptors.
    expect([asid(smmu, 5, 4), vmid(smmu, 6)]).toEqual([4, 6]);
    // A stream of its own has copies of its own.
    expect(asid(smmu, 6, 3)).toBe('C_BAD_SUBSTREAMID');
  });

  it('sees a changed Context descriptor after CFGI_CD, CFGI_CD_ALL, CFGI_STE, CFGI_STE_RANGE or CFGI_ALL of the stream', () => {
    const commands: readonly CommandToEncode[] = [
      { op: 'CFGI_CD', sid: 5, ssid: 3, leaf: true },
      { op: 'CFGI_CD', sid: 5, ssid: 3, leaf: false },
      { op: 'CFGI_CD_ALL', sid: 5 },
      { op: 'CFGI_STE', sid: 5, leaf: true },
      { op: 'CFGI_STE_RANGE', sid: 4, range: 0 },
      { op: 'CFGI_ALL' },
    ];
    const missing: readonly CommandToEncode[] = [
      { op: 'CFGI_CD', sid: 5, ssid: 2 },
      { op: 'CFGI_CD', sid: 4, ssid: 3 },
      { op: 'CFGI_CD_ALL', sid: 4 },
      { op: 'CFGI_STE', sid: 4 },
      { op: 'CFGI_STE_RANGE', sid: 6, range: 0 },
      { op: 'TLBI_NSNH_ALL' },
      { op: 'TLBI_NH_ASID', asid: 3 },
      { op: 'SYNC' },
      { op: 'PREFETCH_CONFIG', sid: 5, ssv: true, ssid: 3 },
      { op: 'ATC_INV', sid: 5, size: 52 },
    ];
    const after = (command: CommandToEncode) => {
      const smmu = twoLevels();
      look(smmu, 5, 3);
      putCd(smmu, leaf0 + 64n * 3n, { ASID: 1003 });
      perform(smmu, command);
      return asid(smmu, 5, 3);
    };
    expect(commands.map(after)).toEqual(commands.map(() => 1003));
    expect(missing.map(after)).toEqual(missing.map(() => 3));
  });

  it('sees a changed entry after CFGI_STE, CFGI_STE_RANGE or CFGI_ALL only', () => {
    const after = (command: CommandToEncode) => {
      const smmu = twoLevels();
      look(smmu, 5, 3);
      putSte(smmu, 0x40_0000n + 64n * 5n, { S2VMID: 1005 });
      perform(smmu, command);
      return vmid(smmu, 5);
    };
    expect(after({ op: 'CFGI_STE', sid: 5, leaf: true })).toBe(1005);
    expect(after({ op: 'CFGI_STE_RANGE', sid: 5, range: 0 })).toBe(1005);
    expect(after({ op: 'CFGI_ALL' })).toBe(1005);
    expect(after({ op: 'CFGI_CD', sid: 5, ssid: 3 })).toBe(5);
    expect(after({ op: 'CFGI_CD_ALL', sid: 5 })).toBe(5);
  });

  it('drops level-1 descriptors with Leaf = 0', () => {
    const smmu = twoLevels();
    const fill = () => [look(smmu, 5, 3), look(smmu, 5, 0x43), look(smmu, 6, 3), look(smmu, 0x105, 3)];
    const all = [
      'L1STD 0+256',
      'STE 5',
      'L1CD 5/0+64',
      'CD 5/3',
      'L1CD 5/64+64',
      'CD 5/67',
      'STE 6',
      'L1CD 6/0+64',
      'CD 6/3',
      'L1STD 256+256',
      'STE 261',
      'L1CD 261/0+64',
      'CD 261/3',
    ];
    const dropped = (command: CommandToEncode) => {
      smmu.cache.clear();
      fill();
      expect(cached(smmu)).toEqual(all);
      const gone = perform(smmu, command);
      expect(cached(smmu)).toEqual(all.filter((name) => !gone.includes(name)));
      return gone;
    };
    expect(dropped({ op: 'CFGI_CD', sid: 5, ssid: 3, leaf: true })).toEqual(['CD 5/3']);
    expect(dropped({ op: 'CFGI_CD', sid: 5, ssid: 3 })).toEqual(['L1CD 5/0+64', 'CD 5/3']);
    // Any SubstreamID of the descriptor will do.
    expect(dropped({ op: 'CFGI_CD', sid: 5, ssid: 0x7f })).toEqual(['L1CD 5/64+64']);
    expect(dropped({ op: 'CFGI_CD', sid: 5, ssid: 0x80 })).toEqual([]);
    expect(dropped({ op: 'CFGI_CD_ALL', sid: 5 })).toEqual(['L1CD 5/0+64', 'CD 5/3', 'L1CD 5/64+64', 'CD 5/67']);
    const stream = ['STE 5', 'L1CD 5/0+64', 'CD 5/3', 'L1CD 5/64+64', 'CD 5/67'];
    expect(dropped({ op: 'CFGI_STE', sid: 5, leaf: true })).toEqual(stream);
    expect(dropped({ op: 'CFGI_STE', sid: 5 })).toEqual(['L1STD 0+256', ...stream]);
    expect(dropped({ op: 'CFGI_STE', sid: 255 })).toEqual(['L1STD 0+256']);
    expect(dropped({ op: 'CFGI_STE', sid: 256 })).toEqual(['L1STD 256+256']);
    expect(dropped({ op: 'CFGI_STE', sid: 7, leaf: true })).toEqual([]);
    // A range drops the level-1 descriptors on the way; the low bits of the StreamID are ignored.
    expect(dropped({ op: 'CFGI_STE_RANGE', sid: 5, range: 0 })).toEqual(['L1STD 0+256', ...stream]);
    expect(dropped({ op: 'CFGI_STE_RANGE', sid: 7, range: 0 })).toEqual([
      'L1STD 0+256',
      'STE 6',
      'L1CD 6/0+64',
      'CD 6/3',
    ]);
    expect(dropped({ op: 'CFGI_STE_RANGE', sid: 0x1ff, range: 7 })).toEqual(all.slice(9));
    expect(dropped({ op: 'CFGI_STE_RANGE', sid: 0, range: 7 })).toEqual(all.slice(0, 9));
    expect(dropped({ op: 'CFGI_STE_RANGE', sid: 0, range: 8 })).toEqual(all);
    expect(dropped({ op: 'CFGI_STE_RANGE', sid: 0x200, range: 8 })).toEqual([]);
    expect(dropped({ op: 'CFGI_STE_RANGE', sid: 0xffff_ffff, range: 30 })).toEqual([]);
    expect(dropped({ op: 'CFGI_ALL' })).toEqual(all);
  });

  it('drops what a plain count of the streams and indices named says, and nothing else', () => {
    const ids = fc.nat(15);
    const command = fc.oneof(
      fc.record({ op: fc.constant('CFGI_STE' as const), sid: ids, leaf: fc.boolean() }),
      fc.record({ op: fc.constant('CFGI_STE_RANGE' as const), sid: ids, range: fc.nat(4) }),
      fc.record({ op: fc.constant('CFGI_CD' as const), sid: ids, ssid: fc.nat(127), leaf: fc.boolean() }),
      fc.record({ op: fc.constant('CFGI_CD_ALL' as const), sid: ids }),
    );
    const lookups = fc.array(fc.tuple(ids, fc.integer({ min: 1, max: 127 })), { maxLength: 12 });
    fc.assert(
      fc.property(lookups, command, (asked, given) => {
        const smmu = twoLevels();
        for (const [sid, ssid] of asked) look(smmu, sid, ssid);
        const streams = (): readonly number[] => {
          if (given.op !== 'CFGI_STE_RANGE') return [given.sid];
          const low = 2 ** (given.range + 1) - 1;
          return Array.from({ length: 512 }, (_, sid) => sid).filter((sid) => (sid & ~low) === (given.sid & ~low));
        };
        const named = new Set(streams());
        const stays = (entry: ConfigurationEntry): boolean => {
          const wide = given.op === 'CFGI_STE' || given.op === 'CFGI_STE_RANGE';
          const leafOnly = 'leaf' in given && given.leaf;
          if (entry.kind === 'L1STD') return !wide || leafOnly;
          if (!named.has(entry.sid)) return true;
          if (wide) return false;
          if (entry.kind === 'STE') return true;
          if (given.op === 'CFGI_CD_ALL') return false;
          if (entry.kind === 'CD') return entry.ssid !== given.ssid;
          return leafOnly || entry.firstSsid >> 6 !== given.ssid >> 6;
        };
        const expected = smmu.cache.entries.filter(stays).map(nameOf);
        perform(smmu, given);
        expect(cached(smmu)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it('names the single Context descriptor, and the one of S1DSS 10, by index 0', () => {
    const smmu = bench();
    putSte(smmu, strtab, { S1CDMax: 0 });
    putCd(smmu, 0x2_0000n, { ASID: 1 });
    expect(asid(smmu, 0)).toBe(1);
    putCd(smmu, 0x2_0000n, { ASID: 2 });
    expect(asid(smmu, 0)).toBe(1);
    expect(perform(smmu, { op: 'CFGI_CD', sid: 0, ssid: 0, leaf: true })).toEqual(['CD 0/0']);
    expect(asid(smmu, 0)).toBe(2);
  });

  it('keeps nothing that is invalid, ILLEGAL or could not be fetched', () => {
    const smmu = bench({ registers: { strtabBaseCfg: twoLevel(10, 8) } });
    expect([vmid(smmu, 0), cached(smmu)]).toEqual(['C_BAD_STREAMID', []]);
    putL1Std(smmu, strtab, 9, 0x5000_0000n);
    expect([vmid(smmu, 0), cached(smmu)]).toEqual(['F_STE_FETCH', ['L1STD 0+256']]);
    smmu.cache.clear();
    putL1Std(smmu, strtab, 9, 0x40_0000n);
    expect([vmid(smmu, 0), cached(smmu)]).toEqual(['C_BAD_STE', ['L1STD 0+256']]);
    putSte(smmu, 0x40_0000n, { S1Fmt: 1, S1CDMax: 7 });
    expect([asid(smmu, 0, 1), cached(smmu)]).toEqual(['C_BAD_SUBSTREAMID', ['L1STD 0+256', 'STE 0']]);
    putL1Cd(smmu, l1, 1n << 50n);
    expect([asid(smmu, 0, 1), cached(smmu).length]).toEqual(['C_BAD_SUBSTREAMID', 2]);
    putL1Cd(smmu, l1, 0x5000_0000n);
    expect([asid(smmu, 0, 1), cached(smmu).length]).toEqual(['F_CD_FETCH', 3]);
    smmu.cache.clear();
    putL1Cd(smmu, l1, leaf0);
    expect([asid(smmu, 0, 1), cached(smmu).length]).toEqual(['C_BAD_CD', 3]);
    putCd(smmu, leaf0 + 64n, { ASID: 1 });
    expect([asid(smmu, 0, 1), cached(smmu).length]).toEqual([1, 4]);
  });

  it('may keep invalid structures, so that making them valid needs a command', () => {
    const smmu = bench({ cacheInvalid: true, registers: { strtabBaseCfg: twoLevel(10, 8) } });
    const steps: readonly [string | number, () => void, CommandToEncode][] = [
      ['C_BAD_STREAMID', () => putL1Std(smmu, strtab, 9, 0x40_0000n), { op: 'CFGI_STE', sid: 0 }],
      ['C_BAD_STE', () => putSte(smmu, 0x40_0000n, { S1Fmt: 1, S1CDMax: 7 }), { op: 'CFGI_STE', sid: 0, leaf: true }],
      ['C_BAD_SUBSTREAMID', () => putL1Cd(smmu, l1, leaf0), { op: 'CFGI_CD', sid: 0, ssid: 1 }],
      ['C_BAD_CD', () => putCd(smmu, leaf0 + 64n, { ASID: 1 }), { op: 'CFGI_CD', sid: 0, ssid: 1, leaf: true }],
    ];
    for (const [before, repair, command] of steps) {
      expect(asid(smmu, 0, 1)).toBe(before);
      repair();
      expect(asid(smmu, 0, 1)).toBe(before);
      perform(smmu, command);
    }
    expect(asid(smmu, 0, 1)).toBe(1);
  });

  it('never keeps a failed fetch', () => {
    const smmu = bench({ cacheInvalid: true, registers: { strtabBase: 0x5000_0000n } });
    expect([vmid(smmu, 0), cached(smmu)]).toEqual(['F_STE_FETCH', []]);
  });

  it('is neither filled nor used while the SMMU is disabled', () => {
    const smmu = twoLevels();
    look(smmu, 5, 3);
    smmu.registers.enabled = false;
    expect(look(smmu, 5, 3)).toEqual({ ok: false, reason: 'disabled' });
    expect(smmu.cache.lookupSte(6)).toEqual({ ok: false, reason: 'disabled' });
    expect(cached(smmu)).toEqual(['L1STD 0+256', 'STE 5', 'L1CD 5/0+64', 'CD 5/3']);
  });

  it('is not filled if told so', () => {
    const smmu = twoLevels({ insert: false });
    expect([asid(smmu, 5, 3), cached(smmu)]).toEqual([3, []]);
    smmu.cache.insert = true;
    look(smmu, 5, 3);
    expect(cached(smmu).length).toBe(4);
  });

  it('drops an entry by hand', () => {
    const smmu = twoLevels();
    look(smmu, 5, 3);
    const [, ste] = smmu.cache.entries;
    if (ste === undefined) throw new Error('nothing was cached');
    putSte(smmu, 0x40_0000n + 64n * 5n, { S2VMID: 1005 });
    expect([smmu.cache.evict(ste), smmu.cache.evict(ste), vmid(smmu, 5)]).toEqual([true, false, 1005]);
    // The one that was read since is another.
    expect([smmu.cache.evict(ste), cached(smmu).includes('STE 5')]).toEqual([false, true]);
  });
});

describe('a fetch in steps', () => {
  type Fetch = ConfigurationFetch<'not mapped'>;

  function read(fetch: Fetch, words: number): readonly string[] {
    return Array.from({ length: words }, () => {
      const step = fetch.next();
      return step.done ? 'done' : step.read.structure;
    });
  }

  function rest(fetch: Fetch): ConfigurationResult<'not mapped'> {
    for (;;) {
      const step = fetch.next();
      if (step.done) return step.result;
    }
  }

  it('reads the words of each structure in order, then is done', () => {
    const smmu = twoLevels();
    const fetch = smmu.cache.beginFetch(5, 3, smmu.stage2);
    expect(fetch.next()).toEqual({
      done: false,
      read: { structure: 'L1STD', address: strtab, word: smmu.memory.readWord(strtab) },
    });
    expect(fetch.next()).toMatchObject({ read: { structure: 'STE', address: 0x40_0140n } });
    expect(fetch.next()).toMatchObject({ read: { structure: 'STE', address: 0x40_0148n } });
    expect(read(fetch, 16)).toEqual([...Array<string>(6).fill('STE'), 'L1CD', ...Array<string>(8).fill('CD'), 'done']);
    expect(look(smmu, 5, 3)).toMatchObject({ configuration: { stage1: { asid: 3 } } });
  });

  it('mixes words of before and after a change between them', () => {
    const smmu = bench();
    putSte(smmu, strtab, { S2VMID: 1, S1CDMax: 0, MEV: false });
    putCd(smmu, 0x2_0000n, { ASID: 1 });
    putCd(smmu, 0x3_0000n, { ASID: 2 });
    const fetch = smmu.cache.beginFetch(0, undefined, smmu.stage2);
    read(fetch, 1);
    putSte(smmu, strtab, { S2VMID: 2, S1ContextPtr: 0x3_0000n, MEV: true });
    // The pointer of the old entry, the second and third word of the new one.
    expect(rest(fetch)).toMatchObject({ configuration: { vmid: 2, mergeEvents: true, stage1: { asid: 1 } } });
    expect(vmid(smmu, 0)).toBe(2);
  });

  it('starts anew after a command that covers what it used, cached, read or half read', () => {
    const commands: readonly [number, CommandToEncode][] = [
      [1, { op: 'CFGI_STE', sid: 5 }],
      [4, { op: 'CFGI_STE', sid: 5, leaf: true }],
      [10, { op: 'CFGI_CD', sid: 5, ssid: 3 }],
      [12, { op: 'CFGI_CD', sid: 5, ssid: 3, leaf: true }],
      [18, { op: 'CFGI_ALL' }],
    ];
    for (const [words, command] of commands) {
      const smmu = twoLevels();
      const fetch = smmu.cache.beginFetch(5, 3, smmu.stage2);
      read(fetch, words);
      putSte(smmu, 0x40_0140n, { S2VMID: 1005, S1CDMax: 7, S1Fmt: 1, S1ContextPtr: l1, S1DSS: 2 });
      putCd(smmu, leaf0 + 64n * 3n, { ASID: 1003 });
      perform(smmu, command);
      const result = rest(fetch);
      expect([command, result]).toMatchObject([command, { configuration: { stage1: { asid: 1003 } } }]);
      expect(asid(smmu, 5, 3)).toBe(1003);
    }
    // A cached structure that it used.
    const smmu = twoLevels();
    vmid(smmu, 5);
    const fetch = smmu.cache.beginFetch(5, 3, smmu.stage2);
    expect(read(fetch, 1)).toEqual(['L1CD']);
    putSte(smmu, 0x40_0140n, { Config: 0b100 });
    perform(smmu, { op: 'CFGI_STE', sid: 5, leaf: true });
    expect(rest(fetch)).toMatchObject({ reason: 'configuration', event: { name: 'C_BAD_SUBSTREAMID' } });
  });

  it('goes on after a command that does not, with what it has read', () => {
    for (const command of [
      { op: 'CFGI_STE', sid: 4 },
      { op: 'CFGI_CD', sid: 5, ssid: 4, leaf: true },
      { op: 'TLBI_NSNH_ALL' },
    ] as const) {
      const smmu = twoLevels({ registers: { strtabBaseCfg: 9, strtabBase: 0x40_0000n } });
      const fetch = smmu.cache.beginFetch(5, 3, smmu.stage2);
      read(fetch, 17);
      putCd(smmu, leaf0 + 64n * 3n, { ASID: 1003 });
      perform(smmu, command);
      expect(rest(fetch)).toMatchObject({ configuration: { stage1: { asid: 3 } } });
    }
  });

  it('replaces what another one cached meanwhile', () => {
    const smmu = twoLevels();
    const fetch = smmu.cache.beginFetch(5, 3, smmu.stage2);
    read(fetch, 1);
    vmid(smmu, 5);
    expect(cached(smmu)).toEqual(['L1STD 0+256', 'STE 5']);
    read(fetch, 1);
    expect(cached(smmu)).toEqual(['STE 5', 'L1STD 0+256']);
    rest(fetch);
    expect(cached(smmu)).toEqual(['L1STD 0+256', 'STE 5', 'L1CD 5/0+64', 'CD 5/3']);
  });

  it('ends when the SMMU is disabled, and when it is abandoned nothing remembers it', () => {
    const smmu = twoLevels();
    const fetch = smmu.cache.beginFetch(5, 3, smmu.stage2);
    read(fetch, 3);
    smmu.registers.enabled = false;
    expect(rest(fetch)).toEqual({ ok: false, reason: 'disabled' });
    smmu.registers.enabled = true;
    expect(rest(fetch)).toEqual({ ok: false, reason: 'disabled' });
    const other = smmu.cache.beginFetch(5, 3, smmu.stage2);
    expect(smmu.cache.inFlight).toBe(0);
    read(other, 3);
    expect(smmu.cache.inFlight).toBe(1);
    other.abandon();
    expect(smmu.cache.inFlight).toBe(0);
    const result = rest(other);
    expect(result).toMatchObject({ configuration: { stage1: { asid: 3 } } });
    expect(smmu.cache.inFlight).toBe(0);
    expect(rest(other)).toBe(result);
  });

  it('behind stage 2 translates each structure when it is reached', () => {
    const smmu = bench();
    putNested(smmu, strtab, { S1Fmt: 1, S1CDMax: 7 });
    putL1Cd(smmu, 0x12_0000n, 0x3_0000n);
    putCd(smmu, 0x13_0040n, { ASID: 1 });
    const fetch = smmu.cache.beginFetch(0, 1, smmu.stage2);
    read(fetch, 8);
    expect(smmu.ipas).toEqual([]);
    expect(fetch.next()).toMatchObject({ read: { structure: 'L1CD', address: 0x12_0000n } });
    expect(smmu.ipas).toEqual([0x2_0000n]);
    expect(fetch.next()).toMatchObject({ read: { structure: 'CD', address: 0x13_0040n } });
    expect(smmu.ipas).toEqual([0x2_0000n, 0x3_0040n]);
  });
});
