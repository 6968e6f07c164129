/**
 * Translation faults, and the event records and behaviours that follow from them (IHI 0070, 7.3.12 to 7.3.16 and 5.5).
 */
import type { Stage1, Stage2 } from './configuration.ts';
import { eventClass } from './events.ts';
import type { EventRecord } from './events.ts';

/** The four that A, R and S act on. */
export type TranslationFaultName = 'F_TRANSLATION' | 'F_ADDR_SIZE' | 'F_ACCESS' | 'F_PERMISSION';

/** What a stage was asked for: a context descriptor, a stage-1 descriptor, or the transaction itself. */
export type FaultClass = 'CD' | 'TT' | 'IN';

/** A fault of a stage, or an external abort of one of its descriptor fetches. */
export type Fault =
  | {
      readonly name: TranslationFaultName;
      readonly stage: 1 | 2;
      readonly class: FaultClass;
      /** Of stage 2: what it was to translate. */
      readonly ipa?: bigint;
      /** Of class TT: stage 1 read a descriptor, else it updated one. */
      readonly tableRead?: boolean;
    }
  | {
      readonly name: 'F_WALK_EABT';
      readonly stage: 1 | 2;
      readonly class: FaultClass;
      /** The physical address of the descriptor. */
      readonly fetchAddress: bigint;
    };

/** A transaction as event records describe it: its attributes after the overrides of the STE. */
export interface FaultedAccess {
  readonly streamId: number;
  readonly pasid?: number;
  readonly address: bigint;
  readonly read: boolean;
  readonly privileged: boolean;
  readonly instruction: boolean;
}

/** What becomes of a faulted transaction; `event` is to be recorded, of `stalled` always. */
export type Behaviour =
  | { readonly outcome: 'aborted' | 'read as zero, write ignored'; readonly event?: EventRecord }
  | { readonly outcome: 'stalled'; readonly event: EventRecord };

/** The event record of a fault, without STAG. */
export function faultEvent(fault: Fault, access: FaultedAccess, stall: boolean): EventRecord {
  const common = {
    sid: access.streamId,
    ssv: access.pasid !== undefined,
    ssid: access.pasid ?? 0,
    pnu: access.privileged,
    ind: access.instruction,
    rnw: access.read,
    s2: fault.stage === 2,
    class: eventClass[fault.class],
    inputAddr: access.address,
  };
  if (fault.name === 'F_WALK_EABT') {
    return { ...common, name: fault.name, reason: 0, gpcf: false, fetchAddr: fault.fetchAddress & ~7n };
  }
  // TTRnW says which access of a stage-1 walk stage 2 did not permit; it is unknown elsewhere.
  const ttrnw = fault.name === 'F_PERMISSION' && fault.class === 'TT' && fault.tableRead === true;
  return { ...common, name: fault.name, stag: 0, stall, nsipa: false, ttrnw, ipa: (fault.ipa ?? 0n) & ~0xfffn };
}

/**
 * A, R and S of the stage that faulted: S stalls, and records whatever R says; else A chooses between abort and RAZ/WI and R
 * records. Without a configuration of that stage (bypass), and for external aborts: abort and record.
 */
export function behaviourOf(
  fault: Fault,
  access: FaultedAccess,
  stages: { readonly stage1?: Stage1 | undefined; readonly stage2?: Stage2 | undefined },
): Behaviour {
  if (fault.name === 'F_WALK_EABT') return { outcome: 'aborted', event: faultEvent(fault, access, false) };
  const stage = fault.stage === 1 ? stages.stage1 : stages.stage2;
  const { record, stall } = stage ?? { record: true, stall: false };
  if (stall) return { outcome: 'stalled', event: faultEvent(fault, access, true) };
  const abort = fault.stage === 2 || (stages.stage1?.abort ?? true);
  return {
    outcome: abort ? 'aborted' : 'read as zero, write ignored',
    ...(record ? { event: faultEvent(fault, access, false) } : {}),
  };
}
