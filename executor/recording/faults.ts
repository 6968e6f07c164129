/**
 * Recorded events against the machine's: the access that an event record tells of is made on the machine, which must write the
 * same record.
 */
import type { MemoryRequest } from '../pcie/messages.ts';
import { encodeEvent, type EventFields, type EventRecord } from '../smmuv3/events.ts';
import { configurationFor, translateAccess } from '../smmuv3/translation.ts';
import { differenceOf, isLineOf, type SnapshotEvent } from './events.ts';
import { hex } from './hex.ts';
import type { Machine } from './machine.ts';
import type { RecordOf } from './records.ts';
import { hiddenTables, hidesTables, pathMisfit } from './path.ts';

/** What is said of an event, and the machine's own record. */
export interface JudgedEvent {
  readonly misfit: string | undefined;
  readonly event: EventRecord | undefined;
  /** Why the recording does not tell enough. */
  readonly unjudged?: string;
}

/** A recorded event: its line in the trace and what was read before it, and its record in the next mark. */
export interface RecordedEvent {
  readonly snapshot: SnapshotEvent;
  /** Missing in a recording without such lines. */
  readonly line?: RecordOf<'event'>;
  readonly path: readonly RecordOf<'pte'>[];
  /** The release of QEMU that was recorded. */
  readonly release: readonly [number, number] | undefined;
}

/** What is wrong with a recorded event by itself: its line and its record, and its record's bytes and fields, disagree. */
export function ownMisfit({ snapshot, line }: RecordedEvent): string | undefined {
  const { fields, misread } = snapshot;
  if (misread !== undefined) return `${fields.name} of stream ${hex(fields.sid)}: ${misread}`;
  return line === undefined || isLineOf(line, fields)
    ? undefined
    : `the record in the next mark is ${fields.name} of stream ${hex(fields.sid)}, recorded was ${line.text}`;
}

/** Judges an event, without writing anything. */
export function judgeEvent(machine: Machine, { snapshot, path, release }: RecordedEvent): JudgedEvent {
  const { fields, raw } = snapshot;
  const { smmu, memory } = machine;
  const request = requestOf(fields);
  // Without commands in the recording nothing empties the TLB.
  if (!machine.has('cmd')) smmu.tlb.invalidate({ op: 'TLBI_NSNH_ALL' });
  // The configuration first: then what is read is the walk alone.
  const found = configurationFor(smmu.unit, request);
  const { stage1, stage2 } =
    found.ok && found.configuration.kind === 'translate'
      ? found.configuration
      : { stage1: undefined, stage2: undefined };
  const nested = stage1 !== undefined && stage2 !== undefined;
  const { result: outcome, reads } = memory.during(() => translateAccess(smmu.unit, request));
  const event = 'event' in outcome ? outcome.event : undefined;
  const misfit = (): string | undefined => {
    if (event === undefined) {
      return `${fields.name} was recorded, the access is ${outcome.outcome} on the machine, without an event`;
    }
    if (event.name === 'unknown') return 'the machine has no such event';
    const differs = differenceOf(raw, encodeEvent(event), release);
    if (differs !== undefined) return `${fields.name} of stream ${hex(fields.sid)}: ${differs}`;
    if (!found.ok || path.length === 0) return undefined;
    if (reads.length > 0) return pathMisfit(path, reads, nested);
    // With two stages what was recorded may be the walk for the Context descriptor.
    const last = path.at(-1);
    return nested || last === undefined
      ? undefined
      : `the recorded walk ends at the descriptor ${hex(last.addr)}, the machine reads none`;
  };
  const why = misfit();
  const none = { misfit: undefined, event: undefined };
  if (why !== undefined && found.ok && fields.type >= 0x10) {
    if (hidesTables(stage1, stage2) && !machine.hasShown(reads)) return { ...none, unjudged: hiddenTables };
    if (!machine.has('pte')) return { ...none, unjudged: 'events of which the descriptors are not recorded' };
  }
  return { misfit: why, event };
}

/** The access that an event tells of. Configuration errors do not tell: any access has them. */
function requestOf({ sid, ssv, ssid, rnw, ind, pnu, inputAddr, type }: EventFields): MemoryRequest {
  const tells = type >= 0x10 || type === 0x01 || type === 0x0b;
  const length = 1;
  const pasid = ssv === 1 ? { pasid: ssid, privileged: pnu === 1, execute: ind === 1 } : {};
  const common = { streamId: sid, ...pasid, translated: false, address: tells ? inputAddr : 0n };
  return tells && rnw === 0
    ? { ...common, kind: 'write', bytes: new Uint8Array(length) }
    : { ...common, kind: 'read', length };
}
