/**
 * `nested-invalidation` on the machine: guests with stage-1 tables in their memory below stage-2 tables of the host, endpoints with
 * ATS whose streams go through both, the SMMU's command queue, and a queue of each guest that the VMM or the SMMU reads.
 *
 * A device without ATS belongs to each guest: on its behalf the SMMU may walk the tables whatever the endpoints do. Of a virtio-iommu
 * there are the requests in guest memory, which the VMM reads.
 */
import { match, P } from 'ts-pattern';
import { convertGuestCommand } from '../host/guest-commands.ts';
import { dropAtc } from '../host/invalidation.ts';
import type { ActionOf, StateOf } from '../../language/index.ts';
import { Endpoint, Frame, Guest, nestedInvalidation } from '../../model/nested-invalidation.ts';
import type { EndpointDefect } from '../pcie/defects.ts';
import type { Command, CommandToEncode } from '../smmuv3/commands.ts';
import type { SmmuDefect } from '../smmuv3/defects.ts';
import { address, harmOf } from './account.ts';
import { pageSize } from './address-space.ts';
import { AtsDevice } from './ats-device.ts';
import { added, DriverQueue, type QueueEntry } from './driver-queue.ts';
import { GuestQueue } from './guest-queue.ts';
import {
  type Abstract,
  bySoftware,
  type Consequence,
  type Harm,
  lowering,
  memberOf,
  type Refusal,
  refusalOf,
  refuse,
  type Setting,
  type SoftwareStep,
  type Whole,
} from './lowering.ts';
import { frameOf, iovaOf, nestedConsequenceOf, processOf, writeInWords } from './nested-evidence.ts';
import { GuestSpace, type NestedPage } from './nested-space.ts';
import { Platform } from './platform.ts';
import { invalidateLength, readInvalidate, useInvalidate, writeInvalidate } from './virtio-invalidate.ts';

type Model = typeof nestedInvalidation;
type State = StateOf<Model>;
type Action = ActionOf<Model>;
type Read = Abstract<State>;
type Of<T> = T extends Iterable<infer Item> ? Item : never;
type GuestState = Of<State['guest']>;
type PageState = Of<State['page']>;
type AbstractCommand = Of<State['queue']['window']>;
type Op = AbstractCommand['op'];
/** Who waits for a CMD_SYNC of the main queue. */
interface Issuer {
  readonly who: 'reclaim' | 'trapped' | 'virtio';
  readonly guest: number | null;
  readonly page: number | null;
}

/** How the machine is broken for a variant. */
type Broken =
  | { readonly part: 'endpoint'; readonly defect: EndpointDefect }
  | { readonly part: 'smmu'; readonly defect: SmmuDefect };

/** What the switches of the machine are for the errata that a size of the model names. */
const errata: Readonly<Record<number, SmmuDefect>> = {
  1: 'losesTlbiOnce',
  2: 'losesTlbiBesideOthers',
  3: 'losesNestedTlbi',
};

const stranger = 'stranger';
/** Endpoints are at 00:01.0, 00:02.0 and so on; the device without ATS of each guest is at 00:10.0, 00:11.0 and so on. */
const streamIdOf = (endpoint: number): number => (endpoint + 1) * 8;
const otherStreamIdOf = (guest: number): number => 0x80 + guest * 8;
/** Commands of a size that names every address. */
const everything = 52;

interface GuestParts {
  readonly space: GuestSpace;
  readonly way: GuestState['way'];
  /** Unless it has a virtio-iommu. */
  readonly queue: GuestQueue | undefined;
  sync: GuestState['sync'];
}

/** What software remembers of a page. */
interface Remembered {
  readonly guest: number;
  readonly nested: NestedPage;
  /** Where its INVALIDATE request is, in guest memory. */
  readonly request: bigint;
  /** As the allocator of the guest has it while no frame backs the page. */
  owner: PageState['owner'];
  backing: number | null;
  wait: PageState['wait'];
  virtioSync: PageState['virtioSync'];
  reclaimSync: PageState['reclaimSync'];
  overwritten: boolean;
}

interface DeviceParts {
  readonly guest: number;
  readonly device: AtsDevice;
}

interface Machine {
  readonly platform: Platform;
  readonly guests: readonly GuestParts[];
  readonly pages: readonly Remembered[];
  readonly endpoints: readonly DeviceParts[];
  readonly queue: DriverQueue<Issuer>;
  /** Frames that a device has written though they belong to somebody else than its guest. */
  readonly overwritten: Set<number>;
  readonly harms: Harm[];
  /** How many frames the model has. */
  readonly frames: number;
  /** Endpoints cache what an invalidation has overtaken. */
  readonly keepsOvertaken: boolean;
}

