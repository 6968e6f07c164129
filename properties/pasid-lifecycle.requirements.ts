/**
 * What of the requirements A.1 to A.4, and of the text that they come from, no property of `pasid-lifecycle` and its parts carries,
 * and why.
 */

/** Requirements of areas A.1 to A.4 that no property carries. */
export const pasidLifecycleNotCarried: Readonly<Record<string, string>> = Object.freeze({
  'PASID-21':
    'a condition on the PCIe topology, decided once when PASID is enabled: there is nothing to interleave with it',
  'PASID-22':
    'one capability register for a Physical Function and its Virtual Functions, written when drivers probe: no step of a life cycle',
  'PASID-23':
    'kernel page tables under bound page tables (C4) are a matter of page-table pages and their invalidation, which have no part here',
  'ENQ-23':
    'a condition on capabilities and switches, decided when the device is set up: ENQCMD is then not offered at all',
  'ENQ-24':
    'the translation table for guest PASIDs belongs to nested translation and the virtual IOMMU; its specification was not read',
  'ENQ-26':
    'a virtual device is here what any holder of a PASID is: that two PASIDs on one device stay apart is PASID-11 and ENQ-22; the ' +
    'composition of virtual devices by a VMM is left out',
});

/** Bugs next to those of this protocol that are not among its variants. */
export const pasidLifecycleBugsNotCarried: Readonly<Record<string, string>> = Object.freeze({
  I4: 'the queues of uacce have a state machine of their own (ioctl, release and remove), unlike the files and work queues here',
});

/**
 * The rows of the text on the life cycle of a PASID and on the relations of processes, threads, devices and queues: the requirements
 * whose properties carry a row, or why none does.
 */
export const pasidLifecycleSeedRows: Readonly<Record<string, string>> = Object.freeze({
  'S1-01': 'ENQ-25: page requests in pasid-lifecycle; no page is pinned anywhere',
  'S1-02': 'ENQ-25 here; that the device asks again before use is HOST-09..11 and PRI-07 of the page request protocols',
  'S1-03': 'MM-03 at exit; for single pages MMN-01 and MMN-02 of the invalidation protocols',
  'S1-04': 'ENQ-16, ENQ-18: pasid-lifecycle/portals',
  'S1-05': 'ENQ-26: see pasidLifecycleNotCarried',
  'S1-06':
    'PASID-01: a PASID is a member of a finite pool in every transaction; the width of 20 bits is a matter of formats',
  'S1-07': 'ENQ-20, ENQ-22: pasid-lifecycle/portals and pasid-lifecycle/work-queue',
  'S1-08': 'ENQ-20, ENQ-21: the same',
  'S1-09': 'ENQ-04: pasid-lifecycle/enqcmd',
  'S1-10':
    'PASID-03; the entry is written in pasid-lifecycle; FMT-21 and MMN-01 are those of the formats and of invalidation',
  'S1-11': 'ENQ-05, ENQ-06: pasid-lifecycle/enqcmd',
  'S1-12': 'PASID-16: pasid-lifecycle/enqcmd',
  'S1-13': 'PASID-02: pasid-lifecycle, pasid-lifecycle/enqcmd',
  'S1-14': 'PASID-03, PASID-04: pasid-lifecycle, pasid-lifecycle/first-bind',
  'S1-15': 'ENQ-01..03: pasid-lifecycle/enqcmd',
  'S1-16': 'PASID-12, ENQ-07: pasid-lifecycle, pasid-lifecycle/enqcmd',
  'S1-17': 'PASID-13, ENQ-08, ENQ-09: the same',
  'S1-18': 'PASID-14: pasid-lifecycle/enqcmd',
  'S1-19': 'PASID-15: pasid-lifecycle/enqcmd',
  'S1-20': 'PASID-15: pasid-lifecycle/enqcmd',
  'S1-21': 'ENQ-10, ENQ-14: pasid-lifecycle, pasid-lifecycle/portals',
  'S1-22': 'PASID-09..11: pasid-lifecycle',
  'S1-23': 'PASID-16: pasid-lifecycle/enqcmd',
  'S1-24': 'ENQ-19: pasid-lifecycle/portals',
  'S1-25': 'ENQ-15: pasid-lifecycle/portals, where a file has one work queue and a mapping is of a file',
  'S1-26': 'ENQ-16: pasid-lifecycle/portals',
  'S1-27': 'ENQ-16: the threads of a process share its mapping; pasid-lifecycle/enqcmd has the threads',
  'S1-28': 'ENQ-16: pasid-lifecycle/portals, two processes share a WQ',
  'S1-29': 'PASID-16: pasid-lifecycle/enqcmd, an activated thread has the PASID of its mm',
  'S1-30': 'ENQ-21: pasid-lifecycle/portals, pasid-lifecycle/work-queue',
  'S1-31': 'ENQ-23: see pasidLifecycleNotCarried',
  'S1-32': 'ENQ-16: a comparison of designs; the shared queue is the one that is modelled',
  'S1-33': 'ENQ-24: see pasidLifecycleNotCarried',
  'S1-34': 'ATS-04 and HOST-09 of the page request protocols',
  'S1-35': 'INV-01 and MMN-01 of the invalidation protocols; at exit MM-03 of pasid-lifecycle',
  'S1-36': 'ENQ-14, ENQ-18: pasid-lifecycle/portals follows the driver of that device',
  'S1-37': 'the order of VTD-08 in pasid-lifecycle; VTD-09..12 and the formats are those of the VT-d protocols',
});
