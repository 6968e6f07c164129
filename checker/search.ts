/**
 * The plain search: breadth-first over immutable states, one Map of visited keys. It is written to be obviously right, and
 * is the reference for every faster engine.
 */
import {
  type ActionData,
  initialStates,
  type Instance,
  ModelError,
  type Property,
  propertiesOf,
  type PropertySet,
  type State,
  successors,
  withoutClockOrChance,
} from '../language/index.ts';
import { heapIsOver } from './heap.ts';
import type { CheckResult, Limit, Path, PropertyResult, Verdict } from './result.ts';

/** Limits and wishes for a search. */
export interface SearchOptions {
  /** Only these properties; default all. */
  readonly properties?: readonly string[] | undefined;
  readonly maxStates?: number | undefined;
  readonly maxSeconds?: number | undefined;
  /** In bytes of JavaScript heap; default 85 % of what Node allows. */
  readonly maxMemory?: number | undefined;
  /** Explores on after a violation, so that every property gets its own verdict; default false. */
  readonly keepGoing?: boolean | undefined;
  /** Explores on until all of these properties are violated; default until any property is. */
  readonly until?: readonly string[] | undefined;
  /** Called every few hundred states. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** How far a search has come. */
export interface Progress {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** States found but not yet explored. */
  readonly frontier: number;
  readonly seconds: number;
}

/** A mistake in a model that showed in some state, with the way there. */
export class ModelErrorAtState extends ModelError {
  readonly path: Path;

  constructor(error: ModelError, path: Path) {
    super(error.problem, error.place, { cause: error });
    this.path = path;
  }
}

/** How a state was first reached: from which state and by which action, or as which initial state. */
interface Visit {
  readonly from: number;
  readonly action: ActionData | undefined;
}

/** A property on its way to a verdict. */
interface Claim {
  readonly property: Property;
  /** The state that decides it: a violation, or the witness of a reachable property. */
  decided?: { readonly state: number; readonly binding: Readonly<Record<string, unknown>> };
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
 * counts do not depend on the order of states within a level.
 */
export function search(instance: Instance, sets: readonly PropertySet[], options: SearchOptions = {}): CheckResult {
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const claims = propertiesOf(instance, sets, options.properties).map((property): Claim => ({ property }));
  const deadlock = claims.find(({ property }) => property.kind === 'deadlock');

  const visited = new Set<string>();
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
  const meet = (state: State, from: number, action: ActionData | undefined): void => {
    const key = instance.domain.key(state);
    if (visited.has(key)) return;
    visited.add(key);
    const id = visits.push({ from, action }) - 1;
    next.push(state);
    withPath(id, () => decideAt(claims, state, id, isChecked(id)));
  };
  for (const [i, state] of initial.entries()) meet(state, i, undefined);

  const awaited = claims.filter(({ property }) => options.until?.includes(property.name) === true);
  const violatedEnough = (): boolean =>
    options.until === undefined ? claims.some(isViolated) : awaited.length > 0 && awaited.every(isViolated);

  let transitions = 0;
  let depth = 0;
  let explored = 0;
  let limit: Limit | undefined;
  const reached = (): Limit | undefined => {
    if (seconds() >= (options.maxSeconds ?? Number.POSITIVE_INFINITY)) return 'max-seconds';
    if (visited.size >= mapCapacity || heapIsOver(options.maxMemory)) return 'max-memory';
    return undefined;
  };
  const exploreOne = (state: State): void => {
    const id = explored++;
    let enabled = 0;
    successors(instance, state, isChecked(id), (_rule, bound, after) => {
      enabled++;
      meet(after, id, bound.action);
    });
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
    if (options.keepGoing !== true && violatedEnough()) {
      limit = 'first violation';
      break;
    }
    const states = next;
    next = [];
    for (let done = 0; done < states.length && limit === undefined; done += statesPerLook) {
      const frontier = states.length - done + next.length;
      options.onProgress?.({ states: visited.size, transitions, depth, frontier, seconds: seconds() });
      limit = reached();
      if (limit === undefined) limit = explore(states.slice(done, done + statesPerLook));
    }
    if (limit !== undefined && next.length > 0) depth = level + 1;
  }

  const properties = claims.map((claim) => conclude(claim, limit === undefined, pathTo));
  return {
    model: instance.model.name,
    size: instance.size,
    sizes: instance.sizes,
    ...(instance.variant === undefined ? {} : { variant: instance.variant }),
    verdict: worst(properties.map(({ verdict }) => verdict)),
    states: visited.size,
    transitions,
    depth,
    seconds: seconds(),
    ...(limit === undefined ? {} : { limit }),
    properties,
  };
}

/** Tests the undecided properties on a state that is met for the first time. */
function decideAt(claims: readonly Claim[], state: State, id: number, checked: boolean): void {
  for (const claim of claims) {
    const { kind, bindings, test } = claim.property;
    if (claim.decided !== undefined || kind === 'deadlock') continue;
    if (checked) refuseUnsteady(claim.property, state);
    const deciding = kind === 'reachable';
    const binding = bindings.find((candidate) => test(state, candidate) === deciding);
    if (binding !== undefined) claim.decided = { state: id, binding };
  }
}

function refuseUnsteady({ name, bindings, test }: Property, state: State): void {
  if (bindings.every((binding) => test(state, binding) === test(state, binding))) return;
  throw new ModelError('gives different answers for the same state: it must not keep state of its own', { part: name });
}

function isViolated(claim: Claim): boolean {
  return claim.decided !== undefined && claim.property.kind !== 'reachable';
}

function conclude(claim: Claim, complete: boolean, pathTo: (id: number) => Path): PropertyResult {
  const { name, kind, doc, requirements } = claim.property;
  const about = { name, kind, doc, requirements };
  const { decided } = claim;
  const good = kind === 'reachable';
  if (decided !== undefined) {
    const verdict = good ? 'holds' : 'violated';
    return { ...about, verdict, path: pathTo(decided.state), binding: decided.binding };
  }
  if (!complete) return { ...about, verdict: 'unknown' };
  return { ...about, verdict: good ? 'violated' : 'holds' };
}

function worst(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('violated')) return 'violated';
  return verdicts.includes('unknown') ? 'unknown' : 'holds';
}
