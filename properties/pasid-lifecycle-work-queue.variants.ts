/**
 * Known bugs of work queues, as edits of the correct protocol.
 */
import { variants } from '../language/index.ts';
import { pasidLifecycleWorkQueueProperties } from './pasid-lifecycle-work-queue.ts';

export const pasidLifecycleWorkQueueVariants = variants(pasidLifecycleWorkQueueProperties, {
  'disable-does-not-drain-translations': {
    doc: 'disabling waits for descriptors, not for their translations: one that comes later is cached for the next client',
    reference: 'I1; dmaengine: idxd: drain ATS translations when disabling WQ, 2025-10 (Intel document 843306)',
    violates: {
      'no descriptor uses the page of another client': 24,
      'the cache of a PASID has pages of that client': 17,
      'a WQ is configured only while it is disabled and empty': 14,
    },
    edits: ({ drop }) => [drop(['changeClient', 'drain the WQ', 'no translation is pending'])],
  },
  'enabled-before-noted': {
    doc: 'the WQ is enabled before software notes it: a reset in between finds nothing to restore',
    reference: 'I2; dmaengine: idxd: Fix race condition between WQ enable and reset paths, 2025-05',
    violates: { 'software knows what is enabled': 8 },
    edits: ({ move }) => [move(['changeClient', 'enable the WQ'], { before: 'note that it is enabled' })],
  },
  'memory-freed-before-flush': {
    doc: 'descriptors and completion records are freed before the interrupt is flushed and the WQ is reset',
    reference: 'I3; CVE-2022-48867, Linux 1beeec45f9ac (dmaengine: idxd: Prevent use after free on completion memory)',
    violates: {
      'descriptors are flushed while their memory is there': 10,
      'a WQ is configured only while it is disabled and empty': 9,
      'an enabled WQ has a client and memory': 10,
    },
    edits: ({ move }) => [move(['changeClient', 'free the memory'], { before: 'flush the interrupt' })],
  },
  'memory-freed-before-drain': {
    doc: 'the memory is freed while descriptors are in the device',
    reference: 'I3; the same with the WQ not drained',
    violates: {
      'no completion is written into freed memory': 12,
      'descriptors are flushed while their memory is there': 10,
      'a WQ is configured only while it is disabled and empty': 8,
      'an enabled WQ has a client and memory': 9,
    },
    edits: ({ move }) => [move(['changeClient', 'free the memory'], { before: 'drain the WQ' })],
  },
  'retry-bound-read-anew': {
    doc: 'the loop compares with the knob itself, which moves away',
    reference: 'I5; dmaengine: idxd: fix retry value to be constant for duration of function call, 2022-04',
    violates: {
      'a submission by the kernel ends': 11,
      'a WQ that is to change hands does': 11,
      'a device reset ends': 11,
    },
    edits: ({ replace }) => [
      replace(['submitFromKernel', 'ENQCMDS', 'count the try'], (s, _p, me) => {
        me.left = s.knob;
      }),
    ],
  },
  'map-bit-left-behind': {
    doc: 'the reset of a WQ leaves its bit in the map: a device reset enables it while it changes hands',
    reference:
      'I2; idxd_wq_disable clears the bit; idxd_wq_reset does not in Linux 7.0: a candidate and not a confirmed bug',
    violates: { 'a WQ is configured only while it is disabled and empty': 11 },
    edits: ({ replace }) => [
      replace(['changeClient', 'reset the WQ', 'note it'], (s, { wq }) => {
        s.wq[wq].state = 'disabled';
      }),
    ],
  },
  'portal-left-mapped': {
    doc: 'the portal stays mapped while the WQ changes hands',
    reference: 'ENQ-13; idxd_drv_disable_wq unmaps it first',
    violates: {
      'no descriptor uses the page of another client': 22,
      'the cache of a PASID has pages of that client': 16,
      'a WQ is configured only while it is disabled and empty': 13,
      'a WQ that is to change hands does': 11,
      'a device reset ends': 11,
    },
    edits: ({ drop }) => [drop(['changeClient', 'take wq_lock', 'unmap the portal'])],
  },
  'not-quiesced': {
    doc: 'the WQ is drained while the kernel is in the middle of a submission, which then lands behind the drain',
    reference: 'ENQ-14; idxd_wq_quiesce and percpu_ref wq_active, without which a submission races the teardown',
    violates: {
      'no descriptor uses the page of another client': 23,
      'the cache of a PASID has pages of that client': 16,
      'a WQ is configured only while it is disabled and empty': 13,
    },
    edits: ({ drop }) => [drop(['changeClient', 'quiesce'])],
  },
});
