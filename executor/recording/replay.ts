/**
 * Replays a recording of real driver traffic on the machine: registers and commands are done as recorded, descriptors are put
 * into memory as they were read, and every translation and event of the recording is compared with the machine's.
 */
import { judgeCommand } from './commands.ts';
import { type ContextState, Contexts, type RecordedFetch } from './contexts.ts';
import { pairEvents, type RecordedEvents, releaseOf } from './events.ts';
import { judgeEvent, ownMisfit, type RecordedEvent } from './faults.ts';
import { hex, hexOf } from './hex.ts';
import { type Machine, machineFor } from './machine.ts';
import type { RecordedLine, RecordOf } from './records.ts';
import { Translations } from './translations.ts';

/** What a replay comes to. */
export interface ReplayCounts {
  /** Translations that were recorded with a table walk, and those of them that the machine does otherwise. */
  readonly walks: number;
  readonly wrongWalks: number;
  /** Translations from the TLB, and those that a TLB had to have dropped, or could not hold: the invalidation is missing. */
  readonly hits: number;
  readonly staleHits: number;
  /** Commands, and those that are not understood, not as the recording names them, or missing from it by CMDQ_PROD. */
  readonly commands: number;
  readonly undecoded: number;
  /** Event records, and those that the machine does not write for the same access. */
  readonly faults: number;
  readonly wrongFaults: number;
}

/** A number that says that something is wrong. */
export type WrongCount = 'wrongWalks' | 'staleHits' | 'undecoded' | 'wrongFaults';

/** Something that the machine sees otherwise. */
export interface Difference {
  readonly line: number;
  readonly counted: WrongCount;
  readonly message: string;
}

export interface Replay {
  readonly counts: ReplayCounts;
  /** The first differences, for people. */
  readonly differences: readonly Difference[];
  /** What could not be judged, and why. */
  readonly notes: readonly string[];
}

/** How many differences are kept for people. */
const shownDifferences = 20;

/** Replays the records in their order. Throws what the stream throws: `RecordingError` for a broken recording. */
export async function replayRecording(records: Iterable<RecordedLine> | AsyncIterable<RecordedLine>): Promise<Replay> {
  const all: RecordedLine[] = [];
  for await (const record of records) all.push(record);
  return new Replayer(all).replay();
}

