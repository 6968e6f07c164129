/**
 * The keys that a search probes, in its order: each initial state, and then the state that each transition leads to.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { search } from '../../checker/index.ts';
import { Bank } from '../../checker/search/bank.ts';
import { instantiate } from '../../language/index.ts';
import { loadProtocols } from '../load.ts';
import type { Case } from './cases.ts';

/** Little enough for all shards to lie in one memory, so that what is collected there is all in order. */
const maxMemory = 3 * 2 ** 30;

/** Writes the packed states that the search of a case looks up; returns the bytes of each. */
export async function writeKeys({ file: source, size }: Case, file: string): Promise<number> {
  const [protocol] = await loadProtocols([source], { typecheck: false });
  if (protocol === undefined) throw new Error(`${source} exports no model`);
  const out = openSync(file, 'w');
  const sort = Object.getOwnPropertyDescriptor(Bank.prototype, 'sort')?.value as (this: Bank) => void;
  let keyBytes = 0;
  // A round is sorted once, after all its successors were collected.
  Bank.prototype.sort = function sorting(this: Bank): void {
    const { words, stride } = this.asCollected();
    const keys = new Int32Array((words.length / stride) * (stride - 1));
    for (let from = 0, to = 0; from < words.length; from += stride, to += stride - 1) {
      for (let i = 0; i < stride - 1; i++) keys[to + i] = words[from + i] as number;
    }
    keyBytes = (stride - 1) * 4;
    writeSync(out, keys);
    sort.call(this);
  };
  try {
    search(instantiate(protocol.model, size), protocol.properties, { workers: 1, maxMemory, keepGoing: true });
  } finally {
    Bank.prototype.sort = sort;
    closeSync(out);
  }
  return keyBytes;
}
