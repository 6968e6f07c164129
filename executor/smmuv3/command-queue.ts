/**
 * A Command queue: commands are fetched from memory in order, take effect in any order up to the next CMD_SYNC, and CMD_SYNC
 * completes when all of them are complete (IHI 0070, 3.5, 4.1, 4.7.3, 7.1).
 *
 * In order, a write of PROD runs everything as far as it goes. By hand, `consume` fetches up to and with the next CMD_SYNC,
 * `perform` gives one command its effect, `timeOut` gives up on an Invalidate Request, and `completeSync` ends the batch; each
 * says why hardware could not do it now.
 */
import type { Memory } from '../memory.ts';
import type { InvalidateRequest, MemoryRequest, Transaction } from '../pcie/messages.ts';
import type { Command } from './commands.ts';
import { commandLength, decodeCommand, isIllegal } from './commands.ts';
import type { SmmuDefects } from './defects.ts';
import type { CommandError } from './errors.ts';
import type { Identity } from './identity.ts';
import type { OutstandingInvalidation } from './invalidation-tags.ts';
import type { LostTlbis } from './lost-tlbis.ts';
import type { Ring } from './ring.ts';
import { advance, entryAddress, indexOf, isConsistent, isEmpty } from './ring.ts';
import { mask } from '../bits.ts';

/** A command that was fetched, and that no CMD_SYNC has completed. */
export interface QueuedCommand {
  readonly command: Command;
  /** The 16 bytes that were fetched. */
  readonly raw: Uint8Array;
  /** Index of the entry in the queue. */
  readonly slot: number;
  /** `fetched`: without effect yet. `performed`: in effect; complete when nothing in `pending` is left. */
  readonly state: 'fetched' | 'performed' | 'timed out';
  /** Transactions that used what it dropped, and have not reached memory. */
  readonly pending: ReadonlySet<Transaction>;
  /** Of CMD_ATC_INV, the request to the function. */
  readonly invalidation: OutstandingInvalidation | undefined;
}

type Queued = {
  -readonly [K in keyof QueuedCommand]: QueuedCommand[K] extends ReadonlySet<infer T> ? Set<T> : QueuedCommand[K];
};

/** Why hardware cannot do something now. */
export type Blocked =
  | { readonly reason: 'the queue is disabled' | 'the queue has an error' | 'the queue is empty' }
  | { readonly reason: 'a CMD_SYNC waits'; readonly commands: readonly QueuedCommand[] }
  | { readonly reason: 'no CMD_SYNC waits' }
  | { readonly reason: 'the command has taken effect' | 'the command is not in the window' }
  | { readonly reason: 'hardware does not lose the command' }
  | { readonly reason: 'all ITags of the function are taken'; readonly streamId: number }
  | { readonly reason: 'commands without effect yet'; readonly commands: readonly QueuedCommand[] }
  | { readonly reason: 'functions have not answered'; readonly commands: readonly QueuedCommand[] }
  | { readonly reason: 'transactions have not reached memory'; readonly transactions: readonly Transaction[] };

/** What `consume` did. `blocked`: why it stopped, unless it was at a CMD_SYNC. */
export interface Consumed {
  readonly commands: readonly QueuedCommand[];
  readonly blocked?: Blocked;
  readonly error?: CommandError;
}

/** What `completeSync` did. */
export type SyncResult =
  | { readonly complete: true }
  | { readonly complete: false; readonly blocked: Blocked }
  | { readonly complete: false; readonly error: CommandError };

/** The registers of a queue. */
export interface CommandQueueControls {
  readonly ring: Ring;
  readonly enabled: boolean;
  readonly producer: number;
  readonly consumer: number;
  /** An error that software has not acknowledged. */
  readonly failed: boolean;
  /** Moves CONS. */
  consumed(consumer: number): void;
  /** Sets the reason, then makes the error visible. */
  fail(error: CommandError): void;
  /**
   * What hardware makes of a command of this queue: a queue of a guest has its VMID put in, and its StreamIDs mapped;
   * `undefined` if the queue must not hold the command.
   */
  translate?(command: Command): Command | undefined;
}

