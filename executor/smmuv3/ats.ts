/**
 * The answer to an ATS Translation Request (IHI 0070, 3.9.1.2, 13.6 and 13.7): which requests are refused, and what the
 * translations of one that is not permit.
 */
import type { AtsTranslation, TranslationCompletion, TranslationRequest } from '../pcie/messages.ts';
import type { ConfigurationResult } from './configuration.ts';
import type { EventRecord } from './events.ts';
import type { GrantedPage } from './ats-grant.ts';
import { grantPage } from './ats-grant.ts';
import type { Identity } from './identity.ts';
import { alignedDown } from './tlb-entry.ts';
import { configurationFor, contextOf, demandOf, faultedAccess, overridesOf } from './translation.ts';
import type { TranslationUnit } from './translation.ts';
import type { Fault } from './translation-faults.ts';
import { faultEvent } from './translation-faults.ts';

export { translateTranslated } from './ats-translated.ts';

/** The completion of a Translation Request, and the event that it causes if one is to be recorded. */
export interface AtsAnswer {
  readonly completion: TranslationCompletion;
  readonly event?: EventRecord;
}

/**
 * Answers a Translation Request. Flags of descriptors are updated and TLB entries are used and inserted as by a transaction.
 * Of a request for several translations the first decides their size; there are fewer if one does not fit it. Throws
 * `RangeError` for a count below 1.
 */
export function answerTranslationRequest(unit: TranslationUnit, request: TranslationRequest): AtsAnswer {
  const count = request.count ?? 1;
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`${count} translations cannot be asked for`);
  const stu = smallestTranslationUnit(unit.identity);
  // Address bits below 12 do not travel; those below the STU are none of the request's.
  const first = alignedDown(request.address, stu);
  if (!unit.registers.enabled) return unsupported(disallowed(request, count));
  const stream = unit.configuration.lookupSte(request.streamId);
  // The whole lookup fails for the same reason, and knows the SubstreamID.
  if (!stream.ok) return completerAbort(configurationFor(unit, request));
  if (stream.configuration.kind === 'abort') return unsupported();
  if (stream.configuration.eats === 'none') return unsupported(disallowed(request, count));
  const found = configurationFor(unit, request);
  if (!found.ok) {
    return found.reason === 'stage 2' ? faulted(unit, request, found.fault, stu) : completerAbort(found);
  }
  const { configuration } = found;
  if (configuration.kind === 'abort') return unsupported();
  const context = contextOf(configuration);
  const page = (address: bigint): GrantedPage => grantPage(unit, context, configuration, request, address);
  const one = page(first);
  if (!one.ok) return faulted(unit, request, one.fault, stu);
  const translations = [entryOf(one, request, stu)];
  const size = translations[0]?.sizeLog2 ?? stu;
  const end = first + (BigInt(count) << BigInt(stu));
  for (let address = alignedDown(first, size) + (1n << BigInt(size)); address < end; address += 1n << BigInt(size)) {
    const next = page(address);
    // What cannot be said of the rest is left to a request of its own.
    if (!next.ok && next.fault.name === 'F_WALK_EABT') break;
    const entry = next.ok ? entryOf(next, request, stu) : denied(request, stu);
    if (entry.sizeLog2 < size) break;
    const inside = next.ok && entry.sizeLog2 > size ? address - alignedDown(address, entry.sizeLog2) : 0n;
    translations.push({ ...entry, address: entry.address + inside, sizeLog2: size });
  }
  return { completion: { status: 'success', translations } };
}

/** The STU that endpoints are programmed with: the smallest granule (3.9.1), as log2 of bytes. */
export function smallestTranslationUnit(identity: Pick<Identity, 'GRAN4K' | 'GRAN16K'>): number {
  if (identity.GRAN4K) return 12;
  return identity.GRAN16K ? 14 : 16;
}

/** A page that is granted something, as it is sent; at least an STU where it is granted nothing. */
function entryOf(page: Extract<GrantedPage, { ok: true }>, request: TranslationRequest, stu: number): AtsTranslation {
  const { read, write, execute } = page.rights;
  if (!read && !write) return denied(request, stu);
  return { ...denied(request, stu), address: page.output, sizeLog2: page.sizeLog2, read, write, execute };
}

/** R = W = 0. Priv is that of the request; Global is never set, since ASETs keep global translations apart (3.9.1). */
function denied(request: TranslationRequest, stu: number): AtsTranslation {
  return {
    address: 0n,
    sizeLog2: stu,
    read: false,
    write: false,
    execute: false,
    privileged: request.pasid !== undefined && request.privileged === true,
    global: false,
    untranslatedOnly: false,
  };
}

function faulted(unit: TranslationUnit, request: TranslationRequest, fault: Fault, stu: number): AtsAnswer {
  if (fault.name !== 'F_WALK_EABT') {
    return { completion: { status: 'success', translations: [denied(request, stu)] } };
  }
  const demand = demandOf({ ...request, kind: 'read' }, overridesOf(unit, request.streamId));
  const event = faultEvent(fault, faultedAccess(request, demand, request.address), false);
  return {
    completion: { status: 'completer abort' },
    ...(unit.registers.recordConfigurationAts ? { event } : {}),
  };
}

function unsupported(event?: EventRecord): AtsAnswer {
  return { completion: { status: 'unsupported request' }, ...(event === undefined ? {} : { event }) };
}

function completerAbort(found: ConfigurationResult<Fault>): AtsAnswer {
  const recorded = !found.ok && found.reason === 'configuration' && found.recordedForAts;
  return { completion: { status: 'completer abort' }, ...(recorded ? { event: found.event } : {}) };
}

/** F_BAD_ATS_TREQ: what was asked for, before overrides. Read is always asked for. */
function disallowed(request: TranslationRequest, count: number): EventRecord {
  const prefixed = request.pasid !== undefined;
  return {
    name: 'F_BAD_ATS_TREQ',
    sid: request.streamId,
    ssv: prefixed,
    ssid: request.pasid ?? 0,
    read: true,
    write: request.noWrite !== true,
    execute: prefixed && request.execute === true,
    privileged: prefixed && request.privileged === true,
    span: Math.min(count, 0xff),
    inputAddr: alignedDown(request.address, 12),
  };
}
