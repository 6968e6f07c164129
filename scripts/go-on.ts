/**
 * What is told of a check that did not come to its end: which searches were not started, and the command that goes on from a
 * checkpoint.
 */
import type { CheckResult, Limit } from '../checker/index.ts';
import type { Instance } from '../language/index.ts';
import { number } from '../reports/summary.ts';
import { pageWidth, wrap } from '../reports/table.ts';

/** A search by the names of what it is about: `atc-invalidation, ci`. */
export function nameOf({ model, size, variant }: Instance): string {
  return `${model.name}, ${variant === undefined ? size : `variant ${variant}`}`;
}

/** How to go on after a limit or an interruption. `given`: the arguments of the command. */
export function checkpointLines({ limit, checkpoint }: CheckResult, given: readonly string[]): readonly string[] {
  if (limit === undefined) return [];
  if (checkpoint === undefined) {
    if (limit !== 'interrupted') return [];
    return ['What was explored is lost: with --checkpoint FILE, an interrupted check can be resumed.'];
  }
  const { file, states, problem } = checkpoint;
  return [
    ...(problem === undefined ? [] : wrap(`The last checkpoint could not be written: ${problem}`, pageWidth)),
    ...(states === 0
      ? []
      : [`The checkpoint has ${number(states)} states. To go on from it:`, `  ${resumeCommand(given, file, limit)}`]),
  ];
}

/** What an interruption has kept from being started. */
export function notStartedLines(instances: readonly Instance[]): readonly string[] {
  if (instances.length === 0) return [];
  return wrap(`Not started, since the check was interrupted: ${instances.map(nameOf).join('; ')}`, pageWidth, 2);
}

/** The command as it can be pasted into a shell: with the checkpoint, and without the limit that ended the search. */
function resumeCommand(given: readonly string[], file: string, limit: Limit): string {
  const without = ['--resume', `--${limit}`];
  const kept: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const argument = given[i] as string;
    if (without.includes(argument)) i++;
    else if (!without.some((option) => argument.startsWith(`${option}=`))) kept.push(argument);
  }
  const more = limit === 'first violation' ? ['--keep-going'] : [];
  return ['svacheck', ...kept, ...more, '--resume', file].map(quoted).join(' ');
}

/** An argument as it can be pasted into a shell. */
export function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}
