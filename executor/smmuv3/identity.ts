/**
 * What an SMMU is: the fields of its identification registers by their architectural names, and the registers that software
 * reads (IHI 0070, 6.3.1 to 6.3.8).
 */
import { flag, layout, uint } from '../bits.ts';
import type { Fields } from '../bits.ts';

const idr0 = layout(1, {
  S2P: flag(0, 0),
  S1P: flag(0, 1),
  TTF: uint(0, 3, 2),
  COHACC: flag(0, 4),
  BTM: flag(0, 5),
  HTTU: uint(0, 7, 6),
  DORMHINT: flag(0, 8),
  HYP: flag(0, 9),
  ATS: flag(0, 10),
  NS1ATS: flag(0, 11),
  ASID16: flag(0, 12),
  MSI: flag(0, 13),
  SEV: flag(0, 14),
  ATOS: flag(0, 15),
  PRI: flag(0, 16),
  VMW: flag(0, 17),
  VMID16: flag(0, 18),
  CD2L: flag(0, 19),
  VATOS: flag(0, 20),
  TTENDIAN: uint(0, 22, 21),
  ATSRECERR: flag(0, 23),
  STALL_MODEL: uint(0, 25, 24),
  TERM_MODEL: flag(0, 26),
  ST_LEVEL: uint(0, 28, 27),
});

const idr1 = layout(1, {
  SIDSIZE: uint(0, 5, 0),
  SSIDSIZE: uint(0, 10, 6),
  PRIQS: uint(0, 15, 11),
  EVENTQS: uint(0, 20, 16),
  CMDQS: uint(0, 25, 21),
  ATTR_PERMS_OVR: flag(0, 26),
  ATTR_TYPES_OVR: flag(0, 27),
  REL: flag(0, 28),
  QUEUES_PRESET: flag(0, 29),
  TABLES_PRESET: flag(0, 30),
  ECMDQ: flag(0, 31),
});

const idr2 = layout(1, { BA_VATOS: uint(0, 9, 0) });

const idr3 = layout(1, {
  HAD: flag(0, 2),
  PBHA: flag(0, 3),
  XNX: flag(0, 4),
  PPS: flag(0, 5),
  MPAM: flag(0, 7),
  FWB: flag(0, 8),
  STT: flag(0, 9),
  RIL: flag(0, 10),
  BBML: uint(0, 12, 11),
  E0PD: flag(0, 13),
  PTWNNC: flag(0, 14),
  DPT: flag(0, 15),
  PASIDTT: flag(0, 16),
  EPAN: flag(0, 17),
  S1PI: flag(0, 18),
});

const idr5 = layout(1, {
  OAS: uint(0, 2, 0),
  GRAN4K: flag(0, 4),
  GRAN16K: flag(0, 5),
  GRAN64K: flag(0, 6),
  VAX: uint(0, 11, 10),
  STALL_MAX: uint(0, 31, 16),
});

const iidr = layout(1, {
  Implementer: uint(0, 11, 0),
  Revision: uint(0, 15, 12),
  Variant: uint(0, 19, 16),
  ProductID: uint(0, 31, 20),
});

const aidr = layout(1, { ArchMinorRev: uint(0, 3, 0), ArchMajorRev: uint(0, 7, 4) });

/** Sizes of addresses by the codes of OAS, IPS and S2PS, in bits. Code 7 is Reserved before SMMUv3.4 and behaves as 6. */
const addressBits = [32, 36, 40, 42, 44, 48, 52, 52] as const;

/** Fields of what this machine does not have. */
const absent = [
  'BTM',
  'ATOS',
  'VATOS',
  'VMW',
  'REL',
  'QUEUES_PRESET',
  'TABLES_PRESET',
  'PBHA',
  'MPAM',
  'FWB',
  'E0PD',
  'DPT',
  'S1PI',
] as const satisfies readonly (keyof Identity)[];

/** The greatest value of the fields that do not use all their codes. */
const greatest = {
  HTTU: 0b10,
  STALL_MODEL: 0b10,
  ST_LEVEL: 0b01,
  SIDSIZE: 32,
  SSIDSIZE: 20,
  PRIQS: 19,
  EVENTQS: 19,
  CMDQS: 19,
  BBML: 0b10,
  OAS: 6,
  VAX: 0b01,
} as const satisfies Partial<Record<keyof Identity, number>>;

/** Every field of the identification registers, by its architectural name. */
export interface Identity
  extends
    Readonly<Fields<typeof idr0.places>>,
    Readonly<Fields<typeof idr1.places>>,
    Readonly<Fields<typeof idr2.places>>,
    Readonly<Fields<typeof idr3.places>>,
    Readonly<Fields<typeof idr5.places>>,
    Readonly<Fields<typeof iidr.places>>,
    Readonly<Fields<typeof aidr.places>> {}

/** The identification registers, as 32-bit values. */
export interface IdentityRegisters {
  readonly IDR0: number;
  readonly IDR1: number;
  readonly IDR2: number;
  readonly IDR3: number;
  readonly IDR4: number;
  readonly IDR5: number;
  readonly IIDR: number;
  readonly AIDR: number;
}

