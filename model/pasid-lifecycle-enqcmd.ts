/**
 * How a thread gets the PASID of its process into IA32_PASID, and how it keeps it: lazily by the #GP of its first ENQCMD, as
 * XSAVE supervisor state over context switches, never by fork, clone or exec.
 * (PASID-12..16, ENQ-01..09)
 *
 * Scope: threads of several mm's on several CPUs. A CPU has the live register and remembers whose registers it holds last; a
 * thread has a saved image with the bit in XSTATE_BV that tells whether the component is in use (the init optimisation), the
 * CPU where its registers were last, and the flag that they have to be loaded before user mode (TIF_NEED_FPU_LOAD). A PASID
 * goes by the name of its mm and, like a number, comes back when that mm's slot is used again.
 *
 * Atomicity: each action is done with interrupts off, or under fpregs_lock, in Linux 7.0 as well; the handler of #GP is a
 * procedure, and nothing keeps other steps from coming between its own but that interrupts are off.
 *
 * Abstracted away, and why no bug hides there:
 * - Bind is one step: its order is `pasid-lifecycle/first-bind`; what a device does with work is `pasid-lifecycle`, what a full
 *   queue does is `pasid-lifecycle/portals`: ENQCMD is here accepted or told to retry, which ends it.
 * - Of all other state only IA32_PASID is there: it is saved and restored together with the rest.
 * - Freeing the PASID with the last thread: what bonds add to that is `pasid-lifecycle`.
 *
 * Fairness: the scheduler runs every thread again and again, the timer interrupts what runs, a CPU executes its instructions and
 * finishes its handlers. Nobody has to submit, to fork, to exec or to exit.
 */
import { bool, each, type Frozen, type Member, model, oneOf, optional, sort, type Value } from '../language/index.ts';

export const Thread = sort('thread');
export const Mm = sort('mm');
export const Cpu = sort('cpu');

type AThread = Member<'thread'>;
type AnMm = Member<'mm'>;
type ACpu = Member<'cpu'>;

const shape = {
  mm: each(Mm, { alive: bool, pasid: optional(Mm) }),
  thread: each(Thread, {
    /** None: there is no such thread. */
    mm: optional(Mm),
    /** What the instruction at its program counter is. */
    instruction: oneOf('none', 'enqcmd', 'other that faults'),
    activated: bool,
    /** The saved image: the bytes of IA32_PASID, and the bit in XSTATE_BV without which they count as 0. */
    image: optional(Mm),
    inUse: bool,
    /** TIF_NEED_FPU_LOAD. */
    load: bool,
    lastCpu: optional(Cpu),
    /** It is in the handler of #GP. */
    inException: bool,
  }),
  cpu: each(Cpu, {
    current: optional(Thread),
    mode: oneOf('kernel', 'user'),
    interrupts: bool,
    /** The live IA32_PASID: a valid PASID, or not valid. */
    msr: optional(Mm),
    /** fpu_fpregs_owner_ctx: whose registers were loaded here last. */
    owner: optional(Thread),
  }),
  /** A descriptor was accepted with the PASID of another mm than that of the submitter. */
  foreign: bool,
};
export type State = Value<typeof shape>;
type Seen = Frozen<State>;

/** The CPU on which a thread runs. */
export function cpuOf(s: Seen, thread: AThread): ACpu | null {
  for (const [cpu, { current }] of s.cpu.entries()) if (current === thread) return cpu;
  return null;
}

function runs(s: Seen, thread: AThread, mode: 'kernel' | 'user'): boolean {
  const cpu = cpuOf(s, thread);
  return cpu !== null && s.cpu[cpu].mode === mode;
}

/** Whether a thread runs in the kernel, in a system call or on its way back from an interrupt. */
function runsInKernel(s: Seen, thread: AThread): boolean {
  return runs(s, thread, 'kernel') && !s.thread[thread].inException;
}

/** fpregs_state_valid: the CPU still holds the thread's own registers. */
export function stillThere(s: Seen, thread: AThread, cpu: ACpu): boolean {
  return s.cpu[cpu].owner === thread && s.thread[thread].lastCpu === cpu;
}

/** XSAVES: a component in its initial state is not written, only its bit is cleared. */
function save(s: State, thread: AThread, cpu: ACpu): void {
  const { msr } = s.cpu[cpu];
  s.thread[thread].inUse = msr !== null;
  if (msr !== null) s.thread[thread].image = msr;
}

