import { describe, expect, it } from 'vitest';
import { bool, instantiate, model, properties, range, variants } from '../../language/index.ts';
import { hardwareEdits } from './hardware-edits.ts';

const toy = model({
  name: 'toy',
  state: { n: range(0, 3), on: bool },
  actions: ({ action, procedure }) => ({
    click: action(
      {},
      {
        actor: 'device',
        when: { 'it is on': (s) => s.on, 'there is room': (s) => s.n < 3 },
        then: {
          count: (s) => {
            s.n++;
          },
          rest: (s) => {
            s.on = false;
          },
        },
      },
    ),
    blink: action({}, { actor: 'device', then: { toggle: () => {} } }),
    press: action(
      {},
      {
        actor: 'driver',
        when: { 'it is off': (s) => !s.on },
        then: {
          start: (s) => {
            s.on = true;
          },
        },
      },
    ),
    engine: procedure(
      {},
      {
        actor: 'device',
        repeat: true,
        steps: ({ step, branch }) => [
          step('fetch', { then: { 'read it': () => {} } }),
          branch('it is valid', {
            fused: true,
            if: (s) => s.on,
            then: [step('use', { then: { 'use it': () => {} } })],
          }),
          step('told', { actor: 'driver', then: { 'note it': () => {} } }),
        ],
      },
    ),
  }),
});
const claims = properties(toy, ({ invariant }) => ({ fine: invariant({ holds: (s) => s.n < 3 }) }));

function edited(edits: Parameters<typeof variants<typeof toy, 'fine'>>[1][string]['edits']): readonly unknown[] {
  const [variant] = variants(claims, {
    v: { doc: 'x', reference: 'y', violates: { fine: 1 }, ...(edits === undefined ? {} : { edits }) },
  }).variants;
  if (variant === undefined) throw new Error('there is a variant');
  return hardwareEdits(instantiate(toy, 'ci', { variant: variant.edit }), ['device']);
}

describe('an edit by which hardware can do more', () => {
  it.each<[string, Parameters<typeof edited>[0], unknown]>([
    [
      'a dropped guard',
      ({ drop }) => [drop(['click', 'it is on'])],
      { action: 'click', part: 'it is on', edit: 'drop' },
    ],
    ['a dropped effect', ({ drop }) => [drop(['click', 'rest'])], { action: 'click', part: 'rest', edit: 'drop' }],
    [
      'a replaced guard',
      ({ replace }) => [replace(['click', 'it is on'], (s) => s.on)],
      { action: 'click', part: 'it is on', edit: 'replace' },
    ],
    [
      'a replaced effect',
      ({ replace }) => [replace(['click', 'count'], () => {})],
      { action: 'click', part: 'count', edit: 'replace' },
    ],
    [
      'an added effect',
      ({ addEffect }) => [addEffect(['click'], 'more', () => {})],
      { action: 'click', part: 'more', edit: 'add' },
    ],
    [
      'effects in another order',
      ({ move }) => [move(['click', 'rest'], { before: 'count' })],
      { action: 'click', edit: 'order' },
    ],
    [
      'a new action',
      ({ addAction }) => [addAction('burst', {}, { actor: 'device', then: {} })],
      { action: 'burst', edit: 'add' },
    ],
    [
      'a step that is left out',
      ({ drop }) => [drop(['engine', 'fetch'])],
      { action: 'engine', step: 'fetch', edit: 'drop' },
    ],
    [
      'a decision by another test',
      ({ replace }) => [replace(['engine', 'it is valid'], () => true)],
      { action: 'engine', part: 'it is valid', edit: 'replace' },
    ],
    [
      'steps in another order',
      ({ move }) => [move(['engine', 'fetch'], { after: 'told' })],
      { action: 'engine', edit: 'order' },
    ],
  ])('%s', (_name, edits, expected) => {
    expect(edited(edits)).toEqual([expected]);
  });
});

describe('no edit by which hardware can do more', () => {
  it.each<[string, Parameters<typeof edited>[0]]>([
    ['another guard', ({ addGuard }) => [addGuard(['click'], 'it may', (s) => s.on)]],
    ['an action that it never takes', ({ drop }) => [drop(['blink'])]],
    ['an edit of software', ({ drop }) => [drop(['press', 'it is off'])]],
    ['a software step of a procedure of hardware', ({ drop }) => [drop(['engine', 'told'])]],
  ])('%s', (_name, edits) => {
    expect(edited(edits)).toEqual([]);
  });
});
