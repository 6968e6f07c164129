/**
 * Where things lie: the package, the models of the benchmark in each language, and programs on this machine.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** The folder of the package, whether this runs from the sources or built. */
export const root = dirname(createRequire(import.meta.url).resolve('svacheck/package.json'));

/** A model of the benchmark in this project's language. */
export function modelFile(model: string): string {
  return join(root, 'scripts', 'bench', 'models', `${model}.ts`);
}

/** A file that a peer reads, or the program that shows the limit. */
export function peerFile(name: string): string {
  return join(root, 'scripts', 'bench', 'peers', name);
}

/** Whether a program is on the path. */
export function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs a program to its end; returns what it wrote to standard output, or throws with what it wrote to standard error. */
export async function outputOf(program: string, args: readonly string[], folder: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { cwd: folder, maxBuffer: 2 ** 26 });
  return stdout;
}

/** Compiles C for this very machine. */
export async function compileC(
  source: string,
  program: string,
  flags: readonly string[],
  folder: string,
): Promise<void> {
  await outputOf(
    'gcc',
    ['-O3', '-march=native', '-w', ...flags, '-o', program, source, '-lpthread', '-latomic'],
    folder,
  );
}
