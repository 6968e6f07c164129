/**
 * What a page request does to address spaces, and what shows on the machine that one has gone, or will go, to the wrong one, or
 * is answered wrongly, twice or never: with the bytes of records, commands, descriptors and messages.
 */
import { readByName } from '../host/registers.ts';
import type { PageRequestFlight } from '../pcie/link.ts';
import type { PageResponse } from '../pcie/messages.ts';
import { isComplete } from '../pcie/page-request-interface.ts';
import { decodePageRequest, encodePageRequest, isStopMarker } from '../smmuv3/page-request-record.ts';
import { address, hex, ownerInWords } from './account.ts';
import { type AddressSpace, pageSize, type SpacePage } from './address-space.ts';
import type { Entry, Harm } from './lowering.ts';
import { attachmentsOf, handlerOf, type Machine, requestOf, responsesOf } from './page-request-machine.ts';
import { indexOfGroup, pasidOf, useOf } from './pri-device.ts';

/** Something that shows a violation; `use`: what comes of it next. */
interface Evidence {
  readonly what: string;
  readonly use?: () => readonly Harm[];
}

/**
 * A worker makes the page of a record available in an address space: it gives it a frame and maps it, if it is not there. It is
 * harm if it is not the space whose work asked for it.
 */
export function handleFault(machine: Machine, raw: Uint8Array, target: number | null): void {
  const space = target === null ? undefined : machine.spaces[target];
  if (space === undefined || target === null) return;
  const harm = mapPage(machine, raw, space);
  const { process } = useOf(decodePageRequest(raw).address);
  const isGone = attachmentsOf(machine, target).length === 0;
  if (isGone) machine.gone.push(`${harm.what}; ${space.owner} was unbound before`);
  if (process !== target) machine.harms.push(harm);
}

/** Maps the page of a record: the descriptor's bytes before and after. */
function mapPage(machine: Machine, raw: Uint8Array, space: AddressSpace): Harm {
  const { platform } = machine;
  const page = pageOf(machine, decodePageRequest(raw).address);
  const isThere = space.pte(page) !== 'none';
  const before = isThere ? space.descriptor(page).word : 0n;
  if (!isThere) {
    platform.memory.give(page.frame, Number(pageSize), space.owner);
    space.setPte(page, 'read-write');
    machine.frames++;
  }
  const { address: at, word } = space.descriptor(page);
  return {
    what:
      `${requestInWords(raw)} was handled in the address space of ${space.owner}: the page ${address(page.iova)} is mapped there, ` +
      `to a frame of ${ownerInWords(space.owner)} at ${address(word & 0xffff_ffff_f000n)}`,
    address: address(at),
    before: wordInHex(before),
    after: wordInHex(word),
  };
}

/** The page of an address, and the next free frame. */
function pageOf({ platform, frames }: Machine, iova: bigint): SpacePage {
  return { iova, frame: platform.frame(frames) };
}

function wordInHex(word: bigint): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, word, true);
  return hex(bytes);
}

/** The records in the PRI queue, and those that software has taken and not answered. */
export function recordEntries({ platform, taken, partials, groups }: Machine): readonly Entry[] {
  const entry = (state: string) => (raw: Uint8Array) => ({ raw: hex(raw), decoded: recordInWords(raw), state });
  return [
    ...platform.smmu.pageRequests.records.map(entry('in the PRI queue')),
    ...(taken === undefined ? [] : [taken].map(entry('with the IRQ thread'))),
    ...partials.map(({ raw }) => raw).map(entry('stored until its Last comes')),
    ...groups.flatMap((group, slot) =>
      [group?.first, group?.last]
        .flatMap((stored) => stored?.raw ?? [])
        .map(entry(`in the group of worker ${slot}${targetInWords(group?.target)}`)),
    ),
  ];
}

function targetInWords(target: number | null | undefined): string {
  return target === null || target === undefined ? '' : `, for process${target}`;
}

function recordInWords(raw: Uint8Array): string {
  const { sid, ssid, ssv, last, read, write, prgIndex, address: page } = decodePageRequest(raw);
  const flags = [last && 'L', write && 'W', read && 'R'].filter(Boolean).join('');
  return (
    `page request sid ${address(BigInt(sid))}, ${ssv ? `ssid ${address(BigInt(ssid))}` : 'no ssid'}, ` +
    `LWR ${flags === '' ? 'none' : flags}, prgIndex ${prgIndex}, address ${address(page)}`
  );
}

