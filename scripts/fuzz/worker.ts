/**
 * A thread of a random search: it loads the model again and takes blocks of runs until there are no more that matter.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Fuzzer, runsPerBlock, seedOf } from '../../checker/random/fuzz.ts';
import { loadProtocols } from '../load.ts';
import { plan, type Wishes } from '../plan.ts';
import { afterSuspicion, endAt, type Message, slot } from './report.ts';

/** What a thread is given. */
export interface WorkerData {
  readonly targets: readonly string[];
  readonly wishes: Wishes;
  /** Which of the planned searches it is. */
  readonly index: number;
  readonly seed: number;
  /** How many runs there are in all; without, as many as time allows. */
  readonly runs: number | undefined;
  /** Shared, see `slot`. */
  readonly control: Int32Array;
}

const { targets, wishes, index, seed, runs, control } = workerData as WorkerData;
const tell = (message: Message): void => parentPort?.postMessage(message);

try {
  const planned = plan(await loadProtocols(targets, { typecheck: false }), wishes)[index];
  if (planned === undefined) throw new Error('the model is not there any more');
  const fuzzer = new Fuzzer(planned.instance, planned.sets, planned.only);
  for (;;) {
    const number = Atomics.add(control, slot.next, 1);
    if (number > Atomics.load(control, slot.last) || Atomics.load(control, slot.stop) !== 0) break;
    const own = seedOf(seed, number);
    const block = fuzzer.block(own, Math.min(runsPerBlock, (runs ?? Number.POSITIVE_INFINITY) - number * runsPerBlock));
    if (block.failed !== undefined || block.error !== undefined) endAt(control, number);
    if (block.suspicions.length > 0) endAt(control, number + afterSuspicion);
    tell({ report: { number, seed: own, ...block } });
  }
} catch (error) {
  tell({ problem: error instanceof Error ? error.message : String(error) });
}
