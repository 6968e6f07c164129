/**
 * Traces as files, version 1: a run of a model as JSON, which can be kept, sent to somebody and replayed. `docs/json.md`
 * describes it. Only what is needed to run it again is in it; the states in between come of the model.
 */
import { z } from 'zod';
import type { Path } from '../checker/index.ts';
import { type Concrete, initialStates, type Instance, type Rule, type State, suggest } from '../language/index.ts';
import { argsOf, type Trace } from './trace.ts';

const json = z.json();

const file = z.strictObject({
  format: z.literal('svacheck trace'),
  version: z.literal(1),
  model: z.string(),
  /** The named size, and the value of each sort and constant. */
  size: z.string(),
  sizes: z.record(z.string(), z.int().nonnegative()),
  variant: z.string().nullable(),
  /** The property that it is a counterexample of, and the members for which it is violated. */
  property: z.string().optional(),
  binding: z.string().optional(),
  initial: z.record(z.string(), json),
  steps: z.array(z.strictObject({ action: z.string(), step: z.string().optional(), args: z.record(z.string(), json) })),
  /** Of a lasso: how many steps lead to its loop, which is the rest. */
  loopFrom: z.int().nonnegative().optional(),
});

/** A trace as it stands in a file. */
export type TraceFile = z.infer<typeof file>;

/** What is wrong with a trace file, in a sentence. */
export class TraceFileError extends Error {
  override readonly name = 'TraceFileError';
}

/** What a trace is a counterexample of. */
interface About {
  readonly property?: string;
  readonly binding?: string;
}

/** The text of a trace file. */
export function traceFile(trace: Trace, { property, binding = '' }: About = {}): string {
  const { instance, initial, steps, loopFrom } = trace;
  const content: TraceFile = {
    format: 'svacheck trace',
    version: 1,
    model: instance.model.name,
    size: instance.size,
    sizes: { ...instance.sizes },
    variant: instance.variant ?? null,
    ...(property === undefined ? {} : { property }),
    ...(binding === '' ? {} : { binding }),
    initial: plain(instance.domain, initial) as TraceFile['initial'],
    steps: steps.map(({ action, args }) => ({
      action: action.type,
      ...(action.step === undefined ? {} : { step: action.step }),
      args: args as TraceFile['steps'][number]['args'],
    })),
    ...(loopFrom === undefined ? {} : { loopFrom }),
  };
  return `${JSON.stringify(file.parse(content), undefined, 2)}\n`;
}

/** Reads the text of a trace file. Throws `TraceFileError`. */
export function parseTraceFile(text: string): TraceFile {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new TraceFileError('is not JSON');
  }
  const parsed = file.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const version = (content as { readonly version?: unknown } | null)?.version;
  if (issue?.path[0] === 'version' && typeof version === 'number') {
    throw new TraceFileError(`has version ${version} of the format; known is 1`);
  }
  const where = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  throw new TraceFileError(`is not a trace${where}: ${issue?.message ?? 'unknown form'}`);
}

/**
 * The path of a trace file in an instance of its model. Throws `TraceFileError` if the model has no such initial state or
 * actions; whether the actions are enabled where they stand is for `traceOf` to see.
 */
export function pathOf(
  instance: Instance,
  { initial, steps, loopFrom }: TraceFile,
): Path & { readonly loopFrom?: number } {
  const wanted = canonical(initial);
  const start = (initialStates(instance) as readonly State[]).find(
    (state) => canonical(plain(instance.domain, state)) === wanted,
  );
  if (start === undefined) throw new TraceFileError('does not start in an initial state of the model');
  const actions = steps.map(({ action: type, step, args }, i) => {
    const rule = instance.rules.find((candidate) => candidate.type === type && candidate.step === step);
    const at = `step ${i + 1}: `;
    if (rule === undefined) throw new TraceFileError(`${at}${unknownRule(instance, type, step)}`);
    const given = canonical(args);
    const bound = rule.bindings.find(({ action }) => canonical(argsOf(rule, action)) === given);
    if (bound === undefined)
      throw new TraceFileError(`${at}'${type}' cannot have the parameters ${JSON.stringify(args)}`);
    return bound.action;
  });
  if (loopFrom !== undefined && loopFrom > steps.length) {
    throw new TraceFileError(`has a loop from step ${loopFrom} on, and only ${steps.length} steps`);
  }
  return { initial: start, actions, ...(loopFrom === undefined ? {} : { loopFrom }) };
}

function unknownRule({ rules }: Instance, type: string, step: string | undefined): string {
  const same = rules.filter((rule) => rule.type === type);
  if (same.length === 0)
    return `there is no action '${type}'${suggest(type, [...new Set(rules.map((rule) => rule.type))])}`;
  if (step === undefined) return `'${type}' is a procedure: a step of it is missing`;
  return `'${type}' has no step '${step}'${suggest(step, namesOf(same))}`;
}

function namesOf(rules: readonly Rule[]): readonly string[] {
  return rules.flatMap(({ step }) => (step === undefined ? [] : [step]));
}

/** A value of the state as plain data: members of sorts by name, queues, bags and sets as arrays. */
function plain(domain: Concrete, value: unknown): unknown {
  const { structure } = domain;
  switch (structure.kind) {
    case 'leaf':
      return structure.sort === undefined ? value : domain.show(value);
    case 'optional':
      return value === null ? null : plain(structure.of, value);
    case 'record':
      return Object.fromEntries(
        structure.fields.map(([name, of]) => [name, plain(of, (value as Readonly<Record<string, unknown>>)[name])]),
      );
    case 'each':
      return Array.from({ length: structure.sort.size }, (_, i) =>
        plain(structure.of, (value as readonly unknown[])[i]),
      );
    case 'setOf':
      return [...(value as Iterable<unknown>)].map((member) => `${structure.sort.name}${String(member)}`);
    case 'queue':
    case 'bag':
      return [...(value as Iterable<unknown>)].map((item) => plain(structure.of, item));
    default:
      return structure satisfies never;
  }
}

/** JSON with the keys of objects in order: equal values have equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
