/**
 * Streams and what they are attached to: Stream table entries, Context descriptors by PASID, and ATS at both ends, each
 * changed in the order that leaves no cache with what no longer holds.
 */
import type { Memory } from '../memory.ts';
import type { TableFrames } from '../pagetable/table-frames.ts';
import type { Identity } from '../smmuv3/identity.ts';
import type { Ste } from '../smmuv3/stream-table-entry.ts';
import type { CommandSubmission, SyncResult } from './command-submission.ts';
import { ContextTable } from './context-table.ts';
import type { Attachment, Domain, Stage1Domain, Stage2Domain } from './domain.ts';
import { writeEntry } from './entry-writer.ts';
import { dropAll, dropAtc } from './invalidation.ts';
import type { Steps } from './steps.ts';
import type { StreamTable } from './stream-table.ts';
import { cdKind, cdWords, steKind, steWords } from './structures.ts';

/** How the driver turns the ATS of a function on and off (its ATS capability). */
export interface AtsControl {
  enable(): void;
  disable(): void;
}

/** A guest's Context descriptors, by IPA, above a domain of stage 2. */
export interface NestedTarget {
  readonly kind: 'nested';
  readonly parent: Stage2Domain;
  readonly guest: Pick<Ste, 'S1ContextPtr' | 'S1CDMax' | 'S1Fmt' | 'S1DSS'>;
}

/** What a stream's traffic without PASID is attached to. */
export type Target = Domain | NestedTarget | 'identity' | 'blocked';

export interface AttachOptions {
  /** log2 of the number of PASIDs that the stream may use; 0 by default. It is fixed when the stream gets its Context table. */
  readonly pasidBits?: number;
  /** The function's ATS, which is to be on. Without it ATS goes off, if it was on. */
  readonly ats?: AtsControl;
  /** The function wants the PASID in PRG Responses (PRG Response PASID Required); false by default. */
  readonly responsesWithPasid?: boolean;
}

interface Stream {
  readonly sid: number;
  target: Target;
  attachment: Attachment | undefined;
  /** ATS is on. */
  ats: AtsControl | undefined;
  contexts: ContextTable | undefined;
  responsesWithPasid: boolean;
  readonly pasids: Map<number, { readonly domain: Stage1Domain; readonly attachment: Attachment }>;
}

/** What the streams share with the rest of the driver. */
export interface StreamParts {
  readonly memory: Memory;
  readonly frames: TableFrames;
  readonly identity: Identity;
  readonly commands: CommandSubmission;
  readonly table: StreamTable;
}

export class Streams {
  readonly #parts: StreamParts;
  readonly #streams = new Map<number, Stream>();

  constructor(parts: StreamParts) {
    this.#parts = parts;
  }

  /** Whether PRG Responses to a stream's function carry the PASID. */
  respondsWithPasid(sid: number): boolean {
    return this.#streams.get(sid)?.responsesWithPasid === true;
  }

  /** Whether the ATC of a stream's function may hold translations. */
  hasAts(sid: number): boolean {
    return this.#streams.get(sid)?.ats !== undefined;
  }

  /**
   * Attaches a stream's traffic without PASID. If the ATC of the function must be emptied for it, the result says whether that
   * came through. Throws `RangeError` for a stream or PASID size that the SMMU does not have.
   */
  *attach(sid: number, target: Target, options: AttachOptions = {}): Steps<SyncResult> {
    const stream = this.#stream(sid);
    stream.responsesWithPasid = options.responsesWithPasid ?? stream.responsesWithPasid;
    const translates = typeof target !== 'string' || stream.pasids.size > 0;
    if (typeof target === 'object' && target.kind !== 'stage 1' && stream.pasids.size > 0) {
      throw new Error('PASIDs are attached: the stream needs its own Context descriptors');
    }
    const ats = translates ? options.ats : undefined;
    const keepsAts = stream.ats !== undefined && ats !== undefined;
    let result: SyncResult = 'complete';
    if (stream.ats !== undefined && ats === undefined) result = yield* this.#stopAts(stream);

    const before = { domain: domainOf(stream.target), attachment: stream.attachment };
    const domain = domainOf(target);
    stream.attachment = domain === undefined ? undefined : { sid };
    // Unmaps of the new domain must reach the stream before it can translate; those of the old one as long as it can.
    if (stream.attachment !== undefined) domain?.attachments.add(stream.attachment);
    stream.target = target;
    this.#ensureContexts(stream, options.pasidBits);
    if (typeof target === 'object' && target.kind === 'stage 1') {
      yield* this.#writeContext(stream, 0, cdWords(target.cd));
    }
    yield* this.#writeEntry(stream, ats !== undefined);
    yield* this.#parts.commands.queue([{ op: 'PREFETCH_CONFIG', sid }]);
    if (typeof target === 'string' || target.kind !== 'stage 1') yield* this.#clearContext(stream, 0);
    if (keepsAts) result = yield* this.#parts.commands.complete([dropAtc({ sid })]);
    else if (ats !== undefined) yield* this.#startAts(stream, ats);
    if (before.attachment !== undefined) before.domain?.attachments.delete(before.attachment);
    return result;
  }

