/**
 * The file for `--json`: found to be writable before the search starts, and replaced in one go at the end.
 */
import { closeSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UsageError } from './usage-error.ts';

/** Writes the whole text. */
export type Write = (text: string) => void;

/** Where JSON goes: to a file, or for `-` to standard output. Throws `UsageError` if it could not be written. */
export function jsonFile(path: string): Write {
  if (path === '-') return (text) => void process.stdout.write(text);
  const stat = statSync(path, { throwIfNoEntry: false });
  return attempt(path, () => {
    // A device or pipe, such as /dev/null, is written to and never replaced.
    if (stat !== undefined && !stat.isFile()) {
      closeSync(openSync(path, 'w'));
      return (text) => attempt(path, () => writeFileSync(path, text));
    }
    // The file that a symbolic link points to is replaced, not the link.
    const file = stat === undefined ? path : realpathSync(path);
    const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
    if (stat !== undefined) closeSync(openSync(file, 'r+'));
    closeSync(openSync(temporary, 'w'));
    rmSync(temporary);
    return (text) =>
      attempt(path, () => {
        try {
          writeFileSync(temporary, text);
          renameSync(temporary, file);
        } catch (error) {
          rmSync(temporary, { force: true });
          throw error;
        }
      });
  });
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Without the system call and the temporary name that Node adds.
    const reason = message.replace(/, \w+ '.*$/, '');
    throw new UsageError(`cannot write ${path}: ${reason}`, { cause: error });
  }
}
