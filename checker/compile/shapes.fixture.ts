/**
 * States with a part of every kind, for tests of what functions can do with them.
 */
import { bag, bool, each, oneOf, optional, queue, range, record, setOf, type Value } from '../../language/index.ts';
import { Cpu, Device, Page } from '../../language/one-action.fixture.ts';

const pair = { x: range(0, 1), y: range(0, 1) };
export const state = {
  a: record(pair),
  b: record(pair),
  other: record({ y: range(0, 1), x: range(0, 1) }),
  nested: record({ inner: pair, flag: bool }),
  nested2: record({ inner: pair, flag: bool }),
  maybe: optional(pair),
  maybe2: optional(pair),
  later: optional({ x: range(1, 2), y: range(-1, 0) }),
  page: each(Page, { pte: oneOf('none', 'valid'), n: range(0, 2) }),
  flags: each(Page, bool),
  flags2: each(Page, bool),
  grid: each(Device, Page, { on: bool }),
  who: optional(Page),
  set: setOf(Page),
  set2: setOf(Page),
  n: range(0, 2),
  m: range(0, 2),
  f: bool,
  cpu: Cpu,
};
export const items = {
  q: queue(3, pair),
  other: queue(2, { y: range(0, 1), x: range(0, 1) }),
  bag: bag(3, pair),
  scalars: queue(3, Page),
  numbers: bag(3, range(-1, 1)),
  deep: bag(2, { at: optional({ page: Page, on: bool }), n: range(0, 300), m: range(0, 2 ** 31 - 1) }),
  a: record(pair),
  maybe: optional(pair),
  set: setOf(Page),
  n: range(0, 3),
  f: bool,
};
export type S = Value<typeof state>;
export type I = Value<typeof items>;
/** The records of a state past their types. */
export const loose = (s: unknown): Record<string, Record<string, unknown>> => s as never;
/** The families of a state as the arrays that they are at run time. */
export const arrays = (s: unknown): Record<string, unknown[]> => s as never;
