/**
 * Which commands drop what a change of tables made stale: TLB entries by range (IHI 0070, 4.4), then the ATC of each function
 * that may have cached a translation (4.5.1), in that order (ATS requests could refill an ATC from a stale TLB).
 */
import { bits, isSet } from '../bits.ts';
import type { GranuleLog2 } from '../pagetable/vmsav8.ts';
import type { CommandToEncode } from '../smmuv3/commands.ts';

/** How the TLB entries of an address space are tagged. */
export type TlbTags =
  | { readonly stage: 1; readonly vmid: number; readonly asid: number; readonly granuleLog2: GranuleLog2 }
  | {
      readonly stage: 2;
      readonly vmid: number;
      readonly granuleLog2: GranuleLog2;
      /** Streams translate by a guest's stage 1 on top: combined entries exist. */
      readonly nested: boolean;
    };

/** A range of input addresses; `leaf`: no table that a walk cache may hold went away. */
export interface StaleRange {
  readonly input: bigint;
  readonly length: bigint;
  /** log2 of the leaves that stood there. */
  readonly sizeLog2: number;
  readonly leaf: boolean;
}

/** The TLB entries of a whole address space. With stage 2 also what guests combined with it. */
export function dropAll(tags: TlbTags): CommandToEncode {
  return tags.stage === 1
    ? { op: 'TLBI_NH_ASID', vmid: tags.vmid, asid: tags.asid }
    : { op: 'TLBI_S12_VMALL', vmid: tags.vmid };
}

/**
 * The TLB entries of ranges. With range invalidation (IDR3.RIL) at most a few commands each; without, one per leaf. More than
 * `limit` commands become one for the whole address space.
 */
export function dropRanges(
  tags: TlbTags,
  ranges: readonly StaleRange[],
  rangeInvalidation: boolean,
  limit = 512,
): readonly CommandToEncode[] {
  const commands: CommandToEncode[] = [];
  for (const range of ranges) {
    for (const fields of rangeInvalidation ? byRange(range, tags.granuleLog2) : byLeaf(range)) {
      commands.push(dropOne(tags, fields));
      if (commands.length > limit) return [dropAll(tags)];
    }
  }
  // TLBI_S2_IPA need not drop combined entries (4.4.3.1), and a guest's addresses are not known here.
  const combined = tags.stage === 2 && tags.nested && commands.length > 0;
  return combined ? [...commands, { op: 'TLBI_NH_ALL', vmid: tags.vmid }] : commands;
}

interface RangeFields {
  readonly address: bigint;
  readonly leaf: boolean;
  readonly num?: number;
  readonly scale?: number;
  readonly tg?: number;
  readonly ttl?: number;
}

function dropOne(tags: TlbTags, fields: RangeFields): CommandToEncode {
  return tags.stage === 1
    ? { op: 'TLBI_NH_VA', vmid: tags.vmid, asid: tags.asid, ...fields }
    : { op: 'TLBI_S2_IPA', vmid: tags.vmid, ...fields };
}

/** A single address within each leaf drops the leaf, whatever its granule. */
function* byLeaf({ input, length, sizeLog2, leaf }: StaleRange): Generator<RangeFields> {
  for (let at = input; at < input + length; at += 1n << BigInt(sizeLog2)) yield { address: at, leaf };
}

/**
 * Ranges of (NUM + 1) * 2^SCALE granules, from the low bits of the number of pages up (4.4.1.1). TTL names the level of the
 * leaves, where only leaves go.
 */
function* byRange({ input, length, sizeLog2, leaf }: StaleRange, granuleLog2: GranuleLog2): Generator<RangeFields> {
  const tg = (granuleLog2 - 10) / 2;
  const level = 3 - Math.floor((sizeLog2 - granuleLog2) / (granuleLog2 - 3));
  // A 16K granule has no leaves at level 1, and that code of TTL is reserved. Level 0 has no code.
  const ttl = leaf && level > 0 && !(granuleLog2 === 14 && level === 1) ? level : 0;
  let pages = length >> BigInt(granuleLog2);
  // TG with NUM = SCALE = TTL = 0 is CERROR_ILL: a second page is dropped with a single one.
  if (ttl === 0 && (pages & 31n) === 1n) pages++;
  for (let address = input; pages > 0n;) {
    const scale = Math.min(lowestBit(pages), 31);
    // Beyond SCALE = 31 a multiple of 32 is 32, not 0.
    const count = bits(pages, scale + 4, scale) === 0n ? 32n : bits(pages, scale + 4, scale);
    yield { address, leaf, num: Number(count) - 1, scale, tg, ttl };
    address += count << BigInt(scale + granuleLog2);
    pages -= count << BigInt(scale);
  }
}

function lowestBit(value: bigint): number {
  let place = 0;
  while (!isSet(value, place)) place++;
  return place;
}

/** Size of CMD_ATC_INV that names every address. */
const everything = 52;

/**
 * CMD_ATC_INV for a range of one function: the smallest aligned power of two that holds it (INV-06); without a range for all
 * addresses. Substream 0 in a table of Context descriptors is the traffic without PASID (S1DSS = 10), so SSV = 0; but an
 * invalidation without PASID drops the entries of *all* PASIDs (ATS-34).
 */
export function dropAtc(
  target: { readonly sid: number; readonly pasid?: number },
  range?: { readonly input: bigint; readonly length: bigint },
): CommandToEncode {
  const to = { sid: target.sid, ...(target.pasid === undefined ? {} : { ssv: true, ssid: target.pasid }) };
  if (range === undefined) return { op: 'ATC_INV', ...to, size: everything };
  const first = range.input >> 12n;
  const last = (range.input + range.length - 1n) >> 12n;
  const differing = first ^ last;
  const size = differing === 0n ? 0 : differing.toString(2).length;
  return { op: 'ATC_INV', ...to, size, address: (first >> BigInt(size)) << BigInt(size + 12) };
}
