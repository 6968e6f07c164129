/**
 * The values that scenarios are written in, and what is said where something else is written.
 */
import { z } from 'zod';
import { bytesOfHex, hex } from './hex.ts';
import { ScenarioError } from './scenario.ts';

/** A number from 0 to `limit`: a JSON number, or a string of digits, hexadecimal after "0x". */
function numberTo(limit: bigint) {
  return z.unknown().transform((given, context): bigint => {
    const text = typeof given === 'number' && Number.isSafeInteger(given) ? String(given) : given;
    if (typeof text === 'string' && /^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) {
      const value = BigInt(text);
      if (value <= limit) return value;
      context.addIssue(`must be at most ${hex(limit)}, and is ${hex(value)}`);
    } else {
      context.addIssue(
        given === undefined
          ? 'is missing'
          : `must be a whole number or a "0x..." string, and is ${JSON.stringify(given)}`,
      );
    }
    return z.NEVER;
  });
}

export const address = numberTo((1n << 64n) - 1n);
export const count = (limit: number) => numberTo(BigInt(limit)).transform(Number);
export const positive = (limit: number) => count(limit).refine((value) => value > 0, 'must be at least 1');

/** Hex digits, two for each byte; blanks and a prefix do no harm. */
export const bytes = z.unknown().transform((given, context): Uint8Array => {
  const text = typeof given === 'string' ? given.replace(/^0x/i, '').replaceAll(/[\s_]/g, '') : undefined;
  if (text !== undefined && text.length > 0 && text.length % 2 === 0 && /^[0-9a-f]+$/i.test(text)) {
    return bytesOfHex(text);
  }
  context.addIssue(given === undefined ? 'is missing' : 'must be bytes as hex digits, two for each');
  return z.NEVER;
});

export const flag = z.union([z.boolean(), z.literal([0, 1])]).transform(Boolean);
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of a shape. What is written almost as a field is a mistake; any other surplus is a warning. */
export function parse<T>(shape: z.ZodType<T>, given: unknown, where: string, warnings: string[]): T {
  const result = shape.safeParse(given);
  if (!result.success) {
    const [issue] = result.error.issues;
    const path = (issue?.path ?? []).map(String).join('.');
    throw new ScenarioError(`${where}: ${path === '' ? '' : `${path}: `}${issue?.message ?? 'is wrong'}`);
  }
  if (shape instanceof z.ZodObject && isRecord(given)) {
    const fields = Object.keys(shape.shape);
    for (const name of Object.keys(given).filter((key) => !fields.includes(key))) {
      const meant = hint(name, fields);
      if (meant !== '') throw new ScenarioError(`${where}: ${name}: no such field${meant}`);
      warnings.push(`${where}: ${name} means nothing here`);
    }
  }
  return result.data;
}

/** ": did you mean ...?", if a name differs from a known one in at most two letters. */
export function hint(name: string, known: readonly string[]): string {
  const near = known.find(
    (other) => other !== name && distance(name.toLowerCase(), other.toLowerCase()) <= Math.min(2, other.length - 2),
  );
  return near === undefined ? '' : `: did you mean ${near}?`;
}

/** How many letters must be put in, taken out or changed. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, letter] of one.split('').entries()) {
    const next = [i + 1];
    for (const [j, otherLetter] of other.split('').entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === otherLetter ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
