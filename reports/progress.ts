/**
 * How far a search has come, on one line of a terminal that is erased at the end; nothing where no one watches.
 */
import type { Progress } from '../checker/index.ts';
import { number } from './summary.ts';

/** A stream that may be a terminal. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** The line: call `show` as often as wanted, and `clear` before anything else is written. */
export interface ProgressLine {
  readonly show: (label: string, progress: Progress) => void;
  readonly clear: () => void;
}

const secondsBetween = 0.1;
const eraseLine = '\r\u001B[K';

/** The progress line of a stream. */
export function progressLine(stream: Terminal): ProgressLine {
  if (stream.isTTY !== true) return { show: () => undefined, clear: () => undefined };
  let shownAt: number | undefined;
  let rate = { states: 0, seconds: 0, perSecond: 0 };
  return {
    show: (label, { states, depth, frontier, seconds }) => {
      // A new search starts its clock anew.
      if (seconds < rate.seconds) rate = { states: 0, seconds: 0, perSecond: 0 };
      if (shownAt !== undefined && seconds >= shownAt && seconds - shownAt < secondsBetween) return;
      shownAt = seconds;
      if (seconds - rate.seconds >= 1 || rate.perSecond === 0) {
        const perSecond = (states - rate.states) / Math.max(seconds - rate.seconds, 1e-3);
        rate = { states, seconds, perSecond };
      }
      const text =
        `${label}: ${number(states)} states, ${number(Math.round(rate.perSecond))}/s, ` +
        `depth ${depth}, frontier ${number(frontier)}, ${seconds.toFixed(0)} s`;
      stream.write(eraseLine + text.slice(0, (stream.columns ?? 80) - 1));
    },
    clear: () => {
      if (shownAt !== undefined) stream.write(eraseLine);
      shownAt = undefined;
    },
  };
}
