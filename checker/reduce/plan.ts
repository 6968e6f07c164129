/**
 * The searches that a check with reductions comes to: one for each slice, and again without a sort that turns out not to be
 * symmetric. Their results become one.
 */
import { type Instance, propertiesOf, type PropertySet } from '../../language/index.ts';
import { Program, Unforeseen } from '../compile/program.ts';
import type { CheckResult, Limit, PropertyResult, Reductions } from '../result.ts';
import { sortsOfCheckpoint } from '../search/checkpoint.ts';
import { worst } from '../search/claims.ts';
import { limitOf, omissionOf } from '../search/earlier.ts';
import type { SearchOptions } from '../search/options.ts';
import { canonicalObstacle } from './canonical.ts';
import { type FootprintOf, footprintsOf } from './footprint.ts';
import { countRenamings } from './permutation.ts';
import { ampleNames, Reduction } from './reduction.ts';
import { type Slice, slicesOf } from './slice.ts';
import { Asymmetry, candidateSorts } from './symmetry.ts';

/** With more renamings than this a state's canonical form would take longer than the states that it saves. */
const mostRenamings = 200;

/** A part of the check: the properties of one slice, or all. */
interface Part {
  readonly properties: readonly string[] | undefined;
}

/** The searches of a check. */
export class Plan {
  private readonly instance: Instance;
  private readonly sets: readonly PropertySet[];
  private readonly options: SearchOptions;
  /** Sorts that are not reduced by, and why. */
  private readonly refused = new Map<string, string>();
  private readonly results: {
    readonly result: CheckResult;
    readonly slice: Slice | undefined;
    readonly sorts: readonly string[];
  }[] = [];
  private current: { readonly program: Program; readonly slice: Slice | undefined } | undefined;
  private isForeseen = true;
  private sorts: ReadonlyMap<string, number> = new Map();
  /** The checkpoint to go on from, until a sort turns out not to be symmetric: then its states are of no use. */
  private resume: string | undefined;

  constructor(instance: Instance, sets: readonly PropertySet[], options: SearchOptions) {
    this.instance = instance;
    this.sets = sets;
    this.options = options;
    this.resume = options.resume;
  }

  /** What the functions may read and write; everything, once one of them has surprised. */
  private footprints(program: Program): FootprintOf {
    return this.isForeseen ? footprintsOf(program) : () => undefined;
  }

  private program(properties: readonly string[] | undefined): Program {
    return new Program(this.instance, propertiesOf(this.instance, this.sets, properties));
  }

  /** The parts, one after the other. After a violation only what is still looked for, unless all is wanted. */
  *parts(): Generator<Part, void> {
    if (this.options.slice !== true) {
      yield { properties: this.options.properties };
      return;
    }
    const program = this.program(this.options.properties);
    for (const slice of slicesOf(program, this.footprints(program))) {
      const limits = this.results
        .flatMap(({ result: { limit } }) => limit ?? [])
        .filter((limit) => limit !== this.storeLimit());
      if (limits.some((limit) => limit !== 'first violation')) return;
      const properties = slice.properties.map(({ name }) => name);
      if (limits.length === 0 || this.options.until?.some((name) => properties.includes(name)) === true)
        yield { properties };
    }
  }

  /** The limit of a search that explored all that it found. */
  private storeLimit(): Limit | undefined {
    return limitOf(this.options.store ?? 'exact');
  }

  optionsFor({ properties }: Part): SearchOptions {
    const { until } = this.options;
    const { resume } = this;
    return {
      ...this.options,
      resume,
      properties,
      ...(until === undefined ? {} : { until: until.filter((name) => properties?.includes(name) ?? true) }),
    };
  }

  /** A program for a part, narrowed by its reductions. */
  begin({ properties }: Part): { readonly program: Program; readonly reduction: Reduction } {
    for (;;) {
      const program = this.program(properties);
      const slice = this.options.slice === true ? slicesOf(program, this.footprints(program))[0] : undefined;
      this.current = { program, slice };
      this.sorts = this.options.symmetry === true ? this.sortsOf(program) : new Map();
      const wishes = {
        sorts: this.sorts,
        slice,
        partialOrder: this.options.partialOrder === true ? this.footprints(program) : undefined,
      };
      try {
        return { program, reduction: new Reduction(program, wishes) };
      } catch (error) {
        this.refuse(error);
      }
    }
  }

