/**
 * The Page Request Interface of a function: which page request groups are outstanding, the credits that they hold, and what a
 * PRG Response does to them. It is shared by a physical function and its virtual functions (PRI-06).
 */
import type { EndpointDefects } from './defects.ts';
import type { PageRequest, PageResponse } from './messages.ts';
import { done, type Outcome, refused } from './outcome.ts';

/** Group indices are 9 bits wide (PRI-01). */
const groupIndices = 512;

/** What is built in. */
export interface PageRequestCapability {
  /** Outstanding Page Request Capacity: page requests, not groups; at least 1. */
  readonly capacity: number;
  /** PRG Response PASID Required: responses carry the PASID of the requests (PRI-12). */
  readonly responsePasidRequired: boolean;
}

/** A page request group that has no response yet. */
export interface Group {
  readonly streamId: number;
  readonly index: number;
  readonly pasid?: number;
  /** In the order in which they were sent; the last of a complete group is Last. */
  readonly requests: readonly PageRequest[];
  /** The PASID was stopped: the response returns the credits and is otherwise ignored (PRI-32). */
  readonly stale: boolean;
}

/** What a PRG Response did. */
export type ResponseEffect =
  /** The group is answered; its index and credits are free again. */
  | { readonly effect: 'answered'; readonly group: Group; readonly code: PageResponse['code'] }
  /** Unexpected PRG Index: nothing is released (PRI-11). */
  | { readonly effect: 'unexpected' }
  /** After a Response Failure no further response is expected, and any is ignored. */
  | { readonly effect: 'ignored' };

/** Whether the Last request of a group was sent. */
export function isComplete(group: Group): boolean {
  return group.requests.at(-1)?.last === true;
}

/** Whether a page request is a Stop Marker (HOST-05). */
export function isStopMarker({ last, read, write, pasid }: PageRequest): boolean {
  return last && !read && !write && pasid !== undefined;
}

/** The interface, with its control and status registers. */
export class PageRequestInterface {
  readonly capability: PageRequestCapability;
  readonly #defects: EndpointDefects;
  #allocation = 0;
  #enabled = false;
  #stopped = true;
  #responseFailure = false;
  #unexpectedIndex = false;
  #groups: readonly Group[] = [];

  /** Throws `RangeError` for a capacity below 1. */
  constructor(capability: PageRequestCapability, defects: EndpointDefects = {}) {
    if (!Number.isInteger(capability.capacity) || capability.capacity < 1) {
      throw new RangeError(`a capacity of ${capability.capacity} page requests`);
    }
    this.capability = capability;
    this.#defects = defects;
  }

  /** Outstanding Page Request Allocation. */
  get allocation(): number {
    return this.#allocation;
  }

  /** Enable, of the control register. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Stopped: no page requests will be sent and none is outstanding; without meaning while enabled. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Response Failure (RF). */
  get responseFailure(): boolean {
    return this.#responseFailure;
  }

  /** Unexpected Page Request Group Index (UPRGI). */
  get unexpectedIndex(): boolean {
    return this.#unexpectedIndex;
  }

  /** The groups without a response, oldest first. */
  get groups(): readonly Group[] {
    return this.#groups;
  }

  /** Outstanding page requests: the credits in use (PRI-04). */
  get outstanding(): number {
    return this.#groups.reduce((sum, { requests }) => sum + requests.length, 0);
  }

