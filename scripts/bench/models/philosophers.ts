/**
 * Dining philosophers who take one fork after the other and put them back in the same order. The first of them begins with the
 * other fork, so that there is no deadlock.
 */
/* oxlint-disable typescript/unbound-method -- as for the protocols in model/: what a model is built with needs no `this` */
import { bool, each, model, properties, sort } from '../../../language/index.ts';

const Seat = sort('seat', { ordered: true });

export const philosophers = model({
  name: 'bench/philosophers',
  doc: 'Philosophers around a table, with one fork between each two.',
  sizes: { smoke: { seat: 4 }, ci: { seat: 9 }, medium: { seat: 13 }, deep: { seat: 14 } },
  state: {
    /** The fork on the left of each seat; on the right of the last one is that of the first. */
    fork: each(Seat, { taken: bool }),
  },
  actions: ({ procedure, first, next }) => {
    type Philosopher = ReturnType<typeof first<'seat'>>;
    const firstFork = (seat: Philosopher): Philosopher => (seat === first(Seat) ? next(Seat, seat) : seat);
    const secondFork = (seat: Philosopher): Philosopher => (seat === first(Seat) ? seat : next(Seat, seat));
    return {
      philosopher: procedure(
        { seat: Seat },
        {
          actor: 'philosopher',
          repeat: true,
          steps: ({ step }) => [
            step('take a fork', {
              when: { 'it is there': (s, { seat }) => !s.fork[firstFork(seat)].taken },
              then: { 'take it': (s, { seat }) => void (s.fork[firstFork(seat)].taken = true) },
            }),
            step('take the other', {
              when: { 'it is there': (s, { seat }) => !s.fork[secondFork(seat)].taken },
              then: { 'take it': (s, { seat }) => void (s.fork[secondFork(seat)].taken = true) },
            }),
            step('eat', {
              then: { 'put the first fork back': (s, { seat }) => void (s.fork[firstFork(seat)].taken = false) },
            }),
            step('think', {
              then: { 'put the other back': (s, { seat }) => void (s.fork[secondFork(seat)].taken = false) },
            }),
          ],
        },
      ),
    };
  },
});

export const philosophersProperties = properties(philosophers, ({ invariant, next }) => ({
  'neighbours never eat at once': invariant({
    forall: { seat: Seat },
    given: (s, { seat }) => s.philosopher[seat].at === 'eat',
    holds: (s, { seat }) => s.philosopher[next(Seat, seat)].at !== 'eat',
  }),
}));
