/**
 * Files and portals: how a process comes to a work queue (WQ) of a device, submits to it, and lets go of it again, while other
 * processes share the queue, inherit the file, or get it passed. (ENQ-10, ENQ-12..22, MM-01, MM-03, MM-04)
 *
 * Scope: one device of the idxd kind with dedicated and shared WQs of bounded depth. A file is one open of a WQ; file
 * descriptors hold it and so do mappings of its portal. The PASID of a process goes by the name of the process, and comes back
 * when its slot is used again. Descriptors carry the PASID that the instruction, the WQ or the kernel gave them, and the
 * addresses of who submitted them.
 *
 * Atomicity: one step is one command to the device with its completion, one wait, or one update under a lock; opening holds
 * wq_lock as idxd_cdev_open does, releasing takes it at its end. The order is that of idxd/cdev.c in Linux 7.0.
 *
 * Abstracted away, and why no bug hides there:
 * - IA32_PASID is right for the running thread: that is `pasid-lifecycle/enqcmd`.
 * - Bind and unbind are one step each, and a PASID is freed when the process is gone and has no handle left: that is
 *   `pasid-lifecycle`.
 * - A portal is one page and belongs to one WQ by its address; nothing to interleave.
 * - A dedicated WQ drops what it has no room for; who has it keeps count. Here such a submission waits.
 *
 * Fairness: the device executes what it accepted, the event log is worked off, and the kernel finishes what it began. Nobody has
 * to open, submit, unmap, close or exit, and a shared queue may be kept full by others for ever.
 */
import {
  bool,
  each,
  type Frozen,
  type Member,
  model,
  oneOf,
  optional,
  queue,
  range,
  setOf,
  sort,
  type Value,
} from '../language/index.ts';

export const Process = sort('process');
export const File = sort('file');
export const WorkQueue = sort('wq');

type AProcess = Member<'process'>;
type AFile = Member<'file'>;
type AWorkQueue = Member<'wq'>;

interface Bounds {
  readonly file: number;
  readonly depth: number;
}

function shape(size: Bounds) {
  return {
    process: each(Process, {
      /** Dead: its pages are gone, and its mm and PASID stay for the handles that are left. */
      life: oneOf('none', 'living', 'exiting', 'dead'),
      /** References to the handle of its bond with the device; the count saturates, as refcount_t does. */
      handles: range(0, size.file + 1),
      /** The PASID table entry: not present, present, or not present and quiet. */
      entry: oneOf('none', 'present', 'quiet'),
    }),
    file: each(File, {
      wq: optional(WorkQueue),
      /** The mm that opened it, and whose PASID it has. */
      opener: optional(Process),
      state: oneOf('free', 'opening', 'open', 'releasing'),
      descriptors: setOf(Process),
      /** Processes with the portal mapped; a mapping holds the file. */
      mappings: setOf(Process),
    }),
    wq: each(WorkQueue, {
      dedicated: bool,
      /** Its administrator has enabled it. */
      enabled: bool,
      locked: bool,
      clients: range(0, size.file),
      /** The PASID in the configuration of a dedicated WQ, which is enabled only with one. */
      pasid: optional(Process),
      /** The file is noted to tell what a drain has to wait for at least. */
      queue: queue(size.depth, { file: File, by: Process, pasid: Process, stage: oneOf('accepted', 'translated') }),
    }),
    /** The file that stands for a PASID at a WQ (upasid_xa). */
    record: each(WorkQueue, Process, optional(File)),
    /** The event log: faults of descriptors, whose completion records the driver writes. */
    log: queue(1, { wq: WorkQueue, pasid: Process }),
    harm: oneOf('none', 'ran with the PASID of another process', 'wrote into a freed page', 'ran without a bond'),
  };
}
export type State = Value<ReturnType<typeof shape>>;
type Seen = Frozen<State>;

/** Whether the device still has a descriptor with a PASID. */
export function inDevice(s: Seen, pasid: AProcess | null): boolean {
  return s.wq.some((wq) => wq.queue.has((item) => item.pasid === pasid));
}

