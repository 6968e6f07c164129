import { describe, expect, it } from 'vitest';
import { byHand, fill, read, why, withPri, write } from './endpoint.fixture.ts';
import { must } from './outcome.ts';

describe('page requests', () => {
  const wanted = { address: 0x5000n, last: true, read: true, write: false } as const;

  it('are messages on the link, behind posted writes', () => {
    const { smmu, endpoint } = withPri();
    const sent = must(endpoint.issue(write(0x5000n), { untranslated: true }));
    const id = must(endpoint.requestPage({ ...wanted, pasid: 1, group: 7 }));
    expect(why(endpoint.deliver(id))).toMatch(/in front/);
    must(endpoint.admit(sent));
    must(endpoint.deliver(id));
    expect(smmu.pageRequests).toEqual([{ ...wanted, pasid: 1, group: 7, streamId: 0x10 }]);
    expect(endpoint.pri?.outstanding).toBe(1);
  });

  it('get the lowest free group, up to 512 of them (PRI-03)', () => {
    const { endpoint } = byHand({ pri: { capacity: 600, responsePasidRequired: true } });
    must(endpoint.enablePri(600));
    for (let count = 0; count < 512; count++) must(endpoint.requestPage(wanted));
    expect(endpoint.pri?.groups.map(({ index }) => index)).toEqual(Array.from({ length: 512 }, (_, index) => index));
    expect(why(endpoint.requestPage(wanted))).toMatch(/PRI-03/);
  });

  it('are for whole pages', () => {
    const { endpoint } = withPri();
    expect(() => endpoint.requestPage({ ...wanted, address: 0x5001n })).toThrow(RangeError);
  });

  it('a response takes effect when it is received, and tells listeners', () => {
    const { endpoint } = withPri();
    const codes: string[] = [];
    endpoint.listen({ answered: ({ code }) => codes.push(code) });
    must(endpoint.requestPage({ ...wanted, group: 7 }));
    const response = { group: 7, code: 'invalid request' } as const;
    endpoint.pageResponse(response);
    expect(endpoint.pri?.outstanding).toBe(1);
    expect(endpoint.responses).toEqual([response]);
    expect(must(endpoint.receiveResponse(response))).toMatchObject({ effect: 'answered', group: { index: 7 } });
    expect(endpoint.pri?.outstanding).toBe(0);
    expect(codes).toEqual(['invalid request']);
    expect(() => endpoint.receiveResponse(response)).toThrow(RangeError);
  });

  it('at once a response takes effect on arrival', () => {
    const { endpoint } = withPri({ schedule: 'at once' });
    must(endpoint.requestPage({ ...wanted, group: 7 }));
    endpoint.pageResponse({ group: 7, code: 'success' });
    expect(endpoint.pri?.outstanding).toBe(0);
  });

  it('do not change the ATC: the translation is asked for again (PRI-07)', () => {
    const { smmu, endpoint } = withPri({ schedule: 'at once' });
    smmu.onPageRequest = ({ group }) => {
      smmu.map(0x5000n, 0x9000n);
      endpoint.pageResponse({ group, code: 'success' });
    };
    must(endpoint.deliver(must(endpoint.requestPage(wanted))));
    expect(why(endpoint.issue(read(0x5000n)))).toMatch(/no translation/);
    expect(endpoint.dma(read(0x5000n))).toMatchObject({ outcome: 'done' });
  });
});

