/**
 * A recipe says in plain data what a small model is made of, so that a random one can be shrunk and printed. Fields are named
 * f0, f1, ..., actions a0, ..., procedures w0, ... (workers), their steps s0, ... in the order in which they are written.
 */
export type SortName = 'p' | 'q';
/** The sizes of the sorts. */
export const size: Readonly<Record<SortName, number>> = { p: 2, q: 2 };

/** What a cell can hold that is written as a literal. */
export type Leaf =
  | { readonly kind: 'bool' }
  | { readonly kind: 'range'; readonly low: number; readonly count: number }
  | { readonly kind: 'oneOf'; readonly count: number }
  | { readonly kind: 'sort'; readonly sort: SortName }
  | { readonly kind: 'optional'; readonly sort: SortName };
export type Collection =
  | { readonly kind: 'set'; readonly of: SortName }
  | { readonly kind: 'queue' | 'bag'; readonly capacity: number; readonly item: readonly Leaf[] };

/** A field of the state: one cell, or one for each (pair of) members. */
export interface Field {
  readonly over: readonly SortName[];
  readonly content: Leaf | Collection;
}

/** A cell of the state as an action names it: a field and the parameters that index it; without a field, the local. */
export interface Cell {
  readonly field: number | undefined;
  readonly at: readonly string[];
}

export type Condition =
  | { readonly is: 'value'; readonly cell: Cell; readonly value: unknown }
  | { readonly is: 'equal'; readonly cell: Cell; readonly other: Cell }
  | { readonly is: 'parameter'; readonly cell: Cell; readonly parameter: string }
  | { readonly is: 'same parameters'; readonly a: string; readonly b: string }
  | { readonly is: 'member'; readonly cell: Cell; readonly parameter: string }
  | { readonly is: 'empty' | 'full'; readonly cell: Cell }
  | { readonly is: 'item'; readonly cell: Cell; readonly item: Item }
  | { readonly is: 'at'; readonly procedure: number; readonly parameter: string | undefined; readonly step: number }
  | { readonly is: 'not'; readonly of: Condition }
  | { readonly is: 'and' | 'or'; readonly of: readonly Condition[] };

export type Effect =
  | { readonly does: 'set'; readonly cell: Cell; readonly value: unknown }
  | { readonly does: 'copy'; readonly cell: Cell; readonly from: Cell }
  | { readonly does: 'next'; readonly cell: Cell; readonly leaf: Leaf }
  | { readonly does: 'take parameter'; readonly cell: Cell; readonly parameter: string }
  | { readonly does: 'add' | 'delete'; readonly cell: Cell; readonly parameter: string }
  | { readonly does: 'clear'; readonly cell: Cell }
  | { readonly does: 'put' | 'take'; readonly cell: Cell; readonly item: Item }
  | {
      readonly does: 'if';
      readonly test: Condition;
      readonly then: readonly Effect[];
      readonly else: readonly Effect[];
    };

export type Item = Readonly<Record<string, unknown>>;
export type ParameterList = Readonly<Record<string, SortName>>;

export interface Atomic {
  readonly guards: readonly Condition[];
  readonly effects: readonly Effect[];
}
export interface ActionRecipe extends Atomic {
  readonly parameters: ParameterList;
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
  readonly local: Leaf;
  readonly repeat: boolean;
  readonly steps: readonly NodeRecipe[];
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
  readonly fields: readonly Field[];
  /** Initial states: all values of one field, or only the first values. */
  readonly free: number | undefined;
  readonly actions: readonly ActionRecipe[];
  readonly procedures: readonly ProcedureRecipe[];
  readonly claims: readonly Claim[];
}

/** All that a cell can hold, its first value first. */
export function valuesOf(leaf: Leaf): readonly unknown[] {
  const members = (of: SortName): number[] => Array.from({ length: size[of] }, (_, i) => i);
  switch (leaf.kind) {
    case 'bool':
      return [false, true];
    case 'range':
      return Array.from({ length: leaf.count }, (_, i) => leaf.low + i);
    case 'oneOf':
      return namesOf(leaf.count);
    case 'sort':
      return members(leaf.sort);
    case 'optional':
      return [null, ...members(leaf.sort)];
    default:
      return leaf satisfies never;
  }
}

export function namesOf(count: number): [string, ...string[]] {
  return ['red', 'green', 'blue'].slice(0, count) as [string, ...string[]];
}

export function isLeaf(content: Leaf | Collection): content is Leaf {
  return content.kind !== 'set' && content.kind !== 'queue' && content.kind !== 'bag';
}
