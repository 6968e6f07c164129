/**
 * What a check is about to do: which models at which sizes, which of their variants, which properties. All names are looked
 * up here, so that a mistyped one is told before the first search starts.
 */
import {
  type Instance,
  instantiate,
  type Model,
  propertiesOf,
  type PropertySet,
  type Sizes,
  suggest,
  type Variant,
} from '../language/index.ts';
import type { Protocol } from '../properties/protocol.ts';
import type { Loaded } from './load.ts';
import { UsageError } from './usage-error.ts';

/** What the command line asks for. */
export interface Wishes {
  readonly size?: string;
  readonly set?: Sizes;
  /** The name of a variant, or `all`. */
  readonly variant?: string;
  readonly property?: readonly string[];
}

/** One search. */
export interface Planned {
  readonly instance: Instance;
  readonly sets: readonly PropertySet[];
  /** The names of the properties to decide; all for `undefined`. */
  readonly only: readonly string[] | undefined;
  readonly variant: Variant | undefined;
  /** Where a variant is checked at other sizes than those of its record: the named size of the record. */
  readonly recordedAt: string | undefined;
  /** The search at the sizes of the record, for a variant that these other sizes do not show. */
  readonly atRecord: (() => Planned) | undefined;
  /** A hash of the file that it comes from. */
  readonly source: string | undefined;
}

/** The searches that the wishes come to, in the order of the protocols. Throws where a name is unknown to all of them. */
export function plan(protocols: readonly Loaded[], wishes: Wishes): readonly Planned[] {
  const { size, set = {}, variant, property } = wishes;
  const chosen = protocols.flatMap((protocol) =>
    variantsOf(protocol, variant).map((of): { protocol: Loaded; of: Variant | undefined } => ({
      protocol,
      of,
    })),
  );
  if (chosen.length === 0) refuseVariant(protocols, variant);
  const sized = chosen.filter(({ protocol }) => size === undefined || Object.hasOwn(protocol.model.sizes, size));

  // With several models, each wish is for those that can fulfil it; one that none can is an error.
  const all = (sized.length === 0 ? chosen : sized).map(({ protocol: { model, properties, source }, of }): Planned => {
    const sizes = { ...of?.set, ...ownSizes(model, set) };
    const at = (base: string): Instance =>
      instantiate(model, base, { set: sizes, ...(of === undefined ? {} : { variant: of.edit }) });
    // Among all variants, one that needs a size of its own is checked there.
    const isKept = variant === 'all' && of?.needsSize === true;
    const instance = at((isKept ? undefined : size) ?? of?.size ?? 'ci');
    const recordedAt = of === undefined || hasSizesOf(instance, of) ? undefined : of.size;
    const planned = {
      instance,
      sets: properties,
      only: undefined,
      variant: of,
      recordedAt,
      atRecord: undefined,
      source,
    };
    if (of === undefined || recordedAt === undefined) return planned;
    const atRecord = (): Planned => ({
      ...planned,
      instance: instantiate(model, of.size, { set: of.set, variant: of.edit }),
      recordedAt: undefined,
    });
    // What it must violate may be no property at these sizes.
    const names = variant === 'all' ? propertiesOf(instance, properties).map(({ name }) => name) : undefined;
    const isThere = Object.keys(of.violates).every((name) => names?.includes(name) ?? true);
    return isThere ? { ...planned, atRecord } : atRecord();
  });
  const models = chosen.map(({ protocol }) => protocol.model);
  for (const name of Object.keys(set)) {
    refuseUnknown(
      'sort or constant',
      name,
      models.flatMap((model) => sizeNames(model)),
    );
  }
  if (variant === 'all') for (const planned of all) refuseUnknownRecord(planned);
  return property === undefined ? all : onlyProperties(all, property);
}

/** The properties that a variant must violate, of those that are decided, with the lengths of their shortest traces. */
export function recordOf({ violates }: Variant, only: readonly string[] | undefined): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(violates).filter(([name]) => only?.includes(name) ?? true));
}

function hasSizesOf({ model, sizes }: Instance, { size, set }: Variant): boolean {
  const recorded: Sizes = { ...model.sizes[size], ...set };
  return Object.entries(sizes).every(([name, value]) => recorded[name] === value);
}

function refuseUnknownRecord({ instance, sets, variant }: Planned): void {
  const properties = propertiesOf(instance, sets);
  for (const recorded of Object.keys(variant?.violates ?? {})) {
    const property = properties.find(({ name }) => name === recorded);
    const what = `variant '${variant?.name}' must violate '${recorded}', which is`;
    if (property === undefined) throw new UsageError(`${what} no property at size '${instance.size}'`);
    if (property.kind === 'reachable') throw new UsageError(`${what} a reachable property: no trace can show it`);
  }
}

function variantsOf({ variants }: Protocol, name: string | undefined): readonly (Variant | undefined)[] {
  if (name === undefined) return [undefined];
  const all = variants.flatMap((set) => set.variants);
  return name === 'all' ? all : all.filter((variant) => variant.name === name);
}

function refuseVariant(protocols: readonly Protocol[], name = ''): never {
  const known = protocols.flatMap(({ variants }) => variants.flatMap((set) => set.variants));
  if (known.length === 0) throw new UsageError(`there are no variants of ${listed(protocols)}`);
  throw new UsageError(
    `there is no variant '${name}' of ${listed(protocols)}${suggest(name, ['all', ...known.map((of) => of.name)])}`,
  );
}

function listed(protocols: readonly Protocol[]): string {
  return protocols.map(({ model }) => `'${model.name}'`).join(', ');
}

/** The sizes that a model has: with several models, each takes those that are its own. */
function ownSizes(model: Model, set: Sizes): Sizes {
  return Object.fromEntries(Object.entries(set).filter(([name]) => sizeNames(model).includes(name)));
}

function sizeNames(model: Model): readonly string[] {
  return [...new Set(Object.values(model.sizes).flatMap((sizes) => Object.keys(sizes)))];
}

/** The searches that have one of the named properties, each for those that it has. */
function onlyProperties(all: readonly Planned[], wanted: readonly string[]): readonly Planned[] {
  const names = all.map(({ instance, sets }) => propertiesOf(instance, sets).map(({ name }) => name));
  for (const name of wanted) refuseUnknown('property', name, names.flat());
  return all
    .map((planned, i) => ({
      ...planned,
      only: wanted.filter((name) => names[i]?.includes(name) === true),
    }))
    .filter(({ only }) => only.length > 0);
}

function refuseUnknown(what: string, name: string, names: readonly string[]): void {
  if (names.includes(name)) return;
  throw new UsageError(`there is no ${what} '${name}'${suggest(name, [...new Set(names)])}`);
}
