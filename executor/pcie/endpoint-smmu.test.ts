/** Endpoints at an SMMU that walks real tables: the whole way, from a driver's commands to bytes in memory. */
import { describe, expect, it } from 'vitest';
import type { CommandToEncode } from '../smmuv3/commands.ts';
import { decodePageRequest } from '../smmuv3/page-request-record.ts';
import { Bench, places } from '../smmuv3/smmu.fixture.ts';
import { completionRecord, work } from './descriptor.ts';
import { Endpoint, type EndpointOptions } from './endpoint.ts';
import { must } from './outcome.ts';
import { WorkQueue } from './work-queue.ts';

const SID = 0x10;
const PASID = 1;
const sync: CommandToEncode = { op: 'SYNC' };
const tlbi: CommandToEncode = { op: 'TLBI_NH_ALL', vmid: 0 };

/** A stream with PASIDs 0 to 15, of which 0 (for requests without one) and 1 use the bench's tables. */
function connected(options: EndpointOptions = {}): { readonly bench: Bench; readonly endpoint: Endpoint } {
  const bench = new Bench();
  bench.translate(SID);
  const contexts = places.descriptors + BigInt(64 * SID);
  bench.memory.write(contexts + 64n, bench.memory.read(contexts, 64));
  // S1CDMax 4, S1DSS 10, EATS 01.
  bench.stream(SID, 0b1011n | contexts | (4n << 59n), (1n << 28n) | 2n);
  const endpoint = new Endpoint(bench.smmu, SID, {
    pasid: { width: 4 },
    ats: {},
    pri: { capacity: 8, responsePasidRequired: true },
    ...options,
  });
  must(endpoint.enablePasid());
  must(endpoint.enableAts());
  must(endpoint.enablePri(8));
  bench.smmu.connect(SID, endpoint);
  return { bench, endpoint };
}

function atcInv(address: bigint): CommandToEncode {
  return { op: 'ATC_INV', sid: SID, ssv: true, ssid: PASID, address };
}

function write(address: bigint, ...bytes: number[]): Parameters<Endpoint['issue']>[0] {
  return { kind: 'write', address, bytes: Uint8Array.from(bytes), pasid: PASID };
}

const allConsumed = (bench: Bench): boolean => bench.get('CMDQ_CONS') === bench.get('CMDQ_PROD');

describe('translations', () => {
  it('reach the page of the process, also with the page table gone, until the ATC is invalidated', () => {
    const { bench, endpoint } = connected();
    bench.map(0x5000n, 0x9_0000n);
    expect(endpoint.dma(write(0x5010n, 1, 2))).toMatchObject({ outcome: 'done' });
    expect([...bench.memory.read(0x9_0010n, 2)]).toEqual([1, 2]);
    bench.map(0x5000n, undefined);
    bench.submit(tlbi, sync);
    expect(endpoint.dma(write(0x5010n, 3))).toMatchObject({ outcome: 'done' });
    expect([...bench.memory.read(0x9_0010n, 2)]).toEqual([3, 2]);
    bench.submit(atcInv(0x5000n), sync);
    expect(allConsumed(bench)).toBe(true);
    expect(endpoint.dma(write(0x5010n, 4))).toMatchObject({ outcome: 'no access', address: 0x5010n });
    expect([...bench.memory.read(0x9_0010n, 1)]).toEqual([3]);
    expect(bench.events).toEqual([]);
  });

  it('an ATC_INV of another PASID or page leaves them', () => {
    const { bench, endpoint } = connected();
    bench.map(0x5000n, 0x9_0000n);
    endpoint.dma(write(0x5000n, 1));
    bench.submit(atcInv(0x6000n), { op: 'ATC_INV', sid: SID, ssv: true, ssid: 2, address: 0x5000n }, sync);
    expect(endpoint.atc.translations).toMatchObject([{ untranslated: 0x5000n, address: 0x9_0000n, pasid: PASID }]);
    bench.submit({ op: 'ATC_INV', sid: SID, address: 0x4000n, size: 1 }, sync);
    expect(endpoint.atc.translations).toEqual([]);
  });

  it('untranslated accesses find no tables for a PASID without a Context descriptor', () => {
    const { bench, endpoint } = connected();
    bench.map(0x5000n, 0x9_0000n);
    const untranslated = { untranslated: true };
    expect(endpoint.dma(write(0x5000n, 1), untranslated)).toMatchObject({ outcome: 'done' });
    expect(endpoint.dma({ ...write(0x5000n, 2), pasid: 2 }, untranslated)).toMatchObject({ outcome: 'aborted' });
    expect([...bench.memory.read(0x9_0000n, 1)]).toEqual([1]);
    expect(bench.events).toMatchObject([{ ssid: 2 }]);
    expect(endpoint.dma({ ...write(0x5000n, 2), pasid: 2 })).toMatchObject({ outcome: 'completer abort' });
  });
});

