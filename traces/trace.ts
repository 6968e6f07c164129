/**
 * A path of the checker expanded for people: each step with its actor, what it changed, and the state that it led to. Every
 * step is run again, so that a trace is never more than the model does.
 */
import type { Path } from '../checker/index.ts';
import {
  type ActionData,
  type Concrete,
  initialStates,
  type Instance,
  ModelError,
  type Rule,
  type State,
  step as stepOf,
} from '../language/index.ts';

/** One field that a step changed, before and after as people read them. */
export interface Change {
  /** Such as `page[page1].pte`; queues, bags and sets are shown whole. */
  readonly field: string;
  readonly before: string;
  readonly after: string;
  /** Of a queue or bag: the items that went and those that came; neither if they only changed places. */
  readonly removed: readonly string[];
  readonly added: readonly string[];
  /** It is the place of the procedure that made the step, which the step's name says already. */
  readonly isPlace: boolean;
}

/** One step of a trace. */
export interface TraceStep {
  readonly action: ActionData;
  /** As people say it: `unmap(page0): clear the PTE`. */
  readonly title: string;
  readonly actor: string;
  /** The parameters as plain data; members of sorts by name. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly changes: readonly Change[];
  readonly state: State;
}

/** A run of a model from an initial state. */
export interface Trace {
  readonly instance: Instance;
  readonly initial: State;
  readonly steps: readonly TraceStep[];
  /**
   * Of a lasso, which is a run that never ends: how many steps lead to its loop. The others are the loop, and repeat for ever; if
   * there are no others, nothing more happens.
   */
  readonly loopFrom?: number;
}

/**
 * Expands a path of an instance, which is a lasso with `loopFrom`. Throws `ModelError` if the path is not one: it does not start
 * in an initial state, an action is not enabled where it stands, or the loop does not end where it begins.
 */
export function traceOf(instance: Instance, path: Path, loopFrom?: number): Trace {
  const { domain } = instance;
  const start = domain.key(path.initial);
  if (!(initialStates(instance) as readonly State[]).some((state) => domain.key(state) === start)) {
    throw new ModelError('a trace does not start in an initial state', {
      model: instance.model.name,
    });
  }
  let state = path.initial;
  const steps = path.actions.map((action): TraceStep => {
    const { state: next } = stepOf(instance, state as never, action as never);
    const rule = ruleOf(instance, action);
    const changes = changesOf(instance, state, next, placeOf(rule, action));
    state = next;
    return {
      action,
      title: titleOf(rule, action),
      actor: rule.actor,
      args: argsOf(rule, action),
      changes,
      state,
    };
  });
  if (loopFrom === undefined) return { instance, initial: path.initial, steps };
  const trace: Trace = { instance, initial: path.initial, steps, loopFrom };
  const [begin] = statesOf(trace).slice(loopFrom);
  if (begin === undefined || domain.key(begin) !== domain.key(finalState(trace))) {
    throw new ModelError('the loop of a trace does not end where it begins', { model: instance.model.name });
  }
  return trace;
}

/** All states of a trace, the initial one first. */
export function statesOf({ initial, steps }: Trace): readonly State[] {
  return [initial, ...steps.map(({ state }) => state)];
}

/** The state at the end of a trace. */
export function finalState(trace: Trace): State {
  return trace.steps.at(-1)?.state ?? trace.initial;
}

/** The rule that an action is a case of. */
export function ruleOf(instance: Instance, { type, step }: ActionData): Rule {
  const rule = instance.rules.find((candidate) => candidate.type === type && candidate.step === step);
  if (rule === undefined) throw new ModelError(`there is no action '${type}'`);
  return rule;
}

/** The field that holds the place of the procedure instance that an action moves on. */
function placeOf(rule: Rule, action: ActionData): string | undefined {
  if (rule.control === undefined) return undefined;
  const { instance } = rule.control;
  const own = instance === undefined ? '' : `[${rule.params[instance]?.show(action[instance]) ?? ''}]`;
  return `${rule.type}${own}.at`;
}

/** An action as people say it. */
export function titleOf(rule: Rule, action: ActionData): string {
  const own: string[] = [];
  const chosen: string[] = [];
  for (const [name, domain] of Object.entries(rule.params)) {
    const isOwn = rule.control === undefined || rule.control.instance === name;
    (isOwn ? own : chosen).push(showParameter(name, domain.show(action[name])));
  }
  const list = (parameters: readonly string[]): string => (parameters.length === 0 ? '' : `(${parameters.join(', ')})`);
  return rule.step === undefined
    ? `${rule.type}${list(own)}`
    : `${rule.type}${list(own)}: ${rule.step}${chosen.length === 0 ? '' : ' '}${list(chosen)}`;
}

/** `page: page0` says no more than `page0`. */
function showParameter(name: string, value: string): string {
  return value.startsWith(name) && /^\d+$/.test(value.slice(name.length)) ? value : `${name}: ${value}`;
}

/** The parameters of an action as plain data; members of sorts by name. */
export function argsOf(rule: Rule, action: ActionData): Readonly<Record<string, unknown>> {
  const args: Record<string, unknown> = {};
  for (const [name, domain] of Object.entries(rule.params)) args[name] = plain(domain, action[name]);
  return args;
}

/** A parameter's value as plain data. A number that is not shown as that number is the member of a sort. */
function plain(domain: Concrete, value: unknown): unknown {
  if (typeof value === 'number') {
    const shown = domain.show(value);
    return shown === String(value) ? value : shown;
  }
  if (typeof value !== 'object' || value === null) return value;
  const record: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(value)) {
    const field = domain.child(name);
    if (field !== undefined) record[name] = plain(field.domain, part);
  }
  return record;
}

