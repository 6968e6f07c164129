/**
 * The functions of an instance and its properties as decision trees that grow while a search meets new paths. Each path is
 * recorded once, and compared there with what the function does on the immutable form of the state.
 */
import { checkTwice, fire, perform } from '../../language/meaning.ts';
import type { Bound, Instance, Property, Rule, State } from '../../language/index.ts';
import { isOverTime, ModelError } from '../../language/index.ts';
import { leafAt, type Layout, layoutOf, type Leaf } from './layout.ts';
import { type Answer, answerIn, Machine, type Question, Unsupported, written } from './machine.ts';
import { type Outcome, Tree } from './tree.ts';
import { twice, unsteady } from './twice.ts';
import { type Views, viewsOn } from './views.ts';

/**
 * How a function is run: from its tree; on packed words without a tree, since that grew beyond its budget; or on immutable
 * states, since it does something that the packed form cannot.
 */
export type Form = 'tree' | 'packed' | 'immutable';

type What =
  | { readonly kind: 'rule'; readonly rule: Rule; readonly bound: Bound }
  | { readonly kind: 'property'; readonly property: Property; readonly binding: Readonly<Record<string, unknown>> }
  | { readonly kind: 'final'; readonly property: Property };

/** A rule or property with its parameters bound. */
export interface Compiled {
  readonly index: number;
  readonly what: What;
  readonly tree: Tree;
  form: Form;
  /** Why it is not run from its tree. */
  reason: string | undefined;
  /** How often it was run here because its path was unknown or it has no tree. */
  misses: number;
  /** Of a rule that is not run from a tree: whether it was ever enabled. */
  happened: boolean;
}

/** Beyond so many nodes a tree is given up. */
const mostNodes = 50_000;
/** The same for nodes times words of a state: one function of WebAssembly may have about 7 MB of code. */
const mostStoredWords = 300_000;
/** A function of WebAssembly may have 1000 parameters; the words of a state are some of them. */
const mostWords = 990;
/** Beyond so many questions on one way a tree is given up, since it is emitted by recursion. */
const mostQuestions = 1000;

/** What a search leaves out of a model, and how it knows that it may. */
export interface Narrowing {
  /** The rules that are run; all others are left out. */
  readonly rules?: ReadonlySet<Compiled>;
  /** The leaves that are kept; all others stay as they are. */
  readonly leaves?: ReadonlySet<Leaf>;
  /** Sets of rules of which one alone is explored where it can be. */
  readonly amples?: readonly Ample[];
  /** Goes along when functions are run for the first time on a way. */
  readonly witness?: Witness;
}

/** In states where `place` has the number `at`, `rules` may be explored alone, if one of them is enabled. */
export interface Ample {
  readonly place: Leaf;
  readonly at: number;
  readonly rules: readonly Compiled[];
}

/** Checks functions as they are run; it throws where it finds what must not be. */
export interface Witness {
  /** Checks a function for all states of a way, given one of them; returns the way, lengthened by what must be asked too. */
  readonly widen: (
    compiled: Compiled,
    words: Int32Array,
    path: readonly Answer[],
    outcome: Outcome,
  ) => readonly Answer[];
  /** Checks a function for one state. */
  readonly checkState: (compiled: Compiled, words: Int32Array, outcome: Outcome) => void;
}

/** Thrown where a function turns out to read or write otherwise than what was left out of the model is based on. */
export class Unforeseen extends Error {}

/** In a note about a state: all rules have to be run on it, not one. */
export const allRules = -1;

/** All functions that a search runs. */
export class Program {
  readonly instance: Instance;
  readonly layout: Layout;
  readonly functions: readonly Compiled[];
  readonly rules: readonly Compiled[];
  readonly properties: readonly Property[];
  /** Grows with every new path: what was generated from the trees before is no longer complete. */
  version = 0;
  /** Grows when a property reads a leaf for the first time, which generated code must know before the next step. */
  footprintVersion = 0;
  narrowing: Narrowing = {};
  private readonly nodeBudget: number;
  private readonly machine: Machine;
  private readonly views: Views;

