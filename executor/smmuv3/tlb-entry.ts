/**
 * What a TLB holds: final translations of stage 1, of stage 2 and of both together, and table descriptors of either stage
 * (the walk cache), each with the tags of 3.17.
 */
import { isSet, mask } from '../bits.ts';
import type { Leaf, Resume } from '../pagetable/format.ts';
import type { StreamWorld } from './stream-table-entry.ts';

/**
 * What identifies the owner of an entry beside its address; never a StreamID (3.17). Of a lookup it has both the ASID and the
 * ASET of the context descriptor, of an entry at most one.
 */
export interface Tag {
  readonly world: StreamWorld;
  /** Of NS-EL1 where stage 2 is implemented, whether the stream uses it or not. */
  readonly vmid?: number;
  /** Of a VA in a regime that has ASIDs, if not global. */
  readonly asid?: number;
  /** Of a global VA in a regime that has ASIDs: the ASID set whose lookups it matches (3.17.1). */
  readonly aset?: boolean;
}

/** Which final translation an entry holds: VA to IPA or PA; IPA to PA; VA to PA by both stages. */
export type LeafKind = 'stage 1' | 'stage 2' | 'combined';

/** The leaf descriptor of one stage as it was when it was fetched. */
export interface StageLeaf {
  readonly leaf: Leaf;
  /** What it translates, on the input side of its stage: page, block or contiguous run. */
  readonly input: bigint;
  readonly sizeLog2: number;
  /** The output of `input`. */
  readonly output: bigint;
  readonly granuleLog2: number;
}

/** A final translation of [input, input + 2^sizeLog2). */
export interface LeafEntry {
  readonly kind: LeafKind;
  readonly tag: Tag;
  /** A VA, sign-extended to 64 bits and without tag byte (TBI), or of stage 2 an IPA. */
  readonly input: bigint;
  readonly sizeLog2: number;
  readonly output: bigint;
  /** The leaf of each stage that it was made of. */
  readonly stage1?: StageLeaf;
  readonly stage2?: StageLeaf;
}

/** A table descriptor: walks of [input, input + 2^sizeLog2) may go on at the table. */
export interface TableEntry {
  readonly kind: 'stage 1 table' | 'stage 2 table';
  readonly tag: Tag;
  readonly input: bigint;
  readonly sizeLog2: number;
  readonly granuleLog2: number;
  /** Level of the descriptor; the table is of the level after. */
  readonly level: number;
  readonly resume: Resume;
}

export type TlbEntry = LeafEntry | TableEntry;

/** Whether an entry holds a final translation. */
export function isLeafEntry(entry: TlbEntry): entry is LeafEntry {
  return entry.kind !== 'stage 1 table' && entry.kind !== 'stage 2 table';
}

/** The start of the 2^sizeLog2 bytes that an address lies in. */
export function alignedDown(address: bigint, sizeLog2: number): bigint {
  return address & ~mask(sizeLog2);
}

/** A VA as TLB entries and table walks know it: with TBI the top byte is what bit 55 says (IHI 0070, 3.4.1). */
export function withoutTagByte(address: bigint, topByteIgnored: boolean): bigint {
  if (!topByteIgnored) return address;
  const low = address & mask(56);
  return isSet(address, 55) ? low | (mask(8) << 56n) : low;
}

/**
 * What a stage's leaf translates, of an input address in it. With the contiguous hint the whole run, unless hardware has still
 * to update the descriptors of the run one by one.
 */
export function stageLeaf(leaf: Leaf, input: bigint, granuleLog2: number, contiguous: boolean): StageLeaf {
  const run = contiguous && !leaf.writableClean ? leaf.contiguousLog2 : undefined;
  const sizeLog2 = run ?? leaf.sizeLog2;
  return {
    leaf,
    input: alignedDown(input, sizeLog2),
    sizeLog2,
    output: alignedDown(leaf.output, sizeLog2),
    granuleLog2,
  };
}

/** The tag of a stage-1 leaf's entry, from that of the lookup: global entries have no ASID. */
export function leafTag(lookup: Tag, global: boolean): Tag {
  const { asid, aset, ...rest } = lookup;
  if (asid === undefined) return rest;
  return global ? { ...rest, ...(aset === undefined ? {} : { aset }) } : { ...rest, asid };
}

/** The tag of stage 2, and of nothing else: the VMID alone. */
export function stage2Tag(lookup: Tag): Tag {
  return { world: lookup.world, ...(lookup.vmid === undefined ? {} : { vmid: lookup.vmid }) };
}

/** The entry of one stage alone. */
export function stageEntry(stage: 1 | 2, tag: Tag, found: StageLeaf): LeafEntry {
  const { input, sizeLog2, output } = found;
  return stage === 1
    ? { kind: 'stage 1', tag, input, sizeLog2, output, stage1: found }
    : { kind: 'stage 2', tag, input, sizeLog2, output, stage2: found };
}

/**
 * The entry of both stages for an input address: it spans what the smaller of the two leaves does. Throws `RangeError` if
 * stage 1 does not translate the address, or stage 2 not the result.
 */
export function combinedEntry(tag: Tag, stage1: StageLeaf, stage2: StageLeaf, address: bigint): LeafEntry {
  const ipa = outputOf(stage1, address);
  const physical = outputOf(stage2, ipa);
  const sizeLog2 = Math.min(stage1.sizeLog2, stage2.sizeLog2);
  return {
    kind: 'combined',
    tag,
    input: alignedDown(address, sizeLog2),
    sizeLog2,
    output: alignedDown(physical, sizeLog2),
    stage1,
    stage2,
  };
}

/** The output of an address. Throws `RangeError` if it lies outside. */
export function outputOf(
  range: { readonly input: bigint; readonly sizeLog2: number; readonly output: bigint },
  address: bigint,
): bigint {
  if (alignedDown(address, range.sizeLog2) !== range.input) {
    throw new RangeError(
      `0x${address.toString(16)} is not in 2^${range.sizeLog2} bytes at 0x${range.input.toString(16)}`,
    );
  }
  return range.output + (address - range.input);
}
