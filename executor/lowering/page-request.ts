/**
 * `page-request` on the machine: a device with PRI, the SMMU with its PRI queue and its CMD_PRI_RESP, and software that keeps
 * copies of the 16-byte records and changes the page tables of the processes that it takes them to be of.
 *
 * Clearing a Context descriptor drops what the SMMU has cached; the ATC has nothing, since the device asks for no translations
 * before the end.
 */
import { match, P } from 'ts-pattern';
import { readByName, writeByName } from '../host/registers.ts';
import type { ActionOf, StateOf } from '../../language/index.ts';
import { Group, pageRequests, Pasid, Process } from '../../model/page-request.ts';
import type { EndpointDefect } from '../pcie/defects.ts';
import { isComplete } from '../pcie/page-request-interface.ts';
import type { SmmuDefect } from '../smmuv3/defects.ts';
import { irqControl } from '../smmuv3/registers.ts';
import { advance, overflowBit, positionOf } from '../smmuv3/ring.ts';
import { commandEntries, eventEntries } from './account.ts';
import { AddressSpace } from './address-space.ts';
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
import { evidenceOf, handleFault, recordEntries } from './page-request-evidence.ts';
import {
  type AbstractPartial,
  attachmentsOf,
  handlerOf,
  linkOf,
  type Machine,
  partialOf,
  recordsOf,
  requestOf,
  responsesOf,
  steOf,
  type StoredRecord,
  streamId,
} from './page-request-machine.ts';
import { Platform } from './platform.ts';
import { indexOfGroup, pasidOf, PriDevice, useOf } from './pri-device.ts';

type Model = typeof pageRequests;
type State = StateOf<Model>;
type Read = Abstract<State>;
type ItemOf<T> = T extends Iterable<infer Item> ? Item : never;
type AbstractSlot = ItemOf<State['slot']>;
type Broken =
  | { readonly part: 'endpoint'; readonly defect: EndpointDefect }
  | { readonly part: 'smmu'; readonly defect: SmmuDefect };

function build({ instance, initial, defects }: Setting<Model, Broken>): Machine {
  const { context } = instance;
  const sizeLog2 = Math.log2(instance.sizes['queue'] ?? 1);
  if (!Number.isInteger(sizeLog2)) throw new RangeError('a PRI queue has a power of two of entries');
  const platform = new Platform({
    pageRequestQueueLog2: sizeLog2,
    defects: defects.flatMap((broken) => (broken.part === 'smmu' ? broken.defect : [])),
  });
  const { smmu } = platform;
  writeByName(smmu, 'IRQ_CTRL', 1n << BigInt(irqControl.PRIQ), 'IRQ_CTRL');
  const spaces = context
    .members(Process)
    .map(
      (_, i) => new AddressSpace(platform, { owner: `process${i}`, asid: i + 1, pages: [], spare: platform.frame(i) }),
    );
  const device = new PriDevice(platform, {
    streamId,
    name: 'endpoint',
    pasids: context.members(Pasid).length,
    allocation: 2 * context.members(Group).length,
    responsePasidRequired: initial.endpoint.needsPasid,
    ppar: initial.ppar,
    defects: defects.flatMap((broken) => (broken.part === 'endpoint' ? broken.defect : [])),
  });
  return {
    platform,
    device,
    spaces,
    taken: undefined,
    found: null,
    partials: [],
    groups: [...initial.slot].map(() => undefined),
    acknowledged: 0,
    epochs: new Map(),
    harms: [],
    gone: [],
    frames: spaces.length,
  };
}

function software(machine: Machine, { before, after }: SoftwareStep<Model>): Refusal | undefined {
  if (before.interrupt && !after.interrupt) machine.acknowledged = interruptsOf(machine);
  if (after.records.length < before.records.length) takeRecord(machine);
  if (after.taken === null) machine.taken = undefined;
  machine.found = numberOf(after.found);
  if (before.overflow && !after.overflow) acknowledgeOverflow(machine);
  bindAndUnbind(machine, before, after);

  const stored = difference([...after.partial], [...before.partial]);
  for (const { bad } of stored) machine.partials = [...machine.partials, { raw: inHands(machine), bad }];
  for (const [i, now] of [...after.slot].entries()) {
    const then = [...before.slot][i];
    if (then !== undefined && now !== then) workOn(machine, i, then, now, after);
  }
  for (const gone of difference([...before.partial], [...after.partial])) {
    const at = machine.partials.findIndex((one) => JSON.stringify(partialOf(one)) === asRead(gone));
    if (at < 0) return refuse('software has no such partial');
    machine.partials = machine.partials.toSpliced(at, 1);
  }
  for (const response of difference([...after.responses], [...before.responses])) respond(machine, response);
  return undefined;
}

