/**
 * Translation tables of a plan, built anew here: nothing of the machine's own tables is used, so that a mistake there shows.
 */
import { type Image, layout } from './image.ts';
import type { Leaf, Mapping } from './plan.ts';

/** How a table is walked. */
export interface Shape {
  readonly stage: 1 | 2;
  readonly granuleLog2: 12 | 14 | 16;
  readonly inputBits: number;
  readonly startLevel: number;
  /** Of outputs: where F_ADDR_SIZE begins. */
  readonly outputBits: number;
  /** Added to physical addresses of data and tables: where a guest sees them. */
  readonly shift: bigint;
}

/** A leaf in a table. */
export interface Placed {
  readonly input: bigint;
  readonly level: number;
  readonly sizeLog2: number;
  readonly descriptor: bigint;
  readonly shape: Shape;
}

const bit = (position: number): bigint => 1n << BigInt(position);
const mask = (width: number): bigint => bit(width) - 1n;

/** log2 of what one entry of a level covers. */
export function shiftOf(granuleLog2: number, level: number): number {
  return granuleLog2 + (granuleLog2 - 3) * (3 - level);
}

/** The level at which stage 1 starts. */
export function stage1Start(granuleLog2: number, inputBits: number): number {
  return 4 - Math.ceil((inputBits - granuleLog2) / (granuleLog2 - 3));
}

/** Levels at which a leaf may stand, the smallest pages first. */
export function leafLevels(granuleLog2: 12 | 14 | 16): readonly number[] {
  return granuleLog2 === 12 ? [3, 2, 1] : [3, 2];
}

/** The first table, of all entries of the start level; stage 2 may have up to 16 of them in a row. */
export function rootOf(image: Image, { granuleLog2, inputBits, startLevel }: Shape): bigint {
  return image.allocate(8n << BigInt(inputBits - shiftOf(granuleLog2, startLevel)));
}

/** Puts a leaf where a mapping says, with the tables above it; `undefined` if something is in the way. */
export function place(image: Image, root: bigint, shape: Shape, mapping: Mapping): Placed | undefined {
  const levels = leafLevels(shape.granuleLog2).filter((level) => level >= shape.startLevel);
  const level = mapping.level < 3 ? levels[0] : levels[mapping.level % levels.length];
  if (level === undefined) return undefined;
  let input = 0n;
  for (let at = shape.startLevel; at <= level; at++) {
    const shift = shiftOf(shape.granuleLog2, at);
    const stride = shape.granuleLog2 - 3;
    // Of concatenated tables only the first is used: QEMU takes all for it.
    const width = Math.min(stride, at === shape.startLevel ? shape.inputBits - shift : stride);
    const last = mask(width);
    const choices = [0n, 1n, 2n, 3n, last, last - 1n, last / 2n, 5n];
    input |= ((choices[mapping.indices[at] ?? 0] ?? 0n) & last) << BigInt(shift);
  }
  return placeAt(image, root, shape, input, level, mapping.leaf, mapping.tableReadOnly);
}

/** Puts a leaf for an input address; `undefined` if something is in the way. */
export function placeAt(
  image: Image,
  root: bigint,
  shape: Shape,
  input: bigint,
  level: number,
  leaf: Leaf,
  tableReadOnly = false,
): Placed | undefined {
  let table = root;
  // Stage 2 leads to its tables by physical addresses.
  const seen = shape.stage === 1 ? shape.shift : 0n;
  for (let at = shape.startLevel; ; at++) {
    const shift = shiftOf(shape.granuleLog2, at);
    const width = at === shape.startLevel ? shape.inputBits - shift : shape.granuleLog2 - 3;
    const address = table + 8n * ((input >> BigInt(shift)) & mask(width));
    const word = image.get(address);
    if (at === level) {
      if (word !== 0n) return undefined;
      const placed = { input, level, sizeLog2: shift, descriptor: address, shape };
      image.set(address, descriptorOf(placed, leaf));
      return placed;
    }
    if (word === 0n) {
      const next = image.allocate(bit(shape.granuleLog2));
      image.set(address, (next + seen) | 3n | (tableReadOnly ? bit(62) : 0n));
      table = next;
    } else if ((word & 3n) === 3n && isTable(image, tableOf(word, shape, seen))) {
      table = tableOf(word, shape, seen);
    } else {
      return undefined;
    }
  }
}

/** Table descriptors lead to what was allocated; those of broken leaves lead nowhere. */
function isTable(image: Image, table: bigint): boolean {
  return table >= layout.tables && table < image.end;
}

function tableOf(word: bigint, shape: Shape, seen: bigint): bigint {
  return (word & (mask(48) ^ mask(shape.granuleLog2))) - seen;
}

/** The address where a leaf leads to, in memory or nowhere, without the guest's shift. */
export function frameOf(leaf: Leaf): bigint {
  return (leaf.kind === 'unbacked' ? layout.nowhere : layout.data) + BigInt(leaf.frame) * 0x1000n;
}

/** The descriptor of a leaf. */
export function descriptorOf({ level, sizeLog2, shape }: Placed, leaf: Leaf): bigint {
  const { stage, granuleLog2, outputBits, shift } = shape;
  if (leaf.kind === 'invalid') return bit(60) | 2n;
  if (leaf.kind === 'table nowhere' && level < 3) return layout.nowhere | 3n;
  const frame = (frameOf(leaf) + (stage === 1 ? shift : 0n)) & ~mask(sizeLog2);
  const output = leaf.kind === 'beyond the output size' ? frame | bit(outputBits) : frame;
  // Not writable alone: QEMU does not record a read that hits such an entry.
  const attributes =
    (stage === 1
      ? bit(6) | (leaf.write ? 0n : bit(7)) | bit(11)
      : (leaf.read ? bit(6) : 0n) | (leaf.read && leaf.write ? bit(7) : 0n) | (0xfn << 2n)) |
    (3n << 8n) |
    (leaf.accessed ? bit(10) : 0n);
  // At the last level a block, and where there are no blocks one too, is reserved.
  const isBlockLevel = leafLevels(granuleLog2).includes(level) && level < 3;
  const type = leaf.kind === 'reserved' ? (isBlockLevel ? 0n : 1n) : level === 3 ? 3n : 1n;
  return output | attributes | type;
}
