/**
 * Command queues beside the one of CMDQ_BASE: enhanced command queues (IHI 0070, 3.5.6), and queues that a guest owns, where
 * hardware puts in the VMID and maps StreamIDs (as Tegra241's CMDQ-V does).
 */
import type { CommandQueue, CommandQueueControls } from './command-queue.ts';
import type { Command } from './commands.ts';
import type { CommandError } from './errors.ts';
import type { Ring } from './ring.ts';
import { positionOf } from './ring.ts';

/** Whose commands a queue of a guest holds. */
export interface GuestOfQueue {
  /** Put into each TLBI command. */
  readonly vmid: number;
  /** From the StreamIDs that the guest knows to those of the functions. */
  readonly streams: ReadonlyMap<number, number>;
}

/** What such a queue does to the rest of the SMMU. */
interface Host {
  /** Commands may have come: PROD was written, or an error acknowledged. */
  progress(): void;
  /** GERROR.CMDQP_ERR. */
  fail(): void;
  queue(controls: CommandQueueControls): CommandQueue;
}

/** One additional queue, with its own PROD, CONS and error. */
export class AdditionalCommandQueue {
  readonly ring: Ring;
  /** The commands, as of the queue of CMDQ_BASE. */
  readonly commands: CommandQueue;
  readonly #host: Host;
  #producer = 0;
  #consumer = 0;
  #error: CommandError | undefined;

  constructor(ring: Ring, guest: GuestOfQueue | undefined, host: Host) {
    this.ring = ring;
    this.#host = host;
    const producer = (): number => this.#producer;
    const consumer = (): number => this.#consumer;
    const failed = (): boolean => this.#error !== undefined;
    this.commands = host.queue({
      ring,
      enabled: true,
      get producer() {
        return producer();
      },
      get consumer() {
        return consumer();
      },
      get failed() {
        return failed();
      },
      consumed: (position) => {
        this.#consumer = position;
      },
      fail: (error) => {
        this.#error = error;
        host.fail();
      },
      ...(guest === undefined ? {} : { translate: (command) => commandOfGuest(command, guest) }),
    });
  }

  /** CONS.RD with its wrap bit. */
  get consumer(): number {
    return this.#consumer;
  }

  /** Why the queue stopped, until it is acknowledged. */
  get error(): CommandError | undefined {
    return this.#error;
  }

  /** Writes PROD. */
  writeProducer(position: number): void {
    this.#producer = positionOf(this.ring, BigInt(position));
    this.#host.progress();
  }

  /** Acknowledges the error: commands are fetched again. */
  acknowledge(): void {
    this.#error = undefined;
    this.#host.progress();
  }
}

/**
 * What hardware makes of a guest's command; `undefined`: it is illegal there. A guest may invalidate its own translations by
 * ASID and by VA, and its ATCs, and wait for that: no more is known of the guest queues of Tegra241 (Linux
 * tegra241_guest_vcmdq_supports_cmd).
 */
function commandOfGuest(command: Command, guest: GuestOfQueue): Command | undefined {
  if (command.op === 'TLBI_NH_ASID' || command.op === 'TLBI_NH_VA') {
    return { ...command, vmid: guest.vmid };
  }
  if (command.op === 'ATC_INV') {
    const sid = guest.streams.get(command.sid);
    return sid === undefined ? undefined : { ...command, sid };
  }
  return command.op === 'SYNC' ? command : undefined;
}
