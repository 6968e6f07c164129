/**
 * What must hold of a work queue that changes hands: its next client gets nothing of the last, software and hardware agree on what
 * is enabled, memory is not freed under the device, and a submission ends however the queue is filled.
 */
import { properties } from '../language/index.ts';
import { Client, pasidLifecycleWorkQueue, WorkQueue } from '../model/pasid-lifecycle-work-queue.ts';

const disabling = ['configure the WQ', 'free the memory'];

export const pasidLifecycleWorkQueueProperties = properties(
  pasidLifecycleWorkQueue,
  ({ invariant, transition, leadsTo, recoverable, reachable, deadlockFree }) => ({
    'no descriptor uses the page of another client': invariant({
      requirement: ['ENQ-22', 'PASID-11'],
      holds: (s) => s.harm !== 'used the page of another client',
    }),
    'no completion is written into freed memory': invariant({
      requirement: ['ENQ-14', 'ENQ-22'],
      holds: (s) => s.harm !== 'completed into freed memory',
    }),
    'the cache of a PASID has pages of that client': invariant({
      requirement: ['ENQ-22', 'PASID-11'],
      forall: { client: Client },
      given: (s, { client }) => s.cache[client].page !== null,
      holds: (s, { client }) => s.cache[client].page === client,
    }),
    'descriptors are flushed while their memory is there': invariant({
      requirement: ['ENQ-14'],
      forall: { wq: WorkQueue },
      given: (s, { wq }) => s.changeClient[wq].at === 'flush the interrupt' || !s.wq[wq].queue.isEmpty,
      holds: (s, { wq }) => s.wq[wq].memory === 'allocated',
    }),
    'software knows what is enabled': invariant({
      doc: 'unless something is under way, a WQ is enabled in hardware just when its state says so, and so does the map',
      requirement: ['ENQ-18', 'ENQ-21'],
      forall: { wq: WorkQueue },
      given: (s, { wq }) =>
        s.resetDevice.at === 'reset the device' && ['take wq_lock', 'map the portal'].includes(s.changeClient[wq].at),
      holds: (s, { wq }) => {
        const { state, mapped, enabled } = s.wq[wq];
        return enabled === (state === 'enabled') && enabled === mapped;
      },
    }),
    'a WQ is configured only while it is disabled and empty': invariant({
      requirement: ['ENQ-14', 'ENQ-18'],
      forall: { wq: WorkQueue },
      given: (s, { wq }) => disabling.includes(s.changeClient[wq].at),
      holds: (s, { wq }) => {
        const { enabled, queue, pending, mapped } = s.wq[wq];
        return !enabled && queue.isEmpty && pending.isEmpty && !mapped;
      },
    }),
    'an enabled WQ has a client and memory': invariant({
      requirement: ['ENQ-18'],
      forall: { wq: WorkQueue },
      given: (s, { wq }) => s.wq[wq].enabled,
      holds: (s, { wq }) => s.wq[wq].client !== null && s.wq[wq].memory === 'allocated',
    }),
    'wq_lock is held while the WQ changes hands': invariant({
      forall: { wq: WorkQueue },
      holds: (s, { wq }) =>
        s.wq[wq].locked ===
        [
          'quiesce',
          'drain the WQ',
          'flush the interrupt',
          'reset the WQ',
          'free the memory',
          'configure the WQ',
          'release wq_lock',
        ].includes(s.changeClient[wq].at),
    }),
    'a queue grows only by what is submitted': transition({
      requirement: ['ENQ-20'],
      forall: { wq: WorkQueue },
      given: (before, _action, after, { wq }) => after.wq[wq].queue.length > before.wq[wq].queue.length,
      holds: (before, action, after, { wq }) =>
        (action.type === 'submit' || action.type === 'submitFromKernel') &&
        after.wq[wq].queue.length === before.wq[wq].queue.length + 1,
    }),
    'something can always happen': deadlockFree({}),
    'a submission by the kernel ends': leadsTo({
      doc: 'accepted or given up, although others keep the queue full and the knob is turned',
      requirement: ['ENQ-21'],
      forall: { wq: WorkQueue },
      from: (s, { wq }) => s.submitFromKernel[wq].at !== 'read the knob',
      to: (s, { wq }) => s.submitFromKernel[wq].at === 'read the knob',
    }),
    'a WQ that is to change hands does': leadsTo({
      requirement: ['ENQ-14', 'ENQ-18'],
      forall: { wq: WorkQueue },
      from: (s, { wq }) => s.changeClient[wq].at !== 'take wq_lock',
      to: (s, { wq }) => s.changeClient[wq].at === 'take wq_lock',
    }),
    'a device reset ends': leadsTo({
      from: (s) => s.resetDevice.at !== 'reset the device',
      to: (s) => s.resetDevice.at === 'reset the device',
    }),
    'an accepted descriptor ends': leadsTo({
      requirement: ['ENQ-21'],
      forall: { wq: WorkQueue },
      from: (s, { wq }) => s.wq[wq].queue.isFull,
      to: (s, { wq }) => !s.wq[wq].queue.isFull,
    }),
    'a WQ can always be used again': recoverable({
      requirement: ['ENQ-18'],
      forall: { wq: WorkQueue },
      holds: (s, { wq }) => s.wq[wq].enabled && s.wq[wq].portal,
    }),

    'the kernel is told to retry': reachable({
      requirement: ['ENQ-20', 'ENQ-21'],
      exists: { wq: WorkQueue },
      holds: (s, { wq }) => s.submitFromKernel[wq].outcome === 'given up' && s.wq[wq].queue.isFull,
    }),
    'a translation is pending while the WQ is drained': reachable({
      requirement: ['ENQ-14', 'ENQ-25'],
      exists: { wq: WorkQueue },
      holds: (s, { wq }) => s.changeClient[wq].at === 'drain the WQ' && !s.wq[wq].pending.isEmpty,
    }),
    'a reset comes between enabling in software and in hardware': reachable({
      exists: { wq: WorkQueue },
      holds: (s, { wq }) =>
        s.changeClient[wq].at === 'enable the WQ' && s.resetDevice.at !== 'reset the device' && !s.wq[wq].enabled,
    }),
    'a client is followed by another': reachable({
      requirement: 'ENQ-18',
      exists: { client: Client, wq: WorkQueue },
      holds: (s, { client, wq }) =>
        s.cache[client].page !== null && s.wq[wq].client !== client && !s.wq[wq].queue.isEmpty,
    }),
  }),
);
