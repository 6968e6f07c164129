/**
 * How behaviour is written down: actions (what hardware and environment may do at any time) and procedures (what a
 * thread of software does, step after step), both made of named guards and named effects.
 */
import type { Domain, Each, Frozen, Shape, Sort, Value } from './domain.ts';

/** The parameters of an action: each ranges over all values of its domain. */
export type Params = Readonly<Record<string, Domain | Shape>>;

/** One value for each parameter. */
export type Bindings<P> = { readonly [Name in keyof P]: Value<P[Name]> };

/** What the scheduler is assumed to grant: nothing, weak fairness, or strong fairness. */
export type Fairness = 'none' | 'weak' | 'strong';

/** What an action, a procedure or a step says about itself to people. */
export interface About {
  readonly doc?: string;
  /** Where the rule comes from: a requirement id, a commit, a section of a specification. */
  readonly source?: string | readonly string[];
  /** Default `'none'`. */
  readonly fairness?: Fairness;
}

declare const types: unique symbol;

/** An action: enabled when all its guards hold; then its effects happen in order, as one atomic step. */
export interface ActionSpec<S, P, W extends string, T extends string> extends About {
  /** Who does it: `smmu`, `endpoint`, `cpu`. Traces are laid out by actor. */
  readonly actor: string;
  /** The guards: named conjuncts, tested in order; the first that is false ends the test. */
  readonly when?: { readonly [Name in W]: (s: Frozen<S>, p: P) => boolean };
  /** The effects: named, done in order. */
  readonly then: { readonly [Name in T]: (s: S, p: P) => void };
}

/** An action of a model; made by `action`. */
export interface Action<P = object, Names extends string = string> {
  readonly kind: 'action';
  readonly params: Params;
  readonly spec: ActionSpec<never, never, string, string>;
  readonly [types]?: { bindings: P; names: Names };
}

/** A step: waits until all its guards hold; then its effects happen in order, as one atomic step. */
export interface StepSpec<S, P, L, C extends Params, W extends string, T extends string> extends About {
  /** Parameters of this step alone: any values that the guards admit may be taken. */
  readonly choose?: C;
  readonly when?: { readonly [Name in W]: (s: Frozen<S>, p: P & Bindings<C>, me: Frozen<L>) => boolean };
  readonly then?: { readonly [Name in T]: (s: S, p: P & Bindings<C>, me: L) => void };
  /** Who does this step, where it is not the procedure's actor. */
  readonly actor?: string;
}

/** What a step, branch or loop contributes to the types: its actions, and the paths that an edit can name. */
interface NodeTypes {
  readonly action: unknown;
  readonly path: readonly string[];
}

/** A step of a procedure, or a branch or loop around steps. */
export interface Node<T extends NodeTypes = NodeTypes> {
  readonly kind: 'step' | 'branch' | 'loop';
  readonly name: string;
  readonly [types]?: T;
}

type TypesOfNode<N> = N extends Node<infer T> ? T : never;
type ActionOfNodes<B extends readonly unknown[]> = TypesOfNode<B[number]>['action'];
type PathOfNodes<B extends readonly unknown[]> = TypesOfNode<B[number]>['path'];
type StepName<A> = A extends { readonly step: infer N extends string } ? N : never;

/** A step as data. */
export interface StepNode extends About {
  readonly kind: 'step';
  readonly name: string;
  readonly spec: StepSpec<never, object, never, Params, string, string>;
}

/** A branch as data. */
export interface BranchNode {
  readonly kind: 'branch';
  readonly name: string;
  readonly test: StateTest;
  readonly fused: boolean;
  readonly then: readonly Node[];
  readonly else: readonly Node[];
}

/** A loop as data. */
export interface LoopNode {
  readonly kind: 'loop';
  readonly name: string;
  readonly test: StateTest;
  readonly fused: boolean;
  readonly body: readonly Node[];
}

/** A guard, a property or the test of a branch or loop, its types erased. */
export type StateTest = (s: never, p: never, me: never) => boolean;
/** An effect, its types erased. */
export type Effect = (s: never, p: never, me: never) => void;

/** What a branch or loop adds to the types: it is itself a step, unless it is fused. */
type DecisionTypes<N extends string, F extends boolean, Inner extends readonly unknown[]> = {
  readonly action: (F extends true ? never : { readonly step: N }) | ActionOfNodes<Inner>;
  readonly path: readonly [N] | PathOfNodes<Inner>;
};

