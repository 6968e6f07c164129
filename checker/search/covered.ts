/**
 * What the compiled search knows of coverage: from the ends of decision trees, each of which some reachable state has met, and
 * from the states themselves where counts are wanted.
 */
import type { Property, Rule } from '../../language/index.ts';
import { withoutClockOrChance } from '../../language/index.ts';
import { Predicate, Predicates } from '../compile/predicate.ts';
import type { Compiled, Program } from '../compile/program.ts';
import type { End } from '../compile/tree.ts';
import { type Coverage, CoverageCounter, type CoveredPart, type Never, neverIn, wayOf } from '../coverage.ts';
import { footprintsOf } from '../reduce/footprint.ts';

/** Packed states, some at a time, one after the other. */
type Pieces = Iterable<Int32Array>;

/** Beyond so many ends of the trees of a rule they are not looked through for what never happens. */
const mostEnds = 20_000;

/** What never happens, after a search of the whole model from its beginning on. */
export function neverAfter(program: Program): readonly Never[] {
  const { instance, layout } = program;
  const counter = new CoverageCounter(instance);
  /** Rules about which too little is known to say that something never happens. */
  const unknown = new Set<Rule>();
  for (const [rule, functions] of byRule(program)) {
    const hasHappened = functions.some((compiled) => compiled.happened || isEnabledSomewhere(compiled));
    if (hasHappened) counter.add(rule, { isEnabled: true, guards: [], decisions: [] });
    if (hasHappened && !mayDecide(rule)) continue;
    if (functions.some(({ form }) => form !== 'tree') || countEnds(functions) > mostEnds) {
      if (hasHappened) unknown.add(rule);
      continue;
    }
    for (const compiled of functions) {
      if (compiled.what.kind !== 'rule') continue;
      for (const { sample } of compiled.tree.ends()) {
        counter.add(rule, wayOf(rule, compiled.what.bound, layout.unpack(sample)));
      }
    }
  }
  return neverIn(counter.coverage()).filter(
    ({ kind, name }) => kind !== 'decision' || ![...unknown].some(({ type }) => type === name),
  );
}

/** Counts how often everything happened in some states. */
export function* coverageOf(program: Program, pieces: Pieces): Generator<void, Coverage> {
  const { instance, layout, rules } = program;
  const counter = new CoverageCounter(instance);
  const met = new Map<End, { readonly compiled: Compiled; states: number }>();
  const words = new Int32Array(layout.words);
  const count = (compiled: Compiled): void => {
    const end = compiled.form === 'tree' ? compiled.tree.end(words) : undefined;
    if (end === undefined) {
      if (compiled.what.kind !== 'rule') return;
      counter.add(compiled.what.rule, wayOf(compiled.what.rule, compiled.what.bound, layout.unpack(words)));
      return;
    }
    const known = met.get(end);
    if (known === undefined) met.set(end, { compiled, states: 1 });
    else known.states++;
  };
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += layout.words) {
      for (let i = 0; i < layout.words; i++) words[i] = piece[at + i] as number;
      for (const rule of rules) count(rule);
    }
    yield;
  }
  for (const [{ sample }, { compiled, states }] of met) {
    const { what } = compiled;
    if (what.kind === 'rule') counter.add(what.rule, wayOf(what.rule, what.bound, layout.unpack(sample)), states);
  }
  const footprints = footprintsOf(program);
  const functionsOf = byRule(program);
  return counter.coverage((rule): CoveredPart['ways'] => {
    const functions = functionsOf.get(rule) ?? [];
    if (functions.some(({ form }) => form !== 'tree')) return undefined;
    const enabled = (compiled: Compiled): number =>
      [...compiled.tree.ends()].filter(({ outcome }) => typeof outcome === 'object').length;
    const taken = functions.reduce((sum, compiled) => sum + enabled(compiled), 0);
    const possible = functions.map((compiled) => footprints(compiled)?.ways.length);
    if (possible.includes(undefined)) return { taken };
    return { taken, possible: possible.reduce((sum: number, ways) => sum + (ways ?? 0), 0) };
  });
}

/** Whether the antecedent of an invariant is true in some reachable state, for some members. */
export function isEverMet(program: Program, property: Property, pieces: (() => Pieces) | undefined): boolean {
  const { given, bindings, name } = property;
  if (given === undefined) return true;
  const { layout } = program;
  const functions = program.functions.filter(({ what }) => what.kind === 'property' && what.property === property);
  for (const { what, tree } of functions) {
    if (what.kind !== 'property') continue;
    for (const { sample } of tree.ends()) if (given(layout.unpack(sample), what.binding)) return true;
  }
  // Trees know nothing of states that an earlier search has met, nor of functions that are not run from them.
  if (pieces === undefined) return functions.some(({ form }) => form !== 'tree');
  const predicates = new Predicates(layout);
  const tests = bindings.map((binding) => new Predicate(predicates, name, (state) => given(state, binding)));
  const words = new Int32Array(layout.words);
  return withoutClockOrChance(() => {
    for (const piece of pieces()) {
      for (let at = 0; at < piece.length; at += layout.words) {
        words.set(piece.subarray(at, at + layout.words));
        if (tests.some((test) => test.at(words) === true)) return true;
      }
    }
    return false;
  });
}

function byRule({ rules }: Program): ReadonlyMap<Rule, readonly Compiled[]> {
  const functions = new Map<Rule, Compiled[]>();
  for (const compiled of rules) {
    if (compiled.what.kind !== 'rule') continue;
    const known = functions.get(compiled.what.rule);
    if (known === undefined) functions.set(compiled.what.rule, [compiled]);
    else known.push(compiled);
  }
  return functions;
}

function isEnabledSomewhere({ tree }: Compiled): boolean {
  for (const { outcome } of tree.ends()) if (typeof outcome === 'object') return true;
  return false;
}

function countEnds(functions: readonly Compiled[]): number {
  return functions.reduce((sum, { tree }) => sum + tree.paths, 0);
}

/** Whether a step ends on a branch or loop. */
function mayDecide({ control }: Rule): boolean {
  let isAsked = false;
  control?.next(() => {
    isAsked = true;
    return false;
  });
  return isAsked;
}
