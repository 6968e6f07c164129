/**
 * Random recipes.
 */
import fc from 'fast-check';
import {
  type ActionRecipe,
  type Atomic,
  type Claim,
  type Condition,
  type Effect,
  isLeaf,
  type Leaf,
  type NodeRecipe,
  type ParameterList,
  type Place,
  type ProcedureRecipe,
  type Recipe,
  type Shape,
  size,
  type SortName,
  type Value,
  valuesOf,
} from './recipe.fixture.ts';

const sortNames = fc.constantFrom<SortName>('p', 'p', 'q', 'q', 'o');
const leaves: fc.Arbitrary<Leaf> = fc.oneof(
  fc.constant<Leaf>({ kind: 'bool' }),
  fc.record({
    kind: fc.constant('range' as const),
    low: fc.constantFrom(0, 1, -1),
    count: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(3, 3, 2, 1) },
      { weight: 1, arbitrary: fc.constantFrom(1500, 2 ** 31 - 1, 2 ** 31) },
    ),
  }),
  fc.record({ kind: fc.constant('oneOf' as const), count: fc.constantFrom(3, 3, 2, 1) }),
  fc.record({ kind: fc.constant('sort' as const), sort: sortNames }),
);

/** Domains whose values can be written as literals. */
function data(depth: number): fc.Arbitrary<Shape> {
  if (depth === 0) return leaves;
  const records = fc.record({
    kind: fc.constant('record' as const),
    fields: fc.array(data(depth - 1), { minLength: 1, maxLength: 3 }),
  });
  return fc.oneof(
    { weight: 5, arbitrary: leaves },
    { weight: 1, arbitrary: leaves.map((of): Shape => ({ kind: 'optional', of })) },
    { weight: 3, arbitrary: records },
    { weight: 2, arbitrary: records.map((of): Shape => ({ kind: 'optional', of })) },
  );
}

function shapes(depth: number): fc.Arbitrary<Shape> {
  const items = fc.record({
    kind: fc.constantFrom('queue' as const, 'bag' as const),
    capacity: fc.constantFrom(2, 2, 1, 3),
    item: data(2),
  });
  const simple = fc.oneof(
    { weight: 4, arbitrary: data(depth) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('set' as const), of: sortNames }) },
    { weight: 3, arbitrary: items },
  );
  if (depth === 0) return simple;
  const inner = shapes(depth - 1);
  return fc.oneof(
    { weight: 4, arbitrary: simple },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('each' as const), over: sortNames, of: inner }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('record' as const),
        fields: fc.array(inner, { minLength: 1, maxLength: 2 }),
      }),
    },
  );
}

/** A place that a function can speak of. */
interface Spot {
  readonly place: Place;
  readonly shape: Shape;
  /** Alike for the same domains. */
  readonly text: string;
  /** Alike for the same fields of different members. */
  readonly label: string;
  readonly writable: boolean;
}

/** What the guards and effects of one function can speak of. */
interface Scope {
  readonly spots: readonly Spot[];
  /** The names of members. */
  readonly members: ParameterList;
  /** The procedures whose places can be told, by the parameter that tells the instance, and their number of steps. */
  readonly procedures: readonly {
    readonly procedure: number;
    readonly parameter: string | undefined;
    readonly steps: number;
  }[];
}

/** A place and all below it. */
function spotsFrom(place: Place, shape: Shape, label: string, writable: boolean, members: ParameterList): Spot[] {
  const below = (step: Place['steps'][number], of: Shape, name: string): Spot[] =>
    spotsFrom({ root: place.root, steps: [...place.steps, step] }, of, `${label}${name}`, writable, members);
  const inside = (of: Shape): Spot[] => {
    if (of.kind === 'optional') return inside(of.of);
    if (of.kind === 'record') {
      return of.fields.flatMap((field, i) => below({ field: `r${i}` }, field, `.r${i}`));
    }
    if (of.kind !== 'each') return [];
    const names = Object.keys(members).filter((name) => members[name] === of.over);
    return (names.length === 0 ? [0] : names).flatMap((member) => below({ member }, of.of, '[*]'));
  };
  return [{ place, shape, text: JSON.stringify(shape), label, writable }, ...inside(shape)];
}

