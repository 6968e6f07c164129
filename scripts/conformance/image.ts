/**
 * Words that go into memory before a scenario starts, and room for tables.
 */
import { hex, hexOfBytes } from '../../executor/scenario/hex.ts';

/** Where things lie; RAM starts at 0x40000000. */
export const layout = {
  streamTable: 0x4020_0000n,
  secondLevel: 0x4024_0000n,
  commands: 0x4028_0000n,
  events: 0x4029_0000n,
  /** Context descriptors and translation tables. */
  tables: 0x4040_0000n,
  tablesEnd: 0x4300_0000n,
  /** 64 frames of 4 KiB. */
  data: 0x4300_0000n,
  frames: 64,
  /** No memory is here. */
  nowhere: 0x7f00_0000n,
  ram: '64M',
} as const;

/** Memory as 64-bit words, and what was allocated of the room for tables. */
export class Image {
  readonly #words = new Map<bigint, bigint>();
  #next: bigint = layout.tables;

  /** The end of what was allocated. */
  get end(): bigint {
    return this.#next;
  }

  /** Room of `size` bytes, a power of two, aligned to it. */
  allocate(size: bigint): bigint {
    const aligned = size < 64n ? 64n : size;
    const start = (this.#next + aligned - 1n) & ~(aligned - 1n);
    this.#next = start + aligned;
    if (this.#next > layout.tablesEnd) throw new Error('no room for tables');
    return start;
  }

  get(address: bigint): bigint {
    return this.#words.get(address) ?? 0n;
  }

  set(address: bigint, word: bigint): void {
    this.#words.set(address, word);
  }

  put(address: bigint, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 8) this.set(address + BigInt(at), view.getBigUint64(at, true));
  }

  /** Steps that write it all; words that follow each other are one. */
  steps(): readonly object[] {
    const runs: { start: bigint; words: bigint[] }[] = [];
    const sorted = [...this.#words].filter(([, word]) => word !== 0n).toSorted(([a], [b]) => (a < b ? -1 : 1));
    for (const [address, word] of sorted) {
      const last = runs.at(-1);
      if (last !== undefined && last.start + BigInt(last.words.length * 8) === address) last.words.push(word);
      else runs.push({ start: address, words: [word] });
    }
    return runs.map(({ start, words }) => ({ op: 'mem', addr: hex(start), hex: hexOfWords(words) }));
  }
}

/** Words as they lie in memory. */
export function hexOfWords(words: readonly bigint[]): string {
  const bytes = new Uint8Array(words.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setBigUint64(index * 8, word, true);
  return hexOfBytes(bytes);
}
