/**
 * The PRI queue: records of page requests, and the answers that the SMMU gives by itself when it cannot record them
 * (IHI 0070, 8).
 */
import type { PageRequest, PageResponse } from '../pcie/messages.ts';
import type { ConfigurationCache } from './configuration.ts';
import type { SmmuDefects } from './defects.ts';
import { isActive } from './errors.ts';
import type { EventRecord } from './events.ts';
import type { Identity } from './identity.ts';
import type { Interrupts } from './interrupts.ts';
import type { OutputQueue } from './output-queue.ts';
import { encodePageRequest } from './page-request-record.ts';
import type { Registers } from './registers.ts';
import type { Ring } from './ring.ts';
import { isSet, mask } from '../bits.ts';

/** What became of a page request. `answered`: discarded, with an automatic response. */
export type PageRequestOutcome =
  | { readonly outcome: 'queued' | 'discarded' }
  | { readonly outcome: 'answered'; readonly response: PageResponse };

/** Receives page requests. */
export class PageRequestQueue {
  readonly #parts: {
    readonly queue: OutputQueue;
    readonly identity: Identity;
    readonly registers: Registers;
    readonly interrupts: Interrupts;
    readonly configuration: ConfigurationCache;
    readonly defects: SmmuDefects;
    readonly respond: (streamId: number, response: PageResponse) => void;
    readonly record: (event: EventRecord) => void;
  };

  constructor(parts: {
    queue: OutputQueue;
    identity: Identity;
    registers: Registers;
    interrupts: Interrupts;
    configuration: ConfigurationCache;
    defects: SmmuDefects;
    /** Sends a PRG Response to a function. */
    respond: (streamId: number, response: PageResponse) => void;
    record: (event: EventRecord) => void;
  }) {
    this.#parts = parts;
  }

  /** Where the queue lies in memory. */
  get ring(): Ring {
    return this.#parts.queue.ring;
  }

  /** The records, of 16 bytes, that software has not consumed, oldest first. */
  get records(): readonly Uint8Array[] {
    return this.#parts.queue.records;
  }

  /** Whether requests were lost for want of room, and software has not acknowledged it: nothing is recorded until then. */
  get overflowed(): boolean {
    return this.#parts.queue.overflowed;
  }

  /** A page request or Stop Marker arrives. */
  receive(arrived: PageRequest): PageRequestOutcome {
    const { identity, registers, interrupts, queue, defects } = this.#parts;
    if (!identity.PRI) {
      return { outcome: 'discarded' };
    }
    const request = withoutSubstream(arrived, identity);
    // PRIQEN has no effect while SMMUEN = 0 (6.3.9.5).
    const enabled = registers.isEnabled('PRIQEN') && registers.isEnabled('SMMUEN');
    if (!enabled || isActive(registers, 'PRIQ_ABT_ERR')) {
      return this.#fail(request);
    }
    const inhibited = queue.overflowed && defects.pageRequestsDuringOverflow !== true;
    if (inhibited || queue.isFull) {
      if (defects.overflowNotFlagged !== true) queue.overflow();
      if (this.#lastOnly() && request.last) {
        interrupts.raise('priq');
      }
      return this.#discard(request);
    }
    const written = queue.write(
      encodePageRequest({
        sid: request.streamId,
        ssid: request.pasid ?? 0,
        privileged: request.pasid !== undefined && request.privileged === true,
        execute: request.pasid !== undefined && request.execute === true,
        read: request.read,
        write: request.write,
        last: request.last,
        ssv: request.pasid !== undefined,
        prgIndex: request.group,
        address: request.address & ~mask(12),
      }),
    );
    if (written === 'aborted') {
      interrupts.error('PRIQ_ABT_ERR');
      return this.#fail(request);
    }
    if (this.#lastOnly() ? request.last : written === 'first') {
      interrupts.raise('priq');
    }
    return { outcome: 'queued' };
  }

  /** PRIQ_IRQ_CFG2.LO: an interrupt for each Last, instead of when the queue is no longer empty (6.3.36). */
  #lastOnly(): boolean {
    return isSet(this.#parts.registers.get('PRIQ_IRQ_CFG2'), 31);
  }

  /** PRIQEN = 0, or an abort that is not acknowledged: each request fails, Last or not, without PASID (8.2). */
  #fail(request: PageRequest): PageRequestOutcome {
    return isStopMarker(request)
      ? { outcome: 'discarded' }
      : this.#answer(request, { group: request.group, code: 'response failure' });
  }

  /** An overflow: only a Last is answered (8.1). */
  #discard(request: PageRequest): PageRequestOutcome {
    if (!request.last || isStopMarker(request) || this.#parts.defects.overflowIsSilent === true) {
      return { outcome: 'discarded' };
    }
    const success: PageResponse = { group: request.group, code: 'success' };
    if (request.pasid === undefined) {
      return this.#answer(request, success);
    }
    const withPasid: PageResponse = { ...success, pasid: request.pasid };
    if (this.#parts.identity.PPS) {
      return this.#answer(request, withPasid);
    }
    const found = this.#parts.configuration.lookupSte(request.streamId);
    if (found.ok) {
      return this.#answer(request, found.configuration.ste.PPAR ? withPasid : success);
    }
    if (found.reason === 'configuration' && found.recordedForAts) {
      this.#parts.record(found.event);
    }
    return this.#answer(request, { group: request.group, code: 'response failure' });
  }

  #answer(request: PageRequest, response: PageResponse): PageRequestOutcome {
    this.#parts.respond(request.streamId, response);
    return { outcome: 'answered', response };
  }
}

/** Without substreams the PASID does not get as far as the SMMU. */
function withoutSubstream(request: PageRequest, identity: Identity): PageRequest {
  const { pasid, ...rest } = request;
  return identity.SSIDSIZE === 0 || pasid === undefined ? rest : request;
}

/** {L, W, R} = 100 with a PASID; without one it is a request like others (8). */
function isStopMarker({ pasid, last, read, write }: PageRequest): boolean {
  return pasid !== undefined && last && !read && !write;
}
