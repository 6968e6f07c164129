/**
 * `atc-invalidation` on the machine: what lies in memory, what a broken machine does, and how exact the comparison is.
 */
import { describe, expect, it } from 'vitest';
import { type ActionData, initialStates, type Instance, instantiate, type State } from '../../language/index.ts';
import { atcInvalidation } from '../../model/atc-invalidation.ts';
import { atcInvalidationVariants } from '../../properties/atc-invalidation.variants.ts';
import { atcInvalidationLowering } from './atc-invalidation.ts';
import type { AnyLowering } from './lowering.ts';
import { differing, type Ran, runFrom, variantOf, withDefects as brokenBy } from './runs.fixture.ts';

function run(instance: Instance, actions: readonly ActionData[], lowering: AnyLowering = atcInvalidationLowering): Ran {
  const [state] = initialStates(instance) as readonly State[];
  return runFrom(lowering, instance, state, actions);
}

function withDefects(...defects: readonly unknown[]): AnyLowering {
  return brokenBy(atcInvalidationLowering, ...defects);
}

function variant(name: string): Instance {
  return variantOf(atcInvalidationVariants, name);
}

const page = 0;
const endpoint = 0;
const change = (name: string, rest: object = {}): ActionData => ({ type: 'changeMapping', step: name, page, ...rest });
const act = (type: string, rest: object = {}): ActionData => ({ type, page, ...rest });
const atEndpoint = (type: string, rest: object = {}): ActionData => ({ type, endpoint, page, ...rest });

const clear = change('change the PTE', { to: 'none' });
/** The endpoint fetches a translation into its ATC; the SMMU has it in its TLB. */
const cache: readonly ActionData[] = [
  act('walk'),
  act('insert'),
  atEndpoint('requestTranslation'),
  atEndpoint('answer', { answer: 'read-write' }),
  atEndpoint('receiveCompletion'),
];
const invalidateTlb: readonly ActionData[] = [
  change('submit TLBI'),
  act('completeTlbi'),
  { type: 'completeSync' },
  change('wait for TLBI'),
];
const invalidateAtc: readonly ActionData[] = [
  change('submit ATC_INV'),
  atEndpoint('receiveInvalidation'),
  atEndpoint('acknowledge'),
  { type: 'completeSync' },
  change('wait for ATC_INV'),
];
const smoke = instantiate(atcInvalidation, 'smoke');

describe('the correct protocol', () => {
  it('unmaps a page that an endpoint has cached, with the commands that drivers issue', () => {
    const { disagreement, consequence } = run(smoke, [
      ...cache,
      clear,
      ...invalidateTlb,
      ...invalidateAtc,
      change('return'),
    ]);
    expect(disagreement).toBeUndefined();
    expect(consequence).toMatchObject({ harms: [], evidence: [], events: [] });
    expect(
      consequence?.commands.map(({ decoded, state }) => `${decoded.replace(/^slot \d+: /, '')}: ${state}`),
    ).toEqual([
      'CMD_TLBI_NH_VA asid 0x1, leaf, ttl 0x3, tg 0x1, address 0x7f0000001000: complete',
      'CMD_SYNC msh 0x3, msiAttr 0xf: complete',
      'CMD_ATC_INV sid 0x8, address 0x7f0000001000: complete',
      'CMD_SYNC msh 0x3, msiAttr 0xf: complete',
    ]);
    expect(consequence?.commands[2]?.raw).toBe('400000000800000000100000007f0000');
  });

  it('answers a Translation Request from a walk in flight, and not from the TLB that says more', () => {
    const { disagreement } = run(smoke, [
      act('walk'),
      act('insert'),
      change('change the PTE', { to: 'read-only' }),
      act('walk'),
      atEndpoint('requestTranslation'),
      atEndpoint('answer', { answer: 'read-only' }),
      atEndpoint('receiveCompletion'),
      act('insert'),
    ]);
    expect(disagreement).toBeUndefined();
  });

  it('cuts an endpoint off that does not answer: what it sends is refused', () => {
    const { disagreement, consequence } = run(smoke, [
      ...cache,
      clear,
      ...invalidateTlb,
      change('submit ATC_INV'),
      atEndpoint('issueTranslated', { kind: 'write' }),
      atEndpoint('timeOut'),
      { type: 'completeSync' },
      change('wait for ATC_INV'),
      change('cut the endpoints off'),
      { type: 'completeCfgi', endpoint },
      { type: 'completeSync' },
      change('wait for CFGI_STE'),
      change('return'),
      act('giveToStranger'),
      atEndpoint('acceptTranslated', { kind: 'write' }),
    ]);
    expect(disagreement).toBeUndefined();
    expect(consequence?.harms).toEqual([]);
  });

  it('lets accesses of an endpoint reach memory in any order', () => {
    const translated = (of: number): readonly ActionData[] =>
      [act('walk'), act('insert'), atEndpoint('translate', { kind: 'write' })].map((action) => ({
        ...action,
        page: of,
      }));
    const reached = (of: number): ActionData =>
      atEndpoint('reachMemory', { page: of, kind: 'write', stage: 'translated' });
    const deep = instantiate(atcInvalidation, 'deep');
    expect(run(deep, [...translated(0), ...translated(1), reached(1), reached(0)]).disagreement).toBeUndefined();
  });

  it('waits for accesses of the page alone: one to another page does not hold up its invalidation', () => {
    const pages = instantiate(atcInvalidation, 'pages');
    const other = 1;
    const cacheOther = cache.map((action) => ({ ...action, page: other }));
    const { disagreement } = run(pages, [
      ...cacheOther,
      ...cache,
      clear,
      ...invalidateTlb,
      atEndpoint('issueTranslated', { page: other, kind: 'write' }),
      change('submit ATC_INV'),
      atEndpoint('receiveInvalidation'),
      atEndpoint('acceptTranslated', { page: other, kind: 'write' }),
      atEndpoint('acknowledge'),
      { type: 'completeSync' },
      change('wait for ATC_INV'),
      atEndpoint('reachMemory', { page: other, kind: 'write', stage: 'accepted' }),
    ]);
    expect(disagreement).toBeUndefined();
  });
});

