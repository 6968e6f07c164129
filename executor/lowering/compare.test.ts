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
  queue,
  setOf,
  sort,
  step,
} from '../../language/index.ts';
import { differences, fieldsOf, fieldsRead } from './compare.ts';

const Page = sort('page');
const toy = model({
  name: 'toy',
  sizes: { smoke: { page: 2 }, ci: { page: 2 }, deep: { page: 2 } },
  state: {
    page: each(Page, { pte: oneOf('none', 'valid'), dirty: bool }),
    owner: optional({ of: Page, note: bool }),
    fifo: queue(3, { of: Page }),
    heap: bag(3, { of: Page, done: bool }),
    set: setOf(Page),
  },
  actions: ({ action, members }) => ({
    fill: action(
      {},
      {
        actor: 'any',
        then: {
          'all of it': (s) => {
            const [first, second] = members(Page);
            if (first === undefined || second === undefined) return;
            s.page[second].pte = 'valid';
            s.owner = { of: second, note: false };
            s.fifo.push({ of: second });
            s.fifo.push({ of: first });
            s.heap.add({ of: first, done: true });
            s.heap.add({ of: second, done: false });
            s.set.add(second);
          },
        },
      },
    ),
  }),
});
const instance = instantiate(toy);
const [initial] = initialStates(instance);
if (initial === undefined) throw new Error('there is an initial state');
const { state } = step(instance, initial, { type: 'fill' });

const same = {
  page: [
    { pte: 'none', dirty: false },
    { pte: 'valid', dirty: false },
  ],
  owner: { of: 1, note: false },
  fifo: [{ of: 1 }, { of: 0 }],
  heap: [
    { of: 1, done: false },
    { of: 0, done: true },
  ],
  set: [1],
};

describe('a state read off a machine', () => {
  it('is that of the model with bags and sets in any order, and whatever is left out', () => {
    expect(differences(instance, same, state)).toEqual([]);
    expect(differences(instance, { ...same, heap: same.heap.toReversed() }, state)).toEqual([]);
    expect(differences(instance, {}, state)).toEqual([]);
    expect(differences(instance, { page: [{ pte: 'none' }, { dirty: false }], owner: { note: false } }, state)).toEqual(
      [],
    );
  });

  it.each<[string, object, { field: string; model: string; machine: string }]>([
    ['a leaf', { page: [{ pte: 'valid' }, {}] }, { field: 'page[page0].pte', model: "'none'", machine: "'valid'" }],
    [
      'a value that the model does not have',
      { page: [{ pte: 'swapped' }, {}] },
      { field: 'page[page0].pte', model: "'none'", machine: '"swapped"' },
    ],
    [
      'a queue in another order',
      { fifo: [{ of: 0 }, { of: 1 }] },
      { field: 'fifo', model: '<{ of: page1 }, { of: page0 }>', machine: '<{ of: page0 }, { of: page1 }>' },
    ],
    [
      'a bag that has something twice',
      {
        heap: [
          { of: 0, done: true },
          { of: 0, done: true },
        ],
      },
      {
        field: 'heap',
        model: '{|{ of: page0, done: true }, { of: page1, done: false }|}',
        machine: '{|{ of: page0, done: true }, { of: page0, done: true }|}',
      },
    ],
    ['a set', { set: [] }, { field: 'set', model: '{page1}', machine: '{}' }],
    [
      'nothing where there is something',
      { owner: null },
      { field: 'owner', model: '{ of: page1, note: false }', machine: 'none' },
    ],
    ['a field inside of it', { owner: { note: true } }, { field: 'owner.note', model: 'false', machine: 'true' }],
    ['a field that the model does not have', { pages: 1 }, { field: '.pages', model: 'no such field', machine: '1' }],
  ])('differs in %s', (_what, machine, difference) => {
    expect(differences(instance, machine, state)).toEqual([difference]);
  });
});

it('the fields of a state, and those that were read, have no members', () => {
  expect(fieldsOf(instance)).toEqual(['page.pte', 'page.dirty', 'owner', 'fifo', 'heap', 'set']);
  expect(fieldsRead(instance, { page: [{}, { dirty: true }], heap: [] })).toEqual(['page.dirty', 'heap']);
});
