/**
 * How a function stops using a PASID, so that software may give it to another address space (PCIe 6.20, 10.4.1.2; PRI-29..33).
 */
import { describe, type Flight, type Link, type PageRequestFlight, type Unsent } from './link.ts';
import type { PageRequest } from './messages.ts';
import { done, type Outcome, refused } from './outcome.ts';
import { type Group, isComplete, type PageRequestInterface } from './page-request-interface.ts';
import { inWords, type Pasids, type StopKind } from './pasid.ts';

/** The parts of a function that a stop looks at. */
export interface StopContext {
  readonly streamId: number;
  readonly link: Link;
  readonly pasids: Pasids;
  readonly pri: PageRequestInterface | undefined;
  /** It does not wait for what is on the link, which breaks PRI-29. */
  readonly withoutFlush: boolean;
  /** It forgets the groups that have no response, which breaks PRI-32. */
  readonly forgetsGroups: boolean;
}

/** Begins a stop: see `Endpoint.stopPasid`. */
export function beginStop({ pasids }: StopContext, pasid: number | undefined, kind: StopKind): Outcome {
  if (pasids.stops.has(pasid)) return refused(`${inWords(pasid)} is stopped already`);
  pasids.set(pasid, { kind, complete: false });
  return done();
}

/** Completes a stop: see `Endpoint.completeStop`. */
export function completeStop(context: StopContext, pasid: number | undefined): Outcome {
  const { streamId, pasids, pri } = context;
  const stop = pasids.stops.get(pasid);
  if (stop === undefined || stop.complete) throw new RangeError(`${inWords(pasid)} is not being stopped`);
  const why = context.withoutFlush ? undefined : whyIncomplete(context, pasid, stop.kind);
  if (why !== undefined) return refused(why);
  if (context.forgetsGroups) pri?.forgetPasid(streamId, pasid);
  else pri?.markStale(streamId, pasid);
  pasids.set(pasid, { ...stop, complete: true });
  if (pasid !== undefined && stop.kind === 'with a stop marker' && pri?.enabled === true) {
    pasids.setMarkersOwed(pasid, pasids.markersOwed(pasid) + 1);
  }
  return done();
}

/** The Stop Marker to send: see `Endpoint.sendStopMarker`. */
export function stopMarker({ streamId, pasids, pri }: StopContext, pasid: number): Outcome<PageRequest> {
  const owed = pasids.markersOwed(pasid);
  if (owed === 0) return refused(`PASID ${pasid} owes no Stop Marker`);
  if (pri?.enabled !== true) return refused('page requests are disabled');
  pasids.setMarkersOwed(pasid, owed - 1);
  return done({ streamId, pasid, address: 0n, group: 0, last: true, read: false, write: false });
}

/** Uses a stopped PASID anew: see `Endpoint.startPasid`. */
export function start({ pasids, pri }: StopContext, pasid: number | undefined): Outcome {
  const stop = pasids.stops.get(pasid);
  if (stop === undefined) return refused(`${inWords(pasid)} was not stopped`);
  if (!stop.complete) return refused(`${inWords(pasid)} is being stopped (PRI-29)`);
  pasids.set(pasid, undefined);
  if (pasid !== undefined && pri?.enabled !== true) pasids.setMarkersOwed(pasid, 0);
  return done();
}

/** Whether a page request finishes a group that was begun before its PASID is stopped, which a stop must (PCIe 10.4.1.2.1). */
export function finishesGroup(context: StopContext, pasid: number | undefined, index: number | undefined): boolean {
  if (context.pasids.stops.get(pasid)?.complete !== false) return false;
  return groupsOf(context, pasid).some((group) => group.index === index && !isComplete(group));
}

/** A page request on the link. */
export function pageRequestFlight(request: PageRequest): Unsent<PageRequestFlight> {
  return { kind: 'page request', request, pasid: request.pasid, trafficClasses: [0], state: 'on the link' };
}

function whyIncomplete(context: StopContext, pasid: number | undefined, kind: StopKind): string | undefined {
  const marker = kind === 'with a stop marker';
  const waits = context.link.flights.find((flight) => flight.pasid === pasid && !isFlushed(flight));
  if (waits !== undefined) return `${describe(waits)} is under way (PRI-29)`;
  // After a Response Failure no response is expected, and no Last can be sent.
  if (context.pri?.responseFailure === true) return undefined;
  const groups = groupsOf(context, pasid);
  const open = groups.find((group) => !isComplete(group));
  if (open !== undefined) return `page request group ${open.index} has no Last (PRI-29)`;
  return marker || groups[0] === undefined ? undefined : `group ${groups[0].index} has no response (PRI-30)`;
}

/**
 * Whether a stop need not wait for a flight of its PASID: a write past the link is in the host. Page requests it pushes there,
 * whether or not a Stop Marker follows: what says that the stop is complete does not pass them (PRI-29).
 */
function isFlushed(flight: Flight): boolean {
  if (flight.kind === 'invalidate completion') return true;
  return flight.kind === 'memory' && flight.request.kind === 'write' && flight.state === 'admitted';
}

function groupsOf({ streamId, pri }: StopContext, pasid: number | undefined): readonly Group[] {
  return (pri?.groups ?? []).filter((group) => group.streamId === streamId && group.pasid === pasid);
}
