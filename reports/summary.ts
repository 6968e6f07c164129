/**
 * The summary of a check: a table with one row for each run, which is written as soon as the run is finished.
 */
import type { CheckResult, Limit, PropertyResult, StoreLimit } from '../checker/index.ts';
import { type Instance, isOverTime } from '../language/index.ts';
import type { Colours } from './colours.ts';
import { assumptionsInWords } from './fairness.ts';
import { type Cell, type Column, fit, head, pageWidth, row, wrap } from './table.ts';
import { compare, type Run } from './run.ts';

/** The lines of a summary: first `head`, then for each run what `rowOf` gives. */
export interface Summary {
  readonly head: readonly string[];
  readonly rowOf: (run: Run) => readonly string[];
}

const states: Column = { title: 'states', width: 11, align: 'right' };
const transitions: Column = { title: 'transitions', width: 11, align: 'right' };
const depth: Column = { title: 'depth', width: 5, align: 'right' };
const time: Column = { title: 'time', width: 8, align: 'right' };
const verdict: Column = { title: 'verdict', width: 8 };
const held: Column = { title: 'properties', width: 10, align: 'right' };
const asRecorded: Column = { title: 'verdict', width: 11 };
const found: Column = { title: 'found', width: 5, align: 'right' };
const confirmed: Column = { title: 'machine', width: 7, align: 'right' };

/** The summary of a check of models, or of single variants: how many of the properties hold. */
export function summaryOfVerdicts(instances: readonly Instance[], colours: Colours): Summary {
  const rest = [states, transitions, depth, time, verdict, held];
  const names = instances.map(({ model }) => model.name);
  const columns = [...fitting('model', names, instances, rest), ...rest];
  return {
    head: head(columns),
    rowOf: ({ instance, result }) => {
      const holding = result.properties.filter((property) => property.verdict === 'holds').length;
      const cells = row(columns, [
        instance.model.name,
        sizeOf(instance),
        number(result.states),
        number(result.transitions),
        number(result.depth),
        duration(result.seconds),
        { text: result.verdict, paint: paintVerdict(result.verdict, colours) },
        `${holding}/${result.properties.length}`,
      ]);
      const below = [...(instance.variant === undefined ? [] : [instance.variant]), ...digestOf(result, colours)];
      return below.length === 0 ? cells : [...cells, ...wrap(`  ${below.join('  ')}`, pageWidth, 2)];
    },
  };
}

/** The digest of the states, where it says something: a limit may leave other states unexplored the next time. */
function digestOf({ digest, limit }: CheckResult, { dim }: Colours): readonly string[] {
  const isRepeatable = limit === undefined || limit === 'first violation' || isOfStore(limit);
  return isRepeatable ? [dim(`digest ${digest}`)] : [];
}

/**
 * The summary of a check of all variants: whether each was found as recorded, and with `isReplayed` what the machine says of its
 * counterexamples.
 */
export function summaryOfVariants(instances: readonly Instance[], colours: Colours, isReplayed = false): Summary {
  const rest = [states, depth, time, asRecorded, found, ...(isReplayed ? [confirmed] : [])];
  const names = instances.map(({ variant = '', model }) => `  ${variant}\n${model.name}`);
  const columns = [...fitting('variant', names, instances, rest), ...rest];
  let model = '';
  return {
    head: head(columns),
    rowOf: (run) => {
      const { instance, result } = run;
      const comparison = compare(run);
      const cell: Cell = {
        text: comparison.verdict,
        paint: paintVerdict(comparison.verdict, colours),
      };
      const heading = instance.model.name === model ? [] : [instance.model.name];
      model = instance.model.name;
      return [
        ...heading,
        ...row(columns, [
          `  ${instance.variant ?? ''}`,
          sizeOf(instance),
          number(result.states),
          number(result.depth),
          duration(result.seconds),
          cell,
          `${comparison.found}/${comparison.of}`,
          ...(isReplayed ? [confirmedOf(run, colours)] : []),
        ]),
      ];
    },
  };
}

/** How many of the counterexamples the machine confirms, of those that it was given. */
function confirmedOf({ replays }: Run, { green, red }: Colours): Cell {
  if (replays === undefined) return '';
  const good = [...replays.values()].filter((replay) => replay.verdict === 'confirmed').length;
  return { text: `${good}/${replays.size}`, paint: good === replays.size ? green : red };
}

