/**
 * Known and suspected bugs in the handling of IA32_PASID, as edits of the correct protocol or as a configuration.
 */
import { variants } from '../language/index.ts';
import { cpuOf, Mm, Cpu, stillThere } from '../model/pasid-lifecycle-enqcmd.ts';
import { pasidLifecycleEnqcmdProperties } from './pasid-lifecycle-enqcmd.ts';

export const pasidLifecycleEnqcmdVariants = variants(pasidLifecycleEnqcmdProperties, {
  'fork-copies-pasid-of-mm': {
    doc: 'the mm of a forked child keeps the PASID of its parent',
    reference: 'A4; Linux 82e69a121be4 (mm/fork: clear PASID for new mm)',
    violates: {
      'no descriptor carries the PASID of another process': 11,
      'in user mode IA32_PASID is that of the mm, or not valid': 10,
      'an activated thread has the PASID, and no other thread has one': 8,
      'an activated thread belongs to an mm with a PASID': 8,
      'a live mm has its own PASID or none': 2,
    },
    edits: ({ drop }) => [drop(['clone', 'a new mm has no PASID'])],
  },
  'clone-copies-the-component': {
    doc: 'fpu_clone leaves the PASID component in the image of the child: it submits as its parent, without any #GP',
    reference: 'A4; x86/process: Clear PASID state for a newly forked/cloned thread, 2021-09',
    violates: {
      'no descriptor carries the PASID of another process': 13,
      'in user mode IA32_PASID is that of the mm, or not valid': 10,
      'an activated thread has the PASID, and no other thread has one': 8,
      'only the fixup activates a thread': 8,
    },
    edits: ({ drop }) => [drop(['clone', 'clear the PASID component'])],
  },
  'clone-copies-the-activation': {
    doc: 'dup_task_struct copies pasid_activated: the child is never fixed up, and its ENQCMD kills it',
    reference: 'A4; pasid_activated is cleared in dup_task_struct since Linux 5.18',
    violates: {
      'an activated thread has the PASID, and no other thread has one': 8,
      'an activated thread belongs to an mm with a PASID': 8,
      'ENQCMD is not answered with SIGSEGV where a PASID is': 14,
    },
    edits: ({ drop }) => [drop(['clone', 'the child is not activated'])],
  },
  'exec-keeps-the-activation': {
    doc: 'exec resets IA32_PASID and leaves pasid_activated set: after the next bind, ENQCMD is answered with SIGSEGV for ever',
    reference: 'ENQ-09; Linux 7.0, where only dup_task_struct clears the flag: a candidate and not a confirmed bug',
    violates: {
      'an activated thread has the PASID, and no other thread has one': 8,
      'an activated thread belongs to an mm with a PASID': 8,
      'ENQCMD is not answered with SIGSEGV where a PASID is': 13,
    },
    set: { execForgets: 0 },
  },
  'exec-leaves-the-live-registers': {
    doc: 'exec resets the image, but the CPU still counts as holding the registers of the thread, and they are used again',
    reference: 'Linux 1f69383b203e (x86/fpu: Invalidate FPU state correctly on exec())',
    violates: {
      'no descriptor carries the PASID of another process': 11,
      'in user mode IA32_PASID is that of the mm, or not valid': 9,
      'an activated thread has the PASID, and no other thread has one': 8,
      'only the fixup activates a thread': 10,
    },
    edits: ({ drop }) => [drop(['exec', 'its registers are on no CPU'])],
  },
  'exec-keeps-the-image': {
    doc: 'exec does not reset the supervisor component of the image: the new program submits with the old PASID',
    reference: 'ENQ-08; fpu_flush_thread',
    violates: {
      'no descriptor carries the PASID of another process': 12,
      'in user mode IA32_PASID is that of the mm, or not valid': 10,
      'an activated thread has the PASID, and no other thread has one': 9,
    },
    edits: ({ drop }) => [drop(['exec', 'reset the image'])],
  },
  'pasid-broadcast-by-ipi': {
    doc: 'bind writes the PASID into the register of every CPU that may run the mm, whatever runs there by then',
    reference: 'A5; Linux 9bfecd0 (x86/cpufeatures: Force disable X86_FEATURE_ENQCMD and remove update_pasid())',
    violates: {
      'no descriptor carries the PASID of another process': 7,
      'in user mode IA32_PASID is that of the mm, or not valid': 5,
      'an activated thread has the PASID, and no other thread has one': 3,
      'only the fixup activates a thread': 3,
    },
    edits: ({ addAction }) => [
      addAction(
        'receivePasid',
        { cpu: Cpu, mm: Mm },
        {
          actor: 'cpu',
          when: {
            'a bind has sent it': (s, { mm }) => s.mm[mm].pasid !== null,
            'interrupts are on': (s, { cpu }) => s.cpu[cpu].interrupts,
          },
          then: {
            'write the register of whatever runs': (s, { cpu, mm }) => {
              s.cpu[cpu].msr = mm;
            },
          },
        },
      ),
    ],
  },
  'fault-loop': {
    doc: 'the fixup does not look whether the thread is activated: a #GP for another reason is fixed up again and again',
    reference: 'A5, ENQ-03; the test of pasid_activated in try_fixup_enqcmd_gp',
    violates: { 'each thread is fixed up at most once': 11, 'a #GP is over at last': 11 },
    edits: ({ drop }) => [drop(['handleGp', 'look for a PASID', 'refuse a thread that is activated'])],
  },
  'fixup-with-interrupts-on': {
    doc: "the fixup runs after interrupts were enabled: the thread is preempted, and the register that it writes is another's",
    reference: 'ENQ-06; try_fixup_enqcmd_gp comes before cond_local_irq_enable, and asserts it',
    violates: {
      'no descriptor carries the PASID of another process': 17,
      'in user mode IA32_PASID is that of the mm, or not valid': 13,
      'an activated thread has the PASID, and no other thread has one': 10,
      'the fixup writes only the register of its own thread': 9,
      'only the fixup activates a thread': 11,
      'ENQCMD is not answered with SIGSEGV where a PASID is': 15,
    },
    edits: ({ drop }) => [
      drop(['handleGp', 'raise #GP', 'interrupts are off']),
      // Preemption makes many states: what this bug does not need is left out.
      drop(['exec']),
      drop(['idle']),
      drop(['clearUserStates']),
      drop(['useRegistersInKernel']),
    ],
  },
  'fixup-writes-only-the-image': {
    doc: 'the PASID is written into the saved image without its bit in XSTATE_BV: XRSTORS takes the initial value',
    reference: 'ENQ-05, ENQ-06; the init optimisation, the reason for the direct MSR write in the redesign of 2021-09',
    violates: {
      'an activated thread has the PASID, and no other thread has one': 6,
      'ENQCMD is not answered with SIGSEGV where a PASID is': 10,
    },
    edits: ({ replace }) => [
      replace(['handleGp', 'load IA32_PASID', 'write the register'], (s, { thread }, { pasid }) => {
        const cpu = cpuOf(s, thread);
        s.thread[thread].image = pasid;
        s.thread[thread].load = true;
        s.thread[thread].lastCpu = null;
        if (cpu !== null) s.cpu[cpu].owner = null;
      }),
    ],
  },
  'switch-does-not-save': {
    doc: 'IA32_PASID is not among the saved components (not enabled in IA32_XSS): it is lost with the first switch',
    reference: 'ENQ-05; x86/fpu/xstate: Add supervisor PASID state',
    violates: {
      'an activated thread has the PASID, and no other thread has one': 9,
      'only the fixup activates a thread': 10,
      'ENQCMD is not answered with SIGSEGV where a PASID is': 14,
    },
    edits: ({ drop }) => [drop(['switchTo', 'save the registers of the thread that stops'])],
  },
  'registers-of-another-thread-kept': {
    doc: 'the return to user mode takes the registers for current without a look at whose they are',
    reference: 'ENQ-05, ENQ-06; fpregs_state_valid',
    violates: {
      'no descriptor carries the PASID of another process': 11,
      'in user mode IA32_PASID is that of the mm, or not valid': 9,
      'an activated thread has the PASID, and no other thread has one': 9,
      'only the fixup activates a thread': 9,
      'ENQCMD is not answered with SIGSEGV where a PASID is': 14,
    },
    edits: ({ drop, addEffect }) => [
      drop(['returnToUser', 'load the registers unless they are still there']),
      addEffect(['returnToUser'], 'take them for current', (s, { thread }) => {
        const cpu = cpuOf(s, thread);
        if (cpu === null) return;
        s.cpu[cpu].owner = thread;
        s.thread[thread].lastCpu = cpu;
        s.thread[thread].load = false;
      }),
    ],
  },
  'kernel-use-forgets-to-save': {
    doc: 'the kernel uses the registers without saving what is live: the activation outlives the PASID',
    reference: 'ENQ-06; kernel_fpu_begin_mask',
    violates: {
      'an activated thread has the PASID, and no other thread has one': 8,
      'ENQCMD is not answered with SIGSEGV where a PASID is': 11,
    },
    edits: ({ replace }) => [
      replace(['useRegistersInKernel', 'save the registers first'], (s, { cpu }) => {
        const { current } = s.cpu[cpu];
        if (current !== null) s.thread[current].load = true;
      }),
    ],
  },
  'signal-takes-foreign-supervisor-state': {
    doc: 'clearing the user states marks the registers as current without loading the supervisor states first',
    reference: 'ENQ-05; x86/fpu: preserve supervisor states in fpu__clear, 2020; fpu__clear_user_states',
    violates: {
      'no descriptor carries the PASID of another process': 12,
      'in user mode IA32_PASID is that of the mm, or not valid': 10,
      'an activated thread has the PASID, and no other thread has one': 9,
      'only the fixup activates a thread': 9,
      'ENQCMD is not answered with SIGSEGV where a PASID is': 16,
    },
    edits: ({ drop }) => [drop(['clearUserStates', 'load the supervisor states unless they are still there'])],
  },
  'child-in-recycled-task': {
    doc: 'last_cpu is not reset for a new thread, whose task memory was that of one whose registers a CPU still holds',
    reference: "ENQ-07; fpu_clone: the new task's FPU state cannot be valid in the hardware",
    violates: {
      'an activated thread has the PASID, and no other thread has one': 14,
      'only the fixup activates a thread': 14,
    },
    set: { mm: 1, cpu: 2 },
    edits: ({ drop }) => [drop(['clone', 'its registers are on no CPU'])],
  },
  'owner-alone-decides': {
    doc: 'a CPU whose owner is the thread is trusted although the thread has run, and was activated, on another CPU since',
    reference: 'ENQ-06; the second half of fpregs_state_valid (last_cpu)',
    violates: {
      'an activated thread has the PASID, and no other thread has one': 13,
      'only the fixup activates a thread': 17,
      'ENQCMD is not answered with SIGSEGV where a PASID is': 15,
    },
    set: { thread: 1, mm: 1, cpu: 2 },
    edits: ({ replace }) => [
      replace(['returnToUser', 'load the registers unless they are still there'], (s, { thread }) => {
        const cpu = cpuOf(s, thread);
        if (cpu === null || !s.thread[thread].load) return;
        const { inUse, image } = s.thread[thread];
        if (s.cpu[cpu].owner !== thread) s.cpu[cpu].msr = inUse ? image : null;
        s.cpu[cpu].owner = thread;
        s.thread[thread].lastCpu = cpu;
        s.thread[thread].load = false;
      }),
    ],
  },
  'image-read-without-its-bit': {
    doc: 'the image of a component that is not in use is loaded all the same: what the parent left there',
    reference: 'ENQ-05; get_xsave_addr, which has to look at XSTATE_BV',
    violates: {
      'no descriptor carries the PASID of another process': 13,
      'in user mode IA32_PASID is that of the mm, or not valid': 10,
      'an activated thread has the PASID, and no other thread has one': 10,
      'only the fixup activates a thread': 10,
    },
    edits: ({ replace }) => [
      replace(['returnToUser', 'load the registers unless they are still there'], (s, { thread }) => {
        const cpu = cpuOf(s, thread);
        if (cpu === null || !s.thread[thread].load) return;
        if (!stillThere(s, thread, cpu)) s.cpu[cpu].msr = s.thread[thread].image;
        s.cpu[cpu].owner = thread;
        s.thread[thread].lastCpu = cpu;
        s.thread[thread].load = false;
      }),
    ],
  },
});
