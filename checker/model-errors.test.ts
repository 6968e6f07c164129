import { describe, expect, it } from 'vitest';
import { instantiate, model, ModelError, properties, range } from '../language/index.ts';
import { errorOf, messageOf } from '../language/runs.fixture.ts';
import { counter } from './counter.fixture.ts';
import { ModelErrorAtState, search } from './index.ts';

describe('a mistake in the model', () => {
  it('that shows in some state is an error with the path to that state', () => {
    const broken = model({
      name: 'broken',
      state: { n: range(0, 2) },
      actions: ({ action }) => ({
        count: action({}, { actor: 'any', then: { 'add one': (s) => void s.n++ } }),
        rest: action({}, { actor: 'any', then: {} }),
      }),
    });
    const error = errorOf(() => search(instantiate(broken), []));
    expect(error).toBeInstanceOf(ModelErrorAtState);
    expect(error).toBeInstanceOf(ModelError);
    expect(error?.message).toBe("model 'broken', action 'count', 'add one', field n: 3 is not an integer from 0 to 2");
    expect((error as ModelErrorAtState).path).toEqual({
      initial: { n: 0 },
      actions: [{ type: 'count' }, { type: 'count' }],
    });
  });

  it('that shows in a property is an error with the path to the state where it does', () => {
    const failing = properties(counter, ({ invariant }) => ({
      'fails late': invariant({
        holds: (s) => {
          if (s.n === 2) throw new Error('two');
          return true;
        },
      }),
    }));
    const error = errorOf(() => search(instantiate(counter), [failing]));
    expect(error?.message).toBe("model 'counter', 'fails late': threw: two");
    expect((error as ModelErrorAtState).path.actions).toEqual([{ type: 'count' }, { type: 'count' }]);
  });

  it('that shows in a final state is an error with the path to it', () => {
    const failing = properties(counter, ({ deadlockFree }) => ({
      free: deadlockFree({ final: { end: () => 'yes' as never } }),
    }));
    const error = errorOf(() => search(instantiate(counter), [failing])) as ModelErrorAtState | undefined;
    expect(error?.problem).toBe('returned yes, not true or false');
    expect(error?.path.actions).toHaveLength(5);
  });

  it('of an initial state needs no path', () => {
    const broken = model({
      name: 'broken',
      state: { n: range(0, 2) },
      initial: (s) => void (s.n = 3),
      actions: () => ({}),
    });
    const error = errorOf(() => search(instantiate(broken), []));
    expect(error?.message).toContain("model 'broken', 'initial', field n: 3");
    expect(error).not.toBeInstanceOf(ModelErrorAtState);
  });

  it('in a function that keeps state of its own is found even where it shows late', () => {
    let calls = 0;
    const drifting = model({
      name: 'drifting',
      state: { n: range(0, 200) },
      actions: ({ action }) => ({
        count: action(
          {},
          {
            actor: 'any',
            when: { 'below the end': (s) => calls++ < 101 && s.n < 200 },
            then: { 'add one': (s) => void s.n++ },
          },
        ),
      }),
    });
    expect(messageOf(() => search(instantiate(drifting), []))).toContain(
      "action 'count': one of 'below the end', 'add one' gives different results for the same state",
    );
  });
});
