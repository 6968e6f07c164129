/**
 * The parts that reports are made of: tables that fit, colours and progress only where they belong, safe diagrams.
 */
import { describe, expect, it } from 'vitest';
import type { Trace } from '../traces/trace.ts';
import { coloursFor } from './colours.ts';
import { mermaidOf } from './mermaid.ts';
import { progressLine } from './progress.ts';
import { compare, type Run } from './run.ts';
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
    expect(compare(run(false), recorded)).toMatchObject({ verdict, found });
  });

  it('is unknown when a limit ended the search, unless something differs already', () => {
    expect(compare(run(true), { safe: 2 }).verdict).toBe('unknown');
    expect(compare(run(true), { safe: 3 }).verdict).toBe('differs');
  });
});
