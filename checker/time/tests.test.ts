/**
 * The functions of properties over time: whatever a state is made of they see it as it is, and a mistake in one is told alike by
 * both engines, with the way to it.
 */
import { describe, expect, it } from 'vitest';
import {
  bag,
  bool,
  each,
  instantiate,
  model,
  ModelError,
  oneOf,
  optional,
  properties,
  type PropertySet,
  queue,
  range,
  record,
  setOf,
  sort,
} from '../../language/index.ts';
import { type CheckResult, search } from '../index.ts';
import { ModelErrorAtState } from '../search/options.ts';
import { judged, verdicts } from './judge.fixture.ts';

const Page = sort('page');
const Node = sort('node', { ordered: true });
const sizes = { smoke: { page: 2, node: 2 }, ci: { page: 2, node: 3 }, deep: { page: 3, node: 3 } };

/** A device that asks for pages, in a state of everything that a state can be made of. */
const device = model({
  name: 'device',
  sizes,
  state: () => ({
    asked: queue(2, { page: Page, write: oneOf('write') }),
    pending: bag(2, Page),
    known: setOf(Page),
    last: optional(record({ page: Page, epoch: range(0, 1) })),
    epoch: each(Page, range(0, 1)),
    place: record({ mode: oneOf('idle', 'busy'), inner: record({ isUsed: bool }) }),
  }),
  actions: ({ action, procedure }) => ({
    ask: action(
      { page: Page, write: oneOf('write') },
      {
        actor: 'device',
        when: { 'there is room': (s) => !s.asked.isFull },
        then: {
          'queue it': (s, p) => s.asked.push(p),
          'be busy': (s) => void (s.place.mode = 'busy'),
        },
      },
    ),
    send: action(
      {},
      {
        actor: 'device',
        fairness: 'weak',
        when: { 'something is asked': (s) => !s.asked.isEmpty, 'there is room': (s) => !s.pending.isFull },
        then: { 'the oldest': (s) => s.pending.add(s.asked.shift().page) },
      },
    ),
    answer: procedure(
      {},
      {
        actor: 'host',
        repeat: true,
        fairness: 'weak',
        steps: ({ step }) => [
          step('answer', {
            choose: { page: Page },
            when: { 'it is pending': (s, { page }) => s.pending.has(page) },
            then: {
              'learn it': (s, { page }) => {
                s.pending.remove(page);
                s.known.add(page);
                s.last = { page, epoch: s.epoch[page] };
              },
            },
          }),
        ],
      },
    ),
    forget: action(
      { page: Page },
      {
        actor: 'host',
        when: {
          'it is known': (s, { page }) => s.known.has(page),
          'not too often': (s, { page }) => s.epoch[page] < 1,
        },
        then: {
          'begin a new epoch': (s, { page }) => {
            s.known.delete(page);
            s.epoch[page]++;
            s.place.mode = 'idle';
          },
        },
      },
    ),
  }),
});

/** What both engines say, or the same error of both, and the way that it is told with. */
function mistakeOf(sets: readonly PropertySet[], size = 'smoke'): { message: string; steps: number | undefined } {
  const told = (['plain', 'compiled'] as const).map((engine) => {
    try {
      search(instantiate(sets[0]!.model, size), sets, { keepGoing: true, engine });
      return { message: 'no mistake', steps: undefined };
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      return {
        message: error.message,
        steps: error instanceof ModelErrorAtState ? error.path.actions.length : undefined,
      };
    }
  });
  expect(told[1]).toEqual(told[0]);
  return told[0] as { message: string; steps: number | undefined };
}

