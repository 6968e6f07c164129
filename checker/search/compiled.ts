/**
 * The compiled search: breadth-first over packed states, by code that is generated from decision trees and anew while these
 * grow. Level by level it explores and decides exactly what the plain search does.
 */
import { freemem } from 'node:os';
import {
  initialStates,
  type Instance,
  ModelError,
  propertiesOf,
  type PropertySet,
  type State,
  withoutClockOrChance,
} from '../../language/index.ts';
import { Digest } from '../compile/hash.ts';
import { generate, propertyBit } from '../compile/module.ts';
import { Program } from '../compile/program.ts';
import type { CheckResult, Limit } from '../result.ts';
import { maxPages } from './bank.ts';
import { type Claim, decidingAnswer, isEnough, resultOf } from './claims.ts';
import { Crew } from './crew.ts';
import { heapIsOver } from './heap.ts';
import { ModelErrorAtState, type Progress, type SearchOptions } from './options.ts';
import { Ways } from './ways.ts';
import { keepLeast, type Report } from './phases.ts';

/** The least state that decides a property, among those of the level on which it was first decided. */
interface Decision {
  readonly state: Int32Array;
  readonly level: number;
}

const freeShare = 0.85;
/** The clock itself, which is closed to the functions of a model while they run. */
const clock = performance.now.bind(performance);

/**
 * Explores all reachable states of an instance and decides the properties. Yields its progress between rounds; a caller may
 * do other work there, or abandon the search.
 */
export function* compiledSearch(
  instance: Instance,
  sets: readonly PropertySet[],
  options: SearchOptions,
): Generator<Progress, CheckResult> {
  const exploration = new Exploration(instance, sets, options);
  try {
    yield* exploration.run();
    return exploration.result();
  } finally {
    exploration.close();
  }
}

class Exploration {
  private readonly instance: Instance;
  private readonly options: SearchOptions;
  private readonly program: Program;
  private readonly claims: readonly Claim<Decision>[];
  private readonly maxMemory: number;
  private readonly crew: Crew;
  private readonly ways: Ways;
  private readonly start = clock();
  private transitions = 0;
  private depth = 0;
  private level = 0;
  private limit: Limit | undefined;
  /** What the code in use was generated from, and how long that took and misses have taken since, in milliseconds. */
  private linked = { version: -1, footprint: -1, took: 0, missing: 0 };

  constructor(instance: Instance, sets: readonly PropertySet[], options: SearchOptions) {
    this.instance = instance;
    this.options = options;
    const properties = propertiesOf(instance, sets, options.properties);
    this.claims = properties.map((property) => ({ property }));
    this.program = new Program(instance, properties);
    const { functions, rules, layout } = this.program;
    const shape = { words: layout.words, rules: rules.length, tests: functions.length - rules.length };
    const propertyOf = Int32Array.from(functions, ({ what }) =>
      what.kind === 'rule' ? -1 : properties.indexOf(what.property),
    );
    this.maxMemory = options.maxMemory ?? freemem() * freeShare;
    this.crew = new Crew(shape, propertyOf, options.workers ?? 1, this.maxMemory);
    this.ways = new Ways(this.program, this.crew);
  }

  private seconds(): number {
    return (clock() - this.start) / 1000;
  }

  private totals(): { readonly states: number; readonly waiting: number } {
    let states = 0;
    let waiting = 0;
    for (const bank of this.crew.banks) {
      const totals = bank.totals();
      states += totals.states;
      waiting += totals.waiting;
    }
    return { states, waiting };
  }

  /** How many successors were collected in this round. */
  private collected(): number {
    return this.crew.banks.reduce((sum, bank) => sum + bank.collected, 0);
  }

  /** How many states of the level wait for their successors. */
  private left(): number {
    return this.crew.banks.reduce((sum, bank) => sum + bank.left(), 0);
  }

  *run(): Generator<Progress, void> {
    this.relink();
    this.begin();
    for (;;) {
      const { states, waiting } = this.totals();
      if (waiting === 0 || this.limit !== undefined) break;
      this.depth = this.level;
      if (isEnough(this.claims, this.options)) {
        this.limit = 'first violation';
        break;
      }
      this.ways.levels.push(this.crew.banks.flatMap((bank) => bank.beginLevel()));
      yield this.progress(states, waiting);
      yield* this.exploreLevel();
      this.level++;
      if (this.limit !== undefined && this.totals().waiting > this.left()) this.depth = this.level;
    }
  }

