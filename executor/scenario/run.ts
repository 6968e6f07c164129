/**
 * Runs the steps of a scenario on a board, one after the other, as a driver would do them: through memory and registers.
 */
import { bits, mask } from '../bits.ts';
import { decodeEventFields, eventLength } from '../smmuv3/events.ts';
import { decodePageRequest, pageRequestRecordLength } from '../smmuv3/page-request-record.ts';
import { type RegisterName, registerMap } from '../smmuv3/registers.ts';
import type { Board, ResultFields, Services } from './board.ts';
import { hex, hexOfBytes } from './hex.ts';
import { matches } from './match.ts';
import {
  type DevicePlace,
  memoryMap,
  type Operation,
  type Scenario,
  ScenarioError,
  type ScenarioResult,
  type StepResult,
  streamIdOf,
} from './scenario.ts';

/** Is told of each step. */
export interface Watcher {
  before?(operation: Operation): void;
  after?(operation: Operation): void;
}

/**
 * Runs a scenario to its end. Throws `ScenarioError` with the number of the step that cannot be done.
 */
export async function runScenario(scenario: Scenario, board: Board, watcher: Watcher = {}): Promise<ScenarioResult> {
  const results: StepResult[] = [];
  for (const [i, { operation, name, note, expect }] of scenario.steps.entries()) {
    watcher.before?.(operation);
    const fields = await perform(operation, scenario, board).catch((error: unknown) => {
      if (!(error instanceof RangeError || error instanceof ScenarioError)) throw error;
      throw new ScenarioError(`step ${i} (${operation.op}): ${error.message}`, { cause: error });
    });
    watcher.after?.(operation);
    if (fields === undefined) continue;
    const ok = expect === undefined ? undefined : matches(fields, expect);
    results.push({
      i,
      op: operation.op,
      ...(name === undefined ? {} : { name }),
      ...(note === undefined ? {} : { note }),
      ...fields,
      ...(ok === undefined ? {} : { expect, ok }),
    });
  }
  return { results, ok: results.every(({ ok }) => ok !== false) };
}

async function perform(operation: Operation, scenario: Scenario, board: Board): Promise<ResultFields | undefined> {
  switch (operation.op) {
    case 'mem': {
      await board.writeMemory(operation.addr, operation.bytes);
      return undefined;
    }
    case 'memset': {
      await board.writeMemory(operation.addr, new Uint8Array(operation.len).fill(operation.byte));
      return undefined;
    }
    case 'mmio': {
      await board.writeRegister(operation.place.addr, operation.place.size, operation.value);
      return undefined;
    }
    case 'mmio_read': {
      const { reg, addr, size } = operation.place;
      const value = hex(await board.readRegister(addr, size));
      return reg === undefined ? { addr: hex(addr), size, value } : { reg, value };
    }
    case 'dma': {
      const device = deviceOf(operation, scenario);
      const { iova, data } = operation;
      const before = await readRegister(board, 'EVENTQ_PROD');
      const { data: read, more } = await board.dma(device, operation);
      return {
        sid: streamIdOf(device),
        dir: data.dir,
        iova: hex(iova),
        len: data.dir === 'write' ? data.bytes.length : data.len,
        ...(read === undefined ? {} : { data: hexOfBytes(read) }),
        ...more,
        newEvents: await newRecords(board, 'EVENTQ', before),
      };
    }
    case 'cmd':
      return submit(operation.commands, board);
    case 'events':
      return { events: (await records(board, 'EVENTQ', eventLength)).map(eventFields) };
    case 'read':
      return { addr: hex(operation.addr), hex: hexOfBytes(await board.readMemory(operation.addr, operation.len)) };
    case 'bdf':
      return {
        devices: scenario.devices.map((device) => ({
          name: device.name,
          sid: streamIdOf(device),
          bar: hex(board.barOf(device)),
        })),
      };
    case 'ats': {
      const before = await readRegister(board, 'EVENTQ_PROD');
      const device = deviceOf(operation, scenario);
      const completion = servicesOf(board).ats(device, operation);
      return {
        sid: streamIdOf(device),
        iova: hex(operation.iova),
        ...completion,
        newEvents: await newRecords(board, 'EVENTQ', before),
      };
    }
    case 'atc': {
      const device = deviceOf(operation, scenario);
      return { sid: streamIdOf(device), ...servicesOf(board).atc(device) };
    }
    case 'pri': {
      const before = await readRegister(board, 'PRIQ_PROD');
      const device = deviceOf(operation, scenario);
      const sent = servicesOf(board).pri(device, operation);
      return { sid: streamIdOf(device), ...sent, newRequests: await newRecords(board, 'PRIQ', before) };
    }
    case 'pri_queue':
      return { requests: (await records(board, 'PRIQ', pageRequestRecordLength)).map(pageRequestFields) };
    case 'messages':
    default: {
      const device = deviceOf(operation, scenario);
      return { sid: streamIdOf(device), ...servicesOf(board).messages(device) };
    }
  }
}

