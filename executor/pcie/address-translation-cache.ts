/**
 * An Address Translation Cache: what a function may keep of its Translation Completions, and what an Invalidate Request drops
 * of it. It holds whatever it was given until it is told otherwise, as ATS-19 permits.
 */
import type { AtsTranslation, InvalidateRequest } from './messages.ts';

/** A translation of a range of untranslated addresses, as a completion gave it. */
export interface Translation extends AtsTranslation {
  /** Of the Translation Request; without one the translation serves requests without PASID only. */
  readonly pasid?: number;
  /** Start of the range of untranslated addresses, aligned to its size. */
  readonly untranslated: bigint;
  /** The Translation Request that it answers: larger numbers are later requests. */
  readonly request: number;
}

/** What a request needs of a translation. */
export interface Use {
  readonly pasid?: number;
  readonly address: bigint;
  readonly privileged?: boolean;
}

/** Whether a translation's range contains an address. */
export function contains(translation: Translation, address: bigint): boolean {
  const size = BigInt(translation.sizeLog2);
  return address >> size === translation.untranslated >> size;
}

/**
 * Whether a translation may serve a request, permissions aside: its range contains the address, it was asked for in the same
 * mode (Priv), and with the same PASID, or with any PASID if it is global. A request without PASID and one with a PASID never
 * share a translation (ATS-06, ATS-07).
 */
export function serves(translation: Translation, use: Use): boolean {
  return (
    contains(translation, use.address) &&
    translation.privileged === (use.privileged ?? false) &&
    (translation.pasid === use.pasid ||
      (translation.global && translation.pasid !== undefined && use.pasid !== undefined))
  );
}

/**
 * Whether an Invalidate Request names a translation: the ranges overlap and the PASID fits. A request without PASID names
 * the range of all PASIDs and of none (ATS-34, INV-07). One with a PASID names that PASID and global translations, which serve
 * it too. Global Invalidate names every PASID, and is ignored without the capability (ATS-33, INV-08); it says nothing of
 * what was requested without PASID.
 */
export function names(request: InvalidateRequest, translation: Translation, globalInvalidate: boolean): boolean {
  const size = BigInt(Math.max(request.sizeLog2, translation.sizeLog2));
  if (request.address >> size !== translation.untranslated >> size) return false;
  if (request.pasid === undefined) return true;
  if (translation.pasid === undefined) return false;
  return translation.pasid === request.pasid || translation.global || (request.global && globalInvalidate);
}

/** Whether a translation permits an access: a write, a read, or a read of instructions (ATS-05). */
export function permits(
  translation: AtsTranslation,
  access: { readonly kind: 'read' | 'write'; readonly execute?: boolean },
): boolean {
  if (access.kind === 'write') return translation.write;
  return translation.read && (access.execute !== true || translation.execute);
}

/** The cache. */
export class AddressTranslationCache {
  #translations: readonly Translation[] = [];

  /** What it holds, oldest first. */
  get translations(): readonly Translation[] {
    return this.#translations;
  }

  /** Takes a translation in, instead of an older one of the same range, PASID and mode; where ranges overlap both stay. */
  insert(translation: Translation): void {
    const others = this.#translations.filter(
      ({ untranslated, sizeLog2, pasid, privileged }) =>
        untranslated !== translation.untranslated ||
        sizeLog2 !== translation.sizeLog2 ||
        pasid !== translation.pasid ||
        privileged !== translation.privileged,
    );
    this.#translations = [...others, translation];
  }

  has(translation: Translation): boolean {
    return this.#translations.includes(translation);
  }

  /** The latest translation that serves a request, whatever it permits. */
  lookup(use: Use): Translation | undefined {
    return this.#translations.findLast((translation) => serves(translation, use));
  }

  /** Drops what `which` selects, and returns it: evictions (allowed at any time, ATS-19) and invalidations. */
  drop(which: (translation: Translation) => boolean): readonly Translation[] {
    const dropped = this.#translations.filter(which);
    this.#translations = this.#translations.filter((translation) => !which(translation));
    return dropped;
  }

  /** Drops everything, and returns it. */
  clear(): readonly Translation[] {
    return this.drop(() => true);
  }
}
