/**
 * Random walks on the compiled form. What is random is given to it: the walker itself is a function of numbers.
 */
import { ModelError } from '../../language/index.ts';
import type { Layout, Leaf, Part } from '../compile/layout.ts';
import { leavesOf } from '../compile/layout.ts';
import type { Compiled, Program } from '../compile/program.ts';
import { ModelErrorAtState } from '../search/options.ts';
import { generateWalk, insteadOfZero, isGoal, stop, stretched, testsOf, type WalkExports } from './walk-module.ts';
import { pathOf } from './walk.ts';

const page = 65536;
/** How many random numbers are drawn at once. */
const drawn = 4096;
/** How many rules are tried as the table has it, before any that is enabled is as good. */
const triesPerStep = 12;

/** One run: the rules that were taken from a state, and what ended it. */
export interface Run {
  readonly initial: Int32Array;
  /** Numbers of rules with their parameters bound. */
  readonly rules: Int32Array;
  /** The test that failed in the last state, or that nothing is enabled there and it is not final. */
  readonly broken: Compiled | 'deadlock' | undefined;
  /** The last state. */
  readonly state: Int32Array;
  /** Nothing is enabled there. */
  readonly isOver: boolean;
}

/** What a run is made of. */
export interface Draw {
  /** 32 random bits. */
  readonly next: () => number;
  readonly initial: Int32Array;
  readonly steps: number;
  readonly choice: Choice;
  /** What the rest of the run chooses from once nothing in `choice` is enabled: all rules. */
  readonly all: Choice;
}

/** Runs one after the other. */
interface Before {
  readonly initial: Int32Array;
  readonly rules: readonly Int32Array[];
}

/** The rules that may be tried. */
export interface Choice {
  /** A rule that is in it more often is tried more often. Its length is a power of two. */
  readonly table: Int32Array;
  /** A bit for each rule, which is set if it is not in the table; and for more, up to whole words, where it is set. */
  readonly off: Int32Array;
}

/** Walks of one program. */
export class Walker {
  readonly program: Program;
  private readonly tests: readonly Test[];
  private readonly finals: readonly Compiled[];
  private readonly memory: WebAssembly.Memory;
  private readonly numbers: Int32Array;
  private readonly at: {
    readonly state: number;
    readonly random: number;
    readonly table: number;
    readonly goals: number;
    readonly disabled: number;
    readonly off: number;
    readonly path: number;
  };
  private readonly longest: number;
  private readonly patience: number;
  private readonly state: Int32Array;
  /** How many steps the run in hand has. */
  private taken = 0;
  private readonly together: ReadonlyMap<Leaf, readonly Leaf[]>;
  private exports: WalkExports | undefined;
  private generatedVersion = -1;
  /** How many leaves each rule's tree read when code was generated. */
  private readonly readsOf: number[] = [];
  /** Tests that may read what the generated code does not know that they read. */
  private isStale = true;
  /** How many steps were taken since something new was met. */
  private quiet = 0;

  /** `patience`: after so many tries without anything new that a test reads, code is generated. */
  constructor(program: Program, longest: number, largestTable: number, patience = quietTries) {
    this.patience = patience;
    this.program = program;
    this.longest = longest;
    this.together = sequencesOf(program.layout);
    this.tests = testsOf(program).map((compiled) => ({ compiled, reads: new Set(), words: new Set(), size: 0 }));
    this.finals = program.functions.filter(({ what }) => what.kind === 'final');
    let next = page;
    const take = (numbers: number): number => {
      const start = next;
      next += Math.ceil((numbers * 4 + 64) / 64) * 64;
      return start;
    };
    this.at = {
      state: take(program.layout.words),
      random: take(drawn),
      table: take(largestTable),
      goals: take(this.tests.length),
      disabled: take(Math.ceil(program.rules.length / 32)),
      off: take(Math.ceil(program.rules.length / 32)),
      path: take(longest),
    };
    const pages = Math.ceil(next / page) + 1;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.numbers = new Int32Array(this.memory.buffer);
    this.state = this.numbers.subarray(this.at.state >>> 2, (this.at.state >>> 2) + program.layout.words);
  }

  /** The tests of `reachable` properties whose goal was met so far. */
  goals(): readonly Compiled[] {
    return this.tests.flatMap(({ compiled }, i) => (this.numbers[(this.at.goals >>> 2) + i] === 1 ? [compiled] : []));
  }

