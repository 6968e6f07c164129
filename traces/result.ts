/**
 * The JSON form of what a check comes to, version 1: the schema that `--json` is written by. `docs/json.md` describes it.
 * Fields may be added in this version; none is taken away or changes its meaning.
 */
import { z } from 'zod';

const verdict = z.enum(['holds', 'violated', 'unknown', 'vacuous']);
const count = z.int().nonnegative();

const step = z.object({
  action: z.string(),
  step: z.string().optional(),
  args: z.record(z.string(), z.unknown()),
  actor: z.string(),
  changes: z.array(z.object({ field: z.string(), before: z.string(), after: z.string() })).optional(),
});

const harm = z.object({ what: z.string(), address: z.string(), before: z.string(), after: z.string() });
const entry = z.object({ raw: z.string(), decoded: z.string(), state: z.string().optional() });

const replay = z.discriminatedUnion('verdict', [
  z.object({
    verdict: z.literal('confirmed'),
    steps: count,
    consequence: z.object({
      harms: z.array(harm),
      evidence: z.array(z.string()),
      next: z.array(harm).optional(),
      commands: z.array(entry),
      events: z.array(entry),
    }),
  }),
  z.object({
    verdict: z.literal('disagrees'),
    at: count,
    title: z.string(),
    how: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('refused'), reason: z.string() }),
      z.object({
        kind: z.literal('differs'),
        differences: z.array(z.object({ field: z.string(), model: z.string(), machine: z.string() })),
      }),
    ]),
  }),
  z.object({ verdict: z.literal('not possible'), reason: z.string() }),
]);

const property = z.object({
  name: z.string(),
  kind: z.string(),
  doc: z.string().optional(),
  requirements: z.array(z.string()),
  verdict,
  /** The members for which it is violated or witnessed: `page: page0`. */
  binding: z.string().optional(),
  /** Why it is unknown, where no limit of the search is the reason. */
  undecided: z.string().optional(),
  /** Of a lasso, `loopFrom` is how many steps lead to the loop, which is the rest and repeats for ever. */
  trace: z.object({ length: count, loopFrom: count.optional(), steps: z.array(step) }).optional(),
  /** For `violated`, where the model has a lowering: what the machine says of the trace. */
  replay: replay.optional(),
});

const explanation = z.object({
  words: count,
  bits: count,
  leaves: count,
  code: z.object({
    bytes: count,
    generated: count,
    milliseconds: z.number().nonnegative(),
    missMilliseconds: z.number().nonnegative(),
  }),
  parts: z.array(
    z.object({
      kind: z.string(),
      name: z.string(),
      step: z.string().optional(),
      functions: count,
      nodes: count,
      paths: count,
      misses: count,
      reads: z.array(z.string()),
      writes: z.array(z.string()),
      fallbacks: z.array(z.object({ form: z.string(), functions: count, reason: z.string(), advice: z.string() })),
    }),
  ),
});

const coverage = z.object({
  parts: z.array(
    z.object({
      kind: z.string(),
      name: z.string(),
      step: z.string().optional(),
      taken: count,
      guards: z.array(z.object({ name: z.string(), asked: count, held: count })),
      decisions: z.array(z.object({ name: z.string(), yes: count, no: count })),
      ways: z.object({ taken: count, possible: count.optional() }).optional(),
    }),
  ),
});

const never = z.object({
  kind: z.string(),
  name: z.string(),
  step: z.string().optional(),
  decision: z.string().optional(),
  reason: z.string(),
});

const reductions = z.object({
  symmetry: z
    .object({ sorts: z.array(z.string()), refused: z.array(z.object({ sort: z.string(), reason: z.string() })) })
    .optional(),
  partialOrder: z.array(z.string()).optional(),
  slices: z
    .array(
      z.object({
        properties: z.array(z.string()),
        fields: count,
        rules: count,
        states: count,
        transitions: count,
        digest: z.string(),
      }),
    )
    .optional(),
});

const run = z.object({
  model: z.string(),
  size: z.string(),
  sizes: z.record(z.string(), count),
  variant: z.string().nullable(),
  verdict,
  states: count,
  transitions: count,
  depth: count,
  seconds: z.number().nonnegative(),
  digest: z.string().optional(),
  engine: z.string().optional(),
  workers: count.optional(),
  store: z.string().optional(),
  storedBytes: count.optional(),
  omission: z.object({ expected: z.number().nonnegative(), probability: z.number().min(0).max(1) }).optional(),
  limit: z.string().optional(),
  /** What is assumed of the scheduler, where a property depends on it. */
  fairness: z.object({ weak: z.array(z.string()), strong: z.array(z.string()) }).optional(),
  /** What was left out; the counts are then those of what was explored. */
  reductions: reductions.optional(),
  checkpoint: z.object({ file: z.string(), states: count, problem: z.string().optional() }).optional(),
  explanation: explanation.optional(),
  coverage: coverage.optional(),
  /** What is in the model and never happens. */
  never: z.array(never).optional(),
  /** Of a random search: the seed and path that lead to what was found, or its seed, and how much was done. */
  random: z
    .object({ seed: z.int(), path: z.string().optional(), runs: count, ways: count, suspected: z.array(z.string()) })
    .optional(),
  /** For a variant: the properties that it must violate, with the lengths of their shortest traces. */
  recorded: z.record(z.string(), count).optional(),
  /** Where it was checked at other sizes than those of the record: the named size of the record. */
  recordedAt: z.string().optional(),
  properties: z.array(property),
});

const results = z.object({
  version: z.literal(1),
  runs: z.array(run),
  /** Why there are fewer runs than were asked for. */
  error: z.string().optional(),
  /** The searches that an interruption has kept from being started. */
  notStarted: z.array(z.object({ model: z.string(), size: z.string(), variant: z.string().nullable() })).optional(),
});

/** What `svacheck check --json` writes. */
export type Results = z.infer<typeof results>;
/** One model, or one variant of it, checked at one size. */
export type RunResult = z.infer<typeof run>;

/** What the machine says of a counterexample. */
export type ReplayResult = z.infer<typeof replay>;

const replayed = z.object({
  version: z.literal(1),
  /** One for each trace that was replayed. */
  replays: z.array(
    z.object({
      model: z.string(),
      size: z.string(),
      variant: z.string().nullable(),
      property: z.string().optional(),
      length: count,
      replay,
    }),
  ),
});

/** What `svacheck replay --json` writes. */
export type ReplayResults = z.infer<typeof replayed>;

/** Checks that a value has the form of `ReplayResults`; the error says where it has not. */
export function parseReplayResults(value: unknown): ReplayResults {
  return replayed.parse(value);
}

/** Checks that a value has the form of `Results`; the error says where it has not. */
export function parseResults(value: unknown): Results {
  return results.parse(value);
}
