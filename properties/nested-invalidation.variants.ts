/**
 * Known bugs of nested invalidation, in hosts, VMMs, guests and hardware, as edits of the correct protocol or as
 * configurations of it.
 *
 * The recorded lengths count this model's atomic steps from a page mapped in both stages and empty caches.
 */
import { variants } from '../language/index.ts';
import { atcInv, type Command, Endpoint, Frame, Page } from '../model/nested-invalidation.ts';
import { submit } from '../model/parts/command-queue.ts';
import { nestedInvalidationProperties } from './nested-invalidation.ts';

const foreign = 'no write reaches a frame of another owner';
const other = 'no write reaches a page of another process of the guest';
const frame = 'nothing of a freed frame is cached';
const page = 'nothing of an unmapped page is cached once the guest was told';

/** ATC_INV for an address at which no ATC has anything. */
function atcInvElsewhere(endpoint: Command['endpoint']): Command {
  return { op: 'atc-inv', vmid: null, page: null, endpoint };
}
const invalidateElsewhere = {
  actor: 'endpoint',
  fairness: 'weak',
  when: {
    'it is outstanding': (
      s: { readonly queue: { readonly window: { has(item: Command): boolean } } },
      { endpoint }: { readonly endpoint: Command['endpoint'] },
    ): boolean => s.queue.window.has(atcInvElsewhere(endpoint)),
  },
  then: {
    'complete the command': (
      s: { readonly queue: { readonly window: { remove(item: Command): Command } } },
      { endpoint }: { readonly endpoint: Command['endpoint'] },
    ): void => {
      s.queue.window.remove(atcInvElsewhere(endpoint));
    },
  },
} as const;
function isElsewhere({ op, vmid }: Command): boolean {
  return op === 'nh-va' && vmid === null;
}

