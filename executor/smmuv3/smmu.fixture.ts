/**
 * An SMMU with its queues and tables at fixed places, brought up in the order in which Linux does it.
 */
import { Memory } from '../memory.ts';
import type { MemoryRange } from '../memory.ts';
import type {
  Admission,
  Downstream,
  InvalidateRequest,
  MemoryRequest,
  PageRequest,
  PageResponse,
} from '../pcie/messages.ts';
import type { CommandToEncode } from './commands.ts';
import { encodeCommand } from './commands.ts';
import type { EventFields } from './events.ts';
import { decodeEventFields } from './events.ts';
import { svaIdentity } from './identity.ts';
import type { RegisterName } from './registers.ts';
import { registerMap } from './registers.ts';
import type { Ring } from './ring.ts';
import { advance, entryAddress, entryLength, positionOf } from './ring.ts';
import type { SmmuOptions } from './smmu.ts';
import { Smmu } from './smmu.ts';

/** Where things lie. */
export const places = {
  commands: 0x10_0000n,
  events: 0x20_0000n,
  pageRequests: 0x30_0000n,
  streams: 0x40_0000n,
  descriptors: 0x50_0000n,
  tables: 0x60_0000n,
  messages: 0x70_0000n,
} as const;

/** The bits of CR0. */
export const enables = { SMMUEN: 1n, PRIQEN: 2n, EVENTQEN: 4n, CMDQEN: 8n, ATSCHK: 16n } as const;

/** CR0 with everything on. */
export const everything = 0x1fn;

interface BringUp {
  /** log2 of the entries of each queue; 4 by default. */
  readonly sizeLog2?: number;
  readonly ranges?: readonly MemoryRange[];
  readonly cr0?: bigint;
  readonly cr2?: bigint;
  readonly interrupts?: boolean;
}

/** The machine, as software sees it. */
export class Bench {
  readonly memory: Memory;
  readonly smmu: Smmu;

  constructor(options: SmmuOptions = {}, bringUp: BringUp = {}) {
    this.memory = new Memory(bringUp.ranges === undefined ? {} : { ranges: bringUp.ranges });
    this.smmu = new Smmu(this.memory, { identity: svaIdentity, ...options });
    const size = BigInt(bringUp.sizeLog2 ?? 4);
    const cr0 = bringUp.cr0 ?? everything;
    this.set('CR0', 0n);
    this.set('CR1', 0xd75n);
    this.set('CR2', bringUp.cr2 ?? 0b1110n);
    this.set('STRTAB_BASE', places.streams);
    this.set('STRTAB_BASE_CFG', 8n);
    this.set('CMDQ_BASE', places.commands | size);
    this.set('CMDQ_PROD', 0n);
    this.set('CMDQ_CONS', 0n);
    this.set('CR0', cr0 & enables.CMDQEN);
    this.set('EVENTQ_BASE', places.events | size);
    this.set('EVENTQ_PROD', 0n);
    this.set('EVENTQ_CONS', 0n);
    this.set('PRIQ_BASE', places.pageRequests | size);
    this.set('PRIQ_PROD', 0n);
    this.set('PRIQ_CONS', 0n);
    this.set('IRQ_CTRL', bringUp.interrupts === false ? 0n : 7n);
    this.set('CR0', cr0);
  }

  /** Connects a function, in place of the one that was there; `answers`: completes Invalidate Requests at once. */
  connect(streamId: number, answers = true): NotingFunction {
    const device = new NotingFunction(this.smmu, streamId, answers);
    this.smmu.connect(streamId, device);
    return device;
  }

  get(name: RegisterName): bigint {
    const { offset, size } = registerMap[name];
    return this.smmu.readRegister(offset, size);
  }

  set(name: RegisterName, value: bigint): void {
    this.smmu.registers.writeByName(name, value);
  }

  /** Writes commands into the queue, and PROD once after all of them. */
  submit(...commands: readonly (CommandToEncode | Uint8Array)[]): void {
    const { ring } = this.smmu.commands;
    let at = positionOf(ring, this.get('CMDQ_PROD'));
    for (const command of commands) {
      this.memory.write(entryAddress(ring, at), command instanceof Uint8Array ? command : encodeCommand(command));
      at = advance(ring, at);
    }
    this.set('CMDQ_PROD', BigInt(at));
  }

  /** Overwrites the command at CONS, as a driver does that steps over an error. */
  replace(command: CommandToEncode): void {
    const { ring } = this.smmu.commands;
    this.memory.write(entryAddress(ring, positionOf(ring, this.get('CMDQ_CONS'))), encodeCommand(command));
  }

  /** Toggles GERRORN where it differs. */
  acknowledge(): void {
    this.set('GERRORN', this.get('GERROR'));
  }

  /** CMDQ_CONS.ERR. */
  get commandError(): number {
    return Number((this.get('CMDQ_CONS') >> 24n) & 0x7fn);
  }

