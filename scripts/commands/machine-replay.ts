/**
 * `svacheck machine replay`: a recording of real driver traffic on the concrete machine.
 */
import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { Replay, ReplayCounts } from '../../executor/recording/index.ts';
import { UsageError } from '../usage-error.ts';

/** Adds the command to `svacheck machine`. */
export function addMachineReplay(machine: Command): void {
  machine
    .command('replay')
    .summary('do recorded driver traffic on the machine, and compare')
    .description(
      'Does the register writes and commands of a recording, and compares every recorded translation and event with the\n' +
        'machine: walks descriptor by descriptor, hits with what the recorded commands leave in the TLB.\n' +
        'traces/real/README.md says what a recording is.',
    )
    .argument('<FILE.jsonl.gz>', 'the recording, compressed or not; - for standard input')
    .option('--json', 'the counts as JSON')
    .addHelpText(
      'after',
      '\nExit code: 0 all is as recorded, 1 something is wrong, 2 usage error or a broken recording.\n\n' +
        'Example:\n  svacheck machine replay traces/real/linux-6.12-stage1.jsonl.gz',
    )
    .action(async (file: string, { json }: { readonly json?: boolean }) => {
      const replay = await replayFile(file);
      const { counts } = replay;
      process.stdout.write(json === true ? `${JSON.stringify(counts)}\n` : `${summary(replay).join('\n')}\n`);
      process.exitCode = wrongOf(counts) === 0 ? 0 : 1;
    });
}

async function replayFile(file: string): Promise<Replay> {
  const bytes = await read(file);
  const { readRecording, RecordingError, replayRecording } = await import('../../executor/recording/index.ts');
  try {
    return await replayRecording(readRecording(bytes));
  } catch (error) {
    if (error instanceof RecordingError) throw new UsageError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}

async function read(file: string): Promise<Uint8Array> {
  try {
    return file === '-' ? await buffer(process.stdin) : readFileSync(file);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`cannot read ${file}: ${message.replace(/, \w+( '.*')?$/, '')}`, { cause: error });
  }
}

function wrongOf({ wrongWalks, staleHits, undecoded, wrongFaults }: ReplayCounts): number {
  return wrongWalks + staleHits + undecoded + wrongFaults;
}

function summary({ counts, differences, notes }: Replay): readonly string[] {
  const lines = [
    `${counts.walks} walks, ${counts.wrongWalks} wrong`,
    `${counts.hits} TLB hits, ${counts.staleHits} stale`,
    `${counts.commands} commands, ${counts.undecoded} not understood`,
    `${counts.faults} events, ${counts.wrongFaults} wrong`,
    ...notes.map((note) => `note: ${note}`),
    ...differences.map(({ line, message }) => `line ${line}: ${message}`),
  ];
  const more = wrongOf(counts) - differences.length;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}
