/**
 * Known bugs in the order of invalidation, in software and in hardware, as edits of the correct protocol.
 *
 * The recorded lengths count this model's atomic steps from a mapped page and empty caches. They are longer than a
 * hand-written interleaving of the same bug because a walk and its insertion into the TLB, a translation request, its answer
 * and its arrival, an access sent, passed by the SMMU and landing in memory, and the new owner's arrival are steps of their own.
 */
import { variants } from '../language/index.ts';
import { atcInv, Endpoint } from '../model/atc-invalidation.ts';
import { submit } from '../model/parts/command-queue.ts';
import { atcInvalidationProperties } from './atc-invalidation.ts';

const overwritten = 'no write reaches a page of another owner';
const leaked = 'no read returns data of another owner';
const unprotected = 'no write reaches a page that was made read-only';
const stale = 'nothing stale is cached after the change returned';
const sync = 'a completed CMD_SYNC has completed the TLBI';
const missed = 'every holder of a stale entry is sent an invalidation';

export const atcInvalidationVariants = variants(atcInvalidationProperties, {
  'atc-inv-before-tlbi': {
    doc: 'the ATC is invalidated before the TLB: the endpoint refills it from the stale TLB entry',
    reference: 'B1 ATC_FIRST; Linux 353e3cf8590c (iommu/arm-smmu-v3: Fix ATC invalidation ordering wrt main TLBs)',
    violates: { [overwritten]: 19, [leaked]: 20, [unprotected]: 18, [stale]: 14, [missed]: 8 },
    edits: ({ move }) => [
      move(['changeMapping', 'submit ATC_INV'], { before: 'submit TLBI' }),
      move(['changeMapping', 'wait for ATC_INV'], { before: 'submit TLBI' }),
      move(['changeMapping', 'an ATC_INV timed out'], { before: 'submit TLBI' }),
    ],
  },
  'one-sync': {
    doc: 'TLBI and ATC_INV stand between the same two CMD_SYNCs, where they complete in any order',
    reference: 'B1 ONE_SYNC; INV-03',
    violates: { [overwritten]: 17, [leaked]: 18, [unprotected]: 16, [stale]: 12, [missed]: 9 },
    edits: ({ drop }) => [
      drop(['changeMapping', 'submit TLBI', 'queue CMD_SYNC']),
      drop(['changeMapping', 'wait for TLBI']),
    ],
  },
  'no-last-sync': {
    doc: 'the page is freed without waiting for ATC_INV',
    reference: 'B1 NO_LAST_SYNC; INV-01',
    violates: { [overwritten]: 15, [leaked]: 16, [unprotected]: 14, [stale]: 10 },
    edits: ({ drop }) => [drop(['changeMapping', 'wait for ATC_INV'])],
  },
  'no-sync': {
    doc: 'the commands are queued and none is waited for',
    reference: 'B1 NO_SYNC; INV-01',
    violates: { [overwritten]: 9, [leaked]: 10, [unprotected]: 8, [stale]: 5 },
    edits: ({ drop }) => [drop(['changeMapping', 'wait for TLBI']), drop(['changeMapping', 'wait for ATC_INV'])],
  },
  'devtlb-inv-misses-some-endpoints': {
    doc: 'only the first endpoint of the domain is sent ATC_INV',
    reference: 'B8; CVE-2026-74573, Linux c3b8ee84a965',
    violates: { [overwritten]: 19, [unprotected]: 18, [stale]: 14, [missed]: 10 },
    set: { endpoint: 2, reads: 0 },
    edits: ({ replace, members }) => [
      replace(['changeMapping', 'submit ATC_INV', 'queue ATC_INV for every endpoint'], (s, { page }) => {
        const [first] = members(Endpoint);
        if (first !== undefined && s.endpoint[first].ste === 'translate') submit(s.queue, atcInv(first, page));
      }),
    ],
  },
  'inv-completion-passes-posted-writes': {
    doc: 'the endpoint acknowledges before its older posted writes have left it',
    reference: 'B10; Linux e65a6897be5e (Intel QAT)',
    violates: { [overwritten]: 19, [unprotected]: 18 },
    edits: ({ drop }) => [drop(['acknowledge', 'older posted writes went ahead of it'])],
  },
  'inv-timeout-treated-as-success': {
    doc: 'the error of CMD_SYNC after a timed-out ATC_INV is ignored',
    reference: 'B13; CVE-2021-28692, XSA-373; INV-10',
    violates: { [overwritten]: 18, [leaked]: 19, [unprotected]: 17, [stale]: 13 },
    edits: ({ drop }) => [drop(['changeMapping', 'an ATC_INV timed out'])],
  },
  'sync-not-in-batch': {
    doc: 'ATC_INV and its CMD_SYNC are queued one after the other: the error of a time-out can go to another processor',
    reference: 'INV-10; Linux reserves the slots of a batch and its CMD_SYNC at once',
    violates: { [overwritten]: 23, [stale]: 18, [missed]: 16 },
    size: 'pages',
    edits: ({ split }) => [
      split(['changeMapping', 'submit ATC_INV'], { after: 'queue ATC_INV for every endpoint', as: 'submit CMD_SYNC' }),
    ],
  },
  'pte-removed-without-notifier': {
    doc: 'the kernel changes the PTE on a path that tells no secondary MMU',
    reference: 'C3; CVE-2022-48991, Linux f268f6cf875f (mm/khugepaged)',
    violates: { [overwritten]: 7, [leaked]: 8, [unprotected]: 6, [stale]: 3 },
    edits: ({ drop }) => [
      drop(['changeMapping', 'submit TLBI']),
      drop(['changeMapping', 'wait for TLBI']),
      drop(['changeMapping', 'submit ATC_INV']),
      drop(['changeMapping', 'wait for ATC_INV']),
    ],
  },
  'lazy-iotlb-window': {
    doc: 'lazy mode: the page is freed first and invalidated later',
    reference: 'H1; ASPLOS 2016 (True IOMMU Protection), NDSS 2019 (Thunderclap)',
    violates: { [overwritten]: 7, [leaked]: 8, [unprotected]: 6, [stale]: 3 },
    edits: ({ move }) => [move(['changeMapping', 'return'], { before: 'submit TLBI' })],
  },
  'tlbi-dsb-before-writes-observed': {
    doc: 'TLBI completes while a write that it translated is still on its way to memory',
    reference: 'J; CVE-2025-10263, Linux cfd391e74134; INV-02',
    violates: { [overwritten]: 16, [leaked]: 17, [unprotected]: 15, [sync]: 7 },
    edits: ({ drop }) => [drop(['completeTlbi', 'accesses that it translated are in memory'])],
  },
});
