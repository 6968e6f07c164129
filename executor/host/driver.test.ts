import { describe, expect, it } from 'vitest';
import { Memory } from '../memory.ts';
import type { Translation } from '../pcie/address-translation-cache.ts';
import type { Endpoint } from '../pcie/endpoint.ts';
import { must } from '../pcie/outcome.ts';
import { decodeCommand } from '../smmuv3/commands.ts';
import { defaultIdentity, svaIdentity } from '../smmuv3/identity.ts';
import { atsOf, commandsOf, dataBase, device, type Host, host, machine } from './host.fixture.ts';
import { run, type Steps } from './steps.ts';
import type { Stage1Domain } from './domain.ts';

const bytes = Uint8Array.of(1, 2, 3, 4);
const writable = { write: true };
const page = 0x1000n;

function mapped({ driver }: Host, domain: Stage1Domain, input: bigint, output: bigint, length = page): void {
  driver.run(driver.map(domain, { input, output, length, attributes: writable }));
}

describe('bring-up', () => {
  it('leaves an SMMU that translates, with its queues open and no errors', () => {
    const { smmu, driver } = host();
    expect(smmu.registers.isEnabled('SMMUEN')).toBe(true);
    expect(smmu.registers.isEnabled('EVENTQEN')).toBe(true);
    expect(smmu.registers.isEnabled('PRIQEN')).toBe(true);
    expect(smmu.registers.isEnabled('ATSCHK')).toBe(true);
    expect(driver.metErrors).toEqual([]);
  });

  it('invalidates all caches before it turns translation on', () => {
    const before = machine();
    const { smmu, driver } = before;
    const steps = driver.bringUp();
    for (;;) {
      const { done, value } = steps.next();
      if (done === true || value.what === 'translation on') break;
    }
    expect(commandsOf(before).map(({ op }) => op)).toEqual([
      'CFGI_ALL',
      'SYNC',
      'TLBI_EL2_ALL',
      'SYNC',
      'TLBI_NSNH_ALL',
      'SYNC',
    ]);
    expect(smmu.commands.positions.consumer).toBe(6);
  });

  it.each(['linear', 6, 8, 10] as const)('sets up a Stream table that the SMMU reads: %s', (split) => {
    const up = host({ driver: { split, sidBits: 12 } });
    const { driver, smmu, memory } = up;
    const domain = driver.run(driver.createStage1());
    for (const sid of [0, 0x41, 0xfff]) {
      driver.run(driver.streams.attach(sid, domain));
      const endpoint = device(up, sid);
      mapped(up, domain, BigInt(sid) << 12n, dataBase + (BigInt(sid) << 12n));
      expect(endpoint.dma({ kind: 'write', address: BigInt(sid) << 12n, bytes }).outcome).toBe('done');
      expect(memory.read(dataBase + (BigInt(sid) << 12n), 4)).toEqual(bytes);
    }
    expect(smmu.events.records).toEqual([]);
    expect(() => driver.run(driver.streams.attach(0x1000, domain))).toThrow(RangeError);
  });

  it('lets unattached streams do what was asked: nothing, silently, or everything', () => {
    const closed = host();
    expect(device(closed, 8).dma({ kind: 'write', address: dataBase, bytes }).outcome).toBe('aborted');
    const open = host({ driver: { unattached: 'bypass', split: 'linear', sidBits: 6 } });
    expect(device(open, 8).dma({ kind: 'write', address: dataBase, bytes }).outcome).toBe('done');
    expect(open.memory.read(dataBase, 4)).toEqual(bytes);
  });

  it('does with a queue of the smallest size what it does with a large one', () => {
    const up = host({ driver: { commandQueueLog2: 0, eventQueueLog2: 0 } });
    const { driver } = up;
    const domain = driver.run(driver.createStage1());
    driver.run(driver.streams.attach(8, domain));
    mapped(up, domain, 0n, dataBase);
    expect(driver.run(driver.unmap(domain, 0n, page)).invalidation).toBe('complete');
    expect(device(up, 8).dma({ kind: 'write', address: 0n, bytes }).outcome).toBe('aborted');
  });
});

