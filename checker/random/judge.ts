/**
 * What is wrong at a state or with a step, by the trees of the program: for replayed walks, where generated code has not looked.
 */
import type { Property } from '../../language/index.ts';
import { pairOf } from '../compile/pair.ts';
import { Predicate, Predicates } from '../compile/predicate.ts';
import type { Compiled, Program } from '../compile/program.ts';
import { isGoal } from './walk-module.ts';
import { actionOf, type Failure, ruleAt, type Walk } from './walk.ts';

/** Judges the states and steps of one program. */
export class Judge {
  readonly program: Program;
  /** Whether there are properties of steps, at which generated code does not look. */
  readonly hasSteps: boolean;
  private readonly transitions: readonly Failure[];
  private readonly tests: ReadonlyMap<Property, readonly Compiled[]>;
  private readonly pairs: Predicates;
  /** For each rule the tests of its steps, made when the rule is first taken. */
  private readonly predicates: (readonly { readonly failure: Failure; readonly predicate: Predicate }[])[] = [];
  private readonly pair: Int32Array;

  constructor(program: Program) {
    this.program = program;
    this.transitions = program.properties
      .filter(({ kind }) => kind === 'transition')
      .flatMap((property) => property.bindings.map((binding) => ({ property, binding })));
    this.hasSteps = this.transitions.length > 0;
    const tests = program.functions.filter(({ what }) => what.kind === 'property');
    this.tests = new Map(
      program.properties.map((property) => [
        property,
        tests.filter((test) => !isGoal(test) && (test.what as { readonly property: Property }).property === property),
      ]),
    );
    const layout = pairOf(program.layout);
    this.pairs = new Predicates(layout);
    this.pair = new Int32Array(layout.words);
  }

  /** What a test that has failed says, by what it is a test of. */
  failureOf(broken: Compiled | 'deadlock' | undefined): Failure | undefined {
    if (broken === undefined) return undefined;
    if (broken !== 'deadlock') {
      return broken.what.kind === 'property'
        ? { property: broken.what.property, binding: broken.what.binding }
        : undefined;
    }
    const property = this.program.properties.find(({ kind }) => kind === 'deadlock');
    return property && { property, binding: {} };
  }

  /** The first property of steps that a step breaks. */
  ofStep(before: Int32Array, rule: number, after: Int32Array, only?: Property): Failure | undefined {
    this.pair.set(before);
    this.pair.set(after, before.length);
    const predicates = (this.predicates[rule] ??= this.predicatesOf(rule));
    return predicates.find(
      ({ failure, predicate }) =>
        (only === undefined || failure.property === only) && predicate.at(this.pair) === false,
    )?.failure;
  }

  /** Whether a property fails in a state, or by the step to it. */
  fails(
    property: Property,
    state: Int32Array,
    step?: { readonly before: Int32Array; readonly rule: number },
  ): Failure | undefined {
    if (property.kind === 'transition') return step && this.ofStep(step.before, step.rule, state, property);
    if (property.kind === 'deadlock') return this.isStuck(state) ? { property, binding: {} } : undefined;
    const broken = this.tests.get(property)?.find((test) => this.program.outcome(test, state) === false);
    return this.failureOf(broken);
  }

  private isStuck(state: Int32Array): boolean {
    const { program } = this;
    if (program.rules.some((rule) => program.outcome(rule, state) !== 'disabled')) return false;
    const finals = program.functions.filter(({ what }) => what.kind === 'final');
    return finals.length > 0 && !finals.some((final) => program.outcome(final, state) === true);
  }

  private predicatesOf(index: number): readonly { readonly failure: Failure; readonly predicate: Predicate }[] {
    const action = actionOf(ruleAt(this.program, index));
    return this.transitions.map((failure) => {
      const { property, binding } = failure;
      const test = ({ before, after }: { readonly before: never; readonly after: never }): boolean | undefined =>
        property.testStep(before, action, after, binding);
      return {
        failure,
        predicate: new Predicate(this.pairs, property.name, test),
      };
    });
  }

  /**
   * Replays rules leniently from a state, up to where a property first fails, or to the end. With `only`, just that property is
   * looked at.
   */
  replay(initial: Int32Array, rules: Iterable<number>, only: Property): Walk | undefined {
    const taken: number[] = [];
    let state = initial;
    let failure = this.fails(only, state);
    if (failure === undefined) {
      for (const rule of rules) {
        const after = this.program.after(ruleAt(this.program, rule), state);
        if (after === undefined) continue;
        taken.push(rule);
        // Only where nothing can happen is a state stuck, so that it is looked at no sooner than at the end.
        failure = only.kind === 'deadlock' ? undefined : this.fails(only, after, { before: state, rule });
        state = after;
        if (failure !== undefined) break;
      }
      if (only.kind === 'deadlock') failure = this.fails(only, state);
    }
    return failure && { initial, rules: Int32Array.from(taken), failure };
  }

  /** The states of a walk, the initial one first. */
  statesOf({ initial, rules }: Pick<Walk, 'initial' | 'rules'>): readonly Int32Array[] {
    const states = [initial];
    for (const rule of rules) {
      const after = this.program.after(ruleAt(this.program, rule), states.at(-1) as Int32Array);
      if (after === undefined) throw new Error('a walk takes a step that is not enabled');
      states.push(after);
    }
    return states;
  }

  /** The last state of a walk. */
  lastOf({ initial, rules }: Pick<Walk, 'initial' | 'rules'>): Int32Array {
    let state = initial;
    for (const rule of rules) state = this.program.after(ruleAt(this.program, rule), state) ?? state;
    return state;
  }

  /** The walk up to the first step that breaks a property of steps; what it broke before stays as it was. */
  withSteps(walk: Walk): Walk {
    if (!this.hasSteps) return walk;
    let before = walk.initial;
    for (const [i, rule] of walk.rules.entries()) {
      const after = this.program.after(ruleAt(this.program, rule), before);
      if (after === undefined) throw new Error('a walk takes a step that is not enabled');
      const failure = this.ofStep(before, rule, after);
      if (failure !== undefined) return { initial: walk.initial, rules: walk.rules.slice(0, i + 1), failure };
      before = after;
    }
    return walk;
  }
}