describe('a PASID stop', () => {
  const wanted = { address: 0x5000n, pasid: 1, last: true, read: true, write: false } as const;

  it('lets nothing new of the PASID out, and lets others alone (PRI-29)', () => {
    const { endpoint } = withPri();
    must(endpoint.stopPasid(1, 'after all responses'));
    expect(why(endpoint.stopPasid(1, 'after all responses'))).toMatch(/already/);
    const untranslated = { untranslated: true };
    expect(why(endpoint.issue(write(0x5000n, 1), untranslated))).toMatch(/PRI-29/);
    expect(why(endpoint.requestTranslation({ address: 0x5000n, pasid: 1 }))).toMatch(/PRI-29/);
    expect(why(endpoint.requestPage(wanted))).toMatch(/PRI-29/);
    must(endpoint.issue(write(0x5000n, 2), untranslated));
    must(endpoint.issue(write(0x5000n), untranslated));
    must(endpoint.requestPage({ ...wanted, pasid: 2 }));
  });

  it('is complete when its posted writes are in the host and its reads and translations have returned (PRI-29)', () => {
    const { smmu, endpoint } = withPri();
    smmu.map(0x5000n, 0x9000n, { pasid: 1 });
    fill(endpoint, 0x5000n, 1);
    const writing = must(endpoint.issue(write(0x5000n, 1)));
    const reading = must(endpoint.issue({ ...read(0x5000n), pasid: 1 }));
    const translating = must(endpoint.requestTranslation({ address: 0x6000n, pasid: 1 }));
    must(endpoint.issue(write(0x7000n, 2), { untranslated: true }));
    must(endpoint.stopPasid(1, 'after all responses'));
    expect(why(endpoint.completeStop(1))).toMatch(/write/);
    must(endpoint.admit(writing));
    expect(why(endpoint.completeStop(1))).toMatch(/read/);
    must(endpoint.admit(reading));
    expect(why(endpoint.completeStop(1))).toMatch(/read/);
    must(endpoint.reachMemory(writing));
    must(endpoint.reachMemory(reading));
    expect(why(endpoint.completeStop(1))).toMatch(/translation/);
    must(endpoint.admit(must(endpoint.issue(write(0x7000n), { untranslated: true, trafficClass: 1 }))));
    const front = endpoint.flights.find(({ pasid }) => pasid === 2);
    must(endpoint.admit(front?.id ?? -1));
    must(endpoint.deliver(translating));
    expect(why(endpoint.completeStop(1))).toMatch(/translation/);
    must(endpoint.receiveCompletion(translating));
    must(endpoint.completeStop(1));
    expect(endpoint.stops.get(1)).toEqual({ kind: 'after all responses', complete: true });
    expect(why(endpoint.issue(write(0x5000n, 1)))).toMatch(/is stopped/);
    expect(() => endpoint.completeStop(1)).toThrow(RangeError);
    expect(() => endpoint.completeStop(2)).toThrow(RangeError);
  });

  it('does not wait for a write past the SMMU', () => {
    const { endpoint, smmu } = withPri();
    smmu.map(0x5000n, 0x9000n, { pasid: 1 });
    must(endpoint.admit(must(endpoint.issue(write(0x5000n, 1), { untranslated: true }))));
    must(endpoint.stopPasid(1, 'after all responses'));
    must(endpoint.completeStop(1));
    expect(endpoint.flights).toMatchObject([{ state: 'admitted', pasid: 1 }]);
  });

  it('of the first kind waits for all responses (PRI-30)', () => {
    const { endpoint } = withPri();
    must(endpoint.deliver(must(endpoint.requestPage({ ...wanted, group: 7 }))));
    must(endpoint.deliver(must(endpoint.requestPage({ ...wanted, pasid: 2, group: 8 }))));
    must(endpoint.stopPasid(1, 'after all responses'));
    expect(why(endpoint.completeStop(1))).toMatch(/PRI-30/);
    const response = { group: 7, pasid: 1, code: 'success' } as const;
    endpoint.pageResponse(response);
    must(endpoint.receiveResponse(response));
    must(endpoint.completeStop(1));
    expect(why(endpoint.sendStopMarker(1))).toMatch(/no Stop Marker/);
    must(endpoint.startPasid(1));
    must(endpoint.requestPage(wanted));
  });

  it('of the second kind does not wait, and owes a Stop Marker behind the requests (PRI-30)', () => {
    const { smmu, endpoint } = withPri();
    const before = must(endpoint.requestPage({ ...wanted, group: 7 }));
    must(endpoint.stopPasid(1, 'with a stop marker'));
    // What says that the stop is complete does not pass the requests.
    expect(why(endpoint.completeStop(1))).toMatch(/PRI-29/);
    must(endpoint.deliver(before));
    must(endpoint.completeStop(1));
    const marker = must(endpoint.sendStopMarker(1));
    expect(why(endpoint.sendStopMarker(1))).toMatch(/no Stop Marker/);
    must(endpoint.deliver(marker));
    expect(smmu.pageRequests).toMatchObject([
      { group: 7, pasid: 1 },
      { pasid: 1, last: true, read: false, write: false },
    ]);
    expect(endpoint.pri?.outstanding).toBe(1);
  });

  it('of the second kind: the PASID may be used again before the marker, but for page requests (PRI-30)', () => {
    const { endpoint } = withPri();
    must(endpoint.stopPasid(1, 'with a stop marker'));
    must(endpoint.completeStop(1));
    must(endpoint.startPasid(1));
    must(endpoint.issue(write(0x5000n, 1), { untranslated: true }));
    expect(why(endpoint.requestPage(wanted))).toMatch(/PRI-30/);
    must(endpoint.requestPage({ ...wanted, pasid: 2 }));
    must(endpoint.sendStopMarker(1));
    must(endpoint.requestPage(wanted));
  });

  it('of the second kind: each stop owes a marker, also when the first was not sent yet', () => {
    const { endpoint } = withPri();
    for (let use = 0; use < 2; use++) {
      must(endpoint.stopPasid(1, 'with a stop marker'));
      must(endpoint.completeStop(1));
      must(endpoint.startPasid(1));
    }
    expect(endpoint.markersOwed(1)).toBe(2);
    must(endpoint.sendStopMarker(1));
    expect(why(endpoint.requestPage(wanted))).toMatch(/PRI-30/);
    must(endpoint.sendStopMarker(1));
    expect(endpoint.markersOwed(1)).toBe(0);
    must(endpoint.requestPage(wanted));
  });

  it('of what has no PASID follows the same rules, without a marker', () => {
    const { endpoint } = withPri();
    const { pasid: _, ...plain } = wanted;
    const before = must(endpoint.requestPage({ ...plain, group: 7 }));
    must(endpoint.stopPasid(undefined, 'with a stop marker'));
    expect(why(endpoint.requestPage({ ...plain, group: 8 }))).toMatch(/PRI-29/);
    must(endpoint.requestPage({ ...wanted, group: 8 }));
    expect(why(endpoint.completeStop(undefined))).toMatch(/under way/);
    must(endpoint.deliver(before));
    must(endpoint.completeStop(undefined));
    expect(endpoint.markersOwed(undefined)).toBe(0);
    expect(why(endpoint.requestPage(plain))).toMatch(/is stopped/);
    must(endpoint.startPasid(undefined));
    must(endpoint.requestPage(plain));
  });

  it('of the second kind: a late response to the old use returns its credit and nothing else (PRI-32)', () => {
    const { endpoint } = withPri();
    must(endpoint.deliver(must(endpoint.requestPage({ ...wanted, group: 7 }))));
    must(endpoint.stopPasid(1, 'with a stop marker'));
    must(endpoint.completeStop(1));
    must(endpoint.deliver(must(endpoint.sendStopMarker(1))));
    must(endpoint.startPasid(1));
    // The old group still holds its index.
    expect(why(endpoint.requestPage({ ...wanted, group: 7 }))).toMatch(/PRI-03/);
    must(endpoint.requestPage({ ...wanted, group: 8 }));
    const late = { group: 7, pasid: 1, code: 'success' } as const;
    endpoint.pageResponse(late);
    expect(must(endpoint.receiveResponse(late))).toMatchObject({ effect: 'answered', group: { stale: true } });
    expect(endpoint.pri?.groups).toMatchObject([{ index: 8, stale: false }]);
  });

  it('finishes the groups that were begun, and begins none (PRI-29)', () => {
    const { endpoint } = withPri();
    must(endpoint.deliver(must(endpoint.requestPage({ ...wanted, group: 7, last: false }))));
    must(endpoint.stopPasid(1, 'with a stop marker'));
    expect(why(endpoint.completeStop(1))).toMatch(/no Last/);
    expect(why(endpoint.requestPage({ ...wanted, group: 8 }))).toMatch(/PRI-29/);
    must(endpoint.deliver(must(endpoint.requestPage({ ...wanted, group: 7 }))));
    expect(why(endpoint.requestPage({ ...wanted, group: 7 }))).toMatch(/PRI-29/);
    must(endpoint.completeStop(1));
    expect(why(endpoint.requestPage({ ...wanted, group: 7 }))).toMatch(/is stopped/);
  });

  it('waits for no response after a Response Failure, when none will come', () => {
    const { endpoint } = withPri();
    for (const group of [7, 8]) must(endpoint.deliver(must(endpoint.requestPage({ ...wanted, group }))));
    const failure = { group: 7, pasid: 1, code: 'response failure' } as const;
    endpoint.pageResponse(failure);
    must(endpoint.receiveResponse(failure));
    must(endpoint.stopPasid(1, 'after all responses'));
    must(endpoint.completeStop(1));
    expect(endpoint.pri?.groups).toMatchObject([{ index: 8, stale: true }]);
  });

  it('owes no Stop Marker any more once page requests are off', () => {
    const { endpoint } = withPri();
    must(endpoint.stopPasid(1, 'with a stop marker'));
    must(endpoint.completeStop(1));
    must(endpoint.disablePri());
    expect(why(endpoint.sendStopMarker(1))).toMatch(/disabled/);
    must(endpoint.startPasid(1));
  });

  it('needs no Stop Marker if page requests are off, and is forgotten in a reset', () => {
    const { endpoint } = byHand();
    must(endpoint.stopPasid(1, 'with a stop marker'));
    expect(why(endpoint.startPasid(1))).toMatch(/PRI-29/);
    must(endpoint.completeStop(1));
    must(endpoint.startPasid(1));
    expect(why(endpoint.startPasid(1))).toMatch(/was not stopped/);
    must(endpoint.stopPasid(1, 'with a stop marker'));
    endpoint.reset();
    expect(endpoint.stops.size).toBe(0);
  });
});
