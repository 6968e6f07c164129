/**
 * This project's own checker, run as a user runs it: one process that loads the model from its file and explores it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseResults } from '../../traces/result.ts';
import { type Contender, type Found, lastLines, type Subject, type Tool } from './contender.ts';
import { outputOf, root } from './files.ts';

/** Its name in tables. */
export const ownName = 'svacheck';

const program = join(root, 'dist', 'scripts', 'svacheck.js');

interface Mode {
  readonly name: string;
  readonly workers: number;
  readonly args: readonly string[];
  readonly most?: number;
  readonly reduced?: true;
}

const compiled: readonly Mode[] = [1, 2].map((workers) => ({
  name: 'compiled',
  workers,
  args: ['--engine', 'compiled', '--workers', String(workers)],
}));
const symmetry: readonly Mode[] = compiled.map((mode) => ({
  ...mode,
  name: 'symmetry',
  args: [...mode.args, '--symmetry'],
  reduced: true,
}));
const modes: readonly Mode[] = [
  // It does some ten thousand transitions a second.
  { name: 'plain', workers: 1, args: ['--engine', 'plain'], most: 1_000_000 },
  ...compiled,
  ...symmetry,
];

/** The checker as it was built last. */
export async function own(): Promise<Tool<Subject>> {
  const version = (await outputOf(process.execPath, [program, '--version'], root)).trim();
  return { name: ownName, version, contenders: modes.map(contender) };
}

function contender({ name, workers, args, most, reduced }: Mode): Contender<Subject> {
  return {
    tool: ownName,
    mode: name,
    workers,
    ...(most === undefined ? {} : { most }),
    ...(reduced === undefined ? {} : { reduced, suits: ({ isSymmetric }) => isSymmetric !== false }),
    prepare: ({ file, size }, folder) => {
      const json = join(folder, 'results.json');
      const check = ['check', file, '--size', size, '--no-typecheck', '--json', json];
      return {
        command: { program: process.execPath, args: [program, ...check, ...args], folder },
        read: (output) => read(readFileSync(json, 'utf8'), output),
      };
    },
  };
}

/** The counts in the results that were written as JSON; `output` is what was printed, for a message. */
export function read(json: string, output = ''): Found {
  const { runs } = parseResults(JSON.parse(json));
  const [only] = runs;
  if (only === undefined || runs.length > 1) throw new Error(`there is not one result:\n${lastLines(output)}`);
  if (only.verdict !== 'holds') throw new Error(`the verdict is '${only.verdict}':\n${lastLines(output)}`);
  return { states: only.states, transitions: only.transitions, searchSeconds: only.seconds };
}
