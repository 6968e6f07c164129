import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { isDeep } from '../../checker/random/depth.fixture.ts';
import { decodeCommand, encodeCommand } from '../smmuv3/commands.ts';
import { hexOf } from './hex.ts';
import { parseRecord } from './records.ts';
import { type Replay, type ReplayCounts, replayRecording } from './replay.ts';

type Json = Readonly<Record<string, unknown>> & { readonly k: string };

const folder = new URL('../../traces/real/', import.meta.url);

function linesOf(name: string): readonly Json[] {
  const text = gunzipSync(readFileSync(new URL(`${name}.jsonl.gz`, folder))).toString();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Json);
}

const recordings = {
  stage1: linesOf('linux-6.12-stage1'),
  'stage1-lazy': linesOf('linux-6.12-stage1-lazy'),
  stage2: linesOf('linux-6.12-stage2'),
  '16k-stage1-lazy': linesOf('linux-7.3-16k-stage1-lazy'),
  '16k-stage2': linesOf('linux-7.3-16k-stage2'),
};
const nested = linesOf('bare-nested');

function replayed(lines: readonly Json[]): Promise<Replay> {
  return replayRecording(lines.map((line, index) => parseRecord(JSON.stringify(line), index + 1)));
}

const right = { wrongWalks: 0, staleHits: 0, undecoded: 0, wrongFaults: 0 };

describe('real traffic', () => {
  it.each([
    ['stage1', { walks: 130, hits: 98, commands: 1231, faults: 4 }],
    ['stage1-lazy', { walks: 139, hits: 38, commands: 147, faults: 4 }],
    ['stage2', { walks: 137, hits: 49, commands: 732, faults: 4 }],
    ['16k-stage1-lazy', { walks: 75, hits: 68, commands: 602, faults: 5 }],
    ['16k-stage2', { walks: 72, hits: 27, commands: 1155, faults: 4 }],
  ] as const)('is what the machine does: %s', async (name, counts) => {
    const replay = await replayed(recordings[name]);
    expect(replay).toEqual({ counts: { ...counts, ...right }, differences: [], notes: [] });
  });
});

describe('nested translation', () => {
  it('is what the machine does, as far as the recording tells', async () => {
    const replay = await replayed(nested);
    expect(replay).toEqual({
      counts: { walks: 42, hits: 19, commands: 176, faults: 125, ...right },
      differences: [],
      notes: [
        'not judged: 15 walks of stage-1 tables larger than the pages of stage 2, as QEMU translates their start alone',
        'not judged: 4 events of streams whose configuration the recording does not show',
      ],
    });
  });

  it.each(['cmd', 'pte', 'tlbins', 'ste@', 'mark', 'reg'])(
    'is not wrong without records of the kind %s',
    async (missing) => {
      const { counts } = await replayed(nested.filter(({ k }) => k !== missing));
      expect(counts).toMatchObject(right);
    },
  );

  it.each(['cdsChanged', 'strtabChanged', 'regs'])('is not wrong without %s in its marks', async (missing) => {
    const { counts } = await replayed(nested.map((line) => ({ ...line, [missing]: undefined })));
    expect(counts).toMatchObject(right);
  });

  it('has wrong walks and stale hits for other physical addresses', async () => {
    let found = 0;
    for (const index of some(nested, ({ k }) => k === 'x', 12)) {
      const { pa } = at(nested, index);
      const { counts } = await replayed(changed(nested, index, { pa: flipped(pa, 0x10_0000n) }));
      found += Math.min(1, counts.wrongWalks + counts.staleHits);
    }
    expect(found).toBeGreaterThan(8);
  });

  it('has wrong faults for other records', async () => {
    const mark = nested.findIndex(({ events }, index) => index > 600 && Array.isArray(events) && events.length > 1);
    const records = at(nested, mark)['events'] as readonly Json[];
    let found = 0;
    for (const [place, { raw }] of records.entries()) {
      const other = Buffer.from(String(raw), 'hex');
      other.writeUInt8(other.readUInt8(0) ^ 1);
      const events = changed(records, place, { raw: other.toString('hex') });
      const { counts } = await replayed(changed(nested, mark, { events }));
      found += Math.min(1, counts.wrongFaults);
    }
    expect(found).toBe(records.length);
  });
});