describe('DMA of a stream', () => {
  it.each([12, 14, 16] as const)('lands where stage 1 says, and nowhere after unmap: granule 2^%i', (granuleLog2) => {
    const up = host();
    const { driver, memory, smmu } = up;
    const domain = driver.run(driver.createStage1({ granuleLog2 }));
    driver.run(driver.streams.attach(8, domain));
    const endpoint = device(up, 8);
    const length = 1n << BigInt(granuleLog2);
    mapped(up, domain, 0x7000_0000n, dataBase, length);
    expect(endpoint.dma({ kind: 'write', address: 0x7000_0ffcn, bytes }).outcome).toBe('done');
    expect(memory.read(dataBase + 0xffcn, 4)).toEqual(bytes);
    driver.run(driver.unmap(domain, 0x7000_0000n, length));
    memory.write(dataBase, new Uint8Array(4096));
    expect(endpoint.dma({ kind: 'write', address: 0x7000_0000n, bytes }).outcome).toBe('aborted');
    expect(memory.read(dataBase, 4)).toEqual(new Uint8Array(4));
    expect(smmu.tlb.entries.filter(({ kind }) => kind === 'stage 1')).toEqual([]);
    const { events, lost } = driver.run(driver.takeEvents());
    expect(lost).toBe(false);
    expect(events).toMatchObject([{ name: 'F_TRANSLATION', sid: 8, inputAddr: 0x7000_0000n, rnw: false }]);
  });

  it.each([
    [12, 40],
    [12, 44],
    [12, 30],
    [14, 40],
    [16, 40],
  ] as const)('lands where stage 2 says: granule 2^%i, %i input bits', (granuleLog2, inputBits) => {
    const up = host({ identity: { ...defaultIdentity, STT: true } });
    const { driver, memory } = up;
    const domain = driver.run(driver.createStage2({ granuleLog2, inputBits }));
    driver.run(driver.streams.attach(8, domain));
    const endpoint = device(up, 8);
    const top = (1n << BigInt(inputBits)) - (1n << BigInt(granuleLog2));
    const length = 1n << BigInt(granuleLog2);
    driver.run(driver.map(domain, { input: top, output: dataBase, length, attributes: { read: true, write: true } }));
    expect(endpoint.dma({ kind: 'write', address: top + 8n, bytes }).outcome).toBe('done');
    expect(memory.read(dataBase + 8n, 4)).toEqual(bytes);
    driver.run(driver.unmap(domain, top, length));
    expect(endpoint.dma({ kind: 'write', address: top, bytes }).outcome).toBe('aborted');
  });

  it('is that of the machine for an identity domain, and none for a blocked one', () => {
    const up = host();
    const { driver, memory } = up;
    const endpoint = device(up, 8);
    driver.run(driver.streams.attach(8, 'identity'));
    expect(endpoint.dma({ kind: 'write', address: dataBase, bytes }).outcome).toBe('done');
    expect(memory.read(dataBase, 4)).toEqual(bytes);
    driver.run(driver.streams.attach(8, 'blocked'));
    expect(endpoint.dma({ kind: 'write', address: dataBase, bytes }).outcome).toBe('aborted');
  });

  it('moves from one domain to another without a way back', () => {
    const up = host();
    const { driver, memory } = up;
    const [one, two] = [driver.run(driver.createStage1()), driver.run(driver.createStage1())];
    const endpoint = device(up, 8);
    driver.run(driver.streams.attach(8, one, { ats: atsOf(endpoint) }));
    mapped(up, one, 0n, dataBase);
    mapped(up, two, 0n, dataBase + page);
    endpoint.dma({ kind: 'write', address: 0n, bytes });
    driver.run(driver.streams.attach(8, two, { ats: atsOf(endpoint) }));
    endpoint.dma({ kind: 'write', address: 0n, bytes: bytes.toReversed() });
    expect(memory.read(dataBase, 4)).toEqual(bytes);
    expect(memory.read(dataBase + page, 4)).toEqual(bytes.toReversed());
    expect(one.attachments.size).toBe(0);
    expect(two.attachments.size).toBe(1);
    driver.run(driver.destroy(one));
    expect(() => driver.run(driver.destroy(two))).toThrow('attached');
  });
});

