import { describe, expect, it } from 'vitest';
import type { Endpoint } from './endpoint.ts';
import { byHand, fill, read, why, write } from './endpoint.fixture.ts';
import { must } from './outcome.ts';

describe('memory requests', () => {
  it('go through the ATC as translated requests without PASID', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n, { pasid: 1 });
    fill(endpoint, 0x5000n, 1);
    const id = must(endpoint.issue({ ...write(0x5123n, 1), on: 'process' }));
    must(endpoint.admit(id));
    expect(smmu.requests).toEqual([
      {
        kind: 'write',
        streamId: 0x10,
        translated: true,
        address: 0x9123n,
        bytes: Uint8Array.of(1, 2),
        on: 'process',
        untranslated: { address: 0x5123n, pasid: 1 },
      },
    ]);
    expect(smmu.read(0x9123n, 2)).toEqual([0, 0]);
    must(endpoint.reachMemory(id));
    expect(smmu.read(0x9123n, 2)).toEqual([1, 2]);
    expect(endpoint.flights).toEqual([]);
  });

  it('go untranslated with their PASID if they are told to, or if ATS is off', () => {
    const { smmu, endpoint } = byHand();
    const plain = { streamId: 0x10, translated: false, address: 0x5123n, pasid: 1 };
    must(endpoint.admit(must(endpoint.issue(write(0x5123n, 1), { untranslated: true }))));
    endpoint.disableAts();
    must(endpoint.admit(must(endpoint.issue(write(0x5123n, 1)))));
    expect(smmu.requests).toMatchObject([plain, plain]);
  });

  it('do not use a translation for another PASID, another mode or another address (ATS-06, ATS-07)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n, { pasid: 1 });
    fill(endpoint, 0x5000n, 1);
    const [through] = endpoint.atc.translations;
    if (through === undefined) throw new Error('the ATC is empty');
    for (const access of [
      write(0x5000n, 2),
      write(0x5000n),
      write(0x6000n, 1),
      { ...write(0x5000n, 1), privileged: true },
    ]) {
      expect(why(endpoint.issue(access))).toMatch(/no translation/);
      expect(why(endpoint.issue(access, { through }))).toMatch(/ATS-06/);
    }
  });

  it('keep to the permissions (ATS-15)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n, { write: false });
    smmu.map(0x6000n, 0xa000n, { read: false });
    fill(endpoint, 0x5000n);
    fill(endpoint, 0x6000n);
    must(endpoint.issue(read(0x5000n)));
    expect(why(endpoint.issue(write(0x5000n)))).toMatch(/does not permit/);
    must(endpoint.issue(write(0x6000n)));
    expect(why(endpoint.issue(read(0x6000n)))).toMatch(/does not permit/);
  });

  it('with U set are sent untranslated (ATS-08)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n, { untranslatedOnly: true });
    fill(endpoint, 0x5000n);
    must(endpoint.admit(must(endpoint.issue(write(0x5123n)))));
    expect(smmu.requests).toMatchObject([{ translated: false, address: 0x5123n }]);
  });

  it('do not cross 4 KiB and are not empty', () => {
    const { endpoint } = byHand();
    const untranslated = { untranslated: true };
    must(endpoint.issue(read(0x5ffen, 2), untranslated));
    must(endpoint.issue(read(0x5000n, 4096), untranslated));
    expect(() => endpoint.issue(read(0x5fffn, 2), untranslated)).toThrow(RangeError);
    expect(() => endpoint.issue(read(0x5000n, 0), untranslated)).toThrow(RangeError);
    expect(() => endpoint.issue(read(0x5000n), { ...untranslated, trafficClass: 8 })).toThrow(RangeError);
  });

  it('keep the order of posted writes, on the link and to memory', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    fill(endpoint, 0x5000n);
    const first = must(endpoint.issue(write(0x5000n)));
    const second = must(endpoint.issue(write(0x5010n)));
    const third = must(endpoint.issue(read(0x5020n)));
    const request = must(endpoint.requestTranslation({ address: 0x6000n }));
    expect(why(endpoint.admit(second))).toMatch(/the write of 0x9000 is in front of the write of 0x9010/);
    expect(why(endpoint.admit(third))).toMatch(/in front/);
    expect(why(endpoint.deliver(request))).toMatch(/in front/);
    expect(why(endpoint.reachMemory(first))).toMatch(/on the link/);
    for (const id of [first, second, third]) must(endpoint.admit(id));
    expect(() => endpoint.admit(first)).toThrow(/is admitted/);
    must(endpoint.deliver(request));
    expect(why(endpoint.reachMemory(second))).toMatch(/before/);
    expect(why(endpoint.reachMemory(third))).toMatch(/before/);
    for (const id of [first, second, third]) must(endpoint.reachMemory(id));
  });

  it('may pass reads, and posted writes with Relaxed Ordering or in another traffic class', () => {
    const { smmu, endpoint } = byHand();
    endpoint.disableAts();
    for (const page of [0x5000n, 0x6000n, 0x7000n]) smmu.map(page, page);
    must(endpoint.issue(read(0x5000n)));
    const first = must(endpoint.issue(write(0x5000n)));
    const relaxed = must(endpoint.issue(write(0x6000n), { relaxedOrdering: true }));
    const other = must(endpoint.issue(write(0x7000n), { trafficClass: 1 }));
    for (const id of [other, relaxed, first]) must(endpoint.admit(id));
    expect(smmu.requests.map(({ address }) => address)).toEqual([0x7000n, 0x6000n, 0x5000n]);
  });

  it('that the SMMU ends are gone', () => {
    const { smmu, endpoint } = byHand();
    for (const outcome of ['aborted', 'read as zero, write ignored'] as const) {
      smmu.admission = outcome;
      const id = must(endpoint.issue(write(0x5000n), { untranslated: true }));
      expect(must(endpoint.admit(id))).toEqual({ outcome });
      expect(endpoint.flights).toEqual([]);
    }
  });

  it('that the SMMU stalls wait for its answer', () => {
    const { smmu, endpoint } = byHand();
    smmu.admission = 'stalled';
    const id = must(endpoint.issue(write(0x5000n), { untranslated: true }));
    expect(must(endpoint.admit(id))).toEqual({ outcome: 'stalled', stag: 1 });
    expect(why(endpoint.reachMemory(id))).toMatch(/stalled/);
    endpoint.resumed(2, { outcome: 'aborted' });
    expect(endpoint.flights).toMatchObject([{ state: 'stalled', stag: 1 }]);
    const [request] = smmu.requests;
    if (request === undefined) throw new Error('nothing arrived');
    endpoint.resumed(1, {
      outcome: 'admitted',
      transaction: { request, pieces: [{ physical: 0x9000n, offset: 0, length: 2 }] },
    });
    must(endpoint.reachMemory(id));
    expect(smmu.read(0x9000n, 2)).toEqual([1, 2]);
  });

  it('for addresses of no completion are refused (ATS-01)', () => {
    const { endpoint } = byHand();
    expect(why(endpoint.forge(write(0x9000n)))).toMatch(/ATS-01/);
    const [through] = [{ ...translationOf(0x5000n, 0x9000n) }];
    expect(why(endpoint.issue(write(0x5000n), { through }))).toMatch(/ATS-15/);
    endpoint.disableAts();
    expect(why(endpoint.issue(write(0x5000n), { through }))).toMatch(/ATS-01/);
  });
});

