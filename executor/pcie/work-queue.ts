/**
 * A shared work queue and its engines in the manner of Intel DSA: descriptors come by ENQCMD with the submitter's PASID, and
 * everything done for one, its completion record included, is done in that address space (ENQ-16, ENQ-20..22).
 */
import { completionRecord, descriptor, type Descriptor, opcodes, statuses } from './descriptor.ts';
import type { DmaResult, Endpoint, MemoryAccess } from './endpoint.ts';
import type { Owner } from './messages.ts';
import { done, type Outcome, refused } from './outcome.ts';
import type { ResponseEffect } from './page-request-interface.ts';

const PAGE = 4096n;
const RECORD_BYTES = 32n;

type Fault = { readonly address: bigint; readonly write: boolean };

/** How a descriptor ends: what its completion record will say. */
interface Ending {
  readonly status: number;
  readonly result?: number;
  readonly fault?: Fault;
}

/** A descriptor in the queue or in an engine. */
export interface Job {
  /** Larger numbers were submitted later. */
  readonly id: number;
  readonly pasid: number;
  readonly descriptor: Descriptor;
  /** On whose behalf; for the verdict alone. */
  readonly on: Owner | undefined;
  /** How much is done. */
  readonly bytes: number;
  readonly ending: Ending | undefined;
  /** The page request group whose response it waits for. */
  readonly group: number | undefined;
  /** The request that the SMMU stalled, by its number among the flights of the endpoint. */
  readonly stalled: { readonly flight: number; readonly fault: Fault } | undefined;
  /** Its last writes, if they are on their way: their numbers among the flights of the endpoint, in order. */
  readonly sent: readonly number[];
}

/** What a step did; `waiting`: nothing, for a reason outside the engines. */
export type EngineStep =
  | { readonly state: 'idle' }
  | { readonly state: 'worked' | 'completed'; readonly job: Job }
  | { readonly state: 'waiting'; readonly job: Job; readonly why: string };

/** What became of one access of a job. */
type Accessed =
  | { readonly next: 'go on'; readonly data: Uint8Array }
  | { readonly next: 'wait'; readonly why: string }
  | { readonly next: 'try again' }
  | { readonly next: 'end'; readonly ending: Ending };

/** The queue. A descriptor holds its slot until it is complete. */
export class WorkQueue {
  readonly endpoint: Endpoint;
  readonly slots: number;
  readonly engines: number;
  #jobs: readonly Job[] = [];
  #submitted = 0;
  /** The software error register: what could not be written to a completion record. */
  #errors: readonly { readonly job: Job; readonly status: number }[] = [];

  /** Throws `RangeError` without a slot or an engine. */
  constructor(endpoint: Endpoint, options: { readonly slots: number; readonly engines?: number }) {
    const { slots, engines = 1 } = options;
    if (slots < 1 || engines < 1) throw new RangeError(`a work queue with ${slots} slots and ${engines} engines`);
    this.endpoint = endpoint;
    this.slots = slots;
    this.engines = engines;
    endpoint.listen({
      answered: (effect) => this.#answered(effect),
      reset: () => {
        this.#jobs = [];
        this.#errors = [];
      },
    });
  }

  /** The descriptors that are not complete, in the order of submission; the engines have the first of them. */
  get jobs(): readonly Job[] {
    return this.#jobs;
  }

  /** Completion records that could not be written, and why, by status. */
  get errors(): readonly { readonly job: Job; readonly status: number }[] {
    return this.#errors;
  }

