import { describe, expect, it } from 'vitest';
import type { PageRequest } from '../pcie/messages.ts';
import { svaIdentity } from './identity.ts';
import { decodePageRequest } from './page-request-record.ts';
import { Bench, enables, everything, NotingFunction, places } from './smmu.fixture.ts';

function machine(options = {}, bringUp = {}): { bench: Bench; device: NotingFunction } {
  const bench = new Bench(options, { sizeLog2: 1, ...bringUp });
  bench.bypass(1);
  return { bench, device: bench.connect(1) };
}

/** Fills a queue of two entries, without an answer. */
function fill(device: NotingFunction): void {
  device.request({ group: 0x100 });
  device.request({ group: 0x101 });
}

function groups(bench: Bench): readonly number[] {
  return bench.smmu.pageRequests.records.map((raw) => decodePageRequest(raw).prgIndex);
}

const stopMarker: Partial<PageRequest> = { pasid: 5, last: true, read: false, write: false };

describe('records', () => {
  it('hold what the request says', () => {
    const { bench, device } = machine();
    device.request({ address: 0x7fff_f123_4567n, group: 0x1ab, last: false, read: true, write: true });
    device.request({ pasid: 0xf_fff0, group: 3, execute: true, privileged: true, write: true, read: false });
    expect(bench.get('PRIQ_PROD')).toBe(2n);
    expect(bench.smmu.pageRequests.records.map((raw) => decodePageRequest(raw))).toEqual([
      {
        sid: 1,
        ssid: 0,
        ssv: false,
        privileged: false,
        execute: false,
        read: true,
        write: true,
        last: false,
        prgIndex: 0x1ab,
        address: 0x7fff_f123_4000n,
      },
      {
        sid: 1,
        ssid: 0xf_fff0,
        ssv: true,
        privileged: true,
        execute: true,
        read: false,
        write: true,
        last: true,
        prgIndex: 3,
        address: 0x1000n,
      },
    ]);
    expect(bench.memory.readWord(places.pageRequests + 8n)).toBe(0x7fff_f123_41abn);
    expect(device.responses).toEqual([]);
  });

  it('have no Execute and Privileged without PASID, and no PASID without substreams', () => {
    const { bench, device } = machine({ identity: { ...svaIdentity, SSIDSIZE: 0 } });
    device.request({ execute: true, privileged: true });
    device.request({ pasid: 5, execute: true, privileged: true });
    for (const raw of bench.smmu.pageRequests.records) {
      expect(decodePageRequest(raw)).toMatchObject({ ssv: false, ssid: 0, execute: false, privileged: false });
    }
  });

  it.each([0, 1, 3])('wrap in a queue of 2^%i', (sizeLog2) => {
    const { bench, device } = machine({}, { sizeLog2 });
    for (let group = 0; group < 5 << sizeLog2; group++) {
      device.request({ group });
      expect(groups(bench)).toEqual([group]);
      bench.drainPageRequests();
    }
    expect(device.responses).toEqual([]);
  });

  it('are of requests of streams without ATS in their entry, too: EATS and ATSCHK do not matter', () => {
    const { bench } = machine();
    const unknown = bench.connect(99);
    unknown.request();
    expect(groups(bench)).toEqual([0]);
  });

  it('include Stop Markers', () => {
    const { bench, device } = machine();
    device.request(stopMarker);
    expect(groups(bench)).toEqual([0]);
  });

  it('are not written without PRI', () => {
    const { bench, device } = machine({ identity: { ...svaIdentity, PRI: false } });
    device.request();
    expect(bench.smmu.pageRequests.records).toEqual([]);
    expect(device.responses).toEqual([]);
  });
});

describe('interrupts', () => {
  it('come when the queue is no longer empty', () => {
    const { bench, device } = machine();
    device.request({ last: false });
    device.request();
    expect(bench.smmu.interrupts).toEqual([{ source: 'priq' }]);
  });

  it('with LO come for each Last, even one that is lost to an overflow, but to nothing else', () => {
    const { bench, device } = machine({}, { interrupts: false });
    bench.set('PRIQ_IRQ_CFG2', 0x8000_0000n);
    bench.set('IRQ_CTRL', 2n);
    const after = (changes: Partial<PageRequest>): number => {
      device.request(changes);
      return bench.smmu.interrupts.length;
    };
    expect(after({ last: false })).toBe(0);
    expect(after({})).toBe(1);
    expect(after({ last: false })).toBe(1);
    expect(after({})).toBe(2);
    bench.set('CR0', everything & ~enables.PRIQEN);
    expect(after({})).toBe(2);
  });
});

