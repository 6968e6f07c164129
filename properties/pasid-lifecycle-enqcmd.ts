/**
 * What must hold of IA32_PASID: no thread ever submits with a PASID that is not that of its mm, every activated thread keeps its
 * own, each is fixed up once, and no #GP goes round in circles.
 */
import { properties } from '../language/index.ts';
import { differ } from '../model/parts/differ.ts';
import { Cpu, cpuOf, Mm, pasidLifecycleEnqcmd, pasidOf, Thread } from '../model/pasid-lifecycle-enqcmd.ts';

export const pasidLifecycleEnqcmdProperties = properties(
  pasidLifecycleEnqcmd,
  ({ invariant, transition, leadsTo, reachable, deadlockFree, size }) => ({
    'no descriptor carries the PASID of another process': invariant({
      requirement: ['ENQ-04', 'ENQ-08', 'PASID-16'],
      holds: (s) => !s.foreign,
    }),
    'in user mode IA32_PASID is that of the mm, or not valid': invariant({
      requirement: ['ENQ-04', 'ENQ-05', 'ENQ-06', 'PASID-12', 'PASID-13', 'PASID-16'],
      forall: { cpu: Cpu },
      given: (s, { cpu }) => s.cpu[cpu].mode === 'user',
      holds: (s, { cpu }) => {
        const { current, msr } = s.cpu[cpu];
        return msr === null || (current !== null && s.thread[current].mm === msr && s.mm[msr].pasid === msr);
      },
    }),
    'an activated thread has the PASID, and no other thread has one': invariant({
      doc: 'in the register or in the image, whichever counts: over every switch, exec, clone and use of the registers',
      requirement: ['ENQ-05', 'ENQ-06', 'ENQ-07', 'ENQ-08', 'ENQ-09', 'PASID-14', 'PASID-15', 'PASID-16'],
      forall: { thread: Thread },
      given: (s, { thread }) => s.thread[thread].mm !== null,
      holds: (s, { thread }) => {
        const { mm, activated } = s.thread[thread];
        return pasidOf(s, thread) === (activated ? mm : null);
      },
    }),
    'an activated thread belongs to an mm with a PASID': invariant({
      requirement: ['PASID-13', 'ENQ-02'],
      forall: { thread: Thread, mm: Mm },
      given: (s, { thread, mm }) => s.thread[thread].mm === mm && s.thread[thread].activated,
      holds: (s, { mm }) => s.mm[mm].pasid === mm,
    }),
    'a live mm has its own PASID or none': invariant({
      requirement: ['PASID-02', 'PASID-04', 'PASID-12'],
      forall: { mm: Mm },
      holds: (s, { mm }) => s.mm[mm].pasid === null || (s.mm[mm].alive && s.mm[mm].pasid === mm),
    }),
    'an mm lives while it has threads': invariant({
      forall: { mm: Mm },
      holds: (s, { mm }) => s.mm[mm].alive === s.thread.some((thread) => thread.mm === mm),
    }),
    'a thread runs on one CPU': invariant({
      forall: { thread: Thread },
      holds: (s, { thread }) => s.cpu.filter(({ current }) => current === thread).length <= 1,
    }),
    'in user mode the registers are loaded': invariant({
      requirement: ['ENQ-06'],
      forall: { cpu: Cpu },
      given: (s, { cpu }) => s.cpu[cpu].mode === 'user',
      holds: (s, { cpu }) => {
        const { current, owner } = s.cpu[cpu];
        return current !== null && owner === current && !s.thread[current].load && s.thread[current].lastCpu === cpu;
      },
    }),
    'interrupts are off only while a fault is fixed': invariant({
      requirement: ['ENQ-06'],
      forall: { cpu: Cpu },
      given: (s, { cpu }) => !s.cpu[cpu].interrupts,
      holds: (s, { cpu }) => {
        const { current, mode } = s.cpu[cpu];
        return current !== null && mode === 'kernel' && s.handleGp[current].at !== 'raise #GP';
      },
    }),
    'the fixup writes only the register of its own thread': transition({
      requirement: ['ENQ-06'],
      forall: { thread: Thread },
      given: (_before, action, _after, { thread }) =>
        action.type === 'handleGp' && action.step === 'load IA32_PASID' && action.thread === thread,
      holds: (before, _action, _after, { thread }) => {
        const cpu = cpuOf(before, thread);
        return cpu !== null && before.cpu[cpu].owner === thread && !before.thread[thread].load;
      },
    }),
    'each thread is fixed up at most once': transition({
      doc: 'a thread that is activated gets SIGSEGV',
      requirement: ['ENQ-02', 'ENQ-03'],
      forall: { thread: Thread },
      given: (_before, action, _after, { thread }) =>
        action.type === 'handleGp' && action.step === 'load IA32_PASID' && action.thread === thread,
      holds: (before, _action, after, { thread }) => !before.thread[thread].activated && after.thread[thread].activated,
    }),
    'only the fixup activates a thread': transition({
      doc: 'no bind, clone or switch does: each thread takes its own #GP',
      requirement: ['PASID-14', 'PASID-15', 'ENQ-07'],
      forall: { thread: Thread },
      given: (before, _action, after, { thread }) =>
        after.thread[thread].mm !== null && pasidOf(before, thread) === null && pasidOf(after, thread) !== null,
      holds: (_before, action, _after, { thread }) => action.type === 'handleGp' && action.thread === thread,
    }),
    'a bind tells no thread': transition({
      requirement: ['PASID-15'],
      forall: { cpu: Cpu },
      given: (_before, action) => action.type === 'bind',
      holds: (before, _action, after, { cpu }) => before.cpu[cpu].msr === after.cpu[cpu].msr,
    }),
    'ENQCMD is not answered with SIGSEGV where a PASID is': transition({
      doc: 'a thread whose mm had a PASID when it was looked for is not killed for its ENQCMD; also after exec',
      requirement: ['ENQ-02', 'ENQ-09'],
      forall: { thread: Thread },
      given: (before, action, _after, { thread }) =>
        action.type === 'handleGp' &&
        action.step === 'look for a PASID' &&
        action.thread === thread &&
        before.thread[thread].instruction === 'enqcmd',
      holds: (before, _action, after, { thread }) => {
        const { mm } = before.thread[thread];
        return mm === null || before.mm[mm].pasid === null || after.handleGp[thread].pasid !== null;
      },
    }),
    'nothing is accepted without a valid PASID': transition({
      requirement: ['ENQ-01'],
      forall: { thread: Thread },
      given: (_before, action, _after, { thread }) => action.type === 'enqcmd' && action.thread === thread,
      holds: (before, _action, _after, { thread }) => pasidOf(before, thread) !== null,
    }),

    'something can always happen': deadlockFree({
      final: { 'every thread has exited': (s) => s.thread.every(({ mm }) => mm === null) },
    }),
    'a #GP is over at last': leadsTo({
      doc: 'the instruction is done, or has cost a signal: no fault loop',
      requirement: ['ENQ-03'],
      forall: { thread: Thread },
      from: (s, { thread }) => s.thread[thread].instruction === 'other that faults',
      to: (s, { thread }) => s.thread[thread].instruction !== 'other that faults',
    }),
    'an ENQCMD is over at last': leadsTo({
      doc: 'accepted, told to retry, or answered with a signal',
      requirement: ['ENQ-03', 'ENQ-09', 'ENQ-21'],
      forall: { thread: Thread },
      from: (s, { thread }) => s.thread[thread].instruction === 'enqcmd',
      to: (s, { thread }) => s.thread[thread].instruction !== 'enqcmd',
    }),

    'two threads of one mm are activated': reachable({
      requirement: ['PASID-14', 'PASID-16'],
      exists: { thread: Thread, other: Thread },
      holds: (s, { thread, other }) =>
        differ(thread, other) &&
        s.thread[thread].activated &&
        s.thread[other].activated &&
        s.thread[thread].mm === s.thread[other].mm,
    }),
    ...(size.mm > 1
      ? {
          "threads of two mm's are activated": reachable({
            requirement: ['ENQ-04'],
            exists: { thread: Thread, other: Thread },
            holds: (s, { thread, other }) =>
              s.thread[thread].activated && s.thread[other].activated && s.thread[thread].mm !== s.thread[other].mm,
          }),
        }
      : {}),
    'a thread that was there before the bind takes its #GP': reachable({
      requirement: ['PASID-15', 'ENQ-01'],
      exists: { thread: Thread, other: Thread },
      holds: (s, { thread, other }) =>
        differ(thread, other) &&
        s.thread[thread].mm === s.thread[other].mm &&
        s.thread[other].activated &&
        s.handleGp[thread].at === 'load IA32_PASID',
    }),
    'an ENQCMD without PASID costs a signal': reachable({
      requirement: ['ENQ-01', 'ENQ-02'],
      exists: { thread: Thread },
      holds: (s, { thread }) =>
        s.handleGp[thread].at === 'send SIGSEGV' &&
        s.thread[thread].instruction === 'enqcmd' &&
        !s.thread[thread].activated,
    }),
    'a #GP for another reason is fixed up once, in vain': reachable({
      requirement: ['ENQ-03'],
      exists: { thread: Thread },
      holds: (s, { thread }) =>
        s.thread[thread].activated &&
        s.thread[thread].instruction === 'other that faults' &&
        s.handleGp[thread].at === 'send SIGSEGV',
    }),
    'the image keeps an old PASID that does not count': reachable({
      doc: 'the init optimisation',
      requirement: ['ENQ-05'],
      exists: { thread: Thread },
      holds: (s, { thread }) => s.thread[thread].image !== null && !s.thread[thread].inUse,
    }),
    'the registers of another thread are still on the CPU': reachable({
      requirement: ['ENQ-06'],
      exists: { cpu: Cpu },
      holds: (s, { cpu }) => {
        const { current, owner, msr } = s.cpu[cpu];
        return current !== null && owner !== null && owner !== current && msr !== null;
      },
    }),
    'a PASID is used again while the register of a dead thread still holds it': reachable({
      requirement: ['PASID-11', 'ENQ-10'],
      exists: { cpu: Cpu, mm: Mm },
      holds: (s, { cpu, mm }) => s.cpu[cpu].owner === null && s.cpu[cpu].msr === mm && s.mm[mm].alive,
    }),
  }),
);
