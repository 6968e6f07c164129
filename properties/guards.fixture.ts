/**
 * Takes each named guard of a model away in turn, and tells what notices: a property, or the model itself.
 */
import { search } from '../checker/index.ts';
import { allNodes, type Definition } from '../language/definition.ts';
import { applyEdit } from '../language/edits.ts';
import { instantiate, ModelError } from '../language/index.ts';
import type { Protocol } from './protocol.ts';

/** The path of every guard: action or procedure, step, guard. */
export function guardPaths(definition: Definition): readonly (readonly string[])[] {
  return definition.flatMap((part) => {
    if (part.kind === 'action') {
      return part.blocks.flatMap(({ when }) => when.map(({ name }) => [part.name, name]));
    }
    return allNodes(part.steps).flatMap((node) =>
      node.kind === 'step'
        ? node.blocks.flatMap(({ when }) => when.map(({ name }) => [part.name, node.name, name]))
        : [],
    );
  });
}

/** What notices that the guard is gone: the properties that break, or the model error; empty if nothing does. */
export function noticedWithout(protocol: Protocol, path: readonly string[]): readonly string[] {
  const variant = {
    name: `without ${path.join(' / ')}`,
    edit: (definition: Definition): Definition => applyEdit(definition, { edit: 'drop', path }),
  };
  try {
    const { properties } = search(instantiate(protocol.model, 'smoke', { variant }), protocol.properties);
    return properties.filter(({ verdict }) => verdict === 'violated').map(({ name }) => name);
  } catch (error) {
    if (error instanceof ModelError) return [error.message];
    throw error;
  }
}
