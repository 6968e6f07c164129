/**
 * Scenarios as JSON: what may be written, and one message that names the step where something else is.
 */
import { z } from 'zod';
import { defaultIdentity, type Identity, identityWith } from '../smmuv3/identity.ts';
import { address, count, flag, hint, isRecord, parse } from './format-fields.ts';
import { stepOf } from './format-step.ts';
import { type DevicePlace, memoryMap, type Scenario, ScenarioError, streamIdOf } from './scenario.ts';

/** The lists of the flat form, in the order in which they are done, with the operation of their entries. */
const flatLists = { memory: 'mem', mmio: 'mmio', dma: 'dma', reads: 'read' } as const;

const device = z.object({
  name: z.string().optional(),
  bus: count(0xff).optional(),
  slot: count(31),
  fn: count(7).optional(),
});
const list = z.array(z.unknown()).optional();
const scenario = z.object({
  qemu: z
    .object({
      bin: z.string().optional(),
      machine: z.string().optional(),
      ram: z.union([z.string(), z.number()]).optional(),
      devices: z.array(device).optional(),
      trace: z.array(z.string()).optional(),
      extraArgs: z.array(z.string()).optional(),
    })
    .optional(),
  smmu: z.record(z.string(), z.unknown()).optional(),
  privileged: flag.optional(),
  trackDmaScratch: z.unknown().optional(),
  steps: list,
  memory: list,
  mmio: list,
  dma: list,
  reads: list,
  name: z.string().optional(),
  note: z.string().optional(),
});

/** The scenario of a JSON value. Throws `ScenarioError` with what is wrong first, and in which step. */
export function parseScenario(given: unknown): Scenario {
  const warnings: string[] = [];
  const top = parse(scenario, given, 'scenario', warnings);
  const flat = Object.entries(flatLists).flatMap(([key, op]) =>
    (top[key as keyof typeof flatLists] ?? []).map((entry) => (isRecord(entry) ? { op, ...entry } : entry)),
  );
  const steps = [...flat, ...(top.steps ?? [])];
  if (steps.length === 0) {
    throw new ScenarioError('scenario: it has no steps: give "steps", or some of "memory", "mmio", "dma" and "reads"');
  }
  const qemu = top.qemu ?? {};
  return {
    devices: devicesOf(qemu.devices ?? []),
    ram: ramOf(qemu.ram ?? '512M'),
    smmu: identityOf(top.smmu ?? {}),
    privileged: top.privileged ?? false,
    qemu: {
      ...(qemu.bin === undefined ? {} : { bin: qemu.bin }),
      ...(qemu.machine === undefined ? {} : { machine: qemu.machine }),
      trace: qemu.trace ?? [],
      extraArgs: qemu.extraArgs ?? [],
      ...scratchOf(top.trackDmaScratch),
    },
    steps: steps.map((step, i) => stepOf(step, `step ${i}`, warnings)),
    warnings,
  };
}

function devicesOf(given: readonly z.infer<typeof device>[]): readonly DevicePlace[] {
  const places = given.map(({ name, bus = 0, slot, fn = 0 }, index): DevicePlace => ({
    name: name ?? `edu${index}`,
    bus,
    slot,
    fn,
  }));
  const devices = places.length === 0 ? [{ name: 'edu0', bus: 0, slot: 2, fn: 0 }] : places;
  for (const [index, one] of devices.entries()) {
    const other = devices
      .slice(0, index)
      .find(({ name, ...place }) => name === one.name || streamIdOf({ name, ...place }) === streamIdOf(one));
    if (other !== undefined) {
      throw new ScenarioError(`qemu.devices: ${one.name} and ${other.name} have the same name or the same place`);
    }
  }
  return devices;
}

/** Bytes; as for QEMU, a number alone is in MiB. */
function ramOf(given: string | number): bigint {
  const [, amount = '', unit = 'm'] = /^(\d+)([kmg])?(?:i?b)?$/i.exec(String(given)) ?? [];
  const scale = { k: 10n, m: 20n, g: 30n }[unit.toLowerCase()];
  const size = scale === undefined || amount === '' ? 0n : BigInt(amount) << scale;
  if (size < 4096n || size % 4096n !== 0n || memoryMap.ram + size > 1n << 44n) {
    throw new ScenarioError(`qemu.ram: must be a size such as "512M", and is ${JSON.stringify(given)}`);
  }
  return size;
}

function identityOf(given: Readonly<Record<string, unknown>>): Partial<Identity> {
  const known: Readonly<Record<string, unknown>> = { ...defaultIdentity };
  const fields = Object.entries(given).map(([name, value]): [string, number | boolean] => {
    const usual = known[name];
    if (usual === undefined)
      throw new ScenarioError(`smmu: no field is called ${name}${hint(name, Object.keys(known))}`);
    const parsed = typeof usual === 'boolean' ? flag.safeParse(value) : count(0xffff_ffff).safeParse(value);
    if (parsed.success) return [name, parsed.data];
    throw new ScenarioError(
      `smmu: ${name}: must be ${typeof usual === 'boolean' ? '0 or 1' : 'a number'}, and is ${JSON.stringify(value)}`,
    );
  });
  const changes = Object.fromEntries(fields) as Partial<Identity>;
  try {
    identityWith(changes);
  } catch (error) {
    if (error instanceof RangeError) throw new ScenarioError(`smmu: ${error.message}`, { cause: error });
    throw error;
  }
  return changes;
}

/** Where QEMU's driver may put data for a moment. */
function scratchOf(given: unknown): { readonly scratch?: bigint } {
  const parsed = address.safeParse(given);
  return parsed.success ? { scratch: parsed.data } : {};
}
