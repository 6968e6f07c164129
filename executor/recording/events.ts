/**
 * Recorded event records: which line of the trace belongs to which record of a mark, and whether a record is the one that the
 * machine writes, but for what the emulator that was recorded is known to get wrong.
 */
import { mask } from '../bits.ts';
import { decodeEventFields, eventClass, type EventFields } from '../smmuv3/events.ts';
import { hexOf } from './hex.ts';
import type { RecordedLine, RecordOf } from './records.ts';

/** A record in the snapshot of a mark. */
export interface SnapshotEvent {
  readonly mark: RecordOf<'mark'>;
  readonly raw: Uint8Array;
  readonly fields: EventFields;
  /** How the recording's own decoding of it differs from its bytes, if it does. */
  readonly misread: string | undefined;
}

/** The events of a recording: the records of the marks, each with the line of the trace that tells when it was written. */
export interface RecordedEvents {
  /** The record of an `event` line: in the first mark after it; `undefined`: that mark has none for it. */
  readonly of: ReadonlyMap<RecordOf<'event'>, SnapshotEvent | undefined>;
  /** Records without a line in the trace. */
  readonly silent: readonly SnapshotEvent[];
}

/** Pairs lines and records: those of one span between two marks in their order, for each type and stream. */
export function pairEvents(records: readonly RecordedLine[]): RecordedEvents {
  const of = new Map<RecordOf<'event'>, SnapshotEvent | undefined>();
  const silent: SnapshotEvent[] = [];
  let lines: RecordOf<'event'>[] = [];
  for (const record of records) {
    if (record.k === 'event') lines.push(record);
    if (record.k !== 'mark' || record.events === undefined) continue;
    const left = [...lines];
    for (const { raw, ...told } of record.events) {
      const fields = decodeEventFields(raw);
      const event = { mark: record, raw, fields, misread: misreadOf(fields, told) };
      // By its name and stream, or, if no line fits, by its place: then the two disagree.
      const fitting = left.findIndex((line) => isLineOf(line, fields));
      const [line] = left.splice(Math.max(0, fitting), 1);
      if (line === undefined) silent.push(event);
      else of.set(line, event);
    }
    for (const line of left) of.set(line, undefined);
    lines = [];
  }
  return { of, silent };
}

/** Whether a line of the trace is of such a record. */
export function isLineOf({ text }: RecordOf<'event'>, fields: EventFields): boolean {
  const said = parseLine(text);
  return (said.name === undefined || said.name === fields.name) && (said.sid === undefined || said.sid === fields.sid);
}

/** The name and StreamID that a line of the trace says, as far as it does. */
function parseLine(text: string): { readonly name: string | undefined; readonly sid: number | undefined } {
  const name = /\b(?:SMMU_EVT_)?([CEF]_[A-Z_]+)/.exec(text)?.[1];
  const sid = /\bsid[=: ]+(0x[0-9a-f]+|\d+)/i.exec(text)?.[1];
  return {
    name: name === undefined ? undefined : (otherNames[name] ?? name),
    sid: sid === undefined ? undefined : Number(sid),
  };
}

/** Names that QEMU has for records. */
const otherNames: Readonly<Record<string, string>> = {
  F_TRANS_FORBIDDEN: 'F_TRANSL_FORBIDDEN',
  C_BAD_SSID: 'C_BAD_SUBSTREAMID',
  F_WALK_EXT_ABRT: 'F_WALK_EABT',
  F_TLB_CONFLICT: 'F_TLB_CONFLICT',
};

function misreadOf(fields: EventFields, told: Readonly<Record<string, unknown>>): string | undefined {
  for (const [field, is] of Object.entries(fields) as [keyof EventFields, EventFields[keyof EventFields]][]) {
    const said = told[field];
    if (said === undefined || (typeof said !== 'string' && typeof said !== 'number')) continue;
    const same = typeof is === 'string' ? (otherNames[said] ?? said) === is : numeric(said) === BigInt(is);
    if (!same) return `${field} is ${String(is)}, the recording says ${said}`;
  }
  return undefined;
}

