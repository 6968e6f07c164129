/**
 * `svacheck replay`: a counterexample done step by step on the concrete machine.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type AnyLowering, loweredModels, loweringOf } from '../../executor/lowering/index.ts';
import { type Instance, instantiate, ModelError, type Sizes, suggest } from '../../language/index.ts';
import { type Colours, coloursFor } from '../../reports/colours.ts';
import { replayLines } from '../../reports/replay.ts';
import { lengthInWords } from '../../reports/run.ts';
import { traceLines } from '../../reports/terminal.ts';
import { pageWidth, wrap } from '../../reports/table.ts';
import { type Replay, replay } from '../../traces/replay.ts';
import type { ReplayResults } from '../../traces/result.ts';
import { type Trace, traceOf } from '../../traces/trace.ts';
import { nameOf } from '../go-on.ts';
import { interruption } from '../interrupt.ts';
import { jsonFile } from '../json-file.ts';
import { loadProtocols } from '../load.ts';
import { another, setSize } from '../options.ts';
import { plan } from '../plan.ts';
import { runOf } from '../run.ts';
import { shownPath } from '../shown-path.ts';
import { UsageError } from '../usage-error.ts';

interface ReplayOptions {
  readonly variant?: string;
  readonly size?: string;
  readonly set?: Sizes;
  readonly property?: readonly string[];
  readonly json?: string;
}

/** A trace, and the property that it is a counterexample of, if it is told. */
interface Counterexample {
  readonly trace: Trace;
  readonly property?: string;
  readonly binding?: string;
}

/** Adds the command to the program. */
export function addReplay(program: Command): void {
  program
    .command('replay')
    .summary('do a counterexample on the concrete machine, step by step')
    .description(
      'Does each step of a counterexample on a machine with real tables, queues and caches, compares the machine with the ' +
        'model after each, and shows what it physically comes to: which bytes landed in whose frame.',
    )
    .argument(
      '<TRACE.json|MODEL>',
      'a trace file, as svacheck check --save writes it, or a shipped model to check first',
    )
    .option('--variant <name>', 'of a model: the variant whose counterexamples are replayed')
    .option('--size <size>', 'of a model: a named size (default: as for svacheck check)')
    .option('--set <name=number>', 'of a model: set the size of a sort, or a constant; may be repeated', setSize)
    .option(
      '--property <name>',
      'of a model: replay only the counterexample of this property; may be repeated',
      another,
    )
    .option('--json <file>', 'write the results as JSON, - for standard output')
    .addHelpText(
      'after',
      '\nExit code: 0 the machine confirms, 1 it disagrees (and where first), 2 usage error, or nothing to replay.\n\n' +
        'Example:\n  svacheck replay atc-invalidation --variant no-sync',
    )
    .action(async (target: string, options: ReplayOptions) => {
      process.exitCode = await replayAll(target, options);
    });
}

async function replayAll(target: string, options: ReplayOptions): Promise<number> {
  const writeJson = options.json === undefined ? undefined : jsonFile(options.json);
  const found = target.endsWith('.json') ? [await fromFile(target, options)] : await fromModel(target, options);
  const stream = options.json === '-' ? process.stderr : process.stdout;
  const colours = coloursFor(stream);
  const results: (Counterexample & { readonly replay: Replay })[] = [];
  for (const [i, one] of found.entries()) {
    const of = replay(await loweringFor(one.trace.instance), one.trace);
    if (of.verdict === 'not possible') throw new UsageError(`${nameOf(one.trace.instance)}: ${of.reason}`);
    results.push({ ...one, replay: of });
    stream.write(`${[...(i === 0 ? [] : ['']), ...lines(one, of, colours)].join('\n')}\n`);
  }
  writeJson?.(await jsonOf(results));
  return results.some(({ replay: of }) => of.verdict === 'disagrees') ? 1 : 0;
}

function lines({ trace, property, binding = '' }: Counterexample, of: Replay, colours: Colours): readonly string[] {
  const { model, variant } = trace.instance;
  const title = property ?? 'a run';
  return [
    colours.bold(`${model.name}${variant === undefined ? '' : `, variant ${variant}`}`),
    ...wrap(title, pageWidth).map((line) => colours.red(colours.bold(line))),
    ...wrap(`  ${lengthInWords(trace)}${binding === '' ? '' : `, for ${binding}`}`, pageWidth, 2),
    ...traceLines(trace, colours),
    '',
    ...replayLines(of, colours),
  ];
}