describe('ATS', () => {
  it('is on at the SMMU before the function, and off at the function before the SMMU', () => {
    const up = host();
    const { driver } = up;
    const domain = driver.run(driver.createStage1());
    const order: string[] = [];
    const control = {
      enable: () => void order.push(`enable with EATS ${eatsOf(up, 8)}`),
      disable: () => void order.push(`disable with EATS ${eatsOf(up, 8)}`),
    };
    driver.run(driver.streams.attach(8, domain, { ats: control }));
    driver.run(driver.streams.disableAts(8));
    order.push(`then EATS ${eatsOf(up, 8)}`);
    expect(order).toEqual(['enable with EATS 1', 'disable with EATS 1', 'then EATS 0']);
    const ops = commandsOf(up).map(({ op }) => op);
    expect(ops.slice(ops.indexOf('ATC_INV'))).toEqual(['ATC_INV', 'SYNC', 'CFGI_STE', 'SYNC']);
  });

  it('serves translations of the domain, and none that was unmapped (INV-01)', () => {
    const up = host();
    const { driver, memory } = up;
    const domain = driver.run(driver.createStage1());
    const endpoint = device(up, 8);
    driver.run(driver.streams.attach(8, domain, { ats: atsOf(endpoint) }));
    mapped(up, domain, 0x10_0000n, dataBase, 0x10_0000n);
    endpoint.dma({ kind: 'write', address: 0x10_3000n, bytes });
    expect(memory.read(dataBase + 0x3000n, 4)).toEqual(bytes);
    expect(cached(endpoint)).toHaveLength(1);
    expect(driver.run(driver.unmap(domain, 0x10_3000n, page)).invalidation).toBe('complete');
    expect(cached(endpoint)).toEqual([]);
    expect(endpoint.dma({ kind: 'write', address: 0x10_3000n, bytes }).outcome).toBe('no access');
  });

  it('drops the TLB before the ATC, each with its CMD_SYNC', () => {
    const up = host();
    const { driver } = up;
    const domain = driver.run(driver.createStage1());
    driver.run(driver.streams.attach(8, domain, { ats: atsOf(device(up, 8)) }));
    mapped(up, domain, 0n, dataBase);
    const before = commandsOf(up).length;
    driver.run(driver.unmap(domain, 0n, page));
    expect(
      commandsOf(up)
        .slice(before)
        .map(({ op }) => op),
    ).toEqual(['TLBI_NH_VA', 'SYNC', 'ATC_INV', 'SYNC']);
  });

  it('says so when a function does not answer: its pages must not be used again (INV-10)', () => {
    const up = host();
    const { driver, smmu } = up;
    const domain = driver.run(driver.createStage1());
    const endpoint = device(up, 8, { schedule: 'by hand' });
    driver.run(driver.streams.attach(8, domain, { ats: atsOf(endpoint) }));
    mapped(up, domain, 0n, dataBase);
    const result = driver.run(driver.unmap(domain, 0n, page), {
      meanwhile: () => {
        const waiting = smmu.commands.window.find(({ command }) => command.op === 'ATC_INV');
        if (waiting !== undefined) smmu.timeOut(waiting);
      },
    });
    expect(result.invalidation).toBe('ATC invalidation timed out');
    expect(driver.metErrors).toEqual(['CMDQ_ERR']);
    expect(driver.commands.errors).toMatchObject([{ error: 'CERROR_ATC_INV_SYNC', command: { op: 'SYNC' } }]);
    mapped(up, domain, 0n, dataBase);
  });

  it('waits as long as a function has not answered', () => {
    const up = host();
    const { driver } = up;
    const domain = driver.run(driver.createStage1());
    const endpoint = device(up, 8, { schedule: 'by hand' });
    driver.run(driver.streams.attach(8, domain, { ats: atsOf(endpoint) }));
    mapped(up, domain, 0n, dataBase);
    const steps = driver.unmap(domain, 0n, page);
    expect(() => run(steps)).toThrow('CMD_SYNC');
    for (const { itag } of endpoint.inbox) {
      must(endpoint.receiveInvalidation(itag));
      must(endpoint.acknowledge(itag));
    }
    expect(driver.run(steps).invalidation).toBe('complete');
  });
});

