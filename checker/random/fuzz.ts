/**
 * Random exploration of one instance, in blocks of runs: each block has a seed of its own, and what it finds depends on that alone.
 */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import {
  type ActionData,
  type Binding,
  initialStates,
  type Instance,
  propertiesOf,
  type PropertySet,
  type Rule,
  type State,
  withoutClockOrChance,
} from '../../language/index.ts';
import { Program } from '../compile/program.ts';
import { ModelErrorAtState } from '../search/options.ts';
import { chancesOf, largestTable } from './chances.ts';
import { Judge } from './judge.ts';
import type { Shortening } from './shorter.ts';
import { Suspector } from './suspect.ts';
import { actionOf, type Failure, ruleAt, type Walk } from './walk.ts';
import { longest, WalkArbitrary } from './walk-arbitrary.ts';
import { Walker } from './walker.ts';

/** How many runs a block has. */
export const runsPerBlock = 256;
/** How many first runs tell how likely each rule is to be taken, and the seed of these. */
const firstRuns = 24;
const firstSeed = 1;

/** What was found, as plain data. */
export interface Found {
  readonly property: string;
  readonly binding: Binding;
  /** Which of the initial states it starts from. */
  readonly initial: number;
  readonly actions: readonly ActionData[];
  /** Of a suspicion about `leadsTo` or `eventually`: how many steps lead to its loop, or to where it stops. */
  readonly loopFrom?: number;
  /** Leads fast-check to it, with the seed of the block. */
  readonly path: string;
}

/** What a block came to. */
export interface Block {
  readonly runs: number;
  readonly steps: number;
  /** How many ways through the functions of the model are known so far, which grows while runs meet something new. */
  readonly ways: number;
  /** The reachable properties whose goal was met so far. */
  readonly goals: readonly string[];
  /** The run that failed first, made shorter. */
  readonly failed?: Found;
  /** What is suspected about properties over time: the first run for each property, as it was. */
  readonly suspicions: readonly Found[];
  /** A mistake in the model, and the way there. */
  readonly error?: { readonly message: string } & Pick<Found, 'initial' | 'actions'>;
}

/** Makes random runs of an instance. */
export class Fuzzer {
  readonly program: Program;
  readonly initial: readonly State[];
  private readonly walker: Walker;
  private readonly of: Shortening;
  private readonly suspector: Suspector;
  private arbitrary: WalkArbitrary | undefined;

  constructor(instance: Instance, sets: readonly PropertySet[], only?: readonly string[]) {
    this.program = new Program(instance, propertiesOf(instance, sets, only));
    const { program } = this;
    this.walker = new Walker(program, longest, largestTable(program));
    this.initial = initialStates(instance);
    const initial = this.initial.map((state) => program.layout.pack(state));
    this.of = { judge: new Judge(program), program, initial };
    this.suspector = new Suspector(program, this.of.judge, this.walker);
  }

  /** The runs of a block, or the one to which a path leads. */
  block(seed: number, runs: number, path?: string): Block {
    const counts = { runs: 0, steps: 0 };
    const suspicions = new Map<string, Found>();
    const begin = Number(path?.split(':')[0] ?? 0);
    const wholePath = (run: number): string => path ?? String(run);
    try {
      this.arbitrary ??= withoutClockOrChance(() => this.favouring());
      const property = fc.property(this.arbitrary, (walk) => {
        const { rules, failure, suspicion } = walk;
        if (suspicion !== undefined && !suspicions.has(suspicion.property.name)) {
          const found = this.found({ ...walk, rules: suspicion.rules }, suspicion, wholePath(begin + counts.runs));
          const { loopFrom } = suspicion;
          suspicions.set(found.property, { ...found, ...(loopFrom === undefined ? {} : { loopFrom }) });
        }
        counts.runs++;
        counts.steps += rules.length;
        return failure === undefined;
      });
      const which = path === undefined ? { numRuns: runs } : { numRuns: 1, path };
      const { counterexample, counterexamplePath } = withoutClockOrChance(() => fc.check(property, { seed, ...which }));
      const walk = counterexample?.[0];
      const found =
        walk?.failure === undefined ? {} : { failed: this.found(walk, walk.failure, counterexamplePath ?? '') };
      return { ...counts, ...this.known(), suspicions: [...suspicions.values()], ...found };
    } catch (error) {
      if (!(error instanceof ModelErrorAtState)) throw error;
      const { initial, actions } = error.path;
      const key = this.program.instance.domain.key(initial);
      const start = this.initial.findIndex((state) => this.program.instance.domain.key(state) === key);
      return { ...counts, ...this.known(), suspicions: [], error: { message: error.message, initial: start, actions } };
    }
  }

  /** What is suspected, by a shorter way. */
  shortened(found: Found): Found {
    const property = this.program.properties.find(({ name }) => name === found.property);
    const binding = property?.bindings.find((one) => isDeepStrictEqual(one, found.binding));
    const initial = this.of.initial[found.initial];
    if (property === undefined || binding === undefined || initial === undefined) return found;
    const rules = Int32Array.from(found.actions, (action) =>
      this.program.rules.findIndex((rule) => isDeepStrictEqual(actionOf(rule), action)),
    );
    const { loopFrom } = found;
    const shorter = withoutClockOrChance(() =>
      this.suspector.shortened({ property, binding, rules, loopFrom }, initial),
    );
    const actions = Array.from(shorter.rules, (index) => actionOf(ruleAt(this.program, index)));
    return { ...found, actions, ...(shorter.loopFrom === undefined ? {} : { loopFrom: shorter.loopFrom }) };
  }

  private known(): Pick<Block, 'ways' | 'goals'> {
    const goals = this.walker.goals().map(({ what }) => (what.kind === 'rule' ? '' : what.property.name));
    return { ways: this.program.version, goals: [...new Set(goals)] };
  }

  private found({ initial, rules }: Walk, { property, binding }: Failure, path: string): Found {
    return {
      property: property.name,
      binding,
      initial: this.of.initial.findIndex((state) => state.every((word, i) => word === initial[i])),
      actions: Array.from(rules, (index) => actionOf(ruleAt(this.program, index))),
      path,
    };
  }

  /** What the first runs take tells what to favour; they are the same in every search, so that seeds mean the same. */
  private favouring(): WalkArbitrary {
    const { walker, program, of } = this;
    const even = new WalkArbitrary(walker, chancesOf(program, new Map()), of);
    const taken = new Map<Rule, number>();
    for (const { rules } of fc.sample(even, { seed: firstSeed, numRuns: firstRuns })) {
      for (const index of rules) {
        const { what } = ruleAt(program, index);
        if (what.kind === 'rule') taken.set(what.rule, (taken.get(what.rule) ?? 0) + 1);
      }
    }
    return new WalkArbitrary(walker, chancesOf(program, taken), of, this.suspector);
  }
}

/** The seed of a block: for the first one that of the search, so that one number is enough to speak of it. */
export function seedOf(seed: number, block: number): number {
  if (block === 0) return seed;
  let x = (seed ^ Math.imul(block, 0x9e37_79b1)) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return x ^ (x >>> 16);
}
