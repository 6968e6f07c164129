/**
 * The graph of the compiled search: the states that it found, and their steps by generated code that labels them.
 */
import { ModelError, type State, withoutClockOrChance } from '../../language/index.ts';
import { noteBytes, stridesOf } from '../compile/format.ts';
import { generate, type ProgramExports } from '../compile/module.ts';
import { pairOf } from '../compile/pair.ts';
import { Predicate, Predicates } from '../compile/predicate.ts';
import type { Program } from '../compile/program.ts';
import { type Graph, GraphBuilder, stateIn } from './graph.ts';
import type { Tester } from './decide.ts';
import { isChecked, steadyAnswerOfStep } from './steady.ts';

const page = 65536;
/** The first page is left to what generated code may keep there. */
const buffers = page;

/** The steps of single packed states, each with its label. */
class Stepper {
  private readonly program: Program;
  private readonly numbers: Int32Array;
  private readonly exports: ProgramExports;
  private readonly at: {
    readonly state: number;
    readonly out: number;
    readonly missed: number;
    readonly stuck: number;
  };
  private readonly stride: number;

  constructor(program: Program) {
    this.program = program;
    const { words } = program.layout;
    const { state, successor } = stridesOf(words);
    const rules = program.rules.length;
    let next = buffers;
    const take = (bytes: number): number => {
      const start = next;
      next += Math.ceil((bytes + 64) / 64) * 64;
      return start;
    };
    this.at = {
      state: take(state),
      out: take(rules * successor),
      missed: take(rules * noteBytes),
      stuck: take(2 * noteBytes),
    };
    const pages = Math.ceil(next / page) + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const module = new WebAssembly.Module(generate(program, pages, true));
    this.exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as ProgramExports;
    this.numbers = new Int32Array(memory.buffer);
    this.stride = successor / 4;
  }

  /** Calls `each` with every step of a state, in the order of labels: where in `words` the state after it is. */
  stepsOf(state: Int32Array, each: (label: number, words: Int32Array, at: number) => void): void {
    const { exports, numbers, at, stride } = this;
    numbers.set(state, at.state >>> 2);
    exports.out.value = at.out;
    exports.missed.value = at.missed;
    exports.stuck.value = at.stuck;
    exports.expand(at.state, 1);
    const end = exports.out.value >>> 2;
    const missedEnd = exports.missed.value >>> 2;
    const width = stride - 1;
    let position = at.out >>> 2;
    for (let note = at.missed >>> 2; note < missedEnd; note += noteBytes / 4) {
      const label = numbers[note + 2] as number;
      for (; position < end && (numbers[position + width] as number) < label; position += stride) {
        each(numbers[position + width] as number, numbers, position);
      }
      const rule = this.program.rules[label] as Program['rules'][number];
      const after = withoutClockOrChance(() => this.program.after(rule, state));
      if (after !== undefined) each(label, after, 0);
    }
    for (; position < end; position += stride) each(numbers[position + width] as number, numbers, position);
  }
}

/**
 * Builds the graph of what is reachable from packed initial states: as many states and steps as were found. States are numbered
 * as they are met, so that those that follow each other are close together. Yields now and then how many states are done.
 */
export function* graphOf(
  program: Program,
  found: { readonly states: number; readonly transitions: number },
  initial: readonly Int32Array[],
): Generator<number, Graph> {
  const builder = new GraphBuilder(program.layout.words, found.states, found.transitions);
  const numbers = initial.map((state) => builder.add(state));
  const stepper = new Stepper(program);
  for (let state = 0; state < builder.states && builder.states <= found.states; state++) {
    stepper.stepsOf(builder.state(state), (label, after, at) => builder.addStep(label, builder.add(after, at)));
    builder.endState();
    if (state % statesPerLook === 0) yield state;
  }
  if (builder.states !== found.states || builder.steps !== found.transitions) {
    throw new ModelError('a function of the model does not do the same when it is run again');
  }
  return builder.graph(numbers);
}

const statesPerLook = 16384;

/** Tests on the states of a graph by decision trees. */
export function testerOf(program: Program, graph: Graph): Tester {
  const { layout } = program;
  const ofStates = new Predicates(layout);
  const ofSteps = new Predicates(pairOf(layout));
  const state = new Int32Array(layout.words);
  const pair = new Int32Array(2 * layout.words);
  let calls = 0;
  return {
    states: (name, test) => {
      const predicate = new Predicate(ofStates, name, test);
      return (of) => {
        copy(graph, of, state, 0);
        return predicate.at(state) === true;
      };
    },
    steps: (name, test) => {
      const predicate = new Predicate(ofSteps, name, ({ before, after }: { before: State; after: State }) =>
        test(before, after),
      );
      return (before, after) => {
        copy(graph, before, pair, 0);
        copy(graph, after, pair, layout.words);
        if (isChecked(calls++)) {
          steadyAnswerOfStep(name, test, layout.unpack(pair), layout.unpack(pair, layout.words));
        }
        return predicate.at(pair);
      };
    },
    state: (of) => layout.unpack(stateIn(graph, of)),
  };
}

function copy({ words, stride }: Graph, state: number, into: Int32Array, at: number): void {
  const from = state * stride;
  for (let i = 0; i < stride; i++) into[at + i] = words[from + i] as number;
}
