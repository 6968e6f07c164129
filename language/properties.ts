/**
 * What must hold of a model: in every state, of every step, and over time; what must be able to happen; and freedom from
 * deadlock; all quantified over sorts.
 */
import type { Bindings, Params } from './behaviour.ts';
import type { Named } from './definition.ts';
import { ModelError, suggest } from './errors.ts';
import { type ActionData, bindAll, type Instance, paramDomains, type State } from './instance.ts';
import type { Concrete } from './concrete.ts';
import { holds, holdsOfStep } from './meaning.ts';
import type { ActionOf, Model, SizeContext, StateOf } from './model.ts';

/** Brand by a registered symbol, so that two copies of this package understand each other's properties. */
const propertiesBrand: unique symbol = Symbol.for('svacheck.properties') as never;
declare const types: unique symbol;

/** What kind of claim a property is. */
export type PropertyKind =
  | 'invariant'
  | 'reachable'
  | 'deadlock'
  | 'transition'
  | 'leadsTo'
  | 'eventually'
  | 'recoverable';

/** The kinds that no single state shows: they are decided once all reachable states and the steps between them are known. */
const kindsOverTime = ['transition', 'leadsTo', 'eventually', 'recoverable'] as const;

interface AboutProperty {
  /** The property in words, where its name does not say all. */
  readonly doc?: string;
  /** The requirements that it carries. */
  readonly requirement?: string | readonly string[];
}

type Test = (s: never, p: never) => boolean;
type StepTest = (before: never, action: never, after: never, p: never) => boolean;

/** A property as written. */
export interface PropertySpec extends AboutProperty {
  readonly kind: PropertyKind;
  readonly params: Params;
  readonly given?: Test | StepTest;
  readonly holds?: Test | StepTest;
  readonly final?: Readonly<Record<string, Test>>;
}

/** What properties of a model with state `S` and actions `A` are written with. */
export interface PropertyBuilder<S, A = ActionData> {
  /** Holds in every reachable state, for every member. With `given`, only the states where that is true count. */
  invariant<const P extends Params = Record<never, never>>(
    spec: AboutProperty & {
      readonly forall?: P;
      readonly given?: (s: S, p: Bindings<P>) => boolean;
      readonly holds: (s: S, p: Bindings<P>) => boolean;
    },
  ): PropertySpec;

  /** Is true in some reachable state, for some member: shows that the model is alive. */
  reachable<const P extends Params = Record<never, never>>(
    spec: AboutProperty & {
      readonly exists?: P;
      readonly holds: (s: S, p: Bindings<P>) => boolean;
    },
  ): PropertySpec;

  /**
   * Every reachable state in which nothing is enabled is one of the named final ones. Without this property the final
   * states are those in which every procedure is done.
   */
  deadlockFree(spec: AboutProperty & { readonly final?: Readonly<Record<string, (s: S) => boolean>> }): PropertySpec;

  /**
   * Holds of every step that is taken in a reachable state, for every member. With `given`, only the steps where that is true
   * count. `action` is which action or step of a procedure it is, with its parameters.
   */
  transition<const P extends Params = Record<never, never>>(
    spec: AboutProperty & {
      readonly forall?: P;
      readonly given?: (before: S, action: A, after: S, p: Bindings<P>) => boolean;
      readonly holds: (before: S, action: A, after: S, p: Bindings<P>) => boolean;
    },
  ): PropertySpec;

  /** On every fair run, whenever `from` is true, `to` is true then or later; for every member. */
  leadsTo<const P extends Params = Record<never, never>>(
    spec: AboutProperty & {
      readonly forall?: P;
      readonly from: (s: S, p: Bindings<P>) => boolean;
      readonly to: (s: S, p: Bindings<P>) => boolean;
    },
  ): PropertySpec;

  /** On every fair run it is true at some time; for every member. */
  eventually<const P extends Params = Record<never, never>>(
    spec: AboutProperty & {
      readonly forall?: P;
      readonly holds: (s: S, p: Bindings<P>) => boolean;
    },
  ): PropertySpec;

