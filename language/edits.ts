/**
 * Edits of a definition by the names of its parts. One that names what does not exist, or that changes nothing, is an error.
 */
import { match } from 'ts-pattern';
import type { Effect, Params, StateTest } from './behaviour.ts';
import {
  type ActionDefinition,
  allNodes,
  type Block,
  type Definition,
  type Named,
  type NodeDefinition,
  type ProcedureDefinition,
  type StepDefinition,
} from './definition.ts';
import { ModelError, type Place, suggest } from './errors.ts';

/** Where an action or step is. */
type AtomicPlace = { readonly action: string; readonly step?: string };

/** The names that lead to a part of a definition. */
export type Path = readonly string[];
/** Where something goes among its siblings. */
export type Spot = { readonly before: string } | { readonly after: string };

/** One edit of a definition. */
export type Edit =
  | { readonly edit: 'drop'; readonly path: Path }
  | { readonly edit: 'replace'; readonly path: Path; readonly by: StateTest | Effect }
  | { readonly edit: 'move'; readonly path: Path; readonly to: Spot }
  | { readonly edit: 'merge'; readonly path: Path; readonly steps: readonly string[]; readonly as: string }
  | { readonly edit: 'split'; readonly path: Path; readonly after: string; readonly as: string }
  | { readonly edit: 'add guard'; readonly path: Path; readonly name: string; readonly by: StateTest }
  | {
      readonly edit: 'add effect';
      readonly path: Path;
      readonly name: string;
      readonly by: Effect;
      readonly to: Spot | undefined;
    }
  | { readonly edit: 'add step'; readonly path: Path; readonly step: StepDefinition; readonly to: Spot }
  | { readonly edit: 'add action'; readonly path: Path; readonly action: ActionDefinition };

/** The definition after one edit. */
export function applyEdit(definition: Definition, edit: Edit): Definition {
  if (edit.edit === 'add action') return [...definition, edit.action];
  const [name = '', ...rest] = edit.path;
  const part = definition.find((candidate) => candidate.name === name);
  if (part === undefined) {
    throw new ModelError(
      `there is no action '${name}'${suggest(
        name,
        definition.map((d) => d.name),
      )}`,
    );
  }
  if (edit.edit === 'drop' && rest.length === 0) return definition.filter((candidate) => candidate !== part);
  const edited =
    part.kind === 'action'
      ? { ...part, blocks: editBlocks(part, rest, edit, { action: part.name }) }
      : { ...part, steps: editSteps(part, rest, edit) };
  return definition.map((candidate) => (candidate === part ? edited : candidate));
}

function editSteps(procedure: ProcedureDefinition, path: Path, edit: Edit): readonly NodeDefinition[] {
  const { steps } = procedure;
  const [name, ...rest] = path;
  const find = (wanted: string): NodeDefinition => {
    const nodes = allNodes(steps);
    const node = nodes.find((candidate) => candidate.name === wanted);
    if (node !== undefined) return node;
    const known = nodes.map((candidate) => candidate.name);
    throw new ModelError(`there is no step '${wanted}'${suggest(wanted, known)}`, { action: procedure.name });
  };
  if (name === undefined) {
    if (edit.edit === 'merge') {
      for (const step of edit.steps) find(step);
      return mergeSteps(procedure, edit.steps, edit.as);
    }
    if (edit.edit === 'add step') {
      find(anchor(edit.to));
      return insertNode(steps, edit.step, edit.to);
    }
    throw new ModelError(`'${edit.edit}' needs a step`, { action: procedure.name });
  }
  const node = find(name);
  const place = { action: procedure.name, step: name };
  if (rest.length > 0) {
    if (node.kind !== 'step') throw new ModelError(`a ${node.kind} has no guards or effects`, place);
    return withNode(steps, node, [{ ...node, blocks: editBlocks(node, rest, edit, place) }]);
  }
  return match<Edit, readonly NodeDefinition[]>(edit)
    .with({ edit: 'drop' }, () => withNode(steps, node, []))
    .with({ edit: 'move' }, ({ to }) => {
      find(anchor(to));
      if (allNodes([node]).some((inner) => inner.name === anchor(to))) {
        throw new ModelError(`cannot move into itself`, place);
      }
      const moved = insertNode(withNode(steps, node, []), node, to);
      return refuseSame(steps, moved, place);
    })
    .with({ edit: 'replace' }, ({ by }) => {
      if (node.kind === 'step') throw new ModelError('name the guard or effect to replace', place);
      return withNode(steps, node, [{ ...node, test: by as StateTest }]);
    })
    .with({ edit: 'split' }, ({ after, as }) => {
      if (node.kind !== 'step') throw new ModelError(`a ${node.kind} cannot be split`, place);
      return withNode(steps, node, splitStep(node, after, as, place));
    })
    .with({ edit: 'add guard' }, { edit: 'add effect' }, () => {
      if (node.kind !== 'step') throw new ModelError(`a ${node.kind} has no guards or effects`, place);
      return withNode(steps, node, [{ ...node, blocks: editBlocks(node, [], edit, place) }]);
    })
    .with({ edit: 'merge' }, { edit: 'add step' }, () => {
      throw new ModelError(`'${edit.edit}' takes the procedure alone as its path`, place);
    })
    .with({ edit: 'add action' }, () => steps)
    .exhaustive();
}

