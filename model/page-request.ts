/**
 * Page requests from an endpoint with ATS and PRI, through the SMMU's PRI queue and the IRQ thread to the fault workers and
 * back as responses, while address spaces are bound, unbound and their PASID is given to the next. (PRI-01..03, PRI-07..16,
 * PRI-19..25, PRI-28..35, IOPF-01..10, IOPF-13..17, IOPF-19, HOST-01, HOST-03, HOST-05..07, HOST-13..16, PRIEN-02)
 *
 * Scope: one endpoint function; processes that bind one after the other, or at once where there are more PASIDs; Page Request
 * Groups of one or two requests; one PRI queue. The device's fault parameters, its removal from the fault queue, user-space
 * handlers and locks are `page-request/removal`; what a page's mapping does after the response is `page-request/retry`; devices that
 * stall instead are `page-request/stall`.
 *
 * Atomicity: one message sent, taken into the queue or refused; one record taken from the queue; what is decided about it; the
 * handling of one fault, with the mm taken before and dropped after; one response queued, and its arrival; one step of binding
 * or unbinding. The order is that of iommu_sva_bind_device, arm_smmu_remove_dev_pasid, intel_iommu_drain_pasid_prq and
 * iommu_report_device_fault; the lists of one device are changed under its lock, so each change is one step.
 *
 * Two kinds of endpoint: one completes a PASID stop after all its responses have come, the other at once, and sends a Stop Marker
 * later, perhaps when the PASID is already somebody else's, but before requests of that one (PRI-30). Both have pushed their
 * requests to the SMMU by then (PRI-29): what tells the driver that the stop is complete travels behind them.
 *
 * The unbind of this model waits for a number of records, those that were queued when it began, and not for an empty queue,
 * which another PASID can keep filled (IOPF-10). It waits for an overflow that it has seen to be handled, as VT-d does: only
 * then no partial group of its own is left (PRI-34).
 *
 * Abstracted away, and why no bug hides there:
 * - Clearing the context descriptor, CFGI, TLBI and ATC_INV are one step. Their order is `atc-invalidation`'s; nothing that
 *   travels the page-request path reads them.
 * - Two pages of an address space, one that can be made available and one that cannot, stand for all: a fault changes nothing
 *   else in an mm. Whether its mapping is there later is of no matter here (PRI-07, PRI-08).
 * - The link keeps the order of requests, which are posted. Responses are commands between two CMD_SYNCs, and come in any order.
 * - An endpoint that sends a request but the last of a group keeps a credit for the last; one that does not can only lock up itself.
 * - At most one interrupt of the queue is pending: the handler is threaded and one-shot.
 *
 * Fairness: the link delivers, the SMMU queues or refuses, the IRQ thread and the workers run, responses arrive, an unbind
 * once begun runs, and a device ends the group that it began and the stop that it was asked for (weak, all of them). Nobody
 * has to ask for pages, to unbind, or to exit.
 *
 * Constants: `unbinds`: how many processes unbind, the first ones. `asks`: how many groups the device begins for each process (0: no bound). `rid` 1: address spaces may also be attached to the RID, whose requests carry no PASID. `nonsense` 1: the Last of a group may be one
 * that no driver takes, 2: any request may be. `memory` 1: allocations may fail. `stop`: which endpoints there are
 * (0 the first kind, 1 the second, 2 both are explored). `needsPasid`: whether responses must carry the PASID (0 no,
 * 1 yes, 2 both are explored). `ppar` 0: STE.PPAR is clear whatever the endpoint wants. Real systems that differ: `refusal` 1 answers a refused request even if it is not the Last
 * (Linux 7.0, iommu_report_device_fault), 2 answers Response Failure to each (Linux 7.0, amd/ppr.c); `failure` 1 answers Response
 * Failure where there is no memory (Linux 7.0); `markers` 1 takes a request without PASID, R and W for a Stop Marker (Linux 7.0,
 * intel/prq.c); `denies` 1 has no use for page requests and denies each Last (Linux 7.0, arm_smmu_handle_ppr); `forgets` 1
 * drops a request but the Last that no driver takes, and its group may succeed without it (Linux 7.0, handle_bad_prq_event).
 */
