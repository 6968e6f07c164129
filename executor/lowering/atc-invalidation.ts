/**
 * `atc-invalidation` on the machine: a process whose pages lie in VMSAv8-64 tables in memory, endpoints with ATS whose StreamIDs
 * share its context descriptor, and one command queue.
 *
 * Each access of an endpoint has a traffic class of its own, so that PCIe orders them no more than the model does. A device
 * without ATS is attached to the process too: on its behalf the SMMU may walk the tables while every endpoint is cut off.
 */
import { match, P } from 'ts-pattern';
import { dropAtc } from '../host/invalidation.ts';
import type { ActionOf, StateOf } from '../../language/index.ts';
import { atcInvalidation, Endpoint, Page } from '../../model/atc-invalidation.ts';
import type { EndpointDefect } from '../pcie/defects.ts';
import type { Requester } from '../pcie/messages.ts';
import type { CommandToEncode } from '../smmuv3/commands.ts';
import type { SmmuDefect } from '../smmuv3/defects.ts';
import { steLayout } from '../smmuv3/stream-table-entry.ts';
import { harmOf } from './account.ts';
import { AddressSpace, grantOfEntry, isIn, pageSize, type SpacePage } from './address-space.ts';
import { accessOffset, AtsDevice, grantOfTranslation } from './ats-device.ts';
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

type Model = typeof atcInvalidation;
type State = StateOf<Model>;
type Read = Abstract<State>;
type Sync = State['page'] extends Iterable<infer P> ? (P extends { readonly sync: infer S } ? S : never) : never;
type Harmed = State['page'] extends Iterable<infer P> ? (P extends { readonly harm: infer H } ? H : never) : never;
type AbstractCommand = State['queue']['window'] extends Iterable<infer C> ? C : never;

/** How the machine is broken for a variant. */
type Broken =
  | { readonly part: 'endpoint'; readonly defect: EndpointDefect }
  | { readonly part: 'smmu'; readonly defect: SmmuDefect };

const process = 'process';
const stranger = 'stranger';
/** What the stranger writes into its frame: where devices read, and where they write. */
const secret = new TextEncoder().encode('a secret of the stranger');
/** Endpoints are at 00:01.0, 00:02.0 and so on, the device without ATS at 00:00.0. */
const streamIdOf = (endpoint: number): number => (endpoint + 1) * 8;
const otherStreamId = 0;

/** What the software side remembers of a page. */
interface Remembered {
  locked: boolean;
  sync: Sync;
  /** What the accesses so far have done to it that they must not. */
  harm: Harmed;
}

interface Machine {
  readonly platform: Platform;
  readonly space: AddressSpace;
  readonly devices: readonly AtsDevice[];
  readonly remembered: readonly Remembered[];
  /** For the sake of a page. */
  readonly queue: DriverQueue<number>;
  readonly harms: Harm[];
}

function build({ instance, initial, defects }: Setting<Model, Broken>): Machine {
  const platform = new Platform({ defects: defects.flatMap((one) => (one.part === 'smmu' ? one.defect : [])) });
  const pages = instance.context.members(Page).map((_, i) => ({
    iova: 0x7f00_0000_1000n + BigInt(i) * pageSize,
    frame: platform.frame(i + 1),
  }));
  const space = new AddressSpace(platform, { owner: process, asid: 1, pages, spare: platform.frame(0) });
  const devices = instance.context.members(Endpoint).map(
    (_, i) =>
      new AtsDevice(platform, {
        streamId: streamIdOf(i),
        name: `endpoint${i}`,
        byte: 0xe0 + i,
        defects: defects.flatMap((one) => (one.part === 'endpoint' ? one.defect : [])),
      }),
  );
  platform.writeSte(otherStreamId, space.streamTableEntry(false));
  for (const device of devices) {
    platform.writeSte(device.streamId, space.streamTableEntry(true));
    device.endpoint.enableAts();
    // The SMMU goes by what it has cached until it is told otherwise.
    platform.smmu.configuration.lookupSte(device.streamId);
  }
  for (const [i, { pte, frame }] of [...initial.page].entries()) {
    const page = memberOf(space.pages, i);
    space.setPte(page, pte);
    space.give(page, ownerOf(frame));
  }
  return {
    platform,
    space,
    devices,
    remembered: [...initial.page].map(({ locked, sync, harm }) => ({ locked, sync, harm })),
    queue: new DriverQueue(platform, (one, other) => one === other),
    harms: [],
  };
}

