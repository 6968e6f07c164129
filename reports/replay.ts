/**
 * What the machine says of a counterexample, as a person reads it: that it did every step and what physically came of it, or
 * where it disagrees first.
 */
import type { Consequence, Disagreement, Entry, Harm, Replay } from '../traces/replay.ts';
import type { Colours } from './colours.ts';
import { disagreements, inSteps, type Run, sorted } from './run.ts';
import { pageWidth, wrap } from './table.ts';

/** All that is told of a replay, below the trace; indented by two. */
export function replayLines(replay: Replay, colours: Colours): readonly string[] {
  switch (replay.verdict) {
    case 'confirmed':
      return [
        `  ${colours.green(`confirmed on the machine, which did ${all(replay.steps)}`)}`,
        ...consequenceLines(replay.consequence, colours),
      ];
    case 'disagrees':
      return [
        ...wrap(`  the machine disagrees ${whereOf(replay)}`, pageWidth, 2).map((line) =>
          colours.red(colours.bold(line)),
        ),
        ...howLines(replay.how),
      ];
    case 'not possible':
      return wrap(`  not replayed on the machine: ${replay.reason}`, pageWidth, 2).map((line) => colours.yellow(line));
    default:
      return replay satisfies never;
  }
}

/**
 * The counterexamples with which the machine disagrees, a sentence each; with `isShown` without those that are shown by their
 * traces.
 */
export function disagreementLines(run: Run, isShown: boolean, { red }: Colours): readonly string[] {
  const { model, variant } = run.result;
  const above = isShown ? sorted(run).shown.map(({ name }) => name) : [];
  const name = variant === undefined ? model : `${model}, variant ${variant}`;
  return disagreements(run)
    .filter(([property]) => !above.includes(property))
    .flatMap(([property, replay]) => wrap(`${name}: '${property}': ${replayInWords(replay)}`, pageWidth, 2))
    .map((line) => red(line));
}

/** The same in a sentence. */
export function replayInWords(replay: Replay): string {
  switch (replay.verdict) {
    case 'confirmed':
      return `confirmed on the machine, which did ${all(replay.steps)}`;
    case 'disagrees':
      return `the machine disagrees ${whereOf(replay)}: ${howInWords(replay.how)}`;
    case 'not possible':
      return `not replayed on the machine: ${replay.reason}`;
    default:
      return replay satisfies never;
  }
}

function all(steps: number): string {
  return steps === 1 ? 'its step' : `all ${inSteps(steps)}`;
}

function whereOf({ at, title }: Extract<Replay, { readonly verdict: 'disagrees' }>): string {
  return at === 0 ? 'in the initial state' : `at step ${at}, ${title}`;
}

function howInWords(how: Disagreement): string {
  if (how.kind === 'refused') return `it does not do it, since ${how.reason}`;
  return how.differences
    .map(({ field, model, machine }) => `${field} is ${machine} on the machine, and ${model} in the model`)
    .join('; ');
}

function howLines(how: Disagreement): readonly string[] {
  if (how.kind === 'refused') return wrap(`    it does not do it, since ${how.reason}`, pageWidth, 2);
  return how.differences.flatMap(({ field, model, machine }) => [
    ...wrap(`    ${field}`, pageWidth, 2),
    ...wrap(`      model    ${model}`, pageWidth, 9),
    ...wrap(`      machine  ${machine}`, pageWidth, 9),
  ]);
}

function consequenceLines(
  { harms, evidence, next = [], commands, events }: Consequence,
  colours: Colours,
): readonly string[] {
  return [
    ...harms.flatMap((harm) => harmLines(harm, colours)),
    ...evidence.flatMap((text) => wrap(`    ${text}`, pageWidth, 2)),
    ...(next.length === 0 ? [] : ['    one more access by way of that comes to this:']),
    ...next.flatMap((harm) => harmLines(harm, colours).map((line) => `  ${line}`)),
    ...entryLines('command queue in memory', commands, colours),
    ...entryLines('event queue in memory', events, colours),
  ];
}

function harmLines({ what, address, before, after }: Harm, colours: Colours): readonly string[] {
  const shown: readonly (readonly [string, string])[] =
    before === after
      ? [['bytes', before]]
      : [
          ['before', before],
          ['after', after],
        ];
  return [
    ...wrap(`    ${what}`, pageWidth - 2, 2).map((line) => colours.bold(line)),
    ...shown.flatMap(([name, bytes]) =>
      linesOfBytes(bytes).map((line, i) =>
        colours.dim(`      ${(i === 0 ? `${name} at ${address}` : '').padEnd(24)}${line}`),
      ),
    ),
  ];
}

/** Hexadecimal, 16 bytes to a line; lines that are as the one before are counted. */
function linesOfBytes(hex: string): readonly string[] {
  const lines: { text: string; count: number }[] = [];
  for (const text of hex.match(/.{1,32}/g) ?? []) {
    const last = lines.at(-1);
    if (last?.text === text) last.count++;
    else lines.push({ text, count: 1 });
  }
  return lines.map(({ text, count }) => (count === 1 ? text : `${text}, ${count} times`));
}

function entryLines(title: string, entries: readonly Entry[], { cyan, dim }: Colours): readonly string[] {
  if (entries.length === 0) return [];
  return [
    `    ${cyan(title)}`,
    ...entries.flatMap(({ raw, decoded, state }) => [
      ...wrap(`      ${decoded}${state === undefined ? '' : `: ${state}`}`, pageWidth, 2),
      ...wrap(`        ${raw}`, pageWidth).map((line) => dim(line)),
    ]),
  ];
}
