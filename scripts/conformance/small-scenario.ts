/**
 * Small scenarios by hand: one function, one stream table entry, a context descriptor, and tables with the leaves that are named.
 */
import { hex, hexOfBytes } from '../../executor/scenario/hex.ts';
import { type CommandToEncode, encodeCommand } from '../../executor/smmuv3/commands.ts';
import { cdLayout } from '../../executor/smmuv3/context-descriptor.ts';
import { steLayout } from '../../executor/smmuv3/stream-table-entry.ts';
import { hexOfWords, Image, layout } from './image.ts';
import { devices, type Lowered } from './lower.ts';
import type { Leaf } from './plan.ts';
import { type Placed, placeAt, rootOf, type Shape } from './tables.ts';

/** The StreamID of the function that is used, of `devices`. */
export const streamId = 0x10;

type SteFields = Parameters<typeof steLayout.encode>[0];
type CdFields = Parameters<typeof cdLayout.encode>[0];

/** A leaf at an input address; a page of the data where nothing else is said. */
export interface LeafAt {
  readonly input: bigint;
  readonly level?: number;
  readonly leaf?: Partial<Leaf>;
  readonly tableReadOnly?: boolean;
  /** Bits of the descriptor that are turned over. */
  readonly flip?: bigint;
}

/** What is different from the usual: 4 KiB granule, 39 bits of input, everything permitted. */
export interface Setting {
  readonly stages?: '1' | '2' | '1 and 2' | 'bypass';
  readonly ste?: SteFields;
  readonly cd?: CdFields;
  readonly shape?: Partial<Shape>;
  readonly upper?: readonly LeafAt[];
  readonly stage2Shape?: Partial<Shape>;
  /** The log2 of the linear table, or SPLIT and Span of the one level-1 descriptor. */
  readonly table?: { readonly log2: number } | { readonly split: number; readonly span: number };
  /** With both stages: the guest may read the data only. */
  readonly readOnlyData?: boolean;
  readonly cr2?: number;
  readonly eventQueueLog2?: number;
}

const usualLeaf: Leaf = { kind: 'page', frame: 1, read: true, write: true, accessed: true };
const usualShape: Shape = { stage: 1, granuleLog2: 12, inputBits: 39, startLevel: 1, outputBits: 44, shift: 0n };

/** A scenario in the making. The first byte of frame n of the data is n. */
export class SmallScenario {
  readonly #image = new Image();
  readonly #steps: object[] = [];
  readonly #setting: Setting;
  readonly #cd: bigint;
  readonly #root: bigint;
  readonly #root1: bigint;
  readonly #root2: bigint;