/** The same lines, but for one. */
function changed(lines: readonly Json[], index: number, change: Readonly<Record<string, unknown>>): readonly Json[] {
  return lines.map((line, place) => (place === index ? { ...line, ...change } : line));
}

function without(lines: readonly Json[], from: number, count = 1): readonly Json[] {
  return lines.toSpliced(from, count);
}

/** Every n-th index of the lines that fit. */
function some(lines: readonly Json[], which: (line: Json, index: number) => boolean, most = 5): readonly number[] {
  const all = [...lines.keys()].filter((index) => {
    const line = lines[index];
    return line !== undefined && which(line, index);
  });
  const step = Math.max(1, Math.floor(all.length / most));
  return all.filter((_, place) => place % step === 0);
}

function at(lines: readonly Json[], index: number): Json {
  const line = lines[index];
  if (line === undefined) throw new Error(`no line ${index}`);
  return line;
}

function flipped(text: unknown, bit: bigint): string {
  return `0x${(BigInt(String(text)) ^ bit).toString(16)}`;
}

function page(address: unknown): bigint {
  return BigInt(String(address)) >> 12n;
}

async function expectOnly(lines: readonly Json[], wrong: Partial<ReplayCounts>): Promise<void> {
  const { counts } = await replayed(lines);
  expect(counts).toMatchObject({ ...right, ...wrong });
}

