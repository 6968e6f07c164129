/**
 * The attributes of a mapping as bits of a leaf, and back.
 */
import { bits, isSet, mask } from '../bits.ts';
import type { MappingAttributes } from './changes.ts';
import { accessFlagBit, dirtyModifierBit, readOnlyBit, stage2WriteBit } from './vmsav8-descriptor.ts';
import type { Regime } from './vmsav8-regime.ts';

/** The bits that `encodeAttributes` decides: [11:2], and [54:51] without the contiguous hint. */
const decided = (mask(10) << 2n) | dirtyModifierBit | (0b11n << 53n);

/** The bits of a leaf that say these attributes. Throws `RangeError` for what the regime cannot say. */
export function encodeAttributes(regime: Regime, attributes: MappingAttributes): bigint {
  const { write, accessFlag = true, dirtyModifier = false, shareability = 3 } = attributes;
  const common =
    when(accessFlag, accessFlagBit) |
    when(dirtyModifier, dirtyModifierBit) |
    (field('shareability', shareability, 3) << 8n);
  if (regime.stage === 2) return common | stage2Bits(regime, attributes, write);
  return common | stage1Bits(regime, attributes, write);
}

/** The attributes of a leaf: all that belong to the stage. */
export function decodeAttributes(regime: Regime, word: bigint): MappingAttributes {
  const common = {
    accessFlag: (word & accessFlagBit) !== 0n,
    dirtyModifier: (word & dirtyModifierBit) !== 0n,
    shareability: Number(bits(word, 9, 8)),
  };
  const never = isSet(word, 54);
  if (regime.stage === 2) {
    const different = regime.executeNeverPrivileges && isSet(word, 53);
    return {
      ...common,
      read: isSet(word, 6),
      write: (word & stage2WriteBit) !== 0n,
      privilegedExecute: different ? never : !never,
      unprivilegedExecute: !never,
      memoryAttributes: Number(bits(word, 5, 2)),
    };
  }
  return {
    ...common,
    read: true,
    write: (word & readOnlyBit) === 0n,
    unprivileged: !regime.twoPrivileges || isSet(word, 6),
    privilegedExecute: regime.twoPrivileges ? !isSet(word, 53) : !never,
    unprivilegedExecute: !never,
    global: !regime.twoPrivileges || !isSet(word, 11),
    memoryAttributes: Number(bits(word, 4, 2)),
  };
}

/** A leaf with some attributes changed; address, type, contiguous hint and the bits of software stay. */
export function withAttributes(regime: Regime, word: bigint, changed: Partial<MappingAttributes>): bigint {
  // NS (stage 1) and FnXS (stage 2) are no attributes here: they stay too.
  const here = decided & ~(regime.stage === 1 ? 1n << 5n : 1n << 11n);
  return (word & ~here) | encodeAttributes(regime, { ...decodeAttributes(regime, word), ...changed });
}

/**
 * Whether a leaf may be replaced by another of the same address only with break before make: the memory type or shareability
 * changes, or it becomes global (DDI 0487, D8.16).
 */
export function needsBreak(regime: Regime, before: bigint, after: bigint): boolean {
  const one = decodeAttributes(regime, before);
  const other = decodeAttributes(regime, after);
  return (
    one.memoryAttributes !== other.memoryAttributes ||
    one.shareability !== other.shareability ||
    (one.global !== true && other.global === true)
  );
}

function stage1Bits(regime: Regime, attributes: MappingAttributes, write: boolean): bigint {
  const {
    unprivileged = true,
    privilegedExecute = false,
    unprivilegedExecute = false,
    memoryAttributes = 0,
  } = attributes;
  if (attributes.read === false) throw new RangeError('stage 1 cannot deny reads');
  const common = when(!write, readOnlyBit) | (field('memoryAttributes', memoryAttributes, 7) << 2n);
  if (regime.twoPrivileges) {
    return (
      common |
      when(unprivileged, 1n << 6n) |
      when(attributes.global !== true, 1n << 11n) |
      when(!privilegedExecute, 1n << 53n) |
      when(!unprivilegedExecute, 1n << 54n)
    );
  }
  // AP[1] is RES1, nG and PXN are RES0.
  if (!unprivileged || attributes.global === false) throw new RangeError('this regime has one privilege and no ASIDs');
  if (privilegedExecute !== unprivilegedExecute) throw new RangeError('this regime has one privilege');
  return common | (1n << 6n) | when(!privilegedExecute, 1n << 54n);
}

function stage2Bits(regime: Regime, attributes: MappingAttributes, write: boolean): bigint {
  const { read = true, privilegedExecute = false, unprivilegedExecute = false, memoryAttributes = 15 } = attributes;
  if (attributes.unprivileged !== undefined || attributes.global !== undefined) {
    throw new RangeError('stage 2 knows neither unprivileged nor global mappings');
  }
  const different = privilegedExecute !== unprivilegedExecute;
  if (different && !regime.executeNeverPrivileges) throw new RangeError('without XNX, XN holds at both privileges');
  return (
    when(read, 1n << 6n) |
    when(write, stage2WriteBit) |
    (field('memoryAttributes', memoryAttributes, 15) << 2n) |
    when(different, 1n << 53n) |
    when(!unprivilegedExecute, 1n << 54n)
  );
}

function when(condition: boolean, value: bigint): bigint {
  return condition ? value : 0n;
}

function field(name: string, value: number, largest: number): bigint {
  if (!Number.isInteger(value) || value < 0 || value > largest) throw new RangeError(`${name}: ${value} does not fit`);
  return BigInt(value);
}
