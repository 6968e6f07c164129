/**
 * Protocols from the textbooks of which it is known what their runs come to, and under which fairness; each takes the fairness
 * of the steps in question.
 */
import {
  bool,
  each,
  type Fairness,
  type Member,
  model,
  oneOf,
  optional,
  properties,
  type PropertySet,
  range,
  sort,
} from '../../language/index.ts';

const Process = sort('process');
const two = { smoke: { process: 2 }, ci: { process: 2 }, deep: { process: 2 } };

/** Peterson's mutual exclusion. Nobody has to want in; who wants, goes on as `fairness` says. */
export function petersonWith(fairness: Fairness): PropertySet {
  const peterson = model({
    name: 'peterson',
    sizes: two,
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
              step('want', { then: { 'raise the flag': (s, { process }) => void (s.flag[process] = true) } }),
              step('give way', {
                fairness,
                then: { 'name the other': (s, { process }) => void (s.turn = other(process)) },
              }),
              step('wait', {
                fairness,
                when: {
                  'the other has no wish, or gives way': (s, { process }) =>
                    !s.flag[other(process)] || s.turn === process,
                },
              }),
              step('leave', {
                fairness,
                then: { 'lower the flag': (s, { process }) => void (s.flag[process] = false) },
              }),
            ],
          },
        ),
      };
    },
  });
  return properties(peterson, ({ invariant, leadsTo, eventually, recoverable, transition }) => ({
    exclusion: invariant({ holds: (s) => s.enter.filter(({ at }) => at === 'leave').length <= 1 }),
    'who wants gets in': leadsTo({
      forall: { process: Process },
      from: (s, { process }) => s.flag[process],
      to: (s, { process }) => s.enter[process].at === 'leave',
    }),
    'somebody gets in': eventually({ holds: (s) => s.enter.some(({ at }) => at === 'leave') }),
    'everybody can rest': recoverable({ holds: (s) => s.enter.every(({ at }) => at === 'want') }),
    'nobody overtakes who waits with the turn': transition({
      forall: { process: Process },
      given: (before, _action, _after, { process }) => before.turn === process && before.enter[process].at === 'wait',
      holds: (before, action, _after, { process }) =>
        action.step !== 'wait' || action.process === process || !before.flag[process],
    }),
  }));
}

/** Mutual exclusion by flags alone: who sees the other's flag lowers his own and tries again. */
export function politeWith(fairness: Fairness): PropertySet {
  const polite = model({
    name: 'polite',
    sizes: two,
    state: () => ({ flag: each(Process, bool), inside: each(Process, bool) }),
    actions: ({ procedure }) => ({
      enter: procedure(
        { process: Process },
        {
          actor: 'process',
          repeat: true,
          fairness,
          steps: ({ step, branch }) => [
            step('raise', { then: { 'the flag': (s, { process }) => void (s.flag[process] = true) } }),
            branch('both want', {
              if: (s) => s.flag.every((is) => is),
              then: [step('yield', { then: { 'lower the flag': (s, { process }) => void (s.flag[process] = false) } })],
              else: [
                step('enter', { then: { 'go in': (s, { process }) => void (s.inside[process] = true) } }),
                step('leave', {
                  then: {
                    'go out': (s, { process }) => {
                      s.inside[process] = false;
                      s.flag[process] = false;
                    },
                  },
                }),
              ],
            }),
          ],
        },
      ),
    }),
  });
  return properties(polite, ({ eventually, recoverable, invariant }) => ({
    exclusion: invariant({ holds: (s) => !s.inside.every((is) => is) }),
    'somebody gets in': eventually({ holds: (s) => s.inside.some((is) => is) }),
    'somebody can get in': recoverable({ holds: (s) => s.inside.some((is) => is) }),
  }));
}

