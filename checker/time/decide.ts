/**
 * Decides properties over time on the graph of all reachable states.
 */
import {
  type ActionData,
  type Binding,
  type Instance,
  ModelError,
  type Property,
  type State,
  withoutClockOrChance,
} from '../../language/index.ts';
import type { Path } from '../result.ts';
import { ModelErrorAtState } from '../search/options.ts';
import { Components } from './components.ts';
import { fairSets } from './fair.ts';
import { type Fairness, fairnessOf, labelsOf } from './fairness.ts';
import type { Graph } from './graph.ts';
import { type Lasso, shortLasso, Ways } from './lasso.ts';

/** How an engine runs tests on the states of a graph. */
export interface Tester {
  /** A test of states. */
  readonly states: (name: string, test: (state: State) => boolean) => (state: number) => boolean;
  /** A test of steps with one label; `undefined` where it does not apply. */
  readonly steps: (
    name: string,
    test: (before: State, after: State) => boolean | undefined,
  ) => (before: number, after: number) => boolean | undefined;
  readonly state: (state: number) => State;
}

/** What was found about a property. */
export type Finding =
  | { readonly verdict: 'holds' }
  /** Its antecedent is never true. */
  | { readonly verdict: 'vacuous' }
  | {
      readonly verdict: 'violated';
      readonly path: Path;
      readonly binding: Binding;
      /** Of a lasso: how many steps lead to the loop, which is the rest of the path; nothing happens in it if it is empty. */
      readonly loopFrom?: number;
    };

/** Decides the properties of one graph, one after the other. */
export class Decider {
  private readonly graph: Graph;
  private readonly tester: Tester;
  private readonly actions: readonly ActionData[];
  private readonly fairness: Fairness;
  private known: { ways?: Ways; whole?: Whole } = {};

  constructor(instance: Instance, graph: Graph, tester: Tester) {
    this.graph = graph;
    this.tester = tester;
    this.actions = labelsOf(instance).map(({ bound }) => bound.action);
    this.fairness = fairnessOf(instance);
  }

  decide(property: Property): Finding {
    return withoutClockOrChance(() => this.decided(property));
  }

  private decided(property: Property): Finding {
    switch (property.kind) {
      case 'transition':
        return this.transition(property);
      case 'recoverable':
        return this.recoverable(property);
      case 'leadsTo':
      case 'eventually':
        return this.inevitable(property);
      case 'invariant':
      case 'reachable':
      case 'deadlock':
        throw new Error(`'${property.name}' is not a property over time`);
      default:
        return property.kind satisfies never;
    }
  }

  private get ways(): Ways {
    return (this.known.ways ??= new Ways(this.graph));
  }

  private transition(property: Property): Finding {
    const { first, targets, labels } = this.graph;
    const tests = property.bindings.map((binding) =>
      this.actions.map((action) =>
        this.tester.steps(property.name, (before, after) => property.testStep(before, action, after, binding)),
      ),
    );
    let isMet = false;
    let at = 0;
    let by = 0;
    const pathThere = (): Path => {
      const { initial, steps } = this.ways.to(at);
      return this.path(initial, [...steps, by]);
    };
    const findWrong = (): Finding | undefined => {
      for (at of this.ways.order) {
        const end = first[at + 1] as number;
        for (by = first[at] as number; by < end; by++) {
          const label = labels[by] as number;
          const target = targets[by] as number;
          for (let i = 0; i < tests.length; i++) {
            const answer = tests[i]?.[label]?.(at, target);
            if (answer === undefined) continue;
            isMet = true;
            if (!answer) return { verdict: 'violated', path: pathThere(), binding: property.bindings[i] ?? {} };
          }
        }
      }
      return undefined;
    };
    return located(findWrong, pathThere) ?? { verdict: isMet ? 'holds' : 'vacuous' };
  }

  /** For each state whether a test of the property is true there. */
  private truths({ name }: Property, test: (state: State) => boolean): Uint8Array {
    const isTrue = this.tester.states(name, test);
    const truths = new Uint8Array(this.graph.states);
    let at = 0;
    const testAll = (): void => {
      for (at of this.ways.order) if (isTrue(at)) truths[at] = 1;
    };
    const pathTo = (): Path => {
      const { initial, steps } = this.ways.to(at);
      return this.path(initial, steps);
    };
    located(testAll, pathTo);
    return truths;
  }

