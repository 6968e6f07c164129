/**
 * Translated transactions (IHI 0070, 3.9.1.3): passed on as they are, or checked against the Stream table entry (ATSCHK), or
 * with split-stage ATS translated by stage 2.
 */
import type { MemoryRequest } from '../pcie/messages.ts';
import type { Configuration, ConfigurationResult } from './configuration.ts';
import type { EventRecord } from './events.ts';
import { outputBits } from './identity.ts';
import {
  aborted,
  byPage,
  configurationFor,
  contextOf,
  demandOf,
  faultedAccess,
  lengthOf,
  overridesOf,
} from './translation.ts';
import type { Outcome, PageOutcome, TranslationUnit } from './translation.ts';
import { behaviourOf } from './translation-faults.ts';
import type { Fault } from './translation-faults.ts';
import { translateAddress } from './translation-stages.ts';

/** Checks, and with split-stage ATS translates, a Translated transaction. Throws `RangeError` for an empty request. */
export function translateTranslated(unit: TranslationUnit, request: MemoryRequest): Outcome {
  const { registers } = unit;
  if (!registers.enabled) return { ...aborted(forbidden(request)), pieces: [] };
  if (!registers.atsCheck) return pass(unit, request);
  // Without PASIDTT the transaction has no PASID, and is unprivileged data, whatever prefix it travels with.
  const known = unit.identity.PASIDTT ? request : withoutPrefix(request);
  const stream = unit.configuration.lookupSte(request.streamId);
  // The whole lookup fails for the same reason, and knows the SubstreamID.
  if (!stream.ok) return { ...refused(unit, configurationFor(unit, known)), pieces: [] };
  const { configuration } = stream;
  if (configuration.kind === 'abort') return { ...aborted(), pieces: [] };
  if (configuration.eats === 'none') return { ...aborted(forbidden(request)), pieces: [] };
  const failed = unit.identity.PASIDTT ? substreamFailure(unit, known) : undefined;
  if (failed !== undefined) return { ...failed, pieces: [] };
  if (configuration.eats === 'full') return pass(unit, request);
  return byPage(request, (address, length, offset) =>
    throughStage2(unit, known, configuration, address, length, offset),
  );
}

/** An address beyond OAS is aborted, and nothing is recorded: one of the two behaviours that 3.9.1.1 allows. */
function pass(unit: TranslationUnit, request: MemoryRequest): Outcome {
  const length = lengthOf(request);
  const last = request.address + BigInt(length - 1);
  if (last >> BigInt(outputBits(unit.identity)) !== 0n) return { ...aborted(), pieces: [] };
  return { outcome: 'admitted', pieces: [{ physical: request.address, offset: 0, length, used: [] }] };
}

/** Configuration errors are recorded with REC_CFG_ATS; of an unknown StreamID whatever RECINVSID says. */
function refused(unit: TranslationUnit, found: ConfigurationResult<Fault>): ReturnType<typeof aborted> {
  const record = !found.ok && found.reason === 'configuration' && unit.registers.recordConfigurationAts;
  return aborted(record ? found.event : undefined);
}

/** With PASIDTT the SubstreamID is checked; without a PASID only whether that is allowed. */
function substreamFailure(unit: TranslationUnit, request: MemoryRequest): ReturnType<typeof behaviourOf> | undefined {
  const found = configurationFor(unit, request);
  if (found.ok || found.reason === 'disabled') return undefined;
  if (found.reason === 'stage 2') {
    if (request.pasid === undefined) return undefined;
    const access = faultedAccess(request, demandOf(request, overridesOf(unit, request.streamId)), request.address);
    return behaviourOf(found.fault, access, { stage2: found.stage2 });
  }
  if (request.pasid === undefined && found.event.name !== 'F_STREAM_DISABLED') return undefined;
  return aborted(unit.registers.recordConfigurationAts ? found.event : undefined);
}

function throughStage2(
  unit: TranslationUnit,
  request: MemoryRequest,
  configuration: Exclude<Configuration, { kind: 'abort' }>,
  address: bigint,
  length: number,
  offset: number,
): PageOutcome {
  const { tag, stage2 } = contextOf(configuration);
  const demand = demandOf(request, configuration);
  const result = translateAddress(unit, { tag, stage2 }, address, demand);
  if (result.ok) {
    return { outcome: 'admitted', piece: { physical: result.physical, offset, length, used: result.used } };
  }
  // Split-stage ATS and S2S together are ILLEGAL: there is nothing to stall by.
  const stages = stage2 === undefined ? {} : { stage2: { ...stage2, stall: false } };
  return behaviourOf(result.fault, faultedAccess(request, demand, address), stages);
}

function withoutPrefix(request: MemoryRequest): MemoryRequest {
  const { pasid: _, ...rest } = request;
  return rest;
}

function forbidden(request: MemoryRequest): EventRecord {
  return {
    name: 'F_TRANSL_FORBIDDEN',
    sid: request.streamId,
    rnw: request.kind === 'read',
    inputAddr: request.address,
  };
}
