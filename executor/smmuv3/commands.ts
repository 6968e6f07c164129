/**
 * The 16-byte commands of the Command queue (IHI 0070, 4): decoding, encoding, and which are CERROR_ILL.
 */
import { address, flag, layout, uint } from '../bits.ts';
import type { Layout, Places } from '../bits.ts';
import type { Identity } from './identity.ts';

const anyHead = { opcode: uint(0, 7, 0) } as const;
/** SSec stands in commands that name a stream and may come from the Secure queue. */
const head = { ...anyHead, ssec: flag(0, 10) } as const;
const sid = { sid: uint(0, 63, 32) } as const;
const substream = { ssv: flag(0, 11), ssid: uint(0, 31, 12), ...sid } as const;
const vmid = { vmid: uint(0, 47, 32) } as const;
const asid = { asid: uint(0, 63, 48) } as const;
const leaf = { leaf: flag(1, 0) } as const;
const addressed = {
  num: uint(0, 16, 12),
  scale: uint(0, 24, 20),
  ...leaf,
  ttl128: flag(1, 7),
  ttl: uint(1, 9, 8),
  tg: uint(1, 11, 10),
  address: address(1, 63, 12),
} as const;

/** Each command's layout. */
const layouts = {
  PREFETCH_CONFIG: layout(2, { ...head, ...substream }),
  PREFETCH_ADDR: layout(2, {
    ...head,
    ...substream,
    size: uint(1, 4, 0),
    stride: uint(1, 9, 5),
    address: address(1, 63, 12),
  }),
  CFGI_STE: layout(2, { ...head, ...sid, ...leaf }),
  CFGI_STE_RANGE: layout(2, { ...head, ...sid, range: uint(1, 4, 0) }),
  CFGI_ALL: layout(2, { ...head, range: uint(1, 4, 0) }),
  CFGI_CD: layout(2, { ...head, ssid: uint(0, 31, 12), ...sid, ...leaf }),
  CFGI_CD_ALL: layout(2, { ...head, ...sid }),
  CFGI_VMS_PIDM: layout(2, { ...head, ...vmid }),
  TLBI_NH_ALL: layout(2, { ...anyHead, ...vmid }),
  TLBI_NH_ASID: layout(2, { ...anyHead, ...vmid, ...asid }),
  TLBI_NH_VA: layout(2, { ...anyHead, ...vmid, ...asid, ...addressed }),
  TLBI_NH_VAA: layout(2, { ...anyHead, ...vmid, ...addressed }),
  TLBI_EL2_ALL: layout(2, { ...anyHead }),
  TLBI_EL2_ASID: layout(2, { ...anyHead, ...asid }),
  TLBI_EL2_VA: layout(2, { ...anyHead, ...asid, ...addressed }),
  TLBI_EL2_VAA: layout(2, { ...anyHead, ...addressed }),
  TLBI_S12_VMALL: layout(2, { ...anyHead, ...vmid }),
  TLBI_S2_IPA: layout(2, { ...anyHead, ...vmid, ...addressed, address: address(1, 51, 12) }),
  TLBI_NSNH_ALL: layout(2, { ...anyHead }),
  ATC_INV: layout(2, {
    ...anyHead,
    global: flag(0, 9),
    ...substream,
    size: uint(1, 5, 0),
    address: address(1, 63, 12),
  }),
  PRI_RESP: layout(2, { ...anyHead, ...substream, prgIndex: uint(1, 8, 0), resp: uint(1, 13, 12) }),
  RESUME: layout(2, { ...head, retry: flag(0, 12), abort: flag(0, 13), ...sid, stag: uint(1, 15, 0) }),
  STALL_TERM: layout(2, { ...head, ...sid }),
  SYNC: layout(2, {
    ...anyHead,
    cs: uint(0, 13, 12),
    msh: uint(0, 23, 22),
    msiAttr: uint(0, 27, 24),
    msiData: uint(0, 63, 32),
    msiAddress: address(1, 51, 2),
  }),
} as const;

type Layouts = typeof layouts;

/** A decoded command; `op` is its name without CMD_. */
export type Command =
  | {
      [Op in keyof Layouts]: { readonly op: Op } & Readonly<
        Omit<ReturnType<Layouts[Op]['decode']>, 'opcode' | (Op extends 'CFGI_ALL' ? 'range' : never)>
      >;
    }[keyof Layouts]
  | { readonly op: 'unknown'; readonly opcode: number };

/** A command to encode: fields that are not given are zero. */
export type CommandToEncode = {
  [Op in keyof Layouts]: { readonly op: Op } & Readonly<
    Partial<Omit<ReturnType<Layouts[Op]['decode']>, 'opcode' | (Op extends 'CFGI_ALL' ? 'range' : never)>>
  >;
}[keyof Layouts];

/** Length of a command, in bytes. */
export const commandLength = 16;

