/**
 * What shows on a machine with ATS that something stale is left, and what one more use of it does: for counterexamples in which
 * nothing has been read or written yet.
 */
import type { Access } from '../memory.ts';
import type { Outcome } from '../pcie/outcome.ts';
import { address, commandEntries, eventEntries, harmOf, ownerInWords } from './account.ts';
import { accessLength, type AccessUnderWay, type AtsDevice, grantOfTranslation } from './ats-device.ts';
import { type AddressSpace, exceeds, type Grant, grantOfEntry, type SpacePage } from './address-space.ts';
import type { Consequence, Harm } from './lowering.ts';
import type { Platform } from './platform.ts';

/** What an access did to a frame, in a sentence. */
export function accessInWords(
  access: Access,
  device: AtsDevice,
  page: SpacePage,
  how: { readonly stage: AccessUnderWay['stage']; readonly pte: Grant; readonly on: string },
): string {
  const way = how.stage === 'translated' ? 'translated by the SMMU from its TLB' : 'through its ATC';
  const what =
    access.kind === 'write'
      ? `wrote ${access.after.length} bytes at IOVA ${address(page.iova)}, ${way}, into`
      : `read ${access.after.length} bytes at IOVA ${address(page.iova)}, ${way}, from`;
  const whose =
    access.owner === how.on
      ? `which belongs to ${how.on} and which the PTE makes ${how.pte}`
      : `which belongs to ${ownerInWords(access.owner)} and no longer to ${how.on}`;
  return `${device.name} ${what} the frame at ${address(page.frame)}, ${whose}`;
}

/**
 * What a trace has come to: the harms; or if there are none what is stale, and what an access by way of the first of that does, and
 * whatever else shows on the machine. The access is done: the machine goes on no further.
 */
export function consequenceOf(
  platform: Platform,
  spaces: readonly AddressSpace[],
  devices: readonly AtsDevice[],
  harms: readonly Harm[],
  others: readonly string[] = [],
): Consequence {
  const commands = commandEntries(platform);
  const stale = harms.length > 0 ? [] : spaces.flatMap((space) => staleOf(platform, space, devices));
  const next = stale[0]?.use() ?? [];
  return {
    harms,
    evidence: harms.length > 0 ? [] : [...stale.map(({ what }) => what), ...others],
    ...(next.length === 0 ? {} : { next }),
    commands,
    events: eventEntries(platform),
  };
}

/** Something stale: what it is, and how an access gets to memory by way of it. */
interface Stale {
  readonly what: string;
  readonly use: () => readonly Harm[];
}

/** All that grants more than the PTEs in memory do, or is on its way to memory though they do not grant it. */
function staleOf(platform: Platform, space: AddressSpace, devices: readonly AtsDevice[]): readonly Stale[] {
  const { memory } = platform;
  return space.pages.flatMap((page) => {
    const limit = space.pte(page);
    const { word } = space.descriptor(page);
    const but = `, and its PTE in memory is ${address(word)} (${limit}); the frame belongs to ${ownerInWords(memory.ownerOf(page.frame))}`;
    const of = `${address(page.iova)}, whose frame is at ${address(page.frame)}`;
    const found: Stale[] = [];
    /** One access of the kind that is not granted any more, from where it is to memory. */
    const finish = (device: AtsDevice, sent: Outcome<number>): readonly Harm[] => {
      if (!sent.done) return [];
      const id = sent.value;
      const under = device.accesses.find((one) => one.id === id);
      if (under === undefined) return [];
      if (under.stage === 'on the link') device.endpoint.admit(id);
      const stage = device.accesses.find((one) => one.id === id)?.stage;
      if (stage === undefined || stage === 'on the link') return [];
      const before = memory.accesses.length;
      device.endpoint.reachMemory(id);
      const how = { stage, pte: limit, on: space.owner };
      return memory.accesses.slice(before).map((access) => harmOf(access, accessInWords(access, device, page, how)));
    };
    const kindBeyond = (granted: Grant): 'read' | 'write' => (granted === 'read-write' ? 'write' : 'read');
    const bySmmu = (granted: Grant): readonly Harm[] => {
      const device = devices.find(({ streamId }) => platform.smmu.configuration.lookupSte(streamId).ok);
      return device === undefined
        ? []
        : finish(device, device.issue(kindBeyond(granted), page.iova, space.owner, undefined));
    };

    for (const device of devices) {
      for (const under of device.accesses) {
        const inPage =
          under.stage === 'translated'
            ? space.pageAt(under.address) === page
            : space.pageOfFrame(under.address) === page;
        if (!inPage || !exceeds(under.kind === 'write' ? 'read-write' : 'read-only', limit)) continue;
        found.push({
          what: `a ${under.kind} of ${accessLength} bytes of ${device.name} is on its way to ${of} (${under.stage})${but}`,
          use: () => finish(device, { done: true, value: under.id }),
        });
      }
      const cached = device.cached(page.iova);
      const granted = cached === undefined || cached.address !== page.frame ? 'none' : grantOfTranslation(cached);
      if (cached !== undefined && exceeds(granted, limit)) {
        found.push({
          what: `the ATC of ${device.name} has ${of}, ${granted}${but}`,
          use: () => finish(device, device.issue(kindBeyond(granted), page.iova, space.owner, cached)),
        });
      }
      for (const request of device.requests) {
        const answer = request.answer === 'pending' || request.answer === 'no access' ? 'none' : request.answer;
        if (request.tagged || request.output !== page.frame || !exceeds(answer, limit)) continue;
        found.push({
          what: `a Translation Completion for ${of}, ${answer}, is on its way to ${device.name}${but}`,
          use: () => {
            device.endpoint.receiveCompletion(request.id);
            return finish(device, device.issue(kindBeyond(answer), page.iova, space.owner, device.cached(page.iova)));
          },
        });
      }
    }
    const tlb = grantOfEntry(space.tlb(page));
    if (exceeds(tlb, limit)) {
      found.push({
        what: `the TLB has ${of}, ASID ${space.asid}, ${tlb}${but}`,
        use: () => bySmmu(tlb),
      });
    }
    const walk = grantOfEntry(space.walk(page)?.entry);
    if (exceeds(walk, limit)) {
      found.push({
        what: `a walk that has fetched the PTE of ${of}, ${walk}, is about to put it into the TLB${but}`,
        use: () => {
          space.insertWalk(page);
          return bySmmu(walk);
        },
      });
    }
    return found;
  });
}
