/** What software configures, and function level reset. */
import { describe, expect, it } from 'vitest';
import { Endpoint } from './endpoint.ts';
import { atOnce, byHand, capabilities, fill, invalidation, read, why, write } from './endpoint.fixture.ts';
import { must } from './outcome.ts';
import { PageRequestInterface } from './page-request-interface.ts';
import { FakeUpstream } from './upstream.fixture.ts';

describe('configuration', () => {
  it('ATS starts with an empty ATC, also when it is enabled again (ATS-20)', () => {
    const { smmu, endpoint } = byHand();
    expect(endpoint.atc.translations).toEqual([]);
    smmu.map(0x5000n, 0x9000n);
    fill(endpoint, 0x5000n);
    expect(endpoint.atc.translations).toMatchObject([{ untranslated: 0x5000n, address: 0x9000n }]);
    endpoint.disableAts();
    expect(endpoint.atc.translations).toEqual([]);
    must(endpoint.enableAts());
    expect(endpoint.atc.translations).toEqual([]);
  });

  it('a completion that comes after ATS was disabled is dropped, even if it was enabled again (ATS-20)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    const id = must(endpoint.requestTranslation({ address: 0x5000n }));
    must(endpoint.deliver(id));
    endpoint.disableAts();
    must(endpoint.enableAts());
    expect(must(endpoint.receiveCompletion(id))).toMatchObject({ translations: [], cached: [], usable: [] });
    expect(endpoint.atc.translations).toEqual([]);
  });

  it('what may be used once does not survive that ATS is disabled', () => {
    const { smmu, endpoint } = byHand({ caching: 'by hand' });
    smmu.map(0x5000n, 0x9000n);
    const id = must(endpoint.requestTranslation({ address: 0x5000n }));
    must(endpoint.deliver(id));
    const [through] = must(endpoint.receiveCompletion(id)).usable;
    endpoint.disableAts();
    must(endpoint.enableAts());
    expect(why(endpoint.issue(write(0x5000n), through && { through }))).toMatch(/not held any more/);
  });

  it('the Smallest Translation Unit is at least 4 KiB (ATS-11)', () => {
    const { endpoint } = byHand();
    endpoint.disableAts();
    for (const stu of [11, 44, 12.5]) expect(() => endpoint.enableAts(stu)).toThrow(RangeError);
    for (const stu of [12, 43]) {
      must(endpoint.enableAts(stu));
      expect(endpoint.stuLog2).toBe(stu);
      endpoint.disableAts();
    }
    must(endpoint.enableAts(16));
    expect(endpoint.stuLog2).toBe(16);
    expect(why(endpoint.enableAts())).toMatch(/already/);
  });

  it('PASIDs change only while ATS is off (PRIEN-03)', () => {
    const { endpoint } = byHand();
    expect(why(endpoint.disablePasid())).toMatch(/PRIEN-03/);
    expect(why(endpoint.enablePasid())).toMatch(/PRIEN-03/);
    endpoint.disableAts();
    must(endpoint.disablePasid());
    expect(endpoint.pasidEnabled).toBe(false);
    expect(why(endpoint.issue(write(0x5000n, 1)))).toMatch(/not enabled/);
    must(endpoint.enablePasid());
    must(endpoint.issue(write(0x5000n, 1)));
  });

  it('page requests are enabled with ATS on (PRIEN-01) and at most to the capacity (PRI-04)', () => {
    const { endpoint } = byHand();
    endpoint.disableAts();
    expect(why(endpoint.enablePri(1))).toMatch(/PRIEN-01/);
    must(endpoint.enableAts());
    expect(why(endpoint.enablePri(9))).toMatch(/PRI-04/);
    must(endpoint.enablePri(8));
    expect(endpoint.pri?.allocation).toBe(8);
    expect(why(endpoint.resetPri())).toMatch(/PRI-05/);
    must(endpoint.disablePri());
    must(endpoint.resetPri());
  });

  it('without a capability there is nothing to enable', () => {
    const endpoint = new Endpoint(new FakeUpstream(), 1);
    expect(why(endpoint.enableAts())).toMatch(/no ATS/);
    expect(why(endpoint.enablePasid())).toMatch(/no PASID/);
    expect(why(endpoint.enablePri(1))).toMatch(/no PRI/);
    expect(why(endpoint.disablePri())).toMatch(/no PRI/);
    expect(why(endpoint.resetPri())).toMatch(/no PRI/);
    expect(why(endpoint.requestPage({ address: 0n, last: true, read: true, write: false }))).toMatch(/no PRI/);
    expect(why(endpoint.requestTranslation({ address: 0n }))).toMatch(/ATS is not enabled/);
  });

  it('capabilities have bounds', () => {
    const smmu = new FakeUpstream();
    for (const invalidateQueueDepth of [1, 32]) {
      expect(new Endpoint(smmu, 1, { ats: { invalidateQueueDepth } }).atsEnabled).toBe(false);
    }
    for (const width of [0, 21]) expect(() => new Endpoint(smmu, 1, { pasid: { width } })).toThrow(RangeError);
    for (const invalidateQueueDepth of [0, 33]) {
      expect(() => new Endpoint(smmu, 1, { ats: { invalidateQueueDepth } })).toThrow(RangeError);
    }
    const plain = new Endpoint(smmu, 1, { pasid: { width: 20 } });
    expect(why(plain.enablePasid({ execute: true }))).toMatch(/execute/);
    expect(why(plain.enablePasid({ privileged: true }))).toMatch(/privileged/);
  });

  it('a PASID fits the width of the function (PASID-01, PASID-06)', () => {
    const { endpoint } = byHand();
    must(endpoint.issue(write(0x5000n, 255), { untranslated: true }));
    expect(why(endpoint.issue(write(0x5000n, 256), { untranslated: true }))).toMatch(/PASID-06/);
    for (const pasid of [2 ** 20, -1, 0.5]) {
      expect(() => endpoint.issue(write(0x5000n, pasid), { untranslated: true })).toThrow(RangeError);
    }
  });

  it('privileged and execute need a PASID (ATS-07), and to be enabled', () => {
    const { endpoint } = byHand();
    for (const mode of [{ privileged: true }, { execute: true }]) {
      expect(why(endpoint.issue({ ...read(0x5000n), ...mode }, { untranslated: true }))).toMatch(/ATS-07/);
      must(endpoint.issue({ ...read(0x5000n), ...mode, pasid: 1 }, { untranslated: true }));
    }
    endpoint.disableAts();
    must(endpoint.enablePasid());
    for (const mode of [{ privileged: true }, { execute: true }]) {
      expect(why(endpoint.issue({ ...read(0x5000n), ...mode, pasid: 1 }))).toMatch(/not enabled/);
    }
  });
});