describe('tests of steps', () => {
  it('see queues, bags, sets and optionals, before and after, and the action with its parameters', () => {
    const set = properties(device, ({ transition }) => ({
      'a queue grows by what is asked': transition({
        given: (_before, action) => action.type === 'ask',
        holds: (before, action, after) =>
          action.type === 'ask' &&
          after.asked.length === before.asked.length + 1 &&
          after.asked.at(after.asked.length - 1)?.page === action.page &&
          after.asked.at(after.asked.length - 1)?.write === action.write &&
          before.asked.every((item) => after.asked.has(item)),
      }),
      'what is sent stood first': transition({
        given: (_before, action) => action.type === 'send',
        holds: (before, _action, after) => {
          const page = before.asked.head?.page;
          return page !== undefined && after.pending.count(page) === before.pending.count(page) + 1;
        },
      }),
      'what is answered was pending': transition({
        forall: { page: Page },
        given: (before, _action, after, { page }) => !before.known.has(page) && after.known.has(page),
        holds: (before, action, after, { page }) =>
          action.type === 'answer' &&
          action.page === page &&
          before.pending.has(page) &&
          after.last !== null &&
          after.last.page === page,
      }),
      'epochs never go back': transition({
        forall: { page: Page },
        holds: (before, _action, after, { page }) => after.epoch[page] >= before.epoch[page],
      }),
      'only what is known is forgotten': transition({
        forall: { page: Page },
        given: (before, _action, after, { page }) => before.epoch[page] !== after.epoch[page],
        holds: (before, action, after, { page }) =>
          action.type === 'forget' && action.page === page && before.known.has(page) && !after.known.has(page),
      }),
      'sets of other steps stay': transition({
        given: (_before, action) => action.type !== 'forget' && action.type !== 'answer',
        holds: (before, _action, after) => [...before.known].join() === [...after.known].join(),
      }),
      'a known page is never answered': transition({
        forall: { page: Page },
        given: (_before, action, _after, { page }) => action.type === 'answer' && action.page === page,
        holds: (before, _action, _after, { page }) => !before.known.has(page),
      }),
      'what is asked last is not asked twice': transition({
        holds: (before, _action, after) =>
          before.asked.isEmpty ||
          after.asked.length < 2 ||
          !after.asked.every(({ page }) => page === before.asked.head?.page),
      }),
    }));
    expect(verdicts(judged(instantiate(device, 'smoke'), [set]))).toEqual({
      'a queue grows by what is asked': 'holds',
      'what is sent stood first': 'holds',
      'what is answered was pending': 'holds',
      'epochs never go back': 'holds',
      'only what is known is forgotten': 'holds',
      'sets of other steps stay': 'holds',
      'a known page is never answered': 'violated 6',
      'what is asked last is not asked twice': 'violated 2',
      'no deadlock': 'holds',
    });
  });

  it('must not compare records, sets, queues and bags themselves: whether equal ones are the same is not told', () => {
    const sets = [
      properties(device, ({ transition }) => ({
        it: transition({ holds: (before, _action, after) => before.place !== after.place }),
      })),
      properties(device, ({ transition }) => ({
        it: transition({
          given: (before, _action, after) => before.asked === after.asked,
          holds: (before, _action, after) => before.asked.length === after.asked.length,
        }),
      })),
      properties(device, ({ transition }) => ({
        it: transition({ holds: (before, _action, after) => before.place.inner === after.place.inner }),
      })),
      properties(device, ({ transition }) => ({
        it: transition({ holds: (before, action, after) => before.epoch === after.epoch || action.type === 'forget' }),
      })),
      properties(device, ({ transition }) => ({
        it: transition({ holds: (before, { type }, after) => before.last === after.last || type === 'answer' }),
      })),
    ];
    for (const set of sets) {
      const { message } = mistakeOf([set]);
      expect(message).toMatch(/'it': compares parts of the states before and after a step that are no scalars/);
    }
  });

  it('compare scalars, and whether an optional is there', () => {
    const set = properties(device, ({ transition }) => ({
      'the mode': transition({
        given: (before, _action, after) => before.place.mode === after.place.mode,
        holds: (_before, action) => action.type !== 'forget' || action.page !== null,
      }),
      'what is known last is not forgotten': transition({
        holds: (before, _action, after) => before.last === null || after.last !== null,
      }),
      'the page last known stays': transition({
        holds: (before, _action, after) => before.last === null || before.last.page === after.last?.page,
      }),
    }));
    expect(verdicts(judged(instantiate(device, 'smoke'), [set]))).toEqual({
      'the mode': 'holds',
      'what is known last is not forgotten': 'holds',
      'the page last known stays': 'violated 6',
      'no deadlock': 'holds',
    });
  });
});