describe('a machine that is broken where the model is not', () => {
  const toLost = [...cache, clear, change('submit TLBI'), act('completeTlbi')];

  it('whose TLBI drops nothing differs in the TLB', () => {
    const ran = run(smoke, toLost, withDefects({ part: 'smmu', defect: 'tlbiLost' }));
    expect(ran).toMatchObject({ at: toLost.length });
    expect(differing(ran)).toEqual(['page[page0].tlb']);
  });

  it('whose endpoint ignores invalidations differs in the ATC', () => {
    const ran = run(
      smoke,
      [...cache, clear, ...invalidateTlb, change('submit ATC_INV'), atEndpoint('receiveInvalidation')],
      withDefects({ part: 'endpoint', defect: 'ignoresInvalidations' }),
    );
    expect(differing(ran)).toEqual(['endpoint[endpoint0].atc[page0].entry']);
  });

  it('whose endpoint keeps completions that were overtaken differs in the ATC', () => {
    const overtaken = [
      act('walk'),
      act('insert'),
      atEndpoint('requestTranslation'),
      atEndpoint('answer', { answer: 'read-write' }),
      clear,
      ...invalidateTlb,
      change('submit ATC_INV'),
      atEndpoint('receiveInvalidation'),
      atEndpoint('receiveCompletion'),
    ];
    expect(run(smoke, overtaken).disagreement).toBeUndefined();
    const ran = run(smoke, overtaken, withDefects({ part: 'endpoint', defect: 'keepsOvertakenCompletions' }));
    expect(differing(ran)).toEqual(['endpoint[endpoint0].atc[page0].entry']);
  });

  it('whose ATC invalidations are lost refuses to receive one', () => {
    const ran = run(
      smoke,
      [...cache, clear, ...invalidateTlb, change('submit ATC_INV'), atEndpoint('receiveInvalidation')],
      withDefects({ part: 'smmu', defect: 'atcInvLost' }),
    );
    expect(ran.disagreement).toEqual({ kind: 'refused', reason: 'CMD_ATC_INV sends nothing' });
  });
});

describe('correct hardware does not do what broken hardware does', () => {
  const sound: AnyLowering = {
    ...atcInvalidationLowering,
    build: (setting) => atcInvalidationLowering.build({ ...setting, defects: [] }),
  };

  it('an Invalidate Completion does not pass the posted writes that used the entry', () => {
    const passing = [
      ...cache,
      atEndpoint('issueTranslated', { kind: 'write' }),
      clear,
      ...invalidateTlb,
      change('submit ATC_INV'),
      atEndpoint('receiveInvalidation'),
      atEndpoint('acknowledge'),
    ];
    const instance = variant('inv-completion-passes-posted-writes');
    expect(run(instance, passing).disagreement).toBeUndefined();
    const { at, disagreement } = run(instance, passing, sound);
    expect({ at, kind: disagreement?.kind }).toEqual({ at: passing.length, kind: 'refused' });
    expect(JSON.stringify(disagreement)).toContain('the write of 0x60001040 is in front of');
  });

  it('CMD_SYNC does not complete before what was translated by a dropped entry is in memory', () => {
    const early = [
      act('walk'),
      act('insert'),
      atEndpoint('translate', { kind: 'write' }),
      clear,
      change('submit TLBI'),
      act('completeTlbi'),
    ];
    const instance = variant('tlbi-dsb-before-writes-observed');
    expect(run(instance, early).disagreement).toBeUndefined();
    expect(differing(run(instance, early, sound))).toEqual(['queue.window']);
  });
});

