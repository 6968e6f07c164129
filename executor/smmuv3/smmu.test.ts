import { describe, expect, it } from 'vitest';
import { Memory } from '../memory.ts';
import type { Admission, Transaction } from '../pcie/messages.ts';
import { encodeCommand } from './commands.ts';
import { svaIdentity } from './identity.ts';
import type { RegisterName } from './registers.ts';
import { registerMap } from './registers.ts';
import { Smmu } from './smmu.ts';
import { Bench, enables, everything, NotingFunction, places } from './smmu.fixture.ts';

function transactionOf(admission: Admission): Transaction {
  if (admission.outcome !== 'admitted') {
    throw new Error(admission.outcome);
  }
  return admission.transaction;
}

function translating(options = {}, bringUp = {}): { bench: Bench; device: NotingFunction } {
  const bench = new Bench(options, bringUp);
  const device = bench.connect(1);
  bench.translate(1);
  bench.map(0x5000n, 0x900_0000n);
  bench.map(0x6000n, 0x900_3000n);
  return { bench, device };
}

describe('bring-up, as arm_smmu_device_reset does it', () => {
  it('ends with all enables acknowledged and the queue drained', () => {
    const memory = new Memory();
    const smmu = new Smmu(memory, { identity: svaIdentity });
    const set = (name: RegisterName, value: bigint): void =>
      smmu.writeRegister(registerMap[name].offset, registerMap[name].size, value);
    const get = (name: RegisterName): bigint => smmu.readRegister(registerMap[name].offset, registerMap[name].size);
    let producer = 0;
    const command = (raw: Uint8Array): void => {
      memory.write(places.commands + BigInt(producer * 16), raw);
      producer++;
      set('CMDQ_PROD', BigInt(producer));
    };
    set('CR0', 0n);
    expect(get('CR0ACK')).toBe(0n);
    set('CR1', 0xd75n);
    set('CR2', 0b111n);
    set('STRTAB_BASE', places.streams | (1n << 62n));
    set('STRTAB_BASE_CFG', 8n);
    set('CMDQ_BASE', places.commands | (1n << 62n) | 8n);
    set('CMDQ_PROD', 0n);
    set('CMDQ_CONS', 0n);
    set('CR0', enables.CMDQEN);
    expect(get('CR0ACK')).toBe(enables.CMDQEN);
    command(encodeCommand({ op: 'CFGI_ALL' }));
    command(encodeCommand({ op: 'SYNC', cs: 1, msiAddress: places.messages, msiData: 1 }));
    expect(memory.readWord(places.messages)).toBe(1n);
    command(encodeCommand({ op: 'TLBI_EL2_ALL' }));
    command(encodeCommand({ op: 'TLBI_NSNH_ALL' }));
    command(encodeCommand({ op: 'SYNC' }));
    expect(get('CMDQ_CONS')).toBe(5n);
    set('EVENTQ_BASE', places.events | (1n << 62n) | 7n);
    set('EVENTQ_PROD', 0n);
    set('EVENTQ_CONS', 0n);
    set('CR0', enables.CMDQEN | enables.EVENTQEN);
    set('PRIQ_BASE', places.pageRequests | (1n << 62n) | 8n);
    set('PRIQ_PROD', 0n);
    set('PRIQ_CONS', 0n);
    set('CR0', enables.CMDQEN | enables.EVENTQEN | enables.PRIQEN);
    set('CR0', enables.CMDQEN | enables.EVENTQEN | enables.PRIQEN | enables.ATSCHK);
    set('IRQ_CTRL', 0n);
    set('GERROR_IRQ_CFG0', 0n);
    set('EVENTQ_IRQ_CFG0', 0n);
    set('PRIQ_IRQ_CFG0', 0n);
    set('IRQ_CTRL', 7n);
    expect(get('IRQ_CTRLACK')).toBe(7n);
    set('CR0', everything);
    expect(get('CR0ACK')).toBe(everything);
    expect(get('GERROR')).toBe(get('GERRORN'));
    expect([get('CR1'), get('CR2'), get('STRTAB_BASE')]).toEqual([0xd75n, 0b111n, places.streams | (1n << 62n)]);
  });
});

