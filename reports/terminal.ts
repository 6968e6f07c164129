/**
 * A violation as a person reads it: the property in words, the numbered steps by actor with what each changed, what repeats for
 * ever, and the state around the violation.
 */
import type { PropertyResult } from '../checker/index.ts';
import type { Property } from '../language/index.ts';
import { fieldsAround, waits } from '../traces/around.ts';
import { dueAfter, hasLoop, type PassedOver, passedOver } from '../traces/lasso.ts';
import { type Change, finalState, type Trace, type TraceStep } from '../traces/trace.ts';
import type { Colours } from './colours.ts';
import { assumptionsInWords } from './fairness.ts';
import { replayLines } from './replay.ts';
import { inSteps, lengthInWords, type Run, sorted } from './run.ts';
import { number } from './summary.ts';
import { pageWidth, wrap } from './table.ts';

/** The violated properties of a run, each with its trace; where there is a record, those that are not as recorded. */
export function violations(run: Run, colours: Colours): readonly string[] {
  const isRecorded = ({ name, kind }: PropertyResult): boolean =>
    run.recorded !== undefined && (kind === 'reachable' || run.recorded[name] === run.traces.get(name)?.steps.length);
  const { shown, named } = sorted(run);
  const others = named.map(({ name }) => {
    const trace = run.traces.get(name);
    return trace === undefined ? `'${name}'` : `'${name}' (${lengthInWords(trace)})`;
  });
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
  const about = [
    result.doc,
    result.requirements.length === 0 ? '' : `requirements: ${result.requirements.join(', ')}`,
    ...(trace === undefined || property === undefined
      ? [`is true in none of the ${number(run.result.states)} reachable states`]
      : violatedHow(trace, property, run.members.get(result.name) ?? '', result.binding ?? {})),
  ];
  return [
    colours.bold(`${model}${variant === undefined ? '' : `, variant ${variant}`}`),
    ...wrap(result.name, pageWidth).map((line) => colours.red(colours.bold(line))),
    ...about.filter((text) => text !== '').flatMap((text) => wrap(`  ${text}`, pageWidth, 2)),
    ...(trace === undefined || property === undefined
      ? []
      : [
          ...traceLines(trace, colours, property.kind === 'transition'),
          ...around(trace, property, result, colours),
          ...passedOverLines(trace, colours),
          ...replayed(run, result.name, colours),
        ]),
  ];
}

function replayed({ replays }: Run, property: string, colours: Colours): readonly string[] {
  const replay = replays?.get(property);
  return replay === undefined ? [] : ['', ...replayLines(replay, colours)];
}

/** What the trace shows, a sentence or a few. */
function violatedHow(
  trace: Trace,
  property: Property,
  members: string,
  binding: Readonly<Record<string, unknown>>,
): readonly string[] {
  const { steps, loopFrom } = trace;
  const { length } = steps;
  const who = members === '' ? '' : ` for ${members}`;
  const when = length === 0 ? 'in an initial state' : `after ${inSteps(length)}`;
  if (property.kind === 'deadlock') return [`nothing can happen ${when}`];
  if (property.kind === 'transition') return [`violated${who} by step ${length}`];
  if (property.kind === 'recoverable') {
    return [`violated${who} ${when}: no run from there on leads to where it is true`];
  }
  if (loopFrom === undefined) return [`violated${who} ${when}`];
  const due = dueAfter(trace, property, binding);
  return [
    `violated${who} ${lassoInWords(trace)}`,
    due === undefined
      ? ''
      : `'from' is true ${due === 0 ? 'at the start' : `after ${inSteps(due)}`}, and 'to' at no time from there on`,
    assumptionsInWords(trace.instance),
  ];
}