import {
  bag,
  bool,
  each,
  type Frozen,
  type Member,
  model,
  oneOf,
  optional,
  queue,
  range,
  type ReadonlyBag,
  type ReadonlyQueue,
  sort,
  type Value,
} from '../language/index.ts';
import { isStopMarker, pageRequest, pageResponse, wanted } from './parts/page-request.ts';

export const Process = sort('process', { ordered: true });
export const Pasid = sort('pasid');
/** Page Request Group indices. */
export const Group = sort('group');
/** Memory for a group that is handled. */
export const Slot = sort('slot');

const request = pageRequest({ group: Group, pasid: Pasid, process: Process });
export type Request = Frozen<Value<typeof request>>;
const response = pageResponse({ group: Group, pasid: Pasid });

/** A request that is stored until its Last comes. `bad`: no driver takes it, and its group must fail. */
const storedRequest = { ...request, bad: bool };
export type Partial = Frozen<Value<typeof storedRequest>>;

/** A fault of a group as it is kept in memory. */
const fault = { of: optional(Process), epoch: bool, bad: bool };

const attachment = { owner: optional(Process), handler: optional(Process) };

const slotFields = {
  at: oneOf('free', 'queued', 'running'),
  /** On the device's list of groups without response. */
  pending: bool,
  group: optional(Group),
  pasid: optional(Pasid),
  /** The address space whose handler took it. */
  target: optional(Process),
  epoch: bool,
  first: optional(fault),
  last: optional(fault),
  /** How many of its faults were handled, and whether one of them failed. */
  handled: range(0, 2),
  refused: bool,
};

/** What is attached to a PASID, or to the RID. */
function attachedTo<A>(
  s: { readonly pasid: Readonly<Record<Member<'pasid'>, A>>; readonly rid: A },
  pasid: Request['pasid'],
): A {
  return pasid === null ? s.rid : s.pasid[pasid];
}

/** An epoch that no message of a group index still has: `false` if none is anywhere, so that equal states are one. */
function nextEpoch(
  s: {
    readonly records: ReadonlyQueue<Request>;
    readonly taken: Request | null;
    readonly partial: ReadonlyBag<Partial>;
    readonly responses: ReadonlyBag<Frozen<Value<typeof response>>>;
    readonly group: Readonly<Record<Member<'group'>, { readonly epoch: boolean }>>;
  },
  group: Member<'group'>,
): boolean {
  const has = (epoch: boolean): boolean => {
    const old = (item: { readonly group: Request['group']; readonly epoch: boolean }): boolean =>
      item.group === group && item.epoch === epoch;
    return s.partial.some(old) || s.records.some(old) || s.responses.some(old) || (s.taken !== null && old(s.taken));
  };
  return has(false) && !(has(true) && s.group[group].epoch);
}

/** Makes a group of the request that was taken and its partials, and queues it for a worker. */
export function collect(
  s: {
    readonly taken: Request | null;
    readonly found: Request['of'];
    readonly partial: ReadonlyBag<Partial>;
    readonly slot: Record<Member<'slot'>, Value<typeof slotFields>>;
  },
  into: Member<'slot'>,
): void {
  const { taken, found, partial } = s;
  if (taken === null) return;
  const first = partial.find(({ group }) => group === taken.group);
  s.slot[into] = {
    at: 'queued',
    pending: true,
    group: taken.group,
    pasid: taken.pasid,
    target: found,
    epoch: taken.epoch,
    first: first === undefined ? null : { of: first.of, epoch: first.epoch, bad: first.bad },
    last: { of: taken.of, epoch: taken.epoch, bad: false },
    handled: 0,
    refused: false,
  };
}

