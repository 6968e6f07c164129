/**
 * One random search as the command line asks for it: by threads, or the one run that a seed and path lead to; and what it found as
 * a trace that is replayed on the model itself.
 */
import { availableParallelism } from 'node:os';
import { type CheckResult, type PropertyResult } from '../../checker/index.ts';
import { type Block, type Found, Fuzzer } from '../../checker/random/fuzz.ts';
import { type Binding, initialStates, ModelError, propertiesOf, type State } from '../../language/index.ts';
import { coloursFor } from '../../reports/colours.ts';
import { fuzzProgress } from '../../reports/fuzz.ts';
import type { Suspicion } from '../../reports/fuzz.ts';
import type { Run } from '../../reports/run.ts';
import { traceLines } from '../../reports/terminal.ts';
import { showBinding } from '../../traces/around.ts';
import { breaks } from '../../traces/broken.ts';
import { type Trace, traceOf } from '../../traces/trace.ts';
import type { Interruption } from '../interrupt.ts';
import type { Planned, Wishes } from '../plan.ts';
import { UsageError } from '../usage-error.ts';
import { type Minimum, minimize } from './minimize.ts';
import { type Outcome, searchInThreads, type Suspected } from './threads.ts';

/** How the command line asks to search. */
export interface FuzzWishes extends Wishes {
  readonly runs?: number;
  readonly maxSeconds?: number;
  readonly plateau?: number;
  readonly path?: string;
  readonly minimize?: true;
  readonly workers?: number;
}

/** One of the searches of a command. */
export interface Task {
  readonly planned: Planned;
  readonly targets: readonly string[];
  /** Which of the planned searches it is. */
  readonly index: number;
  readonly seed: number;
  readonly wishes: FuzzWishes;
}

/** What was found, with what shows it again. */
export interface FuzzRun {
  readonly run: Run;
  readonly outcome: Outcome;
  /** What leads to the first thing that was found. */
  readonly again: { readonly seed: number; readonly path: string } | undefined;
  readonly suspected: readonly Suspicion[];
  /** What a search around it has shown, if it was asked for. */
  readonly minimized: string | undefined;
}

const defaultSeconds = 60;

/** Makes a search, and replays what it has found. */
export async function fuzzRun(task: Task, wish: Interruption): Promise<FuzzRun> {
  const outcome = task.wishes.path === undefined ? await byThreads(task, wish) : again(task, task.wishes.path);
  const { failed } = outcome;
  if (failed?.error !== undefined) refuseModel(task, failed.error);
  const shown = failed?.failed && replayed(task, failed.failed);
  const minimum = await minimumOf(task, failed?.failed, shown, wish);
  const trace = minimum?.trace ?? shown;
  const suspected = outcome.suspicions.map((one) => suspicionOf(task, one));
  const run = runOf(task, outcome, trace, minimum?.binding ?? failed?.failed?.binding ?? {}, suspected);
  const found = trace && failed?.failed && { seed: failed.seed, path: failed.failed.path };
  const [first] = outcome.suspicions;
  const reproduction = found ?? (first && { seed: first.seed, path: first.path });
  const random = {
    ...(reproduction ?? { seed: task.seed }),
    runs: outcome.runs,
    ways: outcome.ways,
    suspected: suspected.map(({ property }) => property),
  };
  return { run: { ...run, random }, outcome, again: reproduction, suspected, minimized: minimum?.told };
}

/** Searches around what was found, if that was asked for. */
async function minimumOf(
  { planned, wishes }: Task,
  found: Found | undefined,
  trace: Trace | undefined,
  wish: Interruption,
): Promise<Minimum | undefined> {
  if (wishes.minimize !== true || found === undefined || trace === undefined) return undefined;
  wish.listen(() => process.stderr.write('interrupted: what was found is told as it is\n'));
  try {
    return await minimize(planned, found.property, trace, found.binding, {
      workers: wishes.workers,
      signal: wish.signal,
    });
  } finally {
    wish.release();
  }
}

/** A suspicion as a trace, by as short a way as is found. */
function suspicionOf({ planned: { instance, sets, only } }: Task, suspected: Suspected): Suspicion {
  const found = new Fuzzer(instance, sets, only).shortened(suspected);
  const start = (initialStates(instance) as readonly State[])[found.initial] as State;
  const path = { initial: start, actions: found.actions };
  const members = showBinding(instance, sets, found.property, found.binding);
  return { property: found.property, binding: found.binding, members, trace: traceOf(instance, path, found.loopFrom) };
}

