/**
 * A driver of the SMMUv3: bring-up, domains, streams and PASIDs, maps and unmaps, faults and page requests. It knows the hardware
 * only through registers and memory, and does everything in steps that can be interleaved with others.
 */
import type { Memory } from '../memory.ts';
import type { TableFrames } from '../pagetable/table-frames.ts';
import { type GlobalError, globalErrors } from '../smmuv3/errors.ts';
import type { EventRecord } from '../smmuv3/events.ts';
import { type Identity, type IdentityRegisters, identityFrom } from '../smmuv3/identity.ts';
import { cr0, cr2, irqControl } from '../smmuv3/registers.ts';
import { baseRegister, entryLength, type Ring } from '../smmuv3/ring.ts';
import { CommandSubmission, type SyncResult } from './command-submission.ts';
import { type Domain, type DomainShape, type Stage1Domain, stage1Domain, type Stage1Shape } from './domain.ts';
import { type Stage2Domain, stage2Domain } from './domain.ts';
import { PageRequestCollector, type PageRequestGroup, takeEvents } from './event-handler.ts';
import type { TakenEvents, TakenPageRequests } from './event-handler.ts';
import { dropAll, type StaleRange } from './invalidation.ts';
import { type Changed, invalidate, map, type MappingParts, protect, unmap } from './mappings.ts';
import { readByName, type RegisterPort, writeByName } from './registers.ts';
import { run, type RunOptions, type Steps } from './steps.ts';
import { StreamTable } from './stream-table.ts';
import { Streams } from './streams.ts';

export interface DriverOptions {
  /** log2 of the number of entries of each queue; by default 8, or what IDR1 allows. */
  readonly commandQueueLog2?: number;
  readonly eventQueueLog2?: number;
  readonly pageRequestQueueLog2?: number;
  /** log2 of the number of StreamIDs; by default 16, or what IDR1 allows. */
  readonly sidBits?: number;
  /** StreamID bits of the leaf tables of the Stream table; 8 by default, `linear` where there is one level only. */
  readonly split?: 6 | 8 | 10 | 'linear';
  /** What streams may do before they are attached, and when they are blocked; `abort` by default. */
  readonly unattached?: 'abort' | 'bypass';
  /** CR0.ATSCHK; true by default, where there is ATS. */
  readonly atsCheck?: boolean;
}

/** What becomes of a stalled transaction (4.7.1). */
export type Resumption = 'retry' | 'abort' | 'read as zero, write ignored';

const idRegisters = [
  'IDR0',
  'IDR1',
  'IDR2',
  'IDR3',
  'IDR4',
  'IDR5',
  'IIDR',
  'AIDR',
] as const satisfies readonly (keyof IdentityRegisters)[];

/** CMD_PRI_RESP.Resp (4.5.2). */
const responseCodes = { 'response failure': 0b00, 'invalid request': 0b01, success: 0b10 } as const;

export class SmmuDriver {
  readonly identity: Identity;
  readonly commands: CommandSubmission;
  readonly streamTable: StreamTable;
  readonly streams: Streams;
  /** The global errors that were met, oldest first. */
  readonly metErrors: GlobalError[] = [];
  readonly #memory: Memory;
  readonly #registers: RegisterPort;
  readonly #frames: TableFrames;
  readonly #rings: Readonly<Record<keyof typeof entryLength, Ring>>;
  readonly #atsCheck: boolean;
  readonly #mappings: MappingParts;
  readonly #pageRequests = new PageRequestCollector();
  readonly #asids = new Set<number>();
  readonly #vmids = new Set<number>();
  #cr0 = 0n;

  /** Reads the identification registers and takes memory for queues and Stream table; no register is written. */
  constructor(memory: Memory, registers: RegisterPort, frames: TableFrames, options: DriverOptions = {}) {
    this.#memory = memory;
    this.#registers = registers;
    this.#frames = frames;
    const ids = Object.fromEntries(idRegisters.map((name) => [name, Number(readByName(registers, name))]));
    this.identity = identityFrom(ids);
    const { SIDSIZE, ST_LEVEL, CMDQS, EVENTQS, PRIQS, ATS, RIL } = this.identity;
    const ring = (kind: keyof typeof entryLength, most: number, wanted = 8): Ring => {
      const sizeLog2 = Math.min(most, wanted);
      // The address has bits [51:5] only.
      const base = frames.allocate(Math.max(32, 2 ** sizeLog2 * entryLength[kind]));
      return { base, sizeLog2, entryLength: entryLength[kind] };
    };
    this.#rings = {
      command: ring('command', CMDQS, options.commandQueueLog2),
      event: ring('event', EVENTQS, options.eventQueueLog2),
      'page request': ring('page request', PRIQS, options.pageRequestQueueLog2),
    };
    this.#atsCheck = ATS && options.atsCheck !== false;
    this.commands = new CommandSubmission(memory, registers, this.#rings.command);
    const split = options.split ?? (ST_LEVEL === 0 ? 'linear' : 8);
    this.streamTable = new StreamTable(memory, frames, {
      sidBits: Math.min(SIDSIZE, options.sidBits ?? 16),
      split: split === 'linear' ? undefined : split,
      initially: options.unattached ?? 'abort',
    });
    const { commands, identity, streamTable } = this;
    this.streams = new Streams({ memory, frames, identity, commands, table: streamTable });
    this.#mappings = { commands, rangeInvalidation: RIL, hasAts: (sid) => this.streams.hasAts(sid) };
  }

