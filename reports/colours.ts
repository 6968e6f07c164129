/**
 * Colours, only where a person sees them: on a terminal, unless NO_COLOR asks for none.
 */
import picocolors from 'picocolors';

/** The colours that reports use; each is the identity where there are none. */
export interface Colours {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

/** The colours for a stream. */
export function coloursFor(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Colours {
  const refused = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb';
  const { bold, dim, red, green, yellow, cyan } = picocolors.createColors(stream.isTTY === true && !refused);
  return { bold, dim, red, green, yellow, cyan };
}
