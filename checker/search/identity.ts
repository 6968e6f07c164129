/**
 * What a checkpoint belongs to: the model and all that the states of a search, their order and their verdicts depend on. A
 * search goes on from a checkpoint only where all of it is the same.
 */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Instance, PropertySet } from '../../language/index.ts';
import type { Program } from '../compile/program.ts';
import type { SearchOptions } from './options.ts';

/** One thing that must be the same, in words: a value to be shown, or the hash of something long. */
interface Aspect {
  readonly what: string;
  readonly value: string;
  readonly kind: 'version' | 'option' | 'hash';
}

/** What a checkpoint belongs to. */
export type Identity = readonly Aspect[];

const { version } = createRequire(import.meta.url)('svacheck/package.json') as { readonly version: string };

/** The identity of a search. */
export function identityOf(
  { instance, layout, properties }: Program,
  sets: readonly PropertySet[],
  options: SearchOptions,
  sorts: readonly string[],
): Identity {
  const { model, size, sizes, variant, rules } = instance;
  const shown = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ');
  const option = (what: string, value: string): Aspect => ({ what, value, kind: 'option' });
  const hash = (what: string, value: unknown): Aspect => ({ what, value: hashOf(JSON.stringify(value)), kind: 'hash' });
  const { symmetry, slice, partialOrder } = options;
  const wishes = Object.entries({ symmetry, slice, 'partial order': partialOrder });
  const reductions = wishes.filter(([, wish]) => wish === true);
  const numbers = Object.entries(sizes).map(([name, value]) => `${name}=${value}`);
  return [
    { what: 'the version of svacheck', value: version, kind: 'version' },
    option('the model', shown([model.name])),
    option('the variant', variant === undefined ? 'none' : shown([variant])),
    option('the size', shown([size])),
    option('the set of sizes', numbers.join(' ')),
    option('the choice of properties', options.properties === undefined ? 'all' : shown(options.properties)),
    option('the choice of reductions', reductions.length === 0 ? 'none' : reductions.map(([name]) => name).join(', ')),
    hash('the list of symmetric sorts', sorts),
    hash(
      'the state of the model',
      layout.leaves.map(({ path, count, word, shift, bits }) => [path, count, word, shift, bits]),
    ),
    hash(
      'the list of its actions',
      rules.map(({ type, step, bindings }) => [type, step, bindings.length]),
    ),
    hash(
      'the list of its properties',
      properties.map(({ name, kind, bindings }) => [name, kind, bindings.length]),
    ),
    hash('the source text of the model', [sourcesOf(instance, sets), options.source]),
  ];
}

/** How an identity differs from that of a checkpoint, in words, and what to do about it; `undefined` where it does not. */
export function differenceTo(
  here: Identity,
  there: Identity,
): { readonly problem: string; readonly remedy: string } | undefined {
  const before = new Map(there.map(({ what, value }) => [what, value]));
  const differing = here.filter(({ what, value }) => before.get(what) !== value);
  const [first] = differing;
  if (first === undefined && here.length === there.length) return undefined;
  const compared = ({ what, value }: Aspect): string =>
    `${what} is ${before.get(what) ?? 'not told'} there, ${value} here`;
  if (first === undefined || first.kind === 'version') {
    return {
      problem: first === undefined ? 'it tells more than is known here' : compared(first),
      remedy: 'use the version that wrote it',
    };
  }
  if (first.kind === 'hash') return { problem: `${first.what} has changed since it was written`, remedy: '' };
  // Of another model nothing else is worth telling.
  const told = first.what === 'the model' ? [first] : differing.filter(({ kind }) => kind === 'option');
  return {
    problem: told.map(compared).join('; '),
    remedy: 'give the same model and options as when it was written',
  };
}

/** The text of every function of an instance and its properties, in the order of their declaration. */
function sourcesOf({ definition, initial, context }: Instance, sets: readonly PropertySet[]): readonly string[] {
  const texts: string[] = [];
  const seen = new Set<unknown>();
  const visit = (value: unknown): void => {
    if (typeof value === 'function') texts.push(Function.prototype.toString.call(value));
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    for (const part of Object.values(value)) visit(part);
  };
  visit([definition, initial, sets.map((set) => set.build(context))]);
  return texts;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
