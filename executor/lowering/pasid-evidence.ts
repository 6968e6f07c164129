/**
 * What is left on the machine of a PASID or an mm that is no longer in use, and what comes of it when the PASID is used next: for
 * counterexamples in which nothing has been written yet.
 */
import { address, hex, ownerInWords } from './account.ts';
import type { Harm } from './lowering.ts';
import type { PasidDevice } from './pasid-device.ts';
import {
  currentOf,
  enqcmd,
  iova,
  type Machine,
  msrOf,
  type Process,
  processAt,
  rememberedOf,
  start,
  translate,
  withRoot,
  write,
  writeEntry,
} from './pasid-machine.ts';

/** All that does not fit together, each in a sentence; if nothing does not, how the Context descriptors are. */
export function leftovers(machine: Machine): readonly string[] {
  const found = [
    ...machine.pasids.flatMap((pasid) => ofPasid(machine, pasid)),
    ...machine.devices.flatMap((device) => machine.pasids.flatMap((pasid) => ofCell(machine, device, pasid))),
  ];
  if (found.length > 0) return found;
  return machine.devices.flatMap((device) =>
    machine.pasids.map(
      (pasid) =>
        `what is violated is in variables of software: ${cdInWords(machine, device, pasid)}; the pool has PASID ${pasid} ${isFree(machine, pasid) ? 'free' : 'taken'}`,
    ),
  );
}

/** What the next uses of what is left do, on the machine: the first that does harm. */
export function useOf(machine: Machine): readonly Harm[] {
  const uses: (() => void)[] = machine.devices.flatMap((device) =>
    machine.pasids.flatMap((pasid) => [
      () => endOldWork(machine, device, pasid),
      () => submitToOthers(machine, device, pasid),
      () => useOldCaches(machine, device, pasid),
    ]),
  );
  const { harms } = machine;
  for (const use of uses) {
    const before = harms.length;
    use();
    if (harms.length > before) return harms.splice(before);
  }
  return [];
}

// What there is.

/** PASIDs and those who have them. */
function ofPasid(machine: Machine, pasid: number): readonly string[] {
  const { processes } = machine;
  const found: string[] = [];
  const holders = holdersOf(machine, pasid);
  if (holders.length > 1) found.push(`PASID ${pasid} is that of ${holders.map(({ name }) => name).join(' and of ')}`);
  if (isFree(machine, pasid) && holders.length > 0) {
    found.push(`PASID ${pasid} is free in the pool, and that of ${namesOf(holders)}`);
  }
  if (!isFree(machine, pasid) && holders.length === 0) {
    found.push(`PASID ${pasid} is taken, and no process has it: it is never free again`);
  }
  for (const process of holders) {
    if (process.space.pte(process.page) === 'none') {
      found.push(`PASID ${pasid} is still that of ${process.name}, whose pages are gone`);
    }
  }
  for (const process of processes) {
    if (process.freed || process.msr !== msrOf(machine, pasid - 1) || holders.includes(process)) continue;
    found.push(`IA32_PASID of ${process.name} is 0x${process.msr.toString(16)}, and PASID ${pasid} is not its own`);
  }
  return found;
}

/** A device and a PASID: what stands in memory, in caches, and in the device. */
function ofCell(machine: Machine, device: PasidDevice, pasid: number): readonly string[] {
  const { platform } = machine;
  const found: string[] = [];
  const free = isFree(machine, pasid);
  const cd = device.cd(pasid);
  const width = device.endpoint.maxPasidWidth ?? 0;
  const target = cd.V && !cd.EPD0 ? withRoot(machine, cd.TTB0) : undefined;
  const isDead = target !== undefined && (target.freed || target.space.pte(target.page) === 'none');
  const isOther = target !== undefined && !isDead && !holdersOf(machine, pasid).includes(target);
  if (cd.V && (free || isDead || isOther || pasid >= 2 ** width)) {
    const why = [
      ...(free ? [`PASID ${pasid} is free`] : []),
      ...(isDead ? [`${target.name} has no pages any more`] : []),
      ...(isOther ? [`PASID ${pasid} is not that of ${target.name}`] : []),
      ...(pasid >= 2 ** width ? [`PASID ${pasid} does not fit the ${width} bits of ${device.name}`] : []),
    ];
    found.push(`${cdInWords(machine, device, pasid)}; ${why.join(', ')}`);
  }
  const attached = machine.attached[machine.devices.indexOf(device)]?.[machine.pasids.indexOf(pasid)];
  if (attached !== undefined && !cd.V && pasid >= 2 ** width) {
    found.push(
      `${device.name} is being attached to ${attached.name} under PASID ${pasid}, which its PASIDs of ${width} bits cannot carry`,
    );
  }
  for (const process of holdersOf(machine, pasid)) {
    const isOpen = (machine.open[machine.devices.indexOf(device)]?.[process.mm] ?? 0) > 0;
    if (!isOpen || process.space.pte(process.page) === 'none') continue;
    if (target !== process)
      found.push(`a file of ${device.name} is open for ${process.name}, and ${cdInWords(machine, device, pasid)}`);
  }
  const translation = device.cached(pasid, iova);
  if (translation !== undefined) {
    const owner = platform.memory.ownerOf(translation.address);
    const of = processAt(machine, translation.address);
    if (free || owner === undefined || of !== target) {
      found.push(
        `the ATC of ${device.name} has ${address(iova)} of PASID ${pasid} at ${address(translation.address)}, a frame of ${ownerInWords(owner)}; ${cdInWords(machine, device, pasid)}`,
      );
    }
  }
  const cachedCd = device.cachedCd(pasid);
  if (cachedCd !== undefined && !cachedCd.EPD0 && (free || cachedCd.TTB0 !== cd.TTB0)) {
    found.push(
      `the SMMU has cached a Context descriptor of PASID ${pasid} of ${device.name}, TTB0 ${address(cachedCd.TTB0)}`,
    );
  }
  for (const job of device.queue.jobs.filter((one) => one.pasid === pasid)) {
    if (!free && target !== undefined && target.name === job.on) continue;
    found.push(
      `${device.name} has a descriptor of ${ownerInWords(job.on)} with PASID ${pasid}${job.sent.length > 0 ? ', whose writes are on their way' : ''}; ${cdInWords(machine, device, pasid)}`,
    );
  }
  for (const [group, { of, pasid: asked }] of rememberedOf(machine, device).asked) {
    if (asked !== pasid || !(free || of.freed || of.space.pte(of.page) === 'none')) continue;
    found.push(
      `${device.name} waits for an answer to its page request for ${address(iova)} of PASID ${pasid}, PRG index ${group}, for work of ${of.name}; PASID ${pasid} is ${free ? 'free' : 'taken'}`,
    );
  }
  return found;
}

