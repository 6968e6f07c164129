import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { search } from '../../checker/index.ts';
import { instantiate } from '../../language/index.ts';
import { protocols } from '../../properties/index.ts';
import { measurementsIn, withTable } from './table.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const measurements = measurementsIn(readme);

it('is in the README as it would be written', () => {
  expect(withTable(readme, measurements)).toBe(readme);
});

it('has every model at sizes smoke and ci', () => {
  for (const { model } of protocols) {
    for (const size of ['smoke', 'ci']) expect([...measurements.keys()]).toContain(`${model.name} ${size}`);
  }
});

it.each(protocols)('has the states that $model.name has at size smoke', ({ model, properties }) => {
  const { states } = search(instantiate(model, 'smoke'), properties);
  expect(measurements.get(`${model.name} smoke`)?.states).toBe(states);
});
