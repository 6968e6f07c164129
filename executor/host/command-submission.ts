/**
 * The software side of the command queue: entries are written, then CMDQ_PROD; completion is known from a CMD_SYNC that
 * CMDQ_CONS has passed. And the recovery from command errors (IHI 0070, 3.5, 4.7.3, 7.1).
 */
import { bits } from '../bits.ts';
import type { Memory } from '../memory.ts';
import { type Command, type CommandToEncode, commandLength, decodeCommand, encodeCommand } from '../smmuv3/commands.ts';
import { type CommandError, commandErrors } from '../smmuv3/errors.ts';
import { advance, entryAddress, occupancy, positionOf, type Ring } from '../smmuv3/ring.ts';
import { readByName, type RegisterPort, writeByName } from './registers.ts';
import type { HostStep, Steps } from './steps.ts';

/** A command error that the driver met, and the command that CMDQ_CONS pointed at. */
export interface MetCommandError {
  readonly error: CommandError;
  /** How many commands had been queued before it. */
  readonly ordinal: number;
  readonly command: Command;
}

/** How a CMD_SYNC ended. `ATC invalidation timed out`: an endpoint did not answer, and may still hold what was dropped. */
export type SyncResult = 'complete' | 'ATC invalidation timed out';

/** CMD_SYNC without a completion signal: software polls. Shareability and attributes as drivers set them. */
const sync = { op: 'SYNC', cs: 0, msh: 3, msiAttr: 0xf } as const satisfies CommandToEncode;

export class CommandSubmission {
  /** The errors so far, oldest first. */
  readonly errors: MetCommandError[] = [];
  readonly #memory: Memory;
  readonly #registers: RegisterPort;
  readonly #ring: Ring;
  /** How many commands were written ever: CMDQ_PROD is this, cut to index and wrap bit. */
  #written = 0;
  /** Whether an operation has written entries that CMDQ_PROD does not yet show: entries are published in order. */
  #busy = false;

  /** A queue that is empty: PROD and CONS are zero. */
  constructor(memory: Memory, registers: RegisterPort, ring: Ring) {
    this.#memory = memory;
    this.#registers = registers;
    this.#ring = ring;
  }

  /** Queues commands, without waiting for them. */
  *queue(commands: readonly CommandToEncode[]): Steps<void> {
    yield* this.#write(commands);
  }

  /** Queues commands and a CMD_SYNC, and waits until CMDQ_CONS has passed it. */
  *complete(commands: readonly CommandToEncode[]): Steps<SyncResult> {
    const ordinal = yield* this.#write([...commands, sync]);
    while (this.#consumed <= ordinal) yield { kind: 'wait', what: 'CMD_SYNC' };
    const timedOut = this.errors.some((met) => met.error === 'CERROR_ATC_INV_SYNC' && met.ordinal === ordinal);
    return timedOut ? 'ATC invalidation timed out' : 'complete';
  }

  /** The error that CMDQ_CONS reports. */
  get error(): CommandError | undefined {
    const code = Number(bits(readByName(this.#registers, 'CMDQ_CONS'), 30, 24));
    return (Object.keys(commandErrors) as (CommandError | 'CERROR_NONE')[]).find(
      (name): name is CommandError => name !== 'CERROR_NONE' && commandErrors[name] === code,
    );
  }

  /**
   * Mends what CMDQ_CONS points at, so that consumption can go on once GERRORN acknowledges: an illegal command becomes a
   * CMD_SYNC; a CMD_SYNC after an ATC time-out, and a fetch that aborted, are tried again as they are.
   */
  *mend(): Steps<MetCommandError | undefined> {
    const { error } = this;
    if (error === undefined) return undefined;
    const ordinal = this.#consumed;
    const raw = this.#memory.isBacked(this.#address(ordinal), commandLength)
      ? this.#memory.read(this.#address(ordinal), commandLength)
      : new Uint8Array(commandLength);
    const met = { error, ordinal, command: decodeCommand(raw) };
    this.errors.push(met);
    if (error === 'CERROR_ILL') yield this.#store(ordinal, sync, 'CMD_SYNC in place of an illegal command');
    return met;
  }

  /** Writes entries and CMDQ_PROD; the ordinal of the last. */
  *#write(commands: readonly CommandToEncode[]): Steps<number> {
    while (this.#busy) yield { kind: 'wait', what: 'the lock of the command queue' };
    this.#busy = true;
    for (const command of commands) {
      if (this.#isFull) {
        yield this.#publish();
        while (this.#isFull) yield { kind: 'wait', what: 'room in the command queue' };
      }
      const step = this.#store(this.#written, command, `CMD_${command.op}`);
      this.#written++;
      yield step;
    }
    const last = this.#written - 1;
    // The lock is given back with the write that publishes.
    this.#busy = false;
    yield this.#publish();
    return last;
  }

  #store(ordinal: number, command: CommandToEncode, what: string): HostStep {
    const address = this.#address(ordinal);
    this.#memory.write(address, encodeCommand(command));
    return { kind: 'store', what, address };
  }

  #publish(): HostStep {
    return writeByName(this.#registers, 'CMDQ_PROD', BigInt(advance(this.#ring, 0, this.#written)), 'CMDQ_PROD');
  }

  #address(ordinal: number): bigint {
    return entryAddress(this.#ring, advance(this.#ring, 0, ordinal));
  }

  /** How many commands CMDQ_CONS has passed. */
  get #consumed(): number {
    const consumer = positionOf(this.#ring, readByName(this.#registers, 'CMDQ_CONS'));
    return this.#written - occupancy(this.#ring, { producer: advance(this.#ring, 0, this.#written), consumer });
  }

  get #isFull(): boolean {
    return this.#written - this.#consumed >= 2 ** this.#ring.sizeLog2;
  }
}
