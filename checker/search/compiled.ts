/**
 * The compiled search: breadth-first over packed states, by code that is generated from decision trees and anew while these
 * grow. Level by level it explores and decides exactly what the plain search does.
 */
import { freemem } from 'node:os';
import { type Instance, ModelError, type PropertySet, withoutClockOrChance } from '../../language/index.ts';
import { Digest } from '../compile/hash.ts';
import { propertyBit, shards, stridesOf } from '../compile/format.ts';
import { generate } from '../compile/module.ts';
import { generateStore } from '../compile/store.ts';
import type { PastShape } from '../compile/past.ts';
import type { Program } from '../compile/program.ts';
import { type Coverage, neverIn } from '../coverage.ts';
import { type CodeStatistics, explanationOf } from '../explanation.ts';
import { Plan } from '../reduce/plan.ts';
import type { Reduction } from '../reduce/reduction.ts';
import type { CheckResult, Limit, Path } from '../result.ts';
import { audit } from './audit.ts';
import { maxPages } from './bank.ts';
import { Checkpoints, readCheckpoint, type Standing } from './checkpoint.ts';
import { type Claim, decidingAnswer, isEnough, resultOf } from './claims.ts';
import { decideOverTime, type Explored, findVacuous } from './afterwards.ts';
import { coverageOf, neverAfter } from './covered.ts';
import { Crew } from './crew.ts';
import { Earlier, limitOf, pastOf } from './earlier.ts';
import { heapIsOver } from './heap.ts';
import { type Identity, identityOf } from './identity.ts';
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
  const plan = new Plan(instance, sets, options);
  for (const part of plan.parts()) {
    for (let done = false; !done;) {
      const { program, reduction } = plan.begin(part);
      const exploration = new Exploration(program, reduction, sets, plan.optionsFor(part));
      try {
        yield* exploration.run();
        yield* exploration.decideAfterwards();
        yield exploration.tracing();
        plan.end(exploration.result());
        done = true;
      } catch (error) {
        plan.withdraw(error);
      } finally {
        exploration.close();
      }
    }
  }
  return plan.result();
}

class Exploration {
  private readonly instance: Instance;
  private readonly options: SearchOptions;
  private readonly program: Program;
  private readonly claims: readonly Claim<Decision>[];
  private readonly maxMemory: number;
  private readonly reduction: Reduction;
  private readonly past: PastShape | undefined;
  private readonly crew: Crew;
  /** The levels whose states are not kept, with a store that is not exact. */
  private readonly earlier: Earlier | undefined;
  private readonly ways: Ways;
  private readonly identity: () => Identity;
  private readonly checkpoints: Checkpoints | undefined;
  private readonly start = clock();
  /** How long the searches took that this one goes on from. */
  private secondsBefore = 0;
  private transitions = 0;
  private depth = 0;
  private level = 0;
  private limit: Limit | undefined;
  /** What the code in use was generated from, and how long that took and misses have taken since, in milliseconds. */
  private linked = { version: -1, footprint: -1, took: 0, missing: 0 };
  /** All code that was generated. */
  private code: CodeStatistics = { bytes: 0, generated: 0, milliseconds: 0, missMilliseconds: 0 };
  private coverage: Coverage | undefined;
  /** How many states a thread explores in a round at most: fewer where rounds take long, so that it can be interrupted. */
  private pace = mostAtOnce;

  constructor(program: Program, reduction: Reduction, sets: readonly PropertySet[], options: SearchOptions) {
    this.instance = program.instance;
    this.options = options;
    const { properties } = program;
    this.claims = properties.map((property) => ({ property }));
    this.program = program;
    this.reduction = reduction;
    const { functions, rules, layout } = this.program;
    const propertyOf = Int32Array.from(functions, ({ what }) =>
      what.kind === 'rule' ? -1 : properties.indexOf(what.property),
    );
    // What is free on the machine, and within the limit of a container.
    this.maxMemory = options.maxMemory ?? Math.min(freemem(), process.availableMemory()) * freeShare;
    const { store = 'exact', storeBits } = options;
    this.past = pastOf(store, storeBits, this.maxMemory);
    const shape = {
      words: layout.words,
      rules: rules.length,
      tests: functions.length - rules.length,
      past: this.past,
    };
    const visited = new WebAssembly.Module(generateStore(layout.words, maxPages, reduction.canonical, this.past));
    this.crew = new Crew(shape, visited, propertyOf, options.workers ?? 1, this.maxMemory);
    this.earlier = this.past && new Earlier(this.crew);
    this.ways = new Ways(this.program, this.reduction, this.crew, this.earlier);
    this.identity = () => identityOf(program, sets, options, reduction.sorts);
    this.checkpoints =
      options.checkpoint &&
      new Checkpoints(options.checkpoint, this.identity(), reduction.sorts, stridesOf(layout.words).state);
  }

