/**
 * The Stream table: level-1 descriptor and Stream table entry (IHI 0070, 5.1 and 5.2), and which entries are ILLEGAL (5.2.2).
 */
import { address, flag, layout, uint } from '../bits.ts';
import type { Fields } from '../bits.ts';
import { stage2Regime } from '../pagetable/vmsav8.ts';
import type { GranuleLog2, RegimeResult } from '../pagetable/vmsav8.ts';
import { effectiveBits, outputBits } from './identity.ts';
import type { Identity } from './identity.ts';

/** Level-1 Stream table descriptor (5.1). `Span` n covers 2^(n-1) entries; 0 is invalid. */
export const l1StdLayout = layout(1, { Span: uint(0, 4, 0), L2Ptr: address(0, 51, 6) });

/** The Stream table entry (5.2); Secure, Realm, MPAM and VMS fields are left out. */
export const steLayout = layout(8, {
  V: flag(0, 0),
  Config: uint(0, 3, 1),
  S1Fmt: uint(0, 5, 4),
  S1ContextPtr: address(0, 51, 6),
  S1CDMax: uint(0, 63, 59),
  S1DSS: uint(1, 1, 0),
  S1CIR: uint(1, 3, 2),
  S1COR: uint(1, 5, 4),
  S1CSH: uint(1, 7, 6),
  S2HWU59: flag(1, 8),
  S2HWU60: flag(1, 9),
  S2HWU61: flag(1, 10),
  S2HWU62: flag(1, 11),
  DRE: flag(1, 12),
  CONT: uint(1, 16, 13),
  DCP: flag(1, 17),
  PPAR: flag(1, 18),
  MEV: flag(1, 19),
  SW_RESERVED: uint(1, 23, 20),
  S1PIE: flag(1, 24),
  S2FWB: flag(1, 25),
  S1MPAM: flag(1, 26),
  S1STALLD: flag(1, 27),
  EATS: uint(1, 29, 28),
  STRW: uint(1, 31, 30),
  MemAttr: uint(1, 35, 32),
  MTCFG: flag(1, 36),
  ALLOCCFG: uint(1, 40, 37),
  SHCFG: uint(1, 45, 44),
  NSCFG: uint(1, 47, 46),
  PRIVCFG: uint(1, 49, 48),
  INSTCFG: uint(1, 51, 50),
  S2VMID: uint(2, 15, 0),
  S2T0SZ: uint(2, 37, 32),
  S2SL0: uint(2, 39, 38),
  S2IR0: uint(2, 41, 40),
  S2OR0: uint(2, 43, 42),
  S2SH0: uint(2, 45, 44),
  S2TG: uint(2, 47, 46),
  S2PS: uint(2, 50, 48),
  S2AA64: flag(2, 51),
  S2ENDI: flag(2, 52),
  S2AFFD: flag(2, 53),
  S2PTW: flag(2, 54),
  S2HD: flag(2, 55),
  S2HA: flag(2, 56),
  S2S: flag(2, 57),
  S2R: flag(2, 58),
  S2HAFT: flag(2, 59),
  S2PIE: flag(2, 60),
  S2POE: flag(2, 61),
  DPT_VMATCH: uint(2, 63, 62),
  S2NSW: flag(3, 0),
  S2NSA: flag(3, 1),
  S2SL0_2: flag(3, 2),
  S2DS: flag(3, 3),
  S2TTB: address(3, 51, 4),
});

/** A level-1 Stream table descriptor. */
export type L1Std = Readonly<Fields<typeof l1StdLayout.places>>;

/** A Stream table entry. */
export type Ste = Readonly<Fields<typeof steLayout.places>>;

/** Whether stage 1 translates: Config 1x1. */
export function stage1Enabled(ste: Ste): boolean {
  return ste.Config === 0b101 || ste.Config === 0b111;
}

/** Whether stage 2 translates: Config 11x. */
export function stage2Enabled(ste: Ste): boolean {
  return ste.Config === 0b110 || ste.Config === 0b111;
}

/** Whether the stream is aborted without an event: Config 0xx. */
export function isAborted(ste: Ste): boolean {
  return ste.Config < 0b100;
}

/** log2 of the granule that a code of S2TG or TG0 selects, or `undefined` if it is Reserved or not supported (IDR5). */
export function granuleOf(code: number, identity: Identity): GranuleLog2 | undefined {
  if (code === 0b00 && identity.GRAN4K) return 12;
  if (code === 0b01 && identity.GRAN64K) return 16;
  if (code === 0b10 && identity.GRAN16K) return 14;
  return undefined;
}

/**
 * Why a Stream table entry of the Non-secure table is ILLEGAL (5.2.2), the first rule in the order of the specification;
 * `undefined` if it is legal.
 */
