/**
 * Random scenarios on the machine and on QEMU: what differs is shrunk to a smallest scenario.
 */
import fc from 'fast-check';
import { machineBoard } from '../../executor/scenario/machine-board.ts';
import { parseScenario } from '../../executor/scenario/format.ts';
import { runScenario } from '../../executor/scenario/run.ts';
import type { StepResult } from '../../executor/scenario/scenario.ts';
import { type Comparison, compare, type Difference } from './compare.ts';
import { Follower } from './follow.ts';
import { layout } from './image.ts';
import { lower, type Lowered } from './lower.ts';
import { type Abilities, type Plan, planOf } from './plan.ts';
import { contents, memoryUnit, type Outcome, type QemuSession } from './session.ts';

/** What was compared. */
export interface Tally {
  /** Scenarios whose every step was compared. */
  compared: number;
  /** Scenarios that QEMU cannot be the judge of, by the reason. */
  readonly incomparable: Map<string, number>;
  dmas: number;
  /** Event records by name and stage. */
  readonly events: Map<string, number>;
  /** How often each departure of QEMU took part. */
  readonly departures: Map<string, number>;
}

/** A scenario on which machine and QEMU differ, as small as it got. */
export interface Failure {
  readonly scenario: Lowered;
  readonly difference: Difference;
  /** fast-check's name of the run: a seed and a path. */
  readonly seed: number;
  readonly path: string;
}

/** What random scenarios came to. */
export interface RandomResult {
  readonly tally: Tally;
  readonly failure?: Failure;
}

/** What a version of QEMU can be compared on. */
function abilitiesOf({ binary }: QemuSession): Abilities {
  return { stage2: binary.major >= 10 };
}

/** Runs `runs` scenarios from a seed; `progress` is told of the tally after each that was compared. */
export async function compareRandom(
  session: QemuSession,
  { runs, seed, progress }: { runs: number; seed: number; progress?: (tally: Tally) => void },
): Promise<RandomResult> {
  const abilities = abilitiesOf(session);
  const tally: Tally = { compared: 0, incomparable: new Map(), dmas: 0, events: new Map(), departures: new Map() };
  let failed: { plan: Plan; difference: Difference } | undefined;
  const property = fc.asyncProperty(planOf(abilities), async (plan) => {
    const comparison = await comparePlan(plan, session, abilities);
    if (typeof comparison === 'string') {
      if (failed === undefined) add(tally.incomparable, comparison, 1);
      return true;
    }
    if (comparison.difference !== undefined) {
      failed = { plan, difference: comparison.difference };
      return false;
    }
    if (failed === undefined) {
      count(tally, comparison);
      progress?.(tally);
    }
    return true;
  });
  const details = await fc.check(property, { numRuns: runs, seed });
  if (!details.failed) return { tally };
  if (failed === undefined) throw new Error('a scenario could not be run', { cause: details.errorInstance });
  const { plan, difference } = failed;
  const path = details.counterexamplePath ?? '';
  return { tally, failure: { scenario: lower(plan, abilities), difference, seed: details.seed, path } };
}

interface Compared extends Comparison {
  readonly results: readonly StepResult[];
}

/** The comparison of a plan, or why QEMU is no judge of it. */
async function comparePlan(plan: Plan, session: QemuSession, abilities: Abilities): Promise<Compared | string> {
  const scenario = parseScenario(lower(plan, abilities));
  const board = machineBoard(scenario);
  const follower = new Follower(board, scenario.devices);
  const { results, ok } = await runScenario(scenario, board, follower);
  if (follower.incomparable !== undefined) return follower.incomparable;
  const units = [...new Set([...dataUnits, ...follower.touched])];
  const machine: Outcome = { results, ok, memory: await contents(board, units) };
  const qemu = await session.run(scenario, units);
  return { ...compare(machine, qemu, surroundingsOf(plan, session)), results };
}

/** The data, and what comes after it. */
const dataUnits = Array.from({ length: 5 }, (_, unit) => layout.data + BigInt(unit) * memoryUnit);

function surroundingsOf({ table, spaces }: Plan, { binary }: QemuSession) {
  const tables = spaces.flatMap(({ lower: low, upper }) => [low, upper]);
  return {
    major: binary.major,
    streamIdBits: Math.max(table.log2, table.split ?? 0),
    tablePermissions: tables.some((one) => one?.mappings.some(({ tableReadOnly }) => tableReadOnly) === true),
  };
}

function count(tally: Tally, { results, departures }: Compared): void {
  tally.compared += 1;
  for (const [name, times] of departures) add(tally.departures, name, times);
  for (const result of results) {
    if (result.op === 'dma') tally.dmas += 1;
    if (result.op !== 'events') continue;
    for (const { name, s2 } of result['events'] as readonly { name: string; s2: number }[]) {
      add(tally.events, s2 === 1 ? `${name} of stage 2` : name, 1);
    }
  }
}

function add(counts: Map<string, number>, name: string, times: number): void {
  counts.set(name, (counts.get(name) ?? 0) + times);
}
