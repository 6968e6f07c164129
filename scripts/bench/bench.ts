/**
 * The benchmark of this project alone: the models of the benchmark, and the shipped ones at their size `ci`, with each engine.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { protocols } from '../../properties/index.ts';
import { cases } from './cases.ts';
import type { Subject } from './contender.ts';
import { root } from './files.ts';
import { chosen, main, measure, measuringCommand, type MeasuringOptions } from './measuring.ts';
import { own } from './own.ts';

/** A shipped protocol is run from the file of its properties, so that the models below it do not run with it. */
const shipped: readonly Subject[] = protocols
  .map(({ model: { name } }) => ({
    name: `${name}/ci`,
    size: 'ci',
    file: join(root, 'properties', `${name.replaceAll('/', '-')}.ts`),
  }))
  .filter(({ file }) => existsSync(file));

const subjects: readonly Subject[] = [...cases, ...shipped];
const usual = subjects.map(({ name }) => name).filter((name) => !/\/(smoke|deep)$/.test(name));

const command = measuringCommand('bench', 'Measures svacheck with each engine.').action(
  async (options: MeasuringOptions) => {
    const tools = [await own()];
    await measure(
      chosen(subjects, options.case, usual).map((subject) => ({ subject, tools })),
      options,
    );
  },
);
await main(command);
