import { describe, expect, it } from 'vitest';
import type { CommandToEncode } from './commands.ts';
import { svaIdentity } from './identity.ts';
import { Bench, enables, everything, NotingFunction, places } from './smmu.fixture.ts';

const sync: CommandToEncode = { op: 'SYNC' };

/** Stream 1 translates, with nothing mapped; `s`: its faults stall. */
function faulting(s: boolean, options = {}, bringUp = {}): { bench: Bench; device: NotingFunction } {
  const bench = new Bench(options, { sizeLog2: 1, ...bringUp });
  const device = bench.connect(1);
  bench.translate(1, { s });
  return { bench, device };
}

function addresses(bench: Bench): readonly bigint[] {
  return bench.events.map(({ inputAddr }) => inputAddr);
}

describe('records of terminated transactions', () => {
  it('are written at PROD, oldest first', () => {
    const { bench, device } = faulting(false);
    expect(device.write(0x7654_3210n).outcome).toBe('aborted');
    device.write(0x1000n, { kind: 'read', length: 4 });
    expect(bench.get('EVENTQ_PROD')).toBe(2n);
    expect(bench.events).toMatchObject([
      { name: 'F_TRANSLATION', sid: 1, inputAddr: 0x7654_3210n, rnw: 0, class: 2, stall: 0 },
      { name: 'F_TRANSLATION', sid: 1, inputAddr: 0x1000n, rnw: 1 },
    ]);
    expect(bench.memory.readWord(places.events)).toBe(0x1_0000_0010n);
    expect(bench.memory.readWord(places.events + 0x30n)).toBe(0x1000n);
  });

  it.each([0, 1, 3])('wrap in a queue of 2^%i', (sizeLog2) => {
    const { bench, device } = faulting(false, {}, { sizeLog2 });
    for (let count = 1n; count <= 5n << BigInt(sizeLog2); count++) {
      device.write(count << 12n);
      expect(addresses(bench)).toEqual([count << 12n]);
      bench.drainEvents();
    }
    expect(bench.smmu.events.discarded).toEqual([]);
  });

  it('wrap in the largest queue', () => {
    const { bench, device } = faulting(false, {}, { sizeLog2: 19, cr0: everything & ~enables.EVENTQEN });
    bench.set('EVENTQ_PROD', 0xf_ffffn);
    bench.set('EVENTQ_CONS', 0xf_ffffn);
    bench.set('CR0', everything);
    device.write(0x1000n);
    device.write(0x2000n);
    expect(bench.get('EVENTQ_PROD')).toBe(1n);
    expect(addresses(bench)).toEqual([0x1000n, 0x2000n]);
  });

  it('are not made with R = 0', () => {
    const bench = new Bench();
    const device = bench.connect(1);
    bench.translate(1, { r: false });
    expect(device.write(0x1000n).outcome).toBe('aborted');
    expect(bench.events).toEqual([]);
  });

  it('raise an interrupt when the queue is no longer empty (HOST-01)', () => {
    const { bench, device } = faulting(false);
    device.write(0x1000n);
    device.write(0x2000n);
    expect(bench.smmu.interrupts).toEqual([{ source: 'event queue' }]);
    bench.drainEvents();
    device.write(0x3000n);
    expect(bench.smmu.interrupts).toHaveLength(2);
  });

  it('raise it as a message, if there is one', () => {
    const { bench, device } = faulting(false, {}, { interrupts: false });
    bench.set('EVENTQ_IRQ_CFG0', places.messages);
    bench.set('EVENTQ_IRQ_CFG1', 0x1234n);
    device.write(0x1000n);
    expect(bench.smmu.interrupts).toEqual([]);
    bench.drainEvents();
    bench.set('IRQ_CTRL', 4n);
    device.write(0x1000n);
    expect(bench.smmu.interrupts).toEqual([
      { source: 'event queue', message: { address: places.messages, data: 0x1234 } },
    ]);
    expect(bench.memory.readWord(places.messages)).toBe(0x1234n);
  });

  it('with a message that aborts are there, and a global error is active', () => {
    const { bench, device } = faulting(false, {}, { interrupts: false, ranges: [{ base: 0n, size: places.messages }] });
    bench.set('EVENTQ_IRQ_CFG0', places.messages);
    bench.set('GERROR_IRQ_CFG0', places.messages);
    bench.set('IRQ_CTRL', 7n);
    device.write(0x1000n);
    expect(bench.events).toHaveLength(1);
    // MSI_EVENTQ_ABT_ERR, of which the message aborts as well: MSI_GERROR_ABT_ERR raises nothing itself.
    expect(bench.errors).toBe((1n << 5n) | (1n << 7n));
    expect(bench.smmu.interrupts.map(({ source }) => source)).toEqual(['event queue', 'gerror']);
  });
});

