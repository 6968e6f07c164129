/**
 * The descriptors that a recorded walk read against those that the machine's walk reads.
 */
import type { Stage1, Stage2 } from '../smmuv3/configuration-result.ts';
import { hex } from './hex.ts';
import type { WordRead } from './observed-memory.ts';
import type { RecordOf } from './records.ts';

/** How they differ; `undefined` if they do not. With two stages QEMU's TLB may have known what the machine walks. */
export function pathMisfit(
  path: readonly RecordOf<'pte'>[],
  reads: readonly WordRead[],
  nested: boolean,
): string | undefined {
  if (nested) {
    const last = path.at(-1);
    return last === undefined || reads.some(({ address, word }) => address === last.addr && word === last.pte)
      ? undefined
      : `the recorded walk ends at the descriptor ${hex(last.addr)}, which the machine does not read`;
  }
  // Before them may stand those of a walk that ended without a trace.
  const own = path.slice(-reads.length);
  for (const [index, { address, word }] of reads.entries()) {
    const pte = own[index];
    if (pte === undefined) return `the machine reads the descriptor ${hex(address)}, which is not recorded`;
    if (pte.addr !== address || pte.pte !== word) {
      return `descriptor ${index} of the walk is ${hex(word)} at ${hex(address)}, the recording has ${hex(pte.pte)} at ${hex(pte.addr)}`;
    }
  }
  return undefined;
}

/** Why a walk is not judged that reads descriptors of stage 2 which the recording has not. */
export const hiddenTables =
  'walks of stage-1 tables larger than the pages of stage 2, as QEMU translates their start alone';

/** Whether stage-1 tables reach over pages of stage 2: of the further pages the recorded walks have no descriptors. */
export function hidesTables(stage1: Stage1 | undefined, stage2: Stage2 | undefined): boolean {
  const granuleLog2 = (stage1?.lower ?? stage1?.upper)?.granuleLog2;
  return granuleLog2 !== undefined && stage2 !== undefined && granuleLog2 > stage2.regime.granuleLog2;
}
