/**
 * `svacheck check`: explores models and decides their properties, or finds their variants as recorded.
 */
import type { Command } from 'commander';
import { ModelErrorAtState, search, type SearchOptions } from '../../checker/index.ts';
import { propertiesOf } from '../../language/index.ts';
import { type Colours, coloursFor } from '../../reports/colours.ts';
import { jsonOf } from '../../reports/json.ts';
import { mermaidOf } from '../../reports/mermaid.ts';
import { progressLine } from '../../reports/progress.ts';
import { compare, type Run, sorted } from '../../reports/run.ts';
import { remarks, summaryOfVariants, summaryOfVerdicts } from '../../reports/summary.ts';
import { traceLines, violations } from '../../reports/terminal.ts';
import { pageWidth, wrap } from '../../reports/table.ts';
import { showBinding } from '../../traces/around.ts';
import { type Trace, traceOf } from '../../traces/trace.ts';
import { jsonFile } from '../json-file.ts';
import { loadProtocols } from '../load.ts';
import { another, bytes, count, seconds, setSize } from '../options.ts';
import { plan, type Planned, recordOf, type Wishes } from '../plan.ts';
import { UsageError } from '../usage-error.ts';

interface CheckOptions extends Wishes {
  readonly keepGoing?: true;
  readonly maxStates?: number;
  readonly maxSeconds?: number;
  readonly maxMemory?: number;
  readonly json?: string;
  readonly mermaid?: true;
  readonly typecheck: boolean;
}

/** Adds the command to the program. */
export function addCheck(program: Command): void {
  program
    .command('check')
    .summary('check that the properties of models hold')
    .description(
      'Explores every reachable state of the models within their sizes and decides their properties.\n' +
        'A violation is shown by a shortest trace.',
    )
    .argument(
      '[MODEL|FILE.ts...]',
      'shipped models, with those below them, or files that export models (default: all shipped)',
    )
    .option('--size <size>', 'a named size of the model (default: ci; for a variant, the one it was recorded at)')
    .option('--set <name=number>', 'set the size of a sort, or a constant; may be repeated', setSize)
    .option('--variant <name|all>', 'check a variant, or check that all variants are found as recorded')
    .option('--property <name>', 'decide only this property; may be repeated', another)
    .option('--keep-going', 'explore on after the violations that were looked for, until every property is decided')
    .option('--max-states <n>', 'stop after so many states', count)
    .option('--max-seconds <s>', 'stop after so many seconds', seconds)
    .option('--max-memory <bytes>', "stop when so much is in use, such as 2G (at most 85 % of Node's heap)", bytes)
    .option('--json <file>', 'write the results as JSON, - for standard output')
    .option('--mermaid', 'print each counterexample as a Mermaid sequence diagram')
    .option('--no-typecheck', 'do not check the types of FILE.ts')
    .addHelpText(
      'after',
      '\nExit code: 0 all hold, 1 violated, 2 usage or model error, 3 unknown. With --variant all, 0 means that every\n' +
        'variant was found as recorded.\n\n' +
        'Example:\n  svacheck check atc-invalidation --set page=1 --max-seconds 60 --json result.json',
    )
    .action(async (targets: readonly string[], options: CheckOptions) => {
      process.exitCode = await check(targets, options);
    });
}

async function check(targets: readonly string[], options: CheckOptions): Promise<number> {
  if (options.json === '-' && options.mermaid === true) {
    throw new UsageError('--json - and --mermaid both want standard output: give --json a file');
  }
  const writeJson = options.json === undefined ? undefined : jsonFile(options.json);
  const searches = plan(await loadProtocols(targets, options), options);

  // What a program reads has standard output for itself.
  const stream = options.json === '-' || options.mermaid === true ? process.stderr : process.stdout;
  const print = (lines: readonly string[]): void => {
    if (lines.length > 0) stream.write(`${lines.join('\n')}\n`);
  };
  const colours = coloursFor(stream);
  const instances = searches.map(({ instance }) => instance);
  const isRecord = options.variant === 'all';
  const summary = isRecord ? summaryOfVariants(instances, colours) : summaryOfVerdicts(instances, colours);
  const runs: Run[] = [];
  let failure: string | undefined;
  try {
    for (const planned of searches) {
      const run = runOf(planned, options);
      if (runs.length === 0) print(summary.head);
      runs.push(run);
      print(summary.rowOf(run));
    }
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    throw error;
  } finally {
    print(details(runs, isRecord, colours));
    if (options.mermaid === true) process.stdout.write(diagrams(runs).join('\n'));
    writeJson?.(await jsonOf(runs, failure));
  }
  return exitCode(runs, isRecord);
}

