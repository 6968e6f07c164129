/** Each switch makes an endpoint do what it otherwise refuses, and nothing else that is asked here. */
import { expect, it } from 'vitest';
import type { EndpointDefect } from './defects.ts';
import { Endpoint } from './endpoint.ts';
import { must } from './outcome.ts';
import { FakeUpstream } from './upstream.fixture.ts';

function broken(defect?: EndpointDefect): { readonly smmu: FakeUpstream; readonly endpoint: Endpoint } {
  const smmu = new FakeUpstream();
  const endpoint = new Endpoint(smmu, 0x10, {
    pasid: { width: 20 },
    ats: {},
    pri: { capacity: 4, responsePasidRequired: true },
    schedule: 'by hand',
    ...(defect !== undefined && { defects: { [defect]: true } }),
  });
  must(endpoint.enablePasid());
  must(endpoint.enableAts());
  must(endpoint.enablePri(1));
  smmu.map(0x5000n, 0x9000n, { pasid: 1 });
  return { smmu, endpoint };
}

const write = { kind: 'write', address: 0x5000n, bytes: Uint8Array.of(1), pasid: 1 } as const;
const read = { kind: 'read', address: 0x5000n, length: 1, pasid: 1 } as const;
const invalidation = { itag: 0, pasid: 1, global: false, address: 0x5000n, sizeLog2: 12 } as const;
const page = { address: 0x5000n, pasid: 1, last: true, read: true, write: false } as const;

function fill(endpoint: Endpoint): void {
  const id = must(endpoint.requestTranslation({ address: 0x5000n, pasid: 1 }));
  must(endpoint.deliver(id));
  must(endpoint.receiveCompletion(id));
}

