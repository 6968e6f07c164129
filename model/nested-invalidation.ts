/**
 * Nested translation: the guest owns stage 1, the host owns stage 2, the SMMU caches each alone and both combined, and an
 * ATC lies above all. Guest unmap, host unmap (reclaim, migration), and both at once, with the guest's invalidations on
 * each of the ways that they can travel. (NEST-01..09, NEST-18, NEST-19, VSVA-04, VIOMMU-22, VIOMMU-23)
 *
 * Scope: guests with a VMID each; pages of their processes (a virtual address whose stage 1 gives an intermediate physical
 * address, IPA) and physical frames that back them; endpoints with ATS. The ways: a queue in guest memory that the VMM reads
 * when it is trapped (iommufd converts the commands in batches), a virtio-iommu whose INVALIDATE request the VMM carries out,
 * or a command queue of the guest's own that the hardware consumes (VCMDQ). Which guest has which is open.
 * Context descriptors, stream IDs, VMID reuse and teardown are `nested-invalidation/context`; page requests are
 * `nested-invalidation/faults`.
 *
 * Atomicity: one write of a table entry; one batch of commands with its CMD_SYNC; the effect of one command; one fetch at
 * one stage; one message of an endpoint; one access reaching memory. iommufd converts one command at a time.
 *
 * Fairness: the host's threads and the guest's processors run, and the SMMU completes a TLBI of stage 2, a CMD_SYNC and
 * accesses under way (weak). TLBI of stage 1 and ATC_INV complete at last although new traffic comes all the time (strong):
 * they need wait for older accesses alone, which the guards cannot tell from newer ones. The VMM owes nobody anything, so an invalidation that it has to carry may never end; nor does
 * anything else of the guest's wishes, of devices' wishes or of memory pressure have to happen. A CMD_SYNC of each issuer
 * reaches the head of the queue since the queue is first in, first out across CMD_SYNCs.
 *
 * Abstracted away, and why no bug hides there:
 * - Permission is one bit at each stage: an access needs stage 1 and stage 2. Write protection orders the same commands.
 * - The IPA of a page is fixed for the page; a guest that maps another IPA goes through the same clear, invalidate, free.
 *   What the guest page is used for is tracked in `owner`, so that a stale entry is harmful exactly when it should be.
 * - A combined entry is formed in one step from a fetched stage-1 entry and an IPA entry. One still in flight would be used and
 *   be dropped exactly as one in the TLB.
 * - The stage-1 table lies in an IPA itself, which is `nested-invalidation/context`, where tables move.
 * - An endpoint takes an invalidation in one step, once its older writes have left it; see `atc-invalidation` for two.
 *   A request that an invalidation overtakes is forgotten at once: its completion would be discarded on arrival.
 * - Time-outs of ATC_INV are `atc-invalidation`; access, dirty and execute bits add permissions, not orders.
 * - Each guest has one address space (one ASID): two of them are `nested-invalidation/context`.
 * - Commands between two CMD_SYNCs have no order in a guest's queue either: the VMM converts them in any order.
 *   Hardware fetches no command behind one that it refuses: that it stops there first shows as a TLBI that has no effect yet.
 */
import { bag, bool, each, type Frozen, model, oneOf, optional, range, sort, type Value } from '../language/index.ts';
import { commandQueue, completeSync, hasRoom, submit, submitSync } from './parts/command-queue.ts';

export const Guest = sort('guest');
export const Page = sort('page');
export const Endpoint = sort('endpoint');
export const Frame = sort('frame');

type GuestId = Value<typeof Guest>;
type PageId = Value<typeof Page>;
type EndpointId = Value<typeof Endpoint>;

/**
 * A guest writes its commands without a VMID; the host or the hardware puts it in. TLBI_S12_VMALL, TLBI_NH_ALL and
 * TLBI_NH_ASID name no page, ATC_INV for the whole ATC neither. `forbidden` is any command that a guest may not give.
 */
const command = {
  op: oneOf('s2-ipa', 's12-all', 'nh-all', 'nh-asid', 'nh-va', 'atc-all', 'atc-inv', 'forbidden'),
  vmid: optional(Guest),
  page: optional(Page),
  endpoint: optional(Endpoint),
};
export type Command = Frozen<Value<typeof command>>;
type Op = Command['op'];

function tlbi(op: Op, vmid: GuestId | null, page: PageId | null = null): Command {
  return { op, vmid, page, endpoint: null };
}
/** ATC_INV for a page, or, with `null`, for the whole ATC. */
export function atcInv(endpoint: EndpointId, page: PageId | null): Command {
  return { op: page === null ? 'atc-all' : 'atc-inv', vmid: null, page, endpoint };
}
const forbidden: Command = { op: 'forbidden', vmid: null, page: null, endpoint: null };

/** How many times a TLBI is still to be issued: once, or twice where an erratum asks for it. */
const repetitions = range(0, 2);
function lower(rounds: number): number {
  return rounds > 0 ? rounds - 1 : 0;
}

const ways = ['trapped', 'virtio', 'own queue'] as const;

/** Who waits for a CMD_SYNC in the SMMU's main queue: reclaim of a page, or the VMM for a guest or for a page of it. */
const issuer = { who: oneOf('reclaim', 'trapped', 'virtio'), guest: optional(Guest), page: optional(Page) };

function isTlbi({ op }: { readonly op: Op }): boolean {
  return op !== 'atc-all' && op !== 'atc-inv' && op !== 'forbidden';
}

type From = 'main queue' | 'own queue';
type TlbiOp = 's2-ipa' | 's12-all' | 'nh-all' | 'nh-asid' | 'nh-va';
interface Commands {
  readonly window: Iterable<Command> & { has(test: (c: Command) => boolean): boolean };
}
interface Queues<Q> {
  readonly queue: Q;
  readonly guest: {
    readonly [member in GuestId]: {
      readonly way: string;
      readonly lost: Readonly<Record<TlbiOp, boolean>>;
      readonly queue: Q;
    };
  };
}

