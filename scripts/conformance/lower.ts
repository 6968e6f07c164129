/**
 * From a plan to a scenario: bytes of structures and tables, registers, and the steps of what happens.
 */
import { hex, hexOfBytes } from '../../executor/scenario/hex.ts';
import { type CommandToEncode, encodeCommand, opcodes } from '../../executor/smmuv3/commands.ts';
import { cdLayout } from '../../executor/smmuv3/context-descriptor.ts';
import { steLayout } from '../../executor/smmuv3/stream-table-entry.ts';
import { Image, hexOfWords, layout } from './image.ts';
import type { Abilities, Guest, Happening, Invalidation, Leaf, Plan, Space, Stream, Table, Target } from './plan.ts';
import {
  descriptorOf,
  frameOf,
  leafLevels,
  place,
  placeAt,
  type Placed,
  rootOf,
  type Shape,
  shiftOf,
  stage1Start,
} from './tables.ts';

/** The functions of every scenario: in the first 32 StreamIDs, and behind a root port. */
export const devices = [
  { name: 'edu0', slot: 2, bus: 0, fn: 0 },
  { name: 'edu1', slot: 3, bus: 0, fn: 0 },
  { name: 'edu2', slot: 0, bus: 1, fn: 0 },
] as const;
const streamIds = [0x10, 0x18, 0x100] as const;

const outputSizes = [32, 36, 40, 42, 44, 44, 44] as const;
/** IPS and S2PS; code 6 ends QEMU 10 with a failed assertion. */
const ipsCodes = [5, 4, 5, 3, 2, 1, 0, 4] as const;
const tg0 = { 12: 0, 14: 2, 16: 1 } as const;
const tg1 = { 12: 2, 14: 1, 16: 3 } as const;

const largestTable = 0x1_0000n;

/** A table as it stands in memory. */
interface Built {
  readonly root: bigint;
  readonly shape: Shape;
  /** With the leaf as it is now. */
  readonly leaves: { placed: Placed; leaf: Leaf }[];
}

interface BuiltSpace {
  readonly plan: Space;
  readonly cd: bigint;
  readonly shift: bigint;
  readonly lower: Built | undefined;
  readonly upper: Built | undefined;
}

interface BuiltGuest extends Built {
  readonly plan: Guest;
  readonly shift: bigint;
}

/** A scenario in the format of `svacheck machine run`. */
export interface Lowered {
  readonly qemu: { readonly ram: string; readonly devices: typeof devices };
  readonly smmu: Readonly<Record<string, number>>;
  readonly steps: readonly object[];
}

/** The scenario of a plan. */
export function lower(plan: Plan, abilities: Abilities): Lowered {
  return new Lowering(plan, abilities).result();
}

class Lowering {
  readonly #plan: Plan;
  readonly #abilities: Abilities;
  readonly #image = new Image();
  readonly #steps: object[] = [];
  readonly #streams: Stream[];
  readonly #guests: readonly BuiltGuest[];
  readonly #spaces: readonly BuiltSpace[];
  /**
   * QEMU heeds APTable in walks only, before it looks at what is below, and forgets it in what it caches. So where there is an
   * APTable nothing is read, and nothing faults but for it.
   */
  readonly #hasTablePermissions: boolean;
  #prod = 0;
  #errors = 0;