/** The opcode of each command (4.1.1). CFGI_ALL is CFGI_STE_RANGE with Range 31. */
export const opcodes = {
  PREFETCH_CONFIG: 0x01,
  PREFETCH_ADDR: 0x02,
  CFGI_STE: 0x03,
  CFGI_STE_RANGE: 0x04,
  CFGI_ALL: 0x04,
  CFGI_CD: 0x05,
  CFGI_CD_ALL: 0x06,
  CFGI_VMS_PIDM: 0x07,
  TLBI_NH_ALL: 0x10,
  TLBI_NH_ASID: 0x11,
  TLBI_NH_VA: 0x12,
  TLBI_NH_VAA: 0x13,
  TLBI_EL2_ALL: 0x20,
  TLBI_EL2_ASID: 0x21,
  TLBI_EL2_VA: 0x22,
  TLBI_EL2_VAA: 0x23,
  TLBI_S12_VMALL: 0x28,
  TLBI_S2_IPA: 0x2a,
  TLBI_NSNH_ALL: 0x30,
  ATC_INV: 0x40,
  PRI_RESP: 0x41,
  RESUME: 0x44,
  STALL_TERM: 0x45,
  SYNC: 0x46,
} as const satisfies Readonly<Record<keyof Layouts, number>>;

const everyStream = 31;

const names = new Map(Object.entries(opcodes).map(([name, opcode]) => [opcode as number, name as keyof Layouts]));
names.set(opcodes.CFGI_STE_RANGE, 'CFGI_STE_RANGE');

/** The command in the 16 bytes from `offset`. Any bytes decode; bits without meaning are dropped. */
export function decodeCommand(raw: Uint8Array, offset = 0): Command {
  const opcode = raw[offset] ?? 0;
  const name = names.get(opcode);
  if (name === undefined) return { op: 'unknown', opcode };
  const { opcode: _, ...fields } = layouts[name].decode(raw, offset);
  const command = { op: name, ...fields } as Command;
  if (command.op !== 'CFGI_STE_RANGE' || command.range !== everyStream) return command;
  return { op: 'CFGI_ALL', ssec: command.ssec };
}

/** The 16 bytes of a command. Throws `RangeError` for a value that does not fit its field. */
export function encodeCommand(command: CommandToEncode): Uint8Array {
  const { op, ...fields } = command;
  const all = op === 'CFGI_ALL' ? { range: everyStream } : {};
  return (layouts[op] as Layout<Places>).encode({ ...fields, ...all, opcode: opcodes[op] });
}

/**
 * Why a command on the Non-secure queue is CERROR_ILL (4.1.3 and each command); `undefined` if it is not. Reserved bits are not
 * checked, as 4.1.5 allows, nor an ATC_INV size above 52 (4.5.1), nor ranges of StreamIDs and SubstreamIDs (4.1.7).
 */
export function isIllegal(command: Command, identity: Identity): string | undefined {
  if ('ssec' in command && command.ssec) return 'SSec = 1 on the Non-secure queue';
  switch (command.op) {
    case 'unknown':
      return `opcode 0x${command.opcode.toString(16)} is Reserved, or not of the Non-secure queue`;
    case 'CFGI_CD':
    case 'CFGI_CD_ALL':
    case 'TLBI_NH_ALL':
    case 'TLBI_NH_ASID':
      return identity.S1P ? undefined : 'there is no stage 1';
    case 'CFGI_VMS_PIDM':
      return 'there is no MPAM';
    case 'TLBI_NH_VA':
    case 'TLBI_NH_VAA':
      return identity.S1P ? illegalRange(command, identity) : 'there is no stage 1';
    case 'TLBI_EL2_ALL':
    case 'TLBI_EL2_ASID':
      return identity.HYP ? undefined : 'there is no EL2';
    case 'TLBI_EL2_VA':
    case 'TLBI_EL2_VAA':
      return identity.HYP ? illegalRange(command, identity) : 'there is no EL2';
    case 'TLBI_S12_VMALL':
      return identity.S2P ? undefined : 'there is no stage 2';
    case 'TLBI_S2_IPA':
      return identity.S2P ? illegalRange(command, identity) : 'there is no stage 2';
    case 'ATC_INV':
      return identity.ATS ? undefined : 'there is no ATS';
    case 'PRI_RESP':
      if (!identity.PRI) return 'there is no PRI';
      return command.resp === 0b11 ? 'Resp = 3 is Reserved' : undefined;
    case 'RESUME':
    case 'STALL_TERM':
      return identity.STALL_MODEL === 0b01 ? 'there are no stalls' : undefined;
    case 'SYNC':
      return command.cs === 0b11 ? 'CS = 3 is Reserved' : undefined;
    case 'PREFETCH_CONFIG':
    case 'PREFETCH_ADDR':
    case 'CFGI_STE':
    case 'CFGI_STE_RANGE':
    case 'CFGI_ALL':
    case 'TLBI_NSNH_ALL':
      return undefined;
    default:
      return command satisfies never;
  }
}

/** A granule without range and level (4.4.1.1). TTL = 1 with 16K granules is Reserved and counts as 0. */
function illegalRange(
  { num, scale, ttl, tg }: { num: number; scale: number; ttl: number; tg: number },
  identity: Identity,
): string | undefined {
  const level = tg === 0b10 && ttl === 1 ? 0 : ttl;
  const pointless = tg !== 0 && num === 0 && scale === 0 && level === 0;
  return identity.RIL && pointless ? 'TG is given, NUM, SCALE and TTL are 0' : undefined;
}