function scopeOf(fields: readonly Shape[], members: ParameterList, local?: Shape): Scope {
  const own: Place = { root: 'me', steps: [{ field: 'local' }] };
  return {
    members,
    procedures: [],
    spots: [
      ...fields.flatMap((shape, i) => {
        const name = `f${i}`;
        return spotsFrom({ root: 's', steps: [{ field: name }] }, shape, name, true, members);
      }),
      ...(local === undefined ? [] : spotsFrom(own, local, 'local', true, members)),
    ],
  };
}

/** The scope in which something is held; it comes first and twice, so that it is spoken of. */
function holding(scope: Scope, name: string, shape: Shape, label: string, writable: boolean): Scope {
  const held = spotsFrom({ root: name, steps: [] }, shape, label, writable, scope.members);
  return { ...scope, spots: [...held, ...held, ...scope.spots] };
}

/** The scope in which one of the things in a collection, set or family is held. */
function among(scope: Scope, { shape, label, writable }: Spot, name: string): Scope {
  if (shape.kind === 'set') return { ...scope, members: { ...scope.members, [name]: shape.of } };
  if (shape.kind === 'each') return holding(scope, name, shape.of, `${label}[*]`, writable);
  if (shape.kind === 'queue' || shape.kind === 'bag') return holding(scope, name, shape.item, `${label}[]`, false);
  return scope;
}

type Options<T> = fc.Arbitrary<T>[];

function hasItems(shape: Shape): boolean {
  if (shape.kind === 'record') return shape.fields.some(hasItems);
  if (shape.kind === 'optional' || shape.kind === 'each') return hasItems(shape.of);
  return shape.kind === 'queue' || shape.kind === 'bag';
}

/**
 * Ways to make a value of a domain. Records that cannot be changed any more (items, constants) are values of their own only
 * where `isLast`: what was put in place of a record cannot be written any more in the same step.
 */
function values(scope: Scope, shape: Shape, label: string, isLast: boolean): fc.Arbitrary<Value> | undefined {
  const text = JSON.stringify(shape);
  const alike = scope.spots.filter((spot) => spot.text === text && (!hasItems(shape) || spot.label === label));
  const options: Options<Value> = [];
  const reads = alike.filter((spot) => isLeaf(shape) || isLast || (spot.writable && shape.kind !== 'optional'));
  if (reads.length > 0) options.push(fc.constantFrom(...reads).map(({ place }): Value => ({ is: 'read', place })));
  if (alike.length > 0 && !isLeaf(shape) && shape.kind !== 'set') {
    options.push(fc.constantFrom(...alike).map(({ place }): Value => ({ is: 'copy', place })));
  }
  if (isLeaf(shape)) {
    options.push(fc.constantFrom(...valuesOf(shape)).map((value): Value => ({ is: 'literal', value })));
    const names = Object.keys(scope.members).filter(
      (name) => shape.kind === 'sort' && scope.members[name] === shape.sort,
    );
    if (names.length > 0) options.push(fc.constantFrom(...names).map((name): Value => ({ is: 'held', name })));
    if (alike.length > 0) {
      options.push(fc.constantFrom(...alike).map(({ place }): Value => ({ is: 'next', place, leaf: shape })));
    }
  } else if (shape.kind === 'optional') {
    options.push(fc.constant({ is: 'literal', value: null }));
    const some = values(scope, shape.of, label, isLast);
    if (some !== undefined) options.push(some, some);
  } else if (shape.kind === 'record') {
    const parts = shape.fields.map((field, i) => values(scope, field, `${label}.r${i}`, isLast));
    const known = parts.filter((part) => part !== undefined);
    if (known.length === parts.length) {
      const made = fc.record({
        is: fc.constant('record' as const),
        parts: fc.tuple(...known),
        reversed: fc.boolean(),
      });
      options.push(made, made);
    }
    const flat = shape.fields.every(isLeaf);
    const spread = alike.filter((spot) => isLast || flat || spot.writable);
    const fields = shape.fields.flatMap((_, i) => (parts[i] === undefined ? [] : [i]));
    if (spread.length > 0 && fields.length > 0) {
      options.push(
        fc
          .tuple(fc.constantFrom(...spread), fc.constantFrom(...fields))
          .chain(([{ place }, i]) =>
            (parts[i] as fc.Arbitrary<Value>).map((value): Value => ({ is: 'spread', place, field: `r${i}`, value })),
          ),
      );
    }
    if (isLast && flat) options.push(literals(shape).map((value): Value => ({ is: 'constant', value })));
  } else if (shape.kind === 'each') {
    const part = values(scope, shape.of, `${label}[*]`, isLast);
    if (part !== undefined) {
      const parts = fc.array(part, { minLength: size[shape.over], maxLength: size[shape.over] });
      options.push(fc.record({ is: fc.constant('array' as const), parts }));
    }
  }
  return options.length === 0 ? undefined : fc.oneof(...options);
}

