/**
 * The checker: explores a model and decides its properties.
 */
export type { Coverage, CoveredPart, Never } from './coverage.ts';
export type { CodeStatistics, ExplainedPart, Explanation, Fallback } from './explanation.ts';
export type {
  Assumptions,
  CheckResult,
  Engine,
  Limit,
  Omission,
  Path,
  PropertyResult,
  Saved,
  Store,
  StoreLimit,
  Verdict,
} from './result.ts';
export { search, searchAsync } from './search.ts';
export { CheckpointError } from './search/checkpoint-file.ts';
export { type CheckpointOptions, ModelErrorAtState, type Progress, type SearchOptions } from './search/options.ts';
