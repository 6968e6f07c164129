import { describe, expect, it } from 'vitest';
import { completionRecord, descriptor, statuses, work } from './descriptor.ts';
import { Endpoint, type EndpointOptions } from './endpoint.ts';
import type { PageResponse } from './messages.ts';
import { must } from './outcome.ts';
import { FakeUpstream } from './upstream.fixture.ts';
import { WorkQueue } from './work-queue.ts';

const RECORD = 0x8000n;

/** A device with a work queue; PASID 1 has its record page at 0x8000 (physical 0xf000) and 0x5000 (physical 0x9000). */
function device({ slots = 2, engines = 1, ...options }: EndpointOptions & { slots?: number; engines?: number } = {}) {
  const smmu = new FakeUpstream();
  const endpoint = new Endpoint(smmu, 0x10, {
    pasid: { width: 20 },
    ats: {},
    pri: { capacity: 4, responsePasidRequired: true },
    ...options,
  });
  must(endpoint.enablePasid());
  must(endpoint.enableAts());
  must(endpoint.enablePri(4));
  smmu.map(RECORD, 0xf000n, { pasid: 1 });
  smmu.map(0x5000n, 0x9000n, { pasid: 1 });
  const queue = new WorkQueue(endpoint, { slots, engines });
  const record = (at = 0xf000n): ReturnType<typeof completionRecord.decode> =>
    completionRecord.decode(Uint8Array.from(smmu.read(at, 32)));
  const answer = (code: PageResponse['code']): void => {
    for (const { index: group, pasid } of endpoint.pri?.groups ?? []) {
      endpoint.pageResponse({ group, code, ...(pasid !== undefined && { pasid }) });
    }
  };
  return { smmu, endpoint, queue, record, answer };
}

const fill = {
  operation: 'fill',
  source: 0x0807_0605_0403_0201n,
  destination: 0x5010n,
  length: 12,
  completionRecord: RECORD,
} as const;

describe('descriptors', () => {
  it('have the layout of DSA', () => {
    const bytes = work({ ...fill, blockOnFault: true });
    const words = new BigUint64Array(bytes.buffer.slice(0));
    // Opcode 4; flags BOF 0x2, CRAV 0x4, RCR 0x8.
    expect([...words]).toEqual([0x0400_000e_0000_0000n, RECORD, fill.source, fill.destination, 12n, 0n, 0n, 0n]);
    expect(work({ operation: 'copy' })[7]).toBe(3);
    expect(work({ operation: 'compareValue' })[7]).toBe(6);
    expect(work({ operation: 'noop' })).toEqual(new Uint8Array(64));
    expect(descriptor.encode({ pasid: 0xfffff, privileged: true }).subarray(0, 4)).toEqual(
      Uint8Array.of(0xff, 0xff, 0x0f, 0x80),
    );
  });

  it('and so have completion records', () => {
    const bytes = completionRecord.encode({
      status: 3,
      faultOnWrite: true,
      result: 7,
      bytesCompleted: 0x1234,
      faultAddress: 0x5000n,
    });
    expect([...new BigUint64Array(bytes.buffer)]).toEqual([0x0000_1234_0000_0783n, 0x5000n, 0n, 0n]);
  });
});

