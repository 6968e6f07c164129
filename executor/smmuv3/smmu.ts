/**
 * An SMMUv3: its registers and queues towards software, and its ports towards the functions whose transactions it translates.
 */
import type { Memory } from '../memory.ts';
import type {
  Admission,
  Downstream,
  MemoryRequest,
  PageRequest,
  Requester,
  Transaction,
  TranslationCompletion,
  TranslationRequest,
  Upstream,
} from '../pcie/messages.ts';
import type { GuestOfQueue } from './additional-command-queue.ts';
import { AdditionalCommandQueue } from './additional-command-queue.ts';
import { answerTranslationRequest, translateTranslated } from './ats.ts';
import type { CommandEffects, CommandQueueControls, QueuedCommand } from './command-queue.ts';
import { CommandQueue, isTlbi } from './command-queue.ts';
import type { Command } from './commands.ts';
import type { ConfigurationRegisters } from './configuration.ts';
import { ConfigurationCache } from './configuration.ts';
import type { SmmuDefects } from './defects.ts';
import { commandErrors, isActive } from './errors.ts';
import { EventQueue } from './event-queue.ts';
import type { Identity } from './identity.ts';
import { identityWith } from './identity.ts';
import type { Interrupt } from './interrupts.ts';
import { Interrupts } from './interrupts.ts';
import { InvalidationTags } from './invalidation-tags.ts';
import { LostTlbis } from './lost-tlbis.ts';
import { OutputQueue } from './output-queue.ts';
import type { PageRequestOutcome } from './page-request-queue.ts';
import { PageRequestQueue } from './page-request-queue.ts';
import type { RegisterName } from './registers.ts';
import { cr0, gbpa, Registers } from './registers.ts';
import type { Ring } from './ring.ts';
import { entryLength, positionOf, ringOf } from './ring.ts';
import { Stalls } from './stalls.ts';
import type { CachingPolicy } from './tlb.ts';
import { Tlb } from './tlb.ts';
import type { Outcome, Piece, TranslationUnit } from './translation.ts';
import { holdsUp, translateAccess } from './translation.ts';
import { WalksInFlight } from './walks.ts';
import { isSet, mask } from '../bits.ts';

/** How an SMMU is, and how it is run. */
export interface SmmuOptions {
  /** Differences from the default identity. */
  readonly identity?: Partial<Identity>;
  /**
   * `in order`: a command takes effect when it is consumed, and stalled transactions are settled when they are answered. `by
   * hand`: the caller does each step, with `commands` and `stalls`.
   */
  readonly schedule?: 'in order' | 'by hand';
  /** When event records of terminated transactions become visible; by hand, with `events.deliver`. */
  readonly events?: 'at once' | 'by hand';
  /** What translations put into the TLB by themselves. */
  readonly tlb?: CachingPolicy;
  /** What lookups put into the configuration cache by themselves. */
  readonly configuration?: { readonly cacheInvalid?: boolean; readonly insert?: boolean };
  /** How it is broken on purpose. */
  readonly defects?: SmmuDefects;
}

/** An SMMUv3 with one Non-secure programming interface. */
export class Smmu implements Upstream {
  readonly memory: Memory;
  readonly identity: Identity;
  readonly defects: SmmuDefects;
  readonly registers: Registers;
  readonly tlb: Tlb;
  readonly configuration: ConfigurationCache;
  readonly walks: WalksInFlight;
  readonly stalls: Stalls;
  readonly events: EventQueue;
  readonly pageRequests: PageRequestQueue;
  /** The queue of CMDQ_BASE. */
  readonly commands: CommandQueue;
  readonly invalidations: InvalidationTags;
  /** TLBI commands that errata have lost. */
  readonly lostTlbis: LostTlbis;
  /** What translations work on. */
  readonly unit: TranslationUnit;
  readonly schedule: 'in order' | 'by hand';
  readonly #interrupts: Interrupts;
  readonly #additional: AdditionalCommandQueue[] = [];
  readonly #ports = new Map<number, Downstream>();
  /** Transactions on their way to memory, with what they were translated by. */
  readonly #inFlight = new Map<Transaction, readonly Piece[]>();

