import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { QueuedCommand } from './command-queue.ts';
import type { CommandToEncode } from './commands.ts';
import { Bench, type NotingFunction } from './smmu.fixture.ts';

const commands: readonly CommandToEncode[] = [
  { op: 'SYNC' },
  { op: 'TLBI_NH_ALL', vmid: 0 },
  { op: 'TLBI_NH_VA', vmid: 0, asid: 1, address: 0x5000n, leaf: true },
  { op: 'TLBI_NH_VA', vmid: 0, asid: 2, address: 0x5000n, leaf: true },
  { op: 'TLBI_NH_ASID', vmid: 1, asid: 1 },
  { op: 'CFGI_STE', sid: 1, leaf: true },
  { op: 'CFGI_CD', sid: 2, ssid: 0 },
  { op: 'ATC_INV', sid: 1, address: 0x5000n },
  { op: 'ATC_INV', sid: 2, size: 52 },
  { op: 'PRI_RESP', sid: 1, prgIndex: 4, resp: 2 },
  { op: 'PRI_RESP', sid: 1, resp: 3 },
];

interface Machine {
  readonly bench: Bench;
  readonly devices: readonly NotingFunction[];
}

function machine(schedule: 'in order' | 'by hand', answers: boolean): Machine {
  const bench = new Bench({ schedule }, { sizeLog2: 4 });
  const devices = [1, 2].map((sid) => {
    bench.translate(sid);
    return bench.connect(sid, answers);
  });
  for (const address of [0x5000n, 0x6000n]) {
    bench.map(address, 0x900_0000n + address);
    for (const device of devices) {
      const admission = device.write(address);
      if (admission.outcome === 'admitted') bench.smmu.reachMemory(admission.transaction);
    }
  }
  return { bench, devices };
}

/** What software and devices can see, without regard to the order of messages within the run. */
function seen({ bench, devices }: Machine): unknown {
  return {
    registers: (['CMDQ_CONS', 'GERROR'] as const).map((name) => bench.get(name)),
    tlb: bench.smmu.tlb.entries,
    configuration: bench.smmu.configuration.entries,
    messages: devices.map(({ invalidations, responses }) => [
      invalidations.map(({ address, sizeLog2 }) => `${address} ${sizeLog2}`).toSorted(),
      responses,
    ]),
  };
}

/** Runs the whole queue by hand: `choose` picks which of some things happens next. */
function drain({ bench }: Machine, choose: (count: number) => number, completed: (window: number) => void): void {
  const queue = bench.smmu.commands;
  for (;;) {
    const { blocked, error } = queue.consume();
    const waiting: QueuedCommand[] = queue.window.filter(
      ({ state, command }) => state === 'fetched' && command.op !== 'SYNC',
    );
    while (waiting.length > 0) {
      const [next] = waiting.splice(choose(waiting.length), 1);
      expect(next === undefined ? undefined : queue.perform(next)).toBeUndefined();
    }
    if (error !== undefined || blocked !== undefined) return;
    const before = queue.window.length;
    expect(queue.completeSync()).toEqual({ complete: true });
    completed(before);
  }
}

/** The first CMD_SYNC (0) with an invalidation before it that its function has not answered; `answered`: which ones of each. */
function stopOf(targets: readonly number[], answered: readonly ReadonlySet<number>[]): number {
  const sent = [0, 0];
  let open = 0;
  for (const [at, sid] of targets.entries()) {
    if (sid === 0 && open > 0) return at;
    if (sid !== 0) {
      const nth = sent[sid - 1] ?? 0;
      sent[sid - 1] = nth + 1;
      if (answered[sid - 1]?.has(nth) !== true) open++;
    }
  }
  return targets.length;
}

describe('any order of the commands of a batch', () => {
  it('ends as the order of the queue does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...commands), { maxLength: 15 }),
        fc.infiniteStream(fc.nat()),
        (batch, stream) => {
          const inOrder = machine('in order', true);
          inOrder.bench.submit(...batch);
          const byHand = machine('by hand', true);
          byHand.bench.submit(...batch);
          drain(
            byHand,
            (count) => (stream.next().value ?? 0) % count,
            () => undefined,
          );
          expect(seen(byHand)).toEqual(seen(inOrder));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('CMD_SYNC completes exactly when every function has answered what was sent before it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(1, 2, 0), { minLength: 1, maxLength: 15 }),
        fc.array(fc.nat(), { minLength: 30, maxLength: 30 }),
        (targets, choices) => {
          const { bench, devices } = machine('in order', false);
          // 0 is a CMD_SYNC.
          bench.submit(...targets.map((sid): CommandToEncode => (sid === 0 ? { op: 'SYNC' } : { op: 'ATC_INV', sid })));
          const answered = [new Set<number>(), new Set<number>()];
          for (const choice of choices) {
            expect(bench.consumed).toBe(stopOf(targets, answered));
            const open = devices.flatMap(({ invalidations }, device) =>
              invalidations.flatMap(({ itag }, nth) =>
                answered[device]?.has(nth) === true ? [] : { device, nth, itag },
              ),
            );
            const next = open[choice % Math.max(1, open.length)];
            if (next !== undefined) {
              answered[next.device]?.add(next.nth);
              devices[next.device]?.complete(next.itag);
            }
          }
          expect(bench.consumed).toBe(targets.length);
        },
      ),
      { numRuns: 100 },
    );
  });
});
