/**
 * The life of a PASID on x86: allocated at the first bind of a process address space (mm), shared by all its devices, kept
 * over unbind, dropped by fork and exec, given back when the mm itself is freed, and reissued.
 * (PASID-01..19, ENQ-10..12, ENQ-14, MM-01, MM-03..08)
 *
 * Scope: mm's that are created, forked, replaced by exec and freed; devices that they are bound to and unbound from through
 * files, which the image after an exec may keep open; a small pool of PASIDs; one entry of the PASID table for each device and
 * PASID, and what the hardware caches of it; work that a device has accepted, translated and not finished; page requests and
 * the worker that serves them. How a thread gets its PASID into IA32_PASID is `pasid-lifecycle/enqcmd`; files and portals
 * are `pasid-lifecycle/portals`; work queues are `pasid-lifecycle/work-queue`; the mm_exit handler of the series of 2018, which
 * Linux dropped, is `pasid-lifecycle/mm-exit`.
 *
 * Atomicity: each step is one write that others can see, one command with its completion, or one wait. Binding and unbinding
 * hold iommu_sva_lock as Linux does (iommu_sva_bind_device, iommu_sva_unbind_device); releasing an mm does not. The order is
 * that of Linux 7.0 with the VT-d driver.
 *
 * Identity: whatever refers to an mm that is freed refers to none from then on (null), so a slot for an mm can be used again at
 * once and an old reference is never mistaken for the new mm. A PASID is a number and is reused as such.
 *
 * Abstracted away, and why no bug hides there:
 * - A process has one task: threads share the mm and what is said of it here; their registers are `pasid-lifecycle/enqcmd`.
 * - The pages of an mm are one: they are there until exit_mmap has run. Unmapping single pages is `atc-invalidation`.
 * - PASID cache, IOTLB and ATC are one cache for each device and PASID: they are emptied in one go (their order is VTD-08), and
 *   the wait afterwards is for what was
 *   already translated. That a cache may drop what it holds is left out: it then fetches the entry that is in force.
 * - A device is alone in its group: all members of a group are attached and detached together (PASID-19, PASID-20).
 * - The caller of a bind is a task of the mm, or holds mm_users in its place; both are one reference here.
 *
 * Fairness: hardware finishes the work that it accepted and the page requests are served; a task that is in the kernel goes on
 * (bind, release of a file, exit), and a mutex is granted at last to who asks again and again. No process has to bind, to submit,
 * to close, to exit or to give a passed file back.
 */
import {
  bag,
  bool,
  each,
  type Frozen,
  type Member,
  model,
  oneOf,
  optional,
  queue,
  range,
  sort,
  type Value,
} from '../language/index.ts';

export const Mm = sort('mm');
export const Device = sort('device');
/** Ordered, since the allocator hands out the lowest that is free, or goes round. PASID 0 and INVALID are not among them. */
export const Pasid = sort('pasid', { ordered: true });

type AnMm = Member<'mm'>;
type ADevice = Member<'device'>;
type APasid = Member<'pasid'>;

interface Bounds {
  readonly files: number;
  readonly work: number;
  readonly requests: number;
  readonly device: number;
}

function shape(size: Bounds) {
  return {
    mm: each(Mm, {
      /** Dead: its pages are gone, and the object stays for those who count it. */
      life: oneOf('none', 'living', 'exiting', 'dead'),
      task: bool,
      /** mm_users: its task, binds that are under way, and the fault workers. */
      users: range(0, 1 + 2 * size.device),
      /** mm_count: one for all users together, one for the domain; it saturates. */
      count: range(0, 3),
      pasid: optional(Pasid),
      /** What IA32_PASID holds in its activated threads. */
      activated: optional(Pasid),
      /** The counts of users saturate, as refcount_t does. */
      domain: { allocated: bool, users: range(0, size.device + 1) },
    }),
    pool: each(Pasid, { taken: bool }),
    /** Where the allocator looks first, if it goes round. */
    cursor: Pasid,
    /** iommu_sva_lock. */
    lock: oneOf('free', 'bind', 'unbind'),
    device: each(Device, {
      /** max_pasids: all PASIDs of the pool, the first only, or none at all. */
      carries: oneOf('all', 'the first', 'none'),
      binding: optional(Mm),
      /** The page request that the worker serves: whose it is, and whose address space the worker took for it. */
      serving: {
        stage: oneOf('none', 'taken', 'held'),
        pasid: optional(Pasid),
        of: optional(Mm),
        target: optional(Mm),
      },
      /** Accepted descriptors by PASID and by the mm that submitted them; translated ones are writes on their way. */
      work: bag(size.work, {
        pasid: Pasid,
        of: optional(Mm),
        stage: oneOf('accepted', 'translated'),
        to: optional(Mm),
      }),
      requests: queue(size.requests, { pasid: Pasid, of: optional(Mm) }),
      harm: oneOf(
        'none',
        'wrote into a foreign page',
        'wrote into a freed page',
        'faulted in a foreign mm',
        'faulted in a dead mm',
      ),
    }),
    /** The file that the task of an mm, or who holds it instead, is releasing: its mm until that is freed. */
    release: each(Mm, { mm: optional(Mm), device: optional(Device), pasid: optional(Pasid) }),
    table: each(Device, Pasid, {
      /** The group's array of attached domains, by PASID. */
      attached: optional(Mm),
      /** The PASID table entry: not present, present, or not present with fault processing disabled (FPD). */
      entry: oneOf('none', 'present', 'quiet'),
      tables: optional(Mm),
      /** PASID cache, IOTLB and ATC. */
      cached: bool,
      cachedTables: optional(Mm),
    }),
    bond: each(Device, Mm, {
      /** References to the handle that iommu_sva_bind_device returned. */
      handle: range(0, size.files + 1),
      open: range(0, size.files),
      closing: range(0, size.files),
      /** Another process holds the file as well. */
      passed: bool,
    }),
  };
}
export type State = Value<ReturnType<typeof shape>>;

