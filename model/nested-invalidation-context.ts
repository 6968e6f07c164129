/**
 * Contexts of nested translation: a guest attaches an assigned device with its own table of context descriptors (CD), binds
 * and unbinds processes to a PASID, detaches, is reset or ends; the host maps virtual stream IDs, installs stream table
 * entries (STE), hands out VMIDs and frees the guest's memory. (NEST-03, NEST-08, NEST-10, NEST-11, NEST-15, NEST-16, NEST-21,
 * VSVA-01, VSVA-02, VSVA-05, VSVA-11, VIOMMU-06, VIOMMU-29)
 *
 * Scope: one physical device with one or more stream IDs and an ATC for each; VMIDs; guests, each an incarnation of a VM: a
 * reset is the end of one and the start of the next with the same VMID and memory. In each guest one PASID with one ASID,
 * which its processes use one after another. The guest's requests (ATTACH_TABLE or a trapped vSTE, DETACH, INVALIDATE or
 * trapped CFGI_CD, TLBI and ATC_INV) are carried by the VMM, one at a time. A guest may also have been given a command queue
 * of its own in hardware (VCMDQ): what it would do with it is `nested-invalidation`, here it has to be taken away in time.
 *
 * Atomicity: one write of an STE, CD or register; one batch of commands with its CMD_SYNC; the effect of one command; one
 * fetch; one access. The host's changes of the device exclude each other (group mutex); invalidations run beside them.
 *
 * Fairness: the host's thread that ends guests, the SMMU and the device's acknowledgements (weak, and strong where traffic
 * can get between, as in `nested-invalidation`). Guests and VMMs owe nobody anything.
 *
 * Abstracted away, and why no bug hides there:
 * - A translation is known by the guest and the process whose memory it reaches. Pages and stage 2 are `nested-invalidation`.
 * - STE and CD are read and written whole; torn updates are CD-01..04 and D1.
 * - What a guest does is cut short when it ends, wherever it is; a step of it needs the guest to run.
 * - A Translation Request is answered from the TLB at once: what can cross it is `atc-invalidation`.
 * - A wrong vSTE is refused, or, where it is not valid, behaves as abort, which is a blocking STE (NEST-10).
 * - The guest's TLBI is by ASID, and there is one.
 */
import {
  bag,
  bool,
  each,
  type Frozen,
  model,
  oneOf,
  optional,
  range,
  record,
  sort,
  type Value,
} from '../language/index.ts';
import { commandQueue, completeSync, hasRoom, submit, submitSync } from './parts/command-queue.ts';

export const Guest = sort('guest');
export const Process = sort('process');
export const Vmid = sort('vmid');
export const Stream = sort('stream');

/** Whose memory a translation reaches. */
const translation = record({ guest: Guest, process: Process });
type Translation = Frozen<Value<typeof translation>>;

/**
 * A stream table entry that nests a guest's stage 1 in its stage 2; without one the stream is blocked. `privileged`: the guest chose
 * fields of it that are the host's.
 */
const nestedSte = record({ guest: Guest, vmid: Vmid, eats: bool, privileged: bool });

/** What a guest may write into its virtual stream table entry. */
const vste = record({ kind: oneOf('S1', 'abort', 'not allowed'), eats: bool });

const command = {
  op: oneOf('cfgi-ste', 'cfgi-cd', 'nh-all', 'nh-asid', 's12-all', 'atc-inv'),
  stream: optional(Stream),
  vmid: optional(Vmid),
};
export type Command = Frozen<Value<typeof command>>;
type Op = Command['op'];
export function forStream(op: Op, stream: Command['stream']): Command {
  return { op, stream, vmid: null };
}
export function forVmid(op: Op, vmid: Command['vmid']): Command {
  return { op, stream: null, vmid };
}

/** Who waits for a CMD_SYNC: a call for a guest, or, with `null`, the thread that changes the device. */
const issuer = { guest: optional(Guest) };

export function isSame(a: Translation | null, b: Translation | null): boolean {
  return a?.guest === b?.guest && a?.process === b?.process;
}

type GuestId = Value<typeof Guest>;
interface Asking {
  request: string;
  reply: string;
}
interface Lives {
  readonly guest: { readonly [member in GuestId]: { readonly life: string; readonly reply: string } };
}
function isRunning(s: Lives, { guest }: { readonly guest: GuestId }): boolean {
  return s.guest[guest].life === 'running';
}
function hasReply(s: Lives, { guest }: { readonly guest: GuestId }): boolean {
  return s.guest[guest].reply !== 'waiting';
}
function ask(s: { guest: { [member in GuestId]: Asking } }, guest: GuestId, request: string): void {
  s.guest[guest].request = request;
  s.guest[guest].reply = 'waiting';
}
function reply(s: { guest: { [member in GuestId]: Asking } }, guest: GuestId | null, answer: string): void {
  if (guest === null) return;
  s.guest[guest].request = 'none';
  s.guest[guest].reply = answer;
}
type Ste = Frozen<Value<typeof nestedSte>>;
function sameSte(a: Ste | null, b: Ste | null): boolean {
  return a?.guest === b?.guest && a?.vmid === b?.vmid && a?.eats === b?.eats && a?.privileged === b?.privileged;
}
/** The STE that the host makes of a vSTE, whatever it says: none that blocks, or one with the guest's VMID. */
export function steFor(
  s: { readonly guest: { readonly [member in GuestId]: { readonly vmid: Value<typeof Vmid> | null } } },
  guest: GuestId,
  { kind, eats }: { readonly kind: string; readonly eats: boolean },
): Value<typeof nestedSte> | null {
  const { vmid } = s.guest[guest];
  return vmid === null || kind === 'abort' ? null : { guest, vmid, eats, privileged: kind === 'not allowed' };
}
/** What the TLB has for a stream under the VMID of the STE in force. */
function tlbOf(
  s: {
    readonly stream: { readonly [member in Value<typeof Stream>]: { readonly applied: Ste | null } };
    readonly vmid: { readonly [member in Value<typeof Vmid>]: { readonly tlb: Translation | null } };
  },
  stream: Value<typeof Stream>,
): Translation | null {
  const { applied } = s.stream[stream];
  return applied === null ? null : s.vmid[applied.vmid].tlb;
}

