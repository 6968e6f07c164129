/**
 * Strongly connected components of a part of a graph, by Tarjan's algorithm without recursion.
 */
import type { Graph } from './graph.ts';

/** What is noted of each state; together, since it is looked up together and at random. */
const wordsPerState = 4;
/** In which part of the graph the state is. */
const part = 0;
/** When it was met, from 1 on; 0 if it was not yet. */
const order = 1;
/** The earliest state that is known to be reached from it, by when that was met. */
const low = 2;
/** Its component; 0 as long as that is not complete. */
const component = 3;

/** Finds components; one after the other, in parts of the graph that have numbers. */
export class Components {
  private readonly graph: Graph;
  private readonly notes: Int32Array;
  private readonly stack: Uint32Array;
  /** The way that is followed: states, and how many of their steps were looked at. */
  private readonly path: Uint32Array;
  private readonly next: Uint32Array;
  private found = 0;

  /** Part 1 is the states where `inside` is not 0, or all. */
  constructor(graph: Graph, inside?: Uint8Array) {
    const { states } = graph;
    this.graph = graph;
    this.notes = new Int32Array(states * wordsPerState);
    this.stack = new Uint32Array(states);
    this.path = new Uint32Array(states);
    this.next = new Uint32Array(states);
    for (let state = 0; state < states; state++) {
      if (inside === undefined || inside[state] !== 0) this.notes[state * wordsPerState + part] = 1;
    }
  }

  /** The component of a state; 0 if it was not met. */
  of(state: number): number {
    return this.notes[state * wordsPerState + component] as number;
  }

  /** Moves states into another part, where they can be met anew. */
  move(states: Iterable<number>, number: number): void {
    for (const state of states) {
      const at = state * wordsPerState;
      this.notes[at + part] = number;
      this.notes[at + order] = 0;
      this.notes[at + component] = 0;
    }
  }

  /**
   * Visits the components of what can be reached from the roots within the part of the graph with a number; each after all
   * those that can be reached from it. The states are valid during the visit alone. States that were met before in the same
   * part are left out.
   */
  visit(roots: Iterable<number>, number: number, each: (states: Uint32Array, component: number) => void): void {
    const { notes, stack, path, next } = this;
    const { first, targets } = this.graph;
    let count = 0;
    let depth = 0;
    let height = 0;
    const enter = (state: number): void => {
      count++;
      const at = state * wordsPerState;
      notes[at + order] = count;
      notes[at + low] = count;
      notes[at + component] = 0;
      stack[height++] = state;
      next[depth] = first[state] as number;
      path[depth++] = state;
    };
    for (const root of roots) {
      const atRoot = root * wordsPerState;
      if (notes[atRoot + part] !== number || notes[atRoot + order] !== 0) continue;
      enter(root);
      while (depth > 0) {
        const state = path[depth - 1] as number;
        const at = state * wordsPerState;
        const end = first[state + 1] as number;
        let least = notes[at + low] as number;
        let entered = false;
        for (let step = next[depth - 1] as number; step < end && !entered; step++) {
          const target = targets[step] as number;
          const to = target * wordsPerState;
          if (notes[to + part] !== number) continue;
          const met = notes[to + order] as number;
          if (met === 0) {
            next[depth - 1] = step + 1;
            enter(target);
            entered = true;
          } else if (met < least && notes[to + component] === 0) least = met;
        }
        notes[at + low] = least;
        if (entered) continue;
        depth--;
        if (depth > 0) {
          const parent = (path[depth - 1] as number) * wordsPerState;
          if (least < (notes[parent + low] as number)) notes[parent + low] = least;
        }
        if (least !== notes[at + order]) continue;
        const own = ++this.found;
        const top = height;
        do notes[(stack[--height] as number) * wordsPerState + component] = own;
        while (stack[height] !== state);
        each(stack.subarray(height, top), own);
      }
    }
  }
}
