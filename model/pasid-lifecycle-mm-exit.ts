/**
 * The end of an mm as the series of 2018 had it: a handler of the driver (mm_exit) stops the device, while others unbind the same
 * bond at the same time; then the entry is cleared and the PASID goes back. (BOND-05, BOND-06, BOND-17, MMX-01..04, MMX-06)
 *
 * Scope: one mm, one bond of it with one device, several callers of unbind, one PASID and whoever gets it next. The bond is an object
 * in memory: on a list, and counted by those who use it. The correct protocol is what the text of the series promises; where its
 * code does otherwise is a variant.
 *
 * Atomicity: what iommu_sva_lock covers is one step; the lock is not held while the handler runs or is waited for.
 *
 * Abstracted away, and why no bug hides there:
 * - Clearing the entry and invalidating what is cached are one step: their order is `pasid-lifecycle`.
 * - The bond comes into being once and is not bound again: a second bind of a dying mm is refused (MM-06, `pasid-lifecycle`).
 * - The use of the PASID by the device is one flag: it may use it until somebody has stopped it.
 *
 * Fairness: whoever has begun to unbind or to exit goes on, and the handler returns. Nobody has to unbind, to exit or to reset.
 */
import { bool, model, oneOf, range, sort } from '../language/index.ts';

export const Caller = sort('caller');

/** The model. */
export const pasidLifecycleMmExit = model({
  name: 'pasid-lifecycle/mm-exit',
  doc: "The driver's handler stops the device when an mm exits, while others unbind the same bond.",
  sizes: { smoke: { caller: 2 }, ci: { caller: 3 }, deep: { caller: 4 } },
  state: ({ size }) => ({
    bond: {
      listed: bool,
      /** One for the list, one for each who uses it. */
      references: range(0, size.caller + 2),
      freed: bool,
      /** mm_exit_active. */
      exiting: bool,
    },
    /** The PASID table entry is present. */
    present: bool,
    /** Kept: out of use, as a device that could not be stopped may still use it. */
    pasid: oneOf('held', 'kept', 'free', 'of a stranger'),
    /** The device may issue accesses with the PASID. */
    uses: bool,
    harm: oneOf('none', 'used a freed bond', 'freed a bond twice'),
  }),
  initial: (s) => {
    s.bond.listed = true;
    s.bond.references = 1;
    s.present = true;
    s.uses = true;
  },
  actions: ({ action, procedure, size }) => ({
    allocate: action(
      {},
      {
        actor: 'kernel',
        doc: 'another mm is bound',
        when: { 'the PASID is in the pool': (s) => s.pasid === 'free' },
        then: {
          'take it': (s) => {
            s.pasid = 'of a stranger';
          },
        },
      },
    ),
    resetDevice: action(
      {},
      {
        actor: 'driver',
        doc: 'what stops a device whose handler has failed',
        when: { 'a PASID is kept': (s) => s.pasid === 'kept' },
        then: {
          'stop the device': (s) => {
            s.uses = false;
          },
          'give the PASID back': (s) => {
            s.pasid = 'free';
          },
        },
      },
    ),
    unbind: procedure(
      { caller: Caller },
      {
        actor: 'driver',
        doc: 'iommu_sva_unbind_device, whose caller has stopped the device',
        source: ['BOND-05', 'BOND-06'],
        fairness: 'weak',
        steps: ({ step }) => [
          step('find the bond', {
            fairness: 'none',
            when: { 'it is listed': (s) => s.bond.listed },
            then: {
              'stop the device': (s) => {
                s.uses = false;
              },
              'take a reference': (s) => {
                s.bond.references = Math.min(s.bond.references + 1, size.caller + 2);
              },
            },
          }),
          step('detach', {
            doc: 'waits for the handler, and looks again under the lock under which it detaches',
            source: ['BOND-05', 'BOND-17', 'MMX-04'],
            when: { 'the handler does not run': (s) => !s.bond.exiting },
            then: {
              'look at the bond': (s) => {
                if (s.bond.freed) s.harm = 'used a freed bond';
              },
              'take it off the list': (s) => {
                if (!s.bond.listed) return;
                s.bond.listed = false;
                s.present = false;
                s.pasid = 'free';
                s.bond.references = Math.max(s.bond.references - 1, 0);
              },
            },
          }),
          step('drop the reference', {
            source: 'BOND-17',
            then: {
              'drop it': (s) => {
                s.bond.references = Math.max(s.bond.references - 1, 0);
              },
              'free the bond': (s) => {
                if (s.bond.references > 0) return;
                if (s.bond.freed) s.harm = 'freed a bond twice';
                s.bond.freed = true;
              },
            },
          }),
        ],
      },
    ),
    exit: procedure(
      {},
      {
        actor: 'kernel',
        doc: 'release of the io_mm, with the handler of the driver',
        source: ['MMX-01', 'MMX-03'],
        fairness: 'weak',
        locals: { failed: bool },
        steps: ({ step }) => [
          step('mark the handler active', {
            fairness: 'none',
            when: { 'the bond is listed': (s) => s.bond.listed },
            then: {
              'mark it': (s) => {
                s.bond.exiting = true;
              },
              'take a reference': (s) => {
                s.bond.references = Math.min(s.bond.references + 1, size.caller + 2);
              },
            },
          }),
          step('call the handler', {
            source: ['MMX-01', 'MMX-02', 'MMX-06'],
            choose: { fails: bool },
            then: {
              'stop the device': (s, { fails }) => {
                if (!fails) s.uses = false;
              },
              'note a failure': (_s, { fails }, me) => {
                me.failed = fails;
              },
            },
          }),
          step('wake who waits', {
            source: 'MMX-03',
            then: {
              'look at the bond': (s) => {
                if (s.bond.freed) s.harm = 'used a freed bond';
              },
              'mark the handler done': (s) => {
                s.bond.exiting = false;
              },
            },
          }),
          step('detach', {
            doc: 'unless an unbind was faster',
            source: ['MMX-03', 'MMX-06'],
            then: {
              'give the PASID back, or keep it': (s, _p, me) => {
                if (s.bond.listed) s.pasid = me.failed && s.uses ? 'kept' : 'free';
              },
              'take it off the list': (s) => {
                if (!s.bond.listed) return;
                s.bond.listed = false;
                s.present = false;
                s.bond.references = Math.max(s.bond.references - 1, 0);
              },
            },
          }),
          step('drop the reference', {
            then: {
              'drop it': (s) => {
                s.bond.references = Math.max(s.bond.references - 1, 0);
              },
              'free the bond': (s) => {
                if (s.bond.references > 0) return;
                if (s.bond.freed) s.harm = 'freed a bond twice';
                s.bond.freed = true;
              },
            },
          }),
        ],
      },
    ),
  }),
});
