/**
 * The folder for `--save`: each counterexample as a trace file, named by its model, variant and property.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Instance } from '../language/index.ts';
import type { Run } from '../reports/run.ts';
import { UsageError } from './usage-error.ts';

/** Makes the folder. Throws `UsageError` if that cannot be done. */
export function saveFolder(folder: string): void {
  attempt(folder, () => mkdirSync(folder, { recursive: true }));
}

/** Writes the counterexamples of a run; returns the files. */
export async function saveTraces(
  folder: string,
  { instance, result, traces, members }: Run,
): Promise<readonly string[]> {
  const violated = result.properties.filter(({ verdict }) => verdict === 'violated');
  if (violated.every(({ name }) => !traces.has(name))) return [];
  const { traceFile } = await import('../traces/store.ts');
  return violated.flatMap(({ name: property }) => {
    const trace = traces.get(property);
    if (trace === undefined) return [];
    const file = join(folder, fileName(instance, property));
    const binding = members.get(property) ?? '';
    attempt(file, () => writeFileSync(file, traceFile(trace, { property, binding })));
    return [file];
  });
}

/** `atc-invalidation.no-sync.nothing-stale-is-cached-after-the-change-returned.json`. */
function fileName({ model, variant }: Instance, property: string): string {
  const parts = [model.name, ...(variant === undefined ? [] : [variant]), property];
  return `${parts.map((part) => part.replaceAll(/[^\w]+/g, '-').replaceAll(/^-|-$/g, '')).join('.')}.json`;
}

function attempt(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`cannot write ${path}: ${message.replace(/, \w+ '.*$/, '')}`, { cause: error });
  }
}
