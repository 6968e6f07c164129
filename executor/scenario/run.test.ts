/**
 * Scenarios on the machine: what each step comes to, in the shape that other programs read.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { machineBoard, parseScenario, runScenario } from './index.ts';
import type { ScenarioResult } from './scenario.ts';

async function run(given: unknown): Promise<ScenarioResult> {
  const scenario = parseScenario(given);
  return runScenario(scenario, machineBoard(scenario));
}

const words = (...values: readonly bigint[]): string =>
  values
    .map((value) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value);
      return bytes.toString('hex');
    })
    .join('');
const sync = '46'.padEnd(32, '0');

/** StreamID 0x10 by stage 1: 0x1000 to 0x44000000, 0x2000 read-only to 0x44001000, 4 KiB granule, 39 bits. */
const setup = [
  { op: 'mem', addr: '0x40100400', hex: words(0x4011_0000n | 0b1011n) },
  { op: 'mem', addr: '0x40110000', hex: words(0x0001_6205_c000_0019n, 0x4030_0000n) },
  { op: 'mem', addr: '0x40300000', hex: words(0x4030_1003n) },
  { op: 'mem', addr: '0x40301000', hex: words(0x4030_2003n) },
  { op: 'mem', addr: '0x40302008', hex: words(0x4400_0c43n, 0x4400_1cc3n) },
  { op: 'mmio', reg: 'STRTAB_BASE', value: '0x40100000' },
  { op: 'mmio', reg: 'STRTAB_BASE_CFG', value: 5 },
  { op: 'mmio', reg: 'CMDQ_BASE', value: '0x40200004' },
  { op: 'mmio', reg: 'EVENTQ_BASE', value: '0x40201001' },
  { op: 'mmio', reg: 'CR0', value: 0xd },
];
const after = async (...steps: readonly object[]): Promise<readonly unknown[]> =>
  (await run({ steps: [...setup, ...steps] })).results.map(({ i, ...result }) => ({ i: i - setup.length, ...result }));

describe('results', () => {
  it('have the documented fields, in order', async () => {
    const results = await after(
      { op: 'mmio_read', reg: 'CR0ACK' },
      { op: 'mmio_read', addr: '0x09050000' },
      { op: 'cmd', hex: [sync, sync, sync] },
      { op: 'dma', dir: 'write', iova: '0x1123', hex: 'deadbeef01' },
      { op: 'dma', dir: 'read', iova: '0x1123', len: 8 },
      { op: 'read', addr: '0x44000123', len: 6, name: 'landed', note: 'there' },
      { op: 'dma', dir: 'write', iova: '0x2000', hex: 'ff' },
      { op: 'events' },
      { op: 'bdf' },
    );
    expect(results.map((result) => JSON.stringify(result))).toEqual([
      '{"i":0,"op":"mmio_read","reg":"CR0ACK","value":"0xd"}',
      '{"i":1,"op":"mmio_read","addr":"0x9050000","size":4,"value":"0xd44101b"}',
      '{"i":2,"op":"cmd","prod":"0x3","cons":"0x3","consumedAll":true,"cerror":0,"gerror":"0x0","gerrorn":"0x0"}',
      '{"i":3,"op":"dma","sid":16,"dir":"write","iova":"0x1123","len":5,"newEvents":0}',
      '{"i":4,"op":"dma","sid":16,"dir":"read","iova":"0x1123","len":8,"data":"deadbeef01000000","newEvents":0}',
      '{"i":5,"op":"read","name":"landed","note":"there","addr":"0x44000123","hex":"deadbeef0100"}',
      '{"i":6,"op":"dma","sid":16,"dir":"write","iova":"0x2000","len":1,"newEvents":1}',
      `{"i":7,"op":"events","events":[{"raw":"1300000010000000${'00'.repeat(4)}000200000020${'00'.repeat(14)}","type":19,` +
        '"name":"F_PERMISSION","ssv":0,"ssid":0,"sid":16,"stag":0,"stall":0,"pnu":0,"ind":0,"rnw":0,"nsipa":0,"s2":0,' +
        '"class":2,"ttrnw":0,"inputAddr":"0x2000","addr2":"0x0"}]}',
      '{"i":8,"op":"bdf","devices":[{"name":"edu0","sid":16,"bar":"0x10000000"}]}',
    ]);
  });

  it('tell of a command error where it stands', async () => {
    const [, wrong] = await after({ op: 'cmd', hex: sync }, { op: 'cmd', hex: [sync, 'ff'.padEnd(32, '0'), sync] });
    expect(wrong).toMatchObject({
      prod: '0x4',
      cons: '0x2',
      consumedAll: false,
      cerror: 1,
      gerror: '0x1',
      gerrorn: '0x0',
    });
  });

  it('are compared with what is expected of them', async () => {
    const steps = [{ op: 'mmio_read', reg: 'AIDR', expect: { value: 1 } }];
    expect(await run({ steps })).toEqual({
      results: [{ i: 0, op: 'mmio_read', reg: 'AIDR', value: '0x1', expect: { value: 1 }, ok: true }],
      ok: true,
    });
    const wrong = await run({ steps: [...steps, { op: 'mmio_read', reg: 'AIDR', expect: { value: 2 } }] });
    expect(wrong).toMatchObject({ results: [{ ok: true }, { ok: false }], ok: false });
  });
});

