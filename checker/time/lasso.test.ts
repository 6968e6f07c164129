/**
 * Lassos are found where they are very long, too.
 */
import { expect, it } from 'vitest';
import { fairSets } from './fair.ts';
import type { Fairness } from './fairness.ts';
import { GraphBuilder } from './graph.ts';
import { shortLasso, Ways } from './lasso.ts';

it('a loop of very many steps is shown', () => {
  const states = 150_000;
  const builder = new GraphBuilder(1, states, states);
  for (let state = 0; state < states; state++) builder.add(Int32Array.of(state));
  for (let state = 0; state < states; state++) {
    builder.addStep(0, (state + 1) % states);
    builder.endState();
  }
  const graph = builder.graph([0]);
  const fairness: Fairness = { obligations: [{ kind: 'weak', rule: undefined as never }], of: Int32Array.of(0) };
  const inside = new Uint8Array(states).fill(1);
  for (const start of [0, 1000]) {
    const starts = new Uint8Array(states);
    starts[start] = 1;
    const sets = fairSets(graph, fairness, inside, [start]);
    expect(sets.map(({ length }) => length)).toEqual([states]);
    const { initial, prefix, loop } = shortLasso(graph, new Ways(graph), fairness, starts, inside, sets);
    expect([initial, prefix.length, loop.length]).toEqual([0, start, states]);
  }
});
