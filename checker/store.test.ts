/**
 * Stores that do not keep all states: what they find is what the exact store finds, as long as they omit nothing; they tell how
 * probable that is, take less memory, and never say more than they explored.
 */
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  each,
  type Instance,
  instantiate,
  model,
  properties,
  type PropertySet,
  range,
  sort,
  step,
} from '../language/index.ts';
import { protocols } from '../properties/index.ts';
import { sva, svaProperties } from '../scripts/bench/models/sva.ts';
import { check, counter, told } from './counter.fixture.ts';
import { type CheckResult, type Path, search, type SearchOptions } from './index.ts';

const stores = ['compact', 'bitstate'] as const;
const limits = { compact: 'hash compaction', bitstate: 'bitstate' } as const;
/** Enough for some hundred thousand states. */
const manyBits = { compact: undefined, bitstate: 2 ** 29 };
const maxMemory = 2 ** 29;

const Axis = sort('axis', { ordered: true });
/** Walks from one corner of a cube to the opposite one. Its states are large. */
const cube = model({
  name: 'cube',
  sizes: { smoke: { axis: 2, side: 2 }, ci: { axis: 6, side: 6 }, deep: { axis: 6, side: 20 } },
  state: ({ size }) => ({ way: each(Axis, { at: range(0, size.side), name: range(0, 2 ** 26) }) }),
  actions: ({ action, size }) => ({
    walk: action(
      { axis: Axis },
      {
        actor: 'walker',
        when: { 'not at the end': (s, { axis }) => s.way[axis].at < size.side },
        then: { 'one step': (s, { axis }) => void s.way[axis].at++ },
      },
    ),
  }),
});
const cubeProperties = properties(cube, ({ reachable, invariant, deadlockFree, size }) => ({
  'half way': reachable({ exists: { axis: Axis }, holds: (s, { axis }) => s.way[axis].at === size.side / 2 }),
  'a name': invariant({ forall: { axis: Axis }, holds: (s, { axis }) => s.way[axis].name === 0 }),
  'no end': deadlockFree({ final: {} }),
}));

function searchCube(options: SearchOptions): CheckResult {
  return search(instantiate(cube, 'ci'), [cubeProperties], { keepGoing: true, maxMemory, ...options });
}

/** The states that a path goes through: it is one of the model if this does not throw. */
function replay(instance: Instance, { initial, actions }: Path): unknown {
  return actions.reduce((state, action) => step(instance, state as never, action as never).state, initial as unknown);
}

/** All that must be alike if nothing was omitted. */
function found({ states, transitions, depth, digest, properties: all }: CheckResult): unknown {
  const decided = all.flatMap(({ name, verdict, path, binding }) =>
    path === undefined ? [] : [{ name, verdict, actions: path.actions, binding }],
  );
  return { states, transitions, depth, digest, decided };
}

const shipped = [
  ...protocols.map(({ model: of, properties: sets }) => ({ instance: instantiate(of, 'smoke'), sets })),
  ...protocols.slice(0, 2).map(({ model: of, properties: sets }) => ({ instance: instantiate(of, 'ci'), sets })),
  { instance: instantiate(sva, 'ci'), sets: [svaProperties] },
].map((of) => ({ ...of, name: `${of.instance.model.name} ${of.instance.size}` }));
const exactly = new Map<string, CheckResult>();
function searchExactly(name: string, instance: Instance, sets: readonly PropertySet[]): CheckResult {
  const known = exactly.get(name) ?? search(instance, sets, { keepGoing: true, maxMemory });
  exactly.set(name, known);
  return known;
}

