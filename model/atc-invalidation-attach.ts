/**
 * ATS on and off: an endpoint is attached to a domain, moved to another, or detached, while pages of the domains are
 * unmapped and reused. (CD-16..19, CD-21, ATS-02, ATS-13, ATS-16..21, INV-01, INV-02, INV-09, INV-14)
 *
 * Scope: several domains, each with one page at the same I/O virtual address and an ASID of its own, in one SMMU with one
 * command queue; endpoints with ATS. What `atc-invalidation` shows about permissions, reads, untranslated accesses and
 * time-outs is left to it: here a translated write is on the link until the SMMU passes or refuses it, and an endpoint
 * acknowledges as it should. Function reset and hot removal are another matter (B5..B7, ATS-37).
 *
 * Atomicity: as in `atc-invalidation`; a new stream table entry (STE) is one write. The driver's order is that of
 * arm_smmu_attach_prepare and arm_smmu_attach_commit; unmapping reads a domain's invalidation list when it queues ATC_INV,
 * after TLBI has completed (CD-21).
 *
 * An endpoint answers invalidations with ATS on or off, as PCIe asks of functions that have ATS and as Linux relies on: it
 * sends ATC_INV after it has cleared Enable. A device that then ignores them (the reading of CD-18 and ATS-36) makes that
 * CMD_SYNC time out, and the driver of this model has no answer to that.
 *
 * Because detaching empties the ATC, the ATC_INV before Enable is set, and that setting Enable empties the ATC, are second
 * lines of defence here: taking one of them away breaks nothing.
 *
 * Abstracted away, and why no bug hides there:
 * - Torn STE reads: the hitless and disruptive update sequences are CD-01..04.
 * - The SMMU may fetch the new STE at any time after it is written; CFGI_STE makes sure that it has.
 * - A freed frame is a stranger's at once: until then nothing could be harmed.
 * - Page tables are one entry: see `atc-invalidation`.
 */
import { bag, bool, each, type Frozen, model, oneOf, optional, setOf, sort, type Value } from '../language/index.ts';
import { commandQueue, completeSync, hasRoom, submit, submitSync } from './parts/command-queue.ts';

export const Domain = sort('domain');
export const Endpoint = sort('endpoint');

const command = {
  op: oneOf('tlbi', 'atc-inv', 'cfgi'),
  domain: optional(Domain),
  endpoint: optional(Endpoint),
  progress: oneOf('queued', 'received'),
};
export type Command = Frozen<Value<typeof command>>;

function tlbi(domain: Command['domain']): Command {
  return { op: 'tlbi', domain, endpoint: null, progress: 'queued' };
}
/** ATC_INV for all addresses of an endpoint. */
export function atcInv(endpoint: Command['endpoint']): Command {
  return { op: 'atc-inv', domain: null, endpoint, progress: 'queued' };
}
function cfgi(endpoint: Command['endpoint']): Command {
  return { op: 'cfgi', domain: null, endpoint, progress: 'queued' };
}

