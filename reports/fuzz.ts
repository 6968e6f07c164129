/**
 * What a random search tells: how far it has come, what it came to, and how to see again what it found.
 */
import type { Binding, Instance } from '../language/index.ts';
import type { Trace } from '../traces/trace.ts';
import type { Colours } from './colours.ts';
import type { Terminal } from './progress.ts';
import { inSteps, type Run } from './run.ts';
import { number, sizeOf } from './summary.ts';
import { pageWidth, wrap } from './table.ts';
import { traceLines } from './terminal.ts';

/** What was done. */
export interface Done {
  readonly runs: number;
  readonly steps: number;
  readonly ways: number;
  readonly seconds: number;
}

/** What is suspected about a property over time. */
export interface Suspicion {
  readonly property: string;
  readonly binding: Binding;
  readonly members: string;
  readonly trace: Trace;
}

/** When it will end, as far as that is known. */
interface Limits {
  readonly runs: number | undefined;
  readonly maxSeconds: number | undefined;
}

const eraseLine = '\r\u001B[K';
const secondsBetween = 0.1;

/** A line of a terminal that tells how far a search has come; nothing where no one watches. */
export function fuzzProgress(
  stream: Terminal,
  instance: Instance,
): { readonly show: (done: Done, limits: Limits) => void; readonly clear: () => void } {
  if (stream.isTTY !== true) return { show: () => undefined, clear: () => undefined };
  let shownAt = 0;
  let isShown = false;
  let before = { ways: 0, seconds: 0 };
  let growth = 0;
  return {
    show: (done, limits) => {
      const { runs, steps, ways, seconds } = done;
      if (seconds - shownAt < secondsBetween) return;
      shownAt = seconds;
      isShown = true;
      if (seconds - before.seconds >= 1) {
        growth = (ways - before.ways) / (seconds - before.seconds);
        before = { ways, seconds };
      }
      const left = secondsLeft(done, limits);
      const text =
        `${nameOf(instance)}: ${number(runs)} runs, ${number(Math.round(steps / seconds))} steps/s, ` +
        `${number(ways)} ways met, ${number(Math.round(growth))} more/s` +
        (left === undefined ? '' : `, ${left.toFixed(0)} s left`);
      const { columns = 0 } = stream;
      stream.write(eraseLine + text.slice(0, (columns > 0 ? columns : 80) - 1));
    },
    clear: () => {
      if (isShown) stream.write(eraseLine);
      isShown = false;
    },
  };
}

function secondsLeft({ runs, seconds }: Done, limits: Limits): number | undefined {
  const byRuns = limits.runs === undefined ? undefined : (seconds / Math.max(1, runs)) * (limits.runs - runs);
  const byTime = limits.maxSeconds === undefined ? undefined : limits.maxSeconds - seconds;
  const known = [byRuns, byTime].filter((left) => left !== undefined);
  return known.length === 0 ? undefined : Math.max(0, Math.min(...known));
}

function nameOf({ model, variant }: Instance): string {
  return variant === undefined ? model.name : `${model.name} ${variant}`;
}

/** Why a search ended, in words. */
const ends: Readonly<Record<string, string>> = {
  failure: '',
  suspicion: '',
  runs: '',
  time: '',
  plateau: ', ended since nothing new was met any more',
  interrupted: ', interrupted',
};

/** What a search came to: a sentence or two. */
export function fuzzLines(
  { instance, result, properties }: Run,
  { runs, steps, ways, seconds }: Done,
  { end, seed }: { readonly end: string; readonly seed: number },
  colours: Colours,
): readonly string[] {
  const goals = properties.filter(({ kind }) => kind === 'reachable');
  const isMet = (name: string): boolean =>
    result.properties.some((property) => property.name === name && property.verdict === 'holds');
  const open = goals.filter(({ name }) => !isMet(name));
  const violated = result.properties.find(({ verdict }) => verdict === 'violated');
  const threads = result.workers === 1 ? '1 thread' : `${result.workers} threads`;
  const rate = number(Math.round(steps / Math.max(seconds, 0.001)));
  const verdict =
    violated === undefined
      ? `no violation was found, which proves nothing`
      : colours.red(`'${violated.name}' is violated by ${inSteps(result.depth)}`);
  return [
    ...wrap(`${nameOf(instance)}, ${sizeOf(instance)}: ${verdict}`, pageWidth, 2),
    ...wrap(
      `  ${number(runs)} runs of ${number(steps)} steps in ${seconds.toFixed(1)} s (${rate} steps/s, ${threads}, ` +
        `seed ${seed})${ends[end] ?? ''}; ${number(ways)} ways through the model were met`,
      pageWidth,
      2,
    ),
    ...(violated !== undefined || open.length === 0
      ? []
      : wrap(
          `  not reached: ${open.map(({ name }) => `'${name}'`).join(', ')} (of ${goals.length} that must be reachable)`,
          pageWidth,
          2,
        )),
  ];
}

/** What is suspected, and why. It is no verdict: `check` decides it, at sizes where it can. */
export function suspicionLines({ property, members, trace }: Suspicion, colours: Colours): readonly string[] {
  const { steps, loopFrom } = trace;
  const who = members === '' ? '' : ` for ${members}`;
  const how =
    loopFrom === undefined
      ? `from the state after ${inSteps(steps.length)} no way was found to where it is true`
      : loopFrom === steps.length
        ? `after ${inSteps(steps.length)} it is due, and nothing fair is left to happen`
        : `after ${inSteps(loopFrom)} it is due, and a fair run can go round a loop of ${inSteps(steps.length - loopFrom)}`;
  return [
    '',
    ...wrap(colours.yellow(`suspected: ${property}`), pageWidth),
    ...wrap(`  ${how}${who}`, pageWidth, 2),
    ...wrap('  (a suspicion: svacheck check --property NAME decides it)', pageWidth, 2),
    ...traceLines(trace, colours),
  ];
}
