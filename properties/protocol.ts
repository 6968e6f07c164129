/**
 * A protocol: a model with the properties that must hold of it and its known bugs.
 */
import type { Model, PropertySet, VariantSet } from '../language/index.ts';

/** A model, what must hold of it, and the variants that the checker must find broken. */
export interface Protocol {
  readonly model: Model;
  readonly properties: readonly PropertySet[];
  readonly variants: readonly VariantSet[];
}
