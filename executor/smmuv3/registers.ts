/**
 * The registers of the Non-secure programming interface: names, places, which bits software may write and when (IHI 0070,
 * chapter 6). What a write sets off is for the parts that own the register; the SMMU passes it on.
 */
import { bits, isSet, mask } from '../bits.ts';
import type { Identity } from './identity.ts';
import { outputBits, registersOf } from './identity.ts';

/** Offset and length in bytes of each register; `also` is the place on page 0 by which some tools know a page-1 register. */
export const registerMap = {
  IDR0: { offset: 0x0, size: 4 },
  IDR1: { offset: 0x4, size: 4 },
  IDR2: { offset: 0x8, size: 4 },
  IDR3: { offset: 0xc, size: 4 },
  IDR4: { offset: 0x10, size: 4 },
  IDR5: { offset: 0x14, size: 4 },
  IIDR: { offset: 0x18, size: 4 },
  AIDR: { offset: 0x1c, size: 4 },
  CR0: { offset: 0x20, size: 4 },
  CR0ACK: { offset: 0x24, size: 4 },
  CR1: { offset: 0x28, size: 4 },
  CR2: { offset: 0x2c, size: 4 },
  STATUSR: { offset: 0x40, size: 4 },
  GBPA: { offset: 0x44, size: 4 },
  IRQ_CTRL: { offset: 0x50, size: 4 },
  IRQ_CTRLACK: { offset: 0x54, size: 4 },
  GERROR: { offset: 0x60, size: 4 },
  GERRORN: { offset: 0x64, size: 4 },
  GERROR_IRQ_CFG0: { offset: 0x68, size: 8 },
  GERROR_IRQ_CFG1: { offset: 0x70, size: 4 },
  GERROR_IRQ_CFG2: { offset: 0x74, size: 4 },
  STRTAB_BASE: { offset: 0x80, size: 8 },
  STRTAB_BASE_CFG: { offset: 0x88, size: 4 },
  CMDQ_BASE: { offset: 0x90, size: 8 },
  CMDQ_PROD: { offset: 0x98, size: 4 },
  CMDQ_CONS: { offset: 0x9c, size: 4 },
  EVENTQ_BASE: { offset: 0xa0, size: 8 },
  EVENTQ_PROD: { offset: 0x1_00a8, size: 4, also: 0xa8 },
  EVENTQ_CONS: { offset: 0x1_00ac, size: 4, also: 0xac },
  EVENTQ_IRQ_CFG0: { offset: 0xb0, size: 8 },
  EVENTQ_IRQ_CFG1: { offset: 0xb8, size: 4 },
  EVENTQ_IRQ_CFG2: { offset: 0xbc, size: 4 },
  PRIQ_BASE: { offset: 0xc0, size: 8 },
  PRIQ_PROD: { offset: 0x1_00c8, size: 4, also: 0xc8 },
  PRIQ_CONS: { offset: 0x1_00cc, size: 4, also: 0xcc },
  PRIQ_IRQ_CFG0: { offset: 0xd0, size: 8 },
  PRIQ_IRQ_CFG1: { offset: 0xd8, size: 4 },
  PRIQ_IRQ_CFG2: { offset: 0xdc, size: 4 },
} as const satisfies Readonly<Record<string, { offset: number; size: 4 | 8; also?: number }>>;

/** The name of a register, without SMMU_. */
export type RegisterName = keyof typeof registerMap;

/** The bits of CR0 and CR0ACK (6.3.9). */
export const cr0 = { SMMUEN: 0, PRIQEN: 1, EVENTQEN: 2, CMDQEN: 3, ATSCHK: 4 } as const;

/** The bits of CR2 (6.3.12). */
export const cr2 = { E2H: 0, RECINVSID: 1, PTM: 2, REC_CFG_ATS: 3 } as const;

/** The bits of IRQ_CTRL and IRQ_CTRLACK (6.3.16). */
export const irqControl = { GERROR: 0, PRIQ: 1, EVENTQ: 2 } as const;

/** The bits of GBPA that matter here (6.3.14). */
export const gbpa = { ABORT: 20, Update: 31 } as const;

/** The 32-bit words of the register space: which register, and which half of it. */
const words = new Map<number, { readonly name: RegisterName; readonly shift: bigint }>();
for (const [name, place] of Object.entries(registerMap) as [
  RegisterName,
  { offset: number; size: number; also?: number },
][]) {
  for (const offset of place.also === undefined ? [place.offset] : [place.offset, place.also]) {
    for (let byte = 0; byte < place.size; byte += 4) {
      words.set(offset + byte, { name, shift: BigInt(byte * 8) });
    }
  }
}

const index = mask(20);
const overflow = 1n << 31n;
const errorReason = mask(7) << 24n;

type Writable = (now: Registers, identity: Identity) => bigint;

