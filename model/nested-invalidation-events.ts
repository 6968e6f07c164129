/**
 * Events that need no response on their way to a guest: the vEVENTQ of iommufd. The host queues what the SMMU reports of a
 * guest's device for the VMM, under the guest's stream ID, or marks that records were lost, and never waits for anybody.
 * (NEST-20, VSVA-06, VSVA-08)
 *
 * Scope: one virtual SMMU with one vEVENTQ, devices that come and go, the event thread of the SMMU, a reader. The queue is a
 * list of records, numbered in sequence, with at most so many of them; behind them there may be a marker that says that more
 * were lost, which takes a number for each. (drivers/iommu/iommufd/eventq.c, iommufd_viommu_report_event in driver.c)
 *
 * Atomicity: the list has a lock that nobody sleeps with: each change of it is one step. Looking a virtual stream ID or a queue
 * up and using it are two, with a lock between that keeps both.
 *
 * Fairness: the event thread runs (weak). Nobody reads, unless they want to.
 *
 * Abstracted away, and why no bug hides there:
 * - What an event says. Overflow of the SMMU's own event queue is marked by the SMMU (OVFLG).
 * - Numbers count to 2^31 and start again: here they are few, and the SMMU reports no more while that many are outstanding.
 */
import { bool, each, model, oneOf, optional, queue, range, record, sort } from '../language/index.ts';

const Endpoint = sort('endpoint');

/** Numbers in use: more than a queue can hold. */
const modulus = 6;
const number = range(0, modulus - 1);
const entry = { kind: oneOf('record', 'lost'), sequence: number, name: oneOf('none', 'virtual', 'physical') };

export function after(sequence: number): number {
  return (sequence + 1) % modulus;
}

