/**
 * `svacheck check`: explores models and decides their properties, or finds their variants as recorded.
 */
import { inspect } from 'node:util';
import { type Command, Option } from 'commander';
import { CheckpointError } from '../../checker/index.ts';
import { isLowered } from '../../executor/lowering/index.ts';
import { type Colours, coloursFor } from '../../reports/colours.ts';
import { coverageLines, neverLines } from '../../reports/coverage.ts';
import { explanationLines } from '../../reports/explain.ts';
import { jsonOf } from '../../reports/json.ts';
import { mermaidOf } from '../../reports/mermaid.ts';
import { compare, disagreements, type Run, sorted } from '../../reports/run.ts';
import { disagreementLines } from '../../reports/replay.ts';
import { reductionLines } from '../../reports/reductions.ts';
import { remarks, summaryOfVariants, summaryOfVerdicts } from '../../reports/summary.ts';
import { violations } from '../../reports/terminal.ts';
import { pageWidth, wrap } from '../../reports/table.ts';
import { checkpointLines, nameOf, notStartedLines } from '../go-on.ts';
import { interruption } from '../interrupt.ts';
import { jsonFile } from '../json-file.ts';
import { loadProtocols } from '../load.ts';
import { another, bytes, count, seconds, setSize } from '../options.ts';
import { plan, type Planned, type Wishes } from '../plan.ts';
import { runOf, type SearchWishes } from '../run.ts';
import { saveFolder, saveTraces } from '../save.ts';
import { UsageError } from '../usage-error.ts';

interface CheckOptions extends Wishes, SearchWishes {
  readonly json?: string;
  readonly mermaid?: true;
  readonly save?: string;
  readonly typecheck: boolean;
}

/** Adds the command to the program. */
export function addCheck(program: Command): void {
  program
    .command('check')
    .summary('check that the properties of models hold')
    .description(
      'Explores every reachable state of the models within their sizes and decides their properties.\n' +
        'A violation is shown by a shortest trace; where something must happen at last, by a short run on which it never does.',
    )
    .argument(
      '[MODEL|FILE.ts...]',
      'shipped models, with those below them, or files that export models (default: all shipped)',
    )
    .option(
      '--size <size>',
      'a named size of the model (default: ci; for a variant, the one it was recorded at, which some need)',
    )
    .option('--set <name=number>', 'set the size of a sort, or a constant; may be repeated', setSize)
    .option('--variant <name|all>', 'check a variant, or check that all variants are found as recorded')
    .option('--property <name>', 'decide only this property; may be repeated', another)
    .option('--keep-going', 'explore on after the violations that were looked for, until every property is decided')
    .option('--max-states <n>', 'stop after so many states', count)
    .option('--max-seconds <s>', 'stop after so many seconds', seconds)
    .option(
      '--max-memory <bytes>',
      'stop when the states and all that is kept about them fill so much memory, such as 2G (default: 85 % of what is free)',
      bytes,
    )
    .addOption(
      new Option('--engine <engine>', 'how to explore: by generated code, or plainly, slowly, and with the same result')
        .choices(['compiled', 'plain'])
        .default('compiled'),
    )
    .option('--workers <n>', 'explore with so many threads (default: one for each core)', count)
    .addOption(
      new Option(
        '--store <store>',
        'what to keep of states: all; fingerprints, or bits, where memory does not hold all, and some may be omitted',
      )
        .choices(['exact', 'compact', 'bitstate'])
        .default('exact'),
    )
    .option('--symmetry', 'count states as one that differ only in the names of interchangeable members')
    .option('--slice', 'explore for each property only the part of the model that it depends on')
    .option('--por', 'partial order reduction: leave out orders of independent steps that no property can tell apart')
    .option('--explain', 'tell what was made of the model: what runs as generated code, what does not and why')
    .option('--coverage', 'tell how often each action, step, guard and decision took part')
    .option('--checkpoint <file>', 'write a checkpoint now and then, at a limit and when interrupted, to go on from')
    .option('--checkpoint-every <s>', 'the seconds between two checkpoints (default: 60)', seconds)
    .option('--resume <file>', 'go on from a checkpoint of the same model, size, variant and properties')
    .option('--json <file>', 'write the results as JSON, - for standard output')
    .option('--mermaid', 'print each counterexample as a Mermaid sequence diagram')
    .option('--save <folder>', 'write each counterexample as a trace file, for svacheck replay')
    .option('--no-replay', 'do not replay counterexamples on the concrete machine')
    .option('--no-typecheck', 'do not check the types of FILE.ts')
    .addHelpText(
      'after',
      '\nExit code: 0 all hold, 1 violated, 2 usage or model error, 3 unknown, vacuous (it speaks of nothing that can\n' +
        'happen) or interrupted. With --variant all, 0 means that every variant was found as recorded, and\n' +
        'that the machine confirms every counterexample that was replayed on it.\n\n' +
        'Example:\n  svacheck check atc-invalidation --set page=1 --max-seconds 60 --json result.json',
    )
    .action(async (targets: readonly string[], options: CheckOptions) => {
      process.exitCode = await check(targets, options);
    });
}

