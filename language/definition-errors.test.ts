import { describe, expect, it } from 'vitest';
import { bool, each, instantiate, type Model, model, ModelError, range, setOf, type Shape } from './index.ts';
import { Device, Page } from './one-action.fixture.ts';
import { messageOf } from './runs.fixture.ts';
import { counter, withSteps } from './steps.fixture.ts';

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
      () =>
        model({ ...counter, state: () => expect.fail('no state') as { n: never; odd: never }, actions: () => ({}) }),
      'cannot be built: AssertionError: no state',
    ],
    [
      'a domain that makes no sense at this size',
      () => model({ ...counter, state: ({ size }) => ({ n: range(5, size.page), odd: bool }), actions: () => ({}) }),
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
