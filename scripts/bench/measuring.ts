/**
 * What the two programs have in common: the options, the progress on standard error, the table, the JSON and the exit code.
 */
import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { another, count } from '../options.ts';
import { UsageError } from '../usage-error.ts';
import type { Subject, Tool } from './contender.ts';
import { compare, type Effort, type Outcome } from './harness.ts';
import { jsonOf, ratioLines, ratiosOf, tableOf } from './report.ts';

/** The options that both programs have. */
export interface MeasuringOptions {
  readonly case?: readonly string[];
  readonly tool?: readonly string[];
  readonly runs: number;
  readonly slow?: true;
  readonly json?: string;
}

/** A command with these options. */
export function measuringCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--case <name>', 'only this case, such as sva/medium; may be repeated', another)
    .option('--tool <name>', 'only this tool; may be repeated', another)
    .option('--runs <n>', 'how often each is run; the median is told', count, 3)
    .option('--slow', 'also what takes many minutes')
    .option('--json <file>', 'write all figures as JSON');
}

/** One of several subjects, with the tools that are run on it. */
export interface Contest<S extends Subject> {
  readonly subject: S;
  readonly tools: readonly Tool<S>[];
}

/** The subjects with the wanted names; all, or the usual ones, where none is named. */
export function chosen<S extends Subject>(
  all: readonly S[],
  names: readonly string[] | undefined,
  usual: readonly string[],
): readonly S[] {
  for (const name of names ?? []) {
    if (all.some((subject) => subject.name === name)) continue;
    throw new UsageError(`there is no case '${name}'; known: ${all.map((subject) => subject.name).join(', ')}`);
  }
  return all.filter(({ name }) => (names ?? usual).includes(name));
}

/** Measures, prints and writes; the exit code is 1 where something went wrong, such as counts that do not agree. */
export async function measure<S extends Subject>(
  contests: readonly Contest<S>[],
  options: MeasuringOptions,
): Promise<void> {
  const print = (lines: readonly string[]): void =>
    void process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  const effort: Effort = {
    runs: options.runs,
    slow: options.slow === true,
    say: (line) => void process.stderr.write(`${line}\n`),
  };
  const isWanted = ({ name }: Tool<S>): boolean =>
    options.tool?.some((wanted) => wanted.toLowerCase() === name.toLowerCase()) ?? true;
  const tools = new Map(contests.flatMap(({ tools: own }) => own.filter(isWanted)).map((tool) => [tool.name, tool]));
  if (tools.size === 0) throw new UsageError('no tool is left to measure');
  const missing = [...tools.values()].flatMap(({ name, missing: why }) =>
    why === undefined ? [] : [`${name} is missing: ${why}`],
  );
  for (const line of missing) effort.say(line);

  let outcome: Outcome = { rows: [], problems: [], notes: missing };
  for (const { subject, tools: own } of contests) {
    const contenders = own.filter(isWanted).flatMap((tool) => tool.contenders);
    const { rows, problems, notes } = await compare(subject, contenders, effort);
    outcome = {
      rows: [...outcome.rows, ...rows],
      problems: [...outcome.problems, ...problems],
      notes: [...outcome.notes, ...notes],
    };
  }

  print(tableOf(outcome.rows));
  for (const part of [ratioLines(ratiosOf(outcome.rows)), outcome.notes, outcome.problems]) {
    if (part.length > 0) print(['', ...part]);
  }
  if (options.json !== undefined) {
    const versions = [...tools].flatMap(([name, { version }]) => (version === undefined ? [] : [[name, version]]));
    writeFileSync(options.json, jsonOf(outcome, Object.fromEntries(versions) as Readonly<Record<string, string>>));
  }
  if (outcome.problems.length > 0) process.exitCode = 1;
}

/** Runs a command; a mistake in its call is one message. */
export async function main(command: Command): Promise<void> {
  try {
    await command.parseAsync();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    process.exitCode = 2;
  }
}
