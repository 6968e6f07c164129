import fc from 'fast-check';
import { applyPatches, enablePatches } from 'immer';
import { describe, expect, it } from 'vitest';
import {
  type ActionOf,
  bag,
  bool,
  each,
  enabled,
  initialStates,
  instantiate,
  model,
  oneOf,
  optional,
  queue,
  range,
  sort,
  type StateOf,
  step,
} from './index.ts';
import { channel, peterson, philosophers, pool, tokenRing } from './models.fixture.ts';
import { after, Device, Page, page0, page1, page2, sizes, stepOf } from './one-action.fixture.ts';
import { messageOf, run, start } from './runs.fixture.ts';

enablePatches();

describe('the initial states', () => {
  const shape = { level: range(2, 5), mode: oneOf('idle', 'busy') };
  const base = { name: 'start', sizes, state: () => shape, actions: () => ({}) };

  it('are by default the one in which each field has the first value of its domain', () => {
    expect(initialStates(model(base))).toEqual([{ level: 2, mode: 'idle' }]);
  });

  it('are the one that a function makes of the first values', () => {
    const busy = model({
      ...base,
      initial: (s) => {
        s.mode = 'busy';
      },
    });
    expect(initialStates(busy)).toEqual([{ level: 2, mode: 'busy' }]);
  });

  it('are one for each choice that the condition admits, each of them once', () => {
    const several = model({
      ...base,
      initial: {
        choose: { level: range(2, 5), unused: bool },
        when: (s, { level }) => level !== 3 && s.level === 2,
        then: (s, { level }) => {
          s.level = level;
        },
      },
    });
    expect(initialStates(several).map(({ level }) => level)).toEqual([2, 4, 5]);
  });

  it('may be chosen freely, without a condition', () => {
    const any = model({
      ...base,
      initial: {
        choose: { level: range(2, 3), mode: oneOf('idle', 'busy') },
        then: (s, choice) => Object.assign(s, choice),
      },
    });
    expect(initialStates(any)).toHaveLength(4);
  });

  it('must not be none', () => {
    const none = model({ ...base, initial: { choose: { level: bool }, when: () => false, then: () => undefined } });
    expect(messageOf(() => initialStates(none))).toBe("ModelError: model 'start': there is no initial state");
  });

  it('must lie in their domain', () => {
    const outside = model({
      ...base,
      initial: (s) => {
        s.level = 6;
      },
    });
    expect(messageOf(() => initialStates(outside))).toBe(
      "ModelError: model 'start', 'initial', field level: 6 is not an integer from 2 to 5",
    );
  });

  it('must not have too many choices', () => {
    const wide = model({ ...base, initial: { choose: { a: range(1, 2 ** 20), b: bool }, then: () => undefined } });
    expect(messageOf(() => initialStates(wide))).toBe(
      "ModelError: model 'start', 'initial': the parameters have 2097152 combinations: at most 1000000 are possible",
    );
  });

  it('are frozen', () => {
    expect(Object.isFrozen(start(peterson).flag)).toBe(true);
  });
});

describe('a model without a size', () => {
  it('means its size ci', () => {
    expect(start(tokenRing)).toEqual(start(instantiate(tokenRing, 'ci')));
    expect(start(philosophers).fork).toHaveLength(3);
    expect(enabled(tokenRing, start(tokenRing))).toEqual([{ type: 'work', node: 0 }]);
    expect(run(tokenRing, { type: 'work', node: 0 as never })).toEqual({ holder: 0, works: true });
  });
});

describe('a state', () => {
  it('is plain data, which every instance of the model at the same size takes', () => {
    const sent = run(instantiate(channel), { type: 'send', message: 2 });
    const { state } = step(instantiate(channel), sent, { type: 'send', message: 3 });
    expect([...state.wire]).toEqual([2, 3]);
    expect(instantiate(channel).domain.misfit(state, '')).toBeUndefined();
  });

  it('does not take a queue for another one', () => {
    const swap = (): unknown =>
      after({ a: queue(2, bool), b: queue(2, bool) }, (s) => {
        s.a = s.b;
      });
    expect(messageOf(swap)).toContain('field a: {"items":[]} is not the queue \'a\'');
  });
});