/** What the steps of a procedure are written with; `S` is the state, `P` the instance, `L` the locals. */
export interface StepBuilder<S, P, L> {
  /** One atomic step. Without effects it is a wait. */
  step<
    const N extends string,
    C extends Params = Record<never, never>,
    W extends string = never,
    T extends string = never,
  >(
    name: N,
    spec: StepSpec<S, P, L, C, W, T>,
  ): Node<{
    readonly action: { readonly step: N } & Bindings<C>;
    readonly path: readonly [N] | readonly [N, NoInfer<W | T>];
  }>;

  /**
   * Goes one way or the other. The decision is an atomic step of its own, or, with `fused`, the end of the step before it.
   */
  branch<
    const N extends string,
    const A extends readonly Node[],
    const B extends readonly Node[] = readonly [],
    const F extends boolean = false,
  >(
    name: N,
    spec: {
      readonly if: (s: Frozen<S>, p: P, me: Frozen<L>) => boolean;
      readonly then: A;
      readonly else?: B;
      readonly fused?: F;
    },
  ): Node<DecisionTypes<N, F, A | B>>;

  /** Repeats its steps while the test holds. Each test is an atomic step of its own, or fused with the step before it. */
  loop<const N extends string, const A extends readonly Node[], const F extends boolean = false>(
    name: N,
    spec: {
      readonly while: (s: Frozen<S>, p: P, me: Frozen<L>) => boolean;
      readonly do: A;
      readonly fused?: F;
    },
  ): Node<DecisionTypes<N, F, A>>;

  /** Steps shared by several procedures, or used twice in one: each name gets `prefix: ` in front. */
  call<const Prefix extends string, const A extends readonly Node[]>(
    prefix: Prefix,
    steps: A,
  ): { readonly [I in keyof A]: Prefixed<Prefix, A[I]> };
}

type PrefixedPath<Prefix extends string, Path> = Path extends readonly [infer N extends string, ...infer Rest]
  ? readonly [`${Prefix}: ${N}`, ...Rest]
  : never;
type PrefixedAction<Prefix extends string, A> = A extends { readonly step: infer N extends string }
  ? Omit<A, 'step'> & { readonly step: `${Prefix}: ${N}` }
  : never;
type Prefixed<Prefix extends string, N> =
  N extends Node<infer T>
    ? Node<{
        readonly action: PrefixedAction<Prefix, T['action']>;
        readonly path: Extract<PrefixedPath<Prefix, T['path']>, readonly string[]>;
      }>
    : never;

/** A procedure of a model; made by `procedure`. */
export interface Procedure<P = object, L = object, B extends readonly unknown[] = readonly Node[]> {
  readonly kind: 'procedure';
  readonly params: Readonly<Record<string, Sort>>;
  readonly actor: string;
  readonly about: About;
  readonly locals: Shape;
  readonly repeat: boolean;
  readonly steps: readonly Node[];
  readonly [types]?: { bindings: P; locals: L; steps: B };
}

/** The actions and procedures of a model by their names. */
export type Behaviour = Readonly<Record<string, Action | Procedure>>;

/** What the behaviour of a model with state `S` is written with. */
export interface BehaviourBuilder<S> {
  /** What hardware or environment may do whenever its guards hold, for each binding of its parameters. */
  action<const P extends Params, W extends string = never, T extends string = never>(
    params: P,
    spec: ActionSpec<S, Bindings<P>, W, T>,
  ): Action<Bindings<P>, NoInfer<W | T>>;

  /**
   * What a thread of software does, step after step; one instance for each member of the sort in `params`, or a single
   * one for `{}`. It stops after the last step, or with `repeat` starts again. Its place (`at`, a step's name or
   * `'done'`) and its locals are part of the state under the procedure's name, where properties can read them.
   */
  procedure<
    const P extends Readonly<Record<string, Sort>>,
    const B extends readonly Node[],
    const L extends Shape = Record<never, never>,
  >(
    params: P,
    spec: About & {
      readonly actor: string;
      readonly locals?: L;
      readonly repeat?: boolean;
      readonly steps: (builder: StepBuilder<S, Bindings<P>, Value<L>>) => B;
    },
  ): Procedure<P, Value<L>, B>;
}

