/**
 * Random plans of scenarios: streams, contexts, translation tables and what happens to them. A plan is small numbers, which
 * shrink well; `lower.ts` makes bytes and steps of it.
 */
import fc from 'fast-check';

/** What can be compared with a version of QEMU. */
export interface Abilities {
  /** Stage 2, both stages, TTB1, access flags, output sizes and CLASS: from QEMU 10. */
  readonly stage2: boolean;
}

/** A leaf of a table, or what stands in its place. */
export interface Mapping {
  /** Chooses the index at each level. */
  readonly indices: readonly number[];
  /** Chooses the level among those where a leaf may stand. */
  readonly level: number;
  readonly leaf: Leaf;
  /** Of the table descriptors above: APTable[1], ignored bits. */
  readonly tableReadOnly: boolean;
}

/** What a descriptor says. */
export interface Leaf {
  readonly kind: 'page' | 'invalid' | 'reserved' | 'unbacked' | 'beyond the output size' | 'table nowhere';
  /** Which 4 KiB frame of the data it leads to. */
  readonly frame: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly accessed: boolean;
}

/** A half of stage 1, or stage 2: a table. */
export interface Table {
  readonly granuleLog2: 12 | 14 | 16;
  /** Chooses the input size. */
  readonly size: number;
  readonly mappings: readonly Mapping[];
}

/** A context descriptor and its tables. */
export interface Space {
  readonly lower: Table | undefined;
  readonly upper: Table | undefined;
  readonly ips: number;
  readonly asid: number;
  readonly flags: { readonly affd: boolean; readonly r: boolean; readonly had: boolean; readonly tbi: boolean };
  readonly broken: 'no' | BrokenCd;
}

const brokenCds = [
  'V',
  'T0SZ low',
  'T0SZ high',
  'TG0',
  'HA',
  'HD',
  'A',
  'S',
  'AA64',
  'ENDI',
  'TTB0',
  'unbacked',
] as const;
type BrokenCd = (typeof brokenCds)[number];

/** Stage 2 of a guest. */
export interface Guest {
  readonly table: Table;
  /** Chooses the start level. */
  readonly start: number;
  readonly ps: number;
  readonly vmid: number;
  readonly affd: boolean;
  readonly r: boolean;
  /** Chooses where the guest sees memory. */
  readonly shift: number;
  /** Tables and context descriptors are mapped by blocks, where the granule has them. */
  readonly blocks: boolean;
  /** Frames of tables that the guest cannot reach: chosen by number. */
  readonly holes: readonly number[];
  readonly broken: 'no' | BrokenStage2;
}

/** Without S2AA64 = 0, which ends QEMU 10 with a failed assertion, and S2HA, which it accepts. */
const brokenStage2s = ['S2T0SZ low', 'S2T0SZ high', 'S2TG', 'S2SL0', 'S2S', 'S2ENDI', 'S2TTB'] as const;
type BrokenStage2 = (typeof brokenStage2s)[number];

/** A stream table entry. */
export interface Stream {
  readonly config: 'invalid' | 'abort' | 'bypass' | 'stage 1' | 'stage 2' | 'nested';
  readonly space: number;
  readonly guest: number;
  /** Bits that mean nothing here. */
  readonly ignored: number;
  readonly broken: 'no' | 'S1STALLD' | 'unbacked';
}

/** Commands, by what they name. */
export type Invalidation =
  | { readonly kind: 'CFGI_ALL' | 'TLBI_NSNH_ALL' | 'SYNC' | 'PREFETCH_CONFIG' }
  | { readonly kind: 'CFGI_STE' | 'CFGI_CD' | 'CFGI_CD_ALL'; readonly device: number; readonly leaf: boolean }
  | { readonly kind: 'CFGI_STE_RANGE'; readonly device: number; readonly range: number }
  | { readonly kind: 'TLBI_NH_ALL' | 'TLBI_S12_VMALL'; readonly stream: number; readonly wrong: boolean }
  | { readonly kind: 'TLBI_NH_ASID'; readonly space: number; readonly stream: number; readonly wrong: boolean }
  | {
      readonly kind: 'TLBI_NH_VA' | 'TLBI_NH_VAA' | 'TLBI_S2_IPA';
      readonly target: Target;
      readonly stream: number;
      readonly wrong: boolean;
      readonly leaf: boolean;
      readonly range: { readonly num: number; readonly scale: number; readonly ttl: boolean } | undefined;
    };

/** An address: of a mapping, or near it. */
export interface Target {
  readonly stream: number;
  readonly mapping: number;
  readonly upper: boolean;
  /** Where in the page: from its start, or before its end. */
  readonly place: 'start' | 'end' | 'middle' | 'next page' | 'far';
  readonly delta: number;
}

