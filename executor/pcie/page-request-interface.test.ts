import { describe, expect, it } from 'vitest';
import type { EndpointDefects } from './defects.ts';
import type { PageRequest, PageResponse } from './messages.ts';
import { must } from './outcome.ts';
import { isStopMarker, PageRequestInterface } from './page-request-interface.ts';

function request(values: Partial<PageRequest> = {}): PageRequest {
  return { streamId: 1, address: 0x1000n, group: 5, last: true, read: true, write: false, ...values };
}

function response(values: Partial<PageResponse> = {}): PageResponse {
  return { group: 5, code: 'success', ...values };
}

function enabled(
  { allocation = 4, responsePasidRequired = true } = {},
  defects: EndpointDefects = {},
): PageRequestInterface {
  const pri = new PageRequestInterface({ capacity: 4, responsePasidRequired }, defects);
  must(pri.allocate(allocation));
  must(pri.enable());
  return pri;
}

const isRefused = { done: false };
const isDone = { done: true };

describe('allocation and enabling', () => {
  it('the allocation is at most the capacity, and fixed while enabled (PRI-04)', () => {
    const pri = new PageRequestInterface({ capacity: 4, responsePasidRequired: true });
    expect(pri.enable()).toMatchObject(isRefused);
    expect(pri.allocate(5)).toMatchObject(isRefused);
    expect(pri.allocate(4)).toMatchObject(isDone);
    expect(pri.allocation).toBe(4);
    expect(pri.enable()).toMatchObject(isDone);
    expect([pri.enabled, pri.stopped]).toEqual([true, false]);
    expect(pri.allocate(3)).toMatchObject(isRefused);
    expect(() => pri.allocate(0)).toThrow(RangeError);
    expect(new PageRequestInterface({ capacity: 1, responsePasidRequired: true }).stopped).toBe(true);
    expect(() => new PageRequestInterface({ capacity: 0, responsePasidRequired: true })).toThrow(RangeError);
  });

  it('is enabled again only after it stopped: when the last response is here (PRI-05)', () => {
    const pri = enabled();
    expect(pri.enable()).toMatchObject(isRefused);
    must(pri.take(request()));
    must(pri.take(request({ group: 6 })));
    pri.disable();
    expect(pri.stopped).toBe(false);
    expect(pri.enable()).toMatchObject(isRefused);
    pri.respond(1, response());
    expect(pri.stopped).toBe(false);
    pri.respond(1, response({ group: 6 }));
    expect(pri.stopped).toBe(true);
    expect(pri.enable()).toMatchObject(isDone);
  });

  it('a function level reset leaves nothing', () => {
    const pri = enabled();
    must(pri.take(request()));
    must(pri.take(request({ group: 6 })));
    pri.respond(1, response({ code: 'response failure' }));
    pri.clear();
    expect(pri).toMatchObject({ enabled: false, stopped: true, allocation: 0, outstanding: 0 });
    expect([pri.responseFailure, pri.unexpectedIndex]).toEqual([false, false]);
  });

  it('has stopped at once if nothing is outstanding', () => {
    const pri = enabled();
    pri.disable();
    expect(pri.stopped).toBe(true);
    expect(pri.take(request())).toMatchObject(isRefused);
  });

  it('is reset only while disabled, and forgets what was outstanding (PRI-05)', () => {
    const pri = enabled();
    must(pri.take(request()));
    expect(pri.reset()).toMatchObject(isRefused);
    expect(pri.outstanding).toBe(1);
    pri.disable();
    expect(pri.reset()).toMatchObject(isDone);
    expect(pri.outstanding).toBe(0);
    expect(pri.stopped).toBe(true);
    must(pri.enable());
    expect(pri.respond(1, response())).toEqual({ effect: 'unexpected' });
  });
});

