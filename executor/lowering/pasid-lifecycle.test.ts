/**
 * `pasid-lifecycle` on the machine: what lies in memory, what the SMMU is told, and what a broken machine does.
 */
import { describe, expect, it } from 'vitest';
import {
  type ActionData,
  initialStates,
  type Instance,
  instantiate,
  type State,
  variants,
} from '../../language/index.ts';
import { pasidLifecycle } from '../../model/pasid-lifecycle.ts';
import { pasidLifecycleProperties } from '../../properties/pasid-lifecycle.ts';
import { pasidLifecycleVariants } from '../../properties/pasid-lifecycle.variants.ts';
import type { SmmuDefect } from '../smmuv3/defects.ts';
import type { AnyLowering } from './lowering.ts';
import { pasidLifecycleLowering } from './pasid-lifecycle.ts';
import { iova, type Machine } from './pasid-machine.ts';
import { differing, type Ran, runFrom } from './runs.fixture.ts';
import { walk } from './walks.fixture.ts';

interface RanOn extends Ran {
  readonly machine: Machine;
}

function run(instance: Instance, actions: readonly ActionData[], defects: readonly SmmuDefect[] = []): RanOn {
  let machine: Machine | undefined;
  const lowering: AnyLowering = {
    ...pasidLifecycleLowering,
    build: (setting) => {
      machine = pasidLifecycleLowering.build(setting) as Machine;
      Object.assign(machine.platform.smmu.defects, Object.fromEntries(defects.map((name) => [name, true])));
      return machine;
    },
  };
  const [state] = initialStates(instance) as readonly State[];
  const ran = runFrom(lowering, instance, state, actions);
  if (machine === undefined) throw new Error('it was built');
  return { ...ran, machine };
}

/** Of an mm and device: member 0 of both unless another is said. */
const act = (type: string, rest: object = {}): ActionData => ({ type, mm: 0, ...rest });
const atDevice = (type: string, rest: object = {}): ActionData => ({ type, device: 0, pasid: 0, ...rest });
const steps = (type: string, names: readonly string[], rest: object): readonly ActionData[] =>
  names.map((name) => ({ type, step: name, ...rest }));

const start = act('create');
const bind: readonly ActionData[] = [
  { type: 'bind', step: 'open the device', device: 0, mm: 0 },
  ...steps('bind', ['take iommu_sva_lock', 'allocate a PASID', 'find or make the domain'], { device: 0 }),
  { type: 'bind', step: 'attach', device: 0, fails: false },
  ...steps('bind', ['write the PASID entry', 'return from open'], { device: 0 }),
];
const submit = act('submit', { device: 0 });
const release = ['block the PASID', 'invalidate the caches'];
const exitSteps = (names: readonly string[]): readonly ActionData[] => steps('exit', names, { mm: 0 });
const unbindSteps = (names: readonly string[]): readonly ActionData[] => steps('unbind', names, { mm: 0 });
const smoke = instantiate(pasidLifecycle, 'smoke');

const slow = variants(pasidLifecycleProperties, {
  'exit-goes-on': {
    doc: 'the release goes past its wait',
    reference: 'MM-03',
    violates: { 'no device writes into a freed page': 15 },
    edits: ({ drop }) => [drop(['exit', 'wait for the invalidation', 'no write is on its way'])],
  },
  'unbind-goes-on': {
    doc: 'the unbind goes past its wait, and does not drain',
    reference: 'PASID-11',
    violates: { 'no device writes into a freed page': 15 },
    edits: ({ drop }) => [
      drop(['unbind', 'wait for the invalidation', 'no write is on its way']),
      drop(['unbind', 'drain the PASID at the device']),
    ],
  },
});
const edited = (set: { variants: readonly { name: string; edit: object }[] }, name: string): Instance => {
  const variant = set.variants.find((one) => one.name === name);
  if (variant === undefined) throw new Error(`there is no variant ${name}`);
  return instantiate(pasidLifecycle, 'smoke', { variant: variant.edit as never });
};

