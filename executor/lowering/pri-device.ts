/**
 * A device with PRI for lowerings: its endpoint, the Context descriptors of its stream, and its page requests, which tell by
 * their addresses who made the device ask.
 *
 * The device is the lowering's own: it works on buffers that lie elsewhere in each address space, and goes on to the next part
 * of a buffer with each group. So whose work a request is of, and which use of its group index, is in the 16 bytes of its record,
 * and in those of every copy. It never uses group index 0, which is what its Stop Markers have in a field that means nothing.
 */
import { ContextTable } from '../host/context-table.ts';
import { Endpoint } from '../pcie/endpoint.ts';
import type { EndpointDefect } from '../pcie/defects.ts';
import type { PageRequestFlight } from '../pcie/link.ts';
import type { PageResponse } from '../pcie/messages.ts';
import { must, type Outcome, refused } from '../pcie/outcome.ts';
import type { Group, PageRequestInterface } from '../pcie/page-request-interface.ts';
import type { StopKind } from '../pcie/pasid.ts';
import { type Cd, cdLayout } from '../smmuv3/context-descriptor.ts';
import type { AddressSpace } from './address-space.ts';
import type { Platform } from './platform.ts';

/** What a page request is for. */
interface Use {
  /** Whose work, from 0. */
  readonly process: number;
  /** Which use of a group index: a number that grows, and is odd in every other epoch. */
  readonly use: number;
  /** Whether it is the second request of its group. */
  readonly second: boolean;
}

const buffers = 0x7f00_0000_0000n;

function addressOf({ process, use, second }: Use): bigint {
  return buffers + (BigInt(process) << 32n) + (BigInt(use) << 13n) + (second ? 0x1000n : 0n);
}

/** What a request for this address is for. */
export function useOf(address: bigint): Use {
  const offset = address - buffers;
  return {
    process: Number(offset >> 32n),
    use: Number((offset & 0xffff_ffffn) >> 13n),
    second: (offset & 0x1000n) !== 0n,
  };
}

/** The epoch of a use, as models have it. */
export function epochOf(address: bigint): boolean {
  return useOf(address).use % 2 === 1;
}

/** The group index of a group from 0. */
export function indexOfGroup(group: number): number {
  return group + 1;
}

/** The PASID of a PASID from 0; `undefined`: no PASID, which is the SubstreamID 0 of the Context table. */
export function pasidOf(pasid: number | null): number | undefined {
  return pasid === null ? undefined : pasid + 1;
}

export interface PriDeviceOptions {
  readonly streamId: number;
  readonly name: string;
  /** How many PASIDs are used. */
  readonly pasids: number;
  /** How many page requests it may have outstanding. */
  readonly allocation: number;
  /** PRG Response PASID Required. */
  readonly responsePasidRequired: boolean;
  /** STE.PPAR. */
  readonly ppar: boolean;
  readonly defects: readonly EndpointDefect[];
}

/** A response that the SMMU gave by itself, and what it was for. */
interface AutomaticResponse {
  readonly response: PageResponse;
  readonly epoch: boolean;
}

/** A device that does nothing by itself. */
export class PriDevice {
  readonly endpoint: Endpoint;
  readonly name: string;
  readonly pri: PageRequestInterface;
  readonly #platform: Platform;
  readonly #contexts: ContextTable;
  /** The PASID that the work of each process has, or had; in the order in which they came. */
  readonly #jobs = new Map<number, number | undefined>();
  /** Those whose stop has not sent its Stop Marker. */
  readonly #owing = new Set<number>();
  /** The address that was asked for last with each group index. */
  readonly #last = new Map<number, bigint>();
  readonly #automatic: AutomaticResponse[] = [];
  #uses = 0;

  /** No Context descriptor is valid; PASID, ATS and PRI are enabled, in this order. */
  constructor(platform: Platform, options: PriDeviceOptions) {
    const { streamId, allocation, responsePasidRequired } = options;
    this.name = options.name;
    this.#platform = platform;
    const ssidBits = Math.ceil(Math.log2(options.pasids + 1));
    this.#contexts = new ContextTable(platform.memory, platform.frames, ssidBits, false);
    this.endpoint = new Endpoint(platform.smmu, streamId, {
      pasid: { width: 8 },
      ats: {},
      pri: { capacity: allocation, responsePasidRequired },
      schedule: 'by hand',
      defects: Object.fromEntries(options.defects.map((defect) => [defect, true])),
    });
    if (this.endpoint.pri === undefined) throw new Error('the endpoint has no PRI');
    this.pri = this.endpoint.pri;
    platform.smmu.connect(streamId, this.endpoint);
    platform.writeSte(streamId, {
      V: true,
      Config: 0b101,
      ...this.#contexts.pointer,
      S1DSS: 0b10,
      S1CIR: 1,
      S1COR: 1,
      S1CSH: 3,
      EATS: 0b01,
      SHCFG: 1,
      PPAR: options.ppar,
    });
    must(this.endpoint.enablePasid());
    must(this.endpoint.enableAts());
    must(this.endpoint.enablePri(allocation));
  }

  get streamId(): number {
    return this.endpoint.streamId;
  }

  // What software does to it.

  /** The Context descriptor of a PASID in memory. */
  cd(pasid: number | undefined): { readonly address: bigint; readonly bytes: Uint8Array; readonly cd: Cd } {
    const address = this.#cdAddress(pasid);
    const bytes = this.#platform.memory.read(address, cdLayout.length);
    return { address, bytes, cd: cdLayout.decode(bytes) };
  }

