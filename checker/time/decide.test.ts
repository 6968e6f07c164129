/**
 * What is decided on random graphs is what the definitions say, worked out in another way.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Property } from '../../language/index.ts';
import { patience, randomModels } from '../random/depth.fixture.ts';
import { Decider, type Finding } from './decide.ts';
import { fairSets } from './fair.ts';
import { shortLasso, Ways } from './lasso.ts';
import {
  backwards,
  closure,
  fairnessOfSketch,
  fairStates,
  faultOf,
  graphOfSketch,
  instanceOfSketch,
  leastLength,
  reachablePart,
  type Sketch,
  type SketchRun,
  sketches,
} from './sketch.fixture.ts';

/** Marks on states; the last ones are repeated on graphs that have more. */
const marks = (weight: number): fc.Arbitrary<readonly boolean[]> =>
  fc.array(
    fc.nat(9).map((n) => n < weight),
    { minLength: 10, maxLength: 10 },
  );
const at =
  (of: readonly boolean[]) =>
  (state: number): boolean =>
    of[state % of.length] === true;

/** The states of a graph for which something is true, as the checker takes them. */
function bytes({ states }: Sketch, test: (state: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: states }, (_, state) => Number(test(state)));
}

interface Parts {
  readonly kind: Property['kind'];
  readonly given?: ((state: number) => boolean) | undefined;
  readonly test: (state: number) => boolean;
}

/** Decides a property whose tests are of the numbers of states. */
function decide(sketch: Sketch, { kind, given, test }: Parts): Finding {
  const graph = graphOfSketch(sketch);
  const property = { name: 'it', kind, bindings: [{}], given, test, testStep: test } as unknown as Property;
  const decider = new Decider(instanceOfSketch(sketch), graph, {
    states: (_name, of) => (state) => of(state as never),
    steps: (_name, of) => (before, after) => of(before as never, after as never),
    state: (state) => state as never,
  });
  return decider.decide(property);
}

/** The run of steps with numbers. */
function runOf(sketch: Sketch, of: { initial: number; prefix: readonly number[]; loop: readonly number[] }): SketchRun {
  const { first, targets, labels } = graphOfSketch(sketch);
  const from = (step: number): number => first.findLastIndex((start) => start <= step);
  const steps = (numbers: readonly number[]): SketchRun['prefix'] =>
    numbers.map((step) => ({ from: from(step), label: labels[step] as number, to: targets[step] as number }));
  return { initial: of.initial, prefix: steps(of.prefix), loop: steps(of.loop) };
}

const runs = randomModels(2500, 200_000);

