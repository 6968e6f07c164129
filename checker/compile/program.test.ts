/**
 * Functions do what they mean in every form, whatever states their trees were recorded in.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bool,
  each,
  instantiate,
  type Instance,
  model,
  propertiesOf,
  type PropertySet,
  range,
  sort,
  type State,
} from '../../language/index.ts';
import { oneAction } from '../../language/one-action.fixture.ts';
import { cook } from '../random/cook.fixture.ts';
import { mistakenRecipes, recipes } from '../random/recipes.fixture.ts';
import { picker, stateOf } from '../random/states.fixture.ts';
import { disagreements } from './agreement.fixture.ts';
import { layoutOf } from './layout.ts';
import { type Form, Program } from './program.ts';

function programOf(instance: Instance, sets: readonly PropertySet[] = [], nodeBudget?: number): Program {
  return new Program(instance, propertiesOf(instance, sets), layoutOf(instance), nodeBudget);
}

function statesOf(instance: Instance, count: number, seed = 1): readonly State[] {
  const pick = picker(seed);
  return Array.from({ length: count }, () => stateOf(instance.domain, pick));
}

describe('the functions of random models', () => {
  it('do what they mean, also in states that no path was recorded in', () => {
    const forms = new Map<Form, number>();
    fc.assert(
      fc.property(recipes, fc.integer(), (recipe, seed) => {
        const { instance, set } = cook(recipe);
        const program = programOf(instance, [set]);
        expect(disagreements(program, statesOf(instance, 30, seed))).toEqual([]);
        for (const { form } of program.functions) forms.set(form, (forms.get(form) ?? 0) + 1);
      }),
      { numRuns: 60 },
    );
    // And they are trees: what the recipes do with a state, the packed form can do.
    expect([...forms.keys()]).toEqual(['tree']);
  });

  it('make the same mistakes', () => {
    fc.assert(
      fc.property(mistakenRecipes, fc.integer(), (recipe, seed) => {
        const { instance, set } = cook(recipe);
        expect(disagreements(programOf(instance, [set]), statesOf(instance, 20, seed))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it('do the same where their trees are given up', () => {
    fc.assert(
      fc.property(
        fc.oneof(recipes, mistakenRecipes),
        fc.constantFrom(0, 3, 10),
        fc.integer(),
        (recipe, budget, seed) => {
          const { instance, set } = cook(recipe);
          const program = programOf(instance, [set], budget);
          expect(disagreements(program, statesOf(instance, 15, seed))).toEqual([]);
          for (const { form, tree } of program.functions) expect(form === 'packed').toBe(tree.nodes > budget);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('do the same on the immutable form', () => {
    fc.assert(
      fc.property(recipes, fc.integer(), (recipe, seed) => {
        const { instance, set } = cook(recipe);
        const program = programOf(instance, [set]);
        for (const compiled of program.functions) compiled.form = 'immutable';
        expect(disagreements(program, statesOf(instance, 5, seed))).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });
});

const Many = sort('many');
const flags = model({
  name: 'flags',
  sizes: { smoke: { many: 12 }, ci: { many: 1200 }, deep: { many: 1200 } },
  state: { flags: each(Many, bool), n: range(0, 3) },
  actions: ({ action }) => ({
    count: action(
      {},
      {
        actor: 'any',
        when: { 'not all': (s) => !s.flags.every((flag) => flag) },
        then: { count: (s) => void (s.n = [...s.flags].filter(Boolean).length % 4) },
      },
    ),
  }),
});

describe('a tree is given up', () => {
  it('where it has too many nodes', () => {
    const instance = instantiate(flags, 'smoke');
    const program = programOf(instance, [], 200);
    expect(disagreements(program, statesOf(instance, 100))).toEqual([]);
    expect(program.rules[0]).toMatchObject({ form: 'packed', reason: 'its tree has more than 200 nodes' });
  });

  it('where a way through it asks too many questions', () => {
    const instance = instantiate(flags);
    const program = programOf(instance);
    const full = { ...instance.domain.initial, flags: Array.from({ length: 1200 }, () => true) };
    expect(disagreements(program, [instance.domain.initial, full])).toEqual([]);
    expect(program.rules[0]).toMatchObject({ form: 'packed', reason: 'it reads more than 1000 fields at once' });
  });

  it('where a function asks different questions for the same answers', () => {
    let calls = 0;
    const restless = oneAction(
      { a: bool, b: bool, c: bool },
      [(s) => void (s.c = true)],
      [(s) => (calls++ % 3 === 0 ? s.a && s.b : s.b && s.a)],
    );
    const instance = instantiate(restless);
    const program = programOf(instance);
    expect(disagreements(program, statesOf(instance, 60))).toEqual([]);
    expect(program.rules[0]).toMatchObject({
      form: 'immutable',
      reason: 'it asks different questions for the same answers',
    });
  });
});
