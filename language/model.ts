/**
 * A model: one declarative object with a state made of finite domains, and its actions and procedures.
 */
import {
  type ActionsOfBehaviour,
  type Behaviour,
  behaviourBuilder,
  type BehaviourBuilder,
  type Bindings,
  type Params,
  type StateOfBehaviour,
} from './behaviour.ts';
import type { Frozen, Member, Shape, Sort, Value } from './domain.ts';
import { ModelError } from './errors.ts';

/** Brand by a registered symbol, so that two copies of this package understand each other's models. */
const modelBrand: unique symbol = Symbol.for('svacheck.model') as never;
declare const types: unique symbol;

/** What the functions that build a model, its properties and its variants can ask about the chosen size. */
export interface SizeContext<Z> {
  /** The sizes of the sorts and the constants, by name. */
  readonly size: Readonly<Z>;
  /** All members of a sort, in order. */
  members<Name extends string>(sort: Sort<Name>): readonly Member<Name>[];
  /** The first member of an ordered sort. */
  first<Name extends string>(sort: Sort<Name, true>): Member<Name>;
  /** The next member of an ordered sort; the first after the last. */
  next<Name extends string>(sort: Sort<Name, true>, member: Member<NoInfer<Name>>): Member<Name>;
  /** The number of a member of an ordered sort, from 0. */
  index<Name extends string>(sort: Sort<Name, true>, member: Member<NoInfer<Name>>): number;
}

/** Where a model starts: what to change in the state of first values, for each choice that the guards admit. */
export type Initial<S, C extends Params, Z = never> =
  | ((s: S, context: SizeContext<Z>) => void)
  | {
      readonly choose: C;
      readonly when?: (s: Frozen<S>, p: Bindings<C>, context: SizeContext<Z>) => boolean;
      readonly then: (s: S, p: Bindings<C>, context: SizeContext<Z>) => void;
    };

type NamedSizes<Z> = {
  readonly ci: Z;
  readonly smoke: NoInfer<Z>;
  readonly deep: NoInfer<Z>;
  readonly [size: string]: NoInfer<Z>;
};

/** A model for any size. */
export interface Model<S = unknown, A = unknown, Z = unknown> {
  readonly [modelBrand]: true;
  readonly name: string;
  readonly doc: string;
  readonly sizes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Builds the parts for one size. */
  readonly build: (context: SizeContext<never>) => {
    readonly state: Shape;
    readonly initial: Initial<never, Params> | undefined;
    readonly behaviour: Behaviour;
  };
  readonly [types]?: { state: S; behaviour: A; sizes: Z };
}

/** The state of a model, with the places and locals of its procedures, as properties read it. */
export type StateOf<M> = M extends Model<infer S, infer A> ? Frozen<S & StateOfBehaviour<A>> : never;

/** The union of all actions of a model: `{ type, step?, ...parameters }`. */
export type ActionOf<M> = M extends Model<infer _S, infer A> ? ActionsOfBehaviour<A> : never;

/**
 * Declares a model. `state` and `actions` are built anew for each size; their functions must depend on nothing but
 * their arguments and the size.
 */
export function model<
  const D extends Shape,
  const A extends Behaviour,
  Z extends Readonly<Record<string, number>> = Record<never, never>,
  C extends Params = Record<never, never>,
>(spec: {
  readonly name: string;
  /** One sentence that says what the model is. */
  readonly doc?: string;
  /** The size of each sort, and the constants, in the named sizes. */
  readonly sizes?: NamedSizes<Z>;
  /** The shape of the state; a function of the size where it depends on one. */
  readonly state: D | ((context: SizeContext<Z>) => D);
  /** Default: every field has the first value of its domain. */
  readonly initial?: Initial<Value<D>, C, Z>;
  readonly actions: (builder: BehaviourBuilder<Value<D>> & SizeContext<Z>) => A;
}): Model<Value<D>, A, Z> {
  if (spec.name === '') throw new ModelError('a model needs a name');
  return Object.freeze({
    [modelBrand]: true as const,
    name: spec.name,
    doc: spec.doc ?? '',
    sizes: spec.sizes ?? { smoke: {}, ci: {}, deep: {} },
    build: (context: SizeContext<never>) => {
      const sized = context as unknown as SizeContext<Z>;
      return {
        state: typeof spec.state === 'function' ? spec.state(sized) : spec.state,
        initial: spec.initial as Initial<never, Params> | undefined,
        behaviour: spec.actions({ ...behaviourBuilder, ...sized }),
      };
    },
  });
}

/** Whether a value is a model (made by any copy of this package). */
export function isModel(value: unknown): value is Model {
  return typeof value === 'object' && value !== null && modelBrand in value;
}
