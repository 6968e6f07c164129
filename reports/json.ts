/**
 * Runs as the JSON that `--json` writes.
 */
import type { Explanation } from '../checker/index.ts';
import type { Instance } from '../language/index.ts';
import type { ReplayResult, Results, RunResult } from '../traces/result.ts';
import type { Trace } from '../traces/trace.ts';
import type { Run } from './run.ts';

/**
 * The JSON text for the runs that were finished, and why there are not more of them: an error, or an interruption after which
 * some were not started.
 */
export async function jsonOf(
  runs: readonly Run[],
  error: string | undefined,
  notStarted: readonly Instance[],
): Promise<string> {
  const results: Results = {
    version: 1,
    runs: runs.map(runResult),
    ...(error === undefined ? {} : { error }),
    ...(notStarted.length === 0
      ? {}
      : { notStarted: notStarted.map(({ model, size, variant = null }) => ({ model: model.name, size, variant })) }),
  };
  // The schema's library takes longer to load than a small model takes to check: only who wants JSON waits for it.
  const { parseResults } = await import('../traces/result.ts');
  return `${JSON.stringify(parseResults(results), undefined, 2)}\n`;
}

function runResult({ result, traces, replays, members, recorded, recordedAt, random }: Run): RunResult {
  const { model, size, sizes, variant, verdict, states, transitions, depth, seconds, limit, fairness } = result;
  const {
    digest,
    engine,
    workers,
    store,
    storedBytes,
    omission,
    reductions,
    checkpoint,
    explanation,
    coverage,
    never,
  } = result;
  return {
    model,
    size,
    sizes: { ...sizes },
    variant: variant ?? null,
    verdict,
    states,
    transitions,
    depth,
    seconds: rounded(seconds),
    ...(digest === '' ? {} : { digest }),
    engine,
    ...(workers === undefined ? {} : { workers }),
    ...(store === undefined ? {} : { store }),
    ...(storedBytes === undefined ? {} : { storedBytes }),
    ...(omission === undefined ? {} : { omission }),
    ...(limit === undefined ? {} : { limit }),
    ...(fairness === undefined ? {} : { fairness: { weak: [...fairness.weak], strong: [...fairness.strong] } }),
    ...(reductions === undefined ? {} : { reductions: structuredClone(reductions) as RunResult['reductions'] }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(explanation === undefined ? {} : { explanation: explanationResult(explanation) }),
    ...(coverage === undefined ? {} : { coverage: structuredClone(coverage) as RunResult['coverage'] }),
    ...(never === undefined ? {} : { never: never.map((one) => ({ ...one })) }),
    ...(random === undefined ? {} : { random: { ...random, suspected: [...random.suspected] } }),
    ...(recorded === undefined ? {} : { recorded: { ...recorded } }),
    ...(recordedAt === undefined ? {} : { recordedAt }),
    properties: result.properties.map((property) => {
      const { name, kind, doc, requirements, undecided } = property;
      const trace = traces.get(name);
      const binding = members.get(name) ?? '';
      const replay = replays?.get(name);
      return {
        name,
        kind,
        ...(doc === '' ? {} : { doc }),
        requirements: [...requirements],
        verdict: property.verdict,
        ...(undecided === undefined ? {} : { undecided }),
        ...(binding === '' ? {} : { binding }),
        ...(trace === undefined ? {} : { trace: traceResult(trace) }),
        ...(replay === undefined ? {} : { replay: structuredClone(replay) as ReplayResult }),
      };
    }),
  };
}

/** To three decimals. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function explanationResult({ words, bits, leaves, code, parts }: Explanation): NonNullable<RunResult['explanation']> {
  const { bytes, generated, milliseconds, missMilliseconds } = code;
  return {
    words,
    bits,
    leaves,
    code: { bytes, generated, milliseconds: rounded(milliseconds), missMilliseconds: rounded(missMilliseconds) },
    parts: parts.map(({ reads, writes, fallbacks, ...part }) => ({
      ...part,
      reads: [...reads],
      writes: [...writes],
      fallbacks: fallbacks.map((fallback) => ({ ...fallback })),
    })),
  };
}

type TraceResult = NonNullable<RunResult['properties'][number]['trace']>;

function traceResult({ steps, loopFrom }: Trace): TraceResult {
  return {
    length: steps.length,
    ...(loopFrom === undefined ? {} : { loopFrom }),
    steps: steps.map(({ action, args, actor, changes }) => ({
      action: action.type,
      ...(action.step === undefined ? {} : { step: action.step }),
      args: { ...args },
      actor,
      changes: changes.map(({ field, before, after }) => ({ field, before, after })),
    })),
  };
}
