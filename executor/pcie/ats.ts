/**
 * The ATS side of a function: which translations it holds, what a completion adds to them, and what an Invalidate Request takes
 * away before it is acknowledged.
 */
import { type IssueOptions, type MemoryAccess, PAGE } from './access.ts';
import {
  AddressTranslationCache,
  contains,
  names,
  permits,
  serves,
  type Translation,
} from './address-translation-cache.ts';
import type { EndpointDefects } from './defects.ts';
import {
  type CompletionFlight,
  describe,
  type Invalidation,
  type Link,
  type MemoryFlight,
  type TranslationFlight,
  type Unsent,
} from './link.ts';
import type { InvalidateRequest, TranslationCompletion, TranslationRequest } from './messages.ts';
import { done, type Outcome, refused } from './outcome.ts';

/** A Translation Request asks for at most so many translations: a Read Completion Boundary of 128 bytes. */
const MAX_TRANSLATIONS = 16;

/** What is built in: Invalidate Queue Depth (1..32, by default 32), Global Invalidate Supported. */
export interface AtsCapability {
  readonly invalidateQueueDepth?: number;
  readonly globalInvalidate?: boolean;
}

/** What a Translation Completion brought. */
export interface Received {
  readonly status: TranslationCompletion['status'];
  /** Every translation of it, also those without access. */
  readonly translations: readonly Translation[];
  /** Those that are in the ATC now. */
  readonly cached: readonly Translation[];
  /** Those that may be used once, with `issue(access, { through })`, before the next acknowledgement that names them. */
  readonly usable: readonly Translation[];
  /** An invalidation overtook some of it, which therefore is not cached (ATS-16). */
  readonly overtaken: boolean;
}

/** An Invalidate Completion that can be sent. */
export interface Acknowledgement {
  readonly invalidation: Invalidation;
  readonly flight: Unsent<CompletionFlight>;
}

/** The translations and invalidations of a function. */
export class Ats {
  readonly atc = new AddressTranslationCache();
  /** By which messages arrive before they are received; at least 1. */
  readonly queueDepth: number;
  readonly #capability: AtsCapability | undefined;
  readonly #link: Link;
  readonly #defects: EndpointDefects;
  /** Translations outside the ATC, each for one use. */
  #single: readonly Translation[] = [];
  #unacknowledged: readonly Invalidation[] = [];
  #stuLog2: number | undefined;

  /** Throws `RangeError` for a queue depth outside 1..32. */
  constructor(capability: AtsCapability | undefined, link: Link, defects: EndpointDefects) {
    this.queueDepth = capability?.invalidateQueueDepth ?? 32;
    if (!(this.queueDepth >= 1 && this.queueDepth <= 32)) {
      throw new RangeError(`an Invalidate Queue Depth of ${this.queueDepth}`);
    }
    this.#capability = capability;
    this.#link = link;
    this.#defects = defects;
  }

  get stuLog2(): number | undefined {
    return this.#stuLog2;
  }

  get enabled(): boolean {
    return this.#stuLog2 !== undefined;
  }

  get usable(): readonly Translation[] {
    return this.#single;
  }

  get unacknowledged(): readonly Invalidation[] {
    return this.#unacknowledged;
  }

