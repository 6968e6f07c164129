/**
 * What QEMU is known to do otherwise than the specification says, one scenario each. The last result of each is looked at: the
 * machine must show the one, and QEMU the other, so that a QEMU that has been mended is noticed.
 */
import { parseScenario } from '../../executor/scenario/format.ts';
import { machineBoard } from '../../executor/scenario/machine-board.ts';
import { matches } from '../../executor/scenario/match.ts';
import { runScenario } from '../../executor/scenario/run.ts';
import { memoryMap } from '../../executor/scenario/scenario.ts';
import { hex } from '../../executor/scenario/hex.ts';
import { layout } from './image.ts';
import type { QemuSession } from './session.ts';
import { SmallScenario, streamId } from './small-scenario.ts';

/** A departure. Other versions than those named do as the machine does; those without stage 2 are not asked about it. */
interface Departure {
  readonly name: string;
  readonly scenario: () => SmallScenario;
  /** A part of the last result. */
  readonly machine: Readonly<Record<string, unknown>>;
  /** `ends`: the process fails an assertion. */
  readonly qemu: Readonly<Record<string, unknown>> | 'ends';
  /** Major versions that depart; all by default. */
  readonly versions?: (major: number) => boolean;
  readonly needsStage2?: true;
}

/** Whether a departure is as known. */
export interface CheckedDeparture {
  readonly name: string;
  readonly holds: boolean;
  /** What was found instead. */
  readonly found?: string;
}

const page = 0x1000n;
const before10 = (major: number): boolean => major < 10;
const silent = { newEvents: 0 };
const recorded = { newEvents: 1 };
const named = (event: string): Readonly<Record<string, unknown>> => ({ events: [{ name: event }] });
const accepted = { cerror: 0, consumedAll: true };
const illegal = { cerror: 1, consumedAll: false };