  private sortsOf(program: Program): ReadonlyMap<string, number> {
    const sorts = new Map([...candidateSorts(program)].filter(([name]) => !this.refused.has(name)));
    for (const name of sorts.keys()) {
      const obstacle = canonicalObstacle(program.layout, name, sorts.get(name) as number);
      if (obstacle === undefined) continue;
      this.refused.set(name, obstacle);
      sorts.delete(name);
    }
    const before = this.resume === undefined ? undefined : sortsOfCheckpoint(this.resume);
    for (const name of sorts.keys()) {
      if (before?.includes(name) ?? true) continue;
      this.refused.set(name, 'it was not reduced by when the checkpoint was written');
      sorts.delete(name);
    }
    while (countRenamings([...sorts.values()]) > mostRenamings) {
      const [largest] = [...sorts].toSorted(([, a], [, b]) => b - a)[0] as [string, number];
      this.refused.set(largest, `there would be more than ${mostRenamings} renamings`);
      sorts.delete(largest);
    }
    return sorts;
  }

  /** Begins anew without the sorts that are not symmetric; throws every other error. */
  withdraw(error: unknown): void {
    this.refuse(error);
    this.resume = undefined;
  }

  private refuse(error: unknown): void {
    if (error instanceof Unforeseen) {
      this.isForeseen = false;
      return;
    }
    if (!(error instanceof Asymmetry)) throw error;
    for (const sort of error.sorts) this.refused.set(sort, error.message);
  }

  end(result: CheckResult): void {
    this.results.push({ result, slice: this.current?.slice, sorts: [...this.sorts.keys()] });
  }

  /** The results as one. */
  result(): CheckResult {
    const [first] = this.results;
    if (first === undefined) throw new Error('a check without a search');
    const { symmetry, slice, partialOrder } = this.options;
    if (symmetry !== true && slice !== true && partialOrder !== true) return first.result;
    const reductions: Reductions = {
      ...(symmetry === true
        ? {
            symmetry: {
              // In slices, a sort may have been refused after it had been reduced by.
              sorts: [...new Set(this.results.flatMap(({ sorts }) => sorts))],
              refused: [...this.refused].map(([sort, reason]) => ({ sort, reason })),
            },
          }
        : {}),
      ...(partialOrder === true && this.current !== undefined
        ? { partialOrder: ampleNames(this.current.program) }
        : {}),
      ...(slice === true ? { slices: this.results.map(({ result, slice: of }) => sliceResult(result, of)) } : {}),
    };
    if (slice !== true) return { ...first.result, reductions };
    const all = this.results.map(({ result }) => result);
    const names = propertiesOf(this.instance, this.sets, this.options.properties);
    const properties = names.map(({ name, kind, doc, requirements }): PropertyResult => {
      const found = all.flatMap((result) => result.properties).find((property) => property.name === name);
      return found ?? { name, kind, doc, requirements, verdict: 'unknown' };
    });
    const sum = (of: (result: CheckResult) => number): number => all.reduce((total, result) => total + of(result), 0);
    const limits = all.flatMap((result) => result.limit ?? []);
    const limit = limits.find((one) => one !== this.storeLimit()) ?? limits[0];
    const omissions = all.flatMap(({ omission }) => omission ?? []);
    return {
      ...first.result,
      verdict: worst(properties.map(({ verdict }) => verdict)),
      states: sum(({ states }) => states),
      transitions: sum(({ transitions }) => transitions),
      depth: Math.max(...all.map(({ depth }) => depth)),
      seconds: sum(({ seconds }) => seconds),
      digest: all.map(({ digest }) => digest).join(' '),
      storedBytes: Math.max(...all.map(({ storedBytes = 0 }) => storedBytes)),
      ...(omissions.length === 0
        ? {}
        : { omission: omissionOf(omissions.reduce((total, one) => total + one.expected, 0)) }),
      ...(limit === undefined ? {} : { limit }),
      properties,
      reductions,
    };
  }
}

function sliceResult(result: CheckResult, slice: Slice | undefined): NonNullable<Reductions['slices']>[number] {
  return {
    properties: result.properties.map(({ name }) => name),
    fields: slice?.leaves.size ?? 0,
    rules: slice?.rules.size ?? 0,
    states: result.states,
    transitions: result.transitions,
    digest: result.digest,
  };
}
