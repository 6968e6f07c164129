/**
 * Searches of a model, by either engine.
 */
import { setImmediate } from 'node:timers/promises';
import type { Instance, PropertySet } from '../language/index.ts';
import type { CheckResult } from './result.ts';
import { compiledSearch } from './search/compiled.ts';
import { CheckpointError } from './search/checkpoint-file.ts';
import type { Progress, SearchOptions } from './search/options.ts';
import { plainSearch } from './search/plain.ts';

/**
 * Explores all reachable states of an instance and decides the properties. Throws `ModelError` where the model itself is
 * broken. Without `keepGoing` the search stops at the end of the level on which the first violation was found, so that
 * counts do not depend on the order of states within a level.
 */
export function search(instance: Instance, sets: readonly PropertySet[], options: SearchOptions = {}): CheckResult {
  const exploration = explore(instance, sets, options);
  try {
    for (;;) {
      const { done, value } = exploration.next();
      if (done === true) return value;
      options.onProgress?.(value);
    }
  } finally {
    abandon(exploration);
  }
}

/** The same search, which lets the process do other work a few times a second: signals come in, and timers run. */
export async function searchAsync(
  instance: Instance,
  sets: readonly PropertySet[],
  options: SearchOptions = {},
): Promise<CheckResult> {
  const exploration = explore(instance, sets, options);
  try {
    for (let turned = performance.now(); ;) {
      const { done, value } = exploration.next();
      if (done === true) return value;
      options.onProgress?.(value);
      if (performance.now() - turned < millisecondsBetween && value.tracing !== true) continue;
      await setImmediate();
      turned = performance.now();
    }
  } finally {
    abandon(exploration);
  }
}

const millisecondsBetween = 100;

function explore(
  instance: Instance,
  sets: readonly PropertySet[],
  options: SearchOptions,
): Generator<Progress, CheckResult> {
  const { engine = 'compiled', checkpoint, resume, slice = false, store = 'exact' } = options;
  if ((checkpoint !== undefined || resume !== undefined) && (engine === 'plain' || slice)) {
    const why = slice ? 'a search in slices is several' : "the engine 'plain' has none";
    throw new CheckpointError(`a checkpoint is of one search of the compiled engine, and ${why}`);
  }
  if ((checkpoint !== undefined || resume !== undefined) && store !== 'exact') {
    throw new CheckpointError(`a checkpoint has all states, which the store '${store}' does not keep`);
  }
  if (engine === 'plain' && store !== 'exact') throw new TypeError("the engine 'plain' has the store 'exact' alone");
  return engine === 'plain' ? plainSearch(instance, sets, options) : compiledSearch(instance, sets, options);
}

/** Lets a search clean up that has not ended. */
function abandon(exploration: Generator<Progress, CheckResult>): void {
  exploration.return(undefined as never);
}
