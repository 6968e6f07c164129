/**
 * Where hardware may keep something in a cache or drop it, QEMU does one of the two. The machine drops the same, as any hardware
 * may at any time, so that what they do afterwards can be compared. And where they cannot be compared at all, that is noticed.
 */
import type { MachineBoard } from '../../executor/scenario/machine-board.ts';
import { type DevicePlace, type Dma, memoryMap, type Operation, streamIdOf } from '../../executor/scenario/scenario.ts';
import type { ConfigurationEntry } from '../../executor/smmuv3/configuration-result.ts';
import { type ByAddress, droppedByQemu, isByAddress, mustGo } from './invalidation.ts';
import { decodeCommand } from '../../executor/smmuv3/commands.ts';
import { memoryUnit } from './session.ts';
import type { LeafEntry, TlbEntry } from '../../executor/smmuv3/tlb-entry.ts';
import { layout } from './image.ts';
import { outputBits } from '../../executor/smmuv3/identity.ts';
import { stage1Enabled, type Ste } from '../../executor/smmuv3/stream-table-entry.ts';

/** Follows QEMU step by step. */
export class Follower {
  readonly #board: MachineBoard;
  readonly #devices: readonly DevicePlace[];
  readonly #aside: LeafEntry[] = [];
  #incomparable: string | undefined;

  constructor(board: MachineBoard, devices: readonly DevicePlace[]) {
    this.#board = board;
    this.#devices = devices;
  }

  /** Why the rest of the scenario says nothing: QEMU has another world there. */
  get incomparable(): string | undefined {
    const below = this.#board.lost.some((address) => address < memoryMap.ram);
    return below ? 'a DMA went to physical addresses where QEMU has devices' : this.#incomparable;
  }

  /** The 64 KiB units of memory that DMA went to. */
  get touched(): readonly bigint[] {
    const { accesses } = this.#board.smmu.memory;
    return [...new Set(accesses.map(({ address }) => address - (address % memoryUnit)))];
  }

  before(operation: Operation): void {
    if (operation.op === 'dma') this.#setAside(operation);
    if (operation.op === 'dma' && this.#writesToReadOnlyStage2(operation)) {
      this.#incomparable ??=
        'QEMU takes a stage-2 fault in the TLB for one of stage 1, which is not recorded without stage 1';
    }
    if (operation.op !== 'cmd') return;
    const { configuration } = this.#board.smmu;
    for (const command of operation.commands.map((raw) => decodeCommand(raw))) {
      if (isByAddress(command)) this.#invalidate(command);
      if (command.op !== 'CFGI_CD' && command.op !== 'CFGI_CD_ALL') continue;
      // QEMU forgets the stream even if it has no context descriptor.
      for (const entry of configuration.entries) {
        if (entry.kind === 'STE' && entry.sid === command.sid && !stage1Enabled(entry.ste)) configuration.evict(entry);
      }
    }
  }

  /** Drops what QEMU drops though it need not; what must go the machine has to drop itself. */
  #invalidate(command: ByAddress): void {
    const { tlb } = this.#board.smmu;
    const dropped = droppedByQemu(command, tlb.entries);
    if (tlb.entries.some((entry) => isBroken(entry) && mustGo(entry, command) && !dropped.includes(entry))) {
      this.#incomparable ??= 'QEMU keeps parts of a stage-1 block that stage 2 broke up';
    }
    for (const entry of dropped) if (!mustGo(entry, command)) tlb.evict(entry);
  }

  /** With both stages QEMU does not look into the TLB for the last step, from IPA to PA, but for those of tables. */
  #setAside(dma: Dma): void {
    const { tlb } = this.#board.smmu;
    if (this.#steOf(dma)?.Config !== 0b111) return;
    for (const entry of tlb.entries) {
      if (entry.kind !== 'stage 2' || (entry.output >= layout.tables && entry.output < layout.tablesEnd)) continue;
      tlb.evict(entry);
      this.#aside.push(entry);
    }
  }

  /** The entry of the function's stream, as the SMMU has it. */
  #steOf({ dev }: Dma): Ste | undefined {
    const device = this.#devices.find(({ name }) => name === dev) ?? this.#devices[0];
    if (device === undefined) return undefined;
    const found = this.#board.smmu.configuration.lookupSte(streamIdOf(device));
    return found.ok ? found.configuration.ste : undefined;
  }

  #writesToReadOnlyStage2(dma: Dma): boolean {
    const { iova, data } = dma;
    const ste = this.#steOf(dma);
    if (data.dir === 'read' || (ste !== undefined && stage1Enabled(ste))) return false;
    const end = iova + BigInt(data.bytes.length);
    return this.#board.smmu.tlb.entries.some(
      (entry) =>
        entry.kind === 'stage 2' &&
        entry.stage2?.leaf.permissions.unprivileged.write === false &&
        entry.input < end &&
        iova < entry.input + (1n << BigInt(entry.sizeLog2)),
    );
  }

  after(operation: Operation): void {
    const { configuration, identity, tlb } = this.#board.smmu;
    for (const entry of this.#aside.splice(0)) tlb.insert(entry);
    if (operation.op === 'dma' && operation.iova >> BigInt(outputBits(identity)) !== 0n) {
      const ste = this.#steOf(operation);
      if (ste !== undefined && startsWithoutStage1(ste)) {
        this.#incomparable ??= 'QEMU has no input size but that of the tables';
      }
    }
    const { entries } = configuration;
    // QEMU keeps the configuration of a stream whole, stream table entry and context descriptor, or nothing of it.
    for (const entry of entries) {
      if (!isWhole(entry, entries)) configuration.evict(entry);
    }
  }
}

/** A part of a stage-1 block. */
function isBroken(entry: TlbEntry): entry is LeafEntry {
  return entry.kind === 'combined' && entry.stage1 !== undefined && entry.stage1.sizeLog2 > entry.sizeLog2;
}

function isWhole(entry: ConfigurationEntry, entries: readonly ConfigurationEntry[]): boolean {
  if (entry.kind === 'L1STD') return false;
  const ofStream = (kind: ConfigurationEntry['kind']) => (other: ConfigurationEntry) =>
    other.kind === kind && other.kind !== 'L1STD' && other.sid === entry.sid;
  const ste = entries.find(ofStream('STE'));
  return ste?.kind === 'STE' && (!stage1Enabled(ste.ste) || entries.some(ofStream('CD')));
}

/** Bypass, or stage 2 only. */
function startsWithoutStage1({ V, Config }: Ste): boolean {
  return V && (Config === 0b100 || Config === 0b110);
}
