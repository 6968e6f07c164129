/**
 * Runs contenders on subjects: each several times, in turn, so that whatever else the machine does meets all of them. A run
 * whose counts are not to the unit what they must be is a problem, and no figure.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Contender, type Counts, type Found, lastLines, type Ready, type Subject } from './contender.ts';
import { type Measured, median, run } from './measure.ts';

/** What one contender came to on one subject. */
export interface Row {
  readonly subject: string;
  readonly tool: string;
  readonly mode: string;
  readonly workers: number;
  /** Whether symmetry was used: then the counts are those of the reduced search. */
  readonly reduced: boolean;
  readonly states: number;
  readonly transitions: number;
  /** Wall time of the whole process, unless the contender says otherwise: the median, and each run. */
  readonly seconds: number;
  readonly runs: readonly number[];
  /** The median of the times of the search alone, as the tool tells them. */
  readonly searchSeconds?: number;
  /** The median of the processor times of all its processes and threads. */
  readonly processorSeconds?: number;
  /** The median of the peaks of resident memory. */
  readonly bytes?: number;
}

/** What was measured, what went wrong, and what was left out. */
export interface Outcome {
  readonly rows: readonly Row[];
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

/** How to measure. */
export interface Effort {
  readonly runs: number;
  /** Also run what takes many minutes. */
  readonly slow: boolean;
  /** Is told what happens, line by line. */
  readonly say: (line: string) => void;
}

interface Entrant<S extends Subject> {
  readonly contender: Contender<S>;
  readonly label: string;
  readonly folder: string;
  readonly ready: Ready;
  readonly measured: (Pick<Measured, 'seconds' | 'bytes' | 'processorSeconds'> & { readonly found: Found })[];
  failed: boolean;
}

/** Measures all contenders on one subject. */
export async function compare<S extends Subject>(
  subject: S,
  all: readonly Contender<S>[],
  effort: Effort,
): Promise<Outcome> {
  const { counts } = subject;
  const contenders = all.filter(({ suits }) => suits?.(subject) ?? true);
  const isSlow = ({ most }: Contender<S>): boolean =>
    !effort.slow && counts !== undefined && most !== undefined && counts.transitions > most;
  const labelOf = ({ tool, mode, workers }: Contender<S>): string => `${subject.name}, ${tool} ${mode} ${workers}`;
  const notes = contenders.filter(isSlow).map((contender) => `${labelOf(contender)}: left out, since it takes long`);
  const problems: string[] = [];
  const entrants: Entrant<S>[] = [];
  const work = realpathSync(mkdtempSync(join(tmpdir(), 'svacheck-bench-')));
  try {
    for (const contender of contenders.filter((candidate) => !isSlow(candidate))) {
      const folder = mkdtempSync(join(work, 'contender-'));
      const label = labelOf(contender);
      effort.say(`${label}: getting ready`);
      try {
        const ready = await contender.prepare(subject, folder);
        entrants.push({ contender, label, folder, ready, measured: [], failed: false });
      } catch (error) {
        problems.push(`${label}: ${messageOf(error)}`);
      }
    }

    let expected: Counts | undefined = counts;
    for (let round = 0; round < effort.runs; round++) {
      for (const entrant of entrants.filter(({ failed }) => !failed)) {
        try {
          const found = await runOnce(entrant, effort);
          if (entrant.contender.reduced === true) continue;
          expected ??= found;
          refuseOthers(found, expected);
        } catch (error) {
          entrant.failed = true;
          problems.push(`${entrant.label}: ${messageOf(error)}`);
        }
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const rows = entrants.filter(({ failed }) => !failed).map((entrant) => rowOf(subject, entrant));
  return { rows, problems, notes };
}

async function runOnce<S extends Subject>(entrant: Entrant<S>, effort: Effort): Promise<Found> {
  const { contender, label, ready, measured } = entrant;
  const { seconds: wall, bytes, processorSeconds, code, output } = await run(ready.command);
  if (code !== 0) throw new Error(`ended with code ${code}:\n${lastLines(output)}`);
  const found = ready.read(output);
  const seconds = contender.timedBySearch === true ? (found.searchSeconds ?? wall) : wall;
  measured.push({ found, seconds, bytes, processorSeconds });
  effort.say(`${label}: ${seconds.toFixed(2)} s`);
  return found;
}

function refuseOthers(found: Counts, expected: Counts): void {
  const shown = ({ states, transitions }: Counts): string => `${states} states and ${transitions} transitions`;
  if (found.states === expected.states && found.transitions === expected.transitions) return;
  throw new Error(`found ${shown(found)}, not ${shown(expected)}`);
}

function rowOf<S extends Subject>(subject: S, { contender, measured }: Entrant<S>): Row {
  const { tool, mode, workers, reduced } = contender;
  const counts = measured[0]?.found ?? { states: 0, transitions: 0 };
  const searches = measured.flatMap(({ found }) => found.searchSeconds ?? []);
  const processor = measured.flatMap(({ processorSeconds }) => processorSeconds ?? []);
  const peaks = measured.flatMap(({ bytes }) => bytes ?? []);
  const runs = measured.map(({ seconds }) => seconds);
  return {
    subject: subject.name,
    tool,
    mode,
    workers,
    reduced: reduced === true,
    states: counts.states,
    transitions: counts.transitions,
    seconds: median(runs),
    runs,
    ...(searches.length === 0 ? {} : { searchSeconds: median(searches) }),
    ...(processor.length === 0 ? {} : { processorSeconds: median(processor) }),
    ...(peaks.length === 0 ? {} : { bytes: median(peaks) }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
