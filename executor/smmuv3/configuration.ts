/**
 * The configuration of a StreamID and SubstreamID, from the configuration cache and the tables in memory. The cache keeps what it
 * fetched until a CFGI command must drop it, or until it is evicted by hand (IHI 0070, 4.3, 5.2.1, 5.4.1).
 */
import type { Memory } from '../memory.ts';
import type { Command } from './commands.ts';
import { configurationOf } from './configuration-decode.ts';
import { findConfiguration, findSte } from './configuration-fetch.ts';
import type { Finding } from './configuration-fetch.ts';
import type {
  ConfigurationEntry,
  ConfigurationFetch,
  ConfigurationPlace,
  ConfigurationRegisters,
  ConfigurationResult,
  Stage2OfFetch,
} from './configuration-result.ts';
import type { Identity } from './identity.ts';

export type {
  Configuration,
  ConfigurationEntry,
  ConfigurationFetch,
  ConfigurationRegisters,
  ConfigurationResult,
  Stage1,
  Stage2,
  Stage2OfFetch,
} from './configuration-result.ts';

/** A fetch in flight: what it has used so far, and whether a CFGI command has overtaken it. */
interface InFlight {
  readonly used: ConfigurationPlace[];
  overtaken: boolean;
}

export class ConfigurationCache {
  /** Whether invalid and ILLEGAL structures are cached too, as hardware may (5.2.1, 5.4.1); may be changed at any time. */
  cacheInvalid: boolean;
  /** Whether lookups cache what they fetch; may be changed at any time. */
  insert: boolean;

  readonly #memory: Memory;
  readonly #identity: Identity;
  readonly #registers: ConfigurationRegisters;
  readonly #entries = new Map<string, ConfigurationEntry>();
  readonly #inFlight = new Set<InFlight>();

  /** `registers` is read at each step: they are as they are at the time. */
  constructor(
    memory: Memory,
    identity: Identity,
    registers: ConfigurationRegisters,
    options: { readonly cacheInvalid?: boolean; readonly insert?: boolean } = {},
  ) {
    this.#memory = memory;
    this.#identity = identity;
    this.#registers = registers;
    this.cacheInvalid = options.cacheInvalid ?? false;
    this.insert = options.insert ?? true;
  }

