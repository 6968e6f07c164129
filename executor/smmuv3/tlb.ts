/**
 * The TLB: keeps what is inserted until a TLBI command must drop it, or until it is evicted by hand. What a command need not
 * drop stays, so that a missing or too narrow invalidation shows (IHI 0070, 3.17 and 4.4).
 */
import type { Command } from './commands.ts';
import type { Identity } from './identity.ts';
import { alignedDown, isLeafEntry } from './tlb-entry.ts';
import type { LeafEntry, LeafKind, TableEntry, Tag, TlbEntry } from './tlb-entry.ts';
import { inScope, scopeOf } from './tlb-invalidation.ts';
import type { Scope } from './tlb-invalidation.ts';

/**
 * What translations put into the TLB by themselves. `always`: the final translation, combined where there are two stages, and
 * the stage-2 translations of table and context descriptor fetches. `everything`: also the parts of a combined one, and
 * table descriptors. `chosen`: nothing; the caller inserts by hand.
 */
export type CachingPolicy = 'always' | 'everything' | 'chosen';

/** What a TLBI command's scope depends on beside its fields. */
export interface TlbView {
  readonly identity: Pick<Identity, 'RIL'>;
  /** CR2.E2H. */
  readonly e2h: () => boolean;
}

/** What a TLB does by itself. */
export interface TlbOptions {
  readonly policy?: CachingPolicy;
  /** One entry for a whole contiguous run; by default the contiguous hint is not used. */
  readonly contiguous?: boolean;
}

/** Entries of one kind and tag, by size and by their first address. */
type Shelf = Map<number, Map<bigint, TlbEntry>>;

export class Tlb {
  /** What translations insert by themselves; may be changed at any time. */
  policy: CachingPolicy;
  /** Whether entries cover contiguous runs. */
  readonly contiguous: boolean;
  readonly #view: TlbView;
  readonly #shelves = new Map<string, Shelf>();
  /** Each entry with its age: later ones have higher numbers. */
  readonly #ages = new Map<TlbEntry, number>();
  #age = 0;

  constructor(view: TlbView, options: TlbOptions = {}) {
    this.#view = view;
    this.policy = options.policy ?? 'always';
    this.contiguous = options.contiguous ?? false;
  }

  /** All entries, oldest first. */
  get entries(): readonly TlbEntry[] {
    return [...this.#ages.keys()];
  }

  /** Whether this entry is in the TLB: itself, not one like it. */
  has(entry: TlbEntry): boolean {
    return this.#ages.has(entry);
  }

  /** Inserts an entry; one of the same kind, tags, range and granule is replaced. */
  insert(entry: TlbEntry): void {
    const key = shelfOf(entry, entry.tag);
    const shelf: Shelf = this.#shelves.get(key) ?? new Map<number, Map<bigint, TlbEntry>>();
    const ofSize = shelf.get(entry.sizeLog2) ?? new Map<bigint, TlbEntry>();
    const old = ofSize.get(entry.input);
    if (old !== undefined) this.#ages.delete(old);
    this.#shelves.set(key, shelf.set(entry.sizeLog2, ofSize.set(entry.input, entry)));
    this.#ages.set(entry, this.#age++);
  }

  /** The final translation of an address. Of several that match the oldest. */
  lookup(kind: LeafKind, tag: Tag, address: bigint): LeafEntry | undefined {
    let oldest: LeafEntry | undefined;
    for (const key of matching(kind, tag)) {
      for (const entry of this.#at(key, address)) {
        if (isLeafEntry(entry) && (oldest === undefined || this.#ageOf(entry) < this.#ageOf(oldest))) oldest = entry;
      }
    }
    return oldest;
  }

  /** The deepest cached table descriptor on the way to an address. */
  lookupTable(kind: TableEntry['kind'], tag: Tag, address: bigint, granuleLog2: number): TableEntry | undefined {
    let deepest: TableEntry | undefined;
    for (const entry of this.#at(shelfOf({ kind, granuleLog2 }, tag), address)) {
      if (!isLeafEntry(entry) && (deepest === undefined || entry.level > deepest.level)) deepest = entry;
    }
    return deepest;
  }

  /** Drops what a TLBI command must drop, and returns it. Any other command drops nothing. */
  invalidate(command: Command): readonly TlbEntry[] {
    const scope = this.#scope(command);
    if (scope === undefined) return [];
    const dropped = this.entries.filter((entry) => inScope(scope, entry));
    for (const entry of dropped) this.evict(entry);
    return dropped;
  }

  /** Whether a TLBI command must drop this entry, be it in the TLB or not. */
  covers(command: Command, entry: TlbEntry): boolean {
    const scope = this.#scope(command);
    return scope !== undefined && inScope(scope, entry);
  }

  /** Drops an entry for no reason, as hardware may at any time. Returns whether it was there. */
  evict(entry: TlbEntry): boolean {
    if (!this.#ages.delete(entry)) return false;
    this.#shelves.get(shelfOf(entry, entry.tag))?.get(entry.sizeLog2)?.delete(entry.input);
    return true;
  }

  clear(): void {
    this.#ages.clear();
    this.#shelves.clear();
  }

  #scope(command: Command): Scope | undefined {
    return scopeOf(command, { rangeInvalidation: this.#view.identity.RIL, e2h: this.#view.e2h() });
  }

  *#at(key: string, address: bigint): Generator<TlbEntry> {
    for (const [sizeLog2, ofSize] of this.#shelves.get(key) ?? []) {
      const entry = ofSize.get(alignedDown(address, sizeLog2));
      if (entry !== undefined) yield entry;
    }
  }

  #ageOf(entry: TlbEntry): number {
    return this.#ages.get(entry) ?? 0;
  }
}

/** Where entries of a kind and tag are kept; leaves of different granules cannot differ in anything else. */
function shelfOf(entry: { readonly kind: LeafKind } | Pick<TableEntry, 'kind' | 'granuleLog2'>, tag: Tag): string {
  const owner = tag.asid === undefined ? `global ${tag.aset ?? 'without ASIDs'}` : `ASID ${tag.asid}`;
  return `${entry.kind} ${'granuleLog2' in entry ? entry.granuleLog2 : ''} ${tag.world} ${tag.vmid ?? ''} ${owner}`;
}

/** Where what a lookup matches is kept: its own ASID's entries, and the global ones of its ASET. */
function matching(kind: LeafKind, tag: Tag): readonly string[] {
  const { asid, ...global } = tag;
  return asid === undefined ? [shelfOf({ kind }, tag)] : [shelfOf({ kind }, tag), shelfOf({ kind }, global)];
}
