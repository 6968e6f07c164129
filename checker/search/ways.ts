/**
 * Shortest paths without stored edges: from a state back, level by level, by exploring each earlier level once more and
 * looking for the states that lead there. Of several the least is taken, so that paths do not depend on the order of search.
 */
import { shards } from '../compile/format.ts';
import type { Program } from '../compile/program.ts';
import { type Reduction, unsteady } from '../reduce/reduction.ts';
import type { Path } from '../result.ts';
import type { Bank } from './bank.ts';
import type { Crew } from './crew.ts';
import type { Earlier } from './earlier.ts';
import { isLess } from './phases.ts';

interface Target {
  readonly state: Int32Array;
  readonly level: number;
}

/** A path of the whole model, and the state to which it leads. */
interface Way {
  readonly path: Path;
  readonly end: Int32Array;
}

/** The levels of a search, and paths through them. */
export class Ways {
  /** The end of each shard's part of each level. */
  readonly levels: (readonly number[])[] = [];
  private readonly program: Program;
  private readonly reduction: Reduction;
  private readonly crew: Crew;
  /** Where the states are that are not kept. */
  private readonly earlier: Earlier | undefined;

  constructor(program: Program, reduction: Reduction, crew: Crew, earlier?: Earlier) {
    this.program = program;
    this.reduction = reduction;
    this.crew = crew;
    this.earlier = earlier;
  }

  pathTo(state: Int32Array, level: number): Path {
    return (this.pathsTo([{ state, level }])[0] as Way).path;
  }

  /** A shortest path to each of the states. The code in use must know all that the program knows. */
  pathsTo(targets: readonly Target[]): readonly Way[] {
    const chains = targets.map(({ state }) => [state]);
    const deepest = targets.reduce((most, { level }) => Math.max(most, level), 0);
    for (let level = deepest; level > 0; level--) {
      const open = chains.filter((chain, i) => (targets[i] as Target).level - chain.length + 1 === level);
      const before = this.predecessors(
        level - 1,
        open.map((chain) => chain.at(-1) as Int32Array),
      );
      for (const chain of open) {
        const previous = before.get(String(chain.at(-1)));
        if (previous === undefined) throw unsteady(this.program);
        chain.push(previous);
      }
    }
    return chains.map((chain) => this.reduction.concrete(chain.toReversed()));
  }

  /** The least state of a level that leads to each of the states. */
  private predecessors(level: number, states: readonly Int32Array[]): ReadonlyMap<string, Int32Array> {
    const found = new Map<string, Int32Array>();
    const firstWords = new Set(states.map(([word]) => word));
    const keys = new Set(states.map(String));
    /** The keys of those states that are among the successors of a run. */
    const met = (bank: Bank, shard: number, id: number, n: number): readonly [string[], number] => {
      bank.beginRound();
      const missed: number[] = [];
      const done = bank.expandRun(shard, id, n, missed, []);
      for (let i = 0; i < missed.length; i += 3) {
        const state = bank.state(missed[i] as number, missed[i + 1] as number);
        for (const after of this.program.missing(missed[i + 2] as number, state)) bank.addSuccessor(after);
      }
      const { words, stride, count } = bank.successorsFrom(0);
      const hits: string[] = [];
      for (let i = 0; i < count * stride; i += stride) {
        if (!firstWords.has(words[i])) continue;
        const key = String(words.subarray(i, i + stride - 1));
        if (keys.has(key)) hits.push(key);
      }
      return [hits, done];
    };
    for (let shard = 0; shard < shards && keys.size > 0; shard++) {
      const bank = this.crew.bankOf(shard);
      const end = (this.levels[level] as readonly number[])[shard] as number;
      const most = Math.max(1, Math.floor(16384 / Math.max(1, this.program.rules.length)));
      for (let id = level === 0 ? 0 : ((this.levels[level - 1] as readonly number[])[shard] as number); id < end;) {
        this.earlier?.recall(shard, id);
        const [hits, done] = met(bank, shard, id, Math.min(end - id, most));
        for (let i = id; hits.length > 0 && i < id + done; i++) {
          const [own] = met(bank, shard, i, 1);
          if (own.length === 0) continue;
          const state = bank.state(shard, i);
          for (const key of own) {
            const known = found.get(key);
            if (known === undefined || isLess(state, known)) found.set(key, state);
          }
        }
        id += done;
      }
    }
    return found;
  }
}
