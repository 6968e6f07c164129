/**
 * What a model means: its initial states, which actions are enabled in a state, and the next state of an action. States are
 * frozen; a step is made on an immer draft, so that unchanged parts are shared and a step's changes are known as patches.
 */
import { createDraft, finishDraft, type Patch } from 'immer';
import { settled } from './collections.ts';
import type { DecisionDefinition, Named } from './definition.ts';
import { ModelError, type Place, suggest } from './errors.ts';
import { type ActionData, bindAll, type Bound, type Instance, instantiate, type Rule, type State } from './instance.ts';
import { isModel, type ActionOf, type Model, type StateOf } from './model.ts';
import { patchesBetween } from './patches.ts';
import { withoutClockOrChance } from './purity.ts';

type Run = (...args: readonly unknown[]) => unknown;
type Table = Record<string | number, unknown>;

/** A model at a size; a bare model means its size `ci`. */
export type At<M extends Model> = M | Instance<M>;

const bare = new WeakMap<Model, Instance>();

function instanceOf<M extends Model>(at: At<M>): Instance<M> {
  if (!isModel(at)) return at;
  const instance = bare.get(at) ?? instantiate(at);
  bare.set(at, instance);
  return instance as Instance<M>;
}

/** One step: the next state, frozen, and what changed, as immer patches relative to the state before. */
export interface Step<S> {
  readonly state: S;
  readonly patches: readonly Patch[];
}

/** All initial states, without repetition. */
export function initialStates<M extends Model>(at: At<M>): readonly StateOf<M>[] {
  const instance = instanceOf(at);
  const { initial, domain, context } = instance;
  const choices: readonly (readonly [Run | undefined, Run | undefined, unknown])[] =
    initial === undefined
      ? [[undefined, undefined, {}]]
      : typeof initial === 'function'
        ? [[undefined, initial as unknown as Run, context]]
        : bindAll(initial.choose, instance.sizes, { model: instance.model.name, part: 'initial' }).map((p) => [
            initial.when as unknown as Run | undefined,
            initial.then as unknown as Run,
            p,
          ]);
  const found = new Map<string, State>();
  withoutClockOrChance(() => {
    for (const [when, then, p] of choices) {
      const place = { model: instance.model.name, part: 'initial' };
      if (when !== undefined && !truth(when, [domain.initial, p, context], place)) continue;
      const state = drafted(domain.initial, (draft) => {
        if (then !== undefined) call(then, [draft, p, context], place);
        enterProcedures(instance, draft, place);
      });
      refuseMisfit(instance, state, domain.initial, place);
      found.set(domain.key(state), state);
    }
  });
  if (found.size === 0) throw new ModelError('there is no initial state', { model: instance.model.name });
  return [...found.values()] as unknown as readonly StateOf<M>[];
}

function enterProcedures(instance: Instance, draft: Table, place: Place): void {
  for (const { definition, entry, instances } of instance.procedures) {
    for (let i = 0; i < instances; i++) {
      const single = definition.instance === undefined;
      const own = (s: Table): Table => (single ? s[definition.name] : (s[definition.name] as Table)[i]) as Table;
      const p = definition.instance === undefined ? {} : { [definition.instance.name]: i };
      own(draft)['at'] = entry(decider(draft, p, own, { ...place, action: definition.name }));
    }
  }
}

/** The actions that are enabled in a state, in the order of their declaration. */
export function enabled<M extends Model>(at: At<M>, state: StateOf<M>): readonly ActionOf<M>[] {
  const instance = instanceOf(at);
  const actions: ActionData[] = [];
  successors(instance, state as State, true, (_rule, bound) => actions.push(bound.action));
  return actions as unknown as readonly ActionOf<M>[];
}

/**
 * The state after an action, and what changed. Pure: the same arguments give an equal result. Throws `ModelError` if the
 * action is unknown or not enabled, or leads outside a domain.
 */
export function step<M extends Model>(at: At<M>, state: StateOf<M>, action: ActionOf<M>): Step<StateOf<M>> {
  const instance = instanceOf(at);
  const [rule, bound] = findRule(instance, action);
  return withoutClockOrChance(() => {
    const next = fire(instance, rule, bound, state as State);
    if (next === undefined) {
      const failed = failedGuard(rule, bound, state as State);
      throw new ModelError(`is not enabled: ${failed}`, rule.place);
    }
    checkTwice(instance, rule, bound, state as State, next);
    return { state: next as StateOf<M>, patches: patchesBetween(state, next) };
  });
}