function lassoInWords(trace: Trace): string {
  const { steps, loopFrom = 0 } = trace;
  if (hasLoop(trace)) {
    const loop = `a loop of ${inSteps(steps.length - loopFrom)} for ever`;
    return loopFrom === 0 ? `by ${loop}` : `by ${inSteps(loopFrom)} and then ${loop}`;
  }
  return loopFrom === 0
    ? `when nothing ever happens: ${restReason(trace)}`
    : `by ${inSteps(loopFrom)} after which nothing more happens`;
}

/**
 * The steps of a trace, numbered, under the actor that takes them, and where its loop begins. With `marksLast`, the last step
 * is named as the one that is wrong.
 */
export function traceLines(trace: Trace, colours: Colours, marksLast = false): readonly string[] {
  const { steps, loopFrom } = trace;
  const lines: string[] = [];
  let actor: string | undefined;
  for (const [i, step] of steps.entries()) {
    if (i === loopFrom) {
      lines.push(`  ${colours.bold(i === 0 ? 'again and again:' : 'then again and again:')}`);
      actor = undefined;
    }
    if (step.actor !== actor) lines.push(`  ${colours.cyan(step.actor)}`);
    actor = step.actor;
    const mark = marksLast && i === steps.length - 1 ? '  <-- this step violates it' : '';
    lines.push(...stepLines(step, `    ${String(i + 1).padStart(String(steps.length).length)}  `, mark, colours));
  }
  if (lines.length > 0 && loopFrom === steps.length) {
    lines.push(`  ${colours.bold('and then nothing more happens')}: ${restReason(trace)}`);
  }
  return lines.length === 0 ? [] : ['', ...lines];
}

function stepLines({ title, changes }: TraceStep, start: string, mark: string, colours: Colours): readonly string[] {
  const indent = ' '.repeat(start.length);
  return [
    ...wrap(indent + title + mark, pageWidth, 2).map((line, n) => (n === 0 ? start + line.slice(indent.length) : line)),
    ...changes
      .filter(({ isPlace }) => !isPlace)
      .flatMap((change) => changeLines(change, `${indent}  `).map((line) => colours.dim(line))),
  ];
}

/** Why a lasso without a loop may stay where it is. */
function restReason(trace: Trace): string {
  return passedOver(trace).length === 0 ? 'nothing is enabled' : 'nothing that is enabled is fair';
}

/** The most lines that tell what a lasso passes over; more of what is not fair says little. */
const mostPassedOver = 8;

/** What is enabled for ever, or again and again, and never happens: why fairness does not help. */
function passedOverLines(trace: Trace, colours: Colours): readonly string[] {
  const all = passedOver(trace);
  if (all.length === 0) return [];
  const shown = all.filter(({ fairness }, i) => fairness !== 'none' || i < mostPassedOver);
  const width = Math.min(50, Math.max(...shown.map(({ title }) => title.length)));
  const more = all.length - shown.length;
  return [
    '',
    `  ${colours.cyan(hasLoop(trace) ? 'enabled in the loop, and never taken' : 'enabled there, and not fair')}`,
    ...shown.flatMap((one) => {
      const line = hasLoop(trace) ? `${one.title.padEnd(width)}  ${whyNever(one)}` : one.title;
      return wrap(`    ${line}`, pageWidth, 4);
    }),
    ...(more === 0 ? [] : [`    and ${more} more${hasLoop(trace) ? ', not fair' : ''}`]),
  ];
}

function whyNever({ fairness, enabledIn, of }: PassedOver): string {
  if (fairness === 'none') return 'not fair';
  return `${fairness}ly fair, but enabled only in ${enabledIn} of ${of} states`;
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
    `  ${colours.cyan(placeInWords(trace, property))}`,
    ...fields.flatMap(({ field, value }) => wrap(`    ${field.padEnd(width)}  ${value}`, pageWidth, 4)),
    ...stuck.flatMap((text) => wrap(`    ${text}`, pageWidth, 4)),
  ];
}

function placeInWords(trace: Trace, { kind }: Property): string {
  if (kind === 'transition') return 'state before and after the last step';
  return hasLoop(trace) ? 'state where the loop begins and ends' : 'state at the end';
}
