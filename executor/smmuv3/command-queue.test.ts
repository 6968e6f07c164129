import { describe, expect, it } from 'vitest';
import type { Transaction } from '../pcie/messages.ts';
import type { CommandToEncode } from './commands.ts';
import { commandErrors } from './errors.ts';
import { defaultIdentity, svaIdentity } from './identity.ts';
import { Bench, enables, everything, NotingFunction, places } from './smmu.fixture.ts';

const sync: CommandToEncode = { op: 'SYNC' };
const atcInv = (sid: number): CommandToEncode => ({ op: 'ATC_INV', sid, address: 0x1000n });
const tlbi: CommandToEncode = { op: 'TLBI_NH_ALL', vmid: 0 };
const illegal = Uint8Array.of(0xff, ...Array.from({ length: 15 }, () => 0));

function admitted(bench: NotingFunction, address: bigint, changes = {}): Transaction {
  const admission = bench.write(address, changes);
  if (admission.outcome !== 'admitted') {
    throw new Error(admission.outcome);
  }
  return admission.transaction;
}

describe('consumption in order', () => {
  it.each([0, 1, 2, 5])('wraps in a queue of 2^%i commands', (sizeLog2) => {
    const bench = new Bench({}, { sizeLog2 });
    const entries = 2 ** sizeLog2;
    for (let count = 1; count <= 5 * entries; count++) {
      bench.submit(sync);
      expect(bench.consumed).toBe(count % (2 * entries));
    }
    bench.submit(...Array.from({ length: entries }, () => tlbi));
    expect(bench.consumed).toBe((6 * entries) % (2 * entries));
    expect(bench.errors).toBe(0n);
  });

  it('wraps in the largest queue, and keeps the wrap bit in an error', () => {
    const bench = new Bench({}, { sizeLog2: 19, cr0: 0n });
    bench.set('CMDQ_PROD', 0xf_ffffn);
    bench.set('CMDQ_CONS', 0xf_ffffn);
    bench.set('CR0', everything);
    bench.submit(sync, sync);
    expect(bench.consumed).toBe(1);
    bench.set('CR0', 0n);
    bench.set('CMDQ_CONS', 0x8_0000n);
    bench.set('CMDQ_PROD', 0x8_0000n);
    bench.set('CR0', everything);
    bench.submit(illegal);
    expect(bench.get('CMDQ_CONS')).toBe(0x108_0000n);
  });

  it('waits for CMDQEN', () => {
    const bench = new Bench({}, { cr0: 0n });
    bench.submit(tlbi, sync);
    expect(bench.consumed).toBe(0);
    bench.set('CR0', enables.CMDQEN);
    expect(bench.consumed).toBe(2);
    bench.set('CR0', 0n);
    bench.submit(sync);
    expect(bench.consumed).toBe(2);
  });

  it('runs while SMMUEN = 0, as a driver invalidates before it enables', () => {
    const bench = new Bench({}, { cr0: enables.CMDQEN });
    bench.submit({ op: 'CFGI_ALL' }, sync, { op: 'TLBI_NSNH_ALL' }, sync);
    expect(bench.consumed).toBe(4);
  });

  it('consumes nothing in an inconsistent state', () => {
    const bench = new Bench({}, { cr0: 0n, sizeLog2: 3 });
    bench.memory.write(places.commands, illegal);
    bench.set('CMDQ_PROD', 0b1001n);
    bench.set('CR0', enables.CMDQEN);
    expect(bench.consumed).toBe(0);
    expect(bench.errors).toBe(0n);
  });
});

