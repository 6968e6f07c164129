/**
 * A device with PASIDs for lowerings: an endpoint with ATS and PRI, a shared work queue in the manner of DSA, and the table of
 * Context descriptors of its stream, whose entries are what the PASID table is on other machines.
 */
import { ContextTable } from '../host/context-table.ts';
import type { Translation } from '../pcie/address-translation-cache.ts';
import { Endpoint } from '../pcie/endpoint.ts';
import type { MemoryFlight } from '../pcie/link.ts';
import { must } from '../pcie/outcome.ts';
import { type Job, WorkQueue } from '../pcie/work-queue.ts';
import { type Cd, cdLayout } from '../smmuv3/context-descriptor.ts';
import type { Platform } from './platform.ts';

export interface PasidDeviceOptions {
  readonly streamId: number;
  readonly name: string;
  /** Max PASID Width; `undefined`: it has no PASID capability. */
  readonly width: number | undefined;
  /** log2 of the Context descriptors of its stream. */
  readonly ssidBits: number;
  /** Slots of its work queue, with an engine for each. */
  readonly slots: number;
  /** How many page requests it may have outstanding. */
  readonly pageRequests: number;
}

/** A device that does nothing by itself. */
export class PasidDevice {
  readonly endpoint: Endpoint;
  readonly queue: WorkQueue;
  readonly name: string;
  readonly #platform: Platform;
  readonly #contexts: ContextTable;
  /** It is looked at after every step. */
  readonly #decoded = new Map<number, { readonly raw: Uint8Array; readonly cd: Cd }>();

  /** No Context descriptor is valid; PASID, ATS and PRI are enabled, in this order. */
  constructor(platform: Platform, options: PasidDeviceOptions) {
    const { streamId, width, slots, pageRequests } = options;
    this.name = options.name;
    this.#platform = platform;
    this.#contexts = new ContextTable(platform.memory, platform.frames, options.ssidBits, false);
    this.endpoint = new Endpoint(platform.smmu, streamId, {
      ...(width === undefined ? {} : { pasid: { width } }),
      ats: {},
      pri: { capacity: pageRequests, responsePasidRequired: true },
      schedule: 'by hand',
    });
    platform.smmu.connect(streamId, this.endpoint);
    // Without PASID it does nothing (S1DSS = 00).
    platform.writeSte(streamId, {
      V: true,
      Config: 0b101,
      ...this.#contexts.pointer,
      S1CIR: 1,
      S1COR: 1,
      S1CSH: 3,
      EATS: 1,
    });
    if (width !== undefined) must(this.endpoint.enablePasid());
    must(this.endpoint.enableAts());
    must(this.endpoint.enablePri(pageRequests));
    this.queue = new WorkQueue(this.endpoint, { slots, engines: slots });
  }

  get streamId(): number {
    return this.endpoint.streamId;
  }

  /** Where the Context descriptor of a PASID is. */
  cdAddress(pasid: number): bigint {
    const address = this.#contexts.entryAddress(pasid);
    if (address === undefined) throw new RangeError(`no Context descriptor for PASID ${pasid}`);
    return address;
  }

  /** The Context descriptor of a PASID in memory. */
  cd(pasid: number): Cd {
    const raw = this.cdBytes(pasid);
    const known = this.#decoded.get(pasid);
    if (known !== undefined && raw.every((byte, i) => byte === known.raw[i])) return known.cd;
    const cd = cdLayout.decode(raw);
    this.#decoded.set(pasid, { raw, cd });
    return cd;
  }

  cdBytes(pasid: number): Uint8Array {
    return this.#platform.memory.read(this.cdAddress(pasid), cdLayout.length);
  }

  /** Writes it; the SMMU goes by what it has cached until it is told otherwise. */
  writeCd(pasid: number, fields: Partial<Cd>): void {
    this.#platform.writeCd(this.cdAddress(pasid), fields);
  }

  /** The Context descriptor that the SMMU has cached. */
  cachedCd(pasid: number): Cd | undefined {
    const found = this.#platform.smmu.configuration.entries.find(
      (entry) => entry.kind === 'CD' && entry.sid === this.streamId && entry.ssid === pasid,
    );
    return found?.kind === 'CD' ? found.cd : undefined;
  }

  /** What the ATC has for an address of a PASID. */
  cached(pasid: number, iova: bigint): Translation | undefined {
    return this.endpoint.atc.lookup({ pasid, address: iova });
  }

  /** The writes of a job that are on their way to memory. */
  writesOf(job: Job): readonly MemoryFlight[] {
    return this.endpoint.flights.filter(
      (flight): flight is MemoryFlight => flight.kind === 'memory' && job.sent.includes(flight.id),
    );
  }
}
