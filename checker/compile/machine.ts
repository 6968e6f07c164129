/**
 * The recording machine: it lets a function read and write one packed state and notes every question that the function
 * asks of it, in order. The answers are a path of the function's decision tree.
 */
import { type Layout, type Leaf, leafAt, maskOf } from './layout.ts';

/** What a function may ask of a state: the value of a leaf, or how an item in it compares with another. */
export type Question =
  | { readonly ask: 'leaf'; readonly key: string; readonly leaf: Leaf }
  | { readonly ask: 'equal' | 'behind'; readonly key: string; readonly a: Operand; readonly b: Operand };

/** An item, leaf by leaf: leaves of the state before, or numbers. */
export type Operand = readonly (Leaf | number)[];

/** A question and its answer: the leaf's number, or 1 for yes and 0 for no. */
export interface Answer {
  readonly question: Question;
  readonly answer: number;
}

/** What a leaf holds after writes: a value, or what another leaf held in the state before. */
export type Entry = { readonly value: unknown } | { readonly copy: Leaf };

/** One effect on a leaf: the number to store, or the leaf to copy. */
export interface Write {
  readonly leaf: Leaf;
  readonly from: number | Leaf;
}

/** Thrown where the machine cannot do what the immutable form of a state can. */
export class Unsupported extends Error {}

/** A packed state under a function that reads and writes it. */
export class Machine {
  readonly layout: Layout;
  /** The state before, packed. */
  words: Int32Array;
  /** How often a run has begun. */
  run = 0;
  private readonly entries: (Entry | undefined)[];
  private written: Leaf[] = [];
  private answers: Answer[] = [];
  private known = new Map<string, number>();
  /** Why this run counts for nothing, if something was refused in it. */
  private refused: string | undefined;

  constructor(layout: Layout) {
    this.layout = layout;
    this.words = new Int32Array(layout.words);
    this.entries = layout.leaves.map(() => undefined);
  }

  /** Starts on a state, with nothing asked or written. */
  begin(words: Int32Array): void {
    this.words = words;
    this.run++;
    for (const { id } of this.written) this.entries[id] = undefined;
    this.written = [];
    this.answers = [];
    this.known.clear();
    this.refused = undefined;
  }

  /** Refuses what cannot be done like the immutable form does it. */
  refuse(reason: string): never {
    this.refused ??= reason;
    throw new Unsupported(reason);
  }

  /** Ends a run: throws where something was refused in it, since the function may have caught that. */
  end(): void {
    if (this.refused !== undefined) throw new Unsupported(this.refused);
  }

  /** All that was asked since the beginning. */
  path(): readonly Answer[] {
    this.end();
    return this.answers;
  }

  /** The writes since the beginning, without those that leave a leaf as it was. */
  writes(): readonly Write[] {
    return this.written.flatMap((leaf): readonly Write[] => {
      const entry = this.entries[leaf.id] as Entry;
      if ('copy' in entry) return entry.copy === leaf ? [] : [{ leaf, from: entry.copy }];
      const index = leaf.index(entry.value);
      if (index === undefined) throw new Error(`${leaf.path} leaves its domain`);
      return this.known.get(leafKey(leaf)) === index ? [] : [{ leaf, from: index }];
    });
  }

  /** What a leaf holds now. */
  entry(leaf: Leaf): Entry {
    return this.entries[leaf.id] ?? { copy: leaf };
  }

  read(leaf: Leaf): unknown {
    return this.valueOf(this.entry(leaf));
  }

  valueOf(entry: Entry): unknown {
    return 'copy' in entry ? entry.copy.value(this.original(entry.copy)) : entry.value;
  }

  write(leaf: Leaf, entry: Entry): void {
    if (this.entries[leaf.id] === undefined) this.written.push(leaf);
    this.entries[leaf.id] = entry;
  }

  /** Answers questions in place of the state, which is then but imagined. */
  oracle: ((question: Question) => number) | undefined;

  /** The number that a leaf had in the state before. */
  original(leaf: Leaf): number {
    if (leaf.bits === 0) return 0;
    return this.ask(leafQuestion(leaf), () => leafAt(leaf, this.words));
  }

  /** Whether two items are equal, or the first stands behind the second. */
  compare(ask: 'equal' | 'behind', a: Operand, b: Operand): boolean {
    const answer = (): number => answerTo(ask, numbersIn(a, this.words), numbersIn(b, this.words));
    if ([...a, ...b].every((part) => typeof part === 'number')) return answer() === 1;
    return this.ask({ ask, key: `${ask} ${nameOf(a)} ${nameOf(b)}`, a, b }, answer) === 1;
  }

  private ask(question: Question, answer: () => number): number {
    const known = this.known.get(question.key);
    if (known !== undefined) return known;
    const result = this.oracle === undefined ? answer() : this.oracle(question);
    this.known.set(question.key, result);
    this.answers.push({ question, answer: result });
    return result;
  }
}

/** The answer to a question in packed words. */
export function answerIn(question: Question, words: Int32Array): number {
  if (question.ask === 'leaf') return leafAt(question.leaf, words);
  return answerTo(question.ask, numbersIn(question.a, words), numbersIn(question.b, words));
}

/** The state after writes. */
export function written(words: Int32Array, writes: readonly Write[]): Int32Array {
  const after = words.slice();
  for (const { leaf, from } of writes) {
    const index = typeof from === 'number' ? from : leafAt(from, words);
    const mask = maskOf(leaf.bits) << leaf.shift;
    if (leaf.bits > 0) after[leaf.word] = ((after[leaf.word] as number) & ~mask) | (index << leaf.shift);
  }
  return after;
}

function numbersIn(operand: Operand, words: Int32Array): readonly number[] {
  return operand.map((part) => (typeof part === 'number' ? part : leafAt(part, words)));
}

function answerTo(ask: 'equal' | 'behind', a: readonly number[], b: readonly number[]): number {
  const first = a.findIndex((number, i) => number !== b[i]);
  if (ask === 'equal') return Number(first < 0);
  return Number(first >= 0 && (a[first] as number) > (b[first] as number));
}

/** The question for the value of a leaf. */
export function leafQuestion(leaf: Leaf): Question {
  return { ask: 'leaf', key: leafKey(leaf), leaf };
}

function leafKey({ id }: Leaf): string {
  return `leaf ${id}`;
}

function nameOf(operand: Operand): string {
  return operand.map((part) => (typeof part === 'number' ? part : `@${part.id}`)).join(',');
}
