/**
 * An ordinary (untranslated) transaction on its way through the SMMU: configuration, stage 1 and stage 2, and what becomes of
 * it: physical pieces, or an event and one of the behaviours of 5.5.
 */
import type { Demand } from '../pagetable/format.ts';
import type { MemoryRequest, Requester } from '../pcie/messages.ts';
import type { Command } from './commands.ts';
import type { Configuration, ConfigurationCache, ConfigurationResult, Stage2OfFetch } from './configuration.ts';
import type { EventRecord } from './events.ts';
import { outputBits } from './identity.ts';
import type { Tag, TlbEntry } from './tlb-entry.ts';
import { behaviourOf } from './translation-faults.ts';
import type { Behaviour, Fault, FaultedAccess } from './translation-faults.ts';
import { translateAddress, translateOwnAccess } from './translation-stages.ts';
import type { Context, WalkUnit } from './translation-stages.ts';

/** Register bits that translations depend on, as they are now. */
export interface TranslationRegisters {
  /** CR0.SMMUEN. */
  readonly enabled: boolean;
  /** CR0.ATSCHK. */
  readonly atsCheck: boolean;
  /** CR2.REC_CFG_ATS. */
  readonly recordConfigurationAts: boolean;
  /** GBPA.ABORT. */
  readonly globalBypassAbort: boolean;
}

/** What translations read and write. */
export interface TranslationUnit extends WalkUnit {
  readonly configuration: Pick<ConfigurationCache, 'lookup' | 'lookupSte'>;
  readonly registers: TranslationRegisters;
}

/** A part of a transaction within one translation. */
export interface Piece {
  readonly physical: bigint;
  /** From the start of the request, in bytes. */
  readonly offset: number;
  readonly length: number;
  /** The TLB entries that it was translated with, whether they stayed in the TLB or not. */
  readonly used: readonly TlbEntry[];
}

/**
 * What became of a transaction. `pieces`: the parts, in order, up to the first page that faulted: each page is a transaction
 * of its own on the link. `event`: to be recorded; without it nothing is. A stalled one always has its event, of which
 * the STAG is still to be chosen.
 */
export type Outcome =
  | { readonly outcome: 'admitted'; readonly pieces: readonly Piece[] }
  | (Behaviour & { readonly pieces: readonly Piece[] });

/** Pages are translated one by one; no request on the link crosses 4 KiB. */
const PAGE = 4096;

/** Translates an untranslated request. SMMUEN = 0: bypass or GBPA.ABORT. Throws `RangeError` for an empty request. */
export function translateAccess(unit: TranslationUnit, request: MemoryRequest): Outcome {
  return byPage(request, (address, length, offset) => translatePage(unit, request, address, length, offset));
}

/**
 * Whether a CMD_SYNC after this TLBI must wait for the transaction: it was translated with something that the command drops,
 * and must be visible in memory before the invalidation is complete (3.21.1, INV-02).
 */
export function holdsUp(unit: Pick<TranslationUnit, 'tlb'>, command: Command, pieces: readonly Piece[]): boolean {
  return pieces.some(({ used }) => used.some((entry) => unit.tlb.covers(command, entry)));
}

/** What one page of a request becomes. */
export type PageOutcome = { readonly outcome: 'admitted'; readonly piece: Piece } | Behaviour;

/** A request page by page, up to the first that does not get through. Throws `RangeError` for an empty request. */
export function byPage(
  request: MemoryRequest,
  translate: (address: bigint, length: number, offset: number) => PageOutcome,
): Outcome {
  const total = lengthOf(request);
  const pieces: Piece[] = [];
  for (let offset = 0; offset < total;) {
    const address = request.address + BigInt(offset);
    const length = Math.min(total - offset, PAGE - Number(address % BigInt(PAGE)));
    const page = translate(address, length, offset);
    if (page.outcome !== 'admitted') return { ...page, pieces };
    pieces.push(page.piece);
    offset += length;
  }
  return { outcome: 'admitted', pieces };
}

/** Bytes of a request. Throws `RangeError` if there are none. */
export function lengthOf(request: MemoryRequest): number {
  const length = request.bytes?.length ?? request.length ?? 0;
  if (length <= 0) throw new RangeError('a request has at least one byte');
  return length;
}