  constructor(
    instance: Instance,
    properties: readonly Property[],
    layout = layoutOf(instance),
    nodeBudget = Math.min(mostNodes, Math.floor(mostStoredWords / layout.words)),
  ) {
    if (layout.words > mostWords) {
      const problem = `a state takes ${layout.words} words of 32 bits; more than ${mostWords} need the engine 'plain'`;
      throw new ModelError(problem, { model: instance.model.name });
    }
    this.instance = instance;
    this.properties = properties;
    this.layout = layout;
    this.nodeBudget = nodeBudget;
    this.machine = new Machine(this.layout);
    this.views = viewsOn(this.machine);
    const rules: readonly What[] = instance.rules.flatMap((rule) =>
      rule.bindings.map((bound) => ({ kind: 'rule', rule, bound })),
    );
    // Those over time are decided apart, on the graph of states and steps.
    const tests = properties
      .filter((property) => !isOverTime(property))
      .flatMap((property): readonly What[] =>
        property.kind === 'deadlock'
          ? [{ kind: 'final', property }]
          : property.bindings.map((binding) => ({ kind: 'property', property, binding })),
      );
    this.functions = [...rules, ...tests].map((what, index) => ({
      index,
      what,
      tree: new Tree(),
      form: 'tree',
      reason: undefined,
      misses: 0,
      happened: false,
    }));
    this.rules = this.functions.slice(0, rules.length);
  }

  /** What a function does on packed words. Records the path if it is new; throws `ModelError` where the model is broken. */
  outcome(compiled: Compiled, words: Int32Array): Outcome {
    const known = compiled.form === 'tree' ? compiled.tree.outcome(words) : undefined;
    if (known !== undefined) return known;
    compiled.misses++;
    if (compiled.form === 'tree') return this.record(compiled, words);
    const outcome = compiled.form === 'packed' ? this.runPacked(compiled, words) : this.meant(compiled, words);
    this.narrowing.witness?.checkState(compiled, words, outcome);
    compiled.happened ||= typeof outcome === 'object';
    return outcome;
  }

  /** The state after a rule, or `undefined` where it is not enabled. */
  after(compiled: Compiled, words: Int32Array): Int32Array | undefined {
    const outcome = this.outcome(compiled, words);
    if (typeof outcome !== 'object') return undefined;
    const { leaves } = this.narrowing;
    return written(
      words,
      leaves === undefined ? outcome.writes : outcome.writes.filter(({ leaf }) => leaves.has(leaf)),
    );
  }

  /** What is to be explored after a state where generated code did not know a rule, or `allRules`. */
  missing(about: number, words: Int32Array): readonly Int32Array[] {
    const all = (rules: readonly Compiled[]): readonly Int32Array[] =>
      rules.flatMap((rule) => this.after(rule, words) ?? []);
    if (about !== allRules) return all([this.functions[about] as Compiled]);
    const { amples = [], rules } = this.narrowing;
    for (const ample of amples) {
      const found = leafAt(ample.place, words) === ample.at ? all(ample.rules) : [];
      if (found.length > 0) return found;
    }
    return all(this.rules.filter((rule) => rules?.has(rule) ?? true));
  }

  /**
   * Runs a function on an imagined state, about which `oracle` answers every question. The outcome is missing where the
   * function fails, as it may in a state that is never reached.
   */
  imagine(
    compiled: Compiled,
    oracle: (question: Question) => number,
  ): { readonly path: readonly Answer[]; readonly outcome: Outcome | undefined } {
    this.machine.oracle = oracle;
    try {
      const outcome = this.run(compiled, new Int32Array(this.layout.words));
      return { path: this.machine.path(), outcome };
    } catch (error) {
      if (isUnsupported(error)) throw error;
      const path = this.machine.path();
      if (this.mayDoOtherwise(compiled, path, error)) {
        throw new Unsupported('it fails on the packed form alone', { cause: error });
      }
      return { path, outcome: undefined };
    } finally {
      this.machine.oracle = undefined;
    }
  }

