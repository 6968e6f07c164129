/**
 * A check with all that a report says about it, and how what was found compares with what was recorded for a variant.
 */
import type { CheckResult, PropertyResult } from '../checker/index.ts';
import type { Instance, Property } from '../language/index.ts';
import type { Replay } from '../traces/replay.ts';
import type { Trace } from '../traces/trace.ts';

/** One model, or one variant of it, checked at one size. */
export interface Run {
  readonly instance: Instance;
  readonly properties: readonly Property[];
  readonly result: CheckResult;
  /** The trace of each property that has one: a violation, or the witness of a reachable property. */
  readonly traces: ReadonlyMap<string, Trace>;
  /** What the machine says of each counterexample, where the model has a lowering and nobody asked to leave it out. */
  readonly replays?: ReadonlyMap<string, Replay>;
  /** The members for which each of these is violated or witnessed, where it speaks of members. */
  readonly members: ReadonlyMap<string, string>;
  /** For a variant: the properties that it must violate, with the lengths of their shortest traces. */
  readonly recorded?: Readonly<Record<string, number>>;
  /** Where it was checked at other sizes than those of its record: the named size of the record. */
  readonly recordedAt?: string;
  /** Of a random search: what leads to what was found, and how much was done. */
  readonly random?: {
    readonly seed: number;
    readonly path?: string;
    readonly runs: number;
    readonly ways: number;
    readonly suspected: readonly string[];
  };
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

/** The counterexamples that the machine could not follow as the model says, with their properties. */
export function disagreements({ replays }: Run): readonly (readonly [property: string, replay: Replay])[] {
  return [...(replays ?? [])].filter(([, { verdict }]) => verdict === 'disagrees');
}

/** How a variant was found, against its record. */
export interface Comparison {
  /**
   * `found`: the recorded properties are violated, at other sizes than those of the record, where lengths may be others and more
   * may be violated. `unknown`: a limit ended the search, and nothing that was found contradicts the record.
   */
  readonly verdict: 'as recorded' | 'found' | 'differs' | 'unknown';
  /** How many of the recorded violations were found, at the sizes of the record with their length. */
  readonly found: number;
  readonly of: number;
  /** What differs, a sentence each. */
  readonly differences: readonly string[];
}

/**
 * Compares a run with the record of its variant: the same properties are violated, by traces of the same lengths, which for a
 * lasso is that of its way to the loop and of the loop. A search that ended once all recorded violations were found vouches for
 * the others up to the depth that it reached, and not for properties over time. Reachable properties are left out: they show that
 * the correct model is alive, and have no trace when they are violated. So are vacuous ones, unless they should be violated.
 */
export function compare({ result, traces, recorded = {}, recordedAt }: Run): Comparison {
  const isElsewhere = recordedAt !== undefined;
  const differences: string[] = [];
  let found = 0;
  let open = false;
  for (const { name, kind, verdict } of result.properties) {
    if (kind === 'reachable') continue;
    const wanted = recorded[name];
    const length = traces.get(name)?.steps.length ?? 0;
    if (verdict === 'unknown') {
      open ||= result.limit !== 'first violation' || wanted !== undefined;
    } else if (verdict === 'violated' && wanted === undefined && !isElsewhere) {
      differences.push(`'${name}' is violated (${inSteps(length)}), which is not recorded`);
    } else if (verdict === 'violated' && wanted !== length && !isElsewhere) {
      differences.push(`'${name}' is violated in ${inSteps(length)}; recorded are ${wanted}`);
    } else if (verdict === 'violated') {
      if (wanted !== undefined) found++;
    } else if (wanted !== undefined) {
      const is = verdict === 'vacuous' ? 'is vacuous' : 'holds';
      differences.push(
        `'${name}' ${is}; recorded is a violation in ${inSteps(wanted)}${isElsewhere ? ` at size ${recordedAt}` : ''}`,
      );
    }
  }
  const good = isElsewhere ? 'found' : 'as recorded';
  const verdict = differences.length > 0 ? 'differs' : open ? 'unknown' : good;
  return { verdict, found, of: Object.keys(recorded).length, differences };
}

/** How long a trace is, in words. */
export function lengthInWords({ steps, loopFrom }: Trace): string {
  if (loopFrom === undefined || loopFrom === steps.length) return inSteps(steps.length);
  const loop = `a loop of ${inSteps(steps.length - loopFrom)}`;
  return loopFrom === 0 ? loop : `${inSteps(loopFrom)} and ${loop}`;
}

/** A number of steps in words. */
export function inSteps(count: number): string {
  return count === 1 ? '1 step' : `${count} steps`;
}
