/**
 * Random recipes.
 */
import fc from 'fast-check';
import {
  type ActionRecipe,
  type Atomic,
  type Cell,
  type Claim,
  type Collection,
  type Condition,
  type Effect,
  type Field,
  isLeaf,
  type Item,
  type Leaf,
  type NodeRecipe,
  type ParameterList,
  type ProcedureRecipe,
  type Recipe,
  type SortName,
  valuesOf,
} from './recipe.fixture.ts';

const sortNames = fc.constantFrom<SortName>('p', 'q');
const leaves: fc.Arbitrary<Leaf> = fc.oneof(
  fc.constant<Leaf>({ kind: 'bool' }),
  fc.record({
    kind: fc.constant('range' as const),
    low: fc.constantFrom(0, 1, -1),
    count: fc.constantFrom(3, 3, 2, 1),
  }),
  fc.record({ kind: fc.constant('oneOf' as const), count: fc.constantFrom(3, 3, 2, 1) }),
  fc.record({ kind: fc.constantFrom('sort' as const, 'optional' as const), sort: sortNames }),
);
const collections: fc.Arbitrary<Collection> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), of: sortNames }),
  fc.record({
    kind: fc.constantFrom('queue' as const, 'bag' as const),
    capacity: fc.constantFrom(2, 1),
    item: fc.array(leaves, { minLength: 1, maxLength: 2 }),
  }),
);
const fieldRecipes: fc.Arbitrary<Field> = fc.record({
  over: fc.oneof(
    fc.constant([]),
    fc.constant([]),
    sortNames.map((of) => [of]),
    fc.tuple(sortNames, sortNames),
  ),
  content: fc.oneof({ weight: 3, arbitrary: leaves }, { weight: 2, arbitrary: collections }),
});

/** What the guards and effects of one action can speak of. */
interface Scope {
  readonly parameters: ParameterList;
  readonly cells: readonly { readonly cell: Cell; readonly content: Leaf | Collection }[];
  /** The procedures whose places can be told, by the parameter that tells the instance, and their number of steps. */
  readonly places: readonly {
    readonly procedure: number;
    readonly parameter: string | undefined;
    readonly steps: number;
  }[];
}

function scopeOf(fields: readonly Field[], parameters: ParameterList, local?: Leaf): Scope {
  const named = (of: SortName): string[] => Object.keys(parameters).filter((name) => parameters[name] === of);
  const cells = fields.flatMap(({ over, content }, field) => {
    const ways = over.reduce<readonly string[][]>(
      (paths, of) => paths.flatMap((path) => named(of).map((name) => [...path, name])),
      [[]],
    );
    return ways.map((at) => ({ cell: { field, at }, content }));
  });
  const own = local === undefined ? [] : [{ cell: { field: undefined, at: [] }, content: local }];
  return { parameters, cells: [...cells, ...own], places: [] };
}

type Options<T> = fc.Arbitrary<T>[];

/** One of those that there are; a fall-back where there is none. */
function oneOfThose<T>(options: Options<T>, fallBack: T): fc.Arbitrary<T> {
  return options.length === 0 ? fc.constant(fallBack) : fc.oneof(...options);
}

