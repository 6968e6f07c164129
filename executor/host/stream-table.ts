/**
 * The Stream table as software keeps it: linear, or of two levels with leaf tables that appear when a stream of theirs does
 * (IHI 0070, 3.3.1, 5.1).
 */
import { mask } from '../bits.ts';
import type { Memory } from '../memory.ts';
import type { TableFrames } from '../pagetable/table-frames.ts';
import { l1StdLayout, steLayout } from '../smmuv3/stream-table-entry.ts';
import { steWords, wordsOf } from './structures.ts';
import type { Steps } from './steps.ts';

export interface StreamTableShape {
  /** log2 of the number of StreamIDs. */
  readonly sidBits: number;
  /** StreamID bits of a leaf table: 6, 8 or 10; `undefined`: linear. */
  readonly split: 6 | 8 | 10 | undefined;
  /** What a stream without a domain may do; `abort` by default. */
  readonly initially?: 'abort' | 'bypass';
}

export class StreamTable {
  readonly base: bigint;
  readonly #memory: Memory;
  readonly #frames: TableFrames;
  readonly #shape: StreamTableShape;

  /** The table, before any hardware knows of it. */
  constructor(memory: Memory, frames: TableFrames, shape: StreamTableShape) {
    this.#memory = memory;
    this.#frames = frames;
    this.#shape = shape;
    const { sidBits, split } = shape;
    if (split === undefined) {
      this.base = frames.allocate(Math.max(steLayout.length, 2 ** sidBits * steLayout.length));
      this.#initialize(this.base, 2 ** sidBits);
    } else {
      this.base = frames.allocate(Math.max(64, 2 ** Math.max(0, sidBits - split) * l1StdLayout.length));
    }
  }

  /** STRTAB_BASE. */
  get baseRegister(): bigint {
    return this.base | (1n << 62n);
  }

  /** STRTAB_BASE_CFG: LOG2SIZE, SPLIT, FMT. */
  get configurationRegister(): bigint {
    const { sidBits, split } = this.#shape;
    return BigInt(sidBits) | (split === undefined ? 0n : (BigInt(split) << 6n) | (1n << 16n));
  }

  /** What the entry of a stream without a domain says. */
  get unattached(): readonly bigint[] {
    return steWords({ V: true, Config: this.#shape.initially === 'bypass' ? 0b100 : 0 });
  }

  /** The address of a stream's entry; `undefined` while it has no leaf table. Throws `RangeError` beyond the table. */
  entryAddress(sid: number): bigint | undefined {
    const { sidBits, split } = this.#shape;
    if (!Number.isInteger(sid) || sid < 0 || sid >= 2 ** sidBits)
      throw new RangeError(`StreamID ${sid} is beyond the table`);
    if (split === undefined) return this.base + BigInt(sid * steLayout.length);
    const { Span, L2Ptr } = l1StdLayout.decode(this.#memory.read(this.#descriptorAddress(sid), l1StdLayout.length));
    return Span === 0 ? undefined : L2Ptr + (BigInt(sid) & mask(split)) * BigInt(steLayout.length);
  }

  /** Makes the entry of a stream exist. `sync` drops cached level-1 descriptors: invalid ones may be cached (5.1). */
  *reach(sid: number, sync: () => Steps<unknown>): Steps<bigint> {
    const known = this.entryAddress(sid);
    if (known !== undefined) return known;
    const split = this.#shape.split ?? 0;
    const entries = 2 ** Math.min(split, this.#shape.sidBits);
    const leaf = this.#frames.allocate(entries * steLayout.length);
    this.#initialize(leaf, entries);
    const address = this.#descriptorAddress(sid);
    const [word] = wordsOf(l1StdLayout.encode({ Span: Math.log2(entries) + 1, L2Ptr: leaf }));
    this.#memory.writeWord(address, word ?? 0n);
    yield { kind: 'store', what: 'L1STD', address };
    yield* sync();
    return leaf + (BigInt(sid) & mask(split)) * BigInt(steLayout.length);
  }

  #descriptorAddress(sid: number): bigint {
    return this.base + BigInt(Math.floor(sid / 2 ** (this.#shape.split ?? 0)) * l1StdLayout.length);
  }

  #initialize(table: bigint, entries: number): void {
    const words = this.unattached;
    for (let entry = 0; entry < entries; entry++) {
      for (const [index, word] of words.entries()) {
        this.#memory.writeWord(table + BigInt(entry * steLayout.length + index * 8), word);
      }
    }
  }
}
