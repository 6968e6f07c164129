/**
 * Compares what a scenario came to on the machine and on QEMU: results field by field, then memory.
 */
import type { StepResult } from '../../executor/scenario/scenario.ts';
import { asInQemu, type EventResult, type Surroundings } from './departures.ts';
import type { Outcome } from './session.ts';

/** The first difference that no known departure of QEMU explains. */
export interface Difference {
  /** The step, or that memory differs. */
  readonly where: string;
  readonly machine: unknown;
  readonly qemu: unknown;
}

/** What the comparison found, and how often each departure took part. */
export interface Comparison {
  readonly difference?: Difference;
  readonly departures: ReadonlyMap<string, number>;
}

/** Compares two outcomes. */
export function compare(machine: Outcome, qemu: Outcome, surroundings: Surroundings): Comparison {
  const departures = new Map<string, number>();
  for (const [index, ours] of machine.results.entries()) {
    const theirs = qemu.results[index];
    const expected = expectedOf(ours, theirs, surroundings, departures);
    if (JSON.stringify(expected) !== JSON.stringify(theirs)) {
      return { difference: { where: `step ${ours.i} (${ours.op})`, machine: ours, qemu: theirs }, departures };
    }
  }
  for (const [start, bytes] of machine.memory) {
    const theirs = qemu.memory.get(start);
    const at = bytes.findIndex((byte, index) => byte !== theirs?.[index]);
    if (at === -1) continue;
    const line = at - (at % 16);
    const difference = {
      where: `memory at 0x${(start + BigInt(line)).toString(16)} after the last step`,
      machine: Buffer.from(bytes.slice(line, line + 16)).toString('hex'),
      qemu: Buffer.from(theirs?.slice(line, line + 16) ?? []).toString('hex'),
    };
    return { difference, departures };
  }
  return { departures };
}

/** What QEMU must answer where the machine answers this: the same, but for its departures. */
function expectedOf(
  ours: StepResult,
  theirs: StepResult | undefined,
  surroundings: Surroundings,
  departures: Map<string, number>,
): StepResult {
  if (ours.op !== 'events') return ours;
  const records = (theirs?.['events'] ?? []) as readonly EventResult[];
  const events = (ours['events'] as readonly EventResult[]).map((event, index) => {
    const { event: expected, names } = asInQemu(event, records[index] ?? event, surroundings);
    for (const name of names) departures.set(name, (departures.get(name) ?? 0) + 1);
    return expected;
  });
  return { ...ours, events };
}
