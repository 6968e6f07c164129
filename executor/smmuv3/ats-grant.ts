/**
 * What one page grants to a Translation Request: the rights of both stages for the privilege asked for, with the hardware
 * updates that a grant brings (IHI 0070, 13.7.1 and 3.13.7), and where it translates to.
 */
import { mask } from '../bits.ts';
import type { Leaf, Rights } from '../pagetable/format.ts';
import type { TranslationRequest } from '../pcie/messages.ts';
import type { Configuration } from './configuration.ts';
import { outputBits } from './identity.ts';
import { alignedDown, combinedEntry, outputOf } from './tlb-entry.ts';
import type { LeafEntry } from './tlb-entry.ts';
import type { Fault } from './translation-faults.ts';
import { again, combine, dirtied, findStage1, findStage2, lookupAddress, remember } from './translation-stages.ts';
import type { Context, Found, WalkUnit } from './translation-stages.ts';

/** What a page grants; `output` is aligned to the size. */
export type GrantedPage =
  | { readonly ok: true; readonly rights: Rights; readonly output: bigint; readonly sizeLog2: number }
  | { readonly ok: false; readonly fault: Fault };

type TranslatedConfiguration = Exclude<Configuration, { kind: 'abort' }>;

const nothing: Rights = { read: false, write: false, execute: false };

/** Translates the page of an address for a request and says what it may be used for. */
export function grantPage(
  unit: WalkUnit,
  context: Context,
  configuration: TranslatedConfiguration,
  request: TranslationRequest,
  input: bigint,
): GrantedPage {
  const { stage1, stage2 } = context;
  const asked = askedFor(configuration, request);
  const bits = outputBits(unit.identity);
  if (stage1 === undefined && input >> BigInt(bits) !== 0n) {
    return { ok: false, fault: { name: 'F_ADDR_SIZE', stage: 1, class: 'IN' } };
  }
  if (stage1 === undefined && stage2 === undefined) {
    // Stage 1 is skipped and there is no other: all addresses are their own translations (13.6.4).
    return { ok: true, rights: { read: true, write: true, execute: false }, output: 0n, sizeLog2: bits };
  }
  const address = stage1 === undefined ? input : lookupAddress(stage1, input);
  return again(() => {
    const none: GrantedPage = { ok: true, rights: nothing, output: 0n, sizeLog2: 12 };
    const first = stage1 === undefined ? undefined : findStage1(unit, context, stage1, address);
    if (first !== undefined && !first.ok) return first;
    const leaf1 = first?.entry.stage1?.leaf;
    // Where stage 1 grants nothing stage 2 is not asked (3.9.1.2).
    if (leaf1 !== undefined && isNothing(granted(asked, [leaf1]))) return none;
    const second = secondOf(unit, context, first, address);
    if (second !== undefined && !second.ok) return second;
    const leaf2 = second?.entry.stage2?.leaf;
    const split = configuration.eats === 'split';
    const leaves = [leaf1, leaf2].filter((leaf) => leaf !== undefined);
    // A Translated access of split-stage ATS makes the page of stage 2 dirty itself: here it counts as writable.
    const rights = granted(asked, leaves, split ? leaf2 : undefined);
    if (isNothing(rights)) return none;
    const entries = dirtiedBoth(unit, context, first?.entry, second?.entry, {
      stage1: rights.write && !asked.noWrite,
      stage2: rights.write && !asked.noWrite && !split,
    });
    if (entries === 'changed' || 'ok' in entries) return entries;
    keep(unit, first, second, entries, address);
    return { ok: true, rights, ...rangeOf(entries, address, split) };
  });
}

/** A request after PRIVCFG and INSTCFG; without a PASID it has neither Execute nor Privileged Mode. */
interface Asked {
  readonly privileged: boolean;
  readonly execute: boolean;
  readonly instruction: TranslatedConfiguration['instruction'];
  readonly noWrite: boolean;
}

function askedFor(configuration: TranslatedConfiguration, request: TranslationRequest): Asked {
  const { privilege, instruction } = configuration;
  const prefixed = request.pasid !== undefined;
  const privileged = prefixed && request.privileged === true;
  return {
    privileged: privilege === 'incoming' ? privileged : privilege === 'privileged',
    execute: prefixed && request.execute === true,
    instruction,
    noWrite: request.noWrite === true,
  };
}

