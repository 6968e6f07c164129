/**
 * A violation as a person reads it: the property in words, the numbered steps by actor with what each changed, and the state
 * around the violation.
 */
import type { PropertyResult } from '../checker/index.ts';
import type { Property } from '../language/index.ts';
import { fieldsAround, waits } from '../traces/around.ts';
import { type Change, finalState, type Trace } from '../traces/trace.ts';
import type { Colours } from './colours.ts';
import { inSteps, type Run, sorted } from './run.ts';
import { number } from './summary.ts';
import { pageWidth, wrap } from './table.ts';

/** The violated properties of a run, each with its trace; where there is a record, those that are not as recorded. */
export function violations(run: Run, colours: Colours): readonly string[] {
  const isRecorded = ({ name, kind }: PropertyResult): boolean =>
    run.recorded !== undefined && (kind === 'reachable' || run.recorded[name] === run.traces.get(name)?.steps.length);
  const { shown, named } = sorted(run);
  const others = named.map(({ name }) => `'${name}' (${inSteps(run.traces.get(name)?.steps.length ?? 0)})`);
  return [
    ...shown.filter((property) => !isRecorded(property)).flatMap((result) => ['', ...violation(run, result, colours)]),
    ...(others.length === 0
      ? []
      : ['', ...wrap(`also violated, shown with --property NAME: ${others.join(', ')}`, pageWidth, 2)]),
  ];
}

function violation(run: Run, result: PropertyResult, colours: Colours): readonly string[] {
  const { model, variant } = run.result;
  const trace = run.traces.get(result.name);
  const property = run.properties.find(({ name }) => name === result.name);
  const members = run.members.get(result.name) ?? '';
  const about = [
    result.doc,
    result.requirements.length === 0 ? '' : `requirements: ${result.requirements.join(', ')}`,
    trace === undefined
      ? `is true in none of the ${number(run.result.states)} reachable states`
      : `${violatedHow(result)}${members === '' ? '' : ` for ${members}`} after ${inSteps(trace.steps.length)}`,
  ];
  return [
    colours.bold(`${model}${variant === undefined ? '' : `, variant ${variant}`}`),
    ...wrap(result.name, pageWidth).map((line) => colours.red(colours.bold(line))),
    ...about.filter((text) => text !== '').flatMap((text) => wrap(`  ${text}`, pageWidth, 2)),
    ...(trace === undefined || property === undefined
      ? []
      : [...traceLines(trace, colours), ...around(trace, property, result, colours)]),
  ];
}

function violatedHow({ kind }: PropertyResult): string {
  return kind === 'deadlock' ? 'nothing can happen' : 'violated';
}

/** The steps of a trace, numbered, under the actor that takes them. */
export function traceLines({ steps }: Trace, colours: Colours): readonly string[] {
  const lines: string[] = [''];
  const digits = String(steps.length).length;
  let actor: string | undefined;
  for (const [i, step] of steps.entries()) {
    if (step.actor !== actor) lines.push(`  ${colours.cyan(step.actor)}`);
    actor = step.actor;
    const mark = `    ${String(i + 1).padStart(digits)}  `;
    const indent = ' '.repeat(mark.length);
    lines.push(
      ...wrap(indent + step.title, pageWidth, 2).map((line, n) => (n === 0 ? mark + line.slice(indent.length) : line)),
    );
    for (const change of step.changes) {
      if (change.isPlace) continue;
      lines.push(...changeLines(change, `${indent}  `).map((line) => colours.dim(line)));
    }
  }
  return lines;
}

/** A change on one line; where that is too long for a queue or bag, the items that went and came. */
function changeLines({ field, before, after, removed, added }: Change, indent: string): readonly string[] {
  const whole = `${indent}${field}: ${before} -> ${after}`;
  if (whole.length <= pageWidth || removed.length + added.length === 0) {
    return wrap(whole, pageWidth, 4);
  }
  const items = [...removed.map((item) => `- ${item}`), ...added.map((item) => `+ ${item}`)];
  return [`${indent}${field}:`, ...items.flatMap((item) => wrap(`${indent}  ${item}`, pageWidth, 2))];
}

function around(trace: Trace, property: Property, result: PropertyResult, colours: Colours): readonly string[] {
  const fields = fieldsAround(trace, property, result.binding ?? {});
  const width = Math.min(40, Math.max(0, ...fields.map(({ field }) => field.length)));
  const stuck = property.kind === 'deadlock' ? waits(trace.instance, finalState(trace)) : [];
  return [
    '',
    `  ${colours.cyan('state at the end')}`,
    ...fields.flatMap(({ field, value }) => wrap(`    ${field.padEnd(width)}  ${value}`, pageWidth, 4)),
    ...stuck.flatMap((text) => wrap(`    ${text}`, pageWidth, 4)),
  ];
}
