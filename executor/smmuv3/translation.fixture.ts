/** Tables in memory and streams with given configurations, for tests of translation. */
import { Memory } from '../memory.ts';
import { stage1Regime, stage2Regime } from '../pagetable/vmsav8.ts';
import type { Regime, RegimeResult, Stage1Fields, Stage2Fields } from '../pagetable/vmsav8.ts';
import type { MemoryRequest } from '../pcie/messages.ts';
import type { Configuration, ConfigurationResult, Stage1, Stage2, Stage2OfFetch } from './configuration.ts';
import { cdLayout } from './context-descriptor.ts';
import type { Cd } from './context-descriptor.ts';
import { identityWith, svaIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import { steLayout } from './stream-table-entry.ts';
import { Tlb } from './tlb.ts';
import type { TlbOptions } from './tlb.ts';
import type { TranslationRegisters, TranslationUnit } from './translation.ts';
import type { Fault } from './translation-faults.ts';
import { WalksInFlight } from './walks.ts';

/** Bits of stage-1 leaves: AP[1], AP[2], AF, nG, DBM, PXN, UXN. */
export const s1 = {
  user: 1n << 6n,
  readOnly: 1n << 7n,
  af: 1n << 10n,
  ng: 1n << 11n,
  dbm: 1n << 51n,
  pxn: 1n << 53n,
  uxn: 1n << 54n,
};

/** What an ordinary page has: unprivileged read and write, accessed, not global. */
export const ordinary = s1.user | s1.af | s1.ng;

/** Bits of stage-2 leaves: S2AP, AF, DBM, XN; MemAttr write-back. */
export const s2 = { read: 1n << 6n, write: 1n << 7n, af: 1n << 10n, dbm: 1n << 51n, xn: 1n << 54n, normal: 0xfn << 2n };

/** What an ordinary page of stage 2 has. */
export const ordinary2 = s2.read | s2.write | s2.af | s2.normal;

/** Tables of 4 KiB granules, made by hand: each table is one page, taken in order. */
export class HandmadeTables {
  readonly base: bigint;
  readonly #memory: Memory;
  readonly #startLevel: number;
  readonly #offset: bigint;
  #next: bigint;

  /** `offset`: physical minus the addresses that tables have in descriptors (stage 1 above stage 2). */
  constructor(memory: Memory, base: bigint, startLevel = 0, offset = 0n) {
    this.#memory = memory;
    this.base = base;
    this.#startLevel = startLevel;
    this.#offset = offset;
    this.#next = base + 0x1000n;
  }

  /** Where the descriptor for an input at a level is, in physical memory; tables above are made. */
  descriptor(input: bigint, level = 3): bigint {
    let table = this.base;
    for (let at = this.#startLevel; ; at++) {
      const shift = BigInt(12 + 9 * (3 - at));
      const address = table + this.#offset + (((input >> shift) & 0x1ffn) << 3n);
      if (at === level) return address;
      const word = this.#memory.readWord(address);
      if ((word & 1n) === 0n) {
        this.#memory.writeWord(address, this.#next | 3n);
        table = this.#next;
        this.#next += 0x1000n;
      } else {
        table = word & 0xffff_ffff_f000n;
      }
    }
  }

  /** Writes a page, or above level 3 a block. Returns where its descriptor is. */
  map(input: bigint, output: bigint, bits: bigint, level = 3): bigint {
    const address = this.descriptor(input, level);
    this.#memory.writeWord(address, output | bits | (level === 3 ? 3n : 1n));
    return address;
  }
}

/** The regime of fields that are legal. */
export function legal(result: RegimeResult): Regime {
  if (!result.ok) throw new Error(`illegal ${result.illegal}`);
  return result.regime;
}

/** The fields of a context descriptor; all others are zero. */
function cdWith(fields: Partial<Cd>): Cd {
  return cdLayout.decode(cdLayout.encode(fields));
}

/** Stage 1 over 48 bits in the lower half; the upper half is disabled. */
export function stage1With(
  base: bigint,
  fields: Partial<Stage1Fields> = {},
  given: Partial<Omit<Stage1, 'cd'>> & { readonly cd?: Partial<Cd> } = {},
): Stage1 {
  const { cd, ...rest } = given;
  const common = { granuleLog2: 12, sizeOffset: 16, outputBits: 48, physicalBits: 48 } as const;
  return {
    asid: 7,
    lower: legal(stage1Regime({ ...common, base, ...fields })),
    upper: undefined,
    abort: true,
    record: true,
    stall: false,
    ...rest,
    cd: cdWith({ ASID: 7, ...cd }),
  };
}

/** Stage 2 over 39 bits from level 1: one start table. */
export function stage2With(base: bigint, fields: Partial<Stage2Fields> = {}, given: Partial<Stage2> = {}): Stage2 {
  const common = { granuleLog2: 12, sizeOffset: 25, startLevelCode: 1, outputBits: 48, physicalBits: 48 } as const;
  const regime = legal(stage2Regime({ ...common, base, ...fields }));
  return { regime, vmid: 1, record: true, stall: false, protectedTableWalk: false, ...given };
}

type Common = Omit<Exclude<Configuration, { kind: 'abort' }>, 'kind' | 'stage1' | 'stage2'>;

/** An entry that is not looked at. */
export const someSte = steLayout.decode(new Uint8Array(64));

const common: Common = {
  ste: someSte,
  world: 'NS-EL1',
  vmid: 1,
  eats: 'full',
  privilege: 'incoming',
  instruction: 'incoming',
  pasidInAutoResponses: false,
  mergeEvents: false,
  stage1Skipped: false,
};

/** A stream that is translated by the stages given. */
export function translating(
  stages: { readonly stage1?: Stage1; readonly stage2?: Stage2 },
  given: Partial<Common> = {},
): Configuration {
  return { kind: 'translate', ...common, ...given, ...stages };
}

/** A stream that is not translated. */
export function bypassing(given: Partial<Common> = {}): Configuration {
  return { kind: 'bypass', ...common, eats: 'none', ...given };
}

type Answer = ConfigurationResult<Fault> | ((fetch: Stage2OfFetch<Fault>) => ConfigurationResult<Fault>);

/** A unit whose configurations are given, not fetched. */
export class TestUnit implements TranslationUnit {
  readonly memory: Memory;
  readonly identity: Identity;
  readonly tlb: Tlb;
  readonly walks: WalksInFlight;
  readonly configuration: TranslationUnit['configuration'];
  registers: TranslationRegisters = {
    enabled: true,
    atsCheck: true,
    recordConfigurationAts: false,
    globalBypassAbort: false,
  };
  readonly #answers = new Map<string, Answer>();
  readonly #entries = new Map<number, ConfigurationResult<never>>();

  constructor(
    options: TlbOptions & {
      readonly memory?: Memory;
      readonly identity?: Partial<Identity>;
      readonly e2h?: boolean;
    } = {},
  ) {
    this.memory = options.memory ?? new Memory();
    this.identity = identityWith(options.identity ?? {}, svaIdentity);
    this.tlb = new Tlb({ identity: this.identity, e2h: () => options.e2h ?? false }, options);
    this.configuration = {
      lookup: <F>(sid: number, ssid: number | undefined, fetch: Stage2OfFetch<F>): ConfigurationResult<F> => {
        const answer = this.#answers.get(`${sid}/${ssid ?? ''}`) ?? this.#answers.get(`${sid}`);
        if (answer === undefined) throw new Error(`no stream ${sid}`);
        const given =
          typeof answer === 'function' ? answer(fetch as Stage2OfFetch<unknown> as Stage2OfFetch<Fault>) : answer;
        return given as ConfigurationResult<unknown> as ConfigurationResult<F>;
      },
      lookupSte: (sid: number): ConfigurationResult<never> => {
        const known = this.#entries.get(sid);
        if (known !== undefined) return known;
        const result = this.configuration.lookup(sid, undefined, () => ({ ok: false, fault: undefined as never }));
        return result;
      },
    };
    this.walks = new WalksInFlight(this);
  }

  /** Gives a stream (and PASID) its configuration. */
  stream(sid: number, configuration: Configuration, pasid?: number): void {
    this.answer(sid, { ok: true, configuration }, pasid);
  }

  /** What a lookup of a stream (and PASID) gives; without PASID of all that are not given. */
  answer(sid: number, answer: Answer, pasid?: number): void {
    this.#answers.set(pasid === undefined ? `${sid}` : `${sid}/${pasid}`, answer);
  }

  /** What a lookup of a Stream table entry alone gives, where it is not what the whole lookup without PASID does. */
  entry(sid: number, result: ConfigurationResult<never>): void {
    this.#entries.set(sid, result);
  }
}

/** A read of 8 bytes by stream 1. */
export function read(address: bigint, given: Partial<MemoryRequest> = {}): MemoryRequest {
  return { streamId: 1, kind: 'read', translated: false, address, length: 8, ...given };
}

/** A write of 8 bytes by stream 1. */
export function write(address: bigint, given: Partial<MemoryRequest> = {}): MemoryRequest {
  return { streamId: 1, kind: 'write', translated: false, address, bytes: new Uint8Array(8), ...given };
}

/** Where the tables and pages of a nested stream are. IPAs of stage-1 tables are from 1 MiB on, 64 GiB below their memory. */
export const nested = { ipaOfTables: 0x10_0000n, offset: 0x10_0000_0000n, s2Tables: 0x2000_0000n } as const;

/** A stream with both stages: the pages of its stage-1 tables are mapped at stage 2, and nothing else. */
export function nestedStream(
  unit: TestUnit,
  given: {
    readonly stage1?: Partial<Stage1Fields>;
    readonly ofStage1?: Parameters<typeof stage1With>[2];
    readonly stage2?: Partial<Stage2Fields>;
    readonly ofStage2?: Partial<Stage2>;
    readonly tables?: bigint;
    readonly configuration?: Partial<Common>;
  } = {},
): { readonly guest: HandmadeTables; readonly host: HandmadeTables; readonly stage1: Stage1; readonly stage2: Stage2 } {
  const guest = new HandmadeTables(unit.memory, nested.ipaOfTables, 0, nested.offset);
  const host = new HandmadeTables(unit.memory, nested.s2Tables, 1);
  for (let page = 0n; page < 16n; page++) {
    const ipa = nested.ipaOfTables + (page << 12n);
    host.map(ipa, ipa + nested.offset, given.tables ?? ordinary2);
  }
  const stage1 = stage1With(guest.base, given.stage1, given.ofStage1);
  const stage2 = stage2With(host.base, given.stage2, given.ofStage2);
  unit.stream(1, translating({ stage1, stage2 }, given.configuration));
  return { guest, host, stage1, stage2 };
}
