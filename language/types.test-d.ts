import { match } from 'ts-pattern';
import { describe, expectTypeOf, it } from 'vitest';
import {
  type ActionOf,
  bag,
  bool,
  each,
  enabled,
  initialStates,
  type Member,
  model,
  oneOf,
  optional,
  properties,
  queue,
  range,
  setOf,
  sort,
  type StateOf,
  step,
  variants,
} from './index.ts';

const Page = sort('page');
const Device = sort('device');
const Cpu = sort('cpu', { ordered: true });
const size = { page: 2, device: 1, cpu: 1, depth: 3 };

const protocol = model({
  name: 'protocol',
  sizes: { smoke: size, ci: size, deep: size },
  state: ({ size: { depth } }) => ({
    page: each(Page, { pte: oneOf('none', 'valid'), owner: optional(Device), uses: range(0, depth) }),
    atc: each(Device, Page, { entry: bool }),
    requests: queue(2, { page: Page, tagged: bool }),
    answers: bag(2, { page: Page, kind: oneOf('hit', 'miss') }),
    holders: setOf(Device),
    turn: Cpu,
  }),
  actions: ({ action, procedure }) => ({
    evict: action({ device: Device, page: Page }, { actor: 'device', then: {} }),
    tick: action({}, { actor: 'clock', then: {} }),
    unmap: procedure(
      { page: Page },
      {
        actor: 'cpu',
        locals: { left: setOf(Device), tries: range(0, 3) },
        steps: ({ step: one, branch, loop, call }) => [
          one('clear', { choose: { hard: bool }, when: { mapped: () => true }, then: { write: () => undefined } }),
          branch('failed', { if: () => true, then: [one('give up', {})], else: [one('go on', {})] }),
          loop('again', { fused: true, while: () => true, do: [one('retry', {})] }),
          ...call('flush', [one('wait', { when: { synced: () => true } })]),
        ],
      },
    ),
    poll: procedure({}, { actor: 'cpu', repeat: true, steps: ({ step: one }) => [one('look', {})] }),
  }),
});

type Protocol = typeof protocol;
type S = StateOf<Protocol>;
type A = ActionOf<Protocol>;

const claims = properties(protocol, ({ invariant }) => ({
  'no stale entry': invariant({ holds: () => true }),
  'no leak': invariant({ holds: () => true }),
}));

describe('the state of a model', () => {
  it('has the fields, names and members of its domains', () => {
    expectTypeOf<S['page'][Member<'page'>]>().toEqualTypeOf<{
      readonly pte: 'none' | 'valid';
      readonly owner: Member<'device'> | null;
      readonly uses: number;
    }>();
    expectTypeOf<S['atc'][Member<'device'>][Member<'page'>]['entry']>().toEqualTypeOf<boolean>();
    expectTypeOf<S['requests']['head']>().toEqualTypeOf<{ readonly page: Member<'page'>; readonly tagged: boolean }>();
    expectTypeOf<S['turn']>().toEqualTypeOf<Member<'cpu'>>();
  });

  it('has the places and locals of its procedures', () => {
    expectTypeOf<S['unmap'][Member<'page'>]['at']>().toEqualTypeOf<
      'clear' | 'failed' | 'give up' | 'go on' | 'retry' | 'flush: wait' | 'done'
    >();
    expectTypeOf<S['unmap'][Member<'page'>]['tries']>().toEqualTypeOf<number>();
    expectTypeOf<S['poll']>().toEqualTypeOf<{ readonly at: 'look' | 'done' }>();
  });

  it('has no other field', () => {
    // @ts-expect-error the field is named page
    expectTypeOf<S['pages']>().toBeObject();
    // @ts-expect-error an element has pte, owner and uses
    expectTypeOf<S['page'][Member<'page'>]['valid']>().toBeBoolean();
    // @ts-expect-error a fused loop is no step
    expectTypeOf<'again'>().toExtend<S['unmap'][Member<'page'>]['at']>();
  });

  it('cannot be indexed by a number or by a member of another sort', () => {
    const read = (s: S, device: Member<'device'>, page: Member<'page'>): unknown[] => [
      s.atc[device][page],
      // @ts-expect-error a number is no member
      s.page[0],
      // @ts-expect-error a device is no page
      s.page[device],
      // @ts-expect-error the other way round
      s.atc[page][device],
    ];
    expectTypeOf(read).toBeFunction();
  });

  it('is read-only, also its collections', () => {
    const write = (s: S, page: Member<'page'>, device: Member<'device'>): void => {
      // @ts-expect-error read-only
      s.page[page].uses = 1;
      // @ts-expect-error read-only
      s.page[page] = { pte: 'none', owner: null, uses: 0 };
      // @ts-expect-error a guard or property cannot push
      s.requests.push({ page, tagged: false });
      // @ts-expect-error a guard or property cannot add
      s.answers.add({ page, kind: 'hit' });
      // @ts-expect-error a guard or property cannot add
      s.holders.add(device);
      // @ts-expect-error items are read-only
      s.requests.head.tagged = true;
    };
    expectTypeOf(write).toBeFunction();
  });
});

