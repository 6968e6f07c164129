/**
 * The software side of the event queue and the PRI queue: records are taken, CONS is moved on, overflow is acknowledged, and
 * page requests become groups (IHI 0070, 7.4, 8.1, 8.2).
 */
import { isSet } from '../bits.ts';
import type { Memory } from '../memory.ts';
import { decodeEvent, type EventRecord } from '../smmuv3/events.ts';
import { decodePageRequest, isStopMarker, type PageRequestRecord } from '../smmuv3/page-request-record.ts';
import { advance, entryAddress, isEmpty, overflowBit, positionOf, type Ring } from '../smmuv3/ring.ts';
import { readByName, type RegisterPort, writeByName } from './registers.ts';
import type { Steps } from './steps.ts';

/** Where the SMMU writes its records. */
export interface OutputPort {
  readonly memory: Memory;
  readonly registers: RegisterPort;
  readonly ring: Ring;
}

/** What was in the event queue. `lost`: records were discarded for want of room before it was emptied. */
export interface TakenEvents {
  readonly events: readonly EventRecord[];
  readonly lost: boolean;
}

/** Takes all event records. */
export function* takeEvents(port: OutputPort): Steps<TakenEvents> {
  const { raw, overflow } = yield* take(port, 'EVENTQ');
  return { events: raw.map((record) => decodeEvent(record)), lost: overflow };
}

/** The requests of one PRG index, complete with the one marked Last: answered once. */
export interface PageRequestGroup {
  readonly sid: number;
  readonly pasid?: number;
  readonly prgIndex: number;
  readonly requests: readonly PageRequestRecord[];
}

/** What was in the PRI queue. `overflow`: groups were dropped, since the SMMU has answered them itself (8.2). */
export interface TakenPageRequests {
  readonly groups: readonly PageRequestGroup[];
  readonly stopMarkers: readonly { readonly sid: number; readonly pasid: number }[];
  readonly overflow: boolean;
}

/** Takes page requests and keeps those of groups that are not complete yet. */
export class PageRequestCollector {
  readonly #open = new Map<string, PageRequestRecord[]>();

  /** Requests of groups whose last one has not come yet. */
  get open(): readonly PageRequestRecord[] {
    return [...this.#open.values()].flat();
  }

  /** Takes all records of the PRI queue. */
  *take(port: OutputPort): Steps<TakenPageRequests> {
    const { raw, overflow } = yield* take(port, 'PRIQ');
    const groups: PageRequestGroup[] = [];
    const stopMarkers: { sid: number; pasid: number }[] = [];
    for (const record of raw.map((bytes) => decodePageRequest(bytes))) {
      if (isStopMarker(record)) {
        stopMarkers.push({ sid: record.sid, pasid: record.ssid });
        continue;
      }
      const key = `${record.sid} ${record.ssv ? record.ssid : 'none'} ${record.prgIndex}`;
      const requests = [...(this.#open.get(key) ?? []), record];
      if (!record.last) {
        this.#open.set(key, requests);
        continue;
      }
      this.#open.delete(key);
      const { sid, ssid, ssv, prgIndex } = record;
      groups.push({ sid, ...(ssv ? { pasid: ssid } : {}), prgIndex, requests });
    }
    // The last request of each of them found the queue full, and was answered by the SMMU.
    if (overflow) this.#open.clear();
    return { groups, stopMarkers, overflow };
  }
}

/** Reads from CONS to PROD, then writes CONS once, with OVACKFLG if there was an overflow. */
function* take(
  { memory, registers, ring }: OutputPort,
  name: 'EVENTQ' | 'PRIQ',
): Steps<{ readonly raw: readonly Uint8Array[]; readonly overflow: boolean }> {
  const producerRegister = readByName(registers, `${name}_PROD`);
  const consumerRegister = readByName(registers, `${name}_CONS`);
  const producer = positionOf(ring, producerRegister);
  let consumer = positionOf(ring, consumerRegister);
  const overflow = isSet(producerRegister ^ consumerRegister, overflowBit);
  const raw: Uint8Array[] = [];
  while (!isEmpty(ring, { producer, consumer })) {
    raw.push(memory.read(entryAddress(ring, consumer), ring.entryLength));
    consumer = advance(ring, consumer);
  }
  if (raw.length > 0 || overflow) {
    const acknowledge = producerRegister & (1n << BigInt(overflowBit));
    yield writeByName(registers, `${name}_CONS`, BigInt(consumer) | acknowledge, `${name}_CONS`);
  }
  return { raw, overflow };
}
