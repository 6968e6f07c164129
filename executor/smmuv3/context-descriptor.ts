/**
 * Context descriptors and their level-1 table (IHI 0070, 5.3 and 5.4), and which are ILLEGAL (5.4.2).
 */
import { address, flag, layout, uint } from '../bits.ts';
import type { Fields } from '../bits.ts';
import { stage1Regime } from '../pagetable/vmsav8.ts';
import type { RegimeResult } from '../pagetable/vmsav8.ts';
import { effectiveBits, outputBits } from './identity.ts';
import type { Identity } from './identity.ts';
import { granuleOf } from './stream-table-entry.ts';
import type { Ste, StreamWorld } from './stream-table-entry.ts';

/** Level-1 Context descriptor (5.3): a pointer to a leaf table of 64 or 1024 descriptors. */
export const l1CdLayout = layout(1, { V: flag(0, 0), L2Ptr: address(0, 51, 12) });

/** The Context descriptor (5.4); VMSAv9-128, MPAM and permission-indirection fields are left out. */
export const cdLayout = layout(8, {
  T0SZ: uint(0, 5, 0),
  TG0: uint(0, 7, 6),
  IR0: uint(0, 9, 8),
  OR0: uint(0, 11, 10),
  SH0: uint(0, 13, 12),
  EPD0: flag(0, 14),
  ENDI: flag(0, 15),
  T1SZ: uint(0, 21, 16),
  TG1: uint(0, 23, 22),
  IR1: uint(0, 25, 24),
  OR1: uint(0, 27, 26),
  SH1: uint(0, 29, 28),
  EPD1: flag(0, 30),
  V: flag(0, 31),
  IPS: uint(0, 34, 32),
  AFFD: flag(0, 35),
  WXN: flag(0, 36),
  UWXN: flag(0, 37),
  TBI0: flag(0, 38),
  TBI1: flag(0, 39),
  PAN: flag(0, 40),
  AA64: flag(0, 41),
  HD: flag(0, 42),
  HA: flag(0, 43),
  S: flag(0, 44),
  R: flag(0, 45),
  A: flag(0, 46),
  ASET: flag(0, 47),
  ASID: uint(0, 63, 48),
  NSCFG0: flag(1, 0),
  HAD0: flag(1, 1),
  E0PD0: flag(1, 2),
  HAFT: flag(1, 3),
  TTB0: address(1, 51, 4),
  PnCH: flag(1, 58),
  EPAN: flag(1, 59),
  NSCFG1: flag(2, 0),
  HAD1: flag(2, 1),
  E0PD1: flag(2, 2),
  AIE: flag(2, 3),
  TTB1: address(2, 51, 4),
  DS: flag(2, 58),
  PIE: flag(2, 59),
  MAIR0: uint(3, 31, 0),
  MAIR1: uint(3, 63, 32),
  AMAIR0: uint(4, 31, 0),
  AMAIR1: uint(4, 63, 32),
});

/** A level-1 Context descriptor. */
export type L1Cd = Readonly<Fields<typeof l1CdLayout.places>>;

/** A Context descriptor. */
export type Cd = Readonly<Fields<typeof cdLayout.places>>;

/** TTB0 or TTB1. */
export type Half = 'lower' | 'upper';

/** Whether walks of a half are disabled: EPDx; IGNORED in the EL2 regime, which has no TTB1 (5.4 EPD0, 5.4.1). */
export function isDisabled(cd: Cd, half: Half, world: StreamWorld): boolean {
  if (world === 'EL2') return half === 'upper';
  return half === 'lower' ? cd.EPD0 : cd.EPD1;
}

/**
 * Why a Context descriptor is ILLEGAL when it is reached through a legal Stream table entry (5.4.2), the first rule in the order
 * of the specification; `undefined` if it is legal.
 */
export function illegalCd(cd: Cd, ste: Ste, world: StreamWorld, identity: Identity): string | undefined {
  if (!cd.V) return 'V = 0';
  if (ste.S1STALLD && cd.S) return 'S where S1STALLD forbids it';
  if (identity.TERM_MODEL && !cd.A) return 'A = 0 where terminated transactions always abort';
  if (identity.STALL_MODEL === 0b01 && cd.S) return 'S without stalls';
  if (identity.STALL_MODEL === 0b10 && !cd.S) return 'S = 0 where stalls are forced';
  const halves = (['lower', 'upper'] as const).filter((half) => !isDisabled(cd, half, world));
  if (halves.length > 0 && identity.TTENDIAN === 0b10 && cd.ENDI) return 'ENDI: big-endian tables are not supported';
  if (halves.length > 0 && identity.TTENDIAN === 0b11 && !cd.ENDI)
    return 'ENDI: little-endian tables are not supported';
  if (!cd.AA64) return 'AA64 = 0: VMSAv8-32 is not implemented';
  if ((cd.HA || cd.HD) && identity.HTTU === 0b00) return 'HA or HD without HTTU';
  if (cd.HD && identity.HTTU === 0b01) return 'HD without update of dirty state';
  if (world !== 'EL2' && !identity.ASID16 && cd.ASID > 0xff) return 'ASID has more than 8 bits';
  for (const half of halves) {
    const result = stage1RegimeOf(cd, half, world, identity);
    const digit = half === 'lower' ? 0 : 1;
    if (result === undefined) return `TG${digit} is Reserved or not supported`;
    if (!result.ok) return result.illegal === 'base' ? `TTB${digit}` : `T${digit}SZ`;
  }
  return undefined;
}

/** The regime of a half that is not disabled, or what makes it ILLEGAL; `undefined` if the granule does. */
export function stage1RegimeOf(cd: Cd, half: Half, world: StreamWorld, identity: Identity): RegimeResult | undefined {
  const lower = half === 'lower';
  const granuleLog2 = granuleOf(lower ? cd.TG0 : (granuleCodes[cd.TG1] ?? 0b11), identity);
  if (granuleLog2 === undefined) return undefined;
  return stage1Regime({
    granuleLog2,
    sizeOffset: lower ? cd.T0SZ : cd.T1SZ,
    base: lower ? cd.TTB0 : cd.TTB1,
    outputBits: effectiveBits(cd.IPS, identity),
    physicalBits: outputBits(identity),
    smallTables: identity.STT,
    largeInputs: identity.VAX === 0b01,
    upper: !lower,
    topByteIgnored: lower ? cd.TBI0 : cd.TBI1,
    bigEndian: cd.ENDI,
    // AFFD is IGNORED with HA.
    accessFlagFaults: cd.HA || !cd.AFFD,
    hardwareAccess: cd.HA,
    hardwareDirty: cd.HD,
    hierarchicalPermissions: !(identity.HAD && (lower ? cd.HAD0 : cd.HAD1)),
    writeNotExecute: cd.WXN,
    privilegedAccessNever: cd.PAN && world !== 'EL2',
    privilegedAccessNeverExecute: cd.EPAN && identity.EPAN,
    twoPrivileges: world !== 'EL2',
  });
}

/** The codes of TG0 by those of TG1, which are others; code 0 is Reserved. */
const granuleCodes = [0b11, 0b10, 0b00, 0b01] as const;
