/**
 * The requirements of page requests that no property carries, and why.
 */

/** For each requirement of the areas PRI, IOPF, STALL, PRIEN and HOST that no property of `page-request` carries: the reason. */
export const pageRequestNotCarried: Readonly<Record<string, string>> = {
  'PRI-01':
    'a format: the fields of a request are those of the messages in the model; its bits belong to the concrete machine',
  'PRI-05':
    'PRI is on from the start, or goes on once and off once (`page-request/removal`): its Stopped bit and its reset are a register protocol of their own',
  'PRI-06':
    'one function is modelled; that its failure is that of all its VFs is why Response Failure must not be answered (PRI-10)',
  'PRI-18':
    'the SMMU of the models is on, with a queue that memory holds; its errors answer as PRI-10 does, which `PRI stays on` watches',
  'STALL-04': 'a rule for the contents of descriptors and of a domain; here CD.S is set and each master can stall',
  'STALL-06':
    'which devices may stall is a rule for firmware tables; the deadlock of a PCI device that stalls needs its ordering rules',
  'HOST-02': 'queues hold records and not the slots of a ring: barriers around a slot have nothing to act upon here',
  'HOST-18': 'memory is one store in all models: systems that are not coherent are refused (FEAT-01)',
  'HOST-19': 'single-copy atomicity of atomics is a property of memory types, which no model has',
};

/** For each bug of the catalogue that belongs to page requests and that no variant shows: the reason. None is left. */
export const pageRequestBugsNotCarried: Readonly<Record<string, string>> = {};
