/**
 * The machine of `pasid-lifecycle`: processes with a page each, devices with PASIDs, and what software, devices and the SMMU do to
 * them. The lowering says when.
 */
import type { StateOf } from '../../language/index.ts';
import type { pasidLifecycle } from '../../model/pasid-lifecycle.ts';
import { work } from '../pcie/descriptor.ts';
import type { Outcome } from '../pcie/outcome.ts';
import type { Job } from '../pcie/work-queue.ts';
import type { Cd } from '../smmuv3/context-descriptor.ts';
import type { PageRequestRecord } from '../smmuv3/page-request-record.ts';
import { address, harmOf, ownerInWords } from './account.ts';
import { AddressSpace, type SpacePage } from './address-space.ts';
import { type InvalidationQueues, sync } from './invalidation-queues.ts';
import { type Harm, type Refusal, refuse } from './lowering.ts';
import type { PasidDevice } from './pasid-device.ts';
import type { Platform } from './platform.ts';

type State = StateOf<typeof pasidLifecycle>;
type ItemOf<T> = T extends Iterable<infer Item> ? Item : never;
export type Life = ItemOf<State['mm']>['life'];
type Harmed = ItemOf<State['device']>['harm'];
type Stage = ItemOf<State['device']>['serving']['stage'];

/** Where all have their page. */
export const iova = 0x7f00_0000_1000n;
/** Where in the page work writes, and its completion record. */
const filled = { offset: 0x40n, length: 64 } as const;
const recordOffset = 0x80n;

/** Bit 31 of IA32_PASID: the rest is a PASID. */
const msrValid = 0x8000_0000;

/** One life of an mm, which may be long over for those who still refer to it. */
export interface Process {
  readonly name: string;
  readonly mm: number;
  readonly space: AddressSpace;
  readonly page: SpacePage;
  /** IA32_PASID of its activated threads. */
  msr: number;
  /** The mm has been freed. */
  freed: boolean;
}

/** What a device asked a page for, until it is answered. */
export interface Asked {
  readonly of: Process;
  readonly pasid: number;
}

/** What the software side remembers of a device. */
export interface Remembered {
  binding: Process | undefined;
  stage: Stage;
  target: Process | undefined;
  /** The worker found an mm to handle the fault in. */
  found: boolean;
  /** Records that software has taken out of the PRI queue on the way to one of another device. */
  readonly taken: PageRequestRecord[];
  /** By page request group. */
  readonly asked: Map<number, Asked>;
  harm: Harmed;
}

export interface Machine {
  readonly platform: Platform;
  readonly devices: readonly PasidDevice[];
  readonly invalidations: InvalidationQueues;
  /** PASIDs as numbers, by member. */
  readonly pasids: readonly number[];
  /** All that there ever were. */
  readonly processes: Process[];
  /** The software side: of each mm its life, and of the file that is being released its mm. */
  readonly lives: Life[];
  readonly releases: (Process | undefined)[];
  /**
   * By PASID what the pool says, of each mm its PASID, of each device and mm how many files are open, and of each device and PASID
   * whose domain is attached.
   */
  readonly taken: boolean[];
  readonly held: (number | null)[];
  readonly open: number[][];
  readonly attached: (Process | undefined)[][];
  readonly remembered: readonly Remembered[];
  readonly harms: Harm[];
  /** Page faults that were handled where they must not. */
  readonly misled: string[];
}

export function start(machine: Machine, mm: number): Process {
  const { platform, processes } = machine;
  const n = processes.length;
  const page = { iova, frame: platform.frame(2 * n) };
  const name = `process ${n} (mm${mm})`;
  const space = new AddressSpace(platform, {
    owner: name,
    asid: (n % 0xffff) + 1,
    pages: [page],
    spare: platform.frame(2 * n + 1),
  });
  space.setPte(page, 'read-write');
  space.give(page, name);
  const process: Process = { name, mm, space, page, msr: 0, freed: false };
  processes.push(process);
  return process;
}

/** The PTE is cleared and its frame is free. Nothing is invalidated: the release of the notifier has seen to that. */
export function exitMmap({ space, page }: Process): void {
  space.setPte(page, 'none');
  space.give(page, undefined);
}

