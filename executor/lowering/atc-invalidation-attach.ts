/**
 * `atc-invalidation/attach` on the machine: each domain is an address space with an ASID of its own and its page at the same
 * IOVA, and attaching an endpoint writes its Stream table entry.
 *
 * While ATS is off nothing can tell whether the ATC is empty: it is compared only while ATS is on.
 */
import { match, P } from 'ts-pattern';
import { dropAll, dropAtc } from '../host/invalidation.ts';
import type { ActionOf, StateOf } from '../../language/index.ts';
import { atcInvalidationAttach, Domain, Endpoint } from '../../model/atc-invalidation-attach.ts';
import type { CommandToEncode } from '../smmuv3/commands.ts';
import { steLayout } from '../smmuv3/stream-table-entry.ts';
import { address, harmOf } from './account.ts';
import { AddressSpace, grantOfEntry, type SpacePage } from './address-space.ts';
import { AtsDevice } from './ats-device.ts';
import { accessInWords, consequenceOf } from './ats-evidence.ts';
import { added, DriverQueue, type Placed } from './driver-queue.ts';
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
import { Platform } from './platform.ts';

type Model = typeof atcInvalidationAttach;
type State = StateOf<Model>;
type Read = Abstract<State>;
type ItemOf<T> = T extends Iterable<infer Item> ? Item : never;
type Sync = ItemOf<State['domain']>['sync'];
type AbstractCommand = ItemOf<State['queue']['window']>;

/** Who waits for a CMD_SYNC: the processor that unmaps a domain's page, or the driver that changes an endpoint's domain. */
interface Issuer {
  readonly domain: number | null;
  readonly endpoint: number | null;
}

const stranger = 'stranger';
const iova = 0x7f00_0000_1000n;
/** Endpoints are at 00:01.0, 00:02.0 and so on. */
const streamIdOf = (endpoint: number): number => (endpoint + 1) * 8;

interface Machine {
  readonly platform: Platform;
  readonly spaces: readonly AddressSpace[];
  readonly devices: readonly AtsDevice[];
  readonly queue: DriverQueue<Issuer>;
  /** What the software side remembers: the CMD_SYNC that each processor waits for. */
  readonly domainSyncs: Sync[];
  readonly endpointSyncs: Sync[];
  readonly overwritten: boolean[];
  readonly harms: Harm[];
}

function build({ instance, initial }: Setting<Model, never>): Machine {
  const platform = new Platform();
  const spaces = instance.context.members(Domain).map(
    (_, i) =>
      new AddressSpace(platform, {
        owner: `process${i}`,
        asid: i + 1,
        pages: [{ iova, frame: platform.frame(2 * i) }],
        spare: platform.frame(2 * i + 1),
      }),
  );
  const devices = instance.context
    .members(Endpoint)
    .map((_, i) => new AtsDevice(platform, { streamId: streamIdOf(i), name: `endpoint${i}`, byte: 0xe0 + i }));
  for (const [i, { pte, frame }] of [...initial.domain].entries()) {
    const space = memberOf(spaces, i);
    space.setPte(pageOf(space), pte === 'valid' ? 'read-write' : 'none');
    space.give(pageOf(space), frame === 'process' ? space.owner : stranger);
  }
  const machine: Machine = {
    platform,
    spaces,
    devices,
    queue: new DriverQueue(platform, (one, other) => one.domain === other.domain && one.endpoint === other.endpoint),
    domainSyncs: [...initial.domain].map(({ sync }) => sync),
    endpointSyncs: [...initial.endpoint].map(({ sync }) => sync),
    overwritten: [...initial.domain].map(({ overwritten }) => overwritten),
    harms: [],
  };
  for (const [i, { ste, ats }] of [...initial.endpoint].entries()) {
    const device = memberOf(devices, i);
    writeSte(machine, device, ste);
    if (ats) device.endpoint.enableAts();
    fetchSte(machine, device);
  }
  return machine;
}

