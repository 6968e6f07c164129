/**
 * The event queue: records of faults and configuration errors. When it cannot be written, those of terminated transactions
 * are discarded, and those of stalled ones wait (IHI 0070, 7.2, 7.4).
 */
import type { SmmuDefects } from './defects.ts';
import { isActive } from './errors.ts';
import type { EventRecord } from './events.ts';
import { encodeEvent } from './events.ts';
import type { Interrupts } from './interrupts.ts';
import type { OutputQueue } from './output-queue.ts';
import type { Registers } from './registers.ts';
import type { Ring } from './ring.ts';
import type { Stalled, Stalls } from './stalls.ts';

/** What became of a record. `buffered`: it becomes visible later, with `deliver`, or before the next CMD_SYNC completes. */
export type Recorded = 'written' | 'buffered' | 'waits' | 'discarded' | 'aborted';

/** Writes event records. */
export class EventQueue {
  /** `by hand`: records of terminated transactions are buffered until `deliver`, or until a CMD_SYNC completes. */
  delivery: 'at once' | 'by hand';
  readonly #queue: OutputQueue;
  readonly #registers: Registers;
  readonly #interrupts: Interrupts;
  readonly #stalls: Stalls;
  readonly #defects: SmmuDefects;
  readonly #buffered: EventRecord[] = [];
  readonly #waiting: Stalled[] = [];
  readonly #discarded: EventRecord[] = [];
  #writing = false;

  constructor(parts: {
    queue: OutputQueue;
    registers: Registers;
    interrupts: Interrupts;
    stalls: Stalls;
    defects: SmmuDefects;
    delivery: 'at once' | 'by hand';
  }) {
    this.#queue = parts.queue;
    this.#registers = parts.registers;
    this.#interrupts = parts.interrupts;
    this.#stalls = parts.stalls;
    this.#defects = parts.defects;
    this.delivery = parts.delivery;
  }

  /** Where the queue lies in memory. */
  get ring(): Ring {
    return this.#queue.ring;
  }

  /** The records, of 32 bytes, that software has not consumed, oldest first. */
  get records(): readonly Uint8Array[] {
    return this.#queue.records;
  }

  /** Records of terminated transactions that are not visible yet. */
  get buffered(): readonly EventRecord[] {
    return this.#buffered;
  }

  /** Stalled transactions of which the record is not visible yet. */
  get waiting(): readonly Stalled[] {
    return this.#waiting;
  }

  /** Records that will never be visible, oldest first. */
  get discarded(): readonly EventRecord[] {
    return this.#discarded;
  }

  /** Whether a record was discarded for want of room, and software has not acknowledged it. */
  get overflowed(): boolean {
    return this.#queue.overflowed;
  }

  /** EVENTQEN, room, and no EVENTQ_ABT_ERR that waits for its acknowledgement (7.2.1). */
  get isWritable(): boolean {
    return this.#isEnabled() && !this.#queue.isFull;
  }

  /** The record of a transaction that is terminated, or of a request that is refused. */
  record(event: EventRecord): Recorded {
    if (this.delivery === 'by hand') {
      this.#buffered.push(event);
      return 'buffered';
    }
    return this.#write(event);
  }

  /** The record of a stalled transaction: written now or when the queue is next writable. */
  recordStall(stalled: Stalled): Recorded {
    if (this.#defects.stallRecordsLost === true && !this.isWritable) {
      this.#discarded.push(stalled.event);
      return 'discarded';
    }
    this.#waiting.push(stalled);
    this.progress();
    return this.#waiting.includes(stalled) ? 'waits' : 'written';
  }

  /** The oldest buffered record becomes visible, or is discarded if the queue cannot be written. Throws if there is none. */
  deliver(): Recorded {
    const event = this.#buffered.shift();
    if (event === undefined) {
      throw new Error('no event record is buffered');
    }
    return this.#write(event);
  }

  /** All buffered records become visible, or are discarded, as before CMD_SYNC completes (4.7.3). */
  deliverAll(): void {
    while (this.#buffered.length > 0) {
      this.deliver();
    }
  }

  /** Records of stalled transactions are written as far as there is room; stale ones are retried instead. */
  progress(): void {
    // A retry can stall again, which comes back here.
    if (this.#writing) {
      return;
    }
    this.#writing = true;
    try {
      for (let stalled = this.#waiting[0]; stalled !== undefined; stalled = this.#waiting[0]) {
        const answered = stalled.state !== 'unrecorded' && stalled.state !== 'stale';
        if (!answered && !this.isWritable) {
          return;
        }
        this.#waiting.shift();
        if (stalled.state === 'stale') {
          this.#stalls.settle(stalled);
        } else if (!answered && this.#write(stalled.event) === 'written') {
          this.#stalls.markRecorded(stalled);
        }
      }
    } finally {
      this.#writing = false;
    }
  }

  /** EVENTQEN went to 0: what was not written is discarded, but for records of stalled transactions (6.3.9.4). */
  disable(): void {
    this.#discarded.push(...this.#buffered.splice(0));
  }

  #isEnabled(): boolean {
    return this.#registers.isEnabled('EVENTQEN') && !isActive(this.#registers, 'EVENTQ_ABT_ERR');
  }

  #write(event: EventRecord): Recorded {
    if (!this.isWritable) {
      this.#discarded.push(event);
      if (this.#isEnabled()) {
        this.#queue.overflow();
      }
      return 'discarded';
    }
    if (event.name === 'unknown') {
      throw new TypeError(`no record has the type ${event.type}`);
    }
    const written = this.#queue.write(encodeEvent(event));
    if (written === 'aborted') {
      this.#discarded.push(event);
      this.#interrupts.error('EVENTQ_ABT_ERR');
      return 'aborted';
    }
    if (written === 'first') {
      this.#interrupts.raise('event queue');
    }
    return 'written';
  }
}
