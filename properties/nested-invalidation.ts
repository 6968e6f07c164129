/**
 * What must hold of nested invalidation: no device write outlives either of the two mappings that it went through; what each
 * side may rely on at each of its steps; and what shows that the model is alive.
 */
import { properties } from '../language/index.ts';
import { Endpoint, Frame, Guest, nestedInvalidation, Page } from '../model/nested-invalidation.ts';

export const nestedInvalidationProperties = properties(
  nestedInvalidation,
  // That a wait ends is claimed for one endpoint with one access under way: the guard that stands for "older accesses are in memory"
  // cannot tell them from newer ones, and with two there may always be one.
  ({ invariant, transition, leadsTo, recoverable, reachable, deadlockFree, size }) => ({
    'no write reaches a frame of another owner': invariant({
      doc: 'a device of a guest never writes a frame that the host has taken from it: whatever the guest does',
      requirement: ['NEST-04', 'NEST-05', 'NEST-06', 'NEST-07'],
      forall: { frame: Frame },
      holds: (s, { frame }) => !s.frame[frame].overwritten,
    }),
    'no write reaches a page of another process of the guest': invariant({
      doc: 'a device never writes a guest page that was unmapped and given to another process of the same guest',
      requirement: ['NEST-03', 'NEST-08', 'NEST-09', 'VSVA-04'],
      forall: { page: Page },
      holds: (s, { page }) => !s.page[page].overwritten,
    }),
    'nothing of a freed frame is cached': invariant({
      doc: 'neither the SMMU nor an ATC keeps for a page any other frame than the one that the host keeps for it',
      requirement: ['NEST-05', 'NEST-06', 'NEST-07'],
      forall: { page: Page, endpoint: Endpoint },
      holds: (s, { page, endpoint }) => {
        const { backing, ipaEntry, stage2Fetched, combined, guest } = s.page[page];
        const { atc, guest: of } = s.endpoint[endpoint];
        const kept = [ipaEntry, stage2Fetched, combined];
        if (of === guest) kept.push(atc[page].entry, atc[page].answer);
        return kept.every((frame) => frame === null || frame === backing);
      },
    }),
    'nothing of an unmapped page is cached once the guest was told': invariant({
      doc: 'while a page is unmapped and no unmap is under way in the guest, neither TLB, walker nor ATC translates it',
      requirement: ['NEST-03', 'NEST-11', 'VSVA-04', 'VIOMMU-22'],
      forall: { page: Page, endpoint: Endpoint },
      given: (s, { page }) => s.page[page].pte === 'none' && s.guestUnmap[page].at === 'clear the PTE',
      holds: (s, { page, endpoint }) => {
        const { combined, stage1Fetched } = s.page[page];
        const { entry, answer } = s.endpoint[endpoint].atc[page];
        return combined === null && !stage1Fetched && entry === null && answer === null;
      },
    }),
    'nothing of stage 2 is cached when the host turns to stage 1': invariant({
      doc: 'from the TLBI of stage 1 to the end of reclaim there is no IPA entry of which a combined one could be formed again',
      requirement: 'NEST-06',
      forall: { page: Page },
      given: (s, { page }) => {
        const { at } = s.reclaim[page];
        return at !== 'clear the stage-2 entry' && !at.endsWith('of stage 2');
      },
      holds: (s, { page }) => s.page[page].ipaEntry === null && s.page[page].stage2Fetched === null,
    }),
    'nothing combined is cached when the host turns to the ATC': invariant({
      doc: 'from ATC_INV to the end of reclaim there is no combined entry from which an ATC could be filled again',
      requirement: ['NEST-05', 'NEST-06'],
      forall: { page: Page },
      given: (s, { page }) => ['submit ATC_INV', 'wait for ATC_INV', 'free the frame'].includes(s.reclaim[page].at),
      holds: (s, { page }) => s.page[page].combined === null,
    }),
    'nothing combined is cached when the guest turns to the ATC': invariant({
      doc: 'from ATC_INV to the end of an unmap there is no combined entry from which an ATC could be filled again',
      requirement: ['NEST-03', 'VSVA-04'],
      forall: { page: Page },
      given: (s, { page }) =>
        ['submit ATC_INV', 'wait for ATC_INV', 'free the page'].includes(s.guestUnmap[page].at) ||
        ['submit ATC_INV', 'wait for ATC_INV', 'reply'].includes(s.forwardVirtio[page].at),
      holds: (s, { page }) => s.page[page].combined === null && !s.page[page].stage1Fetched,
    }),
    'a combined entry came from an entry of each stage': invariant({
      doc: 'unless an invalidation is due at that stage, what the TLB grants is granted by stage 1 and by stage 2',
      requirement: ['NEST-01', 'NEST-02'],
      forall: { page: Page },
      given: (s, { page }) => s.page[page].combined !== null,
      holds: (s, { page }) => {
        const { pte, stage2, combined } = s.page[page];
        const byGuest = pte === 'valid' || s.guestUnmap[page].at !== 'clear the PTE';
        const byHost = stage2 === combined || s.reclaim[page].at !== 'clear the stage-2 entry';
        return byGuest && byHost;
      },
    }),
    'a TLBI names the VMID of the guest whose page it is': invariant({
      doc: 'whoever wrote it, in the main queue it has the VMID of the guest: none for the host, none of another guest',
      requirement: ['NEST-08', 'NEST-21'],
      forall: { page: Page },
      holds: (s, { page }) =>
        s.queue.window.every((c) => c.page !== page || c.endpoint !== null || c.vmid === s.page[page].guest) &&
        s.queue.behind.every(
          ({ command: c }) => c === null || c.page !== page || c.endpoint !== null || c.vmid === s.page[page].guest,
        ),
    }),
    'no command that is not for guests reaches the main queue': invariant({
      requirement: 'NEST-09',
      holds: (s) =>
        !s.queue.window.has(({ op }) => op === 'forbidden') &&
        !s.queue.behind.has(({ command }) => command?.op === 'forbidden'),
    }),
    'a frame backs one page, and is marked so': invariant({
      forall: { frame: Frame },
      holds: (s, { frame }) =>
        s.page.filter(({ backing }) => backing === frame).length === (s.frame[frame].use === 'backs a page' ? 1 : 0),
    }),
    'stage 2 maps the frame that the host keeps for the page, or nothing': invariant({
      requirement: 'NEST-01',
      forall: { page: Page },
      holds: (s, { page }) => s.page[page].stage2 === null || s.page[page].stage2 === s.page[page].backing,
    }),
    'a frame that backs a page from now on was free': transition({
      requirement: 'NEST-04',
      given: (_before, action) => action.type === 'backPage',
      holds: (before, action) => action.type === 'backPage' && before.frame[action.frame].use === 'free',
    }),
    'what the host does not reclaim it has mapped or freed': invariant({
      doc: 'no frame is forgotten: it is mapped in stage 2, or given back',
      requirement: ['NEST-06', 'NEST-19'],
      forall: { page: Page },
      given: (s, { page }) => s.reclaim[page].at === 'clear the stage-2 entry',
      holds: (s, { page }) => s.page[page].stage2 === s.page[page].backing,
    }),
    'what the guest does not unmap it has mapped or freed': invariant({
      requirement: 'VSVA-04',
      forall: { page: Page },
      given: (s, { page }) => s.guestUnmap[page].at === 'clear the PTE',
      holds: (s, { page }) => (s.page[page].pte === 'valid') === (s.page[page].owner === 'process'),
    }),
    'a page is mapped in stage 1 only while the process owns it': invariant({
      forall: { page: Page },
      given: (s, { page }) => s.page[page].pte === 'valid',
      holds: (s, { page }) => s.page[page].owner === 'process',
    }),
    'who waits in the host has a CMD_SYNC in the main queue': invariant({
      forall: { page: Page, guest: Guest },
      holds: (s, { page, guest }) => {
        const queued = (who: string): boolean =>
          s.queue.behind.has(
            ({ issuer }) =>
              issuer !== null &&
              issuer.who === who &&
              (who === 'trapped' ? issuer.guest === guest : issuer.page === page),
          );
        return (
          (s.page[page].reclaimSync === 'waiting') === queued('reclaim') &&
          (s.page[page].virtioSync === 'waiting') === queued('virtio') &&
          (s.guest[guest].sync === 'waiting') === queued('trapped')
        );
      },
    }),
    'who waits in the guest has asked': invariant({
      doc: 'a CMD_SYNC is in its queue, or an INVALIDATE request is on the request queue, exactly while its processor waits',
      forall: { page: Page },
      holds: (s, { page }) => {
        const { guest, wait, invalidate } = s.page[page];
        const asked = s.guest[guest].queue.behind.has(({ issuer }) => issuer === page) || invalidate !== 'none';
        return (wait === 'waiting') === asked;
      },
    }),
    'an endpoint has translations of its own guest alone': invariant({
      requirement: ['NEST-04', 'NEST-21'],
      forall: { endpoint: Endpoint, page: Page },
      holds: (s, { endpoint, page }) =>
        s.endpoint[endpoint].guest === s.page[page].guest ||
        (s.endpoint[endpoint].atc[page].entry === null && s.endpoint[endpoint].atc[page].request === 'none'),
    }),
    'something can always happen': deadlockFree({ doc: 'in every state some action is enabled' }),

    ...(size.page * size.endpoint * size.accesses === 1
      ? {
          'an unmap of the guest can come to an end': recoverable({
            doc: 'nobody has forgotten it: the VMM, which owes nobody anything, can still carry it to its end',
            requirement: 'VSVA-04',
            forall: { page: Page },
            holds: (s, { page }) => s.guestUnmap[page].at === 'clear the PTE',
          }),
          'a reclaim comes to an end': leadsTo({
            doc: 'whatever guests and VMMs do or leave undone, the host gets its frame back',
            requirement: ['NEST-03', 'NEST-19'],
            forall: { page: Page },
            from: (s, { page }) => s.reclaim[page].at !== 'clear the stage-2 entry',
            to: (s, { page }) => s.reclaim[page].at === 'clear the stage-2 entry',
          }),
        }
      : {}),
    ...(size.page * size.endpoint * size.accesses === 1 && size.ways >= 2
      ? {
          'an unmap of a guest with a queue of its own comes to an end': leadsTo({
            doc: 'nobody else is needed for it; a trapped guest and one with a virtio-iommu depend on the VMM',
            requirement: 'VSVA-04',
            forall: { page: Page },
            from: (s, { page }) =>
              s.guest[s.page[page].guest].way === 'own queue' && s.guestUnmap[page].at !== 'clear the PTE',
            to: (s, { page }) => s.guestUnmap[page].at === 'clear the PTE',
          }),
        }
      : {}),

    ...(size.frame > size.page
      ? {
          'a frame is reused while the guest page has another': reachable({
            exists: { frame: Frame, page: Page },
            holds: (s, { frame, page }) => s.frame[frame].use === 'stranger' && s.page[page].stage2 !== null,
          }),
        }
      : {}),
    'a page is reused in the guest': reachable({
      exists: { page: Page },
      holds: (s, { page }) => s.page[page].owner === 'other' && s.page[page].stage2 !== null,
    }),
    'an endpoint writes through the ATC while stage 2 is cleared': reachable({
      requirement: 'NEST-19',
      exists: { page: Page, endpoint: Endpoint },
      holds: (s, { page, endpoint }) =>
        s.page[page].stage2 === null &&
        s.endpoint[endpoint].writes.has((w) => w.page === page && w.translatedBy === 'endpoint'),
    }),
    ...(size.unmaps > 1
      ? {
          'guest and host unmap the same page at once': reachable({
            requirement: 'NEST-03',
            exists: { page: Page, endpoint: Endpoint },
            holds: (s, { page, endpoint }) =>
              ['wait for TLBI', 'wait for the reply'].includes(s.guestUnmap[page].at) &&
              s.reclaim[page].at === 'wait for TLBI of stage 2' &&
              s.endpoint[endpoint].atc[page].entry !== null,
          }),
          'the page is backed by another frame while the guest unmaps': reachable({
            exists: { page: Page },
            holds: (s, { page }) =>
              s.guestUnmap[page].at === 'free the page' &&
              s.page[page].backing !== null &&
              s.frame.some(({ use }) => use === 'stranger'),
          }),
        }
      : {}),
    ...(size.unmaps > 1 && (size.ways === 3 || size.ways === 0)
      ? {
          'the host is asked by two at once': reachable({
            doc: 'a batch of a trapped guest stands behind a batch of reclaim',
            requirement: 'NEST-08',
            exists: { page: Page, guest: Guest },
            holds: (s, { page, guest }) => s.page[page].reclaimSync === 'waiting' && s.guest[guest].sync === 'waiting',
          }),
        }
      : {}),
    ...(size.unmaps > 1 && size.ways >= 2
      ? {
          'main queue and own queue are both at work': reachable({
            exists: { page: Page, guest: Guest },
            holds: (s, { page, guest }) =>
              s.guest[guest].way === 'own queue' &&
              s.page[page].reclaimSync === 'waiting' &&
              !s.guest[guest].queue.window.isEmpty,
          }),
        }
      : {}),
    ...(size.nonsense > 0 && (size.ways === 3 || size.ways === 0)
      ? {
          'a bad command is refused behind one that was converted': reachable({
            requirement: 'NEST-09',
            exists: { guest: Guest },
            holds: (s, { guest }) => s.forwardTrapped[guest].refused && !s.forwardTrapped[guest].batch.isEmpty,
          }),
        }
      : {}),
  }),
);