describe('PASIDs', () => {
  it.each([10, 16])('have address spaces of their own: %i bits', (pasidBits) => {
    const up = host();
    const { driver, memory } = up;
    const [own, first, second] = [1, 2, 3].map(() => driver.run(driver.createStage1()));
    if (own === undefined || first === undefined || second === undefined) throw new Error('no domains');
    const endpoint = device(up, 8);
    driver.run(driver.streams.attach(8, own, { pasidBits, ats: atsOf(endpoint) }));
    const high = 2 ** pasidBits - 1;
    driver.run(driver.streams.attachPasid(8, 5, first));
    driver.run(driver.streams.attachPasid(8, high, second));
    for (const [index, domain] of [own, first, second].entries())
      mapped(up, domain, 0n, dataBase + BigInt(index) * page);
    endpoint.dma({ kind: 'write', address: 0n, bytes: Uint8Array.of(10) });
    endpoint.dma({ kind: 'write', address: 0n, bytes: Uint8Array.of(11), pasid: 5 });
    endpoint.dma({ kind: 'write', address: 0n, bytes: Uint8Array.of(12), pasid: high });
    expect([0n, 1n, 2n].map((index) => memory.read(dataBase + index * page, 1)[0])).toEqual([10, 11, 12]);
    driver.run(driver.unmap(first, 0n, page));
    expect(endpoint.dma({ kind: 'write', address: 0n, bytes, pasid: 5 }).outcome).toBe('no access');
    expect(endpoint.dma({ kind: 'write', address: 0n, bytes, pasid: high }).outcome).toBe('done');
    driver.run(driver.streams.detachPasid(8, high));
    expect(cached(endpoint).filter(({ pasid }) => pasid === high)).toEqual([]);
    expect(endpoint.dma({ kind: 'write', address: 0n, bytes, pasid: high }).outcome).toBe('completer abort');
    expect(second.attachments.size).toBe(0);
    driver.run(driver.destroy(second));
  });

  it('may be all that a stream translates: its other traffic is identity or blocked (S1DSS)', () => {
    for (const target of ['identity', 'blocked'] as const) {
      const up = host();
      const { driver, memory } = up;
      const domain = driver.run(driver.createStage1());
      const endpoint = device(up, 8);
      driver.run(driver.streams.attach(8, target));
      driver.run(driver.streams.attachPasid(8, 1, domain, { pasidBits: 4 }));
      mapped(up, domain, 0n, dataBase);
      expect(endpoint.dma({ kind: 'write', address: 0n, bytes, pasid: 1 }).outcome).toBe('done');
      expect(memory.read(dataBase, 4)).toEqual(bytes);
      const other = endpoint.dma({ kind: 'write', address: dataBase, bytes: bytes.toReversed() });
      expect(other.outcome).toBe(target === 'identity' ? 'done' : 'aborted');
      driver.run(driver.streams.detachPasid(8, 1));
      expect(endpoint.dma({ kind: 'write', address: 0n, bytes, pasid: 1 }).outcome).toBe('aborted');
    }
  });

  it('refuse what there is no context for', () => {
    const up = host();
    const { driver } = up;
    const domain = driver.run(driver.createStage1());
    driver.run(driver.streams.attach(8, domain, { pasidBits: 4 }));
    expect(() => driver.run(driver.streams.attachPasid(8, 0, domain))).toThrow(RangeError);
    driver.run(driver.streams.attachPasid(8, 1, domain));
    expect(() => driver.run(driver.streams.attachPasid(8, 1, domain))).toThrow('is attached');
    expect(() => driver.run(driver.streams.detachPasid(8, 2))).toThrow('not attached');
    expect(() => driver.run(driver.streams.attach(9, domain, { pasidBits: 21 }))).toThrow(RangeError);
  });

  it('fault without a record after their process is gone, and hold nothing of it (HOST-14)', () => {
    const up = host();
    const { driver } = up;
    const domain = driver.run(driver.createStage1());
    const endpoint = device(up, 8);
    driver.run(driver.streams.attach(8, 'blocked'));
    driver.run(driver.streams.attachPasid(8, 1, domain, { pasidBits: 4, ats: atsOf(endpoint) }));
    mapped(up, domain, 0n, dataBase);
    endpoint.dma({ kind: 'write', address: 0n, bytes, pasid: 1 });
    expect(cached(endpoint)).toHaveLength(1);
    expect(driver.run(driver.streams.quiesce(domain))).toBe('complete');
    expect(cached(endpoint)).toEqual([]);
    const refused = endpoint.dma({ kind: 'write', address: 0n, bytes, pasid: 1 }, { untranslated: true });
    expect(refused.outcome).toBe('aborted');
    expect(driver.run(driver.takeEvents()).events).toEqual([]);
  });
});