/** One search, and the traces that it found. */
function runOf(planned: Planned, options: CheckOptions): Run {
  const { instance, sets, only, variant } = planned;
  const isRecord = options.variant === 'all';
  const progress = progressLine(process.stderr);
  const name = variant === undefined ? instance.model.name : `${instance.model.name} ${variant.name}`;
  const recorded = variant === undefined ? {} : recordOf(variant, only);
  const awaited = Object.keys(recorded);
  const searchOptions: SearchOptions = {
    properties: only,
    keepGoing: options.keepGoing,
    until: awaited.length === 0 ? undefined : awaited,
    maxStates: options.maxStates,
    maxSeconds: options.maxSeconds,
    maxMemory: options.maxMemory,
    onProgress: (state) => progress.show(name, state),
  };
  try {
    const result = search(instance, sets, searchOptions);
    const traces = new Map<string, Trace>();
    const members = new Map<string, string>();
    for (const { name: property, path, binding = {} } of result.properties) {
      if (path === undefined) continue;
      traces.set(property, traceOf(instance, path));
      members.set(property, showBinding(instance, sets, property, binding));
    }
    const run = {
      instance,
      properties: propertiesOf(instance, sets, only),
      result,
      traces,
      members,
    };
    if (isRecord) return { ...run, recorded };
    const [main] = awaited;
    return main === undefined ? run : { ...run, main };
  } catch (error) {
    if (!(error instanceof ModelErrorAtState)) throw error;
    const trace = traceOf(instance, error.path);
    const lead = trace.steps.length === 0 ? 'in an initial state' : 'after these steps:';
    const lines = [error.message, lead, ...traceLines(trace, coloursFor(process.stderr))];
    throw new UsageError(lines.join('\n').trimEnd(), { cause: error });
  } finally {
    progress.clear();
  }
}

/** What is printed below the table. Of a variant that is found as recorded, nothing more needs to be said. */
function details(runs: readonly Run[], isRecord: boolean, colours: Colours): readonly string[] {
  const notable = isRecord ? runs.filter((run) => compare(run, run.recorded ?? {}).verdict !== 'as recorded') : runs;
  return [
    ...section(notable.flatMap((run) => remarks(run))),
    ...notable.flatMap((run) => {
      const wrong = isRecord ? differences(run, colours) : [];
      return isRecord && wrong.length === 0 ? [] : [...wrong, ...violations(run, colours)];
    }),
  ];
}

function section(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', ...lines];
}

function differences(run: Run, { bold }: Colours): readonly string[] {
  const found = compare(run, run.recorded ?? {}).differences;
  if (found.length === 0) return [];
  return [
    '',
    bold(`${run.result.model}, variant ${run.result.variant ?? ''}: not as recorded`),
    ...found.flatMap((text) => wrap(`  ${text}`, pageWidth, 2)),
  ];
}

/** The diagram of each violation, with a comment that says of what. */
function diagrams(runs: readonly Run[]): readonly string[] {
  return runs.flatMap((run) =>
    sorted(run).shown.flatMap(({ name }) => {
      const { result, traces } = run;
      const trace = traces.get(name);
      if (trace === undefined) return [];
      const of = result.variant === undefined ? result.model : `${result.model}, variant ${result.variant}`;
      return [`%% ${of}: ${name}\n${mermaidOf(trace, `violated: ${name}`)}`];
    }),
  );
}

function exitCode(runs: readonly Run[], isRecord: boolean): number {
  const verdicts = runs.map((run) => (isRecord ? compare(run, run.recorded ?? {}).verdict : run.result.verdict));
  if (verdicts.some((verdict) => verdict === 'violated' || verdict === 'differs')) return 1;
  return verdicts.includes('unknown') ? 3 : 0;
}
