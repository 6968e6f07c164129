import { describe, expect, it } from 'vitest';
import {
  bag,
  bool,
  each,
  instantiate,
  type Member,
  model,
  oneOf,
  optional,
  properties,
  type PropertySet,
  queue,
  range,
  sort,
} from '../../language/index.ts';
import { isOverTime, type Model, propertiesOf } from '../../language/index.ts';
import { protocols } from '../../properties/index.ts';
import { isDeep } from '../random/depth.fixture.ts';
import { type CheckResult, type PropertyResult, search, type SearchOptions } from '../index.ts';

const Client = sort('client');
const sizes = { smoke: { client: 2 }, ci: { client: 3 }, deep: { client: 4 } };
type Clients = Member<'client'>;

/** Clients that take a lock through a queue of requests; `special` says for whom it is otherwise. */
function locks(special: (client: Clients, members: readonly Clients[]) => boolean): Model {
  return model({
    name: 'locks',
    sizes,
    state: {
      client: each(Client, { at: oneOf('idle', 'waiting', 'holding') }),
      asked: queue(4, { by: Client }),
      told: bag(4, { to: Client }),
      owner: optional(Client),
    },
    actions: ({ action, members }) => ({
      ask: action(
        { client: Client },
        {
          actor: 'client',
          when: { 'it is idle': (s, { client }) => s.client[client].at === 'idle' },
          then: {
            'queue the request': (s, { client }) => {
              s.client[client].at = 'waiting';
              s.asked.push({ by: client });
            },
          },
        },
      ),
      grant: action(
        {},
        {
          actor: 'server',
          when: { 'the lock is free': (s) => s.owner === null && !s.asked.isEmpty },
          then: {
            'give it to the first': (s) => {
              const { by } = s.asked.shift();
              s.owner = by;
              s.told.add({ to: by });
            },
          },
        },
      ),
      take: action(
        { client: Client },
        {
          actor: 'client',
          when: { 'it was told': (s, { client }) => s.told.has({ to: client }) },
          then: {
            'hold the lock': (s, { client }) => {
              s.told.remove({ to: client });
              s.client[client].at = 'holding';
            },
          },
        },
      ),
      release: action(
        { client: Client },
        {
          actor: 'client',
          when: {
            'it holds the lock': (s, { client }) =>
              s.client[client].at === 'holding' || (s.client[client].at === 'idle' && special(client, members(Client))),
          },
          then: {
            'give it back': (s, { client }) => {
              s.client[client].at = 'idle';
              s.owner = null;
            },
          },
        },
      ),
    }),
  });
}

function one(of: Model): PropertySet {
  return properties(of, ({ invariant }) => ({
    'one at a time': invariant({
      holds: (s) =>
        [...(s as { readonly client: readonly { readonly at: string }[] }).client].filter(({ at }) => at === 'holding')
          .length < 2,
    }),
  }));
}

function told({ name, verdict, path }: PropertyResult): string {
  return `${name}: ${verdict}${path === undefined ? '' : ` ${path.actions.length}`}`;
}

