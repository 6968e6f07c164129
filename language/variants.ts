/**
 * Variants: named edits of a correct model, by the names of its guards and steps, each with the properties that it must
 * break. An edit that names what does not exist, or that changes nothing, is an error.
 */
import type {
  ActionSpec,
  BindingsAt,
  Bindings,
  Effect,
  LocalsAt,
  Params,
  PathsOfBehaviour,
  StateTest,
  StepNode,
  StepSpec,
} from './behaviour.ts';
import type { Sizes } from './concrete.ts';
import { type ActionDefinition, define, stepDefinition } from './definition.ts';
import { applyEdit, type Edit, type Path, type Spot } from './edits.ts';
import { ModelError } from './errors.ts';
import type { InstanceOptions } from './instance.ts';
import type { ActionOf, Model, SizeContext } from './model.ts';
import type { PropertySet } from './properties.ts';

/** Brand by a registered symbol, so that two copies of this package understand each other's variants. */
const variantsBrand: unique symbol = Symbol.for('svacheck.variants') as never;

type Parts<M> = M extends Model<infer S, infer A> ? { s: S; a: A; path: PathsOfBehaviour<A> & Path } : never;
type NameAt<M, Q extends Path> = Q[0] & keyof Parts<M>['a'];
/** The parameters at a path: those of the action, or of the procedure and of what the step chooses. */
type ParametersAt<M, Q extends Path> =
  Extract<ActionOf<M>, { readonly type: Q[0]; readonly step: Q[1] }> extends infer Step
    ? [Step] extends [never]
      ? BindingsAt<Parts<M>['a'], NameAt<M, Q>>
      : Omit<Step, 'type' | 'step'>
    : never;
type Run<M, Q extends Path, R> = (
  s: Parts<M>['s'],
  p: ParametersAt<M, Q>,
  me: LocalsAt<Parts<M>['a'], NameAt<M, Q>>,
) => R;

/** What variants of a model are written with. A path is an action or procedure, then a step, then a guard or effect. */
export interface EditBuilder<M> {
  /** Takes away a guard, an effect, a step (a branch or loop with all in it), or a whole action. */
  drop(path: Parts<M>['path']): Edit;
  /** Puts another function in place of a guard, an effect, or the test of a branch or loop. */
  replace<const Q extends Parts<M>['path']>(path: Q, by: Run<M, Q, boolean> | Run<M, Q, void>): Edit;
  /** Moves a step to before or after another step of its procedure, or an effect within its action or step. */
  move(path: Parts<M>['path'], to: Spot): Edit;
  /** Makes consecutive steps one atomic step; guards of the later ones are tested after the effects of the earlier. */
  merge(path: Parts<M>['path'], steps: readonly [string, string, ...string[]], as: string): Edit;
  /** Makes two steps of one: the effects after the named one happen in a new step that follows. */
  split(path: Parts<M>['path'], parts: { readonly after: string; readonly as: string }): Edit;
  /** Adds a guard to an action or step. */
  addGuard<const Q extends Parts<M>['path']>(path: Q, name: string, by: Run<M, Q, boolean>): Edit;
  /** Adds an effect to an action or step, at its end or at the spot named. */
  addEffect<const Q extends Parts<M>['path']>(path: Q, name: string, by: Run<M, Q, void>, to?: Spot): Edit;
  /** Adds a step to a procedure. */
  addStep<
    const Q extends Parts<M>['path'],
    C extends Params = Record<never, never>,
    W extends string = never,
    T extends string = never,
  >(
    path: Q,
    name: string,
    spec: StepSpec<
      Parts<M>['s'],
      BindingsAt<Parts<M>['a'], NameAt<M, Q>>,
      LocalsAt<Parts<M>['a'], NameAt<M, Q>>,
      C,
      W,
      T
    >,
    to: Spot,
  ): Edit;
  /** Adds an action. */
  addAction<const P extends Params, W extends string = never, T extends string = never>(
    name: string,
    params: P,
    spec: ActionSpec<Parts<M>['s'], Bindings<P>, W, T>,
  ): Edit;
}