/** switch_fpu_prepare: the registers of the thread that stops, if they are loaded. */
function saveCurrent(s: State, cpu: ACpu): void {
  const { current } = s.cpu[cpu];
  if (current !== null && !s.thread[current].load) save(s, current, cpu);
}

/** Where the registers of the thread that stops were, if they are loaded. */
function noteWhere(s: State, cpu: ACpu): void {
  const { current } = s.cpu[cpu];
  if (current !== null && !s.thread[current].load) s.thread[current].lastCpu = cpu;
}

/** XRSTORS: a component whose bit is clear gets its initial state. */
function load(s: State, thread: AThread, cpu: ACpu): void {
  const { inUse, image } = s.thread[thread];
  s.cpu[cpu].msr = inUse ? image : null;
}

/** fpregs_restore_userregs. */
function restoreUserRegisters(s: State, thread: AThread, cpu: ACpu): void {
  if (!s.thread[thread].load) return;
  if (!stillThere(s, thread, cpu)) load(s, thread, cpu);
  s.cpu[cpu].owner = thread;
  s.thread[thread].lastCpu = cpu;
  s.thread[thread].load = false;
}

/** The last thread is gone: the mm is freed, and its PASID with it. */
function leaveMm(s: State, mm: AnMm): void {
  if (s.thread.some((thread) => thread.mm === mm)) return;
  s.mm[mm].alive = false;
  s.mm[mm].pasid = null;
}

/** The PASID with which the thread would submit: in the register, or in its image while it is not loaded. */
export function pasidOf(s: Seen, thread: AThread): AnMm | null {
  const cpu = cpuOf(s, thread);
  const { inUse, image, load: toLoad } = s.thread[thread];
  if (cpu !== null && (!toLoad || stillThere(s, thread, cpu))) return s.cpu[cpu].msr;
  return inUse ? image : null;
}

