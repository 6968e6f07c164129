/**
 * A model at one size: its state domain, and its behaviour as a flat list of rules, one for each action and each place in
 * a procedure.
 */
import type { About, Bindings, Fairness, Params } from './behaviour.ts';
import { type Concrete, concrete, log2, type Sizes, sortSize } from './concrete.ts';
import {
  type ActionDefinition,
  type Block,
  checkDefinition,
  define,
  type DecisionDefinition,
  type Definition,
  type NodeDefinition,
  type ProcedureDefinition,
  type StepDefinition,
} from './definition.ts';
import { domainBrand, type Domain, oneOf, record, type Shape, type Sort } from './domain.ts';
import { ModelError, type Place, suggest } from './errors.ts';
import type { Initial, Model, SizeContext } from './model.ts';

/** Any state, its type erased; deeply frozen. */
export type State = Readonly<Record<string, unknown>>;

/** An action as data: which action or procedure step, and its parameters. */
export interface ActionData {
  readonly type: string;
  readonly step?: string;
  readonly [parameter: string]: unknown;
}

/** One way to bind the parameters of a rule. */
export interface Bound {
  readonly values: Readonly<Record<string, unknown>>;
  readonly action: ActionData;
}

/**
 * Where a procedure goes: the name of its next place, asking `decide` which way each fused branch or loop on the way
 * goes in the present state.
 */
export type Next = (decide: (decision: DecisionDefinition) => boolean) => string;

/** What happens atomically: an action, or a procedure at one of its places. */
export interface Rule {
  readonly index: number;
  /** The name of the action or procedure. */
  readonly type: string;
  readonly step: string | undefined;
  /** Where it is, for messages. */
  readonly place: Place;
  readonly actor: string;
  readonly fairness: Fairness;
  readonly doc: string;
  readonly sources: readonly string[];
  readonly params: Readonly<Record<string, Concrete>>;
  readonly bindings: readonly Bound[];
  readonly blocks: readonly Block[];
  /** For a step: whose place must be `step`, and where it goes afterwards. */
  readonly control: { readonly instance: string | undefined; readonly next: Next } | undefined;
}

/** A model at one size, possibly edited by a variant. */
export interface Instance<M extends Model = Model> {
  readonly model: M;
  /** The name of the size that `sizes` started from. */
  readonly size: string;
  readonly sizes: Sizes;
  readonly variant: string | undefined;
  readonly context: SizeContext<never>;
  readonly domain: Concrete<State>;
  /** The behaviour as the model declares it, and as a variant has edited it; what was not edited is the very same object. */
  readonly declared: Definition;
  readonly definition: Definition;
  readonly rules: readonly Rule[];
  readonly procedures: readonly {
    readonly definition: ProcedureDefinition;
    readonly entry: Next;
    /** How many instances there are: as many as the sort has members, or 1. */
    readonly instances: number;
  }[];
  readonly initial: Initial<never, Params> | undefined;
}

/** What `instantiate` may be told. */
export interface InstanceOptions {
  /** Other values for some of the sizes. */
  readonly set?: Sizes;
  /** A variant's name and its edit of the definition. */
  readonly variant?: {
    readonly name: string;
    readonly edit: (definition: Definition, context: SizeContext<never>) => Definition;
  };
}

const bindingLimit = 1_000_000;

/**
 * Builds a model at a named size (default `ci`), with some sizes set otherwise. Throws `ModelError` if the size is not
 * declared, a size is not a positive integer or names nothing, or the model itself is broken.
 */
export function instantiate<M extends Model>(model: M, size = 'ci', options: InstanceOptions = {}): Instance<M> {
  try {
    return build(model, size, options);
  } catch (error) {
    const variant = options.variant === undefined ? {} : { variant: options.variant.name };
    const place = { model: model.name, ...variant };
    if (error instanceof ModelError) throw error.at(place);
    throw new ModelError(`cannot be built: ${String(error)}`, place, { cause: error });
  }
}

