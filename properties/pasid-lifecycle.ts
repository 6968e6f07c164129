/**
 * What must hold of the life of a PASID: one mm for each, no device that still uses one when it is given away, no access to a
 * page or an mm that is gone; and that every bind, unbind and exit ends and gives back what it took.
 */
import { properties } from '../language/index.ts';
import { differ } from '../model/parts/differ.ts';
import { Device, hasPages, Mm, Pasid, pasidLifecycle } from '../model/pasid-lifecycle.ts';

const locked = ['release a file', 'drain the PASID at the device', 'take iommu_sva_lock'];
const unlockedBind = ['open the device', 'take iommu_sva_lock'];

export const pasidLifecycleProperties = properties(
  pasidLifecycle,
  ({ invariant, reachable, transition, leadsTo, recoverable, deadlockFree, members, size, first }) => ({
    'no device writes into a page of another process': invariant({
      doc: 'work that a process submitted never lands in the address space of another',
      requirement: ['PASID-11', 'ENQ-22', 'MM-04'],
      forall: { device: Device },
      holds: (s, { device }) => s.device[device].harm !== 'wrote into a foreign page',
    }),
    'no device writes into a freed page': invariant({
      doc: 'no write arrives after exit_mmap has freed the pages of the mm',
      requirement: ['MM-01', 'MM-03', 'MM-04', 'MM-06'],
      forall: { device: Device },
      holds: (s, { device }) => s.device[device].harm !== 'wrote into a freed page',
    }),
    ...(size.mm > 1
      ? {
          'a live PASID belongs to one mm': invariant({
            requirement: ['PASID-02', 'PASID-04', 'PASID-12'],
            forall: { mm: Mm, other: Mm },
            given: (s, { mm, other }) => differ(mm, other) && s.mm[mm].pasid !== null,
            holds: (s, { mm, other }) => s.mm[mm].pasid !== s.mm[other].pasid,
          }),
        }
      : {}),
    'a PASID that an mm holds is not in the pool': invariant({
      requirement: ['PASID-04', 'PASID-09'],
      forall: { mm: Mm, pasid: Pasid },
      given: (s, { mm, pasid }) => s.mm[mm].pasid === pasid,
      holds: (s, { pasid }) => s.pool[pasid].taken,
    }),
    'a PASID that is taken is held': invariant({
      doc: 'by an mm, or by the bind that has just allocated it: none is lost',
      requirement: ['PASID-07', 'PASID-18'],
      forall: { pasid: Pasid },
      given: (s, { pasid }) => s.pool[pasid].taken,
      holds: (s, { pasid }) =>
        s.mm.some((mm) => mm.pasid === pasid) || s.bind.some((bind) => bind.pasid === pasid && !bind.refused),
    }),
    'a PASID in the pool is mentioned nowhere': invariant({
      doc: 'no attachment, entry, cache, work or page request is left of an earlier use',
      requirement: ['PASID-10', 'PASID-11'],
      forall: { device: Device, pasid: Pasid },
      given: (s, { pasid }) => !s.pool[pasid].taken,
      holds: (s, { device, pasid }) => {
        const { attached, entry, cached } = s.table[device][pasid];
        const { work, requests, serving } = s.device[device];
        return (
          attached === null &&
          entry === 'none' &&
          !cached &&
          serving.pasid !== pasid &&
          !work.has((item) => item.pasid === pasid) &&
          !requests.has((request) => request.pasid === pasid)
        );
      },
    }),
    'no page request is taken for another mm': invariant({
      doc: 'the address space in which a fault is handled is that of the process whose work faulted',
      requirement: ['PASID-11', 'MM-02'],
      forall: { device: Device },
      holds: (s, { device }) => s.device[device].harm !== 'faulted in a foreign mm',
    }),
    'no page request is handled in an mm without pages': invariant({
      requirement: ['MM-07'],
      forall: { device: Device },
      holds: (s, { device }) => s.device[device].harm !== 'faulted in a dead mm',
    }),
    'whoever uses an mm holds it': invariant({
      doc: 'an mm with an attachment, a domain or a file that is being released has not been freed',
      requirement: ['PASID-10', 'MM-01'],
      forall: { mm: Mm, device: Device },
      given: (s, { mm }) => s.mm[mm].life === 'none',
      holds: (s, { mm, device }) => {
        const { handle, open, closing } = s.bond[device][mm];
        return handle === 0 && open === 0 && closing === 0;
      },
    }),
    'the data of an mm is read only while it exists': invariant({
      doc: 'iommu_sva_unbind_device does not touch an mm that is freed',
      requirement: ['PASID-10', 'MM-01'],
      forall: { mm: Mm },
      given: (s, { mm }) => !['release a file', 'release iommu_sva_lock'].includes(s.unbind[mm].at),
      holds: (s, { mm }) => s.release[mm].mm !== null,
    }),
    'a bind holds its mm': invariant({
      requirement: ['MM-06'],
      forall: { device: Device },
      given: (s, { device }) => s.bind[device].at !== 'open the device',
      holds: (s, { device }) => {
        const { binding } = s.device[device];
        return binding !== null && s.mm[binding].life === 'living';
      },
    }),
    'mm_users counts the users': invariant({
      forall: { mm: Mm },
      holds: (s, { mm }) => {
        const binds = s.device.filter(({ binding }) => binding === mm).length;
        const workers = s.device.filter(({ serving }) => serving.target === mm && serving.stage === 'held').length;
        return s.mm[mm].users === (s.mm[mm].task ? 1 : 0) + binds + workers;
      },
    }),
    'mm_count counts the references': invariant({
      doc: 'one for all users until the exit is done, one for the domain',
      requirement: ['PASID-10'],
      forall: { mm: Mm },
      holds: (s, { mm }) => {
        const { life, count, domain } = s.mm[mm];
        const users = hasPages(s, mm) || s.exit[mm].at === 'drop mm_count' ? 1 : 0;
        return count === (life === 'none' ? 0 : users + (domain.allocated ? 1 : 0));
      },
    }),
    'the domain counts its devices': invariant({
      forall: { mm: Mm },
      given: (s) => s.lock === 'free',
      holds: (s, { mm }) => {
        const { allocated, users } = s.mm[mm].domain;
        const attached = members(Device).filter((device) => s.table[device].some((cell) => cell.attached === mm));
        return users === attached.length && allocated === users > 0;
      },
    }),
    'a handle counts its files': invariant({
      requirement: ['PASID-09'],
      forall: { device: Device, mm: Mm },
      given: (s, { device, mm }) => s.bind[device].at === 'open the device' && s.unbind[mm].at === 'release a file',
      holds: (s, { device, mm }) => {
        const { handle, open, closing } = s.bond[device][mm];
        return handle === open + closing;
      },
    }),
    'an open file has a bond': invariant({
      doc: 'the device with the open file is attached under the PASID of the mm, with the entry of that mm while it lives',
      requirement: ['ENQ-13', 'PASID-04', 'PASID-16'],
      forall: { device: Device, mm: Mm },
      given: (s, { device, mm }) => s.bond[device][mm].open > 0,
      holds: (s, { device, mm }) => {
        const { pasid, life } = s.mm[mm];
        if (pasid === null) return false;
        const { attached, entry, tables } = s.table[device][pasid];
        return attached === mm && (life !== 'living' || (entry === 'present' && tables === mm));
      },
    }),
    'an entry is present only for the mm that is attached': invariant({
      requirement: ['PASID-19', 'MM-03', 'MM-06'],
      forall: { device: Device, pasid: Pasid },
      given: (s, { device, pasid }) => s.table[device][pasid].entry === 'present',
      holds: (s, { device, pasid }) => {
        const { attached, tables } = s.table[device][pasid];
        return tables !== null && attached === tables && s.mm[tables].pasid === pasid && hasPages(s, tables);
      },
    }),
    'between release and unbind faults stay silent': invariant({
      doc: 'the entry of an mm without pages is not present with fault processing disabled, until it is unbound',
      requirement: ['MM-03', 'MM-05'],
      forall: { device: Device, pasid: Pasid },
      given: (s, { device, pasid }) => {
        const { attached } = s.table[device][pasid];
        return attached !== null && s.mm[attached].life === 'dead' && s.lock !== 'unbind';
      },
      holds: (s, { device, pasid }) => s.table[device][pasid].entry === 'quiet',
    }),
    'nothing is cached of an mm without pages': invariant({
      requirement: ['MM-03', 'PASID-11'],
      forall: { device: Device, pasid: Pasid },
      given: (s, { device, pasid }) => s.table[device][pasid].cached,
      holds: (s, { device, pasid }) => {
        const { cachedTables } = s.table[device][pasid];
        return cachedTables !== null && hasPages(s, cachedTables);
      },
    }),
    'an activated thread has the PASID of its mm': invariant({
      doc: 'IA32_PASID stays right over unbind and the next bind',
      requirement: ['ENQ-10', 'ENQ-11', 'PASID-16'],
      forall: { mm: Mm },
      given: (s, { mm }) => s.mm[mm].activated !== null,
      holds: (s, { mm }) => s.mm[mm].activated === s.mm[mm].pasid,
    }),
    'a device is given only PASIDs that it carries': invariant({
      requirement: ['PASID-01', 'PASID-05', 'PASID-06', 'PASID-20'],
      forall: { device: Device, pasid: Pasid },
      given: (s, { device, pasid }) => s.table[device][pasid].attached !== null,
      holds: (s, { device, pasid }) => {
        const { carries } = s.device[device];
        return carries === 'all' || (carries === 'the first' && pasid === first(Pasid));
      },
    }),
    'iommu_sva_lock is held by one': invariant({
      requirement: ['PASID-08'],
      holds: (s) => {
        const binds = s.bind.filter(({ at }) => !unlockedBind.includes(at)).length;
        const unbinds = s.unbind.filter(({ at }) => !locked.includes(at)).length;
        return binds + unbinds <= 1 && binds + unbinds === (s.lock === 'free' ? 0 : 1);
      },
    }),
    'a PASID stays with its mm for life': transition({
      doc: 'once an mm has a PASID it keeps that one until the mm is freed',
      requirement: ['PASID-04', 'PASID-09', 'PASID-13', 'PASID-18'],
      forall: { mm: Mm },
      given: (before, _action, _after, { mm }) => before.mm[mm].pasid !== null,
      holds: (before, _action, after, { mm }) =>
        after.mm[mm].life === 'none' ? after.mm[mm].pasid === null : after.mm[mm].pasid === before.mm[mm].pasid,
    }),
    'only a bind gives an mm its PASID': transition({
      requirement: ['PASID-02', 'PASID-03', 'PASID-12', 'PASID-13'],
      forall: { mm: Mm },
      given: (before, _action, after, { mm }) => before.mm[mm].pasid === null && after.mm[mm].pasid !== null,
      holds: (_before, action) => action.type === 'bind',
    }),
    'a new process has no PASID': transition({
      requirement: ['PASID-02', 'PASID-12', 'PASID-13'],
      forall: { mm: Mm },
      given: (before, _action, after, { mm }) => before.mm[mm].life === 'none' && after.mm[mm].life === 'living',
      holds: (_before, _action, after, { mm }) => after.mm[mm].pasid === null && after.mm[mm].activated === null,
    }),
    'an allocated PASID was free': transition({
      doc: 'when the pool is exhausted a bind fails; nothing that is in use is handed out',
      requirement: ['PASID-07'],
      forall: { device: Device },
      given: (before, action, after, { device }) =>
        action.type === 'bind' &&
        action.step === 'allocate a PASID' &&
        action.device === device &&
        before.bind[device].pasid === null &&
        after.bind[device].pasid !== null,
      holds: (before, _action, after, { device }) => {
        const { pasid } = after.bind[device];
        return pasid !== null && !before.pool[pasid].taken;
      },
    }),
    'unbinding one device leaves the others alone': transition({
      requirement: ['ENQ-12'],
      forall: { device: Device, pasid: Pasid },
      given: (before, action, _after, { device, pasid }) =>
        action.type === 'unbind' &&
        before.release[action.mm].device !== device &&
        before.table[device][pasid].entry === 'present',
      holds: (_before, _action, after, { device, pasid }) => after.table[device][pasid].entry === 'present',
    }),
    'the entry is cleared only after the drain': transition({
      doc: 'when the bond is cut, no work of that PASID is left in the device',
      requirement: ['ENQ-14', 'MM-04'],
      forall: { device: Device, mm: Mm },
      given: (before, action, _after, { device, mm }) =>
        action.type === 'unbind' &&
        action.step === 'clear the PASID entry' &&
        action.mm === mm &&
        before.release[mm].device === device,
      holds: (before, _action, _after, { device, mm }) => {
        const { pasid } = before.release[mm];
        return !before.device[device].work.has((item) => item.pasid === pasid);
      },
    }),
    'page requests are drained when no new one can come': transition({
      doc: 'the drain of the page requests comes after the entry is gone, whatever the device did or did not finish',
      requirement: ['PASID-11', 'MM-05'],
      forall: { device: Device, mm: Mm },
      given: (before, action, _after, { device, mm }) =>
        action.type === 'unbind' &&
        action.step === 'drain the page requests' &&
        action.mm === mm &&
        before.release[mm].device === device,
      holds: (before, _action, _after, { device, mm }) => {
        const { pasid } = before.release[mm];
        return pasid === null || before.table[device][pasid].entry !== 'present';
      },
    }),
    'something can always happen': deadlockFree({
      doc: 'a process may always start, exit or close a file',
    }),
    'an unbind ends': leadsTo({
      doc: 'a device that others keep busy does not delay it',
      requirement: ['ENQ-14'],
      forall: { mm: Mm },
      from: (s, { mm }) => s.unbind[mm].at !== 'release a file',
      to: (s, { mm }) => s.unbind[mm].at === 'release a file',
    }),
    'a bind ends': leadsTo({
      forall: { device: Device },
      from: (s, { device }) => s.bind[device].at !== 'open the device',
      to: (s, { device }) => s.bind[device].at === 'open the device',
    }),
    'an exit ends': leadsTo({
      requirement: ['MM-01', 'MM-03', 'MM-08'],
      forall: { mm: Mm },
      from: (s, { mm }) => s.mm[mm].life === 'exiting',
      to: (s, { mm }) => s.mm[mm].life !== 'exiting',
    }),
    'accepted work ends': leadsTo({
      doc: 'with its mm alive or not',
      requirement: ['MM-03'],
      forall: { device: Device, pasid: Pasid },
      from: (s, { device, pasid }) => s.device[device].work.has((item) => item.pasid === pasid),
      to: (s, { device, pasid }) => !s.device[device].work.has((item) => item.pasid === pasid),
    }),
    'the PASID of a dead mm can be used again': leadsTo({
      doc: 'if no other process holds one of its files, the exit of a process gives its PASID back',
      requirement: ['PASID-09', 'PASID-13'],
      forall: { mm: Mm },
      from: (s, { mm }) =>
        !s.mm[mm].task && s.mm[mm].pasid !== null && members(Device).every((d) => !s.bond[d][mm].passed),
      to: (s, { mm }) => s.mm[mm].life === 'none',
    }),
    'all can be given back': recoverable({
      doc: 'from every state everything can be closed and freed',
      requirement: ['PASID-09'],
      holds: (s) => s.pool.every(({ taken }) => !taken),
    }),

    'a process never binds': reachable({
      requirement: 'PASID-03',
      exists: { mm: Mm },
      holds: (s, { mm }) => s.mm[mm].life === 'dead' && s.mm[mm].pasid === null,
    }),
    'an mm without a file keeps its PASID': reachable({
      requirement: ['PASID-09', 'ENQ-10'],
      exists: { mm: Mm },
      holds: (s, { mm }) =>
        s.mm[mm].life === 'living' &&
        s.mm[mm].activated !== null &&
        !s.mm[mm].domain.allocated &&
        members(Device).every((device) => s.bond[device][mm].handle === 0),
    }),
    'an mm outlives its process for a bond': reachable({
      requirement: ['PASID-10', 'MM-01', 'MM-03'],
      exists: { mm: Mm, device: Device },
      holds: (s, { mm, device }) => s.mm[mm].life === 'dead' && s.bond[device][mm].handle > 0,
    }),
    'work is in flight of a process that has exited': reachable({
      requirement: ['MM-01', 'MM-03'],
      exists: { mm: Mm, device: Device },
      holds: (s, { mm, device }) =>
        s.mm[mm].life === 'dead' && s.device[device].work.has((item) => item.of === mm && item.stage === 'accepted'),
    }),
    'a failed attach leaves the PASID with the mm': reachable({
      requirement: 'PASID-18',
      exists: { mm: Mm, device: Device },
      holds: (s, { mm, device }) =>
        s.bind[device].at === 'return from open' &&
        s.bind[device].refused &&
        s.device[device].binding === mm &&
        s.mm[mm].pasid !== null,
    }),
    ...(size.mm > 1
      ? {
          'a PASID is used by two processes in turn': reachable({
            requirement: 'PASID-11',
            exists: { pasid: Pasid, mm: Mm, other: Mm },
            holds: (s, { pasid, mm, other }) =>
              differ(mm, other) &&
              s.mm[mm].life === 'living' &&
              s.mm[mm].pasid === null &&
              s.mm[other].pasid === pasid &&
              s.device.some(({ work }) => work.has((item) => item.pasid === pasid)),
          }),
        }
      : {}),
    ...(size.mm >= size.pasid
      ? {
          'the pool is exhausted': reachable({
            requirement: 'PASID-07',
            holds: (s) => s.pool.every(({ taken }) => taken),
          }),
          'an exhausted pool recovers': recoverable({
            requirement: ['PASID-07'],
            given: (s) => s.pool.every(({ taken }) => taken),
            holds: (s) => s.pool.some(({ taken }) => !taken),
          }),
        }
      : {}),
    ...(size.faults === 1
      ? {
          'a page request of an exited process is served': reachable({
            requirement: ['MM-03', 'MM-07'],
            exists: { device: Device },
            holds: (s, { device }) => {
              const { stage, target, of } = s.device[device].serving;
              return stage === 'held' && target === null && of !== null && s.mm[of].life === 'dead';
            },
          }),
          'the exit is over with a page request still in the queue': reachable({
            requirement: ['MM-05'],
            exists: { device: Device },
            holds: (s, { device }) =>
              s.device[device].requests.has(({ of }) => of !== null && s.mm[of].life === 'dead'),
          }),
          'the worker drops the last user': reachable({
            requirement: 'MM-08',
            exists: { device: Device, mm: Mm },
            holds: (s, { device, mm }) =>
              s.device[device].serving.target === mm && s.mm[mm].users === 1 && !s.mm[mm].task,
          }),
        }
      : {}),
    ...(size.limited === 1 && size.device > 1
      ? {
          'a bind fails because the device is too narrow': reachable({
            requirement: 'PASID-06',
            exists: { device: Device },
            holds: (s, { device }) =>
              s.bind[device].refused &&
              s.device[device].carries === 'the first' &&
              s.bind[device].pasid !== null &&
              s.bind[device].pasid !== first(Pasid),
          }),
        }
      : {}),
  }),
);