function build({ instance, initial, defects }: Setting<Model, Broken>): Machine {
  const { context, sizes } = instance;
  const endpointIds = context.members(Endpoint);
  const frameCount = context.members(Frame).length;
  const ofSmmu = defects.flatMap((one) => (one.part === 'smmu' ? one.defect : []));
  const ofEndpoints = defects.flatMap((one) => (one.part === 'endpoint' ? one.defect : []));
  const erratum = errata[sizes['erratum'] ?? 0];
  const platform = new Platform({ defects: erratum === undefined ? ofSmmu : [...ofSmmu, erratum] });
  const nestedPages = [...initial.page].map(({ guest }, i) => ({
    guest: Number(guest),
    nested: { iova: 0x7f00_0000_1000n + BigInt(i) * pageSize, ipa: 0x8000_1000n + BigInt(i) * pageSize },
  }));
  const endpoints = endpointIds.map((endpoint, i): DeviceParts => ({
    guest: Number(initial.endpoint[endpoint].guest),
    device: new AtsDevice(platform, {
      streamId: streamIdOf(i),
      name: `endpoint${i}`,
      byte: 0xe0 + i,
      defects: ofEndpoints,
    }),
  }));
  const guests = context.members(Guest).map((guest, number): GuestParts => {
    const { way, sync } = initial.guest[guest];
    const own = nestedPages.filter((page) => page.guest === number).map(({ nested }) => nested);
    const space = new GuestSpace(platform, {
      number,
      pages: own,
      spare: platform.frame(frameCount + number),
    });
    // The guest numbers its functions from 0.
    const streams = new Map(
      endpoints
        .filter((endpoint) => endpoint.guest === number)
        .map(({ device }, sid): readonly [number, number] => [sid, device.streamId]),
    );
    const consumer = way === 'own queue' ? { vmid: space.vmid, streams } : 'vmm';
    const queue = way === 'virtio' ? undefined : new GuestQueue(platform, space.frames.allocate(0x1000), consumer);
    platform.writeSte(otherStreamIdOf(number), space.streamTableEntry(false));
    return { space, way, queue, sync };
  });
  for (const { guest, device } of endpoints) {
    platform.writeSte(device.streamId, memberOf(guests, guest).space.streamTableEntry(true));
    device.endpoint.enableAts();
  }
  const pages = [...initial.page].map(
    ({ owner, backing, wait, virtioSync, reclaimSync, overwritten }, i): Remembered => {
      const { guest, nested } = memberOf(nestedPages, i);
      const request = memberOf(guests, guest).space.frames.allocate(invalidateLength);
      const noted = { owner, backing: numberOf(backing), wait, virtioSync, reclaimSync, overwritten };
      return { guest, nested, request, ...noted };
    },
  );
  const machine: Machine = {
    platform,
    guests,
    pages,
    endpoints,
    queue: new DriverQueue(platform, (a, b) => a.who === b.who && a.guest === b.guest && a.page === b.page),
    overwritten: new Set(),
    harms: [],
    frames: frameCount,
    keepsOvertaken: ofEndpoints.includes('keepsOvertakenCompletions'),
  };
  for (const [i, page] of [...initial.page].entries()) {
    const { space, nested } = at(machine, i);
    space.setPte(nested, page.pte === 'valid');
    space.setStage2(nested, frameAddress(machine, numberOf(page.stage2)));
  }
  for (let frame = 0; frame < frameCount; frame++) give(machine, frame, ownerOf(machine, initial, frame));
  return machine;
}

// Software.

function software(machine: Machine, { before, after }: SoftwareStep<Model>): Refusal | undefined {
  const { guests, pages, platform } = machine;
  for (const [i, now] of [...after.page].entries()) {
    const then = memberOf([...before.page], i);
    const remembered = memberOf(pages, i);
    const { space, nested } = at(machine, i);
    if (now.pte !== then.pte) space.setPte(nested, now.pte === 'valid');
    if (now.stage2 !== then.stage2) space.setStage2(nested, frameAddress(machine, numberOf(now.stage2)));
    if (now.invalidate !== then.invalidate) sendInvalidate(machine, i, now.invalidate);
    const { owner, wait, virtioSync, reclaimSync } = now;
    Object.assign(remembered, { owner, backing: numberOf(now.backing), wait, virtioSync, reclaimSync });
  }
  for (const frame of [...after.frame].keys()) {
    const owner = ownerOf(machine, after, frame);
    if (owner !== platform.memory.ownerOf(platform.frame(frame))) give(machine, frame, owner);
  }
  for (const [i, now] of [...after.guest].entries()) {
    const guest = memberOf(guests, i);
    guest.sync = now.sync;
    const refusal = guestQueueStep(guest, memberOf([...before.guest], i).queue, now.queue, machine, i);
    if (refusal !== undefined) return refusal;
  }
  const entries = added(before.queue, after.queue);
  machine.queue.submit(
    entries.map(({ command, issuer }, i) => ({
      command: command && encode(machine, command, sakeOf(entries.slice(i))),
      issuer: issuer && issuerOf(issuer),
    })),
  );
  return undefined;
}

/** The guest writes an INVALIDATE request, or the VMM has used it. */
function sendInvalidate(machine: Machine, page: number, to: PageState['invalidate']): void {
  const { memory } = machine.platform;
  const { request } = memberOf(machine.pages, page);
  const { space, nested } = at(machine, page);
  const { asid } = space;
  if (to === 'none') useInvalidate(memory, request);
  else
    writeInvalidate(memory, request, to === 'PASID' ? { scope: to, asid } : { scope: to, asid, address: nested.iova });
}