describe('SMMUEN = 0', () => {
  const disabled = { cr0: everything & ~enables.SMMUEN };

  it('transactions pass, with or without PASID; nothing is fetched', () => {
    const { bench, device } = translating({}, disabled);
    bench.stream(1, 0n);
    for (const changes of [{}, { pasid: 5 }]) {
      bench.smmu.reachMemory(transactionOf(device.write(0x5000n, changes)));
      expect(bench.memory.read(0x5000n, 1)).toEqual(Uint8Array.of(0xa5));
      bench.memory.write(0x5000n, Uint8Array.of(0));
    }
    expect(bench.smmu.configuration.entries).toEqual([]);
    expect(bench.events).toEqual([]);
  });

  it('GBPA.ABORT aborts them without a record', () => {
    const { bench, device } = translating({}, disabled);
    bench.set('GBPA', 0x8010_0000n);
    expect(device.write(0x5000n)).toEqual({ outcome: 'aborted' });
    expect(bench.events).toEqual([]);
    bench.set('CR0', everything);
    expect(device.write(0x5000n).outcome).toBe('admitted');
  });

  it('Translated transactions are aborted, Translation Requests are Unsupported Requests', () => {
    const { bench, device } = translating({}, disabled);
    expect(device.write(0x5000n, { translated: true })).toEqual({ outcome: 'aborted' });
    expect(bench.smmu.translate({ streamId: 1, address: 0x5000n })).toEqual({ status: 'unsupported request' });
    expect(bench.events.map(({ name }) => name)).toEqual(['F_TRANSL_FORBIDDEN', 'F_BAD_ATS_TREQ']);
  });

  it('keeps the caches: what was cached is used when it is 1 again', () => {
    const { bench, device } = translating();
    device.write(0x5000n);
    bench.map(0x5000n, undefined);
    bench.set('CR0', disabled.cr0);
    bench.set('CR0', everything);
    expect(device.write(0x5000n).outcome).toBe('admitted');
  });
});

describe('transactions', () => {
  it('write and read memory when they reach it, as the device and on behalf of the owner', () => {
    const { bench, device } = translating();
    bench.memory.give(0x900_0000n, 0x1000, 'alice');
    const write = transactionOf(device.write(0x5010n, { bytes: Uint8Array.of(1, 2, 3), on: 'bob' }));
    expect(bench.memory.accesses).toEqual([]);
    bench.smmu.reachMemory(write);
    expect(bench.memory.intrusions).toMatchObject([
      { by: '0x1', on: 'bob', owner: 'alice', kind: 'write', address: 0x900_0010n, after: Uint8Array.of(1, 2, 3) },
    ]);
    const { bytes: _, ...read } = write.request;
    const admission = bench.smmu.admit({ ...read, kind: 'read', length: 3, on: 'alice' });
    expect(bench.smmu.reachMemory(transactionOf(admission))).toEqual(Uint8Array.of(1, 2, 3));
    expect(bench.memory.intrusions).toHaveLength(1);
  });

  it('go to each page where it is', () => {
    const { bench, device } = translating();
    bench.smmu.reachMemory(transactionOf(device.write(0x5ffen, { bytes: Uint8Array.of(1, 2, 3, 4) })));
    expect(bench.memory.read(0x900_0ffen, 2)).toEqual(Uint8Array.of(1, 2));
    expect(bench.memory.read(0x900_3000n, 2)).toEqual(Uint8Array.of(3, 4));
  });

  it('land what they write before the page that faults', () => {
    const { bench, device } = translating();
    expect(device.write(0x6ffen, { bytes: Uint8Array.of(1, 2, 3, 4) })).toEqual({ outcome: 'aborted' });
    expect(bench.memory.read(0x900_3ffen, 2)).toEqual(Uint8Array.of(1, 2));
    expect(bench.events.map(({ inputAddr }) => inputAddr)).toEqual([0x7000n]);
  });

  it('to where no memory is are lost, and read as ones', () => {
    const bench = new Bench({}, { ranges: [{ base: 0n, size: 0x80_0000n }] });
    bench.bypass(1);
    const device = bench.connect(1);
    bench.smmu.reachMemory(transactionOf(device.write(0x100_0000n)));
    const read = bench.smmu.admit({ streamId: 1, kind: 'read', translated: false, address: 0x100_0000n, length: 2 });
    expect(bench.smmu.reachMemory(transactionOf(read))).toEqual(Uint8Array.of(0xff, 0xff));
  });

  it('that are terminated with A = 0 write nothing', () => {
    const { bench, device } = translating();
    bench.translate(1, { a: false });
    expect(device.write(0x7000n)).toEqual({ outcome: 'read as zero, write ignored' });
    expect(bench.smmu.inFlight).toEqual([]);
    expect(bench.events).toHaveLength(1);
  });
});

