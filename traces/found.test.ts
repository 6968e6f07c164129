/**
 * Counterexamples that random runs have found, made shorter and kept: each still breaks its property, step by step.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { instantiate, propertiesOf } from '../language/index.ts';
import { protocols } from '../properties/index.ts';
import { breaks } from './broken.ts';
import { parseTraceFile, pathOf, TraceFileError } from './store.ts';
import { traceOf } from './trace.ts';

const folder = new URL('found/', import.meta.url);

it.each(readdirSync(folder).filter((name) => name.endsWith('.json')))('%s', (name) => {
  const file = parseTraceFile(readFileSync(new URL(name, folder), 'utf8'));
  const protocol = protocols.find(({ model }) => model.name === file.model);
  const variant = protocol?.variants.flatMap((set) => set.variants).find((of) => of.name === file.variant);
  if (protocol === undefined || (variant === undefined && file.variant !== null)) throw new Error('it is of no model');
  const instance = instantiate(protocol.model, file.size, {
    set: file.sizes,
    ...(variant === undefined ? {} : { variant: variant.edit }),
  });
  const trace = traceOf(instance, pathOf(instance, file));
  const property = propertiesOf(instance, protocol.properties).find((of) => of.name === file.property);
  expect(property?.bindings.some((binding) => breaks(trace, property, binding))).toBe(true);
});

it('what is no trace is refused', () => {
  expect(() => parseTraceFile('{}')).toThrow(TraceFileError);
});