describe('nested translation', () => {
  it('needs all translations of the function gone when stage 2 changes (NEST-07)', () => {
    const up = host();
    const { driver, memory } = up;
    const parent = driver.run(driver.createStage2({ nested: true }));
    const attributes = { read: true, write: true };
    // The guest's memory, tables included, where its IPAs say.
    driver.run(driver.map(parent, { input: 0n, output: 0x4000_0000n, length: 0x2000_0000n, attributes }));
    driver.run(driver.map(parent, { input: 0x8000_0000n, output: dataBase, length: page, attributes }));
    const guest = guestTables(up);
    const endpoint = device(up, 8);
    driver.run(driver.streams.attach(8, { kind: 'nested', parent, guest }, { ats: atsOf(endpoint) }));
    expect(endpoint.dma({ kind: 'write', address: 0x1000n, bytes }).outcome).toBe('done');
    expect(memory.read(dataBase, 4)).toEqual(bytes);
    expect(cached(endpoint)).toHaveLength(1);
    const before = commandsOf(up).length;
    driver.run(driver.unmap(parent, 0x8000_0000n, page));
    expect(cached(endpoint)).toEqual([]);
    expect(
      commandsOf(up)
        .slice(before)
        .map(({ op }) => op),
    ).toEqual(['TLBI_S2_IPA', 'TLBI_NH_ALL', 'SYNC', 'ATC_INV', 'SYNC']);
    expect(endpoint.dma({ kind: 'write', address: 0x1000n, bytes }).outcome).toBe('no access');
  });

  /** A Context descriptor and tables in the guest's memory, which maps VA 0x1000 to IPA 0x8000_0000. */
  function guestTables({ memory }: Host): { S1ContextPtr: bigint; S1CDMax: number; S1Fmt: number; S1DSS: number } {
    const [cd, l0, l1, l2, l3] = [0n, 0x1000n, 0x2000n, 0x3000n, 0x4000n].map((at) => 0x1000_0000n + at);
    const ipas = [cd, l0, l1, l2, l3] as [bigint, bigint, bigint, bigint, bigint];
    const put = (ipa: bigint, word: bigint): void => memory.writeWord(0x4000_0000n + ipa, word);
    put(ipas[0], 0x0007_e205_c000_3510n);
    put(ipas[0] + 8n, ipas[1]);
    put(ipas[0] + 24n, 0xffff_ffff_f404_ff44n);
    put(ipas[1], ipas[2] | 3n);
    put(ipas[2], ipas[3] | 3n);
    put(ipas[3], ipas[4] | 3n);
    put(ipas[4] + 8n, 0x8000_0000n | 0xf47n);
    return { S1ContextPtr: ipas[0], S1CDMax: 0, S1Fmt: 0, S1DSS: 0b10 };
  }
});

