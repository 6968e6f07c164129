/**
 * Fields of the structures that hardware reads from memory: a layout names each field's place once, and decodes and encodes
 * by it.
 */

/** The low `width` bits set. */
export function mask(width: number): bigint {
  return (1n << BigInt(width)) - 1n;
}

/** Bits [high:low] of a word, shifted down. */
export function bits(word: bigint, high: number, low: number = high): bigint {
  return (word >> BigInt(low)) & mask(high - low + 1);
}

/** Whether a bit of a word is set. */
export function isSet(word: bigint, bit: number): boolean {
  return bits(word, bit) === 1n;
}

/** A field: bits [high:low] of the 64-bit little-endian word `word`. */
export interface Place<T> {
  readonly word: number;
  readonly high: number;
  readonly low: number;
  read(word: bigint): T;
  /** The value in its place, or `undefined` if it does not fit. */
  place(value: T): bigint | undefined;
}

/** A field of one bit. */
export function flag(word: number, bit: number): Place<boolean> {
  return {
    word,
    high: bit,
    low: bit,
    read: (raw) => isSet(raw, bit),
    place: (value) => (value ? 1n << BigInt(bit) : 0n),
  };
}

/** A field of at most 32 bits, as a number. */
export function uint(word: number, high: number, low: number = high): Place<number> {
  const limit = 2 ** (high - low + 1);
  return {
    word,
    high,
    low,
    read: (raw) => Number(bits(raw, high, low)),
    place: (value) =>
      Number.isInteger(value) && value >= 0 && value < limit ? BigInt(value) << BigInt(low) : undefined,
  };
}

/** An address whose bits [high:low] are stored in their own place; the bits below are zero. */
export function address(word: number, high: number, low: number): Place<bigint> {
  const where = mask(high - low + 1) << BigInt(low);
  return {
    word,
    high,
    low,
    read: (raw) => raw & where,
    place: (value) => ((value & ~where) === 0n ? value : undefined),
  };
}

/** The places of the fields of a layout, by name. */
export type Places = Readonly<Record<string, Place<unknown>>>;

/** The values of the fields of a layout. */
export type Fields<P> = { readonly [K in keyof P]: P[K] extends Place<infer T> ? T : never };

/** A structure in memory of `words` 64-bit words. */
export interface Layout<P> {
  /** Length in bytes. */
  readonly length: number;
  readonly places: P;
  /** The fields of a structure that starts at `offset` of `raw`. */
  decode(raw: Uint8Array, offset?: number): Fields<P>;
  /** The bytes of a structure; fields that are not given are zero. Throws `RangeError` for a value that does not fit. */
  encode(values: Partial<Fields<P>>): Uint8Array;
}

/** A layout of `words` 64-bit words. */
export function layout<const P extends Places>(words: number, places: P): Layout<P> {
  const entries = Object.entries(places);
  return {
    length: words * 8,
    places,
    decode: (raw, offset = 0) => {
      const view = new DataView(raw.buffer, raw.byteOffset + offset, words * 8);
      return Object.fromEntries(
        entries.map(([name, place]) => [name, place.read(view.getBigUint64(place.word * 8, true))]),
      ) as Fields<P>;
    },
    encode: (values) => {
      const raw = new Uint8Array(words * 8);
      const view = new DataView(raw.buffer);
      for (const [name, value] of Object.entries(values)) {
        const place = (places as Places)[name];
        const placed = place?.place(value);
        if (place === undefined || placed === undefined) {
          throw new RangeError(`${name}: ${String(value)} does not fit the field`);
        }
        view.setBigUint64(place.word * 8, view.getBigUint64(place.word * 8, true) | placed, true);
      }
      return raw;
    },
  };
}