/** The columns for the names and sizes, in the room that the others leave. */
function fitting(
  title: string,
  names: readonly string[],
  instances: readonly Instance[],
  others: readonly Column[],
): readonly Column[] {
  const taken = others.reduce((total, { width }) => total + width + 2, 0);
  const rows = names.map((name, i) => [name, sizeOf(instances[i] as Instance)]);
  return fit([{ title }, { title: 'size' }], rows, pageWidth - taken);
}

function paintVerdict(text: string, { red, green, yellow }: Colours): (text: string) => string {
  if (text === 'holds' || text === 'as recorded' || text === 'found') return green;
  return text === 'unknown' || text === 'vacuous' ? yellow : red;
}

/** The named size, and what was set otherwise: `ci page=3`. */
export function sizeOf({ model, size, sizes }: Instance): string {
  const set = Object.entries(sizes).filter(([name, value]) => model.sizes[size]?.[name] !== value);
  return [size, ...set.map(([name, value]) => `${name}=${value}`)].join(' ');
}

/** A count with its thousands apart. */
export function number(count: number): string {
  return count.toLocaleString('en-US');
}

/** Seconds, with one decimal where it matters. */
function duration(seconds: number): string {
  return `${seconds < 100 ? seconds.toFixed(1) : number(Math.round(seconds))} s`;
}

/** What to know about a run beside its row: what was assumed, what is vacuous, and why it could not decide everything. */
export function remarks(run: Run): readonly string[] {
  const { instance, result } = run;
  const name = result.variant === undefined ? result.model : `${result.model}, variant ${result.variant}`;
  const isAssuming = result.properties.some(
    ({ kind, verdict: of }) => (kind === 'leadsTo' || kind === 'eventually') && (of === 'holds' || of === 'violated'),
  );
  const vacuous = result.properties.filter((property) => property.verdict === 'vacuous');
  const reasons = new Map<string, number>();
  for (const property of result.properties.filter((of) => of.verdict === 'unknown')) {
    const reason = property.undecided ?? whyUndecided(run, property);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return [
    ...(isAssuming ? [assumptionsInWords(instance)] : []),
    ...vacuous.map(
      (property) => `'${property.name}' is vacuous and does not count as holding: ${whyVacuous(run, property)}`,
    ),
    ...[...reasons].map(([reason, open]) => `${open} of ${result.properties.length} properties undecided: ${reason}`),
  ].flatMap((text) => wrap(`${name}: ${text}`, pageWidth, 2));
}

function whyVacuous({ result }: Run, { kind }: PropertyResult): string {
  if (kind === 'transition') return result.transitions === 0 ? 'there are no steps' : "'given' is true of no step";
  return `'${kind === 'leadsTo' ? 'from' : 'given'}' is true in no reachable state`;
}

function isOfStore(limit: Limit): limit is StoreLimit {
  return limit === 'hash compaction' || limit === 'bitstate';
}

function whyUndecided({ properties, result }: Run, { name }: PropertyResult): string {
  const { limit, omission, depth: reached } = result;
  const property = properties.find((of) => of.name === name);
  if (limit === 'first violation') return 'the search ended when a violation was found (--keep-going explores on)';
  if (limit !== undefined && isOfStore(limit)) {
    if (property !== undefined && isOverTime(property)) {
      return 'properties over time need all states, which this store does not keep';
    }
    const { expected, probability } = omission ?? { expected: 0, probability: 1 };
    const omitted = `a state was omitted with a probability of at most ${probability}`;
    const about = probability < 1 ? omitted : `about ${number(Math.ceil(expected))} states or more were omitted`;
    return `no violation found, but with ${limit === 'bitstate' ? 'bitstate hashing' : limit} ${about}`;
  }
  if (limit === 'temporary file') {
    return `the search stopped since a temporary file could not be written (TMPDIR names a folder for it), at depth ${reached}`;
  }
  if (limit === undefined) return 'the search did not decide them';
  const how = limit === 'interrupted' ? 'was interrupted' : `stopped at the limit ${limit}`;
  return `the search ${how}, at depth ${reached}`;
}
