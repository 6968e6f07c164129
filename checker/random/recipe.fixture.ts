/**
 * A recipe says in plain data what a small model is made of, so that a random one can be shrunk and printed. Fields are named
 * f0, f1, ..., the fields of records r0, ..., actions a0, ..., procedures w0, ... (workers), their steps s0, ... in the order
 * in which they are written; what a function holds has names of its own.
 */
import type { Fairness } from '../../language/index.ts';

export type SortName = 'p' | 'q' | 'o';
/** The sizes of the sorts; `o` is ordered. */
export const size: Readonly<Record<SortName, number>> = { p: 2, q: 2, o: 3 };

export type Leaf =
  | { readonly kind: 'bool' }
  | { readonly kind: 'range'; readonly low: number; readonly count: number }
  | { readonly kind: 'oneOf'; readonly count: number }
  | { readonly kind: 'sort'; readonly sort: SortName };

/** A domain. */
export type Shape =
  | Leaf
  | { readonly kind: 'optional'; readonly of: Shape }
  | { readonly kind: 'record'; readonly fields: readonly Shape[] }
  | { readonly kind: 'each'; readonly over: SortName; readonly of: Shape }
  | { readonly kind: 'set'; readonly of: SortName }
  | { readonly kind: 'queue' | 'bag'; readonly capacity: number; readonly item: Shape };

/**
 * Where something stands: in the state `s`, in a procedure's own part `me`, or in what is held under a name, and from there
 * field by field; a member is told by the name that it is held under, or by its number.
 */
export interface Place {
  readonly root: string;
  readonly steps: readonly Step[];
}
export type Step = { readonly field: string } | { readonly member: string | number };

export type Value =
  /** A literal, made anew. */
  | { readonly is: 'literal'; readonly value: unknown }
  /** One frozen object, the same for ever. */
  | { readonly is: 'constant'; readonly value: unknown }
  /** A member or another scalar that is held under a name. */
  | { readonly is: 'held'; readonly name: string }
  /** What stands there: of a record, the very record. */
  | { readonly is: 'read'; readonly place: Place }
  /** A copy of what stands there, of all parts of it. */
  | { readonly is: 'copy'; readonly place: Place }
  /** A shallow copy of a record with one field replaced. */
  | { readonly is: 'spread'; readonly place: Place; readonly field: string; readonly value: Value }
  | { readonly is: 'record'; readonly parts: readonly Value[]; readonly reversed: boolean }
  | { readonly is: 'array'; readonly parts: readonly Value[] }
  /** The value after the present one, the first after the last. */
  | { readonly is: 'next'; readonly place: Place; readonly leaf: Leaf };

export type Condition =
  | { readonly is: 'equal'; readonly place: Place; readonly value: Value }
  | { readonly is: 'null'; readonly place: Place }
  | { readonly is: 'member'; readonly place: Place; readonly value: Value }
  | { readonly is: 'empty' | 'full'; readonly place: Place }
  | { readonly is: 'item'; readonly place: Place; readonly item: Value }
  /** Of the items of a queue or bag, the members of a set, or the elements of a family, each held under a name. */
  | {
      readonly is: 'quantified';
      readonly how: 'some' | 'every' | 'find' | 'count' | 'iterate';
      readonly place: Place;
      readonly as: string;
      readonly test: Condition;
    }
  | { readonly is: 'at'; readonly procedure: number; readonly parameter: string | undefined; readonly step: number }
  /** True, or by mistake neither true nor false. */
  | { readonly is: 'unclear'; readonly unless: Condition }
  | { readonly is: 'not'; readonly of: Condition }
  | { readonly is: 'and' | 'or'; readonly of: readonly Condition[] };