/** The model. */
export const nestedInvalidationContext = model({
  name: 'nested-invalidation/context',
  doc: 'Guests attach a device with context descriptors of their own, use and reuse a PASID, detach and end; the host reuses VMIDs and memory.',
  // `live`: 1 where properties over time are decided, which need the whole graph.
  // `ats`: vSTEs may ask for ATS. `wrong`: guests also ask for what is refused.
  sizes: {
    smoke: { guest: 1, process: 1, vmid: 1, stream: 1, writes: 1, ats: 1, wrong: 0, queue: 4, live: 1 },
    next: { guest: 1, process: 2, vmid: 1, stream: 1, writes: 1, ats: 1, wrong: 0, queue: 4, live: 1 },
    refused: { guest: 1, process: 1, vmid: 1, stream: 1, writes: 1, ats: 1, wrong: 1, queue: 4, live: 1 },
    reuse: { guest: 2, process: 1, vmid: 1, stream: 1, writes: 1, ats: 0, wrong: 0, queue: 4, live: 1 },
    ci: { guest: 2, process: 2, vmid: 1, stream: 1, writes: 1, ats: 0, wrong: 0, queue: 4, live: 0 },
    deep: { guest: 2, process: 2, vmid: 2, stream: 1, writes: 1, ats: 1, wrong: 0, queue: 4, live: 0 },
  },
  state: ({ size }) => ({
    guest: each(Guest, {
      life: oneOf('not yet', 'running', 'stopping', 'gone'),
      vmid: optional(Vmid),
      /** The command queue in hardware that it was given, and the memory that it lies in. */
      ownQueue: oneOf('off', 'on'),
      queueMemory: oneOf('none', 'allocated', 'freed'),
      /** The VMM maps the page of registers through which the guest drives its queue. */
      queuePage: oneOf('unmapped', 'mapped'),
      /** The CD of the PASID, in guest memory. */
      cd: optional(Process),
      /** Its driver has the device, as far as it knows. */
      hasDevice: bool,
      /** What it asks of the VMM, and what its vSTE says. */
      request: oneOf('none', 'attach', 'detach', 'CFGI_CD', 'TLBI', 'ATC_INV'),
      vste,
      reply: oneOf('none', 'waiting', 'ok', 'error'),
      /** References that calls hold to its virtual SMMU. */
      calls: range(0, 1),
      /** The CMD_SYNC of a call for it. */
      sync: oneOf('none', 'waiting', 'done'),
      process: each(Process, { live: bool }),
    }),
    vmid: each(Vmid, {
      owner: optional(Guest),
      /** Under this VMID and the one ASID: a TLB entry, and a fetched translation on its way there. */
      tlb: optional(translation),
      walk: optional(translation),
    }),
    stream: each(Stream, {
      /** The STE in memory, and as the SMMU has fetched it. */
      ste: optional(nestedSte),
      applied: optional(nestedSte),
      /** The SMMU's copy of the CD: whose it is, and the process that it names, if it is valid. */
      cdCache: optional(record({ guest: Guest, process: optional(Process) })),
      atc: optional(translation),
    }),
    device: {
      /** The mutex of the IOMMU group. */
      locked: bool,
      /** The guest that has a virtual device, and so a virtual stream ID, for it. */
      assigned: optional(Guest),
      ats: bool,
      /** What the device works for. */
      work: optional(translation),
      writes: bag(size.writes, {
        guest: Guest,
        process: Process,
        stream: Stream,
        translatedBy: oneOf('device', 'smmu'),
      }),
      sync: oneOf('none', 'waiting', 'done'),
    },
    queue: commandQueue(size.queue, command, issuer),
    /** What must never happen; see the properties. */
    harm: { misdirected: bool, overwritten: bool, foreignTable: bool, foreignQueue: bool },
  }),

  actions: ({ action, procedure, members, size }) => ({
    start: action(
      { guest: Guest, vmid: Vmid },
      {
        actor: 'vmm',
        doc: 'a VM starts, or starts again: it gets a virtual SMMU with a VMID, and a command queue of its own',
        source: 'NEST-15',
        when: {
          'it has not run yet': (s, { guest }) => s.guest[guest].life === 'not yet',
          'the VMID is free': (s, { vmid }) => s.vmid[vmid].owner === null,
        },
        then: {
          'take the VMID': (s, { guest, vmid }) => {
            s.vmid[vmid].owner = guest;
            s.guest[guest].vmid = vmid;
          },
          'allocate the queue memory': (s, { guest }) => {
            s.guest[guest].queueMemory = 'allocated';
          },
          'enable its queue': (s, { guest }) => {
            s.guest[guest].ownQueue = 'on';
          },
          'map its page of registers': (s, { guest }) => {
            s.guest[guest].queuePage = 'mapped';
          },
          run: (s, { guest }) => {
            s.guest[guest].life = 'running';
          },
        },
      },
    ),
    assign: action(
      { guest: Guest },
      {
        actor: 'vmm',
        doc: 'the VMM assigns the device: a virtual stream ID stands for its stream IDs',
        source: ['NEST-08', 'NEST-16'],
        when: {
          'the guest runs': (s, { guest }) => s.guest[guest].life === 'running',
          'its driver knows of no device': (s, { guest }) => !s.guest[guest].hasDevice,
          'the device is free': (s) => s.device.assigned === null,
          'nobody holds the group mutex': (s) => !s.device.locked,
        },
        then: {
          'create the virtual device': (s, { guest }) => {
            s.device.assigned = guest;
          },
        },
      },
    ),

    driver: procedure(
      { guest: Guest },
      {
        actor: 'guest',
        doc: 'the guest attaches the device, binds its processes to the PASID one after another, and releases the device',
        repeat: true,
        locals: { process: optional(Process), released: bool },
        steps: ({ step, branch, loop }) => [
          step('ask to attach', {
            doc: 'ATTACH_TABLE, or a virtual STE with CFGI_STE',
            source: 'VSVA-01',
            choose: {
              kind: size.wrong > 0 ? oneOf('S1', 'abort', 'not allowed') : oneOf('S1'),
              eats: bool,
            },
            when: {
              'the guest runs': isRunning,
              'the device is its': (s, { guest }) => s.device.assigned === guest,
              'ATS is asked for only where it is explored': (_s, { eats }) => !eats || size.ats > 0,
            },
            then: {
              'send the request': (s, { guest, kind, eats }) => {
                s.guest[guest].vste = { kind, eats };
                s.guest[guest].request = 'attach';
                s.guest[guest].reply = 'waiting';
              },
              'have the device': (s, { guest }) => {
                s.guest[guest].hasDevice = true;
              },
            },
          }),
          step('wait for the reply to attach', {
            source: 'VSVA-01',
            when: { 'the guest runs': isRunning, 'there is a reply': hasReply },
          }),
          branch('it is attached', {
            fused: true,
            if: (s, { guest }) => s.guest[guest].reply === 'ok',
            then: [
              loop('it keeps the device', {
                fused: true,
                while: (_s, _p, { released }) => !released,
                do: [
                  step('bind a process', {
                    source: ['VSVA-02', 'VSVA-05'],
                    choose: { process: Process },
                    when: { 'the guest runs': isRunning },
                    then: {
                      'the process takes the PASID': (s, { guest, process }, me) => {
                        s.guest[guest].process[process].live = true;
                        me.process = process;
                      },
                      'write the CD': (s, { guest, process }) => {
                        s.guest[guest].cd = process;
                      },
                    },
                  }),
                  step('ask for CFGI_CD of the new CD', {
                    doc: 'the SMMU may have cached that it was invalid',
                    source: 'VSVA-02',
                    when: { 'the guest runs': isRunning },
                    then: { 'send the request': (s, { guest }) => ask(s, guest, 'CFGI_CD') },
                  }),
                  step('wait for CFGI_CD of the new CD', {
                    source: 'VSVA-02',
                    when: { 'the guest runs': isRunning, 'there is a reply': hasReply },
                  }),
                  step('start the device', {
                    source: 'VSVA-01',
                    when: { 'the guest runs': isRunning },
                    then: {
                      'work for the process, if it is still there': (s, { guest }, { process }) => {
                        if (process !== null && s.device.assigned === guest) s.device.work = { guest, process };
                      },
                    },
                  }),
                  step('stop the device', {
                    doc: 'for the process to leave, or to release the whole device',
                    source: 'VSVA-10',
                    choose: { release: bool },
                    when: { 'the guest runs': isRunning },
                    then: {
                      'work for nobody': (s, { guest }) => {
                        if (s.device.work?.guest === guest) s.device.work = null;
                      },
                      'note whether it is released': (_s, { release }, me) => {
                        me.released = release;
                      },
                    },
                  }),
                  branch('the process leaves', {
                    fused: true,
                    if: (_s, _p, { released }) => !released,
                    then: [
                      step('wait until the device is idle', {
                        source: 'VSVA-10',
                        when: { 'the guest runs': isRunning, 'no write is under way': (s) => s.device.writes.isEmpty },
                      }),
                      step('clear the CD', {
                        source: 'VSVA-10',
                        when: { 'the guest runs': isRunning },
                        then: {
                          'write the CD': (s, { guest }) => {
                            s.guest[guest].cd = null;
                          },
                        },
                      }),
                      step('ask for CFGI_CD', {
                        source: 'VSVA-10',
                        when: { 'the guest runs': isRunning },
                        then: { 'send the request': (s, { guest }) => ask(s, guest, 'CFGI_CD') },
                      }),
                      step('wait for CFGI_CD', {
                        source: 'VSVA-10',
                        when: { 'the guest runs': isRunning, 'there is a reply': hasReply },
                      }),
                      step('ask for TLBI', {
                        source: ['VSVA-10', 'NEST-21'],
                        when: { 'the guest runs': isRunning },
                        then: { 'send the request': (s, { guest }) => ask(s, guest, 'TLBI') },
                      }),
                      step('wait for TLBI', {
                        source: 'VSVA-10',
                        when: { 'the guest runs': isRunning, 'there is a reply': hasReply },
                      }),
                      branch('it had asked for ATS', {
                        fused: true,
                        if: (s, { guest }) => s.guest[guest].vste.eats,
                        then: [
                          step('ask for ATC_INV', {
                            source: ['NEST-11', 'VSVA-10'],
                            when: { 'the guest runs': isRunning },
                            then: { 'send the request': (s, { guest }) => ask(s, guest, 'ATC_INV') },
                          }),
                          step('wait for ATC_INV', {
                            source: 'VSVA-10',
                            when: { 'the guest runs': isRunning, 'there is a reply': hasReply },
                          }),
                        ],
                      }),
                      step('free the process', {
                        source: 'VSVA-10',
                        when: { 'the guest runs': isRunning },
                        then: {
                          'its memory and the PASID are free': (s, { guest }, me) => {
                            if (me.process !== null) s.guest[guest].process[me.process].live = false;
                            s.guest[guest].reply = 'none';
                            me.process = null;
                          },
                        },
                      }),
                    ],
                  }),
                ],
              }),
              step('ask to detach', {
                doc: 'the endpoint goes away: its driver lets go of it, or it is unplugged',
                source: ['VIOMMU-06', 'VIOMMU-29'],
                when: { 'the guest runs': isRunning },
                then: { 'send the request': (s, { guest }) => ask(s, guest, 'detach') },
              }),
              step('wait for the reply to detach', {
                source: ['VIOMMU-06', 'VIOMMU-29'],
                when: { 'the guest runs': isRunning, 'there is a reply': hasReply },
              }),
              step('free the domain', {
                source: 'VIOMMU-29',
                when: { 'the guest runs': isRunning },
                then: {
                  'its tables and the memory of its processes are free': (s, { guest }, me) => {
                    for (const process of s.guest[guest].process) process.live = false;
                    s.guest[guest].cd = null;
                    me.process = null;
                  },
                },
              }),
            ],
          }),
          step('return', {
            when: { 'the guest runs': isRunning },
            then: {
              'forget the device': (s, { guest }, me) => {
                s.guest[guest].hasDevice = false;
                s.guest[guest].reply = 'none';
                s.guest[guest].vste = { kind: 'S1', eats: false };
                me.released = false;
              },
            },
          }),
        ],
      },
    ),

    invalidate: procedure(
      { guest: Guest },
      {
        actor: 'iommufd',
        doc: "a call of the VMM carries one of the guest's invalidations to the command queue",
        repeat: true,
        fairness: 'weak',
        locals: { op: oneOf('cfgi-cd', 'nh-asid', 'atc-inv'), refused: bool, streams: bool },
        steps: ({ step, branch }) => [
          step('take the request', {
            source: 'NEST-08',
            fairness: 'none',
            when: {
              'the guest runs': isRunning,
              'an invalidation is asked for': (s, { guest }) =>
                s.guest[guest].request === 'CFGI_CD' ||
                s.guest[guest].request === 'TLBI' ||
                s.guest[guest].request === 'ATC_INV',
            },
            then: {
              'take a reference': (s, { guest }) => {
                s.guest[guest].calls += 1;
              },
              'read it': (s, { guest }, me) => {
                const { request } = s.guest[guest];
                if (request === 'CFGI_CD') me.op = 'cfgi-cd';
                if (request === 'TLBI') me.op = 'nh-asid';
                if (request === 'ATC_INV') me.op = 'atc-inv';
              },
              'look the stream IDs of the virtual one up': (s, { guest }, me) => {
                me.streams = me.op !== 'nh-asid' && s.device.assigned === guest;
                me.refused = me.op !== 'nh-asid' && s.device.assigned !== guest;
              },
            },
          }),
          branch('it can be converted', {
            fused: true,
            if: (_s, _p, { refused }) => !refused,
            then: [
              step('issue the commands', {
                source: ['NEST-08', 'NEST-09'],
                when: { 'the command queue has room': (s) => hasRoom(s.queue, members(Stream).length + 1) },
                then: {
                  'queue a command for each stream ID, or with the VMID': (s, { guest }, { op, streams }) => {
                    if (!streams) submit(s.queue, forVmid(op, s.guest[guest].vmid));
                    else for (const stream of members(Stream)) submit(s.queue, forStream(op, stream));
                  },
                  'queue CMD_SYNC': (s, { guest }) => {
                    submitSync(s.queue, { guest });
                    s.guest[guest].sync = 'waiting';
                  },
                },
              }),
              step('wait for the commands', {
                when: { 'CMD_SYNC has completed': (s, { guest }) => s.guest[guest].sync !== 'waiting' },
              }),
            ],
          }),
          step('reply', {
            source: 'VSVA-04',
            then: {
              'use the request': (s, { guest }, me) => {
                s.guest[guest].request = 'none';
                s.guest[guest].reply = me.refused ? 'error' : 'ok';
                s.guest[guest].sync = 'none';
                s.guest[guest].calls -= 1;
                me.op = 'cfgi-cd';
                me.refused = false;
                me.streams = false;
              },
            },
          }),
        ],
      },
    ),

    changeDevice: procedure(
      {},
      {
        actor: 'iommufd',
        doc: 'attaches or detaches the device as its guest asks, or takes it away, from a guest that ends or one that goes on',
        repeat: true,
        fairness: 'weak',
        locals: {
          guest: optional(Guest),
          task: oneOf('attach', 'detach', 'unassign', 'end'),
          /** The vSTE as the host has copied it: the guest may write another one at any time. */
          vste,
        },
        steps: ({ step, branch }) => [
          step('take the mutex', {
            doc: 'of the IOMMU group; a guest that asks no longer counts when it ends',
            fairness: 'none',
            choose: { guest: Guest, task: oneOf('attach', 'detach', 'unassign', 'end'), rewrites: bool },
            when: {
              'the guest runs': isRunning,
              'the guest rewrites its vSTE only where that is explored': (_s, { task, rewrites }) =>
                !rewrites || (size.wrong > 0 && task === 'attach'),
              'that is asked for': (s, { guest, task }) => {
                if (task === 'end') return true;
                return task === 'unassign' ? s.device.assigned === guest : s.guest[guest].request === task;
              },
            },
            then: {
              'lock it': (s) => {
                s.device.locked = true;
              },
              'note the task': (_s, { guest, task }, me) => {
                me.guest = guest;
                me.task = task;
              },
              'copy the vSTE': (s, { guest, task }, me) => {
                if (task === 'attach') me.vste = { ...s.guest[guest].vste };
              },
              'the guest writes another one behind that': (s, { guest, rewrites }) => {
                if (rewrites) s.guest[guest].vste.kind = 'not allowed';
              },
              'stop the processors of a guest that ends': (s, { guest, task }) => {
                if (task === 'end') s.guest[guest].life = 'stopping';
              },
            },
          }),
          branch('it is to be attached', {
            fused: true,
            if: (_s, _p, { task }) => task === 'attach',
            then: [
              branch('it has a virtual device, and its vSTE is allowed', {
                fused: true,
                if: (s, _p, { guest, vste: copied }) =>
                  guest !== null && s.device.assigned === guest && copied.kind !== 'not allowed',
                then: [
                  step('write the nested STE', {
                    source: ['NEST-10', 'VSVA-01'],
                    when: { 'the command queue has room': (s) => hasRoom(s.queue, members(Stream).length + 1) },
                    then: {
                      'write the STE of each stream': (s, _p, { guest, vste: copied }) => {
                        if (guest !== null) for (const stream of s.stream) stream.ste = steFor(s, guest, copied);
                      },
                      'queue CFGI_STE': (s) => {
                        for (const stream of members(Stream)) submit(s.queue, forStream('cfgi-ste', stream));
                      },
                      'queue CMD_SYNC': (s) => {
                        submitSync(s.queue, { guest: null });
                        s.device.sync = 'waiting';
                      },
                    },
                  }),
                  step('wait for CFGI_STE of the nested STE', {
                    source: 'VSVA-01',
                    when: { 'CMD_SYNC has completed': (s) => s.device.sync !== 'waiting' },
                  }),
                  step('enable ATS if the vSTE asks for it', {
                    source: 'NEST-11',
                    then: {
                      'set Enable': (s, _p, { vste: copied }) => {
                        if (copied.kind === 'S1') s.device.ats = copied.eats;
                      },
                    },
                  }),
                  step('reply to attach', {
                    source: 'VSVA-01',
                    then: { 'use the request': (s, _p, { guest }) => reply(s, guest, 'ok') },
                  }),
                ],
                else: [
                  step('refuse to attach', {
                    source: ['NEST-08', 'NEST-10'],
                    then: { 'use the request': (s, _p, { guest }) => reply(s, guest, 'error') },
                  }),
                ],
              }),
            ],
            else: [
              branch('the device is its', {
                fused: true,
                if: (s, _p, { guest }) => s.device.assigned === guest,
                then: [
                  step('disable ATS', {
                    source: ['CD-18', 'VSVA-11'],
                    then: {
                      'clear Enable': (s) => {
                        s.device.ats = false;
                      },
                    },
                  }),
                  step('write the blocking STE', {
                    source: ['NEST-16', 'VSVA-11'],
                    when: { 'the command queue has room': (s) => hasRoom(s.queue, members(Stream).length + 1) },
                    then: {
                      'write the STE of each stream': (s) => {
                        for (const stream of s.stream) stream.ste = null;
                      },
                      'queue CFGI_STE': (s) => {
                        for (const stream of members(Stream)) submit(s.queue, forStream('cfgi-ste', stream));
                      },
                      'queue CMD_SYNC': (s) => {
                        submitSync(s.queue, { guest: null });
                        s.device.sync = 'waiting';
                      },
                    },
                  }),
                  step('wait for CFGI_STE of the blocking STE', {
                    source: 'VSVA-11',
                    when: { 'CMD_SYNC has completed': (s) => s.device.sync !== 'waiting' },
                  }),
                  step('submit TLBI of stage 1', {
                    doc: 'after a DETACH the guest may reuse the domain: nothing of it may be left under its VMID',
                    source: ['VIOMMU-06', 'CD-19'],
                    when: { 'the command queue has room': (s) => hasRoom(s.queue, 2) },
                    then: {
                      'queue TLBI_NH_ALL': (s, _p, { guest }) => {
                        if (guest !== null) submit(s.queue, forVmid('nh-all', s.guest[guest].vmid));
                      },
                      'queue CMD_SYNC': (s) => {
                        submitSync(s.queue, { guest: null });
                        s.device.sync = 'waiting';
                      },
                    },
                  }),
                  step('wait for TLBI of stage 1', {
                    source: 'VSVA-11',
                    when: { 'CMD_SYNC has completed': (s) => s.device.sync !== 'waiting' },
                  }),
                  step('submit ATC_INV', {
                    source: ['CD-18', 'VSVA-11'],
                    when: { 'the command queue has room': (s) => hasRoom(s.queue, members(Stream).length + 1) },
                    then: {
                      'queue ATC_INV for each stream': (s) => {
                        for (const stream of members(Stream)) submit(s.queue, forStream('atc-inv', stream));
                      },
                      'queue CMD_SYNC': (s) => {
                        submitSync(s.queue, { guest: null });
                        s.device.sync = 'waiting';
                      },
                    },
                  }),
                  step('wait for ATC_INV', {
                    source: 'VSVA-11',
                    when: { 'CMD_SYNC has completed': (s) => s.device.sync !== 'waiting' },
                  }),
                ],
              }),
              branch('the guest asked for it', {
                fused: true,
                if: (_s, _p, { task }) => task === 'detach',
                then: [
                  step('reply to detach', {
                    source: 'VIOMMU-06',
                    then: { 'use the request': (s, _p, { guest }) => reply(s, guest, 'ok') },
                  }),
                ],
                else: [
                  step('destroy the virtual device', {
                    source: ['NEST-08', 'NEST-16'],
                    then: {
                      'its virtual stream ID stands for nothing': (s, _p, { guest }) => {
                        if (s.device.assigned === guest) s.device.assigned = null;
                      },
                    },
                  }),
                  step('reset the device', {
                    doc: 'nothing of the guest is left in the device for the next one',
                    source: 'VSVA-11',
                    then: {
                      'work for nobody': (s, _p, { guest }) => {
                        if (s.device.work?.guest === guest) s.device.work = null;
                      },
                    },
                  }),
                  branch('the guest ends', {
                    fused: true,
                    if: (_s, _p, { task }) => task === 'end',
                    then: [
                      step('unmap the page of registers', {
                        doc: 'a mapping holds a reference to the queue; it goes with the address space of the VMM',
                        source: 'NEST-15',
                        then: {
                          'unmap it': (s, _p, { guest }) => {
                            if (guest !== null) s.guest[guest].queuePage = 'unmapped';
                          },
                        },
                      }),
                      step("stop the guest's own queue", {
                        doc: 'a last CMD_SYNC is written into the queue to drain it',
                        source: 'G10',
                        then: {
                          'write CMD_SYNC into the queue': (s, _p, { guest }) => {
                            if (guest !== null && s.guest[guest].queueMemory !== 'allocated')
                              s.harm.foreignQueue = true;
                          },
                          'disable the queue': (s, _p, { guest }) => {
                            if (guest !== null) s.guest[guest].ownQueue = 'off';
                          },
                        },
                      }),
                      step('free the queue memory', {
                        source: 'G10',
                        then: {
                          'give it to the allocator': (s, _p, { guest }) => {
                            if (guest !== null) s.guest[guest].queueMemory = 'freed';
                          },
                        },
                      }),
                      step('wait for the last call', {
                        doc: 'calls hold a reference to the virtual SMMU',
                        source: 'NEST-15',
                        when: {
                          'no invalidation of the guest is under way': (s, _p, { guest }) =>
                            guest === null || s.guest[guest].calls === 0,
                        },
                      }),
                      step('submit TLBI of the VMID', {
                        source: ['NEST-15', 'VSVA-11'],
                        when: { 'the command queue has room': (s) => hasRoom(s.queue, 2) },
                        then: {
                          'queue TLBI_S12_VMALL': (s, _p, { guest }) => {
                            if (guest !== null) submit(s.queue, forVmid('s12-all', s.guest[guest].vmid));
                          },
                          'queue CMD_SYNC': (s) => {
                            submitSync(s.queue, { guest: null });
                            s.device.sync = 'waiting';
                          },
                        },
                      }),
                      step('wait for TLBI of the VMID', {
                        source: ['NEST-15', 'VSVA-11'],
                        when: { 'CMD_SYNC has completed': (s) => s.device.sync !== 'waiting' },
                      }),
                      step('free the VMID', {
                        source: 'NEST-15',
                        then: {
                          'give it back': (s, _p, { guest }) => {
                            const vmid = guest === null ? null : s.guest[guest].vmid;
                            if (guest === null || vmid === null) return;
                            s.vmid[vmid].owner = null;
                            s.guest[guest].vmid = null;
                          },
                        },
                      }),
                      step('free the guest memory', {
                        source: 'VSVA-11',
                        then: {
                          "all is somebody else's": (s, _p, { guest }) => {
                            if (guest === null) return;
                            s.guest[guest].life = 'gone';
                            s.guest[guest].request = 'none';
                            s.guest[guest].reply = 'none';
                            s.guest[guest].cd = null;
                            s.guest[guest].hasDevice = false;
                            s.guest[guest].vste = { kind: 'S1', eats: false };
                            for (const process of s.guest[guest].process) process.live = false;
                          },
                        },
                      }),
                    ],
                  }),
                ],
              }),
            ],
          }),
          step('release the mutex', {
            then: {
              'unlock it': (s, _p, me) => {
                s.device.locked = false;
                s.device.sync = 'none';
                me.guest = null;
                me.task = 'attach';
                me.vste = { kind: 'S1', eats: false };
              },
            },
          }),
        ],
      },
    ),

    fetchSte: action(
      { stream: Stream },
      {
        actor: 'smmu',
        doc: 'the SMMU may read a changed STE before it is told to',
        when: { 'the STE has changed': (s, { stream }) => !sameSte(s.stream[stream].applied, s.stream[stream].ste) },
        then: {
          'go by the new STE': (s, { stream }) => {
            const { ste } = s.stream[stream];
            s.stream[stream].applied = ste === null ? null : { ...ste };
          },
        },
      },
    ),
    completeCfgiSte: action(
      { stream: Stream },
      {
        actor: 'smmu',
        doc: 'a changed STE is read, and copies of CDs that were found through the old one are dropped',
        source: 'CD-04',
        fairness: 'strong',
        when: {
          'it is in the window': (s, { stream }) => s.queue.window.has(forStream('cfgi-ste', stream)),
          'accesses that it let through are in memory': (s, { stream }) =>
            !s.device.writes.has((w) => w.stream === stream && w.translatedBy === 'smmu'),
        },
        then: {
          'go by the new STE': (s, { stream }) => {
            const { ste } = s.stream[stream];
            s.stream[stream].applied = ste === null ? null : { ...ste };
          },
          'drop the copy of the CD': (s, { stream }) => {
            s.stream[stream].cdCache = null;
          },
          'complete the command': (s, { stream }) => {
            s.queue.window.remove(forStream('cfgi-ste', stream));
          },
        },
      },
    ),
    fetchCd: action(
      { stream: Stream },
      {
        actor: 'smmu',
        doc: 'the SMMU reads the CD from the table in guest memory, valid or not',
        source: ['NEST-01', 'NEST-03', 'VSVA-02'],
        when: {
          'the STE in force nests a guest': (s, { stream }) => s.stream[stream].applied !== null,
          'it has no copy': (s, { stream }) => s.stream[stream].cdCache === null,
        },
        then: {
          'read it': (s, { stream }) => {
            const { applied } = s.stream[stream];
            if (applied === null) return;
            s.stream[stream].cdCache = { guest: applied.guest, process: s.guest[applied.guest].cd };
            if (s.guest[applied.guest].life === 'gone') s.harm.foreignTable = true;
          },
        },
      },
    ),
    evictCd: action(
      { stream: Stream },
      {
        actor: 'smmu',
        when: { 'a copy is there': (s, { stream }) => s.stream[stream].cdCache !== null },
        then: {
          'drop it': (s, { stream }) => {
            s.stream[stream].cdCache = null;
          },
        },
      },
    ),
    completeCfgiCd: action(
      { stream: Stream },
      {
        actor: 'smmu',
        source: ['VSVA-02', 'NEST-08'],
        fairness: 'weak',
        when: { 'it is in the window': (s, { stream }) => s.queue.window.has(forStream('cfgi-cd', stream)) },
        then: {
          'drop the copy of the CD': (s, { stream }) => {
            s.stream[stream].cdCache = null;
          },
          'complete the command': (s, { stream }) => {
            s.queue.window.remove(forStream('cfgi-cd', stream));
          },
        },
      },
    ),
    walk: action(
      { stream: Stream },
      {
        actor: 'smmu',
        doc: 'a walk of the tables that the CD names, for a request or of its own accord',
        source: 'NEST-01',
        when: {
          'the STE in force nests a guest': (s, { stream }) => s.stream[stream].applied !== null,
          'the copy of the CD names a process': (s, { stream }) => (s.stream[stream].cdCache?.process ?? null) !== null,
          'the TLB could use it': (s, { stream }) => {
            const { applied } = s.stream[stream];
            return applied !== null && s.vmid[applied.vmid].tlb === null && s.vmid[applied.vmid].walk === null;
          },
        },
        then: {
          'read the tables': (s, { stream }) => {
            const { applied, cdCache } = s.stream[stream];
            if (applied === null || cdCache === null || cdCache.process === null) return;
            const { guest, process } = cdCache;
            s.vmid[applied.vmid].walk = { guest, process };
            if (!s.guest[guest].process[process].live) s.harm.foreignTable = true;
          },
        },
      },
    ),
    insert: action(
      { vmid: Vmid },
      {
        actor: 'smmu',
        source: ['NEST-05', 'NEST-21'],
        when: { 'a fetched translation is there': (s, { vmid }) => s.vmid[vmid].walk !== null },
        then: {
          'put it into the TLB under VMID and ASID': (s, { vmid }) => {
            const { walk } = s.vmid[vmid];
            s.vmid[vmid].tlb = walk === null ? null : { ...walk };
            s.vmid[vmid].walk = null;
          },
        },
      },
    ),
    evictTlb: action(
      { vmid: Vmid },
      {
        actor: 'smmu',
        when: { 'an entry is there': (s, { vmid }) => s.vmid[vmid].tlb !== null },
        then: {
          'drop it': (s, { vmid }) => {
            s.vmid[vmid].tlb = null;
          },
        },
      },
    ),
    completeTlbi: action(
      { vmid: Vmid, op: oneOf('nh-asid', 'nh-all', 's12-all') },
      {
        actor: 'smmu',
        source: ['NEST-05', 'NEST-15'],
        fairness: 'strong',
        when: {
          'it is in the window': (s, { vmid, op }) => s.queue.window.has(forVmid(op, vmid)),
          'accesses that it translated are in memory': (s) => !s.device.writes.has((w) => w.translatedBy === 'smmu'),
        },
        then: {
          'drop the entry': (s, { vmid }) => {
            s.vmid[vmid].tlb = null;
          },
          'discard walks': (s, { vmid }) => {
            s.vmid[vmid].walk = null;
          },
          'complete the command': (s, { vmid, op }) => {
            s.queue.window.remove(forVmid(op, vmid));
          },
        },
      },
    ),
    completeSync: action(
      {},
      {
        actor: 'smmu',
        source: 'INV-02',
        fairness: 'weak',
        when: {
          'a CMD_SYNC is there': (s) => !s.queue.behind.isEmpty,
          'all before it is complete': (s) => s.queue.window.isEmpty,
        },
        then: {
          'tell who waits': (s) => {
            const { guest } = completeSync(s.queue);
            if (s.queue.behind.has((entry) => entry.issuer !== null && entry.issuer.guest === guest)) return;
            if (guest === null) s.device.sync = 'done';
            else s.guest[guest].sync = 'done';
          },
        },
      },
    ),

    translateForAtc: action(
      { stream: Stream },
      {
        actor: 'device',
        doc: 'a Translation Request is answered from the TLB, and the answer is cached',
        source: ['ATS-01', 'ATS-02', 'NEST-11'],
        when: {
          'ATS is enabled': (s) => s.device.ats,
          'the STE in force allows it': (s, { stream }) => s.stream[stream].applied?.eats ?? false,
          'the TLB has a translation': (s, { stream }) => tlbOf(s, stream) !== null,
          'the device works for somebody': (s) => s.device.work !== null,
        },
        then: {
          'cache it': (s, { stream }) => {
            const found = tlbOf(s, stream);
            s.stream[stream].atc = found === null ? null : { ...found };
          },
        },
      },
    ),
    evictAtc: action(
      { stream: Stream },
      {
        actor: 'device',
        source: 'ATS-19',
        when: { 'an entry is there': (s, { stream }) => s.stream[stream].atc !== null },
        then: {
          'drop it': (s, { stream }) => {
            s.stream[stream].atc = null;
          },
        },
      },
    ),
    invalidateAtc: action(
      { stream: Stream },
      {
        actor: 'device',
        source: ['ATS-16', 'ATS-18'],
        fairness: 'strong',
        when: {
          'an ATC_INV is outstanding': (s, { stream }) => s.queue.window.has(forStream('atc-inv', stream)),
          'older posted writes went ahead of it': (s, { stream }) =>
            !s.device.writes.has((w) => w.stream === stream && w.translatedBy === 'device'),
        },
        then: {
          'drop the ATC entry': (s, { stream }) => {
            s.stream[stream].atc = null;
          },
          'complete the command': (s, { stream }) => {
            s.queue.window.remove(forStream('atc-inv', stream));
          },
        },
      },
    ),
    write: action(
      { stream: Stream, translatedBy: oneOf('device', 'smmu') },
      {
        actor: 'device',
        doc: 'with the PASID, for whom the device works: translated through the ATC, or by the SMMU from its TLB',
        source: ['ATS-15', 'VSVA-05'],
        when: {
          'the device works for somebody': (s) => s.device.work !== null,
          'there is a translation': (s, { stream, translatedBy }) =>
            translatedBy === 'device' ? s.stream[stream].atc !== null : tlbOf(s, stream) !== null,
          'ATS is enabled if it uses the ATC': (s, { translatedBy }) => translatedBy === 'smmu' || s.device.ats,
          'it can have one more under way': (s) => !s.device.writes.isFull,
        },
        then: {
          'send it': (s, { stream, translatedBy }) => {
            const used = translatedBy === 'device' ? s.stream[stream].atc : tlbOf(s, stream);
            if (used === null) return;
            s.device.writes.add({ guest: used.guest, process: used.process, stream, translatedBy });
          },
          'it goes where the device works, or it is misdirected': (s, { stream, translatedBy }) => {
            const used = translatedBy === 'device' ? s.stream[stream].atc : tlbOf(s, stream);
            if (!isSame(used, s.device.work)) s.harm.misdirected = true;
          },
        },
      },
    ),
    reachMemory: action(
      { guest: Guest, process: Process, stream: Stream, translatedBy: oneOf('device', 'smmu') },
      {
        actor: 'smmu',
        doc: 'a translated write is let through if the STE in force allows ATS; the SMMU looks no further',
        source: ['ATS-02', 'NEST-04', 'VSVA-11'],
        fairness: 'weak',
        when: {
          'it is under way': (s, { guest, process, stream, translatedBy }) =>
            s.device.writes.has({ guest, process, stream, translatedBy }),
        },
        then: {
          'write the memory, or refuse it': (s, { guest, process, stream, translatedBy }) => {
            if (translatedBy === 'device' && !(s.stream[stream].applied?.eats ?? false)) return;
            if (!s.guest[guest].process[process].live) s.harm.overwritten = true;
          },
          'be done': (s, { guest, process, stream, translatedBy }) => {
            s.device.writes.remove({ guest, process, stream, translatedBy });
          },
        },
      },
    ),
  }),
});