describe('ENQCMD', () => {
  it('is to be tried again for a PASID that the function cannot carry (PASID-06)', () => {
    const { queue } = device({ pasid: { width: 1 } });
    expect(queue.enqcmd(1, work(fill))).toBe('accepted');
    expect(queue.enqcmd(2, work(fill))).toBe('retry');
  });

  it('is accepted while there is a slot, and then answers retry and takes nothing (ENQ-20, ENQ-21)', () => {
    const { queue } = device();
    expect(queue.enqcmd(1, work(fill))).toBe('accepted');
    expect(queue.enqcmd(2, work(fill))).toBe('accepted');
    expect(queue.enqcmd(1, work(fill))).toBe('retry');
    expect(queue.jobs.map(({ pasid }) => pasid)).toEqual([1, 2]);
    queue.step();
    expect(queue.enqcmd(1, work(fill))).toBe('retry');
    queue.step();
    expect(queue.enqcmd(1, work(fill))).toBe('retry');
    expect(queue.step().state).toBe('completed');
    expect(queue.enqcmd(1, work(fill))).toBe('accepted');
  });

  it("works in the submitter's address space whatever the descriptor says (ENQ-04, ENQ-22)", () => {
    const { smmu, queue, record } = device();
    smmu.map(0x5000n, 0xb000n, { pasid: 2 });
    smmu.map(RECORD, 0xc000n, { pasid: 2 });
    const bytes = descriptor.encode({ ...descriptor.decode(work(fill)), pasid: 2, privileged: true });
    queue.enqcmd(1, bytes, 'process');
    expect(queue.run()).toEqual({ state: 'idle' });
    expect(smmu.read(0x9010n, 12)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4]);
    expect(smmu.read(0xb010n, 12)).toEqual(Array.from({ length: 12 }, () => 0));
    expect(record()).toMatchObject({ status: statuses.success, bytesCompleted: 12 });
    expect(record(0xc000n).status).toBe(0);
    expect(smmu.translations.every(({ pasid, privileged }) => pasid === 1 && privileged !== true)).toBe(true);
    expect(smmu.requests.map(({ on }) => on)).toEqual(['process', 'process']);
  });

  it('answers retry for a PASID that is being stopped, and without PASIDs', () => {
    const { queue, endpoint } = device();
    must(endpoint.stopPasid(1, 'after all responses'));
    expect(queue.enqcmd(1, work(fill))).toBe('retry');
    expect(queue.enqcmd(2, work(fill))).toBe('accepted');
    endpoint.disableAts();
    must(endpoint.disablePasid());
    expect(queue.enqcmd(2, work(fill))).toBe('retry');
  });

  it('takes 64 bytes', () => {
    const { queue, endpoint } = device();
    expect(() => queue.enqcmd(1, new Uint8Array(63))).toThrow(RangeError);
    expect(() => new WorkQueue(endpoint, { slots: 0 })).toThrow(RangeError);
    expect(() => new WorkQueue(endpoint, { slots: 1, engines: 0 })).toThrow(RangeError);
  });
});

