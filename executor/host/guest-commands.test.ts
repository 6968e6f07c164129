import { describe, expect, it } from 'vitest';
import { type CommandToEncode, decodeCommand, encodeCommand } from '../smmuv3/commands.ts';
import { convertGuestCommand } from './guest-commands.ts';

const guest = { vmid: 7, streamOf: (sid: number) => (sid === 1 ? 0x100 : undefined) };

function converted(command: CommandToEncode): ReturnType<typeof convertGuestCommand> {
  return convertGuestCommand(decodeCommand(encodeCommand(command)), guest);
}

describe('a command of a guest (NEST-08)', () => {
  it.each([
    { op: 'TLBI_NH_ALL', vmid: 3 },
    { op: 'TLBI_NH_ASID', vmid: 3, asid: 5 },
    { op: 'TLBI_NH_VA', vmid: 3, asid: 5, address: 0x1000n, leaf: true },
    { op: 'TLBI_NH_VAA', vmid: 3, address: 0x1000n },
  ] as const)('gets the VMID of the guest, whatever it said: $op', (command) => {
    expect(converted(command)).toMatchObject({ ok: true, command: { ...command, vmid: 7 } });
  });

  it("drops what is the guest's, where the guest means everything", () => {
    expect(converted({ op: 'TLBI_NSNH_ALL' })).toEqual({ ok: true, command: { op: 'TLBI_NH_ALL', vmid: 7 } });
  });

  it.each([
    { op: 'CFGI_CD', sid: 1, ssid: 4, leaf: true },
    { op: 'CFGI_CD_ALL', sid: 1 },
    { op: 'ATC_INV', sid: 1, ssv: true, ssid: 4, size: 3, address: 0x8000n },
  ] as const)('gets the physical StreamID, and is refused for a device that the guest has not: $op', (command) => {
    expect(converted(command)).toMatchObject({ ok: true, command: { ...command, sid: 0x100 } });
    expect(converted({ ...command, sid: 2 })).toMatchObject({ ok: false });
  });

  it.each([
    { op: 'CFGI_STE', sid: 1 },
    { op: 'CFGI_ALL' },
    { op: 'TLBI_S2_IPA', vmid: 7 },
    { op: 'TLBI_S12_VMALL', vmid: 7 },
    { op: 'TLBI_EL2_ALL' },
    { op: 'RESUME', sid: 1 },
    { op: 'PRI_RESP', sid: 1, resp: 2 },
  ] as const)('is refused if it is about what the host owns: $op', (command) => {
    expect(converted(command)).toMatchObject({ ok: false });
  });
});