describe('errors', () => {
  it('CERROR_ILL: stays on the command, until acknowledged, and fetches it again', () => {
    const bench = new Bench();
    bench.submit(tlbi, illegal, tlbi, sync);
    expect(bench.consumed).toBe(1);
    expect(bench.commandError).toBe(commandErrors.CERROR_ILL);
    expect(bench.errors).toBe(1n);
    bench.submit(sync);
    expect(bench.consumed).toBe(1);
    // Not repaired: the same error again.
    bench.acknowledge();
    expect(bench.consumed).toBe(1);
    expect(bench.errors).toBe(1n);
    bench.replace(sync);
    bench.acknowledge();
    expect(bench.consumed).toBe(5);
    expect(bench.errors).toBe(0n);
  });

  it('toggles GERROR in both directions', () => {
    const bench = new Bench();
    bench.submit(illegal);
    expect(bench.get('GERROR')).toBe(1n);
    bench.replace(sync);
    bench.acknowledge();
    bench.submit(illegal);
    expect(bench.get('GERROR')).toBe(0n);
    expect(bench.get('GERRORN')).toBe(1n);
  });

  it('PROD may be moved back to CONS while the error is active', () => {
    const bench = new Bench();
    bench.submit(tlbi, illegal, tlbi);
    bench.set('CMDQ_PROD', 1n);
    bench.acknowledge();
    expect(bench.consumed).toBe(1);
    expect(bench.errors).toBe(0n);
    bench.submit(sync);
    expect(bench.consumed).toBe(2);
  });

  it('is not acknowledged by CMDQEN', () => {
    const bench = new Bench();
    bench.submit(illegal);
    bench.replace(sync);
    bench.set('CR0', 0n);
    bench.set('CR0', everything);
    expect(bench.consumed).toBe(0);
    expect(bench.errors).toBe(1n);
  });

  it('has no reason any more, but is still active, once a driver has set the queue up anew', () => {
    const bench = new Bench();
    bench.submit(illegal);
    bench.set('CR0', 0n);
    bench.set('CMDQ_CONS', 0n);
    expect(bench.commandError).toBe(0);
    expect(bench.errors).toBe(1n);
  });

  it('CERROR_ABT: the fetch finds no memory', () => {
    const bench = new Bench({}, { ranges: [{ base: places.commands, size: 32n }] });
    bench.submit(sync, sync);
    expect(bench.consumed).toBe(2);
    bench.set('CMDQ_PROD', 3n);
    expect(bench.consumed).toBe(2);
    expect(bench.commandError).toBe(commandErrors.CERROR_ABT);
    expect(bench.errors).toBe(1n);
  });

  it.each<readonly [string, CommandToEncode, object]>([
    ['ATC_INV without ATS', atcInv(1), defaultIdentity],
    ['PRI_RESP without PRI', { op: 'PRI_RESP', sid: 1, resp: 2 }, defaultIdentity],
    ['PRI_RESP with Resp = 3', { op: 'PRI_RESP', sid: 1, resp: 3 }, svaIdentity],
    ['RESUME without stalls', { op: 'RESUME', sid: 1 }, defaultIdentity],
    ['STALL_TERM without stalls', { op: 'STALL_TERM', sid: 1 }, defaultIdentity],
    ['SYNC with CS = 3', { op: 'SYNC', cs: 3 }, svaIdentity],
    ['a Secure command', { op: 'CFGI_STE', sid: 1, ssec: true }, svaIdentity],
  ])('%s is CERROR_ILL', (_, command, identity) => {
    // With SMMUEN = 0 as well, where legal ones of these are ignored.
    for (const cr0 of [everything, enables.CMDQEN]) {
      const bench = new Bench({ identity }, { cr0 });
      bench.submit(command);
      expect(bench.commandError).toBe(commandErrors.CERROR_ILL);
      expect(bench.consumed).toBe(0);
    }
  });

  it('raises one interrupt for each error', () => {
    const bench = new Bench();
    bench.submit(illegal);
    expect(bench.smmu.interrupts).toEqual([{ source: 'gerror' }]);
    bench.acknowledge();
    expect(bench.smmu.interrupts).toEqual([{ source: 'gerror' }, { source: 'gerror' }]);
    const silent = new Bench({}, { interrupts: false });
    silent.submit(illegal);
    expect(silent.smmu.interrupts).toEqual([]);
  });

  it('a broken SMMU goes on', () => {
    const bench = new Bench({ defects: { consumesDuringError: true } });
    bench.submit(illegal);
    bench.replace(sync);
    bench.submit(sync);
    expect(bench.errors).toBe(1n);
    expect(bench.consumed).toBe(2);
  });
});

describe('the completion signal of CMD_SYNC', () => {
  it('CS = 1 writes the message and asserts the interrupt, once CONS has moved', () => {
    const bench = new Bench();
    bench.submit({ op: 'SYNC', cs: 1, msiAddress: places.messages + 4n, msiData: 0x8765_4321 });
    expect(bench.smmu.interrupts).toEqual([
      { source: 'sync', message: { address: places.messages + 4n, data: 0x8765_4321 } },
    ]);
    expect(bench.memory.readWord(places.messages)).toBe(0x8765_4321_0000_0000n);
  });

  it('without an address, or without IDR0.MSI, only asserts the interrupt', () => {
    for (const [identity, msiAddress] of [
      [svaIdentity, 0n],
      [{ ...svaIdentity, MSI: false }, places.messages],
    ] as const) {
      const bench = new Bench({ identity });
      bench.submit({ op: 'SYNC', cs: 1, msiAddress, msiData: 1 });
      expect(bench.smmu.interrupts).toEqual([{ source: 'sync' }]);
      expect(bench.memory.readWord(places.messages)).toBe(0n);
    }
  });

  it.each([0, 2])('CS = %i signals nothing', (cs) => {
    const bench = new Bench();
    bench.submit({ op: 'SYNC', cs, msiAddress: places.messages, msiData: 1 });
    expect(bench.consumed).toBe(1);
    expect(bench.smmu.interrupts).toEqual([]);
    expect(bench.memory.readWord(places.messages)).toBe(0n);
  });

  it('its address is cut to physical addresses, and is none only if it is zero before that', () => {
    const bench = new Bench({ identity: { ...svaIdentity, OAS: 0 } });
    bench.submit({ op: 'SYNC', cs: 1, msiAddress: 1n << 40n, msiData: 7 });
    expect(bench.smmu.interrupts).toEqual([{ source: 'sync', message: { address: 0n, data: 7 } }]);
    expect(bench.memory.readWord(0n)).toBe(7n);
  });

  it('a message that aborts is a global error; the command is complete', () => {
    const bench = new Bench({}, { ranges: [{ base: 0n, size: places.messages }] });
    bench.submit({ op: 'SYNC', cs: 1, msiAddress: places.messages, msiData: 1 });
    expect(bench.errors).toBe(1n << 4n);
    expect(bench.consumed).toBe(1);
    // Active already: no second interrupt for it.
    bench.submit({ op: 'SYNC', cs: 1, msiAddress: places.messages, msiData: 1 });
    expect(bench.smmu.interrupts.map(({ source }) => source)).toEqual(['sync', 'gerror', 'sync']);
  });

  it('the message is 4 bytes', () => {
    const bench = new Bench({}, { ranges: [{ base: 0n, size: places.messages }] });
    bench.submit({ op: 'SYNC', cs: 1, msiAddress: places.messages - 4n, msiData: 1 });
    expect(bench.errors).toBe(0n);
    expect(bench.memory.read(places.messages - 4n, 4)).toEqual(Uint8Array.of(1, 0, 0, 0));
  });
});