/** Steps are plain data; their types only guide whoever writes them. */
const stepBuilder = {
  step: (name: string, spec: StepNode['spec']): StepNode => ({ kind: 'step', name, spec }),
  branch: (
    name: string,
    spec: { if: StateTest; then: readonly Node[]; else?: readonly Node[]; fused?: boolean },
  ): BranchNode => ({
    kind: 'branch',
    name,
    test: spec.if,
    fused: spec.fused ?? false,
    then: spec.then,
    else: spec.else ?? [],
  }),
  loop: (name: string, spec: { while: StateTest; do: readonly Node[]; fused?: boolean }): LoopNode => ({
    kind: 'loop',
    name,
    test: spec.while,
    fused: spec.fused ?? false,
    body: spec.do,
  }),
  call: (prefix: string, steps: readonly Node[]): readonly Node[] => steps.map((node) => prefixed(prefix, node)),
};

function prefixed(prefix: string, node: Node): Node {
  const name = `${prefix}: ${node.name}`;
  const inner = (nodes: readonly Node[]): readonly Node[] => nodes.map((child) => prefixed(prefix, child));
  switch (node.kind) {
    case 'step':
      return { ...(node as StepNode), name };
    case 'branch': {
      const branch = node as BranchNode;
      return { ...branch, name, then: inner(branch.then), else: inner(branch.else) } as BranchNode;
    }
    case 'loop': {
      const loop = node as LoopNode;
      return { ...loop, name, body: inner(loop.body) } as LoopNode;
    }
    default:
      return node.kind satisfies never;
  }
}

/** The builder that `model` hands to a model's `actions`. */
export const behaviourBuilder = {
  action: (params: Params, spec: Action['spec']): Action => ({ kind: 'action', params, spec }),
  procedure: (
    params: Readonly<Record<string, Sort>>,
    spec: About & {
      actor: string;
      locals?: Shape;
      repeat?: boolean;
      steps: (builder: typeof stepBuilder) => readonly Node[];
    },
  ): Procedure => ({
    kind: 'procedure',
    params,
    actor: spec.actor,
    about: spec,
    locals: spec.locals ?? {},
    repeat: spec.repeat ?? false,
    steps: spec.steps(stepBuilder),
  }),
} as unknown as BehaviourBuilder<never>;

/** The part of the state that holds a procedure's place and locals. */
type ProcedureState<P, L, B extends readonly unknown[]> = keyof P extends never
  ? { at: StepName<ActionOfNodes<B>> | 'done' } & L
  : P[keyof P] extends Sort<infer Name>
    ? Each<Name, { at: StepName<ActionOfNodes<B>> | 'done' } & L>
    : never;

/** The state that the procedures of a behaviour add. */
export type StateOfBehaviour<A> = {
  [Name in keyof A as A[Name] extends Procedure ? Name : never]: A[Name] extends Procedure<infer P, infer L, infer B>
    ? ProcedureState<P, L, B>
    : never;
};

/** The union of all actions and procedure steps of a behaviour, with their parameters. */
export type ActionsOfBehaviour<A> = {
  [Name in keyof A]: A[Name] extends Procedure<infer P, infer _L, infer B>
    ? ActionOfNodes<B> extends infer N
      ? N extends unknown
        ? Flat<{ readonly type: Name } & Bindings<P> & N>
        : never
      : never
    : A[Name] extends Action<infer P, infer _N>
      ? Flat<{ readonly type: Name } & P>
      : never;
}[keyof A];

type Flat<T> = { readonly [Key in keyof T]: T[Key] };

/** The paths that an edit can name: an action, a procedure, their steps, guards and effects. */
export type PathsOfBehaviour<A> = {
  [Name in keyof A & string]: A[Name] extends Procedure<infer _P, infer _L, infer B>
    ? readonly [Name] | readonly [Name, ...PathOfNodes<B>]
    : A[Name] extends Action<infer _P, infer N>
      ? readonly [Name] | readonly [Name, N]
      : never;
}[keyof A & string];

/** The parameters that the functions at a path are given. */
export type BindingsAt<A, Name extends keyof A> =
  A[Name] extends Procedure<infer P> ? Bindings<P> : A[Name] extends Action<infer P> ? P : never;

/** The locals that the functions at a path are given. */
export type LocalsAt<A, Name extends keyof A> = A[Name] extends Procedure<infer _P, infer L> ? L : undefined;
