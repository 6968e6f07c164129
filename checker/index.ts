/**
 * The checker: explores a model and decides its properties.
 */
export type { CheckResult, Limit, Path, PropertyResult, Verdict } from './result.ts';
export { search } from './search.ts';
export { type Engine, ModelErrorAtState, type Progress, type SearchOptions } from './search/options.ts';