type Indexed = Readonly<Record<string | number, unknown>>;

/** What differs between two states, field by field in the order of their declaration; they share what did not change. */
function changesOf(instance: Instance, before: State, after: State, place: string | undefined): readonly Change[] {
  const compare = (domain: Concrete, path: string, old: unknown, now: unknown): readonly Change[] => {
    if (old === now) return [];
    if (hasFields(domain, old) && hasFields(domain, now)) {
      return Object.keys(old).flatMap((key) => {
        const part = domain.child(key);
        return part === undefined ? [] : compare(part.domain, path + part.label, old[key], now[key]);
      });
    }
    if (domain.key(old) === domain.key(now)) return [];
    const field = withoutDot(path);
    return [
      {
        field,
        before: domain.show(old),
        after: domain.show(now),
        removed: without(domain, old, now),
        added: without(domain, now, old),
        isPlace: field === place,
      },
    ];
  };
  return compare(instance.domain, '', before, after);
}

function hasFields(domain: Concrete, value: unknown): value is Indexed {
  return typeof value === 'object' && value !== null && !isCollection(domain);
}

/** Whether a domain's values are shown whole. */
function isCollection({ kind }: Concrete): boolean {
  return kind === 'queue' || kind === 'bag' || kind === 'setOf';
}

/** The items of a queue or bag that another of the same domain has not, or not as often. */
function without(domain: Concrete, collection: unknown, other: unknown): readonly string[] {
  const left = itemsOf(domain, other);
  return itemsOf(domain, collection).filter((item) => {
    const found = left.indexOf(item);
    if (found >= 0) left.splice(found, 1);
    return found < 0;
  });
}

function itemsOf(domain: Concrete, collection: unknown): string[] {
  const item = domain.child('items')?.domain.child(0)?.domain;
  if (domain.kind === 'setOf' || item === undefined) return [];
  return [...(collection as Iterable<unknown>)].map((value) => item.show(value));
}

/** A field of the state starts with its name, not with the dot of a record. */
export function withoutDot(field: string): string {
  return field.startsWith('.') ? field.slice(1) : field;
}
