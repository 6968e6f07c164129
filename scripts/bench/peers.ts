/**
 * This project beside Spin, Rumur and TLC on the same models, each peer in all its modes of exhaustive search.
 */
import { cases } from './cases.ts';
import { limit } from './limit.ts';
import { chosen, main, measure, measuringCommand, type MeasuringOptions } from './measuring.ts';
import { own } from './own.ts';
import { rumur } from './rumur.ts';
import { spin } from './spin.ts';
import { tlc } from './tlc.ts';

const usual = ['sva/medium', 'german/medium', 'philosophers/medium'];

const command = measuringCommand(
  'peers',
  'Measures svacheck beside other model checkers, as far as they are installed.',
).action(async (options: MeasuringOptions) => {
  const tools = [await own(), await spin(), await rumur(), tlc(), limit()];
  const contests = chosen(cases, options.case, usual).map((subject) => ({ subject, tools }));
  await measure(contests, options);
});
await main(command);
