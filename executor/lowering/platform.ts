/**
 * A host for lowerings: memory, an SMMU that does nothing by itself, its tables and queues set up as a driver does, and the
 * driver's side of the command queue.
 */
import { CommandSubmission, type MetCommandError } from '../host/command-submission.ts';
import { readByName, writeByName } from '../host/registers.ts';
import { run } from '../host/steps.ts';
import { StreamTable } from '../host/stream-table.ts';
import { cdWords, steWords } from '../host/structures.ts';
import { Memory } from '../memory.ts';
import { type TableFrames, tableFrames } from '../pagetable/table-frames.ts';
import type { Blocked, QueuedCommand } from '../smmuv3/command-queue.ts';
import type { CommandToEncode } from '../smmuv3/commands.ts';
import type { Cd } from '../smmuv3/context-descriptor.ts';
import type { SmmuDefect } from '../smmuv3/defects.ts';
import { type Identity, svaIdentity } from '../smmuv3/identity.ts';
import { cr0, cr2 } from '../smmuv3/registers.ts';
import { baseRegister, entryLength, indexOf, positionOf, type Ring } from '../smmuv3/ring.ts';
import { Smmu } from '../smmuv3/smmu.ts';
import type { Ste } from '../smmuv3/stream-table-entry.ts';

/** Where RAM is: 1 GiB at 1 GiB, as on QEMU's `virt`. */
const ram = { base: 0x4000_0000n, size: 0x4000_0000n } as const;
/** Frames for pages, apart from those of tables. */
const pages = 0x6000_0000n;

/** The owner of tables and queues. */
const kernel = 'kernel';

export interface PlatformOptions {
  /** Differences from an SMMU with ATS, PRI, substreams and stalls. */
  readonly identity?: Partial<Identity>;
  readonly defects?: readonly SmmuDefect[];
  /** log2 of the entries of each queue; 5 by default. */
  readonly commandQueueLog2?: number;
  readonly eventQueueLog2?: number;
  readonly pageRequestQueueLog2?: number;
  /** CR2.RECINVSID and REC_CFG_ATS: configuration errors of unknown streams and of ATS are recorded; off by default. */
  readonly recordsConfigurationErrors?: boolean;
}

/** The host. */
export class Platform {
  readonly memory = new Memory({ ranges: [ram] });
  readonly frames: TableFrames;
  readonly smmu: Smmu;
  readonly streamTable: StreamTable;
  /** The ring of each queue in memory. */
  readonly rings: { readonly command: Ring; readonly event: Ring; readonly 'page request': Ring };
  readonly #submission: CommandSubmission;
  #submitted = 0;

  constructor(options: PlatformOptions = {}) {
    const { commandQueueLog2 = 5, eventQueueLog2 = 5, pageRequestQueueLog2 = 5 } = options;
    const { memory } = this;
    this.frames = tableFrames(memory, { base: ram.base, size: pages - ram.base }, kernel);
    this.smmu = new Smmu(memory, {
      identity: { ...svaIdentity, ...options.identity },
      schedule: 'by hand',
      tlb: 'chosen',
      defects: Object.fromEntries((options.defects ?? []).map((name) => [name, true])),
    });
    this.streamTable = new StreamTable(memory, this.frames, { sidBits: 8, split: undefined });
    this.rings = {
      command: this.#ring('command', commandQueueLog2),
      event: this.#ring('event', eventQueueLog2),
      'page request': this.#ring('page request', pageRequestQueueLog2),
    };
    this.#submission = new CommandSubmission(memory, this.smmu, this.rings.command);
    this.#bringUp(options.recordsConfigurationErrors === true);
  }

  /** The physical address of the n-th frame that a lowering may use for pages. */
  frame(n: number): bigint {
    return pages + BigInt(n) * 0x1000n;
  }

