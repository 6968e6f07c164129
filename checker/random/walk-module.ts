/**
 * The generated module of random walks: it tries rules that random numbers choose from a table, in place on one packed state,
 * and after each step the tests that may have another answer now.
 */
import { emitChange, type Ends, TreeEmitter } from '../compile/emit.ts';
import type { Counter } from '../compile/format.ts';
import type { Leaf } from '../compile/layout.ts';
import type { Compiled, Program } from '../compile/program.ts';
import { type Code, ModuleBuilder } from '../compile/wasm.ts';

/** Why `walk` returned. */
export const stop = {
  /** All steps were taken. */
  done: 0,
  /** The random numbers are used up. */
  randomNumbers: 1,
  /** The way of the rule in `rule` is not known; the step was not taken. */
  unknownRule: 2,
  /** After a step, a test found what it looks for (`found`), or its way is not known (`unsure`). */
  test: 3,
  /** None of the rules that may be tried is enabled. */
  nothing: 4,
} as const;

/** What the module exports. */
export interface WalkExports {
  /**
   * Walks from the state at an address, which it changes, for a number of steps, and appends the rules that are taken to the path.
   * For each step it tries so many rules from the table, of which `left` are left for the first step, and then the next one that is
   * enabled behind a place that is chosen at random.
   */
  readonly walk: (state: number, steps: number, tries: number) => number;
  /** The random numbers that are left, from `random` up to `randomEnd`, and the table that they choose from. */
  readonly random: Counter;
  readonly randomEnd: Counter;
  /** What the next rule of the step in hand is chosen by; 0 where a new step begins. */
  readonly bits: Counter;
  readonly table: Counter;
  readonly mask: Counter;
  readonly left: Counter;
  /** Where a bit is set for each rule that is known not to be enabled, and for each that is not to be tried. */
  readonly disabled: Counter;
  readonly off: Counter;
  /** The end of the path. */
  readonly path: Counter;
  readonly rule: Counter;
  /** The number of the test that found something, from 1; 0 if none did. */
  readonly found: Counter;
  readonly unsure: Counter;
  /** Where 1 is stored for each test of a `reachable` property whose goal was met. */
  readonly goals: Counter;
}

/**
 * Generates the module for what the program's trees know now. `pages`: the most that the memory may have, in 64 KiB. `reads`: all that
 * a test may be taken to read, given what it was seen to.
 */
export function generateWalk(
  program: Program,
  pages: number,
  reads: (leaves: ReadonlySet<Leaf>) => ReadonlySet<Leaf>,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const global = {
    random: module.global('random'),
    randomEnd: module.global('randomEnd'),
    bits: module.global('bits'),
    table: module.global('table'),
    mask: module.global('mask'),
    left: module.global('left'),
    disabled: module.global('disabled'),
    off: module.global('off'),
    path: module.global('path'),
    rule: module.global('rule'),
    found: module.global('found'),
    unsure: module.global('unsure'),
    goals: module.global('goals'),
  };
  const emitter = new TreeEmitter(module, program.layout, 'in memory');
  const { value } = emitter;

  const tests = testsOf(program);
  const testFunctions = tests.map((test, i) => {
    const [index, code] = module.func('', emitter.params, ['i32']);
    const unknown: Ends['unknown'] = (into) => {
      into.i32(1).setGlobal(global.unsure);
    };
    const at: Ends['at'] = (outcome, into) => {
      if (isGoal(test)) {
        if (outcome === true)
          into
            .getGlobal(global.goals)
            .i32(1)
            .store(i * 4);
      } else if (outcome === false) into.i32(i + 1).setGlobal(global.found);
    };
    if (test.form === 'tree')
      emitter.emit(code, test.tree.root, { at, unknown }, isGoal(test) ? `goal ${i}` : `test ${i}`);
    else unknown(code);
    code.get(value);
    return index;
  });
  const testsAfter = affectedBy(tests.map(({ form, tree }) => (form === 'tree' ? reads(tree.reads) : undefined)));
  const rulesAfter = affectedBy(program.rules.map(({ form, tree }) => (form === 'tree' ? tree.reads : undefined)));

  const ruleFunctions = program.rules.map(({ tree, form }) => {
    const [index, code] = module.func('', emitter.params, ['i32']);
    const unknown: Ends['unknown'] = (into) => {
      into.i32(stop.unknownRule).set(value);
    };
    const at: Ends['at'] = (outcome, into) => {
      if (typeof outcome !== 'object') return;
      emitChange(into, outcome.writes);
      const leaves = outcome.writes.map(({ leaf }) => leaf);
      const bits = new Map<number, number>();
      for (const rule of rulesAfter(leaves)) bits.set(rule >>> 5, (bits.get(rule >>> 5) ?? 0) | (1 << (rule & 31)));
      for (const [word, mask] of bits) {
        into.getGlobal(global.disabled).getGlobal(global.disabled);
        into
          .load(word * 4)
          .i32(~mask)
          .do('and')
          .store(word * 4);
      }
      for (const test of testsAfter(leaves)) {
        into
          .get(0)
          .i32(0)
          .call(testFunctions[test] as number)
          .op(drop);
      }
      into.i32(1).set(value);
    };
    if (form === 'tree') emitter.emit(code, tree.root, { at, unknown }, 'rule');
    else unknown(code);
    code.get(value);
    return index;
  });
  module.table(ruleFunctions);

  const count = program.rules.length;
  const words = Math.ceil(count / 32);
  const [next, scan] = module.func('', ['i32'], ['i32'], ['i32', 'i32', 'i32']);
  emitScan(scan, words, global);

  const [state, steps, tries, place, rule, result] = [0, 1, 2, 3, 4, 5];
  const [, code] = module.func('walk', ['i32', 'i32', 'i32'], ['i32'], ['i32', 'i32', 'i32']);
  code.loop();
  code.get(steps).do('eqz').if().i32(stop.done).return().end();
  // One random number for each step, stretched to as many as it takes to find a rule that is enabled.
  code.getGlobal(global.bits).do('eqz').if();
  code.getGlobal(global.random).getGlobal(global.randomEnd).do('eq').if().i32(stop.randomNumbers).return().end();
  code.getGlobal(global.random).load(0).setGlobal(global.bits);
  code.getGlobal(global.random).i32(4).do('add').setGlobal(global.random);
  code.getGlobal(global.bits).do('eqz').if().i32(insteadOfZero).setGlobal(global.bits).end();
  code.end();
  code.getGlobal(global.left).if();
  code.getGlobal(global.left).i32(1).do('sub').setGlobal(global.left);
  code.getGlobal(global.bits).getGlobal(global.mask).do('and').i32(2).do('shl');
  code.getGlobal(global.table).do('add').load(0).set(rule);
  code.getGlobal(global.bits).tee(place).get(place).i32(13).do('shl', 'xor').tee(place);
  code.get(place).i32(17).do('shrU', 'xor').tee(place).get(place).i32(5).do('shl', 'xor').setGlobal(global.bits);
  code.getGlobal(global.disabled).get(rule).i32(5).do('shrU').i32(2).do('shl', 'add').load(0);
  code.get(rule).do('shrU').i32(1).do('and').brIf(1);
  code.else();
  code.getGlobal(global.bits).i32(count).do('remU').call(next).tee(rule).i32(-1).do('eq').if();
  code.i32(stop.nothing).return().end();
  code.end();
  code.get(state).i32(0).get(rule);
  code
    .callIndirect(ruleFunctions[0] ?? 0)
    .tee(result)
    .do('eqz')
    .if();
  code.getGlobal(global.disabled).get(rule).i32(5).do('shrU').i32(2).do('shl', 'add').tee(place);
  code.get(place).load(0).i32(1).get(rule).do('shl', 'or').store(0).br(1);
  code.end();
  code.get(result).i32(stop.unknownRule).do('eq').if();
  code.get(rule).setGlobal(global.rule).i32(stop.unknownRule).return();
  code.end();
  code.i32(0).setGlobal(global.bits);
  code.getGlobal(global.path).get(rule).store(0);
  code.getGlobal(global.path).i32(4).do('add').setGlobal(global.path);
  code.get(steps).i32(1).do('sub').set(steps).get(tries).setGlobal(global.left);
  code.getGlobal(global.found).getGlobal(global.unsure).do('or').do('eqz').brIf(0);
  code.i32(stop.test).return().end().unreachable();
  return module.bytes(pages);
}

