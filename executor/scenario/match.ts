/**
 * Whether a result is as expected: a partial, deep comparison, in which numbers may be written as JSON numbers or as "0x..."
 * strings.
 */

/** Whether each named field of objects, each element of lists and each plain value is as expected. */
export function matches(actual: unknown, expected: unknown): boolean {
  if (Array.isArray(expected)) {
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((element, index) => matches(actual[index], element))
    );
  }
  if (isRecord(expected)) {
    return isRecord(actual) && Object.entries(expected).every(([name, value]) => matches(actual[name], value));
  }
  if (actual === expected) return true;
  const [one, other] = [numberOf(actual), numberOf(expected)];
  return one !== undefined && one === other;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Strings of bytes have no prefix, and are not numbers. */
function numberOf(value: unknown): bigint | undefined {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  if (typeof value === 'string' && /^0x[0-9a-f]+$/i.test(value)) return BigInt(value);
  return undefined;
}