function literals(shape: Shape): fc.Arbitrary<unknown> {
  if (isLeaf(shape)) return fc.constantFrom(...valuesOf(shape));
  if (shape.kind === 'optional') return fc.option(literals(shape.of));
  if (shape.kind !== 'record') throw new Error(`${shape.kind}: not a literal`);
  return fc.record(Object.fromEntries(shape.fields.map((field, i) => [`r${i}`, literals(field)])), {
    noNullPrototype: true,
  });
}

const always: Condition = { is: 'and', of: [] };

/** Conditions; `depth` is how deep they may be nested: below 0 there are no quantifiers any more. */
function conditions(scope: Scope, depth: number): fc.Arbitrary<Condition> {
  const spots = scope.spots.filter(({ shape }) => shape.kind !== 'record' && (shape.kind !== 'each' || depth >= 0));
  const simple: Options<Condition> = [];
  if (spots.length > 0) simple.push(fc.constantFrom(...spots).chain((spot) => conditionsOn(scope, spot, depth)));
  if (scope.procedures.length > 0) {
    simple.push(
      fc
        .constantFrom(...scope.procedures)
        .chain(({ procedure, parameter, steps }) =>
          fc.nat(steps - 1).map((step): Condition => ({ is: 'at', procedure, parameter, step })),
        ),
    );
  }
  if (simple.length === 0) return fc.constant(always);
  if (depth <= 0) return fc.oneof(...simple);
  const deeper = conditions(scope, depth - 1);
  return fc.oneof(
    { weight: 4, arbitrary: fc.oneof(...simple) },
    { weight: 3, arbitrary: deeper.map((of): Condition => ({ is: 'not', of })) },
    {
      weight: 3,
      arbitrary: fc.record({ is: fc.constantFrom('and' as const, 'or' as const), of: fc.tuple(deeper, deeper) }),
    },
  );
}

/** Conditions that do not hold where everything has its first value. */
function lateConditions(scope: Scope): fc.Arbitrary<Condition> {
  const options = scope.spots.flatMap(({ place, shape }): Options<Condition> => {
    if (shape.kind === 'queue' || shape.kind === 'bag') return [fc.constant({ is: 'full', place })];
    const later = isLeaf(shape) ? valuesOf(shape).slice(1) : [];
    if (later.length === 0) return [];
    return [fc.constantFrom(...later).map((value) => ({ is: 'equal', place, value: { is: 'literal', value } }))];
  });
  return options.length === 0 ? conditions(scope, 0) : fc.oneof(...options);
}

function conditionsOn(scope: Scope, spot: Spot, depth: number): fc.Arbitrary<Condition> {
  const { place, shape, label } = spot;
  const options: Options<Condition> = [];
  if (isLeaf(shape)) {
    const value = values(scope, shape, label, true);
    if (value !== undefined)
      options.push(fc.record({ is: fc.constant('equal' as const), place: fc.constant(place), value }));
  } else if (shape.kind === 'optional') options.push(fc.constant({ is: 'null', place }));
  else {
    if (shape.kind !== 'each') options.push(fc.constant({ is: 'empty', place }));
    if (shape.kind === 'set') {
      const value = values(scope, { kind: 'sort', sort: shape.of }, '', true) as fc.Arbitrary<Value>;
      options.push(fc.record({ is: fc.constant('member' as const), place: fc.constant(place), value }));
    }
    if (shape.kind === 'queue' || shape.kind === 'bag') {
      options.push(fc.constant({ is: 'full', place }));
      const item = values(scope, shape.item, '', true);
      if (item !== undefined) {
        options.push(fc.record({ is: fc.constant('item' as const), place: fc.constant(place), item }));
      }
    }
    if (depth >= 0) {
      const as = `x${depth}`;
      const quantified = fc.record({
        is: fc.constant('quantified' as const),
        how: fc.constantFrom('some' as const, 'every' as const, 'find' as const, 'count' as const, 'iterate' as const),
        place: fc.constant(place),
        as: fc.constant(as),
        test: conditions(among(scope, spot, as), depth - 1),
      });
      options.push(quantified, quantified);
    }
  }
  return options.length === 0 ? fc.constant(always) : fc.oneof(...options);
}

