/**
 * `svacheck replay`, and what `svacheck check` says of counterexamples on the machine, as a user calls them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseReplayResults, parseResults } from '../traces/result.ts';
import { ring, userFolder } from './user-folder.test.fixture.ts';

const folder = userFolder({ 'ring.ts': ring(), 'no.json': '{}', 'text.json': 'hello' });
const { svacheck } = folder;
const stale = 'nothing stale is cached after the change returned';

describe('svacheck check', () => {
  it('replays the counterexamples of a protocol that has a lowering, and says what they physically come to', async () => {
    const { code, out } = await svacheck('check', 'atc-invalidation', '--variant', 'no-sync', '--property', stale);
    expect(code).toBe(1);
    expect(out).toContain('confirmed on the machine, which did all 5 steps');
    expect(out).toMatch(/CMD_TLBI_NH_VA .*: fetched,\n +without effect yet/);
  });

  it('does not with --no-replay', async () => {
    const { code, out } = await svacheck(
      'check',
      'atc-invalidation',
      '--variant',
      'no-sync',
      '--property',
      stale,
      '--no-replay',
    );
    expect(code).toBe(1);
    expect(out).not.toContain('machine');
  });

  it('counts them beside the variants', async () => {
    const { code, out } = await svacheck('check', 'atc-invalidation', '--variant', 'all', '--property', stale);
    expect(code).toBe(0);
    expect(out).toMatch(/found +machine\n/);
    const rows = out.split('\n').filter((line) => line.includes('as recorded'));
    expect(rows.length).toBeGreaterThan(5);
    for (const row of rows) expect(row).toMatch(/ 1\/1 +1\/1$| 0\/0$/);
    expect(rows.filter((row) => row.endsWith('1/1')).length).toBeGreaterThan(5);
  });

  it('says nothing of it for a model without lowering', async () => {
    const { out } = await svacheck('check', 'ring.ts');
    expect(out).not.toContain('machine');
  });

  it('has it in JSON', async () => {
    const { out } = await svacheck(
      'check',
      'atc-invalidation',
      '--variant',
      'no-sync',
      '--property',
      stale,
      '--json',
      '-',
    );
    const [run] = parseResults(JSON.parse(out)).runs;
    expect(run?.properties[0]?.replay).toMatchObject({ verdict: 'confirmed', steps: 5 });
  });
});

describe('svacheck replay', () => {
  it('of a model and variant checks it first; exit code 0 if the machine confirms', async () => {
    const { code, out, err } = await svacheck(
      'replay',
      'atc-invalidation',
      '--variant',
      'no-sync',
      '--property',
      stale,
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('  5 steps, for page: page0');
    expect(out).toContain('confirmed on the machine, which did all 5 steps');
  });

  it('of a trace file that check has saved is the same', async () => {
    await svacheck('check', 'atc-invalidation', '--variant', 'no-sync', '--no-replay', '--save', 'traces');
    const files = readdirSync(join(folder.path, 'traces'));
    expect(files).toContain(`atc-invalidation.no-sync.${stale.replaceAll(' ', '-')}.json`);
    expect(files).toHaveLength(4);
    for (const file of files) {
      const { code, out } = await svacheck('replay', join('traces', file), '--json', 'out.json');
      expect(code).toBe(0);
      expect(out).toContain('confirmed on the machine');
      const [one] = parseReplayResults(JSON.parse(readFileSync(join(folder.path, 'out.json'), 'utf8'))).replays;
      expect(one).toMatchObject({ model: 'atc-invalidation', variant: 'no-sync', replay: { verdict: 'confirmed' } });
    }
  });

  it('tells in one line what is wrong with the call; exit code 2', async () => {
    await svacheck('check', 'atc-invalidation', '--variant', 'no-sync', '--property', stale, '--save', 'other');
    const file = join('other', `atc-invalidation.no-sync.${stale.replaceAll(' ', '-')}.json`);
    const content = JSON.parse(readFileSync(join(folder.path, file), 'utf8')) as { readonly steps: readonly unknown[] };
    folder.write('variant.json', JSON.stringify({ ...content, variant: 'no-sink' }));
    folder.write('sound.json', JSON.stringify({ ...content, variant: null }));
    folder.write('model.json', JSON.stringify({ ...content, model: 'atc-invalidatio' }));
    const mistakes: readonly (readonly [readonly string[], string])[] = [
      [['nowhere.json'], 'there is no file nowhere.json'],
      [['text.json'], 'text.json is not JSON'],
      [['no.json'], 'no.json is not a trace at format'],
      [['variant.json'], "there is no variant 'no-sink' of 'atc-invalidation'; did you mean 'no-sync'?"],
      [['model.json'], "there is no model 'atc-invalidatio'; did you mean 'atc-invalidation'?"],
      // The correct protocol does not do what the variant does.
      [['sound.json'], "sound.json: model 'atc-invalidation', action 'changeMapping'"],
      [[file, '--variant', 'no-sync'], '--variant is for a model'],
      [['ring.ts'], "'ring' has no lowering onto the machine"],
      [['atc-invalidation', '--size', 'smoke'], 'nothing to replay: no property of'],
      [
        ['atc-invalidation', '--variant', 'all'],
        'svacheck check --variant all replays the counterexamples of all variants',
      ],
    ];
    for (const [args, message] of mistakes) {
      const { code, out, err } = await svacheck('replay', ...args);
      expect({ args, code, out }).toEqual({ args, code: 2, out: '' });
      expect(err).toContain(`error: ${message}`);
      expect(err.trim().split('\n')).toHaveLength(1);
    }
  });
});