  /** Enables ATS, with an empty ATC (ATS-20). Throws `RangeError` for an STU outside 2^12..2^43 bytes. */
  enable(stuLog2: number): Outcome {
    if (!Number.isInteger(stuLog2) || stuLog2 < 12 || stuLog2 > 43) {
      throw new RangeError(`a Smallest Translation Unit of 2^${stuLog2} bytes (ATS-11)`);
    }
    if (this.#capability === undefined) return refused('the function has no ATS capability');
    if (this.enabled) return refused('ATS is enabled already');
    this.#stuLog2 = stuLog2;
    return done();
  }

  /** Disables ATS: all translations are dropped, also those of completions that are still to come (ATS-20). */
  disable(): void {
    this.#stuLog2 = undefined;
    if (this.#defects.keepsEntriesWhenDisabled !== true) this.atc.clear();
    this.#single = [];
    this.#link.update((flight) => (flight.kind === 'translation' ? { ...flight, discarded: true } : flight));
  }

  /** What a function level reset leaves (ATS-20, ATS-37). */
  clear(): void {
    this.#stuLog2 = undefined;
    if (this.#defects.keepsEntriesOverReset !== true) this.atc.clear();
    this.#single = [];
    this.#unacknowledged = [];
  }

  /** The Translation Request to send. Throws `RangeError` for addresses inside a page and counts outside 1..16. */
  request(request: TranslationRequest): Outcome<Unsent<TranslationFlight>> {
    const { address, count = 1, pasid } = request;
    if (address % PAGE !== 0n) throw new RangeError('a translation request is for whole pages');
    if (!(count >= 1 && count <= MAX_TRANSLATIONS)) throw new RangeError(`a request for ${count} translations`);
    if (!this.enabled) return refused('ATS is not enabled');
    return done({
      kind: 'translation',
      request,
      pasid,
      trafficClasses: [0],
      state: 'on the link',
      overtakenBy: [],
      discarded: false,
    });
  }

  /** The completion of a request has arrived: see `Endpoint.receiveCompletion`. */
  receive(flight: TranslationFlight, completion: TranslationCompletion, cache: boolean): Received {
    if (flight.discarded || completion.status !== 'success') {
      return { status: completion.status, translations: [], cached: [], usable: [], overtaken: false };
    }
    const translations: Translation[] = [];
    const cached: Translation[] = [];
    const usable: Translation[] = [];
    let overtaken = false;
    let next = flight.request.address;
    for (const given of completion.translations) {
      const size = 1n << BigInt(given.sizeLog2);
      const untranslated = next - (next % size);
      next = untranslated + size;
      const { pasid, id: request } = flight;
      const translation: Translation = { ...given, untranslated, request, ...(pasid !== undefined && { pasid }) };
      translations.push(translation);
      const by = flight.overtakenBy.filter((invalidation) => this.#names(invalidation.request, translation));
      if (by.length > 0) overtaken = true;
      // "No access" is not kept (ATS-03, ATS-21).
      if (!given.read && !given.write && this.#defects.usesWithoutPermission !== true) continue;
      if (cache && (by.length === 0 || this.#defects.keepsOvertakenCompletions === true)) {
        this.atc.insert(translation);
        cached.push(translation);
      } else if (by.every((invalidation) => this.#unacknowledged.includes(invalidation))) {
        usable.push(translation);
      }
    }
    this.#single = [...this.#single, ...usable];
    return { status: 'success', translations, cached, usable, overtaken };
  }

  /** Drops a translation by the function's own choice. */
  evict(translation: Translation): void {
    this.atc.drop((other) => other === translation);
    this.#single = this.#single.filter((other) => other !== translation);
  }

  /** The latest translation of the ATC that serves an access, whatever it permits. */
  lookup(access: MemoryAccess): Translation | undefined {
    return this.atc.translations.findLast((translation) => this.serves(translation, access));
  }

  /** Whether a translation serves an access, as this function sees it. */
  serves(translation: Translation, access: MemoryAccess): boolean {
    if (this.#defects.usesAcrossPasids === true) return contains(translation, access.address);
    return serves(translation, access);
  }

  /** Whether a translation permits an access, as this function sees it. */
  permits(translation: Translation, access: MemoryAccess): boolean {
    return permits(translation, access) || this.#defects.usesWithoutPermission === true;
  }

  /** The translation that an access uses, taken out if it is for one use; none for an untranslated access. */
  use(access: MemoryAccess, options: IssueOptions): Outcome<Translation | undefined> {
    if (options.untranslated === true || !this.enabled) {
      if (options.through === undefined) return done(undefined);
      return refused(this.enabled ? 'it is to be untranslated' : 'ATS is not enabled (ATS-01)');
    }
    const through = options.through ?? this.lookup(access);
    if (through === undefined) return refused('the ATC has no translation');
    if (!this.atc.has(through) && !this.#single.includes(through)) {
      return refused('the translation is not held any more (ATS-15)');
    }
    if (!this.serves(through, access)) return refused('the translation is for other requests (ATS-06)');
    if (!this.permits(through, access)) return refused('the translation does not permit it (ATS-15)');
    this.#single = this.#single.filter((single) => single !== through);
    return done(through);
  }

  /** Receives an invalidation: what it drops. Translation Requests that are under way are tagged (ATS-16). */
  invalidate(request: InvalidateRequest): readonly Translation[] {
    const invalidation: Invalidation = { request, receivedAt: this.#link.sent };
    this.#unacknowledged = [...this.#unacknowledged, invalidation];
    if (this.#defects.ignoresInvalidations === true) return [];
    this.#link.update((flight) =>
      flight.kind === 'translation' ? { ...flight, overtakenBy: [...flight.overtakenBy, invalidation] } : flight,
    );
    const named = (translation: Translation): boolean => this.#names(request, translation);
    const single = this.#single.filter(named);
    this.#single = this.#single.filter((translation) => !named(translation));
    return [...this.atc.drop(named), ...single];
  }

  /**
   * The Invalidate Completion of the oldest unacknowledged request of an ITag, if it can be sent now: see
   * `Endpoint.sendAcknowledgement`. Throws `RangeError` if there is no such request.
   */
  prepareAcknowledgement(itag: number): Outcome<Acknowledgement> {
    const invalidation = this.#unacknowledged.find(({ request }) => request.itag === itag);
    if (invalidation === undefined) throw new RangeError(`no Invalidate Request with ITag ${itag} was received`);
    if (this.#defects.neverAcknowledges === true) return refused('the endpoint does not acknowledge');
    const overtakes = this.#defects.acknowledgesBeforeWrites === true;
    const using = this.#usersOf(invalidation);
    const read = using.find((flight) => flight.request.kind === 'read');
    if (read !== undefined && !overtakes) return refused(`${describe(read)} is outstanding (ATS-17)`);
    const classes = using.flatMap((flight) => (flight.state === 'on the link' ? flight.trafficClasses : []));
    const trafficClasses = classes.length === 0 ? [0] : [...new Set(classes)];
    return done({
      invalidation,
      flight: {
        kind: 'invalidate completion',
        itag,
        pasid: undefined,
        trafficClasses: overtakes ? [] : trafficClasses,
        state: 'on the link',
      },
    });
  }

  /** Sends it; its number. What it names may not be used any more (ATS-16). */
  sendAcknowledgement({ invalidation, flight }: Acknowledgement): number {
    const { request, receivedAt } = invalidation;
    this.#unacknowledged = this.#unacknowledged.filter((other) => other !== invalidation);
    this.#single = this.#single.filter(
      (translation) => translation.request >= receivedAt || !this.#names(request, translation),
    );
    return this.#link.send(flight);
  }

  /** Requests under way through a translation that an invalidation names and that was asked for before it. */
  #usersOf({ request, receivedAt }: Invalidation): readonly MemoryFlight[] {
    return this.#link.flights.filter(
      (flight): flight is MemoryFlight =>
        flight.kind === 'memory' &&
        flight.through !== undefined &&
        flight.through.request < receivedAt &&
        this.#names(request, flight.through),
    );
  }

  /** Whether an Invalidate Request names a translation, as this function sees it. */
  #names(request: InvalidateRequest, translation: Translation): boolean {
    const { invalidatesOnlyWithoutPasid } = this.#defects;
    if (invalidatesOnlyWithoutPasid === true && request.pasid === undefined && translation.pasid !== undefined) {
      return false;
    }
    return names(request, translation, this.#capability?.globalInvalidate === true);
  }
}