/** The configuration for a requester. A context descriptor behind stage 2 is fetched through it. */
export function configurationFor(
  unit: WalkUnit & Pick<TranslationUnit, 'configuration'>,
  requester: Requester,
): ConfigurationResult<Fault> {
  const fetch: Stage2OfFetch<Fault> = (ipa, stage2) =>
    translateOwnAccess(unit, { tag: { world: 'NS-EL1', vmid: stage2.vmid }, stage2 }, stage2, ipa, 'CD', 'read');
  return unit.configuration.lookup(requester.streamId, requester.pasid, fetch);
}

/** The stages of a configuration, and the tag of its lookups. */
export function contextOf(configuration: Exclude<Configuration, { kind: 'abort' }>): Context {
  const { world, vmid } = configuration;
  const ofVmid = vmid === undefined ? {} : { vmid };
  if (configuration.kind === 'bypass') return { tag: { world, ...ofVmid } };
  const { stage1, stage2 } = configuration;
  // EL2 without E2H has no ASIDs (3.17).
  const ofAsid = stage1 === undefined || world === 'EL2' ? {} : { asid: stage1.asid, aset: stage1.cd.ASET };
  const tag: Tag = { world, ...ofVmid, ...ofAsid };
  return { tag, ...(stage1 === undefined ? {} : { stage1 }), ...(stage2 === undefined ? {} : { stage2 }) };
}

/** The overrides of a stream whose Stream table entry is legal. */
export function overridesOf(unit: Pick<TranslationUnit, 'configuration'>, streamId: number): Overrides | undefined {
  const stream = unit.configuration.lookupSte(streamId);
  return stream.ok && stream.configuration.kind !== 'abort' ? stream.configuration : undefined;
}

/** PRIVCFG and INSTCFG. */
export type Overrides = Pick<Exclude<Configuration, { kind: 'abort' }>, 'privilege' | 'instruction'>;

/** What a request asks for after the overrides of the STE: PRIVCFG, and of reads INSTCFG (13.1.2, 13.7). */
export function demandOf(
  request: Pick<MemoryRequest, 'kind' | 'pasid' | 'privileged' | 'execute' | 'privilegedClient'>,
  overrides?: Overrides,
): Demand {
  const { privilege, instruction } = overrides ?? { privilege: 'incoming', instruction: 'incoming' };
  const prefixed = request.pasid !== undefined;
  const incoming = prefixed ? request.privileged === true : request.privilegedClient === true;
  const privileged = privilege === 'incoming' ? incoming : privilege === 'privileged';
  const execute = instruction === 'incoming' ? prefixed && request.execute === true : instruction === 'instruction';
  if (request.kind === 'write') return { kind: 'write', privileged };
  return { kind: execute ? 'execute' : 'read', privileged };
}

/** The request as event records describe it. */
export function faultedAccess(request: Requester, demand: Demand, address: bigint): FaultedAccess {
  const { streamId, pasid } = request;
  return {
    streamId,
    ...(pasid === undefined ? {} : { pasid }),
    address,
    read: demand.kind !== 'write',
    privileged: demand.privileged,
    instruction: demand.kind === 'execute',
  };
}

/** An abort, with an event if one is to be recorded. */
export function aborted(event?: EventRecord): Behaviour {
  return { outcome: 'aborted', ...(event === undefined ? {} : { event }) };
}

function translatePage(
  unit: TranslationUnit,
  request: MemoryRequest,
  address: bigint,
  length: number,
  offset: number,
): PageOutcome {
  if (!unit.registers.enabled) {
    // Global bypass: an address beyond OAS aborts, and nothing is recorded (3.4).
    const beyond = address >> BigInt(outputBits(unit.identity)) !== 0n;
    if (unit.registers.globalBypassAbort || beyond) return aborted();
    return { outcome: 'admitted', piece: { physical: address, offset, length, used: [] } };
  }
  const found = configurationFor(unit, request);
  if (!found.ok) {
    switch (found.reason) {
      case 'disabled': {
        return aborted();
      }
      case 'configuration': {
        return aborted(found.recorded ? found.event : undefined);
      }
      case 'stage 2': {
        const { fault, stage2 } = found;
        const demand = demandOf(request, overridesOf(unit, request.streamId));
        return behaviourOf(fault, faultedAccess(request, demand, address), { stage2 });
      }
    }
  }
  const { configuration } = found;
  if (configuration.kind === 'abort') return aborted();
  const context = contextOf(configuration);
  const demand = demandOf(request, configuration);
  const result = translateAddress(unit, context, address, demand);
  if (!result.ok) return behaviourOf(result.fault, faultedAccess(request, demand, address), context);
  return { outcome: 'admitted', piece: { physical: result.physical, offset, length, used: result.used } };
}