  constructor(memory: Memory, options: SmmuOptions = {}) {
    this.memory = memory;
    this.identity = identityWith(options.identity ?? {});
    this.defects = options.defects ?? {};
    this.schedule = options.schedule ?? 'in order';
    const { identity, defects } = this;
    this.registers = new Registers(identity, (name, before, after) => this.#written(name, before, after));
    const { registers } = this;
    const view = viewOf(registers);
    this.#interrupts = new Interrupts(memory, identity, registers);
    const interrupts = this.#interrupts;
    this.configuration = new ConfigurationCache(memory, identity, view, options.configuration);
    this.tlb = new Tlb(
      { identity, e2h: () => registers.has('E2H') },
      options.tlb === undefined ? {} : { policy: options.tlb },
    );
    this.unit = { memory, identity, configuration: this.configuration, tlb: this.tlb, registers: view };
    this.walks = new WalksInFlight(this.unit);
    this.lostTlbis = new LostTlbis(defects);
    this.invalidations = new InvalidationTags(defects.reusesTimedOutTags === true);
    this.stalls = new Stalls(
      identity,
      defects,
      (request) => this.admit(request),
      ({ stag, request, admission }) => this.#ports.get(request.streamId)?.resumed?.(stag, admission),
    );
    this.events = new EventQueue({
      queue: new OutputQueue(memory, identity, registers, 'EVENTQ'),
      registers,
      interrupts,
      stalls: this.stalls,
      defects,
      delivery: options.events ?? 'at once',
    });
    this.pageRequests = new PageRequestQueue({
      queue: new OutputQueue(memory, identity, registers, 'PRIQ'),
      identity,
      registers,
      interrupts,
      configuration: this.configuration,
      defects,
      respond: (streamId, response) => this.#ports.get(streamId)?.pageResponse(response),
      record: (event) => this.events.record(event),
    });
    this.commands = this.#queue(mainControls(identity, registers, interrupts));
  }

  /** Attaches a function; one that was there before is gone, with what it had outstanding. */
  connect(streamId: number, port: Downstream): void {
    this.#ports.set(streamId, port);
    this.resetFunction(streamId);
  }

  /** A function was reset: it answers no Invalidate Request of before (ATS-37). */
  resetFunction(streamId: number): void {
    this.invalidations.reset(streamId);
    this.#progress();
  }

  /** A further Command queue, empty; of a guest if so given. Throws `RangeError` for a base not aligned to the size. */
  addCommandQueue(options: { base: bigint; sizeLog2: number; guest?: GuestOfQueue }): AdditionalCommandQueue {
    const ring: Ring = { base: options.base, sizeLog2: options.sizeLog2, entryLength: entryLength.command };
    if (ringOf(ring.base | BigInt(ring.sizeLog2), ring.entryLength).base !== ring.base) {
      throw new RangeError(`the base 0x${ring.base.toString(16)} is not aligned to the size of the queue`);
    }
    const queue = new AdditionalCommandQueue(ring, options.guest, {
      queue: (controls) => this.#queue(controls),
      fail: () => {
        if (this.identity.ECMDQ) {
          this.#interrupts.error('CMDQP_ERR');
        }
      },
      progress: () => this.#progress(),
    });
    this.#additional.push(queue);
    return queue;
  }

  /** A read of a register by software; see `Registers.read`. */
  readRegister(offset: number, size: 4 | 8): bigint {
    return this.registers.read(offset, size);
  }

  /** A write to a register by software; see `Registers.write`. */
  writeRegister(offset: number, size: 4 | 8, value: bigint): void {
    this.registers.write(offset, size, value);
  }

  /** The interrupts so far, oldest first. */
  get interrupts(): readonly Interrupt[] {
    return this.#interrupts.raised;
  }

  /** Transactions that are translated, and have not reached memory. */
  get inFlight(): readonly Transaction[] {
    return [...this.#inFlight.keys()];
  }

  /** A memory request arrives. What of it was translated before a fault reaches memory now, if it is a write. */
  admit(request: MemoryRequest): Admission {
    const outcome = request.translated ? translateTranslated(this.unit, request) : translateAccess(this.unit, request);
    return this.#admission(request, outcome);
  }

  /** Throws if the transaction is not on its way to memory: it was never admitted, or is there already. */
  reachMemory(transaction: Transaction): Uint8Array {
    const pieces = this.#inFlight.get(transaction);
    if (pieces === undefined) {
      throw new Error('the transaction is not on its way to memory');
    }
    this.#inFlight.delete(transaction);
    const data = this.#access(transaction.request, pieces);
    for (const queue of this.#queues()) {
      queue.reached(transaction);
    }
    this.#progress();
    return data;
  }

  translate(request: TranslationRequest): TranslationCompletion {
    const { completion, event } = answerTranslationRequest(this.unit, request);
    if (event !== undefined) {
      this.events.record(event);
    }
    return completion;
  }

  /** An Invalidate Completion arrives, one of `count` for its request. */
  invalidateCompletion(streamId: number, itag: number, count = 1): void {
    const complete = this.invalidations.complete(streamId, itag, count);
    if (complete !== undefined) {
      for (const queue of this.#queues()) {
        queue.answered(complete);
      }
      this.#progress();
    }
  }

  /** A Page Request or Stop Marker arrives. */
  pageRequest(request: PageRequest): PageRequestOutcome {
    return this.pageRequests.receive(request);
  }

  /** A function does not answer in time. In order, the queue goes on: its CMD_SYNC fails. Throws as `CommandQueue.timeOut`. */
  timeOut(queued: QueuedCommand): void {
    const queue = this.#queues().find(({ window }) => window.includes(queued)) ?? this.commands;
    queue.timeOut(queued);
    this.#progress();
  }

  #queues(): readonly CommandQueue[] {
    return [this.commands, ...this.#additional.map(({ commands }) => commands)];
  }

  #queue(controls: CommandQueueControls): CommandQueue {
    const { memory, identity, defects } = this;
    return new CommandQueue({ memory, identity, defects, controls, effects: this.#effects() });
  }

  #admission(request: MemoryRequest, outcome: Outcome): Admission {
    if (outcome.outcome === 'admitted') {
      const transaction: Transaction = { request, pieces: outcome.pieces };
      this.#inFlight.set(transaction, outcome.pieces);
      return { outcome: 'admitted', transaction };
    }
    if (outcome.outcome === 'stalled') {
      const stalled = this.stalls.hold(request, outcome.event);
      this.events.recordStall(stalled);
      return { outcome: 'stalled', stag: stalled.stag };
    }
    if (request.kind === 'write') {
      this.#access(request, outcome.pieces);
    }
    if (outcome.event !== undefined) {
      this.events.record(outcome.event);
    }
    return { outcome: outcome.outcome };
  }

  /** Reads or writes memory. What nothing stands behind swallows writes and reads as ones, as an aborted read does on PCIe. */
  #access(request: MemoryRequest, pieces: readonly Piece[]): Uint8Array {
    const length = request.bytes?.length ?? request.length ?? 0;
    const data = new Uint8Array(length).fill(0xff);
    const by = `0x${request.streamId.toString(16)}`;
    for (const { physical, offset, length: size } of pieces) {
      if (this.memory.isBacked(physical, size)) {
        const bytes = request.bytes?.subarray(offset, offset + size);
        const common = { by, on: request.on, kind: request.kind, address: physical };
        const done = this.memory.access(bytes === undefined ? { ...common, length: size } : { ...common, bytes });
        data.set(done.bytes, offset);
      }
    }
    return data;
  }

  /** Whatever can go on now by itself. */
  #progress(): void {
    this.events.progress();
    if (this.schedule === 'in order') {
      for (const queue of this.#queues()) {
        queue.run();
      }
      this.stalls.settleMarked();
    }
  }

