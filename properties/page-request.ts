/**
 * What must hold of page requests: each reaches the address space that made the device ask, each group is answered once and
 * truly, and an address space that was unbound leaves nothing behind.
 */
import { type Frozen, properties, type StateOf } from '../language/index.ts';
import { Group, pageRequests, Pasid, Process, Slot } from '../model/page-request.ts';
import { isStopMarker } from '../model/parts/page-request.ts';

type State = Frozen<StateOf<typeof pageRequests>>;
type ProcessOf = NonNullable<State['found']>;
type GroupOf = NonNullable<NonNullable<State['taken']>['group']>;

/** Whether any request of a process is still somewhere between the link and the workers. */
function isInTheQueues(s: State, process: ProcessOf): boolean {
  const its = ({ of, wants, last, pasid }: NonNullable<State['taken']>): boolean =>
    of === process && !isStopMarker({ wants, last, pasid });
  return s.link.some(its) || s.records.some(its) || s.partial.some(its) || (s.taken !== null && its(s.taken));
}

/** How many responses to a group the software owes or has sent, with its epoch as it is now. */
function answersTo(s: State, group: GroupOf): number {
  const { epoch } = s.group[group];
  const its = (item: { readonly group: GroupOf | null; readonly epoch: boolean }): boolean =>
    item.group === group && item.epoch === epoch;
  return (
    s.slot.filter((slot) => slot.pending && its(slot)).length +
    s.responses.count(its) +
    [...s.link, ...s.records].filter((record) => record.last && its(record)).length
  );
}

