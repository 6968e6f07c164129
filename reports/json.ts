/**
 * Runs as the JSON that `--json` writes.
 */
import type { Results, RunResult } from '../traces/result.ts';
import type { Trace } from '../traces/trace.ts';
import type { Run } from './run.ts';

/** The JSON text for the runs that were finished, and why there are not more of them. */
export async function jsonOf(runs: readonly Run[], error?: string): Promise<string> {
  const results: Results = {
    version: 1,
    runs: runs.map(runResult),
    ...(error === undefined ? {} : { error }),
  };
  // The schema's library takes longer to load than a small model takes to check: only who wants JSON waits for it.
  const { parseResults } = await import('../traces/result.ts');
  return `${JSON.stringify(parseResults(results), undefined, 2)}\n`;
}

function runResult({ result, traces, members, recorded }: Run): RunResult {
  const { model, size, sizes, variant, verdict, states, transitions, depth, seconds, limit } = result;
  return {
    model,
    size,
    sizes: { ...sizes },
    variant: variant ?? null,
    verdict,
    states,
    transitions,
    depth,
    seconds: Math.round(seconds * 1000) / 1000,
    ...(limit === undefined ? {} : { limit }),
    ...(recorded === undefined ? {} : { recorded: { ...recorded } }),
    properties: result.properties.map((property) => {
      const { name, kind, doc, requirements } = property;
      const trace = traces.get(name);
      const binding = members.get(name) ?? '';
      return {
        name,
        kind,
        ...(doc === '' ? {} : { doc }),
        requirements: [...requirements],
        verdict: property.verdict,
        ...(binding === '' ? {} : { binding }),
        ...(trace === undefined ? {} : { trace: traceResult(trace) }),
      };
    }),
  };
}

type TraceResult = NonNullable<RunResult['properties'][number]['trace']>;

function traceResult({ steps }: Trace): TraceResult {
  return {
    length: steps.length,
    steps: steps.map(({ action, args, actor, changes }) => ({
      action: action.type,
      ...(action.step === undefined ? {} : { step: action.step }),
      args: { ...args },
      actor,
      changes: changes.map(({ field, before, after }) => ({ field, before, after })),
    })),
  };
}
