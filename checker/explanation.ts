/**
 * What the compiled engine made of a model: which functions run as generated code and which do not, and why; the fields that
 * each reads and writes; and how large all of it is.
 */
import type { Leaf } from './compile/layout.ts';
import type { Compiled, Form, Program } from './compile/program.ts';
import { nameOf } from './coverage.ts';

/** Functions that are not run from their trees, all for the same reason. */
export interface Fallback {
  readonly form: Exclude<Form, 'tree'>;
  /** How many bindings of the parameters are run so. */
  readonly functions: number;
  readonly reason: string;
  /** What the author of the model can do about it. */
  readonly advice: string;
}

/** What became of an action, a step of a procedure or a property, summed over all bindings of its parameters. */
export interface ExplainedPart {
  readonly kind: 'action' | 'step' | 'property';
  /** The name of the action, of the procedure and its step, or of the property. */
  readonly name: string;
  readonly step?: string;
  /** How many functions it is: one for each binding. */
  readonly functions: number;
  /** Branches and ends of the decision trees. */
  readonly nodes: number;
  /** Ends alone: the ways through the function that states have taken. */
  readonly paths: number;
  /** How often the function itself was run, and not code from its tree. */
  readonly misses: number;
  /** The fields that it was seen to read and to write, those of all members of a sort as one. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly fallbacks: readonly Fallback[];
}

/** What became of the whole model. */
export interface Explanation {
  /** 32-bit words of a packed state, bits in use in them, and values without parts that these hold. */
  readonly words: number;
  readonly bits: number;
  readonly leaves: number;
  readonly parts: readonly ExplainedPart[];
  readonly code: CodeStatistics;
}

/** About generated code. */
export interface CodeStatistics {
  /** The size of the code in use at the end. */
  readonly bytes: number;
  /** How often code was generated. */
  readonly generated: number;
  /** How long that took. */
  readonly milliseconds: number;
  /** How long functions themselves were run. */
  readonly missMilliseconds: number;
}

/** Explains what a program has become, the parts in the order of their declaration. */
export function explanationOf({ functions, layout }: Program, code: CodeStatistics): Explanation {
  const groups = new Map<string, Compiled[]>();
  for (const compiled of functions) {
    const { kind, name, step } = about(compiled);
    const key = JSON.stringify([kind, name, step]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [compiled]);
    else group.push(compiled);
  }
  return {
    words: layout.words,
    bits: layout.leaves.reduce((sum, { bits }) => sum + bits, 0),
    leaves: layout.leaves.length,
    parts: [...groups.values()].map(partOf),
    code,
  };
}

function about({ what }: Compiled): Pick<ExplainedPart, 'kind' | 'name' | 'step'> {
  if (what.kind !== 'rule') return { kind: 'property', name: what.property.name };
  return nameOf(what.rule);
}

function partOf(functions: readonly Compiled[]): ExplainedPart {
  const total = (of: (compiled: Compiled) => number): number =>
    functions.reduce((sum, compiled) => sum + of(compiled), 0);
  return {
    ...about(functions[0] as Compiled),
    functions: functions.length,
    nodes: total(({ tree }) => tree.nodes),
    paths: total(({ tree }) => tree.paths),
    misses: total(({ misses }) => misses),
    reads: fieldsOf(functions.map(({ tree }) => tree.reads)),
    writes: fieldsOf(functions.map(({ tree }) => tree.writes)),
    fallbacks: fallbacksOf(functions),
  };
}

function fallbacksOf(functions: readonly Compiled[]): readonly Fallback[] {
  const found = new Map<string, Fallback>();
  for (const { form, reason = 'it has no tree', what } of functions) {
    if (form === 'tree') continue;
    // The same reason may name a leaf of each member.
    const general = withoutMembers(withoutModel(reason));
    const key = `${form} ${general}`;
    const count = (found.get(key)?.functions ?? 0) + 1;
    found.set(key, { form, functions: count, reason: general, advice: adviceFor(form, reason, what.kind === 'rule') });
  }
  return [...found.values()].toSorted((a, b) => b.functions - a.functions);
}

/** A reason that was thrown through a function of the model names the model too, which is known, and that it threw. */
function withoutModel(reason: string): string {
  return reason.replace(/^model '.*?', (?:variant '.*?', )?/, '').replace(': threw: ', ': ');
}

const advices: readonly (readonly [reason: RegExp, advice: string])[] = [
  [/a guard or property writes/, 'do not change the state, nor a part of it, in a guard or property'],
  [/field is (added|deleted)|is frozen|prototype/, 'do nothing with the state but read and write its declared fields'],
  [/inside of a collection/, 'change a set, queue or bag by its own methods'],
  [/is assigned/, 'assign a value of the domain: all fields of a record, or a part of the state with the same domain'],
  [/domain/, 'do not let a field or item have a value outside its domain, not even for a moment'],
  [
    /different questions|something else/,
    'read the state through what the function is given alone, in an order that depends on nothing else',
  ],
];

function adviceFor(form: Form, reason: string, isRule: boolean): string {
  if (form === 'packed') {
    return isRule
      ? 'split this guard or effect into parts that each read fewer fields, or the step into several; or let a parameter choose what is looked at'
      : 'quantify the property over members (forall, exists) so that each test reads fewer fields, or split it into several';
  }
  const known = advices.find(([pattern]) => pattern.test(reason));
  return (
    known?.[1] ??
    'use only what the language offers on the parts of a state: their fields, array methods, and those of collections'
  );
}

/** Fields in the order of the layout, each once for all members and items. */
function fieldsOf(sets: readonly ReadonlySet<Leaf>[]): readonly string[] {
  const leaves = [...new Set(sets.flatMap((set) => [...set]))].toSorted((a, b) => a.id - b.id);
  return [...new Set(leaves.map(({ path }) => withoutMembers(path)))];
}

/** `page[page1].users[2].by` is `page[page].users[].by`, and what a set has of one member is the set. */
function withoutMembers(path: string): string {
  return path
    .replaceAll(/ \(has [^)]*\)| \(present\)/g, '')
    .replaceAll(/\[\d+\]/g, '[]')
    .replaceAll(/\[([^\][]*?)\d+\]/g, '[$1]');
}