describe('software that forgets something is noticed', () => {
  const forgetting = (forget: (before: Mutable, after: Mutable) => void): AnyLowering => ({
    ...atcInvalidationLowering,
    software: (machine, { before, after }) => {
      const changed = { ...(after as Mutable), page: [...(after as Mutable).page].map((one) => ({ ...one })) };
      forget(before as Mutable, changed);
      return atcInvalidationLowering.software(machine, { before, after: changed });
    },
  });

  it('a PTE that is not written', () => {
    const lazy = forgetting((before, after) => {
      for (const [i, one] of after.page.entries()) one['pte'] = before.page[i]?.['pte'];
    });
    expect(differing(run(smoke, [clear], lazy))).toEqual(['page[page0].pte']);
  });

  it('a frame that is not given away', () => {
    const greedy = forgetting((before, after) => {
      for (const [i, one] of after.page.entries()) one['frame'] = before.page[i]?.['frame'];
    });
    const all = [clear, ...invalidateTlb, ...invalidateAtc, change('return')];
    const ran = run(smoke, all, greedy);
    expect(ran.at).toBe(all.length);
    expect(differing(ran)).toEqual(['page[page0].frame']);
  });

  it('commands that are not queued', () => {
    const silent: AnyLowering = {
      ...atcInvalidationLowering,
      software: (machine, { before, after }) =>
        atcInvalidationLowering.software(machine, {
          before,
          after: { ...(after as Mutable), queue: (before as Mutable).queue },
        }),
    };
    expect(differing(run(smoke, [clear, change('submit TLBI')], silent))).toEqual(['queue.window', 'queue.behind']);
  });
});

interface Mutable {
  readonly page: Record<string, unknown>[];
  readonly queue: unknown;
}

describe('what it physically comes to', () => {
  it('a write of the endpoint through a stale ATC entry, into the frame of somebody else, with the bytes', () => {
    const instance = variant('pte-removed-without-notifier');
    const { disagreement, consequence } = run(instance, [
      ...cache,
      clear,
      change('return'),
      act('giveToStranger'),
      act('strangerWrites'),
      atEndpoint('issueTranslated', { kind: 'write' }),
      atEndpoint('acceptTranslated', { kind: 'write' }),
      atEndpoint('reachMemory', { kind: 'write', stage: 'accepted' }),
    ]);
    expect(disagreement).toBeUndefined();
    expect(consequence?.harms).toEqual([
      {
        what:
          'endpoint0 wrote 64 bytes at IOVA 0x7f0000001000, through its ATC, into the frame at 0x60001000, ' +
          'which belongs to stranger and no longer to process',
        address: '0x60001040',
        before: Buffer.from('a secret of the stranger').toString('hex').padEnd(128, '0'),
        after: 'e0'.repeat(64),
      },
    ]);
    expect(consequence?.evidence).toEqual([]);
  });

  it('a read that returns what a stranger has written', () => {
    const instance = variant('pte-removed-without-notifier');
    const { consequence } = run(instance, [
      act('walk'),
      act('insert'),
      clear,
      change('return'),
      act('giveToStranger'),
      act('strangerWrites'),
      atEndpoint('translate', { kind: 'read' }),
      atEndpoint('reachMemory', { kind: 'read', stage: 'translated' }),
    ]);
    const [harm] = consequence?.harms ?? [];
    expect(harm?.what).toContain('translated by the SMMU from its TLB, from the frame');
    expect(Buffer.from(harm?.after ?? '', 'hex').toString()).toContain('a secret of the stranger');
  });

  it('where nothing was accessed yet, what is stale, and what one more access would do', () => {
    const instance = variant('pte-removed-without-notifier');
    const { consequence } = run(instance, [...cache, clear, change('return')]);
    expect(consequence?.harms).toEqual([]);
    expect(consequence?.evidence).toEqual([
      'the ATC of endpoint0 has 0x7f0000001000, whose frame is at 0x60001000, read-write, and its PTE in memory is 0x0 (none); ' +
        'the frame belongs to nobody (it is free)',
      'the TLB has 0x7f0000001000, whose frame is at 0x60001000, ASID 1, read-write, and its PTE in memory is 0x0 (none); ' +
        'the frame belongs to nobody (it is free)',
    ]);
    const [next] = consequence?.next ?? [];
    expect(next).toMatchObject({ before: '0'.repeat(128), after: 'e0'.repeat(64) });
    expect(next?.what).toContain('which belongs to nobody');
  });
});
