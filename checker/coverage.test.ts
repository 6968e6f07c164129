import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bool, each, instantiate, model, oneOf, properties, range, sort } from '../language/index.ts';
import { type CheckResult, type Coverage, search } from './index.ts';
import { cook } from './random/cook.fixture.ts';
import { recipes } from './random/recipes.fixture.ts';

const Lamp = sort('lamp');

/** Lamps that go on and off again; what needs a lamp to be red never happens, nor what follows it. */
const lamps = model({
  name: 'lamps',
  sizes: { smoke: { lamp: 2 }, ci: { lamp: 2 }, deep: { lamp: 2 } },
  state: { lamp: each(Lamp, { is: oneOf('off', 'on', 'red') }), count: range(0, 3), done: bool },
  actions: ({ action, procedure }) => ({
    flip: action(
      { lamp: Lamp },
      {
        actor: 'hand',
        when: { 'it is off': (s, { lamp }) => s.lamp[lamp].is === 'off', 'not yet done': (s) => !s.done },
        then: {
          'put it on': (s, { lamp }) => {
            s.lamp[lamp].is = 'on';
          },
        },
      },
    ),
    repair: action(
      { lamp: Lamp },
      {
        actor: 'hand',
        when: {
          'it is not off': (s, { lamp }) => s.lamp[lamp].is !== 'off',
          'it is red': (s, { lamp }) => s.lamp[lamp].is === 'red',
        },
        then: { nothing: () => undefined },
      },
    ),
    watch: procedure(
      {},
      {
        actor: 'eye',
        steps: ({ step, branch }) => [
          step('look', { when: { 'some lamp is on': (s) => s.lamp.some(({ is }) => is === 'on') } }),
          branch('it is red', {
            fused: true,
            if: (s) => s.lamp.some(({ is }) => is === 'red'),
            then: [step('shout', {})],
          }),
          step('leave', {
            then: {
              'be done': (s) => {
                s.done = true;
              },
            },
          }),
        ],
      },
    ),
  }),
});
const of = properties(lamps, ({ invariant }) => ({
  'a red lamp is counted': invariant({
    forall: { lamp: Lamp },
    given: (s, { lamp }) => s.lamp[lamp].is === 'red',
    holds: (s) => s.count > 0,
  }),
  'a lamp that is on is counted never': invariant({
    forall: { lamp: Lamp },
    given: (s, { lamp }) => s.lamp[lamp].is === 'on',
    holds: (s) => s.count === 0,
  }),
}));
const check = (options: Parameters<typeof search>[2]): CheckResult => search(instantiate(lamps), [of], options);

function part({ coverage }: CheckResult, name: string, step?: string): Coverage['parts'][number] | undefined {
  return coverage?.parts.find((candidate) => candidate.name === name && candidate.step === step);
}

describe.each(['compiled', 'plain'] as const)('coverage with the engine %s', (engine) => {
  const result = check({ engine, coverage: true });

  it('counts in how many states an action can be taken, and its guards are asked and true', () => {
    // Each of 2 lamps is off or on; nobody has looked, or somebody has (some lamp is on), or is done.
    expect(result.states).toBe(4 + 3 + 3);
    expect(part(result, 'flip')).toMatchObject({
      taken: 4 + 2,
      guards: [
        { name: 'it is off', asked: 20, held: 4 + 2 + 2 },
        { name: 'not yet done', asked: 8, held: 6 },
      ],
    });
    expect(part(result, 'repair')?.guards).toEqual([
      { name: 'it is not off', asked: 20, held: 12 },
      { name: 'it is red', asked: 12, held: 0 },
    ]);
  });

  it('counts the ways that decisions go', () => {
    expect(part(result, 'watch', 'look')).toMatchObject({
      taken: 3,
      decisions: [{ name: 'it is red', yes: 0, no: 3 }],
    });
  });

  it('tells what never happens, and why', () => {
    expect(result.never).toEqual([
      { kind: 'action', name: 'repair', reason: "'it is red' is true never where 'it is not off' is" },
      { kind: 'step', name: 'watch', step: 'shout', reason: 'its procedure never comes to it' },
      { kind: 'decision', name: 'watch', decision: 'it is red', reason: 'its test is false whenever it is asked' },
    ]);
  });
});

describe('what never happens', () => {
  it('is told without counting too', () => {
    expect(check({}).never).toEqual(check({ coverage: true }).never);
  });

  it('is not told where something was left out', () => {
    expect(check({ maxStates: 3 })).not.toHaveProperty('never');
    expect(check({ maxStates: 3, coverage: true })).not.toHaveProperty('coverage');
    expect(check({ store: 'compact' })).not.toHaveProperty('never');
    expect(check({ symmetry: true })).not.toHaveProperty('never');
  });
});

describe.each(['compiled', 'plain'] as const)('a vacuous property with the engine %s', (engine) => {
  const verdicts = (options: Parameters<typeof search>[2]): unknown =>
    check({ engine, ...options }).properties.map(({ verdict }) => verdict);

  it('is one whose antecedent is never true', () => {
    expect(verdicts({})).toEqual(['vacuous', 'holds', 'holds']);
    expect(check({ engine }).verdict).toBe('vacuous');
  });

  it('stays open where not everything was explored', () => {
    expect(verdicts({ maxStates: 3 })).toEqual(['unknown', 'unknown', 'unknown']);
  });
});

it('with reductions a property is vacuous alike', () => {
  for (const options of [{ symmetry: true }, { slice: true }, { partialOrder: true }]) {
    expect(check(options).properties.map(({ verdict }) => verdict)).toEqual(['vacuous', 'holds', 'holds']);
  }
});

it('counts in random models what the plain engine counts', () => {
  let large = 0;
  fc.assert(
    fc.property(recipes, (recipe) => {
      const { instance, set } = cook(recipe);
      const options = { keepGoing: true, coverage: true, maxStates: 300 };
      const plain = search(instance, [set], { ...options, engine: 'plain' });
      fc.pre(plain.limit === undefined);
      const compiled = search(instance, [set], options);
      const counts = ({ coverage, never }: CheckResult): unknown => [
        coverage?.parts.map((counted) => ({ ...counted, ways: undefined })),
        never,
      ];
      expect(counts(compiled)).toEqual(counts(plain));
      expect(search(instance, [set], { keepGoing: true }).never).toEqual(plain.never);
      large += Number(plain.states > 10);
    }),
    { numRuns: 25 },
  );
  expect(large).toBeGreaterThan(2);
});
