/**
 * Whether functions that are run on packed words do what they mean, in states of the domain that need not be reachable.
 */
import {
  type Frozen,
  instantiate,
  ModelError,
  propertiesOf,
  type Shape,
  type State,
  type Value,
} from '../../language/index.ts';
import { fire } from '../../language/meaning.ts';
import { oneAction } from '../../language/one-action.fixture.ts';
import { picker, stateOf } from '../random/states.fixture.ts';
import { written } from './machine.ts';
import { type Compiled, Program } from './program.ts';

function told(work: () => string): string {
  try {
    return work();
  } catch (error) {
    if (error instanceof ModelError) return `error: ${error.problem}`;
    throw error;
  }
}

/** What a function comes to by the meaning of the language: the state after it packed, an answer, or an error. */
function meaningOf({ instance, layout }: Program, { what }: Compiled, words: Int32Array): string {
  const state = layout.unpack(words);
  return told(() => {
    if (what.kind === 'property') return String(what.property.test(state, what.binding));
    if (what.kind === 'final') return String(what.property.finalState(state) !== undefined);
    const next = fire(instance, what.rule, what.bound, state);
    return next === undefined ? 'disabled' : String(layout.pack(next));
  });
}

/** Runs all functions of a program on some states, one after the other; tells where they do not do what they mean. */
export function disagreements(program: Program, states: readonly State[]): readonly string[] {
  return states.flatMap((state) => {
    const words = program.layout.pack(state);
    return program.functions.flatMap((compiled) => {
      const meant = meaningOf(program, compiled, words);
      const done = told(() => {
        const outcome = program.outcome(compiled, words);
        return typeof outcome === 'object' ? String(written(words, outcome.writes)) : String(outcome);
      });
      return done === meant ? [] : [`${JSON.stringify(state)}: ${done} instead of ${meant}`];
    });
  });
}

/**
 * Runs a function on many states of a domain, the initial one first, in two orders. Tells in which form it is run in the end,
 * or where it did not do what it means.
 */
export function formOf<const D extends Shape>(
  state: D,
  effect: (s: Value<D>) => void,
  guard: (s: Frozen<Value<D>>) => boolean = () => true,
): string {
  const instance = instantiate(oneAction(state, [effect], [guard]));
  const forms = [1, 2].map((seed) => {
    const pick = picker(seed);
    const states = Array.from({ length: 60 }, () => stateOf(instance.domain, pick));
    const program = new Program(instance, propertiesOf(instance, []));
    const [first] = disagreements(program, [instance.domain.initial, ...states]);
    return first ?? (program.rules[0] as Compiled).form;
  });
  return forms.find((form) => form !== 'tree') ?? 'tree';
}
