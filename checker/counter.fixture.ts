/**
 * A model that counts, small enough to know by heart what a search must say about it.
 */
import { bool, instantiate, model, properties, range } from '../language/index.ts';
import { type CheckResult, type PropertyResult, search, type SearchOptions } from './index.ts';

/** Counts up to five and stops; at two a flag may be set. */
export const counter = model({
  name: 'counter',
  sizes: { smoke: { limit: 2 }, ci: { limit: 5 }, deep: { limit: 50_000 } },
  state: ({ size }) => ({ n: range(0, size.limit), flag: bool }),
  actions: ({ action, size }) => ({
    count: action(
      {},
      {
        actor: 'counter',
        when: { 'there is room': (s) => s.n < size.limit },
        then: { 'add one': (s) => void s.n++ },
      },
    ),
    flip: action(
      {},
      {
        actor: 'world',
        when: { 'it is two': (s) => s.n === 2 && !s.flag },
        then: { 'set the flag': (s) => void (s.flag = true) },
      },
    ),
  }),
});
/** Properties of every kind, broken at different depths. */
const sets = [
  properties(counter, ({ invariant, reachable, deadlockFree }) => ({
    'below two': invariant({ requirement: 'R-2', holds: (s) => s.n < 2 }),
    'below four': invariant({ forall: { n: range(0, 5) }, holds: (s, { n }) => s.n !== n || n < 4 }),
    'flag and three': reachable({ exists: { n: range(2, 3) }, holds: (s, { n }) => s.flag && s.n === n && n === 3 }),
    'more than all': reachable({ holds: (s) => s.n > 5 }),
    'below ten': invariant({ holds: (s) => s.n < 10 }),
    'an end': deadlockFree({ final: { 'five with flag': (s) => s.n === 5 && s.flag } }),
  })),
];

/** What a search with these properties comes to. */
export function check(options?: SearchOptions): CheckResult {
  return search(instantiate(counter), sets, options);
}
/** Each property with its verdict and the length of its path. */
export function told({ properties: all }: CheckResult): readonly string[] {
  return all.map(
    ({ name, verdict, path }) => `${name}: ${verdict}${path === undefined ? '' : ` ${path.actions.length}`}`,
  );
}
export function resultOf(result: CheckResult, name: string): PropertyResult | undefined {
  return result.properties.find((property) => property.name === name);
}