/** Where effects stand. */
interface Manner {
  /** Whether nothing else comes after them in the step. */
  readonly isLast: boolean;
  /** Whether they do what may fail only where it does not. */
  readonly isCareful: boolean;
  readonly depth: number;
}

const nothing: Effect = { does: 'if', test: always, then: [], else: [] };

function effectLists(scope: Scope, manner: Manner): fc.Arbitrary<readonly Effect[]> {
  return fc
    .tuple(fc.array(effects(scope, { ...manner, isLast: false }), { maxLength: 2 }), effects(scope, manner))
    .map(([first, last]) => [...first, last]);
}

function effects(scope: Scope, manner: Manner): fc.Arbitrary<Effect> {
  const writable = scope.spots.filter((spot) => spot.writable && spot.place.steps.length > 0);
  const visited = scope.spots.filter(({ shape }) => ['set', 'each', 'queue', 'bag'].includes(shape.kind));
  const held = scope.spots.filter(({ shape }) => ['record', 'optional', 'each'].includes(shape.kind));
  const simple =
    writable.length === 0
      ? fc.constant(nothing)
      : fc.constantFrom(...writable).chain((spot) => effectsOn(scope, spot, manner));
  if (manner.depth === 0) return simple;
  const inner = { ...manner, depth: manner.depth - 1 };
  const conditional = fc.record({
    does: fc.constant('if' as const),
    test: conditions(scope, 1),
    then: effectLists(scope, inner),
    else: fc.oneof(fc.constant([]), effectLists(scope, inner)),
  });
  const attempts = fc.record({
    does: fc.constant('try' as const),
    then: effectLists(scope, { ...inner, isLast: false, isCareful: false }),
    caught: effectLists(scope, { ...inner, isLast: false }),
  });
  const options = [
    { weight: 8, arbitrary: simple },
    { weight: 2, arbitrary: conditional },
    { weight: 1, arbitrary: attempts },
  ];
  if (held.length > 0) {
    const as = `h${manner.depth}`;
    const holds = fc.constantFrom(...held).chain(({ place, shape, label, writable: isWritable }) => {
      const of = shape.kind === 'optional' ? shape.of : shape;
      return fc.record({
        does: fc.constant('hold' as const),
        place: fc.constant(place),
        as: fc.constant(as),
        then: effectLists(holding(scope, as, of, label, isWritable), inner),
      });
    });
    options.push({ weight: 3, arbitrary: holds });
  }
  if (visited.length > 0) {
    const as = `v${manner.depth}`;
    const visits = fc.constantFrom(...visited).chain((spot) =>
      fc.record({
        does: fc.constant('visit' as const),
        place: fc.constant(spot.place),
        as: fc.constant(as),
        then: effectLists(among(scope, spot, as), { ...inner, isLast: false }),
      }),
    );
    options.push({ weight: 2, arbitrary: visits });
  }
  return fc.oneof(...options);
}

