/**
 * Symmetry: states that differ only in the names of interchangeable members count as one. That is sound where every function
 * does the same under every renaming, and this is checked as trees are recorded: next to a function on a state, the renamed
 * function is run on each renamed state, and the tree asks whatever any of them asks. So each way through a tree stands for
 * states on which all of them were seen to do the same.
 */
import type { Bound, Concrete, Property, Rule } from '../../language/index.ts';
import { type Leaf, leafAt, type Part, type SequencePart } from '../compile/layout.ts';
import { type Answer, leafQuestion, Unsupported, type Write, written } from '../compile/machine.ts';
import type { Ample, Compiled, Program } from '../compile/program.ts';
import { leavesAsked, type Outcome } from '../compile/tree.ts';
import { type Permutation, permutationOf, permuted, type Renaming, renamedValue, renamingsOf } from './permutation.ts';
import type { Slice } from './slice.ts';

/** Thrown where a model treats members of a sort differently. */
export class Asymmetry extends Error {
  readonly sorts: readonly string[];

  constructor(renaming: Renaming, where: string) {
    super(where);
    this.sorts = [...renaming].filter(([, order]) => order.some((to, from) => to !== from)).map(([name]) => name);
  }
}

/** The renamings of some sorts, and the proof that they change nothing. */
export class Symmetry {
  readonly permutations: readonly Permutation[];
  private readonly program: Program;
  /** For each permutation, the function that each function becomes. */
  private readonly partners: readonly (readonly Compiled[])[];
  /** The bags whose items are renamed, by the leaves of their slots. */
  private readonly bags = new Map<Leaf, SequencePart>();

  constructor(program: Program, sorts: ReadonlyMap<string, number>) {
    this.program = program;
    this.permutations = renamingsOf(sorts).map((renaming) => permutationOf(program.layout, renaming));
    this.partners = this.permutations.map(({ renaming }) => partnersOf(program, renaming));
    for (const bag of this.permutations.flatMap(({ bags }) => bags)) {
      for (const leaf of bag.slots.flatMap(({ leaves }) => leaves)) this.bags.set(leaf, bag);
    }
  }

  /** Checks that initial states are renamed into initial states. */
  checkInitial(states: readonly Int32Array[]): void {
    const keys = new Set(states.map(String));
    for (const permutation of this.permutations) {
      if (states.some((state) => !keys.has(String(permuted(permutation, state))))) {
        throw new Asymmetry(permutation.renaming, 'the initial states');
      }
    }
  }

  /**
   * Checks that a part of the model is renamed into itself, so that no renaming moves what is kept to where it is not. A bag
   * whose items are sorted anew has to be kept as a whole or not at all.
   */
  checkPart({ leaves, rules, properties }: Slice): void {
    const isWholeOrNot = ({ slots }: SequencePart): boolean => {
      const own = slots.flatMap((slot) => slot.leaves).filter(({ bits }) => bits > 0);
      const kept = own.filter((leaf) => leaves.has(leaf)).length;
      return kept === 0 || kept === own.length;
    };
    for (const [i, { renaming, moves, bags }] of this.permutations.entries()) {
      const isClosed =
        moves.every(({ from, to }) => from.bits === 0 || leaves.has(from) === leaves.has(to)) &&
        [...rules].every((rule) => rules.has(this.partnerOf(rule, i))) &&
        bags.every(isWholeOrNot);
      if (!isClosed) {
        const names = properties.map(({ name }) => `'${name}'`).join(', ');
        throw new Asymmetry(renaming, `the part of the model that ${names} depends on`);
      }
    }
  }

  /** Those ample sets along which the sum of all their places still only grows if states are renamed on the way. */
  steady(amples: readonly Ample[]): readonly Ample[] {
    const places = new Set(amples.map(({ place }) => place));
    return amples.filter(
      ({ place }) =>
        !this.bags.has(place) &&
        this.permutations.every(({ bySource }) => {
          const move = bySource.get(place);
          return move !== undefined && move.numbers === undefined && places.has(move.to);
        }),
    );
  }

  /** Checks a function on one state and its renamings. */
  checkState(compiled: Compiled, words: Int32Array, outcome: Outcome): void {
    for (const [i, permutation] of this.permutations.entries()) {
      const partner = this.partnerOf(compiled, i);
      const other = this.program.trial(partner, permuted(permutation, words)).outcome;
      if (!areAlike(permutation, words, outcome, other)) throw this.asymmetry(permutation, compiled, []);
    }
  }

