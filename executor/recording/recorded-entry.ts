/**
 * TLB entries as a recording tells of them: what QEMU's TLB got, and what a translation says of the entry that it used.
 */
import { mask } from '../bits.ts';
import { bothPermit, type Leaf, type Permissions } from '../pagetable/format.ts';
import {
  alignedDown,
  type LeafEntry,
  type LeafKind,
  leafTag,
  outputOf,
  type StageLeaf,
  type Tag,
} from '../smmuv3/tlb-entry.ts';
import { hex } from './hex.ts';
import type { RecordOf } from './records.ts';

/** Where the TLB looks for a translation. */
export interface Place {
  readonly kind: LeafKind;
  readonly tag: Tag;
  readonly address: bigint;
  readonly granuleLog2: number;
}

/** How an entry differs from a recorded translation in address or permission; `undefined`: it does not. */
export function outputMisfit(x: RecordOf<'x'>, entry: LeafEntry): string | undefined {
  const physical = outputOf(entry, lookedUp(entry, x.iova));
  if (physical !== x.pa) {
    return `stream ${hex(x.sid)} at ${hex(x.iova)} gives ${hex(physical)}, the recording has ${hex(x.pa)}`;
  }
  const permissions = permissionsOf(entry);
  if (x.perm === undefined || permissions === undefined) return undefined;
  // QEMU takes all traffic as privileged; and with two stages it notes the permission of stage 1.
  const possible = [
    permissions.both,
    ...(entry.kind === 'combined' && permissions.stage1 !== undefined ? [permissions.stage1] : []),
  ];
  if (possible.some((one) => code(one) === x.perm)) return undefined;
  return `stream ${hex(x.sid)} at ${hex(x.iova)} may ${rights(code(permissions.both))}, the recording has ${rights(x.perm)}`;
}

/** How QEMU's TLB got another entry. */
export function insertedMisfit(
  inserted: RecordOf<'tlbins'> | undefined,
  entry: LeafEntry,
  nested: boolean,
): string | undefined {
  if (inserted === undefined) return undefined;
  const { asid, vmid, va, tg, level } = inserted;
  const stage = entry.stage1 ?? entry.stage2;
  const ownAsid = entry.stage1 === undefined || entry.stage1.leaf.global ? undefined : entry.tag.asid;
  const ownVmid = entry.tag.vmid;
  // -1 (which is 0xffff in 16 bits) stands for none.
  const said = (value: number | undefined): number | undefined =>
    value === undefined || value === -1 || value === 0xffff ? undefined : value;
  if (said(asid) !== undefined && ownAsid !== undefined && said(asid) !== ownAsid) {
    return `the TLB entry has ASID ${ownAsid}, the recording has ${asid}`;
  }
  if (said(vmid) !== undefined && ownVmid !== undefined && said(vmid) !== ownVmid) {
    return `the TLB entry has VMID ${ownVmid}, the recording has ${vmid}`;
  }
  if (nested || stage === undefined) return undefined;
  if (level !== undefined && level !== stage.leaf.level) {
    return `the leaf is of level ${stage.leaf.level}, the recording has ${level}`;
  }
  if (tg !== undefined && tg !== (stage.granuleLog2 - 10) / 2) {
    return `the granule is 2^${stage.granuleLog2} bytes, the recording has TG ${tg}`;
  }
  if (va !== undefined && alignedDown(va, entry.sizeLog2) !== (entry.input & mask(64))) {
    return `the TLB entry is of ${hex(entry.input)}, the recording has ${hex(va)}`;
  }
  return undefined;
}

/** The entry that a recorded translation tells of: a page, or what was inserted for it, of which the descriptor is not known. */
export function entryFor(
  { pa, perm = 3 }: RecordOf<'x'>,
  { kind, tag, address, granuleLog2 }: Place,
  inserted: RecordOf<'tlbins'> | undefined,
): LeafEntry {
  const level = inserted?.level ?? 3;
  const sizeLog2 = granuleLog2 + (granuleLog2 - 3) * (3 - level);
  const [input, output] = [alignedDown(address, sizeLog2), alignedDown(pa, sizeLog2)];
  const granted = { read: (perm & 1) !== 0, write: (perm & 2) !== 0, execute: false };
  const leaf: Leaf = {
    output,
    sizeLog2,
    level,
    permissions: { privileged: granted, unprivileged: granted },
    global: false,
    descriptor: { address: 0n, word: 0n },
    accessFlag: true,
    dirtyModifier: false,
    writableClean: false,
    memoryAttributes: 0,
    shareability: 0,
  };
  const stage: StageLeaf = { leaf, input, sizeLog2, output, granuleLog2 };
  return {
    kind,
    tag: leafTag(tag, false),
    input,
    sizeLog2,
    output,
    ...(kind === 'stage 2' ? {} : { stage1: stage }),
    ...(kind === 'stage 1' ? {} : { stage2: stage }),
  };
}

function permissionsOf(
  entry: LeafEntry,
): { readonly both: Permissions; readonly stage1: Permissions | undefined } | undefined {
  const [first, second] = [entry.stage1?.leaf.permissions, entry.stage2?.leaf.permissions];
  if (first === undefined) return second === undefined ? undefined : { both: second, stage1: undefined };
  return { both: second === undefined ? first : bothPermit(first, second), stage1: first };
}

/** An address as the entry's regime looks it up: with TBI the top byte is what the entry has. */
export function lookedUp(entry: LeafEntry, address: bigint): bigint {
  return alignedDown(address, entry.sizeLog2) === entry.input
    ? address
    : (entry.input & ~mask(entry.sizeLog2)) | (address & mask(entry.sizeLog2));
}

/** Permissions as QEMU counts them: 1 read, 2 write. */
function code({ privileged }: Permissions): number {
  return (privileged.read ? 1 : 0) | (privileged.write ? 2 : 0);
}

function rights(perm: number): string {
  return ['nothing', 'read', 'write', 'read and write'][perm] ?? String(perm);
}