describe('CMD_ATC_INV', () => {
  it.each([
    { size: 0, address: 0x12_3000n, expected: { address: 0x12_3000n, sizeLog2: 12 } },
    { size: 1, address: 0x12_3000n, expected: { address: 0x12_2000n, sizeLog2: 13 } },
    { size: 9, address: 0xffff_ffff_ffff_f000n, expected: { address: 0xffff_ffff_ffe0_0000n, sizeLog2: 21 } },
    { size: 51, address: 0xffff_ffff_ffff_f000n, expected: { address: 1n << 63n, sizeLog2: 63 } },
    { size: 52, address: 0xffff_ffff_ffff_f000n, expected: { address: 0n, sizeLog2: 64 } },
  ])('Size $size is a span of 4 KiB * 2^Size, aligned down', ({ size, address, expected }) => {
    const bench = new Bench();
    const device = bench.connect(1);
    bench.submit({ op: 'ATC_INV', sid: 1, address, size }, sync);
    expect(device.invalidations).toEqual([{ itag: 0, global: false, ...expected }]);
    expect(bench.consumed).toBe(2);
  });

  it.each([
    { ssv: false, global: false, expected: { global: false } },
    { ssv: false, global: true, expected: { global: false } },
    { ssv: true, global: false, expected: { pasid: 7, global: false } },
    { ssv: true, global: true, expected: { pasid: 7, global: true } },
  ])('SSV $ssv, Global $global', ({ ssv, global, expected }) => {
    const bench = new Bench();
    const device = bench.connect(1);
    bench.submit({ op: 'ATC_INV', sid: 1, ssv, ssid: 7, global });
    expect(device.invalidations).toEqual([{ itag: 0, address: 0n, sizeLog2: 12, ...expected }]);
  });

  it('has no PASID without substreams', () => {
    const bench = new Bench({ identity: { ...svaIdentity, SSIDSIZE: 0 } });
    const device = bench.connect(1);
    bench.submit({ op: 'ATC_INV', sid: 1, ssv: true, ssid: 7, global: true });
    expect(device.invalidations).toEqual([{ itag: 0, address: 0n, sizeLog2: 12, global: false }]);
  });

  it('is ignored while SMMUEN = 0', () => {
    const bench = new Bench({}, { cr0: enables.CMDQEN });
    const device = bench.connect(1, false);
    bench.submit(atcInv(1), sync);
    expect(device.invalidations).toEqual([]);
    expect(bench.consumed).toBe(2);
  });

  it('to a function that is not there is an Unsupported Request, which is no error', () => {
    const bench = new Bench();
    bench.submit(atcInv(9), sync);
    expect(bench.consumed).toBe(2);
    expect(bench.errors).toBe(0n);
  });

  it('CMD_SYNC waits for the answer; what is behind CMD_SYNC waits too', () => {
    const bench = new Bench();
    const slow = bench.connect(1, false);
    const quick = bench.connect(2);
    bench.submit(atcInv(1), sync, atcInv(2), sync);
    expect(bench.consumed).toBe(1);
    expect(quick.invalidations).toEqual([]);
    slow.complete(0);
    expect(bench.consumed).toBe(4);
    expect(quick.invalidations).toHaveLength(1);
  });

  it('is complete when all of its completions have come (ATS-25)', () => {
    const bench = new Bench();
    bench.connect(1, false);
    bench.submit(atcInv(1), sync);
    for (let count = 1; count <= 8; count++) {
      expect(bench.consumed).toBe(1);
      bench.smmu.invalidateCompletion(1, 0, 8);
    }
    expect(bench.consumed).toBe(2);
    expect(() => bench.smmu.invalidateCompletion(1, 0, 9)).toThrow(RangeError);
  });

  it('a whole queue of them runs, answered as they come', () => {
    const bench = new Bench({}, { sizeLog2: 12 });
    const device = bench.connect(1);
    bench.submit(...Array.from({ length: 2 ** 12 - 1 }, () => atcInv(1)), sync);
    expect(bench.consumed).toBe(2 ** 12);
    expect(device.invalidations).toHaveLength(2 ** 12 - 1);
  });

  it('commands of other functions get to theirs before the first has answered', () => {
    const bench = new Bench();
    const slow = bench.connect(1, false);
    const quick = bench.connect(2);
    bench.submit(atcInv(1), atcInv(2), sync);
    expect(quick.invalidations).toHaveLength(1);
    expect(bench.consumed).toBe(2);
    slow.complete(0);
    expect(bench.consumed).toBe(3);
  });
});

