/**
 * What must hold of page requests of guests' devices: each gets one answer, its own, even if the guest gives none; nobody waits
 * for a guest; and what shows that the model is alive.
 */
import { properties } from '../language/index.ts';
import { Domain, Endpoint, Group, nestedInvalidationFaults } from '../model/nested-invalidation-faults.ts';

export const nestedInvalidationFaultsProperties = properties(
  nestedInvalidationFaults,
  ({ invariant, transition, leadsTo, recoverable, reachable, deadlockFree, size }) => ({
    'no group is answered twice': invariant({
      doc: 'by the guest and by the host, or by the host once more: the device would take it for the next group of that index',
      requirement: ['NEST-16', 'NEST-17', 'VSVA-12'],
      holds: (s) => !s.harm.answeredTwice,
    }),
    'no group is answered with the answer to another': invariant({
      doc: 'what the guest says late is not taken for an answer to what the device asked since',
      requirement: ['NEST-16', 'NEST-17', 'VSVA-06'],
      holds: (s) => !s.harm.wrongAnswer,
    }),
    'no event is handled for another than it was for': invariant({
      doc: 'a fault from before a detach is not resolved for whoever has the device and the PASID now',
      requirement: ['VSVA-09', 'VSVA-10'],
      holds: (s) => !s.harm.foreignEvent,
    }),
    'no attach handle that was freed is used': invariant({
      doc: 'neither by the fault thread nor by who answers for user space',
      requirement: 'NEST-16',
      holds: (s) => !s.harm.freedHandle,
    }),
    'no Response Failure reaches a device': invariant({
      doc: 'a guest could switch PRI off for the siblings of its device',
      requirement: ['NEST-17', 'VIOMMU-24'],
      forall: { endpoint: Endpoint },
      holds: (s, { endpoint }) => s.endpoint[endpoint].pri,
    }),
    'a group on a fault queue belongs to a device that is attached there, or being detached': invariant({
      doc: 'that is, its attach handle is there',
      requirement: ['NEST-16', 'VSVA-06'],
      forall: { endpoint: Endpoint, group: Group },
      given: (s, { endpoint, group }) => s.endpoint[endpoint].group[group].domain !== null,
      holds: (s, { endpoint, group }) => {
        const { domain } = s.endpoint[endpoint].group[group];
        return domain !== null && s.domain[domain].handle[endpoint].live;
      },
    }),
    'the host has exactly the groups that devices wait for': invariant({
      doc: 'each is on the link, somewhere in the host, or has a response on its way, and in one of these places alone',
      requirement: ['VSVA-03', 'VSVA-08'],
      forall: { endpoint: Endpoint, group: Group },
      holds: (s, { endpoint, group }) => {
        const { waiting, sent, host, response } = s.endpoint[endpoint].group[group];
        return (sent ? 1 : 0) + (host === 'none' ? 0 : 1) + (response === 'none' ? 0 : 1) === (waiting ? 1 : 0);
      },
    }),
    'the PRI queue has the groups that are in it': invariant({
      requirement: ['VSVA-12'],
      forall: { endpoint: Endpoint, group: Group },
      holds: (s, { endpoint, group }) =>
        s.priQueue.count({ endpoint, group }) ===
        (s.endpoint[endpoint].group[group].host === 'in the PRI queue' ? 1 : 0),
    }),
    'user space has each group that it has read, until it answers': invariant({
      doc: 'a recoverable fault is held by the VMM or in the guest, not dropped, as long as there are a VMM and a guest',
      requirement: ['VSVA-08', 'NEST-17'],
      forall: { endpoint: Endpoint, group: Group },
      given: (s, { endpoint, group }) =>
        s.endpoint[endpoint].group[group].host === 'read' && !s.endpoint[endpoint].ending,
      holds: (s, { endpoint, group }) => {
        const { domain } = s.endpoint[endpoint].group[group];
        return s.endpoint[endpoint].copies.count((c) => c.group === group && c.domain === domain && !c.late) === 1;
      },
    }),
    'what user space has in time is what it has read': invariant({
      requirement: ['VSVA-06', 'NEST-17'],
      forall: { endpoint: Endpoint, group: Group, domain: Domain },
      given: (s, { endpoint, group, domain }) =>
        s.endpoint[endpoint].copies.has((c) => c.group === group && c.domain === domain && !c.late),
      holds: (s, { endpoint, group, domain }) => {
        const of = s.endpoint[endpoint].group[group];
        return of.host === 'read' && of.domain === domain;
      },
    }),
    'a device without domain has nothing on a fault queue': invariant({
      requirement: ['NEST-16', 'VSVA-11'],
      forall: { endpoint: Endpoint, group: Group },
      given: (s, { endpoint }) => s.endpoint[endpoint].attached === null && s.changeDomain[endpoint].at === 'begin',
      holds: (s, { endpoint, group }) => s.endpoint[endpoint].group[group].domain === null,
    }),
    'an attach handle is there for the domain of the device alone': invariant({
      requirement: 'NEST-16',
      forall: { endpoint: Endpoint, domain: Domain },
      given: (s, { endpoint }) => s.changeDomain[endpoint].at === 'begin',
      holds: (s, { endpoint, domain }) =>
        s.domain[domain].handle[endpoint].live === (s.endpoint[endpoint].attached === domain),
    }),
    'the mutex of a fault queue is held by who is inside': invariant({
      forall: { domain: Domain },
      holds: (s, { domain }) => {
        const reads = s.read[domain].at !== 'lock the fault queue';
        const writes = s.writeResponse[domain].at !== 'lock the fault queue';
        const detaches = s.changeDomain.some(
          ({ at, from }) =>
            from === domain &&
            ['answer what is on the list', 'answer what user space has read', 'unlock the fault queue'].includes(at),
        );
        return s.domain[domain].mutex === (reads ? 'read' : writes ? 'write' : detaches ? 'detach' : 'free');
      },
    }),
    'a guest thinks its device attached only while it is': invariant({
      requirement: ['VSVA-01', 'VSVA-09'],
      forall: { endpoint: Endpoint },
      given: (s, { endpoint }) => s.endpoint[endpoint].attachedInGuest,
      holds: (s, { endpoint }) => s.endpoint[endpoint].attached !== null,
    }),
    'a guest that is not about to be told knows whether its device is attached': invariant({
      requirement: 'VSVA-01',
      forall: { endpoint: Endpoint },
      given: (s, { endpoint }) => s.changeDomain[endpoint].at === 'begin',
      holds: (s, { endpoint }) => s.endpoint[endpoint].attachedInGuest === (s.endpoint[endpoint].attached !== null),
    }),
    'who reads a fault queue was woken for what is on its list': invariant({
      doc: 'a group that nobody hears of would wait for the next one, or for the detach',
      requirement: ['VSVA-03', 'VSVA-08'],
      forall: { domain: Domain },
      given: (s, { domain }) =>
        s.endpoint.some(({ group: groups }) =>
          groups.some((group) => group.host === 'delivered' && group.domain === domain),
        ),
      holds: (s, { domain }) => s.domain[domain].woken,
    }),
    'Success of the host comes with a mapping in stage 2': transition({
      requirement: 'NEST-18',
      given: (before, action, after) =>
        action.type === 'faultThread' &&
        after.endpoint.some(({ group: groups }, endpoint) =>
          groups.some(
            ({ response }, group) =>
              response === 'success' && before.endpoint[endpoint].group[group].response !== 'success',
          ),
        ),
      holds: (before, _action, after) => {
        const { endpoint } = before.faultThread;
        return endpoint !== null && after.endpoint[endpoint].stage2;
      },
    }),
    'a fault of stage 2 is not shown to the guest': transition({
      doc: 'if stage 1 maps the page, the host maps it in stage 2 and answers itself',
      requirement: 'NEST-18',
      given: (_before, action, after) => {
        if (action.type !== 'faultThread' || action.step !== 'take a request') return false;
        const { endpoint } = after.faultThread;
        if (endpoint === null) return false;
        const { attached, stage1, stage2 } = after.endpoint[endpoint];
        return attached !== null && stage1 && !stage2;
      },
      holds: (_before, _action, after) => after.faultThread.at === 'map the page in stage 2',
    }),
    'a fault of stage 1 goes to the guest': transition({
      requirement: 'NEST-18',
      given: (_before, action, after) => {
        if (action.type !== 'faultThread' || action.step !== 'take a request') return false;
        const { endpoint } = after.faultThread;
        return endpoint !== null && after.endpoint[endpoint].attached !== null && !after.endpoint[endpoint].stage1;
      },
      holds: (_before, _action, after) => after.faultThread.at === 'put the group on the list',
    }),
    'Success of the guest comes with a mapping in stage 1': transition({
      requirement: ['VSVA-03', 'NEST-18'],
      given: (_before, action) => action.type === 'resolve' && action.answer === 'success',
      holds: (_before, action, after) => action.type === 'resolve' && after.endpoint[action.endpoint].stage1,
    }),
    'what is answered for a device that is not attached is Invalid': transition({
      requirement: 'VSVA-09',
      given: (before, action) => action.type === 'resolve' && !before.endpoint[action.endpoint].attachedInGuest,
      holds: (_before, action) => action.type === 'resolve' && action.answer !== 'success',
    }),
    'a response goes to the group that it was written for': transition({
      doc: 'by device, domain and cookie: no other group is answered by it',
      requirement: ['VSVA-06', 'NEST-17'],
      forall: { endpoint: Endpoint, group: Group },
      given: (before, action, after, { endpoint, group }) =>
        action.type === 'writeResponse' &&
        before.endpoint[endpoint].group[group].response !== after.endpoint[endpoint].group[group].response,
      holds: (before, action, _after, { endpoint, group }) =>
        action.type === 'writeResponse' &&
        before.writeResponse[action.domain].endpoint === endpoint &&
        before.writeResponse[action.domain].answer?.group === group &&
        before.endpoint[endpoint].group[group].domain === action.domain,
    }),
    'a VMM that was killed does nothing, nor does its guest': transition({
      requirement: 'VSVA-11',
      given: (_before, action) =>
        action.type === 'inject' ||
        action.type === 'takeEvent' ||
        action.type === 'resolve' ||
        (action.type === 'writeResponse' && action.step === 'lock the fault queue') ||
        action.type === 'mapInHost',
      holds: (before, action) => 'endpoint' in action && !before.endpoint[action.endpoint].ending,
    }),
    ...(size.live > 0
      ? {
          'the fault thread waits for nobody': leadsTo({
            doc: 'no guest and no VMM can stop it, and with it the page requests of all others',
            requirement: ['VSVA-07', 'VSVA-12'],
            from: (s) => s.faultThread.at !== 'take a request',
            to: (s) => s.faultThread.at === 'take a request',
          }),
          'a page request is delivered or answered': leadsTo({
            requirement: ['VSVA-03', 'VSVA-12'],
            forall: { endpoint: Endpoint, group: Group },
            from: (s, { endpoint, group }) => s.endpoint[endpoint].group[group].sent,
            to: (s, { endpoint, group }) => {
              const { waiting, host } = s.endpoint[endpoint].group[group];
              return !waiting || host === 'delivered';
            },
          }),
          'when its guest ends, a device waits for nothing for ever': leadsTo({
            doc: 'the guest never answers; the host does',
            requirement: ['VSVA-07', 'VSVA-11', 'NEST-16'],
            forall: { endpoint: Endpoint, group: Group },
            from: (s, { endpoint, group }) => s.endpoint[endpoint].ending && s.endpoint[endpoint].group[group].waiting,
            to: (s, { endpoint, group }) => !s.endpoint[endpoint].group[group].waiting,
          }),
          'when its guest ends, a device is detached at last': leadsTo({
            requirement: ['VSVA-07', 'VSVA-11'],
            forall: { endpoint: Endpoint },
            from: (s, { endpoint }) => s.endpoint[endpoint].ending,
            to: (s, { endpoint }) => s.endpoint[endpoint].attached === null && s.changeDomain[endpoint].at === 'begin',
          }),
          'a device that waits can be answered': recoverable({
            requirement: ['VSVA-03', 'VSVA-08'],
            forall: { endpoint: Endpoint, group: Group },
            holds: (s, { endpoint, group }) => !s.endpoint[endpoint].group[group].waiting,
          }),
        }
      : {}),
    'something can always happen': deadlockFree({ doc: 'in every state some action is enabled' }),

    'a guest resolves a fault': reachable({
      requirement: 'VSVA-03',
      exists: { endpoint: Endpoint, group: Group },
      holds: (s, { endpoint, group }) =>
        s.endpoint[endpoint].stage1 && s.endpoint[endpoint].group[group].response === 'success',
    }),
    'a fault waits for a buffer of the event queue': reachable({
      requirement: 'VSVA-08',
      exists: { endpoint: Endpoint },
      holds: (s, { endpoint }) =>
        s.endpoint[endpoint].copies.has((c) => c.place === 'VMM') &&
        s.endpoint[endpoint].copies.count((c) => c.place === 'event queue') === (size.group > 1 ? size.buffers : 0),
    }),
    'a guest has something late': reachable({
      requirement: 'NEST-16',
      exists: { endpoint: Endpoint },
      holds: (s, { endpoint }) => s.endpoint[endpoint].copies.has(({ late, place }) => late && place === 'answered'),
    }),
    'a device that was just blocked asks for a page': reachable({
      requirement: 'NEST-16',
      exists: { endpoint: Endpoint, group: Group },
      holds: (s, { endpoint, group }) =>
        s.endpoint[endpoint].attached === null && s.endpoint[endpoint].group[group].host === 'looked up',
    }),
    ...(size.group * size.endpoint > size.queue
      ? {
          'the PRI queue overflows': reachable({
            requirement: 'VSVA-12',
            exists: { endpoint: Endpoint, group: Group },
            holds: (s, { endpoint, group }) => s.priQueue.isFull && s.endpoint[endpoint].group[group].sent,
          }),
        }
      : {}),
    ...(size.failures > 0
      ? {
          'a guest answers Failure': reachable({
            requirement: 'VIOMMU-24',
            exists: { endpoint: Endpoint },
            holds: (s, { endpoint }) => s.endpoint[endpoint].copies.has((c) => c.code === 'failure' && !c.late),
          }),
        }
      : {}),
  }),
);