  #written(name: RegisterName, before: bigint, after: bigint): void {
    if (name === 'CR0') {
      this.#enable(before, after);
    } else if (name === 'IRQ_CTRL') {
      this.registers.put('IRQ_CTRLACK', after);
    } else if (name === 'CMDQ_PROD' || name === 'GERRORN' || name === 'EVENTQ_CONS') {
      this.#progress();
    }
  }

  /** CR0 was written: the update is complete at once (6.3.9). */
  #enable(before: bigint, after: bigint): void {
    const off = (field: keyof typeof cr0): boolean => isSet(before & ~after, cr0[field]);
    this.registers.put('CR0ACK', after);
    if (off('CMDQEN')) {
      this.commands.disable();
    }
    if (off('EVENTQEN')) {
      this.events.disable();
    }
    if (off('SMMUEN')) {
      this.stalls.terminate();
    }
    this.#progress();
  }

  #effects(): CommandEffects {
    const { registers, lostTlbis } = this;
    return {
      lostTlbis,
      get enabled() {
        return registers.isEnabled('SMMUEN');
      },
      usersOf: (command) =>
        [...this.#inFlight]
          .filter(([{ request }, pieces]) =>
            isTlbi(command) ? holdsUp(this.unit, command, pieces) : isConfiguredBy(command, request),
          )
          .map(([transaction]) => transaction),
      translatedOf: (streamId) =>
        this.inFlight.filter(({ request }) => request.translated && request.streamId === streamId),
      invalidateTlb: (command) => {
        this.tlb.invalidate(command);
        this.walks.invalidate(command);
      },
      invalidateConfiguration: (command) => {
        this.configuration.invalidate(command);
      },
      takeTag: (streamId) => this.invalidations.take(streamId),
      invalidate: (streamId, request) => {
        const port = this.#ports.get(streamId);
        if (port === undefined) {
          this.invalidateCompletion(streamId, request.itag);
        } else {
          port.invalidate(request);
        }
      },
      timeOut: (request) => this.invalidations.timeOut(request),
      respond: (command) => {
        const code = (['response failure', 'invalid request', 'success'] as const)[command.resp];
        if (code !== undefined) {
          const substream = command.ssv && this.identity.SSIDSIZE > 0;
          const pasid = substream ? { pasid: command.ssid } : {};
          this.#ports.get(command.sid)?.pageResponse({ ...pasid, group: command.prgIndex, code });
        }
      },
      resume: (command) => {
        this.stalls.resume(command);
      },
      terminateStalls: (streamId) => {
        this.stalls.terminate(streamId);
      },
      makeEventsVisible: (invalidated) => {
        this.events.deliverAll();
        if (invalidated) {
          this.stalls.markStale();
        }
      },
      signal: (command) => {
        // CS = 2 sends an event to the PE, which nothing here waits for.
        if (command.cs === 1) {
          this.#interrupts.signalSync({ address: command.msiAddress, data: command.msiData });
        }
      },
    };
  }
}