/** What came into a guest's queue is written by the guest; what goes out of it, by the VMM. */
function guestQueueStep(
  { queue, space, way }: GuestParts,
  before: GuestState['queue'],
  after: GuestState['queue'],
  machine: Machine,
  number: number,
): Refusal | undefined {
  if (queue === undefined) return undefined;
  if ([...after.behind].length < [...before.behind].length) {
    queue.advance();
    return undefined;
  }
  const entries = added(before, after).map(({ command, issuer }) => ({
    command: command && encodeByGuest(machine, space, number, command),
    issuer: issuer === null ? null : Number(issuer),
    isLast: command?.op === 'forbidden' && [...before.behind].length === 0,
  }));
  // Within a window there is no order; behind a command that the SMMU refuses none would be fetched.
  queue.submit([
    ...entries.filter(({ command, isLast }) => command !== null && !isLast),
    ...entries.filter(({ isLast }) => isLast),
    ...entries.filter(({ command }) => command === null),
  ]);
  const guest = { vmid: space.vmid, streamOf: (sid: number) => streamsOf(machine, number)[sid]?.streamId };
  for (const { command } of added(after, before)) {
    if (command === null) continue;
    const taken = way === 'trapped' ? queue.take((one) => sameKind(machine, number, one, command)) : undefined;
    if (taken === undefined) return refuse('the VMM finds no such command in the queue');
    const converted = convertGuestCommand(taken, guest);
    if (converted.ok !== (command.op !== 'forbidden')) return refuse('iommufd decides otherwise on the command');
  }
  return undefined;
}

function sameKind(machine: Machine, guest: number, found: Command, command: AbstractCommand): boolean {
  const { op, page, endpoint } = commandOfGuest(machine, guest, found);
  return op === command.op && page === numberOf(command.page) && endpoint === numberOf(command.endpoint);
}

/** Whose sake a command is for: that of the next CMD_SYNC. */
function sakeOf(
  entries: readonly QueueEntry<AbstractCommand, Of<State['queue']['behind']>['issuer'] & object>[],
): Issuer | undefined {
  const issuer = entries.find((entry) => entry.issuer !== null)?.issuer;
  return issuer === null || issuer === undefined ? undefined : issuerOf(issuer);
}

function issuerOf({ who, guest, page }: { readonly [Field in keyof Issuer]: unknown }): Issuer {
  return { who: who as Issuer['who'], guest: numberOf(guest), page: numberOf(page) };
}

/** A command of the host, or of a guest with what the host puts in. */
function encode(machine: Machine, command: AbstractCommand, sake: Issuer | undefined): CommandToEncode {
  const { endpoints } = machine;
  const page = command.page === null ? undefined : at(machine, Number(command.page));
  // A VMID of nobody is what a guest writes.
  const vmid = command.vmid === null ? 0 : memberOf(machine.guests, command.vmid).space.vmid;
  switch (command.op) {
    case 's2-ipa':
      return present(page).space.tlbiOfIpa(present(page).nested);
    case 's12-all':
      return { op: 'TLBI_S12_VMALL', vmid };
    case 'nh-all':
      return { op: 'TLBI_NH_ALL', vmid };
    case 'nh-asid':
      return { op: 'TLBI_NH_ASID', vmid, asid: memberOf(machine.guests, command.vmid).space.asid };
    case 'nh-va':
      return present(page).space.tlbiOfVa(present(page).nested, vmid);
    case 'atc-all':
      return dropAtc({ sid: memberOf(endpoints, command.endpoint).device.streamId });
    case 'atc-inv': {
      // Without a page it names an address that is none of the device's: the IPA, or what stands in a field that is not used.
      const reclaimed = sake?.who === 'reclaim' && sake.page !== null ? at(machine, sake.page).nested.ipa : 0n;
      const target = { sid: memberOf(endpoints, command.endpoint).device.streamId };
      return dropAtc(target, { input: page === undefined ? reclaimed : page.nested.iova, length: pageSize });
    }
    case 'forbidden':
      throw new Error('a command that is not for guests comes to the main queue');
    default:
      return command.op satisfies never;
  }
}

/** A command as a guest writes it: with its own StreamIDs, and without a VMID. */
function encodeByGuest(
  machine: Machine,
  space: GuestSpace,
  guest: number,
  { op, page, endpoint }: AbstractCommand,
): CommandToEncode {
  const nested = (): NestedPage => at(machine, Number(page)).nested;
  const sid = streamsOf(machine, guest).indexOf(machine.endpoints[Number(endpoint)]?.device as AtsDevice);
  return match(op)
    .with('nh-va', () => space.tlbiOfVa(nested(), 0))
    .with('atc-inv', () => dropAtc({ sid }, { input: nested().iova, length: pageSize }))
    .with('atc-all', () => dropAtc({ sid }))
    .with('nh-all', (): CommandToEncode => ({ op: 'TLBI_NH_ALL', vmid: 0 }))
    .with('nh-asid', (): CommandToEncode => ({ op: 'TLBI_NH_ASID', vmid: 0, asid: space.asid }))
    .with('forbidden', 's12-all', (): CommandToEncode => ({ op: 'TLBI_S12_VMALL', vmid: 0 }))
    .with('s2-ipa', () => space.tlbiOfIpa(nested()))
    .exhaustive();
}

