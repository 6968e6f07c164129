/**
 * From the fault to the access: a device asks for a page or for permission to write it, the fault handler makes the PTE so and answers
 * Success, and the device translates again and finds what it wanted, or asks once more. (IOPF-04, IOPF-13, PRI-07, PRI-08,
 * PRI-27, HOST-09..12, MMN-02)
 *
 * Scope: one address space, its pages with PTE and frame, one SMMU with a TLB, one device with an ATC; the fault handler, one fault at
 * a time; reclaim and write-protection of pages; a CPU that writes; a second user of the mm's notifiers; the exit of the mm. Groups,
 * queues and PASIDs are `page-request`; the order of commands in one invalidation is `atc-invalidation`.
 *
 * Atomicity: one translation request with its walk; one PTE written; one TLB or ATC invalidated; one notifier called; one reference of the mm
 * taken or dropped; one access. The order in the handler is that of iommu_sva_handle_mm and handle_mm_fault: take the mm, look the
 * mapping up, change the PTE, tell the TLBs, drop the mm, answer.
 *
 * Two ways to let a device share an address space: it walks the page tables of the mm themselves (SVA), or the driver keeps
 * a mirror, which may be filled only while no invalidation is between its start and its end (`mirror` 1).
 *
 * Abstracted away, and why no bug hides there:
 * - A frame that was freed is a stranger's at once: before that no harm could be done.
 * - A page that another page's PTE speaks for (contpte) is one of the block that all pages of the model form.
 * - A walk is one step with the entry that it leaves: what a walk in flight does is `atc-invalidation`'s.
 *
 * Fairness: what the device has begun it goes on with (an access for which its ATC has the entry again and again is done at last: strong); the handler, invalidations once begun, the exit once begun and the CPU once it
 * faults run (weak). Nobody need drop or protect a page or exit, and pages are taken away only so many times (`drops`): that
 * the mm keeps a page in the end is what the progress of HOST-11 rests upon, since a livelock by endless reclaim is legal.
 *
 * Constants: `drops` how often a page is taken away; `mirror` see above; `hardware` 1: the SMMU drops its TLB entry of the page when a
 * page request comes (VT-d, PRI-27).
 */
import { bool, each, type Member, model, oneOf, optional, queue, range, sort } from '../language/index.ts';
import { access, allows, permission } from './parts/permission.ts';

export const Page = sort('page');

interface Caches {
  tlb: 'none' | 'read-only' | 'read-write';
  atc: 'none' | 'read-only' | 'read-write';
}

