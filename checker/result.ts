/**
 * What a check comes to: counts, a verdict for each property, and the shortest path to each violation or witness.
 */
import type { ActionData, PropertyKind, Sizes, State } from '../language/index.ts';

/**
 * `holds`: in every reachable state within the stated sizes. `violated`: shown by a path. `unknown`: the search was
 * stopped by a limit before it could tell.
 */
export type Verdict = 'holds' | 'violated' | 'unknown';

/** What stopped a search before all reachable states were explored. */
export type Limit = 'max-states' | 'max-seconds' | 'max-memory' | 'first violation';

/** A shortest path from an initial state. */
export interface Path {
  readonly initial: State;
  readonly actions: readonly ActionData[];
}

/** The verdict on one property. */
export interface PropertyResult {
  readonly name: string;
  readonly kind: PropertyKind;
  readonly doc: string;
  readonly requirements: readonly string[];
  readonly verdict: Verdict;
  /** Leads to the violation; or, for a reachable property that holds, to the witness. */
  readonly path?: Path;
  /** The members for which the property fails, or is witnessed, at the end of the path. */
  readonly binding?: Readonly<Record<string, unknown>>;
}

/** The result of checking one model at one size. */
export interface CheckResult {
  readonly model: string;
  readonly size: string;
  readonly sizes: Sizes;
  readonly variant?: string;
  readonly verdict: Verdict;
  /** Distinct reachable states found. */
  readonly states: number;
  /** Enabled actions over all explored states, also those that lead to known states. */
  readonly transitions: number;
  /** The largest number of steps on a shortest path from an initial state. */
  readonly depth: number;
  readonly seconds: number;
  /**
   * An order-independent digest of the states found: equal for every engine, number of workers and run that found the same
   * states.
   */
  readonly digest: string;
  readonly limit?: Limit;
  readonly properties: readonly PropertyResult[];
}
