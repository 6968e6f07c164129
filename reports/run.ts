/**
 * A check with all that a report says about it, and how what was found compares with what was recorded for a variant.
 */
import type { CheckResult } from '../checker/index.ts';
import type { Instance, Property } from '../language/index.ts';
import type { Trace } from '../traces/trace.ts';

/** One model, or one variant of it, checked at one size. */
export interface Run {
  readonly instance: Instance;
  readonly properties: readonly Property[];
  readonly result: CheckResult;
  /** The trace of each property that has one: a violation, or the witness of a reachable property. */
  readonly traces: ReadonlyMap<string, Trace>;
  /** The members for which each of these is violated or witnessed, where it speaks of members. */
  readonly members: ReadonlyMap<string, string>;
  /** For a variant: the properties that it must violate, with the lengths of their shortest traces. */
  readonly recorded?: Readonly<Record<string, number>>;
}

/** How a variant was found, against its record. */
export interface Comparison {
  /** `unknown`: a limit ended the search, and nothing that was found contradicts the record. */
  readonly verdict: 'as recorded' | 'differs' | 'unknown';
  /** How many of the recorded violations were found with their length. */
  readonly found: number;
  readonly of: number;
  /** What differs, a sentence each. */
  readonly differences: readonly string[];
}

/**
 * Compares a run with the record of its variant: the same properties are violated, by shortest traces of the same lengths.
 * A reachable property that has become unreachable has no trace; its length is 0.
 */
export function compare({ result, traces }: Run, recorded: Readonly<Record<string, number>>): Comparison {
  const differences: string[] = [];
  let found = 0;
  let open = false;
  for (const { name, verdict } of result.properties) {
    const wanted = recorded[name];
    const length = traces.get(name)?.steps.length ?? 0;
    if (verdict === 'unknown') {
      open = true;
    } else if (verdict === 'violated' && wanted === undefined) {
      differences.push(
        traces.has(name)
          ? `'${name}' is violated (${inSteps(length)}), which is not recorded`
          : `'${name}' is never true, which is not recorded (its length is 0)`,
      );
    } else if (verdict === 'violated' && wanted !== length) {
      differences.push(`'${name}' is violated in ${inSteps(length)}; recorded are ${wanted}`);
    } else if (verdict === 'violated') {
      found++;
    } else if (wanted !== undefined) {
      differences.push(`'${name}' holds; recorded is a violation in ${inSteps(wanted)}`);
    }
  }
  const verdict = differences.length > 0 ? 'differs' : open ? 'unknown' : 'as recorded';
  return { verdict, found, of: Object.keys(recorded).length, differences };
}

/** A number of steps in words. */
export function inSteps(count: number): string {
  return count === 1 ? '1 step' : `${count} steps`;
}
