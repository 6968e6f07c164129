/**
 * An address space for lowerings: VMSAv8-64 tables in memory with single pages that software maps, protects and unmaps, the
 * context descriptor that points at them, and what the SMMU keeps of them under its ASID.
 */
import { dropRanges, type TlbTags } from '../host/invalidation.ts';
import type { Access } from '../memory.ts';
import type { Permissions } from '../pagetable/format.ts';
import { PageTables } from '../pagetable/software.ts';
import { stage1Regime } from '../pagetable/vmsav8.ts';
import type { Owner, Requester } from '../pcie/messages.ts';
import type { Command, CommandToEncode } from '../smmuv3/commands.ts';
import type { Cd } from '../smmuv3/context-descriptor.ts';
import { outputBits } from '../smmuv3/identity.ts';
import type { Ste } from '../smmuv3/stream-table-entry.ts';
import { isLeafEntry, type LeafEntry } from '../smmuv3/tlb-entry.ts';
import type { WalkInFlight } from '../smmuv3/walks.ts';
import type { Platform } from './platform.ts';

/** What a translation grants to unprivileged accesses, which those of devices are. */
export type Grant = 'none' | 'read-only' | 'read-write';

/** A page of the space: its address there, and the frame that is its own. */
export interface SpacePage {
  readonly iova: bigint;
  readonly frame: bigint;
}

/** Bytes of a page. */
export const pageSize = 0x1000n;

const granuleLog2 = 12;
/** 48-bit addresses, so that tables have four levels. */
const sizeOffset = 16;
const vmid = 0;

/** An address space under an ASID. */
export class AddressSpace {
  readonly owner: Owner;
  readonly asid: number;
  readonly pages: readonly SpacePage[];
  readonly #platform: Platform;
  readonly #tables: PageTables;
  readonly #cd: bigint;
  /** The walk of each page that may still be inserted: the latest. */
  readonly #walks = new Map<SpacePage, WalkInFlight>();

