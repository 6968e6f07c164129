/**
 * Properties on their way to a verdict, alike for every engine.
 */
import { type Instance, isOverTime, type Property } from '../../language/index.ts';
import type { CheckResult, Limit, Path, PropertyResult, Verdict } from '../result.ts';
import type { Finding } from '../time/decide.ts';
import { assumptionsOf } from '../time/fairness.ts';
import type { SearchOptions } from './options.ts';

/** A property, and where it was decided: `At` is how the engine names states. */
export interface Claim<At> {
  readonly property: Property;
  /** The state that decides it: a violation, or the witness of a reachable property. */
  decided?: At;
  /** Of a property over time: what was found about it, or why that could not be. */
  finding?: Finding | { readonly verdict: 'unknown'; readonly undecided: string };
}

/** The answer of a property's function that decides it. */
export function decidingAnswer({ kind }: Property): boolean {
  return kind === 'reachable';
}

/** Whether a property was found not to hold. */
function isViolated(claim: Claim<unknown>): boolean {
  return claim.decided !== undefined && claim.property.kind !== 'reachable';
}

/** Whether all was found that the search was to find before it may stop. */
export function isEnough(claims: readonly Claim<unknown>[], { keepGoing, until }: SearchOptions): boolean {
  if (keepGoing === true) return false;
  if (until === undefined) return claims.some(isViolated);
  const awaited = claims.filter(({ property }) => until.includes(property.name));
  return awaited.length > 0 && awaited.every(isViolated);
}

/** What led to a verdict: a path, and the members for which the property is decided at its end. */
export interface Evidence {
  readonly path: Path;
  readonly binding: Readonly<Record<string, unknown>>;
}

/** What a result says of the whole search. */
export type Exploration = Pick<
  CheckResult,
  | 'states'
  | 'transitions'
  | 'depth'
  | 'seconds'
  | 'digest'
  | 'engine'
  | 'workers'
  | 'store'
  | 'storedBytes'
  | 'omission'
  | 'checkpoint'
  | 'explanation'
  | 'coverage'
  | 'never'
>;

/** The result of a search that has ended, by itself or by a limit. */
export function resultOf<At>(
  instance: Instance,
  claims: readonly Claim<At>[],
  exploration: Exploration,
  limit: Limit | undefined,
  evidence: (claim: Claim<At>, at: At) => Evidence,
): CheckResult {
  const properties = claims.map((claim) => conclude(claim, limit === undefined, evidence));
  return {
    model: instance.model.name,
    size: instance.size,
    sizes: instance.sizes,
    ...(instance.variant === undefined ? {} : { variant: instance.variant }),
    verdict: worst(properties.map(({ verdict }) => verdict)),
    ...exploration,
    ...(limit === undefined ? {} : { limit }),
    properties,
    ...(properties.some(({ kind }) => kind === 'leadsTo' || kind === 'eventually')
      ? { fairness: assumptionsOf(instance) }
      : {}),
  };
}

function conclude<At>(
  claim: Claim<At>,
  complete: boolean,
  evidence: (claim: Claim<At>, at: At) => Evidence,
): PropertyResult {
  const { name, kind, doc, requirements } = claim.property;
  const about = { name, kind, doc, requirements };
  if (claim.finding !== undefined) return { ...about, ...claim.finding };
  const good = kind === 'reachable';
  if (claim.decided !== undefined) {
    return { ...about, verdict: good ? 'holds' : 'violated', ...evidence(claim, claim.decided) };
  }
  if (!complete || isOverTime(claim.property)) return { ...about, verdict: 'unknown' };
  return { ...about, verdict: good ? 'violated' : 'holds' };
}

/** The verdict on all together. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  return (['violated', 'unknown', 'vacuous'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'holds';
}
