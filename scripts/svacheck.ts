#!/usr/bin/env node
/**
 * The front door: the commands, and one message with exit code 2 for whatever is wrong with a call or a model.
 */
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import { Command, CommanderError } from 'commander';
import { ModelError } from '../language/index.ts';
import { addCheck } from './commands/check.ts';
import { addFuzz } from './commands/fuzz.ts';
import { addList } from './commands/list.ts';
import { addMachine } from './commands/machine.ts';
import { addReplay } from './commands/replay.ts';
import { addShow } from './commands/show.ts';
import { UsageError } from './usage-error.ts';

const { version } = createRequire(import.meta.url)('svacheck/package.json') as {
  readonly version: string;
};

const program = new Command('svacheck')
  .description('Checks protocols of Shared Virtual Addressing: every interleaving, within stated sizes.')
  .version(version)
  .exitOverride()
  .addHelpText('after', '\nExample:\n  svacheck check atc-invalidation');
addList(program);
addShow(program);
addCheck(program);
addReplay(program);
addMachine(program);
addFuzz(program);

// A reader that has seen enough, such as `head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its message, or the help that was asked for.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    process.exitCode = 2;
    process.stderr.write(`${explain(error)}\n`);
  }
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  if (process.env['DEBUG'] === 'svacheck') return `error: ${inspect(error)}`;
  if (error instanceof UsageError || error instanceof ModelError) return `error: ${error.message}`;
  return `error: ${error.message}\nThis should not happen; DEBUG=svacheck shows where it did.`;
}
