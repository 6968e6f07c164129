/** Entries and commands for tests of the TLB. */
import type { Leaf } from '../pagetable/format.ts';
import { decodeCommand, encodeCommand } from './commands.ts';
import type { Command, CommandToEncode } from './commands.ts';
import { combinedEntry, stageEntry } from './tlb-entry.ts';
import type { LeafEntry, StageLeaf, TableEntry, Tag } from './tlb-entry.ts';

/** A command as the queue delivers it: encoded and decoded. */
export function command(fields: CommandToEncode): Command {
  return decodeCommand(encodeCommand(fields));
}

const all = { read: true, write: true, execute: true };

/** What one address bit means at a level of a granule: log2 of a leaf's size. */
export function leafLog2(granuleLog2: number, level: number): number {
  return granuleLog2 + (granuleLog2 - 3) * (3 - level);
}

/** A leaf of a stage, without regard to what it permits. */
export function stageLeafAt(input: bigint, output: bigint, level = 3, granuleLog2 = 12): StageLeaf {
  const sizeLog2 = leafLog2(granuleLog2, level);
  const leaf: Leaf = {
    output,
    sizeLog2,
    level,
    permissions: { privileged: all, unprivileged: all },
    global: false,
    descriptor: { address: 0n, word: 0n },
    accessFlag: true,
    dirtyModifier: false,
    writableClean: false,
    memoryAttributes: 15,
    shareability: 3,
  };
  return { leaf, input, sizeLog2, output, granuleLog2 };
}

/** A stage-1 entry. */
export function stage1At(tag: Tag, input: bigint, level = 3, granuleLog2 = 12): LeafEntry {
  return stageEntry(1, tag, stageLeafAt(input, 0x1_0000_0000_0000n, level, granuleLog2));
}

/** A stage-2 entry. */
export function stage2At(vmid: number, input: bigint, level = 3, granuleLog2 = 12): LeafEntry {
  return stageEntry(2, { world: 'NS-EL1', vmid }, stageLeafAt(input, 0x2_0000_0000_0000n, level, granuleLog2));
}

/** A combined entry of 4 KiB, out of a stage-1 leaf of any size. */
export function combinedAt(tag: Tag, address: bigint, level = 3, granuleLog2 = 12): LeafEntry {
  const size = BigInt(leafLog2(granuleLog2, level));
  const first = stageLeafAt((address >> size) << size, 0n, level, granuleLog2);
  const ipa = address - first.input;
  return combinedEntry(tag, first, stageLeafAt((ipa >> 12n) << 12n, 0x3_0000_0000_0000n), address);
}

/** A table descriptor. */
export function tableAt(stage: 1 | 2, tag: Tag, input: bigint, level: number, granuleLog2 = 12): TableEntry {
  return {
    kind: stage === 1 ? 'stage 1 table' : 'stage 2 table',
    tag,
    input,
    sizeLog2: leafLog2(granuleLog2, level),
    granuleLog2,
    level,
    resume: { level: level + 1, table: 0x5000n },
  };
}
