/**
 * Bounded breadth-first search from states of a walk, with some of the rules: what is near, and by which way.
 */
import type { Program } from '../compile/program.ts';
import { ruleAt } from './walk.ts';

/** A state that was found, and how. */
interface Found {
  readonly state: Int32Array;
  readonly from: number;
  readonly rule: number;
  readonly depth: number;
}

/** What to search. */
export interface Nearby {
  readonly program: Program;
  readonly start: readonly Int32Array[];
  readonly rules: readonly number[];
  /** No way is longer than this. */
  readonly depth: number;
  /** How often a rule may be run. */
  readonly budget: number;
  /** Adds to a state what else tells states apart, given that of the state before. */
  readonly mark?: (state: Int32Array, before: Int32Array) => Int32Array;
}

/** A way to a state for which the search was made. */
export interface Way {
  /** Which of the states it starts from. */
  readonly start: number;
  readonly rules: readonly number[];
}

/** What is looked for: it is told each new state, in the order of distance, and says whether it is one. */
export type Goal = (
  state: Int32Array,
  depth: number,
  step: { readonly before: Int32Array; readonly rule: number } | undefined,
) => boolean;

/** A text that is the same for equal states alone. */
export function keyOf(state: Int32Array): string {
  return String.fromCharCode(...new Uint16Array(state.buffer, state.byteOffset, state.length * 2));
}

/**
 * A shortest way to a goal by the given rules, with how it ended without one: whether all was seen within the depth. A goal
 * that is a step is found only where `everyStep` is set.
 */
export function search(
  { program, start, rules, depth: most, budget, mark }: Nearby,
  isGoal: Goal,
  everyStep = false,
): { readonly way: Way | undefined; readonly isComplete: boolean } {
  const seen = new Set<string>();
  const found: Found[] = [];
  const wayTo = (last: Found): Way => {
    const taken: number[] = [];
    let at = last;
    for (; at.rule >= 0; at = found[at.from] as Found) taken.push(at.rule);
    return { start: at.from, rules: taken.toReversed() };
  };
  for (const [from, state] of start.entries()) {
    const first = { state, from, rule: -1, depth: 0 };
    if (isGoal(state, 0, undefined)) return { way: wayTo(first), isComplete: true };
    const key = keyOf(state);
    if (seen.has(key)) continue;
    seen.add(key);
    found.push(first);
  }
  let left = budget;
  for (let i = 0; i < found.length; i++) {
    const { state: before, depth } = found[i] as Found;
    if (depth >= most) break;
    if ((left -= rules.length) < 0) return { way: undefined, isComplete: false };
    for (const rule of rules) {
      const after = program.after(ruleAt(program, rule), before);
      if (after === undefined) continue;
      const state = mark?.(after, before) ?? after;
      const next = { state, from: i, rule, depth: depth + 1 };
      const key = keyOf(state);
      const isNew = !seen.has(key);
      if (!isNew && !everyStep) continue;
      if (isGoal(state, depth + 1, { before, rule })) return { way: wayTo(next), isComplete: true };
      if (!isNew) continue;
      seen.add(key);
      found.push(next);
    }
  }
  return { way: undefined, isComplete: true };
}
