import { describe, expect, it } from 'vitest';
import { search } from '../checker/index.ts';
import { type Instance, initialStates, instantiate, type State, successors } from '../language/index.ts';
import { protocols } from './index.ts';

/** The actions and steps that are taken somewhere, explored apart from the checker. */
function rulesTaken(instance: Instance): ReadonlySet<number> {
  const taken = new Set<number>();
  const known = new Set<string>();
  const open = [...initialStates(instance)] as State[];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const key = instance.domain.key(state);
    if (known.has(key)) continue;
    known.add(key);
    successors(instance, state, false, (rule, _bound, next) => {
      taken.add(rule.index);
      open.push(next);
    });
  }
  return taken;
}

describe.each(protocols.map((protocol) => ({ protocol, name: protocol.model.name })))('$name', ({ protocol }) => {
  // Size ci is checked by the command line, and size deep takes longer than a test may.
  it.each(Object.keys(protocol.model.sizes).filter((size) => !['ci', 'deep'].includes(size)))(
    'has all its properties at size %s, in every reachable state',
    (size) => {
      const result = search(instantiate(protocol.model, size), protocol.properties);
      expect(result.properties.filter(({ verdict }) => verdict !== 'holds')).toEqual([]);
      expect(result.limit).toBeUndefined();
    },
  );

  it('takes every action and every step somewhere', () => {
    const instance = instantiate(protocol.model, 'smoke');
    const taken = rulesTaken(instance);
    const dead = instance.rules.filter(({ index }) => !taken.has(index));
    expect(dead.map(({ type, step }) => [type, step])).toEqual([]);
  });

  it.each(protocol.variants.flatMap(({ variants }) => variants))(
    'with the bug $name breaks exactly the recorded properties, in the recorded number of steps',
    (variant) => {
      const instance = instantiate(protocol.model, variant.size, { set: variant.set, variant: variant.edit });
      const until = Object.keys(variant.violates);
      const { properties } = search(instance, protocol.properties, { until });
      const violated = properties.filter(({ kind, verdict }) => kind !== 'reachable' && verdict === 'violated');
      expect(Object.fromEntries(violated.map(({ name, path }) => [name, path?.actions.length]))).toEqual(
        variant.violates,
      );
    },
  );
});
