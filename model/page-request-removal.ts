/**
 * The end of page requests at a device: its address space is detached, the device is removed from the fault queue and released,
 * while requests are in the queue, in the IRQ thread, with workers and with user space. (IOPF-05, IOPF-11, IOPF-12, IOPF-13, IOPF-14,
 * IOPF-18, IOPF-19, PRI-14, PRI-17, PRI-33, PRIEN-01, PRIEN-03, HOST-14)
 *
 * Scope: one device with one domain; what matters is memory (groups, fault parameters, the domain, the device), its reference
 * counts, who owns a group, and locks. The faults of the domain are handled by workers of the kernel (SVA) or by user space
 * (iommufd); a kernel driver waits for its workers by flushing the workqueue, or by a reference count (AMD's iommu_v2 of old).
 * What the messages are is `page-request`.
 *
 * Atomicity: one critical section, or one step in it where another lock is taken inside; one change of a reference count. The order is that
 * of intel_svm and iommufd on Linux 7.0: the PASID entry is blocked, the queue drained, workers are flushed; then the device
 * is removed from the fault queue; then user space's groups are answered and the domain is freed; then PRI goes off, then ATS.
 *
 * Before that the device is made ready in the other order: ATS, the fault queue, PRI; and the handler of a domain is there before the
 * PASID entry lets the device ask for it (iommu_attach_device_pasid).
 *
 * The device does not stop by itself: what ends its requests is that its PASID entry is blocked, as with a device that user
 * space controls.
 *
 * Abstracted away, and why no bug hides there:
 * - The link and the queue are one place, in which no request is lost, and a response arrives at once. What gets lost
 *   or delayed is `page-request`'s.
 * - A partial is a request but the last of a group that is stored: it has memory, and no fate of its own.
 * - RCU: reading the pointer to the fault parameters and taking a reference unless the count is zero are one step, which is
 *   what the read-side section with refcount_inc_not_zero amounts to.
 * - A freed object is not handed out again as long as something still points to it: using it, or freeing it, is the
 *   violation.
 *
 * Fairness: the IRQ thread, the workers and the removal once begun run (weak); where they take a lock which others may take again and
 * again, the lock is fair (strong). User space owes nothing: it may never read or answer, and a copy to or from
 * its memory, which the lock of the table is held over, may take for ever (userfaultfd). Then a removal waits, but the IRQ thread, which
 * serves other devices too, must not.
 *
 * Constants: `handler` 0 workers, 1 user space, 2 both are explored; `counted`: whether the unbind waits for a reference count
 * (0 no, 1 yes, 2 both are explored). `refusal` 1: a request that nobody handles is answered even if it is not the Last (Linux 7.0,
 * iommu_report_device_fault).
 */
import { bool, each, type Member, model, oneOf, optional, queue, range, sort, type Value } from '../language/index.ts';

/** Page Request Groups of the device, by index. */
export const Group = sort('group');
/** Memory for groups. */
export const Slot = sort('slot');

const groupFields = {
  /** `open`: its Last is still to be sent. */
  at: oneOf('free', 'open', 'queued', 'taken', 'outstanding'),
  /** Which use of the index this is. */
  epoch: bool,
  /** For the PASID that is attached, or for one that is not. */
  bound: bool,
  /** Whether the request on its way is the Last. */
  last: bool,
  /** A request of it is stored until the Last comes. */
  partial: bool,
};

const slotFields = {
  allocated: bool,
  group: optional(Group),
  epoch: bool,
  /** On the device's list of groups without response, which the core owns. */
  pending: bool,
  work: oneOf('none', 'queued', 'running'),
  /** On user space's list, or in the table of those that it has read. */
  user: oneOf('none', 'listed', 'read'),
};

interface Groups {
  readonly group: Record<Member<'group'>, Value<typeof groupFields>>;
  readonly device: { unexpected: boolean };
}