/** A variant as written. */
export interface VariantSpec<M, Names extends string> {
  /** What is wrong, in a sentence. */
  readonly doc: string;
  /** Where the bug is known from: a commit, a CVE, an entry of a catalogue. */
  readonly reference: string;
  /** Exactly the properties that it violates, each with the number of steps of its shortest trace. */
  readonly violates: { readonly [Name in Names]?: number };
  /** The named size at which that was recorded, where the bug needs one; default `smoke`. */
  readonly size?: string;
  /** Other values for some of its sizes. */
  readonly set?: Sizes;
  /** May be left out where `size` or `set` make the configuration that is broken. */
  readonly edits?: (
    builder: EditBuilder<M> & SizeContext<M extends Model<infer _S, infer _A, infer Z> ? Z : never>,
  ) => readonly Edit[];
}

/** A variant of a model. */
export interface Variant {
  readonly name: string;
  readonly doc: string;
  readonly reference: string;
  readonly violates: Readonly<Record<string, number>>;
  readonly size: string;
  /** Whether it names that size itself, since it needs it. */
  readonly needsSize: boolean;
  readonly set: Sizes;
  /** The edit, as `instantiate` takes it. */
  readonly edit: NonNullable<InstanceOptions['variant']>;
}

/** The variants of a model. */
export interface VariantSet {
  readonly [variantsBrand]: true;
  readonly properties: PropertySet;
  readonly variants: readonly Variant[];
}

/** Whether a value is a set of variants (made by any copy of this package). */
export function isVariantSet(value: unknown): value is VariantSet {
  return typeof value === 'object' && value !== null && variantsBrand in value;
}

/** Declares variants of a model, by the properties that they must break. */
export function variants<M extends Model, Names extends string>(
  set: PropertySet<M, Names>,
  specs: Readonly<Record<string, VariantSpec<M, Names>>>,
): VariantSet {
  return Object.freeze({
    [variantsBrand]: true as const,
    properties: set,
    variants: Object.entries(specs).map(([name, spec]) => variant(set.model, name, spec)),
  });
}

function variant<M extends Model, Names extends string>(model: M, name: string, spec: VariantSpec<M, Names>): Variant {
  const violates: Record<string, number> = {};
  for (const [property, length] of Object.entries<number | undefined>(spec.violates)) {
    if (length === undefined || !Number.isSafeInteger(length) || length < 0) {
      throw new ModelError(`the recorded length ${length} of '${property}' is not a number of steps`, {
        model: model.name,
        variant: name,
      });
    }
    violates[property] = length;
  }
  if (Object.keys(violates).length === 0) {
    throw new ModelError('names no property that it violates', { model: model.name, variant: name });
  }
  const { edits: editsOf } = spec;
  if (editsOf === undefined && spec.size === undefined && spec.set === undefined) {
    throw new ModelError('has neither edits nor a size of its own', { model: model.name, variant: name });
  }
  return {
    name,
    doc: spec.doc,
    reference: spec.reference,
    violates,
    size: spec.size ?? 'smoke',
    needsSize: spec.size !== undefined,
    set: spec.set ?? {},
    edit: {
      name,
      edit: (definition, context) => {
        if (editsOf === undefined) return definition;
        const edits = editsOf({ ...editBuilder, ...context } as unknown as Parameters<typeof editsOf>[0]);
        if (edits.length === 0) throw new ModelError('has no edits');
        return edits.reduce(applyEdit, definition);
      },
    },
  };
}

const editBuilder: EditBuilder<never> = {
  drop: (path: Path) => ({ edit: 'drop', path }),
  replace: (path: Path, by: unknown) => ({ edit: 'replace', path, by: by as StateTest }),
  move: (path: Path, to) => ({ edit: 'move', path, to }),
  merge: (path: Path, steps, as) => ({ edit: 'merge', path, steps, as }),
  split: (path: Path, { after, as }) => ({ edit: 'split', path, after, as }),
  addGuard: (path: Path, name, by: unknown) => ({ edit: 'add guard', path, name, by: by as StateTest }),
  addEffect: (path: Path, name, by: unknown, to) => ({ edit: 'add effect', path, name, by: by as Effect, to }),
  addStep: (path: Path, name, spec: unknown, to) => ({
    edit: 'add step',
    path,
    step: stepDefinition(name, spec as StepNode['spec']),
    to,
  }),
  addAction: (name, params, spec: unknown) => {
    const [action] = define({ [name]: { kind: 'action', params, spec: spec as never } });
    return { edit: 'add action', path: [name], action: action as ActionDefinition };
  },
};
