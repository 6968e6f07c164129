/**
 * What must hold when a device is detached and removed: nothing is used after it was freed, nothing is answered twice or
 * forgotten, and nobody waits for what waits for him.
 */
import { type Frozen, properties, type StateOf } from '../language/index.ts';
import { Group, pageRequestRemoval, Slot } from '../model/page-request-removal.ts';

/** Whether user space holds the lock of its table while it reads an answer or a group. */
function userSpaceCopies(at: Frozen<StateOf<typeof pageRequestRemoval>>['serve']['at']): boolean {
  return at === 'answer the group' || at === 'read the group';
}

export const pageRequestRemovalProperties = properties(
  pageRequestRemoval,
  ({ invariant, transition, leadsTo, recoverable, reachable, deadlockFree, members }) => ({
    // Memory.
    'a group that somebody has is not freed': invariant({
      doc: 'the list of the core, a worker, user space and the IRQ thread point at memory that is allocated',
      requirement: ['IOPF-12', 'IOPF-18', 'IOPF-13'],
      forall: { slot: Slot },
      holds: (s, { slot }) => {
        const { allocated, pending, work, user } = s.slot[slot];
        const held = pending || work !== 'none' || user !== 'none';
        return allocated || !(held || s.irq.slot === slot || s.work[slot].at === 'free the group');
      },
    }),
    'a group has one owner': invariant({
      doc: 'the core until it is handed to user space, and never both',
      requirement: ['IOPF-05', 'IOPF-14'],
      forall: { slot: Slot },
      holds: (s, { slot }) => !(s.slot[slot].pending && s.slot[slot].user !== 'none'),
    }),
    "a group that is allocated is somebody's": invariant({
      doc: 'no memory leaks: the IRQ thread, a worker, user space or the one who answers it has it',
      requirement: ['IOPF-12', 'IOPF-13'],
      forall: { slot: Slot },
      given: (s, { slot }) => s.slot[slot].allocated,
      holds: (s, { slot }) =>
        s.irq.slot === slot ||
        s.slot[slot].work !== 'none' ||
        s.slot[slot].user !== 'none' ||
        (s.serve.reading === slot && s.serve.at === 'free the group'),
    }),
    'the fault parameters are there for all who have a reference': invariant({
      requirement: ['IOPF-12', 'IOPF-18'],
      holds: (s) =>
        !s.param.overdrawn && s.param.allocated === s.param.users > 0 && (s.param.allocated || !s.param.published),
    }),
    'the count of the fault parameters is the number of references': invariant({
      doc: 'one of the device while they are published, one of the IRQ thread, one of each group',
      requirement: ['IOPF-12'],
      holds: (s) =>
        s.param.users ===
        (s.param.published ? 1 : 0) + (s.irq.param ? 1 : 0) + s.slot.filter(({ allocated }) => allocated).length,
    }),
    'the count of the binding is the number of its users': invariant({
      requirement: ['IOPF-13', 'HOST-14'],
      given: (s) => s.counted,
      holds: (s) =>
        s.binding.users ===
        s.slot.filter(({ work }) => work !== 'none').length +
          s.work.filter(({ at }) => at === 'drop the binding').length +
          (s.binding.held ? 1 : 0),
    }),
    'the domain is there for all who handle its faults': invariant({
      doc: 'the IRQ thread, workers, and user space, whose groups lead to the handle of the domain',
      requirement: ['HOST-14', 'IOPF-09', 'IOPF-18'],
      holds: (s) =>
        s.domain.allocated ||
        (!s.irq.domain && s.slot.every(({ work, user }) => work === 'none' && user === 'none') && !s.domain.published),
    }),
    'the device is there as long as it is looked up or used': invariant({
      requirement: ['IOPF-12', 'HOST-16'],
      holds: (s) =>
        s.device.allocated ||
        (!s.device.registered &&
          s.irq.slot === null &&
          !s.irq.param &&
          !s.irq.device &&
          s.report.at !== 'find the handler'),
    }),
    'the count of the device is the number of references': invariant({
      doc: 'one of the bus until it is released, one of the IRQ thread that has found it',
      requirement: ['IOPF-12', 'HOST-16'],
      holds: (s) => s.device.users === (s.remove.at === 'done' ? 0 : 1) + (s.irq.device ? 1 : 0),
    }),

    // Responses.
    'the device sees no unexpected response': invariant({
      doc: 'each response is for the use of the index that is outstanding',
      requirement: ['IOPF-05', 'PRI-11', 'IOPF-14'],
      holds: (s) => !s.device.unexpected,
    }),
    'an outstanding group is known to software': invariant({
      doc: 'a group whose Last was taken has memory, and its turn to be answered is still to come',
      requirement: ['IOPF-13', 'PRI-14', 'IOPF-12'],
      forall: { group: Group },
      given: (s, { group }) => s.group[group].at === 'outstanding',
      holds: (s, { group }) =>
        s.slot.some(
          (slot) =>
            slot.allocated &&
            slot.group === group &&
            slot.epoch === s.group[group].epoch &&
            (slot.pending || slot.user !== 'none'),
        ),
    }),
    'no partial is stored for a device that was removed': invariant({
      requirement: ['IOPF-12', 'IOPF-18'],
      given: (s) => !s.param.published,
      holds: (s) => s.group.every(({ partial }) => !partial),
    }),
    'a stored partial belongs to a group that is not over': invariant({
      requirement: ['IOPF-02', 'IOPF-17'],
      forall: { group: Group },
      given: (s, { group }) => s.group[group].partial,
      holds: (s, { group }) => s.group[group].at !== 'free' && s.group[group].at !== 'outstanding',
    }),
    'a group on the list is not handled after the device was removed': invariant({
      requirement: ['IOPF-12', 'IOPF-18'],
      given: (s) => !s.param.published,
      holds: (s) => s.slot.every(({ pending, work }) => !pending && work === 'none'),
    }),

    // Order.
    'PRI is on only with ATS': invariant({
      requirement: ['PRIEN-01', 'PRIEN-03'],
      holds: (s) => !s.device.pri || s.device.ats,
    }),
    'PRI goes off when no group of the PASID is outstanding': transition({
      requirement: ['PRIEN-03', 'IOPF-18'],
      given: (before, _action, after) => before.device.pri && !after.device.pri,
      holds: (before) => before.group.every(({ at, bound }) => !bound || at === 'free' || at === 'open'),
    }),
    'a device is removed from the queue when its PASID is quiet': transition({
      requirement: ['IOPF-18', 'HOST-14'],
      given: (before, _action, after) => before.param.published && !after.param.published,
      holds: (before) =>
        before.device.entry === 'blocked' &&
        before.group.every(({ at, bound }) => !bound || (at !== 'queued' && at !== 'taken')),
    }),

    'no request of the PASID that is attached is refused': transition({
      doc: 'its handler and the fault parameters are there from before the PASID entry is set until after the drain',
      requirement: ['IOPF-01', 'IOPF-19', 'HOST-14'],
      given: (before, action) => action.type === 'report' && before.irq.group !== null,
      holds: (before, action) =>
        action.type !== 'report' ||
        before.irq.group === null ||
        !before.group[before.irq.group].bound ||
        !['refuse the request', 'refuse it for a device that is not there'].includes(action.step),
    }),
    'PRI goes on when its requests can be taken': transition({
      doc: 'ATS is on, and the device is on the fault queue',
      requirement: ['PRIEN-01', 'PRIEN-03', 'IOPF-01'],
      given: (before, _action, after) => !before.device.pri && after.device.pri,
      holds: (before) => before.device.ats && before.param.published,
    }),
    'a device asks only while PRI is on': transition({
      requirement: ['PRIEN-01', 'PRIEN-03'],
      given: (_before, action) => action.type === 'ask' || action.type === 'askLast',
      holds: (before) => before.device.pri,
    }),

    // Locks.
    'locks are held by who thinks so': invariant({
      requirement: ['IOPF-11', 'PRI-33'],
      holds: (s) =>
        (s.registryLock === 'irq thread') === !['take a request', 'lock the registry'].includes(s.report.at) &&
        (s.bindingLock === 'removal') === ['block the PASID entry', 'unlock the binding'].includes(s.remove.at) &&
        (s.bindingLock === 'worker') === s.work.some(({ at }) => at === 'respond') &&
        (s.tableLock === 'user space') === (s.serve.at !== 'lock the table') &&
        (s.param.lock === 'removal') === (s.remove.at === 'remove the device from the fault queue'),
    }),

    // Liveness.
    'a request is taken up': leadsTo({
      doc: 'the IRQ thread hands over, stores or refuses what it has taken',
      requirement: ['IOPF-13', 'IOPF-15', 'IOPF-11'],
      from: (s) => s.irq.group !== null,
      to: (s) => s.irq.group === null,
    }),
    'a group that workers handle is answered': leadsTo({
      requirement: ['IOPF-13', 'PRI-14'],
      forall: { slot: Slot },
      from: (s, { slot }) => s.handler === 'workers' && s.slot[slot].pending,
      to: (s, { slot }) => !s.slot[slot].pending,
    }),
    'a removal ends': leadsTo({
      doc: 'unless user space, whose groups it answers, holds its own copy up',
      requirement: ['IOPF-11', 'PRI-33', 'IOPF-12'],
      from: (s) =>
        s.device.entry === 'blocked' && s.remove.at !== 'lock the binding' && s.remove.at !== 'block the PASID entry',
      to: (s) => s.remove.at === 'done' || userSpaceCopies(s.serve.at),
    }),
    'everything can be freed': recoverable({
      doc: 'when the device is gone, so are its fault parameters and all groups',
      requirement: ['IOPF-12'],
      holds: (s) => !s.device.allocated && !s.param.allocated && s.slot.every(({ allocated }) => !allocated),
    }),
    'something can always happen': deadlockFree({
      final: {
        'the device is gone': (s) => s.remove.at === 'done',
      },
    }),

    'user space has a group when the device is removed from the queue': reachable({
      requirement: ['IOPF-12', 'IOPF-14'],
      holds: (s) => !s.param.published && s.slot.some(({ user }) => user === 'read'),
    }),
    'a worker runs while the removal waits': reachable({
      requirement: ['IOPF-09', 'PRI-33'],
      holds: (s) => s.device.entry === 'blocked' && s.slot.some(({ work }) => work === 'running'),
    }),
    'a request is refused for a device that is gone': reachable({
      requirement: ['PRI-24', 'HOST-16'],
      holds: (s) => !s.device.registered && members(Group).some((group) => s.group[group].at === 'taken'),
    }),
  }),
);
