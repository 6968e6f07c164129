/**
 * The protocols that svacheck ships, each with its properties and known bugs.
 */
import { atcInvalidationAttachProperties } from './atc-invalidation-attach.ts';
import { atcInvalidationAttachVariants } from './atc-invalidation-attach.variants.ts';
import { atcInvalidationProperties } from './atc-invalidation.ts';
import { atcInvalidationVariants } from './atc-invalidation.variants.ts';
import type { Protocol } from './protocol.ts';

export const protocols: readonly Protocol[] = [
  {
    model: atcInvalidationProperties.model,
    properties: [atcInvalidationProperties],
    variants: [atcInvalidationVariants],
  },
  {
    model: atcInvalidationAttachProperties.model,
    properties: [atcInvalidationAttachProperties],
    variants: [atcInvalidationAttachVariants],
  },
];