/** The endpoints of a guest, by the StreamIDs that the guest knows. */
function streamsOf({ endpoints }: Machine, guest: number): readonly AtsDevice[] {
  return endpoints.filter((endpoint) => endpoint.guest === guest).map(({ device }) => device);
}

/** Whose a frame is in a state of the model. */
function ownerOf({ guests }: Machine, state: State, frame: number): string | undefined {
  const { use } = memberOf([...state.frame], frame);
  if (use !== 'backs a page') return use === 'free' ? undefined : stranger;
  const page = [...state.page].find(({ backing }) => Number(backing) === frame && backing !== null);
  return page === undefined ? undefined : ownersOf(memberOf(guests, page.guest).space)[page.owner];
}

/** The owner of a guest's frame, by what the guest uses the page for. */
function ownersOf(space: GuestSpace): Readonly<Record<PageState['owner'], string>> {
  return { process: processOf(space), free: space.owner, other: `another process of ${space.owner}` };
}

/** Gives a frame to another owner, who finds it zeroed and, if it is not the process, writes something into it. */
function give({ platform }: Machine, frame: number, owner: string | undefined): void {
  const start = platform.frame(frame);
  const { memory } = platform;
  if (owner !== undefined) memory.write(start, new Uint8Array(Number(pageSize)));
  if (owner !== undefined && (owner === stranger || owner.startsWith('another'))) {
    const data = new TextEncoder().encode(`data of ${owner}; `.repeat(8));
    memory.write(start, data);
  }
  memory.give(start, Number(pageSize), owner);
}

// Hardware.

function hardware(machine: Machine, action: Action): Refusal | undefined {
  // What hardware does in some variants alone, without being broken.
  const { type, endpoint } = action as { readonly type: string; readonly endpoint?: unknown };
  if (type === 'completeTlbiElsewhere') {
    return drop(machine.queue, false, (command) => {
      const { op, vmid } = commandOf(machine, command);
      return op === 'nh-va' && vmid === null;
    });
  }
  if (type === 'invalidateElsewhere') return invalidate(machine, 'main queue', endpoint, 'atc-inv', null);
  return ofModel(machine, action);
}

