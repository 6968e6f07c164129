/**
 * What every format of translation tables offers: a walk from an input address to a leaf or a fault. VMSAv8-64 is one format
 * (`vmsav8.ts`); others stand behind the same interface with a regime of their own.
 */

/** What one level of privilege may do. */
export interface Rights {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
}

/** What a translation permits. Where there is one level of privilege, both are alike. */
export interface Permissions {
  readonly privileged: Rights;
  readonly unprivileged: Rights;
}

/** What an access needs. `execute`: an instruction fetch, which is no data read. */
export interface Demand {
  readonly kind: 'read' | 'write' | 'execute';
  readonly privileged: boolean;
}

/** Whether the permissions allow an access. */
export function permits(permissions: Permissions, demand: Demand): boolean {
  return (demand.privileged ? permissions.privileged : permissions.unprivileged)[demand.kind];
}

/** What both allow: of two stages. */
export function bothPermit(one: Permissions, other: Permissions): Permissions {
  const both = (a: Rights, b: Rights): Rights => ({
    read: a.read && b.read,
    write: a.write && b.write,
    execute: a.execute && b.execute,
  });
  return {
    privileged: both(one.privileged, other.privileged),
    unprivileged: both(one.unprivileged, other.unprivileged),
  };
}

/** A descriptor that was read, as a little-endian word, or why it could not be. */
export type Fetched<F> = { readonly ok: true; readonly word: bigint } | { readonly ok: false; readonly fault: F };

/**
 * The memory a walk reads. `F` is why a descriptor cannot be read: a fault of a nested translation, an external abort.
 * `address` is that of the tables: an IPA for stage 1 above stage 2.
 */
export interface TableMemory<F> {
  fetch(address: bigint, level: number): Fetched<F>;
  /**
   * Writes `desired` if the word is still `expected`, atomically; `word` is what was found. Without it a walk changes nothing,
   * and a leaf whose access flag hardware would set comes back with `accessFlag: false`.
   */
  update?(address: bigint, expected: bigint, desired: bigint): Fetched<F>;
}

/** Rights that table descriptors on the way take from everything below (APTable, UXNTable, PXNTable). */
export interface Restrictions {
  readonly readOnly: boolean;
  readonly noUnprivileged: boolean;
  readonly noPrivilegedExecute: boolean;
  readonly noUnprivilegedExecute: boolean;
}

/** No restriction. */
export const unrestricted: Restrictions = {
  readOnly: false,
  noUnprivileged: false,
  noPrivilegedExecute: false,
  noUnprivilegedExecute: false,
};

/** Where a walk goes on: the content of a walk-cache entry. */
export interface Resume {
  /** The level of the table that is read next. */
  readonly level: number;
  readonly table: bigint;
  /** Of the tables above it; none by default. */
  readonly restrictions?: Restrictions;
}

/** A descriptor that a walk read. */
export interface TableStep {
  readonly level: number;
  /** Of the descriptor. */
  readonly address: bigint;
  /** The descriptor, whatever the byte order in memory. */
  readonly word: bigint;
  /** Of a table descriptor: what a walk cache may keep, for all inputs with the same bits above `coversLog2`. */
  readonly below?: Resume & { readonly coversLog2: number };
}

/** The last descriptor of a translation. */
export interface Leaf {
  /** Of the start of the page or block. */
  readonly output: bigint;
  readonly sizeLog2: number;
  readonly level: number;
  /** Includes the restrictions of tables above. A writable-clean page counts as writable where hardware makes it dirty. */
  readonly permissions: Permissions;
  /** nG = 0: of all ASIDs. True where there are no ASIDs (stage 2). */
  readonly global: boolean;
  /** The contiguous hint: log2 of the bytes of the run that may be one TLB entry. */
  readonly contiguousLog2?: number;
  readonly descriptor: { readonly address: bigint; readonly word: bigint };
  readonly accessFlag: boolean;
  /** DBM. */
  readonly dirtyModifier: boolean;
  /** A write must first make the descriptor dirty (`markDirty`). Only with hardware management of dirty state. */
  readonly writableClean: boolean;
  /** Stage 1: AttrIndx; stage 2: MemAttr[3:0]. */
  readonly memoryAttributes: number;
  /** SH[1:0]. */
  readonly shareability: number;
}

/** What a walk found. `path` has every descriptor read, with the bad one of a fault (but not one that could not be read). */
export type Walk<F> =
  | { readonly ok: true; readonly leaf: Leaf; readonly path: readonly TableStep[] }
  | {
      readonly ok: false;
      readonly fault: 'translation' | 'address size' | 'access';
      readonly level: number;
      readonly path: readonly TableStep[];
    }
  | {
      readonly ok: false;
      readonly fault: 'fetch';
      readonly cause: F;
      /** Of the descriptor that could not be read, or updated. */
      readonly address: bigint;
      readonly level: number;
      /** Whether it was the hardware update that failed. */
      readonly update: boolean;
      readonly path: readonly TableStep[];
    };

/**
 * What became of a hardware update of a leaf: the leaf as it is now; `changed`: another word stands in memory, the walk must be
 * made again.
 */
export type Update<F> =
  | { readonly ok: true; readonly leaf: Leaf }
  | { readonly ok: false; readonly fault: 'changed' }
  | { readonly ok: false; readonly fault: 'fetch'; readonly cause: F };

/** A format of translation tables. A walk never checks the permission of an access: `permits` does, on a TLB hit too. */
export interface Format<Regime> {
  walk<F>(regime: Regime, input: bigint, memory: TableMemory<F>, from?: Resume): Walk<F>;
  /** Sets the access flag of a leaf, if it is not set and hardware manages it. */
  markAccessed<F>(regime: Regime, leaf: Leaf, memory: Required<TableMemory<F>>): Update<F>;
  /** Makes a writable-clean leaf dirty, and accessed. */
  markDirty<F>(regime: Regime, leaf: Leaf, memory: Required<TableMemory<F>>): Update<F>;
}
