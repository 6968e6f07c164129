/**
 * The layout of two states at once, the one after a step behind the one before, for functions that see both.
 */
import { type Layout, type Leaf, leavesOf, type Part, type RecordPart, type Slot } from './layout.ts';

/** The layout of `{ before, after }`: the words of the state before, then those of the state after. */
export function pairOf(layout: Layout): Layout {
  const copies = new Map<Leaf, Leaf>();
  for (const leaf of layout.leaves) {
    copies.set(leaf, {
      ...leaf,
      id: leaf.id + layout.leaves.length,
      path: `after ${leaf.path}`,
      word: leaf.word + layout.words,
    });
  }
  const moved = (leaf: Leaf): Leaf => copies.get(leaf) as Leaf;
  const root: RecordPart = {
    kind: 'record',
    fields: [
      ['before', layout.root],
      ['after', movedPart(layout.root, moved)],
    ],
  };
  return {
    words: 2 * layout.words,
    leaves: [...layout.leaves, ...copies.values()],
    root,
    pack: ({ before, after }) => {
      const packed = new Int32Array(2 * layout.words);
      packed.set(layout.pack(before as never));
      packed.set(layout.pack(after as never), layout.words);
      return packed;
    },
    unpack: (words, offset = 0) =>
      Object.freeze({ before: layout.unpack(words, offset), after: layout.unpack(words, offset + layout.words) }),
  };
}

/** The same part in other leaves. */
function movedPart<P extends Part>(part: P, moved: (leaf: Leaf) => Leaf): P;
function movedPart(part: Part, moved: (leaf: Leaf) => Leaf): Part {
  switch (part.kind) {
    case 'leaf':
      return { ...part, leaf: moved(part.leaf) };
    case 'optional':
      return { ...part, present: moved(part.present), of: movedPart(part.of, moved) };
    case 'record':
      return { ...part, fields: part.fields.map(([name, field]) => [name, movedPart(field, moved)]) };
    case 'each':
      return { ...part, elements: part.elements.map((element) => movedPart(element, moved)) };
    case 'set':
      return { ...part, flags: part.flags.map(moved) };
    case 'queue':
    case 'bag':
      return { ...part, length: moved(part.length), slots: part.slots.map((slot) => movedSlot(slot, moved)) };
    default:
      return part satisfies never;
  }
}

function movedSlot(slot: Slot, moved: (leaf: Leaf) => Leaf): Slot {
  const part = movedPart(slot.part, moved);
  return { part, leaves: leavesOf(part) };
}