function software(machine: Machine, { before, after }: SoftwareStep<Model>): Refusal | undefined {
  const { spaces, devices, domainSyncs, endpointSyncs } = machine;
  for (const [i, now] of [...after.domain].entries()) {
    const then = [...before.domain][i];
    if (then === undefined || now === then) continue;
    const space = memberOf(spaces, i);
    if (now.pte !== then.pte) space.setPte(pageOf(space), now.pte === 'valid' ? 'read-write' : 'none');
    if (now.frame !== then.frame) space.give(pageOf(space), now.frame === 'process' ? space.owner : stranger);
    domainSyncs[i] = now.sync;
  }
  for (const [i, now] of [...after.endpoint].entries()) {
    const then = [...before.endpoint][i];
    if (then === undefined || now === then) continue;
    const device = memberOf(devices, i);
    if (now.ste !== then.ste) writeSte(machine, device, now.ste);
    if (now.ats && !then.ats) device.endpoint.enableAts();
    if (!now.ats && then.ats) device.endpoint.disableAts();
    endpointSyncs[i] = now.sync;
  }
  const entries = added(before.queue, after.queue);
  const sync = entries.find(({ command }) => command === null)?.issuer ?? undefined;
  machine.queue.submit(
    entries.map(({ command, issuer }) => ({
      command: command && encode(machine, command, sync?.endpoint !== undefined && sync.endpoint !== null),
      issuer: issuer && { domain: numberOf(issuer.domain), endpoint: numberOf(issuer.endpoint) },
    })),
  );
  return undefined;
}

/** `wholeSpace`: a TLBI of the driver, which gives up an ASID; that of an unmap is for its page. */
function encode({ spaces, devices }: Machine, command: AbstractCommand, wholeSpace: boolean): CommandToEncode {
  const { op, domain, endpoint } = command;
  if (op === 'tlbi') {
    const space = memberOf(spaces, domain);
    const [ofPage] = space.tlbiOf(pageOf(space));
    return wholeSpace || ofPage === undefined ? dropAll(space.tags) : ofPage;
  }
  const { streamId: sid } = memberOf(devices, endpoint);
  return op === 'atc-inv' ? dropAtc({ sid }) : { op: 'CFGI_STE', sid, leaf: true };
}

