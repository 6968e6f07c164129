/**
 * What a lookup of a stream's configuration gives (IHI 0070, 3.3.2, 3.3.3), and what it depends on.
 */
import type { Regime } from '../pagetable/vmsav8.ts';
import type { Cd, L1Cd } from './context-descriptor.ts';
import type { EventRecord } from './events.ts';
import type { L1Std, Ste, StreamWorld } from './stream-table-entry.ts';

/** The register fields that configuration lookups depend on, as they are now. */
export interface ConfigurationRegisters {
  /** CR0.SMMUEN. */
  readonly enabled: boolean;
  /** CR0.ATSCHK. */
  readonly atsCheck: boolean;
  /** CR2.E2H. */
  readonly e2h: boolean;
  /** CR2.RECINVSID. */
  readonly recordInvalidStreamId: boolean;
  /** CR2.REC_CFG_ATS. */
  readonly recordConfigurationAts: boolean;
  /** STRTAB_BASE, the 64-bit register. */
  readonly strtabBase: bigint;
  /** STRTAB_BASE_CFG, the 32-bit register. */
  readonly strtabBaseCfg: number;
}

/** Stage 1, from a legal Context descriptor. */
export interface Stage1 {
  readonly cd: Cd;
  readonly asid: number;
  /** Walks of TTB0 and TTB1; `undefined` where they are disabled: EPDx, or no TTB1 in the EL2 regime. */
  readonly lower: Regime | undefined;
  readonly upper: Regime | undefined;
  /** CD.A, R, S: abort (else RAZ/WI), record, stall. */
  readonly abort: boolean;
  readonly record: boolean;
  readonly stall: boolean;
}

/** Stage 2, from a legal Stream table entry. */
export interface Stage2 {
  readonly regime: Regime;
  readonly vmid: number;
  /** S2R, S2S; stage 2 always aborts. */
  readonly record: boolean;
  readonly stall: boolean;
  /** S2PTW in effect: with both stages, table walks and Context descriptor fetches in Device memory fault. */
  readonly protectedTableWalk: boolean;
}

/** What every stream that is not aborted has, whatever its SubstreamIDs. */
export interface StreamConfiguration {
  readonly ste: Ste;
  readonly world: StreamWorld;
  /** The VMID that tags its TLB entries, or `undefined`: stage 2 is not implemented or the regime is not EL1 (5.2 S2VMID). */
  readonly vmid: number | undefined;
  /** What EATS allows. */
  readonly eats: 'none' | 'full' | 'split';
  /** PRIVCFG and INSTCFG as far as IDR1.ATTR_PERMS_OVR lets them act. INSTCFG acts on reads only. */
  readonly privilege: 'incoming' | 'unprivileged' | 'privileged';
  readonly instruction: 'incoming' | 'data' | 'instruction';
  /** Automatic PRI responses carry the PASID (PPAR, or IDR3.PPS). */
  readonly pasidInAutoResponses: boolean;
  /** MEV: events of this stream may be merged. */
  readonly mergeEvents: boolean;
  /** Stage 1 is enabled in the entry, and S1DSS = 01 skips it for this transaction without SubstreamID. */
  readonly stage1Skipped: boolean;
}

/** How transactions of a stream and substream are treated. `abort`: Config 0xx, silently. */
export type Configuration =
  | { readonly kind: 'abort'; readonly ste: Ste }
  | (StreamConfiguration & { readonly kind: 'bypass' })
  | (StreamConfiguration & { readonly kind: 'translate'; readonly stage1?: Stage1; readonly stage2?: Stage2 });

/**
 * A lookup. `disabled`: SMMUEN = 0, nothing is fetched or used. `configuration`: abort with this event, which is recorded as
 * given for an ordinary transaction, and as given for an ATS request or a Translated transaction (3.9.1.2). `stage 2`: the
 * fetch of a Context descriptor or its table faulted at stage 2 at this IPA (CLASS = CD).
 */
export type ConfigurationResult<F> =
  | { readonly ok: true; readonly configuration: Configuration }
  | { readonly ok: false; readonly reason: 'disabled' }
  | {
      readonly ok: false;
      readonly reason: 'configuration';
      readonly event: EventRecord;
      readonly recorded: boolean;
      readonly recordedForAts: boolean;
      /** Which rule of 5.2.2 or 5.4.2 the structure breaks, for people. */
      readonly because?: string;
    }
  | {
      readonly ok: false;
      readonly reason: 'stage 2';
      readonly fault: F;
      readonly ipa: bigint;
      readonly ste: Ste;
      readonly stage2: Stage2;
    };

/** Translates the IPA of a Context descriptor or its table by stage 2, as a data read. */
export type Stage2OfFetch<F> = (
  ipa: bigint,
  stage2: Stage2,
) => { readonly ok: true; readonly physical: bigint } | { readonly ok: false; readonly fault: F };

/** Which structure: the streams of a level-1 descriptor, and the indices of a CD table, start at a multiple of their count. */
export type ConfigurationPlace =
  | { readonly kind: 'L1STD'; readonly firstSid: number; readonly sids: number }
  | { readonly kind: 'STE'; readonly sid: number }
  | { readonly kind: 'L1CD'; readonly sid: number; readonly firstSsid: number; readonly ssids: number }
  | { readonly kind: 'CD'; readonly sid: number; readonly ssid: number };

/** A structure in the cache. */
export type ConfigurationEntry =
  | (Extract<ConfigurationPlace, { kind: 'L1STD' }> & { readonly l1Std: L1Std })
  | (Extract<ConfigurationPlace, { kind: 'STE' }> & { readonly ste: Ste })
  | (Extract<ConfigurationPlace, { kind: 'L1CD' }> & { readonly l1Cd: L1Cd })
  | (Extract<ConfigurationPlace, { kind: 'CD' }> & { readonly cd: Cd });

/** One 64-bit word that a fetch has read. */
export interface FetchedWord {
  readonly structure: ConfigurationPlace['kind'];
  /** Physical. */
  readonly address: bigint;
  readonly word: bigint;
}

/** A lookup in steps: between two steps the caller may change memory, or perform commands. */
export interface ConfigurationFetch<F> {
  /**
   * Goes on to the next word read from memory, or to the end. After a CFGI that covers a structure which the fetch has used
   * it starts anew. Once it has ended it gives the same result for ever.
   */
  next():
    | { readonly done: false; readonly read: FetchedWord }
    | { readonly done: true; readonly result: ConfigurationResult<F> };
  /** Forgets what it has read; `next` then begins anew. For a fetch that will not go on, so that the cache forgets it. */
  abandon(): void;
}