/** The IRQ thread copies the record at CONS, and gives its place back. */
function takeRecord(machine: Machine): void {
  const { smmu, rings } = machine.platform;
  const [raw] = smmu.pageRequests.records;
  if (raw === undefined) throw new Error('the PRI queue is empty');
  machine.taken = raw;
  const register = readByName(smmu, 'PRIQ_CONS');
  const acknowledge = register & (1n << BigInt(overflowBit));
  const ring = rings['page request'];
  writeByName(smmu, 'PRIQ_CONS', BigInt(advance(ring, positionOf(ring, register))) | acknowledge, 'PRIQ_CONS');
}

function acknowledgeOverflow({ platform: { smmu } }: Machine): void {
  const flag = 1n << BigInt(overflowBit);
  const index = readByName(smmu, 'PRIQ_CONS') & ~flag;
  writeByName(smmu, 'PRIQ_CONS', index | (readByName(smmu, 'PRIQ_PROD') & flag), 'PRIQ_CONS');
}

function bindAndUnbind({ device, spaces }: Machine, before: State, after: State): void {
  const attachments = [
    { pasid: undefined, then: before.rid.handler, now: after.rid.handler },
    ...[...after.pasid].map(({ handler }, i) => ({
      pasid: pasidOf(i),
      then: [...before.pasid][i]?.handler ?? null,
      now: handler,
    })),
  ];
  for (const { pasid, then, now } of attachments) {
    if (then !== now) device.attach(pasid, spaceAt(spaces, now), spaceAt(spaces, then));
  }
  for (const [i, now] of [...after.process].entries()) {
    const then = [...before.process][i];
    if (now.works && then?.works === false) device.begin(i, pasidOf(numberOf(now.pasid)));
    if (now.stop === 'asked' && then?.stop === 'none') {
      device.stop(i, after.endpoint.stop === 'after all responses' ? 'after all responses' : 'with a stop marker');
    }
  }
}

/** A group is made of records, one of its faults is handled, or it is freed. */
function workOn(machine: Machine, slot: number, then: AbstractSlot, now: AbstractSlot, after: State): void {
  if (now.at === 'free') {
    machine.groups[slot] = undefined;
    return;
  }
  if (then.at === 'free') {
    const first = machine.partials.find((one) => {
      const { of, epoch, bad, group } = partialOf(one);
      return now.first !== null && group === numberOf(now.group) && isSame({ of, epoch, bad }, now.first);
    });
    const last = { raw: inHands(machine), bad: now.last?.bad === true };
    machine.groups[slot] = { first, last, target: numberOf(now.target), answered: !now.pending };
    return;
  }
  const group = machine.groups[slot];
  if (group === undefined) throw new Error('software has no such group');
  const changed = { ...group, target: numberOf(now.target), answered: !now.pending };
  machine.groups[slot] = changed;
  if (now.handled <= then.handled) return;
  // What the handler returns is the status of the group so far: after a failure nothing is tried.
  const returned = [...after.work][slot]?.status;
  const { raw } = group.first !== undefined && then.handled === 0 ? group.first : group.last;
  if (returned === 'Success') handleFault(machine, raw, changed.target);
}

const codes = { 'Response Failure': 0b00, 'Invalid Request': 0b01, Success: 0b10 } as const;

/** Queues CMD_PRI_RESP. There is no CMD_SYNC for it: none would wait for it (4.7.3). */
function respond({ platform, epochs }: Machine, response: ItemOf<State['responses']>): void {
  const { group, pasid, code, epoch } = response;
  const ssid = pasidOf(numberOf(pasid));
  const substream = ssid === undefined ? {} : { ssv: true, ssid };
  const prgIndex = group === null ? 0 : indexOfGroup(Number(group));
  platform.submit([{ op: 'PRI_RESP', sid: streamId, ...substream, prgIndex, resp: codes[code] }]);
  const queued = platform.smmu.commands.window.at(-1);
  if (queued !== undefined) epochs.set(queued, epoch);
}

function hardware(machine: Machine, action: ActionOf<Model>): Refusal | undefined {
  const { device } = machine;
  return match(action)
    .with({ type: 'ask' }, ({ process, group, last, wants }) => {
      const index = Number(group);
      const wanted = { last, access: wants === 'access' };
      return outcome(device.ask(Number(process), index, nextEpoch(machine, index), wanted));
    })
    .with({ type: 'askLast' }, ({ group }) => outcome(device.askLast(Number(group))))
    .with({ type: 'completeStop' }, ({ process }) => outcome(device.completeStop(Number(process))))
    .with({ type: 'sendMarker' }, ({ process, pasid }) =>
      outcome(device.sendMarker(Number(process), pasidOf(Number(pasid)) ?? 0)),
    )
    .with({ type: 'receiveResponse' }, (response) => receive(machine, response))
    .with({ type: P.union('queueRecord', 'overflowRecord') }, () => outcome(device.deliver()))
    .with({ type: P.union('handleQueue', 'work', 'live') }, bySoftware)
    .exhaustive();
}

