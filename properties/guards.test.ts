import { describe, expect, it } from 'vitest';
import { instantiate } from '../language/index.ts';
import { guardPaths, noticedWithout } from './guards.fixture.ts';
import { protocols } from './index.ts';

const harmless = 'without it the action does nothing, or what another action does as well';
const oneQueue =
  'the CMD_SYNC in the one command queue already keeps later commands back (INV-02); the wait only saves queue space';
const roomAtSmoke = 'one processor and one driver never fill the queue at this size';

/** Guards whose absence no property notices at size smoke, and why that is right. */
const explained: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'atc-invalidation': {
    'changeMapping / submit TLBI / the command queue has room': roomAtSmoke,
    'changeMapping / submit ATC_INV / the command queue has room': roomAtSmoke,
    'changeMapping / cut the endpoints off / the command queue has room': roomAtSmoke,
    'changeMapping / wait for TLBI / CMD_SYNC has completed': oneQueue,
    'timeOut / time-outs are explored': 'they are, at this size',
    'upgrade / the page-table lock is free':
      'a page that is made writable during a write-protection was never promised to be read-only',
    'walk / the PTE is valid': harmless,
    'walk / the TLB could use it': 'a second fetch of the same PTE tells the SMMU nothing new; it saves states',
    'insert / a fetched translation is there': harmless,
    'evictTlb / an entry is there': harmless,
    'evictAtc / an entry is there': harmless,
    'requestTranslation / it is not cut off': 'what a cut-off endpoint caches is of no use: the SMMU refuses it',
    'requestTranslation / the ATC could use it': 'a second request for the same entry brings no more; it saves states',
    'translate / the STE translates': 'an untranslated access goes through the TLB, which TLBI keeps current anyway',
  },
  'atc-invalidation/attach': {
    'changeDomain / write the STE / the command queue has room': roomAtSmoke,
    'changeDomain / submit ATC_INV / the command queue has room': roomAtSmoke,
    'changeDomain / submit TLBI / the command queue has room': roomAtSmoke,
    'unmap / submit TLBI / the command queue has room': roomAtSmoke,
    'unmap / submit ATC_INV / the command queue has room': roomAtSmoke,
    'unmap / clear the PTE / a processor is free for it': 'one domain needs one processor',
    'changeDomain / wait for CFGI_STE / CMD_SYNC has completed': oneQueue,
    'changeDomain / wait for ATC_INV / CMD_SYNC has completed': oneQueue,
    'unmap / wait for TLBI / CMD_SYNC has completed': oneQueue,
    'fetchSte / the STE has changed': harmless,
    'evictTlb / an entry is there': harmless,
    'evictAtc / an entry is there': harmless,
    'requestTranslation / ATS is enabled': 'without EATS the SMMU answers no access; with it, the request is legal',
    'issueTranslated / ATS is enabled': 'without EATS the SMMU refuses the write; with it, the ATC is current',
    'issueTranslated / the ATC has a translation': harmless,
  },
};

describe.each(protocols.map((protocol) => ({ protocol, name: protocol.model.name })))('$name', ({ protocol, name }) => {
  const reasons = explained[name] ?? {};
  const guards = guardPaths(instantiate(protocol.model, 'smoke').definition);

  it.each(guards.map((path) => ({ path, guard: path.join(' / ') })))(
    'is broken without its guard $guard, or it is explained why not',
    ({ path, guard }) => {
      const noticed = noticedWithout(protocol, path);
      expect({ guard, noticed, isNoticed: noticed.length > 0 }).toMatchObject({ isNoticed: !(guard in reasons) });
    },
  );

  it('explains no guard that it does not have', () => {
    const known = guards.map((path) => path.join(' / '));
    expect(Object.keys(reasons).filter((guard) => !known.includes(guard))).toEqual([]);
  });
});
