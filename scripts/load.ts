/**
 * Where models come from: those that are shipped, by name, and those in users' files.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  isModel,
  isPropertySet,
  isVariantSet,
  type Model,
  type PropertySet,
  suggest,
  type VariantSet,
} from '../language/index.ts';
import type { Protocol } from '../properties/protocol.ts';
import { importFile } from './bundle.ts';
import { shownPath } from './shown-path.ts';
import { typeCheck } from './typecheck.ts';
import { UsageError } from './usage-error.ts';

/** How to load. */
interface LoadOptions {
  /** Check the types of users' files first. */
  readonly typecheck: boolean;
}

/** A protocol, and for one from a file a hash of its source. */
export interface Loaded extends Protocol {
  readonly source?: string;
}

/**
 * The protocols that names and files stand for; all shipped ones for none. A name also stands for the models below it:
 * `atc-invalidation` for `atc-invalidation/attach`.
 */
export async function loadProtocols(
  namesAndFiles: readonly string[],
  options: LoadOptions,
): Promise<readonly Loaded[]> {
  const found = new Set<Loaded>();
  const names = namesAndFiles.filter((name) => !isFile(name));
  if (namesAndFiles.length === 0 || names.length > 0) {
    for (const protocol of await shippedProtocols(names)) found.add(protocol);
  }
  for (const file of new Set(namesAndFiles.filter(isFile).map((name) => resolve(name)))) {
    for (const protocol of await protocolsOf(file, options)) found.add(protocol);
  }
  return [...found];
}

function isFile(name: string): boolean {
  return /\.[cm]?[jt]sx?$/.test(name);
}

async function shippedProtocols(names: readonly string[]): Promise<readonly Protocol[]> {
  const { protocols } = await import('../properties/index.ts');
  if (names.length === 0) return protocols;
  for (const name of names) {
    if (protocols.some(({ model }) => isAtOrBelow(model.name, name))) continue;
    const hint = suggest(
      name,
      protocols.map(({ model }) => model.name),
    );
    throw new UsageError(
      `there is no model '${name}'${hint} (a model in a file is named by the file, such as ${name}.ts)`,
    );
  }
  return protocols.filter(({ model }) => names.some((name) => isAtOrBelow(model.name, name)));
}

function isAtOrBelow(model: string, name: string): boolean {
  return model === name || model.startsWith(`${name}/`);
}

async function protocolsOf(file: string, { typecheck }: LoadOptions): Promise<readonly Loaded[]> {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new UsageError(`there is no file ${shownPath(file)}`);
  if (!stat.isFile()) throw new UsageError(`${shownPath(file)} is not a file`);
  if (typecheck) await typeCheck(file);
  const { exports, source } = await importFile(file);
  const protocols = collect(exports);
  if (protocols.length === 0) {
    throw new UsageError(
      `${shownPath(file)} exports no model and no properties: export what 'model' or 'properties' returns`,
    );
  }
  return protocols.map((protocol) => ({ ...protocol, source }));
}

/** The protocols among the exports of a module. Properties and variants bring along the model that they are about. */
function collect(exports: Readonly<Record<string, unknown>>): readonly Protocol[] {
  const found = new Map<Model, { properties: Set<PropertySet>; variants: Set<VariantSet> }>();
  const partsOf = (model: Model): { properties: Set<PropertySet>; variants: Set<VariantSet> } => {
    const parts = found.get(model) ?? { properties: new Set(), variants: new Set() };
    found.set(model, parts);
    return parts;
  };
  /** Also looks into lists, and records of lists: a `Protocol`, or an array of them. */
  const visit = (value: unknown, depth: number): void => {
    if (isModel(value)) partsOf(value);
    else if (isPropertySet(value)) partsOf(value.model).properties.add(value);
    else if (isVariantSet(value)) {
      const parts = partsOf(value.properties.model);
      parts.properties.add(value.properties);
      parts.variants.add(value);
    } else if (depth > 0 && typeof value === 'object' && value !== null) {
      for (const part of Object.values(value)) visit(part, depth - 1);
    }
  };
  for (const value of Object.values(exports)) visit(value, 3);
  return [...found].map(([model, { properties, variants }]) => ({
    model,
    properties: [...properties],
    variants: [...variants],
  }));
}
