/**
 * Known and likely bugs of the vEVENTQ, as edits of the correct protocol.
 */
import { variants } from '../language/index.ts';
import { after } from '../model/nested-invalidation-events.ts';
import { nestedInvalidationEventsProperties } from './nested-invalidation-events.ts';

const noticed = 'what was lost is noticed';

export const nestedInvalidationEventsVariants = variants(nestedInvalidationEventsProperties, {
  'lost-without-marker': {
    doc: 'a record that finds the queue full is dropped, and neither a marker nor a number tells it',
    reference: 'NEST-20; VFIO and virtio fault queues before the vEVENTQ drop in silence',
    violates: { [noticed]: 6 },
    edits: ({ replace }) => [
      replace(
        ['eventThread', 'report the event', 'append a record, or the marker without room or memory'],
        (s, { memory }) => {
          const { list, count, sequence } = s.virtualQueue;
          if (memory && count === 0) {
            list.push({ kind: 'record', sequence, name: 'virtual' });
            s.virtualQueue.count += 1;
            s.virtualQueue.sequence = after(sequence);
          } else s.untold = true;
        },
      ),
      replace(['eventThread', 'report the event', 'count on'], () => {}),
    ],
  },
  'full-queue-makes-the-event-thread-wait': {
    doc: 'the event thread waits until the VMM has read',
    reference: 'NEST-20; Linux 3d49020a327c is the same for page requests',
    violates: { 'the event thread waits for nobody': 11 },
    edits: ({ addGuard }) => [
      addGuard(['eventThread', 'report the event'], 'the queue has room', (s) => s.virtualQueue.count === 0),
    ],
  },
  'marker-stays-in-the-middle': {
    doc: 'the marker is not taken off the end before a record is appended behind it',
    reference: 'NEST-20; the marker is one static object, which would be on the list twice',
    violates: { 'the queue has as many records as it counts': 24, 'there is one marker, at the end': 12 },
    size: 'ci',
    set: { endpoint: 1 },
    edits: ({ replace, size }) => [
      replace(['eventThread', 'report the event', 'take the marker off the end'], (s) => {
        const { list } = s.virtualQueue;
        while (list.length > size.depth) list.shift();
      }),
    ],
  },
  'failed-copy-forgets-the-record': {
    doc: 'a record whose copy to user space failed is not put back',
    reference: 'NEST-20; error path of iommufd_veventq_fops_read',
    violates: { [noticed]: 9, 'the queue has as many records as it counts': 8 },
    edits: ({ drop }) => [drop(['read', 'copy to user space', 'put a record back at the front if it fails'])],
  },
  'queue-freed-under-the-event-thread': {
    doc: 'the VMM closes the queue while the event thread is about to report',
    reference: 'NEST-20; Linux e36ba5ab808e takes a readers-writer lock over the queues of a virtual SMMU',
    violates: {
      'no event is reported to a queue that was freed': 7,
      'a queue that is read is there': 8,
      'a queue that the event thread is in is there': 6,
    },
    edits: ({ drop }) => [drop(['destroyQueue', 'the event thread is not inside'])],
  },
  'virtual-stream-id-used-without-lock': {
    doc: 'a device is detached between the lookup of its virtual stream ID and the report',
    reference: 'VSVA-06; Linux protects the vmaster of a device by streams_mutex',
    violates: { 'a device whose event is being reported keeps its virtual stream ID': 6 },
    edits: ({ drop }) => [drop(['detach', 'nobody uses stream IDs'])],
  },
  'physical-stream-id-reported': {
    doc: 'the record carries the stream ID of the host',
    reference: 'VSVA-06; NEST-20',
    violates: { 'a record names the device as the guest knows it': 6 },
    edits: ({ replace }) => [
      replace(
        ['eventThread', 'report the event', 'append a record, or the marker without room or memory'],
        (s, { memory }) => {
          const { list, count, sequence } = s.virtualQueue;
          if (memory && count === 0) {
            list.push({ kind: 'record', sequence, name: 'physical' });
            s.virtualQueue.count += 1;
          } else {
            list.push({ kind: 'lost', sequence, name: 'none' });
            s.untold = true;
          }
        },
      ),
    ],
  },
});
