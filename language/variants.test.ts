import { describe, expect, it } from 'vitest';
import { allNodes, type Definition, type NodeDefinition } from './definition.ts';
import type { Edit } from './edits.ts';
import {
  bool,
  type EditBuilder,
  enabled,
  instantiate,
  type Instance,
  model,
  oneOf,
  properties,
  range,
  type SizeContext,
  type StateOf,
  variants,
} from './index.ts';
import { sizes } from './one-action.fixture.ts';
import { errorOf, messageOf, run, start } from './runs.fixture.ts';

const protocol = model({
  name: 'protocol',
  sizes,
  state: () => ({ n: range(0, 9), open: bool, kind: oneOf('a', 'b', 'c') }),
  actions: ({ action, procedure }) => ({
    evict: action(
      {},
      {
        actor: 'device',
        when: { 'it is open': (s) => s.open, 'there is room': (s) => s.n < 9 },
        then: {
          'count on': (s) => void (s.n += 1),
          double: (s) => void (s.n = (s.n * 2) % 10),
          close: (s) => void (s.open = false),
        },
      },
    ),
    unmap: procedure(
      {},
      {
        actor: 'cpu',
        locals: { seen: range(0, 9) },
        steps: ({ step, branch, loop }) => [
          step('clear', { then: { 'add one': (s) => void (s.n += 1), 'open up': (s) => void (s.open = true) } }),
          step('wait', { when: { ready: (s) => s.open } }),
          branch('failed', {
            if: (s) => s.kind === 'c',
            then: [step('give up', {}), step('say so', {})],
            else: [step('go on', {})],
          }),
          loop('again', {
            fused: true,
            while: (s) => s.n < 5,
            do: [step('retry', { then: { 'try once': (s) => void s.n++ } })],
          }),
          step('choose', {
            choose: { kind: oneOf('b', 'c') },
            when: { ready: (s) => s.open },
            then: { 'take it': (s, { kind }) => void (s.kind = kind), 'note it': (s, _p, me) => void (me.seen = s.n) },
          }),
        ],
      },
    ),
  }),
});

const claims = properties(protocol, ({ invariant }) => ({ 'never nine': invariant({ holds: (s) => s.n !== 9 }) }));

type Edits = (builder: EditBuilder<typeof protocol> & SizeContext<(typeof sizes)['ci']>) => readonly Edit[];

/** The protocol after some edits. */
function edited(edits: Edits): Instance<typeof protocol> {
  const set = variants(claims, { bug: { doc: 'a bug', reference: 'a report', violates: { 'never nine': 3 }, edits } });
  return instantiate(protocol, 'ci', { variant: set.variants[0]!.edit });
}

/** An action as a list of its guards and effects; a procedure as a tree of its steps. */
function outline(instance: Instance, name: 'evict' | 'unmap'): unknown {
  const part = instance.definition.find((candidate) => candidate.name === name);
  if (part?.kind !== 'procedure') return namesIn(part?.blocks ?? []);
  const node = (of: NodeDefinition): unknown =>
    of.kind === 'step'
      ? of.name
      : { [of.name]: of.then.map(node), ...(of.else.length > 0 ? { else: of.else.map(node) } : {}) };
  return part.steps.map(node);
}

type Blocks = Extract<Definition[number], { kind: 'action' }>['blocks'];
function namesIn(blocks: Blocks): readonly string[] {
  return blocks.flatMap(({ when, then }) => [...when.map(({ name }) => `${name}?`), ...then.map(({ name }) => name)]);
}

function partsOf(instance: Instance, step: string): readonly string[] {
  const procedure = instance.definition.find((part) => part.kind === 'procedure');
  const node = allNodes(procedure?.steps ?? []).find(({ name }) => name === step);
  return node?.kind === 'step' ? namesIn(node.blocks) : [];
}

const failed = { failed: ['give up', 'say so'], else: ['go on'] };
const again = { again: ['retry'] };
const original = ['clear', 'wait', failed, again, 'choose'];