async function byThreads({ planned, targets, index, seed, wishes }: Task, wish: Interruption): Promise<Outcome> {
  const { size, set, variant, property, runs, plateau } = wishes;
  const progress = fuzzProgress(process.stderr, planned.instance);
  wish.listen(() => {
    progress.clear();
    process.stderr.write('interrupted: it stops and tells what is known; once more ends it at once\n');
  });
  const maxSeconds = wishes.maxSeconds ?? (runs === undefined && plateau === undefined ? defaultSeconds : undefined);
  try {
    return await searchInThreads({
      targets,
      wishes: {
        ...(size === undefined ? {} : { size }),
        ...(set === undefined ? {} : { set }),
        ...(variant === undefined ? {} : { variant }),
        ...(property === undefined ? {} : { property }),
      },
      index,
      seed,
      workers: wishes.workers ?? availableParallelism(),
      runs,
      maxSeconds,
      plateau,
      signal: wish.signal,
      onProgress: (totals) => progress.show(totals, { runs, maxSeconds }),
    });
  } finally {
    wish.release();
    progress.clear();
  }
}

/** Makes one run again, as fast-check's own path leads to it. */
function again({ planned: { instance, sets, only }, seed }: Task, path: string): Outcome {
  if (!/^\d+(?::\d+)*$/.test(path))
    throw new UsageError(`'${path}' is no path: it is numbers and colons, as in 12:0:0`);
  const start = performance.now();
  const block: Block = new Fuzzer(instance, sets, only).block(seed, 1, path);
  return {
    runs: block.runs,
    steps: block.steps,
    ways: block.ways,
    goals: new Set(block.goals),
    seconds: (performance.now() - start) / 1000,
    workers: 1,
    end: block.failed === undefined && block.error === undefined ? 'runs' : 'failure',
    failed: block.failed === undefined && block.error === undefined ? undefined : { number: 0, seed, ...block },
    suspicions: block.failed === undefined ? block.suspicions.map((one) => ({ ...one, seed })) : [],
  };
}

/** What was found as a trace: each step is done again on immutable states, and the property tested there. */
function replayed({ planned: { instance, sets } }: Task, { property: name, binding, initial, actions }: Found): Trace {
  const start = (initialStates(instance) as readonly State[])[initial] as State;
  const trace = traceOf(instance, { initial: start, actions });
  const property = propertiesOf(instance, sets).find((of) => of.name === name);
  if (property === undefined || !breaks(trace, property, binding))
    throw new Error(`a random run seems to break '${name}', and its replay does not`);
  return trace;
}

function refuseModel(
  { planned: { instance } }: Task,
  { message, initial, actions }: NonNullable<Block['error']>,
): never {
  const start = (initialStates(instance) as readonly State[])[initial] as State;
  const trace = traceOf(instance, { initial: start, actions });
  const lead = trace.steps.length === 0 ? 'in an initial state' : 'after these steps:';
  const lines = [message, lead, ...traceLines(trace, coloursFor(process.stderr))];
  throw new UsageError(lines.join('\n').trimEnd(), { cause: new ModelError(message) });
}

/** The search as a run of the reports. A random search decides nothing but what it has found. */
function runOf(
  { planned: { instance, sets, only } }: Task,
  outcome: Outcome,
  trace: Trace | undefined,
  binding: Binding,
  suspected: readonly Suspicion[],
): Run {
  const { failed, goals, steps, seconds, workers } = outcome;
  const properties = propertiesOf(instance, sets, only);
  const found = failed?.failed;
  const results = properties.map(({ name, kind, doc, requirements }): PropertyResult => {
    const about = { name, kind, doc, requirements };
    if (found !== undefined && found.property === name && trace !== undefined) {
      const path = { initial: trace.initial, actions: trace.steps.map(({ action }) => action) };
      return { ...about, verdict: 'violated', path, binding };
    }
    if (kind === 'reachable' && goals.has(name)) return { ...about, verdict: 'holds' };
    const isSuspected = suspected.some(({ property }) => property === name);
    return {
      ...about,
      verdict: 'unknown',
      undecided: isSuspected ? 'suspected: see what was found' : 'random runs prove nothing',
    };
  });
  const result: CheckResult = {
    model: instance.model.name,
    size: instance.size,
    sizes: instance.sizes,
    ...(instance.variant === undefined ? {} : { variant: instance.variant }),
    verdict: found === undefined ? 'unknown' : 'violated',
    states: 0,
    transitions: steps,
    depth: trace?.steps.length ?? 0,
    seconds,
    digest: '',
    engine: 'random',
    workers,
    properties: results,
  };
  const members = found && showBinding(instance, sets, found.property, binding);
  return {
    instance,
    properties,
    result,
    traces: new Map(found === undefined || trace === undefined ? [] : [[found.property, trace]]),
    members: new Map(found === undefined || members === undefined ? [] : [[found.property, members]]),
  };
}
