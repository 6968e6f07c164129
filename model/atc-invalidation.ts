/**
 * ATC invalidation ordering on SMMUv3: unmapping and write-protecting pages that endpoints reach through ATS, down to the
 * reuse of the page by a stranger. (INV-01..03, INV-09, INV-10, ATS-01..04, ATS-15..19, ATS-21..23, ATS-28, MMX-08, MMN-02,
 * HOST-12)
 *
 * Scope: one process address space (one ASID) in one SMMU with one command queue, and endpoints that stay attached with ATS
 * on. Attaching, detaching and switching ATS on and off are `atc-invalidation/attach`. Page requests, PASIDs and nesting are
 * other protocols; function reset and hot removal (B5..B7, B9), completion counters (B11, B12), walk caches and ranges
 * (C4..C8) and what needs liveness (C1, INV-11) are not told here.
 *
 * Atomicity: one PTE write, one batch of commands with its CMD_SYNC (Linux reserves the slots of both at once), the effect
 * of one command, the end of one wait, one message of one endpoint, one walk, one access reaching memory. Each page has a
 * processor that changes it; changes of one page exclude each other, those of different pages share the queue.
 *
 * One queue orders more than the driver asks for: commands behind a CMD_SYNC do not begin before it completes, so the wait
 * between TLBI and ATC_INV matters only where several queues (ECMDQ, VCMDQ) are in use.
 *
 * Abstracted away, and why no bug hides there:
 * - Each page has its own frame. A remap to another frame goes through the same clear, invalidate, free; an entry is harmful
 *   exactly when its frame has a new owner, which is tracked.
 * - Translations are single pages without walk caches: table pages and leaf hints are INV-05, a matter of walk caches.
 * - A command takes effect at once when its conditions hold. Its completion is visible through CMD_SYNC alone, so an
 *   earlier effect with a later completion shows nothing more.
 * - The Invalidate Request has no flight of its own: the endpoint receives it at any time after it was queued, which
 *   includes all delays; what it can cross, the translation completions in flight, are separate messages.
 * - An endpoint drops its entry when the request is received and may have accesses under way until it acknowledges. Use of
 *   a tagged completion before the acknowledgement (allowed by ATS-16) equals an access issued before the request.
 * - CERROR_ATC_INV_SYNC, its acknowledgement in GERROR and the second execution of the CMD_SYNC are one step, which tells the
 *   processor that waits: the error is all that it may rely on (INV-10).
 * - ITags and completion counts (ATS-24..27): each (endpoint, page) has at most one invalidation per window. An invalidation
 *   that timed out is never answered later, so what a late completion could answer (ATS-30) is left out.
 * - An endpoint that was cut off is followed no longer: the SMMU refuses what it sends, and bringing it back with a warm ATC
 *   would be a reset.
 * - The access bit, dirty bit and execute permission: they add permissions, not orders.
 */
import {
  bag,
  bool,
  type Domain,
  each,
  type Frozen,
  model,
  oneOf,
  optional,
  sort,
  type Value,
} from '../language/index.ts';
import { commandQueue, completeSync, hasRoom, submit, submitSync } from './parts/command-queue.ts';
import { access, allows, permission } from './parts/permission.ts';

export const Page = sort('page');
export const Endpoint = sort('endpoint');

/** What endpoints do with pages: write, and read too where the size says so. */
function kinds(reads: number): Domain<'write' | 'read'> {
  return reads > 0 ? access : oneOf('write');
}

/** TLBI names a page, ATC_INV a page of an endpoint, CFGI_STE an endpoint (and the page for whose sake it is issued). */
const command = {
  op: oneOf('tlbi', 'atc-inv', 'cfgi'),
  page: Page,
  endpoint: optional(Endpoint),
  progress: oneOf('queued', 'received', 'timed out'),
};
export type Command = Frozen<Value<typeof command>>;

function tlbi(page: Command['page']): Command {
  return { op: 'tlbi', page, endpoint: null, progress: 'queued' };
}
/** ATC_INV for a page at an endpoint. */
export function atcInv(endpoint: Command['endpoint'], page: Command['page']): Command {
  return { op: 'atc-inv', page, endpoint, progress: 'queued' };
}
function cfgi(endpoint: Command['endpoint'], page: Command['page']): Command {
  return { op: 'cfgi', page, endpoint, progress: 'queued' };
}