describe('caches', () => {
  it('hold what translations put there, or only what is chosen', () => {
    for (const [options, entries] of [
      [{}, 1],
      [{ tlb: 'always' }, 1],
      [{ tlb: 'chosen' }, 0],
    ] as const) {
      const { bench, device } = translating(options);
      device.write(0x5000n);
      expect(bench.smmu.tlb.entries).toHaveLength(entries);
    }
    const { bench, device } = translating({ configuration: { insert: false } });
    device.write(0x5000n);
    expect(bench.smmu.configuration.entries).toEqual([]);
  });
});

describe('ports', () => {
  it('messages go to the function of their StreamID', () => {
    const bench = new Bench();
    const first = bench.connect(1);
    const second = bench.connect(2);
    bench.submit({ op: 'PRI_RESP', sid: 2, resp: 2 }, { op: 'ATC_INV', sid: 1 });
    expect([first.responses.length, second.responses.length]).toEqual([0, 1]);
    expect([first.invalidations.length, second.invalidations.length]).toEqual([1, 0]);
  });

  it('a function that takes the place of another answers nothing for it', () => {
    const bench = new Bench();
    bench.connect(1, false);
    bench.submit({ op: 'ATC_INV', sid: 1 }, { op: 'SYNC' });
    bench.connect(1);
    expect(bench.errors).toBe(1n);
    expect(bench.smmu.invalidations.outstanding(1)).toEqual([]);
  });

  it('an invalidation drops walks in flight as it drops entries', () => {
    const { bench } = translating({ tlb: 'chosen' });
    const begun = bench.smmu.walks.begin(1, { streamId: 1 }, 0x5000n);
    if (!begun.ok) throw new Error('no walk');
    bench.map(0x5000n, undefined);
    bench.submit({ op: 'TLBI_NH_ASID', vmid: 0, asid: 1 });
    expect(() => bench.smmu.walks.insert(begun.walk)).toThrow('flight');
    expect(bench.smmu.tlb.entries).toEqual([]);
  });
});

describe('from unmap to reuse (INV-01)', () => {
  it('PTE, TLBI, SYNC, ATC_INV, SYNC: then no access of the device lands in the page', () => {
    const { bench, device } = translating();
    const answer = bench.smmu.translate({ streamId: 1, address: 0x5000n });
    expect(answer).toMatchObject({
      status: 'success',
      translations: [{ address: 0x900_0000n, read: true, write: true }],
    });
    bench.smmu.reachMemory(transactionOf(device.write(0x5000n)));
    bench.map(0x5000n, undefined);
    bench.submit(
      { op: 'TLBI_NH_VA', vmid: 0, asid: 1, address: 0x5000n, leaf: true },
      { op: 'SYNC' },
      { op: 'ATC_INV', sid: 1, address: 0x5000n },
      { op: 'SYNC' },
    );
    expect(bench.consumed).toBe(4);
    expect(device.invalidations).toEqual([{ itag: 0, address: 0x5000n, sizeLog2: 12, global: false }]);
    expect(device.write(0x5000n)).toEqual({ outcome: 'aborted' });
    expect(bench.smmu.translate({ streamId: 1, address: 0x5000n })).toMatchObject({
      status: 'success',
      translations: [{ read: false, write: false }],
    });
  });
});
