/**
 * One search as the command line asks for it, and the traces that it finds.
 */
import { availableParallelism } from 'node:os';
import {
  CheckpointError,
  type CheckResult,
  type Engine,
  ModelErrorAtState,
  searchAsync,
  type SearchOptions,
  type Store,
} from '../checker/index.ts';
import { loweringOf } from '../executor/lowering/index.ts';
import { type Instance, isOverTime, propertiesOf } from '../language/index.ts';
import { coloursFor } from '../reports/colours.ts';
import { progressLine } from '../reports/progress.ts';
import type { Run } from '../reports/run.ts';
import { traceLines } from '../reports/terminal.ts';
import { showBinding } from '../traces/around.ts';
import type { Replay } from '../traces/replay.ts';
import { type Trace, traceOf } from '../traces/trace.ts';
import type { Interruption } from './interrupt.ts';
import { type Planned, recordOf, type Wishes } from './plan.ts';
import { UsageError } from './usage-error.ts';

/** How the command line asks to search. */
export interface SearchWishes {
  readonly keepGoing?: true;
  readonly maxStates?: number;
  readonly maxSeconds?: number;
  readonly maxMemory?: number;
  readonly engine: Engine;
  readonly workers?: number;
  readonly store: Store;
  readonly symmetry?: true;
  readonly slice?: true;
  readonly por?: true;
  readonly explain?: true;
  readonly coverage?: true;
  readonly checkpoint?: string;
  readonly checkpointEvery?: number;
  readonly resume?: string;
  /** Replay counterexamples on the machine. */
  readonly replay: boolean;
}

/** One search, and the traces that it found. */
export async function runOf(planned: Planned, options: Wishes & SearchWishes, wish: Interruption): Promise<Run> {
  const { instance, sets, only, variant, recordedAt, source } = planned;
  const isRecord = options.variant === 'all';
  const progress = progressLine(process.stderr);
  const { engine, checkpoint, checkpointEvery: every = 60 } = options;
  const name = variant === undefined ? instance.model.name : `${instance.model.name} ${variant.name}`;
  const recorded = variant === undefined ? {} : recordOf(variant, only);
  const awaited = Object.keys(recorded);
  const properties = propertiesOf(instance, sets, only);
  const told = (): void => {
    progress.clear();
    process.stderr.write('interrupted: it stops and tells what is known; once more ends it at once\n');
  };
  let isTracing = false;
  const searchOptions: SearchOptions = {
    properties: only,
    // Whether just the recorded properties over time are violated is known only when all is explored.
    keepGoing: options.keepGoing ?? (isRecord && recordedAt === undefined && properties.some(isOverTime)),
    until: awaited.length === 0 ? undefined : awaited,
    maxStates: options.maxStates,
    maxSeconds: options.maxSeconds,
    maxMemory: options.maxMemory,
    engine,
    workers: options.workers ?? availableParallelism(),
    store: options.store,
    symmetry: options.symmetry,
    slice: options.slice,
    partialOrder: options.por,
    explain: options.explain,
    coverage: options.coverage,
    signal: wish.signal,
    checkpoint: checkpoint === undefined ? undefined : { file: checkpoint, every },
    resume: options.resume,
    source,
    onProgress: (state) => {
      progress.show(name, state);
      // Traces cannot be stopped on the way; a search in several parts explores on after those of one.
      if (state.tracing === true) wish.release();
      else if (isTracing) wish.listen(told);
      isTracing = state.tracing === true;
    },
  };
  wish.listen(told);
  try {
    const result = await searchAsync(instance, sets, searchOptions);
    const traces = new Map<string, Trace>();
    const members = new Map<string, string>();
    for (const { name: property, path, loopFrom, binding = {} } of result.properties) {
      if (path === undefined) continue;
      traces.set(property, traceOf(instance, path, loopFrom));
      members.set(property, showBinding(instance, sets, property, binding));
    }
    const replays = options.replay ? await replaysOf(instance, result, traces) : undefined;
    const run = {
      instance,
      properties,
      result,
      traces,
      members,
      ...(replays === undefined ? {} : { replays }),
    };
    if (isRecord) return { ...run, recorded, ...(recordedAt === undefined ? {} : { recordedAt }) };
    const [main] = awaited;
    return main === undefined ? run : { ...run, main };
  } catch (error) {
    if (error instanceof CheckpointError) throw new UsageError(error.message, { cause: error });
    if (!(error instanceof ModelErrorAtState)) throw error;
    const trace = traceOf(instance, error.path);
    const lead = trace.steps.length === 0 ? 'in an initial state' : 'after these steps:';
    const lines = [error.message, lead, ...traceLines(trace, coloursFor(process.stderr))];
    throw new UsageError(lines.join('\n').trimEnd(), { cause: error });
  } finally {
    wish.release();
    progress.clear();
  }
}

/** What the machine says of each counterexample; `undefined` if the model has no lowering. */
async function replaysOf(
  instance: Instance,
  { properties }: CheckResult,
  traces: ReadonlyMap<string, Trace>,
): Promise<ReadonlyMap<string, Replay> | undefined> {
  const violated = properties.filter(({ verdict, name }) => verdict === 'violated' && traces.has(name));
  const lowering = violated.length === 0 ? undefined : await loweringOf(instance.model);
  if (lowering === undefined) return undefined;
  // The machine takes time to load: only who has a counterexample waits for it.
  const { replay } = await import('../traces/replay.ts');
  const replays = new Map<string, Replay>();
  for (const { name } of violated) {
    const trace = traces.get(name);
    if (trace !== undefined) replays.set(name, replay(lowering, trace));
  }
  return replays;
}
