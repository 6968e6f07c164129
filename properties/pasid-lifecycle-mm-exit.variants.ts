/**
 * Suspected bugs of the series of 2018 around the exit of an mm, as edits of what it promises.
 */
import { variants } from '../language/index.ts';
import { pasidLifecycleMmExitProperties } from './pasid-lifecycle-mm-exit.ts';

export const pasidLifecycleMmExitVariants = variants(pasidLifecycleMmExitProperties, {
  'second-waiter-looks-at-a-freed-bond': {
    doc: 'who waits for the handler holds no reference: the first to go on frees the bond, and the next looks at it again',
    reference: 'BOND-17; io_mm_detach_locked of the 2018 series (v3): a candidate, which this trace reproduces',
    violates: { 'no freed bond is used': 7, 'a bond is freed once': 8, 'references are counted': 2 },
    edits: ({ drop, addGuard }) => [
      // Who need not wait finds and detaches under one lock.
      addGuard(['unbind', 'find the bond'], 'it will wait', (s) => s.bond.exiting),
      drop(['unbind', 'find the bond', 'take a reference']),
      drop(['unbind', 'drop the reference', 'drop it']),
    ],
  },
  'pasid-freed-after-a-failed-handler': {
    doc: 'a handler that fails is only warned about: the PASID goes back to the pool while the device may still use it',
    reference: 'MMX-06; iommu_notifier_release of the 2018 series (v3): a candidate, which this trace reproduces',
    violates: { 'a PASID that a device may use is not reissued': 4 },
    edits: ({ replace }) => [
      replace(['exit', 'detach', 'give the PASID back, or keep it'], (s) => {
        if (s.bond.listed) s.pasid = 'free';
      }),
    ],
  },
  'unbind-does-not-wait-for-the-handler': {
    doc: 'an unbind detaches while the handler runs',
    reference: 'MMX-04; the wait for mm_exit_active',
    violates: { 'the entry is there until the device was asked to stop': 3 },
    edits: ({ drop }) => [drop(['unbind', 'detach', 'the handler does not run'])],
  },
  'detached-before-the-handler': {
    doc: 'the entry is cleared before the driver was told to stop the device',
    reference: 'MMX-03, MMX-07; what a driver without a handler gets',
    violates: {
      'a PASID that a device may use is not reissued': 2,
      'the entry is there until the device was asked to stop': 2,
    },
    edits: ({ move }) => [move(['exit', 'detach'], { before: 'call the handler' })],
  },
});
