/**
 * A user's TypeScript file as a module that Node can import, wherever the file lives: bundled with its relative imports, with
 * `svacheck` meaning this very package, and every other package as the file itself would find it.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { BuildFailure, Message, OnResolveArgs, Plugin } from 'esbuild';
import { shownPath } from './shown-path.ts';
import { UsageError } from './usage-error.ts';

/** What a file exports, and a hash of all files that it is made of, packages aside. */
export interface Imported {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly source: string;
}

/** Imports a file; what it throws, or what keeps it from loading, is a `UsageError` with file, line and column. */
export async function importFile(file: string): Promise<Imported> {
  // A source map names its sources relative to the bundle: on a temporary folder's real path they lead back to the file.
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'svacheck-')));
  try {
    const bundle = join(folder, `${basename(file).replace(/\.[^.]*$/, '')}.mjs`);
    const sources = await bundleTo(bundle, file);
    process.setSourceMapsEnabled(true);
    try {
      const exports = (await import(pathToFileURL(bundle).href)) as Imported['exports'];
      return { exports, source: hashOf(sources) };
    } catch (error) {
      throw new UsageError(`${placeOf(error, sources) ?? shownPath(file)} - ${messageOf(error)}`, {
        cause: error,
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A hash of what is in some files, wherever they lie. */
function hashOf(files: readonly string[]): string {
  const one = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
  return createHash('sha256').update(files.map(one).toSorted().join()).digest('hex');
}

/** Writes the bundle; returns the files that it was made of. */
async function bundleTo(outfile: string, file: string): Promise<readonly string[]> {
  // Loaded here, since most runs need no bundler.
  const { build } = await import('esbuild');
  try {
    const { metafile } = await build({
      entryPoints: [file],
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      // Without this, the condition 'module' would prefer files that are meant for bundlers alone.
      conditions: [],
      sourcemap: 'inline',
      metafile: true,
      logLevel: 'silent',
      // Bundled CommonJS calls `require`, which a module does not have.
      banner: {
        js: `import { createRequire as svacheckRequire } from 'node:module'; const require = svacheckRequire(${JSON.stringify(file)});`,
      },
      plugins: [packages],
    });
    return Object.keys(metafile.inputs).map((input) => resolve(input));
  } catch (error) {
    const { errors } = error as Partial<BuildFailure>;
    if (errors === undefined || errors.length === 0) throw error;
    throw new UsageError(errors.map((message) => explain(message, file)).join('\n'), {
      cause: error,
    });
  }
}

function explain({ text, location }: Message, file: string): string {
  const place =
    location === null
      ? shownPath(file)
      : `${shownPath(resolve(location.file))}:${location.line}:${location.column + 1}`;
  return `${place} - ${text}`;
}

const resolving = Symbol('resolving');

/** Packages stay outside of the bundle: a second copy of one would not know the first one's values. */
const packages: Plugin = {
  name: 'packages',
  setup(esbuild) {
    const own = new URL('../index.js', import.meta.url);
    const outside = (path: string, { kind }: OnResolveArgs): { readonly path: string; readonly external: true } => ({
      // `require` takes paths, `import` takes URLs.
      path: kind === 'require-call' ? path : pathToFileURL(path).href,
      external: true,
    });
    esbuild.onResolve({ filter: /^svacheck$/ }, (args) => outside(fileURLToPath(own), args));
    esbuild.onResolve({ filter: /^[^./]/ }, async (args) => {
      if (args.kind === 'entry-point' || args.pluginData === resolving) return undefined;
      const { importer, kind, resolveDir } = args;
      const found = await esbuild.resolve(args.path, {
        importer,
        kind,
        resolveDir,
        pluginData: resolving,
      });
      // Node's own modules are outside already, and a package of TypeScript sources has to be bundled.
      if (found.errors.length > 0 || found.external || /\.[cm]?tsx?$/.test(found.path)) return found;
      return outside(found.path, args);
    });
  },
};

/** Where in the user's files an error was thrown: the innermost frame of its stack that lies in one of them. */
function placeOf(error: unknown, sources: readonly string[]): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  for (const [, path = '', line = '', column = ''] of stack.matchAll(
    /(?:file:\/\/)?(\/[^\s()]+|[A-Z]:[^\s()]+):(\d+):(\d+)/g,
  )) {
    if (sources.includes(resolve(path))) return `${shownPath(path)}:${line}:${column}`;
  }
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : `threw ${String(error)}`;
}
