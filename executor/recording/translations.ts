/**
 * Recorded translations against the machine's: walks descriptor by descriptor, and hits by what the machine's TLB holds, which
 * is filled by the recorded walks and emptied by the recorded commands alone.
 */
import type { Command } from '../smmuv3/commands.ts';
import { combinedEntry, type LeafEntry, outputOf, stage2Tag } from '../smmuv3/tlb-entry.ts';
import { configurationFor, contextOf } from '../smmuv3/translation.ts';
import { lookupAddress } from '../smmuv3/translation-stages.ts';
import { hex } from './hex.ts';
import type { Machine } from './machine.ts';
import type { WordRead } from './observed-memory.ts';
import { entryFor, insertedMisfit, lookedUp, outputMisfit, type Place } from './recorded-entry.ts';
import { hiddenTables, hidesTables, pathMisfit } from './path.ts';
import type { RecordedLine, RecordOf } from './records.ts';

/** A recorded walk: the translation, what was read for it, and what QEMU's TLB got. */
export interface RecordedWalk {
  readonly x: RecordOf<'x'>;
  readonly path: readonly RecordOf<'pte'>[];
  readonly inserted: readonly RecordOf<'tlbins'>[];
}

/** What is to be said of a translation. */
export type Verdict =
  | { readonly right: true }
  | { readonly wrong: string; readonly counted: 'wrongWalks' | 'staleHits' }
  | { readonly unjudged: string };

/** Where the TLB looks for a translation, and what it has there. */
interface Looked extends Place {
  readonly held: LeafEntry | undefined;
  /** Whether a recorded walk may lack descriptors of stage 2. */
  readonly hidesTables: boolean;
}

type Machined =
  | { readonly ok: true; readonly entry: LeafEntry; readonly reads: readonly WordRead[]; readonly nested: boolean }
  | { readonly ok: false; readonly why: string; readonly reads: readonly WordRead[] };

const right = { right: true } as const;

export class Translations {
  readonly #machine: Machine;
  /** TLBI commands so far, to say which one dropped what a hit used. */
  readonly #commands: { readonly command: Command; readonly line: number }[] = [];
  /** What recorded walks put into the TLB last, by kind, tag and page. */
  readonly #inserted = new Map<string, LeafEntry>();
  /** What was recorded for entries that came of a wrong walk. */
  readonly #doubtful = new WeakMap<LeafEntry, LeafEntry>();
  /** Since when everything in the recorded TLB came from recorded walks: it was empty then. `undefined`: not yet. */
  #emptied: number | undefined;
  /** Where the recorded TLB was last filled with something that is not known. */
  #blind = 0;
  /** Whether the recording tells what fills the TLB. */
  readonly #fillsShown: boolean;

  constructor(machine: Machine, records: readonly RecordedLine[]) {
    this.#machine = machine;
    const kinds = new Set(records.map(({ k }) => k));
    const walks = records.some((record) => record.k === 'x' && record.hit === false);
    // Without descriptors and insertions the size of what a walk found is not known.
    this.#fillsShown = walks && (kinds.has('pte') || kinds.has('tlbins'));
  }

  /** A command was performed. */
  done(command: Command, line: number): void {
    if (!command.op.startsWith('TLBI_')) return;
    this.#commands.push({ command, line });
    if (command.op === 'TLBI_NSNH_ALL') this.#emptied = line;
  }

  /** A translation, of which the machine cannot tell what it put into the TLB. */
  unknown({ line }: RecordOf<'x'>): void {
    this.#blind = line;
  }