describe('a full event queue', () => {
  it('discards, and toggles OVFLG once until it is acknowledged', () => {
    const { bench, device } = faulting(false);
    for (const address of [0x1000n, 0x2000n]) device.write(address);
    expect(bench.get('EVENTQ_PROD')).toBe(2n);
    device.write(0x3000n);
    expect(bench.get('EVENTQ_PROD')).toBe(0x8000_0002n);
    device.write(0x4000n);
    expect(bench.get('EVENTQ_PROD')).toBe(0x8000_0002n);
    expect(addresses(bench)).toEqual([0x1000n, 0x2000n]);
    expect(bench.smmu.events.overflowed).toBe(true);
    expect(bench.smmu.events.discarded).toHaveLength(2);
    bench.drainEvents();
    expect(bench.smmu.events.overflowed).toBe(false);
    for (const address of [0x5000n, 0x6000n, 0x7000n]) device.write(address);
    // The second overflow toggles back.
    expect(bench.get('EVENTQ_PROD') >> 31n).toBe(0n);
    expect(bench.smmu.events.overflowed).toBe(true);
  });

  it('records again once there is room, even before the overflow is acknowledged (7.4)', () => {
    const { bench, device } = faulting(false);
    for (const address of [0x1000n, 0x2000n, 0x3000n]) device.write(address);
    bench.set('EVENTQ_CONS', 1n);
    device.write(0x4000n);
    expect(addresses(bench)).toEqual([0x2000n, 0x4000n]);
    expect(bench.smmu.events.overflowed).toBe(true);
  });

  it('that is disabled records nothing, and does not overflow', () => {
    const { bench, device } = faulting(false, {}, { cr0: everything & ~enables.EVENTQEN });
    for (const address of [0x1000n, 0x2000n, 0x3000n]) device.write(address);
    expect(bench.get('EVENTQ_PROD')).toBe(0n);
    bench.set('CR0', everything);
    expect(bench.events).toEqual([]);
  });
});

describe('an event queue without memory behind it', () => {
  const ranges = [
    { base: 0n, size: places.events + 32n },
    { base: places.streams, size: 0x1000_0000n },
  ];

  it('keeps PROD, raises EVENTQ_ABT_ERR, and records nothing until that is acknowledged', () => {
    const { bench, device } = faulting(false, {}, { sizeLog2: 2, ranges });
    device.write(0x1000n);
    device.write(0x2000n);
    expect(bench.errors).toBe(1n << 2n);
    expect(bench.get('EVENTQ_PROD')).toBe(1n);
    expect(bench.smmu.interrupts.map(({ source }) => source)).toEqual(['event queue', 'gerror']);
    device.write(0x3000n);
    expect(bench.smmu.events.discarded).toHaveLength(2);
    // Not full: no overflow.
    expect(bench.get('EVENTQ_PROD')).toBe(1n);
    bench.set('CR0', everything & ~enables.EVENTQEN);
    bench.set('EVENTQ_PROD', 0n);
    bench.set('CR0', everything);
    device.write(0x4000n);
    expect(bench.get('EVENTQ_PROD')).toBe(0n);
    bench.acknowledge();
    device.write(0x5000n);
    expect(addresses(bench)).toEqual([0x5000n]);
  });
});

