/**
 * A PCIe function as a requester: its PASID, ATS and PRI capabilities, its ATC, and everything of it that is under way. Each
 * message can be moved step by step, in every order that PCIe's rules allow, or at once.
 */
import {
  type DmaResult,
  forgedFlight,
  type IssueOptions,
  lengthOf,
  type MemoryAccess,
  memoryFlight,
  PAGE,
  piecesOf,
} from './access.ts';
import type { AddressTranslationCache, Translation } from './address-translation-cache.ts';
import { Ats, type AtsCapability, type Received } from './ats.ts';
import type { EndpointDefects } from './defects.ts';
import { type Arrived, Inbox } from './inbox.ts';
import { describe, type Flight, isPosted, Link, mayPass, type MemoryFlight } from './link.ts';
import type {
  Admission,
  Downstream,
  InvalidateRequest,
  PageRequest,
  PageResponse,
  TranslationRequest,
  Upstream,
} from './messages.ts';
import { done, must, type Outcome, refused } from './outcome.ts';
import { type PageRequestCapability, PageRequestInterface, type ResponseEffect } from './page-request-interface.ts';
import {
  beginStop,
  completeStop,
  finishesGroup,
  pageRequestFlight,
  start,
  type StopContext,
  stopMarker,
} from './pasid-stop.ts';
import { type PasidCapability, Pasids, type Stop, type StopKind } from './pasid.ts';

export type { DmaResult, MemoryAccess } from './access.ts';

/** What is built in, and how the endpoint behaves where it may choose. */
export interface EndpointOptions {
  /** PASID capability; none by default. */
  readonly pasid?: PasidCapability;
  /** ATS capability, none by default. */
  readonly ats?: AtsCapability;
  /** PRI capability, none by default; an interface is that of the physical function, which its virtual functions share. */
  readonly pri?: PageRequestCapability | PageRequestInterface;
  /** 'at once' (default): invalidations and responses are taken on arrival, and answered as soon as rules allow. */
  readonly schedule?: 'at once' | 'by hand';
  /** 'always' (default): completions are cached unless the caller says no; 'by hand': only if the caller says so. */
  readonly caching?: 'always' | 'by hand';
  readonly defects?: EndpointDefects;
}

/** Whoever wants to know what happens to an endpoint. */
export interface Listener {
  answered?(effect: Extract<ResponseEffect, { readonly effect: 'answered' }>): void;
  reset?(): void;
}

/** A function. Its `streamId` is its requester ID. */
export class Endpoint implements Downstream {
  readonly streamId: number;
  readonly pri: PageRequestInterface | undefined;
  readonly #pasids: Pasids;
  readonly #ats: Ats;
  readonly #options: EndpointOptions;
  readonly #defects: EndpointDefects;
  readonly #upstream: Upstream;
  readonly #link = new Link();
  readonly #inbox = new Inbox();
  readonly #listeners: Listener[] = [];
  #inReset = false;
  #settling = false;

  /** Throws `RangeError` for capabilities outside their domain. */
  constructor(upstream: Upstream, streamId: number, options: EndpointOptions = {}) {
    this.streamId = streamId;
    this.#upstream = upstream;
    this.#options = options;
    this.#defects = options.defects ?? {};
    this.#pasids = new Pasids(options.pasid);
    this.#ats = new Ats(options.ats, this.#link, this.#defects);
    this.pri =
      options.pri === undefined || options.pri instanceof PageRequestInterface
        ? options.pri
        : new PageRequestInterface(options.pri, this.#defects);
  }

  /** Tells a listener of responses and resets from now on. */
  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }

  // What can be seen.

  get atc(): AddressTranslationCache {
    return this.#ats.atc;
  }

  get pasidEnabled(): boolean {
    return this.#pasids.enabled;
  }

  /** Max PASID Width of its capability, in bits. */
  get maxPasidWidth(): number | undefined {
    return this.#pasids.width;
  }

  get atsEnabled(): boolean {
    return this.#ats.enabled;
  }

  /** log2 of the Smallest Translation Unit in bytes, while ATS is enabled. */
  get stuLog2(): number | undefined {
    return this.#ats.stuLog2;
  }

  get inReset(): boolean {
    return this.#inReset;
  }

  /** PASIDs that are being stopped or are stopped. */
  get stops(): ReadonlyMap<number | undefined, Stop> {
    return this.#pasids.stops;
  }