/** The rule and binding that an action names. */
function findRule(instance: Instance, action: ActionData): readonly [Rule, Bound] {
  const rules = instance.rules.filter((rule) => rule.type === action.type);
  const place = { model: instance.model.name };
  if (rules.length === 0) {
    const known = [...new Set(instance.rules.map((rule) => rule.type))];
    throw new ModelError(`there is no action '${action.type}'${suggest(action.type, known)}`, place);
  }
  const rule = rules.find((candidate) => candidate.step === action.step);
  if (rule === undefined) {
    const known = rules.flatMap((candidate) => candidate.step ?? []);
    const missing = action.step === undefined ? 'is a procedure: name a step of it' : `has no step '${action.step}'`;
    throw new ModelError(`'${action.type}' ${missing}${suggest(action.step ?? '', known)}`, place);
  }
  const names = Object.keys(rule.params);
  const unknown = Object.keys(action).find((name) => !['type', 'step', ...names].includes(name));
  if (unknown !== undefined) {
    throw new ModelError(`there is no parameter '${unknown}'${suggest(unknown, names)}`, rule.place);
  }
  const wanted = bindingKey(rule, action);
  const bound = rule.bindings.find(({ values }) => bindingKey(rule, values) === wanted);
  if (bound === undefined) throw new ModelError('the parameters name no binding', rule.place);
  return [rule, bound];
}

function bindingKey(rule: Rule, values: Readonly<Record<string, unknown>>): string {
  let key = '';
  for (const [name, domain] of Object.entries(rule.params)) {
    const misfit = domain.misfit(values[name], name);
    if (misfit !== undefined) throw new ModelError(`parameter ${misfit.field}: ${misfit.problem}`, rule.place);
    key += domain.key(values[name]);
  }
  return key;
}

/**
 * Calls `visit` with every enabled action and the state after it. With `checked`, each function is run twice and a
 * difference is an error: a function must not keep state of its own.
 */
export function successors(
  instance: Instance,
  state: State,
  checked: boolean,
  visit: (rule: Rule, bound: Bound, next: State) => void,
): void {
  withoutClockOrChance(() => {
    for (const rule of instance.rules) {
      for (const bound of rule.bindings) {
        const next = fire(instance, rule, bound, state);
        if (checked) checkTwice(instance, rule, bound, state, next);
        if (next !== undefined) visit(rule, bound, next);
      }
    }
  });
}

/** How the functions of a rule see and change a state: on immutable states with immer, or otherwise. */
export interface Medium {
  /** The state for guards: what they read cannot be changed. */
  readonly seen: () => Table;
  /** Lets `work` change the state. */
  readonly change: (work: (draft: Table) => void) => void;
  /** A state that is being changed, as it is now, for decisions: what they read cannot be changed. */
  readonly settled: (draft: Table) => Table;
}

/** Is told what becomes of the guards and decisions of a rule, in the order in which they are asked. */
export interface Watch {
  readonly guard: (name: string, isTrue: boolean) => void;
  readonly decision: (name: string, isTrue: boolean) => void;
}

/** Runs a rule through a medium; false where it is not enabled, and then the medium may have changed all the same. */
export function perform(rule: Rule, bound: Bound, medium: Medium, watch?: Watch): boolean {
  const { place } = rule;
  const p = bound.values;
  const own = (s: Table): unknown => instanceState(rule, bound, s);
  if (!isAtPlace(rule, bound, medium.seen())) return false;
  const last = rule.blocks.at(-1);
  for (const block of rule.blocks) {
    const seen = medium.seen();
    if (!guardsHold(block.when, [seen, p, own(seen)], place, watch)) return false;
    medium.change((draft) => {
      const me = own(draft) as Table | undefined;
      runEffects(block.then, [draft, p, me], place);
      if (block === last && rule.control !== undefined && me !== undefined) {
        me['at'] = rule.control.next(decider(draft, p, own, place, medium, watch));
      }
    });
  }
  return true;
}