/** The device chooses a part of its buffer that nothing under way is for. */
function nextEpoch(machine: Machine, group: number): boolean {
  const { device, partials, taken } = machine;
  const messages = [
    ...partials.map(partialOf),
    ...recordsOf(machine),
    ...(taken === undefined ? [] : [requestOf(taken)]),
    ...responsesOf(machine).map(({ abstract: response }) => response),
  ];
  const has = (epoch: boolean): boolean => messages.some((one) => one.group === group && one.epoch === epoch);
  return has(false) && !(has(true) && device.epochOf(group));
}

/** Of equal ones by group, use and origin the first in the order of the model's bag: by PASID, none first, and code. */
function receive(
  machine: Machine,
  wanted: { readonly group: unknown; readonly epoch: boolean; readonly automatic: boolean },
): Refusal | undefined {
  const { platform, device } = machine;
  const group = numberOf(wanted.group);
  const order = ['Success', 'Invalid Request', 'Response Failure'] as const;
  const [first] = responsesOf(machine)
    .filter(({ abstract: one }) => one.group === group && one.epoch === wanted.epoch)
    .filter(({ abstract: one }) => one.automatic === wanted.automatic)
    .toSorted(
      ({ abstract: a }, { abstract: b }) =>
        (a.pasid ?? -1) - (b.pasid ?? -1) || order.indexOf(a.code) - order.indexOf(b.code),
    );
  if (first === undefined) return refuse('no such response is under way');
  if ('response' in first) return outcome(device.receive(first.response));
  const before = device.endpoint.responses;
  const blocked = platform.perform(first.queued);
  if (blocked !== undefined) return refuse(blocked);
  const sent = device.endpoint.responses.find((response) => !before.includes(response));
  return sent === undefined ? refuse('CMD_PRI_RESP sends nothing') : outcome(device.receive(sent));
}

// Reading the state.

function interruptsOf({ platform: { smmu } }: Machine): number {
  return smmu.interrupts.filter(({ source }) => source === 'priq').length;
}

function abstract(machine: Machine): Read {
  const { platform, device, spaces, groups, taken, partials, acknowledged } = machine;
  const { pri, endpoint } = device;
  const { PPAR, S1CDMax } = steOf(platform);
  return {
    endpoint: {
      needsPasid: pri.capability.responsePasidRequired,
      pri: pri.responseFailure ? 'failed' : 'on',
      unexpected: pri.unexpectedIndex,
      credits: pri.allocation - pri.outstanding,
    },
    group: Array.from({ length: pri.allocation / 2 }, (_, i) => {
      const group = device.groupOf(i);
      const first = group?.requests[0];
      const waits = group !== undefined && isComplete(group) ? ('waiting' as const) : ('open' as const);
      return {
        at: group === undefined ? ('free' as const) : waits,
        of: first === undefined ? null : useOf(first.address).process,
        pasid: group?.pasid === undefined ? null : group.pasid - 1,
        epoch: device.epochOf(i),
        requests: group?.requests.length ?? 0,
      };
    }),
    process: spaces.map((_, i) => {
      const attached = attachmentsOf(machine, i);
      const [at] = attached;
      const stop = endpoint.stops.get(device.pasidOfJob(i));
      const stage = stop?.complete === true ? ('complete' as const) : ('asked' as const);
      return {
        attached: attached.length > 0,
        // A process that was unbound is nowhere on the machine, and what stopped for it is in use for another.
        ...(attached.length > 0 ? { pasid: at === undefined ? null : at - 1 } : {}),
        ...(device.knows(i) ? {} : { pasid: null, stop: 'none' as const }),
        ...(device.knows(i) && device.isLatestOf(i) ? { stop: stop === undefined ? ('none' as const) : stage } : {}),
        marker: device.owesMarker(i),
      };
    }),
    pasid: Array.from({ length: 2 ** S1CDMax - 1 }, (_, i) => ({ handler: handlerOf(machine, i + 1) })),
    rid: { handler: handlerOf(machine, undefined) },
    link: linkOf(machine),
    records: recordsOf(machine),
    overflow: platform.smmu.pageRequests.overflowed,
    interrupt: interruptsOf(machine) > acknowledged,
    ppar: PPAR,
    responses: responsesOf(machine).map(({ abstract: response }) => response),
    taken: taken === undefined ? null : requestOf(taken),
    partial: partials.map(partialOf),
    slot: groups.map((group) => {
      if (group === undefined) return { group: null, pasid: null, epoch: false, first: null, last: null };
      const { first, last } = group;
      const { group: index, pasid, epoch, of } = requestOf(last.raw);
      return {
        group: index,
        pasid,
        epoch,
        first: first === undefined ? null : faultOf(first),
        last: { of, epoch, bad: last.bad },
      };
    }),
  };
}

