/**
 * `npm run conformance:qemu`: is the machine what QEMU's SMMUv3 is? First what is known to differ, then random scenarios.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command, CommanderError } from 'commander';
import { machineBoard, parseScenario, runScenario, ScenarioError } from '../../executor/scenario/index.ts';
import { count } from '../options.ts';
import { UsageError } from '../usage-error.ts';
import { checkDepartures } from './known-departures.ts';
import { findOrInstallQemu, newerQemu, type QemuBinary, qemuAt } from './qemu-binary.ts';
import { compareRandom, type Failure, type Tally } from './random.ts';
import { QemuSession } from './session.ts';

interface Options {
  readonly runs: number;
  readonly seed?: number;
  readonly qemu?: string;
  readonly data?: string;
  readonly newer?: true;
  readonly scenario?: string;
  readonly write: string;
}

const command = new Command('conformance:qemu')
  .description('Runs scenarios on the machine and on QEMU, and compares bytes, events and queues.')
  .option('--runs <n>', 'how many random scenarios', count, 1000)
  .option('--seed <n>', 'where they start; another for each call by default', count)
  .option('--qemu <bin>', "a qemu-system-aarch64 (default: SVACHECK_QEMU, or that on PATH, or Debian's is installed)")
  .option('--data <folder>', 'its data, if it is not installed (default: SVACHECK_QEMU_DATA)')
  .option('--newer', "QEMU 10 of Debian's backports, unpacked in the user's cache: with stage 2")
  .option('--scenario <file>', 'run this scenario only, and print what each step comes to on both')
  .option('--write <file>', 'where to write a scenario that differs', 'reports/out/difference.json')
  .exitOverride();

// So that QEMU ends with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

try {
  command.parse();
  process.exitCode = await run(command.opts<Options>());
} catch (error) {
  process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError || error instanceof ScenarioError) process.stderr.write(`error: ${error.message}\n`);
  else if (!(error instanceof CommanderError)) throw error;
}

async function run({ runs, seed = randomSeed(), write, scenario, ...which }: Options): Promise<number> {
  const binary = binaryOf(which);
  print(`QEMU ${binary.version}: ${binary.path}`);
  const session = new QemuSession(binary);
  try {
    if (scenario !== undefined) return await runBoth(scenario, session);
    const departures = await checkDepartures(session);
    print('departures of QEMU from the specification:');
    for (const { name, holds, found } of departures) {
      print(holds ? `  as known   ${name}` : `  DIFFERENT  ${name}: ${found}`);
    }
    const started = performance.now();
    const { tally, failure } = await compareRandom(session, { runs, seed, progress: progressOf(runs) });
    print(...summary(tally, runs, seed, (performance.now() - started) / 1000));
    if (failure !== undefined) report(failure, write);
    return failure === undefined && departures.every(({ holds }) => holds) ? 0 : 1;
  } finally {
    await session.stop();
  }
}

/** What each step comes to, and where that is not the same. */
async function runBoth(file: string, session: QemuSession): Promise<number> {
  const scenario = parseScenario(JSON.parse(readFileSync(file, 'utf8')));
  const machine = await runScenario(scenario, machineBoard(scenario));
  const qemu = await session.run(scenario);
  let same = true;
  for (const [index, result] of machine.results.entries()) {
    const [ours, theirs] = [JSON.stringify(result), JSON.stringify(qemu.results[index])];
    print(...(ours === theirs ? [`both    ${ours}`] : [`machine ${ours}`, `QEMU    ${theirs}`]));
    same &&= ours === theirs;
  }
  return same ? 0 : 1;
}

function binaryOf({ qemu, data, newer }: Pick<Options, 'qemu' | 'data' | 'newer'>): QemuBinary {
  if (qemu !== undefined) return qemuAt(qemu, data);
  return newer === true ? newerQemu() : findOrInstallQemu();
}

/** A line each ten seconds. */
function progressOf(runs: number): (tally: Tally) => void {
  let last = performance.now();
  return ({ compared }) => {
    if (performance.now() - last < 10_000) return;
    last = performance.now();
    process.stderr.write(`${compared} of ${runs} scenarios\n`);
  };
}

function summary(tally: Tally, runs: number, seed: number, seconds: number): readonly string[] {
  const list = (counts: ReadonlyMap<string, number>): readonly string[] =>
    [...counts].toSorted(([, a], [, b]) => b - a).map(([name, times]) => `  ${String(times).padStart(7)}  ${name}`);
  return [
    `${tally.compared} of ${runs} random scenarios are the same (seed ${seed}, ${tally.dmas} DMAs, ${seconds.toFixed(0)} s)`,
    'events:',
    ...list(tally.events),
    'known departures of QEMU in them:',
    ...list(tally.departures),
    ...(tally.incomparable.size === 0 ? [] : ['not compared:', ...list(tally.incomparable)]),
  ];
}

function report({ scenario, difference, seed, path }: Failure, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(scenario, undefined, 1)}\n`);
  print(
    `DIFFERENT at ${difference.where}; the scenario is in ${file} (seed ${seed}, path ${path})`,
    `  machine ${JSON.stringify(difference.machine)}`,
    `  QEMU    ${JSON.stringify(difference.qemu)}`,
  );
}

function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 31) + 1;
}
