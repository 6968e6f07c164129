/**
 * Searches of a model, by either engine.
 */
import type { Instance, PropertySet } from '../language/index.ts';
import type { CheckResult } from './result.ts';
import { compiledSearch } from './search/compiled.ts';
import type { SearchOptions } from './search/options.ts';
import { plainSearch } from './search/plain.ts';

/**
 * Explores all reachable states of an instance and decides the properties. Throws `ModelError` where the model itself is
 * broken. Without `keepGoing` the search stops at the end of the level on which the first violation was found, so that
 * counts do not depend on the order of states within a level.
 */
export function search(instance: Instance, sets: readonly PropertySet[], options: SearchOptions = {}): CheckResult {
  if (options.engine === 'plain') return plainSearch(instance, sets, options);
  const exploration = compiledSearch(instance, sets, options);
  for (;;) {
    const { done, value } = exploration.next();
    if (done === true) return value;
    options.onProgress?.(value);
  }
}