  /**
   * Makes one run. Throws `ModelErrorAtState` where the model is broken. `from`: where the runs that it
   * goes on from began, and their rules.
   */
  run(draw: Draw, from: Before = { initial: draw.initial, rules: [] }): Run {
    try {
      // Where a run goes on, all is known of its first state.
      return this.walk(draw, from.rules.length > 0);
    } catch (error) {
      if (!(error instanceof ModelError) || error instanceof ModelErrorAtState) throw error;
      const rules = [...from.rules, this.path(this.taken)].flatMap((piece) => [...piece]);
      throw new ModelErrorAtState(error, pathOf(this.program, from.initial, rules));
    }
  }

  private walk({ next, initial, steps, choice, all }: Draw, isTested: boolean): Run {
    const { numbers, at, program, state } = this;
    const most = Math.min(steps, this.longest);
    const { length } = program.rules;
    state.set(initial);
    this.taken = 0;
    this.forgetDisabled();
    let mask = 0;
    let left = triesPerStep;
    let chosen = choice;
    const choose = (from: Choice): void => {
      chosen = from;
      numbers.set(from.table, at.table >>> 2);
      numbers.set(from.off, at.off >>> 2);
      mask = from.table.length - 1;
      left = triesPerStep;
    };
    choose(choice);
    let random = 0;
    let end = 0;
    let bits = 0;
    let broken = isTested ? undefined : this.test(state);
    /** Rules that are known to be disabled in the present state alone. */
    const forgotten: number[] = [];
    /** Whether nothing at all is enabled. */
    const isOver = (): boolean => {
      if (chosen === all) return true;
      choose(all);
      return false;
    };
    /** Takes a step by a rule that generated code does not know, if it is enabled. */
    const tryRule = (rule: Compiled): void => {
      const after = program.after(rule, state);
      if (after === undefined) {
        const place = (at.disabled >>> 2) + (rule.index >>> 5);
        numbers[place] = (numbers[place] as number) | (1 << (rule.index & 31));
        // Generated code does not know all that makes it enabled again.
        if (rule.tree.reads.size !== this.readsOf[rule.index]) forgotten.push(rule.index);
        return;
      }
      const before = state.slice();
      state.set(after);
      numbers[(at.path >>> 2) + this.taken++] = rule.index;
      left = triesPerStep;
      bits = 0;
      this.forgetDisabled();
      forgotten.length = 0;
      broken = this.test(state, before);
    };
    /** The next rule to try, as the generated code chooses it: it must not matter who does. */
    const chooseRule = (): number | undefined => {
      if (bits === 0) bits = (numbers[(at.random >>> 2) + random++] as number) || insteadOfZero;
      if (left > 0) {
        left--;
        const rule = chosen.table[bits & mask] as number;
        bits = stretched(bits);
        return rule;
      }
      for (let i = 0; i < length; i++) {
        const rule = ((bits >>> 0) + i) % length;
        if (!this.isSet(at.disabled, rule) && !this.isSet(at.off, rule)) return rule;
      }
      return undefined;
    };
    while (broken === undefined && this.taken < most) {
      if (random === end && bits === 0) {
        random = 0;
        end = Math.min(drawn, most - this.taken);
        for (let i = 0; i < end; i++) numbers[(at.random >>> 2) + i] = next();
      }
      const module = this.module();
      if (module === undefined) {
        const rule = chooseRule();
        if (rule === undefined) {
          if (isOver()) return this.ended(initial);
        } else if (!this.isSet(at.disabled, rule)) tryRule(program.rules[rule] as Compiled);
        continue;
      }
      module.random.value = at.random + random * 4;
      module.randomEnd.value = at.random + end * 4;
      module.bits.value = bits;
      module.table.value = at.table;
      module.mask.value = mask;
      module.left.value = left;
      module.disabled.value = at.disabled;
      module.off.value = at.off;
      module.goals.value = at.goals;
      module.path.value = at.path + this.taken * 4;
      module.found.value = 0;
      module.unsure.value = 0;
      const why = module.walk(at.state, forgotten.length > 0 ? 1 : most - this.taken, triesPerStep);
      random = (module.random.value - at.random) >>> 2;
      bits = module.bits.value;
      const before = this.taken;
      this.taken = (module.path.value - at.path) >>> 2;
      if (this.taken > before) for (const rule of forgotten.splice(0)) this.forgetThat(rule);
      left = module.left.value;
      if (why === stop.unknownRule) tryRule(program.rules[module.rule.value] as Compiled);
      // Where several fail it is the first, whoever has found it.
      else if (why === stop.test) broken = this.test(state);
      else if (why === stop.nothing && isOver()) return this.ended(initial);
    }
    return { initial, rules: this.path(this.taken), broken, state: state.slice(), isOver: false };
  }