  /** What is cached, oldest first. */
  get entries(): readonly ConfigurationEntry[] {
    return [...this.#entries.values()];
  }

  /** How many fetches have begun to read and have not ended. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** The configuration of a stream and, if the transaction has one, SubstreamID. */
  lookup<F>(sid: number, ssid: number | undefined, stage2: Stage2OfFetch<F>): ConfigurationResult<F> {
    return finish(this.beginFetch(sid, ssid, stage2));
  }

  /** The same, word by word. */
  beginFetch<F>(sid: number, ssid: number | undefined, stage2: Stage2OfFetch<F>): ConfigurationFetch<F> {
    return this.#fetch((finding) => findConfiguration(sid, ssid, stage2, finding));
  }

  /**
   * The configuration of a stream by its Stream table entry alone: without SubstreamID checks, and of `translate` without
   * `stage1`.
   */
  lookupSte(sid: number): ConfigurationResult<never> {
    return finish(
      this.#fetch<never>(function* find(finding) {
        const found = yield* findSte(sid, undefined, finding);
        return found.ok ? { ok: true, configuration: configurationOf(found.ste, finding) } : found;
      }),
    );
  }

  /** Drops what a CFGI command must drop, and returns it. Fetches in flight that used it start anew. Others drop nothing. */
  invalidate(command: Command): readonly ConfigurationEntry[] {
    for (const fetch of this.#inFlight) {
      if (fetch.used.some((entry) => covers(command, entry))) fetch.overtaken = true;
    }
    const dropped = this.entries.filter((entry) => covers(command, entry));
    for (const entry of dropped) this.evict(entry);
    return dropped;
  }

  /** Drops one entry, as hardware may at any time. Returns whether it was there. */
  evict(entry: ConfigurationEntry): boolean {
    const key = keyOf(entry);
    return this.#entries.get(key) === entry && this.#entries.delete(key);
  }

  /** Drops everything. */
  clear(): void {
    this.#entries.clear();
  }

  #fetch<F>(find: (finding: Finding) => ReturnType<typeof findConfiguration<F>>): ConfigurationFetch<F> {
    let state: InFlight = { used: [], overtaken: false };
    let steps: ReturnType<typeof find> | undefined;
    let ended: { readonly done: true; readonly result: ConfigurationResult<F> } | undefined;
    const begin = (): ReturnType<typeof find> => {
      state = { used: [], overtaken: false };
      this.#inFlight.add(state);
      return find(this.#finding(state));
    };
    const end = (result: ConfigurationResult<F>) => {
      this.#inFlight.delete(state);
      ended = { done: true, result };
      return ended;
    };
    return {
      next: () => {
        if (ended !== undefined) return ended;
        if (!this.#registers.enabled) return end({ ok: false, reason: 'disabled' });
        if (state.overtaken) this.#inFlight.delete(state);
        if (steps === undefined || state.overtaken) steps = begin();
        const step = steps.next();
        return step.done === true ? end(step.value) : { done: false, read: step.value };
      },
      abandon: () => {
        this.#inFlight.delete(state);
        ended = undefined;
        steps = undefined;
      },
    };
  }

  #finding({ used }: InFlight): Finding {
    return {
      memory: this.#memory,
      identity: this.#identity,
      registers: this.#registers,
      cached: (place) => {
        const entry = this.#find(place);
        if (entry !== undefined) used.push(entry);
        return entry;
      },
      begun: (place) => {
        used.push(place);
      },
      fetched: (entry, legal) => {
        if (this.insert && (legal || this.cacheInvalid)) this.#keep(entry);
      },
    };
  }

  /** The cached structure of a place; a level-1 descriptor is found by any stream or substream that it covers. */
  #find(place: ConfigurationPlace): ConfigurationEntry | undefined {
    if (place.kind === 'STE' || place.kind === 'CD') return this.#entries.get(keyOf(place));
    return this.entries.find((entry) => {
      if (entry.kind !== place.kind) return false;
      if (entry.kind === 'L1STD') return place.kind === 'L1STD' && isWithin(place.firstSid, entry.firstSid, entry.sids);
      return (
        place.kind === 'L1CD' && entry.sid === place.sid && isWithin(place.firstSsid, entry.firstSsid, entry.ssids)
      );
    });
  }

  #keep(entry: ConfigurationEntry): void {
    const key = keyOf(entry);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }
}

function finish<F>(fetch: ConfigurationFetch<F>): ConfigurationResult<F> {
  for (;;) {
    const step = fetch.next();
    if (step.done) return step.result;
  }
}

function keyOf(place: ConfigurationPlace): string {
  switch (place.kind) {
    case 'L1STD':
      return `L1STD ${place.firstSid}`;
    case 'STE':
      return `STE ${place.sid}`;
    case 'L1CD':
      return `L1CD ${place.sid} ${place.firstSsid}`;
    case 'CD':
      return `CD ${place.sid} ${place.ssid}`;
    default:
      return place satisfies never;
  }
}

/**
 * Whether a CFGI command must drop a structure (4.3): CFGI_STE drops what was fetched through the stream, and with Leaf = 0 the
 * level-1 descriptor on the way to it; CFGI_CD names an index of the table. Anything else may stay.
 */
function covers(command: Command, place: ConfigurationPlace): boolean {
  if (command.op === 'CFGI_ALL') return true;
  if (command.op === 'CFGI_STE_RANGE') {
    const count = 2 ** (command.range + 1);
    const first = Math.floor(command.sid / count) * count;
    if (place.kind !== 'L1STD') return isWithin(place.sid, first, count);
    return place.firstSid < first + count && first < place.firstSid + place.sids;
  }
  if (command.op === 'CFGI_STE') {
    if (place.kind !== 'L1STD') return place.sid === command.sid;
    return !command.leaf && isWithin(command.sid, place.firstSid, place.sids);
  }
  if (command.op === 'CFGI_CD') {
    if (place.kind === 'CD') return place.sid === command.sid && place.ssid === command.ssid;
    if (place.kind !== 'L1CD' || command.leaf) return false;
    return place.sid === command.sid && isWithin(command.ssid, place.firstSsid, place.ssids);
  }
  if (command.op !== 'CFGI_CD_ALL' || place.kind === 'L1STD' || place.kind === 'STE') return false;
  return place.sid === command.sid;
}

function isWithin(value: number, first: number, count: number): boolean {
  return value >= first && value < first + count;
}
