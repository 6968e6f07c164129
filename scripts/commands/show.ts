/**
 * `svacheck show`: the state, actions, procedures and properties of a model.
 */
import type { Command } from 'commander';
import { propertiesOf, type Sizes } from '../../language/index.ts';
import { coloursFor } from '../../reports/colours.ts';
import { modelLines } from '../../reports/model.ts';
import { loadProtocols } from '../load.ts';
import { setSize } from '../options.ts';
import { plan } from '../plan.ts';

interface ShowOptions {
  readonly size?: string;
  readonly set?: Sizes;
  readonly typecheck: boolean;
}

/** Adds the command to the program. */
export function addShow(program: Command): void {
  program
    .command('show')
    .summary('show the state, actions, procedures and properties of a model')
    .description(
      'Shows what a model is made of: its state with the domain of each field, its actions and procedures, and its properties.',
    )
    .argument('<MODEL|FILE.ts>', 'a shipped model, or a file that exports models')
    .option('--size <size>', 'a named size of the model (default: ci)')
    .option('--set <name=number>', 'set the size of a sort, or a constant; may be repeated', setSize)
    .option('--no-typecheck', 'do not check the types of FILE.ts')
    .addHelpText('after', '\nExample:\n  svacheck show atc-invalidation --size smoke')
    .action(async (target: string, options: ShowOptions) => {
      const colours = coloursFor(process.stdout);
      const { size, set } = options;
      const protocols = await loadProtocols([target], options);
      const exact = protocols.filter(({ model }) => model.name === target);
      const searches = plan(exact.length > 0 ? exact : protocols, {
        ...(size === undefined ? {} : { size }),
        ...(set === undefined ? {} : { set }),
      });
      const models = searches.map(({ instance, sets }) =>
        modelLines(instance, propertiesOf(instance, sets), colours).join('\n'),
      );
      process.stdout.write(`${models.join('\n\n')}\n`);
    });
}
