/**
 * How an SMMU can be broken on purpose: each switch makes it break one rule, to show what the rule is for. A new switch is
 * one line here and one test of `Smmu.defects` where the rule is kept.
 */

/** The switches, with what the broken hardware does. */
export const defectsOfSmmu = {
  syncIgnoresTimeouts: 'CMD_SYNC completes although an ATC invalidation before it timed out (breaks INV-10)',
  syncDoesNotWait: 'CMD_SYNC completes without waiting for the commands before it (breaks INV-02)',
  syncIgnoresTransactions: 'CMD_SYNC does not wait for transactions that used dropped entries (breaks INV-02, ATS-23)',
  tlbiLost: 'CMD_TLBI_* is consumed without dropping anything',
  losesTlbiOnce: 'CMD_TLBI_* may drop nothing when it races with traffic, but not twice in a row (Tegra264)',
  losesTlbiBesideOthers: 'CMD_TLBI_* may drop nothing beside a command of another type (MMU-700 2812531)',
  losesNestedTlbi: 'CMD_TLBI_NH_* may drop nothing where both stages are used (MMU-600 1209401, MMU-700 2268618)',
  cfgiLost: 'CMD_CFGI_* is consumed without dropping anything',
  atcInvLost: 'CMD_ATC_INV completes without an Invalidate Request',
  reusesTimedOutTags: 'the ITag of a request that timed out is used again at once (breaks ATS-30)',
  consumesDuringError: 'commands are consumed while GERROR.CMDQ_ERR is active (breaks INV-12)',
  resumeIgnoresStreamId: 'CMD_RESUME looks at the STAG only (breaks STALL-02)',
  stallRecordsLost: 'the record of a stalled transaction is dropped if the event queue is full (breaks HOST-04)',
  pageRequestsDuringOverflow: 'page requests are queued as soon as there is room, before OVACKFLG (breaks HOST-03)',
  overflowNotFlagged: 'a page request that finds the queue full leaves OVFLG as it is (breaks HOST-03)',
  overflowIsSilent: 'a page request that finds the queue full gets no automatic answer (breaks PRI-20)',
} as const;

/** The name of a switch. */
export type SmmuDefect = keyof typeof defectsOfSmmu;

/** Which switches are on; none by default. */
export type SmmuDefects = { readonly [K in SmmuDefect]?: boolean };
