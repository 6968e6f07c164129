/**
 * Walks as an arbitrary of fast-check: all that is random in a walk comes from it, and so do reproduction by seed and path, and the
 * order in which simpler walks are tried.
 */
import { Arbitrary, type Random, Stream, Value } from 'fast-check';
import type { Chances } from './chances.ts';
import { shorter, type Shortening } from './shorter.ts';
import type { Suspector } from './suspect.ts';
import type { Walk } from './walk.ts';
import type { Choice, Walker } from './walker.ts';

/** How long runs may be: each length is as likely as the others. */
const lengths = [40, 80, 160, 640] as const;
/** What is likely stays the same for so many steps. */
const phases = [12, 30, 80, 640, 640, 640] as const;
/** A run goes to and fro between so few phases. */
const mostChoices = 3;
/** How often a run that ends early goes on from somewhere on the way, in half of the runs. */
const mostReturns = 4;
const shares = 16;
/** No run is longer. */
export const longest = Math.max(...lengths);

/** Walks of one program. Only a walk that fails has simpler ones, which fail alike. */
export class WalkArbitrary extends Arbitrary<Walk> {
  private readonly walker: Walker;
  private readonly chances: Chances;
  private readonly of: Shortening;
  private readonly suspector: Suspector | undefined;

  constructor(walker: Walker, chances: Chances, of: Shortening, suspector?: Suspector) {
    super();
    this.walker = walker;
    this.chances = chances;
    this.of = of;
    this.suspector = suspector;
  }

  override generate(random: Random): Value<Walk> {
    const { initial, judge } = this.of;
    const { all } = this.chances;
    const start = initial[random.nextInt(0, initial.length - 1)] as Int32Array;
    const steps = lengths[random.nextInt(0, lengths.length - 1)] as number;
    // What is likely changes on the way in some runs, as when much of one kind happens first and then much of another.
    const phase = phases[random.nextInt(0, phases.length - 1)] as number;
    const next = (): number => random.nextInt(-0x8000_0000, 0x7fff_ffff);
    const pool: Choice[] = [];
    let pieces: Int32Array[] = [];
    let at = start;
    let left = steps;
    let returns = random.nextInt(0, 1) * mostReturns;
    for (;;) {
      const choice = pool[random.nextInt(0, mostChoices - 1)] ?? this.chances.draw(random);
      if (pool.length < mostChoices && !pool.includes(choice)) pool.push(choice);
      const piece = { next, initial: at, steps: Math.min(left, phase), choice, all };
      const run = this.walker.run(piece, { initial: start, rules: pieces });
      pieces.push(run.rules);
      left -= run.rules.length;
      at = run.state;
      if (left > 0 && run.broken === undefined && !run.isOver) continue;
      const failure = judge.failureOf(run.broken);
      const walk = judge.withSteps({ initial: start, rules: joined(pieces), failure });
      if (left > 0 && walk.failure === undefined && returns-- > 0) {
        // It has come to an end early: it goes on from somewhere on the way, rather late than soon.
        const share = random.nextInt(0, shares) / shares;
        const kept = walk.rules.slice(0, Math.floor(walk.rules.length * (1 - share * share)));
        pieces = [kept];
        left = steps - kept.length;
        at = judge.lastOf({ initial: start, rules: kept });
        continue;
      }
      return new Value({ ...walk, suspicion: this.suspector?.examine(walk, random) }, 0);
    }
  }

  override canShrinkWithoutContext(_value: unknown): _value is Walk {
    return false;
  }

  /** `context`: the number of the first attempt to make. */
  override shrink(walk: Walk, context: unknown): Stream<Value<Walk>> {
    const found = shorter(walk, context as number, this.of);
    return found === undefined ? Stream.nil() : Stream.of(new Value(found.walk, found.next));
  }
}

function joined(pieces: readonly Int32Array[]): Int32Array {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const whole = new Int32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
