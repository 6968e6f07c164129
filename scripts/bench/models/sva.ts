/**
 * Invalidation of SMMU TLB and device ATC through one in-order command queue: the benchmark of this kind of protocol. Each
 * page of each process is unmapped by queueing TLBI, ATC_INV and CMD_SYNC, while devices request, use and evict translations.
 */
/* oxlint-disable typescript/unbound-method -- as for the protocols in model/: what a model is built with needs no `this` */
import { bool, each, model, oneOf, properties, queue, sort } from '../../../language/index.ts';

const Process = sort('process');
const Page = sort('page');
const Device = sort('device');

export const sva = model({
  name: 'bench/sva',
  doc: 'Unmapping pages of processes whose translations a TLB and the ATCs of devices hold.',
  // `queue` is the number of commands that the queue holds.
  sizes: {
    smoke: { process: 2, page: 1, device: 1, queue: 1 },
    ci: { process: 3, page: 1, device: 1, queue: 2 },
    medium: { process: 2, page: 1, device: 3, queue: 2 },
    deep: { process: 4, page: 1, device: 1, queue: 3 },
  },
  state: ({ size }) => ({
    page: each(Process, Page, {
      /** How far the unmapping is: what is to be queued next, until the processor waits for CMD_SYNC. */
      unmap: oneOf('free', 'mapped', 'tlbi', 'atc-inv', 'sync', 'waiting'),
      tlb: bool,
    }),
    device: each(Device, Process, Page, {
      atc: bool,
      request: oneOf('none', 'sent', 'answered'),
      /** An Invalidate Request is under way. */
      invalidate: bool,
    }),
    queue: queue(size.queue, { op: oneOf('tlbi', 'atc-inv', 'sync'), process: Process, page: Page }),
  }),
  actions: ({ action, members }) => ({
    map: action(
      { process: Process, page: Page },
      {
        actor: 'cpu',
        when: { 'the page is free': (s, { process, page }) => s.page[process][page].unmap === 'free' },
        then: { 'map it': (s, { process, page }) => void (s.page[process][page].unmap = 'mapped') },
      },
    ),
    unmap: action(
      { process: Process, page: Page },
      {
        actor: 'cpu',
        when: { 'the page is mapped': (s, { process, page }) => s.page[process][page].unmap === 'mapped' },
        then: { 'clear the PTE': (s, { process, page }) => void (s.page[process][page].unmap = 'tlbi') },
      },
    ),
    queueTlbi: action(
      { process: Process, page: Page },
      {
        actor: 'cpu',
        when: {
          'TLBI is next': (s, { process, page }) => s.page[process][page].unmap === 'tlbi',
          'the queue has room': (s) => !s.queue.isFull,
        },
        then: {
          'queue TLBI': (s, { process, page }) => s.queue.push({ op: 'tlbi', process, page }),
          'go on': (s, { process, page }) => void (s.page[process][page].unmap = 'atc-inv'),
        },
      },
    ),
    queueAtcInv: action(
      { process: Process, page: Page },
      {
        actor: 'cpu',
        when: {
          'ATC_INV is next': (s, { process, page }) => s.page[process][page].unmap === 'atc-inv',
          'the queue has room': (s) => !s.queue.isFull,
        },
        then: {
          'queue ATC_INV': (s, { process, page }) => s.queue.push({ op: 'atc-inv', process, page }),
          'go on': (s, { process, page }) => void (s.page[process][page].unmap = 'sync'),
        },
      },
    ),
    queueSync: action(
      { process: Process, page: Page },
      {
        actor: 'cpu',
        when: {
          'CMD_SYNC is next': (s, { process, page }) => s.page[process][page].unmap === 'sync',
          'the queue has room': (s) => !s.queue.isFull,
        },
        then: {
          'queue CMD_SYNC': (s, { process, page }) => s.queue.push({ op: 'sync', process, page }),
          'wait for it': (s, { process, page }) => void (s.page[process][page].unmap = 'waiting'),
        },
      },
    ),

    request: action(
      { device: Device, process: Process, page: Page },
      {
        actor: 'device',
        when: {
          'it has no entry': (s, { device, process, page }) => !s.device[device][process][page].atc,
          'no request is under way': (s, { device, process, page }) =>
            s.device[device][process][page].request === 'none',
        },
        then: {
          'send a request': (s, { device, process, page }) => void (s.device[device][process][page].request = 'sent'),
        },
      },
    ),
    complete: action(
      { device: Device, process: Process, page: Page },
      {
        actor: 'device',
        when: {
          'an answer has come': (s, { device, process, page }) =>
            s.device[device][process][page].request === 'answered',
        },
        then: {
          'fill the ATC': (s, { device, process, page }) => {
            s.device[device][process][page].request = 'none';
            s.device[device][process][page].atc = true;
          },
        },
      },
    ),
    evict: action(
      { device: Device, process: Process, page: Page },
      {
        actor: 'device',
        when: { 'it has an entry': (s, { device, process, page }) => s.device[device][process][page].atc },
        then: {
          'drop it': (s, { device, process, page }) => void (s.device[device][process][page].atc = false),
        },
      },
    ),
    invalidate: action(
      { device: Device, process: Process, page: Page },
      {
        actor: 'device',
        when: {
          'an Invalidate Request has come': (s, { device, process, page }) =>
            s.device[device][process][page].invalidate,
        },
        then: {
          'drop entry and answer': (s, { device, process, page }) => {
            const own = s.device[device][process][page];
            own.invalidate = false;
            own.atc = false;
            if (own.request === 'answered') own.request = 'none';
          },
        },
      },
    ),

    answer: action(
      { device: Device, process: Process, page: Page },
      {
        actor: 'smmu',
        when: {
          'a request has come': (s, { device, process, page }) => s.device[device][process][page].request === 'sent',
          'there is a translation': (s, { process, page }) =>
            s.page[process][page].tlb || s.page[process][page].unmap === 'mapped',
        },
        then: {
          answer: (s, { device, process, page }) => {
            s.device[device][process][page].request = 'answered';
            s.page[process][page].tlb = true;
          },
        },
      },
    ),
    fault: action(
      { device: Device, process: Process, page: Page },
      {
        actor: 'smmu',
        when: {
          'a request has come': (s, { device, process, page }) => s.device[device][process][page].request === 'sent',
          'there is no translation': (s, { process, page }) =>
            !s.page[process][page].tlb && s.page[process][page].unmap !== 'mapped',
        },
        then: {
          refuse: (s, { device, process, page }) => void (s.device[device][process][page].request = 'none'),
        },
      },
    ),
    executeTlbi: action(
      {},
      {
        actor: 'smmu',
        when: { 'TLBI is at the head': (s) => !s.queue.isEmpty && s.queue.head.op === 'tlbi' },
        then: {
          'drop the TLB entry': (s) => {
            const { process, page } = s.queue.shift();
            s.page[process][page].tlb = false;
          },
        },
      },
    ),
    executeAtcInv: action(
      {},
      {
        actor: 'smmu',
        when: { 'ATC_INV is at the head': (s) => !s.queue.isEmpty && s.queue.head.op === 'atc-inv' },
        then: {
          'send Invalidate Requests': (s) => {
            const { process, page } = s.queue.shift();
            for (const device of members(Device)) s.device[device][process][page].invalidate = true;
          },
        },
      },
    ),
    executeSync: action(
      {},
      {
        actor: 'smmu',
        when: {
          'CMD_SYNC is at the head': (s) => !s.queue.isEmpty && s.queue.head.op === 'sync',
          'no Invalidate Request is under way': (s) =>
            s.device.every((ofProcess) => ofProcess.every((ofPage) => ofPage.every(({ invalidate }) => !invalidate))),
        },
        then: {
          'free the page': (s) => {
            const { process, page } = s.queue.shift();
            s.page[process][page].unmap = 'free';
          },
        },
      },
    ),
  }),
});

export const svaProperties = properties(sva, ({ invariant }) => ({
  'no TLB entry of a free page': invariant({
    forall: { process: Process, page: Page },
    given: (s, { process, page }) => s.page[process][page].unmap === 'free',
    holds: (s, { process, page }) => !s.page[process][page].tlb,
  }),
  'no device holds a translation of a free page': invariant({
    forall: { device: Device, process: Process, page: Page },
    given: (s, { process, page }) => s.page[process][page].unmap === 'free',
    holds: (s, { device, process, page }) =>
      !s.device[device][process][page].atc && s.device[device][process][page].request !== 'answered',
  }),
}));
