/**
 * The model of a recipe: its guards, effects and properties interpret the recipe, as ordinary functions of the language.
 */
import type { Node } from '../../language/behaviour.ts';
import {
  bag,
  bool,
  type Domain,
  each,
  type Model,
  model,
  oneOf,
  optional,
  properties,
  type PropertySet,
  queue,
  range,
  setOf,
  sort,
} from '../../language/index.ts';
import {
  type Atomic,
  type Cell,
  type Collection,
  type Condition,
  type Effect,
  type Field,
  isLeaf,
  type Leaf,
  namesOf,
  type NodeRecipe,
  type ParameterList,
  type Recipe,
  size,
  type SortName,
  valuesOf,
} from './recipe.fixture.ts';

const sorts = { p: sort('p'), q: sort('q') };

type Bound = Readonly<Record<string, unknown>>;
type Table = Record<string | number, unknown>;
/** A queue, a bag or a set: what all have, and what one kind has. */
interface Items {
  readonly isEmpty: boolean;
  readonly isFull: boolean;
  has(item: unknown): boolean;
  clear(): void;
  push?(item: unknown): void;
  shift?(): void;
  add?(item: unknown): void;
  remove?(item: unknown): void;
  delete?(item: unknown): void;
}

function domainOf(content: Leaf | Collection): Domain {
  switch (content.kind) {
    case 'bool':
      return bool;
    case 'range':
      return range(content.low, content.low + content.count - 1);
    case 'oneOf':
      return oneOf(...namesOf(content.count));
    case 'sort':
      return sorts[content.sort];
    case 'optional':
      return optional(sorts[content.sort]);
    case 'set':
      return setOf(sorts[content.of]);
    case 'queue':
    case 'bag': {
      const item = Object.fromEntries(content.item.map((leaf, i) => [`i${i}`, domainOf(leaf)]));
      return content.kind === 'queue' ? queue(content.capacity, item) : bag(content.capacity, item);
    }
    default:
      return content satisfies never;
  }
}

function fieldDomain({ over, content }: Field): Domain {
  const cell = domainOf(content);
  const [a, b] = over.map((name) => sorts[name]);
  if (a === undefined) return cell;
  return b === undefined ? each(a, { cell }) : each(a, b, { cell });
}

/** The record that a cell stands in, and its name there. */
function locate(cell: Cell, s: Table, p: Bound, me: Table | undefined): readonly [Table, string] {
  if (cell.field === undefined) return [me ?? {}, 'local'];
  const name = `f${cell.field}`;
  if (cell.at.length === 0) return [s, name];
  const family = cell.at.reduce((part, parameter) => part[p[parameter] as number] as Table, s[name] as Table);
  return [family, 'cell'];
}

function read(cell: Cell, s: Table, p: Bound, me: Table | undefined): unknown {
  const [table, name] = locate(cell, s, p, me);
  return table[name];
}

/** Whether a condition of a recipe holds. */
export function isTrue(condition: Condition, s: Table, p: Bound, me?: Table): boolean {
  const value = (cell: Cell): unknown => read(cell, s, p, me);
  const collection = (cell: Cell): Items => value(cell) as Items;
  switch (condition.is) {
    case 'value':
      return value(condition.cell) === condition.value;
    case 'equal':
      return value(condition.cell) === value(condition.other);
    case 'parameter':
      return value(condition.cell) === p[condition.parameter];
    case 'same parameters':
      return p[condition.a] === p[condition.b];
    case 'member':
      return collection(condition.cell).has(p[condition.parameter]);
    case 'empty':
      return collection(condition.cell).isEmpty;
    case 'full':
      return collection(condition.cell).isFull;
    case 'item':
      return collection(condition.cell).has(condition.item);
    case 'at': {
      const own = s[`w${condition.procedure}`] as Table;
      const instance = condition.parameter === undefined ? own : (own[p[condition.parameter] as number] as Table);
      return instance['at'] === `s${condition.step}`;
    }
    case 'not':
      return !isTrue(condition.of, s, p, me);
    case 'and':
      return condition.of.every((part) => isTrue(part, s, p, me));
    case 'or':
      return condition.of.some((part) => isTrue(part, s, p, me));
    default:
      return condition satisfies never;
  }
}