describe('function level reset', () => {
  it('empties the ATC and disables everything (ATS-20, ATS-37)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    fill(endpoint, 0x5000n);
    must(endpoint.enablePri(4));
    must(endpoint.requestPage({ address: 0x5000n, last: true, read: true, write: false }));
    endpoint.reset();
    expect(endpoint.atc.translations).toEqual([]);
    expect([endpoint.atsEnabled, endpoint.pasidEnabled, endpoint.pri?.enabled]).toEqual([false, false, false]);
    expect(endpoint.pri).toMatchObject({ allocation: 0, outstanding: 0, stopped: true });
    expect(endpoint.flights).toEqual([]);
  });

  it('loses everything under way inside the function: no request arrives, no invalidation is answered', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    fill(endpoint, 0x5000n);
    const translation = must(endpoint.requestTranslation({ address: 0x6000n }));
    must(endpoint.deliver(translation));
    const sent = must(endpoint.issue(write(0x5000n)));
    endpoint.invalidate(invalidation({ itag: 0 }));
    must(endpoint.receiveInvalidation(0));
    endpoint.invalidate(invalidation({ itag: 1 }));
    endpoint.reset();
    expect(() => endpoint.admit(sent)).toThrow(RangeError);
    expect(() => endpoint.receiveCompletion(translation)).toThrow(RangeError);
    expect(() => endpoint.acknowledge(0)).toThrow(RangeError);
    expect(() => endpoint.receiveInvalidation(1)).toThrow(RangeError);
    expect(smmu.completions).toEqual([]);
  });

  it('does not take back what is past the SMMU, nor posted requests that have left the function', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    fill(endpoint, 0x5000n);
    const past = must(endpoint.issue(write(0x5000n)));
    must(endpoint.admit(past));
    const left = must(endpoint.issue(write(0x5010n)));
    const reading = must(endpoint.issue(read(0x5020n)));
    const inside = must(endpoint.issue(write(0x5030n)));
    expect(why(endpoint.beginReset([inside]))).toMatch(/has not left/);
    expect(endpoint.inReset).toBe(false);
    must(endpoint.beginReset([left, reading]));
    expect(endpoint.flights.map(({ id }) => id)).toEqual([past, left]);
    must(endpoint.admit(left));
    for (const id of [past, left]) must(endpoint.reachMemory(id));
    expect(smmu.read(0x9000n, 2)).toEqual([1, 2]);
    expect(smmu.read(0x9010n, 2)).toEqual([1, 2]);
  });

  it('while it lasts nothing is sent, enabled or answered (ATS-37)', () => {
    const { smmu, endpoint } = atOnce();
    must(endpoint.beginReset());
    endpoint.invalidate(invalidation());
    endpoint.pageResponse({ group: 0, code: 'success' });
    expect(why(endpoint.issue(write(0x5000n)))).toMatch(/in reset/);
    expect(endpoint.dma(write(0x5000n))).toMatchObject({ outcome: 'refused' });
    expect(why(endpoint.requestPage({ address: 0n, last: true, read: true, write: false }))).toMatch(/in reset/);
    for (const outcome of [endpoint.enableAts(), endpoint.enablePasid(), endpoint.enablePri(1)]) {
      expect(why(outcome)).toMatch(/in reset/);
    }
    endpoint.endReset();
    expect(smmu.completions).toEqual([]);
    expect(endpoint.inbox).toEqual([]);
    expect(endpoint.pri?.unexpectedIndex).toBe(false);
    must(endpoint.enableAts());
  });

  it('of a virtual function leaves the page requests of others alone (PRI-06)', () => {
    const smmu = new FakeUpstream();
    const pri = new PageRequestInterface({ capacity: 4, responsePasidRequired: true });
    const physical = new Endpoint(smmu, 1, { ...capabilities, schedule: 'by hand', pri });
    const virtual = new Endpoint(smmu, 2, { ...capabilities, schedule: 'by hand', pri });
    must(pri.allocate(2));
    must(pri.enable());
    for (const endpoint of [physical, virtual]) {
      must(endpoint.requestPage({ address: 0n, last: true, read: true, write: false }));
    }
    expect(why(virtual.enablePri(1))).toMatch(/PRI-06/);
    expect(why(virtual.disablePri())).toMatch(/PRI-06/);
    expect(why(virtual.resetPri())).toMatch(/PRI-06/);
    virtual.reset();
    expect(pri.enabled).toBe(true);
    expect(pri.groups).toMatchObject([{ streamId: 1 }]);
  });
});
