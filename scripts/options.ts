/**
 * The values of options as numbers and sizes; commander turns what these throw into its one-line message.
 */
import { InvalidArgumentError } from 'commander';
import type { Sizes } from '../language/index.ts';

/** A whole number from 1. */
export function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It must be a whole number from 1 up.');
  }
  return value;
}

/** A whole number of 32 bits. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || value !== (value | 0)) {
    throw new InvalidArgumentError('It must be a whole number from -2147483648 to 2147483647.');
  }
  return value;
}

/** Seconds, more than none. */
export function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || value <= 0)
    throw new InvalidArgumentError('It must be a number of seconds above 0.');
  return value;
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};

/** Bytes: `512M`, `1.5G`. */
export function bytes(text: string): number {
  const [, amount, unit = ''] = /^(\d*\.?\d+)([kmgt]?)i?b?$/i.exec(text) ?? [];
  const value = Math.floor(Number(amount) * (units[unit.toLowerCase()] ?? Number.NaN));
  if (!(value > 0)) throw new InvalidArgumentError('It must be a number of bytes, such as 512M or 1.5G.');
  return value;
}

/** Adds `page=3` to the sizes that were set before. */
export function setSize(text: string, before: Sizes | undefined): Sizes {
  const [, name, value] = /^([^=]+)=(-?\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('It must be a name and a number, such as page=3.');
  return { ...before, [name]: Number(value) };
}

/** Adds one more value of an option that may be given several times. */
export function another(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}
