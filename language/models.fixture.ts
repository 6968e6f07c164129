/**
 * Small protocols whose state spaces are known: from the literature, or in closed form.
 */
import { bag, bool, each, type Member, model, optional, properties, queue, range, sort, variants } from './index.ts';

const Process = sort('process');

/** Peterson's mutual exclusion for two processes: 20 states and 34 transitions. */
export const peterson = model({
  name: 'peterson',
  sizes: { smoke: { process: 2 }, ci: { process: 2 }, deep: { process: 2 } },
  state: () => ({ flag: each(Process, bool), turn: Process }),
  actions: ({ procedure, members }) => {
    const other = (process: Member<'process'>): Member<'process'> =>
      members(Process).find((candidate) => candidate !== process) ?? process;
    return {
      enter: procedure(
        { process: Process },
        {
          actor: 'process',
          repeat: true,
          steps: ({ step }) => [
            step('raise the flag', {
              then: {
                'set it': (s, { process }) => {
                  s.flag[process] = true;
                },
              },
            }),
            step('give way', {
              then: {
                'name the other': (s, { process }) => {
                  s.turn = other(process);
                },
              },
            }),
            step('wait', {
              when: {
                'the other has no wish, or gives way': (s, { process }) =>
                  !s.flag[other(process)] || s.turn === process,
              },
            }),
            step('leave', {
              then: {
                'lower the flag': (s, { process }) => {
                  s.flag[process] = false;
                },
              },
            }),
          ],
        },
      ),
    };
  },
});

export const petersonProperties = properties(peterson, ({ invariant, reachable }) => ({
  'at most one is inside': invariant({ holds: (s) => s.enter.filter(({ at }) => at === 'leave').length <= 1 }),
  'one is inside': reachable({
    exists: { process: Process },
    holds: (s, { process }) => s.enter[process].at === 'leave',
  }),
}));

export const petersonVariants = variants(petersonProperties, {
  'gives way too early': {
    doc: 'each process first names the other and then raises its flag',
    reference: 'Peterson 1981: the order of the two writes matters',
    violates: { 'at most one is inside': 6 },
    edits: ({ move }) => [move(['enter', 'give way'], { before: 'raise the flag' })],
  },
});

const Node = sort('node', { ordered: true });

/** A token that goes round; its holder may work once: two states and two transitions for each node. */
export const tokenRing = model({
  name: 'token-ring',
  sizes: { smoke: { node: 2 }, ci: { node: 5 }, deep: { node: 50 } },
  state: () => ({ holder: Node, works: bool }),
  actions: ({ action, next }) => ({
    work: action(
      { node: Node },
      {
        actor: 'node',
        when: { 'it has the token': (s, { node }) => s.holder === node, 'it has not worked': (s) => !s.works },
        then: {
          'start to work': (s) => {
            s.works = true;
          },
        },
      },
    ),
    pass: action(
      { node: Node },
      {
        actor: 'node',
        when: { 'it has the token': (s, { node }) => s.holder === node, 'it has worked': (s) => s.works },
        then: {
          'give the token to the next': (s, { node }) => {
            s.holder = next(Node, node);
            s.works = false;
          },
        },
      },
    ),
  }),
});

/** Messages that arrive in the order in which they were sent. */
export const channel = model({
  name: 'channel',
  sizes: {
    smoke: { capacity: 1, values: 2 },
    ci: { capacity: 3, values: 4 },
    deep: { capacity: 8, values: 4 },
  },
  state: ({ size }) => ({ wire: queue(size.capacity, range(1, size.values)) }),
  actions: ({ action, size }) => ({
    send: action(
      { message: range(1, size.values) },
      {
        actor: 'sender',
        when: { 'there is room': (s) => !s.wire.isFull },
        then: { 'put it on the wire': (s, { message }) => s.wire.push(message) },
      },
    ),
    receive: action(
      {},
      {
        actor: 'receiver',
        when: { 'a message is there': (s) => !s.wire.isEmpty },
        then: { 'take the oldest': (s) => void s.wire.shift() },
      },
    ),
  }),
});

/** Messages that arrive in any order. */
export const pool = model({
  name: 'pool',
  sizes: channel.sizes as { smoke: Pool; ci: Pool; deep: Pool },
  state: ({ size }) => ({ wire: bag(size.capacity, { value: range(1, size.values) }) }),
  actions: ({ action, size }) => ({
    send: action(
      { value: range(1, size.values) },
      {
        actor: 'sender',
        when: { 'there is room': (s) => !s.wire.isFull },
        then: { 'put it on the wire': (s, message) => s.wire.add(message) },
      },
    ),
    receive: action(
      { value: range(1, size.values) },
      {
        actor: 'receiver',
        when: { 'such a message is there': (s, message) => s.wire.has(message) },
        then: { 'take it': (s, message) => void s.wire.remove(message) },
      },
    ),
  }),
});
type Pool = { capacity: number; values: number };

const Seat = sort('seat', { ordered: true });

/** Philosophers who take the fork to their left first: all of them can starve after as many steps as there are seats. */
export const philosophers = model({
  name: 'philosophers',
  sizes: { smoke: { seat: 2 }, ci: { seat: 3 }, deep: { seat: 5 } },
  state: () => ({ fork: each(Seat, optional(Seat)) }),
  actions: ({ procedure, next }) => ({
    dine: procedure(
      { seat: Seat },
      {
        actor: 'philosopher',
        repeat: true,
        steps: ({ step }) => [
          step('take the left fork', {
            when: { 'it is there': (s, { seat }) => s.fork[seat] === null },
            then: {
              'hold it': (s, { seat }) => {
                s.fork[seat] = seat;
              },
            },
          }),
          step('take the right fork', {
            when: { 'it is there': (s, { seat }) => s.fork[next(Seat, seat)] === null },
            then: {
              'hold it': (s, { seat }) => {
                s.fork[next(Seat, seat)] = seat;
              },
            },
          }),
          step('put both back', {
            then: {
              'let go': (s, { seat }) => {
                s.fork[seat] = null;
                s.fork[next(Seat, seat)] = null;
              },
            },
          }),
        ],
      },
    ),
  }),
});