describe('operations', () => {
  it('a fill goes on with its pattern over pages', () => {
    const { smmu, queue, record } = device();
    smmu.map(0x6000n, 0xb000n, { pasid: 1 });
    queue.enqcmd(1, work({ ...fill, destination: 0x5ffdn, length: 10 }));
    queue.run();
    expect(smmu.read(0x9ffdn, 3)).toEqual([1, 2, 3]);
    expect(smmu.read(0xb000n, 8)).toEqual([4, 5, 6, 7, 8, 1, 2, 0]);
    expect(record().bytesCompleted).toBe(10);
  });

  it('a copy is cut where source or destination cross a page', () => {
    const { smmu, queue, record } = device();
    for (const [page, output] of [
      [0x6000n, 0xb000n],
      [0x20_0000n, 0x1000n],
      [0x20_1000n, 0x3000n],
    ] as const) {
      smmu.map(page, output, { pasid: 1 });
    }
    const data = Array.from({ length: 6 }, (_, index) => index + 1);
    smmu.write(0x9ffen, data.slice(0, 2));
    smmu.write(0xb000n, data.slice(2));
    const copy = work({
      operation: 'copy',
      source: 0x5ffen,
      destination: 0x20_0ffcn,
      length: 6,
      completionRecord: RECORD,
    });
    queue.enqcmd(1, copy);
    queue.run();
    expect([...smmu.read(0x1ffcn, 4), ...smmu.read(0x3000n, 2)]).toEqual(data);
    expect(record()).toMatchObject({ status: statuses.success, bytesCompleted: 6 });
  });

  it('a copy onto itself is refused', () => {
    const { queue, record } = device();
    const copy = { ...fill, operation: 'copy', source: 0x5000n, destination: 0x5004n } as const;
    queue.enqcmd(1, work({ ...copy, length: 5 }));
    queue.run();
    expect(record()).toMatchObject({ status: statuses.overlap, bytesCompleted: 0 });
    queue.enqcmd(1, work({ ...copy, length: 4 }));
    queue.run();
    expect(record()).toMatchObject({ status: statuses.success, bytesCompleted: 4 });
  });

  it('a comparison reads, writes nothing but the record, and says where the bytes differ', () => {
    const { smmu, queue, record } = device();
    smmu.write(0x9000n, [1, 2, 3, 4, 5, 6, 7, 8, 1, 2]);
    const compare = {
      operation: 'compareValue',
      source: 0x5000n,
      destination: fill.source,
      completionRecord: RECORD,
    } as const;
    queue.enqcmd(1, work({ ...compare, length: 10 }));
    queue.run();
    expect(record()).toMatchObject({ status: statuses.success, result: 0, bytesCompleted: 10 });
    queue.enqcmd(1, work({ ...compare, length: 12 }));
    queue.run();
    expect(record()).toMatchObject({ status: statuses.success, result: 1, bytesCompleted: 10 });
    expect(smmu.requests.filter(({ kind }) => kind === 'write').map(({ address }) => address)).toEqual([
      0xf000n,
      0xf000n,
    ]);
  });

  it('unknown opcodes and empty transfers are told', () => {
    const { queue, record } = device();
    const raw = descriptor.decode(work(fill));
    queue.enqcmd(1, descriptor.encode({ ...raw, opcode: 0x20 }));
    queue.run();
    expect(record().status).toBe(statuses.badOpcode);
    queue.enqcmd(1, work({ ...fill, length: 0 }));
    queue.run();
    expect(record().status).toBe(statuses.badLength);
  });

  it('a record is written if it is requested, or if there is an error', () => {
    const { smmu, queue, record } = device();
    const raw = { ...descriptor.decode(work(fill)), completionRecordRequested: false };
    queue.enqcmd(1, descriptor.encode(raw));
    queue.run();
    expect(record().status).toBe(0);
    smmu.unmap(0x5000n, 1);
    queue.endpoint.disableAts();
    must(queue.endpoint.enableAts());
    queue.enqcmd(1, descriptor.encode(raw));
    queue.run();
    expect(record().status).toBe(statuses.pageFault);
    smmu.map(0x5000n, 0x9000n, { pasid: 1 });
    queue.enqcmd(1, work({ operation: 'noop' }));
    expect(queue.run().state).toBe('idle');
  });
});

