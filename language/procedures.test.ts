import { describe, expect, it } from 'vitest';
import { bool, enabled, instantiate, type Model, model, range, setOf, type State, step } from './index.ts';
import { Device, device0, device1, Page, page0, page1, sizes } from './one-action.fixture.ts';
import { messageOf, run, start } from './runs.fixture.ts';

/** The steps that a model takes while it has no choice, at most `limit`, and the state after them. */
function trail(of: Model, limit = 20): { readonly steps: readonly string[]; readonly end: State } {
  const instance = instantiate(of);
  const steps: string[] = [];
  let state = start(instance) as State;
  while (steps.length < limit) {
    const [action, ...others] = enabled(instance, state as never) as readonly { readonly step: string }[];
    if (action === undefined) break;
    if (others.length > 0) throw new Error(`a choice after ${steps.join(', ')}`);
    steps.push(action.step);
    ({ state } = step(instance, state as never, action as never));
  }
  return { steps, end: state };
}

const counter = { name: 'counter', sizes, state: () => ({ n: range(0, 9), odd: bool }) };
type Counter = { n: number; odd: boolean };
const count = {
  then: {
    'add one': (s: Counter) => {
      s.n++;
    },
  },
};

describe('a procedure', () => {
  it('takes its steps in order and is done', () => {
    const ordered = model({
      ...counter,
      actions: ({ procedure }) => ({
        work: procedure(
          {},
          { actor: 'cpu', steps: (b) => [b.step('one', count), b.step('two', count), b.step('three', count)] },
        ),
      }),
    });
    const { steps, end } = trail(ordered);
    expect(steps).toEqual(['one', 'two', 'three']);
    expect(end).toMatchObject({ n: 3, work: { at: 'done' } });
  });

  it('with repeat starts again after its last step', () => {
    const repeating = model({
      ...counter,
      actions: ({ procedure }) => ({
        work: procedure({}, { actor: 'cpu', repeat: true, steps: (b) => [b.step('one', count), b.step('two', {})] }),
      }),
    });
    expect(trail(repeating, 5).steps).toEqual(['one', 'two', 'one', 'two', 'one']);
  });

  it('waits at a step whose guard does not hold, until another action makes it hold', () => {
    const waiting = model({
      ...counter,
      actions: ({ action, procedure }) => ({
        work: procedure(
          {},
          {
            actor: 'cpu',
            steps: (b) => [b.step('wait', { when: { 'it is odd': (s) => s.odd } }), b.step('go on', count)],
          },
        ),
        flip: action(
          {},
          {
            actor: 'world',
            when: { 'it is even': (s) => !s.odd },
            then: {
              flip: (s) => {
                s.odd = true;
              },
            },
          },
        ),
      }),
    });
    const { steps, end } = trail(waiting);
    expect(steps).toEqual([undefined, 'wait', 'go on']);
    expect(end).toMatchObject({ n: 1, work: { at: 'done' } });
  });

  it('has an instance for each member of its sort, each at its own place with its own locals', () => {
    const several = model({
      name: 'several',
      sizes,
      state: () => ({ total: range(0, 9) }),
      actions: ({ procedure }) => ({
        visit: procedure(
          { device: Device },
          {
            actor: 'device',
            locals: { visited: setOf(Page), twice: bool },
            steps: ({ step: one }) => [
              one('visit', {
                choose: { page: Page },
                when: { 'it is new': (_s, { page }, me) => !me.visited.has(page) },
                then: {
                  note: (s, { device, page }, me) => {
                    me.visited.add(page);
                    me.twice = device === device1;
                    s.total++;
                  },
                },
              }),
              one('leave', { then: { forget: (_s, _p, me) => me.visited.clear() } }),
            ],
          },
        ),
      }),
    });
    const first = { type: 'visit', step: 'visit', device: device0, page: page1 } as const;
    const after = run(several, first, { ...first, device: device1, page: page0 });
    expect([...after.visit].map(({ at, visited, twice }) => ({ at, visited: [...visited], twice }))).toEqual([
      { at: 'leave', visited: [1], twice: false },
      { at: 'leave', visited: [0], twice: true },
    ]);
    const one = run(several, first);
    expect(one.visit[device1].at).toBe('visit');
    expect(enabled(several, one)).toEqual([
      { type: 'visit', step: 'visit', device: 1, page: 0 },
      { type: 'visit', step: 'visit', device: 1, page: 1 },
      { type: 'visit', step: 'visit', device: 1, page: 2 },
      { type: 'visit', step: 'leave', device: 0 },
    ]);
  });
});