describe('an effect', () => {
  const state = () => ({
    page: each(Page, { pte: oneOf('none', 'valid'), uses: range(0, 3) }),
    requests: queue(2, { page: Page, kind: oneOf('read', 'write') }),
    holders: setOf(Device),
    turn: Cpu,
  });
  const base = { name: 'effects', sizes: { smoke: size, ci: size, deep: size }, state } as const;

  it('assigns only values of the domain', () => {
    model({
      ...base,
      actions: ({ action }) => ({
        act: action(
          { page: Page, device: Device },
          {
            actor: 'any',
            then: {
              right: (s, { page, device }) => {
                s.page[page].pte = 'valid';
                s.page[page] = { pte: 'none', uses: 0 };
                s.requests.push({ page, kind: 'read' });
                s.holders.add(device);
              },
              wrong: (s, { page, device }) => {
                // @ts-expect-error no such name
                s.page[page].pte = 'nope';
                // @ts-expect-error no such field
                s.page[page].pet = 'valid';
                // @ts-expect-error a name is no number
                s.page[page].uses = 'valid';
                // @ts-expect-error a field is missing
                s.page[page] = { pte: 'none' };
                // @ts-expect-error a device is no page
                s.requests.push({ page: device, kind: 'read' });
                // @ts-expect-error no such kind
                s.requests.push({ page, kind: 'reed' });
                // @ts-expect-error a page is no device
                s.holders.add(page);
                // @ts-expect-error a page is no processor
                s.turn = page;
                // @ts-expect-error no number singles out a member
                s.turn = 0;
                // @ts-expect-error items are replaced, not changed
                s.requests.head.kind = 'write';
              },
            },
          },
        ),
      }),
    });
  });

  it('is given its parameters, and a step its choice and the locals as well', () => {
    model({
      ...base,
      actions: ({ action, procedure }) => ({
        look: action(
          { page: Page },
          {
            actor: 'any',
            when: {
              // @ts-expect-error the place of a procedure is its own and the properties' business
              place: (s, { page }) => s.work[page].at === 'look',
            },
            then: {
              local: (s, { page }) => {
                // @ts-expect-error and so are its locals
                s.work[page].seen = 'no';
              },
            },
          },
        ),
        work: procedure(
          { page: Page },
          {
            actor: 'cpu',
            locals: { seen: oneOf('yes', 'no') },
            steps: ({ step: one }) => [
              one('look', {
                choose: { to: oneOf('none', 'valid') },
                then: {
                  right: (s, p, me) => {
                    expectTypeOf(p).toExtend<{ readonly page: Member<'page'>; readonly to: 'none' | 'valid' }>();
                    s.page[p.page].pte = p.to;
                    me.seen = 'yes';
                  },
                  wrong: (s, p, me) => {
                    // @ts-expect-error no such parameter
                    s.page[p.pages].pte = p.to;
                    // @ts-expect-error a parameter cannot be changed
                    p.to = 'none';
                    // @ts-expect-error no such value
                    me.seen = 'maybe';
                    // @ts-expect-error the procedure's own place is not its business
                    me.at = 'look';
                  },
                },
              }),
            ],
          },
        ),
      }),
    });
  });
});

describe('a guard', () => {
  it('answers yes or no and changes nothing', () => {
    model({
      name: 'guards',
      sizes: { smoke: size, ci: size, deep: size },
      state: () => ({ n: range(0, 3), page: each(Page, { mapped: bool }) }),
      actions: ({ action }) => ({
        act: action(
          { page: Page },
          {
            actor: 'any',
            when: {
              right: (s, { page }) => s.page[page].mapped && s.n < 3,
              // @ts-expect-error an answer is true or false
              number: (s) => s.n,
              // @ts-expect-error a promise is no answer
              promise: (s) => Promise.resolve(s.n > 0),
              writes: (s) => {
                // @ts-expect-error read-only
                s.n = 1;
                return true;
              },
            },
            then: {},
          },
        ),
      }),
    });
  });
});