  constructor(plan: Plan, abilities: Abilities) {
    this.#plan = plan;
    this.#abilities = abilities;
    this.#streams = [...plan.streams];
    this.#hasTablePermissions = plan.spaces.some(({ lower: low, upper }) =>
      [low, upper].some((table) => table?.mappings.some(({ tableReadOnly }) => tableReadOnly) === true),
    );
    const shapes = plan.guests.map(shapeOfGuest);
    this.#spaces = plan.spaces.map((space, index) => this.#buildSpace(space, index, shapes));
    this.#guests = plan.guests.map((guest, index) => this.#buildGuest(guest, shapes[index]));
    for (const [device, stream] of this.#streams.entries()) {
      this.#image.put(this.#steAddress(device), this.#ste(stream));
    }
    this.#buildStreamTable();
  }

  result(): Lowered {
    const setup = [...this.#image.steps(), ...this.#fill(), ...this.#registers()];
    this.#steps.push(...setup);
    for (const happening of this.#plan.happenings) this.#happen(happening);
    this.#steps.push({ op: 'mmio_read', reg: 'CMDQ_CONS' }, { op: 'mmio_read', reg: 'GERROR' });
    return {
      qemu: { ram: layout.ram, devices },
      smmu: this.#abilities.stage2 ? {} : { S2P: 0, VMID16: 0, XNX: 0 },
      steps: this.#steps,
    };
  }

  // What lies in memory.

  #buildSpace(space: Space, index: number, shapes: readonly Shape[]): BuiltSpace {
    const nested = this.#plan.streams.find(({ config, space: used }) => config === 'nested' && used === index);
    const shift = nested === undefined ? 0n : (shapes[nested.guest]?.shift ?? 0n);
    const outputBits = outputSizes[ipsCodes[space.ips] ?? 5] ?? 44;
    const half = (table: Table | undefined): Built | undefined => {
      if (table === undefined) return undefined;
      const inputBits = inputBitsOf(table.size);
      const startLevel = stage1Start(table.granuleLog2, inputBits);
      return this.#build(table, { stage: 1, granuleLog2: table.granuleLog2, inputBits, startLevel, outputBits, shift });
    };
    const cd = this.#image.allocate(64n);
    const built: BuiltSpace = { plan: space, cd, shift, lower: half(space.lower), upper: half(space.upper) };
    this.#image.put(cd, cdOf(built, this.#brokenFor(index, space.broken)));
    return built;
  }

  /** QEMU asks stage 2 for the first tables when it reads the context descriptor, whether they are used or not. */
  #brokenFor(space: number, broken: Space['broken']): Space['broken'] {
    const { streams, happenings } = this.#plan;
    const all = [...streams, ...happenings.flatMap((one) => (one.kind === 'stream' ? [one.stream] : []))];
    const isNested = all.some((stream) => stream.config === 'nested' && stream.space === space);
    return broken === 'unbacked' && isNested ? 'no' : broken;
  }

  #build(table: Table, shape: Shape): Built {
    const root = rootOf(this.#image, shape);
    const leaves = table.mappings.flatMap((mapping) => {
      const leaf = this.#leafFor(shape, mapping.leaf);
      const placed = place(this.#image, root, shape, { ...mapping, leaf });
      return placed === undefined ? [] : [{ placed, leaf }];
    });
    return { root, shape, leaves };
  }

  #leafFor({ stage }: Shape, leaf: Leaf): Leaf {
    return stage === 1 && this.#hasTablePermissions ? { ...leaf, kind: 'page', accessed: true } : leaf;
  }

  /** The guest sees its tables, and the data, but for what the plan changes. */
  #buildGuest(guest: Guest, shape: Shape | undefined): BuiltGuest {
    if (shape === undefined) throw new Error('a guest has a shape');
    const root = rootOf(this.#image, shape);
    const { granuleLog2, shift } = shape;
    const end = this.#image.end;
    const page = 1n << BigInt(granuleLog2);
    const leafAt = (address: bigint): Leaf => ({
      kind: 'page',
      frame: Number((address - layout.data) / 0x1000n),
      read: true,
      write: true,
      accessed: true,
    });
    const blockLevel = leafLevels(granuleLog2)[1] ?? 3;
    const block = 1n << BigInt(shiftOf(granuleLog2, blockLevel));
    // QEMU asks for the start of a table only: it is there as a whole or not at all. And it asks for both first tables as soon
    // as it reads a context descriptor: they are there.
    const unitOf = (address: bigint): bigint => (address - layout.tables) / largestTable;
    const roots = this.#spaces.flatMap(({ lower: low, upper }) => [low, upper].map((half) => unitOf(half?.root ?? 0n)));
    const holes = guest.holes.map((hole) => BigInt(hole) % (unitOf(end) + 1n)).filter((unit) => !roots.includes(unit));
    for (let address = layout.tables; address < end;) {
      const isBlock =
        guest.blocks && blockLevel >= shape.startLevel && (address & ~(block - 1n)) + block <= layout.data;
      const start = isBlock ? address & ~(block - 1n) : address;
      const isHole = holes.includes(unitOf(address));
      const leaf = isHole
        ? { ...leafAt(start), read: guest.ps % 2 === 0, accessed: guest.ps % 2 === 1 }
        : leafAt(start);
      placeAt(this.#image, root, shape, start + shift, isBlock ? blockLevel : 3, leaf);
      address = start + (isBlock ? block : page);
    }
    const changed = new Map(
      guest.table.mappings.map(({ indices, leaf }) => [
        (((indices[0] ?? 0) * 8 + (indices[1] ?? 0)) * 0x1000) >> granuleLog2,
        leaf,
      ]),
    );
    const leaves: Built['leaves'] = [];
    for (let number = 0; number < (layout.frames * 0x1000) >> granuleLog2; number++) {
      const address = layout.data + BigInt(number) * page;
      const leaf = changed.get(number) ?? leafAt(address);
      const placed = placeAt(this.#image, root, shape, address + shift, 3, leaf);
      if (placed !== undefined) leaves.push({ placed, leaf });
    }
    return { plan: guest, root, shape, leaves, shift };
  }

  #buildStreamTable(): void {
    const { split, short, unbacked } = this.#plan.table;
    if (split === undefined) return;
    for (const index of new Set(streamIds.map((sid) => sid >> split))) {
      const span = short ? 3 : split + 1;
      const table = unbacked ? layout.nowhere : layout.secondLevel + BigInt(index) * (64n << BigInt(split));
      this.#image.set(layout.streamTable + BigInt(index) * 8n, table | BigInt(span));
    }
  }

  #steAddress(device: number): bigint {
    const { split } = this.#plan.table;
    const sid = streamIds[device] ?? 0;
    if (split === undefined) return layout.streamTable + BigInt(sid) * 64n;
    const index = BigInt(sid & ((1 << split) - 1));
    return layout.secondLevel + BigInt(sid >> split) * (64n << BigInt(split)) + index * 64n;
  }

  #ste(stream: Stream): Uint8Array {
    const space = this.#spaces[stream.space];
    const guest = this.#guests[stream.guest];
    const configs = { invalid: 5, abort: 0, bypass: 4, 'stage 1': 5, 'stage 2': 6, nested: 7 } as const;
    const { ignored } = stream;
    const stage2 = (stream.config === 'stage 2' || stream.config === 'nested') && guest !== undefined;
    // Of a stage-1 table fetch QEMU records a stage-2 fault by CD.R.
    const records = stream.config === 'nested' ? space?.plan.flags.r === true : guest?.plan.r === true;
    return steLayout.encode({
      V: stream.config !== 'invalid',
      Config: configs[stream.config],
      S1Fmt: ignored & 3,
      S1DSS: (ignored >> 2) & 3,
      S1CIR: (ignored >> 4) & 3,
      S1CSH: (ignored >> 5) & 3,
      MEV: (ignored & 1) === 1,
      EATS: (ignored >> 3) & 3,
      SHCFG: (ignored >> 1) & 1,
      // QEMU does not accept it without stage 1 either.
      S1STALLD: stream.broken === 'S1STALLD' && stream.config !== 'stage 2',
      S1ContextPtr: stream.broken === 'unbacked' ? layout.nowhere : space === undefined ? 0n : space.cd + space.shift,
      ...(stage2
        ? { ...stage2Of(guest), S2R: records }
        : { S2VMID: this.#abilities.stage2 ? 9 : 0, S2T0SZ: ignored & 63 }),
    });
  }

  /** Every frame has bytes of its own, at its start and its end. */
  #fill(): readonly object[] {
    return Array.from({ length: layout.frames }, (_, frame) => {
      const address = layout.data + BigInt(frame) * 0x1000n;
      return { frame, address };
    }).flatMap(({ frame, address }) =>
      [0n, 0x800n, 0xff0n].map((offset, index) => ({
        op: 'mem',
        addr: hex(address + offset),
        hex: hexOfBytes(Uint8Array.from({ length: 16 }, (_, at) => (frame * 4 + index + at * 17 + 1) & 0xff)),
      })),
    );
  }

  #registers(): readonly object[] {
    const { split, log2 } = this.#plan.table;
    const size = split === undefined ? log2 : Math.max(log2, split);
    const configuration = split === undefined ? size : size | (split << 6) | (1 << 16);
    const mmio = (reg: string, value: bigint | number): object => ({ op: 'mmio', reg, value: hex(value) });
    return [
      mmio('CR1', 0xd75),
      mmio('CR2', 2),
      mmio('STRTAB_BASE', layout.streamTable),
      mmio('STRTAB_BASE_CFG', configuration),
      mmio('CMDQ_BASE', layout.commands | 8n),
      mmio('CMDQ_PROD', 0),
      mmio('CMDQ_CONS', 0),
      mmio('EVENTQ_BASE', layout.events | 7n),
      mmio('EVENTQ_PROD', 0),
      mmio('EVENTQ_CONS', 0),
      mmio('CR0', 0xc),
      mmio('CR0', 0xd),
    ];
  }

  // What happens.

  #happen(happening: Happening): void {
    switch (happening.kind) {
      case 'dma': {
        const device = happening.device;
        const iova = this.#addressOf({ ...happening.target, stream: device });
        const { name } = devices[device] ?? devices[0];
        const { length } = happening;
        const common = { op: 'dma', dev: name, iova: hex(iova) };
        this.#steps.push(
          happening.write || this.#hasTablePermissions
            ? {
                ...common,
                dir: 'write',
                hex: hexOfBytes(Uint8Array.from({ length }, (_, at) => (this.#steps.length + at * 29 + 3) & 0xff)),
              }
            : { ...common, dir: 'read', len: length },
          { op: 'events' },
        );
        break;
      }
      case 'commands':
        this.#submit(happening.commands);
        break;
      case 'descriptor': {
        const found = this.#leafOf(happening.target, happening.stage2);
        if (found === undefined) break;
        found.leaf = this.#leafFor(found.placed.shape, happening.leaf);
        this.#write(found.placed.descriptor, [descriptorOf(found.placed, found.leaf)]);
        this.#submit(happening.then);
        break;
      }
      case 'stream': {
        this.#streams[happening.device] = happening.stream;
        this.#writeBytes(this.#steAddress(happening.device), this.#ste(happening.stream));
        this.#submit(happening.then);
        break;
      }
      case 'context': {
        const space = this.#spaces[happening.space];
        if (space === undefined) break;
        this.#writeBytes(space.cd, cdOf(space, this.#brokenFor(happening.space, happening.broken)));
        this.#submit(happening.then);
        break;
      }
      case 'illegal command': {
        if (known.has(happening.opcode)) break;
        this.#refused(happening.opcode);
        break;
      }
    }
  }

  #write(address: bigint, words: readonly bigint[]): void {
    this.#steps.push({ op: 'mem', addr: hex(address), hex: hexOfWords(words) });
  }

  #writeBytes(address: bigint, bytes: Uint8Array): void {
    this.#steps.push({ op: 'mem', addr: hex(address), hex: hexOfBytes(bytes) });
  }

  #submit(invalidations: readonly Invalidation[]): void {
    const commands = invalidations.flatMap((one) => this.#command(one));
    if (commands.length === 0) return;
    this.#prod += commands.length;
    this.#steps.push({ op: 'cmd', hex: commands.map((command) => hexOfBytes(encodeCommand(command))) });
  }

  /** An illegal command stops the queue; it is replaced by CMD_SYNC, and the error acknowledged. */
  #refused(opcode: number): void {
    const slot = layout.commands + BigInt(this.#prod % 256) * 16n;
    const raw = new Uint8Array(16);
    raw[0] = opcode;
    this.#prod += 1;
    this.#errors += 1;
    this.#steps.push({ op: 'cmd', hex: hexOfBytes(raw) });
    this.#writeBytes(slot, encodeCommand({ op: 'SYNC' }));
    this.#steps.push(
      { op: 'mmio', reg: 'GERRORN', value: hex(this.#errors % 2) },
      { op: 'mmio_read', reg: 'CMDQ_CONS' },
    );
  }

  #command(one: Invalidation): readonly CommandToEncode[] {
    switch (one.kind) {
      case 'CFGI_ALL':
      case 'TLBI_NSNH_ALL':
      case 'SYNC':
        return [{ op: one.kind }];
      case 'PREFETCH_CONFIG':
        return [{ op: one.kind, sid: 0x10 }];
      case 'CFGI_STE':
      case 'CFGI_CD':
        return [{ op: one.kind, sid: streamIds[one.device] ?? 0, leaf: one.leaf }];
      case 'CFGI_CD_ALL':
        return [{ op: one.kind, sid: streamIds[one.device] ?? 0 }];
      case 'CFGI_STE_RANGE':
        return [{ op: one.kind, sid: streamIds[one.device] ?? 0, range: one.range }];
      case 'TLBI_NH_ALL':
      case 'TLBI_S12_VMALL':
        return [{ op: one.kind, vmid: this.#vmidOf(one.stream, one.wrong) }];
      case 'TLBI_NH_ASID': {
        const asid = this.#plan.spaces[one.space]?.asid ?? 0;
        return [{ op: one.kind, vmid: this.#vmidOf(one.stream, false), asid: one.wrong ? asid + 0x40 : asid }];
      }
      case 'TLBI_NH_VA':
      case 'TLBI_NH_VAA':
      case 'TLBI_S2_IPA':
      default: {
        const isStage2 = one.kind === 'TLBI_S2_IPA';
        const found = this.#leafOf({ ...one.target, stream: one.stream }, isStage2);
        if (found === undefined) return [];
        const { placed } = found;
        const { granuleLog2 } = placed.shape;
        const ttl = one.range?.ttl === true ? placed.level : 0;
        const aligned = ttl === 0 ? granuleLog2 : placed.sizeLog2;
        const inside = this.#addressIn(found, { ...one.target, place: 'middle' });
        const address = one.range === undefined ? inside & ~0xfffn : (inside >> BigInt(aligned)) << BigInt(aligned);
        const range =
          one.range === undefined
            ? {}
            : {
                tg: (granuleLog2 - 10) / 2,
                num: Math.max(one.range.num, ttl === 0 ? 1 : 0),
                scale: one.range.scale,
                ttl,
              };
        const common = { leaf: one.leaf, ...range };
        const vmid = this.#vmidOf(one.stream, one.wrong && one.kind !== 'TLBI_NH_VA');
        if (isStage2) return [{ op: one.kind, vmid, address: address & ((1n << 52n) - 1n), ...common }];
        const asid = this.#plan.spaces[this.#streams[one.stream]?.space ?? 0]?.asid ?? 0;
        if (one.kind === 'TLBI_NH_VAA') return [{ op: one.kind, vmid, address, ...common }];
        return [{ op: one.kind, vmid, asid: one.wrong ? asid + 0x40 : asid, address, ...common }];
      }
    }
  }

  #vmidOf(device: number, wrong: boolean): number {
    const stream = this.#streams[device];
    const ofGuest = stream?.config === 'nested' || stream?.config === 'stage 2';
    const vmid = ofGuest ? (this.#plan.guests[stream.guest]?.vmid ?? 0) : this.#abilities.stage2 ? 9 : 0;
    return wrong ? vmid + 0x40 : vmid;
  }

  /** The leaf that a target is about: in the table of the stream's first stage, or of its stage 2. */
  #leafOf(target: Target, stage2: boolean): Built['leaves'][number] | undefined {
    const stream = this.#streams[target.stream];
    if (stream === undefined) return undefined;
    const space = this.#spaces[stream.space];
    const isStage2 = stream.config === 'stage 2' || (stream.config === 'nested' && stage2);
    const table = isStage2 ? this.#guests[stream.guest] : target.upper ? (space?.upper ?? space?.lower) : space?.lower;
    return table?.leaves[target.mapping % table.leaves.length];
  }

  #addressOf(target: Target): bigint {
    const stream = this.#streams[target.stream];
    const found = this.#leafOf(target, false);
    if (stream === undefined || stream.config === 'bypass' || found === undefined) {
      return layout.data + BigInt(target.mapping) * 0x1000n + BigInt(target.delta);
    }
    return this.#addressIn(found, target);
  }

  #addressIn({ placed, leaf }: Built['leaves'][number], { place: wanted, delta, upper }: Target): bigint {
    const where = this.#hasTablePermissions ? 'middle' : wanted;
    const { shape, sizeLog2, input } = placed;
    const frame = frameOf(leaf) + shape.shift;
    const page = input + (sizeLog2 < 12 ? 0n : frame & ((1n << BigInt(sizeLog2)) - 1n) & ~0xfffn);
    const low = { start: 0n, end: 0xff0n, middle: 0x800n, 'next page': 0x1000n, far: 0n }[where] + BigInt(delta);
    // Far, yet where the tables of this side are asked: what concatenated tables hold apart is left alone.
    const width = Math.min(shape.inputBits, shiftOf(shape.granuleLog2, shape.startLevel) + shape.granuleLog2 - 3);
    const isOutside = delta === 15 && width === shape.inputBits && width < 44;
    const far = where === 'far' ? 1n << BigInt(isOutside ? width : Math.min(width - 1, 13 + delta * 2)) : 0n;
    const address = (page + low) ^ far;
    const isUpper =
      upper && this.#spaces.some((space) => space.upper?.leaves.some((one) => one.placed === placed) === true);
    return isUpper ? BigInt.asUintN(64, address | (-1n << BigInt(shape.inputBits))) : address;
  }
}