const flag = (implemented: boolean, bit: number): bigint => (implemented ? 1n << BigInt(bit) : 0n);
const when = (allowed: boolean, changeable: bigint): bigint => (allowed ? changeable : 0n);

/** A *_BASE register: RA or WA, ADDR as far as physical addresses go, LOG2SIZE; guarded by the queue's enable (6.3.26). */
const queueBase =
  (enable: 'CMDQEN' | 'EVENTQEN' | 'PRIQEN'): Writable =>
  (now, identity) =>
    when(!now.isEnabled(enable), (1n << 62n) | mask(outputBits(identity)));

/** A register of an MSI: it exists with IDR0.MSI, and is guarded by the enable of the interrupt (6.3.21). */
const message =
  (source: keyof typeof irqControl, field: (identity: Identity) => bigint): Writable =>
  (now, identity) =>
    when(identity.MSI && (source !== 'PRIQ' || identity.PRI) && !now.interruptEnabled(source), field(identity));

const messageAddress = (identity: Identity): bigint => mask(outputBits(identity)) ^ mask(2);
const messageData = (): bigint => mask(32);
const messageAttributes = (): bigint => mask(6);

/** Which bits a write may change now; all others keep their value. What is not here is read-only. */
const writable: { readonly [K in RegisterName]?: Writable } = {
  CR0: (_, { PRI, ATS }) =>
    flag(true, cr0.SMMUEN) |
    flag(PRI, cr0.PRIQEN) |
    flag(true, cr0.EVENTQEN) |
    flag(true, cr0.CMDQEN) |
    flag(ATS, cr0.ATSCHK),
  // QUEUE_* are guarded by the enables of all queues, TABLE_* by SMMUEN (6.3.11).
  CR1: (now) =>
    when(!now.isEnabled('CMDQEN') && !now.isEnabled('EVENTQEN') && !now.isEnabled('PRIQEN'), mask(6)) |
    when(!now.isEnabled('SMMUEN'), mask(6) << 6n),
  CR2: (now, { HYP, ATSRECERR }) =>
    when(
      !now.isEnabled('SMMUEN'),
      flag(HYP, cr2.E2H) | flag(true, cr2.RECINVSID) | flag(true, cr2.PTM) | flag(ATSRECERR, cr2.REC_CFG_ATS),
    ),
  // ABORT, INSTCFG, PRIVCFG, SHCFG, ALLOCCFG, MTCFG, MemAttr.
  GBPA: () => 0x1f_3f1fn,
  IRQ_CTRL: (_, { PRI }) => flag(true, irqControl.GERROR) | flag(PRI, irqControl.PRIQ) | flag(true, irqControl.EVENTQ),
  GERRORN: () => 0x3fdn,
  GERROR_IRQ_CFG0: message('GERROR', messageAddress),
  GERROR_IRQ_CFG1: message('GERROR', messageData),
  GERROR_IRQ_CFG2: message('GERROR', messageAttributes),
  STRTAB_BASE: (now, identity) => when(!now.isEnabled('SMMUEN'), (1n << 62n) | (mask(outputBits(identity)) ^ mask(6))),
  // SPLIT and FMT exist where two-level tables do.
  STRTAB_BASE_CFG: (now, { ST_LEVEL }) =>
    when(!now.isEnabled('SMMUEN'), ST_LEVEL === 0 ? mask(6) : mask(11) | (mask(2) << 16n)),
  CMDQ_BASE: queueBase('CMDQEN'),
  CMDQ_PROD: () => index,
  // ERR too takes what is written, one of the two behaviours that 6.3.28 permits.
  CMDQ_CONS: (now) => when(!now.isEnabled('CMDQEN'), index | errorReason),
  EVENTQ_BASE: queueBase('EVENTQEN'),
  EVENTQ_PROD: (now) => when(!now.isEnabled('EVENTQEN'), index | overflow),
  EVENTQ_CONS: () => index | overflow,
  EVENTQ_IRQ_CFG0: message('EVENTQ', messageAddress),
  EVENTQ_IRQ_CFG1: message('EVENTQ', messageData),
  EVENTQ_IRQ_CFG2: message('EVENTQ', messageAttributes),
  // The field PRIQEN guards these, whatever SMMUEN is (6.3.9.5).
  PRIQ_BASE: (now, identity) => when(identity.PRI, queueBase('PRIQEN')(now, identity)),
  PRIQ_PROD: (now, { PRI }) => when(PRI && !now.isEnabled('PRIQEN'), index | overflow),
  PRIQ_CONS: (_, { PRI }) => when(PRI, index | overflow),
  PRIQ_IRQ_CFG0: message('PRIQ', messageAddress),
  PRIQ_IRQ_CFG1: message('PRIQ', messageData),
  // LO applies to wired interrupts too: it is there without IDR0.MSI (6.3.1 MSI; 6.3.36 says otherwise).
  PRIQ_IRQ_CFG2: (now, { PRI, MSI }) => when(PRI && !now.interruptEnabled('PRIQ'), MSI ? overflow | mask(6) : overflow),
};