function translationOf(untranslated: bigint, address: bigint): Endpoint['usable'][number] {
  return {
    untranslated,
    address,
    sizeLog2: 12,
    read: true,
    write: true,
    execute: false,
    privileged: false,
    global: false,
    untranslatedOnly: false,
    request: 0,
  };
}

describe('DMA at once', () => {
  it('is cut at pages, each with its own translation', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    smmu.map(0x6000n, 0x2000n);
    const bytes = Uint8Array.from({ length: 5000 }, (_, index) => index % 251);
    expect(endpoint.dma({ kind: 'write', address: 0x5f00n, bytes })).toMatchObject({
      outcome: 'no access',
      bytes: 256 + 4096,
      address: 0x7000n,
    });
    smmu.map(0x7000n, 0x7000n);
    expect(endpoint.dma({ kind: 'write', address: 0x5f00n, bytes })).toMatchObject({ outcome: 'done', bytes: 5000 });
    expect(smmu.read(0x9f00n, 256)).toEqual([...bytes.subarray(0, 256)]);
    expect(smmu.read(0x2000n, 4096)).toEqual([...bytes.subarray(256, 4352)]);
    const back = endpoint.dma({ kind: 'read', address: 0x5f00n, length: 5000 });
    expect(back).toMatchObject({ outcome: 'done', data: bytes });
  });

  it('asks once for what it may cache, and for no write permission for a read', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n, { pasid: 1, write: false });
    const access = { kind: 'read', address: 0x5000n, length: 4, pasid: 1 } as const;
    expect(endpoint.dma(access).outcome).toBe('done');
    expect(endpoint.dma(access).outcome).toBe('done');
    expect(smmu.translations).toEqual([{ streamId: 0x10, address: 0x5000n, pasid: 1, noWrite: true }]);
  });

  it('asks again if the translation does not permit it', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n, { write: false });
    fill(endpoint, 0x5000n);
    expect(endpoint.dma(write(0x5000n))).toMatchObject({ outcome: 'no access', address: 0x5000n, bytes: 0 });
    smmu.map(0x5000n, 0x9000n);
    expect(endpoint.dma(write(0x5000n))).toMatchObject({ outcome: 'done' });
  });

  it('without caching asks each time, and leaves nothing to be used later', () => {
    const { smmu, endpoint } = byHand({ caching: 'by hand' });
    smmu.map(0x5000n, 0x9000n, { write: false });
    endpoint.dma(read(0x5000n));
    endpoint.dma(read(0x5000n));
    expect(endpoint.dma(write(0x5000n)).outcome).toBe('no access');
    expect(smmu.translations).toHaveLength(3);
    expect(endpoint.usable).toEqual([]);
    expect(endpoint.atc.translations).toEqual([]);
  });

  it('without ATS is judged by the SMMU', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n, { pasid: 1 });
    expect(endpoint.dma(write(0x5000n, 1), { untranslated: true }).outcome).toBe('done');
    expect(endpoint.dma(write(0x6000n, 1), { untranslated: true })).toMatchObject({
      outcome: 'aborted',
      address: 0x6000n,
    });
    expect(smmu.translations).toEqual([]);
  });

  it('tells errors of ATS', () => {
    const { smmu, endpoint } = byHand();
    smmu.refuses = 'unsupported request';
    expect(endpoint.dma(write(0x5000n))).toMatchObject({ outcome: 'unsupported request', bytes: 0 });
  });

  it('does not go ahead of writes that are under way, and sends nothing then', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    fill(endpoint, 0x5000n);
    const earlier = must(endpoint.issue(write(0x5000n)));
    expect(endpoint.dma(write(0x5010n))).toMatchObject({
      outcome: 'refused',
      why: expect.stringMatching(/in front/) as string,
    });
    must(endpoint.admit(earlier));
    expect(endpoint.dma(read(0x5010n))).toMatchObject({ outcome: 'refused' });
    expect(endpoint.flights).toHaveLength(1);
    must(endpoint.reachMemory(earlier));
    expect(endpoint.dma(write(0x5010n))).toMatchObject({ outcome: 'done' });
  });
});