/** The model. */
export const atcInvalidationAttach = model({
  name: 'atc-invalidation/attach',
  doc: 'Endpoints with ATS are attached, moved and detached while pages of their domains are unmapped and reused.',
  // `shared`: whether another function keeps ATS on; 0 no, 1 yes, 2 both are explored.
  sizes: {
    smoke: { domain: 1, endpoint: 1, requests: 1, writes: 1, cpus: 1, shared: 2, queue: 4 },
    ci: { domain: 2, endpoint: 1, requests: 1, writes: 1, cpus: 1, shared: 2, queue: 4 },
    deep: { domain: 1, endpoint: 2, requests: 1, writes: 1, cpus: 2, shared: 2, queue: 4 },
  },
  state: ({ size }) => ({
    domain: each(Domain, {
      pte: oneOf('valid', 'none'),
      /** Whose the frame of its page is. */
      frame: oneOf('process', 'stranger'),
      overwritten: bool,
      /** What the SMMU keeps under the domain's ASID: a TLB entry, and a fetched translation on its way there. */
      tlb: bool,
      walk: bool,
      /** The endpoints on the domain's invalidation list. */
      invalidates: setOf(Endpoint),
      sync: oneOf('none', 'waiting', 'done'),
    }),
    endpoint: each(Endpoint, {
      /** The STE in memory: the domain that it translates with and ATS allowed (EATS), or no translation at all. */
      ste: optional(Domain),
      /** The STE that the SMMU has fetched and goes by. */
      applied: optional(Domain),
      /** The driver's note that ATS is on: unmapping sends ATC_INV only to endpoints with it. */
      atsNoted: bool,
      /** ATS Control: Enable, at the endpoint. */
      ats: bool,
      /** Another function needs ATS to stay on: clearing Enable has no effect. */
      shared: bool,
      /** The domain through which the one ATC entry was translated. */
      atc: optional(Domain),
      requests: bag(size.requests, {
        answer: oneOf('pending', 'no access', 'translation'),
        of: optional(Domain),
        tagged: bool,
      }),
      /** Translated writes on the link, by the domain whose frame they go to. */
      writes: bag(size.writes, { of: Domain }),
      sync: oneOf('none', 'waiting', 'done'),
    }),
    queue: commandQueue(size.queue, command, { domain: optional(Domain), endpoint: optional(Endpoint) }),
  }),
  /** All endpoints, or all but one, are attached to one domain. */
  initial: {
    choose: { shared: bool, domain: Domain, except: optional(Endpoint) },
    when: (_s, { shared }, { size }) => size.shared === 2 || shared === (size.shared === 1),
    then: (s, { shared, domain, except }) => {
      s.endpoint.forEach((target, endpoint) => {
        target.shared = shared;
        target.ats = shared;
        if (endpoint === except) return;
        target.ste = domain;
        target.applied = domain;
        target.ats = true;
        target.atsNoted = true;
        s.domain[domain].invalidates.add(endpoint);
      });
    },
  },

  actions: ({ action, procedure, members, size }) => ({
    changeDomain: procedure(
      { endpoint: Endpoint },
      {
        actor: 'driver',
        doc: 'attaches the endpoint to a domain, moves it to another, or detaches it',
        repeat: true,
        locals: { from: optional(Domain), to: optional(Domain) },
        steps: ({ step, branch }) => [
          step('join the invalidation list', {
            source: 'CD-16',
            choose: { to: optional(Domain) },
            when: { 'it is another domain': (s, { endpoint, to }) => s.endpoint[endpoint].ste !== to },
            then: {
              'join the list': (s, { endpoint, to }) => {
                if (to !== null) s.domain[to].invalidates.add(endpoint);
              },
              'note that ATS is on': (s, { endpoint, to }) => {
                if (to !== null) s.endpoint[endpoint].atsNoted = true;
              },
              'note the domains': (s, { endpoint, to }, me) => {
                me.from = s.endpoint[endpoint].ste;
                me.to = to;
              },
            },
          }),
          branch('ATS goes off', {
            fused: true,
            if: (_s, _p, { to }) => to === null,
            then: [
              step('disable ATS', {
                source: ['CD-18', 'ATS-20'],
                then: {
                  'clear Enable': (s, { endpoint }) => {
                    s.endpoint[endpoint].ats = s.endpoint[endpoint].shared;
                  },
                },
              }),
            ],
          }),
          step('write the STE', {
            source: ['CD-17', 'CD-18'],
            when: { 'the command queue has room': (s) => hasRoom(s.queue, 2) },
            then: {
              'write the STE': (s, { endpoint }, { to }) => {
                s.endpoint[endpoint].ste = to;
              },
              'queue CFGI_STE': (s, { endpoint }) => submit(s.queue, cfgi(endpoint)),
              'queue CMD_SYNC': (s, { endpoint }) => {
                submitSync(s.queue, { domain: null, endpoint });
                s.endpoint[endpoint].sync = 'waiting';
              },
            },
          }),
          step('wait for CFGI_STE', {
            source: 'CD-04',
            when: { 'CMD_SYNC has completed': (s, { endpoint }) => s.endpoint[endpoint].sync !== 'waiting' },
          }),
          step('submit ATC_INV', {
            doc: 'all of the ATC: before ATS is enabled, after it was disabled, and between two domains',
            source: ['CD-17', 'ATS-19'],
            when: { 'the command queue has room': (s) => hasRoom(s.queue, 2) },
            then: {
              'queue ATC_INV': (s, { endpoint }) => submit(s.queue, atcInv(endpoint)),
              'queue CMD_SYNC': (s, { endpoint }) => {
                submitSync(s.queue, { domain: null, endpoint });
                s.endpoint[endpoint].sync = 'waiting';
              },
            },
          }),
          step('wait for ATC_INV', {
            when: { 'CMD_SYNC has completed': (s, { endpoint }) => s.endpoint[endpoint].sync !== 'waiting' },
          }),
          branch('ATS goes on', {
            fused: true,
            if: (_s, _p, { from }) => from === null,
            then: [
              step('enable ATS', {
                source: ['CD-17', 'ATS-20'],
                then: {
                  'set Enable, which empties the ATC': (s, { endpoint }) => {
                    const target = s.endpoint[endpoint];
                    if (!target.ats) target.atc = null;
                    target.ats = true;
                  },
                },
              }),
            ],
          }),
          branch('a domain was left', {
            fused: true,
            if: (_s, _p, { from }) => from !== null,
            then: [
              step('leave the invalidation list', {
                source: 'CD-19',
                then: {
                  'leave the list': (s, { endpoint }, { from }) => {
                    if (from !== null) s.domain[from].invalidates.delete(endpoint);
                  },
                },
              }),
              branch('its ASID is in use no longer', {
                fused: true,
                if: (s, _p, { from }) => from !== null && s.domain[from].invalidates.isEmpty,
                then: [
                  step('submit TLBI', {
                    source: ['CD-19', 'INV-14'],
                    when: { 'the command queue has room': (s) => hasRoom(s.queue, 2) },
                    then: {
                      'queue TLBI': (s, _p, { from }) => submit(s.queue, tlbi(from)),
                      'queue CMD_SYNC': (s, { endpoint }) => {
                        submitSync(s.queue, { domain: null, endpoint });
                        s.endpoint[endpoint].sync = 'waiting';
                      },
                    },
                  }),
                  step('wait for TLBI', {
                    when: { 'CMD_SYNC has completed': (s, { endpoint }) => s.endpoint[endpoint].sync !== 'waiting' },
                  }),
                ],
              }),
            ],
          }),
          step('return', {
            then: {
              'note that ATS is off': (s, { endpoint }, { to }) => {
                if (to === null) s.endpoint[endpoint].atsNoted = false;
              },
              'forget the domains': (s, { endpoint }, me) => {
                s.endpoint[endpoint].sync = 'none';
                me.from = null;
                me.to = null;
              },
            },
          }),
        ],
      },
    ),

    unmap: procedure(
      { domain: Domain },
      {
        actor: 'cpu',
        doc: 'unmaps the page of a domain and frees its frame',
        repeat: true,
        locals: { targets: setOf(Endpoint) },
        steps: ({ step }) => [
          step('clear the PTE', {
            source: 'INV-01',
            when: {
              'the page is mapped': (s, { domain }) => s.domain[domain].pte === 'valid',
              'a processor is free for it': (s) =>
                s.domain.filter(({ pte, frame }) => pte === 'none' && frame === 'process').length < size.cpus,
            },
            then: {
              'write the PTE': (s, { domain }) => {
                s.domain[domain].pte = 'none';
              },
            },
          }),
          step('submit TLBI', {
            source: 'INV-01',
            when: { 'the command queue has room': (s) => hasRoom(s.queue, 2) },
            then: {
              'queue TLBI': (s, { domain }) => submit(s.queue, tlbi(domain)),
              'queue CMD_SYNC': (s, { domain }) => {
                submitSync(s.queue, { domain, endpoint: null });
                s.domain[domain].sync = 'waiting';
              },
            },
          }),
          step('wait for TLBI', {
            source: 'INV-01',
            when: { 'CMD_SYNC has completed': (s, { domain }) => s.domain[domain].sync !== 'waiting' },
          }),
          step('submit ATC_INV', {
            source: ['INV-09', 'CD-21'],
            when: { 'the command queue has room': (s) => hasRoom(s.queue, members(Endpoint).length + 1) },
            then: {
              'read the invalidation list': (s, { domain }, me) => {
                for (const endpoint of s.domain[domain].invalidates) {
                  if (s.endpoint[endpoint].atsNoted) me.targets.add(endpoint);
                }
              },
              'queue ATC_INV for every endpoint read': (s, _p, me) => {
                for (const endpoint of me.targets) submit(s.queue, atcInv(endpoint));
                me.targets.clear();
              },
              'queue CMD_SYNC': (s, { domain }) => {
                submitSync(s.queue, { domain, endpoint: null });
                s.domain[domain].sync = 'waiting';
              },
            },
          }),
          step('wait for ATC_INV', {
            source: 'INV-01',
            when: { 'CMD_SYNC has completed': (s, { domain }) => s.domain[domain].sync !== 'waiting' },
          }),
          step('free the page', {
            source: 'INV-01',
            then: {
              'give the frame to a stranger': (s, { domain }) => {
                s.domain[domain].frame = 'stranger';
                s.domain[domain].sync = 'none';
              },
            },
          }),
        ],
      },
    ),

    map: action(
      { domain: Domain },
      {
        actor: 'cpu',
        doc: 'a fault or mmap maps a page again, in a frame that the stranger has given back',
        source: 'ATS-21',
        when: { 'the page is not mapped': (s, { domain }) => s.domain[domain].frame === 'stranger' },
        then: {
          'write the PTE': (s, { domain }) => {
            s.domain[domain].frame = 'process';
            s.domain[domain].pte = 'valid';
          },
        },
      },
    ),
    fetchSte: action(
      { endpoint: Endpoint },
      {
        actor: 'smmu',
        doc: 'the SMMU may read a changed STE before it is told to',
        when: {
          'the STE has changed': (s, { endpoint }) => s.endpoint[endpoint].applied !== s.endpoint[endpoint].ste,
        },
        then: {
          'go by the new STE': (s, { endpoint }) => {
            s.endpoint[endpoint].applied = s.endpoint[endpoint].ste;
          },
        },
      },
    ),
    completeCfgi: action(
      { endpoint: Endpoint },
      {
        actor: 'smmu',
        source: 'CD-04',
        when: { 'a CFGI_STE is in the window': (s, { endpoint }) => s.queue.window.has(cfgi(endpoint)) },
        then: {
          'go by the new STE': (s, { endpoint }) => {
            s.endpoint[endpoint].applied = s.endpoint[endpoint].ste;
          },
          'complete the command': (s, { endpoint }) => {
            s.queue.window.remove(cfgi(endpoint));
          },
        },
      },
    ),
    walk: action(
      { domain: Domain },
      {
        actor: 'smmu',
        when: {
          'the PTE is valid': (s, { domain }) => s.domain[domain].pte === 'valid',
          'an endpoint translates with the domain': (s, { domain }) =>
            s.endpoint.some(({ applied }) => applied === domain),
        },
        then: {
          'fetch the PTE': (s, { domain }) => {
            s.domain[domain].walk = true;
          },
        },
      },
    ),
    insert: action(
      { domain: Domain },
      {
        actor: 'smmu',
        when: { 'a fetched translation is there': (s, { domain }) => s.domain[domain].walk },
        then: {
          'put it into the TLB': (s, { domain }) => {
            s.domain[domain].walk = false;
            s.domain[domain].tlb = true;
          },
        },
      },
    ),
    evictTlb: action(
      { domain: Domain },
      {
        actor: 'smmu',
        when: { 'an entry is there': (s, { domain }) => s.domain[domain].tlb },
        then: {
          'drop it': (s, { domain }) => {
            s.domain[domain].tlb = false;
          },
        },
      },
    ),
    completeTlbi: action(
      { domain: Domain },
      {
        actor: 'smmu',
        source: 'INV-02',
        when: { 'a TLBI is in the window': (s, { domain }) => s.queue.window.has(tlbi(domain)) },
        then: {
          'drop the TLB entry': (s, { domain }) => {
            s.domain[domain].tlb = false;
          },
          'discard walks that fetched the old PTE': (s, { domain }) => {
            s.domain[domain].walk = false;
          },
          'complete the command': (s, { domain }) => {
            s.queue.window.remove(tlbi(domain));
          },
        },
      },
    ),
    completeSync: action(
      {},
      {
        actor: 'smmu',
        source: 'INV-02',
        when: {
          'a CMD_SYNC is there': (s) => !s.queue.behind.isEmpty,
          'all before it is complete': (s) => s.queue.window.isEmpty,
        },
        then: {
          'tell who waits': (s) => {
            const issuer = completeSync(s.queue);
            if (s.queue.behind.has((entry) => sameIssuer(entry.issuer, issuer))) return;
            if (issuer.domain !== null) s.domain[issuer.domain].sync = 'done';
            if (issuer.endpoint !== null) s.endpoint[issuer.endpoint].sync = 'done';
          },
        },
      },
    ),
    answer: action(
      { endpoint: Endpoint, answer: oneOf('translation', 'no access') },
      {
        actor: 'smmu',
        doc: 'a Translation Completion by the STE in force: from the TLB or a walk, or no access',
        source: ['ATS-02', 'ATS-04'],
        when: {
          'a request is waiting': (s, { endpoint }) => s.endpoint[endpoint].requests.has(isWaiting),
          'it is what the SMMU found': (s, { endpoint, answer }) => {
            const { applied } = s.endpoint[endpoint];
            if (applied === null) return answer === 'no access';
            const { pte, tlb, walk } = s.domain[applied];
            return answer === 'translation' ? tlb || walk : pte === 'none' && !tlb;
          },
        },
        then: {
          'send the completion': (s, { endpoint, answer }) => {
            const { requests, applied } = s.endpoint[endpoint];
            const { tagged } = requests.remove(isWaiting);
            requests.add({ answer, of: answer === 'translation' ? applied : null, tagged });
          },
        },
      },
    ),

    requestTranslation: action(
      { endpoint: Endpoint },
      {
        actor: 'endpoint',
        source: 'ATS-01',
        when: {
          'ATS is enabled': (s, { endpoint }) => s.endpoint[endpoint].ats,
          'it can have one more outstanding': (s, { endpoint }) => !s.endpoint[endpoint].requests.isFull,
        },
        then: {
          'send a Translation Request': (s, { endpoint }) =>
            s.endpoint[endpoint].requests.add({ answer: 'pending', of: null, tagged: false }),
        },
      },
    ),
    receiveCompletion: action(
      { endpoint: Endpoint },
      {
        actor: 'endpoint',
        source: ['ATS-03', 'ATS-16'],
        when: { 'a completion has come': (s, { endpoint }) => s.endpoint[endpoint].requests.has(isAnswered) },
        then: {
          'cache it, unless it is tagged or grants nothing': (s, { endpoint }) => {
            const { of, tagged } = s.endpoint[endpoint].requests.remove(isAnswered);
            if (!tagged && of !== null) s.endpoint[endpoint].atc = of;
          },
        },
      },
    ),
    evictAtc: action(
      { endpoint: Endpoint },
      {
        actor: 'endpoint',
        source: 'ATS-19',
        when: { 'an entry is there': (s, { endpoint }) => s.endpoint[endpoint].atc !== null },
        then: {
          'drop it': (s, { endpoint }) => {
            s.endpoint[endpoint].atc = null;
          },
        },
      },
    ),
    receiveInvalidation: action(
      { endpoint: Endpoint },
      {
        actor: 'endpoint',
        doc: 'an endpoint takes invalidations with ATS on or off',
        source: 'ATS-16',
        when: { 'an ATC_INV is queued': (s, { endpoint }) => s.queue.window.has(atcInv(endpoint)) },
        then: {
          'drop the ATC entry': (s, { endpoint }) => {
            s.endpoint[endpoint].atc = null;
          },
          'tag the requests that it overtakes': (s, { endpoint }) => {
            const { requests } = s.endpoint[endpoint];
            for (const request of requests) requests.replace(request, { ...request, tagged: true });
          },
          'start to acknowledge': (s, { endpoint }) => {
            s.queue.window.replace(atcInv(endpoint), { ...atcInv(endpoint), progress: 'received' });
          },
        },
      },
    ),
    acknowledge: action(
      { endpoint: Endpoint },
      {
        actor: 'endpoint',
        source: ['ATS-17', 'ATS-18'],
        when: {
          'the invalidation was received': (s, { endpoint }) =>
            s.queue.window.has({ ...atcInv(endpoint), progress: 'received' }),
          'older posted writes went ahead of it': (s, { endpoint }) => s.endpoint[endpoint].writes.isEmpty,
        },
        then: {
          'complete the command': (s, { endpoint }) => {
            s.queue.window.remove({ ...atcInv(endpoint), progress: 'received' });
          },
        },
      },
    ),
    issueTranslated: action(
      { endpoint: Endpoint },
      {
        actor: 'endpoint',
        source: 'ATS-01',
        when: {
          'ATS is enabled': (s, { endpoint }) => s.endpoint[endpoint].ats,
          'the ATC has a translation': (s, { endpoint }) => s.endpoint[endpoint].atc !== null,
          'it can have one more under way': (s, { endpoint }) => !s.endpoint[endpoint].writes.isFull,
        },
        then: {
          'send the translated write': (s, { endpoint }) => {
            const { atc, writes } = s.endpoint[endpoint];
            if (atc !== null) writes.add({ of: atc });
          },
        },
      },
    ),
    reachMemory: action(
      { endpoint: Endpoint, domain: Domain },
      {
        actor: 'smmu',
        doc: 'the SMMU lets a translated write through if the STE in force allows ATS at all: it looks no further',
        source: ['ATS-02', 'ATS-13'],
        when: {
          'it has come over the link': (s, { endpoint, domain }) => s.endpoint[endpoint].writes.has({ of: domain }),
        },
        then: {
          'write the frame, or refuse it': (s, { endpoint, domain }) => {
            if (s.endpoint[endpoint].applied !== null && s.domain[domain].frame === 'stranger') {
              s.domain[domain].overwritten = true;
            }
          },
          'be done': (s, { endpoint, domain }) => {
            s.endpoint[endpoint].writes.remove({ of: domain });
          },
        },
      },
    ),
  }),
});

interface Request {
  readonly answer: string;
}
function isWaiting({ answer }: Request): boolean {
  return answer === 'pending';
}
function isAnswered({ answer }: Request): boolean {
  return answer !== 'pending';
}

type Issuer = Readonly<Record<'domain' | 'endpoint', unknown>>;
function sameIssuer(a: Issuer | null, b: Issuer): boolean {
  return a !== null && a.domain === b.domain && a.endpoint === b.endpoint;
}