function faultOf(stored: StoredRecord): Pick<AbstractPartial, 'of' | 'epoch' | 'bad'> {
  const { of, epoch, bad } = partialOf(stored);
  return { of, epoch, bad };
}

function consequence(machine: Machine): Consequence {
  const { platform, harms } = machine;
  const commands = commandEntries(platform);
  const records = recordEntries(machine);
  const found = evidenceOf(machine);
  const evidence = found.map(({ what }) => what);
  const next = harms.length > 0 ? [] : found.flatMap(({ use }) => use?.() ?? []).slice(0, 1);
  return {
    harms,
    evidence,
    ...(next.length === 0 ? {} : { next }),
    commands,
    events: [...records, ...eventEntries(platform)],
  };
}

const memory = 'how far software is with a group is in its own memory alone';
const verdict = 'history, by which it is decided whether an answer is true';

export const pageRequestLowering = lowering<Model, Machine, Broken>({
  model: pageRequests,
  hardwareActors: ['endpoint', 'smmu'],
  notOnMachine: {
    'endpoint.stop': 'which of the two kinds an endpoint is shows only in what it does when it is asked to stop',
    'group.dropped': verdict,
    'group.bad': verdict,
    'process.works': 'how a device gets its work is its own business',
    'process.begun': 'how often a device has asked is counted to bound the exploration',
    'process.drain': 'what an unbind has counted is in the memory of software alone',
    'process.overflow': 'what an unbind has noted is in the memory of software alone',
    'pasid.owner': 'which PASIDs are given out is in the memory of software alone',
    'rid.owner': 'the same',
    found: 'a pointer to an mm in the memory of software',
    'slot.at': memory,
    'slot.pending': memory,
    'slot.target': 'a pointer to an mm in the memory of software',
    'slot.handled': memory,
    'slot.refused': memory,
    handleQueue: memory,
    work: memory,
    live: 'how far an unbind is, is software alone',
  },
  defects: [
    {
      action: 'overflowRecord',
      part: 'set the overflow flag',
      edit: 'drop',
      defect: { part: 'smmu', defect: 'overflowNotFlagged' },
      why: 'OVFLG stays as it is',
    },
    {
      action: 'completeStop',
      part: 'the link is empty of its PASID',
      edit: 'drop',
      defect: { part: 'endpoint', defect: 'stopsWithoutFlush' },
      why: 'the stop completes with page requests on the link',
    },
    {
      action: 'completeStop',
      part: 'forget its groups',
      edit: 'add',
      defect: { part: 'endpoint', defect: 'forgetsStoppedGroups' },
      why: 'the indices and credits of groups without response are free after the stop',
    },
  ],
  build,
  software,
  hardware,
  abstract,
  consequence,
});

function outcome(
  result: { readonly done: true } | { readonly done: false; readonly why: string },
): Refusal | undefined {
  return result.done ? undefined : refuse(result.why);
}

function numberOf(member: unknown): number | null {
  return member === null ? null : Number(member);
}

function spaceAt(spaces: readonly AddressSpace[], member: unknown): AddressSpace | undefined {
  return member === null ? undefined : spaces[Number(member)];
}

function inHands({ taken }: Machine): Uint8Array {
  if (taken === undefined) throw new Error('software has no record in hands');
  return taken;
}

/** The items of one bag that are not in another. */
function difference<T>(of: readonly T[], without: readonly T[]): readonly T[] {
  const left = without.map((item) => JSON.stringify(item));
  return of.filter((item) => {
    const at = left.indexOf(JSON.stringify(item));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** An item of the model in the form of one that was read off the machine. */
function asRead({ group, pasid, last, wants, of, epoch, bad }: ItemOf<State['partial']>): string {
  return JSON.stringify({
    group: numberOf(group),
    pasid: numberOf(pasid),
    last,
    wants,
    of: numberOf(of),
    epoch,
    bad,
  });
}

function isSame(
  one: Pick<AbstractPartial, 'of' | 'epoch' | 'bad'>,
  other: { readonly of: unknown; readonly epoch: boolean; readonly bad: boolean },
): boolean {
  return one.of === numberOf(other.of) && one.epoch === other.epoch && one.bad === other.bad;
}