/** The state after some actions, of a variant whose steps the types do not know. */
function after(instance: Instance<typeof protocol>, ...actions: readonly object[]): StateOf<typeof protocol> {
  return run(instance, ...(actions as never[]));
}
const at = (step: string): object => ({ type: 'unmap', step });

describe('drop', () => {
  it('takes a guard away', () => {
    const instance = edited(({ drop }) => [drop(['evict', 'it is open'])]);
    expect(outline(instance, 'evict')).toEqual(['there is room?', 'count on', 'double', 'close']);
    expect(enabled(instance, start(instance))).toContainEqual({ type: 'evict' });
    expect(enabled(protocol, start(protocol))).not.toContainEqual({ type: 'evict' });
  });

  it('takes an effect away', () => {
    const instance = edited(({ drop }) => [drop(['unmap', 'clear', 'add one'])]);
    expect(after(instance, at('clear'))).toMatchObject({ n: 0, open: true });
  });

  it('takes a step away', () => {
    const instance = edited(({ drop }) => [drop(['unmap', 'wait']), drop(['unmap', 'say so'])]);
    expect(outline(instance, 'unmap')).toEqual(['clear', { failed: ['give up'], else: ['go on'] }, again, 'choose']);
    expect(after(instance, at('clear')).unmap.at).toBe('failed');
  });

  it('takes a branch or a loop away, with all in it', () => {
    const instance = edited(({ drop }) => [drop(['unmap', 'failed']), drop(['unmap', 'again'])]);
    expect(outline(instance, 'unmap')).toEqual(['clear', 'wait', 'choose']);
  });

  it('takes an action or a procedure away, and the state of the procedure with it', () => {
    expect(edited(({ drop }) => [drop(['evict'])]).definition.map(({ name }) => name)).toEqual(['unmap']);
    expect(start(edited(({ drop }) => [drop(['unmap'])]))).toEqual({ n: 0, open: false, kind: 'a' });
  });
});

describe('replace', () => {
  it('puts another function in place of a guard', () => {
    const instance = edited(({ replace }) => [replace(['evict', 'it is open'], (s) => !s.open)]);
    expect(enabled(instance, start(instance))).toContainEqual({ type: 'evict' });
  });

  it('puts another function in place of an effect', () => {
    const instance = edited(({ replace }) => [replace(['unmap', 'clear', 'add one'], (s) => void (s.n += 7))]);
    expect(after(instance, at('clear')).n).toBe(7);
  });

  it('puts another function in place of the test of a branch or loop', () => {
    const instance = edited(({ replace }) => [
      replace(['unmap', 'failed'], (s) => s.open),
      replace(['unmap', 'again'], () => false),
    ]);
    const steps = ['clear', 'wait', 'failed', 'give up', 'say so'].map(at);
    expect(after(instance, ...steps).unmap.at).toBe('choose');
  });
});

