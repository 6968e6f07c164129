/**
 * The INVALIDATE request of a virtio-iommu as it lies in guest memory (VIOMMU-22, version 2; type 7 by VIOMMU-20). The virtqueue
 * around it is left out: it says where the buffer is and that it was used, which here the status does.
 */
import type { Memory } from '../memory.ts';

/** Which translations of an address space are to go; of an address, one page of 4 KiB. */
type InvalidateScope =
  | { readonly scope: 'address'; readonly asid: number; readonly address: bigint }
  | { readonly scope: 'PASID'; readonly asid: number };

/** Bytes of a request, head and tail included. */
export const invalidateLength = 64;

const typeOfInvalidate = 7;
const scopes = { PASID: 2, address: 3 } as const;
const cacheOfTlb = 2;
const flags = { leaf: 1, idValid: 4 } as const;
const offset = { scope: 4, caches: 5, flags: 6, id: 16, address: 24, pages: 32, pageSize: 40, status: 60 } as const;
/** No status of a device: the guest puts it there, so that it can tell that the request was used. */
const notUsed = 0xff;
const ok = 0;

/** The guest writes a request and makes it available. */
export function writeInvalidate(memory: Memory, at: bigint, request: InvalidateScope): void {
  const bytes = new Uint8Array(invalidateLength);
  const view = new DataView(bytes.buffer);
  const isAddress = request.scope === 'address';
  view.setUint8(0, typeOfInvalidate);
  view.setUint8(offset.scope, scopes[request.scope]);
  view.setUint8(offset.caches, cacheOfTlb);
  view.setUint16(offset.flags, flags.idValid | (isAddress ? flags.leaf : 0), true);
  view.setBigUint64(offset.id, BigInt(request.asid), true);
  if (isAddress) {
    view.setBigUint64(offset.address, request.address, true);
    view.setBigUint64(offset.pages, 1n, true);
    view.setUint8(offset.pageSize, 12);
  }
  view.setUint8(offset.status, notUsed);
  memory.write(at, bytes);
}

/** The VMM has used the request: its status is OK. */
export function useInvalidate(memory: Memory, at: bigint): void {
  memory.write(at + BigInt(offset.status), new Uint8Array([ok]));
}

/** The request that waits to be used. */
export function readInvalidate(memory: Memory, at: bigint): InvalidateScope | undefined {
  const bytes = memory.read(at, invalidateLength);
  const view = new DataView(bytes.buffer);
  if (view.getUint8(0) !== typeOfInvalidate || view.getUint8(offset.status) !== notUsed) return undefined;
  const asid = Number(view.getBigUint64(offset.id, true) & 0xffffn);
  if (view.getUint8(offset.scope) === scopes.PASID) return { scope: 'PASID', asid };
  return { scope: 'address', asid, address: view.getBigUint64(offset.address, true) };
}