/** The model. */
export const pageRequests = model({
  name: 'page-request',
  doc: 'An endpoint asks for pages with PRI while address spaces are bound, unbound, and their PASID is reused.',
  sizes: {
    smoke: {
      process: 2,
      unbinds: 1,
      asks: 1,
      pasid: 1,
      group: 1,
      slot: 1,
      link: 1,
      queue: 1,
      rid: 0,
      nonsense: 2,
      memory: 1,
      needsPasid: 1,
      ppar: 1,
      stop: 2,
      refusal: 0,
      failure: 0,
      markers: 0,
      denies: 0,
      forgets: 0,
    },
    rid: {
      process: 2,
      unbinds: 1,
      asks: 1,
      pasid: 1,
      group: 1,
      slot: 1,
      link: 1,
      queue: 1,
      rid: 1,
      nonsense: 0,
      memory: 0,
      needsPasid: 1,
      ppar: 1,
      stop: 0,
      refusal: 0,
      failure: 0,
      markers: 0,
      denies: 0,
      forgets: 0,
    },
    ci: {
      process: 2,
      unbinds: 2,
      asks: 0,
      pasid: 1,
      group: 1,
      slot: 1,
      link: 1,
      queue: 1,
      rid: 0,
      nonsense: 1,
      memory: 1,
      needsPasid: 1,
      ppar: 1,
      stop: 2,
      refusal: 0,
      failure: 0,
      markers: 0,
      denies: 0,
      forgets: 0,
    },
    deep: {
      process: 2,
      unbinds: 2,
      asks: 1,
      pasid: 1,
      group: 2,
      slot: 2,
      link: 1,
      queue: 2,
      rid: 0,
      nonsense: 2,
      memory: 1,
      needsPasid: 1,
      ppar: 1,
      stop: 2,
      refusal: 0,
      failure: 0,
      markers: 0,
      denies: 0,
      forgets: 0,
    },
  },
  state: ({ size, members }) => ({
    endpoint: {
      /** When its PASID stop completes. */
      stop: oneOf('after all responses', 'at once, with a marker'),
      /** PRG Response PASID Required. */
      needsPasid: bool,
      /** Whether PRI works, or has been turned off by a Response Failure. */
      pri: oneOf('on', 'failed'),
      /** UPRGI: a response came for a group that is not outstanding. */
      unexpected: bool,
      /** Requests that it may still send (Outstanding Page Request Allocation). */
      credits: range(0, members(Group).length * 2),
    },
    group: each(Group, {
      /** `open`: its Last is still to be sent. `waiting`: for the response. */
      at: oneOf('free', 'open', 'waiting'),
      of: optional(Process),
      pasid: optional(Pasid),
      epoch: bool,
      requests: range(0, 2),
      /** Whether one of its requests was dropped in an overflow, and whether one is such that no driver takes it. */
      dropped: bool,
      bad: bool,
    }),
    process: each(Process, {
      attached: bool,
      /** The PASID that it is attached to; the RID if there is none. */
      pasid: optional(Pasid),
      /** Whether the device has work of it, and how many groups it has begun for it, where that is bounded. */
      works: bool,
      begun: range(0, size.asks),
      stop: oneOf('none', 'asked', 'complete'),
      /** A Stop Marker is still to be sent. */
      marker: bool,
      /** How many records the unbind still waits for, and whether for an overflow. */
      drain: range(0, size.queue + 1),
      overflow: bool,
    }),
    /** For each PASID its owner, and whose faults the handler that is installed for it serves. */
    pasid: each(Pasid, attachment),
    rid: attachment,

    link: queue(size.link, request),
    /** The PRI queue. */
    records: queue(size.queue, request),
    /** OVFLG differs from OVACKFLG. */
    overflow: bool,
    interrupt: bool,
    /** STE.PPAR: automatic responses carry the PASID. */
    ppar: bool,
    responses: bag(members(Group).length + 1, response),

    /** The record that the IRQ thread has in hands, and the handler that it found for it. */
    taken: optional(request),
    found: optional(Process),
    /** Requests whose Last has not come yet. */
    partial: bag(members(Group).length + 1, storedRequest),
    /** Groups that are handled, each by a worker of its own. */
    slot: each(Slot, slotFields),
  }),
  initial: {
    choose: { stop: oneOf('after all responses', 'at once, with a marker'), needsPasid: bool },
    when: (_s, { stop, needsPasid }, { size }) =>
      (size.needsPasid === 2 || needsPasid === (size.needsPasid === 1)) &&
      (size.stop === 2 || (stop === 'at once, with a marker') === (size.stop === 1)),
    then: (s, { stop, needsPasid }, { members, size }) => {
      s.endpoint.stop = stop;
      s.endpoint.needsPasid = needsPasid;
      s.endpoint.credits = members(Group).length * 2;
      s.ppar = needsPasid && size.ppar > 0;
    },
  },

  actions: ({ action, procedure, index, size }) => ({
    // The endpoint.
    ask: action(
      { process: Process, group: Group, last: bool, wants: size.rid > 0 ? wanted : oneOf('access') },
      {
        actor: 'endpoint',
        doc: 'the first request of a group, which may be its Last: the ATC has no translation that allows the access',
        source: ['PRI-01', 'PRI-02', 'PRI-03', 'PRI-08', 'PRI-30'],
        when: {
          'it has work': (s, { process }) => s.process[process].works,
          'not all groups that are explored were begun': (s, { process }) =>
            size.asks === 0 || s.process[process].begun < size.asks,
          'no Stop Marker of its PASID is owed': (s, { process }) =>
            s.process.every(({ marker, pasid }) => !marker || pasid !== s.process[process].pasid),
          'PRI is on': (s) => s.endpoint.pri === 'on',
          'no response was unexpected (what comes after is of no interest)': (s) => !s.endpoint.unexpected,
          'the index is free': (s, { group }) => s.group[group].at === 'free',
          'it has credits': (s, { last }) => s.endpoint.credits >= (last ? 1 : 2),
          'the link has room': (s) => !s.link.isFull,
          'it is no Stop Marker': (s, { process, last, wants }) =>
            wants !== 'nothing' || (last && s.process[process].pasid === null),
        },
        then: {
          'begin a group': (s, { process, group, last }) => {
            const begun = s.group[group];
            begun.at = last ? 'waiting' : 'open';
            begun.of = process;
            begun.pasid = s.process[process].pasid;
            begun.epoch = nextEpoch(s, group);
          },
          'count it': (s, { process }) => {
            if (size.asks > 0) s.process[process].begun++;
          },
          'take a credit': (s, { group }) => {
            s.endpoint.credits--;
            s.group[group].requests++;
          },
          'send the request': (s, { process, group, last, wants }) => {
            const { pasid, epoch } = s.group[group];
            s.link.push({ group, pasid, last, wants, of: process, epoch });
          },
        },
      },
    ),
    askLast: action(
      { group: Group },
      {
        actor: 'endpoint',
        doc: 'the Last request of a group that was begun',
        source: 'PRI-02',
        fairness: 'weak',
        when: {
          'the group is open': (s, { group }) => s.group[group].at === 'open',
          'PRI is on': (s) => s.endpoint.pri === 'on',
          'the link has room': (s) => !s.link.isFull,
        },
        then: {
          'end the group': (s, { group }) => {
            s.group[group].at = 'waiting';
          },
          'take a credit': (s, { group }) => {
            s.endpoint.credits--;
            s.group[group].requests++;
          },
          'send the request': (s, { group }) => {
            const { of, pasid, epoch } = s.group[group];
            s.link.push({ group, pasid, last: true, wants: 'access', of, epoch });
          },
        },
      },
    ),
    completeStop: action(
      { process: Process },
      {
        actor: 'endpoint',
        source: ['PRI-29', 'PRI-30', 'HOST-14'],
        fairness: 'weak',
        when: {
          'a stop was asked for': (s, { process }) => s.process[process].stop === 'asked',
          'no group of it is open': (s, { process }) =>
            s.group.every(({ at, of }) => at !== 'open' || of !== process || s.endpoint.pri === 'failed'),
          'the link is empty of its PASID': (s, { process }) =>
            s.link.every(({ pasid }) => pasid !== s.process[process].pasid),
          'its responses have come, if it waits for them': (s, { process }) =>
            s.endpoint.stop === 'at once, with a marker' ||
            s.endpoint.pri === 'failed' ||
            s.group.every(({ at, of }) => at !== 'waiting' || of !== process),
        },
        then: {
          'complete the stop': (s, { process }) => {
            s.process[process].stop = 'complete';
          },
          'owe a marker': (s, { process }) => {
            const { pasid } = s.process[process];
            s.process[process].marker = s.endpoint.stop === 'at once, with a marker' && pasid !== null;
          },
        },
      },
    ),
    sendMarker: action(
      { process: Process, pasid: Pasid },
      {
        actor: 'endpoint',
        doc: 'the Stop Marker comes behind all requests of the PASID, perhaps long after the stop was complete; it is of no process',
        source: ['PRI-30', 'PRI-31'],
        fairness: 'weak',
        when: {
          'a marker is owed': (s, { process }) => s.process[process].marker,
          'it is for this PASID': (s, { process, pasid }) => s.process[process].pasid === pasid,
          'the link has room': (s) => !s.link.isFull,
        },
        then: {
          'send the marker': (s, { process, pasid }) => {
            s.link.push({ group: null, pasid, last: true, wants: 'nothing', of: null, epoch: false });
            s.process[process].marker = false;
          },
        },
      },
    ),
    receiveResponse: action(
      { group: optional(Group), epoch: bool, automatic: bool },
      {
        actor: 'endpoint',
        doc: 'after a Response Failure the function expects no responses and ignores those that still come',
        source: ['PRI-10', 'PRI-11', 'PRI-12', 'PRI-13', 'PRI-15', 'PRI-32'],
        fairness: 'weak',
        when: {
          'a response is under way': (s, { group, epoch, automatic }) =>
            s.responses.has((r) => r.group === group && r.epoch === epoch && r.automatic === automatic),
        },
        then: {
          'end the group that it matches': (s, { group, epoch, automatic }) => {
            const { code, pasid } = s.responses.remove(
              (r) => r.group === group && r.epoch === epoch && r.automatic === automatic,
            );
            if (s.endpoint.pri === 'failed') return;
            const ended = group === null ? null : s.group[group];
            const matches =
              ended !== null && ended.at === 'waiting' && (!s.endpoint.needsPasid || pasid === ended.pasid);
            if (ended === null || !matches) {
              s.endpoint.unexpected = true;
              return;
            }
            if (code === 'Response Failure') s.endpoint.pri = 'failed';
            s.endpoint.credits += ended.requests;
            ended.at = 'free';
            ended.of = null;
            ended.pasid = null;
            ended.requests = 0;
            ended.dropped = false;
            ended.bad = false;
          },
        },
      },
    ),

    // The SMMU.
    queueRecord: action(
      {},
      {
        actor: 'smmu',
        source: ['HOST-01', 'HOST-03', 'PRI-22'],
        fairness: 'weak',
        when: {
          'a request is on the link': (s) => !s.link.isEmpty,
          'the queue has room': (s) => !s.records.isFull,
          'no overflow is active': (s) => !s.overflow,
        },
        then: {
          'raise the interrupt if the queue was empty': (s) => {
            if (s.records.isEmpty) s.interrupt = true;
          },
          'write the record': (s) => {
            s.records.push(s.link.shift());
          },
        },
      },
    ),
    overflowRecord: action(
      {},
      {
        actor: 'smmu',
        doc: 'a request finds the queue full, or an overflow active: only the Last is answered, and with Success',
        source: ['PRI-16', 'PRI-19', 'PRI-20', 'HOST-03', 'PRIEN-02'],
        fairness: 'weak',
        when: {
          'a request is on the link': (s) => !s.link.isEmpty,
          'it cannot be queued': (s) => s.records.isFull || s.overflow,
          'a response can be sent': (s) => !s.responses.isFull,
        },
        then: {
          'set the overflow flag': (s) => {
            s.overflow = true;
          },
          'note what is dropped': (s) => {
            const { group } = s.link.head;
            if (group !== null) s.group[group].dropped = true;
          },
          'answer the Last': (s) => {
            const { group, pasid, last, epoch, ...dropped } = s.link.head;
            if (!last || isStopMarker({ pasid, last, ...dropped })) return;
            s.responses.add({ group, pasid: s.ppar ? pasid : null, code: 'Success', epoch, automatic: true });
          },
          'drop the request': (s) => {
            s.link.shift();
          },
        },
      },
    ),

    // The IRQ thread.
    handleQueue: procedure(
      {},
      {
        actor: 'irq thread',
        doc: 'takes records from the PRI queue and makes groups of them',
        fairness: 'weak',
        repeat: true,
        locals: { seen: range(0, size.queue), sane: bool },
        steps: ({ step, branch, loop }) => [
          step('wait for the interrupt', {
            when: { 'it is pending': (s) => s.interrupt },
            then: {
              'acknowledge it': (s) => {
                s.interrupt = false;
              },
            },
          }),
          step('read PROD', {
            source: ['HOST-01', 'PRI-26'],
            then: {
              'see what is queued': (s, _p, me) => {
                me.seen = s.records.length;
              },
            },
          }),
          loop('records are seen', {
            fused: true,
            while: (_s, _p, me) => me.seen > 0,
            do: [
              step('take a record', {
                source: ['HOST-02', 'PRI-24'],
                choose: { sane: bool },
                when: {
                  'a Last may be nonsense': ({ records }, { sane }) =>
                    sane || size.nonsense > 1 || (size.nonsense === 1 && records.head.last),
                  'a Stop Marker is not': ({ records }, { sane }) => sane || !isStopMarker(records.head),
                },
                then: {
                  'check its address and what it asks for': (_s, { sane }, me) => {
                    me.sane = sane;
                  },
                  'copy the record': (s) => {
                    s.taken = { ...s.records.head };
                  },
                  'note what no driver takes': (s, { sane }) => {
                    const { group: of, epoch } = s.records.head;
                    const group = of === null ? null : s.group[of];
                    if (!sane && group !== null && group.at !== 'free' && group.epoch === epoch) group.bad = true;
                  },
                  'find the handler, unless it is a Stop Marker': (s) => {
                    const { taken } = s;
                    s.found = taken === null || isStopMarker(taken) ? null : attachedTo(s, taken.pasid).handler;
                  },
                  'publish CONS': (s, _p, me) => {
                    s.records.shift();
                    me.seen--;
                  },
                },
              }),
              branch('it is a Stop Marker', {
                fused: true,
                if: ({ taken }) =>
                  size.denies === 0 &&
                  taken !== null &&
                  (isStopMarker(taken) || (size.markers === 1 && taken.last && taken.wants === 'nothing')),
                then: [step('discard the marker', { source: ['IOPF-07', 'PRI-25', 'PRI-31'] })],
                else: [
                  branch('it is refused', {
                    fused: true,
                    if: (s, _p, me) =>
                      size.denies > 0 || s.found === null || (!me.sane && (s.taken?.last === true || size.refusal > 0)),
                    then: [
                      step('refuse the request', {
                        doc: 'nobody handles its PASID, or it is a Last that no driver takes: its address is not canonical, say',
                        source: ['IOPF-01', 'IOPF-16', 'IOPF-17', 'PRI-17', 'PRI-28', 'HOST-07'],
                        when: { 'the command queue has room': (s) => !s.responses.isFull },
                        then: {
                          'forget its partials': (s) => {
                            const { taken, partial } = s;
                            if (taken?.last === true) partial.removeAll(({ group }) => group === taken.group);
                          },
                          'answer it': (s) => {
                            if (s.taken === null || !(s.taken.last || size.refusal > 0)) return;
                            const { group, pasid, epoch } = s.taken;
                            s.responses.add({
                              group,
                              pasid: s.endpoint.needsPasid ? pasid : null,
                              code: size.refusal === 2 || size.denies > 0 ? 'Response Failure' : 'Invalid Request',
                              epoch,
                              automatic: false,
                            });
                          },
                        },
                      }),
                    ],
                    else: [
                      branch('it is not the Last', {
                        fused: true,
                        if: ({ taken }) => taken?.last === false,
                        then: [
                          step('store the partial', {
                            doc: 'one that no driver takes is stored as well: it gets no answer, and its group must not succeed',
                            source: ['IOPF-02', 'IOPF-16', 'PRI-09', 'PRI-24'],
                            then: {
                              'put it on the list': (s, _p, me) => {
                                if (s.taken === null || s.partial.isFull || (size.forgets > 0 && !me.sane)) return;
                                s.partial.add({ ...s.taken, bad: !me.sane });
                              },
                            },
                          }),
                        ],
                        else: [
                          step('collect the group', {
                            source: ['IOPF-02', 'IOPF-13', 'IOPF-17', 'IOPF-19'],
                            choose: { slot: optional(Slot) },
                            when: {
                              'there is memory, or none': (s, { slot }) =>
                                slot === null
                                  ? size.memory > 0 || s.slot.every(({ at }) => at !== 'free')
                                  : s.slot[slot].at === 'free',
                              'the command queue has room': (s, { slot }) => slot !== null || !s.responses.isFull,
                            },
                            then: {
                              'queue the group': (s, { slot }) => {
                                if (slot !== null) collect(s, slot);
                              },
                              'refuse it without memory': (s, { slot }) => {
                                if (slot !== null || s.taken === null) return;
                                const { group, pasid, epoch } = s.taken;
                                s.responses.add({
                                  group,
                                  pasid: s.endpoint.needsPasid ? pasid : null,
                                  code: size.failure > 0 ? 'Response Failure' : 'Invalid Request',
                                  epoch,
                                  automatic: false,
                                });
                              },
                              'take its partials from the list': (s) => {
                                const { taken, partial } = s;
                                partial.removeAll(({ group }) => group === taken?.group);
                              },
                            },
                          }),
                        ],
                      }),
                    ],
                  }),
                ],
              }),
              step('go on', {
                source: ['HOST-01', 'IOPF-09'],
                then: {
                  'forget the record': (s, _p, me) => {
                    me.sane = false;
                    s.taken = null;
                    s.found = null;
                  },
                  'count the record for those who drain': (s) => {
                    s.process.forEach((process) => {
                      if (process.drain > 0) process.drain--;
                    });
                  },
                  'read PROD again before the end': (s, _p, me) => {
                    if (me.seen === 0) me.seen = s.records.length;
                  },
                },
              }),
            ],
          }),
          branch('the queue overflowed', {
            fused: true,
            if: (s) => s.overflow && s.records.isEmpty,
            then: [
              step('discard the partials', {
                source: ['IOPF-08', 'PRI-21'],
                then: {
                  'note what is dropped': (s) => {
                    for (const { group, epoch } of s.partial) {
                      if (group !== null && s.group[group].epoch === epoch && s.group[group].at !== 'free') {
                        s.group[group].dropped = true;
                      }
                    }
                  },
                  'empty the list': (s) => s.partial.clear(),
                },
              }),
              step('acknowledge the overflow', {
                source: ['PRI-22', 'HOST-03'],
                then: {
                  'toggle OVACKFLG': (s) => {
                    s.overflow = false;
                  },
                  'tell those who drain': (s) => {
                    s.process.forEach((process) => {
                      process.overflow = false;
                    });
                  },
                },
              }),
            ],
          }),
        ],
      },
    ),

    // The fault workers.
    work: procedure(
      { slot: Slot },
      {
        actor: 'worker',
        doc: 'handles the faults of a group, one after the other, and answers it',
        fairness: 'weak',
        repeat: true,
        locals: { handling: oneOf('none', 'first', 'last'), status: oneOf('Success', 'Invalid Request') },
        steps: ({ step, loop }) => [
          step('start', {
            source: ['IOPF-06', 'IOPF-15'],
            when: { 'the group is queued': (s, { slot }) => s.slot[slot].at === 'queued' },
            then: {
              'begin with the first fault': (s, { slot }, me) => {
                s.slot[slot].at = 'running';
                me.handling = s.slot[slot].first === null ? 'last' : 'first';
                me.status = 'Success';
              },
            },
          }),
          loop('faults are left', {
            fused: true,
            while: (_s, _p, me) => me.handling !== 'none',
            do: [
              step('handle the fault', {
                doc: 'the mm makes the page available, or cannot: no mapping, no permission, no memory, an mm that is gone',
                source: ['IOPF-03', 'IOPF-04', 'IOPF-06', 'IOPF-13', 'HOST-09'],
                choose: { available: bool },
                when: {
                  'nothing is tried after a failure': (_s, { available }, me) => me.status === 'Success' || !available,
                  'what no driver takes is refused': (s, { slot, available }, me) => {
                    const { first, last } = s.slot[slot];
                    return !available || (me.handling === 'first' ? first : last)?.bad !== true;
                  },
                },
                then: {
                  'count the fault': (s, { slot }) => {
                    s.slot[slot].handled++;
                  },
                  'note what cannot be had': (s, { slot, available }) => {
                    if (!available) s.slot[slot].refused = true;
                  },
                  'keep the first failure': (_s, { available }, me) => {
                    if (!available) me.status = 'Invalid Request';
                  },
                  'go to the next fault': (_s, _p, me) => {
                    me.handling = me.handling === 'first' ? 'last' : 'none';
                  },
                },
              }),
            ],
          }),
          step('respond', {
            source: ['IOPF-05', 'PRI-09', 'PRI-12', 'HOST-06', 'HOST-08'],
            when: { 'the command queue has room': (s) => !s.responses.isFull },
            then: {
              'answer if no response was given': (s, { slot }, { status }) => {
                const { pending, group, pasid, epoch } = s.slot[slot];
                if (!pending) return;
                s.responses.add({
                  group,
                  pasid: s.endpoint.needsPasid ? pasid : null,
                  code: status,
                  epoch,
                  automatic: false,
                });
              },
              'take it off the list': (s, { slot }) => {
                s.slot[slot].pending = false;
              },
            },
          }),
          step('free the group', {
            then: {
              'free it': (s, { slot }, me) => {
                s.slot[slot] = {
                  at: 'free',
                  pending: false,
                  group: null,
                  pasid: null,
                  target: null,
                  epoch: false,
                  first: null,
                  last: null,
                  handled: 0,
                  refused: false,
                };
                me.status = 'Success';
              },
            },
          }),
        ],
      },
    ),

    // Processes.
    live: procedure(
      { process: Process },
      {
        actor: 'driver',
        doc: 'binds the address space of a process to the device, and unbinds it',
        steps: ({ step }) => [
          step('bind', {
            source: ['IOPF-01', 'IOPF-19', 'PRI-03'],
            choose: { pasid: optional(Pasid) },
            when: {
              'attaching to the RID is explored': (_s, { pasid }) => pasid !== null || size.rid > 0,
              'those before it have bound': (s, { process }) =>
                s.process.every(
                  ({ attached, stop }, other) =>
                    index(Process, other) >= index(Process, process) || attached || stop !== 'none',
                ),
              'the PASID is free': (s, { pasid }) => attachedTo(s, pasid).owner === null,
            },
            then: {
              'take the PASID': (s, { process, pasid }) => {
                attachedTo(s, pasid).owner = process;
                s.process[process].attached = true;
                s.process[process].pasid = pasid;
              },
              'install the handler': (s, { process }) => {
                attachedTo(s, s.process[process].pasid).handler = process;
              },
              'give the device work': (s, { process }) => {
                s.process[process].works = true;
              },
            },
          }),
          step('ask the device to stop', {
            source: ['HOST-14', 'PRI-29'],
            when: { 'it is one of those that unbind': (_s, { process }) => index(Process, process) < size.unbinds },
            then: {
              'take its work away': (s, { process }) => {
                s.process[process].works = false;
              },
              'ask for the stop': (s, { process }) => {
                s.process[process].stop = 'asked';
              },
            },
          }),
          step('begin to drain', {
            source: ['IOPF-09', 'IOPF-10', 'PRI-33', 'PRI-34', 'PRI-35'],
            fairness: 'weak',
            when: { 'the stop is complete': (s, { process }) => s.process[process].stop === 'complete' },
            then: {
              'count the records ahead': (s, { process }) => {
                s.process[process].drain = s.records.length + (s.taken === null ? 0 : 1);
              },
              'note an overflow': (s, { process }) => {
                s.process[process].overflow = s.overflow;
              },
            },
          }),
          step('wait for the queue', {
            source: ['IOPF-09', 'HOST-14', 'PRI-34', 'PRI-21'],
            fairness: 'weak',
            when: {
              'the records ahead have been taken up': (s, { process }) => s.process[process].drain === 0,
              'the overflow has been handled': (s, { process }) => !s.process[process].overflow,
            },
          }),
          step('free the PASID', {
            source: ['IOPF-09', 'HOST-14', 'PRI-31'],
            fairness: 'weak',
            when: {
              'no worker has a group of it': (s, { process }) => s.slot.every(({ target }) => target !== process),
            },
            then: {
              'withdraw the handler': (s, { process }) => {
                attachedTo(s, s.process[process].pasid).handler = null;
              },
              'give the PASID back': (s, { process }) => {
                attachedTo(s, s.process[process].pasid).owner = null;
                s.process[process].attached = false;
              },
            },
          }),
        ],
      },
    ),
  }),
});
