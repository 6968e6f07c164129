/**
 * An SMMU that is nothing but a table: pages by PASID, a flat memory, and a record of what it was sent.
 */
import type {
  Admission,
  AtsTranslation,
  MemoryRequest,
  PageRequest,
  Transaction,
  TranslationCompletion,
  TranslationRequest,
  Upstream,
} from './messages.ts';

/** A page of the table. */
export type Page = Partial<AtsTranslation> & { readonly pasid?: number };

/** The table. */
export class FakeUpstream implements Upstream {
  readonly memory = new Map<bigint, number>();
  /** What arrived, in order, in words. */
  readonly log: string[] = [];
  readonly requests: MemoryRequest[] = [];
  readonly translations: TranslationRequest[] = [];
  readonly completions: number[] = [];
  readonly pageRequests: PageRequest[] = [];
  /** Answers instead of the table. */
  refuses: TranslationCompletion['status'] | undefined;
  admission: Exclude<Admission['outcome'], 'admitted'> | undefined;
  onInvalidateCompletion: (() => void) | undefined;
  onTranslate: (() => void) | undefined;
  onPageRequest: ((request: PageRequest) => void) | undefined;
  readonly #pages = new Map<string, AtsTranslation>();

  /** Maps a page: readable and writable, 4 KiB, to an output address. */
  map(untranslated: bigint, address: bigint, { pasid, ...page }: Page = {}): void {
    this.#pages.set(key(pasid, untranslated), { ...nothing, read: true, write: true, ...page, address });
  }

  unmap(untranslated: bigint, pasid?: number): void {
    this.#pages.delete(key(pasid, untranslated));
  }

  write(address: bigint, bytes: Iterable<number>): void {
    let at = address;
    for (const byte of bytes) this.memory.set(at++, byte);
  }

  read(address: bigint, length: number): number[] {
    return Array.from({ length }, (_, index) => this.memory.get(address + BigInt(index)) ?? 0);
  }

  admit(request: MemoryRequest): Admission {
    this.requests.push(request);
    this.log.push(`${request.kind} ${request.address.toString(16)}`);
    if (this.admission === 'stalled') return { outcome: 'stalled', stag: this.requests.length };
    if (this.admission !== undefined) return { outcome: this.admission };
    const page = this.#pageOf(request.pasid, request.address);
    const permitted = request.kind === 'write' ? page?.write === true : page?.read === true;
    if (!request.translated && (page === undefined || !permitted)) return { outcome: 'aborted' };
    const physical = request.translated ? request.address : (page?.address ?? 0n) + (request.address % 4096n);
    const length = request.bytes?.length ?? request.length ?? 0;
    return { outcome: 'admitted', transaction: { request, pieces: [{ physical, offset: 0, length }] } };
  }

  reachMemory({ request, pieces }: Transaction): Uint8Array {
    this.log.push(`${request.kind} done`);
    const [piece] = pieces;
    if (piece === undefined) return new Uint8Array();
    if (request.kind === 'read') return Uint8Array.from(this.read(piece.physical, piece.length));
    this.write(piece.physical, request.bytes ?? []);
    return new Uint8Array();
  }

  translate(request: TranslationRequest): TranslationCompletion {
    this.translations.push(request);
    this.onTranslate?.();
    if (this.refuses !== undefined && this.refuses !== 'success') return { status: this.refuses };
    const translations: AtsTranslation[] = [];
    let { address } = request;
    for (let index = 0; index < (request.count ?? 1); index++) {
      const page = this.#pageOf(request.pasid, address) ?? nothing;
      translations.push({ ...page, privileged: request.privileged ?? false });
      address = ((address >> BigInt(page.sizeLog2)) + 1n) << BigInt(page.sizeLog2);
    }
    return { status: 'success', translations };
  }

  invalidateCompletion(_streamId: number, itag: number): void {
    this.log.push(`invalidate completion ${itag}`);
    this.completions.push(itag);
    this.onInvalidateCompletion?.();
  }

  pageRequest(request: PageRequest): void {
    this.log.push('page request');
    this.pageRequests.push(request);
    this.onPageRequest?.(request);
  }

  #pageOf(pasid: number | undefined, address: bigint): AtsTranslation | undefined {
    for (const [name, page] of this.#pages) {
      const base = (address >> BigInt(page.sizeLog2)) << BigInt(page.sizeLog2);
      if (name === key(pasid, base)) return page;
    }
    return undefined;
  }
}

const nothing: AtsTranslation = {
  address: 0n,
  sizeLog2: 12,
  read: false,
  write: false,
  execute: false,
  privileged: false,
  global: false,
  untranslatedOnly: false,
};

function key(pasid: number | undefined, untranslated: bigint): string {
  return `${pasid ?? 'none'} ${untranslated}`;
}
