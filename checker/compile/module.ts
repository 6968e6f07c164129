/**
 * The generated module of a program: the successors of packed states, and tests of its properties on them.
 */
import { emitAfter, type Ends, TreeEmitter } from './emit.ts';
import { type Counter, noteBytes, propertyBit, stridesOf, unknownNote } from './format.ts';
import { type Leaf, maskOf } from './layout.ts';
import { allRules, type Compiled, type Program } from './program.ts';
import { type Code, ModuleBuilder } from './wasm.ts';

/** What the module of a program exports. */
export interface ProgramExports {
  /** Appends the successors of `n` states from `address` on, the first of them numbered `id` in `shard`. */
  readonly expand: (address: number, n: number) => void;
  /** Tests properties on `n` states from `address` on. */
  readonly check: (address: number, n: number, masks: number) => void;
  readonly out: Counter;
  readonly missed: Counter;
  readonly stuck: Counter;
  readonly found: Counter;
  readonly shard: Counter;
  readonly id: Counter;
  readonly active: Counter;
}

/**
 * Generates the module for what the program's trees know now. `pages`: the most that the memory may have, in 64 KiB. With
 * `isLabelled` a successor has the number of its rule in the place of the properties to test.
 */
export function generate(program: Program, pages: number, isLabelled = false): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const globals = {
    out: module.global('out'),
    missed: module.global('missed'),
    stuck: module.global('stuck'),
    found: module.global('found'),
    shard: module.global('shard'),
    id: module.global('id'),
    active: module.global('active'),
    unsure: module.global('unsure'),
  };
  const { words } = program.layout;
  const strides = stridesOf(words);

  /** A function that appends a note to the buffer whose end a global holds. */
  const noteTo = (end: number): number => {
    const [index, code] = module.func('', ['i32'], []);
    code.getGlobal(end).getGlobal(globals.shard).store(0);
    code.getGlobal(end).getGlobal(globals.id).store(4);
    code.getGlobal(end).get(0).store(8);
    code.getGlobal(end).i32(noteBytes).do('add').setGlobal(end);
    return index;
  };
  const miss = noteTo(globals.missed);
  const stuck = noteTo(globals.stuck);
  const found = noteTo(globals.found);

  expandFunction();
  checkFunction();
  return module.bytes(pages);

  function expandFunction(): void {
    const emitter = new TreeEmitter(module, program.layout);
    const masks = new PropertyMasks(program);
    const { leaves: kept, rules: chosen, amples = [] } = program.narrowing;
    /** Emits a rule; its ways get a name of their own for every meaning of `unknown`. */
    const emitRule = (rule: Compiled, into: Code, name: string, unknown: (code: Code) => void): void => {
      if (rule.form !== 'tree') {
        unknown(into);
        return;
      }
      const ends: Ends = {
        at: (outcome, code) => {
          if (typeof outcome !== 'object') return;
          const writes = outcome.writes.filter(({ leaf }) => kept?.has(leaf) ?? true);
          emitAfter(code, words, writes, emitter.value);
          code
            .get(emitter.value)
            .i32(isLabelled ? rule.index : masks.after(writes.map(({ leaf }) => leaf)))
            .store(strides.state);
          code.get(emitter.value).i32(strides.successor).do('add').set(emitter.value);
        },
        unknown,
      };
      emitter.emit(into, rule.tree.root, ends, `${name} ${rule.index}`);
    };

    const groups: { index: number; code: Code; size: number }[] = [];
    for (const rule of program.rules) {
      if (chosen?.has(rule) === false) continue;
      let group = groups.at(-1);
      if (group === undefined || group.size > groupSize) {
        const [index, code] = module.func('', emitter.params, ['i32']);
        group = { index, code, size: 0 };
        groups.push(group);
      }
      group.size += rule.form === 'tree' ? emitter.sizeOf(rule.tree.root) : 1;
      emitRule(rule, group.code, 'rule', (code) => {
        code.i32(rule.index).call(miss);
      });
    }
    for (const { code } of groups) code.get(emitter.value);

    const alone = amples.map((ample) => {
      const [index, code] = module.func('', emitter.params, ['i32']);
      for (const rule of ample.rules) {
        emitRule(rule, code, 'alone', (into) => {
          into.i32(1).setGlobal(globals.unsure);
        });
      }
      code.get(emitter.value);
      return { ...ample, index };
    });

    const [address, count, start, missedBefore, end, word] = [0, 1, 2, 3, 4, 5];
    const [, code] = module.func(
      'expand',
      ['i32', 'i32'],
      [],
      [...(['i32', 'i32', 'i32'] as const), ...Array.from({ length: words }, () => 'i32' as const)],
    );
    const callGroup = (index: number): void => {
      for (let w = 0; w < words; w++) code.get(word + w);
      code.get(end).call(index).set(end);
    };
    code.block().loop().get(count).do('eqz').brIf(1);
    for (let w = 0; w < words; w++)
      code
        .get(address)
        .load(w * 4)
        .set(word + w);
    code.getGlobal(globals.out).tee(start).set(end).getGlobal(globals.missed).set(missedBefore);
    code.block(); // until the state is explored
    for (const { place, at, index } of alone) {
      code
        .get(word + place.word)
        .i32(maskOf(place.bits) << place.shift)
        .do('and')
        .i32(at << place.shift)
        .do('eq')
        .if();
      code.i32(0).setGlobal(globals.unsure);
      callGroup(index);
      // What these rules do is not all known: the state is explored elsewhere.
      code.getGlobal(globals.unsure).if().get(start).set(end).i32(allRules).call(miss).br(2).end();
      code.get(end).get(start).do('ne').brIf(1).end();
    }
    for (const { index } of groups) callGroup(index);
    code.end();
    code.get(end).setGlobal(globals.out);
    code.get(end).get(start).do('eq');
    code.getGlobal(globals.missed).get(missedBefore).do('eq', 'and');
    code.if().i32(0).call(stuck).end();
    code.getGlobal(globals.id).i32(1).do('add').setGlobal(globals.id);
    code.get(address).i32(strides.state).do('add').set(address);
    code.get(count).i32(1).do('sub').set(count).br(0).end().end();
  }

  function checkFunction(): void {
    const emitter = new TreeEmitter(module, program.layout);
    const properties = program.properties.map((property, i) => {
      const parts: { index: number; code: Code; size: number }[] = [];
      for (const compiled of program.functions) {
        if (compiled.what.kind !== 'property' || compiled.what.property !== property) continue;
        let part = parts.at(-1);
        if (part === undefined || part.size > groupSize) {
          const [index, code] = module.func('', emitter.params, ['i32']);
          part = { index, code, size: 0 };
          parts.push(part);
        }
        part.size += compiled.form === 'tree' ? emitter.sizeOf(compiled.tree.root) : 1;
        const { code } = part;
        const deciding = property.kind === 'reachable';
        const unknown = (into: Code): void => {
          into.i32(compiled.index | unknownNote).call(found);
        };
        const ends: Ends = {
          at: (outcome, into) => {
            if (outcome === deciding) into.i32(compiled.index).call(found).i32(1).set(emitter.value);
          },
          unknown,
        };
        code.get(emitter.value).do('eqz').if();
        if (compiled.form === 'tree') emitter.emit(code, compiled.tree.root, ends, `property ${compiled.index}`);
        else unknown(code);
        code.end();
      }
      for (const { code } of parts) code.get(emitter.value);
      return { parts, bit: propertyBit(i) };
    });
    const [address, count, masks, mask, decided, word] = [0, 1, 2, 3, 4, 5];
    const [, code] = module.func(
      'check',
      ['i32', 'i32', 'i32'],
      [],
      Array.from({ length: 2 + words }, () => 'i32' as const),
    );
    code.block().loop().get(count).do('eqz').brIf(1);
    code.get(masks).load(0).getGlobal(globals.active).do('and').tee(mask).if();
    for (let w = 0; w < words; w++)
      code
        .get(address)
        .load(w * 4)
        .set(word + w);
    for (const { parts, bit } of properties) {
      if (parts.length === 0) continue;
      code.get(mask).i32(bit).do('and').if().i32(0).set(decided);
      for (const { index } of parts) {
        for (let w = 0; w < words; w++) code.get(word + w);
        code.get(decided).call(index).set(decided);
      }
      code.end();
    }
    code.end();
    code.getGlobal(globals.id).i32(1).do('add').setGlobal(globals.id);
    code.get(masks).i32(4).do('add').set(masks);
    code.get(address).i32(strides.state).do('add').set(address);
    code.get(count).i32(1).do('sub').set(count).br(0).end().end();
  }
}

/** A function of the module is filled up with rules until it has this many nodes. */
const groupSize = 400;

/** Which properties may change their value when leaves are written. */
class PropertyMasks {
  private readonly byLeaf = new Map<Leaf, number>();
  private readonly always: number;

  constructor({ properties, functions }: Program) {
    let always = 0;
    for (const { what, tree, form } of functions) {
      if (what.kind !== 'property') continue;
      const bit = propertyBit(properties.indexOf(what.property));
      if (form !== 'tree') always |= bit;
      for (const leaf of tree.reads) this.byLeaf.set(leaf, (this.byLeaf.get(leaf) ?? 0) | bit);
    }
    this.always = always;
  }

  after(leaves: readonly Leaf[]): number {
    return leaves.reduce((mask, leaf) => mask | (this.byLeaf.get(leaf) ?? 0), this.always);
  }
}
