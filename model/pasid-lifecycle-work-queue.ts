/**
 * A work queue (WQ) changes hands: drained, reset, configured anew and enabled, while a reset of the device may come between, and
 * while the kernel tries to submit to a queue that others keep full. (ENQ-14, ENQ-18, ENQ-20..22)
 *
 * Scope: WQs of one device with a client each (a PASID in the configuration), descriptors that need a translation, the translations
 * that the device has asked for, and its translation cache by PASID; the memory of descriptors and completion records; the state
 * of a WQ in hardware, in software, and in the map from which a reset of the device restores it.
 *
 * Atomicity: a command to the device with its completion is one step, and so is each update of software state. The order is that of
 * idxd/device.c in Linux 7.0, with the fix of the race of enabling and reset.
 *
 * Abstracted away, and why no bug hides there:
 * - A device reset takes the locks of all WQs in one step, where Linux takes one after the other: one WQ is enough for the races.
 * - Whether a page is still mapped is `atc-invalidation`: here a translation is right if it is that of the client.
 * - Disabling without draining loses descriptors, which is allowed; what it leaves behind is the bug.
 *
 * Fairness: the device works, answers and drains; procedures of the kernel go on, as does a retry loop. Whoever shares the queue may
 * keep it full for ever, and the administrator may turn the knob for ever.
 */
import { bag, bool, each, model, oneOf, optional, queue, range, sort } from '../language/index.ts';

export const Client = sort('client');
export const WorkQueue = sort('wq');

