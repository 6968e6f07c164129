/**
 * The model of a recipe: its guards, effects and properties interpret the recipe, as ordinary functions of the language.
 */
import type { Node } from '../../language/behaviour.ts';
import { applyEdit } from '../../language/edits.ts';
import {
  bag,
  bool,
  type Domain,
  each,
  type Instance,
  instantiate,
  type Model,
  model,
  oneOf,
  optional,
  properties,
  type PropertySet,
  queue,
  range,
  record,
  setOf,
  sort,
} from '../../language/index.ts';
import {
  type ActionRecipe,
  type Atomic,
  type Condition,
  type Effect,
  type NodeRecipe,
  type ParameterList,
  type Place,
  type Recipe,
  type Shape,
  size,
  type SortName,
  type Value,
  namesOf,
  valuesOf,
} from './recipe.fixture.ts';

const sorts = { p: sort('p'), q: sort('q'), o: sort('o', { ordered: true }) };

type Bound = Readonly<Record<string, unknown>>;
type Table = Record<string | number, unknown>;
type Test = (item: unknown) => boolean;
/** A queue, a bag, a set or a family: what all have, and what some kinds have. */
interface Collection extends Iterable<unknown> {
  readonly isEmpty: boolean;
  readonly isFull: boolean;
  readonly length: number;
  has(item: unknown): boolean;
  some(test: Test): boolean;
  every(test: Test): boolean;
  find?(test: Test): unknown;
  count?(test: Test): number;
  at(position: number): unknown;
  clear(): void;
  push?(item: unknown): void;
  shift?(): unknown;
  set?(position: number, item: unknown): void;
  add?(item: unknown): void;
  remove?(choice: unknown): unknown;
  removeAll?(test: Test): number;
  replace?(choice: unknown, item: unknown): void;
  delete?(item: unknown): void;
}

/** What the parts of a function can speak of, by name: the state, the procedure's own part, parameters, what is held. */
type Scope = Readonly<Record<string, unknown>>;

function domainOf(shape: Shape): Domain {
  switch (shape.kind) {
    case 'bool':
      return bool;
    case 'range':
      return range(shape.low, shape.low + shape.count - 1);
    case 'oneOf':
      return oneOf(...namesOf(shape.count));
    case 'sort':
      return sorts[shape.sort];
    case 'optional':
      return optional(domainOf(shape.of));
    case 'record':
      return record(Object.fromEntries(shape.fields.map((field, i) => [`r${i}`, domainOf(field)])));
    case 'each':
      return each(sorts[shape.over], domainOf(shape.of));
    case 'set':
      return setOf(sorts[shape.of]);
    case 'queue':
    case 'bag': {
      const item = domainOf(shape.item);
      return shape.kind === 'queue' ? queue(shape.capacity, item) : bag(shape.capacity, item);
    }
    default:
      return shape satisfies never;
  }
}

/** What stands at a place; nothing where there is nothing on the way there. */
function read({ root, steps }: Place, scope: Scope): unknown {
  return steps.reduce<unknown>((part, step) => {
    if (typeof part !== 'object' || part === null) return undefined;
    return (part as Table)[keyOf(step, scope)];
  }, scope[root]);
}

function keyOf(step: Place['steps'][number], scope: Scope): string | number {
  if ('field' in step) return step.field;
  return typeof step.member === 'number' ? step.member : (scope[step.member] as number);
}

function collectionAt(place: Place, scope: Scope): Collection | undefined {
  return (read(place, scope) ?? undefined) as Collection | undefined;
}

const constants = new Map<string, unknown>();

function constant(value: unknown): unknown {
  const text = JSON.stringify(value);
  if (!constants.has(text)) constants.set(text, frozenCopy(value));
  return constants.get(text);
}

function frozenCopy(value: unknown): unknown {
  const copied = copyOf(value);
  if (typeof copied === 'object' && copied !== null) for (const part of Object.values(copied)) Object.freeze(part);
  return Object.freeze(copied);
}

