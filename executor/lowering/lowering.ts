/**
 * Lowering: what the steps of a model are on the concrete machine, and how the state of the model is read back off it.
 *
 * How to write one for a model `m`, in `executor/lowering/<name of the model>.ts`:
 *
 * 1. `build` makes the machine in the state that `initial` stands for: memory, tables, queues, an SMMU whose schedule is
 *    'by hand', endpoints. Its type is the lowering's own and holds the parts of the executor, and what software
 *    remembers (which CMD_SYNC a processor waits for). Hardware that a variant has broken is built with the `defects`.
 * 2. `software` does what a step of software did, told by the *difference* between the state before and after: a PTE that
 *    changed is written into the table in memory, commands that came into the abstract queue are encoded into the ring and
 *    PROD is written, a frame changes its owner. It must not look at the name of the action: then it does what any variant
 *    of the software does too, whose steps may be others.
 * 3. `hardware` is told the action alone, and lets the machine do it by its own rules: it only chooses (which command of the
 *    window takes effect, which walk is inserted, which message arrives). It is never told what the model says will come of
 *    it. It returns why the machine refuses, if it does. Match exhaustively, so that a new action does not compile:
 *    `match(action).with({ type: 'insert' }, ...).with({ type: P.union('map', 'changeMapping') }, bySoftware).exhaustive()`.
 * 4. `abstract` reads the state off the machine: PTEs from memory, entries from the TLB and the ATCs, commands from the ring.
 *    Fields that are nowhere on the machine are left out, and named in `notOnMachine`, each with the reason.
 * 5. `defects` says for each edit of hardware that a variant makes which defect of the machine it stands for. An edit of
 *    hardware without one is an error.
 * 6. `consequence` tells at the end what physically happened: bytes, frames, commands, events.
 *
 * Add it to `index.ts`: the tests of that registry then hold it to all of this, on random walks of the model and its variants,
 * and with `npm run deep` on every transition at size smoke; `traces/replay.test.ts` replays the counterexamples of all variants.
 *
 * Parts to make it of: `platform.ts` (memory, SMMU, bring-up, commands), `address-space.ts` (pages in tables, TLB entries, walks
 * under an ASID), `ats-device.ts` (an endpoint step by step), `driver-queue.ts` (the abstract command queue), `ats-evidence.ts` and
 * `account.ts` (what to show at the end). An example is `atc-invalidation.ts`.
 *
 * A step that the machine refuses, or after which it differs, is a finding about the model or the machine, and is mended there. What
 * the model leaves open is the lowering's choice: traffic classes that PCIe does not order, a device that only the lowering knows.
 */
import type { ActionOf, Bag, Instance, MemberSet, Model, Queue, StateOf } from '../../language/index.ts';
import type { ReadonlyBag, ReadonlyMemberSet, ReadonlyQueue } from '../../language/index.ts';
import type { EachView } from '../../language/domain.ts';
import type { EditKind } from './hardware-edits.ts';

/**
 * A state as it is read off a machine. Members of sorts are their numbers; one value for each member, queues, bags and sets
 * are arrays (of a bag or set in any order). What is left out is not compared; items of queues and bags are whole.
 */
export type Abstract<T> = T extends `a ${string}`
  ? number
  : T extends string | number | boolean | null | undefined
    ? T
    : T extends ReadonlyQueue<infer Item> | Queue<infer Item>
      ? readonly Whole<Item>[]
      : T extends ReadonlyBag<infer Item> | Bag<infer Item>
        ? readonly Whole<Item>[]
        : T extends ReadonlyMemberSet<infer _M> | MemberSet<infer _M>
          ? readonly number[]
          : T extends EachView<infer _Name, infer Item>
            ? readonly Abstract<Item>[]
            : { readonly [Field in keyof T]?: Abstract<T[Field]> };

/** An item of a queue or bag as it is read off a machine. */
export type Whole<T> = T extends `a ${string}`
  ? number
  : T extends string | number | boolean | null | undefined
    ? T
    : { readonly [Field in keyof T]: Whole<T[Field]> };

/** Why the machine does not do what the model says that it can do next, in a sentence. */
export interface Refusal {
  readonly refused: string;
}

