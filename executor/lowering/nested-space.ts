/**
 * A guest for lowerings: stage-1 tables of its own in guest memory, stage-2 tables of the host, the Stream table entry and context
 * descriptor that point at them, and what the SMMU keeps of single pages: walks in flight, IPA entries, combined entries.
 *
 * The guest's tables lie in guest memory that the host maps one to one and never takes away, and a page below the others stays
 * mapped in both stages: tables that move are told elsewhere.
 */
import { bits, mask } from '../bits.ts';
import { stage1Domain, stage2Domain } from '../host/domain.ts';
import { dropRanges } from '../host/invalidation.ts';
import type { PageTables } from '../pagetable/software.ts';
import { type TableFrames, tableFrames } from '../pagetable/table-frames.ts';
import type { Owner, Requester } from '../pcie/messages.ts';
import type { CommandToEncode } from '../smmuv3/commands.ts';
import type { Ste } from '../smmuv3/stream-table-entry.ts';
import { isLeafEntry, type LeafEntry, type LeafKind } from '../smmuv3/tlb-entry.ts';
import type { WalkInFlight } from '../smmuv3/walks.ts';
import { pageSize } from './address-space.ts';
import { memberOf } from './lowering.ts';
import type { Platform } from './platform.ts';

/** A page of a process of the guest: its virtual address and the intermediate physical one that stage 1 gives. */
export interface NestedPage {
  readonly iova: bigint;
  readonly ipa: bigint;
}

/** Where guest memory for tables is, at stage 1 and at stage 2: a block of level 2 for each guest. */
const guestMemory = 0x7000_0000n;
const blockSize = 0x20_0000n;
const asid = 1;

/** A guest, its VMID, and its pages. */
export class GuestSpace {
  readonly owner: Owner;
  readonly vmid: number;
  readonly asid = asid;
  readonly pages: readonly NestedPage[];
  /** Guest memory for tables, queues and other structures. */
  readonly frames: TableFrames;
  readonly #platform: Platform;
  readonly #stage1: PageTables;
  readonly #stage2: PageTables;
  readonly #streamTableEntry: Partial<Ste>;
  /** The latest walk of each page, by stage. */
  readonly #walks = { 1: new Map<NestedPage, WalkInFlight>(), 2: new Map<NestedPage, WalkInFlight>() };