describe('symmetry', () => {
  const fair = locks(() => false);
  const run = (of: Model, size: string, options: SearchOptions): CheckResult =>
    search(instantiate(of, size), [one(of)], { keepGoing: true, ...options });

  it('leaves one of the states that differ in names alone', () => {
    const whole = run(fair, 'deep', {});
    const reduced = run(fair, 'deep', { symmetry: true });
    expect(reduced.reductions?.symmetry).toEqual({ sorts: ['client'], refused: [] });
    // Nearly all of the 24 renamings make another state of a state.
    expect(whole.states / reduced.states).toBeGreaterThan(12);
    expect(reduced.properties.map(told)).toEqual(whole.properties.map(told));
  });

  it('is refused for a sort of which a member is treated in another way, and names the action and the branch', () => {
    const unfair = locks((client, [first]) => client === first);
    const { reductions, ...reduced } = run(unfair, 'ci', { symmetry: true });
    expect(reductions?.symmetry?.sorts).toEqual([]);
    expect(reductions?.symmetry?.refused).toEqual([
      {
        sort: 'client',
        reason: expect.stringMatching(/^action 'release' with client = client\d, where client\[client/) as string,
      },
    ]);
    expect(reduced).toMatchObject({ states: run(unfair, 'ci', {}).states, verdict: 'violated' });
  });

  it('is refused where a member is special from the start, or in a property', () => {
    const started = model({
      name: 'started',
      sizes,
      state: { first: Client, at: each(Client, { on: bool }) },
      actions: () => ({}),
    }) as Model;
    expect(search(instantiate(started), [], { symmetry: true }).reductions?.symmetry?.refused).toEqual([
      { sort: 'client', reason: 'the initial states' },
    ]);
    const asked = properties(fair, ({ reachable, members }) => ({
      'the first can hold it': reachable({
        holds: (s) =>
          (s as { readonly client: Readonly<Record<number, { readonly at: string }>> }).client[
            Number(members(Client)[0])
          ]?.at === 'holding',
      }),
    }));
    const { reductions, verdict } = search(instantiate(fair), [asked], { symmetry: true });
    expect(reductions?.symmetry?.refused[0]?.reason).toMatch(/^property 'the first can hold it'/);
    expect(verdict).toBe('holds');
  });

  it('is not tried for ordered sorts', () => {
    const Step = sort('step', { ordered: true });
    const ordered = model({
      name: 'ordered',
      sizes: { smoke: { step: 2 }, ci: { step: 3 }, deep: { step: 4 } },
      state: { at: each(Step, { on: bool }) },
      actions: () => ({}),
    }) as Model;
    expect(search(instantiate(ordered), [], { symmetry: true }).reductions?.symmetry).toEqual({
      sorts: [],
      refused: [],
    });
  });
});

const Thread = sort('thread');

/** Threads that each count privately, and then meet. */
const meeting = model({
  name: 'meeting',
  sizes: { smoke: { thread: 2 }, ci: { thread: 3 }, deep: { thread: 5 } },
  state: { met: range(0, 5), noise: range(0, 3) },
  actions: ({ action, procedure }) => ({
    work: procedure(
      { thread: Thread },
      {
        actor: 'thread',
        locals: { count: range(0, 3) },
        steps: ({ step }) => [
          step('one', { then: { 'count one': (_s, _p, me) => void (me.count = 1) } }),
          step('two', { then: { 'count two': (_s, _p, me) => void (me.count = 2) } }),
          step('meet', { then: { 'say so': (s) => void s.met++ } }),
        ],
      },
    ),
    flicker: action({}, { actor: 'noise', then: { 'change it': (s) => void (s.noise = (s.noise + 1) % 4) } }),
  }),
});
const meetingProperties = properties(meeting, ({ invariant, reachable, deadlockFree, size }) => ({
  'not more than there are': invariant({ holds: (s) => s.met <= size.thread }),
  'all meet': reachable({ holds: (s) => s.met === size.thread }),
  'noise is loud': reachable({ holds: (s) => s.noise === 3 }),
  'goes on': deadlockFree({}),
}));

describe('partial order', () => {
  it('explores one order of steps that no one else can notice', () => {
    const whole = search(instantiate(meeting), [meetingProperties]);
    const reduced = search(instantiate(meeting), [meetingProperties], { partialOrder: true });
    // Each thread goes through its private steps alone; the rest is as before: 4 * 4 ** 3 states against 4 * 4.
    expect(whole.states).toBe(4 * 4 ** 3);
    expect(reduced.states).toBeLessThan(whole.states / 3);
    expect(reduced.reductions?.partialOrder).toContain("work[thread0].at = 'one'".replaceAll("'", ''));
    expect(reduced.properties.map(({ verdict }) => verdict)).toEqual(whole.properties.map(({ verdict }) => verdict));
  });
});

describe('slicing', () => {
  it('keeps for each property what it depends on', () => {
    const whole = search(instantiate(meeting), [meetingProperties]);
    const sliced = search(instantiate(meeting), [meetingProperties], { slice: true });
    const noise = sliced.reductions?.slices?.find(({ properties: names }) => names.includes('noise is loud'));
    expect(noise).toMatchObject({ properties: ['noise is loud'], fields: 1, rules: 1, states: 4, transitions: 4 });
    expect(sliced.properties.map(told)).toEqual(whole.properties.map(told));
  });
});

describe('the shipped models', () => {
  const cases = protocols.flatMap(({ model: of, properties: sets }) =>
    [
      { symmetry: true },
      { slice: true },
      { partialOrder: true },
      { symmetry: true, slice: true, partialOrder: true },
    ].map((options) => [of.name, Object.keys(options).join(), of, sets, options] as const),
  );
  const wholes = new Map<string, CheckResult>();
  it('are symmetric where they have two members of a sort', () => {
    const [first] = protocols;
    const result = first && search(instantiate(first.model, 'ci'), [], { symmetry: true });
    expect(result?.reductions?.symmetry?.sorts).toEqual(['endpoint']);
  });

  it.each(cases)('%s has the same verdicts with %s', (_name, _options, of, sets, options) => {
    // The others take long at size ci.
    const isQuick = of.name.startsWith('atc-invalidation');
    for (const size of isDeep || isQuick ? ['smoke', 'ci'] : ['smoke']) {
      const instance = instantiate(of, size);
      // Properties over time are left undecided where states or steps are left out.
      const only = propertiesOf(instance, sets)
        .filter((property) => !isOverTime(property))
        .map(({ name }) => name);
      const whole = wholes.get(`${of.name} ${size}`) ?? search(instance, sets, { properties: only });
      wholes.set(`${of.name} ${size}`, whole);
      const reduced = search(instance, sets, { ...options, properties: only });
      const facts = ({ properties: all }: CheckResult): readonly string[] =>
        all.map('partialOrder' in options ? ({ name, verdict }) => `${name}: ${verdict}` : told);
      expect(facts(reduced)).toEqual(facts(whole));
    }
  });
});