describe('faults', () => {
  it('without Block on Fault the record says how far it came, and where the fault was', () => {
    const { queue, record } = device();
    queue.enqcmd(1, work({ ...fill, destination: 0x5ff0n, length: 32 }));
    queue.run();
    expect(record()).toMatchObject({
      status: statuses.pageFault,
      faultOnWrite: true,
      bytesCompleted: 16,
      faultAddress: 0x6000n,
    });
    queue.enqcmd(1, work({ ...fill, operation: 'copy', source: 0x7008n, destination: 0x5000n }));
    queue.run();
    expect(record()).toMatchObject({ faultOnWrite: false, bytesCompleted: 0, faultAddress: 0x7008n });
  });

  it('with Block on Fault the page is asked for, and then its translation again (PRI-07, ENQ-25)', () => {
    const { smmu, queue, record, answer } = device();
    queue.enqcmd(1, work({ ...fill, destination: 0x6010n, blockOnFault: true }));
    expect(queue.run()).toMatchObject({ state: 'waiting', why: 'page request group 0 has no response' });
    expect(smmu.pageRequests).toEqual([
      { streamId: 0x10, address: 0x6000n, pasid: 1, group: 0, last: true, read: false, write: true },
    ]);
    expect(queue.run().state).toBe('waiting');
    // Success without the page: it asks again (PRI-23).
    answer('success');
    expect(queue.run().state).toBe('waiting');
    expect(smmu.pageRequests).toHaveLength(2);
    smmu.map(0x6000n, 0xb000n, { pasid: 1 });
    answer('success');
    expect(queue.run()).toEqual({ state: 'idle' });
    expect(smmu.read(0xb010n, 4)).toEqual([1, 2, 3, 4]);
    expect(record()).toMatchObject({ status: statuses.success, bytesCompleted: 12 });
  });

  it.each([
    ['invalid request', statuses.pageFaultInvalidRequest],
    ['response failure', statuses.translationFailure],
  ] as const)('%s ends the descriptor', (code, status) => {
    const { queue, record, answer } = device();
    queue.enqcmd(1, work({ ...fill, destination: 0x6010n, blockOnFault: true }));
    queue.run();
    answer(code);
    expect(queue.run()).toEqual({ state: 'idle' });
    expect(record()).toMatchObject({ status, faultAddress: 0x6000n, faultOnWrite: true, bytesCompleted: 0 });
  });

  it('without page requests Block on Fault cannot wait', () => {
    const { queue, record, endpoint, answer } = device();
    const faulting = work({ ...fill, destination: 0x6010n, blockOnFault: true });
    queue.enqcmd(1, faulting);
    queue.run();
    answer('response failure');
    queue.run();
    queue.enqcmd(1, faulting);
    expect(queue.run()).toEqual({ state: 'idle' });
    expect(record().status).toBe(statuses.translationFailure);
    must(endpoint.disablePri());
    queue.enqcmd(1, faulting);
    queue.run();
    expect(record().status).toBe(statuses.pageFault);
  });

  it('waits for a credit if all are taken (PRI-04)', () => {
    const { queue, endpoint, answer } = device();
    for (let group = 100; group < 104; group++) {
      const page = { address: 0n, pasid: 1, group, last: true, read: true, write: false };
      must(endpoint.deliver(must(endpoint.requestPage(page))));
    }
    queue.enqcmd(1, work({ ...fill, destination: 0x6010n, blockOnFault: true }));
    expect(queue.run()).toMatchObject({ state: 'waiting', why: expect.stringMatching(/PRI-04/) as string });
    answer('success');
    expect(queue.run()).toMatchObject({ state: 'waiting', why: 'page request group 0 has no response' });
  });

  it('errors of ATS and aborts are told apart', () => {
    const { smmu, queue, record, endpoint } = device();
    queue.enqcmd(1, work({ operation: 'noop', completionRecord: RECORD }));
    queue.run();
    smmu.refuses = 'completer abort';
    queue.enqcmd(1, work(fill));
    queue.run();
    expect(record()).toMatchObject({ status: statuses.translationFailure, faultAddress: 0x5010n });
    endpoint.disableAts();
    queue.enqcmd(1, work({ ...fill, destination: 0x6010n }));
    queue.run();
    expect(record()).toMatchObject({ status: statuses.hardwareError, faultAddress: 0x6010n });
  });

  it('reads as zero go on', () => {
    const { smmu, queue, endpoint } = device();
    endpoint.disableAts();
    smmu.admission = 'read as zero, write ignored';
    queue.enqcmd(1, work({ operation: 'compareValue', source: 0x5000n, destination: 0n, length: 8 }));
    expect(queue.step()).toMatchObject({ job: { bytes: 8, ending: undefined } });
  });

  it('a fault of the completion record goes to the error register', () => {
    const { smmu, queue, answer } = device();
    smmu.unmap(RECORD, 1);
    queue.enqcmd(1, work(fill));
    expect(queue.run()).toEqual({ state: 'idle' });
    queue.enqcmd(1, work({ ...fill, blockOnFault: true }));
    expect(queue.run().state).toBe('waiting');
    answer('invalid request');
    expect(queue.run()).toEqual({ state: 'idle' });
    queue.enqcmd(1, work({ ...fill, completionRecord: 0x5008n }));
    queue.run();
    expect(queue.errors.map(({ status }) => status)).toEqual([
      statuses.completionRecordTranslation,
      statuses.completionRecordTranslation,
      statuses.completionRecordAlignment,
    ]);
  });

  it('a request that the SMMU stalls is waited for', () => {
    const { smmu, queue, endpoint, record } = device();
    endpoint.disableAts();
    smmu.admission = 'stalled';
    queue.enqcmd(1, work(fill));
    expect(queue.run()).toMatchObject({ state: 'waiting', why: 'the SMMU stalled it' });
    expect(queue.run()).toMatchObject({ state: 'waiting', why: 'the SMMU stalled it' });
    smmu.admission = undefined;
    const [request] = smmu.requests;
    if (request === undefined) throw new Error('nothing arrived');
    endpoint.resumed(1, smmu.admit(request));
    expect(queue.run()).toEqual({ state: 'idle' });
    expect(smmu.read(0x9010n, 4)).toEqual([1, 2, 3, 4]);
    smmu.admission = 'stalled';
    queue.enqcmd(1, work(fill));
    queue.run();
    smmu.admission = undefined;
    endpoint.resumed(smmu.requests.length, { outcome: 'aborted' });
    expect(queue.run()).toEqual({ state: 'idle' });
    expect(record()).toMatchObject({ status: statuses.hardwareError, faultAddress: 0x5010n, faultOnWrite: true });
  });
});

