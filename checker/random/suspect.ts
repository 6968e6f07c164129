/**
 * Suspicions about properties over time: a run is led on by what is fair alone, or nearly so, and it is looked for a state or a loop
 * where it could stay for ever although something is due. That is no verdict, since it is looked for in a few places alone.
 */
import type { Random } from 'fast-check';
import type { Binding, Property } from '../../language/index.ts';
import { Predicate, Predicates } from '../compile/predicate.ts';
import type { Program } from '../compile/program.ts';
import { type Fairness, fairnessOf } from '../time/fairness.ts';
import type { Judge } from './judge.ts';
import { keyOf, search } from './near.ts';
import { ruleAt, type Suspicion, type Walk } from './walk.ts';
import type { Choice, Walker } from './walker.ts';

/** One in so many runs is led on, and so far. */
const share = 8;
const tail = 240;
/** How often rules may be run in a search for a goal, and in one for a shorter way. */
const goalBudget = 200_000;
/** How many loops of a run are looked at for one property. */
const mostLoops = 100;
const wayBudget = 6_000_000;

/** A property over time for some members, and its tests on packed states. */
interface Claim {
  readonly property: Property;
  readonly binding: Binding;
  readonly given: Predicate | undefined;
  readonly goal: Predicate;
}

/** Looks for suspicions about one program. */
export class Suspector {
  private readonly program: Program;
  private readonly judge: Judge;
  private readonly walker: Walker;
  private readonly claims: readonly Claim[];
  private readonly fairness: Fairness;

  constructor(program: Program, judge: Judge, walker: Walker) {
    this.program = program;
    this.judge = judge;
    this.walker = walker;
    const predicates = new Predicates(program.layout);
    this.claims = program.properties
      .filter(({ kind }) => kind === 'leadsTo' || kind === 'eventually' || kind === 'recoverable')
      .flatMap((property) =>
        property.bindings.map((binding): Claim => {
          const { name, given, test } = property;
          const on = (of: (state: never, p: never) => boolean): Predicate =>
            new Predicate(predicates, name, (state: never) => of(state, binding as never));
          return { property, binding, given: given && on(given), goal: on(test) };
        }),
      );
    this.fairness = fairnessOf(program.instance);
  }

  /** Leads a run on, if it is one of those for which that is done. */
  examine(walk: Walk, random: Random): Suspicion | undefined {
    if (this.claims.length === 0 || walk.failure !== undefined || random.nextInt(0, share - 1) > 0) return undefined;
    // From somewhere on the way as often as from the end, where all may be over.
    const { length } = walk.rules;
    const kept = walk.rules.slice(0, random.nextInt(0, 1) === 0 ? length : random.nextInt(0, length));
    const end = this.judge.lastOf({ initial: walk.initial, rules: kept });
    const choice = this.leading(random);
    const next = (): number => random.nextInt(-0x8000_0000, 0x7fff_ffff);
    const run = this.walker.run({ next, initial: end, steps: tail, choice, all: choice });
    if (run.broken !== undefined && run.broken !== 'deadlock') return undefined;
    const rules = Int32Array.from([...kept, ...run.rules]);
    const states = this.judge.statesOf({ initial: walk.initial, rules });
    const stops = run.isOver && !this.hasFair(states.at(-1) as Int32Array);
    const known: ReadonlySet<number>[] = [];
    const enabledAt = (i: number): ReadonlySet<number> => (known[i] ??= this.fairAt(states[i] as Int32Array));
    for (const claim of this.claims) {
      const { property, binding } = claim;
      if (property.kind === 'recoverable') {
        if (this.isLost(claim, states.at(-1) as Int32Array)) return { property, binding, rules, loopFrom: undefined };
        continue;
      }
      if (stops && isDueAtEnd(claim, states)) return { property, binding, rules, loopFrom: rules.length };
      const loop = this.loopIn(claim, states, rules, enabledAt);
      if (loop !== undefined) return { property, binding, rules: rules.slice(0, loop.end), loopFrom: loop.start };
    }
    return undefined;
  }

  /** The same suspicion by a shorter way. */
  shortened({ property, binding, rules, loopFrom }: Suspicion, initial: Int32Array): Suspicion {
    const claim = this.claims.find((one) => one.property === property && one.binding === binding);
    if (claim === undefined) return { property, binding, rules, loopFrom };
    const states = this.judge.statesOf({ initial, rules });
    const from = loopFrom ?? rules.length;
    const wanted = keyOf(states[from] as Int32Array);
    const stops = loopFrom === rules.length;
    const { words } = this.program.layout;
    const withoutDue = (state: Int32Array): Int32Array => state.subarray(0, words);
    /** Whether something is due is a further word of a state. */
    const due = (state: Int32Array, before: number): Int32Array => {
      const isDue =
        claim.goal.at(withoutDue(state)) !== true && (before === 1 || claim.given?.at(withoutDue(state)) !== false);
      const marked = new Int32Array(words + 1);
      marked.set(withoutDue(state));
      marked[words] = isDue ? 1 : 0;
      return marked;
    };
    const { way } = search(
      {
        program: this.program,
        start: [due(initial, property.kind === 'eventually' ? 1 : 0)],
        rules: this.program.rules.map(({ index }) => index),
        depth: from - 1,
        budget: wayBudget,
        mark: (state, before) => due(state, property.kind === 'recoverable' ? 0 : (before[words] as number)),
      },
      (state) => {
        if (state[words] !== 1) return false;
        if (property.kind !== 'recoverable' && stops) return !this.hasFair(withoutDue(state));
        return keyOf(withoutDue(state)) === wanted;
      },
    );
    if (way === undefined) return { property, binding, rules, loopFrom };
    const shorter = Int32Array.from([...way.rules, ...(stops ? [] : rules.slice(from))]);
    return { property, binding, rules: shorter, loopFrom: loopFrom === undefined ? undefined : way.rules.length };
  }

