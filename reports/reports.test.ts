/**
 * The parts that reports are made of: tables that fit, colours and progress only where they belong, safe diagrams.
 */
import { describe, expect, it } from 'vitest';
import type { Instance } from '../language/index.ts';
import type { Trace } from '../traces/trace.ts';
import { coloursFor } from './colours.ts';
import { assumptionsInWords } from './fairness.ts';
import { mermaidOf } from './mermaid.ts';
import { progressLine } from './progress.ts';
import { compare, lengthInWords, type Run } from './run.ts';
import { fit, head, row, wrap } from './table.ts';

describe('tables', () => {
  it('wrap at spaces, indent what goes on, and break a word only where it is longer than a line', () => {
    expect(wrap('  one two three', 9)).toEqual(['  one two', '  three']);
    expect(wrap('- one two', 7)).toEqual(['- one', '  two']);
    expect(wrap('abcdefgh', 3)).toEqual(['abc', 'def', 'gh']);
    expect(wrap('one two', 5, 2)).toEqual(['one', '  two']);
  });

  it('fit the page and keep words whole while there is room', () => {
    const rows = [['a-long-word-that-stays', 'many small words that can go below each other']];
    const columns = fit([{ title: 'first' }, { title: 'second' }], rows, 40);
    expect(columns.map(({ width }) => width)).toEqual([22, 16]);
    const lines = [...head(columns), ...row(columns, rows[0] ?? [])];
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(40);
    expect(lines).toContain('a-long-word-that-stays  many small words');
  });
});

describe('colours', () => {
  it('are there on a terminal only, and not when NO_COLOR refuses them', () => {
    const red = (isTTY: boolean, environment: Record<string, string>): string =>
      coloursFor({ isTTY }, environment).red('x');
    expect(red(true, {})).toBe('\u001B[31mx\u001B[39m');
    expect(red(true, { NO_COLOR: '1' })).toBe('x');
    expect(red(true, { TERM: 'dumb' })).toBe('x');
    expect(red(false, {})).toBe('x');
  });
});

describe('progress', () => {
  const at = (seconds: number, states: number) => ({ states, transitions: 0, depth: 3, frontier: 7, seconds });

  it('is one line within the terminal, written now and then, and erased at the end', () => {
    let written = '';
    const line = progressLine({ isTTY: true, columns: 50, write: (text) => (written += text) });
    line.show('ring', at(0.01, 1));
    expect(written).toBe('');
    line.show('ring', at(2, 5000));
    line.show('ring', at(2.01, 5100));
    expect(written).toBe('\r\u001B[Kring: 5,000 states, 2,500/s, depth 3, frontier 7,');
    line.clear();
    expect(written.endsWith('\r\u001B[K')).toBe(true);
  });

  it('is nothing where no one watches', () => {
    let written = '';
    const line = progressLine({ write: (text) => (written += text) });
    line.show('ring', at(2, 5000));
    line.clear();
    expect(written).toBe('');
  });
});

describe('a Mermaid diagram', () => {
  it('has a participant for each actor, and no character that means something to Mermaid', () => {
    const change = { field: 'q', before: '<>', after: '<1>', removed: [], added: [], isPlace: false };
    const step = { title: 'a; #b', actor: 'end', changes: [change] };
    const trace = { steps: [step, { ...step, actor: 'cpu', changes: [] }] } as unknown as Trace;
    expect(mermaidOf(trace, '100%')).toBe(
      [
        'sequenceDiagram',
        '  participant actor1 as end',
        '  participant actor2 as cpu',
        '  Note over actor1: 1. a#59; #35;b<br/>q: #60;> -> #60;1>',
        '  Note over actor2: 2. a#59; #35;b',
        '  Note over actor1,actor2: 100#37;',
        '',
      ].join('\n'),
    );
  });
});

describe('a Mermaid diagram of a lasso', () => {
  const step = { title: 'go', actor: 'cpu', changes: [] };
  const lasso = (steps: number, loopFrom: number): string =>
    mermaidOf(
      {
        instance: { model: { name: 'clock' } },
        steps: Array.from({ length: steps }, () => step),
        loopFrom,
      } as unknown as Trace,
      'late',
    );

  it('has a loop around the steps that repeat, with numbers that go on', () => {
    expect(lasso(3, 1)).toBe(
      [
        'sequenceDiagram',
        '  participant actor1 as cpu',
        '  Note over actor1: 1. go',
        '  loop for ever',
        '    Note over actor1: 2. go',
        '    Note over actor1: 3. go',
        '  end',
        '  Note over actor1: late',
        '',
      ].join('\n'),
    );
  });

  it('says where it stops for good, also if nothing happens at all', () => {
    expect(lasso(1, 1)).toContain('1. go\n  Note over actor1: and then nothing more happens\n');
    expect(lasso(0, 0)).toBe(
      [
        'sequenceDiagram',
        '  participant actor1 as clock',
        '  Note over actor1: nothing ever happens',
        '  Note over actor1: late',
        '',
      ].join('\n'),
    );
  });
});

