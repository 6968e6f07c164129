/**
 * What must hold when an mm exits while its bond is unbound: the bond is used only while it is there and freed once, nothing waits
 * for ever, and a PASID that a device may still use is not given to another.
 */
import { properties } from '../language/index.ts';
import { Caller, pasidLifecycleMmExit } from '../model/pasid-lifecycle-mm-exit.ts';

export const pasidLifecycleMmExitProperties = properties(
  pasidLifecycleMmExit,
  ({ invariant, transition, leadsTo, recoverable, reachable, deadlockFree }) => ({
    'no freed bond is used': invariant({
      requirement: ['BOND-17', 'MMX-04'],
      holds: (s) => s.harm !== 'used a freed bond',
    }),
    'a bond is freed once': invariant({
      requirement: ['MMX-04'],
      holds: (s) => s.harm !== 'freed a bond twice',
    }),
    'a PASID that a device may use is not reissued': invariant({
      requirement: ['MMX-06', 'BOND-06'],
      given: (s) => s.uses,
      holds: (s) => s.pasid === 'held' || s.pasid === 'kept',
    }),
    'the entry is there until the device was asked to stop': transition({
      doc: 'detaching before the handler has returned would make accesses fault that nobody has stopped',
      requirement: ['MMX-02', 'MMX-03', 'BOND-05'],
      given: (before, _action, after) => before.present && !after.present,
      holds: (before) => !before.bond.exiting && (!before.uses || before.exit.failed),
    }),
    'a PASID that is back has no entry': invariant({
      requirement: ['BOND-05'],
      given: (s) => s.pasid !== 'held',
      holds: (s) => !s.present && !s.bond.listed,
    }),
    'references are counted': invariant({
      requirement: ['BOND-17'],
      holds: (s) => {
        const callers = s.unbind.filter(({ at }) => at !== 'find the bond' && at !== 'done').length;
        const exit = s.exit.at !== 'mark the handler active' && s.exit.at !== 'done' ? 1 : 0;
        return s.bond.references === callers + exit + (s.bond.listed ? 1 : 0);
      },
    }),
    'nobody is stuck in the middle': deadlockFree({
      final: {
        'nobody unbinds or exits': (s) =>
          s.unbind.every(({ at }) => at === 'find the bond' || at === 'done') &&
          (s.exit.at === 'mark the handler active' || s.exit.at === 'done'),
      },
    }),
    'an unbind ends': leadsTo({
      requirement: ['MMX-04'],
      forall: { caller: Caller },
      from: (s, { caller }) => s.unbind[caller].at === 'detach',
      to: (s, { caller }) => s.unbind[caller].at === 'done',
    }),
    'an exit frees the bond': leadsTo({
      requirement: ['MMX-01', 'MMX-04'],
      from: (s) => s.bond.exiting,
      to: (s) => s.bond.freed,
    }),
    'the PASID can come back': recoverable({
      requirement: ['MMX-06'],
      given: (s) => s.pasid !== 'of a stranger',
      holds: (s) => s.pasid === 'free',
    }),
    'two callers wait for one handler': reachable({
      requirement: 'BOND-17',
      holds: (s) => s.bond.exiting && s.unbind.filter(({ at }) => at === 'detach').length > 1,
    }),
    'a PASID is kept': reachable({ requirement: 'MMX-06', holds: (s) => s.pasid === 'kept' }),
  }),
);
