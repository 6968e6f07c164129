/**
 * A scenario: what is done to a machine step by step, and what is expected of it. The types; `format.ts` reads them from JSON.
 */
import type { Identity } from '../smmuv3/identity.ts';

/** What is wrong with a scenario: its message names the step. */
export class ScenarioError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ScenarioError';
  }
}

/** A PCIe function; its requester ID is its StreamID (bus << 8 | slot << 3 | fn). */
export interface DevicePlace {
  readonly name: string;
  readonly bus: number;
  readonly slot: number;
  readonly fn: number;
}

/** The StreamID of a function. */
export function streamIdOf({ bus, slot, fn }: DevicePlace): number {
  return (bus << 8) | (slot << 3) | fn;
}

/** Bytes of a register access. */
export type AccessSize = 1 | 2 | 4 | 8;

/** Where an `mmio` goes: a physical address, and the register's name if it was given by name. */
export interface RegisterPlace {
  readonly reg?: string;
  readonly addr: bigint;
  readonly size: AccessSize;
}

/** A function's request: the PASID, and what a PASID permits it to say. QEMU has none of it. */
export interface Requester {
  readonly dev?: string;
  readonly pasid?: number;
  readonly privileged?: boolean;
  readonly execute?: boolean;
}

/** How a DMA gets its address. `translated`: it is one from a Translation Completion; `ats`: through the function's ATC. */
export type AddressKind = 'untranslated' | 'translated' | 'ats';

/** A DMA of a function. */
export interface Dma extends Requester {
  readonly op: 'dma';
  readonly iova: bigint;
  readonly at: AddressKind;
  readonly data: { readonly dir: 'write'; readonly bytes: Uint8Array } | { readonly dir: 'read'; readonly len: number };
}

/** A Translation Request of a function; its completion goes into the function's ATC. */
export interface AtsRequest extends Requester {
  readonly op: 'ats';
  readonly iova: bigint;
  readonly count: number;
  readonly noWrite: boolean;
}

/** A Page Request of a function. */
export interface PriRequest extends Requester {
  readonly op: 'pri';
  readonly iova: bigint;
  readonly group: number;
  readonly last: boolean;
  readonly read: boolean;
  readonly write: boolean;
}

/** What a step does; section "Steps" of docs/machine.md. */
export type Operation =
  | { readonly op: 'mem'; readonly addr: bigint; readonly bytes: Uint8Array }
  | { readonly op: 'memset'; readonly addr: bigint; readonly len: number; readonly byte: number }
  | { readonly op: 'mmio'; readonly place: RegisterPlace; readonly value: bigint }
  | { readonly op: 'mmio_read'; readonly place: RegisterPlace }
  | Dma
  | { readonly op: 'cmd'; readonly commands: readonly Uint8Array[] }
  | { readonly op: 'events' }
  | { readonly op: 'read'; readonly addr: bigint; readonly len: number }
  | { readonly op: 'bdf' }
  | AtsRequest
  | { readonly op: 'atc'; readonly dev?: string }
  | PriRequest
  | { readonly op: 'pri_queue' }
  | { readonly op: 'messages'; readonly dev?: string };

/** The operations by name, and whether each has a result. */
export const operations: Readonly<Record<Operation['op'], { readonly hasResult: boolean }>> = {
  mem: { hasResult: false },
  memset: { hasResult: false },
  mmio: { hasResult: false },
  mmio_read: { hasResult: true },
  dma: { hasResult: true },
  cmd: { hasResult: true },
  events: { hasResult: true },
  read: { hasResult: true },
  bdf: { hasResult: true },
  ats: { hasResult: true },
  atc: { hasResult: true },
  pri: { hasResult: true },
  pri_queue: { hasResult: true },
  messages: { hasResult: true },
};

/** A step with its label and what is expected of its result. */
export interface Step {
  readonly operation: Operation;
  readonly name?: string;
  readonly note?: string;
  /** As it was given; a result must match it in part. */
  readonly expect?: unknown;
}

/** What only the run on QEMU depends on. */
export interface QemuSettings {
  readonly bin?: string;
  readonly machine?: string;
  readonly trace: readonly string[];
  readonly extraArgs: readonly string[];
  /** Memory that data passes through on its way to and from the device; restored after each DMA. */
  readonly scratch?: bigint;
}

/** A scenario as it is run. */
export interface Scenario {
  readonly devices: readonly DevicePlace[];
  /** Bytes of memory from 0x40000000. */
  readonly ram: bigint;
  /** Changes to the default identity of the SMMU. */
  readonly smmu: Partial<Identity>;
  /** Requests without PASID are privileged, as in QEMU; by the specification they are not. */
  readonly privileged: boolean;
  readonly qemu: QemuSettings;
  readonly steps: readonly Step[];
  /** What was given and means nothing. */
  readonly warnings: readonly string[];
}

/** What a step came to: its index, its `op`, its name and note, the fields of the operation, and whether it was as expected. */
export interface StepResult {
  readonly i: number;
  readonly op: Operation['op'];
  readonly name?: string;
  readonly note?: string;
  readonly expect?: unknown;
  readonly ok?: boolean;
  readonly [field: string]: unknown;
}

/** What a scenario came to: one result for each step that has one, in order. */
export interface ScenarioResult {
  readonly results: readonly StepResult[];
  /** All that was expected holds. */
  readonly ok: boolean;
}

/** Where things are in the physical address space (QEMU's `virt` with highmem=off). */
export const memoryMap = { ram: 0x4000_0000n, smmu: 0x0905_0000n, smmuSize: 0x2_0000n, bars: 0x1000_0000n } as const;
