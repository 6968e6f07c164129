/**
 * How likely each rule is to be tried: more likely where it was rarely taken in some first walks, and for each run otherwise, with
 * some actions and members left out, since a run in which less can happen gets further with the rest (swarm testing).
 */
import type { Random } from 'fast-check';
import type { Rule } from '../../language/index.ts';
import type { Program } from '../compile/program.ts';
import type { Choice } from './walker.ts';

/** Makes tables of rules to try. */
export interface Chances {
  /** With every rule. */
  readonly all: Choice;
  /** For one run. */
  readonly draw: (random: Random) => Choice;
}

/** A table has at most so many entries for each rule, or up to twice as many. */
const entriesPerRule = 8;
/** How much more likely than others a rule may be because it is rarely taken. */
const mostFavour = 4;
/** Out of so many, how many actions a run leaves out. */
const shareLeftOut = [0, 1, 3, 5] as const;
const shares = 10;
/** How fast a procedure may be, as the others see it. */
const pace = [1, 1, 1 / 8, 1 / 64] as const;
/** A run may be about so few members of a sort. */
const fewMembers = 3;

/** The largest table that `chancesOf` makes for a program. */
export function largestTable(program: Program): number {
  return powerOfTwo(entriesPerRule * program.rules.length);
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, least)));
}

/** Chances from how often each rule of the instance (whatever its parameters) was taken. */
export function chancesOf(program: Program, taken: ReadonlyMap<Rule, number>): Chances {
  const rules = program.rules.map(({ what }) => {
    if (what.kind !== 'rule') throw new Error('a property is no rule');
    const members = Object.entries(what.rule.params).flatMap(([name, { structure }]) =>
      structure.kind === 'leaf' && structure.sort !== undefined
        ? [{ sort: structure.sort, member: what.bound.values[name] as number }]
        : [],
    );
    return { rule: what.rule, members };
  });
  const total = [...taken.values()].reduce((sum, count) => sum + count, 0);
  const even = Math.max(1, total / program.instance.rules.length);
  const favour = new Map(
    program.instance.rules.map((rule) => {
      const rarity = Math.sqrt(even / ((taken.get(rule) ?? 0) + 1));
      const among = Math.sqrt(rule.bindings.length);
      return [rule, Math.min(mostFavour, Math.max(1 / mostFavour, rarity)) / among];
    }),
  );
  const sorts = [
    ...new Map(rules.flatMap(({ members }) => members.map(({ sort }) => [sort.name, sort.size] as const))),
  ];
  const size = largestTable(program);

  /** Tables for weights of the rules, which are 0 for those that are left out. */
  const choice = (weights: Float64Array): Choice => {
    let sum = 0;
    for (const weight of weights) sum += weight;
    const entries = new Int32Array(size);
    const off = new Int32Array(Math.ceil(rules.length / 32)).fill(-1);
    let length = 0;
    for (let index = 0; index < weights.length; index++) {
      const weight = weights[index] as number;
      if (weight === 0) continue;
      off[index >>> 5] = (off[index >>> 5] as number) & ~(1 << (index & 31));
      const times = Math.max(1, Math.floor((weight / sum) * (size / 2)));
      entries.fill(index, length, length + times);
      length += times;
    }
    const table = entries.subarray(0, powerOfTwo(length));
    table.copyWithin(length, 0, table.length - length);
    return { table, off };
  };
  const steps = program.instance.rules.filter(({ control }) => control !== undefined);
  const procedures = [...new Set(steps.map(({ type }) => type))];
  const entries = new Set(procedures.map((name) => steps.find(({ type }) => type === name)));
  const favours = Float64Array.from(rules, ({ rule }) => favour.get(rule) ?? 1);
  const all = choice(favours);
  /** For each rule of the program the number of its rule of the instance, and where its members stand. */
  const numbers = Int32Array.from(rules, ({ rule }) => rule.index);

  return {
    all,
    draw: (random) => {
      const share = shareLeftOut[random.nextInt(0, shareLeftOut.length - 1)] as number;
      if (share === 0 && random.nextInt(0, 1) === 0) return all;
      const paces = new Map(procedures.map((name) => [name, pace[random.nextInt(0, pace.length - 1)] as number]));
      const factors = program.instance.rules.map((rule) => {
        const factor = 4 ** random.nextInt(-2, 1);
        const isOut = random.nextInt(1, shares) <= share;
        // A procedure that is under way goes on, if slowly; what it waits for may not come, and another may begin late.
        if (isOut && (rule.control === undefined || entries.has(rule))) return 0;
        return factor * (paces.get(rule.type) ?? 1);
      });
      const left = new Map<string, ReadonlySet<number>>();
      for (const [sort, members] of sorts) {
        if (members === 1 || random.nextInt(0, 1) === 0) continue;
        const few = random.nextInt(1, Math.min(fewMembers, members));
        left.set(sort, new Set(Array.from({ length: few }, () => random.nextInt(0, members - 1))));
      }
      const weights = favours.map((favoured, index) => favoured * (factors[numbers[index] as number] as number));
      if (left.size > 0) {
        for (const [index, { members }] of rules.entries()) {
          if (members.some(({ sort, member }) => left.get(sort.name)?.has(member) === false)) weights[index] = 0;
        }
      }
      return weights.every((weight) => weight === 0) ? all : choice(weights);
    },
  };
}
