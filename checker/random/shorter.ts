/**
 * Shorter and simpler walks that break the same property: without loops, without steps that do not matter, with fewer members of
 * each sort, by shorter ways between the states of the walk, and with simpler arguments.
 */
import type { Property } from '../../language/index.ts';
import type { Program } from '../compile/program.ts';
import type { Judge } from './judge.ts';
import { keyOf, search } from './near.ts';
import { renamings } from './renaming.ts';
import type { Walk } from './walk.ts';

/** A walk that fails. */
type Failing = Walk & { readonly failure: NonNullable<Walk['failure']> };

/** Something that may find a better walk. Each is tried again after any other has found one. */
type Attempt = (walk: Failing, of: Shortening) => Walk | undefined;

/** What shortening works with. */
export interface Shortening {
  readonly judge: Judge;
  readonly program: Program;
  /** All initial states. */
  readonly initial: readonly Int32Array[];
}

/** How often rules may be run in a search for a shorter walk, and in one for a shorter piece of it. */
const wholeBudget = 6_000_000;
const pieceBudget = 400_000;

/** The attempts, cheap ones first. */
const attempts: readonly Attempt[] = [
  withoutLoops,
  withoutSteps,
  withFewerMembers,
  withoutSteps,
  byOwnRules,
  byAnyRules,
  byShorterPieces,
  withSimplerArguments,
];
/** A walk that is shorter, or as long and simpler; `from` is the number of the first attempt to make. */
export function shorter(
  walk: Walk,
  from: number,
  of: Shortening,
): { readonly walk: Walk; readonly next: number } | undefined {
  if (walk.failure === undefined) return undefined;
  for (let i = from; i < attempts.length; i++) {
    const found = (attempts[i] as Attempt)(walk as Failing, of);
    if (found === undefined) continue;
    // What makes it shorter may make possible what was tried before in vain.
    return { walk: found, next: found.rules.length < walk.rules.length ? 0 : i };
  }
  return undefined;
}

/** Cuts out what leads from a state back to the same one. */
function withoutLoops(walk: Failing, { judge }: Shortening): Walk | undefined {
  const states = judge.statesOf(walk);
  // The step that breaks a property of steps may end where it begins.
  const last = walk.failure.property.kind === 'transition' ? states.length - 2 : states.length - 1;
  const lastAt = new Map<string, number>();
  for (let i = 0; i <= last; i++) lastAt.set(keyOf(states[i] as Int32Array), i);
  const kept: number[] = [];
  for (let i = 0; i < walk.rules.length; i++) {
    if (i <= last) i = lastAt.get(keyOf(states[i] as Int32Array)) as number;
    if (i < walk.rules.length) kept.push(walk.rules[i] as number);
  }
  return kept.length < walk.rules.length ? judge.replay(walk.initial, kept, walk.failure.property) : undefined;
}

/** Leaves out steps, many at once while that works, and all that they alone made possible. */
function withoutSteps(walk: Failing, { judge }: Shortening): Walk | undefined {
  const { property } = walk.failure;
  let best: Walk = walk;
  for (let size = Math.ceil(walk.rules.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let end = best.rules.length; end > 0; end -= size) {
      const without = [...best.rules.slice(0, Math.max(0, end - size)), ...best.rules.slice(end)];
      const found = judge.replay(walk.initial, without, property);
      if (found === undefined || found.rules.length >= best.rules.length) continue;
      best = found;
      end = Math.min(end, best.rules.length + size);
    }
  }
  return best.rules.length < walk.rules.length ? best : undefined;
}

/** Lets a member do what another one does, for each two members of a sort. */
function withFewerMembers(walk: Failing, { judge, program }: Shortening): Walk | undefined {
  for (const renamed of renamings(program).mergers(walk.rules)) {
    const found = judge.replay(walk.initial, renamed, walk.failure.property);
    if (found !== undefined && found.rules.length <= walk.rules.length) return found;
  }
  return undefined;
}

/** Names members, and chooses parameters, as low as can be. */
function withSimplerArguments(walk: Failing, { judge, program }: Shortening): Walk | undefined {
  for (const renamed of renamings(program).simpler(walk.rules)) {
    const found = judge.replay(walk.initial, renamed, walk.failure.property);
    if (found !== undefined && found.rules.length === walk.rules.length && isBefore(found.rules, walk.rules))
      return found;
  }
  return undefined;
}

function isBefore(a: Int32Array, b: Int32Array): boolean {
  const i = a.findIndex((rule, at) => rule !== b[at]);
  return i >= 0 && (a[i] as number) < (b[i] as number);
}

/** Searches for another walk by rules like those of the walk, for its members alone. */
function byOwnRules(walk: Failing, of: Shortening): Walk | undefined {
  return bySearch(walk, of, renamings(of.program).like(walk.rules));
}

/** Searches for another walk by all rules, for the members of the walk first. */
function byAnyRules(walk: Failing, of: Shortening): Walk | undefined {
  const all = of.program.rules.map(({ index }) => index);
  const own = renamings(of.program).ofMembers(walk.rules);
  return bySearch(walk, of, own) ?? (own.length < all.length ? bySearch(walk, of, all) : undefined);
}

function bySearch(walk: Failing, { judge, program, initial }: Shortening, rules: readonly number[]): Walk | undefined {
  const { property } = walk.failure;
  const start = [walk.initial, ...initial];
  const { way } = search(
    { program, start, rules, depth: walk.rules.length - 1, budget: wholeBudget },
    goalOf(judge, property),
    property.kind === 'transition',
  );
  return way && judge.replay(start[way.start] as Int32Array, way.rules, property);
}

function goalOf(judge: Judge, property: Property): Parameters<typeof search>[1] {
  return (state, _depth, step) => judge.fails(property, state, step) !== undefined;
}

/** Replaces a piece of the walk by a shorter way to a state further on, or to another violation. */
function byShorterPieces(walk: Failing, { judge, program }: Shortening): Walk | undefined {
  const { property } = walk.failure;
  const states = judge.statesOf(walk);
  const placeOf = new Map(states.map((state, i) => [keyOf(state), i]));
  const rules = renamings(program).ofMembers(walk.rules);
  const isGoal = goalOf(judge, property);
  for (let from = 0; from < states.length - 2; from++) {
    let to = -1;
    const { way } = search(
      { program, start: [states[from] as Int32Array], rules, depth: states.length - from - 2, budget: pieceBudget },
      (state, depth, step) => {
        to = placeOf.get(keyOf(state)) ?? -1;
        if (to - from > depth && step !== undefined && property.kind !== 'transition') return true;
        if (to - from > depth && to < states.length - 1) return true;
        to = -1;
        return isGoal(state, depth, step);
      },
      property.kind === 'transition',
    );
    if (way === undefined) continue;
    const pieces = [...walk.rules.slice(0, from), ...way.rules, ...(to < 0 ? [] : walk.rules.slice(to))];
    const found = judge.replay(walk.initial, pieces, property);
    if (found !== undefined && found.rules.length < walk.rules.length) return found;
  }
  return undefined;
}
