/**
 * What a function may read and write in any state, reached or not: its tree is completed by running it with every answer to
 * every question that it asks.
 */
import type { Bound } from '../../language/index.ts';
import type { Leaf } from '../compile/layout.ts';
import { type Question, Unsupported } from '../compile/machine.ts';
import type { Compiled, Program } from '../compile/program.ts';
import { leavesAsked } from '../compile/tree.ts';

/** The leaves that a function may read and write. */
export interface Footprint {
  /** All that its outcome or the values that it writes depend on. */
  readonly reads: ReadonlySet<Leaf>;
  readonly writes: ReadonlySet<Leaf>;
  /** What a rule does where it is enabled: the answers on the way, by the key of the question, and what it writes. */
  readonly ways: readonly Way[];
}

/** One way through a rule that ends in writes. */
export interface Way {
  readonly answers: ReadonlyMap<string, number>;
  /** The number that each written leaf gets; a leaf that is copied from another has none. */
  readonly writes: ReadonlyMap<Leaf, number | undefined>;
}

/** A function with more ways than this counts as reading and writing everything. */
const wayBudget = 1500;

export type FootprintOf = (compiled: Compiled) => Footprint | undefined;

/** The footprints of rules, which all searches of an instance share. */
const ofRules = new WeakMap<Bound, { readonly footprint: Footprint | undefined }>();

/** Footprints of a program's functions, each computed once. */
export function footprintsOf(program: Program): FootprintOf {
  const known = new Map<Compiled, Footprint | undefined>();
  return (compiled) => {
    const { what } = compiled;
    const shared = what.kind === 'rule' ? ofRules.get(what.bound) : undefined;
    if (shared !== undefined) return shared.footprint;
    if (known.has(compiled)) return known.get(compiled);
    const footprint = footprintOf(program, compiled);
    known.set(compiled, footprint);
    if (what.kind === 'rule') ofRules.set(what.bound, { footprint });
    return footprint;
  };
}

/** The footprint of a function, or `undefined` where it counts as reading and writing everything. */
function footprintOf(program: Program, compiled: Compiled): Footprint | undefined {
  if (compiled.form === 'immutable') return undefined;
  const reads = new Set<Leaf>();
  const writes = new Set<Leaf>();
  const ways: Way[] = [];
  /** The answers to give: those of the last run, the last of them that has another set to the next. */
  let script: number[] | undefined = [];
  for (let count = 0; script !== undefined; count++) {
    if (count === wayBudget) return undefined;
    const given: { readonly answer: number; readonly options: number }[] = [];
    const oracle = (question: Question): number => {
      const options = question.ask === 'leaf' ? question.leaf.count : 2;
      // The ways are at least as many as the answers to any question.
      if (options > wayBudget) throw new Unsupported('too many ways');
      const answer = script?.[given.length] ?? 0;
      given.push({ answer, options });
      return answer;
    };
    let run: ReturnType<Program['imagine']>;
    try {
      run = program.imagine(compiled, oracle);
    } catch {
      return undefined;
    }
    for (const { question } of run.path) for (const leaf of leavesAsked(question)) reads.add(leaf);
    if (typeof run.outcome === 'object') {
      for (const { leaf, from } of run.outcome.writes) {
        writes.add(leaf);
        if (typeof from !== 'number') reads.add(from);
      }
      ways.push({
        answers: new Map(run.path.map(({ question, answer }) => [question.key, answer])),
        writes: new Map(
          run.outcome.writes.map(({ leaf, from }) => [leaf, typeof from === 'number' ? from : undefined]),
        ),
      });
    }
    const last = given.findLastIndex(({ answer, options }) => answer + 1 < options);
    script = last < 0 ? undefined : given.slice(0, last + 1).map(({ answer }, i) => answer + Number(i === last));
  }
  return { reads, writes, ways };
}

/** Whether two footprints leave it open in which order the functions run. */
export function areIndependent(a: Footprint | undefined, b: Footprint | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return !meets(a.writes, b.reads) && !meets(a.writes, b.writes) && !meets(a.reads, b.writes);
}

/** Whether two sets have an element in common. */
export function meets<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const element of small) if (large.has(element)) return true;
  return false;
}