describe('records by hand', () => {
  it('become visible later, at the latest when CMD_SYNC completes (4.7.3)', () => {
    const { bench, device } = faulting(false, { events: 'by hand' }, { sizeLog2: 2 });
    for (const address of [0x1000n, 0x2000n, 0x3000n]) device.write(address);
    expect(bench.events).toEqual([]);
    expect(bench.smmu.events.deliver()).toBe('written');
    expect(addresses(bench)).toEqual([0x1000n]);
    bench.submit(sync);
    expect(addresses(bench)).toEqual([0x1000n, 0x2000n, 0x3000n]);
    expect(() => bench.smmu.events.deliver()).toThrow('no event record');
  });

  it('are discarded when EVENTQEN goes to 0', () => {
    const { bench, device } = faulting(false, { events: 'by hand' });
    device.write(0x1000n);
    bench.set('CR0', everything & ~enables.EVENTQEN);
    bench.set('CR0', everything);
    bench.submit(sync);
    expect(bench.events).toEqual([]);
  });
});

describe('records of stalled transactions', () => {
  it('name the transaction by a STAG that no other stalled one has', () => {
    const { bench, device } = faulting(true, {}, { sizeLog2: 3 });
    expect(device.write(0x1000n)).toEqual({ outcome: 'stalled', stag: 0 });
    expect(device.write(0x1000n)).toEqual({ outcome: 'stalled', stag: 1 });
    expect(bench.events).toMatchObject([
      { stall: 1, stag: 0, inputAddr: 0x1000n },
      { stall: 1, stag: 1 },
    ]);
    bench.submit({ op: 'RESUME', sid: 1, stag: 0 });
    expect(device.write(0x1000n)).toEqual({ outcome: 'stalled', stag: 0 });
  });

  it('wait for room and are not lost, and do not count as overflow (HOST-04)', () => {
    const { bench, device } = faulting(true);
    for (const address of [0x1000n, 0x2000n, 0x3000n, 0x4000n]) device.write(address);
    expect(addresses(bench)).toEqual([0x1000n, 0x2000n]);
    expect(bench.smmu.events.overflowed).toBe(false);
    bench.set('EVENTQ_CONS', 1n);
    expect(addresses(bench)).toEqual([0x2000n, 0x3000n]);
    bench.drainEvents();
    expect(addresses(bench)).toEqual([0x4000n]);
  });

  it('wait while EVENTQEN = 0', () => {
    const { bench, device } = faulting(true, {}, { cr0: everything & ~enables.EVENTQEN });
    device.write(0x1000n);
    expect(bench.events).toEqual([]);
    bench.set('CR0', everything);
    expect(addresses(bench)).toEqual([0x1000n]);
  });

  it('wait while EVENTQ_ABT_ERR is active', () => {
    const ranges = [
      { base: 0n, size: places.events + 32n },
      { base: places.streams, size: 0x1000_0000n },
    ];
    const { bench, device } = faulting(true, {}, { ranges });
    for (const address of [0x1000n, 0x2000n, 0x3000n]) device.write(address);
    // The second was lost with the abort; the third waits.
    expect(bench.smmu.stalls.held.map(({ state }) => state)).toEqual(['recorded', 'unrecorded', 'unrecorded']);
    bench.set('CR0', everything & ~enables.EVENTQEN);
    bench.set('EVENTQ_PROD', 0n);
    bench.set('CR0', everything);
    bench.acknowledge();
    expect(addresses(bench)).toEqual([0x3000n]);
  });

  it('are lost by a broken SMMU', () => {
    const { bench, device } = faulting(true, { defects: { stallRecordsLost: true } });
    for (const address of [0x1000n, 0x2000n, 0x3000n]) device.write(address);
    expect(addresses(bench)).toEqual([0x1000n, 0x2000n]);
    expect(bench.smmu.events.discarded).toHaveLength(1);
    bench.drainEvents();
    expect(bench.events).toEqual([]);
  });

  it('become stale by an invalidation and CMD_SYNC: the transaction is retried instead (7.2.1)', () => {
    const { bench, device } = faulting(true);
    for (const address of [0x1000n, 0x2000n, 0x3000n, 0x4000n]) device.write(address);
    bench.map(0x3000n, 0x900_0000n);
    bench.submit(sync);
    expect(bench.smmu.stalls.held.map(({ state }) => state)).toEqual([
      'recorded',
      'recorded',
      'unrecorded',
      'unrecorded',
    ]);
    bench.submit({ op: 'TLBI_NSNH_ALL' });
    expect(bench.smmu.stalls.held.at(-1)?.state).toBe('unrecorded');
    bench.submit(sync);
    expect(bench.smmu.stalls.held.map(({ state }) => state)).toEqual(['recorded', 'recorded', 'stale', 'stale']);
    bench.drainEvents();
    // The page is there now: no record. The other faults anew.
    expect(addresses(bench)).toEqual([0x4000n]);
    expect(device.resumptions).toMatchObject([
      { stag: 2, admission: { outcome: 'admitted' } },
      { stag: 3, admission: { outcome: 'stalled' } },
    ]);
  });
});

