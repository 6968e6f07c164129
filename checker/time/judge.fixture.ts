/**
 * A judge of verdicts over time who knows nothing but the language: it follows each run that is shown step by step, and works
 * out by fixpoints on the states that `successors` leads to whether there is such a run at all.
 */
import { expect } from 'vitest';
import {
  type ActionData,
  enabled,
  initialStates,
  type Instance,
  type Property,
  propertiesOf,
  type PropertySet,
  type State,
  step,
  successors,
} from '../../language/index.ts';
import { type CheckResult, type PropertyResult, search, type SearchOptions } from '../index.ts';
import { backwards, fairStates, type Sketch, type SketchStep } from './sketch.fixture.ts';

/** What is fair together: an action with its parameters, or the step of a procedure for one instance. */
function obligationOf(instance: Instance, action: ActionData): { name: string; kind: 'weak' | 'strong' } | undefined {
  const rule = instance.rules.find((candidate) => candidate.type === action.type && candidate.step === action.step);
  if (rule === undefined || rule.fairness === 'none') return undefined;
  if (rule.control === undefined) return { name: JSON.stringify(action), kind: rule.fairness };
  const own = rule.control.instance === undefined ? 'alone' : action[rule.control.instance];
  return { name: JSON.stringify([action.type, action.step, own]), kind: rule.fairness };
}

/** What is wrong with the run that is shown for a violation. */
function faultOf(instance: Instance, property: Property, result: PropertyResult): string | undefined {
  const { path, loopFrom, binding = {} } = result;
  if (path === undefined) return 'nothing is shown';
  const states: State[] = [path.initial];
  for (const action of path.actions) {
    states.push(step(instance, states.at(-1) as never, action as never).state);
  }
  const end = states.at(-1) as State;
  if (property.kind === 'transition') {
    const [before, action] = [states.at(-2), path.actions.at(-1)];
    if (before === undefined || action === undefined) return 'no step is shown';
    return property.testStep(before, action, end, binding) === false ? undefined : 'the last step is right';
  }
  const isGiven = (state: State): boolean => property.given?.(state, binding) ?? true;
  if (property.kind === 'recoverable') return isGiven(end) ? undefined : 'the last state does not count';
  if (loopFrom === undefined) return 'no loop is told';
  const key = (state: State | undefined): string => instance.domain.key(state as State);
  if (key(end) !== key(states[loopFrom])) return 'the loop does not close';
  const isCounted = states.some(
    (state, i) =>
      i <= loopFrom &&
      (property.kind === 'leadsTo' ? isGiven(state) : i === 0) &&
      states.slice(i).every((later) => !property.test(later, binding)),
  );
  if (!isCounted) return 'the goal is met';
  const loop = states.slice(loopFrom);
  const enabledAt = loop.map((state) =>
    (enabled(instance, state as never) as readonly ActionData[]).flatMap(
      (action) => obligationOf(instance, action) ?? [],
    ),
  );
  const taken = path.actions.slice(loopFrom).map((action) => obligationOf(instance, action)?.name);
  for (const { name, kind } of enabledAt.flat()) {
    if (taken.includes(name)) continue;
    const always = enabledAt.every((some) => some.some((one) => one.name === name));
    if (kind === 'strong' || always) return `it is unfair to ${name}`;
  }
  return undefined;
}

/** The states of an instance with their steps, and the actions by their labels. */
interface Known extends Sketch {
  readonly all: readonly State[];
  readonly actions: readonly ActionData[];
}

/** All states of an instance with their steps; nothing where there are too many. */
export function sketchOf(instance: Instance, mostStates = Number.POSITIVE_INFINITY): Known | undefined {
  const all = [...initialStates(instance)] as State[];
  const initial = all.map((_, i) => i);
  const numbers = new Map(all.map((state, i) => [instance.domain.key(state), i]));
  const steps: SketchStep[] = [];
  const actions: ActionData[] = [];
  const labels = new Map<string, number>();
  for (const [from, state] of all.entries()) {
    if (all.length > mostStates) return undefined;
    successors(instance, state, false, (_rule, { action }, after) => {
      const key = instance.domain.key(after);
      const to = numbers.get(key) ?? all.push(after) - 1;
      numbers.set(key, to);
      const text = JSON.stringify(action);
      const label = labels.get(text) ?? actions.push(action) - 1;
      labels.set(text, label);
      steps.push({ from, label, to });
    });
  }
  const obligations = new Map<string, number>();
  const kinds: ('weak' | 'strong')[] = [];
  const of = actions.map((action) => {
    const obligation = obligationOf(instance, action);
    if (obligation === undefined) return -1;
    const { name, kind } = obligation;
    if (!obligations.has(name)) obligations.set(name, kinds.push(kind) - 1);
    return obligations.get(name) as number;
  });
  return { states: all.length, initial, steps, kinds, of, all, actions };
}