describe('move', () => {
  it.each<[string, Edits, readonly unknown[]]>([
    [
      'a step to before another',
      ({ move }) => [move(['unmap', 'wait'], { before: 'clear' })],
      ['wait', 'clear', failed, again, 'choose'],
    ],
    [
      'a step to after another',
      ({ move }) => [move(['unmap', 'clear'], { after: 'choose' })],
      ['wait', failed, again, 'choose', 'clear'],
    ],
    [
      'a step into a branch',
      ({ move }) => [move(['unmap', 'wait'], { after: 'give up' })],
      ['clear', { failed: ['give up', 'wait', 'say so'], else: ['go on'] }, again, 'choose'],
    ],
    [
      'a step out of a branch',
      ({ move }) => [move(['unmap', 'give up'], { before: 'wait' })],
      ['clear', 'give up', 'wait', { failed: ['say so'], else: ['go on'] }, again, 'choose'],
    ],
    [
      'a step from one side of a branch to the other',
      ({ move }) => [move(['unmap', 'say so'], { before: 'go on' })],
      ['clear', 'wait', { failed: ['give up'], else: ['say so', 'go on'] }, again, 'choose'],
    ],
    [
      'a step from a branch into a loop',
      ({ move }) => [move(['unmap', 'say so'], { after: 'retry' })],
      ['clear', 'wait', { failed: ['give up'], else: ['go on'] }, { again: ['retry', 'say so'] }, 'choose'],
    ],
    [
      'a whole loop into a branch',
      ({ move }) => [move(['unmap', 'again'], { before: 'go on' })],
      ['clear', 'wait', { failed: ['give up', 'say so'], else: [again, 'go on'] }, 'choose'],
    ],
    [
      'a step to before a branch, which is not the same as into it',
      ({ move }) => [move(['unmap', 'choose'], { before: 'failed' })],
      ['clear', 'wait', 'choose', failed, again],
    ],
    [
      'a step within its branch',
      ({ move }) => [move(['unmap', 'say so'], { before: 'give up' })],
      ['clear', 'wait', { failed: ['say so', 'give up'], else: ['go on'] }, again, 'choose'],
    ],
  ])('takes %s', (_, edits, expected) => {
    expect(outline(edited(edits), 'unmap')).toEqual(expected);
  });

  it('takes a step to where it then really happens', () => {
    const instance = edited(({ move }) => [move(['unmap', 'wait'], { before: 'clear' })]);
    expect(start(instance).unmap.at).toBe('wait');
    expect(enabled(instance, start(instance))).toEqual([]);
  });

  it('takes an effect to before or after another of its action or step', () => {
    const later = edited(({ move }) => [move(['evict', 'count on'], { after: 'double' })]);
    expect(outline(later, 'evict')).toEqual(['it is open?', 'there is room?', 'double', 'count on', 'close']);
    const earlier = edited(({ move }) => [move(['unmap', 'clear', 'open up'], { before: 'add one' })]);
    expect(partsOf(earlier, 'clear')).toEqual(['open up', 'add one']);
  });
});

describe('merge', () => {
  it('makes consecutive steps one atomic step', () => {
    const instance = edited(({ merge }) => [merge(['unmap'], ['clear', 'wait'], 'clear at once')]);
    expect(outline(instance, 'unmap')).toEqual(['clear at once', failed, again, 'choose']);
    expect(after(instance, at('clear at once'))).toMatchObject({ n: 1, open: true, unmap: { at: 'failed' } });
  });

  it('asks the guards of a later step after the effects of the earlier ones', () => {
    const closed = edited(({ merge, drop }) => [merge(['unmap'], ['clear', 'wait'], 'clear at once'), drop(['evict'])]);
    // 'wait' needs what 'clear' does: before the merged step it does not hold, within it does.
    expect(start(closed).open).toBe(false);
    expect(enabled(closed, start(closed))).toEqual([{ type: 'unmap', step: 'clear at once' }]);

    const blocked = edited(({ merge, replace }) => [
      replace(['unmap', 'wait', 'ready'], (s) => s.n > 1),
      merge(['unmap'], ['clear', 'wait'], 'clear at once'),
    ]);
    expect(enabled(blocked, start(blocked))).toEqual([]);
    expect(messageOf(() => after(blocked, at('clear at once')))).toContain(
      'is not enabled: a later guard of a merged step does not hold',
    );
  });

  it('lets a later guard look, but not write', () => {
    const writing = edited(({ merge, replace }) => [
      replace(['unmap', 'wait', 'ready'], (s) => (s.n = 3) === 3),
      merge(['unmap'], ['clear', 'wait'], 'clear at once'),
    ]);
    expect(messageOf(() => after(writing, at('clear at once')))).toContain("'ready': changes what it may only read");
  });

  it('works inside a branch, and keeps what the steps choose', () => {
    const inside = edited(({ merge }) => [merge(['unmap'], ['give up', 'say so'], 'give up loudly')]);
    expect(outline(inside, 'unmap')).toEqual([
      'clear',
      'wait',
      { failed: ['give up loudly'], else: ['go on'] },
      again,
      'choose',
    ]);
    const choosing = edited(({ drop, merge }) => [
      drop(['unmap', 'failed']),
      drop(['unmap', 'again']),
      merge(['unmap'], ['clear', 'wait', 'choose'], 'all'),
    ]);
    expect(enabled(choosing, start(choosing))).toEqual([
      { type: 'unmap', step: 'all', kind: 'b' },
      { type: 'unmap', step: 'all', kind: 'c' },
    ]);
    expect(after(choosing, { ...at('all'), kind: 'c' })).toMatchObject({ kind: 'c', unmap: { at: 'done', seen: 1 } });
  });

  it('puts the name of its step in front of a guard or effect whose name is taken', () => {
    const instance = edited(({ drop, merge }) => [
      drop(['unmap', 'failed']),
      drop(['unmap', 'again']),
      merge(['unmap'], ['wait', 'choose'], 'both'),
    ]);
    expect(partsOf(instance, 'both')).toEqual(['ready?', 'choose: ready?', 'take it', 'note it']);
  });
});