  private recoverable(property: Property): Finding {
    const { ways } = this;
    const whole = (this.known.whole ??= wholeOf(this.graph));
    let isMet = false;
    let found: { readonly at: number; readonly binding: Binding } | undefined;
    for (const binding of property.bindings) {
      const { given } = property;
      const counts = given && this.truths(property, (state) => given(state, binding));
      isMet ||= counts === undefined || counts.includes(1);
      const goal = this.truths(property, (state) => property.test(state, binding));
      const isLost = lostStates(this.graph, whole, goal);
      const at = ways.order.findIndex((state) => isLost[state] !== 0 && counts?.[state] !== 0);
      if (at >= 0 && (found === undefined || at < found.at)) found = { at, binding };
    }
    if (found === undefined) return { verdict: isMet ? 'holds' : 'vacuous' };
    const { initial, steps } = ways.to(ways.order[found.at] as number);
    return { verdict: 'violated', path: this.path(initial, steps), binding: found.binding };
  }

  private inevitable(property: Property): Finding {
    const { graph, fairness } = this;
    let isMet = false;
    let best: { readonly lasso: Lasso; readonly binding: Binding } | undefined;
    const lengthOf = ({ prefix, loop }: Lasso): number => prefix.length + loop.length;
    for (const binding of property.bindings) {
      const goal = this.truths(property, (state) => property.test(state, binding));
      const starts = this.startsOf(property, binding);
      isMet ||= starts.includes(1);
      const inside = goal.map((is) => 1 - is);
      const roots = this.ways.order.filter((state) => inside[state] !== 0 && starts[state] !== 0);
      const sets = fairSets(graph, fairness, inside, roots);
      if (sets.length === 0) continue;
      const lasso = shortLasso(graph, this.ways, fairness, starts, inside, sets);
      if (best === undefined || lengthOf(lasso) < lengthOf(best.lasso)) best = { lasso, binding };
    }
    if (best === undefined) return { verdict: isMet ? 'holds' : 'vacuous' };
    const { initial, prefix, loop } = best.lasso;
    return {
      verdict: 'violated',
      path: this.path(initial, [...prefix, ...loop]),
      binding: best.binding,
      loopFrom: prefix.length,
    };
  }

  /** From which states on the goal of a property is to be reached. */
  private startsOf(property: Property, binding: Binding): Uint8Array {
    const { given } = property;
    if (given !== undefined) return this.truths(property, (state) => given(state, binding));
    const starts = new Uint8Array(this.graph.states);
    for (const state of this.graph.initial) starts[state] = 1;
    return starts;
  }

  private path(initial: number, steps: readonly number[]): Path {
    const actions = steps.map((step) => this.actions[this.graph.labels[step] as number] as ActionData);
    return { initial: this.tester.state(initial), actions };
  }
}

/** Runs a test; a mistake in it is told with the way there. */
function located<T>(test: () => T, pathThere: () => Path): T {
  try {
    return test();
  } catch (error) {
    throw error instanceof ModelError ? new ModelErrorAtState(error, pathThere()) : error;
  }
}

/** All components of a graph: its states, those of a component together, each behind all components that it leads to. */
interface Whole {
  readonly order: Uint32Array;
  readonly component: Uint32Array;
}

function wholeOf(graph: Graph): Whole {
  const components = new Components(graph);
  const order = new Uint32Array(graph.states);
  let count = 0;
  const component = new Uint32Array(graph.states);
  components.visit(graph.initial, 1, (states, own) => {
    order.set(states, count);
    count += states.length;
    for (const state of states) component[state] = own;
  });
  return { order, component };
}

/** The states from which no run leads to one where `goal` is true. */
function lostStates({ states, first, targets }: Graph, { order, component }: Whole, goal: Uint8Array): Uint8Array {
  const reaches = new Uint8Array(states + 1);
  for (let i = 0; i < order.length;) {
    const own = component[order[i] as number] as number;
    for (; i < order.length && component[order[i] as number] === own; i++) {
      if (reaches[own] !== 0) continue;
      const state = order[i] as number;
      let isGoal = goal[state] !== 0;
      for (let step = first[state] as number; !isGoal && step < (first[state + 1] as number); step++) {
        isGoal = reaches[component[targets[step] as number] as number] !== 0;
      }
      if (isGoal) reaches[own] = 1;
    }
  }
  const lost = new Uint8Array(states);
  for (let state = 0; state < states; state++) lost[state] = reaches[component[state] as number] === 0 ? 1 : 0;
  return lost;
}
