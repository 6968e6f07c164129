/**
 * Generated code does what the trees do that it comes from, and says where they do not know.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bag,
  bool,
  each,
  type Instance,
  instantiate,
  propertiesOf,
  queue,
  range,
  type Shape,
  type State,
  type Value,
} from '../../language/index.ts';
import { oneAction, Page } from '../../language/one-action.fixture.ts';
import { cook } from '../random/cook.fixture.ts';
import { recipes } from '../random/recipes.fixture.ts';
import { picker, stateOf } from '../random/states.fixture.ts';
import { emitAfter, TreeEmitter } from './emit.ts';
import type { Layout } from './layout.ts';
import { written } from './machine.ts';
import { Program } from './program.ts';
import type { Outcome, Tree } from './tree.ts';
import { ModuleBuilder } from './wasm.ts';

const answers = { unknown: -1, disabled: 0, after: 1, true: 2, false: 3 } as const;

/** Code for some trees; runs the tree of a number on packed words. */
function codeOf(layout: Layout, trees: readonly Tree[]): (tree: number, words: Int32Array) => string {
  const module = new ModuleBuilder();
  const emitter = new TreeEmitter(module, layout);
  for (const [i, { root }] of trees.entries()) {
    const [, code] = module.func(`tree ${i}`, emitter.params, ['i32']);
    emitter.emit(
      code,
      root,
      {
        at: (outcome, into) => {
          if (typeof outcome === 'object') emitAfter(into, layout.words, outcome.writes, emitter.value);
          const answer = typeof outcome === 'object' ? 'after' : (String(outcome) as keyof typeof answers);
          into.i32(answers[answer]).set(emitter.value);
        },
        unknown: (into) => void into.i32(answers.unknown).set(emitter.value),
      },
      `tree ${i}`,
    );
    code.get(emitter.value);
  }
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes(1)), { env: { memory } });
  const names = new Map<number, string>(Object.entries(answers).map(([name, answer]) => [answer, name]));
  const address = 64;
  return (tree, words) => {
    const run = exports[`tree ${tree}`] as (...args: readonly number[]) => number;
    const answer = run(...words, address);
    const after = new Int32Array(memory.buffer, address, layout.words);
    return answer === answers.after ? String(after) : (names.get(answer) ?? `${answer}`);
  };
}

function told(outcome: Outcome | undefined, words: Int32Array): string {
  if (outcome === undefined) return 'unknown';
  return typeof outcome === 'object' ? String(written(words, outcome.writes)) : String(outcome);
}

interface Compared {
  readonly program: Program;
  /** How often the code knew the way, and how often it did not. */
  readonly known: number;
  readonly unknown: number;
}

/** Records functions in some states, and compares their trees with the code of these in more states. */
function compare(
  instance: Instance,
  states: readonly State[],
  recorded: number,
  program = programOf(instance),
): Compared {
  const { layout, functions } = program;
  const packed = states.map((state) => layout.pack(state));
  for (const words of packed.slice(0, recorded)) for (const compiled of functions) program.outcome(compiled, words);
  const run = codeOf(
    layout,
    functions.map(({ tree }) => tree),
  );
  let known = 0;
  let unknown = 0;
  for (const words of packed) {
    for (const [i, { tree }] of functions.entries()) {
      const outcome = tree.outcome(words);
      expect(run(i, words)).toBe(told(outcome, words));
      if (outcome === undefined) unknown++;
      else known++;
    }
  }
  return { program, known, unknown };
}

function programOf(instance: Instance): Program {
  return new Program(instance, propertiesOf(instance, []));
}

function statesOf(instance: Instance, count: number, seed = 1): readonly State[] {
  const pick = picker(seed);
  return Array.from({ length: count }, () => stateOf(instance.domain, pick));
}

/** The same for one effect, recorded in half of the states. */
function compareEffect<const D extends Shape>(state: D, effect: (s: Value<D>) => void, count = 400): Compared {
  const instance = instantiate(oneAction(state, [effect]));
  return compare(instance, statesOf(instance, count), count / 2);
}

it('code of random models does what their trees do', () => {
  let [known, unknown] = [0, 0];
  fc.assert(
    fc.property(recipes, fc.integer(), (recipe, seed) => {
      const { instance, set } = cook(recipe);
      const program = new Program(instance, propertiesOf(instance, [set]));
      const compared = compare(instance, statesOf(instance, 40, seed), 20, program);
      known += compared.known;
      unknown += compared.unknown;
    }),
    { numRuns: 40 },
  );
  expect(known).toBeGreaterThan(5000);
  expect(unknown).toBeGreaterThan(50);
});