  constructor(setting: Setting = {}, leaves: readonly LeafAt[] = []) {
    this.#setting = setting;
    const shape = { ...usualShape, ...setting.shape };
    const shape2: Shape = { ...usualShape, stage: 2, ...setting.stage2Shape };
    this.#cd = this.#image.allocate(0x1000n);
    this.#root = rootOf(this.#image, shape);
    this.#root1 = rootOf(this.#image, shape);
    this.#root2 = rootOf(this.#image, shape2);
    const { stages = '1' } = setting;
    const own = stages === '2' ? { root: this.#root2, shape: shape2 } : { root: this.#root, shape };
    for (const leaf of leaves) this.#place(own.root, own.shape, leaf);
    for (const leaf of setting.upper ?? []) this.#place(this.#root1, shape, leaf);
    if (stages === '1 and 2') {
      // The guest sees all memory where it is, but for what is said.
      for (let address = layout.tables; address < layout.tables + 0x40_0000n; address += 0x20_0000n) {
        this.#place(this.#root2, shape2, {
          input: address,
          level: 2,
          leaf: { frame: Number((address - layout.data) >> 12n) },
        });
      }
      this.#place(this.#root2, shape2, {
        input: layout.data,
        level: 2,
        leaf: { frame: 0, write: setting.readOnlyData !== true },
      });
    }
    this.#structures(shape, shape2);
    this.#registers();
  }

  #place(root: bigint, shape: Shape, { input, level = 3, leaf, tableReadOnly, flip = 0n }: LeafAt): Placed {
    const placed = placeAt(this.#image, root, shape, input, level, { ...usualLeaf, ...leaf }, tableReadOnly);
    if (placed === undefined) throw new Error(`nothing can be mapped at ${hex(input)}`);
    this.#image.set(placed.descriptor, this.#image.get(placed.descriptor) ^ flip);
    return placed;
  }

  #structures(shape: Shape, shape2: Shape): void {
    const { stages = '1', ste, cd, upper } = this.#setting;
    const config = { '1': 5, '2': 6, '1 and 2': 7, bypass: 4 }[stages];
    const stage2: SteFields = {
      S2VMID: 5,
      S2T0SZ: 64 - shape2.inputBits,
      S2SL0: 2 - shape2.startLevel,
      S2PS: 5,
      S2AA64: true,
      S2R: true,
      S2TTB: this.#root2,
    };
    const entry = { V: true, Config: config, S1ContextPtr: this.#cd, ...(config > 5 ? stage2 : {}), ...ste };
    this.#image.put(layout.streamTable + BigInt(streamId) * 64n, steLayout.encode(entry));
    const size = 64 - shape.inputBits;
    this.#image.put(
      this.#cd,
      cdLayout.encode({
        V: true,
        AA64: true,
        A: true,
        R: true,
        IPS: 5,
        ASID: 1,
        T0SZ: size,
        TTB0: this.#root,
        ...(upper === undefined ? { EPD1: true } : { T1SZ: size, TG1: 2, TTB1: this.#root1 }),
        ...cd,
      }),
    );
  }

  #registers(): void {
    const { table = { log2: 9 }, cr2 = 2, eventQueueLog2 = 7 } = this.#setting;
    for (const step of this.#image.steps()) this.#steps.push(step);
    const bytesOfFrame = (frame: number): Uint8Array => new Uint8Array(16).fill(frame);
    for (let frame = 0; frame < 8; frame++) this.mem(layout.data + BigInt(frame) * 0x1000n, bytesOfFrame(frame));
    if ('span' in table) this.mem(layout.secondLevel, hexOfWords([layout.streamTable | BigInt(table.span)]));
    const isLinear = 'log2' in table;
    this.mmio('CR2', cr2);
    this.mmio('STRTAB_BASE', isLinear ? layout.streamTable : layout.secondLevel);
    this.mmio('STRTAB_BASE_CFG', isLinear ? table.log2 : (1 << 16) | (table.split << 6) | 8);
    this.mmio('CMDQ_BASE', layout.commands | 8n);
    this.mmio('EVENTQ_BASE', layout.events | BigInt(eventQueueLog2));
    this.mmio('CR0', 0xd);
  }

  mem(address: bigint, bytes: Uint8Array | string): this {
    this.#steps.push({ op: 'mem', addr: hex(address), hex: typeof bytes === 'string' ? bytes : hexOfBytes(bytes) });
    return this;
  }

  mmio(reg: string, value: bigint | number): this {
    this.#steps.push({ op: 'mmio', reg, value: hex(value) });
    return this;
  }

  /** A word in memory changes; `change` is given what it was at the start. */
  descriptor(address: bigint, change: (word: bigint) => bigint): this {
    return this.mem(address, hexOfWords([change(this.#image.get(address))]));
  }

  read(iova: bigint): this {
    this.#steps.push({ op: 'dma', dir: 'read', iova: hex(iova), len: 1 });
    return this;
  }

  write(iova: bigint): this {
    this.#steps.push({ op: 'dma', dir: 'write', iova: hex(iova), hex: 'ee' });
    return this;
  }

  commands(...commands: readonly CommandToEncode[]): this {
    this.#steps.push({ op: 'cmd', hex: commands.map((command) => hexOfBytes(encodeCommand(command))) });
    return this;
  }

  events(): this {
    this.#steps.push({ op: 'events' });
    return this;
  }

  readRegister(reg: string): this {
    this.#steps.push({ op: 'mmio_read', reg });
    return this;
  }

  /** Where the leaf of an input address of the first stage is described, four levels of 4 KiB tables at most. */
  leafOf(input: bigint, lastLevel = 3): bigint {
    const { stages = '1' } = this.#setting;
    let table = stages === '2' ? this.#root2 : this.#root;
    for (let level = 1; ; level++) {
      const address = table + 8n * ((input >> BigInt(39 - 9 * level)) & 0x1ffn);
      if (level === lastLevel) return address;
      table = this.#image.get(address) & 0xffff_ffff_f000n;
    }
  }

  scenario(major: number): Lowered {
    return {
      qemu: { ram: layout.ram, devices },
      smmu: major < 10 ? { S2P: 0, VMID16: 0, XNX: 0 } : {},
      steps: this.#steps,
    };
  }
}
