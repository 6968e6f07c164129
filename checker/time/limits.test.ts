/**
 * Properties over time with limits, stores, reductions and checkpoints: whatever does not look at all states and steps says so,
 * and never that something holds.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { each, instantiate, model, properties, range, sort } from '../../language/index.ts';
import { type CheckResult, search, searchAsync, type SearchOptions } from '../index.ts';
import { judged, verdicts } from './judge.fixture.ts';

const Worker = sort('worker');

/** Workers who count round; all but the last property hold or fail late. */
const counters = model({
  name: 'counters',
  sizes: { smoke: { worker: 2, top: 4 }, ci: { worker: 3, top: 9 }, deep: { worker: 3, top: 49 } },
  state: ({ size }) => ({ n: each(Worker, range(0, size.top)) }),
  actions: ({ action, size }) => ({
    count: action(
      { worker: Worker },
      {
        actor: 'worker',
        fairness: 'weak',
        then: {
          'one more, or from the beginning': (s, { worker }) => void (s.n[worker] = (s.n[worker] + 1) % (size.top + 1)),
        },
      },
    ),
  }),
});
const set = properties(counters, ({ leadsTo, eventually, recoverable, transition, invariant, size }) => ({
  'each gets to the top': leadsTo({
    forall: { worker: Worker },
    from: (s, { worker }) => s.n[worker] === 0,
    to: (s, { worker }) => s.n[worker] === size.top,
  }),
  'all are at the top together': eventually({ holds: (s) => s.n.every((n) => n === size.top) }),
  'all can begin anew': recoverable({ holds: (s) => s.n.every((n) => n === 0) }),
  'they go one by one, or to the beginning': transition({
    forall: { worker: Worker },
    holds: (before, _action, after, { worker }) =>
      after.n[worker] === 0 || Math.abs(after.n[worker] - before.n[worker]) <= 1,
  }),
  'nobody is at the top': invariant({ forall: { worker: Worker }, holds: (s, { worker }) => s.n[worker] < size.top }),
}));
const overTime = Object.keys({
  'each gets to the top': 1,
  'all are at the top together': 1,
  'all can begin anew': 1,
  'they go one by one, or to the beginning': 1,
});

function check(options: SearchOptions = {}, size = 'ci'): CheckResult {
  return search(instantiate(counters, size), [set], { keepGoing: true, ...options });
}

/** The verdicts over time, and why there are none. */
function undecided(result: CheckResult): readonly unknown[] {
  return result.properties
    .filter(({ name }) => overTime.includes(name))
    .map(({ verdict, undecided: why, path }) => [verdict, why, path]);
}

const engines = ['plain', 'compiled'] as const;
const four = (verdict: string, why?: unknown): readonly unknown[] => overTime.map(() => [verdict, why, undefined]);

it('without limits are decided', () => {
  expect(verdicts(judged(instantiate(counters, 'smoke'), [set]))).toEqual({
    'each gets to the top': 'holds',
    'all are at the top together': 'violated 0 + 10',
    'all can begin anew': 'holds',
    'they go one by one, or to the beginning': 'holds',
    'nobody is at the top': 'violated 4',
    'no deadlock': 'holds',
  });
});