const known = new Set<number>([...Object.values(opcodes), 0x18, 0x1a, 0x1b, 0x50, 0x51, 0x55, 0x56, 0x57]);

/** From 16 to 39, T0SZ and T1SZ. */
function inputBitsOf(size: number): number {
  const usual = [39, 48, 32, 25] as const;
  return size < 128 ? (usual[size % 4] ?? 39) : 25 + (size % 24);
}

function guestInputBits({ table }: Guest): number {
  return 32 + (table.size % 13);
}

/** QEMU does not accept an input size above S2PS. */
function s2psOf(guest: Guest): number {
  const wanted = ipsCodes[guest.ps] ?? 5;
  return (outputSizes[wanted] ?? 44) < guestInputBits(guest) ? 5 : wanted;
}

function shapeOfGuest(guest: Guest): Shape {
  const { granuleLog2 } = guest.table;
  const inputBits = guestInputBits(guest);
  // What concatenated tables hold apart is left alone, as QEMU takes all for the first: it must reach to the end of memory as any
  // guest may see it.
  const usableFrom = (level: number): number => Math.min(inputBits, shiftOf(granuleLog2, level) + granuleLog2 - 3);
  const starts = (granuleLog2 === 12 ? [0, 1, 2] : [1, 2, 3]).filter((level) => {
    const width = inputBits - shiftOf(granuleLog2, level);
    return width >= 1 && width <= granuleLog2 - 3 + 4 && usableFrom(level) >= Math.min(inputBits, 41);
  });
  const startLevel = starts[guest.start % starts.length] ?? 1;
  const usable = usableFrom(startLevel);
  const outputBits = outputSizes[s2psOf(guest)] ?? 44;
  // Where QEMU has nothing else: a stream without stage 2 that uses the guest's tables must find nothing there.
  const shifts = [0n, 0x1000_0000n, 0x1_0000_0000n, 0x100_0000_0000n];
  const wanted = shifts[guest.shift] ?? 0n;
  const fits = (layout.data + 0x4_0000n + wanted) >> BigInt(Math.min(usable, outputBits)) === 0n;
  const shift = fits ? wanted : 0n;
  return {
    stage: 2,
    granuleLog2,
    inputBits,
    startLevel,
    outputBits,
    shift,
  };
}