  /** Does all steps of an operation; global errors that come up meanwhile are handled, as by an interrupt. */
  run<T>(steps: Steps<T>, options: RunOptions = {}): T {
    return run(steps, {
      ...options,
      meanwhile: (what) => {
        options.meanwhile?.(what);
        if (this.#activeErrors().length > 0) run(this.handleGlobalErrors());
      },
    });
  }

  /** From whatever state to translating, with every stream unattached. */
  *bringUp(): Steps<void> {
    const { identity } = this;
    this.#cr0 = 0n;
    yield* this.#enable(0n, 'everything off');
    yield this.#write('CR1', 0xd75n, 'tables and queues are write-back and inner shareable');
    const recordAts = identity.ATSRECERR ? bit(cr2.REC_CFG_ATS) : 0n;
    yield this.#write('CR2', bit(cr2.RECINVSID) | bit(cr2.PTM) | recordAts, 'what is recorded');
    yield this.#write('STRTAB_BASE', this.streamTable.baseRegister, 'the Stream table');
    yield this.#write('STRTAB_BASE_CFG', this.streamTable.configurationRegister, 'the shape of the Stream table');
    yield* this.#openQueue('CMDQ', this.#rings.command);
    yield* this.#enable(bit(cr0.CMDQEN), 'commands on');
    yield* this.commands.complete([{ op: 'CFGI_ALL' }]);
    if (identity.HYP) yield* this.commands.complete([{ op: 'TLBI_EL2_ALL' }]);
    yield* this.commands.complete([{ op: 'TLBI_NSNH_ALL' }]);
    yield* this.#openQueue('EVENTQ', this.#rings.event);
    yield* this.#enable(bit(cr0.EVENTQEN), 'events on');
    if (identity.PRI) {
      yield* this.#openQueue('PRIQ', this.#rings['page request']);
      yield* this.#enable(bit(cr0.PRIQEN), 'page requests on');
    }
    if (this.#atsCheck) yield* this.#enable(bit(cr0.ATSCHK), 'translated traffic is checked');
    yield this.#write('IRQ_CTRL', 0n, 'interrupts off');
    const sources = bit(irqControl.GERROR) | bit(irqControl.EVENTQ) | (identity.PRI ? bit(irqControl.PRIQ) : 0n);
    yield this.#write('IRQ_CTRL', sources, 'interrupts on');
    yield* this.#enable(bit(cr0.SMMUEN), 'translation on');
  }

  /** A new address space of stage 1. No TLB entry carries its ASID, whoever used it before. */
  *createStage1(shape: Stage1Shape = {}): Steps<Stage1Domain> {
    const asid = lowestFree(this.#asids, this.identity.ASID16 ? 16 : 8);
    const domain = stage1Domain(this.#memory, this.#frames, this.identity, asid, shape);
    yield* this.commands.complete([dropAll(domain.tags)]);
    return domain;
  }

  /** A new address space of stage 2; `nested`: guests will translate stage 1 above it. */
  *createStage2(shape: DomainShape & { readonly nested?: boolean } = {}): Steps<Stage2Domain> {
    const vmid = lowestFree(this.#vmids, this.identity.VMID16 ? 16 : 8);
    const domain = stage2Domain(this.#memory, this.#frames, this.identity, vmid, shape);
    yield* this.commands.complete([dropAll(domain.tags)]);
    return domain;
  }

  /** Frees a domain, and its ASID or VMID once no TLB entry carries it. Throws `Error` while something is attached to it. */
  *destroy(domain: Domain): Steps<void> {
    if (domain.attachments.size > 0) throw new Error('the domain is attached');
    yield* this.commands.complete([dropAll(domain.tags)]);
    domain.tables.destroy();
    if (domain.kind === 'stage 1') this.#asids.delete(domain.asid);
    else this.#vmids.delete(domain.vmid);
  }

  /** Maps a range of a domain. Throws `RangeError` where something is mapped already. */
  map(domain: Domain, mapping: Parameters<typeof map>[2]): Steps<Changed> {
    return map(this.#mappings, domain, mapping);
  }

  /** Unmaps a range of a domain, and drops it from the TLB and from every ATC. */
  unmap(domain: Domain, input: bigint, length: bigint): Steps<Changed> {
    return unmap(this.#mappings, domain, input, length);
  }

  /** Changes what may be done in a range of a domain, and drops what is cached of it. */
  protect(domain: Domain, input: bigint, length: bigint, attributes: Parameters<typeof protect>[4]): Steps<Changed> {
    return protect(this.#mappings, domain, input, length, attributes);
  }

  /** Drops what caches may hold of ranges of a domain, after someone else changed its tables. */
  invalidate(domain: Domain, ranges: readonly StaleRange[]): Steps<SyncResult> {
    return invalidate(this.#mappings, domain, ranges);
  }

  /** Takes what is in the event queue. */
  takeEvents(): Steps<TakenEvents> {
    return takeEvents({ memory: this.#memory, registers: this.#registers, ring: this.#rings.event });
  }

  /** Answers the record of a stalled transaction. Throws `RangeError` for one that did not stall. */
  *resume(event: EventRecord, how: Resumption): Steps<void> {
    if (!('stall' in event) || !event.stall) throw new RangeError(`${event.name} is not of a stalled transaction`);
    const { sid, stag } = event;
    yield* this.commands.queue([{ op: 'RESUME', sid, stag, retry: how === 'retry', abort: how === 'abort' }]);
  }

  /** Terminates every stalled transaction of a stream, as before its device goes away (4.7.2). */
  *terminateStalled(sid: number): Steps<void> {
    yield* this.commands.complete([{ op: 'STALL_TERM', sid }]);
  }

  /** Takes what is in the PRI queue, and gives the groups that are complete. */
  takePageRequests(): Steps<TakenPageRequests> {
    return this.#pageRequests.take({
      memory: this.#memory,
      registers: this.#registers,
      ring: this.#rings['page request'],
    });
  }

  /** Answers a group, once; with its PASID if the function wants it there. */
  *respond({ sid, pasid, prgIndex }: PageRequestGroup, code: keyof typeof responseCodes): Steps<void> {
    const substream = pasid === undefined || !this.streams.respondsWithPasid(sid) ? {} : { ssv: true, ssid: pasid };
    yield* this.commands.queue([{ op: 'PRI_RESP', sid, ...substream, prgIndex, resp: responseCodes[code] }]);
  }

  /** What the driver does when GERROR interrupts it: mends the command queue, and acknowledges all active errors. */
  *handleGlobalErrors(): Steps<readonly GlobalError[]> {
    const active = this.#activeErrors();
    if (active.length === 0) return active;
    this.metErrors.push(...active);
    const seen = readByName(this.#registers, 'GERROR');
    if (active.includes('CMDQ_ERR')) yield* this.commands.mend();
    yield this.#write('GERRORN', seen, 'errors acknowledged');
    return active;
  }

  #activeErrors(): readonly GlobalError[] {
    const active = readByName(this.#registers, 'GERROR') ^ readByName(this.#registers, 'GERRORN');
    return (Object.keys(globalErrors) as GlobalError[]).filter((name) => (active & bit(globalErrors[name])) !== 0n);
  }

  *#openQueue(name: 'CMDQ' | 'EVENTQ' | 'PRIQ', ring: Ring): Steps<void> {
    yield this.#write(`${name}_BASE`, baseRegister(ring, true), `the ${name}`);
    yield this.#write(`${name}_PROD`, 0n, `the ${name} is empty`);
    yield this.#write(`${name}_CONS`, 0n, `the ${name} is empty`);
  }

  /** Sets bits of CR0, and waits until CR0ACK shows them. */
  *#enable(bits: bigint, what: string): Steps<void> {
    this.#cr0 |= bits;
    yield this.#write('CR0', this.#cr0, what);
    while (readByName(this.#registers, 'CR0ACK') !== this.#cr0) yield { kind: 'wait', what: 'CR0ACK' };
  }

  #write(name: Parameters<typeof writeByName>[1], value: bigint, what: string): ReturnType<typeof writeByName> {
    return writeByName(this.#registers, name, value, what);
  }
}

function bit(place: number): bigint {
  return 1n << BigInt(place);
}

/** Takes the lowest number that is not in use; 0 is left to what has no domain. Throws `RangeError` when all are. */
function lowestFree(used: Set<number>, width: number): number {
  for (let id = 1; id < 2 ** width; id++) {
    if (!used.has(id)) {
      used.add(id);
      return id;
    }
  }
  throw new RangeError('no ASID or VMID is left');
}