  private *exploreLevel(): Generator<Progress, void> {
    let told = this.seconds();
    while (this.left() > 0) {
      const { states, waiting } = this.totals();
      const seconds = this.seconds();
      if (seconds - told > 0.1) {
        told = seconds;
        yield this.progress(states, waiting);
      }
      this.limit = this.reachedLimit(states);
      if (this.limit !== undefined) return;
      this.round(states);
      if (this.limit !== undefined) return;
    }
  }

  private progress(states: number, frontier: number): Progress {
    return { states, transitions: this.transitions, depth: this.depth, frontier, seconds: this.seconds() };
  }

  private reachedLimit(states: number): Limit | undefined {
    const { maxStates = Number.POSITIVE_INFINITY, maxSeconds = Number.POSITIVE_INFINITY } = this.options;
    if (states >= maxStates) return 'max-states';
    if (this.seconds() >= maxSeconds) return 'max-seconds';
    const bytes = this.crew.banks.reduce((sum, bank) => sum + bank.bytes, 0);
    return bytes > this.maxMemory || heapIsOver(undefined) ? 'max-memory' : undefined;
  }

  /** Takes in the initial states. */
  private begin(): void {
    const initial = initialStates(this.instance) as readonly State[];
    const packed = initial.map((state) => this.program.layout.pack(state));
    for (let done = 0; done < packed.length; done += initialStatesPerRound) {
      for (const bank of this.crew.banks) bank.beginRound();
      const [first] = this.crew.banks;
      for (const state of packed.slice(done, done + initialStatesPerRound)) first?.addSuccessor(state);
      if (!this.takeIn(0)) this.limit = 'max-memory';
    }
  }

  /** Explores some states of the level. */
  private round(states: number): void {
    const before = this.crew.banks.map((bank) => bank.progress());
    // Near the limit few states are explored at a time, so that it is exceeded by what one state leads to at most.
    const { maxStates = Number.POSITIVE_INFINITY } = this.options;
    const certain = Math.floor((maxStates - states) / Math.max(1, this.program.rules.length));
    const most = Math.max(1, Math.min(2 ** 30, certain));
    const report = this.crew.do({ do: 'expand', most }, Math.min(most, this.left()) >= muchToExpand);
    const missing = clock();
    withoutClockOrChance(() => {
      this.runMissed(report);
      this.judgeStuck(report.stuck);
    });
    this.linked.missing += clock() - missing;
    this.relinkIfDue();
    const collected = this.collected();
    if (this.takeIn(this.level + 1)) {
      this.transitions += collected;
      return;
    }
    for (const [i, bank] of this.crew.banks.entries()) bank.rewind(before[i] as Int32Array);
    this.limit = 'max-memory';
  }

  /** Runs the rules that the generated code did not know. */
  private runMissed({ missed }: Report): void {
    for (let i = 0; i < missed.length; ) {
      const [shard, id] = [missed[i] as number, missed[i + 1] as number];
      const bank = this.crew.bankOf(shard);
      const state = bank.state(shard, id);
      let enabled = 0;
      for (; missed[i] === shard && missed[i + 1] === id; i += 3) {
        const after = this.at(state, this.level, () =>
          this.program.after(this.program.functions[missed[i + 2] as number] as never, state),
        );
        if (after === undefined) continue;
        enabled++;
        bank.addSuccessor(after);
      }
      if (enabled === 0 && this.isStuck(state)) this.judge(state);
    }
  }

  private isStuck(state: Int32Array): boolean {
    const deadlock = this.claims.find(({ property }) => property.kind === 'deadlock');
    if (deadlock === undefined || (deadlock.decided?.level ?? this.level) < this.level) return false;
    return this.program.rules.every((rule) => this.program.outcome(rule, state) === 'disabled');
  }

  private judgeStuck(stuck: readonly number[]): void {
    for (let i = 0; i < stuck.length; i += 3) {
      const [shard, id] = [stuck[i] as number, stuck[i + 1] as number];
      this.judge(this.crew.bankOf(shard).state(shard, id));
    }
  }

