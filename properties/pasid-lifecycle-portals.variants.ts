/**
 * Known bugs of files and portals, as edits of the correct protocol.
 */
import { variants } from '../language/index.ts';
import { dropHandle } from '../model/pasid-lifecycle-portals.ts';
import { pasidLifecyclePortalsProperties } from './pasid-lifecycle-portals.ts';

export const pasidLifecyclePortalsVariants = variants(pasidLifecyclePortalsProperties, {
  'write-on-a-foreign-file': {
    doc: 'write() does not ask who opened the file: the kernel submits the addresses of one process with the PASID of another',
    reference: 'A8; dmaengine: idxd: Fix allowing write() from different address spaces, 2025-04; fixes 6827738dc684',
    violates: {
      'no descriptor runs with the PASID of another process': 10,
      'a descriptor has the PASID of its submitter': 8,
    },
    edits: ({ drop }) => [drop(['write', 'it is the opener'])],
  },
  'mmap-of-a-foreign-file': {
    doc: 'mmap does not ask who opened the file: a process gets a portal to a device that it is not bound to',
    reference: 'A8, ENQ-17; the same test in idxd_cdev_mmap',
    violates: {
      'no descriptor runs with the PASID of another process': 11,
      'no descriptor runs without a bond': 10,
      'a descriptor has the PASID of its submitter': 9,
      'a portal is mapped only by the opener of an open file': 8,
      'a PASID that is free is in no queue and no log': 14,
      'the PASID of a dead process comes back': 13,
    },
    edits: ({ drop }) => [drop(['map', 'it is the opener'])],
  },
  'fork-inherits-the-portal': {
    doc: 'the mapping of the portal is copied by fork',
    reference: 'ENQ-17; VM_DONTCOPY in idxd_cdev_mmap',
    violates: {
      'no descriptor runs with the PASID of another process': 11,
      'no descriptor runs without a bond': 10,
      'a descriptor has the PASID of its submitter': 9,
      'a portal is mapped only by the opener of an open file': 8,
      'a PASID that is free is in no queue and no log': 14,
      'the PASID of a dead process comes back': 13,
    },
    edits: ({ drop }) => [drop(['fork', 'leave out the portals'])],
  },
  'release-without-drain': {
    doc: 'the bond is cut while descriptors of the file are in the device',
    reference: 'ENQ-14; idxd_file_dev_release drains first',
    violates: {
      'no descriptor runs without a bond': 12,
      'a PASID that is free is in no queue and no log': 15,
      'a bond is cut only after the drain': 11,
      'an accepted descriptor ends': 18,
    },
    edits: ({ drop }) => [drop(['release', 'drain the PASID'])],
  },
  'dedicated-release-without-drain': {
    doc: 'a dedicated WQ loses its PASID while descriptors are in it',
    reference: 'ENQ-14; idxd_wq_disable_pasid',
    violates: {
      'no descriptor runs without a bond': 15,
      'a PASID that is free is in no queue and no log': 17,
      'a bond is cut only after the drain': 14,
      'an accepted descriptor ends': 21,
    },
    edits: ({ drop }) => [drop(['release', 'drain the WQ'])],
  },
  'unbind-before-event-log': {
    doc: 'the event log is drained after the unbind: an event is handled for a process whose bond has gone',
    reference: 'ENQ-14; idxd_cdev_evl_drain_pasid comes before iommu_sva_unbind_device',
    violates: {
      'the handles of a process count its files': 10,
      'an open file holds its process in memory': 14,
      'a PASID that is free is in no queue and no log': 16,
      'a bond is cut only after the drain': 13,
    },
    edits: ({ move }) => [move(['release', 'drain the event log'], { after: 'unbind' })],
  },
  'dedicated-refcount-off-by-one': {
    doc: 'a dedicated WQ admits a second user, whose PASID replaces that of the first',
    reference: 'Linux, dmaengine: idxd: fix off by one on cdev dwq refcount, 2020-03',
    violates: {
      'no descriptor runs with the PASID of another process': 15,
      'no descriptor runs without a bond': 24,
      'a descriptor has the PASID of its submitter': 13,
      'a dedicated WQ has one client': 11,
      'a dedicated WQ has the PASID of its client': 11,
      'a PASID that is free is in no queue and no log': 24,
      'a bond is cut only after the drain': 23,
      'a release ends': 21,
      'the PASID of a dead process comes back': 21,
    },
    set: { file: 2, failures: 0 },
    edits: ({ replace, drop, addGuard }) => [
      // Two files of two processes are many states: what this bug does not need is left out.
      drop(['fork']),
      drop(['pass']),
      drop(['unmap']),
      drop(['close']),
      addGuard(['open', 'take wq_lock'], 'the WQ is dedicated', (s, { wq }) => s.wq[wq].dedicated),
      replace(['open', 'take wq_lock', 'refuse a dedicated WQ that is in use'], (s, { wq }, me) => {
        if (s.wq[wq].dedicated && s.wq[wq].clients > 1) me.refused = true;
      }),
    ],
  },
  'failed-open-unbinds-twice': {
    doc: 'an open that fails at its end drops the handle in the release of its device and once more in the error path',
    reference:
      'A9; idxd_cdev_open in Linux 7.0: put_device after a failed device_add runs the release, and the labels that follow ' +
      'undo the same again: a candidate and not a confirmed bug',
    violates: {
      'no descriptor runs without a bond': 13,
      'an open file has a bond': 11,
      'the handles of a process count its files': 11,
      'an open file holds its process in memory': 17,
      'a PASID that is free is in no queue and no log': 18,
      'a bond is cut only after the drain': 23,
      'a bond with another open file stays': 22,
      'a release ends': 20,
      'an accepted descriptor ends': 18,
    },
    set: { file: 2, process: 1 },
    edits: ({ addEffect }) => [
      addEffect(['open', 'undo'], 'drop the handle again', (s, { file }) => {
        const { opener } = s.file[file];
        if (opener !== null && s.process[opener].handles > 0) dropHandle(s, opener);
      }),
    ],
  },
  'failed-open-keeps-the-handle': {
    doc: 'an open that fails after the bind does not unbind',
    reference: 'A7; the error paths of idxd_cdev_open before Linux 6.4',
    violates: {
      'the handles of a process count its files': 6,
      'something can always happen': 22,
      'the PASID of a dead process comes back': 11,
    },
    edits: ({ drop }) => [drop(['open', 'undo', 'drop the handle'])],
  },
  'record-of-a-freed-file': {
    doc: 'the file is freed and its record stays',
    reference: 'ENQ-14; idxd_xa_pasid_remove; dmaengine: idxd: Fix passing freed memory in idxd_cdev_open()',
    violates: { 'the record of a PASID is a file of it': 12 },
    edits: ({ drop }) => [drop(['release', 'remove the record'])],
  },
  'portal-does-not-hold-the-file': {
    doc: 'a file is released although its portal is still mapped',
    reference: 'ENQ-13; a VMA holds its file',
    violates: {
      'no descriptor runs with the PASID of another process': 24,
      'no descriptor runs without a bond': 22,
      'a descriptor has the PASID of its submitter': 22,
      'a portal is mapped only by the opener of an open file': 9,
      'a PASID that is free is in no queue and no log': 26,
    },
    edits: ({ drop }) => [drop(['release', 'begin', 'no mapping is left'])],
  },
  'mm-freed-while-bound': {
    doc: 'the mm and its PASID are freed at exit, while a file that another process holds still has its handle',
    reference: 'A1; Linux 2667ed10d9f0 (mm: Fix PASID use-after-free issue)',
    violates: { 'an open file holds its process in memory': 11, 'a PASID that is free is in no queue and no log': 12 },
    edits: ({ drop }) => [drop(['exit', 'free the mm', 'nobody has a handle'])],
  },
  'drain-waits-for-everybody': {
    doc: 'the drain of one PASID waits until a shared WQ is empty, and others may keep it full for ever',
    reference: 'I5; Drain WQ in place of Drain PASID',
    violates: { 'a release ends': 16, 'the PASID of a dead process comes back': 20 },
    set: { file: 2, failures: 0 },
    edits: ({ replace, drop }) => [
      // Two files of two processes are many states: what this bug does not need is left out.
      drop(['fork']),
      drop(['pass']),
      replace(['release', 'drain the PASID', 'none is in the device'], (s, { file }) => {
        const { wq } = s.file[file];
        return wq === null || s.wq[wq].queue.isEmpty;
      }),
    ],
  },
});
