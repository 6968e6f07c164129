/**
 * `nested-invalidation` on the machine: what lies in memory, what a broken machine does, and how exact the comparison is.
 */
import { describe, expect, it } from 'vitest';
import { type ActionData, initialStates, type Instance, instantiate, type State } from '../../language/index.ts';
import { nestedInvalidation } from '../../model/nested-invalidation.ts';
import { nestedInvalidationVariants } from '../../properties/nested-invalidation.variants.ts';
import type { AnyLowering } from './lowering.ts';
import { nestedInvalidationLowering } from './nested-invalidation.ts';
import { differing, type Ran, runFrom, variantOf, withDefects as brokenBy } from './runs.fixture.ts';

type Way = 'trapped' | 'virtio' | 'own queue';

function run(
  instance: Instance,
  actions: readonly ActionData[],
  { way = 'own queue', lowering = nestedInvalidationLowering }: { way?: Way; lowering?: AnyLowering } = {},
): Ran {
  const starts = initialStates(instance) as readonly (State & { guest: { 0: { way: Way } }; unmaps: string })[];
  const wanted = actions.some(({ type }) => type === 'guestUnmap') ? ['guest', 'both'] : ['host', 'both', 'guest'];
  const start = starts
    .filter((of) => of.guest[0].way === way || of.unmaps === 'host')
    .toSorted((a, b) => wanted.indexOf(a.unmaps) - wanted.indexOf(b.unmaps))
    .find(({ unmaps }) => wanted.includes(unmaps));
  return runFrom(lowering, instance, start, actions);
}

function withDefects(...defects: readonly unknown[]): AnyLowering {
  return brokenBy(nestedInvalidationLowering, ...defects);
}

function variant(name: string): Instance {
  return variantOf(nestedInvalidationVariants, name);
}

function commandsOf({ consequence }: Ran): readonly string[] {
  return (consequence?.commands ?? []).map(({ decoded, state }) => `${decoded.replace(/^slot \d+: /, '')}: ${state}`);
}

const page = 0;
const endpoint = 0;
const frame = 0;
const guest = 0;
const act = (type: string, rest: object = {}): ActionData => ({ type, page, ...rest });
const unmap = (name: string, rest: object = {}): ActionData => ({ type: 'guestUnmap', step: name, page, ...rest });
const reclaim = (name: string, rest: object = {}): ActionData => ({ type: 'reclaim', step: name, page, ...rest });
const vmm = (name: string, rest: object = {}): ActionData => ({ type: 'forwardTrapped', step: name, guest, ...rest });
const virtio = (name: string): ActionData => ({ type: 'forwardVirtio', step: name, page });
const atEndpoint = (type: string, rest: object = {}): ActionData => ({ type, endpoint, page, ...rest });
const main = { from: 'main queue' } as const;
const own = { from: 'own queue' } as const;
const sync: ActionData = { type: 'completeSync' };
const ownSync: ActionData = { type: 'completeOwnSync', guest };

/** Both stages are fetched and combined. */
const combine: readonly ActionData[] = [act('fetchStage1'), act('fetchStage2'), act('insertIpa'), act('combine')];
/** The endpoint has the translation in its ATC. */
const cache: readonly ActionData[] = [
  ...combine,
  atEndpoint('requestTranslation'),
  atEndpoint('answer', { answer: 'translation' }),
  atEndpoint('receiveCompletion'),
];
const clearS2 = reclaim('clear the stage-2 entry', { all: false });
const dropS2: readonly ActionData[] = [
  reclaim('submit TLBI of stage 2'),
  act('completeTlbiIpa', { lost: false }),
  sync,
  reclaim('wait for TLBI of stage 2'),
];
const dropS1: readonly ActionData[] = [
  reclaim('submit TLBI of stage 1'),
  { type: 'completeTlbiVmid', ...main, guest, op: 'nh-all', lost: false },
  sync,
  reclaim('wait for TLBI of stage 1'),
];
const dropAtc: readonly ActionData[] = [
  reclaim('submit ATC_INV'),
  { type: 'invalidateAtc', ...main, endpoint, page: null },
  sync,
  reclaim('wait for ATC_INV'),
];
const clear = unmap('clear the PTE');
const smoke = instantiate(nestedInvalidation, 'smoke');
const both = instantiate(nestedInvalidation, 'both');

