/**
 * Claims over time about random models, with random fairness: both engines, any number of workers and the definitions agree.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { propertiesOf } from '../../language/index.ts';
import { patience, randomModels } from '../random/depth.fixture.ts';
import { agreed, meantVerdict, sketchOf } from './judge.fixture.ts';
import { cookOverTime, recipesOverTime } from './random.fixture.ts';

/** So few that the definitions can be worked out. */
const mostStates = 60;
const mostStrong = 6;

it(
  'are decided alike by both engines, with any number of workers, and by the definitions',
  () => {
    const seen = new Map<string, number>();
    const models = randomModels(50, 3000);
    fc.assert(
      fc.property(recipesOverTime, (recipe) => {
        const { instance, set } = cookOverTime(recipe);
        const known = sketchOf(instance, mostStates);
        fc.pre(known !== undefined);
        const result = agreed(instance, [set]);
        for (const property of propertiesOf(instance, [set])) {
          if (!['transition', 'leadsTo', 'eventually', 'recoverable'].includes(property.kind)) continue;
          const found = result.properties.find(({ name }) => name === property.name);
          const isLoop = found?.loopFrom !== undefined && found.loopFrom < (found.path?.actions.length ?? 0);
          for (const key of [
            `${property.kind} ${found?.verdict}`,
            ...(isLoop ? [`${property.kind} with a loop`] : []),
          ]) {
            seen.set(key, (seen.get(key) ?? 0) + 1);
          }
          if (known === undefined || known.kinds.filter((kind) => kind === 'strong').length > mostStrong) continue;
          expect([property.name, found?.verdict]).toEqual([property.name, meantVerdict(known, property)]);
        }
      }),
      { numRuns: models },
    );
    // Each kind has each verdict, and loops are gone round, not only stopped in.
    expect(seen.size).toBe(3 * 4 - 1 + 2);
    expect(Math.min(...seen.values())).toBeGreaterThan(models / 50);
  },
  patience,
);
