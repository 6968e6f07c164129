/**
 * What must hold of contexts of nested translation: the device reaches nobody's memory but that of the process that it works
 * for, nothing that was given back is used, and what shows that the model is alive.
 */
import { properties } from '../language/index.ts';
import {
  Guest,
  isSame,
  nestedInvalidationContext,
  Process,
  Stream,
  Vmid,
} from '../model/nested-invalidation-context.ts';

export const nestedInvalidationContextProperties = properties(
  nestedInvalidationContext,
  ({ invariant, transition, leadsTo, recoverable, reachable, deadlockFree, size }) => ({
    'no write goes to another process than the device works for': invariant({
      doc: 'with the PASID, whoever had it before: neither through the TLB nor through the ATC',
      requirement: ['NEST-08', 'NEST-15', 'NEST-21', 'VSVA-05', 'VSVA-10'],
      holds: (s) => !s.harm.misdirected,
    }),
    'no write reaches memory that was freed': invariant({
      doc: 'neither of a process that has left, nor of a guest that has ended',
      requirement: ['NEST-04', 'NEST-16', 'VSVA-11', 'VIOMMU-06', 'VIOMMU-29'],
      holds: (s) => !s.harm.overwritten,
    }),
    'no freed memory is read as a table': invariant({
      doc: "the SMMU reads neither CDs in memory that is not the guest's any more, nor tables of a process that has left",
      requirement: ['NEST-01', 'NEST-04', 'VSVA-11', 'VIOMMU-29'],
      holds: (s) => !s.harm.foreignTable,
    }),
    'no command goes into a queue that was freed': invariant({
      requirement: 'NEST-15',
      holds: (s) => !s.harm.foreignQueue,
    }),
    'the memory of a queue that the hardware consumes is allocated': invariant({
      requirement: 'NEST-15',
      forall: { guest: Guest },
      given: (s, { guest }) => s.guest[guest].ownQueue === 'on',
      holds: (s, { guest }) => s.guest[guest].queueMemory === 'allocated',
    }),
    'nothing of a process that has left is cached': invariant({
      doc: 'no copy of its CD, no TLB entry, no walk, and no ATC entry that is of any use',
      requirement: ['VSVA-02', 'VSVA-10', 'NEST-15', 'VIOMMU-06'],
      forall: { guest: Guest, process: Process, stream: Stream, vmid: Vmid },
      given: (s, { guest, process }) => !s.guest[guest].process[process].live,
      holds: (s, { guest, process, stream, vmid }) => {
        const gone = { guest, process };
        const { cdCache, atc, applied } = s.stream[stream];
        const isNamed = cdCache !== null && cdCache.guest === guest && cdCache.process === process;
        const { tlb, walk } = s.vmid[vmid];
        return !(isNamed && applied !== null) && !isSame(tlb, gone) && !isSame(walk, gone) && !isSame(atc, gone);
      },
    }),
    'nothing is cached under a VMID that is free': invariant({
      requirement: 'NEST-15',
      forall: { vmid: Vmid },
      given: (s, { vmid }) => s.vmid[vmid].owner === null,
      holds: (s, { vmid }) => s.vmid[vmid].tlb === null && s.vmid[vmid].walk === null,
    }),
    'what is cached under a VMID belongs to its owner': invariant({
      requirement: ['NEST-05', 'NEST-15', 'NEST-21'],
      forall: { vmid: Vmid },
      given: (s, { vmid }) => s.vmid[vmid].tlb !== null,
      holds: (s, { vmid }) => s.vmid[vmid].tlb?.guest === s.vmid[vmid].owner,
    }),
    'a VMID has the owner that has it': invariant({
      requirement: 'NEST-15',
      forall: { vmid: Vmid, guest: Guest },
      holds: (s, { vmid, guest }) => (s.vmid[vmid].owner === guest) === (s.guest[guest].vmid === vmid),
    }),
    'a stream is blocked, or nests the guest that has the device': invariant({
      doc: 'and with its VMID: the host owns the stream table, whatever the vSTE says',
      requirement: ['NEST-03', 'NEST-10', 'NEST-16'],
      forall: { stream: Stream },
      holds: (s, { stream }) =>
        [s.stream[stream].ste, s.stream[stream].applied].every(
          (ste) => ste === null || (ste.guest === s.device.assigned && ste.vmid === s.guest[ste.guest].vmid),
        ),
    }),
    'no stream table entry has fields that the guest may not choose': invariant({
      doc: 'whatever the guest writes into its own table, and whenever',
      requirement: ['NEST-03', 'NEST-04', 'NEST-10'],
      forall: { stream: Stream },
      holds: (s, { stream }) => s.stream[stream].ste?.privileged !== true,
    }),
    'nobody reaches the registers of a queue that was taken away': invariant({
      doc: 'the next guest that gets the queue would share it',
      requirement: 'NEST-15',
      forall: { guest: Guest },
      given: (s, { guest }) => s.guest[guest].queuePage === 'mapped',
      holds: (s, { guest }) => s.guest[guest].ownQueue === 'on',
    }),
    'a guest that waits has asked': invariant({
      doc: 'and one that has asked waits: no request is answered twice or taken for done',
      requirement: ['VSVA-01', 'VSVA-04'],
      forall: { guest: Guest },
      holds: (s, { guest }) => (s.guest[guest].reply === 'waiting') === (s.guest[guest].request !== 'none'),
    }),
    'a device that a guest has given up works for nobody when it is blocked': invariant({
      requirement: 'VSVA-11',
      given: (s) => s.changeDevice.at === 'take the mutex',
      holds: (s) => s.device.work === null || s.device.work.guest === s.device.assigned,
    }),
    'a stream is blocked while its guest thinks the device detached': invariant({
      requirement: ['VSVA-01', 'VIOMMU-06'],
      forall: { stream: Stream, guest: Guest },
      given: (s, { guest }) => s.driver[guest].at === 'ask to attach' || s.driver[guest].at === 'free the domain',
      holds: (s, { stream, guest }) => s.stream[stream].applied?.guest !== guest,
    }),
    'a device that nobody has works for nobody': invariant({
      requirement: ['VSVA-11', 'NEST-16'],
      given: (s) => s.device.assigned === null && !s.device.locked,
      holds: (s) => s.device.work === null,
    }),
    'a guest is told that its device is attached when the SMMU goes by its STE': transition({
      requirement: 'VSVA-01',
      given: (before, action) =>
        action.type === 'changeDevice' &&
        action.step === 'reply to attach' &&
        before.changeDevice.guest !== null &&
        before.changeDevice.vste.kind === 'S1',
      holds: (before, _action, _after) =>
        before.stream.every(({ applied }) => applied !== null && applied.guest === before.changeDevice.guest),
    }),
    'the CD that a working device goes by is not an old one': invariant({
      doc: 'a copy from before the bind would name another process, or none, and the device could do no work at all',
      requirement: ['VSVA-02', 'NEST-08'],
      forall: { stream: Stream },
      given: (s, { stream }) => s.device.work !== null && s.stream[stream].cdCache !== null,
      holds: (s, { stream }) => {
        const { cdCache } = s.stream[stream];
        return cdCache?.guest === s.device.work?.guest && cdCache?.process === s.device.work?.process;
      },
    }),
    ...(size.ats > 0
      ? {
          'ATS is enabled only where the guest asked for it': invariant({
            doc: 'otherwise it would send no ATC_INV',
            requirement: 'NEST-11',
            given: (s) => s.device.ats,
            holds: (s) => s.stream.every(({ applied }) => applied?.eats === true),
          }),
          'a stream with ATS entries belongs to a guest that sends ATC_INV': invariant({
            requirement: 'NEST-11',
            forall: { stream: Stream },
            given: (s, { stream }) => s.stream[stream].atc !== null,
            holds: (s, { stream }) => {
              const owner = s.stream[stream].atc?.guest ?? null;
              return owner !== null && s.guest[owner].vste.eats;
            },
          }),
        }
      : {}),
    'a command in the queue with a VMID has that of a guest that exists': invariant({
      doc: "a call holds a reference, so that its VMID cannot become somebody else's under it",
      requirement: ['NEST-08', 'NEST-15'],
      forall: { vmid: Vmid },
      given: (s, { vmid }) =>
        s.queue.window.has((c) => c.vmid === vmid) || s.queue.behind.has(({ command }) => command?.vmid === vmid),
      holds: (s, { vmid }) => s.vmid[vmid].owner !== null,
    }),
    'who waits has a CMD_SYNC in the queue': invariant({
      forall: { guest: Guest },
      holds: (s, { guest }) => {
        const queued = (who: unknown): boolean =>
          s.queue.behind.has(({ issuer }) => issuer !== null && issuer.guest === who);
        return (s.device.sync === 'waiting') === queued(null) && (s.guest[guest].sync === 'waiting') === queued(guest);
      },
    }),
    'a call holds a reference to its virtual SMMU': invariant({
      requirement: 'NEST-15',
      forall: { guest: Guest },
      holds: (s, { guest }) => (s.guest[guest].calls === 1) === (s.invalidate[guest].at !== 'take the request'),
    }),
    'the group mutex is held while the device is changed': invariant({
      holds: (s) => s.device.locked === (s.changeDevice.at !== 'take the mutex'),
    }),
    'a guest that is gone has nothing left': invariant({
      doc: 'no VMID, no virtual device, no queue, no request; its memory went last',
      requirement: ['VSVA-11', 'NEST-15', 'NEST-16'],
      forall: { guest: Guest },
      given: (s, { guest }) => s.guest[guest].life === 'gone',
      holds: (s, { guest }) => {
        const { vmid, ownQueue, queueMemory, request } = s.guest[guest];
        return (
          vmid === null &&
          ownQueue === 'off' &&
          queueMemory === 'freed' &&
          request === 'none' &&
          s.device.assigned !== guest &&
          s.device.work?.guest !== guest
        );
      },
    }),
    'the guest changes no table of the host': transition({
      doc: 'a bind or an unbind writes a CD in guest memory and no STE; no exit is needed for it',
      requirement: ['NEST-03', 'VSVA-02'],
      forall: { stream: Stream },
      given: (_before, action) => action.type === 'driver',
      holds: (before, _action, after, { stream }) => sameSte(before.stream[stream].ste, after.stream[stream].ste),
    }),
    'a guest that was stopped does nothing': transition({
      requirement: 'VSVA-11',
      given: (_before, action) => action.type === 'driver',
      holds: (before, action) => action.type === 'driver' && before.guest[action.guest].life === 'running',
    }),
    'a vSTE that is not allowed is refused': transition({
      requirement: 'NEST-10',
      given: (_before, action) => action.type === 'changeDevice' && action.step === 'reply to attach',
      holds: (before) => {
        const { guest, vste } = before.changeDevice;
        return guest !== null && vste.kind !== 'not allowed';
      },
    }),
    'memory is freed when the device was cut off and the VMID given back': transition({
      requirement: 'VSVA-11',
      given: (_before, action) => action.type === 'changeDevice' && action.step === 'free the guest memory',
      holds: (before) => {
        const { guest } = before.changeDevice;
        return (
          guest !== null &&
          before.guest[guest].vmid === null &&
          before.stream.every(({ ste, applied }) => ste?.guest !== guest && applied?.guest !== guest)
        );
      },
    }),
    'a process leaves after the three kinds of copies of it were invalidated': transition({
      requirement: ['VSVA-02', 'VSVA-10'],
      given: (_before, action) => action.type === 'driver' && action.step === 'free the process',
      holds: (before, action) =>
        action.type === 'driver' &&
        before.guest[action.guest].cd === null &&
        before.guest[action.guest].reply !== 'waiting',
    }),
    ...(size.live > 0
      ? {
          'a guest that is to end ends': leadsTo({
            doc: 'whatever the guest has left undone, and whatever the VMM does',
            requirement: ['VSVA-07', 'VSVA-11'],
            forall: { guest: Guest },
            from: (s, { guest }) => s.guest[guest].life === 'stopping',
            to: (s, { guest }) => s.guest[guest].life === 'gone',
          }),
          'a request of a guest that runs is replied to, or the guest ends': leadsTo({
            doc: 'invalidations, which the host carries out once they were handed to it',
            requirement: 'VSVA-04',
            forall: { guest: Guest },
            from: (s, { guest }) => s.invalidate[guest].at !== 'take the request',
            to: (s, { guest }) => s.invalidate[guest].at === 'take the request',
          }),
          'a change that a guest asked for ends with a reply, or the guest ends': leadsTo({
            requirement: ['VSVA-01', 'VIOMMU-06'],
            forall: { guest: Guest },
            from: (s, { guest }) =>
              s.changeDevice.guest === guest &&
              (s.changeDevice.task === 'attach' || s.changeDevice.task === 'detach') &&
              s.changeDevice.at !== 'release the mutex',
            to: (s, { guest }) => s.guest[guest].reply !== 'waiting' || s.guest[guest].life !== 'running',
          }),
          'every VMID can become free': recoverable({
            requirement: 'NEST-15',
            forall: { vmid: Vmid },
            holds: (s, { vmid }) => s.vmid[vmid].owner === null,
          }),
        }
      : {}),
    'all ends well': deadlockFree({
      final: { 'all guests are gone': (s) => s.guest.every(({ life }) => life === 'gone') },
    }),

    ...(size.guest > 1
      ? {
          'the next guest has the VMID of one that is gone': reachable({
            requirement: 'NEST-15',
            exists: { guest: Guest, vmid: Vmid },
            holds: (s, { guest, vmid }) =>
              s.vmid[vmid].owner === guest && s.guest.some(({ life }) => life === 'gone') && s.vmid[vmid].tlb !== null,
          }),
        }
      : {}),
    'a process uses the PASID of one that has left': reachable({
      requirement: 'VSVA-10',
      exists: { guest: Guest, process: Process },
      holds: (s, { guest, process }) => s.device.work?.guest === guest && s.device.work.process === process,
    }),
    'a copy says that the CD is not valid while a process binds': reachable({
      requirement: 'VSVA-02',
      exists: { guest: Guest, stream: Stream },
      holds: (s, { guest, stream }) => {
        const { cdCache } = s.stream[stream];
        return s.guest[guest].cd !== null && cdCache !== null && cdCache.guest === guest && cdCache.process === null;
      },
    }),
    'a guest asks for an invalidation of a device that was taken away': reachable({
      requirement: ['NEST-08', 'NEST-16'],
      exists: { guest: Guest },
      holds: (s, { guest }) => s.invalidate[guest].refused && s.guest[guest].life === 'running',
    }),
    'a guest ends while its device writes': reachable({
      requirement: 'VSVA-11',
      exists: { guest: Guest },
      holds: (s, { guest }) => s.guest[guest].life === 'stopping' && s.device.writes.has((w) => w.guest === guest),
    }),
    'a guest ends while a call for it is under way': reachable({
      requirement: 'NEST-15',
      exists: { guest: Guest },
      holds: (s, { guest }) => s.guest[guest].life === 'stopping' && s.guest[guest].calls > 0,
    }),
    ...(size.ats > 0
      ? {
          'a translated write is under way when ATS goes off': reachable({
            requirement: 'NEST-16',
            holds: (s) => !s.device.ats && s.device.writes.has(({ translatedBy }) => translatedBy === 'device'),
          }),
        }
      : {}),
    ...(size.wrong > 0
      ? {
          'a vSTE is refused': reachable({
            requirement: 'NEST-10',
            exists: { guest: Guest },
            holds: (s, { guest }) => s.guest[guest].reply === 'error' && s.guest[guest].vste.kind === 'not allowed',
          }),
        }
      : {}),
  }),
);

interface Ste {
  readonly guest: unknown;
  readonly vmid: unknown;
  readonly eats: boolean;
}
function sameSte(a: Ste | null, b: Ste | null): boolean {
  return a?.guest === b?.guest && a?.vmid === b?.vmid && a?.eats === b?.eats;
}