function isAtcInv(queued: Command, endpoint: Command['endpoint'], page: Command['page']): boolean {
  return queued.op === 'atc-inv' && queued.endpoint === endpoint && queued.page === page;
}

interface Request {
  readonly page: Command['page'];
  readonly answer: string;
}
function waiting(page: Command['page']): (request: Request) => boolean {
  return (request) => request.page === page && request.answer === 'pending';
}
function answered(page: Command['page']): (request: Request) => boolean {
  return (request) => request.page === page && request.answer !== 'pending';
}

function isStrangers(frame: string): boolean {
  return frame === 'stranger' || frame === 'stranger wrote';
}

/** The model. */
export const atcInvalidation = model({
  name: 'atc-invalidation',
  doc: 'Unmapping and write-protecting pages that endpoints reach through ATS, until a stranger owns them.',
  // `reads`, `protects`, `timeouts`: 1 where endpoints read too, pages are write-protected too, ATC_INV may time out.
  sizes: {
    smoke: { page: 1, endpoint: 1, requests: 1, accesses: 1, reads: 1, protects: 1, timeouts: 1, queue: 4 },
    ci: { page: 1, endpoint: 2, requests: 1, accesses: 1, reads: 0, protects: 1, timeouts: 1, queue: 4 },
    pages: { page: 2, endpoint: 1, requests: 1, accesses: 1, reads: 0, protects: 0, timeouts: 1, queue: 3 },
    deep: { page: 2, endpoint: 1, requests: 1, accesses: 2, reads: 1, protects: 1, timeouts: 1, queue: 4 },
  },
  state: ({ size }) => ({
    page: each(Page, {
      pte: oneOf('read-write', 'read-only', 'none'),
      /** The page-table lock, held over a change and its invalidation. */
      locked: bool,
      /** Whose the frame is, and whether the stranger has put data there. */
      frame: oneOf('process', 'free', 'stranger', 'stranger wrote'),
      /** What a device access has done to the frame that it must not. */
      harm: oneOf('none', 'overwritten', 'leaked', 'written while read-only'),
      tlb: permission,
      /** A translation that the SMMU's walker has fetched and not yet put into the TLB. */
      walk: permission,
      /** The CMD_SYNC that the processor which changes the page has queued. */
      sync: oneOf('none', 'waiting', 'done', 'failed'),
    }),
    endpoint: each(Endpoint, {
      /** The stream table entry as the SMMU applies it. */
      ste: oneOf('translate', 'abort'),
      atc: each(Page, { entry: permission }),
      /** Translation requests, until their completion is taken in. `tagged`: an invalidation overtook it. */
      requests: bag(size.requests, {
        page: Page,
        answer: oneOf('pending', 'no access', 'read-only', 'read-write'),
        tagged: bool,
      }),
      /** Accesses under way: translated ones on the link and then accepted by the SMMU, and those that it translated. */
      accesses: bag(size.accesses, {
        page: Page,
        kind: kinds(size.reads),
        stage: oneOf('on the link', 'accepted', 'translated'),
      }),
    }),
    queue: commandQueue(size.queue, command, Page),
  }),

  actions: ({ action, procedure, members, size }) => ({
    changeMapping: procedure(
      { page: Page },
      {
        actor: 'cpu',
        doc: 'munmap, reclaim or a write-protection of a page',
        repeat: true,
        locals: { to: oneOf('none', 'read-only') },
        steps: ({ step, branch }) => [
          step('change the PTE', {
            source: ['INV-01', 'MMN-02'],
            choose: { to: size.protects > 0 ? oneOf('none', 'read-only') : oneOf('none') },
            when: {
              'the change takes something away': (s, { page, to }) =>
                s.page[page].pte === 'read-write' || (s.page[page].pte === 'read-only' && to === 'none'),
            },
            then: {
              'take the page-table lock': (s, { page }) => {
                s.page[page].locked = true;
              },
              'write the PTE': (s, { page, to }, me) => {
                s.page[page].pte = to;
                me.to = to;
              },
            },
          }),
          step('submit TLBI', {
            source: 'INV-01',
            when: { 'the command queue has room': (s) => hasRoom(s.queue, 2) },
            then: {
              'queue TLBI': (s, { page }) => submit(s.queue, tlbi(page)),
              'queue CMD_SYNC': (s, { page }) => {
                submitSync(s.queue, page);
                s.page[page].sync = 'waiting';
              },
            },
          }),
          step('wait for TLBI', {
            source: 'INV-01',
            when: { 'CMD_SYNC has completed': (s, { page }) => s.page[page].sync !== 'waiting' },
          }),
          step('submit ATC_INV', {
            source: ['INV-01', 'INV-09'],
            when: { 'the command queue has room': (s) => hasRoom(s.queue, members(Endpoint).length + 1) },
            then: {
              'queue ATC_INV for every endpoint': (s, { page }) => {
                for (const endpoint of members(Endpoint)) {
                  if (s.endpoint[endpoint].ste === 'translate') submit(s.queue, atcInv(endpoint, page));
                }
              },
              'queue CMD_SYNC': (s, { page }) => {
                submitSync(s.queue, page);
                s.page[page].sync = 'waiting';
              },
            },
          }),
          step('wait for ATC_INV', {
            source: 'INV-01',
            when: { 'CMD_SYNC has completed': (s, { page }) => s.page[page].sync !== 'waiting' },
          }),
          branch('an ATC_INV timed out', {
            fused: true,
            if: (s, { page }) => s.page[page].sync === 'failed',
            then: [
              step('cut the endpoints off', {
                doc: 'which endpoint did not answer cannot be told from the error, so each gets an aborting STE',
                source: ['INV-10', 'ATS-28'],
                when: { 'the command queue has room': (s) => hasRoom(s.queue, members(Endpoint).length + 1) },
                then: {
                  'queue CFGI_STE for every endpoint': (s, { page }) => {
                    for (const endpoint of members(Endpoint)) submit(s.queue, cfgi(endpoint, page));
                  },
                  'queue CMD_SYNC': (s, { page }) => {
                    submitSync(s.queue, page);
                    s.page[page].sync = 'waiting';
                  },
                },
              }),
              step('wait for CFGI_STE', {
                source: 'INV-10',
                when: { 'CMD_SYNC has completed': (s, { page }) => s.page[page].sync !== 'waiting' },
              }),
            ],
          }),
          step('return', {
            source: ['INV-01', 'ATS-22'],
            then: {
              'free the page': (s, { page }, { to }) => {
                if (to === 'none') s.page[page].frame = 'free';
              },
              'release the page-table lock': (s, { page }, me) => {
                s.page[page].locked = false;
                s.page[page].sync = 'none';
                me.to = 'none';
              },
            },
          }),
        ],
      },
    ),

    map: action(
      { page: Page, pte: size.protects > 0 ? oneOf('read-write', 'read-only') : oneOf('read-write') },
      {
        actor: 'cpu',
        doc: 'a fault or mmap maps the page again; a valid entry needs no invalidation (ATS-21)',
        when: {
          'the frame is free': (s, { page }) => s.page[page].frame === 'free',
        },
        then: {
          'write the PTE': (s, { page, pte }) => {
            s.page[page].pte = pte;
            s.page[page].frame = 'process';
          },
        },
      },
    ),
    upgrade: action(
      { page: Page },
      {
        actor: 'cpu',
        doc: 'a write fault makes the page writable again; more permission needs no invalidation to be safe',
        when: {
          'the page is read-only': (s, { page }) => s.page[page].pte === 'read-only',
          'the page-table lock is free': (s, { page }) => !s.page[page].locked,
        },
        then: {
          'write the PTE': (s, { page }) => {
            s.page[page].pte = 'read-write';
          },
        },
      },
    ),
    giveToStranger: action(
      { page: Page },
      {
        actor: 'stranger',
        when: { 'the frame is free': (s, { page }) => s.page[page].frame === 'free' },
        then: {
          'own the frame': (s, { page }) => {
            s.page[page].frame = 'stranger';
          },
        },
      },
    ),
    strangerWrites: action(
      { page: Page },
      {
        actor: 'stranger',
        when: { 'the frame is its own': (s, { page }) => s.page[page].frame === 'stranger' },
        then: {
          'write its data': (s, { page }) => {
            s.page[page].frame = 'stranger wrote';
          },
        },
      },
    ),
    strangerFrees: action(
      { page: Page },
      {
        actor: 'stranger',
        when: { 'the frame is its own': (s, { page }) => isStrangers(s.page[page].frame) },
        then: {
          'free the frame': (s, { page }) => {
            s.page[page].frame = 'free';
          },
        },
      },
    ),

    walk: action(
      { page: Page },
      {
        actor: 'smmu',
        doc: 'the walker fetches the PTE, for a request or of its own accord',
        when: {
          'the PTE is valid': (s, { page }) => s.page[page].pte !== 'none',
          'the TLB could use it': (s, { page }) => s.page[page].tlb !== s.page[page].pte,
        },
        then: {
          'fetch the PTE': (s, { page }) => {
            s.page[page].walk = s.page[page].pte;
          },
        },
      },
    ),
    insert: action(
      { page: Page },
      {
        actor: 'smmu',
        when: { 'a fetched translation is there': (s, { page }) => s.page[page].walk !== 'none' },
        then: {
          'put it into the TLB': (s, { page }) => {
            s.page[page].tlb = s.page[page].walk;
            s.page[page].walk = 'none';
          },
        },
      },
    ),
    evictTlb: action(
      { page: Page },
      {
        actor: 'smmu',
        when: { 'an entry is there': (s, { page }) => s.page[page].tlb !== 'none' },
        then: {
          'drop it': (s, { page }) => {
            s.page[page].tlb = 'none';
          },
        },
      },
    ),
    answer: action(
      { endpoint: Endpoint, page: Page, answer: oneOf('read-write', 'read-only', 'no access') },
      {
        actor: 'smmu',
        doc: 'a Translation Completion: from the TLB, or from a walk at once; no access if nothing is mapped (ATS-04)',
        when: {
          'a request is waiting': (s, { endpoint, page }) => s.endpoint[endpoint].requests.has(waiting(page)),
          'it is what the SMMU found': (s, { page, answer }) => {
            const { pte, tlb, walk } = s.page[page];
            if (answer === 'no access') return pte === 'none' && tlb === 'none';
            return answer === tlb || answer === walk;
          },
        },
        then: {
          'send the completion': (s, { endpoint, page, answer }) => {
            const { requests } = s.endpoint[endpoint];
            const request = requests.remove(waiting(page));
            requests.add({ ...request, answer });
          },
        },
      },
    ),
    completeTlbi: action(
      { page: Page },
      {
        actor: 'smmu',
        source: ['INV-02', 'INV-03'],
        when: {
          'a TLBI is in the window': (s, { page }) => s.queue.window.has((c) => c.op === 'tlbi' && c.page === page),
          'accesses that it translated are in memory': (s, { page }) =>
            s.endpoint.every(({ accesses }) => !accesses.has((a) => a.page === page && a.stage === 'translated')),
        },
        then: {
          'drop the TLB entry': (s, { page }) => {
            s.page[page].tlb = 'none';
          },
          'discard walks that fetched the old PTE': (s, { page }) => {
            s.page[page].walk = 'none';
          },
          'complete the command': (s, { page }) => {
            s.queue.window.remove((c) => c.op === 'tlbi' && c.page === page);
          },
        },
      },
    ),
    timeOut: action(
      { endpoint: Endpoint, page: Page },
      {
        actor: 'smmu',
        doc: 'the endpoint does not acknowledge in time; PCIe allows it more than a minute',
        source: ['INV-10', 'ATS-28'],
        when: {
          'time-outs are explored': () => size.timeouts > 0,
          'an ATC_INV is outstanding': (s, { endpoint, page }) =>
            s.queue.window.has((c) => isAtcInv(c, endpoint, page) && c.progress !== 'timed out'),
        },
        then: {
          'give it up': (s, { endpoint, page }) => {
            s.queue.window.replace((c) => isAtcInv(c, endpoint, page) && c.progress !== 'timed out', {
              ...atcInv(endpoint, page),
              progress: 'timed out',
            });
          },
        },
      },
    ),
    completeCfgi: action(
      { endpoint: Endpoint },
      {
        actor: 'smmu',
        when: {
          'a CFGI_STE is in the window': (s, { endpoint }) =>
            s.queue.window.has((c) => c.op === 'cfgi' && c.endpoint === endpoint),
          'accesses under the old entry are in memory': (s, { endpoint }) =>
            s.endpoint[endpoint].accesses.every(({ stage }) => stage === 'on the link'),
        },
        then: {
          'apply the aborting STE': (s, { endpoint }) => {
            s.endpoint[endpoint].ste = 'abort';
          },
          'follow its ATC no longer': (s, { endpoint }) => {
            for (const entry of s.endpoint[endpoint].atc) entry.entry = 'none';
            s.endpoint[endpoint].requests.clear();
          },
          'complete the command': (s, { endpoint }) => {
            s.queue.window.remove((c) => c.op === 'cfgi' && c.endpoint === endpoint);
          },
        },
      },
    ),
    completeSync: action(
      {},
      {
        actor: 'smmu',
        doc: 'CMD_SYNC completes, or fails with CERROR_ATC_INV_SYNC',
        source: ['INV-02', 'INV-10'],
        when: {
          'a CMD_SYNC is there': (s) => !s.queue.behind.isEmpty,
          'all before it is complete or timed out': (s) => s.queue.window.every((c) => c.progress === 'timed out'),
        },
        then: {
          'tell who waits': (s) => {
            const failed = !s.queue.window.isEmpty;
            const page = completeSync(s.queue);
            const waitsForLater = s.queue.behind.has(({ issuer }) => issuer === page);
            if (!waitsForLater) s.page[page].sync = failed ? 'failed' : 'done';
          },
        },
      },
    ),

    requestTranslation: action(
      { endpoint: Endpoint, page: Page },
      {
        actor: 'endpoint',
        source: 'ATS-01',
        when: {
          'it is not cut off': (s, { endpoint }) => s.endpoint[endpoint].ste === 'translate',
          'it can have one more outstanding': (s, { endpoint }) => !s.endpoint[endpoint].requests.isFull,
          'the ATC could use it': (s, { endpoint, page }) => s.endpoint[endpoint].atc[page].entry !== 'read-write',
        },
        then: {
          'send a Translation Request': (s, { endpoint, page }) =>
            s.endpoint[endpoint].requests.add({ page, answer: 'pending', tagged: false }),
        },
      },
    ),
    receiveCompletion: action(
      { endpoint: Endpoint, page: Page },
      {
        actor: 'endpoint',
        source: ['ATS-03', 'ATS-16', 'ATS-21'],
        when: {
          'a completion has come': (s, { endpoint, page }) => s.endpoint[endpoint].requests.has(answered(page)),
        },
        then: {
          'cache it, unless it is tagged or grants nothing': (s, { endpoint, page }) => {
            const { answer, tagged } = s.endpoint[endpoint].requests.remove(answered(page));
            if (tagged || answer === 'no access' || answer === 'pending') return;
            s.endpoint[endpoint].atc[page].entry = answer;
          },
        },
      },
    ),
    evictAtc: action(
      { endpoint: Endpoint, page: Page },
      {
        actor: 'endpoint',
        source: 'ATS-19',
        when: { 'an entry is there': (s, { endpoint, page }) => s.endpoint[endpoint].atc[page].entry !== 'none' },
        then: {
          'drop it': (s, { endpoint, page }) => {
            s.endpoint[endpoint].atc[page].entry = 'none';
          },
        },
      },
    ),
    receiveInvalidation: action(
      { endpoint: Endpoint, page: Page },
      {
        actor: 'endpoint',
        source: ['ATS-16', 'ATS-17'],
        when: {
          'an ATC_INV is queued': (s, { endpoint, page }) => s.queue.window.has(atcInv(endpoint, page)),
        },
        then: {
          'drop the ATC entry': (s, { endpoint, page }) => {
            s.endpoint[endpoint].atc[page].entry = 'none';
          },
          'tag the requests that it overtakes': (s, { endpoint, page }) => {
            const { requests } = s.endpoint[endpoint];
            const overtaken = [...requests].filter((request) => request.page === page);
            for (const request of overtaken) requests.replace(request, { ...request, tagged: true });
          },
          'start to acknowledge': (s, { endpoint, page }) => {
            s.queue.window.replace(atcInv(endpoint, page), { ...atcInv(endpoint, page), progress: 'received' });
          },
        },
      },
    ),
    acknowledge: action(
      { endpoint: Endpoint, page: Page },
      {
        actor: 'endpoint',
        doc: 'the Invalidate Completion, ordered behind the posted writes that used the entry',
        source: ['ATS-17', 'ATS-18', 'ATS-23'],
        when: {
          'the invalidation was received': (s, { endpoint, page }) =>
            s.queue.window.has({ ...atcInv(endpoint, page), progress: 'received' }),
          'older posted writes went ahead of it': (s, { endpoint, page }) =>
            !s.endpoint[endpoint].accesses.has(
              (a) => a.page === page && a.kind === 'write' && a.stage === 'on the link',
            ),
          'reads that used the entry have returned': (s, { endpoint, page }) =>
            !s.endpoint[endpoint].accesses.has((a) => a.page === page && a.kind === 'read' && a.stage !== 'translated'),
          'accepted writes are in memory': (s, { endpoint, page }) =>
            !s.endpoint[endpoint].accesses.has((a) => a.page === page && a.kind === 'write' && a.stage === 'accepted'),
        },
        then: {
          'complete the command': (s, { endpoint, page }) => {
            s.queue.window.remove({ ...atcInv(endpoint, page), progress: 'received' });
          },
        },
      },
    ),

    issueTranslated: action(
      { endpoint: Endpoint, page: Page, kind: kinds(size.reads) },
      {
        actor: 'endpoint',
        source: 'ATS-15',
        when: {
          'the ATC grants it': (s, { endpoint, page, kind: wanted }) =>
            allows(s.endpoint[endpoint].atc[page].entry, wanted),
          'it can have one more under way': (s, { endpoint }) => !s.endpoint[endpoint].accesses.isFull,
        },
        then: {
          'send the translated request': (s, { endpoint, page, kind: wanted }) =>
            s.endpoint[endpoint].accesses.add({ page, kind: wanted, stage: 'on the link' }),
        },
      },
    ),
    acceptTranslated: action(
      { endpoint: Endpoint, page: Page, kind: kinds(size.reads) },
      {
        actor: 'smmu',
        source: ['ATS-02', 'ATS-23'],
        when: {
          'it has come over the link': (s, { endpoint, page, kind: wanted }) =>
            s.endpoint[endpoint].accesses.has({ page, kind: wanted, stage: 'on the link' }),
        },
        then: {
          'pass it, or refuse it if the STE aborts': (s, { endpoint, page, kind: wanted }) => {
            const { accesses, ste } = s.endpoint[endpoint];
            accesses.remove({ page, kind: wanted, stage: 'on the link' });
            if (ste === 'translate') accesses.add({ page, kind: wanted, stage: 'accepted' });
          },
        },
      },
    ),
    translate: action(
      { endpoint: Endpoint, page: Page, kind: kinds(size.reads) },
      {
        actor: 'smmu',
        doc: 'an untranslated access of the endpoint is translated through the TLB and passed on',
        source: 'ATS-01',
        when: {
          'the STE translates': (s, { endpoint }) => s.endpoint[endpoint].ste === 'translate',
          'the TLB grants it': (s, { page, kind: wanted }) => allows(s.page[page].tlb, wanted),
          'it can have one more under way': (s, { endpoint }) => !s.endpoint[endpoint].accesses.isFull,
        },
        then: {
          'pass it on': (s, { endpoint, page, kind: wanted }) =>
            s.endpoint[endpoint].accesses.add({ page, kind: wanted, stage: 'translated' }),
        },
      },
    ),
    reachMemory: action(
      { endpoint: Endpoint, page: Page, kind: kinds(size.reads), stage: oneOf('accepted', 'translated') },
      {
        actor: 'memory',
        when: {
          'it is past the SMMU': (s, { endpoint, page, kind: wanted, stage }) =>
            s.endpoint[endpoint].accesses.has({ page, kind: wanted, stage }),
        },
        then: {
          'read or write the frame': (s, { page, kind: wanted }) => {
            const { frame, pte, locked } = s.page[page];
            if (wanted === 'write' && isStrangers(frame)) s.page[page].harm = 'overwritten';
            if (wanted === 'read' && frame === 'stranger wrote') s.page[page].harm = 'leaked';
            if (wanted === 'write' && pte === 'read-only' && !locked) s.page[page].harm = 'written while read-only';
          },
          'be done': (s, { endpoint, page, kind: wanted, stage }) => {
            s.endpoint[endpoint].accesses.remove({ page, kind: wanted, stage });
          },
        },
      },
    ),
  }),
});