/** A record as what it is for. */
function requestInWords(raw: Uint8Array): string {
  const record = decodePageRequest(raw);
  if (isStopMarker(record)) return `the Stop Marker of PASID ${record.ssid} (${hex(raw)})`;
  const under = record.ssv ? `under PASID ${record.ssid}` : 'without PASID';
  return `the page request of process${useOf(record.address).process}'s work for ${address(record.address)} ${under} (${hex(raw)})`;
}

/** All that shows that something is wrong, the worst first. */
export function evidenceOf(machine: Machine): readonly Evidence[] {
  const found = [
    ...machine.gone.map((what) => ({ what })),
    ...misdirected(machine),
    ...leftovers(machine),
    ...answers(machine),
    ...answersToCome(machine),
    ...statusAndGroups(machine),
    ...queue(machine),
    ...unbinding(machine),
  ];
  return found.length > 0 ? found : outstanding(machine);
}

/** Groups, and the record in hands, that are for an address space that is gone, or for another than asked. */
function misdirected(machine: Machine): readonly Evidence[] {
  const { spaces, groups, taken, found } = machine;
  const held = [
    ...(taken === undefined ? [] : [{ raw: taken, target: found, who: 'the IRQ thread' }]),
    ...groups.flatMap((group, slot) =>
      group === undefined
        ? []
        : [group.first, group.last].flatMap((stored) =>
            stored === undefined ? [] : { raw: stored.raw, target: group.target, who: `worker ${slot}` },
          ),
    ),
  ];
  return held.flatMap(({ raw, target, who }) => {
    const space = target === null ? undefined : spaces[target];
    const isHandled = who !== 'the IRQ thread';
    if (space === undefined || target === null) {
      return isHandled ? { what: `${who} handles ${requestInWords(raw)} for nobody: nothing is attached there` } : [];
    }
    const { of } = requestOf(raw);
    const isGone = attachmentsOf(machine, target).length === 0;
    if (!isGone && (of === null || of === target)) return [];
    const why = isGone ? `which was unbound: no Context descriptor points at its tables` : 'which did not ask for it';
    return {
      what: `${who} holds ${requestInWords(raw)} for ${space.owner}, ${why}`,
      use: () => (of === null ? [] : [mapPage(machine, raw, space)]),
    };
  });
}

/** Requests of address spaces that were unbound, and Stop Markers that were stored. */
function leftovers(machine: Machine): readonly Evidence[] {
  const { platform, device, taken, partials } = machine;
  const places = [
    ...device.link.map((flight) => ({ raw: rawOf(flight), where: 'on the link' })),
    ...platform.smmu.pageRequests.records.map((raw) => ({ raw, where: 'in the PRI queue' })),
    ...(taken === undefined ? [] : [{ raw: taken, where: 'with the IRQ thread' }]),
    ...partials.map(({ raw }) => ({ raw, where: 'among the stored partials' })),
  ];
  return places.flatMap(({ raw, where }) => {
    const { of, pasid, group } = requestOf(raw);
    if (of === null || group === null) return [];
    // What is in the queue may be left of a group whose Last found it full.
    const isAnyway = where === 'in the PRI queue' || where === 'with the IRQ thread';
    const isOver = !isOutstanding(machine, raw);
    const isGone = !attachmentsOf(machine, of).includes(pasidOf(pasid));
    if (!isGone && (isAnyway || !isOver)) return [];
    const handler = handlerOf(machine, pasidOf(pasid));
    const { bytes } = device.cd(pasidOf(pasid));
    const now = handler === null ? 'nobody' : `process${handler}`;
    const its = isGone
      ? `but process${of} is no longer attached there: the Context descriptor is of ${now} (${hex(bytes.subarray(0, 16))}...)`
      : 'but its group is over: the function has its response, and is free to use the index for others';
    return {
      what: `${requestInWords(raw)} is ${where}, ${its}`,
      use: () => handedOn(machine, raw, of, pasidOf(pasid)),
    };
  });
}

/** Whether the group of a request has no response yet. */
function isOutstanding({ device }: Machine, raw: Uint8Array): boolean {
  const { address: page, prgIndex } = decodePageRequest(raw);
  return device.pri.groups.some(
    ({ index, requests }) => index === prgIndex && requests.some((request) => request.address === page),
  );
}

