/**
 * What must hold of ATC invalidation: no device access outlives the mapping that it used, and what shows that the model is
 * alive.
 */
import { properties } from '../language/index.ts';
import { atcInvalidation, Endpoint, Page } from '../model/atc-invalidation.ts';
import { exceeds } from '../model/parts/permission.ts';

export const atcInvalidationProperties = properties(atcInvalidation, ({ invariant, reachable, deadlockFree }) => ({
  'no write reaches a page of another owner': invariant({
    doc: 'a device write never lands in a frame that was freed and given to a stranger',
    requirement: ['HOST-12', 'INV-01', 'INV-02', 'ATS-18', 'ATS-23'],
    forall: { page: Page },
    holds: (s, { page }) => s.page[page].harm !== 'overwritten',
  }),
  'no read returns data of another owner': invariant({
    doc: "a device read never returns a stranger's data",
    requirement: ['HOST-12', 'INV-01', 'ATS-17'],
    forall: { page: Page },
    holds: (s, { page }) => s.page[page].harm !== 'leaked',
  }),
  'no write reaches a page that was made read-only': invariant({
    doc: 'once a write-protection has returned, no device write lands in the page',
    requirement: ['ATS-22', 'MMN-02'],
    forall: { page: Page },
    holds: (s, { page }) => s.page[page].harm !== 'written while read-only',
  }),
  'nothing stale is cached after the change returned': invariant({
    doc: 'when no change is under way, TLB, walker, ATCs and completions grant nothing that the PTE does not',
    requirement: ['MMX-08', 'INV-01', 'ATS-16'],
    forall: { page: Page, endpoint: Endpoint },
    given: (s, { page }) => !s.page[page].locked,
    holds: (s, { page, endpoint }) => {
      const { pte, tlb, walk } = s.page[page];
      if (exceeds(tlb, pte) || exceeds(walk, pte)) return false;
      const { ste, atc, requests } = s.endpoint[endpoint];
      if (ste === 'abort') return true;
      return (
        !exceeds(atc[page].entry, pte) &&
        !requests.has(({ page: of, answer, tagged }) => of === page && !tagged && exceeds(answer, pte))
      );
    },
  }),
  'a completed CMD_SYNC has completed the TLBI': invariant({
    doc: 'when CMD_SYNC ends the wait for TLBI, the SMMU keeps no older translation and no access that it translated is under way',
    requirement: ['INV-02', 'INV-03'],
    forall: { page: Page },
    given: (s, { page }) => s.changeMapping[page].at === 'wait for TLBI' && s.page[page].sync === 'done',
    holds: (s, { page }) => {
      const { pte, tlb, walk } = s.page[page];
      return (
        !exceeds(tlb, pte) &&
        !exceeds(walk, pte) &&
        s.endpoint.every(
          ({ accesses }) =>
            !accesses.has((a) => a.page === page && a.stage === 'translated' && exceeds(needs(a.kind), pte)),
        )
      );
    },
  }),
  'every holder of a stale entry is sent an invalidation': invariant({
    doc: 'during the wait for ATC_INV, unless it failed, an endpoint with an older translation has its ATC_INV outstanding',
    requirement: ['INV-09', 'ATS-16'],
    forall: { page: Page, endpoint: Endpoint },
    given: (s, { page, endpoint }) =>
      s.changeMapping[page].at === 'wait for ATC_INV' &&
      s.endpoint[endpoint].ste === 'translate' &&
      s.page[page].sync !== 'failed' &&
      exceeds(s.endpoint[endpoint].atc[page].entry, s.page[page].pte),
    holds: (s, { page, endpoint }) => {
      const covers = (c: { op: string; page: unknown; endpoint: unknown } | null): boolean =>
        c !== null && c.op === 'atc-inv' && c.page === page && c.endpoint === endpoint;
      return s.queue.window.has(covers) || s.queue.behind.has(({ command }) => covers(command));
    },
  }),
  'something can always happen': deadlockFree({
    doc: 'in every state some action is enabled; that each single wait ends is a matter of fairness and not claimed',
  }),

  'a translated write reaches its page': reachable({
    exists: { endpoint: Endpoint },
    holds: (s, { endpoint }) =>
      s.endpoint[endpoint].accesses.has(({ kind, stage }) => kind === 'write' && stage === 'accepted'),
  }),
  'a completion crosses an invalidation': reachable({
    requirement: 'ATS-16',
    exists: { endpoint: Endpoint },
    holds: (s, { endpoint }) =>
      s.endpoint[endpoint].requests.has(({ tagged, answer }) => tagged && answer === 'read-write'),
  }),
  'an ATC entry is invalidated': reachable({
    exists: { endpoint: Endpoint, page: Page },
    holds: (s, { endpoint, page }) =>
      s.endpoint[endpoint].atc[page].entry !== 'none' &&
      s.queue.window.has((c) => c.op === 'atc-inv' && c.endpoint === endpoint && c.page === page),
  }),
  'a page is reused': reachable({
    exists: { page: Page },
    holds: (s, { page }) => s.page[page].frame === 'stranger wrote',
  }),
  'a write is under way while its translation goes': reachable({
    requirement: 'ATS-18',
    exists: { endpoint: Endpoint, page: Page },
    holds: (s, { endpoint, page }) =>
      s.page[page].pte === 'none' &&
      s.endpoint[endpoint].accesses.has((a) => a.page === page && a.kind === 'write' && a.stage === 'on the link'),
  }),
  'an invalidation times out and the endpoint is cut off': reachable({
    requirement: 'INV-10',
    exists: { endpoint: Endpoint },
    holds: (s, { endpoint }) => s.endpoint[endpoint].ste === 'abort',
  }),
}));

function needs(kind: 'read' | 'write'): 'read-only' | 'read-write' {
  return kind === 'write' ? 'read-write' : 'read-only';
}
