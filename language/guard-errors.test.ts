import { describe, expect, it } from 'vitest';
import { enabled, initialStates, instantiate, step } from './index.ts';
import { type Loose, state } from './mistakes.fixture.ts';
import { oneAction } from './one-action.fixture.ts';
import { messageOf, start } from './runs.fixture.ts';
import { withSteps } from './steps.fixture.ts';

describe('a guard that is not a plain question is an error with action and guard:', () => {
  type Guard = (s: Loose) => unknown;
  it.each([
    ['it throws', () => expect.fail('no way'), 'threw: no way'],
    [
      'it throws what is no error',
      () =>
        [1].forEach(() => {
          throw 'no way' as unknown as Error;
        }),
      'threw: no way',
    ],
    ['it returns nothing', () => undefined, 'returned undefined, not true or false'],
    ['it returns a number', () => 1, 'returned 1, not true or false'],
    ['it returns an object', () => Object.create(null) as object, 'returned an object, not true or false'],
    ['it returns a promise', () => Promise.resolve(true), 'returned a promise: a model is synchronous'],
    [
      'it writes a field',
      (s) => (s.page[0]!['count'] = 1 as never),
      "changes what it may only read (Cannot assign to read only property 'count' of object '#<Object>')",
    ],
    [
      'it adds a field',
      (s) => (s['extra'] = 1 as never),
      'changes what it may only read (Cannot add property extra, object is not extensible)',
    ],
    [
      'it takes a field away',
      (s) => delete (s as Partial<Loose>).page,
      "changes what it may only read (Cannot delete property 'page' of #<Object>)",
    ],
    [
      'it pushes to a queue',
      (s) => s.queue.push({ page: 0, op: 'sync' }),
      "changes what it may only read (Cannot assign to read only property 'items' of object '#<Class>')",
    ],
    [
      'it adds to a set',
      (s) => s.set.add(0),
      "changes what it may only read (Cannot assign to read only property '0' of object '[object Array]')",
    ],
    [
      'it reads a missing element',
      (s) => s.page[9]!['pte'],
      "reads a missing element (Cannot read properties of undefined (reading 'pte'))",
    ],
    ['it reads the head of an empty queue', (s) => s.queue.head, "'queue' is empty", 'queue'],
  ] satisfies [string, Guard, string, string?][])(
    '%s',
    (...[, guard, problem, field]: [string, Guard, string, string?]) => {
      const broken = oneAction(state, [], [() => true, guard as never]);
      expect(messageOf(() => enabled(broken, start(broken)))).toContain(
        `ModelError: model 'one', action 'act', 'guard 2'${field === undefined ? '' : `, field ${field}`}: ${problem}`,
      );
    },
  );

  it.each([true, false])('the test of a branch that writes the state (fused: %s)', (fused) => {
    const broken = withSteps((b) => [
      b.step('before', { then: { 'count on': (s) => void s.n++ } }),
      b.branch('decide', { fused, if: (s) => ((s as { n: number }).n = 2) === 2, then: [b.step('then', {})] }),
    ]);
    const instance = instantiate(broken);
    const decide = (): unknown =>
      enabled(instance, step(instance, start(instance), { type: 'work', step: 'before' } as never).state);
    expect(messageOf(decide)).toContain(
      `ModelError: model 'steps', action 'work', step '${fused ? 'before' : 'decide'}', 'decide': ` +
        "changes what it may only read (Cannot assign to read only property 'n' of object '#<Object>')",
    );
  });

  it('the test of a fused branch with which a procedure begins', () => {
    const broken = withSteps((b) => [
      b.branch('decide', { fused: true, if: () => 0 as never, then: [b.step('then', {})] }),
    ]);
    expect(messageOf(() => initialStates(broken))).toBe(
      "ModelError: model 'steps', action 'work', 'decide': returned 0, not true or false",
    );
  });
});