  /**
   * From every reachable state some run leads to a state where it is true (AG EF), whatever is fair; for every member. With
   * `given`, only from the states where that is true.
   */
  recoverable<const P extends Params = Record<never, never>>(
    spec: AboutProperty & {
      readonly forall?: P;
      readonly given?: (s: S, p: Bindings<P>) => boolean;
      readonly holds: (s: S, p: Bindings<P>) => boolean;
    },
  ): PropertySpec;
}

/** The properties of a model. */
export interface PropertySet<M extends Model = Model, Names extends string = string> {
  readonly [propertiesBrand]: true;
  readonly model: M;
  readonly build: (context: SizeContext<never>) => Readonly<Record<string, PropertySpec>>;
  readonly [types]?: { names: Names };
}

type SizesOf<M> = M extends Model<infer _S, infer _A, infer Z> ? Z : never;

/** Declares properties of a model. */
export function properties<M extends Model, const P extends Readonly<Record<string, PropertySpec>>>(
  model: M,
  build: (builder: PropertyBuilder<StateOf<M>, ActionOf<M>> & SizeContext<SizesOf<M>>) => P,
): PropertySet<M, keyof P & string> {
  return Object.freeze({
    [propertiesBrand]: true as const,
    model,
    build: (context: SizeContext<never>) => build({ ...propertyBuilder, ...context }),
  });
}

const propertyBuilder: PropertyBuilder<never, never> = {
  invariant: ({ forall, ...spec }) => ({ ...spec, kind: 'invariant', params: forall ?? {} }),
  reachable: ({ exists, ...spec }) => ({ ...spec, kind: 'reachable', params: exists ?? {} }),
  deadlockFree: (spec) => ({ ...spec, kind: 'deadlock', params: {} }),
  transition: ({ forall, ...spec }) => ({ ...spec, kind: 'transition', params: forall ?? {} }),
  leadsTo: ({ forall, from, to, ...spec }) => ({
    ...spec,
    kind: 'leadsTo',
    params: forall ?? {},
    given: from,
    holds: to,
  }),
  eventually: ({ forall, ...spec }) => ({ ...spec, kind: 'eventually', params: forall ?? {} }),
  recoverable: ({ forall, ...spec }) => ({ ...spec, kind: 'recoverable', params: forall ?? {} }),
};

/** Whether a value is a set of properties (made by any copy of this package). */
export function isPropertySet(value: unknown): value is PropertySet {
  return typeof value === 'object' && value !== null && propertiesBrand in value;
}

/** One member for each variable of a quantifier. */
export type Binding = Readonly<Record<string, unknown>>;

/** Whether a property can be decided only once all reachable states and the steps between them are known. */
export function isOverTime({ kind }: Property): boolean {
  return (kindsOverTime as readonly PropertyKind[]).includes(kind);
}

/** A property of an instance: its quantifier bound in all ways, ready to be tested on states. */
export interface Property {
  readonly name: string;
  readonly kind: PropertyKind;
  readonly doc: string;
  readonly requirements: readonly string[];
  /** The domains of the quantifier. */
  readonly params: Readonly<Record<string, Concrete>>;
  readonly bindings: readonly Binding[];
  /**
   * Whether it is true in a state for one binding: for an invariant, that it holds where its antecedent does; for a property
   * over time, that its goal is reached.
   */
  readonly test: (state: State, binding: Binding) => boolean;
  /** Where it has an antecedent on states (`given`, `from`): whether that is true. */
  readonly given: ((state: State, binding: Binding) => boolean) | undefined;
  /** For a transition property: whether it is true of a step; `undefined` where its antecedent is not. */
  readonly testStep: (before: State, action: ActionData, after: State, binding: Binding) => boolean | undefined;
  /** For deadlock freedom: the name of the final state that a state without successors is, if it is one. */
  readonly finalState: (state: State) => string | undefined;
}

const implicitDeadlock = 'no deadlock';

