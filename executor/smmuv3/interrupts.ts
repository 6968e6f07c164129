/**
 * The interrupts of the SMMU as a list of edges, with the message that was written for each, if any (IHI 0070, 3.18).
 */
import type { Memory } from '../memory.ts';
import type { Identity } from './identity.ts';
import { outputBits } from './identity.ts';
import type { GlobalError } from './errors.ts';
import { activate } from './errors.ts';
import { mask } from '../bits.ts';
import type { Registers } from './registers.ts';

/** Where an interrupt comes from. */
export type InterruptSource = 'event queue' | 'priq' | 'gerror' | 'sync';

/** A message-signalled interrupt: a 32-bit write. */
export interface Message {
  readonly address: bigint;
  readonly data: number;
}

/** One edge; `message` if one was written to memory too. */
export interface Interrupt {
  readonly source: InterruptSource;
  readonly message?: Message;
}

const queues = {
  'event queue': { register: 'EVENTQ', abort: 'MSI_EVENTQ_ABT_ERR' },
  priq: { register: 'PRIQ', abort: 'MSI_PRIQ_ABT_ERR' },
  gerror: { register: 'GERROR', abort: 'MSI_GERROR_ABT_ERR' },
} as const;

/** Raises interrupts; global errors pass through here, as each of them can raise one. */
export class Interrupts {
  /** The edges so far, oldest first. */
  readonly raised: Interrupt[] = [];
  readonly #memory: Memory;
  readonly #identity: Identity;
  readonly #registers: Registers;

  constructor(memory: Memory, identity: Identity, registers: Registers) {
    this.#memory = memory;
    this.#identity = identity;
    this.#registers = registers;
  }

  /** An interrupt of a queue, or of GERROR: nothing unless IRQ_CTRL enables it. */
  raise(source: Exclude<InterruptSource, 'sync'>): void {
    const { register, abort } = queues[source];
    if (!this.#registers.interruptEnabled(register)) {
      return;
    }
    const address = this.#registers.get(`${register}_IRQ_CFG0`);
    const data = Number(this.#registers.get(`${register}_IRQ_CFG1`));
    this.#edge(source, { address, data }, abort);
  }

  /** The completion signal of CMD_SYNC with CS = 1 (4.7.3); no register enables it. */
  signalSync(message: Message): void {
    this.#edge('sync', message, 'MSI_CMDQ_ABT_ERR');
  }

  /** Activates a global error, and its interrupt unless the error is that this interrupt's own message aborted (7.5.1). */
  error(error: GlobalError): void {
    if (activate(this.#registers, error) && error !== 'MSI_GERROR_ABT_ERR') {
      this.raise('gerror');
    }
  }

  #edge(source: InterruptSource, message: Message, abort: GlobalError): void {
    // Only the whole field being zero means "no message"; then the address is cut to the physical address size (4.7.3).
    const address = message.address & mask(outputBits(this.#identity));
    if (!this.#identity.MSI || message.address === 0n) {
      this.raised.push({ source });
      return;
    }
    if (!this.#memory.isBacked(address, 4)) {
      // The wired edge of the same occurrence is asserted all the same.
      this.raised.push({ source });
      this.error(abort);
      return;
    }
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, message.data, true);
    this.#memory.write(address, bytes);
    this.raised.push({ source, message: { address, data: message.data } });
  }
}