/** The queue of CMDQ_BASE, as its registers are. */
function mainControls(identity: Identity, registers: Registers, interrupts: Interrupts): CommandQueueControls {
  const ring = (): Ring => ringOf(registers.get('CMDQ_BASE'), entryLength.command, identity.CMDQS);
  return {
    get ring() {
      return ring();
    },
    get enabled() {
      return registers.isEnabled('CMDQEN');
    },
    get producer() {
      return positionOf(ring(), registers.get('CMDQ_PROD'));
    },
    get consumer() {
      return positionOf(ring(), registers.get('CMDQ_CONS'));
    },
    get failed() {
      return isActive(registers, 'CMDQ_ERR');
    },
    consumed: (position) => registers.put('CMDQ_CONS', (registers.get('CMDQ_CONS') & ~mask(20)) | BigInt(position)),
    fail: (error) => {
      const position = registers.get('CMDQ_CONS') & mask(20);
      registers.put('CMDQ_CONS', position | (BigInt(commandErrors[error]) << 24n));
      interrupts.error('CMDQ_ERR');
    },
  };
}

/** The register fields that translations and configuration lookups depend on, as they are at each time. */
function viewOf(registers: Registers): ConfigurationRegisters & TranslationUnit['registers'] {
  return {
    get enabled() {
      return registers.isEnabled('SMMUEN');
    },
    get atsCheck() {
      return registers.isEnabled('ATSCHK');
    },
    get e2h() {
      return registers.has('E2H');
    },
    get recordInvalidStreamId() {
      return registers.has('RECINVSID');
    },
    get recordConfigurationAts() {
      return registers.has('REC_CFG_ATS');
    },
    get globalBypassAbort() {
      return isSet(registers.get('GBPA'), gbpa.ABORT);
    },
    get strtabBase() {
      return registers.get('STRTAB_BASE');
    },
    get strtabBaseCfg() {
      return Number(registers.get('STRTAB_BASE_CFG'));
    },
  };
}

/** Whether a transaction may have used a configuration that a CFGI command drops (4.3). */
function isConfiguredBy(command: Command, request: Requester): boolean {
  if (command.op === 'CFGI_STE_RANGE') {
    const ids = 2 ** (command.range + 1);
    return Math.floor(command.sid / ids) === Math.floor(request.streamId / ids);
  }
  if (command.op === 'CFGI_CD') {
    // Named by its index in the table; a transaction without SubstreamID uses the first (4.3.3).
    return command.sid === request.streamId && command.ssid === (request.pasid ?? 0);
  }
  const ofStream = command.op === 'CFGI_STE' || command.op === 'CFGI_CD_ALL';
  return command.op === 'CFGI_ALL' || (ofStream && command.sid === request.streamId);
}
