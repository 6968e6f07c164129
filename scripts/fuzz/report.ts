/**
 * What the threads of a random search share and tell.
 */
import type { Block } from '../../checker/random/fuzz.ts';

/** The numbers that all threads see: the next block, the last one that matters, and whether to stop. */
export const slot = { next: 0, last: 1, stop: 2, count: 3 } as const;

/** The last block of a search without a limit. */
export const lastOfAll = 0x3fff_ffff;

/** What became of one block. */
export interface Report extends Block {
  readonly number: number;
  readonly seed: number;
}

/** What a thread tells: a block, or why it cannot go on. */
export type Message = { readonly report: Report } | { readonly problem: string };

/** Lowers the last block that matters. */
export function endAt(control: Int32Array, number: number): void {
  for (let last = Atomics.load(control, slot.last); number < last; last = Atomics.load(control, slot.last)) {
    if (Atomics.compareExchange(control, slot.last, last, number) === last) return;
  }
}

/** After a block with a suspicion so many more are run, since a violation would say more. */
export const afterSuspicion = 8;
