/**
 * `svacheck list`: the models with their sizes, properties and variants.
 */
import type { Command } from 'commander';
import { instantiate, propertiesOf, type Sizes } from '../../language/index.ts';
import { type Colours, coloursFor } from '../../reports/colours.ts';
import { kindInWords } from '../../reports/kinds.ts';
import { fit, pageWidth, row, wrap } from '../../reports/table.ts';
import type { Protocol } from '../../properties/protocol.ts';
import { loadProtocols } from '../load.ts';

interface ListOptions {
  readonly json?: true;
  readonly typecheck: boolean;
}

/** What is listed of a protocol; with `--json`, just this. */
type Listing = ReturnType<typeof listingOf>;

/** Adds the command to the program. */
export function addList(program: Command): void {
  program
    .command('list')
    .summary('list models with their sizes, properties and variants')
    .description('Lists the shipped models, or those named or in files: their sizes, properties and variants.')
    .argument('[MODEL|FILE.ts...]', 'shipped models, or files that export models (default: all shipped)')
    .option('--json', 'as JSON')
    .option('--no-typecheck', 'do not check the types of FILE.ts')
    .addHelpText('after', '\nExample:\n  svacheck list atc-invalidation')
    .action(async (targets: readonly string[], options: ListOptions) => {
      const protocols = await loadProtocols(targets, options);
      const listings = protocols.map(listingOf);
      const colours = coloursFor(process.stdout);
      const text =
        options.json === true
          ? JSON.stringify({ version: 1, models: listings }, undefined, 2)
          : listings.map((listing) => linesOf(listing, colours).join('\n')).join('\n\n');
      process.stdout.write(`${text}\n`);
    });
}

function listingOf({ model, properties, variants }: Protocol) {
  return {
    model: model.name,
    doc: model.doc,
    sizes: model.sizes,
    properties: propertiesOf(instantiate(model), properties).map(({ name, kind, doc, requirements }) => ({
      name,
      kind,
      doc,
      requirements,
    })),
    variants: variants.flatMap((set) =>
      set.variants.map(({ name, doc, reference, violates, size, set: sizes }) => ({
        name,
        doc,
        reference,
        violates,
        size,
        set: sizes,
      })),
    ),
  };
}

function linesOf({ model, doc, sizes, properties, variants }: Listing, { bold, cyan }: Colours): readonly string[] {
  const sizeRows = Object.entries(sizes).map(([name, values]) => [
    name,
    Object.entries(values)
      .map(([sort, size]) => `${sort}=${size}`)
      .join(' '),
  ]);
  const propertyRows = properties.map(({ name, kind, requirements }) => [
    name,
    kindInWords(kind),
    requirements.join(', '),
  ]);
  const variantRows = variants.map(({ name, doc: what, reference, size, set }) => [
    name,
    [what, ...configuration(size, set), `(${reference})`].join('\n'),
  ]);
  const section = (title: string, rows: readonly (readonly string[])[]): readonly string[] =>
    rows.length === 0 ? [] : [`  ${cyan(title)}`, ...table(rows)];
  return [
    bold(model),
    ...(doc === '' ? [] : wrap(`  ${doc}`, pageWidth)),
    ...section('sizes', sizeRows),
    ...section('properties', propertyRows),
    ...section('variants', variantRows),
  ];
}

/** Where a variant is recorded, unless that is the model at its size `smoke` as it is. */
function configuration(size: string, set: Sizes): readonly string[] {
  const values = Object.entries(set).map(([name, value]) => `${name}=${value}`);
  if (size === 'smoke' && values.length === 0) return [];
  return [`at size ${size}${values.length === 0 ? '' : ` with ${values.join(' ')}`}`];
}

/** Rows without a head, indented. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const indent = '    ';
  const columns = fit(
    (rows[0] ?? []).map(() => ({ title: '' })),
    rows,
    pageWidth - indent.length,
  );
  return rows.flatMap((cells) => row(columns, cells)).map((line) => indent + line);
}
