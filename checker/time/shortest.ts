/**
 * Shortest loops that meet every obligation, in fair sets that are small enough to look for them.
 */
import type { Fairness } from './fairness.ts';
import type { Graph } from './graph.ts';

/** It is given up once it has looked at so many steps. */
const mostWork = 500_000;
/** In larger fair sets, and for more obligations than fit into so many bits, it is not tried. */
const mostStates = 50_000;
const mostBits = 22;

/** The obligations that are enabled in a state. */
export function enabledAt({ first, labels }: Graph, { of }: Fairness, state: number): ReadonlySet<number> {
  const enabled = new Set<number>();
  for (let step = first[state] as number; step < (first[state + 1] as number); step++) {
    const obligation = of[labels[step] as number] as number;
    if (obligation >= 0) enabled.add(obligation);
  }
  return enabled;
}

/** What a fair set asks of a loop in it: a bit for each weak obligation, two for each strong one. */
interface Duties {
  /** At a state: the weak ones that are not enabled, the strong ones that are. */
  readonly at: (state: number) => number;
  /** What a step meets. */
  readonly by: (step: number) => number;
  /** Whether a loop that has come to all this is fair. */
  readonly isFair: (bits: number) => boolean;
}

/** Shortest loops within small fair sets: a search through the states together with what was met on the way to them. */
export class ShortestRounds {
  /** How many steps were looked at. */
  private work = 0;
  private readonly graph: Graph;
  private readonly fairness: Fairness;
  private readonly sets: readonly Uint32Array[];
  private readonly setOf: Int32Array;
  private readonly duties = new Map<number, Duties | undefined>();

  constructor(graph: Graph, fairness: Fairness, sets: readonly Uint32Array[], setOf: Int32Array) {
    this.graph = graph;
    this.fairness = fairness;
    this.sets = sets;
    this.setOf = setOf;
  }

  /** A shortest fair loop from a state if it has fewer steps, and if it is found before too many were looked at. */
  through(start: number, shorterThan: number): readonly number[] | undefined {
    const { first, targets } = this.graph;
    const { setOf } = this;
    const own = setOf[start] as number;
    if (!this.duties.has(own)) this.duties.set(own, this.dutiesIn(this.sets[own - 1] as Uint32Array));
    const duties = this.duties.get(own);
    if (duties === undefined) return undefined;
    const range = 2 ** mostBits;
    const begin = start * range + duties.at(start);
    const from = new Map<number, { readonly node: number; readonly step: number }>();
    let frontier = [begin];
    for (let length = 1; length < shorterThan && frontier.length > 0 && this.work < mostWork; length++) {
      const next: number[] = [];
      for (const node of frontier) {
        const state = Math.floor(node / range);
        const bits = node % range;
        for (let step = first[state] as number; step < (first[state + 1] as number); step++) {
          this.work++;
          const target = targets[step] as number;
          if (setOf[target] !== own) continue;
          const met = bits | duties.at(target) | duties.by(step);
          const to = target * range + met;
          if (target === start && duties.isFair(met)) return [...wayBack(from, node, begin), step];
          if (to === begin || from.has(to)) continue;
          from.set(to, { node, step });
          next.push(to);
        }
      }
      frontier = next;
    }
    return undefined;
  }

  private dutiesIn(states: Uint32Array): Duties | undefined {
    if (states.length > mostStates) return undefined;
    const { obligations, of } = this.fairness;
    const { labels } = this.graph;
    const enabled = new Map<number, ReadonlySet<number>>();
    for (const state of states) enabled.set(state, enabledAt(this.graph, this.fairness, state));
    const bitOf = new Map<number, number>();
    let bits = 0;
    for (const some of enabled.values()) {
      for (const obligation of some) {
        if (bitOf.has(obligation)) continue;
        bitOf.set(obligation, bits);
        bits += obligations[obligation]?.kind === 'strong' ? 2 : 1;
      }
    }
    if (bits > mostBits) return undefined;
    const all = [...bitOf].map(([obligation, bit]) => ({
      obligation,
      isStrong: obligations[obligation]?.kind === 'strong',
      bit: 2 ** bit,
    }));
    const at = new Map<number, number>();
    for (const [state, some] of enabled) {
      let sum = 0;
      for (const { obligation, isStrong, bit } of all) if (some.has(obligation) === isStrong) sum += bit;
      at.set(state, sum);
    }
    return {
      at: (state) => at.get(state) as number,
      by: (step) => {
        const obligation = of[labels[step] as number] as number;
        const bit = bitOf.get(obligation);
        return bit === undefined ? 0 : 2 ** bit * (obligations[obligation]?.kind === 'strong' ? 2 : 1);
      },
      isFair: (met) =>
        all.every(({ isStrong, bit }) => (isStrong ? (met & bit) === 0 || (met & (2 * bit)) !== 0 : (met & bit) !== 0)),
    };
  }
}

/** The steps from one node of a search to another. */
function wayBack(
  from: ReadonlyMap<number, { readonly node: number; readonly step: number }>,
  end: number,
  begin: number,
): readonly number[] {
  const steps: number[] = [];
  for (let at = end; at !== begin;) {
    const { node, step } = from.get(at) as { readonly node: number; readonly step: number };
    steps.push(step);
    at = node;
  }
  return steps.toReversed();
}
