/**
 * Puts the configuration that a stream had into the machine's memory before the machine fetches it. The recording shows Stream
 * table entries and Context descriptors at marks alone: of the mark before and the mark after, the bytes are taken that the
 * first recorded use of the fetch agrees with; where software changed them on both sides of the fetch, what it saw may be in
 * neither, and is made from what the recorded walk tells.
 */
import { bits, mask } from '../bits.ts';
import { vmsav8 } from '../pagetable/vmsav8.ts';
import { type Command, decodeCommand } from '../smmuv3/commands.ts';
import type { Stage2OfFetch } from '../smmuv3/configuration.ts';
import { cdLayout } from '../smmuv3/context-descriptor.ts';
import { type Identity, outputBits } from '../smmuv3/identity.ts';
import { l1StdLayout, stage1Enabled, stage2Enabled, type Ste, steLayout } from '../smmuv3/stream-table-entry.ts';
import { hex } from './hex.ts';
import { inferContexts, type WalkEvidence } from './infer.ts';
import type { Machine } from './machine.ts';
import type { RecordedLine } from './records.ts';
import { type Snapshot, Snapshots } from './snapshots.ts';

/** Where the recorded fetch of a configuration read. */
export interface RecordedFetch {
  readonly sid: number;
  readonly ste?: bigint;
  readonly cd?: bigint;
}

/** The first use of a configuration. */
export interface FirstUse {
  readonly sid: number;
  /** Of its record, among the records. */
  readonly index: number;
  /** Why the machine's configuration cannot be the recorded one; `undefined` if it can. */
  readonly misfit: () => string | undefined;
  readonly fetch: RecordedFetch | undefined;
  readonly walk: WalkEvidence | undefined;
}

/**
 * What the machine's configuration of a stream is. `inferred`: made from a walk, with tags if the recording has them. `misfit`:
 * no bytes of the recording agree with the use. `unknown`: the recording has no bytes.
 */
export type ContextState =
  | { readonly kind: 'recorded' }
  | { readonly kind: 'inferred'; readonly tagged: boolean }
  | { readonly kind: 'misfit'; readonly why: string }
  | { readonly kind: 'unknown' };

interface Candidate {
  readonly entries: Snapshot;
  readonly contexts: Snapshot;
}

export class Contexts {
  readonly #machine: Machine;
  readonly #records: readonly RecordedLine[];
  readonly #snapshots: Snapshots;
  readonly #known = new Map<number, ContextState>();
  /** Where the machine's last fetch read. */
  #reads: ReadonlySet<bigint> = new Set();
  /** How many configurations were made from walks. */
  inferred = 0;

  constructor(machine: Machine, records: readonly RecordedLine[]) {
    this.#machine = machine;
    this.#records = records;
    this.#snapshots = new Snapshots(records);
  }

  /** A CFGI command was performed, or the Stream table is another: what is no longer cached will be fetched again. */
  invalidated(): void {
    const cached = new Set(
      this.#machine.smmu.configuration.entries.flatMap((entry) =>
        entry.kind === 'CD' || isWithoutContext(entry) ? [entry.sid] : [],
      ),
    );
    for (const sid of this.#known.keys()) if (!cached.has(sid)) this.#known.delete(sid);
  }

  /** A configuration that was made from a walk does not give another one: it may be made again from that. */
  doubt(sid: number): void {
    this.#known.delete(sid);
  }

  /** Makes the machine's configuration of a stream that of the recording, if it is not cached. */
  ensure(use: FirstUse): ContextState {
    const known = this.#known.get(use.sid);
    if (known !== undefined) return known;
    const state = this.#choose(use);
    // The first use tells what does not fit; later ones are judged by themselves.
    this.#known.set(use.sid, state.kind === 'misfit' ? { kind: 'recorded' } : state);
    // What failed is not cached: it is fetched again at the next use.
    if (!this.#machine.smmu.configuration.entries.some((entry) => 'sid' in entry && entry.sid === use.sid)) {
      this.#known.delete(use.sid);
    }
    return state;
  }

