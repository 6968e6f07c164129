/**
 * An endpoint with ATS for lowerings: what of it is under way, by pages, and how the steps of a model choose among it.
 */
import type { Translation } from '../pcie/address-translation-cache.ts';
import type { EndpointDefect } from '../pcie/defects.ts';
import { Endpoint } from '../pcie/endpoint.ts';
import type { MemoryFlight, TranslationFlight } from '../pcie/link.ts';
import type { AtsTranslation, InvalidateRequest, Owner } from '../pcie/messages.ts';
import type { Outcome } from '../pcie/outcome.ts';
import type { QueuedCommand } from '../smmuv3/command-queue.ts';
import type { Command } from '../smmuv3/commands.ts';
import type { Grant } from './address-space.ts';
import { type Refusal, refusalOf, refuse } from './lowering.ts';
import type { Platform } from './platform.ts';

/** An access under way. `on the link`, `accepted`: translated by the ATC; `translated`: by the SMMU. */
export interface AccessUnderWay {
  readonly id: number;
  readonly kind: 'read' | 'write';
  readonly stage: 'on the link' | 'accepted' | 'translated';
  /** An IOVA of an untranslated access, a physical address of a translated one. */
  readonly address: bigint;
  readonly flight: MemoryFlight;
}

/** A Translation Request that waits for its completion, or a completion on its way. */
export interface RequestUnderWay {
  readonly id: number;
  readonly iova: bigint;
  readonly answer: 'pending' | 'no access' | 'read-only' | 'read-write';
  readonly output: bigint | undefined;
  /** An invalidation of the address overtook it. */
  readonly tagged: boolean;
}

/** How many bytes an access has, and where in its page: what is written stays apart from what is read. */
export const accessLength = 64;
export const accessOffset = { read: 0n, write: 0x40n } as const;

/** An endpoint that does nothing by itself. */
export class AtsDevice {
  readonly endpoint: Endpoint;
  readonly name: string;
  readonly #platform: Platform;
  readonly #byte: number;

  /** `byte`: what its writes are full of. ATS is off. */
  constructor(
    platform: Platform,
    options: { streamId: number; name: string; byte: number; defects?: readonly EndpointDefect[] },
  ) {
    this.name = options.name;
    this.#platform = platform;
    this.#byte = options.byte;
    this.endpoint = new Endpoint(platform.smmu, options.streamId, {
      ats: {},
      schedule: 'by hand',
      defects: Object.fromEntries((options.defects ?? []).map((defect) => [defect, true])),
    });
    platform.smmu.connect(options.streamId, this.endpoint);
  }

  get streamId(): number {
    return this.endpoint.streamId;
  }

  /** What the ATC has for an address. */
  cached(iova: bigint): Translation | undefined {
    return this.endpoint.atc.lookup({ address: iova });
  }

  /** Translation Requests and completions under way, oldest first. */
  get requests(): readonly RequestUnderWay[] {
    return this.endpoint.flights
      .filter((flight): flight is TranslationFlight => flight.kind === 'translation')
      .map(({ id, request, completion, overtakenBy }) => {
        const given = completion?.status === 'success' ? completion.translations[0] : undefined;
        return {
          id,
          iova: request.address,
          answer: completion === undefined ? 'pending' : answerOf(given),
          output: given?.address,
          tagged: overtakenBy.some((invalidation) => coversAddress(invalidation.request, request.address)),
        };
      });
  }

  /** Memory accesses under way, oldest first. */
  get accesses(): readonly AccessUnderWay[] {
    return this.endpoint.flights
      .filter((flight): flight is MemoryFlight => flight.kind === 'memory' && flight.state !== 'stalled')
      .map((flight) => {
        const { id, request, state } = flight;
        const passed = request.translated ? 'accepted' : 'translated';
        const stage = state === 'on the link' ? 'on the link' : passed;
        return { id, kind: request.kind, stage, address: request.address, flight };
      });
  }