describe('the correct protocol', () => {
  it('reclaims a frame with the commands that hosts issue, stage 2 before stage 1 before the ATC', () => {
    const ran = run(smoke, [...cache, clearS2, ...dropS2, ...dropS1, ...dropAtc, reclaim('free the frame')]);
    expect(ran.disagreement).toBeUndefined();
    expect(ran.consequence).toMatchObject({ harms: [], evidence: [], events: [] });
    expect(commandsOf(ran)).toEqual([
      'CMD_TLBI_S2_IPA vmid 0x1, leaf, ttl 0x3, tg 0x1, address 0x80001000: complete',
      'CMD_SYNC msh 0x3, msiAttr 0xf: complete',
      'CMD_TLBI_NH_ALL vmid 0x1: complete',
      'CMD_SYNC msh 0x3, msiAttr 0xf: complete',
      'CMD_ATC_INV sid 0x8, size 0x34: complete',
      'CMD_SYNC msh 0x3, msiAttr 0xf: complete',
    ]);
  });

  it("carries a trapped guest's commands over with its VMID and the StreamID of the function, and refuses what is not for guests", () => {
    const ran = run(
      smoke,
      [
        ...cache,
        clear,
        unmap('submit TLBI', { nonsense: true }),
        vmm('read the queue'),
        vmm('convert a command', { op: 'forbidden' }),
        vmm('report the command error'),
        vmm('convert a command', { op: 'nh-va' }),
        vmm('issue the batch'),
        act('completeTlbiVa', { ...main, lost: false }),
        sync,
        vmm('wait for the batch'),
        vmm('advance the consumer index'),
        unmap('wait for TLBI'),
        unmap('submit ATC_INV'),
        vmm('read the queue'),
        vmm('convert a command', { op: 'atc-inv' }),
        vmm('issue the batch'),
        { type: 'invalidateAtc', ...main, endpoint, page },
        sync,
        vmm('wait for the batch'),
        vmm('advance the consumer index'),
        unmap('wait for ATC_INV'),
        unmap('free the page'),
      ],
      { way: 'trapped' },
    );
    expect(ran.disagreement).toBeUndefined();
    expect(ran.consequence).toMatchObject({ harms: [], evidence: [] });
    expect(commandsOf(ran)).toEqual([
      'CMD_TLBI_NH_VA vmid 0x1, asid 0x1, leaf, ttl 0x3, tg 0x1, address 0x7f0000001000: complete',
      'CMD_SYNC msh 0x3, msiAttr 0xf: complete',
      'CMD_ATC_INV sid 0x8, address 0x7f0000001000: complete',
      'CMD_SYNC msh 0x3, msiAttr 0xf: complete',
    ]);
  });

  it("has hardware put the VMID into a guest's own queue, which stops at what is not for guests", () => {
    const ran = run(smoke, [
      ...cache,
      clear,
      unmap('submit TLBI', { nonsense: true }),
      act('completeTlbiVa', { ...own, lost: false }),
      { type: 'stopAtForbidden', guest },
      ownSync,
      unmap('wait for TLBI'),
      unmap('submit ATC_INV'),
      { type: 'invalidateAtc', ...own, endpoint, page },
      ownSync,
      unmap('wait for ATC_INV'),
      unmap('free the page'),
    ]);
    expect(ran.disagreement).toBeUndefined();
    // Nothing of it is in the main queue.
    expect(ran.consequence).toMatchObject({ harms: [], evidence: [], commands: [] });
  });

  it('skips what is not for guests also before the TLBI takes effect', () => {
    const ran = run(smoke, [
      ...cache,
      clear,
      unmap('submit TLBI', { nonsense: true }),
      { type: 'stopAtForbidden', guest },
      act('completeTlbiVa', { ...own, lost: false }),
      ownSync,
    ]);
    expect(ran.disagreement).toBeUndefined();
  });

  it('with two pages of which one has something that is not for guests behind the other', () => {
    const pages = instantiate(nestedInvalidation, 'deep', { set: { nonsense: 1, queue: 8 } });
    const other = 1;
    const ran = run(pages, [
      clear,
      unmap('submit TLBI', { nonsense: true }),
      unmap('clear the PTE', { page: other }),
      unmap('submit TLBI', { page: other, nonsense: true }),
      { type: 'stopAtForbidden', guest },
      act('completeTlbiVa', { ...own, lost: false }),
      ownSync,
      act('completeTlbiVa', { ...own, page: other, lost: false }),
      { type: 'stopAtForbidden', guest },
      ownSync,
      unmap('wait for TLBI', { page: other }),
    ]);
    expect(ran.disagreement).toBeUndefined();
  });

  it('invalidates a PASID for a guest with a virtio-iommu', () => {
    const ran = run(
      smoke,
      [
        ...cache,
        clear,
        unmap('send INVALIDATE', { scope: 'PASID' }),
        virtio('take the request'),
        virtio('submit TLBI'),
        { type: 'completeTlbiVmid', ...main, guest, op: 'nh-asid', lost: false },
        sync,
        virtio('wait for TLBI'),
        virtio('submit ATC_INV'),
        { type: 'invalidateAtc', ...main, endpoint, page: null },
        sync,
        virtio('wait for ATC_INV'),
        virtio('reply'),
        unmap('wait for the reply'),
        unmap('free the page'),
      ],
      { way: 'virtio' },
    );
    expect(ran.disagreement).toBeUndefined();
    expect(commandsOf(ran).filter((text) => !text.startsWith('CMD_SYNC'))).toEqual([
      'CMD_TLBI_NH_ASID vmid 0x1, asid 0x1: complete',
      'CMD_ATC_INV sid 0x8, size 0x34: complete',
    ]);
  });

  it('answers "no access" by walking, though an IPA entry is left', () => {
    const ran = run(smoke, [
      act('fetchStage2'),
      act('insertIpa'),
      clearS2,
      atEndpoint('requestTranslation'),
      atEndpoint('answer', { answer: 'no access' }),
      atEndpoint('requestTranslation'),
    ]);
    expect(ran.disagreement).toBeUndefined();
  });

  it('forms a combined entry again from a stale IPA entry, which is why stage 2 goes first', () => {
    const ran = run(variant('nh-all-before-ipa'), [...combine, clearS2, ...dropS1, act('fetchStage1'), act('combine')]);
    expect(ran.disagreement).toBeUndefined();
    expect(ran.consequence?.evidence.join('\n')).toContain('in a combined entry');
  });
});

