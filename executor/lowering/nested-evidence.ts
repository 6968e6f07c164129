/**
 * What shows on a machine with both stages that something stale is left, and what one more use of it does: for counterexamples in
 * which nothing has been written yet.
 */
import type { Access } from '../memory.ts';
import type { Outcome } from '../pcie/outcome.ts';
import type { LeafEntry } from '../smmuv3/tlb-entry.ts';
import { address, commandEntries, eventEntries, harmOf, ownerInWords } from './account.ts';
import { pageSize } from './address-space.ts';
import { accessLength, type AccessUnderWay, type AtsDevice } from './ats-device.ts';
import type { Consequence, Harm } from './lowering.ts';
import type { GuestSpace, NestedPage } from './nested-space.ts';
import type { Platform } from './platform.ts';

/** A guest with the endpoints that it has. */
interface GuestWithDevices {
  readonly space: GuestSpace;
  readonly devices: readonly AtsDevice[];
}

/** Whose frames the pages of the guest's process are while it has them. */
export function processOf({ owner }: GuestSpace): string {
  return `a process of ${owner}`;
}

/** What a write did to a frame, in a sentence. */
export function writeInWords(
  access: Access,
  { space }: Pick<GuestWithDevices, 'space'>,
  device: AtsDevice,
  page: NestedPage,
  stage: AccessUnderWay['stage'],
): string {
  const way = stage === 'translated' ? 'translated by the SMMU from its TLB' : 'through its ATC';
  const frame = access.address & ~(pageSize - 1n);
  const process = processOf(space);
  const whose =
    access.owner === process
      ? `which still belongs to ${process}, though its tables do not lead there any more`
      : `which belongs to ${ownerInWords(access.owner)} and not to ${process}`;
  return (
    `${device.name} of ${space.owner} wrote ${access.after.length} bytes at VA ${address(page.iova)} (IPA ${address(page.ipa)}), ${way}, ` +
    `into the frame at ${address(frame)}, ${whose}`
  );
}

/** What a trace has come to: the harms; or if there are none what is stale, and what a write by way of the first of that does. */
export function nestedConsequenceOf(
  platform: Platform,
  guests: readonly GuestWithDevices[],
  harms: readonly Harm[],
  others: readonly string[],
): Consequence {
  const commands = commandEntries(platform);
  const stale = harms.length > 0 ? [] : guests.flatMap((guest) => staleOf(platform, guest));
  let next: readonly Harm[] = [];
  for (const { use } of stale) {
    next = use();
    if (next.length > 0) break;
  }
  return {
    harms,
    evidence: harms.length > 0 ? [] : [...stale.map(({ what }) => what), ...others],
    ...(next.length === 0 ? {} : { next }),
    commands,
    events: eventEntries(platform),
  };
}

interface Stale {
  readonly what: string;
  readonly use: () => readonly Harm[];
}