/** What commands do to the rest of the SMMU. */
export interface CommandEffects {
  /** CR0.SMMUEN. */
  readonly enabled: boolean;
  /** Transactions, not in memory yet, that used something that a TLBI or CFGI command drops. */
  usersOf(command: Command): readonly Transaction[];
  /** Translated transactions of a function, not in memory yet: they go ahead of its Invalidate Completion (ATS-23). */
  translatedOf(streamId: number): readonly Transaction[];
  invalidateTlb(command: Command): void;
  /** What errata have lost; the same for all queues. */
  readonly lostTlbis: LostTlbis;
  invalidateConfiguration(command: Command): void;
  takeTag(streamId: number): OutstandingInvalidation | undefined;
  /** Sends an Invalidate Request. Without such a function it is complete at once: an Unsupported Request is no error (3.9.1.5). */
  invalidate(streamId: number, request: InvalidateRequest): void;
  timeOut(request: OutstandingInvalidation): void;
  respond(command: Extract<Command, { op: 'PRI_RESP' }>): void;
  resume(command: Extract<Command, { op: 'RESUME' }>): void;
  terminateStalls(streamId: number): void;
  /** Before CMD_SYNC completes: event records of terminated transactions are visible. `invalidated`: it completed CFGI, TLBI. */
  makeEventsVisible(invalidated: boolean): void;
  signal(command: Extract<Command, { op: 'SYNC' }>): void;
}

/** One Command queue. */
export class CommandQueue {
  readonly #memory: Memory;
  readonly #identity: Identity;
  readonly #defects: SmmuDefects;
  readonly #controls: CommandQueueControls;
  readonly #effects: CommandEffects;
  #window: Queued[] = [];
  #running = false;

  constructor(parts: {
    memory: Memory;
    identity: Identity;
    defects: SmmuDefects;
    controls: CommandQueueControls;
    effects: CommandEffects;
  }) {
    this.#memory = parts.memory;
    this.#identity = parts.identity;
    this.#defects = parts.defects;
    this.#controls = parts.controls;
    this.#effects = parts.effects;
  }

  /** Where the queue lies in memory. */
  get ring(): Ring {
    return this.#controls.ring;
  }

