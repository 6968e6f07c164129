import { expect, it } from 'vitest';
import { type Flight, Link, mayPass, type Unsent } from './link.ts';

function memory(kind: 'read' | 'write', values: Partial<Extract<Flight, { readonly kind: 'memory' }>> = {}): Flight {
  return {
    id: 0,
    kind: 'memory',
    request: { kind, streamId: 1, translated: false, address: 0x1000n, length: 4 },
    pasid: undefined,
    trafficClasses: [0],
    through: undefined,
    relaxedOrdering: false,
    state: 'on the link',
    ...values,
  };
}

const translation: Flight = {
  id: 0,
  kind: 'translation',
  request: { streamId: 1, address: 0n },
  pasid: undefined,
  trafficClasses: [0],
  state: 'on the link',
  overtakenBy: [],
  discarded: false,
};
const pageRequest: Flight = {
  id: 0,
  kind: 'page request',
  request: { streamId: 1, address: 0n, group: 0, last: true, read: true, write: false },
  pasid: undefined,
  trafficClasses: [0],
  state: 'on the link',
};
const completion: Flight = {
  id: 0,
  kind: 'invalidate completion',
  itag: 0,
  pasid: undefined,
  trafficClasses: [0],
  state: 'on the link',
};

it('nothing passes a posted request, and everything passes the others (PCIe 2.4.1)', () => {
  const all = { write: memory('write'), read: memory('read'), translation, pageRequest, completion };
  for (const [name, earlier] of Object.entries(all)) {
    for (const later of Object.values(all)) {
      expect(mayPass(later, earlier)).toBe(name === 'read' || name === 'translation');
    }
  }
});

it('a write with Relaxed Ordering passes posted requests; a read does not', () => {
  expect(mayPass(memory('write', { relaxedOrdering: true }), memory('write'))).toBe(true);
  expect(mayPass(memory('write'), memory('write', { relaxedOrdering: true }))).toBe(false);
  expect(mayPass(memory('read', { relaxedOrdering: true }), memory('write'))).toBe(false);
  expect(mayPass(completion, memory('write', { relaxedOrdering: true }))).toBe(false);
});

it('traffic classes are not ordered against each other', () => {
  expect(mayPass(memory('write', { trafficClasses: [1] }), memory('write'))).toBe(true);
  expect(mayPass({ ...completion, trafficClasses: [2, 1] }, memory('write', { trafficClasses: [1] }))).toBe(false);
});

it('a flight waits for those sent before it, in the same place', () => {
  const link = new Link();
  const unsent = (flight: Flight): Unsent<Flight> => {
    const { id: _, ...rest } = flight;
    return rest;
  };
  const first = link.get(link.send(unsent(memory('write'))), 'memory');
  const second = link.get(link.send(unsent(memory('write'))), 'memory');
  expect([first.id, second.id, link.sent]).toEqual([0, 1, 2]);
  expect(link.inFrontOf(first)).toBeUndefined();
  expect(link.inFrontOf(second)).toBe(first);
  expect(link.inFrontOfNew(memory('write'), ['admitted'])).toBeUndefined();
  expect(link.inFrontOfNew(memory('write'), ['on the link'])).toBe(first);
  link.replace({ ...first, state: 'admitted' });
  expect(link.inFrontOf(second)).toBeUndefined();
  link.remove(first);
  expect(link.flights).toEqual([second]);
  expect(() => link.get(first.id, 'memory')).toThrow(RangeError);
  expect(() => link.get(second.id, 'translation')).toThrow(/number 1 is the write of 0x1000/);
});
