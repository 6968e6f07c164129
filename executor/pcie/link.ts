/**
 * What a function has under way, and which of it may go ahead of which: PCIe's ordering rules for one requester (PCIe 2.4.1).
 */
import type { Translation } from './address-translation-cache.ts';
import type {
  InvalidateRequest,
  MemoryRequest,
  PageRequest,
  Transaction,
  TranslationCompletion,
  TranslationRequest,
} from './messages.ts';

/** An Invalidate Request that a function works on. */
export interface Invalidation {
  readonly request: InvalidateRequest;
  /** The number of flights before it was received: translations requested earlier may be stale. */
  readonly receivedAt: number;
}

interface Sent {
  /** Larger numbers were sent later. */
  readonly id: number;
  /** On whose behalf, so that a PASID stop can wait for it; a translated request carries no PASID on the link. */
  readonly pasid: number | undefined;
  /** Traffic classes (0..7) whose order it keeps. Different ones are not ordered. */
  readonly trafficClasses: readonly number[];
}

/** A read or write. */
export interface MemoryFlight extends Sent {
  readonly kind: 'memory';
  readonly request: MemoryRequest;
  /** The translation that a translated request uses. */
  readonly through: Translation | undefined;
  readonly relaxedOrdering: boolean;
  readonly state: 'on the link' | 'stalled' | 'admitted';
  /** Of an admitted request. */
  readonly transaction?: Transaction;
  /** Of a stalled request. */
  readonly stag?: number;
}

/** A Translation Request or its completion. */
export interface TranslationFlight extends Sent {
  readonly kind: 'translation';
  readonly request: TranslationRequest;
  readonly state: 'on the link' | 'answered';
  readonly completion?: TranslationCompletion;
  /** The invalidations that were received while it was under way (ATS-16). */
  readonly overtakenBy: readonly Invalidation[];
  /** ATS was disabled meanwhile: its completion will be dropped. */
  readonly discarded: boolean;
}

/** A Page Request or Stop Marker. */
export interface PageRequestFlight extends Sent {
  readonly kind: 'page request';
  readonly request: PageRequest;
  readonly state: 'on the link';
}

/** The Invalidate Completions of one request: one in each traffic class that must be flushed, counted together (ATS-25). */
export interface CompletionFlight extends Sent {
  readonly kind: 'invalidate completion';
  readonly itag: number;
  readonly state: 'on the link';
}

/** Something under way. */
export type Flight = MemoryFlight | TranslationFlight | PageRequestFlight | CompletionFlight;

/** A flight that has no number yet. */
export type Unsent<F> = F extends Flight ? Omit<F, 'id'> : never;

/** Posted requests need no completion: memory writes and messages. */
export function isPosted(flight: Unsent<Flight>): boolean {
  return flight.kind === 'memory' ? flight.request.kind === 'write' : flight.kind !== 'translation';
}

/**
 * Whether a flight may go ahead of an earlier one in the same direction: nothing passes a posted request, but for a write with
 * Relaxed Ordering, and in another traffic class; everything may pass reads and Translation Requests.
 */
export function mayPass(later: Unsent<Flight>, earlier: Unsent<Flight>): boolean {
  if (!isPosted(earlier)) return true;
  if (later.kind === 'memory' && later.request.kind === 'write' && later.relaxedOrdering) return true;
  return !later.trafficClasses.some((trafficClass) => earlier.trafficClasses.includes(trafficClass));
}

/** A flight in words, for reasons. */
export function describe(flight: Unsent<Flight>): string {
  switch (flight.kind) {
    case 'memory':
      return `the ${flight.request.kind} of ${hex(flight.request.address)}`;
    case 'translation':
      return `the translation request for ${hex(flight.request.address)}`;
    case 'page request':
      return `the page request for ${hex(flight.request.address)}`;
    case 'invalidate completion':
      return `the Invalidate Completion of ITag ${flight.itag}`;
    default:
      return flight satisfies never;
  }
}

/** The flights of one function. */
export class Link {
  #flights: readonly Flight[] = [];
  #sent = 0;

  /** In the order in which they were sent. */
  get flights(): readonly Flight[] {
    return this.#flights;
  }

  /** How many were ever sent: the number of the next one. */
  get sent(): number {
    return this.#sent;
  }

  /** Sends something; its number. */
  send(flight: Unsent<Flight>): number {
    const id = this.#sent++;
    this.#flights = [...this.#flights, { ...flight, id }];
    return id;
  }

  /** The flight of a number. Throws `RangeError` if it is not under way. */
  get<K extends Flight['kind']>(id: number, ...kinds: readonly K[]): Extract<Flight, { readonly kind: K }> {
    const found = this.#flights.find((flight) => flight.id === id);
    if (found === undefined) throw new RangeError(`nothing numbered ${id} is under way`);
    if (!kinds.some((kind) => kind === found.kind)) throw new RangeError(`number ${id} is ${describe(found)}`);
    return found as Extract<Flight, { readonly kind: K }>;
  }

  /** Puts a flight's new state in its place. */
  replace(flight: Flight): void {
    this.#flights = this.#flights.map((old) => (old.id === flight.id ? flight : old));
  }

  /** What became of each flight: another state, or `undefined` if it is gone. */
  update(change: (flight: Flight) => Flight | undefined): void {
    this.#flights = this.#flights.flatMap((flight) => change(flight) ?? []);
  }

  remove(flight: Pick<Flight, 'id'>): void {
    this.update((old) => (old.id === flight.id ? undefined : old));
  }

  /** The first flight in the same place (on the link, or past the SMMU) that this one may not pass. */
  inFrontOf(flight: Flight): Flight | undefined {
    return this.#flights.find(
      (earlier) => earlier.id < flight.id && earlier.state === flight.state && !mayPass(flight, earlier),
    );
  }

  /** The first flight in any of these places that one sent now may not pass. */
  inFrontOfNew(flight: Unsent<Flight>, places: readonly Flight['state'][]): Flight | undefined {
    return this.#flights.find((earlier) => places.includes(earlier.state) && !mayPass(flight, earlier));
  }
}

function hex(address: bigint): string {
  return `0x${address.toString(16)}`;
}