describe('a full PRI queue (PRI-20)', () => {
  it('answers Last with Success by itself, the request that overflows included', () => {
    const { bench, device } = machine();
    fill(device);
    expect(bench.get('PRIQ_PROD')).toBe(2n);
    device.request({ group: 7 });
    expect(bench.get('PRIQ_PROD')).toBe(0x8000_0002n);
    expect(device.responses).toEqual([{ group: 7, code: 'success' }]);
    expect(groups(bench)).toEqual([0x100, 0x101]);
    device.request({ group: 8 });
    // OVFLG toggles once.
    expect(bench.get('PRIQ_PROD')).toBe(0x8000_0002n);
    expect(device.responses).toHaveLength(2);
  });

  it('drops others silently, and overflows by them too', () => {
    const { bench, device } = machine();
    fill(device);
    device.request({ group: 7, last: false });
    expect(bench.smmu.pageRequests.overflowed).toBe(true);
    device.request({ group: 7, last: false });
    expect(device.responses).toEqual([]);
  });

  it('drops Stop Markers silently; without PASID they are requests like others (PRI-19, PRI-25)', () => {
    const { bench, device } = machine();
    fill(device);
    device.request(stopMarker);
    expect(device.responses).toEqual([]);
    expect(bench.smmu.pageRequests.overflowed).toBe(true);
    device.request({ group: 4, read: false, write: false });
    expect(device.responses).toEqual([{ group: 4, code: 'success' }]);
  });

  it('records nothing until the overflow is acknowledged, even with room (HOST-03)', () => {
    const { bench, device } = machine();
    fill(device);
    device.request({ group: 7 });
    bench.set('PRIQ_CONS', 2n);
    device.request({ group: 8 });
    expect(groups(bench)).toEqual([]);
    expect(device.responses.map(({ group }) => group)).toEqual([7, 8]);
    bench.set('PRIQ_CONS', 0x8000_0002n);
    device.request({ group: 9 });
    expect(groups(bench)).toEqual([9]);
  });

  it('overflows again once acknowledged, and OVFLG toggles back', () => {
    const { bench, device } = machine();
    fill(device);
    device.request();
    bench.drainPageRequests();
    fill(device);
    expect(bench.smmu.pageRequests.overflowed).toBe(false);
    device.request();
    expect(bench.get('PRIQ_PROD') >> 31n).toBe(0n);
    expect(bench.smmu.pageRequests.overflowed).toBe(true);
  });

  it('is broken if it records while the overflow is active, does not answer, or does not say so', () => {
    const eager = machine({ defects: { pageRequestsDuringOverflow: true } });
    fill(eager.device);
    eager.device.request({ group: 7 });
    eager.bench.set('PRIQ_CONS', 2n);
    eager.device.request({ group: 8 });
    expect(groups(eager.bench)).toEqual([8]);
    const silent = machine({ defects: { overflowIsSilent: true } });
    fill(silent.device);
    silent.device.request({ group: 7 });
    expect(silent.device.responses).toEqual([]);
    const unflagged = machine({ defects: { overflowNotFlagged: true } });
    fill(unflagged.device);
    unflagged.device.request({ group: 7 });
    expect(unflagged.bench.smmu.pageRequests.overflowed).toBe(false);
    expect(unflagged.device.responses).toMatchObject([{ group: 7, code: 'success' }]);
  });
});