/** A thread of the process submits a descriptor with what IA32_PASID holds. */
export function enqcmd({ queue }: PasidDevice, process: Process | undefined): Refusal | undefined {
  if (process === undefined || process.msr < msrValid) return refuse('IA32_PASID is not valid: ENQCMD raises #GP');
  const descriptor = work({
    operation: 'fill',
    source: 0xe0e0_e0e0_e0e0_e0e0n + BigInt(process.mm) * 0x0101_0101_0101_0101n,
    destination: iova + filled.offset,
    length: filled.length,
    completionRecord: iova + recordOffset,
  });
  return queue.enqcmd(process.msr - msrValid, descriptor, process.name) === 'accepted'
    ? undefined
    : refuse('the work queue answers retry');
}

/** Writes a Context descriptor. Before one is used that was not valid the SMMU is told, which may have cached that. */
export function writeEntry(
  machine: Machine,
  device: PasidDevice,
  pasid: number,
  entry: 'none' | 'present' | 'quiet',
  process: Process | undefined,
): void {
  const { platform } = machine;
  if (entry === 'none') device.writeCd(pasid, {});
  if (entry === 'quiet') device.writeCd(pasid, quiet(device.cd(pasid)));
  if (entry !== 'present' || process === undefined) return;
  device.writeCd(pasid, process.space.contextDescriptor);
  platform.submit([{ op: 'CFGI_CD', sid: device.streamId, ssid: pasid, leaf: true }, sync]);
  progress(machine);
}

/** What a release makes of a descriptor: it stays valid, with its ASID, and translates nothing (arm_smmu_make_sva_cd). */
function quiet({ ASID, MAIR0 }: Cd): Partial<Cd> {
  return { V: true, AA64: true, A: true, ASET: true, EPD0: true, EPD1: true, IPS: 5, ASID, MAIR0 };
}

/** A descriptor's writes are translated and pass the SMMU, through the ATC if it has the translation. */
export function translate(machine: Machine, device: PasidDevice, pasid: number): Refusal | undefined {
  const job = jobOf(device, pasid, 'accepted');
  if (job === undefined) return refuse('no descriptor of the PASID waits');
  if (device.cached(pasid, iova) === undefined) {
    const process = walkedFor(machine, device, pasid);
    if (process !== undefined && process.space.tlb(process.page) === undefined) process.space.insertWalk(process.page);
  }
  return outcome(device.queue.send(job.id));
}

/** A descriptor ends with an error, since nothing translates its address; so does the write of its completion record. */
export function abort({ platform }: Machine, device: PasidDevice, pasid: number): Refusal | undefined {
  const job = jobOf(device, pasid, 'accepted');
  if (job === undefined) return refuse('no descriptor of the PASID waits');
  const earlier = platform.memory.accesses.length;
  const { queue } = device;
  while (queue.jobs.some(({ id }) => id === job.id)) {
    const step = queue.step(job.id);
    if (step.state === 'waiting') return refuse(step.why);
  }
  return platform.memory.accesses.length === earlier ? undefined : refuse('the SMMU translates it');
}

export function write(machine: Machine, device: PasidDevice, pasid: number): Refusal | undefined {
  const { platform } = machine;
  const job = jobOf(device, pasid, 'translated');
  if (job === undefined) return refuse('no write is on its way');
  const earlier = platform.memory.accesses.length;
  const arrived = device.queue.arrive(job.id);
  if (!arrived.done) return refuse(arrived.why);
  for (const access of platform.memory.accesses.slice(earlier)) {
    if (access.owner === access.on) continue;
    rememberedOf(machine, device).harm =
      access.owner === undefined ? 'wrote into a freed page' : 'wrote into a foreign page';
    machine.harms.push(
      harmOf(
        access,
        `${device.name} wrote ${access.after.length} bytes at IOVA ${address(iova)} for ${ownerInWords(access.on)}, with PASID ${pasid}, into a frame at ${address(access.address)} that belongs to ${ownerInWords(access.owner)}`,
      ),
    );
  }
  return undefined;
}

