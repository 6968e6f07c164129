/**
 * Tables of plain text that stay within the width of a page: cells are wrapped at spaces, and rows can be written one by one.
 */

/** The width that everything printed stays within. */
export const pageWidth = 100;
const gap = '  ';

/** A column: how wide it is, and on which side its text stands. */
export interface Column {
  readonly title: string;
  readonly width: number;
  readonly align?: 'left' | 'right';
}

/** One cell: its text, which may have several lines, and how the text is coloured once it is laid out. */
export type Cell = string | { readonly text: string; readonly paint: (text: string) => string };

/** The lines of a row. */
export function row(columns: readonly Column[], cells: readonly Cell[]): readonly string[] {
  const laidOut = columns.map(({ width }, i) => wrap(textOf(cells[i] ?? ''), width));
  const height = Math.max(...laidOut.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    columns
      .map(({ width, align }, i) => {
        const cell = cells[i] ?? '';
        const text = laidOut[i]?.[line] ?? '';
        const padded = align === 'right' ? text.padStart(width) : text.padEnd(width);
        return typeof cell === 'string' || text === '' ? padded : padded.replace(text, () => cell.paint(text));
      })
      .join(gap)
      .trimEnd(),
  );
}

/** The lines of a table's head. */
export function head(columns: readonly Column[]): readonly string[] {
  const rule = columns.map(({ width }) => '-'.repeat(width)).join(gap);
  return [
    ...row(
      columns,
      columns.map(({ title }) => title),
    ),
    rule,
  ];
}

/**
 * Columns for rows that are known beforehand: each as wide as its longest line, the widest made narrower until all fit.
 */
export function fit(
  columns: readonly Omit<Column, 'width'>[],
  rows: readonly (readonly string[])[],
  width: number = pageWidth,
): readonly Column[] {
  const longest = (of: RegExp): number[] =>
    columns.map(({ title }, i) => {
      const parts = rows.flatMap((cells) => (cells[i] ?? '').match(of) ?? []);
      return Math.max(title.length, ...parts.map((part) => part.length));
    });
  const widths = longest(/.+/g);
  const words = longest(/^ *\S+|\S+/gm);
  const available = width - gap.length * (columns.length - 1);
  for (let total = sum(widths); total > available; total--) {
    // Words are broken only where there is no other way.
    const spare = widths.map((of, i) => (of > (words[i] ?? 0) ? of : 0));
    const candidates = spare.some((of) => of > 0) ? spare : widths;
    const widest = candidates.indexOf(Math.max(...candidates));
    widths[widest] = (widths[widest] ?? 1) - 1;
  }
  return columns.map((column, i) => ({ ...column, width: widths[i] ?? 1 }));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

/**
 * Text in lines of at most `width`, broken at spaces (inside a word only where it is longer than a line). The lines that a
 * line is broken into are indented as it is, and `hang` spaces more; those of an item `- text` stand below its text.
 */
export function wrap(text: string, width: number, hang = 0): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const indent = /^ */.exec(line)?.[0] ?? '';
    const further = indent + ' '.repeat(line.startsWith('- ', indent.length) ? hang + 2 : hang);
    const lines: string[] = [];
    let current = indent;
    let isEmpty = true;
    for (const word of line.slice(indent.length).split(' ')) {
      let rest = word;
      if (!isEmpty && current.length + 1 + rest.length > width) {
        lines.push(current);
        current = further;
        isEmpty = true;
      }
      current += isEmpty ? '' : ' ';
      while (current.length + rest.length > width && current.length < width) {
        const room = width - current.length;
        lines.push(current + rest.slice(0, room));
        rest = rest.slice(room);
        current = further;
      }
      current += rest;
      isEmpty = false;
    }
    return [...lines, current];
  });
}
