/**
 * The plain search: breadth-first over immutable states, one Map of visited keys. It is written to be obviously right, and
 * is the reference for every faster engine.
 */
import {
  type ActionData,
  initialStates,
  type Instance,
  isOverTime,
  ModelError,
  type Property,
  propertiesOf,
  type PropertySet,
  type State,
  successors,
  withoutClockOrChance,
} from '../../language/index.ts';
import { CoverageCounter, neverIn, wayOf } from '../coverage.ts';
import { Digest } from '../compile/hash.ts';
import { type Layout, layoutOf } from '../compile/layout.ts';
import type { CheckResult, Limit, Path } from '../result.ts';
import { type Claim, decidingAnswer, isEnough, resultOf } from './claims.ts';
import { Decider, type Tester } from '../time/decide.ts';
import { labelsOf } from '../time/fairness.ts';
import { GraphBuilder } from '../time/graph.ts';
import { steadyAnswer, steadyAnswerOfStep } from '../time/steady.ts';
import { heapIsOver } from './heap.ts';
import { ModelErrorAtState, type Progress, type SearchOptions } from './options.ts';

/** How a state was first reached: from which state and by which action, or as which initial state. */
interface Visit {
  readonly from: number;
  readonly action: ActionData | undefined;
}

/** The state that decides a property, by number, and for which members it does. */
interface Decision {
  readonly state: number;
  readonly binding: Readonly<Record<string, unknown>>;
}

/** With an antecedent: whether that was true in a state. */
interface PlainClaim extends Claim<Decision> {
  isMet: boolean;
}

/** A function of the model is run twice on the first states, and then on one state in so many. */
const checkedStates = 500;
const checkedShare = 97;
const isChecked = (state: number): boolean => state < checkedStates || state % checkedShare === 0;
const statesPerLook = 256;
/** A JavaScript Map holds fewer than 2^24 entries. */
const mapCapacity = 2 ** 24 - 2 ** 16;

/**
 * Explores all reachable states of an instance and decides the properties. Throws `ModelError` where the model itself is
 * broken. Without `keepGoing` the search stops at the end of the level on which the first violation was found, so that
 * counts do not depend on the order of states within a level. Yields its progress now and then.
 */