/** What a property comes to, by the definitions. */
export function meantVerdict(known: Known, property: Property): string {
  const { all, steps, actions } = known;
  const states = all.map((_, i) => i);
  let isMet = false;
  for (const binding of property.bindings) {
    if (property.kind === 'transition') {
      const answers = steps.map(({ from, label, to }) =>
        property.testStep(all[from] as State, actions[label] as ActionData, all[to] as State, binding),
      );
      if (answers.includes(false)) return 'violated';
      isMet ||= answers.includes(true);
      continue;
    }
    const counts = states.filter((i) =>
      property.kind === 'eventually' ? known.initial.includes(i) : (property.given?.(all[i] as State, binding) ?? true),
    );
    const isGoal = all.map((state) => property.test(state, binding));
    const reaching = backwards(steps, new Set(states), new Set(states.filter((i) => isGoal[i] === true)));
    const missing =
      property.kind === 'recoverable'
        ? new Set(states.filter((i) => !reaching.has(i)))
        : fairStates(known, (i) => isGoal[i] !== true);
    if (counts.some((i) => missing.has(i))) return 'violated';
    isMet ||= counts.length > 0;
  }
  return isMet ? 'holds' : 'vacuous';
}

/** What every engine must say alike. */
function told({ verdict, states, transitions, limit, properties }: CheckResult): unknown {
  const each = properties.map(({ name, verdict: own, path, loopFrom, binding, undecided }) => ({
    name,
    verdict: own,
    loopFrom,
    undecided,
    steps: path?.actions.length,
    ...(loopFrom === undefined ? {} : { path: path?.actions, binding }),
  }));
  return { verdict, states, transitions, limit, properties: each };
}

const overTime = ['transition', 'leadsTo', 'eventually', 'recoverable'];

/**
 * Searches with both engines, and with two workers, which must say the same; every run that is shown must be one that breaks
 * its property. Returns what was found.
 */
export function agreed(instance: Instance, sets: readonly PropertySet[], options: SearchOptions = {}): CheckResult {
  const plain = search(instance, sets, { keepGoing: true, ...options, engine: 'plain' });
  for (const workers of [1, 2]) {
    const compiled = search(instance, sets, { keepGoing: true, maxMemory: 2 ** 30, ...options, workers });
    expect(told(compiled)).toEqual(told(plain));
    for (const property of propertiesOf(instance, sets)) {
      const result = compiled.properties.find(({ name }) => name === property.name) as PropertyResult;
      if (result.verdict !== 'violated' || !overTime.includes(property.kind)) continue;
      expect([property.name, faultOf(instance, property, result)]).toEqual([property.name, undefined]);
    }
  }
  return plain;
}

/** The same, where the definitions, worked out naively, must say so too. */
export function judged(instance: Instance, sets: readonly PropertySet[]): CheckResult {
  const result = agreed(instance, sets);
  const known = sketchOf(instance);
  for (const property of propertiesOf(instance, sets)) {
    if (known === undefined || !overTime.includes(property.kind)) continue;
    const { verdict } = result.properties.find(({ name }) => name === property.name) as PropertyResult;
    expect([property.name, verdict]).toEqual([property.name, meantVerdict(known, property)]);
  }
  return result;
}

/** Each property over time with its verdict; of a violation the length, and of a lasso the length of its loop. */
export function verdicts({ properties }: CheckResult): Readonly<Record<string, string>> {
  return Object.fromEntries(
    properties.map(({ name, verdict, path, loopFrom }) => {
      if (verdict !== 'violated' || path === undefined) return [name, verdict];
      const { length } = path.actions;
      return [name, loopFrom === undefined ? `violated ${length}` : `violated ${loopFrom} + ${length - loopFrom}`];
    }),
  );
}
