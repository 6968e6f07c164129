/**
 * The threads of a search: this one and helpers, each with banks of its own. A phase is done by all, and has ended for all
 * when the call returns; where there is little to do this thread does it alone.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { shards } from '../compile/format.ts';
import { Bank, type BankShape, maxPages, newMemory, release } from './bank.ts';
import { type Answer, control, type HelperData, lastTurn, type Order, waitWhile } from './helper.ts';
import { emptyReport, join, type Phase, type Report, run } from './phases.ts';

/** The threads and their banks. */
export class Crew {
  readonly banks: readonly Bank[];
  private readonly shape: BankShape;
  private readonly store: WebAssembly.Module;
  private readonly propertyOf: Int32Array;
  /** How many threads there are. */
  readonly workers: number;
  private readonly limit: number;
  private readonly words = new Int32Array(new SharedArrayBuffer(4 * control.words));
  private readonly helpers: {
    readonly worker: Worker;
    readonly port: MessagePort;
    module: WebAssembly.Module | undefined;
  }[] = [];
  private module: WebAssembly.Module | undefined;
  /** Whether no helper is at work, and the memories are still held. */
  private isIdle = true;

  /** `store`: the module of the visited set. */
  constructor(
    shapeOfOne: Omit<BankShape, 'banks'>,
    store: WebAssembly.Module,
    propertyOf: Int32Array,
    workers: number,
    maxMemory: number,
  ) {
    const bankLimit = maxPages * 65536;
    const count = Math.min(shards, workers * Math.ceil(maxMemory / workers / bankLimit));
    this.limit = maxMemory / count;
    const shape = { ...shapeOfOne, banks: count };
    const memories = Array.from({ length: count }, () => newMemory(shape));
    this.banks = memories.map((memory, i) => new Bank(i, memory, store, shape, this.limit));
    this.shape = shape;
    this.store = store;
    this.propertyOf = propertyOf;
    this.workers = Math.min(workers, count);
  }

  /** All threads go on with another module. */
  link(module: WebAssembly.Module): void {
    this.module = module;
    for (const bank of this.banks) bank.link(module);
  }

  /** Does a phase on all banks, with the helpers if there is `much` to do. */
  do(phase: Phase, much: boolean): Report {
    if (much && this.workers > 1) {
      if (this.helpers.length === 0) this.hire();
      if (Atomics.load(this.words, control.ready) === this.workers - 1) return this.doTogether(phase);
    }
    const report = emptyReport();
    run(phase, this.banks, this.banks, this.propertyOf, report);
    return report;
  }

  private doTogether(phase: Phase): Report {
    this.isIdle = false;
    Atomics.store(this.words, control.ended, 0);
    for (const helper of this.helpers) {
      if (helper.module !== this.module && this.module !== undefined) {
        helper.port.postMessage({ module: this.module } satisfies Order);
        helper.module = this.module;
      }
      helper.port.postMessage(phase satisfies Order);
    }
    Atomics.add(this.words, control.turn, 1);
    Atomics.notify(this.words, control.turn);
    const report = emptyReport();
    run(phase, this.banksOf(0), this.banks, this.propertyOf, report);
    for (let ended = 0; ended < this.helpers.length; ended = Atomics.load(this.words, control.ended)) {
      waitWhile(this.words, control.ended, ended);
    }
    for (const { port } of this.helpers) {
      const { message } = receiveMessageOnPort(port) as { readonly message: Answer };
      if ('failure' in message) throw new Error(`a helper thread failed: ${message.failure}`);
      join(report, message);
    }
    this.isIdle = true;
    return report;
  }

  /** Starts the helpers, which work from when they are ready. */
  private hire(): void {
    for (let number = 0; number < this.workers - 1; number++) {
      const { port1: port, port2 } = new MessageChannel();
      const data: HelperData = {
        control: this.words.buffer,
        port: port2,
        number,
        own: this.banksOf(number + 1).map((bank) => bank.number),
        memories: this.banks.map(({ memory }) => memory),
        store: this.store,
        shape: this.shape,
        propertyOf: this.propertyOf,
        limit: this.limit,
      };
      const worker = new Worker(helperUrl(), { workerData: data, transferList: [port2] });
      worker.unref();
      port.unref();
      this.helpers.push({ worker, port, module: undefined });
    }
  }

  private banksOf(worker: number): readonly Bank[] {
    return this.banks.filter(({ number }) => number % this.workers === worker);
  }

  bankOf(shard: number): Bank {
    return this.banks[Math.floor((shard * this.banks.length) / shards)] as Bank;
  }

  /** Ends the helpers, and gives the memories back. */
  close(): void {
    this.dismiss();
    // What helpers were in the middle of when this thread gave up, they may still write.
    if (this.isIdle) for (const { memory } of this.banks) release(memory);
    this.isIdle = false;
  }

  private dismiss(): void {
    if (this.helpers.length === 0) return;
    Atomics.store(this.words, control.turn, lastTurn);
    Atomics.notify(this.words, control.turn);
    for (const { worker, port } of this.helpers) {
      port.close();
      void worker.terminate();
    }
    this.helpers.length = 0;
  }
}

/** The code of a helper. Where this file runs as TypeScript, as under vitest, threads need it as JavaScript. */
function helperUrl(): URL {
  const url = new URL('helper.js', import.meta.url);
  if (import.meta.url.endsWith('.js')) return url;
  const { buildSync } = createRequire(import.meta.url)('esbuild') as typeof import('esbuild');
  const source = fileURLToPath(new URL('helper.ts', import.meta.url));
  const { outputFiles } = buildSync({
    entryPoints: [source],
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  });
  return new URL(`data:text/javascript;base64,${Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')}`);
}