/** Whether the device still has a descriptor that was submitted through a file. */
export function hasDescriptors(s: Seen, file: AFile): boolean {
  return s.wq.some((wq) => wq.queue.has((item) => item.file === file));
}

function isOpen(s: Seen, file: AFile, dedicated: boolean): boolean {
  const { state, wq } = s.file[file];
  return state === 'open' && wq !== null && s.wq[wq].dedicated === dedicated;
}

function hasRoom(s: Seen, file: AFile): boolean {
  const { wq } = s.file[file];
  return wq !== null && !s.wq[wq].queue.isFull;
}

/** A descriptor with the addresses of one process and the PASID of a process enters the WQ of a file. */
function submit(s: State, file: AFile, by: AProcess, pasid: AProcess | null): void {
  const { wq } = s.file[file];
  if (wq !== null && pasid !== null) s.wq[wq].queue.push({ file, by, pasid, stage: 'accepted' });
}

/** iommu_sva_unbind_device. */
export function dropHandle(s: State, process: AProcess): void {
  s.process[process].handles = Math.max(s.process[process].handles - 1, 0);
  if (s.process[process].handles === 0) s.process[process].entry = 'none';
}

/** idxd_xa_pasid_remove: only the file that stands there is taken away. */
function removeRecord(s: State, wq: AWorkQueue, process: AProcess, file: AFile): void {
  if (s.record[wq][process] === file) s.record[wq][process] = null;
}