describe('groups and credits', () => {
  it('credits are of requests, not groups, and come back with the response (PRI-04, PRI-15)', () => {
    const pri = enabled();
    for (const last of [false, false, true]) must(pri.take(request({ last })));
    must(pri.take(request({ group: 6 })));
    expect(pri.outstanding).toBe(4);
    expect(pri.take(request({ group: 7 }))).toMatchObject(isRefused);
    pri.respond(1, response());
    expect(pri.outstanding).toBe(1);
    expect(pri.take(request({ group: 7 }))).toMatchObject(isDone);
  });

  it('an index is not used again while its group is outstanding, by any PASID (PRI-03, PRI-13)', () => {
    const pri = enabled();
    must(pri.take(request({ pasid: 1 })));
    expect(pri.take(request({ pasid: 1 }))).toMatchObject(isRefused);
    expect(pri.take(request({ pasid: 2 }))).toMatchObject(isRefused);
    pri.respond(1, response({ pasid: 1 }));
    expect(pri.take(request({ pasid: 2 }))).toMatchObject(isDone);
  });

  it('a group is of one PASID (PRI-02)', () => {
    const pri = enabled();
    must(pri.take(request({ pasid: 1, last: false })));
    expect(pri.take(request({ pasid: 2 }))).toMatchObject(isRefused);
    expect(pri.take(request())).toMatchObject(isRefused);
    expect(pri.take(request({ pasid: 1 }))).toMatchObject(isDone);
    expect(pri.groups).toMatchObject([{ index: 5, pasid: 1, requests: [{ last: false }, { last: true }] }]);
  });

  it('has indices 0 to 511 (PRI-01), and finds a free one', () => {
    const pri = enabled();
    must(pri.take(request({ group: 0 })));
    must(pri.take(request({ group: 511 })));
    expect(pri.freeGroup(1)).toBe(1);
    expect(pri.freeGroup(2)).toBe(0);
    for (const group of [512, -1, 0.5]) expect(() => pri.take(request({ group }))).toThrow(RangeError);
  });

  it('knows a Stop Marker: Last with a PASID and nothing else (HOST-05)', () => {
    const marker = request({ pasid: 1, read: false });
    expect(isStopMarker(marker)).toBe(true);
    expect(isStopMarker({ ...marker, last: false })).toBe(false);
    expect(isStopMarker({ ...marker, write: true })).toBe(false);
    expect(isStopMarker(request({ read: false }))).toBe(false);
    expect(() => enabled().take(marker)).toThrow(RangeError);
  });

  it('are apart for each function that shares the interface, credits are not (PRI-06)', () => {
    const pri = enabled({ allocation: 2 });
    must(pri.take(request()));
    must(pri.take(request({ streamId: 2 })));
    expect(pri.take(request({ streamId: 3 }))).toMatchObject(isRefused);
    expect(pri.respond(3, response())).toEqual({ effect: 'unexpected' });
    expect(pri.respond(2, response())).toMatchObject({ effect: 'answered', group: { streamId: 2 } });
    expect(pri.groups).toMatchObject([{ streamId: 1 }]);
    pri.forget(2);
    expect(pri.stopped).toBe(false);
    pri.disable();
    pri.forget(2);
    expect([pri.outstanding, pri.stopped]).toEqual([1, false]);
    pri.forget(1);
    expect(pri.outstanding).toBe(0);
    expect(pri.stopped).toBe(true);
  });
});