function conditions(scope: Scope, depth = 2): fc.Arbitrary<Condition> {
  const { parameters, cells, places } = scope;
  const names = Object.keys(parameters);
  const simple: Options<Condition> = cells.flatMap(({ cell, content }): Options<Condition> => {
    if (content.kind === 'set') {
      const members = names.filter((name) => parameters[name] === content.of);
      return [
        fc.constant({ is: 'empty', cell }),
        ...members.map((parameter) => fc.constant<Condition>({ is: 'member', cell, parameter })),
      ];
    }
    if (!isLeaf(content)) {
      return [
        fc.constant({ is: 'empty', cell }),
        fc.constant({ is: 'full', cell }),
        items(content.item).map((item): Condition => ({ is: 'item', cell, item })),
      ];
    }
    const alike = cells.filter(
      (other) => other.cell !== cell && JSON.stringify(other.content) === JSON.stringify(content),
    );
    const equalTo = 'sort' in content ? names.filter((name) => parameters[name] === content.sort) : [];
    return [
      fc.constantFrom(...valuesOf(content)).map((value): Condition => ({ is: 'value', cell, value })),
      ...alike.map((other) => fc.constant<Condition>({ is: 'equal', cell, other: other.cell })),
      ...equalTo.map((parameter) => fc.constant<Condition>({ is: 'parameter', cell, parameter })),
    ];
  });
  const [a, b] = names;
  if (a !== undefined && b !== undefined && parameters[a] === parameters[b]) {
    simple.push(fc.constant({ is: 'same parameters', a, b }));
  }
  for (const { procedure, parameter, steps } of places) {
    simple.push(fc.nat(steps - 1).map((step): Condition => ({ is: 'at', procedure, parameter, step })));
  }
  const always: Condition = { is: 'and', of: [] };
  if (depth === 0) return oneOfThose(simple, always);
  const deeper = conditions(scope, depth - 1);
  return fc.oneof(
    { weight: 4, arbitrary: oneOfThose(simple, always) },
    { weight: 3, arbitrary: deeper.map((of): Condition => ({ is: 'not', of })) },
    {
      weight: 3,
      arbitrary: fc.record({ is: fc.constantFrom('and' as const, 'or' as const), of: fc.tuple(deeper, deeper) }),
    },
  );
}

function items(item: readonly Leaf[]): fc.Arbitrary<Item> {
  return fc
    .tuple(...item.map((leaf) => fc.constantFrom(...valuesOf(leaf))))
    .map((values) => Object.fromEntries(values.map((value, i) => [`i${i}`, value])));
}

function effects(scope: Scope, depth = 1): fc.Arbitrary<Effect> {
  const { parameters, cells } = scope;
  const names = Object.keys(parameters);
  const simple: Options<Effect> = cells.flatMap(({ cell, content }): Options<Effect> => {
    if (content.kind === 'set') {
      const members = names.filter((name) => parameters[name] === content.of);
      const does = fc.constantFrom('add' as const, 'add' as const, 'delete' as const);
      return [
        ...(members.length === 0 ? [fc.constant<Effect>({ does: 'clear', cell })] : []),
        ...members.map((parameter) => does.map((what): Effect => ({ does: what, cell, parameter }))),
      ];
    }
    if (!isLeaf(content)) {
      const does = fc.constantFrom('put' as const, 'put' as const, 'put' as const, 'take' as const);
      return [
        fc.record({ does, cell: fc.constant(cell), item: items(content.item) }),
        fc.constant({ does: 'clear', cell }),
      ];
    }
    const alike = cells.filter(
      (other) => other.cell !== cell && JSON.stringify(other.content) === JSON.stringify(content),
    );
    const takes = 'sort' in content ? names.filter((name) => parameters[name] === content.sort) : [];
    return [
      fc.constantFrom(...valuesOf(content)).map((value): Effect => ({ does: 'set', cell, value })),
      // Twice, since what goes round makes more states than what is set.
      fc.constant({ does: 'next', cell, leaf: content }),
      fc.constant({ does: 'next', cell, leaf: content }),
      ...alike.map((other) => fc.constant<Effect>({ does: 'copy', cell, from: other.cell })),
      ...takes.map((parameter) => fc.constant<Effect>({ does: 'take parameter', cell, parameter })),
    ];
  });
  const always: Condition = { is: 'and', of: [] };
  const nothing: Effect = { does: 'if', test: always, then: [], else: [] };
  if (depth === 0) return oneOfThose(simple, nothing);
  const inner = fc.array(effects(scope, depth - 1), { maxLength: 2 });
  const conditional = fc.record({
    does: fc.constant('if' as const),
    test: conditions(scope, 1),
    then: inner,
    else: inner,
  });
  return fc.oneof({ weight: 4, arbitrary: oneOfThose(simple, nothing) }, { weight: 1, arbitrary: conditional });
}

