/**
 * One address through stage 1, stage 2 or both: TLB, walk cache and walks, permissions, and hardware updates of descriptors
 * (IHI 0070, 3.13, 3.17 and 7.3.22).
 */
import type { Memory } from '../memory.ts';
import { permits } from '../pagetable/format.ts';
import type { Demand, Fetched, TableMemory, TableStep } from '../pagetable/format.ts';
import { halfOf, isDevice, vmsav8 } from '../pagetable/vmsav8.ts';
import type { Regime } from '../pagetable/vmsav8.ts';
import type { Stage1, Stage2 } from './configuration.ts';
import { outputBits } from './identity.ts';
import type { Identity } from './identity.ts';
import {
  alignedDown,
  combinedEntry,
  leafTag,
  outputOf,
  stage2Tag,
  stageEntry,
  stageLeaf,
  withoutTagByte,
} from './tlb-entry.ts';
import type { LeafEntry, TableEntry, Tag, TlbEntry } from './tlb-entry.ts';
import type { Tlb } from './tlb.ts';
import type { Fault, FaultClass } from './translation-faults.ts';

/** What walks read, write and keep results in. */
export interface WalkUnit {
  readonly memory: Memory;
  readonly identity: Identity;
  readonly tlb: Tlb;
}

/** The stages that a transaction goes through. The tag is that of lookups: with ASID and ASET. */
export interface Context {
  readonly tag: Tag;
  readonly stage1?: Stage1 | undefined;
  readonly stage2?: Stage2 | undefined;
}

interface Faulted {
  readonly ok: false;
  readonly fault: Fault;
}

/** A leaf, from the TLB or walked, and the table descriptors that a walk went through. */
export interface Found {
  readonly ok: true;
  readonly entry: LeafEntry;
  readonly tables: readonly TableEntry[];
  /** It came from the TLB. */
  readonly cached: boolean;
}

/** A translated address, and everything it was translated with. */
export type Translated = { readonly ok: true; readonly physical: bigint; readonly used: readonly TlbEntry[] } | Faulted;

/** A descriptor in memory is not what the TLB holds: the translation must be made again. */
type Changed = 'changed';

/** The stage-1 walk of a VA, or why there is none. No permission is checked, no final translation is looked up. */
export function walkStage1(unit: WalkUnit, context: Context, stage1: Stage1, address: bigint): Found | Faulted {
  const fault = (name: 'F_TRANSLATION' | 'F_ADDR_SIZE' | 'F_ACCESS'): Faulted => ({
    ok: false,
    fault: { name, stage: 1, class: 'IN' },
  });
  const regime = halfOf(address) === 'upper' ? stage1.upper : stage1.lower;
  if (regime === undefined) return fault('F_TRANSLATION');
  const { granuleLog2 } = regime;
  const { aset: _, ...tag } = context.tag;
  const from = unit.tlb.lookupTable('stage 1 table', tag, address, granuleLog2);
  const walk = vmsav8.walk(regime, address, stage1Memory(unit, context), from?.resume);
  if (!walk.ok) return walk.fault === 'fetch' ? { ok: false, fault: walk.cause } : fault(faultNames[walk.fault]);
  const found = stageLeaf(walk.leaf, address, granuleLog2, unit.tlb.contiguous);
  return {
    ok: true,
    entry: stageEntry(1, leafTag(context.tag, walk.leaf.global), found),
    tables: tablesOf('stage 1 table', tag, address, granuleLog2, from, walk.path),
    cached: false,
  };
}

/** The stage-2 walk of an IPA, or why there is none, for an access of this class. */
export function walkStage2(
  unit: WalkUnit,
  context: Context,
  stage2: Stage2,
  ipa: bigint,
  purpose: FaultClass,
): Found | Faulted {
  const { granuleLog2 } = stage2.regime;
  const tag = stage2Tag(context.tag);
  const from = unit.tlb.lookupTable('stage 2 table', tag, ipa, granuleLog2);
  const walk = vmsav8.walk(stage2.regime, ipa, stage2Memory(unit.memory, purpose), from?.resume);
  if (!walk.ok) {
    const fault: Fault =
      walk.fault === 'fetch' ? walk.cause : { name: faultNames[walk.fault], stage: 2, class: purpose, ipa };
    return { ok: false, fault };
  }
  const found = stageLeaf(walk.leaf, ipa, granuleLog2, unit.tlb.contiguous);
  return {
    ok: true,
    entry: stageEntry(2, tag, found),
    tables: tablesOf('stage 2 table', tag, ipa, granuleLog2, from, walk.path),
    cached: false,
  };
}

