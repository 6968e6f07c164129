/**
 * Decision trees as WebAssembly: nested tests on packed words, with constant masks, that end in stored successor states or in
 * a note of what was not known.
 */
import type { Layout, Leaf } from './layout.ts';
import { maskOf } from './layout.ts';
import type { Operand, Question, Write } from './machine.ts';
import type { Node, Outcome } from './tree.ts';
import { Code, type ModuleBuilder, type ValueType } from './wasm.ts';

/** What a tree's code does at its ends. `words` are the local variables 0.. that hold the state. */
export interface Ends {
  /** At an end. */
  readonly at: (outcome: Outcome, code: Code) => void;
  /** Where the way is not known. */
  readonly unknown: (code: Code) => void;
}

/** Where generated code has the words of the state: in its first local variables, or at the address in the first of them. */
type Words = 'in locals' | 'in memory';

/** Puts a word of the state on the stack. */
type ReadWord = (code: Code, word: number) => void;
const fromLocals: ReadWord = (code, word) => {
  code.get(word);
};
const fromMemory: ReadWord = (code, word) => {
  code.get(0).load(word * 4);
};

/** Emits trees into functions of one module. Equal subtrees are emitted once. */
export class TreeEmitter {
  private readonly module: ModuleBuilder;
  /** How many local variables stand before the value. */
  private readonly words: number;
  private readonly read: ReadWord;
  /** Every node by what it does, so that equal subtrees are one. */
  private readonly ids = new Map<string, number>();
  private readonly idOf = new Map<Node, number>();
  private readonly uses = new Map<number, number>();
  private readonly sizes = new Map<number, number>();
  private readonly functions = new Map<string, number>();

  constructor(module: ModuleBuilder, layout: Layout, words: Words = 'in locals') {
    this.module = module;
    this.words = words === 'in locals' ? layout.words : 1;
    this.read = words === 'in locals' ? fromLocals : fromMemory;
  }

  /** The parameters of a function that works on a state: its words and one more value, which it also returns. */
  get params(): readonly ValueType[] {
    return Array.from({ length: this.words + 1 }, () => 'i32');
  }

  /** The local variable behind the words. */
  get value(): number {
    return this.words;
  }

  /** Calls a function that has `params` on the state and value in hand. */
  callOn(code: Code, index: number): void {
    for (let i = 0; i <= this.words; i++) code.get(i);
    code.call(index).set(this.value);
  }

  /** How many nodes the tree's code has. */
  sizeOf(node: Node | undefined): number {
    return node === undefined ? 1 : (this.sizes.get(this.intern(node)) as number);
  }

  /** Emits a tree. `context` tells trees apart whose ends do different things. */
  emit(code: Code, node: Node | undefined, ends: Ends, context: string): void {
    if (node !== undefined) this.intern(node);
    this.node(code, node, ends, context);
  }

  private intern(node: Node): number {
    const known = this.idOf.get(node);
    if (known !== undefined) return known;
    let key: string;
    let size = 1;
    if ('question' in node) {
      const kids = [...node.kids].map(([answer, kid]) => [answer, this.intern(kid)] as const);
      for (const [, kid] of kids) {
        this.uses.set(kid, (this.uses.get(kid) ?? 0) + 1);
        size += this.sizes.get(kid) as number;
      }
      key = `${node.question.key}?${kids
        .toSorted(([a], [b]) => a - b)
        .map(([answer, kid]) => `${answer}:${kid}`)
        .join(' ')}`;
    } else key = outcomeKey(node.outcome);
    const id = this.ids.get(key) ?? this.ids.size;
    this.ids.set(key, id);
    this.idOf.set(node, id);
    this.sizes.set(id, size);
    return id;
  }

  private node(code: Code, node: Node | undefined, ends: Ends, context: string): void {
    if (node === undefined) {
      ends.unknown(code);
      return;
    }
    if (!('question' in node)) {
      ends.at(node.outcome, code);
      return;
    }
    const id = this.idOf.get(node) as number;
    if ((this.sizes.get(id) as number) < sharedSize || (this.uses.get(id) as number) < 2) {
      this.branch(code, node.question, node.kids, ends, context);
      return;
    }
    const name = `${context} ${id}`;
    let index = this.functions.get(name);
    if (index === undefined) {
      const [own, body] = this.module.func('', this.params, ['i32']);
      index = own;
      this.functions.set(name, own);
      this.branch(body, node.question, node.kids, ends, context);
      body.get(this.value);
    }
    this.callOn(code, index);
  }

