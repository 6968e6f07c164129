/**
 * A check with all that a report says about it, and how what was found compares with what was recorded for a variant.
 */
import type { CheckResult, PropertyResult } from '../checker/index.ts';
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
  /** The property that the check is about, where it is about one: its trace is shown, other violations are named. */
  readonly main?: string;
}

/** The violations that are shown by their traces, and those that are only named. */
export function sorted({ result, main }: Run): {
  readonly shown: readonly PropertyResult[];
  readonly named: readonly PropertyResult[];
} {
  const violated = result.properties.filter(({ verdict }) => verdict === 'violated');
  const shown = violated.filter(({ name }) => name === main);
  return shown.length === 0
    ? { shown: violated, named: [] }
    : { shown, named: violated.filter(({ name, kind }) => name !== main && kind !== 'reachable') };
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
 * Compares a run with the record of its variant: the same properties are violated, by shortest traces of the same lengths. A
 * search that ended once all recorded violations were found vouches for the others up to the depth that it reached.
 * Reachable properties are left out: they show that the correct model is alive, and have no trace when they are violated.
 */
export function compare({ result, traces }: Run, recorded: Readonly<Record<string, number>>): Comparison {
  const differences: string[] = [];
  let found = 0;
  let open = false;
  for (const { name, kind, verdict } of result.properties) {
    if (kind === 'reachable') continue;
    const wanted = recorded[name];
    const length = traces.get(name)?.steps.length ?? 0;
    if (verdict === 'unknown') {
      open ||= result.limit !== 'first violation';
    } else if (verdict === 'violated' && wanted === undefined) {
      differences.push(`'${name}' is violated (${inSteps(length)}), which is not recorded`);
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