describe('a mistake in a test over time', () => {
  it.each<readonly [string, message: string, steps: number, () => PropertySet]>([
    [
      'that throws on a step',
      'threw: boom',
      7,
      () =>
        properties(device, ({ transition }) => ({
          it: transition({
            holds: (_before, _action, after) => {
              if (after.pending.isFull && !after.known.isEmpty) throw new Error('boom');
              return true;
            },
          }),
        })),
    ],
    [
      'that is not a boolean',
      'returned 1, not true or false',
      5,
      () =>
        properties(device, ({ transition }) => ({
          it: transition({ holds: (before) => (before.pending.isFull ? (1 as never) : true) }),
        })),
    ],
    [
      'in what is given',
      'returned null, not true or false',
      4,
      () =>
        properties(device, ({ leadsTo }) => ({
          it: leadsTo({ from: (s) => (s.pending.isFull ? (null as never) : false), to: () => true }),
        })),
    ],
    [
      'in a goal',
      'returned undefined, not true or false',
      4,
      () =>
        properties(device, ({ eventually }) => ({
          it: eventually({ holds: (s) => (s.pending.isFull ? (undefined as never) : false) }),
        })),
    ],
    [
      'that writes',
      'changes what it may only read',
      4,
      () =>
        properties(device, ({ recoverable }) => ({
          it: recoverable({
            holds: (s) => {
              if (s.pending.isFull) (s as { place: { mode: string } }).place.mode = 'busy';
              return true;
            },
          }),
        })),
    ],
    [
      'that reads the clock',
      'reads the clock (Date.now)',
      0,
      () => properties(device, ({ recoverable }) => ({ it: recoverable({ holds: () => Date.now() > 0 }) })),
    ],
    [
      'that draws lots',
      'reads a random number (Math.random)',
      1,
      () => properties(device, ({ transition }) => ({ it: transition({ holds: () => Math.random() >= 0 }) })),
    ],
  ])('%s is told alike by both engines', (_name, message, steps, make) => {
    const mistake = mistakeOf([make()]);
    expect(mistake.message).toContain(`'it': ${message}`);
    expect(mistake.steps).toBe(steps);
  });

  it('that keeps state of its own is refused', () => {
    for (const kind of ['leadsTo', 'eventually', 'recoverable', 'transition'] as const) {
      for (const engine of ['plain', 'compiled'] as const) {
        let calls = 0;
        const odd = (): boolean => calls++ % 2 === 1;
        const set = properties(device, (builder) => ({
          it:
            kind === 'transition'
              ? builder.transition({ holds: odd })
              : kind === 'leadsTo'
                ? builder.leadsTo({ from: () => true, to: odd })
                : builder[kind]({ holds: odd }),
        }));
        expect(() => search(instantiate(device, 'smoke'), [set], { engine, keepGoing: true })).toThrow(
          /must not keep state of its own/,
        );
      }
    }
  });
});

it('a test whose tree is huge is run on each state instead, and says the same', () => {
  const wide = model({
    name: 'wide',
    sizes,
    state: () => ({ n: each(Node, range(0, 26)) }),
    actions: ({ action }) => ({
      count: action(
        { node: Node },
        {
          actor: 'any',
          fairness: 'weak',
          when: { 'not too far': (s, { node }) => s.n[node] < 26 },
          then: { 'one more': (s, { node }) => void s.n[node]++ },
        },
      ),
    }),
  });
  const set = properties(wide, ({ transition, eventually, recoverable }) => ({
    'the sum grows by one': transition({
      holds: (before, _action, after) =>
        [...after.n].reduce((a, b) => a + b) === [...before.n].reduce((a, b) => a + b) + 1,
    }),
    'all is counted': eventually({ holds: (s) => [...s.n].reduce((a, b) => a + b) === 3 * 26 }),
    'half is counted': recoverable({ holds: (s) => [...s.n].reduce((a, b) => a + b) === 26 }),
  }));
  const result: CheckResult = search(instantiate(wide, 'ci'), [set], { keepGoing: true });
  expect(verdicts(result)).toMatchObject({
    'the sum grows by one': 'holds',
    'all is counted': 'holds',
    'half is counted': 'violated 27',
  });
});
