/**
 * Known and possible bugs in the handling of stalled transactions.
 */
import { variants } from '../language/index.ts';
import { pageRequestStallProperties } from './page-request-stall.ts';

export const pageRequestStallVariants = variants(pageRequestStallProperties, {
  'stall-not-terminated-at-unbind': {
    doc: 'what a device that does not wait has left stalled is not terminated: it is retried for the next owner of the SubstreamID',
    reference: 'STALL-03; seed-002 p29',
    violates: {
      'no access reaches the page of another address space': 20,
      'no access is aborted that could go on': 18,
      'a fault changes only the address space that caused it': 14,
      'no fault is handled for an address space that is gone': 14,
      'an unbound process has nothing stalled': 10,
    },
    edits: ({ drop }) => [drop(['live', 'submit STALL_TERM']), drop(['live', 'wait for STALL_TERM'])],
  },
  'terminated-before-the-descriptor-is-clear': {
    doc: 'STALL_TERM comes first: what is resumed or stalls after it is left',
    reference: 'HOST-14',
    violates: {
      'no access reaches the page of another address space': 23,
      'no access is aborted that could go on': 21,
      'a fault changes only the address space that caused it': 17,
      'no fault is handled for an address space that is gone': 17,
      'an unbound process has nothing stalled': 13,
      'the context descriptor is clear when what is stalled is terminated': 4,
      'an unbind ends': 18,
    },
    edits: ({ move }) => [move(['live', 'clear the context descriptor'], { after: 'wait for STALL_TERM' })],
  },
  'drained-before-terminated': {
    doc: 'the queue is drained before STALL_TERM: a stall that waited for room is reported afterwards, to the next owner',
    reference: 'IOPF-09, HOST-04',
    violates: {
      'no access is aborted that could go on': 25,
      'a fault changes only the address space that caused it': 17,
      'no fault is handled for an address space that is gone': 17,
      'an unbound process has nothing stalled': 14,
      'a stall that was reported is known to software': 29,
      'a CMD_RESUME acts on the stall that it was given for': 25,
      'a refused access is aborted': 38,
    },
    edits: ({ move }) => [
      move(['live', 'submit STALL_TERM'], { after: 'flush the workers' }),
      move(['live', 'wait for STALL_TERM'], { after: 'submit STALL_TERM' }),
    ],
  },
  'no-drain-before-substream-reuse': {
    doc: 'the event queue is not drained',
    reference: 'E1 on a platform device; IOPF-09',
    violates: {
      'no access is aborted that could go on': 24,
      'a fault changes only the address space that caused it': 16,
      'no fault is handled for an address space that is gone': 16,
      'an unbound process has nothing stalled': 13,
      'a stall that was reported is known to software': 28,
      'a CMD_RESUME acts on the stall that it was given for': 24,
      'a refused access is aborted': 37,
    },
    edits: ({ drop }) => [drop(['live', 'wait for the queue'])],
  },
  'no-flush-before-substream-reuse': {
    doc: 'the workers are not flushed',
    reference: 'IOPF-09',
    violates: {
      'no access is aborted that could go on': 25,
      'no fault is handled for an address space that is gone': 17,
      'an unbound process has nothing stalled': 20,
      'a stall that was reported is known to software': 29,
      'a CMD_RESUME acts on the stall that it was given for': 25,
      'a refused access is aborted': 38,
    },
    edits: ({ drop }) => [drop(['live', 'flush the workers'])],
  },
  'resume-outlives-the-unbind': {
    doc: 'CMD_RESUME is fire and forget even at unbind: one that comes late hits a tag that is used again',
    reference: 'HOST-08; a candidate and not a confirmed bug',
    violates: {
      'no access is aborted that could go on': 26,
      'an unbound process has nothing stalled': 21,
      'a stall that was reported is known to software': 30,
      'a CMD_RESUME acts on the stall that it was given for': 26,
      'a refused access is aborted': 39,
    },
    edits: ({ drop }) => [drop(['live', 'free the SubstreamID', 'CMD_SYNC has completed'])],
  },
  'retried-transaction-outlives-the-unbind': {
    doc: 'what CMD_RESUME has let go is translated only when the SubstreamID has its next owner',
    reference: 'STALL-03; a device that does not wait for its transactions relies upon the SMMU here',
    violates: {
      'no access reaches the page of another address space': 33,
      'a fault changes only the address space that caused it': 28,
      'an unbound process has nothing stalled': 22,
    },
    edits: ({ drop }) => [drop(['live', 'wait for STALL_TERM', 'what was resumed has been translated'])],
  },
  'stall-without-handler-not-answered': {
    doc: 'a fault that cannot be handled gets no CMD_RESUME: the transaction is held for ever',
    reference: 'STALL-03; arm_smmu_handle_event answers what it could not report',
    violates: {
      'a stall that was reported is known to software': 10,
      'every stall is answered': 11,
      'everything stalled can end': 9,
    },
    edits: ({ replace }) => [
      replace(['work', 'respond', 'queue CMD_RESUME'], (s, { tag }, me) => {
        const { of, epoch } = s.fault[tag];
        if (me.status === 'retry') s.commands.add({ op: 'retry', tag, of, epoch });
        me.status = 'retry';
      }),
    ],
  },
  'retry-after-a-refusal': {
    doc: 'a refused fault is retried: the device gets no error, and the same fault comes again',
    reference: 'STALL-05; the mapping of codes in arm_smmu_page_response',
    violates: {
      'a refused access is aborted': 10,
    },
    edits: ({ replace }) => [
      replace(['work', 'handle the fault', 'decide what to do with it'], (_s, _p, me) => {
        me.status = 'retry';
      }),
    ],
  },
  'abort-after-success': {
    doc: 'the codes are crossed: what was made available is aborted',
    reference: 'STALL-05; HOST-06 (crossed names)',
    violates: {
      'no access is aborted that could go on': 11,
    },
    edits: ({ replace }) => [
      replace(['work', 'handle the fault', 'decide what to do with it'], (_s, _p, me) => {
        me.status = 'abort';
      }),
    ],
  },
  'stall-record-lost': {
    doc: 'the record of a stall that finds the queue full is lost like any other',
    reference: "HOST-04; an SMMU's bug",
    violates: {
      'a stall that was reported is known to software': 5,
      'only other events are lost': 5,
      'every stall is answered': 8,
      'everything stalled can end': 5,
    },
    edits: ({ drop, replace }) => [
      drop(['recordStall', 'the queue has room']),
      replace(['recordStall', 'write the record'], (s, { tag }) => {
        const { of, epoch } = s.transaction[tag];
        if (s.events.isFull) s.overflow = true;
        else s.events.push({ tag, of, epoch });
        s.transaction[tag].at = 'reported';
      }),
    ],
  },
  'event-queue-not-read-again': {
    doc: 'the thread goes by PROD as it was at first',
    reference: 'HOST-01; the loop on PROD in arm_smmu_evtq_thread',
    violates: {
      'a record that waits has woken the thread': 5,
      'every stall is answered': 8,
      'an unbind ends': 13,
      'everything stalled can end': 5,
      'something can always happen': 11,
    },
    set: { queue: 2 },
    edits: ({ drop }) => [drop(['handleEvents', 'go on', 'read PROD again before the end'])],
  },
});