  /** PROD.WR and CONS.RD with their wrap bits. */
  get positions(): { readonly producer: number; readonly consumer: number } {
    return { producer: this.#controls.producer, consumer: this.#controls.consumer };
  }

  /** What was fetched since the last CMD_SYNC, in the order of the queue; a CMD_SYNC that waits is the last. */
  get window(): readonly QueuedCommand[] {
    return this.#window;
  }

  /** The 16-byte commands between CONS and PROD that are not consumed yet. */
  get unconsumed(): readonly Uint8Array[] {
    const { ring, producer } = this.#controls;
    const raw = [];
    for (let at = this.#controls.consumer; at !== producer; at = advance(ring, at)) {
      raw.push(this.#memory.read(entryAddress(ring, at), commandLength));
    }
    return raw;
  }

  /**
   * Fetches commands up to and with the next CMD_SYNC into the window, and moves CONS past all but the CMD_SYNC. CMD_RESUME and
   * CMD_STALL_TERM take effect when they are consumed (4.8). Stops at an illegal command or an aborted fetch, which sets the
   * error of the queue.
   */
  consume(): Consumed {
    const commands: QueuedCommand[] = [];
    for (;;) {
      const next = this.#consumeOne();
      if ('blocked' in next || 'error' in next) {
        return { commands, ...next };
      }
      commands.push(next.queued);
      if (next.queued.command.op === 'SYNC') {
        return { commands };
      }
    }
  }

  /**
   * Gives a command of the window its effect: drops what it must drop, sends what it must send. Returns why hardware could not
   * do it now, if so. A dropped entry may have been used by transactions that are still on their way: the command has its effect
   * but is not complete (`blockedBy`).
   */
  perform(queued: QueuedCommand): Blocked | undefined {
    const found = this.#find(queued);
    if (found === undefined) {
      return { reason: 'the command is not in the window' };
    }
    if (found.state !== 'fetched') {
      return { reason: 'the command has taken effect' };
    }
    if (found.command.op === 'SYNC') {
      return { reason: 'a CMD_SYNC waits', commands: [found] };
    }
    return this.#perform(found);
  }

  /**
   * A CMD_TLBI of the window takes effect without dropping anything, where an erratum of the hardware lets it. Returns why it
   * does not, if so.
   */
  lose(queued: QueuedCommand): Blocked | undefined {
    const found = this.#find(queued);
    if (found === undefined) {
      return { reason: 'the command is not in the window' };
    }
    if (found.state !== 'fetched') {
      return { reason: 'the command has taken effect' };
    }
    const beside = this.#window.filter((one) => one !== found && this.#incomplete([one]) !== undefined);
    const { lostTlbis } = this.#effects;
    if (
      !lostTlbis.mayLose(
        found.command,
        beside.map(({ command }) => command),
      )
    ) {
      return { reason: 'hardware does not lose the command' };
    }
    found.state = 'performed';
    found.pending = new Set(this.#pendingOf(found.command));
    lostTlbis.note(found.command, true);
    return undefined;
  }

  /** Why a command is not complete: what a CMD_SYNC after it waits for. */
  blockedBy(queued: QueuedCommand): Blocked | undefined {
    const found = this.#find(queued);
    return found === undefined ? undefined : this.#incomplete([found]);
  }

  /**
   * The function does not answer a CMD_ATC_INV in time, or none of its ITags is ever free: the next CMD_SYNC fails (3.9.1.4).
   * Throws if the command does not wait for the function.
   */
  timeOut(queued: QueuedCommand): void {
    const found = this.#find(queued);
    const invalidation = found?.invalidation;
    const waits = found?.state === 'fetched' || invalidation?.state === 'outstanding';
    if (found?.command.op !== 'ATC_INV' || !waits) {
      throw new Error(`${queued.command.op} does not wait for a function`);
    }
    if (invalidation !== undefined) {
      this.#effects.timeOut(invalidation);
    }
    found.state = 'timed out';
  }

  /** Completes the CMD_SYNC at the end of the window, or says what it waits for, or fails with CERROR_ATC_INV_SYNC. */
  completeSync(): SyncResult {
    const sync = this.#window.at(-1);
    if (sync?.command.op !== 'SYNC') {
      return { complete: false, blocked: { reason: 'no CMD_SYNC waits' } };
    }
    const before = this.#window.slice(0, -1);
    const timedOut = before.filter((queued) => isTimedOut(queued));
    if (timedOut.length > 0 && this.#defects.syncIgnoresTimeouts !== true) {
      // Reported once: the CMD_SYNC that is fetched again waits for what is left (4.7.3).
      this.#window = before.filter((queued) => !isTimedOut(queued));
      this.#controls.fail('CERROR_ATC_INV_SYNC');
      return { complete: false, error: 'CERROR_ATC_INV_SYNC' };
    }
    if (this.#defects.syncDoesNotWait !== true) {
      const blocked = this.#incomplete(before.filter((queued) => !isTimedOut(queued)));
      if (blocked !== undefined) {
        return { complete: false, blocked };
      }
    }
    this.#effects.makeEventsVisible(before.some(({ command }) => isTlbi(command) || isCfgi(command)));
    // What need not be complete stays: CMD_PRI_RESP has no completion (4.7.3).
    this.#window = before.filter(({ state }) => state === 'fetched');
    this.#advance();
    this.#effects.signal(sync.command);
    return { complete: true };
  }

  /** Runs everything as far as it goes: to the end, an error, or an Invalidate Request without answer. Returns why it stopped. */
  run(): Blocked | undefined {
    // An endpoint that answers at once comes back here; the loop below goes on from there.
    if (this.#running) {
      return undefined;
    }
    this.#running = true;
    try {
      for (;;) {
        const stopped = this.#step();
        if (stopped !== undefined) {
          return stopped;
        }
      }
    } finally {
      this.#running = false;
    }
  }

  /** Transactions have reached memory: nobody waits for them any more. */
  reached(transaction: Transaction): void {
    for (const { pending } of this.#window) {
      pending.delete(transaction);
    }
  }

  /**
   * A function has answered: those of its Translated transactions, still on their way, that could have used what was invalidated
   * went ahead of the answer; the invalidation is not complete before they are visible (4.5.1).
   */
  answered(invalidation: OutstandingInvalidation): void {
    const queued = this.#window.find((one) => one.invalidation === invalidation);
    if (queued?.command.op !== 'ATC_INV') {
      return;
    }
    const request = invalidateRequest(queued.command, invalidation.itag, this.#identity);
    for (const transaction of this.#effects.translatedOf(invalidation.streamId)) {
      if (isAffected(transaction.request, request)) {
        queued.pending.add(transaction);
      }
    }
  }

  /** CMDQEN went to 0: what is consumed goes on, a CMD_SYNC that is not consumed is forgotten, and fetched again later. */
  disable(): void {
    this.#window = this.#window.filter(({ command }) => command.op !== 'SYNC');
  }

  /** One step of `run`; returns why there is none. */
  #step(): Blocked | undefined {
    const waiting = this.#window.find(({ state, command }) => state === 'fetched' && command.op !== 'SYNC');
    if (waiting !== undefined) {
      return this.#perform(waiting);
    }
    if (this.#window.at(-1)?.command.op === 'SYNC') {
      const result = this.completeSync();
      return 'blocked' in result ? result.blocked : undefined;
    }
    const next = this.#consumeOne();
    if ('blocked' in next) {
      return next.blocked;
    }
    return 'error' in next ? { reason: 'the queue has an error' } : undefined;
  }

  #consumeOne(): { queued: Queued } | { blocked: Blocked } | { error: CommandError } {
    const { ring, producer, consumer } = this.#controls;
    const at = { producer, consumer };
    if (!this.#controls.enabled) {
      return { blocked: { reason: 'the queue is disabled' } };
    }
    if (this.#controls.failed && this.#defects.consumesDuringError !== true) {
      return { blocked: { reason: 'the queue has an error' } };
    }
    const last = this.#window.at(-1);
    if (last?.command.op === 'SYNC') {
      return { blocked: { reason: 'a CMD_SYNC waits', commands: [last] } };
    }
    // In an inconsistent state nothing is consumed, one of the behaviours that 3.5.1 permits.
    if (isEmpty(ring, at) || !isConsistent(ring, at)) {
      return { blocked: { reason: 'the queue is empty' } };
    }
    const address = entryAddress(ring, consumer);
    if (!this.#memory.isBacked(address, commandLength)) {
      return this.#fail('CERROR_ABT');
    }
    const raw = this.#memory.read(address, commandLength);
    const decoded = decodeCommand(raw);
    const command =
      isIllegal(decoded, this.#identity) === undefined
        ? this.#controls.translate === undefined
          ? decoded
          : this.#controls.translate(decoded)
        : undefined;
    if (command === undefined) {
      return this.#fail('CERROR_ILL');
    }
    const queued: Queued = {
      command,
      raw,
      slot: indexOf(ring, consumer),
      state: 'fetched',
      pending: new Set(),
      invalidation: undefined,
    };
    this.#window.push(queued);
    if (command.op !== 'SYNC') {
      this.#advance();
    }
    if (command.op === 'RESUME' || command.op === 'STALL_TERM') {
      this.#perform(queued);
    }
    return { queued };
  }

  #fail(error: CommandError): { error: CommandError } {
    this.#controls.fail(error);
    return { error };
  }

  #advance(): void {
    this.#controls.consumed(advance(this.#controls.ring, this.#controls.consumer));
  }

  #perform(queued: Queued): Blocked | undefined {
    const { command } = queued;
    if (command.op === 'ATC_INV') {
      return this.#invalidateFunction(queued, command);
    }
    queued.state = 'performed';
    if (isTlbi(command) || isCfgi(command)) {
      // Before anything is dropped: who has used it.
      queued.pending = new Set(this.#pendingOf(command));
      if (isTlbi(command)) {
        this.#effects.lostTlbis.note(command, false);
        if (this.#defects.tlbiLost !== true) {
          this.#effects.invalidateTlb(command);
        }
      }
      if (isCfgi(command) && this.#defects.cfgiLost !== true) {
        this.#effects.invalidateConfiguration(command);
      }
    } else if (command.op === 'PRI_RESP') {
      if (this.#effects.enabled) {
        this.#effects.respond(command);
      }
    } else if (command.op === 'RESUME') {
      this.#effects.resume(command);
    } else if (command.op === 'STALL_TERM') {
      this.#effects.terminateStalls(command.sid);
    }
    return undefined;
  }

  /** Transactions that a CMD_SYNC after a TLBI or CFGI command waits for. */
  #pendingOf(command: Command): readonly Transaction[] {
    return this.#defects.syncIgnoresTransactions === true ? [] : this.#effects.usersOf(command);
  }

