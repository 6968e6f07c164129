/**
 * `pasid-lifecycle` on the machine: PASIDs are SubstreamIDs, and the PASID table of a device is the table of Context descriptors of
 * its stream. An entry that is present has the translation tables of its mm in TTB0; the quiet one that a release leaves is
 * that of Linux's arm_smmu_make_sva_cd() without an mm: valid, EPD0 = 1, S = R = 0, so that faults are not recorded; and one that
 * is not present has V = 0, so that they are. What is cached of it is the Context descriptor in the SMMU, the translation in the TLB
 * and that in the ATC of the device. Work is descriptors of a shared work queue, submitted with ENQCMD and IA32_PASID.
 *
 * An mm is an address space with one page, at the same address in all of them; each that starts gets frames, tables and an ASID
 * that none had before. Work fills part of the page and leaves a completion record in it. The SMMU walks ahead: whatever PTE it
 * could have read since the last invalidation, it has read.
 *
 * Waiting for a CMD_SYNC changes nothing in memory. That software has gone past such a wait, or has issued an invalidation of what
 * may be cached, is told by how far its procedure is.
 */
import { match, P } from 'ts-pattern';
import { dropAll, dropAtc } from '../host/invalidation.ts';
import { readByName, writeByName } from '../host/registers.ts';
import type { ActionOf, StateOf } from '../../language/index.ts';
import { Device, Pasid, pasidLifecycle } from '../../model/pasid-lifecycle.ts';
import { decodePageRequest } from '../smmuv3/page-request-record.ts';
import { advance, positionOf } from '../smmuv3/ring.ts';
import { address, eventEntries } from './account.ts';
import { InvalidationQueues, sync } from './invalidation-queues.ts';
import {
  type Abstract,
  bySoftware,
  type Consequence,
  lowering,
  type Refusal,
  refuse,
  type Setting,
  type SoftwareStep,
} from './lowering.ts';
import { PasidDevice } from './pasid-device.ts';
import { leftovers, useOf } from './pasid-evidence.ts';
import {
  abort,
  aliveOf,
  type Asked,
  at,
  currentOf,
  enqcmd,
  exitMmap,
  hasPages,
  iova,
  type Life,
  type Machine,
  memberOf,
  msrOf,
  processAt,
  progress,
  type Process,
  type Remembered,
  requestPage,
  start,
  translate,
  withRoot,
  write,
  writeEntry,
} from './pasid-machine.ts';
import { Platform } from './platform.ts';

type Model = typeof pasidLifecycle;
type State = StateOf<Model>;
type Read = Abstract<State>;

function build({ instance, initial }: Setting<Model, never>): Machine {
  const platform = new Platform({ recordsConfigurationErrors: true });
  // 0 is the traffic without PASID.
  const pasids = instance.context.members(Pasid).map((_, i) => i + 1);
  const { work: slots = 1, requests: pageRequests = 1 } = instance.context.size as Readonly<Record<string, number>>;
  const limits = [...initial.device].map(({ carries }) => carries);
  const devices = instance.context.members(Device).map(
    (_, i) =>
      new PasidDevice(platform, {
        streamId: (i + 1) * 8,
        name: `device${i}`,
        width: limits[i] === 'all' ? 20 : limits[i] === 'the first' ? 1 : undefined,
        ssidBits: Math.ceil(Math.log2(pasids.length + 1)),
        slots,
        pageRequests,
      }),
  );
  return {
    platform,
    devices,
    invalidations: new InvalidationQueues(platform),
    pasids,
    processes: [],
    lives: [...initial.mm].map(({ life }) => life),
    releases: [...initial.mm].map(() => undefined),
    taken: [...initial.pool].map(({ taken }) => taken),
    held: [...initial.mm].map(() => null),
    open: devices.map(() => []),
    attached: devices.map(() => []),
    remembered: devices.map(() => ({
      binding: undefined,
      stage: 'none',
      target: undefined,
      found: false,
      taken: [],
      asked: new Map<number, Asked>(),
      harm: 'none',
    })),
    harms: [],
    misled: [],
  };
}

// Software.