/** The model. */
export const pasidLifecycleWorkQueue = model({
  name: 'pasid-lifecycle/work-queue',
  doc: 'A work queue is drained, reset, configured for another client and enabled, while the device may be reset.',
  sizes: {
    smoke: { client: 2, wq: 1, depth: 1, retries: 2 },
    ci: { client: 2, wq: 1, depth: 2, retries: 3 },
    deep: { client: 3, wq: 1, depth: 2, retries: 3 },
  },
  state: ({ size }) => ({
    wq: each(WorkQueue, {
      /** What software believes. */
      state: oneOf('disabled', 'enabled'),
      /** wq_enable_map, from which a device reset restores. */
      mapped: bool,
      /** What is so. */
      enabled: bool,
      locked: bool,
      portal: bool,
      /** wq_active: the kernel is submitting. */
      active: bool,
      client: optional(Client),
      /** Descriptors and completion records. */
      memory: oneOf('none', 'allocated'),
      queue: queue(size.depth, {
        of: Client,
        stage: oneOf('accepted', 'translating', 'translated'),
        to: optional(Client),
      }),
      /** Translations that the device has asked for. */
      pending: bag(size.depth, { of: Client }),
    }),
    /** The translation cache, by PASID: whose page is in it. */
    cache: each(Client, { page: optional(Client) }),
    /** enqcmds_retries, in sysfs. */
    knob: range(0, size.retries),
    harm: oneOf('none', 'used the page of another client', 'completed into freed memory'),
  }),
  actions: ({ action, procedure, size }) => ({
    submit: action(
      { wq: WorkQueue },
      {
        actor: 'client',
        doc: 'the client, or whoever shares the queue with the kernel',
        source: 'ENQ-20',
        when: {
          'the portal is mapped': (s, { wq }) => s.wq[wq].portal,
          'the WQ is enabled': (s, { wq }) => s.wq[wq].enabled && s.wq[wq].client !== null,
          'there is room': (s, { wq }) => !s.wq[wq].queue.isFull,
        },
        then: {
          'enqueue a descriptor': (s, { wq }) => {
            const { client } = s.wq[wq];
            if (client !== null) s.wq[wq].queue.push({ of: client, stage: 'accepted', to: null });
          },
        },
      },
    ),
    requestTranslation: action(
      { wq: WorkQueue },
      {
        actor: 'device',
        source: 'ENQ-25',
        fairness: 'weak',
        when: {
          'a descriptor is waiting': (s, { wq }) => !s.wq[wq].queue.isEmpty && s.wq[wq].queue.head.stage === 'accepted',
          'nothing is cached for it': (s, { wq }) => s.cache[s.wq[wq].queue.head.of].page === null,
          'a request may be sent': (s, { wq }) => !s.wq[wq].pending.isFull,
        },
        then: {
          'send the request': (s, { wq }) => {
            const item = s.wq[wq].queue.head;
            s.wq[wq].queue.set(0, { ...item, stage: 'translating' });
            s.wq[wq].pending.add({ of: item.of });
          },
        },
      },
    ),
    receiveTranslation: action(
      { wq: WorkQueue },
      {
        actor: 'device',
        doc: 'it is cached under the attributes that the WQ has by now',
        source: 'ENQ-22',
        fairness: 'weak',
        when: { 'one is pending': (s, { wq }) => !s.wq[wq].pending.isEmpty },
        then: {
          'cache it': (s, { wq }) => {
            const { client } = s.wq[wq];
            if (client !== null) s.cache[client].page = s.wq[wq].pending.at(0).of;
          },
          'take it': (s, { wq }) => {
            const { of } = s.wq[wq].pending.remove(() => true);
            const { queue: descriptors } = s.wq[wq];
            if (descriptors.isEmpty || descriptors.head.stage !== 'translating' || descriptors.head.of !== of) return;
            descriptors.set(0, { of, stage: 'translated', to: of });
          },
        },
      },
    ),
    failEarly: action(
      { wq: WorkQueue },
      {
        actor: 'device',
        doc: 'a descriptor of several addresses ends with an error while the translation of another is pending',
        when: {
          'a translation is awaited': (s, { wq }) =>
            !s.wq[wq].queue.isEmpty && s.wq[wq].queue.head.stage === 'translating',
        },
        then: {
          'end the descriptor': (s, { wq }) => {
            s.wq[wq].queue.shift();
            if (s.wq[wq].memory === 'none') s.harm = 'completed into freed memory';
          },
        },
      },
    ),
    hit: action(
      { wq: WorkQueue },
      {
        actor: 'device',
        fairness: 'weak',
        when: {
          'a descriptor is waiting': (s, { wq }) => !s.wq[wq].queue.isEmpty && s.wq[wq].queue.head.stage === 'accepted',
          'its PASID is cached': (s, { wq }) => s.cache[s.wq[wq].queue.head.of].page !== null,
        },
        then: {
          'take the translation': (s, { wq }) => {
            const { of } = s.wq[wq].queue.head;
            s.wq[wq].queue.set(0, { of, stage: 'translated', to: s.cache[of].page });
          },
        },
      },
    ),
    complete: action(
      { wq: WorkQueue },
      {
        actor: 'device',
        doc: 'data and completion record are written',
        source: 'ENQ-22',
        fairness: 'weak',
        when: {
          'a descriptor is translated': (s, { wq }) =>
            !s.wq[wq].queue.isEmpty && s.wq[wq].queue.head.stage === 'translated',
        },
        then: {
          write: (s, { wq }) => {
            const { of, to } = s.wq[wq].queue.shift();
            if (to !== of) s.harm = 'used the page of another client';
            else if (s.wq[wq].memory === 'none') s.harm = 'completed into freed memory';
          },
        },
      },
    ),
    evict: action(
      { client: Client },
      {
        actor: 'device',
        when: { 'something is cached': (s, { client }) => s.cache[client].page !== null },
        then: {
          'drop it': (s, { client }) => {
            s.cache[client].page = null;
          },
        },
      },
    ),
    turnKnob: action(
      { knob: range(0, size.retries) },
      {
        actor: 'administrator',
        when: { 'it changes': (s, { knob }) => s.knob !== knob },
        then: {
          'write the knob': (s, { knob }) => {
            s.knob = knob;
          },
        },
      },
    ),

    changeClient: procedure(
      { wq: WorkQueue },
      {
        actor: 'driver',
        doc: 'idxd_drv_disable_wq, and enabling for the next client',
        source: ['ENQ-14', 'ENQ-18'],
        repeat: true,
        fairness: 'weak',
        steps: ({ step, branch }) => [
          step('take wq_lock', {
            fairness: 'none',
            when: { 'the lock is free': (s, { wq }) => !s.wq[wq].locked },
            then: {
              'take it': (s, { wq }) => {
                s.wq[wq].locked = true;
              },
              'unmap the portal': (s, { wq }) => {
                s.wq[wq].portal = false;
              },
            },
          }),
          branch('the WQ is in use', {
            fused: true,
            if: (s, { wq }) => s.wq[wq].memory === 'allocated',
            then: [
              step('quiesce', {
                doc: 'idxd_wq_quiesce: no submission of the kernel is under way, and none begins',
                when: { 'nobody is submitting': (s, { wq }) => !s.wq[wq].active },
              }),
              step('drain the WQ', {
                doc: 'Drain WQ waits for descriptors and for their translations',
                source: 'ENQ-14',
                when: {
                  'no descriptor is left': (s, { wq }) => s.wq[wq].queue.isEmpty,
                  'no translation is pending': (s, { wq }) => s.wq[wq].pending.isEmpty,
                },
              }),
              step('flush the interrupt', {
                doc: 'pending descriptors are completed by software: it touches their memory',
              }),
              step('reset the WQ', {
                then: {
                  'disable it': (s, { wq }) => {
                    s.wq[wq].enabled = false;
                  },
                  'forget descriptors': (s, { wq }) => s.wq[wq].queue.clear(),
                  'note it': (s, { wq }) => {
                    s.wq[wq].state = 'disabled';
                    s.wq[wq].mapped = false;
                  },
                },
              }),
              step('free the memory', {
                then: {
                  'free it': (s, { wq }) => {
                    s.wq[wq].memory = 'none';
                  },
                },
              }),
            ],
          }),
          step('configure the WQ', {
            doc: 'only while it is disabled',
            source: 'ENQ-18',
            choose: { client: Client },
            then: {
              'allocate memory': (s, { wq }) => {
                s.wq[wq].memory = 'allocated';
              },
              'set the PASID': (s, { wq, client }) => {
                s.wq[wq].client = client;
              },
            },
          }),
          step('release wq_lock', {
            then: {
              'release it': (s, { wq }) => {
                s.wq[wq].locked = false;
              },
            },
          }),
          step('note that it is enabled', {
            doc: 'the intent is published before the command, so that a reset restores it',
            then: {
              'set the state': (s, { wq }) => {
                s.wq[wq].state = 'enabled';
              },
              'set the bit in the map': (s, { wq }) => {
                s.wq[wq].mapped = true;
              },
            },
          }),
          step('enable the WQ', {
            then: {
              'enable it': (s, { wq }) => {
                s.wq[wq].enabled = true;
              },
            },
          }),
          step('map the portal', {
            then: {
              'map it': (s, { wq }) => {
                s.wq[wq].portal = true;
              },
            },
          }),
        ],
      },
    ),
    resetDevice: procedure(
      {},
      {
        actor: 'reset worker',
        doc: 'idxd_device_reset and idxd_device_reinit',
        repeat: true,
        fairness: 'weak',
        steps: ({ step }) => [
          step('reset the device', {
            fairness: 'none',
            then: {
              'disable all WQs': (s) => {
                s.wq.forEach((wq) => {
                  wq.enabled = false;
                  wq.queue.clear();
                  wq.pending.clear();
                });
              },
            },
          }),
          step('clear the software state', {
            fairness: 'strong',
            when: { 'no WQ is locked': (s) => s.wq.every(({ locked }) => !locked) },
            then: {
              'note that all are disabled': (s) => {
                s.wq.forEach((wq) => {
                  wq.state = 'disabled';
                });
              },
            },
          }),
          step('enable what the map says', {
            fairness: 'strong',
            when: { 'no WQ is locked': (s) => s.wq.every(({ locked }) => !locked) },
            then: {
              'enable them': (s) => {
                s.wq.forEach((wq) => {
                  if (!wq.mapped) return;
                  wq.enabled = true;
                  wq.state = 'enabled';
                });
              },
            },
          }),
        ],
      },
    ),
    submitFromKernel: procedure(
      { wq: WorkQueue },
      {
        actor: 'kernel',
        doc: 'idxd_enqcmds: tries again as often as the knob said at the start',
        source: 'ENQ-21',
        repeat: true,
        fairness: 'weak',
        locals: { left: range(0, size.retries), outcome: oneOf('trying', 'accepted', 'given up') },
        steps: ({ step, loop }) => [
          step('read the knob', {
            fairness: 'none',
            when: { 'the portal is mapped': (s, { wq }) => s.wq[wq].portal },
            then: {
              'hold the WQ': (s, { wq }) => {
                s.wq[wq].active = true;
              },
              'note the bound': (s, _p, me) => {
                me.left = s.knob;
                me.outcome = 'trying';
              },
            },
          }),
          loop('it is neither accepted nor given up', {
            fused: true,
            while: (_s, _p, me) => me.outcome === 'trying',
            do: [
              step('ENQCMDS', {
                doc: 'answered with retry if the WQ is full or not enabled',
                source: ['ENQ-20', 'ENQ-21'],
                then: {
                  'enqueue the descriptor': (s, { wq }, me) => {
                    const { queue: descriptors, enabled, client } = s.wq[wq];
                    if (descriptors.isFull || !enabled || client === null) return;
                    descriptors.push({ of: client, stage: 'accepted', to: null });
                    me.outcome = 'accepted';
                  },
                  'give up at the bound': (_s, _p, me) => {
                    if (me.outcome === 'trying' && me.left === 0) me.outcome = 'given up';
                  },
                  'count the try': (_s, _p, me) => {
                    if (me.left > 0) me.left -= 1;
                  },
                },
              }),
            ],
          }),
          step('return', {
            then: {
              'let the WQ go': (s, { wq }) => {
                s.wq[wq].active = false;
              },
              'forget the count': (_s, _p, me) => {
                me.left = 0;
                me.outcome = 'trying';
              },
            },
          }),
        ],
      },
    ),
  }),
});
