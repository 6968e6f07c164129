/**
 * Lassos: expanded and replayed, with what they pass over and since when something is due.
 */
import { describe, expect, it } from 'vitest';
import { search } from '../checker/index.ts';
import { bool, type Instance, instantiate, model, oneOf, properties, propertiesOf } from '../language/index.ts';
import { dueAfter, hasLoop, passedOver } from './lasso.ts';
import { type Trace, traceOf } from './trace.ts';

/** Two take turns for ever; a wish is served only on the left side, and nobody but `serve` is told of it. */
const turns = model({
  name: 'turns',
  sizes: { smoke: { stops: 0 }, ci: { stops: 0 }, deep: { stops: 0 } },
  state: { side: oneOf('left', 'right'), wish: bool, over: bool },
  actions: ({ action, procedure, size }) => ({
    wish: action(
      {},
      {
        actor: 'user',
        when: { 'there is none': (s) => !s.wish, 'it goes on': (s) => !s.over },
        then: {
          'have it': (s) => {
            s.wish = true;
          },
        },
      },
    ),
    turn: procedure(
      {},
      {
        actor: 'server',
        repeat: true,
        fairness: 'weak',
        steps: ({ step }) => [
          step('to the right', {
            when: { 'it goes on': (s) => !s.over },
            then: {
              turn: (s) => {
                s.side = 'right';
              },
            },
          }),
          step('to the left', {
            then: {
              turn: (s) => {
                s.side = 'left';
              },
            },
          }),
        ],
      },
    ),
    serve: action(
      {},
      {
        actor: 'server',
        fairness: 'weak',
        when: { 'there is a wish': (s) => s.wish, 'on the left': (s) => s.side === 'left', 'it works': (s) => !s.over },
        then: {
          'grant it': (s) => {
            s.wish = false;
          },
        },
      },
    ),
    stop: action(
      {},
      {
        actor: 'user',
        when: { 'it can': (s) => size.stops === 1 && s.wish && s.side === 'left' },
        then: {
          stop: (s) => {
            s.over = true;
          },
        },
      },
    ),
  }),
});

const sets = [
  properties(turns, ({ leadsTo }) => ({ 'a wish is granted': leadsTo({ from: (s) => s.wish, to: (s) => !s.wish }) })),
];

function lassoOf(instance: Instance): Trace {
  const { path, loopFrom } = search(instance, sets, { engine: 'plain' }).properties[0] ?? {};
  if (path === undefined) throw new Error('there is no lasso');
  return traceOf(instance, path, loopFrom);
}

describe('a lasso with a loop', () => {
  const trace = lassoOf(instantiate(turns));

  it('goes round in fewest steps, and knows what is enabled there and never taken', () => {
    expect(trace.loopFrom).toBe(1);
    expect(trace.steps.map(({ title }) => title)).toEqual(['wish', 'turn: to the right', 'turn: to the left']);
    expect(hasLoop(trace)).toBe(true);
    expect(passedOver(trace)).toEqual([{ title: 'serve', fairness: 'weak', enabledIn: 1, of: 2 }]);
  });

  it('knows since when its goal is due', () => {
    const [property] = propertiesOf(trace.instance, sets);
    expect(property && dueAfter(trace, property, {})).toBe(1);
  });

  it('is refused where the loop does not end where it begins', () => {
    const { instance, initial, steps } = trace;
    const path = { initial, actions: steps.map(({ action }) => action) };
    expect(() => traceOf(instance, path, 0)).toThrow('the loop of a trace does not end where it begins');
    expect(() => traceOf(instance, path, 4)).toThrow('the loop of a trace does not end where it begins');
  });
});

describe('a lasso that stops', () => {
  it('has a loop without steps, in which nothing that is enabled is fair', () => {
    const trace = lassoOf(instantiate(turns, 'ci', { set: { stops: 1 } }));
    expect(trace.steps.map(({ title }) => title)).toEqual(['wish', 'stop']);
    expect(trace.loopFrom).toBe(2);
    expect(hasLoop(trace)).toBe(false);
    expect(passedOver(trace)).toEqual([{ title: 'stop', fairness: 'none', enabledIn: 1, of: 1 }]);
  });
});