/** The queue that the SMMU consumes: its main one, or the one that a guest has of its own. */
function queueOf<Q>(
  s: {
    readonly queue: { readonly window: Q };
    readonly guest: { readonly [member in GuestId]: { readonly queue: { readonly window: Q } } };
  },
  from: From,
  guest: GuestId,
): { readonly window: Q } {
  return from === 'main queue' ? s.queue : s.guest[guest].queue;
}
/** Whether a command is for this guest: by its VMID, which hardware puts in for a queue of the guest's own. */
function isFor(c: Command, from: From, guest: GuestId): boolean {
  return from === 'own queue' || c.vmid === guest;
}
function isQueued(s: Queues<Commands>, from: From, guest: GuestId, test: (c: Command) => boolean): boolean {
  if (from === 'own queue' && s.guest[guest].way !== 'own queue') return false;
  return queueOf(s, from, guest).window.has((c: Command) => test(c) && (!isTlbi(c) || isFor(c, from, guest)));
}
/** Whether an erratum lets the SMMU lose a TLBI. */
function mayLose(s: Queues<Commands>, from: From, guest: GuestId, op: TlbiOp, erratum: number): boolean {
  if (erratum === 1) return !s.guest[guest].lost[op];
  if (erratum === 2) {
    return queueOf(s, from, guest).window.has((c: Command) => c.op !== op && c.op !== 'forbidden');
  }
  return erratum === 3 && (op === 'nh-va' || op === 'nh-all' || op === 'nh-asid');
}
function sameCommand(a: Command, b: Command): boolean {
  return a.op === b.op && a.page === b.page && a.endpoint === b.endpoint;
}
type Issuer = Readonly<Record<'who' | 'guest' | 'page', unknown>>;
function sameIssuer(a: Issuer | null, b: Issuer): boolean {
  return a !== null && a.who === b.who && a.guest === b.guest && a.page === b.page;
}

