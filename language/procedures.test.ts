import { describe, expect, it } from 'vitest';
import { bool, enabled, instantiate, type Model, model, range, setOf, type State, step } from './index.ts';
import { Device, device0, device1, Page, page0, page1, sizes } from './one-action.fixture.ts';
import { messageOf, run, start } from './runs.fixture.ts';
import { counter, withSteps } from './steps.fixture.ts';

/** The steps that a model takes while it has no choice, at most `limit`, and the state after them. */
function trail(of: Model, limit = 20): { readonly steps: readonly (string | undefined)[]; readonly end: State } {
  const instance = instantiate(of);
  const steps: (string | undefined)[] = [];
  let state = start(instance) as State;
  while (steps.length < limit) {
    const [action, ...others] = enabled(instance, state as never) as readonly { readonly step?: string }[];
    if (action === undefined) break;
    if (others.length > 0) throw new Error(`a choice after ${steps.join(', ')}`);
    steps.push(action.step);
    ({ state } = step(instance, state as never, action as never));
  }
  return { steps, end: state };
}

const count = { then: { 'add one': (s: { n: number }) => void s.n++ } };

describe('a procedure', () => {
  it('takes its steps in order and is done', () => {
    const { steps, end } = trail(
      withSteps((b) => [b.step('one', count), b.step('two', count), b.step('three', count)]),
    );
    expect(steps).toEqual(['one', 'two', 'three']);
    expect(end).toMatchObject({ n: 3, work: { at: 'done' } });
  });

  it('with repeat starts again after its last step', () => {
    const repeating = withSteps((b) => [b.step('one', count), b.step('two', {})], { repeat: true });
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
            then: { flip: (s) => void (s.odd = true) },
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
      state: { total: range(0, 9) },
      actions: ({ procedure }) => ({
        visit: procedure(
          { device: Device },
          {
            actor: 'device',
            locals: { visited: setOf(Page), twice: bool },
            steps: (b) => [
              b.step('visit', {
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
              b.step('leave', { then: { forget: (_s, _p, me) => me.visited.clear() } }),
            ],
          },
        ),
      }),
    });
    const first = { type: 'visit', step: 'visit', device: device0, page: page1 } as const;
    const both = run(several, first, { ...first, device: device1, page: page0 });
    expect([...both.visit].map(({ at, visited, twice }) => ({ at, visited: [...visited], twice }))).toEqual([
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
  const branching = (odd: boolean, fused: boolean): Model =>
    withSteps(
      (b) => [
        b.step('before', count),
        b.branch('is it odd', {
          fused,
          if: (s) => s.odd,
          then: [b.step('odd', count), b.step('odder', {})],
          else: [b.step('even', {})],
        }),
        b.step('after', count),
      ],
      { initial: (s) => void (s.odd = odd) },
    );

  it('goes one way or the other, in a step of its own', () => {
    expect(trail(branching(true, false)).steps).toEqual(['before', 'is it odd', 'odd', 'odder', 'after']);
    expect(trail(branching(false, false)).steps).toEqual(['before', 'is it odd', 'even', 'after']);
  });

  it('that is fused is decided within the step before it', () => {
    expect(trail(branching(true, true)).steps).toEqual(['before', 'odd', 'odder', 'after']);
    expect(trail(branching(false, true)).steps).toEqual(['before', 'even', 'after']);
    expect(trail(branching(true, true), 1).end).toMatchObject({ work: { at: 'odd' } });
  });

  it('without else is passed over', () => {
    const skipping = withSteps((b) => [
      b.branch('is it odd', { if: (s) => s.odd, then: [b.step('odd', count)] }),
      b.step('after', count),
    ]);
    expect(trail(skipping).steps).toEqual(['is it odd', 'after']);
  });

  it('sees what the step that it is fused with has done, to the state and to the locals', () => {
    const seeing = withSteps(
      (b) => [
        b.step('before', { then: { 'set both': (s, _p, me) => void (me.seen = s.n = 4) } }),
        b.branch('both are set', {
          fused: true,
          if: (s, _p, me) => s.n === 4 && me.seen === 4,
          then: [b.step('yes', {})],
        }),
      ],
      { locals: { seen: range(0, 9) } },
    );
    expect(trail(seeing).steps).toEqual(['before', 'yes']);
  });

  it('that is fused at the beginning decides in the initial state, and again on each repetition', () => {
    const beginning = withSteps(
      (b) => [
        b.branch('none yet', {
          fused: true,
          if: (s) => s.n === 0,
          then: [b.step('first', count)],
          else: [b.step('later', count)],
        }),
      ],
      { repeat: true },
    );
    expect(start(beginning)).toMatchObject({ work: { at: 'first' } });
    expect(trail(beginning, 3).steps).toEqual(['first', 'later', 'later']);
  });
});

describe('a loop', () => {
  const test = 'less than three';
  const looping = (fused: boolean, from = 0): Model =>
    withSteps(
      (b) => [
        b.step('before', {}),
        b.loop(test, {
          fused,
          while: (s) => s.n < 3,
          do: [
            b.step('count', count),
            b.branch('two', { fused: true, if: (s) => s.n === 2, then: [b.step('two it is', {})] }),
          ],
        }),
        b.step('after', {}),
      ],
      { initial: (s) => void (s.n = from) },
    );

  it('repeats its steps while its test holds, each test a step of its own', () => {
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
      state: { seen: setOf(Page) },
      actions: ({ procedure, members }) => ({
        visit: procedure(
          {},
          {
            actor: 'cpu',
            locals: { left: setOf(Page) },
            steps: (b) => [
              b.step('list', {
                then: { 'take all': (_s, _p, me) => members(Page).forEach((page) => me.left.add(page)) },
              }),
              b.loop('some are left', {
                fused: true,
                while: (_s, _p, me) => !me.left.isEmpty,
                do: [
                  b.step('visit the first', {
                    choose: { page: Page },
                    when: { 'it is the first left': (_s, { page }, me) => [...me.left][0] === page },
                    then: {
                      'take it off the list': (_s, { page }, me) => me.left.delete(page),
                      'see it': (s, { page }) => s.seen.add(page),
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
    const endless = (from: number): Model =>
      withSteps(
        (b) => [
          b.step('before', count),
          b.loop('always', {
            fused: true,
            while: (s) => s.n > 0,
            do: [b.branch('never', { fused: true, if: (s) => s.n > 5, then: [b.step('unreached', {})] })],
          }),
        ],
        { initial: (s) => void (s.n = from) },
      );
    expect(messageOf(() => trail(endless(0)))).toMatch(
      /^ModelError: model 'steps', action 'work', step 'before', '(always|never)': the loop goes round for ever without a step in it$/,
    );
    expect(trail(endless(5), 4).steps).toEqual(['before', 'unreached', 'unreached', 'unreached']);
  });
});

describe('steps that are called', () => {
  it('have the prefix in front of their names, so that the same ones can be used twice', () => {
    const calling = withSteps((b) => {
      const wait = b.loop('once', { fused: true, while: (s) => s.n === 1, do: [b.step('count', count)] });
      const flush = [b.step('submit', count), b.branch('first', { if: (s) => s.n === 1, then: [wait] })];
      return [
        ...b.call('one', flush),
        ...b.call('two', flush),
        ...b.call('outer', b.call('inner', [b.step('end', {})])),
      ];
    });
    expect(trail(calling).steps).toEqual([
      'one: submit',
      'one: first',
      'one: count',
      'two: submit',
      'two: first',
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
            steps: (b) => [
              b.step('own', { actor: 'smmu', doc: 'the step', source: ['B-1', 'B-2'], fairness: 'strong' }),
              b.step('inherited', {}),
            ],
          },
        ),
      }),
    });
    const { rules } = instantiate(told);
    expect(rules.map(({ actor, doc, sources, fairness }) => ({ actor, doc, sources, fairness }))).toEqual([
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
            steps: (b) => [
              b.step('choose', {
                choose: { n: range(0, 5), far: bool },
                when: {
                  'it is even': (_s, { n }) => n % 2 === 0,
                  'only the first goes far': (_s, { page, far }) => !far || page === page0,
                },
                then: { 'take it': (s, { n }) => void (s.n = n) },
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
