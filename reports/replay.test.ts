/**
 * What people read of a replay: confirmed with what physically came of it, or where the machine disagrees.
 */
import { describe, expect, it } from 'vitest';
import type { Consequence } from '../traces/replay.ts';
import { coloursFor } from './colours.ts';
import { disagreementLines, replayInWords, replayLines } from './replay.ts';
import type { Run } from './run.ts';
import { summaryOfVariants } from './summary.ts';

const colours = coloursFor({ isTTY: false });

const consequence: Consequence = {
  harms: [
    {
      what: 'endpoint0 wrote 64 bytes at IOVA 0x7f0000001000, through its ATC, into the frame at 0x60001000, which belongs to stranger',
      address: '0x60001040',
      before: `61${'00'.repeat(63)}`,
      after: 'e0'.repeat(64),
    },
  ],
  evidence: [],
  commands: [{ raw: '40'.padEnd(32, '0'), decoded: 'slot 2: CMD_ATC_INV sid 0x8', state: 'sent, and not answered' }],
  events: [],
};

describe('a counterexample that the machine confirms', () => {
  it('comes with the bytes, and with the queues in memory', () => {
    const lines = replayLines({ verdict: 'confirmed', steps: 9, consequence }, colours);
    expect(lines).toEqual([
      '  confirmed on the machine, which did all 9 steps',
      '    endpoint0 wrote 64 bytes at IOVA 0x7f0000001000, through its ATC, into the frame at',
      '      0x60001000, which belongs to stranger',
      `      before at 0x60001040    61${'00'.repeat(15)}`,
      `                              ${'00'.repeat(16)}, 3 times`,
      `      after at 0x60001040     ${'e0'.repeat(16)}, 4 times`,
      '    command queue in memory',
      '      slot 2: CMD_ATC_INV sid 0x8: sent, and not answered',
      `        40${'0'.repeat(30)}`,
    ]);
  });

  it('without harm shows what is stale and what one more access would do', () => {
    const [harm] = consequence.harms;
    const next = harm === undefined ? [] : [{ ...harm, what: 'it would write', before: 'ff', after: 'ff' }];
    const lines = replayLines(
      {
        verdict: 'confirmed',
        steps: 1,
        consequence: { harms: [], evidence: ['the ATC has it'], next, commands: [], events: [] },
      },
      colours,
    );
    expect(lines).toEqual([
      '  confirmed on the machine, which did its step',
      '    the ATC has it',
      '    one more access by way of that comes to this:',
      '      it would write',
      '        bytes at 0x60001040     ff',
    ]);
  });
});

describe('a machine that disagrees', () => {
  it('differs in fields, told with the step', () => {
    const replay = {
      verdict: 'disagrees',
      at: 3,
      title: 'insert(page0)',
      how: { kind: 'differs', differences: [{ field: 'page[page0].tlb', model: "'read-write'", machine: "'none'" }] },
    } as const;
    expect(replayLines(replay, colours)).toEqual([
      '  the machine disagrees at step 3, insert(page0)',
      '    page[page0].tlb',
      "      model    'read-write'",
      "      machine  'none'",
    ]);
    expect(replayInWords(replay)).toBe(
      "the machine disagrees at step 3, insert(page0): page[page0].tlb is 'none' on the machine, and 'read-write' in the model",
    );
  });

  it('refuses a step, told with the reason', () => {
    const replay = {
      verdict: 'disagrees',
      at: 0,
      title: 'the initial state',
      how: { kind: 'refused', reason: 'it is off' },
    } as const;
    expect(replayLines(replay, colours)).toEqual([
      '  the machine disagrees in the initial state',
      '    it does not do it, since it is off',
    ]);
    expect(replayInWords(replay)).toBe(
      'the machine disagrees in the initial state: it does not do it, since it is off',
    );
  });
});

it('a replay that is not possible says why', () => {
  const replay = { verdict: 'not possible', reason: 'no such defect' } as const;
  expect(replayLines(replay, colours)).toEqual(['  not replayed on the machine: no such defect']);
});

describe('a check in which the machine disagrees', () => {
  const disagrees = {
    verdict: 'disagrees',
    at: 2,
    title: 'go',
    how: { kind: 'refused', reason: 'it is off' },
  } as const;
  const confirmed = { verdict: 'confirmed', steps: 1, consequence } as const;
  const model = { name: 'atc-invalidation', sizes: { smoke: {} } };
  const run = {
    instance: { model, size: 'smoke', sizes: {}, variant: 'broken' },
    result: {
      model: 'atc-invalidation',
      variant: 'broken',
      states: 1,
      depth: 1,
      seconds: 0,
      properties: [
        { name: 'one', kind: 'invariant', verdict: 'violated' },
        { name: 'two', kind: 'invariant', verdict: 'violated' },
      ],
    },
    traces: new Map(),
    replays: new Map<string, unknown>([
      ['one', disagrees],
      ['two', confirmed],
    ]),
    recorded: {},
  } as unknown as Run;

  it('says so, whether its trace is shown or not', () => {
    const line = "atc-invalidation, variant broken: 'one': the machine disagrees at step 2, go: it does not do it,";
    expect(disagreementLines(run, false, colours)).toEqual([line, '  since it is off']);
    expect(disagreementLines(run, true, colours)).toEqual([]);
    expect(disagreementLines({ ...run, main: 'two' }, true, colours)).toEqual([line, '  since it is off']);
  });

  it('counts it beside the variant', () => {
    const summary = summaryOfVariants([run.instance], colours, true);
    expect(summary.head[0]).toMatch(/machine$/);
    expect(summary.rowOf(run).at(-1)).toMatch(/ 1\/2$/);
    expect(summaryOfVariants([run.instance], colours).head[0]).not.toContain('machine');
  });
});
