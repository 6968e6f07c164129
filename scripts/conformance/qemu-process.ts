/**
 * A QEMU with an SMMUv3 and DMA-capable functions, whose CPU sleeps: everything is done to it from outside.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DevicePlace, Scenario } from '../../executor/scenario/scenario.ts';
import type { QemuBinary } from './qemu-binary.ts';
import { Qtest } from './qtest.ts';

/** `wfi; b .-4`: with the CPU asleep, virtual time jumps from timer to timer, and waiting for a device costs nothing. */
const sleeping = Uint8Array.of(0x7f, 0x20, 0x03, 0xd5, 0xff, 0xff, 0xff, 0x17);

/** What a QEMU is started with. */
export type Hardware = Pick<Scenario, 'devices' | 'ram' | 'qemu'>;

/** A running QEMU. */
export class QemuProcess {
  readonly qtest: Qtest;
  readonly hardware: Hardware;
  readonly #child: ChildProcess;
  readonly #monitor: Socket;
  readonly #folder: string;
  #said = '';

  private constructor(hardware: Hardware, child: ChildProcess, folder: string, qtest: Qtest, monitor: Socket) {
    this.hardware = hardware;
    this.#child = child;
    this.#folder = folder;
    this.qtest = qtest;
    this.#monitor = monitor;
    monitor.setEncoding('utf8');
    monitor.on('data', (text: string) => (this.#said += text));
    monitor.on('error', () => undefined);
  }

  /** Throws `Error` with what QEMU wrote if it does not start. */
  static async start(binary: QemuBinary, hardware: Hardware): Promise<QemuProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'svacheck-qemu-'));
    writeFileSync(join(folder, 'sleeping.bin'), sleeping);
    const child = spawn(binary.path, [...binary.args, ...argumentsFor(hardware, folder)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    // Also where nobody comes to stop it.
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.removeListener('exit', kill));
    let complaints = '';
    child.stderr?.setEncoding('utf8');
    child.stderr?.on('data', (text: string) => (complaints = (complaints + text).slice(-4000)));
    const ended = new Promise<never>((_resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`${binary.path} ended with ${code}: ${complaints.trim()}`)));
    });
    ended.catch(() => undefined);
    try {
      const [qtest, monitor] = await Promise.race([
        ended,
        Promise.all([
          connected(join(folder, 'qtest')).then((socket) => new Qtest(socket)),
          connected(join(folder, 'monitor')),
        ]),
      ]);
      const qemu = new QemuProcess(hardware, child, folder, qtest, monitor);
      monitor.write('{"execute":"qmp_capabilities"}\n');
      await qemu.#hears('"return"');
      return qemu;
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Resets the whole machine: registers and caches of the SMMU, and the functions. Memory keeps its contents. */
  async reset(): Promise<void> {
    this.#said = '';
    this.#monitor.write('{"execute":"system_reset"}\n');
    await this.#hears('"RESET"');
  }

  async stop(): Promise<void> {
    this.qtest.close();
    this.#monitor.destroy();
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGKILL');
      await once(this.#child, 'exit');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #hears(word: string): Promise<void> {
    const deadline = Date.now() + 10_000;
    while (!this.#said.includes(word)) {
      if (Date.now() > deadline || this.#child.exitCode !== null)
        throw new Error(`QEMU's monitor does not say ${word}`);
      await Promise.race([once(this.#monitor, 'data'), sleep(1000)]);
    }
  }
}

/** The functions on buses other than 0 are behind a root port each bus, in slots from the highest. */
export function rootPortSlots(devices: readonly DevicePlace[]): ReadonlyMap<number, number> {
  const buses = [...new Set(devices.map(({ bus }) => bus).filter((bus) => bus !== 0))];
  return new Map(buses.map((bus, index) => [bus, 31 - index]));
}

function argumentsFor({ devices, ram, qemu }: Hardware, folder: string): readonly string[] {
  const ports = [...rootPortSlots(devices)].flatMap(([bus, slot]) => [
    '-device',
    `pcie-root-port,id=port${bus},bus=pcie.0,chassis=${bus},slot=${bus},addr=${slot.toString(16)}.0`,
  ]);
  const functions = devices.flatMap(({ bus, slot, fn }) => {
    const place = `bus=${bus === 0 ? 'pcie.0' : `port${bus}`},addr=${slot.toString(16)}.${fn}`;
    return ['-device', `edu,${place},multifunction=on,dma_mask=0xffffffffffffffff`];
  });
  return [
    '-machine',
    qemu.machine ?? 'virt,iommu=smmuv3,highmem=off',
    '-cpu',
    'cortex-a53',
    '-m',
    `${ram >> 20n}M`,
    '-accel',
    'tcg',
    '-icount',
    'shift=0,align=off,sleep=off',
    '-bios',
    join(folder, 'sleeping.bin'),
    '-display',
    'none',
    '-nodefaults',
    '-qtest-log',
    '/dev/null',
    '-qtest',
    `unix:${join(folder, 'qtest')},server=on,wait=off`,
    '-qmp',
    `unix:${join(folder, 'monitor')},server=on,wait=off`,
    ...ports,
    ...functions,
    ...qemu.trace.flatMap((event) => ['-trace', event]),
    ...qemu.extraArgs,
  ];
}

/** A connection to a socket that QEMU is about to open. */
async function connected(path: string): Promise<Socket> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const socket = connect(path);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      socket.destroy();
      if (Date.now() > deadline) throw new Error(`QEMU does not open ${path}`, { cause: error });
      await sleep(10);
    }
  }
}
