import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readRecording } from '../recording/read.ts';
import type { RecordedLine, RecordOf } from '../recording/records.ts';
import { identityFrom, type IdentityRegisters } from '../smmuv3/identity.ts';
import { registerMap } from '../smmuv3/registers.ts';
import { type Command, decodeCommand, encodeCommand } from '../smmuv3/commands.ts';
import { hexOf } from '../recording/hex.ts';
import type { Domain } from './domain.ts';
import { commandsOf, dataBase, type Host, machine } from './host.fixture.ts';

/** What Linux 6.12 does is what the driver does, but for addresses and identifiers. */
describe.each(['stage1', 'stage2'])('the traffic of Linux 6.12, %s', (name) => {
  const records: RecordedLine[] = [];
  let up: Host;

  function newDomain(): Domain {
    const { driver } = up;
    return name === 'stage1' ? driver.run(driver.createStage1()) : driver.run(driver.createStage2());
  }

  beforeAll(async () => {
    const file = readFileSync(new URL(`../../traces/real/linux-6.12-${name}.jsonl.gz`, import.meta.url));
    for await (const record of readRecording(file)) records.push(record);
    const mark = records.find((record) => record.k === 'mark');
    if (mark?.k !== 'mark') throw new Error('no mark');
    const ids = Object.entries(mark.regs ?? {}).map(([register, value]) => [register, Number(value)]);
    up = machine({
      identity: identityFrom(Object.fromEntries(ids) as Partial<IdentityRegisters>),
      driver: { commandQueueLog2: 16, eventQueueLog2: 15 },
    });
  });

  it('brings the SMMU up in the same order', () => {
    const { driver, written } = up;
    driver.run(driver.bringUp());
    const ignored = new Set<number>([registerMap.GERROR_IRQ_CFG0.offset, registerMap.EVENTQ_IRQ_CFG0.offset]);
    const until = records.findIndex((record) => record.k === 'reg' && record.addr === 0x20n && record.val === 0xdn);
    const linux = records
      .slice(0, until + 1)
      .filter((record): record is RecordOf<'reg'> => record.k === 'reg' && !ignored.has(Number(record.addr)))
      .map(({ addr, val }) => shown(Number(addr), val));
    // Linux publishes a command and its CMD_SYNC in one write, as the driver does.
    expect(written.map(({ offset, value }) => shown(offset, value))).toEqual(linux);
  });

  it('attaches a stream with the same commands', () => {
    const { driver } = up;
    const before = commandsOf(up).length;
    const domain = newDomain();
    driver.run(driver.streams.attach(8, domain));
    const linux = records.filter((record): record is RecordOf<'cmd'> => record.k === 'cmd').map(({ hex }) => hex);
    const own = commandsOf(up).slice(before);
    // CFGI_STE for the leaf of the Stream table, which Linux makes earlier.
    const attach = own.filter((command, index) => !isLeafOfTable(command, own[index - 1]));
    const first = linux.findIndex((hex) => hex[0] === (name === 'stage1' ? 0x11 : 0x28));
    expect(attach.map(({ op }) => op)).toEqual(
      linux.slice(first, first + attach.length).map((hex) => decodeCommand(hex).op),
    );
    expect(attach.at(-1)?.op).toBe('PREFETCH_CONFIG');
  });

  it('unmaps a page with the same command', () => {
    const { driver } = up;
    const domain = newDomain();
    const input = 0xffff_6000n;
    driver.run(
      driver.map(domain, { input, output: dataBase, length: 0x1000n, attributes: { read: true, write: true } }),
    );
    // A neighbour, so that the table stays.
    driver.run(
      driver.map(domain, {
        input: input - 0x1000n,
        output: dataBase,
        length: 0x1000n,
        attributes: { read: true, write: true },
      }),
    );
    const before = commandsOf(up).length;
    driver.run(driver.unmap(domain, input, 0x1000n));
    const [unmap, sync] = commandsOf(up).slice(before);
    const opcode = name === 'stage1' ? 0x12 : 0x2a;
    const linux = records.find((record): record is RecordOf<'cmd'> => record.k === 'cmd' && record.hex[0] === opcode);
    if (linux === undefined || unmap === undefined || unmap.op === 'unknown') throw new Error('no unmap');
    expect(shape(unmap)).toEqual(shape(decodeCommand(linux.hex)));
    expect(sync?.op).toBe('SYNC');
    if (sync === undefined || sync.op === 'unknown') throw new Error('no CMD_SYNC');
    expect(hexOf(encodeCommand(sync)).slice(4)).toBe('c00f000000000000000000000000');
  });

  it('writes the same Stream table entry and Context descriptor, but for addresses and identifiers', () => {
    const { driver, memory, smmu } = up;
    const domain = newDomain();
    driver.run(driver.streams.attach(0x10, domain));
    const linux = records.flatMap((record) => (record.k === 'mark' ? (record.strtabChanged ?? []) : []));
    const entry = linux.find(({ sid, hex }) => sid === 0x10 && (hex[0] ?? 0) >> 1 > 4);
    const address = driver.streamTable.entryAddress(0x10);
    if (entry === undefined || address === undefined) throw new Error('no entry');
    const found = smmu.configuration.lookup(0x10, undefined, () => ({ ok: false, fault: 'none' }));
    expect(found.ok).toBe(true);
    expect(cleared(memory.read(address, 64), name)).toBe(cleared(entry.hex, name));
    const contexts = records.flatMap((record) => (record.k === 'mark' ? (record.cdsChanged ?? []) : []));
    const context = contexts.find(({ sid }) => sid === 0x10);
    if (name === 'stage2' || context === undefined || !found.ok) return;
    const { ste } = found.configuration;
    expect(clearedContext(memory.read(ste.S1ContextPtr, 64))).toBe(clearedContext(context.hex));
  });
});

/** A command without the address and identifiers. */
function shape(command: Command): Record<string, unknown> {
  return { ...command, address: undefined, asid: undefined, vmid: undefined };
}

/** A register write without the addresses, and with EVENTQ registers at one place. */
function shown(offset: number, value: bigint): string {
  const { also } = [registerMap.EVENTQ_PROD, registerMap.EVENTQ_CONS].find(({ offset: at }) => at === offset) ?? {};
  const address = [registerMap.STRTAB_BASE, registerMap.CMDQ_BASE, registerMap.EVENTQ_BASE].some(
    ({ offset: at }) => at === offset,
  );
  return `${(also ?? offset).toString(16)}: ${(address ? value & ~0xf_ffff_ffff_ffe0n : value).toString(16)}`;
}

function isLeafOfTable(command: ReturnType<typeof decodeCommand>, before: typeof command | undefined): boolean {
  const isOne = (one: typeof command | undefined): boolean => one?.op === 'CFGI_STE' && !one.leaf;
  return isOne(command) || (command.op === 'SYNC' && isOne(before));
}

/** Without S1ContextPtr, S2VMID and S2TTB. */
function cleared(raw: Uint8Array, name: string): string {
  const copy = raw.slice();
  if (name === 'stage1') copy.fill(0, 1, 7);
  else {
    copy.fill(0, 16, 18);
    copy.fill(0, 24, 32);
  }
  if (name === 'stage1') copy[0] = (copy[0] ?? 0) & 0x3f;
  return hexOf(copy);
}

/** Without ASID and TTB0. */
function clearedContext(raw: Uint8Array): string {
  const copy = raw.slice();
  copy.fill(0, 6, 16);
  return hexOf(copy);
}