  /**
   * Checks a function on all states that take a way, given one of them; returns the way, lengthened by what renamed functions
   * ask. Throws `Unsupported` where that cannot be known.
   */
  widen(compiled: Compiled, words: Int32Array, path: readonly Answer[], outcome: Outcome): readonly Answer[] {
    const way = new Way(words, path, this.bags);
    for (const { question } of path) for (const leaf of leavesAsked(question)) way.askBagOf(leaf);
    for (const [i, permutation] of this.permutations.entries()) {
      const partner = this.partnerOf(compiled, i);
      const trial = this.program.trial(partner, permuted(permutation, words));
      const before = (leaf: Leaf): Leaf => (permutation.byTarget.get(leaf) as { readonly from: Leaf }).from;
      for (const { question } of trial.path ?? []) for (const leaf of leavesAsked(question)) way.ask(before(leaf));
      if (!areAlike(permutation, words, outcome, trial.outcome)) {
        throw this.asymmetry(permutation, compiled, way.answers);
      }
      // What a function does is then known of this state alone.
      if (trial.path === undefined)
        throw new Unsupported('it does not run on the packed form when members are renamed');
      if (typeof outcome === 'object' && typeof trial.outcome === 'object') {
        way.matchWrites(permutation, outcome.writes, trial.outcome.writes);
      }
    }
    return way.answers;
  }

  private partnerOf(compiled: Compiled, permutation: number): Compiled {
    return (this.partners[permutation] as readonly Compiled[])[compiled.index] as Compiled;
  }

  private asymmetry({ renaming }: Permutation, { what }: Compiled, answers: readonly Answer[]): Asymmetry {
    const name = what.kind === 'rule' ? ruleName(what.rule, what.bound) : `property '${what.property.name}'`;
    const known = answers
      .flatMap(({ question, answer }) =>
        question.ask === 'leaf' ? [`${question.leaf.path} = ${String(question.leaf.value(answer))}`] : [],
      )
      .slice(0, 6);
    return new Asymmetry(renaming, known.length === 0 ? name : `${name}, where ${known.join(', ')}`);
  }
}

function ruleName({ type, step, params }: Rule, { values }: Bound): string {
  const bound = Object.entries(params).map(([name, domain]) => `${name} = ${domain.show(values[name])}`);
  const at = step === undefined ? '' : `, step '${step}'`;
  return `action '${type}'${at}${bound.length === 0 ? '' : ` with ${bound.join(', ')}`}`;
}

/** A way through a tree that grows by questions. */
class Way {
  readonly answers: Answer[];
  private readonly words: Int32Array;
  private readonly bags: ReadonlyMap<Leaf, SequencePart>;
  private readonly asked: Set<string>;

  constructor(words: Int32Array, path: readonly Answer[], bags: ReadonlyMap<Leaf, SequencePart>) {
    this.words = words;
    this.answers = [...path];
    this.bags = bags;
    this.asked = new Set(path.map(({ question }) => question.key));
  }

  /** Asks for a leaf; for one in a bag that is sorted anew, for the whole bag: its place depends on all items. */
  ask(leaf: Leaf): void {
    if (!this.askBagOf(leaf)) this.askLeaf(leaf);
  }

  askBagOf(leaf: Leaf): boolean {
    const bag = this.bags.get(leaf);
    if (bag === undefined) return false;
    this.askLeaf(bag.length);
    for (const slot of bag.slots.slice(0, leafAt(bag.length, this.words))) {
      for (const of of slot.leaves) this.askLeaf(of);
    }
    return true;
  }

  private askLeaf(leaf: Leaf): void {
    const question = leafQuestion(leaf);
    if (leaf.bits === 0 || this.asked.has(question.key)) return;
    this.asked.add(question.key);
    this.answers.push({ question, answer: leafAt(leaf, this.words) });
  }