/** The request is handled for whoever has its PASID now, or gets it next. */
function handedOn(machine: Machine, raw: Uint8Array, of: number, pasid: number | undefined): readonly Harm[] {
  const { spaces, device } = machine;
  const handler = handlerOf(machine, pasid);
  const other = spaces.find((_, i) => i !== of && attachmentsOf(machine, i).length === 0);
  const space = handler === null ? other : spaces[handler];
  if (space === undefined || space === spaces[of]) return [];
  if (handler === null) device.attach(pasid, space, undefined);
  return [mapPage(machine, raw, space)];
}

/** A page request on the link as the record that it will be; only for words. */
function rawOf({ request }: PageRequestFlight): Uint8Array {
  const { streamId: sid, pasid, group, last, read, write, address: page } = request;
  return encodePageRequest({
    sid,
    ssid: pasid ?? 0,
    ssv: pasid !== undefined,
    prgIndex: group,
    last,
    read,
    write,
    address: page,
  });
}

/** Responses under way that are for nobody, for another, or not true. */
function answers(machine: Machine): readonly Evidence[] {
  const { device } = machine;
  const needsPasid = device.pri.capability.responsePasidRequired;
  return responsesOf(machine).flatMap((one): readonly Evidence[] => {
    const { group: index, pasid, code, epoch, automatic } = one.abstract;
    const bytes = 'queued' in one ? hex(one.queued.raw) : 'given by the SMMU itself';
    const echoed = pasid === null ? 'no PASID' : `PASID ${pasidOf(pasid)}`;
    const prg = index === null ? 0 : indexOfGroup(index);
    const message = `the PRG Response to group ${prg} with ${echoed}, ${code} (${bytes})`;
    const take = (): readonly Harm[] => takenIn(machine, one, message);
    const group = index === null ? undefined : device.groupOf(index);
    const found: Evidence[] = [];
    if (group === undefined || index === null || !isComplete(group)) {
      const why = group === undefined ? 'is outstanding with this index' : 'with this index has sent its Last';
      found.push({ what: `${message} is under way, but no group ${why}`, use: take });
      return found;
    }
    if (device.epochOf(index) !== epoch) {
      found.push({
        what: `${message} is for an earlier group of this index, and will be taken for the one that waits`,
      });
    }
    if (needsPasid ? pasidOf(pasid) !== group.pasid : pasid !== null) {
      const wants = needsPasid ? `PASID ${group.pasid}` : 'none';
      found.push({ what: `${message} is under way, but the function matches it with ${wants}`, use: take });
    }
    const absent = group.requests.filter(({ address: page }) => pteOf(machine, page)?.word === 0n);
    for (const { address: page } of code === 'Success' && !automatic ? absent : []) {
      const at = pteOf(machine, page);
      found.push({
        what:
          `${message} is under way, but ${address(page)} is not there: its descriptor at ` +
          `${address(at?.address ?? 0n)} is ${address(at?.word ?? 0n)}`,
        use: () => retried(machine, page, group.pasid),
      });
    }
    if (code !== 'Success' && absent.length === 0) {
      found.push({ what: `${message} is under way, but all pages of the group are there` });
    }
    if (code === 'Response Failure') {
      found.push({ what: `${message} turns page requests off for the whole function`, use: take });
    }
    return found;
  });
}

/** The page as the tables of the process whose work asked for it have it. */
function pteOf({ spaces }: Machine, page: bigint): { readonly address: bigint; readonly word: bigint } | undefined {
  const space = spaces[useOf(page).process];
  const at = space?.descriptor({ iova: page, frame: 0n });
  if (space === undefined || at === undefined) return undefined;
  return { address: at.address, word: space.pte({ iova: page, frame: 0n }) === 'none' ? 0n : at.word };
}

