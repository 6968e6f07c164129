import { describe, expect, it } from 'vitest';
import { search } from '../checker/index.ts';
import { instantiate } from '../language/index.ts';
import { protocols } from './index.ts';

describe.each(protocols.map((protocol) => ({ protocol, name: protocol.model.name })))('$name', ({ protocol }) => {
  // Size ci is checked by the command line, and so are the variants; size deep takes longer than a test may.
  it.each(Object.keys(protocol.model.sizes).filter((size) => !['ci', 'deep'].includes(size)))(
    'has all its properties at size %s, in every reachable state and on every fair run',
    (size) => {
      const result = search(instantiate(protocol.model, size), protocol.properties);
      expect(result.properties.filter(({ verdict }) => verdict !== 'holds')).toEqual([]);
      expect(result.limit).toBeUndefined();
    },
  );

  it('takes every action and every step somewhere', () => {
    const { never } = search(instantiate(protocol.model, 'smoke'), protocol.properties);
    expect(never?.filter(({ kind }) => kind !== 'decision')).toEqual([]);
  });
});
