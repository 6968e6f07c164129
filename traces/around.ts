/**
 * The state around a violation: the fields that the property read, and those that the last step changed.
 */
import { concrete } from '../language/concrete.ts';
import {
  type Concrete,
  type Instance,
  ModelError,
  type Property,
  type PropertySet,
  record,
  type State,
  step,
} from '../language/index.ts';
import { hasLoop } from './lasso.ts';
import { finalState, statesOf, type Trace, withoutDot } from './trace.ts';

/** A field of a state and its value as people read it. */
export interface Field {
  readonly field: string;
  readonly value: string;
}

/**
 * The fields of the last state of a trace that a property read there, then those that the last step changed. Where the property
 * is of steps: the fields before and after the last one.
 */
export function fieldsAround(
  trace: Trace,
  property: Property,
  binding: Readonly<Record<string, unknown>>,
): readonly Field[] {
  const state = finalState(trace);
  const last = trace.steps.at(-1);
  if (property.kind === 'transition' && last !== undefined) {
    return fieldsOfStep(trace.instance, [statesOf(trace).at(-2) ?? trace.initial, state], (before, after) =>
      property.testStep(before, last.action, after, binding),
    );
  }
  const fields = fieldsRead(trace.instance, state, (view) =>
    property.kind === 'deadlock' ? property.finalState(view) : property.test(view, binding),
  );
  // Of a loop the last step is one of many.
  if (hasLoop(trace)) return listed(fields);
  for (const { field, after, isPlace } of trace.steps.at(-1)?.changes ?? []) {
    if (!isPlace && !fields.has(field)) fields.set(field, after);
  }
  return listed(fields);
}

function listed(fields: ReadonlyMap<string, string>): readonly Field[] {
  return [...fields].map(([field, value]) => ({ field, value }));
}

/** What `read` looks at in the state before or after a step, with both values where they differ. */
function fieldsOfStep(
  instance: Instance,
  [before, after]: readonly [State, State],
  read: (before: State, after: State) => unknown,
): readonly Field[] {
  const old = fieldsRead(instance, before, (view) => read(view, after));
  const now = fieldsRead(instance, after, (view) => read(before, view));
  const shown = new Map([...old, ...now]);
  for (const field of old.keys()) if (!now.has(field)) shown.set(field, `${old.get(field)} before`);
  for (const [field, value] of now) {
    if (old.has(field) && old.get(field) !== value) shown.set(field, `${old.get(field)} -> ${value}`);
  }
  return listed(shown);
}

/** What `read` looks at in a state: every value that is not itself made of fields. */
function fieldsRead(instance: Instance, state: State, read: (view: State) => unknown): Map<string, string> {
  const fields = new Map<string, string>();
  const note = (field: string, domain: Concrete, value: unknown): void => {
    fields.set(withoutDot(field), domain.show(value));
  };
  /** The same value with a getter for each part, since a proxy must not answer for a frozen object's parts. */
  const watched = (domain: Concrete, field: string, value: unknown): unknown => {
    if (domain.kind !== 'record' && domain.kind !== 'each') {
      note(field, domain, value);
      return value;
    }
    const view: object = domain.kind === 'each' ? [] : {};
    for (const [key, part] of Object.entries(value as object)) {
      const child = domain.child(key);
      if (child === undefined) continue;
      Object.defineProperty(view, key, {
        enumerable: true,
        get: () => watched(child.domain, field + child.label, part),
      });
    }
    return view;
  };
  read(watched(instance.domain, '', state) as State);
  return fields;
}

/** What each procedure that has not ended waits for in a state where nothing is enabled. */
export function waits(instance: Instance, state: State): readonly string[] {
  const found = new Map<string, string>();
  for (const rule of instance.rules) {
    if (rule.control === undefined) continue;
    const { instance: parameter } = rule.control;
    for (const { values, action } of rule.bindings) {
      const member = parameter === undefined ? undefined : values[parameter];
      const own = parameter === undefined ? state[rule.type] : (state[rule.type] as readonly unknown[])[Number(member)];
      if ((own as { readonly at: string }).at !== rule.step) continue;
      const shown = parameter === undefined ? '' : `(${rule.params[parameter]?.show(member) ?? ''})`;
      const who = `${rule.type}${shown}`;
      if (!found.has(who)) found.set(who, `${who} is at '${rule.step}': ${refusal(instance, state, action)}`);
    }
  }
  return [...found.values()];
}

function refusal(instance: Instance, state: State, action: unknown): string {
  try {
    step(instance, state as never, action as never);
    return 'it could go on';
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return error.problem.replace(/^is not enabled: /, '');
  }
}

/** The members for which a property is violated or witnessed: `page: page0, endpoint: endpoint1`. */
export function showBinding(
  instance: Instance,
  sets: readonly PropertySet[],
  property: string,
  binding: Readonly<Record<string, unknown>>,
): string {
  const spec = sets.map((set) => set.build(instance.context)[property]).find((found) => found !== undefined);
  const domain = concrete(record(spec?.params ?? {}), instance.sizes);
  return Object.entries(binding)
    .map(([name, value]) => `${name}: ${domain.child(name)?.domain.show(value) ?? String(value)}`)
    .join(', ');
}