/** What each defect allows, as a question whose answer is no without it. */
const allows: Readonly<Record<EndpointDefect, (made: ReturnType<typeof broken>) => boolean>> = {
  keepsOvertakenCompletions: ({ endpoint }) => {
    const id = must(endpoint.requestTranslation({ address: 0x5000n, pasid: 1 }));
    must(endpoint.deliver(id));
    endpoint.invalidate(invalidation);
    must(endpoint.receiveInvalidation(0));
    must(endpoint.receiveCompletion(id));
    return endpoint.issue(write).done;
  },
  acknowledgesBeforeWrites: ({ smmu, endpoint }) => {
    fill(endpoint);
    must(endpoint.issue(write));
    must(endpoint.issue(read));
    endpoint.invalidate(invalidation);
    must(endpoint.receiveInvalidation(0));
    return endpoint.acknowledge(0).done && smmu.completions.length === 1;
  },
  ignoresInvalidations: ({ smmu, endpoint }) => {
    fill(endpoint);
    endpoint.invalidate(invalidation);
    must(endpoint.receiveInvalidation(0));
    must(endpoint.acknowledge(0));
    return smmu.completions.length === 1 && endpoint.issue(write).done;
  },
  neverAcknowledges: ({ endpoint }) => {
    endpoint.invalidate(invalidation);
    must(endpoint.receiveInvalidation(0));
    return !endpoint.acknowledge(0).done && !endpoint.sendAcknowledgement(0).done;
  },
  invalidatesOnlyWithoutPasid: ({ endpoint }) => {
    fill(endpoint);
    const { pasid: _, ...withoutPasid } = invalidation;
    endpoint.invalidate(withoutPasid);
    must(endpoint.receiveInvalidation(0));
    return endpoint.issue(write).done;
  },
  usesWithoutPermission: ({ smmu, endpoint }) => {
    smmu.map(0x5000n, 0x9000n, { pasid: 1, write: false });
    fill(endpoint);
    smmu.unmap(0x6000n, 1);
    const without = must(endpoint.requestTranslation({ address: 0x6000n, pasid: 1 }));
    must(endpoint.deliver(without));
    must(endpoint.receiveCompletion(without));
    const none = endpoint.issue({ ...write, address: 0x6000n }).done;
    const readOnly = endpoint.issue(write).done;
    expect(none).toBe(readOnly);
    return none;
  },
  usesAcrossPasids: ({ endpoint }) => {
    fill(endpoint);
    const { pasid: _, ...withoutPasid } = write;
    const other = endpoint.issue({ ...write, pasid: 2 }).done;
    expect(endpoint.issue(withoutPasid).done).toBe(other);
    return other;
  },
  ignoresUntranslatedOnly: ({ smmu, endpoint }) => {
    smmu.map(0x5000n, 0x9000n, { pasid: 1, untranslatedOnly: true });
    fill(endpoint);
    must(endpoint.admit(must(endpoint.issue(write))));
    return smmu.requests[0]?.translated === true;
  },
  forgesTranslations: ({ smmu, endpoint }) => {
    const forged = endpoint.forge({ ...write, address: 0xbad000n });
    if (!forged.done) return false;
    must(endpoint.admit(forged.value));
    expect(smmu.requests).toMatchObject([{ translated: true, address: 0xbad000n }]);
    return true;
  },
  keepsEntriesWhenDisabled: ({ endpoint }) => {
    fill(endpoint);
    endpoint.disableAts();
    must(endpoint.enableAts());
    return endpoint.issue(write).done;
  },
  keepsEntriesOverReset: ({ endpoint }) => {
    fill(endpoint);
    endpoint.reset();
    must(endpoint.enablePasid());
    must(endpoint.enableAts());
    return endpoint.issue(write).done;
  },
  reusesGroups: ({ endpoint }) => {
    must(endpoint.disablePri());
    must(endpoint.enablePri(2));
    must(endpoint.requestPage({ ...page, group: 3 }));
    return endpoint.requestPage({ ...page, group: 3 }).done;
  },
  exceedsAllocation: ({ endpoint }) => {
    must(endpoint.requestPage(page));
    return endpoint.requestPage(page).done;
  },
  ignoresResponseFailure: ({ endpoint }) => {
    must(endpoint.requestPage({ ...page, group: 3 }));
    const response = { group: 3, pasid: 1, code: 'response failure' } as const;
    endpoint.pageResponse(response);
    must(endpoint.receiveResponse(response));
    return endpoint.requestPage(page).done;
  },
  stopsWithoutFlush: ({ endpoint }) => {
    fill(endpoint);
    must(endpoint.issue(write));
    must(endpoint.requestPage(page));
    must(endpoint.stopPasid(1, 'after all responses'));
    return endpoint.completeStop(1).done;
  },
  forgetsStoppedGroups: ({ endpoint }) => {
    must(endpoint.deliver(must(endpoint.requestPage({ ...page, group: 7 }))));
    must(endpoint.stopPasid(1, 'with a stop marker'));
    must(endpoint.completeStop(1));
    return endpoint.requestPage({ ...page, pasid: 2, group: 7 }).done;
  },
};

it.each(Object.keys(allows) as EndpointDefect[])('%s', (defect) => {
  expect(allows[defect](broken())).toBe(false);
  expect(allows[defect](broken(defect))).toBe(true);
});

it('is of one rule: an endpoint broken in one way keeps the others', () => {
  // What is ignored drops nothing of any kind.
  const implied = new Set([
    'ignoresInvalidations keepsOvertakenCompletions',
    'ignoresInvalidations invalidatesOnlyWithoutPasid',
  ]);
  const names = Object.keys(allows) as EndpointDefect[];
  for (const defect of names) {
    for (const other of names) {
      // One that never acknowledges cannot be asked about acknowledgements.
      if (other === defect || defect === 'neverAcknowledges' || implied.has(`${defect} ${other}`)) continue;
      expect(`${defect} allows ${other}: ${allows[other](broken(defect))}`).toBe(`${defect} allows ${other}: false`);
    }
  }
});
