/**
 * The configuration that gives a recorded walk, where the recording has no bytes of it: the tables start where the first
 * descriptor was read, at the level that the number of descriptors tells.
 */
import { mask } from '../bits.ts';
import type { Cd } from '../smmuv3/context-descriptor.ts';
import { type Identity, outputBits } from '../smmuv3/identity.ts';
import type { Ste } from '../smmuv3/stream-table-entry.ts';
import type { RecordOf } from './records.ts';

/** A recorded walk that found a leaf. */
export interface WalkEvidence {
  readonly iova: bigint;
  readonly path: readonly RecordOf<'pte'>[];
  readonly inserted: RecordOf<'tlbins'> | undefined;
}

/** Fields of a Stream table entry and Context descriptor; `tagged`: with the ASID and VMID that the TLB entry got. */
export interface InferredContext {
  readonly ste: Partial<Ste>;
  readonly cd?: Partial<Cd>;
  readonly tagged: boolean;
}

/** Codes of TG0 and S2TG; `tg` is how a TLB entry names the granule. */
const granules = [
  { tg: 1, log2: 12, code: 0b00 },
  { tg: 2, log2: 14, code: 0b10 },
  { tg: 3, log2: 16, code: 0b01 },
] as const;

/**
 * The configurations of one stage that the walk may have had, likely ones first; what the TLB entry does not say of stage, granule
 * and level is tried. `place`: where the Context descriptor is.
 */
export function* inferContexts(walk: WalkEvidence, identity: Identity, place: bigint): Generator<InferredContext> {
  const { path, inserted } = walk;
  const isPage = ((path.at(-1)?.pte ?? 0n) & 3n) === 3n;
  const stages = [1, 2].filter((stage) => {
    const implemented = stage === 1 ? identity.S1P : identity.S2P;
    // QEMU tags entries of stage 2 alone with ASID -1.
    return implemented && (inserted?.asid === undefined || inserted.asid < 0 === (stage === 2));
  });
  for (const stage of stages) {
    for (const granule of granules) {
      if (inserted?.tg !== undefined && inserted.tg !== granule.tg) continue;
      for (const level of inserted?.level === undefined ? (isPage ? [3] : [2, 1]) : [inserted.level]) {
        const tables = startOf(walk, granule.log2, level - path.length + 1, stage === 2 ? outputBits(identity) : 48);
        if (tables === undefined) continue;
        const context =
          stage === 1 ? stage1(walk, granule.code, tables, identity) : stage2(walk, granule, tables, identity);
        if (context !== undefined)
          yield stage === 1 ? { ...context, ste: { ...context.ste, S1ContextPtr: place } } : context;
      }
    }
  }
}

/** The start table of a walk. */
interface Start {
  readonly level: number;
  readonly base: bigint;
  readonly inputBits: number;
}

function startOf({ iova, path }: WalkEvidence, granuleLog2: number, level: number, limit: number): Start | undefined {
  const [first] = path;
  if (first === undefined || level < 0 || iova >> BigInt(Math.min(limit, 48)) !== 0n) return undefined;
  const stride = granuleLog2 - 3;
  const shift = granuleLog2 + stride * (3 - level);
  const index = iova >> BigInt(shift);
  // A start table is aligned to its size: as many index bits as the address of the descriptor agrees with.
  let indexBits = Math.min(stride, limit - shift, 48 - shift);
  if (indexBits < 0) return undefined;
  while (indexBits > 0 && (((first.addr >> 3n) ^ index) & mask(indexBits)) !== 0n) indexBits--;
  return { level, base: first.addr - ((index & mask(indexBits)) << 3n), inputBits: shift + indexBits };
}

function stage1(
  { inserted }: WalkEvidence,
  granuleCode: number,
  { base, inputBits }: Start,
  identity: Identity,
): InferredContext | undefined {
  if (inputBits < 25) return undefined;
  const asid = inserted?.asid ?? -1;
  return {
    ste: { V: true, Config: 0b101, S1DSS: 0b10, S2VMID: vmidOf(inserted) },
    cd: {
      V: true,
      T0SZ: 64 - inputBits,
      TG0: granuleCode,
      EPD1: true,
      IPS: identity.OAS,
      AA64: true,
      R: true,
      A: true,
      ASET: true,
      ASID: Math.max(0, asid),
      TTB0: base,
    },
    tagged: asid >= 0,
  };
}

function stage2(
  { inserted }: WalkEvidence,
  granule: (typeof granules)[number],
  { level, base, inputBits }: Start,
  identity: Identity,
): InferredContext | undefined {
  const startLevelCode = (granule.log2 === 12 ? 2 : 3) - level;
  if (inputBits < 24 || startLevelCode < 0) return undefined;
  return {
    ste: {
      V: true,
      Config: 0b110,
      S2VMID: vmidOf(inserted),
      S2T0SZ: 64 - inputBits,
      S2SL0: startLevelCode,
      S2TG: granule.code,
      S2PS: identity.OAS,
      S2AA64: true,
      S2R: true,
      S2TTB: base,
    },
    tagged: inserted?.vmid !== undefined,
  };
}

/** -1 stands for none. */
function vmidOf(inserted: RecordOf<'tlbins'> | undefined): number {
  return Math.max(0, inserted?.vmid ?? 0) % 2 ** 16;
}
