/**
 * The command queue of a guest, in its memory: its own, which the SMMU consumes and puts the VMID into, or a trapped one, which the
 * VMM reads. A trapped queue has the commands up to a CMD_SYNC taken out of it in any order.
 */
import { type Command, type CommandToEncode, commandLength, decodeCommand, encodeCommand } from '../smmuv3/commands.ts';
import type { AdditionalCommandQueue, GuestOfQueue } from '../smmuv3/additional-command-queue.ts';
import type { Blocked, CommandQueue, QueuedCommand } from '../smmuv3/command-queue.ts';
import { advance, entryAddress, entryLength, indexOf, type Ring } from '../smmuv3/ring.ts';
import { type Placed, sync } from './driver-queue.ts';
import { type Refusal, refuse } from './lowering.ts';
import type { Platform } from './platform.ts';

export class GuestQueue {
  readonly ring: Ring;
  readonly #platform: Platform;
  /** Of a queue that the SMMU consumes. */
  readonly #own: AdditionalCommandQueue | undefined;
  readonly #issuers = new Map<number, number>();
  /** The slots of the CMD_SYNCs that are not complete, oldest first. */
  readonly #syncs: number[] = [];
  /** The slots of the CMD_SYNCs that were written over commands that the SMMU refuses. */
  readonly #skipped = new Set<number>();
  /** The slots of the commands that the VMM has taken out of order. */
  readonly #taken = new Set<number>();
  #producer = 0;
  /** Of a trapped queue. */
  #consumer = 0;

  /** At `base`, with 32 entries. `consumer`: the guest as the SMMU knows it, or the VMM. */
  constructor(platform: Platform, base: bigint, consumer: GuestOfQueue | 'vmm') {
    this.#platform = platform;
    this.ring = { base, sizeLog2: 5, entryLength: entryLength.command };
    if (consumer !== 'vmm') this.#own = platform.smmu.addCommandQueue({ base, sizeLog2: 5, guest: consumer });
  }

