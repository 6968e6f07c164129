/**
 * The first bind of an mm, step by step: threads that bind at the same time, one that takes a #GP meanwhile and reads the PASID
 * without a lock, and one that switches tagged pointers (LAM) on. (PASID-03, PASID-04, PASID-08, PASID-17)
 *
 * Scope: one mm with several threads. mm->iommu_mm is a pointer to a record that is allocated, filled and then published; LAM can
 * be enabled only as long as the process never had a second thread (MM_CONTEXT_LOCK_LAM).
 *
 * Atomicity: one read or write of memory that others see is one step, in program order; a missing release barrier is a step moved
 * forward. The prctl looks for a PASID before it takes mmap_lock, as in Linux 7.0.
 *
 * Abstracted away: attaching, and all that follows, is `pasid-lifecycle`. Threads do not end, so that the lock bit of LAM is simply
 * that there is a second thread.
 *
 * Fairness: a thread that is in the kernel goes on, and the lock is granted at last. Nobody has to bind, fault or call prctl.
 */
import { bool, each, model, oneOf, optional, sort } from '../language/index.ts';

export const Thread = sort('thread');
export const Pasid = sort('pasid');

/** Whether a thread is there and in user mode. */
function isFree({ exists, does }: { readonly exists: boolean; readonly does: string }): boolean {
  return exists && does === 'nothing';
}

/** The model. */
export const pasidLifecycleFirstBind = model({
  name: 'pasid-lifecycle/first-bind',
  doc: 'Threads of one mm bind for the first time at once, while others read its PASID or enable tagged pointers.',
  sizes: { smoke: { thread: 2, pasid: 2 }, ci: { thread: 3, pasid: 2 }, deep: { thread: 4, pasid: 3 } },
  state: {
    thread: each(Thread, {
      exists: bool,
      does: oneOf('nothing', 'bind', 'fault', 'prctl'),
      /** What its #GP handler read: a PASID that was there, or a record that was not filled yet. */
      read: oneOf('nothing', 'no PASID', 'a PASID', 'garbage'),
    }),
    pool: each(Pasid, { taken: bool }),
    /** mm->iommu_mm: whether it is published, and what the record holds. */
    record: { published: bool, pasid: optional(Pasid) },
    lock: optional(Thread),
    tagged: bool,
  },
  initial: {
    choose: { thread: Thread },
    then: (s, { thread }) => {
      s.thread[thread].exists = true;
    },
  },
  actions: ({ action, procedure }) => ({
    clone: action(
      { thread: Thread, child: Thread },
      {
        actor: 'kernel',
        source: ['PASID-14', 'PASID-17'],
        when: {
          'the parent is free for it': (s, { thread }) => isFree(s.thread[thread]),
          'there is room': (s, { child }) => !s.thread[child].exists,
        },
        then: {
          'start it, which locks LAM': (s, { child }) => {
            s.thread[child].exists = true;
          },
        },
      },
    ),
    bind: procedure(
      { thread: Thread },
      {
        actor: 'driver',
        doc: 'iommu_sva_bind_device up to iommu_alloc_mm_data',
        source: ['PASID-03', 'PASID-04', 'PASID-08'],
        repeat: true,
        fairness: 'weak',
        locals: { pasid: optional(Pasid), refused: bool },
        steps: ({ step, branch }) => [
          step('begin', {
            fairness: 'none',
            when: {
              'the thread is free for it': (s, { thread }) => isFree(s.thread[thread]),
            },
            then: {
              'enter the kernel': (s, { thread }) => {
                s.thread[thread].does = 'bind';
              },
            },
          }),
          step('take iommu_sva_lock', {
            source: 'PASID-08',
            fairness: 'strong',
            when: { 'the lock is free': (s) => s.lock === null },
            then: {
              'take it': (s, { thread }) => {
                s.lock = thread;
              },
            },
          }),
          step('check tagged pointers', {
            source: 'PASID-17',
            then: {
              'refuse while LAM is on': (s, _p, me) => {
                me.refused = s.tagged;
              },
            },
          }),
          branch('it goes on', {
            fused: true,
            if: (_s, _p, me) => !me.refused,
            then: [
              branch('the mm has no record', {
                if: (s) => !s.record.published,
                then: [
                  step('allocate a PASID', {
                    choose: { pasid: Pasid },
                    when: { 'it is free': (s, { pasid }) => !s.pool[pasid].taken },
                    then: {
                      'take it from the pool': (s, { pasid }, me) => {
                        s.pool[pasid].taken = true;
                        me.pasid = pasid;
                      },
                    },
                  }),
                  step('fill the record', {
                    then: {
                      'write the PASID': (s, _p, me) => {
                        s.record.pasid = me.pasid;
                      },
                    },
                  }),
                  step('publish the record', {
                    doc: 'smp_store_release',
                    source: 'PASID-08',
                    then: {
                      'write the pointer': (s) => {
                        s.record.published = true;
                      },
                    },
                  }),
                ],
              }),
            ],
          }),
          step('release iommu_sva_lock', {
            then: {
              'release it': (s) => {
                s.lock = null;
              },
              'leave the kernel': (s, { thread }, me) => {
                s.thread[thread].does = 'nothing';
                me.pasid = null;
                me.refused = false;
              },
            },
          }),
        ],
      },
    ),
    fault: procedure(
      { thread: Thread },
      {
        actor: 'kernel',
        doc: 'try_fixup_enqcmd_gp reads the pointer and then the PASID, without a lock',
        source: ['PASID-08', 'ENQ-02'],
        repeat: true,
        fairness: 'weak',
        locals: { found: bool },
        steps: ({ step }) => [
          step('read the pointer', {
            fairness: 'none',
            when: {
              'the thread is free for it': (s, { thread }) => isFree(s.thread[thread]),
            },
            then: {
              'note whether there is a record': (s, { thread }, me) => {
                s.thread[thread].does = 'fault';
                s.thread[thread].read = 'nothing';
                me.found = s.record.published;
              },
            },
          }),
          step('read the PASID', {
            then: {
              'note what it is': (s, { thread }, me) => {
                if (!me.found) s.thread[thread].read = 'no PASID';
                else s.thread[thread].read = s.record.pasid === null ? 'garbage' : 'a PASID';
              },
              'leave the kernel': (s, { thread }, me) => {
                s.thread[thread].does = 'nothing';
                me.found = false;
              },
            },
          }),
        ],
      },
    ),
    enableTaggedPointers: procedure(
      { thread: Thread },
      {
        actor: 'kernel',
        doc: 'prctl_enable_tagged_addr',
        source: 'PASID-17',
        repeat: true,
        fairness: 'weak',
        locals: { refused: bool },
        steps: ({ step }) => [
          step('look for a PASID', {
            fairness: 'none',
            when: {
              'the thread is free for it': (s, { thread }) => isFree(s.thread[thread]),
            },
            then: {
              'enter the kernel': (s, { thread }) => {
                s.thread[thread].does = 'prctl';
              },
              'refuse an mm with a PASID': (s, _p, me) => {
                if (s.record.published) me.refused = true;
              },
            },
          }),
          step('enable LAM', {
            doc: 'under mmap_lock',
            then: {
              'refuse if there was a second thread': (s, { thread }, me) => {
                if (s.thread.some(({ exists }, other) => exists && other !== thread)) me.refused = true;
              },
              'enable it': (s, _p, me) => {
                if (!me.refused) s.tagged = true;
              },
              'leave the kernel': (s, { thread }, me) => {
                s.thread[thread].does = 'nothing';
                me.refused = false;
              },
            },
          }),
        ],
      },
    ),
  }),
});
