/**
 * Invalidate Requests that functions have not completed yet, each with an ITag of its own among those of the function
 * (PCIe, ATS: 32 ITags; ATS-24, ATS-25, ATS-30).
 */

/** An Invalidate Request on its way. */
export interface OutstandingInvalidation {
  readonly streamId: number;
  readonly itag: number;
  readonly state: 'outstanding' | 'complete' | 'timed out';
}

type Outstanding = { -readonly [K in keyof OutstandingInvalidation]: OutstandingInvalidation[K] } & {
  /** Completions that have come, of the number that each of them gives. */
  received: number;
};

/** How many ITags a function has. */
export const invalidationTags = 32;

/** The ITags of all functions. */
export class InvalidationTags {
  readonly #reuseTimedOut: boolean;
  readonly #taken = new Map<number, Map<number, Outstanding>>();
  readonly #unexpected: { readonly streamId: number; readonly itag: number }[] = [];

  /**
   * `reuseTimedOut`: give the ITag of a request that timed out to another one at once. Otherwise it stays taken until its
   * completion has come after all, or the function is reset, so that a late completion cannot complete another request.
   */
  constructor(reuseTimedOut: boolean) {
    this.#reuseTimedOut = reuseTimedOut;
  }

  /** Completions for which nothing was outstanding (Unexpected Completions). */
  get unexpected(): readonly { readonly streamId: number; readonly itag: number }[] {
    return this.#unexpected;
  }

  /** The requests of a function whose ITags are taken, by ITag. */
  outstanding(streamId: number): readonly OutstandingInvalidation[] {
    return [...(this.#taken.get(streamId)?.values() ?? [])].toSorted((a, b) => a.itag - b.itag);
  }

  /** Takes the lowest free ITag of a function; `undefined`: all 32 are taken. */
  take(streamId: number): OutstandingInvalidation | undefined {
    const taken = this.#taken.get(streamId) ?? new Map<number, Outstanding>();
    this.#taken.set(streamId, taken);
    for (let itag = 0; itag < invalidationTags; itag++) {
      if (!taken.has(itag)) {
        const request: Outstanding = { streamId, itag, state: 'outstanding', received: 0 };
        taken.set(itag, request);
        return request;
      }
    }
    return undefined;
  }

  /**
   * An Invalidate Completion arrives, one of `count` (1 to 8) for its request. Returns the request if this was the last one;
   * `undefined` if more must come, if the request has timed out, or if nothing was outstanding.
   */
  complete(streamId: number, itag: number, count: number): OutstandingInvalidation | undefined {
    if (!Number.isInteger(count) || count < 1 || count > 8) {
      throw new RangeError(`a request has 1 to 8 completions, not ${count}`);
    }
    const request = this.#taken.get(streamId)?.get(itag);
    if (request === undefined) {
      this.#unexpected.push({ streamId, itag });
      return undefined;
    }
    request.received++;
    if (request.state === 'timed out') {
      this.#unexpected.push({ streamId, itag });
    }
    if (request.received < count) {
      return undefined;
    }
    this.#taken.get(streamId)?.delete(itag);
    if (request.state === 'timed out') {
      return undefined;
    }
    request.state = 'complete';
    return request;
  }

  /** A request times out: its completion, if it comes yet, completes nothing. Throws if it is not outstanding. */
  timeOut(request: OutstandingInvalidation): void {
    const found = this.#taken.get(request.streamId)?.get(request.itag);
    if (found !== request || found.state !== 'outstanding') {
      throw new Error(`the invalidation with ITag ${request.itag} of function ${request.streamId} is not outstanding`);
    }
    found.state = 'timed out';
    if (this.#reuseTimedOut) {
      this.#taken.get(request.streamId)?.delete(request.itag);
    }
  }

  /** The function was reset: it completes nothing of before. What was outstanding can only time out; its ITags are free. */
  reset(streamId: number): readonly OutstandingInvalidation[] {
    const taken = this.#taken.get(streamId);
    this.#taken.delete(streamId);
    const lost = [...(taken?.values() ?? [])].filter(({ state }) => state === 'outstanding');
    for (const request of lost) {
      request.state = 'timed out';
    }
    return lost;
  }
}
