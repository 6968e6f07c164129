/**
 * What must hold while endpoints with ATS change domains: no translation of a domain that was left, or of a page that was
 * unmapped, is of any use.
 */
import { properties } from '../language/index.ts';
import { atcInvalidationAttach, Domain, Endpoint } from '../model/atc-invalidation-attach.ts';

export const atcInvalidationAttachProperties = properties(
  atcInvalidationAttach,
  ({ invariant, reachable, deadlockFree, size }) => ({
    'no write reaches a page of another owner': invariant({
      doc: 'a device write never lands in a frame that was freed and given to a stranger',
      requirement: ['HOST-12', 'INV-01', 'CD-17', 'CD-19', 'CD-21'],
      forall: { domain: Domain },
      holds: (s, { domain }) => !s.domain[domain].overwritten,
    }),
    'nothing usable is cached after the unmap returned': invariant({
      doc: 'while a page is unmapped and no unmap is under way, neither the SMMU nor an endpoint whose ATS it allows keeps it',
      requirement: ['MMX-08', 'INV-09', 'CD-21'],
      forall: { domain: Domain, endpoint: Endpoint },
      given: (s, { domain }) => s.domain[domain].pte === 'none' && s.unmap[domain].at === 'clear the PTE',
      holds: (s, { domain, endpoint }) => {
        const { tlb, walk } = s.domain[domain];
        const { applied, ats, atc, requests } = s.endpoint[endpoint];
        if (tlb || walk) return false;
        const usable = applied !== null && ats;
        return !usable || (atc !== domain && !requests.has(({ of, tagged }) => of === domain && !tagged));
      },
    }),
    'an endpoint is on the list of the domain that it translates with': invariant({
      requirement: ['INV-09', 'CD-16', 'CD-19'],
      forall: { endpoint: Endpoint, domain: Domain },
      given: (s, { endpoint, domain }) => s.endpoint[endpoint].applied === domain,
      holds: (s, { endpoint, domain }) => s.domain[domain].invalidates.has(endpoint),
    }),
    'an ASID that no endpoint uses has nothing in the TLB': invariant({
      doc: 'once the last endpoint has left a domain and its driver is done, the SMMU keeps nothing under its ASID',
      requirement: ['CD-19', 'INV-14'],
      forall: { domain: Domain },
      given: (s, { domain }) =>
        s.domain[domain].invalidates.isEmpty && s.changeDomain.every(({ at }) => at === 'join the invalidation list'),
      holds: (s, { domain }) => !s.domain[domain].tlb && !s.domain[domain].walk,
    }),
    'ATS is enabled only while the STE allows it': invariant({
      requirement: ['CD-17', 'CD-18', 'ATS-02'],
      forall: { endpoint: Endpoint },
      given: (s, { endpoint }) => s.endpoint[endpoint].ats && !s.endpoint[endpoint].shared,
      holds: (s, { endpoint }) => s.endpoint[endpoint].applied !== null,
    }),
    'something can always happen': deadlockFree({
      doc: 'in every state some action is enabled; that each single wait ends is a matter of fairness and not claimed',
    }),

    'an attached endpoint fills its ATC': reachable({
      exists: { endpoint: Endpoint },
      holds: (s, { endpoint }) => s.endpoint[endpoint].applied !== null && s.endpoint[endpoint].atc !== null,
    }),
    'a detached endpoint still has an ATC entry': reachable({
      requirement: 'ATS-19',
      exists: { endpoint: Endpoint },
      holds: (s, { endpoint }) => s.endpoint[endpoint].applied === null && s.endpoint[endpoint].atc !== null,
    }),
    'a write is on the link while ATS goes off': reachable({
      exists: { endpoint: Endpoint },
      holds: (s, { endpoint }) => s.endpoint[endpoint].applied === null && !s.endpoint[endpoint].writes.isEmpty,
    }),
    'a page is reused while an endpoint is attached': reachable({
      exists: { domain: Domain, endpoint: Endpoint },
      holds: (s, { domain, endpoint }) =>
        s.domain[domain].frame === 'stranger' && s.endpoint[endpoint].applied === domain,
    }),
    ...(size.domain > 1
      ? {
          'an endpoint moves with ATS on and a translation of the old domain': reachable({
            requirement: 'CD-17',
            exists: { endpoint: Endpoint },
            holds: (s, { endpoint }) => {
              const { applied, ats, atc } = s.endpoint[endpoint];
              return ats && applied !== null && atc !== null && applied !== atc;
            },
          }),
        }
      : {}),
  }),
);