export const pageRequestProperties = properties(
  pageRequests,
  ({ invariant, transition, leadsTo, recoverable, reachable, deadlockFree, members, size }) => ({
    // What a user loses.
    'a fault changes only the address space that caused it': invariant({
      doc: 'a worker handles each fault of a group in the address space whose work made the device ask for the page',
      requirement: ['HOST-13', 'HOST-15', 'HOST-16', 'IOPF-09', 'PRI-34', 'PRI-35', 'IOPF-08', 'IOPF-17', 'IOPF-19'],
      forall: { slot: Slot },
      given: (s, { slot }) => s.slot[slot].at !== 'free',
      holds: (s, { slot }) => {
        const { target, first, last } = s.slot[slot];
        return [first, last].every((fault) => fault === null || fault.of === null || fault.of === target);
      },
    }),
    'no fault is handled for an address space that is gone': invariant({
      doc: 'what the IRQ thread found and what a worker handles is attached as long as they use it',
      requirement: ['HOST-14', 'IOPF-09', 'IOPF-01'],
      forall: { process: Process },
      given: (s, { process }) => s.found === process || s.slot.some(({ target }) => target === process),
      holds: (s, { process }) => s.process[process].attached,
    }),
    'a freed PASID has left nothing behind': invariant({
      doc: 'when a process is unbound no request of it is in the queues; only its Stop Marker may still come',
      requirement: ['HOST-14', 'PRI-29', 'PRI-31', 'IOPF-09'],
      forall: { process: Process },
      given: (s, { process }) => s.live[process].at === 'done',
      holds: (s, { process }) => !isInTheQueues(s, process),
    }),

    // Responses.
    'a response is for the group that waits': invariant({
      doc: 'no response under way is for a use of the index that is over, or that has not sent its Last',
      requirement: [
        'PRI-02',
        'PRI-03',
        'PRI-11',
        'PRI-13',
        'PRI-19',
        'PRI-21',
        'PRI-32',
        'IOPF-05',
        'IOPF-07',
        'IOPF-16',
      ],
      holds: (s) =>
        s.responses.every(({ group, epoch }) => {
          if (group === null) return false;
          return s.group[group].at === 'waiting' && s.group[group].epoch === epoch;
        }),
    }),
    'a group is answered at most once': invariant({
      doc: 'the Last on its way, its group in software and the response to it are one at any time',
      requirement: ['PRI-02', 'IOPF-05', 'IOPF-02', 'PRI-20', 'PRI-21'],
      forall: { group: Group },
      given: (s, { group }) => s.group[group].at === 'waiting',
      holds: (s, { group }) => answersTo(s, group) <= 1,
    }),
    'the endpoint sees no unexpected response': invariant({
      doc: 'UPRGI stays clear',
      requirement: ['PRI-11', 'PRI-12', 'PRIEN-02'],
      holds: (s) => !s.endpoint.unexpected,
    }),
    'responses carry the PASID as the endpoint wants': invariant({
      doc: 'with PRG Response PASID Required, the PASID of the group; without, none',
      requirement: ['PRI-12', 'PRI-16', 'PRIEN-02'],
      forall: { group: Group },
      holds: (s, { group }) =>
        s.responses.every(
          (r) => r.group !== group || r.pasid === (s.endpoint.needsPasid ? s.group[group].pasid : null),
        ),
    }),
    'Success is said of pages that were made available': transition({
      doc: 'a worker answers Success if and only if it has handled every request of the group, and none failed or was one that no driver takes',
      requirement: ['PRI-09', 'IOPF-03', 'IOPF-04'],
      given: (_s, action) => action.type === 'work' && action.step === 'respond',
      holds: (s, action, after) => {
        if (action.type !== 'work') return true;
        const { slot } = action;
        const { group, epoch, handled, refused } = s.slot[slot];
        if (group === null) return false;
        const { requests, dropped, bad } = s.group[group];
        const said = after.responses.find((r) => r.group === group && r.epoch === epoch && !r.automatic);
        const all = (handled === requests && !bad) || (dropped && handled > 0);
        return said === undefined || (said.code === 'Success') === (!refused && all);
      },
    }),
    ...(size.nonsense > 0
      ? {
          'only what no driver takes is refused, and not with Success': transition({
            doc: 'a request of an address space that is attached is refused only if its group is bad',
            requirement: ['IOPF-01', 'PRI-24', 'PRI-17', 'PRI-09'],
            given: (_s, action) => action.type === 'handleQueue' && action.step === 'refuse the request',
            holds: (s, _action, after) => {
              const { taken } = s;
              if (taken === null || taken.group === null) return false;
              const { group, epoch, of } = taken;
              const said = after.responses.find((r) => r.group === group && r.epoch === epoch && !r.automatic);
              const isAttached = of !== null && s.process[of].attached;
              return (s.group[group].bad || !isAttached) && said?.code !== 'Success';
            },
          }),
        }
      : {}),
    'an automatic response is Success, and for a request that was dropped': invariant({
      requirement: ['PRI-20', 'HOST-03'],
      holds: (s) =>
        s.responses.every(
          ({ automatic, code, group }) =>
            !automatic || (code === 'Success' && group !== null && s.group[group].dropped),
        ),
    }),
    'PRI stays on': invariant({
      doc: 'neither a lack of memory nor a bad request is answered with a code that turns PRI off for the whole function',
      requirement: ['PRI-10', 'PRI-17', 'PRI-28', 'IOPF-13', 'HOST-06', 'HOST-07'],
      holds: (s) => s.endpoint.pri === 'on',
    }),
    'a response gives back the credits of its group alone': transition({
      requirement: ['PRI-11', 'PRI-15', 'PRI-32'],
      given: (_s, action) => action.type === 'receiveResponse',
      holds: (s, _action, after) => {
        const ended = members(Group).filter(
          (group) => s.group[group].at !== 'free' && after.group[group].at === 'free',
        );
        const returned = ended.reduce((sum, group) => sum + s.group[group].requests, 0);
        return ended.length === 1 && after.endpoint.credits === s.endpoint.credits + returned;
      },
    }),
    'credits are never lost': invariant({
      doc: 'credits and outstanding requests are the allocation',
      requirement: ['PRI-04', 'PRI-15'],
      holds: (s) =>
        members(Group).reduce((sum, group) => sum + s.group[group].requests, s.endpoint.credits) ===
        members(Group).length * 2,
    }),

    // The endpoint.
    'a stopped PASID has no request in the device or on the link': invariant({
      requirement: ['PRI-29', 'HOST-14'],
      forall: { process: Process },
      given: (s, { process }) => s.process[process].stop === 'complete',
      holds: (s, { process }) =>
        s.link.every((record) => record.of !== process || isStopMarker(record)) &&
        s.group.every(({ at, of }) => of !== process || at !== 'open') &&
        !s.process[process].works,
    }),
    'a Stop Marker divides the uses of a PASID': invariant({
      doc: 'what is in front of it was asked for by uses that have stopped, what is behind it by later ones',
      requirement: ['PRI-30'],
      holds: (s) => {
        const queued = [...s.records, ...s.link];
        return queued.every(
          (marker, at) =>
            !isStopMarker(marker) ||
            queued
              .slice(0, at)
              .every(({ pasid, of }) => pasid !== marker.pasid || of === null || s.process[of].stop === 'complete'),
        );
      },
    }),
    'an endpoint that waits for its responses has none outstanding after the stop': invariant({
      requirement: ['PRI-30', 'PRI-33'],
      forall: { process: Process },
      given: (s, { process }) =>
        s.process[process].stop === 'complete' && s.endpoint.stop === 'after all responses' && s.endpoint.pri === 'on',
      holds: (s, { process }) => s.group.every(({ of }) => of !== process),
    }),
    'a free index has no request under way': invariant({
      doc: 'an index is used again only after its response, when nothing of its old use is left but partials to be discarded',
      requirement: ['PRI-03', 'PRI-13'],
      forall: { group: Group },
      given: (s, { group }) => s.group[group].at === 'free',
      holds: (s, { group }) =>
        s.group[group].requests === 0 &&
        s.link.every((record) => record.group !== group) &&
        s.slot.every((slot) => slot.group !== group || !slot.pending),
    }),

    // The queue and its thread.
    'a record that waits has woken the thread': invariant({
      doc: 'the interrupt is pending or the thread is at work as long as the queue is not empty',
      requirement: ['HOST-01', 'PRI-26'],
      given: (s) => !s.records.isEmpty,
      holds: (s) => s.interrupt || s.handleQueue.at !== 'wait for the interrupt',
    }),
    'the overflow is acknowledged only when the queue is empty and no partial is left': transition({
      requirement: ['PRI-22', 'PRI-21', 'IOPF-08'],
      given: (s, _action, after) => s.overflow && !after.overflow,
      holds: (s) => s.records.isEmpty && s.partial.isEmpty,
    }),
    'nothing is queued during an overflow': transition({
      requirement: ['HOST-03', 'PRI-22'],
      given: (s) => s.overflow,
      holds: (s, _action, after) => after.records.length <= s.records.length,
    }),
    'a stored partial belongs to a group that is not over': invariant({
      doc: 'unless an overflow is still to be handled, which has dropped its Last',
      requirement: ['IOPF-02', 'IOPF-08', 'IOPF-17', 'PRI-21'],
      given: (s) => !s.overflow,
      holds: (s) =>
        s.partial.every(
          ({ group, epoch, last }) =>
            group !== null && !last && s.group[group].at !== 'free' && s.group[group].epoch === epoch,
        ),
    }),
    'no Stop Marker is handled as a fault': invariant({
      requirement: ['IOPF-07', 'PRI-19', 'PRI-31', 'HOST-05'],
      holds: (s) =>
        s.partial.every((record) => !isStopMarker(record)) &&
        s.slot.every(({ at, group }) => at === 'free' || group !== null),
    }),

    // Groups in software.
    'a group is on the list until it is answered': invariant({
      doc: 'a group that a worker has not answered is pending, and no group is pending that is free',
      requirement: ['IOPF-05', 'PRI-14'],
      forall: { slot: Slot },
      holds: (s, { slot }) => {
        const { at, pending } = s.slot[slot];
        return pending === (at !== 'free' && s.work[slot].at !== 'free the group');
      },
    }),
    'a worker works on a group that is its own': invariant({
      requirement: ['IOPF-06', 'IOPF-15'],
      forall: { slot: Slot },
      holds: (s, { slot }) => {
        const { at, group, last, target, first, handled, refused } = s.slot[slot];
        const idle = s.work[slot].at === 'start';
        if (at === 'free') {
          return (
            idle && group === null && last === null && first === null && target === null && handled === 0 && !refused
          );
        }
        return group !== null && last !== null && target !== null && (at === 'running') === !idle;
      },
    }),
    'a handler serves the owner of its PASID': invariant({
      requirement: ['IOPF-01', 'IOPF-19'],
      forall: { pasid: Pasid },
      holds: (s, { pasid }) => {
        const { owner, handler } = s.pasid[pasid];
        if (handler !== null && handler !== owner) return false;
        return owner === null || (s.process[owner].attached && s.process[owner].pasid === pasid);
      },
    }),
    'who is attached owns its PASID, and its faults are handled': invariant({
      doc: 'from the bind until the unbind gives the PASID back, which comes after the drain and the flush',
      requirement: ['IOPF-01', 'HOST-14'],
      forall: { process: Process },
      given: (s, { process }) => s.process[process].attached,
      holds: (s, { process }) => {
        const { pasid } = s.process[process];
        const { owner, handler } = pasid === null ? s.rid : s.pasid[pasid];
        return owner === process && handler === process;
      },
    }),
    'a device works only for what is attached': invariant({
      requirement: ['IOPF-01', 'HOST-14'],
      forall: { process: Process },
      given: (s, { process }) => s.process[process].works,
      holds: (s, { process }) => s.process[process].attached && s.process[process].stop === 'none',
    }),
    'who drains waits for no more than what was ahead': invariant({
      requirement: ['IOPF-10'],
      forall: { process: Process },
      holds: (s, { process }) => s.process[process].drain === 0 || s.live[process].at === 'wait for the queue',
    }),

    // Liveness, decided on the graph of all states, which larger sizes have too many of.
    ...(size.group === 1 && (size.pasid === 1 || size.stop === 0 || size.asks > 0)
      ? {
          'every group is answered': leadsTo({
            doc: 'a group whose Last was sent gets its response',
            requirement: ['PRI-14', 'IOPF-13', 'PRI-25'],
            forall: { group: Group },
            from: (s, { group }) => s.group[group].at === 'waiting',
            to: (s, { group }) => s.group[group].at !== 'waiting',
          }),
          'an unbind ends': leadsTo({
            requirement: ['PRI-33', 'IOPF-10', 'IOPF-11', 'HOST-14'],
            forall: { process: Process },
            from: (s, { process }) => s.process[process].stop === 'asked',
            to: (s, { process }) => s.live[process].at === 'done',
          }),
          'an overflow is handled': leadsTo({
            requirement: ['PRI-22', 'PRI-23'],
            from: (s) => s.overflow,
            to: (s) => !s.overflow,
          }),
          'all credits can come back': recoverable({
            requirement: ['PRI-15'],
            holds: (s) => s.endpoint.credits === members(Group).length * 2,
          }),
        }
      : {}),

    'something can always happen': deadlockFree({
      doc: 'the device and everybody else may be idle when nothing is under way',
      final: {
        'nothing is under way': (s) =>
          s.link.isEmpty && s.records.isEmpty && s.responses.isEmpty && s.group.every(({ at }) => at === 'free'),
      },
    }),
    'a group of two is handled': reachable({
      requirement: ['PRI-02', 'IOPF-02'],
      exists: { slot: Slot },
      holds: (s, { slot }) => s.slot[slot].handled === 2 && !s.slot[slot].refused,
    }),
    'the Last was dropped, and its partial is left': reachable({
      requirement: ['PRI-20', 'PRI-21'],
      holds: (s) => s.partial.some(({ group }) => group !== null && s.group[group].at === 'free'),
    }),
    ...(size.stop === 0 || size.process === 1
      ? {}
      : {
          'a PASID is used again while the first response is under way': reachable({
            requirement: ['PRI-32'],
            exists: { process: Process },
            holds: (s, { process }) =>
              s.live[process].at === 'done' &&
              s.group.some(({ of }) => of === process) &&
              s.process.some(({ works }) => works),
          }),
          'a Stop Marker comes when its PASID is used again': reachable({
            requirement: ['PRI-30', 'PRI-31'],
            exists: { process: Process },
            holds: (s, { process }) =>
              s.live[process].at === 'done' &&
              s.records.some((record) => isStopMarker(record) && record.pasid === s.process[process].pasid) &&
              s.process.some(({ works }) => works),
          }),
        }),
  }),
);
