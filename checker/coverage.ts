/**
 * Which parts of a model take part in what can happen: how often each action and step is taken, each guard is asked and true,
 * each decision goes either way; and what never happens, with the reason.
 */
import type { Bound, Instance, Rule, State } from '../language/index.ts';
import { watchRule } from '../language/meaning.ts';

/** An action or a step of a procedure, over all bindings of its parameters and all reachable states. */
export interface CoveredPart {
  readonly kind: 'action' | 'step';
  /** The name of the action, or of the procedure and its step. */
  readonly name: string;
  readonly step?: string;
  /** In how many states, counted once for each binding, it can be taken. */
  readonly taken: number;
  /** The guards in order: how often each was asked, those before it being true, and how often it was true. */
  readonly guards: readonly { readonly name: string; readonly asked: number; readonly held: number }[];
  /** The branches and loops on which it ends: how often each went either way. */
  readonly decisions: readonly { readonly name: string; readonly yes: number; readonly no: number }[];
  /**
   * The ways through its decision trees on which it is enabled: how many states take, and how many there are with all values of
   * all fields that it reads, also those that no state has; missing where that is not known.
   */
  readonly ways?: { readonly taken: number; readonly possible?: number };
}

/** How often everything happened, over all reachable states. */
export interface Coverage {
  readonly parts: readonly CoveredPart[];
}

/** Something that is in the model and never happens. */
export interface Never {
  readonly kind: 'action' | 'step' | 'decision';
  readonly name: string;
  readonly step?: string;
  /** For a decision: its name, and the way that it never goes. */
  readonly decision?: string;
  readonly reason: string;
}

/** How one rule goes in one state. */
interface Way {
  /** `undefined` where its procedure is elsewhere. */
  readonly isEnabled: boolean | undefined;
  readonly guards: readonly (readonly [name: string, isTrue: boolean])[];
  readonly decisions: readonly (readonly [name: string, isTrue: boolean])[];
}

/** How a rule goes in a state, by the meaning of the language. */
export function wayOf(rule: Rule, bound: Bound, state: State): Way {
  const guards: (readonly [string, boolean])[] = [];
  const decisions: (readonly [string, boolean])[] = [];
  const isEnabled = watchRule(rule, bound, state, {
    guard: (name, isTrue) => guards.push([name, isTrue]),
    decision: (name, isTrue) => decisions.push([name, isTrue]),
  });
  return { isEnabled, guards, decisions };
}

/** Counts how often what happened. */
export class CoverageCounter {
  private readonly tallies: readonly Tally[];

  constructor({ rules }: Instance) {
    this.tallies = rules.map((rule) => ({
      rule,
      taken: 0,
      guards: new Map(rule.blocks.flatMap(({ when }) => when).map(({ name }) => [name, { asked: 0, held: 0 }])),
      decisions: new Map(),
    }));
  }

  /** Counts a way of a rule in so many states. */
  add(rule: Rule, { isEnabled, guards, decisions }: Way, states = 1): void {
    const tally = this.tallies[rule.index] as Tally;
    if (isEnabled === true) tally.taken += states;
    for (const [name, isTrue] of guards) {
      const guard = tally.guards.get(name);
      if (guard === undefined) continue;
      guard.asked += states;
      if (isTrue) guard.held += states;
    }
    if (isEnabled !== true) return;
    for (const [name, isTrue] of decisions) {
      const decision = tally.decisions.get(name) ?? { yes: 0, no: 0 };
      tally.decisions.set(name, decision);
      decision[isTrue ? 'yes' : 'no'] += states;
    }
  }

  coverage(waysOf?: (rule: Rule) => CoveredPart['ways']): Coverage {
    return {
      parts: this.tallies.map(({ rule, taken, guards, decisions }): CoveredPart => {
        const ways = waysOf?.(rule);
        return {
          ...nameOf(rule),
          taken,
          guards: [...guards].map(([name, counts]) => ({ name, ...counts })),
          decisions: [...decisions].map(([name, counts]) => ({ name, ...counts })),
          ...(ways === undefined ? {} : { ways }),
        };
      }),
    };
  }
}

interface Tally {
  readonly rule: Rule;
  taken: number;
  readonly guards: Map<string, { asked: number; held: number }>;
  readonly decisions: Map<string, { yes: number; no: number }>;
}

/** What a rule is called: an action, or a step of a procedure. */
export function nameOf({ type, step }: Rule): Pick<CoveredPart, 'kind' | 'name' | 'step'> {
  return step === undefined ? { kind: 'action', name: type } : { kind: 'step', name: type, step };
}

/** What never happens, by the counts of a search that explored everything. */
export function neverIn({ parts }: Coverage): readonly Never[] {
  const never: Never[] = [];
  const decided = new Map<string, { yes: number; no: number; part: CoveredPart }>();
  for (const part of parts) {
    const { kind, name, step, taken, guards, decisions } = part;
    const about = step === undefined ? { kind, name } : { kind, name, step };
    if (taken === 0) never.push({ ...about, reason: whyNever(part, guards) });
    for (const { name: decision, yes, no } of decisions) {
      const key = `${name}\0${decision}`;
      const known = decided.get(key) ?? { yes: 0, no: 0, part };
      decided.set(key, { yes: known.yes + yes, no: known.no + no, part: known.part });
    }
  }
  for (const [key, { yes, no, part }] of decided) {
    if (yes > 0 && no > 0) continue;
    const decision = key.slice(key.indexOf('\0') + 1);
    const always = yes > 0 ? 'true' : 'false';
    never.push({ kind: 'decision', name: part.name, decision, reason: `its test is ${always} whenever it is asked` });
  }
  return never;
}

function whyNever({ kind }: CoveredPart, guards: CoveredPart['guards']): string {
  const asked = guards.filter((guard) => guard.asked > 0);
  const last = asked.find(({ held }) => held === 0) ?? asked.at(-1);
  if (last === undefined)
    return kind === 'step' ? 'its procedure never comes to it' : 'it has no parameters to be taken with';
  const before = asked.slice(0, asked.indexOf(last)).map(({ name }) => `'${name}'`);
  const where =
    before.length === 0
      ? 'in no reachable state'
      : `never where ${before.join(' and ')} ${before.length === 1 ? 'is' : 'are'}`;
  return last.held === 0
    ? `'${last.name}' is true ${where}`
    : 'its guards are never true together for the same parameters';
}
