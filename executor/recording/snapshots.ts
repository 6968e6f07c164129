/**
 * Stream table entries and Context descriptors as the marks of a recording show them. Between two marks their bytes are not
 * recorded: at a fetch they were those of the mark before, those of the mark after, or something in between.
 */
import { steLayout } from '../smmuv3/stream-table-entry.ts';
import type { RecordedLine } from './records.ts';

/** Bytes by address, as of one mark. */
export interface Snapshot {
  /** The bytes of the structure at an address, if a mark up to then has shown them. */
  at(address: bigint): Uint8Array | undefined;
  /** Where the Stream table entry of a stream is. */
  entryOf(sid: number): bigint | undefined;
}

export class Snapshots {
  /** Indexes of marks among the records. */
  readonly #marks: number[] = [];
  readonly #bytes = new Map<bigint, { readonly mark: number; readonly bytes: Uint8Array }[]>();
  readonly #entries = new Map<number, { readonly mark: number; readonly address: bigint }[]>();

  constructor(records: readonly RecordedLine[]) {
    for (const [index, record] of records.entries()) {
      if (record.k !== 'mark') continue;
      const mark = this.#marks.push(index) - 1;
      for (const { addr, hex, sid, kind } of record.strtabChanged ?? []) {
        const isEntry = kind === undefined ? hex.length === steLayout.length : kind === 'STE';
        if (isEntry && sid !== undefined) append(this.#entries, sid, { mark, address: addr });
        append(this.#bytes, addr, { mark, bytes: hex });
      }
      for (const { addr, hex } of record.cdsChanged ?? []) append(this.#bytes, addr, { mark, bytes: hex });
    }
  }

  /** The marks around the record with an index; `undefined` where there is none. */
  around(index: number): { readonly before: Span | undefined; readonly after: Span | undefined } {
    const next = this.#marks.findIndex((mark) => mark > index);
    const after = next === -1 ? undefined : next;
    const before = (after ?? this.#marks.length) - 1;
    return {
      before: before < 0 ? undefined : this.#span(before),
      after: after === undefined ? undefined : this.#span(after),
    };
  }

  #span(mark: number): Span {
    const latest = <T extends { readonly mark: number }>(versions: readonly T[] | undefined): T | undefined =>
      versions?.findLast((version) => version.mark <= mark);
    return {
      index: this.#marks[mark] ?? 0,
      at: (address) => latest(this.#bytes.get(address))?.bytes,
      entryOf: (sid) => latest(this.#entries.get(sid))?.address,
    };
  }
}

/** A snapshot with the index of its mark among the records. */
export interface Span extends Snapshot {
  readonly index: number;
}

function append<K, T>(map: Map<K, T[]>, key: K, value: T): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}
