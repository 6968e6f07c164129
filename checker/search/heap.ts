/**
 * How full the JavaScript heap is, counting only what is still in use.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const defaultShare = 0.85;

let collectGarbage: (() => void) | undefined;
/** After a collection that freed enough for a limit: how full the heap may get before it is looked at again. */
let lookAgain = { limit: 0, at: 0 };

/**
 * Whether the heap in use has reached `limit` bytes (default 85 % of what Node allows). Garbage is collected before the
 * answer is yes; after that the question is not asked again until the heap has grown by a tenth of the limit.
 */
export function heapIsOver(limit: number | undefined): boolean {
  const heap = getHeapStatistics();
  const allowed = Math.min(limit ?? Number.POSITIVE_INFINITY, heap.heap_size_limit * defaultShare);
  const quietUntil = lookAgain.limit === allowed ? Math.max(allowed, lookAgain.at) : allowed;
  if (heap.used_heap_size < quietUntil) return false;
  if (collectGarbage === undefined) {
    setFlagsFromString('--expose-gc');
    collectGarbage = runInNewContext('gc') as () => void;
  }
  collectGarbage();
  const { used_heap_size: used } = getHeapStatistics();
  if (used >= allowed * 0.95) return true;
  lookAgain = { limit: allowed, at: used + allowed * 0.1 };
  return false;
}
