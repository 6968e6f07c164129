/**
 * Walks by generated code are the walks that the functions themselves make, and every step is one of the immutable meaning.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  initialStates,
  type Instance,
  instantiate,
  ModelError,
  propertiesOf,
  type PropertySet,
  type State,
  step,
} from '../../language/index.ts';
import { atcInvalidation } from '../../model/atc-invalidation.ts';
import { atcInvalidationProperties } from '../../properties/atc-invalidation.ts';
import { Program } from '../compile/program.ts';
import { chancesOf, largestTable } from './chances.ts';
import { cook } from './cook.fixture.ts';
import { randomModels } from './depth.fixture.ts';
import { recipes } from './recipes.fixture.ts';
import { pathOf } from './walk.ts';
import { type Run, Walker } from './walker.ts';

/** The same numbers for the same seed. */
function numbers(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x6d2b_79f5;
    return state | 0;
  };
}

interface Walking {
  readonly program: Program;
  readonly walker: Walker;
}

function walking(instance: Instance, set: PropertySet, patience: number): Walking {
  const program = new Program(instance, propertiesOf(instance, [set]));
  return { program, walker: new Walker(program, 100, largestTable(program), patience) };
}

function walk({ program, walker }: Walking, seed: number): Run {
  const [initial] = initialStates(program.instance) as readonly [State];
  const { all } = chancesOf(program, new Map());
  return walker.run({ next: numbers(seed), initial: program.layout.pack(initial), steps: 60, choice: all, all });
}

function told({ rules, broken, isOver }: Run): unknown {
  return { rules: [...rules], broken: typeof broken === 'string' ? broken : broken?.index, isOver };
}

/** A run, or what is wrong with the model. */
function attempt(run: () => Run): Run | string {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return error.message;
  }
}

function toldOf(run: Run | string): unknown {
  return typeof run === 'string' ? run : told(run);
}

/** Where the walk leads by the meaning of the language. */
function meant(program: Program, { initial, rules }: Run): Int32Array {
  const { instance, layout } = program;
  const { initial: start, actions } = pathOf(program, initial, rules);
  let state = start;
  for (const action of actions) state = step(instance, state as never, action as never).state;
  return layout.pack(state);
}

it('generated code walks as the functions do, on a protocol', () => {
  const instance = instantiate(atcInvalidation, 'smoke', { set: { page: 2 } });
  const eager = walking(instance, atcInvalidationProperties, 0);
  const never = walking(instance, atcInvalidationProperties, Number.POSITIVE_INFINITY);
  for (let seed = 1; seed <= 60; seed++) {
    const run = walk(eager, seed);
    expect(told(run)).toEqual(told(walk(never, seed)));
    expect(run.state).toEqual(meant(eager.program, run));
  }
});

it('generated code walks as the functions do, on random models', () => {
  let steps = 0;
  const ends: Int32Array[] = [];
  const meanings: Int32Array[] = [];
  fc.assert(
    fc.property(recipes, (recipe) => {
      const { instance, set } = cook(recipe);
      const eager = walking(instance, set, 0);
      const never = walking(instance, set, Number.POSITIVE_INFINITY);
      for (let seed = 1; seed <= 6; seed++) {
        const run = attempt(() => walk(eager, seed));
        expect(toldOf(run)).toEqual(toldOf(attempt(() => walk(never, seed))));
        if (typeof run === 'string') return;
        steps += run.rules.length;
        ends.push(run.state);
        meanings.push(meant(eager.program, run));
      }
    }),
    { numRuns: randomModels(25, 2000) },
  );
  expect(ends).toEqual(meanings);
  expect(steps).toBeGreaterThan(500);
});