/** The alternating bit protocol over channels of one message that lose. */
export function alternatingBitWith(receive: Fairness, acknowledge: Fairness): PropertySet {
  const protocol = model({
    name: 'alternating bit',
    sizes: { smoke: {}, ci: {}, deep: {} },
    state: () => ({ sends: bool, expects: bool, forth: optional(bool), back: optional(bool) }),
    actions: ({ action }) => ({
      send: action(
        {},
        {
          actor: 'sender',
          fairness: 'weak',
          when: { 'the channel is free': (s) => s.forth === null },
          then: { 'the message': (s) => void (s.forth = s.sends) },
        },
      ),
      receive: action(
        {},
        {
          actor: 'receiver',
          fairness: receive,
          when: { 'a message is there': (s) => s.forth !== null },
          then: {
            'accept and acknowledge it': (s) => {
              s.back = s.forth;
              if (s.forth === s.expects) s.expects = !s.expects;
              s.forth = null;
            },
          },
        },
      ),
      acknowledged: action(
        {},
        {
          actor: 'sender',
          fairness: acknowledge,
          when: { 'an acknowledgement is there': (s) => s.back !== null },
          then: {
            'go on to the next': (s) => {
              if (s.back === s.sends) s.sends = !s.sends;
              s.back = null;
            },
          },
        },
      ),
      loseMessage: action(
        {},
        {
          actor: 'channel',
          when: { 'a message is there': (s) => s.forth !== null },
          then: { 'lose it': (s) => void (s.forth = null) },
        },
      ),
      loseAcknowledgement: action(
        {},
        {
          actor: 'channel',
          when: { 'an acknowledgement is there': (s) => s.back !== null },
          then: { 'lose it': (s) => void (s.back = null) },
        },
      ),
    }),
  });
  return properties(protocol, ({ leadsTo, recoverable, transition }) => ({
    'each message is delivered': leadsTo({
      forall: { bit: bool },
      from: (s, { bit }) => s.sends === bit && s.expects === bit,
      to: (s, { bit }) => s.expects !== bit,
    }),
    'the next message follows': leadsTo({
      forall: { bit: bool },
      from: (s, { bit }) => s.sends === bit,
      to: (s, { bit }) => s.sends !== bit,
    }),
    'it can always go on': recoverable({ given: (s) => s.sends, holds: (s) => !s.sends }),
    'nothing is delivered twice': transition({
      given: (before, _action, after) => before.expects !== after.expects,
      holds: (before) => before.sends === before.expects,
    }),
  }));
}

const Philosopher = sort('philosopher', { ordered: true });

/** Philosophers who take one fork and then the other: all the left one first, or one of them the right one. */
export function philosophersWith(seats: number, fairness: Fairness, isOneRightHanded: boolean): PropertySet {
  const philosophers = model({
    name: 'philosophers',
    sizes: { smoke: { philosopher: seats }, ci: { philosopher: seats }, deep: { philosopher: seats } },
    state: () => ({ fork: each(Philosopher, optional(Philosopher)) }),
    actions: ({ procedure, next, index }) => {
      const first = (of: Member<'philosopher'>): Member<'philosopher'> =>
        isOneRightHanded && index(Philosopher, of) === 0 ? next(Philosopher, of) : of;
      const second = (of: Member<'philosopher'>): Member<'philosopher'> =>
        first(of) === of ? next(Philosopher, of) : of;
      return {
        dine: procedure(
          { philosopher: Philosopher },
          {
            actor: 'philosopher',
            repeat: true,
            steps: ({ step }) => [
              step('think', {}),
              step('take one', {
                fairness,
                when: { 'it is free': (s, { philosopher }) => s.fork[first(philosopher)] === null },
                then: { 'take it': (s, { philosopher }) => void (s.fork[first(philosopher)] = philosopher) },
              }),
              step('take the other', {
                fairness,
                when: { 'it is free': (s, { philosopher }) => s.fork[second(philosopher)] === null },
                then: { 'take it': (s, { philosopher }) => void (s.fork[second(philosopher)] = philosopher) },
              }),
              step('eat', {
                fairness: 'weak',
                then: {
                  'put both back': (s, { philosopher }) => {
                    s.fork[first(philosopher)] = null;
                    s.fork[second(philosopher)] = null;
                  },
                },
              }),
            ],
          },
        ),
      };
    },
  });
  return properties(philosophers, ({ leadsTo, recoverable }) => ({
    'somebody can eat': recoverable({ holds: (s) => s.dine.some(({ at }) => at === 'eat') }),
    'somebody eats': leadsTo({
      from: (s) => s.dine.some(({ at }) => at === 'take one'),
      to: (s) => s.dine.some(({ at }) => at === 'eat'),
    }),
    'who is hungry eats': leadsTo({
      forall: { philosopher: Philosopher },
      from: (s, { philosopher }) => s.dine[philosopher].at === 'take one',
      to: (s, { philosopher }) => s.dine[philosopher].at === 'eat',
    }),
  }));
}