describe('on random graphs', () => {
  it(
    'the fair sets are those from which fair runs exist, and each can be gone round',
    () => {
      const seen = { some: 0, none: 0, several: 0, part: 0 };
      const roots = fc.uniqueArray(fc.nat(9), { maxLength: 4 });
      fc.assert(
        fc.property(sketches(10, 4), marks(8), roots, fc.boolean(), (sketch, marked, someRoots, isAll) => {
          const inside = at(marked);
          const from = isAll
            ? Array.from({ length: sketch.states }, (_, i) => i)
            : someRoots.map((i) => i % sketch.states);
          const sets = fairSets(graphOfSketch(sketch), fairnessOfSketch(sketch), bytes(sketch, inside), from);
          const steps = sketch.steps.filter((step) => inside(step.from) && inside(step.to));
          const met = closure(
            { ...sketch, steps },
            from.filter((state) => inside(state)),
          );
          const expected = fairStates(sketch, inside);
          const union = new Set(sets.flatMap((states) => [...states]));
          expect([...union].every((state) => met.has(state))).toBe(true);
          expect(union.size).toBe(sets.reduce((sum, states) => sum + states.length, 0));
          expect([...met].filter((state) => backwards(steps, met, union).has(state))).toEqual(
            [...met].filter((state) => expected.has(state)),
          );
          for (const states of sets) {
            const own = new Set(states);
            const within = steps.filter((step) => own.has(step.from) && own.has(step.to));
            for (const state of own) expect(closure({ ...sketch, steps: within }, [state])).toEqual(own);
          }
          seen.some += Number(sets.length > 0);
          seen.none += Number(sets.length === 0 && met.size > 0);
          seen.several += Number(sets.length > 1);
          seen.part += Number(sets.length > 0 && expected.size < met.size);
        }),
        { numRuns: runs },
      );
      expect(Math.min(...Object.values(seen))).toBeGreaterThan(runs / 50);
    },
    patience,
  );

  it(
    'a property over fair runs is violated if and only if a fair run breaks it, and the run that is shown does',
    () => {
      const seen = { violated: 0, holds: 0, vacuous: 0, stops: 0, loops: 0 };
      const excess: number[] = [];
      fc.assert(
        fc.property(sketches(7, 3), marks(5), fc.option(marks(4), { nil: undefined }), (whole, goal, given) => {
          const sketch = reachablePart(whole);
          const starts = given === undefined ? (state: number) => sketch.initial.includes(state) : at(given);
          const inside = (state: number): boolean => !at(goal)(state);
          const finding = decide(sketch, {
            kind: given === undefined ? 'eventually' : 'leadsTo',
            given: given && at(given),
            test: at(goal),
          });
          const states = Array.from({ length: sketch.states }, (_, state) => state);
          const fair = fairStates(sketch, inside);
          const isBroken = states.some((state) => starts(state) && fair.has(state));
          const isMet = states.some(starts);
          expect(finding.verdict).toBe(isBroken ? 'violated' : isMet ? 'holds' : 'vacuous');
          seen[finding.verdict]++;
          const least = leastLength(sketch, starts, inside);
          expect(least !== undefined).toBe(isBroken);
          if (finding.verdict !== 'violated' || least === undefined) return;
          const { path, loopFrom = -1 } = finding;
          seen[path.actions.length === loopFrom ? 'stops' : 'loops']++;
          const graph = graphOfSketch(sketch);
          const fairness = fairnessOfSketch(sketch);
          const roots = states.filter((state) => starts(state) && inside(state));
          const sets = fairSets(graph, fairness, bytes(sketch, inside), roots);
          const lasso = shortLasso(
            graph,
            new Ways(graph),
            fairness,
            bytes(sketch, starts),
            bytes(sketch, inside),
            sets,
          );
          expect([path.initial as unknown, path.actions.length, loopFrom]).toEqual([
            lasso.initial,
            lasso.prefix.length + lasso.loop.length,
            lasso.prefix.length,
          ]);
          const run = runOf(sketch, lasso);
          expect(path.actions.map(({ type }) => type)).toEqual(
            [...run.prefix, ...run.loop].map(({ label }) => `step ${label}`),
          );
          expect(faultOf(sketch, run, starts, inside)).toBeUndefined();
          const begins = [run.initial, ...run.prefix.map(({ to }) => to)];
          expect(given !== undefined || begins.every(inside)).toBe(true);
          excess.push(path.actions.length - least);
        }),
        { numRuns: runs },
      );
      // So small graphs have no room for runs that are not found to be the shortest.
      expect(new Set(excess)).toEqual(new Set([0]));
      expect(Math.min(...Object.values(seen))).toBeGreaterThan(runs / 100);
    },
    patience,
  );

  it(
    'a goal is lost where no run leads to it, and the way to the first loss is a shortest one',
    () => {
      const seen = { violated: 0, holds: 0, vacuous: 0 };
      fc.assert(
        fc.property(sketches(10, 0), marks(2), fc.option(marks(5), { nil: undefined }), (whole, goal, given) => {
          const sketch = reachablePart(whole);
          const states = Array.from({ length: sketch.states }, (_, state) => state);
          const can = backwards(sketch.steps, new Set(states), new Set(states.filter(at(goal))));
          const counts = given === undefined ? () => true : at(given);
          const finding = decide(sketch, { kind: 'recoverable', given: given && at(given), test: at(goal) });
          const lost = states.filter((state) => counts(state) && !can.has(state));
          expect(finding.verdict).toBe(lost.length > 0 ? 'violated' : states.some(counts) ? 'holds' : 'vacuous');
          seen[finding.verdict]++;
          if (finding.verdict !== 'violated') return;
          let level: ReadonlySet<number> = new Set(sketch.initial);
          let length = 0;
          for (; !lost.some((state) => level.has(state)); length++) {
            const before = level;
            level = new Set([...before, ...sketch.steps.filter(({ from }) => before.has(from)).map(({ to }) => to)]);
          }
          expect(finding.path.actions.length).toBe(length);
          expect(finding.loopFrom).toBeUndefined();
        }),
        { numRuns: runs },
      );
      expect(Math.min(...Object.values(seen))).toBeGreaterThan(runs / 100);
    },
    patience,
  );
});