/** All that are known; those of event records alone are in `departures.ts`. */
export const departures: readonly Departure[] = [
  {
    name: 'L1STD.Span = n admits 2^n stream table entries',
    scenario: () => new SmallScenario({ stages: 'bypass', table: { split: 6, span: 5 } }).read(layout.data),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'a StreamID beyond the Span is C_BAD_STE',
    scenario: () => new SmallScenario({ stages: 'bypass', table: { split: 6, span: 4 } }).read(layout.data).events(),
    machine: named('C_BAD_STREAMID'),
    qemu: named('C_BAD_STE'),
  },
  {
    name: 'C_BAD_STREAMID is recorded whatever CR2.RECINVSID says',
    scenario: () => new SmallScenario({ table: { log2: 4 }, cr2: 0 }).read(layout.data),
    machine: silent,
    qemu: recorded,
  },
  {
    name: 'concatenated stage-2 tables are all the first one',
    needsStage2: true,
    scenario: () =>
      new SmallScenario({ stages: '2', stage2Shape: { inputBits: 40 } }, [
        { input: page, leaf: { frame: 1 } },
        { input: (1n << 39n) + page, leaf: { frame: 2 } },
      ]).read((1n << 39n) + page),
    machine: { data: '02', newEvents: 0 },
    qemu: { data: '01', newEvents: 0 },
  },
  {
    name: 'AF = 0 is accepted',
    versions: before10,
    scenario: () => new SmallScenario({}, [{ input: page, leaf: { accessed: false } }]).read(page),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'an output above the OAS is accepted',
    versions: before10,
    scenario: () => new SmallScenario({}, [{ input: page, leaf: { kind: 'beyond the output size' } }]).read(page),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'access flag and permission are looked at before the output size',
    versions: (major) => major >= 10,
    needsStage2: true,
    scenario: () =>
      new SmallScenario({}, [{ input: page, leaf: { kind: 'beyond the output size', accessed: false } }])
        .read(page)
        .events(),
    machine: named('F_ADDR_SIZE'),
    qemu: named('F_ACCESS'),
  },
  {
    name: 'IOVAs from 2^48 up do not reach the SMMU',
    versions: before10,
    scenario: () =>
      new SmallScenario({ upper: [{ input: page, leaf: { frame: 3 } }] }).read(page - (1n << 39n) + (1n << 64n)),
    machine: { data: '03', newEvents: 0 },
    qemu: { data: '00', newEvents: 0 },
  },
  {
    name: 'TBI1 is taken from TBI0',
    versions: (major) => major >= 10,
    needsStage2: true,
    scenario: () =>
      new SmallScenario({ cd: { TBI1: true }, upper: [{ input: page, leaf: { frame: 3 } }] }).read(
        BigInt.asUintN(56, page - (1n << 39n)) | (0x5an << 56n),
      ),
    machine: { data: '03', newEvents: 0 },
    qemu: recorded,
  },
  {
    name: 'all traffic is privileged',
    scenario: () => new SmallScenario({}, [{ input: page, flip: 1n << 6n }]).read(page),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'global entries are tagged by ASID',
    scenario: () => {
      const small = new SmallScenario({}, [{ input: page, leaf: { frame: 1 }, flip: 1n << 11n }]).read(page);
      return small
        .descriptor(small.leafOf(page), (word) => word + page)
        .commands({ op: 'TLBI_NH_VA', asid: 7, vmid: 0, address: page })
        .read(page);
    },
    machine: { data: '02' },
    qemu: { data: '01' },
  },
  {
    name: 'a full event queue sets no OVFLG, but GERROR.EVENTQ_ABT_ERR',
    scenario: () => new SmallScenario({ eventQueueLog2: 1 }).read(page).read(page).read(page).readRegister('GERROR'),
    machine: { value: '0x0' },
    qemu: { value: '0x4' },
  },
  ...(
    [
      { op: 'ATC_INV', sid: streamId, size: 0 },
      { op: 'PRI_RESP', sid: streamId, prgIndex: 0, resp: 2 },
      { op: 'RESUME', sid: streamId, stag: 0 },
      { op: 'STALL_TERM', sid: streamId },
    ] as const
  ).map((command): Departure => ({
    name: `CMD_${command.op} is accepted though it is not supported`,
    scenario: () => new SmallScenario().commands(command),
    machine: illegal,
    qemu: accepted,
  })),
  {
    name: 'S1CDMax is not ignored where there are no substreams',
    scenario: () => new SmallScenario({ ste: { S1CDMax: 1 } }, [{ input: page }]).read(page),
    machine: silent,
    qemu: recorded,
  },
  {
    name: 'there is no GBPA',
    versions: before10,
    scenario: () => new SmallScenario().readRegister('GBPA'),
    machine: { value: '0x1000' },
    qemu: { value: '0x0' },
  },
  {
    name: 'APTable is forgotten in the TLB: a write after a read is let through',
    scenario: () => new SmallScenario({}, [{ input: page, tableReadOnly: true }]).read(page).write(page),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'APTable faults before what is below the table does',
    scenario: () =>
      new SmallScenario({}, [{ input: page, tableReadOnly: true, leaf: { kind: 'invalid' } }]).write(page).events(),
    machine: named('F_TRANSLATION'),
    qemu: named('F_PERMISSION'),
  },
  {
    name: 'a block at level 0 of the 4 KiB granule is accepted',
    scenario: () =>
      new SmallScenario({ shape: { inputBits: 48, startLevel: 0 } }, [{ input: 0n, level: 0 }]).read(
        layout.data + page,
      ),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'an address above the OAS bypasses translation',
    scenario: () => new SmallScenario({ stages: 'bypass' }).read(1n << 45n),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'an address above the OAS is not recorded with stage 2 alone',
    needsStage2: true,
    scenario: () => new SmallScenario({ stages: '2' }, [{ input: page }]).read(1n << 45n),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'an input size above S2PS is C_BAD_STE',
    needsStage2: true,
    scenario: () => new SmallScenario({ stages: '2', ste: { S2PS: 1 } }, [{ input: page }]).read(page),
    machine: silent,
    qemu: recorded,
  },
  {
    name: 'S2HA is accepted without HTTU',
    needsStage2: true,
    scenario: () => new SmallScenario({ stages: '2', ste: { S2HA: true } }, [{ input: page }]).read(page),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'S1STALLD is C_BAD_STE without stage 1 too',
    needsStage2: true,
    scenario: () => new SmallScenario({ stages: '2', ste: { S1STALLD: true } }, [{ input: page }]).read(page),
    machine: silent,
    qemu: recorded,
  },
  {
    name: 'a write that stage 2 forbids is not recorded if the TLB says so',
    needsStage2: true,
    scenario: () =>
      new SmallScenario({ stages: '2' }, [{ input: page, leaf: { write: false } }]).read(page).write(page),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'a read that stage 2 forbids is not recorded if the TLB says so',
    needsStage2: true,
    // Write-only.
    scenario: () => new SmallScenario({ stages: '2' }, [{ input: page, flip: 1n << 6n }]).write(page).read(page),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'a write that stage 2 forbids has no IPA if the TLB has both stages as one',
    needsStage2: true,
    scenario: () => {
      const small = new SmallScenario({ stages: '1 and 2', readOnlyData: true }, [{ input: page }]);
      return small.read(page).write(page).events();
    },
    machine: { events: [{ name: 'F_PERMISSION', s2: 1, addr2: hex(layout.data + page) }] },
    qemu: { events: [{ name: 'F_PERMISSION', s2: 1, addr2: '0x0' }] },
  },
  {
    name: 'a stage-1 block in the TLB goes only where stage 2 left it together',
    needsStage2: true,
    scenario: () => {
      // 1 GiB by stage 1, 2 MiB by stage 2.
      const block = { input: memoryMap.ram, level: 1, leaf: { frame: Number((memoryMap.ram - layout.data) >> 12n) } };
      const small = new SmallScenario({ stages: '1 and 2' }, [block]).read(layout.data + page);
      return small
        .descriptor(small.leafOf(memoryMap.ram, 1), () => 0n)
        .commands({ op: 'TLBI_NH_VA', asid: 1, vmid: 5, address: memoryMap.ram })
        .read(layout.data + page);
    },
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'stage 2 is asked for TTB1 though the address is of TTB0',
    needsStage2: true,
    scenario: () =>
      new SmallScenario({ stages: '1 and 2', upper: [], cd: { TTB1: layout.nowhere } }, [{ input: page }]).read(page),
    machine: silent,
    qemu: recorded,
  },
  {
    name: 'a stage-2 fault of a stage-1 table fetch is recorded by CD.R',
    needsStage2: true,
    scenario: () =>
      new SmallScenario({ stages: '1 and 2', cd: { R: false } }, [
        { input: page, level: 2, leaf: { kind: 'table nowhere' } },
      ]).read(0n),
    machine: recorded,
    qemu: silent,
  },
  {
    name: 'IPS = 6 ends the process',
    needsStage2: true,
    scenario: () => new SmallScenario({ cd: { IPS: 6 } }, [{ input: page }]).read(page),
    machine: silent,
    qemu: 'ends',
  },
  {
    name: 'S2AA64 = 0 ends the process',
    needsStage2: true,
    scenario: () => new SmallScenario({ stages: '2', ste: { S2AA64: false } }, [{ input: page }]).read(page),
    machine: recorded,
    qemu: 'ends',
  },
];

