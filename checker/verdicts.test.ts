import { describe, expect, it } from 'vitest';
import { bool, instantiate, type Model, model, properties, range } from '../language/index.ts';
import { peterson, petersonProperties, petersonVariants, philosophers } from '../language/models.fixture.ts';
import { run } from '../language/runs.fixture.ts';
import { check, counter, resultOf } from './counter.fixture.ts';
import { search } from './index.ts';

describe('a violation', () => {
  it('of Peterson with the two writes swapped is found after 6 steps, and the path leads there', () => {
    const [variant] = petersonVariants.variants;
    const instance = instantiate(peterson, variant!.size, { variant: variant!.edit });
    const result = search(instance, [petersonProperties]);
    const violated = resultOf(result, 'at most one is inside');
    expect(result).toMatchObject({ verdict: 'violated', variant: 'gives way too early' });
    expect(violated).toMatchObject({ verdict: 'violated', binding: {} });
    expect(violated?.path?.actions).toHaveLength(variant!.violates['at most one is inside']!);
    const end = run(instance, ...((violated?.path?.actions ?? []) as never[]));
    expect([...end.enter].map(({ at }) => at)).toEqual(['leave', 'leave']);
  });

  it.each([2, 3, 4, 5])('by %i philosophers who starve is as long as they are many', (seat) => {
    const result = search(instantiate(philosophers, 'ci', { set: { seat } }), []);
    const deadlock = resultOf(result, 'no deadlock');
    expect(deadlock).toMatchObject({ kind: 'deadlock', verdict: 'violated' });
    const steps = deadlock?.path?.actions.map((action) => action.step);
    expect(steps).toEqual(Array.from({ length: seat }, () => 'take the left fork'));
  });

  it('in an initial state has a path without steps', () => {
    const never = properties(counter, ({ invariant }) => ({ never: invariant({ holds: () => false }) }));
    const result = search(instantiate(counter), [never]);
    expect(resultOf(result, 'never')?.path).toEqual({ initial: { n: 0, flag: false }, actions: [] });
    expect(result).toMatchObject({ verdict: 'violated', states: 1, depth: 0, limit: 'first violation' });
  });

  it('starts in the initial state that it needs, of several', () => {
    const several = model({
      name: 'several',
      state: { n: range(0, 9) },
      initial: { choose: { n: range(0, 9) }, when: (_s, { n }) => n % 4 === 0, then: (s, { n }) => void (s.n = n) },
      actions: ({ action }) => ({
        up: action({}, { actor: 'any', when: { room: (s) => s.n < 9 }, then: { up: (s) => void s.n++ } }),
      }),
    });
    const set = properties(several, ({ invariant }) => ({ 'not six': invariant({ holds: (s) => s.n !== 6 }) }));
    const result = search(instantiate(several), [set]);
    expect(resultOf(result, 'not six')?.path).toEqual({ initial: { n: 4 }, actions: [{ type: 'up' }, { type: 'up' }] });
  });

  it('tells the members for which the property fails', () => {
    expect(resultOf(check({ keepGoing: true }), 'below four')).toMatchObject({
      verdict: 'violated',
      binding: { n: 4 },
    });
  });

  it('carries the words and requirements of its property', () => {
    expect(resultOf(check(), 'below two')).toMatchObject({ kind: 'invariant', doc: '', requirements: ['R-2'] });
  });
});

describe('what is reachable', () => {
  it('is witnessed by a shortest path', () => {
    const witnessed = resultOf(check({ keepGoing: true }), 'flag and three');
    expect(witnessed).toMatchObject({ verdict: 'holds', binding: { n: 3 } });
    expect(witnessed?.path?.actions.map(({ type }) => type)).toEqual(['count', 'count', 'flip', 'count']);
  });

  it('is violated, without a path, only when every state was seen', () => {
    const complete = resultOf(check({ keepGoing: true }), 'more than all');
    expect(complete).toMatchObject({ verdict: 'violated' });
    expect(complete).not.toHaveProperty('path');
    expect(resultOf(check(), 'more than all')).toMatchObject({ verdict: 'unknown' });
  });
});

describe('a state in which nothing is enabled', () => {
  it('is a deadlock unless it is one of the final states', () => {
    // Five without the flag is none of them.
    const result = resultOf(check({ keepGoing: true }), 'an end');
    expect(result).toMatchObject({ verdict: 'violated' });
    expect(result?.path?.actions.map(({ type }) => type)).toEqual(Array.from({ length: 5 }, () => 'count'));
    const lenient = properties(counter, ({ deadlockFree }) => ({
      'an end': deadlockFree({ final: { five: (s) => s.n === 5 } }),
    }));
    expect(search(instantiate(counter), [lenient])).toMatchObject({ verdict: 'holds', states: 10 });
  });

  it('is a deadlock in a model without procedures, where no final state is named', () => {
    expect(resultOf(search(instantiate(counter), []), 'no deadlock')).toMatchObject({ verdict: 'violated' });
  });

  const worker = (options: { readonly repeat: boolean; readonly isFree: boolean }): Model =>
    model({
      name: 'worker',
      state: { free: bool },
      initial: (s) => void (s.free = options.isFree),
      actions: ({ procedure }) => ({
        work: procedure(
          {},
          {
            actor: 'cpu',
            repeat: options.repeat,
            steps: ({ step }) => [step('wait', { when: { 'it is free': (s) => s.free } }), step('work', {})],
          },
        ),
      }),
    });

  it('is fine where every procedure has come to its end', () => {
    expect(search(instantiate(worker({ repeat: false, isFree: true })), [])).toMatchObject({
      verdict: 'holds',
      states: 3,
    });
  });

  it('is a deadlock where a procedure still waits', () => {
    expect(search(instantiate(worker({ repeat: false, isFree: false })), [])).toMatchObject({
      verdict: 'violated',
      states: 1,
    });
    expect(search(instantiate(worker({ repeat: true, isFree: false })), [])).toMatchObject({
      verdict: 'violated',
      states: 1,
    });
  });
});
