/**
 * What a CMD_TLBI_* must drop, no more: regime, VMID, ASID, range, granule, level and Leaf (IHI 0070, 4.4).
 */
import { match } from 'ts-pattern';
import { mask } from '../bits.ts';
import type { Command } from './commands.ts';
import type { StreamWorld } from './stream-table-entry.ts';
import { isLeafEntry } from './tlb-entry.ts';
import type { TlbEntry } from './tlb-entry.ts';

/** What entries a command must drop. A condition that is not there does not hold anything back. */
export interface Scope {
  readonly stages: 'stage 1' | 'stage 2' | 'both';
  readonly worlds: readonly StreamWorld[];
  readonly vmid?: number;
  /** Entries with this ASID; `global`: and those of no ASID. */
  readonly asid?: { readonly value: number; readonly global: boolean };
  readonly range?: AddressScope;
}

/** Which addresses, and of them which descriptors. */
export interface AddressScope {
  readonly first: bigint;
  /** The first address after. */
  readonly end: bigint;
  /** Only last-level entries need go. */
  readonly leaf: boolean;
  /** TG: only entries of this granule need go. */
  readonly granuleLog2?: number;
  /** TTL: only leaves of this level need go, and tables above it. */
  readonly level?: number;
}

type RangeCommand = Extract<Command, { readonly tg: number }>;

/** IDR3.RIL and CR2.E2H, which a command's meaning depends on. */
export interface InvalidationView {
  /** IDR3.RIL; without it NUM, SCALE, TTL and TG are RES0. */
  readonly rangeInvalidation: boolean;
  /** CR2.E2H. */
  readonly e2h: boolean;
}

const el1: readonly StreamWorld[] = ['NS-EL1'];

/** The scope of a command; `undefined` of one that drops no translations. */
export function scopeOf(command: Command, view: InvalidationView): Scope | undefined {
  // By address, only entries of the regime that CR2.E2H selects are affected (4.4.2.8, 4.4.2.9).
  const el2: readonly StreamWorld[] = [view.e2h ? 'EL2-E2H' : 'EL2'];
  const tagged = (value: number, global: boolean): Pick<Scope, 'asid'> => ({ asid: { value, global } });
  return match<Command, Scope | undefined>(command)
    .with({ op: 'TLBI_NH_ALL' }, ({ vmid }) => ({ stages: 'stage 1', worlds: el1, vmid }))
    .with({ op: 'TLBI_NH_ASID' }, ({ vmid, asid }) => ({
      stages: 'stage 1',
      worlds: el1,
      vmid,
      ...tagged(asid, false),
    }))
    .with({ op: 'TLBI_NH_VA' }, (by) =>
      byAddress({ stages: 'stage 1', worlds: el1, vmid: by.vmid, ...tagged(by.asid, true) }, by, view),
    )
    .with({ op: 'TLBI_NH_VAA' }, (by) => byAddress({ stages: 'stage 1', worlds: el1, vmid: by.vmid }, by, view))
    .with({ op: 'TLBI_EL2_ALL' }, () => ({ stages: 'stage 1', worlds: ['EL2', 'EL2-E2H'] }))
    .with({ op: 'TLBI_EL2_ASID' }, ({ asid }) => ({
      stages: 'stage 1',
      worlds: ['EL2-E2H'],
      ...tagged(asid, false),
    }))
    .with({ op: 'TLBI_EL2_VA' }, (by) =>
      byAddress({ stages: 'stage 1', worlds: el2, ...(view.e2h ? tagged(by.asid, true) : {}) }, by, view),
    )
    .with({ op: 'TLBI_EL2_VAA' }, (by) => byAddress({ stages: 'stage 1', worlds: el2 }, by, view))
    .with({ op: 'TLBI_S2_IPA' }, (by) => byAddress({ stages: 'stage 2', worlds: el1, vmid: by.vmid }, by, view))
    .with({ op: 'TLBI_S12_VMALL' }, ({ vmid }) => ({ stages: 'both', worlds: el1, vmid }))
    .with({ op: 'TLBI_NSNH_ALL' }, () => ({ stages: 'both', worlds: el1 }))
    .otherwise(() => undefined);
}

/** Whether an entry is in the scope of a command. */
export function inScope(scope: Scope, entry: TlbEntry): boolean {
  const { tag } = entry;
  const stage = entry.kind === 'stage 2' || entry.kind === 'stage 2 table' ? 'stage 2' : 'stage 1';
  if (scope.stages !== 'both' && scope.stages !== stage) return false;
  if (!scope.worlds.includes(tag.world)) return false;
  // Entries have no VMID where stage 2 is not implemented: then it is not matched (4.4.2).
  if (scope.vmid !== undefined && tag.vmid !== undefined && tag.vmid !== scope.vmid) return false;
  if (scope.asid !== undefined) {
    if (tag.asid === undefined ? !scope.asid.global : tag.asid !== scope.asid.value) return false;
  }
  return scope.range === undefined || inRange(scope.range, entry);
}

/**
 * An entry is named by the descriptor of the command's stage that it was made of: a part of a stage-1 block that stage 2
 * broke up goes with any address of the block.
 */
function inRange(range: AddressScope, entry: TlbEntry): boolean {
  const named = isLeafEntry(entry) ? (entry.stage1 ?? entry.stage2) : entry;
  if (named === undefined) return false;
  if (named.input >= range.end || named.input + (1n << BigInt(named.sizeLog2)) <= range.first) return false;
  if (range.granuleLog2 !== undefined && range.granuleLog2 !== named.granuleLog2) return false;
  if ('leaf' in named) return range.level === undefined || range.level === named.leaf.level;
  // Table descriptors go at the levels between the start of the walk and the one before the leaf's (4.4.1.1).
  return !range.leaf && (range.level === undefined || named.level < range.level);
}

function byAddress(scope: Scope, command: RangeCommand, view: InvalidationView): Scope | undefined {
  const { address, leaf } = command;
  if (!view.rangeInvalidation || command.tg === 0) {
    // A single address: the bits below an entry's size do not count.
    return { ...scope, range: { first: address, end: address + 1n, leaf } };
  }
  const granuleLog2 = 10 + 2 * command.tg;
  // Level 1 of the 16 KiB granule has no blocks without 52-bit descriptors: reserved, treated as no hint.
  const level = command.ttl === 0 || (command.ttl === 1 && granuleLog2 === 14) ? undefined : command.ttl;
  const aligned = level === undefined ? granuleLog2 : granuleLog2 + (granuleLog2 - 3) * (3 - level);
  // The range is UNPREDICTABLE: nothing is certain to go.
  if ((address & mask(aligned)) !== 0n) return undefined;
  const length = BigInt(command.num + 1) << BigInt(command.scale + granuleLog2);
  return {
    ...scope,
    range: { first: address, end: address + length, leaf, granuleLog2, ...(level === undefined ? {} : { level }) },
  };
}