  /**
   * Queues commands as the driver does, writes PROD, and lets the SMMU fetch up to and with the next CMD_SYNC: a command that was
   * fetched and has no effect yet cannot be told from one that lies in memory. Returns the slot of each.
   */
  submit(commands: readonly CommandToEncode[]): readonly number[] {
    run(this.#submission.queue(commands));
    const slots = commands.map((_, i) => indexOf(this.rings.command, this.#submitted + i));
    this.#submitted += commands.length;
    this.smmu.commands.consume();
    return slots;
  }

  /**
   * The CMD_SYNC that waits completes, and the commands up to the next are fetched. A command error is met on the way: as a driver
   * must, this acknowledges it in GERRORN, and the CMD_SYNC is fetched and tried again. Returns why it cannot complete, or the slot
   * and the error.
   */
  completeSync():
    | { readonly complete: true; readonly slot: number; readonly met: MetCommandError | undefined }
    | { readonly complete: false; readonly blocked: string } {
    const { commands, registers } = this.smmu;
    const slot = commands.window.at(-1)?.slot ?? 0;
    let result = commands.completeSync();
    let met: MetCommandError | undefined;
    if (!result.complete && 'error' in result) {
      met = run(this.#submission.mend());
      writeByName(this.smmu, 'GERRORN', registers.get('GERROR'), 'GERRORN');
      commands.consume();
      result = commands.completeSync();
    }
    if (!result.complete)
      return { complete: false, blocked: 'blocked' in result ? inWords(result.blocked) : result.error };
    commands.consume();
    return { complete: true, slot, met };
  }

  /** The effect of a command of the window; why hardware cannot do it now. */
  perform(queued: QueuedCommand): string | undefined {
    const blocked = this.smmu.commands.perform(queued);
    return blocked === undefined ? undefined : inWords(blocked);
  }

  /** Whether a CMD_SYNC behind a command of the window would wait for it. */
  isIncomplete(queued: QueuedCommand): boolean {
    return queued.state === 'timed out' || this.smmu.commands.blockedBy(queued) !== undefined;
  }

  /** Stores a Stream table entry, V last. The SMMU goes by what it has cached until a CFGI command. */
  writeSte(streamId: number, fields: Partial<Ste>): void {
    const address = this.streamTable.entryAddress(streamId);
    if (address === undefined) throw new RangeError(`no Stream table entry for 0x${streamId.toString(16)}`);
    this.#store(address, steWords(fields));
  }

  /** Stores a Context descriptor, V last. */
  writeCd(address: bigint, fields: Partial<Cd>): void {
    this.#store(address, cdWords(fields));
  }

  /** How many commands were ever queued. */
  get submitted(): number {
    return this.#submitted;
  }

  #store(address: bigint, words: readonly bigint[]): void {
    for (const [i, word] of [...words.entries()].toReversed()) this.memory.writeWord(address + BigInt(i * 8), word);
  }

  #ring(kind: keyof typeof entryLength, sizeLog2: number): Ring {
    const bytes = Math.max(0x1000, entryLength[kind] * 2 ** sizeLog2);
    return { base: this.frames.allocate(bytes), sizeLog2, entryLength: entryLength[kind] };
  }

  /** The order of a driver: tables, command queue, other queues, and only then translation. */
  #bringUp(recordsConfigurationErrors: boolean): void {
    const { smmu, streamTable, rings } = this;
    const bit = (n: number): bigint => 1n << BigInt(n);
    const write = (register: Parameters<typeof writeByName>[1], value: bigint): void => {
      writeByName(smmu, register, value, register);
    };
    write('CR0', 0n);
    write('CR1', 0xd75n);
    write('CR2', recordsConfigurationErrors ? bit(cr2.RECINVSID) | bit(cr2.REC_CFG_ATS) : 0n);
    write('STRTAB_BASE', streamTable.baseRegister);
    write('STRTAB_BASE_CFG', streamTable.configurationRegister);
    write('CMDQ_BASE', baseRegister(rings.command));
    write('CMDQ_PROD', 0n);
    write('CMDQ_CONS', 0n);
    write('EVENTQ_BASE', baseRegister(rings.event));
    write('PRIQ_BASE', baseRegister(rings['page request']));
    const queues = bit(cr0.CMDQEN) | bit(cr0.EVENTQEN) | bit(cr0.PRIQEN);
    write('CR0', queues);
    write('CR0', queues | bit(cr0.ATSCHK));
    write('CR0', queues | bit(cr0.ATSCHK) | bit(cr0.SMMUEN));
    if (positionOf(rings.command, readByName(smmu, 'CMDQ_CONS')) !== 0)
      throw new Error('the command queue is not empty');
  }
}

/** Why hardware cannot do something now, in words. */
function inWords(blocked: Blocked): string {
  if ('commands' in blocked) {
    return `${blocked.reason} (${blocked.commands.map(({ command, slot }) => `CMD_${command.op} in slot ${slot}`).join(', ')})`;
  }
  if ('transactions' in blocked) {
    const list = blocked.transactions.map(
      ({ request }) => `a ${request.kind} of 0x${request.streamId.toString(16)} at 0x${request.address.toString(16)}`,
    );
    return `${blocked.reason} (${list.join(', ')})`;
  }
  return blocked.reason;
}
