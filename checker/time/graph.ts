/**
 * The reachable states and the steps between them, laid out flat: what properties over time are decided on.
 */
import { hashOf } from '../compile/hash.ts';

/** An explicit graph. States and labels are numbers from 0. */
export interface Graph {
  readonly states: number;
  /** The initial states, in the order of their declaration. */
  readonly initial: readonly number[];
  /** The steps from state `s` are those numbered `first[s]` to `first[s + 1] - 1`, ordered by label. */
  readonly first: Uint32Array;
  readonly targets: Uint32Array;
  /** Which action or procedure step with which parameters it is. */
  readonly labels: Uint32Array;
  /** The packed states, one after the other. */
  readonly words: Int32Array;
  readonly stride: number;
}

/** The packed state with a number; a view, not a copy. */
export function stateIn({ words, stride }: Graph, state: number): Int32Array {
  return words.subarray(state * stride, (state + 1) * stride);
}

/** For each state: the numbering, and what is noted while a property is decided. */
const bytesToDecide = 16 + 96;

/** How many bytes it takes to build a graph and to decide on it, about. */
export function bytesOfGraph(states: number, steps: number, stride: number): number {
  return states * (stride * 4 + 4 + bytesToDecide) + steps * 8;
}

/** Numbers states as they are added, and collects their steps in the order of these numbers. */
export class GraphBuilder {
  private readonly stride: number;
  private words: Int32Array;
  /** How many were added. */
  states = 0;
  steps = 0;
  /** Open addressing: state number plus 1, or 0. */
  private index: Int32Array;
  private first: Uint32Array;
  private explored = 0;
  private targets: Uint32Array;
  private labels: Uint32Array;

  /** `states` and `steps`: how many are expected; more can be added. */
  constructor(stride: number, states = 1024, steps = 4096) {
    this.stride = stride;
    this.words = new Int32Array(Math.max(1, states) * stride);
    this.index = new Int32Array(2 ** Math.ceil(Math.log2(2 * Math.max(8, states))));
    this.first = new Uint32Array(Math.max(1, states) + 1);
    this.targets = new Uint32Array(Math.max(16, steps));
    this.labels = new Uint32Array(Math.max(16, steps));
  }

  /** The number of a state, which it gets now if it is new. */
  add(state: Int32Array, at = 0): number {
    const slot = this.slotOf(state, at);
    const known = this.index[slot] as number;
    if (known !== 0) return known - 1;
    const number = this.states++;
    if (this.words.length < this.states * this.stride) this.words = grown(this.words, this.states * this.stride);
    for (let i = 0; i < this.stride; i++) this.words[number * this.stride + i] = state[at + i] as number;
    this.index[slot] = this.states;
    if (this.states * 2 > this.index.length) this.rehash();
    return number;
  }

  private slotOf(state: Int32Array, at: number): number {
    const { stride, words, index } = this;
    const mask = index.length - 1;
    for (let slot = hashOf(state, at, stride) & mask; ; slot = (slot + 1) & mask) {
      const known = index[slot] as number;
      if (known === 0) return slot;
      const base = (known - 1) * stride;
      let i = 0;
      while (i < stride && words[base + i] === state[at + i]) i++;
      if (i === stride) return slot;
    }
  }

  private rehash(): void {
    this.index = new Int32Array(this.index.length * 2);
    for (let state = 0; state < this.states; state++) {
      this.index[this.slotOf(this.words, state * this.stride)] = state + 1;
    }
  }

  /** Adds a step from the state that is being explored. */
  addStep(label: number, target: number): void {
    if (this.steps === this.targets.length) {
      this.targets = grown(this.targets, this.steps + 1);
      this.labels = grown(this.labels, this.steps + 1);
    }
    this.targets[this.steps] = target;
    this.labels[this.steps++] = label;
  }

  /** All steps of the state that is being explored are added; the next one follows. */
  endState(): void {
    if (++this.explored === this.first.length) this.first = grown(this.first, this.explored + 1);
    this.first[this.explored] = this.steps;
  }

  /** A state that was added; a view, not a copy. */
  state(number: number): Int32Array {
    return this.words.subarray(number * this.stride, (number + 1) * this.stride);
  }

  graph(initial: readonly number[]): Graph {
    if (this.explored !== this.states) throw new Error('the steps of some states are missing');
    return {
      states: this.states,
      initial,
      first: this.first.subarray(0, this.states + 1),
      targets: this.targets.subarray(0, this.steps),
      labels: this.labels.subarray(0, this.steps),
      words: this.words.subarray(0, this.states * this.stride),
      stride: this.stride,
    };
  }
}

function grown<A extends Int32Array | Uint32Array>(array: A, length: number): A {
  const larger = new (array.constructor as new (length: number) => A)(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}