describe('assumptions', () => {
  const rule = (type: string, step: string | undefined, fairness: string) => ({ type, step, fairness });
  const words = (...rules: readonly ReturnType<typeof rule>[]): string =>
    assumptionsInWords({ rules } as unknown as Instance);

  it('name the steps that are fair, or those that are not where these are fewer', () => {
    expect(words(rule('a', undefined, 'none'))).toBe('assuming no fairness at all');
    expect(words(rule('a', undefined, 'weak'), rule('p', 'one', 'weak'), rule('p', 'two', 'weak'))).toBe(
      'assuming weak fairness of a, p',
    );
    expect(words(rule('p', 'one', 'weak'), rule('p', 'two', 'none'), rule('p', 'three', 'strong'))).toBe(
      'assuming weak fairness of p (one); strong fairness of p (three)',
    );
    expect(words(...['one', 'two', 'three'].map((step) => rule('p', step, 'weak')), rule('p', 'four', 'none'))).toBe(
      'assuming weak fairness of p (all but four)',
    );
  });
});

describe('the length of a trace', () => {
  it.each([
    [2, undefined, '2 steps'],
    [2, 2, '2 steps'],
    [2, 1, '1 step and a loop of 1 step'],
    [2, 0, 'a loop of 2 steps'],
  ])('of %i steps with a loop from %s: %s', (length, loopFrom, expected) => {
    expect(lengthInWords({ steps: Array.from({ length }), loopFrom } as unknown as Trace)).toBe(expected);
  });
});

describe('a variant against its record', () => {
  const run = (limit: boolean): Run =>
    ({
      result: {
        properties: [
          { name: 'safe', kind: 'invariant', verdict: 'violated' },
          { name: 'alive', kind: 'reachable', verdict: 'violated' },
          { name: 'other', kind: 'invariant', verdict: limit ? 'unknown' : 'holds' },
        ],
      },
      traces: new Map([['safe', { steps: [{}, {}] }]]),
    }) as unknown as Run;

  it.each([
    [{ safe: 2 }, 'as recorded', 1],
    [{ safe: 3 }, 'differs', 0],
    [{ safe: 2, other: 4 }, 'differs', 1],
    [{}, 'differs', 0],
  ])('%j: %s; what the broken model can no longer reach does not matter', (recorded, verdict, found) => {
    expect(compare({ ...run(false), recorded })).toMatchObject({ verdict, found });
  });

  it('differs when what it must violate is vacuous; what else is vacuous does not matter', () => {
    const vacuous = {
      result: { properties: [{ name: 'safe', kind: 'leadsTo', verdict: 'vacuous' }] },
      traces: new Map(),
    } as unknown as Run;
    expect(compare({ ...vacuous, recorded: { safe: 2 } })).toMatchObject({ verdict: 'differs', found: 0 });
    expect(compare({ ...vacuous, recorded: { safe: 2 } }).differences).toEqual([
      "'safe' is vacuous; recorded is a violation in 2 steps",
    ]);
    expect(compare({ ...vacuous, recorded: {} }).verdict).toBe('as recorded');
  });

  it('is found at other sizes than those of the record when it violates the same, whatever the lengths and what else', () => {
    const elsewhere = (recorded: Readonly<Record<string, number>>): unknown =>
      compare({ ...run(false), recorded, recordedAt: 'smoke' });
    expect(elsewhere({ safe: 3 })).toMatchObject({ verdict: 'found', found: 1, differences: [] });
    expect(elsewhere({})).toMatchObject({ verdict: 'found', found: 0, differences: [] });
    expect(elsewhere({ safe: 2, other: 4 })).toMatchObject({
      verdict: 'differs',
      differences: ["'other' holds; recorded is a violation in 4 steps at size smoke"],
    });
  });

  it('is unknown when a limit ended the search, unless something differs already', () => {
    expect(compare({ ...run(true), recorded: { safe: 2 } }).verdict).toBe('unknown');
    expect(compare({ ...run(true), recorded: { safe: 3 } }).verdict).toBe('differs');
  });
});
