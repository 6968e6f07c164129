/**
 * The benchmark itself: its models have the counts that the peers are held to, what the peers print is read right, and a run
 * with other counts is no figure. Nothing that is timed is asserted.
 */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { search } from '../../checker/index.ts';
import { instantiate, type Model, type PropertySet } from '../../language/index.ts';
import { type Case, cases } from './cases.ts';
import type { Contender, Found, Subject } from './contender.ts';
import { peerFile } from './files.ts';
import { compare, type Row } from './harness.ts';
import { read as readLimit } from './limit.ts';
import { median, peakIn, processorSecondsIn } from './measure.ts';
import { german, germanProperties } from './models/german.ts';
import { philosophers, philosophersProperties } from './models/philosophers.ts';
import { sva, svaProperties } from './models/sva.ts';
import { read as readOwn } from './own.ts';
import { ratiosOf, tableOf } from './report.ts';
import { read as readRumur, withConstants as murphiWith } from './rumur.ts';
import { read as readSpin } from './spin.ts';
import { read as readTlc, withConstants as tlaWith } from './tlc.ts';

const models = {
  sva: { model: sva, set: svaProperties },
  german: { model: german, set: germanProperties },
  philosophers: { model: philosophers, set: philosophersProperties },
};
function modelOf({ model }: Pick<Case, 'model'>): { readonly model: Model; readonly set: PropertySet } {
  return models[model as keyof typeof models];
}

describe('a case', () => {
  const small = cases.filter(({ size }) => size === 'smoke' || size === 'ci');

  it.each(small.map((of) => [of.name, of] as const))('%s has the counts that are expected', (_, of) => {
    const { model, set } = modelOf(of);
    const result = search(instantiate(model, of.size), [set]);
    expect(result).toMatchObject({ verdict: 'holds', ...of.counts });
  });

  it.each(cases.map((of) => [of.name, of] as const))('%s can be told to every peer', (_, of) => {
    expect(Object.keys(modelOf(of).model.sizes)).toContain(of.size);
    const promela = readFileSync(peerFile(`${of.model}.pml`), 'utf8');
    for (const macro of Object.keys(of.promela.macros)) expect(promela).toContain(macro);
    for (const [name, value] of Object.entries(of.murphi)) {
      expect(murphiWith(readFileSync(peerFile(`${of.model}.m`), 'utf8'), of.murphi)).toContain(`${name}: ${value};`);
    }
    for (const [name, value] of Object.entries(of.tla)) {
      expect(tlaWith(readFileSync(peerFile(`${of.model}.cfg`), 'utf8'), of.tla)).toContain(`${name} = ${value}\n`);
    }
  });

  it('cannot be told to a model without its constants', () => {
    expect(() => murphiWith('const n: 3;', { m: 4 })).toThrow('no constant m');
    expect(() => tlaWith('CONSTANTS\n  N = 3', { M: '4' })).toThrow('no constant M');
  });
});