describe('a branch', () => {
  const branching = (odd: boolean, fused: boolean) =>
    model({
      ...counter,
      initial: (s) => {
        s.odd = odd;
      },
      actions: ({ procedure }) => ({
        work: procedure(
          {},
          {
            actor: 'cpu',
            steps: ({ step: one, branch }) => [
              one('before', count),
              branch('is it odd', {
                fused,
                if: (s) => s.odd,
                then: [one('odd', count), one('odder', {})],
                else: [one('even', {})],
              }),
              one('after', count),
            ],
          },
        ),
      }),
    });

  it('goes one way or the other, in a step of its own', () => {
    expect(trail(branching(true, false)).steps).toEqual(['before', 'is it odd', 'odd', 'odder', 'after']);
    expect(trail(branching(false, false)).steps).toEqual(['before', 'is it odd', 'even', 'after']);
  });

  it('that is fused is decided within the step before it', () => {
    expect(trail(branching(true, true)).steps).toEqual(['before', 'odd', 'odder', 'after']);
    expect(trail(branching(false, true)).steps).toEqual(['before', 'even', 'after']);
    expect(run(branching(true, true), { type: 'work', step: 'before' }).work.at).toBe('odd');
  });

  it('without else is passed over', () => {
    const skipping = model({
      ...counter,
      actions: ({ procedure }) => ({
        work: procedure(
          {},
          {
            actor: 'cpu',
            steps: ({ step: one, branch }) => [
              branch('is it odd', { if: (s) => s.odd, then: [one('odd', count)] }),
              one('after', count),
            ],
          },
        ),
      }),
    });
    expect(trail(skipping).steps).toEqual(['is it odd', 'after']);
  });

  it('sees what the step that it is fused with has done, to the state and to the locals', () => {
    const seeing = model({
      ...counter,
      actions: ({ procedure }) => ({
        work: procedure(
          {},
          {
            actor: 'cpu',
            locals: { seen: range(0, 9) },
            steps: ({ step: one, branch }) => [
              one('before', {
                then: {
                  'set both': (s, _p, me) => {
                    s.n = 4;
                    me.seen = s.n;
                  },
                },
              }),
              branch('both are set', {
                fused: true,
                if: (s, _p, me) => s.n === 4 && me.seen === 4,
                then: [one('yes', {})],
              }),
            ],
          },
        ),
      }),
    });
    expect(trail(seeing).steps).toEqual(['before', 'yes']);
  });

  it('that is fused at the beginning decides in the initial state, and again on each repetition', () => {
    const beginning = model({
      ...counter,
      actions: ({ procedure }) => ({
        work: procedure(
          {},
          {
            actor: 'cpu',
            repeat: true,
            steps: ({ step: one, branch }) => [
              branch('none yet', {
                fused: true,
                if: (s) => s.n === 0,
                then: [one('first', count)],
                else: [one('later', count)],
              }),
            ],
          },
        ),
      }),
    });
    expect(start(beginning).work.at).toBe('first');
    expect(trail(beginning, 3).steps).toEqual(['first', 'later', 'later']);
  });
});

