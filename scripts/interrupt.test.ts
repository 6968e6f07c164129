/**
 * `svacheck check` that is interrupted, or killed, in the middle of a search: what it tells, and how it goes on.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseResults, type Results } from '../traces/result.ts';
import { interruption } from './interrupt.ts';
import { type Outcome, ring, userFolder } from './user-folder.test.fixture.ts';

/**
 * Three counters: as many states as their values make triples, so many that a search takes some seconds. A file tells when it
 * begins.
 */
function triples(last: number): string {
  return `import { writeFileSync } from 'node:fs';
import { model, properties, range } from 'svacheck';
export const triples = model({
  name: 'triples',
  sizes: { smoke: { last: 9 }, ci: { last: ${last} }, deep: { last: 1000 } },
  state: ({ size }) => ({ a: range(0, size.last), b: range(0, size.last), c: range(0, size.last) }),
  initial: () => writeFileSync('begun.' + process.pid, ''),
  actions: ({ action, size }) => ({
    a: action({}, { actor: 'a', when: { room: (s) => s.a < size.last }, then: { count: (s) => { s.a++; } } }),
    b: action({}, { actor: 'b', when: { room: (s) => s.b < size.last }, then: { count: (s) => { s.b++; } } }),
    c: action({}, { actor: 'c', when: { room: (s) => s.c < size.last }, then: { count: (s) => { s.c++; } } }),
  }),
});
export const triplesProperties = properties(triples, ({ invariant, reachable, deadlockFree, size }) => ({
  'never three': invariant({ holds: (s) => s.a !== 3 || s.b !== 0 || s.c !== 0 }),
  'the end is reached': reachable({ holds: (s) => isEnd(s, size.last) }),
  'no deadlock': deadlockFree({ final: { 'the end': (s) => isEnd(s, size.last) } }),
}));
const isEnd = (s, last) => s.a === last && s.b === last && s.c === last;
`;
}

const last = 120;
/** So large that the search is still in the middle a while after it has begun. */
const long = ['--set', 'last=300'];
const folder = userFolder({ 'triples.ts': triples(last), 'ring.ts': ring() });
const program = fileURLToPath(new URL('../dist/scripts/svacheck.js', import.meta.url));
const check = ['check', 'triples.ts', '--no-typecheck', '--keep-going', '--workers', '1'];
const whole = folder.svacheck(...check, '--json', 'whole.json');

/** A check that goes on while the test does, and what it comes to. */
function start(...args: readonly string[]): { readonly child: ChildProcess; readonly end: Promise<Outcome> } {
  const child = spawn(process.execPath, [program, ...args], { cwd: folder.path });
  const end = new Promise<Outcome>((done) => {
    let out = '';
    let err = '';
    child.stdout.on('data', (text: Buffer) => (out += text.toString()));
    child.stderr.on('data', (text: Buffer) => (err += text.toString()));
    child.on('close', (code) => done({ code, out, err }));
  });
  return { child, end };
}

/** Waits until a checkpoint is there that has some states. */
async function written(name: string): Promise<void> {
  const file = join(folder.path, name);
  while (!existsSync(file) || statSync(file).size < 300_000) await setTimeout(5);
}

/** Waits until a search is in the middle, by the file that its model writes when it begins. */
async function searching({ pid }: ChildProcess): Promise<void> {
  while (!existsSync(join(folder.path, `begun.${pid}`))) await setTimeout(5);
  await setTimeout(200);
}

function results(name: string): Results {
  return parseResults(JSON.parse(readFileSync(join(folder.path, name), 'utf8')));
}

/** What the check comes to when it is not interrupted. */
async function wholeRun(): Promise<Results['runs'][number] | undefined> {
  expect(await whole).toMatchObject({ code: 1 });
  return results('whole.json').runs[0];
}

/** What must not depend on interruptions. */
function factsOf(run: Results['runs'][number] | undefined): unknown {
  const { states, transitions, depth, digest, verdict, properties } = run ?? {};
  return { states, transitions, depth, digest, verdict, properties };
}

describe('a check that is killed', () => {
  it('goes on from its last checkpoint, with another number of workers, to the same end', async () => {
    const { child, end } = start(...check, '--workers', '2', '--checkpoint', 'killed', '--checkpoint-every', '0.01');
    await written('killed');
    child.kill('SIGKILL');
    expect(await end).toEqual({ code: null, out: '', err: '' });
    const resumed = await folder.svacheck(...check, '--resume', 'killed', '--json', 'killed.json');
    expect(resumed.code).toBe(1);
    const [run] = results('killed.json').runs;
    expect(run).toMatchObject({ states: (last + 1) ** 3, depth: 3 * last });
    expect(factsOf(run)).toEqual(factsOf(await wholeRun()));
  });
});