  /** CMDQ_CONS.RD with its wrap bit. */
  get consumed(): number {
    return positionOf(this.smmu.commands.ring, this.get('CMDQ_CONS'));
  }

  /** The active global errors. */
  get errors(): bigint {
    return this.get('GERROR') ^ this.get('GERRORN');
  }

  /** The event records that are not consumed, decoded. */
  get events(): readonly EventFields[] {
    return this.smmu.events.records.map((raw) => decodeEventFields(raw));
  }

  /** Software consumes all event records, and acknowledges an overflow. */
  drainEvents(): void {
    this.set('EVENTQ_CONS', this.get('EVENTQ_PROD'));
  }

  /** Software consumes all page requests, and acknowledges an overflow. */
  drainPageRequests(): void {
    this.set('PRIQ_CONS', this.get('PRIQ_PROD'));
  }

  /** A Stream table entry: its words from the first. */
  stream(sid: number, ...words: readonly bigint[]): void {
    for (const [index, word] of words.entries()) {
      this.memory.writeWord(places.streams + BigInt(64 * sid + 8 * index), word);
    }
  }

  /** A stream that bypasses translation. */
  bypass(sid: number): void {
    this.stream(sid, 0b1001n);
  }

  /**
   * A stream with stage 1 alone, full ATS and one Context descriptor: 4 KiB granule, 39-bit addresses, ASID 1, VMID 0. `flags` are
   * A, R and S of the descriptor.
   */
  translate(sid: number, flags: { readonly a?: boolean; readonly r?: boolean; readonly s?: boolean } = {}): void {
    const { a = true, r = true, s = false } = flags;
    const cd = places.descriptors + BigInt(64 * sid);
    this.stream(sid, 0b1011n | cd, 1n << 28n);
    const bit = (on: boolean, at: bigint): bigint => (on ? 1n << at : 0n);
    const word = 25n | (1n << 30n) | (1n << 31n) | (2n << 32n) | (1n << 41n) | (1n << 48n);
    this.memory.writeWord(cd, word | bit(s, 44n) | bit(r, 45n) | bit(a, 46n));
    this.memory.writeWord(cd + 8n, places.tables);
    this.memory.writeWord(cd + 24n, 0xffn);
  }

  /** Maps the page of an address below 2^30 for unprivileged reads and writes, or unmaps it. */
  map(address: bigint, physical: bigint | undefined): void {
    const second = places.tables + 0x1000n;
    const third = places.tables + 0x2000n + ((address >> 21n) & 0x1ffn) * 0x1000n;
    this.memory.writeWord(places.tables, second | 3n);
    this.memory.writeWord(second + ((address >> 21n) & 0x1ffn) * 8n, third | 3n);
    this.memory.writeWord(
      third + ((address >> 12n) & 0x1ffn) * 8n,
      physical === undefined ? 0n : physical | (1n << 11n) | (1n << 10n) | (3n << 8n) | (1n << 6n) | 3n,
    );
  }
}

/** A function that notes what it is sent, and answers an Invalidate Request at once if told so. */
export class NotingFunction implements Downstream {
  readonly invalidations: InvalidateRequest[] = [];
  readonly responses: PageResponse[] = [];
  readonly resumptions: { readonly stag: number; readonly admission: Admission }[] = [];
  readonly #smmu: Smmu;
  readonly #streamId: number;
  readonly #answers: boolean;

  constructor(smmu: Smmu, streamId: number, answers: boolean) {
    this.#smmu = smmu;
    this.#streamId = streamId;
    this.#answers = answers;
  }

  invalidate(request: InvalidateRequest): void {
    this.invalidations.push(request);
    if (this.#answers) {
      this.complete(request.itag);
    }
  }

  pageResponse(response: PageResponse): void {
    this.responses.push(response);
  }

  resumed(stag: number, admission: Admission): void {
    this.resumptions.push({ stag, admission });
  }

  complete(itag: number): void {
    this.#smmu.invalidateCompletion(this.#streamId, itag);
  }

  /** An untranslated write; given an address only, of one byte. */
  write(address: bigint, changes: Partial<MemoryRequest> = {}): Admission {
    return this.#smmu.admit({
      streamId: this.#streamId,
      kind: 'write',
      translated: false,
      address,
      bytes: Uint8Array.of(0xa5),
      ...changes,
    });
  }

  request(changes: Partial<PageRequest> = {}): void {
    this.#smmu.pageRequest({
      streamId: this.#streamId,
      address: 0x1000n,
      group: 0,
      last: true,
      read: true,
      write: false,
      ...changes,
    });
  }
}

/** An empty ring, for tests of positions. */
export function ringOfSize(sizeLog2: number): Ring {
  return { base: places.commands, sizeLog2, entryLength: entryLength.command };
}