/** The first rule from a place on, and round, that may be tried and is not known to be disabled; -1 if there is none. */
function emitScan(code: Code, words: number, global: { readonly disabled: number; readonly off: number }): void {
  const [start, word, left, open] = [0, 1, 2, 3];
  const load = (): void => {
    code.get(word).i32(2).do('shl').tee(open).getGlobal(global.disabled).do('add').load(0);
    code.get(open).getGlobal(global.off).do('add').load(0).do('or').i32(-1).do('xor');
  };
  code.get(start).i32(5).do('shrU').set(word);
  code.i32(words).set(left);
  load();
  code.i32(-1).get(start).do('shl', 'and').set(open);
  code.loop();
  code.get(open).if().get(word).i32(5).do('shl').get(open).do('ctz', 'add').return().end();
  code.get(left).do('eqz').if().i32(-1).return().end();
  code.get(left).i32(1).do('sub').set(left);
  code.get(word).i32(1).do('add').tee(word).i32(words).do('eq').if().i32(0).set(word).end();
  load();
  code.set(open).br(0).end().unreachable();
}

const drop = 0x1a;

/** What a random number is instead of 0, which xorshift would leave as it is. */
export const insteadOfZero = 0x9e37_79b9 | 0;

/** The next number of a sequence (xorshift, Marsaglia 2003), as the generated code makes it. */
export function stretched(bits: number): number {
  let x = bits;
  x ^= x << 13;
  x ^= x >>> 17;
  return x ^ (x << 5);
}

/** The numbers of the functions that a change of some leaves may matter to; what a function without `reads` reads is not known. */
function affectedBy(reads: readonly (ReadonlySet<Leaf> | undefined)[]): (leaves: readonly Leaf[]) => readonly number[] {
  const readers = new Map<Leaf, number[]>();
  const always: number[] = [];
  for (const [number, leaves] of reads.entries()) {
    if (leaves === undefined) always.push(number);
    for (const leaf of leaves ?? []) {
      const known = readers.get(leaf);
      if (known === undefined) readers.set(leaf, [number]);
      else known.push(number);
    }
  }
  return (leaves) => [...new Set([...always, ...leaves.flatMap((leaf) => readers.get(leaf) ?? [])])];
}

/** The tests of properties of single states, in the order of their numbers. */
export function testsOf({ functions }: Program): readonly Compiled[] {
  return functions.filter(({ what }) => what.kind === 'property');
}

/** Whether a test looks for what must be possible, and not for what must not be. */
export function isGoal({ what }: Compiled): boolean {
  return what.kind === 'property' && what.property.kind === 'reachable';
}