describe('faults', () => {
  it('of a stalled stream are answered by CMD_RESUME', () => {
    const up = host();
    const { driver, memory } = up;
    const domain = driver.run(driver.createStage1({ stall: true }));
    const endpoint = device(up, 8);
    driver.run(driver.streams.attach(8, domain));
    expect(endpoint.dma({ kind: 'write', address: 0n, bytes }, { untranslated: true }).outcome).toBe('stalled');
    const { events } = driver.run(driver.takeEvents());
    const [event] = events;
    if (event === undefined) throw new Error('no event');
    expect(event).toMatchObject({ name: 'F_TRANSLATION', stall: true });
    mapped(up, domain, 0n, dataBase);
    driver.run(driver.resume(event, 'retry'));
    for (const { id } of endpoint.flights) endpoint.reachMemory(id);
    expect(memory.read(dataBase, 4)).toEqual(bytes);
  });

  it('that are too many for the queue are known to be lost, once (7.4)', () => {
    const up = host({ driver: { eventQueueLog2: 1 } });
    const { driver } = up;
    const domain = driver.run(driver.createStage1());
    const endpoint = device(up, 8);
    driver.run(driver.streams.attach(8, domain));
    for (let fault = 0; fault < 3; fault++) endpoint.dma({ kind: 'write', address: 0n, bytes });
    const taken = driver.run(driver.takeEvents());
    expect(taken.events).toHaveLength(2);
    expect(taken.lost).toBe(true);
    endpoint.dma({ kind: 'write', address: 0n, bytes });
    expect(driver.run(driver.takeEvents())).toMatchObject({ lost: false, events: [{ name: 'F_TRANSLATION' }] });
    expect(driver.run(driver.takeEvents())).toEqual({ events: [], lost: false });
  });
});

describe('page requests', () => {
  function requesting(options: { pageRequestQueueLog2?: number } = {}) {
    const up = host({ driver: options });
    const { driver } = up;
    const domain = driver.run(driver.createStage1());
    const endpoint = device(up, 8);
    driver.run(driver.streams.attach(8, 'blocked'));
    driver.run(
      driver.streams.attachPasid(8, 1, domain, { pasidBits: 4, ats: atsOf(endpoint), responsesWithPasid: true }),
    );
    must(endpoint.enablePri(32));
    const ask = (address: bigint, last: boolean, group?: number): void => {
      const flight = endpoint.requestPage({
        address,
        pasid: 1,
        read: true,
        write: true,
        last,
        ...(group === undefined ? {} : { group }),
      });
      must(endpoint.deliver(must(flight)));
    };
    return { ...up, domain, endpoint, ask };
  }

  it('are answered once per group, after its last', () => {
    const { driver, endpoint, ask, domain } = requesting();
    ask(0n, false, 3);
    expect(driver.run(driver.takePageRequests())).toEqual({ groups: [], stopMarkers: [], overflow: false });
    ask(page, true, 3);
    const { groups } = driver.run(driver.takePageRequests());
    expect(groups).toMatchObject([{ sid: 8, pasid: 1, prgIndex: 3, requests: [{ address: 0n }, { address: page }] }]);
    const [group] = groups;
    if (group === undefined) throw new Error('no group');
    driver.run(driver.map(domain, { input: 0n, output: dataBase, length: 0x2000n, attributes: writable }));
    expect(endpoint.pri?.groups).toHaveLength(1);
    driver.run(driver.respond(group, 'success'));
    expect(endpoint.pri?.groups).toHaveLength(0);
    expect(endpoint.dma({ kind: 'write', address: 0n, bytes, pasid: 1 }).outcome).toBe('done');
  });

  it('of groups that overflow interrupted are forgotten: the SMMU has answered them (8.2)', () => {
    const { driver, endpoint, ask } = requesting({ pageRequestQueueLog2: 1 });
    ask(0n, false, 1);
    ask(0n, true, 2);
    ask(page, true, 1);
    const taken = driver.run(driver.takePageRequests());
    expect(taken.overflow).toBe(true);
    expect(taken.groups.map(({ prgIndex }) => prgIndex)).toEqual([2]);
    expect(endpoint.pri?.groups.map(({ index }) => index)).toEqual([2]);
    ask(0n, true, 1);
    const again = driver.run(driver.takePageRequests());
    expect(again).toMatchObject({ overflow: false, groups: [{ prgIndex: 1, requests: [{ address: 0n }] }] });
  });
});

