/**
 * `svacheck fuzz` as a user calls it: what is found and how it is found again, exit codes, threads, and bad calls.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseResults } from '../traces/result.ts';
import { parseTraceFile } from '../traces/store.ts';
import { channel, lock, peterson, userFolder } from './user-folder.test.fixture.ts';

const folder = userFolder({
  'peterson.ts': peterson(),
  'broken.ts': peterson(true),
  'overflow.ts': channel(true),
  'lock.ts': lock('weak'),
});
const { svacheck } = folder;

/** The arguments of the command that is printed to see a run again. */
function again(out: string): readonly string[] {
  const [, command = ''] = /To see it again:\n {2}svacheck (.+)/.exec(out) ?? [];
  return command.split(' ');
}

/** What is printed from the property on. */
function shown(out: string): string {
  return out.slice(out.indexOf('\n\n'), out.indexOf('To see it again'));
}

describe('a violation', () => {
  it('is shown by a trace as check shows it, and by the command that shows it again; exit code 1', async () => {
    const { code, out } = await svacheck('fuzz', 'broken.ts', '--seed', '5');
    expect(code).toBe(1);
    expect(out).toContain('violated after 6 steps');
    const args = again(out);
    expect(args).toEqual(expect.arrayContaining(['fuzz', 'broken.ts', '--seed', '--path']));
    const second = await svacheck(...args);
    expect(second.code).toBe(1);
    expect(shown(second.out)).toBe(shown(out));
    expect(again(second.out)).toEqual(args);
  });

  it('is the same with any number of threads', async () => {
    const [one, three] = await Promise.all(
      ['1', '3'].map(async (workers) => svacheck('fuzz', 'broken.ts', '--seed', '9', '--workers', workers)),
    );
    expect(shown(three?.out ?? '')).toBe(shown(one?.out ?? ''));
    expect(again(three?.out ?? '')).toEqual(again(one?.out ?? ''));
  });

  it('is searched around, saved as a trace file, and in the JSON', async () => {
    const options = ['--minimize', '--save', 'found', '--json', 'out.json'];
    const { code, out } = await svacheck('fuzz', 'broken.ts', '--seed', '5', ...options);
    expect(code).toBe(1);
    expect(out.replaceAll(/\s+/g, ' ')).toContain('none of fewer than 6 steps violates it');
    const [file = ''] = readdirSync(join(folder.path, 'found'));
    expect(parseTraceFile(readFileSync(join(folder.path, 'found', file), 'utf8')).steps).toHaveLength(6);
    const { runs } = parseResults(JSON.parse(readFileSync(join(folder.path, 'out.json'), 'utf8')));
    expect(runs).toMatchObject([{ model: 'peterson', verdict: 'violated', engine: 'random' }]);
  });
});

describe('a model in which nothing is found', () => {
  it('is no proof, and exit code 0; the runs are as many as were asked for', async () => {
    const { code, out } = await svacheck('fuzz', 'peterson.ts', '--runs', '300', '--seed', '1');
    expect(code).toBe(0);
    expect(out).toContain('no violation was found, which proves nothing');
    expect(out).toContain('  300 runs of ');
    expect(out).not.toContain('holds');
  });

  it('is explored until nothing new is met', async () => {
    const { code, out } = await svacheck('fuzz', 'peterson.ts', '--plateau', '1000', '--seed', '1');
    expect(code).toBe(0);
    expect(out.replaceAll(/\s+/g, ' ')).toContain('ended since nothing new was met any more');
  });
});

it('a property over time is suspected, never violated; exit code 3', async () => {
  const { code, out } = await svacheck('fuzz', 'lock.ts', '--seed', '1', '--max-seconds', '30');
  expect(out).toContain('suspected: asking is answered');
  expect(out).toContain('then again and again');
  expect(code).toBe(3);
  const second = await svacheck(...again(out));
  expect(second.code).toBe(3);
  expect(second.out).toContain('suspected: asking is answered');
});

it('a mistake in the model is told with the steps that lead there; exit code 2', async () => {
  const { code, err } = await svacheck('fuzz', 'overflow.ts', '--seed', '1');
  expect(code).toBe(2);
  expect(err).toContain('after these steps:');
});

it.each([
  [['--path', '3:0'], '--path is of one seed'],
  [['--seed', '1', '--path', 'x'], "'x' is no path"],
  [['--seed', '1.5'], 'whole number'],
  [['--runs', '0'], 'whole number'],
])('%s is refused with exit code 2', async (args, message) => {
  const { code, err } = await svacheck('fuzz', 'peterson.ts', ...args);
  expect(code).toBe(2);
  expect(err).toContain(message);
});
