/**
 * What the event queue and the PRI queue have in common: the SMMU writes records into memory and moves PROD, software moves
 * CONS (IHI 0070, 3.5).
 */
import type { Memory } from '../memory.ts';
import type { Identity } from './identity.ts';
import type { Registers } from './registers.ts';
import type { Ring } from './ring.ts';
import {
  advance,
  entryAddress,
  entryLength,
  isEmpty,
  isFull,
  occupancy,
  overflowBit,
  positionOf,
  ringOf,
} from './ring.ts';
import { isSet, mask } from '../bits.ts';

/** What became of a record that was to be written. */
export type Written = 'first' | 'further' | 'aborted';

/** The ring and the registers of one output queue. */
export class OutputQueue {
  readonly #memory: Memory;
  readonly #registers: Registers;
  readonly #name: 'EVENTQ' | 'PRIQ';
  readonly #length: number;
  readonly #limit: number;

  constructor(memory: Memory, identity: Identity, registers: Registers, name: 'EVENTQ' | 'PRIQ') {
    this.#memory = memory;
    this.#registers = registers;
    this.#name = name;
    this.#length = entryLength[name === 'EVENTQ' ? 'event' : 'page request'];
    this.#limit = name === 'EVENTQ' ? identity.EVENTQS : identity.PRIQS;
  }

  /** Where the queue lies in memory. */
  get ring(): Ring {
    return ringOf(this.#registers.get(`${this.#name}_BASE`), this.#length, this.#limit);
  }

  get isFull(): boolean {
    return isFull(this.ring, this.#positions());
  }

  get isEmpty(): boolean {
    return isEmpty(this.ring, this.#positions());
  }

  /** OVFLG and OVACKFLG differ: records were lost, and software has not acknowledged it. */
  get overflowed(): boolean {
    return isSet(this.#registers.get(`${this.#name}_PROD`) ^ this.#registers.get(`${this.#name}_CONS`), overflowBit);
  }

  /** Toggles OVFLG, unless an overflow is active already. */
  overflow(): void {
    if (!this.overflowed) {
      this.#registers.put(
        `${this.#name}_PROD`,
        this.#registers.get(`${this.#name}_PROD`) ^ (1n << BigInt(overflowBit)),
      );
    }
  }

  /**
   * Writes a record into the next entry, of which there must be one, and moves PROD past it; `first`: the queue was empty. An
   * external abort is synchronous: PROD stays (7.2.2).
   */
  write(record: Uint8Array): Written {
    const { ring } = this;
    const { producer } = this.#positions();
    const address = entryAddress(ring, producer);
    if (!this.#memory.isBacked(address, this.#length)) {
      return 'aborted';
    }
    const first = this.isEmpty;
    this.#memory.write(address, record);
    const register = this.#registers.get(`${this.#name}_PROD`);
    this.#registers.put(`${this.#name}_PROD`, (register & ~mask(20)) | BigInt(advance(ring, producer)));
    return first ? 'first' : 'further';
  }

  /** The records that software has not consumed, oldest first. */
  get records(): readonly Uint8Array[] {
    const { ring } = this;
    const at = this.#positions();
    return Array.from({ length: Math.min(occupancy(ring, at), 2 ** ring.sizeLog2) }, (_, entry) =>
      this.#memory.read(entryAddress(ring, advance(ring, at.consumer, entry)), this.#length),
    );
  }

  #positions(): { producer: number; consumer: number } {
    return {
      producer: positionOf(this.ring, this.#registers.get(`${this.#name}_PROD`)),
      consumer: positionOf(this.ring, this.#registers.get(`${this.#name}_CONS`)),
    };
  }
}
