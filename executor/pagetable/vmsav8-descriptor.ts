/**
 * Descriptors of VMSAv8-64: what one says, and the permissions of a leaf (DDI 0487, D8.3 and D8.4).
 */
import { bits, isSet, mask } from '../bits.ts';
import type { Leaf, Permissions, Restrictions, Rights } from './format.ts';
import { contiguousCountLog2, isLeafLevel, type Regime, shiftOf } from './vmsav8-regime.ts';

/** Bits of leaves. S2AP has the opposite sense of AP: set is permitted. */
export const accessFlagBit = 1n << 10n;
export const readOnlyBit = 1n << 7n;
export const stage2WriteBit = 1n << 7n;
export const dirtyModifierBit = 1n << 51n;
export const contiguousBit = 1n << 52n;

export type Descriptor =
  | { readonly kind: 'invalid' }
  | { readonly kind: 'table'; readonly table: bigint }
  | { readonly kind: 'leaf'; readonly output: bigint };

/** What a descriptor at a level says: a block where there are none, or bits [1:0] = 01 at level 3, is invalid. */
export function decodeDescriptor(regime: Regime, level: number, word: bigint): Descriptor {
  if (!isSet(word, 0)) return { kind: 'invalid' };
  if (level < 3 && isSet(word, 1)) return { kind: 'table', table: addressIn(regime, word, regime.granuleLog2) };
  if (level === 3 ? !isSet(word, 1) : !isLeafLevel(regime, level)) return { kind: 'invalid' };
  return { kind: 'leaf', output: addressIn(regime, word, shiftOf(regime.granuleLog2, level)) };
}

/** The descriptor of a table. Throws `RangeError` for an address that does not fit. */
export function tableDescriptor(regime: Regime, table: bigint): bigint {
  return 0b11n | addressField(regime, table, regime.granuleLog2);
}

/** A leaf at a level; `attributes` are all bits but the address and [1:0]. Throws `RangeError` as `tableDescriptor` does. */
export function leafDescriptor(regime: Regime, level: number, output: bigint, attributes: bigint): bigint {
  return attributes | (level === 3 ? 0b11n : 0b01n) | addressField(regime, output, shiftOf(regime.granuleLog2, level));
}

/** The bits of a leaf that are neither address nor type. */
export function attributeBits(regime: Regime, level: number, word: bigint): bigint {
  return word & ~(addressMask(regime, shiftOf(regime.granuleLog2, level)) | 0b11n);
}

/** The rights that a table descriptor leaves, with those that the tables above left. */
export function restrict(regime: Regime, above: Restrictions, word: bigint): Restrictions {
  if (regime.stage === 2 || !regime.hierarchicalPermissions) return above;
  return {
    readOnly: above.readOnly || isSet(word, 62),
    noUnprivileged: above.noUnprivileged || isSet(word, 61),
    noUnprivilegedExecute: above.noUnprivilegedExecute || isSet(word, 60),
    noPrivilegedExecute: above.noPrivilegedExecute || isSet(word, 59),
  };
}

/** The leaf that a descriptor is. */
export function leafOf(
  regime: Regime,
  level: number,
  descriptor: Leaf['descriptor'],
  output: bigint,
  restrictions: Restrictions,
): Leaf {
  const { word } = descriptor;
  const sizeLog2 = shiftOf(regime.granuleLog2, level);
  const count = contiguousCountLog2(regime.granuleLog2, level);
  const dirtyModifier = isSet(word, 51);
  const clean = regime.stage === 1 ? (word & readOnlyBit) !== 0n : (word & stage2WriteBit) === 0n;
  const writableClean = regime.hardwareDirty && dirtyModifier && clean && !restrictions.readOnly;
  const writable = (!clean || writableClean) && !restrictions.readOnly;
  return {
    output,
    sizeLog2,
    level,
    permissions: regime.stage === 1 ? stage1(regime, word, writable, restrictions) : stage2(regime, word, writable),
    global: regime.stage === 2 || !regime.twoPrivileges || !isSet(word, 11),
    ...(isSet(word, 52) && count > 0 && sizeLog2 + count <= regime.inputBits
      ? { contiguousLog2: sizeLog2 + count }
      : undefined),
    descriptor,
    // AFFD: AF is considered to be always 1 (IHI 0070, 5.4).
    accessFlag: (word & accessFlagBit) !== 0n || (!regime.hardwareAccess && !regime.accessFlagFaults),
    dirtyModifier,
    writableClean,
    memoryAttributes: Number(regime.stage === 1 ? bits(word, 4, 2) : bits(word, 5, 2)),
    shareability: Number(bits(word, 9, 8)),
  };
}

function stage1(regime: Regime, word: bigint, write: boolean, restrictions: Restrictions): Permissions {
  const neverExecute = isSet(word, 54) || restrictions.noUnprivilegedExecute;
  if (!regime.twoPrivileges) {
    const all = { read: true, write, execute: !neverExecute && !(regime.writeNotExecute && write) };
    return { privileged: all, unprivileged: all };
  }
  const accessible = isSet(word, 6) && !restrictions.noUnprivileged;
  const unprivilegedWrite = accessible && write;
  const unprivilegedExecute = !neverExecute && !(regime.writeNotExecute && unprivilegedWrite);
  const privilegedExecute =
    !isSet(word, 53) && !restrictions.noPrivilegedExecute && !unprivilegedWrite && !(regime.writeNotExecute && write);
  const denied =
    regime.privilegedAccessNever && (accessible || (regime.privilegedAccessNeverExecute && unprivilegedExecute));
  return {
    privileged: { read: !denied, write: write && !denied, execute: privilegedExecute },
    unprivileged: { read: accessible, write: unprivilegedWrite, execute: unprivilegedExecute },
  };
}

/** XN[1:0] is at [54:53]: 00 executable, 01 unprivileged only, 10 never, 11 privileged only; without XNX bit 54 alone. */
function stage2(regime: Regime, word: bigint, write: boolean): Permissions {
  const never = isSet(word, 54);
  const different = regime.executeNeverPrivileges && isSet(word, 53);
  const rights = (execute: boolean): Rights => ({ read: isSet(word, 6), write, execute });
  return { privileged: rights(different ? never : !never), unprivileged: rights(!never) };
}

function addressMask(regime: Regime, alignLog2: number): bigint {
  const low = mask(48) & ~mask(alignLog2);
  return regime.granuleLog2 === 16 && regime.largeOutputs ? low | (mask(4) << 12n) : low;
}

/** With 64K granules and 52-bit addresses, bits [15:12] hold address bits [51:48]. */
function addressIn(regime: Regime, word: bigint, alignLog2: number): bigint {
  const low = word & mask(48) & ~mask(alignLog2);
  return regime.granuleLog2 === 16 && regime.largeOutputs ? low | (bits(word, 15, 12) << 48n) : low;
}

function addressField(regime: Regime, address: bigint, alignLog2: number): bigint {
  const large = regime.granuleLog2 === 16 && regime.largeOutputs;
  if ((address & mask(alignLog2)) !== 0n || address >> (large ? 52n : 48n) !== 0n) {
    throw new RangeError(`0x${address.toString(16)} does not fit a descriptor with ${alignLog2} bits of offset`);
  }
  return (address & mask(48)) | ((address >> 48n) << 12n);
}