function atomics(scope: Scope): fc.Arbitrary<Atomic> {
  return fc.record({
    guards: fc.oneof(
      { weight: 1, arbitrary: fc.constant([]) },
      { weight: 2, arbitrary: conditions(scope).map((guard) => [guard]) },
      { weight: 1, arbitrary: fc.tuple(conditions(scope), conditions(scope)) },
    ),
    effects: fc.array(effects(scope), { minLength: 1, maxLength: 2, size: 'max' }),
  });
}

const parameterLists: fc.Arbitrary<ParameterList> = fc.oneof(
  fc.constantFrom<ParameterList>({}, { x: 'p' }, { x: 'q' }),
  fc.constantFrom<ParameterList>({ x: 'p', y: 'q' }, { x: 'p', y: 'q' }, { x: 'p', y: 'p' }),
);

function actionRecipes(fields: readonly Field[]): fc.Arbitrary<ActionRecipe> {
  return parameterLists.chain((parameters) =>
    atomics(scopeOf(fields, parameters)).map((what) => ({ parameters, ...what })),
  );
}

/** A list of nodes that begins with a step, so that no loop goes round without one. */
function nodeLists(
  fields: readonly Field[],
  instance: ParameterList,
  local: Leaf,
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
      test: conditions(scope),
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

function procedureRecipes(fields: readonly Field[]): fc.Arbitrary<ProcedureRecipe> {
  return fc.tuple(fc.constantFrom<ParameterList>({}, { x: 'p' }), leaves).chain(([instance, local]) =>
    fc.record({
      instance: fc.constant(instance),
      local: fc.constant(local),
      repeat: fc.boolean(),
      steps: nodeLists(fields, instance, local, 1),
    }),
  );
}

function countNodes(nodes: readonly NodeRecipe[]): number {
  return nodes.reduce(
    (count, node) => count + 1 + (node.node === 'step' ? 0 : countNodes(node.body) + countNodes(node.else)),
    0,
  );
}

function claims(fields: readonly Field[], procedures: readonly ProcedureRecipe[], name: string): fc.Arbitrary<Claim> {
  return parameterLists
    .chain((parameters) => {
      const places = procedures.flatMap(({ instance, steps }, procedure) => {
        const isSingle = Object.keys(instance).length === 0;
        const byName = isSingle ? [undefined] : Object.keys(parameters).filter((of) => parameters[of] === 'p');
        return byName.map((parameter) => ({ procedure, parameter, steps: countNodes(steps) }));
      });
      const scope = { ...scopeOf(fields, parameters), places };
      return fc.record({
        name: fc.constant(name),
        kind: fc.constantFrom('invariant' as const, 'reachable' as const),
        parameters: fc.constant(parameters),
        given: fc.option(conditions(scope), { nil: undefined }),
        // Several things that must not, or must be able to, come together: few are decided in the first state.
        parts: fc.array(conditions(scope, 0), { minLength: 2, maxLength: 4, size: 'max' }),
      });
    })
    .map(({ parts, ...claim }): Claim => {
      const together: Condition = { is: 'and', of: parts };
      return { ...claim, holds: claim.kind === 'reachable' ? together : { is: 'not', of: together } };
    });
}

/** Any recipe of a small model. */
export const recipes: fc.Arbitrary<Recipe> = fc
  .array(fieldRecipes, { minLength: 2, maxLength: 3, size: 'max' })
  .chain((fields) =>
    fc.tuple(
      fc.constant(fields),
      fc.array(actionRecipes(fields), { minLength: 1, maxLength: 4, size: 'max' }),
      fc.array(procedureRecipes(fields), { maxLength: 2, size: 'max' }),
      fc.option(fc.nat(fields.length - 1), { nil: undefined, freq: 3 }),
    ),
  )
  .chain(([fields, actions, procedures, free]) =>
    fc.record({
      fields: fc.constant(fields),
      free: fc.constant(free),
      actions: fc.constant(actions),
      procedures: fc.constant(procedures),
      claims: fc.tuple(...['c0', 'c1', 'c2'].map((name) => claims(fields, procedures, name))),
    }),
  );