  /** The guest writes commands into the ring, then PROD; for `null` a CMD_SYNC for whose sake somebody waits. */
  submit(entries: readonly { readonly command: CommandToEncode | null; readonly issuer: number | null }[]): void {
    if (entries.length === 0) return;
    for (const { command, issuer } of entries) {
      const slot = indexOf(this.ring, this.#producer);
      this.#platform.memory.write(entryAddress(this.ring, this.#producer), encodeCommand(command ?? sync));
      if (command === null) this.#syncs.push(slot);
      if (issuer === null) this.#issuers.delete(slot);
      else this.#issuers.set(slot, issuer);
      this.#skipped.delete(slot);
      this.#producer = advance(this.ring, this.#producer);
    }
    this.#own?.writeProducer(this.#producer);
    this.#own?.commands.consume();
  }

  /** For whose sake the CMD_SYNC in a slot was queued. */
  issuerOf(slot: number): number | undefined {
    return this.#issuers.get(slot);
  }

  /** The commands before the next CMD_SYNC that it waits for, with what the guest wrote. */
  get window(): readonly Placed[] {
    const commands = this.#own?.commands;
    const fetched = (commands?.window ?? [])
      .filter((queued) => queued.command.op !== 'SYNC' && queued.invalidation?.state !== 'complete')
      .filter((queued) => commands?.blockedBy(queued) !== undefined)
      .map((queued) => ({ command: decodeCommand(queued.raw), slot: queued.slot, queued }));
    const { unconsumed } = this;
    return [...fetched, ...unconsumed.slice(0, firstSync(unconsumed))];
  }

  /** That CMD_SYNC and all behind it. */
  get behind(): readonly Placed[] {
    const { unconsumed } = this;
    return unconsumed.slice(firstSync(unconsumed));
  }

  /** What lies between CONS and PROD, but for commands that were taken or are skipped. */
  get unconsumed(): readonly Placed[] {
    const found: Placed[] = [];
    const from = this.#own?.consumer ?? this.#consumer;
    for (let at = from; at !== this.#producer; at = advance(this.ring, at)) {
      const slot = indexOf(this.ring, at);
      if (this.#taken.has(slot) || this.#skipped.has(slot)) continue;
      const raw = this.#platform.memory.read(entryAddress(this.ring, at), commandLength);
      found.push({ command: decodeCommand(raw), slot, queued: undefined });
    }
    return found;
  }

  // The VMM.

  /** The VMM takes the first command before the next CMD_SYNC that fits, and says what it is. */
  take(fits: (command: Command) => boolean): Command | undefined {
    const found = this.#own === undefined ? this.window.find(({ command }) => fits(command)) : undefined;
    if (found !== undefined) this.#taken.add(found.slot);
    return found?.command;
  }

  /** The VMM advances CONS behind the next CMD_SYNC. */
  advance(): void {
    const [next] = this.behind;
    if (this.#own !== undefined || next === undefined) throw new Error('the VMM has no CMD_SYNC to complete');
    while (indexOf(this.ring, this.#consumer) !== next.slot) this.#step();
    this.#step();
    this.#syncs.shift();
  }

  #step(): void {
    this.#taken.delete(indexOf(this.ring, this.#consumer));
    this.#consumer = advance(this.ring, this.#consumer);
  }

  // The SMMU.

  /** Whether the SMMU consumes it. */
  get isOwn(): boolean {
    return this.#own !== undefined;
  }

  /** The first command of the window that fits and has had no effect yet; it has the VMID and the StreamID of the hardware. */
  waiting(fits: (command: Command) => boolean): QueuedCommand | undefined {
    return this.#own?.commands.window.find(({ state, command }) => state === 'fetched' && fits(command));
  }

  /** Gives that command its effect. */
  perform(fits: (command: Command) => boolean): Refusal | undefined {
    return this.#effect(fits, (commands, found) => commands.perform(found));
  }

  /** That TLBI takes effect without dropping anything, where an erratum lets it. */
  lose(fits: (command: Command) => boolean): Refusal | undefined {
    return this.#effect(fits, (commands, found) => commands.lose(found));
  }

  #effect(
    fits: (command: Command) => boolean,
    work: (commands: CommandQueue, found: QueuedCommand) => Blocked | undefined,
  ): Refusal | undefined {
    const commands = this.#own?.commands;
    const found = this.waiting(fits);
    if (commands === undefined || found === undefined) return refuse('no such command is in the window');
    const blocked = work(commands, found);
    if (blocked !== undefined) return refuse(blocked.reason);
    this.settle();
    return undefined;
  }

  /**
   * The SMMU has stopped at a command that it refuses. As a driver does, the guest writes a CMD_SYNC over it that nobody waits for,
   * and acknowledges the error.
   */
  skip(): Refusal | undefined {
    const own = this.#own;
    if (own?.error !== 'CERROR_ILL') return refuse('the queue has not stopped at an illegal command');
    this.#platform.memory.write(entryAddress(this.ring, own.consumer), encodeCommand(sync));
    this.#skipped.add(indexOf(this.ring, own.consumer));
    own.acknowledge();
    own.commands.consume();
    this.settle();
    return undefined;
  }

  /** CMD_SYNCs that nobody waits for complete as soon as they can. */
  settle(): void {
    const commands = this.#own?.commands;
    for (let last = commands?.window.at(-1); last?.command.op === 'SYNC'; last = commands?.window.at(-1)) {
      if (!this.#skipped.has(last.slot) || commands?.completeSync().complete !== true) return;
      commands.consume();
    }
  }

  /** The CMD_SYNC at the end of the window completes. `isAwaited`: its issuer does not wait for a later one as well. */
  completeSync(): Refusal | { readonly issuer: number | undefined; readonly isAwaited: boolean } {
    this.settle();
    const commands = this.#own?.commands;
    const slot = commands?.window.at(-1)?.slot ?? -1;
    const result = commands?.completeSync();
    if (result?.complete !== true) {
      return refuse(result !== undefined && 'blocked' in result ? result.blocked.reason : 'no queue, or an error');
    }
    commands?.consume();
    this.settle();
    this.#syncs.splice(this.#syncs.indexOf(slot), 1);
    const issuer = this.#issuers.get(slot);
    return { issuer, isAwaited: !this.#syncs.some((later) => this.#issuers.get(later) === issuer) };
  }
}

function firstSync(placed: readonly Placed[]): number {
  const at = placed.findIndex(({ command }) => command.op === 'SYNC');
  return at < 0 ? placed.length : at;
}