/** What is left of an mm that nobody refers to any more: the PASID goes back to the pool (mm_pasid_drop). */
function freePasid(s: State, mm: AnMm): void {
  const { pasid } = s.mm[mm];
  if (pasid !== null) s.pool[pasid].taken = false;
}

/** The object is freed: what still refers to it refers to nothing. */
function freeMm(s: State, mm: AnMm): void {
  const gone = s.mm[mm];
  gone.life = 'none';
  gone.pasid = null;
  gone.activated = null;
  gone.domain.allocated = false;
  gone.domain.users = 0;
  s.device.forEach((device) => {
    if (device.binding === mm) device.binding = null;
    if (device.serving.of === mm) device.serving.of = null;
    if (device.serving.target === mm) device.serving.target = null;
    for (let i = 0; i < device.requests.length; i += 1) {
      const { pasid, of } = device.requests.at(i);
      if (of === mm) device.requests.set(i, { pasid, of: null });
    }
    let left = device.work.capacity;
    while (left > 0 && device.work.has(({ of, to }) => of === mm || to === mm)) {
      const item = device.work.remove(({ of, to }) => of === mm || to === mm);
      device.work.add({ ...item, of: item.of === mm ? null : item.of, to: item.to === mm ? null : item.to });
      left -= 1;
    }
  });
  s.release.forEach((release) => {
    if (release.mm === mm) release.mm = null;
  });
  s.table.forEach((row) => {
    row.forEach((cell) => {
      if (cell.attached === mm) cell.attached = null;
      if (cell.tables === mm) cell.tables = null;
      if (cell.cachedTables === mm) cell.cachedTables = null;
    });
  });
}

/** A new mm, with the task that runs in it. */
function startMm(s: State, mm: AnMm): void {
  s.mm[mm].life = 'living';
  s.mm[mm].task = true;
  s.mm[mm].users = 1;
  s.mm[mm].count = 1;
}

/** Takes a reference to mm_users. */
function takeUser(s: State, mm: AnMm): void {
  s.mm[mm].users = Math.min(s.mm[mm].users + 1, 1 + 2 * s.device.length);
}

/** Drops a reference to mm_users; the last one leaves the exit to do. */
function putUser(s: State, mm: AnMm): void {
  s.mm[mm].users = Math.max(s.mm[mm].users - 1, 0);
  if (s.mm[mm].users === 0) s.mm[mm].life = 'exiting';
}

/** Whether the mm has pages. */
export function hasPages(s: Frozen<Pick<State, 'mm'>>, mm: AnMm): boolean {
  return s.mm[mm].life === 'living' || s.mm[mm].life === 'exiting';
}

/** Whether the device can carry the PASID. */
function carries(s: Frozen<State>, device: ADevice, pasid: APasid, firstPasid: APasid): boolean {
  const { carries: limit } = s.device[device];
  return limit === 'all' || (limit === 'the first' && pasid === firstPasid);
}

/** Whether the device still has accepted work with a PASID. */
function hasWork(s: Frozen<State>, device: ADevice, pasid: APasid | null): boolean {
  return s.device[device].work.has((item) => item.pasid === pasid);
}

