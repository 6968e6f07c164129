/**
 * The 32-byte event records (IHI 0070, 7.3).
 */
import { address, bits, flag, layout, uint } from '../bits.ts';
import type { Fields, Layout, Places } from '../bits.ts';

const head = { type: uint(0, 7, 0), sid: uint(0, 63, 32) } as const;
const substream = { ssv: flag(0, 11), ssid: uint(0, 31, 12) } as const;
const access = { pnu: flag(1, 33), ind: flag(1, 34), rnw: flag(1, 35) } as const;
const inputAddr = { inputAddr: address(2, 63, 0) } as const;
const configuration = layout(4, { ...head, ...substream });
const fetch = layout(4, {
  ...head,
  ...substream,
  reason: uint(1, 15, 0),
  gpcf: flag(1, 16),
  fetchAddr: address(3, 51, 3),
});
/** What a transaction was, and which access of its translation faulted. */
const faulted = { ...head, ...substream, ...access, s2: flag(1, 39), class: uint(1, 41, 40), ...inputAddr } as const;
const fault = layout(4, {
  ...faulted,
  stag: uint(1, 15, 0),
  stall: flag(1, 31),
  nsipa: flag(1, 36),
  ttrnw: flag(1, 44),
  ipa: address(3, 51, 12),
});

/** Of a request for pages: a span of 4 KiB pages. */
const span = { span: uint(1, 51, 44), inputAddr: address(2, 63, 12) } as const;

/**
 * Each record's layout. Where R, W, X and Priv stand in F_BAD_ATS_TREQ, and NSIPA (zero on the Non-secure queue), no text at hand
 * says: their places are a guess.
 */
const layouts = {
  F_UUT: layout(4, { ...head, ...substream, reason: uint(1, 15, 0), ...access, ...inputAddr }),
  C_BAD_STREAMID: configuration,
  F_STE_FETCH: fetch,
  C_BAD_STE: configuration,
  F_BAD_ATS_TREQ: layout(4, {
    ...head,
    ...substream,
    privileged: flag(1, 32),
    execute: flag(1, 33),
    write: flag(1, 34),
    read: flag(1, 35),
    ...span,
  }),
  F_STREAM_DISABLED: layout(4, head),
  F_TRANSL_FORBIDDEN: layout(4, { ...head, rnw: flag(1, 35), ...inputAddr }),
  C_BAD_SUBSTREAMID: layout(4, { ...head, ssid: uint(0, 31, 12) }),
  F_CD_FETCH: fetch,
  C_BAD_CD: configuration,
  F_WALK_EABT: layout(4, { ...faulted, reason: uint(1, 15, 0), gpcf: flag(1, 16), fetchAddr: address(3, 51, 3) }),
  F_TRANSLATION: fault,
  F_ADDR_SIZE: fault,
  F_ACCESS: fault,
  F_PERMISSION: fault,
  F_TLB_CONFLICT: layout(4, {
    ...head,
    ...substream,
    reason: uint(1, 15, 0),
    ...access,
    s2: flag(1, 39),
    ...inputAddr,
    ipa: address(3, 51, 12),
  }),
  F_CFG_CONFLICT: layout(4, { ...head, ...substream, reason: uint(1, 15, 0) }),
  E_PAGE_REQUEST: layout(4, {
    ...head,
    ...substream,
    unprivilegedExecute: flag(1, 34),
    unprivilegedWrite: flag(1, 35),
    unprivilegedRead: flag(1, 36),
    privilegedExecute: flag(1, 37),
    privilegedWrite: flag(1, 38),
    privilegedRead: flag(1, 39),
    ...span,
  }),
  F_VMS_FETCH: fetch,
} as const;

type Layouts = typeof layouts;

/** The name of a record. */
export type EventName = keyof Layouts;

/** A decoded record, by its name; one of no known type keeps its four words. */
export type EventRecord =
  | {
      [Name in EventName]: { readonly name: Name } & Readonly<Omit<ReturnType<Layouts[Name]['decode']>, 'type'>>;
    }[EventName]
  | { readonly name: 'unknown'; readonly type: number; readonly sid: number; readonly words: readonly bigint[] };

/** A record to encode: fields that are not given are zero. */
export type EventToEncode =
  | {
      [Name in EventName]: { readonly name: Name } & Readonly<
        Partial<Omit<ReturnType<Layouts[Name]['decode']>, 'type'>>
      >;
    }[EventName]
  | Extract<EventRecord, { name: 'unknown' }>;

