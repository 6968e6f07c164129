/**
 * Known bugs in taking a device, its address space and its groups away while page requests are handled.
 */
import { variants } from '../language/index.ts';
import { pageRequestRemovalProperties } from './page-request-removal.ts';

export const pageRequestRemovalVariants = variants(pageRequestRemovalProperties, {
  'iopf-disabled-before-hw-quiesced': {
    doc: 'the device is removed from the fault queue while its PASID entry is live: groups are freed that workers have',
    reference: 'E4; CVE-2025-38594, Linux f0b9d31c6edd (iommu/vt-d: Fix UAF on sva unbind with pending IOPFs)',
    violates: {
      'a group that somebody has is not freed': 15,
      'a group has one owner': 24,
      'the fault parameters are there for all who have a reference': 15,
      'the count of the fault parameters is the number of references': 15,
      'the count of the binding is the number of its users': 25,
      'the device sees no unexpected response': 21,
      'an outstanding group is known to software': 30,
      'no partial is stored for a device that was removed': 15,
      'a group on the list is not handled after the device was removed': 15,
      'PRI goes off when no group of the PASID is outstanding': 37,
      'a device is removed from the queue when its PASID is quiet': 8,
      'locks are held by who thinks so': 6,
      'a group that workers handle is answered': 36,
      'a removal ends': 36,
      'everything can be freed': 25,
      'something can always happen': 36,
    },
    edits: ({ move }) => [
      move(['remove', 'lock the parameters'], { before: 'block the PASID entry' }),
      move(['remove', 'remove the device from the fault queue'], { after: 'lock the parameters' }),
    ],
  },
  'iopf-removed-before-workers-are-flushed': {
    doc: 'the PASID entry is blocked and the queue drained, but the workers are flushed only after the removal from the fault queue',
    reference: 'IOPF-18; E4 with half of its fix',
    violates: {
      'a group that somebody has is not freed': 20,
      'the fault parameters are there for all who have a reference': 25,
      'a group on the list is not handled after the device was removed': 20,
    },
    edits: ({ move }) => [
      move(['remove', 'workers handle its faults'], { after: 'remove the device from the fault queue' }),
    ],
  },
  'fault-report-vs-device-release': {
    doc: 'the lookup of a device and the report of its fault are not excluded from its release',
    reference: 'E5; CVE-2024-35843, Linux def054b01a86 (iommu/vt-d: Use device rbtree in iopf reporting path)',
    violates: {
      'the device is there as long as it is looked up or used': 21,
    },
    edits: ({ drop }) => [drop(['remove', 'unregister the device', 'the registry lock is free'])],
  },
  'fault-parameters-without-reference': {
    doc: 'the IRQ thread uses the fault parameters without a reference of its own',
    reference: 'E5; Linux, iommu: Add iopf reference counting (2024-02), what was before it',
    violates: {
      'the fault parameters are there for all who have a reference': 12,
      'the count of the fault parameters is the number of references': 11,
    },
    edits: ({ replace, addEffect }) => [
      replace(['report', 'take the fault parameters', 'take a reference unless there is none'], (s) => {
        s.irq.param = s.param.published;
      }),
      addEffect(['report', 'make the group'], 'take a reference late', (s) => {
        s.param.users++;
      }),
    ],
  },
  'iopf-group-two-owners': {
    doc: 'a group that was handed to user space stays on the list of the core, which answers and frees it with the device',
    reference: 'E6; CVE-2026-74520, Linux 738e6f32e61d (iommu/iommufd: Fix IOPF group ownership UAF)',
    violates: {
      'a group that somebody has is not freed': 20,
      'a group has one owner': 13,
      'the fault parameters are there for all who have a reference': 22,
      'the device sees no unexpected response': 22,
    },
    edits: ({ drop }) => [drop(['report', 'hand it over', 'the core owns it no longer'])],
  },
  'iopf-groups-not-freed-on-removal': {
    doc: 'groups are answered at removal, and not freed',
    reference:
      'E6; CVE-2025-21770, Linux 9759ae2cee7c (iommu: Fix potential memory leak in iopf_queue_remove_device())',
    violates: {
      "a group that is allocated is somebody's": 22,
      'everything can be freed': 21,
    },
    edits: ({ drop }) => [
      drop(['remove', 'answer a group of user space', 'free it']),
      drop(['remove', 'answer a group of user space', 'drop its reference of the parameters']),
    ],
  },
  'groups-that-were-read-are-forgotten': {
    doc: 'the detach answers the groups that wait on the list of user space, and forgets those that it has read',
    reference: 'Linux 3f4818ec1390 (iommufd/fault: Destroy response and mutex in iommufd_fault_destroy())',
    violates: {
      'the domain is there for all who handle its faults': 26,
      'PRI goes off when no group of the PASID is outstanding': 27,
    },
    edits: ({ replace }) => [
      replace(['remove', 'user space has groups'], (s) => s.slot.some(({ user }) => user === 'listed')),
      replace(
        ['remove', 'answer a group of user space', 'user space has it'],
        (s, { slot }) => s.slot[slot].user === 'listed',
      ),
    ],
  },
  'auto-response-to-the-wrong-domain': {
    doc: 'a replace answers the groups of the new domain, which has none: those of the old one lead to a handle that is freed',
    reference: 'Linux ba5c0f28a26e (iommufd: Fix wrong hwpt passed to iommufd_auto_response_faults on replace)',
    violates: {
      'the domain is there for all who handle its faults': 23,
      'PRI goes off when no group of the PASID is outstanding': 24,
    },
    edits: ({ replace }) => [replace(['remove', 'user space has groups'], () => false)],
  },
  'user-answer-turns-pri-off': {
    doc: 'user space may answer Response Failure, which turns PRI off for the function and all that share it',
    reference:
      'Linux 861f96a78514 and d73cf5ff743b (iommufd: Remove IOMMUFD_PAGE_RESP_FAILURE, Add check on user response code)',
    violates: {
      'PRI goes off when no group of the PASID is outstanding': 18,
    },
    edits: ({ addEffect }) => [
      addEffect(['serve', 'answer the group'], 'turn PRI off', (s) => {
        s.device.pri = false;
      }),
    ],
  },
  'answered-twice-by-user-space': {
    doc: 'a group stays in the table when user space has answered it, and can be answered again',
    reference: 'IOPF-05; the table of read groups in iommufd, from which the answer takes the group',
    violates: {
      'a group that somebody has is not freed': 19,
      'a group has one owner': 27,
      'the fault parameters are there for all who have a reference': 23,
      'the count of the fault parameters is the number of references': 23,
      'the device sees no unexpected response': 22,
      'an outstanding group is known to software': 31,
      'PRI goes off when no group of the PASID is outstanding': 45,
    },
    edits: ({ drop }) => [drop(['serve', 'answer the group', 'take it out of the table'])],
  },
  'unbind-waits-for-fault-worker-holding-its-lock': {
    doc: 'the unbind waits for the workers with the lock that they need for their response',
    reference: 'E9; Linux, iommu/vt-d: Fix a deadlock in intel_svm_drain_prq() (2021-08)',
    violates: {
      'locks are held by who thinks so': 7,
      'a group that workers handle is answered': 19,
      'a removal ends': 19,
      'everything can be freed': 7,
      'something can always happen': 19,
    },
    edits: ({ move }) => [move(['remove', 'unlock the binding'], { after: 'workers handle its faults' })],
  },
  'flush-holds-the-lock-of-the-parameters': {
    doc: 'the lock of the fault parameters is held over the flush, and each response needs it',
    reference: 'IOPF-11; review of the 2018 series, v2',
    violates: {
      'locks are held by who thinks so': 10,
      'a group that workers handle is answered': 22,
      'a removal ends': 22,
      'everything can be freed': 19,
      'something can always happen': 22,
    },
    edits: ({ move }) => [move(['remove', 'lock the parameters'], { after: 'drain the queue' })],
  },
  'unbind-refcount-vs-inflight-fault': {
    doc: 'the fault that drops the last reference of the binding wakes nobody: the unbind waits for ever',
    reference:
      'E11; CVE-2023-53501, Linux 534103bcd52c (iommu/amd/iommu_v2: Fix pasid_state refcount dec hit 0 warning)',
    violates: {
      'a removal ends': 25,
      'everything can be freed': 19,
      'something can always happen': 33,
    },
    edits: ({ drop }) => [drop(['work', 'drop the binding', 'wake who waits for the last'])],
  },
  'unbind-does-not-wait-for-the-last-user': {
    doc: 'the unbind drops its reference and goes on, while a worker still has the binding',
    reference: 'E11; the wait that the fix keeps',
    violates: {
      'a group that somebody has is not freed': 21,
      'the fault parameters are there for all who have a reference': 26,
      'the domain is there for all who handle its faults': 22,
      'a group on the list is not handled after the device was removed': 21,
    },
    edits: ({ drop }) => [drop(['remove', 'wait for the last user'])],
  },
  'no-drain-before-removal': {
    doc: 'the queue is not drained before the workers are flushed: requests that were queued make groups afterwards',
    reference: 'E1, IOPF-09; HOST-14',
    violates: {
      'a group that somebody has is not freed': 17,
      'the fault parameters are there for all who have a reference': 17,
      'the count of the fault parameters is the number of references': 17,
      'the domain is there for all who handle its faults': 17,
      'the device sees no unexpected response': 20,
      'no partial is stored for a device that was removed': 17,
      'a group on the list is not handled after the device was removed': 17,
      'PRI goes off when no group of the PASID is outstanding': 14,
      'a device is removed from the queue when its PASID is quiet': 11,
      'no request of the PASID that is attached is refused': 18,
    },
    edits: ({ drop }) => [drop(['remove', 'drain the queue'])],
  },
  'no-flush-before-removal': {
    doc: 'the workers are not flushed',
    reference: 'IOPF-09, IOPF-18; HOST-14',
    violates: {
      'a group that somebody has is not freed': 20,
      'the fault parameters are there for all who have a reference': 25,
      'the domain is there for all who handle its faults': 21,
      'a group on the list is not handled after the device was removed': 20,
    },
    edits: ({ drop }) => [drop(['remove', 'flush the workers'])],
  },
  'ats-off-before-pri': {
    doc: 'ATS is disabled while PRI is still on',
    reference: 'PRIEN-03; PCIe 4.0 10.5.1.3',
    violates: {
      'PRI is on only with ATS': 14,
    },
    edits: ({ move }) => [move(['remove', 'disable ATS'], { before: 'disable PRI' })],
  },
  'partial-leaks-its-reference': {
    doc: 'storing a partial keeps the reference of the fault parameters, which are never freed then',
    reference:
      'Linux, iommu_report_device_fault: the reference goes to the group, so a request without group has to drop it',
    violates: {
      'the fault parameters are there for all who have a reference': 40,
      'the count of the fault parameters is the number of references': 12,
      'everything can be freed': 6,
    },
    edits: ({ replace }) => [
      replace(['report', 'store the partial', 'drop the reference'], (s) => {
        s.irq.param = false;
      }),
    ],
  },
  'device-reference-leak': {
    doc: 'the IRQ thread takes a reference of the device with each lookup and never drops it: the device is never freed',
    reference: 'Linux 6927d3523807 (iommu/vt-d: Fix PCI device refcount leak in prq_event_thread())',
    violates: {
      'the count of the device is the number of references': 10,
      'everything can be freed': 6,
    },
    edits: ({ replace }) => [
      replace(['report', 'unlock the registry', 'put the device'], (s) => {
        s.irq.device = false;
      }),
    ],
  },
  'irq-thread-waits-for-user-space': {
    doc: 'handing a group over takes the mutex that is held over copies to user space: the IRQ thread, which serves all devices, waits for one process',
    reference: 'Linux 3d49020a327c (iommufd/fault: Use a separate spinlock to protect fault->deliver list)',
    violates: {
      'a request is taken up': 22,
    },
    edits: ({ addGuard }) => [
      addGuard(
        ['report', 'hand it over'],
        'the mutex is free',
        (s) => s.handler === 'workers' || s.tableLock === 'free',
      ),
    ],
    set: { group: 2, slot: 2, handler: 1 },
  },
  'entry-set-before-the-handler': {
    doc: 'the PASID entry is set before the handler is published: the first faults are refused',
    reference:
      'Linux 5e9f822c9c68 (iommu: Swap the order of setting group->pasid_array and calling attach op of iommu drivers)',
    violates: {
      'the domain is there for all who handle its faults': 13,
      'no request of the PASID that is attached is refused': 10,
    },
    edits: ({ move }) => [move(['attach', 'publish the handler'], { after: 'set the PASID entry' })],
  },
  'handler-left-after-a-failed-attach': {
    doc: 'an attach that fails leaves its handler where the IRQ thread finds it, and the domain is freed',
    reference: 'the error path of iommu_attach_device_pasid; xa_erase of the handle',
    violates: {
      'the domain is there for all who handle its faults': 6,
    },
    edits: ({ drop }) => [drop(['attach', 'give up', 'withdraw the handler'])],
  },
  'pri-on-before-the-fault-queue': {
    doc: 'PRI is enabled before the device is on the fault queue',
    reference: 'IOPF-01; PRIEN-01; the order of intel_iommu_enable_iopf and its undoing',
    violates: {
      'PRI goes on when its requests can be taken': 2,
    },
    edits: ({ move }) => [move(['attach', 'enable PRI'], { before: 'add the device to the fault queue' })],
  },
  'group-lost-in-a-failed-read': {
    doc: 'a group that could not be copied to user space is taken off its list and not put back',
    reference: 'the error path of iommufd_fault_fops_read',
    violates: {
      "a group that is allocated is somebody's": 15,
      'an outstanding group is known to software': 15,
      'PRI goes off when no group of the PASID is outstanding': 27,
      'everything can be freed': 15,
    },
    edits: ({ replace }) => [
      replace(['serve', 'read the group', 'put it back if it was not copied'], (s, { copied }, me) => {
        if (me.reading !== null && !copied) s.slot[me.reading].user = 'none';
      }),
    ],
  },
  'answered-for-user-space-before-the-drain': {
    doc: 'the groups of user space are answered before the queue is drained: what comes from it leads to a domain that is gone',
    reference: 'Linux 7.0 iommufd_fault_domain_detach_dev: detach first, auto-response then',
    violates: {
      'the domain is there for all who handle its faults': 23,
      'PRI goes off when no group of the PASID is outstanding': 24,
      'locks are held by who thinks so': 6,
    },
    edits: ({ move }) => [move(['remove', 'user space handles its faults'], { before: 'block the PASID entry' })],
  },

  // Real systems that differ, as they are.
  'linux-answers-unhandled-non-last': {
    doc: 'a request for a PASID without handler is answered even if it is not the Last: its group gets more than one response',
    reference: 'IOPF-16, candidate finding; Linux 7.0 io-pgfault.c, err_bad_iopf',
    violates: {
      'the device sees no unexpected response': 9,
    },
    set: { refusal: 1 },
  },
});