function software(machine: Machine, { before, after }: SoftwareStep<Model>): Refusal | undefined {
  const { platform, space } = machine;
  for (const [i, now] of [...after.page].entries()) {
    const then = [...before.page][i];
    const remembered = machine.remembered[i];
    if (then === undefined || remembered === undefined || now === then) continue;
    const page = memberOf(space.pages, i);
    if (now.pte !== then.pte) space.setPte(page, now.pte);
    if (ownerOf(now.frame) !== ownerOf(then.frame)) space.give(page, ownerOf(now.frame));
    if (now.frame === 'stranger wrote') {
      for (const offset of Object.values(accessOffset)) platform.memory.write(page.frame + offset, secret);
    }
    remembered.locked = now.locked;
    remembered.sync = now.sync;
  }
  machine.queue.submit(
    added(before.queue, after.queue).map(({ command, issuer }) => {
      // A CFGI_STE is queued for the sake of a page, which the command itself does not say.
      const sake = command?.page ?? issuer;
      return { command: command && encode(machine, command), issuer: sake === null ? null : Number(sake) };
    }),
  );
  return undefined;
}

function encode({ platform, space, devices }: Machine, command: AbstractCommand): CommandToEncode {
  const page = memberOf(space.pages, command.page);
  if (command.op === 'tlbi') return only(space.tlbiOf(page));
  const { streamId: sid } = memberOf(devices, command.endpoint);
  if (command.op === 'atc-inv') return dropAtc({ sid }, { input: page.iova, length: pageSize });
  // The entry aborts from now on in memory, and in the SMMU once CFGI_STE is complete.
  platform.writeSte(sid, { V: true, Config: 0 });
  return { op: 'CFGI_STE', sid, leaf: true };
}

function hardware(machine: Machine, action: ActionOf<Model>): Refusal | undefined {
  const { space, devices } = machine;
  const page = (member: unknown): SpacePage => memberOf(space.pages, member);
  const device = (member: unknown): AtsDevice => memberOf(devices, member);
  return match(action)
    .with({ type: 'walk' }, (walk) =>
      space.beginWalk(page(walk.page), requesters(machine)) ? undefined : refuse('no walk finds a valid PTE'),
    )
    .with({ type: 'insert' }, (insert) =>
      space.insertWalk(page(insert.page)) ? undefined : refuse('no walk of the page is in flight'),
    )
    .with({ type: 'evictTlb' }, (evict) => (space.evict(page(evict.page)) ? undefined : refuse('the TLB has no entry')))
    .with({ type: 'answer' }, (answer) =>
      answerRequest(machine, device(answer.endpoint), page(answer.page), answer.answer),
    )
    .with({ type: 'completeTlbi' }, (tlbi) =>
      machine.queue.perform((command) => space.pageOfTlbi(command) === page(tlbi.page)),
    )
    .with({ type: 'completeCfgi' }, (cfgi) =>
      machine.queue.perform((command) => command.op === 'CFGI_STE' && command.sid === device(cfgi.endpoint).streamId),
    )
    .with({ type: 'completeSync' }, () => completeSync(machine))
    .with({ type: 'timeOut' }, (late) => device(late.endpoint).timeOut(page(late.page).iova))
    .with({ type: 'requestTranslation' }, (request) =>
      refusalOf(device(request.endpoint).endpoint.requestTranslation({ address: page(request.page).iova })),
    )
    .with({ type: 'receiveCompletion' }, (receive) => {
      const { iova } = page(receive.page);
      const first = device(receive.endpoint)
        .requests.filter((request) => request.iova === iova && request.answer !== 'pending')
        .toSorted(
          (a, b) => answers.indexOf(a.answer) - answers.indexOf(b.answer) || Number(a.tagged) - Number(b.tagged),
        )[0];
      if (first === undefined) return refuse('no completion is on its way');
      return refusalOf(device(receive.endpoint).endpoint.receiveCompletion(first.id));
    })
    .with({ type: 'evictAtc' }, (evict) => device(evict.endpoint).evict(page(evict.page).iova))
    .with({ type: 'receiveInvalidation' }, (receive) =>
      device(receive.endpoint).receiveInvalidation(page(receive.page).iova),
    )
    .with({ type: 'acknowledge' }, (answered) => device(answered.endpoint).acknowledge(page(answered.page).iova))
    .with({ type: 'issueTranslated' }, (issue) => {
      const from = device(issue.endpoint);
      const { iova } = page(issue.page);
      const through = from.cached(iova);
      return through === undefined
        ? refuse('the ATC has no entry')
        : refusalOf(from.issue(issue.kind, iova, space.owner, through));
    })
    .with({ type: 'acceptTranslated' }, (accept) => {
      const from = device(accept.endpoint);
      const under = from.accesses.find(
        ({ kind, stage, address }) =>
          kind === accept.kind && stage === 'on the link' && space.pageOfFrame(address) === page(accept.page),
      );
      return under === undefined ? refuse('it is not on the link') : refusalOf(from.endpoint.admit(under.id));
    })
    .with({ type: 'translate' }, (translate) => {
      const from = device(translate.endpoint);
      const issued = from.issue(translate.kind, page(translate.page).iova, space.owner, undefined);
      if (!issued.done) return refuse(issued.why);
      const admitted = from.endpoint.admit(issued.value);
      if (!admitted.done) return refuse(admitted.why);
      const { outcome: came } = admitted.value;
      return came === 'admitted' ? undefined : refuse(`the SMMU does not pass it: ${came}`);
    })
    .with({ type: 'reachMemory' }, (reach) =>
      reachMemory(machine, device(reach.endpoint), Number(reach.page), reach.kind, reach.stage),
    )
    .with(
      { type: P.union('changeMapping', 'map', 'upgrade', 'giveToStranger', 'strangerWrites', 'strangerFrees') },
      bySoftware,
    )
    .exhaustive();
}