  /**
   * ENQCMD: the 64 bytes are accepted whole, or the answer is retry and nothing is taken: the queue is full (ENQ-21), or the
   * function takes no work for the PASID, which it was told to stop or cannot carry (PASID-06). `pasid`: of the submitter's IA32_PASID; what the bytes say is replaced (ENQ-04).
   * Throws `RangeError` for other lengths.
   */
  enqcmd(pasid: number, bytes: Uint8Array, on?: Owner): 'accepted' | 'retry' {
    if (bytes.length !== descriptor.length) throw new RangeError(`a descriptor of ${bytes.length} bytes`);
    const { pasidEnabled, stops, maxPasidWidth = 0 } = this.endpoint;
    if (this.#jobs.length >= this.slots || !pasidEnabled || stops.has(pasid) || pasid >= 2 ** maxPasidWidth) {
      return 'retry';
    }
    this.#jobs = [
      ...this.#jobs,
      {
        id: this.#submitted++,
        pasid,
        descriptor: { ...descriptor.decode(bytes), pasid, privileged: false },
        on,
        bytes: 0,
        ending: undefined,
        group: undefined,
        stalled: undefined,
        sent: [],
      },
    ];
    return 'accepted';
  }

  /** Whether the device is done with a PASID: its descriptors are complete (ENQ-14). */
  drain(pasid: number): Outcome {
    const left = this.#jobs.find((job) => job.pasid === pasid);
    return left === undefined ? done() : refused(`descriptor ${left.id} of PASID ${pasid} is not complete`);
  }

  /** Drops the descriptors of a PASID without a completion record; those dropped. */
  abort(pasid: number): readonly Job[] {
    const dropped = this.#jobs.filter((job) => job.pasid === pasid);
    this.#jobs = this.#jobs.filter((job) => job.pasid !== pasid);
    return dropped;
  }

  /**
   * One step of an engine: at most 4 KiB of a descriptor, or its completion record. Of the job of a number, or the first that
   * need not wait. Throws `RangeError` if no engine has that job.
   */
  step(id?: number): EngineStep {
    const running = this.#jobs.slice(0, this.engines);
    const chosen = id === undefined ? running : running.filter((job) => job.id === id);
    if (id !== undefined && chosen.length === 0) throw new RangeError(`no engine works on descriptor ${id}`);
    let result: EngineStep = { state: 'idle' };
    for (const job of chosen) {
      const step = this.#stepOf(job);
      if (step.state !== 'waiting') return step;
      if (result.state === 'idle') result = step;
    }
    return result;
  }

  /** Steps until the queue is empty or waits, at most `limit` times. */
  run(limit = 100_000): EngineStep {
    let result = this.step();
    for (let count = 1; count < limit && result.state !== 'idle' && result.state !== 'waiting'; count++) {
      result = this.step();
    }
    return result;
  }

  /**
   * Instead of steps: translates what a fill has still to write and its completion record, and sends both, past the SMMU; they are
   * on their way until `arrive`. Refused, with nothing sent, for a job that waits or has ended, for more than one page, and if a
   * translation is missing. Throws `RangeError` if no engine has that job.
   */
  send(id: number): Outcome {
    const job = this.#running(id);
    const { opcode, source: pattern, destination, length } = job.descriptor;
    if (opcode !== opcodes.fill || job.ending !== undefined || job.group !== undefined || job.stalled !== undefined) {
      return refused(`descriptor ${id} is not a fill that can go on`);
    }
    if (job.sent.length > 0) return refused(`the writes of descriptor ${id} are on their way`);
    const address = destination + BigInt(job.bytes);
    const left = length - job.bytes;
    if (left < 1 || within(left, address) < left) return refused(`descriptor ${id} has not exactly one page to write`);
    const writes: MemoryAccess[] = [this.#writeOf(job, address, repeated(pattern, job.bytes, left))];
    const { completionRecordValid, completionRecordRequested, completionRecord: record } = job.descriptor;
    if (completionRecordValid && completionRecordRequested) {
      if (record % RECORD_BYTES !== 0n) return refused(`the completion record of descriptor ${id} is not aligned`);
      const bytes = completionRecord.encode({ status: statuses.success, bytesCompleted: length });
      writes.push(this.#writeOf(job, record, bytes));
    }
    for (const write of writes) {
      const why = this.#translate(write);
      if (why !== undefined) return refused(why);
    }
    const sent: number[] = [];
    for (const write of writes) {
      const issued = this.endpoint.issue(write);
      if (!issued.done) return issued;
      const admitted = this.endpoint.admit(issued.value);
      if (!admitted.done) return admitted;
      if (admitted.value.outcome !== 'admitted') return refused(`the SMMU ends it: ${admitted.value.outcome}`);
      sent.push(issued.value);
    }
    this.#update(job, { sent });
    return done();
  }

  /** What was sent reaches memory, in order, and the descriptor is complete. Throws `RangeError` as `send`. */
  arrive(id: number): Outcome {
    const job = this.#running(id);
    if (job.sent.length === 0) return refused(`nothing of descriptor ${id} is on its way`);
    for (const flight of job.sent) {
      const reached = this.endpoint.reachMemory(flight);
      if (!reached.done) return reached;
    }
    this.#remove(job);
    return done();
  }

  #running(id: number): Job {
    const job = this.#jobs.slice(0, this.engines).find((one) => one.id === id);
    if (job === undefined) throw new RangeError(`no engine works on descriptor ${id}`);
    return job;
  }

  #writeOf({ pasid, on }: Job, address: bigint, bytes: Uint8Array): MemoryAccess {
    return { kind: 'write', address, bytes, pasid, ...(on !== undefined && { on }) };
  }

  /** Makes sure that the ATC has a translation that permits an access; why it has none. */
  #translate(access: MemoryAccess): string | undefined {
    const { endpoint } = this;
    const permitted = (): boolean => endpoint.atc.lookup(access)?.write === true;
    if (permitted()) return undefined;
    const { pasid } = access;
    const asked = endpoint.requestTranslation({
      address: access.address - (access.address % PAGE),
      ...(pasid !== undefined && { pasid }),
    });
    if (!asked.done) return asked.why;
    const delivered = endpoint.deliver(asked.value);
    if (!delivered.done) return delivered.why;
    const received = endpoint.receiveCompletion(asked.value);
    if (!received.done) return received.why;
    if (received.value.status !== 'success') return `the SMMU answers: ${received.value.status}`;
    return permitted() ? undefined : 'the SMMU grants no write';
  }

  #stepOf(job: Job): EngineStep {
    if (job.sent.length > 0) return { state: 'waiting', job, why: 'its writes are on their way' };
    const stalled = this.#stallOf(job);
    if (stalled !== undefined) return stalled;
    if (job.group !== undefined) {
      return { state: 'waiting', job, why: `page request group ${job.group} has no response` };
    }
    if (job.ending !== undefined) return this.#complete(job, job.ending);
    const { opcode, length } = job.descriptor;
    const end = (status: number): EngineStep => this.#update(job, { ending: { status } });
    if (opcode === opcodes.noop) return end(statuses.success);
    const transfer = this.#transfers.get(opcode);
    if (transfer === undefined) return end(statuses.badOpcode);
    if (length === 0) return end(statuses.badLength);
    if (job.bytes === length) return end(statuses.success);
    return transfer(job, BigInt(job.bytes), length - job.bytes);
  }

  /** By opcode: the next piece of a job, at an offset, of what is left. */
  readonly #transfers: ReadonlyMap<number, (job: Job, at: bigint, left: number) => EngineStep> = new Map([
    [opcodes.fill, (job: Job, at: bigint, left: number) => this.#fill(job, at, left)],
    [opcodes.copy, (job: Job, at: bigint, left: number) => this.#copy(job, at, left)],
    [opcodes.compareValue, (job: Job, at: bigint, left: number) => this.#compare(job, at, left)],
  ]);

  #fill(job: Job, at: bigint, left: number): EngineStep {
    const { source: pattern, destination } = job.descriptor;
    const size = within(left, destination + at);
    return this.#write(job, destination + at, repeated(pattern, job.bytes, size));
  }

  /** Copies forwards; ranges that overlap are refused. */
  #copy(job: Job, at: bigint, left: number): EngineStep {
    const { source, destination } = job.descriptor;
    const length = BigInt(job.descriptor.length);
    if (source < destination + length && destination < source + length) {
      return this.#update(job, { ending: { status: statuses.overlap } });
    }
    const size = within(left, source + at, destination + at);
    const read = this.#access(job, { kind: 'read', address: source + at, length: size });
    return read.next === 'go on' ? this.#write(job, destination + at, read.data) : this.#after(job, read);
  }

  #compare(job: Job, at: bigint, left: number): EngineStep {
    const { source, destination: pattern } = job.descriptor;
    const size = within(left, source + at);
    const read = this.#access(job, { kind: 'read', address: source + at, length: size });
    if (read.next !== 'go on') return this.#after(job, read);
    const wanted = repeated(pattern, job.bytes, size);
    const differs = read.data.findIndex((byte, index) => byte !== wanted[index]);
    if (differs === -1) return this.#update(job, { bytes: job.bytes + size });
    return this.#update(job, { bytes: job.bytes + differs, ending: { status: statuses.success, result: 1 } });
  }

  #write(job: Job, address: bigint, bytes: Uint8Array): EngineStep {
    const written = this.#access(job, { kind: 'write', address, bytes });
    if (written.next !== 'go on') return this.#after(job, written);
    return this.#update(job, { bytes: job.bytes + bytes.length });
  }

  /** Writes the completion record, if there is one to write, and frees the slot. */
  #complete(job: Job, { status, result = 0, fault }: Ending): EngineStep {
    const { completionRecordValid, completionRecordRequested, completionRecord: address } = job.descriptor;
    if (completionRecordValid && (completionRecordRequested || status !== statuses.success)) {
      if (address % RECORD_BYTES !== 0n) return this.#giveUp(job, statuses.completionRecordAlignment);
      const bytes = completionRecord.encode({
        status,
        result,
        bytesCompleted: job.bytes,
        faultOnWrite: fault?.write ?? false,
        faultAddress: fault?.address ?? 0n,
      });
      const written = this.#access(job, { kind: 'write', address, bytes });
      if (written.next === 'end') return this.#giveUp(job, statuses.completionRecordTranslation);
      if (written.next !== 'go on') return this.#after(job, written);
    }
    this.#remove(job);
    return { state: 'completed', job };
  }

  #giveUp(job: Job, status: number): EngineStep {
    this.#errors = [...this.#errors, { job, status }];
    this.#remove(job);
    return { state: 'completed', job };
  }

  #remove(job: Job): void {
    this.#jobs = this.#jobs.filter(({ id }) => id !== job.id);
  }

  #update(job: Job, change: Partial<Job>): EngineStep {
    const changed = { ...job, ...change };
    this.#jobs = this.#jobs.map((other) => (other.id === job.id ? changed : other));
    return { state: 'worked', job: changed };
  }

  /** The step of a job whose access did not go through. */
  #after(job: Job, accessed: Exclude<Accessed, { readonly next: 'go on' }>): EngineStep {
    // A page request or a stall was noted in the job meanwhile.
    const now = this.#jobs.find(({ id }) => id === job.id) ?? job;
    switch (accessed.next) {
      case 'end':
        return this.#update(now, { ending: accessed.ending });
      case 'try again':
        return { state: 'worked', job: now };
      case 'wait':
        return { state: 'waiting', job: now, why: accessed.why };
      default:
        return accessed satisfies never;
    }
  }

  /** An access in the address space of the job, in one page; a page fault is asked for, or ends the job. */
  #access(job: Job, access: Pick<MemoryAccess, 'kind' | 'address' | 'bytes' | 'length'>): Accessed {
    const result = this.endpoint.dma({
      ...access,
      pasid: job.pasid,
      ...(job.on !== undefined && { on: job.on }),
    });
    return this.#judge(job, { address: access.address, write: access.kind === 'write' }, result, access.length ?? 0);
  }

  #judge(job: Job, fault: Fault, result: DmaResult, length: number): Accessed {
    switch (result.outcome) {
      case 'done':
        return { next: 'go on', data: result.data };
      case 'read as zero, write ignored':
        return { next: 'go on', data: new Uint8Array(length) };
      case 'refused':
        return { next: 'wait', why: result.why };
      case 'stalled': {
        const flight = this.endpoint.flights.findLast(({ state }) => state === 'stalled');
        if (flight !== undefined) this.#update(job, { stalled: { flight: flight.id, fault } });
        return { next: 'wait', why: 'the SMMU stalled it' };
      }
      case 'no access':
        return job.descriptor.blockOnFault
          ? this.#requestPage(job, fault)
          : { next: 'end', ending: { status: statuses.pageFault, fault } };
      case 'unsupported request':
      case 'completer abort':
        return { next: 'end', ending: { status: statuses.translationFailure, fault } };
      case 'aborted':
        return { next: 'end', ending: { status: statuses.hardwareError, fault } };
      default:
        return result satisfies never;
    }
  }

  /** Block on Fault: asks for the page, in a group of its own; without PRI the fault ends the job. */
  #requestPage(job: Job, fault: Fault): Accessed {
    const { pri } = this.endpoint;
    if (pri?.enabled !== true) return { next: 'end', ending: { status: statuses.pageFault, fault } };
    if (pri.responseFailure) return { next: 'end', ending: { status: statuses.translationFailure, fault } };
    const group = pri.freeGroup(this.endpoint.streamId);
    if (group === undefined) return { next: 'wait', why: 'all page request groups are outstanding' };
    const sent = this.endpoint.requestPage({
      address: fault.address - (fault.address % PAGE),
      pasid: job.pasid,
      group,
      last: true,
      read: !fault.write,
      write: fault.write,
    });
    if (!sent.done) return { next: 'wait', why: sent.why };
    this.#update(job, { group });
    this.endpoint.deliver(sent.value);
    return { next: 'try again' };
  }

  /** After Success the job asks for the translation again (PRI-07, ENQ-25); other codes end it. */
  #answered({ group, code }: Extract<ResponseEffect, { readonly effect: 'answered' }>): void {
    const job = this.#jobs.find((waiting) => waiting.group === group.index && waiting.pasid === group.pasid);
    const [request] = group.requests;
    if (job === undefined || request === undefined || group.streamId !== this.endpoint.streamId) return;
    const fault: Fault = { address: request.address, write: request.write };
    switch (code) {
      case 'success':
        this.#update(job, { group: undefined });
        break;
      case 'invalid request':
        this.#answeredBadly(job, { status: statuses.pageFaultInvalidRequest, fault });
        break;
      case 'response failure':
        this.#answeredBadly(job, { status: statuses.translationFailure, fault });
        break;
    }
  }

  /** The fault was of the completion record itself if the job had ended. */
  #answeredBadly(job: Job, ending: Ending): void {
    if (job.ending === undefined) this.#update(job, { group: undefined, ending });
    else this.#giveUp(job, statuses.completionRecordTranslation);
  }

  /** A stalled request: waits, or goes on with the step from its beginning, or fails if the SMMU aborted it. */
  #stallOf(job: Job): EngineStep | undefined {
    if (job.stalled === undefined) return undefined;
    const { flight: id, fault } = job.stalled;
    const flight = this.endpoint.flights.find((other) => other.id === id);
    if (flight === undefined) {
      return this.#update(job, { stalled: undefined, ending: { status: statuses.hardwareError, fault } });
    }
    if (flight.state === 'stalled') return { state: 'waiting', job, why: 'the SMMU stalled it' };
    const reached = this.endpoint.reachMemory(id);
    if (!reached.done) return { state: 'waiting', job, why: reached.why };
    return this.#update(job, { stalled: undefined });
  }
}

/** As many of `left` bytes as fit in the page of each address. */
function within(left: number, ...addresses: readonly bigint[]): number {
  return Math.min(left, ...addresses.map((address) => Number(PAGE - (address % PAGE))));
}

/** Bytes of an 8-byte pattern that repeats, from an offset on. */
function repeated(pattern: bigint, offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Number((pattern >> BigInt(((offset + index) % 8) * 8)) & 0xffn));
}
