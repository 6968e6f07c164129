/**
 * The table of Context descriptors of one stream, by SubstreamID: linear, or of two levels with 64K leaves (IHI 0070, 3.3.2,
 * 5.3). Entry 0 is the context of traffic without PASID.
 */
import type { Memory } from '../memory.ts';
import type { TableFrames } from '../pagetable/table-frames.ts';
import { cdLayout, l1CdLayout } from '../smmuv3/context-descriptor.ts';
import type { Ste } from '../smmuv3/stream-table-entry.ts';
import { wordsOf } from './structures.ts';
import type { Steps } from './steps.ts';

/** Descriptors of a 64K leaf table, as log2. */
const leafLog2 = 10;

export class ContextTable {
  readonly base: bigint;
  /** log2 of the number of descriptors: S1CDMax. 0 is a single one. */
  readonly ssidBits: number;
  readonly #memory: Memory;
  readonly #frames: TableFrames;
  readonly #twoLevels: boolean;
  readonly #leaves: bigint[] = [];

  /** All descriptors are invalid. `ssidBits`: at most IDR1.SSIDSIZE. `twoLevels`: IDR0.CD2L. */
  constructor(memory: Memory, frames: TableFrames, ssidBits: number, twoLevels: boolean) {
    this.#memory = memory;
    this.#frames = frames;
    this.ssidBits = ssidBits;
    this.#twoLevels = twoLevels && ssidBits > leafLog2;
    this.base = frames.allocate(this.#length);
  }

  /** The fields of the Stream table entry that point here. */
  get pointer(): Pick<Ste, 'S1ContextPtr' | 'S1CDMax' | 'S1Fmt'> {
    return { S1ContextPtr: this.base, S1CDMax: this.ssidBits, S1Fmt: this.#twoLevels ? 0b10 : 0 };
  }

  /** The address of a descriptor; `undefined` while it has no leaf table. Throws `RangeError` beyond the table. */
  entryAddress(ssid: number): bigint | undefined {
    if (!Number.isInteger(ssid) || ssid < 0 || ssid >= 2 ** this.ssidBits) {
      throw new RangeError(`SubstreamID ${ssid} is beyond the table`);
    }
    if (!this.#twoLevels) return this.base + BigInt(ssid * cdLayout.length);
    const { V, L2Ptr } = l1CdLayout.decode(this.#memory.read(this.#descriptorAddress(ssid), l1CdLayout.length));
    return V ? L2Ptr + BigInt((ssid % 2 ** leafLog2) * cdLayout.length) : undefined;
  }

  /** Makes a descriptor's entry exist. `sync` drops cached level-1 descriptors of the SubstreamID. */
  *reach(ssid: number, sync: () => Steps<unknown>): Steps<bigint> {
    const known = this.entryAddress(ssid);
    if (known !== undefined) return known;
    const leaf = this.#frames.allocate(2 ** leafLog2 * cdLayout.length);
    this.#leaves.push(leaf);
    const address = this.#descriptorAddress(ssid);
    const [word] = wordsOf(l1CdLayout.encode({ V: true, L2Ptr: leaf }));
    this.#memory.writeWord(address, word ?? 0n);
    yield { kind: 'store', what: 'L1CD', address };
    yield* sync();
    return leaf + BigInt((ssid % 2 ** leafLog2) * cdLayout.length);
  }

  /** Gives the memory back. No Stream table entry may point here, cached copies included. */
  release(): void {
    for (const leaf of this.#leaves) this.#frames.release(leaf, 2 ** leafLog2 * cdLayout.length);
    this.#leaves.length = 0;
    this.#frames.release(this.base, this.#length);
  }

  get #length(): number {
    return this.#twoLevels
      ? Math.max(64, 2 ** (this.ssidBits - leafLog2) * l1CdLayout.length)
      : 2 ** this.ssidBits * cdLayout.length;
  }

  #descriptorAddress(ssid: number): bigint {
    return this.base + BigInt(Math.floor(ssid / 2 ** leafLog2) * l1CdLayout.length);
  }
}
