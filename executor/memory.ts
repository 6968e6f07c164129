/**
 * Physical memory: sparse, byte-addressed, 52 bits. Frames of 4 KiB have owners, and every access of a device is recorded with
 * the bytes before and after, and judged: one to a frame of another owner, or of nobody, is an intrusion.
 */
import type { Owner } from './pcie/messages.ts';

/** Where physical addresses end: 52 bits (IHI 0070, IDR5.OAS = 6). */
const limit = 2 ** 52;
const frameSize = 4096;

/** A range of physical addresses that memory stands behind, in bytes. */
export interface MemoryRange {
  readonly base: bigint;
  readonly size: bigint;
}

/** What a device does to memory. `bytes` are of a write, `length` is of a read. */
export interface DeviceAccess {
  /** The device. */
  readonly by: string;
  /** On whose behalf; without it the access is recorded, not judged. */
  readonly on?: Owner | undefined;
  readonly kind: 'read' | 'write';
  readonly address: bigint;
  readonly bytes?: Uint8Array;
  readonly length?: number;
}

/** The part of a device's access that lies in one frame. Of a read, `before` and `after` are equal. */
export interface Access {
  readonly by: string;
  readonly on?: Owner | undefined;
  readonly kind: 'read' | 'write';
  readonly address: bigint;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** Whose the frame was when it was accessed; `undefined`: nobody's. */
  readonly owner: Owner | undefined;
}

/** What a device's access did. */
export interface AccessResult {
  /** The data read, or written. */
  readonly bytes: Uint8Array;
  /** One per frame, in the order of addresses. */
  readonly parts: readonly Access[];
  /** Those of the parts that are intrusions. */
  readonly intrusions: readonly Access[];
}

export class Memory {
  readonly #ranges: readonly { readonly start: number; readonly end: number }[];
  readonly #frames = new Map<number, Uint8Array>();
  readonly #owners = new Map<number, Owner>();
  readonly #accesses: Access[] = [];
  readonly #intrusions: Access[] = [];

  /** `ranges`: what is backed; all 2^52 bytes by default. Throws `RangeError` for a range beyond 52 bits. */
  constructor(options: { readonly ranges?: readonly MemoryRange[] } = {}) {
    this.#ranges = merged(options.ranges ?? [{ base: 0n, size: BigInt(limit) }]);
  }

  /** Whether memory stands behind all `length` bytes from `address`. */
  isBacked(address: bigint, length: number): boolean {
    if (address < 0n || address >= BigInt(limit)) return false;
    const start = Number(address);
    return this.#ranges.some((range) => start >= range.start && start + length <= range.end);
  }

  /** The `length` bytes from `address`. Throws `RangeError` where nothing is backed. */
  read(address: bigint, length: number): Uint8Array {
    const start = this.#backed(address, length);
    const bytes = new Uint8Array(length);
    for (const part of split(start, length)) {
      const frame = this.#frames.get(part.frame);
      if (frame !== undefined) bytes.set(frame.subarray(part.offset, part.offset + part.length), part.at);
    }
    return bytes;
  }

  /** Throws `RangeError` where nothing is backed; then nothing is written. */
  write(address: bigint, bytes: Uint8Array): void {
    const start = this.#backed(address, bytes.length);
    for (const part of split(start, bytes.length)) {
      this.#frame(part.frame).set(bytes.subarray(part.at, part.at + part.length), part.offset);
    }
  }

  /** The 64-bit little-endian word at an aligned address. Throws `RangeError` if it is not aligned or not backed. */
  readWord(address: bigint): bigint {
    const start = this.#word(address);
    const frame = this.#frames.get(Math.floor(start / frameSize));
    if (frame === undefined) return 0n;
    return new DataView(frame.buffer).getBigUint64(start % frameSize, true);
  }

  /** Writes the 64-bit little-endian word at an aligned address. Throws `RangeError` as `readWord` does. */
  writeWord(address: bigint, value: bigint): void {
    const start = this.#word(address);
    const frame = this.#frame(Math.floor(start / frameSize));
    new DataView(frame.buffer).setBigUint64(start % frameSize, value, true);
  }