describe('a process with a device', () => {
  it('writes its own page, by a descriptor that carries the PASID of IA32_PASID, through a Context descriptor', () => {
    const { disagreement, consequence, machine } = run(smoke, [
      start,
      ...bind,
      submit,
      atDevice('translate'),
      atDevice('write'),
    ]);
    expect(disagreement).toBeUndefined();
    expect(consequence?.harms).toEqual([]);
    const [process] = machine.processes;
    const [device] = machine.devices;
    expect(process?.msr).toBe(0x8000_0001);
    expect(device?.cd(1)).toMatchObject({ V: true, EPD0: false, ASID: 1, R: true, A: true });
    const frame = process?.page.frame ?? 0n;
    const { memory } = machine.platform;
    expect(memory.readWord(frame + 0x40n)).toBe(0xe0e0_e0e0_e0e0_e0e0n);
    expect(memory.readWord(frame + 0x78n)).toBe(0xe0e0_e0e0_e0e0_e0e0n);
    // A completion record: Success, 64 bytes.
    expect(memory.readWord(frame + 0x80n)).toBe(0x40_0000_0001n);
    expect(memory.accesses.map(({ on, owner }) => on === owner)).toEqual([true, true]);
  });

  it('that exits leaves a quiet descriptor, and the device finds nothing: no fault is recorded', () => {
    const { disagreement, consequence, machine } = run(smoke, [
      start,
      ...bind,
      submit,
      act('exitTask'),
      ...exitSteps([...release, 'wait for the invalidation', 'free the pages', 'drop mm_count']),
      atDevice('abort'),
    ]);
    expect(disagreement).toBeUndefined();
    expect(consequence?.events).toEqual([]);
    const [device] = machine.devices;
    expect(device?.cd(1)).toMatchObject({ V: true, EPD0: true, EPD1: true, S: false, R: false, ASID: 1, TTB0: 0n });
    expect(machine.platform.memory.accesses).toEqual([]);
    expect(consequence?.commands.map(({ decoded, state }) => `${decoded.replace(/^ECMDQ 0: /, '')}: ${state}`)).toEqual(
      [
        'CMD_CFGI_CD ssid 0x1, sid 0x8, leaf: complete',
        'CMD_SYNC msh 0x3, msiAttr 0xf: complete',
        'CMD_TLBI_NH_ASID asid 0x1: complete',
        'CMD_SYNC msh 0x3, msiAttr 0xf: complete',
        'CMD_ATC_INV ssv, ssid 0x1, sid 0x8, size 0x34: complete',
        'CMD_SYNC msh 0x3, msiAttr 0xf: complete',
      ],
    );
  });

  it('whose work outlives its entry makes the SMMU record C_BAD_CD', () => {
    const { disagreement, consequence } = run(edited(pasidLifecycleVariants, 'unbind-before-drain'), [
      start,
      ...bind,
      submit,
      act('closeFile', { device: 0 }),
      { type: 'unbind', step: 'release a file', mm: 0, device: 0 },
      ...unbindSteps(['take iommu_sva_lock', 'clear the PASID entry']),
      atDevice('abort'),
    ]);
    expect(disagreement).toBeUndefined();
    // Of the write, and of the completion record that says so.
    expect(consequence?.events.map(({ decoded }) => decoded)).toEqual([
      'C_BAD_CD sid 0x8, ssv, ssid 0x1',
      'C_BAD_CD sid 0x8, ssv, ssid 0x1',
    ]);
  });

  it('asks for a page, and is answered with Success while the mm lives', () => {
    const served = steps(
      'serveFaults',
      ['take a page request', 'take mm_users', 'handle the fault', 'answer the device'],
      { device: 0 },
    );
    const { disagreement, machine } = run(smoke, [start, ...bind, submit, atDevice('requestPage'), ...served]);
    expect(disagreement).toBeUndefined();
    const commands = machine.platform.smmu.commands.window.map(({ command }) => command);
    expect(commands).toMatchObject([{ op: 'PRI_RESP', resp: 2, ssid: 1, ssv: true, prgIndex: 0 }]);
  });

  it('and with Invalid Request once its mm is exiting', () => {
    const { disagreement, machine } = run(smoke, [
      start,
      ...bind,
      submit,
      atDevice('requestPage'),
      act('exitTask'),
      ...steps('serveFaults', ['take a page request', 'take mm_users', 'answer the device'], { device: 0 }),
    ]);
    expect(disagreement).toBeUndefined();
    expect(machine.platform.smmu.commands.window.map(({ command }) => command)).toMatchObject([{ resp: 1 }]);
  });
});

