/**
 * `svacheck check` as a user calls it: verdicts and exit codes, what is printed, JSON, limits and variants.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseResults, type Results } from '../traces/result.ts';
import { channel, lock, peterson, ring, userFolder } from './user-folder.test.fixture.ts';

const folder = userFolder({
  'peterson.ts': peterson(),
  'broken.ts': peterson(true),
  'channel.ts': channel(),
  'overflow.ts': channel(true),
  'ring.ts': ring(),
  'wrong-record.ts': ring(2),
  'lock.ts': lock(),
  'strong-lock.ts': lock('strong'),
  'wrong-lock.ts': lock('weak', 3),
});
const { svacheck } = folder;

function parse(text: string): Results {
  return parseResults(JSON.parse(text));
}

/** The numbers of a row of the table: states, transitions, depth. */
function countsOf(out: string, model: string): readonly string[] {
  const row = out.split('\n').find((line) => line.startsWith(`${model} `)) ?? '';
  return row.match(/\d[\d,]*(?= )/g)?.slice(0, 3) ?? [];
}

describe('a model whose properties hold', () => {
  it.each([
    ['peterson', ['20', '34', '6']],
    ['channel', ['9', '10', '6']],
    ['ring', ['6', '6', '5']],
  ])('%s has the known number of states, transitions and levels, and exit code 0', async (name, counts) => {
    const { code, out, err } = await svacheck('check', `${name}.ts`);
    expect(countsOf(out, name)).toEqual(counts);
    expect(out).toContain('holds');
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  it('several files are one table', async () => {
    const { code, out } = await svacheck('check', 'peterson.ts', 'channel.ts');
    expect(code).toBe(0);
    expect(out.split('\n').filter((line) => / holds /.test(line))).toHaveLength(2);
  });

  it('another size can be set, and shows in the table', async () => {
    const { out } = await svacheck('check', 'ring.ts', '--size', 'smoke', '--set', 'member=5');
    expect(out).toMatch(/^ring +smoke member=5 +10 +10 +9 /m);
  });
});

describe('a violation', () => {
  it('is shown by a shortest trace, the property in words and its requirements; exit code 1', async () => {
    const { code, out } = await svacheck('check', 'broken.ts');
    expect(code).toBe(1);
    const report = out.slice(out.lastIndexOf('peterson\n'));
    expect(report).toBe(`peterson
mutual exclusion
  at most one process is inside
  requirements: REQ-1, REQ-2
  violated after 6 steps

  process
    1  run(process0): raise flag
         flag[process0].up: false -> true
    2  run(process0): give turn
         turn: process0 -> process1
    3  run(process0): enter
    4  run(process1): raise flag
         flag[process1].up: false -> true
    5  run(process1): give turn
         turn: process1 -> process0
    6  run(process1): enter

  state at the end
    run[process0].at  'leave'
    run[process1].at  'leave'
`);
  });

  it('ends the search, unless --keep-going explores all states', async () => {
    const first = await svacheck('check', 'broken.ts');
    expect(first.out).toContain('1 of 2 properties undecided');
    const all = await svacheck('check', 'broken.ts', '--keep-going');
    expect(all.out).toMatch(/^peterson +ci +32 +64 .* violated +1\/2$/m);
    expect(all.code).toBe(1);
  });

  it('is a Mermaid diagram with --mermaid, alone on standard output', async () => {
    const { code, out, err } = await svacheck('check', 'broken.ts', '--mermaid');
    expect(out).toMatch(/^%% peterson: mutual exclusion\nsequenceDiagram\n {2}participant actor1 as process\n/);
    expect(out.match(/Note over actor1: \d\. /g)).toHaveLength(6);
    expect(err).toContain('violated');
    expect(code).toBe(1);
  });

  it('is not looked for when only another property is asked for', async () => {
    const { code, out } = await svacheck('check', 'broken.ts', '--property', 'no deadlock');
    expect(code).toBe(0);
    expect(out).toContain('1/1');
  });
});

describe('a property over time', () => {
  const narrow = (out: string): void =>
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);

  it('is violated by a lasso, which says what repeats for ever and what was assumed; exit code 1', async () => {
    const { code, out } = await svacheck('check', 'lock.ts', '--property', 'asking is answered');
    expect(code).toBe(1);
    expect(out).toContain('\nlock: assuming weak fairness of grant, release\n');
    expect(out.slice(out.lastIndexOf('\nlock\n') + 1)).toBe(`lock
asking is answered
  who asks gets the lock at last
  requirements: LOCK-1
  violated for client: client0 by 1 step and then a loop of 3 steps for ever
  'from' is true after 1 step, and 'to' at no time from there on
  assuming weak fairness of grant, release

  client
    1  ask(client0)
         lock[client0].is: 'free' -> 'asked'
  then again and again:
  client
    2  ask(client1)
         lock[client1].is: 'free' -> 'asked'
  server
    3  grant(client1)
         lock[client1].is: 'asked' -> 'held'
  client
    4  release(client1)
         lock[client1].is: 'held' -> 'free'

  state where the loop begins and ends
    lock[client0].is  'asked'

  enabled in the loop, and never taken
    grant(client0)  weakly fair, but enabled only in 2 of 3 states
`);
  });

  it('holds under strong fairness', async () => {
    const { code, out } = await svacheck('check', 'strong-lock.ts', '--property', 'asking is answered');
    expect(code).toBe(0);
    expect(out).toContain('lock: assuming weak fairness of release; strong fairness of grant\n');
  });

  it('is violated where nothing more happens, and it is told why that may be', async () => {
    const { out } = await svacheck('check', 'lock.ts', '--set', 'breaks=1', '--property', 'asking is answered');
    expect(out).toContain('  violated for client: client0 by 2 steps after which nothing more happens\n');
    expect(out).toContain(`
  server
    2  fail
         broken: false -> true
  and then nothing more happens: nothing that is enabled is fair

  state at the end
    lock[client0].is  'asked'
    broken            true

  enabled there, and not fair
    ask(client1)
`);
  });

  it('is violated where nothing ever happens: the report has no empty trace', async () => {
    const { out } = await svacheck('check', 'lock.ts', '--property', 'somebody gets it');
    expect(out).toContain('  violated when nothing ever happens: nothing that is enabled is fair\n');
    expect(out).not.toContain('\n\n\n');
  });

  it('that is recoverable is violated by a way to where it is lost', async () => {
    const { code, out } = await svacheck('check', 'lock.ts', '--set', 'breaks=1', '--property', 'it can be had');
    expect(code).toBe(1);
    expect(out).toContain(
      '  violated for client: client0 after 1 step: no run from there on leads to where it is true\n',
    );
    expect(out).not.toContain('assuming');
  });

  it('that is of steps is violated by the last step of a trace, which is marked', async () => {
    const property = 'it is released by its holder';
    const { out } = await svacheck('check', 'lock.ts', '--set', 'steals=1', '--property', property);
    expect(out).toContain(`
  violated for client: client0 by step 3
`);
    expect(out).toContain(`
  thief
    3  steal(client0)  <-- this step violates it
         lock[client0].is: 'held' -> 'free'

  state before and after the last step
    lock[client0].is  'held' -> 'free'
`);
  });

  it('that speaks of nothing is vacuous: exit code 3, with the reason', async () => {
    const { code, out } = await svacheck('check', 'lock.ts', '--property', 'a broken lock is not held');
    expect(code).toBe(3);
    expect(out).toMatch(/^lock +ci .* vacuous +0\/1$/m);
    expect(out.replaceAll(/\s+/g, ' ')).toContain(
      "'a broken lock is not held' is vacuous and does not count as holding: 'from' is true in no reachable state",
    );
    narrow(out);
  });

  it('is not the only one that can be vacuous: an invariant can', async () => {
    const invariant = 'invariant({ given: (s) => s.received > s.sent, holds';
    folder.write('vacuous.ts', channel().replace('invariant({ holds', invariant));
    const { code, out } = await svacheck('check', 'vacuous.ts');
    expect(code).toBe(3);
    expect(out.replaceAll(/\s+/g, ' ')).toContain(
      "'nothing is lost' is vacuous and does not count as holding: 'given' is true in no reachable state",
    );
  });

  it.each([
    [['--symmetry'], 'a search that leaves out states or steps does not decide properties over time'],
    [['--store', 'compact'], 'properties over time need all states, which this store does not keep'],
    [['--max-states', '3'], 'the search stopped at the limit max-states, at depth 1'],
  ])('is undecided with %j: exit code 3, with the reason', async (options, reason) => {
    const { code, out } = await svacheck('check', 'lock.ts', ...options);
    expect(code).toBe(3);
    expect(out.replaceAll(/\s+/g, ' ')).toContain(`of 6 properties undecided: ${reason}`);
    expect(out).not.toContain('assuming');
    narrow(out);
  });

  it('is in the JSON with its loop, what was assumed, and why it is undecided', async () => {
    const { out } = await svacheck('check', 'lock.ts', '--json', '-');
    const [run] = parse(out).runs;
    expect(run).toMatchObject({ verdict: 'violated', fairness: { weak: ['grant', 'release'], strong: [] } });
    expect(run?.properties.map(({ kind, verdict, trace }) => [kind, verdict, trace?.length, trace?.loopFrom])).toEqual([
      ['leadsTo', 'violated', 4, 1],
      ['eventually', 'violated', 0, 0],
      ['recoverable', 'holds', undefined, undefined],
      ['transition', 'holds', undefined, undefined],
      ['leadsTo', 'vacuous', undefined, undefined],
      ['deadlock', 'holds', undefined, undefined],
    ]);
    const reduced = parse((await svacheck('check', 'lock.ts', '--symmetry', '--json', '-')).out).runs[0];
    expect(reduced?.properties[0]?.verdict).toBe('unknown');
    expect(reduced?.properties[0]?.undecided).toContain('leaves out');
  });

  it('is a Mermaid diagram with a loop', async () => {
    const { out } = await svacheck('check', 'lock.ts', '--mermaid', '--property', 'asking is answered');
    expect(out).toMatch(
      /1\. ask.*\n {2}loop for ever\n {4}Note over actor1: 2\. ask.*\n(.*\n){2} {2}end\n {2}Note over/,
    );
  });

  it('is recorded of a variant by the steps of its way and of its loop; the variant may be a configuration', async () => {
    const { code, out } = await svacheck('check', 'lock.ts', '--variant', 'all');
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}breaks for good +smoke breaks=1 .* as recorded +3\/3$/m);
    const wrong = await svacheck('check', 'wrong-lock.ts', '--variant', 'all');
    expect(wrong.code).toBe(1);
    expect(wrong.out).toContain("'asking is answered' is violated in 2 steps; recorded are 3");
    const { out: listed } = await svacheck('list', 'lock.ts');
    expect(listed).toContain('at size smoke with breaks=1\n');
    expect(listed).toMatch(/it can be had +always reachable$/m);
  });
});

