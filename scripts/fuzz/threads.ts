/**
 * The threads of a random search: what they find is put together so that it does not depend on how many they are.
 */
import { Worker } from 'node:worker_threads';
import { type Found, runsPerBlock } from '../../checker/random/fuzz.ts';
import type { Wishes } from '../plan.ts';
import { lastOfAll, type Message, type Report, slot } from './report.ts';
import type { WorkerData } from './worker.ts';

/** What to search. */
export interface Search {
  readonly targets: readonly string[];
  readonly wishes: Wishes;
  readonly index: number;
  readonly seed: number;
  readonly workers: number;
  readonly runs: number | undefined;
  readonly maxSeconds: number | undefined;
  /** It ends when so many runs have met nothing new. */
  readonly plateau: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Totals) => void;
}

/** What was done so far. */
export interface Totals {
  readonly runs: number;
  readonly steps: number;
  readonly ways: number;
  readonly goals: ReadonlySet<string>;
  readonly seconds: number;
}

/** Why a search ended. */
export type End = 'failure' | 'suspicion' | 'runs' | 'time' | 'plateau' | 'interrupted';

/** What a search came to. */
export interface Outcome extends Totals {
  readonly workers: number;
  readonly end: End;
  /** The lowest block that failed. */
  readonly failed: Report | undefined;
  /** What is suspected where none failed: for each property what the lowest block has found. */
  readonly suspicions: readonly Suspected[];
}

/** A suspicion, and the seed of its block. */
export interface Suspected extends Found {
  readonly seed: number;
}

/** Searches with threads. */
export async function searchInThreads(search: Search): Promise<Outcome> {
  const { seed, workers, runs, maxSeconds, plateau, signal, onProgress, ...of } = search;
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const control = new Int32Array(new SharedArrayBuffer(4 * slot.count));
  control[slot.last] = runs === undefined ? lastOfAll : Math.ceil(runs / runsPerBlock) - 1;
  const totals = { runs: 0, steps: 0, ways: 0, goals: new Set<string>() };
  let failed: Report | undefined;
  const suspicious: Report[] = [];
  let end: End | undefined;
  let quiet = 0;

  const stop = (why: End): void => {
    end ??= why;
    Atomics.store(control, slot.stop, 1);
  };
  const timer = maxSeconds === undefined ? undefined : setTimeout(() => stop('time'), maxSeconds * 1000);
  const interrupt = (): void => stop('interrupted');
  signal.addEventListener('abort', interrupt);
  if (signal.aborted) interrupt();

  const take = (report: Report): void => {
    totals.runs += report.runs;
    totals.steps += report.steps;
    for (const goal of report.goals) totals.goals.add(goal);
    quiet = report.ways > totals.ways ? 0 : quiet + report.runs;
    totals.ways = Math.max(totals.ways, report.ways);
    const isOver = report.failed !== undefined || report.error !== undefined;
    if (isOver && (failed === undefined || report.number < failed.number)) failed = report;
    if (report.suspicions.length > 0) suspicious.push(report);
    onProgress({ ...totals, seconds: seconds() });
    if (plateau !== undefined && quiet >= plateau) stop('plateau');
  };
  const thread = async (): Promise<void> =>
    new Promise((done, fail) => {
      const data: WorkerData = { ...of, seed, runs, control };
      const worker = new Worker(new URL('worker.js', import.meta.url), { workerData: data });
      worker.on('message', (message: Message) => {
        if ('report' in message) take(message.report);
        else fail(new Error(`a thread failed: ${message.problem}`));
      });
      worker.on('error', fail);
      worker.on('exit', () => done());
    });
  try {
    await Promise.all(Array.from({ length: workers }, thread));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', interrupt);
    Atomics.store(control, slot.stop, 1);
  }
  // What a thread was about when the search was over already, with other numbers of threads it would not have been.
  const suspicions = suspicious
    .filter(({ number }) => number <= Atomics.load(control, slot.last))
    .toSorted((a, b) => a.number - b.number)
    .flatMap((report) => report.suspicions.map((found) => ({ ...found, seed: report.seed })));
  const first = [...new Map(suspicions.toReversed().map((found) => [found.property, found])).values()].toReversed();
  const why = failed !== undefined ? 'failure' : suspicions.length > 0 ? 'suspicion' : (end ?? 'runs');
  return { ...totals, workers, seconds: seconds(), end: why, failed, suspicions: failed === undefined ? first : [] };
}
