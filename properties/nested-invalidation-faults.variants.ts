/**
 * Known bugs around page requests of guests' devices, as edits of the correct protocol.
 *
 * The recorded lengths count this model's atomic steps from a device that is not attached.
 */
import { variants } from '../language/index.ts';
import { copy, Endpoint, respond } from '../model/nested-invalidation-faults.ts';
import { nestedInvalidationFaultsProperties } from './nested-invalidation-faults.ts';

const twice = 'no group is answered twice';

export const nestedInvalidationFaultsVariants = variants(nestedInvalidationFaultsProperties, {
  'replace-answers-on-the-new-queue': {
    doc: 'a device moves to another domain, and what is on a fault queue is answered on that of the new domain, not of the old',
    reference:
      'Linux fb21b1568ada (iommufd: Make attach_handle generic than fault specific): iommufd_hwpt_replace_device, reported in 2026',
    violates: {
      'no attach handle that was freed is used': 28,
      'a group on a fault queue belongs to a device that is attached there, or being detached': 17,
      'what user space has in time is what it has read': 19,
      'a device without domain has nothing on a fault queue': 27,
      'something can always happen': 28,
    },
    size: 'moves',
    set: { pinned: 1, live: 0 },
    edits: ({ replace, drop }) => [
      replace(
        ['changeDomain', 'answer what is on the list', 'respond Invalid to each'],
        (s, { endpoint }, { from, to }) => {
          for (const [group, of] of s.endpoint[endpoint].group.entries()) {
            if (of.host === 'delivered' && of.domain === from && to === null) respond(s, endpoint, group, 'invalid');
          }
        },
      ),
      replace(
        ['changeDomain', 'answer what user space has read', 'respond Invalid to each'],
        (s, { endpoint }, { from, to }) => {
          for (const [group, of] of s.endpoint[endpoint].group.entries()) {
            if (of.host === 'read' && of.domain === from && to === null) respond(s, endpoint, group, 'invalid');
          }
        },
      ),
      drop(['changeDomain', 'answer what user space has read', 'what the guest has of them is late']),
    ],
  },
  'detach-answers-nothing': {
    doc: 'what guest or VMM have not answered when a device is detached is answered by nobody',
    reference: 'NEST-16; VSVA-07',
    violates: {
      'no attach handle that was freed is used': 25,
      'a group on a fault queue belongs to a device that is attached there, or being detached': 14,
      'a device without domain has nothing on a fault queue': 15,
      'when its guest ends, a device waits for nothing for ever': 16,
      'a device that waits can be answered': 8,
      'something can always happen': 16,
    },
    edits: ({ drop }) => [
      drop(['changeDomain', 'answer what is on the list']),
      drop(['changeDomain', 'answer what user space has read']),
    ],
  },
  'detach-answers-the-list-alone': {
    doc: 'a device is detached, and what user space has read and not answered is forgotten',
    reference: 'NEST-16; twin of CVE-2025-21770 (Linux 9759ae2cee7c), where groups leak at removal',
    violates: {
      'no attach handle that was freed is used': 26,
      'a group on a fault queue belongs to a device that is attached there, or being detached': 20,
      'a device without domain has nothing on a fault queue': 21,
      'when its guest ends, a device waits for nothing for ever': 22,
      'a device that waits can be answered': 11,
      'something can always happen': 23,
    },
    edits: ({ drop }) => [drop(['changeDomain', 'answer what user space has read'])],
  },
  'answers-before-block': {
    doc: 'what is on the fault queue is answered first, and then the device is blocked',
    reference: 'E4; CVE-2025-38594, Linux f0b9d31c6edd',
    violates: {
      'no attach handle that was freed is used': 27,
      'a group on a fault queue belongs to a device that is attached there, or being detached': 16,
      'user space has each group that it has read, until it answers': 24,
      'a device without domain has nothing on a fault queue': 17,
      'when its guest ends, a device waits for nothing for ever': 18,
      'when its guest ends, a device is detached at last': 16,
      'a device that waits can be answered': 10,
      'something can always happen': 18,
    },
    edits: ({ drop, addStep }) => [
      drop(['changeDomain', 'answer what is on the list']),
      drop(['changeDomain', 'answer what user space has read']),
      addStep(
        ['changeDomain'],
        'answer all that is there',
        {
          then: {
            'respond Invalid to each': (s, { endpoint }, { from }) => {
              for (const [group, of] of s.endpoint[endpoint].group.entries()) {
                const isPending = of.host === 'delivered' || of.host === 'read';
                if (isPending && of.domain === from) respond(s, endpoint, group, 'invalid');
              }
              s.endpoint[endpoint].copies.clear();
            },
          },
        },
        { before: 'install the domain, or block the device' },
      ),
    ],
  },
  'fault-thread-not-waited-for': {
    doc: 'the attach handle is freed while the fault thread is about to put a group with it on the list',
    reference: 'E5; CVE-2024-35843, Linux def054b01a86',
    violates: {
      'no attach handle that was freed is used': 15,
      'a group on a fault queue belongs to a device that is attached there, or being detached': 14,
      'a device without domain has nothing on a fault queue': 15,
      'when its guest ends, a device waits for nothing for ever': 17,
      'a device that waits can be answered': 11,
      'something can always happen': 17,
    },
    edits: ({ drop }) => [drop(['changeDomain', 'wait for the fault thread'])],
  },
  'group-with-two-owners': {
    doc: 'a device is detached without the mutex under which a reader has taken a group off the list',
    reference: 'E6; CVE-2026-74520, Linux 738e6f32e61d',
    violates: {
      'a group on a fault queue belongs to a device that is attached there, or being detached': 39,
      'the host has exactly the groups that devices wait for': 16,
      'the PRI queue has the groups that are in it': 19,
      'user space has each group that it has read, until it answers': 17,
      'what user space has in time is what it has read': 17,
      'a device without domain has nothing on a fault queue': 40,
      'the mutex of a fault queue is held by who is inside': 8,
      'something can always happen': 43,
    },
    size: 'pinned',
    set: { failures: 0, live: 0 },
    edits: ({ drop, replace }) => [
      drop(['inject']),
      drop(['changeDomain', 'lock the fault queue', 'the mutex is free']),
      drop(['changeDomain', 'lock the fault queue', 'lock it']),
      drop(['changeDomain', 'unlock the fault queue', 'unlock it']),
      replace(
        ['changeDomain', 'answer what is on the list', 'respond Invalid to each'],
        (s, { endpoint }, { from }) => {
          for (const [group, of] of s.endpoint[endpoint].group.entries()) {
            const isPending = of.host === 'delivered' || of.host === 'fetched';
            if (isPending && of.domain === from) respond(s, endpoint, group, 'invalid');
          }
        },
      ),
    ],
  },
  'list-locked-over-copy-to-user': {
    doc: 'the fault thread needs the mutex that a reader holds while it sleeps in a copy to user space',
    set: { group: 2, pinned: 1 },
    reference: 'Linux 3d49020a327c (iommufd/fault: Use a separate spinlock to protect fault->deliver list)',
    violates: { 'the fault thread waits for nobody': 14, 'a page request is delivered or answered': 14 },
    edits: ({ drop, addGuard }) => [
      drop(['inject']),
      addGuard(['faultThread', 'put the group on the list'], 'the mutex is free', (s, _p, { endpoint, group }) => {
        if (endpoint === null || group === null) return true;
        const { domain } = s.endpoint[endpoint].group[group];
        return domain === null || s.domain[domain].mutex === 'free';
      }),
    ],
  },
  'copy-cannot-be-killed': {
    doc: 'a copy to user space goes on sleeping when the VMM is killed, with the mutex that a detach needs',
    reference: 'VSVA-07; VSVA-11',
    violates: {
      'when its guest ends, a device waits for nothing for ever': 14,
      'when its guest ends, a device is detached at last': 14,
    },
    edits: ({ replace }) => [
      replace(
        ['read', 'copy to user space', 'the user page is there, or the VMM is killed'],
        (s, { domain }) => s.domain[domain].userPage,
      ),
    ],
  },
  'failed-copy-loses-the-group': {
    doc: 'a group whose copy to user space failed is neither put back nor answered',
    reference: 'NEST-17; error path of iommufd_fault_fops_read',
    violates: {
      'the host has exactly the groups that devices wait for': 12,
      'when its guest ends, a device waits for nothing for ever': 22,
      'a device that waits can be answered': 12,
      'something can always happen': 22,
    },
    edits: ({ replace }) => [
      replace(
        ['read', 'copy to user space', 'put it into the table, or back on the list'],
        (s, { domain }, { endpoint, group }) => {
          if (endpoint === null || group === null) return;
          const of = s.endpoint[endpoint].group[group];
          of.host = s.domain[domain].userPage ? 'read' : 'none';
          if (!s.domain[domain].userPage) of.domain = null;
        },
      ),
    ],
  },
  'failure-forwarded': {
    doc: "a guest's Response Failure is passed on to the device",
    reference: 'NEST-17; VIOMMU-24',
    violates: { 'no Response Failure reaches a device': 19, 'something can always happen': 30 },
    size: 'pinned',
    edits: ({ replace }) => [
      replace(
        ['writeResponse', 'respond', 'answer the group if there was one'],
        (s, _p, { endpoint, answer, found }) => {
          if (endpoint === null || answer === null || !found) return;
          respond(s, endpoint, answer.group, answer.code);
        },
      ),
    ],
  },
  'cookie-not-looked-up': {
    doc: 'a response is passed on although the host has answered the group in the meantime',
    reference: 'NEST-16; NEST-17; E10',
    violates: { [twice]: 26 },
    size: 'pinned',
    set: { failures: 0, live: 0 },
    edits: ({ replace }) => [
      replace(
        ['writeResponse', 'respond', 'answer the group if there was one'],
        (s, _p, { endpoint, answer, found }) => {
          if (endpoint === null || answer === null) return;
          if (found) respond(s, endpoint, answer.group, answer.code === 'success' ? 'success' : 'invalid');
          else s.harm.answeredTwice = true;
        },
      ),
    ],
  },
  'guest-drains-nothing': {
    doc: 'the guest attaches the device again while it still has an event from before the detach',
    reference: 'VSVA-10; E1 in a guest; A6',
    violates: { 'no event is handled for another than it was for': 29 },
    edits: ({ drop, replace }) => [
      drop(['changeDomain', 'begin', 'the guest has drained what it had of the device before']),
      replace(
        ['changeDomain', 'begin', 'the VMM has drained what it had of the domain before'],
        (s, { endpoint, to }) =>
          to === null ||
          !s.endpoint[endpoint].copies.has(({ place }) => place === 'answered' || place === 'being written'),
      ),
    ],
  },
  'cookie-reused-at-once': {
    doc: 'a response that is late finds its cookie given to the next group of the same fault queue',
    reference: 'NEST-17; Linux takes the lowest free cookie (xa_alloc), so it rests on user space not to answer late',
    violates: {
      'no group is answered with the answer to another': 41,
      'no event is handled for another than it was for': 29,
      'user space has each group that it has read, until it answers': 52,
      'what user space has in time is what it has read': 41,
    },
    set: { pinned: 1 },
    edits: ({ drop, replace }) => [
      drop(['changeDomain', 'begin', 'the VMM has drained what it had of the domain before']),
      drop(['changeDomain', 'begin', 'the guest has drained what it had of the device before']),
      replace(['read', 'lock the fault queue', 'the VMM can hold one more'], (s) =>
        s.endpoint.every(({ copies }) => !copies.isFull),
      ),
    ],
  },
  'event-dropped-without-buffer': {
    doc: 'the VMM drops a recoverable fault for which the event queue has no buffer',
    reference: 'VSVA-08',
    violates: { 'user space has each group that it has read, until it answers': 12 },
    edits: ({ addAction }) => [
      addAction(
        'dropFault',
        { endpoint: Endpoint, copy },
        {
          actor: 'vmm',
          when: {
            'the VMM holds it': (s, { endpoint, copy: held }) =>
              held.place === 'VMM' && s.endpoint[endpoint].copies.has(held),
          },
          then: {
            'drop it': (s, { endpoint, copy: held }) => {
              s.endpoint[endpoint].copies.remove(held);
            },
          },
        },
      ),
    ],
  },
  'stage-2-fault-shown-to-guest': {
    doc: 'the host hands every page request to the guest, which finds nothing amiss in stage 1',
    reference: 'NEST-18',
    violates: { 'a fault of stage 2 is not shown to the guest': 24 },
    edits: ({ replace }) => [replace(['faultThread', 'it is a fault of stage 2 alone'], () => false)],
  },
  'success-for-a-detached-device': {
    doc: 'the guest resolves an event although it has given the device up',
    reference: 'VSVA-09',
    violates: { 'what is answered for a device that is not attached is Invalid': 14 },
    edits: ({ drop }) => [drop(['resolve', 'Success is for a device that is attached'])],
  },
  'response-written-without-the-mutex': {
    doc: 'a response of user space takes its group out of the table, and a detach frees the attach handle before it is used',
    reference: 'E6 for user space; iommufd_fault_fops_write holds fault->mutex from the cookie to the answer',
    violates: {
      'no attach handle that was freed is used': 27,
      'a group on a fault queue belongs to a device that is attached there, or being detached': 26,
      'a device without domain has nothing on a fault queue': 27,
      'the mutex of a fault queue is held by who is inside': 16,
    },
    edits: ({ drop, addEffect }) => [
      drop(['writeResponse', 'lock the fault queue', 'the mutex is free']),
      drop(['writeResponse', 'lock the fault queue', 'lock it']),
      drop(['writeResponse', 'respond', 'unlock the fault queue']),
      addEffect(['writeResponse', 'respond'], 'return', (_s, _p, me) => {
        me.endpoint = null;
        me.answer = null;
        me.found = false;
      }),
    ],
  },
  'handle-of-a-failed-attach-kept': {
    doc: 'an attach fails, and its handle is never freed',
    reference: 'error path of iommufd_hwpt_attach_device',
    violates: { 'an attach handle is there for the domain of the device alone': 5 },
    edits: ({ drop }) => [drop(['changeDomain', 'free the new attach handle', 'free it'])],
  },
  'reader-not-woken': {
    doc: 'the VMM is woken before the group is on the list, finds nothing and sleeps on',
    reference: 'iommufd_fault_iopf_handler: wake_up_interruptible after list_add_tail',
    violates: { 'who reads a fault queue was woken for what is on its list': 7 },
    edits: ({ drop }) => [drop(['faultThread', 'put the group on the list', 'wake the reader'])],
  },
  'success-without-stage-2': {
    doc: 'the host answers Success although it did not map the page in stage 2: the device asks again for ever',
    reference: 'NEST-18; E9 at stage 2',
    violates: { 'Success of the host comes with a mapping in stage 2': 25 },
    edits: ({ drop }) => [drop(['faultThread', 'map the page in stage 2', 'write the entry'])],
  },
  'guest-not-told-of-a-failed-attach': {
    doc: 'the attach fails in the host, and the guest is told that its device is attached',
    reference: 'VSVA-01',
    violates: {
      'a guest thinks its device attached only while it is': 5,
      'a guest that is not about to be told knows whether its device is attached': 5,
    },
    edits: ({ replace }) => [
      replace(['changeDomain', 'return', 'the guest is told whether it is attached'], (s, { endpoint }, { to }) => {
        s.endpoint[endpoint].attachedInGuest = to !== null;
      }),
    ],
  },
});
