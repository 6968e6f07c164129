import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const program = new URL('../dist/scripts/svacheck.js', import.meta.url).pathname;

/** The fenced blocks of a language. */
function blocks(language: string): readonly string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
}

/** Commands that the continuous integration runs itself. */
const elsewhere = [
  'npm ci && npm start',
  'npm ci && npm test',
  'npx svacheck check --variant all',
  'npm run conformance:qemu -- --runs 200 --seed 1',
];
const commands = blocks('sh')
  .flatMap((text) => text.trim().split('\n'))
  .filter((command) => !elsewhere.includes(command));
const transcripts = blocks('console').map((text) => {
  const [command = '', ...output] = text.split('\n');
  return { command: command.replace(/^\$ /, ''), output: output.join('\n') };
});

/** Times differ from run to run. */
function withoutTimes(text: string): string {
  return text.replaceAll(/\d+\.\d s/g, '0.0 s').trimEnd();
}

describe('README', () => {
  const folder = mkdtempSync(join(tmpdir(), 'svacheck-readme-'));
  beforeAll(() => {
    const model = blocks('ts').find((text) => text.includes("name: 'spinlock'"));
    writeFileSync(join(folder, 'spinlock.ts'), model ?? '');
    for (const name of ['docs', 'traces']) {
      symlinkSync(new URL(`../${name}`, import.meta.url).pathname, join(folder, name));
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const run = (command: string): ReturnType<typeof spawnSync> =>
    spawnSync('bash', ['-c', command.replace(/^npx svacheck/, `node '${program}'`)], { cwd: folder, encoding: 'utf8' });

  it('has commands and transcripts to hold it to', () => {
    expect(commands.length).toBeGreaterThan(5);
    expect(transcripts.length).toBeGreaterThan(1);
  });

  it.each(commands)('tells the truth about `%s`: it succeeds', { timeout: 300_000 }, (command) => {
    expect(command).toMatch(/^npx svacheck /);
    const { status, stderr } = run(command);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it.each(transcripts)('shows what `$command` prints', ({ command, output }) => {
    const { status, stdout } = run(command);
    expect(status).toBe(1);
    expect(withoutTimes(String(stdout))).toBe(withoutTimes(output));
  });

  it('shows the diagram of its counterexample', () => {
    const [diagram = ''] = blocks('mermaid');
    const { stdout } = run(`${transcripts[0]?.command} --mermaid`);
    expect(String(stdout)).toContain(diagram);
  });
});