  /** Nothing is mapped but a page below the others, which keeps the tables: walk caches are told elsewhere. */
  constructor(platform: Platform, options: { owner: Owner; asid: number; pages: readonly SpacePage[]; spare: bigint }) {
    this.owner = options.owner;
    this.asid = options.asid;
    this.pages = options.pages;
    this.#platform = platform;
    const physicalBits = outputBits(platform.smmu.identity);
    const made = stage1Regime({ granuleLog2, sizeOffset, base: 0n, outputBits: physicalBits, physicalBits });
    if (!made.ok) throw new Error(`no such regime: ${made.illegal}`);
    this.#tables = new PageTables(platform.memory, made.regime, platform.frames);
    const first = options.pages[0]?.iova ?? pageSize;
    this.#tables.map(first - pageSize, options.spare, pageSize, { write: true });
    platform.memory.give(options.spare, Number(pageSize), options.owner);
    this.#cd = platform.frames.allocate(64);
    platform.writeCd(this.#cd, this.contextDescriptor);
  }

  /** The context descriptor, as drivers write it. */
  get contextDescriptor(): Partial<Cd> {
    return {
      V: true,
      AA64: true,
      A: true,
      R: true,
      ASET: true,
      EPD1: true,
      T0SZ: sizeOffset,
      TG0: 0,
      IPS: 5,
      IR0: 1,
      OR0: 1,
      SH0: 3,
      ASID: this.asid,
      TTB0: this.#tables.base,
      MAIR0: 0xf404ff44,
    };
  }

  /** The Stream table entry by which a stream translates with the space; with `ats` its Translation Requests are answered. */
  streamTableEntry(ats: boolean): Partial<Ste> {
    return {
      V: true,
      Config: 0b101,
      S1ContextPtr: this.#cd,
      S1CIR: 1,
      S1COR: 1,
      S1CSH: 3,
      EATS: ats ? 0b01 : 0,
      SHCFG: 1,
    };
  }

  /** The page that an address lies in. */
  pageAt(iova: bigint): SpacePage | undefined {
    return this.pages.find((page) => iova >= page.iova && iova < page.iova + pageSize);
  }

  /** The page whose frame a physical address lies in. */
  pageOfFrame(physical: bigint): SpacePage | undefined {
    return this.pages.find(({ frame }) => physical >= frame && physical < frame + pageSize);
  }

  /** What the PTE in memory grants. */
  pte({ iova }: SpacePage): Grant {
    const leaf = this.#tables.lookup(iova);
    return leaf === undefined ? 'none' : grantOf(leaf.permissions);
  }

  /** The descriptor in memory, whatever it says. */
  descriptor({ iova }: SpacePage): { readonly address: bigint; readonly word: bigint } {
    const last = this.#tables.path(iova).at(-1);
    return { address: last?.address ?? 0n, word: last?.word ?? 0n };
  }

  /** Writes the PTE in memory; nothing is invalidated. */
  setPte(page: SpacePage, to: Grant): void {
    const now = this.pte(page);
    if (now === to) return;
    if (to === 'none') this.#tables.unmap(page.iova, pageSize);
    else if (now === 'none') this.#tables.map(page.iova, page.frame, pageSize, { write: to === 'read-write' });
    else this.#tables.protect(page.iova, pageSize, { write: to === 'read-write' });
  }

  /** Gives the frame of a page to another owner, zeroed as an operating system does; `undefined`: it is free. */
  give({ frame }: SpacePage, owner: Owner | undefined): void {
    const { memory } = this.#platform;
    if (owner !== undefined) memory.write(frame, new Uint8Array(Number(pageSize)));
    memory.give(frame, Number(pageSize), owner);
  }

  // TLB and walks.

  /** The TLB entry of a page. */
  tlb({ iova }: SpacePage): LeafEntry | undefined {
    return this.#platform.smmu.tlb.entries
      .filter(isLeafEntry)
      .find((entry) => entry.input === iova && entry.tag.asid === this.asid);
  }

  /** The walk of a page that is in flight: it has fetched the PTE, and may be inserted. */
  walk(page: SpacePage): WalkInFlight | undefined {
    const walk = this.#walks.get(page);
    return walk !== undefined && this.#platform.smmu.walks.walks.includes(walk) ? walk : undefined;
  }

  /** The SMMU walks the tables for one of the requesters; an older walk of the page is given up. Returns whether it could. */
  beginWalk(page: SpacePage, requesters: readonly Requester[]): boolean {
    const { walks } = this.#platform.smmu;
    for (const requester of requesters) {
      const begun = walks.begin(1, requester, page.iova);
      if (!begun.ok) continue;
      const old = this.walk(page);
      if (old !== undefined) walks.discard(old);
      this.#walks.set(page, begun.walk);
      return true;
    }
    return false;
  }

  /** Puts the walk of a page into the TLB. Returns whether there was one. */
  insertWalk(page: SpacePage): boolean {
    const walk = this.walk(page);
    if (walk === undefined) return false;
    this.#platform.smmu.walks.insert(walk);
    return true;
  }

  /** Drops the TLB entry of a page, as the SMMU may at any time. Returns whether there was one. */
  evict(page: SpacePage): boolean {
    const entry = this.tlb(page);
    return entry !== undefined && this.#platform.smmu.tlb.evict(entry);
  }

  /**
   * Does something for which the SMMU uses the walk of a page that is in flight, and not its TLB, as it may: for the time of it,
   * what the walk has fetched stands in the TLB's place.
   */
  throughWalk<T>(walk: WalkInFlight, work: () => T): T {
    const { tlb } = this.#platform.smmu;
    const page = this.pageAt(walk.address);
    const cached = page === undefined ? undefined : this.tlb(page);
    if (cached !== undefined) tlb.evict(cached);
    tlb.insert(walk.entry);
    try {
      return work();
    } finally {
      tlb.evict(walk.entry);
      if (cached !== undefined) tlb.insert(cached);
    }
  }

  // Commands.

  /** How its TLB entries are tagged. */
  get tags(): TlbTags {
    return { stage: 1, vmid, asid: this.asid, granuleLog2 };
  }

  /** The TLBI commands for a page, as a driver issues them. */
  tlbiOf({ iova }: SpacePage): readonly CommandToEncode[] {
    const range = { input: iova, length: pageSize, sizeLog2: granuleLog2, leaf: true };
    return dropRanges(this.tags, [range], this.#platform.smmu.identity.RIL);
  }

  /** Whether a TLBI command is for this space, or a page of it. */
  isNamedBy(command: Command): boolean {
    return (command.op === 'TLBI_NH_VA' || command.op === 'TLBI_NH_ASID') && command.asid === this.asid;
  }

  /** The page that a TLBI command is for, if it is one of this space. */
  pageOfTlbi(command: Command): SpacePage | undefined {
    return command.op === 'TLBI_NH_VA' && command.asid === this.asid ? this.pageAt(command.address) : undefined;
  }
}

/** What a TLB entry or a walk grants. */
export function grantOfEntry(entry: LeafEntry | undefined): Grant {
  const leaf = entry?.stage1?.leaf;
  return leaf === undefined ? 'none' : grantOf(leaf.permissions);
}

/** What permissions grant to unprivileged data accesses. */
function grantOf({ unprivileged: { read, write } }: Permissions): Grant {
  if (!read) return 'none';
  return write ? 'read-write' : 'read-only';
}

/** Whether one grants more than another. */
export function exceeds(granted: Grant, limit: Grant): boolean {
  const rank = { none: 0, 'read-only': 1, 'read-write': 2 } as const;
  return rank[granted] > rank[limit];
}

/** Whether an access wrote or read the frame of a page. */
export function isIn({ frame }: SpacePage, access: Access): boolean {
  return access.address >= frame && access.address < frame + pageSize;
}