  private branch(code: Code, question: Question, kids: ReadonlyMap<number, Node>, ends: Ends, context: string): void {
    const emit = (kid: Node | undefined): void => this.node(code, kid, ends, context);
    if (question.ask !== 'leaf') {
      emitComparison(code, question.ask, question.a, question.b, this.read);
      code.if();
      emit(kids.get(1));
      code.else();
      emit(kids.get(0));
      code.end();
      return;
    }
    const { leaf } = question;
    const groups = this.groups(leaf, kids);
    const [first, second] = groups;
    if (second === undefined) {
      emit(first?.kid);
      return;
    }
    if (groups.length > switchLimit && leaf.count <= tableLimit) {
      this.switch(code, leaf, groups, emit);
      return;
    }
    // The largest group comes last and needs no test.
    for (const { answers, kid } of groups.slice(0, -1)) {
      for (const [i, answer] of answers.entries()) {
        emitIs(code, leaf, answer, this.read);
        if (i > 0) code.do('or');
      }
      code.if();
      emit(kid);
      code.else();
    }
    emit(groups.at(-1)?.kid);
    for (let i = 1; i < groups.length; i++) code.end();
  }

  /** The answers with the same continuation, fewest first; what no state has taken yet is a group too, and last. */
  private groups(
    leaf: Leaf,
    kids: ReadonlyMap<number, Node>,
  ): readonly { readonly answers: readonly number[]; readonly kid: Node | undefined }[] {
    const groups = new Map<number, { answers: number[]; kid: Node }>();
    for (const [answer, kid] of kids) {
      const id = this.idOf.get(kid) as number;
      const group = groups.get(id);
      if (group === undefined) groups.set(id, { answers: [answer], kid });
      else group.answers.push(answer);
    }
    const known = [...groups.values()].toSorted((a, b) => a.answers.length - b.answers.length);
    return kids.size === leaf.count ? known : [...known, { answers: [], kid: undefined }];
  }

  private switch(
    code: Code,
    leaf: Leaf,
    groups: readonly { readonly answers: readonly number[]; readonly kid: Node | undefined }[],
    emit: (kid: Node | undefined) => void,
  ): void {
    const last = groups.length - 1;
    const depths = Array.from({ length: leaf.count }, () => last);
    for (const [i, { answers }] of groups.entries()) for (const answer of answers) depths[answer] = i;
    code.block();
    for (let i = 0; i <= last; i++) code.block();
    emitLeaf(code, leaf, this.read);
    code.brTable(depths, last);
    for (const [i, { kid }] of groups.entries()) {
      code.end();
      emit(kid);
      if (i < last) code.br(last - i);
    }
    code.end();
  }
}

/** Subtrees of this many nodes or more become functions where they occur twice. */
const sharedSize = 8;
/** With more different continuations than this a table is jumped through. */
const switchLimit = 4;
const tableLimit = 1024;

function outcomeKey(outcome: Outcome): string {
  if (typeof outcome !== 'object') return String(outcome);
  const writes = outcome.writes.map(
    ({ leaf, from }) => `${leaf.id}=${typeof from === 'number' ? from : `@${from.id}`}`,
  );
  return `write ${writes.join(' ')}`;
}

/** Puts the leaf's number on the stack. */
function emitLeaf(code: Code, { word, shift, bits }: Leaf, read: ReadWord): void {
  read(code, word);
  if (shift > 0) code.i32(shift).do('shrU');
  if (shift + bits < 32) code.i32(maskOf(bits)).do('and');
}

/** Whether a leaf has a number. */
function emitIs(code: Code, { word, shift, bits }: Leaf, answer: number, read: ReadWord): void {
  read(code, word);
  code
    .i32(maskOf(bits) << shift)
    .do('and')
    .i32(answer << shift)
    .do('eq');
}

/** A run of adjacent bits on one side of a comparison: in a word, or a constant. */
interface Run {
  readonly bits: number;
  readonly a: Piece;
  readonly b: Piece;
}
type Piece = { readonly word: number; readonly shift: number } | { readonly number: number };

/** Splits two items into the longest runs that are contiguous in both, most significant first. */
function runsOf(a: Operand, b: Operand): readonly Run[] {
  const runs: Run[] = [];
  for (const [i, left] of a.entries()) {
    const right = b[i] as Leaf | number;
    const bits = typeof left !== 'number' ? left.bits : typeof right !== 'number' ? right.bits : bitsFor(left, right);
    if (bits === 0) continue;
    const next = { bits, a: pieceOf(left), b: pieceOf(right) };
    const last = runs.at(-1);
    const joined =
      last === undefined || last.bits + bits > 31
        ? undefined
        : { a: join(last.a, next.a, bits), b: join(last.b, next.b, bits) };
    if (joined?.a === undefined || joined.b === undefined) runs.push(next);
    else runs[runs.length - 1] = { bits: (last as Run).bits + bits, a: joined.a, b: joined.b };
  }
  return runs;
}

