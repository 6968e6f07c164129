/**
 * What host software does, as a sequence of small steps: between two steps anyone else may act (the SMMU, a device, another
 * CPU), so that every interleaving can be driven. `run` does a whole operation at once.
 */
import type { RegisterName } from '../smmuv3/registers.ts';

/**
 * One step, already done when it is yielded. `store`: a 64-bit aligned store (or a command entry) that hardware can read.
 * `register`: a write of a register. `device`: the function was told something, for example to enable ATS. `wait`: software
 * polls for something that is not so yet, and did nothing.
 */
export type HostStep =
  | { readonly kind: 'store'; readonly what: string; readonly address: bigint }
  | { readonly kind: 'register'; readonly what: string; readonly register: RegisterName }
  | { readonly kind: 'device'; readonly what: string }
  | { readonly kind: 'wait'; readonly what: string };

/** An operation: each `next()` does one step. */
export type Steps<T> = Generator<HostStep, T, undefined>;

export interface RunOptions {
  /** Called while software polls, so that the caller can let hardware go on. */
  readonly meanwhile?: (what: string) => void;
  /** How often in a row software polls before it gives up; 1000 by default. */
  readonly patience?: number;
}

/** Does all steps. Throws if software would wait for ever: `Error` that names what it waits for. */
export function run<T>(steps: Steps<T>, { meanwhile, patience = 1000 }: RunOptions = {}): T {
  let polls = 0;
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (value.kind !== 'wait') {
      polls = 0;
      continue;
    }
    polls++;
    if (polls > patience) throw new Error(`waited in vain for ${value.what}`);
    meanwhile?.(value.what);
  }
}