function hardware(machine: Machine, action: ActionOf<Model>): Refusal | undefined {
  const { spaces, devices, queue } = machine;
  const space = (member: unknown): AddressSpace => memberOf(spaces, member);
  const device = (member: unknown): AtsDevice => memberOf(devices, member);
  return match(action)
    .with({ type: 'fetchSte' }, ({ endpoint }) => fetchSte(machine, device(endpoint)))
    .with({ type: 'completeCfgi' }, ({ endpoint }) => {
      const { streamId } = device(endpoint);
      const refusal = queue.perform((command) => command.op === 'CFGI_STE' && command.sid === streamId);
      // It goes by the new entry from now on, and by that one until it is told otherwise again.
      return refusal ?? fetchSte(machine, device(endpoint));
    })
    .with({ type: 'walk' }, ({ domain }) => {
      const requesters = devices.filter((one) => applied(machine, one) === Number(domain));
      const walked = space(domain).beginWalk(pageOf(space(domain)), requesters);
      return walked ? undefined : refuse('no walk finds a valid PTE');
    })
    .with({ type: 'insert' }, ({ domain }) =>
      space(domain).insertWalk(pageOf(space(domain))) ? undefined : refuse('no walk is in flight'),
    )
    .with({ type: 'evictTlb' }, ({ domain }) =>
      space(domain).evict(pageOf(space(domain))) ? undefined : refuse('the TLB has no entry'),
    )
    .with({ type: 'completeTlbi' }, ({ domain }) => queue.perform((command) => space(domain).isNamedBy(command)))
    .with({ type: 'completeSync' }, () => completeSync(machine))
    .with({ type: 'answer' }, ({ endpoint, answer }) => answerRequest(machine, device(endpoint), answer))
    .with({ type: 'requestTranslation' }, ({ endpoint }) =>
      refusalOf(device(endpoint).endpoint.requestTranslation({ address: iova })),
    )
    .with({ type: 'receiveCompletion' }, ({ endpoint }) => {
      const [first] = answered(machine, device(endpoint));
      return first === undefined
        ? refuse('no completion is on its way')
        : refusalOf(device(endpoint).endpoint.receiveCompletion(first.id));
    })
    .with({ type: 'evictAtc' }, ({ endpoint }) => {
      // What it might have while ATS is off nobody can tell.
      return device(endpoint).endpoint.atsEnabled ? device(endpoint).evict(iova) : undefined;
    })
    .with({ type: 'receiveInvalidation' }, ({ endpoint }) => device(endpoint).receiveInvalidation(iova))
    .with({ type: 'acknowledge' }, ({ endpoint }) => device(endpoint).acknowledge(iova))
    .with({ type: 'issueTranslated' }, ({ endpoint }) => {
      const from = device(endpoint);
      const through = from.cached(iova);
      if (through === undefined) return refuse('the ATC has no entry');
      const owner = spaces.find((one) => one.pageOfFrame(through.address) !== undefined)?.owner ?? stranger;
      return refusalOf(from.issue('write', iova, owner, through));
    })
    .with({ type: 'reachMemory' }, ({ endpoint, domain }) => reachMemory(machine, device(endpoint), Number(domain)))
    .with({ type: P.union('changeDomain', 'unmap', 'map') }, bySoftware)
    .exhaustive();
}

/** The SMMU reads the Stream table entry anew, and the context descriptor through it; it keeps both. */
function fetchSte({ platform }: Machine, { streamId }: AtsDevice): undefined {
  const { configuration } = platform.smmu;
  for (const entry of configuration.entries) {
    if ('sid' in entry && entry.sid === streamId) configuration.evict(entry);
  }
  configuration.lookupSte(streamId);
}

/** The SMMU answers by the entry in force: from its TLB, or from a walk in flight, or with what a walk finds now. */
function answerRequest(machine: Machine, device: AtsDevice, wanted: 'translation' | 'no access'): Refusal | undefined {
  const request = device.requests
    .filter(({ answer }) => answer === 'pending')
    .toSorted((a, b) => Number(a.tagged) - Number(b.tagged))[0];
  if (request === undefined) return refuse('no Translation Request is waiting');
  const deliver = (): Refusal | undefined => refusalOf(device.endpoint.deliver(request.id));
  const member = applied(machine, device);
  if (member === null) return deliver();
  const space = memberOf(machine.spaces, member);
  const walk = space.walk(pageOf(space));
  const isOfWalk = wanted === 'translation' && walk !== undefined && space.tlb(pageOf(space)) === undefined;
  return isOfWalk ? space.throughWalk(walk, deliver) : deliver();
}

/** The completions on their way, in the order of the model's bag: by what they are of, none first, and untagged first. */
function answered(machine: Machine, device: AtsDevice): AtsDevice['requests'] {
  const of = (request: AtsDevice['requests'][number]): number => domainOf(machine, request.output) ?? -1;
  return device.requests
    .filter(({ answer }) => answer !== 'pending')
    .toSorted(
      (a, b) =>
        Number(a.answer !== 'no access') - Number(b.answer !== 'no access') ||
        of(a) - of(b) ||
        Number(a.tagged) - Number(b.tagged),
    );
}

