/**
 * Spin in its modes of exhaustive search.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './cases.ts';
import { type Contender, type Found, lastLines, numberIn, type Tool } from './contender.ts';
import { compileC, isInstalled, outputOf, peerFile } from './files.ts';

/** Without reduction, so that all states are counted; bounds checks are for debugging. */
const always = ['-DSAFETY', '-DNOREDUCE', '-DNOBOUNDCHECK'];
/** Its compression by masking costs more than it saves on states of a few bytes. */
const unmasked = '-DNOCOMP';

interface Mode {
  readonly name: string;
  readonly workers: number;
  readonly flags: readonly string[];
  readonly depthFirst: boolean;
  readonly args?: readonly string[];
}

const modes: readonly Mode[] = [
  { name: 'depth-first', workers: 1, flags: [unmasked], depthFirst: true },
  { name: '-DBFS', workers: 1, flags: [unmasked, '-DBFS'], depthFirst: false },
  { name: '-DCOLLAPSE', workers: 1, flags: ['-DCOLLAPSE'], depthFirst: true },
  { name: '-DNCORE=2', workers: 2, flags: [unmasked, '-DNCORE=2'], depthFirst: true },
  // By default this mode keeps a hash of each state, and so is the one that is not exact.
  { name: '-DBFS_PAR', workers: 2, flags: ['-DBFS_PAR'], depthFirst: false, args: ['-u2'] },
];

/** Spin, with a contender for each mode. */
export async function spin(): Promise<Tool<Case>> {
  const name = 'Spin';
  const absent = ['spin', 'gcc'].filter((program) => !isInstalled(program));
  if (absent.length > 0)
    return { name, missing: `${absent.join(' and ')} not found: apt-get install spin gcc`, contenders: [] };
  const [, version] = /Version (\S+)/.exec(await outputOf('spin', ['-V'], '/')) ?? [];
  return { name, version, contenders: modes.map(contender) };
}

function contender(mode: Mode): Contender<Case> {
  return {
    tool: 'Spin',
    mode: mode.name,
    workers: mode.workers,
    prepare: async (of, folder) => {
      const { macros, depth } = of.promela;
      const defines = Object.entries(macros).map(([macro, value]) => `-D${macro}=${value}`);
      await outputOf('spin', ['-a', ...defines, peerFile(`${of.model}.pml`)], folder);
      // It prints eight digits of each count.
      const source = join(folder, 'pan.c');
      writeFileSync(source, readFileSync(source, 'utf8').replaceAll('%9.8g', '%9.0f'));
      await compileC('pan.c', 'pan', [...always, ...mode.flags], folder);
      const args = [`-w${tableBits(of)}`, ...(mode.depthFirst ? [`-m${depth}`] : []), ...(mode.args ?? [])];
      return {
        command: { program: join(folder, 'pan'), args, folder },
        read: (output) => read(output, of),
      };
    },
  };
}

/** The table has at least twice as many slots as there will be states. */
function tableBits({ counts }: Case): number {
  return Math.ceil(Math.log2(counts.states)) + 1;
}

/**
 * Spin counts the initial state as a transition. The choice of one of several initial states is a state of its own, with a
 * transition to each of them.
 */
export function read(output: string, { initialStates }: Pick<Case, 'initialStates'>): Found {
  if (numberIn(output, /errors: (\d+)/, 'number of errors') > 0)
    throw new Error(`an error was found:\n${lastLines(output)}`);
  const states = numberIn(output, /^ *(\d+) states, stored/m, 'number of states');
  const transitions = numberIn(output, /^ *(\d+) transitions/m, 'number of transitions');
  return initialStates === 1
    ? { states, transitions: transitions - 1 }
    : { states: states - 1, transitions: transitions - 1 - initialStates };
}