  /**
   * Attaches a PASID of a stream to an address space of stage 1. Throws `Error` for a stream that has no Context table of its own
   * and gets none by `pasidBits`, and for a PASID that is attached.
   */
  *attachPasid(sid: number, pasid: number, domain: Stage1Domain, options: AttachOptions = {}): Steps<void> {
    const { pasidBits, ats } = options;
    const stream = this.#stream(sid);
    stream.responsesWithPasid = options.responsesWithPasid ?? stream.responsesWithPasid;
    if (typeof stream.target === 'object' && stream.target.kind !== 'stage 1') {
      throw new Error("the stream is a guest's, or has stage 2 alone: it has no Context descriptors of the host");
    }
    if (stream.pasids.has(pasid)) throw new Error(`PASID ${pasid} is attached`);
    if (pasid === 0) throw new RangeError('PASID 0 is the context of traffic without PASID (S1DSS = 10)');
    const attachment = { sid, pasid };
    const first = stream.pasids.size === 0;
    stream.pasids.set(pasid, { domain, attachment });
    domain.attachments.add(attachment);
    this.#ensureContexts(stream, pasidBits);
    yield* this.#writeContext(stream, pasid, cdWords(domain.cd));
    // Streams without a domain of stage 1 get their Context table with their first PASID.
    if (first && typeof stream.target === 'string') yield* this.#writeEntry(stream, ats !== undefined);
    if (ats !== undefined && stream.ats === undefined) yield* this.enableAts(sid, ats);
  }

  /** Detaches a PASID, of which the function sends no more requests. The result is that of emptying its ATC. */
  *detachPasid(sid: number, pasid: number): Steps<SyncResult> {
    const stream = this.#stream(sid);
    const attached = stream.pasids.get(pasid);
    if (attached === undefined) throw new Error(`PASID ${pasid} is not attached`);
    yield* this.#clearContext(stream, pasid);
    let result: SyncResult = 'complete';
    if (stream.ats !== undefined) result = yield* this.#parts.commands.complete([dropAtc({ sid, pasid })]);
    attached.domain.attachments.delete(attached.attachment);
    stream.pasids.delete(pasid);
    if (stream.pasids.size === 0 && typeof stream.target === 'string') {
      if (stream.ats !== undefined) result = yield* this.#stopAts(stream);
      yield* this.#writeEntry(stream, false);
    }
    return result;
  }

  /**
   * The process of an address space is gone, its functions not yet told: translations fault without a record, and nothing of it
   * stays cached (HOST-14).
   */
  *quiesce(domain: Stage1Domain): Steps<SyncResult> {
    const quiet = cdWords({ ...domain.cd, EPD0: true, R: false });
    for (const { sid, pasid = 0 } of domain.attachments) yield* this.#writeContext(this.#stream(sid), pasid, quiet);
    yield* this.#parts.commands.complete([dropAll(domain.tags)]);
    const atcs = [...domain.attachments].filter(({ sid }) => this.hasAts(sid)).map((target) => dropAtc(target));
    return atcs.length === 0 ? 'complete' : yield* this.#parts.commands.complete(atcs);
  }

  /** Turns ATS on: EATS first, the function last. */
  *enableAts(sid: number, ats: AtsControl): Steps<void> {
    const stream = this.#stream(sid);
    if (stream.ats !== undefined) return;
    yield* this.#writeEntry(stream, true);
    yield* this.#startAts(stream, ats);
  }

  /** Turns ATS off: the function first, then what it has cached, EATS last. */
  *disableAts(sid: number): Steps<SyncResult> {
    const stream = this.#stream(sid);
    if (stream.ats === undefined) return 'complete';
    const result = yield* this.#stopAts(stream);
    yield* this.#writeEntry(stream, false);
    return result;
  }