/** A device may ask for any page that it might need. */
export function requestPage(machine: Machine, device: PasidDevice, pasid: number): Refusal | undefined {
  const job = jobOf(device, pasid, 'accepted');
  const of = machine.processes.find(({ name }) => name === job?.on);
  if (of === undefined) return refuse('no descriptor of the PASID waits');
  const { endpoint } = device;
  const group = endpoint.pri?.freeGroup(device.streamId) ?? 0;
  const sent = endpoint.requestPage({ address: iova, pasid, group, last: true, read: false, write: true });
  if (!sent.done) return refuse(sent.why);
  rememberedOf(machine, device).asked.set(group, { of, pasid });
  return outcome(endpoint.deliver(sent.value));
}

/** What hardware does as soon as it can: commands take effect, devices take invalidations and answer them; it walks ahead. */
export function progress(machine: Machine): void {
  const { platform, devices, invalidations } = machine;
  for (let again = true; again;) {
    again = invalidations.progress();
    for (const queued of platform.smmu.commands.window) {
      if (queued.state === 'fetched' && queued.command.op !== 'SYNC') again = platform.perform(queued) === undefined;
    }
    if (platform.smmu.commands.window.at(-1)?.command.op === 'SYNC') again = platform.completeSync().complete || again;
    for (const { endpoint } of devices) {
      for (const { itag } of endpoint.inbox) again = endpoint.receiveInvalidation(itag).done || again;
      for (const { itag } of endpoint.unacknowledged) again = endpoint.acknowledge(itag).done || again;
    }
  }
  walkAhead(machine);
}

/** The SMMU fetches what it will need, and caches nothing yet. */
function walkAhead(machine: Machine): void {
  const { configuration } = machine.platform.smmu;
  configuration.insert = false;
  for (const device of machine.devices) {
    for (const pasid of machine.pasids) {
      const process = walkedFor(machine, device, pasid);
      if (process === undefined || process.space.walk(process.page) !== undefined) continue;
      if (process.space.tlb(process.page) !== undefined) continue;
      process.space.beginWalk(process.page, [{ streamId: device.streamId, pasid }]);
    }
  }
  configuration.insert = true;
}

/** Whose tables the SMMU walks for a PASID of a device. */
function walkedFor({ processes }: Machine, device: PasidDevice, pasid: number): Process | undefined {
  const cd = device.cachedCd(pasid) ?? device.cd(pasid);
  return cd.V && !cd.EPD0 ? processes.find(({ space }) => space.contextDescriptor.TTB0 === cd.TTB0) : undefined;
}

/** What software remembers of a device. */
export function rememberedOf({ devices, remembered }: Machine, device: PasidDevice): Remembered {
  return at(remembered, devices.indexOf(device));
}

function outcome(result: Outcome<unknown>): Refusal | undefined {
  return result.done ? undefined : refuse(result.why);
}

function jobOf({ queue }: PasidDevice, pasid: number, stage: 'accepted' | 'translated'): Job | undefined {
  return queue.jobs.find((job) => job.pasid === pasid && job.sent.length > 0 === (stage === 'translated'));
}

export function hasPages(life: Life): boolean {
  return life === 'living' || life === 'exiting';
}

/** The process whose mm a member is now. */
export function currentOf({ processes }: Machine, mm: number): Process | undefined {
  return processes.findLast((process) => process.mm === mm && !process.freed);
}

/** The member of an mm that has not been freed. */
export function aliveOf(process: Process | undefined): number | null {
  return process === undefined || process.freed ? null : process.mm;
}

export function withRoot({ processes }: Machine, root: bigint): Process | undefined {
  return processes.find(({ space }) => space.contextDescriptor.TTB0 === root);
}

/** Whose page a physical address was in. */
export function processAt({ processes }: Machine, physical: bigint): Process | undefined {
  return processes.find(({ space }) => space.pageOfFrame(physical) !== undefined);
}

export function msrOf({ pasids }: Machine, member: unknown): number {
  return member === null ? 0 : msrValid + at(pasids, Number(member));
}

export function memberOf({ pasids }: Machine, msr: number): number | null {
  return msr < msrValid ? null : pasids.indexOf(msr - msrValid);
}

export function at<T>(items: readonly T[], i: number): T {
  const item = items[i];
  if (item === undefined) throw new RangeError(`there is no member ${i}`);
  return item;
}
