/**
 * What must hold of files and portals: only the opener submits, with its own PASID, and only while the bond is there; nothing of
 * a file is left in the device when it is gone, and every release ends however busy others keep the queue.
 */
import { properties } from '../language/index.ts';
import { differ } from '../model/parts/differ.ts';
import {
  File,
  hasDescriptors,
  inDevice,
  pasidLifecyclePortals,
  Process,
  WorkQueue,
} from '../model/pasid-lifecycle-portals.ts';

export const pasidLifecyclePortalsProperties = properties(
  pasidLifecyclePortals,
  ({ invariant, transition, leadsTo, recoverable, reachable, deadlockFree, members, size }) => ({
    'no descriptor runs with the PASID of another process': invariant({
      doc: 'data and completion record of a submitter are never written through the page tables of another',
      requirement: ['ENQ-04', 'ENQ-16', 'ENQ-17', 'ENQ-22'],
      holds: (s) => s.harm !== 'ran with the PASID of another process',
    }),
    'no descriptor writes into a freed page': invariant({
      requirement: ['MM-01', 'MM-03', 'ENQ-14'],
      holds: (s) => s.harm !== 'wrote into a freed page',
    }),
    'no descriptor runs without a bond': invariant({
      doc: 'after the unbind nothing of that PASID is left in the device',
      requirement: ['ENQ-10', 'ENQ-14', 'MM-04'],
      holds: (s) => s.harm !== 'ran without a bond',
    }),
    'a descriptor has the PASID of its submitter': invariant({
      requirement: ['ENQ-04', 'ENQ-17', 'ENQ-18'],
      forall: { wq: WorkQueue },
      holds: (s, { wq }) => s.wq[wq].queue.every(({ by, pasid }) => by === pasid),
    }),
    'a portal is mapped only by the opener of an open file': invariant({
      requirement: ['ENQ-13', 'ENQ-15', 'ENQ-16', 'ENQ-17'],
      forall: { file: File, process: Process },
      given: (s, { file, process }) => s.file[file].mappings.has(process),
      holds: (s, { file, process }) => s.file[file].state === 'open' && s.file[file].opener === process,
    }),
    'a descriptor is of an open file': invariant({
      requirement: ['ENQ-13'],
      forall: { file: File },
      given: (s, { file }) => !s.file[file].descriptors.isEmpty,
      holds: (s, { file }) => s.file[file].state === 'open',
    }),
    'an open file has a bond': invariant({
      requirement: ['ENQ-13'],
      forall: { file: File },
      given: (s, { file }) => s.file[file].state === 'open',
      holds: (s, { file }) => {
        const { opener } = s.file[file];
        return opener !== null && s.process[opener].handles > 0 && s.process[opener].entry !== 'none';
      },
    }),
    'the handles of a process count its files': invariant({
      requirement: ['ENQ-12', 'ENQ-13'],
      forall: { process: Process },
      holds: (s, { process }) => {
        const own = members(File).filter((file) => s.file[file].opener === process);
        const opening = own.filter((file) => {
          const { at, refused } = s.open[file];
          return (
            at === 'record the PASID' ||
            at === 'configure the WQ' ||
            at === 'undo' ||
            (at === 'release wq_lock' && !refused)
          );
        });
        const held = own.filter(
          (file) =>
            s.file[file].state === 'open' ||
            (s.file[file].state === 'releasing' && !['remove the record', 'put the WQ'].includes(s.release[file].at)),
        );
        const { handles, entry } = s.process[process];
        return handles === opening.length + held.length && handles > 0 === (entry !== 'none');
      },
    }),
    'a WQ counts its clients': invariant({
      requirement: ['ENQ-18'],
      forall: { wq: WorkQueue },
      holds: (s, { wq }) =>
        s.wq[wq].clients ===
        s.file.filter((file) => file.wq === wq && (file.state === 'open' || file.state === 'releasing')).length,
    }),
    'a dedicated WQ has one client': invariant({
      requirement: ['ENQ-18', 'ENQ-19'],
      forall: { wq: WorkQueue },
      given: (s, { wq }) => s.wq[wq].dedicated,
      holds: (s, { wq }) => s.wq[wq].clients <= 1,
    }),
    'a dedicated WQ has the PASID of its client': invariant({
      requirement: ['ENQ-18', 'ENQ-22'],
      forall: { file: File, wq: WorkQueue },
      given: (s, { file, wq }) => s.wq[wq].dedicated && s.file[file].wq === wq && s.file[file].state === 'open',
      holds: (s, { file, wq }) => s.wq[wq].pasid === s.file[file].opener,
    }),
    'wq_lock is held by one open': invariant({
      forall: { wq: WorkQueue },
      holds: (s, { wq }) =>
        s.file.filter((file) => file.wq === wq && file.state === 'opening').length === (s.wq[wq].locked ? 1 : 0),
    }),
    'the record of a PASID is a file of it': invariant({
      doc: 'what stands in upasid_xa has not been freed',
      requirement: ['ENQ-14'],
      forall: { wq: WorkQueue, process: Process },
      given: (s, { wq, process }) => s.record[wq][process] !== null,
      holds: (s, { wq, process }) => {
        const file = s.record[wq][process];
        return file !== null && s.file[file].wq === wq && s.file[file].opener === process;
      },
    }),
    'an open file holds its process in memory': invariant({
      requirement: ['PASID-10', 'MM-01'],
      forall: { file: File },
      holds: (s, { file }) => {
        const { opener, state } = s.file[file];
        const { at } = s.release[file];
        if (opener === null || at === 'remove the record' || at === 'put the WQ') return true;
        return state === 'free' || s.process[opener].life !== 'none';
      },
    }),
    'a PASID that is free is in no queue and no log': invariant({
      requirement: ['PASID-11', 'ENQ-10'],
      forall: { process: Process },
      given: (s, { process }) => s.process[process].life === 'none',
      holds: (s, { process }) => !inDevice(s, process) && !s.log.has(({ pasid }) => pasid === process),
    }),
    'a bond is cut only after the drain': transition({
      requirement: ['ENQ-14'],
      forall: { file: File },
      given: (_before, action, _after, { file }) =>
        action.type === 'release' && action.step === 'unbind' && action.file === file,
      holds: (before, _action, after, { file }) => {
        const { opener } = before.file[file];
        if (opener === null || hasDescriptors(before, file)) return false;
        if (after.process[opener].entry !== 'none') return true;
        return !inDevice(before, opener) && !before.log.has((event) => event.pasid === opener);
      },
    }),
    ...(size.file > 1
      ? {
          'a bond with another open file stays': transition({
            doc: 'closing one file of a process leaves its others usable',
            requirement: ['ENQ-12'],
            forall: { file: File },
            given: (before, action, _after, { file }) =>
              action.type === 'release' && differ(action.file, file) && before.file[file].state === 'open',
            holds: (before, _action, after, { file }) => {
              const { opener } = before.file[file];
              return opener !== null && after.process[opener].entry === before.process[opener].entry;
            },
          }),
        }
      : {}),
    'retry enqueues nothing, and a descriptor is enqueued whole': transition({
      doc: 'a queue grows by one descriptor at a time, by a submission, and never beyond its depth',
      requirement: ['ENQ-20', 'ENQ-21'],
      forall: { wq: WorkQueue },
      given: (before, _action, after, { wq }) => after.wq[wq].queue.length > before.wq[wq].queue.length,
      holds: (before, action, after, { wq }) =>
        ['enqcmd', 'movdir64b', 'write'].includes(action.type) &&
        after.wq[wq].queue.length === before.wq[wq].queue.length + 1,
    }),

    'something can always happen': deadlockFree({}),
    'a release ends': leadsTo({
      doc: 'it waits only for its own PASID, while others keep the queue full',
      requirement: ['ENQ-14', 'ENQ-21'],
      forall: { file: File },
      from: (s, { file }) => s.file[file].state === 'releasing',
      to: (s, { file }) => s.file[file].state !== 'releasing',
    }),
    'an open ends': leadsTo({
      forall: { file: File },
      from: (s, { file }) => s.file[file].state === 'opening',
      to: (s, { file }) => s.file[file].state !== 'opening',
    }),
    'an exit frees the pages': leadsTo({
      requirement: ['MM-01', 'MM-03'],
      forall: { process: Process },
      from: (s, { process }) => s.process[process].life === 'exiting',
      to: (s, { process }) => s.process[process].life !== 'exiting',
    }),
    'a file that nobody holds is released': leadsTo({
      requirement: ['ENQ-10', 'ENQ-13'],
      forall: { file: File },
      from: (s, { file }) =>
        s.file[file].state === 'open' && s.file[file].descriptors.isEmpty && s.file[file].mappings.isEmpty,
      to: (s, { file }) => s.file[file].state !== 'open',
    }),
    'the PASID of a dead process comes back': leadsTo({
      doc: 'if no other process holds one of its files',
      requirement: ['PASID-09', 'MM-01'],
      forall: { process: Process },
      from: (s, { process }) =>
        s.process[process].life === 'dead' &&
        members(File).every((file) => {
          const { opener, descriptors } = s.file[file];
          return opener !== process || descriptors.every((holder) => holder === process);
        }),
      to: (s, { process }) => s.process[process].life === 'none',
    }),
    'an accepted descriptor ends': leadsTo({
      requirement: ['ENQ-21', 'MM-03'],
      forall: { wq: WorkQueue },
      from: (s, { wq }) => s.wq[wq].queue.isFull,
      to: (s, { wq }) => !s.wq[wq].queue.isFull,
    }),
    'a full queue empties': recoverable({
      requirement: ['ENQ-21'],
      forall: { wq: WorkQueue },
      given: (s, { wq }) => s.wq[wq].queue.isFull,
      holds: (s, { wq }) => s.wq[wq].queue.isEmpty,
    }),

    'a descriptor is in flight of a process that has exited': reachable({
      requirement: ['MM-01', 'MM-03'],
      exists: { process: Process },
      holds: (s, { process }) => s.process[process].life === 'dead' && inDevice(s, process),
    }),
    'an event is logged for a process that has exited': reachable({
      requirement: ['ENQ-14', 'MM-03'],
      exists: { process: Process },
      holds: (s, { process }) => s.process[process].life === 'dead' && s.log.has(({ pasid }) => pasid === process),
    }),
    ...(size.process > 1
      ? {
          'another process keeps a file open whose opener is dead': reachable({
            requirement: ['ENQ-17', 'PASID-10'],
            exists: { file: File, process: Process },
            holds: (s, { file, process }) => {
              const { opener, descriptors } = s.file[file];
              return (
                opener !== null && s.process[opener].life === 'dead' && descriptors.has(process) && opener !== process
              );
            },
          }),
        }
      : {}),
    'a portal outlives the descriptors': reachable({
      requirement: ['ENQ-13'],
      exists: { file: File },
      holds: (s, { file }) => s.file[file].descriptors.isEmpty && !s.file[file].mappings.isEmpty,
    }),
    ...(size.file > 1 && size.process > 1
      ? {
          'two processes share a WQ': reachable({
            requirement: ['ENQ-16', 'ENQ-18'],
            exists: { file: File, other: File },
            holds: (s, { file, other }) =>
              s.file[file].wq !== null &&
              s.file[file].wq === s.file[other].wq &&
              s.file[file].opener !== s.file[other].opener &&
              !s.file[file].mappings.isEmpty &&
              !s.file[other].mappings.isEmpty,
          }),
          'the queue is full of the work of another process while one lets go': reachable({
            requirement: ['ENQ-14', 'ENQ-21'],
            exists: { file: File, wq: WorkQueue },
            holds: (s, { file, wq }) =>
              s.release[file].at === 'drain the PASID' &&
              s.wq[wq].queue.isFull &&
              s.wq[wq].queue.every(({ pasid }) => pasid !== s.file[file].opener),
          }),
        }
      : {}),
    ...(size.file > 1
      ? {
          'a dedicated WQ is refused': reachable({
            requirement: ['ENQ-18', 'ENQ-19'],
            exists: { file: File },
            holds: (s, { file }) => s.open[file].refused && s.open[file].at === 'release wq_lock',
          }),
        }
      : {}),
  }),
);
