/**
 * What a search may be told, and what it tells while it runs.
 */
import { ModelError } from '../../language/index.ts';
import type { Engine, Path, Store } from '../result.ts';

/** Limits and wishes for a search. */
export interface SearchOptions {
  /** Only these properties; default all. */
  readonly properties?: readonly string[] | undefined;
  readonly maxStates?: number | undefined;
  /** Of this run alone, where it resumes another. */
  readonly maxSeconds?: number | undefined;
  /**
   * In bytes. Of the compiled engine it bounds the visited set and the buffers, and is by default 85 % of the memory that
   * is free; of the plain engine it bounds the heap, which is never filled beyond 85 % of what Node allows.
   */
  readonly maxMemory?: number | undefined;
  /** Explores on after a violation, so that every property gets its own verdict; default false. */
  readonly keepGoing?: boolean | undefined;
  /** Explores on until all of these properties are violated; default until any property is. */
  readonly until?: readonly string[] | undefined;
  /** `compiled` (the default) or `plain`, the slow reference. Both find the same. */
  readonly engine?: Engine | undefined;
  /** How many threads explore, of the compiled engine; default 1. */
  readonly workers?: number | undefined;
  /** Counts states as one that differ only in the names of interchangeable members; default false. */
  readonly symmetry?: boolean | undefined;
  /** Explores for each property only the part of the model that it depends on; default false. */
  readonly slice?: boolean | undefined;
  /** Leaves out orders of independent steps that no property can tell apart; traces may not be shortest. Default false. */
  readonly partialOrder?: boolean | undefined;
  /** What is kept of states, by the compiled engine; default `exact`. The others can neither write nor read checkpoints. */
  readonly store?: Store | undefined;
  /**
   * How many bits a fingerprint has in the store `compact` (default and at most 64), or the array in the store `bitstate`
   * (default what fits into half the memory, as a power of two). With few of them a search omits many states.
   */
  readonly storeBits?: number | undefined;
  /** The result says what the compiled engine made of the model; default false. */
  readonly explain?: boolean | undefined;
  /** The result says how often every part of the model took part; default false. */
  readonly coverage?: boolean | undefined;
  /** Once it is aborted, the search stops as at a limit, as soon as its caller goes on with it. */
  readonly signal?: AbortSignal | undefined;
  /** Writes checkpoints, from which a search of the compiled engine can be resumed. */
  readonly checkpoint?: CheckpointOptions | undefined;
  /** Goes on from the checkpoint in this file. */
  readonly resume?: string | undefined;
  /** A text that changes with the source of the model: a checkpoint of another source is refused. */
  readonly source?: string | undefined;
  /** Called about ten times a second. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Where checkpoints go. */
export interface CheckpointOptions {
  readonly file: string;
  /** Seconds between two of them, or more where they take long to write; one is written at a limit in any case. */
  readonly every: number;
}

/** How far a search has come. */
export interface Progress {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** States found but not yet explored. */
  readonly frontier: number;
  readonly seconds: number;
  /** All is explored that will be; what follows are the traces, on the way to which the search cannot be stopped. */
  readonly tracing?: boolean;
}

/** A mistake in a model that showed in some state, with the way there. */
export class ModelErrorAtState extends ModelError {
  readonly path: Path;

  constructor(error: ModelError, path: Path) {
    super(error.problem, error.place, { cause: error });
    this.path = path;
  }
}