describe('the output', () => {
  const spin = (errors: number): string => `
(Spin Version 6.5.2 -- 6 December 2019)

Full statespace search for:
	never claim         	- (none specified)
	assertion violations	+
	cycle checks       	- (disabled by -DSAFETY)
	invalid end states	+

State-vector 28 byte, depth reached 2473, errors: ${errors}
    58105 states, stored
   177770 states, matched
   235875 transitions (= stored+matched)
        0 atomic steps
hash conflicts:     21404 (resolved)
`;

  it('of Spin counts the initial state as a transition', () => {
    expect(readSpin(spin(0), { initialStates: 1 })).toEqual({ states: 58_105, transitions: 235_874 });
  });

  it('of Spin has one more state, and the choice, for several initial states', () => {
    expect(readSpin(spin(0), { initialStates: 2 })).toEqual({ states: 58_104, transitions: 235_872 });
  });

  it('of Rumur is the last line, not the progress', () => {
    const output = `Memory usage:

	* The size of each state is 15 bytes.

Progress Report:

	 10000 states explored in 0s, with 43728 rules fired and 4682 states in the queue.
	 20000 states explored in 0s, with 95263 rules fired and 8546 states in the queue.

==========================================================================

Status:

	No error found.

State Space Explored:

	95616 states, 540960 rules fired in 1s.
`;
    expect(readRumur(output)).toEqual({ states: 95_616, transitions: 540_960 });
  });

  it('of TLC counts the initial states as generated', () => {
    const output = `Finished computing initial states: 2 distinct states generated at 2026-01-01 12:00:00.
Progress(23) at 2026-01-01 12:00:03: 140,699 states generated (440,699 s/min), 33,560 distinct states found, 6,486 states left on queue.
Model checking completed. No error has been found.
  Estimates of the probability that TLC did not check all reachable states
235874 states generated, 58104 distinct states found, 0 states left on queue.
The depth of the complete state graph search is 27.
`;
    expect(readTlc(output, { initialStates: 2 })).toEqual({ states: 58_104, transitions: 235_872 });
  });

  it('of the insertion of keys has a key for each initial state', () => {
    const output =
      'keys: 8066049\ndistinct: 856064\nprobes: 9110516\nslots: 4194304\nprefetch: 32\nseconds: 0.047950\n';
    expect(readLimit(output, { initialStates: 1 })).toEqual({
      states: 856_064,
      transitions: 8_066_048,
      searchSeconds: 0.047_95,
    });
  });

  it('of svacheck is its JSON', () => {
    const run = { model: 'm', size: 'ci', sizes: {}, variant: null, depth: 1, seconds: 0.5, properties: [] };
    const json = (verdict: string): string =>
      JSON.stringify({ version: 1, runs: [{ ...run, verdict, states: 3, transitions: 4 }] });
    expect(readOwn(json('holds'))).toEqual({ states: 3, transitions: 4, searchSeconds: 0.5 });
    expect(() => readOwn(json('unknown'))).toThrow("the verdict is 'unknown'");
  });

  it.each([
    ['an error of Spin', (): Found => readSpin(spin(1), { initialStates: 1 }), 'an error was found'],
    ['an error of Rumur', (): Found => readRumur('Status:\n\n\t1 error(s) found.\n'), 'an error was found'],
    ['an error of TLC', (): Found => readTlc('Error: Deadlock reached.\n', { initialStates: 1 }), 'an error was found'],
    ['no counts', (): Found => readSpin('errors: 0\n', { initialStates: 1 }), 'there is no number of states'],
  ])('with %s is refused', (_, read, message) => {
    expect(read).toThrow(message);
  });

  it('of GNU time tells the peak in kilobytes, and the processor time in two modes', () => {
    const report = `	User time (seconds): 1.25
	System time (seconds): 0.50
	Maximum resident set size (kbytes): 2048
`;
    expect(peakIn(report)).toBe(2 ** 21);
    expect(processorSecondsIn(report)).toBe(1.75);
    expect([peakIn(''), processorSecondsIn('')]).toEqual([undefined, undefined]);
  });
});

describe('the harness', () => {
  const subject: Subject = { name: 'counter/ci', size: 'ci', file: '', counts: { states: 2, transitions: 3 } };

  function contender(mode: string, states: number, more: Partial<Contender<Subject>> = {}): Contender<Subject> {
    const command = { program: process.execPath, args: ['-e', `console.log(${states})`], folder: tmpdir() };
    const read = (output: string): Found => ({ states: Number(output), transitions: 3 });
    return { tool: 'node', mode, workers: 1, prepare: () => ({ command, read }), ...more };
  }

  it('runs each so often, and takes counts that are not as expected for a problem', async () => {
    const contenders = [
      contender('right', 2),
      contender('wrong', 1),
      contender('reduced', 1, { reduced: true }),
      contender('slow', 2, { most: 2 }),
    ];
    const { rows, problems, notes } = await compare(subject, contenders, { runs: 2, slow: false, say: () => {} });
    expect(rows.map(({ mode, runs, states }) => [mode, runs.length, states])).toEqual([
      ['right', 2, 2],
      ['reduced', 2, 1],
    ]);
    expect(problems).toEqual([
      'counter/ci, node wrong 1: found 1 states and 3 transitions, not 2 states and 3 transitions',
    ]);
    expect(notes).toEqual(['counter/ci, node slow 1: left out, since it takes long']);
  });

  it('compares with the best mode of each peer, and not with a reduced search', () => {
    const row: Row = {
      subject: 'sva/ci',
      tool: 'svacheck',
      mode: 'compiled',
      workers: 1,
      reduced: false,
      states: 10,
      transitions: 20,
      seconds: 1,
      runs: [1],
      bytes: 2 ** 20,
    };
    const rows = [
      row,
      { ...row, workers: 2, seconds: 0.5 },
      { ...row, tool: 'Spin', mode: 'slow', seconds: 4 },
      { ...row, tool: 'Spin', mode: 'fast', seconds: 2 },
      { ...row, tool: 'Spin', mode: 'reduced', seconds: 0.1, reduced: true },
      { ...row, tool: 'limit', mode: 'keys', seconds: 0.1 },
    ];
    expect(ratiosOf(rows).map(({ peer, ratio }) => [peer.mode, ratio])).toEqual([
      ['fast', 0.5],
      ['keys', 10],
    ]);
    expect(tableOf(rows)).toHaveLength(2 + rows.length);
  });

  it('takes the median', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });
});
