/**
 * The time below which no search can come: the keys of a case inserted into a hash set written in C, and nothing else.
 */
import { join } from 'node:path';
import type { Case } from './cases.ts';
import { type Contender, type Found, numberIn, type Tool } from './contender.ts';
import { compileC, isInstalled, peerFile } from './files.ts';
import { writeKeys } from './keys.ts';

/** The program as a tool with one contender. */
export function limit(): Tool<Case> {
  const name = 'limit';
  if (!isInstalled('gcc')) return { name, missing: 'gcc not found: apt-get install gcc', contenders: [] };
  return { name, contenders: [contender] };
}

const contender: Contender<Case> = {
  tool: 'limit',
  mode: 'hash set in C',
  workers: 1,
  timedBySearch: true,
  prepare: async (of, folder) => {
    await compileC(peerFile('limit.c'), 'limit', [], folder);
    const file = join(folder, 'keys.bin');
    const args = [file, String(await writeKeys(of, file))];
    return { command: { program: join(folder, 'limit'), args, folder }, read: (output) => read(output, of) };
  },
};

/** The distinct keys are the states; there is a key for each transition and each initial state. */
export function read(output: string, { initialStates }: Pick<Case, 'initialStates'>): Found {
  return {
    states: numberIn(output, /^distinct: (\d+)/m, 'number of distinct keys'),
    transitions: numberIn(output, /^keys: (\d+)/m, 'number of keys') - initialStates,
    searchSeconds: numberIn(output, /^seconds: ([\d.]+)/m, 'time'),
  };
}