  /** Of this search and those that it goes on from. */
  private seconds(): number {
    return this.secondsBefore + (clock() - this.start) / 1000;
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
    if (this.options.resume === undefined) this.begin();
    else yield* this.resume(this.options.resume);
    if (this.limit !== undefined) return;
    for (;;) {
      const { states, waiting } = this.totals();
      if (waiting === 0) return;
      this.depth = this.level;
      // A search that is resumed may stand in the middle of a level.
      const isBegun = this.ways.levels.length > this.level;
      if (!isBegun && isEnough(this.claims, this.options)) {
        this.limit = 'first violation';
        break;
      }
      if (this.earlier?.settle(muchToTakeIn) === false) {
        this.limit = 'max-memory';
        break;
      }
      if (!isBegun) this.ways.levels.push(this.crew.banks.flatMap((bank) => bank.beginLevel()));
      yield this.progress(states, waiting);
      yield* this.exploreLevel();
      if (this.limit !== undefined) {
        if (this.totals().waiting > this.left()) this.depth = this.level + 1;
        break;
      }
      this.level++;
    }
    yield* this.save();
  }

  /** Takes over what an earlier search has left. */
  private *resume(file: string): Generator<Progress, void> {
    const { words } = this.program.layout;
    const reading = readCheckpoint(file, this.identity(), stridesOf(words).state, this.crew);
    let next = reading.next();
    for (; next.done !== true; next = reading.next()) yield this.progress(this.totals().states, 0);
    const { level, levels, transitions, seconds, decided } = next.value;
    this.level = level;
    // If all is explored there is no such level.
    this.depth = Math.max(0, level - 1);
    this.transitions = transitions;
    this.secondsBefore = seconds;
    this.ways.levels.push(...levels);
    for (const { property: name, state, level: on } of decided) {
      const claim = this.claims.find(({ property }) => property.name === name);
      if (claim !== undefined) claim.decided = { state: Int32Array.from(state), level: on };
    }
    this.checkpoints?.resumedFrom(file, this.totals().states, transitions);
  }

  /** Writes a checkpoint, if there are to be any. */
  private *save(): Generator<Progress, void> {
    if (this.checkpoints === undefined) return;
    const { states, waiting } = this.totals();
    for (const _ of this.checkpoints.write(this.standing(), this.crew)) yield this.progress(states, waiting);
  }

