/**
 * Transactions that the SMMU holds since they faulted with S = 1, until CMD_RESUME or CMD_STALL_TERM answers them (IHI 0070,
 * 3.12.2, 4.7.1, 4.7.2).
 */
import type { Admission, MemoryRequest } from '../pcie/messages.ts';
import type { Command } from './commands.ts';
import type { EventRecord } from './events.ts';
import type { Identity } from './identity.ts';
import type { SmmuDefects } from './defects.ts';

/** What a stalled transaction waits for, or what will be done with it. */
export type StallState =
  /** Its event record waits for room in the event queue. */
  | 'unrecorded'
  /** As before, but an invalidation has completed since: it is retried instead of recorded (7.2.1). */
  | 'stale'
  /** Software can see the record. */
  | 'recorded'
  | 'to retry'
  | 'to abort'
  | 'to read as zero, write ignored'
  /** Answered; `Stalls.settled` says how. */
  | 'settled';

/** A transaction that the SMMU holds. */
export interface Stalled {
  readonly request: MemoryRequest;
  /** Its name in the event record, unique among the stalled ones. */
  readonly stag: number;
  readonly event: EventRecord;
  readonly state: StallState;
}

/** How a stalled transaction ended; a retry can stall again, under another STAG. */
export interface Settled {
  readonly stag: number;
  readonly request: MemoryRequest;
  readonly admission: Admission;
}

type Held = { -readonly [K in keyof Stalled]: Stalled[K] };

const stags = 2 ** 16;

/** The stalled transactions of the SMMU. */
export class Stalls {
  /** How transactions ended that were stalled, oldest first. */
  readonly settled: Settled[] = [];
  readonly #identity: Identity;
  readonly #defects: SmmuDefects;
  readonly #held: Held[] = [];
  readonly #retry: (request: MemoryRequest) => Admission;
  readonly #answer: (settled: Settled) => void;

  /** `retry`: admit the transaction as though it had just arrived. `answer`: tell the client. */
  constructor(
    identity: Identity,
    defects: SmmuDefects,
    retry: (request: MemoryRequest) => Admission,
    answer: (settled: Settled) => void,
  ) {
    this.#identity = identity;
    this.#defects = defects;
    this.#retry = retry;
    this.#answer = answer;
  }

  /** The transactions that are held, oldest first. */
  get held(): readonly Stalled[] {
    return this.#held;
  }

  /**
   * Holds a transaction, with the lowest free STAG in its record. Throws `RangeError` if IDR5.STALL_MAX transactions are held:
   * then the interconnect holds further ones back.
   */
  hold(request: MemoryRequest, event: EventRecord): Stalled {
    const limit = this.#identity.STALL_MAX === 0 ? stags : this.#identity.STALL_MAX;
    if (this.#held.length >= limit) {
      throw new RangeError(`the SMMU holds ${limit} stalled transactions already`);
    }
    const taken = new Set(this.#held.filter(({ state }) => keepsTag(state)).map(({ stag }) => stag));
    let stag = 0;
    while (taken.has(stag)) {
      stag++;
    }
    const held: Held = { request, stag, event: { ...event, stag, stall: true } as EventRecord, state: 'unrecorded' };
    this.#held.push(held);
    return held;
  }

  /** The record of a transaction is visible. */
  markRecorded(stalled: Stalled): void {
    const held = this.#find(stalled);
    if (held.state === 'unrecorded') {
      held.state = 'recorded';
    }
  }

  /** CMD_SYNC completed invalidations: records that are not visible yet may be of configurations that are gone (4.7.3). */
  markStale(): void {
    for (const held of this.#held) {
      if (held.state === 'unrecorded') {
        held.state = 'stale';
      }
    }
  }

  /**
   * CMD_RESUME marks the transaction of this StreamID and STAG; nothing if there is none, or if its record is not visible yet
   * (4.7.1). Returns it. The STAG is free from now on.
   */
  resume(command: Extract<Command, { op: 'RESUME' }>): Stalled | undefined {
    const held = this.#held.find(
      ({ stag, request, state }) =>
        stag === command.stag &&
        state === 'recorded' &&
        (request.streamId === command.sid || this.#defects.resumeIgnoresStreamId === true),
    );
    if (held !== undefined) {
      const zero = !command.abort && !this.#identity.TERM_MODEL;
      held.state = command.retry ? 'to retry' : zero ? 'to read as zero, write ignored' : 'to abort';
    }
    return held;
  }

  /** CMD_STALL_TERM marks all transactions of a stream; without one, SMMUEN went to 0: those of all streams (6.3.9.6). */
  terminate(streamId?: number): readonly Stalled[] {
    const affected = this.#held.filter(({ request }) => streamId === undefined || request.streamId === streamId);
    for (const held of affected) {
      // One that is marked already ends as it was marked: the second answer does not find it.
      if (keepsTag(held.state)) {
        held.state = 'to abort';
      }
    }
    return affected;
  }

  /**
   * Does what a transaction is marked for; a stale one is retried. Throws if it waits for software, or is not held: an order of
   * events that hardware cannot produce.
   */
  settle(stalled: Stalled): Admission {
    const held = this.#find(stalled);
    if (held.state === 'recorded' || held.state === 'unrecorded') {
      throw new Error(`the stalled transaction with STAG ${held.stag} is not answered`);
    }
    const { state } = held;
    held.state = 'settled';
    this.#held.splice(this.#held.indexOf(held), 1);
    const admission: Admission =
      state === 'to abort'
        ? { outcome: 'aborted' }
        : state === 'to read as zero, write ignored'
          ? { outcome: 'read as zero, write ignored' }
          : this.#retry(held.request);
    const settled = { stag: held.stag, request: held.request, admission };
    this.settled.push(settled);
    this.#answer(settled);
    return admission;
  }

  /** Does what all marked transactions are marked for. */
  settleMarked(): void {
    for (const held of this.#held.filter(({ state }) => state.startsWith('to '))) {
      this.settle(held);
    }
  }

  #find(stalled: Stalled): Held {
    const held = this.#held.find((one) => one === stalled);
    if (held === undefined) {
      throw new Error(`no stalled transaction with STAG ${stalled.stag} is held`);
    }
    return held;
  }
}

/** An answered transaction has given its STAG back, though the SMMU may still hold it. */
function keepsTag(state: StallState): boolean {
  return state === 'unrecorded' || state === 'stale' || state === 'recorded';
}
