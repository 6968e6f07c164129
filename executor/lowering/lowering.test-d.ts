import { expectTypeOf, it } from 'vitest';
import type { StateOf } from '../../language/index.ts';
import type { atcInvalidation } from '../../model/atc-invalidation.ts';
import type { Abstract } from './lowering.ts';

type Read = Abstract<StateOf<typeof atcInvalidation>>;

it('a state read off a machine may leave fields out, and has members as numbers and queues as arrays', () => {
  expectTypeOf<{ page: { pte: 'none' }[]; endpoint: { atc: { entry: 'none' }[] }[] }>().toExtend<Read>();
  expectTypeOf<{ queue: { behind: { command: null; issuer: number }[] } }>().toExtend<Read>();
});

it('has no values that the model does not have', () => {
  expectTypeOf<{ page: { pte: 'nope' }[] }>().not.toExtend<Read>();
});

it('its items of queues and bags are whole', () => {
  expectTypeOf<{ queue: { window: { op: 'cfgi' }[] } }>().not.toExtend<Read>();
});
