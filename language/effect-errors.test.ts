import { describe, expect, it } from 'vitest';
import { enabled, instantiate, ModelError, step, type Value } from './index.ts';
import { type Loose, state } from './mistakes.fixture.ts';
import { after, oneAction, page0, page1 } from './one-action.fixture.ts';
import { messageOf, start } from './runs.fixture.ts';
import { withSteps } from './steps.fixture.ts';

type S = Value<typeof state>;

function loosely(effect: (s: Loose) => unknown): (s: S) => void {
  return (s) => void effect(s as unknown as Loose);
}

describe('an effect that does what it must not is an error with action, effect and field:', () => {
  it.each([
    [
      'a number outside of its range',
      (s: S) => void (s.page[page1].count = 4),
      'field page[page1].count: 4 is not an integer from 0 to 3',
    ],
    [
      'an unknown name',
      loosely((s) => (s.page[0]!['pte'] = 'vaild')),
      "field page[page0].pte: 'vaild' is not one of 'none', 'valid'",
    ],
    [
      'no value',
      loosely((s) => (s.page[2]!['count'] = undefined)),
      'field page[page2].count: nothing (undefined) is not an integer from 0 to 3',
    ],
    [
      'nothing where null is meant',
      loosely((s) => (s.current = undefined)),
      'field current: nothing (undefined) is not a plain record',
    ],
    [
      'a member that the sort has not',
      loosely((s) => (s.current = { page: 3 })),
      "field current.page: 3 is not a member of 'page', which has 3",
    ],
    [
      'an unknown field',
      loosely((s) => (s.page[0]!['pet'] = 1)),
      "field page[page0].pet: there is no such field; did you mean 'pte'?",
    ],
    [
      'an unknown field of the state',
      loosely((s) => (s['que'] = 1)),
      "field que: there is no such field; did you mean 'queue'?",
    ],
    ['a field taken away', loosely((s) => delete s.page[0]!['pte']), 'field page[page0].pte: the field is missing'],
    [
      'a field of a nested family',
      loosely((s) => (s.atc[1]![2]!['entry'] = 'yes')),
      "field atc[device1][page2].entry: 'yes' is not true or false",
    ],
    [
      'a family made longer',
      loosely((s) => s.page.push({ pte: 'none', count: 0 })),
      "field page[3]: 'page' has only 3 member(s)",
    ],
    [
      'a record in place of a queue',
      loosely((s) => (s.queue = {} as never)),
      "field queue: {} is not the queue 'queue'",
    ],
    [
      'an array in place of a set',
      loosely((s) => (s.set = [] as never)),
      "field set: [] is not a set of members of 'page', which has 3",
    ],
    [
      'an item outside of its domain',
      loosely((s) => s.queue.push({ page: 0, op: 'inv' })),
      "field queue[0].op: 'inv' is not one of 'tlbi', 'sync'",
    ],
    ['half an item', loosely((s) => s.queue.push({ page: 0 })), 'field queue[0].op: the field is missing'],
    ['an item outside of its domain, in a bag', (s: S) => s.bag.add(4), 'field bag: 4 is not an integer from 0 to 3'],
    [
      'a question for what cannot be in a bag',
      (s: S) => void s.bag.has(-1),
      'field bag: -1 is not an integer from 0 to 3',
    ],
    [
      'a push to a full queue',
      (s: S) => [1, 2, 3].forEach(() => s.queue.push({ page: page0, op: 'sync' })),
      "field queue: 'queue' is full: it holds at most 2",
    ],
    [
      'an addition to a full bag',
      (s: S) => [1, 2, 3].forEach((i) => s.bag.add(i)),
      "field bag: 'bag' is full: it holds at most 2",
    ],
    ['a shift from an empty queue', (s: S) => void s.queue.shift(), "field queue: 'queue' is empty"],
    ['the head of an empty queue', (s: S) => void s.queue.head, "field queue: 'queue' is empty"],
    [
      'a position beyond the end',
      (s: S) => void (s.bag.add(1), s.bag.at(1)),
      "field bag: there is no item 1 in 'bag', which holds 1",
    ],
    [
      'a position before the beginning',
      (s: S) => void (s.bag.add(1), s.bag.at(-1)),
      "field bag: there is no item -1 in 'bag', which holds 1",
    ],
    [
      'another item where there is none',
      (s: S) => s.queue.set(0, { page: page0, op: 'sync' }),
      "field queue: 'queue' is empty",
    ],
    ['the removal of a missing item', (s: S) => void s.bag.remove(2), "field bag: there is no such item in 'bag'"],
    [
      'the replacement of a missing item',
      (s: S) => s.bag.replace((item) => item > 2, 1),
      "field bag: there is no such item in 'bag'",
    ],
  ] satisfies [string, (s: S) => void, string][])('%s', (_, effect, problem) => {
    const work = (): unknown => after(state, () => undefined, effect);
    expect(work).toThrow(ModelError);
    expect(messageOf(work)).toBe(`ModelError: model 'one', action 'act', 'effect 2', ${problem}`);
  });

  it.each([
    [
      'a missing element',
      loosely((s) => s.page[7]!['pte']),
      /^reads a missing element \(Cannot read properties of undefined \(reading 'pte'\)\)$/,
    ],
    [
      'a part of what is null',
      (s: S) => void s.current!.page,
      /^reads a missing element \(Cannot read properties of null \(reading 'page'\)\)$/,
    ],
    ['an error of its own', () => expect.fail('no way'), /^threw: no way$/],
    ['a parameter changed', () => Object.assign(Object.freeze({ a: 1 }), { a: 2 }), /^changes what it may only read/],
  ] satisfies [string, (s: S) => unknown, RegExp][])('%s', (_, effect, problem) => {
    const message = messageOf(() =>
      after(
        state,
        () => undefined,
        (s) => effect(s),
      ),
    );
    const place = "ModelError: model 'one', action 'act', 'effect 2': ";
    expect(message.startsWith(place)).toBe(true);
    expect(message.slice(place.length)).toMatch(problem);
  });

  it('a promise', () => {
    const impatient = oneAction(state, [() => Promise.reject(new Error('later')) as never]);
    expect(messageOf(() => enabled(impatient, start(impatient)))).toBe(
      "ModelError: model 'one', action 'act', 'effect 1': returned a promise: a model is synchronous",
    );
  });

  it('the effect that leaves the domain for good is blamed, not one before that came back', () => {
    const there = (s: S): void => void (s.page[page0].count = 9);
    const back = (s: S): void => void (s.page[page0].count = 0);
    expect(messageOf(() => after(state, there, back, (s) => void (s.page[page1].count = -1)))).toBe(
      "ModelError: model 'one', action 'act', 'effect 3', field page[page1].count: -1 is not an integer from 0 to 3",
    );
    expect(messageOf(() => after(state, back, there, () => undefined))).toContain(
      "'effect 2', field page[page0].count",
    );
  });

  it('the same in a step of a procedure, with its step', () => {
    const broken = withSteps((b) => [
      b.step('first', {}),
      b.step('second', { then: { 'count on': (s) => void (s.n += 15) } }),
    ]);
    const instance = instantiate(broken);
    const { state: next } = step(instance, start(instance), { type: 'work', step: 'first' } as never);
    expect(messageOf(() => enabled(instance, next))).toBe(
      "ModelError: model 'steps', action 'work', step 'second', 'count on', field n: 15 is not an integer from 0 to 9",
    );
  });
});
