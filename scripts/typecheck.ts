/**
 * The type check of users' files, by the TypeScript compiler that this package depends on, under the nearest tsconfig.json or
 * else strict options. A misspelt field or enum value is found here, before anything runs.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shownPath } from './shown-path.ts';
import { UsageError } from './usage-error.ts';

/** Refuses a file with type errors: a `UsageError` with `file:line:column - message` for each. */
export async function typeCheck(file: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'svacheck-types-'));
  try {
    const config = join(folder, 'tsconfig.json');
    writeFileSync(join(folder, 'console.d.ts'), consoleTypes);
    writeFileSync(config, JSON.stringify(configFor(file, folder), undefined, 2));
    const { code, output } = await compile(config);
    if (code === 0) return;
    const lines = output.split('\n').filter((line) => line.trim() !== '');
    throw new UsageError(lines.map((line) => readable(line)).join('\n'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Where neither Node's types nor a browser's are installed: what one prints with while looking for a mistake. */
const consoleTypes =
  'declare var console: { readonly [method in "log" | "error" | "table"]: (...values: unknown[]) => void };';

function configFor(file: string, folder: string): object {
  const base = nearest(dirname(file), 'tsconfig.json');
  const nodeTypes = nearest(dirname(file), join('node_modules', '@types', 'node', 'package.json'));
  const declaresTypes = base !== undefined && /"types"\s*:/.test(readFileSync(base, 'utf8'));
  return {
    ...(base === undefined ? {} : { extends: base }),
    compilerOptions: {
      ...(base === undefined
        ? { strict: true, noFallthroughCasesInSwitch: true, target: 'es2023', lib: ['es2023'] }
        : {}),
      ...(declaresTypes ? {} : { types: nodeTypes === undefined ? [] : ['node'] }),
      ...(nodeTypes === undefined ? {} : { typeRoots: [dirname(dirname(dirname(nodeTypes)))] }),
      // As the file will be loaded: by a bundler, whatever the module kind of its package, with `.ts` or without.
      module: 'esnext',
      moduleResolution: 'bundler',
      allowImportingTsExtensions: true,
      resolveJsonModule: true,
      ...(resolves(file)
        ? {}
        : { paths: { svacheck: [fileURLToPath(new URL('../index.d.ts', import.meta.url))] } }),
      // Nothing is built here, and what is unused or badly built elsewhere is no mistake of the model.
      noEmit: true,
      composite: false,
      incremental: false,
      tsBuildInfoFile: null,
      declaration: false,
      declarationMap: false,
      emitDeclarationOnly: false,
      isolatedDeclarations: false,
      rewriteRelativeImportExtensions: false,
      rootDir: null,
      noUnusedLocals: false,
      noUnusedParameters: false,
      skipLibCheck: true,
    },
    files: [file, ...(nodeTypes === undefined ? [join(folder, 'console.d.ts')] : [])],
    include: [],
    references: [],
  };
}

/** Whether a file's own package finds `svacheck`; otherwise the types are those of this package. */
function resolves(file: string): boolean {
  try {
    createRequire(file).resolve('svacheck/package.json');
    return true;
  } catch {
    return false;
  }
}

function nearest(folder: string, name: string): string | undefined {
  const candidate = join(folder, name);
  if (existsSync(candidate)) return candidate;
  const parent = dirname(folder);
  return parent === folder ? undefined : nearest(parent, name);
}

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

function compile(config: string): Promise<Outcome> {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const tsc = join(dirname(manifest), 'bin', 'tsc');
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [tsc, '-p', config, '--pretty', 'false'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr.on('data', (text: Buffer) => (output += text.toString()));
    child.on('error', (error) =>
      fail(
        new UsageError(
          `cannot start the type check (--no-typecheck goes without): ${error.message}`,
        ),
      ),
    );
    child.on('close', (code) => done({ code, output }));
  });
}

/** `path(3,5): error TS2322: text` as `path:3:5 - error TS2322: text`; lines that go on from one stay as they are. */
function readable(line: string): string {
  const [, path, row, column, text] = /^(.+?)\((\d+),(\d+)\): (.*)$/.exec(line) ?? [];
  return path === undefined ? line : `${shownPath(resolve(path))}:${row}:${column} - ${text}`;
}