describe('command errors', () => {
  it('are mended: an illegal command becomes CMD_SYNC, and what follows is done', () => {
    const up = host({ identity: { ...svaIdentity, ATS: false, ATSRECERR: false, PRI: false } });
    const { driver, smmu } = up;
    const position = smmu.commands.positions.producer;
    const result = driver.run(driver.commands.complete([{ op: 'ATC_INV', sid: 8 }, { op: 'TLBI_NSNH_ALL' }]));
    expect(result).toBe('complete');
    expect(driver.commands.errors).toMatchObject([{ error: 'CERROR_ILL', command: { op: 'ATC_INV' } }]);
    expect(
      commandsOf(up)
        .slice(position)
        .map(({ op }) => op),
    ).toEqual(['SYNC', 'TLBI_NSNH_ALL', 'SYNC']);
    expect(smmu.registers.get('GERROR')).toBe(smmu.registers.get('GERRORN'));
  });
});

describe('interleaving', () => {
  it('of two operations shares the command queue without mixing entries', () => {
    const up = host({ driver: { commandQueueLog2: 2 } });
    const { driver } = up;
    const domain = driver.run(driver.createStage1());
    driver.run(driver.streams.attach(8, domain));
    mapped(up, domain, 0n, dataBase, 0x4000n);
    const waiting: Steps<unknown>[] = [0n, 1n, 2n, 3n].map((index) => driver.unmap(domain, index * page, page));
    for (let turn = 0; waiting.length > 0; turn++) {
      const [steps] = waiting.splice(turn % waiting.length, 1);
      if (steps?.next().done === false) waiting.push(steps);
      if (turn > 10_000) throw new Error('they wait for ever');
    }
    expect(up.smmu.commands.unconsumed).toEqual([]);
    expect(driver.commands.errors).toEqual([]);
    expect(up.smmu.tlb.entries.filter(({ kind }) => kind === 'stage 1')).toEqual([]);
  });
});

describe('the driver', () => {
  it('does with memory and registers what it says: nothing is backed but what it took', () => {
    const memory = new Memory({ ranges: [{ base: 0x4000_0000n, size: 0x2000_0000n }] });
    const { driver } = host({ memory });
    const domain = driver.run(driver.createStage1());
    driver.run(driver.streams.attach(8, domain, { pasidBits: 20 }));
    expect(driver.commands.errors).toEqual([]);
    expect(decodeCommand(memory.read(0x4000_0000n, 16)).op).toBe('CFGI_ALL');
  });
});

function cached({ atc }: Endpoint): readonly Translation[] {
  return atc.translations;
}

function eatsOf({ smmu }: Host, sid: number): number {
  const found = smmu.configuration.lookupSte(sid);
  return found.ok ? found.configuration.ste.EATS : -1;
}
