/**
 * `page-request` on the machine: the bytes of records and responses, what a broken machine does, how exact the comparison is, and
 * what a fault that goes astray does to page tables.
 */
import { describe, expect, it } from 'vitest';
import { type ActionData, initialStates, type Instance, instantiate, type State } from '../../language/index.ts';
import { pageRequests } from '../../model/page-request.ts';
import { pageRequestVariants } from '../../properties/page-request.variants.ts';
import type { AnyLowering } from './lowering.ts';
import { pageRequestLowering } from './page-request.ts';
import { differing, type Ran, runFrom, variantOf, withDefects as brokenBy } from './runs.fixture.ts';

/** Runs from the initial state with an endpoint of the first kind, or of the second. */
function run(
  instance: Instance,
  actions: readonly ActionData[],
  { lowering = pageRequestLowering, marker = false }: { lowering?: AnyLowering; marker?: boolean } = {},
): Ran {
  const initial = (initialStates(instance) as readonly State[]).find(
    (one) => (one['endpoint'] as { readonly stop: string }).stop.includes('marker') === marker,
  );
  return runFrom(lowering, instance, initial, actions);
}

function withDefects(...defects: readonly unknown[]): AnyLowering {
  return brokenBy(pageRequestLowering, ...defects);
}

function variant(name: string): Instance {
  return variantOf(pageRequestVariants, name);
}

const smoke = instantiate(pageRequests, 'smoke');
const twice = instantiate(pageRequests, 'smoke', { set: { asks: 2, nonsense: 0 } });

const live = (name: string, process = 0, rest: object = {}): ActionData => ({
  type: 'live',
  step: name,
  process,
  ...rest,
});
const bind = (process = 0): ActionData => live('bind', process, { pasid: 0 });
const ask = (last: boolean, process = 0): ActionData => ({ type: 'ask', process, group: 0, last, wants: 'access' });
const thread = (name: string, rest: object = {}): ActionData => ({ type: 'handleQueue', step: name, ...rest });
const work = (name: string, rest: object = {}): ActionData => ({ type: 'work', slot: 0, step: name, ...rest });
const receive = (automatic: boolean, epoch = false): ActionData => ({
  type: 'receiveResponse',
  group: 0,
  epoch,
  automatic,
});

const askLast: ActionData = { type: 'askLast', group: 0 };
const queued: ActionData = { type: 'queueRecord' };
const overflows: ActionData = { type: 'overflowRecord' };
const wake = [thread('wait for the interrupt'), thread('read PROD')];
const take = thread('take a record', { sane: true });
const collect = [take, thread('collect the group', { slot: 0 }), thread('go on')];
const handled = work('handle the fault', { available: true });
const unbind = ['begin to drain', 'wait for the queue', 'free the PASID'].map((name) => live(name));
const stop = [live('ask the device to stop'), { type: 'completeStop', process: 0 }];

describe('the correct protocol', () => {
  it('records a page request, maps the page and responds, in the bytes of the architecture', () => {
    const asked = [bind(), ask(true), queued, ...wake, ...collect];
    const { disagreement, consequence } = run(smoke, [...asked, work('start'), handled, work('respond')]);
    expect(disagreement).toBeUndefined();
    expect(consequence).toMatchObject({
      harms: [],
      evidence: [
        'group 1 has 1 page requests outstanding, of 2 that the function may have, and waits for its response',
      ],
    });
    // SID 8, SSID 1, {SSV, L, W, R} = 1111; PRGIndex 1, the address.
    expect(consequence?.events).toMatchObject([
      { raw: '08000000010000f001400000007f0000', state: 'in the group of worker 0, for process0' },
    ]);
    // CMD_PRI_RESP with SSV, SSID 1, SID 8, PRGIndex 1, Resp 10.
    expect(consequence?.commands.at(-1)).toEqual({
      raw: '41180000080000000120000000000000',
      decoded: 'slot 2: CMD_PRI_RESP ssv, ssid 0x1, sid 0x8, prgIndex 0x1, resp 0x2',
      state: 'fetched, without effect yet',
    });
  });

  it('answers a Last that is dropped by itself, and the device may ask again', () => {
    const { disagreement } = run(twice, [
      bind(),
      ask(false),
      queued,
      askLast,
      overflows,
      receive(true),
      ask(true),
      overflows,
      receive(true, true),
      ...wake,
      take,
      thread('store the partial'),
      thread('go on'),
      thread('discard the partials'),
      thread('acknowledge the overflow'),
    ]);
    expect(disagreement).toBeUndefined();
  });

  it('goes on after an overflow was acknowledged, which further records do not take back', () => {
    const over = [bind(), ask(false), queued, askLast, overflows, receive(true), ...wake];
    const discarded = [take, thread('store the partial'), thread('go on'), thread('discard the partials')];
    const { disagreement } = run(twice, [
      ...over,
      ...discarded,
      thread('acknowledge the overflow'),
      ask(true),
      queued,
      ...wake,
      take,
    ]);
    expect(disagreement).toBeUndefined();
  });

  it('ignores what comes after a Response Failure: a second group stays without its response', () => {
    const two = instantiate(pageRequests, 'deep', { set: { failure: 1, nonsense: 0, asks: 2 } });
    const other: ActionData = { type: 'ask', process: 0, group: 1, last: true, wants: 'access' };
    const refused = [take, thread('collect the group', { slot: null }), thread('go on')];
    const asked = [bind(), ask(true), queued, other, queued, ...wake, ...refused, ...refused];
    const { disagreement, consequence } = run(two, [...asked, receive(false), { ...receive(false), group: 1 }]);
    expect(disagreement).toBeUndefined();
    expect(consequence?.evidence[0]).toBe(
      'PRI status 0x0101: RF, page requests are off for the function; 1 requests have no response and will have none',
    );
  });

  it('gives the PASID to the next process, whose requests come behind the Stop Marker of the last', () => {
    const marker = { type: 'sendMarker', process: 0, pasid: 0 };
    const next = [
      ...stop,
      ...unbind,
      bind(1),
      marker,
      queued,
      ...wake,
      take,
      thread('discard the marker'),
      thread('go on'),
    ];
    const { disagreement, consequence } = run(
      smoke,
      [bind(), ...next, ask(true, 1), queued, ...wake, ...collect, work('start'), handled],
      { marker: true },
    );
    expect(disagreement).toBeUndefined();
    expect(consequence?.harms).toEqual([]);
    expect(consequence?.events).toMatchObject([{ raw: '08000000010000f00140000001 7f0000'.replace(' ', '') }]);
  });
});