function apply(effect: Effect, s: Table, p: Bound, me: Table | undefined): void {
  if (effect.does === 'if') {
    const effects = isTrue(effect.test, s, p, me) ? effect.then : effect.else;
    for (const part of effects) apply(part, s, p, me);
    return;
  }
  const [table, name] = locate(effect.cell, s, p, me);
  const collection = table[name] as Items;
  switch (effect.does) {
    case 'set':
      table[name] = effect.value;
      break;
    case 'copy':
      table[name] = read(effect.from, s, p, me);
      break;
    case 'next': {
      const values = valuesOf(effect.leaf);
      table[name] = values[(values.indexOf(table[name]) + 1) % values.length];
      break;
    }
    case 'take parameter':
      table[name] = p[effect.parameter];
      break;
    case 'add':
      collection.add?.(p[effect.parameter]);
      break;
    case 'delete':
      collection.delete?.(p[effect.parameter]);
      break;
    case 'clear':
      collection.clear();
      break;
    case 'put':
      if (collection.isFull) break;
      collection.push?.(effect.item);
      collection.add?.(effect.item);
      break;
    case 'take':
      if (!collection.isEmpty) collection.shift?.();
      if (collection.has(effect.item)) collection.remove?.(effect.item);
      break;
    default:
      effect satisfies never;
  }
}

type Run = (s: Table, p: Bound, me: Table | undefined) => unknown;

function atomic({ guards, effects }: Atomic): { readonly when: never; readonly then: never } {
  const when = guards.map((guard, i): [string, Run] => [`g${i}`, (s, p, me) => isTrue(guard, s, p, me)]);
  const then = effects.map((effect, i): [string, Run] => [`e${i}`, (s, p, me) => apply(effect, s, p, me)]);
  return { when: Object.fromEntries(when) as never, then: Object.fromEntries(then) as never };
}

function domains(parameters: ParameterList): Readonly<Record<string, (typeof sorts)[SortName]>> {
  return Object.fromEntries(Object.entries(parameters).map(([name, of]) => [name, sorts[of]]));
}

/** The model of a recipe, and its claims as properties. */
export function cook(recipe: Recipe): { readonly model: Model; readonly set: PropertySet } {
  const cooked = model({
    name: 'random',
    sizes: { smoke: size, ci: size, deep: size },
    state: Object.fromEntries(recipe.fields.map((field, i) => [`f${i}`, fieldDomain(field)])),
    initial: initialOf(recipe) as never,
    actions: ({ action, procedure }) => {
      const actions = recipe.actions.map((spec, i) => [
        `a${i}`,
        action(domains(spec.parameters), { actor: 'any', ...atomic(spec) }),
      ]);
      const procedures = recipe.procedures.map(({ instance, local, repeat, steps }, i) => {
        const spec = {
          actor: 'any',
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
        const test = (condition: Condition) => (s: unknown, p: unknown) => isTrue(condition, s as Table, p as Bound);
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
  return { model: cooked, set };
}

function initialOf({ fields, free }: Recipe): unknown {
  const content = free === undefined ? undefined : fields[free]?.content;
  if (content === undefined || !isLeaf(content)) return undefined;
  const { over } = fields[free ?? 0] ?? { over: [] };
  const members = over.map((of, i) => [`m${i}`, sorts[of]] as const);
  return {
    choose: { value: domainOf(content), ...Object.fromEntries(members) },
    then: (s: Table, p: Bound) => {
      const cell = { field: free, at: over.map((_, i) => `m${i}`) };
      apply({ does: 'set', cell, value: p['value'] }, s, p, undefined);
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
    const test: Run = (s, p, me) => isTrue(node.test, s, p, me);
    const body = cookSteps(node.body, builder, counter);
    return node.node === 'loop'
      ? builder.loop(name, { fused: node.fused, while: test, do: body })
      : builder.branch(name, { fused: node.fused, if: test, then: body, else: cookSteps(node.else, builder, counter) });
  });
}