/** In the order of the model's bags, of which a step takes the first that fits. */
const answers = ['pending', 'no access', 'read-only', 'read-write'] as const;

/** The streams on whose behalf the SMMU may walk the tables of the process. */
function requesters({ devices }: Machine): readonly Requester[] {
  return [...devices.map(({ streamId }) => ({ streamId })), { streamId: otherStreamId }];
}

/** The SMMU answers from its TLB, or from a walk that is in flight, or with what a walk finds now. */
function answerRequest(machine: Machine, device: AtsDevice, page: SpacePage, wanted: string): Refusal | undefined {
  const { space } = machine;
  const request = device.requests
    .filter(({ iova, answer }) => iova === page.iova && answer === 'pending')
    .toSorted((a, b) => Number(a.tagged) - Number(b.tagged))[0];
  if (request === undefined) return refuse('no Translation Request is waiting');
  const deliver = (): Refusal | undefined => refusalOf(device.endpoint.deliver(request.id));
  const walk = space.walk(page);
  const isOfWalk =
    walk !== undefined && grantOfEntry(walk.entry) === wanted && grantOfEntry(space.tlb(page)) !== wanted;
  return isOfWalk ? space.throughWalk(walk, deliver) : deliver();
}

/** CMD_SYNC completes or fails, and the driver tells the processor that waits for it, unless that waits for a later one too. */
function completeSync({ queue, remembered }: Machine): Refusal | undefined {
  const result = queue.completeSync();
  if ('refused' in result) return result;
  const waiting = result.issuer === undefined ? undefined : remembered[result.issuer];
  if (waiting !== undefined && result.isAwaited) waiting.sync = result.failed ? 'failed' : 'done';
  return undefined;
}

function reachMemory(
  machine: Machine,
  device: AtsDevice,
  member: number,
  kind: 'read' | 'write',
  stage: 'accepted' | 'translated',
): Refusal | undefined {
  const { platform, space, remembered } = machine;
  const page = memberOf(space.pages, member);
  const under = device.accesses.find(
    (one) => one.kind === kind && one.stage === stage && pageOfAccess(space, one) === page,
  );
  if (under === undefined) return refuse('it is not past the SMMU');
  const earlier = platform.memory.accesses.length;
  const reached = device.endpoint.reachMemory(under.id);
  if (!reached.done) return refuse(reached.why);
  const state = remembered[member];
  const pte = space.pte(page);
  for (const access of platform.memory.accesses.slice(earlier)) {
    const isForeign = access.owner === stranger && isIn(page, access);
    const isUnprotected = kind === 'write' && pte === 'read-only' && state?.locked === false;
    let harm: Harmed | undefined;
    if (kind === 'write' && isForeign) harm = 'overwritten';
    if (kind === 'read' && isForeign && holdsSecret(access.before)) harm = 'leaked';
    if (isUnprotected) harm = 'written while read-only';
    if (harm === undefined || state === undefined) continue;
    state.harm = harm;
    machine.harms.push(harmOf(access, accessInWords(access, device, page, { stage, pte, on: process })));
  }
  return undefined;
}