describe('many stalled transactions', () => {
  it('are retried one after the other', () => {
    const { bench, device } = faulting(
      true,
      { identity: { ...svaIdentity, STALL_MAX: 2048 } },
      { sizeLog2: 11, cr0: everything & ~enables.EVENTQEN },
    );
    for (let count = 0; count < 2048; count++) device.write(0x1000n);
    bench.submit({ op: 'TLBI_NSNH_ALL' }, sync);
    bench.set('CR0', everything);
    expect(device.resumptions).toHaveLength(2048);
    expect(bench.events).toHaveLength(2048);
  });
});

describe('CMD_RESUME', () => {
  const resume = (changes: object): CommandToEncode => ({ op: 'RESUME', sid: 1, stag: 0, ...changes });

  it('retries as though the transaction had just arrived', () => {
    const { bench, device } = faulting(true);
    device.write(0x1000n);
    bench.map(0x1000n, 0x900_0000n);
    bench.submit(resume({ retry: true }));
    expect(device.resumptions).toMatchObject([{ stag: 0, admission: { outcome: 'admitted' } }]);
    expect(bench.smmu.stalls.held).toEqual([]);
    expect(bench.smmu.stalls.settled).toHaveLength(1);
    const [transaction] = bench.smmu.inFlight;
    if (transaction !== undefined) bench.smmu.reachMemory(transaction);
    expect(bench.memory.read(0x900_0000n, 1)).toEqual(Uint8Array.of(0xa5));
  });

  it('may stall again', () => {
    const { bench, device } = faulting(true);
    device.write(0x1000n);
    bench.drainEvents();
    bench.submit(resume({ retry: true }));
    expect(device.resumptions).toEqual([{ stag: 0, admission: { outcome: 'stalled', stag: 0 } }]);
    expect(addresses(bench)).toEqual([0x1000n]);
  });

  it.each([
    [{ retry: false, abort: true }, false, 'aborted'],
    [{ retry: false, abort: false }, false, 'read as zero, write ignored'],
    // TERM_MODEL = 1: nothing but abort.
    [{ retry: false, abort: false }, true, 'aborted'],
  ] as const)('%o terminates with TERM_MODEL %s: %s', (changes, TERM_MODEL, outcome) => {
    const { bench, device } = faulting(true, { identity: { ...svaIdentity, TERM_MODEL } });
    device.write(0x1000n);
    bench.drainEvents();
    bench.submit(resume(changes));
    expect(device.resumptions).toEqual([{ stag: 0, admission: { outcome } }]);
    expect(bench.events).toEqual([]);
  });

  it.each([{ stag: 1 }, { sid: 2 }])('with %o does nothing (STALL-02)', (changes) => {
    const { bench, device } = faulting(true);
    device.write(0x1000n);
    bench.submit(resume({ retry: true, ...changes }), sync);
    expect(device.resumptions).toEqual([]);
    expect(bench.smmu.stalls.held).toHaveLength(1);
    expect(bench.consumed).toBe(2);
    bench.submit(resume({ abort: true }), resume({ retry: true }));
    expect(device.resumptions).toEqual([{ stag: 0, admission: { outcome: 'aborted' } }]);
  });

  it('of a transaction whose record is not visible yet does nothing', () => {
    const { bench, device } = faulting(true, {}, { sizeLog2: 0 });
    device.write(0x1000n);
    device.write(0x2000n);
    bench.submit(resume({ stag: 1, abort: true }));
    expect(device.resumptions).toEqual([]);
  });

  it('looks at the STAG only in a broken SMMU', () => {
    const { bench, device } = faulting(true, { defects: { resumeIgnoresStreamId: true } });
    device.write(0x1000n);
    bench.submit(resume({ sid: 2, abort: true }));
    expect(device.resumptions).toHaveLength(1);
  });

  it('by hand marks the transaction, which the SMMU retries later, with what is in memory then', () => {
    const { bench, device } = faulting(true, { schedule: 'by hand' });
    device.write(0x1000n);
    const [stalled] = bench.smmu.stalls.held;
    if (stalled === undefined) throw new Error('nothing stalled');
    expect(() => bench.smmu.stalls.settle(stalled)).toThrow('not answered');
    bench.submit(resume({ retry: true }));
    bench.smmu.commands.consume();
    expect(stalled.state).toBe('to retry');
    bench.map(0x1000n, 0x900_0000n);
    expect(bench.smmu.stalls.settle(stalled).outcome).toBe('admitted');
    expect(stalled.state).toBe('settled');
    expect(() => bench.smmu.stalls.settle(stalled)).toThrow('no stalled transaction');
  });
});

