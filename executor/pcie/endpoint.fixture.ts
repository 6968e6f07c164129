/** Endpoints at an SMMU that is a table, with PASIDs and ATS on, and the requests that tests make with them. */
import { Endpoint, type EndpointOptions } from './endpoint.ts';
import type { InvalidateRequest } from './messages.ts';
import { must, type Outcome } from './outcome.ts';
import { FakeUpstream } from './upstream.fixture.ts';

/** Everything that there is. */
export const capabilities: EndpointOptions = {
  pasid: { width: 8, execute: true, privileged: true },
  ats: {},
  pri: { capacity: 8, responsePasidRequired: true },
};

/** An endpoint by hand with PASIDs and ATS on. */
export function byHand(options: EndpointOptions = {}): { readonly smmu: FakeUpstream; readonly endpoint: Endpoint } {
  return atOnce({ schedule: 'by hand', ...options });
}

/** The same with invalidations and responses at once. */
export function atOnce(options: EndpointOptions = {}): { readonly smmu: FakeUpstream; readonly endpoint: Endpoint } {
  const smmu = new FakeUpstream();
  const endpoint = new Endpoint(smmu, 0x10, { ...capabilities, ...options });
  must(endpoint.enablePasid({ execute: true, privileged: true }));
  must(endpoint.enableAts());
  return { smmu, endpoint };
}

/** The reason of a step that was refused. */
export function why(outcome: Outcome<unknown>): string {
  if (outcome.done) throw new Error('it was done');
  return outcome.why;
}

/** An invalidation of one page, 0x5000 if nothing else is said. */
export function invalidation(values: Partial<InvalidateRequest> = {}): InvalidateRequest {
  return { itag: 0, global: false, address: 0x5000n, sizeLog2: 12, ...values };
}

/** Puts the translation of a page into the ATC. */
export function fill(endpoint: Endpoint, address: bigint, pasid?: number): void {
  const id = must(endpoint.requestTranslation({ address, ...(pasid !== undefined && { pasid }) }));
  must(endpoint.deliver(id));
  must(endpoint.receiveCompletion(id, { cache: true }));
}

/** A write of two bytes. */
export function write(address: bigint, pasid?: number): Parameters<Endpoint['issue']>[0] {
  return { kind: 'write', address, bytes: Uint8Array.of(1, 2), ...(pasid !== undefined && { pasid }) };
}

/** A read without PASID. */
export function read(address: bigint, length = 2): Parameters<Endpoint['issue']>[0] {
  return { kind: 'read', address, length };
}

/** By hand, with four page requests allocated. */
export function withPri(options: EndpointOptions = {}): { readonly smmu: FakeUpstream; readonly endpoint: Endpoint } {
  const made = byHand(options);
  must(made.endpoint.enablePri(4));
  return made;
}
