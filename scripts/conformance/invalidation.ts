/**
 * Which TLB entries QEMU drops for an invalidation by address: everything in the range, of any granule and level, except where
 * it finds at once the one entry that TG and TTL name (`smmu_iotlb_inv_iova` and `smmuv3_range_inval`). And which must go by
 * the specification (IHI 0070, 4.4), told anew here: the machine is left to drop those itself.
 */
import { alignedDown, isLeafEntry, type LeafEntry, type TlbEntry } from '../../executor/smmuv3/tlb-entry.ts';
import type { Command } from '../../executor/smmuv3/commands.ts';

/** A TLBI that names addresses, of EL1. */
export type ByAddress = Extract<Command, { readonly op: 'TLBI_NH_VA' | 'TLBI_NH_VAA' | 'TLBI_S2_IPA' }>;

/** The entries, of those in the TLB, that QEMU drops for this command. */
export function droppedByQemu(command: ByAddress, entries: readonly TlbEntry[]): readonly LeafEntry[] {
  const candidates = entries.filter(isLeafEntry).filter((entry) => isTagged(entry, command));
  const dropped = new Set<LeafEntry>();
  for (const range of rangesOf(command)) {
    const here = candidates.filter((entry) => !dropped.has(entry) && overlaps(entry, range));
    const named =
      command.op !== 'TLBI_NH_VAA' && range.pages === 1n
        ? here.find((entry) => isNamed(entry, command, range.start))
        : undefined;
    for (const entry of named === undefined ? here : [named]) dropped.add(entry);
  }
  return [...dropped];
}

/** Whether an entry must go: its descriptor is in the range, and of the granule and level that the command hints at. */
export function mustGo(entry: LeafEntry, command: ByAddress): boolean {
  const isStage2 = command.op === 'TLBI_S2_IPA';
  const descriptor = isStage2 ? entry.stage2 : entry.stage1;
  if (descriptor === undefined || (entry.kind === 'stage 2') !== isStage2 || !isTagged(entry, command)) return false;
  const { tg, ttl, num, scale, address } = command;
  const granuleLog2 = 10 + 2 * tg;
  const isHinted = tg === 0 || (descriptor.granuleLog2 === granuleLog2 && (ttl === 0 || ttl === descriptor.leaf.level));
  const length = tg === 0 ? 1n : BigInt((num + 1) * 2 ** scale) << BigInt(granuleLog2);
  return isHinted && overlaps(descriptor, { start: address, size: length, pages: 1n });
}

/** Whether a command names addresses. */
export function isByAddress(command: Command): command is ByAddress {
  return command.op === 'TLBI_NH_VA' || command.op === 'TLBI_NH_VAA' || command.op === 'TLBI_S2_IPA';
}

interface Range {
  readonly start: bigint;
  readonly size: bigint;
  readonly pages: bigint;
}

function isTagged({ kind, tag }: LeafEntry, command: ByAddress): boolean {
  // TLBI_NH_VAA takes entries with any ASID, and those of stage 2 that have none.
  if (command.op !== 'TLBI_NH_VAA' && (kind === 'stage 2') !== (command.op === 'TLBI_S2_IPA')) return false;
  if (tag.vmid !== undefined && tag.vmid !== command.vmid) return false;
  return command.op !== 'TLBI_NH_VA' || tag.asid === command.asid;
}

function overlaps(entry: Pick<LeafEntry, 'input' | 'sizeLog2'>, { start, size }: Range): boolean {
  return entry.input < start + size && start < entry.input + (1n << BigInt(entry.sizeLog2));
}

function isNamed(entry: LeafEntry, { tg, ttl }: ByAddress, start: bigint): boolean {
  const granuleLog2 = 10 + 2 * tg;
  const sizeLog2 = granuleLog2 + (granuleLog2 - 3) * (3 - ttl);
  return tg !== 0 && ttl !== 0 && entry.sizeLog2 === sizeLog2 && entry.input === alignedDown(start, sizeLog2);
}

/** Ranges are done in pieces of a power of two, each aligned to its size. */
function rangesOf({ tg, num, scale, address }: ByAddress): readonly Range[] {
  if (tg === 0) return [{ start: address, size: 0x1000n, pages: 1n }];
  const page = 1n << BigInt(10 + 2 * tg);
  const end = address + (BigInt(num + 1) << BigInt(scale)) * page;
  const ranges: Range[] = [];
  for (let start = address; start < end;) {
    let size = page;
    while (start % (size * 2n) === 0n && start + size * 2n <= end) size *= 2n;
    ranges.push({ start, size, pages: size / page });
    start += size;
  }
  return ranges;
}