function effectsOn(scope: Scope, spot: Spot, manner: Manner): fc.Arbitrary<Effect> {
  const { place: at, shape, label } = spot;
  const place = fc.constant(at);
  const options: Options<Effect> = [];
  switch (shape.kind) {
    case 'set': {
      const value = values(scope, { kind: 'sort', sort: shape.of }, '', true) as fc.Arbitrary<Value>;
      const does = fc.constantFrom('add' as const, 'add' as const, 'delete' as const);
      options.push(fc.record({ does, place, value }), fc.constant({ does: 'clear', place: at }));
      break;
    }
    case 'queue':
    case 'bag':
      options.push(...effectsOnItems(scope, spot, shape.item, manner));
      break;
    case 'bool':
    case 'range':
    case 'oneOf':
    case 'sort': {
      const value = values(scope, shape, label, false) as fc.Arbitrary<Value>;
      const next = fc.constant<Effect>({ does: 'assign', place: at, value: { is: 'next', place: at, leaf: shape } });
      // Mostly the next, since what goes round makes more states than what is set.
      options.push(next, next, fc.record({ does: fc.constant('assign' as const), place, value }));
      options.push(
        fc.record({
          does: fc.constant('detour' as const),
          place,
          wrong: fc.constantFrom<unknown>(99, -99, 'purple', null, { r0: 0 }),
          value,
        }),
      );
      break;
    }
    case 'optional':
    case 'record':
    case 'each': {
      const value = values(scope, shape, label, manner.isLast);
      if (value !== undefined) options.push(fc.record({ does: fc.constant('assign' as const), place, value }));
      break;
    }
    default:
      shape satisfies never;
  }
  return options.length === 0 ? fc.constant(nothing) : fc.oneof(...options);
}

function effectsOnItems(scope: Scope, spot: Spot, shape: Shape, manner: Manner): Options<Effect> {
  const place = fc.constant(spot.place);
  const as = `t${manner.depth}`;
  const within = among(scope, spot, as);
  const item = values(scope, shape, '', true) as fc.Arbitrary<Value>;
  const careful = fc.constant(manner.isCareful);
  const test = conditions(within, 1);
  const put = fc.record({ does: fc.constant('put' as const), place, item, careful });
  const then =
    manner.depth === 0 ? fc.constant([]) : effectLists(within, { ...manner, isLast: false, depth: manner.depth - 1 });
  const choice = fc.oneof(fc.constant(undefined), fc.record({ item }), fc.record({ test }));
  const take = fc.record({
    does: fc.constant('take' as const),
    place,
    careful,
    as: fc.constant(as),
    which: spot.shape.kind === 'bag' ? choice : fc.constant(undefined),
    then,
  });
  const takeAll = fc.record({ does: fc.constant('take all' as const), place, as: fc.constant(as), test });
  const replace = fc.record({ does: fc.constant('replace' as const), place, position: fc.nat(1), by: item });
  return [put, put, put, take, take, takeAll, replace, fc.constant({ does: 'clear', place: spot.place })];
}

function atomics(scope: Scope): fc.Arbitrary<Atomic> {
  return fc.record({
    guards: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 3, arbitrary: conditions(scope, 2).map((guard) => [guard]) },
      { weight: 1, arbitrary: fc.tuple(conditions(scope, 2), conditions(scope, 2)) },
    ),
    effects: effectLists(scope, { isLast: true, isCareful: true, depth: 2 }),
  });
}

const parameterLists: fc.Arbitrary<ParameterList> = fc.oneof(
  fc.constantFrom<ParameterList>({}, {}, { x: 'p' }, { x: 'q' }, { x: 'o' }),
  fc.constantFrom<ParameterList>({ x: 'p', y: 'q' }, { x: 'p', y: 'q' }, { x: 'p', y: 'p' }, { x: 'q', y: 'o' }),
);

function actionRecipes(fields: readonly Shape[]): fc.Arbitrary<ActionRecipe> {
  return parameterLists.chain((parameters) =>
    atomics(scopeOf(fields, parameters)).map((what) => ({ parameters, ...what })),
  );
}

/** Actions that may always happen and change something, so that there is more than one state. */
function movers(fields: readonly Shape[]): fc.Arbitrary<ActionRecipe> {
  return parameterLists.chain((parameters) => {
    const scope = scopeOf(fields, parameters);
    const moved = scope.spots.flatMap(({ place, shape }): Effect[] =>
      isLeaf(shape) ? [{ does: 'assign', place, value: { is: 'next', place, leaf: shape } }] : [],
    );
    const others = fc.array(effects(scope, { isLast: true, isCareful: true, depth: 1 }), { maxLength: 1 });
    return fc
      .tuple(fc.constantFrom(...moved, nothing), others)
      .map(([move, more]) => ({ parameters, guards: [], effects: [move, ...more] }));
  });
}

