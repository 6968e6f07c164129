/**
 * `svacheck machine`: the concrete machine by itself. `run` does the steps of a scenario, `replay` a recording of real traffic.
 */
import { readFileSync } from 'node:fs';
import { text as textOf } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { ScenarioResult, StepResult } from '../../executor/scenario/scenario.ts';
import { UsageError } from '../usage-error.ts';
import { addMachineReplay } from './machine-replay.ts';

/** Adds the command to the program. */
export function addMachine(program: Command): void {
  const machine = program
    .command('machine')
    .summary('run a scenario on the concrete machine, or replay recorded driver traffic')
    .description('The concrete machine: memory, translation tables, an SMMUv3 and PCIe functions, bit by bit.');
  addRun(machine);
  addMachineReplay(machine);
}

function addRun(machine: Command): void {
  machine
    .command('run')
    .summary('do the steps of a scenario, and compare with what it expects')
    .description(
      'Does the steps of a scenario: bytes into memory, registers, commands, DMA; and writes what came of them as JSON.\n' +
        'docs/machine.md says how scenarios are written.',
    )
    .argument('<FILE.json>', 'the scenario; - for standard input')
    .option('--json', 'as JSON, which is what it writes anyway')
    .addHelpText(
      'after',
      '\nExit code: 0 all that is expected holds, 1 something differs, 2 usage error or no scenario.\n\n' +
        'Example:\n  svacheck machine run scenario.json',
    )
    .action(async (file: string) => {
      const { results, ok } = await run(file);
      process.stdout.write(`${textOfResults({ results, ok })}\n`);
      for (const line of differences(results)) process.stderr.write(`${line}\n`);
      process.exitCode = ok ? 0 : 1;
    });
}

async function run(file: string): Promise<ScenarioResult> {
  const text = await read(file);
  const name = file === '-' ? 'standard input' : file;
  const given = parse(name, text);
  const { machineBoard, parseScenario, runScenario, ScenarioError } = await import('../../executor/scenario/index.ts');
  try {
    const scenario = parseScenario(given);
    for (const warning of scenario.warnings) process.stderr.write(`warning: ${warning}\n`);
    return await runScenario(scenario, machineBoard(scenario));
  } catch (error) {
    if (error instanceof ScenarioError) throw new UsageError(`${name}: ${error.message}`, { cause: error });
    throw error;
  }
}

async function read(file: string): Promise<string> {
  try {
    return file === '-' ? await textOf(process.stdin) : readFileSync(file, 'utf8');
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`cannot read ${file}: ${message.replace(/, \w+( '.*')?$/, '')}`, { cause: error });
  }
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file}: no JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** JSON with a line for each result. */
function textOfResults({ results, ok }: ScenarioResult): string {
  const lines = results.map((result) => `    ${JSON.stringify(result)}`);
  return `{\n  "results": [${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n  `}],\n  "ok": ${ok}\n}`;
}

function differences(results: readonly StepResult[]): readonly string[] {
  return results
    .filter(({ ok }) => ok === false)
    .map(({ i, op, name, expect }) => {
      return `step ${i} (${op})${name === undefined ? '' : ` ${name}`}: expected ${JSON.stringify(expect)}`;
    });
}
