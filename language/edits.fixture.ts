/**
 * A protocol to be edited.
 */
import type { Edit } from './edits.ts';
import {
  bool,
  type EditBuilder,
  instantiate,
  type Instance,
  model,
  oneOf,
  properties,
  range,
  type SizeContext,
  variants,
} from './index.ts';
import { sizes } from './one-action.fixture.ts';

/** A protocol with a part of every kind to edit. */
export const protocol = model({
  name: 'protocol',
  sizes,
  state: () => ({ n: range(0, 9), open: bool, kind: oneOf('a', 'b', 'c') }),
  actions: ({ action, procedure }) => ({
    evict: action(
      {},
      {
        actor: 'device',
        when: { 'it is open': (s) => s.open, 'there is room': (s) => s.n < 9 },
        then: {
          'count on': (s) => void (s.n += 1),
          double: (s) => void (s.n = (s.n * 2) % 10),
          close: (s) => void (s.open = false),
        },
      },
    ),
    unmap: procedure(
      {},
      {
        actor: 'cpu',
        locals: { seen: range(0, 9) },
        steps: ({ step, branch, loop }) => [
          step('clear', { then: { 'add one': (s) => void (s.n += 1), 'open up': (s) => void (s.open = true) } }),
          step('wait', { when: { ready: (s) => s.open } }),
          branch('failed', {
            if: (s) => s.kind === 'c',
            then: [step('give up', {}), step('say so', {})],
            else: [step('go on', {})],
          }),
          loop('again', {
            fused: true,
            while: (s) => s.n < 5,
            do: [step('retry', { then: { 'try once': (s) => void s.n++ } })],
          }),
          step('choose', {
            choose: { kind: oneOf('b', 'c') },
            when: { ready: (s) => s.open },
            then: { 'take it': (s, { kind }) => void (s.kind = kind), 'note it': (s, _p, me) => void (me.seen = s.n) },
          }),
        ],
      },
    ),
  }),
});

export const claims = properties(protocol, ({ invariant }) => ({
  'never nine': invariant({ holds: (s) => s.n !== 9 }),
}));

export type Edits = (builder: EditBuilder<typeof protocol> & SizeContext<(typeof sizes)['ci']>) => readonly Edit[];

/** The protocol after some edits. */
export function edited(edits: Edits): Instance<typeof protocol> {
  const set = variants(claims, { bug: { doc: 'a bug', reference: 'a report', violates: { 'never nine': 3 }, edits } });
  return instantiate(protocol, 'ci', { variant: set.variants[0]!.edit });
}
