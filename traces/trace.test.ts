/**
 * A trace says what each step did, in names; and nothing that the model does not do.
 */
import { describe, expect, it } from 'vitest';
import {
  bag,
  bool,
  each,
  initialStates,
  instantiate,
  model,
  oneOf,
  optional,
  properties,
  propertiesOf,
  setOf,
  sort,
  type State,
} from '../language/index.ts';
import { fieldsAround, showBinding } from './around.ts';
import { traceOf } from './trace.ts';

const Page = sort('page');
const mail = model({
  name: 'mail',
  sizes: { smoke: { page: 2 }, ci: { page: 2 }, deep: { page: 2 } },
  state: () => ({
    page: each(Page, { pte: oneOf('none', 'valid'), owner: optional(Page) }),
    seen: setOf(Page),
    box: bag(2, { op: oneOf('read', 'write'), page: Page }),
    quiet: bool,
  }),
  actions: ({ action, procedure }) => ({
    post: action(
      { from: Page, op: oneOf('read', 'write') },
      {
        actor: 'cpu',
        then: {
          map: (s, { from }) => {
            s.page[from] = { pte: 'valid', owner: from };
          },
          note: (s, { from }) => s.seen.add(from),
          send: (s, { from, op }) => s.box.add({ op, page: from }),
        },
      },
    ),
    work: procedure(
      { page: Page },
      { actor: 'worker', steps: ({ step }) => [step('take', { choose: { other: optional(Page) }, then: {} })] },
    ),
  }),
});
const instance = instantiate(mail);
const [initial] = initialStates(instance) as readonly State[];
const path = { initial: initial as State, actions: [{ type: 'post', from: 1, op: 'write' }] };

describe('a step', () => {
  it('has its parameters and changes by name; what stayed the same is not there', () => {
    const [step] = traceOf(instance, path).steps;
    expect(step).toMatchObject({ title: "post(from: page1, op: 'write')", actor: 'cpu' });
    expect(step?.args).toEqual({ from: 'page1', op: 'write' });
    expect(step?.changes.map(({ field, before, after }) => `${field}: ${before} -> ${after}`)).toEqual([
      "page[page1].pte: 'none' -> 'valid'",
      'page[page1].owner: none -> page1',
      'seen: {} -> {page1}',
      "box: {||} -> {|{ op: 'write', page: page1 }|}",
    ]);
    expect(step?.changes.at(-1)).toMatchObject({ removed: [], added: ["{ op: 'write', page: page1 }"] });
  });

  it('of a procedure names the instance, the step and what was chosen, and marks its place', () => {
    const actions = [{ type: 'work', step: 'take', page: 0, other: 1 }];
    const [step] = traceOf(instance, { initial: initial as State, actions }).steps;
    expect(step?.title).toBe('work(page0): take (other: page1)');
    expect(step?.args).toEqual({ page: 'page0', other: 'page1' });
    expect(step?.changes).toMatchObject([{ field: 'work[page0].at', after: "'done'", isPlace: true }]);
  });
});

describe('a path that the model does not have is refused', () => {
  it.each([
    [
      'an action that is not enabled',
      [
        { type: 'work', step: 'take', page: 0, other: null },
        { type: 'work', step: 'take', page: 0, other: null },
      ],
      /not enabled/,
    ],
    ['an unknown action', [{ type: 'pst' }], /did you mean 'post'/],
    ['a parameter outside of its domain', [{ type: 'post', from: 7, op: 'write' }], /not a member of 'page'/],
  ])('%s', (_name, actions, message) => {
    expect(() => traceOf(instance, { initial: initial as State, actions })).toThrow(message);
  });

  it('a start that is no initial state', () => {
    const [{ state } = { state: {} }] = traceOf(instance, path).steps;
    expect(() => traceOf(instance, { initial: state, actions: [] })).toThrow('does not start in an initial state');
  });
});

describe('the state around a violation', () => {
  const sets = [
    properties(mail, ({ invariant }) => ({
      'only unmapped pages are unseen': invariant({
        forall: { of: Page },
        holds: (s, { of }) => s.page[of].pte === 'none' || !s.seen.has(of),
      }),
    })),
  ];

  it('is what the property read, and then what the last step changed', () => {
    const [property] = propertiesOf(instance, sets);
    if (property === undefined) throw new Error('there is a property');
    expect(fieldsAround(traceOf(instance, path), property, { of: 1 })).toEqual([
      { field: 'page[page1].pte', value: "'valid'" },
      { field: 'seen', value: '{page1}' },
      { field: 'page[page1].owner', value: 'page1' },
      { field: 'box', value: "{|{ op: 'write', page: page1 }|}" },
    ]);
    expect(showBinding(instance, sets, property.name, { of: 1 })).toBe('of: page1');
  });
});