function numeric(said: string | number): bigint | undefined {
  return typeof said === 'number' || /^(0x[0-9a-f]+|\d+)$/i.test(said) ? BigInt(said) : undefined;
}

/** The release of QEMU that a recording names, as [major, minor]. */
export function releaseOf(qemu: string | undefined): readonly [number, number] | undefined {
  const found = /\b(\d+)\.(\d+)/.exec(qemu ?? '');
  return found === null ? undefined : [Number(found[1]), Number(found[2])];
}

/** Something that QEMU writes otherwise than the specification says, up to a release. */
interface Departure {
  /** The first release that is right; `undefined`: none yet. */
  readonly mended?: readonly [number, number];
  /** The specified record as QEMU writes it. */
  readonly as: (raw: Uint8Array, fields: EventFields) => Uint8Array;
}

const departures: readonly Departure[] = [
  // CLASS is 0 whatever was accessed.
  { mended: [9, 1], as: (raw) => put(raw, { word: 1, high: 41, low: 40 }, 0n) },
  // The IPA of a stage-2 fault is not given.
  { mended: [9, 1], as: (raw, { s2 }) => (s2 === 1 ? put(raw, { word: 3, high: 63, low: 0 }, 0n) : raw) },
  // The IPA of a stage-2 fault has the low bits of the access, which are RES0.
  {
    as: (raw, { s2, class: of, inputAddr, addr2 }) =>
      s2 === 1 && of === eventClass.IN && addr2 !== 0n ? put(raw, { word: 3, high: 11, low: 0 }, inputAddr) : raw,
  },
  // The IPA of a stage-2 permission fault is not given where the TLB had both stages.
  {
    as: (raw, { s2, name, class: of }) =>
      s2 === 1 && name === 'F_PERMISSION' && of === eventClass.IN ? put(raw, { word: 3, high: 63, low: 0 }, 0n) : raw,
  },
  // A stage-2 fault of a stage-1 table fetch has S2 = 0.
  {
    as: (raw, { s2, class: of }) =>
      s2 === 1 && of === eventClass.TT ? put(raw, { word: 1, high: 39, low: 39 }, 0n) : raw,
  },
];

/**
 * Why a recorded record is not the machine's; `undefined` if it is, or departs from it only as that release of QEMU is known to
 * (as any release is, where the recording does not say who made it).
 */
export function differenceOf(
  recorded: Uint8Array,
  machine: Uint8Array,
  release: readonly [number, number] | undefined,
): string | undefined {
  const fields = decodeEventFields(machine);
  let possible = [machine];
  for (const { mended, as } of departures) {
    if (mended !== undefined && release !== undefined && !isBefore(release, mended)) continue;
    possible = possible.flatMap((raw) => [raw, as(raw, fields)]);
  }
  if (possible.some((raw) => hexOf(raw) === hexOf(recorded))) return undefined;
  const is = decodeEventFields(recorded);
  const parts = (Object.keys(fields) as (keyof EventFields)[])
    .filter((field) => fields[field] !== is[field])
    .map((field) => `${field} ${shown(is[field])}, not ${shown(fields[field])}`);
  return parts.length > 0 ? parts.join('; ') : `${hexOf(recorded)}, not ${hexOf(machine)}`;
}

interface Bits {
  readonly word: number;
  readonly high: number;
  readonly low: number;
}

/** A copy with other bits; of the value only those that the place has. */
function put(raw: Uint8Array, { word, high, low }: Bits, value: bigint): Uint8Array {
  const copy = raw.slice();
  const view = new DataView(copy.buffer);
  const place = mask(high - low + 1);
  const others = view.getBigUint64(word * 8, true) & ~(place << BigInt(low));
  view.setBigUint64(word * 8, others | ((value & place) << BigInt(low)), true);
  return copy;
}

function isBefore(a: readonly [number, number], b: readonly [number, number]): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}

function shown(value: string | number | bigint): string {
  return typeof value === 'bigint' ? `0x${value.toString(16)}` : String(value);
}