describe('a machine that is broken where the model is not', () => {
  it('whose TLBI drops nothing differs in the TLB', () => {
    const lowering = withDefects({ part: 'smmu', defect: 'tlbiLost' });
    const ipa = [...combine, clearS2, reclaim('submit TLBI of stage 2'), act('completeTlbiIpa', { lost: false })];
    expect(differing(run(smoke, ipa, { lowering }))).toEqual(['page[page0].ipaEntry']);
    const own1 = [
      ...combine,
      clear,
      unmap('submit TLBI', { nonsense: false }),
      act('completeTlbiVa', { ...own, lost: false }),
    ];
    expect(differing(run(smoke, own1, { lowering }))).toEqual(['page[page0].combined']);
  });

  it('whose endpoint ignores invalidations differs in the ATC', () => {
    const lowering = withDefects({ part: 'endpoint', defect: 'ignoresInvalidations' });
    const ran = run(smoke, [...cache, clearS2, ...dropS2, ...dropS1, ...dropAtc], { lowering });
    expect(differing(ran)).toEqual(['endpoint[endpoint0].atc[page0].entry']);
  });

  it('whose ATC invalidations are lost refuses', () => {
    const lowering = withDefects({ part: 'smmu', defect: 'atcInvLost' });
    const ran = run(smoke, [...cache, clearS2, ...dropS2, ...dropS1, ...dropAtc], { lowering });
    expect(ran.disagreement).toEqual({ kind: 'refused', reason: 'CMD_ATC_INV sends nothing' });
  });
});