describe('the enabled actions', () => {
  it('are those whose guards all hold, in the order of their declaration, with their parameters', () => {
    expect(enabled(channel, start(channel))).toEqual([1, 2, 3, 4].map((message) => ({ type: 'send', message })));
    const sent = run(channel, { type: 'send', message: 3 });
    expect(enabled(channel, sent)).toContainEqual({ type: 'receive' });
    const full = run(channel, ...[1, 2, 3].map((message) => ({ type: 'send', message }) as const));
    expect(enabled(channel, full)).toEqual([{ type: 'receive' }]);
  });

  it('of a procedure are its instances at their places', () => {
    const [first, second] = enabled(peterson, start(peterson));
    expect([first, second]).toEqual([
      { type: 'enter', step: 'raise the flag', process: 0 },
      { type: 'enter', step: 'raise the flag', process: 1 },
    ]);
    expect(enabled(peterson, run(peterson, first!))).toContainEqual({ type: 'enter', step: 'give way', process: 0 });
  });

  it('are all bindings of parameters of any enumerable domain', () => {
    const Kind = sort('device');
    const choosy = model({
      name: 'choosy',
      sizes,
      state: () => ({ x: bool }),
      actions: ({ action }) => ({
        choose: action({ of: optional({ kind: Kind, flag: bool }), mode: oneOf('a', 'b') }, { actor: 'any', then: {} }),
      }),
    });
    const actions = enabled(choosy, start(choosy));
    expect(actions).toHaveLength((1 + 4) * 2);
    expect(actions).toContainEqual({ type: 'choose', of: { kind: 1, flag: true }, mode: 'b' });
  });

  it('need the guards in order: one that does not hold keeps the later ones from being asked', () => {
    const guarded = model({
      name: 'guarded',
      sizes,
      state: () => ({ wire: queue(2, { urgent: bool }) }),
      actions: ({ action }) => ({
        take: action(
          {},
          {
            actor: 'receiver',
            when: { 'one is there': (s) => !s.wire.isEmpty, 'it is urgent': (s) => s.wire.head.urgent },
            then: {},
          },
        ),
      }),
    });
    expect(enabled(guarded, start(guarded))).toEqual([]);
  });
});

const nested = {
  page: each(Page, { pte: oneOf('none', 'valid'), count: range(0, 3) }),
  link: { requests: queue(2, { page: Page }), answers: bag(2, { page: Page }) },
  current: optional({ page: Page, of: { device: Device } }),
};

describe('a step', () => {
  it('gives the next state, deeply frozen, and leaves the state before as it was', () => {
    const { before, state } = stepOf(nested, [
      (s) => {
        s.page[page1].pte = 'valid';
        s.current = { page: page2, of: { device: 0 as never } };
      },
      (s) => s.link.requests.push({ page: page1 }),
    ]);
    expect(state.page[page1]).toEqual({ pte: 'valid', count: 0 });
    expect(before.page[page1]).toEqual({ pte: 'none', count: 0 });
    expect(isDeeplyFrozen(state)).toBe(true);
  });

  it('shares what it did not change with the state before', () => {
    const { before, state } = stepOf(nested, [
      (s) => {
        s.page[page1].count++;
      },
    ]);
    expect(state.page).not.toBe(before.page);
    expect(state.page[page1]).not.toBe(before.page[page1]);
    expect(state.page[page0]).toBe(before.page[page0]);
    expect(state.link).toBe(before.link);
  });

  it('that changes nothing gives the very same state and no patches', () => {
    const { before, state, patches } = stepOf(nested, [
      (s) => {
        s.page[page1].count = 0;
      },
    ]);
    expect(state).toBe(before);
    expect(patches).toEqual([]);
  });

  it('does its effects in order, each on what the one before it left', () => {
    const { page } = after(
      nested,
      (s) => {
        s.page[page0].count = 2;
      },
      (s) => {
        s.page[page1].count = s.page[page0].count + 1;
      },
    );
    expect([...page].map(({ count }) => count)).toEqual([2, 3, 0]);
  });

  it('may pass through values outside of a domain, if it does not stay there', () => {
    const { page } = after(nested, (s) => {
      s.page[page0].count += 7;
      s.page[page0].count %= 4;
    });
    expect(page[page0].count).toBe(3);
  });

  it('tells its changes as patches, each with its path', () => {
    const { patches } = stepOf(nested, [
      (s) => {
        s.page[page1].pte = 'valid';
        s.current = { page: page2, of: { device: 0 as never } };
        s.link.requests.push({ page: page1 });
      },
    ]);
    expect(patches).toEqual([
      { op: 'replace', path: ['page', 1, 'pte'], value: 'valid' },
      { op: 'replace', path: ['link', 'requests', 'items'], value: [{ page: 1 }] },
      { op: 'replace', path: ['current'], value: { page: 2, of: { device: 0 } } },
    ]);
  });

  it('tells all its changes, also those through a part that stands in two places at once', () => {
    const state = { a: { x: range(0, 3) }, b: { x: range(0, 3) }, both: optional({ of: { x: range(0, 3) } }) };
    const {
      before,
      state: next,
      patches,
    } = stepOf(state, [
      (s) => {
        s.both = { of: s.a };
        s.b = s.a;
        s.a.x = 2;
      },
    ]);
    expect(next).toEqual({ a: { x: 2 }, b: { x: 2 }, both: { of: { x: 2 } } });
    expect(applyPatches(before, [...patches])).toEqual(next);
  });
});