/** The model. */
export const nestedInvalidationEvents = model({
  name: 'nested-invalidation/events',
  doc: "Events of guests' devices are queued for the VMM, or marked as lost.",
  sizes: {
    smoke: { endpoint: 1, depth: 1, queue: 1 },
    ci: { endpoint: 2, depth: 2, queue: 2 },
    deep: { endpoint: 3, depth: 3, queue: 3 },
  },
  state: ({ size }) => ({
    endpoint: each(Endpoint, {
      /** It has a virtual stream ID: the device is attached to a nested domain of the guest. */
      virtual: bool,
    }),
    /** The SMMU's event queue. */
    events: queue(size.queue, { endpoint: Endpoint }),
    /** The mutex over stream IDs, held from the lookup of a virtual one to the end of its use. */
    streamsLocked: bool,
    virtualQueue: {
      life: oneOf('none', 'there', 'freed'),
      /** Readers-writer lock over the list of queues: the event thread is inside. */
      inUse: bool,
      list: queue(size.depth + 2, entry),
      /** References that readers hold. */
      readers: range(0, 1),
      /** Records that are on the list or with a reader: the marker does not count. */
      count: range(0, size.depth),
      /** The next number. */
      sequence: number,
    },
    /** What the reader has been told of: the number that comes next, if none was lost. */
    expected: number,
    /** A record was lost, and the reader cannot have noticed yet. */
    untold: bool,
    harm: { freedQueue: bool },
  }),

  actions: ({ action, procedure, size }) => ({
    attach: action(
      { endpoint: Endpoint },
      {
        actor: 'iommufd',
        source: 'VSVA-06',
        when: {
          'it has no virtual stream ID': (s, { endpoint }) => !s.endpoint[endpoint].virtual,
          'nobody uses stream IDs': (s) => !s.streamsLocked,
        },
        then: {
          'give it one': (s, { endpoint }) => {
            s.endpoint[endpoint].virtual = true;
          },
        },
      },
    ),
    detach: action(
      { endpoint: Endpoint },
      {
        actor: 'iommufd',
        source: 'NEST-16',
        when: {
          'it has a virtual stream ID': (s, { endpoint }) => s.endpoint[endpoint].virtual,
          'nobody uses stream IDs': (s) => !s.streamsLocked,
        },
        then: {
          'take it away': (s, { endpoint }) => {
            s.endpoint[endpoint].virtual = false;
          },
        },
      },
    ),
    createQueue: action(
      {},
      {
        actor: 'iommufd',
        when: { 'there has been none': (s) => s.virtualQueue.life === 'none' },
        then: {
          'allocate it': (s) => {
            s.virtualQueue.life = 'there';
          },
        },
      },
    ),
    destroyQueue: action(
      {},
      {
        actor: 'iommufd',
        doc: 'the VMM closes the queue',
        when: {
          'it is there': (s) => s.virtualQueue.life === 'there',
          'the event thread is not inside': (s) => !s.virtualQueue.inUse,
          'nobody reads': (s) => s.virtualQueue.readers === 0,
        },
        then: {
          'free it with all that is on it': (s) => {
            s.virtualQueue.life = 'freed';
            s.virtualQueue.list.clear();
            s.virtualQueue.count = 0;
            s.virtualQueue.sequence = 0;
            s.expected = 0;
            s.untold = false;
          },
        },
      },
    ),

    raise: action(
      { endpoint: Endpoint },
      {
        actor: 'smmu',
        doc: 'an event of the device, such as a bad context descriptor',
        when: {
          'its event queue has room': (s) => !s.events.isFull,
          'numbers are left': (s) => {
            const outstanding = (s.virtualQueue.sequence - s.expected + modulus) % modulus;
            return outstanding + s.events.length + (s.streamsLocked ? 1 : 0) < modulus - 1;
          },
        },
        then: { 'write a record': (s, { endpoint }) => s.events.push({ endpoint }) },
      },
    ),
    eventThread: procedure(
      {},
      {
        actor: 'host',
        doc: 'takes events of all devices and hands on those of guests',
        repeat: true,
        fairness: 'weak',
        locals: { endpoint: optional(Endpoint) },
        steps: ({ step, branch }) => [
          step('take an event', {
            when: { 'one is there': (s) => !s.events.isEmpty },
            then: {
              'lock the stream IDs': (s) => {
                s.streamsLocked = true;
              },
              'take it': (s, _p, me) => {
                me.endpoint = s.events.shift().endpoint;
              },
            },
          }),
          branch('it is for a guest', {
            fused: true,
            if: (s, _p, { endpoint }) =>
              endpoint !== null && s.endpoint[endpoint].virtual && s.virtualQueue.life === 'there',
            then: [
              step('go to the queue', {
                then: {
                  'keep it': (s) => {
                    if (s.virtualQueue.life === 'there') s.virtualQueue.inUse = true;
                  },
                },
              }),
              branch('the queue is there', {
                fused: true,
                if: (s) => s.virtualQueue.inUse,
                then: [
                  step('report the event', {
                    source: ['NEST-20', 'VSVA-06'],
                    choose: { memory: bool },
                    then: {
                      'the queue is not freed': (s) => {
                        if (s.virtualQueue.life !== 'there') s.harm.freedQueue = true;
                      },
                      'take the marker off the end': (s) => {
                        const { list } = s.virtualQueue;
                        const kept = [...list].filter(({ kind }) => kind === 'record');
                        list.clear();
                        for (const one of kept) list.push(one);
                      },
                      'append a record, or the marker without room or memory': (s, { memory }) => {
                        const { list, count, sequence } = s.virtualQueue;
                        if (memory && count < size.depth) {
                          list.push({ kind: 'record', sequence, name: 'virtual' });
                          s.virtualQueue.count += 1;
                        } else {
                          list.push({ kind: 'lost', sequence, name: 'none' });
                          s.untold = true;
                        }
                      },
                      'count on': (s) => {
                        s.virtualQueue.sequence = after(s.virtualQueue.sequence);
                      },
                    },
                  }),
                  step('leave the queue', {
                    then: {
                      'let it go': (s) => {
                        s.virtualQueue.inUse = false;
                      },
                    },
                  }),
                ],
              }),
            ],
          }),
          step('be done', {
            doc: 'what is not for a guest is logged',
            then: {
              'unlock the stream IDs': (s, _p, me) => {
                s.streamsLocked = false;
                me.endpoint = null;
              },
            },
          }),
        ],
      },
    ),

    read: procedure(
      {},
      {
        actor: 'vmm',
        repeat: true,
        locals: { entry: optional(record(entry)) },
        steps: ({ step }) => [
          step('fetch the first', {
            source: 'NEST-20',
            when: { 'one is there': (s) => !s.virtualQueue.list.isEmpty },
            then: {
              'take a reference': (s) => {
                s.virtualQueue.readers += 1;
              },
              'take it off the list': (s, _p, me) => {
                me.entry = { ...s.virtualQueue.list.shift() };
              },
            },
          }),
          step('copy to user space', {
            source: 'NEST-20',
            choose: { fails: bool },
            then: {
              'put a record back at the front if it fails': (s, { fails }, { entry: fetched }) => {
                if (!fails || fetched === null) return;
                const { list } = s.virtualQueue;
                if (fetched.kind === 'lost' && !list.isEmpty) return;
                const behind = [...list];
                list.clear();
                list.push({ ...fetched });
                for (const one of behind) list.push(one);
              },
              'learn from it': (s, { fails }, { entry: fetched }) => {
                if (fails || fetched === null) return;
                if (fetched.kind === 'record') s.virtualQueue.count -= 1;
                const isGap = fetched.kind === 'lost' || fetched.sequence !== s.expected;
                s.expected = after(fetched.sequence);
                if (isGap && !tells(s)) s.untold = false;
              },
            },
          }),
          step('return', {
            then: {
              'forget it': (s, _p, me) => {
                s.virtualQueue.readers -= 1;
                me.entry = null;
              },
            },
          }),
        ],
      },
    ),
  }),
});

interface Entry {
  readonly kind: string;
  readonly sequence: number;
}
/** How many records a list has. */
export function recordsIn(list: Iterable<Entry>): number {
  return [...list].filter(({ kind }) => kind === 'record').length;
}
/** Whether who reads on from here will find out that something was lost: by the marker or by a gap. */
export function tells(s: {
  readonly expected: number;
  readonly virtualQueue: { readonly list: Iterable<Entry> };
}): boolean {
  let { expected } = s;
  for (const { kind, sequence } of s.virtualQueue.list) {
    if (kind === 'lost' || sequence !== expected) return true;
    expected = after(sequence);
  }
  return false;
}
