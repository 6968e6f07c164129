/**
 * `svacheck fuzz`: explores models at random, where they are too large for every state, and looks for violations.
 */
import { inspect } from 'node:util';
import type { Command } from 'commander';
import type { Instance } from '../../language/index.ts';
import { type Colours, coloursFor } from '../../reports/colours.ts';
import { fuzzLines, suspicionLines } from '../../reports/fuzz.ts';
import { jsonOf } from '../../reports/json.ts';
import type { Run } from '../../reports/run.ts';
import { pageWidth, wrap } from '../../reports/table.ts';
import { violations } from '../../reports/terminal.ts';
import type { FuzzRun } from '../fuzz/run.ts';
import { quoted } from '../go-on.ts';
import { interruption } from '../interrupt.ts';
import { jsonFile } from '../json-file.ts';
import { loadProtocols } from '../load.ts';
import { another, count, seconds, setSize, wholeNumber } from '../options.ts';
import { plan, type Planned, type Wishes } from '../plan.ts';
import { saveFolder, saveTraces } from '../save.ts';
import { shownPath } from '../shown-path.ts';
import { UsageError } from '../usage-error.ts';

interface FuzzOptions extends Wishes {
  readonly runs?: number;
  readonly maxSeconds?: number;
  readonly plateau?: number;
  readonly seed?: number;
  readonly path?: string;
  readonly minimize?: true;
  readonly workers?: number;
  readonly json?: string;
  readonly save?: string;
  readonly typecheck: boolean;
}

/** Adds the command to the program. */
export function addFuzz(program: Command): void {
  program
    .command('fuzz')
    .summary('look for violations at random, where models are too large for every state')
    .description(
      'Takes random runs through the models, at any size, and looks for violations on the way. A run that fails is made\n' +
        'shorter, and shown with the command that shows it again. That nothing is found proves nothing.',
    )
    .argument('[MODEL|FILE.ts...]', 'shipped models, with those below them, or files that export models (default: all)')
    .option('--size <size>', 'a named size of the model (default: ci; for a variant, the one it was recorded at)')
    .option('--set <name=number>', 'set the size of a sort, or a constant; may be repeated', setSize)
    .option('--variant <name|all>', 'explore a variant, or find them all')
    .option('--property <name>', 'look for violations of this property alone; may be repeated', another)
    .option('--runs <n>', 'stop after so many runs', count)
    .option(
      '--max-seconds <s>',
      'stop after so many seconds, for each model (default: 60, or with --runs no limit)',
      seconds,
    )
    .option('--plateau <n>', 'stop when so many runs in a row have met nothing new', count)
    .option(
      '--seed <n>',
      'what all that is random comes from: the same seed finds the same (default: a new one)',
      wholeNumber,
    )
    .option('--path <path>', 'with the seed that was printed with it: make that run again')
    .option('--minimize', 'search around what was found for what is shortest of all')
    .option('--workers <n>', 'explore with so many threads (default: one for each core)', count)
    .option('--json <file>', 'write the results as JSON, - for standard output')
    .option('--save <folder>', 'write each counterexample as a trace file')
    .option('--no-typecheck', 'do not check the types of FILE.ts')
    .addHelpText(
      'after',
      '\nExit code: 0 nothing was found, 1 violated, 2 usage or model error, 3 something is suspected, or interrupted.\n' +
        'With --variant all, 0 means that every variant was found.\n\n' +
        'Example:\n  svacheck fuzz atc-invalidation --set page=4 --set endpoint=3 --max-seconds 30',
    )
    .action(async (targets: readonly string[], options: FuzzOptions) => {
      process.exitCode = await fuzz(targets, options);
    });
}