  #invalidateFunction(queued: Queued, command: Extract<Command, { op: 'ATC_INV' }>): Blocked | undefined {
    // IGNORED while SMMUEN = 0 (4.5.1).
    if (!this.#effects.enabled || this.#defects.atcInvLost === true) {
      queued.state = 'performed';
      return undefined;
    }
    const invalidation = this.#effects.takeTag(command.sid);
    if (invalidation === undefined) {
      return { reason: 'all ITags of the function are taken', streamId: command.sid };
    }
    queued.state = 'performed';
    queued.invalidation = invalidation;
    this.#effects.invalidate(command.sid, invalidateRequest(command, invalidation.itag, this.#identity));
    return undefined;
  }

  /** What commands that a CMD_SYNC must complete still wait for. */
  #incomplete(commands: readonly Queued[]): Blocked | undefined {
    const waited = commands.filter(({ command }) => command.op !== 'PRI_RESP');
    const fetched = waited.filter(({ state }) => state === 'fetched');
    if (fetched.length > 0) {
      return { reason: 'commands without effect yet', commands: fetched };
    }
    const unanswered = waited.filter(({ invalidation }) => invalidation?.state === 'outstanding');
    if (unanswered.length > 0) {
      return { reason: 'functions have not answered', commands: unanswered };
    }
    const transactions = [...new Set(waited.flatMap(({ pending }) => [...pending]))];
    return transactions.length > 0 ? { reason: 'transactions have not reached memory', transactions } : undefined;
  }

  #find(queued: QueuedCommand): Queued | undefined {
    return this.#window.find((one) => one === queued);
  }
}

