/**
 * Page requests and their responses as PCIe sends them, and what a Page Request Group index may stand for. (PRI-01, PRI-02,
 * PRI-09, HOST-05)
 *
 * `of` and `epoch` are no part of the message: they tell which address space made the device ask, and which use of its group
 * index a message belongs to. One bit of epoch is enough, since the uses of one index follow each other.
 */
import { bool, type Frozen, oneOf, optional, type Sort, type Value } from '../../language/index.ts';

/** What a request asks for: access to a page, or none at all (R = W = 0). */
export const wanted = oneOf('access', 'nothing');

/** The codes of a response. Arm's CMD_PRI_RESP calls them success, fail and deny, in this order (HOST-06). */
const responseCode = oneOf('Success', 'Invalid Request', 'Response Failure');

/** A Page Request message. A Stop Marker has a PASID, Last, and neither R nor W; its index means nothing. */
export function pageRequest<const G extends string, const A extends string, const P extends string>(sorts: {
  readonly group: Sort<G>;
  readonly pasid: Sort<A>;
  readonly process: Sort<P>;
}) {
  return {
    group: optional(sorts.group),
    pasid: optional(sorts.pasid),
    last: bool,
    wants: wanted,
    of: optional(sorts.process),
    epoch: bool,
  };
}

/** A PRG Response. `automatic`: the SMMU gave it itself. */
export function pageResponse<const G extends string, const A extends string>(sorts: {
  readonly group: Sort<G>;
  readonly pasid: Sort<A>;
}) {
  return {
    group: optional(sorts.group),
    pasid: optional(sorts.pasid),
    code: responseCode,
    epoch: bool,
    automatic: bool,
  };
}

const message = { pasid: optional(oneOf('pasid')), last: bool, wants: wanted };
type Message = Frozen<Value<typeof message>>;

/** Whether a message is a Stop Marker. Without a PASID the same bits are an ordinary request, to be answered (HOST-05). */
export function isStopMarker(request: {
  readonly pasid: unknown;
  readonly last: boolean;
  readonly wants: Message['wants'];
}): boolean {
  return request.pasid !== null && request.last && request.wants === 'nothing';
}
