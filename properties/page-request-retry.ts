/**
 * What must hold from the fault to the access: Success is worth a new try and no more, a try ends, and nothing is reached that
 * was taken away.
 */
import { properties } from '../language/index.ts';
import { Page, pageRequestRetry } from '../model/page-request-retry.ts';
import { allows, exceeds } from '../model/parts/permission.ts';

export const pageRequestRetryProperties = properties(
  pageRequestRetry,
  ({ invariant, transition, leadsTo, recoverable, reachable, deadlockFree, size }) => ({
    'no access reaches a page of another owner': invariant({
      requirement: ['HOST-12', 'HOST-10', 'PRI-07'],
      forall: { page: Page },
      holds: (s, { page }) => !s.page[page].overwritten,
    }),
    'no more is cached than the PTE grants': invariant({
      doc: 'unless it is being changed, TLB and ATC have at most the permission of the PTE',
      requirement: ['MMN-02', 'HOST-09', 'HOST-12'],
      forall: { page: Page },
      given: (s, { page }) => !s.page[page].locked && s.exit.at !== 'invalidate all',
      holds: (s, { page }) => {
        const { pte, tlb, atc } = s.page[page];
        return !exceeds(tlb, pte) && !exceeds(atc, pte);
      },
    }),
    'no more is granted than the mapping allows': invariant({
      requirement: ['IOPF-04'],
      forall: { page: Page },
      holds: (s, { page }) => !exceeds(s.page[page].pte, s.page[page].allowed),
    }),
    'a mapped page has a frame of the process': invariant({
      requirement: ['HOST-09'],
      forall: { page: Page },
      holds: (s, { page }) => s.page[page].pte === 'none' || s.page[page].frame === 'process',
    }),
    'page tables are changed only with a reference of the mm': invariant({
      doc: 'what was torn down stays so, and the handler works on an mm that it holds',
      requirement: ['IOPF-04', 'IOPF-13'],
      holds: (s) =>
        (s.mm.at !== 'gone' || s.page.every(({ pte }) => pte === 'none')) &&
        (s.mm.at !== 'gone' || !['lock the PTE', 'write the PTE', 'unlock the PTE'].includes(s.handle.at)),
    }),
    'the users of the mm are counted': invariant({
      requirement: ['IOPF-04'],
      holds: (s) => s.mm.users === (s.mm.at === 'alive' ? 1 : 0) + (s.handle.held ? 1 : 0),
    }),
    'the driver counts the invalidations that are under way': invariant({
      doc: 'each start has its end',
      requirement: ['MMN-02', 'HOST-11'],
      holds: (s) =>
        s.mm.invalidating ===
        s.takeAway.filter(({ at }) => at !== 'start the first notifier' && at !== 'return').length,
    }),
    ...(size.mirror > 0
      ? {
          'a mirror is filled only while nothing is invalidated': transition({
            requirement: ['MMN-02'],
            given: (s, action) => s.mirror && action.type === 'handle' && action.step === 'wait for invalidations',
            holds: (s) => s.mm.invalidating === 0,
          }),
        }
      : {}),
    'Success is answered only if the PTE grants what was asked': transition({
      doc: 'unless it was taken away meanwhile',
      requirement: ['PRI-09', 'IOPF-04', 'HOST-09'],
      given: (s, action) =>
        action.type === 'handle' && action.step === 'unlock the PTE' && s.handle.answer === 'Success',
      holds: (s) => {
        if (s.handled === null) return false;
        const { pte, wants } = s.page[s.handled];
        return wants !== null && allows(pte, wants);
      },
    }),
    'when Success is answered, nothing that is cached stands in its way': transition({
      doc: 'the handler leaves no entry with less permission than the PTE that it has written',
      requirement: ['HOST-09', 'HOST-11', 'PRI-27'],
      given: (s, action) => action.type === 'handle' && action.step === 'unlock the PTE' && s.handle.changed,
      holds: (s) => {
        if (s.handled === null) return false;
        const { tlb, atc, wants } = s.page[s.handled];
        return [tlb, atc].every((entry) => entry === 'none' || (wants !== null && allows(entry, wants)));
      },
    }),
    'the device does not use an answer as a translation': transition({
      requirement: ['HOST-10', 'PRI-07'],
      given: (_s, action) => action.type === 'receive',
      holds: (s, action, after) => action.type !== 'receive' || after.page[action.page].atc === s.page[action.page].atc,
    }),

    'an access ends': leadsTo({
      doc: 'it is done, or fails because the mapping or the mm does not allow it, once pages are not taken away any more',
      requirement: ['HOST-11', 'IOPF-13', 'PRI-07', 'PRI-08'],
      forall: { page: Page },
      from: (s, { page }) => s.page[page].at !== 'idle',
      to: (s, { page }) => s.page[page].at === 'idle',
    }),
    'a fault is answered': leadsTo({
      requirement: ['IOPF-13', 'PRI-14'],
      forall: { page: Page },
      from: (s, { page }) => s.page[page].at === 'asked',
      to: (s, { page }) => s.page[page].at !== 'asked',
    }),
    'an exit ends': leadsTo({
      requirement: ['IOPF-13'],
      from: (s) => s.mm.at === 'exiting',
      to: (s) => s.exit.at === 'done',
    }),
    'the device can always become idle': recoverable({
      requirement: ['HOST-11'],
      holds: (s) => s.page.every(({ at }) => at === 'idle'),
    }),
    'something can always happen': deadlockFree({
      final: { 'nothing is wanted': (s) => s.page.every(({ at }) => at === 'idle') },
    }),

    'a page is asked for twice': reachable({
      requirement: ['HOST-10', 'PRI-08'],
      holds: (s) => s.handled !== null && s.page[s.handled].pte === 'read-write',
    }),
    ...(size.drops > 0
      ? {
          'a page goes between Success and the new translation': reachable({
            requirement: ['HOST-10'],
            exists: { page: Page },
            holds: (s, { page }) =>
              s.page[page].at === 'answered' &&
              s.page[page].answer === 'Success' &&
              s.page[page].pte === 'none' &&
              s.mm.at === 'alive',
          }),
        }
      : {}),
  }),
);