function ofModel(machine: Machine, action: Action): Refusal | undefined {
  const { guests, endpoints } = machine;
  const device = (of: unknown): AtsDevice => memberOf(endpoints, of).device;
  return match(action)
    .with({ type: 'fetchStage1' }, { type: 'fetchStage2' }, ({ type, page }) => {
      const { space, nested, guest } = at(machine, Number(page));
      const stage = type === 'fetchStage1' ? 1 : 2;
      return space.fetch(stage, nested, { streamId: otherStreamIdOf(guest) })
        ? undefined
        : refuse('the walk finds no valid entry');
    })
    .with({ type: 'insertIpa' }, ({ page }) => {
      const { space, nested } = at(machine, Number(page));
      return space.insertIpa(nested) ? undefined : refuse('no walk of stage 2 is in flight');
    })
    .with({ type: 'combine' }, ({ page }) => {
      const { space, nested } = at(machine, Number(page));
      return space.combine(nested) ? undefined : refuse('an entry of one of the stages is missing');
    })
    .with({ type: 'evictIpa' }, { type: 'evictCombined' }, ({ type, page }) => {
      const { space, nested } = at(machine, Number(page));
      const entry = type === 'evictIpa' ? space.ipaEntry(nested) : space.combined(nested);
      return space.evict(entry) ? undefined : refuse('the TLB has no entry');
    })
    .with({ type: 'completeTlbiVa' }, ({ from, page, lost }) => {
      const { guest } = at(machine, Number(page));
      return drop(queueOf(machine, from, guest), lost, (command) => {
        const { op, vmid, page: named } = commandOf(machine, command);
        return op === 'nh-va' && vmid === guest && named === Number(page);
      });
    })
    .with({ type: 'completeTlbiVmid' }, ({ from, guest, op, lost }) =>
      drop(queueOf(machine, from, Number(guest)), lost, (command) => {
        const decoded = commandOf(machine, command);
        return decoded.op === op && decoded.vmid === Number(guest);
      }),
    )
    .with({ type: 'completeTlbiIpa' }, ({ page, lost }) =>
      drop(machine.queue, lost, (command) => {
        const { op, vmid, page: named } = commandOf(machine, command);
        return op === 's2-ipa' && vmid === at(machine, Number(page)).guest && named === Number(page);
      }),
    )
    .with({ type: 'stopAtForbidden' }, ({ guest }) => {
      const { queue } = memberOf(guests, guest);
      return queue === undefined ? refuse('the guest has no queue') : queue.skip();
    })
    .with({ type: 'completeSync' }, () => completeSync(machine))
    .with({ type: 'completeOwnSync' }, ({ guest }) => {
      const result = memberOf(guests, guest).queue?.completeSync() ?? refuse('the guest has no queue');
      if ('refused' in result) return result;
      if (result.issuer !== undefined && result.isAwaited) memberOf(machine.pages, result.issuer).wait = 'done';
      return undefined;
    })
    .with({ type: 'requestTranslation' }, ({ endpoint, page }) =>
      refusalOf(device(endpoint).endpoint.requestTranslation({ address: at(machine, Number(page)).nested.iova })),
    )
    .with({ type: 'answer' }, ({ endpoint, page, answer }) =>
      answerRequest(machine, device(endpoint), Number(page), answer),
    )
    .with({ type: 'receiveCompletion' }, ({ endpoint, page }) => {
      const from = device(endpoint);
      const request = requestOf(machine, from, at(machine, Number(page)).nested, 'answered');
      return request === undefined
        ? refuse('no completion is on its way')
        : refusalOf(from.endpoint.receiveCompletion(request.id));
    })
    .with({ type: 'evictAtc' }, ({ endpoint, page }) => device(endpoint).evict(at(machine, Number(page)).nested.iova))
    .with({ type: 'invalidateAtc' }, ({ from, endpoint, page }) =>
      invalidate(machine, from, endpoint, page === null ? 'atc-all' : 'atc-inv', numberOf(page)),
    )
    .with({ type: 'writeTranslated' }, ({ endpoint, page }) => {
      const { space, nested } = at(machine, Number(page));
      const from = device(endpoint);
      const through = from.cached(nested.iova);
      return through === undefined
        ? refuse('the ATC has no entry')
        : refusalOf(from.issue('write', nested.iova, processOf(space), through));
    })
    .with({ type: 'writeUntranslated' }, ({ endpoint, page }) => {
      const { space, nested } = at(machine, Number(page));
      const from = device(endpoint);
      const issued = from.issue('write', nested.iova, processOf(space), undefined);
      if (!issued.done) return refuse(issued.why);
      return admit(from, issued.value);
    })
    .with({ type: 'reachMemory' }, (reach) => reachMemory(machine, reach))
    .with(
      {
        type: P.union(
          'guestUnmap',
          'guestMap',
          'giveToOther',
          'otherFrees',
          'forwardTrapped',
          'forwardVirtio',
          'reclaim',
          'backPage',
          'giveToStranger',
          'strangerFrees',
        ),
      },
      bySoftware,
    )
    .exhaustive();
}

/** A queue that the SMMU consumes. */
type Consumed = Pick<GuestQueue, 'perform' | 'lose' | 'waiting'>;

function queueOf({ queue, guests }: Machine, from: 'main queue' | 'own queue', guest: number): Consumed | undefined {
  return from === 'main queue' ? queue : memberOf(guests, guest).queue;
}

/** A TLBI drops what it must, or nothing where an erratum lets it be lost. */
function drop(queue: Consumed | undefined, lost: boolean, fits: (command: Command) => boolean): Refusal | undefined {
  if (queue === undefined) return refuse('the guest has no queue');
  return lost ? queue.lose(fits) : queue.perform(fits);
}

/**
 * CMD_ATC_INV takes effect, and its function takes the request and answers it. Completions that it overtook arrive now, and are
 * discarded.
 */
function invalidate(
  machine: Machine,
  from: 'main queue' | 'own queue',
  endpoint: unknown,
  op: Op,
  page: number | null,
): Refusal | undefined {
  const { guest, device } = memberOf(machine.endpoints, endpoint);
  const queue = queueOf(machine, from, guest);
  const fits = (command: Command): boolean => {
    const found = commandOf(machine, command);
    return found.op === op && found.page === page && found.endpoint === Number(endpoint);
  };
  const queued = queue?.waiting(fits);
  const blocked = queue?.perform(fits);
  if (blocked !== undefined) return blocked;
  const itag = queued?.invalidation?.itag;
  if (itag === undefined) return refuse('CMD_ATC_INV sends nothing');
  const refusal = refusalOf(device.endpoint.receiveInvalidation(itag)) ?? refusalOf(device.endpoint.acknowledge(itag));
  if (refusal !== undefined || machine.keepsOvertaken) return refusal;
  for (const { id, answer, tagged } of device.requests) {
    if (!tagged) continue;
    if (answer === 'pending') device.endpoint.deliver(id);
    device.endpoint.receiveCompletion(id);
  }
  return undefined;
}

/** CMD_SYNC of the main queue completes, and the driver tells who waits for it, unless that waits for a later one too. */
function completeSync({ queue, guests, pages }: Machine): Refusal | undefined {
  const result = queue.completeSync();
  if ('refused' in result) return result;
  const { issuer } = result;
  if (issuer === undefined || !result.isAwaited) return undefined;
  if (issuer.who === 'trapped') memberOf(guests, issuer.guest).sync = 'done';
  else memberOf(pages, issuer.page)[issuer.who === 'virtio' ? 'virtioSync' : 'reclaimSync'] = 'done';
  return undefined;
}

