/**
 * The phases of a round, on the banks of one thread: collect successors, sort them by shard, make room, take them in; and one
 * between two levels, where states are not kept. Between two phases the threads wait for each other.
 */
import { unknownNote } from '../compile/format.ts';
import type { Bank, Notes } from './bank.ts';

/** What the threads do next. */
export type Phase =
  | { readonly do: 'expand'; readonly most: number }
  | { readonly do: 'sort' }
  | { readonly do: 'reserve' }
  | { readonly do: 'insert'; readonly active: number }
  | { readonly do: 'settle' };

/** What a phase comes to. */
export interface Report {
  /** States and rules that have to be run elsewhere. */
  readonly missed: Notes;
  /** States without successors. */
  readonly stuck: Notes;
  /** New states and properties that have to be tested elsewhere. */
  readonly unknown: Notes;
  /** The least of the new states that decide a property, by property. */
  readonly decided: Map<number, Int32Array>;
  /** Whether there is no room for what was to be taken in. */
  full: boolean;
}

export function emptyReport(): Report {
  return { missed: [], stuck: [], unknown: [], decided: new Map(), full: false };
}

/** Adds what another thread reports. */
export function join(report: Report, other: Report): void {
  for (const of of ['missed', 'stuck', 'unknown'] as const) for (const number of other[of]) report[of].push(number);
  for (const [property, state] of other.decided) keepLeast(report.decided, property, state);
  report.full ||= other.full;
}

/** Does a phase on some of all banks. `propertyOf`: the property that a function tests, by number. */
export function run(
  phase: Phase,
  own: readonly Bank[],
  all: readonly Bank[],
  propertyOf: Int32Array,
  report: Report,
): void {
  let left = phase.do === 'expand' ? phase.most : 0;
  for (const bank of own) {
    switch (phase.do) {
      case 'expand':
        bank.beginRound();
        left -= bank.expand(left, report.missed, report.stuck);
        break;
      case 'sort':
        bank.sort();
        break;
      case 'reserve':
        if (!bank.reserve(all)) report.full = true;
        break;
      case 'insert':
        bank.insert(all, phase.active, (notes) => sift(notes, bank, propertyOf, report));
        break;
      case 'settle':
        if (!bank.settle()) report.full = true;
        break;
      default:
        phase satisfies never;
    }
  }
}

function sift(notes: Notes, bank: Bank, propertyOf: Int32Array, report: Report): void {
  for (let i = 0; i < notes.length; i += 3) {
    const [shard, id, about] = [notes[i] as number, notes[i + 1] as number, notes[i + 2] as number];
    if (about < 0) report.unknown.push(shard, id, about & ~unknownNote);
    else keepLeast(report.decided, propertyOf[about] as number, bank.state(shard, id));
  }
}

/** Of the states that decide a property the least is kept, so that it does not matter which was found first. */
export function keepLeast(decided: Map<number, Int32Array>, property: number, state: Int32Array): void {
  const known = decided.get(property);
  if (known === undefined || isLess(state, known)) decided.set(property, state);
}

/** Whether a packed state comes before another in a fixed order. */
export function isLess(a: Int32Array, b: Int32Array): boolean {
  for (const [i, word] of a.entries()) {
    const other = b[i] as number;
    if (word !== other) return word < other;
  }
  return false;
}