  private forgetThat(rule: number): void {
    const place = (this.at.disabled >>> 2) + (rule >>> 5);
    this.numbers[place] = (this.numbers[place] as number) & ~(1 << (rule & 31));
  }

  private isSet(bits: number, rule: number): boolean {
    return (((this.numbers[(bits >>> 2) + (rule >>> 5)] as number) >>> (rule & 31)) & 1) === 1;
  }

  /** The rules of the run in hand. */
  private path(length: number): Int32Array {
    return this.numbers.slice(this.at.path >>> 2, (this.at.path >>> 2) + length);
  }

  private forgetDisabled(): void {
    const from = this.at.disabled >>> 2;
    this.numbers.fill(0, from, from + Math.ceil(this.program.rules.length / 32));
  }

  /** The run in hand, where nothing more can happen. */
  private ended(initial: Int32Array): Run {
    const isFinal =
      this.finals.length === 0 || this.finals.some((final) => this.program.outcome(final, this.state) === true);
    return {
      initial,
      rules: this.path(this.taken),
      broken: isFinal ? undefined : 'deadlock',
      state: this.state.slice(),
      isOver: true,
    };
  }

  /** The test that fails in a state; after a step only what the step may have changed is tried. Notes the goals that are met. */
  private test(state: Int32Array, before?: Int32Array): Compiled | undefined {
    let broken: Compiled | undefined;
    const changed = before === undefined ? undefined : [...state.keys()].filter((i) => state[i] !== before[i]);
    for (const [i, test] of this.tests.entries()) {
      const { compiled } = test;
      if (compiled.form === 'tree' && changed?.every((word) => !test.words.has(word)) === true) continue;
      const outcome = this.program.outcome(compiled, state);
      if (compiled.tree.reads.size !== test.size) this.learn(test);
      if (isGoal(compiled)) {
        if (outcome === true) this.numbers[(this.at.goals >>> 2) + i] = 1;
      } else if (outcome === false) broken ??= compiled;
    }
    return broken;
  }

  /** Takes note that a test reads more than was known. */
  private learn(test: Test): void {
    const { reads } = test.compiled.tree;
    test.size = reads.size;
    for (const leaf of reads) {
      if (test.reads.has(leaf)) continue;
      this.isStale = true;
      this.quiet = 0;
      for (const also of this.together.get(leaf) ?? [leaf]) {
        test.reads.add(also);
        test.words.add(also.word);
      }
    }
  }

  /** The generated code, unless it does not know enough yet. */
  private module(): WalkExports | undefined {
    const { version } = this.program;
    const news = version - this.generatedVersion;
    // While nearly every step meets something new, generating code does not pay.
    if (this.isStale && this.quiet++ < this.patience) return undefined;
    if (!this.isStale && (news === 0 || news < Math.max(fewPaths, version / 8))) return this.exports;
    this.generatedVersion = version;
    this.isStale = false;
    for (const { index, tree } of this.program.rules) this.readsOf[index] = tree.reads.size;
    const reads = new Map(this.tests.map((test) => [test.compiled.tree.reads as ReadonlySet<Leaf>, test.reads]));
    const module = new WebAssembly.Module(
      generateWalk(this.program, this.memory.buffer.byteLength / page, (of) => reads.get(of) ?? of),
    );
    this.exports = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports as unknown as WalkExports;
    return this.exports;
  }
}

/** A test, and what it is taken to read. */
interface Test {
  readonly compiled: Compiled;
  readonly reads: Set<Leaf>;
  readonly words: Set<number>;
  /** How many leaves its tree read when this was last looked at. */
  size: number;
}

/** So many tries without anything new that a test reads, and code is generated. */
const quietTries = 2000;
/** So many new paths are too few to generate code anew. */
const fewPaths = 128;

/** For the leaves in queues, bags and sets: all leaves of the same one, for who reads one of them will read others. */
function sequencesOf({ root }: Layout): ReadonlyMap<Leaf, readonly Leaf[]> {
  const together = new Map<Leaf, readonly Leaf[]>();
  const visit = (part: Part): void => {
    if (part.kind === 'queue' || part.kind === 'bag' || part.kind === 'set') {
      const leaves = leavesOf(part);
      for (const leaf of leaves) together.set(leaf, leaves);
    } else if (part.kind === 'record') for (const [, field] of part.fields) visit(field);
    else if (part.kind === 'each') for (const element of part.elements) visit(element);
    else if (part.kind === 'optional') visit(part.of);
  };
  visit(root);
  return together;
}