  /** How the machine's configuration of a stream is of another kind. */
  kindMisfit(sid: number, kind: 'bypass' | 'abort'): string | undefined {
    const found = configurationFor(this.#machine.smmu.unit, { streamId: sid });
    if (!found.ok) {
      return found.reason === 'configuration'
        ? `stream ${hex(sid)}: ${kind} was recorded, the machine has ${found.event.name}`
        : `stream ${hex(sid)}: ${kind} was recorded, the machine has no configuration (${found.reason})`;
    }
    const { configuration } = found;
    return configuration.kind === kind
      ? undefined
      : `stream ${hex(sid)}: ${kind} was recorded, the machine's configuration is ${configuration.kind}`;
  }

  /** Why the machine's walk, with the configuration as it is, is not the recorded one. */
  walkMisfit(recorded: RecordedWalk): string | undefined {
    const place = this.#place(recorded.x);
    if (typeof place === 'string') return place;
    // Without the descriptors that were read the walk tells nothing.
    if (recorded.path.length === 0) return undefined;
    const walked = this.#walk(recorded.x);
    return this.#isHidden(place, walked) ? undefined : this.#misfit(recorded, walked);
  }

  /** Why a hit cannot be one with the configuration as it is. */
  hitMisfit(x: RecordOf<'x'>): string | undefined {
    const place = this.#place(x);
    if (typeof place === 'string') return place;
    return place.held === undefined && this.#isKnownAt(x.line) ? 'the TLB holds nothing for it' : undefined;
  }

  /** Judges a recorded walk, and puts its result into the TLB. `tagged`: the configuration has the recorded tags. */
  walk(recorded: RecordedWalk, tagged: boolean): Verdict {
    const { x } = recorded;
    const place = this.#place(x);
    if (typeof place === 'string') return { wrong: place, counted: 'wrongWalks' };
    const walked = this.#walk(x);
    const misfit = this.#misfit(recorded, walked);
    const told = entryFor(x, place, recorded.inserted.at(-1));
    const hidden = misfit !== undefined && this.#isHidden(place, walked);
    const judged = misfit === undefined || (recorded.path.length > 0 && !hidden);
    const entry = judged && walked.ok ? walked.entry : told;
    const stale = tagged ? this.#dropStale(x, place) : undefined;
    this.#insert(entry, place);
    if (misfit !== undefined && judged) {
      // Which of the two is wrong, what follows will not be blamed for it.
      this.#doubtful.set(entry, told);
      return { wrong: misfit, counted: 'wrongWalks' };
    }
    if (hidden) return { unjudged: hiddenTables };
    if (misfit !== undefined) return { unjudged: 'walks of which the descriptors are not recorded' };
    return stale === undefined ? right : { wrong: stale, counted: 'staleHits' };
  }

  /** Judges a recorded hit. */
  hit(x: RecordOf<'x'>, tagged: boolean): Verdict {
    const place = this.#place(x);
    if (typeof place === 'string') return { wrong: place, counted: 'staleHits' };
    const { held } = place;
    if (!tagged) return { unjudged: 'hits, as the recording does not show what fills and empties the TLB' };
    if (held !== undefined) {
      const misfit = this.#heldMisfit(x, held);
      return misfit === undefined
        ? right
        : { wrong: `the TLB holds another translation: ${misfit}`, counted: 'staleHits' };
    }
    const what = `a hit of stream ${hex(x.sid)} at ${hex(x.iova)}`;
    const was = this.#inserted.get(keyOf(place, place.address));
    const dropped = was === undefined ? undefined : this.#droppedBy(was);
    if (dropped !== undefined && this.#fillsShown && dropped.line > this.#blind) {
      return {
        wrong: `${what} uses what CMD_${dropped.command.op} of line ${dropped.line} dropped`,
        counted: 'staleHits',
      };
    }
    if (this.#isKnownAt(x.line)) {
      return { wrong: `${what} uses what no recorded walk put into the TLB`, counted: 'staleHits' };
    }
    // Recording began with something in the TLB: it must have been this.
    this.#insert(entryFor(x, place, undefined), place);
    return { unjudged: 'first hits on what the TLB got before recording began, or in ways that are not recorded' };
  }

  /** Whether all that the recorded TLB holds now came from recorded walks. */
  #isKnownAt(line: number): boolean {
    return this.#fillsShown && this.#emptied !== undefined && this.#emptied < line && this.#blind < this.#emptied;
  }

