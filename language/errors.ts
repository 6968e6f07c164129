/**
 * What is wrong with a model, said once: where it is, what was met, and what to do about it.
 */

/** The place in a model that an error is about. Every part that is known is named. */
export interface Place {
  readonly model?: string;
  readonly variant?: string;
  /** An action or a procedure. */
  readonly action?: string;
  /** A step of a procedure. */
  readonly step?: string;
  /** A guard, an effect, a test, or a property, by its name. */
  readonly part?: string;
  /** A field of the state, such as `page[page1].pte`. */
  readonly field?: string;
}

/**
 * A mistake in a model, a property, a variant or a size (never a violated property).
 * The command line turns it into one message and exit code 2.
 */
export class ModelError extends Error {
  readonly place: Place;
  /** What is wrong, without the place. */
  readonly problem: string;

  constructor(problem: string, place: Place = {}, options?: ErrorOptions) {
    super(`${describePlace(place)}${problem}`, options);
    this.name = 'ModelError';
    this.place = place;
    this.problem = problem;
  }

  /** The same error with more of its place known; what was known already is kept. */
  at(outer: Place): ModelError {
    return new ModelError(this.problem, { ...outer, ...this.place }, { cause: this.cause });
  }
}

function describePlace(place: Place): string {
  const parts: string[] = [];
  if (place.model !== undefined) parts.push(`model '${place.model}'`);
  if (place.variant !== undefined) parts.push(`variant '${place.variant}'`);
  if (place.action !== undefined) parts.push(`action '${place.action}'`);
  if (place.step !== undefined) parts.push(`step '${place.step}'`);
  if (place.part !== undefined) parts.push(`'${place.part}'`);
  if (place.field !== undefined) parts.push(`field ${place.field}`);
  return parts.length === 0 ? '' : `${parts.join(', ')}: `;
}

/** The nearest of `known` to a mistyped `name`, as the end of a sentence. */
export function suggest(name: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .toSorted((a, b) => a.distance - b.distance)[0];
  if (near !== undefined && near.distance <= Math.max(2, name.length / 3)) {
    return `; did you mean '${near.candidate}'?`;
  }
  return known.length === 0 ? '' : `; known: ${known.map((k) => `'${k}'`).join(', ')}`;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
