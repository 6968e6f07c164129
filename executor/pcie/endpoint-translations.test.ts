import { describe, expect, it } from 'vitest';
import { byHand, fill, why, write } from './endpoint.fixture.ts';
import { must } from './outcome.ts';

describe('translation requests', () => {
  it('the SMMU answers when the request arrives, not when its completion does', () => {
    const { smmu, endpoint } = byHand();
    const id = must(endpoint.requestTranslation({ address: 0x5000n, pasid: 1, noWrite: true }));
    expect(smmu.translations).toEqual([]);
    expect(why(endpoint.receiveCompletion(id))).toMatch(/not been answered/);
    smmu.map(0x5000n, 0x9000n, { pasid: 1, global: true });
    must(endpoint.deliver(id));
    smmu.map(0x5000n, 0xa000n, { pasid: 1 });
    expect(smmu.translations).toEqual([{ streamId: 0x10, address: 0x5000n, pasid: 1, noWrite: true }]);
    expect(() => endpoint.deliver(id)).toThrow(/was delivered/);
    const { cached } = must(endpoint.receiveCompletion(id));
    expect(cached).toMatchObject([{ untranslated: 0x5000n, address: 0x9000n, pasid: 1, global: true, request: id }]);
    expect(endpoint.atc.translations).toEqual(cached);
    expect(() => endpoint.receiveCompletion(id)).toThrow(RangeError);
    expect(endpoint.flights).toEqual([]);
  });

  it('a completion may carry several translations, each after the one before', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x40_0000n, 0x80_0000n, { sizeLog2: 21 });
    smmu.map(0x60_0000n, 0x9000n);
    const id = must(endpoint.requestTranslation({ address: 0x41_2000n, count: 3 }));
    must(endpoint.deliver(id));
    const { translations, cached } = must(endpoint.receiveCompletion(id));
    expect(translations.map(({ untranslated, sizeLog2 }) => [untranslated, sizeLog2])).toEqual([
      [0x40_0000n, 21],
      [0x60_0000n, 12],
      [0x60_1000n, 12],
    ]);
    expect(cached).toEqual(translations.slice(0, 2));
    const sent = must(endpoint.issue(write(0x41_2345n)));
    expect(endpoint.flights.find((flight) => flight.id === sent)).toMatchObject({ request: { address: 0x81_2345n } });
  });

  it('"no access" is not kept (ATS-03, ATS-21)', () => {
    const { endpoint } = byHand();
    const id = must(endpoint.requestTranslation({ address: 0x5000n }));
    must(endpoint.deliver(id));
    expect(must(endpoint.receiveCompletion(id))).toMatchObject({
      status: 'success',
      translations: [{ read: false, write: false }],
      cached: [],
      usable: [],
    });
    expect(endpoint.usable).toEqual([]);
    expect(why(endpoint.issue(write(0x5000n)))).toMatch(/no translation/);
  });

  it('an error is told and nothing is kept (ATS-04)', () => {
    const { smmu, endpoint } = byHand();
    smmu.refuses = 'completer abort';
    const id = must(endpoint.requestTranslation({ address: 0x5000n }));
    must(endpoint.deliver(id));
    expect(must(endpoint.receiveCompletion(id))).toMatchObject({ status: 'completer abort', cached: [] });
  });

  it('are for whole pages and at most 16 of them', () => {
    const { endpoint } = byHand();
    expect(() => endpoint.requestTranslation({ address: 0x5001n })).toThrow(RangeError);
    for (const count of [0, 17]) {
      expect(() => endpoint.requestTranslation({ address: 0x5000n, count })).toThrow(RangeError);
    }
    must(endpoint.requestTranslation({ address: 0x5000n, count: 16 }));
  });

  it('by hand, a completion may be used once and not cached', () => {
    const { smmu, endpoint } = byHand({ caching: 'by hand' });
    smmu.map(0x5000n, 0x9000n);
    const id = must(endpoint.requestTranslation({ address: 0x5000n }));
    must(endpoint.deliver(id));
    const { cached, usable } = must(endpoint.receiveCompletion(id));
    expect(cached).toEqual([]);
    const [through] = usable;
    if (through === undefined) throw new Error('nothing is usable');
    expect(why(endpoint.issue(write(0x5000n)))).toMatch(/no translation/);
    must(endpoint.issue(write(0x5000n), { through }));
    expect(why(endpoint.issue(write(0x5000n), { through }))).toMatch(/ATS-15/);
  });

  it('a translation may be dropped at any time (ATS-19)', () => {
    const { smmu, endpoint } = byHand();
    smmu.map(0x5000n, 0x9000n);
    smmu.map(0x6000n, 0xa000n);
    fill(endpoint, 0x5000n);
    fill(endpoint, 0x6000n);
    const [first] = endpoint.atc.translations;
    if (first === undefined) throw new Error('the ATC is empty');
    endpoint.evict(first);
    expect(endpoint.atc.translations).toMatchObject([{ untranslated: 0x6000n }]);
  });
});
