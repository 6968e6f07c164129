/**
 * Changes of a domain's tables, with the invalidations in the order that makes them count: tables, TLB, CMD_SYNC, then the ATC of
 * every function that translates through the domain, CMD_SYNC (3.9.1.4, INV-01); tables are freed when that is over.
 */
import type { Change, MapOptions, MappingAttributes, SoftwareStep } from '../pagetable/software.ts';
import type { CommandSubmission, SyncResult } from './command-submission.ts';
import type { Attachment, Domain } from './domain.ts';
import { dropAtc, dropRanges, type StaleRange } from './invalidation.ts';
import type { Steps } from './steps.ts';

/** What a change of a domain needs of the driver. */
export interface MappingParts {
  readonly commands: CommandSubmission;
  /** IDR3.RIL. */
  readonly rangeInvalidation: boolean;
  /** Whether the ATC of a stream's function may hold translations. */
  hasAts(sid: number): boolean;
}

/**
 * What a change came to. `ATC invalidation timed out`: a function may still use what was unmapped, which must not be used again
 * (INV-10).
 */
export interface Changed {
  readonly change: Change;
  readonly invalidation: SyncResult;
}

/** Maps a range. Throws `RangeError` where something is mapped already. */
export function* map(
  parts: MappingParts,
  domain: Domain,
  mapping: {
    readonly input: bigint;
    readonly output: bigint;
    readonly length: bigint;
    readonly attributes: MappingAttributes;
    readonly options?: MapOptions;
  },
): Steps<Changed> {
  const { input, output, length, attributes, options } = mapping;
  return yield* perform(parts, domain, domain.tables.mapSteps(input, output, length, attributes, options));
}

/** Unmaps a range. Nothing translates to what was mapped there when it ends, unless an ATC invalidation timed out. */
export function* unmap(parts: MappingParts, domain: Domain, input: bigint, length: bigint): Steps<Changed> {
  return yield* perform(parts, domain, domain.tables.unmapSteps(input, length));
}

/** Changes what may be done in a range. */
export function* protect(
  parts: MappingParts,
  domain: Domain,
  input: bigint,
  length: bigint,
  attributes: Partial<MappingAttributes>,
): Steps<Changed> {
  return yield* perform(parts, domain, domain.tables.protectSteps(input, length, attributes));
}

/** Drops what caches may hold of ranges of a domain, of which someone else may own the tables (a process, a guest). */
export function* invalidate(parts: MappingParts, domain: Domain, ranges: readonly StaleRange[]): Steps<SyncResult> {
  if (ranges.length === 0) return 'complete';
  yield* parts.commands.complete(dropRanges(domain.tags, ranges, parts.rangeInvalidation));
  const atcs = [...domain.attachments]
    .filter(({ sid }) => parts.hasAts(sid))
    .flatMap((attachment) => atcCommands(domain, attachment, ranges));
  return atcs.length === 0 ? 'complete' : yield* parts.commands.complete(atcs);
}

function* perform(parts: MappingParts, domain: Domain, steps: Generator<SoftwareStep, Change>): Steps<Changed> {
  let invalidation: SyncResult = 'complete';
  const drop = function* (ranges: readonly StaleRange[]): Steps<void> {
    const result = yield* invalidate(parts, domain, ranges);
    if (result !== 'complete') invalidation = result;
  };
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) {
      yield* drop(value.invalidations);
      domain.tables.release(value.freed);
      return { change: value, invalidation };
    }
    if (value.kind === 'write') yield { kind: 'store', what: 'table descriptor', address: value.address };
    else yield* drop([value.invalidation]);
  }
}

/** Which translations of a guest a range of IPAs stands behind is not known to the host: all of them go (NEST-07). */
function atcCommands(
  domain: Domain,
  attachment: Attachment,
  ranges: readonly StaleRange[],
): readonly ReturnType<typeof dropAtc>[] {
  if (domain.tags.stage === 2 && domain.tags.nested) return [dropAtc(attachment)];
  return merged(ranges).map((range) => dropAtc(attachment, range));
}

/** Ranges that touch are one. */
function merged(ranges: readonly StaleRange[]): readonly { readonly input: bigint; readonly length: bigint }[] {
  const result: { input: bigint; length: bigint }[] = [];
  for (const { input, length } of ranges.toSorted((a, b) => (a.input < b.input ? -1 : 1))) {
    const last = result.at(-1);
    if (last !== undefined && last.input + last.length >= input) {
      const end = input + length;
      if (end > last.input + last.length) last.length = end - last.input;
    } else result.push({ input, length });
  }
  return result;
}