/** The registers: what software reads and writes, and what the hardware finds in them. */
export class Registers {
  readonly #identity: Identity;
  readonly #values = new Map<RegisterName, bigint>();
  readonly #written: (name: RegisterName, before: bigint, after: bigint) => void;

  /** `written` is called after each write by software with the value before and after it. */
  constructor(identity: Identity, written: (name: RegisterName, before: bigint, after: bigint) => void) {
    this.#identity = identity;
    this.#written = written;
    for (const [name, value] of Object.entries(registersOf(identity)) as [RegisterName, number][]) {
      this.#values.set(name, BigInt.asUintN(32, BigInt(value)));
    }
    this.#values.set('GBPA', 1n << 12n);
  }

  /** The value of a register, as the hardware sees it. */
  get(name: RegisterName): bigint {
    return this.#values.get(name) ?? 0n;
  }

  /** The hardware changes a register. */
  put(name: RegisterName, value: bigint): void {
    this.#values.set(name, value);
  }

  /** A field of CR0, of which the update is complete. */
  isEnabled(field: keyof typeof cr0): boolean {
    return isSet(this.get('CR0ACK'), cr0[field]);
  }

  /** A field of CR2. */
  has(field: keyof typeof cr2): boolean {
    return isSet(this.get('CR2'), cr2[field]);
  }

  /** A field of IRQ_CTRL, of which the update is complete. */
  interruptEnabled(source: keyof typeof irqControl): boolean {
    return isSet(this.get('IRQ_CTRLACK'), irqControl[source]);
  }

  /**
   * A read by software, of 4 or 8 bytes. What is not implemented reads as zero. Throws `RangeError` if the offset is not
   * aligned to the size.
   */
  read(offset: number, size: 4 | 8): bigint {
    checkAligned(offset, size);
    const half = (at: number): bigint => {
      const word = words.get(at);
      return word === undefined ? 0n : (this.#visible(word.name) >> word.shift) & mask(32);
    };
    return size === 4 ? half(offset) : half(offset) | (half(offset + 4) << 32n);
  }

  /**
   * A write by software, of 4 or 8 bytes. Bits that software may not write now keep their value. Throws `RangeError` if the
   * offset is not aligned to the size, or the value does not fit.
   */
  write(offset: number, size: 4 | 8, value: bigint): void {
    checkAligned(offset, size);
    if (BigInt.asUintN(size * 8, value) !== value) {
      throw new RangeError(`0x${value.toString(16)} does not fit ${size} bytes`);
    }
    const low = words.get(offset);
    const high = size === 8 ? words.get(offset + 4) : undefined;
    if (low !== undefined && low.name === high?.name) {
      this.#store(low.name, value, mask(64));
      return;
    }
    for (const [word, part] of [
      [low, value & mask(32)],
      [high, value >> 32n],
    ] as const) {
      if (word !== undefined) {
        this.#store(word.name, part << word.shift, mask(32) << word.shift);
      }
    }
  }

  /** A write by software to a register by its name. */
  writeByName(name: RegisterName, value: bigint): void {
    const { offset, size } = registerMap[name];
    this.write(offset, size, value);
  }

  /** Index bits above the wrap bit read as zero (6.3.27). */
  #visible(name: RegisterName): bigint {
    const value = this.get(name);
    const queue = /^(CMDQ|EVENTQ|PRIQ)_(PROD|CONS)$/.exec(name)?.[1] as 'CMDQ' | 'EVENTQ' | 'PRIQ' | undefined;
    if (queue === undefined) {
      return value;
    }
    const limit = { CMDQ: this.#identity.CMDQS, EVENTQ: this.#identity.EVENTQS, PRIQ: this.#identity.PRIQS }[queue];
    const sizeLog2 = Math.min(Number(bits(this.get(`${queue}_BASE`), 4, 0)), limit);
    return value & ~(index ^ mask(sizeLog2 + 1));
  }

  #store(name: RegisterName, value: bigint, lanes: bigint): void {
    // A write without Update is ignored; the update itself takes no time here, so that Update reads as zero.
    if (name === 'GBPA' && !isSet(value, gbpa.Update)) {
      return;
    }
    const before = this.get(name);
    const changeable = (writable[name]?.(this, this.#identity) ?? 0n) & lanes;
    const after = (before & ~changeable) | (value & changeable);
    this.put(name, after);
    this.#written(name, before, after);
  }
}

function checkAligned(offset: number, size: number): void {
  if (!Number.isInteger(offset) || offset < 0 || offset % size !== 0) {
    throw new RangeError(`an access of ${size} bytes at offset ${offset} is not aligned`);
  }
}
