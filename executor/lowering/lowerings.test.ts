/**
 * Every lowering: it tells what of the state is on the machine, it has broken hardware for every variant that breaks hardware, and
 * the machine goes along with whatever the correct protocol and its variants do.
 */
import { describe, expect, it } from 'vitest';
import { isDeep } from '../../checker/random/depth.fixture.ts';
import { initialStates, type Instance, instantiate, type State } from '../../language/index.ts';
import { protocols } from '../../properties/index.ts';
import { fieldsOf, fieldsRead } from './compare.ts';
import { hardwareEdits } from './hardware-edits.ts';
import { loweredModels, loweringOf } from './index.ts';
import type { AnyLowering } from './lowering.ts';
import { begin } from './session.ts';
import { tour } from './tour.fixture.ts';
import { walk } from './walks.fixture.ts';

const length = 50;

const lowered = await Promise.all(
  protocols
    .filter(({ model }) => loweredModels.includes(model.name))
    .map(async (protocol) => {
      const lowering = await loweringOf(protocol.model);
      if (lowering === undefined) throw new Error(`${protocol.model.name} has no lowering`);
      return { name: protocol.model.name, protocol, lowering };
    }),
);

const sized = lowered.flatMap(({ name, protocol, lowering }) =>
  Object.keys(protocol.model.sizes).map((size) => ({
    name: `${name} ${size}`,
    instance: instantiate(protocol.model, size),
    lowering,
    // Of each model 10,000 in the deep tests.
    walks: isDeep ? Math.ceil(10_000 / Object.keys(protocol.model.sizes).length) : 12,
  })),
);

const varied = lowered.flatMap(({ name, protocol, lowering }) =>
  protocol.variants
    .flatMap((set) => set.variants)
    .map((variant) => ({
      name: `${name} ${variant.name}`,
      instance: instantiate(protocol.model, variant.size, { set: variant.set, variant: variant.edit }),
      lowering,
    })),
);

it('there is one for each name in the registry', () => {
  expect(lowered.map(({ name }) => name).toSorted()).toEqual(loweredModels.toSorted());
});

describe.each(sized)('$name', ({ instance, lowering, walks }) => {
  it('has every field either read off the machine or named as not being there', () => {
    const read = new Set<string>();
    for (const initial of initialStates(instance) as readonly State[]) {
      for (const field of fieldsRead(instance, lowering.abstract(machineOf(lowering, instance, initial))))
        read.add(field);
    }
    const named = Object.keys(lowering.notOnMachine);
    const isNamed = (field: string): boolean => named.some((name) => field === name || field.startsWith(`${name}.`));
    const fields = fieldsOf(instance);
    expect(fields.filter((field) => !read.has(field) && !isNamed(field))).toEqual([]);
    expect([...read].filter((field) => !fields.includes(field) || isNamed(field))).toEqual([]);
    expect(named.filter((name) => !fields.some((field) => field === name || field.startsWith(`${name}.`)))).toEqual([]);
  });

  it('starts in every initial state as the model does', () => {
    for (const initial of initialStates(instance) as readonly State[]) {
      expect(begin(lowering, instance, initial).initially).toBeUndefined();
    }
  });

  it(`does ${walks} random walks as the model does, and no device does harm`, { timeout: 3_600_000 }, () => {
    for (let seed = 0; seed < walks; seed++) {
      const { steps, disagreement, consequence } = walk(lowering, instance, seed, length);
      expect({ seed, steps, disagreement }).toEqual({ seed, steps, disagreement: undefined });
      expect({ seed, steps, harms: consequence?.harms }).toEqual({ seed, steps, harms: [] });
    }
  });
});

describe.each(varied)('$name', ({ instance, lowering }) => {
  it('has hardware that is broken so, if hardware is', () => {
    for (const { action, step, part, edit } of hardwareEdits(instance, lowering.hardwareActors)) {
      const declared = lowering.defects.filter(
        (defect) =>
          defect.action === action &&
          defect.step === step &&
          defect.part === part &&
          defect.edit === edit &&
          (defect.variant === undefined || defect.variant === instance.variant),
      );
      expect({ action, step, part, edit, declared: declared.length > 0 }).toMatchObject({ declared: true });
    }
  });

  it('does random walks as the model does', () => {
    for (let seed = 0; seed < (isDeep ? 200 : 3); seed++) {
      const { steps, disagreement } = walk(lowering, instance, seed, length);
      expect({ seed, steps, disagreement }).toEqual({ seed, steps, disagreement: undefined });
    }
  });
});

it.runIf(isDeep).each(lowered)(
  '$name: the machine does every transition of the model at size smoke',
  { timeout: 3_600_000 },
  ({ protocol, lowering }) => {
    const { transitions, done, disagreement, way } = tour(lowering, instantiate(protocol.model, 'smoke'));
    expect({ disagreement, way: disagreement && way }).toEqual({ disagreement: undefined, way: undefined });
    expect(done).toBe(transitions);
  },
);

it.each(lowered)('$name declares no defect that no variant asks for', ({ protocol, lowering }) => {
  const edits = varied
    .filter(({ instance }) => instance.model === protocol.model)
    .flatMap(({ instance }) =>
      hardwareEdits(instance, lowering.hardwareActors).map((edit) => ({ ...edit, variant: instance.variant })),
    );
  const unused = lowering.defects.filter(
    (defect) =>
      !edits.some(
        (edit) =>
          edit.action === defect.action &&
          edit.step === defect.step &&
          edit.part === defect.part &&
          edit.edit === defect.edit &&
          (defect.variant === undefined || defect.variant === edit.variant),
      ),
  );
  expect(unused).toEqual([]);
});

function machineOf(lowering: AnyLowering, instance: Instance, initial: State): unknown {
  return lowering.build({ instance, initial, defects: [] });
}
