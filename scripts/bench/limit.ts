/**
 * The time below which no search can come: the keys of a case inserted into a hash set written in C, and nothing else.
 */
import { join, resolve } from 'node:path';
import type { Case } from './cases.ts';
import { type Contender, type Found, numberIn, type Tool } from './contender.ts';
import { compileC, isInstalled, peerFile } from './files.ts';

/** A file of keys: of each initial state, and then of the state that each transition leads to, in the order of the search. */
export interface Keys {
  readonly file: string;
  readonly keyBytes: number;
}

/** Reads `FILE:BYTES`. */
export function keysOf(text: string): Keys {
  const [, file, bytes] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (file === undefined) throw new Error(`'${text}' is not a file and a number of bytes, such as keys.bin:8`);
  return { file: resolve(file), keyBytes: Number(bytes) };
}

/** The program as a tool with one contender. */
export function limit(keys: Keys): Tool<Case> {
  const name = 'limit';
  if (!isInstalled('gcc')) return { name, missing: 'gcc not found: apt-get install gcc', contenders: [] };
  return { name, contenders: [contender(keys)] };
}

function contender({ file, keyBytes }: Keys): Contender<Case> {
  return {
    tool: 'limit',
    mode: 'hash set in C',
    workers: 1,
    timedBySearch: true,
    prepare: async (of, folder) => {
      await compileC(peerFile('limit.c'), 'limit', [], folder);
      const args = [file, String(keyBytes)];
      return { command: { program: join(folder, 'limit'), args, folder }, read: (output) => read(output, of) };
    },
  };
}

/** The distinct keys are the states; there is a key for each transition and each initial state. */
export function read(output: string, { initialStates }: Pick<Case, 'initialStates'>): Found {
  return {
    states: numberIn(output, /^distinct: (\d+)/m, 'number of distinct keys'),
    transitions: numberIn(output, /^keys: (\d+)/m, 'number of keys') - initialStates,
    searchSeconds: numberIn(output, /^seconds: ([\d.]+)/m, 'time'),
  };
}