describe('an answered transaction', () => {
  function answered(): { bench: Bench; device: NotingFunction } {
    const { bench, device } = faulting(true, { schedule: 'by hand' }, { sizeLog2: 3 });
    device.write(0x1000n);
    bench.submit({ op: 'RESUME', sid: 1, stag: 0, retry: true });
    bench.smmu.commands.consume();
    return { bench, device };
  }

  it('has given its STAG back, though the SMMU still holds it', () => {
    const { bench, device } = answered();
    expect(device.write(0x2000n)).toEqual({ outcome: 'stalled', stag: 0 });
    bench.submit({ op: 'RESUME', sid: 1, stag: 0, abort: true });
    bench.smmu.commands.consume();
    expect(bench.smmu.stalls.held.map(({ state }) => state)).toEqual(['to retry', 'to abort']);
  });

  it('ends as it was answered first', () => {
    const { bench } = answered();
    bench.submit({ op: 'STALL_TERM', sid: 1 }, { op: 'RESUME', sid: 1, stag: 0, abort: true });
    bench.smmu.commands.consume();
    expect(bench.smmu.stalls.held.map(({ state }) => state)).toEqual(['to retry']);
  });
});

describe('the end of stalls', () => {
  it('CMD_STALL_TERM aborts all of one stream, recorded or not', () => {
    const { bench, device } = faulting(true);
    const other = bench.connect(2);
    bench.translate(2, { s: true });
    other.write(0x1000n);
    for (const address of [0x1000n, 0x2000n]) device.write(address);
    bench.submit({ op: 'STALL_TERM', sid: 1 });
    expect(device.resumptions).toEqual([
      { stag: 1, admission: { outcome: 'aborted' } },
      { stag: 2, admission: { outcome: 'aborted' } },
    ]);
    expect(other.resumptions).toEqual([]);
    // No record of what is over.
    bench.drainEvents();
    expect(bench.events).toEqual([]);
  });

  it('SMMUEN = 0 aborts all (6.3.9.6)', () => {
    const { bench, device } = faulting(true);
    for (const address of [0x1000n, 0x2000n, 0x3000n]) device.write(address);
    bench.set('CR0', everything & ~enables.SMMUEN);
    expect(device.resumptions.map(({ admission }) => admission.outcome)).toEqual(['aborted', 'aborted', 'aborted']);
    bench.drainEvents();
    expect(bench.events).toEqual([]);
  });

  it('no more than IDR5.STALL_MAX are held', () => {
    const { device } = faulting(true, { identity: { ...svaIdentity, STALL_MAX: 2 } });
    device.write(0x1000n);
    device.write(0x2000n);
    expect(() => device.write(0x3000n)).toThrow(RangeError);
  });
});
