/**
 * What lies in the queues in memory at the end of a replay, and what accesses of devices did, for people.
 */
import type { Access } from '../memory.ts';
import type { Owner } from '../pcie/messages.ts';
import { commandLength, decodeCommand } from '../smmuv3/commands.ts';
import { decodeEvent } from '../smmuv3/events.ts';
import { entryAddress, indexOf, occupancy } from '../smmuv3/ring.ts';
import type { Entry, Harm } from './lowering.ts';
import type { Platform } from './platform.ts';

/** The commands that wait or have no effect yet, and the `last` ones before them. */
export function commandEntries(platform: Platform, last = 6): readonly Entry[] {
  const { memory, smmu, rings, submitted } = platform;
  const { commands } = smmu;
  const consumed = submitted - occupancy(rings.command, commands.positions);
  // No CMD_SYNC waits for CMD_PRI_RESP.
  const unfinished = commands.window
    .filter(
      (queued) => platform.isIncomplete(queued) || (queued.command.op === 'PRI_RESP' && queued.state === 'fetched'),
    )
    .map(({ slot }) => slot);
  const entries: Entry[] = [];
  for (let n = Math.max(0, submitted - 2 ** rings.command.sizeLog2); n < submitted; n++) {
    const slot = indexOf(rings.command, n);
    const queued = commands.window.find((one) => one.slot === slot);
    if (n < consumed - last && !unfinished.includes(slot)) continue;
    const raw = memory.read(entryAddress(rings.command, n), commandLength);
    const { op, ...fields } = decodeCommand(raw);
    const isDone = n < consumed && (queued === undefined || !unfinished.includes(slot));
    entries.push({
      raw: hex(raw),
      decoded: `slot ${slot}: CMD_${op}${fieldsInWords(fields)}`,
      state: isDone ? 'complete' : stateOf(queued?.state, queued?.invalidation !== undefined),
    });
  }
  return entries;
}

function stateOf(state: 'fetched' | 'performed' | 'timed out' | undefined, isSent: boolean): string {
  if (state === undefined) return 'not fetched';
  if (state === 'performed') return isSent ? 'sent, and not answered' : 'in effect, and not complete';
  return state === 'fetched' ? 'fetched, without effect yet' : state;
}

/** The event records that software has not consumed. */
export function eventEntries({ smmu }: Platform): readonly Entry[] {
  return smmu.events.records.map((raw) => {
    const { name, ...fields } = decodeEvent(raw);
    return { raw: hex(raw), decoded: `${name}${fieldsInWords(fields)}` };
  });
}

/** The fields that are not zero: ` sid 0x8, address 0x7f0000000000`. */
function fieldsInWords(fields: Readonly<Record<string, unknown>>): string {
  const said = Object.entries(fields).flatMap(([name, value]) => {
    if (value === true) return [name];
    if (typeof value === 'bigint') return value === 0n ? [] : [`${name} 0x${value.toString(16)}`];
    return typeof value === 'number' && value !== 0 ? [`${name} 0x${value.toString(16)}`] : [];
  });
  return said.length === 0 ? '' : ` ${said.join(', ')}`;
}

/** Bytes in hexadecimal, in the order of their addresses. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** An address: `0x7f0000000000`. */
export function address(value: bigint): string {
  return `0x${value.toString(16)}`;
}

/** Whose something is. */
export function ownerInWords(owner: Owner | undefined): string {
  return owner ?? 'nobody (it is free)';
}

/** An access as a harm. */
export function harmOf(access: Access, what: string): Harm {
  return { what, address: address(access.address), before: hex(access.before), after: hex(access.after) };
}