/** The model. */
export const pasidLifecycleEnqcmd = model({
  name: 'pasid-lifecycle/enqcmd',
  doc: 'Threads get the PASID of their mm into IA32_PASID by the #GP of their first ENQCMD, and keep it over context switches.',
  // `execForgets`: exec clears pasid_activated; Linux 7.0 does not. `together`: threads may be at such instructions at the same
  // time, and kernel threads, the kernel's own use of registers and other faults come also while there is a second thread.
  sizes: {
    smoke: { thread: 2, mm: 2, cpu: 1, execForgets: 1, together: 0 },
    ci: { thread: 2, mm: 1, cpu: 2, execForgets: 1, together: 1 },
    deep: { thread: 2, mm: 2, cpu: 2, execForgets: 1, together: 1 },
  },
  state: shape,
  /** One thread with an mm of its own, in the kernel of one CPU; the other CPUs are idle. */
  initial: {
    choose: { thread: Thread, mm: Mm, cpu: Cpu },
    then: (s, { thread, mm, cpu }) => {
      s.mm[mm].alive = true;
      s.thread[thread].mm = mm;
      s.thread[thread].load = true;
      s.cpu[cpu].current = thread;
      s.cpu.forEach((one) => {
        one.interrupts = true;
      });
    },
  },

  actions: ({ action, procedure, size }) => {
    const together = (s: Seen): boolean => size.together === 1 || s.thread.filter(({ mm }) => mm !== null).length <= 1;
    return {
      bind: action(
        { thread: Thread },
        {
          actor: 'kernel',
          doc: 'the first bind gives the mm its PASID; no thread is told',
          source: ['PASID-03', 'PASID-15'],
          when: {
            'the thread is in the kernel': (s, { thread }) => runsInKernel(s, thread),
            'its mm has no PASID': (s, { thread }) => {
              const { mm } = s.thread[thread];
              return mm !== null && s.mm[mm].pasid === null;
            },
          },
          then: {
            'give the mm a PASID': (s, { thread }) => {
              const { mm } = s.thread[thread];
              if (mm !== null) s.mm[mm].pasid = mm;
            },
          },
        },
      ),
      clone: action(
        { thread: Thread, child: Thread, mm: optional(Mm) },
        {
          actor: 'kernel',
          doc: 'clone(CLONE_VM) shares the mm, fork makes a new one: dup_task_struct, dup_mm and fpu_clone',
          source: ['PASID-12', 'PASID-14', 'ENQ-07'],
          when: {
            'the parent is in the kernel': (s, { thread }) => runsInKernel(s, thread),
            'there is room for a thread': (s, { child }) => s.thread[child].mm === null,
            'there is room for an mm': (s, { mm }) => mm === null || !s.mm[mm].alive,
          },
          then: {
            'copy the task': (s, { thread, child }) => {
              s.thread[child].mm = s.thread[thread].mm;
              s.thread[child].activated = s.thread[thread].activated;
              s.thread[child].instruction = 'none';
            },
            'copy the mm': (s, { thread, child, mm }) => {
              const from = s.thread[thread].mm;
              if (mm === null || from === null) return;
              s.mm[mm].alive = true;
              s.mm[mm].pasid = s.mm[from].pasid;
              s.thread[child].mm = mm;
            },
            'a new mm has no PASID': (s, { mm }) => {
              if (mm !== null) s.mm[mm].pasid = null;
            },
            'the child is not activated': (s, { child }) => {
              s.thread[child].activated = false;
            },
            'its registers are on no CPU': (s, { child }) => {
              s.thread[child].lastCpu = null;
            },
            'they are loaded before user mode': (s, { child }) => {
              s.thread[child].load = true;
            },
            'save the live registers as its image': (s, { thread, child }) => {
              const cpu = cpuOf(s, thread);
              if (cpu === null) return;
              restoreUserRegisters(s, thread, cpu);
              save(s, child, cpu);
            },
            'clear the PASID component': (s, { child }) => {
              s.thread[child].inUse = false;
            },
          },
        },
      ),
      exec: action(
        { thread: Thread, mm: Mm },
        {
          actor: 'kernel',
          doc: 'exec: a new mm, and fpu_flush_thread',
          source: ['PASID-13', 'ENQ-08', 'ENQ-09'],
          when: {
            'the thread is in the kernel': (s, { thread }) => runsInKernel(s, thread),
            'there is room for an mm': (s, { mm }) => !s.mm[mm].alive,
          },
          then: {
            'enter a new mm': (s, { thread, mm }) => {
              const old = s.thread[thread].mm;
              s.mm[mm].alive = true;
              s.thread[thread].mm = mm;
              s.thread[thread].instruction = 'none';
              if (old !== null) leaveMm(s, old);
            },
            'its registers are on no CPU': (s, { thread }) => {
              s.thread[thread].lastCpu = null;
            },
            'reset the image': (s, { thread }) => {
              s.thread[thread].inUse = false;
              s.thread[thread].image = null;
            },
            'it is loaded before user mode': (s, { thread }) => {
              s.thread[thread].load = true;
            },
            'forget the activation': (s, { thread }) => {
              if (size.execForgets === 1) s.thread[thread].activated = false;
            },
          },
        },
      ),
      exit: action(
        { thread: Thread },
        {
          actor: 'kernel',
          doc: 'fpu__drop, and the last thread frees the mm; last_cpu stays in the memory that the next task may get',
          when: { 'the thread is in the kernel': (s, { thread }) => runsInKernel(s, thread) },
          then: {
            "its registers are nobody's": (s, { thread }) => {
              const cpu = cpuOf(s, thread);
              if (cpu !== null && !s.thread[thread].load) s.cpu[cpu].owner = null;
            },
            'end the thread': (s, { thread }) => {
              const { mm } = s.thread[thread];
              const cpu = cpuOf(s, thread);
              if (cpu !== null) s.cpu[cpu].current = null;
              s.thread[thread].mm = null;
              s.thread[thread].instruction = 'none';
              s.thread[thread].activated = false;
              s.thread[thread].image = null;
              s.thread[thread].inUse = false;
              s.thread[thread].load = false;
              if (mm !== null) leaveMm(s, mm);
            },
          },
        },
      ),

      switchTo: action(
        { cpu: Cpu, thread: Thread },
        {
          actor: 'scheduler',
          source: ['ENQ-05', 'ENQ-06'],
          fairness: 'strong',
          when: {
            'the CPU may be preempted': (s, { cpu }) => s.cpu[cpu].mode === 'kernel' && s.cpu[cpu].interrupts,
            'the thread exists': (s, { thread }) => s.thread[thread].mm !== null,
            'it runs nowhere': (s, { thread }) => cpuOf(s, thread) === null,
          },
          then: {
            'save the registers of the thread that stops': (s, { cpu }) => saveCurrent(s, cpu),
            'note where they were': (s, { cpu }) => noteWhere(s, cpu),
            'those of the next are loaded before user mode': (s, { thread }) => {
              s.thread[thread].load = true;
            },
            'run the next': (s, { cpu, thread }) => {
              s.cpu[cpu].current = thread;
            },
          },
        },
      ),
      idle: action(
        { cpu: Cpu },
        {
          actor: 'scheduler',
          doc: 'a kernel thread runs: it borrows the address space and leaves the registers as they are',
          source: 'ENQ-06',
          when: {
            'the CPU may be preempted': (s, { cpu }) => s.cpu[cpu].mode === 'kernel' && s.cpu[cpu].interrupts,
            'a thread runs': (s, { cpu }) => s.cpu[cpu].current !== null,
            'it is explored': (s) => together(s),
          },
          then: {
            'save the registers of the thread that stops': (s, { cpu }) => saveCurrent(s, cpu),
            'note where they were': (s, { cpu }) => noteWhere(s, cpu),
            'run the kernel thread': (s, { cpu }) => {
              s.cpu[cpu].current = null;
            },
          },
        },
      ),
      returnToUser: action(
        { thread: Thread },
        {
          actor: 'kernel',
          source: ['ENQ-05', 'ENQ-06'],
          fairness: 'strong',
          when: { 'it runs in the kernel, in no exception': (s, { thread }) => runsInKernel(s, thread) },
          then: {
            'load the registers unless they are still there': (s, { thread }) => {
              const cpu = cpuOf(s, thread);
              if (cpu !== null) restoreUserRegisters(s, thread, cpu);
            },
            'go to user mode': (s, { thread }) => {
              const cpu = cpuOf(s, thread);
              if (cpu !== null) s.cpu[cpu].mode = 'user';
            },
          },
        },
      ),
      enterKernel: action(
        { cpu: Cpu },
        {
          actor: 'cpu',
          doc: 'a system call or an interrupt, at the latest that of the timer',
          fairness: 'weak',
          when: { 'it is in user mode': (s, { cpu }) => s.cpu[cpu].mode === 'user' },
          then: {
            'go to the kernel': (s, { cpu }) => {
              s.cpu[cpu].mode = 'kernel';
            },
          },
        },
      ),
      useRegistersInKernel: action(
        { cpu: Cpu },
        {
          actor: 'kernel',
          doc: "kernel_fpu_begin: what is live is saved and then nobody's",
          source: 'ENQ-06',
          when: {
            'the kernel runs': (s, { cpu }) => s.cpu[cpu].mode === 'kernel' && s.cpu[cpu].interrupts,
            "the registers are somebody's": (s, { cpu }) => s.cpu[cpu].owner !== null,
            'it is explored': (s) => together(s),
          },
          then: {
            'save the registers first': (s, { cpu }) => {
              const { current } = s.cpu[cpu];
              if (current === null || s.thread[current].load) return;
              save(s, current, cpu);
              s.thread[current].load = true;
            },
            "they are nobody's": (s, { cpu }) => {
              s.cpu[cpu].owner = null;
            },
          },
        },
      ),
      clearUserStates: action(
        { cpu: Cpu },
        {
          actor: 'kernel',
          doc: 'a signal frame gives user states their initial values; supervisor states stay (fpu__clear_user_states)',
          source: 'ENQ-05',
          when: {
            'a thread runs in the kernel': (s, { cpu }) =>
              s.cpu[cpu].mode === 'kernel' && s.cpu[cpu].interrupts && s.cpu[cpu].current !== null,
          },
          then: {
            'load the supervisor states unless they are still there': (s, { cpu }) => {
              const { current } = s.cpu[cpu];
              if (current !== null && !stillThere(s, current, cpu)) load(s, current, cpu);
            },
            'the registers are current': (s, { cpu }) => {
              const { current } = s.cpu[cpu];
              if (current === null) return;
              s.cpu[cpu].owner = current;
              s.thread[current].lastCpu = cpu;
              s.thread[current].load = false;
            },
          },
        },
      ),

      reach: action(
        { thread: Thread, instruction: oneOf('enqcmd', 'other that faults') },
        {
          actor: 'thread',
          doc: 'the thread comes to an ENQCMD, or to an instruction that raises #GP for another reason',
          when: {
            'it runs in user mode': (s, { thread }) => runs(s, thread, 'user'),
            'it is at no such instruction': (s, { thread }) => s.thread[thread].instruction === 'none',
            'it is explored': (s, { instruction }) =>
              together(s) || (instruction === 'enqcmd' && s.thread.every((other) => other.instruction === 'none')),
          },
          then: {
            'come to it': (s, { thread, instruction }) => {
              s.thread[thread].instruction = instruction;
            },
          },
        },
      ),
      enqcmd: action(
        { thread: Thread, status: oneOf('accepted', 'retry') },
        {
          actor: 'cpu',
          doc: 'ENQCMD takes the PASID from IA32_PASID; on retry nothing is enqueued',
          source: ['ENQ-01', 'ENQ-04', 'ENQ-20'],
          fairness: 'strong',
          when: {
            'it is at an ENQCMD in user mode': (s, { thread }) =>
              runs(s, thread, 'user') && s.thread[thread].instruction === 'enqcmd',
            'IA32_PASID is valid': (s, { thread }) => {
              const cpu = cpuOf(s, thread);
              return cpu !== null && s.cpu[cpu].msr !== null;
            },
          },
          then: {
            'enqueue the descriptor': (s, { thread, status }) => {
              const cpu = cpuOf(s, thread);
              if (cpu === null || status === 'retry') return;
              if (s.cpu[cpu].msr !== s.thread[thread].mm) s.foreign = true;
            },
            'go on': (s, { thread }) => {
              s.thread[thread].instruction = 'none';
            },
          },
        },
      ),
      handleGp: procedure(
        { thread: Thread },
        {
          actor: 'kernel',
          doc: 'exc_general_protection and try_fixup_enqcmd_gp',
          source: ['ENQ-01', 'ENQ-02', 'ENQ-03', 'ENQ-06'],
          repeat: true,
          fairness: 'strong',
          locals: { pasid: optional(Mm) },
          steps: ({ step, branch }) => [
            step('raise #GP', {
              when: {
                'it is in user mode': (s, { thread }) => runs(s, thread, 'user'),
                'the instruction faults': (s, { thread }) => {
                  const cpu = cpuOf(s, thread);
                  const { instruction } = s.thread[thread];
                  return (
                    instruction === 'other that faults' ||
                    (instruction === 'enqcmd' && cpu !== null && s.cpu[cpu].msr === null)
                  );
                },
              },
              then: {
                'go to the kernel': (s, { thread }) => {
                  const cpu = cpuOf(s, thread);
                  if (cpu !== null) s.cpu[cpu].mode = 'kernel';
                },
                'interrupts are off': (s, { thread }) => {
                  const cpu = cpuOf(s, thread);
                  if (cpu !== null) s.cpu[cpu].interrupts = false;
                },
                'enter the handler': (s, { thread }) => {
                  s.thread[thread].inException = true;
                },
              },
            }),
            step('look for a PASID', {
              source: 'ENQ-02',
              when: { 'the thread is running': (s, { thread }) => runs(s, thread, 'kernel') },
              then: {
                'read the PASID of the mm': (s, { thread }, me) => {
                  const { mm } = s.thread[thread];
                  me.pasid = mm === null ? null : s.mm[mm].pasid;
                },
                'refuse a thread that is activated': (s, { thread }, me) => {
                  if (s.thread[thread].activated) me.pasid = null;
                },
              },
            }),
            branch('it can be fixed', {
              fused: true,
              if: (_s, _p, me) => me.pasid !== null,
              then: [
                step('load IA32_PASID', {
                  doc: "writing the register is right only while the registers are the thread's own and not in its image",
                  source: ['ENQ-02', 'ENQ-06'],
                  when: { 'the thread is running': (s, { thread }) => runs(s, thread, 'kernel') },
                  then: {
                    'write the register': (s, { thread }, { pasid }) => {
                      const cpu = cpuOf(s, thread);
                      if (cpu !== null) s.cpu[cpu].msr = pasid;
                    },
                    'note the activation': (s, { thread }) => {
                      s.thread[thread].activated = true;
                    },
                  },
                }),
              ],
              else: [
                step('send SIGSEGV', {
                  source: 'ENQ-03',
                  when: { 'the thread is running': (s, { thread }) => runs(s, thread, 'kernel') },
                  then: {
                    'its handler goes on elsewhere': (s, { thread }) => {
                      s.thread[thread].instruction = 'none';
                    },
                  },
                }),
              ],
            }),
            step('return', {
              doc: 'to the same instruction if it was fixed',
              when: { 'the thread is running': (s, { thread }) => runs(s, thread, 'kernel') },
              then: {
                'interrupts are on': (s, { thread }) => {
                  const cpu = cpuOf(s, thread);
                  if (cpu !== null) s.cpu[cpu].interrupts = true;
                },
                'leave the handler': (s, { thread }, me) => {
                  s.thread[thread].inException = false;
                  me.pasid = null;
                },
              },
            }),
          ],
        },
      ),
    };
  },
});