/** A copy of records and arrays; anything else is itself. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (typeof value !== 'object' || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, copyOf(part)]));
}

/** A value, or nothing where a place that it speaks of does not exist. */
function evaluate(value: Value, scope: Scope): unknown {
  switch (value.is) {
    case 'literal':
      return copyOf(value.value);
    case 'constant':
      return constant(value.value);
    case 'held':
      return scope[value.name];
    case 'read':
      return read(value.place, scope);
    case 'copy':
      return copyOf(read(value.place, scope));
    case 'spread': {
      const from = read(value.place, scope);
      const part = evaluate(value.value, scope);
      if (typeof from !== 'object' || from === null || part === undefined) return undefined;
      return { ...from, [value.field]: part };
    }
    case 'record': {
      const entries = value.parts.map((part, i) => [`r${i}`, evaluate(part, scope)] as const);
      if (entries.some(([, part]) => part === undefined)) return undefined;
      return Object.fromEntries(value.reversed ? entries.toReversed() : entries);
    }
    case 'array': {
      const parts = value.parts.map((part) => evaluate(part, scope));
      return parts.includes(undefined) ? undefined : parts;
    }
    case 'next': {
      const values = valuesOf(value.leaf);
      const present = read(value.place, scope);
      return values[(values.indexOf(present) + 1) % values.length];
    }
    default:
      return value satisfies never;
  }
}

/** Whether a condition of a recipe holds. */
export function isTrue(condition: Condition, scope: Scope): boolean {
  switch (condition.is) {
    case 'equal':
      return read(condition.place, scope) === evaluate(condition.value, scope);
    case 'null':
      return read(condition.place, scope) === null;
    case 'member':
      return collectionAt(condition.place, scope)?.has(evaluate(condition.value, scope)) === true;
    case 'empty':
      return collectionAt(condition.place, scope)?.isEmpty === true;
    case 'full':
      return collectionAt(condition.place, scope)?.isFull === true;
    case 'item': {
      const item = evaluate(condition.item, scope);
      return item !== undefined && collectionAt(condition.place, scope)?.has(item) === true;
    }
    case 'quantified':
      return isTrueOfItems(condition, scope);
    case 'at': {
      const own = (scope['s'] as Table)[`w${condition.procedure}`] as Table;
      const instance = condition.parameter === undefined ? own : (own[scope[condition.parameter] as number] as Table);
      return instance['at'] === `s${condition.step}`;
    }
    case 'unclear':
      return isTrue(condition.unless, scope) || ('maybe' as never);
    case 'not':
      return !isTrue(condition.of, scope);
    case 'and':
      return condition.of.every((part) => isTrue(part, scope));
    case 'or':
      return condition.of.some((part) => isTrue(part, scope));
    default:
      return condition satisfies never;
  }
}

function isTrueOfItems(
  { how, place, as, test }: Extract<Condition, { readonly is: 'quantified' }>,
  scope: Scope,
): boolean {
  const items = collectionAt(place, scope);
  if (items === undefined) return false;
  const passes = (item: unknown): boolean => isTrue(test, { ...scope, [as]: item });
  switch (how) {
    case 'some':
      return items.some(passes);
    case 'every':
      return items.every(passes);
    case 'find':
      return (items.find === undefined ? [...items].find(passes) : items.find(passes)) !== undefined;
    case 'count':
      return (items.count === undefined ? [...items].filter(passes).length : items.count(passes)) === 1;
    case 'iterate':
      for (const item of items) if (passes(item)) return true;
      return false;
    default:
      return how satisfies never;
  }
}

function applyAll(effects: readonly Effect[], scope: Scope): void {
  for (const effect of effects) apply(effect, scope);
}

function assign(place: Place, value: unknown, scope: Scope): void {
  const step = place.steps.at(-1);
  const table = read({ root: place.root, steps: place.steps.slice(0, -1) }, scope);
  if (step === undefined || typeof table !== 'object' || table === null || value === undefined) return;
  (table as Table)[keyOf(step, scope)] = value;
}

