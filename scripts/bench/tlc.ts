/**
 * TLC, where `TLC_JAR` names its jar. It keeps a fingerprint of 64 bits of each state.
 */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Case } from './cases.ts';
import { type Contender, type Found, lastLines, numberIn, type Tool } from './contender.ts';
import { isInstalled, peerFile } from './files.ts';

/** TLC, with a contender for each number of workers. */
export function tlc(): Tool<Case> {
  const name = 'TLC';
  const jar = process.env['TLC_JAR'];
  if (jar === undefined) return { name, missing: 'set TLC_JAR to the path of tla2tools.jar', contenders: [] };
  if (!existsSync(jar)) return { name, missing: `there is no file ${jar} (from TLC_JAR)`, contenders: [] };
  if (!isInstalled('java'))
    return { name, missing: 'java not found: apt-get install default-jre-headless', contenders: [] };
  return { name, contenders: [1, 2].map((workers) => contender(resolve(jar), workers)) };
}

function contender(jar: string, workers: number): Contender<Case> {
  return {
    tool: 'TLC',
    mode: 'breadth-first',
    workers,
    most: 20_000_000,
    prepare: (of, folder) => {
      copyFileSync(peerFile(`${of.model}.tla`), join(folder, `${of.model}.tla`));
      const config = withConstants(readFileSync(peerFile(`${of.model}.cfg`), 'utf8'), of.tla);
      writeFileSync(join(folder, `${of.model}.cfg`), config);
      const java = ['-XX:+UseParallelGC', '-Xmx6g', '-jar', jar];
      const args = [...java, '-workers', String(workers), '-metadir', 'states', `${of.model}.tla`];
      return { command: { program: 'java', args, folder }, read: (output) => read(output, of) };
    },
  };
}

/** A configuration with other values for its constants. */
export function withConstants(config: string, constants: Readonly<Record<string, string>>): string {
  return Object.entries(constants).reduce((text, [name, value]) => {
    const assignment = new RegExp(`^( *${name} = ).*$`, 'm');
    if (!assignment.test(text)) throw new Error(`the configuration has no constant ${name}`);
    return text.replace(assignment, `$1${value}`);
  }, config);
}

/** TLC counts each initial state as a state that was generated. */
export function read(output: string, { initialStates }: Pick<Case, 'initialStates'>): Found {
  if (!output.includes('No error has been found')) throw new Error(`an error was found:\n${lastLines(output)}`);
  return {
    states: numberIn(output, /^\d+ states generated, (\d+) distinct states found, 0 states left/m, 'number of states'),
    transitions: numberIn(output, /^(\d+) states generated, \d+ distinct/m, 'number of transitions') - initialStates,
  };
}