function bitsFor(a: number, b: number): number {
  return a === b ? 0 : 32 - Math.clz32(Math.max(a, b));
}

function pieceOf(part: Leaf | number): Piece {
  return typeof part === 'number' ? { number: part } : { word: part.word, shift: part.shift };
}

function join(high: Piece, low: Piece, lowBits: number): Piece | undefined {
  if ('number' in high && 'number' in low) return { number: high.number * 2 ** lowBits + low.number };
  if ('number' in high || 'number' in low) return undefined;
  return high.word === low.word && high.shift === low.shift + lowBits ? low : undefined;
}

function emitPiece(code: Code, piece: Piece, bits: number, read: ReadWord): void {
  if ('number' in piece) {
    code.i32(piece.number);
    return;
  }
  read(code, piece.word);
  if (piece.shift > 0) code.i32(piece.shift).do('shrU');
  if (piece.shift + bits < 32) code.i32(maskOf(bits)).do('and');
}

/** Puts 1 on the stack if the items are equal, or if the first stands behind the second; otherwise 0. */
function emitComparison(code: Code, ask: 'equal' | 'behind', a: Operand, b: Operand, read: ReadWord): void {
  const runs = runsOf(a, b);
  const compare = (run: Run, operation: 'eq' | 'gtU'): void => {
    emitPiece(code, run.a, run.bits, read);
    emitPiece(code, run.b, run.bits, read);
    code.do(operation);
  };
  if (ask === 'equal') {
    code.i32(1);
    for (const run of runs) {
      compare(run, 'eq');
      code.do('and');
    }
    return;
  }
  // From the least significant run up: greater here, or equal here and greater further down.
  code.i32(0);
  for (const run of runs.toReversed()) {
    compare(run, 'eq');
    code.do('and');
    compare(run, 'gtU');
    code.do('or');
  }
}

/** A word after writes: what is cleared in it, set in it, and copied into it. */
interface WordAfter {
  cleared: number;
  constant: number;
  readonly copies: Map<string, { readonly from: number; readonly by: number; mask: number }>;
}

/** The words that writes change. */
function wordsAfter(writes: readonly Write[]): ReadonlyMap<number, WordAfter> {
  const words = new Map<number, WordAfter>();
  for (const { leaf, from } of writes) {
    if (leaf.bits === 0) continue;
    const after: WordAfter = words.get(leaf.word) ?? { cleared: 0, constant: 0, copies: new Map() };
    words.set(leaf.word, after);
    const mask = maskOf(leaf.bits) << leaf.shift;
    after.cleared |= mask;
    if (typeof from === 'number') {
      after.constant |= from << leaf.shift;
      continue;
    }
    const by = leaf.shift - from.shift;
    const key = `${from.word} ${by}`;
    const copy = after.copies.get(key) ?? { from: from.word, by, mask: 0 };
    copy.mask |= mask;
    after.copies.set(key, copy);
  }
  return words;
}

function emitWordAfter(code: Code, word: number, after: WordAfter | undefined, read: ReadWord): void {
  read(code, word);
  if (after === undefined) return;
  code.i32(~after.cleared).do('and');
  if (after.constant !== 0) code.i32(after.constant).do('or');
  for (const { from, by, mask } of after.copies.values()) {
    read(code, from);
    if (by > 0) code.i32(by).do('shl');
    if (by < 0) code.i32(-by).do('shrU');
    code.i32(mask).do('and').do('or');
  }
}

/** Stores the state after writes at the address in local `address`; the words before are in locals. */
export function emitAfter(code: Code, words: number, writes: readonly Write[], address: number): void {
  const changed = wordsAfter(writes);
  for (let word = 0; word < words; word++) {
    code.get(address);
    emitWordAfter(code, word, changed.get(word), fromLocals);
    code.store(word * 4);
  }
}

/** Changes the state at the address in the first local by writes. */
export function emitChange(code: Code, writes: readonly Write[]): void {
  const changed = [...wordsAfter(writes)];
  // All words are computed from the state before, and then stored.
  for (const [word, after] of changed) {
    code.get(0);
    emitWordAfter(code, word, after, fromMemory);
  }
  for (const [word] of changed.toReversed()) code.store(word * 4);
}
