import fc from 'fast-check';
import { expect, it } from 'vitest';
import { enabled, initialStates, type Instance, type State, step } from '../language/index.ts';
import { type PropertyResult, search } from './index.ts';
import { cook, isTrue } from './random/cook.fixture.ts';
import { type Claim, type ParameterList, type Recipe, size } from './random/recipe.fixture.ts';
import { recipes } from './random/recipes.fixture.ts';

const mostStates = 150;

interface Visit {
  readonly state: State;
  readonly distance: number;
  readonly isStuck: boolean;
}

/** A text of a state that does not depend on the order in which fields were written. */
function textOf(part: unknown): string {
  if (typeof part !== 'object' || part === null) return JSON.stringify(part);
  if (Array.isArray(part)) return `[${part.map(textOf).join()}]`;
  const entries = Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, value]) => `${name}:${textOf(value)}`).join()}}`;
}

/** All reachable states, as naively as can be: the text of a state is its key. */
function explore(instance: Instance): { readonly visits: readonly Visit[]; readonly transitions: number } {
  const texts = new Set<string>();
  const found: { readonly state: State; readonly distance: number }[] = [];
  const meet = (state: State, distance: number): void => {
    const text = textOf(state);
    if (!texts.has(text)) found.push({ state, distance });
    texts.add(text);
  };
  for (const state of initialStates(instance) as readonly State[]) meet(state, 0);
  let transitions = 0;
  const visits: Visit[] = [];
  for (const { state, distance } of found) {
    const actions = enabled(instance, state as never);
    for (const action of actions) meet(step(instance, state as never, action).state, distance + 1);
    transitions += actions.length;
    visits.push({ state, distance, isStuck: actions.length === 0 });
  }
  return { visits, transitions };
}

function bindings(parameters: ParameterList): readonly Readonly<Record<string, number>>[] {
  return Object.entries(parameters).reduce<readonly Readonly<Record<string, number>>[]>(
    (all, [name, of]) => all.flatMap((some) => Array.from({ length: size[of] }, (_, i) => ({ ...some, [name]: i }))),
    [{}],
  );
}

/** Whether a state breaks an invariant, or shows what is to be reachable. */
function decides({ kind, parameters, given, holds }: Claim, state: State): boolean {
  return bindings(parameters).some((binding) => {
    if (kind === 'reachable') return isTrue(holds, { ...binding, s: state });
    return (given === undefined || isTrue(given, { ...binding, s: state })) && !isTrue(holds, { ...binding, s: state });
  });
}

/** Whether an invariant speaks of a state at all. */
function speaksOf({ parameters, given }: Claim, state: State): boolean {
  return bindings(parameters).some((binding) => given === undefined || isTrue(given, { ...binding, s: state }));
}

/** Whether the model has procedures that end, and all have ended. */
function isDone({ procedures }: Recipe, state: State): boolean {
  const ending = procedures.map(({ repeat, instance }, i) => ({ own: state[`w${i}`], repeat, instance }));
  const places = ending
    .filter(({ repeat }) => !repeat)
    .flatMap(({ own, instance }) => (Object.keys(instance).length === 0 ? [own] : own)) as { readonly at: string }[];
  return places.length > 0 && places.every(({ at }) => at === 'done');
}

type Verdict = Pick<PropertyResult, 'name' | 'verdict'> & { readonly length: number | undefined };

/** What the recipe's claims come to, by the first state that decides each of them. */
function verdicts(recipe: Recipe, visits: readonly Visit[]): readonly Verdict[] {
  const verdict = (name: string, isGood: boolean, first: Visit | undefined): Verdict => ({
    name,
    verdict: (first !== undefined) === isGood ? 'holds' : 'violated',
    length: first?.distance,
  });
  return [
    ...recipe.claims.map((claim) => {
      const first = visits.find(({ state }) => decides(claim, state));
      if (claim.kind === 'invariant' && !visits.some(({ state }) => speaksOf(claim, state))) {
        return { name: claim.name, verdict: 'vacuous' as const, length: undefined };
      }
      return verdict(claim.name, claim.kind === 'reachable', first);
    }),
    verdict(
      'no deadlock',
      false,
      visits.find(({ state, isStuck }) => isStuck && !isDone(recipe, state)),
    ),
  ];
}

function verdictOf({ name, verdict, path }: PropertyResult): Verdict {
  return { name, verdict, length: path?.actions.length };
}

/** Whether a result's path, step by step, leads to a state that decides it. */
function leadsThere(recipe: Recipe, instance: Instance, { name, path }: PropertyResult): boolean {
  if (path === undefined) return true;
  const end = path.actions.reduce(
    (state, action) => step(instance, state as never, action as never).state as State,
    path.initial,
  );
  const claim = recipe.claims.find((candidate) => candidate.name === name);
  if (claim !== undefined) return decides(claim, end);
  return enabled(instance, end as never).length === 0 && !isDone(recipe, end);
}

it('agrees with a naive exploration of random models: counts, depth, verdicts and shortest lengths', () => {
  const outcomes = { all: 0, large: 0, violated: 0, holding: 0, stuck: 0, long: 0 };
  fc.assert(
    fc.property(recipes, (recipe) => {
      const { instance, set } = cook(recipe);
      const result = search(instance, [set], { keepGoing: true, maxStates: mostStates, engine: 'plain' });
      fc.pre(result.limit === undefined);
      const { visits, transitions } = explore(instance);
      const expected = verdicts(recipe, visits);

      const { states, depth } = result;
      expect({ states, transitions: result.transitions, depth }).toEqual({
        states: visits.length,
        transitions,
        depth: visits.at(-1)?.distance,
      });
      expect(result.properties.map(verdictOf)).toEqual(expected);
      expect(result.properties.every((property) => leadsThere(recipe, instance, property))).toBe(true);

      // Without `keepGoing` a verdict may stay open, but is never another.
      const brief = search(instance, [set]).properties.map(verdictOf);
      const open = new Set(brief.filter(({ verdict }) => verdict === 'unknown').map(({ name }) => name));
      expect(brief.filter(({ name }) => !open.has(name))).toEqual(expected.filter(({ name }) => !open.has(name)));

      outcomes.all++;
      outcomes.large += Number(states >= 20);
      outcomes.stuck += Number(expected.at(-1)?.verdict === 'violated');
      outcomes.long += Number(expected.some(({ length = 0 }) => length >= 2));
      outcomes[result.verdict === 'violated' ? 'violated' : 'holding']++;
    }),
    { numRuns: 160 },
  );
  // The random models are of all kinds.
  expect(outcomes.all).toBeGreaterThan(50);
  expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(0);
});
