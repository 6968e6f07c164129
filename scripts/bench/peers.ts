/**
 * This project beside Spin, Rumur and TLC on the same models, each peer in all its modes of exhaustive search.
 */
import { another } from '../options.ts';
import { UsageError } from '../usage-error.ts';
import { cases } from './cases.ts';
import { keysOf, limit } from './limit.ts';
import { chosen, main, measure, measuringCommand, type MeasuringOptions } from './measuring.ts';
import { own } from './own.ts';
import { rumur } from './rumur.ts';
import { spin } from './spin.ts';
import { tlc } from './tlc.ts';

interface PeersOptions extends MeasuringOptions {
  readonly keys?: readonly string[];
}

const usual = ['sva/medium', 'german/medium', 'philosophers/medium'];

const command = measuringCommand(
  'peers',
  'Measures svacheck beside other model checkers, as far as they are installed.',
)
  .option('--keys <case=file:bytes>', 'also the bare insertion of these keys of a case; may be repeated', another)
  .action(async (options: PeersOptions) => {
    const tools = [await own(), await spin(), await rumur(), tlc()];
    const keys = new Map((options.keys ?? []).map(keysOfCase));
    const contests = chosen(cases, options.case, usual).map((subject) => {
      const of = keys.get(subject.name);
      return { subject, tools: of === undefined ? tools : [...tools, limit(of)] };
    });
    await measure(contests, options);
  });
await main(command);

function keysOfCase(text: string): readonly [string, ReturnType<typeof keysOf>] {
  const [, name, file] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || file === undefined) throw new UsageError(`'${text}' is not a case and its keys`);
  return [name, keysOf(file)];
}
