/**
 * What must hold of the first bind: one PASID for the mm however many bind at once, no reader of a record that is not filled, and
 * no tagged pointers beside a PASID.
 */
import { properties } from '../language/index.ts';
import { pasidLifecycleFirstBind, Pasid, Thread } from '../model/pasid-lifecycle-first-bind.ts';

const outside = ['begin', 'take iommu_sva_lock'];

export const pasidLifecycleFirstBindProperties = properties(
  pasidLifecycleFirstBind,
  ({ invariant, transition, leadsTo, reachable, deadlockFree }) => ({
    'an mm takes one PASID': invariant({
      requirement: ['PASID-04', 'PASID-08'],
      holds: (s) => s.pool.filter(({ taken }) => taken).length <= 1,
    }),
    'the record has the PASID that was taken': invariant({
      requirement: ['PASID-04', 'PASID-08'],
      forall: { pasid: Pasid },
      given: (s) => s.lock === null,
      holds: (s, { pasid }) => s.pool[pasid].taken === (s.record.published && s.record.pasid === pasid),
    }),
    'no thread reads a record that is not filled': invariant({
      requirement: ['PASID-08', 'ENQ-02'],
      forall: { thread: Thread },
      holds: (s, { thread }) => s.thread[thread].read !== 'garbage',
    }),
    'a published record is filled': invariant({
      requirement: ['PASID-08'],
      given: (s) => s.record.published,
      holds: (s) => s.record.pasid !== null,
    }),
    'no tagged pointers beside a PASID': invariant({
      requirement: ['PASID-17'],
      given: (s) => s.tagged,
      holds: (s) => !s.record.published,
    }),
    'iommu_sva_lock is held by who binds': invariant({
      requirement: ['PASID-08'],
      forall: { thread: Thread },
      holds: (s, { thread }) => (s.lock === thread) === !outside.includes(s.bind[thread].at),
    }),
    'a published PASID never changes': transition({
      requirement: ['PASID-04'],
      given: (before) => before.record.published,
      holds: (before, _action, after) => after.record.published && after.record.pasid === before.record.pasid,
    }),
    'something can always happen': deadlockFree({}),
    'a bind ends': leadsTo({
      requirement: ['PASID-08'],
      forall: { thread: Thread },
      from: (s, { thread }) => s.thread[thread].does === 'bind',
      to: (s, { thread }) => s.thread[thread].does !== 'bind',
    }),
    'a bind is refused because of tagged pointers': reachable({
      requirement: 'PASID-17',
      exists: { thread: Thread },
      holds: (s, { thread }) => s.bind[thread].refused,
    }),
    'two threads want to bind at once': reachable({
      requirement: 'PASID-08',
      holds: (s) => s.thread.filter(({ does }) => does === 'bind').length > 1 && !s.record.published,
    }),
    'a thread faults while another binds': reachable({
      requirement: ['PASID-08', 'PASID-15'],
      exists: { thread: Thread },
      holds: (s, { thread }) => s.thread[thread].read === 'no PASID' && s.record.pasid !== null,
    }),
  }),
);
