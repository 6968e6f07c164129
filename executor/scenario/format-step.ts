/**
 * Steps of scenarios as JSON.
 */
import { z } from 'zod';
import { registerMap } from '../smmuv3/registers.ts';
import { address, bytes, count, flag, hint, isRecord, parse, positive } from './format-fields.ts';
import { hex } from './hex.ts';
import {
  type AccessSize,
  memoryMap,
  type Operation,
  operations,
  type RegisterPlace,
  ScenarioError,
  type Step,
} from './scenario.ts';

const label = {
  op: z.unknown(),
  name: z.string().optional(),
  note: z.string().optional(),
  expect: z.unknown().optional(),
};
const requester = {
  dev: z.string().optional(),
  pasid: count(0xf_ffff).optional(),
  privileged: flag.optional(),
  execute: flag.optional(),
};
const registerFields = {
  reg: z.string().optional(),
  addr: address.optional(),
  size: z.literal([1, 2, 4, 8]).optional(),
};
/** More than any device needs, and little enough to be kept as text. */
const longest = 1 << 20;

/** What each operation is written as. */
const shapes = {
  mem: z.object({ ...label, addr: address, hex: bytes }),
  memset: z.object({ ...label, addr: address, len: positive(2 ** 32), byte: count(0xff) }),
  mmio: z.object({ ...label, ...registerFields, value: address }),
  mmio_read: z.object({ ...label, ...registerFields }),
  dma: z.object({
    ...label,
    ...requester,
    dir: z.enum(['write', 'read']),
    iova: address,
    hex: bytes.optional(),
    len: positive(longest).optional(),
    translated: flag.optional(),
    ats: flag.optional(),
  }),
  cmd: z.object({ ...label, hex: z.union([z.array(z.unknown()), z.unknown()]) }),
  events: z.object(label),
  read: z.object({ ...label, addr: address, len: positive(longest) }),
  bdf: z.object(label),
  ats: z.object({ ...label, ...requester, iova: address, count: positive(512).optional(), noWrite: flag.optional() }),
  atc: z.object({ ...label, dev: z.string().optional() }),
  pri: z.object({
    ...label,
    ...requester,
    iova: address,
    group: count(0x1ff),
    last: flag.optional(),
    read: flag.optional(),
    write: flag.optional(),
  }),
  pri_queue: z.object(label),
  messages: z.object({ ...label, dev: z.string().optional() }),
} as const satisfies Readonly<Record<Operation['op'], z.ZodType>>;

/** The step of a JSON value. Throws `ScenarioError`. */
export function stepOf(given: unknown, where: string, warnings: string[]): Step {
  if (!isRecord(given)) throw new ScenarioError(`${where}: must be an object`);
  const op = given['op'];
  if (typeof op !== 'string' || !isOperation(op)) {
    const known = Object.keys(operations);
    throw new ScenarioError(
      `${where}: ${op === undefined ? 'op is missing' : `no operation is called ${JSON.stringify(op)}`}; there are ${known.join(', ')}`,
    );
  }
  const at = `${where} (${op})`;
  const { operation, name, note, expect } = operationOf(op, given, at, warnings);
  if (expect !== undefined && !operations[op].hasResult) {
    throw new ScenarioError(`${at}: expect: ${op} has no result of which something could be expected`);
  }
  return {
    operation,
    ...(name === undefined ? {} : { name }),
    ...(note === undefined ? {} : { note }),
    ...(expect === undefined ? {} : { expect }),
  };
}

interface Labelled extends Omit<Step, 'operation'> {
  readonly operation: Operation;
}

