/**
 * Memory that notes which 64-bit words hardware reads: a walk of the machine can be compared with a recorded one descriptor by
 * descriptor.
 */
import { Memory } from '../memory.ts';

/** A word that was read. */
export interface WordRead {
  readonly address: bigint;
  readonly word: bigint;
}

export class ObservedMemory extends Memory {
  #reads: WordRead[] | undefined;

  override readWord(address: bigint): bigint {
    const word = super.readWord(address);
    this.#reads?.push({ address, word });
    return word;
  }

  /** What `action` returns and reads. */
  during<T>(action: () => T): { readonly result: T; readonly reads: readonly WordRead[] } {
    const reads: WordRead[] = [];
    const outer = this.#reads;
    this.#reads = reads;
    try {
      return { result: action(), reads };
    } finally {
      this.#reads = outer;
    }
  }
}
