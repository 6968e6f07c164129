/**
 * A last look at a search: in some of the states found, what generated code makes of them is compared with what the language
 * means. Trees are compared as they are recorded, so this is for functions that change their mind later.
 */
import { successors, withoutClockOrChance } from '../../language/index.ts';
import type { Program } from '../compile/program.ts';
import { unsteady } from '../reduce/reduction.ts';
import type { Bank } from './bank.ts';

/** Throws `ModelError` where the successors of a state are not those that the language gives it. */
export function audit(program: Program, bank: Bank, shard: number, id: number): void {
  const before = bank.state(shard, id);
  bank.beginRound();
  const missed: number[] = [];
  bank.expandRun(shard, id, 1, missed, []);
  withoutClockOrChance(() => {
    for (let i = 0; i < missed.length; i += 3) {
      for (const after of program.missing(missed[i + 2] as number, before)) bank.addSuccessor(after);
    }
  });
  const { words, stride, count } = bank.successorsFrom(0);
  const found = Array.from({ length: count }, (_, i) => String(words.subarray(i * stride, (i + 1) * stride - 1)));
  const meant: string[] = [];
  successors(program.instance, program.layout.unpack(before), false, (_rule, _bound, next) => {
    meant.push(String(program.layout.pack(next)));
  });
  if (found.toSorted().join(' ') !== meant.toSorted().join(' ')) throw unsteady(program);
}