  /** The stages, and what the TLB holds; or why the stream does not translate. */
  #place(x: RecordOf<'x'>): string | Looked {
    const { smmu } = this.#machine;
    const found = configurationFor(smmu.unit, { streamId: x.sid });
    if (!found.ok) {
      const name = found.reason === 'configuration' ? found.event.name : found.reason;
      return `stream ${hex(x.sid)} translates, but the machine has no configuration: ${name}`;
    }
    const { configuration } = found;
    if (configuration.kind !== 'translate') {
      return `stream ${hex(x.sid)} translates, but the machine's configuration is ${configuration.kind}`;
    }
    const { tag, stage1, stage2 } = contextOf(configuration);
    const address = stage1 === undefined ? x.iova : lookupAddress(stage1, x.iova);
    const kind = stage1 === undefined ? 'stage 2' : stage2 === undefined ? 'stage 1' : 'combined';
    const own = kind === 'stage 2' ? stage2Tag(tag) : tag;
    const granuleLog2 = (stage1?.lower ?? stage1?.upper ?? stage2?.regime)?.granuleLog2 ?? 12;
    return {
      kind,
      tag: own,
      address,
      granuleLog2,
      held: smmu.tlb.lookup(kind, own, address),
      hidesTables: hidesTables(stage1, stage2),
    };
  }

  /** Whether the machine may lack a descriptor of stage 2: what a mark showed of it may be another since. */
  #isHidden(place: Looked, { ok, reads }: Machined): boolean {
    return place.hidesTables && (!ok || !this.#machine.hasShown(reads));
  }

  /** The machine's walk of both stages, without the TLB. */
  #walk({ sid, iova }: RecordOf<'x'>): Machined {
    const { smmu, memory } = this.#machine;
    const requester = { streamId: sid };
    const { result, reads } = memory.during(() => {
      const first = smmu.walks.begin(1, requester, iova);
      if (!first.ok && first.reason !== 'not translated') return first;
      const ipa = first.ok ? outputOf(first.walk.entry, lookedUp(first.walk.entry, iova)) : iova;
      const second = smmu.walks.begin(2, requester, ipa);
      for (const begun of [first, second]) if (begun.ok) smmu.walks.discard(begun.walk);
      if (!second.ok && (second.reason !== 'not translated' || !first.ok)) return second;
      if (!second.ok) return first;
      if (!first.ok) return second;
      const [{ stage1, tag }, { stage2 }] = [first.walk.entry, second.walk.entry];
      if (stage1 === undefined || stage2 === undefined) return second;
      return combinedEntry(tag, stage1, stage2, lookedUp(first.walk.entry, iova));
    });
    if ('kind' in result) return { ok: true, entry: result, reads, nested: true };
    if (result.ok) return { ok: true, entry: result.walk.entry, reads, nested: false };
    const why =
      result.reason === 'fault'
        ? result.fault.name
        : result.reason === 'configuration'
          ? result.event.name
          : 'the stream does not translate';
    return { ok: false, why: `the walk of ${hex(iova)} by stream ${hex(sid)} gives ${why}`, reads };
  }

  #misfit({ x, path, inserted }: RecordedWalk, walked: Machined): string | undefined {
    if (!walked.ok) return walked.why;
    return (
      (path.length === 0 ? undefined : pathMisfit(path, walked.reads, walked.nested)) ??
      outputMisfit(x, walked.entry) ??
      insertedMisfit(inserted.at(-1), walked.entry, walked.nested)
    );
  }

  /** How what the TLB holds differs from a recorded translation; after a wrong walk it may hold what was recorded. */
  #heldMisfit(x: RecordOf<'x'>, held: LeafEntry): string | undefined {
    const misfit = outputMisfit(x, held);
    const other = this.#doubtful.get(held);
    return misfit === undefined || other === undefined ? misfit : outputMisfit(x, other);
  }

  /** Drops what the TLB still holds for a walked address, and says how it differs from what was recorded, if it does. */
  #dropStale(x: RecordOf<'x'>, { kind, tag, address }: Place): string | undefined {
    const { tlb } = this.#machine.smmu;
    let stale: string | undefined;
    for (let held = tlb.lookup(kind, tag, address); held !== undefined; held = tlb.lookup(kind, tag, address)) {
      const misfit = this.#heldMisfit(x, held);
      if (misfit !== undefined) stale ??= `no command dropped what the TLB holds: ${misfit}`;
      tlb.evict(held);
    }
    return stale;
  }

  #insert(entry: LeafEntry, place: Place): void {
    this.#machine.smmu.tlb.insert(entry);
    for (const at of pagesOf(entry)) this.#inserted.set(keyOf(place, at), entry);
  }

  #droppedBy(entry: LeafEntry): { readonly command: Command; readonly line: number } | undefined {
    const { tlb } = this.#machine.smmu;
    return this.#commands.findLast(({ command }) => tlb.covers(command, entry));
  }
}

function* pagesOf({ input, sizeLog2 }: LeafEntry): Generator<bigint> {
  // Of a block the first pages are enough to say what dropped it.
  const pages = Math.min(512, 2 ** Math.max(0, sizeLog2 - 12));
  for (let page = 0; page < pages; page++) yield input + BigInt(page * 4096);
}

function keyOf({ kind, tag }: Place, address: bigint): string {
  return `${kind} ${tag.asid} ${tag.vmid} ${address >> 12n}`;
}