function software(machine: Machine, { before, after }: SoftwareStep<Model>): Refusal | undefined {
  for (const [i, now] of [...after.mm].entries()) {
    const then = at([...before.mm], i);
    if (now === then) continue;
    if (then.life === 'none' && now.life !== 'none') start(machine, i);
    machine.held[i] = now.pasid === null ? null : at(machine.pasids, Number(now.pasid));
    const process = currentOf(machine, i);
    if (process !== undefined) {
      if (now.activated !== then.activated) process.msr = msrOf(machine, now.activated);
      if (hasPages(then.life) && !hasPages(now.life)) exitMmap(process);
      if (now.life === 'none') process.freed = true;
    }
    machine.lives[i] = now.life;
  }
  for (const [i, { mm }] of [...after.release].entries()) {
    const then = at([...before.release], i);
    // What it refers to stays what it was when the mm is freed under it.
    if (mm !== then.mm && mm !== null) machine.releases[i] = currentOf(machine, Number(mm));
  }
  for (const [i, { taken }] of [...after.pool].entries()) machine.taken[i] = taken;
  for (const [i, device] of machine.devices.entries()) {
    const refusal = ofDevice(machine, device, i, { before, after });
    if (refusal !== undefined) return refusal;
  }
  const refusal = invalidate(machine, { before, after });
  if (refusal !== undefined) return refusal;
  progress(machine);
  return undefined;
}

function ofDevice(
  machine: Machine,
  device: PasidDevice,
  i: number,
  { before, after }: SoftwareStep<Model>,
): Refusal | undefined {
  const remembered = at(machine.remembered, i);
  const [then, now] = [at([...before.device], i), at([...after.device], i)];
  machine.open[i] = [...at([...after.bond], i)].map(({ open }) => open);
  if (now.binding !== then.binding && now.binding !== null) {
    remembered.binding = currentOf(machine, Number(now.binding));
  }
  if ([...now.work].length > [...then.work].length) {
    const [submitted] = without(
      [...now.work],
      [...then.work].map((item) => JSON.stringify(item)),
    );
    const refusal = enqcmd(device, currentOf(machine, Number(submitted?.of)));
    if (refusal !== undefined) return refusal;
  }
  for (const [p, pasid] of machine.pasids.entries()) {
    const [was, is] = [before.table, after.table].map((table) => at([...at([...table], i)], p));
    if (was === undefined || is === undefined) continue;
    if (is.attached !== was.attached) {
      at(machine.attached, i)[p] = is.attached === null ? undefined : currentOf(machine, Number(is.attached));
    }
    if (is.entry === was.entry && (is.entry !== 'present' || is.tables === was.tables || is.tables === null)) continue;
    const of = is.tables === null ? remembered.binding : currentOf(machine, Number(is.tables));
    writeEntry(machine, device, pasid, is.entry, of);
  }
  return serve(machine, device, i, { before, after });
}

/** The fault worker of a device: it takes a record, handles the fault, and answers. */
function serve(
  machine: Machine,
  device: PasidDevice,
  i: number,
  { before, after }: SoftwareStep<Model>,
): Refusal | undefined {
  const remembered = at(machine.remembered, i);
  const [then, now] = [at([...before.device], i), at([...after.device], i)];
  if ([...now.requests].length < [...then.requests].length) {
    while (!remembered.taken.some(({ sid }) => sid === device.streamId) && takeRecord(machine));
    const mine = remembered.taken.findIndex(({ sid }) => sid === device.streamId);
    if (mine < 0) return refuse('no page request is in the PRI queue');
    remembered.taken.splice(mine, 1);
  }
  const handled = at([...before.serveFaults], i).at === 'handle the fault';
  if (handled && at([...after.serveFaults], i).at !== 'handle the fault') handleFault(machine, device, remembered);
  if (now.serving.target !== then.serving.target) {
    // Dropped, or freed under the worker: then what it refers to stays what it was.
    if (now.serving.target !== null) remembered.target = currentOf(machine, Number(now.serving.target));
    else if (then.serving.target !== null && now.serving.stage !== then.serving.stage) remembered.target = undefined;
  }
  if (now.serving.stage === 'held' && then.serving.stage !== 'held') remembered.found = now.serving.target !== null;
  remembered.stage = now.serving.stage;
  if (now.serving.stage === 'none' && then.serving.stage !== 'none') return answer(machine, device, remembered);
  return undefined;
}