/** The SMMU answers from a combined entry, or from walks that find that a stage has no mapping. "No access" arrives at once: nothing comes of it. */
function answerRequest(
  machine: Machine,
  device: AtsDevice,
  page: number,
  wanted: 'translation' | 'no access',
): Refusal | undefined {
  const { space, nested } = at(machine, page);
  const request = requestOf(machine, device, nested, 'pending');
  if (request === undefined) return refuse('no Translation Request is waiting');
  const deliver = (): Refusal | undefined => refusalOf(device.endpoint.deliver(request.id));
  const refusal = wanted === 'translation' ? deliver() : space.withoutIpaEntry(nested, deliver);
  if (refusal !== undefined) return refusal;
  const given = device.requests.find(({ id }) => id === request.id);
  return given?.answer === 'no access' ? refusalOf(device.endpoint.receiveCompletion(request.id)) : undefined;
}

/** The request of an endpoint for a page that is not discarded on arrival. */
function requestOf(
  machine: Machine,
  device: AtsDevice,
  { iova }: NestedPage,
  state?: 'pending' | 'answered',
): AtsDevice['requests'][number] | undefined {
  return device.requests.find(
    (request) =>
      request.iova === iova &&
      (!request.tagged || machine.keepsOvertaken) &&
      (state === undefined || (request.answer === 'pending') === (state === 'pending')),
  );
}

function admit({ endpoint }: AtsDevice, id: number): Refusal | undefined {
  const admitted = endpoint.admit(id);
  if (!admitted.done) return refuse(admitted.why);
  const { outcome } = admitted.value;
  return outcome === 'admitted' ? undefined : refuse(`the SMMU does not pass it: ${outcome}`);
}

function reachMemory(
  machine: Machine,
  { endpoint, page, frame, translatedBy }: Extract<Action, { readonly type: 'reachMemory' }>,
): Refusal | undefined {
  const { platform, guests, overwritten } = machine;
  const { guest, device } = memberOf(machine.endpoints, endpoint);
  const { space, nested } = at(machine, Number(page));
  const under = device.accesses.find(
    (one) =>
      iovaOf(one) === nested.iova &&
      frameOf(one) === platform.frame(Number(frame)) &&
      (one.stage === 'translated') === (translatedBy === 'smmu'),
  );
  if (under === undefined) return refuse('no such write is under way');
  const refusal = under.stage === 'on the link' ? admit(device, under.id) : undefined;
  if (refusal !== undefined) return refusal;
  const earlier = platform.memory.accesses.length;
  const reached = device.endpoint.reachMemory(under.id);
  if (!reached.done) return refuse(reached.why);
  const owners = ownersOf(memberOf(guests, guest).space);
  for (const access of platform.memory.accesses.slice(earlier)) {
    const { owner } = access;
    if (owner === undefined || owner === owners.process || owner === owners.free) continue;
    const written = frameMember(machine, access.address);
    const of = machine.pages.find(({ backing }) => backing === written);
    if (owner === owners.other && of !== undefined) of.overwritten = true;
    else overwritten.add(written);
    const stage = under.stage === 'on the link' ? 'accepted' : under.stage;
    machine.harms.push(harmOf(access, writeInWords(access, { space }, device, nested, stage)));
  }
  return undefined;
}

// The state that is read off.

