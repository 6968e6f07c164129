/**
 * The reductions of one search together: what it leaves out of the model, in which form it keeps states, and how its paths
 * become paths of the whole model again.
 */
import { initialStates, ModelError, type State } from '../../language/index.ts';
import { maskOf } from '../compile/layout.ts';
import { written } from '../compile/machine.ts';
import type { ModuleBuilder } from '../compile/wasm.ts';
import type { Program } from '../compile/program.ts';
import type { Path } from '../result.ts';
import { canonicalForm, emitCanonical } from './canonical.ts';
import type { FootprintOf } from './footprint.ts';
import { amplesOf } from './partial-order.ts';
import type { Slice } from './slice.ts';
import { Symmetry } from './symmetry.ts';

/** What a search is to leave out. */
export interface Wishes {
  /** The sizes of the sorts whose members are interchangeable, by name. */
  readonly sorts: ReadonlyMap<string, number>;
  /** Only this part of the model. */
  readonly slice: Slice | undefined;
  /** Where orders of independent steps are to be left out: what the functions read and write. */
  readonly partialOrder: FootprintOf | undefined;
}

/** The reductions of a search. */
export class Reduction {
  /** The initial states of the whole model, packed. */
  readonly initial: readonly Int32Array[];
  /** The sorts whose members are interchanged. */
  readonly sorts: readonly string[];
  private readonly program: Program;
  private readonly symmetry: Symmetry | undefined;
  /** The bits of the leaves that are kept. */
  private readonly kept: Int32Array | undefined;

  /** Narrows the program. Throws `Asymmetry` where the initial states treat members of the sorts differently. */
  constructor(program: Program, { sorts, slice, partialOrder }: Wishes) {
    this.program = program;
    this.initial = (initialStates(program.instance) as readonly State[]).map((state) => program.layout.pack(state));
    this.sorts = [...sorts.keys()];
    if (sorts.size > 0) {
      this.symmetry = new Symmetry(program, sorts);
      this.symmetry.checkInitial(this.initial);
    }
    const isPart = slice !== undefined && slice.leaves.size < program.layout.leaves.length;
    if (isPart) {
      this.symmetry?.checkPart(slice);
      this.kept = new Int32Array(program.layout.words);
      for (const { word, shift, bits } of slice.leaves)
        this.kept[word] = (this.kept[word] as number) | mask(bits, shift);
    }
    const rules = isPart ? slice.rules : new Set(program.rules);
    const independent = partialOrder === undefined ? [] : amplesOf(program, rules, partialOrder);
    const amples = this.symmetry?.steady(independent) ?? independent;
    program.narrowing = {
      ...(isPart ? { rules, leaves: slice.leaves } : {}),
      ...(amples.length === 0 ? {} : { amples }),
      ...(this.symmetry === undefined ? {} : { witness: this.symmetry }),
    };
  }

  /** Adds the function that brings states into canonical form, where there is one. */
  get canonical(): ((module: ModuleBuilder) => number) | undefined {
    const { symmetry, program } = this;
    return symmetry && ((module) => emitCanonical(module, program.layout, symmetry.permutations));
  }

  /** The state that stands for a state of the whole model. */
  reduced(words: Int32Array): Int32Array {
    const { kept, symmetry } = this;
    const part = kept === undefined ? words : words.map((word, i) => word & (kept[i] as number));
    return symmetry === undefined ? part : canonicalForm(symmetry.permutations, part);
  }

  /** A path of the whole model whose states are stood for by those of a chain, and the state to which it leads. */
  concrete(chain: readonly Int32Array[]): { readonly path: Path; readonly end: Int32Array } {
    const { layout, rules } = this.program;
    const keys = chain.map(String);
    const [first] = chain as readonly [Int32Array];
    const start = this.initial.find((state) => this.reduced(state).every((word, i) => word === first[i]));
    if (start === undefined) throw unsteady(this.program);
    let state = start;
    const actions = keys.slice(1).map((key) => {
      for (const rule of rules) {
        const { outcome } = this.program.trial(rule, state);
        if (typeof outcome !== 'object' || rule.what.kind !== 'rule') continue;
        const after = written(state, outcome.writes);
        if (String(this.reduced(after)) !== key) continue;
        state = after;
        return rule.what.bound.action;
      }
      throw unsteady(this.program);
    });
    return { path: { initial: layout.unpack(start), actions }, end: state };
  }
}

/** The error where a path that the search has taken is not there any more. */
export function unsteady({ instance }: Program): ModelError {
  const problem = "does not do the same when explored again: a model's functions must not keep state of their own";
  return new ModelError(problem, { model: instance.model.name });
}

function mask(bits: number, shift: number): number {
  return bits === 0 ? 0 : maskOf(bits) << shift;
}

/** Sets of rules that are explored alone, as text: `changeMapping[page0].at = 'wait for TLBI'`. */
export function ampleNames(program: Program): readonly string[] {
  return (program.narrowing.amples ?? []).map(({ place, at }) => `${place.path} = ${String(place.value(at))}`);
}
