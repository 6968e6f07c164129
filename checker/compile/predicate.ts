/**
 * Tests of packed states, or of two at once, that run as decision trees which grow while new paths are met. Each path is
 * recorded once, and compared there with what the test says of the immutable form.
 */
import type { Layout } from './layout.ts';
import { Machine } from './machine.ts';
import { Tree } from './tree.ts';
import { twice } from './twice.ts';
import { type Views, viewsOn } from './views.ts';

/** What a test says; `undefined` where it does not apply. */
type Answer = boolean | undefined;

/** Beyond so many nodes a tree is given up, and the test is run on each state. */
const mostNodes = 50_000;

/** Tests of the states of a layout. */
export class Predicates {
  readonly layout: Layout;
  readonly machine: Machine;
  readonly views: Views;

  constructor(layout: Layout) {
    this.layout = layout;
    this.machine = new Machine(layout);
    this.views = viewsOn(this.machine);
  }
}

/** One test. `name` is for messages. */
export class Predicate {
  private readonly of: Predicates;
  private readonly name: string;
  private readonly test: (state: never) => Answer;
  private readonly tree = new Tree();
  private form: 'tree' | 'packed' | 'immutable' = 'tree';

  constructor(of: Predicates, name: string, test: (state: never) => Answer) {
    this.of = of;
    this.name = name;
    this.test = test;
  }

  /** What the test says of a packed state. Throws `ModelError` where it is broken. */
  at(words: Int32Array): Answer {
    if (this.form === 'tree') {
      const known = this.tree.outcome(words);
      if (known !== undefined) return known === 'disabled' ? undefined : (known as boolean);
      return this.record(words);
    }
    if (this.form === 'packed') {
      try {
        return this.run(words);
      } catch {
        // What the packed form cannot do the immutable one may; and a mistake is told as the language tells it.
      }
    }
    return this.meant(words);
  }

  private record(words: Int32Array): Answer {
    const meant = twice(this.name, () => this.meant(words));
    try {
      if (this.run(words) !== meant) throw new Error('its packed form does something else');
      this.tree.add(this.of.machine.path(), meant ?? 'disabled', words);
      if (this.tree.nodes > mostNodes) this.form = 'packed';
    } catch {
      this.form = 'immutable';
    }
    return meant;
  }

  private run(words: Int32Array): Answer {
    const { machine, views } = this.of;
    machine.begin(words);
    views.begin();
    const answer = this.test(views.frozen as never);
    machine.end();
    return answer;
  }

  private meant(words: Int32Array): Answer {
    return this.test(this.of.layout.unpack(words) as never);
  }
}
