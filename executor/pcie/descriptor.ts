/**
 * The 64-byte descriptor and the 32-byte completion record of a work queue, in the layout of Intel DSA (Linux,
 * uapi/linux/idxd.h).
 */
import { address, type Fields, flag, layout, uint } from '../bits.ts';

/** A descriptor. ENQCMD puts in the PASID and clears Priv (ENQ-04). */
export const descriptor = layout(8, {
  pasid: uint(0, 19, 0),
  privileged: flag(0, 31),
  blockOnFault: flag(0, 33),
  completionRecordValid: flag(0, 34),
  completionRecordRequested: flag(0, 35),
  opcode: uint(0, 63, 56),
  completionRecord: address(1, 63, 0),
  /** Of a fill the 8 bytes that repeat. */
  source: address(2, 63, 0),
  /** Of a comparison the 8 bytes that repeat. */
  destination: address(3, 63, 0),
  /** In bytes. */
  length: uint(4, 31, 0),
});

/** The fields of a descriptor. */
export type Descriptor = Fields<typeof descriptor.places>;

/** A completion record; software waits until the status is not 0. */
export const completionRecord = layout(4, {
  status: uint(0, 6, 0),
  /** The access at `faultAddress` was a write. */
  faultOnWrite: flag(0, 7),
  /** Of a comparison: 1 if the bytes differ. */
  result: uint(0, 15, 8),
  /** How much was done; of a comparison that found a difference, where it is. */
  bytesCompleted: uint(0, 63, 32),
  faultAddress: address(1, 63, 0),
});

/** Opcodes that the engine knows. */
export const opcodes = { noop: 0x00, copy: 0x03, fill: 0x04, compareValue: 0x06 } as const;

/** Statuses of completion records that the engine writes. */
export const statuses = {
  success: 0x01,
  /** A page fault without Block on Fault. */
  pageFault: 0x03,
  /** Block on Fault, and the PRG Response was Invalid Request. */
  pageFaultInvalidRequest: 0x04,
  badOpcode: 0x10,
  badLength: 0x13,
  overlap: 0x16,
  completionRecordTranslation: 0x1a,
  completionRecordAlignment: 0x1b,
  hardwareError: 0x20,
  /** ATS answered an error, or the PRG Response was Response Failure. */
  translationFailure: 0x22,
} as const;

/** The bytes of a descriptor; its completion record, if it has one, is requested. */
export function work(values: {
  readonly operation: keyof typeof opcodes;
  readonly source?: bigint;
  readonly destination?: bigint;
  readonly length?: number;
  readonly completionRecord?: bigint;
  readonly blockOnFault?: boolean;
}): Uint8Array {
  const { operation, completionRecord: record, ...rest } = values;
  return descriptor.encode({
    ...rest,
    opcode: opcodes[operation],
    ...(record !== undefined && {
      completionRecord: record,
      completionRecordValid: true,
      completionRecordRequested: true,
    }),
  });
}