describe.each(['SIGINT', 'SIGTERM'] as const)('a check that gets %s', (signal) => {
  it('writes a checkpoint, tells what is known and how to go on: exit code 3', async () => {
    const file = `stopped by ${signal}`;
    const options = ['--property', 'the end is reached', '--json', 'stopped.json'];
    const { child, end } = start(...check, ...options, '--checkpoint', file, '--checkpoint-every', '0.01');
    await written(file);
    child.kill(signal);
    const { code, out, err } = await end;
    expect(err).toBe('interrupted: it stops and tells what is known; once more ends it at once\n');
    expect(out).toMatch(/^triples +ci +[\d,]+ +[\d,]+ +\d+ .* unknown +0\/1$/m);
    expect(out).toContain('triples: 1 of 1 properties undecided: the search was interrupted, at depth ');
    expect(out).toMatch(/^The checkpoint has [\d,]+ states\. To go on from it:$/m);
    const command = out.split('\n').at(-2)?.trim();
    expect(command).toBe(
      `svacheck check triples.ts --no-typecheck --keep-going --workers 1 --property 'the end is reached' --json stopped.json ` +
        `--checkpoint '${file}' --checkpoint-every 0.01 --resume '${file}'`,
    );
    expect(code).toBe(3);
    const [run] = results('stopped.json').runs;
    expect(run).toMatchObject({ verdict: 'unknown', limit: 'interrupted', checkpoint: { file, states: run?.states } });
    const resumed = await folder.svacheck(...check, ...options, '--resume', file);
    expect(resumed.code).toBe(0);
    const { states, transitions, depth, digest } = (await wholeRun()) ?? {};
    expect(results('stopped.json').runs).toMatchObject([{ states, transitions, depth, digest }]);
  });
});

describe('an interruption', () => {
  it('without a checkpoint says what would have kept the states; what was violated stays so', async () => {
    const { child, end } = start(...check, ...long);
    await searching(child);
    child.kill('SIGINT');
    const { code, out } = await end;
    expect(code).toBe(1);
    expect(out).toContain('violated after 3 steps');
    expect(out).toMatch(/\n\nWhat was explored is lost: with --checkpoint FILE, .* can be resumed\.\n$/);
  });

  it('of several checks starts no more of them, and says of which', async () => {
    const args = [
      'check',
      'triples.ts',
      'ring.ts',
      '--no-typecheck',
      '--property',
      'the end is reached',
      '--property',
      'there is one token',
    ];
    const { child, end } = start(...args, ...long, '--json', 'several.json');
    await searching(child);
    child.kill('SIGINT');
    const { code, out } = await end;
    expect(code).toBe(3);
    expect(out).toMatch(/\n\nNot started, since the check was interrupted: ring, ci\n$/);
    expect(results('several.json')).toMatchObject({
      runs: [{ model: 'triples', limit: 'interrupted' }],
      notStarted: [{ model: 'ring', size: 'ci', variant: null }],
    });
  });

  it('is heeded once: the next signal ends the process, as it does when none is listened for', () => {
    const wish = interruption();
    const before = process.listenerCount('SIGINT');
    let told = 0;
    wish.listen(() => told++);
    expect(process.listenerCount('SIGINT')).toBe(before + 1);
    process.emit('SIGINT', 'SIGINT');
    expect({ told, aborted: wish.signal.aborted }).toEqual({ told: 1, aborted: true });
    expect(process.listenerCount('SIGINT')).toBe(before);
    wish.listen(() => told++);
    expect(process.listenerCount('SIGINT')).toBe(before);
    const other = interruption();
    other.listen(() => told++);
    other.release();
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});

describe('checkpoints on the command line', () => {
  it('are refused before anything is done, and results of before are kept: exit code 2', async () => {
    folder.write('foreign', 'something else, that is not a checkpoint');
    folder.write('before.json', '{}');
    const { code, out, err } = await folder.svacheck(...check, '--resume', 'foreign', '--json', 'before.json');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toBe(
      'error: cannot go on from foreign: it is not a checkpoint of svacheck; name another file, or start anew without --resume\n',
    );
    expect(readFileSync(join(folder.path, 'before.json'), 'utf8')).toBe('{}');
  });

  it('are of one source: a change of any file of the model is refused', async () => {
    folder.write('helper.ts', 'export const most = 4;\n');
    const text = ring().replaceAll('bag(2,', 'bag(most,').replace(/^/, "import { most } from './helper.ts';\n");
    folder.write('two-files.ts', text.replace('const First', '\nexport const unused = most;\nconst First'));
    const call = ['check', 'two-files.ts', '--checkpoint', 'ring.checkpoint'];
    expect((await folder.svacheck(...call, '--max-states', '2')).code).toBe(3);
    expect((await folder.svacheck(...call, '--resume', 'ring.checkpoint')).code).toBe(0);
    folder.write('helper.ts', 'export const most = 4 + 0;\n');
    const { code, err } = await folder.svacheck(...call, '--resume', 'ring.checkpoint');
    expect(code).toBe(2);
    expect(err).toContain('the source text of the model has changed since it was written; start anew without --resume');
  });

  it.each([
    [
      ['--resume', 'x', 'ring.ts'],
      '--resume is for one search, and this check has 2 (triples, ci; ring, ci): name one',
    ],
    [['--checkpoint', 'x', 'ring.ts'], '--checkpoint is for one search, and this check has 2'],
    [['--checkpoint', 'triples.ts'], 'cannot write triples.ts: it exists and is not a checkpoint; give another name'],
    [['--checkpoint-every', '5'], '--checkpoint-every says how often: --checkpoint FILE says where to'],
    [
      ['--engine', 'plain', '--resume', 'x'],
      '--resume is for the compiled engine: leave out --engine plain, or --resume',
    ],
    [['--engine', 'plain', '--workers', '2'], '--workers is for the compiled engine'],
    [['--engine', 'plain', '--explain'], '--explain is for the compiled engine'],
    [['--engine', 'plane'], "argument 'plane' is invalid. Allowed choices are compiled, plain."],
    [['--workers', '0'], 'a whole number from 1 up'],
  ])('%j is a mistake: exit code 2', async (args, message) => {
    const { code, out, err } = await folder.svacheck('check', 'triples.ts', '--no-typecheck', ...args);
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });
});
