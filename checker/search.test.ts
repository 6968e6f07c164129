import { describe, expect, it } from 'vitest';
import { instantiate } from '../language/index.ts';
import { messageOf } from '../language/runs.fixture.ts';
import { check, counter, told } from './counter.fixture.ts';
import { search } from './index.ts';

describe('a search', () => {
  it('stops at the end of the level on which the first violation was found, and leaves the rest open', () => {
    expect(check()).toMatchObject({ verdict: 'violated', limit: 'first violation', states: 3, depth: 2 });
    expect(told(check())).toEqual([
      'below two: violated 2',
      'below four: unknown',
      'flag and three: unknown',
      'more than all: unknown',
      'below ten: unknown',
      'an end: unknown',
    ]);
  });

  it('that keeps going decides every property', () => {
    const result = check({ keepGoing: true });
    expect(result).toMatchObject({ verdict: 'violated', states: 10, depth: 6 });
    expect(result).not.toHaveProperty('limit');
    expect(told(result)).toEqual([
      'below two: violated 2',
      'below four: violated 4',
      'flag and three: holds 4',
      'more than all: violated',
      'below ten: holds',
      'an end: violated 5',
    ]);
  });

  it('until some properties are violated goes on as long as one of them is not', () => {
    const both = check({ until: ['below two', 'below four'] });
    expect(both).toMatchObject({ limit: 'first violation', depth: 4 });
    expect(told(both).slice(0, 2)).toEqual(['below two: violated 2', 'below four: violated 4']);
    expect(told(both)).toContain('below ten: unknown');
    expect(check({ until: ['below ten'] })).not.toHaveProperty('limit');
    expect(check({ until: [] })).not.toHaveProperty('limit');
  });

  it('of some properties tells of these alone', () => {
    expect(told(check({ properties: ['below four', 'below ten'] }))).toEqual([
      'below four: violated 4',
      'below ten: unknown',
    ]);
    expect(told(check({ properties: ['below ten'] }))).toEqual(['below ten: holds']);
    expect(messageOf(() => check({ properties: ['below tenn'] }))).toBe(
      "ModelError: model 'counter': there is no property 'below tenn'; did you mean 'below ten'?",
    );
  });

  it('tells how far it has come', () => {
    const seen: number[] = [];
    search(instantiate(counter, 'deep'), [], {
      maxStates: 3000,
      onProgress: ({ states, frontier, seconds, transitions, depth }) => {
        expect(frontier).toBeGreaterThan(0);
        expect(seconds).toBeGreaterThanOrEqual(0);
        expect(transitions).toBeGreaterThanOrEqual(states - frontier);
        expect(depth).toBeLessThan(states);
        seen.push(states);
      },
    });
    expect(seen.length).toBeGreaterThan(100);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  it('gives the same result when it is done again', () => {
    const facts = (): unknown => ({ ...check({ keepGoing: true }), seconds: 0 });
    expect(facts()).toEqual(facts());
  });
});