describe('the actions of a model', () => {
  it('are one union, with the parameters of each and the steps of procedures', () => {
    expectTypeOf<A>().toEqualTypeOf<
      | { readonly type: 'evict'; readonly device: Member<'device'>; readonly page: Member<'page'> }
      | { readonly type: 'tick' }
      | { readonly type: 'unmap'; readonly page: Member<'page'>; readonly step: 'clear'; readonly hard: boolean }
      | {
          readonly type: 'unmap';
          readonly page: Member<'page'>;
          readonly step: 'failed';
        }
      | { readonly type: 'unmap'; readonly page: Member<'page'>; readonly step: 'give up' }
      | { readonly type: 'unmap'; readonly page: Member<'page'>; readonly step: 'go on' }
      | { readonly type: 'unmap'; readonly page: Member<'page'>; readonly step: 'retry' }
      | { readonly type: 'unmap'; readonly page: Member<'page'>; readonly step: 'flush: wait' }
      | { readonly type: 'poll'; readonly step: 'look' }
    >();
  });

  it('are what enabled lists and step takes', () => {
    const [state] = initialStates(protocol);
    if (state === undefined) return;
    expectTypeOf(state).toEqualTypeOf<S>();
    expectTypeOf(enabled(protocol, state)).toEqualTypeOf<readonly A[]>();
    expectTypeOf(step(protocol, state, { type: 'tick' }).state).toEqualTypeOf<S>();
    // @ts-expect-error no such action
    step(protocol, state, { type: 'zapp' });
    // @ts-expect-error a procedure needs a step
    step(protocol, state, { type: 'poll' });
    // @ts-expect-error no such step
    step(protocol, state, { type: 'poll', step: 'wait' });
    // @ts-expect-error the parameters are missing
    step(protocol, state, { type: 'evict' });
    // @ts-expect-error no such parameter
    step(protocol, state, { type: 'tick', page: 0 });
  });

  it('can be matched exhaustively', () => {
    const tell = (action: A): string =>
      match(action)
        .with({ type: 'evict' }, ({ device }) => `evict ${device}`)
        .with({ type: 'tick' }, () => 'tick')
        .with({ type: 'unmap', step: 'clear' }, ({ hard }) => (hard ? 'hard' : 'soft'))
        .with({ type: 'unmap', step: 'failed' }, { type: 'unmap', step: 'give up' }, () => 'fails')
        .with({ type: 'unmap', step: 'go on' }, { type: 'unmap', step: 'retry' }, () => 'goes on')
        .with({ type: 'unmap', step: 'flush: wait' }, ({ page }) => `waits for ${page}`)
        .with({ type: 'poll' }, ({ step: at }) => at)
        .exhaustive();
    expectTypeOf(tell).returns.toBeString();
  });

  it('cannot be matched exhaustively with one left out', () => {
    const tell = (action: A): string =>
      match(action)
        .with({ type: 'evict' }, { type: 'tick' }, { type: 'poll' }, () => 'other')
        .with({ type: 'unmap', step: 'clear' }, { type: 'unmap', step: 'failed' }, () => 'first')
        .with({ type: 'unmap', step: 'give up' }, { type: 'unmap', step: 'go on' }, () => 'then')
        .with({ type: 'unmap', step: 'flush: wait' }, () => 'last')
        // @ts-expect-error 'retry' is missing
        .exhaustive();
    expectTypeOf(tell).returns.toBeString();
  });
});

describe('a property', () => {
  it('is given the members that it is quantified over', () => {
    properties(protocol, ({ invariant, reachable, deadlockFree }) => ({
      all: invariant({
        forall: { device: Device, page: Page },
        given: (s, { page }) => s.page[page].pte === 'valid',
        holds: (s, { device, page }) => !s.atc[device][page].entry && s.unmap[page].at !== 'give up',
      }),
      some: reachable({ exists: { page: Page }, holds: (s, { page }) => s.unmap[page].tries > 0 }),
      free: deadlockFree({ final: { idle: (s) => s.poll.at === 'look' } }),
    }));
  });

  it('cannot ask for what is not there', () => {
    properties(protocol, ({ invariant, deadlockFree }) => ({
      // @ts-expect-error no such parameter
      parameter: invariant({ forall: { page: Page }, holds: (s, { device }) => s.holders.has(device) }),
      sort: invariant({
        forall: { device: Device },
        // @ts-expect-error a device is no page
        holds: (s, { device }) => s.page[device].uses === 0,
      }),
      // @ts-expect-error no such name
      value: invariant({ forall: { page: Page }, holds: (s, { page }) => s.page[page].pte === 'gone' }),
      // @ts-expect-error no such step
      place: invariant({ holds: (s) => s.poll.at === 'wait' }),
      // @ts-expect-error an answer is true or false
      answer: invariant({ holds: (s) => s.holders.size }),
      // @ts-expect-error no such field
      final: deadlockFree({ final: { idle: (s) => s.idle } }),
    }));
  });
});