/** The state after the rule, or `undefined` where it is not enabled. */
export function fire(instance: Instance, rule: Rule, bound: Bound, state: State): State | undefined {
  const next = performed(rule, bound, state);
  if (next === undefined) return undefined;
  if (instance.domain.misfit(next, '', state) !== undefined) blameEffect(instance, rule, bound, state);
  return next;
}

/** The state after the rule, which may be outside its domain; or `undefined` where the rule is not enabled. */
function performed(rule: Rule, bound: Bound, state: State, watch?: Watch): State | undefined {
  let next = state;
  const medium: Medium = {
    seen: () => next,
    change: (work) => {
      next = drafted(next, work);
    },
    settled,
  };
  return perform(rule, bound, medium, watch) ? next : undefined;
}

/** Tells `watch` how a rule goes in a state; returns whether it is enabled, or `undefined` where its procedure is elsewhere. */
export function watchRule(rule: Rule, bound: Bound, state: State, watch: Watch): boolean | undefined {
  if (!isAtPlace(rule, bound, state)) return undefined;
  return withoutClockOrChance(() => performed(rule, bound, state, watch) !== undefined);
}

/** The state after `work` has changed a draft of it. */
function drafted(state: State, work: (draft: Table) => void): State {
  const draft = createDraft(state) as Table;
  work(draft);
  return finishDraft(draft);
}

function isAtPlace(rule: Rule, bound: Bound, state: Table): boolean {
  const me = instanceState(rule, bound, state) as Table | undefined;
  return me === undefined || me['at'] === rule.step;
}

/** The place and locals of the procedure instance that a step belongs to. */
function instanceState(rule: Rule, bound: Bound, state: Table): unknown {
  if (rule.control === undefined) return undefined;
  const own = state[rule.type];
  const { instance } = rule.control;
  return instance === undefined ? own : (own as Table)[bound.values[instance] as number];
}

type Arguments = readonly unknown[];

function guardsHold(guards: readonly Named<unknown>[], args: Arguments, place: Place, watch?: Watch): boolean {
  for (const { name, run } of guards) {
    const isTrue = truth(run as Run, args, place, name);
    watch?.guard(name, isTrue);
    if (!isTrue) return false;
  }
  return true;
}

function runEffects(effects: readonly Named<unknown>[], args: Arguments, place: Place): void {
  for (const { name, run } of effects) call(run as Run, args, place, name);
}

/** Asks decisions about a draft, which they see as it is now and cannot change. */
function decider(
  draft: Table,
  p: unknown,
  own: (s: Table) => unknown,
  place: Place,
  medium: Pick<Medium, 'settled'> = { settled },
  watch?: Watch,
): (decision: DecisionDefinition) => boolean {
  let tests = 0;
  let seen: Table | undefined;
  return (decision) => {
    if (++tests > 1000) {
      throw new ModelError('the loop goes round for ever without a step in it', { ...place, part: decision.name });
    }
    seen ??= medium.settled(draft);
    const isTrue = truth(decision.test as unknown as Run, [seen, p, own(seen)], place, decision.name);
    watch?.decision(decision.name, isTrue);
    return isTrue;
  };
}

function truth(run: Run, args: Arguments, place: Place, part = place.part): boolean {
  const result = call(run, args, place, part);
  if (result === true || result === false) return result;
  const shown = typeof result === 'object' && result !== null ? 'an object' : String(result);
  throw new ModelError(`returned ${shown}, not true or false`, part === undefined ? place : { ...place, part });
}

/** Calls a model's function; whatever it throws becomes a `ModelError` that names it. */
function call(run: Run, args: Arguments, place: Place, part = place.part): unknown {
  const named = part === undefined ? place : { ...place, part };
  let result: unknown;
  try {
    result = run(...args);
  } catch (error) {
    if (error instanceof ModelError) throw error.at(named);
    const message = error instanceof Error ? error.message : String(error);
    throw new ModelError(explain(message), named, { cause: error });
  }
  if (typeof result === 'object' && result instanceof Promise) {
    result.catch(() => undefined);
    throw new ModelError('returned a promise: a model is synchronous', named);
  }
  return result;
}

