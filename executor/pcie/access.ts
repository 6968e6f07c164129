/**
 * Memory accesses as the engine of a device wants them, and the requests that they become on the link.
 */
import type { Translation } from './address-translation-cache.ts';
import type { EndpointDefects } from './defects.ts';
import type { MemoryFlight, Unsent } from './link.ts';
import type { Admission, MemoryRequest, Owner, TranslationCompletion } from './messages.ts';

/** Requests do not cross a boundary of this many bytes (PCIe 2.2.7). */
export const PAGE = 4096n;

/** A memory access. */
export interface MemoryAccess {
  readonly kind: 'read' | 'write';
  readonly address: bigint;
  /** Of a write; of a read `length`. */
  readonly bytes?: Uint8Array;
  readonly length?: number;
  readonly pasid?: number;
  readonly privileged?: boolean;
  readonly execute?: boolean;
  /** On whose behalf; for the verdict alone. */
  readonly on?: Owner;
}

/** How an access gets its address, and its place among others. */
export interface IssueOptions {
  /** Without ATS. Otherwise, if ATS is enabled, through a translation of the ATC. */
  readonly untranslated?: boolean;
  /** This translation, which `receiveCompletion` returned, instead of one of the ATC. */
  readonly through?: Translation;
  /** Of a write: it may pass posted requests. */
  readonly relaxedOrdering?: boolean;
  /** 0..7; requests of different classes are not ordered. 0 by default. */
  readonly trafficClass?: number;
}

/** What became of an access that was done at once; the first `bytes` bytes went through, with `data` if it is a read. */
export type DmaResult = { readonly bytes: number; readonly data: Uint8Array } & (
  | { readonly outcome: 'done' }
  /** At `address`: the translation does not permit it, which is what PRI is for; ATS is refused; or the SMMU ended it. */
  | {
      readonly outcome:
        | 'no access'
        | Exclude<TranslationCompletion['status'], 'success'>
        | Exclude<Admission['outcome'], 'admitted'>;
      readonly address: bigint;
    }
  /** A rule of PCIe or the configuration of the endpoint forbids it now. */
  | { readonly outcome: 'refused'; readonly address: bigint; readonly why: string }
);

/** The number of bytes of an access. */
export function lengthOf({ kind, bytes, length }: MemoryAccess): number {
  return (kind === 'write' ? bytes?.length : length) ?? 0;
}

/** An access in pieces that do not cross a 4 KiB boundary. */
export function* piecesOf(access: MemoryAccess): Generator<MemoryAccess> {
  const length = lengthOf(access);
  for (let offset = 0, size = 0; offset < length; offset += size) {
    const address = access.address + BigInt(offset);
    size = Math.min(length - offset, Number(PAGE - (address % PAGE)));
    const part =
      access.bytes === undefined ? { length: size } : { bytes: access.bytes.subarray(offset, offset + size) };
    yield { ...access, ...part, address };
  }
}

/** The memory request of an access: translated if it has a translation that may be used so (ATS-08). */
export function memoryFlight(
  streamId: number,
  access: MemoryAccess,
  through: Translation | undefined,
  { relaxedOrdering = false, trafficClass = 0 }: IssueOptions,
  defects: EndpointDefects,
): Unsent<MemoryFlight> {
  const used = through?.untranslatedOnly === true && defects.ignoresUntranslatedOnly !== true ? undefined : through;
  return {
    kind: 'memory',
    request:
      used === undefined
        ? { ...access, streamId, translated: false }
        : translatedRequest(streamId, access, used.address + access.address - used.untranslated),
    pasid: access.pasid,
    trafficClasses: [trafficClass],
    through: used,
    relaxedOrdering,
    state: 'on the link',
  };
}

/** A translated request for an address that no completion gave: of it nothing untranslated is known. */
export function forgedFlight(streamId: number, access: MemoryAccess): Unsent<MemoryFlight> {
  const { untranslated: _, ...request } = translatedRequest(streamId, access, access.address);
  return {
    kind: 'memory',
    request,
    pasid: access.pasid,
    trafficClasses: [0],
    through: undefined,
    relaxedOrdering: false,
    state: 'on the link',
  };
}

/** A translated request carries no PASID: translated requests with PASID are another capability. */
function translatedRequest(streamId: number, access: MemoryAccess, address: bigint): MemoryRequest {
  const { pasid, privileged: _p, execute: _e, ...rest } = access;
  const untranslated = { address: access.address, ...(pasid !== undefined && { pasid }) };
  return { ...rest, streamId, translated: true, address, untranslated };
}
