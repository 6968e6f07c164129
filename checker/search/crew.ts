/**
 * The threads of a search: this one and helpers, each with banks of its own. Every phase is done by all, and has ended for
 * all when the call returns.
 */
import { shards } from '../compile/module.ts';
import { Bank, type BankShape, maxPages, newMemory } from './bank.ts';
import { emptyReport, type Phase, type Report, run } from './phases.ts';

/** The threads and their banks. */
export class Crew {
  readonly banks: readonly Bank[];
  private readonly propertyOf: Int32Array;

  constructor(shape: BankShape, propertyOf: Int32Array, workers: number, maxMemory: number) {
    const bankLimit = maxPages * 65536;
    const count = Math.min(shards, workers * Math.ceil(maxMemory / workers / bankLimit));
    const memories = Array.from({ length: count }, () => newMemory(shape));
    this.banks = memories.map((memory, i) => new Bank(i, count, memory, shape, maxMemory / count));
    this.propertyOf = propertyOf;
  }

  /** All threads go on with another module. */
  link(module: WebAssembly.Module): void {
    for (const bank of this.banks) bank.link(module);
  }

  /** Does a phase on all banks. */
  do(phase: Phase): Report {
    const report = emptyReport();
    run(phase, this.banks, this.banks, this.propertyOf, report);
    return report;
  }

  bankOf(shard: number): Bank {
    return this.banks[Math.floor((shard * this.banks.length) / shards)] as Bank;
  }
}