/** The Invalidate Request of a CMD_ATC_INV (4.5.1): 4096 * 2^Size bytes, the address aligned down to them. */
function invalidateRequest(
  command: Extract<Command, { op: 'ATC_INV' }>,
  itag: number,
  identity: Identity,
): InvalidateRequest {
  // Sizes above 52 may have any effect; here they are everything too.
  const sizeLog2 = 12 + Math.min(command.size, 52);
  // Without substreams SSV must be 0, and is taken as 0.
  const substream = command.ssv && identity.SSIDSIZE > 0;
  return {
    itag,
    ...(substream ? { pasid: command.ssid } : {}),
    global: substream && command.global,
    address: command.address & ~mask(sizeLog2),
    sizeLog2,
  };
}

/** Whether a Translated transaction may have used what an Invalidate Request names. Of a forged one nothing is known. */
function isAffected({ untranslated }: MemoryRequest, request: InvalidateRequest): boolean {
  if (untranslated === undefined) {
    return true;
  }
  const size = BigInt(request.sizeLog2);
  const isInRange = untranslated.address >> size === request.address >> size;
  return isInRange && (request.pasid === undefined || request.global || request.pasid === untranslated.pasid);
}

function isTimedOut(queued: QueuedCommand): boolean {
  return queued.state === 'timed out' || queued.invalidation?.state === 'timed out';
}

/** CMD_TLBI_*. */
export function isTlbi(command: Command): boolean {
  return command.op.startsWith('TLBI_');
}

/** CMD_CFGI_*. */
function isCfgi(command: Command): boolean {
  return command.op.startsWith('CFGI_');
}
