import { describe, expect, it } from 'vitest';
import { Endpoint } from './endpoint.ts';
import { atOnce, byHand, fill, invalidation, read, why, write } from './endpoint.fixture.ts';
import { must } from './outcome.ts';
import { FakeUpstream } from './upstream.fixture.ts';

describe('invalidation', () => {
  it('drops what it names when it is received, not when it arrives, and is acknowledged after that', () => {
    const { smmu, endpoint } = byHand();
    for (const pasid of [undefined, 1, 2]) {
      smmu.map(0x5000n, 0x9000n, pasid === undefined ? {} : { pasid });
      fill(endpoint, 0x5000n, pasid);
    }
    endpoint.invalidate(invalidation({ itag: 3, pasid: 1 }));
    expect(endpoint.inbox).toMatchObject([{ itag: 3 }]);
    expect(endpoint.atc.translations).toHaveLength(3);
    expect(() => endpoint.acknowledge(3)).toThrow(RangeError);
    expect(must(endpoint.receiveInvalidation(3))).toMatchObject([{ pasid: 1 }]);
    expect(endpoint.atc.translations.map(({ pasid }) => pasid)).toEqual([undefined, 2]);
    expect(endpoint.unacknowledged).toMatchObject([{ itag: 3 }]);
    expect(smmu.completions).toEqual([]);
    must(endpoint.acknowledge(3));
    expect(smmu.completions).toEqual([3]);
    expect(endpoint.unacknowledged).toEqual([]);
    expect(() => endpoint.acknowledge(3)).toThrow(RangeError);
    expect(() => endpoint.receiveInvalidation(3)).toThrow(RangeError);
  });

  it('without PASID drops the range of all PASIDs (ATS-34, INV-07)', () => {
    const { smmu, endpoint } = byHand();
    for (const pasid of [undefined, 1, 2]) {
      smmu.map(0x5000n, 0x9000n, pasid === undefined ? {} : { pasid });
      fill(endpoint, 0x5000n, pasid);
    }
    endpoint.invalidate(invalidation());
    expect(must(endpoint.receiveInvalidation(0))).toHaveLength(3);
    expect(endpoint.atc.translations).toEqual([]);
  });

  it.each([true, false])('Global Invalidate works with the capability alone (ATS-33): %s', (globalInvalidate) => {
    const { smmu, endpoint } = byHand({ ats: { globalInvalidate } });
    smmu.map(0x5000n, 0x9000n, { pasid: 2 });
    fill(endpoint, 0x5000n, 2);
    endpoint.invalidate(invalidation({ pasid: 1, global: true }));
    expect(must(endpoint.receiveInvalidation(0))).toHaveLength(globalInvalidate ? 1 : 0);
  });

  it('that overtakes a completion leaves it to one use before the acknowledgement (ATS-16)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    const id = must(endpoint.requestTranslation({ address: 0x5000n }));
    must(endpoint.deliver(id));
    endpoint.invalidate(invalidation());
    must(endpoint.receiveInvalidation(0));
    const { overtaken, cached, usable } = must(endpoint.receiveCompletion(id));
    expect({ overtaken, cached }).toEqual({ overtaken: true, cached: [] });
    expect(endpoint.atc.translations).toEqual([]);
    const [through] = usable;
    if (through === undefined) throw new Error('nothing is usable');
    must(endpoint.acknowledge(0));
    expect(why(endpoint.issue(write(0x5000n), { through }))).toMatch(/ATS-15/);
  });

  it('a use of an overtaken completion is waited for as any other (ATS-17)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    const id = must(endpoint.requestTranslation({ address: 0x5000n }));
    must(endpoint.deliver(id));
    endpoint.invalidate(invalidation());
    must(endpoint.receiveInvalidation(0));
    const [through] = must(endpoint.receiveCompletion(id)).usable;
    const sent = must(endpoint.issue(read(0x5000n), through && { through }));
    expect(why(endpoint.acknowledge(0))).toMatch(/ATS-17/);
    must(endpoint.admit(sent));
    must(endpoint.reachMemory(sent));
    must(endpoint.acknowledge(0));
  });

  it('a completion that arrives after the acknowledgement of what overtook it is dropped (ATS-16)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    const id = must(endpoint.requestTranslation({ address: 0x5000n }));
    must(endpoint.deliver(id));
    endpoint.invalidate(invalidation());
    must(endpoint.receiveInvalidation(0));
    must(endpoint.acknowledge(0));
    expect(must(endpoint.receiveCompletion(id))).toMatchObject({ overtaken: true, cached: [], usable: [] });
  });

  it('tags the part of a large translation as well as the whole (ATS-16)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x40_0000n, 0x80_0000n, { sizeLog2: 21 });
    const id = must(endpoint.requestTranslation({ address: 0x40_0000n }));
    endpoint.invalidate(invalidation({ address: 0x41_0000n }));
    must(endpoint.receiveInvalidation(0));
    must(endpoint.deliver(id));
    expect(must(endpoint.receiveCompletion(id))).toMatchObject({ overtaken: true, cached: [] });
  });

  it('tags a request that the SMMU is just answering', () => {
    const { smmu, endpoint } = atOnce();
    smmu.map(0x5000n, 0x9000n);
    smmu.onTranslate = () => endpoint.invalidate(invalidation());
    const id = must(endpoint.requestTranslation({ address: 0x5000n }));
    must(endpoint.deliver(id));
    expect(must(endpoint.receiveCompletion(id))).toMatchObject({ overtaken: true, cached: [], usable: [] });
  });

  it('does not tag completions that it does not name, nor requests that come later', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n, { pasid: 1 });
    smmu.map(0x6000n, 0xa000n, { pasid: 1 });
    const before = must(endpoint.requestTranslation({ address: 0x6000n, pasid: 1 }));
    endpoint.invalidate(invalidation({ pasid: 1 }));
    must(endpoint.receiveInvalidation(0));
    const after = must(endpoint.requestTranslation({ address: 0x5000n, pasid: 1 }));
    for (const id of [before, after]) {
      must(endpoint.deliver(id));
      expect(must(endpoint.receiveCompletion(id))).toMatchObject({ overtaken: false, cached: [{ request: id }] });
    }
  });

  it('drops what may be used once, too', () => {
    const { smmu, endpoint } = byHand({ caching: 'by hand' });
    smmu.map(0x5000n, 0x9000n);
    const id = must(endpoint.requestTranslation({ address: 0x5000n }));
    must(endpoint.deliver(id));
    const [through] = must(endpoint.receiveCompletion(id)).usable;
    endpoint.invalidate(invalidation());
    expect(must(endpoint.receiveInvalidation(0))).toEqual([through]);
    expect(why(endpoint.issue(write(0x5000n), through && { through }))).toMatch(/ATS-15/);
  });

  it('its acknowledgement leaves what was asked for after it, and what it does not name', () => {
    const { smmu, endpoint } = byHand({ caching: 'by hand' });
    smmu.map(0x5000n, 0x9000n);
    smmu.map(0x6000n, 0xa000n);
    const ask = (address: bigint): void => {
      const id = must(endpoint.requestTranslation({ address }));
      must(endpoint.deliver(id));
      must(endpoint.receiveCompletion(id));
    };
    ask(0x6000n);
    endpoint.invalidate(invalidation());
    must(endpoint.receiveInvalidation(0));
    ask(0x5000n);
    must(endpoint.acknowledge(0));
    expect(endpoint.usable).toMatchObject([{ untranslated: 0x6000n }, { untranslated: 0x5000n }]);
  });

  it('is not acknowledged before reads that used what it names have returned (ATS-17)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    smmu.map(0x6000n, 0xa000n);
    fill(endpoint, 0x5000n);
    fill(endpoint, 0x6000n);
    const other = must(endpoint.issue(read(0x6000n)));
    const sent = must(endpoint.issue(read(0x5000n)));
    const [translation] = endpoint.atc.translations;
    if (translation === undefined) throw new Error('the ATC is empty');
    // Evicted long before the invalidation comes: what was sent through it is still to be waited for.
    endpoint.evict(translation);
    endpoint.invalidate(invalidation());
    must(endpoint.receiveInvalidation(0));
    expect(why(endpoint.acknowledge(0))).toMatch(/the read of 0x9000 is outstanding/);
    expect(why(endpoint.sendAcknowledgement(0))).toMatch(/ATS-17/);
    must(endpoint.admit(sent));
    expect(why(endpoint.acknowledge(0))).toMatch(/ATS-17/);
    must(endpoint.reachMemory(sent));
    must(endpoint.acknowledge(0));
    must(endpoint.admit(other));
  });

  it('is acknowledged behind the posted writes that used what it names (ATS-18)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    fill(endpoint, 0x5000n);
    const sent = must(endpoint.issue(write(0x5000n)));
    endpoint.invalidate(invalidation());
    must(endpoint.receiveInvalidation(0));
    expect(why(endpoint.acknowledge(0))).toMatch(/ATS-18/);
    expect(endpoint.unacknowledged).toHaveLength(1);
    expect(endpoint.flights).toHaveLength(1);
    const completion = must(endpoint.sendAcknowledgement(0));
    expect(why(endpoint.deliver(completion))).toMatch(/in front/);
    must(endpoint.admit(sent));
    must(endpoint.deliver(completion));
    expect(smmu.log.slice(-2)).toEqual(['write 9000', 'invalidate completion 0']);
  });

  it('is acknowledged in each traffic class that a write used, and in no other (ATS-25)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    smmu.map(0x6000n, 0xa000n);
    fill(endpoint, 0x5000n);
    fill(endpoint, 0x6000n);
    const first = must(endpoint.issue(write(0x5000n), { trafficClass: 1 }));
    const second = must(endpoint.issue(write(0x5000n), { trafficClass: 2 }));
    must(endpoint.issue(write(0x6000n), { trafficClass: 3 }));
    endpoint.invalidate(invalidation());
    must(endpoint.receiveInvalidation(0));
    expect(why(endpoint.acknowledge(0))).toMatch(/ATS-18/);
    must(endpoint.admit(first));
    expect(why(endpoint.acknowledge(0))).toMatch(/ATS-18/);
    must(endpoint.admit(second));
    must(endpoint.acknowledge(0));
  });

  it('does not wait for reads through a translation that was asked for after it', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    endpoint.invalidate(invalidation());
    must(endpoint.receiveInvalidation(0));
    fill(endpoint, 0x5000n);
    must(endpoint.issue(read(0x5000n)));
    must(endpoint.acknowledge(0));
    expect(smmu.completions).toEqual([0]);
  });

  it('a completion on the link keeps later writes behind it', () => {
    const { endpoint } = byHand();
    endpoint.invalidate(invalidation());
    must(endpoint.receiveInvalidation(0));
    const completion = must(endpoint.sendAcknowledgement(0));
    const later = must(endpoint.issue(write(0x5000n), { untranslated: true }));
    expect(why(endpoint.admit(later))).toMatch(/the Invalidate Completion of ITag 0 is in front/);
    must(endpoint.deliver(completion));
    must(endpoint.admit(later));
  });

  it('beyond the Invalidate Queue Depth waits, and holds back what comes behind it (ATS-26)', () => {
    const { smmu, endpoint } = byHand({ ats: { invalidateQueueDepth: 2 } });
    for (const itag of [0, 1, 2]) endpoint.invalidate(invalidation({ itag }));
    const response = { group: 0, code: 'success' } as const;
    endpoint.pageResponse(response);
    expect(why(endpoint.receiveInvalidation(2))).toMatch(/ATS-26/);
    expect(why(endpoint.receiveResponse(response))).toMatch(/ATS-26/);
    // Within the queue a function may take requests in any order.
    must(endpoint.receiveInvalidation(1));
    must(endpoint.receiveInvalidation(0));
    expect(why(endpoint.receiveInvalidation(2))).toMatch(/ATS-26/);
    must(endpoint.acknowledge(0));
    expect(must(endpoint.receiveResponse(response))).toEqual({ effect: 'unexpected' });
    must(endpoint.receiveInvalidation(2));
    must(endpoint.acknowledge(1));
    must(endpoint.acknowledge(2));
    expect(smmu.completions).toEqual([0, 1, 2]);
  });

  it('a request whose ITag is used again is answered after the older one (ATS-30)', () => {
    const { smmu, endpoint } = byHand();
    endpoint.invalidate(invalidation({ address: 0x5000n }));
    must(endpoint.receiveInvalidation(0));
    endpoint.invalidate(invalidation({ address: 0x6000n }));
    must(endpoint.acknowledge(0));
    expect(endpoint.inbox).toMatchObject([{ address: 0x6000n }]);
    must(endpoint.receiveInvalidation(0));
    must(endpoint.acknowledge(0));
    expect(smmu.completions).toEqual([0, 0]);
  });

  it('at once is received and acknowledged on arrival, or as soon as the writes before it are gone', () => {
    const { smmu, endpoint } = atOnce();
    smmu.map(0x5000n, 0x9000n);
    fill(endpoint, 0x5000n);
    endpoint.invalidate(invalidation({ address: 0x6000n }));
    expect(smmu.completions).toEqual([0]);
    const first = must(endpoint.issue(write(0x5000n)));
    const second = must(endpoint.issue(read(0x5000n)));
    endpoint.invalidate(invalidation({ itag: 1 }));
    expect(endpoint.atc.translations).toEqual([]);
    must(endpoint.admit(first));
    expect(smmu.completions).toEqual([0]);
    must(endpoint.admit(second));
    expect(smmu.completions).toEqual([0]);
    must(endpoint.reachMemory(first));
    must(endpoint.reachMemory(second));
    expect(smmu.completions).toEqual([0, 1]);
  });

  it('at once is acknowledged as soon as a page request in front of it is delivered', () => {
    const { smmu, endpoint } = atOnce();
    must(endpoint.enablePri(1));
    const page = must(endpoint.requestPage({ address: 0x5000n, last: true, read: true, write: false }));
    endpoint.invalidate(invalidation());
    expect(smmu.completions).toEqual([]);
    must(endpoint.deliver(page));
    expect(smmu.completions).toEqual([0]);
  });

  it('at once copes with an SMMU that sends the next one from within the completion', () => {
    const { smmu, endpoint } = atOnce();
    let itag = 0;
    smmu.onInvalidateCompletion = () => {
      if (itag < 3) endpoint.invalidate(invalidation({ itag: ++itag }));
    };
    endpoint.invalidate(invalidation());
    expect(smmu.completions).toEqual([0, 1, 2, 3]);
  });

  it('of a function without ATS is answered with Unsupported Request at once', () => {
    const smmu = new FakeUpstream();
    const endpoint = new Endpoint(smmu, 1, { schedule: 'by hand' });
    endpoint.invalidate(invalidation({ itag: 4 }));
    expect(smmu.completions).toEqual([4]);
  });

  it('still waits after ATS was disabled, to be answered or not (ATS-36)', () => {
    const { smmu, endpoint } = byHand();
    endpoint.invalidate(invalidation());
    endpoint.disableAts();
    must(endpoint.receiveInvalidation(0));
    must(endpoint.acknowledge(0));
    expect(smmu.completions).toEqual([0]);
  });
});
