/**
 * The lowerings that there are, by the name of the model. Each is loaded only when it is asked for.
 */
import type { Model } from '../../language/index.ts';
import type { AnyLowering } from './lowering.ts';

export type { AnyLowering };

const registry: Readonly<Record<string, () => Promise<AnyLowering>>> = {
  'atc-invalidation': async () => (await import('./atc-invalidation.ts')).atcInvalidationLowering,
  'atc-invalidation/attach': async () => (await import('./atc-invalidation-attach.ts')).atcInvalidationAttachLowering,
  'nested-invalidation': async () => (await import('./nested-invalidation.ts')).nestedInvalidationLowering,
  'pasid-lifecycle': async () => (await import('./pasid-lifecycle.ts')).pasidLifecycleLowering,
  'page-request': async () => (await import('./page-request.ts')).pageRequestLowering,
};

/** The names of the models that have a lowering. */
export const loweredModels: readonly string[] = Object.keys(registry);

/** Whether a model of this name has a lowering. */
export function isLowered({ name }: Model): boolean {
  return Object.hasOwn(registry, name);
}

/** The lowering of a model, if it has one. */
export async function loweringOf(model: Model): Promise<AnyLowering | undefined> {
  const { name } = model;
  const found = Object.hasOwn(registry, name) ? await registry[name]?.() : undefined;
  // Somebody's own model may have the same name.
  return found?.model === model ? found : undefined;
}
