/**
 * The machine of `page-request`, and how what lies on it, on the link and in the memory of software, is read.
 */
import type { StateOf } from '../../language/index.ts';
import type { pageRequests } from '../../model/page-request.ts';
import type { PageResponse } from '../pcie/messages.ts';
import type { QueuedCommand } from '../smmuv3/command-queue.ts';
import { decodePageRequest, encodePageRequest } from '../smmuv3/page-request-record.ts';
import { type Ste, steLayout } from '../smmuv3/stream-table-entry.ts';
import type { AddressSpace } from './address-space.ts';
import type { Harm, Whole } from './lowering.ts';
import type { Platform } from './platform.ts';
import { epochOf, type PriDevice, useOf } from './pri-device.ts';

type State = StateOf<typeof pageRequests>;
type ItemOf<T> = T extends Iterable<infer Item> ? Item : never;
type AbstractRequest = Whole<ItemOf<State['records']>>;
/** A stored record as it is read off the machine. */
export type AbstractPartial = Whole<ItemOf<State['partial']>>;
type AbstractResponse = Whole<ItemOf<State['responses']>>;

/** Requester ID 00:01.0. */
export const streamId = 8;

/** A record that software keeps until its Last comes. */
export interface StoredRecord {
  readonly raw: Uint8Array;
  readonly bad: boolean;
}

/** A group that is with a worker: its records, and whose handler took it. */
export interface FaultGroup {
  readonly first: StoredRecord | undefined;
  readonly last: StoredRecord;
  readonly target: number | null;
  /** CMD_PRI_RESP was queued for it. */
  readonly answered: boolean;
}

/** A machine with one device, and what software remembers. */
export interface Machine {
  readonly platform: Platform;
  readonly device: PriDevice;
  readonly spaces: readonly AddressSpace[];
  /** What software keeps: the record in hands, for whom, stored ones, and groups by their slots. */
  taken: Uint8Array | undefined;
  found: number | null;
  partials: readonly StoredRecord[];
  readonly groups: (FaultGroup | undefined)[];
  /** How many interrupts of the PRI queue it has acknowledged. */
  acknowledged: number;
  /** The epoch of each group that a CMD_PRI_RESP answers, which has no address. */
  readonly epochs: Map<QueuedCommand, boolean>;
  readonly harms: Harm[];
  /** What it did in address spaces that are gone. */
  readonly gone: string[];
  /** Frames that were given out. */
  frames: number;
}

/** A record as the model has it; a Stop Marker's index and address mean nothing. */
export function requestOf(raw: Uint8Array): AbstractRequest {
  const { ssv, ssid, last, read, write, prgIndex, address } = decodePageRequest(raw);
  const wants = read || write ? 'access' : 'nothing';
  const pasid = ssv ? ssid - 1 : null;
  return ssv && last && wants === 'nothing'
    ? { group: null, pasid, last, wants, of: null, epoch: false }
    : { group: prgIndex - 1, pasid, last, wants, of: useOf(address).process, epoch: epochOf(address) };
}

/** A stored record as the model has it. */
export function partialOf({ raw, bad }: StoredRecord): AbstractPartial {
  return { ...requestOf(raw), bad };
}

/** What is in the PRI queue, oldest first. */
export function recordsOf({ platform }: Machine): readonly AbstractRequest[] {
  return platform.smmu.pageRequests.records.map(requestOf);
}

/** What is on the link, oldest first. */
export function linkOf({ device }: Machine): readonly AbstractRequest[] {
  return device.link.map(({ request }) => {
    const { pasid, group, last, read, write, address } = request;
    const prefix = { ssid: pasid ?? 0, ssv: pasid !== undefined };
    return requestOf(encodePageRequest({ ...prefix, prgIndex: group, last, read, write, address }));
  });
}

/** The responses under way: as commands that are not performed, or as messages. */
export function responsesOf({
  platform,
  device,
  epochs,
}: Machine): readonly (
  | { readonly abstract: AbstractResponse; readonly response: PageResponse }
  | { readonly abstract: AbstractResponse; readonly queued: QueuedCommand }
)[] {
  const names = ['Response Failure', 'Invalid Request', 'Success'] as const;
  const messages = { success: 'Success', 'invalid request': 'Invalid Request', 'response failure': 'Response Failure' };
  return [
    ...platform.smmu.commands.window.flatMap((queued) => {
      const { command, state } = queued;
      if (command.op !== 'PRI_RESP' || state !== 'fetched') return [];
      const { ssv, ssid, prgIndex, resp } = command;
      return {
        queued,
        abstract: {
          group: prgIndex === 0 ? null : prgIndex - 1,
          pasid: ssv ? ssid - 1 : null,
          code: names[resp] ?? 'Response Failure',
          epoch: epochs.get(queued) === true,
          automatic: false,
        },
      };
    }),
    ...device.automatic.map(({ response, epoch }) => ({
      response,
      abstract: {
        group: response.group - 1,
        pasid: response.pasid === undefined ? null : response.pasid - 1,
        code: messages[response.code] as AbstractResponse['code'],
        epoch,
        automatic: true,
      },
    })),
  ];
}

/** The process whose tables the Context descriptor of a PASID points at. */
export function handlerOf({ device }: Machine, pasid: number | undefined): number | null {
  const { V, ASID } = device.cd(pasid).cd;
  return V ? ASID - 1 : null;
}

/** Where a process is attached: PASIDs, or `undefined` for what has none. */
export function attachmentsOf(machine: Machine, process: number): readonly (number | undefined)[] {
  const { S1CDMax } = steOf(machine.platform);
  const all = Array.from({ length: 2 ** S1CDMax }, (_, ssid) => (ssid === 0 ? undefined : ssid));
  return all.filter((pasid) => handlerOf(machine, pasid) === process);
}

/** The Stream table entry in memory. */
export function steOf({ streamTable, memory }: Platform): Ste {
  return steLayout.decode(memory.read(streamTable.entryAddress(streamId) ?? 0n, steLayout.length));
}
