/**
 * Domains: an address space of devices, with its tables and the tags of its TLB entries, and where it is attached.
 */
import type { Memory } from '../memory.ts';
import { PageTables } from '../pagetable/software.ts';
import type { TableFrames } from '../pagetable/table-frames.ts';
import { type GranuleLog2, type Regime, type RegimeResult, stage1Regime, stage2Regime } from '../pagetable/vmsav8.ts';
import { type Identity, outputBits } from '../smmuv3/identity.ts';
import type { Cd } from '../smmuv3/context-descriptor.ts';
import type { Ste } from '../smmuv3/stream-table-entry.ts';
import type { TlbTags } from './invalidation.ts';

/** Where a domain translates: a stream's traffic without PASID, or that with one. */
export interface Attachment {
  readonly sid: number;
  readonly pasid?: number;
}

/** An address space of stage 1: that of a process (SVA), or of DMA. */
export interface Stage1Domain {
  readonly kind: 'stage 1';
  readonly asid: number;
  readonly tables: PageTables;
  /** The Context descriptor that names it. */
  readonly cd: Partial<Cd>;
  readonly tags: TlbTags;
  readonly attachments: Set<Attachment>;
}

/** An address space of stage 2: a guest's memory, for which its streams may translate stage 1 on top. */
export interface Stage2Domain {
  readonly kind: 'stage 2';
  readonly vmid: number;
  readonly tables: PageTables;
  /** The stage-2 fields of the Stream table entry. */
  readonly ste: Partial<Ste>;
  readonly tags: TlbTags;
  readonly attachments: Set<Attachment>;
}

export type Domain = Stage1Domain | Stage2Domain;

export interface DomainShape {
  /** 12 by default. */
  readonly granuleLog2?: GranuleLog2;
  /** Input address bits; 48 by default, of stage 2 the OAS. */
  readonly inputBits?: number;
}

export interface Stage1Shape extends DomainShape {
  /** Faulting transactions stall and wait for CMD_RESUME; only where the SMMU can stall. */
  readonly stall?: boolean;
  /** Hardware sets the access flag, or makes pages dirty too; only what IDR0.HTTU has. */
  readonly hardwareUpdate?: 'access flag' | 'dirty';
}

/** MAIR as drivers set it: attribute 0 Normal non-cacheable, 1 Normal write-back, 2 Device-nGnRE, 3 inner outer write-back. */
const memoryAttributes = { MAIR0: 0xf404_ff44, MAIR1: 0xffff_ffff };
/** Walks are Normal, inner and outer write-back read-allocate, inner shareable. */
const cacheable = { inner: 1, outer: 1, shareability: 3 };

/** Codes of TG0; S2TG has the same. */
const granuleCode = { 12: 0b00, 14: 0b10, 16: 0b01 } as const;

/** An address space of stage 1 with empty tables. Throws `RangeError` for what the SMMU does not have. */
export function stage1Domain(
  memory: Memory,
  frames: TableFrames,
  identity: Identity,
  asid: number,
  shape: Stage1Shape = {},
): Stage1Domain {
  const { granuleLog2 = 12, inputBits = 48, stall = false, hardwareUpdate } = shape;
  const regime = legal(
    stage1Regime({
      granuleLog2,
      sizeOffset: 64 - inputBits,
      base: 0n,
      outputBits: outputBits(identity),
      physicalBits: outputBits(identity),
      smallTables: identity.STT,
      largeInputs: identity.VAX === 1,
      hardwareAccess: hardwareUpdate !== undefined,
      hardwareDirty: hardwareUpdate === 'dirty',
    }),
  );
  if (stall && identity.STALL_MODEL === 0b01) throw new RangeError('the SMMU cannot stall (IDR0.STALL_MODEL)');
  const wanted = { undefined: 0, 'access flag': 1, dirty: 2 }[hardwareUpdate ?? 'undefined'];
  if (identity.HTTU < wanted) throw new RangeError('the SMMU does not update flags (IDR0.HTTU)');
  const tables = new PageTables(memory, regime, frames);
  return {
    kind: 'stage 1',
    asid,
    tables,
    cd: {
      T0SZ: 64 - inputBits,
      TG0: granuleCode[granuleLog2],
      IR0: cacheable.inner,
      OR0: cacheable.outer,
      SH0: cacheable.shareability,
      EPD1: true,
      V: true,
      IPS: identity.OAS,
      AA64: true,
      HA: hardwareUpdate !== undefined,
      HD: hardwareUpdate === 'dirty',
      S: stall || identity.STALL_MODEL === 0b10,
      R: true,
      A: true,
      ASET: true,
      ASID: asid,
      TTB0: tables.base,
      ...memoryAttributes,
    },
    tags: { stage: 1, vmid: 0, asid, granuleLog2 },
    attachments: new Set(),
  };
}

/** An address space of stage 2 with empty tables. Throws `RangeError` for what the SMMU does not have. */
export function stage2Domain(
  memory: Memory,
  frames: TableFrames,
  identity: Identity,
  vmid: number,
  shape: DomainShape & { readonly nested?: boolean } = {},
): Stage2Domain {
  const { granuleLog2 = 12, inputBits = Math.min(outputBits(identity), 48), nested = false } = shape;
  const { startLevelCode, regime } = stage2Start(granuleLog2, inputBits, identity);
  const tables = new PageTables(memory, regime, frames);
  return {
    kind: 'stage 2',
    vmid,
    tables,
    ste: {
      S2VMID: vmid,
      S2T0SZ: 64 - inputBits,
      S2SL0: startLevelCode,
      S2IR0: cacheable.inner,
      S2OR0: cacheable.outer,
      S2SH0: cacheable.shareability,
      S2TG: granuleCode[granuleLog2],
      S2PS: identity.OAS,
      S2AA64: true,
      S2PTW: true,
      S2R: true,
      S2S: identity.STALL_MODEL === 0b10,
      S2TTB: tables.base,
    },
    tags: { stage: 2, vmid, granuleLog2, nested },
    attachments: new Set(),
  };
}

/** The latest start level that the input size fits: up to 16 concatenated tables save a level of the walk. */
function stage2Start(
  granuleLog2: GranuleLog2,
  inputBits: number,
  identity: Identity,
): { readonly startLevelCode: number; readonly regime: Regime } {
  for (const startLevelCode of granuleLog2 === 12 && identity.STT ? [3, 0, 1, 2] : [0, 1, 2]) {
    const result = stage2Regime({
      granuleLog2,
      sizeOffset: 64 - inputBits,
      startLevelCode,
      base: 0n,
      outputBits: outputBits(identity),
      physicalBits: outputBits(identity),
      smallTables: identity.STT,
      executeNeverPrivileges: identity.XNX,
    });
    if (result.ok) return { startLevelCode, regime: result.regime };
  }
  throw new RangeError(`stage 2 cannot translate ${inputBits} bits with this granule`);
}

function legal(result: RegimeResult): Regime {
  if (!result.ok) throw new RangeError(`the ${result.illegal} is illegal for this SMMU`);
  return result.regime;
}
