/**
 * `svacheck machine run` as a user calls it: what it prints, and exit codes.
 */
import { describe, expect, it } from 'vitest';
import { userFolder } from './user-folder.test.fixture.ts';

const read = { op: 'mmio_read', reg: 'AIDR' };
const folder = userFolder({
  'good.json': JSON.stringify({ steps: [{ ...read, expect: { value: '0x1' } }] }),
  'wrong.json': JSON.stringify({ steps: [read, { ...read, name: 'version', expect: { value: '0x2' } }] }),
  'mistake.json': JSON.stringify({ steps: [read, { op: 'mmio', reg: 'CR9', value: 1 }] }),
  'impossible.json': JSON.stringify({ steps: [read, { op: 'read', addr: 0, len: 4 }] }),
  'comment.json': JSON.stringify({ steps: [{ ...read, comment: 'no field' }] }),
  'text.json': 'steps',
});
const { svacheck } = folder;

describe('svacheck machine run', () => {
  it('prints the results as JSON, and 0 says that all is as expected', async () => {
    const { code, out, err } = await svacheck('machine', 'run', 'good.json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(out)).toEqual({
      results: [{ i: 0, op: 'mmio_read', reg: 'AIDR', value: '0x1', expect: { value: '0x1' }, ok: true }],
      ok: true,
    });
  });

  it('says in words what differs, with exit code 1', async () => {
    const { code, out, err } = await svacheck('machine', 'run', '--json', 'wrong.json');
    expect(code).toBe(1);
    expect(err).toBe('step 1 (mmio_read) version: expected {"value":"0x2"}\n');
    expect(JSON.parse(out)).toMatchObject({ results: [{ value: '0x1' }, { ok: false }], ok: false });
  });

  it('warns of what means nothing', async () => {
    const { code, err } = await svacheck('machine', 'run', 'comment.json');
    expect({ code, err }).toEqual({ code: 0, err: 'warning: step 0 (mmio_read): comment means nothing here\n' });
  });

  it.each([
    ['mistake.json', 'error: mistake.json: step 1 (mmio): reg: no register is called CR9: did you mean CR0?\n'],
    ['impossible.json', 'error: impossible.json: step 1 (read): no memory at 0x0, 4 bytes\n'],
    ['text.json', 'error: text.json: no JSON: '],
    ['nowhere.json', 'error: cannot read nowhere.json: ENOENT: no such file or directory\n'],
  ])('tells what is wrong with %s, with exit code 2', async (file, message) => {
    const { code, out, err } = await svacheck('machine', 'run', file);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err.startsWith(message)).toBe(true);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });
});
