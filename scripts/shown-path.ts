/**
 * A path as its user would write it: relative where it lies below the working folder.
 */
import { relative, isAbsolute } from 'node:path';

/** The path for a message. */
export function shownPath(path: string): string {
  const below = relative(process.cwd(), path);
  return below === '' || below.startsWith('..') || isAbsolute(below) ? path : below;
}