/** What software reads in the identification registers. */
export function registersOf(identity: Identity): IdentityRegisters {
  const noStalls = identity.STALL_MODEL === 0b01;
  return {
    IDR0: packed(idr0, identity),
    IDR1: packed(idr1, identity),
    IDR2: packed(idr2, identity),
    IDR3: packed(idr3, identity),
    IDR4: 0,
    IDR5: packed(idr5, noStalls ? { ...identity, STALL_MAX: 0 } : identity),
    IIDR: packed(iidr, identity),
    AIDR: packed(aidr, identity),
  };
}

/** The identity of an SMMU whose registers were read; those not given are zero. Throws `RangeError` as `identityWith` does. */
export function identityFrom(registers: Partial<IdentityRegisters>): Identity {
  return checked({
    ...unpacked(idr0, registers.IDR0),
    ...unpacked(idr1, registers.IDR1),
    ...unpacked(idr2, registers.IDR2),
    ...unpacked(idr3, registers.IDR3),
    ...unpacked(idr5, registers.IDR5),
    ...unpacked(iidr, registers.IIDR),
    ...unpacked(aidr, registers.AIDR),
  });
}

/** The size that a code of IPS or S2PS stands for, capped to the OAS (5.2 S2PS, 5.4 IPS), in bits. */
export function effectiveBits(code: number, identity: Identity): number {
  return Math.min(addressBits[code] ?? 52, outputBits(identity));
}

/** Size of physical addresses, in bits: IDR5.OAS. Also the IAS, as AArch32 tables are not implemented (3.4). */
export function outputBits(identity: Identity): number {
  return addressBits[identity.OAS] ?? 52;
}

/**
 * A machine as QEMU's `virt` has it, with both stages: no ATS, PRI, substreams, stalls or HTTU, and the same values in all
 * identification registers.
 */
export const defaultIdentity: Identity = identityFrom({
  IDR0: 0xd44_101b,
  IDR1: 0x273_0010,
  IDR3: 0x1414,
  IDR5: 0x74,
  AIDR: 0x1,
});

/** A machine for Shared Virtual Addressing: ATS, PRI, 20-bit substreams, stalls, hardware update of flags, all of SMMUv3.1. */
export const svaIdentity: Identity = identityWith({
  HTTU: 0b10,
  HYP: true,
  ATS: true,
  ATSRECERR: true,
  PRI: true,
  MSI: true,
  STALL_MODEL: 0b00,
  STALL_MAX: 64,
  TERM_MODEL: false,
  SSIDSIZE: 20,
  ATTR_PERMS_OVR: true,
  STT: true,
  OAS: 5,
});

/**
 * An identity that differs from another, by default from the default one. A PRI queue and two-level CD tables come with PRI and
 * SSIDSIZE unless they are given. Throws `RangeError` for what this machine does not have (AArch32 tables, broadcast TLB
 * maintenance, address translation operations, DPT, MPAM ...) and for values that the architecture does not allow.
 */
export function identityWith(changes: Partial<Identity>, base: Identity = defaultIdentity): Identity {
  const given = { ...base, ...changes };
  return checked({
    ...given,
    PRIQS: given.PRI && !base.PRI ? (changes.PRIQS ?? 19) : given.PRIQS,
    CD2L: given.SSIDSIZE > 0 && base.SSIDSIZE === 0 ? (changes.CD2L ?? true) : given.CD2L,
  });
}

function checked(identity: Identity): Identity {
  const refuse = (why: string): never => {
    throw new RangeError(`no such SMMU: ${why}`);
  };
  for (const field of absent) {
    if (identity[field]) refuse(`${field} is not implemented by this machine`);
  }
  for (const [field, most] of Object.entries(greatest) as [keyof typeof greatest, number][]) {
    if (identity[field] > most) refuse(`${field} is at most ${most}`);
  }
  if (identity.TTF !== 0b10) refuse('TTF is 2: VMSAv8-64 tables only');
  if (identity.TTENDIAN === 0b01) refuse('TTENDIAN = 1 is Reserved');
  if (!identity.S1P && !identity.S2P) refuse('S1P or S2P is needed');
  if (identity.HYP && !(identity.S1P && identity.S2P)) refuse('HYP needs S1P and S2P');
  if (identity.ATSRECERR && !identity.ATS) refuse('ATSRECERR needs ATS');
  if (identity.NS1ATS && !(identity.ATS && identity.S1P && identity.S2P)) refuse('NS1ATS needs ATS, S1P and S2P');
  if (identity.SIDSIZE >= 7 && identity.ST_LEVEL === 0) refuse('SIDSIZE of 7 or more needs ST_LEVEL');
  if (!identity.GRAN4K && !identity.GRAN16K && !identity.GRAN64K) refuse('a granule is needed');
  if (identity.VAX === 0b01 && !identity.GRAN64K) refuse('VAX needs GRAN64K');
  return identity;
}

interface Register<P> {
  decode(raw: Uint8Array): Fields<P>;
  encode(values: Partial<Fields<P>>): Uint8Array;
  readonly places: P;
}

/** The value of a register by the fields that it has. Throws `RangeError` for a value that does not fit. */
function packed<P extends object>(register: Register<P>, identity: Fields<P>): number {
  const own = Object.fromEntries(Object.entries(identity).filter(([name]) => name in register.places));
  return new DataView(register.encode(own as Partial<Fields<P>>).buffer).getUint32(0, true);
}

function unpacked<P>(register: Register<P>, value = 0): Fields<P> {
  const raw = new Uint8Array(8);
  new DataView(raw.buffer).setUint32(0, value, true);
  return register.decode(raw);
}
