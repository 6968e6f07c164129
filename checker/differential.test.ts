/**
 * The compiled search finds what the plain one finds, on random models.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Instance, propertiesOf, type PropertySet, type State, successors } from '../language/index.ts';
import { errorOf } from '../language/runs.fixture.ts';
import { compare, endOf } from './engines.fixture.ts';
import { ModelErrorAtState, search, type SearchOptions } from './index.ts';
import { cook } from './random/cook.fixture.ts';
import { mistakenRecipes, recipes } from './random/recipes.fixture.ts';

const mostStates = 80;

describe('random models', () => {
  it('come to the same: states, transitions, depth, digest, verdicts and shortest lengths', () => {
    const outcomes = { compared: 0, large: 0, violated: 0, holding: 0, deep: 0, branching: 0 };
    fc.assert(
      fc.property(recipes, (recipe) => {
        const { instance, set } = cook(recipe);
        const plain = compare(instance, [set], { keepGoing: true, maxStates: mostStates });
        fc.pre(plain !== undefined);
        if (plain === undefined) return;
        if (plain.verdict === 'violated') compare(instance, [set]);
        outcomes.compared++;
        outcomes.large += Number(plain.states >= 30);
        outcomes.deep += Number(plain.depth >= 5);
        outcomes.branching += Number(plain.transitions > 2 * plain.states);
        outcomes[plain.verdict === 'violated' ? 'violated' : 'holding']++;
      }),
      { numRuns: 350 },
    );
    expect(outcomes.compared).toBe(350);
    expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(10);
  });

  it('with a mistake come to an error that is as near, and is there', () => {
    const outcomes = { found: 0, deep: 0, none: 0 };
    const problems = new Set<string>();
    fc.assert(
      fc.property(mistakenRecipes, (recipe) => {
        const { instance, set } = cook(recipe);
        let isComplete = true;
        const errorBy = (options: SearchOptions): ModelErrorAtState | undefined =>
          errorOf(() => {
            isComplete = search(instance, [set], { keepGoing: true, ...options }).limit === undefined;
          }) as ModelErrorAtState | undefined;
        const plain = errorBy({ engine: 'plain', maxStates: 50 });
        fc.pre(isComplete);
        const compiled = errorBy({});
        expect(compiled?.path.actions.length).toBe(plain?.path.actions.length);
        outcomes[plain === undefined ? 'none' : 'found']++;
        if (plain === undefined || compiled === undefined) return;
        expect(compiled).toBeInstanceOf(ModelErrorAtState);
        // Several mistakes may be as near: each engine tells one that is made in the state it leads to.
        expect(mistakesIn(instance, set, endOf(instance, plain.path))).toContain(plain.message);
        expect(mistakesIn(instance, set, endOf(instance, compiled.path))).toContain(compiled.message);
        outcomes.deep += Number(plain.path.actions.length > 0);
        problems.add(plain.problem.replaceAll(/'f.*'/g, 'f'));
      }),
      { numRuns: 150 },
    );
    expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(0);
    expect(problems.size).toBeGreaterThan(2);
  });
});

/** The messages of all mistakes that the model makes in a state. */
function mistakesIn(instance: Instance, set: PropertySet, state: State): readonly string[] {
  const attempts = [
    ...instance.rules.map((rule) => () => {
      for (const bound of rule.bindings) {
        attempt(() =>
          successors({ ...instance, rules: [{ ...rule, bindings: [bound] }] }, state, false, () => undefined),
        );
      }
    }),
    ...propertiesOf(instance, [set]).map((property) => () => {
      for (const binding of property.bindings)
        attempt(() => property.kind === 'deadlock' || property.test(state, binding));
    }),
  ];
  const messages: string[] = [];
  const attempt = (work: () => unknown): void => {
    const error = errorOf(work);
    if (error !== undefined) messages.push(error.message);
  };
  for (const work of attempts) work();
  return messages;
}
