import { describe, expect, it } from 'vitest';
import { isDeep } from '../checker/random/depth.fixture.ts';
import { instantiate } from '../language/index.ts';
import { guardPaths, noticedWithout } from './guards.fixture.ts';
import { protocols } from './index.ts';

const harmless = 'without it the action does nothing, or what another action does as well';
const oneQueue =
  'the CMD_SYNC in the one command queue already keeps later commands back (INV-02); the wait only saves queue space';
const roomAtSmoke = 'one processor and one driver never fill the queue at this size';

const interruptsOff = 'with interrupts off the thread stays on its CPU';
const apart = 'at this size it only leaves states out';
const oneFile = 'with one file there is one open or release at a time';
const resetUnderLock =
  'until a WQ has been reset on its way to the next client it may be enabled again, and after that its bit is no longer in the map';
const priStaysOn = 'nothing turns PRI off in the correct protocol';
const inOrder = 'which process is the first does not matter; it saves states';
const roomForAll = 'the command queue has room for one command of each kind, and at this size there are no more';
const quiet = 'the removal takes this lock when the PASID is quiet, so that nobody meets it there';

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
  'pasid-lifecycle': {
    'fork / the parent runs': 'nothing of the PASID of a parent is left in the child, whatever state the parent is in',
    'fork / it has a PASID that could be copied': 'otherwise it is a creation; it saves states',
    'create / a process may start': apart,
    'fork / a process may start': apart,
    'exec / a process may start': apart,
    'exec / its mm has a PASID': 'otherwise it is an exit and a creation; it saves states',
    'closeFile / somebody may close it': 'who closes a file makes no difference to what closing does',
    'exitFiles / its process has gone': 'the same',
    'exitFiles / nobody else holds it': 'the same; that it is not closed then only keeps the bond for longer',
    'submit / the process runs':
      'a thread that still submits while its process exits finds its PASID blocked, and unbind drains it',
    'submit / the device carries the PASID': 'a file is open only where the device carries the PASID of its mm',
    'abort / the IOMMU does not translate': 'any access may end with an error',
    'requestPage / faults are explored': 'they are, at this size',
    'requestPage / the entry is present': 'a request that nobody can serve is answered with Invalid Request',
    'bind / attach / failures are explored': 'they are, at this size',
    'unbind / wait for the invalidation / no write is on its way':
      'a second line of defence: the drain has waited for all work, and what another open file submits keeps the bond',
  },
  'pasid-lifecycle/enqcmd': {
    'bind / the thread is in the kernel': 'where its threads are makes no difference to a bind',
    'bind / its mm has no PASID': harmless,
    'clone / the parent is in the kernel':
      'a parent that is on no CPU leaves no registers to copy; in user mode they are its own',
    'exec / there is room for an mm': 'entering an mm that lives is sharing it, as a thread does',
    'switchTo / it runs nowhere': 'on the only CPU it is a switch to itself',
    'idle / a thread runs': harmless,
    'idle / it is explored': apart,
    'useRegistersInKernel / it is explored': apart,
    'reach / it is explored': apart,
    'enterKernel / it is in user mode': harmless,
    "useRegistersInKernel / the registers are somebody's": harmless,
    'clearUserStates / a thread runs in the kernel': 'in user mode its own registers are loaded already',
    'reach / it is at no such instruction': 'a thread may leave an instruction for a signal handler at any time',
    'handleGp / look for a PASID / the thread is running': interruptsOff,
    'handleGp / load IA32_PASID / the thread is running': interruptsOff,
    'handleGp / send SIGSEGV / the thread is running': interruptsOff,
    'handleGp / return / the thread is running': interruptsOff,
  },
  'pasid-lifecycle/first-bind': {
    'clone / the parent is free for it': 'who clones a thread does not matter',
    'clone / there is room': harmless,
    'bind / allocate a PASID / it is free': 'under the lock the first bind of the only mm finds the whole pool free',
  },
  'pasid-lifecycle/portals': {
    'fork / it has something to inherit': 'a fork that inherits nothing is a new process; it saves states',
    'pass / the receiver does not have it': harmless,
    'close / it has a descriptor': harmless,
    'close / it runs': 'what a process closes while it exits is closed by the exit as well',
    'map / the file is open': 'there is a descriptor only once the open has returned',
    'map / it is not mapped': harmless,
    'unmap / it is mapped': harmless,
    'unmap / it runs': 'what a process unmaps while it exits is unmapped by the exit as well',
    'enqcmd / it runs':
      'a thread that still submits while its process exits finds its PASID blocked, and the release drains it',
    'movdir64b / it runs': 'the same',
    'write / it runs': 'the same',
    'write / it has a descriptor': 'the opener without a descriptor still has the portal, which allows no less',
    'write / the file of a shared WQ is open': 'a dedicated WQ has the PASID of its opener anyway',
    'fault / the entry is not present': 'a descriptor may end with an error for any reason',
    'fault / the event log has room': 'one WQ and one file never fill the log at this size',
    'open / take wq_lock / the lock is free': oneFile,
    'open / configure the WQ / failures are explored': 'they are, at this size',
    'release / put the WQ / the lock is free': oneFile,
    'exit / block the PASID / it runs': 'the exit of a process that is not there does nothing to anybody',
  },
  'pasid-lifecycle/work-queue': {
    'submit / the WQ is enabled': 'a WQ that is enabled again in vain runs descriptors of its own client only',
    'requestTranslation / nothing is cached for it':
      'a second request for the same page brings no more; it saves states',
    'evict / something is cached': harmless,
    'turnKnob / it changes': harmless,
    'changeClient / take wq_lock / the lock is free': 'nobody else holds the lock of this WQ for longer than a step',
    'resetDevice / clear the software state / no WQ is locked': resetUnderLock,
    'resetDevice / enable what the map says / no WQ is locked': resetUnderLock,
  },
  'page-request': {
    'ask / PRI is on': priStaysOn,
    'ask / no response was unexpected (what comes after is of no interest)': 'in the correct protocol none is',
    'ask / it has credits': 'one group never needs more than there are',
    'ask / it is no Stop Marker': 'addresses without access are asked for at size rid alone',
    'askLast / PRI is on': priStaysOn,
    'sendMarker / it is for this PASID': 'there is but one',
    'sendMarker / the link has room': 'with one PASID nobody asks before the marker is sent, so that the link is empty',
    'overflowRecord / a response can be sent': roomForAll,
    'handleQueue / wait for the interrupt / it is pending': 'a thread that looks without reason finds what is there',
    'handleQueue / take a record / a Last may be nonsense': 'at this size any request may be',
    'handleQueue / collect the group / there is memory, or none':
      'an address space asks once at this size, and its worker frees the group before the address space goes',
    'handleQueue / take a record / a Stop Marker is not': 'it is discarded before anybody looks at its address',
    'handleQueue / refuse the request / the command queue has room': roomForAll,
    'handleQueue / collect the group / the command queue has room': roomForAll,
    'work / handle the fault / nothing is tried after a failure':
      'a page that is made available for nothing does no harm, and the failure stays',
    'work / respond / the command queue has room': roomForAll,
    'live / bind / attaching to the RID is explored': 'an address space at the RID is as well off as one at a PASID',
    'live / bind / those before it have bound': inOrder,
    'live / ask the device to stop / it is one of those that unbind': 'it saves states',
  },
  'page-request/removal': {
    'report / lock the registry / the lock is free': 'the removal takes the device out of the tree in one step',
    'report / store the partial / the lock of the parameters is free': quiet,
    'report / make the group / the lock of the parameters is free': quiet,
    'report / hand it over / the lock of the parameters is free': quiet,
    'work / respond / the lock of the parameters is free': quiet,
    'serve / answer the group / the lock of the parameters is free':
      'the core has nothing to do with a group that user space owns',
    'remove / lock the parameters / the lock of the parameters is free': 'nobody else holds it over several steps',
    'serve / lock the table / user space handles faults': 'it has no groups where workers handle them',
    'remove / answer a group of user space / user space has it':
      'with one place for groups, the one that is left is the one that it takes',
  },
  'page-request/stall': {
    'recordOther / other events are explored': 'they are, at this size',
    'recordOther / it can be told': harmless,
    'handleEvents / wait for the interrupt / it is pending': 'a thread that looks without reason finds what is there',
    'handleEvents / report the fault / the worker of the tag is free':
      'a tag is used again only after its fault was answered, or after the unbind has waited for its worker',
    'work / respond / the command queue has room': roomForAll,
    'live / submit STALL_TERM / the command queue has room': roomForAll,
    'dropPage / its page is there': harmless,
    'live / bind / those before it have bound': inOrder,
  },
  'page-request/retry': {
    'begin / the mm is alive': 'an access to an mm that is gone is refused like any other',
    'access / it wants to': 'while it waits for an answer its ATC does not allow the access',
    'translate / its ATC does not allow it': 'a second translation brings no more; it saves states',
    'evict / an entry is there': harmless,
    'takeAway / start the first notifier / it takes something away': harmless,
    'exit / drop the mm / no thread is in a fault': 'it has written its PTE by then, and only invalidates',
  },
  'nested-invalidation': {
    'guestUnmap / clear the PTE / the guest unmaps': 'size both explores guest and host at once; it saves states',
    'reclaim / clear the stage-2 entry / the host unmaps': 'size both explores guest and host at once; it saves states',
    'guestUnmap / submit TLBI / its queue has room': roomAtSmoke,
    'guestUnmap / submit TLBI / nonsense is explored': 'it is, at this size',
    'guestUnmap / submit ATC_INV / its queue has room': roomAtSmoke,
    'forwardTrapped / issue the batch / the command queue has room': roomAtSmoke,
    'forwardVirtio / submit TLBI / the command queue has room': roomAtSmoke,
    'forwardVirtio / submit ATC_INV / the command queue has room': roomAtSmoke,
    'reclaim / submit TLBI of stage 2 / the command queue has room': roomAtSmoke,
    'reclaim / submit TLBI of stage 1 / the command queue has room': roomAtSmoke,
    'reclaim / submit ATC_INV / the command queue has room': roomAtSmoke,
    'fetchStage1 / the TLB could use it': 'a second fetch of the same PTE tells the SMMU nothing new; it saves states',
    'fetchStage2 / the stage-2 entry is valid': harmless,
    'fetchStage2 / the TLB could use it':
      'a second fetch of the same entry tells the SMMU nothing new; it saves states',
    'insertIpa / a stage-2 entry was fetched': harmless,
    'combine / stage 2 translates its address': harmless,
    'evictIpa / an entry is there': harmless,
    'evictCombined / an entry is there': harmless,
    'requestTranslation / the address is one of its guest': 'there is one guest at this size',
    'requestTranslation / no request is outstanding': 'a second request in place of the first brings no more',
    'requestTranslation / the ATC could use it': 'a second request for the same entry brings no more; it saves states',
    'answer / a request is waiting': 'an answer that nobody asked for is as good as one that was asked for',
    'answer / it is what the SMMU found': harmless,
    'receiveCompletion / a completion has come': harmless,
    'evictAtc / an entry is there': harmless,
    'writeTranslated / the ATC has a translation': harmless,
    'writeUntranslated / the address is one of its guest': 'there is one guest at this size',
    'writeUntranslated / the TLB has a translation': harmless,
  },
  'nested-invalidation/context': {
    'start / the VMID is free': 'there is one guest at this size',
    'assign / its driver knows of no device': 'the device stays blocked until the driver asks to attach it again',
    'assign / the device is free': 'there is one guest at this size',
    'assign / nobody holds the group mutex': 'the device is blocked while it is taken away, and stays so',
    'driver / ask to attach / the device is its': 'the host refuses to attach a device that is not',
    'driver / ask to attach / ATS is asked for only where it is explored': 'it is, at this size',
    'driver / wait until the device is idle / no write is under way': 'TLBI and ATC_INV wait for older writes anyway',
    'invalidate / issue the commands / the command queue has room': roomAtSmoke,
    'changeDevice / write the nested STE / the command queue has room': roomAtSmoke,
    'changeDevice / write the blocking STE / the command queue has room': roomAtSmoke,
    'changeDevice / wait for CFGI_STE of the blocking STE / CMD_SYNC has completed': oneQueue,
    'changeDevice / submit TLBI of stage 1 / the command queue has room': roomAtSmoke,
    'changeDevice / wait for TLBI of stage 1 / CMD_SYNC has completed': oneQueue,
    'changeDevice / submit ATC_INV / the command queue has room': roomAtSmoke,
    'changeDevice / submit TLBI of the VMID / the command queue has room': roomAtSmoke,
    'fetchSte / the STE has changed': harmless,
    'completeCfgiSte / accesses that it let through are in memory': 'the TLBI behind it waits for them as well',
    'fetchCd / the STE in force nests a guest': harmless,
    'fetchCd / it has no copy': 'a second fetch tells the SMMU nothing old; it saves states',
    'evictCd / a copy is there': harmless,
    'walk / the STE in force nests a guest': harmless,
    'walk / the copy of the CD names a process': harmless,
    'walk / the TLB could use it': 'a second walk tells the SMMU nothing new; it saves states',
    'insert / a fetched translation is there': harmless,
    'evictTlb / an entry is there': harmless,
    'completeTlbi / accesses that it translated are in memory':
      'the device was idle before an unbind, and CFGI_STE ahead of a detach waits for them as well',
    'translateForAtc / ATS is enabled':
      'what a device caches with ATS off it does not use, and enabling comes before any use',
    'translateForAtc / the STE in force allows it': 'ATS is enabled only while it does',
    'translateForAtc / the TLB has a translation': harmless,
    'translateForAtc / the device works for somebody': 'it saves states: what is cached is invalidated all the same',
    'evictAtc / an entry is there': harmless,
    'changeDevice / take the mutex / the guest rewrites its vSTE only where that is explored':
      'the host works on its copy, so nothing comes of it',
    'write / ATS is enabled if it uses the ATC': 'the SMMU refuses translated writes once the STE does not allow them',
  },
  'nested-invalidation/faults': {
    'changeDomain / begin / the guest has drained what it had of the device before':
      'with one domain the VMM, which drains what it had of it, does the same',
    'changeDomain / begin / the VMM has drained what it had of the domain before':
      'with one domain the guest, which drains what it had of the device, does the same',
    'read / lock the fault queue / a group is on the list, and its VMM lives':
      'one that was woken finds the group; one that is killed puts it back',
    'read / lock the fault queue / it was woken': 'a VMM that looks without being woken finds what is there',
    'read / lock the fault queue / the VMM can hold one more': 'a bound of the model, not reached with one group',
    'read / fetch a group / it is on the list': 'with one group the one that it locked for is there',
    'read / copy to user space / the user page is there, or the VMM is killed':
      'without it the copy fails at once and is tried again',
    'bringUserPageIn / a reader waits for it': 'a page that is there before it is needed only saves the wait',
    'inject / the event queue has a buffer': 'one group needs one buffer',
    'requestPage / a mapping is missing': 'a request for a page that is there is answered all the same',
    'requestPage / PRI is enabled': 'PRI is never switched off here: no Response Failure reaches a device',
    'unmapInGuest / stage 1 maps the page': harmless,
    'reclaim / guest memory is not pinned': 'it is not, at this size',
    'reclaim / stage 2 maps the page': harmless,
    'mapInHost / stage 2 does not map the page': harmless,
  },
  'nested-invalidation/events': {
    'attach / it has no virtual stream ID': harmless,
    'attach / nobody uses stream IDs': 'a device that gets one is reported from the next event on',
    'detach / it has a virtual stream ID': harmless,
    'createQueue / there has been none': harmless,
    'destroyQueue / it is there': 'a queue that is freed is not used, whether it was there or not',
  },
};

describe.each(protocols.map((protocol) => ({ protocol, name: protocol.model.name })))('$name', ({ protocol, name }) => {
  const reasons = explained[name] ?? {};
  const guards = guardPaths(instantiate(protocol.model, 'smoke').definition);
  // There are hundreds: every run of the tests tries some of them.
  const tried = guards.filter((_, i) => isDeep || i % 6 === 0);

  it.each(tried.map((path) => ({ path, guard: path.join(' / ') })))(
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
