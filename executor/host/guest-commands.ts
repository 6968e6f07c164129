/**
 * What a host does with the commands of a guest that owns stage 1 of its streams (NEST-08): it puts in the VMID and the
 * physical StreamID, and refuses what a guest may not say.
 */
import type { Command, CommandToEncode } from '../smmuv3/commands.ts';

/** A guest, as the host knows it. */
export interface Guest {
  readonly vmid: number;
  /** The physical StreamID of a guest's; `undefined`: it has no such device. */
  streamOf(sid: number): number | undefined;
}

/** The command for the SMMU, or why the guest gets CERROR_ILL. */
export type Converted =
  | { readonly ok: true; readonly command: CommandToEncode }
  | { readonly ok: false; readonly why: string };

/** Converts a guest's command. */
export function convertGuestCommand(command: Command, guest: Guest): Converted {
  const { vmid } = guest;
  // Everything of this guest, not of the machine.
  if (command.op === 'TLBI_NSNH_ALL') return { ok: true, command: { op: 'TLBI_NH_ALL', vmid } };
  if (
    command.op === 'TLBI_NH_ALL' ||
    command.op === 'TLBI_NH_ASID' ||
    command.op === 'TLBI_NH_VA' ||
    command.op === 'TLBI_NH_VAA'
  ) {
    return { ok: true, command: { ...command, vmid } };
  }
  if (command.op === 'CFGI_CD' || command.op === 'CFGI_CD_ALL' || command.op === 'ATC_INV') {
    const sid = guest.streamOf(command.sid);
    if (sid === undefined) return { ok: false, why: `the guest has no stream ${command.sid}` };
    return { ok: true, command: { ...command, sid } };
  }
  return { ok: false, why: `a guest may not send ${command.op}` };
}
