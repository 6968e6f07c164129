/**
 * A state with a field of every kind, for guards and effects that make mistakes with it.
 */
import { bag, bool, each, oneOf, optional, queue, range, setOf } from './index.ts';
import { Device, Page } from './one-action.fixture.ts';

export const state = {
  page: each(Page, { pte: oneOf('none', 'valid'), count: range(0, 3) }),
  atc: each(Device, Page, { entry: bool }),
  current: optional({ page: Page }),
  queue: queue(2, { page: Page, op: oneOf('tlbi', 'sync') }),
  bag: bag(2, range(0, 3)),
  set: setOf(Page),
};

/** The state as JavaScript lets a guard or effect treat it, past the types. */
export interface Loose {
  page: Record<string, unknown>[];
  readonly atc: Record<string, unknown>[][];
  current: unknown;
  queue: { push(item: unknown): void; readonly head: unknown };
  set: { add(member: unknown): void };
  [extra: string]: unknown;
}
