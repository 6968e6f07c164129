/**
 * Every counterexample of a protocol that has a lowering is confirmed on the machine: those that the checker finds of each
 * variant, and the recorded ones. Some variants of each protocol here, and all in the deep tests: `svacheck check --variant all`
 * replays what each of them records, too.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { search } from '../checker/index.ts';
import { isDeep } from '../checker/random/depth.fixture.ts';
import { loweredModels, loweringOf } from '../executor/lowering/index.ts';
import type { AnyLowering } from '../executor/lowering/lowering.ts';
import { type Instance, instantiate, isOverTime, type Model, propertiesOf } from '../language/index.ts';
import { protocols } from '../properties/index.ts';
import { replay } from './replay.ts';
import { parseTraceFile, pathOf } from './store.ts';
import { type Trace, traceOf } from './trace.ts';

const lowered = protocols.filter(({ model }) => loweredModels.includes(model.name));

async function loweringFor(model: Model): Promise<AnyLowering> {
  const lowering = await loweringOf(model);
  if (lowering === undefined) throw new Error(`${model.name} has no lowering`);
  return lowering;
}

/** Where the tests are not deep, one variant in so many. */
const share = 5;
const variants = lowered.flatMap((protocol) =>
  protocol.variants
    .flatMap((set) => set.variants)
    .filter((_, i) => isDeep || i % share === 0)
    .map((variant) => ({ name: `${protocol.model.name} ${variant.name}`, protocol, variant })),
);

it.each(variants)('$name: the machine confirms every counterexample', async ({ protocol, variant }) => {
  const { model, properties } = protocol;
  const instance = instantiate(model, variant.size, { set: variant.set, variant: variant.edit });
  const until = Object.keys(variant.violates);
  const keepGoing = propertiesOf(instance, properties).some(isOverTime);
  const { properties: results } = search(instance, properties, { until, keepGoing });
  const lowering = await loweringFor(model);
  const confirmed: string[] = [];
  for (const { name, verdict, path, loopFrom } of results) {
    if (verdict !== 'violated' || path === undefined) continue;
    const of = replay(lowering, traceOf(instance, path, loopFrom));
    expect({ property: name, replay: of }).toMatchObject({ property: name, replay: { verdict: 'confirmed' } });
    confirmed.push(name);
    // Whatever is violated, the machine has something to show for it.
    if (of.verdict !== 'confirmed') continue;
    const { harms, evidence, commands, events } = of.consequence;
    expect([...harms, ...evidence, ...commands, ...events].length).toBeGreaterThan(0);
  }
  expect(confirmed).toEqual(expect.arrayContaining(until));
});

const folder = new URL('recorded/', import.meta.url);
const recorded = readdirSync(folder).filter((name) => name.endsWith('.json'));

it.each(recorded)('%s, recorded, is confirmed', async (name) => {
  const file = parseTraceFile(readFileSync(new URL(name, folder), 'utf8'));
  const protocol = lowered.find(({ model }) => model.name === file.model);
  const variant = protocol?.variants.flatMap((set) => set.variants).find((of) => of.name === file.variant);
  if (protocol === undefined || variant === undefined) throw new Error(`${file.model} ${file.variant} is not lowered`);
  const instance = instantiate(protocol.model, file.size, { set: file.sizes, variant: variant.edit });
  const { loopFrom, ...path } = pathOf(instance, file);
  const of = replay(await loweringFor(protocol.model), traceOf(instance, path, loopFrom));
  expect(of).toMatchObject({ verdict: 'confirmed', steps: file.steps.length });
});

describe('a replay', () => {
  const [first] = variants;
  if (first === undefined) throw new Error('there is a variant');
  const { protocol, variant } = first;
  const instance: Instance = instantiate(protocol.model, variant.size, { set: variant.set, variant: variant.edit });
  const [main = ''] = Object.keys(variant.violates);
  const result = search(instance, protocol.properties, { until: [main] }).properties.find(({ name }) => name === main);
  if (result?.path === undefined) throw new Error('it is violated');
  const trace: Trace = traceOf(instance, result.path);

  it('says at which step the machine does not go along, and why', async () => {
    const lowering = await loweringFor(protocol.model);
    const lame: AnyLowering = { ...lowering, hardware: () => ({ refused: 'it is lame' }) };
    const at = trace.steps.findIndex(({ actor }) => lowering.hardwareActors.includes(actor)) + 1;
    expect(replay(lame, trace)).toEqual({
      verdict: 'disagrees',
      at,
      title: trace.steps[at - 1]?.title,
      how: { kind: 'refused', reason: 'it is lame' },
    });
  });

  it('says where the machine differs from the initial state', async () => {
    const lowering = await loweringFor(protocol.model);
    const other: AnyLowering = { ...lowering, abstract: () => ({ page: [{ pte: 'none' }] }) };
    expect(replay(other, trace)).toMatchObject({ verdict: 'disagrees', at: 0, title: 'the initial state' });
  });

  it('a machine that fails disagrees there', async () => {
    const lowering = await loweringFor(protocol.model);
    const failing: AnyLowering = {
      ...lowering,
      hardware: () => {
        throw new RangeError('no memory at 0x0');
      },
    };
    expect(replay(failing, trace)).toMatchObject({
      verdict: 'disagrees',
      how: { kind: 'refused', reason: 'the machine fails: no memory at 0x0' },
    });
  });

  it('is not possible where a variant breaks hardware in a way that no machine is broken in', async () => {
    const lowering = await loweringFor(protocol.model);
    const [set] = protocol.variants;
    const hardware = set?.variants.find(({ name }) => name === 'tlbi-dsb-before-writes-observed');
    if (hardware === undefined) throw new Error('there is such a variant');
    const broken = instantiate(protocol.model, 'smoke', { variant: hardware.edit });
    expect(replay({ ...lowering, defects: [] }, { ...trace, instance: broken })).toEqual({
      verdict: 'not possible',
      reason:
        'the lowering has no defect of the machine for: drop completeTlbi / accesses that it translated are in memory',
    });
  });
});