/** Takes the next record from the PRI queue in memory, for the worker of its device. Returns whether there was one. */
function takeRecord(machine: Machine): boolean {
  const { platform, devices } = machine;
  const { smmu, rings } = platform;
  const [raw] = smmu.pageRequests.records;
  if (raw === undefined) return false;
  const record = decodePageRequest(raw);
  const of = devices.findIndex(({ streamId }) => streamId === record.sid);
  at(machine.remembered, of).taken.push(record);
  const ring = rings['page request'];
  const consumer = positionOf(ring, readByName(smmu, 'PRIQ_CONS'));
  writeByName(smmu, 'PRIQ_CONS', BigInt(advance(ring, consumer)), 'PRIQ_CONS');
  return true;
}

/** handle_mm_fault: the page of the target is there, or is mapped now. */
function handleFault(machine: Machine, device: PasidDevice, remembered: Remembered): void {
  const of = served(machine, device, remembered)?.[1].of;
  const { target } = remembered;
  const isOther = aliveOf(target) !== aliveOf(of);
  const { space, page } = target ?? {};
  const isGone = aliveOf(target) !== null && space !== undefined && page !== undefined && space.pte(page) === 'none';
  if (isGone) {
    space.setPte(page, 'read-write');
    space.give(page, space.owner);
  }
  if (!isOther && !isGone) return;
  remembered.harm = isOther ? 'faulted in a foreign mm' : 'faulted in a dead mm';
  const { address: pte, word } =
    target === undefined ? { address: 0n, word: 0n } : target.space.descriptor(target.page);
  machine.misled.push(
    `a page request of ${device.name} for work of ${of?.name ?? 'nobody'} was handled in the address space of ${target?.name ?? 'nobody'}, ` +
      (isOther ? 'another one' : `which was torn down: the PTE at ${address(pte)} is ${address(word)} now`),
  );
}

/** CMD_PRI_RESP: Success if the fault was handled, else Invalid Request. */
function answer(machine: Machine, device: PasidDevice, remembered: Remembered): Refusal | undefined {
  const group = served(machine, device, remembered);
  if (group === undefined) return refuse('no page request waits for an answer');
  const [index, { pasid }] = group;
  const resp = remembered.found ? 2 : 1;
  machine.platform.submit([{ op: 'PRI_RESP', sid: device.streamId, ssv: true, ssid: pasid, prgIndex: index, resp }]);
  progress(machine);
  const [response] = device.endpoint.responses;
  if (response === undefined) return refuse('the device gets no PRG Response');
  const received = device.endpoint.receiveResponse(response);
  if (!received.done) return refuse(received.why);
  if (received.value.effect !== 'answered') return refuse(`the PRG Response is ${received.value.effect}`);
  remembered.asked.delete(index);
  return undefined;
}

/** Invalidations that were issued, and waits for them that are over. */
function invalidate(machine: Machine, { before, after }: SoftwareStep<Model>): Refusal | undefined {
  const { devices, pasids, invalidations } = machine;
  const issue = 'invalidate the caches';
  const wait = 'wait for the invalidation';
  for (const [i, { at: now }] of [...after.exit].entries()) {
    const { at: then } = at([...before.exit], i);
    const process = currentOf(machine, i) ?? machine.processes.findLast(({ mm }) => mm === i);
    if (then === now || process === undefined) continue;
    if (then === issue) {
      const cells = devices.flatMap((device, d) =>
        pasids.flatMap((pasid, p) => {
          const { attached } = at([...at([...after.table], d)], p);
          return attached !== null && Number(attached) === i ? [{ device, pasid }] : [];
        }),
      );
      drop(machine, `exit ${i}`, process, cells);
    }
    const why = then === wait ? invalidations.waitsFor(`exit ${i}`) : undefined;
    if (why !== undefined) return refuse(why);
  }
  for (const [i, { at: now }] of [...after.unbind].entries()) {
    const { at: then } = at([...before.unbind], i);
    if (then === now) continue;
    const process = machine.releases[i];
    const { device, pasid } = at([...after.release], i);
    if (then === issue && process !== undefined && device !== null && pasid !== null) {
      const cell = { device: at(devices, Number(device)), pasid: at(pasids, Number(pasid)) };
      drop(machine, `unbind ${i}`, process, [cell]);
    }
    const why = then === wait ? invalidations.waitsFor(`unbind ${i}`) : undefined;
    if (why !== undefined) return refuse(why);
  }
  return undefined;
}