describe('a loop', () => {
  const looping = (fused: boolean, from = 0) =>
    model({
      ...counter,
      initial: (s) => {
        s.n = from;
      },
      actions: ({ procedure }) => ({
        work: procedure(
          {},
          {
            actor: 'cpu',
            steps: ({ step: one, loop, branch }) => [
              one('before', {}),
              loop('less than three', {
                fused,
                while: (s) => s.n < 3,
                do: [
                  one('count', count),
                  branch('two', { fused: true, if: (s) => s.n === 2, then: [one('two it is', {})] }),
                ],
              }),
              one('after', {}),
            ],
          },
        ),
      }),
    });

  it('repeats its steps while its test holds, each test a step of its own', () => {
    const test = 'less than three';
    const round = [test, 'count'];
    expect(trail(looping(false)).steps).toEqual(['before', ...round, ...round, 'two it is', ...round, test, 'after']);
    expect(trail(looping(false, 3)).steps).toEqual(['before', test, 'after']);
  });

  it('that is fused is tested within the step before it', () => {
    expect(trail(looping(true)).steps).toEqual(['before', 'count', 'count', 'two it is', 'count', 'after']);
    expect(trail(looping(true, 3)).steps).toEqual(['before', 'after']);
  });

  it('over a set of members visits each of them once', () => {
    const visiting = model({
      name: 'visiting',
      sizes,
      state: () => ({ order: setOf(Page) }),
      actions: ({ procedure, members }) => ({
        visit: procedure(
          {},
          {
            actor: 'cpu',
            locals: { left: setOf(Page) },
            steps: ({ step: one, loop }) => [
              one('list', { then: { 'take all': (_s, _p, me) => members(Page).forEach((page) => me.left.add(page)) } }),
              loop('some are left', {
                fused: true,
                while: (_s, _p, me) => !me.left.isEmpty,
                do: [
                  one('visit the first', {
                    choose: { page: Page },
                    when: { 'it is the first left': (_s, { page }, me) => [...me.left][0] === page },
                    then: {
                      'do it': (s, { page }, me) => {
                        me.left.delete(page);
                        s.order.add(page);
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
    const { steps, end } = trail(visiting);
    expect(steps).toEqual(['list', 'visit the first', 'visit the first', 'visit the first']);
    expect(end).toMatchObject({ visit: { at: 'done' } });
  });

  it('that is fused and comes to no step is an error, in the name of its test', () => {
    const endless = (from: number) =>
      model({
        ...counter,
        initial: (s) => {
          s.n = from;
        },
        actions: ({ procedure }) => ({
          work: procedure(
            {},
            {
              actor: 'cpu',
              steps: ({ step: one, loop, branch }) => [
                one('before', count),
                loop('always', {
                  fused: true,
                  while: (s) => s.n > 0,
                  do: [branch('never', { fused: true, if: (s) => s.n > 5, then: [one('unreached', {})] })],
                }),
              ],
            },
          ),
        }),
      });
    expect(messageOf(() => enabled(endless(0), start(endless(0))))).toMatch(
      /^ModelError: model 'counter', action 'work', step 'before', '(always|never)': the loop goes round for ever without a step in it$/,
    );
    expect(trail(endless(5)).steps).toEqual(['before', ...Array.from({ length: 19 }, () => 'unreached')]);
  });
});

describe('steps that are called', () => {
  it('have the prefix in front of their names, so that the same ones can be used twice', () => {
    const calling = model({
      ...counter,
      actions: ({ procedure }) => ({
        work: procedure(
          {},
          {
            actor: 'cpu',
            steps: ({ step: one, branch, call }) => {
              const flush = [
                one('submit', count),
                branch('odd', { if: (s) => s.n === 1, then: [one('wait', {})] }),
              ] as const;
              return [
                ...call('first', flush),
                ...call('second', flush),
                ...call('outer', call('inner', [one('end', {})])),
              ];
            },
          },
        ),
      }),
    });
    expect(trail(calling).steps).toEqual([
      'first: submit',
      'first: odd',
      'first: wait',
      'second: submit',
      'second: odd',
      'outer: inner: end',
    ]);
  });
});

describe('a step of a procedure', () => {
  it('may have another actor, source and fairness than its procedure, and otherwise those of the procedure', () => {
    const told = model({
      ...counter,
      actions: ({ procedure }) => ({
        work: procedure(
          {},
          {
            actor: 'cpu',
            doc: 'the procedure',
            source: 'A-1',
            fairness: 'weak',
            steps: ({ step: one }) => [
              one('own', { actor: 'smmu', doc: 'the step', source: ['B-1', 'B-2'], fairness: 'strong' }),
              one('inherited', {}),
            ],
          },
        ),
      }),
    });
    const about = instantiate(told).rules.map(({ actor, doc, sources, fairness }) => ({
      actor,
      doc,
      sources,
      fairness,
    }));
    expect(about).toEqual([
      { actor: 'smmu', doc: 'the step', sources: ['B-1', 'B-2'], fairness: 'strong' },
      { actor: 'cpu', doc: 'the procedure', sources: ['A-1'], fairness: 'weak' },
    ]);
  });

  it('that chooses is enabled for each choice that its guards admit', () => {
    const choosing = model({
      ...counter,
      actions: ({ procedure }) => ({
        work: procedure(
          { page: Page },
          {
            actor: 'cpu',
            steps: ({ step: one }) => [
              one('choose', {
                choose: { n: range(0, 5), far: bool },
                when: {
                  'it is even': (_s, { n }) => n % 2 === 0,
                  'only the first goes far': (_s, { page, far }) => !far || page === page0,
                },
                then: {
                  'take it': (s, { n }) => {
                    s.n = n;
                  },
                },
              }),
            ],
          },
        ),
      }),
    });
    const actions = enabled(choosing, start(choosing));
    expect(actions).toHaveLength(3 * 2 + 3 + 3);
    expect(actions).toContainEqual({ type: 'work', step: 'choose', page: 0, n: 4, far: true });
    expect(run(choosing, { type: 'work', step: 'choose', page: page1, n: 4, far: false }).n).toBe(4);
  });
});