async function loweringFor({ model }: Instance): Promise<AnyLowering> {
  const lowering = await loweringOf(model);
  if (lowering === undefined) {
    throw new UsageError(
      `'${model.name}' has no lowering onto the machine, so that nothing can be replayed; there is one of ` +
        loweredModels.map((name) => `'${name}'`).join(', '),
    );
  }
  return lowering;
}

async function fromModel(
  target: string,
  { variant, size, set, property }: ReplayOptions,
): Promise<readonly Counterexample[]> {
  if (variant === 'all')
    throw new UsageError('svacheck check --variant all replays the counterexamples of all variants');
  const below = await loadProtocols([target], { typecheck: true });
  const exact = below.filter(({ model }) => model.name === target);
  const wishes = {
    ...(variant === undefined ? {} : { variant }),
    ...(size === undefined ? {} : { size }),
    ...(set === undefined ? {} : { set }),
    ...(property === undefined ? {} : { property }),
  };
  const searches = plan(exact.length > 0 ? exact : below, wishes);
  for (const { instance } of searches) await loweringFor(instance);
  const wish = interruption();
  const found: Counterexample[] = [];
  for (const planned of searches) {
    const how = { engine: 'compiled', store: 'exact', replay: false } as const;
    const { result, traces, members } = await runOf(planned, { ...wishes, ...how }, wish);
    for (const { name, verdict } of result.properties) {
      const trace = traces.get(name);
      if (verdict !== 'violated' || trace === undefined) continue;
      found.push({ trace, property: name, binding: members.get(name) ?? '' });
    }
  }
  if (found.length === 0) {
    throw new UsageError(
      `nothing to replay: no property of ${searches.map(({ instance }) => nameOf(instance)).join('; ')} was found violated` +
        (variant === undefined ? ' (--variant NAME takes a known bug)' : ''),
    );
  }
  return found;
}

async function fromFile(path: string, options: ReplayOptions): Promise<Counterexample> {
  const ofModel = (['variant', 'size', 'set', 'property'] as const).find((name) => options[name] !== undefined);
  if (ofModel !== undefined) {
    throw new UsageError(`--${ofModel} is for a model: a trace file says itself what it is a trace of`);
  }
  const { parseTraceFile, pathOf, TraceFileError } = await import('../../traces/store.ts');
  const shown = shownPath(path);
  try {
    const file = parseTraceFile(readText(path, shown));
    const instance = await instanceOf(file);
    const { loopFrom, ...way } = pathOf(instance, file);
    const { property, binding } = file;
    return {
      trace: traceOf(instance, way, loopFrom),
      ...(property === undefined ? {} : { property }),
      ...(binding === undefined ? {} : { binding }),
    };
  } catch (error) {
    if (error instanceof TraceFileError) throw new UsageError(`${shown} ${error.message}`, { cause: error });
    if (error instanceof ModelError) throw new UsageError(`${shown}: ${error.message}`, { cause: error });
    throw error;
  }
}

function readText(path: string, shown: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(code === 'ENOENT' ? `there is no file ${shown}` : `cannot read ${shown}`, { cause: error });
  }
}

/** The instance that a trace file is a run of. */
async function instanceOf({
  model: name,
  size,
  sizes,
  variant,
}: {
  readonly model: string;
  readonly size: string;
  readonly sizes: Sizes;
  readonly variant: string | null;
}): Promise<Instance> {
  const protocols = await loadProtocols([name], { typecheck: true });
  const protocol = protocols.find(({ model }) => model.name === name);
  if (protocol === undefined) throw new UsageError(`there is no model '${name}'`);
  const variants = protocol.variants.flatMap((set) => set.variants);
  const of = variants.find((candidate) => candidate.name === variant);
  if (variant !== null && of === undefined) {
    throw new UsageError(
      `there is no variant '${variant}' of '${name}'${suggest(
        variant,
        variants.map((candidate) => candidate.name),
      )}`,
    );
  }
  return instantiate(protocol.model, size, { set: sizes, ...(of === undefined ? {} : { variant: of.edit }) });
}

async function jsonOf(results: readonly (Counterexample & { readonly replay: Replay })[]): Promise<string> {
  const { parseReplayResults } = await import('../../traces/result.ts');
  const content: ReplayResults = {
    version: 1,
    replays: results.map(({ trace: { instance, steps }, property, replay: of }) => ({
      model: instance.model.name,
      size: instance.size,
      variant: instance.variant ?? null,
      ...(property === undefined ? {} : { property }),
      length: steps.length,
      replay: structuredClone(of) as ReplayResults['replays'][number]['replay'],
    })),
  };
  return `${JSON.stringify(parseReplayResults(content), undefined, 2)}\n`;
}
