/**
 * Rumur, the fastest checker for Murphi that is packaged, without symmetry reduction and with it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './cases.ts';
import { type Contender, type Found, lastLines, numberIn, type Tool } from './contender.ts';
import { compileC, isInstalled, outputOf, peerFile } from './files.ts';

/** Memory for speed; no trace; a deadlock is what it is elsewhere, a state without steps. */
const always = ['--pack-state', 'off', '--counterexample-trace', 'off', '--scalarset-schedules', 'off'];
const deadlocks = ['--deadlock-detection', 'stuck'];

/** Rumur, with a contender for each mode. */
export async function rumur(): Promise<Tool<Case>> {
  const name = 'Rumur';
  const absent = ['rumur', 'gcc'].filter((program) => !isInstalled(program));
  if (absent.length > 0)
    return { name, missing: `${absent.join(' and ')} not found: apt-get install rumur gcc`, contenders: [] };
  const [, version] = /version v?(\S+)/.exec(await outputOf('rumur', ['--version'], '/')) ?? [];
  const contenders = [false, true].flatMap((symmetry) => [1, 2].map((threads) => contender(threads, symmetry)));
  return { name, version, contenders };
}

function contender(threads: number, symmetry: boolean): Contender<Case> {
  return {
    tool: 'Rumur',
    mode: symmetry ? 'symmetry' : 'no symmetry',
    workers: threads,
    most: 20_000_000,
    ...(symmetry ? { reduced: true, suits: ({ isSymmetric }) => isSymmetric } : {}),
    prepare: async (of, folder) => {
      const model = withConstants(readFileSync(peerFile(`${of.model}.m`), 'utf8'), of.murphi);
      writeFileSync(join(folder, 'model.m'), model);
      const reduction = ['--symmetry-reduction', symmetry ? 'heuristic' : 'off', '--threads', String(threads)];
      await outputOf('rumur', [...always, ...deadlocks, ...reduction, '-o', 'model.c', 'model.m'], folder);
      await compileC('model.c', 'model', [], folder);
      return { command: { program: join(folder, 'model'), args: [], folder }, read };
    },
  };
}

/** A model with other values for its constants. */
export function withConstants(model: string, constants: Readonly<Record<string, number>>): string {
  return Object.entries(constants).reduce((text, [name, value]) => {
    const declaration = new RegExp(`^( *${name}: )\\d+;`, 'm');
    if (!declaration.test(text)) throw new Error(`the model has no constant ${name}`);
    return text.replace(declaration, `$1${value};`);
  }, model);
}

/** It counts as this project does. */
export function read(output: string): Found {
  if (!output.includes('No error found')) throw new Error(`an error was found:\n${lastLines(output)}`);
  return {
    states: numberIn(output, /^\s*(\d+) states, \d+ rules fired/m, 'number of states'),
    transitions: numberIn(output, /^\s*\d+ states, (\d+) rules fired/m, 'number of rules fired'),
  };
}
