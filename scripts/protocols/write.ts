/**
 * `npm run table [SIZE ...]`: checks the protocols at the sizes (default `smoke` and `ci`) and writes what they come to into the
 * README; what stands there of other sizes stays.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { search } from '../../checker/index.ts';
import { instantiate } from '../../language/index.ts';
import { protocols } from '../../properties/index.ts';
import { measurementsIn, withTable } from './table.ts';

const file = 'README.md';
const wanted = process.argv.slice(2);
const measurements = new Map(measurementsIn(readFileSync(file, 'utf8')));
for (const size of wanted.length === 0 ? ['smoke', 'ci'] : wanted) {
  for (const { model, properties } of protocols) {
    const start = performance.now();
    const { states, verdict } = search(instantiate(model, size), properties, { workers: availableParallelism() });
    const seconds = (performance.now() - start) / 1000;
    process.stdout.write(`${model.name}, ${size}: ${states} states in ${seconds.toFixed(1)} s: ${verdict}\n`);
    if (verdict !== 'holds') throw new Error(`${model.name} does not hold at size ${size}`);
    measurements.set(`${model.name} ${size}`, { states, seconds });
    // A long run may be interrupted.
    writeFileSync(file, withTable(readFileSync(file, 'utf8'), measurements));
  }
}
