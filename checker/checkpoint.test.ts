/**
 * A search that is interrupted anywhere and resumed comes to what it would have come to, and a checkpoint that is damaged or of
 * another search is refused.
 */
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { each, instantiate, type Model, model, properties, type PropertySet, range, sort } from '../language/index.ts';
import { channel, peterson, petersonProperties, philosophers } from '../language/models.fixture.ts';
import { atcInvalidation } from '../model/atc-invalidation.ts';
import { atcInvalidationProperties } from '../properties/atc-invalidation.ts';
import { counter } from './counter.fixture.ts';
import { type CheckResult, search, searchAsync, type SearchOptions } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'svacheck-checkpoint-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = (): string => join(folder, `${files++}.checkpoint`);

interface Subject {
  readonly of: Model;
  readonly sets?: readonly PropertySet[];
  readonly size?: string;
  readonly set?: Readonly<Record<string, number>>;
}

function run({ of, sets = [], size = 'ci', set = {} }: Subject, options: SearchOptions = {}): CheckResult {
  return search(instantiate(of, size, { set }), sets, { keepGoing: true, ...options });
}

/** The message of the error that `work` throws. */
function messageOf(work: () => unknown): string {
  try {
    work();
    return 'no error';
  } catch (error) {
    return String(error);
  }
}

/** What must not depend on interruptions. */
function facts({ states, transitions, depth, digest, verdict, limit, properties: all }: CheckResult): unknown {
  return JSON.parse(JSON.stringify({ states, transitions, depth, digest, verdict, limit, properties: all }));
}

/** Searches in runs of at most so many states more each, every one resuming the one before, with the numbers of workers. */
function inRuns(
  subject: Subject,
  statesPerRun: number,
  workers: readonly number[],
  options: SearchOptions = {},
): CheckResult {
  const file = newFile();
  const checkpoint = { file, every: 1e9 };
  let result = run(subject, { ...options, checkpoint, maxStates: statesPerRun, workers: workers[0] });
  for (let i = 1; result.limit === 'max-states'; i++) {
    const maxStates = result.states + statesPerRun;
    result = run(subject, { ...options, checkpoint, resume: file, maxStates, workers: workers[i % workers.length] });
  }
  return result;
}

describe('a search in several runs comes to the same as one', () => {
  const counting: Subject = {
    of: counter,
    set: { limit: 300 },
    sets: [
      properties(counter, ({ invariant, reachable, deadlockFree }) => ({
        early: invariant({ holds: (s) => s.n < 2 }),
        late: invariant({ holds: (s) => s.n !== 250 || !s.flag }),
        seen: reachable({ holds: (s) => s.n === 100 && s.flag }),
        unseen: reachable({ holds: (s) => s.n === 1 && s.flag }),
        'an end': deadlockFree({ final: { 'the end with the flag': (s) => s.flag } }),
      })),
    ],
  };
  const atc: Subject = { of: atcInvalidation, sets: [atcInvalidationProperties], size: 'smoke' };
  it.each<[string, Subject, number, readonly number[]]>([
    ['of Peterson', { of: peterson, sets: [petersonProperties] }, 1, [1]],
    ['of a model that counts', counting, 31, [1, 2]],
    ['of philosophers', { of: philosophers, set: { seat: 7 } }, 300, [1, 3]],
    ['of a channel', { of: channel, set: { capacity: 8, values: 4 } }, 20_000, [2, 1]],
    ['of invalidation', atc, 1500, [3, 1]],
  ])('%s', { timeout: 60_000 }, (_, subject, statesPerRun, workers) => {
    expect(facts(inRuns(subject, statesPerRun, workers))).toEqual(facts(run(subject)));
  });

  it('and stops at the same violation', () => {
    const stopping = { keepGoing: false, until: ['late'] };
    expect(run(counting, stopping).limit).toBe('first violation');
    expect(facts(inRuns(counting, 50, [1], stopping))).toEqual(facts(run(counting, stopping)));
  });
});

