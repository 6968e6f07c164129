/**
 * A translation regime of VMSAv8-64: what a walk must know of a CD half or of the stage-2 fields of an STE, and which
 * combinations are legal (IHI 0070, 5.2 and 5.4; DDI 0487, D8.2).
 */

import { mask } from '../bits.ts';

export type GranuleLog2 = 12 | 14 | 16;

/** Everything a walk depends on. Made by `stage1Regime` and `stage2Regime`, which check it. */
export interface Regime {
  readonly stage: 1 | 2;
  readonly granuleLog2: GranuleLog2;
  /** 64 - TxSZ. */
  readonly inputBits: number;
  readonly startLevel: number;
  /** Of the start table, aligned to its size; concatenated tables are one. */
  readonly base: bigint;
  /** Effective IPS or S2PS: holds for tables and leaves. */
  readonly outputBits: number;
  /** OAS = 52 bits: with 64K granules, descriptors have address bits [51:48] and level 1 has blocks. */
  readonly largeOutputs: boolean;
  /** The TTB1 half: input bits above `inputBits` are ones. */
  readonly upper: boolean;
  /** TBI: input bits [63:56] do not count. */
  readonly topByteIgnored: boolean;
  readonly bigEndian: boolean;
  /** AF = 0 is a fault: not AFFD. */
  readonly accessFlagFaults: boolean;
  /** HA, HD: hardware sets the access flag, and makes pages dirty. */
  readonly hardwareAccess: boolean;
  readonly hardwareDirty: boolean;
  /** APTable, UXNTable and PXNTable count: not HAD. Stage 1. */
  readonly hierarchicalPermissions: boolean;
  /** WXN. Stage 1. */
  readonly writeNotExecute: boolean;
  /** PAN: privileged data accesses to what unprivileged code may access are not permitted. Stage 1. */
  readonly privilegedAccessNever: boolean;
  /** EPAN: PAN holds also for what unprivileged code may only execute. */
  readonly privilegedAccessNeverExecute: boolean;
  /** Stage 1 of EL1 and EL2-E2H; false for EL2: AP[1], PXN and nG have no meaning. */
  readonly twoPrivileges: boolean;
  /** XNX: XN at stage 2 is two bits. */
  readonly executeNeverPrivileges: boolean;
}

/** Fields of a regime that have a default: off, but for `accessFlagFaults`, `hierarchicalPermissions`, `twoPrivileges`. */
export type RegimeFlags = Partial<
  Omit<Regime, 'stage' | 'granuleLog2' | 'inputBits' | 'startLevel' | 'base' | 'outputBits' | 'largeOutputs'>
>;

export interface Stage1Fields extends RegimeFlags {
  readonly granuleLog2: GranuleLog2;
  /** T0SZ or T1SZ. */
  readonly sizeOffset: number;
  /** TTB0 or TTB1. */
  readonly base: bigint;
  /** Of IPS, capped to OAS. */
  readonly outputBits: number;
  /** OAS of the SMMU: 32 to 52 bits. */
  readonly physicalBits: number;
  /** IDR3.STT. */
  readonly smallTables?: boolean;
  /** IDR5.VAX: 52-bit virtual addresses, with 64K granules. */
  readonly largeInputs?: boolean;
}

export interface Stage2Fields extends Omit<RegimeFlags, 'upper' | 'topByteIgnored'> {
  readonly granuleLog2: GranuleLog2;
  /** S2T0SZ. */
  readonly sizeOffset: number;
  /** S2SL0, 0 to 3. */
  readonly startLevelCode: number;
  /** S2TTB. */
  readonly base: bigint;
  /** Of S2PS, capped to OAS. */
  readonly outputBits: number;
  /** OAS of the SMMU, which is its IAS: 32 to 52 bits. */
  readonly physicalBits: number;
  /** IDR3.STT. */
  readonly smallTables?: boolean;
}

/** A regime, or which of the fields is illegal. */
export type RegimeResult =
  | { readonly ok: true; readonly regime: Regime }
  | { readonly ok: false; readonly illegal: 'input size' | 'start level' | 'base' };

/** The regime of a half of a CD (IHI 0070, 5.4: TxSZ, TTBx). EPD is decided by the caller. */
export function stage1Regime(fields: Stage1Fields): RegimeResult {
  const { granuleLog2, sizeOffset, smallTables = false, largeInputs = false } = fields;
  const smallest = granuleLog2 === 16 && largeInputs ? 12 : 16;
  if (sizeOffset < smallest || sizeOffset > largestSizeOffset(granuleLog2, smallTables)) {
    return { ok: false, illegal: 'input size' };
  }
  const inputBits = 64 - sizeOffset;
  return checked(fields, 1, inputBits, 4 - Math.ceil((inputBits - granuleLog2) / strideOf(granuleLog2)));
}