function stage2Of({ plan, root, shape }: BuiltGuest): Parameters<typeof steLayout.encode>[0] {
  const { broken } = plan;
  const sl0 = (shape.granuleLog2 === 12 ? 2 : 3) - shape.startLevel;
  return {
    S2VMID: plan.vmid,
    S2T0SZ: broken === 'S2T0SZ low' ? 10 : broken === 'S2T0SZ high' ? 45 : 64 - shape.inputBits,
    S2SL0: broken === 'S2SL0' ? 3 : sl0,
    S2TG: broken === 'S2TG' ? 3 : tg0[shape.granuleLog2],
    S2PS: s2psOf(plan),
    S2AA64: true,
    S2ENDI: broken === 'S2ENDI',
    S2AFFD: plan.affd,
    S2S: broken === 'S2S',
    S2TTB: broken === 'S2TTB' ? root | (1n << 47n) : root,
  };
}

function cdOf({ plan, lower: low, upper, shift }: BuiltSpace, broken: Space['broken']): Uint8Array {
  const { flags } = plan;
  const t0 = low?.shape;
  const t1 = upper?.shape;
  return cdLayout.encode({
    T0SZ: broken === 'T0SZ low' ? 15 : broken === 'T0SZ high' ? 40 : t0 === undefined ? 25 : 64 - t0.inputBits,
    TG0: broken === 'TG0' ? 3 : t0 === undefined ? 0 : tg0[t0.granuleLog2],
    EPD0: low === undefined,
    ENDI: broken === 'ENDI',
    T1SZ: t1 === undefined ? 0 : 64 - t1.inputBits,
    TG1: t1 === undefined ? 0 : tg1[t1.granuleLog2],
    EPD1: upper === undefined,
    V: broken !== 'V',
    IPS: ipsCodes[plan.ips] ?? 5,
    AFFD: flags.affd,
    TBI0: flags.tbi,
    TBI1: flags.tbi,
    AA64: broken !== 'AA64',
    HA: broken === 'HA' || broken === 'HD',
    HD: broken === 'HD',
    S: broken === 'S',
    R: flags.r,
    A: broken !== 'A',
    ASET: true,
    ASID: plan.asid,
    HAD0: flags.had,
    TTB0:
      broken === 'unbacked'
        ? layout.nowhere
        : broken === 'TTB0'
          ? (1n << 47n) | 0x4040_0000n
          : low === undefined
            ? 0n
            : low.root + shift,
    HAD1: flags.had,
    TTB1: upper === undefined ? 0n : upper.root + shift,
  });
}