  /** What leads a run on: what is fair, but for some of it now and then, and now and then some of the rest. */
  private leading(random: Random): Choice {
    const isWhole = random.nextInt(0, 1) === 0;
    const { rules } = this.program.instance;
    const isIn = rules.map(({ fairness }) => {
      const chance = random.nextInt(0, 3);
      if (isWhole) return fairness !== 'none';
      return fairness === 'none' ? chance === 0 : fairness === 'strong' || chance > 0;
    });
    const members = this.program.rules.flatMap(({ what, index }) =>
      what.kind === 'rule' && isIn[what.rule.index] === true ? [index] : [],
    );
    const off = new Int32Array(Math.ceil(this.program.rules.length / 32)).fill(-1);
    for (const index of members) off[index >>> 5] = (off[index >>> 5] as number) & ~(1 << (index & 31));
    const length = 2 ** Math.ceil(Math.log2(Math.max(1, members.length)));
    // An entry that is off is never taken: there must be one where nothing is fair.
    return { table: Int32Array.from({ length }, (_, i) => members[i % members.length] ?? 0), off };
  }

  private hasFair(state: Int32Array): boolean {
    const { of } = this.fairness;
    return this.program.rules.some(
      (rule) => (of[rule.index] as number) >= 0 && this.program.outcome(rule, state) !== 'disabled',
    );
  }

  /** Whether no run leads from a state to the goal, as far as that was searched to the end. */
  private isLost({ given, goal }: Claim, state: Int32Array): boolean {
    if (goal.at(state) === true || given?.at(state) === false) return false;
    const rules = this.program.rules.map(({ index }) => index);
    const { program } = this;
    const { way, isComplete } = search(
      { program, start: [state], rules, depth: Number.POSITIVE_INFINITY, budget: goalBudget },
      (found) => goal.at(found) === true,
    );
    return way === undefined && isComplete;
  }

  /** The obligations that are enabled in a state. */
  private fairAt(state: Int32Array): ReadonlySet<number> {
    const { of } = this.fairness;
    const found = new Set<number>();
    for (const { index } of this.program.rules) {
      const obligation = of[index] as number;
      if (obligation < 0 || found.has(obligation)) continue;
      if (this.program.outcome(ruleAt(this.program, index), state) !== 'disabled') found.add(obligation);
    }
    return found;
  }

  /** A loop in which a fair run can stay, while something is due all the time. */
  private loopIn(
    { given, goal, property }: Claim,
    states: readonly Int32Array[],
    rules: Int32Array,
    enabledAt: (i: number) => ReadonlySet<number>,
  ): { readonly start: number; readonly end: number } | undefined {
    let isDue = property.kind === 'eventually';
    let left = mostLoops;
    const places = new Map<string, number[]>();
    for (const [end, state] of states.entries()) {
      isDue = goal.at(state) !== true && (isDue || (given !== undefined && given.at(state) === true));
      if (!isDue) {
        places.clear();
        continue;
      }
      const key = keyOf(state);
      const starts = places.get(key) ?? [];
      places.set(key, starts);
      // The shortest loop, and the longest, which meets the most obligations.
      for (const start of new Set([starts.at(-1), starts[0]])) {
        if (start === undefined || left-- <= 0) continue;
        if (this.isFair(rules, start, end, enabledAt)) return { start, end };
      }
      starts.push(end);
    }
    return undefined;
  }

  private isFair(
    rules: Int32Array,
    start: number,
    end: number,
    enabledAt: (i: number) => ReadonlySet<number>,
  ): boolean {
    const { of, obligations } = this.fairness;
    const isMet = new Set(Array.from(rules.slice(start, end), (rule) => of[rule] as number));
    const enabledIn = new Map<number, number>();
    for (let i = start; i < end; i++) {
      for (const obligation of enabledAt(i)) {
        if (!isMet.has(obligation)) enabledIn.set(obligation, (enabledIn.get(obligation) ?? 0) + 1);
      }
    }
    return [...enabledIn].every(
      ([obligation, times]) => obligations[obligation]?.kind === 'weak' && times < end - start,
    );
  }
}

/** Whether something is due in the last state. */
function isDueAtEnd({ given, goal, property }: Claim, states: readonly Int32Array[]): boolean {
  for (const state of states.toReversed()) {
    if (goal.at(state) === true) return false;
    if (given?.at(state) === true) return true;
  }
  return property.kind === 'eventually';
}
