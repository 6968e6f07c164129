/**
 * Known bugs around contexts of nested translation, as edits of the correct protocol.
 *
 * The recorded lengths count this model's atomic steps from before the guest starts; half of them are the way to an attached
 * device that works.
 */
import { variants } from '../language/index.ts';
import { forStream, forVmid, steFor, Stream } from '../model/nested-invalidation-context.ts';
import { submit } from '../model/parts/command-queue.ts';
import { nestedInvalidationContextProperties } from './nested-invalidation-context.ts';

const misdirected = 'no write goes to another process than the device works for';
const overwritten = 'no write reaches memory that was freed';
const foreignTable = 'no freed memory is read as a table';
const cached = 'nothing of a process that has left is cached';

export const nestedInvalidationContextVariants = variants(nestedInvalidationContextProperties, {
  'endpoint-release-without-detach': {
    doc: 'the guest frees the domain of an endpoint that goes away and sends no DETACH',
    reference: 'G8; iommu/virtio: Detach domain on endpoint release (2023)',
    violates: {
      [overwritten]: 28,
      [foreignTable]: 25,
      [cached]: 24,
      'a stream is blocked while its guest thinks the device detached': 22,
      'ATS is enabled only where the guest asked for it': 29,
      'a stream with ATS entries belongs to a guest that sends ATC_INV': 28,
    },
    set: { live: 0 },
    edits: ({ drop }) => [drop(['driver', 'ask to detach']), drop(['driver', 'wait for the reply to detach'])],
  },
  'detach-leaves-tlb': {
    doc: 'DETACH blocks the device, but what it cached under VMID and ASID meets the domain that the guest attaches next',
    reference: 'VIOMMU-06; CD-19; Linux arm_smmu_inv_flush_iotlb_tag is the flush at the last detach',
    violates: { [misdirected]: 62, [overwritten]: 63, [cached]: 39 },
    size: 'next',
    edits: ({ drop }) => [
      drop(['changeDevice', 'submit TLBI of stage 1']),
      drop(['changeDevice', 'wait for TLBI of stage 1']),
    ],
  },
  'detach-trusts-ats-disable': {
    doc: 'DETACH switches ATS off and takes the ATC to be empty for that',
    reference: 'B4; Linux 8dd8f005bdd4; NEST-16',
    violates: {
      [overwritten]: 49,
      [cached]: 41,
      'a stream with ATS entries belongs to a guest that sends ATC_INV': 42,
    },
    set: { live: 0 },
    edits: ({ drop }) => [drop(['changeDevice', 'submit ATC_INV']), drop(['changeDevice', 'wait for ATC_INV'])],
  },
  'blocking-ste-without-cfgi': {
    doc: 'the blocking STE is written and the SMMU is not told',
    reference: 'VSVA-11; CD-04; D4 at the stream table',
    violates: {
      [overwritten]: 49,
      [foreignTable]: 37,
      [cached]: 39,
      'nothing is cached under a VMID that is free': 39,
      'what is cached under a VMID belongs to its owner': 40,
      'a stream is blocked, or nests the guest that has the device': 25,
      'a stream is blocked while its guest thinks the device detached': 39,
      'memory is freed when the device was cut off and the VMID given back': 36,
    },
    set: { ats: 0, live: 0 },
    edits: ({ drop }) => [drop(['changeDevice', 'write the blocking STE', 'queue CFGI_STE'])],
  },
  'vsid-maps-to-one-stream': {
    doc: 'the virtual stream ID stands for the first stream ID of the device alone',
    reference: 'G9 VSID_FANOUT=1, B8; CVE-2026-74573, Linux c3b8ee84a965',
    violates: { [foreignTable]: 44, [cached]: 43, 'the CD that a working device goes by is not an old one': 23 },
    set: { stream: 2, ats: 0, live: 0 },
    edits: ({ replace, members }) => [
      replace(
        ['invalidate', 'issue the commands', 'queue a command for each stream ID, or with the VMID'],
        (s, { guest }, { op, streams }) => {
          const [first] = members(Stream);
          if (!streams) submit(s.queue, forVmid(op, s.guest[guest].vmid));
          else if (first !== undefined) submit(s.queue, forStream(op, first));
        },
      ),
    ],
  },
  'queue-freed-before-last-sync': {
    doc: 'the memory of the command queue is freed, and then its teardown drains it with a CMD_SYNC',
    reference: 'G10; CVE-2026-80818 (iommu/tegra241-cmdqv: Fix CMD_SYNC use-after-free on teardown)',
    violates: {
      'no command goes into a queue that was freed': 7,
      'the memory of a queue that the hardware consumes is allocated': 6,
    },
    edits: ({ move }) => [move(['changeDevice', 'free the queue memory'], { before: "stop the guest's own queue" })],
  },
  'own-queue-outlives-guest': {
    doc: 'the command queue of a guest that ends is never disabled',
    reference: 'NEST-15; G10',
    violates: {
      'the memory of a queue that the hardware consumes is allocated': 6,
      'a guest that is gone has nothing left': 13,
    },
    edits: ({ drop }) => [drop(['changeDevice', "stop the guest's own queue"])],
  },
  'vmid-reused-without-tlbi': {
    doc: 'the VMID is freed with what is cached under it',
    reference: 'NEST-15; F6 for a VMID of the SMMU',
    violates: {
      [misdirected]: 57,
      [overwritten]: 58,
      [cached]: 33,
      'nothing is cached under a VMID that is free': 32,
      'what is cached under a VMID belongs to its owner': 33,
    },
    size: 'reuse',
    set: { ats: 0, live: 0 },
    edits: ({ drop }) => [
      drop(['changeDevice', 'submit TLBI of stage 1']),
      drop(['changeDevice', 'wait for TLBI of stage 1']),
      drop(['changeDevice', 'submit TLBI of the VMID']),
      drop(['changeDevice', 'wait for TLBI of the VMID']),
    ],
  },
  'virtual-device-outlives-guest': {
    doc: 'the device of a guest that ends keeps its virtual stream ID',
    reference: 'NEST-08; iommufd: destroy vdevice on idevice destroy (Linux 6.17)',
    violates: { 'a guest that is gone has nothing left': 27 },
    edits: ({ drop }) => [drop(['changeDevice', 'destroy the virtual device'])],
  },
  'virtual-smmu-freed-under-a-call': {
    doc: 'the VMID is freed although a call has queued an invalidation with it, or is about to',
    reference: 'NEST-15; references of iommufd objects that calls take',
    violates: {
      'a command in the queue with a VMID has that of a guest that exists': 56,
      'a request of a guest that runs is replied to, or the guest ends': 58,
    },
    edits: ({ drop }) => [drop(['changeDevice', 'wait for the last call'])],
  },
  'device-not-reset': {
    doc: 'the next guest gets the device as the one before has left it, at work',
    reference: 'VSVA-11; I3 for devices that are assigned',
    violates: {
      'a device that a guest has given up works for nobody when it is blocked': 38,
      'a device that nobody has works for nobody': 38,
      'a guest that is gone has nothing left': 47,
    },
    edits: ({ drop }) => [drop(['changeDevice', 'reset the device'])],
  },
  'reply-before-ste': {
    doc: 'the guest is told that its device is attached before the STE is written',
    reference: 'VSVA-01',
    violates: {
      'a guest is told that its device is attached when the SMMU goes by its STE': 5,
      'a change that a guest asked for ends with a reply, or the guest ends': 14,
    },
    edits: ({ move }) => [move(['changeDevice', 'reply to attach'], { before: 'write the nested STE' })],
  },
  'ats-without-eats': {
    doc: 'the host enables ATS whether or not the vSTE asks for it, so the guest sends no ATC_INV',
    reference: 'NEST-11; Linux arm_smmu_attach_prepare takes ATS from the vSTE for a nested domain',
    violates: {
      [misdirected]: 56,
      [overwritten]: 57,
      [cached]: 45,
      'a stream with ATS entries belongs to a guest that sends ATC_INV': 25,
    },
    size: 'next',
    edits: ({ replace }) => [
      replace(['changeDevice', 'write the nested STE', 'write the STE of each stream'], (s, _p, { guest }) => {
        if (guest === null) return;
        const { kind } = s.guest[guest].vste;
        for (const stream of s.stream) stream.ste = steFor(s, guest, { kind, eats: true });
      }),
      replace(['changeDevice', 'enable ATS if the vSTE asks for it', 'set Enable'], (s, _p, { guest }) => {
        s.device.ats = guest !== null && s.guest[guest].vste.kind === 'S1';
      }),
    ],
  },
  'vste-not-checked': {
    doc: 'a vSTE with fields that are not for guests is taken',
    reference: 'NEST-10',
    violates: {
      'no stream table entry has fields that the guest may not choose': 5,
      'a vSTE that is not allowed is refused': 10,
    },
    size: 'refused',
    edits: ({ replace }) => [
      replace(
        ['changeDevice', 'it has a virtual device, and its vSTE is allowed'],
        (s, _p, { guest }) => s.device.assigned === guest,
      ),
    ],
  },
  'bind-without-cfgi-cd': {
    doc: 'the guest writes a CD and does not tell the SMMU, which knows that there is none',
    reference: 'VSVA-02',
    violates: { 'the CD that a working device goes by is not an old one': 14 },
    edits: ({ drop }) => [
      drop(['driver', 'ask for CFGI_CD of the new CD']),
      drop(['driver', 'wait for CFGI_CD of the new CD']),
    ],
  },
  'unbind-without-cfgi-cd': {
    doc: 'the guest clears a CD and invalidates TLB and ATC alone',
    reference: 'VSVA-10; D4 PASID cache kept',
    violates: { [misdirected]: 47, [overwritten]: 48, [foreignTable]: 35, [cached]: 34 },
    set: { process: 2, ats: 0 },
    edits: ({ drop }) => [drop(['driver', 'ask for CFGI_CD']), drop(['driver', 'wait for CFGI_CD'])],
  },
  'unbind-without-tlbi': {
    doc: 'the guest clears a CD and does not invalidate what is tagged with its ASID',
    reference: 'VSVA-10; D3',
    violates: { [misdirected]: 47, [overwritten]: 48, [cached]: 35 },
    size: 'next',
    edits: ({ drop }) => [drop(['driver', 'ask for TLBI']), drop(['driver', 'wait for TLBI'])],
  },
  'unbind-without-atc-inv': {
    doc: 'the guest clears a CD and does not invalidate the ATC',
    reference: 'VSVA-10; NEST-11',
    violates: { [misdirected]: 56, [overwritten]: 57, [cached]: 45 },
    size: 'next',
    edits: ({ drop }) => [drop(['driver', 'it had asked for ATS'])],
  },
  'tlbi-before-cd': {
    doc: 'the guest invalidates the TLB while the CD is still live',
    reference: 'D5 TLBI_BEFORE_QUIET in a guest; VSVA-10',
    violates: { [misdirected]: 55, [overwritten]: 56, [cached]: 43 },
    size: 'next',
    edits: ({ move }) => [
      move(['driver', 'ask for TLBI'], { before: 'clear the CD' }),
      move(['driver', 'wait for TLBI'], { before: 'clear the CD' }),
    ],
  },
  'process-freed-before-invalidation': {
    doc: 'the guest frees the memory of the process when its CD is cleared',
    reference: 'VSVA-10; VTD-08',
    violates: { [foreignTable]: 27, [cached]: 26 },
    edits: ({ move }) => [move(['driver', 'free the process'], { before: 'ask for CFGI_CD' })],
  },
  'vste-read-twice': {
    doc: 'the vSTE is checked, and then read once more from guest memory',
    reference: 'NEST-04; NEST-10; arm_vsmmu_alloc_domain_nested works on the copy that it has checked',
    violates: { 'no stream table entry has fields that the guest may not choose': 5 },
    size: 'refused',
    edits: ({ replace }) => [
      replace(['changeDevice', 'write the nested STE', 'write the STE of each stream'], (s, _p, { guest }) => {
        if (guest === null) return;
        for (const stream of s.stream) stream.ste = steFor(s, guest, s.guest[guest].vste);
      }),
    ],
  },
  'queue-page-outlives-queue': {
    doc: 'the VMM still maps the registers of a command queue that was taken from its guest',
    reference: 'iommufd: Fix refcounting race during mmap (Linux 6.17): the mapping has to hold the queue',
    violates: { 'nobody reaches the registers of a queue that was taken away': 5 },
    edits: ({ move }) => [
      move(['changeDevice', 'unmap the page of registers'], { after: "stop the guest's own queue" }),
    ],
  },
  'nested-ste-without-cfgi': {
    doc: 'the nested STE is written and the SMMU is not told',
    reference: 'VSVA-01; CD-04',
    violates: {
      'a guest is told that its device is attached when the SMMU goes by its STE': 9,
      'ATS is enabled only where the guest asked for it': 8,
    },
    edits: ({ drop }) => [drop(['changeDevice', 'write the nested STE', 'queue CFGI_STE'])],
  },
  'ats-before-ste': {
    doc: 'ATS is enabled in the device before the STE that allows it is in force',
    reference: 'CD-15; Linux arm_smmu_attach_commit enables ATS after the STE was installed',
    violates: { 'ATS is enabled only where the guest asked for it': 5 },
    edits: ({ move }) => [
      move(['changeDevice', 'enable ATS if the vSTE asks for it'], { before: 'write the nested STE' }),
    ],
  },
  'refusal-without-reply': {
    doc: 'an attach that is refused is not replied to, and the guest waits for ever',
    reference: 'VSVA-01; a request of virtio-iommu that is never used',
    violates: { 'a change that a guest asked for ends with a reply, or the guest ends': 23 },
    edits: ({ drop }) => [drop(['changeDevice', 'refuse to attach', 'use the request'])],
  },
});
