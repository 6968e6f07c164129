/**
 * A behaviour as data that variants can edit: actions and procedures as lists of named guards, effects and steps.
 */
import type { About, Behaviour, BranchNode, Effect, LoopNode, Node, Params, StateTest, StepNode } from './behaviour.ts';
import { isOrdinaryName } from './concrete.ts';
import type { Shape, Sort } from './domain.ts';
import { ModelError } from './errors.ts';

/** A function of the model and its name. */
export interface Named<F> {
  readonly name: string;
  readonly run: F;
}

/**
 * Guards, then effects. A step has one block; steps merged into one have several, and the guards of a later block are
 * tested after the effects of the earlier ones: the step happens only if all of them hold.
 */
export interface Block {
  readonly when: readonly Named<StateTest>[];
  readonly then: readonly Named<Effect>[];
}

/** What happens atomically. */
interface Atomic extends About {
  readonly name: string;
  /** Parameters of the action, or of this step alone. */
  readonly params: Params;
  readonly blocks: readonly Block[];
}

/** An action. */
export interface ActionDefinition extends Atomic {
  readonly kind: 'action';
  readonly actor: string;
}

/** A step of a procedure. */
export interface StepDefinition extends Atomic {
  readonly kind: 'step';
  readonly actor: string | undefined;
}

/** A branch or a loop; a loop has its body under `then`. */
export interface DecisionDefinition {
  readonly kind: 'branch' | 'loop';
  readonly name: string;
  readonly test: StateTest;
  readonly fused: boolean;
  readonly then: readonly NodeDefinition[];
  readonly else: readonly NodeDefinition[];
}

/** A step, or a branch or loop around steps. */
export type NodeDefinition = StepDefinition | DecisionDefinition;

/** A procedure. */
export interface ProcedureDefinition {
  readonly kind: 'procedure';
  readonly name: string;
  readonly actor: string;
  readonly about: About;
  /** The parameter that tells instances apart, if any. */
  readonly instance: { readonly name: string; readonly sort: Sort } | undefined;
  readonly locals: Shape;
  readonly repeat: boolean;
  readonly steps: readonly NodeDefinition[];
}

/** All actions and procedures of a model, in the order of their declaration. */
export type Definition = readonly (ActionDefinition | ProcedureDefinition)[];

/** The definition of a behaviour; an error names a name that is used twice or cannot be a name. */
export function define(behaviour: Behaviour): Definition {
  return Object.entries(behaviour).map(([name, part]) => {
    checkName(name, 'an action', {});
    if (part.kind === 'action') {
      const { spec, params } = part;
      const action: ActionDefinition = {
        ...aboutOf(spec),
        kind: 'action',
        name,
        actor: spec.actor,
        params,
        blocks: [{ when: namedTests(spec.when), then: namedEffects(spec.then) }],
      };
      return action;
    }
    const instances = Object.entries(part.params);
    if (instances.length > 1) {
      throw new ModelError('a procedure has one instance for each member of at most one sort', { action: name });
    }
    const [instance] = instances.map(([parameter, sort]) => ({ name: parameter, sort }));
    const procedure: ProcedureDefinition = {
      kind: 'procedure',
      name,
      actor: part.actor,
      about: part.about,
      instance,
      locals: part.locals,
      repeat: part.repeat,
      steps: part.steps.map(defineNode),
    };
    return procedure;
  });
}

function defineNode(node: Node): NodeDefinition {
  switch (node.kind) {
    case 'step': {
      const { name, spec } = node as StepNode;
      return stepDefinition(name, spec);
    }
    case 'branch': {
      const branch = node as BranchNode;
      const { kind, name, test, fused } = branch;
      return { kind, name, test, fused, then: branch.then.map(defineNode), else: branch.else.map(defineNode) };
    }
    case 'loop': {
      const { kind, name, test, fused, body } = node as LoopNode;
      return { kind, name, test, fused, then: body.map(defineNode), else: [] };
    }
    default:
      return node.kind satisfies never;
  }
}