describe('ITags', () => {
  const inv = (count: number, sid = 1): readonly CommandToEncode[] => Array.from({ length: count }, () => atcInv(sid));

  it('are not used twice while outstanding; with all 32 taken the queue waits (ATS-24, ATS-27)', () => {
    const bench = new Bench({}, { sizeLog2: 6 });
    const slow = bench.connect(1, false);
    const other = bench.connect(2);
    bench.submit(...inv(33), ...inv(1, 2));
    expect(slow.invalidations.map(({ itag }) => itag)).toEqual(Array.from({ length: 32 }, (_, itag) => itag));
    expect(other.invalidations).toEqual([]);
    slow.complete(5);
    expect(slow.invalidations.at(-1)?.itag).toBe(5);
    expect(slow.invalidations).toHaveLength(33);
    expect(other.invalidations).toHaveLength(1);
    expect(other.invalidations[0]?.itag).toBe(0);
  });

  it('a completion for which nothing is outstanding completes nothing', () => {
    const bench = new Bench();
    bench.connect(1, false);
    bench.submit(atcInv(1), sync);
    bench.smmu.invalidateCompletion(1, 1);
    bench.smmu.invalidateCompletion(2, 0);
    expect(bench.consumed).toBe(1);
    expect(bench.smmu.invalidations.unexpected).toEqual([
      { streamId: 1, itag: 1 },
      { streamId: 2, itag: 0 },
    ]);
  });

  it('of a request that timed out is not given to the next, whose completion it would look like (ATS-30)', () => {
    const late = (reusesTimedOutTags: boolean): { itag: number | undefined; consumed: number } => {
      const bench = new Bench({ defects: { reusesTimedOutTags } });
      const device = bench.connect(1, false);
      bench.submit(atcInv(1), sync);
      const [queued] = bench.smmu.commands.window;
      if (queued !== undefined) bench.smmu.timeOut(queued);
      bench.acknowledge();
      expect(bench.consumed).toBe(2);
      bench.submit(atcInv(1), sync);
      // The completion of the first request comes only now.
      device.complete(0);
      return { itag: device.invalidations.at(-1)?.itag, consumed: bench.consumed };
    };
    expect(late(false)).toEqual({ itag: 1, consumed: 3 });
    expect(late(true)).toEqual({ itag: 0, consumed: 4 });
  });

  it('is free again once the late completion has come', () => {
    const bench = new Bench();
    const device = bench.connect(1, false);
    bench.submit(atcInv(1));
    const [queued] = bench.smmu.commands.window;
    if (queued !== undefined) bench.smmu.timeOut(queued);
    device.complete(0);
    expect(bench.smmu.invalidations.unexpected).toEqual([{ streamId: 1, itag: 0 }]);
    bench.submit(atcInv(1));
    expect(device.invalidations.at(-1)?.itag).toBe(0);
  });

  it('of a function that was reset are free, and its requests can only fail (ATS-37)', () => {
    const bench = new Bench();
    const device = bench.connect(1, false);
    bench.submit(atcInv(1), sync);
    bench.smmu.resetFunction(1);
    expect(bench.commandError).toBe(commandErrors.CERROR_ATC_INV_SYNC);
    bench.acknowledge();
    bench.submit(atcInv(1), sync);
    expect(device.invalidations.map(({ itag }) => itag)).toEqual([0, 0]);
    device.complete(0);
    expect(bench.consumed).toBe(4);
  });
});

describe('a function that does not answer', () => {
  function timedOut(options = {}): Bench {
    const bench = new Bench(options);
    bench.connect(1, false);
    bench.submit(tlbi, atcInv(1), sync, tlbi, sync);
    const queued = bench.smmu.commands.window.find(({ command }) => command.op === 'ATC_INV');
    if (queued !== undefined) bench.smmu.timeOut(queued);
    return bench;
  }

  it('fails the CMD_SYNC, on which CONS stays (INV-10)', () => {
    const bench = timedOut();
    expect(bench.commandError).toBe(commandErrors.CERROR_ATC_INV_SYNC);
    expect(bench.consumed).toBe(2);
    expect(bench.errors).toBe(1n);
    expect(bench.smmu.interrupts).toEqual([{ source: 'gerror' }]);
  });

  it('is reported once: the CMD_SYNC that is fetched again completes', () => {
    const bench = timedOut();
    bench.acknowledge();
    expect(bench.consumed).toBe(5);
    expect(bench.errors).toBe(0n);
  });

  it('the CMD_SYNC that is fetched again still waits for others', () => {
    const bench = new Bench();
    bench.connect(1, false);
    const other = bench.connect(2, false);
    bench.submit(atcInv(1), atcInv(2), sync);
    const [queued] = bench.smmu.commands.window;
    if (queued !== undefined) bench.smmu.timeOut(queued);
    expect(bench.commandError).toBe(commandErrors.CERROR_ATC_INV_SYNC);
    bench.acknowledge();
    expect(bench.consumed).toBe(2);
    expect(bench.errors).toBe(0n);
    other.complete(0);
    expect(bench.consumed).toBe(3);
  });

  it('a broken SMMU completes the CMD_SYNC all the same', () => {
    const bench = timedOut({ defects: { syncIgnoresTimeouts: true } });
    expect(bench.errors).toBe(0n);
    expect(bench.consumed).toBe(5);
  });

  it('cannot time out once it has answered', () => {
    const bench = new Bench();
    const device = bench.connect(1, false);
    bench.submit(atcInv(1), tlbi);
    const [queued, other] = bench.smmu.commands.window;
    if (queued === undefined || other === undefined) throw new Error('no commands');
    expect(() => bench.smmu.timeOut(other)).toThrow('does not wait');
    device.complete(0);
    expect(() => bench.smmu.timeOut(queued)).toThrow('does not wait');
  });

  it('with no ITag ever free its commands can be given up on, too', () => {
    const bench = new Bench({}, { sizeLog2: 6 });
    bench.connect(1, false);
    bench.submit(...Array.from({ length: 33 }, () => atcInv(1)), sync);
    for (const queued of bench.smmu.commands.window.slice()) {
      bench.smmu.timeOut(queued);
    }
    expect(bench.commandError).toBe(commandErrors.CERROR_ATC_INV_SYNC);
  });
});