  /** Sends an access of a page on somebody's behalf; with a translation through it, else untranslated. */
  issue(kind: 'read' | 'write', iova: bigint, on: Owner, through: Translation | undefined): Outcome<number> {
    const what = { address: iova + accessOffset[kind], on };
    const bytes = new Uint8Array(accessLength).fill(this.#byte);
    return this.endpoint.issue(
      kind === 'write' ? { ...what, kind, bytes } : { ...what, kind, length: accessLength },
      through === undefined
        ? { untranslated: true, trafficClass: this.#freeTrafficClass() }
        : { through, trafficClass: this.#freeTrafficClass() },
    );
  }

  /** The CMD_ATC_INV of the window for this function and an address, those that it has not received first. */
  invalidations(iova: bigint): readonly { readonly queued: QueuedCommand; readonly progress: Progress }[] {
    const order: readonly Progress[] = ['queued', 'received', 'timed out'];
    return this.#platform.smmu.commands.window
      .filter(({ command }) => isAtcInv(command, this.streamId) && coversCommand(command, iova))
      .map((queued) => ({ queued, progress: this.progressOf(queued) }))
      .toSorted((a, b) => order.indexOf(a.progress) - order.indexOf(b.progress));
  }

  /** How far a CMD_ATC_INV is: `received` once the function has taken it. */
  progressOf({ state, invalidation }: Pick<QueuedCommand, 'state' | 'invalidation'>): Progress {
    if (state === 'timed out') return 'timed out';
    const isTaken = this.endpoint.unacknowledged.some(({ itag }) => itag === invalidation?.itag);
    return isTaken && invalidation?.state === 'outstanding' ? 'received' : 'queued';
  }

  /** Takes the Invalidate Request for an address: of those that wait the oldest. */
  receiveInvalidation(iova: bigint): Refusal | undefined {
    const first = this.invalidations(iova)[0];
    if (first === undefined || first.progress !== 'queued') return refuse('no CMD_ATC_INV waits for the endpoint');
    const refusal = this.#send(first.queued);
    if (refusal !== undefined) return refusal;
    const { invalidation } = first.queued;
    return invalidation === undefined
      ? refuse('CMD_ATC_INV sends nothing')
      : refusalOf(this.endpoint.receiveInvalidation(invalidation.itag));
  }

  /** Answers the Invalidate Request for an address that it has taken. */
  acknowledge(iova: bigint): Refusal | undefined {
    const received = this.invalidations(iova).find(({ progress }) => progress === 'received')?.queued.invalidation;
    return received === undefined
      ? refuse('the endpoint has received no invalidation')
      : refusalOf(this.endpoint.acknowledge(received.itag));
  }

  /** Does not answer the Invalidate Request for an address in time. */
  timeOut(iova: bigint): Refusal | undefined {
    const first = this.invalidations(iova)[0];
    if (first === undefined || first.progress === 'timed out') return refuse('no CMD_ATC_INV waits for the endpoint');
    const refusal = this.#send(first.queued);
    if (refusal === undefined) this.#platform.smmu.timeOut(first.queued);
    return refusal;
  }

  /** Drops what the ATC has for an address, as it may at any time. */
  evict(iova: bigint): Refusal | undefined {
    const cached = this.cached(iova);
    if (cached === undefined) return refuse('the ATC has no entry');
    this.endpoint.evict(cached);
    return undefined;
  }

  /** A CMD_ATC_INV takes effect, if it has not yet: its Invalidate Request is sent. */
  #send(queued: QueuedCommand): Refusal | undefined {
    const blocked = queued.state === 'fetched' ? this.#platform.perform(queued) : undefined;
    return blocked === undefined ? undefined : refuse(blocked);
  }

  /** A traffic class for data of which nothing is under way: messages have class 0, so that PCIe orders nothing further. */
  #freeTrafficClass(): number {
    const taken = this.endpoint.flights.flatMap(({ trafficClasses }) => trafficClasses);
    return [1, 2, 3, 4, 5, 6, 7].find((trafficClass) => !taken.includes(trafficClass)) ?? 7;
  }
}

/** How far an Invalidate Request is. */
export type Progress = 'queued' | 'received' | 'timed out';

type AtcInv = Extract<Command, { readonly op: 'ATC_INV' }>;

/** Whether a command is an ATC invalidation for a function. */
function isAtcInv(command: Command, streamId: number): command is AtcInv {
  return command.op === 'ATC_INV' && command.sid === streamId;
}

function coversCommand(command: Command, iova: bigint): boolean {
  if (command.op !== 'ATC_INV') return false;
  const size = BigInt(command.size + 12);
  return size >= 64n || command.address >> size === iova >> size;
}

function coversAddress({ address, sizeLog2 }: InvalidateRequest, iova: bigint): boolean {
  return sizeLog2 >= 64 || address >> BigInt(sizeLog2) === iova >> BigInt(sizeLog2);
}

function answerOf(given: AtsTranslation | undefined): RequestUnderWay['answer'] {
  const grant = grantOfTranslation(given);
  return grant === 'none' ? 'no access' : grant;
}

/** What a translation of a completion grants. */
export function grantOfTranslation(translation: AtsTranslation | undefined): Grant {
  if (translation === undefined || !translation.read) return 'none';
  return translation.write ? 'read-write' : 'read-only';
}
