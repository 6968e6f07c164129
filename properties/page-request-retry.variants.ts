/**
 * Known bugs between a fault and the access that it was for.
 */
import { variants } from '../language/index.ts';
import { Page } from '../model/page-request-retry.ts';
import { allows } from '../model/parts/permission.ts';
import { pageRequestRetryProperties } from './page-request-retry.ts';

export const pageRequestRetryVariants = variants(pageRequestRetryProperties, {
  'no-notifier-on-permission-upgrade': {
    doc: 'a PTE that becomes writable is flushed from the TLBs of processors only: the device meets its read-only entry again and again',
    reference: 'C1; Linux 6bbd42e2df8f (mmu_notifiers: call invalidate_range() when invalidating TLBs)',
    violates: {
      'when Success is answered, nothing that is cached stands in its way': 16,
      'an access ends': 23,
    },
    edits: ({ drop }) => [drop(['handle', 'an entry may be cached']), drop(['touch', 'an entry may be cached'])],
  },
  'no-notifier-on-cpu-upgrade': {
    doc: "the same where a processor's own fault makes the PTE writable: the handler then finds nothing to do",
    reference: 'C1; Linux 6bbd42e2df8f',
    violates: {
      'an access ends': 23,
    },
    edits: ({ drop }) => [drop(['touch', 'an entry may be cached'])],
  },
  'upgrade-flushes-the-atc-only': {
    doc: 'the ATC is invalidated and the TLB is not: the ATC is filled from it again',
    reference: 'C1; B1',
    violates: {
      'when Success is answered, nothing that is cached stands in its way': 17,
      'an access ends': 25,
    },
    edits: ({ drop }) => [drop(['handle', 'invalidate the TLB']), drop(['touch', 'invalidate the TLB'])],
  },
  'gathered-pte-false-noop': {
    doc: 'the handler looks at what all PTEs of a block grant together, and takes a read-only PTE beside a writable one for writable',
    reference:
      'C2; CVE-2026-43486, Linux 97c5550b7631 (arm64: contpte: fix set_access_flags() no-op check for SMMU/ATS faults)',
    violates: {
      'Success is answered only if the PTE grants what was asked': 21,
      'an access ends': 25,
    },
    size: 'block',
    edits: ({ replace, members }) => [
      replace(['handle', 'the PTE has to change'], ({ handled, page }) => {
        if (handled === null) return false;
        const { pte, wants } = page[handled];
        if (wants === null || allows(pte, wants)) return false;
        return pte === 'none' || members(Page).every((other) => !allows(page[other].pte, wants));
      }),
    ],
  },
  'range-end-without-start': {
    doc: 'an invalidation that the second notifier refuses is not ended at the first: its driver waits for the end for ever',
    reference: 'C8; Linux c2655835fd8c (mm/mmu_notifiers: ensure range_end() is paired with range_start())',
    violates: {
      'the driver counts the invalidations that are under way': 4,
      'an access ends': 10,
      'a fault is answered': 10,
      'the device can always become idle': 5,
      'something can always happen': 10,
    },
    edits: ({ drop }) => [drop(['takeAway', 'end what has started', 'end at the driver of the device'])],
  },
  'mirror-filled-during-invalidation': {
    doc: 'a mirror is filled while an invalidation is under way',
    reference: 'MMN-02; mmu_interval_read_retry',
    violates: {
      'a mirror is filled only while nothing is invalidated': 7,
    },
    edits: ({ drop }) => [drop(['handle', 'wait for invalidations', 'none is under way, or there is no mirror'])],
  },
  'success-used-as-a-translation': {
    doc: 'the device takes Success for a translation: a page that went meanwhile is written all the same',
    reference: "HOST-10, PRI-07; an endpoint's bug",
    violates: {
      'no access reaches a page of another owner': 16,
      'no more is cached than the PTE grants': 11,
      'the device does not use an answer as a translation': 11,
    },
    edits: ({ addEffect }) => [
      addEffect(['receive'], 'fill the ATC', (s, { page }) => {
        if (s.page[page].answer === 'Success') s.page[page].atc = 'read-write';
      }),
    ],
  },
  'success-without-handling': {
    doc: 'a fault that the mapping does not allow is answered Success: the device asks for ever',
    reference: 'IOPF-04, PRI-09',
    violates: {
      'Success is answered only if the PTE grants what was asked': 8,
      'an access ends': 11,
    },
    edits: ({ drop }) => [drop(['handle', 'refuse the fault', 'fail'])],
  },
  'mapping-not-checked': {
    doc: 'the access is not compared with what the mapping allows',
    reference: 'IOPF-04; access_error in iommu-sva.c',
    violates: {
      'no more is granted than the mapping allows': 7,
    },
    edits: ({ replace }) => [replace(['handle', 'the mapping allows it'], () => true)],
  },
  'mm-not-held': {
    doc: 'the handler takes no reference of the mm, whose page tables go while it works on them',
    reference: 'IOPF-04; mmget_not_zero in iommu_sva_handle_mm',
    violates: {
      'no access reaches a page of another owner': 17,
      'a mapped page has a frame of the process': 11,
      'page tables are changed only with a reference of the mm': 7,
      'the users of the mm are counted': 4,
      'Success is answered only if the PTE grants what was asked': 10,
    },
    edits: ({ replace, drop }) => [
      replace(['handle', 'take the mm', 'get it unless it is exiting'], (s, _p, me) => {
        me.held = s.mm.at === 'alive';
        if (!me.held) me.answer = 'Invalid Request';
      }),
      drop(['handle', 'drop the mm', 'put it']),
    ],
  },
  'mm-taken-while-it-exits': {
    doc: 'a reference is taken of an mm whose last one has gone',
    reference: 'IOPF-04; mmget_not_zero, not mmget',
    violates: {
      'no access reaches a page of another owner': 17,
      'a mapped page has a frame of the process': 11,
      'page tables are changed only with a reference of the mm': 7,
    },
    edits: ({ replace }) => [
      replace(['handle', 'take the mm', 'get it unless it is exiting'], (s, _p, me) => {
        me.held = true;
        s.mm.users++;
      }),
    ],
  },
  'mm-never-dropped': {
    doc: 'a fault that is refused keeps its reference: the mm is never torn down',
    reference: 'IOPF-04; A7',
    violates: {
      'the users of the mm are counted': 9,
      'an exit ends': 13,
    },
    edits: ({ replace }) => [
      replace(['handle', 'drop the mm', 'put it'], (s, _p, me) => {
        if (me.answer === 'Success') s.mm.users--;
        me.held = false;
      }),
    ],
  },
  'no-answer-without-mm': {
    doc: 'a fault of an mm that is exiting is dropped without an answer',
    reference: 'IOPF-13; PRI-14',
    violates: {
      'an access ends': 9,
      'a fault is answered': 9,
      'the device can always become idle': 2,
      'something can always happen': 9,
    },
    edits: ({ replace }) => [
      replace(['handle', 'answer', 'send the response'], (s, _p, me) => {
        if (s.handled === null || (me.answer !== 'Success' && s.mm.at !== 'alive')) return;
        s.page[s.handled].at = 'answered';
        s.page[s.handled].answer = me.answer;
      }),
    ],
  },
  'exit-without-invalidation': {
    doc: 'the page tables of an exiting mm are freed and the device is not told',
    reference: 'HOST-12; D5, the release notifier',
    violates: {
      'no access reaches a page of another owner': 8,
      'no more is cached than the PTE grants': 6,
    },
    edits: ({ drop }) => [drop(['exit', 'invalidate all'])],
  },
  'pte-removed-without-notifier': {
    doc: 'a page is taken away and the device is not told',
    reference: 'C3; CVE-2022-48991, Linux f268f6cf875f',
    violates: {
      'no access reaches a page of another owner': 9,
      'no more is cached than the PTE grants': 8,
      'an access ends': 31,
    },
    edits: ({ drop }) => [drop(['takeAway', 'invalidate the TLB']), drop(['takeAway', 'invalidate the ATC'])],
  },
});
