/**
 * The command queue of `model/parts/command-queue.ts` on the machine: what a step of software has added to it is written into the
 * ring, and what is in the ring is read back as window and what stands behind.
 */
import type { QueuedCommand } from '../smmuv3/command-queue.ts';
import { type Command, type CommandToEncode, decodeCommand } from '../smmuv3/commands.ts';
import { advance, indexOf } from '../smmuv3/ring.ts';
import { type Refusal, refuse } from './lowering.ts';
import type { Platform } from './platform.ts';

/** A command queue as a state of a model has it: commands `C`, issuers `I`. */
interface AbstractQueue<C, I> {
  readonly window: Iterable<C>;
  readonly behind: Iterable<{ readonly command: C | null; readonly issuer: I | null }>;
}

/** An entry of it: a command, or for `null` a CMD_SYNC and who waits for it. */
export interface QueueEntry<C, I> {
  readonly command: C | null;
  readonly issuer: I | null;
}

/**
 * What a step has added to a queue, in an order in which it may stand in the ring: what came into the window has no order there,
 * and stands before all that is behind it.
 */
export function added<C, I>(before: AbstractQueue<C, I>, after: AbstractQueue<C, I>): readonly QueueEntry<C, I>[] {
  const left = [...before.window].map((command) => JSON.stringify(command));
  const ahead = [...after.window].filter((command) => {
    const known = left.indexOf(JSON.stringify(command));
    if (known >= 0) left.splice(known, 1);
    return known < 0;
  });
  const behind = [...after.behind].slice([...before.behind].length);
  return [...ahead.map((command) => ({ command, issuer: null })), ...behind];
}

/** Where a command of the ring is: its slot, and if the SMMU has fetched it what it has done with it. */
export interface Placed {
  readonly command: Command;
  readonly slot: number;
  readonly queued: QueuedCommand | undefined;
}

/** CMD_SYNC as drivers issue it that poll CMDQ_CONS. */
export const sync = { op: 'SYNC', cs: 0, msh: 3, msiAttr: 0xf } as const satisfies CommandToEncode;

/** The driver's side of the command queue; `I`: for whose sake commands and CMD_SYNCs are queued. */
export class DriverQueue<I> {
  readonly #platform: Platform;
  readonly #issuers = new Map<number, I>();
  /** The slots of the CMD_SYNCs that are not complete, oldest first. */
  readonly #syncs: number[] = [];
  readonly #same: (a: I, b: I) => boolean;

  /** `same`: whether two issuers are the same one. */
  constructor(platform: Platform, same: (a: I, b: I) => boolean) {
    this.#platform = platform;
    this.#same = same;
  }

  /** Writes commands into the ring, then PROD; for `null` a CMD_SYNC. */
  submit(entries: readonly { readonly command: CommandToEncode | null; readonly issuer: I | null }[]): void {
    if (entries.length === 0) return;
    const slots = this.#platform.submit(entries.map(({ command }) => command ?? sync));
    for (const [i, { command, issuer }] of entries.entries()) {
      const slot = slots[i] ?? 0;
      if (command === null) this.#syncs.push(slot);
      if (issuer === null) this.#issuers.delete(slot);
      else this.#issuers.set(slot, issuer);
    }
  }

  /** For whose sake the command in a slot was queued. */
  issuerOf(slot: number): I | undefined {
    return this.#issuers.get(slot);
  }

  /** The first command of the window that fits and has had no effect yet. */
  waiting(fits: (command: Command) => boolean): QueuedCommand | undefined {
    return this.#platform.smmu.commands.window.find(({ state, command }) => state === 'fetched' && fits(command));
  }

  /** Gives that command its effect. */
  perform(fits: (command: Command) => boolean): Refusal | undefined {
    const found = this.waiting(fits);
    if (found === undefined) return refuse('no such command is in the window');
    const blocked = this.#platform.perform(found);
    return blocked === undefined ? undefined : refuse(blocked);
  }

  /** That TLBI takes effect without dropping anything, where an erratum lets it. */
  lose(fits: (command: Command) => boolean): Refusal | undefined {
    const found = this.waiting(fits);
    if (found === undefined) return refuse('no such command is in the window');
    const blocked = this.#platform.smmu.commands.lose(found);
    return blocked === undefined ? undefined : refuse(blocked.reason);
  }

  /**
   * The CMD_SYNC at the end of the window completes, or fails and is tried again after the driver has acknowledged the error.
   * `isAwaited`: its issuer does not wait for a later one as well.
   */
  completeSync(): Refusal | { readonly issuer: I | undefined; readonly failed: boolean; readonly isAwaited: boolean } {
    const result = this.#platform.completeSync();
    if (!result.complete) return refuse(result.blocked);
    this.#syncs.splice(this.#syncs.indexOf(result.slot), 1);
    const issuer = this.#issuers.get(result.slot);
    const isAwaited = !this.#syncs.some((slot) => {
      const later = this.#issuers.get(slot);
      return issuer !== undefined && later !== undefined && this.#same(issuer, later);
    });
    return { issuer, failed: result.met !== undefined, isAwaited };
  }

  /** The commands before the next CMD_SYNC that it waits for, or fails by. An answered ATC_INV is not among them. */
  get window(): readonly Placed[] {
    const { window } = this.#platform.smmu.commands;
    return window
      .filter((queued) => queued.command.op !== 'SYNC' && queued.invalidation?.state !== 'complete')
      .filter((queued) => this.#platform.isIncomplete(queued))
      .map((queued) => ({ command: queued.command, slot: queued.slot, queued }));
  }

  /** That CMD_SYNC and all behind it, as they lie in memory. */
  get behind(): readonly Placed[] {
    const { commands } = this.#platform.smmu;
    const { ring, positions, unconsumed } = commands;
    return unconsumed.map((raw, i) => ({
      command: decodeCommand(raw),
      slot: indexOf(ring, advance(ring, positions.consumer, i)),
      queued: undefined,
    }));
  }
}
