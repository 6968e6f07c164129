/**
 * Errata by which a CMD_TLBI_* is consumed without dropping anything. Hardware that has one may lose a command, and need not: the
 * caller decides, by hand.
 */
import { isTlbi } from './command-queue.ts';
import type { Command } from './commands.ts';
import type { SmmuDefects } from './defects.ts';

export class LostTlbis {
  readonly #defects: SmmuDefects;
  /** The kinds of TLBI whose last command was lost, with their VMID. */
  readonly #lost = new Set<string>();

  constructor(defects: SmmuDefects) {
    this.#defects = defects;
  }

  /** Whether the last command of this kind and VMID was lost. */
  wasLost(op: Command['op'], vmid: number): boolean {
    return this.#lost.has(keyOf(op, vmid));
  }

  /** Whether hardware may lose a command now. `beside`: the others between the same CMD_SYNCs that are not complete. */
  mayLose(command: Command, beside: readonly Command[]): boolean {
    if (!isTlbi(command)) return false;
    const { losesTlbiOnce, losesTlbiBesideOthers, losesNestedTlbi } = this.#defects;
    return (
      (losesTlbiOnce === true && !this.#lost.has(keyOfCommand(command))) ||
      (losesTlbiBesideOthers === true && beside.some(({ op }) => op !== command.op && op !== 'SYNC')) ||
      (losesNestedTlbi === true && command.op.startsWith('TLBI_NH_'))
    );
  }

  /** A TLBI was lost, or took effect. */
  note(command: Command, lost: boolean): void {
    // Only of the erratum by which a repetition helps.
    if (this.#defects.losesTlbiOnce !== true) return;
    if (lost) this.#lost.add(keyOfCommand(command));
    else this.#lost.delete(keyOfCommand(command));
  }
}

function keyOfCommand(command: Command): string {
  return keyOf(command.op, 'vmid' in command ? command.vmid : undefined);
}

function keyOf(op: Command['op'], vmid: number | undefined): string {
  return `${op} ${vmid ?? 'of no VMID'}`;
}
