/**
 * What `import ... from 'svacheck'` gives: the language, its meaning, the checker, and traces.
 */
export * from './language/index.ts';
export * from './checker/index.ts';
export type { Protocol } from './properties/protocol.ts';
export { type Change, type Trace, traceOf, type TraceStep } from './traces/trace.ts';