describe.each(isDeep ? (['stage1-lazy', 'stage2'] as const) : (['stage1-lazy'] as const))(
  'a recording that was tampered with: %s',
  (name) => {
    const lines = recordings[name];
    const isWalk = ({ k, hit }: Json): boolean => k === 'x' && hit === false;
    const isHit = ({ k, hit }: Json): boolean => k === 'x' && hit === true;

    it('has a wrong walk for another physical address, permission or level', async () => {
      for (const index of some(lines, isWalk)) {
        const { pa, perm } = at(lines, index);
        await expectOnly(changed(lines, index, { pa: flipped(pa, 0x1000n) }), { wrongWalks: 1 });
        await expectOnly(changed(lines, index, { perm: Number(perm) ^ 2 }), { wrongWalks: 1 });
        await expectOnly(changed(lines, index - 1, { level: 2 }), { wrongWalks: 1 });
        await expectOnly(changed(lines, index - 1, name === 'stage2' ? { vmid: 99 } : { asid: 99 }), { wrongWalks: 1 });
      }
    });

    it('has a wrong walk for another descriptor, or the same elsewhere, or none', async () => {
      const isDescriptor = ({ k, pte }: Json, index: number): boolean =>
        k === 'pte' && pte !== '0x0' && lines.slice(index, index + 6).some((line) => line.k === 'x');
      for (const index of some(lines, isDescriptor)) {
        const { addr, pte } = at(lines, index);
        for (const change of [
          { pte: flipped(pte, 0x40_0000n) },
          { pte: flipped(pte, 1n) },
          { addr: flipped(addr, 8n) },
        ]) {
          const { counts } = await replayed(changed(lines, index, change));
          expect(counts.wrongWalks).toBeGreaterThan(0);
        }
        const { counts } = await replayed(without(lines, index));
        expect(counts.wrongWalks).toBeGreaterThan(0);
      }
    });

    it('has a stale hit for a hit on another address, permission, or on what was never walked', async () => {
      for (const index of some(lines, isHit)) {
        const { pa, perm } = at(lines, index);
        await expectOnly(changed(lines, index, { pa: flipped(pa, 0x8000n) }), { staleHits: 1 });
        await expectOnly(changed(lines, index, { perm: Number(perm) ^ 2 }), { staleHits: 1 });
        await expectOnly(changed(lines, index, { iova: flipped(at(lines, index)['iova'], 0x400_0000n) }), {
          staleHits: 1,
        });
      }
    });

    it('has a stale hit where a command says that the entry is gone', async () => {
      for (const index of some(lines, isHit)) {
        const { iova, sid } = at(lines, index);
        const tags = lines.slice(0, index).findLast(({ k, va }) => k === 'tlbins' && page(va) === page(iova));
        const asid = Number(tags?.['asid']);
        const vmid = Number(tags?.['vmid']);
        const address = page(iova) << 12n;
        const tlbi = (other: number) =>
          name === 'stage2'
            ? ({ op: 'TLBI_S2_IPA', vmid: vmid + other, address, leaf: true } as const)
            : ({ op: 'TLBI_NH_VA', vmid, asid: asid + other, address, leaf: true } as const);
        const inserted = (command: Parameters<typeof encodeCommand>[0]): readonly Json[] =>
          lines.toSpliced(index, 0, { k: 'cmd', hex: hexOf(encodeCommand(command)) });
        const { counts } = await replayed(inserted(tlbi(0)));
        expect(counts.staleHits, `stream ${String(sid)} at ${String(iova)}`).toBeGreaterThan(0);
        // Another one's invalidation drops nothing; CMDQ_PROD tells that it is too much.
        await expectOnly(inserted(tlbi(50)), { undecoded: 1 });
        await expectOnly(inserted({ op: 'CFGI_CD_ALL', sid: 0x777 }), { undecoded: 1 });
      }
    });

    it('has a stale hit where an invalidation is missing before an address is used again', async () => {
      // A walk that finds something else than the walk of the same address before it: what drops the first one is between.
      const reuses = [...lines.keys()].flatMap((index) => {
        const line = at(lines, index);
        if (!isWalk(line)) return [];
        const { sid, iova, pa } = line;
        const before = lines
          .slice(0, index)
          .findLastIndex((other) => other.k === 'x' && other['sid'] === sid && page(other['iova']) === page(iova));
        if (before < 0 || page(at(lines, before)['pa']) === page(pa)) return [];
        return [{ before, index }];
      });
      expect(reuses.length).toBeGreaterThan(name === 'stage1-lazy' ? 0 : 3);
      for (const { before, index } of reuses.slice(0, 4)) {
        const kept = lines.filter((line, place) => {
          if (place <= before || place >= index || line.k !== 'cmd') return true;
          return !decodeCommand(Buffer.from(String(line['hex']), 'hex')).op.startsWith('TLBI_');
        });
        const { counts } = await replayed(kept);
        expect(counts.staleHits).toBeGreaterThan(0);
        expect(counts.undecoded).toBeGreaterThan(0);
      }
    });

    it('has a stale hit where the walk before it is missing', async () => {
      let found = 0;
      for (const index of some(lines, isHit, 10)) {
        const { sid, iova } = at(lines, index);
        const before = lines
          .slice(0, index)
          .findLastIndex((line) => isWalk(line) && line['sid'] === sid && page(line['iova']) === page(iova));
        // The walk with its descriptors and its TLB entry.
        const begin = lines.slice(0, before).findLastIndex(({ k }) => k !== 'pte' && k !== 'tlbins') + 1;
        if (['ste@', 'cd@'].includes(at(lines, begin - 1).k)) continue;
        const { counts } = await replayed(without(lines, begin, before - begin + 1));
        expect(counts.staleHits).toBeGreaterThan(0);
        found++;
      }
      expect(found).toBeGreaterThan(2);
    });

    it('has a command that is not understood, whichever byte is another', async () => {
      for (const index of some(lines, ({ k }) => k === 'cmd')) {
        const hex = String(at(lines, index)['hex']);
        const opcode = `ee${hex.slice(2)}`;
        for (const change of [{ hex: opcode }, { op: 'TLBI_EL2_ALL' }]) {
          const { counts } = await replayed(changed(lines, index, change));
          expect(counts.undecoded).toBeGreaterThan(0);
        }
        const { counts } = await replayed(without(lines, index));
        expect(counts.undecoded).toBeGreaterThan(0);
      }
    });

    it('has a reserved bit of a command', async () => {
      for (const index of some(lines, ({ op }) => op === 'SYNC' || op === 'CFGI_STE')) {
        const hex = String(at(lines, index)['hex']);
        await expectOnly(changed(lines, index, { hex: `${hex.slice(0, 30)}80` }), { undecoded: 1 });
      }
    });

    it('has a wrong fault for another record, or line, or none', async () => {
      const events = some(lines, ({ k }) => k === 'event');
      const mark = lines.findIndex(({ events: recorded }) => Array.isArray(recorded) && recorded.length > 0);
      const records = at(lines, mark)['events'] as readonly Json[];
      for (const [place, index] of events.entries()) {
        await expectOnly(changed(lines, index, { text: 'SMMU_EVT_F_PERMISSION sid=0x28' }), { wrongFaults: 1 });
        await expectOnly(changed(lines, index, { text: 'SMMU_EVT_F_TRANSLATION sid=0x30' }), { wrongFaults: 1 });
        // A record that nobody wrote, and records that are gone.
        await expectOnly(without(lines, index), { wrongFaults: 1 });
        await expectOnly(changed(lines, mark, { events: without(records, place) }), { wrongFaults: 1 });
        const raw = String(records[place]?.['raw']);
        for (const byte of [0, 4, 12, 13, 16, 20]) {
          const bits = (Number.parseInt(raw.slice(byte * 2, byte * 2 + 2), 16) ^ 1).toString(16).padStart(2, '0');
          const other = raw.slice(0, byte * 2) + bits + raw.slice(byte * 2 + 2);
          const { counts } = await replayed(changed(lines, mark, { events: changed(records, place, { raw: other }) }));
          expect(counts.wrongFaults, `byte ${byte}`).toBeGreaterThan(0);
        }
        await expectOnly(
          changed(lines, mark, { events: changed(records, place, { rnw: 1 - Number(records[place]?.['rnw']) }) }),
          {
            wrongFaults: 1,
          },
        );
      }
    });

    it('has another configuration', async () => {
      for (const index of some(lines, ({ k }) => k === 'ste@', 8)) {
        const { counts } = await replayed(changed(lines, index, { addr: flipped(at(lines, index)['addr'], 0x40n) }));
        expect(counts.wrongWalks + counts.wrongFaults).toBeGreaterThan(0);
      }
      for (const index of some(lines, ({ k, strtabChanged }) => k === 'mark' && Array.isArray(strtabChanged), 20)) {
        const entries = at(lines, index)['strtabChanged'] as readonly Json[];
        const entry = entries.findIndex(({ hex }) => !/^(0x|01?0{126})/.test(String(hex)));
        if (entry < 0) continue;
        const hex = String(entries[entry]?.['hex']);
        // Bypass becomes abort; what translates has its tables elsewhere.
        const other = hex.startsWith('09')
          ? `01${hex.slice(2)}`
          : name === 'stage2'
            ? `${hex.slice(0, 52)}ff${hex.slice(54)}`
            : `${hex.slice(0, 4)}77${hex.slice(6)}`;
        const { counts } = await replayed(
          changed(lines, index, { strtabChanged: changed(entries, entry, { hex: other }) }),
        );
        expect(counts.wrongWalks + counts.wrongFaults + counts.staleHits).toBeGreaterThan(0);
      }
    });

    it('has records that changed places', async () => {
      for (const index of some(lines, isWalk)) {
        const last = index - 2;
        // Two descriptors of a walk.
        const swapped = lines.with(last, at(lines, last - 1)).with(last - 1, at(lines, last));
        const { counts } = await replayed(swapped);
        expect(counts.wrongWalks).toBeGreaterThan(0);
      }
      for (const index of some(lines, ({ addr, k }) => k === 'reg' && addr === '0x98')) {
        if (at(lines, index - 1).k !== 'cmd') continue;
        const swapped = lines.with(index, at(lines, index - 1)).with(index - 1, at(lines, index));
        const { counts } = await replayed(swapped);
        expect(counts.undecoded).toBeGreaterThan(0);
      }
    });
  },
);

describe('a recording of an older QEMU', () => {
  const lines = recordings.stage1;
  const mark = lines.findIndex(({ events }) => Array.isArray(events) && events.length > 0);
  const records = at(lines, mark)['events'] as readonly Json[];
  /** Records as QEMU wrote them before 9.1: CLASS is 0. */
  const older = changed(lines, mark, {
    events: records.map((record) => {
      const raw = Buffer.from(String(record['raw']), 'hex');
      raw.writeUInt8(raw.readUInt8(13) & ~3, 13);
      return { ...record, raw: raw.toString('hex'), class: 0 };
    }),
  });

  it('may have CLASS 0 in its events, as that is what it wrote', async () => {
    for (const qemu of ['QEMU emulator version 7.2.22 (Debian 1:7.2)', 'QEMU emulator version 9.0.1']) {
      await expectOnly(changed(older, 0, { qemu }), {});
    }
  });

  it('may not have it from a release that does better', async () => {
    for (const qemu of ['QEMU emulator version 9.1.0', 'QEMU emulator version 10.0.2', '11.1.50']) {
      await expectOnly(changed(older, 0, { qemu }), { wrongFaults: 4 });
    }
  });
});