describe('CMD_SYNC', () => {
  const onTheWay = [start, ...bind, submit, atDevice('translate')];

  it('of a release is not complete while a write through the ATC is on its way', () => {
    const instance = edited(slow, 'exit-goes-on');
    const before = [...onTheWay, act('exitTask'), ...exitSteps(release)];
    const wait = exitSteps(['wait for the invalidation']);
    expect(run(instance, [...before, ...wait])).toMatchObject({
      at: before.length + 1,
      disagreement: { kind: 'refused', reason: 'CMD_SYNC: transactions have not reached memory' },
    });
    expect(run(instance, [...before, atDevice('write'), ...wait]).disagreement).toBeUndefined();
  });

  it('of an unbind neither', () => {
    const before = [
      ...onTheWay,
      act('closeFile', { device: 0 }),
      { type: 'unbind', step: 'release a file', mm: 0, device: 0 },
      ...unbindSteps(['take iommu_sva_lock', 'clear the PASID entry', 'invalidate the caches']),
    ];
    const ran = run(edited(slow, 'unbind-goes-on'), [...before, ...unbindSteps(['wait for the invalidation'])]);
    expect(ran).toMatchObject({ at: before.length + 1, disagreement: { kind: 'refused' } });
  });
});

describe('a machine that is broken where the model is not', () => {
  const toRelease = [
    start,
    ...bind,
    submit,
    atDevice('translate'),
    atDevice('write'),
    act('exitTask'),
    ...exitSteps(release),
  ];

  it.each<SmmuDefect>(['cfgiLost', 'tlbiLost', 'atcInvLost'])('by %s differs in what is cached', (defect) => {
    const ran = run(smoke, toRelease, [defect]);
    expect(ran.at).toBe(toRelease.length);
    expect(differing(ran)[0]).toBe('table[device0][pasid0].cached');
  });

  it('is not when nothing is lost', () => {
    expect(run(smoke, toRelease).disagreement).toBeUndefined();
  });
});

describe('a page that is gone', () => {
  it('is reached by a walk that had read its PTE before, if the entry was not blocked', () => {
    const { disagreement, consequence, machine } = run(
      edited(pasidLifecycleVariants, 'release-does-not-block-the-pasid'),
      [
        start,
        ...bind,
        submit,
        act('exitTask'),
        ...exitSteps([...release, 'wait for the invalidation', 'free the pages']),
        atDevice('translate'),
        atDevice('write'),
      ],
    );
    expect(disagreement).toBeUndefined();
    const frame = machine.processes[0]?.page.frame ?? 0n;
    expect(consequence?.harms).toMatchObject([
      {
        what: expect.stringContaining(`at IOVA 0x${iova.toString(16)}`) as string,
        address: `0x${(frame + 0x40n).toString(16)}`,
        after: 'e0'.repeat(64),
      },
      { address: `0x${(frame + 0x80n).toString(16)}` },
    ]);
  });
});

it.each(['smoke', 'ci'])('walks that seldom end a process do as the model does, at size %s', (size) => {
  const seldom = { exitTask: 0.05, exec: 0.1, closeFile: 0.15, create: 0.3, fork: 0.3, submit: 3, translate: 2 };
  const instance = instantiate(pasidLifecycle, size);
  for (let seed = 0; seed < 6; seed++) {
    const { steps: done, disagreement, consequence } = walk(pasidLifecycleLowering, instance, seed, 60, seldom);
    expect({ seed, done, disagreement }).toEqual({ seed, done, disagreement: undefined });
    expect(consequence?.harms).toEqual([]);
  }
});