describe('split', () => {
  it('makes two steps of one, the guards staying with the first', () => {
    const instance = edited(({ addGuard, split }) => [
      addGuard(['unmap', 'clear'], 'it is fresh', (s) => s.n === 0),
      split(['unmap', 'clear'], { after: 'add one', as: 'open up later' }),
    ]);
    expect(outline(instance, 'unmap')).toEqual(['clear', 'open up later', 'wait', failed, again, 'choose']);
    expect([partsOf(instance, 'clear'), partsOf(instance, 'open up later')]).toEqual([
      ['it is fresh?', 'add one'],
      ['open up'],
    ]);
    expect(after(instance, at('clear'))).toMatchObject({ n: 1, open: false, unmap: { at: 'open up later' } });
  });
});

describe('add', () => {
  it('adds a guard', () => {
    const instance = edited(({ addGuard }) => [addGuard(['unmap', 'clear'], 'never', () => false)]);
    expect(enabled(instance, start(instance))).toEqual([]);
    expect(
      outline(
        edited(({ addGuard }) => [addGuard(['evict'], 'odd', (s) => s.n % 2 === 1)]),
        'evict',
      ),
    ).toEqual(['it is open?', 'there is room?', 'odd?', 'count on', 'double', 'close']);
  });

  it('adds an effect at the end, or at a spot', () => {
    const atEnd = edited(({ addEffect }) => [addEffect(['evict'], 'new', (s) => void (s.n = 0))]);
    expect(outline(atEnd, 'evict')).toContainEqual('new');
    const before = edited(({ addEffect }) => [
      addEffect(['unmap', 'clear'], 'new', (s) => void (s.n += 4), { before: 'open up' }),
      addEffect(['unmap', 'wait'], 'only', (s) => void (s.kind = 'b')),
    ]);
    expect(partsOf(before, 'clear')).toEqual(['add one', 'new', 'open up']);
    expect(after(before, at('clear'), at('wait'))).toMatchObject({ n: 5, kind: 'b' });
  });

  it('adds a step, also with a choice of its own', () => {
    const instance = edited(({ addStep }) => [
      addStep(['unmap'], 'pause', {}, { after: 'clear' }),
      addStep(
        ['unmap'],
        'set',
        { choose: { to: range(5, 6) }, then: { 'set it': (s, { to }, me) => void (s.n = me.seen = to) } },
        { before: 'say so' },
      ),
    ]);
    expect(outline(instance, 'unmap')).toEqual([
      'clear',
      'pause',
      'wait',
      { failed: ['give up', 'set', 'say so'], else: ['go on'] },
      again,
      'choose',
    ]);
    expect(after(instance, at('clear')).unmap.at).toBe('pause');
  });

  it('adds an action', () => {
    const instance = edited(({ addAction }) => [
      addAction(
        'glitch',
        { to: range(7, 8) },
        {
          actor: 'device',
          when: { 'it is shut': (s) => !s.open },
          then: { 'set it': (s, { to }) => void (s.n = to) },
        },
      ),
    ]);
    expect(enabled(instance, start(instance))).toContainEqual({ type: 'glitch', to: 8 });
    expect(after(instance, { type: 'glitch', to: 8 }).n).toBe(8);
  });
});