  *#startAts(stream: Stream, ats: AtsControl): Steps<void> {
    stream.ats = ats;
    ats.enable();
    yield { kind: 'device', what: `ATS on at stream ${stream.sid}` };
  }

  *#stopAts(stream: Stream): Steps<SyncResult> {
    stream.ats?.disable();
    yield { kind: 'device', what: `ATS off at stream ${stream.sid}` };
    const result = yield* this.#parts.commands.complete([dropAtc(stream)]);
    stream.ats = undefined;
    return result;
  }

  #stream(sid: number): Stream {
    const known = this.#streams.get(sid);
    if (known !== undefined) return known;
    const stream: Stream = {
      sid,
      target: 'blocked',
      attachment: undefined,
      ats: undefined,
      contexts: undefined,
      responsesWithPasid: false,
      pasids: new Map(),
    };
    this.#streams.set(sid, stream);
    return stream;
  }

  #ensureContexts(stream: Stream, pasidBits = 0): void {
    const needed = stream.pasids.size > 0 || (typeof stream.target === 'object' && stream.target.kind === 'stage 1');
    if (stream.contexts !== undefined || !needed) return;
    const { memory, frames, identity } = this.#parts;
    if (pasidBits > identity.SSIDSIZE) {
      throw new RangeError(`the SMMU has SubstreamIDs of ${identity.SSIDSIZE} bits, not of ${pasidBits}`);
    }
    stream.contexts = new ContextTable(memory, frames, pasidBits, identity.CD2L);
  }

  /** Writes a Context descriptor; a function may fetch it as soon as it is valid. */
  *#writeContext({ sid, contexts }: Stream, ssid: number, words: readonly bigint[]): Steps<void> {
    if (contexts === undefined) throw new Error(`stream ${sid} has no Context table`);
    const sync = (leaf: boolean) => () => this.#parts.commands.complete([{ op: 'CFGI_CD', sid, ssid, leaf }]);
    const address = yield* contexts.reach(ssid, sync(false));
    yield* writeEntry(this.#parts.memory, address, words, cdKind, sync(true));
  }

  *#clearContext(stream: Stream, ssid: number): Steps<void> {
    if (stream.contexts?.entryAddress(ssid) !== undefined) yield* this.#writeContext(stream, ssid, cdWords({}));
  }

  *#writeEntry(stream: Stream, ats: boolean): Steps<void> {
    const { sid } = stream;
    const sync = (leaf: boolean) => () => this.#parts.commands.complete([{ op: 'CFGI_STE', sid, leaf }]);
    const address = yield* this.#parts.table.reach(sid, sync(false));
    yield* writeEntry(this.#parts.memory, address, this.#entryOf(stream, ats), steKind, sync(true));
  }

  #entryOf({ target, contexts, pasids, responsesWithPasid }: Stream, ats: boolean): readonly bigint[] {
    const { identity, table } = this.#parts;
    const common = { V: true, EATS: ats ? 0b01 : 0, PPAR: responsesWithPasid };
    const walks = {
      S1CIR: 1,
      S1COR: 1,
      S1CSH: 3,
      S1STALLD: identity.STALL_MODEL === 0 && !this.#stalls(target, pasids),
    };
    const own = contexts === undefined ? undefined : { ...common, Config: 0b101, ...contexts.pointer, ...walks };
    if (target === 'identity') {
      return own !== undefined && pasids.size > 0
        ? steWords({ ...own, S1DSS: 0b01 })
        : steWords({ V: true, Config: 0b100, SHCFG: 1 });
    }
    if (target === 'blocked') return own !== undefined && pasids.size > 0 ? steWords(own) : table.unattached;
    if (target.kind === 'stage 1') return steWords({ ...own, S1DSS: 0b10 });
    const stage2 = { ...domainOf(target).ste, ...common };
    return target.kind === 'stage 2'
      ? steWords({ ...stage2, Config: 0b110 })
      : steWords({ ...stage2, ...target.guest, ...walks, Config: 0b111 });
  }

  /** Whether a domain of the stream lets faulting transactions stall. */
  #stalls(target: Target, pasids: Stream['pasids']): boolean {
    const domains = [domainOf(target), ...[...pasids.values()].map(({ domain }) => domain)];
    return domains.some((domain) => domain?.kind === 'stage 1' && domain.cd.S === true);
  }
}

/** The domain whose unmaps concern a stream's traffic without PASID. */
function domainOf(target: Stage2Domain | NestedTarget): Stage2Domain;
function domainOf(target: Target): Domain | undefined;
function domainOf(target: Target): Domain | undefined {
  if (typeof target === 'string') return undefined;
  return target.kind === 'nested' ? target.parent : target;
}
