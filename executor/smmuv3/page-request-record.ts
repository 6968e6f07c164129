/**
 * The 16-byte record of the PRI queue (IHI 0070, 8).
 */
import { address, flag, layout, uint } from '../bits.ts';
import type { Fields } from '../bits.ts';

const pageRequestLayout = layout(2, {
  sid: uint(0, 31, 0),
  ssid: uint(0, 51, 32),
  privileged: flag(0, 58),
  execute: flag(0, 59),
  read: flag(0, 60),
  write: flag(0, 61),
  last: flag(0, 62),
  ssv: flag(0, 63),
  prgIndex: uint(1, 8, 0),
  address: address(1, 63, 12),
});

/** Length of a record, in bytes. */
export const pageRequestRecordLength = pageRequestLayout.length;

/** A page request as the SMMU records it. Without `ssv` the SSID, execute and privileged fields are zero. */
export type PageRequestRecord = Readonly<Fields<typeof pageRequestLayout.places>>;

/** The record of 16 bytes at an offset. */
export function decodePageRequest(raw: Uint8Array, offset = 0): PageRequestRecord {
  return pageRequestLayout.decode(raw, offset);
}

/** The 16 bytes of a record; fields that are not given are zero. Throws `RangeError` for a value that does not fit. */
export function encodePageRequest(record: Partial<PageRequestRecord>): Uint8Array {
  return pageRequestLayout.encode(record);
}

/** Whether a record is a Stop PASID marker, which is never answered: {L, W, R} = 100 with a PASID. */
export function isStopMarker(record: PageRequestRecord): boolean {
  return record.ssv && record.last && !record.write && !record.read;
}