describe('CMD_PRI_RESP', () => {
  it.each([
    [0, 'response failure'],
    [1, 'invalid request'],
    [2, 'success'],
  ] as const)('Resp %i is %s', (resp, code) => {
    const bench = new Bench();
    const device = bench.connect(1);
    bench.submit(
      { op: 'PRI_RESP', sid: 1, ssv: true, ssid: 9, prgIndex: 0x1ff, resp },
      { op: 'PRI_RESP', sid: 1, ssid: 9, prgIndex: 3, resp },
    );
    expect(device.responses).toEqual([
      { pasid: 9, group: 0x1ff, code },
      { group: 3, code },
    ]);
  });

  it('has no PASID without substreams', () => {
    const bench = new Bench({ identity: { ...svaIdentity, SSIDSIZE: 0 } });
    const device = bench.connect(1);
    bench.submit({ op: 'PRI_RESP', sid: 1, ssv: true, ssid: 9, resp: 2 });
    expect(device.responses).toEqual([{ group: 0, code: 'success' }]);
  });

  it('is ignored while SMMUEN = 0', () => {
    const bench = new Bench({}, { cr0: enables.CMDQEN });
    const device = bench.connect(1);
    bench.submit({ op: 'PRI_RESP', sid: 1, resp: 2 });
    expect(device.responses).toEqual([]);
    expect(bench.consumed).toBe(1);
  });
});