  /**
   * The writes do the same in this state. Asks what is needed for that to be so in every state of the way: where they are not
   * the same constants or copies, the leaves themselves.
   */
  matchWrites(permutation: Permutation, own: readonly Write[], renamed: readonly Write[]): void {
    const { bySource, byTarget } = permutation;
    const mine = new Map(own.map(({ leaf, from }) => [leaf, from]));
    const theirs = new Map(renamed.map(({ leaf, from }) => [leaf, from]));
    const targets = new Set([...mine.keys(), ...[...theirs.keys()].map((leaf) => byTarget.get(leaf)?.from as Leaf)]);
    for (const leaf of targets) {
      const move = bySource.get(leaf);
      if (move === undefined) throw new Error('a leaf has no place under a renaming');
      const from = mine.get(leaf) ?? leaf;
      const other = theirs.get(move.to) ?? move.to;
      const otherFrom = typeof other === 'number' ? undefined : byTarget.get(other);
      const inBag = this.askBagOf(leaf);
      if (!inBag && typeof from === 'number' && typeof other === 'number') continue;
      const isSameCopy =
        !inBag &&
        typeof from !== 'number' &&
        otherFrom?.from === from &&
        !this.bags.has(from) &&
        String(otherFrom.numbers) === String(move.numbers);
      if (isSameCopy) continue;
      if (typeof from !== 'number') this.ask(from);
      if (otherFrom !== undefined) this.ask(otherFrom.from);
    }
  }
}

/** Whether the renamed outcome on a state is the outcome of the renamed function on the renamed state. */
function areAlike(permutation: Permutation, words: Int32Array, outcome: Outcome, other: Outcome | undefined): boolean {
  if (typeof outcome !== 'object' || typeof other !== 'object') return outcome === other;
  const after = permuted(permutation, written(words, outcome.writes));
  return written(permuted(permutation, words), other.writes).every((word, i) => word === after[i]);
}

/** The sorts that may be interchangeable: those that are not ordered, with at least two members, by size. */
export function candidateSorts(program: Program): ReadonlyMap<string, number> {
  const sorts = new Map<string, number>();
  const meet = (
    sort: { readonly name: string; readonly ordered: boolean; readonly size: number } | undefined,
  ): void => {
    if (sort !== undefined && !sort.ordered && sort.size > 1) sorts.set(sort.name, sort.size);
  };
  const walk = (part: Part): void => {
    if (part.kind === 'each' || part.kind === 'set') meet(part.sort);
    if (part.kind === 'each') for (const element of part.elements) walk(element);
    if (part.kind === 'record') for (const [, field] of part.fields) walk(field);
    if (part.kind === 'optional') walk(part.of);
    if ('slots' in part) for (const slot of part.slots) walk(slot.part);
  };
  walk(program.layout.root);
  for (const leaf of program.layout.leaves) meet(leaf.members?.sort);
  return sorts;
}

/** The function that each function becomes when members are renamed. */
function partnersOf(program: Program, renaming: Renaming): readonly Compiled[] {
  const key = (
    owner: number,
    params: Readonly<Record<string, Concrete>>,
    values: Readonly<Record<string, unknown>>,
  ): string =>
    `${owner} ${Object.entries(params)
      .map(([name, domain]) => domain.key(values[name]))
      .join('|')}`;
  const renamed = (
    params: Readonly<Record<string, Concrete>>,
    values: Readonly<Record<string, unknown>>,
  ): Readonly<Record<string, unknown>> =>
    Object.fromEntries(
      Object.entries(params).map(([name, domain]) => [name, renamedValue(domain, values[name], renaming)]),
    );
  const owners = new Map<Property, number>(program.properties.map((property, i) => [property, -1 - i]));
  const aboutOf = ({
    what,
  }: Compiled): readonly [number, Readonly<Record<string, Concrete>>, Readonly<Record<string, unknown>>] => {
    if (what.kind === 'rule') return [what.rule.index, what.rule.params, what.bound.values];
    if (what.kind === 'property') return [owners.get(what.property) as number, what.property.params, what.binding];
    return [owners.get(what.property) as number, {}, {}];
  };
  const byKey = new Map(program.functions.map((compiled) => [key(...aboutOf(compiled)), compiled]));
  return program.functions.map((compiled) => {
    const [owner, params, values] = aboutOf(compiled);
    const partner = byKey.get(key(owner, params, renamed(params, values)));
    if (partner === undefined) throw new Error('a renamed function is missing');
    return partner;
  });
}
