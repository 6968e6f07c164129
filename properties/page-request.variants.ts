/**
 * Known bugs in the way of a page request to its address space and back, and real systems that differ, as edits and
 * configurations of the correct protocol.
 */
import { variants } from '../language/index.ts';
import { collect, Process, Slot } from '../model/page-request.ts';
import { pageRequestProperties } from './page-request.ts';

export const pageRequestVariants = variants(pageRequestProperties, {
  'no-prq-drain-before-pasid-reuse': {
    doc: 'the PASID is freed without waiting for the page request queue: the next owner is given the faults of the last',
    reference: 'E1; Linux 66ac4db36f4c (iommu/vt-d: Add page request draining support)',
    violates: {
      'a fault changes only the address space that caused it': 12,
      'no fault is handled for an address space that is gone': 10,
      'a freed PASID has left nothing behind': 7,
      'who drains waits for no more than what was ahead': 6,
    },
    edits: ({ drop }) => [drop(['live', 'wait for the queue'])],
  },
  'no-worker-flush-before-pasid-reuse': {
    doc: 'the queue is drained, but workers that still have groups are not waited for',
    reference: 'E1, IOPF-09; iopf_queue_flush_dev',
    violates: {
      'no fault is handled for an address space that is gone': 13,
    },
    edits: ({ drop }) => [drop(['live', 'free the PASID', 'no worker has a group of it'])],
  },
  'pasid-immediate-reuse-pending-fault': {
    doc: 'nothing is drained, and the freed PASID is the first to be given away again',
    reference: 'A6; CVE-2026-31462, Linux 14b81abe7bdc (drm/amdgpu: prevent immediate PASID reuse case)',
    violates: {
      'a fault changes only the address space that caused it': 12,
      'no fault is handled for an address space that is gone': 10,
      'a freed PASID has left nothing behind': 7,
      'who drains waits for no more than what was ahead': 6,
    },
    edits: ({ drop }) => [
      drop(['live', 'wait for the queue']),
      drop(['live', 'free the PASID', 'no worker has a group of it']),
    ],
  },
  'pasid-cyclic-reuse-pending-fault': {
    doc: 'the mitigation of the same: PASIDs are given away in turn; with as many processes as PASIDs and one more it fails again',
    reference: 'A6; the fix of CVE-2026-31462, which only lengthens the counterexample',
    violates: {
      'a fault changes only the address space that caused it': 17,
      'no fault is handled for an address space that is gone': 10,
      'a freed PASID has left nothing behind': 7,
      'who drains waits for no more than what was ahead': 6,
    },
    set: { process: 3, pasid: 2, unbinds: 2, stop: 1, nonsense: 0, memory: 0 },
    edits: ({ drop, addGuard, members, index }) => [
      drop(['live', 'wait for the queue']),
      drop(['live', 'free the PASID', 'no worker has a group of it']),
      addGuard(['live', 'bind'], 'the next PASID in turn', (s, { process, pasid }) => {
        const number = index(Process, process);
        return members(Process).every(
          (other) => number - index(Process, other) !== 1 || s.process[other].pasid !== pasid,
        );
      }),
      // What this bug does not need is left out: only the first process asks, and for single pages.
      addGuard(
        ['ask'],
        'only the first process, and one page',
        (_s, { process, last }) => last && index(Process, process) === 0,
      ),
      addGuard(['live', 'bind'], 'one after the other', (s) => s.process.every(({ attached }) => !attached)),
    ],
  },
  'drain-ignores-rid-faults': {
    doc: 'the drain looks for records with a PASID only: those of an address space that is attached to the RID are missed',
    reference: 'E3; Linux add43c4fbc92 (iommu/vt-d: Make intel_iommu_drain_pasid_prq() cover faults for RID)',
    violates: {
      'no fault is handled for an address space that is gone': 17,
      'a freed PASID has left nothing behind': 17,
    },
    size: 'rid',
    edits: ({ replace }) => [
      replace(['live', 'begin to drain', 'count the records ahead'], (s, { process }) => {
        if (s.process[process].pasid !== null) s.process[process].drain = s.records.length + (s.taken === null ? 0 : 1);
      }),
    ],
  },
  'partial-fault-processed-as-complete': {
    doc: 'a request that is not the Last is stored, and handled as a group of its own as well',
    reference: 'E7; CVE-2024-44994, Linux fca5b78511e9 (iommu: Restore lost return in iommu_report_device_fault())',
    violates: {
      'a response is for the group that waits': 11,
      'a group is answered at most once': 8,
      'the endpoint sees no unexpected response': 12,
      'responses carry the PASID as the endpoint wants': 14,
      'Success is said of pages that were made available': 11,
      'an automatic response is Success, and for a request that was dropped': 14,
      'a response gives back the credits of its group alone': 12,
      'a free index has no request under way': 10,
      'a stored partial belongs to a group that is not over': 13,
    },
    set: { process: 1, stop: 0, nonsense: 0, memory: 0 },
    edits: ({ addEffect, members }) => [
      addEffect(['handleQueue', 'store the partial'], 'handle it as well', (s) => {
        const free = members(Slot).find((slot) => s.slot[slot].at === 'free');
        if (free !== undefined) collect(s, free);
      }),
    ],
  },
  'response-for-non-last-request': {
    doc: 'each request is answered, and not only the Last of its group',
    reference: 'E10; Linux, iommu/vt-d: Avoid sending invalid page response (2020-01)',
    violates: {
      'a response is for the group that waits': 7,
      'a group is answered at most once': 8,
      'the endpoint sees no unexpected response': 8,
      'responses carry the PASID as the endpoint wants': 10,
      'Success is said of pages that were made available': 16,
      'an automatic response is Success, and for a request that was dropped': 10,
      'a response gives back the credits of its group alone': 8,
      'a free index has no request under way': 9,
      'a stored partial belongs to a group that is not over': 9,
    },
    set: { process: 1, stop: 0, nonsense: 0, memory: 0 },
    edits: ({ addEffect }) => [
      addEffect(['handleQueue', 'store the partial'], 'answer it', (s) => {
        if (s.taken === null || s.responses.isFull) return;
        const { group, pasid, epoch } = s.taken;
        s.responses.add({ group, pasid, code: 'Success', epoch, automatic: false });
      }),
    ],
  },
  'response-without-the-identifiers-of-the-request': {
    doc: 'the response does not echo the PASID of the request, which the endpoint needs',
    reference: "E10; Linux, iommu/vt-d: Don't set then clear private data in prq_event_thread() (2021-03); PRI-12",
    violates: {
      'the endpoint sees no unexpected response': 11,
      'responses carry the PASID as the endpoint wants': 10,
      'a response gives back the credits of its group alone': 11,
      'every group is answered': 13,
      'an unbind ends': 14,
      'all credits can come back': 7,
      'something can always happen': 14,
    },
    edits: ({ replace }) => [
      replace(['work', 'respond', 'answer if no response was given'], (s, { slot }, { status }) => {
        const { pending, group, epoch } = s.slot[slot];
        if (pending) s.responses.add({ group, pasid: null, code: status, epoch, automatic: false });
      }),
    ],
  },
  'automatic-response-without-pasid': {
    doc: 'STE.PPAR is not set for an endpoint that needs the PASID in responses',
    reference: 'PRIEN-02; seed-002 p34',
    violates: {
      'the endpoint sees no unexpected response': 6,
      'responses carry the PASID as the endpoint wants': 5,
      'a response gives back the credits of its group alone': 6,
      'every group is answered': 13,
      'an unbind ends': 14,
      'all credits can come back': 5,
      'something can always happen': 14,
    },
    set: { ppar: 0 },
  },
  'partials-kept-over-overflow': {
    doc: 'an overflow is acknowledged and the partial groups are kept: one whose Last was dropped is taken for part of the next',
    reference: 'IOPF-08, PRI-21; iopf_queue_discard_partial',
    violates: {
      'a fault changes only the address space that caused it': 24,
      'a freed PASID has left nothing behind': 16,
      'Success is said of pages that were made available': 28,
      'the overflow is acknowledged only when the queue is empty and no partial is left': 11,
      'a stored partial belongs to a group that is not over': 12,
    },
    edits: ({ drop }) => [drop(['handleQueue', 'discard the partials'])],
  },
  'overflow-cleared-with-records-queued': {
    doc: 'the overflow is acknowledged after each batch, although the queue is not empty',
    reference: 'Linux 28a77185f1cd (iommu/vt-d: Clear PRQ overflow only when PRQ is empty)',
    violates: {
      'a record that waits has woken the thread': 10,
      'the overflow is acknowledged only when the queue is empty and no partial is left': 16,
      'every group is answered': 10,
      'an unbind ends': 11,
      'an overflow is handled': 22,
      'all credits can come back': 7,
      'something can always happen': 11,
    },
    set: { asks: 2, nonsense: 0, queue: 2 },
    edits: ({ replace, drop }) => [
      replace(['handleQueue', 'the queue overflowed'], (s) => s.overflow),
      drop(['handleQueue', 'go on', 'read PROD again before the end']),
    ],
  },
  'unbind-does-not-wait-for-overflow': {
    doc: 'the unbind does not wait for an overflow to be handled: a partial group of its own survives it',
    reference: 'PRI-34; the retry in intel_iommu_drain_pasid_prq',
    violates: {
      'a freed PASID has left nothing behind': 15,
    },
    edits: ({ drop }) => [drop(['live', 'wait for the queue', 'the overflow has been handled'])],
  },
  'drain-waits-for-an-empty-queue': {
    doc: 'the unbind waits for the queue to be empty, which another PASID of a busy device prevents',
    reference: 'IOPF-10; 2018 SMMU p27',
    violates: {
      'an unbind ends': 17,
    },
    set: { pasid: 2, asks: 0, stop: 0, nonsense: 0, memory: 0 },
    edits: ({ replace, addGuard }) => [
      replace(
        ['live', 'wait for the queue', 'the records ahead have been taken up'],
        (s) => s.records.isEmpty && s.taken === null,
      ),
      replace(['live', 'begin to drain', 'count the records ahead'], () => {}),
      // What this bug does not need is left out.
      addGuard(['ask'], 'groups of one page', (_s, { last }) => last),
    ],
  },
  'only-one-drain-is-woken': {
    doc: 'two unbinds wait for the thread, which wakes one of them; the other waits for a batch that may never come',
    reference:
      'a candidate finding; Linux 7.0 intel/prq.c: the drains of all devices share prq_complete, and complete() wakes one',
    violates: {
      'an unbind ends': 21,
    },
    set: { pasid: 2, unbinds: 2, stop: 1, nonsense: 0, memory: 0 },
    edits: ({ replace, addGuard, members }) => [
      replace(['handleQueue', 'go on', 'count the record for those who drain'], (s) => {
        const woken = members(Process).find((process) => s.process[process].drain > 0);
        if (woken !== undefined) s.process[woken].drain--;
      }),
      // What this bug does not need is left out: the Stop Markers are records enough.
      addGuard(['ask'], 'nobody asks', () => false),
    ],
  },
  'overflow-never-acknowledged': {
    doc: 'OVACKFLG is never toggled: the SMMU drops all requests from then on',
    reference:
      'Linux 67ea0b7ce418 (iommu/arm-smmu-v3: Acknowledge pri/event queue overflow if any); amd_iommu_restart_ppr_log',
    violates: {
      'an unbind ends': 16,
      'an overflow is handled': 13,
    },
    edits: ({ drop }) => [drop(['handleQueue', 'acknowledge the overflow', 'toggle OVACKFLG'])],
  },
  'overflow-flag-not-set': {
    doc: 'a queue that is full drops requests and does not tell: a partial waits for a Last that was dropped',
    reference: "PRI-20; an IOMMU's bug, or an emulated one's",
    violates: {
      'a fault changes only the address space that caused it': 23,
      'a freed PASID has left nothing behind': 15,
      'Success is said of pages that were made available': 27,
      'a stored partial belongs to a group that is not over': 10,
    },
    edits: ({ drop }) => [drop(['overflowRecord', 'set the overflow flag'])],
  },
  'answered-before-all-faults-are-handled': {
    doc: 'the response goes out while faults of the group are still being handled',
    reference: 'iommu_v2 of old: finish_pri_tag answered by a count of faults in flight; PRI-09',
    violates: {
      'Success is said of pages that were made available': 9,
      'a group is on the list until it is answered': 9,
    },
    edits: ({ move }) => [move(['work', 'respond'], { before: 'faults are left' })],
  },
  'rid-is-not-drained': {
    doc: 'a domain that leaves the RID is freed without any drain',
    reference: 'Linux c43e1ccdebf2 (iommu/vt-d: Drain PRQs when domain removed from RID)',
    violates: {
      'no fault is handled for an address space that is gone': 14,
      'a freed PASID has left nothing behind': 11,
    },
    size: 'rid',
    edits: ({ replace }) => [
      replace(['live', 'begin to drain', 'count the records ahead'], (s, { process }) => {
        if (s.process[process].pasid !== null) s.process[process].drain = s.records.length + (s.taken === null ? 0 : 1);
      }),
      replace(['live', 'begin to drain', 'note an overflow'], (s, { process }) => {
        if (s.process[process].pasid !== null) s.process[process].overflow = s.overflow;
      }),
      replace(
        ['live', 'free the PASID', 'no worker has a group of it'],
        (s, { process }) => s.process[process].pasid === null || s.slot.every(({ target }) => target !== process),
      ),
    ],
  },
  'queue-not-read-again': {
    doc: 'the thread goes by PROD as it was at first: what came meanwhile has raised no interrupt and waits for ever',
    reference: 'HOST-01; the loop on PROD in arm_smmu_evtq_thread and arm_smmu_priq_thread',
    violates: {
      'a record that waits has woken the thread': 10,
      'every group is answered': 10,
      'an unbind ends': 11,
      'an overflow is handled': 15,
      'all credits can come back': 7,
      'something can always happen': 11,
    },
    set: { queue: 2 },
    edits: ({ drop }) => [drop(['handleQueue', 'go on', 'read PROD again before the end'])],
  },
  'interrupt-acknowledged-late': {
    doc: 'the interrupt is acknowledged after the queue was read: one that came in between is lost',
    reference: 'PRI-26; PPR is cleared before head and tail are read in prq_event_thread',
    violates: {
      'a record that waits has woken the thread': 11,
      'every group is answered': 11,
      'an unbind ends': 12,
      'an overflow is handled': 23,
      'all credits can come back': 10,
      'something can always happen': 12,
    },
    set: { queue: 2 },
    edits: ({ drop, addStep }) => [
      drop(['handleQueue', 'wait for the interrupt', 'acknowledge it']),
      addStep(
        ['handleQueue'],
        'acknowledge late',
        {
          then: {
            'acknowledge it late': (s) => {
              s.interrupt = false;
            },
          },
        },
        { after: 'the queue overflowed' },
      ),
    ],
  },
  'bad-last-leaves-its-partial': {
    doc: 'a Last that is refused is answered, but its partial stays on the list and is taken for part of the next group of that index',
    reference:
      'IOPF-17; Linux 7.0, handle_bad_prq_event in intel/prq.c and err_bad_iopf in io-pgfault.c, a candidate finding',
    violates: {
      'a fault changes only the address space that caused it': 26,
      'a freed PASID has left nothing behind': 18,
      'Success is said of pages that were made available': 30,
      'a stored partial belongs to a group that is not over': 13,
    },
    edits: ({ drop }) => [drop(['handleQueue', 'refuse the request', 'forget its partials'])],
  },
  'bad-last-without-memory-leaves-its-partial': {
    doc: 'the same where there is no memory for the group: partials are taken from the list only if there is',
    reference: 'IOPF-17; the comment on cleanup_partial in io-pgfault.c',
    violates: {
      'a fault changes only the address space that caused it': 26,
      'a freed PASID has left nothing behind': 18,
      'Success is said of pages that were made available': 30,
      'a stored partial belongs to a group that is not over': 13,
    },
    edits: ({ replace }) => [
      replace(['handleQueue', 'collect the group', 'take its partials from the list'], (s, { slot }) => {
        const { taken, partial } = s;
        if (slot !== null) partial.removeAll(({ group }) => group === taken?.group);
      }),
    ],
  },
  'report-error-ignored': {
    doc: 'the driver ignores that a fault could not be reported, and nobody answers the group',
    reference:
      "IOPF-13; Linux, intel_prq_report between 2024-02 and 2024-07, when the error was the caller's to answer",
    violates: {
      'every group is answered': 8,
      'an unbind ends': 9,
      'all credits can come back': 7,
      'something can always happen': 9,
    },
    edits: ({ drop }) => [drop(['handleQueue', 'collect the group', 'refuse it without memory'])],
  },
  'stop-marker-taken-for-a-request': {
    doc: 'Stop Markers are not filtered out before faults are reported',
    reference: 'IOPF-07; PRI-19',
    violates: {
      'a response is for the group that waits': 9,
      'the endpoint sees no unexpected response': 10,
      'only what no driver takes is refused, and not with Success': 9,
      'a response gives back the credits of its group alone': 10,
    },
    edits: ({ replace }) => [replace(['handleQueue', 'it is a Stop Marker'], () => false)],
  },
  'later-success-hides-a-failure': {
    doc: 'the status of a group is that of its last fault and not of the first that failed',
    reference: 'IOPF-03; iommu_sva_handle_iopf',
    violates: {
      'Success is said of pages that were made available': 16,
    },
    edits: ({ replace, drop }) => [
      drop(['work', 'handle the fault', 'nothing is tried after a failure']),
      replace(['work', 'handle the fault', 'keep the first failure'], (_s, { available }, me) => {
        me.status = available ? 'Success' : 'Invalid Request';
      }),
    ],
  },
  'stop-completes-with-requests-on-the-link': {
    doc: 'the endpoint completes a PASID stop without having pushed its page requests',
    reference: "PRI-29; PCIe 4.0 6.20.1, an endpoint's bug",
    violates: {
      'a fault changes only the address space that caused it': 13,
      'no fault is handled for an address space that is gone': 11,
      'a freed PASID has left nothing behind': 7,
      'a stopped PASID has no request in the device or on the link': 4,
    },
    edits: ({ drop }) => [drop(['completeStop', 'the link is empty of its PASID'])],
  },
  'stop-forgets-outstanding-groups': {
    doc: "the endpoint takes a stopped PASID's groups for ended and uses their indices again: late responses match new groups",
    reference: "PRI-32, PRI-03; an endpoint's bug",
    violates: {
      'a response is for the group that waits': 7,
      'the endpoint sees no unexpected response': 8,
      'responses carry the PASID as the endpoint wants': 7,
      'Success is said of pages that were made available': 12,
      'only what no driver takes is refused, and not with Success': 9,
      'an automatic response is Success, and for a request that was dropped': 7,
      'a response gives back the credits of its group alone': 8,
      'a free index has no request under way': 9,
      'a stored partial belongs to a group that is not over': 11,
    },
    edits: ({ addEffect }) => [
      addEffect(['completeStop'], 'forget its groups', (s, { process }) => {
        s.group.forEach((group) => {
          if (group.of !== process) return;
          s.endpoint.credits += group.requests;
          group.at = 'free';
          group.of = null;
          group.pasid = null;
          group.requests = 0;
          group.dropped = false;
          group.bad = false;
        });
      }),
    ],
  },
  'handler-found-when-handled': {
    doc: 'a worker looks the address space up when it handles the group, and the unbind flushes no workers',
    reference: 'IOPF-09; 2018 iommu-sva.c looked the PASID up in the worker, which the flush made safe',
    violates: {
      'a fault changes only the address space that caused it': 14,
      'no fault is handled for an address space that is gone': 13,
      'a worker works on a group that is its own': 14,
    },
    edits: ({ drop, addEffect }) => [
      drop(['live', 'free the PASID', 'no worker has a group of it']),
      addEffect(['work', 'start'], 'look the handler up', (s, { slot }) => {
        const { pasid } = s.slot[slot];
        s.slot[slot].target = pasid === null ? s.rid.handler : s.pasid[pasid].handler;
      }),
    ],
  },

  // Real systems that differ, as they are.
  'linux-failure-without-memory': {
    doc: 'Linux 7.0 answers Response Failure to a group that it cannot queue: PRI is off for the function and all its VFs',
    reference: 'IOPF-13, candidate finding; Linux 7.0 io-pgfault.c, err_abort',
    violates: {
      'PRI stays on': 8,
    },
    set: { failure: 1 },
  },
  'linux-answers-refused-non-last': {
    doc: 'a refused request is answered Invalid Request even if it is not the Last: its group is answered more than once',
    reference: 'IOPF-16, candidate finding; Linux 7.0 io-pgfault.c, err_bad_iopf',
    violates: {
      'a response is for the group that waits': 7,
      'a group is answered at most once': 8,
      'the endpoint sees no unexpected response': 8,
      'responses carry the PASID as the endpoint wants': 10,
      'Success is said of pages that were made available': 15,
      'only what no driver takes is refused, and not with Success': 10,
      'an automatic response is Success, and for a request that was dropped': 10,
      'a response gives back the credits of its group alone': 8,
      'a free index has no request under way': 9,
      'a stored partial belongs to a group that is not over': 27,
    },
    set: { refusal: 1 },
  },
  'linux-amd-failure-to-each-refused': {
    doc: 'each malformed request is answered Response Failure, Last or not',
    reference: 'PRI-28, candidate finding; Linux 7.0 amd/ppr.c',
    violates: {
      'a response is for the group that waits': 7,
      'a group is answered at most once': 8,
      'the endpoint sees no unexpected response': 8,
      'responses carry the PASID as the endpoint wants': 10,
      'Success is said of pages that were made available': 15,
      'only what no driver takes is refused, and not with Success': 10,
      'an automatic response is Success, and for a request that was dropped': 10,
      'PRI stays on': 8,
      'a response gives back the credits of its group alone': 8,
      'a free index has no request under way': 9,
      'a stored partial belongs to a group that is not over': 27,
    },
    set: { refusal: 2 },
  },
  'linux-vtd-drops-request-without-pasid-and-access': {
    doc: 'a request without PASID, R and W is taken for a Stop Marker and never answered',
    reference: 'PRI-25, candidate finding; Linux 7.0 intel/prq.c',
    violates: {
      'every group is answered': 8,
      'an unbind ends': 9,
      'all credits can come back': 2,
      'something can always happen': 10,
    },
    size: 'rid',
    set: { markers: 1 },
  },
  'linux-vtd-forgets-bad-non-last': {
    doc: 'a bad request that is not the Last is dropped without a trace: its group is answered Success, and the device asks again',
    reference:
      'PRI-09, PRI-24, candidate finding; Linux 7.0 intel/prq.c, handle_bad_prq_event returns if it is not the Last',
    violates: {
      'Success is said of pages that were made available': 15,
    },
    set: { forgets: 1 },
  },
  'linux-smmuv3-denies-all': {
    doc: 'a driver without use for page requests denies each Last, Stop Markers included: PRI goes off, and a marker is answered',
    reference: 'HOST-07, candidate finding; Linux 7.0 arm-smmu-v3.c, arm_smmu_handle_ppr',
    violates: {
      'a response is for the group that waits': 9,
      'the endpoint sees no unexpected response': 10,
      'only what no driver takes is refused, and not with Success': 7,
      'PRI stays on': 8,
      'a response gives back the credits of its group alone': 10,
    },
    set: { denies: 1 },
  },
});