function abstract(machine: Machine): Read {
  const { platform, guests, pages, endpoints, queue, overwritten } = machine;
  const frame = (physical: bigint | undefined): number | null =>
    physical === undefined ? null : frameMember(machine, physical);
  const lost = (op: Command['op'], { space }: GuestParts): boolean => platform.smmu.lostTlbis.wasLost(op, space.vmid);
  return {
    guest: guests.map((guest, i) => ({
      way: wayOf(guest),
      queue: {
        window: (guest.queue?.window ?? []).map(({ command }) => commandOfGuest(machine, i, command)),
        behind: (guest.queue?.behind ?? []).map(({ command, slot }) =>
          command.op === 'SYNC'
            ? { command: null, issuer: guest.queue?.issuerOf(slot) ?? null }
            : { command: commandOfGuest(machine, i, command), issuer: null },
        ),
      },
      sync: guest.sync,
      lost: {
        's2-ipa': lost('TLBI_S2_IPA', guest),
        's12-all': lost('TLBI_S12_VMALL', guest),
        'nh-all': lost('TLBI_NH_ALL', guest),
        'nh-asid': lost('TLBI_NH_ASID', guest),
        'nh-va': lost('TLBI_NH_VA', guest),
      },
    })),
    page: pages.map(({ guest, request, owner, backing, wait, virtioSync, reclaimSync, overwritten: harmed }, i) => {
      const { space, nested } = at(machine, i);
      return {
        guest,
        pte: space.pte(nested) ? ('valid' as const) : ('none' as const),
        owner: backing === null ? owner : useOf(space, platform.memory.ownerOf(platform.frame(backing))),
        wait,
        invalidate: invalidateOf(machine, request, nested),
        virtioSync,
        stage2: frame(space.stage2(nested)),
        reclaimSync,
        stage1Fetched: space.walk(1, nested) !== undefined,
        stage2Fetched: frame(space.walk(2, nested)?.entry.output),
        ipaEntry: frame(space.ipaEntry(nested)?.output),
        combined: frame(space.combined(nested)?.output),
        overwritten: harmed,
      };
    }),
    frame: [...frameNumbers(machine)].map((i) => ({ use: useOfFrame(machine, i), overwritten: overwritten.has(i) })),
    endpoint: endpoints.map(({ guest, device }) => ({
      guest,
      atc: pages.map(({ nested }) => {
        const request = requestOf(machine, device, nested);
        return {
          entry: frame(device.cached(nested.iova)?.address),
          request:
            request === undefined
              ? ('none' as const)
              : request.answer === 'pending'
                ? 'pending'
                : ('answered' as const),
          answer: frame(request?.output),
        };
      }),
      writes: device.accesses.map((access) => ({
        page: pages.findIndex(({ nested }) => nested.iova === iovaOf(access)),
        frame: frame(frameOf(access)) ?? -1,
        translatedBy: access.stage === 'translated' ? ('smmu' as const) : ('endpoint' as const),
      })),
    })),
    queue: {
      window: queue.window.map(({ command }) => commandOf(machine, command)),
      behind: queue.behind.map(({ command, slot }) =>
        command.op === 'SYNC'
          ? { command: null, issuer: queue.issuerOf(slot) ?? null }
          : { command: commandOf(machine, command), issuer: null },
      ),
    },
  };
}

/** The scope of the INVALIDATE request that waits, if it is for the page. */
function invalidateOf({ platform }: Machine, request: bigint, { iova }: NestedPage): PageState['invalidate'] {
  const found = readInvalidate(platform.memory, request);
  return found === undefined || (found.scope === 'address' && found.address !== iova) ? 'none' : found.scope;
}

/** A command of the main queue, or of a guest's own one with the VMID that the hardware has put in, as the model has it. */
function commandOf({ guests, pages, endpoints }: Machine, command: Command): Whole<AbstractCommand> {
  const pageWhere = (fits: (page: NestedPage) => boolean): number | null =>
    orNull(pages.findIndex(({ nested }) => fits(nested)));
  const of = (vmid: number): number | null => orNull(guests.findIndex(({ space }) => space.vmid === vmid));
  const ofAll = (op: Op, vmid: number): Whole<AbstractCommand> => ({ op, vmid: of(vmid), page: null, endpoint: null });
  return match<Command, Whole<AbstractCommand>>(command)
    .with({ op: 'TLBI_S2_IPA' }, ({ vmid, address: named }) => ({
      ...ofAll('s2-ipa', vmid),
      page: pageWhere(({ ipa }) => ipa === named),
    }))
    .with({ op: 'TLBI_NH_VA' }, ({ vmid, address: named }) => ({
      ...ofAll('nh-va', vmid),
      page: pageWhere(({ iova }) => iova === named),
    }))
    .with({ op: 'TLBI_S12_VMALL' }, ({ vmid }) => ofAll('s12-all', vmid))
    .with({ op: 'TLBI_NH_ALL' }, ({ vmid }) => ofAll('nh-all', vmid))
    .with({ op: 'TLBI_NH_ASID' }, ({ vmid }) => ofAll('nh-asid', vmid))
    .with({ op: 'ATC_INV' }, ({ sid, size, address: named }) => {
      const endpoint = orNull(endpoints.findIndex(({ device }) => device.streamId === sid));
      if (size >= everything) return { op: 'atc-all', vmid: null, page: null, endpoint };
      return { op: 'atc-inv', vmid: null, page: pageWhere(({ iova }) => iova === named), endpoint };
    })
    .otherwise(() => forbidden);
}

const forbidden = { op: 'forbidden', vmid: null, page: null, endpoint: null } as const;

/** A command as a guest has written it. */
function commandOfGuest(machine: Machine, guest: number, command: Command): Whole<AbstractCommand> {
  if (command.op === 'ATC_INV') {
    const sid = streamsOf(machine, guest)[command.sid]?.streamId ?? -1;
    return commandOf(machine, { ...command, sid });
  }
  const found = commandOf(machine, command);
  const isForbidden = found.op === 's12-all' || found.op === 's2-ipa' || found.op === 'forbidden';
  return isForbidden ? forbidden : { ...found, vmid: null };
}

/** How the invalidations of a guest travel, by what there is: a ring that the SMMU reads, or the VMM, or none. */
function wayOf({ queue }: GuestParts): GuestState['way'] {
  if (queue === undefined) return 'virtio';
  return queue.isOwn ? 'own queue' : 'trapped';
}