export function* plainSearch(
  instance: Instance,
  sets: readonly PropertySet[],
  options: SearchOptions = {},
): Generator<Progress, CheckResult> {
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const claims = propertiesOf(instance, sets, options.properties).map((property): PlainClaim => ({
    property,
    isMet: property.given === undefined,
  }));
  const deadlock = claims.find(({ property }) => property.kind === 'deadlock');

  const layout = layoutOf(instance);
  const digest = new Digest();
  const visited = new Map<string, number>();
  const overTime = claims.filter(({ property }) => isOverTime(property));
  const steps = overTime.length === 0 ? undefined : new GraphBuilder(layout.words);
  const met: State[] = [];
  const counter = options.coverage === true ? new CoverageCounter(instance) : undefined;
  const labels = new Map(labelsOf(instance).map(({ bound }, label) => [bound, label]));
  const visits: Visit[] = [];
  const initial = initialStates(instance) as readonly State[];
  const pathTo = (id: number): Path => {
    const actions: ActionData[] = [];
    let visit = visits[id];
    while (visit?.action !== undefined) {
      actions.push(visit.action);
      visit = visits[visit.from];
    }
    return { initial: initial[visit?.from ?? 0] as State, actions: actions.toReversed() };
  };
  const withPath = <T>(id: number, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      // The innermost path is the longest: an error met in a next state is not one of the state before it.
      if (error instanceof ModelErrorAtState || !(error instanceof ModelError)) throw error;
      throw new ModelErrorAtState(error, pathTo(id));
    }
  };

  let next: State[] = [];
  const meet = (state: State, from: number, action: ActionData | undefined): number => {
    const key = instance.domain.key(state);
    const known = visited.get(key);
    if (known !== undefined) return known;
    const packed = layout.pack(state);
    digest.add(packed);
    const id = visits.push({ from, action }) - 1;
    visited.set(key, id);
    if (steps?.add(packed) === id) met.push(state);
    next.push(state);
    withPath(id, () => decideAt(claims, state, id, isChecked(id)));
    return id;
  };
  for (const [i, state] of initial.entries()) meet(state, i, undefined);

  let transitions = 0;
  let depth = 0;
  let explored = 0;
  let limit: Limit | undefined;
  const reached = (): Limit | undefined => {
    if (options.signal?.aborted === true) return 'interrupted';
    if (seconds() >= (options.maxSeconds ?? Number.POSITIVE_INFINITY)) return 'max-seconds';
    if (visited.size >= mapCapacity || heapIsOver(options.maxMemory)) return 'max-memory';
    return undefined;
  };
  const exploreOne = (state: State): void => {
    const id = explored++;
    let enabled = 0;
    successors(instance, state, isChecked(id), (_rule, bound, after) => {
      enabled++;
      const target = meet(after, id, bound.action);
      steps?.addStep(labels.get(bound) as number, target);
    });
    if (counter !== undefined) {
      for (const rule of instance.rules) {
        for (const bound of rule.bindings) counter.add(rule, wayOf(rule, bound, state));
      }
    }
    steps?.endState();
    transitions += enabled;
    if (enabled === 0 && deadlock !== undefined && deadlock.decided === undefined) {
      if (deadlock.property.finalState(state) === undefined) deadlock.decided = { state: id, binding: {} };
    }
  };
  const explore = (states: readonly State[]): Limit | undefined =>
    withoutClockOrChance(() => {
      for (const state of states) {
        if (visited.size >= (options.maxStates ?? Number.POSITIVE_INFINITY)) return 'max-states';
        withPath(explored, () => exploreOne(state));
      }
      return undefined;
    });

  for (let level = 0; next.length > 0 && limit === undefined; level++) {
    depth = level;
    if (isEnough(claims, options)) {
      limit = 'first violation';
      break;
    }
    const states = next;
    next = [];
    for (let done = 0; done < states.length && limit === undefined; done += statesPerLook) {
      const frontier = states.length - done + next.length;
      yield { states: visited.size, transitions, depth, frontier, seconds: seconds() };
      limit = reached();
      if (limit === undefined) limit = explore(states.slice(done, done + statesPerLook));
    }
    if (limit !== undefined && next.length > 0) depth = level + 1;
  }

  if (steps !== undefined && limit === undefined) {
    const decider = new Decider(instance, steps.graph(initial.map((_, i) => i)), plainTester(met, layout));
    for (const claim of overTime) claim.finding = decider.decide(claim.property);
  }

  for (const claim of claims) {
    const isOpen = limit === undefined && claim.property.kind === 'invariant' && claim.decided === undefined;
    if (isOpen && !claim.isMet) claim.finding = { verdict: 'vacuous' };
  }
  const coverage = limit === undefined ? counter?.coverage() : undefined;
  const exploration = {
    states: visited.size,
    transitions,
    depth,
    seconds: seconds(),
    digest: digest.toString(),
    engine: 'plain' as const,
    ...(coverage === undefined ? {} : { coverage, never: neverIn(coverage) }),
  };
  return resultOf(instance, claims, exploration, limit, (_claim, { state, binding }) => ({
    path: pathTo(state),
    binding,
  }));
}

/** Tests as they are, on the states as they are; of a step, on states that share nothing. */
function plainTester(states: readonly State[], layout: Layout): Tester {
  return {
    states: (name, test) => (number) => {
      const state = states[number] as State;
      return isChecked(number) ? steadyAnswer(name, test, state) : test(state);
    },
    steps: (name, test) => (before, after) => {
      const apart = layout.unpack(layout.pack(states[after] as State));
      return steadyAnswerOfStep(name, test, states[before] as State, apart);
    },
    state: (state) => states[state] as State,
  };
}

/** Tests the undecided properties on a state that is met for the first time. */
function decideAt(claims: readonly PlainClaim[], state: State, id: number, checked: boolean): void {
  for (const claim of claims) {
    const { kind, bindings, given, test } = claim.property;
    if (claim.decided !== undefined || kind === 'deadlock' || isOverTime(claim.property)) continue;
    if (checked) refuseUnsteady(claim.property, state);
    const deciding = decidingAnswer(claim.property);
    const binding = bindings.find((candidate) => test(state, candidate) === deciding);
    if (binding !== undefined) claim.decided = { state: id, binding };
    claim.isMet ||= given !== undefined && bindings.some((candidate) => given(state, candidate));
  }
}

function refuseUnsteady({ name, bindings, test }: Property, state: State): void {
  for (const binding of bindings) steadyAnswer(name, (of) => test(of, binding), state);
}