const Client = sort('client');
const clients = { smoke: { client: 2 }, ci: { client: 2 }, deep: { client: 3 } };

/** A server that serves one client at a time, whichever it likes. */
export function serverWith(fairness: Fairness): PropertySet {
  const server = model({
    name: 'server',
    sizes: clients,
    state: () => ({ asks: each(Client, bool), served: optional(Client) }),
    actions: ({ action }) => ({
      ask: action(
        { client: Client },
        {
          actor: 'client',
          when: { 'it does not yet': (s, { client }) => !s.asks[client] && s.served !== client },
          then: { 'it does': (s, { client }) => void (s.asks[client] = true) },
        },
      ),
      serve: action(
        { client: Client },
        {
          actor: 'server',
          fairness,
          when: { 'it asks': (s, { client }) => s.asks[client], 'the server is free': (s) => s.served === null },
          then: {
            'begin to': (s, { client }) => {
              s.asks[client] = false;
              s.served = client;
            },
          },
        },
      ),
      finish: action(
        {},
        {
          actor: 'server',
          fairness: 'weak',
          when: { 'it serves': (s) => s.served !== null },
          then: { 'be free': (s) => void (s.served = null) },
        },
      ),
    }),
  });
  return properties(server, ({ leadsTo }) => ({
    'who asks is served': leadsTo({
      forall: { client: Client },
      from: (s, { client }) => s.asks[client],
      to: (s, { client }) => s.served === client,
    }),
    'the server becomes free': leadsTo({ from: (s) => s.served !== null, to: (s) => s.served === null }),
    'somebody is served': leadsTo({ from: (s) => s.asks.some((is) => is), to: (s) => s.served !== null }),
  }));
}

const Customer = sort('customer');

/** A mutex by tickets, which may forget to wait. */
export function ticketsWith(fairness: Fairness, isPatient = true): PropertySet {
  const tickets = model({
    name: 'tickets',
    sizes: { smoke: { customer: 2 }, ci: { customer: 3 }, deep: { customer: 4 } },
    state: ({ size }) => ({
      next: range(0, size.customer - 1),
      serving: range(0, size.customer - 1),
      ticket: each(Customer, range(0, size.customer - 1)),
    }),
    actions: ({ procedure, size }) => ({
      enter: procedure(
        { customer: Customer },
        {
          actor: 'customer',
          repeat: true,
          steps: ({ step }) => [
            step('take a ticket', {
              then: {
                'the next': (s, { customer }) => {
                  s.ticket[customer] = s.next;
                  s.next = (s.next + 1) % size.customer;
                },
              },
            }),
            step('wait', {
              fairness,
              when: { 'it is served': (s, { customer }) => !isPatient || s.serving === s.ticket[customer] },
            }),
            step('leave', {
              fairness,
              then: { 'call the next': (s) => void (s.serving = (s.serving + 1) % size.customer) },
            }),
          ],
        },
      ),
    }),
  });
  return properties(tickets, ({ leadsTo, transition, invariant, size }) => ({
    exclusion: invariant({ holds: (s) => s.enter.filter(({ at }) => at === 'leave').length <= 1 }),
    'who waits gets in': leadsTo({
      forall: { customer: Customer },
      from: (s, { customer }) => s.enter[customer].at === 'wait',
      to: (s, { customer }) => s.enter[customer].at === 'leave',
    }),
    'first come, first served': transition({
      forall: { early: Customer, late: Customer },
      given: (before, action, _after, { early, late }) =>
        action.step === 'wait' && action.customer === late && before.enter[early].at === 'wait' && early !== late,
      holds: (before, _action, _after, { early, late }) => {
        const behind = (of: Member<'customer'>): number =>
          (before.ticket[of] - before.serving + size.customer) % size.customer;
        return behind(late) < behind(early);
      },
    }),
  }));
}