function isDeeplyFrozen(value: unknown): boolean {
  return (
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen))
  );
}

describe('any run of a model', () => {
  const models = [peterson, tokenRing, channel, pool, philosophers] as const;

  it('is the same when it is taken again, and its patches lead from each state to the next', () => {
    fc.assert(
      fc.property(fc.constantFrom(...models), fc.array(fc.nat(), { maxLength: 12 }), (of, choices) => {
        const instance = instantiate(of as typeof peterson);
        let state: StateOf<typeof peterson> = start(instance);
        for (const choice of choices) {
          const actions = enabled(instance, state);
          expect(enabled(instance, state)).toEqual(actions);
          const action = actions[choice % actions.length];
          if (action === undefined) return;
          const { state: next, patches } = step(instance, state, action);
          expect(step(instance, state, action)).toEqual({ state: next, patches });
          expect(applyPatches(state, [...patches])).toEqual(next);
          expect(instance.domain.misfit(next, '')).toBeUndefined();
          state = next;
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a step that cannot be taken is refused with what is wrong:', () => {
  const instance = instantiate(channel);
  const refusal = (action: object, from: object = start(instance)): string =>
    messageOf(() => step(instance, from as StateOf<typeof channel>, action as ActionOf<typeof channel>));

  it('an action that is not enabled, by the guard that does not hold', () => {
    expect(refusal({ type: 'receive' })).toBe(
      "ModelError: model 'channel', action 'receive': is not enabled: 'a message is there' does not hold",
    );
  });

  it('an unknown action, with a suggestion', () => {
    expect(refusal({ type: 'recieve' })).toBe(
      "ModelError: model 'channel': there is no action 'recieve'; did you mean 'receive'?",
    );
  });

  it.each([
    [{ type: 'send', message: 5 }, 'parameter message: 5 is not an integer from 1 to 4'],
    [{ type: 'send' }, 'parameter message: nothing (undefined) is not an integer from 1 to 4'],
    [{ type: 'send', mesage: 1 }, "there is no parameter 'mesage'; did you mean 'message'?"],
    [{ type: 'send', message: 1, urgent: true }, "there is no parameter 'urgent'; known: 'message'"],
    [{ type: 'send', message: { no: 1 } }, 'parameter message: {"no":1} is not an integer from 1 to 4'],
  ])('parameters that do not fit: %j', (action, problem) => {
    expect(refusal(action)).toBe(`ModelError: model 'channel', action 'send': ${problem}`);
  });

  it('a step of a procedure that is not where the procedure is', () => {
    const away = { type: 'enter', step: 'leave', process: 0 as never } as const;
    expect(messageOf(() => step(peterson, start(peterson), away))).toBe(
      "ModelError: model 'peterson', action 'enter', step 'leave': is not enabled: the procedure is not at step 'leave'",
    );
  });

  it('an unknown step, with a suggestion', () => {
    const unknown = { type: 'enter', step: 'leaf', process: 0 } as never;
    expect(messageOf(() => step(peterson, start(peterson), unknown))).toBe(
      "ModelError: model 'peterson': 'enter' has no step 'leaf'; did you mean 'leave'?",
    );
  });

  it('a procedure without a step', () => {
    expect(messageOf(() => step(peterson, start(peterson), { type: 'enter', process: 0 } as never))).toContain(
      "model 'peterson': 'enter' is a procedure: name a step of it; known: 'raise the flag', 'give way'",
    );
  });
});