/** Runs the scenarios of all departures that concern the version. */
export async function checkDepartures(session: QemuSession): Promise<readonly CheckedDeparture[]> {
  const { major } = session.binary;
  const checked: CheckedDeparture[] = [];
  for (const departure of departures) {
    if (departure.needsStage2 === true && major < 10) continue;
    checked.push(await check(departure, session, major));
  }
  return checked;
}

async function check(departure: Departure, session: QemuSession, major: number): Promise<CheckedDeparture> {
  const scenario = parseScenario(departure.scenario().scenario(major));
  const ours = (await runScenario(scenario, machineBoard(scenario))).results.at(-1);
  const departs = departure.versions?.(major) ?? true;
  const expected = departs ? departure.qemu : departure.machine;
  const theirs = await session.run(scenario).then(
    ({ results }) => results.at(-1),
    (error: unknown) => {
      if (expected === 'ends') return 'ends' as const;
      throw error;
    },
  );
  const isOurs = matches(ours, departure.machine);
  const isTheirs = expected === 'ends' ? theirs === 'ends' : matches(theirs, expected);
  const title = departs ? departure.name : `${departure.name}: as specified in this version`;
  if (isOurs && isTheirs) return { name: title, holds: true };
  return { name: title, holds: false, found: `machine ${JSON.stringify(ours)}, QEMU ${JSON.stringify(theirs)}` };
}