describe('a search that is reduced by symmetry', () => {
  const Cell = sort('cell');
  /** Cells that count; with a favourite, the first of them does something else once it is at four. */
  const cells = (hasFavourite: boolean): Model =>
    model({
      name: 'cells',
      sizes: { smoke: { cell: 3 }, ci: { cell: 4 }, deep: { cell: 9 } },
      state: { cell: each(Cell, { n: range(0, 6) }) },
      actions: ({ action }) => ({
        count: action(
          { cell: Cell },
          {
            actor: 'cell',
            when: { 'there is room': (s, { cell }) => s.cell[cell].n < 6 },
            then: {
              'add one, or two': (s, { cell }) => {
                const isFavourite = hasFavourite && Number(cell) === 0;
                s.cell[cell].n += isFavourite && s.cell[cell].n === 4 ? 2 : 1;
              },
            },
          },
        ),
      }),
    });
  const options = { symmetry: true, slice: false };

  it('goes on with the sorts that it was reduced by', () => {
    const whole = run({ of: cells(false) }, options);
    expect(whole).toMatchObject({ states: 210, reductions: { symmetry: { sorts: ['cell'] } } });
    expect(facts(inRuns({ of: cells(false) }, 30, [1, 2], options))).toEqual(facts(whole));
  });

  it('begins anew without a sort that turns out not to be symmetric', () => {
    const file = newFile();
    const whole = run({ of: cells(true) }, options);
    expect(whole).toMatchObject({ states: 6 * 7 ** 3, reductions: { symmetry: { sorts: [] } } });
    const checkpoint = { file, every: 1e9 };
    expect(run({ of: cells(true) }, { ...options, checkpoint, maxStates: 10 })).toMatchObject({
      reductions: { symmetry: { sorts: ['cell'] } },
    });
    expect(facts(run({ of: cells(true) }, { ...options, resume: file }))).toEqual(facts(whole));
    run({ of: cells(true) }, { ...options, checkpoint, maxStates: 1000 });
    expect(facts(run({ of: cells(true) }, { ...options, resume: file }))).toEqual(facts(whole));
  });

  it('and one that is not do not go on from each other', () => {
    const file = newFile();
    run({ of: cells(false) }, { checkpoint: { file, every: 1e9 }, maxStates: 10 });
    expect(messageOf(() => run({ of: cells(false) }, { ...options, resume: file }))).toContain(
      'the choice of reductions is none there, symmetry here; give the same model and options',
    );
  });
});