describe('engines', () => {
  it('work in the order of submission; one that waits does not hold up another engine', () => {
    const { queue, record } = device({ engines: 2, slots: 3 });
    queue.enqcmd(1, work({ ...fill, destination: 0x6010n, blockOnFault: true }));
    queue.enqcmd(1, work(fill));
    queue.enqcmd(1, work({ ...fill, completionRecord: RECORD + 32n }));
    expect(() => queue.step(2)).toThrow(RangeError);
    expect(queue.run()).toMatchObject({ state: 'waiting', job: { id: 0 } });
    expect(queue.jobs.map(({ id }) => id)).toEqual([0]);
    expect(record().status).toBe(statuses.success);
    expect(record(0xf020n).status).toBe(statuses.success);
  });

  it('each waits for the response to its own group', () => {
    const { queue, endpoint } = device({ engines: 2 });
    for (const destination of [0x6010n, 0x7010n]) queue.enqcmd(1, work({ ...fill, destination, blockOnFault: true }));
    queue.run();
    expect(queue.jobs.map(({ group }) => group)).toEqual([0, 1]);
    endpoint.pageResponse({ group: 1, pasid: 1, code: 'success' });
    expect(queue.jobs.map(({ group }) => group)).toEqual([0, undefined]);
  });

  it('one engine waits with its descriptor', () => {
    const { queue } = device();
    queue.enqcmd(1, work({ ...fill, destination: 0x6010n, blockOnFault: true }));
    queue.enqcmd(1, work(fill));
    queue.run();
    expect(queue.jobs.map(({ id }) => id)).toEqual([0, 1]);
  });

  it('drain of a PASID waits for its descriptors alone; abort drops them (ENQ-14)', () => {
    const { queue } = device();
    queue.enqcmd(1, work(fill));
    queue.enqcmd(2, work(fill));
    expect(queue.drain(1)).toMatchObject({ done: false });
    expect(queue.drain(3)).toMatchObject({ done: true });
    expect(queue.abort(1)).toMatchObject([{ pasid: 1 }]);
    expect(queue.drain(1)).toMatchObject({ done: true });
    expect(queue.drain(2)).toMatchObject({ done: false });
  });

  it('what cannot be sent now waits: a write is in front', () => {
    const { queue, endpoint } = device({ schedule: 'by hand' });
    const id = must(endpoint.issue({ kind: 'write', address: 0n, bytes: Uint8Array.of(1) }, { untranslated: true }));
    queue.enqcmd(1, work(fill));
    expect(queue.run()).toMatchObject({ state: 'waiting', why: expect.stringMatching(/in front/) as string });
    must(endpoint.admit(id));
    expect(queue.run().state).toBe('idle');
  });

  it('a function level reset empties the queue and the error register', () => {
    const { queue, endpoint } = device();
    queue.enqcmd(1, work({ ...fill, completionRecord: 1n }));
    queue.run();
    expect(queue.errors).toHaveLength(1);
    queue.enqcmd(1, work(fill));
    endpoint.reset();
    expect(queue.jobs).toEqual([]);
    expect(queue.errors).toEqual([]);
    expect(queue.step()).toEqual({ state: 'idle' });
  });
});