describe('several edits', () => {
  it('apply one after the other, each to what the ones before it left', () => {
    const instance = edited(({ split, move, drop }) => [
      split(['unmap', 'clear'], { after: 'add one', as: 'open up later' }),
      move(['unmap', 'open up later' as 'clear'], { before: 'clear' }),
      drop(['unmap', 'wait']),
    ]);
    expect(outline(instance, 'unmap')).toEqual(['open up later', 'clear', failed, again, 'choose']);
  });

  it('leave the model itself as it was', () => {
    const before = instantiate(protocol);
    const [definition, text] = [before.definition, JSON.stringify(before.definition)];
    edited(({ drop, move, merge, addGuard, replace }) => [
      drop(['unmap', 'failed']),
      move(['unmap', 'wait'], { after: 'choose' }),
      merge(['unmap'], ['choose', 'wait'], 'choose and wait'),
      addGuard(['evict'], 'new', () => false),
      replace(['evict', 'close'], () => undefined),
    ]);
    expect(JSON.stringify(definition)).toBe(text);
    expect(outline(instantiate(protocol), 'unmap')).toEqual(original);
    expect(enabled(protocol, start(protocol))).toEqual([{ type: 'unmap', step: 'clear' }]);
  });
});

describe('an edit that would not change anything is an error:', () => {
  /** A path that the types would refuse. */
  const path = (...names: readonly string[]): never => names as never;
  it.each<[string, Edits, string]>([
    [
      'of an unknown action',
      ({ drop }) => [drop(path('evikt'))],
      ": there is no action 'evikt'; did you mean 'evict'?",
    ],
    [
      'of an unknown step',
      ({ drop }) => [drop(path('unmap', 'wiat'))],
      ", action 'unmap': there is no step 'wiat'; did you mean 'wait'?",
    ],
    [
      'of an unknown guard of an action',
      ({ drop }) => [drop(path('evict', 'it is opn'))],
      ", action 'evict': there is no guard or effect 'it is opn'; did you mean 'it is open'?",
    ],
    [
      'of an unknown effect of a step',
      ({ replace }) => [replace(path('unmap', 'clear', 'ad one'), () => undefined)],
      ", action 'unmap', step 'clear': there is no guard or effect 'ad one'; did you mean 'add one'?",
    ],
    [
      'below an effect',
      ({ drop }) => [drop(path('evict', 'close', 'deep'))],
      ", action 'evict': 'deep' leads below a guard or effect",
    ],
    [
      'of a guard of a branch',
      ({ drop }) => [drop(path('unmap', 'failed', 'x'))],
      ", action 'unmap', step 'failed': a branch has no guards or effects",
    ],
    [
      'a guard added to a loop',
      ({ addGuard }) => [addGuard(['unmap', 'again'], 'x', () => true)],
      ", action 'unmap', step 'again': a loop has no guards or effects",
    ],
    [
      'a guard added to a whole procedure',
      ({ addGuard }) => [addGuard(['unmap'], 'x', () => true)],
      ", action 'unmap': 'add guard' needs a step",
    ],
    [
      'a whole step replaced',
      ({ replace }) => [replace(['unmap', 'wait'], () => true)],
      ", action 'unmap', step 'wait': name the guard or effect to replace",
    ],
    [
      'a whole action replaced',
      ({ replace }) => [replace(['evict'], () => true)],
      ", action 'evict': 'replace' does not apply to a whole action",
    ],
    [
      'a step moved to where it is',
      ({ move }) => [move(['unmap', 'wait'], { after: 'clear' })],
      ", action 'unmap', step 'wait': the move changes nothing",
    ],
    [
      'a step moved to before the next',
      ({ move }) => [move(['unmap', 'clear'], { before: 'wait' })],
      ", action 'unmap', step 'clear': the move changes nothing",
    ],
    [
      'a step moved next to itself',
      ({ move }) => [move(['unmap', 'wait'], { after: 'wait' })],
      ", action 'unmap', step 'wait': cannot move into itself",
    ],
    [
      'a branch moved into itself',
      ({ move }) => [move(['unmap', 'failed'], { before: 'go on' })],
      ", action 'unmap', step 'failed': cannot move into itself",
    ],
    [
      'a step moved next to an unknown one',
      ({ move }) => [move(['unmap', 'wait'], { after: 'cler' })],
      ", action 'unmap': there is no step 'cler'; did you mean 'clear'?",
    ],
    [
      'an effect moved to where it is',
      ({ move }) => [move(['evict', 'double'], { after: 'count on' })],
      ", action 'evict', 'double': the move changes nothing",
    ],
    [
      'an effect moved next to an unknown one',
      ({ move }) => [move(['evict', 'double'], { after: 'clos' })],
      ", action 'evict', 'double': there is no effect 'clos'; did you mean 'close'?",
    ],
    [
      'a guard moved',
      ({ move }) => [move(['evict', 'it is open'], { after: 'close' })],
      ", action 'evict': the guard 'it is open' cannot be moved",
    ],
    [
      'steps merged in the wrong order',
      ({ merge }) => [merge(['unmap'], ['wait', 'clear'], 'x')],
      ", action 'unmap': cannot merge: 'failed' stands where 'clear' should follow",
    ],
    [
      'an unknown step merged',
      ({ merge }) => [merge(['unmap'], ['clear', 'wiat'], 'x')],
      ", action 'unmap': there is no step 'wiat'; did you mean 'wait'?",
    ],
    [
      'a step merged with what follows the last',
      ({ merge }) => [merge(['unmap'], ['choose', 'clear'], 'x')],
      ", action 'unmap': cannot merge: there is no step after 'choose'",
    ],
    [
      'a branch merged',
      ({ merge }) => [merge(['unmap'], ['wait', 'failed'], 'x')],
      ", action 'unmap': cannot merge the branch 'failed'",
    ],
    [
      'two steps merged that choose the same',
      ({ addStep, merge }) => [
        addStep(['unmap'], 'choose again', { choose: { kind: bool } }, { after: 'choose' }),
        merge(['unmap'], ['choose', 'choose again'], 'x'),
      ],
      ", action 'unmap': cannot merge: two of the steps choose a 'kind'",
    ],
    [
      'steps of an action merged',
      ({ merge }) => [merge(['evict'], ['clear', 'wait'], 'x')],
      ", action 'evict': 'merge' does not apply to a whole action",
    ],
    [
      'a merge that names a step',
      ({ merge }) => [merge(['unmap', 'wait'], ['clear', 'wait'], 'x')],
      ", action 'unmap', step 'wait': 'merge' takes the procedure alone as its path",
    ],
    [
      'a step split after an unknown effect',
      ({ split }) => [split(['unmap', 'clear'], { after: 'ad one', as: 'x' })],
      ", action 'unmap', step 'clear': there is no effect 'ad one'; did you mean 'add one'?",
    ],
    [
      'a step split after its last effect',
      ({ split }) => [split(['unmap', 'clear'], { after: 'open up', as: 'x' })],
      ", action 'unmap', step 'clear': 'open up' is the last effect: nothing to split off",
    ],
    [
      'a branch split',
      ({ split }) => [split(['unmap', 'failed'], { after: 'x', as: 'y' })],
      ", action 'unmap', step 'failed': a branch cannot be split",
    ],
    [
      'a merged step split',
      ({ merge, split }) => [
        merge(['unmap'], ['clear', 'wait'], 'x'),
        split(path('unmap', 'x'), { after: 'add one', as: 'y' }),
      ],
      ", action 'unmap', step 'x': a merged step cannot be split",
    ],
    [
      'a step split that chooses',
      ({ split }) => [split(['unmap', 'choose'], { after: 'take it', as: 'x' })],
      ", action 'unmap', step 'choose': a step that chooses cannot be split: its choice would be made twice",
    ],
    [
      'an effect added next to an unknown one',
      ({ addEffect }) => [addEffect(['evict'], 'x', () => undefined, { before: 'clos' })],
      ", action 'evict': there is no guard or effect 'clos'; did you mean 'close'?",
    ],
    [
      'an effect added next to a guard',
      ({ addEffect }) => [addEffect(['evict'], 'x', () => undefined, { after: 'it is open' })],
      ", action 'evict': there is no effect 'it is open'; known: 'count on', 'double', 'close'",
    ],
    [
      'a guard added by a name that is taken',
      ({ addGuard }) => [addGuard(['evict'], 'close', () => true)],
      ", action 'evict': 'close' names a guard or effect twice",
    ],
    [
      'a step added by a name that is taken',
      ({ addStep }) => [addStep(['unmap'], 'wait', {}, { before: 'clear' })],
      ", action 'unmap': 'wait' names a step twice",
    ],
    [
      'a step added next to an unknown one',
      ({ addStep }) => [addStep(['unmap'], 'x', {}, { after: 'chose' })],
      ", action 'unmap': there is no step 'chose'; did you mean 'choose'?",
    ],
    [
      'a step added to an action',
      ({ addStep }) => [addStep(['evict'], 'x', {}, { after: 'close' })],
      ", action 'evict': 'add step' does not apply to a whole action",
    ],
    [
      'an action added by a name that is taken',
      ({ addAction }) => [addAction('evict', {}, { actor: 'any', then: {} })],
      ": 'evict' names an action or procedure twice",
    ],
    [
      'the only step of a branch taken away',
      ({ drop }) => [drop(['unmap', 'give up']), drop(['unmap', 'say so']), drop(['unmap', 'go on'])],
      ", action 'unmap', step 'failed': the branch has no steps",
    ],
    ['no edits at all', () => [], ': has no edits'],
  ])('%s', (_, edits, problem) => {
    const error = errorOf(() => edited(edits));
    expect(error?.message).toBe(`model 'protocol', variant 'bug'${problem}`);
    expect(error?.place).toMatchObject({ model: 'protocol', variant: 'bug' });
  });
});

