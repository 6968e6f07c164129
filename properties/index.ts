/**
 * The protocols that svacheck ships, each with its properties and known bugs.
 */
import { atcInvalidationAttachProperties } from './atc-invalidation-attach.ts';
import { atcInvalidationAttachVariants } from './atc-invalidation-attach.variants.ts';
import { atcInvalidationProperties } from './atc-invalidation.ts';
import { atcInvalidationVariants } from './atc-invalidation.variants.ts';
import { pasidLifecycleEnqcmdProperties } from './pasid-lifecycle-enqcmd.ts';
import { pasidLifecycleEnqcmdVariants } from './pasid-lifecycle-enqcmd.variants.ts';
import { pasidLifecycleMmExitProperties } from './pasid-lifecycle-mm-exit.ts';
import { pasidLifecycleMmExitVariants } from './pasid-lifecycle-mm-exit.variants.ts';
import { pasidLifecyclePortalsProperties } from './pasid-lifecycle-portals.ts';
import { pasidLifecyclePortalsVariants } from './pasid-lifecycle-portals.variants.ts';
import { pasidLifecycleFirstBindProperties } from './pasid-lifecycle-first-bind.ts';
import { pasidLifecycleFirstBindVariants } from './pasid-lifecycle-first-bind.variants.ts';
import { pasidLifecycleWorkQueueProperties } from './pasid-lifecycle-work-queue.ts';
import { pasidLifecycleWorkQueueVariants } from './pasid-lifecycle-work-queue.variants.ts';
import { pasidLifecycleProperties } from './pasid-lifecycle.ts';
import { pasidLifecycleVariants } from './pasid-lifecycle.variants.ts';
import { pageRequestProperties } from './page-request.ts';
import { pageRequestVariants } from './page-request.variants.ts';
import { pageRequestRemovalProperties } from './page-request-removal.ts';
import { pageRequestRemovalVariants } from './page-request-removal.variants.ts';
import { pageRequestRetryProperties } from './page-request-retry.ts';
import { pageRequestRetryVariants } from './page-request-retry.variants.ts';
import { pageRequestStallProperties } from './page-request-stall.ts';
import { pageRequestStallVariants } from './page-request-stall.variants.ts';
import { nestedInvalidationContextProperties } from './nested-invalidation-context.ts';
import { nestedInvalidationContextVariants } from './nested-invalidation-context.variants.ts';
import { nestedInvalidationEventsProperties } from './nested-invalidation-events.ts';
import { nestedInvalidationEventsVariants } from './nested-invalidation-events.variants.ts';
import { nestedInvalidationFaultsProperties } from './nested-invalidation-faults.ts';
import { nestedInvalidationFaultsVariants } from './nested-invalidation-faults.variants.ts';
import { nestedInvalidationProperties } from './nested-invalidation.ts';
import { nestedInvalidationVariants } from './nested-invalidation.variants.ts';
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
  {
    model: pasidLifecycleProperties.model,
    properties: [pasidLifecycleProperties],
    variants: [pasidLifecycleVariants],
  },
  {
    model: pasidLifecycleEnqcmdProperties.model,
    properties: [pasidLifecycleEnqcmdProperties],
    variants: [pasidLifecycleEnqcmdVariants],
  },
  {
    model: pasidLifecyclePortalsProperties.model,
    properties: [pasidLifecyclePortalsProperties],
    variants: [pasidLifecyclePortalsVariants],
  },
  {
    model: pasidLifecycleFirstBindProperties.model,
    properties: [pasidLifecycleFirstBindProperties],
    variants: [pasidLifecycleFirstBindVariants],
  },
  {
    model: pasidLifecycleMmExitProperties.model,
    properties: [pasidLifecycleMmExitProperties],
    variants: [pasidLifecycleMmExitVariants],
  },
  {
    model: pasidLifecycleWorkQueueProperties.model,
    properties: [pasidLifecycleWorkQueueProperties],
    variants: [pasidLifecycleWorkQueueVariants],
  },
  {
    model: pageRequestProperties.model,
    properties: [pageRequestProperties],
    variants: [pageRequestVariants],
  },
  {
    model: pageRequestRemovalProperties.model,
    properties: [pageRequestRemovalProperties],
    variants: [pageRequestRemovalVariants],
  },
  {
    model: pageRequestStallProperties.model,
    properties: [pageRequestStallProperties],
    variants: [pageRequestStallVariants],
  },
  {
    model: pageRequestRetryProperties.model,
    properties: [pageRequestRetryProperties],
    variants: [pageRequestRetryVariants],
  },
  {
    model: nestedInvalidationProperties.model,
    properties: [nestedInvalidationProperties],
    variants: [nestedInvalidationVariants],
  },
  {
    model: nestedInvalidationContextProperties.model,
    properties: [nestedInvalidationContextProperties],
    variants: [nestedInvalidationContextVariants],
  },
  {
    model: nestedInvalidationFaultsProperties.model,
    properties: [nestedInvalidationFaultsProperties],
    variants: [nestedInvalidationFaultsVariants],
  },
  {
    model: nestedInvalidationEventsProperties.model,
    properties: [nestedInvalidationEventsProperties],
    variants: [nestedInvalidationEventsVariants],
  },
];