describe('writes on their way', () => {
  it('are sent with the completion record behind them, and the descriptor ends when they arrive', () => {
    const { queue, smmu, record } = device();
    queue.enqcmd(1, work(fill), 'process');
    must(queue.send(0));
    expect(smmu.read(0x9010n, 12)).toEqual(Array.from({ length: 12 }, () => 0));
    expect(record().status).toBe(0);
    expect(queue.drain(1)).toMatchObject({ done: false });
    expect(queue.step()).toMatchObject({ state: 'waiting', why: 'its writes are on their way' });
    expect(queue.send(0)).toMatchObject({ done: false });
    must(queue.arrive(0));
    expect(smmu.read(0x9010n, 12)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4]);
    expect(record()).toMatchObject({ status: statuses.success, bytesCompleted: 12 });
    expect(queue.jobs).toEqual([]);
    expect(smmu.requests.map(({ kind, translated, on }) => ({ kind, translated, on }))).toEqual([
      { kind: 'write', translated: true, on: 'process' },
      { kind: 'write', translated: true, on: 'process' },
    ]);
  });

  it('arrive after the ATC has lost the translation', () => {
    const { queue, endpoint, smmu } = device();
    queue.enqcmd(1, work(fill));
    must(queue.send(0));
    for (const translation of endpoint.atc.translations) endpoint.evict(translation);
    must(queue.arrive(0));
    expect(smmu.read(0x9010n, 2)).toEqual([1, 2]);
  });

  it('are those of what is left of a descriptor', () => {
    const { queue, smmu, record } = device();
    smmu.map(0x4000n, 0xa000n, { pasid: 1 });
    queue.enqcmd(1, work({ ...fill, destination: 0x4ffcn }));
    expect(queue.send(0)).toMatchObject({ done: false });
    queue.step();
    must(queue.send(0));
    must(queue.arrive(0));
    expect(smmu.read(0x9000n, 8)).toEqual([5, 6, 7, 8, 1, 2, 3, 4]);
    expect(record().bytesCompleted).toBe(12);
  });

  it('are not sent without a translation of all of them', () => {
    const { queue, endpoint, smmu } = device();
    smmu.unmap(RECORD, 1);
    queue.enqcmd(1, work(fill));
    expect(queue.send(0)).toEqual({ done: false, why: 'the SMMU grants no write' });
    expect(endpoint.flights).toEqual([]);
    expect(queue.arrive(0)).toMatchObject({ done: false });
    smmu.refuses = 'completer abort';
    expect(queue.send(0)).toEqual({ done: false, why: 'the SMMU answers: completer abort' });
  });

  it('are not those of other operations, of nothing, or of a record that is not aligned', () => {
    const { queue } = device({ slots: 4, engines: 4 });
    queue.enqcmd(1, work({ operation: 'noop' }));
    queue.enqcmd(1, work({ ...fill, length: 0 }));
    queue.enqcmd(1, work({ ...fill, completionRecord: RECORD + 1n }));
    for (const id of [0, 1, 2]) expect(queue.send(id)).toMatchObject({ done: false });
    expect(() => queue.send(3)).toThrow(RangeError);
    expect(() => queue.arrive(3)).toThrow(RangeError);
  });
});