describe('a limit', () => {
  it.each(engines)('leaves them undecided, with the engine %s', async (engine) => {
    for (const maxStates of [1, 2, 500, 999]) {
      const result = check({ engine, maxStates });
      expect([result.limit, undecided(result)]).toEqual(['max-states', four('unknown')]);
    }
    expect(check({ engine, maxStates: 1001 })).toMatchObject({ verdict: 'violated' });
    expect(undecided(check({ engine, maxSeconds: 0 }))).toEqual(four('unknown'));
    const result = await searchAsync(instantiate(counters), [set], {
      engine,
      keepGoing: true,
      signal: AbortSignal.abort(),
    });
    expect([result.limit, undecided(result)]).toEqual(['interrupted', four('unknown')]);
  });

  it.each(engines)('that comes with the first violation leaves them undecided too, with the engine %s', (engine) => {
    const result = check({ engine, keepGoing: false });
    expect([result.limit, result.verdict, undecided(result)]).toEqual(['first violation', 'violated', four('unknown')]);
  });

  it.each(engines)('that waits for one of them ends with all states, with the engine %s', (engine) => {
    const waiting = check({ engine, keepGoing: false, until: ['nobody is at the top', 'all are at the top together'] });
    expect(waiting.limit).toBeUndefined();
    expect(waiting.properties.map(({ verdict }) => verdict)).toEqual(
      check({ engine }).properties.map(({ verdict }) => verdict),
    );
    const stopped = check({ engine, keepGoing: false, until: ['nobody is at the top'] });
    expect([stopped.limit, undecided(stopped)]).toEqual(['first violation', four('unknown')]);
  });

  it.each(engines)('does not matter to one of them alone, with the engine %s', (engine) => {
    const alone = check({ engine, keepGoing: false, properties: ['all are at the top together'] });
    expect([alone.limit, verdicts(alone)]).toEqual([
      undefined,
      { 'all are at the top together': expect.stringMatching('violated') as string },
    ]);
  });

  it('of memory that the graph does not fit into is told', () => {
    const limits = [8, 16, 24, 28, 32].map((mebibytes) => check({ maxMemory: mebibytes * 2 ** 20 }, 'deep'));
    const told = limits.map((result) => [result.limit, ...undecided(result)]);
    const notAll = ['max-memory', ...four('unknown')];
    const noGraph = [undefined, ...four('unknown', expect.stringMatching(/^the graph of all steps takes about \d/))];
    expect(told).toEqual([notAll, notAll, notAll, noGraph, noGraph]);
  });

  it('of time, or an interruption, while the graph is built is told', () => {
    const controller = new AbortController();
    let explored = false;
    const result = check(
      {
        signal: controller.signal,
        onProgress: ({ states, transitions }) => {
          // All steps are counted: what follows is the graph.
          explored ||= states === 50 ** 3 && transitions === 3 * 50 ** 3;
          if (explored) controller.abort();
        },
      },
      'deep',
    );
    expect(result.limit).toBeUndefined();
    expect(undecided(result)).toEqual(four('unknown', 'the search was interrupted before'));
    expect(result.verdict).toBe('violated');
  });
});

describe('a search that leaves something out', () => {
  it.each(['compact', 'bitstate'] as const)('as the store %s may leaves them undecided', (store) => {
    const result = check({ store });
    expect(result.limit).toBeDefined();
    expect(undecided(result)).toEqual(four('unknown'));
  });

  it.each<SearchOptions>([{ symmetry: true }, { symmetry: true, slice: true, partialOrder: true }])(
    'by %o says why',
    (options) => {
      const result = check(options);
      expect(undecided(result)).toEqual(
        four('unknown', 'a search that leaves out states or steps does not decide properties over time'),
      );
      expect(result.properties.find(({ name }) => name === 'nobody is at the top')?.verdict).toBe('violated');
    },
  );

  it.each<SearchOptions>([{ slice: true }, { partialOrder: true }, { slice: true, partialOrder: true }])(
    'by %o never says other than without',
    (options) => {
      const whole = check();
      const result = check(options);
      for (const [i, { verdict }] of result.properties.entries()) {
        expect(['unknown', whole.properties[i]?.verdict]).toContain(verdict);
      }
    },
  );
});

describe('a search that is resumed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'svacheck-time-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('decides the same as one that was not interrupted, also where all was explored before', () => {
    const facts = ({ properties: all }: CheckResult): unknown => JSON.parse(JSON.stringify(all));
    const whole = facts(check());
    for (const [i, maxStates] of [300, 999].entries()) {
      for (const workers of [1, 2]) {
        const file = join(folder, `${i} ${workers}`);
        check({ checkpoint: { file, every: 1e9 }, maxStates, workers });
        expect(facts(check({ resume: file, workers }))).toEqual(whole);
        expect(facts(check({ resume: file, maxMemory: 2 ** 30 }))).toEqual(whole);
      }
    }
    const file = join(folder, 'first violation');
    expect(check({ checkpoint: { file, every: 1e9 }, keepGoing: false }).limit).toBe('first violation');
    expect(facts(check({ resume: file }))).toEqual(whole);
  });

  it('has nothing to explore any more where only the graph was missing', () => {
    const facts = ({ properties: all, depth, states, transitions }: CheckResult): unknown =>
      JSON.parse(JSON.stringify({ all, depth, states, transitions }));
    const file = join(folder, 'no graph');
    const before = check({ checkpoint: { file, every: 1e9 }, maxMemory: 28 * 2 ** 20 }, 'deep');
    expect([before.limit, undecided(before)]).toEqual([undefined, four('unknown', expect.any(String))]);
    expect(before.checkpoint).toMatchObject({ states: before.states });
    expect(facts(check({ resume: file, maxMemory: 2 ** 30 }, 'deep'))).toEqual(
      facts(check({ maxMemory: 2 ** 30 }, 'deep')),
    );
  });
});