  /** Everything under way, in the order in which it was sent. */
  get flights(): readonly Flight[] {
    return this.#link.flights;
  }

  /** Invalidate Requests that have arrived and were not received. */
  get inbox(): readonly InvalidateRequest[] {
    return this.#inbox.requests;
  }

  /** Invalidate Requests that were received and not acknowledged. */
  get unacknowledged(): readonly InvalidateRequest[] {
    return this.#ats.unacknowledged.map(({ request }) => request);
  }

  /** PRG Responses that have arrived and were not received. */
  get responses(): readonly PageResponse[] {
    return this.#inbox.responses;
  }

  /** Translations outside the ATC that may be used once. */
  get usable(): readonly Translation[] {
    return this.#ats.usable;
  }

  // Configuration space, as software writes it.

  /** Enables PASIDs: before ATS, and never while it is on, which PCIe leaves undefined (PRIEN-03). */
  enablePasid(wanted: { readonly execute?: boolean; readonly privileged?: boolean } = {}): Outcome {
    if (this.#inReset) return refused('the function is in reset');
    if (this.atsEnabled) return refused('PASIDs cannot be enabled while ATS is on (PRIEN-03)');
    return this.#pasids.enable(wanted);
  }

  /** Disables PASIDs: after ATS. */
  disablePasid(): Outcome {
    if (this.atsEnabled) return refused('PASIDs cannot be disabled while ATS is on (PRIEN-03)');
    this.#pasids.disable();
    return done();
  }

  /** Enables ATS, with an empty ATC (ATS-20). `stuLog2`: log2 of the Smallest Translation Unit in bytes, 12..43; `RangeError` for others. */
  enableAts(stuLog2 = 12): Outcome {
    return this.#inReset ? refused('the function is in reset') : this.#ats.enable(stuLog2);
  }

  /** Disables ATS: all translations are dropped, also those of completions that are still to come (ATS-20). */
  disableAts(): void {
    this.#ats.disable();
  }

  /** Allocates page requests and enables them: with ATS on (PRIEN-01), at the physical function (PRI-06). */
  enablePri(allocation: number): Outcome {
    if (this.#inReset) return refused('the function is in reset');
    if (this.pri === undefined) return refused('the function has no PRI capability');
    if (this.#sharesPri) return refused('page requests are enabled at the physical function (PRI-06)');
    if (!this.atsEnabled) return refused('page requests need ATS (PRIEN-01)');
    const allocated = this.pri.allocate(allocation);
    return allocated.done ? this.pri.enable() : allocated;
  }

  /** Disables page requests, at the physical function. */
  disablePri(): Outcome {
    if (this.pri === undefined) return refused('the function has no PRI capability');
    if (this.#sharesPri) return refused('page requests are disabled at the physical function (PRI-06)');
    this.pri.disable();
    return done();
  }

  /** Resets page requests, at the physical function, while they are disabled (PRI-05). */
  resetPri(): Outcome {
    if (this.pri === undefined) return refused('the function has no PRI capability');
    if (this.#sharesPri) return refused('page requests are reset at the physical function (PRI-06)');
    return this.pri.reset();
  }

  /**
   * Function level reset begins: everything inside the function is gone, its ATC, the requests that it waits for and the
   * messages that it did not answer; until the end nothing is sent and nothing that arrives is answered (ATS-20, ATS-37).
   * Posted requests that have left the function still arrive: those past the SMMU, and those numbered in `onTheWire`. Refused
   * if one of these is behind one that has not left.
   */
  beginReset(onTheWire: readonly number[] = []): Outcome {
    const left = (flight: Flight): boolean =>
      isPosted(flight) && (flight.state !== 'on the link' || onTheWire.includes(flight.id));
    const stranded = this.flights.find(
      (later) =>
        left(later) &&
        later.state === 'on the link' &&
        this.flights.some(
          (earlier) =>
            earlier.id < later.id && earlier.state === 'on the link' && !left(earlier) && !mayPass(later, earlier),
        ),
    );
    if (stranded !== undefined) return refused(`${describe(stranded)} is behind one that has not left the function`);
    this.#inReset = true;
    this.#link.update((flight) => (left(flight) ? flight : undefined));
    this.#inbox.clear();
    this.#ats.clear();
    this.#pasids.clear();
    if (this.#sharesPri) this.pri?.forget(this.streamId);
    else this.pri?.clear();
    for (const listener of this.#listeners) listener.reset?.();
    return done();
  }

  /** The reset is over: the function answers again, with everything disabled. */
  endReset(): void {
    this.#inReset = false;
  }

  /** A whole function level reset at once. */
  reset(): void {
    this.beginReset();
    this.endReset();
  }

  // ATS.

  /**
   * Sends a Translation Request; its number. The address is aligned to 4 KiB, the count 1..16. Throws `RangeError` for others.
   */
  requestTranslation(wanted: Omit<TranslationRequest, 'streamId'>): Outcome<number> {
    const prepared = this.#ats.request({ ...wanted, streamId: this.streamId });
    if (!prepared.done) return prepared;
    const why = this.#pasids.whyNot(wanted) ?? this.#pasids.whyStopped(wanted.pasid);
    return why === undefined ? done(this.#link.send(prepared.value)) : refused(why);
  }

  /**
   * A Translation Request, Page Request or Invalidate Completion reaches the SMMU, which answers the first now: the completion
   * is on its way until `receiveCompletion`. Throws `RangeError` for a number that is none of these on the link.
   */
  deliver(id: number): Outcome {
    const flight = this.#link.get(id, 'translation', 'page request', 'invalidate completion');
    if (flight.state !== 'on the link') throw new RangeError(`${describe(flight)} was delivered`);
    const front = this.#link.inFrontOf(flight);
    if (front !== undefined) return refused(`${describe(front)} is in front of ${describe(flight)}`);
    switch (flight.kind) {
      case 'translation': {
        // An invalidation may arrive while the SMMU translates, and tag the request.
        const completion = this.#upstream.translate(flight.request);
        this.#link.replace({ ...this.#link.get(id, 'translation'), state: 'answered', completion });
        break;
      }
      case 'page request':
        this.#link.remove(flight);
        this.#upstream.pageRequest(flight.request);
        break;
      case 'invalidate completion':
        this.#link.remove(flight);
        this.#upstream.invalidateCompletion(this.streamId, flight.itag);
        break;
    }
    this.#settle();
    return done();
  }

  /**
   * The completion of a Translation Request arrives. What no invalidation overtook is cached, if `cache` says so; the rest, and
   * what is not cached, may be used once. What an invalidation that is acknowledged overtook is dropped (ATS-16).
   */
  receiveCompletion(id: number, options: { readonly cache?: boolean } = {}): Outcome<Received> {
    const flight = this.#link.get(id, 'translation');
    const { completion } = flight;
    if (completion === undefined) return refused(`${describe(flight)} has not been answered`);
    this.#link.remove(flight);
    return done(this.#ats.receive(flight, completion, options.cache ?? this.#options.caching !== 'by hand'));
  }

  /** Drops a translation by the endpoint's own choice, which it may at any time (ATS-19). */
  evict(translation: Translation): void {
    this.#ats.evict(translation);
  }

  // Memory.

  /**
   * Sends one memory request; its number. It does not cross a 4 KiB boundary and is not empty: `RangeError` otherwise. Refused
   * if the configuration or the translation does not permit it.
   */
  issue(access: MemoryAccess, options: IssueOptions = {}): Outcome<number> {
    const length = lengthOf(access);
    if (length < 1 || access.address / PAGE !== (access.address + BigInt(length) - 1n) / PAGE) {
      throw new RangeError(`a request of ${length} bytes at 0x${access.address.toString(16)}`);
    }
    const trafficClass = options.trafficClass ?? 0;
    if (!(trafficClass >= 0 && trafficClass <= 7)) throw new RangeError(`traffic class ${trafficClass}`);
    const why = this.#whyNotRequest(access);
    if (why !== undefined) return refused(why);
    const through = this.#ats.use(access, options);
    if (!through.done) return through;
    return done(this.#link.send(memoryFlight(this.streamId, access, through.value, options, this.#defects)));
  }

  /**
   * Sends a translated request for an address that no completion gave: what a broken or hostile device does (ATS-13, ATS-15).
   * Refused without the defect.
   */
  forge(access: MemoryAccess): Outcome<number> {
    if (this.#defects.forgesTranslations !== true) {
      return refused('translated requests need a translation of a completion (ATS-01)');
    }
    return done(this.#link.send(forgedFlight(this.streamId, access)));
  }

  /** A memory request reaches the SMMU, behind what it may not pass. */
  admit(id: number): Outcome<Admission> {
    const flight = this.#link.get(id, 'memory');
    if (flight.state !== 'on the link') throw new RangeError(`${describe(flight)} is ${flight.state}`);
    const front = this.#link.inFrontOf(flight);
    if (front !== undefined) return refused(`${describe(front)} is in front of ${describe(flight)}`);
    const admission = this.#upstream.admit(flight.request);
    this.#admitted(flight, admission);
    return done(admission);
  }

  /** A request that the SMMU stalled ends, after CMD_RESUME or CMD_STALL_TERM. */
  resumed(stag: number, admission: Admission): void {
    const flight = this.flights.find(
      (other): other is MemoryFlight => other.kind === 'memory' && other.state === 'stalled' && other.stag === stag,
    );
    if (flight !== undefined) this.#admitted(flight, admission);
  }

  /** An admitted request reaches memory, in PCIe's order; the bytes of a read, of a write none. */
  reachMemory(id: number): Outcome<Uint8Array> {
    const flight = this.#link.get(id, 'memory');
    if (flight.transaction === undefined) return refused(`${describe(flight)} is ${flight.state}`);
    const front = this.#link.inFrontOf(flight);
    if (front !== undefined) return refused(`${describe(front)} reaches memory before ${describe(flight)}`);
    const data = this.#upstream.reachMemory(flight.transaction);
    this.#link.remove(flight);
    this.#settle();
    return done(data);
  }

  /** A whole access at once, piece by piece, each with its translation if ATS is on; it ends at the first that fails. */
  dma(access: MemoryAccess, options: Omit<IssueOptions, 'through'> = {}): DmaResult {
    const read: number[] = [];
    let bytes = 0;
    for (const piece of piecesOf(access)) {
      const ended = this.#dmaPiece(piece, options);
      if (!(ended instanceof Uint8Array)) {
        return { bytes, data: Uint8Array.from(read), address: piece.address, ...ended };
      }
      read.push(...ended);
      bytes += lengthOf(piece);
    }
    return { outcome: 'done', bytes, data: Uint8Array.from(read) };
  }

  // Invalidation.

  /** An Invalidate Request arrives. A function in reset loses it; one without ATS answers Unsupported Request at once. */
  invalidate(request: InvalidateRequest): void {
    if (this.#inReset) return;
    if (this.#options.ats === undefined) {
      this.#upstream.invalidateCompletion(this.streamId, request.itag);
      return;
    }
    this.#inbox.arrive({ kind: 'invalidation', request });
    this.#settle();
  }

  /**
   * Takes the oldest Invalidate Request of an ITag from the inbox: drops what it names, and tags the Translation Requests that
   * are under way (ATS-16). What was dropped. A full queue of unacknowledged requests holds it back (ATS-26). Throws
   * `RangeError` if there is no such request.
   */
  receiveInvalidation(itag: number): Outcome<readonly Translation[]> {
    const message = this.#inbox.find((sent) => sent.kind === 'invalidation' && sent.request.itag === itag);
    if (message?.kind !== 'invalidation') throw new RangeError(`no Invalidate Request with ITag ${itag} has arrived`);
    if (this.#isHeldBack(message)) return refused('the invalidate queue is full (ATS-26)');
    this.#inbox.take(message);
    return done(this.#ats.invalidate(message.request));
  }

  /**
   * Sends the Invalidate Completion of the oldest unacknowledged request of an ITag; its number, to `deliver`. Refused while
   * reads are outstanding that used what it names (ATS-17). It travels behind the posted writes that did (ATS-18): one
   * completion in each of their traffic classes (ATS-25). Throws `RangeError` if there is no such request.
   */
  sendAcknowledgement(itag: number): Outcome<number> {
    const prepared = this.#ats.prepareAcknowledgement(itag);
    return prepared.done ? done(this.#ats.sendAcknowledgement(prepared.value)) : prepared;
  }

  /** Sends the Invalidate Completion and delivers it, or neither: see `sendAcknowledgement` and `deliver`. */
  acknowledge(itag: number): Outcome {
    const prepared = this.#ats.prepareAcknowledgement(itag);
    if (!prepared.done) return prepared;
    const { flight } = prepared.value;
    const front = this.#link.inFrontOfNew(flight, ['on the link']);
    if (front !== undefined) return refused(`${describe(front)} is in front of ${describe(flight)} (ATS-18)`);
    return this.deliver(this.#ats.sendAcknowledgement(prepared.value));
  }

  // PRI.

  /**
   * Sends a Page Request; its number, to `deliver`. Without `group` it is a group of its own, with the lowest free index. Throws
   * `RangeError` for an address inside a page, and for what would be a Stop Marker.
   */
  requestPage(wanted: Omit<PageRequest, 'streamId' | 'group'> & { readonly group?: number }): Outcome<number> {
    if (wanted.address % PAGE !== 0n) throw new RangeError('a page request is for a page');
    const { pri } = this;
    if (pri === undefined) return refused('the function has no PRI capability');
    if (this.#inReset) return refused('the function is in reset');
    const { pasid } = wanted;
    const finishes = finishesGroup(this.#stopContext, pasid, wanted.group);
    const why = this.#pasids.whyNot(wanted) ?? (finishes ? undefined : this.#pasids.whyStopped(pasid));
    if (why !== undefined) return refused(why);
    // To the host all that follows the marker is of the new use, and what is in front of it of the old.
    if (!finishes && this.markersOwed(pasid) > 0) return refused(`PASID ${pasid} owes a Stop Marker (PRI-30)`);
    const group = wanted.group ?? pri.freeGroup(this.streamId);
    if (group === undefined) return refused('all group indices are outstanding (PRI-03)');
    const request: PageRequest = { ...wanted, group, streamId: this.streamId };
    const taken = pri.take(request);
    return taken.done ? done(this.#link.send(pageRequestFlight(request))) : taken;
  }

  /** A PRG Response arrives; a function in reset loses it. */
  pageResponse(response: PageResponse): void {
    if (this.#inReset) return;
    this.#inbox.arrive({ kind: 'response', response });
    this.#settle();
  }

  /** Takes a PRG Response, one of `responses`, and what it did. Throws `RangeError` if it is not there. */
  receiveResponse(response: PageResponse): Outcome<ResponseEffect> {
    const message = this.#inbox.find((sent) => sent.kind === 'response' && sent.response === response);
    if (message === undefined) throw new RangeError(`no such PRG Response for group ${response.group} has arrived`);
    if (this.#isHeldBack(message)) {
      return refused('an Invalidate Request in front of it waits for the invalidate queue (ATS-26)');
    }
    this.#inbox.take(message);
    const effect: ResponseEffect = this.pri?.respond(this.streamId, response) ?? { effect: 'ignored' };
    if (effect.effect === 'answered') for (const listener of this.#listeners) listener.answered?.(effect);
    return done(effect);
  }

  /**
   * Software asks the device to stop using a PASID: it sends nothing new with it (PRI-29). `undefined`: to stop what it sends
   * without a PASID, which each device does in its own way; no Stop Marker ends that.
   */
  stopPasid(pasid: number | undefined, kind: StopKind): Outcome {
    return beginStop(this.#stopContext, pasid, kind);
  }

  /**
   * The stop is complete: the function holds nothing of the PASID any more (PRI-29). Refused while its requests are under way,
   * a group is begun and not finished, or, unless a Stop Marker tells old from new, a response is missing (PRI-30).
   */
  completeStop(pasid: number | undefined): Outcome {
    return completeStop(this.#stopContext, pasid);
  }

  /** Sends the Stop Marker that a complete stop owes, behind all page requests of the PASID; it takes no credit (PRI-30). */
  sendStopMarker(pasid: number): Outcome<number> {
    const marker = stopMarker(this.#stopContext, pasid);
    return marker.done ? done(this.#link.send(pageRequestFlight(marker.value))) : marker;
  }

  /** How many Stop Markers complete stops of a PASID have still to send (PRI-30). */
  markersOwed(pasid: number | undefined): number {
    return this.#pasids.markersOwed(pasid);
  }

  /** The PASID is used anew: after its stop. Its Stop Marker may still be owed; then it has no page requests before that. */
  startPasid(pasid: number | undefined): Outcome {
    return start(this.#stopContext, pasid);
  }

  // Below: how.

  get #sharesPri(): boolean {
    return this.#options.pri instanceof PageRequestInterface;
  }

  get #stopContext(): StopContext {
    return {
      streamId: this.streamId,
      link: this.#link,
      pasids: this.#pasids,
      pri: this.pri,
      withoutFlush: this.#defects.stopsWithoutFlush === true,
      forgetsGroups: this.#defects.forgetsStoppedGroups === true,
    };
  }

  #whyNotRequest(access: MemoryAccess): string | undefined {
    if (this.#inReset) return 'the function is in reset';
    return this.#pasids.whyNot(access) ?? this.#pasids.whyStopped(access.pasid);
  }

  #admitted(flight: MemoryFlight, admission: Admission): void {
    switch (admission.outcome) {
      case 'admitted':
        this.#link.replace({ ...flight, state: 'admitted', transaction: admission.transaction });
        break;
      case 'stalled':
        this.#link.replace({ ...flight, state: 'stalled', stag: admission.stag });
        break;
      case 'aborted':
      case 'read as zero, write ignored':
        this.#link.remove(flight);
        break;
    }
    this.#settle();
  }

  /** One piece of a DMA: what it read, or how it ended. */
  #dmaPiece(
    piece: MemoryAccess,
    options: IssueOptions,
  ):
    | Uint8Array
    | { readonly outcome: 'refused'; readonly why: string }
    | { readonly outcome: Exclude<DmaResult['outcome'], 'done' | 'refused'> } {
    const refuse = (why: string): { readonly outcome: 'refused'; readonly why: string } => ({
      outcome: 'refused',
      why,
    });
    const why = this.#whyNotRequest(piece);
    if (why !== undefined) return refuse(why);
    const plain = memoryFlight(this.streamId, piece, undefined, options, this.#defects);
    const front = this.#link.inFrontOfNew(plain, ['on the link', 'admitted']);
    if (front !== undefined) return refuse(`${describe(front)} is in front of it`);
    let through: Translation | undefined;
    if (options.untranslated !== true && this.atsEnabled) {
      through = this.#ats.lookup(piece);
      if (through === undefined || !this.#ats.permits(through, piece)) {
        const asked = this.#ask(piece);
        if (!asked.done) return refuse(asked.why);
        const { status, cached, usable } = asked.value;
        if (status !== 'success') return { outcome: status };
        through = [...cached, ...usable].find((translation) => this.#ats.serves(translation, piece));
        if (through === undefined) return { outcome: 'no access' };
        if (!this.#ats.permits(through, piece)) {
          if (usable.includes(through)) this.evict(through);
          return { outcome: 'no access' };
        }
      }
    }
    const issued = this.issue(piece, { ...options, ...(through !== undefined && { through }) });
    if (!issued.done) return refuse(issued.why);
    const admitted = must(this.admit(issued.value));
    return admitted.outcome === 'admitted' ? must(this.reachMemory(issued.value)) : { outcome: admitted.outcome };
  }

  /** Asks for the translation of a piece at once. */
  #ask({ address, kind, pasid, privileged, execute }: MemoryAccess): Outcome<Received> {
    const sent = this.requestTranslation({
      address: address - (address % PAGE),
      noWrite: kind === 'read',
      ...(pasid !== undefined && { pasid }),
      ...(privileged !== undefined && { privileged }),
      ...(execute !== undefined && { execute }),
    });
    if (!sent.done) return sent;
    const delivered = this.deliver(sent.value);
    if (!delivered.done) {
      this.#link.remove({ id: sent.value });
      return delivered;
    }
    return this.receiveCompletion(sent.value);
  }

  /** Whether a message finds the invalidate queue full. */
  #isHeldBack(message: Arrived): boolean {
    return this.#inbox.isHeldBack(message, this.#ats.queueDepth - this.#ats.unacknowledged.length);
  }

  /** Without a schedule by hand: takes what has arrived, and acknowledges what can be acknowledged. */
  #settle(): void {
    if (this.#options.schedule === 'by hand' || this.#settling) return;
    this.#settling = true;
    try {
      while (this.#settleOne());
    } finally {
      this.#settling = false;
    }
  }

  #settleOne(): boolean {
    if (this.unacknowledged.some(({ itag }) => this.acknowledge(itag).done)) return true;
    const [first] = this.#inbox.messages;
    if (first === undefined) return false;
    return first.kind === 'response'
      ? this.receiveResponse(first.response).done
      : this.receiveInvalidation(first.request.itag).done;
  }
}
