/**
 * Known and suspected bugs in switching ATS on and off, as edits of the correct protocol.
 */
import { variants } from '../language/index.ts';
import { atcInv } from '../model/atc-invalidation-attach.ts';
import { submit } from '../model/parts/command-queue.ts';
import { atcInvalidationAttachProperties } from './atc-invalidation-attach.ts';

const overwritten = 'no write reaches a page of another owner';
const usable = 'nothing usable is cached after the unmap returned';
const listed = 'an endpoint is on the list of the domain that it translates with';
const unused = 'an ASID that no endpoint uses has nothing in the TLB';
const allowed = 'ATS is enabled only while the STE allows it';

export const atcInvalidationAttachVariants = variants(atcInvalidationAttachProperties, {
  'detach-trusts-ats-disable': {
    doc: 'detaching takes it that clearing Enable empties the ATC, and sends no ATC_INV',
    reference: 'B4; Linux 8dd8f005bdd4 (iommu/arm-smmu-v3: Invalidate ATC when detaching a device)',
    violates: { [overwritten]: 33, [usable]: 30 },
    edits: ({ replace }) => [
      replace(['changeDomain', 'submit ATC_INV', 'queue ATC_INV'], (s, { endpoint }, { to }) => {
        if (to !== null) submit(s.queue, atcInv(endpoint));
      }),
    ],
  },
  'ats-enabled-before-ste': {
    doc: 'ATS is enabled at the endpoint before the STE allows it',
    reference: 'CD-17',
    violates: { [allowed]: 2 },
    edits: ({ move }) => [move(['changeDomain', 'ATS goes on'], { before: 'write the STE' })],
  },
  'left-before-invalidated': {
    doc: 'the endpoint leaves the old list before its STE and ATC have let go of the domain',
    reference: 'CD-16, CD-19',
    violates: { [overwritten]: 18, [usable]: 15, [listed]: 3, [unused]: 18 },
    edits: ({ move }) => [move(['changeDomain', 'a domain was left'], { before: 'write the STE' })],
  },
  'joined-after-ste': {
    doc: 'the endpoint joins the list only after its STE is in force: an unmap in between misses it',
    reference: 'CD-16; C9',
    violates: { [overwritten]: 19, [usable]: 16, [listed]: 3 },
    edits: ({ drop, addStep }) => [
      drop(['changeDomain', 'join the invalidation list', 'join the list']),
      addStep(
        ['changeDomain'],
        'join late',
        {
          then: {
            'join the list late': (s, { endpoint }, { to }) => {
              if (to !== null) s.domain[to].invalidates.add(endpoint);
            },
          },
        },
        { after: 'wait for CFGI_STE' },
      ),
    ],
  },
  'asid-not-invalidated-on-last-leave': {
    doc: 'the last endpoint leaves a domain and its ASID is not invalidated',
    reference: 'CD-19, INV-14',
    violates: { [unused]: 14 },
    edits: ({ drop }) => [drop(['changeDomain', 'its ASID is in use no longer'])],
  },
  'list-read-before-tlbi': {
    doc: 'unmapping reads the list before TLBI: an endpoint that joins in between refills from the stale TLB and is missed',
    reference: 'CD-21; the order of the per-domain invalidation array of 2026, a candidate and not a confirmed bug',
    violates: { [overwritten]: 22, [usable]: 19 },
    set: { endpoint: 2 },
    edits: ({ drop, addEffect, addGuard }) => [
      // Two endpoints are many states: what this bug does not need is left out, and the lengths are shortest without it.
      drop(['evictTlb']),
      drop(['evictAtc']),
      drop(['insert']),
      drop(['map']),
      addGuard(
        ['changeDomain', 'join the invalidation list'],
        'only detached endpoints change',
        (s, { endpoint }) => s.endpoint[endpoint].ste === null,
      ),
      drop(['unmap', 'submit ATC_INV', 'read the invalidation list']),
      addEffect(['unmap', 'submit TLBI'], 'read the invalidation list early', (s, { domain }, me) => {
        for (const endpoint of s.domain[domain].invalidates) {
          if (s.endpoint[endpoint].atsNoted) me.targets.add(endpoint);
        }
      }),
    ],
  },
  'ats-noted-after-enable': {
    doc: 'the driver notes that ATS is on only after it has enabled it: an unmap in between skips the endpoint',
    reference: 'INV-09, CD-21; ats_enabled in Linux 6.18, a candidate and not a confirmed bug',
    violates: { [overwritten]: 19, [usable]: 16 },
    edits: ({ drop, addEffect }) => [
      drop(['changeDomain', 'join the invalidation list', 'note that ATS is on']),
      addEffect(['changeDomain', 'return'], 'note late that ATS is on', (s, { endpoint }) => {
        s.endpoint[endpoint].atsNoted = s.endpoint[endpoint].ste !== null;
      }),
    ],
  },
});
