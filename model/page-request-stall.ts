/**
 * The stall model, for devices without ATS and PRI: the SMMU holds a faulting transaction, reports it, and retries or aborts it on
 * CMD_RESUME; at unbind what is left is terminated. (STALL-01..03, STALL-05, IOPF-05, IOPF-07, IOPF-09, IOPF-13, HOST-01, HOST-04,
 * HOST-08, HOST-12..17)
 *
 * Scope: one platform device with one SubstreamID, which address spaces use one after the other; transactions that stall, each under a
 * stall tag (STAG); one event queue, in which other events come too; the command queue. CD.S is set and the masters of the
 * domain can all stall (STALL-04).
 *
 * Atomicity: one transaction translated; one record written; one record taken, and what is decided about it; the handling of one
 * fault; one command queued, and its effect; one step of binding or unbinding. STALL_TERM is for a stream, so it can be used only as
 * no other SubstreamID has transactions: here there is but one.
 *
 * Two kinds of device: one completes its stop when all its transactions have ended, the other at once, and leaves stalled ones behind.
 * The unbind clears the context descriptor, terminates what is stalled, and only then drains the queue and waits for the
 * workers and for the commands that they have queued: a stall that is reported late, or resumed late, is found by nobody then.
 *
 * Abstracted away, and why no bug hides there:
 * - Clearing the context descriptor, CFGI and TLBI are one step (`atc-invalidation`). A transaction that translates reads descriptor
 *   and page at once: TLBI completes only when the accesses that it covers are in memory.
 * - What CMD_RESUME has let go has been translated when the CMD_SYNC behind STALL_TERM completes: with the descriptor clear it is
 *   aborted. (An assumption. Without it a device that does not wait for its transactions can have one translated for the next.)
 * - Commands take effect in any order; waiting for CMD_SYNC is waiting until none of the caller's is left.
 * - Each address space has one page, which is there or not, and may be refused.
 *
 * Fairness: the SMMU translates, records and executes, the event thread, the workers and an unbind once begun run (weak). The device
 * need not access anything, other events need not come, nobody has to unbind, and no page has to be dropped.
 */
import { bag, bool, each, model, oneOf, optional, queue, range, sort } from '../language/index.ts';

export const Process = sort('process', { ordered: true });
/** Stall tags. */
export const Tag = sort('tag');

const event = { tag: optional(Tag), of: optional(Process), epoch: bool };

