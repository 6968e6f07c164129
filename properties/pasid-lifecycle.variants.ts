/**
 * Known bugs in the life of a PASID, as edits of the correct protocol; and pairs in which the fix of one was the next.
 */
import { variants } from '../language/index.ts';
import { Pasid } from '../model/pasid-lifecycle.ts';
import { pasidLifecycleProperties } from './pasid-lifecycle.ts';

export const pasidLifecycleVariants = variants(pasidLifecycleProperties, {
  'pasid-freed-at-mmput': {
    doc: 'the PASID goes back to the pool with the last mm_users, while files of the process are still bound',
    reference: 'A1; Linux 2667ed10d9f0 (mm: Fix PASID use-after-free issue), fixes 701fac40384f',
    violates: {
      'no device writes into a page of another process': 35,
      'a PASID in the pool is mentioned nowhere': 13,
      'the domain counts its devices': 25,
      'an open file has a bond': 13,
      'an activated thread has the PASID of its mm': 14,
      'a PASID stays with its mm for life': 13,
      'accepted work ends': 52,
    },
    set: { faults: 0, failures: 0, together: 1 },
    edits: ({ drop, addEffect }) => [
      addEffect(['exit', 'free the pages'], 'free the PASID', (s, { mm }) => {
        const { pasid } = s.mm[mm];
        if (pasid !== null) s.pool[pasid].taken = false;
        s.mm[mm].pasid = null;
      }),
      drop(['exit', 'drop mm_count', 'free the PASID with the mm']),
      drop(['unbind', 'free the domain if nobody uses it', 'free the PASID with the mm']),
    ],
  },
  'unbind-reads-mm-after-free': {
    doc: 'unbind reads the data of the mm after the domain, which held the last reference, is freed: the price of freeing late',
    reference: 'A2; CVE-2026-23429, Linux 06e14c36e20b (iommu/sva: Fix crash in iommu_sva_unbind_device())',
    violates: { 'the data of an mm is read only while it exists': 24 },
    set: { faults: 0, failures: 0 },
    edits: ({ move }) => [move(['unbind', 'read the data of the mm'], { after: 'free the domain if nobody uses it' })],
  },
  'domain-without-mm-reference': {
    doc: 'the bond does not count the mm, which is freed under it; unbind then works on what is gone',
    reference: 'A3; CVE-2022-49426, Linux cbd23144f766 (iommu/arm-smmu-v3-sva: Fix mm use-after-free)',
    violates: {
      'no device writes into a page of another process': 26,
      'a PASID in the pool is mentioned nowhere': 14,
      'whoever uses an mm holds it': 14,
      'the data of an mm is read only while it exists': 16,
      'mm_count counts the references': 5,
      'a handle counts its files': 19,
      'an open file has a bond': 14,
      'an unbind ends': 29,
      'accepted work ends': 34,
    },
    set: { mm: 1, faults: 0, failures: 0, together: 1 },
    edits: ({ drop, replace }) => [
      drop(['bind', 'find or make the domain', 'take mm_count for a new domain']),
      drop(['unbind', 'free the domain if nobody uses it', 'drop its mm_count']),
      replace(['bind', 'attach', 'give a new domain up'], (s, { device }, me) => {
        const mm = s.device[device].binding;
        if (mm !== null && me.refused && s.mm[mm].domain.users === 0) s.mm[mm].domain.allocated = false;
      }),
    ],
  },
  'fork-inherits-pasid': {
    doc: 'the mm of the child keeps the PASID that was copied from the parent',
    reference: 'A4; Linux 82e69a121be4 (mm/fork: clear PASID for new mm)',
    violates: {
      'a live PASID belongs to one mm': 5,
      'a PASID that an mm holds is not in the pool': 11,
      'a PASID in the pool is mentioned nowhere': 13,
      'only a bind gives an mm its PASID': 5,
      'a new process has no PASID': 5,
    },
    set: { faults: 0, failures: 0 },
    edits: ({ drop }) => [drop(['fork', 'forget the PASID'])],
  },
  'reuse-with-pending-faults': {
    doc: 'unbind does not wait for page requests: a request of the old process is served for the next user of the PASID',
    reference: 'A6, E1; CVE-2026-31462, Linux 14b81abe7bdc (drm/amdgpu: prevent immediate PASID reuse case)',
    violates: { 'a PASID in the pool is mentioned nowhere': 27, 'no page request is taken for another mm': 37 },
    set: { failures: 0, together: 1 },
    edits: ({ drop, addGuard }) => [
      addGuard(['create'], 'one process lives after the other', (s) => s.mm.every(({ life }) => life !== 'living')),
      drop(['unbind', 'drain the page requests']),
      // Page requests are many states: what this bug does not need is left out.
      drop(['exec']),
      drop(['fork']),
      drop(['closeFile']),
    ],
  },
  'domain-reference-leak': {
    doc: 'unbind does not give the domain back: mm and PASID are never freed',
    reference: 'A7; iommu/vt-d: Fix PASID reference leak, 2021-08',
    violates: {
      'the domain counts its devices': 20,
      'the PASID of a dead mm can be used again': 26,
      'all can be given back': 4,
      'an exhausted pool recovers': 4,
    },
    set: { faults: 0, failures: 0 },
    edits: ({ drop }) => [drop(['unbind', 'remove the attachment', 'leave the domain'])],
  },
  'pasid-forgotten-before-free': {
    doc: 'the PASID is erased from the mm before the path that frees it has read it',
    reference: 'A7; iommu/vt-d: Fix PASID leak in intel_svm_unbind_mm(), 2021-08',
    violates: {
      'a PASID that is taken is held': 19,
      'an activated thread has the PASID of its mm': 22,
      'a PASID stays with its mm for life': 19,
      'all can be given back': 4,
      'an exhausted pool recovers': 4,
    },
    set: { faults: 0, failures: 0 },
    edits: ({ addEffect }) => [
      addEffect(
        ['unbind', 'free the domain if nobody uses it'],
        'forget the PASID',
        (s, p) => {
          const { mm } = s.release[p.mm];
          if (mm !== null) s.mm[mm].pasid = null;
        },
        { before: 'free it' },
      ),
    ],
  },
  'pasid-double-release': {
    doc: 'a bind that fails gives the PASID back, and the mm gives it back once more when it is freed',
    reference: 'A9; CVE-2022-50303, Linux 1a799c4c190e (drm/amdkfd: Fix double release compute pasid)',
    violates: {
      'a live PASID belongs to one mm': 11,
      'a PASID that an mm holds is not in the pool': 6,
      'a PASID in the pool is mentioned nowhere': 12,
    },
    set: { faults: 0 },
    edits: ({ addEffect }) => [
      addEffect(['bind', 'attach'], 'give the PASID back', (s, _p, me) => {
        if (me.refused && me.pasid !== null) s.pool[me.pasid].taken = false;
      }),
    ],
  },
  'pasid-freed-at-last-unbind': {
    doc: 'the last unbind frees the PASID while IA32_PASID of the threads still holds it',
    reference: 'A5; the life cycle before the redesign of 2021-09 (Re-enable ENQCMD and PASID MSR)',
    violates: { 'an activated thread has the PASID of its mm': 22, 'a PASID stays with its mm for life': 19 },
    set: { faults: 0, failures: 0 },
    edits: ({ addEffect }) => [
      addEffect(
        ['unbind', 'free the domain if nobody uses it'],
        'free the PASID',
        (s, p) => {
          const { mm } = s.release[p.mm];
          if (mm === null) return;
          const { pasid } = s.mm[mm];
          if (pasid !== null) s.pool[pasid].taken = false;
          s.mm[mm].pasid = null;
        },
        { before: 'free it' },
      ),
    ],
  },
  'unbind-before-drain': {
    doc: 'the bond is cut while work of the process is still in the device',
    reference: 'ENQ-14; idxd_cdev_release waits for operations in flight before it unbinds',
    violates: {
      'no device writes into a page of another process': 34,
      'a PASID in the pool is mentioned nowhere': 25,
      'the entry is cleared only after the drain': 13,
      'accepted work ends': 27,
    },
    set: { faults: 0, failures: 0, together: 1 },
    edits: ({ drop }) => [drop(['unbind', 'drain the PASID at the device'])],
  },
  'caches-not-invalidated-at-unbind': {
    doc: 'the PASID entry is cleared, and what is cached of it stays for the next mm with that PASID',
    reference: 'VTD-10, PASID-11',
    violates: {
      'no device writes into a freed page': 38,
      'a PASID in the pool is mentioned nowhere': 27,
      'nothing is cached of an mm without pages': 24,
    },
    set: { faults: 0, failures: 0 },
    edits: ({ drop }) => [drop(['unbind', 'invalidate the caches'])],
  },
  'release-does-not-block-the-pasid': {
    doc: 'the notifier release leaves the entry present while the page tables are freed',
    reference: 'MM-03, MM-05; intel_mm_release',
    violates: {
      'no device writes into a freed page': 16,
      'an entry is present only for the mm that is attached': 13,
      'between release and unbind faults stay silent': 13,
      'nothing is cached of an mm without pages': 15,
    },
    set: { faults: 0, failures: 0 },
    edits: ({ drop }) => [drop(['exit', 'block the PASID', 'make the entries quiet'])],
  },
  'release-does-not-wait': {
    doc: 'pages are freed while writes that were translated before are still on their way',
    reference: 'MM-03, INV-01',
    violates: { 'no device writes into a freed page': 15 },
    set: { faults: 0, failures: 0 },
    edits: ({ drop }) => [drop(['exit', 'wait for the invalidation'])],
  },
  'invalidated-before-blocked': {
    doc: 'the release empties the caches before the entry is blocked, and they fill again',
    reference: 'MM-03; the order of VTD-08',
    violates: { 'no device writes into a freed page': 19, 'nothing is cached of an mm without pages': 16 },
    set: { faults: 0, failures: 0 },
    edits: ({ move }) => [move(['exit', 'invalidate the caches'], { before: 'block the PASID' })],
  },
  'attach-races-release': {
    doc: 'the bind does not hold mm_users: the mm is released before its entry is written',
    reference: 'MM-06, D5; arm_smmu_sva_set_dev_pasid takes mmget_not_zero',
    violates: {
      'a PASID that is taken is held': 14,
      'a PASID in the pool is mentioned nowhere': 13,
      'a bind holds its mm': 3,
      'mm_users counts the users': 2,
      'an entry is present only for the mm that is attached': 12,
      'between release and unbind faults stay silent': 11,
      'all can be given back': 10,
      'an exhausted pool recovers': 10,
    },
    set: { faults: 0, failures: 0 },
    edits: ({ drop, replace }) => [
      drop(['bind', 'open the device', 'hold mm_users']),
      replace(['bind', 'return from open', 'drop mm_users'], () => undefined),
    ],
  },
  'handle-shared-between-devices': {
    doc: 'a bind finds the bond of another device of the same mm and takes it for its own: the device is never attached',
    reference: 'Linux 65d4418c5002 and 6384c56c99d9 (iommu/sva: handle sharing in the multi-device case)',
    violates: { 'an open file has a bond': 13, 'all can be given back': 4, 'an exhausted pool recovers': 4 },
    set: { faults: 0, device: 2, mm: 1, failures: 0 },
    edits: ({ replace, drop }) => [
      // What happens when such a bond is released is chaos: the binds alone show the bug.
      drop(['closeFile']),
      drop(['exitTask']),
      drop(['exec']),
      replace(
        ['bind', 'a bond exists'],
        (s, { device }, { pasid }) =>
          pasid !== null && s.device[device].binding !== null && s.table.some((row) => row[pasid].attached !== null),
      ),
    ],
  },
  'pasid-truncated-for-a-narrow-device': {
    doc: 'a PASID that the device cannot carry is not refused',
    reference: 'PASID-06; EOVERFLOW in iommu_alloc_mm_data',
    violates: {
      'a device is given only PASIDs that it carries': 13,
      'something can always happen': 30,
      'all can be given back': 4,
      'an exhausted pool recovers': 12,
    },
    set: { faults: 0, device: 2, pasid: 2, mm: 2, limited: 1, failures: 0 },
    edits: ({ drop }) => [
      // Two devices and two PASIDs are many states: the binds alone show the bug.
      drop(['closeFile']),
      drop(['exitTask']),
      drop(['exec']),
      drop(['submit']),
      drop(['bind', 'take the PASID of the mm', 'refuse one that is too large']),
    ],
  },
  'exhausted-pool-reuses': {
    doc: 'with no PASID left, one that is in use is handed out again',
    reference: 'PASID-07',
    violates: {
      'a live PASID belongs to one mm': 12,
      'an allocated PASID was free': 12,
      'all can be given back': 4,
      'an exhausted pool recovers': 4,
    },
    set: { faults: 0, failures: 0 },
    edits: ({ drop, replace, first }) => [
      // The binds alone show the bug.
      drop(['closeFile']),
      drop(['exitTask']),
      drop(['exec']),
      replace(['bind', 'allocate a PASID', 'choose a PASID'], (_s, _p, me) => {
        me.pasid = first(Pasid);
      }),
    ],
  },
  'worker-without-mm-users': {
    doc: 'the fault worker handles a fault in an mm that is exiting',
    reference: 'MM-07; mmget_not_zero in iommu_sva_handle_mm',
    violates: {
      'a PASID in the pool is mentioned nowhere': 24,
      'no page request is handled in an mm without pages': 18,
      'whoever uses an mm holds it': 24,
      'mm_count counts the references': 19,
      'an open file has a bond': 24,
      'something can always happen': 14,
      'the PASID of a dead mm can be used again': 14,
      'all can be given back': 5,
      'an exhausted pool recovers': 5,
    },
    set: { mm: 1, failures: 0 },
    edits: ({ drop }) => [
      drop(['closeFile']),
      drop(['exitFiles']),
      drop(['exec']),
      drop(['fork']),
      drop(['serveFaults', 'take mm_users', 'leave an exiting mm alone']),
    ],
  },
  'worker-runs-the-exit': {
    doc: 'the worker drops the last mm_users and runs the exit itself, whose drain waits for the worker',
    reference: 'MM-08; review of the 2018 and v4 series (mmput_async)',
    violates: {
      'something can always happen': 24,
      'an unbind ends': 22,
      'a bind ends': 23,
      'an exit ends': 15,
      'the PASID of a dead mm can be used again': 22,
      'all can be given back': 12,
      'an exhausted pool recovers': 12,
    },
    set: { failures: 0, together: 1 },
    edits: ({ addGuard }) => [
      addGuard(['serveFaults', 'answer the device'], 'the exit is done', (s, { device }) => {
        const { of } = s.device[device].serving;
        return of === null || s.mm[of].life !== 'exiting';
      }),
      addGuard(['exit', 'block the PASID'], 'the fault queue is flushed', (s, { mm }) =>
        s.device.every(({ serving }) => serving.stage === 'none' || serving.of !== mm),
      ),
    ],
  },
  'two-pasids-for-one-mm': {
    doc: 'the lookup drops its lock before it allocates: binds of one mm to two devices at once make two PASIDs for it',
    reference: 'BOND-16; __iommu_sva_bind_device of the 2018 series (v3): a candidate, which this trace reproduces',
    violates: {
      'a PASID that is taken is held': 14,
      'an open file has a bond': 14,
      'an entry is present only for the mm that is attached': 13,
      'iommu_sva_lock is held by one': 4,
      'a PASID stays with its mm for life': 9,
      'something can always happen': 17,
      'all can be given back': 5,
    },
    size: 'devices',
    set: { limited: 0 },
    edits: ({ addStep, drop }) => [
      // The binds alone show the bug.
      drop(['closeFile']),
      drop(['exitTask']),
      drop(['submit']),
      addStep(
        ['bind'],
        'drop the lock for the allocation',
        {
          then: {
            'release the lock': (s) => {
              s.lock = 'free';
            },
          },
        },
        { before: 'allocate a PASID' },
      ),
      addStep(
        ['bind'],
        'take it again',
        {
          when: { 'the lock is free': (s) => s.lock === 'free' },
          then: {
            'take the lock': (s) => {
              s.lock = 'bind';
            },
          },
        },
        { after: 'allocate a PASID' },
      ),
    ],
  },
  'quiet-entry-left-behind': {
    doc: 'tearing an entry down returns early if it is not present: what the release made quiet is never cleared',
    reference: 'Linux cf08ca81d08a (iommu/vt-d: Draining PRQ in sva unbind path when FPD bit set), fixes c43e1ccdebf2',
    violates: { 'a PASID in the pool is mentioned nowhere': 25 },
    set: { faults: 0, failures: 0 },
    edits: ({ replace }) => [
      replace(['unbind', 'clear the PASID entry', 'make it not present'], (s, p) => {
        const { device, pasid } = s.release[p.mm];
        if (device === null || pasid === null || s.table[device][pasid].entry !== 'present') return;
        s.table[device][pasid].entry = 'none';
        s.table[device][pasid].tables = null;
      }),
    ],
  },
  'no-drain-after-the-release': {
    doc: 'the same early return skips the drain of the page requests of an mm that was released before',
    reference: 'the other half of Linux cf08ca81d08a, fixes c43e1ccdebf2',
    violates: { 'a PASID in the pool is mentioned nowhere': 28 },
    set: { failures: 0 },
    edits: ({ replace }) => [
      replace(['unbind', 'drain the page requests', 'none is left'], (s, p) => {
        const { mm, device, pasid } = s.release[p.mm];
        if (device === null || mm === null || s.mm[mm].life !== 'living') return true;
        const { requests, serving } = s.device[device];
        return !requests.has((request) => request.pasid === pasid) && serving.pasid !== pasid;
      }),
    ],
  },
  'drain-ignores-the-worker': {
    doc: 'unbind drains the hardware queue, and not the worker that has taken a request from it',
    reference: 'iopf_queue_flush_dev, after which alone a domain may go (iommu: Prepare IOMMU domain for IOPF, 2022)',
    violates: { 'a PASID in the pool is mentioned nowhere': 29 },
    set: { failures: 0 },
    edits: ({ replace }) => [
      replace(['unbind', 'drain the page requests', 'none is left'], (s, p) => {
        const { device, pasid } = s.release[p.mm];
        return device === null || !s.device[device].requests.has((request) => request.pasid === pasid);
      }),
    ],
  },
  'drained-before-the-entry-is-gone': {
    doc: 'the page requests are drained while the entry is still present, and more may come',
    reference: 'Linux c43e1ccdebf2 (iommu/vt-d: Drain PRQs when domain removed from RID): the drain ends the tear-down',
    violates: { 'page requests are drained when no new one can come': 13 },
    set: { failures: 0 },
    edits: ({ move }) => [move(['unbind', 'drain the page requests'], { before: 'clear the PASID entry' })],
  },
  'failed-attach-leaks-the-domain': {
    doc: 'the error path of a bind forgets the domain that it made: the mm and its PASID are never freed',
    reference: 'A7; out_free_domain in iommu_sva_bind_device',
    violates: {
      'the domain counts its devices': 7,
      'the PASID of a dead mm can be used again': 13,
      'all can be given back': 7,
      'an exhausted pool recovers': 7,
    },
    set: { faults: 0 },
    edits: ({ drop }) => [drop(['bind', 'attach', 'give a new domain up'])],
  },
  'largest-pasid-is-one-too-large': {
    doc: 'the allocator takes the number of PASIDs of the device for the largest one',
    reference: 'PASID-05; max_pasids - 1 in iommu_alloc_global_pasid',
    violates: { 'a device is given only PASIDs that it carries': 6 },
    size: 'devices',
    edits: ({ replace, members }) => [
      replace(['bind', 'allocate a PASID', 'choose a PASID'], (s, _p, me) => {
        me.pasid = members(Pasid).find((pasid) => !s.pool[pasid].taken) ?? null;
      }),
    ],
  },
});
