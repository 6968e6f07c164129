/**
 * This project's machine as a board for scenarios: memory, an SMMU, and a function for each device of the scenario.
 */
import { Memory } from '../memory.ts';
import type { Admission, MemoryRequest, Transaction } from '../pcie/messages.ts';
import { Smmu } from '../smmuv3/smmu.ts';
import type { Board, DmaOutcome } from './board.ts';
import { Functions } from './functions.ts';
import { hex } from './hex.ts';
import { type AccessSize, type DevicePlace, type Dma, memoryMap, type Scenario, streamIdOf } from './scenario.ts';

/** A board on a machine, to look into. */
export interface MachineBoard extends Board {
  readonly smmu: Smmu;
  /** Where DMA went that found no memory: physical addresses. */
  readonly lost: readonly bigint[];
}

/** A board on a new machine. */
export function machineBoard(scenario: Pick<Scenario, 'devices' | 'ram' | 'smmu' | 'privileged'>): MachineBoard {
  const memory = new Memory({ ranges: [{ base: memoryMap.ram, size: scenario.ram }] });
  const smmu = new Smmu(memory, { identity: scenario.smmu });
  const functions = new Functions(smmu, scenario.devices);
  const lost: bigint[] = [];

  const offsetOf = (address: bigint, size: AccessSize): { offset: number; size: 4 | 8 } => {
    if (address < memoryMap.smmu || address + BigInt(size) > memoryMap.smmu + memoryMap.smmuSize) {
      throw new RangeError(
        `no register is at ${hex(address)}: the SMMU has ${hex(memoryMap.smmuSize)} bytes from ${hex(memoryMap.smmu)}`,
      );
    }
    if (size !== 4 && size !== 8) throw new RangeError(`registers are read and written by 4 or 8 bytes, not ${size}`);
    return { offset: Number(address - memoryMap.smmu), size };
  };

  return {
    smmu,
    lost,
    writeMemory: (address, bytes) => memory.write(address, bytes),
    readMemory: (address, length) => memory.read(address, length),
    writeRegister: (address, size, value) => {
      if (memory.isBacked(address, size)) {
        memory.write(address, bytesOf(value, size));
        return;
      }
      const place = offsetOf(address, size);
      smmu.writeRegister(place.offset, place.size, value);
    },
    readRegister: (address, size) => {
      if (memory.isBacked(address, size)) return valueOf(memory.read(address, size));
      const place = offsetOf(address, size);
      return smmu.readRegister(place.offset, place.size);
    },
    barOf: (device) => memoryMap.bars + (BigInt(scenario.devices.findIndex(({ name }) => name === device.name)) << 20n),
    dma: (device, dma) =>
      dma.at === 'ats'
        ? functions.dma(device, dma)
        : untranslatedDma({ smmu, memory, lost }, device, {
            ...dma,
            privileged: dma.privileged ?? (dma.pasid === undefined && scenario.privileged),
          }),
    services: functions,
  };
}

/** A number as it stands in memory. */
function bytesOf(value: bigint, size: AccessSize): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes.subarray(0, size);
}

function valueOf(bytes: Uint8Array): bigint {
  const word = new Uint8Array(8);
  word.set(bytes);
  return new DataView(word.buffer).getBigUint64(0, true);
}

/** What stands behind the functions. */
interface Host {
  readonly smmu: Smmu;
  readonly memory: Memory;
  readonly lost: bigint[];
}

/** Bytes that a DMA moves by one request at most: PCIe requests do not cross a 4 KiB boundary. */
const page = 4096n;

/**
 * A DMA as the host bridge makes it: page by page. After a fault it goes on, with what remains in naturally aligned requests of
 * up to 4 bytes, until one is admitted again: as QEMU does, and as a device may that retries. Nothing of what faulted is written,
 * and it is read as zeros.
 */
function untranslatedDma(host: Host, device: DevicePlace, dma: Dma): DmaOutcome {
  const { data, iova, pasid, privileged, execute } = dma;
  const length = data.dir === 'write' ? data.bytes.length : data.len;
  const read = new Uint8Array(length);
  const stalled: number[] = [];
  for (let done = 0; done < length;) {
    const address = BigInt.asUintN(64, iova + BigInt(done));
    const whole = Math.min(length - done, Number(page - (address % page)));
    const common = {
      streamId: streamIdOf(device),
      translated: dma.at === 'translated',
      address,
      ...(pasid === undefined ? {} : { pasid }),
      ...(pasid !== undefined && privileged !== undefined ? { privileged } : {}),
      ...(pasid === undefined && dma.at === 'untranslated' ? { privilegedClient: privileged === true } : {}),
      ...(execute === undefined ? {} : { execute }),
    };
    const request: MemoryRequest =
      data.dir === 'write'
        ? { ...common, kind: 'write', bytes: data.bytes.subarray(done, done + whole) }
        : { ...common, kind: 'read', length: whole };
    const admission: Admission = host.smmu.admit(request);
    if (admission.outcome === 'admitted') {
      read.set(dataOf(host, admission.transaction), done);
      done += whole;
    } else if (admission.outcome === 'stalled') {
      // It waits in the SMMU; the pages behind it do not.
      stalled.push(admission.stag);
      done += whole;
    } else {
      done += retried(address, length - done);
    }
  }
  return {
    ...(data.dir === 'read' ? { data: read } : {}),
    ...(stalled.length === 0 ? {} : { more: { stalled } }),
  };
}

/** How much of what remains is tried by itself after a fault: a power of two up to 4, to which the address is aligned. */
function retried(address: bigint, remaining: number): number {
  return [4, 2, 1].find((size) => size <= remaining && address % BigInt(size) === 0n) ?? 1;
}

/** What reaches memory, and of a read the data; where no memory is, nothing is written and zeros are read. */
function dataOf({ smmu, memory, lost }: Host, transaction: Transaction): Uint8Array {
  const data = smmu.reachMemory(transaction);
  for (const { physical, offset, length } of transaction.pieces) {
    if (memory.isBacked(physical, length)) continue;
    data.fill(0, offset, offset + length);
    lost.push(physical);
  }
  return data;
}
