/**
 * Hand-made tables: a memory of single words, and regimes that are legal.
 */
import type { Fetched, Leaf, TableMemory, Walk } from './format.ts';
import {
  type Regime,
  type RegimeResult,
  stage1Regime,
  type Stage1Fields,
  stage2Regime,
  type Stage2Fields,
} from './vmsav8-regime.ts';
import { vmsav8 } from './vmsav8.ts';

/** Words of memory that can be read and updated; addresses in `broken` cannot. */
export class Words implements Required<TableMemory<'abort'>> {
  readonly words = new Map<bigint, bigint>();
  readonly fetched: [address: bigint, level: number][] = [];
  readonly updates: [address: bigint, expected: bigint, desired: bigint][] = [];
  readonly broken = new Set<bigint>();
  readonly readOnly = new Set<bigint>();

  constructor(words: Readonly<Record<string, bigint>> = {}) {
    for (const [address, word] of Object.entries(words)) this.words.set(BigInt(address), word);
  }

  set(address: bigint, word: bigint): this {
    this.words.set(address, word);
    return this;
  }

  fetch(address: bigint, level: number): Fetched<'abort'> {
    this.fetched.push([address, level]);
    return this.broken.has(address) ? { ok: false, fault: 'abort' } : { ok: true, word: this.words.get(address) ?? 0n };
  }

  update(address: bigint, expected: bigint, desired: bigint): Fetched<'abort'> {
    this.updates.push([address, expected, desired]);
    if (this.readOnly.has(address)) return { ok: false, fault: 'abort' };
    const word = this.words.get(address) ?? 0n;
    if (word === expected) this.words.set(address, desired);
    return { ok: true, word };
  }
}

export function stage1(fields: Partial<Stage1Fields> = {}): Regime {
  const defaults = { granuleLog2: 12, sizeOffset: 16, base: 0n, outputBits: 48, physicalBits: 48 } as const;
  return legal(stage1Regime({ ...defaults, ...fields }));
}

export function stage2(fields: Partial<Stage2Fields> = {}): Regime {
  const defaults = {
    granuleLog2: 12,
    sizeOffset: 25,
    startLevelCode: 1,
    base: 0n,
    outputBits: 48,
    physicalBits: 48,
  } as const;
  return legal(stage2Regime({ ...defaults, ...fields }));
}

function legal(result: RegimeResult): Regime {
  if (!result.ok) throw new Error(`illegal ${result.illegal}`);
  return result.regime;
}

/** The leaf of a walk that must find one. */
export function leafAt(regime: Regime, input: bigint, memory: TableMemory<'abort'>): Leaf {
  const walk = vmsav8.walk(regime, input, memory);
  if (!walk.ok) throw new Error(`${walk.fault} at level ${walk.level}`);
  return walk.leaf;
}

/** A fault as kind and level. */
export function faultOf(walk: Walk<unknown>): string {
  return walk.ok ? 'none' : `${walk.fault} ${walk.level}`;
}

/** Every legal regime of a stage: all granules, input sizes and start levels, with 52 physical bits. */
export function everyRegime(base: bigint): readonly Regime[] {
  const regimes: Regime[] = [];
  for (const granuleLog2 of [12, 14, 16] as const) {
    const outputBits = granuleLog2 === 16 ? 52 : 48;
    for (let sizeOffset = 0; sizeOffset < 64; sizeOffset++) {
      const sizes = { granuleLog2, sizeOffset, base, outputBits, physicalBits: 52, smallTables: true } as const;
      for (const upper of [false, true]) {
        const result = stage1Regime({ ...sizes, upper, largeInputs: true });
        if (result.ok) regimes.push(result.regime);
      }
      for (let startLevelCode = 0; startLevelCode < 4; startLevelCode++) {
        const result = stage2Regime({ ...sizes, startLevelCode });
        if (result.ok) regimes.push(result.regime);
      }
    }
  }
  return regimes;
}

/** A short name. */
export function nameOf(regime: Regime): string {
  const { stage, granuleLog2, inputBits, startLevel, upper } = regime;
  return `stage ${stage}, 2^${granuleLog2}, ${inputBits} bits from level ${startLevel}${upper ? ', upper' : ''}`;
}