/** The Context descriptors, then the TLB, then the ATCs, in the order of Linux; each part is complete before the next. */
function drop(
  { invalidations }: Machine,
  waiter: string,
  process: Process,
  cells: readonly { readonly device: PasidDevice; readonly pasid: number }[],
): void {
  if (cells.length === 0) return;
  invalidations.issue(waiter, [
    ...cells.map(({ device, pasid }) => ({ op: 'CFGI_CD', sid: device.streamId, ssid: pasid, leaf: true }) as const),
    sync,
    dropAll(process.space.tags),
    sync,
    ...cells.map(({ device, pasid }) => dropAtc({ sid: device.streamId, pasid })),
    sync,
  ]);
}

// Hardware.

function hardware(machine: Machine, action: ActionOf<Model>): Refusal | undefined {
  const device = (of: unknown): PasidDevice => at(machine.devices, Number(of));
  const pasid = (of: unknown): number => at(machine.pasids, Number(of));
  const refusal = match(action)
    .with({ type: 'translate' }, (one) => translate(machine, device(one.device), pasid(one.pasid)))
    .with({ type: 'abort' }, (one) => abort(machine, device(one.device), pasid(one.pasid)))
    .with({ type: 'write' }, (one) => write(machine, device(one.device), pasid(one.pasid)))
    .with({ type: 'requestPage' }, (one) => requestPage(machine, device(one.device), pasid(one.pasid)))
    .with(
      {
        type: P.union(
          'create',
          'fork',
          'exec',
          'exitTask',
          'closeFile',
          'exitFiles',
          'submit',
          'bind',
          'unbind',
          'exit',
          'serveFaults',
        ),
      },
      bySoftware,
    )
    .exhaustive();
  progress(machine);
  return refusal;
}

// The state.

function abstract(machine: Machine): Read {
  const { devices, pasids, lives, remembered, platform } = machine;
  const records = platform.smmu.pageRequests.records.map((raw) => decodePageRequest(raw));
  return {
    mm: lives.map((life, mm) => {
      const process = currentOf(machine, mm);
      const mapped = process !== undefined && process.space.pte(process.page) !== 'none';
      return {
        life: lifeOf(life, process !== undefined, mapped),
        activated: process === undefined ? null : memberOf(machine, process.msr),
      };
    }),
    device: devices.map((device, i) => {
      const { harm, stage, taken } = at(remembered, i);
      const serving = served(machine, device, at(remembered, i));
      const width = device.endpoint.maxPasidWidth;
      return {
        carries: width === undefined ? ('none' as const) : width === 1 ? ('the first' as const) : ('all' as const),
        serving: {
          stage: serving === undefined ? ('none' as const) : stage,
          pasid: serving === undefined ? null : serving[1].pasid - 1,
          of: aliveOf(serving?.[1].of),
        },
        work: device.queue.jobs.map((job) => {
          const [flight] = device.writesOf(job);
          return {
            pasid: job.pasid - 1,
            of: aliveOf(machine.processes.find(({ name }) => name === job.on)),
            stage: flight === undefined ? ('accepted' as const) : ('translated' as const),
            to: flight === undefined ? null : aliveOf(processAt(machine, flight.request.address)),
          };
        }),
        requests: [...taken, ...records]
          .filter(({ sid }) => sid === device.streamId)
          .map(({ ssid, prgIndex }) => ({ pasid: ssid - 1, of: aliveOf(at(remembered, i).asked.get(prgIndex)?.of) })),
        harm,
      };
    }),
    table: devices.map((device) =>
      pasids.map((pasid) => {
        const cd = device.cd(pasid);
        const present = cd.V && !cd.EPD0;
        const cachedCd = device.cachedCd(pasid);
        const translation = device.cached(pasid, iova);
        const inTlb = cd.V ? onlyInTlb(machine, cd.ASID) : undefined;
        const cached = translation !== undefined || cachedCd?.EPD0 === false || inTlb !== undefined;
        const cachedRoot = cachedCd?.EPD0 === false ? withRoot(machine, cachedCd.TTB0) : inTlb;
        const cachedTables = translation === undefined ? cachedRoot : processAt(machine, translation.address);
        return {
          entry: cd.V ? (present ? ('present' as const) : ('quiet' as const)) : ('none' as const),
          tables: present ? aliveOf(withRoot(machine, cd.TTB0)) : null,
          cached,
          cachedTables: aliveOf(cachedTables),
        };
      }),
    ),
  };
}