describe('a checkpoint', () => {
  const big: Subject = { of: channel, set: { capacity: 8, values: 4 } };

  it('is written now and then, and the search tells of it', () => {
    const file = newFile();
    const result = run(big, { checkpoint: { file, every: 0 } });
    expect(result.checkpoint).toMatchObject({ file });
    expect(result.checkpoint?.states).toBeGreaterThan(0);
    expect(facts(run(big, { resume: file }))).toEqual(facts(result));
    expect(existsSync(`${file}.partial`)).toBe(false);
  });

  it('carries on the time of the search', () => {
    const file = newFile();
    const start = performance.now();
    const onProgress = (): void => {
      while (performance.now() - start < 300);
    };
    run(big, { checkpoint: { file, every: 1e9 }, maxStates: 1000, onProgress });
    expect(run(big, { resume: file }).seconds).toBeGreaterThan(0.3);
    expect(run(big, { resume: file, maxSeconds: 0.25 }).states).toBeGreaterThan(1001);
  });

  it('is written when the search is told to stop, asynchronously too', async () => {
    const file = newFile();
    const stop = new AbortController();
    const stopped = await searchAsync(instantiate(channel, 'ci', { set: { capacity: 8, values: 4 } }), [], {
      signal: stop.signal,
      checkpoint: { file, every: 1e9 },
      onProgress: ({ states }) => {
        if (states > 1000) stop.abort();
      },
    });
    expect(stopped).toMatchObject({ limit: 'interrupted', verdict: 'unknown', checkpoint: { states: stopped.states } });
    expect(stopped.states).toBeLessThan(run(big).states);
    expect(facts(run(big, { resume: file }))).toEqual(facts(run(big)));
  });

  it('is not written where resuming asks for none, and not again where nothing has changed', () => {
    const file = newFile();
    run(big, { checkpoint: { file, every: 1e9 }, maxStates: 1000 });
    const before = statSync(file).mtimeMs;
    const bytes = readFileSync(file);
    run(big, { resume: file, maxStates: 5000 });
    expect(readFileSync(file).equals(bytes)).toBe(true);
    run(big, { resume: file, checkpoint: { file, every: 1e9 }, maxStates: 1 });
    expect(statSync(file).mtimeMs).toBe(before);
    const other = newFile();
    run(big, { resume: file, checkpoint: { file: other, every: 1e9 }, maxStates: 1 });
    expect(facts(run(big, { resume: other }))).toEqual(facts(run(big)));
  });

  it('replaces what a symbolic link points to', () => {
    const [file, link] = [newFile(), newFile()];
    writeFileSync(file, '');
    symlinkSync(file, link);
    run(big, { checkpoint: { file: link, every: 1e9 }, maxStates: 1000 });
    expect(facts(run(big, { resume: file }))).toEqual(facts(run(big)));
  });

  it('never replaces a file that is something else, and must be writable', () => {
    const file = newFile();
    writeFileSync(file, 'all that I have');
    const writing = (to: string): string => messageOf(() => run(big, { checkpoint: { file: to, every: 0 } }));
    expect(writing(file)).toBe(
      `CheckpointError: cannot write ${file}: it exists and is not a checkpoint; give another name`,
    );
    expect(readFileSync(file, 'utf8')).toBe('all that I have');
    expect(writing(folder)).toBe(`CheckpointError: cannot write ${folder}: it is not a file`);
    expect(writing(join(folder, 'no', 'where'))).toContain('ENOENT: no such file or directory');
  });

  it('is of one search of the compiled engine', () => {
    const refused = 'CheckpointError: a checkpoint is of one search of the compiled engine, and ';
    const [resume, file] = [newFile(), newFile()];
    expect(messageOf(() => run(big, { engine: 'plain', resume }))).toBe(`${refused}the engine 'plain' has none`);
    expect(messageOf(() => run(big, { slice: true, checkpoint: { file, every: 60 } }))).toBe(
      `${refused}a search in slices is several`,
    );
  });
});

describe('a checkpoint that cannot be trusted is refused', () => {
  const subject: Subject = { of: peterson, sets: [petersonProperties] };
  const good = newFile();
  run(subject, { checkpoint: { file: good, every: 1e9 }, maxStates: 12 });
  const bytes = readFileSync(good);
  const bad = newFile();
  const resuming = (file: string, options: SearchOptions = {}): string =>
    messageOf(() => run(subject, { resume: file, ...options }));

  it('with any byte changed', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (position, change) => {
        const damaged = Buffer.from(bytes);
        damaged[position] = (damaged[position] as number) ^ change;
        writeFileSync(bad, damaged);
        expect(resuming(bad)).toMatch(
          /^CheckpointError: cannot go on from .*; (name|use) .*, or start anew without --resume$/,
        );
      }),
      { numRuns: 250 },
    );
  });

  it('cut off anywhere, or with something behind it', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), (length) => {
        writeFileSync(bad, bytes);
        truncateSync(bad, length);
        expect(resuming(bad)).toMatch(/it is cut off|it is not a checkpoint/);
      }),
      { numRuns: 150 },
    );
    writeFileSync(bad, Buffer.concat([bytes, Buffer.alloc(1)]));
    expect(resuming(bad)).toContain('it is damaged');
  });

  it('that is not there, or something else', () => {
    expect(resuming(join(folder, 'nowhere'))).toContain(
      'ENOENT: no such file or directory; start anew without --resume',
    );
    expect(resuming(folder)).toContain('it is not a file');
    writeFileSync(bad, 'something else, and longer than the start of a checkpoint');
    expect(resuming(bad)).toContain(
      'it is not a checkpoint of svacheck; name another file, or start anew without --resume',
    );
  });

  it('that needs more memory than is allowed', () => {
    const large: Subject = { of: channel, set: { capacity: 8, values: 4 } };
    const file = newFile();
    run(large, { checkpoint: { file, every: 0 } });
    expect(messageOf(() => run(large, { resume: file, maxMemory: 2 ** 20 }))).toMatch(
      /its [\d,]+ states do not fit into the memory .*; allow more with --max-memory, or start anew without --resume$/,
    );
  });
});

