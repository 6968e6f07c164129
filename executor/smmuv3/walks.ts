/**
 * Walks in flight: table walks that have fetched their descriptors, and whose result is not in the TLB yet. The caller decides
 * when it gets there; an invalidation that covers what was fetched discards the walk (3.21.1).
 */
import type { Requester } from '../pcie/messages.ts';
import type { Command } from './commands.ts';
import type { EventRecord } from './events.ts';
import { combinedEntry } from './tlb-entry.ts';
import type { LeafEntry, TableEntry } from './tlb-entry.ts';
import { configurationFor, contextOf } from './translation.ts';
import type { TranslationUnit } from './translation.ts';
import type { Fault } from './translation-faults.ts';
import { lookupAddress, walkStage1, walkStage2 } from './translation-stages.ts';

/** A walk of one stage. */
export interface WalkInFlight {
  readonly stage: 1 | 2;
  readonly requester: Requester;
  /** The VA, or of stage 2 the IPA. */
  readonly address: bigint;
  /** What it will insert. */
  readonly entry: LeafEntry;
  /** The table descriptors that it went through, from the start level (or the walk-cache entry it went on from) down. */
  readonly tables: readonly TableEntry[];
}

/**
 * A walk, or why there is none: the configuration is wrong or does not have the stage, or a stage faulted. Nothing of that is
 * recorded: no transaction asked.
 */
export type WalkBegun =
  | { readonly ok: true; readonly walk: WalkInFlight }
  | { readonly ok: false; readonly reason: 'not translated' }
  | { readonly ok: false; readonly reason: 'configuration'; readonly event: EventRecord }
  | { readonly ok: false; readonly reason: 'fault'; readonly fault: Fault };

export class WalksInFlight {
  readonly #unit: TranslationUnit;
  readonly #walks = new Set<WalkInFlight>();

  constructor(unit: TranslationUnit) {
    this.#unit = unit;
  }

  /** Walks that can still be inserted, oldest first. */
  get walks(): readonly WalkInFlight[] {
    return [...this.#walks];
  }

  /**
   * Walks the tables of one stage now, in memory as it is, and keeps the result: the TLB's final translations are not used,
   * its table descriptors are. A stage-1 walk of a nested stream has its descriptors translated by stage 2.
   */
  begin(stage: 1 | 2, requester: Requester, address: bigint): WalkBegun {
    const none = { ok: false, reason: 'not translated' } as const;
    if (!this.#unit.registers.enabled) return none;
    const found = configurationFor(this.#unit, requester);
    if (!found.ok) {
      if (found.reason === 'configuration') return { ok: false, reason: 'configuration', event: found.event };
      return found.reason === 'stage 2' ? { ok: false, reason: 'fault', fault: found.fault } : none;
    }
    if (found.configuration.kind !== 'translate') return none;
    const context = contextOf(found.configuration);
    const { stage1, stage2 } = context;
    let result;
    if (stage === 1) {
      if (stage1 === undefined) return none;
      result = walkStage1(this.#unit, context, stage1, lookupAddress(stage1, address));
    } else {
      if (stage2 === undefined) return none;
      result = walkStage2(this.#unit, context, stage2, address, 'IN');
    }
    if (!result.ok) return { ok: false, reason: 'fault', fault: result.fault };
    const walk: WalkInFlight = { stage, requester, address, entry: result.entry, tables: result.tables };
    this.#walks.add(walk);
    return { ok: true, walk };
  }

  /**
   * Puts the result into the TLB. Throws if the walk is not in flight, for example since an invalidation discarded it, or if
   * SMMUEN is 0 by now: nothing is inserted then.
   */
  insert(walk: WalkInFlight): LeafEntry {
    this.#check(walk);
    this.#walks.delete(walk);
    this.#unit.tlb.insert(walk.entry);
    return walk.entry;
  }

  /** Puts the table descriptors of the walk into the TLB (the walk cache); the walk stays in flight. Throws as `insert`. */
  insertTables(walk: WalkInFlight): readonly TableEntry[] {
    this.#check(walk);
    for (const table of walk.tables) if (!this.#unit.tlb.has(table)) this.#unit.tlb.insert(table);
    return walk.tables;
  }

  /**
   * Inserts the combination of a stage-1 and a stage-2 entry for an address. Throws if one of them is not in the TLB, is of
   * another kind or of another VMID, or does not translate the address.
   */
  combine(stage1: LeafEntry, stage2: LeafEntry, address: bigint): LeafEntry {
    const { tlb, registers } = this.#unit;
    if (!registers.enabled) throw new Error('nothing is inserted into the TLB with SMMUEN = 0');
    if (!tlb.has(stage1) || !tlb.has(stage2)) throw new Error('an entry to combine is not in the TLB');
    const [first, second] = [stage1.stage1, stage2.stage2];
    if (stage1.kind !== 'stage 1' || stage2.kind !== 'stage 2' || first === undefined || second === undefined) {
      throw new Error(`entries of ${stage1.kind} and ${stage2.kind} do not combine`);
    }
    if (stage1.tag.vmid !== stage2.tag.vmid || stage1.tag.world !== stage2.tag.world) {
      throw new Error(`entries of VMIDs ${stage1.tag.vmid} and ${stage2.tag.vmid} do not combine`);
    }
    const entry = combinedEntry(stage1.tag, first, second, address);
    tlb.insert(entry);
    return entry;
  }

  /** Gives a walk up. Returns whether it was in flight. */
  discard(walk: WalkInFlight): boolean {
    return this.#walks.delete(walk);
  }

  /** Discards the walks that a TLBI command covers by anything that they fetched, and returns them. */
  invalidate(command: Command): readonly WalkInFlight[] {
    const { tlb } = this.#unit;
    const discarded = this.walks.filter((walk) =>
      [walk.entry, ...walk.tables].some((entry) => tlb.covers(command, entry)),
    );
    for (const walk of discarded) this.#walks.delete(walk);
    return discarded;
  }

  #check(walk: WalkInFlight): void {
    if (!this.#walks.has(walk)) throw new Error(`the walk of 0x${walk.address.toString(16)} is not in flight any more`);
    if (!this.#unit.registers.enabled) throw new Error('nothing is inserted into the TLB with SMMUEN = 0');
  }
}