function cdInWords(machine: Machine, device: PasidDevice, pasid: number): string {
  const cd = device.cd(pasid);
  const place = `the Context descriptor of PASID ${pasid} of ${device.name} at ${address(device.cdAddress(pasid))} is ${hex(device.cdBytes(pasid).subarray(0, 16))}`;
  if (!cd.V) return `${place} (V = 0)`;
  if (cd.EPD0) return `${place} (V = 1, EPD0 = 1)`;
  return `${place} (V = 1, the tables of ${withRoot(machine, cd.TTB0)?.name ?? 'nobody'})`;
}

// What comes of it.

/** Work of before is translated and written; if nothing translates its PASID, and that is free, for the next who gets it. */
function endOldWork(machine: Machine, device: PasidDevice, pasid: number): void {
  for (const job of device.queue.jobs.filter((one) => one.pasid === pasid)) {
    if (job.sent.length === 0 && translate(machine, device, pasid) !== undefined) {
      if (!isFree(machine, pasid)) continue;
      giveToNext(machine, device, pasid);
      if (translate(machine, device, pasid) !== undefined) continue;
    }
    write(machine, device, pasid);
  }
}

/** Whoever has the PASID in IA32_PASID submits; the device is attached to another who has it, or to the next who gets it. */
function submitToOthers(machine: Machine, device: PasidDevice, pasid: number): void {
  const msr = msrOf(machine, pasid - 1);
  const holders = holdersOf(machine, pasid);
  const submitters = machine.processes.filter(
    (process) => !process.freed && (process.msr === msr || holders.includes(process)) && hasPage(process),
  );
  if (submitters.length === 0) return;
  const isShared = holders.length > 1;
  if (!isFree(machine, pasid) && !isShared) return;
  const [first] = holders;
  if (isShared && first !== undefined) writeEntry(machine, device, pasid, 'present', first);
  else giveToNext(machine, device, pasid);
  for (const process of submitters) {
    process.msr = msr;
    work(machine, device, pasid, process);
  }
}

/** What a cache has of before is used: by the next who gets the PASID, or by whose it was. */
function useOldCaches(machine: Machine, device: PasidDevice, pasid: number): void {
  const cached = device.cached(pasid, iova);
  if (cached === undefined) return;
  const { memory } = machine.platform;
  const holder = isFree(machine, pasid) ? giveToNext(machine, device, pasid) : holdersOf(machine, pasid)[0];
  if (holder === undefined || memory.ownerOf(cached.address) === holder.name) return;
  holder.msr = msrOf(machine, pasid - 1);
  work(machine, device, pasid, holder);
}

function work(machine: Machine, device: PasidDevice, pasid: number, process: Process): void {
  if (enqcmd(device, process) !== undefined) return;
  if (translate(machine, device, pasid) === undefined) write(machine, device, pasid);
}

/** Another process starts, gets the PASID, and is bound to the device. */
function giveToNext(machine: Machine, device: PasidDevice, pasid: number): Process {
  const next = start(machine, machine.lives.length);
  next.msr = msrOf(machine, pasid - 1);
  writeEntry(machine, device, pasid, 'present', next);
  return next;
}

function isFree({ taken, pasids }: Machine, pasid: number): boolean {
  return taken[pasids.indexOf(pasid)] !== true;
}

function holdersOf(machine: Machine, pasid: number): readonly Process[] {
  return machine.held.flatMap((held, mm) => (held === pasid ? (currentOf(machine, mm) ?? []) : []));
}

function hasPage({ space, page }: Process): boolean {
  return space.pte(page) !== 'none';
}

function namesOf(processes: readonly Process[]): string {
  return processes.map(({ name }) => name).join(' and ');
}
