/**
 * The walk of VMSAv8-64 tables, stage 1 and 2 (DDI 0487, D8; IHI 0070, 3.4, 3.13 and 7.3.22).
 */
import { bits, isSet, mask } from '../bits.ts';
import { type Format, type Leaf, type Resume, type TableMemory, type TableStep, unrestricted } from './format.ts';
import type { Update, Walk } from './format.ts';
import { accessFlagBit, decodeDescriptor, leafOf, readOnlyBit, restrict, stage2WriteBit } from './vmsav8-descriptor.ts';
import { indexBitsOf, type Regime, shiftOf } from './vmsav8-regime.ts';

export { stage1Regime, stage2Regime } from './vmsav8-regime.ts';
export type { GranuleLog2, Regime, RegimeResult, Stage1Fields, Stage2Fields } from './vmsav8-regime.ts';

/** Which half an input belongs to: by bit 55, with or without TBI. The walk then checks the bits above the input size. */
export function halfOf(input: bigint): 'lower' | 'upper' {
  return isSet(input, 55) ? 'upper' : 'lower';
}

/** Whether a leaf of stage 2 makes memory Device: MemAttr[3:2] = 0 (S2PTW). */
export function isDevice(leaf: Leaf): boolean {
  return leaf.memoryAttributes >> 2 === 0;
}

/** Whether the input bits above the input size are as the half demands; those of an ignored top byte do not count. */
export function isInRange(regime: Regime, input: bigint): boolean {
  const high = regime.topByteIgnored ? 55 : 63;
  if (high < regime.inputBits) return true;
  return bits(input, high, regime.inputBits) === (regime.upper ? mask(high - regime.inputBits + 1) : 0n);
}

/** The address of the descriptor for an input in a table at a level. */
function descriptorAddress(regime: Regime, level: number, table: bigint, input: bigint): bigint {
  const shift = shiftOf(regime.granuleLog2, level);
  return table + (bits(input, shift + indexBitsOf(regime, level) - 1, shift) << 3n);
}

/** A word in the other byte order. */
export function swapped(word: bigint): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, word, true);
  return view.getBigUint64(0, false);
}

export const vmsav8: Format<Regime> = {
  walk: (regime, input, memory, from) => {
    if (!isInRange(regime, input)) {
      return { ok: false, fault: 'translation', level: from?.level ?? regime.startLevel, path: [] };
    }
    for (;;) {
      const walk = attempt(regime, input, memory, from);
      if (walk !== 'changed') return walk;
    }
  },
  markAccessed: (regime, leaf, memory) => {
    if (leaf.accessFlag || !regime.hardwareAccess) return { ok: true, leaf };
    return exchange(regime, leaf, memory, leaf.descriptor.word | accessFlagBit);
  },
  markDirty: (regime, leaf, memory) => {
    if (!leaf.writableClean) return { ok: true, leaf };
    const { word } = leaf.descriptor;
    const dirty = regime.stage === 1 ? word & ~readOnlyBit : word | stage2WriteBit;
    return exchange(regime, leaf, memory, dirty | accessFlagBit);
  },
};

/** One walk from the start; `changed`: the word was another when hardware would have updated it. */
function attempt<F>(regime: Regime, input: bigint, memory: TableMemory<F>, from?: Resume): Walk<F> | 'changed' {
  const path: TableStep[] = [];
  let restrictions = from?.restrictions ?? unrestricted;
  let table = from?.table ?? regime.base;
  for (let level = from?.level ?? regime.startLevel; ; level++) {
    const address = descriptorAddress(regime, level, table, input);
    const fetched = memory.fetch(address, level);
    if (!fetched.ok) return { ok: false, fault: 'fetch', cause: fetched.fault, address, level, update: false, path };
    const word = regime.bigEndian ? swapped(fetched.word) : fetched.word;
    const step: TableStep = { level, address, word };
    const descriptor = decodeDescriptor(regime, level, word);
    if (descriptor.kind === 'invalid') return { ok: false, fault: 'translation', level, path: [...path, step] };
    const target = descriptor.kind === 'table' ? descriptor.table : descriptor.output;
    if (target >> BigInt(regime.outputBits) !== 0n) {
      return { ok: false, fault: 'address size', level, path: [...path, step] };
    }
    if (descriptor.kind === 'table') {
      table = descriptor.table;
      restrictions = restrict(regime, restrictions, word);
      const coversLog2 = shiftOf(regime.granuleLog2, level);
      path.push({ ...step, below: { level: level + 1, table, restrictions, coversLog2 } });
      continue;
    }
    path.push(step);
    const leaf = leafOf(regime, level, { address, word }, descriptor.output, restrictions);
    if (leaf.accessFlag) return { ok: true, leaf, path };
    if (!regime.hardwareAccess) return { ok: false, fault: 'access', level, path };
    const update = memory.update?.bind(memory);
    if (update === undefined) return { ok: true, leaf, path };
    const accessed = vmsav8.markAccessed(regime, leaf, { fetch: memory.fetch.bind(memory), update });
    if (accessed.ok) return { ok: true, leaf: accessed.leaf, path };
    if (accessed.fault === 'changed') return 'changed';
    return { ok: false, fault: 'fetch', cause: accessed.cause, address, level, update: true, path };
  }
}

/** The atomic update of a leaf's descriptor (IHI 0070, 3.13). */
function exchange<F>(regime: Regime, leaf: Leaf, memory: Required<TableMemory<F>>, desired: bigint): Update<F> {
  const { address, word } = leaf.descriptor;
  const raw = (value: bigint): bigint => (regime.bigEndian ? swapped(value) : value);
  const found = memory.update(address, raw(word), raw(desired));
  if (!found.ok) return { ok: false, fault: 'fetch', cause: found.fault };
  if (found.word !== raw(word)) return { ok: false, fault: 'changed' };
  const clean = leaf.writableClean && desired === (word | accessFlagBit);
  return {
    ok: true,
    leaf: { ...leaf, descriptor: { address, word: desired }, accessFlag: true, writableClean: clean },
  };
}