class Replayer {
  readonly #records: readonly RecordedLine[];
  readonly #machine: Machine;
  readonly #contexts: Contexts;
  readonly #translations: Translations;
  readonly #events: RecordedEvents;
  readonly #release: readonly [number, number] | undefined;
  readonly #counts = {
    walks: 0,
    wrongWalks: 0,
    hits: 0,
    staleHits: 0,
    commands: 0,
    undecoded: 0,
    faults: 0,
    wrongFaults: 0,
  };
  readonly #differences: Difference[] = [];
  readonly #unjudged = new Map<string, number>();
  /** What belongs to the next translation or event. */
  #path: RecordOf<'pte'>[] = [];
  #inserted: RecordOf<'tlbins'>[] = [];
  #fetch: { sid?: number; ste?: bigint; cd?: bigint } | undefined;
  /** Where the recorded CMDQ_PROD must be by the commands so far; `undefined` until it is known. */
  #producer: bigint | undefined;

  constructor(records: readonly RecordedLine[]) {
    this.#records = records;
    this.#machine = machineFor(records);
    this.#contexts = new Contexts(this.#machine, records);
    this.#translations = new Translations(this.#machine, records);
    this.#events = pairEvents(records);
    const meta = records.find((record) => record.k === 'meta');
    this.#release = releaseOf(meta?.qemu);
  }

  replay(): Replay {
    for (const [index, record] of this.#records.entries()) this.#do(record, index);
    const notes = [...this.#machine.notes];
    const { inferred } = this.#contexts;
    if (inferred > 0) notes.push(`${inferred} configurations are in no mark: they were made from the walks`);
    for (const [why, count] of this.#unjudged) notes.push(`not judged: ${count} ${why}`);
    return { counts: this.#counts, differences: this.#differences, notes };
  }

  #do(record: RecordedLine, index: number): void {
    switch (record.k) {
      case 'meta':
        return;
      case 'reg':
        this.#register(record);
        return;
      case 'cmd':
        this.#command(record);
        return;
      case 'cfgmiss':
        this.#fetch = { sid: record.sid };
        if (!this.#machine.has('cmd')) this.#contexts.doubt(record.sid);
        return;
      case 'ste@':
        this.#fetch = { ...this.#fetch, ste: record.addr };
        return;
      case 'cd@':
        this.#fetch = { ...this.#fetch, cd: record.addr };
        return;
      case 'pte':
        this.#machine.see(record.addr, record.pte);
        this.#path.push(record);
        return;
      case 'tlbins':
        this.#inserted.push(record);
        return;
      case 'x':
        this.#translation(record, index);
        this.#used();
        return;
      case 'bypass':
      case 'disable':
      case 'abort':
        this.#untranslated(record, index);
        this.#used();
        return;
      case 'event':
        this.#event(record, index);
        this.#used();
        return;
      case 'mark':
        this.#mark(record, index);
    }
  }

  #register(record: RecordOf<'reg'>): void {
    const machine = this.#machine;
    if (machine.isCommandProducer(record)) {
      const cut = machine.commandPosition(record.val);
      if (this.#producer !== undefined && cut !== this.#producer && machine.hasCommands) {
        const how = cut > this.#producer ? 'commands are missing before it' : 'there are other commands before it';
        this.#wrong('undecoded', record, `CMDQ_PROD is ${hex(cut)}, not ${hex(this.#producer)}: ${how}`);
      }
      this.#producer = cut;
      if (!machine.smmu.registers.isEnabled('CMDQEN')) machine.write(record);
      return;
    }
    machine.write(record);
    this.#contexts.invalidated();
  }

  #command(record: RecordOf<'cmd'>): void {
    this.#counts.commands++;
    const { command, wrong } = judgeCommand(record);
    if (wrong !== undefined) this.#wrong('undecoded', record, wrong);
    const refused = this.#machine.command(record.hex);
    if (refused !== undefined && wrong === undefined)
      this.#unjudge(`commands that this SMMU calls illegal (${refused})`);
    if (this.#producer !== undefined) this.#producer = this.#machine.commandPosition(this.#producer + 1n);
    this.#translations.done(command, record.line);
    if (command.op.startsWith('CFGI_')) this.#contexts.invalidated();
  }

  #translation(x: RecordOf<'x'>, index: number): void {
    const hit = x.hit ?? this.#path.length === 0;
    const recorded = { x, path: this.#path, inserted: this.#inserted };
    const judge = (): string | undefined =>
      hit ? this.#translations.hitMisfit(x) : this.#translations.walkMisfit(recorded);
    const ensure = (): ContextState => this.#ensure(x.sid, index, judge, hit ? undefined : x);
    let state = ensure();
    // Of a walk that does not name granule and level several configurations can be made; and without commands in the recording
    // nothing says when a configuration is another.
    const doubtful = (state.kind === 'inferred' && !state.tagged) || !this.#machine.has('cmd');
    if (doubtful && !hit && judge() !== undefined) {
      this.#contexts.doubt(x.sid);
      state = ensure();
    }
    if (hit) this.#counts.hits++;
    else this.#counts.walks++;
    if (state.kind === 'misfit') {
      this.#wrong(hit ? 'staleHits' : 'wrongWalks', x, state.why);
      return;
    }
    if (state.kind === 'unknown') {
      this.#translations.unknown(x);
      this.#unjudge('translations of streams whose configuration the recording does not show');
      return;
    }
    const tagged = this.#machine.has('cmd') && (state.kind === 'recorded' || state.tagged);
    const verdict = hit ? this.#translations.hit(x, tagged) : this.#translations.walk(recorded, tagged);
    if ('unjudged' in verdict) this.#unjudge(verdict.unjudged);
    else if ('wrong' in verdict) this.#wrong(verdict.counted, x, verdict.wrong);
  }

  #untranslated(record: RecordOf<'bypass' | 'disable' | 'abort'>, index: number): void {
    const { smmu } = this.#machine;
    if (record.k === 'disable') {
      if (!smmu.registers.isEnabled('SMMUEN')) return;
      this.#wrong('wrongWalks', record, `stream ${hex(record.sid)} bypasses a disabled SMMU, but SMMUEN is 1`);
      return;
    }
    const { k, sid } = record;
    const misfit = (): string | undefined => this.#translations.kindMisfit(sid, k);
    const state = this.#ensure(record.sid, index, misfit, undefined);
    if (state.kind === 'unknown') this.#unjudge('streams whose configuration the recording does not show');
    else {
      const why = state.kind === 'misfit' ? state.why : misfit();
      if (why !== undefined) this.#wrong('wrongWalks', record, why);
    }
  }

  #event(record: RecordOf<'event'>, index: number): void {
    this.#counts.faults++;
    const paired = this.#events.of.has(record);
    const snapshot = this.#events.of.get(record);
    if (snapshot === undefined) {
      if (paired && !this.#machine.eventQueueIsFull) {
        this.#wrong('wrongFaults', record, `the next mark has no record for it: ${record.text}`);
      } else this.#unjudge('events of which no mark has the record');
      return;
    }
    this.#judgeEvent({ snapshot, line: record, path: this.#path, release: this.#release }, record, index);
  }

  #mark(record: RecordOf<'mark'>, index: number): void {
    for (const { addr, entries } of record.tables ?? []) this.#machine.seeTable(addr, entries);
    for (const snapshot of this.#events.silent.filter(({ mark }) => mark === record)) {
      this.#counts.faults++;
      if (this.#machine.has('event')) {
        this.#wrong('wrongFaults', record, `no event was recorded for the record ${hexOf(snapshot.raw)}`);
      } else this.#judgeEvent({ snapshot, path: [], release: this.#release }, record, index);
    }
  }

  #judgeEvent(recorded: RecordedEvent, record: RecordedLine, index: number): void {
    const own = ownMisfit(recorded);
    if (own !== undefined) {
      this.#wrong('wrongFaults', record, own);
      return;
    }
    const judge = (): string | undefined => judgeEvent(this.#machine, recorded).misfit;
    const state = this.#ensure(recorded.snapshot.fields.sid, index, judge, undefined);
    if (state.kind === 'unknown') {
      this.#unjudge('events of streams whose configuration the recording does not show');
      return;
    }
    const { misfit, event, unjudged } = judgeEvent(this.#machine, recorded);
    if (unjudged !== undefined && state.kind !== 'misfit') {
      this.#unjudge(unjudged);
      return;
    }
    if (event === undefined && recorded.line === undefined) {
      this.#unjudge('events that may have happened at any time before the mark that has their record');
      return;
    }
    if (event !== undefined) this.#machine.smmu.events.record(event);
    const why = state.kind === 'misfit' ? state.why : misfit;
    if (why !== undefined) this.#wrong('wrongFaults', record, why);
  }

  #ensure(
    sid: number,
    index: number,
    misfit: () => string | undefined,
    walked: RecordOf<'x'> | undefined,
  ): ContextState {
    return this.#contexts.ensure({
      sid,
      index,
      fetch: this.#recordedFetch(sid),
      walk:
        walked === undefined || this.#path.length === 0
          ? undefined
          : { iova: walked.iova, path: this.#path, inserted: this.#inserted.at(-1) },
      misfit,
    });
  }

  #recordedFetch(sid: number): RecordedFetch | undefined {
    const fetch = this.#fetch;
    return fetch === undefined || (fetch.sid !== undefined && fetch.sid !== sid) ? undefined : { ...fetch, sid };
  }

  /** A translation or event has used what was recorded before it. */
  #used(): void {
    this.#path = [];
    this.#inserted = [];
    this.#fetch = undefined;
  }

  #unjudge(why: string): void {
    this.#unjudged.set(why, (this.#unjudged.get(why) ?? 0) + 1);
  }

  #wrong(counted: WrongCount, { line }: RecordedLine, message: string): void {
    this.#counts[counted]++;
    if (this.#differences.length < shownDifferences) this.#differences.push({ line, counted, message });
  }
}