describe('by hand', () => {
  it('fetches up to and with the next CMD_SYNC, on which CONS stays', () => {
    const bench = new Bench({ schedule: 'by hand' });
    bench.submit(tlbi, atcInv(1), sync, tlbi);
    expect(bench.consumed).toBe(0);
    const { commands } = bench.smmu.commands.consume();
    expect(commands.map(({ command, slot }) => [command.op, slot])).toEqual([
      ['TLBI_NH_ALL', 0],
      ['ATC_INV', 1],
      ['SYNC', 2],
    ]);
    expect(bench.consumed).toBe(2);
    expect(bench.smmu.commands.consume()).toMatchObject({ commands: [], blocked: { reason: 'a CMD_SYNC waits' } });
  });

  it('performs commands of a batch in any order (INV-03), and CMD_SYNC after all of them (INV-02)', () => {
    const bench = new Bench({ schedule: 'by hand' });
    const device = bench.connect(1, false);
    bench.submit(tlbi, atcInv(1), sync);
    const { commands } = bench.smmu;
    const [first, second, last] = commands.consume().commands;
    if (first === undefined || second === undefined || last === undefined) throw new Error('no commands');
    expect(commands.completeSync()).toMatchObject({ blocked: { reason: 'commands without effect yet' } });
    expect(commands.perform(last)).toMatchObject({ reason: 'a CMD_SYNC waits' });
    expect(commands.perform(second)).toBeUndefined();
    expect(commands.perform(second)).toMatchObject({ reason: 'the command has taken effect' });
    expect(commands.completeSync()).toMatchObject({ blocked: { commands: [first] } });
    expect(commands.perform(first)).toBeUndefined();
    expect(commands.completeSync()).toMatchObject({ blocked: { reason: 'functions have not answered' } });
    device.complete(0);
    expect(commands.completeSync()).toEqual({ complete: true });
    expect(bench.consumed).toBe(3);
    expect(commands.window).toEqual([]);
    expect(commands.perform(first)).toMatchObject({ reason: 'the command is not in the window' });
    expect(commands.completeSync()).toEqual({ complete: false, blocked: { reason: 'no CMD_SYNC waits' } });
  });

  it('CMD_SYNC does not wait for CMD_PRI_RESP, which can be sent later', () => {
    const bench = new Bench({ schedule: 'by hand' });
    const device = bench.connect(1);
    bench.submit({ op: 'PRI_RESP', sid: 1, resp: 2 }, sync);
    const [response] = bench.smmu.commands.consume().commands;
    expect(bench.smmu.commands.completeSync()).toEqual({ complete: true });
    expect(device.responses).toEqual([]);
    expect(bench.smmu.commands.window).toEqual([response]);
    if (response !== undefined) bench.smmu.commands.perform(response);
    expect(device.responses).toHaveLength(1);
  });

  it('a timed-out command fails the CMD_SYNC; commands before are kept, the CMD_SYNC is fetched again', () => {
    const bench = new Bench({ schedule: 'by hand' });
    bench.connect(1, false);
    bench.submit(tlbi, atcInv(1), sync);
    const { commands } = bench.smmu;
    const [first, second] = commands.consume().commands;
    if (first === undefined || second === undefined) throw new Error('no commands');
    commands.perform(second);
    commands.timeOut(second);
    expect(commands.completeSync()).toEqual({ complete: false, error: 'CERROR_ATC_INV_SYNC' });
    expect(commands.window).toEqual([first]);
    expect(commands.consume()).toEqual({ commands: [], blocked: { reason: 'the queue has an error' } });
    bench.acknowledge();
    expect(commands.consume().commands).toMatchObject([{ command: { op: 'SYNC' } }]);
    expect(commands.completeSync()).toMatchObject({ blocked: { commands: [first] } });
    commands.perform(first);
    expect(commands.completeSync()).toEqual({ complete: true });
  });

  it('stops at an illegal command', () => {
    const bench = new Bench({ schedule: 'by hand' });
    bench.submit(tlbi, illegal);
    expect(bench.smmu.commands.consume()).toMatchObject({
      commands: [{ command: { op: 'TLBI_NH_ALL' } }],
      error: 'CERROR_ILL',
    });
    expect(bench.smmu.commands.consume()).toEqual({ commands: [], blocked: { reason: 'the queue has an error' } });
  });

  it('says that there is nothing to consume, and forgets a CMD_SYNC when the queue is disabled', () => {
    const bench = new Bench({ schedule: 'by hand' });
    expect(bench.smmu.commands.consume()).toEqual({ commands: [], blocked: { reason: 'the queue is empty' } });
    bench.submit(tlbi, sync);
    bench.smmu.commands.consume();
    bench.set('CR0', 0n);
    expect(bench.smmu.commands.window.map(({ command }) => command.op)).toEqual(['TLBI_NH_ALL']);
    expect(bench.smmu.commands.consume()).toEqual({ commands: [], blocked: { reason: 'the queue is disabled' } });
  });

  it('a broken SMMU completes CMD_SYNC before anything has taken effect', () => {
    const bench = new Bench({ schedule: 'by hand', defects: { syncDoesNotWait: true } });
    bench.submit(tlbi, sync);
    bench.smmu.commands.consume();
    expect(bench.smmu.commands.completeSync()).toEqual({ complete: true });
    expect(bench.smmu.commands.window).toHaveLength(1);
  });

  it('lists what is not consumed', () => {
    const bench = new Bench({ schedule: 'by hand' }, { sizeLog2: 1 });
    bench.submit(sync, illegal);
    expect(bench.smmu.commands.unconsumed.map(([opcode]) => opcode)).toEqual([0x46, 0xff]);
    bench.smmu.commands.consume();
    bench.smmu.commands.completeSync();
    expect(bench.smmu.commands.unconsumed.map(([opcode]) => opcode)).toEqual([0xff]);
  });
});

