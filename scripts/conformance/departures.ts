/**
 * Where QEMU departs from the specification in event records, exactly: given the record that the specification asks for, the
 * one that QEMU writes. A QEMU that has been mended shows as a difference.
 */
import { hex } from '../../executor/scenario/hex.ts';

/** An event record as a result of a scenario. */
export type EventResult = Readonly<Record<string, unknown>> & {
  readonly raw: string;
  readonly name: string;
  readonly sid: number;
  readonly class: number;
  readonly s2: number;
  readonly rnw: number;
  readonly ttrnw: number;
  readonly inputAddr: string;
  readonly addr2: string;
};

/** What a departure depends on. */
export interface Surroundings {
  /** QEMU's major version. */
  readonly major: number;
  /** log2 of the StreamIDs that STRTAB_BASE_CFG admits. */
  readonly streamIdBits: number;
  /** There are table descriptors with APTable. */
  readonly tablePermissions: boolean;
}

interface Departure {
  readonly name: string;
  readonly applies: (event: EventResult, surroundings: Surroundings, theirs: EventResult) => boolean;
  /** `theirs` is what QEMU wrote, where a part of it cannot be foretold. */
  readonly inQemu: (event: EventResult, theirs: EventResult) => EventResult;
}

const translationFaults = ['F_TRANSLATION', 'F_ADDR_SIZE', 'F_ACCESS', 'F_PERMISSION', 'F_WALK_EABT'];

const classes = { CD: 0, TT: 1, IN: 2 } as const;

function hasIpa(name: string): boolean {
  return translationFaults.includes(name) && name !== 'F_WALK_EABT';
}

/** A write that a TLB entry of both stages forbids, in the second. */
function hasNoIpa({ name, s2, class: code, rnw }: EventResult, theirs: EventResult): boolean {
  return name === 'F_PERMISSION' && s2 === 1 && code === classes.IN && rnw === 0 && theirs.addr2 === '0x0';
}

function withIpa(event: EventResult, ipa: bigint): EventResult {
  const raw = Buffer.from(event.raw, 'hex');
  raw.writeBigUInt64LE(ipa, 24);
  return { ...event, raw: raw.toString('hex'), addr2: hex(ipa) };
}

/** Byte `at` of a record with `change` made to it. */
function patched(raw: string, at: number, change: (byte: number) => number): string {
  const bytes = Buffer.from(raw, 'hex');
  bytes[at] = change(bytes[at] ?? 0);
  return bytes.toString('hex');
}