describe('mmio', () => {
  it.each([
    [1, '0xab', 'ab00000000000000ff'],
    [2, '0xcdab', 'abcd000000000000ff'],
    [4, '0xefcdab', 'abcdef0000000000ff'],
    [8, '0x1000000000efcdab', 'abcdef0000000010ff'],
  ])('at an address in memory moves a number of %i bytes', async (size, value, hex) => {
    const addr = '0x44002000';
    const { results } = await run({
      steps: [
        { op: 'mem', addr: '0x44002008', hex: 'ff' },
        { op: 'mmio', addr, size, value },
        { op: 'read', addr, len: 9 },
        { op: 'mmio_read', addr, size },
      ],
    });
    expect(results).toMatchObject([{ hex }, { addr, size, value }]);
  });
});

describe('the event queue', () => {
  it('is emptied by `events`, round and round', async () => {
    const fault = { op: 'dma', dir: 'read', iova: '0x3000', len: 1 };
    const results = await after(fault, { op: 'events' }, fault, fault, { op: 'events' }, { op: 'events' });
    expect(results).toMatchObject([
      { newEvents: 1 },
      { events: [{ inputAddr: '0x3000' }] },
      { newEvents: 1 },
      { newEvents: 1 },
      { events: { length: 2 } },
      { events: [] },
    ]);
  });

  it('overflows, and `events` acknowledges that', async () => {
    const fault = { op: 'dma', dir: 'read', iova: '0x3000', len: 1 };
    const results = await after(fault, fault, fault, { op: 'events' }, fault, { op: 'mmio_read', reg: 'EVENTQ_CONS' });
    expect(results).toMatchObject([{}, {}, { newEvents: 0 }, {}, { newEvents: 1 }, { value: '0x80000002' }]);
  });
});

