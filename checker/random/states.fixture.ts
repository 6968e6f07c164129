/**
 * Random states of a domain, reachable or not.
 */
import type { Concrete, State } from '../../language/index.ts';

/** A number from 0 to `count - 1`. */
export type Pick = (count: number) => number;

/** Numbers that depend on the seed alone (the generator is mulberry32). */
export function picker(seed: number): Pick {
  let state = seed | 0;
  return (count) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * count);
  };
}

/** A state of the domain, frozen. */
export function stateOf(domain: Concrete<State>, pick: Pick): State {
  return valueOf(domain, pick) as State;
}

/** A value of the domain, frozen. */
export function valueOf(domain: Concrete, pick: Pick): unknown {
  const { structure } = domain;
  switch (structure.kind) {
    case 'leaf': {
      // The ends and the middle of a wide leaf, so that equal values are met.
      const { count } = structure;
      if (count <= 4 || pick(8) === 0) return structure.value(pick(count));
      return structure.value([0, 1, Math.floor(count / 2), count - 1][pick(4)] as number);
    }
    case 'optional':
      return pick(2) === 0 ? null : valueOf(structure.of, pick);
    case 'record':
      return Object.freeze(Object.fromEntries(structure.fields.map(([name, field]) => [name, valueOf(field, pick)])));
    case 'each':
      return Object.freeze(Array.from({ length: structure.sort.size }, () => valueOf(structure.of, pick)));
    case 'setOf': {
      const set = Object.create(Object.getPrototypeOf(domain.initial) as object) as { flags: readonly boolean[] };
      set.flags = Object.freeze(Array.from({ length: structure.sort.size }, () => pick(2) === 1));
      return Object.freeze(set);
    }
    case 'queue':
    case 'bag': {
      const items = Array.from({ length: pick(structure.capacity + 1) }, () => valueOf(structure.of, pick));
      const sequence = new structure.class();
      const key = (item: unknown): string => structure.of.key(item);
      sequence.items = Object.freeze(
        structure.kind === 'queue' ? items : items.toSorted((a, b) => (key(a) < key(b) ? -1 : Number(key(a) > key(b)))),
      );
      return Object.freeze(sequence);
    }
    default:
      return structure satisfies never;
  }
}