function servicesOf(board: Board): Services {
  if (board.services === undefined) throw new ScenarioError('QEMU has no ATS and no PRI');
  return board.services;
}

/** The function that a step names, or the first. */
function deviceOf({ dev }: { readonly dev?: string }, { devices }: Scenario): DevicePlace {
  const device = dev === undefined ? devices[0] : devices.find(({ name }) => name === dev);
  if (device === undefined) throw new ScenarioError(`no device is called ${dev}`);
  return device;
}

async function readRegister(board: Board, name: RegisterName): Promise<bigint> {
  const { offset, size } = registerMap[name];
  return board.readRegister(memoryMap.smmu + BigInt(offset), size);
}

async function writeRegister(board: Board, name: RegisterName, value: bigint): Promise<void> {
  const { offset, size } = registerMap[name];
  await board.writeRegister(memoryMap.smmu + BigInt(offset), size, value);
}

/** A ring in memory: log2 of its entries, and where the entry of an index is. */
interface Ring {
  readonly log2: number;
  entry(position: bigint, length: number): bigint;
  /** Index and wrap bit. */
  readonly positions: bigint;
}

async function ringOf(board: Board, queue: 'CMDQ' | 'EVENTQ' | 'PRIQ'): Promise<Ring> {
  const base = await readRegister(board, `${queue}_BASE`);
  const identification = await readRegister(board, 'IDR1');
  const largest = { CMDQ: [25, 21], EVENTQ: [20, 16], PRIQ: [15, 11] }[queue] as [number, number];
  const log2 = Number([bits(base, 4, 0), bits(identification, ...largest)].reduce((a, b) => (a < b ? a : b)));
  const start = base & (mask(52) ^ mask(5));
  return {
    log2,
    entry: (position, length) => start + (position & mask(log2)) * BigInt(length),
    positions: mask(log2 + 1),
  };
}

/** Writes commands into the queue and moves PROD over them. */
async function submit(commands: readonly Uint8Array[], board: Board): Promise<ResultFields> {
  const ring = await ringOf(board, 'CMDQ');
  if (commands.length > 2 ** ring.log2) {
    throw new ScenarioError(`${commands.length} commands do not fit the queue of ${2 ** ring.log2}`);
  }
  let prod = (await readRegister(board, 'CMDQ_PROD')) & ring.positions;
  for (const command of commands) {
    await board.writeMemory(ring.entry(prod, command.length), command);
    prod = (prod + 1n) & ring.positions;
  }
  await writeRegister(board, 'CMDQ_PROD', prod);
  const cons = await readRegister(board, 'CMDQ_CONS');
  const read = cons & mask(20);
  return {
    prod: hex(prod),
    cons: hex(read),
    consumedAll: read === prod,
    cerror: Number(bits(cons, 30, 24)),
    gerror: hex(await readRegister(board, 'GERROR')),
    gerrorn: hex(await readRegister(board, 'GERRORN')),
  };
}

/** The records between CONS and PROD; CONS is moved behind them, and an overflow is acknowledged with it. */
async function records(board: Board, queue: 'EVENTQ' | 'PRIQ', length: number): Promise<readonly Uint8Array[]> {
  const ring = await ringOf(board, queue);
  const prod = await readRegister(board, `${queue}_PROD`);
  let cons = (await readRegister(board, `${queue}_CONS`)) & ring.positions;
  const found: Uint8Array[] = [];
  for (; cons !== (prod & ring.positions); cons = (cons + 1n) & ring.positions) {
    found.push(await board.readMemory(ring.entry(cons, length), length));
  }
  await writeRegister(board, `${queue}_CONS`, prod);
  return found;
}

async function newRecords(board: Board, queue: 'EVENTQ' | 'PRIQ', before: bigint): Promise<number> {
  const ring = await ringOf(board, queue);
  const now = await readRegister(board, `${queue}_PROD`);
  return Number((now - before) & ring.positions);
}

function eventFields(raw: Uint8Array): ResultFields {
  const { inputAddr, addr2, ...rest } = decodeEventFields(raw);
  return { raw: hexOfBytes(raw), ...rest, inputAddr: hex(inputAddr), addr2: hex(addr2) };
}

function pageRequestFields(raw: Uint8Array): ResultFields {
  const { sid, ssv, ssid, read, write, execute, privileged, last, prgIndex, address } = decodePageRequest(raw);
  return {
    raw: hexOfBytes(raw),
    sid,
    ssv: Number(ssv),
    ssid,
    read: Number(read),
    write: Number(write),
    execute: Number(execute),
    privileged: Number(privileged),
    last: Number(last),
    group: prgIndex,
    iova: hex(address),
  };
}