function apply(effect: Effect, scope: Scope): void {
  switch (effect.does) {
    case 'assign':
      assign(effect.place, evaluate(effect.value, scope), scope);
      return;
    case 'detour': {
      const value = evaluate(effect.value, scope);
      if (value === undefined) return;
      assign(effect.place, effect.wrong, scope);
      assign(effect.place, value, scope);
      return;
    }
    case 'hold': {
      const held = read(effect.place, scope);
      if (held !== undefined && held !== null) applyAll(effect.then, { ...scope, [effect.as]: held });
      return;
    }
    case 'if':
      applyAll(isTrue(effect.test, scope) ? effect.then : effect.else, scope);
      return;
    case 'try':
      try {
        applyAll(effect.then, scope);
      } catch {
        applyAll(effect.caught, scope);
      }
      return;
    case 'throw':
      throw new Error('thrown on purpose');
    case 'add':
    case 'delete':
    case 'clear':
    case 'put':
    case 'take':
    case 'take all':
    case 'replace':
    case 'visit': {
      const collection = collectionAt(effect.place, scope);
      if (collection !== undefined) applyTo(collection, effect, scope);
      return;
    }
    default:
      effect satisfies never;
  }
}

type OnCollection = Exclude<Effect, { readonly does: 'assign' | 'detour' | 'hold' | 'if' | 'try' | 'throw' }>;

function applyTo(items: Collection, effect: OnCollection, scope: Scope): void {
  switch (effect.does) {
    case 'add':
    case 'delete': {
      const member = evaluate(effect.value, scope);
      if (member !== undefined) items[effect.does]?.(member);
      return;
    }
    case 'clear':
      items.clear();
      return;
    case 'put': {
      const item = evaluate(effect.item, scope);
      if (item === undefined || (effect.careful && items.isFull)) return;
      items.push?.(item);
      items.add?.(item);
      return;
    }
    case 'take':
      take(items, effect, scope);
      return;
    case 'take all': {
      const test = (item: unknown): boolean => isTrue(effect.test, { ...scope, [effect.as]: item });
      if (items.removeAll !== undefined) items.removeAll(test);
      else if (items.every(test)) items.clear();
      return;
    }
    case 'replace': {
      const by = evaluate(effect.by, scope);
      if (by === undefined || effect.position >= items.length) return;
      items.set?.(effect.position, by);
      items.replace?.(items.at(effect.position), by);
      return;
    }
    case 'visit':
      for (const item of items) applyAll(effect.then, { ...scope, [effect.as]: item });
      return;
    default:
      effect satisfies never;
  }
}

function take(items: Collection, effect: Extract<Effect, { readonly does: 'take' }>, scope: Scope): void {
  const { which, careful, as, then } = effect;
  if (careful && items.isEmpty) return;
  let choice: unknown = items.at(0);
  if (which !== undefined) {
    choice =
      'item' in which ? evaluate(which.item, scope) : (item: unknown) => isTrue(which.test, { ...scope, [as]: item });
    if (choice === undefined || (careful && !items.has(choice))) return;
  }
  const taken = items.shift === undefined ? items.remove?.(choice) : items.shift();
  applyAll(then, { ...scope, [as]: taken });
}

type Run = (s: Table, p: Bound, me: Table | undefined) => unknown;

function atomic({ guards, effects }: Atomic): { readonly when: never; readonly then: never } {
  const when = guards.map((guard, i): [string, Run] => [`g${i}`, (s, p, me) => isTrue(guard, { ...p, s, me })]);
  const then = effects.map((effect, i): [string, Run] => [`e${i}`, (s, p, me) => apply(effect, { ...p, s, me })]);
  return { when: Object.fromEntries(when) as never, then: Object.fromEntries(then) as never };
}

function fairnessOf({ fairness }: Pick<ActionRecipe, 'fairness'>): Pick<ActionRecipe, 'fairness'> {
  return fairness === undefined ? {} : { fairness };
}

/** The domains of parameters. */
export function domains(parameters: ParameterList): Readonly<Record<string, (typeof sorts)[SortName]>> {
  return Object.fromEntries(Object.entries(parameters).map(([name, of]) => [name, sorts[of]]));
}

