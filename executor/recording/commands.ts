/**
 * Whether a recorded command is understood: it decodes, its fields give the same 16 bytes again, and it is what the recording
 * calls it.
 */
import { type Command, decodeCommand, encodeCommand } from '../smmuv3/commands.ts';
import { hexOf } from './hex.ts';
import type { RecordOf } from './records.ts';

/** The command, and what is wrong with it, if anything is. */
export interface JudgedCommand {
  readonly command: Command;
  readonly wrong?: string;
}

/** Decodes a recorded command. */
export function judgeCommand({ hex, op }: RecordOf<'cmd'>): JudgedCommand {
  const command = decodeCommand(hex);
  if (command.op === 'unknown') {
    return { command, wrong: `there is no command with the opcode 0x${command.opcode.toString(16)}` };
  }
  const again = hexOf(encodeCommand(command));
  if (again !== hexOf(hex))
    return { command, wrong: `${hexOf(hex)} has bits that CMD_${command.op} has not: ${again}` };
  if (op !== undefined && nameOf(op) !== nameOf(command.op)) {
    return { command, wrong: `${hexOf(hex)} is CMD_${command.op}, the recording says ${op}` };
  }
  return { command };
}

/** Recorders name commands with or without prefixes, and CFGI_ALL by its opcode, which is that of CFGI_STE_RANGE (4.3.3). */
function nameOf(op: string): string {
  const name = op.toUpperCase().replace(/^(SMMU_)?CMDQ?_(OP_)?/, '');
  return name === 'CFGI_ALL' ? 'CFGI_STE_RANGE' : name;
}