/** The leaf of stage 1, or of both stages where the TLB holds that. */
export function findStage1(unit: WalkUnit, context: Context, stage1: Stage1, address: bigint): Found | Faulted {
  const { tlb } = unit;
  const entry =
    (context.stage2 === undefined ? undefined : tlb.lookup('combined', context.tag, address)) ??
    tlb.lookup('stage 1', context.tag, address);
  return entry === undefined
    ? walkStage1(unit, context, stage1, address)
    : { ok: true, entry, tables: [], cached: true };
}

/** The leaf of stage 2. */
export function findStage2(
  unit: WalkUnit,
  context: Context,
  stage2: Stage2,
  ipa: bigint,
  purpose: FaultClass,
): Found | Faulted {
  const entry = unit.tlb.lookup('stage 2', stage2Tag(context.tag), ipa);
  return entry === undefined
    ? walkStage2(unit, context, stage2, ipa, purpose)
    : { ok: true, entry, tables: [], cached: true };
}

/** Makes the leaf of a stage dirty if a write needs that; the TLB's entry follows. */
export function dirtied(
  unit: WalkUnit,
  context: Context,
  stage: 1 | 2,
  entry: LeafEntry,
  purpose: FaultClass = 'IN',
): LeafEntry | Faulted | Changed {
  const found = stage === 1 ? entry.stage1 : entry.stage2;
  const regime = stage === 2 ? context.stage2?.regime : regimeOf(context.stage1, entry.input);
  if (found === undefined || !found.leaf.writableClean) return entry;
  // The half was disabled since (EPDx): a hit is still a hit, but there is nothing to update the descriptor by.
  if (regime === undefined) return entry;
  const memory = stage === 1 ? stage1Memory(unit, context) : stage2Memory(unit.memory, purpose);
  const update = vmsav8.markDirty(regime, found.leaf, memory);
  if (!update.ok) {
    if (update.fault === 'fetch') return { ok: false, fault: update.cause };
    unit.tlb.evict(entry);
    return 'changed';
  }
  const now = { ...found, leaf: update.leaf };
  const updated: LeafEntry = stage === 1 ? { ...entry, stage1: now } : { ...entry, stage2: now };
  if (unit.tlb.has(entry)) unit.tlb.insert(updated);
  return updated;
}

/** Translates what the SMMU itself reads or updates by stage 2: a context descriptor, or a stage-1 descriptor. */
export function translateOwnAccess(
  unit: WalkUnit,
  context: Context,
  stage2: Stage2,
  ipa: bigint,
  purpose: 'CD' | 'TT',
  kind: 'read' | 'write',
): { readonly ok: true; readonly physical: bigint } | Faulted {
  return again(() => {
    const found = findStage2(unit, context, stage2, ipa, purpose);
    if (!found.ok) return found;
    const used = useStage2(unit, { ...context, stage2 }, found.entry, ipa, purpose, { kind, privileged: false });
    if (used === 'changed' || 'ok' in used) return used;
    remember(unit.tlb, { ...found, entry: used }, 'always');
    return { ok: true, physical: outputOf(used, ipa) };
  });
}

/** Translates an address of a transaction, checks permissions, and updates descriptors and the TLB. */
export function translateAddress(unit: WalkUnit, context: Context, input: bigint, demand: Demand): Translated {
  return again(() => {
    const { stage1, stage2 } = context;
    if (stage1 === undefined) {
      // Bypass: the output of stage 1 is its input, and must be an address at all (3.4).
      if (input >> BigInt(outputBits(unit.identity)) !== 0n) {
        return { ok: false, fault: { name: 'F_ADDR_SIZE', stage: 1, class: 'IN' } };
      }
      return stage2 === undefined
        ? { ok: true, physical: input, used: [] }
        : translateIpa(unit, context, stage2, input, demand);
    }
    const address = lookupAddress(stage1, input);
    const first = findStage1(unit, context, stage1, address);
    if (!first.ok) return first;
    const used = useStage1(unit, context, first.entry, demand);
    if (used === 'changed' || 'ok' in used) return used;
    return throughStage2(unit, context, { ...first, entry: used }, address, demand);
  });
}

