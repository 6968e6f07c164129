/**
 * Numbers and bytes as people read them.
 */

/** A number, as "0x...". */
export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

/** Bytes in the order of memory. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