async function fuzz(targets: readonly string[], options: FuzzOptions): Promise<number> {
  if (options.path !== undefined && options.seed === undefined)
    throw new UsageError('--path is of one seed: give --seed too, as it was printed');
  const writeJson = options.json === undefined ? undefined : jsonFile(options.json);
  if (options.save !== undefined) saveFolder(options.save);
  const searches = plan(await loadProtocols(targets, options), options);
  const chosen = [...searches.entries()].filter(([, { instance }]) => isMeant(instance, searches, targets, options));
  if (options.path !== undefined && chosen.length > 1)
    throw new UsageError(`--path is of one search, and this has ${chosen.length}: name one model, or one variant`);
  const stream = options.json === '-' ? process.stderr : process.stdout;
  const colours = coloursFor(stream);
  const print = (lines: readonly string[]): void => {
    if (lines.length > 0) stream.write(`${lines.join('\n')}\n`);
  };
  // Without one, a new seed each time is the point; it is printed with what came of it.
  const seed = options.seed ?? Date.now() & 0x7fff_ffff;
  const wish = interruption();
  const runs: Run[] = [];
  let suspicious = 0;
  let failure: Error | undefined;
  // Loaded here, since no other command needs what random runs need.
  const { fuzzRun } = await import('../fuzz/run.ts');
  try {
    for (const [index, planned] of chosen) {
      if (wish.signal.aborted) break;
      const found = await fuzzRun({ planned, targets, index, seed, wishes: options }, wish);
      if (runs.length > 0) print(['']);
      runs.push(found.run);
      if (found.suspected.length > 0) suspicious++;
      const saved = options.save === undefined ? [] : await saveTraces(options.save, found.run);
      print(told(found, { targets, options, seed, colours, saved }));
    }
  } catch (error) {
    failure = error instanceof Error ? error : new Error(inspect(error));
    throw error;
  } finally {
    const notStarted = failure === undefined ? chosen.slice(runs.length).map(([, { instance }]) => instance) : [];
    writeJson?.(await jsonOf(runs, failure?.message, notStarted));
  }
  const violated = runs.filter(({ result }) => result.verdict === 'violated').length;
  const found = violated + suspicious;
  if (options.variant === 'all') {
    print(['', `${found} of ${chosen.length} variants found`]);
    return found === chosen.length ? 0 : 1;
  }
  if (violated > 0) return 1;
  return wish.signal.aborted || suspicious > 0 ? 3 : 0;
}

/** A name also stands for the models below it, but the run that a path leads to is of one. */
function isMeant(
  { model }: Instance,
  all: readonly Planned[],
  targets: readonly string[],
  { path }: FuzzOptions,
): boolean {
  const isNamed = (name: string): boolean => targets.includes(name);
  return path === undefined || isNamed(model.name) || !all.some(({ instance }) => isNamed(instance.model.name));
}

/** What is printed of one search. */
function told(
  { run, outcome, again, suspected, minimized }: FuzzRun,
  {
    targets,
    options,
    seed,
    colours,
    saved,
  }: {
    readonly targets: readonly string[];
    readonly options: FuzzOptions;
    readonly seed: number;
    readonly colours: Colours;
    readonly saved: readonly string[];
  },
): readonly string[] {
  const summary = fuzzLines(run, outcome, { end: outcome.end, seed }, colours);
  if (again === undefined) return summary;
  const command = `  ${againCommand(run.instance, targets, options, again)}`;
  if (options.variant === 'all') return [...summary, command];
  return [
    ...summary,
    ...violations(run, colours),
    ...(minimized === undefined ? [] : ['', ...wrap(`Searched around it: ${minimized}`, pageWidth, 2)]),
    ...suspected.flatMap((one) => suspicionLines(one, colours)),
    '',
    'To see it again:',
    command,
    ...saved.map((file) => `Saved as ${shownPath(file)}`),
  ];
}

/** The command that makes the run that has failed again. */
function againCommand(
  { model, variant, size, sizes }: Instance,
  targets: readonly string[],
  { set = {}, size: wanted, property = [], variant: named }: FuzzOptions,
  { seed, path }: { readonly seed: number; readonly path: string },
): string {
  const isShipped = targets.every((target) => !/\.[cm]?[jt]sx?$/.test(target));
  return [
    'svacheck',
    'fuzz',
    ...(isShipped ? [model.name] : targets),
    ...(variant === undefined || named === undefined ? [] : ['--variant', variant]),
    ...(wanted === undefined ? [] : ['--size', size]),
    ...Object.keys(set).flatMap((name) => (sizes[name] === undefined ? [] : ['--set', `${name}=${sizes[name]}`])),
    ...property.flatMap((name) => ['--property', name]),
    '--seed',
    String(seed),
    '--path',
    path,
  ]
    .map(quoted)
    .join(' ');
}
