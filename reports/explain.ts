/**
 * What the compiled engine made of a model, as its author reads it: what runs as generated code and what does not, why, and
 * what to do about it; then every action, step and property with its size and its fields, the largest first.
 */
import type { ExplainedPart, Explanation, Fallback } from '../checker/index.ts';
import type { Colours } from './colours.ts';
import { titleOf } from './coverage.ts';
import { number } from './summary.ts';
import { type Cell, fit, head, pageWidth, row, wrap } from './table.ts';

/** All that `--explain` says about one search; `title` names it. */
export function explanationLines(title: string, explanation: Explanation, colours: Colours): readonly string[] {
  const { words, bits, leaves, code } = explanation;
  const parts = explanation.parts.toSorted((a, b) => b.nodes - a.nodes);
  const total = (of: (part: ExplainedPart) => number): number => parts.reduce((sum, part) => sum + of(part), 0);
  const misses = total((part) => part.misses);
  const functions = total((part) => part.functions);
  const facts = [
    `state: ${count(words, 'word')} of 32 bits, ${number(bits)} bits in use, for ${count(leaves, 'leaf', 'leaves')}`,
    `trees: ${count(
      total(({ nodes }) => nodes),
      'node',
    )} of ${count(functions, 'function')}, ` +
      `which states have gone through on ${count(
        total(({ paths }) => paths),
        'path',
      )}`,
    `code: ${number(Math.ceil(code.bytes / 1024))} KiB at the end; ` +
      `generated ${count(code.generated, 'time')}, in ${milliseconds(code.milliseconds)}`,
    `functions run themselves, not as code: ${count(misses, 'time')}, in ${milliseconds(code.missMilliseconds)}`,
  ];
  return [
    colours.bold(`${title}: how it was explored`),
    ...facts.flatMap((fact) => wrap(`  ${fact}`, pageWidth, 2)),
    '',
    ...fallbackLines(parts, colours),
    '',
    ...table(parts, colours),
  ];
}

function fallbackLines(parts: readonly ExplainedPart[], { yellow, green }: Colours): readonly string[] {
  const fallen = parts.filter(({ fallbacks }) => fallbacks.length > 0);
  if (fallen.length === 0) return [`  ${green('Every function runs as code that is generated from its tree.')}`];
  return [
    ...wrap(
      `  ${fallen.length} of ${parts.length} parts do not run as generated code, which makes the search slower and no less right:`,
      pageWidth,
    ),
    ...fallen.flatMap((part) =>
      part.fallbacks.flatMap((fallback) => [
        ...wrap(`    ${titleOf(part)}`, pageWidth, 2).map((line) => yellow(line)),
        ...[`${formOf(fallback)}, since ${fallback.reason}`, fallback.advice].flatMap((text) =>
          wrap(`      ${text}`, pageWidth, 2),
        ),
      ]),
    ),
  ];
}

function formOf({ form, functions }: Fallback): string {
  const how = form === 'packed' ? 'on packed states without a tree' : 'on immutable states, as with --engine plain';
  return `${form}: ${functions === 1 ? '1 function is' : `${number(functions)} functions are`} run ${how}`;
}

const titles = ['action, step or property', 'functions', 'nodes', 'paths', 'misses', 'form'] as const;

function table(parts: readonly ExplainedPart[], { dim, yellow }: Colours): readonly string[] {
  const rows = parts.map((part) => [
    titleOf(part),
    ...[part.functions, part.nodes, part.paths, part.misses].map(number),
    [...new Set(part.fallbacks.map(({ form }) => form))].join(', ') || 'tree',
  ]);
  const columns = fit(
    titles.map((title, i) => ({ title, align: i === 0 || title === 'form' ? 'left' : 'right' })),
    rows,
    pageWidth - 2,
  );
  const indented = (lines: readonly string[]): readonly string[] => lines.map((line) => `  ${line}`);
  const fields = (verb: string, names: readonly string[]): readonly string[] =>
    names.length === 0 ? [] : wrap(`      ${verb} ${shorter(names).join(', ')}`, pageWidth, 2).map((line) => dim(line));
  return [
    ...indented(head(columns)),
    ...parts.flatMap((part, i) => {
      const cells = rows[i] as readonly string[];
      const paint = part.fallbacks.length > 0 ? yellow : (text: string): string => text;
      const form: Cell = { text: cells.at(-1) as string, paint };
      return [
        ...indented(row(columns, [...cells.slice(0, -1), form])),
        ...fields('reads', part.reads),
        ...fields('writes', part.writes),
      ];
    }),
  ];
}

/** A queue or bag whose items are touched stands for all in it: most functions touch every field of an item. */
function shorter(names: readonly string[]): readonly string[] {
  const whole = new Set(names.map((name) => name.replace(/\[\].*$/, '')));
  return [...whole].filter((name) => !(name.endsWith('.length') && whole.has(name.slice(0, -'.length'.length))));
}

function count(of: number, one: string, many = `${one}s`): string {
  return `${number(of)} ${of === 1 ? one : many}`;
}

function milliseconds(of: number): string {
  return `${number(Math.round(of))} ms`;
}