describe('the PASID of the answer to an overflow', () => {
  const ppar = 1n << 18n;
  const bad = 1n | (0b010n << 1n) | (1n << 59n);

  it.each<{
    name: string;
    pps?: boolean;
    entry?: readonly bigint[];
    sid?: number;
    request?: Partial<PageRequest>;
    response: object;
  }>([
    { name: 'no PASID', request: {}, response: { code: 'success' } },
    { name: 'no PASID, entry not valid', request: {}, entry: [0n], response: { code: 'success' } },
    { name: 'PPS = 1', pps: true, response: { pasid: 5, code: 'success' } },
    { name: 'PPS = 1, entry not valid', pps: true, entry: [0n], response: { pasid: 5, code: 'success' } },
    { name: 'PPAR = 1', entry: [0b1001n, ppar], response: { pasid: 5, code: 'success' } },
    { name: 'PPAR = 0', entry: [0b1001n, 0n], response: { code: 'success' } },
    { name: 'PPAR = 1, Config = 000', entry: [1n, ppar], response: { pasid: 5, code: 'success' } },
    { name: 'V = 0', entry: [0n, ppar], response: { code: 'response failure' } },
    { name: 'out of the Stream table', sid: 999, response: { code: 'response failure' } },
  ])('$name', ({ pps = false, entry, sid = 1, request = { pasid: 5 }, response }) => {
    const { bench, device } = machine({ identity: { ...svaIdentity, PPS: pps } });
    if (entry !== undefined) bench.stream(1, ...entry);
    fill(device);
    const asked = bench.connect(sid);
    asked.request({ group: 7, ...request });
    expect(asked.responses).toEqual([{ group: 7, ...response }]);
  });

  it('an ILLEGAL entry is as good as none', () => {
    const { bench, device } = machine();
    bench.stream(1, bad | 0b1010n, ppar | (3n << 30n));
    fill(device);
    device.request({ group: 7, pasid: 5 });
    expect(device.responses).toEqual([{ group: 7, code: 'response failure' }]);
    expect(bench.events).toMatchObject([{ name: 'C_BAD_STE', sid: 1 }]);
  });

  it('an entry that cannot be read, too', () => {
    const ranges = [
      { base: 0n, size: places.streams },
      { base: places.descriptors, size: 0x1000n },
    ];
    const bench = new Bench({}, { sizeLog2: 1, ranges });
    const device = bench.connect(1);
    fill(device);
    device.request({ group: 7, pasid: 5 });
    expect(device.responses).toEqual([{ group: 7, code: 'response failure' }]);
    expect(bench.events).toMatchObject([{ name: 'F_STE_FETCH', sid: 1 }]);
  });

  it.each([
    [0b0110n, []],
    [0b1000n, []],
    [0b1010n, ['C_BAD_STREAMID']],
  ])('CR2 = %s: a StreamID out of range is recorded only with RECINVSID and REC_CFG_ATS', (cr2, names) => {
    const { bench, device } = machine({}, { cr2 });
    fill(device);
    bench.connect(999).request({ pasid: 5 });
    expect(bench.events.map(({ name }) => name)).toEqual(names);
  });

  it('nothing is recorded without REC_CFG_ATS', () => {
    const { bench, device } = machine({}, { cr2: 0b0010n });
    bench.stream(1, 0n);
    fill(device);
    device.request({ pasid: 5 });
    expect(device.responses).toEqual([{ group: 0, code: 'response failure' }]);
    expect(bench.events).toEqual([]);
  });

  it('without substreams there is none, and the answer is Success', () => {
    const { device } = machine({ identity: { ...svaIdentity, SSIDSIZE: 0 } });
    fill(device);
    device.request({ group: 7, pasid: 5 });
    expect(device.responses).toEqual([{ group: 7, code: 'success' }]);
  });
});

describe('a PRI queue that cannot be written (PRI-18)', () => {
  it.each([
    ['PRIQEN = 0', everything & ~enables.PRIQEN],
    ['SMMUEN = 0', everything & ~enables.SMMUEN],
  ])('%s: each request fails, Last or not, without PASID; Stop Markers are dropped', (_, cr0) => {
    const { bench, device } = machine({ identity: { ...svaIdentity, PPS: true } }, { cr0 });
    device.request({ group: 1, last: false });
    device.request({ group: 2, pasid: 5 });
    device.request(stopMarker);
    expect(device.responses).toEqual([
      { group: 1, code: 'response failure' },
      { group: 2, code: 'response failure' },
    ]);
    expect(bench.get('PRIQ_PROD')).toBe(0n);
  });

  it('fails even while an overflow is active', () => {
    const { bench, device } = machine();
    fill(device);
    device.request({ group: 7 });
    bench.set('CR0', everything & ~enables.PRIQEN);
    device.request({ group: 8, last: false });
    expect(device.responses.at(-1)).toEqual({ group: 8, code: 'response failure' });
  });

  it('no memory behind it: PRIQ_ABT_ERR, and failure until that is acknowledged', () => {
    const ranges = [
      { base: 0n, size: places.pageRequests + 16n },
      { base: places.streams, size: 0x1000n },
    ];
    const { bench, device } = machine({}, { ranges });
    device.request({ group: 1 });
    device.request({ group: 2, last: false, pasid: 5 });
    expect(bench.errors).toBe(1n << 3n);
    expect(bench.get('PRIQ_PROD')).toBe(1n);
    expect(bench.smmu.interrupts.map(({ source }) => source)).toEqual(['priq', 'gerror']);
    bench.drainPageRequests();
    device.request({ group: 3 });
    expect(device.responses).toEqual([
      { group: 2, code: 'response failure' },
      { group: 3, code: 'response failure' },
    ]);
    bench.set('CR0', everything & ~enables.PRIQEN);
    bench.set('PRIQ_PROD', 0n);
    bench.set('PRIQ_CONS', 0n);
    bench.set('CR0', everything);
    bench.acknowledge();
    device.request({ group: 4 });
    expect(groups(bench)).toEqual([4]);
  });
});