describe('--explain', () => {
  it('tells for each model, below the table, what became of its parts', async () => {
    const { code, out } = await svacheck('check', 'broken.ts', 'ring.ts', '--explain');
    expect(code).toBe(1);
    expect(out).toMatch(/^peterson, ci: how it was explored$/m);
    expect(out).toMatch(/^ring, ci: how it was explored$/m);
    expect(out).toContain('Every function runs as code that is generated from its tree.');
    expect(out).toMatch(
      /^ {2}run: give turn +2 +\d+ +\d+ +\d+ +tree\n {6}reads run\[process\]\.at\n {6}writes turn, run/m,
    );
    expect(out.indexOf('how it was explored')).toBeLessThan(out.indexOf('violated after 6 steps'));
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});

describe('what is printed when it is not on a terminal', () => {
  it('has no colours, no progress, and stays within 100 columns', async () => {
    const { out, err } = await svacheck('check', 'broken.ts', 'ring.ts');
    expect(err).toBe('');
    expect(out).not.toContain('\u001B');
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});

describe('limits', () => {
  it.each([
    ['--max-states', '5', 'max-states'],
    ['--max-seconds', '0.000001', 'max-seconds'],
    ['--max-memory', '1K', 'max-memory'],
  ])('%s leaves the verdict unknown: exit code 3, and the limit is named', async (option, value, limit) => {
    const { code, out } = await svacheck('check', 'peterson.ts', option, value);
    expect(code).toBe(3);
    expect(out).toContain('unknown');
    expect(out.replaceAll(/\s+/g, ' ')).toContain(
      `2 of 2 properties undecided: the search stopped at the limit ${limit}`,
    );
  });

  it('do not hide a violation that was found before', async () => {
    const { code } = await svacheck('check', 'broken.ts', '--max-states', '26');
    expect(code).toBe(1);
  });
});

describe('--store', () => {
  it.each(['compact', 'bitstate'])('%s finds no violation and cannot exclude one: exit code 3', async (store) => {
    const options = ['--store', store, '--max-memory', '64M', '--json', `${store}.json`];
    const { code, out } = await svacheck('check', 'peterson.ts', ...options);
    expect(countsOf(out, 'peterson')).toEqual(['20', '34', '6']);
    expect(out.replaceAll(/\s+/g, ' ')).toMatch(
      /2 of 2 properties undecided: no violation found, but with .* \d\.?\d*e-\d+/,
    );
    expect(code).toBe(3);
    const [run] = parse(readFileSync(join(folder.path, `${store}.json`), 'utf8')).runs;
    expect(run).toMatchObject({ store, limit: store === 'compact' ? 'hash compaction' : 'bitstate' });
    expect(run?.omission?.probability).toBeLessThan(1e-6);
  });

  it('that omits states still finds what it finds: exit code 1', async () => {
    const { code, out } = await svacheck('check', 'broken.ts', '--store', 'compact');
    expect(out).toContain('violated after 6 steps');
    expect(code).toBe(1);
  });
});

describe('--json', () => {
  it('writes what the schema says to a file', async () => {
    const { code, out } = await svacheck('check', 'broken.ts', 'ring.ts', '--json', 'result.json');
    expect(code).toBe(1);
    expect(out).toContain('state at the end');
    const { version, runs } = parse(readFileSync(join(folder.path, 'result.json'), 'utf8'));
    expect(version).toBe(1);
    expect(runs.map(({ model, size, sizes, variant, verdict }) => ({ model, size, sizes, variant, verdict }))).toEqual([
      { model: 'peterson', size: 'ci', sizes: { process: 2 }, variant: null, verdict: 'violated' },
      { model: 'ring', size: 'ci', sizes: { member: 3 }, variant: null, verdict: 'holds' },
    ]);
    const [violated] = runs[0]?.properties ?? [];
    expect(violated).toMatchObject({
      name: 'mutual exclusion',
      kind: 'invariant',
      requirements: ['REQ-1', 'REQ-2'],
      verdict: 'violated',
      trace: { length: 6 },
    });
    expect(violated?.trace?.steps).toHaveLength(6);
    expect(violated?.trace?.steps[5]).toEqual({
      action: 'run',
      step: 'enter',
      args: { process: 'process1' },
      actor: 'process',
      changes: [{ field: 'run[process1].at', before: "'enter'", after: "'leave'" }],
    });
  });

  it('tells how each search was done, and explains it where that is asked for', async () => {
    const of = async (...args: readonly string[]): Promise<Results['runs'][number] | undefined> => {
      const { out } = await svacheck('check', 'ring.ts', '--json', '-', ...args);
      return parse(out).runs[0];
    };
    const [compiled, plain, explained] = await Promise.all([
      of('--workers', '1'),
      of('--engine', 'plain'),
      of('--explain'),
    ]);
    expect(compiled).toMatchObject({ engine: 'compiled', workers: 1 });
    expect(compiled?.digest).toMatch(/^[\da-f]{16}$/);
    expect(plain).toMatchObject({ engine: 'plain', states: 6, digest: compiled?.digest });
    expect(plain).not.toHaveProperty('workers');
    expect(compiled).not.toHaveProperty('explanation');
    expect(explained?.explanation).toMatchObject({ words: 1, leaves: 6, parts: { length: 4 } });
    expect(explained?.explanation?.parts.map(({ name, functions }) => [name, functions])).toEqual([
      ['send', 3],
      ['receive', 3],
      ['there is one token', 1],
      ['no deadlock', 1],
    ]);
  });

  it('- has standard output for itself', async () => {
    const { out, err } = await svacheck('check', 'ring.ts', '--json', '-');
    expect(parse(out).runs).toMatchObject([{ model: 'ring', states: 6, transitions: 6, depth: 5, verdict: 'holds' }]);
    expect(err).toContain('verdict');
  });

  it('keeps the runs that were finished when a later model has an error', async () => {
    const { code, err } = await svacheck('check', 'ring.ts', 'overflow.ts', '--json', 'partial.json');
    expect(code).toBe(2);
    const { runs, error } = parse(readFileSync(join(folder.path, 'partial.json'), 'utf8'));
    expect(runs.map(({ model }) => model)).toEqual(['ring']);
    expect(error).toContain("'channel' is full");
    expect(err).toContain("'channel' is full");
  });

  it('that cannot be written is told before the search', async () => {
    const { code, out, err } = await svacheck('check', 'ring.ts', '--json', 'nowhere/result.json');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toBe('error: cannot write nowhere/result.json: ENOENT: no such file or directory\n');
    expect(readdirSync(folder.path).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it.skipIf(!existsSync('/dev/null'))('never replaces a device', async () => {
    const { code } = await svacheck('check', 'ring.ts', '--json', '/dev/null');
    expect(code).toBe(0);
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });
});

describe('variants', () => {
  it('all are found as recorded: exit code 0, and no traces', async () => {
    const { code, out } = await svacheck('check', 'ring.ts', '--variant', 'all');
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}keeps-the-token +smoke .* as recorded +1\/1$/m);
    expect(out).not.toContain('state at the end');
  });

  it('a wrong recorded length is told, with the trace: exit code 1', async () => {
    const { code, out } = await svacheck('check', 'wrong-record.ts', '--variant', 'all');
    expect(code).toBe(1);
    expect(out).toContain("'there is one token' is violated in 1 step; recorded are 2");
    expect(out).toMatch(/1 {2}send\(member0\)/);
  });

  it('a search that a limit ends says neither: exit code 3', async () => {
    const { code, out } = await svacheck('check', 'ring.ts', '--variant', 'all', '--max-states', '1');
    expect(code).toBe(3);
    expect(out).toContain('unknown');
  });

  it('are looked for at other sizes too, where the lengths may be others: exit code 0', async () => {
    const wrong = userFolder({ 'ring.ts': ring(9) });
    const { code, out } = await wrong.svacheck('check', 'ring.ts', '--variant', 'all', '--size', 'ci');
    expect(out).toMatch(/^ {2}keeps-the-token +ci .* found +1\/1$/m);
    expect(code).toBe(0);
  });

  it('one is checked at its recorded size and shown with its trace: exit code 1', async () => {
    const { code, out } = await svacheck('check', 'ring.ts', '--variant', 'keeps-the-token');
    expect(code).toBe(1);
    expect(out).toMatch(/^ring +smoke .* violated/m);
    expect(out).toContain('ring, variant keeps-the-token\nthere is one token\n  violated after 1 step\n');
  });

  it('are recorded in the JSON', async () => {
    const { out } = await svacheck('check', 'ring.ts', '--variant', 'all', '--json', '-');
    expect(parse(out).runs).toMatchObject([{ variant: 'keeps-the-token', recorded: { 'there is one token': 1 } }]);
  });
});

describe('a mistake in a call is one message and exit code 2', () => {
  it.each([
    [['check', 'nowhere.ts'], 'error: there is no file nowhere.ts'],
    [['check', 'atc-invalidatoin'], "error: there is no model 'atc-invalidatoin'; did you mean 'atc-invalidation'?"],
    [['show', 'no-such-model'], "error: there is no model 'no-such-model'; known: "],
    [['check', 'ring.ts', '--size', 'smok'], "there is no size 'smok'; did you mean 'smoke'?"],
    [['check', 'ring.ts', '--set', 'membr=2'], "there is no sort or constant 'membr'; did you mean 'member'?"],
    [['check', 'ring.ts', '--set', 'member=0'], "sort 'member' has size 0"],
    [['check', 'ring.ts', '--set', 'member=1.5'], 'member=1.5 is not a whole number'],
    [['check', 'ring.ts', '--set', 'member'], 'such as page=3'],
    [['check', 'ring.ts', '--property', 'there is one'], "there is no property 'there is one'"],
    [['check', 'ring.ts', '--variant', 'keep-the-token'], "did you mean 'keeps-the-token'?"],
    [['check', 'peterson.ts', '--variant', 'all'], "there are no variants of 'peterson'"],
    [['check', 'ring.ts', '--max-states', '0'], 'a whole number from 1 up'],
    [['check', 'ring.ts', '--max-memory', 'much'], 'such as 512M or 1.5G'],
    [['check', 'ring.ts', '--json', '-', '--mermaid'], 'both want standard output'],
    [['check', 'ring.ts', '--store', 'bits'], 'Allowed choices are exact, compact, bitstate.'],
    [['check', 'ring.ts', '--store', 'compact', '--engine', 'plain'], '--store is for the compiled engine'],
    [['check', 'ring.ts', '--store', 'compact', '--checkpoint', 'c'], '--store compact does not keep'],
    [['check', 'ring.ts', '--sise', 'ci'], "unknown option '--sise'\n(Did you mean --size?)"],
    [['chek'], "unknown command 'chek'\n(Did you mean check?)"],
    [['show'], "missing required argument 'MODEL|FILE.ts'"],
  ])('%j', async (args, message) => {
    const { code, out, err } = await svacheck(...args);
    expect(err).toContain(message);
    expect(err).toMatch(/^error: /);
    expect(err).not.toMatch(/^ +at /m);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });
});

describe('a mistake in a model that shows in some state', () => {
  it('is told with the steps that lead there: exit code 2', async () => {
    const { code, err } = await svacheck('check', 'overflow.ts');
    expect(code).toBe(2);
    expect(err)
      .toBe(`error: model 'channel', action 'send', 'put it in', field channel: 'channel' is full: it holds at most 2
after these steps:

  sender
    1  send
         sent: 0 -> 1
         channel: <> -> <{ item: 0 }>
    2  send
         sent: 1 -> 2
         channel: <{ item: 0 }> -> <{ item: 0 }, { item: 1 }>
`);
  });
});

describe('help', () => {
  it.each(['list', 'show', 'check'])('of %s has an example, on standard output, with exit code 0', async (command) => {
    const { code, out, err } = await svacheck(command, '--help');
    expect(out).toContain(`Example:\n  svacheck ${command}`);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });
});
