/**
 * What an operation on translation tables did, and what must be invalidated because of it.
 */

/** What a mapping says besides its addresses. What does not belong to the stage is refused by `RangeError`. */
export interface MappingAttributes {
  /** True by default; at stage 1 nothing else can be said. */
  readonly read?: boolean;
  readonly write: boolean;
  /** Stage 1: unprivileged accesses are permitted (AP[1]); true by default, as devices are unprivileged. */
  readonly unprivileged?: boolean;
  /** Executable at each privilege; neither by default. */
  readonly privilegedExecute?: boolean;
  readonly unprivilegedExecute?: boolean;
  /** Stage 1: nG = 0; false by default. */
  readonly global?: boolean;
  /** AF; true by default. */
  readonly accessFlag?: boolean;
  /** DBM; false by default. With `write: false` the page is writable-clean. */
  readonly dirtyModifier?: boolean;
  /** Stage 1: AttrIndx, 0 to 7 (0 by default); stage 2: MemAttr, 0 to 15 (15, write-back, by default). */
  readonly memoryAttributes?: number;
  /** SH; inner shareable (3) by default. */
  readonly shareability?: number;
}

/** What caches may hold and must drop before the change counts. */
export interface Invalidation {
  readonly input: bigint;
  readonly length: bigint;
  /** The level of the leaves that stood there; `undefined`: at any level. */
  readonly level: number | undefined;
  /** log2 of their size; of the granule, where they were at any level. */
  readonly sizeLog2: number;
  /** False: tables went too, so that walk-cache entries must go (Leaf = 0). */
  readonly leaf: boolean;
}

/** A table that no descriptor refers to any more. It may be released only after the invalidation is complete. */
export interface FreedTable {
  readonly address: bigint;
  readonly length: number;
}

/** What an operation did. */
export interface Change {
  /** Bytes of inputs that were mapped, unmapped, or are mapped by other descriptors now. */
  readonly bytes: bigint;
  /** What is still to be invalidated: not what an `invalidate` step has asked for. */
  readonly invalidations: readonly Invalidation[];
  readonly freed: readonly FreedTable[];
}

/**
 * One step of an operation. `write`: a descriptor was written, just now. `invalidate`: break before make: hardware must have
 * dropped this before the operation goes on.
 */
export type SoftwareStep =
  | { readonly kind: 'write'; readonly address: bigint; readonly before: bigint; readonly after: bigint }
  | { readonly kind: 'invalidate'; readonly invalidation: Invalidation };

/** The record of a change while it is made. */
export class ChangeRecord {
  bytes = 0n;
  readonly freed: FreedTable[] = [];
  #invalidations: Invalidation[] = [];

  /** Notes an invalidation. It takes in those that it covers, and joins the last one of the same kind that it follows. */
  invalidate(next: Invalidation): void {
    const covers = (other: Invalidation): boolean =>
      !next.leaf && next.input <= other.input && other.input + other.length <= next.input + next.length;
    const kept = this.#invalidations.filter((other) => !covers(other));
    const last = kept.at(-1);
    if (
      last !== undefined &&
      last.leaf === next.leaf &&
      last.level === next.level &&
      last.input + last.length === next.input
    ) {
      kept[kept.length - 1] = { ...last, length: last.length + next.length };
    } else kept.push(next);
    this.#invalidations = kept;
  }

  get change(): Change {
    return { bytes: this.bytes, invalidations: this.#invalidations, freed: this.freed };
  }
}

/** Does all steps at once; the invalidations that steps asked for are due as well. */
export function allSteps<R extends Change | undefined>(steps: Generator<SoftwareStep, R>): R {
  const asked: Invalidation[] = [];
  for (;;) {
    const next = steps.next();
    if (next.done === true) {
      const { value } = next;
      return value === undefined ? value : { ...value, invalidations: [...asked, ...value.invalidations] };
    }
    if (next.value.kind === 'invalidate') asked.push(next.value.invalidation);
  }
}
