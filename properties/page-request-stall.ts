/**
 * What must hold of stalled transactions: each is answered once, nothing is let through to another address space, and none that
 * could go on is aborted.
 */
import { properties } from '../language/index.ts';
import { pageRequestStall, Process, Tag } from '../model/page-request-stall.ts';

export const pageRequestStallProperties = properties(
  pageRequestStall,
  ({ invariant, transition, leadsTo, recoverable, reachable, deadlockFree, size }) => ({
    'no access reaches the page of another address space': invariant({
      doc: 'a transaction that is retried is translated for the process whose work it is',
      requirement: ['HOST-12', 'HOST-13', 'HOST-17', 'STALL-03'],
      holds: (s) => !s.misplaced,
    }),
    'no access is aborted that could go on': invariant({
      doc: 'while its process lets the device work, an access is aborted only if the mm has refused its page',
      requirement: ['STALL-05', 'STALL-02', 'HOST-08'],
      holds: (s) => !s.lost,
    }),
    'a fault changes only the address space that caused it': invariant({
      requirement: ['HOST-15', 'HOST-13', 'HOST-16'],
      forall: { tag: Tag },
      given: (s, { tag }) => s.fault[tag].at !== 'none',
      holds: (s, { tag }) => s.fault[tag].target === s.fault[tag].of,
    }),
    'no fault is handled for an address space that is gone': invariant({
      requirement: ['HOST-14', 'IOPF-09', 'IOPF-01'],
      forall: { tag: Tag, process: Process },
      given: (s, { tag, process }) => s.fault[tag].target === process,
      holds: (s, { process }) => s.process[process].attached,
    }),
    'an unbound process has nothing stalled': invariant({
      requirement: ['STALL-03', 'HOST-14'],
      forall: { process: Process },
      given: (s, { process }) => s.live[process].at === 'done',
      holds: (s, { process }) =>
        s.transaction.every(({ of }) => of !== process) &&
        s.events.every(({ of }) => of !== process) &&
        s.commands.every(({ of }) => of !== process),
    }),
    'a stall that was reported is known to software': invariant({
      doc: 'its record, its fault or its CMD_RESUME is there, and only one of them',
      requirement: ['STALL-01', 'HOST-04', 'IOPF-05', 'IOPF-13'],
      forall: { tag: Tag },
      given: (s, { tag }) => s.transaction[tag].at === 'reported',
      holds: (s, { tag }) => {
        const { epoch } = s.transaction[tag];
        const its = (item: { readonly tag: typeof tag | null; readonly epoch: boolean }): boolean =>
          item.tag === tag && item.epoch === epoch;
        const records =
          s.events.count(its) + (s.taken !== null && its(s.taken) && s.handleEvents.at === 'report the fault' ? 1 : 0);
        const faults = s.fault[tag].at !== 'none' && s.fault[tag].epoch === epoch ? 1 : 0;
        return records + faults + s.commands.count(its) === 1;
      },
    }),
    'a CMD_RESUME acts on the stall that it was given for': transition({
      requirement: ['STALL-02', 'HOST-08', 'IOPF-05'],
      given: (before, action) => action.type === 'resume' && before.transaction[action.tag].at === 'reported',
      holds: (before, action) => action.type !== 'resume' || before.transaction[action.tag].epoch === action.epoch,
    }),
    'a refused access is aborted': invariant({
      doc: 'a device whose page cannot be had gets an error, and is not made to try again',
      requirement: ['STALL-05'],
      forall: { tag: Tag },
      given: (s, { tag }) => s.transaction[tag].at === 'reported' && s.transaction[tag].refused,
      holds: (s, { tag }) =>
        s.commands.every((c) => c.tag !== tag || c.epoch !== s.transaction[tag].epoch || c.op === 'abort'),
    }),
    'only other events are lost': transition({
      requirement: ['HOST-04'],
      given: (before, _action, after) => !before.overflow && after.overflow,
      holds: (_before, action) => action.type === 'recordOther',
    }),
    'a record that waits has woken the thread': invariant({
      requirement: ['HOST-01'],
      given: (s) => !s.events.isEmpty,
      holds: (s) => s.interrupt || s.handleEvents.at !== 'wait for the interrupt',
    }),
    "a fault that is handled is a worker's": invariant({
      requirement: ['IOPF-05'],
      forall: { tag: Tag },
      holds: (s, { tag }) => (s.fault[tag].at === 'running') === (s.work[tag].at !== 'start'),
    }),
    'the device works only for what is attached': invariant({
      requirement: ['HOST-14'],
      forall: { process: Process },
      given: (s, { process }) => s.process[process].works,
      holds: (s, { process }) =>
        s.substream.owner === process && s.substream.descriptor === process && s.substream.handler === process,
    }),
    'the handler serves the owner of the SubstreamID': invariant({
      requirement: ['IOPF-01', 'HOST-16'],
      given: (s) => s.substream.handler !== null,
      holds: (s) => s.substream.handler === s.substream.owner,
    }),
    'a device that waits for its transactions has none after its stop': invariant({
      requirement: ['HOST-14'],
      forall: { process: Process },
      given: (s, { process }) => s.waits && s.process[process].stop === 'complete',
      holds: (s, { process }) => s.transaction.every(({ of }) => of !== process),
    }),
    'the context descriptor is cleared after the device has stopped': transition({
      requirement: ['HOST-14'],
      given: (before, _action, after) => before.substream.descriptor !== null && after.substream.descriptor === null,
      holds: (before) =>
        before.substream.descriptor !== null && before.process[before.substream.descriptor].stop === 'complete',
    }),
    'the context descriptor is clear when what is stalled is terminated': transition({
      requirement: ['HOST-14', 'STALL-03'],
      given: (_before, action) => action.type === 'terminate',
      holds: (before) => before.substream.descriptor === null,
    }),

    'every stall is answered': leadsTo({
      requirement: ['STALL-01', 'STALL-03', 'IOPF-13'],
      forall: { tag: Tag },
      from: (s, { tag }) => s.transaction[tag].at === 'stalled' || s.transaction[tag].at === 'reported',
      to: (s, { tag }) => s.transaction[tag].at === 'none' || s.transaction[tag].at === 'translating',
    }),
    'an unbind ends': leadsTo({
      doc: 'of a device that does not wait for transactions whose pages may be reclaimed again and again',
      requirement: ['STALL-03', 'HOST-14'],
      forall: { process: Process },
      from: (s, { process }) => s.process[process].stop === 'complete',
      to: (s, { process }) => s.live[process].at === 'done',
    }),
    'everything stalled can end': recoverable({
      requirement: ['STALL-03'],
      holds: (s) => s.transaction.every(({ at }) => at === 'none'),
    }),
    'something can always happen': deadlockFree({
      final: { 'nothing is under way': (s) => s.transaction.every(({ at }) => at === 'none') && s.commands.isEmpty },
    }),

    'a CMD_RESUME comes too late': reachable({
      requirement: ['HOST-08'],
      exists: { tag: Tag },
      holds: (s, { tag }) =>
        s.commands.has((c) => c.op === 'retry' && c.tag === tag) && s.transaction[tag].at === 'none',
    }),
    'a page is retried and stalls again': reachable({
      requirement: ['STALL-05'],
      exists: { tag: Tag, process: Process },
      holds: (s, { tag, process }) =>
        s.transaction[tag].at === 'stalled' && s.transaction[tag].of === process && s.process[process].stop === 'asked',
    }),
    ...(size.others > 0
      ? {
          'a stall waits for room in the queue': reachable({
            requirement: ['HOST-04'],
            holds: (s) => s.overflow && s.transaction.some(({ at }) => at === 'stalled'),
          }),
        }
      : {}),
  }),
);