describe.each(stores)('the store %s', (store) => {
  const options = { store, storeBits: manyBits[store], keepGoing: true, maxMemory };
  it.each(shipped)('finds in $name what the exact store finds, with the same paths', ({ name, instance, sets }) => {
    const exact = searchExactly(name, instance, sets);
    const result = search(instance, sets, options);
    expect(found(result)).toEqual(found(exact));
    expect(result).toMatchObject({ store, limit: limits[store], verdict: 'unknown' });
    expect(exact.store).toBe('exact');
    expect(exact).not.toHaveProperty('omission');
    // Nothing holds in all states, since some may have been omitted; what has a path is certain.
    for (const { verdict, path } of result.properties) expect(verdict === 'unknown').toBe(path === undefined);
  });

  it('finds every kind of violation, and leaves the rest unknown', () => {
    expect(told(check({ ...options, maxMemory: undefined }))).toEqual([
      'below two: violated 2',
      'below four: violated 4',
      'flag and three: holds 4',
      'more than all: unknown',
      'below ten: unknown',
      'an end: violated 5',
    ]);
  });

  const bugs = protocols.flatMap(({ model: of, properties: sets, variants }) =>
    variants.flatMap((set) => set.variants).map((variant) => ({ name: variant.name, of, sets, variant })),
  );
  it.each(bugs.slice(0, 4))('finds the bug $name in as many steps as are recorded', ({ of, sets, variant }) => {
    const instance = instantiate(of, variant.size, { set: variant.set, variant: variant.edit });
    const until = Object.keys(variant.violates);
    const result = search(instance, sets, { ...options, keepGoing: false, until });
    for (const [name, length] of Object.entries(variant.violates)) {
      const property = result.properties.find((one) => one.name === name);
      expect(property?.verdict).toBe('violated');
      expect(property?.path?.actions).toHaveLength(length);
      if (property?.path !== undefined) replay(instance, property.path);
    }
    expect(result).toMatchObject({ verdict: 'violated', limit: 'first violation' });
  });

  it('finds its way back through states that are in a temporary file, which has no name', () => {
    const exact = searchExactly('cube', instantiate(cube, 'ci'), [cubeProperties]);
    const files: string[] = [];
    const look = (): void =>
      void files.push(...readdirSync(tmpdir()).filter((name) => /^svacheck-.*states$/.test(name)));
    const result = searchCube({ ...options, onProgress: look });
    expect(result).toMatchObject({ states: 7 ** 6, depth: 36 });
    expect(found(result)).toEqual(found(exact));
    const [half, , end] = result.properties;
    expect([half?.path?.actions.length, end?.path?.actions.length]).toEqual([3, 36]);
    expect(replay(instantiate(cube, 'ci'), end?.path as Path)).toMatchObject({
      way: Array.from({ length: 6 }, () => ({ at: 6, name: 0 })),
    });
    expect(files).toEqual([]);
  });

  it('stops where a temporary file cannot be written, and still knows the ways', () => {
    vi.stubEnv('TMPDIR', '/dev/null/nowhere');
    const result = searchCube(options);
    expect(result).toMatchObject({ limit: 'temporary file', verdict: 'unknown' });
    expect(result.properties[0]?.path?.actions).toHaveLength(3);
  });

  it('stops at a limit as the exact store does', () => {
    const result = search(instantiate(counter, 'deep'), [], { store, maxStates: 1000, maxMemory });
    expect(result).toMatchObject({ verdict: 'unknown', limit: 'max-states' });
    expect(result.states).toBeLessThanOrEqual(1001);
    expect(searchCube({ store, maxMemory: 2 ** 22 })).toMatchObject({ verdict: 'unknown', limit: 'max-memory' });
  });

  it('goes with one engine, and with no checkpoint', () => {
    const instance = instantiate(counter);
    expect(() => search(instance, [], { store, engine: 'plain' })).toThrow(TypeError);
    expect(() => search(instance, [], { store, checkpoint: { file: 'none', every: 1 } })).toThrow('does not keep');
    expect(() => search(instance, [], { store, resume: 'none' })).toThrow('does not keep');
  });

  it('says the same of a search in slices', () => {
    const result = search(instantiate(sva, 'smoke'), [svaProperties], { ...options, slice: true });
    expect(result).toMatchObject({ limit: limits[store], verdict: 'unknown' });
    expect(result.omission?.probability).toBeLessThan(1e-6);
    expect(result.reductions?.slices).toHaveLength(
      search(instantiate(sva, 'smoke'), [svaProperties], { slice: true }).reductions?.slices?.length ?? 0,
    );
  });
});

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('with too few bits', () => {
  const [states, transitions] = [95_616, 540_960];
  const few = [
    ['compact', 24],
    ['compact', 16],
    ['compact', 8],
    ['compact', 1],
    ['bitstate', 2 ** 22],
    ['bitstate', 2 ** 18],
    ['bitstate', 1],
  ] as const;
  const reached = properties(sva, ({ reachable }) => ({
    'two in the queue': reachable({ holds: (s) => s.queue.length === 2 }),
  }));
  const within = (options: SearchOptions): CheckResult =>
    search(instantiate(sva, 'ci'), [svaProperties, reached], { keepGoing: true, maxMemory, ...options });

  it.each(few)('%s (%i) omits states, about as many as it says, and the same with two workers', (store, storeBits) => {
    const result = within({ store, storeBits });
    expect(result.states).toBeLessThan(states);
    expect(result.transitions).toBeLessThan(transitions);
    expect(result).toMatchObject({ verdict: 'unknown', limit: limits[store], omission: { probability: 1 } });
    // Where many are omitted, so are most of those to which they lead, which do not count.
    const omitted = states - result.states;
    const expected = result.omission?.expected ?? 0;
    const isNear = Math.abs(omitted - expected) < 6 * Math.sqrt(expected) + 0.2 * expected;
    expect(isNear || omitted >= states / 10).toBe(true);
    for (const { path } of result.properties) if (path !== undefined) replay(instantiate(sva, 'ci'), path);
    expect(found(within({ store, storeBits, workers: 2 }))).toEqual(found(result));
  });

  it('the bound is what the literature says', () => {
    // Of fingerprints with b bits: N^2 / 2^(b + 1), by 64 shards, for the pairs of states that are on different levels.
    const { omission } = within({ store: 'compact' });
    const pairs = states ** 2 / 2 / 64;
    expect(omission?.probability).toBeLessThan(pairs / 2 ** 64);
    expect(omission?.probability).toBeGreaterThan((0.8 * pairs) / 2 ** 64);
    expect(within({ store: 'compact', storeBits: 40 }).omission?.probability).toBeLessThan((pairs / 2 ** 40) * 1.1);
  });

  it('the number of bits is one that there can be', () => {
    expect(() => within({ store: 'compact', storeBits: 65 })).toThrow(RangeError);
    expect(() => within({ store: 'compact', storeBits: 0 })).toThrow(RangeError);
  });
});

describe('memory', () => {
  it('is really less', { timeout: 60_000 }, () => {
    const instance = instantiate(sva, 'medium');
    const [exact, compact, bitstate] = [
      {},
      { store: 'compact' as const },
      { store: 'bitstate' as const, storeBits: 2 ** 24 },
    ].map((options) => search(instance, [svaProperties], { ...options, maxMemory: 2 ** 31 }));
    expect(found(compact as CheckResult)).toEqual(found(exact as CheckResult));
    expect(compact).toMatchObject({ states: 856_064, transitions: 8_066_048 });
    const perState = (result: CheckResult | undefined): number => (result?.storedBytes ?? 0) / (result?.states ?? 1);
    expect(perState(compact)).toBeLessThan(0.65 * perState(exact));
    expect(perState(bitstate)).toBeLessThan(0.8 * perState(compact));
  });
});