/** The model of a recipe, its instance (with steps merged, where the recipe says so), and its claims as properties. */
export function cook(recipe: Recipe): {
  readonly model: Model;
  readonly instance: Instance;
  readonly set: PropertySet;
} {
  const cooked = model({
    name: 'random',
    sizes: { smoke: size, ci: size, deep: size },
    state: Object.fromEntries(recipe.fields.map((field, i) => [`f${i}`, domainOf(field)])),
    initial: initialOf(recipe) as never,
    actions: ({ action, procedure }) => {
      const actions = recipe.actions.map((spec, i) => [
        `a${i}`,
        action(domains(spec.parameters), { actor: 'any', ...fairnessOf(spec), ...atomic(spec) }),
      ]);
      const procedures = recipe.procedures.map(({ instance, local, repeat, steps, ...about }, i) => {
        const spec = {
          actor: 'any',
          ...fairnessOf(about),
          locals: { local: domainOf(local) },
          repeat,
          steps: (builder: Builder) => cookSteps(steps, builder, { count: 0 }),
        };
        return [`w${i}`, procedure(domains(instance), spec as never)];
      });
      return Object.fromEntries([...actions, ...procedures]) as Readonly<Record<string, ReturnType<typeof action>>>;
    },
  });
  const set = properties(cooked as Model, ({ invariant, reachable }) =>
    Object.fromEntries(
      recipe.claims.map(({ name, kind, parameters, given, holds }) => {
        const test = (condition: Condition) => (s: unknown, p: unknown) => isTrue(condition, { ...(p as Bound), s });
        return [
          name,
          kind === 'reachable'
            ? reachable({ exists: domains(parameters), holds: test(holds) })
            : invariant({
                forall: domains(parameters),
                ...(given === undefined ? {} : { given: test(given) }),
                holds: test(holds),
              }),
        ];
      }),
    ),
  );
  return { model: cooked, instance: instantiate(cooked as Model, 'ci', variantOf(recipe)), set };
}

/** The variant that merges steps, if any are to be. */
function variantOf({ procedures }: Recipe): Parameters<typeof instantiate>[2] {
  const merged = procedures.flatMap(({ merged: isMerged, steps }, i) => (isMerged && canMerge(steps) ? [`w${i}`] : []));
  if (merged.length === 0) return {};
  return {
    variant: {
      name: 'merged',
      edit: (definition) =>
        merged.reduce(
          (edited, name) => applyEdit(edited, { edit: 'merge', path: [name], steps: ['s0', 's1'], as: 's0' }),
          definition,
        ),
    },
  };
}

/** The first two nodes are steps, which do not choose alike. */
function canMerge([first, second]: readonly NodeRecipe[]): boolean {
  if (first?.node !== 'step' || second?.node !== 'step') return false;
  return Object.keys(first.choose).every((name) => !Object.hasOwn(second.choose, name));
}

function initialOf({ free, beginning }: Recipe): unknown {
  if (free === undefined) return (s: Table) => applyAll(beginning, { s });
  const values = valuesOf(free.leaf);
  return {
    choose: { value: range(0, values.length - 1) },
    then: (s: Table, p: Bound) => {
      assign(free.place, values[p['value'] as number], { s });
      applyAll(beginning, { s });
    },
  };
}

interface Builder {
  step(name: string, spec: unknown): Node;
  branch(name: string, spec: unknown): Node;
  loop(name: string, spec: unknown): Node;
}

function cookSteps(nodes: readonly NodeRecipe[], builder: Builder, counter: { count: number }): readonly Node[] {
  return nodes.map((node) => {
    const name = `s${counter.count++}`;
    if (node.node === 'step') return builder.step(name, { choose: domains(node.choose), ...atomic(node) });
    const test: Run = (s, p, me) => isTrue(node.test, { ...p, s, me });
    const body = cookSteps(node.body, builder, counter);
    return node.node === 'loop'
      ? builder.loop(name, { fused: node.fused, while: test, do: body })
      : builder.branch(name, { fused: node.fused, if: test, then: body, else: cookSteps(node.else, builder, counter) });
  });
}