async function check(targets: readonly string[], options: CheckOptions): Promise<number> {
  refuseTogether(options);
  const writeJson = options.json === undefined ? undefined : jsonFile(options.json);
  if (options.save !== undefined) saveFolder(options.save);
  const searches = plan(await loadProtocols(targets, options), options);
  refuseSeveral(searches, options);

  // What a program reads has standard output for itself.
  const stream = options.json === '-' || options.mermaid === true ? process.stderr : process.stdout;
  const print = (lines: readonly string[]): void => {
    if (lines.length > 0) stream.write(`${lines.join('\n')}\n`);
  };
  const colours = coloursFor(stream);
  const instances = searches.map(({ instance }) => instance);
  const isRecord = options.variant === 'all';
  const summary = isRecord
    ? summaryOfVariants(instances, colours, options.replay && instances.some(({ model }) => isLowered(model)))
    : summaryOfVerdicts(instances, colours);
  const wish = interruption();
  const runs: Run[] = [];
  let failure: Error | undefined;
  try {
    for (const planned of searches) {
      if (wish.signal.aborted) break;
      let run = await runOf(planned, options, wish);
      // What other sizes do not show is looked for where it was recorded.
      if (isRecord && planned.atRecord !== undefined && compare(run).verdict === 'differs') {
        run = await runOf({ ...planned.atRecord(), only: planned.only }, options, wish);
      }
      if (runs.length === 0) print(summary.head);
      runs.push(run);
      print(summary.rowOf(run));
      if (options.save !== undefined) await saveTraces(options.save, run);
    }
  } catch (error) {
    failure = error instanceof Error ? error : new Error(inspect(error));
    throw error;
  } finally {
    print(details(runs, isRecord, colours));
    if (options.mermaid === true) process.stdout.write(diagrams(runs).join('\n'));
    const notStarted = failure === undefined ? instances.slice(runs.length) : [];
    if (searches.length === 1)
      print(section(runs.flatMap(({ result }) => checkpointLines(result, process.argv.slice(2)))));
    print(section(notStartedLines(notStarted)));
    // A checkpoint is refused before anything is done, and so the results of an earlier check stay.
    if (!isRefused(failure)) writeJson?.(await jsonOf(runs, failure?.message, notStarted));
  }
  return exitCode(runs, isRecord, runs.length < searches.length);
}

function isRefused(failure: Error | undefined): boolean {
  return failure instanceof UsageError && failure.cause instanceof CheckpointError;
}

/** Refuses options that do not go together. */
function refuseTogether(options: CheckOptions): void {
  if (options.json === '-' && options.mermaid === true) {
    throw new UsageError('--json - and --mermaid both want standard output: give --json a file');
  }
  const { workers, explain, symmetry, slice, por } = options;
  const store = options.store === 'exact' ? undefined : options.store;
  const ofCompiled = { workers, store, explain, symmetry, slice, por, ...checkpointOptions(options) };
  for (const [name, value] of Object.entries(ofCompiled)) {
    if (options.engine === 'plain' && value !== undefined) {
      throw new UsageError(`--${name} is for the compiled engine: leave out --engine plain, or --${name}`);
    }
  }
  for (const [name, value] of Object.entries(checkpointOptions(options))) {
    if (store !== undefined && value !== undefined) {
      throw new UsageError(`--${name} needs all states, which --store ${store} does not keep: leave out one of them`);
    }
  }
  const leaving = Object.entries({ store, symmetry, slice, por }).find(([, value]) => value !== undefined);
  if (options.coverage === true && leaving !== undefined) {
    throw new UsageError(
      `--coverage counts in all states, of which --${leaving[0]} leaves some out: leave out one of them`,
    );
  }
  if (options.checkpointEvery !== undefined && options.checkpoint === undefined) {
    throw new UsageError('--checkpoint-every says how often: --checkpoint FILE says where to');
  }
}

function checkpointOptions({ checkpoint, resume }: CheckOptions): Readonly<Record<string, string | undefined>> {
  return { checkpoint, resume };
}

/** A checkpoint is of one search. */
function refuseSeveral(searches: readonly Planned[], options: CheckOptions): void {
  if (searches.length === 1) return;
  for (const [name, value] of Object.entries(checkpointOptions(options))) {
    if (value === undefined) continue;
    const named = searches.map(({ instance }) => nameOf(instance));
    const some = named.length > 3 ? [...named.slice(0, 3), '...'] : named;
    throw new UsageError(
      `--${name} is for one search, and this check has ${named.length} (${some.join('; ')}): name one model, or one variant`,
    );
  }
}

/** What is printed below the table. Of a variant that is found as recorded, nothing more needs to be said. */
function details(runs: readonly Run[], isRecord: boolean, colours: Colours): readonly string[] {
  const notable = isRecord ? runs.filter((run) => ['differs', 'unknown'].includes(compare(run).verdict)) : runs;
  return [
    ...section(
      notable.flatMap((run) => [
        ...reductionLines(run.result),
        ...remarks(run),
        ...(isRecord ? [] : neverLines(nameOf(run.instance), run.result.never ?? [])),
      ]),
    ),
    ...runs.flatMap(({ instance, result: { coverage, states } }) =>
      coverage === undefined ? [] : ['', ...coverageLines(nameOf(instance), coverage, states, colours)],
    ),
    ...runs.flatMap(({ instance, result: { explanation } }) =>
      explanation === undefined ? [] : ['', ...explanationLines(nameOf(instance), explanation, colours)],
    ),
    ...section(runs.flatMap((run) => disagreementLines(run, notable.includes(run), colours))),
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
  const found = compare(run).differences;
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

function exitCode(runs: readonly Run[], isRecord: boolean, isUnfinished: boolean): number {
  const verdicts = runs.map((run) => (isRecord ? compare(run).verdict : run.result.verdict));
  if (verdicts.some((verdict) => verdict === 'violated' || verdict === 'differs')) return 1;
  // A counterexample that the machine does not follow is a finding about the model or the machine.
  if (runs.some((run) => disagreements(run).length > 0)) return 1;
  if (isUnfinished || runs.some(({ result }) => result.limit === 'interrupted')) return 3;
  return verdicts.includes('unknown') || verdicts.includes('vacuous') ? 3 : 0;
}
