/**
 * QEMU as a board for scenarios: its memory and registers over qtest, and its `edu` functions for DMA.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isSet } from '../../executor/bits.ts';
import type { Board } from '../../executor/scenario/board.ts';
import { hex } from '../../executor/scenario/hex.ts';
import {
  type AccessSize,
  type DevicePlace,
  type Dma,
  memoryMap,
  ScenarioError,
} from '../../executor/scenario/scenario.ts';
import { cr0, gbpa, registerMap } from '../../executor/smmuv3/registers.ts';
import { type QemuProcess, rootPortSlots } from './qemu-process.ts';

const configurationSpace = 0x3f00_0000n;
const windowsOfPorts = 0x1800_0000n;
const megabyte = 1n << 20n;
const letters: Readonly<Record<AccessSize, string>> = { 1: 'b', 2: 'w', 4: 'l', 8: 'q' };

/** The `edu` function: its registers, its buffer, and how much of that a DMA may use at a time. */
const edu = { source: 0x80n, destination: 0x88n, count: 0x90n, command: 0x98n, buffer: 0x4_0000n, longest: 4095 };
const runCommand = { toDevice: 1n, toMemory: 3n };

/** A board on a QEMU that was just started or reset. */
export async function qemuBoard(qemu: QemuProcess): Promise<Board> {
  const { qtest, hardware } = qemu;
  const { devices, ram } = hardware;
  const scratch = hardware.qemu.scratch ?? memoryMap.ram + ram - 0x1_0000n;
  const ports = rootPortSlots(devices);

  const write = (address: bigint, size: AccessSize, value: bigint): void =>
    qtest.send(`write${letters[size]} ${hex(address)} ${hex(value)}`);
  const read = async (address: bigint, size: AccessSize): Promise<bigint> =>
    BigInt(await qtest.ask(`read${letters[size]} ${hex(address)}`)) & ((1n << BigInt(size * 8)) - 1n);
  const smmu = (name: keyof typeof registerMap): bigint => memoryMap.smmu + BigInt(registerMap[name].offset);

  const writeMemory = (address: bigint, bytes: Uint8Array): void => {
    if (bytes.every((byte) => byte === bytes[0])) {
      qtest.send(`memset ${hex(address)} ${hex(bytes.length)} ${hex(bytes[0] ?? 0)}`);
    } else {
      qtest.send(`b64write ${hex(address)} ${hex(bytes.length)} ${Buffer.from(bytes).toString('base64')}`);
    }
  };
  const readMemory = async (address: bigint, length: number): Promise<Uint8Array> =>
    Uint8Array.from(Buffer.from(await qtest.ask(`b64read ${hex(address)} ${hex(length)}`), 'base64'));

  const barOf = (device: DevicePlace): bigint => {
    const index = devices.findIndex(({ name }) => name === device.name);
    const before = devices.slice(0, index).filter(({ bus }) => bus === device.bus).length;
    const port = [...ports.keys()].indexOf(device.bus);
    return (port < 0 ? memoryMap.bars : windowsOfPorts + BigInt(port) * 16n * megabyte) + BigInt(before) * megabyte;
  };

  /** One DMA of the device itself, to its end. */
  const transfer = async (device: DevicePlace, from: bigint, to: bigint, length: number, command: bigint) => {
    const bar = barOf(device);
    write(bar + edu.source, 8, from);
    write(bar + edu.destination, 8, to);
    write(bar + edu.count, 8, BigInt(length));
    write(bar + edu.command, 8, command);
    const deadline = Date.now() + 30_000;
    for (let polls = 0; isSet(await read(bar + edu.command, 8), 0); polls++) {
      if (Date.now() > deadline) throw new Error('a DMA in QEMU does not end');
      if (polls > 3) await sleep(1);
    }
  };

  /** Moves data between memory and the device past the SMMU, whose caches stay as they are. */
  const aside = async (work: () => Promise<void>): Promise<void> => {
    const [control, bypass] = await Promise.all([read(smmu('CR0'), 4), read(smmu('GBPA'), 4)]);
    const enabled = isSet(control, cr0.SMMUEN);
    const aborts = isSet(bypass, gbpa.ABORT);
    const update = 1n << BigInt(gbpa.Update);
    if (enabled) write(smmu('CR0'), 4, control & ~1n);
    if (aborts) write(smmu('GBPA'), 4, (bypass & ~(1n << BigInt(gbpa.ABORT))) | update);
    await work();
    if (aborts) write(smmu('GBPA'), 4, bypass | update);
    if (enabled) write(smmu('CR0'), 4, control);
  };

  for (const [bus, slot] of ports) {
    const port = configurationSpace + (BigInt(slot) << 15n);
    const window = windowsOfPorts + BigInt([...ports.keys()].indexOf(bus)) * 16n * megabyte;
    write(port + 0x18n, 4, BigInt((bus << 16) | (bus << 8)));
    write(port + 0x20n, 4, ((window + 15n * megabyte) & 0xfff0_0000n) | (window >> 16n));
    write(port + 0x04n, 2, 6n);
  }
  for (const device of devices) {
    const { bus, slot, fn } = device;
    const place = configurationSpace + ((BigInt(bus) << 20n) | (BigInt(slot) << 15n) | (BigInt(fn) << 12n));
    write(place + 0x10n, 4, barOf(device));
    write(place + 0x04n, 2, 6n);
    if ((await read(barOf(device), 4)) !== 0x0100_00edn) throw new Error(`no edu function at ${hex(barOf(device))}`);
  }
  // Where QEMU left a device tree, a scenario finds zeros.
  qtest.send(`memset ${hex(memoryMap.ram)} ${hex(2n * megabyte)} 0x0`);

  return {
    writeMemory,
    readMemory,
    writeRegister: write,
    readRegister: read,
    barOf,
    dma: async (device, { iova, data, at, pasid, privileged, execute }: Dma) => {
      if (at !== 'untranslated' || pasid !== undefined || privileged === false || execute === true) {
        throw new ScenarioError('QEMU makes untranslated, privileged requests without PASID only');
      }
      const length = data.dir === 'write' ? data.bytes.length : data.len;
      if (length > edu.longest) throw new ScenarioError(`QEMU's edu does DMA of at most ${edu.longest} bytes`);
      const saved = await readMemory(scratch, length);
      if (data.dir === 'write') {
        await aside(async () => {
          writeMemory(scratch, data.bytes);
          await transfer(device, scratch, edu.buffer, length, runCommand.toDevice);
          writeMemory(scratch, saved);
        });
        await transfer(device, edu.buffer, iova, length, runCommand.toMemory);
        return {};
      }
      await transfer(device, iova, edu.buffer, length, runCommand.toDevice);
      let found = saved;
      await aside(async () => {
        await transfer(device, edu.buffer, scratch, length, runCommand.toMemory);
        found = await readMemory(scratch, length);
        writeMemory(scratch, saved);
      });
      return { data: found };
    },
  };
}