describe('a variant', () => {
  const spec = { doc: 'a bug', reference: 'CVE-1', edits: () => [] } as const;

  it('tells what it is, what it breaks and at which size that was recorded', () => {
    const [plain, sized] = variants(claims, {
      plain: { ...spec, violates: { 'never nine': 4 } },
      sized: { ...spec, violates: { 'never nine': 0 }, size: 'deep', set: { page: 2 } },
    }).variants;
    expect(plain).toMatchObject({
      name: 'plain',
      doc: 'a bug',
      reference: 'CVE-1',
      violates: { 'never nine': 4 },
      size: 'smoke',
      set: {},
    });
    expect(sized).toMatchObject({ size: 'deep', set: { page: 2 } });
  });

  it('must name a property that it breaks, with a number of steps', () => {
    const declare = (violates: Readonly<Record<string, number>>) => (): unknown =>
      variants(claims, { bug: { ...spec, violates } });
    expect(messageOf(declare({}))).toBe(
      "ModelError: model 'protocol', variant 'bug': names no property that it violates",
    );
    expect(messageOf(declare({ 'never nine': 1.5 }))).toBe(
      "ModelError: model 'protocol', variant 'bug': the recorded length 1.5 of 'never nine' is not a number of steps",
    );
    expect(messageOf(declare({ 'never nine': -1 }))).toContain('the recorded length -1');
  });

  it('is named by the errors that it makes', () => {
    const instance = edited(({ replace }) => [replace(['unmap', 'clear', 'add one'], (s) => void (s.n = 10))]);
    expect(instance.variant).toBe('bug');
    expect(messageOf(() => enabled(instance, start(instance)))).toBe(
      "ModelError: model 'protocol', variant 'bug', action 'unmap', step 'clear', 'add one', field n: 10 is not an integer from 0 to 9",
    );
  });
});
