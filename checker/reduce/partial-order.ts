/**
 * Partial order reduction: where all steps that a thread can take next are independent of everything that others do and change
 * nothing that a property reads, only these are explored. Such a set is persistent, so no deadlock is lost; no property can
 * tell the orders apart that are left out; and since each of these steps moves the thread forward, no other thread is put off
 * for ever. (Godefroid 1996; Clarke, Grumberg, Peled 1999, ch. 10)
 */
import type { Leaf } from '../compile/layout.ts';
import type { Ample, Compiled, Program } from '../compile/program.ts';
import { areIndependent, type Footprint, type FootprintOf, meets } from './footprint.ts';

/**
 * The ample sets of a program, some rules of which are explored and some properties decided. A place is a leaf that tells how
 * far a thread is: each rule that writes it asks for its value first.
 */
export function amplesOf(program: Program, rules: ReadonlySet<Compiled>, footprint: FootprintOf): readonly Ample[] {
  const all = [...rules].map((rule) => ({ rule, of: footprint(rule) }));
  const visible = visibleLeaves(program, footprint);
  // A rule that may write everything is dependent on every other.
  if (visible === undefined || all.some(({ of }) => of === undefined)) return [];
  const known = all as readonly { readonly rule: Compiled; readonly of: Footprint }[];
  const found: Ample[] = [];
  for (const place of placesOf(program, known)) {
    for (let at = 0; at < place.count; at++) {
      const own = known.filter(({ of }) => of.ways.length > 0 && asks(of, place) && canHappenAt(of, place, at));
      if (own.length === 0) continue;
      const others = known.filter((one) => !own.includes(one) && !cannotHappenAt(one.of, place, at));
      const isAmple =
        own.every(({ of }) => !meets(of.writes, visible) && movesForward(of, place, at)) &&
        own.every((one) => others.every((other) => areIndependent(one.of, other.of)));
      if (isAmple) found.push({ place, at, rules: own.map(({ rule }) => rule) });
    }
  }
  return withoutSharedPlaces(found, known);
}

/** What the properties read; `undefined` where one of them may read everything. */
function visibleLeaves(program: Program, footprint: FootprintOf): ReadonlySet<Leaf> | undefined {
  const visible = new Set<Leaf>();
  for (const compiled of program.functions) {
    // What is asked of states without successors does not matter: none of them is lost, and none is added.
    if (compiled.what.kind !== 'property') continue;
    const of = footprint(compiled);
    if (of === undefined) return undefined;
    for (const leaf of of.reads) visible.add(leaf);
  }
  return visible;
}

type Known = { readonly rule: Compiled; readonly of: Footprint };

/** The leaves that every rule which writes them asks for first. */
function placesOf(program: Program, rules: readonly Known[]): readonly Leaf[] {
  return program.layout.leaves.filter((leaf) => {
    const writers = rules.filter(({ of }) => of.writes.has(leaf));
    return writers.length > 0 && leaf.count > 1 && writers.every(({ of }) => asks(of, leaf));
  });
}

/** Whether a rule is enabled only for some values of a leaf, and asks for it on every way to an effect. */
function asks({ ways }: Footprint, place: Leaf): boolean {
  return ways.every(({ answers }) => answers.has(keyOf(place)));
}

function canHappenAt({ ways }: Footprint, place: Leaf, at: number): boolean {
  return ways.some(({ answers }) => answers.get(keyOf(place)) === at);
}

function cannotHappenAt({ ways }: Footprint, place: Leaf, at: number): boolean {
  return ways.every(({ answers }) => (answers.get(keyOf(place)) ?? at) !== at);
}

/** Whether the rule, where the place has this number, gives it a larger one. */
function movesForward({ ways }: Footprint, place: Leaf, at: number): boolean {
  return ways.every(({ answers, writes }) => answers.get(keyOf(place)) !== at || (writes.get(place) ?? -1) > at);
}

/** Drops the sets whose rules write a place of another set: along the rest the sum of all places only grows. */
function withoutSharedPlaces(amples: readonly Ample[], rules: readonly Known[]): readonly Ample[] {
  const writes = new Map(rules.map(({ rule, of }) => [rule, of.writes]));
  const kept: Ample[] = [];
  for (const ample of amples) {
    const clashes = (a: Ample, b: Ample): boolean =>
      a.place !== b.place && a.rules.some((rule) => writes.get(rule)?.has(b.place) === true);
    if (kept.every((other) => !clashes(ample, other) && !clashes(other, ample))) kept.push(ample);
  }
  return kept;
}

function keyOf({ id }: Leaf): string {
  return `leaf ${id}`;
}
