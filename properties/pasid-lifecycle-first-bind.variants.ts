/**
 * Known and suspected bugs of the first bind.
 */
import { variants } from '../language/index.ts';
import { pasidLifecycleFirstBindProperties } from './pasid-lifecycle-first-bind.ts';

export const pasidLifecycleFirstBindVariants = variants(pasidLifecycleFirstBindProperties, {
  'bind-without-lock': {
    doc: 'two binds of one mm both find it without a PASID, and each takes one',
    reference: 'PASID-08, BOND-16; __iommu_sva_bind_device of the 2018 series drops its lock before it allocates',
    violates: {
      'an mm takes one PASID': 11,
      'the record has the PASID that was taken': 14,
      'iommu_sva_lock is held by who binds': 5,
      'a published PASID never changes': 14,
    },
    edits: ({ drop }) => [drop(['bind', 'take iommu_sva_lock', 'the lock is free'])],
  },
  'published-before-filled': {
    doc: 'the pointer to the record is visible before what is in it: a thread loads garbage into IA32_PASID',
    reference: 'PASID-08; smp_store_release in iommu_alloc_mm_data',
    violates: {
      'no thread reads a record that is not filled': 9,
      'a published record is filled': 6,
      'a published PASID never changes': 7,
    },
    edits: ({ move }) => [move(['bind', 'publish the record'], { before: 'fill the record' })],
  },
  'lam-beside-a-pasid': {
    doc: 'the prctl does not look for a PASID',
    reference: 'PASID-17; Linux, iommu/sva and x86/mm: LAM and SVA exclude each other',
    violates: { 'no tagged pointers beside a PASID': 10 },
    edits: ({ drop }) => [drop(['enableTaggedPointers', 'look for a PASID', 'refuse an mm with a PASID'])],
  },
  'bind-with-tagged-pointers': {
    doc: 'the bind does not look for tagged pointers',
    reference: 'PASID-17; arch_pgtable_dma_compat',
    violates: { 'no tagged pointers beside a PASID': 9 },
    edits: ({ drop }) => [drop(['bind', 'check tagged pointers', 'refuse while LAM is on'])],
  },
  'lam-with-two-threads': {
    doc: 'another thread enables LAM between the check of the bind and its publication; each side has looked at the other too early',
    reference: 'PASID-17; what MM_CONTEXT_LOCK_LAM rules out in prctl_enable_tagged_addr',
    violates: { 'no tagged pointers beside a PASID': 10 },
    edits: ({ drop }) => [drop(['enableTaggedPointers', 'enable LAM', 'refuse if there was a second thread'])],
  },
});
