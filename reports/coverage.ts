/**
 * Coverage as the author of a model reads it: how often each action and step, guard and decision took part; and what never
 * happens.
 */
import type { Coverage, CoveredPart, Never } from '../checker/index.ts';
import type { Colours } from './colours.ts';
import { number } from './summary.ts';
import { type Cell, fit, head, pageWidth, row, wrap } from './table.ts';

/** All that `--coverage` says about one search; `title` names it. */
export function coverageLines(title: string, { parts }: Coverage, states: number, colours: Colours): readonly string[] {
  const rows = parts.flatMap((part) => rowsOf(part, colours));
  const columns = fit(
    [
      { title: 'action, step, guard or decision' },
      { title: 'asked', align: 'right' },
      { title: 'true', align: 'right' },
      { title: 'taken', align: 'right' },
      { title: 'ways', align: 'right' },
    ],
    rows.map((cells) => cells.map((cell) => (typeof cell === 'string' ? cell : cell.text))),
  );
  return [
    colours.bold(`${title}: how often everything took part, over ${number(states)} states and all parameters`),
    ...head(columns),
    ...rows.flatMap((cells) => row(columns, cells)),
    ...wrap(
      'ways: on how many ways through its functions an action or step is taken, of those that all values of all fields would make',
      pageWidth,
      2,
    ),
  ];
}

function rowsOf(part: CoveredPart, { red, yellow }: Colours): readonly (readonly Cell[])[] {
  const { taken, guards, decisions, ways } = part;
  const marked = (text: string, paint: ((text: string) => string) | undefined): Cell =>
    paint === undefined ? text : { text, paint };
  const shownWays =
    ways === undefined
      ? ''
      : `${number(ways.taken)}${ways.possible === undefined ? '' : ` of ${number(ways.possible)}`}`;
  return [
    [titleOf(part), '', '', marked(number(taken), taken === 0 ? red : undefined), shownWays],
    ...guards.map(({ name, asked, held }): readonly Cell[] => [
      `  ${name}`,
      number(asked),
      marked(number(held), asked > 0 && held === 0 ? red : asked > 0 && held === asked ? yellow : undefined),
    ]),
    ...decisions.map(({ name, yes, no }): readonly Cell[] => [
      `  ${name}?`,
      number(yes + no),
      marked(number(yes), yes === 0 || no === 0 ? yellow : undefined),
    ]),
  ];
}

/** An action, a step of a procedure or a property as a title. */
export function titleOf({ name, step }: Pick<CoveredPart, 'name' | 'step'>): string {
  return step === undefined ? name : `${name}: ${step}`;
}

/** What is in a model and never happens, a sentence each; `title` names the model. */
export function neverLines(title: string, never: readonly Never[]): readonly string[] {
  return never.flatMap((one) => {
    const { decision, reason } = one;
    const what =
      decision === undefined ? `'${titleOf(one)}' never happens` : `'${one.name}: ${decision}' goes one way only`;
    return wrap(`${title}: ${what}: ${reason}`, pageWidth, 2);
  });
}