describe('correct hardware does not do what broken hardware does', () => {
  const sound = withDefects();

  it('an Invalidate Completion does not pass posted writes', () => {
    const passing = [
      ...cache,
      atEndpoint('writeTranslated'),
      clearS2,
      ...dropS2,
      ...dropS1,
      reclaim('submit ATC_INV'),
      { type: 'invalidateAtc', ...main, endpoint, page: null },
    ];
    const instance = variant('inv-completion-passes-posted-writes');
    expect(run(instance, passing).disagreement).toBeUndefined();
    const { at, disagreement } = run(instance, passing, { lowering: sound });
    expect({ at, kind: disagreement?.kind }).toEqual({ at: passing.length, kind: 'refused' });
    expect(JSON.stringify(disagreement)).toContain('the write of 0x60000040 is in front of');
  });

  it('a completion that was overtaken is not cached', () => {
    const crossing = [
      ...combine,
      atEndpoint('requestTranslation'),
      atEndpoint('answer', { answer: 'translation' }),
      clearS2,
      ...dropS2,
      ...dropS1,
      reclaim('submit ATC_INV'),
      { type: 'invalidateAtc', ...main, endpoint, page: null },
    ];
    const instance = variant('completion-crosses-invalidation');
    expect(run(instance, crossing).disagreement).toBeUndefined();
    expect(differing(run(instance, crossing, { lowering: sound }))).toEqual([
      'endpoint[endpoint0].atc[page0].request',
      'endpoint[endpoint0].atc[page0].answer',
    ]);
  });

  it('CMD_SYNC does not complete before what a combined entry translated is in memory', () => {
    const early = [
      ...combine,
      atEndpoint('writeUntranslated'),
      clear,
      unmap('submit TLBI', { nonsense: false }),
      act('completeTlbiVa', { ...own, lost: false }),
    ];
    const instance = variant('tlbi-before-writes-observed');
    expect(run(instance, early).disagreement).toBeUndefined();
    expect(differing(run(instance, early, { lowering: sound }))).toEqual(['guest[guest0].queue.window']);
  });

  it('a TLBI is lost under an erratum alone, and not twice', () => {
    const lost = [...combine, clearS2, reclaim('submit TLBI of stage 2'), act('completeTlbiIpa', { lost: true })];
    const instance = variant('tlbi-loses-against-traffic');
    expect(run(instance, lost)).toMatchObject({ at: lost.length, disagreement: undefined });
    // What the size says of hardware is not told to the machine.
    const lowering: AnyLowering = {
      ...nestedInvalidationLowering,
      build: (of) =>
        nestedInvalidationLowering.build({
          ...of,
          instance: { ...of.instance, sizes: { ...of.instance.sizes, erratum: 0 } },
        }),
    };
    expect(run(instance, lost, { lowering }).disagreement).toEqual({
      kind: 'refused',
      reason: 'hardware does not lose the command',
    });
  });
});

describe('software that forgets something is noticed', () => {
  type Mutable = Record<'page' | 'frame' | 'guest', readonly Record<string, unknown>[]> & { readonly queue: unknown };
  const forgetting = (part: 'page' | 'frame' | 'guest', field: string): AnyLowering => ({
    ...nestedInvalidationLowering,
    software: (machine, { before, after }) => {
      const [then, now] = [before as Mutable, after as Mutable];
      const old = [...then[part]];
      const kept = Object.assign(
        [...now[part]].map((of, i) => ({ ...of, [field]: old[i]?.[field] })),
        {},
      );
      return nestedInvalidationLowering.software(machine, { before, after: { ...now, [part]: kept } });
    },
  });

  it('a PTE or a stage-2 entry that is not written', () => {
    expect(differing(run(smoke, [clear], { lowering: forgetting('page', 'pte') }))).toEqual(['page[page0].pte']);
    expect(differing(run(smoke, [clearS2], { lowering: forgetting('page', 'stage2') }))).toEqual([
      'page[page0].stage2',
    ]);
  });

  it('a frame that is not given away', () => {
    const freed = [clearS2, ...dropS2, ...dropS1, ...dropAtc, reclaim('free the frame')];
    const ran = run(smoke, [...freed, { type: 'giveToStranger', frame }], { lowering: forgetting('frame', 'use') });
    expect(differing(ran)).toEqual(['frame[frame0].use']);
  });

  it('commands and requests that are not queued', () => {
    const submitted = [clear, unmap('submit TLBI', { nonsense: false })];
    for (const way of ['own queue', 'trapped'] as const) {
      expect(differing(run(smoke, submitted, { way, lowering: forgetting('guest', 'queue') }))).toEqual([
        'guest[guest0].queue.window',
        'guest[guest0].queue.behind',
      ]);
    }
    const asked = [clear, unmap('send INVALIDATE', { scope: 'address' })];
    expect(differing(run(smoke, asked, { way: 'virtio', lowering: forgetting('page', 'invalidate') }))).toEqual([
      'page[page0].invalidate',
    ]);
  });
});