function operationOf(op: Operation['op'], given: object, where: string, warnings: string[]): Labelled {
  const read = <T>(shape: z.ZodType<T>): T => parse(shape, given, where, warnings);
  const fail = (message: string): never => {
    throw new ScenarioError(`${where}: ${message}`);
  };
  switch (op) {
    case 'mem': {
      const { addr, hex: data, ...rest } = read(shapes.mem);
      return { ...labelOf(rest), operation: { op, addr, bytes: data } };
    }
    case 'memset': {
      const { addr, len, byte, ...rest } = read(shapes.memset);
      return { ...labelOf(rest), operation: { op, addr, len, byte } };
    }
    case 'mmio': {
      const { value, ...rest } = read(shapes.mmio);
      const place = placeOf(rest, fail);
      if (value >> BigInt(place.size * 8) !== 0n) fail(`value: ${hex(value)} does not fit ${place.size} bytes`);
      return { ...labelOf(rest), operation: { op, place, value } };
    }
    case 'mmio_read': {
      const rest = read(shapes.mmio_read);
      return { ...labelOf(rest), operation: { op, place: placeOf(rest, fail) } };
    }
    case 'dma': {
      const { dir, iova, hex: data, len, translated = false, ats = false, ...rest } = read(shapes.dma);
      if (dir === 'write' && data === undefined) fail('hex: is missing: what a write writes');
      if (dir === 'write' && len !== undefined && len !== data?.length) {
        fail(`len: is ${len}, and hex has ${data?.length} bytes`);
      }
      if (dir === 'read' && len === undefined) fail('len: is missing: how much a read reads');
      if (translated && ats) fail('translated and ats: a request has one address');
      const at = translated ? 'translated' : ats ? 'ats' : 'untranslated';
      const done =
        data !== undefined && dir === 'write' ? { dir, bytes: data } : { dir: 'read' as const, len: len ?? 0 };
      return { ...labelOf(rest), operation: { op, iova, at, data: done, ...requesterOf(rest) } };
    }
    case 'cmd': {
      const { hex: given16, ...rest } = read(shapes.cmd);
      const commands = (Array.isArray(given16) ? given16 : [given16]).map((one: unknown, index) => {
        const command = bytes.safeParse(one).data;
        return command?.length === 16 ? command : fail(`hex: command ${index} must be 16 bytes as 32 hex digits`);
      });
      if (commands.length === 0) fail('hex: has no command');
      return { ...labelOf(rest), operation: { op, commands } };
    }
    case 'read': {
      const { addr, len, ...rest } = read(shapes.read);
      return { ...labelOf(rest), operation: { op, addr, len } };
    }
    case 'ats': {
      const { iova, count: entries = 1, noWrite = false, ...rest } = read(shapes.ats);
      return { ...labelOf(rest), operation: { op, iova, count: entries, noWrite, ...requesterOf(rest) } };
    }
    case 'pri': {
      const { iova, group, last = true, read: asksRead = false, write = false, ...rest } = read(shapes.pri);
      return {
        ...labelOf(rest),
        operation: { op, iova, group, last, read: asksRead, write, ...requesterOf(rest) },
      };
    }
    case 'atc':
    case 'messages': {
      const { dev, ...rest } = read(shapes[op]);
      return { ...labelOf(rest), operation: { op, ...(dev === undefined ? {} : { dev }) } };
    }
    case 'events':
    case 'bdf':
    case 'pri_queue':
    default:
      return { ...labelOf(read(shapes[op])), operation: { op } };
  }
}

interface Label {
  readonly name?: string | undefined;
  readonly note?: string | undefined;
  readonly expect?: unknown;
}

function labelOf({ name, note, expect }: Label): Omit<Step, 'operation'> {
  return {
    ...(name === undefined ? {} : { name }),
    ...(note === undefined ? {} : { note }),
    ...(expect === undefined ? {} : { expect }),
  };
}

function requesterOf(given: { readonly [K in keyof typeof requester]?: z.infer<(typeof requester)[K]> }) {
  const { dev, pasid, privileged, execute } = given;
  return {
    ...(dev === undefined ? {} : { dev }),
    ...(pasid === undefined ? {} : { pasid }),
    ...(privileged === undefined ? {} : { privileged }),
    ...(execute === undefined ? {} : { execute }),
  };
}

/** A register by name, or by address; the size of a named one may be given too, to reach half of it. */
function placeOf(
  given: {
    readonly reg?: string | undefined;
    readonly addr?: bigint | undefined;
    readonly size?: AccessSize | undefined;
  },
  fail: (message: string) => never,
): RegisterPlace {
  const { reg, addr, size } = given;
  if (reg !== undefined) {
    const register = Object.entries(registerMap).find(([name]) => name === reg)?.[1];
    if (register === undefined) return fail(`reg: no register is called ${reg}${hint(reg, Object.keys(registerMap))}`);
    return { reg, addr: memoryMap.smmu + BigInt(register.offset), size: size ?? register.size };
  }
  if (addr === undefined) return fail('reg: is missing: a register, or addr and size');
  return { addr, size: size ?? 4 };
}

function isOperation(op: string): op is Operation['op'] {
  return Object.hasOwn(operations, op);
}