describe('CMD_SYNC after ATC_INV', () => {
  it('waits for the Invalidate Completion, which comes behind the posted writes (ATS-18, INV-02)', () => {
    const { bench, endpoint } = connected({ schedule: 'by hand' });
    bench.map(0x5000n, 0x9_0000n);
    const asked = must(endpoint.requestTranslation({ address: 0x5000n, pasid: PASID }));
    must(endpoint.deliver(asked));
    must(endpoint.receiveCompletion(asked));
    const sent = must(endpoint.issue(write(0x5000n, 7)));
    bench.map(0x5000n, undefined);
    bench.submit(tlbi, sync, atcInv(0x5000n), sync);
    expect(allConsumed(bench)).toBe(false);
    const [request] = endpoint.inbox;
    const itag = request?.itag ?? -1;
    must(endpoint.receiveInvalidation(itag));
    expect(endpoint.acknowledge(itag)).toMatchObject({ done: false });
    must(endpoint.admit(sent));
    must(endpoint.acknowledge(itag));
    // The write is past the SMMU and not in memory: the page must not be reused yet (ATS-23).
    expect(allConsumed(bench)).toBe(false);
    must(endpoint.reachMemory(sent));
    expect(allConsumed(bench)).toBe(true);
    expect([...bench.memory.read(0x9_0000n, 1)]).toEqual([7]);
  });

  it('an answer to a request from before the invalidation is not cached after it (ATS-16)', () => {
    const { bench, endpoint } = connected({ schedule: 'by hand' });
    bench.map(0x5000n, 0x9_0000n);
    const asked = must(endpoint.requestTranslation({ address: 0x5000n, pasid: PASID }));
    must(endpoint.deliver(asked));
    bench.map(0x5000n, undefined);
    bench.submit(tlbi, sync, atcInv(0x5000n), sync);
    const itag = endpoint.inbox[0]?.itag ?? -1;
    must(endpoint.receiveInvalidation(itag));
    must(endpoint.acknowledge(itag));
    expect(allConsumed(bench)).toBe(true);
    expect(must(endpoint.receiveCompletion(asked))).toMatchObject({ overtaken: true, cached: [], usable: [] });
    expect(endpoint.dma(write(0x5000n, 1))).toMatchObject({ outcome: 'no access' });
  });

  it('does not complete for a function in reset (ATS-37)', () => {
    const { bench, endpoint } = connected();
    must(endpoint.beginReset());
    bench.submit(atcInv(0x5000n), sync);
    expect(allConsumed(bench)).toBe(false);
    endpoint.endReset();
    expect(allConsumed(bench)).toBe(false);
  });
});

describe('a page fault of a device', () => {
  it('goes by the PRI queue and CMD_PRI_RESP, and the work goes on (S1-02, HOST-09)', () => {
    const { bench, endpoint } = connected();
    const queue = new WorkQueue(endpoint, { slots: 1 });
    bench.map(0x8000n, 0x8_0000n);
    const fill = work({
      operation: 'fill',
      source: 0x0101_0101_0101_0101n,
      destination: 0x5ff0n,
      length: 32,
      completionRecord: 0x8000n,
      blockOnFault: true,
    });
    expect(queue.enqcmd(PASID, fill)).toBe('accepted');
    for (const [page, physical] of [
      [0x5000n, 0x9_0000n],
      [0x6000n, 0xa_0000n],
    ] as const) {
      expect(queue.run()).toMatchObject({ state: 'waiting' });
      const records = bench.smmu.pageRequests.records.map((raw) => decodePageRequest(raw));
      expect(records).toMatchObject([{ sid: SID, ssid: PASID, ssv: true, address: page, last: true, write: true }]);
      bench.map(page, physical);
      bench.drainPageRequests();
      const [record] = records;
      bench.submit({ op: 'PRI_RESP', sid: SID, ssv: true, ssid: PASID, prgIndex: record?.prgIndex ?? -1, resp: 2 });
    }
    expect(queue.run()).toEqual({ state: 'idle' });
    expect(endpoint.pri?.outstanding).toBe(0);
    expect([...bench.memory.read(0x9_0ff0n, 16), ...bench.memory.read(0xa_0000n, 16)]).toEqual(
      Array.from({ length: 32 }, () => 1),
    );
    expect(completionRecord.decode(bench.memory.read(0x8_0000n, 32))).toMatchObject({ status: 1, bytesCompleted: 32 });
  });

  it('is denied by ResponseFailure, which ends page requests of the function (HOST-06, PRI-10)', () => {
    const { bench, endpoint } = connected();
    const page = { address: 0x5000n, pasid: PASID, last: true, read: true, write: false } as const;
    must(endpoint.deliver(must(endpoint.requestPage({ ...page, group: 3 }))));
    bench.submit({ op: 'PRI_RESP', sid: SID, ssv: true, ssid: PASID, prgIndex: 3, resp: 0 });
    expect(endpoint.pri?.responseFailure).toBe(true);
    expect(endpoint.requestPage(page)).toMatchObject({ done: false });
  });

  it('a response without the PASID that is required matches nothing (PRI-11, PRI-12)', () => {
    const { bench, endpoint } = connected();
    const page = { address: 0x5000n, pasid: PASID, last: true, read: true, write: false } as const;
    must(endpoint.deliver(must(endpoint.requestPage({ ...page, group: 3 }))));
    bench.submit({ op: 'PRI_RESP', sid: SID, prgIndex: 3, resp: 2 });
    expect(endpoint.pri?.unexpectedIndex).toBe(true);
    expect(endpoint.pri?.outstanding).toBe(1);
  });
});
