import { describe, expect, it } from 'vitest';
import { allNodes, type Definition, type NodeDefinition } from './definition.ts';
import { type Edits, edited, protocol } from './edits.fixture.ts';
import { enabled, instantiate, type Instance, range, type StateOf } from './index.ts';
import { messageOf, run, start } from './runs.fixture.ts';

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