describe('transactions on their way (INV-02)', () => {
  function translating(options = {}): { bench: Bench; device: NotingFunction } {
    const bench = new Bench(options);
    const device = bench.connect(1);
    bench.translate(1);
    bench.map(0x5000n, 0x900_0000n);
    bench.map(0x6000n, 0x900_1000n);
    return { bench, device };
  }
  const byAddress = (address: bigint): CommandToEncode => ({ op: 'TLBI_NH_VA', vmid: 0, asid: 1, address, leaf: true });

  it('that used what a TLBI drops hold up the CMD_SYNC, not the dropping', () => {
    const { bench, device } = translating();
    const transaction = admitted(device, 0x5008n);
    bench.map(0x5000n, undefined);
    bench.submit(byAddress(0x5000n), sync);
    expect(device.write(0x5008n).outcome).toBe('aborted');
    expect(bench.consumed).toBe(1);
    expect(bench.memory.read(0x900_0008n, 1)).toEqual(Uint8Array.of(0));
    bench.smmu.reachMemory(transaction);
    expect(bench.memory.read(0x900_0008n, 1)).toEqual(Uint8Array.of(0xa5));
    expect(bench.consumed).toBe(2);
  });

  it('that used other entries do not', () => {
    const { bench, device } = translating();
    admitted(device, 0x6008n);
    bench.submit(byAddress(0x5000n), sync);
    expect(bench.consumed).toBe(2);
  });

  it('hold it up even if the entry was evicted since', () => {
    const { bench, device } = translating();
    admitted(device, 0x5008n);
    for (const entry of bench.smmu.tlb.entries) bench.smmu.tlb.evict(entry);
    bench.submit(byAddress(0x5000n), sync);
    expect(bench.consumed).toBe(1);
  });

  it('come after the command, and do not hold it up', () => {
    const { bench, device } = translating({ schedule: 'by hand' });
    bench.submit(byAddress(0x5000n), sync);
    const [command] = bench.smmu.commands.consume().commands;
    if (command === undefined) throw new Error('no command');
    bench.smmu.commands.perform(command);
    admitted(device, 0x5008n);
    expect(bench.smmu.commands.blockedBy(command)).toBeUndefined();
    expect(bench.smmu.commands.completeSync()).toEqual({ complete: true });
  });

  it('are named as the reason', () => {
    const { bench, device } = translating({ schedule: 'by hand' });
    const transaction = admitted(device, 0x5008n);
    bench.submit(byAddress(0x5000n), sync);
    const [command] = bench.smmu.commands.consume().commands;
    if (command === undefined) throw new Error('no command');
    expect(bench.smmu.commands.perform(command)).toBeUndefined();
    const blocked = { reason: 'transactions have not reached memory', transactions: [transaction] };
    expect(bench.smmu.commands.blockedBy(command)).toEqual(blocked);
    expect(bench.smmu.commands.completeSync()).toEqual({ complete: false, blocked });
    bench.smmu.reachMemory(transaction);
    expect(bench.smmu.commands.completeSync()).toEqual({ complete: true });
  });

  it.each<readonly [CommandToEncode, boolean]>([
    [{ op: 'CFGI_ALL' }, true],
    [{ op: 'CFGI_STE', sid: 1 }, true],
    [{ op: 'CFGI_STE', sid: 2 }, false],
    [{ op: 'CFGI_STE_RANGE', sid: 0, range: 0 }, true],
    [{ op: 'CFGI_STE_RANGE', sid: 2, range: 0 }, false],
    [{ op: 'CFGI_STE_RANGE', sid: 2, range: 1 }, true],
    [{ op: 'CFGI_CD', sid: 1, ssid: 0 }, true],
    [{ op: 'CFGI_CD', sid: 1, ssid: 1 }, false],
    [{ op: 'CFGI_CD_ALL', sid: 1 }, true],
    [{ op: 'CFGI_CD_ALL', sid: 2 }, false],
  ])('%o holds up transactions of function 1: %s', (command, holds) => {
    const { bench, device } = translating();
    const transaction = admitted(device, 0x5008n);
    bench.submit(command, sync);
    expect(bench.consumed).toBe(holds ? 1 : 2);
    bench.smmu.reachMemory(transaction);
    expect(bench.consumed).toBe(2);
  });

  it('Translated ones that went ahead of the Invalidate Completion hold up the CMD_SYNC (ATS-23)', () => {
    const { bench, device } = translating();
    const slow = bench.connect(2, false);
    bench.translate(2);
    const before = admitted(slow, 0x900_0000n, { translated: true });
    admitted(slow, 0x5000n);
    admitted(device, 0x900_0000n, { translated: true });
    bench.submit(atcInv(2), sync);
    const between = admitted(slow, 0x900_0010n, { translated: true });
    slow.complete(0);
    admitted(slow, 0x900_0020n, { translated: true });
    expect(bench.consumed).toBe(1);
    bench.smmu.reachMemory(before);
    expect(bench.consumed).toBe(1);
    bench.smmu.reachMemory(between);
    expect(bench.consumed).toBe(2);
  });

  it.each<readonly [string, object, CommandToEncode, boolean]>([
    ['in the range', { address: 0x1fffn }, { op: 'ATC_INV', sid: 1, address: 0x1000n }, true],
    ['after the range', { address: 0x2000n }, { op: 'ATC_INV', sid: 1, address: 0x1000n }, false],
    ['before the range', { address: 0xfffn }, { op: 'ATC_INV', sid: 1, address: 0x1000n }, false],
    ['in a larger range', { address: 0x2000n }, { op: 'ATC_INV', sid: 1, address: 0x1000n, size: 2 }, true],
    ['anywhere', { address: 1n << 63n }, { op: 'ATC_INV', sid: 1, size: 52 }, true],
    ['of any PASID', { address: 0n, pasid: 5 }, { op: 'ATC_INV', sid: 1 }, true],
    ['of the PASID', { address: 0n, pasid: 5 }, { op: 'ATC_INV', sid: 1, ssv: true, ssid: 5 }, true],
    ['of another PASID', { address: 0n, pasid: 5 }, { op: 'ATC_INV', sid: 1, ssv: true, ssid: 6 }, false],
    ['of none', { address: 0n }, { op: 'ATC_INV', sid: 1, ssv: true, ssid: 6 }, false],
    ['of all', { address: 0n, pasid: 5 }, { op: 'ATC_INV', sid: 1, ssv: true, ssid: 6, global: true }, true],
  ])('a Translated one that could have used what is invalidated: %s', (_, untranslated, command, holds) => {
    const { bench, device } = translating();
    const transaction = admitted(device, 0x900_0000n, { translated: true, untranslated });
    bench.submit(command, sync);
    expect(bench.consumed).toBe(holds ? 1 : 2);
    bench.smmu.reachMemory(transaction);
    expect(bench.consumed).toBe(2);
  });

  it('reach memory once', () => {
    const { bench, device } = translating();
    const transaction = admitted(device, 0x5008n);
    expect(bench.smmu.inFlight).toEqual([transaction]);
    bench.smmu.reachMemory(transaction);
    expect(bench.smmu.inFlight).toEqual([]);
    expect(() => bench.smmu.reachMemory(transaction)).toThrow('not on its way');
  });

  it('a broken SMMU does not wait for them', () => {
    const { bench, device } = translating({ defects: { syncIgnoresTransactions: true } });
    admitted(device, 0x5008n);
    bench.submit(byAddress(0x5000n), sync);
    expect(bench.consumed).toBe(2);
  });

  it('broken SMMUs lose invalidations', () => {
    for (const defects of [{ tlbiLost: true }, { cfgiLost: true }, {}]) {
      const { bench, device } = translating({ defects });
      bench.smmu.reachMemory(admitted(device, 0x5008n));
      bench.map(0x5000n, undefined);
      bench.submit(byAddress(0x5000n), sync);
      expect(device.write(0x5008n).outcome).toBe(defects.tlbiLost === true ? 'admitted' : 'aborted');
      bench.stream(1, 0n);
      bench.submit({ op: 'CFGI_STE', sid: 1, leaf: true }, sync);
      bench.smmu.events.records.at(-1);
      bench.drainEvents();
      device.write(0x6000n);
      expect(bench.events.map(({ name }) => name)).toEqual(defects.cfgiLost === true ? [] : ['C_BAD_STE']);
    }
    const lost = new Bench({ defects: { atcInvLost: true } });
    const device = lost.connect(1, false);
    lost.submit(atcInv(1), sync);
    expect(lost.consumed).toBe(2);
    expect(device.invalidations).toEqual([]);
  });
});

