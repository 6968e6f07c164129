import { randomUUID, webcrypto } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { search } from '../checker/index.ts';
import { bool, enabled, instantiate, model, properties, range, step, withoutClockOrChance } from './index.ts';
import { oneAction, sizes } from './one-action.fixture.ts';
import { messageOf, start } from './runs.fixture.ts';

const sources: readonly (readonly [name: string, read: () => unknown])[] = [
  ['the clock (Date.now)', () => Date.now()],
  ['the clock (new Date())', () => new Date()],
  ['the clock (Date())', () => Date()],
  ['the clock (performance.now)', () => performance.now()],
  ['the clock (process.hrtime)', () => process.hrtime()],
  ['the clock (process.hrtime)', () => process.hrtime.bigint()],
  ['the clock (process.uptime)', () => process.uptime()],
  ['a random number (Math.random)', () => Math.random()],
  ['a random number (crypto)', () => crypto.randomUUID()],
  ['a random number (crypto)', () => crypto.getRandomValues(new Uint8Array(1))],
];
const state = { x: bool };

describe.each(sources)('a model that reads %s', (source, read) => {
  const problem = `reads ${source}: a model's functions must depend on their arguments alone`;

  it('in a guard is an error in its name', () => {
    const impure = oneAction(state, [], [() => read() !== undefined]);
    expect(messageOf(() => enabled(impure, start(impure)))).toBe(
      `ModelError: model 'one', action 'act', 'guard 1': ${problem}`,
    );
  });

  it('in an effect is an error in its name', () => {
    const impure = oneAction(state, [() => undefined, (s) => void (s.x = read() === undefined)]);
    const expected = `ModelError: model 'one', action 'act', 'effect 2': ${problem}`;
    expect(messageOf(() => step(impure, start(impure), { type: 'act' } as never))).toBe(expected);
    expect(messageOf(() => search(instantiate(impure), []))).toBe(expected);
  });

  it('in a property is an error in its name', () => {
    const still = oneAction(state, []);
    const impure = properties(still, ({ invariant }) => ({ 'it is late': invariant({ holds: () => read() !== '' }) }));
    expect(messageOf(() => search(instantiate(still), [impure]))).toBe(
      `ModelError: model 'one', 'it is late': ${problem}`,
    );
  });
});

describe('what only looks like the clock', () => {
  it('is allowed: a date that does not depend on the present', () => {
    const dated = oneAction(state, [
      (s) => {
        const date = new Date(0);
        s.x = date instanceof Date && date.getTime() === Date.UTC(1970, 0) && Date.parse('1970-01-01') === 0;
      },
    ]);
    expect(step(dated, start(dated), { type: 'act' } as never).state).toEqual({ x: true });
  });
});

describe('the clock and randomness', () => {
  const expectThemToWork = (): void => {
    expect(Date.now()).toBeGreaterThan(1e12);
    expect(new Date().getFullYear()).toBeGreaterThan(2020);
    expect(performance.now()).toBeGreaterThan(0);
    expect(process.hrtime.bigint()).toBeGreaterThan(0n);
    expect(Math.random()).toBeLessThan(1);
    expect(crypto.randomUUID()).not.toBe(randomUUID());
    expect(globalThis.crypto).toBe(webcrypto);
    expect(Object.hasOwn(crypto, 'randomUUID')).toBe(false);
  };

  it('are back after a model has run', () => {
    const pure = oneAction(state, []);
    enabled(pure, start(pure));
    expectThemToWork();
  });

  it('are back after a model has failed', () => {
    const impure = oneAction(state, [], [() => Math.random() > 2]);
    expect(() => search(instantiate(impure), [])).toThrow('Math.random');
    expectThemToWork();
    expect(() =>
      withoutClockOrChance(() =>
        withoutClockOrChance(() => {
          throw new Error('deep inside');
        }),
      ),
    ).toThrow('deep inside');
    expectThemToWork();
  });

  it('stay closed until the outermost of nested calls has ended', () => {
    withoutClockOrChance(() => {
      withoutClockOrChance(() => undefined);
      expect(() => Date.now()).toThrow('reads the clock');
    });
    expectThemToWork();
  });
});

describe('a model that keeps state of its own', () => {
  const expected = "gives different results for the same state: a model's functions must not keep state of their own";

  it('in a guard is an error in its name', () => {
    let calls = 0;
    const stateful = oneAction(state, [], [() => true, () => calls++ % 2 === 0]);
    expect(messageOf(() => enabled(stateful, start(stateful)))).toBe(
      `ModelError: model 'one', action 'act': 'guard 2' ${expected}`,
    );
  });

  it('in an effect is an error in its name', () => {
    let calls = 0;
    const stateful = oneAction({ n: range(0, 9) }, [(s) => void (s.n = calls++ % 10)]);
    expect(messageOf(() => step(stateful, start(stateful), { type: 'act' } as never))).toBe(
      `ModelError: model 'one', action 'act': 'effect 1' ${expected}`,
    );
  });

  it('in one of several effects is an error that names those that it can be', () => {
    let calls = 0;
    const stateful = oneAction({ n: range(0, 9) }, [() => undefined, (s) => void (s.n = calls++ % 10)], [() => true]);
    expect(messageOf(() => search(instantiate(stateful), []))).toBe(
      `ModelError: model 'one', action 'act': one of 'guard 1', 'effect 1', 'effect 2' ${expected}`,
    );
  });

  it('in a property is an error in its name', () => {
    const still = oneAction(state, []);
    let calls = 0;
    const stateful = properties(still, ({ invariant }) => ({
      first: invariant({ holds: () => true }),
      fickle: invariant({ holds: () => calls++ % 2 === 0 }),
    }));
    const message = messageOf(() => search(instantiate(still), [stateful]));
    expect(message).toContain("'fickle': gives different answers for the same state");
  });

  it('in the test of a branch is an error of the step that it belongs to', () => {
    let calls = 0;
    const stateful = model({
      name: 'stateful',
      sizes,
      state: () => state,
      actions: ({ procedure }) => ({
        work: procedure(
          {},
          {
            actor: 'cpu',
            steps: ({ step: one, branch }) => [
              one('before', {}),
              branch('odd', { fused: true, if: () => calls++ % 2 === 0, then: [one('then', {})] }),
            ],
          },
        ),
      }),
    });
    expect(messageOf(() => enabled(stateful, start(stateful)))).toBe(
      `ModelError: model 'stateful', action 'work', step 'before': 'odd' ${expected}`,
    );
  });
});
