/**
 * What must hold of the vEVENTQ: what is lost is noticed, and nobody waits for who reads it.
 */
import { properties } from '../language/index.ts';
import { nestedInvalidationEvents, recordsIn, tells } from '../model/nested-invalidation-events.ts';

export const nestedInvalidationEventsProperties = properties(
  nestedInvalidationEvents,
  ({ invariant, leadsTo, recoverable, reachable, deadlockFree }) => ({
    'what was lost is noticed': invariant({
      doc: 'as long as the reader cannot know that a record was lost, the marker or a gap on the list will tell it',
      requirement: 'NEST-20',
      given: (s) => s.untold && s.read.entry === null,
      holds: (s) => tells(s),
    }),
    'the reader hears of lost records only if there are some': invariant({
      requirement: 'NEST-20',
      given: (s) => s.read.entry === null && tells(s),
      holds: (s) => s.untold,
    }),
    'the queue has as many records as it counts': invariant({
      doc: 'one that a reader copies counts until it is copied',
      requirement: 'NEST-20',
      holds: (s) => {
        const fetched = s.read.at === 'copy to user space' && s.read.entry?.kind === 'record' ? 1 : 0;
        return recordsIn(s.virtualQueue.list) + fetched === s.virtualQueue.count;
      },
    }),
    'there is one marker, at the end': invariant({
      requirement: 'NEST-20',
      holds: (s) => {
        const { list } = s.virtualQueue;
        return [...list].every(({ kind }, i) => kind === 'record' || i === list.length - 1);
      },
    }),
    'a record names the device as the guest knows it': invariant({
      requirement: 'VSVA-06',
      given: (s) => s.virtualQueue.list.has(({ kind }) => kind === 'record'),
      holds: (s) => s.virtualQueue.list.every(({ kind, name }) => kind === 'lost' || name === 'virtual'),
    }),
    'no event is reported to a queue that was freed': invariant({
      requirement: 'NEST-20',
      holds: (s) => !s.harm.freedQueue,
    }),
    'a queue that is read is there': invariant({
      given: (s) => s.virtualQueue.readers > 0,
      holds: (s) => s.virtualQueue.life === 'there' && s.read.entry !== null,
    }),
    'a queue that the event thread is in is there': invariant({
      given: (s) => s.virtualQueue.inUse,
      holds: (s) => s.virtualQueue.life === 'there',
    }),
    'a device whose event is being reported keeps its virtual stream ID': invariant({
      requirement: 'VSVA-06',
      given: (s) => s.eventThread.at === 'report the event',
      holds: (s) => s.eventThread.endpoint !== null && s.endpoint[s.eventThread.endpoint].virtual,
    }),
    'stream IDs are locked while the event thread uses one': invariant({
      holds: (s) => s.streamsLocked === (s.eventThread.at !== 'take an event'),
    }),
    'the event thread waits for nobody': leadsTo({
      doc: 'a guest whose VMM does not read loses events, and holds nobody up',
      requirement: ['NEST-20', 'VSVA-08'],
      from: (s) => s.eventThread.at !== 'take an event' || !s.events.isEmpty,
      to: (s) => s.eventThread.at === 'take an event',
    }),
    'the queue can become empty': recoverable({
      requirement: 'NEST-20',
      holds: (s) => s.virtualQueue.list.isEmpty,
    }),
    'something can always happen': deadlockFree({}),

    'records are lost': reachable({ requirement: 'NEST-20', holds: (s) => s.untold }),
    'a record follows lost ones': reachable({
      requirement: 'NEST-20',
      holds: (s) =>
        s.untold && s.virtualQueue.list.every(({ kind }) => kind === 'record') && !s.virtualQueue.list.isEmpty,
    }),
    'an event of a device without virtual stream ID comes': reachable({
      holds: (s) => s.events.has(({ endpoint }) => !s.endpoint[endpoint].virtual) && s.virtualQueue.life === 'there',
    }),
  }),
);