describe('a machine that is broken where the model is not', () => {
  const full = [bind(), ask(false), queued, askLast, overflows];

  it.each([
    ['overflowNotFlagged', ['overflow']],
    ['overflowIsSilent', ['responses']],
  ])('%s', (defect, fields) => {
    expect(run(smoke, full).disagreement).toBeUndefined();
    const ran = run(smoke, full, { lowering: withDefects({ part: 'smmu', defect }) });
    expect(ran.at).toBe(full.length);
    expect(differing(ran)).toEqual(fields);
  });

  it('pageRequestsDuringOverflow', () => {
    const room = [...full, receive(true), ...wake, take, ask(true), overflows];
    expect(run(twice, room).disagreement).toBeUndefined();
    const ran = run(twice, room, { lowering: withDefects({ part: 'smmu', defect: 'pageRequestsDuringOverflow' }) });
    expect(ran.at).toBe(room.length);
    expect(differing(ran)).toEqual(['records', 'interrupt', 'responses']);
  });

  it('forgetsStoppedGroups', () => {
    const stopped = [bind(), ask(true), queued, ...stop];
    expect(run(smoke, stopped, { marker: true }).disagreement).toBeUndefined();
    const broken = { part: 'endpoint', defect: 'forgetsStoppedGroups' };
    const ran = run(smoke, stopped, { marker: true, lowering: withDefects(broken) });
    expect(differing(ran)).toEqual([
      'endpoint.credits',
      'group[group0].at',
      'group[group0].of',
      'group[group0].pasid',
      'group[group0].requests',
    ]);
  });
});

describe('correct hardware does not do what broken hardware does', () => {
  it.each([
    ['stop-completes-with-requests-on-the-link', [bind(), ask(true), ...stop], 'is under way (PRI-29)'],
    ['overflow-flag-not-set', [bind(), ask(false), queued, askLast, overflows], 'overflow'],
    ['stop-forgets-outstanding-groups', [bind(), ask(true), queued, ...stop], 'group[group0].at'],
  ])('%s', (name, actions, why) => {
    const instance = variant(name);
    expect(run(instance, actions, { marker: true }).disagreement).toBeUndefined();
    const { disagreement } = run(instance, actions, { marker: true, lowering: withDefects() });
    expect(JSON.stringify(disagreement)).toContain(why);
  });

  it('where software alone is wrong, and STE.PPAR is clear, correct hardware goes along', () => {
    const instance = variant('automatic-response-without-pasid');
    const actions = [bind(), ask(false), queued, askLast, overflows];
    expect(run(instance, actions, { lowering: withDefects() }).disagreement).toBeUndefined();
  });
});