/** A response reaches the device: it must be for the use of the index that is outstanding. */
function respond(s: Groups, of: Member<'group'> | null, epoch: boolean): void {
  const answered = of === null ? null : s.group[of];
  const waits = answered !== null && (answered.at === 'outstanding' || (answered.at === 'taken' && answered.last));
  if (answered === null || !waits || answered.epoch !== epoch) {
    s.device.unexpected = true;
    return;
  }
  answered.at = 'free';
  answered.last = false;
  answered.bound = false;
}

/** Answers the request that the IRQ thread has taken, if it is the Last; others get no answer (IOPF-16). */
function refuse(s: Groups & { readonly irq: { readonly group: Member<'group'> | null } }, any: boolean): void {
  const of = s.irq.group;
  if (of === null) return;
  if (s.group[of].last || any) respond(s, of, s.group[of].epoch);
  if (!s.group[of].last && s.group[of].at === 'taken') s.group[of].at = 'open';
}

/** Frees the memory of a group. */
function free(s: { readonly slot: Record<Member<'slot'>, Value<typeof slotFields>> }, which: Member<'slot'>): void {
  s.slot[which].allocated = false;
  s.slot[which].group = null;
  s.slot[which].epoch = false;
}

/** Drops a reference of the fault parameters, and frees them with the last; the count notices one too many (refcount_t). */
function put(param: { users: number; allocated: boolean; overdrawn: boolean }): void {
  if (param.users === 0) {
    param.overdrawn = true;
    return;
  }
  param.users--;
  if (param.users === 0) param.allocated = false;
}

/** Drops a reference of the device, and frees it with the last. */
function putDevice(device: { users: number; allocated: boolean }): void {
  if (device.users > 0) device.users--;
  if (device.users === 0) device.allocated = false;
}

/** Takes a reference of the fault parameters. */
function get(param: { users: number; overdrawn: boolean }, most: number): void {
  if (param.users === most) param.overdrawn = true;
  else param.users++;
}

/** Answers a group if the core still owns it, and takes it off the list. */
function answerPending(
  s: Groups & { readonly slot: Record<Member<'slot'>, Value<typeof slotFields>> },
  which: Member<'slot'>,
): void {
  const { pending, group: of, epoch } = s.slot[which];
  if (pending) respond(s, of, epoch);
  s.slot[which].pending = false;
}