const departures: readonly Departure[] = [
  {
    // Only a walk knows whether there is such a table on the way.
    name: 'APTable faults before what is below the table does',
    applies: ({ name, rnw, s2 }, { tablePermissions }, theirs) =>
      tablePermissions &&
      rnw === 0 &&
      theirs.name === 'F_PERMISSION' &&
      theirs.addr2 === '0x0' &&
      (name !== 'F_PERMISSION' || s2 === 1) &&
      translationFaults.includes(name),
    inQemu: (event) => {
      const raw = Buffer.from(event.raw, 'hex');
      raw[0] = 0x13;
      raw[12] = (raw[12] ?? 0) & 0x7f;
      raw[13] = classes.IN;
      raw.fill(0, 24);
      const permission = { type: 0x13, name: 'F_PERMISSION', s2: 0, class: classes.IN, ttrnw: 0, addr2: '0x0' };
      return { ...event, raw: raw.toString('hex'), ...permission };
    },
  },
  {
    name: 'CLASS is always 0 (QEMU before 10)',
    applies: ({ name, class: code }, { major }) =>
      major < 10 && code !== 0 && name !== 'F_WALK_EABT' && translationFaults.includes(name),
    inQemu: (event) => ({ ...event, raw: patched(event.raw, 13, (byte) => byte & ~3), class: 0 }),
  },
  {
    name: 'a stage-2 fault of a context descriptor fetch has RnW = 1, whatever the transaction is',
    applies: ({ name, class: code, s2, rnw }) =>
      translationFaults.includes(name) && code === 0 && s2 === 1 && rnw === 0,
    inQemu: (event) => ({ ...event, raw: patched(event.raw, 12, (byte) => byte | 8), rnw: 1 }),
  },
  {
    // Whether it is in the TLB cannot be told from the record.
    name: 'a write that stage 2 forbids has no IPA if the TLB has both stages as one',
    applies: (event, _, theirs) => hasNoIpa(event, theirs),
    inQemu: (event) => withIpa(event, 0n),
  },
  {
    name: 'the IPA of a stage-2 fault keeps its bits [11:0]',
    applies: (event, _, theirs) =>
      hasIpa(event.name) && event.s2 === 1 && event.class === classes.IN && !hasNoIpa(event, theirs),
    inQemu: (event) => withIpa(event, BigInt(event.addr2) | (BigInt(event.inputAddr) & 0xfffn)),
  },
  {
    name: 'the IPA of a stage-2 fault of a context descriptor fetch keeps its bits [11:0]',
    applies: ({ name, s2, class: code }) => hasIpa(name) && s2 === 1 && code === classes.CD,
    inQemu: (event, theirs) => withIpa(event, BigInt(event.addr2) | (BigInt(theirs.addr2) & 0xfc0n)),
  },
  {
    // A table of 16 or 64 KiB has several pages; the record does not tell which granule it is of.
    name: 'the IPA of a stage-2 fault of a stage-1 table fetch is that of the table, not of the descriptor',
    applies: ({ name, s2, class: code }) => hasIpa(name) && s2 === 1 && code === classes.TT,
    inQemu: (event, theirs) => {
      const ipa = BigInt(theirs.addr2);
      const isTable = [12n, 14n, 16n].some((size) => (BigInt(event.addr2) >> size) << size === (ipa >> 12n) << 12n);
      return isTable ? withIpa(event, ipa) : event;
    },
  },
  {
    name: 'TTRnW is never set',
    applies: ({ ttrnw }) => ttrnw === 1,
    inQemu: (event) => ({ ...event, raw: patched(event.raw, 13, (byte) => byte & ~0x10), ttrnw: 0 }),
  },
  {
    name: 'a stage-2 fault of a stage-1 table fetch has S2 = 0',
    applies: ({ name, class: code, s2 }) => translationFaults.includes(name) && code === 1 && s2 === 1,
    inQemu: (event) => ({ ...event, raw: patched(event.raw, 12, (byte) => byte & 0x7f), s2: 0 }),
  },
  {
    // Linux too takes it from the last word (EVTQ_3_FETCH_ADDR).
    name: 'F_CD_FETCH has its FetchAddr in the place of InputAddr',
    applies: ({ name }) => name === 'F_CD_FETCH',
    inQemu: (event) => {
      const raw = event.raw.slice(0, 32) + event.raw.slice(48) + event.raw.slice(32, 48);
      return { ...event, raw, inputAddr: event.addr2, addr2: event.inputAddr };
    },
  },
  {
    name: 'a StreamID beyond the Span is C_BAD_STE',
    applies: ({ name, sid }, { streamIdBits }) => name === 'C_BAD_STREAMID' && sid < 2 ** streamIdBits,
    inQemu: (event) => ({ ...event, raw: patched(event.raw, 0, () => 4), type: 4, name: 'C_BAD_STE' }),
  },
];

/** The record that QEMU writes, and the departures that make it so. */
export function asInQemu(
  event: EventResult,
  theirs: EventResult,
  surroundings: Surroundings,
): { readonly event: EventResult; readonly names: readonly string[] } {
  let record = event;
  const names: string[] = [];
  for (const { name, applies, inQemu } of departures) {
    if (!applies(record, surroundings, theirs)) continue;
    record = inQemu(record, theirs);
    names.push(name);
  }
  return { event: record, names };
}