export const nestedInvalidationVariants = variants(nestedInvalidationProperties, {
  's2-unmap-leaves-combined-entries': {
    doc: 'after the stage-2 entry was cleared only IPA entries are invalidated',
    reference:
      'G1 NH_ALL=false; Linux 1e8be08d1c91 (iommu/arm-smmu-v3: Support IOMMU_DOMAIN_NESTED); VT-d 0455d317f533',
    violates: {
      [foreign]: 17,
      [frame]: 14,
      'nothing combined is cached when the host turns to the ATC': 9,
      'a combined entry came from an entry of each stage': 14,
    },
    set: { ways: 2, nonsense: 0 },
    edits: ({ drop }) => [drop(['reclaim', 'TLBI of stage 1 is due'])],
  },
  'nh-all-before-ipa': {
    doc: 'stage 1 is invalidated before stage 2: a combined entry is formed again from the stale IPA entry',
    reference: 'G1 NH_ALL_BEFORE_IPA; NEST-06',
    violates: {
      [foreign]: 21,
      [frame]: 18,
      'nothing of stage 2 is cached when the host turns to stage 1': 2,
      'nothing combined is cached when the host turns to the ATC': 13,
      'a combined entry came from an entry of each stage': 18,
    },
    set: { ways: 2, nonsense: 0 },
    edits: ({ move }) => [move(['reclaim', 'TLBI of stage 1 is due'], { before: 'TLBI of stage 2 is due' })],
  },
  's2-and-s1-in-one-batch': {
    doc: 'TLBI_S2_IPA and TLBI_NH_ALL stand between the same two CMD_SYNCs, where they complete in any order',
    reference: 'NEST-06; the rule that arm_smmu_invs_end_batch keeps (Linux, per-domain invalidation arrays, 2026)',
    violates: {
      [foreign]: 18,
      [frame]: 14,
      'nothing of stage 2 is cached when the host turns to stage 1': 3,
      'nothing combined is cached when the host turns to the ATC': 6,
      'a combined entry came from an entry of each stage': 16,
    },
    set: { ways: 2, nonsense: 0 },
    edits: ({ drop }) => [
      drop(['reclaim', 'submit TLBI of stage 2', 'queue CMD_SYNC']),
      drop(['reclaim', 'wait for TLBI of stage 2']),
    ],
  },
  's2-unmap-leaves-ipa-entries': {
    doc: 'after the stage-2 entry was cleared only what came from stage 1 is invalidated',
    reference:
      'NEST-06; mirror image of G1: invalidation by the tag of the nested domain, none by that of its parent (VT-d)',
    violates: {
      [foreign]: 13,
      [frame]: 7,
      'nothing of stage 2 is cached when the host turns to stage 1': 2,
      'nothing combined is cached when the host turns to the ATC': 5,
      'a combined entry came from an entry of each stage': 10,
    },
    set: { ways: 2, nonsense: 0 },
    edits: ({ drop }) => [drop(['reclaim', 'TLBI of stage 2 is due'])],
  },
  's2-unmap-leaves-atc': {
    doc: 'after the stage-2 entry was cleared no ATC is invalidated',
    reference: 'G2 ATC_SCOPE=none; Linux b77429757e45',
    violates: { [foreign]: 16, [frame]: 12 },
    set: { ways: 2, nonsense: 0 },
    edits: ({ drop }) => [drop(['reclaim', 'submit ATC_INV']), drop(['reclaim', 'wait for ATC_INV'])],
  },
  's2-unmap-leaves-guest-addressed-atc': {
    doc: 'ATC_INV carries the IPA as if it were a virtual address, at which the ATC has nothing',
    reference: 'G2 ATC_SCOPE=ipa-range; Linux b77429757e45',
    violates: { [foreign]: 20, [frame]: 16 },
    set: { ways: 2, nonsense: 0 },
    edits: ({ replace, addAction, members }) => [
      replace(['reclaim', 'submit ATC_INV', 'queue ATC_INV for every endpoint of the guest'], (s) => {
        for (const endpoint of members(Endpoint)) submit(s.queue, atcInvElsewhere(endpoint));
      }),
      addAction('invalidateElsewhere', { endpoint: Endpoint }, invalidateElsewhere),
    ],
  },
  's2-unmap-misses-some-endpoints': {
    doc: 'reclaim sends ATC_INV to the first endpoint of the guest alone',
    reference: 'B8; NEST-07; INV_TARGETS=first',
    violates: { [foreign]: 20, [frame]: 16 },
    set: { frame: 1, endpoint: 2, ways: 2, nonsense: 0 },
    edits: ({ replace, members }) => [
      replace(['reclaim', 'submit ATC_INV', 'queue ATC_INV for every endpoint of the guest'], (s) => {
        const [first] = members(Endpoint);
        if (first !== undefined) submit(s.queue, atcInv(first, null));
      }),
    ],
  },
  's2-unmap-without-last-sync': {
    doc: 'the frame is freed without waiting for ATC_INV',
    reference: 'B1 NO_LAST_SYNC at stage 2; NEST-06',
    violates: { [foreign]: 17, [frame]: 13, 'who waits in the host has a CMD_SYNC in the main queue': 7 },
    set: { ways: 2, nonsense: 0 },
    edits: ({ drop }) => [drop(['reclaim', 'wait for ATC_INV'])],
  },
  's2-frame-freed-before-invalidation': {
    doc: 'the frame goes back to the allocator first and is invalidated later',
    reference:
      'H1 at stage 2; CVE-2022-48991 is the same for a process (C3): KVM or VFIO tables changed, the IOMMU told later',
    violates: {
      [foreign]: 9,
      [frame]: 3,
      'nothing of stage 2 is cached when the host turns to stage 1': 2,
      'nothing combined is cached when the host turns to the ATC': 5,
      'a combined entry came from an entry of each stage': 14,
    },
    set: { frame: 1, ways: 2, nonsense: 0 },
    edits: ({ move }) => [move(['reclaim', 'free the frame'], { before: 'TLBI of stage 2 is due' })],
  },
  's2-entry-replaced-without-break': {
    doc: 'the host points a valid stage-2 entry at another frame and invalidates nothing',
    reference: 'C6 at stage 2; IOMMU_VFIO unmap and map merged; architecture asks for break before make',
    violates: { [foreign]: 8, [frame]: 2, 'a combined entry came from an entry of each stage': 5 },
    set: { ways: 2, nonsense: 0 },
    edits: ({ addAction }) => [
      addAction(
        'migrate',
        { page: Page, to: Frame },
        {
          actor: 'host',
          when: {
            'the page is mapped': (s, { page: moved }) => s.page[moved].stage2 !== null,
            'the frame is free': (s, { to }) => s.frame[to].use === 'free',
          },
          then: {
            'write the entry and free the old frame': (s, { page: moved, to }) => {
              const { backing } = s.page[moved];
              if (backing !== null) s.frame[backing].use = 'free';
              s.page[moved].stage2 = to;
              s.page[moved].backing = to;
              s.frame[to].use = 'backs a page';
            },
          },
        },
      ),
    ],
  },
  'guest-skips-atc-inv': {
    doc: 'the guest believes ATS off for a device whose ATS the host has switched on, and sends no ATC_INV',
    reference: 'NEST-11; Linux f27298a82ba0 (iommu/arm-smmu-v3: Allow ATS for IOMMU_DOMAIN_NESTED)',
    violates: { [other]: 16, [page]: 12 },
    set: { ways: 2, nonsense: 0 },
    edits: ({ drop }) => [drop(['guestUnmap', 'submit ATC_INV']), drop(['guestUnmap', 'wait for ATC_INV'])],
  },
  'guest-atc-inv-before-tlbi': {
    doc: 'the guest invalidates the ATC before the TLB',
    reference: 'B1 ATC_FIRST in a guest; Linux 353e3cf8590c',
    violates: { [other]: 20, [page]: 16, 'nothing combined is cached when the guest turns to the ATC': 2 },
    set: { ways: 2, nonsense: 0 },
    edits: ({ move }) => [
      move(['guestUnmap', 'submit ATC_INV'], { before: 'TLBI is due' }),
      move(['guestUnmap', 'wait for ATC_INV'], { before: 'TLBI is due' }),
    ],
  },
  'guest-frees-before-reply': {
    doc: 'the guest gives the page away when its INVALIDATE is on the queue, not when it was used',
    reference: 'VSVA-04',
    violates: {
      [other]: 10,
      [page]: 4,
      'nothing combined is cached when the guest turns to the ATC': 3,
      'a combined entry came from an entry of each stage': 7,
      'who waits in the guest has asked': 3,
    },
    set: { ways: 1, nonsense: 0 },
    edits: ({ drop }) => [drop(['guestUnmap', 'wait for the reply'])],
  },
  'reply-before-invalidation': {
    doc: 'the VMM replies to INVALIDATE when it has read it, and carries it out later',
    reference: 'VSVA-04; VIOMMU-12',
    violates: {
      [other]: 13,
      [page]: 7,
      'nothing combined is cached when the guest turns to the ATC': 4,
      'a combined entry came from an entry of each stage': 10,
    },
    set: { ways: 1, nonsense: 0 },
    edits: ({ move }) => [move(['forwardVirtio', 'reply'], { before: 'TLBI is due' })],
  },
  'invalidate-leaves-atc': {
    doc: 'INVALIDATE of the TLB does not reach the ATC: v1 had a scope of its own for that, v2 has none',
    reference: 'VIOMMU-22, VIOMMU-23',
    violates: { [other]: 20, [page]: 16 },
    set: { ways: 1, nonsense: 0 },
    edits: ({ drop }) => [drop(['forwardVirtio', 'submit ATC_INV']), drop(['forwardVirtio', 'wait for ATC_INV'])],
  },
  'vsva-devtlb-range-derived-wrongly': {
    doc: 'for an INVALIDATE of a whole PASID the host takes the range for the ATC from the unused address field',
    reference: 'G7; Linux 0fa1a15fa9b3 (iommu/vt-d: Fix devTLB flush for vSVA)',
    violates: { [other]: 24, [page]: 20 },
    set: { ways: 1, nonsense: 0 },
    edits: ({ replace, addAction, members }) => [
      replace(
        ['forwardVirtio', 'submit ATC_INV', 'queue ATC_INV of the scope for every endpoint'],
        (s, { page: unmapped }) => {
          const isPasid = s.page[unmapped].invalidate === 'PASID';
          for (const endpoint of members(Endpoint)) {
            submit(s.queue, isPasid ? atcInvElsewhere(endpoint) : atcInv(endpoint, unmapped));
          }
        },
      ),
      addAction('invalidateElsewhere', { endpoint: Endpoint }, invalidateElsewhere),
    ],
  },
  'count-includes-what-was-not-issued': {
    doc: 'a command that cannot be converted ends the call before the converted ones ahead of it were issued, yet they count as done',
    reference:
      'found in Linux arm_vsmmu_cache_invalidate (d68beb276ba2 and later): the error path returns cur - cmds, not last - cmds',
    violates: {
      [other]: 25,
      [page]: 19,
      'nothing combined is cached when the guest turns to the ATC': 9,
      'a combined entry came from an entry of each stage': 22,
    },
    set: { ways: 0 },
    edits: ({ replace, addEffect }) => [
      replace(['forwardTrapped', 'something was converted'], (_s, _p, me) => !me.refused && !me.batch.isEmpty),
      addEffect(['forwardTrapped', 'report the command error'], 'forget the batch', (_s, _p, me) => {
        me.batch.clear();
      }),
    ],
  },
  'consumer-index-before-the-batch': {
    doc: "the VMM completes the guest's CMD_SYNC without waiting for the CMD_SYNC of the host",
    reference: 'I10; VSVA-04',
    violates: {
      [other]: 21,
      [page]: 15,
      'nothing combined is cached when the guest turns to the ATC': 8,
      'a combined entry came from an entry of each stage': 18,
      'who waits in the host has a CMD_SYNC in the main queue': 6,
    },
    set: { ways: 0, nonsense: 0 },
    edits: ({ drop }) => [drop(['forwardTrapped', 'wait for the batch'])],
  },
  'vmid-of-the-guest-used': {
    doc: 'the host leaves the VMID that the guest wrote, which stands for nothing of this guest',
    reference: 'NEST-08',
    violates: {
      [other]: 27,
      [page]: 21,
      'nothing combined is cached when the guest turns to the ATC': 11,
      'a combined entry came from an entry of each stage': 24,
      'a TLBI names the VMID of the guest whose page it is': 5,
    },
    set: { ways: 0, nonsense: 0 },
    edits: ({ replace, addAction }) => [
      replace(
        ['forwardTrapped', 'convert a command', 'write its VMID and put it into the batch'],
        (s, { guest, op }, me) => {
          me.batch.add(s.guest[guest].queue.window.remove((c) => c.op === op));
        },
      ),
      addAction(
        'completeTlbiElsewhere',
        {},
        {
          actor: 'smmu',
          fairness: 'weak',
          when: { 'a TLBI has a VMID of nobody': (s) => s.queue.window.has(isElsewhere) },
          then: {
            'complete the command': (s) => {
              s.queue.window.remove(isElsewhere);
            },
          },
        },
      ),
    ],
  },
  'inv-completion-passes-posted-writes': {
    doc: 'the endpoint acknowledges before its older posted writes have left it',
    reference: 'B10; Linux e65a6897be5e (Intel QAT)',
    violates: { [foreign]: 20, [other]: 20 },
    set: { ways: 2, nonsense: 0 },
    edits: ({ drop }) => [drop(['invalidateAtc', 'older posted writes went ahead of it'])],
  },
  'completion-crosses-invalidation': {
    doc: 'the endpoint caches a completion that an invalidation has overtaken',
    reference: 'ATS-16',
    violates: { [foreign]: 20, [other]: 20, [frame]: 16, [page]: 16 },
    set: { ways: 2, nonsense: 0 },
    edits: ({ drop }) => [drop(['invalidateAtc', 'forget the requests that it overtakes'])],
  },
  'tlbi-before-writes-observed': {
    doc: 'TLBI of the VMID completes while a write that it translated is still on its way to memory',
    reference: 'J tlbi-dsb-before-writes-observed; CVE-2025-10263, Linux cfd391e74134',
    violates: { [foreign]: 17, [other]: 17 },
    set: { ways: 2, nonsense: 0 },
    edits: ({ drop }) => [
      drop(['completeTlbiVmid', 'accesses that it translated are in memory']),
      drop(['completeTlbiVa', 'accesses that it translated are in memory']),
    ],
  },
  'tlbi-loses-against-traffic': {
    doc: 'a TLBI that races with traffic of the same entry is lost; the guest repeats its own, the host does not',
    reference: 'J tlbi-loses-against-traffic; Tegra264, Linux 06b15ddcfbc0',
    violates: {
      [foreign]: 17,
      [frame]: 11,
      'nothing of stage 2 is cached when the host turns to stage 1': 6,
      'nothing combined is cached when the host turns to the ATC': 9,
      'a combined entry came from an entry of each stage': 14,
    },
    set: { frame: 1, erratum: 1, guestRepeats: 2, nonsense: 0, ways: 2 },
  },
  'tlbi-loses-against-traffic-of-an-unaware-guest': {
    doc: 'the host repeats its TLBI, but a guest with a queue of its own has not been told of the erratum',
    reference:
      'J tlbi-loses-against-traffic; Linux d501d66815ee (iommu/arm-smmu-v3-iommufd: Report CFGI/TLBI-repeat erratum)',
    violates: {
      [other]: 17,
      [page]: 11,
      'nothing combined is cached when the guest turns to the ATC': 6,
      'a combined entry came from an entry of each stage': 14,
    },
    set: { erratum: 1, hostRepeats: 2, nonsense: 0, ways: 2 },
  },
  'mmu700-missing-sync-between-types': {
    doc: 'a batch goes into the queue without its CMD_SYNC, so that another type of command can come beside it',
    reference: 'J mmu700-missing-sync-between-types; Arm MMU-700 erratum 2812531, Linux 309a15cb16bb',
    violates: {
      [foreign]: 33,
      [other]: 26,
      [frame]: 16,
      [page]: 20,
      'nothing of stage 2 is cached when the host turns to stage 1': 11,
      'nothing combined is cached when the host turns to the ATC': 25,
      'nothing combined is cached when the guest turns to the ATC': 13,
      'a combined entry came from an entry of each stage': 23,
    },
    set: { unmaps: 2, frame: 1, erratum: 2, nonsense: 0, ways: 1 },
    edits: ({ split }) => [
      split(['forwardVirtio', 'submit TLBI'], { after: 'queue TLBI of the scope', as: 'submit CMD_SYNC' }),
    ],
  },
  'mmu600-700-nested-tlbi': {
    doc: 'TLBI of stage 1 is incomplete while both stages are active',
    reference:
      'J mmu600-700-nested-tlbi; Arm MMU-600 1209401, MMU-700 2268618; Linux 0bfbfc526c70 does not advertise nesting there',
    violates: {
      [foreign]: 21,
      [other]: 17,
      [frame]: 18,
      [page]: 11,
      'nothing combined is cached when the host turns to the ATC': 13,
      'nothing combined is cached when the guest turns to the ATC': 6,
      'a combined entry came from an entry of each stage': 14,
    },
    set: { erratum: 3, nonsense: 0, ways: 2 },
  },
});
