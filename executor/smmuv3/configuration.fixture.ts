/**
 * For tests: a memory with configuration structures in it, and a configuration cache on it.
 */
import type { Layout } from '../bits.ts';
import type { MemoryRange } from '../memory.ts';
import { Memory } from '../memory.ts';
import { ConfigurationCache } from './configuration.ts';
import type { ConfigurationRegisters, Stage2OfFetch } from './configuration.ts';
import type { Cd } from './context-descriptor.ts';
import { cdLayout, l1CdLayout } from './context-descriptor.ts';
import type { Identity } from './identity.ts';
import { svaIdentity } from './identity.ts';
import type { Ste } from './stream-table-entry.ts';
import { l1StdLayout, steLayout } from './stream-table-entry.ts';

/** Where the Stream table is, unless told. */
export const strtab = 0x10_0000n;

/** A fault of stage 2, as the caller of a lookup would name it. */
export type NoMapping = 'not mapped';

export interface Bench {
  readonly memory: Memory;
  readonly cache: ConfigurationCache;
  readonly registers: { -readonly [K in keyof ConfigurationRegisters]: ConfigurationRegisters[K] };
  /** What was asked of stage 2. */
  readonly ipas: bigint[];
  /** Stage 2: IPA + 1 MiB; above 256 MiB nothing is mapped. */
  readonly stage2: Stage2OfFetch<NoMapping>;
}

/** A linear Stream table of 256 entries, 1 GiB of memory. */
export function bench(
  options: {
    readonly identity?: Identity;
    readonly ranges?: readonly MemoryRange[];
    readonly registers?: Partial<ConfigurationRegisters>;
    readonly cacheInvalid?: boolean;
    readonly insert?: boolean;
  } = {},
): Bench {
  const memory = new Memory({ ranges: options.ranges ?? [{ base: 0n, size: 1n << 30n }] });
  const registers = {
    enabled: true,
    atsCheck: false,
    e2h: false,
    recordInvalidStreamId: true,
    recordConfigurationAts: false,
    strtabBase: strtab,
    strtabBaseCfg: 8,
    ...options.registers,
  };
  const ipas: bigint[] = [];
  return {
    memory,
    registers,
    ipas,
    cache: new ConfigurationCache(memory, options.identity ?? svaIdentity, registers, {
      ...(options.cacheInvalid === undefined ? {} : { cacheInvalid: options.cacheInvalid }),
      ...(options.insert === undefined ? {} : { insert: options.insert }),
    }),
    stage2: (ipa) => {
      ipas.push(ipa);
      return ipa < 0x1000_0000n ? { ok: true, physical: ipa + 0x10_0000n } : { ok: false, fault: 'not mapped' };
    },
  };
}

/** STRTAB_BASE_CFG of a two-level table. */
export function twoLevel(log2Size: number, split: number): number {
  return 0x1_0000 | (split << 6) | log2Size;
}

function put<P>(memory: Memory, address: bigint, layout: Layout<P>, fields: Parameters<Layout<P>['encode']>[0]): void {
  memory.write(address, layout.encode(fields));
}

/** Writes a valid entry of stage 1 with one Context descriptor at 0x20000, or as told. */
export function putSte({ memory }: Bench, address: bigint, fields: Partial<Ste> = {}): void {
  put(memory, address, steLayout, { V: true, Config: 0b101, S1ContextPtr: 0x2_0000n, ...fields });
}

/** Writes an entry with both stages, legal for 48-bit physical addresses. */
export function putNested(to: Bench, address: bigint, fields: Partial<Ste> = {}): void {
  putSte(to, address, { Config: 0b111, S2AA64: true, S2T0SZ: 24, S2SL0: 1, S2PS: 5, S2TTB: 0x8000n, ...fields });
}

/** Writes a valid Context descriptor with one half, or as told. */
export function putCd({ memory }: Bench, address: bigint, fields: Partial<Cd> = {}): void {
  put(memory, address, cdLayout, {
    V: true,
    AA64: true,
    A: true,
    R: true,
    T0SZ: 25,
    EPD1: true,
    IPS: 5,
    TTB0: 0x8000n,
    ...fields,
  });
}

export function putL1Std({ memory }: Bench, address: bigint, Span: number, L2Ptr: bigint): void {
  put(memory, address, l1StdLayout, { Span, L2Ptr });
}

export function putL1Cd({ memory }: Bench, address: bigint, L2Ptr: bigint, V = true): void {
  put(memory, address, l1CdLayout, { V, L2Ptr });
}

/** A lookup with the stage 2 of the bench. */
export function look(from: Bench, sid: number, ssid?: number) {
  return from.cache.lookup(sid, ssid, from.stage2);
}

/** The ASID of the Context descriptor that a lookup finds, or the event instead. */
export function asid(from: Bench, sid: number, ssid?: number): number | string {
  const found = look(from, sid, ssid);
  if (found.ok) return found.configuration.kind === 'translate' ? (found.configuration.stage1?.asid ?? -1) : -1;
  return found.reason === 'configuration' ? found.event.name : found.reason;
}

/** The VMID of the entry that a lookup finds: which entry smmu was. */
export function vmid(from: Bench, sid: number): number | string {
  const found = from.cache.lookupSte(sid);
  if (found.ok) return found.configuration.ste.S2VMID;
  return found.reason === 'configuration' ? found.event.name : found.reason;
}