/** A list of nodes that begins with a step, so that no loop goes round without one. */
function nodeLists(
  fields: readonly Shape[],
  instance: ParameterList,
  local: Shape,
  depth: number,
): fc.Arbitrary<readonly NodeRecipe[]> {
  const scope = scopeOf(fields, instance, local);
  const step = fc.constantFrom<ParameterList>({}, {}, { z: 'p' }, { z: 'q' }).chain((choose) =>
    atomics(scopeOf(fields, { ...instance, ...choose }, local)).map((what): NodeRecipe => ({
      node: 'step',
      choose,
      ...what,
    })),
  );
  if (depth === 0) return fc.array(step, { minLength: 1, maxLength: 2, size: 'max' });
  const body = nodeLists(fields, instance, local, depth - 1);
  const decision = fc
    .record({
      node: fc.constantFrom('branch' as const, 'loop' as const),
      fused: fc.boolean(),
      test: conditions(scope, 2),
      body,
      else: fc.option(body),
    })
    .map((node): NodeRecipe => ({ ...node, else: node.node === 'branch' ? (node.else ?? []) : [] }));
  const others = fc.array(fc.oneof({ weight: 2, arbitrary: step }, { weight: 1, arbitrary: decision }), {
    maxLength: 3,
    size: 'max',
  });
  return fc.tuple(step, others).map(([first, rest]) => [first, ...rest]);
}

function procedureRecipes(fields: readonly Shape[]): fc.Arbitrary<ProcedureRecipe> {
  return fc.tuple(fc.constantFrom<ParameterList>({}, { x: 'p' }), data(1)).chain(([instance, local]) =>
    fc.record({
      instance: fc.constant(instance),
      local: fc.constant(local),
      repeat: fc.boolean(),
      steps: nodeLists(fields, instance, local, 1),
      merged: fc.boolean(),
    }),
  );
}

function countNodes(nodes: readonly NodeRecipe[]): number {
  return nodes.reduce(
    (count, node) => count + 1 + (node.node === 'step' ? 0 : countNodes(node.body) + countNodes(node.else)),
    0,
  );
}

/** Claims about the states of a model with such fields and procedures. */
export function claims(
  fields: readonly Shape[],
  procedures: readonly ProcedureRecipe[],
  name: string,
): fc.Arbitrary<Claim> {
  return parameterLists
    .chain((parameters) => {
      const told = procedures.flatMap(({ instance, steps }, procedure) => {
        const isSingle = Object.keys(instance).length === 0;
        const byName = isSingle ? [undefined] : Object.keys(parameters).filter((of) => parameters[of] === 'p');
        return byName.map((parameter) => ({ procedure, parameter, steps: countNodes(steps) }));
      });
      const scope = { ...scopeOf(fields, parameters), procedures: told };
      return fc.record({
        name: fc.constant(name),
        kind: fc.constantFrom('invariant' as const, 'reachable' as const),
        parameters: fc.constant(parameters),
        given: fc.option(conditions(scope, 2), { nil: undefined }),
        // Several things that must not, or must be able to, come together: few are decided in the first state.
        parts: fc.oneof(
          fc.array(conditions(scope, 0), { minLength: 2, maxLength: 4, size: 'max' }),
          fc.array(lateConditions(scope), { minLength: 2, maxLength: 3, size: 'max' }),
        ),
      });
    })
    .map(({ parts, ...claim }): Claim => {
      const together: Condition = { is: 'and', of: parts };
      return { ...claim, holds: claim.kind === 'reachable' ? together : { is: 'not', of: together } };
    });
}

/** Nine words of a state. */
const wide: Shape = {
  kind: 'each',
  over: 'o',
  of: { kind: 'each', over: 'o', of: { kind: 'range', low: -5, count: 2 ** 31 } },
};

