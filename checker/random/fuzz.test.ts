/**
 * Random search: what it finds is there, as short as it can be, and found again from its seed and path alone.
 */
import { describe, expect, it } from 'vitest';
import { instantiate, propertiesOf } from '../../language/index.ts';
import { protocols } from '../../properties/index.ts';
import { breaks } from '../../traces/broken.ts';
import { traceOf } from '../../traces/trace.ts';
import { isDeep } from './depth.fixture.ts';
import { type Found, Fuzzer, runsPerBlock, seedOf } from './fuzz.ts';

const variants = protocols.flatMap((protocol) =>
  protocol.variants.flatMap((set) =>
    set.variants.map((variant) => ({ name: `${protocol.model.name} ${variant.name}`, protocol, variant })),
  ),
);

function fuzzer({ protocol, variant }: (typeof variants)[number]): Fuzzer {
  const instance = instantiate(protocol.model, variant.size, { set: variant.set, variant: variant.edit });
  return new Fuzzer(instance, protocol.properties);
}

function variantNamed(name: string): (typeof variants)[number] {
  const found = variants.find((variant) => variant.name === name);
  if (found === undefined) throw new Error(`there is no variant ${name}`);
  return found;
}

/** What is found from a seed, and the seed of its block. */
function find(of: Fuzzer, seed: number, blocks: number): { readonly found: Found; readonly seed: number } | undefined {
  for (let number = 0; number < blocks; number++) {
    const own = seedOf(seed, number);
    const { failed, suspicions } = of.block(own, runsPerBlock);
    const found = failed ?? suspicions[0];
    if (found !== undefined) return { found: failed ?? of.shortened(found), seed: own };
  }
  return undefined;
}

const some = [
  'atc-invalidation one-sync',
  'pasid-lifecycle pasid-freed-at-mmput',
  'page-request/removal flush-holds-the-lock-of-the-parameters',
];

describe.each(some)('%s', (name) => {
  const variant = variantNamed(name);

  it('is found, and what is found is as short as the shortest, and breaks the property', () => {
    const search = fuzzer(variant);
    const { instance } = search.program;
    for (const seed of [1, 2]) {
      const one = find(search, seed, 40);
      const { property = '', actions = [], binding = {}, initial = 0 } = one?.found ?? {};
      expect(Object.keys(variant.variant.violates)).toContain(property);
      expect(actions.length).toBeLessThanOrEqual(1.25 * (variant.variant.violates[property] ?? 0));
      const start = search.initial[initial];
      if (start === undefined) throw new Error('it starts nowhere');
      const of = propertiesOf(instance, variant.protocol.properties).find((candidate) => candidate.name === property);
      expect(of !== undefined && breaks(traceOf(instance, { initial: start, actions }), of, binding)).toBe(true);
    }
  });

  it('is the same from its seed and path, whatever was done before', () => {
    const one = find(fuzzer(variant), 3, 40);
    expect(one).toBeDefined();
    if (one === undefined) return;
    const again = fuzzer(variant).block(one.seed, 1, one.found.path);
    expect(again.failed).toEqual(one.found);
    const other = fuzzer(variant);
    other.block(17, 20);
    expect(other.block(one.seed, 1, one.found.path).failed).toEqual(one.found);
  });
});

it('a property over time is suspected, by a run that can stay where something is due', () => {
  const search = fuzzer(variantNamed('page-request drain-waits-for-an-empty-queue'));
  const one = find(search, 1, 20);
  expect(one?.found.property).toBe('an unbind ends');
  const { initial = 0, actions = [], loopFrom } = one?.found ?? {};
  const start = search.initial[initial];
  if (start === undefined || loopFrom === undefined) throw new Error('it has no loop');
  expect(traceOf(search.program.instance, { initial: start, actions }, loopFrom).steps.length).toBeGreaterThan(0);
});

it.each(['atc-invalidation', 'pasid-lifecycle/first-bind', 'nested-invalidation/events'])(
  '%s: nothing is found, and nothing suspected, in the correct model',
  (name) => {
    const protocol = protocols.find(({ model }) => model.name === name);
    if (protocol === undefined) throw new Error(`there is no model ${name}`);
    const search = new Fuzzer(instantiate(protocol.model, 'smoke'), protocol.properties);
    for (let number = 0; number < 4; number++) {
      const { failed, suspicions } = search.block(seedOf(1, number), runsPerBlock);
      expect({ failed, suspicions }).toEqual({ failed: undefined, suspicions: [] });
    }
  },
);

it.runIf(isDeep)(
  'every variant is found from five seeds, at most a quarter longer than the shortest',
  () => {
    const ratios: number[] = [];
    const missed: string[] = [];
    for (const variant of variants) {
      const search = fuzzer(variant);
      for (const seed of [1, 2, 3, 4, 5]) {
        const one = find(search, seed, 2000);
        if (one === undefined) missed.push(`${variant.name}, seed ${seed}`);
        // The length of a lasso is not that of the shortest one.
        else if (one.found.loopFrom === undefined) {
          ratios.push(one.found.actions.length / (variant.variant.violates[one.found.property] ?? 0));
        }
      }
    }
    expect(missed).toEqual([]);
    expect(Math.max(...ratios)).toBeLessThanOrEqual(1.25);
    expect(ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)]).toBeLessThanOrEqual(1.1);
  },
  36_000_000,
);