/**
 * The properties of an instance, with freedom from deadlock where none of them is that; only those named in `only`, if
 * given.
 */
export function propertiesOf(
  instance: Instance,
  sets: readonly PropertySet[],
  only?: readonly string[],
): readonly Property[] {
  const all = declaredProperties(instance, sets);
  if (only === undefined) return all;
  const names = all.map(({ name }) => name);
  for (const name of only) {
    if (!names.includes(name)) {
      throw new ModelError(`there is no property '${name}'${suggest(name, names)}`, { model: instance.model.name });
    }
  }
  return all.filter(({ name }) => only.includes(name));
}

/** The properties of a set as written; whatever the function that writes them throws becomes a `ModelError`. */
function specsOf(instance: Instance, set: PropertySet): Readonly<Record<string, PropertySpec>> {
  try {
    return set.build(instance.context);
  } catch (error) {
    const place = { model: instance.model.name };
    if (error instanceof ModelError) throw error.at(place);
    throw new ModelError(`the properties cannot be built: ${String(error)}`, place, { cause: error });
  }
}

function declaredProperties(instance: Instance, sets: readonly PropertySet[]): readonly Property[] {
  const all = new Map<string, Property>();
  for (const set of sets) {
    for (const [name, spec] of Object.entries(specsOf(instance, set))) {
      if (all.has(name)) {
        throw new ModelError(`two properties are named '${name}'`, { model: instance.model.name });
      }
      all.set(name, property(instance, name, spec));
    }
  }
  const declared = [...all.values()];
  const deadlocks = declared.filter(({ kind }) => kind === 'deadlock');
  if (deadlocks.length > 1) {
    throw new ModelError(`'${deadlocks[1]?.name}' is a second deadlock property`, { model: instance.model.name });
  }
  if (deadlocks.length === 1) return declared;
  if (all.has(implicitDeadlock)) {
    throw new ModelError(`only the deadlock property can be named '${implicitDeadlock}'`, {
      model: instance.model.name,
    });
  }
  return [...declared, property(instance, implicitDeadlock, { kind: 'deadlock', params: {} })];
}

function property(instance: Instance, name: string, spec: PropertySpec): Property {
  const place = { model: instance.model.name, part: name };
  const requirement = spec.requirement ?? [];
  const given =
    spec.given === undefined || spec.kind === 'transition'
      ? undefined
      : (state: State, binding: Binding): boolean => holds(spec.given, state, binding, place);
  const finals: readonly Named<Test>[] = Object.entries(spec.final ?? {}).map(([final, run]) => ({ name: final, run }));
  return {
    name,
    kind: spec.kind,
    doc: spec.doc ?? '',
    requirements: typeof requirement === 'string' ? [requirement] : requirement,
    params: paramDomains(spec.params, instance.sizes, place),
    bindings: bindAll(spec.params, instance.sizes, place),
    test: (state, binding) =>
      (spec.kind === 'invariant' && given !== undefined && !given(state, binding)) ||
      holds(spec.holds, state, binding, place),
    given,
    testStep: (before, action, after, binding) =>
      spec.given === undefined || holdsOfStep(spec.given, [before, action, after, binding], place)
        ? holdsOfStep(spec.holds, [before, action, after, binding], place)
        : undefined,
    finalState: (state) =>
      finals.length === 0 && proceduresDone(instance, state)
        ? 'every procedure is done'
        : finals.find(({ run, name: part }) => holds(run, state, {}, { ...place, part }))?.name,
  };
}

/** Whether the model has procedures that end, and all of these have ended. */
function proceduresDone(instance: Instance, state: State): boolean {
  const ending = instance.procedures.filter(({ definition }) => !definition.repeat);
  return (
    ending.length > 0 &&
    ending.every(({ definition }) => {
      const own = state[definition.name];
      const instances = (definition.instance === undefined ? [own] : own) as readonly { readonly at: string }[];
      return instances.every(({ at }) => at === 'done');
    })
  );
}
