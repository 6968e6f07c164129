import { describe, expect, it } from 'vitest';
import { type Edits, edited } from './edits.fixture.ts';
import { bool } from './index.ts';
import { errorOf } from './runs.fixture.ts';

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
