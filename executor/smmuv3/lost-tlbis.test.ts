/**
 * Errata by which a CMD_TLBI_* drops nothing: when hardware may lose one, and what it then still keeps.
 */
import { describe, expect, it } from 'vitest';
import type { QueuedCommand } from './command-queue.ts';
import type { CommandToEncode } from './commands.ts';
import type { SmmuDefects } from './defects.ts';
import { Bench, type NotingFunction } from './smmu.fixture.ts';

const sync = { op: 'SYNC' } as const;
const nhVa: CommandToEncode = { op: 'TLBI_NH_VA', vmid: 0, asid: 1, address: 0x5000n, leaf: true };
const nhAll: CommandToEncode = { op: 'TLBI_NH_ALL', vmid: 0 };
const s12: CommandToEncode = { op: 'TLBI_S12_VMALL', vmid: 0 };
const atcInv: CommandToEncode = { op: 'ATC_INV', sid: 1, address: 0x5000n };
const refused = { reason: 'hardware does not lose the command' };

function machine(defects: SmmuDefects): { bench: Bench; device: NotingFunction } {
  const bench = new Bench({ schedule: 'by hand', defects });
  const device = bench.connect(1);
  bench.translate(1);
  bench.map(0x5000n, 0x900_0000n);
  const admission = device.write(0x5000n);
  if (admission.outcome === 'admitted') bench.smmu.reachMemory(admission.transaction);
  return { bench, device };
}

/** The first command of a batch is lost, if it may be; what was said of it. */
function lose({ bench }: { bench: Bench }, ...batch: readonly CommandToEncode[]): unknown {
  bench.submit(...batch);
  const [first] = bench.smmu.commands.consume().commands;
  return first === undefined ? 'nothing came' : bench.smmu.commands.lose(first);
}

/** Every command of the window takes effect, and CMD_SYNC completes. */
function finish({ bench }: { bench: Bench }): void {
  const { commands } = bench.smmu;
  const waiting: readonly QueuedCommand[] = commands.window.filter(({ state }) => state === 'fetched');
  for (const queued of waiting) if (queued.command.op !== 'SYNC') commands.perform(queued);
  expect(commands.completeSync()).toEqual({ complete: true });
}

describe('sound hardware', () => {
  it('loses nothing', () => {
    const of = machine({});
    expect(lose(of, nhVa, atcInv, sync)).toEqual(refused);
    finish(of);
    expect(of.bench.smmu.tlb.entries).toEqual([]);
  });
});

describe('hardware that loses a TLBI once', () => {
  const defects = { losesTlbiOnce: true };

  it('keeps what the command names, and CMD_SYNC completes', () => {
    const of = machine(defects);
    expect(lose(of, nhVa, sync)).toBeUndefined();
    finish(of);
    expect(of.bench.smmu.tlb.entries).toHaveLength(1);
  });

  it('does not lose the repetition, and after that may lose one again', () => {
    const of = machine(defects);
    lose(of, nhVa, sync);
    finish(of);
    expect(of.bench.smmu.lostTlbis.wasLost('TLBI_NH_VA', 0)).toBe(true);
    expect(lose(of, nhVa, sync)).toEqual(refused);
    finish(of);
    expect(of.bench.smmu.tlb.entries).toEqual([]);
    expect(of.bench.smmu.lostTlbis.wasLost('TLBI_NH_VA', 0)).toBe(false);
    expect(lose(of, nhVa, sync)).toBeUndefined();
  });

  it('tells kinds and VMIDs apart', () => {
    const of = machine(defects);
    lose(of, nhVa, sync);
    finish(of);
    expect(lose(of, { ...nhVa, vmid: 3 }, sync)).toBeUndefined();
    finish(of);
    expect(lose(of, nhAll, sync)).toBeUndefined();
    expect(of.bench.smmu.lostTlbis.wasLost('TLBI_NH_ALL', 3)).toBe(false);
  });

  it('knows it of all queues together', () => {
    const of = machine(defects);
    lose(of, nhVa, sync);
    const base = 0x80_0000n;
    const queue = of.bench.smmu.addCommandQueue({ base, sizeLog2: 3 });
    of.bench.memory.write(base, of.bench.memory.read(of.bench.smmu.commands.ring.base, 32));
    queue.writeProducer(2);
    const [again] = queue.commands.consume().commands;
    expect(again && queue.commands.lose(again)).toEqual(refused);
  });

  it('loses TLBIs alone', () => {
    expect(lose(machine(defects), atcInv, sync)).toEqual(refused);
  });

  it('waits for the transactions that used what it should have dropped', () => {
    const of = machine(defects);
    const admission = of.device.write(0x5000n);
    expect(lose(of, nhVa, sync)).toBeUndefined();
    expect(of.bench.smmu.commands.completeSync()).toMatchObject({ complete: false });
    if (admission.outcome === 'admitted') of.bench.smmu.reachMemory(admission.transaction);
    expect(of.bench.smmu.commands.completeSync()).toEqual({ complete: true });
  });

  it('neither loses what has taken effect, nor what is not in the window', () => {
    const of = machine(defects);
    of.bench.submit(nhVa, sync);
    const [first] = of.bench.smmu.commands.consume().commands;
    if (first === undefined) throw new Error('nothing came');
    of.bench.smmu.commands.perform(first);
    expect(of.bench.smmu.commands.lose(first)).toEqual({ reason: 'the command has taken effect' });
    of.bench.smmu.commands.completeSync();
    expect(of.bench.smmu.commands.lose(first)).toEqual({ reason: 'the command is not in the window' });
  });
});

describe('hardware that loses a TLBI beside another command', () => {
  const defects = { losesTlbiBesideOthers: true };

  it('needs one of another type between the same CMD_SYNCs', () => {
    expect(lose(machine(defects), nhVa, sync)).toEqual(refused);
    expect(lose(machine(defects), nhVa, nhVa, sync)).toEqual(refused);
    expect(lose(machine(defects), nhVa, sync, atcInv)).toEqual(refused);
    expect(lose(machine(defects), nhVa, atcInv, sync)).toBeUndefined();
    expect(lose(machine(defects), nhVa, nhAll, sync)).toBeUndefined();
  });

  it('which is not complete yet', () => {
    const of = machine(defects);
    of.bench.submit(nhAll, nhVa, sync);
    const [all, one] = of.bench.smmu.commands.consume().commands;
    if (all === undefined || one === undefined) throw new Error('nothing came');
    of.bench.smmu.commands.perform(all);
    expect(of.bench.smmu.commands.lose(one)).toEqual(refused);
  });
});

describe('hardware that loses a TLBI of stage 1 where both are used', () => {
  it('loses TLBI_NH_*, and any number of them', () => {
    const of = machine({ losesNestedTlbi: true });
    expect(lose(of, nhVa, sync)).toBeUndefined();
    finish(of);
    expect(lose(of, nhVa, sync)).toBeUndefined();
    finish(of);
    expect(lose(of, s12, sync)).toEqual(refused);
  });
});