function abstract(machine: Machine): Read {
  const { platform, space, devices, remembered, queue } = machine;
  return {
    page: space.pages.map((page, i) => {
      const { sync = 'none', harm = 'none' } = remembered[i] ?? {};
      return {
        pte: space.pte(page),
        frame: frameOf(machine, page),
        harm,
        tlb: grantOfEntry(space.tlb(page)),
        walk: grantOfEntry(space.walk(page)?.entry),
        sync,
      };
    }),
    endpoint: devices.map((device) => {
      const isCutOff = applies(platform, device.streamId) === 'abort';
      return {
        ste: isCutOff ? ('abort' as const) : ('translate' as const),
        // An endpoint that was cut off is followed no longer: the SMMU refuses whatever it sends.
        atc: space.pages.map(({ iova }) => ({
          entry: isCutOff ? ('none' as const) : grantOfTranslation(device.cached(iova)),
        })),
        requests: isCutOff
          ? []
          : device.requests.map(({ iova, answer, tagged }) => ({ page: memberAt(space, iova), answer, tagged })),
        accesses: device.accesses.map((access) => ({
          page: space.pages.indexOf(pageOfAccess(space, access) as SpacePage),
          kind: access.kind,
          stage: access.stage,
        })),
      };
    }),
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
function commandOf({ space, devices, queue }: Machine, { command, slot, queued }: Placed): Whole<AbstractCommand> {
  const endpoint = devices.findIndex(({ streamId }) => 'sid' in command && command.sid === streamId);
  if (command.op === 'ATC_INV') {
    const device = devices[endpoint];
    const progress = queued === undefined || device === undefined ? 'queued' : device.progressOf(queued);
    return { op: 'atc-inv', page: memberAt(space, command.address), endpoint, progress };
  }
  if (command.op === 'CFGI_STE') return { op: 'cfgi', page: queue.issuerOf(slot) ?? -1, endpoint, progress: 'queued' };
  return { op: 'tlbi', page: indexOfPage(space, space.pageOfTlbi(command)), endpoint: null, progress: 'queued' };
}

/** What the SMMU does with a stream: by the entry that it has cached, else by the one that it would fetch. */
function applies({ smmu, memory, streamTable }: Platform, streamId: number): 'translate' | 'abort' {
  const cached = smmu.configuration.entries.find((entry) => entry.kind === 'STE' && entry.sid === streamId);
  const address = streamTable.entryAddress(streamId) ?? 0n;
  const { Config } = cached?.kind === 'STE' ? cached.ste : steLayout.decode(memory.read(address, steLayout.length));
  return (Config & 0b100) === 0 ? 'abort' : 'translate';
}

function frameOf(
  { platform: { memory } }: Machine,
  { frame }: SpacePage,
): 'process' | 'free' | 'stranger' | 'stranger wrote' {
  const owner = memory.ownerOf(frame);
  if (owner === process) return 'process';
  if (owner === undefined) return 'free';
  return holdsSecret(memory.read(frame + accessOffset.read, secret.length)) ? 'stranger wrote' : 'stranger';
}

function holdsSecret(bytes: Uint8Array): boolean {
  return secret.every((byte, i) => bytes[i] === byte);
}

function consequence({ platform, space, devices, harms }: Machine): Consequence {
  return consequenceOf(platform, [space], devices, harms);
}

export const atcInvalidationLowering = lowering<Model, Machine, Broken>({
  model: atcInvalidation,
  hardwareActors: ['smmu', 'endpoint', 'memory'],
  notOnMachine: {
    'page.locked': 'the page-table lock is software alone: it decides when a write to a read-only page is a violation',
    changeMapping: 'how far a processor is in its procedure is software alone',
  },
  defects: [
    {
      action: 'acknowledge',
      part: 'older posted writes went ahead of it',
      edit: 'drop',
      defect: { part: 'endpoint', defect: 'acknowledgesBeforeWrites' },
      why: 'the Invalidate Completion passes posted writes',
    },
    {
      action: 'completeTlbi',
      part: 'accesses that it translated are in memory',
      edit: 'drop',
      defect: { part: 'smmu', defect: 'syncIgnoresTransactions' },
      why: 'CMD_SYNC does not wait for transactions that used what TLBI dropped',
    },
  ],
  build,
  software,
  hardware,
  abstract,
  consequence,
});

function ownerOf(frame: 'process' | 'free' | 'stranger' | 'stranger wrote'): string | undefined {
  if (frame === 'free') return undefined;
  return frame === 'process' ? process : stranger;
}

function indexOfPage({ pages }: AddressSpace, page: SpacePage | undefined): number {
  return page === undefined ? -1 : pages.indexOf(page);
}

function memberAt(space: AddressSpace, iova: bigint): number {
  return indexOfPage(space, space.pageAt(iova));
}

function pageOfAccess(
  space: AddressSpace,
  { stage, address, flight }: AtsDevice['accesses'][number],
): SpacePage | undefined {
  return stage === 'translated' || !flight.request.translated ? space.pageAt(address) : space.pageOfFrame(address);
}

function only<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined || items.length !== 1) throw new Error(`one command is expected, not ${items.length}`);
  return item;
}
