/**
 * The type check of users' files, by the TypeScript compiler that this package depends on: as strict as the nearest tsconfig.json
 * asks, or else strict. A misspelt field or enum value is found here, before anything runs.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
    writeFileSync(config, JSON.stringify(await configFor(file, folder)));
    const { code, output } = await compiler(['-p', config, '--pretty', 'false']);
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

type Options = Readonly<Record<string, unknown>>;

/** What a project may decide about the types of its models: how strict, and which types are there. */
const ofProject: readonly string[] = [
  'strict',
  'noImplicitAny',
  'noImplicitThis',
  'strictNullChecks',
  'strictFunctionTypes',
  'strictBindCallApply',
  'strictPropertyInitialization',
  'strictBuiltinIteratorReturn',
  'useUnknownInCatchVariables',
  'exactOptionalPropertyTypes',
  'noUncheckedIndexedAccess',
  'noPropertyAccessFromIndexSignature',
  'noImplicitReturns',
  'noImplicitOverride',
  'noFallthroughCasesInSwitch',
  'lib',
  'types',
];

async function configFor(file: string, folder: string): Promise<object> {
  const project = await projectOptions(file);
  const nodeTypes = nearest(dirname(file), join('node_modules', '@types', 'node', 'package.json'));
  const compilerOptions: Options = {
    strict: true,
    lib: ['es2023'],
    types: nodeTypes === undefined ? [] : ['node'],
    ...project,
    ...(nodeTypes === undefined ? {} : { typeRoots: [dirname(dirname(nodeTypes))] }),
    // As the file will be loaded: by a bundler, whatever the module kind of its package, with `.ts` or without.
    target: 'es2023',
    module: 'esnext',
    moduleResolution: 'bundler',
    allowImportingTsExtensions: true,
    resolveJsonModule: true,
    paths: {
      ...(project['paths'] as Options | undefined),
      ...(resolves(file) ? {} : { svacheck: [fileURLToPath(new URL('../index.d.ts', import.meta.url))] }),
    },
    noEmit: true,
    skipLibCheck: true,
  };
  const files = [file, ...(nodeTypes === undefined ? [join(folder, 'console.d.ts')] : [])];
  return { compilerOptions, files };
}

/** The options of the nearest tsconfig.json, with all that it extends, that concern types; none if it cannot be read. */
async function projectOptions(file: string): Promise<Options> {
  const config = nearest(dirname(file), 'tsconfig.json');
  if (config === undefined) return {};
  const { code, output } = await compiler(['--showConfig', '-p', config]);
  if (code !== 0) return {};
  const { compilerOptions = {} } = JSON.parse(output) as { readonly compilerOptions?: Options };
  const paths = Object.entries((compilerOptions['paths'] ?? {}) as Readonly<Record<string, readonly string[]>>);
  const absolute = paths.map(([name, targets]) => [name, targets.map((path) => resolve(dirname(config), path))]);
  return {
    ...Object.fromEntries(Object.entries(compilerOptions).filter(([name]) => ofProject.includes(name))),
    ...(absolute.length === 0 ? {} : { paths: Object.fromEntries(absolute) as Options }),
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

/** Runs `tsc`. */
function compiler(args: readonly string[]): Promise<Outcome> {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const tsc = join(dirname(manifest), 'bin', 'tsc');
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [tsc, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr.on('data', (text: Buffer) => (output += text.toString()));
    child.on('error', (error) =>
      fail(new UsageError(`cannot start the type check (--no-typecheck goes without): ${error.message}`)),
    );
    child.on('close', (code) => done({ code, output }));
  });
}

/** `path(3,5): error TS2322: text` as `path:3:5 - error TS2322: text`; lines that go on from one stay as they are. */
function readable(line: string): string {
  const [, path, row, column, text] = /^(.+?)\((\d+),(\d+)\): (.*)$/.exec(line) ?? [];
  return path === undefined ? line : `${shownPath(resolve(path))}:${row}:${column} - ${text}`;
}