function useOf(space: GuestSpace, owner: string | undefined): PageState['owner'] {
  const owners = ownersOf(space);
  if (owner === owners.process) return 'process';
  return owner === owners.other ? 'other' : 'free';
}

function useOfFrame({ platform }: Machine, frame: number): 'free' | 'backs a page' | 'stranger' {
  const owner = platform.memory.ownerOf(platform.frame(frame));
  if (owner === undefined) return 'free';
  return owner === stranger ? 'stranger' : 'backs a page';
}

// Evidence.

function consequence(machine: Machine): Consequence {
  const { platform, guests, pages, endpoints, queue, harms } = machine;
  const others: string[] = [];
  for (const { command, slot } of [...queue.window, ...queue.behind]) {
    if ('vmid' in command && guests.every(({ space }) => space.vmid !== command.vmid)) {
      others.push(`CMD_${command.op} in slot ${slot} names VMID ${command.vmid}, which no guest has`);
    }
    const issuer = command.op === 'SYNC' ? queue.issuerOf(slot) : undefined;
    if (issuer === undefined) continue;
    const waits =
      issuer.who === 'trapped'
        ? memberOf(guests, issuer.guest).sync
        : memberOf(pages, issuer.page)[issuer.who === 'virtio' ? 'virtioSync' : 'reclaimSync'];
    if (waits !== 'waiting') {
      others.push(`CMD_SYNC in slot ${slot} is not complete, and nobody waits for it (${issuer.who})`);
    }
  }
  for (const { nested, request, wait } of pages) {
    const asked = readInvalidate(platform.memory, request);
    if (asked !== undefined && wait !== 'waiting') {
      const what = `the INVALIDATE request for ${address(nested.iova)} at ${address(request)} in guest memory`;
      others.push(`${what} was not used yet (scope ${asked.scope}), and the guest does not wait for it`);
    }
  }
  return nestedConsequenceOf(
    platform,
    guests.map(({ space }, i) => ({
      space,
      devices: endpoints.filter(({ guest }) => guest === i).map(({ device }) => device),
    })),
    harms,
    others,
  );
}

export const nestedInvalidationLowering = lowering<Model, Machine, Broken>({
  model: nestedInvalidation,
  hardwareActors: ['smmu', 'endpoint', 'memory'],
  notOnMachine: {
    unmaps: 'who unmaps is what is explored',
    'page.backing': 'which frame the host keeps for a page is its own note; whose the frame is is on the machine',
    guestUnmap: 'how far a processor of the guest is in its procedure is software alone',
    forwardTrapped: 'how far the VMM is, and what iommufd has converted and not issued, is software alone',
    forwardVirtio: 'how far the VMM is in its procedure is software alone',
    reclaim: 'how far the host is in its procedure is software alone',
  },
  defects: [
    {
      action: 'invalidateAtc',
      part: 'older posted writes went ahead of it',
      edit: 'drop',
      defect: { part: 'endpoint', defect: 'acknowledgesBeforeWrites' },
      why: 'the Invalidate Completion passes posted writes',
    },
    {
      action: 'invalidateAtc',
      part: 'forget the requests that it overtakes',
      edit: 'drop',
      defect: { part: 'endpoint', defect: 'keepsOvertakenCompletions' },
      why: 'a completion that an invalidation has overtaken is cached on arrival',
    },
    ...(['completeTlbiVa', 'completeTlbiVmid'] as const).map((action) => ({
      action,
      part: 'accesses that it translated are in memory',
      edit: 'drop' as const,
      defect: { part: 'smmu', defect: 'syncIgnoresTransactions' } as const,
      why: 'CMD_SYNC does not wait for transactions that used what TLBI dropped',
    })),
    {
      action: 'invalidateElsewhere',
      edit: 'add',
      why: 'hardware is as ever: it answers an invalidation of an address at which the ATC has nothing',
    },
    {
      action: 'completeTlbiElsewhere',
      edit: 'add',
      why: 'hardware is as ever: a TLBI of a VMID that no entry has drops nothing',
    },
  ],
  build,
  software,
  hardware,
  abstract,
  consequence,
});

/** A page and its guest. */
function at(machine: Machine, page: number): { space: GuestSpace; nested: NestedPage; guest: number } {
  const { guest, nested } = memberOf(machine.pages, page);
  return { space: memberOf(machine.guests, guest).space, nested, guest };
}

function frameAddress({ platform }: Machine, frame: number | null): bigint | undefined {
  return frame === null ? undefined : platform.frame(frame);
}

/** The member that a physical address lies in the frame of; -1 for none. */
function frameMember(machine: Machine, physical: bigint): number {
  const start = physical & ~(pageSize - 1n);
  return frameNumbers(machine).findIndex((i) => machine.platform.frame(i) === start);
}

function frameNumbers({ frames }: Machine): readonly number[] {
  return Array.from({ length: frames }, (_, i) => i);
}

function numberOf(member: unknown): number | null {
  return member === null ? null : Number(member);
}

function orNull(index: number): number | null {
  return index < 0 ? null : index;
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the command names no page');
  return value;
}