describe('what it physically comes to', () => {
  const reuse = [clearS2, ...dropS2, ...dropS1];

  it('a write through a stale ATC entry into a frame that the host has given to somebody else, with the bytes', () => {
    const { disagreement, consequence } = run(variant('s2-unmap-leaves-atc'), [
      ...cache,
      ...reuse,
      reclaim('free the frame'),
      { type: 'giveToStranger', frame },
      atEndpoint('writeTranslated'),
      atEndpoint('reachMemory', { frame, translatedBy: 'endpoint' }),
    ]);
    expect(disagreement).toBeUndefined();
    const secret = 'data of stranger; '.repeat(8);
    expect(consequence?.harms).toEqual([
      {
        what:
          'endpoint0 of guest0 wrote 64 bytes at VA 0x7f0000001000 (IPA 0x80001000), through its ATC, ' +
          'into the frame at 0x60000000, which belongs to stranger and not to a process of guest0',
        address: '0x60000040',
        before: Buffer.from(secret.slice(64, 128)).toString('hex'),
        after: 'e0'.repeat(64),
      },
    ]);
  });

  it('a write into a page that the guest has given to another of its processes', () => {
    const { disagreement, consequence } = run(variant('tlbi-loses-against-traffic-of-an-unaware-guest'), [
      ...combine,
      clear,
      unmap('submit TLBI', { nonsense: false }),
      act('completeTlbiVa', { ...own, lost: true }),
      ownSync,
      unmap('wait for TLBI'),
      unmap('submit ATC_INV'),
      { type: 'invalidateAtc', ...own, endpoint, page },
      ownSync,
      unmap('wait for ATC_INV'),
      unmap('free the page'),
      act('giveToOther'),
      atEndpoint('writeUntranslated'),
      atEndpoint('reachMemory', { frame, translatedBy: 'smmu' }),
    ]);
    expect(disagreement).toBeUndefined();
    expect(consequence?.harms).toHaveLength(1);
    expect(consequence?.harms[0]?.what).toContain(
      'translated by the SMMU from its TLB, into the frame at 0x60000000, which belongs to another process of guest0',
    );
  });

  it('where nothing was written yet, what is stale, and what one more write would do', () => {
    const { consequence } = run(variant('s2-unmap-leaves-combined-entries'), [...cache, clearS2, ...dropS2]);
    expect(consequence?.harms).toEqual([]);
    expect(consequence?.evidence).toEqual([
      'the ATC of endpoint0 has VA 0x7f0000001000 for the frame at 0x60000000, while its PTE in memory is 0x60000080001f43 and ' +
        'its stage-2 entry 0x0; the frame belongs to a process of guest0',
      'the TLB has VA 0x7f0000001000 for the frame at 0x60000000 in a combined entry, while its PTE in memory is 0x60000080001f43 ' +
        'and its stage-2 entry 0x0; the frame belongs to a process of guest0',
    ]);
    expect(consequence?.next).toMatchObject([{ address: '0x60000040', after: 'e0'.repeat(64) }]);
  });

  it('a TLBI with a VMID that no guest has', () => {
    const { consequence } = run(
      variant('vmid-of-the-guest-used'),
      [
        clear,
        unmap('submit TLBI', { nonsense: false }),
        vmm('read the queue'),
        vmm('convert a command', { op: 'nh-va' }),
        vmm('issue the batch'),
      ],
      { way: 'trapped' },
    );
    expect(consequence?.evidence).toEqual(['CMD_TLBI_NH_VA in slot 0 names VMID 0, which no guest has']);
  });

  it('guest and host at once: nothing is left of either stage', () => {
    const ran = run(both, [
      ...cache,
      clear,
      clearS2,
      unmap('submit TLBI', { nonsense: false }),
      reclaim('submit TLBI of stage 2'),
      act('completeTlbiIpa', { lost: false }),
      act('completeTlbiVa', { ...own, lost: false }),
      ownSync,
      sync,
      unmap('wait for TLBI'),
      reclaim('wait for TLBI of stage 2'),
      ...dropS1,
      unmap('submit ATC_INV'),
      reclaim('submit ATC_INV'),
      { type: 'invalidateAtc', ...own, endpoint, page },
      { type: 'invalidateAtc', ...main, endpoint, page: null },
      ownSync,
      sync,
      unmap('wait for ATC_INV'),
      reclaim('wait for ATC_INV'),
    ]);
    expect(ran.disagreement).toBeUndefined();
    expect(ran.consequence).toMatchObject({ harms: [], evidence: [] });
  });
});
