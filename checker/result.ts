/**
 * What a check comes to: counts, a verdict for each property, and the shortest path to each violation or witness.
 */
import type { ActionData, PropertyKind, Sizes, State } from '../language/index.ts';
import type { Coverage, Never } from './coverage.ts';
import type { Explanation } from './explanation.ts';

/**
 * `holds`: in every reachable state within the stated sizes, or on every fair run. `violated`: shown by a path. `unknown`: the
 * search was stopped by a limit before it could tell. `vacuous`: it speaks of nothing that can happen, since its antecedent
 * is never true.
 */
export type Verdict = 'holds' | 'violated' | 'unknown' | 'vacuous';

/** What stopped a search before all reachable states were explored. */
export type Limit =
  | 'max-states'
  | 'max-seconds'
  | 'max-memory'
  | 'first violation'
  | 'interrupted'
  /** Explored states were to be written to a temporary file, and could not be. */
  | 'temporary file'
  /** All states that were found are explored, but some may have been omitted: see `Omission`. */
  | StoreLimit;

/** The limits that a store sets which is not exact. */
export type StoreLimit = 'hash compaction' | 'bitstate';

/** How states are explored. */
export type Engine = 'compiled' | 'plain';

/**
 * What is kept of states so that they are known when they are met again: `exact`, the states themselves; `compact`, a
 * fingerprint of 64 bits; `bitstate`, three bits in an array. With the latter two a search may omit states: it never says that
 * something holds in all of them, while what it finds is certain.
 */
export type Store = 'exact' | 'compact' | 'bitstate';

/** What a search may have omitted since it took new states for known ones; where those alone lead to is not counted. */
export interface Omission {
  /** How many states that was, as an expectation. */
  readonly expected: number;
  /** An upper bound on the probability that it was any. Both take hashes for random, and are rounded up. */
  readonly probability: number;
}

/** The checkpoint that a search has left. */
export interface Saved {
  readonly file: string;
  /** How many states were found when it was written last; 0 if it never was. */
  readonly states: number;
  /** Why the last attempt to write it failed. */
  readonly problem?: string;
}

/** What is assumed of the scheduler: the actions and steps that are weakly fair, and those that are strongly fair. */
export interface Assumptions {
  readonly weak: readonly string[];
  readonly strong: readonly string[];
}

/** A shortest path from an initial state; for a property over time a short one. */
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
  /** Where the search itself was not stopped by a limit: why the property is undecided all the same. */
  readonly undecided?: string;
  /** Leads to the violation; or, for a reachable property that holds, to the witness. */
  readonly path?: Path;
  /**
   * For `leadsTo` and `eventually`: how many steps of the path lead to its loop, which is the rest of it and repeats for ever.
   * If there is no rest, the run stops there for good.
   */
  readonly loopFrom?: number;
  /** The members for which the property fails, or is witnessed, at the end of the path. */
  readonly binding?: Readonly<Record<string, unknown>>;
}

/** What was left out, where that was asked for. Counts are then those of what was explored. */
export interface Reductions {
  /** The sorts whose members count as interchangeable, and those for which that was refused. */
  readonly symmetry?: {
    readonly sorts: readonly string[];
    readonly refused: readonly { readonly sort: string; readonly reason: string }[];
  };
  /** Where a thread's next steps were explored alone. */
  readonly partialOrder?: readonly string[];
  /** The searches for parts of the model, with the fields that each kept. */
  readonly slices?: readonly {
    readonly properties: readonly string[];
    readonly fields: number;
    readonly rules: number;
    readonly states: number;
    readonly transitions: number;
    readonly digest: string;
  }[];
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
  /** How it was explored; at random, where states are not counted. */
  readonly engine: Engine | 'random';
  /** How many threads explored, with the compiled engine. */
  readonly workers?: number;
  /** With the compiled engine: what was kept of states, and how many bytes it had at most for that. */
  readonly store?: Store;
  readonly storedBytes?: number;
  /** Where the store is not exact. */
  readonly omission?: Omission;
  readonly limit?: Limit;
  readonly properties: readonly PropertyResult[];
  /** Where `leadsTo` or `eventually` was asked for: what is assumed of the scheduler. */
  readonly fairness?: Assumptions;
  readonly reductions?: Reductions;
  /** Where checkpoints were asked for. */
  readonly checkpoint?: Saved;
  /** Where it was asked for, with the compiled engine. */
  readonly explanation?: Explanation;
  /** Where it was asked for, and everything was explored: how often what happened. */
  readonly coverage?: Coverage;
  /** Where everything was explored: what is in the model and never happens. */
  readonly never?: readonly Never[];
}
