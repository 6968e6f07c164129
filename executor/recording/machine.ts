/**
 * The machine that a recording is replayed on: an SMMU with the recorded identification registers, and memory that knows which
 * words the recording has shown.
 */
import { mask } from '../bits.ts';
import { decodeCommand, isIllegal } from '../smmuv3/commands.ts';
import { defaultIdentity, type Identity, identityFrom } from '../smmuv3/identity.ts';
import { type RegisterName, registerMap } from '../smmuv3/registers.ts';
import { entryAddress } from '../smmuv3/ring.ts';
import { Smmu } from '../smmuv3/smmu.ts';
import { ObservedMemory, type WordRead } from './observed-memory.ts';
import type { RecordedLine, RecordOf } from './records.ts';

/** Registers that a recording which began after bring-up shows in its first mark alone; CR0 comes last. */
const configuring = [
  'CR1',
  'CR2',
  'STRTAB_BASE',
  'STRTAB_BASE_CFG',
  'CMDQ_BASE',
  'EVENTQ_BASE',
  'EVENTQ_PROD',
  'EVENTQ_CONS',
  'IRQ_CTRL',
  'CR0',
] as const satisfies readonly RegisterName[];

/** The machine of a recording, before its first record. */
export function machineFor(records: readonly RecordedLine[]): Machine {
  const regs = new Map<string, bigint>();
  // The first value of each register that a mark shows.
  for (const record of records) {
    if (record.k !== 'mark') continue;
    for (const [name, value] of Object.entries(record.regs ?? {})) if (!regs.has(name)) regs.set(name, value);
  }
  const notes: string[] = [];
  const machine = new Machine(identityOf(regs, notes), records, notes);
  const written = new Set(
    records.flatMap((record) => (record.k === 'reg' ? [nameAt(record.addr)] : [])).filter((name) => name !== undefined),
  );
  for (const name of configuring) {
    const value = regs.get(name);
    if (!written.has(name) && value !== undefined) machine.smmu.registers.writeByName(name, value);
  }
  return machine;
}

export class Machine {
  readonly memory = new ObservedMemory();
  readonly smmu: Smmu;
  /** What the replay does not do as recorded. */
  readonly notes: string[];
  readonly #kinds: ReadonlySet<RecordedLine['k']>;
  readonly #shown = new Set<bigint>();

  constructor(identity: Identity, records: readonly RecordedLine[], notes: string[]) {
    this.smmu = new Smmu(this.memory, { identity, tlb: 'chosen' });
    this.notes = notes;
    this.#kinds = new Set(records.map(({ k }) => k));
  }

  /** Whether the recording has records of a kind at all. */
  has(kind: RecordedLine['k']): boolean {
    return this.#kinds.has(kind);
  }

  get hasCommands(): boolean {
    return this.has('cmd') && this.smmu.registers.isEnabled('CMDQEN');
  }

  get eventQueueIsFull(): boolean {
    return this.smmu.registers.isEnabled('EVENTQEN') && !this.smmu.events.isWritable;
  }

  /** A descriptor as the recorded walk read it. */
  see(address: bigint, word: bigint): void {
    if (address % 8n !== 0n || !this.memory.isBacked(address, 8)) return;
    this.memory.writeWord(address, word);
    this.#shown.add(address);
  }

  /** A table as a mark shows it: the entries that are not zero. The others of its first 4 KiB, the smallest table, are zero. */
  seeTable(address: bigint, entries: readonly (readonly [number, bigint])[]): void {
    const given = new Map(entries);
    for (let index = 0; index < 512; index++) this.see(address + BigInt(index * 8), given.get(index) ?? 0n);
    for (const [index, word] of entries) if (index >= 512) this.see(address + BigInt(index * 8), word);
  }

  /** Whether the recording has shown all words that were read. */
  hasShown(reads: readonly WordRead[]): boolean {
    return reads.every(({ address }) => this.#shown.has(address));
  }

  /** Whether a register write publishes commands, which the commands before it have done here. */
  isCommandProducer({ addr }: RecordOf<'reg'>): boolean {
    return nameAt(addr) === 'CMDQ_PROD';
  }

  /** Index and wrap bit of CMDQ_PROD. */
  commandPosition(value: bigint): bigint {
    return value & mask(this.smmu.commands.ring.sizeLog2 + 1);
  }

  /** A register write. Unknown registers are left alone. */
  write({ addr, val, size }: RecordOf<'reg'>): void {
    const name = nameAt(addr);
    if (name === undefined) return;
    const bytes = size ?? registerMap[name].size;
    if (Number(addr) % bytes === 0) this.smmu.writeRegister(Number(addr), bytes, val & mask(bytes * 8));
  }

  /** A command, through the queue in memory if that is on. Returns why the machine does not accept it, if so. */
  command(raw: Uint8Array): string | undefined {
    const { smmu, memory } = this;
    const command = decodeCommand(raw);
    const why = isIllegal(command, smmu.identity);
    if (why !== undefined || !smmu.registers.isEnabled('CMDQEN')) {
      if (why === undefined) {
        smmu.tlb.invalidate(command);
        smmu.configuration.invalidate(command);
      }
      return why;
    }
    const { ring, positions } = smmu.commands;
    const address = entryAddress(ring, positions.producer);
    if (memory.isBacked(address, raw.length)) memory.write(address, raw);
    smmu.registers.writeByName('CMDQ_PROD', this.commandPosition(BigInt(positions.producer + 1)));
    return undefined;
  }
}

/** The register at an offset; QEMU has EVENTQ_PROD and _CONS at their page-0 places too. */
function nameAt(offset: bigint): RegisterName | undefined {
  return names.get(Number(offset));
}

const names = new Map<number, RegisterName>(
  (Object.entries(registerMap) as [RegisterName, { offset: number; size: number; also?: number }][]).flatMap(
    ([name, { offset, size, also }]) =>
      [offset, ...(also === undefined ? [] : [also])].flatMap((at): [number, RegisterName][] =>
        size === 8
          ? [
              [at, name],
              [at + 4, name],
            ]
          : [[at, name]],
      ),
  ),
);

function identityOf(regs: ReadonlyMap<string, bigint>, notes: string[]): Identity {
  const ids = ['IDR0', 'IDR1', 'IDR2', 'IDR3', 'IDR5', 'IIDR', 'AIDR'] as const;
  const given = ids.flatMap((name) => {
    const value = regs.get(name);
    return value === undefined ? [] : [[name, Number(value & mask(32))] as const];
  });
  if (!regs.has('IDR0')) {
    notes.push("the recording has no identification registers: those of QEMU's virt machine are taken");
    return defaultIdentity;
  }
  try {
    return identityFrom(Object.fromEntries(given));
  } catch (error) {
    notes.push(`${error instanceof Error ? error.message : String(error)}; the default machine is taken instead`);
    return defaultIdentity;
  }
}