/** The model. */
export const pasidLifecyclePortals = model({
  name: 'pasid-lifecycle/portals',
  doc: 'Processes open work queues, map portals, submit, pass files on, close and exit while work is in flight.',
  // `failures`: an open may fail at its end.
  sizes: {
    smoke: { process: 2, file: 1, wq: 1, depth: 1, failures: 1 },
    ci: { process: 2, file: 2, wq: 1, depth: 1, failures: 1 },
    queues: { process: 1, file: 2, wq: 2, depth: 1, failures: 0 },
    deep: { process: 2, file: 2, wq: 1, depth: 2, failures: 1 },
  },
  state: ({ size }) => shape(size),
  initial: {
    choose: { dedicated: bool, enabled: bool },
    then: (s, { dedicated, enabled }) => {
      s.wq.forEach((wq) => {
        wq.dedicated = dedicated;
        wq.enabled = enabled;
      });
    },
  },

  actions: ({ action, procedure, members, size }) => ({
    create: action(
      { process: Process },
      {
        actor: 'process',
        when: { 'there is room for a process': (s, { process }) => s.process[process].life === 'none' },
        then: {
          'start it': (s, { process }) => {
            s.process[process].life = 'living';
          },
        },
      },
    ),
    fork: action(
      { parent: Process, child: Process },
      {
        actor: 'process',
        doc: 'the child inherits file descriptors and mappings, but no portal (VM_DONTCOPY)',
        source: 'ENQ-17',
        when: {
          'the parent runs': (s, { parent }) => s.process[parent].life === 'living',
          'it has something to inherit': (s, { parent }) => s.file.some(({ descriptors }) => descriptors.has(parent)),
          'there is room for a process': (s, { child }) => s.process[child].life === 'none',
        },
        then: {
          'start it': (s, { child }) => {
            s.process[child].life = 'living';
          },
          'copy the descriptors': (s, { parent, child }) => {
            s.file.forEach(({ descriptors }) => {
              if (descriptors.has(parent)) descriptors.add(child);
            });
          },
          'copy the mappings': (s, { parent, child }) => {
            s.file.forEach(({ mappings }) => {
              if (mappings.has(parent)) mappings.add(child);
            });
          },
          'leave out the portals': (s, { child }) => {
            s.file.forEach(({ mappings }) => {
              mappings.delete(child);
            });
          },
        },
      },
    ),
    pass: action(
      { file: File, from: Process, to: Process },
      {
        actor: 'process',
        doc: 'a descriptor is sent to another process',
        source: 'ENQ-17',
        when: {
          'the sender has it': (s, { file, from }) => s.file[file].descriptors.has(from),
          'both run': (s, { from, to }) => s.process[from].life === 'living' && s.process[to].life === 'living',
          'the receiver does not have it': (s, { file, to }) => !s.file[file].descriptors.has(to),
        },
        then: {
          'share the file': (s, { file, to }) => {
            s.file[file].descriptors.add(to);
          },
        },
      },
    ),
    close: action(
      { file: File, process: Process },
      {
        actor: 'process',
        source: 'ENQ-10',
        when: {
          'it has a descriptor': (s, { file, process }) => s.file[file].descriptors.has(process),
          'it runs': (s, { process }) => s.process[process].life === 'living',
        },
        then: {
          'close the descriptor': (s, { file, process }) => {
            s.file[file].descriptors.delete(process);
          },
        },
      },
    ),
    map: action(
      { file: File, process: Process },
      {
        actor: 'kernel',
        doc: 'mmap of the portal',
        source: ['ENQ-13', 'ENQ-15', 'ENQ-17'],
        when: {
          'it has a descriptor': (s, { file, process }) => s.file[file].descriptors.has(process),
          'the file is open': (s, { file }) => s.file[file].state === 'open',
          'it runs': (s, { process }) => s.process[process].life === 'living',
          'it is the opener': (s, { file, process }) => s.file[file].opener === process,
          'it is not mapped': (s, { file, process }) => !s.file[file].mappings.has(process),
        },
        then: {
          'map the portal': (s, { file, process }) => {
            s.file[file].mappings.add(process);
          },
        },
      },
    ),
    unmap: action(
      { file: File, process: Process },
      {
        actor: 'process',
        source: 'ENQ-10',
        when: {
          'it is mapped': (s, { file, process }) => s.file[file].mappings.has(process),
          'it runs': (s, { process }) => s.process[process].life === 'living',
        },
        then: {
          'unmap the portal': (s, { file, process }) => {
            s.file[file].mappings.delete(process);
          },
        },
      },
    ),

    enqcmd: action(
      { file: File, process: Process },
      {
        actor: 'thread',
        doc: 'ENQCMD to a shared WQ, with the PASID in IA32_PASID: accepted; if the WQ is full it is answered with retry',
        source: ['ENQ-04', 'ENQ-16', 'ENQ-20', 'ENQ-21'],
        when: {
          'the portal of a shared WQ is mapped': (s, { file, process }) =>
            s.file[file].mappings.has(process) && isOpen(s, file, false),
          'it runs': (s, { process }) => s.process[process].life === 'living',
          'the WQ has room': (s, { file }) => hasRoom(s, file),
        },
        then: {
          'enqueue the descriptor': (s, { file, process }) => submit(s, file, process, process),
        },
      },
    ),
    movdir64b: action(
      { file: File, process: Process },
      {
        actor: 'thread',
        doc: 'MOVDIR64B to a dedicated WQ: the PASID is that of its configuration',
        source: ['ENQ-18', 'ENQ-22'],
        when: {
          'the portal of a dedicated WQ is mapped': (s, { file, process }) =>
            s.file[file].mappings.has(process) && isOpen(s, file, true),
          'it runs': (s, { process }) => s.process[process].life === 'living',
          'the WQ has room': (s, { file }) => hasRoom(s, file),
        },
        then: {
          'enqueue the descriptor': (s, { file, process }) => {
            const { wq } = s.file[file];
            submit(s, file, process, wq === null ? null : s.wq[wq].pasid);
          },
        },
      },
    ),
    write: action(
      { file: File, process: Process },
      {
        actor: 'kernel',
        doc: 'write(): the kernel submits for the caller, with the PASID of the file (ENQCMDS)',
        source: ['ENQ-04', 'ENQ-17'],
        when: {
          'it has a descriptor': (s, { file, process }) => s.file[file].descriptors.has(process),
          'the file of a shared WQ is open': (s, { file }) => isOpen(s, file, false),
          'it runs': (s, { process }) => s.process[process].life === 'living',
          'it is the opener': (s, { file, process }) => s.file[file].opener === process,
          'the WQ has room': (s, { file }) => hasRoom(s, file),
        },
        then: {
          'enqueue the descriptor': (s, { file, process }) => submit(s, file, process, s.file[file].opener),
        },
      },
    ),
    translate: action(
      { wq: WorkQueue },
      {
        actor: 'device',
        doc: 'the descriptor at the head is translated with its PASID',
        source: 'ENQ-22',
        fairness: 'weak',
        when: {
          'a descriptor is waiting': (s, { wq }) => !s.wq[wq].queue.isEmpty && s.wq[wq].queue.head.stage === 'accepted',
          'the entry is present': (s, { wq }) => s.process[s.wq[wq].queue.head.pasid].entry === 'present',
        },
        then: {
          'translate its addresses': (s, { wq }) => {
            s.wq[wq].queue.set(0, { ...s.wq[wq].queue.head, stage: 'translated' });
          },
        },
      },
    ),
    finish: action(
      { wq: WorkQueue },
      {
        actor: 'device',
        doc: 'data and completion record are written with the same PASID',
        source: 'ENQ-22',
        fairness: 'weak',
        when: {
          'a descriptor is translated': (s, { wq }) =>
            !s.wq[wq].queue.isEmpty && s.wq[wq].queue.head.stage === 'translated',
        },
        then: {
          write: (s, { wq }) => {
            const { by, pasid } = s.wq[wq].queue.head;
            const { life } = s.process[pasid];
            if (by !== pasid) s.harm = 'ran with the PASID of another process';
            else if (life !== 'living' && life !== 'exiting') s.harm = 'wrote into a freed page';
          },
          'end the descriptor': (s, { wq }) => {
            s.wq[wq].queue.shift();
          },
        },
      },
    ),
    fault: action(
      { wq: WorkQueue },
      {
        actor: 'device',
        doc: 'without an entry the descriptor ends with an error; quietly while the bond is there, which the event log tells',
        source: ['MM-03', 'MM-04'],
        fairness: 'weak',
        when: {
          'a descriptor is waiting': (s, { wq }) => !s.wq[wq].queue.isEmpty && s.wq[wq].queue.head.stage === 'accepted',
          'the entry is not present': (s, { wq }) => s.process[s.wq[wq].queue.head.pasid].entry !== 'present',
          'the event log has room': (s) => !s.log.isFull,
        },
        then: {
          'report a PASID without a bond': (s, { wq }) => {
            if (s.process[s.wq[wq].queue.head.pasid].entry === 'none') s.harm = 'ran without a bond';
          },
          'log the event': (s, { wq }) => s.log.push({ wq, pasid: s.wq[wq].queue.head.pasid }),
          'end the descriptor': (s, { wq }) => {
            s.wq[wq].queue.shift();
          },
        },
      },
    ),
    handleEvent: action(
      {},
      {
        actor: 'kernel',
        doc: 'the completion record is written through the mm of the file that stands for the PASID',
        source: 'ENQ-14',
        fairness: 'weak',
        when: { 'an event is logged': (s) => !s.log.isEmpty },
        then: {
          'take it': (s) => {
            s.log.shift();
          },
        },
      },
    ),

    open: procedure(
      { file: File },
      {
        actor: 'driver',
        doc: 'idxd_cdev_open',
        source: ['ENQ-13', 'ENQ-18'],
        repeat: true,
        fairness: 'weak',
        locals: { refused: bool },
        steps: ({ step, branch }) => [
          step('take wq_lock', {
            fairness: 'none',
            choose: { process: Process, wq: WorkQueue },
            when: {
              'the process runs': (s, { process }) => s.process[process].life === 'living',
              'the file is free': (s, { file }) => s.file[file].state === 'free',
              'the lock is free': (s, { wq }) => !s.wq[wq].locked,
            },
            then: {
              'take the lock': (s, { wq }) => {
                s.wq[wq].locked = true;
              },
              'note who opens what': (s, { file, process, wq }) => {
                s.file[file].state = 'opening';
                s.file[file].opener = process;
                s.file[file].wq = wq;
              },
              'refuse a dedicated WQ that is in use': (s, { wq }, me) => {
                if (s.wq[wq].dedicated && s.wq[wq].clients > 0) me.refused = true;
              },
              'refuse a WQ that is not enabled': (s, { wq }, me) => {
                if (!s.wq[wq].enabled) me.refused = true;
              },
            },
          }),
          branch('it is admitted', {
            fused: true,
            if: (_s, _p, me) => !me.refused,
            then: [
              step('bind', {
                source: 'ENQ-13',
                then: {
                  'take a handle': (s, { file }) => {
                    const { opener } = s.file[file];
                    if (opener === null) return;
                    s.process[opener].handles = Math.min(s.process[opener].handles + 1, size.file + 1);
                    s.process[opener].entry = 'present';
                  },
                },
              }),
              step('record the PASID', {
                doc: 'a file of the same process that stands there already stays',
                then: {
                  'record the file': (s, { file }) => {
                    const { opener, wq } = s.file[file];
                    if (opener !== null && wq !== null) s.record[wq][opener] ??= file;
                  },
                },
              }),
              step('configure the WQ', {
                doc: 'a dedicated WQ is disabled, gets the PASID, and is enabled again; then the file device is added',
                source: 'ENQ-18',
                choose: { fails: bool },
                when: { 'failures are explored': (_s, { fails }) => !fails || size.failures === 1 },
                then: {
                  'set the PASID of a dedicated WQ': (s, { file }) => {
                    const { opener, wq } = s.file[file];
                    if (wq !== null && s.wq[wq].dedicated) s.wq[wq].pasid = opener;
                  },
                  fail: (_s, { fails }, me) => {
                    me.refused = fails;
                  },
                },
              }),
              branch('it failed', {
                fused: true,
                if: (_s, _p, me) => me.refused,
                then: [
                  step('undo', {
                    then: {
                      'remove the record': (s, { file }) => {
                        const { opener, wq } = s.file[file];
                        if (opener !== null && wq !== null) removeRecord(s, wq, opener, file);
                      },
                      'drop the handle': (s, { file }) => {
                        const { opener } = s.file[file];
                        if (opener !== null) dropHandle(s, opener);
                      },
                    },
                  }),
                ],
              }),
            ],
          }),
          step('release wq_lock', {
            then: {
              'count the client': (s, { file }, me) => {
                const { wq } = s.file[file];
                if (wq !== null && !me.refused) s.wq[wq].clients += 1;
              },
              'release the lock': (s, { file }) => {
                const { wq } = s.file[file];
                if (wq !== null) s.wq[wq].locked = false;
              },
              'return the descriptor, or forget the file': (s, { file }, me) => {
                const { opener } = s.file[file];
                if (me.refused || opener === null) {
                  s.file[file].state = 'free';
                  s.file[file].opener = null;
                  s.file[file].wq = null;
                } else {
                  s.file[file].state = 'open';
                  s.file[file].descriptors.add(opener);
                }
                me.refused = false;
              },
            },
          }),
        ],
      },
    ),

    release: procedure(
      { file: File },
      {
        actor: 'driver',
        doc: 'idxd_file_dev_release, after the last descriptor and the last mapping',
        source: ['ENQ-10', 'ENQ-14'],
        repeat: true,
        fairness: 'weak',
        steps: ({ step, branch }) => [
          step('begin', {
            source: 'ENQ-13',
            when: {
              'the file is open': (s, { file }) => s.file[file].state === 'open',
              'no descriptor is left': (s, { file }) => s.file[file].descriptors.isEmpty,
              'no mapping is left': (s, { file }) => s.file[file].mappings.isEmpty,
            },
            then: {
              'note it': (s, { file }) => {
                s.file[file].state = 'releasing';
              },
            },
          }),
          branch('the WQ is dedicated', {
            fused: true,
            if: (s, { file }) => {
              const { wq } = s.file[file];
              return wq !== null && s.wq[wq].dedicated;
            },
            then: [
              step('drain the WQ', {
                when: {
                  'it is empty': (s, { file }) => {
                    const { wq } = s.file[file];
                    return wq === null || s.wq[wq].queue.isEmpty;
                  },
                },
              }),
              step('take the PASID from the WQ', {
                then: {
                  'disable it': (s, { file }) => {
                    const { wq } = s.file[file];
                    if (wq !== null) s.wq[wq].pasid = null;
                  },
                },
              }),
            ],
            else: [
              step('drain the PASID', {
                doc: 'waits for descriptors of this PASID only, and at least for those that came through this file',
                source: 'ENQ-14',
                when: {
                  'none is in the device': (s, { file }) => !hasDescriptors(s, file),
                },
              }),
            ],
          }),
          step('drain the event log', {
            source: 'ENQ-14',
            when: {
              'no event of it is left': (s, { file }) => {
                const { wq, opener } = s.file[file];
                return !s.log.has((event) => event.wq === wq && event.pasid === opener);
              },
            },
          }),
          step('unbind', {
            source: ['ENQ-12', 'ENQ-14'],
            then: {
              'drop the handle': (s, { file }) => {
                const { opener } = s.file[file];
                if (opener !== null) dropHandle(s, opener);
              },
            },
          }),
          step('remove the record', {
            source: 'ENQ-14',
            then: {
              'remove it': (s, { file }) => {
                const { opener, wq } = s.file[file];
                if (opener !== null && wq !== null) removeRecord(s, wq, opener, file);
              },
            },
          }),
          step('put the WQ', {
            fairness: 'strong',
            when: {
              'the lock is free': (s, { file }) => {
                const { wq } = s.file[file];
                return wq === null || !s.wq[wq].locked;
              },
            },
            then: {
              'count the client': (s, { file }) => {
                const { wq } = s.file[file];
                if (wq !== null) s.wq[wq].clients -= 1;
              },
              'free the file': (s, { file }) => {
                s.file[file].state = 'free';
                s.file[file].opener = null;
                s.file[file].wq = null;
              },
            },
          }),
        ],
      },
    ),

    exit: procedure(
      { process: Process },
      {
        actor: 'kernel',
        doc: 'do_exit: exit_mm with the release of the bond, then exit_files',
        source: ['MM-01', 'MM-03'],
        repeat: true,
        fairness: 'weak',
        steps: ({ step }) => [
          step('block the PASID', {
            fairness: 'none',
            when: {
              'it runs': (s, { process }) => s.process[process].life === 'living',
              'it is in no open': (s, { process }) =>
                s.file.every(({ state, opener }) => state !== 'opening' || opener !== process),
            },
            then: {
              'make the entry quiet': (s, { process }) => {
                s.process[process].life = 'exiting';
                if (s.process[process].entry === 'present') s.process[process].entry = 'quiet';
              },
            },
          }),
          step('wait for the invalidation', {
            source: 'MM-03',
            when: {
              'no translated write is on its way': (s, { process }) =>
                s.wq.every((wq) => !wq.queue.has((item) => item.pasid === process && item.stage === 'translated')),
            },
          }),
          step('free the pages', {
            source: 'MM-01',
            then: {
              exit_mmap: (s, { process }) => {
                s.process[process].life = 'dead';
              },
              'unmap the portals': (s, { process }) => {
                for (const file of members(File)) s.file[file].mappings.delete(process);
              },
            },
          }),
          step('close the files', {
            source: 'MM-01',
            then: {
              'close the descriptors': (s, { process }) => {
                for (const file of members(File)) s.file[file].descriptors.delete(process);
              },
            },
          }),
          step('free the mm', {
            doc: 'when the last handle has gone: the PASID can be used again',
            source: 'PASID-10',
            when: { 'nobody has a handle': (s, { process }) => s.process[process].handles === 0 },
            then: {
              'free it': (s, { process }) => {
                s.process[process].life = 'none';
              },
            },
          }),
        ],
      },
    ),
  }),
});