  /**
   * Gives the frames from `address` to an owner; `undefined`: they are free. Throws `RangeError` unless address and length are
   * multiples of 4 KiB and backed.
   */
  give(address: bigint, length: number, owner: Owner | undefined): void {
    const start = this.#backed(address, length);
    if (start % frameSize !== 0 || length % frameSize !== 0) {
      throw new RangeError(`frames of 4 KiB have owners: ${hex(address)} with ${length} bytes is not whole frames`);
    }
    for (let frame = start / frameSize; frame < (start + length) / frameSize; frame++) {
      if (owner === undefined) this.#owners.delete(frame);
      else this.#owners.set(frame, owner);
    }
  }

  /** Whose frame an address lies in; `undefined`: nobody's. */
  ownerOf(address: bigint): Owner | undefined {
    return this.#owners.get(Math.floor(Number(address) / frameSize));
  }

  /** A device's access: done, recorded and judged, frame by frame. Throws `RangeError` as `read` and `write` do. */
  access(access: DeviceAccess): AccessResult {
    const { by, on, kind, address } = access;
    if (kind === 'write' && access.bytes === undefined) throw new RangeError('a write has bytes');
    const length = kind === 'write' ? (access.bytes?.length ?? 0) : (access.length ?? access.bytes?.length ?? 0);
    const before = this.read(address, length);
    const after = kind === 'write' ? Uint8Array.from(access.bytes ?? []) : before;
    if (kind === 'write') this.write(address, after);
    const parts = split(Number(address), length).map((part): Access => {
      const range = [part.at, part.at + part.length] as const;
      return {
        by,
        on,
        kind,
        address: address + BigInt(part.at),
        before: before.slice(...range),
        after: after.slice(...range),
        owner: this.#owners.get(part.frame),
      };
    });
    const intrusions = parts.filter((part) => part.on !== undefined && part.on !== part.owner);
    this.#accesses.push(...parts);
    this.#intrusions.push(...intrusions);
    return { bytes: after.slice(), parts, intrusions };
  }

  /** All accesses of devices, in order, one per frame. */
  get accesses(): readonly Access[] {
    return this.#accesses;
  }

  /** Those made on behalf of someone who did not own the frame. */
  get intrusions(): readonly Access[] {
    return this.#intrusions;
  }

  /** A memory of its own with the same contents, owners and records. */
  copy(): Memory {
    const copy = new Memory({
      ranges: this.#ranges.map(({ start, end }) => ({ base: BigInt(start), size: BigInt(end - start) })),
    });
    for (const [frame, bytes] of this.#frames) copy.#frames.set(frame, bytes.slice());
    for (const [frame, owner] of this.#owners) copy.#owners.set(frame, owner);
    copy.#accesses.push(...this.#accesses);
    copy.#intrusions.push(...this.#intrusions);
    return copy;
  }

  #backed(address: bigint, length: number): number {
    if (!this.isBacked(address, length)) throw new RangeError(`no memory at ${hex(address)}, ${length} bytes`);
    return Number(address);
  }

  #word(address: bigint): number {
    const start = this.#backed(address, 8);
    if (start % 8 !== 0) throw new RangeError(`a word at ${hex(address)} is not aligned`);
    return start;
  }

  #frame(number: number): Uint8Array {
    const known = this.#frames.get(number);
    if (known !== undefined) return known;
    const frame = new Uint8Array(frameSize);
    this.#frames.set(number, frame);
    return frame;
  }
}

/** The pieces of a range, one per frame; `at` is the place in the range, `offset` that in the frame. */
function split(
  start: number,
  length: number,
): readonly { frame: number; offset: number; at: number; length: number }[] {
  const parts = [];
  for (let at = 0; at < length;) {
    const offset = (start + at) % frameSize;
    const size = Math.min(frameSize - offset, length - at);
    parts.push({ frame: Math.floor((start + at) / frameSize), offset, at, length: size });
    at += size;
  }
  return parts;
}

/** Ranges in order; those that touch or overlap are one. */
function merged(ranges: readonly MemoryRange[]): readonly { start: number; end: number }[] {
  const result: { start: number; end: number }[] = [];
  for (const { base, size } of ranges.toSorted((a, b) => (a.base < b.base ? -1 : 1))) {
    if (base < 0n || size <= 0n || base + size > BigInt(limit)) {
      throw new RangeError(`no range of 52-bit addresses: ${hex(base)}, ${size} bytes`);
    }
    const last = result.at(-1);
    const end = Number(base + size);
    if (last !== undefined && Number(base) <= last.end) last.end = Math.max(last.end, end);
    else result.push({ start: Number(base), end });
  }
  return result;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
