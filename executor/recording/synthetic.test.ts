import { describe, expect, it } from 'vitest';
import type { Domain } from '../host/domain.ts';
import { defaultIdentity, type Identity } from '../smmuv3/identity.ts';
import { parseRecord } from './records.ts';
import { type Json, Recorder } from './recorder.fixture.ts';
import { type Replay, replayRecording } from './replay.ts';

const data = 0x8000_0000n;
const attributes = { read: true, write: true };

function replayed(lines: readonly Json[]): Promise<Replay> {
  return replayRecording(lines.map((line, index) => parseRecord(JSON.stringify(line), index + 1)));
}

interface Shape {
  readonly identity?: Identity;
  readonly split?: 6 | 8 | 10 | 'linear';
  readonly stage?: 1 | 2;
  readonly granuleLog2?: 12 | 14 | 16;
  readonly inputBits?: number;
  /** Whether each change of a stream is in a mark. */
  readonly marks?: 'often' | 'seldom';
}

/** A boot in small: domains, maps of pages and blocks, reuse of addresses, bypass, a new domain, faults. */
function traffic({
  marks = 'often',
  identity = defaultIdentity,
  split = 8,
  stage = 1,
  granuleLog2 = 12,
  inputBits = 48,
}: Shape): Recorder {
  const recorder = new Recorder({ identity, driver: { split, sidBits: 12 } });
  const { driver } = recorder;
  const page = 1n << BigInt(granuleLog2);
  const create = (): Domain => {
    const shape = { granuleLog2, inputBits: Math.min(inputBits, stage === 2 ? 44 : 48) };
    return stage === 1 ? driver.run(driver.createStage1(shape)) : driver.run(driver.createStage2(shape));
  };
  const map = (domain: Domain, input: bigint, output: bigint, length = page, write = true): void => {
    driver.run(driver.map(domain, { input, output, length, attributes: { ...attributes, write } }));
  };
  const [one, two] = [create(), create()];
  driver.run(driver.streams.attach(0x10, one));
  driver.run(driver.streams.attach(0x818, two));
  for (let round = 0n; round < 4n; round++) {
    for (let index = 0n; index < 6n; index++) {
      map(one, index * page, data + ((index * 5n + round) % 16n) * page, page, index % 2n === 0n);
      map(two, index * page, data + 0x100_0000n + index * page);
      recorder.access(0x10, index * page + 8n, 'read');
      recorder.access(0x818, index * page + 16n, 'write');
      recorder.access(0x10, index * page + 24n, 'read');
    }
    recorder.access(0x10, page, 'write');
    if (round === 1n) recorder.mark();
    for (let index = 0n; index < 6n; index += 2n) driver.run(driver.unmap(one, index * page, 2n * page));
    driver.run(driver.unmap(two, 0n, 6n * page));
    recorder.access(0x818, 0n, 'write');
  }
  const block = 1n << BigInt(2 * granuleLog2 - 3);
  map(one, 4n * block, 0x10_0000_0000n, block);
  recorder.access(0x10, 4n * block + page * 3n, 'read');
  recorder.access(0x10, 4n * block + page * 7n, 'write');
  driver.run(driver.unmap(one, 4n * block, block));
  recorder.access(0x10, 4n * block, 'read');
  driver.run(driver.streams.attach(0x10, 'identity'));
  if (marks === 'often') recorder.mark();
  recorder.access(0x10, data, 'write');
  driver.run(driver.streams.attach(0x10, 'blocked'));
  if (marks === 'often') recorder.mark();
  recorder.access(0x10, data, 'write');
  driver.run(driver.streams.attach(0x10, two));
  if (marks === 'often') recorder.mark();
  map(two, 0n, data);
  recorder.access(0x10, 0n, 'write');
  recorder.access(0x818, 0n, 'write');
  recorder.mark();
  return recorder;
}

function count(lines: readonly Json[], which: (line: Json) => boolean): number {
  return lines.filter((line) => which(line)).length;
}

/** Each is made once. */
const made = new Map<Shape, readonly Json[]>();

function linesOf(shape: Shape): readonly Json[] {
  const lines = made.get(shape) ?? traffic(shape).lines;
  made.set(shape, lines);
  return lines;
}

const usual: Shape = {};