/** The definition of a step as it is written. */
export function stepDefinition(name: string, spec: StepNode['spec']): StepDefinition {
  return {
    ...aboutOf(spec),
    kind: 'step',
    name,
    actor: spec.actor,
    params: spec.choose ?? {},
    blocks: [{ when: namedTests(spec.when), then: namedEffects(spec.then) }],
  };
}

function aboutOf({ doc, source, fairness }: About): About {
  return {
    ...(doc === undefined ? {} : { doc }),
    ...(source === undefined ? {} : { source }),
    ...(fairness === undefined ? {} : { fairness }),
  };
}

function namedTests(functions: Readonly<Record<string, StateTest>> | undefined): readonly Named<StateTest>[] {
  return Object.entries(functions ?? {}).map(([name, run]) => ({ name, run }));
}

function namedEffects(functions: Readonly<Record<string, Effect>> | undefined): readonly Named<Effect>[] {
  return Object.entries(functions ?? {}).map(([name, run]) => ({ name, run }));
}

/** All steps, branches and loops of a procedure, in the order in which they are written. */
export function allNodes(nodes: readonly NodeDefinition[]): readonly NodeDefinition[] {
  return nodes.flatMap((node) =>
    node.kind === 'step' ? [node] : [node, ...allNodes(node.then), ...allNodes(node.else)],
  );
}

/** Refuses a definition in which a name stands for two things, or for none. */
export function checkDefinition(definition: Definition): void {
  refuseDuplicates(definition, 'an action or procedure', {});
  for (const part of definition) {
    if (part.kind === 'action') {
      checkAtomic(part, { action: part.name });
      continue;
    }
    const nodes = allNodes(part.steps);
    if (part.steps.length === 0) throw new ModelError('the procedure has no steps', { action: part.name });
    refuseDuplicates(nodes, 'a step', { action: part.name });
    for (const node of nodes) {
      checkName(node.name, 'a step', { action: part.name });
      if (node.name === 'done') throw new ModelError(`'done' is the place after the last step`, { action: part.name });
      if (node.kind === 'step') {
        checkAtomic(node, { action: part.name, step: node.name });
        if (part.instance !== undefined && Object.hasOwn(node.params, part.instance.name)) {
          throw new ModelError(`the parameter '${part.instance.name}' is the procedure's own`, {
            action: part.name,
            step: node.name,
          });
        }
      } else if (node.then.length === 0 && node.else.length === 0) {
        throw new ModelError(`the ${node.kind} has no steps`, { action: part.name, step: node.name });
      }
    }
    if (Object.hasOwn(part.locals, 'at')) {
      throw new ModelError(`a local cannot be named 'at': that is the procedure's place`, { action: part.name });
    }
    if (part.instance !== undefined) refuseReserved([part.instance.name], { action: part.name });
  }
}

function checkAtomic(atomic: Atomic, place: { readonly action: string; readonly step?: string }): void {
  const parts = atomic.blocks.flatMap((block) => [...block.when, ...block.then]);
  refuseDuplicates(parts, 'a guard or effect', place);
  for (const { name } of parts) checkName(name, 'a guard or effect', place);
  refuseReserved(Object.keys(atomic.params), place);
}

function refuseReserved(
  parameters: readonly string[],
  place: { readonly action: string; readonly step?: string },
): void {
  const reserved = parameters.find((name) => name === 'type' || name === 'step');
  if (reserved === undefined) return;
  throw new ModelError(`a parameter cannot be named '${reserved}': actions are written { type, step, ... }`, place);
}

function checkName(name: string, what: string, place: { readonly action?: string }): void {
  if (!isOrdinaryName(name)) throw new ModelError(`'${name}' cannot name ${what}`, place);
}

function refuseDuplicates(
  parts: readonly { readonly name: string }[],
  what: string,
  place: { readonly action?: string; readonly step?: string },
): void {
  const names = parts.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new ModelError(`'${twice}' names ${what} twice`, place);
}