describe('responses', () => {
  it('an index without an outstanding group sets UPRGI and releases nothing (PRI-11)', () => {
    const pri = enabled();
    must(pri.take(request()));
    expect(pri.respond(1, response({ group: 6 }))).toEqual({ effect: 'unexpected' });
    expect(pri.unexpectedIndex).toBe(true);
    expect(pri.outstanding).toBe(1);
  });

  it('a group is answered only after its Last, and once (PRI-02)', () => {
    const pri = enabled();
    must(pri.take(request({ last: false })));
    expect(pri.respond(1, response())).toEqual({ effect: 'unexpected' });
    must(pri.take(request()));
    expect(pri.respond(1, response())).toMatchObject({ effect: 'answered', code: 'success' });
    expect(pri.respond(1, response())).toEqual({ effect: 'unexpected' });
  });

  it('carry the PASID of the requests if the capability says so (PRI-12)', () => {
    const pri = enabled();
    must(pri.take(request({ pasid: 1 })));
    must(pri.take(request({ group: 6 })));
    expect(pri.respond(1, response())).toEqual({ effect: 'unexpected' });
    expect(pri.respond(1, response({ pasid: 2 }))).toEqual({ effect: 'unexpected' });
    expect(pri.respond(1, response({ group: 6, pasid: 1 }))).toEqual({ effect: 'unexpected' });
    expect(pri.respond(1, response({ pasid: 1 }))).toMatchObject({ effect: 'answered' });
    expect(pri.respond(1, response({ group: 6 }))).toMatchObject({ effect: 'answered' });
  });

  it('match by index alone if it does not (PRI-12, PRI-13)', () => {
    const pri = enabled({ responsePasidRequired: false });
    must(pri.take(request({ pasid: 1 })));
    expect(pri.respond(1, response())).toMatchObject({ effect: 'answered', group: { pasid: 1 } });
  });

  it('Invalid Request ends its group only (PRI-10)', () => {
    const pri = enabled();
    must(pri.take(request()));
    expect(pri.respond(1, response({ code: 'invalid request' }))).toMatchObject({ code: 'invalid request' });
    expect(pri.responseFailure).toBe(false);
    expect(pri.take(request())).toMatchObject(isDone);
  });

  it('Response Failure ends page requests until they are enabled again; later responses are ignored (PRI-10)', () => {
    const pri = enabled();
    must(pri.take(request()));
    must(pri.take(request({ group: 6 })));
    pri.respond(1, response({ code: 'response failure' }));
    expect(pri.responseFailure).toBe(true);
    expect(pri.take(request())).toMatchObject(isRefused);
    expect(pri.respond(1, response({ group: 6 }))).toEqual({ effect: 'ignored' });
    expect(pri.respond(1, response({ group: 9 }))).toEqual({ effect: 'ignored' });
    expect(pri.unexpectedIndex).toBe(false);
    pri.disable();
    must(pri.reset());
    expect(pri.responseFailure).toBe(true);
    must(pri.enable());
    expect(pri.responseFailure).toBe(false);
    expect(pri.outstanding).toBe(0);
    expect(pri.take(request())).toMatchObject(isDone);
  });

  it('enabling clears UPRGI', () => {
    const pri = enabled();
    pri.respond(1, response());
    pri.disable();
    expect(pri.unexpectedIndex).toBe(true);
    must(pri.enable());
    expect(pri.unexpectedIndex).toBe(false);
  });

  it('to a stopped PASID give credits back and are marked so (PRI-32)', () => {
    const pri = enabled();
    must(pri.take(request({ pasid: 1 })));
    must(pri.take(request({ pasid: 2, group: 6 })));
    pri.markStale(1, 1);
    expect(pri.groups).toMatchObject([{ stale: true }, { stale: false }]);
    expect(pri.respond(1, response({ pasid: 1 }))).toMatchObject({ group: { stale: true } });
    expect(pri.outstanding).toBe(1);
  });
});

describe('on purpose', () => {
  it('reuses indices', () => {
    const pri = enabled({}, { reusesGroups: true });
    must(pri.take(request({ pasid: 1 })));
    expect(pri.take(request({ pasid: 2 }))).toMatchObject(isDone);
    expect(pri.groups).toHaveLength(2);
  });

  it('exceeds the allocation', () => {
    const pri = enabled({ allocation: 1 }, { exceedsAllocation: true });
    must(pri.take(request()));
    expect(pri.take(request({ group: 6 }))).toMatchObject(isDone);
  });

  it('goes on after Response Failure', () => {
    const pri = enabled({}, { ignoresResponseFailure: true });
    must(pri.take(request()));
    pri.respond(1, response({ code: 'response failure' }));
    expect(pri.take(request())).toMatchObject(isDone);
    expect(pri.respond(1, response())).toMatchObject({ effect: 'answered' });
  });
});