/** What a JavaScript error means to someone who writes a model. */
function explain(message: string): string {
  if (/Cannot (assign to read only|add|delete) property/.test(message)) {
    return `changes what it may only read (${message}): change a copy, or a draft inside an effect`;
  }
  if (/of undefined|of null/.test(message)) return `reads a missing element (${message})`;
  return `threw: ${message}`;
}

/** Finds the effect with which the state leaves its domain and stays outside, and throws in its name. */
function blameEffect(instance: Instance, rule: Rule, bound: Bound, state: State): never {
  const effects = rule.blocks.flatMap((block) => block.then);
  const after = (count: number): State =>
    drafted(state, (draft) =>
      runEffects(effects.slice(0, count), [draft, bound.values, instanceState(rule, bound, draft)], rule.place),
    );
  let count = effects.length;
  while (count > 1 && instance.domain.misfit(after(count - 1), '', state) !== undefined) count--;
  const part = effects[count - 1]?.name;
  if (part !== undefined) refuseMisfit(instance, after(count), state, { ...rule.place, part });
  throw new ModelError('leads outside the domain of the state', rule.place);
}

function refuseMisfit(instance: Instance, next: State, known: State, place: Place): void {
  const misfit = instance.domain.misfit(next, '', known);
  if (misfit !== undefined) throw new ModelError(misfit.problem, { ...place, field: misfit.field });
}

/** Runs the rule once more: the same state must come of it. */
export function checkTwice(instance: Instance, rule: Rule, bound: Bound, state: State, next: State | undefined): void {
  const again = fire(instance, rule, bound, state);
  const key = (of: State | undefined): string | undefined => (of === undefined ? of : instance.domain.key(of));
  if (key(again) === key(next)) return;
  throw new ModelError(
    `${unsteadyPart(rule, bound, state)} gives different results for the same state: a model's functions must not keep state of their own`,
    rule.place,
  );
}

/** The guard that changes its mind, or else the effects. */
function unsteadyPart(rule: Rule, bound: Bound, state: State): string {
  const args: Arguments = [state, bound.values, instanceState(rule, bound, state)];
  const unsteady = rule.blocks[0]?.when.find(({ name, run }) => {
    const results = Array.from({ length: 3 }, () => truth(run as unknown as Run, args, rule.place, name));
    return results.includes(true) && results.includes(false);
  });
  if (unsteady !== undefined) return `'${unsteady.name}'`;
  const parts = rule.blocks.flatMap((block) => [...block.when, ...block.then]).map(({ name }) => name);
  const names = [...parts, ...decisionsMet(rule, bound, state)].map((name) => `'${name}'`);
  return names.length === 1 ? String(names[0]) : `one of ${names.join(', ')}`;
}

/** The names of the fused branches and loops that a step comes to. */
function decisionsMet(rule: Rule, bound: Bound, state: State): ReadonlySet<string> {
  const met = new Set<string>();
  drafted(state, (draft) => {
    const own = (s: Table): unknown => instanceState(rule, bound, s);
    for (const { then } of rule.blocks) runEffects(then, [draft, bound.values, own(draft)], rule.place);
    const decide = decider(draft, bound.values, own, rule.place);
    rule.control?.next((decision) => {
      met.add(decision.name);
      return decide(decision);
    });
  });
  return met;
}

function failedGuard(rule: Rule, bound: Bound, state: State): string {
  if (!isAtPlace(rule, bound, state)) return `the procedure is not at step '${rule.step}'`;
  const args: Arguments = [state, bound.values, instanceState(rule, bound, state)];
  const failed = rule.blocks[0]?.when.find(({ name, run }) => !truth(run as unknown as Run, args, rule.place, name));
  return failed === undefined ? 'a later guard of a merged step does not hold' : `'${failed.name}' does not hold`;
}

/** Tests a property's function on a state. */
export function holds(run: unknown, state: State, p: unknown, place: Place): boolean {
  return withoutClockOrChance(() => truth(run as Run, [state, p, undefined], place));
}

/** Tests a property's function on a step: the state before, the action, the state after, and the members. */
export function holdsOfStep(
  run: unknown,
  args: readonly [before: unknown, action: unknown, after: unknown, p: unknown],
  place: Place,
): boolean {
  return withoutClockOrChance(() => truth(run as Run, args, place));
}
