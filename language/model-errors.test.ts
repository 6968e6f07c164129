import { describe, expect, it } from 'vitest';
import type { Node, StepBuilder } from './behaviour.ts';
import {
  bag,
  bool,
  each,
  enabled,
  initialStates,
  instantiate,
  type Model,
  model,
  ModelError,
  oneOf,
  optional,
  queue,
  range,
  setOf,
  type Shape,
  type Sort,
  step,
  type Value,
} from './index.ts';
import { after, Cpu, Device, oneAction, Page, page0, page1, sizes } from './one-action.fixture.ts';
import { errorOf, messageOf, start } from './runs.fixture.ts';

const state = {
  page: each(Page, { pte: oneOf('none', 'valid'), count: range(0, 3) }),
  atc: each(Device, Page, { entry: bool }),
  current: optional({ page: Page }),
  queue: queue(2, { page: Page, op: oneOf('tlbi', 'sync') }),
  bag: bag(2, range(0, 3)),
  set: setOf(Page),
};
type S = Value<typeof state>;

/** The state as JavaScript lets a guard or effect treat it, past the types. */
interface Loose {
  page: Record<string, unknown>[];
  readonly atc: Record<string, unknown>[][];
  current: unknown;
  queue: { push(item: unknown): void; readonly head: unknown };
  set: { add(member: unknown): void };
  [extra: string]: unknown;
}
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
      b.step('second', { then: { 'count on': (s) => void (s.n += 5) } }),
    ]);
    const instance = instantiate(broken);
    const { state: next } = step(instance, start(instance), { type: 'work', step: 'first' } as never);
    expect(messageOf(() => enabled(instance, next))).toBe(
      "ModelError: model 'steps', action 'work', step 'second', 'count on', field n: 5 is not an integer from 0 to 3",
    );
  });
});

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
      expect(messageOf(() => enabled(broken, start(broken)))).toBe(
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
    expect(messageOf(decide)).toBe(
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

const counter = { name: 'steps', sizes, state: () => ({ n: range(0, 3) }) };
/** A model with the procedure `work`. */
function withSteps(
  steps: (b: StepBuilder<{ n: number }, object, object>) => readonly Node[],
  options: { params?: Readonly<Record<string, Sort>>; locals?: Shape } = {},
): Model {
  return model({
    ...counter,
    actions: ({ procedure }) => ({
      work: procedure(options.params ?? {}, { actor: 'cpu', locals: options.locals ?? {}, steps }),
    }),
  });
}

describe('a model that is wrong as it is written is refused:', () => {
  it.each([
    [
      'two steps of one name',
      () => withSteps((b) => [b.step('a', {}), b.step('a', {})]),
      "action 'work': 'a' names a step twice",
    ],
    [
      'two steps of one name in different branches',
      () => withSteps((b) => [b.branch('b', { if: () => true, then: [b.step('a', {})], else: [b.step('a', {})] })]),
      "action 'work': 'a' names a step twice",
    ],
    [
      'a guard and an effect of one name',
      () => withSteps((b) => [b.step('a', { when: { same: () => true }, then: { same: () => undefined } })]),
      "action 'work', step 'a': 'same' names a guard or effect twice",
    ],
    [
      "a step named 'done'",
      () => withSteps((b) => [b.step('done', {})]),
      "action 'work': 'done' is the place after the last step",
    ],
    ['a step without a name', () => withSteps((b) => [b.step('', {})]), "action 'work': '' cannot name a step"],
    [
      'a step named by a number, which JavaScript would move to the front',
      () => withSteps((b) => [b.step('1', {})]),
      "action 'work': '1' cannot name a step",
    ],
    [
      'a guard named by a number',
      () => withSteps((b) => [b.step('a', { when: { 2: () => true } })]),
      "action 'work', step 'a': '2' cannot name a guard or effect",
    ],
    ['a procedure without steps', () => withSteps(() => []), "action 'work': the procedure has no steps"],
    [
      'a branch without steps',
      () => withSteps((b) => [b.branch('b', { if: () => true, then: [] })]),
      "action 'work', step 'b': the branch has no steps",
    ],
    [
      'a loop without steps',
      () => withSteps((b) => [b.loop('b', { while: () => true, do: [] })]),
      "action 'work', step 'b': the loop has no steps",
    ],
    [
      "a local named 'at'",
      () => withSteps((b) => [b.step('a', {})], { locals: { at: bool } }),
      "action 'work': a local cannot be named 'at'",
    ],
    [
      "an instance parameter named 'step'",
      () => withSteps((b) => [b.step('a', {})], { params: { step: Page } }),
      "action 'work': a parameter cannot be named 'step'",
    ],
    [
      "a parameter of a step named 'type'",
      () => withSteps((b) => [b.step('a', { choose: { type: bool } })]),
      "action 'work', step 'a': a parameter cannot be named 'type'",
    ],
    [
      "a choice that hides the procedure's own parameter",
      () => withSteps((b) => [b.step('a', { choose: { page: bool } })], { params: { page: Page } }),
      "action 'work', step 'a': the parameter 'page' is the procedure's own",
    ],
    [
      'a procedure over two sorts',
      () => withSteps((b) => [b.step('a', {})], { params: { page: Page, device: Device } }),
      "action 'work': a procedure has one instance for each member of at most one sort",
    ],
    [
      "a parameter of an action named 'step'",
      () => withParameter('step', bool),
      "action 'act': a parameter cannot be named 'step'",
    ],
    [
      'a parameter that cannot be enumerated',
      () => withParameter('all', each(Page, bool)),
      "action 'act': a parameter cannot range over 'each': use bool, range, oneOf, optional, a sort or a record",
    ],
    [
      'a parameter that is a set',
      () => withParameter('all', { inner: setOf(Page) }),
      "action 'act': a parameter cannot range over 'setOf'",
    ],
    [
      'parameters with too many combinations',
      () => withParameter('all', { a: range(1, 2000), b: range(1, 2000) }),
      "action 'act': the parameters have 4000000 combinations: at most 1000000 are possible",
    ],
    [
      'a procedure named as a field of the state',
      () =>
        model({
          ...counter,
          actions: ({ procedure }) => ({ n: procedure({}, { actor: 'cpu', steps: (b) => [b.step('a', {})] }) }),
        }),
      "'n' names both a field of the state and a procedure",
    ],
    [
      'an action named by a number',
      () => model({ ...counter, actions: ({ action }) => ({ 7: action({}, { actor: 'any', then: {} }) }) }),
      "'7' cannot name an action",
    ],
    [
      'a function that throws while the model is built',
      () => model({ ...counter, state: () => expect.fail('no state') as { n: never }, actions: () => ({}) }),
      'cannot be built: AssertionError: no state',
    ],
    [
      'a domain that makes no sense at this size',
      () => model({ ...counter, state: ({ size }) => ({ n: range(5, size.page) }), actions: () => ({}) }),
      'range(5, 3) is empty',
    ],
  ] satisfies [string, () => Model, string][])('%s', (_, make, problem) => {
    const separator = problem.startsWith('action') ? ', ' : ': ';
    expect(() => instantiate(make())).toThrow(ModelError);
    expect(messageOf(() => instantiate(make()))).toContain(`ModelError: model 'steps'${separator}${problem}`);
  });

  it('a model without a name', () => {
    expect(() => model({ ...counter, name: '', actions: () => ({}) })).toThrow('a model needs a name');
  });
});

function withParameter(name: string, domain: Shape[string]): Model {
  return model({
    ...counter,
    actions: ({ action }) => ({ act: action({ [name]: domain }, { actor: 'any', then: {} }) }),
  });
}

describe('a model error', () => {
  it('tells its place also as data', () => {
    const error = errorOf(() => after(state, (s) => s.bag.add(9)));
    expect(error?.place).toEqual({ model: 'one', action: 'act', part: 'effect 1', field: 'bag' });
    expect(error?.problem).toBe('9 is not an integer from 0 to 3');
  });

  it('keeps the error that caused it', () => {
    const cause = new RangeError('deep down');
    const broken = oneAction(
      state,
      [],
      [
        () => {
          throw cause;
        },
      ],
    );
    expect(errorOf(() => enabled(broken, start(broken)))?.cause).toBe(cause);
  });

  it('suggests the nearest name, or lists the known ones', () => {
    const ordered = oneAction({ cpus: each(Cpu, bool), flags: bool }, [(s) => Object.assign(s, { falgs: true })]);
    expect(messageOf(() => enabled(ordered, start(ordered)))).toContain("did you mean 'flags'?");
    const far = oneAction({ cpus: each(Cpu, bool), flags: bool }, [(s) => Object.assign(s, { zzz: true })]);
    expect(messageOf(() => enabled(far, start(far)))).toContain("known: 'cpus', 'flags'");
  });
});
