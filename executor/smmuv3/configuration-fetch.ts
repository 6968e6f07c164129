/**
 * The way through the configuration structures in memory, one 64-bit word at a time: Stream table, Stream table entry, Context
 * descriptor table, Context descriptor (IHI 0070, 3.3.1, 3.3.2, 3.4.3), and the errors on it in the order of 7.3.22.
 */
import { bits, mask } from '../bits.ts';
import type { Layout } from '../bits.ts';
import type { Memory } from '../memory.ts';
import { configurationOf, stage1Of, withoutStage1 } from './configuration-decode.ts';
import { cdLayout, illegalCd, l1CdLayout } from './context-descriptor.ts';
import type { Cd } from './context-descriptor.ts';
import type {
  Configuration,
  ConfigurationEntry,
  ConfigurationPlace,
  ConfigurationRegisters,
  ConfigurationResult,
  FetchedWord,
  Stage2OfFetch,
} from './configuration-result.ts';
import type { EventRecord } from './events.ts';
import { outputBits } from './identity.ts';
import type { Identity } from './identity.ts';
import { illegalSte, l1StdLayout, stage1Enabled, steLayout } from './stream-table-entry.ts';
import type { L1Std, Ste } from './stream-table-entry.ts';

/** What a way through the structures needs, and whom it tells of them. */
export interface Finding {
  readonly memory: Memory;
  readonly identity: Identity;
  readonly registers: ConfigurationRegisters;
  /** The cached structure of a place; of a level-1 descriptor, the one that covers the place. */
  cached(place: ConfigurationPlace): ConfigurationEntry | undefined;
  /** A structure's first word is about to be read. */
  begun(place: ConfigurationPlace): void;
  /** A structure has been read. */
  fetched(entry: ConfigurationEntry, legal: boolean): void;
}

type Failure<F> = Extract<ConfigurationResult<F>, { ok: false }>;
type Steps<R> = Generator<FetchedWord, R, void>;
type Found<T, F> = ({ readonly ok: true } & T) | Failure<F>;

/** The configuration of a transaction with or without SubstreamID. */
export function* findConfiguration<F>(
  sid: number,
  ssid: number | undefined,
  translate: Stage2OfFetch<F>,
  finding: Finding,
): Steps<ConfigurationResult<F>> {
  const found = yield* findSte(sid, ssid, finding);
  if (!found.ok) return found;
  const { ste } = found;
  const configuration = configurationOf(ste, finding);
  if (configuration.kind === 'abort') return { ok: true, configuration };
  const substreams = finding.identity.SSIDSIZE === 0 || !stage1Enabled(ste) ? 0 : ste.S1CDMax;
  if (ssid !== undefined && (substreams === 0 || ssid >= 2 ** substreams)) return badSubstreamId(sid, ssid, finding);
  if (!stage1Enabled(ste) || configuration.kind === 'bypass') return { ok: true, configuration };

  if (substreams > 0) {
    const disabled = ssid === undefined ? ste.S1DSS === 0b00 || ste.S1DSS === 0b11 : ssid === 0 && ste.S1DSS === 0b10;
    if (disabled) return failed({ name: 'F_STREAM_DISABLED', sid }, finding);
    if (ssid === undefined && ste.S1DSS === 0b01) return { ok: true, configuration: withoutStage1(configuration) };
  }
  const cd = yield* findCd({ sid, ssid, ste, configuration, substreams, translate }, finding);
  if (!cd.ok) return cd;
  return { ok: true, configuration: { ...configuration, stage1: stage1Of(cd.cd, configuration, finding.identity) } };
}

/** The Stream table entry, if it is legal. */
export function* findSte(
  sid: number,
  ssid: number | undefined,
  finding: Finding,
): Steps<Found<{ readonly ste: Ste }, never>> {
  const { identity, registers } = finding;
  const table = streamTable(registers, identity);
  if (sid >= 2 ** table.log2Size) return badStreamId(sid, ssid, finding);
  const cached = finding.cached({ kind: 'STE', sid });
  let ste = cached?.kind === 'STE' ? cached.ste : undefined;
  let because = ste === undefined ? undefined : illegalSte(ste, identity);
  if (ste === undefined) {
    const at = yield* steAddress(table, sid, ssid, finding);
    if (!at.ok) return at;
    const raw = yield* read({ kind: 'STE', sid }, at.address, steLayout, finding);
    if (raw === undefined) return failed({ name: 'F_STE_FETCH', ...who(sid, ssid), ...fetchOf(at.address) }, finding);
    ste = steLayout.decode(raw);
    because = illegalSte(ste, identity);
    finding.fetched({ kind: 'STE', sid, ste }, because === undefined);
  }
  return because === undefined ? { ok: true, ste } : failed({ name: 'C_BAD_STE', ...who(sid, ssid) }, finding, because);
}