/** What happens. */
export type Happening =
  | {
      readonly kind: 'dma';
      readonly device: number;
      readonly target: Target;
      readonly write: boolean;
      readonly length: number;
    }
  | { readonly kind: 'commands'; readonly commands: readonly Invalidation[] }
  /** A descriptor changes. */
  | {
      readonly kind: 'descriptor';
      readonly target: Target;
      readonly stage2: boolean;
      readonly leaf: Leaf;
      readonly then: readonly Invalidation[];
    }
  /** A stream table entry changes. */
  | {
      readonly kind: 'stream';
      readonly device: number;
      readonly stream: Stream;
      readonly then: readonly Invalidation[];
    }
  /** A context descriptor changes to one with other flags, and back at the next time. */
  | {
      readonly kind: 'context';
      readonly space: number;
      readonly broken: 'no' | BrokenCd;
      readonly then: readonly Invalidation[];
    }
  | { readonly kind: 'illegal command'; readonly opcode: number };

/** The stream table. */
export interface StreamTable {
  readonly split: 6 | 8 | 10 | undefined;
  readonly log2: number;
  /** Whether the second-level table ends before the last of the functions. */
  readonly short: boolean;
  readonly unbacked: boolean;
}

export interface Plan {
  readonly table: StreamTable;
  /** One for each function. */
  readonly streams: readonly Stream[];
  readonly spaces: readonly Space[];
  readonly guests: readonly Guest[];
  readonly happenings: readonly Happening[];
}

/** How many functions there are, at StreamIDs that linear and two-level tables tell apart. */
const deviceCount = 3;

const byte = fc.nat({ max: 255 });
const rarely = (weight = 12): fc.Arbitrary<boolean> => fc.nat({ max: weight }).map((value) => value === weight);
const mostly = (weight = 12): fc.Arbitrary<boolean> => rarely(weight).map((value) => !value);

/** Mostly "no", which is what it shrinks to. */
function seldom<T extends string>(values: readonly T[], weight: number): fc.Arbitrary<'no' | T> {
  return fc.oneof(
    { weight, arbitrary: fc.constant('no' as const) },
    { weight: 1, arbitrary: fc.constantFrom(...values) },
  );
}

/** QEMU looks at access flag and permission before the output size. */
const granting = { read: true, write: true, accessed: true } as const;

function leafOf({ stage2 }: Abilities): fc.Arbitrary<Leaf> {
  const kind = fc.oneof(
    { weight: 14, arbitrary: fc.constant('page' as const) },
    { weight: 1, arbitrary: fc.constant('invalid' as const) },
    { weight: 1, arbitrary: fc.constant('reserved' as const) },
    { weight: 1, arbitrary: fc.constant('unbacked' as const) },
    { weight: 1, arbitrary: fc.constant('table nowhere' as const) },
    ...(stage2 ? [{ weight: 1, arbitrary: fc.constant('beyond the output size' as const) }] : []),
  );
  return fc
    .record({
      kind,
      frame: fc.nat({ max: 63 }),
      read: mostly(8),
      write: mostly(3),
      accessed: stage2 ? mostly(8) : fc.constant(true),
    })
    .map((leaf) => (leaf.kind === 'beyond the output size' ? { ...leaf, ...granting } : leaf));
}

function tableOf(abilities: Abilities, most: number): fc.Arbitrary<Table> {
  return fc.record({
    granuleLog2: fc.constantFrom(12 as const, 14 as const, 16 as const),
    size: byte,
    mappings: fc.array(
      fc.record({
        indices: fc.array(fc.nat({ max: 7 }), { minLength: 4, maxLength: 4 }),
        level: fc.nat({ max: 5 }),
        leaf: leafOf(abilities),
        tableReadOnly: rarely(),
      }),
      { minLength: 1, maxLength: most },
    ),
  });
}

function streamOf({ stage2 }: Abilities): fc.Arbitrary<Stream> {
  const config = fc.oneof(
    { weight: 8, arbitrary: fc.constant('stage 1' as const) },
    { weight: 1, arbitrary: fc.constantFrom('bypass' as const, 'invalid' as const, 'abort' as const) },
    ...(stage2
      ? [
          { weight: 5, arbitrary: fc.constant('stage 2' as const) },
          { weight: 8, arbitrary: fc.constant('nested' as const) },
        ]
      : []),
  );
  return fc.record({
    config,
    space: fc.nat({ max: 1 }),
    guest: fc.nat({ max: 1 }),
    ignored: byte,
    broken: seldom(['S1STALLD', 'unbacked'], 24),
  });
}