/** Puts a translation into the TLB if the policy keeps it: `always`, or under `everything` only. */
export function remember(tlb: Tlb, found: Found, keptBy: 'always' | 'everything'): void {
  if (found.cached || tlb.policy === 'chosen') return;
  if (tlb.policy === 'everything') for (const table of found.tables) tlb.insert(table);
  if (tlb.policy === 'everything' || keptBy === 'always') tlb.insert(found.entry);
}

/** The VA as TLB and tables know it: TBI applies, of the half that it lies in, even if walks of that half are disabled. */
export function lookupAddress(stage1: Stage1, address: bigint): bigint {
  return withoutTagByte(address, halfOf(address) === 'upper' ? stage1.cd.TBI1 : stage1.cd.TBI0);
}

const faultNames = {
  translation: 'F_TRANSLATION',
  'address size': 'F_ADDR_SIZE',
  access: 'F_ACCESS',
} as const;

function throughStage2(
  unit: WalkUnit,
  context: Context,
  first: Found,
  address: bigint,
  demand: Demand,
): Translated | Changed {
  const { stage2 } = context;
  if (stage2 === undefined) {
    remember(unit.tlb, first, 'always');
    return { ok: true, physical: outputOf(first.entry, address), used: [...first.tables, first.entry] };
  }
  if (first.entry.stage1 !== undefined && first.entry.stage2 !== undefined) {
    const ipa = outputOf(first.entry.stage1, address);
    const entry = useStage2(unit, context, first.entry, ipa, 'IN', demand);
    if (entry === 'changed' || 'ok' in entry) return entry;
    return { ok: true, physical: outputOf(entry, address), used: [entry] };
  }
  remember(unit.tlb, first, 'everything');
  const ipa = outputOf(first.entry, address);
  const second = findStage2(unit, context, stage2, ipa, 'IN');
  if (!second.ok) return second;
  const entry = useStage2(unit, context, second.entry, ipa, 'IN', demand);
  if (entry === 'changed' || 'ok' in entry) return entry;
  remember(unit.tlb, { ...second, entry }, 'everything');
  const combined = combine(unit.tlb, first.entry, entry, address);
  return {
    ok: true,
    physical: outputOf(entry, ipa),
    used: [...first.tables, first.entry, ...second.tables, entry, ...combined],
  };
}

/** The combination of both stages' entries for an address, put into the TLB if the policy keeps it. */
export function combine(tlb: Tlb, first: LeafEntry, second: LeafEntry, address: bigint): readonly LeafEntry[] {
  if (first.stage1 === undefined || second.stage2 === undefined) return [];
  const entry = combinedEntry(first.tag, first.stage1, second.stage2, address);
  remember(tlb, { ok: true, entry, tables: [], cached: false }, 'always');
  return [entry];
}

/** An IPA that is the input of the transaction. */
function translateIpa(
  unit: WalkUnit,
  context: Context,
  stage2: Stage2,
  ipa: bigint,
  demand: Demand,
): Translated | Changed {
  const found = findStage2(unit, context, stage2, ipa, 'IN');
  if (!found.ok) return found;
  const entry = useStage2(unit, { ...context, stage2 }, found.entry, ipa, 'IN', demand);
  if (entry === 'changed' || 'ok' in entry) return entry;
  remember(unit.tlb, { ...found, entry }, 'always');
  return { ok: true, physical: outputOf(entry, ipa), used: [...found.tables, entry] };
}

function useStage1(unit: WalkUnit, context: Context, entry: LeafEntry, demand: Demand): LeafEntry | Faulted | Changed {
  if (entry.stage1 !== undefined && !permits(entry.stage1.leaf.permissions, demand)) {
    return { ok: false, fault: { name: 'F_PERMISSION', stage: 1, class: 'IN' } };
  }
  return demand.kind === 'write' ? dirtied(unit, context, 1, entry) : entry;
}

