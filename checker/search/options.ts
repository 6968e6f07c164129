/**
 * What a search may be told, and what it tells while it runs.
 */
import { ModelError } from '../../language/index.ts';
import type { Path } from '../result.ts';

/** Limits and wishes for a search. */
export interface SearchOptions {
  /** Only these properties; default all. */
  readonly properties?: readonly string[] | undefined;
  readonly maxStates?: number | undefined;
  readonly maxSeconds?: number | undefined;
  /** In bytes; default 85 % of the memory that is free, and for the plain engine of what Node allows its heap. */
  readonly maxMemory?: number | undefined;
  /** Explores on after a violation, so that every property gets its own verdict; default false. */
  readonly keepGoing?: boolean | undefined;
  /** Explores on until all of these properties are violated; default until any property is. */
  readonly until?: readonly string[] | undefined;
  /** `compiled` (the default) or `plain`, the slow reference. Both find the same. */
  readonly engine?: Engine | undefined;
  /** How many threads explore, of the compiled engine; default 1. */
  readonly workers?: number | undefined;
  /** Called about ten times a second. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** How states are explored. */
export type Engine = 'compiled' | 'plain';

/** How far a search has come. */
export interface Progress {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** States found but not yet explored. */
  readonly frontier: number;
  readonly seconds: number;
}

/** A mistake in a model that showed in some state, with the way there. */
export class ModelErrorAtState extends ModelError {
  readonly path: Path;

  constructor(error: ModelError, path: Path) {
    super(error.problem, error.place, { cause: error });
    this.path = path;
  }
}
