/**
 * A tour through all that a model can do, each transition between reachable states at least once, with its machine at its side.
 */
import { type ActionData, initialStates, type Instance, type State } from '../../language/index.ts';
import { successors } from '../../language/meaning.ts';
import type { AnyLowering } from './lowering.ts';
import { begin, type Disagreement, type Session } from './session.ts';

interface Edge {
  readonly action: ActionData;
  readonly to: Place;
  taken: boolean;
}

/** A reachable state with the transitions that leave it. */
interface Place {
  readonly state: State;
  readonly edges: Edge[];
  untaken: number;
}

/** What came of a tour. */
export interface Toured {
  readonly states: number;
  readonly transitions: number;
  /** How many of the transitions the machine did. */
  readonly done: number;
  /** How it disagreed first, and the way there from an initial state. */
  readonly disagreement: Disagreement | undefined;
  readonly way: readonly ActionData[];
}

/** The longest run of one machine: it remembers all accesses that were ever made. */
const longest = 3000;

/** Tours an instance; ends with the first disagreement. */
export function tour(lowering: AnyLowering, instance: Instance): Toured {
  const { starts, places } = explore(instance);
  const transitions = places.reduce((sum, { edges }) => sum + edges.length, 0);
  let done = 0;
  const end = (disagreement: Disagreement | undefined, way: readonly ActionData[]): Toured => ({
    states: places.length,
    transitions,
    done,
    disagreement,
    way,
  });
  for (;;) {
    const start = starts.find((place) => wayToUntaken(place) !== undefined);
    if (start === undefined) return end(undefined, []);
    const session: Session = begin(lowering, instance, start.state);
    if (session.initially !== undefined) return end(session.initially, []);
    const way: ActionData[] = [];
    let place = start;
    for (let next = wayToUntaken(place); next !== undefined && way.length < longest; next = wayToUntaken(place)) {
      for (const edge of next) {
        way.push(edge.action);
        const disagreement = session.step(edge.action, place.state, edge.to.state);
        if (disagreement !== undefined) return end(disagreement, way);
        if (!edge.taken) {
          edge.taken = true;
          place.untaken--;
          done++;
        }
        place = edge.to;
      }
    }
  }
}

/** The shortest way to a transition that was not taken, with it as its last. */
function wayToUntaken(from: Place): readonly Edge[] | undefined {
  const before = new Map<Place, { readonly edge: Edge; readonly place: Place } | undefined>([[from, undefined]]);
  const queue: Place[] = [from];
  for (const place of queue) {
    if (place.untaken > 0) {
      const last = place.edges.find(({ taken }) => !taken);
      const way = last === undefined ? [] : [last];
      for (let step = before.get(place); step !== undefined; step = before.get(step.place)) way.unshift(step.edge);
      return way;
    }
    for (const edge of place.edges) {
      if (before.has(edge.to)) continue;
      before.set(edge.to, { edge, place });
      queue.push(edge.to);
    }
  }
  return undefined;
}

function explore(instance: Instance): { readonly starts: readonly Place[]; readonly places: readonly Place[] } {
  const known = new Map<string, Place>();
  const places: Place[] = [];
  const placeOf = (state: State): Place => {
    const key = instance.domain.key(state);
    const found = known.get(key);
    if (found !== undefined) return found;
    const place: Place = { state, edges: [], untaken: 0 };
    known.set(key, place);
    places.push(place);
    return place;
  };
  const starts = (initialStates(instance) as readonly State[]).map(placeOf);
  for (const place of places) {
    successors(instance, place.state, false, (_rule, bound, next) => {
      place.edges.push({ action: bound.action, to: placeOf(next), taken: false });
    });
    place.untaken = place.edges.length;
  }
  return { starts, places };
}