function useStage2(
  unit: WalkUnit,
  context: Context,
  entry: LeafEntry,
  ipa: bigint,
  purpose: FaultClass,
  demand: Demand,
): LeafEntry | Faulted | Changed {
  const leaf = entry.stage2?.leaf;
  if (leaf === undefined) return entry;
  const intoDevice = purpose !== 'IN' && context.stage2?.protectedTableWalk === true && isDevice(leaf);
  if (intoDevice || !permits(leaf.permissions, demand)) {
    return {
      ok: false,
      fault: { name: 'F_PERMISSION', stage: 2, class: purpose, ipa, tableRead: demand.kind === 'read' },
    };
  }
  return demand.kind === 'write' ? dirtied(unit, context, 2, entry, purpose) : entry;
}

/** Repeats what met a descriptor that is not as the TLB holds it: the entry is gone, so that the walk finds what is there. */
export function again<T>(attempt: () => T | Changed): T {
  for (let attempts = 0; attempts < 8; attempts++) {
    const result = attempt();
    if (result !== 'changed') return result;
  }
  throw new Error('the descriptors of a walk are updated by the walk itself');
}

function regimeOf(stage1: Stage1 | undefined, address: bigint): Regime | undefined {
  return halfOf(address) === 'upper' ? stage1?.upper : stage1?.lower;
}

/** Stage-1 tables: in physical memory, or above stage 2. */
function stage1Memory(unit: WalkUnit, context: Context): Required<TableMemory<Fault>> {
  const { memory } = unit;
  const physical = (
    address: bigint,
    kind: 'read' | 'write',
  ): { readonly ok: true; readonly physical: bigint } | Faulted => {
    const result =
      context.stage2 === undefined
        ? ({ ok: true, physical: address } as const)
        : translateOwnAccess(unit, context, context.stage2, address, 'TT', kind);
    if (!result.ok || memory.isBacked(result.physical, 8)) return result;
    return { ok: false, fault: { name: 'F_WALK_EABT', stage: 1, class: 'TT', fetchAddress: result.physical } };
  };
  return {
    fetch: (address) => {
      const at = physical(address, 'read');
      return at.ok ? { ok: true, word: memory.readWord(at.physical) } : at;
    },
    update: (address, expected, desired) => {
      const at = physical(address, 'write');
      return at.ok ? { ok: true, word: exchange(memory, at.physical, expected, desired) } : at;
    },
  };
}

/** Stage-2 tables, walked for an access of a class. */
function stage2Memory(memory: Memory, purpose: FaultClass): Required<TableMemory<Fault>> {
  const at = (address: bigint, access: () => bigint): Fetched<Fault> =>
    memory.isBacked(address, 8)
      ? { ok: true, word: access() }
      : { ok: false, fault: { name: 'F_WALK_EABT', stage: 2, class: purpose, fetchAddress: address } };
  return {
    fetch: (address) => at(address, () => memory.readWord(address)),
    update: (address, expected, desired) => at(address, () => exchange(memory, address, expected, desired)),
  };
}

/** Writes a word if it is still what is expected; what was found. */
function exchange(memory: Memory, address: bigint, expected: bigint, desired: bigint): bigint {
  const found = memory.readWord(address);
  if (found === expected) memory.writeWord(address, desired);
  return found;
}

/** The table descriptors of a walk as the walk cache would keep them; first the one that it went on from. */
function tablesOf(
  kind: TableEntry['kind'],
  tag: Tag,
  address: bigint,
  granuleLog2: number,
  from: TableEntry | undefined,
  path: readonly TableStep[],
): readonly TableEntry[] {
  const tables: TableEntry[] = from === undefined ? [] : [from];
  for (const { level, below } of path) {
    if (below !== undefined) {
      const { coversLog2, ...resume } = below;
      const input = alignedDown(address, coversLog2);
      tables.push({ kind, tag, input, sizeLog2: coversLog2, granuleLog2, level, resume });
    }
  }
  return tables;
}
