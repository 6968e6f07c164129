/**
 * What is compared on what: a model at a size, and a tool in one of its modes, how it is made ready and how its counts are read.
 */
import type { Command } from './measure.ts';

/** What an exhaustive search finds. */
export interface Counts {
  readonly states: number;
  readonly transitions: number;
}

/** A model at one size. */
export interface Subject {
  /** `sva/medium`. */
  readonly name: string;
  readonly size: string;
  /** The model in this project's language. */
  readonly file: string;
  /** Where they are known; otherwise all contenders must at least agree. */
  readonly counts?: Counts;
  /** Whether it is known that members of its sorts are interchangeable, or that they are not. */
  readonly isSymmetric?: boolean;
}

/** The counts as this project counts: what a tool counts besides is taken off. */
export interface Found extends Counts {
  /** The time of the search alone, where the tool tells it. */
  readonly searchSeconds?: number;
}

/** A contender that is ready to run; what that took, such as compiling, is not measured. */
export interface Ready {
  readonly command: Command;
  /** Reads what a run has written; throws an error that says what is wrong with it. */
  readonly read: (output: string) => Found;
}

/** A tool in one mode. */
export interface Contender<S extends Subject> {
  readonly tool: string;
  readonly mode: string;
  readonly workers: number;
  /** With symmetry reduction the counts are smaller: they are reported, and not compared. */
  readonly reduced?: true;
  /** Its time is that of the search as it tells it, not that of its process. */
  readonly timedBySearch?: true;
  /** Whether it makes sense for a subject; default always. */
  readonly suits?: (subject: S) => boolean;
  /** Subjects with more transitions are left out unless slow runs are asked for. */
  readonly most?: number;
  /** Makes it ready, in a folder that it has for itself. */
  readonly prepare: (subject: S, folder: string) => Ready | Promise<Ready>;
}

/** The contenders that are one tool, or why there are none. */
export interface Tool<S extends Subject> {
  readonly name: string;
  readonly version?: string | undefined;
  readonly missing?: string;
  readonly contenders: readonly Contender<S>[];
}

/** A whole number in an output; throws where it is not found. */
export function numberIn(output: string, pattern: RegExp, what: string): number {
  const [, text] = pattern.exec(output) ?? [];
  if (text === undefined) throw new Error(`there is no ${what} in the output:\n${lastLines(output)}`);
  return Number(text);
}

/** The end of an output, for a message. */
export function lastLines(output: string): string {
  return output.trimEnd().split('\n').slice(-12).join('\n');
}