  #choose(use: FirstUse): ContextState {
    const { candidates, certain } = this.#candidates(use);
    const tried: Candidate[] = [];
    let why: string | undefined;
    let isIncomplete = false;
    for (const candidate of candidates) {
      const placed = this.#place(use, candidate);
      // What one mark shows together is incomplete if its entry needs a Context descriptor that no mark so far has.
      if (placed === 'no descriptor' && candidate.entries === candidate.contexts) isIncomplete = true;
      if (placed !== 'placed') continue;
      tried.push(candidate);
      const misfit = this.#fetchMisfit(use) ?? use.misfit();
      if (misfit === undefined) return { kind: 'recorded' };
      why ??= misfit;
    }
    const inferred = certain && tried.length > 0 && !isIncomplete ? 'not tried' : this.#infer(use);
    if (typeof inferred === 'object') return inferred;
    const [first] = tried;
    this.#forget(use.sid);
    if (first !== undefined) this.#place(use, first);
    // Not even a configuration made for the walk gives it; or there is none that could.
    return why === undefined || isIncomplete || inferred === 'impossible'
      ? { kind: 'unknown' }
      : { kind: 'misfit', why };
  }

  /**
   * The bytes that the fetch can have seen, likely ones first. Software drops cached copies after each change: without a CFGI
   * since the mark before the bytes are that mark's, without one until the mark after they are that mark's.
   */
  #candidates({ sid, index }: FirstUse): { readonly candidates: readonly Candidate[]; readonly certain: boolean } {
    const { before, after } = this.#snapshots.around(index);
    const dropped = (from: number, to: number): boolean =>
      this.#records
        .slice(Math.max(0, from), to)
        .some((record) => record.k === 'cmd' && concerns(decodeCommand(record.hex), sid));
    // Without commands in the recording anything may have changed at any time.
    const blind = !this.#machine.has('cmd');
    const changedBefore = blind || dropped(before?.index ?? 0, index);
    const changedAfter = blind || dropped(index, after?.index ?? this.#records.length);
    const order = (changedBefore ? [after, before] : [before, after]).filter((span) => span !== undefined);
    const [first, second] = order;
    if (first === undefined) return { candidates: [], certain: false };
    const same = (span: Snapshot): Candidate => ({ entries: span, contexts: span });
    const candidates =
      second === undefined
        ? [same(first)]
        : [same(first), same(second), { entries: first, contexts: second }, { entries: second, contexts: first }];
    const certain = changedBefore ? !changedAfter && after !== undefined : before !== undefined;
    return { candidates, certain };
  }

  /** Drops what the machine has cached of a stream. */
  #forget(sid: number): void {
    const { configuration } = this.#machine.smmu;
    for (const entry of configuration.entries) {
      const concerned =
        entry.kind === 'L1STD' ? sid >= entry.firstSid && sid < entry.firstSid + entry.sids : entry.sid === sid;
      if (concerned) configuration.evict(entry);
    }
  }

  /** Writes the structures of a stream into memory, as far as the recording has them, and lets the machine fetch them. */
  #place({ sid, fetch }: FirstUse, { entries, contexts }: Candidate): 'placed' | 'no entry' | 'no descriptor' {
    this.#forget(sid);
    const address = this.#entryAddress(sid, entries, fetch);
    const entry = address === undefined ? undefined : entries.at(address);
    if (address === undefined || entry?.length !== steLayout.length) return 'no entry';
    this.#machine.smmu.memory.write(address, entry);
    const ste = steLayout.decode(entry);
    const context = this.#contextOf(ste, contexts, fetch);
    const needed = ste.V && stage1Enabled(ste);
    if (needed && context === undefined && !stage2Enabled(ste)) return 'no descriptor';
    const isKnown = this.#fetch(sid, ste, context, contexts);
    return isKnown || !needed ? 'placed' : 'no descriptor';
  }

  /** The bytes of a stream's only Context descriptor, or of that without SubstreamID; two levels have a level-1 entry first. */
  #contextOf(ste: Ste, contexts: Snapshot, fetch: RecordedFetch | undefined): Uint8Array | undefined {
    const { SSIDSIZE } = this.#machine.smmu.identity;
    const twoLevels = SSIDSIZE > 0 && ste.S1CDMax > 0 && (ste.S1Fmt === 0b01 || ste.S1Fmt === 0b10);
    const direct = contexts.at(ste.S1ContextPtr);
    if (!twoLevels) return direct ?? (fetch?.cd === undefined ? undefined : contexts.at(fetch.cd));
    return fetch?.cd === undefined ? undefined : contexts.at(fetch.cd);
  }

  /**
   * Writes the Context descriptor where the machine will look for it, behind stage 2 if that is on, and lets it fetch. Behind
   * stage 2 recordings have it by its IPA or by its physical address. Returns whether there was one, and the way to it.
   */
  #fetch(sid: number, ste: Ste, context: Uint8Array | undefined, contexts?: Pick<Snapshot, 'at'>): boolean {
    const { memory, smmu } = this.#machine;
    const { configuration } = smmu;
    let isKnown = context !== undefined;
    if (context !== undefined && memory.isBacked(ste.S1ContextPtr, context.length)) {
      memory.write(ste.S1ContextPtr, context);
    }
    const throughStage2: Stage2OfFetch<'no walk'> = (ipa, { regime }) => {
      const walk = vmsav8.walk<undefined>(regime, ipa, {
        fetch: (at) => ({ ok: true, word: memory.readWord(at) }),
      });
      if (!walk.ok) {
        isKnown &&= this.#machine.has('pte');
        return { ok: false, fault: 'no walk' };
      }
      const physical = walk.leaf.output + (ipa & mask(walk.leaf.sizeLog2));
      const place = physical & ~mask(6);
      const bytes = context ?? contexts?.at(place);
      if (bytes !== undefined) {
        memory.write(place, bytes);
        isKnown = true;
      }
      return { ok: true, physical };
    };
    const { reads } = memory.during(() => configuration.lookup(sid, undefined, throughStage2));
    // QEMU notes the address that the Stream table entry has, which stage 2 may translate.
    this.#reads = new Set([...reads.map(({ address }) => address), ...(stage2Enabled(ste) ? [ste.S1ContextPtr] : [])]);
    return isKnown;
  }

  /** How the machine fetched the configuration elsewhere than the recording says. */
  #fetchMisfit({ sid, fetch }: FirstUse): string | undefined {
    for (const [what, at] of [
      ['Stream table entry', fetch?.ste],
      ['Context descriptor', fetch?.cd],
    ] as const) {
      if (at !== undefined && !this.#reads.has(at)) {
        return `the ${what} of stream ${hex(sid)} was read at ${hex(at)}, where the machine reads nothing`;
      }
    }
    return undefined;
  }

  /** Where the Stream table has the entry of a stream; a level-1 descriptor that no mark shows is made to fit the fetch. */
  #entryAddress(sid: number, entries: Snapshot, fetch: RecordedFetch | undefined): bigint | undefined {
    const { memory, smmu } = this.#machine;
    const { registers } = smmu;
    if (bits(registers.get('STRTAB_BASE_CFG'), 17, 16) === 0n) {
      return (registers.get('STRTAB_BASE') & mask(52) & ~mask(6)) + BigInt(sid * steLayout.length);
    }
    const { descriptor, split } = this.#level1(sid);
    const offset = BigInt(sid % 2 ** split) * BigInt(steLayout.length);
    const known = entries.at(descriptor);
    if (known?.length === l1StdLayout.length) {
      memory.write(descriptor, known);
      return l1StdLayout.decode(known).L2Ptr + offset;
    }
    const { Span, L2Ptr } = l1StdLayout.decode(memory.read(descriptor, l1StdLayout.length));
    const entry = entries.entryOf(sid) ?? fetch?.ste ?? (Span === 0 ? undefined : L2Ptr + offset);
    if (entry === undefined || entry < offset) return undefined;
    memory.write(descriptor, l1StdLayout.encode({ Span: split + 1, L2Ptr: entry - offset }));
    return entry;
  }

  /** A place for the entry of a stream, of which the recording shows none, where no recorded memory is. */
  #inventEntry(sid: number): bigint {
    const { memory, smmu } = this.#machine;
    const { descriptor, split } = this.#level1(sid);
    const table = scratch(smmu.identity, 2 ** 16 + Math.floor(sid / 2 ** split), 2 ** 16);
    memory.write(descriptor, l1StdLayout.encode({ Span: split + 1, L2Ptr: table }));
    return table + BigInt(sid % 2 ** split) * BigInt(steLayout.length);
  }

  /** The level-1 descriptor of a stream in a Stream table of two levels. */
  #level1(sid: number): { readonly descriptor: bigint; readonly split: number } {
    const { registers } = this.#machine.smmu;
    const given = Number(bits(registers.get('STRTAB_BASE_CFG'), 10, 6));
    const split = given === 8 || given === 10 ? given : 6;
    const base = registers.get('STRTAB_BASE') & mask(52) & ~mask(6);
    return { descriptor: base + BigInt(Math.floor(sid / 2 ** split) * l1StdLayout.length), split };
  }

  /** A configuration that gives the recorded walk; `impossible`: a walk does not tell one. */
  #infer(use: FirstUse): ContextState | 'impossible' | 'does not fit' {
    const { sid, fetch, walk } = use;
    if (walk === undefined) return 'impossible';
    const { before, after } = this.#snapshots.around(use.index);
    const entries = before ?? after ?? { at: () => undefined, entryOf: () => undefined };
    const address = this.#entryAddress(sid, entries, fetch) ?? this.#inventEntry(sid);
    const place = fetch?.cd ?? scratch(this.#machine.smmu.identity, sid, 64);
    let result: 'impossible' | 'does not fit' = 'impossible';
    for (const context of inferContexts(walk, this.#machine.smmu.identity, place & ~mask(6))) {
      this.#forget(sid);
      const entry = steLayout.encode(context.ste);
      this.#machine.memory.write(address, entry);
      this.#fetch(sid, steLayout.decode(entry), context.cd && cdLayout.encode(context.cd));
      if ((this.#fetchMisfit(use) ?? use.misfit()) === undefined) {
        this.inferred++;
        return { kind: 'inferred', tagged: context.tagged };
      }
      result = 'does not fit';
    }
    return result;
  }
}

/** The address of the n-th of pieces below the end of physical addresses. */
function scratch(identity: Identity, n: number, length: number): bigint {
  return (1n << BigInt(outputBits(identity))) - BigInt(n + 1) * BigInt(length);
}

/** Whether a command drops what is cached of a stream. */
function concerns(command: Command, sid: number): boolean {
  if (command.op === 'CFGI_ALL') return true;
  if (command.op === 'CFGI_STE_RANGE')
    return Math.floor(sid / 2 ** (command.range + 1)) === Math.floor(command.sid / 2 ** (command.range + 1));
  return (command.op === 'CFGI_STE' || command.op === 'CFGI_CD' || command.op === 'CFGI_CD_ALL') && command.sid === sid;
}

/** Whether a cached entry is all that its stream's traffic needs: a legal Stream table entry without stage 1. */
function isWithoutContext(
  entry: Machine['smmu']['configuration']['entries'][number],
): entry is Extract<typeof entry, { kind: 'STE' }> {
  return entry.kind === 'STE' && !stage1Enabled(entry.ste);
}