/** Which defect of the machine an edit of hardware stands for. */
export interface Defect<D> {
  readonly action: string;
  /** Of a procedure that hardware runs. */
  readonly step?: string;
  /** The guard or effect; left out for the whole action or step. */
  readonly part?: string;
  readonly edit: EditKind;
  /** The variant, where a part is replaced by different things in different variants. */
  readonly variant?: string;
  /** What `build` is given; left out where correct hardware may do so too: then `why` says why. */
  readonly defect?: D;
  readonly why: string;
}

/** A device access that did what it must not, or would. */
export interface Harm {
  /** A sentence: who accessed what, through what, and whose it was. */
  readonly what: string;
  /** Physical address of the first byte, in hexadecimal. */
  readonly address: string;
  /** The bytes there before and after, in hexadecimal; of a read, both are what was read. */
  readonly before: string;
  readonly after: string;
}

/** A command, event or message as it lies in memory, and what it says. */
export interface Entry {
  readonly raw: string;
  readonly decoded: string;
  /** Such as `waits`, `done`. */
  readonly state?: string;
}

/** What physically came of a trace. All is for people and JSON: addresses and bytes are in hexadecimal. */
export interface Consequence {
  /** What happened in the trace itself; empty if no access has done harm. */
  readonly harms: readonly Harm[];
  /** What on the machine shows the violation where no access has done harm: a stale entry, a message that nobody awaits. */
  readonly evidence: readonly string[];
  /** What one more access by way of that evidence does; done on the machine after the end of the trace. */
  readonly next?: readonly Harm[];
  /** The commands that stand in the queue in memory, with those that were consumed last. */
  readonly commands: readonly Entry[];
  readonly events: readonly Entry[];
}

/** A step of software as the machine is told it: by what it changed. */
export interface SoftwareStep<M extends Model> {
  readonly before: StateOf<M>;
  readonly after: StateOf<M>;
}

/** What a machine is built for. */
export interface Setting<M extends Model, D> {
  readonly instance: Instance<M>;
  readonly initial: StateOf<M>;
  readonly defects: readonly D[];
}

/** A lowering of the model `M` onto machines `W` with defects `D`. */
export interface Lowering<M extends Model, W, D> {
  readonly model: M;
  /** The actors whose steps the machine does by its own rules; all others are software. */
  readonly hardwareActors: readonly string[];
  /** Fields that are nowhere on the machine (`page.locked` for all pages, a record or procedure for all in it), and why. */
  readonly notOnMachine: Readonly<Record<string, string>>;
  readonly defects: readonly Defect<D>[];
  build(setting: Setting<M, D>): W;
  software(machine: W, step: SoftwareStep<M>): Refusal | undefined;
  hardware(machine: W, action: ActionOf<M>): Refusal | undefined;
  abstract(machine: W): Abstract<StateOf<M>>;
  consequence(machine: W): Consequence;
}

declare const erased: unique symbol;

/** A lowering whose types are forgotten: what the frame works with. Only `lowering` makes one. */
export interface AnyLowering extends Omit<
  Lowering<Model, unknown, unknown>,
  'build' | 'software' | 'hardware' | 'abstract' | 'consequence'
> {
  readonly [erased]: true;
  build(setting: {
    readonly instance: Instance;
    readonly initial: unknown;
    readonly defects: readonly unknown[];
  }): unknown;
  software(machine: unknown, step: { readonly before: unknown; readonly after: unknown }): Refusal | undefined;
  hardware(machine: unknown, action: unknown): Refusal | undefined;
  abstract(machine: unknown): unknown;
  consequence(machine: unknown): Consequence;
}

/** A lowering, for the registry. */
export function lowering<M extends Model, W, D>(of: Lowering<M, W, D>): AnyLowering {
  return of as unknown as AnyLowering;
}

/** For `match`: an action that the frame never gives to `hardware`, since its actor is software. */
export function bySoftware(action: { readonly type: string }): never {
  throw new Error(`'${action.type}' is a step of software`);
}

/** A refusal. */
export function refuse(refused: string): Refusal {
  return { refused };
}

/** Of a step of the endpoint: why it was not done. */
export function refusalOf(
  outcome: { readonly done: true } | { readonly done: false; readonly why: string },
): Refusal | undefined {
  return outcome.done ? undefined : refuse(outcome.why);
}

/** The part of the machine that a member of a sort stands for. Throws `RangeError` if there is none. */
export function memberOf<T>(parts: readonly T[], member: unknown): T {
  const part = parts[Number(member)];
  if (part === undefined) throw new RangeError(`there is no member ${String(member)}`);
  return part;
}