const targets: fc.Arbitrary<Target> = fc.record({
  stream: fc.nat({ max: deviceCount - 1 }),
  mapping: fc.nat({ max: 9 }),
  upper: rarely(3),
  place: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('start' as const, 'end' as const, 'middle' as const) },
    { weight: 1, arbitrary: fc.constantFrom('next page' as const, 'far' as const) },
  ),
  delta: fc.nat({ max: 15 }),
});

function invalidationOf({ stage2 }: Abilities): fc.Arbitrary<Invalidation> {
  const device = fc.nat({ max: deviceCount - 1 });
  const wrong = rarely(3);
  return fc.oneof(
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          'CFGI_ALL' as const,
          'TLBI_NSNH_ALL' as const,
          'SYNC' as const,
          'PREFETCH_CONFIG' as const,
        ),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('CFGI_STE' as const, 'CFGI_CD' as const, 'CFGI_CD_ALL' as const),
        device,
        leaf: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('CFGI_STE_RANGE' as const), device, range: fc.nat({ max: 9 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: stage2
          ? fc.constantFrom('TLBI_NH_ALL' as const, 'TLBI_S12_VMALL' as const)
          : fc.constant('TLBI_NH_ALL' as const),
        stream: device,
        wrong,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('TLBI_NH_ASID' as const),
        space: fc.nat({ max: 1 }),
        stream: device,
        wrong,
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: stage2
          ? fc.constantFrom('TLBI_NH_VA' as const, 'TLBI_NH_VAA' as const, 'TLBI_S2_IPA' as const)
          : fc.constantFrom('TLBI_NH_VA' as const, 'TLBI_NH_VAA' as const),
        target: targets,
        stream: device,
        wrong,
        leaf: fc.boolean(),
        range: fc.option(fc.record({ num: fc.nat({ max: 31 }), scale: fc.nat({ max: 6 }), ttl: fc.boolean() }), {
          nil: undefined,
        }),
      }),
    },
  );
}

function happeningOf(abilities: Abilities): fc.Arbitrary<Happening> {
  const then = fc.array(invalidationOf(abilities), { maxLength: 2 });
  const device = fc.nat({ max: deviceCount - 1 });
  return fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('dma' as const),
        device,
        target: targets,
        write: fc.boolean(),
        length: fc.integer({ min: 1, max: 16 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('commands' as const),
        commands: fc.array(invalidationOf(abilities), { minLength: 1, maxLength: 4 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('descriptor' as const),
        target: targets,
        stage2: abilities.stage2 ? fc.boolean() : fc.constant(false),
        leaf: leafOf(abilities),
        then,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('stream' as const), device, stream: streamOf(abilities), then }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('context' as const),
        space: fc.nat({ max: 1 }),
        broken: seldom(brokenCds, 3),
        then,
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('illegal command' as const), opcode: byte }) },
  );
}

/** Plans for a QEMU of these abilities. */
export function planOf(abilities: Abilities): fc.Arbitrary<Plan> {
  const space = (asid: number): fc.Arbitrary<Space> =>
    fc.record({
      lower: fc.option(tableOf(abilities, 5), { nil: undefined, freq: 12 }),
      upper: abilities.stage2 ? fc.option(tableOf(abilities, 3), { nil: undefined, freq: 3 }) : fc.constant(undefined),
      ips: fc.nat({ max: 7 }),
      asid: fc.constantFrom(asid, asid + 0x100),
      flags: fc.record({ affd: rarely(4), r: mostly(8), had: rarely(4), tbi: rarely(4) }),
      broken: seldom(brokenCds, 40),
    });
  const guest = (vmid: number): fc.Arbitrary<Guest> =>
    fc.record({
      table: tableOf(abilities, 6),
      start: byte,
      ps: fc.nat({ max: 7 }),
      vmid: fc.constantFrom(vmid, vmid + 0x100),
      affd: rarely(4),
      r: mostly(8),
      shift: fc.nat({ max: 3 }),
      blocks: fc.boolean(),
      holes: fc.array(byte, { maxLength: 1 }),
      broken: seldom(brokenStage2s, 40),
    });
  return fc.record({
    table: fc.record({
      split: fc.constantFrom(undefined, 6 as const, 8 as const, 10 as const),
      log2: fc.constantFrom(9, 10, 12, 5),
      short: rarely(),
      unbacked: rarely(40),
    }),
    streams: fc.array(streamOf(abilities), { minLength: deviceCount, maxLength: deviceCount }),
    spaces: fc.tuple(space(1), space(2)),
    guests: abilities.stage2 ? fc.tuple(guest(5), guest(6)) : fc.constant([]),
    happenings: fc.array(happeningOf(abilities), { minLength: 1, maxLength: 24, size: 'max' }),
  });
}
