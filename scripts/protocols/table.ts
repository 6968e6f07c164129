/**
 * The table of protocols in the README: what each model comes to at each size, and what each protocol carries.
 */
import { instantiate, propertiesOf } from '../../language/index.ts';
import { families, requirementsOf } from '../../properties/families.ts';
import { protocols } from '../../properties/index.ts';
import type { Protocol } from '../../properties/protocol.ts';

/** What a model comes to at a size. */
export interface Measured {
  readonly states: number;
  readonly seconds: number;
}

/** By model and size: `atc-invalidation ci`. */
export type Measurements = ReadonlyMap<string, Measured>;

const sizes = ['smoke', 'ci', 'deep'] as const;

/** Between these lines stands the table. */
const begin = '<!-- protocols: written by `npm run table` -->';
const end = '<!-- end of protocols -->';

/** The README with the table for these measurements. */
export function withTable(readme: string, measurements: Measurements): string {
  const [from, to] = [readme.indexOf(begin), readme.indexOf(end)];
  if (from < 0 || to < from) throw new Error('the README has no place for the table of protocols');
  return `${readme.slice(0, from)}${begin}\n\n${table(measurements)}\n${readme.slice(to)}`;
}

/** The measurements that stand in a README. */
export function measurementsIn(readme: string): Measurements {
  const found = new Map<string, Measured>();
  for (const [, model = '', ...cells] of readme.matchAll(/^\| `([^`]+)` +\|([^|]*)\|([^|]*)\|([^|]*)\|/gm)) {
    for (const [i, size] of sizes.entries()) {
      const [, states, seconds] = /([\d,]+) in ([\d,.]+) s/.exec(cells[i] ?? '') ?? [];
      if (states === undefined || seconds === undefined) continue;
      found.set(`${model} ${size}`, {
        states: Number(states.replaceAll(',', '')),
        seconds: Number(seconds.replaceAll(',', '')),
      });
    }
  }
  return found;
}

function table(measurements: Measurements): string {
  const perModel = protocols.map((protocol) => {
    const { name } = protocol.model;
    const cells = sizes.map((size) => {
      const measured = measurements.get(`${name} ${size}`);
      return measured === undefined ? 'not yet' : `${grouped(measured.states)} in ${shown(measured.seconds)} s`;
    });
    return [`\`${name}\``, ...cells, String(declaredIn(protocol).length)];
  });
  const perFamily = families.map((family) => {
    const own = protocols.filter(({ model }) => model.name.split('/', 1)[0] === family.name);
    const carried = new Set(own.flatMap(declaredIn).flatMap(({ requirements }) => requirements));
    const variants = own.flatMap((protocol) => protocol.variants.flatMap((set) => set.variants));
    const all = requirementsOf(family).length;
    const reasons = Object.keys(family.notCarried).length;
    const bugs = `${family.bugs.length - Object.keys(family.bugsNotCarried).length} of ${family.bugs.length}`;
    const areas = all === 0 ? '' : `${all - reasons} of ${all} (${Object.keys(family.areas).join(', ')})`;
    return [`\`${family.name}\``, String(carried.size), areas, bugs, String(variants.length)];
  });
  return [
    ...markdown(['model', ...sizes.map((size) => `states at ${size}`), 'properties'], perModel),
    '',
    ...markdown(
      ['protocol', 'requirements carried', 'of those of its areas', 'bugs found, of those listed', 'variants'],
      perFamily,
    ),
    '',
  ].join('\n');
}

function declaredIn({ model, properties }: Protocol): ReturnType<typeof propertiesOf> {
  return propertiesOf(instantiate(model), properties);
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

function shown(seconds: number): string {
  return seconds < 10 ? seconds.toFixed(1) : grouped(Math.round(seconds));
}

/** As the formatter lays it out. */
function markdown(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((cells) => (cells[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}