/** The function takes a response: what its PRI status says before and after. */
function takenIn(machine: Machine, one: ReturnType<typeof responsesOf>[number], message: string): readonly Harm[] {
  const { device, platform } = machine;
  const before = statusOf(machine);
  let response: PageResponse | undefined;
  if ('response' in one) ({ response } = one);
  else {
    const earlier = device.endpoint.responses;
    platform.perform(one.queued);
    response = device.endpoint.responses.find((sent) => !earlier.includes(sent));
  }
  if (response === undefined) return [];
  device.receive(response);
  const after = statusOf(machine);
  return [
    {
      what: `the function takes ${message}: its PRI status goes from ${before} to ${after} (bit 0 RF, bit 1 UPRGI, bit 8 Stopped)`,
      address: 'PRI Status, offset 0x6 of the capability',
      before,
      after,
    },
  ];
}

/** The PRI Status Register of the endpoint. */
function statusOf({ device: { pri } }: Machine): string {
  const bits = (pri.responseFailure ? 1 : 0) | (pri.unexpectedIndex ? 2 : 0) | (pri.stopped ? 0x100 : 0);
  return `0x${bits.toString(16).padStart(4, '0')}`;
}

/** After Success the function asks for the translation again, and writes. */
function retried(machine: Machine, page: bigint, pasid: number | undefined): readonly Harm[] {
  const { device, platform } = machine;
  const { endpoint } = device;
  const at = pteOf(machine, page);
  const prefix = pasid === undefined ? {} : { pasid };
  while (device.link.length > 0 && device.deliver().done);
  const asked = endpoint.requestTranslation({ address: page, ...prefix });
  if (!asked.done || !endpoint.deliver(asked.value).done) return [];
  const received = endpoint.receiveCompletion(asked.value);
  const given = received.done ? [...received.value.cached, ...received.value.usable] : [];
  const granted = given.find(({ read, write }) => read || write);
  const sent = endpoint.issue(
    {
      kind: 'write',
      address: page,
      bytes: new Uint8Array(8).fill(0xee),
      on: `process${useOf(page).process}`,
      ...prefix,
    },
    { untranslated: true, trafficClass: 1 },
  );
  const admitted = sent.done ? endpoint.admit(sent.value) : sent;
  const ended = admitted.done ? admitted.value.outcome : 'not sent';
  const word = hex(platform.memory.read(at?.address ?? platform.frame(0), 8));
  return [
    {
      what:
        `${device.name} believes the Success and asks for the translation of ${address(page)} again: ` +
        `the answer is ${granted === undefined ? 'no access (R = W = 0)' : 'a translation'}; its write there is ${ended}`,
      address: address(at?.address ?? 0n),
      before: word,
      after: word,
    },
  ];
}

/** Groups that get more than one answer, or one without their Last, or one though they are over. */
function answersToCome(machine: Machine): readonly Evidence[] {
  const { device, groups } = machine;
  const working = groups.flatMap((group, slot) => (group === undefined || group.answered ? [] : { ...group, slot }));
  const found: Evidence[] = [];
  for (const { slot, last } of working) {
    if (!requestOf(last.raw).last) {
      found.push({ what: `worker ${slot} answers a group without its Last: ${requestInWords(last.raw)} is not one` });
    } else if (!isOutstanding(machine, last.raw)) {
      found.push({ what: `worker ${slot} answers a group that is over: ${requestInWords(last.raw)}` });
    }
  }
  for (const { index } of device.pri.groups) {
    const [group, epoch] = [index - 1, device.epochOf(index - 1)];
    const isIts = (one: { readonly group: number | null; readonly epoch: boolean }): boolean =>
      one.group === group && one.epoch === epoch;
    const sources = [
      ...whereLastIs(machine, group),
      ...working.filter(({ last }) => isIts(requestOf(last.raw))).map(({ slot }) => `by worker ${slot}`),
      ...responsesOf(machine)
        .filter(({ abstract: response }) => isIts(response))
        .map((one) => `by the response under way${'queued' in one ? ` (${hex(one.queued.raw)})` : ''}`),
    ];
    if (sources.length > 1)
      found.push({ what: `group ${index} is answered ${sources.length} times: ${sources.join(', ')}` });
  }
  return found;
}

/** For the Last of a group that nobody has made a group of yet. */
function whereLastIs({ platform, device, taken: inHands }: Machine, group: number): readonly string[] {
  const places = [
    ...device.link.map((flight) => ({ raw: rawOf(flight), where: 'on the link' })),
    ...platform.smmu.pageRequests.records.map((raw) => ({ raw, where: 'in the PRI queue' })),
  ];
  return places
    .filter(({ raw }) => inHands !== raw)
    .filter(({ raw }) => {
      const request = requestOf(raw);
      return request.last && request.group === group && request.epoch === device.epochOf(group);
    })
    .map(({ raw, where }) => `for its Last ${where} (${hex(raw)})`);
}