export function illegalSte(ste: Ste, identity: Identity): string | undefined {
  if (!ste.V) return 'V = 0';
  if (isAborted(ste)) return undefined;
  const stage1 = stage1Enabled(ste);
  const stage2 = stage2Enabled(ste);
  if (stage1 && !identity.S1P) return 'Config enables stage 1, which is not implemented';
  if (stage2 && !identity.S2P) return 'Config enables stage 2, which is not implemented';
  if (identity.ATS && ste.Config !== 0b100) {
    const split = ste.EATS === 0b10;
    if (split && (ste.Config !== 0b111 || ste.S2S || identity.NS1ATS))
      return 'EATS = 2 without both stages, or with S2S';
    if (ste.EATS === 0b01 && ste.S2S && stage2) return 'EATS = 1 with S2S';
  }
  if (usesStrw(ste, identity) && (ste.STRW & 1) === 1) return 'STRW is Reserved';
  return (
    (stage1 ? illegalStage1(ste, identity) : undefined) ??
    (stage2 ? illegalStage2(ste, identity) : undefined) ??
    (usesVmid(ste, identity) && !identity.VMID16 && ste.S2VMID > 0xff ? 'S2VMID has more than 8 bits' : undefined)
  );
}

function illegalStage1(ste: Ste, identity: Identity): string | undefined {
  if (ste.S1STALLD && identity.STALL_MODEL !== 0b00) return 'S1STALLD where the stall model cannot be chosen';
  if (identity.SSIDSIZE > 0) {
    if (ste.S1CDMax > identity.SSIDSIZE) return 'S1CDMax is above SSIDSIZE';
    const twoLevel = ste.S1Fmt === 0b01 || ste.S1Fmt === 0b10;
    if (ste.S1CDMax > 0 && twoLevel && !identity.CD2L) return 'S1Fmt is two-level, which is not implemented';
  }
  // Without AArch32 tables the IAS is the OAS: the bound is the same for an IPA.
  return ste.S1ContextPtr >> BigInt(outputBits(identity)) === 0n ? undefined : 'S1ContextPtr is out of range';
}

function illegalStage2(ste: Ste, identity: Identity): string | undefined {
  if (ste.S2S && identity.STALL_MODEL === 0b01) return 'S2S without stalls';
  if (!ste.S2S && identity.STALL_MODEL === 0b10) return 'S2S = 0 where stalls are forced';
  if (!ste.S2AA64) return 'S2AA64 = 0: VMSAv8-32 is not implemented';
  if ((ste.S2HA || ste.S2HD) && identity.HTTU === 0b00) return 'S2HA or S2HD without HTTU';
  if (ste.S2HD && identity.HTTU === 0b01) return 'S2HD without update of dirty state';
  const result = stage2RegimeOf(ste, identity);
  if (result === undefined) return 'S2TG is Reserved or not supported';
  if (!result.ok) return { base: 'S2TTB', 'input size': 'S2T0SZ', 'start level': 'S2SL0' }[result.illegal];
  if (identity.TTENDIAN === 0b10 && ste.S2ENDI) return 'S2ENDI: big-endian tables are not supported';
  if (identity.TTENDIAN === 0b11 && !ste.S2ENDI) return 'S2ENDI: little-endian tables are not supported';
  return undefined;
}

/** The stage-2 regime, or what makes it ILLEGAL; `undefined` if the granule does. */
export function stage2RegimeOf(ste: Ste, identity: Identity): RegimeResult | undefined {
  const granuleLog2 = granuleOf(ste.S2TG, identity);
  if (granuleLog2 === undefined) return undefined;
  return stage2Regime({
    granuleLog2,
    sizeOffset: ste.S2T0SZ,
    startLevelCode: ste.S2SL0,
    base: ste.S2TTB,
    outputBits: effectiveBits(ste.S2PS, identity),
    physicalBits: outputBits(identity),
    smallTables: identity.STT,
    bigEndian: ste.S2ENDI,
    // S2AFFD is IGNORED with S2HA.
    accessFlagFaults: ste.S2HA || !ste.S2AFFD,
    hardwareAccess: ste.S2HA,
    hardwareDirty: ste.S2HD,
    executeNeverPrivileges: identity.XNX,
  });
}

/** A translation regime of a Non-secure stream (3.3.3), a part of the tag of TLB entries. */
export type StreamWorld = 'NS-EL1' | 'EL2' | 'EL2-E2H';

/** Whether STRW chooses the regime: with stage 1 only, and EL2 implemented (5.2 STRW). */
function usesStrw(ste: Ste, identity: Identity): boolean {
  return ste.Config === 0b101 && identity.HYP;
}

/** The StreamWorld of a legal entry: STRW where it is not IGNORED, and CR2.E2H. */
export function streamWorldOf(ste: Ste, identity: Identity, e2h: boolean): StreamWorld {
  if (!usesStrw(ste, identity) || ste.STRW === 0b00) return 'NS-EL1';
  return e2h ? 'EL2-E2H' : 'EL2';
}

/** Whether TLB entries are tagged with S2VMID: of EL1, where stage 2 is implemented, also if it is not enabled (5.2 S2VMID). */
export function usesVmid(ste: Ste, identity: Identity): boolean {
  if (!identity.S2P || isAborted(ste) || ste.Config === 0b100) return false;
  return !usesStrw(ste, identity) || ste.STRW === 0b00;
}

/** What EATS lets a legal entry do: `split` only with CR0.ATSCHK = 1. EATS = 3 needs a DPT and is Reserved without. */
export function effectiveEats(ste: Ste, identity: Identity, atsCheck: boolean): 'none' | 'full' | 'split' {
  if (!identity.ATS || isAborted(ste) || ste.Config === 0b100) return 'none';
  if (ste.EATS === 0b01) return 'full';
  return ste.EATS === 0b10 && atsCheck ? 'split' : 'none';
}
