/**
 * A directed exhaustive search around a violation that was found at random: at the sizes that it needs, and as far as that ends, it
 * is as short as can be.
 */
import { availableParallelism } from 'node:os';
import { searchAsync } from '../../checker/index.ts';
import {
  type Binding,
  initialStates,
  type Instance,
  instantiate,
  ModelError,
  propertiesOf,
  type Property,
  type State,
} from '../../language/index.ts';
import { inSteps } from '../../reports/run.ts';
import { sizeOf } from '../../reports/summary.ts';
import { breaks } from '../../traces/broken.ts';
import { type Trace, traceOf } from '../../traces/trace.ts';
import type { Planned } from '../plan.ts';

/** What it came to. */
export interface Minimum {
  readonly trace: Trace;
  readonly binding: Binding;
  /** A sentence about what was searched. */
  readonly told: string;
}

const maxSeconds = 60;

/** The shortest violation of a property that is found, which may be the one that is given. */
export async function minimize(
  planned: Planned,
  name: string,
  trace: Trace,
  binding: Binding,
  { workers = availableParallelism(), signal }: { readonly workers: number | undefined; readonly signal: AbortSignal },
): Promise<Minimum> {
  const { instance, sets, variant } = planned;
  const property = propertiesOf(instance, sets).find((of) => of.name === name);
  const sizes = neededSizes(instance, trace, property, binding);
  const small = instantiate(instance.model, instance.size, {
    set: { ...instance.sizes, ...sizes },
    ...(variant === undefined ? {} : { variant: variant.edit }),
  });
  const at = sizeOf(small);
  const isThere = propertiesOf(small, sets).some((of) => of.name === name);
  if (property === undefined || !isThere) return { trace, binding, told: `'${name}' is no property at size ${at}` };
  const wanted = { properties: [name], until: [name], workers, maxSeconds, signal };
  const { properties, limit } = await searchAsync(small, sets, wanted);
  const [result] = properties;
  if (result?.verdict !== 'violated' || result.path === undefined) {
    const why = limit === undefined ? 'it is not violated there' : `the search ended first (${limit})`;
    return { trace, binding, told: `no shorter one is known: at size ${at}, ${why}` };
  }
  const { actions } = result.path;
  const minimal = `all runs at size ${at} were searched, and none of fewer than ${inSteps(actions.length)} violates it`;
  if (actions.length >= trace.steps.length) return { trace, binding, told: minimal };
  const shorter = atFullSize(instance, actions, property, result.binding ?? {});
  return shorter === undefined
    ? { trace, binding, told: `${minimal}; but that is none at the sizes that were asked for` }
    : { trace: shorter, binding: result.binding ?? {}, told: minimal };
}

/** As many members of each sort as the trace speaks of. */
function neededSizes(
  { sizes }: Instance,
  { instance, steps }: Trace,
  property: Property | undefined,
  binding: Binding,
): Readonly<Record<string, number>> {
  const needed: Record<string, number> = {};
  const note = (params: Property['params'], values: Readonly<Record<string, unknown>>): void => {
    for (const [name, { structure }] of Object.entries(params)) {
      if (structure.kind !== 'leaf' || structure.sort === undefined) continue;
      const { name: sort } = structure.sort;
      needed[sort] = Math.max(needed[sort] ?? 1, Number(values[name]) + 1);
    }
  };
  for (const { action } of steps) {
    const rule = instance.rules.find(({ type, step }) => type === action.type && step === action.step);
    if (rule !== undefined) note(rule.params, action);
  }
  if (property !== undefined) note(property.params, binding);
  return Object.fromEntries(Object.entries(needed).filter(([name]) => sizes[name] !== undefined));
}

/** The same actions in the instance itself, if they break the property there too. */
function atFullSize(
  instance: Instance,
  actions: Parameters<typeof traceOf>[1]['actions'],
  property: Property,
  binding: Binding,
): Trace | undefined {
  for (const initial of initialStates(instance) as readonly State[]) {
    try {
      const trace = traceOf(instance, { initial, actions });
      if (breaks(trace, property, binding)) return trace;
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }
  return undefined;
}