interface StreamTable {
  readonly base: bigint;
  /** log2 of the StreamIDs. */
  readonly log2Size: number;
  /** log2 of the StreamIDs of one level-1 descriptor, or `undefined` of a linear table. */
  readonly split: number | undefined;
}

/** STRTAB_BASE and STRTAB_BASE_CFG (6.3.24, 6.3.25). The alignment is by LOG2SIZE as written, the size is capped to SIDSIZE. */
function streamTable({ strtabBase, strtabBaseCfg }: ConfigurationRegisters, identity: Identity): StreamTable {
  const cfg = BigInt(strtabBaseCfg);
  const written = Number(bits(cfg, 5, 0));
  const code = Number(bits(cfg, 10, 6));
  const twoLevel = identity.ST_LEVEL > 0 && bits(cfg, 17, 16) === 0b01n;
  const split = twoLevel ? (code === 8 || code === 10 ? code : 6) : undefined;
  const align = split === undefined ? written + 6 : Math.max(6, written - split + 3);
  return {
    base: (bits(strtabBase, 51, 6) << 6n) & ~mask(align),
    log2Size: Math.min(written, identity.SIDSIZE),
    split,
  };
}

function* steAddress(
  table: StreamTable,
  sid: number,
  ssid: number | undefined,
  finding: Finding,
): Steps<Found<{ readonly address: bigint }, never>> {
  const { base, split } = table;
  if (split === undefined) return { ok: true, address: base + BigInt(sid) * 64n };
  const within = sid % 2 ** split;
  const place = { kind: 'L1STD', firstSid: sid - within, sids: 2 ** split } as const;
  const cached = finding.cached(place);
  let l1Std: L1Std | undefined = cached?.kind === 'L1STD' ? cached.l1Std : undefined;
  if (l1Std === undefined) {
    const address = base + BigInt(place.firstSid / place.sids) * 8n;
    const raw = yield* read(place, address, l1StdLayout, finding);
    if (raw === undefined) return failed({ name: 'F_STE_FETCH', ...who(sid, ssid), ...fetchOf(address) }, finding);
    l1Std = l1StdLayout.decode(raw);
    finding.fetched({ ...place, l1Std }, isSpan(l1Std.Span, split));
  }
  const { Span, L2Ptr } = l1Std;
  if (!isSpan(Span, split) || within >= 2 ** (Span - 1)) return badStreamId(sid, ssid, finding);
  return { ok: true, address: (L2Ptr & ~mask(5 + Span)) + BigInt(within) * 64n };
}

/** Whether a Span is neither invalid, nor Reserved, nor beyond the split (5.1, 7.3.3). */
function isSpan(span: number, split: number): boolean {
  return span >= 1 && span <= 11 && span <= split + 1;
}

interface CdQuery<F> {
  readonly sid: number;
  readonly ssid: number | undefined;
  readonly ste: Ste;
  readonly configuration: Extract<Configuration, { kind: 'translate' }>;
  /** log2 of the Context descriptors; 0: one, no table. */
  readonly substreams: number;
  readonly translate: Stage2OfFetch<F>;
}

function* findCd<F>(query: CdQuery<F>, finding: Finding): Steps<Found<{ readonly cd: Cd }, F>> {
  const { sid, ssid, ste, configuration } = query;
  const index = ssid ?? 0;
  const cached = finding.cached({ kind: 'CD', sid, ssid: index });
  const illegal = (cd: Cd) => illegalCd(cd, ste, configuration.world, finding.identity);
  let cd = cached?.kind === 'CD' ? cached.cd : undefined;
  let because = cd === undefined ? undefined : illegal(cd);
  if (cd === undefined) {
    const at = yield* cdAddress(query, index, finding);
    if (!at.ok) return at;
    const fetched = yield* fetchThroughStage2({ kind: 'CD', sid, ssid: index }, at.address, cdLayout, query, finding);
    if (!fetched.ok) return fetched;
    cd = cdLayout.decode(fetched.raw);
    because = illegal(cd);
    finding.fetched({ kind: 'CD', sid, ssid: index, cd }, because === undefined);
  }
  return because === undefined ? { ok: true, cd } : failed({ name: 'C_BAD_CD', ...who(sid, ssid) }, finding, because);
}

