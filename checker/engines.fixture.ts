/**
 * Both engines on one model: what they find is the same, and every path leads where it is said to lead.
 */
import { expect } from 'vitest';
import {
  enabled,
  type Instance,
  type Property,
  propertiesOf,
  type PropertySet,
  type State,
  step,
} from '../language/index.ts';
import { type CheckResult, type PropertyResult, search, type SearchOptions } from './index.ts';
import type { Path } from './result.ts';

/** What both engines must say alike. */
function told({ verdict, states, transitions, depth, digest, limit, properties: decided }: CheckResult): unknown {
  const each1 = decided.map(({ name, verdict: own, path }) => [name, own, path?.actions.length]);
  return { verdict, states, transitions, depth, digest, limit, properties: each1 };
}

/** The state at the end of a path. */
export function endOf(instance: Instance, { initial, actions }: Path): State {
  return actions.reduce((state, action) => step(instance, state as never, action as never).state as State, initial);
}

/** Whether the path of a property, step by step, leads to a state that decides it, for the members that are named. */
function leadsThere(instance: Instance, property: Property, { path, binding = {} }: PropertyResult): boolean {
  if (path === undefined) return true;
  const end = endOf(instance, path);
  if (property.kind !== 'deadlock') return property.test(end, binding) === (property.kind === 'reachable');
  return enabled(instance, end as never).length === 0 && property.finalState(end) === undefined;
}

/** Searches with both engines, and compares. Returns what the plain one says; nothing where it is too much for it. */
export function compare(
  instance: Instance,
  sets: readonly PropertySet[],
  options: SearchOptions = {},
): CheckResult | undefined {
  const plain = search(instance, sets, { ...options, engine: 'plain' });
  if (plain.limit === 'max-states') return undefined;
  const { maxStates: _, ...others } = options;
  const compiled = search(instance, sets, others);
  expect(told(compiled)).toEqual(told(plain));
  for (const [i, property] of propertiesOf(instance, sets).entries()) {
    expect(leadsThere(instance, property, compiled.properties[i] as PropertyResult)).toBe(true);
  }
  return plain;
}