/** The model. */
export const pageRequestRetry = model({
  name: 'page-request/retry',
  doc: 'A device asks for pages and permissions, is told Success, and tries again, until its access is done.',
  sizes: {
    smoke: { page: 1, drops: 1, mirror: 2, hardware: 0 },
    block: { page: 2, drops: 0, mirror: 0, hardware: 0 },
    ci: { page: 1, drops: 3, mirror: 2, hardware: 1 },
    deep: { page: 2, drops: 1, mirror: 2, hardware: 0 },
  },
  state: ({ size, members }) => ({
    mirror: bool,
    mm: {
      at: oneOf('alive', 'exiting', 'gone'),
      /** References that keep its page tables: one of the process, one of each fault that is handled. */
      users: range(0, 3),
      /** Invalidations between the start and the end of their notifiers, as the device's driver counts them. */
      invalidating: range(0, members(Page).length * (size.drops + 1)),
    },
    drops: range(0, size.drops),
    page: each(Page, {
      pte: permission,
      /** What its mapping allows. */
      allowed: oneOf('read-write', 'read-only'),
      /** Page-table lock. */
      locked: bool,
      frame: oneOf('process', 'stranger'),
      tlb: permission,
      atc: permission,
      /** What the device wants to do with it, and how far it is. */
      wants: optional(access),
      at: oneOf('idle', 'to do', 'asked', 'answered', 'failed'),
      answer: oneOf('Success', 'Invalid Request'),
      overwritten: bool,
    }),
    /** Faults, in the order in which they came. */
    faults: queue(members(Page).length, { page: Page }),
    /** The page whose fault is handled. */
    handled: optional(Page),
  }),
  initial: {
    choose: { mirror: bool, allowed: oneOf('read-write', 'read-only') },
    when: (_s, { mirror }, { size }) => size.mirror === 2 || mirror === (size.mirror === 1),
    then: (s, { mirror, allowed }) => {
      s.mirror = mirror;
      s.mm.users = 1;
      s.page.forEach((page) => {
        page.allowed = allowed;
        page.frame = 'stranger';
      });
    },
  },

  actions: ({ action, procedure, members, size }) => ({
    // The device.
    begin: action(
      { page: Page, wants: access },
      {
        actor: 'device',
        when: {
          'it has nothing to do there': (s, { page }) => s.page[page].at === 'idle',
          'the mm is alive': (s) => s.mm.at === 'alive',
        },
        then: {
          'want an access': (s, { page, wants }) => {
            s.page[page].wants = wants;
            s.page[page].at = 'to do';
          },
        },
      },
    ),
    access: action(
      { page: Page },
      {
        actor: 'device',
        source: ['HOST-10', 'HOST-12', 'PRI-07'],
        fairness: 'strong',
        when: {
          'it wants to': (s, { page }) => s.page[page].at === 'to do',
          'its ATC allows it': (s, { page }) => {
            const { atc, wants } = s.page[page];
            return wants !== null && allows(atc, wants);
          },
        },
        then: {
          'reach the frame': (s, { page }) => {
            if (s.page[page].frame === 'stranger') s.page[page].overwritten = true;
          },
          'be done': (s, { page }) => {
            s.page[page].at = 'idle';
            s.page[page].wants = null;
          },
        },
      },
    ),
    translate: action(
      { page: Page },
      {
        actor: 'smmu',
        doc: 'a translation request and its completion: from the TLB if that has an entry, else from a walk, which fills it',
        source: ['HOST-09', 'PRI-07'],
        fairness: 'weak',
        when: {
          'the device wants to access it': (s, { page }) => s.page[page].at === 'to do',
          'its ATC does not allow it': (s, { page }) => {
            const { atc, wants } = s.page[page];
            return wants !== null && !allows(atc, wants);
          },
        },
        then: {
          'walk without an entry': (s, { page }) => {
            const { tlb, pte } = s.page[page];
            if (tlb === 'none') s.page[page].tlb = pte;
          },
          'give the ATC what the TLB has': (s, { page }) => {
            s.page[page].atc = s.page[page].tlb;
          },
          'ask for the page if that is not enough': (s, { page }) => {
            const { atc, wants } = s.page[page];
            if (wants === null || allows(atc, wants)) return;
            s.page[page].at = 'asked';
            s.faults.push({ page });
          },
          'drop the TLB entry with a page request': (s, { page }) => {
            if (size.hardware > 0 && s.page[page].at === 'asked') s.page[page].tlb = 'none';
          },
        },
      },
    ),
    receive: action(
      { page: Page },
      {
        actor: 'device',
        source: ['PRI-09', 'HOST-10'],
        fairness: 'weak',
        when: { 'it was answered': (s, { page }) => s.page[page].at === 'answered' },
        then: {
          'try again, or give up': (s, { page }) => {
            s.page[page].at = s.page[page].answer === 'Success' ? 'to do' : 'failed';
          },
        },
      },
    ),
    giveUp: action(
      { page: Page },
      {
        actor: 'device',
        fairness: 'weak',
        when: { 'its access has failed': (s, { page }) => s.page[page].at === 'failed' },
        then: {
          'report an error': (s, { page }) => {
            s.page[page].at = 'idle';
            s.page[page].wants = null;
            s.page[page].answer = 'Success';
          },
        },
      },
    ),
    evict: action(
      { page: Page },
      {
        actor: 'device',
        source: 'ATS-19',
        when: { 'an entry is there': (s, { page }) => s.page[page].atc !== 'none' },
        then: {
          'drop it': (s, { page }) => {
            s.page[page].atc = 'none';
          },
        },
      },
    ),

    // The fault handler.
    handle: procedure(
      {},
      {
        actor: 'worker',
        doc: 'handles the fault of one page and answers it',
        fairness: 'weak',
        repeat: true,
        locals: { held: bool, changed: bool, answer: oneOf('Success', 'Invalid Request') },
        steps: ({ step, branch }) => [
          step('take a fault', {
            when: { 'one is there': (s) => !s.faults.isEmpty },
            then: {
              'handle that page': (s, _p, me) => {
                s.handled = s.faults.shift().page;
                me.answer = 'Success';
              },
            },
          }),
          step('take the mm', {
            source: ['IOPF-04', 'IOPF-13'],
            then: {
              'get it unless it is exiting': (s, _p, me) => {
                me.held = s.mm.at === 'alive';
                if (me.held && s.mm.users < 3) s.mm.users++;
                else me.answer = 'Invalid Request';
              },
            },
          }),
          branch('the mm is there', {
            fused: true,
            if: (_s, _p, me) => me.held,
            then: [
              step('wait for invalidations', {
                doc: 'a mirror must not be filled from a PTE that is about to change',
                when: {
                  'none is under way, or there is no mirror': (s) => !s.mirror || s.mm.invalidating === 0,
                },
              }),
              step('lock the PTE', {
                fairness: 'strong',
                when: { 'the lock is free': (s) => s.handled === null || !s.page[s.handled].locked },
                then: {
                  'take the lock': (s) => {
                    if (s.handled !== null) s.page[s.handled].locked = true;
                  },
                },
              }),
              branch('the mapping allows it', {
                fused: true,
                if: ({ handled, page }) => {
                  if (handled === null) return false;
                  const { allowed, wants } = page[handled];
                  return wants !== null && allows(allowed, wants);
                },
                then: [
                  branch('the PTE has to change', {
                    fused: true,
                    if: ({ handled, page }) => {
                      if (handled === null) return false;
                      const { pte, wants } = page[handled];
                      return wants !== null && !allows(pte, wants);
                    },
                    then: [
                      step('write the PTE', {
                        source: ['HOST-09', 'IOPF-04'],
                        then: {
                          'note that an entry may be cached': (s, _p, me) => {
                            me.changed = s.handled !== null && s.page[s.handled].pte !== 'none';
                          },
                          'get a frame if there is none': (s) => {
                            if (s.handled !== null) s.page[s.handled].frame = 'process';
                          },
                          'grant what is wanted': (s) => {
                            if (s.handled === null) return;
                            s.page[s.handled].pte = s.page[s.handled].wants === 'write' ? 'read-write' : 'read-only';
                          },
                        },
                      }),
                      branch('an entry may be cached', {
                        fused: true,
                        if: (_s, _p, me) => me.changed,
                        then: [
                          step('invalidate the TLB', {
                            source: ['HOST-09', 'MMN-02'],
                            then: { 'drop the entry': (s) => flushTlb(s.page, s.handled) },
                          }),
                          step('invalidate the ATC', {
                            source: ['HOST-09', 'MMN-02'],
                            then: { 'drop the entry': (s) => flushAtc(s.page, s.handled) },
                          }),
                        ],
                      }),
                    ],
                  }),
                ],
                else: [
                  step('refuse the fault', {
                    source: 'IOPF-04',
                    then: {
                      fail: (_s, _p, me) => {
                        me.answer = 'Invalid Request';
                      },
                    },
                  }),
                ],
              }),
              step('unlock the PTE', {
                then: {
                  'release the lock': (s) => {
                    if (s.handled !== null) s.page[s.handled].locked = false;
                  },
                },
              }),
              step('drop the mm', {
                source: 'IOPF-04',
                then: {
                  'put it': (s, _p, me) => {
                    if (s.mm.users > 0) s.mm.users--;
                    me.held = false;
                  },
                },
              }),
            ],
          }),
          step('answer', {
            source: ['HOST-09', 'IOPF-13', 'PRI-09'],
            then: {
              'send the response': (s, _p, me) => {
                if (s.handled === null) return;
                s.page[s.handled].at = 'answered';
                s.page[s.handled].answer = me.answer;
              },
              'forget it': (s, _p, me) => {
                s.handled = null;
                me.answer = 'Success';
                me.changed = false;
              },
            },
          }),
        ],
      },
    ),

    // The mm.
    takeAway: procedure(
      { page: Page },
      {
        actor: 'cpu',
        doc: 'reclaim or write-protection of a page, between the start and the end of the notifiers',
        repeat: true,
        fairness: 'weak',
        locals: { to: oneOf('none', 'read-only'), refused: bool },
        steps: ({ step, branch }) => [
          step('start the first notifier', {
            doc: 'nobody has to take pages away, and it happens only so many times',
            fairness: 'none',
            choose: { to: oneOf('none', 'read-only') },
            when: {
              'pages are still taken away': (s) => s.drops < size.drops,
              'it takes something away': (s, { page, to }) =>
                s.page[page].pte === 'read-write' || (s.page[page].pte === 'read-only' && to === 'none'),
              'the mm is alive': (s) => s.mm.at === 'alive',
            },
            then: {
              'count it': (s, { to }, me) => {
                s.drops++;
                me.to = to;
              },
              'begin at the driver of the device': (s) => {
                s.mm.invalidating++;
              },
            },
          }),
          step('start the second notifier', {
            doc: 'one that may not sleep now refuses',
            choose: { refuses: bool },
            then: {
              'note whether it refuses': (_s, { refuses }, me) => {
                me.refused = refuses;
              },
            },
          }),
          branch('it refused', {
            fused: true,
            if: (_s, _p, me) => me.refused,
            then: [
              step('end what has started', {
                source: 'MMN-02',
                then: {
                  'end at the driver of the device': (s) => {
                    s.mm.invalidating--;
                  },
                },
              }),
            ],
            else: [
              step('change the PTE', {
                fairness: 'strong',
                when: { 'the lock is free': (s, { page }) => !s.page[page].locked },
                then: {
                  'take the lock': (s, { page }) => {
                    s.page[page].locked = true;
                  },
                  'take it away': (s, { page }, { to }) => {
                    const { pte } = s.page[page];
                    s.page[page].pte = to === 'none' || pte === 'none' ? 'none' : 'read-only';
                  },
                },
              }),
              step('invalidate the TLB', {
                source: 'HOST-12',
                then: { 'drop the entry': (s, { page }) => flushTlb(s.page, page) },
              }),
              step('invalidate the ATC', {
                source: 'HOST-12',
                then: { 'drop the entry': (s, { page }) => flushAtc(s.page, page) },
              }),
              step('free the frame', {
                source: 'HOST-12',
                then: {
                  'give it to a stranger': (s, { page }) => {
                    if (s.page[page].pte === 'none') s.page[page].frame = 'stranger';
                  },
                  'release the lock': (s, { page }) => {
                    s.page[page].locked = false;
                  },
                },
              }),
              step('end the notifiers', {
                source: 'MMN-02',
                then: {
                  'end at the driver of the device': (s) => {
                    s.mm.invalidating--;
                  },
                },
              }),
            ],
          }),
          step('return', {
            then: {
              'forget it': (_s, _p, me) => {
                me.to = 'none';
                me.refused = false;
              },
            },
          }),
        ],
      },
    ),
    touch: procedure(
      { page: Page },
      {
        actor: 'cpu',
        doc: 'a thread of the process writes to the page, and faults on it',
        repeat: true,
        fairness: 'weak',
        locals: { changed: bool },
        steps: ({ step, branch }) => [
          step('write the PTE', {
            fairness: 'none',
            when: {
              'writing is allowed, and the PTE does not let it': (s, { page }) =>
                s.page[page].allowed === 'read-write' && s.page[page].pte !== 'read-write',
              'the process is alive': (s) => s.mm.at === 'alive',
              'the lock is free': (s, { page }) => !s.page[page].locked,
            },
            then: {
              'take the lock': (s, { page }) => {
                s.page[page].locked = true;
              },
              'note that an entry may be cached': (s, { page }, me) => {
                me.changed = s.page[page].pte !== 'none';
              },
              'grant writing': (s, { page }) => {
                s.page[page].pte = 'read-write';
                s.page[page].frame = 'process';
              },
            },
          }),
          branch('an entry may be cached', {
            fused: true,
            if: (_s, _p, me) => me.changed,
            then: [
              step('invalidate the TLB', {
                source: 'MMN-02',
                then: { 'drop the entry': (s, { page }) => flushTlb(s.page, page) },
              }),
              step('invalidate the ATC', {
                source: 'MMN-02',
                then: { 'drop the entry': (s, { page }) => flushAtc(s.page, page) },
              }),
            ],
          }),
          step('return', {
            then: {
              'release the lock': (s, { page }, me) => {
                s.page[page].locked = false;
                me.changed = false;
              },
            },
          }),
        ],
      },
    ),
    exit: procedure(
      {},
      {
        actor: 'process',
        doc: 'the process ends: its reference of the mm goes, and with the last one the page tables',
        fairness: 'weak',
        steps: ({ step }) => [
          step('drop the mm', {
            fairness: 'none',
            when: {
              'no page is being taken away': (s) => s.mm.invalidating === 0,
              'no thread is in a fault': (s) => s.page.every(({ locked }, page) => !locked || s.handled === page),
            },
            then: {
              'put it': (s) => {
                if (s.mm.users > 0) s.mm.users--;
                s.mm.at = 'exiting';
              },
            },
          }),
          step('tear the page tables down', {
            source: ['IOPF-04', 'HOST-12'],
            when: { 'nobody uses the mm': (s) => s.mm.users === 0 },
            then: {
              'clear all PTEs': (s) => {
                s.mm.at = 'gone';
                s.page.forEach((page) => {
                  page.pte = 'none';
                });
              },
            },
          }),
          step('invalidate all', {
            source: 'HOST-12',
            then: {
              'drop the TLB and ATC entries': (s) => {
                for (const page of members(Page)) {
                  flushTlb(s.page, page);
                  flushAtc(s.page, page);
                }
              },
            },
          }),
          step('free all frames', {
            source: 'HOST-12',
            then: {
              'give them to a stranger': (s) => {
                s.page.forEach((page) => {
                  page.frame = 'stranger';
                });
              },
            },
          }),
        ],
      },
    ),
  }),
});

/** TLBI for a page. */
function flushTlb(pages: Record<Member<'page'>, Caches>, page: Member<'page'> | null): void {
  if (page !== null) pages[page].tlb = 'none';
}
/** ATC_INV for a page. */
function flushAtc(pages: Record<Member<'page'>, Caches>, page: Member<'page'> | null): void {
  if (page !== null) pages[page].atc = 'none';
}
