import { describe, expect, it } from 'vitest';
import { instantiate, properties, type PropertySet } from '../language/index.ts';
import { peterson, petersonProperties } from '../language/models.fixture.ts';
import { check, counter, told } from './counter.fixture.ts';
import { type CheckResult, search, type SearchOptions } from './index.ts';

describe('a limit', () => {
  const fine = [properties(counter, ({ invariant }) => ({ fine: invariant({ holds: (s) => s.n >= 0 }) }))];
  const late = [
    properties(counter, ({ invariant, reachable }) => ({
      early: invariant({ holds: (s) => s.n !== 3 }),
      late: invariant({ holds: (s) => s.n !== 4000 }),
      seen: reachable({ holds: (s) => s.n === 3 }),
      unseen: reachable({ holds: (s) => s.n === 4000 }),
    })),
  ];
  const within = (limit: SearchOptions, of: readonly PropertySet[] = fine): CheckResult =>
    search(instantiate(counter, 'deep'), of, { ...limit, keepGoing: true });

  it.each<[string, SearchOptions]>([
    ['max-states', { maxStates: 1000 }],
    ['max-states', { maxStates: 1 }],
    ['max-seconds', { maxSeconds: 0.05 }],
    ['max-seconds', { maxSeconds: 0 }],
    ['max-memory', { maxMemory: 1 }],
  ])('of %s that is reached leaves a property unknown and is named: %j', (name, limit) => {
    const result = within(limit);
    expect(result).toMatchObject({ verdict: 'unknown', limit: name });
    expect(told(result)).toEqual(['fine: unknown', 'no deadlock: unknown']);
    expect(result.states).toBeLessThan(50_000);
  });

  it('of states is kept, up to what one state more leads to', () => {
    const { states } = within({ maxStates: 1000 });
    expect(states).toBeGreaterThanOrEqual(1000);
    expect(states).toBeLessThanOrEqual(1001);
    expect(within({ maxStates: 1000, engine: 'plain' }).states).toBe(1000);
  });

  it('leaves the depth that of the deepest state found', () => {
    // Up to depth d there are d + 1 states without the flag and d - 2 with it.
    expect(within({ maxStates: 999, engine: 'plain' })).toMatchObject({ states: 999, depth: 500 });
    expect(within({ maxStates: 1000, engine: 'plain' })).toMatchObject({ states: 1000, depth: 501 });
    const { states, depth } = within({ maxStates: 1000 });
    expect(states).toBeGreaterThan(2 * (depth - 1) - 1);
    expect(states).toBeLessThanOrEqual(2 * depth - 1);
  });

  it('keeps what was found before it: violations and witnesses', () => {
    expect(told(within({ maxStates: 1000 }, late))).toEqual([
      'early: violated 3',
      'late: unknown',
      'seen: holds 3',
      'unseen: unknown',
      'no deadlock: unknown',
    ]);
  });

  it('that is not reached changes nothing', () => {
    const limits = { maxStates: 1e6, maxSeconds: 1e6, maxMemory: 2 ** 40 };
    expect(told(check({ keepGoing: true, ...limits }))).toEqual(told(check({ keepGoing: true })));
    expect(check({ keepGoing: true, ...limits })).not.toHaveProperty('limit');
  });

  it('of as many states as there are cannot tell that there are no more', () => {
    expect(search(instantiate(peterson), [petersonProperties], { maxStates: 20 })).toMatchObject({
      verdict: 'unknown',
      limit: 'max-states',
    });
    expect(search(instantiate(peterson), [petersonProperties], { maxStates: 21 })).toMatchObject({ verdict: 'holds' });
  });
});
