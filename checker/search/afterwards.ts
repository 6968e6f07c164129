/**
 * What is decided once all states are known: properties over time, on the graph of all steps, and whether properties speak of
 * anything at all.
 */
import { isOverTime } from '../../language/index.ts';
import type { Program } from '../compile/program.ts';
import { Decider } from '../time/decide.ts';
import { graphOf, testerOf } from '../time/explicit.ts';
import { bytesOfGraph } from '../time/graph.ts';
import type { Claim } from './claims.ts';
import { isEverMet } from './covered.ts';

/** A search that has explored all that it was to explore. */
export interface Explored {
  readonly program: Program;
  readonly claims: readonly Claim<unknown>[];
  readonly initial: readonly Int32Array[];
  readonly states: number;
  readonly transitions: number;
  /** Bytes that the states take, and that everything may take. */
  readonly used: number;
  readonly maxMemory: number;
  /** Why to stop, once there is a reason. */
  readonly stopped: () => string | undefined;
}

/** Decides the properties over time, or says why they stay undecided. Yields now and then how many states are done. */
export function* decideOverTime(explored: Explored): Generator<number, void> {
  const claims = explored.claims.filter(({ property }) => isOverTime(property));
  if (claims.length === 0) return;
  const why = obstacle(explored) ?? (yield* decideOnGraph(explored, claims));
  if (why === undefined) return;
  for (const claim of claims) claim.finding ??= { verdict: 'unknown', undecided: why };
}

/** Why there can be no graph of all states and steps, if so. */
function obstacle({ program, states, transitions, used, maxMemory }: Explored): string | undefined {
  if (Object.keys(program.narrowing).length > 0) {
    return 'a search that leaves out states or steps does not decide properties over time';
  }
  const needed = bytesOfGraph(states, transitions, program.layout.words);
  if (needed <= maxMemory - used) return undefined;
  const [ofGraph, ofAll, ofStates] = [needed, maxMemory, used].map(inUnits);
  return `the graph of all steps takes about ${ofGraph}, and of ${ofAll} the states take ${ofStates}`;
}

/** Decides properties on the graph; returns why not all of them, if so. */
function* decideOnGraph(explored: Explored, claims: readonly Claim<unknown>[]): Generator<number, string | undefined> {
  const { program, states, initial, stopped } = explored;
  const building = graphOf(program, explored, initial);
  let built = building.next();
  for (; built.done !== true; built = building.next()) {
    const why = stopped();
    if (why !== undefined) return why;
    yield built.value;
  }
  const decider = new Decider(program.instance, built.value, testerOf(program, built.value));
  for (const claim of claims) {
    yield states;
    const why = stopped();
    if (why !== undefined) return why;
    claim.finding = decider.decide(claim.property);
  }
  return undefined;
}

/** An invariant whose antecedent was never true says nothing. `pieces`: the states, where the trees do not know of all. */
export function findVacuous({ program, claims }: Explored, pieces: (() => Iterable<Int32Array>) | undefined): void {
  for (const claim of claims) {
    if (claim.property.kind !== 'invariant' || claim.decided !== undefined) continue;
    if (!isEverMet(program, claim.property, pieces)) claim.finding = { verdict: 'vacuous' };
  }
}

/** A number of bytes, for people. */
function inUnits(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