describe('a variant', () => {
  const about = { doc: '', reference: '' } as const;

  it('violates properties of its set, with a number of steps', () => {
    variants(claims, {
      right: { ...about, violates: { 'no leak': 3 }, edits: () => [] },
      // @ts-expect-error no such property
      unknown: { ...about, violates: { 'no leek': 3 }, edits: () => [] },
      // @ts-expect-error a length is a number
      length: { ...about, violates: { 'no leak': 'three' }, edits: () => [] },
    });
  });

  it('edits paths that are there, with functions that fit', () => {
    variants(claims, {
      right: {
        ...about,
        violates: { 'no leak': 3 },
        edits: ({ drop, move, replace, addGuard, addEffect, addStep, members, size: { depth } }) => [
          drop(['evict']),
          drop(['unmap', 'clear', 'mapped']),
          drop(['unmap', 'flush: wait', 'synced']),
          move(['unmap', 'retry'], { before: 'clear' }),
          replace(['unmap', 'again'], (s, { page }, me) => s.page[page].uses > depth && me.tries > 0),
          replace(['unmap', 'clear', 'mapped'], (s, { page, hard }) => hard && s.page[page].pte === 'valid'),
          addGuard(['evict'], 'new', (s, { device, page }) => s.atc[device][page].entry),
          addEffect(['evict'], 'new', (s, { page }) => {
            s.page[page].owner = members(Device)[0] ?? null;
          }),
          addStep(
            ['unmap'],
            'new',
            {
              choose: { far: bool },
              then: {
                try: (_s, { far }, me) => {
                  me.tries = far ? 1 : 0;
                },
              },
            },
            { after: 'clear' },
          ),
        ],
      },
      wrong: {
        ...about,
        violates: { 'no leak': 3 },
        edits: ({ drop, move, replace, addGuard, addEffect }) => [
          // @ts-expect-error no such action
          drop(['evikt']),
          // @ts-expect-error no such step
          drop(['unmap', 'cleer']),
          // @ts-expect-error no such guard
          drop(['unmap', 'clear', 'maped']),
          // @ts-expect-error no such guard of this step
          drop(['unmap', 'go on', 'mapped']),
          // @ts-expect-error this step has no guards or effects
          drop(['poll', 'look', 'anything']),
          // @ts-expect-error this action has no guards or effects
          drop(['tick', 'anything']),
          // @ts-expect-error steps of a called part have a prefix
          move(['unmap', 'wait'], { before: 'clear' }),
          // @ts-expect-error a spot is before or after
          move(['unmap', 'retry'], { instead: 'clear' }),
          // @ts-expect-error no such parameter
          replace(['unmap', 'clear', 'mapped'], (_s, { device }) => device === null),
          // @ts-expect-error another step's choice
          addGuard(['unmap', 'retry'], 'new', (_s, { hard }) => hard),
          // @ts-expect-error no such name
          addGuard(['evict'], 'new', (s, { page }) => s.page[page].pte === 'gone'),
          addEffect(['evict'], 'new', (s, { page }) => {
            // @ts-expect-error no such name
            s.page[page].pte = 'gone';
          }),
        ],
      },
    });
  });
});

describe('an ordered sort', () => {
  it('has next and index, an interchangeable one has not', () => {
    model({
      name: 'ordered',
      sizes: { smoke: size, ci: size, deep: size },
      state: ({ next, index, members, size: sizes }) => {
        expectTypeOf(members(Page)).toEqualTypeOf<readonly Member<'page'>[]>();
        expectTypeOf(sizes.depth).toBeNumber();
        const [cpu] = members(Cpu);
        const [page] = members(Page);
        if (cpu === undefined || page === undefined) return {};
        expectTypeOf(next(Cpu, cpu)).toEqualTypeOf<Member<'cpu'>>();
        expectTypeOf(index(Cpu, cpu)).toBeNumber();
        // @ts-expect-error pages have no order
        next(Page, page);
        // @ts-expect-error a page is no processor
        next(Cpu, page);
        // @ts-expect-error no such constant
        return sizes.breadth === 0 ? {} : {};
      },
      actions: () => ({}),
    });
  });

  it('must have a size in each of the named sizes', () => {
    model({
      name: 'uneven',
      // @ts-expect-error deep has no page
      sizes: { smoke: { page: 1 }, ci: { page: 2 }, deep: {} },
      state: () => ({}),
      actions: () => ({}),
    });
    model({
      name: 'incomplete',
      // @ts-expect-error smoke, ci and deep are all there
      sizes: { smoke: { page: 1 } },
      state: () => ({}),
      actions: () => ({}),
    });
  });
});