export type Effect =
  | { readonly does: 'assign'; readonly place: Place; readonly value: Value }
  /** First a value outside the domain. */
  | { readonly does: 'detour'; readonly place: Place; readonly wrong: unknown; readonly value: Value }
  | { readonly does: 'hold'; readonly place: Place; readonly as: string; readonly then: readonly Effect[] }
  | { readonly does: 'add' | 'delete'; readonly place: Place; readonly value: Value }
  | { readonly does: 'clear'; readonly place: Place }
  /** Where it is not careful it may fail, as it may for `take`. */
  | { readonly does: 'put'; readonly place: Place; readonly item: Value; readonly careful: boolean }
  | {
      readonly does: 'take';
      readonly place: Place;
      readonly careful: boolean;
      readonly as: string;
      /** Which item; without it the oldest, or the first of a bag. */
      readonly which: { readonly item: Value } | { readonly test: Condition } | undefined;
      readonly then: readonly Effect[];
    }
  | { readonly does: 'take all'; readonly place: Place; readonly as: string; readonly test: Condition }
  | { readonly does: 'replace'; readonly place: Place; readonly position: number; readonly by: Value }
  /** With every item, member or element, in turn. */
  | { readonly does: 'visit'; readonly place: Place; readonly as: string; readonly then: readonly Effect[] }
  | {
      readonly does: 'if';
      readonly test: Condition;
      readonly then: readonly Effect[];
      readonly else: readonly Effect[];
    }
  | { readonly does: 'try'; readonly then: readonly Effect[]; readonly caught: readonly Effect[] }
  | { readonly does: 'throw' };

export type ParameterList = Readonly<Record<string, SortName>>;

export interface Atomic {
  readonly guards: readonly Condition[];
  readonly effects: readonly Effect[];
}
export interface ActionRecipe extends Atomic {
  readonly parameters: ParameterList;
  readonly fairness?: Fairness;
}
export type NodeRecipe =
  | ({ readonly node: 'step'; readonly choose: ParameterList } & Atomic)
  | {
      readonly node: 'branch' | 'loop';
      readonly fused: boolean;
      readonly test: Condition;
      readonly body: readonly NodeRecipe[];
      readonly else: readonly NodeRecipe[];
    };
export interface ProcedureRecipe {
  readonly instance: ParameterList;
  readonly local: Shape;
  readonly repeat: boolean;
  readonly steps: readonly NodeRecipe[];
  /** Whether a variant makes one step of the first two, where that can be. */
  readonly merged: boolean;
  /** Of all its steps. */
  readonly fairness?: Fairness;
}
/** A claim about all states, or about some. */
export interface Claim {
  readonly name: string;
  readonly kind: 'invariant' | 'reachable';
  readonly parameters: ParameterList;
  readonly given: Condition | undefined;
  readonly holds: Condition;
}

/** What a model is made of. */
export interface Recipe {
  readonly fields: readonly Shape[];
  /** Initial states: all values of one leaf, or only the first values. */
  readonly free: { readonly place: Place; readonly leaf: Leaf } | undefined;
  /** Changes the initial states. */
  readonly beginning: readonly Effect[];
  readonly actions: readonly ActionRecipe[];
  readonly procedures: readonly ProcedureRecipe[];
  readonly claims: readonly Claim[];
}

/** All that a leaf can hold, its first value first; of wide ranges some values. */
export function valuesOf(leaf: Leaf): readonly unknown[] {
  switch (leaf.kind) {
    case 'bool':
      return [false, true];
    case 'range': {
      const all = Array.from({ length: Math.min(3, leaf.count) }, (_, i) => leaf.low + i);
      return leaf.count <= 3 ? all : [leaf.low, leaf.low + Math.floor(leaf.count / 2), leaf.low + leaf.count - 1];
    }
    case 'oneOf':
      return namesOf(leaf.count);
    case 'sort':
      return Array.from({ length: size[leaf.sort] }, (_, i) => i);
    default:
      return leaf satisfies never;
  }
}

export function namesOf(count: number): [string, ...string[]] {
  return ['red', 'green', 'blue'].slice(0, count) as [string, ...string[]];
}

export function isLeaf(shape: Shape): shape is Leaf {
  return ['bool', 'range', 'oneOf', 'sort'].includes(shape.kind);
}