  /** `number`: from 0. `pages` lie next to each other at both stages; `spare` backs the page below them. Nothing else is mapped. */
  constructor(
    platform: Platform,
    options: { readonly number: number; readonly pages: readonly NestedPage[]; readonly spare: bigint },
  ) {
    const { number, pages, spare } = options;
    const { memory, frames, smmu } = platform;
    this.#platform = platform;
    this.owner = `guest${number}`;
    this.vmid = number + 1;
    this.pages = pages;
    const base = guestMemory + BigInt(number) * blockSize;
    const own = tableFrames(memory, { base, size: blockSize }, this.owner);
    this.frames = own;
    const second = stage2Domain(memory, frames, smmu.identity, this.vmid, { nested: true });
    const first = stage1Domain(memory, own, smmu.identity, asid);
    this.#stage1 = first.tables;
    this.#stage2 = second.tables;
    this.#stage2.map(base, base, blockSize, { write: true });
    const { iova, ipa } = memberOf(pages, 0);
    this.#stage2.map(ipa - pageSize, spare, pageSize, { write: true });
    this.#stage1.map(iova - pageSize, ipa - pageSize, pageSize, { write: true });
    memory.give(spare, Number(pageSize), this.owner);
    const cd = own.allocate(64);
    platform.writeCd(cd, first.cd);
    this.#streamTableEntry = {
      V: true,
      Config: 0b111,
      S1ContextPtr: cd,
      S1CIR: 1,
      S1COR: 1,
      S1CSH: 3,
      SHCFG: 1,
      ...second.ste,
    };
  }

  /** The Stream table entry by which a stream goes through both stages; with `ats` its Translation Requests are answered. */
  streamTableEntry(ats: boolean): Partial<Ste> {
    return { ...this.#streamTableEntry, EATS: ats ? 0b01 : 0 };
  }

  // Tables in memory.

  /** Whether stage 1 maps the page. */
  pte({ iova }: NestedPage): boolean {
    return this.#stage1.lookup(iova) !== undefined;
  }

  /** The guest writes the PTE. */
  setPte(page: NestedPage, valid: boolean): void {
    if (this.pte(page) === valid) return;
    if (valid) this.#stage1.map(page.iova, page.ipa, pageSize, { write: true });
    else this.#stage1.unmap(page.iova, pageSize);
  }

  /** The frame to which stage 2 maps the page. */
  stage2({ ipa }: NestedPage): bigint | undefined {
    return this.#stage2.lookup(ipa)?.output;
  }

  /** The host writes the stage-2 entry: one that is valid is replaced in one write. */
  setStage2(page: NestedPage, frame: bigint | undefined): void {
    const now = this.stage2(page);
    if (now === frame) return;
    if (frame === undefined) this.#stage2.unmap(page.ipa, pageSize);
    else if (now === undefined) this.#stage2.map(page.ipa, frame, pageSize, { write: true });
    else {
      const { address, word } = memberOf(this.#stage2.path(page.ipa), this.#stage2.path(page.ipa).length - 1);
      const output = mask(48) & ~mask(12);
      this.#platform.memory.writeWord(address, (word & ~output) | (bits(frame, 47, 12) << 12n));
    }
  }

  /** The descriptors of both stages in memory, whatever they say. */
  descriptors({ iova, ipa }: NestedPage): { readonly pte: bigint; readonly stage2: bigint } {
    return { pte: this.#stage1.path(iova).at(-1)?.word ?? 0n, stage2: this.#stage2.path(ipa).at(-1)?.word ?? 0n };
  }

  // What the SMMU has.

  /** The IPA entry of a page. */
  ipaEntry({ ipa }: NestedPage): LeafEntry | undefined {
    return this.#entry('stage 2', ipa);
  }

  /** The combined entry of a page. */
  combined({ iova }: NestedPage): LeafEntry | undefined {
    return this.#entry('combined', iova);
  }

  /** The walk of a stage that is in flight: it has fetched the entry, and may be inserted. */
  walk(stage: 1 | 2, page: NestedPage): WalkInFlight | undefined {
    const walk = this.#walks[stage].get(page);
    return walk !== undefined && this.#platform.smmu.walks.walks.includes(walk) ? walk : undefined;
  }

  /** The SMMU walks one stage for a requester; an older walk of it is given up. Returns whether it could. */
  fetch(stage: 1 | 2, page: NestedPage, requester: Requester): boolean {
    const { walks } = this.#platform.smmu;
    const begun = walks.begin(stage, requester, stage === 1 ? page.iova : page.ipa);
    if (!begun.ok) return false;
    const old = this.walk(stage, page);
    if (old !== undefined) walks.discard(old);
    this.#walks[stage].set(page, begun.walk);
    return true;
  }

  /** Puts the stage-2 entry that a walk has fetched into the TLB. Returns whether there was one. */
  insertIpa(page: NestedPage): boolean {
    const walk = this.walk(2, page);
    if (walk !== undefined) this.#platform.smmu.walks.insert(walk);
    return walk !== undefined;
  }

  /**
   * Combines the stage-1 entry that a walk has fetched with the IPA entry; the TLB keeps no entry of stage 1 alone. Returns whether
   * both were there.
   */
  combine(page: NestedPage): boolean {
    const { walks, tlb } = this.#platform.smmu;
    const walk = this.walk(1, page);
    const second = this.ipaEntry(page);
    if (walk === undefined || second === undefined) return false;
    const first = walks.insert(walk);
    walks.combine(first, second, page.iova);
    tlb.evict(first);
    return true;
  }

  /** Drops an entry, as the SMMU may at any time. Returns whether it was there. */
  evict(entry: LeafEntry | undefined): boolean {
    return entry !== undefined && this.#platform.smmu.tlb.evict(entry);
  }

  /** Does something for which the SMMU walks stage 2 and does not look for the IPA entry, as it may. */
  withoutIpaEntry<T>(page: NestedPage, work: () => T): T {
    const entry = this.ipaEntry(page);
    this.evict(entry);
    try {
      return work();
    } finally {
      if (entry !== undefined) this.#platform.smmu.tlb.insert(entry);
    }
  }

  #entry(kind: LeafKind, input: bigint): LeafEntry | undefined {
    return this.#platform.smmu.tlb.entries
      .filter(isLeafEntry)
      .find((entry) => entry.kind === kind && entry.input === input && entry.tag.vmid === this.vmid);
  }

  // Commands.

  /** TLBI_NH_VA for a page, as a driver issues it; a guest writes no VMID. */
  tlbiOfVa({ iova }: NestedPage, vmid: number): CommandToEncode {
    return this.#tlbi({ stage: 1, vmid, asid, granuleLog2: 12 }, iova);
  }

  /** TLBI_S2_IPA for a page, as a driver issues it. */
  tlbiOfIpa({ ipa }: NestedPage): CommandToEncode {
    return this.#tlbi({ stage: 2, vmid: this.vmid, granuleLog2: 12, nested: false }, ipa);
  }

  #tlbi(tags: Parameters<typeof dropRanges>[0], input: bigint): CommandToEncode {
    const range = { input, length: pageSize, sizeLog2: 12, leaf: true };
    return memberOf(dropRanges(tags, [range], this.#platform.smmu.identity.RIL), 0);
  }
}
