/**
 * Page requests of a guest's device: resolved by the host in stage 2 or handed to the guest for stage 1, and the response on
 * its way back (PAGE_RESP), while the device is detached, moved to another domain, or its guest ends. (NEST-16..20, VSVA-03,
 * VSVA-06..10, VSVA-12, VIOMMU-24)
 *
 * Scope: devices of guests that share the SMMU's PRI queue; for each one page, whose stage 1 is the guest's and whose stage 2
 * is the host's, and page request groups that are reused once they are answered. A nested domain (hardware page table object
 * of iommufd) has a fault queue: a list of groups to be delivered, and a table of those that user space has read, by cookie.
 * The VMM reads groups, puts them on the guest's event queue and writes responses back.  Events that need no
 * response are `nested-invalidation/events`.
 *
 * Atomicity: one message of a device; one queue record; each lookup, each change of a list under its lock. Reading a group
 * holds the mutex of the fault queue over the copy to user space, which may sleep for ever, and so does writing a response, from
 * the cookie to the answer; the list itself has a lock that nobody sleeps with (Linux 3d49020a327c).
 *
 * Fairness: hardware delivers requests and responses, the host's fault thread runs, and so does its thread that changes the
 * domain once it has begun (weak, and strong where it takes a mutex that readers and writers take as well). Once a guest is to end, its VMM is killed, which ends a copy that sleeps (weak). Guests, VMMs
 * and devices owe nobody anything.
 *
 * Abstracted away, and why no bug hides there:
 * - Each group is one request with Last set; partial groups, credits, stop markers and the overflow flag are the `pri` protocol's.
 *   A request that finds the PRI queue full is answered Success by the SMMU at once (PRI-20).
 * - Invalidation after an unmap in either stage is `nested-invalidation`: here a mapping is there or not.
 * - A group index that is used again is another group: what the guest still has of the one before is marked `late`. Nothing but
 *   cookies, which the host hands out, tells the two apart; they are used again as soon as they are free.
 * - The copy of a response from user space does not sleep: a reader shows what a sleeping one keeps up.
 * - An attach may fail for any reason, with the old domain in force; to block a device does not fail.
 * - The guest's handler runs once per event; which process of the guest it asks is not followed.
 */
import {
  type Bag,
  bag,
  bool,
  each,
  type Frozen,
  model,
  oneOf,
  optional,
  queue,
  record,
  sort,
  type Value,
} from '../language/index.ts';

export const Endpoint = sort('endpoint');
export const Group = sort('group');
/** Nested domains, each with a fault queue. */
export const Domain = sort('domain');

const code = oneOf('success', 'invalid', 'failure');
type Code = Value<typeof code>;

/**
 * What VMM and guest have of a group, known by the fault queue that it came from and its cookie there. `late`: the host has
 * answered it in the meantime. `unbound`: the guest has given the device up since.
 */
export const copy = {
  group: Group,
  domain: Domain,
  place: oneOf('VMM', 'event queue', 'guest', 'answered', 'being written'),
  code,
  late: bool,
  unbound: bool,
};
type Copy = Frozen<Value<typeof copy>>;
function copiesOf(size: { readonly group: number; readonly domain: number }): number {
  return (size.group + 1) * size.domain;
}

type EndpointId = Value<typeof Endpoint>;
type GroupId = Value<typeof Group>;
type DomainId = Value<typeof Domain>;

interface GroupState {
  host: 'none' | 'in the PRI queue' | 'looked up' | 'delivered' | 'fetched' | 'read' | 'answering';
  domain: DomainId | null;
  response: 'none' | Code;
}
interface Answering {
  readonly endpoint: {
    readonly [endpoint in EndpointId]: { readonly group: { readonly [group in GroupId]: GroupState } };
  };
  readonly harm: { answeredTwice: boolean };
}

