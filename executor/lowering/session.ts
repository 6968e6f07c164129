/**
 * A model and its machine side by side: each step of the model is done on the machine, and then the states are compared.
 */
import { type ActionData, type Instance, ModelError, type State } from '../../language/index.ts';
import { type Difference, differences } from './compare.ts';
import { type HardwareEdit, hardwareEdits } from './hardware-edits.ts';
import type { AnyLowering, Consequence } from './lowering.ts';

/** How the machine disagrees with the model: it does not do the step, or has another state after it. */
export type Disagreement =
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'differs'; readonly differences: readonly Difference[] };

/** A machine that follows a run of a model. */
export interface Session {
  /** How the machine differs from the initial state, if it does. */
  readonly initially: Disagreement | undefined;
  /** Does one step of the model on the machine. After a disagreement nothing more may be asked. */
  step(action: ActionData, before: State, after: State): Disagreement | undefined;
  /** What physically came of it; the machine may be used for that, and no step can follow. */
  consequence(): Consequence;
}

/**
 * Builds the machine for an instance of the lowering's model in an initial state. Throws `ModelError` if a variant edits
 * hardware in a way for which the lowering declares no defect.
 */
export function begin(of: AnyLowering, instance: Instance, initial: State): Session {
  const machine = of.build({ instance, initial, defects: defectsOf(of, instance) });
  const compared = (state: State): Disagreement | undefined => {
    const found = differences(instance, of.abstract(machine), state);
    return found.length === 0 ? undefined : { kind: 'differs', differences: found };
  };
  return {
    initially: compared(initial),
    step: (action, before, after) => {
      try {
        const refusal = isHardware(of, instance, action)
          ? of.hardware(machine, action)
          : of.software(machine, { before, after });
        return refusal === undefined ? compared(after) : { kind: 'refused', reason: refusal.refused };
      } catch (error) {
        // Told like any disagreement, so that what else was checked is not lost.
        return {
          kind: 'refused',
          reason: `the machine fails: ${error instanceof Error ? error.message : String(error)}`,
        };
      }
    },
    consequence: () => of.consequence(machine),
  };
}

function isHardware({ hardwareActors }: AnyLowering, { rules }: Instance, action: ActionData): boolean {
  const rule = rules.find(({ type, step }) => type === action.type && step === action.step);
  return rule !== undefined && hardwareActors.includes(rule.actor);
}

/** The defects that the edits of a variant stand for, each once. */
function defectsOf(of: AnyLowering, instance: Instance): readonly unknown[] {
  const found = new Set<unknown>();
  for (const edit of hardwareEdits(instance, of.hardwareActors)) {
    const declared = declaredFor(of, instance, edit);
    if (declared === undefined) {
      throw new ModelError(`the lowering has no defect of the machine for: ${editInWords(edit)}`, {
        model: instance.model.name,
        ...(instance.variant === undefined ? {} : { variant: instance.variant }),
      });
    }
    if (declared.defect !== undefined) found.add(declared.defect);
  }
  return [...found];
}

function declaredFor(
  { defects }: AnyLowering,
  { variant }: Instance,
  edit: HardwareEdit,
): AnyLowering['defects'][number] | undefined {
  const fitting = defects.filter(
    (defect) =>
      defect.action === edit.action &&
      defect.step === edit.step &&
      defect.part === edit.part &&
      defect.edit === edit.edit &&
      (defect.variant === undefined || defect.variant === variant),
  );
  return fitting.find((defect) => defect.variant !== undefined) ?? fitting[0];
}

function editInWords({ action, step, part, edit }: HardwareEdit): string {
  const where = [action, step, part].filter((name) => name !== undefined).join(' / ');
  return `${edit} ${where}`;
}
