/**
 * A QEMU that runs one scenario after the other: between two it is reset, and the memory that the last one used is cleared.
 */
import type { Board } from '../../executor/scenario/board.ts';
import { hex } from '../../executor/scenario/hex.ts';
import { runScenario } from '../../executor/scenario/run.ts';
import { memoryMap, type Scenario, type ScenarioResult } from '../../executor/scenario/scenario.ts';
import { registerMap } from '../../executor/smmuv3/registers.ts';
import type { QemuBinary } from './qemu-binary.ts';
import { qemuBoard } from './qemu-board.ts';
import { type Hardware, QemuProcess } from './qemu-process.ts';

/** Memory in units that are compared and cleared together. */
export const memoryUnit = 0x1_0000n;

/** What a scenario came to, and what lies in some units of memory after it, by their addresses. */
export interface Outcome extends ScenarioResult {
  readonly memory: ReadonlyMap<bigint, Uint8Array>;
}

/** Runs scenarios on one QEMU process, as long as they want the same functions and memory. */
export class QemuSession {
  readonly binary: QemuBinary;
  #process: QemuProcess | undefined;
  #board: Board | undefined;
  readonly #used = new Set<bigint>();

  constructor(binary: QemuBinary) {
    this.binary = binary;
  }

  /** Runs a scenario. DMA must go to the given units of memory only, or to memory that the scenario itself wrote to. */
  async run(scenario: Scenario, units: readonly bigint[] = []): Promise<Outcome> {
    try {
      return await this.#run(scenario, units);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #run(scenario: Scenario, units: readonly bigint[]): Promise<Outcome> {
    const board = await this.#prepared(scenario);
    const remembering: Board = {
      ...board,
      writeMemory: async (address, bytes) => {
        this.#use(address, bytes.length);
        await board.writeMemory(address, bytes);
      },
    };
    const { results, ok } = await runScenario(scenario, remembering);
    for (const start of units) this.#used.add(start);
    return { results, ok, memory: await contents(board, units) };
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = undefined;
  }

  async #prepared(hardware: Hardware): Promise<Board> {
    const running = this.#process;
    if (running === undefined || describe(running.hardware) !== describe(hardware)) {
      await this.stop();
      this.#process = await QemuProcess.start(this.binary, hardware);
      this.#used.clear();
      return (this.#board = await qemuBoard(this.#process));
    }
    // The event queue is written by QEMU itself.
    const events = (await this.#board?.readRegister(memoryMap.smmu + BigInt(registerMap.EVENTQ_BASE.offset), 8)) ?? 0n;
    this.#use(events & 0xf_ffff_ffff_ffe0n, Number(memoryUnit));
    for (const start of this.#used) running.qtest.send(`memset ${hex(start)} ${hex(memoryUnit)} 0x0`);
    this.#used.clear();
    await running.reset();
    return (this.#board = await qemuBoard(running));
  }

  #use(address: bigint, length: number): void {
    for (let at = address - (address % memoryUnit); at < address + BigInt(length); at += memoryUnit) this.#used.add(at);
  }
}

/** What lies in units of memory. */
export async function contents(board: Board, units: readonly bigint[]): Promise<ReadonlyMap<bigint, Uint8Array>> {
  const found = new Map<bigint, Uint8Array>();
  for (const start of units) found.set(start, await board.readMemory(start, Number(memoryUnit)));
  return found;
}

function describe({ devices, ram, qemu }: Hardware): string {
  return JSON.stringify([devices, String(ram), qemu.machine, qemu.trace, qemu.extraArgs]);
}