function build<M extends Model>(model: M, size: string, options: InstanceOptions): Instance<M> {
  const sizes = resolveSizes(model, size, options.set ?? {});
  const context = sizeContext(sizes);
  const { state, initial, behaviour } = model.build(context);
  const declared = define(behaviour);
  checkDefinition(declared);
  const definition = options.variant?.edit(declared, context) ?? declared;
  checkDefinition(definition);

  const procedures = definition
    .filter((part) => part.kind === 'procedure')
    .map((procedure) => ({ definition: procedure, ...flatten(procedure), instances: instancesOf(procedure, sizes) }));
  const shape: Record<string, Domain | Shape> = { ...state };
  for (const { definition: procedure, places } of procedures) {
    if (Object.hasOwn(shape, procedure.name)) {
      throw new ModelError(`'${procedure.name}' names both a field of the state and a procedure`);
    }
    shape[procedure.name] = procedureShape(
      procedure,
      places.map((place) => place.name),
    );
  }
  const variant = options.variant?.name;
  const where: Place = { model: model.name, ...(variant === undefined ? {} : { variant }) };
  const rules: Rule[] = [];
  for (const part of definition) {
    if (part.kind === 'action') {
      rules.push(ruleOf(rules.length, part, part.actor, undefined, sizes, where));
      continue;
    }
    const flat = procedures.find(({ definition: procedure }) => procedure === part);
    for (const place of flat?.places ?? []) {
      rules.push(ruleOf(rules.length, place.step, part.actor, { procedure: part, next: place.next }, sizes, where));
    }
  }
  return {
    model,
    size,
    sizes,
    variant,
    context,
    domain: concrete(record(shape), sizes) as Concrete<State>,
    declared,
    definition,
    rules,
    procedures,
    initial,
  };
}

function resolveSizes(model: Model, size: string, set: Sizes): Sizes {
  const declared = Object.hasOwn(model.sizes, size) ? model.sizes[size] : undefined;
  if (declared === undefined) {
    throw new ModelError(`there is no size '${size}'${suggest(size, Object.keys(model.sizes))}`);
  }
  const sizes = { ...declared };
  for (const [name, value] of Object.entries(set)) {
    if (!Object.hasOwn(declared, name)) {
      throw new ModelError(`there is no sort or constant '${name}' to set${suggest(name, Object.keys(declared))}`);
    }
    sizes[name] = value;
  }
  for (const [name, value] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new ModelError(`size ${name}=${value} is not a whole number from 0 up`);
    }
  }
  return Object.freeze(sizes);
}

function sizeContext(sizes: Sizes): SizeContext<never> {
  const count = (of: Sort): number => sortSize(of.name, sizes);
  return {
    size: sizes as Readonly<never>,
    members: (of) => Array.from({ length: count(of) }, (_, i) => i as never),
    first: () => 0 as never,
    next: (of, member) => ((Number(member) + 1) % count(of)) as never,
    index: (_, member) => Number(member),
  };
}

function instancesOf(procedure: ProcedureDefinition, sizes: Sizes): number {
  return procedure.instance === undefined ? 1 : sortSize(procedure.instance.sort.name, sizes);
}

function procedureShape(procedure: ProcedureDefinition, places: readonly string[]): Domain {
  const names: [string, ...string[]] = ['done'];
  names.unshift(...places);
  const own = record({ at: oneOf(...names), ...procedure.locals });
  return procedure.instance === undefined
    ? own
    : ({ [domainBrand]: { kind: 'each', sort: procedure.instance.sort, of: own } } satisfies Domain);
}

interface Stop {
  readonly name: string;
  readonly step: StepDefinition;
  readonly next: Next;
}