/** The address of a Context descriptor: S1Fmt (5.2). The pointers are aligned as the tables must be. */
function* cdAddress<F>(
  query: CdQuery<F>,
  index: number,
  finding: Finding,
): Steps<Found<{ readonly address: bigint }, F>> {
  const { sid, ste, substreams } = query;
  const leafLog2 = { 0b01: 6, 0b10: 10 }[ste.S1Fmt];
  if (substreams === 0) return { ok: true, address: ste.S1ContextPtr };
  if (leafLog2 === undefined) {
    return { ok: true, address: (ste.S1ContextPtr & ~mask(substreams + 6)) + BigInt(index) * 64n };
  }
  const within = index % 2 ** leafLog2;
  const place = { kind: 'L1CD', sid, firstSsid: index - within, ssids: 2 ** leafLog2 } as const;
  const cached = finding.cached(place);
  let l1Cd = cached?.kind === 'L1CD' ? cached.l1Cd : undefined;
  const isUsable = () => l1Cd !== undefined && l1Cd.V && l1Cd.L2Ptr >> BigInt(outputBits(finding.identity)) === 0n;
  if (l1Cd === undefined) {
    const base = ste.S1ContextPtr & ~mask(Math.max(6, substreams - leafLog2 + 3));
    const address = base + BigInt(place.firstSsid / place.ssids) * 8n;
    const fetched = yield* fetchThroughStage2(place, address, l1CdLayout, query, finding);
    if (!fetched.ok) return fetched;
    l1Cd = l1CdLayout.decode(fetched.raw);
    finding.fetched({ ...place, l1Cd }, isUsable());
  }
  if (!isUsable()) return badSubstreamId(sid, index, finding);
  return { ok: true, address: (l1Cd.L2Ptr & ~mask(leafLog2 + 6)) + BigInt(within) * 64n };
}

/** Reads a Context descriptor or level-1 descriptor: with stage 2 its address is an IPA. */
function* fetchThroughStage2<P, F>(
  place: ConfigurationPlace,
  address: bigint,
  form: Layout<P>,
  { sid, ssid, ste, configuration: { stage2 }, translate }: CdQuery<F>,
  finding: Finding,
): Steps<Found<{ readonly raw: Uint8Array }, F>> {
  let physical = address;
  if (stage2 !== undefined) {
    const translated = translate(address, stage2);
    if (!translated.ok) return { ok: false, reason: 'stage 2', fault: translated.fault, ipa: address, ste, stage2 };
    physical = translated.physical;
  }
  const raw = yield* read(place, physical, form, finding);
  if (raw !== undefined) return { ok: true, raw };
  return failed({ name: 'F_CD_FETCH', ...who(sid, ssid), ...fetchOf(physical) }, finding);
}

/** Reads a structure word by word; `undefined`: an external abort, or an address beyond the OAS. */
function* read<P>(
  place: ConfigurationPlace,
  address: bigint,
  { length }: Layout<P>,
  finding: Finding,
): Steps<Uint8Array | undefined> {
  const { memory, identity } = finding;
  finding.begun(place);
  if (address >> BigInt(outputBits(identity)) !== 0n || !memory.isBacked(address, length)) return undefined;
  const raw = new Uint8Array(length);
  const view = new DataView(raw.buffer);
  for (let offset = 0; offset < length; offset += 8) {
    const at = address + BigInt(offset);
    const word = memory.readWord(at);
    view.setBigUint64(offset, word, true);
    yield { structure: place.kind, address: at, word };
  }
  return raw;
}

/** StreamID and SubstreamID as event records have them. */
function who(sid: number, ssid: number | undefined) {
  return { sid, ssv: ssid !== undefined, ssid: ssid ?? 0 };
}

function fetchOf(fetchAddr: bigint) {
  return { reason: 0, gpcf: false, fetchAddr };
}

function badStreamId(sid: number, ssid: number | undefined, finding: Finding): Failure<never> {
  return failed({ name: 'C_BAD_STREAMID', ...who(sid, ssid) }, finding);
}

/** With S1DSS = 10 a transaction without SubstreamID is recorded with 0 (7.3.9). */
function badSubstreamId(sid: number, ssid: number, finding: Finding): Failure<never> {
  return failed({ name: 'C_BAD_SUBSTREAMID', sid, ssid }, finding);
}

/** A configuration error. C_BAD_STREAMID needs CR2.RECINVSID; with ATS any needs CR2.REC_CFG_ATS (7.3.3, 3.9.1.2). */
function failed(event: EventRecord, { registers }: Finding, because?: string): Failure<never> {
  const recorded = event.name !== 'C_BAD_STREAMID' || registers.recordInvalidStreamId;
  return {
    ok: false,
    reason: 'configuration',
    event,
    recorded,
    recordedForAts: recorded && registers.recordConfigurationAts,
    ...(because === undefined ? {} : { because }),
  };
}