/** Any recipe of a small model that makes no mistake. */
export const recipes: fc.Arbitrary<Recipe> = fc
  .tuple(
    fc.array(shapes(2), { minLength: 2, maxLength: 3, size: 'max' }),
    fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.constant(wide) }),
  )
  .map(([fields, first]) => (first === null ? fields : [first, ...fields]))
  .chain((fields) => {
    const scope = scopeOf(fields, {});
    const free = scope.spots.flatMap(({ place, shape }) => (isLeaf(shape) ? [{ place, leaf: shape }] : []));
    return fc.tuple(
      fc.constant(fields),
      fc
        .tuple(
          fc.oneof(fc.constant([]), fc.array(movers(fields), { minLength: 1, maxLength: 2, size: 'max' })),
          fc.array(actionRecipes(fields), { minLength: 1, maxLength: 3, size: 'max' }),
        )
        .map((lists) => lists.flat()),
      fc.array(procedureRecipes(fields), { maxLength: 2, size: 'max' }),
      free.length === 0 ? fc.constant(undefined) : fc.option(fc.constantFrom(...free), { nil: undefined, freq: 3 }),
      fc.oneof(fc.constant([]), effectLists(scope, { isLast: true, isCareful: true, depth: 1 })),
    );
  })
  .chain(([fields, actions, procedures, free, beginning]) =>
    fc.record({
      fields: fc.constant(fields),
      free: fc.constant(free),
      beginning: fc.constant(beginning),
      actions: fc.constant(actions),
      procedures: fc.constant(procedures),
      claims: fc.tuple(...['c0', 'c1', 'c2'].map((name) => claims(fields, procedures, name))),
    }),
  );

/** Recipes with one mistake: in an action, or in a claim that otherwise holds. */
export const mistakenRecipes: fc.Arbitrary<Recipe> = recipes.chain((recipe) => {
  const { fields, actions, claims: claimed } = recipe;
  const inClaim = parameterLists.chain((parameters) => {
    return rarely(scopeOf(fields, parameters)).map((of): Recipe => {
      const holds: Condition = { is: 'unclear', unless: { is: 'not', of } };
      const claim: Claim = { name: 'mistaken', kind: 'invariant', parameters, given: undefined, holds };
      return { ...recipe, claims: [...claimed, claim] };
    });
  });
  const inAction = fc.nat(actions.length - 1).chain((number) => {
    const action = actions[number] as ActionRecipe;
    return mistakes(scopeOf(fields, action.parameters)).map((mistake): Recipe => {
      const mistaken = {
        ...action,
        guards: [...action.guards, ...mistake.guards],
        effects: [...action.effects, ...mistake.effects],
      };
      return { ...recipe, actions: actions.with(number, mistaken) };
    });
  });
  return fc.oneof({ weight: 4, arbitrary: inAction }, { weight: 1, arbitrary: inClaim });
});

/** What does not always come together in the first state. */
function rarely(scope: Scope): fc.Arbitrary<Condition> {
  const together = fc.array(conditions(scope, 0), { minLength: 1, maxLength: 2, size: 'max' });
  return together.map((of): Condition => ({ is: 'and', of }));
}

function mistakes(scope: Scope): fc.Arbitrary<Atomic> {
  const inEffect = (effect: fc.Arbitrary<Effect>): fc.Arbitrary<Atomic> =>
    fc.tuple(rarely(scope), effect).map(([test, what]) => ({
      guards: [],
      effects: [{ does: 'if', test, then: [what], else: [] }],
    }));
  const options: Options<Atomic> = [
    inEffect(fc.constant({ does: 'throw' })),
    rarely(scope).map((of) => ({ guards: [{ is: 'unclear', unless: { is: 'not', of } }], effects: [] })),
  ];
  const leafSpots = scope.spots.filter(({ shape }) => isLeaf(shape));
  if (leafSpots.length > 0) {
    const wrong: Value = { is: 'literal', value: 'purple' };
    options.push(
      inEffect(fc.constantFrom(...leafSpots).map(({ place }): Effect => ({ does: 'assign', place, value: wrong }))),
    );
  }
  const itemSpots = scope.spots.filter(({ shape }) => shape.kind === 'queue' || shape.kind === 'bag');
  if (itemSpots.length > 0) {
    const careless = fc.constantFrom(...itemSpots).chain((spot) =>
      fc.oneof(
        ...effectsOnItems(scope, spot, (spot.shape as { readonly item: Shape }).item, {
          isLast: true,
          isCareful: false,
          depth: 0,
        }),
      ),
    );
    options.push(inEffect(careless));
  }
  return fc.oneof(...options);
}