function completeSync({ queue, domainSyncs, endpointSyncs }: Machine): Refusal | undefined {
  const result = queue.completeSync();
  if ('refused' in result) return result;
  const { issuer, failed, isAwaited } = result;
  if (failed) return refuse('CMD_SYNC fails with CERROR_ATC_INV_SYNC');
  if (issuer === undefined || !isAwaited) return undefined;
  if (issuer.domain !== null) domainSyncs[issuer.domain] = 'done';
  if (issuer.endpoint !== null) endpointSyncs[issuer.endpoint] = 'done';
  return undefined;
}

/** A translated write reaches memory, or the SMMU refuses it by the entry in force. */
function reachMemory(machine: Machine, device: AtsDevice, member: number): Refusal | undefined {
  const { platform, spaces, overwritten, harms } = machine;
  const space = memberOf(spaces, member);
  const page = pageOf(space);
  const under = device.accesses.find((one) => one.stage === 'on the link' && space.pageOfFrame(one.address) === page);
  if (under === undefined) return refuse('no write is on the link');
  const admitted = device.endpoint.admit(under.id);
  if (!admitted.done) return refuse(admitted.why);
  if (admitted.value.outcome !== 'admitted') return undefined;
  const earlier = platform.memory.accesses.length;
  const reached = device.endpoint.reachMemory(under.id);
  if (!reached.done) return refuse(reached.why);
  for (const access of platform.memory.accesses.slice(earlier)) {
    if (access.owner !== stranger) continue;
    overwritten[member] = true;
    const how = { stage: 'accepted', pte: space.pte(page), on: space.owner } as const;
    harms.push(harmOf(access, accessInWords(access, device, page, how)));
  }
  return undefined;
}

function abstract(machine: Machine): Read {
  const { platform, spaces, devices, queue, domainSyncs, endpointSyncs, overwritten } = machine;
  return {
    domain: spaces.map((space, i) => ({
      pte: space.pte(pageOf(space)) === 'none' ? ('none' as const) : ('valid' as const),
      frame: platform.memory.ownerOf(pageOf(space).frame) === stranger ? ('stranger' as const) : ('process' as const),
      overwritten: overwritten[i] ?? false,
      tlb: grantOfEntry(space.tlb(pageOf(space))) !== 'none',
      walk: grantOfEntry(space.walk(pageOf(space))?.entry) !== 'none',
      sync: domainSyncs[i] ?? 'none',
    })),
    endpoint: devices.map((device, i) => ({
      ste: written(machine, device),
      applied: applied(machine, device),
      ats: device.endpoint.atsEnabled,
      ...(device.endpoint.atsEnabled ? { atc: domainOf(machine, device.cached(iova)?.address) } : {}),
      requests: device.requests.map(({ answer, output, tagged }) => ({
        answer: answer === 'pending' || answer === 'no access' ? answer : ('translation' as const),
        of: domainOf(machine, output),
        tagged,
      })),
      writes: device.accesses.map((write) => ({ of: domainOf(machine, write.address) ?? -1 })),
      sync: endpointSyncs[i] ?? 'none',
    })),
    queue: {
      window: queue.window.map((placed) => commandOf(machine, placed)),
      behind: queue.behind.map((placed) =>
        placed.command.op === 'SYNC'
          ? { command: null, issuer: queue.issuerOf(placed.slot) ?? null }
          : { command: commandOf(machine, placed), issuer: null },
      ),
    },
  };
}

/** A command as the model has it. */
function commandOf({ spaces, devices }: Machine, { command, queued }: Placed): Whole<AbstractCommand> {
  const endpoint = devices.findIndex(({ streamId }) => 'sid' in command && command.sid === streamId);
  if (command.op === 'ATC_INV') {
    const device = devices[endpoint];
    const progress = queued === undefined || device === undefined ? 'queued' : device.progressOf(queued);
    return { op: 'atc-inv', domain: null, endpoint, progress: progress === 'received' ? progress : 'queued' };
  }
  if (command.op === 'CFGI_STE') return { op: 'cfgi', domain: null, endpoint, progress: 'queued' };
  return {
    op: 'tlbi',
    domain: spaces.findIndex((space) => space.isNamedBy(command)),
    endpoint: null,
    progress: 'queued',
  };
}

