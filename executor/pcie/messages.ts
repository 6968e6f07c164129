/**
 * What travels between an endpoint and the SMMU: memory requests, ATS and PRI messages (PCIe, chapters ATS and PRI). A
 * requester ID is the StreamID.
 */

/** Whoever owns a frame, or on whose behalf a device works: a process, a guest, the kernel, a stranger. */
export type Owner = string;

/** What identifies the sender; without a PASID the request carries no PASID prefix. */
export interface Requester {
  readonly streamId: number;
  readonly pasid?: number;
}

/** A read or write of memory. `translated`: the address is one from a Translation Completion (AT = 10). */
export interface MemoryRequest extends Requester {
  readonly kind: 'read' | 'write';
  readonly translated: boolean;
  readonly address: bigint;
  /** Of a write; of a read the number of bytes. */
  readonly bytes?: Uint8Array;
  readonly length?: number;
  /** Privileged Mode Requested and Execute Requested of the PASID prefix; false without one. */
  readonly privileged?: boolean;
  readonly execute?: boolean;
  /** The client is no PCIe function, and what it does without PASID is privileged: PCIe has no way to say so. */
  readonly privilegedClient?: boolean;
  /** On whose behalf; for the verdict alone, it does not travel. */
  readonly on?: Owner;
  /** Of a translated request: what its translation was asked for with. It does not travel; it says which invalidation affects it. */
  readonly untranslated?: { readonly address: bigint; readonly pasid?: number };
}

/** An ATS Translation Request for one or more STUs from `address`. */
export interface TranslationRequest extends Requester {
  readonly address: bigint;
  /** How many translations are asked for; 1 by default. */
  readonly count?: number;
  /** NW: the endpoint does not ask for write permission. */
  readonly noWrite?: boolean;
  readonly privileged?: boolean;
  readonly execute?: boolean;
}

/** One translation of a completion. R = W = 0 is "no access" (ATS-03, ATS-04). */
export interface AtsTranslation {
  /** The output address, aligned to the size. */
  readonly address: bigint;
  /** log2 of the number of bytes. */
  readonly sizeLog2: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly privileged: boolean;
  readonly global: boolean;
  /** U: only untranslated requests may be used. */
  readonly untranslatedOnly: boolean;
}

/** The Translation Completion. UR: ATS is refused; CA: the configuration is wrong. */
export type TranslationCompletion =
  | { readonly status: 'success'; readonly translations: readonly AtsTranslation[] }
  | { readonly status: 'unsupported request' | 'completer abort' };

/** An Invalidate Request of 4 KiB * 2^n bytes. */
export interface InvalidateRequest {
  readonly itag: number;
  readonly pasid?: number;
  /** Global Invalidate: the range of all PASIDs. */
  readonly global: boolean;
  readonly address: bigint;
  /** log2 of the number of bytes; 64 is everything. */
  readonly sizeLog2: number;
}

/** A Page Request. R = W = 0 with Last and a PASID is a Stop Marker. */
export interface PageRequest extends Requester {
  readonly address: bigint;
  readonly group: number;
  readonly last: boolean;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute?: boolean;
  readonly privileged?: boolean;
}

/** A PRG Response. */
export interface PageResponse {
  readonly pasid?: number;
  readonly group: number;
  readonly code: 'success' | 'invalid request' | 'response failure';
}

/** What the SMMU can send to a function. */
export interface Downstream {
  /** An Invalidate Request; the endpoint answers later, or at once, with `Upstream.invalidateCompletion`. */
  invalidate(request: InvalidateRequest): void;
  pageResponse(response: PageResponse): void;
  /** A request that was stalled with this STAG ends, after CMD_RESUME or CMD_STALL_TERM; a retry may stall again. */
  resumed?(stag: number, admission: Admission): void;
}

/**
 * What became of a memory request at the SMMU. `admitted`: translated, and on its way to memory, which it reaches with
 * `Upstream.reachMemory`.
 */
export type Admission =
  | { readonly outcome: 'admitted'; readonly transaction: Transaction }
  | { readonly outcome: 'aborted' | 'read as zero, write ignored' }
  /** Stalled with this STAG, until CMD_RESUME. */
  | { readonly outcome: 'stalled'; readonly stag: number };

/** A memory request past the SMMU: what the host bridge writes or reads, piece by piece where pages are apart. */
export interface Transaction {
  readonly request: MemoryRequest;
  readonly pieces: readonly { readonly physical: bigint; readonly offset: number; readonly length: number }[];
}

/** What an endpoint can send to the SMMU. */
export interface Upstream {
  admit(request: MemoryRequest): Admission;
  /** The transaction reaches memory; of a read the data. */
  reachMemory(transaction: Transaction): Uint8Array;
  translate(request: TranslationRequest): TranslationCompletion;
  invalidateCompletion(streamId: number, itag: number): void;
  pageRequest(request: PageRequest): void;
}