describe('software that forgets something is noticed', () => {
  const forgetting = (...fields: readonly string[]): AnyLowering => ({
    ...pageRequestLowering,
    software: (machine, { before, after }) => {
      const kept = Object.fromEntries(fields.map((field) => [field, (before as State)[field]]));
      return pageRequestLowering.software(machine, { before, after: { ...(after as State), ...kept } });
    },
  });
  const collected = [bind(), ask(true), queued, ...wake, ...collect];
  const answered = [...collected, work('start'), handled, work('respond')];
  const over = [
    bind(),
    ask(false),
    queued,
    askLast,
    overflows,
    ...wake,
    take,
    thread('store the partial'),
    thread('go on'),
  ];

  it.each<[string, readonly string[], readonly ActionData[], readonly string[]]>([
    ['the Context descriptor of a bind', ['pasid'], [bind()], ['process[process0].attached', 'pasid[pasid0].handler']],
    ['CONS', ['records'], [bind(), ask(true), queued, ...wake, take], ['records', 'taken']],
    ['the interrupt', ['interrupt'], [bind(), ask(true), queued, thread('wait for the interrupt')], ['interrupt']],
    ['to forget the record', ['taken'], collected, ['taken']],
    ['CMD_PRI_RESP', ['responses'], answered, ['responses']],
    ['to store a partial', ['partial'], over.slice(0, -1), ['partial']],
    ['to discard the partials', ['partial'], [...over, thread('discard the partials')], ['partial']],
    [
      'OVACKFLG',
      ['overflow'],
      [...over, thread('discard the partials'), thread('acknowledge the overflow')],
      ['overflow'],
    ],
    ['to free the group', ['slot'], [...answered, work('free the group')], ['slot']],
    ['the stop', ['process'], [bind(), live('ask the device to stop')], ['process[process0].stop']],
  ])('%s', (_, fields, actions, differ) => {
    const last = actions.length;
    const correct = run(smoke, actions);
    expect(correct.disagreement).toBeUndefined();
    // Only the last step is done with less.
    let count = 0;
    const lazy = forgetting(...fields);
    const isSoftware = (action: ActionData | undefined): boolean =>
      ['live', 'handleQueue', 'work'].includes(action?.type ?? '');
    const softwareSteps = actions.filter(isSoftware).length;
    const lowering: AnyLowering = {
      ...pageRequestLowering,
      software: (machine, change) => (++count === softwareSteps ? lazy : pageRequestLowering).software(machine, change),
    };
    const ran = run(smoke, actions, { lowering });
    expect(ran.at).toBe(last);
    expect(differing(ran).map((field) => (field.startsWith('slot') ? 'slot' : field))).toEqual(
      expect.arrayContaining([...differ]),
    );
  });
});

describe('what it physically comes to', () => {
  it('a fault is handled in the tables of the process that has the PASID now', () => {
    const instance = variant('pasid-immediate-reuse-pending-fault');
    const reused = live('free the PASID');
    const { disagreement, consequence } = run(
      instance,
      [
        bind(),
        ask(true),
        queued,
        ...stop,
        live('begin to drain'),
        reused,
        bind(1),
        ...wake,
        ...collect,
        work('start'),
        handled,
      ],
      { marker: true },
    );
    expect(disagreement).toBeUndefined();
    const [harm] = consequence?.harms ?? [];
    expect(harm?.what).toBe(
      "the page request of process0's work for 0x7f0000004000 under PASID 1 (08000000010000f001400000007f0000) was handled in the " +
        'address space of process1: the page 0x7f0000004000 is mapped there, to a frame of process1 at 0x60002000',
    );
    // A valid page descriptor for 0x60002000: AF, not global, inner shareable, unprivileged, DBM.
    expect(harm).toMatchObject({ before: '0'.repeat(16), after: '432f006000006000' });
  });

  it('a page whose Success is not true is not there, and the access fails', () => {
    const instance = variant('later-success-hides-a-failure');
    const stored = [take, thread('store the partial'), thread('go on')];
    const { disagreement, consequence } = run(instance, [
      bind(),
      ask(false),
      queued,
      ...wake,
      ...stored,
      askLast,
      queued,
      ...wake,
      ...collect,
      work('start'),
      work('handle the fault', { available: false }),
      handled,
      work('respond'),
    ]);
    expect(disagreement).toBeUndefined();
    expect(consequence?.evidence[0]).toContain(
      'Success (41180000080000000120000000000000) is under way, but 0x7f0000004000 is not there',
    );
    expect(consequence?.next?.[0]?.what).toContain('the answer is no access (R = W = 0); its write there is aborted');
    expect(consequence?.events.at(-1)?.decoded).toContain('F_TRANSLATION');
  });

  it('an answer to a Stop Marker sets UPRGI', () => {
    const marker = { type: 'sendMarker', process: 0, pasid: 0 };
    const { consequence } = run(
      variant('linux-smmuv3-denies-all'),
      [bind(), ...stop, marker, queued, ...wake, take, thread('refuse the request')],
      { marker: true },
    );
    expect(consequence?.evidence[0]).toContain('the PRG Response to group 0 with PASID 1, Response Failure');
    expect(consequence?.next).toMatchObject([{ before: '0x0000', after: '0x0002' }]);
  });
});
