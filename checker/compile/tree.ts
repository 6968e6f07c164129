/**
 * Decision trees: the paths of one function over packed states, joined. A branch asks a question, an end says what the
 * function does; a way that no state has taken yet is missing.
 */
import type { Leaf } from './layout.ts';
import { type Answer, answerIn, type Question, type Write } from './machine.ts';

/** What a function comes to: a rule is not enabled or writes, a test is true or false. */
export type Outcome = 'disabled' | { readonly writes: readonly Write[] } | boolean;

/** A tree. */
export type Node = Branch | End;
export interface Branch {
  readonly question: Question;
  readonly kids: Map<number, Node>;
}
export interface End {
  readonly outcome: Outcome;
  /** A packed state in which the function was found to go this way. */
  readonly sample: Int32Array;
}

/** A tree that grows by recorded paths. */
export class Tree {
  root: Node | undefined;
  /** Branches and ends. */
  nodes = 0;
  /** Ends alone: the paths that were recorded. */
  paths = 0;
  readonly reads = new Set<Leaf>();
  readonly writes = new Set<Leaf>();

  /** What the function does on a state, if its path is known. */
  outcome(words: Int32Array): Outcome | undefined {
    return this.end(words)?.outcome;
  }

  /** The end to which a state leads, if its path is known. */
  end(words: Int32Array): End | undefined {
    let node = this.root;
    while (node !== undefined && 'question' in node) node = node.kids.get(answerIn(node.question, words));
    return node;
  }

  /** All ends. */
  *ends(node = this.root): Generator<End, void> {
    if (node === undefined) return;
    if ('question' in node) for (const kid of node.kids.values()) yield* this.ends(kid);
    else yield node;
  }

  /** Adds a path that a state takes. Throws where it asks other questions than a known path with the same answers did. */
  add(path: readonly Answer[], outcome: Outcome, sample: Int32Array): void {
    const end: End = { outcome, sample: sample.slice() };
    let parent: Branch | undefined;
    let answerOfParent = 0;
    let node = this.root;
    const join = (child: Node): void => {
      if (parent === undefined) this.root = child;
      else parent.kids.set(answerOfParent, child);
      this.nodes++;
    };
    for (const { question, answer } of path) {
      if (node === undefined) {
        node = { question, kids: new Map() };
        join(node);
        for (const leaf of leavesAsked(question)) this.reads.add(leaf);
      } else if (!('question' in node) || node.question.key !== question.key) {
        throw new Error('it asks different questions for the same answers');
      }
      parent = node;
      answerOfParent = answer;
      node = node.kids.get(answer);
    }
    if (node !== undefined) throw new Error('it asks different questions for the same answers');
    join(end);
    this.paths++;
    if (typeof outcome === 'object') for (const { leaf } of outcome.writes) this.writes.add(leaf);
  }
}

/** The leaves that a question reads. */
export function leavesAsked(question: Question): readonly Leaf[] {
  if (question.ask === 'leaf') return [question.leaf];
  return [...question.a, ...question.b].filter((part) => typeof part !== 'number');
}