/** The pseudocode of 13.7.1. `clean`: a leaf that counts as writable although it is clean and NW is set. */
function granted(asked: Asked, leaves: readonly Leaf[], clean?: Leaf): Rights {
  const rights = leaves.map(({ permissions }) =>
    asked.privileged ? permissions.privileged : permissions.unprivileged,
  );
  const readable = rights.every(({ read }) => read);
  const executable = rights.every(({ execute }) => execute);
  // NW must not make a page dirty, and a clean page must not be written.
  const keptClean = leaves.some((leaf) => asked.noWrite && leaf.writableClean && leaf !== clean);
  const write = rights.every((each) => each.write) && !keptClean;
  const { instruction } = asked;
  if (instruction === 'instruction') return { read: executable, write, execute: asked.execute && executable };
  const data = instruction === 'data';
  return { read: readable, write, execute: asked.execute && readable && (data || executable) };
}

function isNothing({ read, write, execute }: Rights): boolean {
  return !read && !write && !execute;
}

/** The leaf of stage 2; of a combined entry there is one already. */
function secondOf(
  unit: WalkUnit,
  context: Context,
  first: Found | undefined,
  address: bigint,
): ReturnType<typeof findStage2> | undefined {
  const { stage2 } = context;
  if (stage2 === undefined) return undefined;
  if (first === undefined) return findStage2(unit, context, stage2, address, 'IN');
  if (first.entry.kind === 'combined') return { ...first, tables: [] };
  return findStage2(unit, context, stage2, outputOf(first.entry, address), 'IN');
}

interface Entries {
  readonly first?: LeafEntry | undefined;
  readonly second?: LeafEntry | undefined;
}

/** Both leaves, made dirty where a grant of W needs it. */
function dirtiedBoth(
  unit: WalkUnit,
  context: Context,
  first: LeafEntry | undefined,
  second: LeafEntry | undefined,
  dirty: { readonly stage1: boolean; readonly stage2: boolean },
): Entries | Extract<ReturnType<typeof dirtied>, { ok: false } | 'changed'> {
  const one = first === undefined || !dirty.stage1 ? first : dirtied(unit, context, 1, first);
  if (one !== undefined && (one === 'changed' || 'ok' in one)) return one;
  // A combined entry is both: the second update must not undo what the first one learnt.
  const before = second !== undefined && second === first ? one : second;
  const two = before === undefined || !dirty.stage2 ? before : dirtied(unit, context, 2, before);
  if (two !== undefined && (two === 'changed' || 'ok' in two)) return two;
  return { first: one, second: two };
}

/** Puts into the TLB what a transaction would have. */
function keep(
  unit: WalkUnit,
  first: Found | undefined,
  second: Found | undefined,
  entries: Entries,
  address: bigint,
): void {
  const { tlb } = unit;
  const nested = first !== undefined && second !== undefined;
  const policy = nested ? 'everything' : 'always';
  if (first !== undefined && entries.first !== undefined) remember(tlb, { ...first, entry: entries.first }, policy);
  if (second !== undefined && entries.second !== undefined) remember(tlb, { ...second, entry: entries.second }, policy);
  if (nested && entries.first !== undefined && entries.second !== undefined && entries.first.kind !== 'combined') {
    combine(tlb, entries.first, entries.second, address);
  }
}

/** What the completion names: PA, or with split-stage ATS the IPA; the smaller of both stages' ranges. */
function rangeOf(
  { first, second }: Entries,
  address: bigint,
  split: boolean,
): { readonly output: bigint; readonly sizeLog2: number } {
  const [one, two] = [first?.stage1, second?.stage2];
  if (one !== undefined && two !== undefined) {
    const { sizeLog2, output } = combinedEntry({ world: 'NS-EL1' }, one, two, address);
    return { output: split ? alignedDown(outputOf(one, address), sizeLog2) : output, sizeLog2 };
  }
  const only = one ?? two;
  if (only === undefined) return { output: address & ~mask(12), sizeLog2: 12 };
  const identity = split && one === undefined;
  return { output: identity ? only.input : only.output, sizeLog2: only.sizeLog2 };
}
