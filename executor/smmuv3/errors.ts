/**
 * Global errors: a flag of GERROR is active while it differs from its flag in GERRORN, by which software acknowledges it
 * (IHI 0070, 7.5); and the reasons for which a command queue stops (7.1).
 */
import { isSet } from '../bits.ts';
import type { Registers } from './registers.ts';

/** The bits of GERROR and GERRORN (6.3.19). */
export const globalErrors = {
  CMDQ_ERR: 0,
  EVENTQ_ABT_ERR: 2,
  PRIQ_ABT_ERR: 3,
  MSI_CMDQ_ABT_ERR: 4,
  MSI_EVENTQ_ABT_ERR: 5,
  MSI_PRIQ_ABT_ERR: 6,
  MSI_GERROR_ABT_ERR: 7,
  SFM_ERR: 8,
  CMDQP_ERR: 9,
} as const;

/** The name of a global error. */
export type GlobalError = keyof typeof globalErrors;

/** CMDQ_CONS.ERR (7.1). */
export const commandErrors = {
  CERROR_NONE: 0,
  CERROR_ILL: 1,
  CERROR_ABT: 2,
  CERROR_ATC_INV_SYNC: 3,
} as const;

/** Why a command queue stopped. */
export type CommandError = Exclude<keyof typeof commandErrors, 'CERROR_NONE'>;

/** Whether an error waits for its acknowledgement. */
export function isActive(registers: Registers, error: GlobalError): boolean {
  return isSet(registers.get('GERROR') ^ registers.get('GERRORN'), globalErrors[error]);
}

/** Toggles the flag of an error that is not active yet. Returns whether it was toggled: one that is active is not logged. */
export function activate(registers: Registers, error: GlobalError): boolean {
  if (isActive(registers, error)) {
    return false;
  }
  registers.put('GERROR', registers.get('GERROR') ^ (1n << BigInt(globalErrors[error])));
  return true;
}