function anchor(spot: Spot): string {
  return 'before' in spot ? spot.before : spot.after;
}

function refuseSame(
  before: readonly NodeDefinition[],
  after: readonly NodeDefinition[],
  place: { readonly action: string; readonly step: string },
): readonly NodeDefinition[] {
  const names = (nodes: readonly NodeDefinition[]): string => JSON.stringify(nodes.map(outline));
  if (names(before) === names(after)) throw new ModelError('the move changes nothing', place);
  return after;
}

function outline(node: NodeDefinition): unknown {
  return node.kind === 'step' ? node.name : [node.name, node.then.map(outline), node.else.map(outline)];
}

/** The nodes with others in place of one of them, at whatever depth it is. */
function withNode(
  nodes: readonly NodeDefinition[],
  old: NodeDefinition,
  others: readonly NodeDefinition[],
): readonly NodeDefinition[] {
  return nodes.flatMap((node) => {
    if (node === old) return others;
    return node.kind === 'step'
      ? [node]
      : [{ ...node, then: withNode(node.then, old, others), else: withNode(node.else, old, others) }];
  });
}

function insertNode(nodes: readonly NodeDefinition[], added: NodeDefinition, to: Spot): readonly NodeDefinition[] {
  return nodes.flatMap((node) => {
    const inner =
      node.kind === 'step'
        ? node
        : { ...node, then: insertNode(node.then, added, to), else: insertNode(node.else, added, to) };
    if (node.name !== anchor(to)) return [inner];
    return 'before' in to ? [added, inner] : [inner, added];
  });
}

function mergeSteps(procedure: ProcedureDefinition, names: readonly string[], as: string): readonly NodeDefinition[] {
  const place = { action: procedure.name };
  const merge = (nodes: readonly NodeDefinition[]): readonly NodeDefinition[] | undefined => {
    const start = nodes.findIndex((node) => node.name === names[0]);
    if (start < 0) {
      for (const node of nodes) {
        if (node.kind === 'step') continue;
        const then = merge(node.then);
        if (then !== undefined) return withNode(nodes, node, [{ ...node, then }]);
        const otherwise = merge(node.else);
        if (otherwise !== undefined) return withNode(nodes, node, [{ ...node, else: otherwise }]);
      }
      return undefined;
    }
    const run = nodes.slice(start, start + names.length);
    const steps = run.map((node, i) => {
      if (node.name !== names[i]) {
        throw new ModelError(`cannot merge: '${node.name}' stands where '${names[i]}' should follow`, place);
      }
      if (node.kind !== 'step') throw new ModelError(`cannot merge the ${node.kind} '${node.name}'`, place);
      return node;
    });
    const [first] = steps;
    if (first === undefined || steps.length < names.length) {
      throw new ModelError(`cannot merge: there is no step after '${nodes.at(-1)?.name}'`, place);
    }
    const merged: StepDefinition = { ...first, name: as, params: allParams(steps, place), blocks: allBlocks(steps) };
    return [...nodes.slice(0, start), merged, ...nodes.slice(start + names.length)];
  };
  return merge(procedure.steps) ?? procedure.steps;
}

function allParams(steps: readonly StepDefinition[], place: AtomicPlace): Params {
  const names = steps.flatMap((step) => Object.keys(step.params));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new ModelError(`cannot merge: two of the steps choose a '${twice}'`, place);
  return Object.fromEntries(steps.flatMap((step) => Object.entries(step.params)));
}

/** The blocks of all steps; a guard or effect whose name is taken by an earlier step gets its own step's name in front. */
function allBlocks(steps: readonly StepDefinition[]): readonly Block[] {
  const taken = new Set<string>();
  return steps.flatMap((step) => {
    const rename = <F>(part: Named<F>): Named<F> =>
      taken.has(part.name) ? { ...part, name: `${step.name}: ${part.name}` } : part;
    const blocks = step.blocks.map(({ when, then }) => ({ when: when.map(rename), then: then.map(rename) }));
    for (const { when, then } of blocks) for (const { name } of [...when, ...then]) taken.add(name);
    return blocks;
  });
}