/** The domain that the Stream table entry in memory names. */
function written({ platform, spaces }: Machine, { streamId }: AtsDevice): number | null {
  const at = platform.streamTable.entryAddress(streamId) ?? 0n;
  return domainOfSte(spaces, steLayout.decode(platform.memory.read(at, steLayout.length)));
}

/** The domain that the SMMU goes by: that of the entry that it has cached, else of the one that it would fetch. */
function applied(machine: Machine, device: AtsDevice): number | null {
  const cached = machine.platform.smmu.configuration.entries.find(
    (entry) => entry.kind === 'STE' && entry.sid === device.streamId,
  );
  return cached?.kind === 'STE' ? domainOfSte(machine.spaces, cached.ste) : written(machine, device);
}

function domainOfSte(
  spaces: readonly AddressSpace[],
  ste: { readonly Config: number; readonly S1ContextPtr: bigint },
): number | null {
  if ((ste.Config & 0b100) === 0) return null;
  return orNull(spaces.findIndex((space) => space.streamTableEntry(true).S1ContextPtr === ste.S1ContextPtr));
}

/** The domain whose frame a physical address lies in. */
function domainOf({ spaces }: Machine, physical: bigint | undefined): number | null {
  if (physical === undefined) return null;
  return orNull(spaces.findIndex((space) => space.pageOfFrame(physical) !== undefined));
}

function writeSte({ platform, spaces }: Machine, { streamId }: AtsDevice, domain: unknown): void {
  const ste = domain === null ? { V: true, Config: 0 } : memberOf(spaces, domain).streamTableEntry(true);
  platform.writeSte(streamId, ste);
}

function consequence(machine: Machine): Consequence {
  const { platform, spaces, devices, harms } = machine;
  const configurations = devices.map((device) => configurationInWords(machine, device));
  return consequenceOf(platform, spaces, devices, harms, configurations);
}

/** How a function and its stream are configured. */
function configurationInWords(machine: Machine, device: AtsDevice): string {
  const { platform, spaces } = machine;
  const at = platform.streamTable.entryAddress(device.streamId) ?? 0n;
  const [first, second] = [platform.memory.readWord(at), platform.memory.readWord(at + 8n)] as const;
  const domainInWords = (member: number | null): string =>
    member === null ? 'lets nothing through' : `translates with ASID ${memberOf(spaces, member).asid}`;
  const [now, then] = [applied(machine, device), written(machine, device)];
  const same = now === then ? ', as the SMMU does' : `, while the one that the SMMU goes by ${domainInWords(now)}`;
  return (
    `ATS is ${device.endpoint.atsEnabled ? 'on' : 'off'} at ${device.name}, and its STE in memory ` +
    `(${address(first)} ${address(second)}) ${domainInWords(then)}${same}`
  );
}

export const atcInvalidationAttachLowering = lowering<Model, Machine, never>({
  model: atcInvalidationAttach,
  hardwareActors: ['smmu', 'endpoint'],
  notOnMachine: {
    'domain.invalidates': 'the invalidation list is a structure of the driver, which hardware never sees',
    'endpoint.atsNoted': 'the note that ATS is on is a structure of the driver',
    'endpoint.shared': 'whether another function needs ATS is why software does not clear Enable',
    changeDomain: 'how far a driver is in its procedure is software alone',
    unmap: 'how far a processor is in its procedure is software alone',
  },
  defects: [],
  build,
  software,
  hardware,
  abstract,
  consequence,
});

function pageOf({ pages }: AddressSpace): SpacePage {
  const [page] = pages;
  if (page === undefined) throw new RangeError('a domain has one page');
  return page;
}

function numberOf(member: unknown): number | null {
  return member === null ? null : Number(member);
}

function orNull(index: number): number | null {
  return index < 0 ? null : index;
}