const shapes: readonly (readonly [string, Shape])[] = [
  ['a linear Stream table', { split: 'linear' }],
  ['SPLIT 6', { split: 6 }],
  ['SPLIT 10', { split: 10 }],
  ['stage 1 alone', { identity: { ...defaultIdentity, S2P: false } }],
  ['16K granules', { granuleLog2: 14, inputBits: 40 }],
  ['64K granules', { granuleLog2: 16, inputBits: 42 }],
  ['39-bit inputs', { inputBits: 39 }],
  ['no range invalidation', { identity: { ...defaultIdentity, RIL: false } }],
  ['stage 2', { stage: 2 }],
  ['stage 2 alone', { stage: 2, identity: { ...defaultIdentity, S1P: false } }],
  ['stage 2 with concatenated tables', { stage: 2, inputBits: 40 }],
  ['stage 2 with 64K granules', { stage: 2, granuleLog2: 16 }],
];

const seldom: Shape = { marks: 'seldom' };
const some: readonly Shape[] = [usual, seldom, { granuleLog2: 14, inputBits: 40 }, { stage: 2, split: 'linear' }];

describe('a recording in another form', () => {
  it.each(shapes)('is replayed: %s', async (_, shape) => {
    const lines = linesOf(shape);
    const { counts, differences, notes } = await replayed(lines);
    expect(differences.map(({ line, message }) => `${line} ${message}`).slice(0, 3)).toEqual([]);
    expect(notes).toEqual([]);
    expect(counts).toEqual({
      walks: count(lines, ({ k, hit }) => k === 'x' && hit === false),
      wrongWalks: 0,
      hits: count(lines, ({ k, hit }) => k === 'x' && hit === true),
      staleHits: 0,
      commands: count(lines, ({ k }) => k === 'cmd'),
      undecoded: 0,
      faults: count(lines, ({ k }) => k === 'event'),
      wrongFaults: 0,
    });
    expect(counts.walks).toBeGreaterThan(30);
    expect(counts.hits).toBeGreaterThan(10);
    expect(counts.faults).toBeGreaterThan(5);
  });

  it.each([
    [['meta']],
    [['tlbins']],
    [['pte']],
    [['cfgmiss']],
    [['cfgmiss', 'ste@', 'cd@']],
    [['reg']],
    [['event']],
    [['mark']],
    [['mark', 'tlbins']],
    [['mark', 'reg']],
    [['cfgmiss', 'ste@', 'cd@', 'tlbins', 'pte', 'mark']],
    [['bypass', 'abort']],
  ])('is replayed without records of the kind %s', async (missing) => {
    for (const shape of some) {
      const lines = linesOf(shape).filter(({ k }) => !missing.includes(k));
      const { counts, differences } = await replayed(lines);
      expect(differences.map(({ line, message }) => `${line} ${message}`).slice(0, 3)).toEqual([]);
      expect(counts.walks).toBeGreaterThan(30);
    }
  });

  it('is replayed without fields that a recorder may leave out', async () => {
    const lines = linesOf(usual).map((line) => {
      const { size: _size, perm: _perm, hit: _hit, vmid: _vmid, op: _op, label: _label, ...rest } = line;
      return rest;
    });
    const { counts, differences } = await replayed(lines);
    expect(differences.map(({ line, message }) => `${line} ${message}`).slice(0, 3)).toEqual([]);
    expect(counts.walks).toBeGreaterThan(30);
    expect(counts.hits).toBeGreaterThan(10);
  });

  it('is replayed from the middle on: what was in the TLB then is taken as it is used', async () => {
    const lines = linesOf(usual);
    const begin = lines.findIndex(({ k, hit }) => k === 'x' && hit === false) + 1;
    const { counts, differences, notes } = await replayed(lines.slice(begin));
    expect(differences.map(({ line, message }) => `${line} ${message}`).slice(0, 3)).toEqual([]);
    expect(counts.hits).toBeGreaterThan(10);
    expect(notes.join()).toContain('before recording began');
  });

  it('is replayed over a second bring-up of the same SMMU', async () => {
    const first = linesOf(usual);
    const second = linesOf(seldom);
    const { counts, differences } = await replayed([...first, ...second]);
    expect(differences).toEqual([]);
    expect(counts.commands).toBe(count([...first, ...second], ({ k }) => k === 'cmd'));
  });

  it('ends before the last mark', async () => {
    const lines = linesOf(usual);
    const { differences } = await replayed(lines.slice(0, -1));
    expect(differences.map(({ line, message }) => `${line} ${message}`).slice(0, 3)).toEqual([]);
  });
});

