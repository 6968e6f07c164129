/**
 * Random models with fairness, and random claims over time about them.
 */
import fc from 'fast-check';
import { type ActionData, type Fairness, type Instance, properties, type PropertySet } from '../../language/index.ts';
import { cook, domains, isTrue } from '../random/cook.fixture.ts';
import type { Claim, Recipe } from '../random/recipe.fixture.ts';
import { claims, recipes } from '../random/recipes.fixture.ts';

/** A claim about runs or steps, made of one about states. */
interface ClaimOverTime {
  readonly kind: 'transition' | 'leadsTo' | 'eventually' | 'recoverable';
  readonly of: Claim;
}

/** What a model and the claims about it are made of. */
export interface RecipeOverTime {
  readonly recipe: Recipe;
  readonly claims: readonly ClaimOverTime[];
}

const fairnesses = fc.constantFrom<Fairness>('weak', 'weak', 'strong', 'none');

/** Models that make no mistake, fair in random ways, with claims of each kind. */
export const recipesOverTime: fc.Arbitrary<RecipeOverTime> = recipes.chain((recipe) => {
  const { fields, actions, procedures } = recipe;
  const number = actions.length + procedures.length;
  const of = (kind: ClaimOverTime['kind'], name: string): fc.Arbitrary<ClaimOverTime> =>
    claims(fields, procedures, name).map((claim) => ({ kind, of: claim }));
  return fc
    .tuple(
      fc.array(fairnesses, { minLength: number, maxLength: number }),
      fc.tuple(
        of('transition', 't0'),
        of('leadsTo', 't1'),
        of('leadsTo', 't2'),
        of('leadsTo', 't3'),
        of('eventually', 't4'),
        of('recoverable', 't5'),
      ),
    )
    .map(([fair, all]) => ({
      recipe: {
        ...recipe,
        actions: actions.map((action, i) => ({ ...action, fairness: fair[i] as Fairness })),
        procedures: procedures.map((one, i) => ({ ...one, fairness: fair[actions.length + i] as Fairness })),
      },
      claims: all,
    }));
});

/** The instance of a recipe, and its claims, those about states too. */
export function cookOverTime({ recipe, claims: all }: RecipeOverTime): {
  readonly instance: Instance;
  readonly set: PropertySet;
} {
  const { model, instance, set: ofStates } = cook(recipe);
  type Bound = Readonly<Record<string, unknown>>;
  const set = properties(model, (builder) => ({
    ...(ofStates.build(builder as never) as object),
    ...Object.fromEntries(
      all.map(({ kind, of: { name, parameters, given, holds } }) => {
        const test = (condition: Claim['holds']) => (s: unknown, p: unknown) =>
          isTrue(condition, { ...(p as Bound), s });
        const forall = domains(parameters);
        const isGoal = test(holds);
        switch (kind) {
          case 'transition': {
            const isGiven = given === undefined ? undefined : test(given);
            const restriction = isGiven && {
              given: (before: unknown, _action: ActionData, after: unknown, p: unknown) =>
                isGiven(before, p) || isGiven(after, p),
            };
            const isRight = (before: unknown, action: ActionData, after: unknown, p: unknown): boolean =>
              isGoal(after, p) || isGoal(before, p) !== (action.type === 'a0');
            return [name, builder.transition({ forall, ...restriction, holds: isRight })];
          }
          case 'leadsTo':
            return [
              name,
              builder.leadsTo({ forall, from: given === undefined ? () => true : test(given), to: isGoal }),
            ];
          case 'eventually':
            return [name, builder.eventually({ forall, holds: isGoal })];
          case 'recoverable':
            return [name, builder.recoverable({ forall, ...(given && { given: test(given) }), holds: isGoal })];
          default:
            return kind satisfies never;
        }
      }),
    ),
  }));
  return { instance, set };
}