describe('queues beside the first', () => {
  const base = 0x80_0000n;

  it('of a guest get its VMID and the StreamIDs of its functions', () => {
    const bench = new Bench();
    const device = bench.connect(0x28);
    const queue = bench.smmu.addCommandQueue({ base, sizeLog2: 3, guest: { vmid: 7, streams: new Map([[1, 0x28]]) } });
    const guest = new Bench({}, { cr0: 0n });
    guest.submit({ op: 'ATC_INV', sid: 1, address: 0x1000n }, sync, { op: 'ATC_INV', sid: 2 });
    bench.memory.write(base, guest.memory.read(places.commands, 48));
    queue.writeProducer(3);
    expect(device.invalidations).toHaveLength(1);
    expect(queue.consumer).toBe(2);
    expect(queue.error).toBe('CERROR_ILL');
    // An error of its own: the first queue goes on.
    expect(bench.errors).toBe(0n);
    bench.submit(sync);
    expect(bench.consumed).toBe(1);
    guest.set('CMDQ_PROD', 2n);
    guest.submit({ op: 'TLBI_NH_ASID', vmid: 3, asid: 4 });
    bench.memory.write(base, guest.memory.read(places.commands, 48));
    queue.acknowledge();
    expect(queue.consumer).toBe(3);
    expect(queue.error).toBeUndefined();
    expect(queue.commands.window.at(-1)?.command).toMatchObject({ op: 'TLBI_NH_ASID', vmid: 7, asid: 4 });
  });

  it.each<CommandToEncode>([
    { op: 'CFGI_ALL' },
    { op: 'TLBI_NSNH_ALL' },
    { op: 'TLBI_NH_ALL', vmid: 7 },
    { op: 'TLBI_S12_VMALL', vmid: 7 },
    { op: 'RESUME', sid: 1 },
  ])('of a guest refuse %o', (command) => {
    const bench = new Bench();
    const queue = bench.smmu.addCommandQueue({ base, sizeLog2: 3, guest: { vmid: 7, streams: new Map() } });
    const guest = new Bench({}, { cr0: 0n });
    guest.submit(command);
    bench.memory.write(base, guest.memory.read(places.commands, 16));
    queue.writeProducer(1);
    expect(queue.error).toBe('CERROR_ILL');
  });

  it('CMD_SYNC waits for its own queue only', () => {
    const bench = new Bench();
    const slow = bench.connect(1, false);
    const queue = bench.smmu.addCommandQueue({ base, sizeLog2: 3 });
    bench.submit(atcInv(1), sync);
    bench.memory.write(base, bench.memory.read(places.commands + 16n, 16));
    queue.writeProducer(1);
    expect(queue.consumer).toBe(1);
    expect(bench.consumed).toBe(1);
    slow.complete(0);
    expect(bench.consumed).toBe(2);
  });

  it('share the ITags of a function', () => {
    const bench = new Bench();
    const slow = bench.connect(1, false);
    const queue = bench.smmu.addCommandQueue({ base, sizeLog2: 3 });
    bench.submit(atcInv(1));
    bench.memory.write(base, bench.memory.read(places.commands, 16));
    queue.writeProducer(1);
    expect(slow.invalidations.map(({ itag }) => itag)).toEqual([0, 1]);
  });

  it('have errors of their own; CMDQP_ERR says that one has where they are architected', () => {
    for (const ECMDQ of [false, true]) {
      const bench = new Bench({ identity: { ...svaIdentity, ECMDQ } });
      const queue = bench.smmu.addCommandQueue({ base, sizeLog2: 3 });
      bench.memory.write(base, illegal);
      queue.writeProducer(1);
      expect(queue.error).toBe('CERROR_ILL');
      expect(bench.errors).toBe(ECMDQ ? 1n << 9n : 0n);
    }
  });

  it('must be aligned to their size', () => {
    const bench = new Bench();
    expect(() => bench.smmu.addCommandQueue({ base: 0x80_0020n, sizeLog2: 3 })).toThrow(RangeError);
  });
});