describe('a leaf', () => {
  it.each([2, 4, 5, 6, 17, 1000, 1024, 1025, 5000])('of %i values goes as many ways', (count) => {
    const state = { n: range(-3, count - 4), before: bool, m: range(0, 2 * count) };
    const instance = instantiate(oneAction(state, [(s) => void (s.m = 2 * (s.n + 3) + (s.before ? 1 : 0))]));
    const all = Array.from({ length: count }, (_, i): State => ({
      n: i - 3,
      before: i % 2 === 0,
      m: 0,
      act: undefined,
    }));
    const { program } = compare(instance, all, all.length);
    expect(program.rules[0]?.tree.paths).toBe(count);
    expect(compare(instance, all, count - 1).unknown).toBe(1);
    expect(compare(instance, all, 1).unknown).toBe(count - 1);
  });

  it('of 2^31 values goes the ways that were met', () => {
    const state = { n: range(-(2 ** 30), 2 ** 30 - 1), m: range(0, 2 ** 31 - 1), flag: bool };
    const { known, unknown } = compareEffect(state, (s) => {
      if (s.n === 2 ** 30 - 1) s.flag = true;
      s.m = s.n + 2 ** 30;
    });
    expect(known).toBeGreaterThan(300);
    expect(unknown).toBeGreaterThan(0);
  });

  it('of few groups of many values is tested group by group', () => {
    const { program } = compareEffect({ n: range(0, 1023), low: bool }, (s) => void (s.low = s.n < 512), 3000);
    expect(program.rules[0]?.tree.paths).toBeGreaterThan(100);
  });

  it('in the highest bit of a word is copied, set and cleared', () => {
    const state = {
      a: range(0, 2 ** 31 - 1),
      top: bool,
      b: range(0, 2 ** 31 - 1),
      high: bool,
      q: queue(2, range(0, 2 ** 31 - 1)),
    };
    const { known } = compareEffect(state, (s) => {
      s.top = !s.high;
      s.b = s.a;
      if (!s.q.isEmpty) s.a = s.q.shift();
    });
    expect(known).toBeGreaterThan(200);
  });
});

describe('items', () => {
  const wide = { a: range(0, 2 ** 31 - 1), b: range(-(2 ** 31), -1), c: range(-2, 2), d: bool, e: range(0, 2 ** 20) };

  it('of several words are compared, added, removed and shifted', () => {
    const compared = compareEffect({ bag: bag(3, wide), q: queue(3, wide), flag: bool }, (s) => {
      s.flag = !s.q.isEmpty && s.bag.has(s.q.head);
      if (!s.q.isEmpty && !s.bag.isFull) s.bag.add(s.q.shift());
      else if (s.flag) s.bag.remove(s.q.head);
    });
    expect(compared.known).toBeGreaterThan(200);
  });

  it('of several words are compared with literals and with what is in the state', () => {
    const { known } = compareEffect({ bag: bag(2, wide), it: wide, flag: bool, n: range(0, 2) }, (s) => {
      s.n = s.bag.count(s.it);
      s.flag = s.bag.has({ a: 2 ** 31 - 1, b: -(2 ** 31), c: 0, d: true, e: 2 ** 19 });
      if (!s.bag.isFull) s.bag.add(s.it);
    });
    expect(known).toBeGreaterThan(200);
  });

  it('of a bag stand in their order whatever is added', () => {
    const state = { bag: bag(4, { x: range(-1, 1), y: bool }), it: { x: range(-1, 1), y: bool } };
    const { known } = compareEffect(state, (s) => void (s.bag.isFull || s.bag.add(s.it)), 800);
    expect(known).toBeGreaterThan(600);
  });
});

describe('large trees', () => {
  const flags = { flags: each(Page, { a: range(0, 3), b: range(0, 3) }), x: range(0, 3), sum: range(0, 30) };

  it('share what is the same', () => {
    const { program } = compareEffect(
      flags,
      (s) => {
        // What comes after x is the same for all of its values.
        const start = s.x > 3 ? 1 : 0;
        s.sum = [...s.flags].reduce((sum, { a, b }) => sum + a + b, start);
      },
      3000,
    );
    expect(program.rules[0]?.tree.nodes).toBeGreaterThan(400);
  });

  it('of complete binary decisions share their ends', () => {
    const bits = { bits: each(Page, each(Page, bool)), n: range(0, 9) };
    const { known } = compareEffect(
      bits,
      (s) => void (s.n = [...s.bits].flatMap((row) => [...row]).filter(Boolean).length),
      3000,
    );
    expect(known).toBeGreaterThan(1500);
  });
});

it('states of many words are read and written anywhere', () => {
  const state = { words: each(Page, each(Page, each(Page, range(0, 2 ** 31 - 1)))), who: Page, n: range(0, 2) };
  const { program } = compareEffect(state, (s) => {
    s.words[s.who][s.who][s.who] = s.n;
    for (const [page] of s.words.entries()) s.words[page][s.who][page] = s.words[s.who][page][s.who];
  });
  expect(program.layout.words).toBeGreaterThan(20);
});