/** The event number of each record (7.3). */
export const eventTypes = {
  F_UUT: 0x01,
  C_BAD_STREAMID: 0x02,
  F_STE_FETCH: 0x03,
  C_BAD_STE: 0x04,
  F_BAD_ATS_TREQ: 0x05,
  F_STREAM_DISABLED: 0x06,
  F_TRANSL_FORBIDDEN: 0x07,
  C_BAD_SUBSTREAMID: 0x08,
  F_CD_FETCH: 0x09,
  C_BAD_CD: 0x0a,
  F_WALK_EABT: 0x0b,
  F_TRANSLATION: 0x10,
  F_ADDR_SIZE: 0x11,
  F_ACCESS: 0x12,
  F_PERMISSION: 0x13,
  F_TLB_CONFLICT: 0x20,
  F_CFG_CONFLICT: 0x21,
  E_PAGE_REQUEST: 0x24,
  F_VMS_FETCH: 0x25,
} as const satisfies Readonly<Record<EventName, number>>;

/** The codes of the CLASS field: what kind of access was faulted. */
export const eventClass = { CD: 0, TT: 1, IN: 2 } as const;

/** Length of a record, in bytes. */
export const eventLength = 32;

const names = new Map(Object.entries(eventTypes).map(([name, type]) => [type as number, name as EventName]));

/** The record in the 32 bytes from `offset`. */
export function decodeEvent(raw: Uint8Array, offset = 0): EventRecord {
  const name = names.get(raw[offset] ?? 0);
  if (name !== undefined) {
    const { type: _, ...fields } = layouts[name].decode(raw, offset);
    return { name, ...fields } as EventRecord;
  }
  return { name: 'unknown', ...layout(4, head).decode(raw, offset), words: wordsOf(raw, offset) };
}

/**
 * The 32 bytes of a record. Bits of an address below its field are dropped. Throws `RangeError` for another value that does not
 * fit its field.
 */
export function encodeEvent(record: EventToEncode): Uint8Array {
  if (record.name === 'unknown') {
    const raw = new Uint8Array(eventLength);
    for (const [index, word] of record.words.entries()) new DataView(raw.buffer).setBigUint64(index * 8, word, true);
    return raw;
  }
  const { name, ...fields } = record;
  const form = layouts[name] as Layout<Places>;
  const fitting = Object.entries(fields).map(([field, value]) => [
    field,
    typeof value === 'bigint' ? form.places[field]?.read(value) : value,
  ]);
  return form.encode({ ...(Object.fromEntries(fitting) as Fields<Places>), type: eventTypes[name] });
}

/** Every field that any fault has, read at its usual place whatever the record is; flags are 0 or 1. */
export interface EventFields {
  readonly type: number;
  readonly name: EventName | 'unknown';
  readonly ssv: number;
  readonly ssid: number;
  readonly sid: number;
  readonly stag: number;
  readonly stall: number;
  readonly pnu: number;
  readonly ind: number;
  readonly rnw: number;
  readonly nsipa: number;
  readonly s2: number;
  readonly class: number;
  readonly ttrnw: number;
  readonly inputAddr: bigint;
  /** IPA or FetchAddr: the whole last word. */
  readonly addr2: bigint;
}

/** The fields of a record without regard to its type. */
export function decodeEventFields(raw: Uint8Array, offset = 0): EventFields {
  const [, one = 0n, inputAddress = 0n, addr2 = 0n] = wordsOf(raw, offset);
  const bit = (place: number): number => Number(bits(one, place));
  const { type, ssv, ssid, sid } = configuration.decode(raw, offset);
  return {
    type,
    name: names.get(type) ?? 'unknown',
    ssv: Number(ssv),
    ssid,
    sid,
    stag: Number(bits(one, 15, 0)),
    stall: bit(31),
    pnu: bit(33),
    ind: bit(34),
    rnw: bit(35),
    nsipa: bit(36),
    s2: bit(39),
    class: Number(bits(one, 41, 40)),
    ttrnw: bit(44),
    inputAddr: inputAddress,
    addr2,
  };
}

function wordsOf(raw: Uint8Array, offset: number): readonly bigint[] {
  const view = new DataView(raw.buffer, raw.byteOffset + offset, eventLength);
  return [0, 8, 16, 24].map((at) => view.getBigUint64(at, true));
}