/** What the function waits for, where nothing else tells more. */
function outstanding({ device: { pri } }: Machine): readonly Evidence[] {
  return pri.groups.map((group) => ({
    what:
      `group ${group.index} has ${group.requests.length} page requests outstanding, of ${pri.allocation} that the function may have, ` +
      `and ${isComplete(group) ? 'waits for its response' : 'its Last was not sent'}`,
  }));
}

/** What the endpoint itself shows: its status, and groups to which nothing under way belongs. */
function statusAndGroups(machine: Machine): readonly Evidence[] {
  const { platform, device, groups, taken: inHands, partials } = machine;
  const { pri } = device;
  const found: Evidence[] = [];
  if (pri.unexpectedIndex)
    found.push({ what: `PRI status ${statusOf(machine)}: UPRGI, an unexpected PRG Response came` });
  if (pri.responseFailure) {
    const lost = pri.outstanding === 0 ? '' : `; ${pri.outstanding} requests have no response and will have none`;
    found.push({ what: `PRI status ${statusOf(machine)}: RF, page requests are off for the function${lost}` });
  }
  const messages = [
    ...device.link.map((flight) => requestOf(rawOf(flight))),
    ...platform.smmu.pageRequests.records.map(requestOf),
    ...(inHands === undefined ? [] : [requestOf(inHands)]),
    ...groups.flatMap((group) => (group === undefined ? [] : [requestOf(group.last.raw)])),
  ].filter(({ last }) => last);
  for (const { index, requests } of pri.groups.filter(isComplete)) {
    const group = index - 1;
    const way = [...messages, ...responsesOf(machine).map(({ abstract: response }) => response)];
    if (way.some((one) => one.group === group && one.epoch === device.epochOf(group))) continue;
    found.push({
      what:
        `group ${index} (${requests.length} page requests, of ${pri.allocation} that the function may have outstanding) has no response, ` +
        `and neither its Last nor a response to it is anywhere`,
    });
  }
  const stale = partials.filter(({ bad }) => bad);
  for (const { raw } of stale) found.push({ what: `${requestInWords(raw)} is stored, and no driver takes it` });
  return found;
}

/** What the PRI queue shows. */
function queue({ platform: { smmu }, acknowledged, partials }: Machine): readonly Evidence[] {
  const { records, overflowed } = smmu.pageRequests;
  const [producer, consumer] = [readByName(smmu, 'PRIQ_PROD'), readByName(smmu, 'PRIQ_CONS')];
  const at = `PRIQ_PROD ${address(producer)}, PRIQ_CONS ${address(consumer)}`;
  const raised = smmu.interrupts.filter(({ source }) => source === 'priq').length;
  const found: Evidence[] = [];
  if (overflowed) {
    found.push({ what: `an overflow is active, and nothing is recorded until it is acknowledged (${at})` });
  } else if (partials.length > 0 && producer >> 31n === 1n) {
    found.push({
      what: `an overflow was acknowledged, and ${partials.length} stored partial was kept over it (${at})`,
    });
  }
  if (records.length > 0 && raised === acknowledged) {
    found.push({ what: `${records.length} records wait in the PRI queue, and no interrupt is pending (${at})` });
  }
  return found;
}

/** PASIDs that are being stopped, or are stopped and still attached. */
function unbinding(machine: Machine): readonly Evidence[] {
  const { device, spaces } = machine;
  return spaces.flatMap(({ owner }, process) => {
    if (!device.knows(process) || !device.isLatestOf(process)) return [];
    const pasid = device.pasidOfJob(process);
    const stop = device.endpoint.stops.get(pasid);
    if (stop === undefined || !attachmentsOf(machine, process).includes(pasid)) return [];
    const { address: at, bytes } = device.cd(pasid);
    const under = pasid === undefined ? 'its work without PASID' : `PASID ${pasid}`;
    return {
      what:
        `${under} of ${owner} ${stop.complete ? 'has stopped' : 'is asked to stop'}, and its Context descriptor ` +
        `at ${address(at)} is still valid (${hex(bytes.subarray(0, 16))}...)`,
    };
  });
}
