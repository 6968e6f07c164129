/**
 * How much a test tries: some with every run of the tests, much with `npm run deep`.
 */
export const isDeep = process.env['SVACHECK_DEEP'] === '1';

/** The number of models; `many` only where there is time for them. */
export function randomModels(some: number, many: number): number {
  return isDeep ? many : some;
}

/** Milliseconds that a test of random models may take. */
export const patience = isDeep ? 3_600_000 : 120_000;