/** The process of an ASID for which the TLB has an entry, though no device has anything cached of it that shares it. */
function onlyInTlb({ processes, devices, pasids }: Machine, asid: number): Process | undefined {
  const process = processes.find(({ space }) => space.asid === asid);
  if (process?.space.tlb(process.page) === undefined) return undefined;
  const isShared = devices.some((device) =>
    pasids.some((pasid) => {
      const cd = device.cachedCd(pasid);
      const isCached = cd?.EPD0 === false && cd.ASID === asid;
      return isCached || device.cached(pasid, iova)?.address === process.page.frame;
    }),
  );
  return isShared ? undefined : process;
}

/** Whether there are pages is in memory; the rest is how far software is. */
function lifeOf(life: Life, exists: boolean, mapped: boolean): Life {
  if (!exists) return 'none';
  if (!mapped) return 'dead';
  return life === 'exiting' ? 'exiting' : 'living';
}

/** The page request of a device that software has taken and not answered. */
function served(
  { platform }: Machine,
  { streamId }: PasidDevice,
  { asked, taken }: Remembered,
): readonly [number, Asked] | undefined {
  const waiting = [...taken, ...platform.smmu.pageRequests.records.map((raw) => decodePageRequest(raw))]
    .filter(({ sid }) => sid === streamId)
    .map(({ prgIndex }) => prgIndex);
  return [...asked].find(([group]) => !waiting.includes(group));
}

function consequence(machine: Machine): Consequence {
  const { harms, invalidations, platform, misled } = machine;
  const ended = harms.length > 0;
  const evidence = [...misled, ...(ended ? [] : leftovers(machine))];
  const so = { harms: [...harms], evidence, commands: invalidations.entries(), events: eventEntries(platform) };
  const next = ended ? [] : useOf(machine);
  return next.length === 0 ? so : { ...so, next };
}

export const pasidLifecycleLowering = lowering<Model, Machine, never>({
  model: pasidLifecycle,
  hardwareActors: ['device', 'iommu'],
  notOnMachine: {
    'mm.task': 'processes are software',
    'mm.users': 'mm_users is a counter of software',
    'mm.count': 'mm_count is a counter of software',
    'mm.pasid': 'the PASID of an mm is a field of software; what threads submit with is in IA32_PASID',
    'mm.domain': 'domains are objects of software',
    pool: 'the allocator of PASIDs is software',
    cursor: 'the allocator of PASIDs is software',
    lock: 'iommu_sva_lock is software',
    'device.binding': 'for whom a file is being opened is a variable of software',
    'device.serving.target': 'in which mm the worker handles a fault is a variable of software',
    release: 'what is being released is a variable of software',
    'table.attached': 'the array of attached domains is software',
    bond: 'files and handles are software',
    bind: 'how far a processor is in a procedure is software',
    unbind: 'how far a processor is in a procedure is software',
    exit: 'how far a processor is in a procedure is software',
    serveFaults: 'how far a worker is in a procedure is software',
  },
  defects: [],
  build,
  software,
  hardware,
  abstract,
  consequence,
});

/** Those items of which there are more than in a list of others, told by their text. */
function without<T>(items: readonly T[], others: string[]): readonly T[] {
  return items.filter((item) => {
    const known = others.indexOf(JSON.stringify(item));
    if (known >= 0) others.splice(known, 1);
    return known < 0;
  });
}
