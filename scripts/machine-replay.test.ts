/**
 * `svacheck machine replay` as a user calls it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { userFolder } from './user-folder.test.fixture.ts';

const recording = new URL('../traces/real/linux-6.12-stage1-lazy.jsonl.gz', import.meta.url);
const text = gunzipSync(readFileSync(recording)).toString();
const lines = text.trimEnd().split('\n');
const walk = lines.findIndex((line) => line.includes('"k":"x"'));

const folder = userFolder({
  'plain.jsonl': text,
  'wrong.jsonl': lines.with(walk, (lines[walk] ?? '').replace(/"pa":"0x\w+"/, '"pa":"0x1000"')).join('\n'),
  'broken.jsonl': lines.with(6, '{"k":').join('\n'),
  'unknown.jsonl': lines.with(6, '{"k":"smell"}').join('\n'),
});
const { svacheck } = folder;

const counts = {
  walks: 139,
  wrongWalks: 0,
  hits: 38,
  staleHits: 0,
  commands: 147,
  undecoded: 0,
  faults: 4,
  wrongFaults: 0,
};

describe('svacheck machine replay', () => {
  it('prints exactly the counts as JSON; exit code 0', async () => {
    for (const file of [recording.pathname, join(folder.path, 'plain.jsonl')]) {
      const { code, out, err } = await svacheck('machine', 'replay', file, '--json');
      expect(JSON.parse(out)).toEqual(counts);
      expect({ code, err }).toEqual({ code: 0, err: '' });
    }
  });

  it('is readable without --json', async () => {
    const { code, out } = await svacheck('machine', 'replay', recording.pathname);
    expect(out).toBe('139 walks, 0 wrong\n38 TLB hits, 0 stale\n147 commands, 0 not understood\n4 events, 0 wrong\n');
    expect(code).toBe(0);
  });

  it('says what is wrong, with the line; exit code 1', async () => {
    const { code, out } = await svacheck('machine', 'replay', 'wrong.jsonl');
    expect(code).toBe(1);
    expect(out).toContain('139 walks, 1 wrong');
    expect(out).toContain(`line ${walk + 1}: stream 0x8 at `);
    const json = await svacheck('machine', 'replay', 'wrong.jsonl', '--json');
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toEqual({ ...counts, wrongWalks: 1 });
  });

  it.each([
    ['broken.jsonl', 'broken.jsonl: line 7: this is not JSON'],
    ['unknown.jsonl', "unknown.jsonl: line 7: there are no records of the kind 'smell'"],
    ['missing.jsonl', 'cannot read missing.jsonl'],
  ])('has one message for %s; exit code 2', async (file, message) => {
    const { code, out, err } = await svacheck('machine', 'replay', file, '--json');
    expect(err.trimEnd().split('\n')).toHaveLength(1);
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });
});