  /** Attaches an address space to a PASID, or nothing; the SMMU goes by it at once, and forgets what it had of `left`. */
  attach(pasid: number | undefined, to: AddressSpace | undefined, left: AddressSpace | undefined): void {
    const platform = this.#platform;
    platform.writeCd(this.#cdAddress(pasid), to === undefined ? {} : to.contextDescriptor);
    const drops = left === undefined ? [] : [{ op: 'TLBI_NH_ASID', vmid: 0, asid: left.asid } as const];
    const commands = [{ op: 'CFGI_CD', sid: this.streamId, ssid: pasid ?? 0, leaf: true } as const, ...drops];
    for (const command of commands) {
      platform.submit([command, { op: 'SYNC', cs: 0, msh: 3, msiAttr: 0xf }]);
      for (const queued of platform.smmu.commands.window) {
        if (queued.command.op === command.op && queued.state === 'fetched') platform.perform(queued);
      }
      const result = platform.completeSync();
      if (!result.complete) throw new Error(result.blocked);
    }
  }

  /** Gives it work of a process, under a PASID. */
  begin(process: number, pasid: number | undefined): void {
    this.#jobs.delete(process);
    this.#jobs.set(process, pasid);
    if (this.endpoint.stops.has(pasid)) must(this.endpoint.startPasid(pasid));
  }

  /** Asks it to stop the work of a process. */
  stop(process: number, kind: StopKind): void {
    must(this.endpoint.stopPasid(this.pasidOfJob(process), kind));
  }

  // What it does.

  /** Asks for a page for the work of a process: the first request of a group. */
  ask(process: number, group: number, epoch: boolean, wanted: { last: boolean; access: boolean }): Outcome<number> {
    if (!this.hasWorkOf(process)) return refused(`it has no work of process${process}`);
    this.#uses += (this.#uses % 2 === 1) === epoch ? 2 : 1;
    return this.#request(
      group,
      wanted,
      this.pasidOfJob(process),
      addressOf({ process, use: this.#uses, second: false }),
    );
  }

  /** Asks for the page behind it, as the Last of an open group. */
  askLast(group: number): Outcome<number> {
    const open = this.groupOf(group);
    const first = open?.requests[0];
    if (open === undefined || first === undefined) return refused('the group is not open');
    return this.#request(group, { last: true, access: true }, open.pasid, first.address + 0x1000n);
  }

  completeStop(process: number): Outcome {
    const pasid = this.pasidOfJob(process);
    const owed = this.endpoint.markersOwed(pasid);
    const completed = this.endpoint.completeStop(pasid);
    if (this.endpoint.markersOwed(pasid) > owed) this.#owing.add(process);
    return completed;
  }

  sendMarker(process: number, pasid: number): Outcome<number> {
    if (!this.#owing.delete(process)) return refused(`no Stop Marker is owed for the work of process${process}`);
    return this.endpoint.sendStopMarker(pasid);
  }

  /** The oldest request of the link reaches the SMMU. */
  deliver(): Outcome {
    const [first] = this.link;
    if (first === undefined) return refused('no page request is on the link');
    const before = this.endpoint.responses;
    const delivered = this.endpoint.deliver(first.id);
    for (const response of this.endpoint.responses) {
      if (!before.includes(response)) this.#automatic.push({ response, epoch: epochOf(first.request.address) });
    }
    return delivered;
  }

  /** Takes a response that has arrived. */
  receive(response: PageResponse): Outcome<unknown> {
    const received = this.endpoint.receiveResponse(response);
    const at = this.#automatic.findIndex((one) => one.response === response);
    if (at >= 0) this.#automatic.splice(at, 1);
    return received;
  }

  // What can be seen of it.

  /** The page requests and Stop Markers on the link, oldest first. */
  get link(): readonly PageRequestFlight[] {
    return this.endpoint.flights.filter((flight): flight is PageRequestFlight => flight.kind === 'page request');
  }

  /** The responses that the SMMU gave by itself, and which the device has not taken. */
  get automatic(): readonly AutomaticResponse[] {
    return this.#automatic;
  }

  /** The group that is outstanding with an index. */
  groupOf(group: number): Group | undefined {
    return this.pri.groups.find(({ index }) => index === indexOfGroup(group));
  }

  /** The epoch of the last use of a group index. */
  epochOf(group: number): boolean {
    const address = this.#last.get(group);
    return address !== undefined && epochOf(address);
  }

  /** Whether it was ever given work of a process. */
  knows(process: number): boolean {
    return this.#jobs.has(process);
  }

  /** The PASID of the work of a process. */
  pasidOfJob(process: number): number | undefined {
    return this.#jobs.get(process);
  }

  /** Whether a process is the last that a PASID was used for. */
  isLatestOf(process: number): boolean {
    const pasid = this.pasidOfJob(process);
    return [...this.#jobs].findLast(([, other]) => other === pasid)?.[0] === process;
  }

  /** Whether the PASID of a process is in use for it, and not stopped. */
  hasWorkOf(process: number): boolean {
    return this.knows(process) && this.isLatestOf(process) && !this.endpoint.stops.has(this.pasidOfJob(process));
  }

  /** Whether the stop of a process has not sent its Stop Marker. */
  owesMarker(process: number): boolean {
    return this.#owing.has(process);
  }

  #request(
    group: number,
    { last, access }: { last: boolean; access: boolean },
    pasid: number | undefined,
    address: bigint,
  ): Outcome<number> {
    const prefix = pasid === undefined ? {} : { pasid };
    const wanted = { address, group: indexOfGroup(group), last, read: access, write: access, ...prefix };
    const sent = this.endpoint.requestPage(wanted);
    if (sent.done) this.#last.set(group, address);
    return sent;
  }

  #cdAddress(pasid: number | undefined): bigint {
    const address = this.#contexts.entryAddress(pasid ?? 0);
    if (address === undefined) throw new RangeError(`no Context descriptor for PASID ${pasid}`);
    return address;
  }
}