/** The regime of the stage-2 fields of an STE (IHI 0070, 5.2: S2T0SZ, S2SL0, S2TTB). IAS = OAS: there is no AArch32. */
export function stage2Regime(fields: Stage2Fields): RegimeResult {
  const { granuleLog2, sizeOffset, startLevelCode, physicalBits, smallTables = false } = fields;
  const smallest = Math.max(granuleLog2 === 16 ? 12 : 16, 64 - physicalBits);
  if (sizeOffset < smallest || sizeOffset > largestSizeOffset(granuleLog2, smallTables)) {
    return { ok: false, illegal: 'input size' };
  }
  const startLevel = stage2StartLevel(granuleLog2, startLevelCode, physicalBits, smallTables);
  if (startLevel === undefined) return { ok: false, illegal: 'start level' };
  // At least one bit for the start table, at most a table's and four more: 16 concatenated tables.
  const inputBits = 64 - sizeOffset;
  const indexBits = inputBits - shiftOf(granuleLog2, startLevel);
  if (indexBits < 1 || indexBits > strideOf(granuleLog2) + 4) return { ok: false, illegal: 'start level' };
  return checked({ ...fields, upper: false, topByteIgnored: false }, 2, inputBits, startLevel);
}

/** log2 of the entries of a table. */
function strideOf(granuleLog2: GranuleLog2): number {
  return granuleLog2 - 3;
}

/** log2 of the bytes that an entry at a level covers. */
export function shiftOf(granuleLog2: GranuleLog2, level: number): number {
  return granuleLog2 + strideOf(granuleLog2) * (3 - level);
}

/** log2 of the entries of a table at a level; of concatenated start tables together. */
export function indexBitsOf(regime: Regime, level: number): number {
  const { granuleLog2, inputBits, startLevel } = regime;
  return level === startLevel ? inputBits - shiftOf(granuleLog2, level) : strideOf(granuleLog2);
}

/** log2 of the bytes of the start table, and so its alignment: 64 bytes at least with 52-bit outputs. */
export function startTableLog2(regime: Omit<Regime, 'base'>): number {
  const size = 3 + regime.inputBits - shiftOf(regime.granuleLog2, regime.startLevel);
  return regime.outputBits >= 52 ? Math.max(size, 6) : size;
}

/** Whether a leaf may stand at a level: pages at 3, blocks where the granule has them (DDI 0487, BlockDescSupported). */
export function isLeafLevel(regime: Regime, level: number): boolean {
  if (level === 3 || level === 2) return true;
  if (level !== 1) return false;
  return regime.granuleLog2 === 12 || (regime.granuleLog2 === 16 && regime.largeOutputs);
}

/** log2 of the leaves that the contiguous hint joins; 0 where it has no meaning (DDI 0487, ContiguousSize). */
export function contiguousCountLog2(granuleLog2: GranuleLog2, level: number): number {
  if (granuleLog2 === 12) return level >= 1 ? 4 : 0;
  if (level < 2) return 0;
  return granuleLog2 === 14 && level === 3 ? 7 : 5;
}

function largestSizeOffset(granuleLog2: GranuleLog2, smallTables: boolean): number {
  if (!smallTables) return 39;
  return granuleLog2 === 16 ? 47 : 48;
}

/** S2SL0 as VTCR_EL2.SL0 (DDI 0487, S2StartLevel and S2InvalidSL). */
function stage2StartLevel(
  granuleLog2: GranuleLog2,
  code: number,
  physicalBits: number,
  smallTables: boolean,
): number | undefined {
  if (granuleLog2 === 12) {
    if (code === 3) return smallTables ? 3 : undefined;
    return code === 2 && physicalBits < 44 ? undefined : 2 - code;
  }
  if (code === 3 || (code === 2 && physicalBits < (granuleLog2 === 14 ? 42 : 44))) return undefined;
  return 3 - code;
}

function checked(
  fields: Omit<Stage1Fields, 'sizeOffset' | 'largeInputs' | 'smallTables'>,
  stage: 1 | 2,
  inputBits: number,
  startLevel: number,
): RegimeResult {
  const { granuleLog2, base, outputBits } = fields;
  const { hardwareAccess = false, hardwareDirty = false } = fields;
  if (base >> BigInt(granuleLog2 === 16 ? outputBits : Math.min(outputBits, 48)) !== 0n) {
    return { ok: false, illegal: 'base' };
  }
  const regime = {
    stage,
    granuleLog2,
    inputBits,
    startLevel,
    outputBits,
    largeOutputs: fields.physicalBits >= 52,
    upper: fields.upper ?? false,
    topByteIgnored: fields.topByteIgnored ?? false,
    bigEndian: fields.bigEndian ?? false,
    accessFlagFaults: fields.accessFlagFaults ?? true,
    hardwareAccess,
    // {HD, HA} = 10 is reserved and behaves as 00.
    hardwareDirty: hardwareDirty && hardwareAccess,
    hierarchicalPermissions: fields.hierarchicalPermissions ?? true,
    writeNotExecute: fields.writeNotExecute ?? false,
    privilegedAccessNever: fields.privilegedAccessNever ?? false,
    privilegedAccessNeverExecute: fields.privilegedAccessNeverExecute ?? false,
    twoPrivileges: fields.twoPrivileges ?? true,
    executeNeverPrivileges: fields.executeNeverPrivileges ?? false,
  };
  return { ok: true, regime: { ...regime, base: base & ~mask(startTableLog2(regime)) } };
}