  /** Whether a function that failed on an imagined state may do something on the immutable form of such a state. */
  private mayDoOtherwise(compiled: Compiled, path: readonly Answer[], error: unknown): boolean {
    // A mistake that the language itself tells of is one in both forms.
    if (error instanceof ModelError && error.cause === undefined) return false;
    const writes = path.flatMap(({ question, answer }) =>
      question.ask === 'leaf' ? [{ leaf: question.leaf, from: answer }] : [],
    );
    const words = written(new Int32Array(this.layout.words), writes);
    // How items compare may be answered in ways that leaves alone do not show.
    if (path.some(({ question, answer }) => answerIn(question, words) !== answer)) return error instanceof ModelError;
    try {
      this.meant(compiled, words);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Runs a function on a state without learning from it; the outcome is missing where the function fails. The path is missing
   * where the packed form cannot tell it.
   */
  trial(
    compiled: Compiled,
    words: Int32Array,
  ): { readonly path: readonly Answer[] | undefined; readonly outcome: Outcome | undefined } {
    try {
      if (compiled.form !== 'immutable') {
        const outcome = this.run(compiled, words);
        return { path: this.machine.path(), outcome };
      }
    } catch {
      // What the packed form cannot do the immutable one may.
    }
    try {
      return { path: undefined, outcome: this.meant(compiled, words) };
    } catch {
      return { path: undefined, outcome: undefined };
    }
  }

  private runPacked(compiled: Compiled, words: Int32Array): Outcome {
    try {
      return this.run(compiled, words);
    } catch {
      // A mistake of the model is told as the language tells it, and what the packed form cannot do it can.
      return this.meant(compiled, words);
    }
  }

  private record(compiled: Compiled, words: Int32Array): Outcome {
    const meant = this.meant(compiled, words);
    compiled.happened ||= typeof meant === 'object';
    let outcome: Outcome | undefined;
    let reason = 'its packed form does something else';
    try {
      outcome = this.run(compiled, words);
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    if (outcome === undefined || !haveSameResult(outcome, meant, words)) {
      this.refuseUnsteady(compiled, words, meant);
      this.giveUp(compiled, 'immutable', reason);
      this.narrowing.witness?.checkState(compiled, words, meant);
      return meant;
    }
    const path = this.machine.path();
    let way: readonly Answer[];
    try {
      way = this.narrowing.witness?.widen(compiled, words, path, outcome) ?? path;
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      this.giveUp(compiled, 'immutable', error.message);
      this.narrowing.witness?.checkState(compiled, words, meant);
      return meant;
    }
    const before = compiled.tree.reads.size;
    try {
      compiled.tree.add(way, outcome, words);
    } catch (error) {
      this.giveUp(compiled, 'immutable', error instanceof Error ? error.message : String(error));
      return meant;
    }
    if (compiled.what.kind !== 'rule' && compiled.tree.reads.size > before) this.footprintVersion++;
    this.version++;
    if (compiled.tree.nodes > this.nodeBudget) {
      this.giveUp(compiled, 'packed', `its tree has more than ${this.nodeBudget} nodes`);
    } else if (way.length > mostQuestions) {
      this.giveUp(compiled, 'packed', `it reads more than ${mostQuestions} fields at once`);
    }
    return outcome;
  }

  private giveUp(compiled: Compiled, form: Form, reason: string): void {
    const { leaves, rules, amples } = this.narrowing;
    if (form === 'immutable' && [leaves, rules, amples].some((part) => part !== undefined))
      throw new Unforeseen(reason);
    compiled.form = form;
    compiled.reason = reason;
    this.version++;
    this.footprintVersion++;
  }

  /** Runs a function on the packed form. */
  private run(compiled: Compiled, words: Int32Array): Outcome {
    this.machine.begin(words);
    this.views.begin();
    const outcome = this.runOnViews(compiled);
    this.machine.end();
    return outcome;
  }

  private runOnViews({ what }: Compiled): Outcome {
    const frozen = this.views.frozen as State;
    switch (what.kind) {
      case 'rule': {
        const enabled = perform(what.rule, what.bound, {
          seen: () => this.views.frozen as never,
          change: (work) => this.views.change(work as never),
          settled: () => this.views.frozen as never,
        });
        return enabled ? { writes: this.machine.writes() } : 'disabled';
      }
      case 'property':
        return what.property.test(frozen, what.binding);
      case 'final':
        return what.property.finalState(frozen) !== undefined;
      default:
        return what satisfies never;
    }
  }

  /** What a function does by the meaning of the language. The writes are those of whole words. */
  private meant({ what }: Compiled, words: Int32Array): Outcome {
    const state = this.layout.unpack(words);
    switch (what.kind) {
      case 'rule': {
        const next = fire(this.instance, what.rule, what.bound, state);
        checkTwice(this.instance, what.rule, what.bound, state, next);
        return next === undefined ? 'disabled' : { writes: this.allWrites(this.layout.pack(next)) };
      }
      case 'property':
        return twice(what.property.name, () => what.property.test(state, what.binding));
      case 'final':
        return what.property.finalState(state) !== undefined;
      default:
        return what satisfies never;
    }
  }

  /** Runs a function that surprised once more: it must mean the same as before. */
  private refuseUnsteady({ what }: Compiled, words: Int32Array, meant: Outcome): void {
    const state = this.layout.unpack(words);
    if (what.kind === 'rule') {
      const next = typeof meant === 'object' ? this.layout.unpack(written(words, meant.writes)) : undefined;
      checkTwice(this.instance, what.rule, what.bound, state, next);
    } else if (what.kind === 'property' && what.property.test(state, what.binding) !== meant) {
      throw unsteady(what.property.name);
    }
  }

  private allWrites(words: Int32Array): Extract<Outcome, object>['writes'] {
    return this.layout.leaves.map((leaf) => ({ leaf, from: leafAt(leaf, words) }));
  }
}

function isUnsupported(error: unknown): boolean {
  return error instanceof Unsupported || (error instanceof Error && isUnsupported(error.cause));
}

function haveSameResult(a: Outcome, b: Outcome, words: Int32Array): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  const after = written(words, b.writes);
  return written(words, a.writes).every((word, i) => word === after[i]);
}