describe('a checkpoint of another search is refused', () => {
  const build = (name: string, step: number, source = 'plain'): Model =>
    model({
      name,
      sizes: { smoke: { limit: 5 }, ci: { limit: 5 }, deep: { limit: 50 } },
      state: ({ size }) => ({ n: range(0, size.limit) }),
      actions: ({ action, size }) => ({
        [step === 2 ? 'double' : 'count']: action(
          {},
          {
            actor: 'counter',
            when: { 'there is room': (s) => s.n < size.limit },
            then: { up: source === 'plain' ? (s) => void s.n++ : (s) => void (s.n = s.n + 1) },
          },
        ),
      }),
    });
  const file = newFile();
  const one = build('one', 1);
  const setFor = (of: typeof one): PropertySet =>
    properties(of, ({ invariant }) => ({
      small: invariant({ holds: (s) => (s as { readonly n: number }).n < 100 }),
    }));
  run({ of: one, sets: [setFor(one)] }, { checkpoint: { file, every: 1e9 }, maxStates: 3 });
  const resuming = (subject: Subject, options: SearchOptions = {}): string =>
    messageOf(() => run({ sets: [setFor(subject.of)], ...subject }, { resume: file, ...options }));
  const asThen = 'give the same model and options as when it was written, or start anew without --resume';

  it('and the same is not', () => {
    expect(run({ of: one, sets: [setFor(one)] }, { resume: file })).toMatchObject({ states: 6 });
  });

  it.each<[string, Subject, SearchOptions, string]>([
    ['model', { of: build('two', 1) }, {}, `the model is 'one' there, 'two' here; ${asThen}`],
    ['size', { of: one, size: 'smoke' }, {}, `the size is 'ci' there, 'smoke' here; ${asThen}`],
    ['set', { of: one, set: { limit: 6 } }, {}, `the set of sizes is limit=5 there, limit=6 here; ${asThen}`],
    [
      'properties',
      { of: one },
      { properties: ['small'] },
      `the choice of properties is all there, 'small' here; ${asThen}`,
    ],
    [
      'declared properties',
      { of: one, sets: [] },
      {},
      'the list of its properties has changed since it was written; start',
    ],
    ['actions', { of: build('one', 2) }, {}, 'the list of its actions has changed since it was written; start anew'],
    ['function', { of: build('one', 1, 'other') }, {}, 'the source text of the model has changed since it was written'],
    ['file', { of: one }, { source: 'abc' }, 'the source text of the model has changed since it was written'],
  ])('another %s', (_, subject, options, message) => {
    expect(resuming(subject, options)).toContain(`CheckpointError: cannot go on from ${file}: ${message}`);
  });

  it('another variant', () => {
    const instance = instantiate(one, 'ci', { variant: { name: 'odd', edit: (definition) => definition } });
    expect(messageOf(() => search(instance, [setFor(one)], { resume: file }))).toContain(
      `the variant is none there, 'odd' here; ${asThen}`,
    );
  });
});