/** The places of a procedure: one for each step and each decision that is not fused. */
function flatten(procedure: ProcedureDefinition): { readonly entry: Next; readonly places: readonly Stop[] } {
  const places: Stop[] = [];
  /** Lays out `nodes`, with control going to `after` at their end; returns how control enters them. */
  const lay = (nodes: readonly NodeDefinition[], after: Next): Next => {
    const [node, ...rest] = nodes;
    if (node === undefined) return after;
    const arrive: Next = () => node.name;
    if (node.kind === 'step') {
      const place = { name: node.name, step: node, next: after };
      places.push(place);
      place.next = lay(rest, after);
      return arrive;
    }
    const test: Next = (decide) => (decide(node) ? yes(decide) : no(decide));
    const entry = node.fused ? test : arrive;
    if (!node.fused) places.push({ name: node.name, step: decisionStep(node), next: test });
    const behind: Next = (decide) => later(decide);
    const yes = lay(node.then, node.kind === 'loop' ? entry : behind);
    const no = lay(node.else, behind);
    const later = lay(rest, after);
    return entry;
  };
  const entry: Next = lay(procedure.steps, (decide) => (procedure.repeat ? entry(decide) : 'done'));
  return { entry, places };
}

/** A decision that is not fused is a step without guards and effects. */
function decisionStep({ name }: DecisionDefinition): StepDefinition {
  return { kind: 'step', name, actor: undefined, params: {}, blocks: [{ when: [], then: [] }] };
}

function ruleOf(
  index: number,
  atomic: ActionDefinition | StepDefinition,
  actor: string,
  owner: { readonly procedure: ProcedureDefinition; readonly next: Next } | undefined,
  sizes: Sizes,
  where: Place,
): Rule {
  const procedure = owner?.procedure;
  const type = procedure?.name ?? atomic.name;
  const step = owner === undefined ? undefined : atomic.name;
  const place = { ...where, action: type, ...(step === undefined ? {} : { step }) };
  const about: About = { ...procedure?.about, ...atomic };
  const instance = procedure?.instance;
  const shape: Params = { ...(instance === undefined ? {} : { [instance.name]: instance.sort }), ...atomic.params };
  const params = paramDomains(shape, sizes, place);
  const { source = [] } = about;
  return {
    index,
    type,
    step,
    place,
    actor: atomic.actor ?? actor,
    fairness: about.fairness ?? 'none',
    doc: about.doc ?? '',
    sources: typeof source === 'string' ? [source] : source,
    params,
    bindings: bind(params, place).map((values) => ({
      values,
      action: Object.freeze({ type, ...(step === undefined ? {} : { step }), ...values }),
    })),
    blocks: atomic.blocks,
    control: owner === undefined ? undefined : { instance: instance?.name, next: owner.next },
  };
}

function paramDomain(domain: Domain | Shape, sizes: Sizes, place: Place): Concrete {
  return located(place, () => concrete(record({ parameter: domain }), sizes).child('parameter')?.domain as Concrete);
}

function located<T>(place: Place, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof ModelError ? error.at(place) : error;
  }
}

/**
 * The state space bound: the binary logarithm of the product of all domains, which no reachable set can exceed.
 */
export function stateSpaceBound(instance: Instance): number {
  return log2(instance.domain.count);
}

/** All ways to bind parameters, each frozen. */
function bind(params: Readonly<Record<string, Concrete>>, place: Place): readonly Readonly<Record<string, unknown>>[] {
  const count = Object.values(params).reduce((product, domain) => product * domain.count, 1n);
  if (count > bindingLimit) {
    throw new ModelError(`the parameters have ${count} combinations: at most ${bindingLimit} are possible`, place);
  }
  let all: readonly Readonly<Record<string, unknown>>[] = [{}];
  for (const [name, domain] of Object.entries(params)) {
    const own = located(place, () => domain.values());
    all = all.flatMap((values) => own.map((value) => ({ ...values, [name]: value })));
  }
  return all.map((values) => Object.freeze(values));
}

/** The parameters of a quantifier or initial choice, bound in all ways. */
export function bindAll(params: Params, sizes: Sizes, place: Place): readonly Bindings<never>[] {
  return bind(paramDomains(params, sizes, place), place) as readonly Bindings<never>[];
}

/** The concrete domains of parameters. */
export function paramDomains(params: Params, sizes: Sizes, place: Place): Readonly<Record<string, Concrete>> {
  const domains: Record<string, Concrete> = {};
  for (const [name, domain] of Object.entries(params)) domains[name] = paramDomain(domain, sizes, place);
  return domains;
}