  /** The lowest index with which a function has no group outstanding. */
  freeGroup(function_: number): number | undefined {
    const taken = new Set(this.#groups.filter(({ streamId }) => streamId === function_).map(({ index }) => index));
    for (let index = 0; index < groupIndices; index++) if (!taken.has(index)) return index;
    return undefined;
  }

  /** Sets the allocation: only while disabled, at most the capacity (PRI-04). */
  allocate(requests: number): Outcome {
    if (!Number.isInteger(requests) || requests < 1) throw new RangeError(`an allocation of ${requests} page requests`);
    if (this.#enabled) return refused('the allocation changes only while page requests are disabled (PRI-04)');
    if (requests > this.capability.capacity) return refused('the allocation exceeds the capacity (PRI-04)');
    this.#allocation = requests;
    return done();
  }

  /** Enables the interface, which must have stopped (PRI-05); clears the status flags. */
  enable(): Outcome {
    if (this.#enabled) return refused('page requests are enabled already');
    if (!this.#stopped) return refused('the page request interface has not stopped (PRI-05)');
    if (this.#allocation === 0) return refused('no page requests are allocated (PRI-04)');
    this.#enabled = true;
    this.#stopped = false;
    this.#responseFailure = false;
    this.#unexpectedIndex = false;
    return done();
  }

  /** Disables the interface: no new requests; it has stopped when all outstanding ones are answered. */
  disable(): void {
    this.#enabled = false;
    this.#stopped = this.#responseFailure || this.#groups.length === 0;
  }

  /** Forgets outstanding requests and credits: only while disabled (PRI-05). */
  reset(): Outcome {
    if (this.#enabled) return refused('page requests are reset only while disabled (PRI-05)');
    this.#groups = [];
    this.#stopped = true;
    return done();
  }

  /** What a function level reset leaves of the registers. */
  clear(): void {
    this.#enabled = false;
    this.#allocation = 0;
    this.#responseFailure = false;
    this.#unexpectedIndex = false;
    this.#groups = [];
    this.#stopped = true;
  }

  /** A page request is about to be sent: it takes a credit and joins or begins its group. Not for Stop Markers. */
  take(request: PageRequest): Outcome {
    if (!Number.isInteger(request.group) || request.group < 0 || request.group >= groupIndices) {
      throw new RangeError(`page request group index ${request.group}`);
    }
    if (isStopMarker(request)) throw new RangeError('Last with a PASID, without R and W, is a Stop Marker');
    if (!this.#enabled) return refused('page requests are disabled');
    if (this.#responseFailure && this.#defects.ignoresResponseFailure !== true) {
      return refused('a Response Failure ended page requests, until they are reset (PRI-10)');
    }
    if (this.outstanding >= this.#allocation && this.#defects.exceedsAllocation !== true) {
      return refused('all allocated page requests are outstanding (PRI-04)');
    }
    const same = this.#groups.findLast(
      ({ streamId, index }) => streamId === request.streamId && index === request.group,
    );
    if (same === undefined || (this.#defects.reusesGroups === true && isComplete(same))) {
      const { streamId, group: index, pasid } = request;
      this.#groups = [
        ...this.#groups,
        { streamId, index, requests: [request], stale: false, ...(pasid !== undefined && { pasid }) },
      ];
      return done();
    }
    if (isComplete(same)) return refused(`group ${request.group} is outstanding (PRI-03)`);
    if (same.pasid !== request.pasid) return refused(`group ${request.group} is of another PASID (PRI-02)`);
    this.#groups = this.#groups.map((group) =>
      group === same ? { ...group, requests: [...group.requests, request] } : group,
    );
    return done();
  }

  /**
   * A PRG Response for a function arrives. It matches a group by index, and by PASID where the capability says so (PRI-12,
   * PRI-13); a group is only answered after its Last (PRI-02).
   */
  respond(function_: number, { group: index, pasid, code }: PageResponse): ResponseEffect {
    if (this.#responseFailure && this.#defects.ignoresResponseFailure !== true) return { effect: 'ignored' };
    const group = this.#groups.find(
      (candidate) =>
        candidate.streamId === function_ &&
        candidate.index === index &&
        isComplete(candidate) &&
        (!this.capability.responsePasidRequired || candidate.pasid === pasid),
    );
    if (group === undefined) {
      this.#unexpectedIndex = true;
      return { effect: 'unexpected' };
    }
    this.#groups = this.#groups.filter((other) => other !== group);
    if (code === 'response failure') {
      this.#responseFailure = true;
      this.#stopped = true;
    }
    if (!this.#enabled && this.#groups.length === 0) this.#stopped = true;
    return { effect: 'answered', group, code };
  }

  /** The outstanding groups of a stopped PASID become stale (PRI-32). */
  markStale(function_: number, pasid: number | undefined): void {
    this.#groups = this.#groups.map((group) =>
      group.streamId === function_ && group.pasid === pasid ? { ...group, stale: true } : group,
    );
  }

  /** What a broken function does with them instead: their indices and credits are free at once. */
  forgetPasid(function_: number, pasid: number | undefined): void {
    this.#groups = this.#groups.filter((group) => group.streamId !== function_ || group.pasid !== pasid);
  }

  /** A function that shares the interface was reset: its groups are gone. */
  forget(function_: number): void {
    this.#groups = this.#groups.filter(({ streamId }) => streamId !== function_);
    if (!this.#enabled && this.#groups.length === 0) this.#stopped = true;
  }
}
