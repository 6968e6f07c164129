/**
 * The checker: explores a model and decides its properties.
 */
export type { CheckResult, Limit, Path, PropertyResult, Verdict } from './result.ts';
export { ModelErrorAtState, type Progress, search, type SearchOptions } from './search.ts';
