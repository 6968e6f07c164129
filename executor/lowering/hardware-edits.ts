/**
 * What a variant has changed in the behaviour of hardware: each such edit needs hardware that is broken in that way.
 */
import type { Instance } from '../../language/index.ts';

type Definition = Instance['definition'];
type Part = Definition[number];
type Action = Extract<Part, { readonly kind: 'action' }>;
type Procedure = Extract<Part, { readonly kind: 'procedure' }>;
type Node = Procedure['steps'][number];
type Step = Extract<Node, { readonly kind: 'step' }>;
type Named = Action['blocks'][number]['when' | 'then'][number];

/** `order`: effects, or steps of hardware, come in another order. */
export type EditKind = 'drop' | 'replace' | 'add' | 'order';

/** One edit of hardware. */
export interface HardwareEdit {
  readonly action: string;
  readonly step?: string;
  /** The guard, effect or decision; of the whole action or step if left out. */
  readonly part?: string;
  readonly edit: EditKind;
}

/**
 * The edits by which the hardware of an instance can do what that of the model as declared cannot. Hardware that does less, by
 * an added guard or a dropped action, is not among them: hardware need not do what it may.
 */
export function hardwareEdits(
  { declared, definition }: Instance,
  hardware: readonly string[],
): readonly HardwareEdit[] {
  const before = stepsOf(declared, hardware);
  const after = stepsOf(definition, hardware);
  const edits: HardwareEdit[] = [];
  for (const [key, now] of after) {
    const then = before.get(key);
    if (then === undefined) edits.push({ ...now.place, edit: 'add' });
    else edits.push(...changesOf(then, now));
  }
  // A step that hardware leaves out makes the next one earlier; an action that it never takes makes nothing possible.
  for (const [key, { place }] of before)
    if (place.step !== undefined && !after.has(key)) edits.push({ ...place, edit: 'drop' });
  const kept = (of: ReadonlyMap<string, Atom>, others: ReadonlyMap<string, Atom>): string =>
    JSON.stringify(
      [...of].filter(([key, { place }]) => place.step !== undefined && others.has(key)).map(([key]) => key),
    );
  if (kept(before, after) !== kept(after, before)) {
    const procedure = [...after.values()].find(({ place }) => place.step !== undefined);
    if (procedure !== undefined) edits.push({ action: procedure.place.action, edit: 'order' });
  }
  edits.push(...decisionEdits(declared, definition, hardware));
  return edits;
}

/** What happens atomically in hardware. */
interface Atom {
  readonly place: { readonly action: string; readonly step?: string };
  readonly guards: readonly Named[];
  readonly effects: readonly Named[];
}

function stepsOf(definition: Definition, hardware: readonly string[]): ReadonlyMap<string, Atom> {
  const found = new Map<string, Atom>();
  const note = (place: Atom['place'], { blocks }: Action | Step): void => {
    found.set(JSON.stringify([place.action, place.step]), {
      place,
      guards: blocks.flatMap(({ when }) => when),
      effects: blocks.flatMap(({ then }) => then),
    });
  };
  for (const part of definition) {
    if (part.kind === 'action') {
      if (hardware.includes(part.actor)) note({ action: part.name }, part);
      continue;
    }
    for (const node of allNodes(part.steps)) {
      if (node.kind === 'step' && hardware.includes(node.actor ?? part.actor)) {
        note({ action: part.name, step: node.name }, node);
      }
    }
  }
  return found;
}

function allNodes(nodes: readonly Node[]): readonly Node[] {
  return nodes.flatMap((node) =>
    node.kind === 'step' ? [node] : [node, ...allNodes(node.then), ...allNodes(node.else)],
  );
}

function changesOf(before: Atom, after: Atom): readonly HardwareEdit[] {
  const { place } = after;
  const edits: HardwareEdit[] = [];
  const compare = (old: readonly Named[], now: readonly Named[], mayAdd: boolean): void => {
    for (const { name, run } of old) {
      const same = now.find((part) => part.name === name);
      if (same === undefined) edits.push({ ...place, part: name, edit: 'drop' });
      else if (same.run !== run) edits.push({ ...place, part: name, edit: 'replace' });
    }
    for (const { name } of now) {
      if (!mayAdd && old.every((part) => part.name !== name)) edits.push({ ...place, part: name, edit: 'add' });
    }
  };
  compare(before.guards, after.guards, true);
  compare(before.effects, after.effects, false);
  const names = (of: Atom, other: Atom): string =>
    JSON.stringify(
      of.effects.map(({ name }) => name).filter((name) => other.effects.some((part) => part.name === name)),
    );
  if (names(before, after) !== names(after, before)) edits.push({ ...place, edit: 'order' });
  return edits;
}

/** Branches and loops of procedures that hardware runs, with other tests or none. */
function decisionEdits(
  declared: Definition,
  definition: Definition,
  hardware: readonly string[],
): readonly HardwareEdit[] {
  const edits: HardwareEdit[] = [];
  for (const part of declared) {
    if (part.kind !== 'procedure' || !hardware.includes(part.actor)) continue;
    const now = definition.find(({ name }) => name === part.name);
    if (now?.kind !== 'procedure') continue;
    const decisions = allNodes(now.steps).filter((node) => node.kind !== 'step');
    for (const node of allNodes(part.steps)) {
      if (node.kind === 'step') continue;
      const same = decisions.find(({ name }) => name === node.name);
      if (same === undefined) edits.push({ action: part.name, part: node.name, edit: 'drop' });
      else if (same.test !== node.test) edits.push({ action: part.name, part: node.name, edit: 'replace' });
    }
  }
  return edits;
}
