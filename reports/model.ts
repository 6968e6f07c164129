/**
 * A model as a reviewer reads it: its state, its actions, its procedures step by step, and its properties.
 */
import type { ActionDefinition, NodeDefinition, ProcedureDefinition, StepDefinition } from '../language/definition.ts';
import { type Instance, type Property, stateSpaceBound } from '../language/index.ts';
import type { Colours } from './colours.ts';
import { describeDomain, fieldsOf, memberOf } from './domains.ts';
import { kindInWords } from './kinds.ts';
import { sizeOf } from './summary.ts';
import { fit, head, pageWidth, row, wrap } from './table.ts';

/** All that `svacheck show` says about an instance. */
export function modelLines(instance: Instance, properties: readonly Property[], colours: Colours): readonly string[] {
  const { model, definition } = instance;
  const actions = definition.filter((part) => part.kind === 'action');
  const procedures = definition.filter((part) => part.kind === 'procedure');
  const sizes = Object.entries(instance.sizes).map(([name, size]) => `${name}=${size}`);
  return [
    colours.bold(model.name),
    ...(model.doc === '' ? [] : wrap(model.doc, pageWidth)),
    ...wrap(`size ${sizeOf(instance)}${sizes.length === 0 ? '' : ` (${sizes.join(', ')})`}`, pageWidth, 2),
    '',
    colours.bold('State') + `: at most 2^${stateSpaceBound(instance).toFixed(1)} states`,
    ...table(['field', 'values'], stateRows(instance), 0),
    ...(actions.length === 0
      ? []
      : ['', colours.bold('Actions'), ...table(titles('action'), actions.map(actionRow), 1)]),
    ...procedures.flatMap((procedure) => [
      '',
      colours.bold(procedureTitle(procedure)),
      ...aboutLines(procedure.about.doc, procedure.about.source).flatMap((line) => wrap(line, pageWidth)),
      ...table(
        titles('step'),
        procedure.steps.flatMap((node) => nodeRows(node, procedure, '')),
        1,
      ),
    ]),
    '',
    colours.bold('Properties'),
    ...table(['property', 'kind', 'for'], properties.map(propertyRow), 1),
  ];
}

function propertyRow({ name, kind, doc, requirements, params }: Property): readonly string[] {
  const lines = [name, ...aboutLines(doc === '' ? undefined : doc, requirements)];
  const members = Object.keys(params).join(', ');
  const quantifier = kind === 'reachable' ? 'some' : 'every';
  return [lines.join('\n'), kindInWords(kind), members === '' ? '' : `${quantifier} ${members}`];
}

function titles(first: string): readonly string[] {
  return [first, 'actor', 'when', 'then'];
}

/** A table of cells that may have several lines; with a gap, rows are kept apart. */
function table(columnTitles: readonly string[], rows: readonly (readonly string[])[], gap: 0 | 1): readonly string[] {
  const columns = fit(
    columnTitles.map((title) => ({ title })),
    rows,
  );
  return [
    ...head(columns),
    ...rows.flatMap((cells, i) => [...(gap === 1 && i > 0 ? [''] : []), ...row(columns, cells)]),
  ];
}

function stateRows(instance: Instance): readonly (readonly string[])[] {
  const { state } = instance.model.build(instance.context);
  const declared = fieldsOf(state).map(({ field, values }) => [field, values]);
  const ofProcedures = instance.procedures.flatMap(({ definition: { name, instance: own, locals } }) => {
    const path = `${name}${own === undefined ? '' : `[${own.sort.name}]`}`;
    const fields = fieldsOf(locals, path).map(({ field, values }) => [field, values]);
    return [[`${path}.at`, `a step of ${name}, or 'done'`], ...fields];
  });
  return [...declared, ...ofProcedures];
}

function actionRow(action: ActionDefinition): readonly string[] {
  return [
    [`${action.name}${parameters(action.params, '')}`, ...aboutLines(action.doc, action.source)].join('\n'),
    actorOf(action.actor, action.fairness),
    ...partsOf(action),
  ];
}

function nodeRows(
  node: NodeDefinition,
  procedure: ProcedureDefinition,
  indent: string,
): readonly (readonly string[])[] {
  const inner = (nodes: readonly NodeDefinition[]): readonly (readonly string[])[] =>
    nodes.flatMap((child) => nodeRows(child, procedure, `${indent}  `));
  if (node.kind === 'step') {
    const lines = [`${node.name}${parameters(node.params, ' ')}`, ...aboutLines(node.doc, node.source)];
    const of = procedure.about.fairness;
    const actor = actorOf(node.actor ?? procedure.actor, node.fairness ?? of, of);
    return [[indented(lines, indent), actor, ...partsOf(node)]];
  }
  const kind = `${node.kind === 'loop' ? 'while' : 'if'} ${node.name}`;
  return [
    [indented([`${kind}${node.fused ? '' : ' (a step)'}`], indent), '', '', ''],
    ...inner(node.then),
    ...(node.else.length === 0 ? [] : [[`${indent}else`, '', '', '']]),
    ...inner(node.else),
  ];
}

function indented(lines: readonly string[], indent: string): string {
  return lines.map((line) => indent + line).join('\n');
}

function procedureTitle({ name, actor, instance, repeat, about }: ProcedureDefinition): string {
  const own = instance === undefined ? '' : `(${instance.name}: ${memberOf(instance.sort.name)})`;
  const fairness = about.fairness === undefined || about.fairness === 'none' ? '' : `, ${about.fairness} fairness`;
  return `Procedure ${name}${own} of ${actor}${repeat ? ', again and again' : ''}${fairness}`;
}

function parameters(params: StepDefinition['params'], space: '' | ' '): string {
  const list = Object.entries(params).map(([name, domain]) => {
    const values = describeDomain(domain);
    return values === memberOf(name) ? name : `${name}: ${values}`;
  });
  return list.length === 0 ? '' : `${space}(${list.join(', ')})`;
}

function aboutLines(doc: string | undefined, source: string | readonly string[] | undefined): readonly string[] {
  const sources = source === undefined ? [] : typeof source === 'string' ? [source] : source;
  return [...(doc === undefined ? [] : [doc]), ...(sources.length === 0 ? [] : [`[${sources.join(', ')}]`])];
}

/** With the fairness of an action or step, where it is not what is said of it already. */
function actorOf(actor: string, fairness = 'none', said = 'none'): string {
  if (fairness === said) return actor;
  return `${actor}\n${fairness === 'none' ? 'no' : fairness} fairness`;
}

/** Guards and effects by name, a line each; those of merged steps follow each other. */
function partsOf({ blocks }: ActionDefinition | StepDefinition): readonly [string, string] {
  const names = (parts: readonly { readonly name: string }[]): string =>
    parts.map(({ name }) => `- ${name}`).join('\n');
  return [names(blocks.flatMap(({ when }) => when)), names(blocks.flatMap(({ then }) => then))];
}