describe('a fault without a walk', () => {
  it.each([1, 2] as const)('of stage %i is wrong if a walk was recorded', async (stage) => {
    const recorder = traffic({ stage });
    recorder.access(0x10, 1n << 50n, 'read');
    recorder.mark();
    const { lines } = recorder;
    const event = lines.findLastIndex(({ k }) => k === 'event');
    expect((await replayed(lines)).counts.wrongFaults).toBe(0);
    const walked = lines.toSpliced(event, 0, { k: 'pte', addr: '0x40012000', pte: '0x0' });
    expect((await replayed(walked)).counts.wrongFaults).toBe(1);
  });
});

describe('a recording of nested translation', () => {
  /** The guest's memory is where its IPAs say, 1 GiB up; its descriptors map three pages. */
  function nestedTraffic(): Recorder {
    const recorder = new Recorder({ identity: defaultIdentity });
    const { driver, memory } = recorder;
    const offset = 0x4000_0000n;
    const map = (input: bigint, output: bigint, length: bigint, write = true): void => {
      driver.run(driver.map(parent, { input, output, length, attributes: { ...attributes, write } }));
    };
    const parent = driver.run(driver.createStage2({ nested: true }));
    map(0x1000_0000n, 0x1000_0000n + offset, 0x1_0000n);
    map(0x2000_0000n, data, 0x2000n);
    map(0x2000_2000n, data + 0x8000n, 0x1000n, false);
    const [cd, l0, l1, l2, l3] = [0n, 0x1000n, 0x2000n, 0x3000n, 0x4000n].map((at) => 0x1000_0000n + at) as [
      bigint,
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    const put = (ipa: bigint, word: bigint): void => memory.writeWord(ipa + offset, word);
    put(cd, 0x0005_e204_c000_3510n);
    put(cd + 8n, l0);
    put(cd + 24n, 0xffff_ffff_f404_ff44n);
    put(l0, l1 | 3n);
    put(l1, l2 | 3n);
    put(l2, l3 | 3n);
    for (let page = 0n; page < 3n; page++) put(l3 + (page + 1n) * 8n, (0x2000_0000n + page * 0x1000n) | 0xf47n);
    const guest = { S1ContextPtr: cd, S1CDMax: 0, S1Fmt: 0, S1DSS: 0b10 };
    driver.run(driver.streams.attach(0x10, { kind: 'nested', parent, guest }));
    for (const at of [0x1000n, 0x2008n, 0x1010n, 0x3000n, 0x3010n]) recorder.access(0x10, at, 'read');
    recorder.access(0x10, 0x4000n, 'read');
    recorder.mark();
    driver.run(driver.unmap(parent, 0x2000_1000n, 0x1000n));
    recorder.access(0x10, 0x2000n, 'read');
    map(0x2000_1000n, data + 0x10_0000n, 0x1000n);
    for (const at of [0x1000n, 0x2008n, 0x2010n]) recorder.access(0x10, at, 'read');
    recorder.mark();
    return recorder;
  }

  it('is replayed, stage 2 of the tables included', async () => {
    const { lines } = nestedTraffic();
    const { counts, differences, notes } = await replayed(lines);
    expect(differences).toEqual([]);
    expect(notes).toEqual([]);
    expect(counts).toMatchObject({ wrongWalks: 0, staleHits: 0, wrongFaults: 0, walks: 5, hits: 3, faults: 2 });
  });

  it('is replayed with the Context descriptor at its physical address', async () => {
    const { lines } = nestedTraffic();
    const physical = lines.map((line) => {
      const contexts = line['cdsChanged'];
      if (!Array.isArray(contexts)) return line;
      return {
        ...line,
        cdsChanged: contexts.map((context: { addr: string }) => ({
          ...context,
          addr: `0x${(BigInt(context.addr) + 0x4000_0000n).toString(16)}`,
        })),
      };
    });
    expect(physical).not.toEqual(lines);
    expect(await replayed(physical)).toEqual(await replayed(lines));
  });

  it("has a stale hit if the guest's combined entries stay when stage 2 changes", async () => {
    const { lines } = nestedTraffic();
    const without = lines.filter(({ op }) => op !== 'TLBI_NH_ALL');
    const { counts } = await replayed(without);
    expect(counts.staleHits).toBeGreaterThan(0);
  });
});
