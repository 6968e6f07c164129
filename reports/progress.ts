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
/** The rate is that of the last second or so, since a search slows down as it grows. */
const secondsOfRate = 1;
const eraseLine = '\r\u001B[K';

/** The progress line of a stream, for one search. */
export function progressLine(stream: Terminal): ProgressLine {
  if (stream.isTTY !== true) return { show: () => undefined, clear: () => undefined };
  let shownAt = 0;
  let isShown = false;
  let since = { states: 0, seconds: 0 };
  let rate: number | undefined;
  return {
    show: (label, { states, depth, frontier, seconds, tracing = false }) => {
      if (seconds - shownAt < secondsBetween && !tracing) return;
      shownAt = seconds;
      isShown = true;
      const elapsed = seconds - since.seconds;
      const current = (states - since.states) / elapsed;
      if (elapsed >= secondsOfRate) {
        since = { states, seconds };
        rate = current;
      }
      const text =
        `${label}: ${number(states)} states, ${number(Math.round(rate ?? current))}/s, ` +
        (tracing ? 'finding the traces' : `depth ${depth}, frontier ${number(frontier)}, ${seconds.toFixed(0)} s`);
      // A terminal that does not know its width says 0.
      const { columns = 0 } = stream;
      stream.write(eraseLine + text.slice(0, (columns > 0 ? columns : 80) - 1));
    },
    clear: () => {
      if (isShown) stream.write(eraseLine);
      isShown = false;
    },
  };
}
