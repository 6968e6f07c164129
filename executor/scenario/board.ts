/**
 * What a scenario is run on: this project's machine, or QEMU. Writes are done in the order of the calls, and before any later
 * read.
 */
import type { AccessSize, AtsRequest, DevicePlace, Dma, PriRequest } from './scenario.ts';

/** A value now or later. */
type Awaitable<T> = T | Promise<T>;

/** A machine with memory, an SMMU and PCIe functions. */
export interface Board {
  /** Throws `RangeError` where no memory is. */
  writeMemory(address: bigint, bytes: Uint8Array): Awaitable<void>;
  readMemory(address: bigint, length: number): Awaitable<Uint8Array>;
  /** A register by its physical address, or a little-endian number in memory. Throws `RangeError` where neither is. */
  writeRegister(address: bigint, size: AccessSize, value: bigint): Awaitable<void>;
  readRegister(address: bigint, size: AccessSize): Awaitable<bigint>;
  /** Does a DMA to its end. */
  dma(device: DevicePlace, dma: Dma): Awaitable<DmaOutcome>;
  /** The physical address of the function's registers. */
  barOf(device: DevicePlace): bigint;
  /** What has no counterpart in QEMU: ATS and PRI. */
  readonly services?: Services;
}

/** Fields of a result. */
export type ResultFields = Readonly<Record<string, unknown>>;

/** What came of a DMA. */
export interface DmaOutcome {
  /** Of a read, with zeros where nothing came. */
  readonly data?: Uint8Array;
  /** What QEMU cannot tell: how a DMA through the ATC ended, and the STAGs of what stalled. */
  readonly more?: ResultFields;
}

/** ATS and PRI of the functions. */
export interface Services {
  ats(device: DevicePlace, request: AtsRequest): ResultFields;
  atc(device: DevicePlace): ResultFields;
  pri(device: DevicePlace, request: PriRequest): ResultFields;
  messages(device: DevicePlace): ResultFields;
}