/** The model. */
export const pageRequestRemoval = model({
  name: 'page-request/removal',
  doc: 'A device is detached and removed from the fault queue while its page requests are handled.',
  sizes: {
    smoke: { group: 1, slot: 1, handler: 2, counted: 2, refusal: 0 },
    ci: { group: 2, slot: 2, handler: 2, counted: 2, refusal: 0 },
    deep: { group: 2, slot: 2, handler: 2, counted: 2, refusal: 0 },
  },
  state: ({ members }) => ({
    /** Who handles faults, and whether a driver counts the users of its binding. */
    handler: oneOf('workers', 'user space'),
    counted: bool,
    group: each(Group, groupFields),
    /** The page request queue, in the order of arrival. */
    queue: queue(members(Group).length, { group: Group }),
    device: {
      allocated: bool,
      /** References: one of the bus, one of the IRQ thread while it looks a device up and uses it. */
      users: range(0, 3),
      /** In the tree in which the IRQ thread finds devices. */
      registered: bool,
      pri: bool,
      ats: bool,
      /** The PASID entry lets it ask. */
      entry: oneOf('live', 'blocked'),
      /** UPRGI: a response came that nothing waits for. */
      unexpected: bool,
    },
    /** The lock over lookup and report of a fault. */
    registryLock: oneOf('free', 'irq thread', 'removal'),
    domain: { allocated: bool, published: bool },
    /** The binding of an address space: how many use it, whether the removal has its own reference still, and was woken. */
    binding: { users: range(0, members(Slot).length * 2 + 1), woken: bool, held: bool },
    /** Held over changes of the binding. */
    bindingLock: oneOf('free', 'removal', 'worker'),
    param: {
      allocated: bool,
      published: bool,
      users: range(0, members(Slot).length + 3),
      /** More references were dropped than taken, or so many taken that the count is of no use. */
      overdrawn: bool,
      lock: oneOf('free', 'irq thread', 'worker', 'removal', 'user space'),
    },
    slot: each(Slot, slotFields),
    /** The lock over user space's table of groups. */
    tableLock: oneOf('free', 'user space', 'removal'),
    /** What the IRQ thread holds. */
    irq: { group: optional(Group), device: bool, param: bool, domain: bool, slot: optional(Slot) },
  }),
  initial: {
    choose: { handler: oneOf('workers', 'user space'), counted: bool },
    when: (_s, { handler, counted }, { size }) =>
      (size.handler === 2 || (handler === 'user space') === (size.handler === 1)) &&
      (size.counted === 2 || counted === (size.counted === 1)) &&
      !(counted && handler === 'user space'),
    then: (s, { handler, counted }) => {
      s.handler = handler;
      s.counted = counted;
      s.device.allocated = true;
      s.device.users = 1;
      s.device.registered = true;
      s.device.entry = 'blocked';
      s.domain.allocated = true;
      s.binding.users = 1;
      s.binding.held = true;
    },
  },

  actions: ({ action, procedure, members, size }) => ({
    ask: action(
      { group: Group, last: bool, bound: bool },
      {
        actor: 'endpoint',
        doc: 'for the PASID that is attached, or, from a device that breaks its contract, for one that is not',
        source: ['PRI-02', 'PRI-29', 'IOPF-16'],
        when: {
          'the index is free': (s, { group }) => s.group[group].at === 'free',
          'the PASID entry lets it': (s, { bound }) => !bound || s.device.entry === 'live',
          'PRI is on': (s) => s.device.pri,
        },
        then: {
          'send a request': (s, { group, last, bound }) => {
            const begun = s.group[group];
            begun.at = 'queued';
            begun.last = last;
            begun.bound = bound;
            s.queue.push({ group });
            // An index is told from its earlier use as long as something of that is left.
            begun.epoch = s.slot.some((other) => other.group === group && !other.epoch);
          },
        },
      },
    ),
    askLast: action(
      { group: Group },
      {
        actor: 'endpoint',
        doc: 'a device whose requests are blocked may never end a group that it began',
        source: 'PRI-02',
        when: {
          'the group is open': (s, { group }) => s.group[group].at === 'open',
          'the PASID entry lets it': (s, { group }) => !s.group[group].bound || s.device.entry === 'live',
          'PRI is on': (s) => s.device.pri,
        },
        then: {
          'send the Last': (s, { group }) => {
            s.group[group].at = 'queued';
            s.group[group].last = true;
            s.queue.push({ group });
          },
        },
      },
    ),

    report: procedure(
      {},
      {
        actor: 'irq thread',
        doc: 'takes a request from the queue, looks its device up, and hands the group to the handler of its domain',
        repeat: true,
        fairness: 'weak',
        steps: ({ step, branch }) => [
          step('take a request', {
            when: { 'one is queued': (s) => !s.queue.isEmpty },
            then: {
              'take it': (s) => {
                const { group: of } = s.queue.shift();
                s.group[of].at = 'taken';
                s.irq.group = of;
              },
            },
          }),
          step('lock the registry', {
            fairness: 'strong',
            when: { 'the lock is free': (s) => s.registryLock === 'free' },
            then: {
              'take the lock': (s) => {
                s.registryLock = 'irq thread';
              },
            },
          }),
          branch('the device is there', {
            if: (s) => s.device.registered,
            then: [
              step('find the handler', {
                source: ['IOPF-01', 'IOPF-19'],
                then: {
                  'take a reference of the device': (s) => {
                    if (s.device.users < 3) s.device.users++;
                    s.irq.device = true;
                  },
                  'find the domain': (s) => {
                    s.irq.domain = s.domain.published && s.irq.group !== null && s.group[s.irq.group].bound;
                  },
                },
              }),
              branch('it has a handler', {
                fused: true,
                if: (s) => s.irq.domain,
                then: [
                  step('take the fault parameters', {
                    source: 'IOPF-12',
                    then: {
                      'take a reference unless there is none': (s) => {
                        if (!s.param.published || s.param.users === 0) return;
                        get(s.param, members(Slot).length + 3);
                        s.irq.param = true;
                      },
                    },
                  }),
                  branch('it is not the Last', {
                    fused: true,
                    if: ({ group, irq }) => irq.group !== null && !group[irq.group].last,
                    then: [
                      step('store the partial', {
                        source: 'IOPF-02',
                        fairness: 'strong',
                        when: { 'the lock of the parameters is free': (s) => s.param.lock === 'free' },
                        then: {
                          'store it': (s) => {
                            if (s.irq.group === null) return;
                            s.group[s.irq.group].partial = true;
                            s.group[s.irq.group].at = 'open';
                          },
                          'drop the reference': (s) => {
                            put(s.param);
                            s.irq.param = false;
                          },
                        },
                      }),
                    ],
                    else: [
                      step('make the group', {
                        source: ['IOPF-02', 'IOPF-12'],
                        fairness: 'strong',
                        choose: { slot: Slot },
                        when: {
                          'the lock of the parameters is free': (s) => s.param.lock === 'free',
                          'there is memory': (s, { slot }) => !s.slot[slot].allocated,
                        },
                        then: {
                          'put it on the list': (s, { slot }) => {
                            const of = s.irq.group;
                            if (of === null) return;
                            s.group[of].at = 'outstanding';
                            s.slot[slot].allocated = true;
                            s.slot[slot].group = of;
                            s.slot[slot].epoch = s.group[of].epoch;
                            s.slot[slot].pending = true;
                            s.irq.slot = slot;
                          },
                          'take the partials': (s) => {
                            if (s.irq.group !== null) s.group[s.irq.group].partial = false;
                          },
                          'give it the reference': (s) => {
                            s.irq.param = false;
                          },
                        },
                      }),
                      step('hand it over', {
                        source: ['IOPF-14', 'IOPF-15'],
                        fairness: 'strong',
                        when: {
                          'the lock of the parameters is free': (s) => s.param.lock === 'free',
                        },
                        then: {
                          'queue work': (s) => {
                            const { slot: made } = s.irq;
                            if (made !== null && s.handler === 'workers') s.slot[made].work = 'queued';
                          },
                          'count a user of the binding': (s) => {
                            if (s.counted && s.binding.users < members(Slot).length * 2 + 1) s.binding.users++;
                          },
                          'put it on the list of user space': (s) => {
                            const { slot: made } = s.irq;
                            if (made !== null && s.handler === 'user space') s.slot[made].user = 'listed';
                          },
                          'the core owns it no longer': (s) => {
                            const { slot: made } = s.irq;
                            if (made !== null && s.handler === 'user space') s.slot[made].pending = false;
                          },
                          'forget it': (s) => {
                            s.irq.slot = null;
                          },
                        },
                      }),
                    ],
                  }),
                ],
                else: [
                  step('refuse the request', {
                    source: ['IOPF-01', 'IOPF-16', 'PRI-17'],
                    then: { 'answer the Last': (s) => refuse(s, size.refusal > 0) },
                  }),
                ],
              }),
            ],
            else: [
              step('refuse it for a device that is not there', {
                source: ['PRI-24', 'PRI-17'],
                then: { 'answer the Last': (s) => refuse(s, size.refusal > 0) },
              }),
            ],
          }),
          step('unlock the registry', {
            then: {
              'release the lock': (s) => {
                s.registryLock = 'free';
              },
              'put the device': (s) => {
                if (s.irq.device) putDevice(s.device);
                s.irq.device = false;
              },
              'forget the request': (s) => {
                s.irq.group = null;
                s.irq.domain = false;
              },
            },
          }),
        ],
      },
    ),

    work: procedure(
      { slot: Slot },
      {
        actor: 'worker',
        repeat: true,
        fairness: 'weak',
        steps: ({ step, branch }) => [
          step('start', {
            when: { 'work is queued': (s, { slot }) => s.slot[slot].work === 'queued' },
            then: {
              'run it': (s, { slot }) => {
                s.slot[slot].work = 'running';
              },
            },
          }),
          step('handle the faults', { doc: 'in the address space of the domain', source: 'IOPF-04' }),
          step('lock the binding', {
            source: 'PRI-33',
            fairness: 'strong',
            when: { 'the lock is free': (s) => s.bindingLock === 'free' },
            then: {
              'take the lock': (s) => {
                s.bindingLock = 'worker';
              },
            },
          }),
          step('respond', {
            source: ['IOPF-05', 'IOPF-11'],
            fairness: 'strong',
            when: { 'the lock of the parameters is free': (s) => s.param.lock === 'free' },
            then: {
              'answer it if it is on the list': (s, { slot }) => answerPending(s, slot),
              'release the binding': (s) => {
                s.bindingLock = 'free';
              },
            },
          }),
          step('free the group', {
            source: 'IOPF-12',
            then: {
              'free it': (s, { slot }) => free(s, slot),
              'drop the reference of the parameters': (s) => put(s.param),
              'end the work': (s, { slot }) => {
                s.slot[slot].work = 'none';
              },
            },
          }),
          branch('the binding is counted', {
            fused: true,
            if: (s) => s.counted,
            then: [
              step('drop the binding', {
                then: {
                  'drop the reference': (s) => {
                    if (s.binding.users > 0) s.binding.users--;
                  },
                  'wake who waits for the last': (s) => {
                    if (s.binding.users === 0) s.binding.woken = true;
                  },
                },
              }),
            ],
          }),
        ],
      },
    ),

    serve: procedure(
      {},
      {
        actor: 'user space',
        doc: 'reads groups from the file of faults and writes answers to it',
        repeat: true,
        locals: { reading: optional(Slot) },
        steps: ({ step, branch }) => [
          step('lock the table', {
            choose: { slot: Slot },
            when: {
              'user space handles faults': (s) => s.handler === 'user space',
              'a group is there for it': (s, { slot }) => s.slot[slot].user !== 'none',
              'the lock is free': (s) => s.tableLock === 'free',
            },
            then: {
              'take the lock': (s, { slot }, me) => {
                s.tableLock = 'user space';
                me.reading = slot;
              },
            },
          }),
          branch('it has been read', {
            fused: true,
            if: (s, _p, me) => me.reading !== null && s.slot[me.reading].user === 'read',
            then: [
              step('answer the group', {
                doc: 'once the answer has been copied from user space, which may take for ever',
                source: ['IOPF-05', 'IOPF-14'],
                when: { 'the lock of the parameters is free': (s) => s.param.lock === 'free' },
                then: {
                  'answer it': (s, _p, me) => {
                    if (me.reading !== null) respond(s, s.slot[me.reading].group, s.slot[me.reading].epoch);
                  },
                  'take it out of the table': (s, _p, me) => {
                    if (me.reading !== null) s.slot[me.reading].user = 'none';
                  },
                  'take it off the list of the core': (s, _p, me) => {
                    if (me.reading !== null) s.slot[me.reading].pending = false;
                  },
                },
              }),
              step('free the group', {
                fairness: 'weak',
                then: {
                  'free it': (s, _p, me) => {
                    if (me.reading !== null) free(s, me.reading);
                  },
                  'drop the reference of the parameters': (s) => put(s.param),
                },
              }),
            ],
            else: [
              step('read the group', {
                doc: 'remembers it in the table and copies it to user space, which may take for ever, or fail',
                choose: { copied: bool },
                then: {
                  'move it from the list to the table': (s, _p, me) => {
                    if (me.reading !== null) s.slot[me.reading].user = 'read';
                  },
                  'put it back if it was not copied': (s, { copied }, me) => {
                    if (me.reading !== null && !copied) s.slot[me.reading].user = 'listed';
                  },
                },
              }),
            ],
          }),
          step('unlock the table', {
            fairness: 'weak',
            then: {
              'release the lock': (s, _p, me) => {
                s.tableLock = 'free';
                me.reading = null;
              },
            },
          }),
        ],
      },
    ),

    attach: procedure(
      {},
      {
        actor: 'attach',
        doc: 'gets the device ready for page requests, and attaches the domain to a PASID; that may fail at last',
        fairness: 'weak',
        locals: { failed: bool },
        steps: ({ step, branch }) => [
          step('enable ATS', {
            doc: 'somebody wants the domain attached: nobody has to',
            source: 'PRIEN-03',
            fairness: 'none',
            then: {
              'turn ATS on': (s) => {
                s.device.ats = true;
              },
            },
          }),
          step('add the device to the fault queue', {
            source: ['IOPF-01', 'IOPF-12'],
            then: {
              'allocate the parameters, with a reference of the device': (s) => {
                s.param.allocated = true;
                s.param.users = 1;
              },
              'publish them': (s) => {
                s.param.published = true;
              },
            },
          }),
          step('enable PRI', {
            source: ['PRIEN-01', 'PRIEN-03'],
            then: {
              'turn PRI on': (s) => {
                s.device.pri = true;
              },
            },
          }),
          step('publish the handler', {
            doc: 'before the PASID entry lets the device ask for it',
            source: 'IOPF-01',
            then: {
              'publish it': (s) => {
                s.domain.published = true;
              },
            },
          }),
          step('set the PASID entry', {
            choose: { fails: bool },
            then: {
              'let the device ask': (s, { fails }) => {
                if (!fails) s.device.entry = 'live';
              },
              'note a failure': (_s, { fails }, me) => {
                me.failed = fails;
              },
            },
          }),
          branch('it failed', {
            fused: true,
            if: (_s, _p, me) => me.failed,
            then: [
              step('give up', {
                source: 'HOST-14',
                then: {
                  'withdraw the handler': (s) => {
                    s.domain.published = false;
                  },
                  'free the domain': (s) => {
                    s.domain.allocated = false;
                  },
                },
              }),
            ],
          }),
        ],
      },
    ),

    remove: procedure(
      {},
      {
        actor: 'removal',
        doc: 'detaches the address space, removes the device from the fault queue, and releases it',
        steps: ({ step, branch, loop }) => [
          step('lock the binding', {
            doc: 'somebody wants the device detached: nobody has to',
            when: {
              'the attach has ended': (s) => s.device.entry === 'live' || !s.domain.allocated,
              'the lock is free': (s) => s.bindingLock === 'free',
            },
            then: {
              'take the lock': (s) => {
                s.bindingLock = 'removal';
              },
            },
          }),
          step('block the PASID entry', {
            source: ['HOST-14', 'IOPF-18', 'PRI-35'],
            fairness: 'weak',
            then: {
              'block it and invalidate': (s) => {
                s.device.entry = 'blocked';
              },
            },
          }),
          step('unlock the binding', {
            doc: 'the workers need it, and are waited for next',
            source: ['PRI-33', 'IOPF-11'],
            fairness: 'weak',
            then: {
              'release the lock': (s) => {
                s.bindingLock = 'free';
              },
            },
          }),
          step('drain the queue', {
            source: ['IOPF-09', 'HOST-14', 'PRI-34'],
            fairness: 'weak',
            when: {
              'no request of its PASID is queued': (s) =>
                s.group.every(({ at, bound }) => !bound || (at !== 'queued' && at !== 'taken')),
              'the IRQ thread has handed over what it took': (s) => !s.irq.domain,
            },
          }),
          branch('workers handle its faults', {
            fused: true,
            if: (s) => s.handler === 'workers',
            then: [
              branch('the binding is counted', {
                fused: true,
                if: (s) => s.counted,
                then: [
                  step('drop the binding', {
                    fairness: 'weak',
                    then: {
                      'drop the reference': (s) => {
                        if (s.binding.users > 0) s.binding.users--;
                        s.binding.held = false;
                      },
                      'need not wait if it was the last': (s) => {
                        if (s.binding.users === 0) s.binding.woken = true;
                      },
                    },
                  }),
                  step('wait for the last user', {
                    fairness: 'weak',
                    when: { 'it has woken the removal': (s) => s.binding.woken },
                  }),
                ],
                else: [
                  step('flush the workers', {
                    source: ['IOPF-09', 'IOPF-18', 'HOST-14'],
                    fairness: 'weak',
                    when: { 'no work is left': (s) => s.slot.every(({ work }) => work === 'none') },
                  }),
                ],
              }),
            ],
          }),
          step('lock the parameters', {
            source: ['IOPF-12', 'IOPF-18'],
            fairness: 'strong',
            when: { 'the lock of the parameters is free': (s) => s.param.lock === 'free' },
            then: {
              'take the lock': (s) => {
                s.param.lock = 'removal';
              },
              'free the partials': (s) => {
                s.group.forEach((begun) => {
                  begun.partial = false;
                });
              },
            },
          }),
          step('remove the device from the fault queue', {
            doc: 'the list is empty by now, if all that comes before was done',
            source: ['IOPF-12', 'IOPF-18'],
            fairness: 'weak',
            then: {
              'answer the groups on the list, and free them': (s) => {
                s.slot.forEach(({ pending }, slot) => {
                  if (!pending) return;
                  answerPending(s, slot);
                  free(s, slot);
                  put(s.param);
                });
              },
              'unlock the parameters': (s) => {
                s.param.lock = 'free';
              },
              'unpublish the parameters': (s) => {
                s.param.published = false;
              },
              'drop the reference of the device': (s) => put(s.param),
            },
          }),
          branch('user space handles its faults', {
            fused: true,
            if: (s) => s.handler === 'user space',
            then: [
              step('lock the table', {
                fairness: 'strong',
                when: { 'the lock is free': (s) => s.tableLock === 'free' },
                then: {
                  'take the lock': (s) => {
                    s.tableLock = 'removal';
                  },
                },
              }),
              loop('user space has groups', {
                fused: true,
                while: (s) => s.slot.some(({ user }) => user !== 'none'),
                do: [
                  step('answer a group of user space', {
                    source: ['IOPF-13', 'IOPF-12'],
                    fairness: 'weak',
                    choose: { slot: Slot },
                    when: { 'user space has it': (s, { slot }) => s.slot[slot].user !== 'none' },
                    then: {
                      'answer it': (s, { slot }) => respond(s, s.slot[slot].group, s.slot[slot].epoch),
                      'take it from user space': (s, { slot }) => {
                        s.slot[slot].user = 'none';
                      },
                      'free it': (s, { slot }) => free(s, slot),
                      'drop its reference of the parameters': (s) => put(s.param),
                    },
                  }),
                ],
              }),
              step('unlock the table', {
                fairness: 'weak',
                then: {
                  'release the lock': (s) => {
                    s.tableLock = 'free';
                  },
                },
              }),
            ],
          }),
          step('free the domain', {
            source: ['HOST-14', 'IOPF-18'],
            fairness: 'weak',
            then: {
              'withdraw the handler': (s) => {
                s.domain.published = false;
              },
              'free it': (s) => {
                s.domain.allocated = false;
              },
            },
          }),
          step('disable PRI', {
            source: ['PRIEN-03', 'IOPF-18', 'PRI-05'],
            fairness: 'weak',
            then: {
              'turn PRI off': (s) => {
                s.device.pri = false;
              },
            },
          }),
          step('disable ATS', {
            source: 'PRIEN-03',
            fairness: 'weak',
            then: {
              'turn ATS off': (s) => {
                s.device.ats = false;
              },
            },
          }),
          step('unregister the device', {
            fairness: 'strong',
            when: { 'the registry lock is free': (s) => s.registryLock === 'free' },
            then: {
              'take it out of the tree': (s) => {
                s.device.registered = false;
              },
            },
          }),
          step('release the device', {
            fairness: 'weak',
            then: {
              'drop the reference of the bus': (s) => putDevice(s.device),
            },
          }),
        ],
      },
    ),
  }),
});
