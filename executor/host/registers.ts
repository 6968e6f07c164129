/**
 * The SMMU as its driver sees it: registers by name.
 */
import { type RegisterName, registerMap } from '../smmuv3/registers.ts';
import type { HostStep } from './steps.ts';

/** Reads and writes of the register space; offsets in bytes. */
export interface RegisterPort {
  readRegister(offset: number, size: 4 | 8): bigint;
  writeRegister(offset: number, size: 4 | 8, value: bigint): void;
}

/** The value of a register. */
export function readByName(port: RegisterPort, name: RegisterName): bigint {
  const { offset, size } = registerMap[name];
  return port.readRegister(offset, size);
}

/** Writes a register; the step says so. */
export function writeByName(port: RegisterPort, register: RegisterName, value: bigint, what: string): HostStep {
  const { offset, size } = registerMap[register];
  port.writeRegister(offset, size, value);
  return { kind: 'register', what, register };
}