  private standing(): Standing {
    const decided = this.claims.flatMap(({ property, decided: decision }) =>
      decision === undefined ? [] : [{ property: property.name, state: [...decision.state], level: decision.level }],
    );
    const { level, transitions } = this;
    return { level, transitions, levels: this.ways.levels, seconds: this.seconds(), decided };
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
      if (this.checkpoints?.isDue() === true) yield* this.save();
      this.limit = this.reachedLimit(states);
      if (this.limit !== undefined) return;
      this.round(states);
      if (this.limit === undefined && this.earlier?.release() === false) this.limit = 'temporary file';
      if (this.limit !== undefined) return;
    }
  }

  /** Decides what can be decided only once all states are known. */
  *decideAfterwards(): Generator<Progress, void> {
    if (this.openTo !== undefined) return;
    const { states } = this.totals();
    const { options, program, isWhole } = this;
    const explored = this.explored(states);
    for (const done of decideOverTime(explored)) yield this.progress(states, states - done);
    // With more time or memory, what was explored need not be explored again.
    const isOpen = this.claims.some(({ finding }) => finding?.verdict === 'unknown');
    if (isOpen && isWhole) yield* this.save();
    const isPartly = options.resume !== undefined || program.functions.some(({ form }) => form !== 'tree');
    findVacuous(explored, isPartly ? () => this.pieces() : undefined);
    if (options.coverage !== true || !isWhole) return;
    const counting = coverageOf(program, this.pieces());
    let next = counting.next();
    for (; next.done !== true; next = counting.next()) yield this.progress(states, 0);
    this.coverage = next.value;
  }

  private explored(states: number): Explored {
    const { program, claims, transitions, maxMemory, options } = this;
    const { signal, maxSeconds = Number.POSITIVE_INFINITY } = options;
    return {
      program,
      claims,
      initial: this.reduction.initial,
      states,
      transitions,
      used: this.crew.banks.reduce((sum, bank) => sum + bank.bytes, 0),
      maxMemory,
      stopped: () => {
        if (signal?.aborted === true) return 'the search was interrupted before';
        const isOver = this.seconds() - this.secondsBefore >= maxSeconds;
        return isOver ? 'the limit max-seconds was reached before' : undefined;
      },
    };
  }

  /** What keeps a search from telling that something holds in all states. */
  private get openTo(): Limit | undefined {
    return this.limit ?? limitOf(this.options.store ?? 'exact');
  }

  /** Whether all reachable states of the whole model were explored, and are kept. */
  private get isWhole(): boolean {
    return this.openTo === undefined && Object.keys(this.program.narrowing).length === 0;
  }

  /** All states that were found, packed, some at a time. */
  private *pieces(): Generator<Int32Array, void> {
    for (let shard = 0; shard < shards; shard++) {
      for (const { buffer, byteOffset, byteLength } of this.crew.bankOf(shard).pieces(shard)) {
        yield new Int32Array(buffer, byteOffset, byteLength / 4);
      }
    }
  }

  /** What it tells when all is explored. */
  tracing(): Progress {
    const { states, waiting } = this.totals();
    return { ...this.progress(states, waiting), tracing: true };
  }

  private progress(states: number, frontier: number): Progress {
    return { states, transitions: this.transitions, depth: this.depth, frontier, seconds: this.seconds() };
  }

  private reachedLimit(states: number): Limit | undefined {
    const { maxStates = Number.POSITIVE_INFINITY, maxSeconds = Number.POSITIVE_INFINITY } = this.options;
    if (states >= maxStates) return 'max-states';
    if (this.options.signal?.aborted === true) return 'interrupted';
    if (this.seconds() - this.secondsBefore >= maxSeconds) return 'max-seconds';
    const bytes = this.crew.banks.reduce((sum, bank) => sum + bank.bytes, 0);
    return bytes > this.maxMemory || heapIsOver(undefined) ? 'max-memory' : undefined;
  }

  /** Takes in the initial states. */
  private begin(): void {
    const packed = this.reduction.initial.map((state) => this.reduction.reduced(state));
    for (let done = 0; done < packed.length; done += initialStatesPerRound) {
      for (const bank of this.crew.banks) bank.beginRound();
      const [first] = this.crew.banks;
      for (const state of packed.slice(done, done + initialStatesPerRound)) first?.addSuccessor(state);
      if (!this.takeIn(0)) this.limit = 'max-memory';
    }
  }

  /** Explores some states of the level. */
  private round(states: number): void {
    const start = clock();
    const before = this.crew.banks.map((bank) => bank.progress());
    const left = this.left();
    // Near the limit few states are explored at a time, so that it is exceeded by what one state leads to at most.
    const { maxStates = Number.POSITIVE_INFINITY } = this.options;
    const certain = Math.floor((maxStates - states) / Math.max(1, this.program.rules.length));
    const most = Math.max(1, Math.min(this.pace, certain));
    const report = this.crew.do({ do: 'expand', most }, Math.min(most, left) >= muchToExpand);
    if (report.missed.length + report.stuck.length > 0) {
      const missing = clock();
      withoutClockOrChance(() => {
        this.runMissed(report);
        this.judgeStuck(report.stuck);
      });
      this.noteMissing(clock() - missing);
    }
    this.relinkIfDue();
    const collected = this.collected();
    if (this.takeIn(this.level + 1)) {
      this.transitions += collected;
      this.keepPace(left - this.left(), clock() - start);
      return;
    }
    for (const [i, bank] of this.crew.banks.entries()) bank.rewind(before[i] as Int32Array);
    this.limit = 'max-memory';
  }

  /** Explores fewer states in the next round if one of so many took long, in milliseconds. */
  private keepPace(explored: number, took: number): void {
    if (took > 2 * roundTime) this.pace = Math.ceil(Math.min(this.pace, explored / this.crew.banks.length) / 2);
    else if (took < roundTime) this.pace = Math.min(mostAtOnce, 2 * this.pace);
  }

  /** Runs the rules that the generated code did not know. */
  private runMissed({ missed }: Report): void {
    for (let i = 0; i < missed.length;) {
      const [shard, id] = [missed[i] as number, missed[i + 1] as number];
      const bank = this.crew.bankOf(shard);
      const state = bank.state(shard, id);
      let enabled = 0;
      for (; missed[i] === shard && missed[i + 1] === id; i += 3) {
        for (const after of this.at(state, this.level, () => this.program.missing(missed[i + 2] as number, state))) {
          enabled++;
          bank.addSuccessor(after);
        }
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
    const test = (): void => {
      for (let i = 0; i < unknown.length; i += 3) {
        const [shard, id, about] = [unknown[i] as number, unknown[i + 1] as number, unknown[i + 2] as number];
        const compiled = this.program.functions[about];
        if (compiled?.what.kind !== 'property') continue;
        const state = this.crew.bankOf(shard).state(shard, id);
        const answer = this.at(state, level, () => this.program.outcome(compiled, state));
        const { property } = compiled.what;
        if (answer === decidingAnswer(property)) keepLeast(decided, this.program.properties.indexOf(property), state);
      }
    };
    if (unknown.length > 0) {
      withoutClockOrChance(test);
      this.noteMissing(clock() - missing);
    }
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
      throw new ModelErrorAtState(error, this.wayTo(state, level) ?? rethrow(error));
    }
  }

  /** A path to a state, unless the model's functions do not do the same when they are run again. */
  private wayTo(state: Int32Array, level: number): Path | undefined {
    try {
      return this.ways.pathTo(state, level);
    } catch (error) {
      if (error instanceof ModelError) return undefined;
      throw error;
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
    const bytes = generate(this.program, maxPages);
    this.crew.link(new WebAssembly.Module(bytes));
    const took = clock() - start;
    this.linked = { version, footprint, took, missing: 0 };
    const { generated, milliseconds, missMilliseconds } = this.code;
    this.code = {
      bytes: bytes.length,
      generated: generated + 1,
      milliseconds: milliseconds + took,
      missMilliseconds,
    };
  }

  /** Functions were run that generated code did not know, for so many milliseconds. */
  private noteMissing(took: number): void {
    this.linked.missing += took;
    this.code = { ...this.code, missMilliseconds: this.code.missMilliseconds + took };
  }

  /** Compares some states that were explored with what the language means; where something is left out it cannot be. */
  private audit(): void {
    if (Object.keys(this.program.narrowing).length > 0) return;
    for (let shard = 0; shard < shards; shard += 8) {
      const bank = this.crew.bankOf(shard);
      const explored = bank.progress()[shard] as number;
      if (explored === 0) continue;
      this.earlier?.recall(shard, explored >> 1);
      audit(this.program, bank, shard, explored >> 1);
    }
  }

  /** Ends what does not end by itself. */
  close(): void {
    this.crew.close();
    this.earlier?.close();
  }

  result(): CheckResult {
    if (this.program.version !== this.linked.version) this.relink();
    const digest = new Digest();
    for (const bank of this.crew.banks) digest.addSums(...bank.digest);
    const { states } = this.totals();
    const { transitions, depth } = this;
    const { store = 'exact' } = this.options;
    this.audit();
    const never =
      this.coverage === undefined
        ? this.isWhole && this.options.resume === undefined
          ? neverAfter(this.program)
          : undefined
        : neverIn(this.coverage);
    const decided = this.claims.flatMap((claim) => claim.decided ?? []);
    const ways = withoutClockOrChance(() => this.ways.pathsTo(decided));
    const run = {
      states,
      transitions,
      depth,
      seconds: this.seconds(),
      digest: digest.toString(),
      engine: 'compiled' as const,
      workers: this.crew.workers,
      store,
      storedBytes: this.crew.banks.reduce((sum, bank) => sum + bank.stored, 0),
      ...(this.earlier === undefined ? {} : { omission: this.earlier.omission() }),
      ...(this.checkpoints === undefined ? {} : { checkpoint: this.checkpoints.saved() }),
      ...(this.coverage === undefined ? {} : { coverage: this.coverage }),
      ...(never === undefined ? {} : { never }),
      ...(this.options.explain === true ? { explanation: explanationOf(this.program, this.code) } : {}),
    };
    return resultOf(this.instance, this.claims, run, this.openTo, ({ property }, decision) => {
      const way = ways[decided.indexOf(decision)];
      if (way === undefined) throw new Error('a property was decided in a state without a path');
      const state = this.program.layout.unpack(way.end);
      const deciding = decidingAnswer(property);
      const binding =
        property.kind === 'deadlock'
          ? {}
          : (property.bindings.find((candidate) => property.test(state, candidate) === deciding) ?? {});
      return { path: way.path, binding };
    });
  }
}

function rethrow(error: unknown): never {
  throw error;
}

const initialStatesPerRound = 4096;
/** From so many states, and so many successors, on it pays to share the work. */
const muchToExpand = 1000;
const muchToTakeIn = 10_000;
/** How many states are explored in a round at most, and how many milliseconds it may take. */
const mostAtOnce = 2 ** 30;
const roundTime = 50;