/** The model. */
export const nestedInvalidation = model({
  name: 'nested-invalidation',
  doc: 'Guests unmap pages in stage 1 and the host in stage 2, until the page or the frame has another owner.',
  // `ways`: how guests' invalidations travel; 0 trapped, 1 virtio-iommu, 2 a queue of their own, 3 each is explored.
  // `erratum`: 0 none; 1 a TLBI may lose against traffic, but not twice; 2 a TLBI may be lost beside a command of another
  // type; 3 a TLBI of stage 1 may be incomplete while both stages are active.
  // `hostRepeats`, `guestRepeats`: how many times each issues a TLBI with its CMD_SYNC. `nonsense`: guests also queue
  // commands that they may not give.
  // `unmaps`: 1 explores guest and host apart, one unmaps and the other does not; 2 explores both at once.
  sizes: {
    smoke: {
      guest: 1,
      page: 1,
      endpoint: 1,
      frame: 2,
      accesses: 1,
      unmaps: 1,
      ways: 3,
      erratum: 0,
      hostRepeats: 1,
      guestRepeats: 1,
      nonsense: 1,
      queue: 4,
    },
    both: {
      guest: 1,
      page: 1,
      endpoint: 1,
      frame: 2,
      accesses: 1,
      unmaps: 2,
      ways: 3,
      erratum: 0,
      hostRepeats: 1,
      guestRepeats: 1,
      nonsense: 0,
      queue: 4,
    },
    ci: {
      guest: 1,
      page: 1,
      endpoint: 2,
      frame: 2,
      accesses: 1,
      unmaps: 2,
      ways: 3,
      erratum: 0,
      hostRepeats: 1,
      guestRepeats: 1,
      nonsense: 0,
      queue: 4,
    },
    deep: {
      guest: 1,
      page: 2,
      endpoint: 1,
      frame: 2,
      accesses: 1,
      unmaps: 2,
      ways: 2,
      erratum: 0,
      hostRepeats: 1,
      guestRepeats: 1,
      nonsense: 0,
      queue: 4,
    },
  },
  state: ({ size }) => ({
    /** Who unmaps. */
    unmaps: oneOf('guest', 'host', 'both'),
    guest: each(Guest, {
      /** How its invalidations reach the SMMU. */
      way: oneOf('trapped', 'virtio', 'own queue'),
      /** Its command queue: read by the VMM if trapped, by the SMMU if it is its own. Its processors wait, one per page. */
      queue: commandQueue(size.queue, command, Page),
      /** The CMD_SYNC that iommufd has queued for commands of its trapped queue. */
      sync: oneOf('none', 'waiting', 'done'),
      /** With the erratum: the last TLBI of this kind for its VMID was lost, so the next one is not. */
      lost: { 's2-ipa': bool, 's12-all': bool, 'nh-all': bool, 'nh-asid': bool, 'nh-va': bool },
    }),
    page: each(Page, {
      guest: Guest,
      /** The stage-1 entry, in guest memory. */
      pte: oneOf('valid', 'none'),
      /** Whose the page is inside the guest: `other` is another process of it. */
      owner: oneOf('process', 'free', 'other'),
      /** What the guest's processor that unmaps waits for: its CMD_SYNC, or the reply to its INVALIDATE. */
      wait: oneOf('none', 'waiting', 'done'),
      /** The INVALIDATE request: one address, or the whole PASID. */
      invalidate: oneOf('none', 'address', 'PASID'),
      /** The CMD_SYNC that the host has queued for that request. */
      virtioSync: oneOf('none', 'waiting', 'done'),
      /** The stage-2 entry, and the frame that the host keeps for the page until it has been freed. */
      stage2: optional(Frame),
      backing: optional(Frame),
      /** The CMD_SYNC of reclaim. */
      reclaimSync: oneOf('none', 'waiting', 'done'),
      /** What the SMMU has: a stage-1 entry and a stage-2 entry fetched by a walk, an IPA entry, a combined entry. */
      stage1Fetched: bool,
      stage2Fetched: optional(Frame),
      ipaEntry: optional(Frame),
      combined: optional(Frame),
      /** A device has written it while it was another process's. */
      overwritten: bool,
    }),
    frame: each(Frame, {
      use: oneOf('free', 'backs a page', 'stranger'),
      /** A device has written it that belongs to none of the frame's owner's. */
      overwritten: bool,
    }),
    endpoint: each(Endpoint, {
      guest: Guest,
      atc: each(Page, {
        entry: optional(Frame),
        request: oneOf('none', 'pending', 'answered'),
        answer: optional(Frame),
      }),
      /** Writes under way: translated ones that the endpoint has sent, and those that the SMMU translated. */
      writes: bag(size.accesses, { page: Page, frame: Frame, translatedBy: oneOf('endpoint', 'smmu') }),
    }),
    queue: commandQueue(size.queue, command, issuer),
  }),
  /**
   * Pages and endpoints are dealt out to the guests in turn; each page is mapped in both stages. Where the host alone unmaps, it does
   * not matter how invalidations of the guest would travel.
   */
  initial: {
    choose: { way: oneOf('trapped', 'virtio', 'own queue'), unmaps: oneOf('guest', 'host', 'both') },
    when: (_s, { way, unmaps }, { size }) =>
      (size.ways === 3 ? unmaps !== 'host' || way === 'trapped' : way === ways[size.ways]) &&
      (unmaps === 'both') === size.unmaps > 1,
    then: (s, { way, unmaps }, { members }) => {
      s.unmaps = unmaps;
      const guests = members(Guest);
      const frames = members(Frame);
      for (const guest of guests) s.guest[guest].way = way;
      for (const [position, endpoint] of members(Endpoint).entries()) {
        s.endpoint[endpoint].guest = guests[position % guests.length] as GuestId;
      }
      for (const [position, page] of members(Page).entries()) {
        const frame = frames[position] as Value<typeof Frame>;
        s.page[page].guest = guests[position % guests.length] as GuestId;
        s.page[page].stage2 = frame;
        s.page[page].backing = frame;
        s.frame[frame].use = 'backs a page';
      }
    },
  },

  actions: ({ action, procedure, members, size }) => ({
    guestUnmap: procedure(
      { page: Page },
      {
        actor: 'guest',
        doc: 'the guest unmaps a page of a process and gives it back to its own allocator',
        repeat: true,
        fairness: 'weak',
        locals: { rounds: repetitions },
        steps: ({ step, branch, loop }) => [
          step('clear the PTE', {
            source: ['NEST-03', 'VSVA-04'],
            fairness: 'none',
            when: {
              'the guest unmaps': (s) => s.unmaps !== 'host',
              'the page is mapped': (s, { page }) => s.page[page].pte === 'valid',
            },
            then: {
              'write the PTE': (s, { page }, me) => {
                s.page[page].pte = 'none';
                me.rounds = size.guestRepeats;
              },
            },
          }),
          branch('it has a virtio-iommu', {
            fused: true,
            if: (s, { page }) => s.guest[s.page[page].guest].way === 'virtio',
            then: [
              step('send INVALIDATE', {
                source: ['VSVA-04', 'VIOMMU-22'],
                choose: { scope: oneOf('address', 'PASID') },
                then: {
                  'put the request on the request queue': (s, { page, scope }) => {
                    s.page[page].invalidate = scope;
                    s.page[page].wait = 'waiting';
                  },
                },
              }),
              step('wait for the reply', {
                source: 'VSVA-04',
                when: { 'the request was used': (s, { page }) => s.page[page].wait !== 'waiting' },
              }),
            ],
            else: [
              loop('TLBI is due', {
                fused: true,
                while: (_s, _p, { rounds }) => rounds > 0,
                do: [
                  step('submit TLBI', {
                    doc: 'a guest can write anything into its queue, such as a command that is not for guests',
                    source: ['NEST-03', 'NEST-04', 'NEST-09'],
                    choose: { nonsense: bool },
                    when: {
                      'its queue has room': (s, { page }) => hasRoom(s.guest[s.page[page].guest].queue, 3),
                      'nonsense is explored': (_s, { nonsense }) => !nonsense || size.nonsense > 0,
                    },
                    then: {
                      'queue TLBI_NH_VA': (s, { page }) =>
                        submit(s.guest[s.page[page].guest].queue, tlbi('nh-va', null, page)),
                      'queue a command that is not for guests': (s, { page, nonsense }) => {
                        if (nonsense) submit(s.guest[s.page[page].guest].queue, forbidden);
                      },
                      'queue CMD_SYNC': (s, { page }) => {
                        submitSync(s.guest[s.page[page].guest].queue, page);
                        s.page[page].wait = 'waiting';
                      },
                      'count it': (_s, _p, me) => {
                        me.rounds = lower(me.rounds);
                      },
                    },
                  }),
                  step('wait for TLBI', {
                    when: { 'CMD_SYNC has completed': (s, { page }) => s.page[page].wait !== 'waiting' },
                  }),
                ],
              }),
              step('submit ATC_INV', {
                source: ['NEST-11', 'NEST-09'],
                when: {
                  'its queue has room': (s, { page }) =>
                    hasRoom(s.guest[s.page[page].guest].queue, members(Endpoint).length + 1),
                },
                then: {
                  'queue ATC_INV for every endpoint': (s, { page }) => {
                    const { guest } = s.page[page];
                    for (const endpoint of members(Endpoint)) {
                      if (s.endpoint[endpoint].guest === guest) submit(s.guest[guest].queue, atcInv(endpoint, page));
                    }
                  },
                  'queue CMD_SYNC': (s, { page }) => {
                    submitSync(s.guest[s.page[page].guest].queue, page);
                    s.page[page].wait = 'waiting';
                  },
                },
              }),
              step('wait for ATC_INV', {
                when: { 'CMD_SYNC has completed': (s, { page }) => s.page[page].wait !== 'waiting' },
              }),
            ],
          }),
          step('free the page', {
            source: 'VSVA-04',
            then: {
              'give it to the allocator': (s, { page }, me) => {
                s.page[page].owner = 'free';
                s.page[page].wait = 'none';
                me.rounds = 0;
              },
            },
          }),
        ],
      },
    ),
    guestMap: action(
      { page: Page },
      {
        actor: 'guest',
        doc: 'the guest maps a page of its allocator for the process; no exit and no invalidation',
        source: ['NEST-03', 'VIOMMU-34'],
        when: { 'the page is free': (s, { page }) => s.page[page].owner === 'free' },
        then: {
          'write the PTE': (s, { page }) => {
            s.page[page].owner = 'process';
            s.page[page].pte = 'valid';
          },
        },
      },
    ),
    giveToOther: action(
      { page: Page },
      {
        actor: 'guest',
        when: { 'the page is free': (s, { page }) => s.page[page].owner === 'free' },
        then: {
          'another process of the guest owns it': (s, { page }) => {
            s.page[page].owner = 'other';
          },
        },
      },
    ),
    otherFrees: action(
      { page: Page },
      {
        actor: 'guest',
        when: { "it is another process's": (s, { page }) => s.page[page].owner === 'other' },
        then: {
          'give it back': (s, { page }) => {
            s.page[page].owner = 'free';
          },
        },
      },
    ),
    forwardTrapped: procedure(
      { guest: Guest },
      {
        actor: 'vmm',
        doc: "the VMM takes the commands up to a CMD_SYNC from the guest's queue; iommufd converts and issues them",
        repeat: true,
        locals: { batch: bag(size.queue, command), refused: bool },
        steps: ({ step, branch, loop }) => [
          step('read the queue', {
            doc: 'the guest has written its producer index, which exits to the VMM',
            source: 'NEST-08',
            when: {
              'it is trapped': (s, { guest }) => s.guest[guest].way === 'trapped',
              'a CMD_SYNC is there': (s, { guest }) => !s.guest[guest].queue.behind.isEmpty,
            },
          }),
          loop('commands are left before the CMD_SYNC', {
            fused: true,
            while: (s, { guest }) => !s.guest[guest].queue.window.isEmpty,
            do: [
              loop('the next one can be converted', {
                fused: true,
                while: (s, { guest }, { refused }) => !refused && !s.guest[guest].queue.window.isEmpty,
                do: [
                  step('convert a command', {
                    actor: 'iommufd',
                    source: ['NEST-08', 'NEST-09'],
                    choose: { op: command.op },
                    when: {
                      'it is in the queue': (s, { guest, op }) =>
                        s.guest[guest].queue.window.has((c: Command) => c.op === op),
                    },
                    then: {
                      'refuse what is not for guests': (_s, { op }, me) => {
                        me.refused = op === 'forbidden';
                      },
                      'write its VMID and put it into the batch': (s, { guest, op }, me) => {
                        const { queue } = s.guest[guest];
                        const taken = queue.window.remove((c: Command) => c.op === op);
                        if (!me.refused) me.batch.add({ ...taken, vmid: isTlbi(taken) ? guest : null });
                      },
                    },
                  }),
                ],
              }),
              branch('something was converted', {
                fused: true,
                if: (_s, _p, { batch }) => !batch.isEmpty,
                then: [
                  step('issue the batch', {
                    actor: 'iommufd',
                    doc: 'what was converted before a bad command is issued too, since it counts as done',
                    source: 'NEST-09',
                    when: { 'the command queue has room': (s, _p, { batch }) => hasRoom(s.queue, batch.length + 1) },
                    then: {
                      'queue the commands': (s, _p, me) => {
                        for (const converted of me.batch) submit(s.queue, converted);
                        me.batch.clear();
                      },
                      'queue CMD_SYNC': (s, { guest }) => {
                        submitSync(s.queue, { who: 'trapped', guest, page: null });
                        s.guest[guest].sync = 'waiting';
                      },
                    },
                  }),
                  step('wait for the batch', {
                    actor: 'iommufd',
                    when: { 'CMD_SYNC has completed': (s, { guest }) => s.guest[guest].sync !== 'waiting' },
                  }),
                ],
              }),
              branch('a command was refused', {
                fused: true,
                if: (_s, _p, { refused }) => refused,
                then: [
                  step('report the command error', {
                    doc: 'the count of done commands tells which one it was; the guest skips that one',
                    source: 'NEST-09',
                    then: {
                      'go on behind it': (s, { guest }, me) => {
                        me.refused = false;
                        s.guest[guest].sync = 'none';
                      },
                    },
                  }),
                ],
              }),
            ],
          }),
          step('advance the consumer index', {
            source: 'VSVA-04',
            then: {
              "complete the guest's CMD_SYNC": (s, { guest }) => {
                const { queue } = s.guest[guest];
                const page = completeSync(queue);
                if (!queue.behind.has((entry) => entry.issuer === page)) s.page[page].wait = 'done';
                s.guest[guest].sync = 'none';
              },
            },
          }),
        ],
      },
    ),
    forwardVirtio: procedure(
      { page: Page },
      {
        actor: 'vmm',
        doc: 'the VMM carries out an INVALIDATE request, whose TLB scope covers the ATC too, and replies',
        repeat: true,
        locals: { rounds: repetitions },
        steps: ({ step, loop }) => [
          step('take the request', {
            source: 'VSVA-04',
            when: {
              'a request is there': (s, { page }) =>
                s.page[page].invalidate !== 'none' && s.page[page].wait === 'waiting',
            },
            then: {
              'read it': (_s, _p, me) => {
                me.rounds = size.hostRepeats;
              },
            },
          }),
          loop('TLBI is due', {
            fused: true,
            while: (_s, _p, { rounds }) => rounds > 0,
            do: [
              step('submit TLBI', {
                actor: 'host',
                source: ['VSVA-04', 'VIOMMU-22'],
                when: { 'the command queue has room': (s) => hasRoom(s.queue, 2) },
                then: {
                  'queue TLBI of the scope': (s, { page }) => {
                    const { guest, invalidate } = s.page[page];
                    submit(s.queue, invalidate === 'PASID' ? tlbi('nh-asid', guest) : tlbi('nh-va', guest, page));
                  },
                  'queue CMD_SYNC': (s, { page }) => {
                    submitSync(s.queue, { who: 'virtio', guest: null, page });
                    s.page[page].virtioSync = 'waiting';
                  },
                  'count it': (_s, _p, me) => {
                    me.rounds = lower(me.rounds);
                  },
                },
              }),
              step('wait for TLBI', {
                actor: 'host',
                when: { 'CMD_SYNC has completed': (s, { page }) => s.page[page].virtioSync !== 'waiting' },
              }),
            ],
          }),
          step('submit ATC_INV', {
            actor: 'host',
            source: ['VSVA-04', 'VIOMMU-22'],
            when: { 'the command queue has room': (s) => hasRoom(s.queue, members(Endpoint).length + 1) },
            then: {
              'queue ATC_INV of the scope for every endpoint': (s, { page }) => {
                const { guest, invalidate } = s.page[page];
                for (const endpoint of members(Endpoint)) {
                  if (s.endpoint[endpoint].guest === guest) {
                    submit(s.queue, atcInv(endpoint, invalidate === 'PASID' ? null : page));
                  }
                }
              },
              'queue CMD_SYNC': (s, { page }) => {
                submitSync(s.queue, { who: 'virtio', guest: null, page });
                s.page[page].virtioSync = 'waiting';
              },
            },
          }),
          step('wait for ATC_INV', {
            actor: 'host',
            when: { 'CMD_SYNC has completed': (s, { page }) => s.page[page].virtioSync !== 'waiting' },
          }),
          step('reply', {
            source: 'VSVA-04',
            then: {
              'use the request': (s, { page }) => {
                s.page[page].invalidate = 'none';
                s.page[page].wait = 'done';
                s.page[page].virtioSync = 'none';
              },
            },
          }),
        ],
      },
    ),

    reclaim: procedure(
      { page: Page },
      {
        actor: 'host',
        doc: 'the host takes the frame of a guest page away: reclaim, migration, ballooning, sharing of equal pages',
        repeat: true,
        fairness: 'weak',
        locals: { all: bool, stage2Rounds: repetitions, stage1Rounds: repetitions },
        steps: ({ step, loop }) => [
          step('clear the stage-2 entry', {
            source: ['NEST-06', 'NEST-19'],
            fairness: 'none',
            choose: { all: bool },
            when: {
              'the host unmaps': (s) => s.unmaps !== 'guest',
              'the page is mapped': (s, { page }) => s.page[page].stage2 !== null,
            },
            then: {
              'write the entry': (s, { page }) => {
                s.page[page].stage2 = null;
              },
              'choose between the range and everything': (_s, { all }, me) => {
                me.all = all;
                me.stage2Rounds = size.hostRepeats;
                me.stage1Rounds = all ? 0 : size.hostRepeats;
              },
            },
          }),
          loop('TLBI of stage 2 is due', {
            fused: true,
            while: (_s, _p, { stage2Rounds }) => stage2Rounds > 0,
            do: [
              step('submit TLBI of stage 2', {
                doc: 'TLBI_S2_IPA, or, for a range that is too large, TLBI_S12_VMALL for both stages',
                source: 'NEST-06',
                when: { 'the command queue has room': (s) => hasRoom(s.queue, 2) },
                then: {
                  'queue TLBI': (s, { page }, { all }) => {
                    const { guest } = s.page[page];
                    submit(s.queue, all ? tlbi('s12-all', guest) : tlbi('s2-ipa', guest, page));
                  },
                  'queue CMD_SYNC': (s, { page }) => {
                    submitSync(s.queue, { who: 'reclaim', guest: null, page });
                    s.page[page].reclaimSync = 'waiting';
                  },
                  'count it': (_s, _p, me) => {
                    me.stage2Rounds = lower(me.stage2Rounds);
                  },
                },
              }),
              step('wait for TLBI of stage 2', {
                source: 'NEST-06',
                when: { 'CMD_SYNC has completed': (s, { page }) => s.page[page].reclaimSync !== 'waiting' },
              }),
            ],
          }),
          loop('TLBI of stage 1 is due', {
            fused: true,
            while: (_s, _p, { stage1Rounds }) => stage1Rounds > 0,
            do: [
              step('submit TLBI of stage 1', {
                doc: 'nobody knows which combined entries came from the range: all of the VMID',
                source: ['NEST-05', 'NEST-06'],
                when: { 'the command queue has room': (s) => hasRoom(s.queue, 2) },
                then: {
                  'queue TLBI_NH_ALL': (s, { page }) => submit(s.queue, tlbi('nh-all', s.page[page].guest)),
                  'queue CMD_SYNC': (s, { page }) => {
                    submitSync(s.queue, { who: 'reclaim', guest: null, page });
                    s.page[page].reclaimSync = 'waiting';
                  },
                  'count it': (_s, _p, me) => {
                    me.stage1Rounds = lower(me.stage1Rounds);
                  },
                },
              }),
              step('wait for TLBI of stage 1', {
                source: 'NEST-06',
                when: { 'CMD_SYNC has completed': (s, { page }) => s.page[page].reclaimSync !== 'waiting' },
              }),
            ],
          }),
          step('submit ATC_INV', {
            doc: 'the host does not know the virtual addresses of an IPA: all of the ATC, for all PASIDs',
            source: ['NEST-06', 'NEST-07', 'NEST-11'],
            when: { 'the command queue has room': (s) => hasRoom(s.queue, members(Endpoint).length + 1) },
            then: {
              'queue ATC_INV for every endpoint of the guest': (s, { page }) => {
                for (const endpoint of members(Endpoint)) {
                  if (s.endpoint[endpoint].guest === s.page[page].guest) submit(s.queue, atcInv(endpoint, null));
                }
              },
              'queue CMD_SYNC': (s, { page }) => {
                submitSync(s.queue, { who: 'reclaim', guest: null, page });
                s.page[page].reclaimSync = 'waiting';
              },
            },
          }),
          step('wait for ATC_INV', {
            source: 'NEST-06',
            when: { 'CMD_SYNC has completed': (s, { page }) => s.page[page].reclaimSync !== 'waiting' },
          }),
          step('free the frame', {
            source: 'NEST-06',
            then: {
              'give it to the allocator': (s, { page }, me) => {
                const { backing } = s.page[page];
                if (backing !== null) s.frame[backing].use = 'free';
                s.page[page].backing = null;
                s.page[page].reclaimSync = 'none';
                me.all = false;
              },
            },
          }),
        ],
      },
    ),
    backPage: action(
      { page: Page, frame: Frame },
      {
        actor: 'host',
        doc: 'a fault of the guest, or of its device, or migration backs the page again; no invalidation is needed',
        source: ['NEST-18', 'NEST-19'],
        when: {
          'the page has no frame': (s, { page }) => s.page[page].backing === null,
          'the frame is free': (s, { frame }) => s.frame[frame].use === 'free',
        },
        then: {
          'write the stage-2 entry': (s, { page, frame }) => {
            s.page[page].stage2 = frame;
            s.page[page].backing = frame;
            s.frame[frame].use = 'backs a page';
          },
        },
      },
    ),
    giveToStranger: action(
      { frame: Frame },
      {
        actor: 'host',
        when: { 'the frame is free': (s, { frame }) => s.frame[frame].use === 'free' },
        then: {
          'the host or another of its processes owns it': (s, { frame }) => {
            s.frame[frame].use = 'stranger';
          },
        },
      },
    ),
    strangerFrees: action(
      { frame: Frame },
      {
        actor: 'host',
        when: { "it is a stranger's": (s, { frame }) => s.frame[frame].use === 'stranger' },
        then: {
          'give it back': (s, { frame }) => {
            s.frame[frame].use = 'free';
          },
        },
      },
    ),

    fetchStage1: action(
      { page: Page },
      {
        actor: 'smmu',
        source: ['NEST-01', 'NEST-03'],
        when: {
          'the PTE is valid': (s, { page }) => s.page[page].pte === 'valid',
          'the TLB could use it': (s, { page }) => s.page[page].combined === null,
        },
        then: {
          'fetch the PTE': (s, { page }) => {
            s.page[page].stage1Fetched = true;
          },
        },
      },
    ),
    fetchStage2: action(
      { page: Page },
      {
        actor: 'smmu',
        source: 'NEST-01',
        when: {
          'the stage-2 entry is valid': (s, { page }) => s.page[page].stage2 !== null,
          'the TLB could use it': (s, { page }) => s.page[page].ipaEntry === null,
        },
        then: {
          'fetch the entry': (s, { page }) => {
            s.page[page].stage2Fetched = s.page[page].stage2;
          },
        },
      },
    ),
    insertIpa: action(
      { page: Page },
      {
        actor: 'smmu',
        source: 'NEST-06',
        when: { 'a stage-2 entry was fetched': (s, { page }) => s.page[page].stage2Fetched !== null },
        then: {
          'put it into the TLB': (s, { page }) => {
            s.page[page].ipaEntry = s.page[page].stage2Fetched;
            s.page[page].stage2Fetched = null;
          },
        },
      },
    ),
    combine: action(
      { page: Page },
      {
        actor: 'smmu',
        doc: 'stage 2 translates what stage 1 gave: both must grant it',
        source: ['NEST-01', 'NEST-02', 'NEST-05'],
        when: {
          'a stage-1 entry was fetched': (s, { page }) => s.page[page].stage1Fetched,
          'stage 2 translates its address': (s, { page }) => s.page[page].ipaEntry !== null,
        },
        then: {
          'put the combined entry into the TLB': (s, { page }) => {
            s.page[page].combined = s.page[page].ipaEntry;
            s.page[page].stage1Fetched = false;
          },
        },
      },
    ),
    evictIpa: action(
      { page: Page },
      {
        actor: 'smmu',
        when: { 'an entry is there': (s, { page }) => s.page[page].ipaEntry !== null },
        then: {
          'drop it': (s, { page }) => {
            s.page[page].ipaEntry = null;
          },
        },
      },
    ),
    evictCombined: action(
      { page: Page },
      {
        actor: 'smmu',
        when: { 'an entry is there': (s, { page }) => s.page[page].combined !== null },
        then: {
          'drop it': (s, { page }) => {
            s.page[page].combined = null;
          },
        },
      },
    ),

    completeTlbiVa: action(
      { from: oneOf('main queue', 'own queue'), page: Page, lost: bool },
      {
        actor: 'smmu',
        doc: 'TLBI_NH_VA; in a queue of its own the hardware takes the VMID of the guest',
        source: ['NEST-05', 'NEST-08', 'NEST-21'],
        fairness: 'strong',
        when: {
          'it is in the window': (s, { from, page }) =>
            isQueued(s, from, s.page[page].guest, (c) => c.op === 'nh-va' && c.page === page),
          'accesses that it translated are in memory': (s, { page }) =>
            s.endpoint.every(({ writes }) => !writes.has((w) => w.page === page && w.translatedBy === 'smmu')),
          'only with an erratum is it lost': (s, { from, page, lost }) =>
            !lost || mayLose(s, from, s.page[page].guest, 'nh-va', size.erratum),
        },
        then: {
          'drop the combined entry': (s, { page, lost }) => {
            if (!lost) s.page[page].combined = null;
          },
          'discard walks that fetched stage 1': (s, { page, lost }) => {
            if (!lost) s.page[page].stage1Fetched = false;
          },
          'complete the command': (s, { from, page, lost }) => {
            const { guest } = s.page[page];
            queueOf(s, from, guest).window.remove(
              (c: Command) => isFor(c, from, guest) && c.op === 'nh-va' && c.page === page,
            );
            s.guest[guest].lost['nh-va'] = lost && size.erratum === 1;
          },
        },
      },
    ),
    completeTlbiVmid: action(
      { from: oneOf('main queue', 'own queue'), guest: Guest, op: oneOf('nh-all', 'nh-asid', 's12-all'), lost: bool },
      {
        actor: 'smmu',
        doc: 'TLBI_NH_ALL and TLBI_NH_ASID drop all that came from stage 1 of the VMID; TLBI_S12_VMALL IPA entries too',
        source: ['NEST-05', 'NEST-06'],
        fairness: 'strong',
        when: {
          'it is in the window': (s, { from, guest, op }) => isQueued(s, from, guest, (c) => c.op === op),
          'accesses that it translated are in memory': (s, { guest }) =>
            s.endpoint.every((of) => of.guest !== guest || !of.writes.has((w) => w.translatedBy === 'smmu')),
          'only with an erratum is it lost': (s, { from, guest, op, lost }) =>
            !lost || mayLose(s, from, guest, op, size.erratum),
        },
        then: {
          'drop the combined entries': (s, { guest, lost }) => {
            for (const page of s.page) if (page.guest === guest && !lost) page.combined = null;
          },
          'discard walks that fetched stage 1': (s, { guest, lost }) => {
            for (const page of s.page) if (page.guest === guest && !lost) page.stage1Fetched = false;
          },
          'drop the IPA entries too if it is for both stages': (s, { guest, op, lost }) => {
            if (op !== 's12-all' || lost) return;
            for (const page of s.page) {
              if (page.guest !== guest) continue;
              page.ipaEntry = null;
              page.stage2Fetched = null;
            }
          },
          'complete the command': (s, { from, guest, op, lost }) => {
            queueOf(s, from, guest).window.remove((c: Command) => isFor(c, from, guest) && c.op === op);
            s.guest[guest].lost[op] = lost && size.erratum === 1;
          },
        },
      },
    ),
    completeTlbiIpa: action(
      { page: Page, lost: bool },
      {
        actor: 'smmu',
        doc: 'TLBI_S2_IPA drops what was cached of stage 2 alone; combined entries stay',
        source: 'NEST-06',
        fairness: 'weak',
        when: {
          'it is in the window': (s, { page }) =>
            isQueued(s, 'main queue', s.page[page].guest, (c) => c.op === 's2-ipa' && c.page === page),
          'only with an erratum is it lost': (s, { page, lost }) =>
            !lost || mayLose(s, 'main queue', s.page[page].guest, 's2-ipa', size.erratum),
        },
        then: {
          'drop the IPA entry': (s, { page, lost }) => {
            if (!lost) s.page[page].ipaEntry = null;
          },
          'discard walks that fetched stage 2': (s, { page, lost }) => {
            if (!lost) s.page[page].stage2Fetched = null;
          },
          'complete the command': (s, { page, lost }) => {
            const { guest } = s.page[page];
            s.queue.window.remove(
              (c: Command) => isFor(c, 'main queue', guest) && c.op === 's2-ipa' && c.page === page,
            );
            s.guest[guest].lost['s2-ipa'] = lost && size.erratum === 1;
          },
        },
      },
    ),
    stopAtForbidden: action(
      { guest: Guest },
      {
        actor: 'smmu',
        doc: "the hardware refuses the command in the guest's own queue; the guest skips it",
        source: 'NEST-09',
        fairness: 'weak',
        when: {
          'it is in its own queue': (s, { guest }) =>
            s.guest[guest].way === 'own queue' && s.guest[guest].queue.window.has(forbidden),
        },
        then: {
          'skip it': (s, { guest }) => {
            s.guest[guest].queue.window.remove(forbidden);
          },
        },
      },
    ),
    completeSync: action(
      {},
      {
        actor: 'smmu',
        doc: 'a CMD_SYNC in the main queue',
        source: 'INV-02',
        fairness: 'weak',
        when: {
          'a CMD_SYNC is there': (s) => !s.queue.behind.isEmpty,
          'all before it is complete': (s) => s.queue.window.isEmpty,
        },
        then: {
          'tell who waits': (s) => {
            const done = completeSync(s.queue);
            if (s.queue.behind.has((entry) => sameIssuer(entry.issuer, done))) return;
            if (done.who === 'trapped' && done.guest !== null) s.guest[done.guest].sync = 'done';
            if (done.who === 'virtio' && done.page !== null) s.page[done.page].virtioSync = 'done';
            if (done.who === 'reclaim' && done.page !== null) s.page[done.page].reclaimSync = 'done';
          },
        },
      },
    ),
    completeOwnSync: action(
      { guest: Guest },
      {
        actor: 'smmu',
        doc: "a CMD_SYNC in a guest's own queue, which orders nothing in other queues",
        source: 'INV-02',
        fairness: 'weak',
        when: {
          'the queue is its own': (s, { guest }) => s.guest[guest].way === 'own queue',
          'a CMD_SYNC is there': (s, { guest }) => !s.guest[guest].queue.behind.isEmpty,
          'all before it is complete': (s, { guest }) => s.guest[guest].queue.window.isEmpty,
        },
        then: {
          'tell who waits': (s, { guest }) => {
            const { queue } = s.guest[guest];
            const page = completeSync(queue);
            if (!queue.behind.has((entry) => entry.issuer === page)) s.page[page].wait = 'done';
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
          'the address is one of its guest': (s, { endpoint, page }) =>
            s.endpoint[endpoint].guest === s.page[page].guest,
          'no request is outstanding': (s, { endpoint, page }) => s.endpoint[endpoint].atc[page].request === 'none',
          'the ATC could use it': (s, { endpoint, page }) => s.endpoint[endpoint].atc[page].entry === null,
        },
        then: {
          'send a Translation Request': (s, { endpoint, page }) => {
            s.endpoint[endpoint].atc[page].request = 'pending';
          },
        },
      },
    ),
    answer: action(
      { endpoint: Endpoint, page: Page, answer: oneOf('translation', 'no access') },
      {
        actor: 'smmu',
        doc: 'from a combined entry, or no access if a stage has no mapping',
        source: ['NEST-01', 'NEST-02', 'ATS-04'],
        when: {
          'a request is waiting': (s, { endpoint, page }) => s.endpoint[endpoint].atc[page].request === 'pending',
          'it is what the SMMU found': (s, { page, answer }) => {
            const { combined, pte, stage2 } = s.page[page];
            return answer === 'translation'
              ? combined !== null
              : combined === null && (pte === 'none' || stage2 === null);
          },
        },
        then: {
          'send the completion': (s, { endpoint, page, answer }) => {
            const at = s.endpoint[endpoint].atc[page];
            at.request = answer === 'translation' ? 'answered' : 'none';
            at.answer = answer === 'translation' ? s.page[page].combined : null;
          },
        },
      },
    ),
    receiveCompletion: action(
      { endpoint: Endpoint, page: Page },
      {
        actor: 'endpoint',
        source: ['ATS-03', 'ATS-16'],
        when: {
          'a completion has come': (s, { endpoint, page }) => s.endpoint[endpoint].atc[page].request === 'answered',
        },
        then: {
          'cache it': (s, { endpoint, page }) => {
            const at = s.endpoint[endpoint].atc[page];
            at.entry = at.answer;
            at.answer = null;
            at.request = 'none';
          },
        },
      },
    ),
    evictAtc: action(
      { endpoint: Endpoint, page: Page },
      {
        actor: 'endpoint',
        source: 'ATS-19',
        when: { 'an entry is there': (s, { endpoint, page }) => s.endpoint[endpoint].atc[page].entry !== null },
        then: {
          'drop it': (s, { endpoint, page }) => {
            s.endpoint[endpoint].atc[page].entry = null;
          },
        },
      },
    ),
    invalidateAtc: action(
      { from: oneOf('main queue', 'own queue'), endpoint: Endpoint, page: optional(Page) },
      {
        actor: 'endpoint',
        doc: 'takes an invalidation for a page, or for everything with any PASID, and acknowledges it',
        source: ['NEST-07', 'ATS-16', 'ATS-18'],
        fairness: 'strong',
        when: {
          'an ATC_INV is outstanding': (s, { from, endpoint, page }) =>
            isQueued(s, from, s.endpoint[endpoint].guest, (c) => sameCommand(c, atcInv(endpoint, page))),
          'older posted writes went ahead of it': (s, { endpoint, page }) =>
            !s.endpoint[endpoint].writes.has(
              (w) => w.translatedBy === 'endpoint' && (page === null || w.page === page),
            ),
        },
        then: {
          'drop the ATC entries': (s, { endpoint, page }) => {
            for (const [at, of] of s.endpoint[endpoint].atc.entries()) {
              if (page === null || page === at) of.entry = null;
            }
          },
          'forget the requests that it overtakes': (s, { endpoint, page }) => {
            for (const [at, of] of s.endpoint[endpoint].atc.entries()) {
              if (page !== null && page !== at) continue;
              of.request = 'none';
              of.answer = null;
            }
          },
          'complete the command': (s, { from, endpoint, page }) => {
            queueOf(s, from, s.endpoint[endpoint].guest).window.remove((c: Command) =>
              sameCommand(c, atcInv(endpoint, page)),
            );
          },
        },
      },
    ),
    writeTranslated: action(
      { endpoint: Endpoint, page: Page },
      {
        actor: 'endpoint',
        source: 'ATS-15',
        when: {
          'the ATC has a translation': (s, { endpoint, page }) => s.endpoint[endpoint].atc[page].entry !== null,
          'it can have one more under way': (s, { endpoint }) => !s.endpoint[endpoint].writes.isFull,
        },
        then: {
          'send the translated write': (s, { endpoint, page }) => {
            const { atc, writes } = s.endpoint[endpoint];
            const frame = atc[page].entry;
            if (frame !== null) writes.add({ page, frame, translatedBy: 'endpoint' });
          },
        },
      },
    ),
    writeUntranslated: action(
      { endpoint: Endpoint, page: Page },
      {
        actor: 'smmu',
        doc: 'an untranslated write of the endpoint is translated by a combined entry and passed on',
        source: 'ATS-01',
        when: {
          'the address is one of its guest': (s, { endpoint, page }) =>
            s.endpoint[endpoint].guest === s.page[page].guest,
          'the TLB has a translation': (s, { page }) => s.page[page].combined !== null,
          'it can have one more under way': (s, { endpoint }) => !s.endpoint[endpoint].writes.isFull,
        },
        then: {
          'pass it on': (s, { endpoint, page }) => {
            const frame = s.page[page].combined;
            if (frame !== null) s.endpoint[endpoint].writes.add({ page, frame, translatedBy: 'smmu' });
          },
        },
      },
    ),
    reachMemory: action(
      { endpoint: Endpoint, page: Page, frame: Frame, translatedBy: oneOf('endpoint', 'smmu') },
      {
        actor: 'memory',
        source: 'NEST-04',
        fairness: 'weak',
        when: {
          'it is under way': (s, { endpoint, page, frame, translatedBy }) =>
            s.endpoint[endpoint].writes.has({ page, frame, translatedBy }),
        },
        then: {
          'write the frame': (s, { endpoint, frame }) => {
            const { guest } = s.endpoint[endpoint];
            const backed = s.page.find(({ backing }) => backing === frame);
            const isForeign = s.frame[frame].use === 'stranger' || (backed !== undefined && backed.guest !== guest);
            if (isForeign) s.frame[frame].overwritten = true;
            else if (backed?.owner === 'other') backed.overwritten = true;
          },
          'be done': (s, { endpoint, page, frame, translatedBy }) => {
            s.endpoint[endpoint].writes.remove({ page, frame, translatedBy });
          },
        },
      },
    ),
  }),
});