  /** A state without successors: it is a final state, or decides freedom from deadlock. */
  private judge(state: Int32Array): void {
    const index = this.claims.findIndex(({ property }) => property.kind === 'deadlock');
    if (index < 0) return;
    const final = this.program.functions.find(({ what }) => what.kind === 'final');
    if (final === undefined || this.at(state, this.level, () => this.program.outcome(final, state)) === true) return;
    this.decide(index, state, this.level);
  }

  /** Takes in the successors of a round, which are on a level; false if there is no room for them. */
  private takeIn(level: number): boolean {
    const much = this.collected() >= muchToTakeIn;
    this.crew.do({ do: 'sort' }, much);
    if (this.crew.do({ do: 'reserve' }, much).full) return false;
    const open = this.claims.map(({ decided }) => decided === undefined || decided.level === level);
    const active = open.reduce((mask, isOpen, i) => (isOpen ? mask | propertyBit(i) : mask), 0);
    const { unknown, decided } = this.crew.do({ do: 'insert', active }, much);
    const missing = clock();
    withoutClockOrChance(() => {
      for (let i = 0; i < unknown.length; i += 3) {
        const [shard, id, about] = [unknown[i] as number, unknown[i + 1] as number, unknown[i + 2] as number];
        const compiled = this.program.functions[about];
        if (compiled?.what.kind !== 'property') continue;
        const state = this.crew.bankOf(shard).state(shard, id);
        const answer = this.at(state, level, () => this.program.outcome(compiled, state));
        const { property } = compiled.what;
        if (answer === decidingAnswer(property)) keepLeast(decided, this.program.properties.indexOf(property), state);
      }
    });
    this.linked.missing += clock() - missing;
    for (const [property, state] of decided) if (open[property] === true) this.decide(property, state, level);
    this.relinkIfDue();
    return true;
  }

  private decide(index: number, state: Int32Array, level: number): void {
    const claim = this.claims[index] as Claim<Decision>;
    if (claim.decided !== undefined && claim.decided.level < level) return;
    const least = new Map(claim.decided === undefined ? [] : [[0, claim.decided.state]]);
    keepLeast(least, 0, state);
    claim.decided = { state: least.get(0) as Int32Array, level };
  }

  /** Runs functions of the model on a state; a mistake in one is told with the way to the state. */
  private at<T>(state: Int32Array, level: number, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      this.relink();
      throw new ModelErrorAtState(error, this.ways.pathTo(state, level));
    }
  }

  /** Generates the code anew where it must be, or where running what it does not know has taken as long as that does. */
  private relinkIfDue(): void {
    const { program, linked } = this;
    if (program.version === linked.version) return;
    if (program.footprintVersion !== linked.footprint || linked.missing > linked.took) this.relink();
  }

  private relink(): void {
    const start = clock();
    const { version, footprintVersion: footprint } = this.program;
    this.crew.link(new WebAssembly.Module(generate(this.program, maxPages)));
    this.linked = { version, footprint, took: clock() - start, missing: 0 };
  }

  /** Ends what does not end by itself. */
  close(): void {
    this.crew.close();
  }

  result(): CheckResult {
    if (this.program.version !== this.linked.version) this.relink();
    const digest = new Digest();
    for (const bank of this.crew.banks) digest.addSums(...bank.digest);
    const { states } = this.totals();
    const { transitions, depth } = this;
    const decided = this.claims.flatMap((claim) => claim.decided ?? []);
    const paths = withoutClockOrChance(() => this.ways.pathsTo(decided));
    const counts = { states, transitions, depth, seconds: this.seconds(), digest: digest.toString() };
    return resultOf(this.instance, this.claims, counts, this.limit, ({ property }, decision) => {
      const state = this.program.layout.unpack(decision.state);
      const deciding = decidingAnswer(property);
      const binding =
        property.kind === 'deadlock'
          ? {}
          : (property.bindings.find((candidate) => property.test(state, candidate) === deciding) ?? {});
      const path = paths[decided.indexOf(decision)];
      if (path === undefined) throw new Error('a property was decided in a state without a path');
      return { path, binding };
    });
  }
}

const initialStatesPerRound = 4096;
/** From so many states, and so many successors, on it pays to share the work. */
const muchToExpand = 1000;
const muchToTakeIn = 10_000;