describe('a DMA', () => {
  it('is one transaction for each page', async () => {
    const results = await after(
      { op: 'memset', addr: '0x44000000', len: 8192, byte: 0x11 },
      { op: 'dma', dir: 'read', iova: '0x1ffe', len: 4 },
      { op: 'dma', dir: 'write', iova: '0x1ffe', hex: 'aabbccdd' },
      { op: 'read', addr: '0x44000ffe', len: 4 },
    );
    // The second page is read-only.
    expect(results).toMatchObject([{ data: '11111111', newEvents: 0 }, { newEvents: 1 }, { hex: 'aabb1111' }]);
  });

  it.each([
    ['0x3000', 4, ['0x3000']],
    ['0x3000', 8, ['0x3000', '0x3004']],
    ['0x3001', 4, ['0x3001', '0x3002', '0x3004']],
    ['0x3003', 7, ['0x3003', '0x3004', '0x3008']],
    ['0x2ffc', 6, ['0x3000']],
  ])('that faults at %s with %i bytes goes on in aligned pieces of up to 4 bytes', async (iova, len, addresses) => {
    const [{ newEvents, data }, rest] = (await after(
      { op: 'mmio', reg: 'CR0', value: 0x8 },
      { op: 'mmio', reg: 'EVENTQ_BASE', value: '0x40201004' },
      { op: 'mmio', reg: 'CR0', value: 0xd },
      { op: 'dma', dir: 'read', iova, len },
      { op: 'events' },
    )) as [{ newEvents: number; data: string }, { events: readonly { inputAddr: string }[] }];
    expect(newEvents).toBe(addresses.length);
    expect(data).toBe('00'.repeat(len));
    expect(rest.events.map(({ inputAddr }) => inputAddr)).toEqual(addresses);
  });

  it('where no memory is reads zeros and writes nothing', async () => {
    const results = await after(
      { op: 'mem', addr: '0x40302008', hex: words(0x8000_0c43n) },
      { op: 'dma', dir: 'write', iova: '0x1000', hex: 'ff' },
      { op: 'dma', dir: 'read', iova: '0x1000', len: 2 },
    );
    expect(results).toMatchObject([{ newEvents: 0 }, { data: '0000', newEvents: 0 }]);
  });

  it('that stalls waits for CMD_RESUME, which the messages tell of', async () => {
    const resume = words(0x44n | (1n << 12n) | (0x10n << 32n), 0n);
    const { results } = await run({
      smmu: { STALL_MODEL: 0 },
      steps: [
        ...setup.map((step) =>
          'addr' in step && step.addr === '0x40110000'
            ? { ...step, hex: words(0x0001_7205_c000_0019n, 0x4030_0000n) }
            : step,
        ),
        { op: 'dma', dir: 'write', iova: '0x3000', hex: 'ab' },
        { op: 'mem', addr: '0x40302018', hex: words(0x4400_3c43n) },
        { op: 'cmd', hex: [resume, sync] },
        { op: 'messages' },
        { op: 'read', addr: '0x44003000', len: 1 },
      ],
    });
    expect(results).toMatchObject([
      { stalled: [0], newEvents: 1 },
      { consumedAll: true },
      { resumed: [{ stag: 0, outcome: 'admitted' }] },
      { hex: 'ab' },
    ]);
  });
});

describe('a step that cannot be done', () => {
  it.each([
    [{ op: 'mem', addr: '0x3fffffff', hex: '0000' }, 'step 0 (mem): no memory at 0x3fffffff'],
    [{ op: 'read', addr: '0x60000000', len: 1 }, 'step 0 (read): no memory at 0x60000000'],
    [{ op: 'mmio', addr: '0x09080000', value: 0 }, 'step 0 (mmio): no register is at 0x9080000'],
    [{ op: 'mmio_read', addr: '0x09050022', size: 4 }, 'step 0 (mmio_read): '],
    [{ op: 'dma', dev: 'edu7', dir: 'read', iova: 0, len: 1 }, 'step 0 (dma): no device is called edu7'],
    [{ op: 'cmd', hex: [sync, sync] }, 'step 0 (cmd): 2 commands do not fit the queue of 1'],
    [{ op: 'ats', iova: '0x1000' }, 'step 0 (ats): '],
  ])('%j is told with its number', async (step, message) => {
    await expect(run({ steps: [step] })).rejects.toThrow(message);
  });
});

describe('the examples of docs/machine.md', () => {
  const folder = new URL('../../docs/scenarios/', import.meta.url);

  it.each(readdirSync(folder))('%s comes out as it says', async (name) => {
    const given = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as { steps: readonly { expect?: unknown }[] };
    const { results } = await run(given);
    expect(results.filter(({ ok }) => ok === false)).toEqual([]);
    expect(results.filter(({ ok }) => ok === true)).toHaveLength(
      given.steps.filter((step) => step.expect !== undefined).length,
    );
  });
});