/** The model. */
export const pasidLifecycle = model({
  name: 'pasid-lifecycle',
  doc: 'A PASID is allocated at the first bind of an mm, shared by its devices, and freed with the mm; then it is reused.',
  // `limited`: one device carries fewer PASIDs than the pool has. `cyclic`: the allocator goes round. `failures`: an attach may
  // fail. `faults`: page requests are explored. `together`: a process may start, fork or exec while devices work for another, and
  // cause page requests while there is another.
  sizes: {
    smoke: {
      mm: 2,
      device: 1,
      pasid: 1,
      files: 1,
      work: 1,
      requests: 1,
      limited: 0,
      cyclic: 0,
      failures: 1,
      faults: 1,
      together: 0,
    },
    ci: {
      mm: 2,
      device: 1,
      pasid: 2,
      files: 1,
      work: 1,
      requests: 1,
      limited: 0,
      cyclic: 0,
      failures: 1,
      faults: 0,
      together: 1,
    },
    devices: {
      mm: 1,
      device: 2,
      pasid: 2,
      files: 1,
      work: 1,
      requests: 1,
      limited: 1,
      cyclic: 1,
      failures: 0,
      faults: 0,
      together: 1,
    },
    deep: {
      mm: 2,
      device: 1,
      pasid: 2,
      files: 1,
      work: 1,
      requests: 1,
      limited: 1,
      cyclic: 1,
      failures: 1,
      faults: 0,
      together: 1,
    },
  },
  state: ({ size }) => shape(size),
  /** No process yet; one device may carry fewer PASIDs than the others. */
  initial: {
    choose: { limited: optional(Device), limit: oneOf('the first', 'none') },
    when: (_s, { limited, limit }, { size }) => (limited === null ? limit === 'none' : size.limited === 1),
    then: (s, { limited, limit }) => {
      if (limited !== null) s.device[limited].carries = limit;
    },
  },

  actions: ({ action, procedure, members, size, first, next }) => {
    /** Whether a process may start now: at any time, or apart from what devices do for another. */
    const mayStart = (s: Frozen<State>): boolean =>
      size.together === 1 ||
      s.device.every(({ work, requests, serving }) => work.isEmpty && requests.isEmpty && serving.stage === 'none');
    const firstFree = (s: Frozen<State>, device: ADevice): APasid | null => {
      let candidate = size.cyclic === 1 ? s.cursor : first(Pasid);
      for (let i = 0; i < members(Pasid).length; i += 1) {
        if (!s.pool[candidate].taken && carries(s, device, candidate, first(Pasid))) return candidate;
        candidate = next(Pasid, candidate);
      }
      return null;
    };
    return {
      create: action(
        { mm: Mm },
        {
          actor: 'process',
          doc: 'a process starts that has no PASID, forked from one that has none',
          source: 'PASID-02',
          when: {
            'there is room for an mm': (s, { mm }) => s.mm[mm].life === 'none',
            'a process may start': (s) => mayStart(s),
          },
          then: {
            'start it': (s, { mm }) => startMm(s, mm),
          },
        },
      ),
      fork: action(
        { parent: Mm, mm: Mm },
        {
          actor: 'process',
          doc: 'a process forks: dup_mm copies the whole struct, mm_init makes it new',
          source: ['PASID-02', 'PASID-12'],
          when: {
            'the parent runs': (s, { parent }) => s.mm[parent].task,
            'it has a PASID that could be copied': (s, { parent }) => s.mm[parent].pasid !== null,
            'there is room for an mm': (s, { mm }) => s.mm[mm].life === 'none',
            'a process may start': (s) => mayStart(s),
          },
          then: {
            'copy the mm': (s, { parent, mm }) => {
              s.mm[mm].pasid = s.mm[parent].pasid;
            },
            'forget the PASID': (s, { mm }) => {
              s.mm[mm].pasid = null;
            },
            'start it': (s, { mm }) => startMm(s, mm),
          },
        },
      ),
      exec: action(
        { old: Mm, mm: Mm },
        {
          actor: 'process',
          doc: 'exec_mmap: the task leaves its mm for a new one; its files stay open in the new image',
          source: 'PASID-13',
          when: {
            'the process runs': (s, { old }) => s.mm[old].task,
            'its mm has a PASID': (s, { old }) => s.mm[old].pasid !== null,
            'there is room for an mm': (s, { mm }) => s.mm[mm].life === 'none',
            'a process may start': (s) => mayStart(s),
          },
          then: {
            'start the new mm': (s, { mm }) => startMm(s, mm),
            'keep the files open': (s, { old }) => {
              for (const device of members(Device)) {
                if (s.bond[device][old].open > 0) s.bond[device][old].passed = true;
              }
            },
            'drop the old mm_users': (s, { old }) => {
              s.mm[old].task = false;
              putUser(s, old);
            },
          },
        },
      ),
      exitTask: action(
        { mm: Mm },
        {
          actor: 'process',
          doc: 'exit_mm of a task; exit_files comes later',
          source: 'MM-01',
          when: { 'the process runs': (s, { mm }) => s.mm[mm].task },
          then: {
            'drop mm_users': (s, { mm }) => {
              s.mm[mm].task = false;
              putUser(s, mm);
            },
          },
        },
      ),
      closeFile: action(
        { device: Device, mm: Mm },
        {
          actor: 'process',
          doc: 'the last reference to a file goes while its process runs, or with the process that it was passed to',
          source: 'ENQ-10',
          when: {
            'a file is open': (s, { device, mm }) => s.bond[device][mm].open > 0,
            'somebody may close it': (s, { device, mm }) => s.mm[mm].task || s.bond[device][mm].passed,
          },
          then: {
            'close it': (s, { device, mm }) => {
              s.bond[device][mm].open -= 1;
              s.bond[device][mm].closing += 1;
              if (s.bond[device][mm].open === 0) s.bond[device][mm].passed = false;
            },
          },
        },
      ),
      exitFiles: action(
        { device: Device, mm: Mm },
        {
          actor: 'kernel',
          doc: 'exit_files closes what no other process holds',
          source: 'MM-01',
          fairness: 'weak',
          when: {
            'a file is open': (s, { device, mm }) => s.bond[device][mm].open > 0,
            'its process has gone': (s, { mm }) => !s.mm[mm].task,
            'nobody else holds it': (s, { device, mm }) => !s.bond[device][mm].passed,
          },
          then: {
            'close it': (s, { device, mm }) => {
              s.bond[device][mm].open -= 1;
              s.bond[device][mm].closing += 1;
            },
          },
        },
      ),

      submit: action(
        { device: Device, mm: Mm },
        {
          actor: 'process',
          doc: 'a thread submits work; its first one is preceded by the #GP that loads IA32_PASID',
          source: ['PASID-04', 'ENQ-12'],
          when: {
            'the process runs': (s, { mm }) => s.mm[mm].task,
            'a portal is mapped': (s, { device, mm }) => s.bond[device][mm].open > 0,
            'the device has room': (s, { device }) => !s.device[device].work.isFull,
            'the device carries the PASID': (s, { device, mm }) => {
              const pasid = s.mm[mm].activated ?? s.mm[mm].pasid;
              return pasid === null || carries(s, device, pasid, first(Pasid));
            },
          },
          then: {
            'activate the PASID': (s, { mm }) => {
              s.mm[mm].activated ??= s.mm[mm].pasid;
            },
            'submit with IA32_PASID': (s, { device, mm }) => {
              const pasid = s.mm[mm].activated;
              if (pasid !== null) s.device[device].work.add({ pasid, of: mm, stage: 'accepted', to: null });
            },
          },
        },
      ),
      translate: action(
        { device: Device, pasid: Pasid },
        {
          actor: 'device',
          doc: 'a descriptor is translated through what is cached, or through the PASID table entry',
          fairness: 'weak',
          when: {
            'work is waiting': (s, { device, pasid }) =>
              s.device[device].work.has((item) => item.pasid === pasid && item.stage === 'accepted'),
            'the IOMMU translates': (s, { device, pasid }) =>
              s.table[device][pasid].cached || s.table[device][pasid].entry === 'present',
          },
          then: {
            'cache the translation': (s, { device, pasid }) => {
              const cell = s.table[device][pasid];
              if (cell.cached) return;
              cell.cached = true;
              cell.cachedTables = cell.tables;
            },
            'send the write': (s, { device, pasid }) => {
              const { work } = s.device[device];
              const item = work.remove((other) => other.pasid === pasid && other.stage === 'accepted');
              work.add({ ...item, stage: 'translated', to: s.table[device][pasid].cachedTables });
            },
          },
        },
      ),
      abort: action(
        { device: Device, pasid: Pasid },
        {
          actor: 'iommu',
          doc: 'without an entry the access is aborted: quietly after the release of the mm, with a fault report otherwise',
          source: ['MM-03', 'MM-04'],
          fairness: 'weak',
          when: {
            'work is waiting': (s, { device, pasid }) =>
              s.device[device].work.has((item) => item.pasid === pasid && item.stage === 'accepted'),
            'the IOMMU does not translate': (s, { device, pasid }) =>
              !s.table[device][pasid].cached && s.table[device][pasid].entry !== 'present',
          },
          then: {
            'end the work with an error': (s, { device, pasid }) => {
              s.device[device].work.remove((item) => item.pasid === pasid && item.stage === 'accepted');
            },
          },
        },
      ),
      write: action(
        { device: Device, pasid: Pasid },
        {
          actor: 'device',
          doc: 'a translated write arrives in memory, and with it the completion record',
          source: 'ENQ-22',
          fairness: 'weak',
          when: {
            'a write is on its way': (s, { device, pasid }) =>
              s.device[device].work.has((item) => item.pasid === pasid && item.stage === 'translated'),
          },
          then: {
            'write the page': (s, { device, pasid }) => {
              const { of, to } = s.device[device].work.remove(
                (item) => item.pasid === pasid && item.stage === 'translated',
              );
              if (to === null || !hasPages(s, to)) s.device[device].harm = 'wrote into a freed page';
              else if (to !== of) s.device[device].harm = 'wrote into a foreign page';
            },
          },
        },
      ),
      requestPage: action(
        { device: Device, pasid: Pasid },
        {
          actor: 'device',
          doc: 'the page is not there: the device asks for it (PRI) and tries again later',
          source: ['ENQ-25', 'MM-02'],
          when: {
            'faults are explored': (s) =>
              size.faults === 1 && (size.together === 1 || s.mm.filter(({ life }) => life !== 'none').length <= 1),
            'work is waiting': (s, { device, pasid }) =>
              s.device[device].work.has((item) => item.pasid === pasid && item.stage === 'accepted'),
            'the entry is present': (s, { device, pasid }) => s.table[device][pasid].entry === 'present',
            'there is room for a request': (s, { device }) =>
              s.device[device].requests.length + (s.device[device].serving.stage === 'none' ? 0 : 1) < size.requests,
          },
          then: {
            'send the page request': (s, { device, pasid }) => {
              const item = s.device[device].work.find((other) => other.pasid === pasid && other.stage === 'accepted');
              s.device[device].requests.push({ pasid, of: item?.of ?? null });
            },
          },
        },
      ),

      bind: procedure(
        { device: Device },
        {
          actor: 'driver',
          doc: 'open of a work queue, and iommu_sva_bind_device for current->mm',
          source: ['PASID-03', 'PASID-04', 'PASID-08'],
          repeat: true,
          fairness: 'weak',
          locals: { pasid: optional(Pasid), refused: bool },
          steps: ({ step, branch }) => [
            step('open the device', {
              doc: 'the caller holds mm_users until the bind returns',
              source: 'MM-06',
              fairness: 'none',
              choose: { mm: Mm },
              when: {
                'the process runs': (s, { mm }) => s.mm[mm].task,
                'it may open one more file': (s, { device, mm }) =>
                  s.bond[device][mm].open + s.bond[device][mm].closing < size.files,
              },
              then: {
                'note the caller': (s, { device, mm }) => {
                  s.device[device].binding = mm;
                },
                'hold mm_users': (s, { mm }) => {
                  takeUser(s, mm);
                },
              },
            }),
            step('take iommu_sva_lock', {
              source: 'PASID-08',
              fairness: 'strong',
              when: { 'the lock is free': (s) => s.lock === 'free' },
              then: {
                'take the lock': (s) => {
                  s.lock = 'bind';
                },
              },
            }),
            branch('the mm has a PASID', {
              fused: true,
              if: (s, { device }) => {
                const mm = s.device[device].binding;
                return mm !== null && s.mm[mm].pasid !== null;
              },
              then: [
                step('take the PASID of the mm', {
                  doc: 'EOVERFLOW if the device cannot carry it',
                  source: 'PASID-06',
                  then: {
                    'read the PASID': (s, { device }, me) => {
                      const mm = s.device[device].binding;
                      me.pasid = mm === null ? null : s.mm[mm].pasid;
                    },
                    'refuse one that is too large': (s, { device }, me) => {
                      if (me.pasid !== null && !carries(s, device, me.pasid, first(Pasid))) me.refused = true;
                    },
                  },
                }),
              ],
              else: [
                step('allocate a PASID', {
                  doc: 'the lowest that is free, or the next; ENOSPC if there is none; when it is published see `pasid-lifecycle/enqcmd`',
                  source: ['PASID-03', 'PASID-05', 'PASID-07'],
                  then: {
                    'choose a PASID': (s, { device }, me) => {
                      me.pasid = firstFree(s, device);
                    },
                    'refuse if there is none': (_s, _p, me) => {
                      if (me.pasid === null) me.refused = true;
                    },
                    'take it from the pool': (s, _p, me) => {
                      if (me.pasid === null) return;
                      s.pool[me.pasid].taken = true;
                      if (size.cyclic === 1) s.cursor = next(Pasid, me.pasid);
                    },
                    'publish it in the mm': (s, { device }, me) => {
                      const mm = s.device[device].binding;
                      if (mm !== null && me.pasid !== null) s.mm[mm].pasid = me.pasid;
                    },
                  },
                }),
              ],
            }),
            branch('there is a PASID', {
              fused: true,
              if: (_s, _p, me) => !me.refused,
              then: [
                branch('a bond exists', {
                  fused: true,
                  if: (s, { device }, { pasid }) =>
                    pasid !== null &&
                    s.table[device][pasid].attached !== null &&
                    s.table[device][pasid].attached === s.device[device].binding,
                  then: [
                    step('share the handle', {
                      source: 'PASID-04',
                      then: {
                        'count the file': (s, { device }) => {
                          const mm = s.device[device].binding;
                          if (mm !== null)
                            s.bond[device][mm].handle = Math.min(s.bond[device][mm].handle + 1, size.files + 1);
                        },
                      },
                    }),
                  ],
                  else: [
                    step('find or make the domain', {
                      source: 'PASID-10',
                      then: {
                        'take mm_count for a new domain': (s, { device }) => {
                          const mm = s.device[device].binding;
                          if (mm !== null && !s.mm[mm].domain.allocated)
                            s.mm[mm].count = Math.min(s.mm[mm].count + 1, 3);
                        },
                        'make the domain': (s, { device }) => {
                          const mm = s.device[device].binding;
                          if (mm !== null) s.mm[mm].domain.allocated = true;
                        },
                      },
                    }),
                    step('attach', {
                      doc: 'iommu_attach_device_pasid: the slot is reserved; it must be empty, and the driver may fail; the PASID stays',
                      source: ['PASID-18', 'PASID-19'],
                      choose: { fails: bool },
                      when: {
                        'failures are explored': (_s, { fails }) => !fails || size.failures === 1,
                      },
                      then: {
                        'refuse an occupied slot': (s, { device }, me) => {
                          if (me.pasid !== null && s.table[device][me.pasid].attached !== null) me.refused = true;
                        },
                        fail: (_s, { fails }, me) => {
                          if (fails) me.refused = true;
                        },
                        'reserve the slot': (s, { device }, me) => {
                          if (me.pasid === null || me.refused) return;
                          s.table[device][me.pasid].attached = s.device[device].binding;
                        },
                        'give a new domain up': (s, { device }, me) => {
                          const mm = s.device[device].binding;
                          if (mm === null || !me.refused || s.mm[mm].domain.users > 0) return;
                          s.mm[mm].domain.allocated = false;
                          s.mm[mm].count = Math.max(s.mm[mm].count - 1, 0);
                        },
                      },
                    }),
                    branch('it is attached', {
                      fused: true,
                      if: (_s, _p, me) => !me.refused,
                      then: [
                        step('write the PASID entry', {
                          source: ['PASID-10', 'MM-06'],
                          then: {
                            'make it present': (s, { device }, { pasid }) => {
                              if (pasid === null) return;
                              s.table[device][pasid].entry = 'present';
                              s.table[device][pasid].tables = s.device[device].binding;
                            },
                            'count the domain': (s, { device }) => {
                              const mm = s.device[device].binding;
                              if (mm !== null)
                                s.mm[mm].domain.users = Math.min(s.mm[mm].domain.users + 1, size.device + 1);
                            },
                            'count the file': (s, { device }) => {
                              const mm = s.device[device].binding;
                              if (mm !== null)
                                s.bond[device][mm].handle = Math.min(s.bond[device][mm].handle + 1, size.files + 1);
                            },
                          },
                        }),
                      ],
                    }),
                  ],
                }),
              ],
            }),
            step('return from open', {
              then: {
                'release the lock': (s) => {
                  s.lock = 'free';
                },
                'open the file': (s, { device }, me) => {
                  const mm = s.device[device].binding;
                  if (mm !== null && !me.refused) s.bond[device][mm].open += 1;
                },
                'drop mm_users': (s, { device }) => {
                  const mm = s.device[device].binding;
                  if (mm !== null) putUser(s, mm);
                },
                'forget the caller': (s, { device }, me) => {
                  s.device[device].binding = null;
                  me.pasid = null;
                  me.refused = false;
                },
              },
            }),
          ],
        },
      ),

      unbind: procedure(
        { mm: Mm },
        {
          actor: 'driver',
          doc: 'release of a file, and iommu_sva_unbind_device; its process may be gone',
          source: ['ENQ-14', 'MM-01', 'PASID-09'],
          repeat: true,
          fairness: 'weak',
          steps: ({ step, branch }) => [
            step('release a file', {
              choose: { device: Device },
              when: { 'it was closed': (s, { device, mm }) => s.bond[device][mm].closing > 0 },
              then: {
                'take it': (s, { device, mm }) => {
                  s.bond[device][mm].closing -= 1;
                },
                'note the handle': (s, { device, mm }) => {
                  s.release[mm].mm = mm;
                  s.release[mm].device = device;
                  s.release[mm].pasid = s.mm[mm].pasid;
                },
              },
            }),
            step('drain the PASID at the device', {
              doc: 'with another file of the same mm open, the work of that one is not waited for',
              source: 'ENQ-14',
              when: {
                'its work is done': (s, p) => {
                  const { mm, device, pasid } = s.release[p.mm];
                  if (device === null) return true;
                  return !hasWork(s, device, pasid) || (mm !== null && s.bond[device][mm].open > 0);
                },
              },
            }),
            step('take iommu_sva_lock', {
              fairness: 'strong',
              when: { 'the lock is free': (s) => s.lock === 'free' },
              then: {
                'take the lock': (s) => {
                  s.lock = 'unbind';
                },
                'drop a reference to the handle': (s, p) => {
                  const { mm, device } = s.release[p.mm];
                  if (mm !== null && device !== null)
                    s.bond[device][mm].handle = Math.max(s.bond[device][mm].handle - 1, 0);
                },
              },
            }),
            branch('it was the last', {
              fused: true,
              if: (s, p) => {
                const { mm, device } = s.release[p.mm];
                return mm !== null && device !== null && s.bond[device][mm].handle === 0;
              },
              then: [
                step('clear the PASID entry', {
                  source: 'VTD-08',
                  then: {
                    'make it not present': (s, p) => {
                      const { device, pasid } = s.release[p.mm];
                      if (device === null || pasid === null) return;
                      s.table[device][pasid].entry = 'none';
                      s.table[device][pasid].tables = null;
                    },
                  },
                }),
                step('invalidate the caches', {
                  source: ['PASID-11', 'VTD-08'],
                  then: {
                    'drop what is cached': (s, p) => {
                      const { device, pasid } = s.release[p.mm];
                      if (device === null || pasid === null) return;
                      s.table[device][pasid].cached = false;
                      s.table[device][pasid].cachedTables = null;
                    },
                  },
                }),
                step('wait for the invalidation', {
                  source: 'PASID-11',
                  when: {
                    'no write is on its way': (s, p) => {
                      const { device, pasid } = s.release[p.mm];
                      return (
                        device === null ||
                        !s.device[device].work.has((w) => w.pasid === pasid && w.stage === 'translated')
                      );
                    },
                  },
                }),
                step('drain the page requests', {
                  source: ['PASID-11', 'MM-05'],
                  when: {
                    'none is left': (s, p) => {
                      const { device, pasid } = s.release[p.mm];
                      if (device === null) return true;
                      return (
                        !s.device[device].requests.has((request) => request.pasid === pasid) &&
                        (s.device[device].serving.stage === 'none' || s.device[device].serving.pasid !== pasid)
                      );
                    },
                  },
                }),
                step('remove the attachment', {
                  source: 'PASID-19',
                  then: {
                    'empty the slot': (s, p) => {
                      const { device, pasid } = s.release[p.mm];
                      if (device !== null && pasid !== null) s.table[device][pasid].attached = null;
                    },
                    'leave the domain': (s, p) => {
                      const { mm } = s.release[p.mm];
                      if (mm !== null) s.mm[mm].domain.users = Math.max(s.mm[mm].domain.users - 1, 0);
                    },
                  },
                }),
                step('read the data of the mm', {
                  doc: "whether this was the last domain of the mm, which then leaves the list of bound mm's",
                  source: ['PASID-10', 'MM-01'],
                }),
                step('free the domain if nobody uses it', {
                  source: 'PASID-10',
                  then: {
                    'free it': (s, p) => {
                      const { mm } = s.release[p.mm];
                      if (mm !== null && s.mm[mm].domain.users === 0) s.mm[mm].domain.allocated = false;
                    },
                    'drop its mm_count': (s, p) => {
                      const { mm } = s.release[p.mm];
                      if (mm !== null && s.mm[mm].domain.users === 0) s.mm[mm].count = Math.max(s.mm[mm].count - 1, 0);
                    },
                    'free the PASID with the mm': (s, p) => {
                      const { mm } = s.release[p.mm];
                      if (mm !== null && s.mm[mm].count === 0) freePasid(s, mm);
                    },
                    'free the mm with its last reference': (s, p) => {
                      const { mm } = s.release[p.mm];
                      if (mm !== null && s.mm[mm].count === 0) freeMm(s, mm);
                    },
                  },
                }),
              ],
            }),
            step('release iommu_sva_lock', {
              then: {
                'release the lock': (s) => {
                  s.lock = 'free';
                },
                'free the handle': (s, p) => {
                  s.release[p.mm].mm = null;
                  s.release[p.mm].device = null;
                  s.release[p.mm].pasid = null;
                },
              },
            }),
          ],
        },
      ),

      exit: procedure(
        { mm: Mm },
        {
          actor: 'kernel',
          doc: 'the last mm_users is gone: mmu-notifier release, exit_mmap, mmdrop',
          source: ['MM-01', 'MM-03', 'MM-05'],
          repeat: true,
          fairness: 'weak',
          steps: ({ step }) => [
            step('block the PASID', {
              doc: 'notifier release of the attached domains: the entries become not present, and faults stay silent',
              source: ['MM-03', 'MM-05'],
              when: { 'the last user is gone': (s, { mm }) => s.mm[mm].life === 'exiting' },
              then: {
                'make the entries quiet': (s, { mm }) => {
                  s.table.forEach((row) => {
                    row.forEach((cell) => {
                      if (cell.tables !== mm || cell.entry !== 'present') return;
                      cell.entry = 'quiet';
                      cell.tables = null;
                    });
                  });
                },
              },
            }),
            step('invalidate the caches', {
              source: 'MM-03',
              then: {
                'drop what is cached': (s, { mm }) => {
                  s.table.forEach((row) => {
                    row.forEach((cell) => {
                      if (cell.attached !== mm) return;
                      cell.cached = false;
                      cell.cachedTables = null;
                    });
                  });
                },
              },
            }),
            step('wait for the invalidation', {
              source: 'MM-03',
              when: {
                'no write is on its way': (s, { mm }) =>
                  s.device.every(({ work }) => !work.has((item) => item.to === mm && item.stage === 'translated')),
              },
            }),
            step('free the pages', {
              source: 'MM-03',
              then: {
                exit_mmap: (s, { mm }) => {
                  s.mm[mm].life = 'dead';
                },
              },
            }),
            step('drop mm_count', {
              source: ['PASID-09', 'PASID-10'],
              then: {
                'drop the reference of the users': (s, { mm }) => {
                  s.mm[mm].count = Math.max(s.mm[mm].count - 1, 0);
                },
                'free the PASID with the mm': (s, { mm }) => {
                  if (s.mm[mm].count === 0) freePasid(s, mm);
                },
                'free the mm with its last reference': (s, { mm }) => {
                  if (s.mm[mm].count === 0) freeMm(s, mm);
                },
              },
            }),
          ],
        },
      ),

      serveFaults: procedure(
        { device: Device },
        {
          actor: 'fault worker',
          doc: 'takes page requests from the queue and lets the mm handle them',
          source: ['MM-02', 'MM-07', 'MM-08'],
          repeat: true,
          fairness: 'weak',
          steps: ({ step, branch }) => [
            step('take a page request', {
              doc: 'the attached domain of its PASID leads to the mm',
              when: { 'a request is there': (s, { device }) => !s.device[device].requests.isEmpty },
              then: {
                'take it': (s, { device }) => {
                  const { pasid, of } = s.device[device].requests.shift();
                  s.device[device].serving.stage = 'taken';
                  s.device[device].serving.pasid = pasid;
                  s.device[device].serving.of = of;
                },
                'find the mm': (s, { device }) => {
                  const { serving } = s.device[device];
                  if (serving.pasid !== null) serving.target = s.table[device][serving.pasid].attached;
                },
              },
            }),
            step('take mm_users', {
              doc: 'mmget_not_zero',
              source: 'MM-07',
              then: {
                'leave an exiting mm alone': (s, { device }) => {
                  const { serving } = s.device[device];
                  if (serving.target !== null && s.mm[serving.target].users === 0) serving.target = null;
                },
                'take it': (s, { device }) => {
                  const { serving } = s.device[device];
                  if (serving.target !== null) takeUser(s, serving.target);
                  serving.stage = 'held';
                },
              },
            }),
            branch('there is an mm', {
              fused: true,
              if: (s, { device }) => s.device[device].serving.target !== null,
              then: [
                step('handle the fault', {
                  doc: 'mm_users is dropped asynchronously: the exit that may follow is not run by the worker',
                  source: ['MM-02', 'MM-08'],
                  then: {
                    'map the page': (s, { device }) => {
                      const { of, target } = s.device[device].serving;
                      if (target !== of) s.device[device].harm = 'faulted in a foreign mm';
                      else if (target !== null && !hasPages(s, target)) s.device[device].harm = 'faulted in a dead mm';
                    },
                    'drop mm_users': (s, { device }) => {
                      const { serving } = s.device[device];
                      if (serving.target !== null) putUser(s, serving.target);
                      serving.target = null;
                    },
                  },
                }),
              ],
            }),
            step('answer the device', {
              doc: 'Success, or Invalid Request if there is no mm',
              source: ['MM-02', 'MM-03', 'MM-07'],
              then: {
                'send the response': (s, { device }) => {
                  const { serving } = s.device[device];
                  serving.stage = 'none';
                  serving.pasid = null;
                  serving.of = null;
                },
              },
            }),
          ],
        },
      ),
    };
  },
});
