/**
 * Trace files: what was written is read again, and everything that is not such a file is told in a sentence.
 */
import { describe, expect, it } from 'vitest';
import { search } from '../checker/index.ts';
import { bool, initialStates, type Instance, instantiate, model } from '../language/index.ts';
import { atcInvalidationAttachVariants } from '../properties/atc-invalidation-attach.variants.ts';
import { atcInvalidationVariants } from '../properties/atc-invalidation.variants.ts';
import { parseTraceFile, pathOf, type TraceFile, traceFile } from './store.ts';
import { finalState, type Trace, traceOf } from './trace.ts';

const sets = [atcInvalidationVariants, atcInvalidationAttachVariants];

function found(variantName: string): { readonly instance: Instance; readonly traces: readonly Trace[] } {
  for (const { properties, variants } of sets) {
    const variant = variants.find(({ name }) => name === variantName);
    if (variant === undefined) continue;
    const instance = instantiate(properties.model, variant.size, { set: variant.set, variant: variant.edit });
    const { properties: results } = search(instance, [properties], { until: Object.keys(variant.violates) });
    const traces = results.flatMap(({ path, loopFrom, verdict }) =>
      path === undefined || verdict !== 'violated' ? [] : [traceOf(instance, path, loopFrom)],
    );
    return { instance, traces };
  }
  throw new Error(`no variant ${variantName}`);
}

describe('a trace that was written', () => {
  it.each(['no-sync', 'joined-after-ste'])('is the same when it is read: %s', (name) => {
    const { instance, traces } = found(name);
    expect(traces.length).toBeGreaterThan(0);
    for (const trace of traces) {
      const file = parseTraceFile(traceFile(trace, { property: 'p', binding: 'page: page0' }));
      expect(file).toMatchObject({ model: instance.model.name, variant: name, property: 'p', sizes: instance.sizes });
      const { loopFrom, ...path } = pathOf(instance, file);
      const again = traceOf(instance, path, loopFrom);
      expect(again.steps.map(({ title }) => title)).toEqual(trace.steps.map(({ title }) => title));
      expect(instance.domain.key(finalState(again))).toBe(instance.domain.key(finalState(trace)));
      expect(again.loopFrom).toBe(trace.loopFrom);
    }
  });
});

it('a lasso keeps its loop', () => {
  const lamp = model({
    name: 'lamp',
    state: { on: bool },
    actions: ({ action }) => ({
      flip: action(
        {},
        {
          actor: 'hand',
          then: {
            flip: (s) => {
              s.on = !s.on;
            },
          },
        },
      ),
    }),
  });
  const instance = instantiate(lamp);
  const [initial] = initialStates(instance);
  if (initial === undefined) throw new Error('there is an initial state');
  const actions = [{ type: 'flip' }, { type: 'flip' }, { type: 'flip' }];
  const file = parseTraceFile(traceFile(traceOf(instance, { initial, actions }, 1)));
  expect(pathOf(instance, file)).toEqual({ initial, actions, loopFrom: 1 });
});

describe('what is no trace of the model', () => {
  const { instance, traces } = found('no-sync');
  const [trace] = traces;
  if (trace === undefined) throw new Error('there is a trace');
  const good = parseTraceFile(traceFile(trace));
  const [first] = good.steps;
  if (first === undefined) throw new Error('it has steps');

  it.each<[string, string, string]>([
    ['text', 'hello', 'is not JSON'],
    ['another format', '{"format":"itf"}', 'is not a trace at format'],
    ['a later version', JSON.stringify({ ...good, version: 2 }), 'has version 2 of the format; known is 1'],
    ['a field that nobody knows', JSON.stringify({ ...good, colour: 'red' }), 'is not a trace'],
    ['a step that is no object', JSON.stringify({ ...good, steps: [7] }), 'is not a trace at steps.0'],
  ])('%s', (_what, text, message) => {
    expect(() => parseTraceFile(text)).toThrow(message);
  });

  it.each<[string, Partial<TraceFile>, string]>([
    ['another initial state', { initial: {} }, 'does not start in an initial state'],
    [
      'an action that is not there',
      { steps: [{ ...first, action: 'walks' }] },
      "step 1: there is no action 'walks'; did you mean 'walk'?",
    ],
    [
      'a step that is not there',
      { steps: [first, { action: 'changeMapping', step: 'submit TLB', args: { page: 'page0' } }] },
      "step 2: 'changeMapping' has no step 'submit TLB'; did you mean 'submit TLBI'?",
    ],
    ['a procedure without its step', { steps: [{ action: 'changeMapping', args: {} }] }, 'a step of it is missing'],
    [
      'other parameters',
      { steps: [{ ...first, args: { page: 'page7' } }] },
      'cannot have the parameters {"page":"page7"}',
    ],
    ['a loop beyond the end', { loopFrom: 99 }, 'has a loop from step 99 on, and only'],
  ])('%s', (_what, change, message) => {
    expect(() => pathOf(instance, { ...good, ...change })).toThrow(message);
  });
});