/** All that leads to a frame to which the tables in memory do not lead. */
function staleOf(platform: Platform, guest: GuestWithDevices): readonly Stale[] {
  const { memory } = platform;
  const { space, devices } = guest;
  return space.pages.flatMap((page) => {
    const { pte, stage2 } = space.descriptors(page);
    const mapped = space.stage2(page);
    const granted = space.pte(page) ? mapped : undefined;
    const isStale = (output: bigint | undefined): output is bigint => output !== undefined && output !== granted;
    const but = (frame: bigint): string =>
      `while its PTE in memory is ${address(pte)} and its stage-2 entry ${address(stage2)}; ` +
      `the frame belongs to ${ownerInWords(memory.ownerOf(frame))}`;
    const of = (frame: bigint): string => `VA ${address(page.iova)} for the frame at ${address(frame)}`;
    const found: Stale[] = [];

    /** One write from where it is to memory. */
    const finish = (device: AtsDevice | undefined, sent: Outcome<number> | undefined): readonly Harm[] => {
      if (device === undefined || sent?.done !== true) return [];
      const under = (): AccessUnderWay | undefined => device.accesses.find(({ id }) => id === sent.value);
      if (under()?.stage === 'on the link') device.endpoint.admit(sent.value);
      const stage = under()?.stage;
      if (stage === undefined || stage === 'on the link') return [];
      const before = memory.accesses.length;
      device.endpoint.reachMemory(sent.value);
      return memory.accesses
        .slice(before)
        .map((access) => harmOf(access, writeInWords(access, guest, device, page, stage)));
    };
    const bySmmu = (): readonly Harm[] => {
      const [device] = devices;
      return finish(device, device?.issue('write', page.iova, processOf(space), undefined));
    };
    /** A combined entry formed of what was fetched, and a write by way of it. */
    const combined = (fetchOther: (device: AtsDevice) => boolean) => (): readonly Harm[] => {
      const [device] = devices;
      return device !== undefined && fetchOther(device) && space.combine(page) ? bySmmu() : [];
    };

    for (const device of devices) {
      for (const under of device.accesses) {
        const frame = frameOf(under);
        if (iovaOf(under) !== page.iova || !isStale(frame)) continue;
        found.push({
          what: `a write of ${accessLength} bytes of ${device.name} is on its way to ${of(frame)}, ${but(frame)}`,
          use: () => finish(device, { done: true, value: under.id }),
        });
      }
      const cached = device.cached(page.iova);
      if (cached !== undefined && isStale(cached.address)) {
        found.push({
          what: `the ATC of ${device.name} has ${of(cached.address)}, ${but(cached.address)}`,
          use: () => finish(device, device.issue('write', page.iova, processOf(space), cached)),
        });
      }
      for (const { id, iova, output, answer } of device.requests) {
        if (iova !== page.iova || answer !== 'read-write' || !isStale(output)) continue;
        found.push({
          what: `a Translation Completion with ${of(output)} is on its way to ${device.name}, ${but(output)}`,
          use: () => {
            device.endpoint.receiveCompletion(id);
            const now = device.cached(page.iova);
            return now === undefined ? [] : finish(device, device.issue('write', page.iova, processOf(space), now));
          },
        });
      }
    }
    const both = space.combined(page);
    if (isStale(both?.output)) {
      found.push({ what: `the TLB has ${of(both.output)} in a combined entry, ${but(both.output)}`, use: bySmmu });
    }
    const ofStage2: readonly (readonly [string, LeafEntry | undefined, () => boolean])[] = [
      ['the TLB has an IPA entry', space.ipaEntry(page), () => true],
      ['a walk has fetched an IPA entry', space.walk(2, page)?.entry, () => space.insertIpa(page)],
    ];
    for (const [what, entry, insert] of ofStage2) {
      if (entry === undefined || entry.output === mapped) continue;
      found.push({
        what: `${what} of ${address(page.ipa)} for the frame at ${address(entry.output)}, ${but(entry.output)}`,
        use: combined(
          ({ streamId }) => insert() && (space.walk(1, page) !== undefined || space.fetch(1, page, { streamId })),
        ),
      });
    }
    if (space.walk(1, page) !== undefined && !space.pte(page)) {
      found.push({
        what: `a walk has fetched the PTE of ${address(page.iova)}, which is ${address(pte)} in memory by now`,
        use: combined(
          ({ streamId }) =>
            space.ipaEntry(page) !== undefined || (space.fetch(2, page, { streamId }) && space.insertIpa(page)),
        ),
      });
    }
    return found;
  });
}

/** The virtual address of the page of a write under way. */
export function iovaOf({ flight: { request } }: AccessUnderWay): bigint | undefined {
  const va = request.translated ? request.untranslated?.address : request.address;
  return va === undefined ? undefined : va & ~(pageSize - 1n);
}

/** The frame that a write under way goes to. */
export function frameOf({ flight }: AccessUnderWay): bigint | undefined {
  const { request, transaction } = flight;
  const physical = request.translated ? request.address : transaction?.pieces[0]?.physical;
  return physical === undefined ? undefined : physical & ~(pageSize - 1n);
}