/** A scheduler that runs one of two tasks, fair for each (`apart`) or only altogether. */
export function schedulerWith(fairness: Fairness, how: 'apart' | 'together'): PropertySet {
  const scheduler = model({
    name: 'scheduler',
    sizes: clients,
    state: () => ({ last: optional(Client) }),
    actions: ({ action, procedure }) =>
      how === 'apart'
        ? {
            run: action(
              { client: Client },
              { actor: 'scheduler', fairness, then: { 'run it': (s, { client }) => void (s.last = client) } },
            ),
          }
        : {
            run: procedure(
              {},
              {
                actor: 'scheduler',
                repeat: true,
                steps: ({ step }) => [
                  step('run one', {
                    fairness,
                    choose: { client: Client },
                    then: { 'run it': (s, { client }) => void (s.last = client) },
                  }),
                ],
              },
            ),
          },
  });
  return properties(scheduler, ({ eventually }) => ({
    'each is run': eventually({ forall: { client: Client }, holds: (s, { client }) => s.last === client }),
    'one is run': eventually({ holds: (s) => s.last !== null }),
  }));
}

/** A chain that goes on to its end, unless it takes a side way into a dead end, or into a ring that has no way out. */
export function chainWith(fairness: Fairness, side: 'none' | 'dead end' | 'ring'): PropertySet {
  const chain = model({
    name: 'chain',
    sizes: { smoke: { end: 40 }, ci: { end: 40 }, deep: { end: 400 } },
    state: ({ size: { end } }) => ({ at: range(0, end), on: oneOf('the way', 'the side', 'the other side') }),
    actions: ({ action, size: { end } }) => ({
      go: action(
        {},
        {
          actor: 'it',
          fairness,
          when: { 'the way goes on': (s) => s.at < end && s.on === 'the way' },
          then: { 'one step': (s) => void s.at++ },
        },
      ),
      turnOff: action(
        {},
        {
          actor: 'it',
          when: { 'there is a side way': (s) => side !== 'none' && s.at === 33 && s.on === 'the way' },
          then: { 'take it': (s) => void (s.on = 'the side') },
        },
      ),
      round: action(
        {},
        {
          actor: 'it',
          fairness,
          when: { 'it is in the ring': (s) => side === 'ring' && s.on !== 'the way' },
          then: { 'the other side': (s) => void (s.on = s.on === 'the side' ? 'the other side' : 'the side') },
        },
      ),
    }),
  });
  return properties(chain, ({ eventually, recoverable, leadsTo, transition, deadlockFree, size: { end } }) => ({
    'it comes to the end': eventually({ holds: (s) => s.at === end }),
    'it can come to the end': recoverable({ holds: (s) => s.at === end }),
    'from the middle to the end': leadsTo({ from: (s) => s.at === 20, to: (s) => s.at === end }),
    'there is no way back': transition({ holds: (before, _action, after) => after.at >= before.at }),
    'it goes one by one': transition({ holds: (before, _action, after) => after.at <= before.at + 1 }),
    'no step leads from 32 to 33': transition({
      holds: (before, _action, after) => before.at !== 32 || after.at !== 33,
    }),
    'nobody turns back': transition({
      given: (_before, action) => action.type === 'turnOff' && side === 'none',
      holds: () => false,
    }),
    'it ends': deadlockFree({ final: { 'at the end': (s) => s.at === end } }),
  }));
}
