import fc from 'fast-check';
import { expect, it } from 'vitest';
import { initialStates, propertiesOf, type State, step, successors } from '../../language/index.ts';
import type { Instance, PropertySet } from '../../language/index.ts';
import { Program } from '../compile/program.ts';
import { type CheckResult, type PropertyResult, search, type SearchOptions } from '../index.ts';
import { cook } from '../random/cook.fixture.ts';
import { patience, randomModels } from '../random/depth.fixture.ts';
import { recipes } from '../random/recipes.fixture.ts';
import { canonicalForm } from './canonical.ts';
import { Symmetry } from './symmetry.ts';

const mostStates = 300;
/** Little enough for one bank of memory. */
const maxMemory = 2 ** 30;

const combinations = fc.record({
  symmetry: fc.boolean(),
  slice: fc.boolean(),
  partialOrder: fc.boolean(),
  workers: fc.constantFrom(1, 1, 2),
});

function decided({ name, verdict, path }: PropertyResult): readonly unknown[] {
  return [name, verdict, path?.actions.length];
}

/** Whether every path of a result can be taken in the whole model, and leads to a state that decides its property. */
function replays(instance: Instance, set: PropertySet, { properties }: CheckResult): boolean {
  return properties.every(({ name, kind, path, binding = {} }) => {
    if (path === undefined) return true;
    const end = path.actions.reduce(
      (state, action) => step(instance, state as never, action as never).state as State,
      path.initial,
    );
    const [property] = propertiesOf(instance, [set], [name]);
    if (kind !== 'deadlock') return property?.test(end, binding) === (kind === 'reachable');
    let enabled = 0;
    successors(instance, end, false, () => enabled++);
    return enabled === 0 && property?.finalState(end) === undefined;
  });
}

/** How many states there are that no renaming of the sorts makes into each other. */
function orbits(instance: Instance, set: PropertySet, sorts: readonly string[]): number {
  const program = new Program(instance, propertiesOf(instance, [set]));
  const { permutations } = new Symmetry(program, new Map(sorts.map((sort) => [sort, instance.sizes[sort] as number])));
  const seen = new Set<string>();
  const forms = new Set<string>();
  const todo = [...initialStates(instance)] as State[];
  for (const state of todo) {
    const words = program.layout.pack(state);
    if (seen.has(String(words))) continue;
    seen.add(String(words));
    forms.add(String(canonicalForm(permutations, words)));
    successors(instance, state, false, (_rule, _bound, next) => todo.push(next));
  }
  return forms.size;
}

it(
  'change no verdict of random models, and their paths are paths of the model',
  () => {
    const seen = { all: 0, symmetric: 0, refused: 0, smaller: 0, sliced: 0, ordered: 0 };
    fc.assert(
      fc.property(recipes, combinations, (recipe, combination) => {
        const { instance, set } = cook(recipe);
        const whole = search(instance, [set], { keepGoing: true, maxStates: mostStates, engine: 'plain' });
        fc.pre(whole.limit === undefined);
        const verdicts = whole.properties.map(decided);
        const names = new Map(whole.properties.map((property) => [property.name, property.verdict]));
        const reduced = (options: SearchOptions): CheckResult => {
          const result = search(instance, [set], { keepGoing: true, maxMemory, ...options });
          expect(result.limit).toBeUndefined();
          const expected = [...names].filter(([name]) => options.properties?.includes(name) ?? true);
          expect(result.properties.map(({ name, verdict }) => [name, verdict])).toEqual(expected);
          expect(replays(instance, set, result)).toBe(true);
          return result;
        };
        seen.all++;

        const symmetric = reduced({ symmetry: true });
        expect(symmetric.properties.map(decided)).toEqual(verdicts);
        const { sorts = [], refused = [] } = symmetric.reductions?.symmetry ?? {};
        expect(symmetric.states).toBe(orbits(instance, set, sorts));
        seen.symmetric += Number(sorts.length > 0);
        seen.refused += Number(refused.length > 0);
        seen.smaller += Number(symmetric.states < whole.states);

        const sliced = reduced({ slice: true });
        expect(sliced.properties.map(decided)).toEqual(verdicts);
        seen.sliced += Number(sliced.reductions?.slices?.some(({ states }) => states < whole.states) === true);

        // The fewer properties look on, the more steps are unseen.
        const ordered = reduced({ partialOrder: true, properties: ['c0', 'no deadlock'] });
        expect(ordered.states).toBeLessThanOrEqual(whole.states);
        seen.ordered += Number(ordered.states < whole.states);

        reduced(combination);
        const brief = search(instance, [set], { maxMemory, ...combination });
        for (const { name, verdict } of brief.properties) expect([names.get(name), 'unknown']).toContain(verdict);
        expect(brief.verdict === 'holds').toBe(whole.verdict === 'holds');
      }),
      { numRuns: randomModels(100, 2000) },
    );
    // The reductions do something in some of the models; that steps can go on alone is rare in models of this kind.
    const { ordered: _rare, ...often } = seen;
    expect(Math.min(...Object.values(often))).toBeGreaterThan(0);
  },
  patience,
);