/** The model. */
export const pageRequestStall = model({
  name: 'page-request/stall',
  doc: 'A device whose faulting transactions stall, while address spaces are bound and unbound.',
  // `others`: 1 where other events use the queue too. `waits`: whether the device waits for its transactions (2: both).
  sizes: {
    smoke: { process: 2, tag: 1, queue: 1, others: 1, waits: 2 },
    ci: { process: 2, tag: 2, queue: 1, others: 1, waits: 2 },
    deep: { process: 2, tag: 2, queue: 2, others: 1, waits: 2 },
  },
  state: ({ size, members }) => ({
    waits: bool,
    process: each(Process, {
      /** Whether its page is there. */
      page: oneOf('absent', 'present'),
      attached: bool,
      works: bool,
      stop: oneOf('none', 'asked', 'complete'),
      /** How many records its unbind still waits for. */
      drain: range(0, size.queue + 1),
    }),
    /** The owner of the SubstreamID, what its context descriptor points at, and whose faults are handled. */
    substream: { owner: optional(Process), descriptor: optional(Process), handler: optional(Process) },
    transaction: each(Tag, {
      /** `stalled`: and not reported yet, for want of room in the queue. */
      at: oneOf('none', 'translating', 'stalled', 'reported'),
      of: optional(Process),
      /** Which use of the tag this is. */
      epoch: bool,
      /** Whether the mm has refused its page. */
      refused: bool,
    }),
    /** An access went to the page of another address space; one was aborted that nobody had refused. */
    misplaced: bool,
    lost: bool,
    /** The event queue; an event without tag is of no concern here. */
    events: queue(size.queue, event),
    overflow: bool,
    interrupt: bool,
    taken: optional(event),
    commands: bag(members(Tag).length + 1, {
      op: oneOf('retry', 'abort', 'terminate'),
      tag: optional(Tag),
      of: optional(Process),
      epoch: bool,
    }),
    /** Faults that are handled, each by a worker of its own. */
    fault: each(Tag, {
      at: oneOf('none', 'queued', 'running'),
      target: optional(Process),
      of: optional(Process),
      epoch: bool,
    }),
  }),
  initial: {
    choose: { waits: bool },
    when: (_s, { waits }, { size }) => size.waits === 2 || waits === (size.waits === 1),
    then: (s, { waits }) => {
      s.waits = waits;
    },
  },

  actions: ({ action, procedure, index, size }) => ({
    // The device.
    access: action(
      { process: Process, tag: Tag },
      {
        actor: 'device',
        when: {
          'it has work': (s, { process }) => s.process[process].works,
          'a tag is free for it': (s, { tag }) => s.transaction[tag].at === 'none',
        },
        then: {
          'send a transaction': (s, { process, tag }) => {
            const begun = s.transaction[tag];
            begun.at = 'translating';
            begun.of = process;
            begun.refused = false;
            // A tag is told from its earlier use as long as something of that is left.
            const old = (item: { readonly tag: typeof tag | null; readonly epoch: boolean }): boolean =>
              item.tag === tag && !item.epoch;
            begun.epoch =
              s.events.some(old) ||
              s.commands.some(old) ||
              (s.taken !== null && old(s.taken)) ||
              (s.fault[tag].at !== 'none' && !s.fault[tag].epoch);
          },
        },
      },
    ),
    completeStop: action(
      { process: Process },
      {
        actor: 'device',
        source: 'HOST-14',
        fairness: 'weak',
        when: {
          'a stop was asked for': (s, { process }) => s.process[process].stop === 'asked',
          'its transactions have ended, or stalled if it does not wait': (s, { process }) =>
            s.transaction.every(
              ({ at, of }) => of !== process || (at !== 'translating' && (at === 'none' || !s.waits)),
            ),
        },
        then: {
          'complete the stop': (s, { process }) => {
            s.process[process].stop = 'complete';
          },
        },
      },
    ),

    // The SMMU.
    translate: action(
      { tag: Tag },
      {
        actor: 'smmu',
        source: ['STALL-01', 'HOST-17'],
        fairness: 'weak',
        when: { 'a transaction is there': (s, { tag }) => s.transaction[tag].at === 'translating' },
        then: {
          'let it through, hold it, or abort it': (s, { tag }) => {
            const held = s.transaction[tag];
            const { descriptor } = s.substream;
            if (descriptor !== null && s.process[descriptor].page === 'absent') {
              held.at = 'stalled';
              return;
            }
            if (descriptor !== null && descriptor !== held.of) s.misplaced = true;
            if (descriptor === null && held.of !== null && s.process[held.of].works) s.lost = true;
            held.at = 'none';
            held.of = null;
            held.refused = false;
          },
        },
      },
    ),
    recordStall: action(
      { tag: Tag },
      {
        actor: 'smmu',
        doc: 'the record of a stall waits for room in the queue; it is never lost',
        source: ['HOST-04', 'STALL-02', 'HOST-01'],
        fairness: 'strong',
        when: {
          'a stall is not reported': (s, { tag }) => s.transaction[tag].at === 'stalled',
          'the queue has room': (s) => !s.events.isFull,
        },
        then: {
          'raise the interrupt if the queue was empty': (s) => {
            if (s.events.isEmpty) s.interrupt = true;
          },
          'write the record': (s, { tag }) => {
            s.events.push({ tag, of: s.transaction[tag].of, epoch: s.transaction[tag].epoch });
            s.transaction[tag].at = 'reported';
          },
        },
      },
    ),
    recordOther: action(
      {},
      {
        actor: 'smmu',
        doc: 'another event, of another device; without room it is lost',
        source: 'HOST-04',
        when: {
          'other events are explored': () => size.others > 0,
          'it can be told': (s) => !s.events.isFull || !s.overflow,
        },
        then: {
          'set the overflow flag without room': (s) => {
            if (s.events.isFull) s.overflow = true;
          },
          'write the record': (s) => {
            if (s.events.isFull) return;
            if (s.events.isEmpty) s.interrupt = true;
            s.events.push({ tag: null, of: null, epoch: false });
          },
        },
      },
    ),
    resume: action(
      { tag: Tag, op: oneOf('retry', 'abort'), epoch: bool },
      {
        actor: 'smmu',
        source: ['STALL-02', 'STALL-05', 'HOST-08'],
        fairness: 'weak',
        when: {
          'a CMD_RESUME is there': (s, { tag, op, epoch }) =>
            s.commands.has((c) => c.op === op && c.tag === tag && c.epoch === epoch),
        },
        then: {
          'resume what is stalled under the tag': (s, { tag, op }) => {
            const held = s.transaction[tag];
            if (held.at !== 'reported') return;
            if (op === 'retry') {
              held.at = 'translating';
              return;
            }
            if (!held.refused) s.lost = true;
            held.at = 'none';
            held.of = null;
            held.refused = false;
          },
          'complete the command': (s, { tag, op, epoch }) => {
            s.commands.remove((c) => c.op === op && c.tag === tag && c.epoch === epoch);
          },
        },
      },
    ),
    terminate: action(
      {},
      {
        actor: 'smmu',
        source: ['STALL-01', 'STALL-03'],
        fairness: 'weak',
        when: { 'a CMD_STALL_TERM is there': (s) => s.commands.has((c) => c.op === 'terminate') },
        then: {
          'abort all that is stalled': (s) => {
            s.transaction.forEach((held) => {
              if (held.at !== 'stalled' && held.at !== 'reported') return;
              if (held.of !== null && s.process[held.of].works) s.lost = true;
              held.at = 'none';
              held.of = null;
              held.refused = false;
            });
          },
          'complete the command': (s) => {
            s.commands.remove((c) => c.op === 'terminate');
          },
        },
      },
    ),

    // The event thread.
    handleEvents: procedure(
      {},
      {
        actor: 'event thread',
        repeat: true,
        fairness: 'weak',
        locals: { seen: range(0, size.queue) },
        steps: ({ step, branch, loop }) => [
          step('wait for the interrupt', {
            when: { 'it is pending': (s) => s.interrupt },
            then: {
              'acknowledge it': (s) => {
                s.interrupt = false;
              },
              'see what is queued': (s, _p, me) => {
                me.seen = s.events.length;
              },
            },
          }),
          loop('records are seen', {
            fused: true,
            while: (_s, _p, me) => me.seen > 0,
            do: [
              step('take a record', {
                source: 'HOST-02',
                then: {
                  'copy the record': (s) => {
                    s.taken = { ...s.events.head };
                  },
                  'publish CONS': (s, _p, me) => {
                    s.events.shift();
                    me.seen--;
                  },
                  'acknowledge an overflow': (s) => {
                    s.overflow = false;
                  },
                },
              }),
              branch('it is a stall', {
                fused: true,
                if: ({ taken }) => taken !== null && taken.tag !== null,
                then: [
                  step('report the fault', {
                    source: ['STALL-02', 'IOPF-01', 'HOST-16'],
                    when: {
                      'the worker of the tag is free': ({ taken, fault }) =>
                        taken === null || taken.tag === null || fault[taken.tag].at === 'none',
                    },
                    then: {
                      'queue the fault': (s) => {
                        const { taken } = s;
                        if (taken === null || taken.tag === null) return;
                        s.fault[taken.tag] = {
                          at: 'queued',
                          target: s.substream.handler,
                          of: taken.of,
                          epoch: taken.epoch,
                        };
                      },
                    },
                  }),
                ],
              }),
              step('go on', {
                source: 'HOST-01',
                then: {
                  'forget the record': (s) => {
                    s.taken = null;
                  },
                  'count the record for those who drain': (s) => {
                    s.process.forEach((process) => {
                      if (process.drain > 0) process.drain--;
                    });
                  },
                  'read PROD again before the end': (s, _p, me) => {
                    if (me.seen === 0) me.seen = s.events.length;
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
      { tag: Tag },
      {
        actor: 'worker',
        repeat: true,
        fairness: 'weak',
        locals: { status: oneOf('retry', 'abort') },
        steps: ({ step }) => [
          step('start', {
            when: { 'a fault is queued': (s, { tag }) => s.fault[tag].at === 'queued' },
            then: {
              'run it': (s, { tag }) => {
                s.fault[tag].at = 'running';
              },
            },
          }),
          step('handle the fault', {
            source: ['IOPF-04', 'STALL-05'],
            choose: { available: bool },
            then: {
              'bring the page in': (s, { tag, available }) => {
                const { target } = s.fault[tag];
                if (available && target !== null) s.process[target].page = 'present';
              },
              'note what cannot be had': (s, { tag, available }) => {
                if (!available && s.transaction[tag].epoch === s.fault[tag].epoch) s.transaction[tag].refused = true;
              },
              'decide what to do with it': (s, { tag, available }, me) => {
                me.status = available && s.fault[tag].target !== null ? 'retry' : 'abort';
              },
            },
          }),
          step('respond', {
            source: ['STALL-01', 'STALL-05', 'HOST-08'],
            when: { 'the command queue has room': (s) => !s.commands.isFull },
            then: {
              'queue CMD_RESUME': (s, { tag }, me) => {
                const { of, epoch } = s.fault[tag];
                s.commands.add({ op: me.status, tag, of, epoch });
                me.status = 'retry';
              },
              'end the fault': (s, { tag }) => {
                s.fault[tag] = { at: 'none', target: null, of: null, epoch: false };
              },
            },
          }),
        ],
      },
    ),

    // Processes.
    dropPage: action(
      { process: Process },
      {
        actor: 'cpu',
        doc: 'reclaim, with its invalidation',
        when: { 'its page is there': (s, { process }) => s.process[process].page === 'present' },
        then: {
          'clear the PTE and invalidate': (s, { process }) => {
            s.process[process].page = 'absent';
          },
        },
      },
    ),
    live: procedure(
      { process: Process },
      {
        actor: 'driver',
        steps: ({ step }) => [
          step('bind', {
            when: {
              'those before it have bound': (s, { process }) =>
                s.process.every(
                  ({ attached, stop }, other) =>
                    index(Process, other) >= index(Process, process) || attached || stop !== 'none',
                ),
              'the SubstreamID is free': (s) => s.substream.owner === null,
            },
            then: {
              'take the SubstreamID': (s, { process }) => {
                s.substream.owner = process;
                s.process[process].attached = true;
              },
              'write the context descriptor': (s, { process }) => {
                s.substream.descriptor = process;
              },
              'install the handler': (s, { process }) => {
                s.substream.handler = process;
              },
              'give the device work': (s, { process }) => {
                s.process[process].works = true;
              },
            },
          }),
          step('ask the device to stop', {
            source: 'HOST-14',
            then: {
              'take its work away': (s, { process }) => {
                s.process[process].works = false;
                s.process[process].stop = 'asked';
              },
            },
          }),
          step('clear the context descriptor', {
            source: ['HOST-14', 'HOST-17'],
            fairness: 'weak',
            when: { 'the stop is complete': (s, { process }) => s.process[process].stop === 'complete' },
            then: {
              'clear it and invalidate': (s) => {
                s.substream.descriptor = null;
              },
            },
          }),
          step('submit STALL_TERM', {
            source: 'STALL-03',
            fairness: 'weak',
            when: { 'the command queue has room': (s) => !s.commands.isFull },
            then: {
              'queue CMD_STALL_TERM': (s, { process }) => {
                s.commands.add({ op: 'terminate', tag: null, of: process, epoch: false });
              },
            },
          }),
          step('wait for STALL_TERM', {
            source: 'STALL-03',
            fairness: 'weak',
            when: {
              'CMD_SYNC has completed': (s) => !s.commands.has((c) => c.op === 'terminate'),
              'what was resumed has been translated': (s) => s.transaction.every(({ at }) => at !== 'translating'),
            },
          }),
          step('begin to drain', {
            source: 'IOPF-09',
            fairness: 'weak',
            then: {
              'count the records ahead': (s, { process }) => {
                s.process[process].drain = s.events.length + (s.taken === null ? 0 : 1);
              },
            },
          }),
          step('wait for the queue', {
            source: ['IOPF-09', 'HOST-14'],
            fairness: 'weak',
            when: { 'the records ahead have been taken up': (s, { process }) => s.process[process].drain === 0 },
          }),
          step('flush the workers', {
            source: ['IOPF-09', 'HOST-14'],
            fairness: 'weak',
            when: {
              'no fault of it is handled': (s, { process }) => s.fault.every(({ target }) => target !== process),
            },
          }),
          step('free the SubstreamID', {
            source: ['HOST-14', 'HOST-08'],
            fairness: 'weak',
            when: {
              'CMD_SYNC has completed': (s, { process }) => !s.commands.has((c) => c.of === process),
            },
            then: {
              'withdraw the handler': (s) => {
                s.substream.handler = null;
              },
              'give the SubstreamID back': (s, { process }) => {
                s.substream.owner = null;
                s.process[process].attached = false;
              },
            },
          }),
        ],
      },
    ),
  }),
});