/** Sends the response to a group to the device: the one place where the host does. */
export function respond(s: Answering, endpoint: EndpointId, group: GroupId, answer: Code): void {
  const of = s.endpoint[endpoint].group[group];
  if (of.host === 'none' || of.response !== 'none') s.harm.answeredTwice = true;
  of.response = answer;
  of.host = 'none';
  of.domain = null;
}

/** Whether a group is on the list of a fault queue. */
function hasList(
  s: {
    readonly endpoint: {
      some(
        test: (of: { readonly group: { some(test: (group: Readonly<GroupState>) => boolean): boolean } }) => boolean,
      ): boolean;
    };
  },
  domain: DomainId,
): boolean {
  return s.endpoint.some(({ group: groups }) => groups.some((of) => of.host === 'delivered' && of.domain === domain));
}

function change(copies: Bag<Copy>, which: (c: Copy) => boolean, to: Partial<Copy>): void {
  const found = [...copies].filter((c) => which(c));
  for (const c of found) copies.replace(c, { ...c, ...to });
}

/** The model. */
export const nestedInvalidationFaults = model({
  name: 'nested-invalidation/faults',
  doc: "Page requests of guests' devices are resolved by host or guest and answered, while devices change domains and guests end.",
  // `live`: 1 where properties over time are decided, which need the whole graph.
  // `failures`: guests also answer with Response Failure. `pinned`: the host never takes memory away.
  sizes: {
    smoke: { endpoint: 1, group: 1, domain: 1, queue: 1, buffers: 1, failures: 0, pinned: 0, live: 1 },
    moves: { endpoint: 1, group: 1, domain: 2, queue: 1, buffers: 1, failures: 0, pinned: 0, live: 1 },
    pinned: { endpoint: 1, group: 1, domain: 1, queue: 1, buffers: 1, failures: 1, pinned: 1, live: 1 },
    ci: { endpoint: 1, group: 2, domain: 1, queue: 1, buffers: 1, failures: 0, pinned: 0, live: 1 },
    deep: { endpoint: 2, group: 1, domain: 1, queue: 1, buffers: 1, failures: 0, pinned: 0, live: 0 },
  },
  state: ({ size }) => ({
    endpoint: each(Endpoint, {
      /** The domain that the device is attached to in the host, and whether the guest thinks it attached. */
      attached: optional(Domain),
      attachedInGuest: bool,
      /** Its guest is to end, or has. */
      ending: bool,
      /** The two mappings of its page. */
      stage1: bool,
      stage2: bool,
      /** It may send page requests: PRI is enabled, and no Response Failure has come. */
      pri: bool,
      group: each(Group, {
        /** The device waits for a response to it. */
        waiting: bool,
        /** A request is on the link. */
        sent: bool,
        /**
         * Where the host has it: in the PRI queue, with the fault thread, on a list, with a reader, in the table of cookies, with who
         * answers for user space.
         */
        host: oneOf('none', 'in the PRI queue', 'looked up', 'delivered', 'fetched', 'read', 'answering'),
        /** The domain that was found for it, whose fault queue it is on. */
        domain: optional(Domain),
        /** A response on its way to the device. */
        response: oneOf('none', 'success', 'invalid', 'failure'),
      }),
      /** What VMM and guest have of its groups, until the response is written to the host. */
      copies: bag(copiesOf(size), copy),
    }),
    domain: each(Domain, {
      /** The mutex of its fault queue. */
      mutex: oneOf('free', 'read', 'write', 'detach'),
      /** The VMM, which polls the file, was woken and has not found the list empty since. */
      woken: bool,
      /** The page of user space that a reader copies to is present. */
      userPage: bool,
      /** The attach handle of a device, to which groups on the fault queue point. */
      handle: each(Endpoint, { live: bool }),
    }),
    priQueue: queue(size.queue, { endpoint: Endpoint, group: Group }),
    /** What must never happen; see the properties. */
    harm: { answeredTwice: bool, wrongAnswer: bool, foreignEvent: bool, freedHandle: bool },
  }),
  initial: (s) => {
    for (const endpoint of s.endpoint) endpoint.pri = true;
  },

  actions: ({ action, procedure, size }) => ({
    changeDomain: procedure(
      { endpoint: Endpoint },
      {
        actor: 'iommufd',
        doc: 'attaches a device to a nested domain, moves it to another, detaches it, or takes it from a guest that ends',
        repeat: true,
        fairness: 'weak',
        locals: { from: optional(Domain), to: optional(Domain), failed: bool },
        steps: ({ step, branch }) => [
          step('begin', {
            source: ['VSVA-01', 'VSVA-11', 'NEST-16'],
            fairness: 'none',
            choose: { to: optional(Domain), end: bool },
            when: {
              'it is another domain, or the end': (s, { endpoint, to, end }) =>
                end ? to === null : s.endpoint[endpoint].attached !== to,
              'its guest has not ended': (s, { endpoint }) => !s.endpoint[endpoint].ending,
              'the guest has drained what it had of the device before': (s, { endpoint, to }) =>
                to === null || s.endpoint[endpoint].attached !== null || s.endpoint[endpoint].copies.isEmpty,
              'the VMM has drained what it had of the domain before': (s, { endpoint, to }) =>
                to === null || !s.endpoint[endpoint].copies.has((c) => c.domain === to),
            },
            then: {
              'note the domains': (s, { endpoint, to }, me) => {
                me.from = s.endpoint[endpoint].attached;
                me.to = to;
              },
              'the guest gives the device up': (s, { endpoint, to }) => {
                if (to !== null) return;
                s.endpoint[endpoint].attachedInGuest = false;
                change(s.endpoint[endpoint].copies, (c) => !c.unbound, { unbound: true });
              },
              'kill the VMM of a guest that ends': (s, { endpoint, end }) => {
                if (end) s.endpoint[endpoint].ending = true;
              },
            },
          }),
          branch('a domain is to be attached', {
            fused: true,
            if: (_s, _p, { to }) => to !== null,
            then: [
              step('create the attach handle', {
                then: {
                  'create it': (s, { endpoint }, { to }) => {
                    if (to !== null) s.domain[to].handle[endpoint].live = true;
                  },
                },
              }),
            ],
          }),
          step('install the domain, or block the device', {
            doc: 'from here on page requests find the new domain, or none; an attach that fails leaves the old one',
            source: ['NEST-16', 'VSVA-11'],
            choose: { fails: bool },
            when: {
              'to block cannot fail': (_s, { fails }, { to }) => !fails || to !== null,
            },
            then: {
              'set the domain': (s, { endpoint, fails }, { to }) => {
                if (!fails) s.endpoint[endpoint].attached = to;
              },
              'note a failure': (_s, { fails }, me) => {
                me.failed = fails;
              },
            },
          }),
          branch('the attach failed', {
            fused: true,
            if: (_s, _p, { failed }) => failed,
            then: [
              step('free the new attach handle', {
                source: 'NEST-16',
                then: {
                  'free it': (s, { endpoint }, { to }) => {
                    if (to !== null) s.domain[to].handle[endpoint].live = false;
                  },
                },
              }),
            ],
          }),
          branch('a domain was left', {
            fused: true,
            if: (_s, _p, { from, failed }) => from !== null && !failed,
            then: [
              step('wait for the fault thread', {
                doc: 'it may have found the old domain and not have put the group on its list yet',
                source: ['VSVA-10', 'E4'],
                when: {
                  'no group is between lookup and list': (s, { endpoint }, { from }) =>
                    s.endpoint[endpoint].group.every(({ host, domain }) => host !== 'looked up' || domain !== from),
                },
              }),
              step('lock the fault queue', {
                source: 'NEST-16',
                fairness: 'strong',
                when: { 'the mutex is free': (s, _p, { from }) => from === null || s.domain[from].mutex === 'free' },
                then: {
                  'lock it': (s, _p, { from }) => {
                    if (from !== null) s.domain[from].mutex = 'detach';
                  },
                },
              }),
              step('answer what is on the list', {
                source: ['NEST-16', 'VSVA-11'],
                then: {
                  'respond Invalid to each': (s, { endpoint }, { from }) => {
                    for (const [group, of] of s.endpoint[endpoint].group.entries()) {
                      if (of.host === 'delivered' && of.domain === from) respond(s, endpoint, group, 'invalid');
                    }
                  },
                  'a reader that was woken for them finds nothing and sleeps': (s, _p, { from }) => {
                    if (from !== null) s.domain[from].woken = hasList(s, from);
                  },
                },
              }),
              step('answer what user space has read', {
                source: ['NEST-16', 'VSVA-07', 'VSVA-11'],
                then: {
                  'what the guest has of them is late': (s, { endpoint }, { from, to }) => {
                    for (const [group, of] of s.endpoint[endpoint].group.entries()) {
                      if (of.host !== 'read' || of.domain !== from) continue;
                      const theirs = (c: Copy): boolean => c.group === group && c.domain === from && !c.late;
                      change(
                        s.endpoint[endpoint].copies,
                        theirs,
                        to === null ? { late: true, unbound: true } : { late: true },
                      );
                    }
                  },
                  'respond Invalid to each': (s, { endpoint }, { from }) => {
                    for (const [group, of] of s.endpoint[endpoint].group.entries()) {
                      if (of.host === 'read' && of.domain === from) respond(s, endpoint, group, 'invalid');
                    }
                  },
                },
              }),
              step('unlock the fault queue', {
                then: {
                  'unlock it': (s, _p, { from }) => {
                    if (from !== null) s.domain[from].mutex = 'free';
                  },
                },
              }),
              step('free the attach handle', {
                source: 'E6',
                then: {
                  'free it': (s, { endpoint }, { from }) => {
                    if (from !== null) s.domain[from].handle[endpoint].live = false;
                  },
                },
              }),
            ],
          }),
          step('return', {
            source: 'VSVA-01',
            then: {
              'the guest is told whether it is attached': (s, { endpoint }) => {
                s.endpoint[endpoint].attachedInGuest = s.endpoint[endpoint].attached !== null;
              },
              'forget the domains': (_s, _p, me) => {
                me.from = null;
                me.to = null;
                me.failed = false;
              },
            },
          }),
        ],
      },
    ),

    faultThread: procedure(
      {},
      {
        actor: 'host',
        doc: 'takes page requests out of the PRI queue of all devices and guests',
        repeat: true,
        fairness: 'weak',
        locals: { endpoint: optional(Endpoint), group: optional(Group) },
        steps: ({ step, branch }) => [
          step('take a request', {
            source: ['VSVA-03', 'HOST-12'],
            when: { 'one is there': (s) => !s.priQueue.isEmpty },
            then: {
              'take it out of the queue': (s, _p, me) => {
                const { endpoint, group } = s.priQueue.shift();
                me.endpoint = endpoint;
                me.group = group;
              },
              'look the domain of the device up': (s, _p, me) => {
                if (me.endpoint === null || me.group === null) return;
                const { attached, group } = s.endpoint[me.endpoint];
                group[me.group].domain = attached;
                group[me.group].host = 'looked up';
              },
            },
          }),
          branch('the device has a domain', {
            fused: true,
            if: (s, _p, { endpoint, group }) =>
              endpoint !== null && group !== null && s.endpoint[endpoint].group[group].domain !== null,
            then: [
              branch('it is a fault of stage 2 alone', {
                fused: true,
                if: (s, _p, { endpoint }) =>
                  endpoint !== null && s.endpoint[endpoint].stage1 && !s.endpoint[endpoint].stage2,
                then: [
                  step('map the page in stage 2', {
                    doc: 'the host has walked stage 1 of the guest and knows the page: the guest is not asked',
                    source: ['NEST-18', 'NEST-19'],
                    then: {
                      'write the entry': (s, _p, { endpoint }) => {
                        if (endpoint !== null) s.endpoint[endpoint].stage2 = true;
                      },
                      'respond Success': (s, _p, me) => {
                        if (me.endpoint !== null && me.group !== null) respond(s, me.endpoint, me.group, 'success');
                      },
                    },
                  }),
                ],
                else: [
                  step('put the group on the list', {
                    doc: 'for the guest, with the device by its virtual name; needs a lock that nobody sleeps with',
                    source: ['VSVA-03', 'VSVA-06'],
                    then: {
                      'use the attach handle': (s, _p, { endpoint, group }) => {
                        if (endpoint === null || group === null) return;
                        const { domain } = s.endpoint[endpoint].group[group];
                        if (domain !== null && !s.domain[domain].handle[endpoint].live) s.harm.freedHandle = true;
                      },
                      'append it': (s, _p, { endpoint, group }) => {
                        if (endpoint !== null && group !== null) s.endpoint[endpoint].group[group].host = 'delivered';
                      },
                      'wake the reader': (s, _p, { endpoint, group }) => {
                        if (endpoint === null || group === null) return;
                        const { domain } = s.endpoint[endpoint].group[group];
                        if (domain !== null) s.domain[domain].woken = true;
                      },
                    },
                  }),
                ],
              }),
            ],
            else: [
              step('answer Invalid', {
                doc: 'the device is blocked: nobody is there to be asked',
                source: 'NEST-16',
                then: {
                  respond: (s, _p, me) => {
                    if (me.endpoint !== null && me.group !== null) respond(s, me.endpoint, me.group, 'invalid');
                  },
                },
              }),
            ],
          }),
          step('be done', {
            then: {
              'forget the request': (_s, _p, me) => {
                me.endpoint = null;
                me.group = null;
              },
            },
          }),
        ],
      },
    ),

    read: procedure(
      { domain: Domain },
      {
        actor: 'vmm',
        doc: 'the VMM reads a group from the file of the fault queue',
        repeat: true,
        locals: { endpoint: optional(Endpoint), group: optional(Group) },
        steps: ({ step }) => [
          step('lock the fault queue', {
            when: {
              'a group is on the list, and its VMM lives': (s, { domain }) =>
                s.endpoint.some(
                  ({ ending, group: groups }) =>
                    !ending && groups.some((group) => group.host === 'delivered' && group.domain === domain),
                ),
              'it was woken': (s, { domain }) => s.domain[domain].woken,
              'the mutex is free': (s, { domain }) => s.domain[domain].mutex === 'free',
              'the VMM can hold one more': (s) =>
                s.endpoint.every(({ copies }) => copies.length < size.group * size.domain),
            },
            then: {
              'lock it': (s, { domain }) => {
                s.domain[domain].mutex = 'read';
              },
            },
          }),
          step('fetch a group', {
            fairness: 'weak',
            source: 'NEST-17',
            choose: { endpoint: Endpoint, group: Group },
            when: {
              'it is on the list': (s, { domain, endpoint, group }) => {
                const of = s.endpoint[endpoint].group[group];
                return of.host === 'delivered' && of.domain === domain;
              },
            },
            then: {
              'take it off the list, with a cookie': (s, { endpoint, group }, me) => {
                s.endpoint[endpoint].group[group].host = 'fetched';
                me.endpoint = endpoint;
                me.group = group;
              },
              'sleep again if that was the last': (s, { domain }) => {
                s.domain[domain].woken = hasList(s, domain);
              },
            },
          }),
          step('copy to user space', {
            doc: 'sleeps until the page of user space is there or the VMM is killed; a copy that fails puts the group back',
            source: ['VSVA-06', 'VSVA-07'],
            fairness: 'weak',
            when: {
              'the user page is there, or the VMM is killed': (s, { domain }, { endpoint }) =>
                s.domain[domain].userPage || (endpoint !== null && s.endpoint[endpoint].ending),
            },
            then: {
              'put it into the table, or back on the list': (s, { domain }, { endpoint, group }) => {
                if (endpoint === null || group === null) return;
                s.endpoint[endpoint].group[group].host = s.domain[domain].userPage ? 'read' : 'delivered';
                if (!s.domain[domain].userPage) s.domain[domain].woken = true;
              },
              'the VMM has it': (s, { domain }, { endpoint, group }) => {
                if (endpoint === null || group === null || !s.domain[domain].userPage) return;
                s.endpoint[endpoint].copies.add({
                  group,
                  domain,
                  place: 'VMM',
                  code: 'success',
                  late: false,
                  unbound: false,
                });
              },
            },
          }),
          step('unlock the fault queue', {
            fairness: 'weak',
            then: {
              'unlock it': (s, { domain }, me) => {
                s.domain[domain].mutex = 'free';
                s.domain[domain].userPage = false;
                me.endpoint = null;
                me.group = null;
              },
            },
          }),
        ],
      },
    ),

    bringUserPageIn: action(
      { domain: Domain },
      {
        actor: 'vmm',
        doc: 'user space decides when, with userfaultfd',
        when: {
          'a reader waits for it': (s, { domain }) => s.domain[domain].mutex === 'read' && !s.domain[domain].userPage,
        },
        then: {
          'it is there': (s, { domain }) => {
            s.domain[domain].userPage = true;
          },
        },
      },
    ),
    inject: action(
      { endpoint: Endpoint, copy },
      {
        actor: 'vmm',
        doc: 'with the device by the name and the PASID that the guest knows; without a buffer the VMM holds the fault',
        source: ['VSVA-03', 'VSVA-06', 'VSVA-08'],
        when: {
          'the VMM holds it': (s, { endpoint, copy: held }) =>
            held.place === 'VMM' && s.endpoint[endpoint].copies.has(held),
          'its VMM lives': (s, { endpoint }) => !s.endpoint[endpoint].ending,
          'the event queue has a buffer': (s, { endpoint }) =>
            s.endpoint[endpoint].copies.count((c) => c.place === 'event queue') < size.buffers,
        },
        then: {
          'put it on the event queue': (s, { endpoint, copy: held }) => {
            s.endpoint[endpoint].copies.replace(held, { ...held, place: 'event queue' });
          },
        },
      },
    ),
    takeEvent: action(
      { endpoint: Endpoint, copy },
      {
        actor: 'guest',
        source: 'VSVA-03',
        when: {
          'it is on the event queue': (s, { endpoint, copy: event }) =>
            event.place === 'event queue' && s.endpoint[endpoint].copies.has(event),
          'the guest runs': (s, { endpoint }) => !s.endpoint[endpoint].ending,
        },
        then: {
          'give the buffer back': (s, { endpoint, copy: event }) => {
            s.endpoint[endpoint].copies.replace(event, { ...event, place: 'guest' });
          },
        },
      },
    ),
    resolve: action(
      { endpoint: Endpoint, copy, answer: size.failures > 0 ? code : oneOf('success', 'invalid') },
      {
        actor: 'guest',
        doc: 'the guest maps the page and answers Success, or has no such page, or its device is not attached',
        source: ['VSVA-03', 'VSVA-09', 'NEST-18'],
        when: {
          'the guest has it': (s, { endpoint, copy: event }) =>
            event.place === 'guest' && s.endpoint[endpoint].copies.has(event),
          'the guest runs': (s, { endpoint }) => !s.endpoint[endpoint].ending,
          'Success is for a device that is attached': (s, { endpoint, answer }) =>
            answer !== 'success' || s.endpoint[endpoint].attachedInGuest,
        },
        then: {
          'map the page in stage 1': (s, { endpoint, answer }) => {
            if (answer === 'success') s.endpoint[endpoint].stage1 = true;
          },
          'it was for who has the PASID now, or it is foreign': (s, { endpoint, copy: event }) => {
            if (event.unbound && s.endpoint[endpoint].attachedInGuest) s.harm.foreignEvent = true;
          },
          'send PAGE_RESP': (s, { endpoint, copy: event, answer }) => {
            s.endpoint[endpoint].copies.replace(event, { ...event, place: 'answered', code: answer });
          },
        },
      },
    ),
    writeResponse: procedure(
      { domain: Domain },
      {
        actor: 'vmm',
        doc: 'the VMM writes cookie and code to the file of the fault queue; a cookie that names nothing is refused',
        repeat: true,
        locals: { endpoint: optional(Endpoint), answer: optional(record(copy)), found: bool },
        steps: ({ step }) => [
          step('lock the fault queue', {
            source: ['NEST-17', 'VSVA-06'],
            choose: { endpoint: Endpoint, copy },
            when: {
              'it is an answer to a group of the domain': (s, { domain, endpoint, copy: answer }) =>
                answer.place === 'answered' && answer.domain === domain && s.endpoint[endpoint].copies.has(answer),
              'its VMM lives': (s, { endpoint }) => !s.endpoint[endpoint].ending,
              'the mutex is free': (s, { domain }) => s.domain[domain].mutex === 'free',
            },
            then: {
              'lock it': (s, { domain }) => {
                s.domain[domain].mutex = 'write';
              },
              'copy the response from user space': (s, { endpoint, copy: answer }, me) => {
                s.endpoint[endpoint].copies.replace(answer, { ...answer, place: 'being written' });
                me.endpoint = endpoint;
                me.answer = { ...answer };
              },
            },
          }),
          step('take the group that the cookie names', {
            actor: 'iommufd',
            source: ['NEST-17', 'VSVA-06'],
            fairness: 'weak',
            then: {
              'take it out of the table': (s, { domain }, me) => {
                if (me.endpoint === null || me.answer === null) return;
                const of = s.endpoint[me.endpoint].group[me.answer.group];
                me.found = of.host === 'read' && of.domain === domain;
                if (me.found) of.host = 'answering';
              },
              'it is what the guest meant, or the answer is to another': (s, _p, { answer, found }) => {
                if (found && answer?.late === true) s.harm.wrongAnswer = true;
              },
              'the VMM is done with it': (s, _p, { endpoint, answer }) => {
                if (endpoint === null || answer === null) return;
                const { copies } = s.endpoint[endpoint];
                const isIt = (c: Copy): boolean => c.place === 'being written' && c.domain === answer.domain;
                if (copies.has(isIt)) copies.remove(isIt);
              },
            },
          }),
          step('respond', {
            actor: 'iommufd',
            source: ['NEST-17', 'VIOMMU-24'],
            fairness: 'weak',
            then: {
              'use the attach handle': (s, { domain }, { endpoint, found }) => {
                if (found && endpoint !== null && !s.domain[domain].handle[endpoint].live) s.harm.freedHandle = true;
              },
              'answer the group if there was one': (s, _p, { endpoint, answer, found }) => {
                if (endpoint === null || answer === null || !found) return;
                respond(s, endpoint, answer.group, answer.code === 'failure' ? 'invalid' : answer.code);
              },
              'unlock the fault queue': (s, { domain }, me) => {
                s.domain[domain].mutex = 'free';
                me.endpoint = null;
                me.answer = null;
                me.found = false;
              },
            },
          }),
        ],
      },
    ),
    drop: action(
      { endpoint: Endpoint, copy },
      {
        actor: 'guest',
        doc: 'a guest that has given the device up drains its event queue and its handlers; a killed VMM has nothing left',
        source: ['VSVA-10', 'VSVA-11'],
        when: {
          'it is there': (s, { endpoint, copy: left }) => s.endpoint[endpoint].copies.has(left),
          'the host has answered it, or the VMM is killed': (s, { endpoint, copy: left }) =>
            (left.late && left.unbound && left.place !== 'being written') || s.endpoint[endpoint].ending,
        },
        then: {
          'drop it': (s, { endpoint, copy: left }) => {
            s.endpoint[endpoint].copies.remove(left);
          },
        },
      },
    ),

    requestPage: action(
      { endpoint: Endpoint, group: Group },
      {
        actor: 'device',
        doc: 'a Translation Request gave no access: the device asks for the page; one that was just blocked may, too',
        source: ['VSVA-03', 'NEST-16'],
        when: {
          'a mapping is missing': (s, { endpoint }) => !s.endpoint[endpoint].stage1 || !s.endpoint[endpoint].stage2,
          'PRI is enabled': (s, { endpoint }) => s.endpoint[endpoint].pri,
          'the group index is free': (s, { endpoint, group }) => !s.endpoint[endpoint].group[group].waiting,
        },
        then: {
          'send the request': (s, { endpoint, group }) => {
            s.endpoint[endpoint].group[group].waiting = true;
            s.endpoint[endpoint].group[group].sent = true;
          },
        },
      },
    ),
    receiveRequest: action(
      { endpoint: Endpoint, group: Group },
      {
        actor: 'smmu',
        doc: 'puts the request into the PRI queue of all; if that is full, it answers Success at once',
        source: ['VSVA-12', 'PRI-20'],
        fairness: 'weak',
        when: { 'a request is on the link': (s, { endpoint, group }) => s.endpoint[endpoint].group[group].sent },
        then: {
          'take it': (s, { endpoint, group }) => {
            s.endpoint[endpoint].group[group].sent = false;
          },
          'queue it, or answer it': (s, { endpoint, group }) => {
            const of = s.endpoint[endpoint].group[group];
            if (s.priQueue.isFull) of.response = 'success';
            else {
              s.priQueue.push({ endpoint, group });
              of.host = 'in the PRI queue';
            }
          },
        },
      },
    ),
    receiveResponse: action(
      { endpoint: Endpoint, group: Group },
      {
        actor: 'device',
        doc: 'CMD_PRI_RESP has become a message to the device; Failure ends PRI for it and its siblings',
        source: ['VSVA-03', 'NEST-17'],
        fairness: 'weak',
        when: {
          'a response is on its way': (s, { endpoint, group }) => s.endpoint[endpoint].group[group].response !== 'none',
        },
        then: {
          'end the group': (s, { endpoint, group }) => {
            const of = s.endpoint[endpoint].group[group];
            if (!of.waiting) s.harm.answeredTwice = true;
            if (of.response === 'failure') s.endpoint[endpoint].pri = false;
            of.waiting = false;
            of.response = 'none';
          },
        },
      },
    ),

    unmapInGuest: action(
      { endpoint: Endpoint },
      {
        actor: 'guest',
        when: { 'stage 1 maps the page': (s, { endpoint }) => s.endpoint[endpoint].stage1 },
        then: {
          'clear the entry': (s, { endpoint }) => {
            s.endpoint[endpoint].stage1 = false;
          },
        },
      },
    ),
    reclaim: action(
      { endpoint: Endpoint },
      {
        actor: 'host',
        doc: 'the host overcommits: that a device needs the page it finds out by a page request alone',
        source: 'NEST-19',
        when: {
          'guest memory is not pinned': () => size.pinned === 0,
          'stage 2 maps the page': (s, { endpoint }) => s.endpoint[endpoint].stage2,
        },
        then: {
          'clear the entry': (s, { endpoint }) => {
            s.endpoint[endpoint].stage2 = false;
          },
        },
      },
    ),
    mapInHost: action(
      { endpoint: Endpoint },
      {
        actor: 'host',
        doc: 'a processor of the guest touches the page',
        source: 'NEST-18',
        when: {
          'stage 2 does not map the page': (s, { endpoint }) => !s.endpoint[endpoint].stage2,
          'the guest runs': (s, { endpoint }) => !s.endpoint[endpoint].ending,
        },
        then: {
          'write the entry': (s, { endpoint }) => {
            s.endpoint[endpoint].stage2 = true;
          },
        },
      },
    ),
  }),
});
