import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readRecording } from './read.ts';
import { type RecordedLine, RecordingError } from './records.ts';

async function read(file: Uint8Array): Promise<readonly RecordedLine[]> {
  const records: RecordedLine[] = [];
  for await (const record of readRecording(file)) records.push(record);
  return records;
}

const good = [
  '{"k":"cmd","op":"SYNC","hex":"46000000000000000000000000000000"}',
  '{"k":"pte","addr":"0x8","pte":"0x3"}',
];

describe('a recording as a file', () => {
  it('is read plain or compressed, with the line of each record', async () => {
    for (const text of [good.join('\n'), `${good.join('\n')}\n`, good.join('\r\n')]) {
      const records = [
        { k: 'cmd', line: 1 },
        { k: 'pte', addr: 8n, pte: 3n, line: 2 },
      ];
      expect(await read(Buffer.from(text))).toMatchObject(records);
      expect(await read(gzipSync(text))).toMatchObject(records);
    }
  });

  it('is read in pieces as it is in one: many records', async () => {
    const many = Array.from(
      { length: 30_000 },
      (_, index) => `{"k":"pte","addr":"0x${(index * 8).toString(16)}","pte":"0x0"}`,
    );
    const records = await read(gzipSync(many.join('\n')));
    expect(records).toHaveLength(30_000);
    expect(records.at(-1)).toEqual({ k: 'pte', addr: 29_999n * 8n, pte: 0n, line: 30_000 });
  });

  it('keeps fields that it does not know out', async () => {
    expect(await read(Buffer.from('{"k":"cfgmiss","sid":3,"when":"now"}'))).toEqual([
      { k: 'cfgmiss', sid: 3, line: 1 },
    ]);
  });

  it.each([
    ['what is no JSON', '{"k":"pte",', 'line 3: this is not JSON'],
    ['no object', '[1]', 'line 3: this is no record: it has no kind "k"'],
    ['no kind', '{"addr":"0x8"}', 'line 3: this is no record: it has no kind "k"'],
    ['an unknown kind', '{"k":"smell"}', "line 3: there are no records of the kind 'smell'"],
    ['a missing field', '{"k":"pte","addr":"0x8"}', 'line 3: pte pte: '],
    ['a command that is too short', '{"k":"cmd","hex":"4600"}', 'line 3: cmd hex: the 16 bytes of a command'],
    ['a number that is none', '{"k":"pte","addr":"8","pte":"0x0"}', 'line 3: pte addr: a number "0x..."'],
  ])('is refused with the line: %s', async (_, line, message) => {
    for (const file of [Buffer.from([...good, line, ...good].join('\n')), gzipSync([...good, line].join('\n'))]) {
      await expect(read(file)).rejects.toThrow(RecordingError);
      await expect(read(file)).rejects.toThrow(message);
    }
  });

  it('is refused where its compressed data ends in the middle', async () => {
    const text = Array.from(
      { length: 5000 },
      (_, index) =>
        `{"k":"pte","addr":"0x${(index * 8).toString(16)}","pte":"0x${((index * 7919) % 65_537).toString(16)}"}`,
    );
    const file = gzipSync(text.join('\n'));
    const error = await read(file.subarray(0, file.length >> 1)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RecordingError);
    expect((error as RecordingError).message).toContain('ends in the middle');
    expect((error as RecordingError).line).toBeGreaterThan(100);
    expect((error as RecordingError).line).toBeLessThan(5000);
    await expect(read(file.subarray(0, 12))).rejects.toThrow('line 1');
    const broken = Uint8Array.from(file);
    broken[100] = (broken[100] ?? 0) ^ 0xff;
    await expect(read(broken)).rejects.toThrow(RecordingError);
  });

  it('is refused if there is nothing in it', async () => {
    for (const file of [new Uint8Array(), Buffer.from('\n\n'), gzipSync('')]) {
      await expect(read(file)).rejects.toThrow('empty');
    }
  });
});