function splitStep(
  step: StepDefinition,
  after: string,
  as: string,
  place: AtomicPlace,
): readonly [StepDefinition, StepDefinition] {
  if (Object.keys(step.params).length > 0) {
    throw new ModelError('a step that chooses cannot be split: its choice would be made twice', place);
  }
  const [block, ...others] = step.blocks;
  if (block === undefined || others.length > 0) throw new ModelError('a merged step cannot be split', place);
  const cut = block.then.findIndex(({ name }) => name === after);
  refuseNoEffect(block.then, after, place);
  if (cut === block.then.length - 1) throw new ModelError(`'${after}' is the last effect: nothing to split off`, place);
  return [
    { ...step, blocks: [{ when: block.when, then: block.then.slice(0, cut + 1) }] },
    { ...step, name: as, blocks: [{ when: [], then: block.then.slice(cut + 1) }] },
  ];
}

/** The blocks of an action or step after one of its guards or effects is edited. */
function editBlocks(
  atomic: ActionDefinition | StepDefinition,
  path: Path,
  edit: Edit,
  place: AtomicPlace,
): readonly Block[] {
  const [name, ...rest] = path;
  if (name === undefined) {
    return match<Edit, readonly Block[]>(edit)
      .with({ edit: 'add guard' }, (added) => {
        const [first, ...others] = atomic.blocks;
        const when = [...(first?.when ?? []), { name: added.name, run: added.by }];
        return [{ when, then: first?.then ?? [] }, ...others];
      })
      .with({ edit: 'add effect' }, (added) => {
        const effect = { name: added.name, run: added.by };
        const { to } = added;
        if (to !== undefined) {
          return onBlockWith(atomic, anchor(to), place, (block) => {
            refuseNoEffect(block.then, anchor(to), place);
            return { ...block, then: insertNamed(block.then, effect, to) };
          });
        }
        const last = atomic.blocks.at(-1);
        return [...atomic.blocks.slice(0, -1), { when: last?.when ?? [], then: [...(last?.then ?? []), effect] }];
      })
      .otherwise(() => {
        throw new ModelError(`'${edit.edit}' does not apply to a whole ${atomic.kind}`, place);
      });
  }
  if (rest.length > 0) throw new ModelError(`'${rest.join(' / ')}' leads below a guard or effect`, place);
  return match<Edit, readonly Block[]>(edit)
    .with({ edit: 'drop' }, () =>
      onBlockWith(atomic, name, place, ({ when, then }) => ({
        when: when.filter((guard) => guard.name !== name),
        then: then.filter((effect) => effect.name !== name),
      })),
    )
    .with({ edit: 'replace' }, ({ by }) =>
      onBlockWith(atomic, name, place, ({ when, then }) => ({
        when: when.map((guard) => (guard.name === name ? { name, run: by as StateTest } : guard)),
        then: then.map((effect) => (effect.name === name ? { name, run: by } : effect)),
      })),
    )
    .with({ edit: 'move' }, ({ to }) =>
      onBlockWith(atomic, name, place, (block) => ({ ...block, then: moveEffect(block.then, name, to, place) })),
    )
    .otherwise(() => {
      throw new ModelError(`'${edit.edit}' does not apply to a guard or effect`, { ...place, part: name });
    });
}

function moveEffect(
  effects: readonly Named<Effect>[],
  name: string,
  to: Spot,
  place: AtomicPlace,
): readonly Named<Effect>[] {
  const effect = effects.find((candidate) => candidate.name === name);
  if (effect === undefined) throw new ModelError(`the guard '${name}' cannot be moved`, place);
  const others = effects.filter((candidate) => candidate !== effect);
  refuseNoEffect(others, anchor(to), { ...place, part: name });
  const moved = insertNamed(others, effect, to);
  if (moved.every((candidate, i) => candidate === effects[i])) {
    throw new ModelError('the move changes nothing', { ...place, part: name });
  }
  return moved;
}

function refuseNoEffect(effects: readonly Named<Effect>[], name: string, place: Place): void {
  const names = effects.map((effect) => effect.name);
  if (!names.includes(name)) throw new ModelError(`there is no effect '${name}'${suggest(name, names)}`, place);
}

function insertNamed<F>(parts: readonly Named<F>[], added: Named<F>, to: Spot): readonly Named<F>[] {
  return parts.flatMap((part) => {
    if (part.name !== anchor(to)) return [part];
    return 'before' in to ? [added, part] : [part, added];
  });
}

/** Edits the block that has the named guard or effect. */
function onBlockWith(
  atomic: ActionDefinition | StepDefinition,
  name: string,
  place: AtomicPlace,
  edit: (block: Block) => Block,
): readonly Block[] {
  const parts = ({ when, then }: Block): readonly string[] => [...when, ...then].map((part) => part.name);
  if (!atomic.blocks.some((block) => parts(block).includes(name))) {
    const known = atomic.blocks.flatMap(parts);
    throw new ModelError(`there is no guard or effect '${name}'${suggest(name, known)}`, place);
  }
  return atomic.blocks.map((block) => (parts(block).includes(name) ? edit(block) : block));
}
